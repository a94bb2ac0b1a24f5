//! Whom to dial now: masternodes of the set first, then outbound slots, then a feeler.
//!
//! An address that fails rests, twice as long each time, for a time drawn at random, so that
//! nodes that lost each other at once don't come back at once. One dial of an address and one of
//! a masternode is under way at a time.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use rand_core::Rng;

use super::address::{PeerAddress, canonical, is_routable, subnet};
use super::book::AddressBook;
use super::score::Scores;
use super::slots::Slots;
use super::{PeerLimits, below};
use crate::types::chain::Timestamp;
use crate::types::keys::PublicKey;

/// What a dial is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DialKind {
    /// A connection with a masternode of the set, which takes no slot.
    Reserved,
    /// A connection in an outbound slot.
    Outbound,
    /// A handshake, to see whether an address is good. Close the connection then; it is given no
    /// slot.
    Feeler,
}

/// A dial to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dial {
    /// Where to.
    pub address: SocketAddr,
    /// The key that the peer has to prove: a masternode's. Otherwise whoever answers is welcome.
    pub key: Option<PublicKey>,
    /// What for.
    pub kind: DialKind,
}

/// What the choice depends on.
#[derive(Debug)]
pub struct DialContext<'a> {
    /// Addresses to choose from.
    pub book: &'a mut AddressBook,
    /// Who is connected.
    pub slots: &'a Slots,
    /// Who is banned.
    pub scores: &'a Scores,
    /// The masternodes of the set and where they are, this node's own key included or not. The
    /// first come first.
    pub reserved: &'a [(PublicKey, SocketAddr)],
}

/// Addresses whose failures are remembered; those whose rest ends first are forgotten first.
pub const ATTEMPTS_MAX: usize = 1_024;

/// Dials under way and addresses that rest.
#[derive(Clone, Debug)]
pub struct DialSchedule {
    limits: PeerLimits,
    attempts: BTreeMap<SocketAddr, Attempt>,
    feeler_at: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Attempt {
    dial: Dial,
    phase: Phase,
    /// In a row.
    failures: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Dialing,
    Connected { since: Timestamp },
    Resting { since: Timestamp, until: Timestamp },
}

impl DialSchedule {
    /// Nothing was dialled yet.
    pub fn new(limits: &PeerLimits) -> Self {
        DialSchedule {
            limits: limits.clone(),
            attempts: BTreeMap::new(),
            feeler_at: Timestamp::ZERO,
        }
    }

    /// The next dial to start at `now`; ask until there is none. Worth asking each second, and
    /// at once when a connection ends or the masternode set changes.
    pub fn poll(
        &mut self,
        context: &mut DialContext<'_>,
        now: Timestamp,
        rng: &mut impl Rng,
    ) -> Option<Dial> {
        if self.attempts.len() >= ATTEMPTS_MAX && !self.make_room() {
            return None;
        }
        let dial = self.reserved(context, now);
        let dial = dial.or_else(|| self.outbound(context, now, rng));
        let dial = dial.or_else(|| self.feeler(context, now, rng))?;
        let failures = self.attempts.get(&dial.address).map_or(0, |attempt| attempt.failures);
        self.attempts.insert(dial.address, Attempt { dial, phase: Phase::Dialing, failures });
        Some(dial)
    }

    /// The handshake of a dial is done, and the connection has a slot or was a feeler.
    pub fn on_connected(&mut self, address: SocketAddr, now: Timestamp) {
        let address = canonical(address);
        let Some(attempt) = self.attempts.get_mut(&address) else { return };
        if attempt.dial.kind == DialKind::Feeler {
            self.attempts.remove(&address);
        } else {
            attempt.phase = Phase::Connected { since: now };
        }
    }

    /// A dial came to nothing, whoever ended it.
    pub fn on_failed(&mut self, address: SocketAddr, now: Timestamp, rng: &mut impl Rng) {
        let Some(attempt) = self.attempts.get_mut(&canonical(address)) else { return };
        attempt.failures = attempt.failures.saturating_add(1);
        let longest_ms = self.limits.backoff_ms_max;
        let shift = (attempt.failures - 1).min(u64::BITS - 1);
        let full_ms = self.limits.backoff_ms_min.saturating_mul(1 << shift).min(longest_ms);
        let half_ms = usize::try_from(full_ms / 2).unwrap_or(usize::MAX - 1);
        let rest_ms = full_ms - below(rng, half_ms + 1) as u64;
        let until = Timestamp(now.0.saturating_add(rest_ms));
        attempt.phase = Phase::Resting { since: now, until };
    }

    /// A connection that this node dialled has ended. If it had lasted, its address starts from
    /// the shortest rest.
    pub fn on_closed(&mut self, address: SocketAddr, now: Timestamp, rng: &mut impl Rng) {
        let Some(attempt) = self.attempts.get_mut(&canonical(address)) else { return };
        if let Phase::Connected { since } = attempt.phase
            && now.0.saturating_sub(since.0) >= self.limits.lasting_ms
        {
            attempt.failures = 0;
        }
        self.on_failed(address, now, rng);
    }

