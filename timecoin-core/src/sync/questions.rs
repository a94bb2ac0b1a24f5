//! Questions to peers: who was asked what, whose answer is late, and who is not worth a question
//! for a while. What to ask, and of whom first, is decided by whoever asks.

use std::collections::BTreeMap;

use super::BadAnswer;
use crate::types::chain::{Height, Timestamp};
use crate::types::keys::PublicKey;

/// How peers are asked.
#[derive(Clone, Debug)]
pub struct QuestionLimits {
    /// Questions to one peer at a time. Default 2.
    pub asked_per_peer_max: usize,
    /// How long an answer may take, in milliseconds. Default 10,000.
    pub answer_ms_max: u64,
    /// How long an answer may be waited for before another peer is asked too, in milliseconds.
    /// Default 2,000.
    pub again_ms: u64,
    /// How long a peer is asked nothing after it first failed, in milliseconds; it doubles each
    /// time, 10 times at most. Default 2,000.
    pub demoted_ms: u64,
}

impl Default for QuestionLimits {
    fn default() -> Self {
        QuestionLimits {
            asked_per_peer_max: 2,
            answer_ms_max: 10_000,
            again_ms: 2_000,
            demoted_ms: 2_000,
        }
    }
}

/// A peer that can be asked.
#[derive(Default)]
pub(super) struct Source {
    /// The last block that it says it has.
    pub(super) height: Height,
    /// The first block that it has.
    pub(super) first_block: Height,
    pub(super) n_asked: usize,
    /// Questions that were given up and may yet be answered.
    n_late: usize,
    pub(super) n_failed: u32,
    demoted_until: Timestamp,
}

impl Source {
    /// Whether it says that it has a block.
    pub(super) fn has(&self, height: Height) -> bool {
        self.first_block <= height && height <= self.height
    }

    /// Whether it has not failed of late.
    pub(super) fn is_usable(&self, now: Timestamp) -> bool {
        self.demoted_until <= now
    }
}

/// A question that may yet be answered, for `W`.
pub(super) struct Asked<W> {
    pub(super) peer: PublicKey,
    pub(super) what: W,
    at: Timestamp,
}

/// Peers, and what they are asked.
pub(super) struct Questions<W> {
    limits: QuestionLimits,
    pub(super) peers: BTreeMap<PublicKey, Source>,
    asked: BTreeMap<u64, Asked<W>>,
    next_id: u64,
}

impl<W> Questions<W> {
    pub(super) fn new(limits: QuestionLimits) -> Self {
        Questions { limits, peers: BTreeMap::new(), asked: BTreeMap::new(), next_id: 1 }
    }

    /// Forgets the peers that are gone, and what they were asked.
    pub(super) fn retain(&mut self, is_here: impl Fn(&PublicKey) -> bool) {
        self.peers.retain(|peer, _| is_here(peer));
        self.asked.retain(|_, asked| is_here(&asked.peer));
    }

    /// What is asked, oldest first.
    pub(super) fn open(&self) -> impl Iterator<Item = &Asked<W>> {
        self.asked.values()
    }

    /// Whether a peer is waited for with an answer of some kind.
    pub(super) fn awaits(&self, peer: &PublicKey, id: u64, is_it: impl Fn(&W) -> bool) -> bool {
        self.asked.get(&id).is_some_and(|asked| asked.peer == *peer && is_it(&asked.what))
    }

    /// Whether a peer may be asked one thing more.
    pub(super) fn may_ask(&self, source: &Source, now: Timestamp) -> bool {
        source.is_usable(now) && source.n_asked < self.limits.asked_per_peer_max
    }

    /// Notes a question, and gives the number that names its answer.
    pub(super) fn ask(&mut self, peer: PublicKey, what: W, now: Timestamp) -> Option<u64> {
        let source = self.peers.get_mut(&peer)?;
        source.n_asked += 1;
        let id = self.next_id;
        self.next_id += 1;
        self.asked.insert(id, Asked { peer, what, at: now });
        Some(id)
    }

    /// The question that an answer is to; none where it was given up, and the answer is late.
    ///
    /// # Errors
    /// [`BadAnswer::Unrequested`].
    pub(super) fn answered(
        &mut self,
        peer: &PublicKey,
        id: u64,
        is_it: impl Fn(&W) -> bool,
    ) -> Result<Option<W>, BadAnswer> {
        if !self.awaits(peer, id, is_it) {
            let late = self.peers.get_mut(peer).filter(|source| source.n_late > 0);
            let late = late.map(|source| source.n_late -= 1);
            return late.map(|()| None).ok_or(BadAnswer::Unrequested);
        }
        self.release(peer);
        Ok(self.asked.remove(&id).map(|asked| asked.what))
    }

    /// Whom one thing was asked of, unless an answer may still be on its way or they are many.
    pub(super) fn all_slow<'a>(
        &self,
        asked: impl Iterator<Item = &'a Asked<W>>,
        now: Timestamp,
    ) -> Option<Vec<PublicKey>>
    where
        W: 'a,
    {
        let is_slow = |asked: &Asked<W>| now.0.saturating_sub(asked.at.0) >= self.limits.again_ms;
        let peers: Vec<_> =
            asked.map(|asked| is_slow(asked).then_some(asked.peer)).collect::<Option<_>>()?;
        (peers.len() < AGAIN_MAX).then_some(peers)
    }

    /// Gives up the questions without an answer, at a price for whom they were put to.
    pub(super) fn give_up(&mut self, now: Timestamp) {
        let answer_ms_max = self.limits.answer_ms_max;
        let is_late = |asked: &Asked<W>| now.0.saturating_sub(asked.at.0) >= answer_ms_max;
        for peer in self.withdraw(is_late) {
            self.demote(&peer, now);
        }
    }

    /// Gives questions up, which may yet be answered. Returns whom they were put to.
    pub(super) fn withdraw(&mut self, is_it: impl Fn(&Asked<W>) -> bool) -> Vec<PublicKey> {
        let withdrawn: Vec<PublicKey> =
            self.asked.extract_if(.., |_, asked| is_it(asked)).map(|(_, one)| one.peer).collect();
        for peer in &withdrawn {
            self.release(peer);
            if let Some(source) = self.peers.get_mut(peer) {
                source.n_late += 1;
            }
        }
        withdrawn
    }

    /// A peer answered as it should.
    pub(super) fn on_served(&mut self, peer: &PublicKey) {
        if let Some(source) = self.peers.get_mut(peer) {
            source.n_failed = 0;
        }
    }

    /// A peer failed: it is asked nothing for a while.
    pub(super) fn demote(&mut self, peer: &PublicKey, now: Timestamp) {
        if let Some(source) = self.peers.get_mut(peer) {
            let wait = self.limits.demoted_ms << source.n_failed.min(DOUBLED_MAX);
            source.n_failed += 1;
            source.demoted_until = Timestamp(now.0.saturating_add(wait));
        }
    }

    fn release(&mut self, peer: &PublicKey) {
        if let Some(source) = self.peers.get_mut(peer) {
            source.n_asked = source.n_asked.saturating_sub(1);
        }
    }
}

/// Peers that are asked for the same at a time.
pub(super) const AGAIN_MAX: usize = 4;

/// How often the time without questions doubles.
const DOUBLED_MAX: u32 = 10;
