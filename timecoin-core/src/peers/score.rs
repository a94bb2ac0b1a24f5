//! What misbehaviour costs: points by kind, forgiven with time, and bans.
//!
//! Points are counted by key and by host, because a key costs nothing to replace. A peer that
//! sends too much, too late or twice is scored for nothing: under load, honest peers do.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::PeerLimits;
use super::address::{Host, host, is_loopback};
use crate::types::chain::Timestamp;
use crate::types::keys::PublicKey;

/// What a peer did that no honest one does, or that looks so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Misbehavior {
    /// Bytes that decode to nothing.
    Undecodable,
    /// A frame or what it unpacks to is over its limit.
    FrameTooLong,
    /// A block or certificate that breaks a rule which the sender checks itself.
    InvalidBlock,
    /// The handshake claims a key that it doesn't prove.
    BadHandshake,
    /// A signature that doesn't verify.
    BadSignature,
    /// A message of a kind that the version agreed on doesn't have.
    UnknownKind,
    /// More addresses in a message than one may hold.
    TooManyAddresses,
    /// A transaction that breaks a rule which needs no state.
    InvalidTransaction,
    /// An answer to what was not asked.
    Unrequested,
    /// Something that was current a while ago.
    Stale,
    /// Something that came before.
    Duplicate,
    /// More than its rate allows.
    Overload,
}

impl Misbehavior {
    /// Every kind, in the order of declaration.
    pub const ALL: [Misbehavior; 12] = [
        Misbehavior::Undecodable,
        Misbehavior::FrameTooLong,
        Misbehavior::InvalidBlock,
        Misbehavior::BadHandshake,
        Misbehavior::BadSignature,
        Misbehavior::UnknownKind,
        Misbehavior::TooManyAddresses,
        Misbehavior::InvalidTransaction,
        Misbehavior::Unrequested,
        Misbehavior::Stale,
        Misbehavior::Duplicate,
        Misbehavior::Overload,
    ];

    /// Its points, where 100 are a ban. 100: can't come from the software of an honest peer,
    /// whatever it was told. 10 or 20: may come from an old version or a broken memory now and
    /// then. 0: says nothing about the peer.
    pub fn points(self) -> u32 {
        match self {
            Misbehavior::Undecodable | Misbehavior::FrameTooLong | Misbehavior::InvalidBlock => 100,
            Misbehavior::BadHandshake
            | Misbehavior::BadSignature
            | Misbehavior::UnknownKind
            | Misbehavior::TooManyAddresses
            | Misbehavior::InvalidTransaction => 20,
            Misbehavior::Unrequested => 10,
            Misbehavior::Stale | Misbehavior::Duplicate | Misbehavior::Overload => 0,
        }
    }
}

/// What follows from misbehaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The connection stays.
    Keep,
    /// Close the connection; the peer is refused until then.
    Ban {
        /// When it may come back.
        until: Timestamp,
    },
}

/// Keys and hosts with points or bans; when there are more, those with the least are forgotten.
/// 16,384 take 2 MB.
pub const SUBJECTS_MAX: usize = 16_384;

/// Points and bans.
#[derive(Clone, Debug)]
pub struct Scores {
    ban_score: u64,
    decay_ms: u64,
    ban_ms: u64,
    loopback_exempt: bool,
    records: BTreeMap<Subject, Record>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Key(PublicKey),
    Host(Host),
}

#[derive(Clone, Copy, Debug)]
struct Record {
    /// Points times the milliseconds in which one is forgiven, so that each millisecond forgives
    /// a whole number.
    score: u64,
    at: Timestamp,
    banned_until: Timestamp,
}

impl Scores {
    /// Nobody has points.
    pub fn new(limits: &PeerLimits) -> Self {
        Scores {
            ban_score: u64::from(limits.ban_score.max(1)),
            decay_ms: limits.score_decay_ms,
            ban_ms: limits.ban_ms,
            loopback_exempt: limits.loopback_exempt,
            records: BTreeMap::new(),
        }
    }

    /// Scores a peer, by its key if it has proven one and by its host, and bans what reaches the
    /// threshold: both then. Its points are gone when the ban is over.
    pub fn on_misbehavior(
        &mut self,
        key: Option<PublicKey>,
        ip: IpAddr,
        kind: Misbehavior,
        now: Timestamp,
    ) -> Verdict {
        if kind.points() == 0 {
            return Verdict::Keep;
        }
        let subjects = self.subjects(key, Some(ip));
        let mut is_over = false;
        for subject in &subjects {
            let score = self.decayed(subject, now);
            let score = score.saturating_add(u64::from(kind.points()) * self.unit());
            is_over |= score >= self.ban_score * self.unit();
            let banned_until =
                self.records.get(subject).map_or(Timestamp::ZERO, |r| r.banned_until);
            self.set(*subject, Record { score, at: now, banned_until }, now);
        }
        if !is_over {
            return Verdict::Keep;
        }
        let until = Timestamp(now.0.saturating_add(self.ban_ms));
        self.ban(key, Some(ip), until, now);
        Verdict::Ban { until }
    }

