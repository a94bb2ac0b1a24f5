//! The store on disk: a block log, a vote log, and derived tables that follow the block log.
//!
//! ```text
//! LOCK            one open at a time
//! base/           what it begins from instead of the genesis, if it does
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
mod rebuild;
mod upkeep;
mod votes;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arc_swap::ArcSwap;

use self::blocks::{BlockLog, BlockReader};
use self::budget::cache_bytes_default;
use self::cache::UtxoCache;
use self::marker::Marker;
use self::upkeep::{REBUILDS_MAX, ReadError, Upkeep};
use self::votes::VoteLog;
use super::StorageError;
use super::base::Base;
use super::derived::{Tables, TablesError, VotesMark, malformed};
use super::interface::{Opened, Storage, Watcher};
use super::lock::DirectoryLock;
use super::pending::{self, Page, Pending, PendingBlocks};
use crate::engine::output::{BlockCommit, Record};
use crate::ledger::state::LedgerState;
use crate::ledger::view::{Lookup, OutputPage, Utxo, UtxoView, ViewError};
use crate::params::Chain;
use crate::types::address::Address;
use crate::types::certificate::CommitCertificate;
use crate::types::chain::{Epoch, Height};
use crate::types::hash::{BlockHash, Txid};
use crate::types::masternode_set::MasternodeSet;
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

impl StorageOptions {
    fn tables_cache_bytes(&self) -> u64 {
        self.cache_bytes.unwrap_or_else(cache_bytes_default)
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
    chain: Chain,
    options: StorageOptions,
    pending: Pending,
    /// After the last durable block.
    state: ArcSwap<LedgerState>,
    cache: UtxoCache,
    reader: BlockReader,
    /// What it begins from instead of the genesis.
    base: Option<Base>,
    /// Which vote log it is.
    votes_log: u64,
    /// Sequence after its last durable record.
    votes_next: AtomicU64,
    /// Counts the blocks that were begun to be written to the tables.
    n_applied: AtomicU64,
    is_closed: AtomicBool,
    /// Who holds it writes to the tables, or replaces them.
    upkeep: Mutex<Upkeep>,
    tables: ArcSwap<Tables>,
    watcher: OnceLock<Watcher>,
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
    fn stored(&self, tables: &Tables, outpoint: &OutPoint) -> Result<Lookup, TablesError> {
        let before = match self.cache.get(outpoint) {
            Ok(utxo) => return Ok(Lookup::Unspent(utxo)),
            Err(before) => before,
        };
        if let Some(utxo) = tables.utxo(outpoint)? {
            self.cache.insert(*outpoint, utxo, before);
            return Ok(Lookup::Unspent(utxo));
        }
        let is_confirmed = tables.place(&outpoint.txid)?.is_some();
        Ok(if is_confirmed { Lookup::Spent } else { Lookup::Unknown })
    }

    /// Reads pending blocks and tables as of one moment. A block is written to the tables entry
    /// by entry; that does not show, because it is pending meanwhile, unless it is so new that
    /// the list does not have it. Then the read is repeated.
    fn at_one_moment<T>(
        &self,
        read: impl Fn(&PendingBlocks, &Tables) -> Result<T, TablesError>,
    ) -> Result<T, StorageError> {
        for _ in 0..READ_ATTEMPTS {
            let n_applied = self.n_applied.load(Ordering::SeqCst);
            let found = self.read_tables(|tables| Ok(read(&self.pending.load(), tables)?))?;
            if self.n_applied.load(Ordering::SeqCst) == n_applied {
                return Ok(found);
            }
        }
        loop {
            let no_block_is_applied = lock(&self.upkeep);
            let tables = self.tables.load_full();
            match read(&self.pending.load(), &tables) {
                Ok(found) => return Ok(found),
                Err(error) => {
                    drop(no_block_is_applied);
                    self.replace_tables(&tables, error)?;
                }
            }
        }
    }

    /// The block that the tables have at a height.
    fn logged(&self, tables: &Tables, height: Height) -> Result<Option<Decided>, ReadError> {
        let Some(position) = tables.position(height)? else { return Ok(None) };
        let decided = self.reader.read(position)?;
        if decided.block.header.height != height {
            return Err(malformed(format!("they have another block at {height}")).into());
        }
        Ok(Some(decided))
    }

    /// Moves the tables past every durable block.
    fn apply_durable(&self) -> Result<usize, StorageError> {
        let mut n_applied = 0;
        loop {
            let tables = self.tables.load_full();
            match self.apply_to(&tables, &mut n_applied) {
                Ok(()) => return Ok(n_applied),
                Err(error) => self.replace_tables(&tables, error)?,
            }
        }
    }

    /// The same, unless other tables have taken the place of `tables`.
    fn apply_to(&self, tables: &Arc<Tables>, n_applied: &mut usize) -> Result<(), TablesError> {
        let mut upkeep = lock(&self.upkeep);
        if !Arc::ptr_eq(&self.tables.load(), tables) {
            return Err(malformed("they were replaced".to_owned()));
        }
        let pending = self.pending.load();
        for block in pending.durable() {
            let position = *block.position.get().expect("a durable block has its position");
            let next = self.votes_next.load(Ordering::Acquire);
            let votes = VotesMark { log: self.votes_log, next };
            self.n_applied.fetch_add(1, Ordering::SeqCst);
            tables.apply(&mut upkeep.standing, &block.commit, position, votes)?;
            upkeep.rebuilds_left = REBUILDS_MAX;
            self.cache.follow(&block.commit.connected.delta);
            self.pending.drop_oldest();
            *n_applied += 1;
        }
        Ok(())
    }

    fn close_files(&self) -> Result<(), StorageError> {
        let applied = self.apply_durable();
        let Some(Logs { blocks, votes }) = lock(&self.logs).take() else { return Ok(()) };
        let (votes_first, votes_mark) = (votes.first_sequence(), votes.mark());
        let closed = blocks.close().and(votes.close());
        let tables = self.tables.load_full();
        let closed = tables.close().map_err(|error| tables.error(error)).and(closed);
        applied.and(closed)?;
        let tip = &lock(&self.upkeep).standing.state.tip;
        let marker = Marker {
            chain_id: *self.chain.id(),
            height: tip.height,
            hash: tip.hash,
            votes_first,
            votes: votes_mark,
            files: marker::sum_files(&rebuild::tables_dir(&self.dir), self.options.sync)?,
        };
        marker.write(&self.dir)
    }
}

impl UtxoView for DiskStorage {
    fn lookup(&self, outpoint: &OutPoint) -> Result<Lookup, ViewError> {
        let found = self.at_one_moment(|pending, tables| {
            let found = pending::lookup(pending.staged(), outpoint);
            found.map_or_else(|| self.stored(tables, outpoint), Ok)
        });
        found.map_err(|error| ViewError(error.to_string()))
    }

