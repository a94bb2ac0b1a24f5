//! Whom to ask for what.

use super::{Ask, Output, Question, Snapshot};
use crate::sync::questions::Source;
use crate::types::chain::{Height, Timestamp};
use crate::types::keys::PublicKey;

impl Snapshot {
    /// What to do now; to be called until it is nothing.
    pub fn poll(&mut self, now: Timestamp) -> Option<Output> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        if self.attempt.is_finishing {
            return None;
        }
        self.questions.give_up(now);
        self.take_waiting(now);
        self.begin_again_if_stuck(now);
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        let ask = self.ask_headers(now).or_else(|| self.ask_blocks(now));
        ask.or_else(|| self.ask_outputs(now)).or_else(|| self.ask_state(now)).map(Output::Ask)
    }

    /// Where too many blocks were decided meanwhile, the one peer of the attempt does not go on, or
    /// what is here is of a block that those who answer don't have.
    fn begin_again_if_stuck(&mut self, now: Timestamp) {
        let went_on = *self.went_on.get_or_insert(now);
        let Some(height) = self.attempt.height else { return };
        let is_late = now.0.saturating_sub(went_on.0) >= self.limits.stuck_ms_max;
        let is_behind = |source: &Source| (1..height.0).contains(&source.height.0);
        let is_ahead = is_late && self.questions.peers.values().any(is_behind);
        let is_far =
            self.trail.end().height.0 > height.0.saturating_add(self.limits.gap_blocks_max);
        let is_left = self.attempt.is_of_one
            && !self.attempt.is_covered()
            && !self.attempt.source.is_some_and(|peer| self.is_usable(&peer, now));
        if let Some(peer) = self.attempt.source.filter(|_| is_left) {
            self.suspect(peer);
        }
        if is_far || is_left || is_ahead {
            self.begin_again(self.attempt.is_of_one);
        }
    }

    fn is_usable(&self, peer: &PublicKey, now: Timestamp) -> bool {
        let source = self.questions.peers.get(peer);
        source.is_some_and(|source| source.is_usable(now)) && !self.liars.contains(peer)
    }

    /// Headers are asked for as far as anybody claims to have them: one peer, and others too while
    /// it is slow.
    fn ask_headers(&mut self, now: Timestamp) -> Option<Ask> {
        let end = self.trail.end().height;
        let is_headers = |what: &Question| matches!(what, Question::Headers { .. });
        let asked = self.all_slow(is_headers, now)?;
        let from = end.next();
        let peer = self.best(now, &asked, |source| source.has(from))?;
        let most = self.questions.peers.get(&peer)?.height.0 - end.0;
        let count = most.min(u64::from(self.limits.page_headers)).try_into().unwrap_or(u16::MAX);
        self.ask(peer, Question::Headers { from, count }, now)
    }

    /// Blocks are asked for up to the one that an answer waits for.
    fn ask_blocks(&mut self, now: Timestamp) -> Option<Ask> {
        let at = self.attempt.height?;
        let until = self.attempt.waiting.as_ref()?.height.min(self.trail.end().height);
        if until <= at {
            return None;
        }
        let is_blocks = |what: &Question| matches!(what, Question::Blocks { .. });
        let asked = self.all_slow(is_blocks, now)?;
        let from = at.next();
        let peer = self.best(now, &asked, |source| source.has(from))?;
        let most = until.min(self.questions.peers.get(&peer)?.height).0 - at.0;
        let count = most.min(u64::from(self.limits.page_blocks)).try_into().unwrap_or(u16::MAX);
        self.ask(peer, Question::Blocks { from, count }, now)
    }

    fn ask_outputs(&mut self, now: Timestamp) -> Option<Ask> {
        let attempt = &self.attempt;
        if attempt.is_covered() || attempt.waiting.is_some() {
            return None;
        }
        let what = Question::Outputs { after: attempt.cursor(), count: self.limits.page_outputs };
        let asked = self.all_slow(|asked| *asked == what, now)?;
        let is_begun = attempt.height.is_some();
        let peer = match attempt.source.filter(|peer| self.is_free(peer, now)) {
            Some(source) if !asked.contains(&source) => source,
            _ if attempt.is_of_one && (is_begun || !asked.is_empty()) => return None,
            _ => self.best(now, &asked, |source| self.is_near(source))?,
        };
        if self.attempt.is_of_one {
            self.attempt.source = Some(peer);
        }
        self.ask(peer, what, now)
    }

    fn ask_state(&mut self, now: Timestamp) -> Option<Ask> {
        if !self.attempt.is_covered() || self.attempt.waiting.is_some() {
            return None;
        }
        let asked = self.all_slow(|asked| *asked == Question::State, now)?;
        let peer = self.best(now, &asked, |source| self.is_near(source))?;
        self.ask(peer, Question::State, now)
    }

    /// Whether headers prove about as many blocks as it claims, and it is not behind.
    fn is_near(&self, source: &Source) -> bool {
        let end = self.trail.end().height;
        let least = self.attempt.height.unwrap_or(Height(1));
        source.height >= least && source.height.0 <= end.0.saturating_add(NEAR_BLOCKS)
    }

    fn ask(&mut self, peer: PublicKey, what: Question, now: Timestamp) -> Option<Ask> {
        let id = self.questions.ask(peer, what, now)?;
        Some(Ask { peer, id, what })
    }

    /// Whom one thing was asked of, unless an answer may still be on its way or they are many.
    fn all_slow(
        &self,
        is_it: impl Fn(&Question) -> bool,
        now: Timestamp,
    ) -> Option<Vec<PublicKey>> {
        self.questions.all_slow(self.questions.open().filter(|asked| is_it(&asked.what)), now)
    }

    fn is_free(&self, peer: &PublicKey, now: Timestamp) -> bool {
        let source = self.questions.peers.get(peer);
        source.is_some_and(|source| self.questions.may_ask(source, now))
            && !self.liars.contains(peer)
    }

    /// The peer that failed least, of those that can be asked and are not among `others`.
    fn best(
        &self,
        now: Timestamp,
        others: &[PublicKey],
        has: impl Fn(&Source) -> bool,
    ) -> Option<PublicKey> {
        let fits = |peer: &PublicKey, source: &Source| {
            has(source) && !others.contains(peer) && self.is_free(peer, now)
        };
        let usable = self.questions.peers.iter().filter(|(peer, source)| fits(peer, source));
        let rank = |(peer, source): &(&PublicKey, &Source)| {
            (self.suspects.get(*peer).copied(), source.n_failed, source.n_asked, self.place(peer))
        };
        usable.min_by_key(rank).map(|(peer, _)| *peer)
    }

    fn place(&self, peer: &PublicKey) -> u64 {
        use crate::types::hash::{Tag, hash};
        let bytes = [&self.seed.to_le_bytes()[..], peer.as_bytes()].concat();
        let hash = hash(Tag::Message, &bytes).to_bytes();
        u64::from_le_bytes(*hash.first_chunk().expect("32 bytes begin with 8"))
    }
}

/// Blocks that a peer may be ahead of the headers: they are decided all the time.
const NEAR_BLOCKS: u64 = 64;