    /// Bans a key, the host of an address, or both, until a moment; an earlier end never replaces
    /// a later one. Loopback is not banned where it is exempt.
    pub fn ban(
        &mut self,
        key: Option<PublicKey>,
        ip: Option<IpAddr>,
        until: Timestamp,
        now: Timestamp,
    ) {
        for subject in self.subjects(key, ip) {
            let was = self.records.get(&subject).map_or(Timestamp::ZERO, |r| r.banned_until);
            self.set(subject, Record { score: 0, at: now, banned_until: until.max(was) }, now);
        }
    }

    /// Forgives a key, the host of an address, or both.
    pub fn unban(&mut self, key: Option<PublicKey>, ip: Option<IpAddr>) {
        for subject in self.subjects(key, ip) {
            self.records.remove(&subject);
        }
    }

    /// Whether the key or the host is banned at `now`.
    pub fn is_banned(&self, key: Option<&PublicKey>, ip: IpAddr, now: Timestamp) -> bool {
        let subjects = self.subjects(key.copied(), Some(ip));
        subjects.iter().any(|subject| self.is_subject_banned(subject, now))
    }

    /// Whether the key is banned at `now`, wherever it is. For masternodes of the set: one must
    /// not be out of reach because of what somebody else does from the same host.
    pub fn is_key_banned(&self, key: &PublicKey, now: Timestamp) -> bool {
        self.is_subject_banned(&Subject::Key(*key), now)
    }

    /// The points of a key at `now`, begun ones included.
    pub fn score(&self, key: &PublicKey, now: Timestamp) -> u32 {
        let points = self.decayed(&Subject::Key(*key), now).div_ceil(self.unit());
        u32::try_from(points).unwrap_or(u32::MAX)
    }

