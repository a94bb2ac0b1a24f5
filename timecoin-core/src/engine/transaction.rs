//! A transaction, from this node's host or from a peer.

use super::Engine;
use super::output::{Event, Halt, Output, Rejection, Submission, To, TransactionStatus};
use crate::finality::{TxVotes, Verdict};
use crate::ledger::transaction::{Spend, SpendError, TransactionError, check_spend};
use crate::ledger::view::UtxoView;
use crate::mempool::{AdmitError, Source, WaitError};
use crate::types::chain::Timestamp;
use crate::types::hash::Txid;
use crate::types::message::{DoubleSpend, Message};
use crate::types::transaction::{OutPoint, TxKind};
use crate::types::verified::VerifiedTransaction;
use crate::types::vote::RejectReason;

/// What to do with a transaction that this node does not have.
enum Judged {
    /// A decided block holds it.
    Confirmed,
    /// The next block may hold it.
    Valid(Spend),
    /// An input is not known.
    Waits(OutPoint),
    /// It is not valid.
    Invalid(TransactionError),
}

impl Engine {
    pub(super) fn on_submit(
        &mut self,
        ticket: u64,
        transaction: VerifiedTransaction,
        now: Timestamp,
        utxos: &dyn UtxoView,
    ) -> Result<(), Halt> {
        let answer = self.submit(transaction, now, utxos)?;
        self.outputs.push_back(Output::Submitted { ticket, answer });
        Ok(())
    }

    /// The same transaction again is no error. A refusal changes nothing.
    fn submit(
        &mut self,
        transaction: VerifiedTransaction,
        now: Timestamp,
        utxos: &dyn UtxoView,
    ) -> Result<Submission, Halt> {
        let txid = transaction.txid();
        if self.mempool.contains(&txid) || self.mempool.is_waiting(&txid) {
            self.mempool.repeat_waiting(&txid, None);
            return Ok(Ok(txid));
        }
        if matches!(transaction.kind, TxKind::Evidence(_)) {
            return self.submit_evidence(&transaction, utxos);
        }
        if let Some((outpoint, by)) = self.mempool.conflicts(&transaction).first().copied() {
            let reason = self.conflict_reason(&by);
            return Ok(Err(Rejection::Conflict { outpoint, by, reason }));
        }
        match self.judge(&transaction, utxos)? {
            Judged::Confirmed => Ok(Ok(txid)),
            Judged::Invalid(error) => Ok(Err(error.into())),
            Judged::Waits(missing) => {
                if let Err(rejection) = self.wait(&transaction, missing, None, now) {
                    return Ok(Err(rejection));
                }
                self.announce(&transaction, TransactionStatus::Pending);
                Ok(Ok(txid))
            }
            Judged::Valid(spend) => {
                if let Err(rejection) = self.admit(&transaction, spend, now) {
                    return Ok(Err(rejection));
                }
                self.announce(&transaction, TransactionStatus::Pending);
                self.consider(&txid);
                self.resume_votes(txid, now, utxos)?;
                Ok(Ok(txid))
            }
        }
    }

    /// Sends a new transaction of this node's host to the other masternodes.
    fn announce(&mut self, transaction: &VerifiedTransaction, status: TransactionStatus) {
        let body = transaction.transaction().clone();
        self.notify(Event::Transaction { transaction: transaction.clone(), status });
        self.send(To::All, Message::Transaction(body));
    }

    pub(super) fn on_transaction(
        &mut self,
        source: Source,
        transaction: VerifiedTransaction,
        now: Timestamp,
        utxos: &dyn UtxoView,
    ) -> Result<(), Halt> {
        let txid = transaction.txid();
        if self.mempool.contains(&txid) {
            return Ok(());
        }
        if self.mempool.is_waiting(&txid) {
            self.mempool.repeat_waiting(&txid, source);
            return Ok(());
        }
        if matches!(transaction.kind, TxKind::Evidence(_)) {
            self.submit_evidence(&transaction, utxos)?.ok();
            return Ok(());
        }
        match self.judge(&transaction, utxos)? {
            Judged::Confirmed => Ok(()),
            Judged::Invalid(TransactionError::InputSpent { .. }) => {
                // Without anybody's vote there is nothing to stop, and whoever owned a spent
                // output could make any number of such transactions.
                if self.finality.get(&txid).is_some() {
                    self.reject(txid, RejectReason::ConflictsWithConfirmed);
                }
                Ok(())
            }
            Judged::Invalid(_) => Ok(()),
            Judged::Waits(missing) => {
                if self.wait(&transaction, missing, source, now).is_ok() {
                    let status = TransactionStatus::Pending;
                    self.notify(Event::Transaction { transaction, status });
                }
                Ok(())
            }
            Judged::Valid(spend) => {
                if self.admit(&transaction, spend, now).is_ok() {
                    self.prove_double_spend(&transaction);
                    let status = TransactionStatus::Pending;
                    self.notify(Event::Transaction { transaction, status });
                    self.consider(&txid);
                    self.resume_votes(txid, now, utxos)?;
                }
                Ok(())
            }
        }
    }

    fn judge(
        &self,
        transaction: &VerifiedTransaction,
        utxos: &dyn UtxoView,
    ) -> Result<Judged, Halt> {
        let view = self.spendable_view(utxos);
        match check_spend(transaction, &self.spend_context(), &view) {
            Ok(spend) => Ok(Judged::Valid(spend)),
            Err(SpendError::View(error)) => Err(error.into()),
            Err(SpendError::Invalid(TransactionError::UnknownInput { outpoint })) => {
                Ok(Judged::Waits(outpoint))
            }
            Err(SpendError::Invalid(error)) => {
                // Its own confirmation spends its inputs and registers its masternode.
                match view.confirmed_at(&transaction.txid())? {
                    Some(_) => Ok(Judged::Confirmed),
                    None => Ok(Judged::Invalid(error)),
                }
            }
        }
    }

