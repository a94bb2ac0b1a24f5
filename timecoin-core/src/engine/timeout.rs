//! What happens because time has passed, and when that is.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::Engine;
use super::input::PeerId;
use super::output::{Event, Halt, Rejection, To, TransactionStatus};
use crate::ledger::view::UtxoView;
use crate::params::BlockProduction;
use crate::types::chain::Timestamp;
use crate::types::keys::Signature;
use crate::types::message::{Message, Request, RoundChange};
use crate::types::vote::VoteBatch;

/// The first repetition of a message that brought no decision; each later one waits twice as
/// long.
const REPEAT_FIRST: Duration = Duration::from_millis(500);

/// The longest time between repetitions; where the round timeout is shorter, that is it, since
/// masternodes that lost each other can't agree sooner than they hear of each other.
const REPEAT_MAX: Duration = Duration::from_secs(30);

/// How long a node that hears of the next height waits for the block before it asks for it.
const ASK_AFTER: Duration = Duration::from_millis(200);

/// Peers that are remembered as asked in vain; then all have another chance.
const ASKED_MAX: usize = 64;

/// Batches of votes that one repetition sends.
const BATCHES_REPEATED_MAX: usize = 64;

/// Reasons for a block, and things to do later.
#[derive(Clone, Debug, Default)]
pub(super) struct Timers {
    is_contested: bool,
    is_forced: bool,
    final_bytes: usize,
    repeat_at: Option<Timestamp>,
    repeat_delay: Duration,
    /// Own batches of the last while, oldest first.
    fresh: VecDeque<(Timestamp, Signature)>,
    ask_at: Option<(Timestamp, PeerId)>,
    /// Who was asked and brought no block.
    asked: BTreeSet<PeerId>,
}

impl Timers {
    /// Votes are split, or an owner signed two payments: a block is due at once (F7).
    pub(super) fn contested(&mut self) {
        self.is_contested = true;
    }

    /// The host wants a block.
    pub(super) fn force(&mut self) {
        self.is_forced = true;
    }

    /// A transaction of so many bytes became final.
    pub(super) fn add_final(&mut self, bytes: usize) {
        self.final_bytes += bytes;
    }

    /// Something was sent that may have to be repeated.
    pub(super) fn repeat_soon(&mut self, now: Timestamp) {
        if self.repeat_at.is_none() {
            self.repeat_delay = REPEAT_FIRST;
            self.repeat_at = Some(now.after(REPEAT_FIRST));
        }
    }

    /// Own votes were sent.
    pub(super) fn sent_votes(&mut self, batch: &VoteBatch, now: Timestamp) {
        self.forget_fresh(now);
        self.fresh.push_back((now, batch.signature));
    }

    fn forget_fresh(&mut self, now: Timestamp) {
        let is_fresh = |at: Timestamp| at <= now && now < at.after(REPEAT_FIRST);
        while self.fresh.pop_front_if(|(at, _)| !is_fresh(*at)).is_some() {}
    }

    fn is_fresh(&self, batch: &VoteBatch) -> bool {
        self.fresh.iter().any(|(_, signature)| *signature == batch.signature)
    }

    /// Somebody is ahead: ask it for the block, now or if it does not come by itself. Who was
    /// asked before without a result gives way to anybody else.
    pub(super) fn ask(&mut self, from: PeerId, now: Timestamp, is_far_ahead: bool) {
        let at = if is_far_ahead { now } else { now.after(ASK_AFTER) };
        match &mut self.ask_at {
            None => self.ask_at = Some((at, from)),
            Some((_, peer)) if self.asked.contains(peer) && !self.asked.contains(&from) => {
                *peer = from;
            }
            Some(_) => {}
        }
    }

    fn take_ask(&mut self, now: Timestamp) -> Option<PeerId> {
        let (_, peer) = self.ask_at.take_if(|(at, _)| *at <= now)?;
        if !self.asked.insert(peer) || self.asked.len() > ASKED_MAX {
            self.asked = BTreeSet::from([peer]);
        }
        Some(peer)
    }

    /// A new height begins.
    pub(super) fn begin_height(&mut self, is_contested: bool, final_bytes: usize) {
        *self = Timers { is_contested, final_bytes, ..Timers::default() };
    }

    /// Whether votes are split on something.
    pub(super) fn is_contested(&self) -> bool {
        self.is_contested
    }
}

impl Engine {
    pub(super) fn on_produce_block(
        &mut self,
        now: Timestamp,
        utxos: &dyn UtxoView,
    ) -> Result<(), Halt> {
        self.timers.force();
        self.handle_timeout(now, utxos)
    }

