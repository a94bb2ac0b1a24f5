//! The boundary between two epochs (PROTOCOL 4): votes are closed before the last block, void
//! after it, and the next set begins with none.

use super::input::PeerId;
use super::output::{Event, Halt, Record, Rejection, To, TransactionStatus};
use super::verify::{VerifyContext, verify_message};
use super::{Engine, RecordedOnce, backlog_max, own_index};
use crate::finality::{Finality, Inventories};
use crate::ledger::transaction::{SpendError, check_spend};
use crate::ledger::view::UtxoView;
use crate::types::chain::{Epoch, Timestamp};
use crate::types::hash::Txid;
use crate::types::message::{CertInventory, Message};
use crate::types::transaction::TxKind;
use crate::types::verified::{Verified, VerifiedTransaction};

impl Engine {
    /// The last block of the epoch is next: no new Approve or Commit, and everybody is told
    /// what this masternode has Committed and not seen confirmed.
    pub(super) fn freeze(&mut self, now: Timestamp, utxos: &dyn UtxoView) -> Result<(), Halt> {
        self.sign_votes(now, utxos)?;
        if !self.finality.is_frozen() {
            self.finality.freeze();
            self.guard.freeze();
            if self.finality.own().is_some() {
                self.persist(Record::Frozen(self.finality.epoch()));
            }
        }
        if !self.is_silent() {
            self.send_inventory(now);
        }
        Ok(())
    }

    /// Lets go of changes of the masternode set that the new epoch makes impossible: whom evidence
    /// removed can't leave by itself any more, and no block would ever take that. What was final
    /// in the old epoch is in its last block.
    pub(super) fn drop_impossible_changes(&mut self, utxos: &dyn UtxoView) -> Result<(), Halt> {
        let is_change = |transaction: &VerifiedTransaction| {
            let kind = &transaction.kind;
            matches!(kind, TxKind::RegisterMasternode(_) | TxKind::DeregisterMasternode { .. })
        };
        let entries = self.mempool.entries().map(|entry| &entry.transaction);
        let mut changes: Vec<_> = entries.filter(|entry| is_change(entry)).cloned().collect();
        changes.sort_unstable_by_key(VerifiedTransaction::txid);
        for transaction in changes {
            let view = self.spendable_view(utxos);
            let error = match check_spend(&transaction, &self.spend_context(), &view) {
                Err(SpendError::View(error)) => return Err(error.into()),
                Err(SpendError::Invalid(error)) if error.is_settled() => error,
                _ => continue,
            };
            self.forget_transaction(&transaction.txid());
            let status = TransactionStatus::from(Rejection::from(error));
            self.notify(Event::Transaction { transaction, status });
        }
        Ok(())
    }

    /// A message that this node can't check: its sender is behind, or this node is.
    pub(super) fn on_other_epoch(
        &mut self,
        from: PeerId,
        epoch: Epoch,
        message: Message,
        now: Timestamp,
    ) {
        if epoch > self.finality.epoch() {
            self.timers.ask(from, now, epoch > self.finality.epoch().next());
            if epoch == self.finality.epoch().next() {
                self.hold_unverified(from, message);
            }
            return;
        }
        let height = match &message {
            Message::Ballot(signed) => signed.ballot.height,
            Message::Proposal(proposal) => proposal.ballot.ballot.height,
            Message::RoundChange(change) => change.ballot.ballot.height,
            // It can't check the tip either, and will ask for what comes after its own.
            _ => self.state.tip.height,
        };
        self.answer_with_block(Some(from), height.min(self.state.tip.height));
    }

    /// Messages of this epoch that came before it began.
    pub(super) fn take_held_unverified(
        &mut self,
        now: Timestamp,
        utxos: &dyn UtxoView,
    ) -> Result<(), Halt> {
        for (from, message) in std::mem::take(&mut self.held_unverified) {
            let state = self.state.clone();
            let context = VerifyContext {
                chain: &self.chain,
                current: (self.finality.epoch(), &state.masternodes),
                tip: (self.chain.params().epoch_of(state.tip.height), &state.tip_masternodes),
                known: &|_| None,
            };
            if let Ok(message) = verify_message(message, &context) {
                self.on_message(from, message, now, utxos)?;
            }
        }
        Ok(())
    }

    pub(super) fn send_inventory(&mut self, now: Timestamp) {
        let (Some(voter), Some(keys)) = (self.finality.own(), self.keys.as_ref()) else { return };
        let txids: Vec<Txid> = self.finality.open_commits().into_iter().collect();
        let (epoch, set_hash) = (self.finality.epoch(), self.finality.set().hash());
        let inventory = CertInventory::sign(self.chain.id(), epoch, set_hash, voter, txids, keys);
        self.inventories.add(Verified::vouch(inventory.clone()));
        self.send(To::All, Message::CertInventory(inventory));
        self.timers.repeat_soon(now);
    }

    /// All votes are void; what is pending is voted on afresh.
    pub(super) fn begin_epoch(&mut self, epoch: Epoch, was_observing: bool) -> Result<(), Halt> {
        let lost = self.finality.finals().next().copied();
        if let Some(txid) = lost.filter(|_| !was_observing) {
            let reason = format!("final transaction {txid} is in no block of its epoch");
            return Err(Halt::Invariant(reason));
        }
        let set = self.state.masternodes.clone();
        let own = own_index(self.keys.as_ref(), &set, self.guard.is_observing());
        self.finality = Finality::new(epoch, set, own, backlog_max(&self.chain));
        self.inventories = Inventories::default();
        self.recorded = RecordedOnce::default();
        self.restored.clear();
        self.mempool.unpin_all();
        let waiting: Vec<Txid> =
            self.mempool.entries().map(|entry| entry.transaction.txid()).collect();
        for txid in waiting {
            self.finality.note_known(txid);
        }
        self.notify(Event::EpochBegan { epoch });
        Ok(())
    }
}
