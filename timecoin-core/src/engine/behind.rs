//! How often a peer that says what is decided here is told so.
//!
//! Under load most of what it says was only under way when the decision came. An answer is a whole
//! block or many certificates, and costs its reader more than the question cost its writer: where
//! each late message had one, those that are slowest would be given the most to do.

use std::collections::BTreeMap;
use std::time::Duration;

use super::input::PeerId;
use crate::types::chain::Timestamp;

/// How long a peer that was told is not told again. Nobody repeats itself sooner; where the round
/// timeout is shorter, that is it.
const TOLD_FOR: Duration = Duration::from_millis(500);

/// Peers that are remembered as told; then all may be told again.
const TOLD_MAX: usize = 512;

/// Who was told how much, and since when.
#[derive(Clone, Debug)]
pub(super) struct Told {
    peers: BTreeMap<PeerId, (Timestamp, usize)>,
    window: Duration,
    n_max: usize,
}

impl Told {
    /// Each peer may be told `n_max` things, or bytes, in a while.
    pub(super) fn new(n_max: usize, round_timeout: Duration) -> Self {
        Told { peers: BTreeMap::new(), window: TOLD_FOR.min(round_timeout), n_max }
    }

    /// Whether a peer may be told one more thing, which counts as told.
    pub(super) fn may_tell(&mut self, peer: PeerId, now: Timestamp) -> bool {
        let has_room = self.has_room(peer, now);
        self.count(peer, 1, now);
        has_room
    }

    /// Whether a peer may be told anything more.
    pub(super) fn has_room(&mut self, peer: PeerId, now: Timestamp) -> bool {
        *self.n_told(peer, now) < self.n_max
    }

    /// Counts what a peer was told.
    pub(super) fn count(&mut self, peer: PeerId, n: usize, now: Timestamp) {
        *self.n_told(peer, now) += n;
    }

    fn n_told(&mut self, peer: PeerId, now: Timestamp) -> &mut usize {
        if self.peers.len() >= TOLD_MAX && !self.peers.contains_key(&peer) {
            self.peers.clear();
        }
        let (since, n_told) = self.peers.entry(peer).or_insert((now, 0));
        if *since > now || since.after(self.window) <= now {
            (*since, *n_told) = (now, 0);
        }
        n_told
    }

    /// Whether what was decided at `at` is so new that most have not heard of it.
    pub(super) fn is_news(&self, at: Timestamp, now: Timestamp) -> bool {
        at <= now && now < at.after(self.window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::keys::KeyPair;

    fn peer(n: usize) -> PeerId {
        KeyPair::from_seed(format!("peer {n}").as_bytes()).public()
    }

    #[test]
    fn a_peer_is_told_so_much_in_a_while_and_others_do_not_notice() {
        let mut told = Told::new(2, Duration::from_secs(9));
        let at = |ms| Timestamp::ZERO.after(Duration::from_millis(ms));
        let answers: Vec<bool> =
            [0, 1, 2, 499, 500].map(|ms| told.may_tell(peer(0), at(ms))).to_vec();
        assert_eq!(answers, [true, true, false, false, true]);
        assert!(told.may_tell(peer(1), at(2)));
        assert!(told.is_news(at(0), at(499)) && !told.is_news(at(0), at(500)));
    }

    #[test]
    fn a_clock_that_goes_back_silences_nobody_and_memory_is_bounded() {
        let mut told = Told::new(1, Duration::from_secs(9));
        assert!(told.may_tell(peer(0), Timestamp::ZERO.after(Duration::from_secs(60))));
        assert!(told.may_tell(peer(0), Timestamp::ZERO));
        (0..TOLD_MAX + 9).for_each(|n| assert!(told.may_tell(peer(n + 1), Timestamp::ZERO)));
        assert!(told.peers.len() <= TOLD_MAX);
    }
}
