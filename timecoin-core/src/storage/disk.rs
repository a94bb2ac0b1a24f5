//! The store on disk: a block log, a vote log, and derived tables that follow the block log.
//!
//! ```text
//! LOCK            one open at a time
//! blocks/         decided blocks with certificates: the truth
//! votes/          own votes and ballots: the promise
//! derived/        sled: unspent outputs and indexes, rebuilt when in doubt
//! CLOSED          after an orderly close only: checksums of derived/
//! derived.damaged the last tables that were in doubt
//! votes.damaged-n vote logs that could not be read
//! ```
//!
//! Blocks are flushed before votes: if a crash comes between the two, the votes were never sent
//! and the blocks carry their own proof. So no vote on disk is about a height whose parent is
//! not on disk.

mod blocks;
mod budget;
mod cache;
mod marker;
mod open;
mod votes;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use self::blocks::{BlockLog, BlockReader};
use self::cache::UtxoCache;
use self::marker::Marker;
use self::votes::VoteLog;
use super::StorageError;
use super::derived::{Standing, Tables, TablesError, VotesMark};
use super::interface::{Opened, Storage};
use super::lock::DirectoryLock;
use super::pending::{self, Page, Pending, PendingBlocks};
use crate::engine::output::{BlockCommit, Record};
use crate::ledger::state::LedgerState;
use crate::ledger::view::{Lookup, Utxo, UtxoView, ViewError};
use crate::params::Chain;
use crate::types::address::Address;
use crate::types::chain::{Epoch, Height};
use crate::types::hash::{BlockHash, ChainId, Txid};
use crate::types::message::Decided;
use crate::types::transaction::{OutPoint, Transaction};

/// What one operator may choose about a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageOptions {
    /// Bytes that the derived tables may cache; by default a 64th of the memory available to
    /// the process, 8 to 128 MiB.
    pub cache_bytes: Option<u64>,
    /// Unspent outputs kept in front of the tables; 10,000, PROTOCOL 8.
    pub cached_utxos_max: usize,
    /// When an open reads every record and every entry.
    pub check: Check,
    /// `false` leaves out every flush: what was written survives the process but not the
    /// machine. For tests.
    pub sync: bool,
}

impl Default for StorageOptions {
    fn default() -> Self {
        StorageOptions {
            cache_bytes: None,
            cached_utxos_max: 10_000,
            check: Check::AfterCrash,
            sync: true,
        }
    }
}

/// How much an open checks. Every read checks what it reads anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The block log whole up to 1 GiB, above that its last segment; the derived tables entry by
    /// entry, with the UTXO commitment, unless the store was closed in order and their files are
    /// those that were closed.
    AfterCrash,
    /// Everything.
    Always,
}

/// A store in a data directory.
pub struct DiskStorage {
    dir: PathBuf,
    chain_id: ChainId,
    options: StorageOptions,
    pending: Pending,
    /// After the last durable block.
    state: ArcSwap<LedgerState>,
    cache: UtxoCache,
    reader: BlockReader,
    /// Which vote log it is.
    votes_log: u64,
    /// Sequence after its last durable record.
    votes_next: AtomicU64,
    /// Counts the blocks that were begun to be written to the tables.
    n_applied: AtomicU64,
    is_closed: AtomicBool,
    /// Of the tables; who holds it writes to them.
    standing: Mutex<Standing>,
    tables: Tables,
    /// Who holds it writes to the logs. Readers need neither of the two locks.
    logs: Mutex<Option<Logs>>,
    /// Last, so that all else is let go of before another open can begin.
    lock: Mutex<Option<DirectoryLock>>,
}

/// The two logs, open for writing.
struct Logs {
    blocks: BlockLog,
    votes: VoteLog,
}

impl DiskStorage {
    /// Opens the store of `chain` in `dir`, or creates it. What is derived is repaired where
    /// need be; see [`Opened`].
    ///
    /// # Errors
    /// `LockedBy` while another open is in force; `WrongChain`; `Damaged`, `BadRecord` and
    /// `BlockLogMissing` for a block log that can't be used; `Io` where the directory can't be
    /// read or written; `Tables` where the derived tables can't be written anew.
    pub fn open(
        dir: &Path,
        chain: &Chain,
        options: StorageOptions,
    ) -> Result<Opened, StorageError> {
        open::open(dir, chain, options)
    }

