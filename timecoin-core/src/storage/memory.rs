//! A store without files. It keeps what a disk would keep apart from what a process would, so
//! that a crash is to drop the store, and a restart to open another on the same [`MemoryDisk`].

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use arc_swap::ArcSwap;

use super::StorageError;
use super::interface::{Opened, Storage, Watcher};
use super::pending::{self, Page, Pending};
use crate::engine::output::{BlockCommit, Record};
use crate::ledger::state::{LedgerState, genesis_utxos};
use crate::ledger::view::{Lookup, OutputPage, Utxo, UtxoView, ViewError};
use crate::params::Chain;
use crate::types::address::Address;
use crate::types::certificate::CommitCertificate;
use crate::types::chain::{Epoch, Height};
use crate::types::few::Few;
use crate::types::hash::{BlockHash, ChainId, Txid};
use crate::types::map::HashMap;
use crate::types::masternode_set::MasternodeSet;
use crate::types::message::Decided;
use crate::types::transaction::{OutPoint, Transaction};

/// What survives a crash: a stand-in for a data directory. Clones share it.
#[derive(Clone)]
pub struct MemoryDisk(Arc<RwLock<Files>>);

/// What the logs and the derived tables would hold.
#[derive(Clone)]
struct Files {
    chain_id: ChainId,
    records: Vec<Record>,
    /// Why votes are missing, and the epoch in which they may have been cast.
    votes_lost: Option<(Epoch, String)>,
    /// After the last durable block.
    state: Arc<LedgerState>,
    /// Durable blocks that the tables do not hold yet.
    unapplied: VecDeque<Arc<BlockCommit>>,
    tables: Tables,
    is_in_use: bool,
}

#[derive(Clone, Default)]
struct Tables {
    blocks: Vec<Decided>,
    heights: HashMap<BlockHash, Height>,
    next_sets: BTreeMap<Height, MasternodeSet>,
    transactions: HashMap<Txid, (Height, u32)>,
    utxos: HashMap<OutPoint, Utxo>,
    by_address: HashMap<Address, Few<OutPoint, ()>>,
}

impl MemoryDisk {
    /// An empty directory for a chain.
    pub fn new(chain: &Chain) -> Self {
        let mut tables = Tables::default();
        for (outpoint, utxo) in genesis_utxos(chain) {
            tables.insert(outpoint, utxo);
            // The genesis counts as a confirmed transaction, so that its outputs can be spent.
            tables.transactions.insert(outpoint.txid, (Height::ZERO, 0));
        }
        MemoryDisk(Arc::new(RwLock::new(Files {
            chain_id: *chain.id(),
            records: Vec::new(),
            votes_lost: None,
            state: Arc::new(LedgerState::genesis(chain)),
            unapplied: VecDeque::new(),
            tables,
            is_in_use: false,
        })))
    }

    /// A copy with a life of its own, in use by nobody.
    pub fn snapshot(&self) -> Self {
        let copy = Files { is_in_use: false, ..self.read().clone() };
        MemoryDisk(Arc::new(RwLock::new(copy)))
    }

    /// Loses the vote log, as a damaged disk would. The next open must observe for the rest of
    /// the epoch.
    pub fn lose_votes(&self, chain: &Chain) {
        let mut files = self.write();
        let epoch = files.state.epoch(chain);
        files.records.clear();
        files.votes_lost = Some((epoch, "the vote log was lost".to_owned()));
    }

    fn read(&self) -> RwLockReadGuard<'_, Files> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Files> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A store in memory, with the behaviour of the one on disk.
pub struct MemoryStorage {
    disk: MemoryDisk,
    pending: Pending,
    state: ArcSwap<LedgerState>,
    is_closed: AtomicBool,
}

impl MemoryStorage {
    /// Opens what a disk holds.
    ///
    /// # Errors
    /// `LockedBy` while another open is in force, `WrongChain`.
    pub fn open(disk: &MemoryDisk, chain: &Chain) -> Result<Opened, StorageError> {
        let mut files = disk.write();
        if files.is_in_use {
            let pid = Some(process::id());
            return Err(StorageError::LockedBy { path: PathBuf::from(PATH), pid });
        }
        if files.chain_id != *chain.id() {
            let (expected, found) = (chain.id().to_bytes(), files.chain_id.to_bytes());
            return Err(StorageError::WrongChain { path: PathBuf::from(PATH), expected, found });
        }
        files.is_in_use = true;
        while let Some(commit) = files.unapplied.pop_front() {
            files.tables.apply(&commit);
        }
        let epoch = files.state.epoch(chain);
        let lost = files.votes_lost.as_ref().filter(|(lost_in, _)| *lost_in >= epoch);
        let must_observe = lost.map(|(_, reason)| reason.clone());
        let (state, records) = (Arc::clone(&files.state), files.records.clone());
        drop(files);
        let storage = Arc::new(MemoryStorage {
            disk: disk.clone(),
            pending: Pending::default(),
            state: ArcSwap::new(state),
            is_closed: AtomicBool::new(false),
        });
        Ok(Opened { storage, records, must_observe, repairs: Vec::new() })
    }

