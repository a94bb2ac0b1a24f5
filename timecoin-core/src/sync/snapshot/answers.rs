//! What peers answer: whether it can be right, and what follows.

use std::sync::Arc;

use super::attempt::{Awaited, Record, Waiting};
use super::overlay::{Delta, is_whole};
use super::proof::check_state;
use super::trail::Certified;
use super::{Output, Question, Snapshot};
use crate::ledger::state::LedgerState;
use crate::ledger::view::OutputPage;
use crate::sync::BadAnswer;
use crate::sync::headers::Anchor;
use crate::types::block::Block;
use crate::types::chain::{Height, Timestamp};
use crate::types::keys::PublicKey;

impl Snapshot {
    /// Whether an answer of headers is waited for, which is worth following them.
    pub fn awaits_headers(&self, peer: &PublicKey, id: u64) -> bool {
        self.questions.awaits(peer, id, |what| matches!(what, Question::Headers { .. }))
    }

    /// An answer of headers, and what came of following them; none where they prove nothing.
    ///
    /// # Errors
    /// [`BadAnswer`], for which the peer is asked nothing for a while.
    pub fn on_headers(
        &mut self,
        peer: PublicKey,
        id: u64,
        followed: Option<(Vec<Certified>, Anchor)>,
        bytes: usize,
        now: Timestamp,
    ) -> Result<(), BadAnswer> {
        let is_it = |what: &Question| matches!(what, Question::Headers { .. });
        let Some(what) = self.questions.answered(&peer, id, is_it)? else { return Ok(()) };
        let Question::Headers { from, .. } = what else { return Ok(()) };
        let Some((certified, end)) = followed else {
            self.questions.demote(&peer, now);
            return Err(BadAnswer::BadHeaders);
        };
        self.bytes += bytes as u64;
        if !self.trail.extend(certified, end) && self.trail.end().height < from {
            // Nothing new is a claim without proof.
            self.questions.demote(&peer, now);
        }
        self.trail.forget_before(self.attempt.height.unwrap_or(Height(u64::MAX)));
        Ok(())
    }

    /// An answer of blocks.
    ///
    /// # Errors
    /// [`BadAnswer`], for which the peer is asked nothing for a while.
    pub fn on_blocks(
        &mut self,
        peer: PublicKey,
        id: u64,
        blocks: &[Arc<Block>],
        bytes: usize,
        now: Timestamp,
    ) -> Result<(), BadAnswer> {
        let is_it = |what: &Question| matches!(what, Question::Blocks { .. });
        let Some(what) = self.questions.answered(&peer, id, is_it)? else { return Ok(()) };
        let Question::Blocks { from, count } = what else { return Ok(()) };
        let heights = (from.0..).map(Height).take(usize::from(count));
        let is_in_order = blocks.len() <= usize::from(count)
            && blocks.iter().map(|block| block.header.height).eq(heights.take(blocks.len()));
        if blocks.is_empty() || !is_in_order {
            self.questions.demote(&peer, now);
            return if blocks.is_empty() { Ok(()) } else { Err(BadAnswer::OtherBlocks) };
        }
        for block in blocks {
            let height = block.header.height;
            // Those before have come from somebody else, and those behind a gap are of no use.
            if self.attempt.height.map(Height::next) != Some(height) {
                continue;
            }
            let Some(certified) = self.trail.at(height) else { break };
            if block.header.hash() != certified.hash || !is_whole(block) {
                self.questions.demote(&peer, now);
                return Err(BadAnswer::NotCertified);
            }
            self.keep(Record::Delta(Delta::of(block, self.attempt.covered)), height);
        }
        self.bytes += bytes as u64;
        self.questions.on_served(&peer);
        Ok(())
    }