    fn check_open(&self) -> Result<(), StorageError> {
        if self.is_closed.load(Ordering::Acquire) { Err(StorageError::Closed) } else { Ok(()) }
    }

    /// What the tables know of an outpoint.
    fn stored(&self, outpoint: &OutPoint) -> Result<Lookup, TablesError> {
        let before = match self.cache.get(outpoint) {
            Ok(utxo) => return Ok(Lookup::Unspent(utxo)),
            Err(before) => before,
        };
        if let Some(utxo) = self.tables.utxo(outpoint)? {
            self.cache.insert(*outpoint, utxo, before);
            return Ok(Lookup::Unspent(utxo));
        }
        let is_confirmed = self.tables.place(&outpoint.txid)?.is_some();
        Ok(if is_confirmed { Lookup::Spent } else { Lookup::Unknown })
    }

    /// Reads pending blocks and tables as of one moment. A block is written to the tables entry
    /// by entry; that does not show, because it is pending meanwhile, unless it is so new that
    /// the list does not have it. Then the read is repeated.
    fn at_one_moment<T>(
        &self,
        read: impl Fn(&PendingBlocks) -> Result<T, TablesError>,
    ) -> Result<T, StorageError> {
        for _ in 0..READ_ATTEMPTS {
            let n_applied = self.n_applied.load(Ordering::SeqCst);
            let found = read(&self.pending.load()).map_err(|error| self.tables.error(error))?;
            if self.n_applied.load(Ordering::SeqCst) == n_applied {
                return Ok(found);
            }
        }
        let _no_block_is_applied = lock(&self.standing);
        read(&self.pending.load()).map_err(|error| self.tables.error(error))
    }

    /// Moves the tables past every durable block.
    fn apply_durable(&self) -> Result<usize, StorageError> {
        let mut standing = lock(&self.standing);
        let pending = self.pending.load();
        for block in pending.durable() {
            let position = *block.position.get().expect("a durable block has its position");
            let next = self.votes_next.load(Ordering::Acquire);
            let votes = VotesMark { log: self.votes_log, next };
            self.n_applied.fetch_add(1, Ordering::SeqCst);
            self.tables
                .apply(&mut standing, &block.commit, position, votes)
                .map_err(|error| self.tables.error(error))?;
            self.cache.follow(&block.commit.connected.delta);
            self.pending.drop_oldest();
        }
        Ok(pending.durable().len())
    }

    fn close_files(&self) -> Result<(), StorageError> {
        let applied = self.apply_durable();
        let Some(Logs { blocks, votes }) = lock(&self.logs).take() else { return Ok(()) };
        let (votes_first, votes_mark) = (votes.first_sequence(), votes.mark());
        let closed = blocks.close().and(votes.close());
        let closed = self.tables.close().map_err(|error| self.tables.error(error)).and(closed);
        applied.and(closed)?;
        let tip = &lock(&self.standing).state.tip;
        let marker = Marker {
            chain_id: self.chain_id,
            height: tip.height,
            hash: tip.hash,
            votes_first,
            votes: votes_mark,
            files: marker::sum_files(&open::tables_dir(&self.dir), self.options.sync)?,
        };
        marker.write(&self.dir)
    }
}

impl UtxoView for DiskStorage {
    fn lookup(&self, outpoint: &OutPoint) -> Result<Lookup, ViewError> {
        let found = self.at_one_moment(|pending| {
            pending::lookup(pending.staged(), outpoint).map_or_else(|| self.stored(outpoint), Ok)
        });
        found.map_err(|error| ViewError(error.to_string()))
    }

    fn confirmed_at(&self, txid: &Txid) -> Result<Option<Height>, ViewError> {
        let pending = self.pending.load();
        if let Some(height) = pending::confirmed_at(pending.staged(), txid) {
            return Ok(Some(height));
        }
        let place = self.tables.place(txid);
        let place = place.map_err(|error| ViewError(self.tables.error(error).to_string()))?;
        Ok(place.map(|(height, _)| height))
    }
}

impl Storage for DiskStorage {
    fn stage(&self, block: Arc<BlockCommit>) {
        self.pending.stage(block);
    }