    fn confirmed_at(&self, txid: &Txid) -> Result<Option<Height>, ViewError> {
        let pending = self.pending.load();
        if let Some(height) = pending::confirmed_at(pending.staged(), txid) {
            return Ok(Some(height));
        }
        let place = self.read_tables(|tables| Ok(tables.place(txid)?));
        let place = place.map_err(|error| ViewError(error.to_string()))?;
        Ok(place.map(|(height, _)| height))
    }

    fn certificate_at(&self, height: Height) -> Result<Option<CommitCertificate>, ViewError> {
        let pending = self.pending.load();
        if let Some(block) = pending::at_height(pending.staged(), height) {
            return Ok(Some(block.commit.certificate.clone()));
        }
        let decided = self.read_tables(|tables| self.logged(tables, height));
        let decided = decided.map_err(|error| ViewError(error.to_string()))?;
        Ok(decided.map(|decided| decided.certificate))
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
        self.read_tables(|tables| self.logged(tables, height))
    }

    fn next_set(&self, height: Height) -> Result<Option<MasternodeSet>, StorageError> {
        let pending = self.pending.load();
        if let Some(block) = pending::at_height(pending.durable(), height) {
            return Ok(pending::next_set(&block.commit));
        }
        self.read_tables(|tables| Ok(tables.next_set(height)?))
    }

    fn height_of(&self, hash: &BlockHash) -> Result<Option<Height>, StorageError> {
        let pending = self.pending.load();
        if let Some(height) = pending::height_of(pending.durable(), hash) {
            return Ok(Some(height));
        }
        self.read_tables(|tables| Ok(tables.height_of(hash)?))
    }

    fn transaction(&self, txid: &Txid) -> Result<Option<(Height, Arc<Transaction>)>, StorageError> {
        let pending = self.pending.load();
        if let Some(found) = pending::transaction(pending.durable(), txid) {
            return Ok(Some(found));
        }
        self.read_tables(|tables| {
            let Some((height, index)) = tables.place(txid)? else { return Ok(None) };
            if height == Height::ZERO {
                // The genesis is no block.
                return Ok(None);
            }
            let wrong = || malformed(format!("they place {txid} where it is not"));
            let decided = self.logged(tables, height)?.ok_or_else(wrong)?;
            let found = decided.block.transactions.get(index as usize);
            let found = found.filter(|transaction| transaction.txid() == *txid);
            Ok(Some((height, Arc::clone(found.ok_or_else(wrong)?))))
        })
    }

    fn utxo(&self, outpoint: &OutPoint) -> Result<Lookup, StorageError> {
        self.at_one_moment(|pending, tables| {
            let found = pending::lookup(pending.durable(), outpoint);
            found.map_or_else(|| self.stored(tables, outpoint), Ok)
        })
    }

    fn utxos(
        &self,
        address: Option<&Address>,
        after: Option<&OutPoint>,
        limit: usize,
    ) -> Result<Vec<(OutPoint, Utxo)>, StorageError> {
        let page = Page { address, after, limit };
        self.at_one_moment(|pending, tables| {
            pending::page(pending.durable(), page, |after, limit| {
                tables.page(Page { after, limit, ..page })
            })
        })
    }

    fn outputs(&self, after: Option<&OutPoint>, limit: usize) -> Result<OutputPage, StorageError> {
        let page = Page { address: None, after, limit };
        self.at_one_moment(|pending, tables| {
            let durable = pending.durable();
            let height = match durable.last() {
                Some(last) => last.commit.height(),
                None => tables.height(&self.chain)?,
            };
            let outputs = pending::page(durable, page, |after, limit| {
                tables.page(Page { after, limit, ..page })
            })?;
            Ok(OutputPage { height, outputs })
        })
    }

    fn first_block(&self) -> Height {
        self.base.as_ref().map_or(Height::ZERO, Base::height).next()
    }

    fn watch(&self, watcher: Watcher) {
        let _ = self.watcher.set(watcher);
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
        let _no_block_is_applied = lock(&self.upkeep);
        drop(lock(&self.logs).take());
        self.tables.load_full().abandon();
        drop(lock(&self.lock).take());
    }
}

/// What a panic left half done is found out by the next open, so locks are not poisoned.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads between two blocks so often before it holds off the next one.
const READ_ATTEMPTS: usize = 4;
