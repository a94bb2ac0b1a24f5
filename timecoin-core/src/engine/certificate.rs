//! Certificates of transactions that came as a whole, and inventories of them.

use std::sync::Arc;

use super::Engine;
use super::input::PeerId;
use super::output::{Halt, To};
use crate::ledger::view::UtxoView;
use crate::types::certificate::{ApproveCertificate, FinalityCertificate};
use crate::types::chain::Timestamp;
use crate::types::hash::Txid;
use crate::types::message::{CertInventory, Message, Request};
use crate::types::verified::Verified;
use crate::types::vote::Vote;

impl Engine {
    pub(super) fn on_approve_certificate(
        &mut self,
        from: PeerId,
        certificate: Arc<Verified<ApproveCertificate>>,
        now: Timestamp,
        utxos: &dyn UtxoView,
    ) -> Result<(), Halt> {
        if certificate.votes.epoch != self.finality.epoch() {
            return Ok(());
        }
        self.recall_vote(&Vote::Approve(certificate.txid), &certificate.votes, now);
        let mut milestones = Vec::new();
        self.finality.on_approve_certificate(certificate, &mut milestones);
        self.reach(milestones, Some(from), now, utxos)
    }

    pub(super) fn on_finality_certificate(
        &mut self,
        from: PeerId,
        certificate: Arc<Verified<FinalityCertificate>>,
        now: Timestamp,
        utxos: &dyn UtxoView,
    ) -> Result<(), Halt> {
        if certificate.votes.epoch != self.finality.epoch() {
            return Ok(());
        }
        self.recall_vote(&Vote::Commit(certificate.txid), &certificate.votes, now);
        let mut milestones = Vec::new();
        self.finality.on_finality_certificate(certificate, &mut milestones);
        self.reach(milestones, Some(from), now, utxos)
    }

    /// Keeps an inventory, and asks its sender for what it names and this node lacks.
    pub(super) fn on_inventory(
        &mut self,
        from: PeerId,
        inventory: Verified<CertInventory>,
        now: Timestamp,
        utxos: &dyn UtxoView,
    ) -> Result<(), Halt> {
        if inventory.epoch != self.finality.epoch() {
            return Ok(());
        }
        let mut missing: Vec<Txid> = Vec::new();
        for txid in &inventory.txids {
            let is_here = self.mempool.contains(txid)
                && self.finality.get(txid).is_some_and(|votes| votes.is_certified());
            if !is_here && self.decided_view(utxos).confirmed_at(txid)?.is_none() {
                missing.push(*txid);
            }
        }
        if self.inventories.add(inventory) && !missing.is_empty() {
            self.send(To::Peer(from), Message::Request(Request::Transactions(missing)));
        }
        self.advance(now, utxos)
    }
}
