//! What every store must do, run over each of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::interface::{Opened, Storage};
use super::{DiskStorage, MemoryDisk, MemoryStorage, StorageError, StorageOptions};
use tempfile::TempDir;

use crate::engine::output::BlockCommit;
use crate::ledger::state::LedgerState;
use crate::ledger::view::{Lookup, Utxo};
use crate::params::Chain;
use crate::testkit;
use crate::types::address::Address;
use crate::types::amount::Amount;
use crate::types::chain::{Epoch, Height};
use crate::types::hash::{BlockHash, Txid};
use crate::types::keys::KeyPair;
use crate::types::transaction::OutPoint;

/// A place in which stores can be opened one after the other.
pub(super) trait Place {
    fn open(&self, chain: &Chain) -> Result<Opened, StorageError>;
}

impl Place for MemoryDisk {
    fn open(&self, chain: &Chain) -> Result<Opened, StorageError> {
        MemoryStorage::open(self, chain)
    }
}

/// A data directory that is removed in the end.
pub(super) struct Directory(pub(super) TempDir);

impl Directory {
    pub(super) fn new() -> Self {
        Directory(tempfile::tempdir().unwrap())
    }
}

impl Place for Directory {
    fn open(&self, chain: &Chain) -> Result<Opened, StorageError> {
        let options = StorageOptions { cache_bytes: Some(8 << 20), ..StorageOptions::default() };
        DiskStorage::open(self.0.path(), chain, options)
    }
}