    fn check_open(&self) -> Result<(), StorageError> {
        if self.is_closed.load(Ordering::Acquire) { Err(StorageError::Closed) } else { Ok(()) }
    }

    fn release(&self) {
        if !self.is_closed.swap(true, Ordering::AcqRel) {
            self.disk.write().is_in_use = false;
        }
    }
}

impl Drop for MemoryStorage {
    fn drop(&mut self) {
        self.release();
    }
}

impl UtxoView for MemoryStorage {
    fn lookup(&self, outpoint: &OutPoint) -> Result<Lookup, ViewError> {
        let pending = self.pending.load();
        let found = pending::lookup(pending.staged(), outpoint);
        Ok(found.unwrap_or_else(|| self.disk.read().tables.lookup(outpoint)))
    }

    fn confirmed_at(&self, txid: &Txid) -> Result<Option<Height>, ViewError> {
        let pending = self.pending.load();
        if let Some(height) = pending::confirmed_at(pending.staged(), txid) {
            return Ok(Some(height));
        }
        Ok(self.disk.read().tables.transactions.get(txid).map(|&(height, _)| height))
    }

    fn certificate_at(&self, height: Height) -> Result<Option<CommitCertificate>, ViewError> {
        let pending = self.pending.load();
        if let Some(block) = pending::at_height(pending.staged(), height) {
            return Ok(Some(block.commit.certificate.clone()));
        }
        Ok(self.disk.read().tables.block(height).map(|decided| decided.certificate.clone()))
    }
}

impl Storage for MemoryStorage {
    fn stage(&self, block: Arc<BlockCommit>) {
        self.pending.stage(block);
    }

    fn persist(&self, records: &[Record], blocks: &[Arc<BlockCommit>]) -> Result<(), StorageError> {
        self.check_open()?;
        self.pending.load().next_durable(blocks)?;
        let mut files = self.disk.write();
        files.unapplied.extend(blocks.iter().cloned());
        files.records.extend(records.iter().cloned());
        if let Some(last) = blocks.last() {
            files.state = Arc::new(last.connected.state.clone());
            self.state.store(Arc::clone(&files.state));
        }
        drop(files);
        self.pending.mark_durable(blocks.len());
        Ok(())
    }

    fn apply(&self) -> Result<usize, StorageError> {
        self.check_open()?;
        let pending = self.pending.load();
        for _ in pending.durable() {
            let mut files = self.disk.write();
            if let Some(commit) = files.unapplied.pop_front() {
                files.tables.apply(&commit);
            }
            drop(files);
            self.pending.drop_oldest();
        }
        Ok(pending.durable().len())
    }

    fn lag(&self) -> usize {
        self.pending.load().durable().len()
    }

    fn lag_transactions(&self) -> usize {
        self.pending.load().n_durable_transactions()
    }

    fn retire(&self, epoch: Epoch) -> Result<(), StorageError> {
        self.check_open()?;
        self.disk.write().records.retain(|record| record.epoch() >= epoch);
        Ok(())
    }

    fn state(&self) -> Arc<LedgerState> {
        self.state.load_full()
    }

    fn block(&self, height: Height) -> Result<Option<Decided>, StorageError> {
        let pending = self.pending.load();
        if let Some(block) = pending::at_height(pending.durable(), height) {
            return Ok(Some(block.decided()));
        }
        Ok(self.disk.read().tables.block(height).cloned())
    }

    fn next_set(&self, height: Height) -> Result<Option<MasternodeSet>, StorageError> {
        let pending = self.pending.load();
        if let Some(block) = pending::at_height(pending.durable(), height) {
            return Ok(pending::next_set(&block.commit));
        }
        Ok(self.disk.read().tables.next_sets.get(&height).cloned())
    }

    fn height_of(&self, hash: &BlockHash) -> Result<Option<Height>, StorageError> {
        let pending = self.pending.load();
        if let Some(height) = pending::height_of(pending.durable(), hash) {
            return Ok(Some(height));
        }
        Ok(self.disk.read().tables.heights.get(hash).copied())
    }

    fn transaction(&self, txid: &Txid) -> Result<Option<(Height, Arc<Transaction>)>, StorageError> {
        let pending = self.pending.load();
        if let Some(found) = pending::transaction(pending.durable(), txid) {
            return Ok(Some(found));
        }
        Ok(self.disk.read().tables.transaction(txid))
    }

    fn utxo(&self, outpoint: &OutPoint) -> Result<Lookup, StorageError> {
        let pending = self.pending.load();
        let found = pending::lookup(pending.durable(), outpoint);
        Ok(found.unwrap_or_else(|| self.disk.read().tables.lookup(outpoint)))
    }