    /// Dials under way.
    pub fn n_dialing(&self) -> usize {
        self.dialing().count()
    }

    fn reserved(&self, context: &DialContext<'_>, now: Timestamp) -> Option<Dial> {
        let dialing: Vec<PublicKey> = self.dialing().filter_map(|dial| dial.key).collect();
        if dialing.len() >= self.limits.reserved_dials_max {
            return None;
        }
        let mut known = context.reserved.iter().map(|(key, address)| (*key, canonical(*address)));
        let due = known.find(|(key, address)| {
            *key != context.slots.own_key()
                && context.slots.connection_of(key).is_none()
                && !dialing.contains(key)
                && is_routable(*address, true)
                && self.is_ready(*address, self.limits.reserved_backoff_ms_max, now)
                && !context.scores.is_key_banned(key, now)
        });
        due.map(|(key, address)| Dial { address, key: Some(key), kind: DialKind::Reserved })
    }

    fn outbound(
        &self,
        context: &DialContext<'_>,
        now: Timestamp,
        rng: &mut impl Rng,
    ) -> Option<Dial> {
        let slots = context.slots;
        let dialing: Vec<SocketAddr> = self
            .dialing()
            .filter(|dial| dial.kind == DialKind::Outbound)
            .map(|dial| dial.address)
            .collect();
        if slots.n_outbound() + dialing.len() >= self.limits.outbound_max {
            return None;
        }
        let shares_subnet = |address: SocketAddr| {
            slots.has_subnet_limit(address.ip())
                && dialing.iter().any(|other| subnet(other.ip()) == subnet(address.ip()))
        };
        let is_wanted = |peer: &PeerAddress| {
            self.may_dial(peer, context.slots, context.scores, now)
                && slots.may_dial(peer.address())
                && !shares_subnet(peer.address())
                && !context.reserved.iter().any(|(_, of)| canonical(*of) == peer.address())
        };
        let peer = context.book.pick_to_dial(rng, is_wanted)?;
        Some(Dial { address: peer.address(), key: None, kind: DialKind::Outbound })
    }

    /// One in the time between two feelers, drawn so that nobody knows when.
    fn feeler(
        &mut self,
        context: &mut DialContext<'_>,
        now: Timestamp,
        rng: &mut impl Rng,
    ) -> Option<Dial> {
        let interval_ms = self.limits.feeler_interval_ms;
        let longest_ms = interval_ms.saturating_mul(3) / 2;
        let is_due = now >= self.feeler_at || self.feeler_at.0 - now.0 > longest_ms;
        if !is_due || self.dialing().any(|dial| dial.kind == DialKind::Feeler) {
            return None;
        }
        let drawn = usize::try_from(interval_ms).unwrap_or(usize::MAX - 1);
        let wait_ms = interval_ms / 2 + below(rng, drawn + 1) as u64;
        self.feeler_at = Timestamp(now.0.saturating_add(wait_ms));
        let (slots, scores) = (context.slots, context.scores);
        let is_wanted = |peer: &PeerAddress| self.may_dial(peer, slots, scores, now);
        let peer = context.book.pick_feeler(rng, is_wanted)?;
        Some(Dial { address: peer.address(), key: None, kind: DialKind::Feeler })
    }

    fn may_dial(&self, peer: &PeerAddress, slots: &Slots, scores: &Scores, now: Timestamp) -> bool {
        let is_connected = |key: &PublicKey| slots.connection_of(key).is_some();
        self.is_ready(peer.address(), self.limits.backoff_ms_max, now)
            && !slots.is_connected(peer.address())
            && !peer.key.as_ref().is_some_and(is_connected)
            && !scores.is_banned(peer.key.as_ref(), peer.address().ip(), now)
    }

    /// Whether an address is not in use and has rested, at most for `longest_ms`; a rest that
    /// began in the future is over, since the clock went back.
    fn is_ready(&self, address: SocketAddr, longest_ms: u64, now: Timestamp) -> bool {
        match self.attempts.get(&address).map(|attempt| attempt.phase) {
            None => true,
            Some(Phase::Dialing | Phase::Connected { .. }) => false,
            Some(Phase::Resting { since, until }) => {
                now >= until || now < since || now.0 - since.0 >= longest_ms
            }
        }
    }

    fn dialing(&self) -> impl Iterator<Item = Dial> + '_ {
        let under_way = self.attempts.values().filter(|attempt| attempt.phase == Phase::Dialing);
        under_way.map(|attempt| attempt.dial)
    }

    fn make_room(&mut self) -> bool {
        let resting = self.attempts.iter().filter_map(|(address, attempt)| match attempt.phase {
            Phase::Resting { until, .. } => Some((until, *address)),
            Phase::Dialing | Phase::Connected { .. } => None,
        });
        let Some((_, address)) = resting.min() else { return false };
        self.attempts.remove(&address).is_some()
    }
}

#[cfg(test)]
mod tests;