    fn persist(&self, records: &[Record], blocks: &[Arc<BlockCommit>]) -> Result<(), StorageError> {
        self.check_open()?;
        let pending = self.pending.load();
        let staged = pending.next_durable(blocks)?;
        let mut logs = lock(&self.logs);
        let Logs { blocks: block_log, votes } = logs.as_mut().ok_or(StorageError::Closed)?;
        if let Some(last) = blocks.last() {
            let positions = block_log.append(blocks)?;
            for (block, position) in staged.iter().zip(positions) {
                let is_first = block.position.set(position).is_ok();
                assert!(is_first, "a block becomes durable once");
            }
            self.state.store(Arc::new(last.connected.state.clone()));
            self.pending.mark_durable(blocks.len());
        }
        if !records.is_empty() {
            votes.append(records)?;
            self.votes_next.store(votes.mark().next, Ordering::Release);
        }
        Ok(())
    }

    fn apply(&self) -> Result<usize, StorageError> {
        self.check_open()?;
        self.apply_durable()
    }

    fn lag(&self) -> usize {
        self.pending.load().durable().len()
    }

    fn lag_transactions(&self) -> usize {
        self.pending.load().n_durable_transactions()
    }

    fn retire(&self, epoch: Epoch) -> Result<(), StorageError> {
        let mut logs = lock(&self.logs);
        logs.as_mut().ok_or(StorageError::Closed)?.votes.retire(epoch)
    }

    fn state(&self) -> Arc<LedgerState> {
        self.state.load_full()
    }

    fn block(&self, height: Height) -> Result<Option<Decided>, StorageError> {
        let pending = self.pending.load();
        if let Some(block) = pending::at_height(pending.durable(), height) {
            return Ok(Some(block.decided()));
        }
        let position = self.tables.position(height).map_err(|error| self.tables.error(error))?;
        position.map(|position| self.reader.read(position)).transpose()
    }

    fn height_of(&self, hash: &BlockHash) -> Result<Option<Height>, StorageError> {
        let pending = self.pending.load();
        if let Some(height) = pending::height_of(pending.durable(), hash) {
            return Ok(Some(height));
        }
        self.tables.height_of(hash).map_err(|error| self.tables.error(error))
    }

    fn transaction(&self, txid: &Txid) -> Result<Option<(Height, Arc<Transaction>)>, StorageError> {
        let pending = self.pending.load();
        if let Some(found) = pending::transaction(pending.durable(), txid) {
            return Ok(Some(found));
        }
        let place = self.tables.place(txid).map_err(|error| self.tables.error(error))?;
        let Some((height, index)) = place else { return Ok(None) };
        let Some(decided) = self.block(height)? else { return Ok(None) };
        let transaction = decided.block.transactions.get(index as usize);
        Ok(transaction.map(|transaction| (height, Arc::clone(transaction))))
    }

    fn utxo(&self, outpoint: &OutPoint) -> Result<Lookup, StorageError> {
        self.at_one_moment(|pending| {
            pending::lookup(pending.durable(), outpoint).map_or_else(|| self.stored(outpoint), Ok)
        })
    }

    fn utxos(
        &self,
        address: Option<&Address>,
        after: Option<&OutPoint>,
        limit: usize,
    ) -> Result<Vec<(OutPoint, Utxo)>, StorageError> {
        let page = Page { address, after, limit };
        self.at_one_moment(|pending| {
            pending::page(pending.durable(), page, |after, limit| {
                self.tables.page(Page { after, limit, ..page })
            })
        })
    }

    fn close(&self) -> Result<(), StorageError> {
        if self.is_closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let closed = self.close_files();
        drop(lock(&self.lock).take());
        closed
    }

    fn abandon(&self) {
        if self.is_closed.swap(true, Ordering::AcqRel) {
            return;
        }
        // A block that is on its way into the tables gets there.
        let _no_block_is_applied = lock(&self.standing);
        drop(lock(&self.logs).take());
        self.tables.abandon();
        drop(lock(&self.lock).take());
    }
}

/// What a panic left half done is found out by the next open, so locks are not poisoned.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads between two blocks so often before it holds off the next one.
const READ_ATTEMPTS: usize = 4;
