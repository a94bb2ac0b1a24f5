//! The decided chain, once for all nodes: agreement is checked where a block comes in, so that
//! a node's store is a height, and a thousand nodes or snapshots cost what one does.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::wire::Wire;
use crate::engine::output::BlockCommit;
use crate::ledger::state::genesis_utxos;
use crate::ledger::view::{Lookup, Utxo, UtxoView, ViewError};
use crate::params::Chain;
use crate::types::chain::Height;
use crate::types::hash::{BlockHash, Txid};
use crate::types::map::HashMap;
use crate::types::message::{Decided, Message};
use crate::types::transaction::OutPoint;

/// An output and the heights between which it is unspent.
#[derive(Clone, Copy, Debug)]
struct Lifetime {
    utxo: Utxo,
    spent: Option<Height>,
}

/// All decided blocks, and every output that ever was; without those that were let go.
#[derive(Clone, Debug)]
pub struct Archive {
    /// Blocks that were let go.
    n_gone: u64,
    outputs: HashMap<OutPoint, Lifetime>,
    confirmed: HashMap<Txid, Height>,
    heights: HashMap<BlockHash, Height>,
    blocks: VecDeque<Arc<BlockCommit>>,
    served: BTreeMap<Height, Arc<Wire>>,
}

impl Archive {
    pub(super) fn new(chain: &Chain) -> Self {
        let alive = |utxo| Lifetime { utxo, spent: None };
        let outputs: HashMap<OutPoint, Lifetime> =
            genesis_utxos(chain).map(|(outpoint, utxo)| (outpoint, alive(utxo))).collect();
        let genesis = outputs.keys().map(|outpoint| (outpoint.txid, Height::ZERO)).take(1);
        Archive {
            confirmed: genesis.collect(),
            outputs,
            heights: HashMap::default(),
            blocks: VecDeque::new(),
            n_gone: 0,
            served: BTreeMap::new(),
        }
    }

    /// The height of the last block that any node decided.
    pub fn height(&self) -> Height {
        Height(self.n_gone + self.blocks.len() as u64)
    }

    /// The block at a height.
    pub fn block(&self, height: Height) -> Option<&Arc<BlockCommit>> {
        let position = height.0.checked_sub(1)?.checked_sub(self.n_gone)?;
        self.blocks.get(usize::try_from(position).ok()?)
    }

    /// All blocks that are kept: from height 1, unless the settings bound the history.
    pub fn blocks(&self) -> impl DoubleEndedIterator<Item = &Arc<BlockCommit>> {
        self.blocks.iter()
    }

    /// The height of a block.
    pub fn height_of(&self, hash: &BlockHash) -> Option<Height> {
        self.heights.get(hash).copied()
    }

    /// The height of the block that holds a transaction.
    pub fn confirmed_at(&self, txid: &Txid) -> Option<Height> {
        self.confirmed.get(txid).copied()
    }

    /// The unspent outputs after the last block, in no order.
    pub fn unspent(&self) -> impl Iterator<Item = &Utxo> {
        let alive = self.outputs.values().filter(|lifetime| lifetime.spent.is_none());
        alive.map(|lifetime| &lifetime.utxo)
    }

    /// Adds the next block.
    pub(super) fn push(&mut self, commit: Arc<BlockCommit>) {
        let height = commit.height();
        let delta = &commit.connected.delta;
        for (outpoint, _) in &delta.spent {
            if let Some(lifetime) = self.outputs.get_mut(outpoint) {
                lifetime.spent = Some(height);
            }
        }
        for (outpoint, utxo) in &delta.created {
            self.outputs.insert(*outpoint, Lifetime { utxo: *utxo, spent: None });
        }
        let block = &commit.connected.block;
        let coinbase = block.block().transactions.first().map(|coinbase| coinbase.txid());
        let txids = block.transactions().iter().map(|transaction| transaction.txid());
        self.confirmed.extend(txids.chain(coinbase).map(|txid| (txid, height)));
        self.heights.insert(block.hash(), height);
        self.blocks.push_back(commit);
    }

    /// The lowest height whose block is kept.
    pub(super) fn lowest(&self) -> Option<Height> {
        self.blocks.front().map(|commit| commit.height())
    }

    /// Lets the lowest block go, and all that is only asked for below it.
    pub(super) fn forget_first(&mut self) -> Option<Arc<BlockCommit>> {
        let commit = self.blocks.pop_front()?;
        self.n_gone += 1;
        for (outpoint, _) in &commit.connected.delta.spent {
            self.outputs.remove(outpoint);
        }
        for transaction in &commit.connected.block.block().transactions {
            self.confirmed.remove(&transaction.txid());
        }
        self.heights.remove(&commit.connected.block.hash());
        Some(commit)
    }

    /// A block with its certificate, as it is sent.
    pub(super) fn serve(&mut self, height: Height) -> Option<Arc<Wire>> {
        if let Some(wire) = self.served.get(&height) {
            return Some(Arc::clone(wire));
        }
        let commit = self.block(height)?;
        let block = Arc::clone(commit.connected.block.block());
        let decided = Decided { block, certificate: commit.certificate.clone() };
        let wire = Arc::new(Wire::new(Message::Decided(decided)));
        while self.served.len() >= SERVED_MAX {
            self.served.pop_first();
        }
        self.served.insert(height, Arc::clone(&wire));
        Some(wire)
    }

    /// The unspent outputs after the block at `height`.
    pub fn view(&self, height: Height) -> ArchiveView<'_> {
        ArchiveView { archive: self, height, staged: &[] }
    }

    /// The unspent outputs as a node sees them: those after the last block on its disk, and what
    /// blocks that are not on it yet change.
    pub(super) fn view_with<'a>(
        &'a self,
        height: Height,
        staged: &'a [Arc<BlockCommit>],
    ) -> ArchiveView<'a> {
        ArchiveView { archive: self, height, staged }
    }
}

/// The chain up to some height.
#[derive(Clone, Copy)]
pub struct ArchiveView<'a> {
    archive: &'a Archive,
    height: Height,
    staged: &'a [Arc<BlockCommit>],
}

impl UtxoView for ArchiveView<'_> {
    fn lookup(&self, outpoint: &OutPoint) -> Result<Lookup, ViewError> {
        for commit in self.staged.iter().rev() {
            let delta = &commit.connected.delta;
            if let Some((_, utxo)) = delta.created.iter().find(|(made, _)| made == outpoint) {
                return Ok(Lookup::Unspent(*utxo));
            }
            if delta.spent.iter().any(|(spent, _)| spent == outpoint) {
                return Ok(Lookup::Spent);
            }
        }
        let lifetime = self.archive.outputs.get(outpoint);
        let alive = lifetime.filter(|lifetime| {
            let is_spent = lifetime.spent.is_some_and(|spent| spent <= self.height);
            lifetime.utxo.height <= self.height && !is_spent
        });
        Ok(match alive {
            Some(lifetime) => Lookup::Unspent(lifetime.utxo),
            None if self.confirmed_at(&outpoint.txid)?.is_some() => Lookup::Spent,
            None => Lookup::Unknown,
        })
    }

    fn confirmed_at(&self, txid: &Txid) -> Result<Option<Height>, ViewError> {
        for commit in self.staged {
            let block = commit.connected.block.block();
            if block.transactions.iter().any(|transaction| transaction.txid() == *txid) {
                return Ok(Some(commit.height()));
            }
        }
        Ok(self.archive.confirmed_at(txid).filter(|height| *height <= self.height))
    }
}

/// Encoded blocks that are kept for nodes that catch up.
const SERVED_MAX: usize = 256;