    fn utxos(
        &self,
        address: Option<&Address>,
        after: Option<&OutPoint>,
        limit: usize,
    ) -> Result<Vec<(OutPoint, Utxo)>, StorageError> {
        // Under one lock with the list, so that a page is of one moment.
        let files = self.disk.read();
        let pending = self.pending.load();
        let page = Page { address, after, limit };
        pending::page(pending.durable(), page, |after, limit| {
            Ok(files.tables.page(address, after, limit))
        })
    }

    fn outputs(&self, after: Option<&OutPoint>, limit: usize) -> Result<OutputPage, StorageError> {
        let files = self.disk.read();
        let pending = self.pending.load();
        let durable = pending.durable();
        let applied = Height(files.tables.blocks.len() as u64);
        let height = durable.last().map_or(applied, |last| last.commit.height());
        let page = Page { address: None, after, limit };
        let outputs =
            pending::page(durable, page, |after, limit| Ok(files.tables.page(None, after, limit)))?;
        Ok(OutputPage { height, outputs })
    }

    fn first_block(&self) -> Height {
        Height::ZERO.next()
    }

    /// Memory does not fail.
    fn watch(&self, _watcher: Watcher) {}

    fn close(&self) -> Result<(), StorageError> {
        if !self.is_closed.load(Ordering::Acquire) {
            self.apply()?;
            self.release();
        }
        Ok(())
    }

    fn abandon(&self) {
        self.release();
    }
}

impl Tables {
    fn insert(&mut self, outpoint: OutPoint, utxo: Utxo) {
        self.utxos.insert(outpoint, utxo);
        match self.by_address.entry(utxo.output.address) {
            Entry::Occupied(mut owned) => owned.get_mut().insert(outpoint, ()),
            Entry::Vacant(place) => {
                place.insert(Few::One(outpoint, ()));
            }
        }
    }

    fn remove(&mut self, outpoint: &OutPoint, utxo: &Utxo) {
        self.utxos.remove(outpoint);
        if let Entry::Occupied(mut owned) = self.by_address.entry(utxo.output.address)
            && owned.get_mut().remove(outpoint)
        {
            owned.remove();
        }
    }

    fn apply(&mut self, commit: &BlockCommit) {
        let delta = &commit.connected.delta;
        delta.spent.iter().for_each(|(outpoint, utxo)| self.remove(outpoint, utxo));
        delta.created.iter().for_each(|(outpoint, utxo)| self.insert(*outpoint, *utxo));
        let height = commit.height();
        for (index, txid) in (0u32..).zip(pending::txids(commit)) {
            self.transactions.insert(txid, (height, index));
        }
        if let Some(set) = pending::next_set(commit) {
            self.next_sets.insert(height, set);
        }
        self.heights.insert(commit.connected.block.hash(), height);
        self.blocks.push(pending::decided(commit));
    }

    fn lookup(&self, outpoint: &OutPoint) -> Lookup {
        match self.utxos.get(outpoint) {
            Some(utxo) => Lookup::Unspent(*utxo),
            None if self.transactions.contains_key(&outpoint.txid) => Lookup::Spent,
            None => Lookup::Unknown,
        }
    }

    fn block(&self, height: Height) -> Option<&Decided> {
        self.blocks.get(usize::try_from(height.0.checked_sub(1)?).ok()?)
    }

    fn transaction(&self, txid: &Txid) -> Option<(Height, Arc<Transaction>)> {
        let &(height, index) = self.transactions.get(txid)?;
        let transaction = self.block(height)?.block.transactions.get(index as usize)?;
        Some((height, Arc::clone(transaction)))
    }

    fn page(
        &self,
        address: Option<&Address>,
        after: Option<&OutPoint>,
        limit: usize,
    ) -> Vec<(OutPoint, Utxo)> {
        let with_output = |outpoint: &OutPoint| Some((*outpoint, *self.utxos.get(outpoint)?));
        let Some(address) = address else {
            return self.first_after(after, limit).iter().filter_map(with_output).collect();
        };
        let Some(owned) = self.by_address.get(address) else { return Vec::new() };
        let page = owned.page(after, limit);
        page.iter().filter_map(|(outpoint, ())| with_output(outpoint)).collect()
    }

    /// The outpoints after one, ascending. Looks at all of them: nothing that is asked for often
    /// needs an order over all.
    fn first_after(&self, after: Option<&OutPoint>, limit: usize) -> Vec<OutPoint> {
        let is_after = |outpoint: &&OutPoint| after.is_none_or(|after| *outpoint > after);
        let mut found: Vec<OutPoint> = self.utxos.keys().filter(is_after).copied().collect();
        if limit < found.len() {
            found.select_nth_unstable(limit);
            found.truncate(limit);
        }
        found.sort_unstable();
        found
    }
}

/// What errors call a directory that is none.
const PATH: &str = "(memory)";
