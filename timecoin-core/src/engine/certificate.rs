//! Certificates of transactions that came as a whole, and inventories of them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use super::input::PeerId;
use super::output::{Halt, To};
use super::request::ANSWERED_MAX;
use crate::ledger::view::UtxoView;
use crate::types::certificate::{ApproveCertificate, FinalityCertificate};
use crate::types::chain::Timestamp;
use crate::types::hash::Txid;
use crate::types::masternode_set::MasternodeIndex;
use crate::types::message::{CertInventory, Message, Request};
use crate::types::verified::Verified;
use crate::types::vote::Vote;

/// How long a proposer waits for what it asked for before it asks again.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// What a proposer asks for at the end of an epoch, page by page.
#[derive(Clone, Debug, Default)]
pub(super) struct Pages {
    ask_at: Option<Timestamp>,
    n_asked: usize,
}

impl Pages {
    /// When to ask next.
    pub(super) fn ask_at(&self) -> Option<Timestamp> {
        self.ask_at
    }

    /// Says whether the proposer waits for something.
    pub(super) fn wait(&mut self, is_waiting: bool, now: Timestamp) {
        self.ask_at = is_waiting.then(|| self.ask_at.unwrap_or(now.after(ASK_EVERY)));
    }
}

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
        let voter = inventory.voter;
        if self.inventories.add(inventory)
            && let Some(inventory) = self.inventories.of(voter)
        {
            let mut missing = Vec::new();
            for txid in &inventory.txids {
                if self.lacks(txid, utxos)? {
                    missing.push(*txid);
                }
            }
            // Everybody names much the same; each is asked for another part of it.
            if !missing.is_empty() {
                let first = usize::from(voter) * ANSWERED_MAX % missing.len();
                missing.rotate_left(first);
                missing.truncate(ANSWERED_MAX);
                self.send(To::Peer(from), Message::Request(Request::Transactions(missing)));
            }
        }
        self.advance(now, utxos)
    }

    /// Asks again, a page of each inventory at a time, while this proposer lacks what must be in
    /// its block: answers are lost, and hold no more than a page.
    pub(super) fn ask_for_inventories(
        &mut self,
        now: Timestamp,
        utxos: &dyn UtxoView,
    ) -> Result<(), Halt> {
        if self.pages.ask_at.take_if(|at| *at <= now).is_none() {
            return Ok(());
        }
        let n_asked = self.pages.n_asked;
        self.pages.n_asked += 1;
        let set = self.finality.set().clone();
        let mut asked: BTreeSet<Txid> = BTreeSet::new();
        for position in 0..set.len() {
            // Another begins each time, so that who does not answer holds nothing up.
            let member = (n_asked + position) % set.len();
            let voter = MasternodeIndex::try_from(member).expect("a set has at most 200 members");
            let Some(peer) = set.get(voter).map(|member| member.consensus_key) else { continue };
            let Some(inventory) = self.inventories.of(voter) else { continue };
            if Some(voter) == self.finality.own() {
                continue;
            }
            let mut page = Vec::new();
            for txid in inventory.txids.iter().filter(|txid| !asked.contains(*txid)) {
                if page.len() == ANSWERED_MAX {
                    break;
                }
                if self.lacks(txid, utxos)? {
                    page.push(*txid);
                }
            }
            if !page.is_empty() {
                asked.extend(&page);
                self.send(To::Peer(peer), Message::Request(Request::Transactions(page)));
            }
        }
        Ok(())
    }

    fn lacks(&self, txid: &Txid, utxos: &dyn UtxoView) -> Result<bool, Halt> {
        Ok(!self.is_includable(txid) && self.decided_view(utxos).confirmed_at(txid)?.is_none())
    }

    /// Whether it is here with the proof that nothing stands against it.
    pub(super) fn is_includable(&self, txid: &Txid) -> bool {
        let votes = self.finality.get(txid);
        let is_proven = votes.is_some_and(|votes| votes.is_certified() || votes.is_final());
        is_proven && self.mempool.contains(txid)
    }
}