    /// Does what is due: signs gathered votes, proposes, times out, repeats.
    ///
    /// # Errors
    /// [`Halt`]: the node must stop writing.
    pub fn handle_timeout(&mut self, now: Timestamp, utxos: &dyn UtxoView) -> Result<(), Halt> {
        self.restore_if_needed(now, utxos)?;
        self.end_silence(now);
        if self.is_halted {
            return Ok(());
        }
        self.sign_votes(now, utxos)?;
        if self.due_at().is_some_and(|at| at <= now) {
            self.consensus.set_due(now);
        }
        self.advance(now, utxos)?;
        self.sign_votes(now, utxos)?;
        self.expire_waiting(now);
        self.ask_if_behind(now);
        self.ask_for_unknown(now, utxos)?;
        self.ask_for_inventories(now, utxos)?;
        self.repeat_if_undecided(now);
        Ok(())
    }

    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        let due = self.due_at().filter(|_| !self.consensus.is_due() && self.own_index().is_some());
        let ask = self.timers.ask_at.map(|(at, _)| at);
        let expiry = self.mempool.next_expiry();
        let round = self.consensus.timer();
        let unknown = self.unknown.ask_at();
        let pages = self.pages.ask_at();
        [due, round, self.timers.repeat_at, ask, unknown, pages, expiry, self.silent_until]
            .into_iter()
            .flatten()
            .min()
    }

    /// When the next block is due (PROTOCOL 5).
    fn due_at(&self) -> Option<Timestamp> {
        let params = self.chain.params();
        let after_parent = |ms| self.state.tip.timestamp.after(Duration::from_millis(ms));
        let quarter_transactions = (params.block_transactions_max as usize / 4).max(1);
        let quarter_bytes = (params.block_bytes_max as usize / 4).max(1);
        let is_wanted = self.timers.is_forced
            || self.timers.is_contested
            || self.finality.finals().len() >= quarter_transactions
            || self.timers.final_bytes >= quarter_bytes
            || params.is_epoch_end(self.state.next_height());
        if is_wanted {
            return Some(after_parent(params.block_gap_ms_min));
        }
        match params.block_production {
            BlockProduction::Interval => {
                Some(after_parent(params.block_interval_ms.max(params.block_gap_ms_min)))
            }
            BlockProduction::OnDemand => None,
        }
    }

    fn expire_waiting(&mut self, now: Timestamp) {
        if self.mempool.next_expiry().is_none_or(|at| at > now) {
            return;
        }
        for (transaction, outpoint) in self.mempool.expire(now) {
            let rejection = Rejection::ParentTimeout { outpoint };
            let status = TransactionStatus::from(rejection);
            self.notify(Event::Transaction { transaction, status });
        }
    }

    fn ask_if_behind(&mut self, now: Timestamp) {
        if let Some(peer) = self.timers.take_ask(now) {
            let request = Request::Decided(self.state.next_height());
            self.send(To::Peer(peer), Message::Request(request));
        }
    }

    /// Nodes that lost messages catch up because everybody repeats what is not decided.
    fn repeat_if_undecided(&mut self, now: Timestamp) {
        if self.timers.repeat_at.is_none_or(|at| at > now) {
            return;
        }
        let n_sent = self.repeat_votes(now) + self.repeat_ballots();
        if n_sent == 0 {
            self.timers.repeat_at = None;
            return;
        }
        let delay_max = self.round_timeout.clamp(REPEAT_FIRST, REPEAT_MAX);
        self.timers.repeat_delay = self.timers.repeat_delay.saturating_mul(2).min(delay_max);
        self.timers.repeat_at = Some(now.after(self.timers.repeat_delay));
    }

    fn repeat_votes(&mut self, now: Timestamp) -> usize {
        let Some(own) = self.finality.own().filter(|_| self.finality.set().len() > 1) else {
            return 0;
        };
        let batches = self.finality.undecided_batches(own, BATCHES_REPEATED_MAX);
        let n_batches = batches.len();
        self.timers.forget_fresh(now);
        // What was sent just now has not had its time, and there is always some under load.
        for batch in batches {
            if self.timers.is_fresh(&batch) {
                continue;
            }
            self.send(To::All, Message::Votes(VoteBatch::clone(&batch)));
        }
        n_batches
    }

    fn repeat_ballots(&mut self) -> usize {
        if self.finality.own().is_none() || self.finality.set().len() == 1 {
            return 0;
        }
        let mut messages: Vec<Message> =
            self.consensus.own_ballots().into_iter().map(Message::Ballot).collect();
        let own = self.finality.own();
        messages.extend(
            own.and_then(|own| self.inventories.of(own))
                .map(|inventory| Message::CertInventory((**inventory).clone())),
        );
        let change = own.and_then(|own| self.consensus.round_change_of(own));
        messages.extend(change.cloned().map(|change: RoundChange| Message::RoundChange(change)));
        messages.extend(self.own_proposal().map(Message::Proposal));
        let n_messages = messages.len();
        for message in messages {
            self.send(To::All, message);
        }
        n_messages
    }
}
