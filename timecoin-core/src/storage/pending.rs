//! Blocks between decided and applied: the engine sees each from the moment it is staged, readers
//! once it is durable, and it leaves when the tables hold it.
//!
//! Readers load the list before they look at the tables. A block is dropped from the list only
//! after the tables hold it, so nothing is missed between the two; a block that is in both says
//! the same twice.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwap, Guard};

use super::StorageError;
use super::log::RecordPosition;
use crate::engine::output::BlockCommit;
use crate::ledger::view::{Lookup, Utxo};
use crate::types::address::Address;
use crate::types::chain::Height;
use crate::types::hash::{BlockHash, Txid};
use crate::types::map::HashMap;
use crate::types::masternode_set::MasternodeSet;
use crate::types::message::Decided;
use crate::types::transaction::{OutPoint, Transaction};

/// The list that one engine, one persisting and one applying thread change, and anyone reads.
#[derive(Default)]
pub(super) struct Pending(ArcSwap<PendingBlocks>);

/// The list at one moment.
#[derive(Clone, Default)]
pub(super) struct PendingBlocks {
    /// Ascending by height, without gaps.
    blocks: Vec<Arc<PendingBlock>>,
    /// So many of them, from the front, are durable.
    n_durable: usize,
}

/// A decided block with its changes ready to be looked up.
pub(super) struct PendingBlock {
    /// The block.
    pub(super) commit: Arc<BlockCommit>,
    /// Where the block log has it, once it is there.
    pub(super) position: OnceLock<RecordPosition>,
    /// Outputs that are unspent after the block, and outputs that it spent.
    changes: HashMap<OutPoint, Option<Utxo>>,
    /// Its transactions by id, with their place in it.
    transactions: HashMap<Txid, u32>,
}

impl Pending {
    /// The list as it is now.
    pub(super) fn load(&self) -> Guard<Arc<PendingBlocks>> {
        self.0.load()
    }

    /// Appends a block that is not durable yet.
    pub(super) fn stage(&self, commit: Arc<BlockCommit>) {
        let block = Arc::new(PendingBlock::new(commit));
        self.0.rcu(|list| {
            let mut list = PendingBlocks::clone(list);
            let before = list.blocks.last().map(|last| last.commit.height());
            let follows = before.is_none_or(|before| before.next() == block.commit.height());
            assert!(follows, "blocks are staged in the order of their heights");
            list.blocks.push(Arc::clone(&block));
            list
        });
    }

    /// Shows the next `n` blocks to readers.
    pub(super) fn mark_durable(&self, n: usize) {
        self.0.rcu(|list| {
            let n_durable = (list.n_durable + n).min(list.blocks.len());
            PendingBlocks { blocks: list.blocks.clone(), n_durable }
        });
    }

    /// Drops the oldest block: the tables hold it.
    pub(super) fn drop_oldest(&self) {
        self.0.rcu(|list| PendingBlocks {
            blocks: list.blocks.get(1..).unwrap_or_default().to_vec(),
            n_durable: list.n_durable.saturating_sub(1),
        });
    }
}

impl PendingBlocks {
    /// Everything that is staged, oldest first.
    pub(super) fn staged(&self) -> &[Arc<PendingBlock>] {
        &self.blocks
    }

    /// The durable ones, oldest first.
    pub(super) fn durable(&self) -> &[Arc<PendingBlock>] {
        &self.blocks[..self.n_durable]
    }

    /// How many transactions the durable ones hold.
    pub(super) fn n_durable_transactions(&self) -> usize {
        let blocks = self.durable().iter().map(|block| &block.commit.connected.block);
        blocks.map(|block| block.transactions().len()).sum()
    }

    /// The next ones to become durable, which must be `blocks`.
    ///
    /// # Errors
    /// `NotStaged`.
    pub(super) fn next_durable(
        &self,
        blocks: &[Arc<BlockCommit>],
    ) -> Result<&[Arc<PendingBlock>], StorageError> {
        let staged = &self.blocks[self.n_durable..];
        let mut expected = staged.iter().map(|block| block.commit.connected.block.hash());
        for block in blocks {
            if expected.next() != Some(block.connected.block.hash()) {
                return Err(StorageError::NotStaged { height: block.height() });
            }
        }
        Ok(&staged[..blocks.len()])
    }
}

impl PendingBlock {
    fn new(commit: Arc<BlockCommit>) -> Self {
        let delta = &commit.connected.delta;
        let spent = delta.spent.iter().map(|(outpoint, _)| (*outpoint, None));
        let created = delta.created.iter().map(|(outpoint, utxo)| (*outpoint, Some(*utxo)));
        let changes = spent.chain(created).collect();
        let transactions = (0u32..).zip(txids(&commit)).map(|(i, txid)| (txid, i)).collect();
        PendingBlock { changes, transactions, position: OnceLock::new(), commit }
    }

    /// What the block says of an outpoint; nothing if it does not touch it.
    fn lookup(&self, outpoint: &OutPoint) -> Option<Lookup> {
        match self.changes.get(outpoint) {
            Some(Some(utxo)) => Some(Lookup::Unspent(*utxo)),
            Some(None) => Some(Lookup::Spent),
            // Made and spent within the block, or never made.
            None => self.transactions.contains_key(&outpoint.txid).then_some(Lookup::Spent),
        }
    }

