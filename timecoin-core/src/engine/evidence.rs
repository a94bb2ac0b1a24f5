//! Proof that a masternode contradicted itself: kept, told, and put into a block (PROTOCOL 7).

use std::sync::Arc;

use super::Engine;
use super::output::{Event, Halt, Submission, To};
use crate::ledger::transaction::{SpendError, check_spend};
use crate::ledger::view::UtxoView;
use crate::types::chain::Timestamp;
use crate::types::evidence::Evidence;
use crate::types::message::Message;
use crate::types::transaction::TxKind;
use crate::types::verified::{Verified, VerifiedTransaction};

/// Faults that are kept until a block holds them: one for each masternode of two sets.
pub(super) const EVIDENCE_MAX: usize = 400;

impl Engine {
    pub(super) fn on_evidence(
        &mut self,
        evidence: Verified<Evidence>,
        _now: Timestamp,
    ) -> Result<(), Halt> {
        let id = evidence.id();
        let entry = self.state.registry.get(&evidence.offender);
        let is_news = entry.is_some_and(|entry| !entry.is_proven_faulty)
            && !self.evidence.values().any(|known| known.offender == evidence.offender);
        if is_news && self.evidence.len() < EVIDENCE_MAX {
            self.send(To::All, Message::Evidence((*evidence).clone()));
            self.notify(Event::EvidenceFound(Box::new((*evidence).clone())));
            self.evidence.insert(id, evidence);
        }
        Ok(())
    }

    /// Evidence needs no votes: it waits for the next block that this node proposes.
    pub(super) fn submit_evidence(
        &mut self,
        transaction: &VerifiedTransaction,
        utxos: &dyn UtxoView,
    ) -> Result<Submission, Halt> {
        let view = self.spendable_view(utxos);
        match check_spend(transaction, &self.spend_context(), &view) {
            Ok(_) => {}
            Err(SpendError::View(error)) => return Err(error.into()),
            Err(SpendError::Invalid(error)) => return Ok(Err(error.into())),
        }
        if let TxKind::Evidence(evidence) = &transaction.kind {
            let evidence: Evidence = Evidence::clone(evidence);
            self.on_evidence(Verified::vouch(evidence), Timestamp::ZERO)?;
        }
        Ok(Ok(transaction.txid()))
    }

    /// Evidence that the set has moved past can't be shown any more.
    pub(super) fn drop_stale_evidence(&mut self) {
        let sets = [self.state.masternodes.hash(), self.state.tip_masternodes.hash()];
        let registry = Arc::clone(&self.state.registry);
        self.evidence.retain(|_, evidence| {
            let entry = registry.get(&evidence.offender);
            let is_open = entry.is_some_and(|entry| !entry.is_proven_faulty);
            is_open && sets.contains(&evidence.set_hash)
        });
    }
}