    /// An answer of outputs; none where the peer has no time for it.
    ///
    /// # Errors
    /// [`BadAnswer`], for which the peer is asked nothing for a while.
    pub fn on_outputs(
        &mut self,
        peer: PublicKey,
        id: u64,
        page: Option<OutputPage>,
        bytes: usize,
        now: Timestamp,
    ) -> Result<(), BadAnswer> {
        let is_it = |what: &Question| matches!(what, Question::Outputs { .. });
        let Some(what) = self.questions.answered(&peer, id, is_it)? else { return Ok(()) };
        let Question::Outputs { after, count } = what else { return Ok(()) };
        let Some(page) = page else {
            self.questions.demote(&peer, now);
            return Ok(());
        };
        let mut before = after;
        let is_ascending = page.outputs.iter().all(|(outpoint, _)| {
            let ascends = before.is_none_or(|before| before < *outpoint);
            before = Some(*outpoint);
            ascends
        });
        if page.outputs.len() > usize::from(count) || !is_ascending {
            self.questions.demote(&peer, now);
            return Err(BadAnswer::OtherOutputs);
        }
        self.bytes += bytes as u64;
        let attempt = &self.attempt;
        let is_of_use = !attempt.is_covered()
            && attempt.cursor() == after
            && attempt.waiting.is_none()
            && (!attempt.is_of_one || attempt.source == Some(peer));
        if is_of_use {
            let is_last = page.outputs.len() < usize::from(count);
            self.attempt.source = Some(peer);
            self.wait_for(peer, page.height, Awaited::Page { is_last, page }, now);
        }
        Ok(())
    }

    /// An answer of the ledger state; none where the peer has no time for it.
    ///
    /// # Errors
    /// [`BadAnswer`], for which the peer is asked nothing for a while.
    pub fn on_state(
        &mut self,
        peer: PublicKey,
        id: u64,
        state: Option<Box<LedgerState>>,
        bytes: usize,
        now: Timestamp,
    ) -> Result<(), BadAnswer> {
        let is_it = |what: &Question| *what == Question::State;
        if self.questions.answered(&peer, id, is_it)?.is_none() {
            return Ok(());
        }
        let Some(state) = state else {
            self.questions.demote(&peer, now);
            return Ok(());
        };
        self.bytes += bytes as u64;
        if self.attempt.is_covered() && self.attempt.waiting.is_none() {
            let height = state.tip.height;
            self.wait_for(peer, height, Awaited::State { is_checked: false, state }, now);
        }
        Ok(())
    }

    /// An answer of an earlier block is of no use: its sender is behind the others.
    fn wait_for(&mut self, peer: PublicKey, height: Height, what: Awaited, now: Timestamp) {
        if height < self.attempt.height.unwrap_or(Height(1)) {
            self.questions.demote(&peer, now);
        } else {
            self.attempt.waiting = Some(Waiting { peer, height, since: now, what });
        }
    }

    /// Takes what waits, as far as headers and blocks allow.
    pub(super) fn take_waiting(&mut self, now: Timestamp) {
        let Some(waiting) = &self.attempt.waiting else { return };
        let (peer, height, since) = (waiting.peer, waiting.height, waiting.since);
        let Some(certified) = self.trail.at(height).copied() else {
            let is_late = now.0.saturating_sub(since.0) >= self.limits.prove_ms_max;
            if is_late || height <= self.trail.end().height {
                self.drop_waiting();
                self.questions.demote(&peer, now);
            }
            return;
        };
        let at = self.attempt.height.unwrap_or(height);
        if height < at {
            self.drop_waiting();
            return;
        }
        if self.check_waiting(&certified).is_err() {
            self.drop_waiting();
            self.questions.demote(&peer, now);
            self.liars.insert(peer);
            self.outputs.push_back(Output::Blame(peer));
            return;
        }
        if height > at {
            return;
        }
        match self.drop_waiting().map(|waiting| waiting.what) {
            Some(Awaited::Page { is_last, page }) => {
                self.keep(Record::Page { peer, is_last, page }, height);
                self.questions.on_served(&peer);
                if self.attempt.n_outputs > self.limits.outputs_max {
                    self.on_mismatch(now);
                }
            }
            Some(Awaited::State { state, .. }) => {
                self.attempt.is_finishing = true;
                self.outputs.push_back(Output::Finish(state));
            }
            None => {}
        }
    }

    /// A state is checked as soon as a header says what it must be, a page never by itself.
    fn check_waiting(&mut self, certified: &Certified) -> Result<(), super::StateError> {
        let Some(waiting) = &mut self.attempt.waiting else { return Ok(()) };
        if let Awaited::State { is_checked, state } = &mut waiting.what
            && !*is_checked
        {
            check_state(&self.chain, certified, state)?;
            *is_checked = true;
        }
        Ok(())
    }
}