    /// The block in the form in which it is stored.
    pub(super) fn decided(&self) -> Decided {
        decided(&self.commit)
    }
}

/// The block in the form in which it is stored.
pub(super) fn decided(commit: &BlockCommit) -> Decided {
    Decided {
        block: Arc::clone(commit.connected.block.block()),
        certificate: commit.certificate.clone(),
    }
}

/// The masternodes that it puts in the place of those that decided it.
pub(super) fn next_set(commit: &BlockCommit) -> Option<MasternodeSet> {
    let connected = &commit.connected;
    connected.block.header().changes_set().then(|| connected.state.masternodes.clone())
}

/// The ids of the block's transactions, in order, the coinbase first.
pub(super) fn txids(commit: &BlockCommit) -> impl Iterator<Item = Txid> + '_ {
    let block = &commit.connected.block;
    let coinbase = block.block().transactions.first().map(|coinbase| coinbase.txid());
    coinbase.into_iter().chain(block.transactions().iter().map(|transaction| transaction.txid()))
}

/// What the newest of `blocks` that touches an outpoint says of it.
pub(super) fn lookup(blocks: &[Arc<PendingBlock>], outpoint: &OutPoint) -> Option<Lookup> {
    blocks.iter().rev().find_map(|block| block.lookup(outpoint))
}

/// The height at which one of `blocks` confirms a transaction.
pub(super) fn confirmed_at(blocks: &[Arc<PendingBlock>], txid: &Txid) -> Option<Height> {
    let block = blocks.iter().rev().find(|block| block.transactions.contains_key(txid))?;
    Some(block.commit.height())
}

/// A transaction that one of `blocks` confirms.
pub(super) fn transaction(
    blocks: &[Arc<PendingBlock>],
    txid: &Txid,
) -> Option<(Height, Arc<Transaction>)> {
    blocks.iter().rev().find_map(|block| {
        let index = *block.transactions.get(txid)? as usize;
        let transactions = &block.commit.connected.block.block().transactions;
        Some((block.commit.height(), Arc::clone(transactions.get(index)?)))
    })
}

/// The one of `blocks` at a height.
pub(super) fn at_height(blocks: &[Arc<PendingBlock>], height: Height) -> Option<&PendingBlock> {
    let first = blocks.first()?.commit.height();
    let index = usize::try_from(height.0.checked_sub(first.0)?).ok()?;
    blocks.get(index).map(|block| &**block)
}

/// The height of the one of `blocks` that has this hash.
pub(super) fn height_of(blocks: &[Arc<PendingBlock>], hash: &BlockHash) -> Option<Height> {
    let block = blocks.iter().find(|block| block.commit.connected.block.hash() == *hash)?;
    Some(block.commit.height())
}

/// What to list: unspent outputs ascending, at most `limit`, after `after`, of `address` if one
/// is given.
#[derive(Clone, Copy)]
pub(super) struct Page<'a> {
    pub(super) address: Option<&'a Address>,
    pub(super) after: Option<&'a OutPoint>,
    pub(super) limit: usize,
}

/// A page of the set after `blocks`, where `base` gives pages of the set before them: the
/// entries after an outpoint, at most so many, an incomplete page being the last.
pub(super) fn page<E>(
    blocks: &[Arc<PendingBlock>],
    page: Page<'_>,
    mut base: impl FnMut(Option<&OutPoint>, usize) -> Result<Vec<(OutPoint, Utxo)>, E>,
) -> Result<Vec<(OutPoint, Utxo)>, E> {
    let is_asked = |utxo: &Utxo| page.address.is_none_or(|wanted| utxo.output.address == *wanted);
    // Later blocks overwrite what earlier ones say.
    let mut changes: BTreeMap<OutPoint, Option<Utxo>> = BTreeMap::new();
    for (outpoint, change) in blocks.iter().flat_map(|block| &block.changes) {
        if page.after.is_none_or(|after| outpoint > after) {
            changes.insert(*outpoint, *change);
        }
    }
    let mut found = Vec::new();
    let mut cursor = page.after.copied();
    while found.len() < page.limit {
        let stored = base(cursor.as_ref(), page.limit)?;
        let is_last = stored.len() < page.limit;
        let end = if is_last { None } else { stored.last().map(|(outpoint, _)| *outpoint) };
        let mut merged: BTreeMap<OutPoint, Utxo> = stored.into_iter().collect();
        let range = (
            cursor.map_or(Bound::Unbounded, Bound::Excluded),
            end.map_or(Bound::Unbounded, Bound::Included),
        );
        for (outpoint, change) in changes.range(range) {
            match change.filter(is_asked) {
                Some(utxo) => merged.insert(*outpoint, utxo),
                None => merged.remove(outpoint),
            };
        }
        found.extend(merged);
        match end {
            Some(end) => cursor = Some(end),
            None => break,
        }
    }
    found.truncate(page.limit);
    Ok(found)
}
