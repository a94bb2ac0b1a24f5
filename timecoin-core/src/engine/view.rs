//! The outputs that a transaction may spend: those of the store, of blocks that the store does
//! not show yet, and of final transactions that no block holds.

use std::cell::OnceCell;
use std::collections::VecDeque;
use std::sync::Arc;

use super::output::BlockCommit;
use crate::finality::Finality;
use crate::ledger::view::{Lookup, Utxo, UtxoView, ViewError, outputs_of};
use crate::mempool::Mempool;
use crate::types::certificate::CommitCertificate;
use crate::types::chain::Height;
use crate::types::hash::Txid;
use crate::types::map::HashMap;
use crate::types::transaction::OutPoint;
use crate::types::verified::VerifiedTransaction;

/// Decided blocks that wait in the queue of outputs: the store can't know them yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Unstaged {
    blocks: VecDeque<Unseen>,
}

#[derive(Clone, Debug)]
struct Unseen {
    commit: Arc<BlockCommit>,
    changes: OnceCell<Changes>,
}

#[derive(Clone, Debug, Default)]
struct Changes {
    created: HashMap<OutPoint, Utxo>,
    transactions: HashMap<Txid, Height>,
    spent: HashMap<OutPoint, ()>,
}

impl Unstaged {
    /// A block was decided and put into the queue.
    pub(super) fn push(&mut self, commit: Arc<BlockCommit>) {
        self.blocks.push_back(Unseen { commit, changes: OnceCell::new() });
    }

    /// The oldest of them left the queue: the store shows it from the next call on.
    pub(super) fn pop(&mut self) {
        self.blocks.pop_front();
    }
}

impl Unseen {
    /// Built on the first look, since most blocks leave the queue unlooked at.
    fn changes(&self) -> &Changes {
        self.changes.get_or_init(|| {
            let connected = &self.commit.connected;
            let height = self.commit.height();
            let block = connected.block.block();
            let coinbase = block.transactions.first().map(|coinbase| coinbase.txid());
            let others = connected.block.transactions().iter().map(VerifiedTransaction::txid);
            Changes {
                created: connected.delta.created.iter().copied().collect(),
                transactions: others.chain(coinbase).map(|txid| (txid, height)).collect(),
                spent: connected.delta.spent.iter().map(|(outpoint, _)| (*outpoint, ())).collect(),
            }
        })
    }
}

/// What the next block's transactions may spend, without those that are only final.
pub(super) struct DecidedView<'a> {
    /// The store.
    pub(super) store: &'a dyn UtxoView,
    /// What the store does not show yet.
    pub(super) unstaged: &'a Unstaged,
}

impl UtxoView for DecidedView<'_> {
    fn lookup(&self, outpoint: &OutPoint) -> Result<Lookup, ViewError> {
        for unseen in self.unstaged.blocks.iter().rev() {
            let changes = unseen.changes();
            if let Some(utxo) = changes.created.get(outpoint) {
                return Ok(Lookup::Unspent(*utxo));
            }
            let is_spent = changes.spent.contains_key(outpoint);
            if is_spent || changes.transactions.contains_key(&outpoint.txid) {
                return Ok(Lookup::Spent);
            }
        }
        self.store.lookup(outpoint)
    }

    fn confirmed_at(&self, txid: &Txid) -> Result<Option<Height>, ViewError> {
        let unseen = self.unstaged.blocks.iter().rev();
        let mut found = unseen.filter_map(|u| u.changes().transactions.get(txid).copied());
        match found.next() {
            Some(height) => Ok(Some(height)),
            None => self.store.confirmed_at(txid),
        }
    }

    fn certificate_at(&self, height: Height) -> Result<Option<CommitCertificate>, ViewError> {
        let mut unseen = self.unstaged.blocks.iter().map(|unseen| &unseen.commit);
        match unseen.find(|commit| commit.height() == height) {
            Some(commit) => Ok(Some(commit.certificate.clone())),
            None => self.store.certificate_at(height),
        }
    }
}

/// What a new transaction may spend.
pub(super) struct SpendableView<'a> {
    /// Outputs of decided blocks.
    pub(super) decided: DecidedView<'a>,
    /// Says which transactions are final: their outputs can be spent at once (F4).
    pub(super) finality: &'a Finality,
    /// Holds the bodies of those that no block holds.
    pub(super) mempool: &'a Mempool,
    /// The first height whose block can hold them.
    pub(super) next_height: Height,
}

impl SpendableView<'_> {
    fn lookup_final(&self, outpoint: &OutPoint) -> Option<Utxo> {
        let txid = &outpoint.txid;
        let entry = self.mempool.get(txid).filter(|_| self.finality.is_final(txid))?;
        let vout = usize::try_from(outpoint.vout).ok()?;
        outputs_of(&entry.transaction, self.next_height).nth(vout).map(|(_, utxo)| utxo)
    }
}

impl UtxoView for SpendableView<'_> {
    fn lookup(&self, outpoint: &OutPoint) -> Result<Lookup, ViewError> {
        match self.lookup_final(outpoint) {
            Some(utxo) => Ok(Lookup::Unspent(utxo)),
            None => self.decided.lookup(outpoint),
        }
    }

    fn confirmed_at(&self, txid: &Txid) -> Result<Option<Height>, ViewError> {
        self.decided.confirmed_at(txid)
    }
}