/// Runs each behaviour over each store.
macro_rules! behaviours {
    ($($name:ident),+ $(,)?) => {
        mod in_memory {
            $(#[test] fn $name() { super::$name(super::MemoryDisk::new); })+
        }
        mod on_disk {
            $(#[test] fn $name() { super::$name(|_| super::Directory::new()); })+
        }
    };
}

behaviours! {
    new_store_holds_the_genesis,
    staged_is_for_the_engine_durable_for_readers,
    stations_do_not_change_what_is_read,
    reopening_finds_what_was_persisted,
    what_was_only_staged_is_gone_after_reopening,
    pages_are_the_set_in_order,
    records_come_back_in_order,
    retired_records_do_not_come_back,
    blocks_that_were_not_staged_are_refused,
    second_open_is_refused,
    other_chain_is_refused,
    closed_store_refuses_writes,
    readers_on_other_threads_see_whole_blocks,
}

/// A wallet that spends one coin after the other, as seen by the engine.
pub(super) struct Spender {
    pub(super) chain: Chain,
    pub(super) storage: Arc<dyn Storage>,
    pub(super) state: LedgerState,
    coins: Vec<(OutPoint, Amount)>,
}

impl Spender {
    pub(super) fn new(chain: &Chain, storage: &Arc<dyn Storage>) -> Self {
        let state = (*storage.state()).clone();
        let wallet = testkit::wallet_keys().address();
        let coins = all(&**storage).into_iter().filter(|(_, utxo)| utxo.output.address == wallet);
        let coins = coins.map(|(outpoint, utxo)| (outpoint, utxo.output.value)).collect();
        Spender { chain: chain.clone(), storage: Arc::clone(storage), state, coins }
    }

    /// Decides and stages a block in which the wallet makes so many small payments to
    /// another address.
    pub(super) fn stage(&mut self, n_payments: usize) -> Arc<BlockCommit> {
        let keys = testkit::wallet_keys();
        let mut transactions = Vec::new();
        for _ in 0..n_payments {
            let coin = self.coins.remove(0);
            let amount = Amount::from_units(1_000);
            let payment = testkit::pay(&self.chain, &keys, coin, other_address(), amount);
            let change = payment.transaction().outputs[0].value;
            self.coins.push((OutPoint::new(payment.txid(), 0), change));
            transactions.push(payment);
        }
        let view = &*self.storage;
        let commit = testkit::decide(&self.chain, &self.state, view, transactions);
        self.state = commit.connected.state.clone();
        self.storage.stage(Arc::clone(&commit));
        commit
    }

    pub(super) fn persist(&mut self, n_payments: usize) -> Arc<BlockCommit> {
        let commit = self.stage(n_payments);
        self.storage.persist(&[], std::slice::from_ref(&commit)).unwrap();
        commit
    }
}

pub(super) fn other_address() -> Address {
    KeyPair::from_seed(b"other").address()
}

/// Every unspent output, read in small pages.
pub(super) fn all(storage: &dyn Storage) -> Vec<(OutPoint, Utxo)> {
    listed(storage, None, 3)
}

fn listed(storage: &dyn Storage, address: Option<&Address>, limit: usize) -> Vec<(OutPoint, Utxo)> {
    let mut found: Vec<(OutPoint, Utxo)> = Vec::new();
    loop {
        let after = found.last().map(|(outpoint, _)| *outpoint);
        let page = storage.utxos(address, after.as_ref(), limit).unwrap();
        if page.is_empty() {
            return found;
        }
        found.extend(page);
    }
}

/// What the store shows readers and the engine when nothing is merely staged.
pub(super) fn check(storage: &dyn Storage, commits: &[Arc<BlockCommit>]) {
    check_readers(storage, commits);
    for (outpoint, utxo) in all(storage) {
        assert_eq!(storage.lookup(&outpoint).unwrap(), Lookup::Unspent(utxo));
    }
    for commit in commits {
        for transaction in &commit.connected.block.block().transactions {
            let found = storage.confirmed_at(&transaction.txid()).unwrap();
            assert_eq!(found, Some(commit.height()));
            for input in &transaction.inputs {
                assert_eq!(storage.lookup(&input.previous_output).unwrap(), Lookup::Spent);
            }
        }
    }
}

/// What the store shows readers, checked against itself: I5 and I13.
pub(super) fn check_readers(storage: &dyn Storage, commits: &[Arc<BlockCommit>]) {
    let state = storage.state();
    let expected = commits.last().map(|last| last.connected.state.clone());
    if let Some(expected) = expected {
        assert_eq!(*state, expected);
    }
    assert_eq!(state.tip.height.0, commits.len() as u64);
    let utxos = all(storage);
    assert_eq!(testkit::set_hash(&utxos), state.utxo_set);
    let sum: u64 = utxos.iter().map(|(_, utxo)| utxo.output.value.units()).sum();
    assert_eq!(sum, state.issued.units());
    for (outpoint, utxo) in &utxos {
        assert_eq!(storage.utxo(outpoint).unwrap(), Lookup::Unspent(*utxo));
    }
    check_by_address(storage, &utxos);
    for commit in commits {
        check_block(storage, commit);
    }
    assert_eq!(storage.block(state.tip.height.next()).unwrap(), None);
    assert_eq!(storage.block(Height::ZERO).unwrap(), None);
    assert_eq!(storage.height_of(&BlockHash::ZERO).unwrap(), None);
    assert_eq!(storage.transaction(&Txid::ZERO).unwrap(), None);
    assert_eq!(storage.utxo(&OutPoint::new(Txid::ZERO, 0)).unwrap(), Lookup::Unknown);
}

fn check_by_address(storage: &dyn Storage, utxos: &[(OutPoint, Utxo)]) {
    let mut by_address: BTreeMap<Address, Vec<(OutPoint, Utxo)>> = BTreeMap::new();
    for (outpoint, utxo) in utxos {
        by_address.entry(utxo.output.address).or_default().push((*outpoint, *utxo));
    }
    by_address.entry(KeyPair::from_seed(b"nobody").address()).or_default();
    for (address, owned) in by_address {
        assert_eq!(listed(storage, Some(&address), 2), owned);
    }
}

fn check_block(storage: &dyn Storage, commit: &BlockCommit) {
    let (height, block) = (commit.height(), commit.connected.block.block());
    let decided = storage.block(height).unwrap().expect("the block is durable");
    assert_eq!((&decided.block, &decided.certificate), (block, &commit.certificate));
    assert_eq!(storage.height_of(&block.hash()).unwrap(), Some(height));
    for transaction in &block.transactions {
        let txid = transaction.txid();
        let found = storage.transaction(&txid).unwrap();
        assert_eq!(found, Some((height, Arc::clone(transaction))));
        let never_made = OutPoint::new(txid, u32::MAX);
        assert_eq!(storage.utxo(&never_made).unwrap(), Lookup::Spent);
    }
    for input in block.transactions.iter().flat_map(|transaction| &transaction.inputs) {
        assert_eq!(storage.utxo(&input.previous_output).unwrap(), Lookup::Spent);
    }
}

fn new_store_holds_the_genesis<P: Place>(place: impl Fn(&Chain) -> P) {
    let chain = testkit::solo_chain_with_coins(7);
    let place = place(&chain);
    let opened = place.open(&chain).unwrap();
    assert_eq!(*opened.storage.state(), LedgerState::genesis(&chain));
    assert_eq!(all(&*opened.storage).len(), 7);
    assert!(opened.records.is_empty() && opened.must_observe.is_none());
    assert!(opened.repairs.is_empty(), "{:?}", opened.repairs);
    check(&*opened.storage, &[]);
}

fn staged_is_for_the_engine_durable_for_readers<P: Place>(place: impl Fn(&Chain) -> P) {
    let chain = testkit::solo_chain();
    let place = place(&chain);
    let storage = place.open(&chain).unwrap().storage;
    let mut spender = Spender::new(&chain, &storage);
    let commit = spender.stage(1);
    let spent = commit.connected.delta.spent[0].0;
    let (made, utxo) = commit.connected.delta.created[0];
    let txid = commit.connected.block.transactions()[0].txid();

    assert_eq!(storage.lookup(&spent).unwrap(), Lookup::Spent);
    assert_eq!(storage.lookup(&made).unwrap(), Lookup::Unspent(utxo));
    assert_eq!(storage.confirmed_at(&txid).unwrap(), Some(Height(1)));
    assert!(matches!(storage.utxo(&spent).unwrap(), Lookup::Unspent(_)));
    assert_eq!(storage.utxo(&made).unwrap(), Lookup::Unknown);
    assert_eq!(storage.transaction(&txid).unwrap(), None);
    check_readers(&*storage, &[]);

    storage.persist(&[], std::slice::from_ref(&commit)).unwrap();
    check(&*storage, &[commit]);
}

fn stations_do_not_change_what_is_read<P: Place>(place: impl Fn(&Chain) -> P) {
    let chain = testkit::solo_chain_with_coins(10);
    let place = place(&chain);
    let storage = place.open(&chain).unwrap().storage;
    let mut spender = Spender::new(&chain, &storage);
    let mut commits = Vec::new();
    for n_payments in [3, 0, 12, 5, 1] {
        commits.push(spender.persist(n_payments));
        check(&*storage, &commits);
    }
    assert_eq!(storage.lag(), 5);
    assert_eq!(storage.apply().unwrap(), 5);
    assert_eq!((storage.lag(), storage.apply().unwrap()), (0, 0));
    check(&*storage, &commits);
    commits.push(spender.persist(4));
    check(&*storage, &commits);
    assert_eq!(storage.apply().unwrap(), 1);
    check(&*storage, &commits);
}

fn reopening_finds_what_was_persisted<P: Place>(place: impl Fn(&Chain) -> P) {
    let chain = testkit::solo_chain_with_coins(5);
    let place = place(&chain);
    let mut commits = Vec::new();
    for (n_applied, is_closed) in [(0, false), (1, false), (2, false), (3, true), (0, true)] {
        let opened = place.open(&chain).unwrap();
        check(&*opened.storage, &commits);
        assert_eq!(opened.must_observe, None);
        let mut spender = Spender::new(&chain, &opened.storage);
        for index in 0..3 {
            commits.push(spender.persist(2));
            if index < n_applied {
                opened.storage.apply().unwrap();
            }
        }
        if is_closed {
            opened.storage.close().unwrap();
        }
    }
    check(&*place.open(&chain).unwrap().storage, &commits);
}

fn what_was_only_staged_is_gone_after_reopening<P: Place>(place: impl Fn(&Chain) -> P) {
    let chain = testkit::solo_chain_with_coins(5);
    let place = place(&chain);
    let storage = place.open(&chain).unwrap().storage;
    let mut spender = Spender::new(&chain, &storage);
    let durable = spender.persist(1);
    let staged = spender.stage(1);
    drop((storage, spender));
    let storage = place.open(&chain).unwrap().storage;
    check(&*storage, &[durable]);
    let made = staged.connected.delta.created[0].0;
    assert_eq!(storage.lookup(&made).unwrap(), Lookup::Unknown);
}

fn pages_are_the_set_in_order<P: Place>(place: impl Fn(&Chain) -> P) {
    let chain = testkit::solo_chain_with_coins(40);
    let place = place(&chain);
    let storage = place.open(&chain).unwrap().storage;
    let mut spender = Spender::new(&chain, &storage);
    spender.persist(20);
    storage.apply().unwrap();
    spender.persist(30);
    spender.persist(11);
    let address = testkit::wallet_keys().address();
    for owner in [None, Some(&address)] {
        let whole = storage.utxos(owner, None, 10_000).unwrap();
        assert!(whole.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for limit in [1, 2, 7, 39, 1_000] {
            assert_eq!(listed(&*storage, owner, limit), whole);
        }
    }
    assert!(storage.utxos(None, None, 0).unwrap().is_empty());
}

fn records_come_back_in_order<P: Place>(place: impl Fn(&Chain) -> P) {
    let chain = testkit::solo_chain();
    let place = place(&chain);
    let records: Vec<_> = (1..9).map(|h| testkit::vote_record(&chain, Height(h))).collect();
    let opened = place.open(&chain).unwrap();
    opened.storage.persist(&records[..3], &[]).unwrap();
    opened.storage.persist(&records[3..4], &[]).unwrap();
    drop(opened);
    let opened = place.open(&chain).unwrap();
    assert_eq!(opened.records, records[..4]);
    opened.storage.persist(&records[4..], &[]).unwrap();
    opened.storage.close().unwrap();
    assert_eq!(place.open(&chain).unwrap().records, records);
}

fn retired_records_do_not_come_back<P: Place>(place: impl Fn(&Chain) -> P) {
    let chain = testkit::solo_chain();
    let place = place(&chain);
    let opened = place.open(&chain).unwrap();
    for epoch in 0..5 {
        opened.storage.retire(Epoch(epoch)).unwrap();
        opened.storage.persist(&[testkit::frozen_record(epoch)], &[]).unwrap();
    }
    opened.storage.retire(Epoch(4)).unwrap();
    drop(opened);
    let opened = place.open(&chain).unwrap();
    assert_eq!(opened.records, [testkit::frozen_record(4)]);
    opened.storage.retire(Epoch(5)).unwrap();
    drop(opened);
    assert!(place.open(&chain).unwrap().records.is_empty());
}

fn blocks_that_were_not_staged_are_refused<P: Place>(place: impl Fn(&Chain) -> P) {
    let chain = testkit::solo_chain();
    let place = place(&chain);
    let storage = place.open(&chain).unwrap().storage;
    let mut spender = Spender::new(&chain, &storage);
    let first = spender.stage(1);
    let second = spender.stage(1);
    let refused = storage.persist(&[], &[Arc::clone(&second)]).unwrap_err();
    assert!(matches!(refused, StorageError::NotStaged { height: Height(2) }), "{refused}");
    check_readers(&*storage, &[]);
    storage.persist(&[], &[Arc::clone(&first), Arc::clone(&second)]).unwrap();
    check(&*storage, &[first, second]);
}

fn second_open_is_refused<P: Place>(place: impl Fn(&Chain) -> P) {
    let chain = testkit::solo_chain();
    let place = place(&chain);
    let first = place.open(&chain).unwrap();
    let refused = place.open(&chain).err().expect("it is in use");
    let pid = Some(std::process::id());
    assert!(matches!(refused, StorageError::LockedBy { pid: p, .. } if p == pid), "{refused}");
    first.storage.close().unwrap();
    place.open(&chain).unwrap();
}

fn other_chain_is_refused<P: Place>(place: impl Fn(&Chain) -> P) {
    let chain = testkit::solo_chain();
    let place = place(&chain);
    place.open(&chain).unwrap().storage.close().unwrap();
    let other = testkit::solo_chain_with_coins(2);
    let refused = place.open(&other).err().expect("it is another chain");
    assert!(matches!(refused, StorageError::WrongChain { .. }), "{refused}");
    place.open(&chain).unwrap();
}

fn closed_store_refuses_writes<P: Place>(place: impl Fn(&Chain) -> P) {
    let chain = testkit::solo_chain();
    let place = place(&chain);
    let storage = place.open(&chain).unwrap().storage;
    let mut spender = Spender::new(&chain, &storage);
    spender.persist(1);
    let staged = spender.stage(1);
    storage.close().unwrap();
    storage.close().unwrap();
    let refused = storage.persist(&[], &[staged]).unwrap_err();
    assert!(matches!(refused, StorageError::Closed), "{refused}");
    assert!(matches!(storage.apply().unwrap_err(), StorageError::Closed));
}

fn readers_on_other_threads_see_whole_blocks<P: Place>(place: impl Fn(&Chain) -> P) {
    let chain = testkit::solo_chain_with_coins(60);
    let place = place(&chain);
    let storage = place.open(&chain).unwrap().storage;
    let mut churn = testkit::Churn::new(&chain);
    let commitments = Mutex::new(vec![storage.state().utxo_set.commitment()]);
    let is_done = AtomicBool::new(false);
    let read = || {
        let mut n_pages = 0;
        while !is_done.load(Ordering::Relaxed) {
            let page = storage.utxos(None, None, 10_000).unwrap();
            let found = testkit::set_hash(&page).commitment();
            assert!(commitments.lock().unwrap().contains(&found), "a page of no moment");
            let (outpoint, _) = page[n_pages % page.len()];
            assert_ne!(storage.utxo(&outpoint).unwrap(), Lookup::Unknown);
            n_pages += 1;
        }
        n_pages
    };
    let n_pages = std::thread::scope(|scope| {
        let readers = [scope.spawn(read), scope.spawn(read)];
        for _ in 0..150 {
            let commit = churn.next_block(&*storage, 20);
            let commitment = commit.connected.state.utxo_set.commitment();
            commitments.lock().unwrap().push(commitment);
            storage.stage(Arc::clone(&commit));
            storage.persist(&[], &[commit]).unwrap();
            storage.apply().unwrap();
        }
        is_done.store(true, Ordering::Relaxed);
        readers.map(|reader| reader.join().unwrap())
    });
    assert!(n_pages.iter().all(|&n| n > 0), "{n_pages:?}");
}