    /// Keys and hosts remembered.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    fn subjects(&self, key: Option<PublicKey>, ip: Option<IpAddr>) -> Vec<Subject> {
        let ip = ip.filter(|ip| !self.loopback_exempt || !is_loopback(*ip));
        let host = ip.map(|ip| Subject::Host(host(ip)));
        key.map(Subject::Key).into_iter().chain(host).collect()
    }

    fn is_subject_banned(&self, subject: &Subject, now: Timestamp) -> bool {
        self.records.get(subject).is_some_and(|record| record.banned_until > now)
    }

    fn unit(&self) -> u64 {
        self.decay_ms.max(1)
    }

    fn decayed(&self, subject: &Subject, now: Timestamp) -> u64 {
        self.records.get(subject).map_or(0, |record| self.left(record, now))
    }

    fn left(&self, record: &Record, now: Timestamp) -> u64 {
        let elapsed_ms = now.0.saturating_sub(record.at.0);
        if self.decay_ms == 0 { record.score } else { record.score.saturating_sub(elapsed_ms) }
    }

    fn set(&mut self, subject: Subject, record: Record, now: Timestamp) {
        if self.records.len() >= SUBJECTS_MAX && !self.records.contains_key(&subject) {
            self.make_room(now);
        }
        self.records.insert(subject, record);
    }

    /// Forgets who has nothing left and, if nobody has, an eighth: those whose bans end first,
    /// before them those without, by points. An eighth, so that the search is rare.
    fn make_room(&mut self, now: Timestamp) {
        let records = std::mem::take(&mut self.records);
        let weigh = |record: &Record| {
            let banned_until = Some(record.banned_until).filter(|until| *until > now);
            (banned_until, self.left(record, now))
        };
        let mut kept: Vec<(Subject, Record)> =
            records.into_iter().filter(|(_, record)| weigh(record) != (None, 0)).collect();
        if kept.len() >= SUBJECTS_MAX {
            kept.sort_by_key(|(_, record)| std::cmp::Reverse(weigh(record)));
            kept.truncate(SUBJECTS_MAX - SUBJECTS_MAX / 8);
        }
        self.records = kept.into_iter().collect();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: u64 = 60_000;
    const HOUR: u64 = 60 * MINUTE;

    fn key(n: u8) -> PublicKey {
        PublicKey::from_bytes([n; 32])
    }

    fn ip(n: u32) -> IpAddr {
        IpAddr::from((0x1400_0000 + n).to_be_bytes())
    }

    fn at(ms: u64) -> Timestamp {
        Timestamp(1_000_000_000 + ms)
    }

    fn scores() -> Scores {
        Scores::new(&PeerLimits::default())
    }

    #[test]
    fn each_kind_bans_after_so_many() {
        let table = [
            (Misbehavior::Undecodable, Some(1)),
            (Misbehavior::FrameTooLong, Some(1)),
            (Misbehavior::InvalidBlock, Some(1)),
            (Misbehavior::BadHandshake, Some(5)),
            (Misbehavior::BadSignature, Some(5)),
            (Misbehavior::UnknownKind, Some(5)),
            (Misbehavior::TooManyAddresses, Some(5)),
            (Misbehavior::InvalidTransaction, Some(5)),
            (Misbehavior::Unrequested, Some(10)),
            (Misbehavior::Stale, None),
            (Misbehavior::Duplicate, None),
            (Misbehavior::Overload, None),
        ];
        assert_eq!(table.map(|row| row.0), Misbehavior::ALL);
        for (kind, expected) in table {
            let mut scores = scores();
            let banned_at = (1..1_000)
                .find(|_| scores.on_misbehavior(Some(key(1)), ip(1), kind, at(0)) != Verdict::Keep);
            assert_eq!(banned_at, expected, "{kind:?}");
            assert_eq!(scores.is_empty(), expected.is_none(), "{kind:?}");
        }
    }

    #[test]
    fn a_point_a_minute_is_forgiven() {
        let mut scores = scores();
        scores.on_misbehavior(Some(key(1)), ip(1), Misbehavior::BadSignature, at(0));
        let left: Vec<u32> = [0, 1, MINUTE, 10 * MINUTE, 20 * MINUTE, 99 * MINUTE]
            .map(|ms| scores.score(&key(1), at(ms)))
            .to_vec();
        assert_eq!(left, [20, 20, 19, 10, 0, 0]);
        assert_eq!(scores.score(&key(1), Timestamp::ZERO), 20, "a clock that went back");
    }

    #[test]
    fn slow_misbehaviour_is_never_banned() {
        let mut scores = scores();
        for n in 0..1_000 {
            let now = at(n * 20 * MINUTE);
            let verdict =
                scores.on_misbehavior(Some(key(1)), ip(1), Misbehavior::BadSignature, now);
            assert_eq!(verdict, Verdict::Keep);
        }
    }

    #[test]
    fn a_ban_covers_key_and_host_and_ends() {
        let mut scores = scores();
        let verdict = scores.on_misbehavior(Some(key(1)), ip(1), Misbehavior::Undecodable, at(0));
        assert_eq!(verdict, Verdict::Ban { until: at(HOUR) });
        let banned = |now| {
            [
                scores.is_banned(Some(&key(1)), ip(2), now),
                scores.is_banned(None, ip(1), now),
                scores.is_banned(Some(&key(2)), ip(2), now),
            ]
        };
        assert_eq!(banned(at(HOUR - 1)), [true, true, false]);
        assert_eq!(banned(at(HOUR)), [false, false, false]);
        assert_eq!(scores.score(&key(1), at(HOUR)), 0);
    }

    #[test]
    fn new_keys_do_not_clear_a_host() {
        let mut scores = scores();
        let verdicts: Vec<bool> = (0..5)
            .map(|n| scores.on_misbehavior(Some(key(n)), ip(1), Misbehavior::BadSignature, at(0)))
            .map(|verdict| verdict != Verdict::Keep)
            .collect();
        assert_eq!(verdicts, [false, false, false, false, true]);
        assert!(
            scores.is_banned(None, ip(1), at(0)) && !scores.is_banned(Some(&key(0)), ip(9), at(0))
        );
    }

    #[test]
    fn loopback_is_banned_by_key_only_where_exempt() {
        let loopback: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
        for exempt in [true, false] {
            let limits = PeerLimits { loopback_exempt: exempt, ..PeerLimits::default() };
            let mut scores = Scores::new(&limits);
            scores.on_misbehavior(Some(key(1)), loopback, Misbehavior::Undecodable, at(0));
            assert!(scores.is_banned(Some(&key(1)), loopback, at(1)));
            assert_eq!(scores.is_banned(Some(&key(2)), loopback, at(1)), !exempt);
        }
    }

    #[test]
    fn a_longer_ban_stays_and_unban_lifts_it() {
        let mut scores = scores();
        scores.ban(Some(key(1)), None, at(9 * HOUR), at(0));
        scores.on_misbehavior(Some(key(1)), ip(1), Misbehavior::Undecodable, at(0));
        assert!(scores.is_banned(Some(&key(1)), ip(2), at(8 * HOUR)));
        scores.unban(Some(key(1)), Some(ip(1)));
        assert!(!scores.is_banned(Some(&key(1)), ip(1), at(0)));
    }

    #[test]
    fn a_flood_of_small_offenders_neither_grows_memory_nor_lifts_bans() {
        let mut scores = scores();
        scores.on_misbehavior(Some(key(1)), ip(0), Misbehavior::Undecodable, at(0));
        for n in 1..40_000 {
            scores.on_misbehavior(None, ip(n), Misbehavior::Unrequested, at(1));
            assert!(scores.len() <= SUBJECTS_MAX);
        }
        assert!(scores.is_banned(Some(&key(1)), ip(0), at(2)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_ban_comes_exactly_when_a_plain_sum_says_so(
            steps in prop::collection::vec((0_u64..30, 0_usize..12), 0..40),
        ) {
            let mut scores = scores();
            let (mut now, mut sum) = (0_u64, 0_u64);
            for (minutes, kind) in steps {
                now += minutes;
                sum = sum.saturating_sub(minutes);
                let kind = Misbehavior::ALL[kind];
                sum += u64::from(kind.points());
                let is_ban = kind.points() > 0 && sum >= 100;
                let verdict = scores.on_misbehavior(Some(key(1)), ip(1), kind, at(now * MINUTE));
                prop_assert_eq!(verdict != Verdict::Keep, is_ban);
                if is_ban {
                    sum = 0;
                }
            }
        }
    }
}