    fn admit(
        &mut self,
        transaction: &VerifiedTransaction,
        spend: Spend,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        let votes = self.finality.get(&transaction.txid());
        let stays =
            |votes: &TxVotes| votes.is_certified() || votes.is_final() || votes.has_promise();
        let admitted = if votes.is_some_and(stays) {
            Ok(self.mempool.admit_pinned(transaction.clone(), spend, now))
        } else {
            self.mempool.admit(transaction.clone(), spend, now)
        };
        match admitted {
            Ok(admitted) => {
                self.finality.note_known(transaction.txid());
                for evicted in admitted.evicted {
                    self.finality.note_evicted(&evicted.txid());
                    let status = TransactionStatus::from(Rejection::Evicted);
                    self.notify(Event::Transaction { transaction: evicted, status });
                }
                Ok(())
            }
            Err(AdmitError::Known) => Ok(()),
            Err(AdmitError::Full | AdmitError::TooManyClaimants { .. }) => {
                Err(Rejection::MempoolFull)
            }
        }
    }

    fn wait(
        &mut self,
        transaction: &VerifiedTransaction,
        missing: OutPoint,
        source: Source,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        match self.mempool.wait(transaction.clone(), missing, source, now) {
            Ok(evicted) => {
                for (transaction, outpoint) in evicted {
                    let rejection = Rejection::WaitingRoomFull { outpoint };
                    let status = rejection.into();
                    self.notify(Event::Transaction { transaction, status });
                }
                Ok(())
            }
            Err(WaitError::Known) => Ok(()),
            Err(WaitError::Full) => Err(Rejection::WaitingRoomFull { outpoint: missing }),
        }
    }

    fn conflict_reason(&self, by: &Txid) -> RejectReason {
        if self.finality.is_final(by) {
            RejectReason::ConflictsWithFinal
        } else {
            RejectReason::ConflictsWithApproved
        }
    }

    /// An owner who signs two payments of one output is told of to everybody, once for each
    /// payment that is admitted: what is not admitted would be told of whenever it comes.
    fn prove_double_spend(&mut self, transaction: &VerifiedTransaction) {
        let conflicts = self.mempool.conflicts(transaction);
        let Some((_, other)) = conflicts.first() else { return };
        let Some(other) = self.mempool.get(other).map(|entry| entry.transaction.clone()) else {
            return;
        };
        self.timers.contested();
        let (first, second) = (other.transaction().clone(), transaction.transaction().clone());
        self.send(To::All, Message::DoubleSpend(DoubleSpend { first, second }));
    }

    pub(super) fn on_double_spend(
        &mut self,
        source: Source,
        pair: [VerifiedTransaction; 2],
        now: Timestamp,
        utxos: &dyn UtxoView,
    ) -> Result<(), Halt> {
        for transaction in pair {
            self.on_transaction(source, transaction, now, utxos)?;
        }
        Ok(())
    }

    /// Votes on a transaction of the mempool, where something can be said now (F1, F2).
    pub(super) fn consider(&mut self, txid: &Txid) {
        if self.is_silent() {
            return;
        }
        let Some(entry) = self.mempool.get(txid) else { return };
        let transaction = entry.transaction.clone();
        let in_prepared_block =
            |claim: &OutPoint| self.prepared_claims.spender(&self.consensus, claim);
        let verdict =
            self.finality.judge(txid, transaction.bytes(), transaction.claims(), in_prepared_block);
        match verdict {
            Verdict::Wait => {}
            Verdict::Reject(reason) => {
                self.reject(*txid, reason);
                let status = TransactionStatus::Contested;
                self.notify(Event::Transaction { transaction, status });
                self.timers.contested();
            }
            Verdict::Approve => {
                self.mempool.pin(txid);
                self.finality.approve(*txid, transaction.bytes(), transaction.claims());
            }
        }
    }

    fn reject(&mut self, txid: Txid, reason: RejectReason) {
        let is_decided = self.finality.get(&txid).is_some_and(|v| v.own_decision().is_some());
        let has_voted = is_decided || self.guard.has_voted(&txid);
        if self.finality.own().is_some() && !has_voted && !self.is_silent() {
            self.finality.reject(txid, reason);
        }
    }

    /// Votes on what waits, the highest fee rates first, as far as the backlog has room (F9).
    pub(super) fn consider_waiting(&mut self) {
        if self.finality.own().is_none() || self.finality.is_frozen() || self.is_silent() {
            return;
        }
        let unvoted: Vec<Txid> = self
            .mempool
            .best_unpinned()
            .map(|entry| entry.transaction.txid())
            .filter(|txid| self.finality.get(txid).is_none_or(|v| v.own_decision().is_none()))
            .collect();
        for txid in unvoted {
            if self.finality.is_backlog_full() {
                break;
            }
            self.consider(&txid);
        }
    }

    /// Takes what waited for a transaction that is now final or confirmed.
    pub(super) fn release_waiting(
        &mut self,
        parent: &Txid,
        now: Timestamp,
        utxos: &dyn UtxoView,
    ) -> Result<(), Halt> {
        for (transaction, source) in self.mempool.take_waiting(parent) {
            self.on_transaction(source, transaction, now, utxos)?;
        }
        Ok(())
    }
}
