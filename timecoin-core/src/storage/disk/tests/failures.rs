//! Derived tables that fail while the store is open: they are rebuilt in place, with an incident
//! that says so, and nobody sees anything wrong in between.

use std::os::unix::fs::FileExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::ledger::view::Lookup;
use crate::storage::Incident;
use crate::storage::derived::faults::{Fault, Plan, arm, n_left};
use crate::storage::tests::{all, check_readers};
use crate::types::chain::Height;
use crate::types::hash::Txid;
use crate::types::transaction::OutPoint;

type Incidents = Arc<Mutex<Vec<Incident>>>;

fn watch(storage: &dyn Storage) -> Incidents {
    let incidents = Incidents::default();
    let kept = Arc::clone(&incidents);
    storage.watch(Box::new(move |incident| kept.lock().unwrap().push(incident)));
    incidents
}

fn n_repaired(incidents: &Incidents) -> usize {
    let incidents = incidents.lock().unwrap();
    incidents.iter().filter(|incident| matches!(incident, Incident::Repaired(_))).count()
}

fn tables_of(dir: &Directory) -> PathBuf {
    dir.0.path().join("derived")
}

/// Options without a cache in front of sled, and hardly one in it.
fn without_cache() -> StorageOptions {
    StorageOptions { cached_utxos_max: 1, cache_bytes: Some(1 << 16), ..StorageOptions::default() }
}

#[test]
fn any_call_into_sled_may_fail() {
    for fault in [Fault::Error, Fault::Panic] {
        for op in ["read", "write"] {
            let mut n_struck = 0;
            for n_before in [0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89] {
                let example = Example::new(Left::Closed);
                let dir = example.copy();
                let opened = DiskStorage::open(dir.0.path(), &example.chain, without_cache());
                let storage = opened.unwrap().storage;
                let incidents = watch(&*storage);
                let plan = Plan { op: Some(op), n_before, n_failing: 1, fault };
                arm(&tables_of(&dir), plan);
                let mut commits = example.commits.clone();
                let mut spender = Spender::new(&example.chain, &storage);
                for _ in 0..3 {
                    commits.push(spender.persist(2));
                    storage.apply().unwrap();
                    check(&*storage, &commits);
                }
                let struck = 1 - n_left(&tables_of(&dir));
                n_struck += struck;
                assert_eq!(n_repaired(&incidents), struck, "{fault:?} {op} {n_before}");
                assert_eq!(dir.0.path().join("derived.damaged").exists(), struck == 1);
                storage.close().unwrap();
                let again = example.open(&dir).unwrap();
                assert_eq!(again.repairs, Vec::<String>::new());
                check(&*again.storage, &commits);
            }
            assert!(n_struck > 3, "{fault:?} {op}: {n_struck}");
        }
    }
}

#[test]
fn the_incident_says_why_and_where_the_old_tables_are() {
    let example = Example::new(Left::Closed);
    let dir = example.copy();
    let storage = example.open(&dir).unwrap().storage;
    let incidents = watch(&*storage);
    let plan = Plan { op: Some("read"), n_before: 0, n_failing: 1, fault: Fault::Error };
    arm(&tables_of(&dir), plan);
    assert!(storage.block(Height(1)).unwrap().is_some());
    let Incident::Repaired(text) = incidents.lock().unwrap().remove(0) else { panic!("lost") };
    for part in ["up to block 4", "cannot read them", "os error 5", "derived.damaged"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_rebuild_that_fails_once_is_tried_without_what_was_kept() {
    // The read, then the first or a later call of the rebuild.
    for (n_before, n_failing) in [(0, 2), (3, 2)] {
        let example = Example::new(Left::Closed);
        let dir = example.copy();
        let storage = example.open(&dir).unwrap().storage;
        let incidents = watch(&*storage);
        arm(&tables_of(&dir), Plan { op: None, n_before, n_failing, fault: Fault::Error });
        check(&*storage, &example.commits);
        assert_eq!(n_left(&tables_of(&dir)), 0);
        assert_eq!(n_repaired(&incidents), 1);
        assert!(!dir.0.path().join("derived.damaged").exists());
    }
}

#[test]
fn tables_that_cannot_be_rebuilt_are_an_error_until_the_next_open() {
    let example = Example::new(Left::Closed);
    let dir = example.copy();
    let storage = example.open(&dir).unwrap().storage;
    let incidents = watch(&*storage);
    let endless = Plan { op: None, n_before: 0, n_failing: usize::MAX, fault: Fault::Error };
    arm(&tables_of(&dir), endless);
    let mut commits = example.commits.clone();
    for _ in 0..3 {
        let error = storage.block(Height(1)).unwrap_err();
        assert!(matches!(error, StorageError::Tables { .. }), "{error}");
        assert!(error.to_string().contains("os error 5"), "{error}");
    }
    assert!(storage.lookup(&OutPoint::new(Txid::ZERO, 0)).is_err());
    assert!(matches!(incidents.lock().unwrap()[..], [Incident::Lost(_)]));
    storage.close().unwrap_err();
    arm(&tables_of(&dir), Plan { n_failing: 0, ..endless });
    let opened = example.open(&dir).unwrap();
    check(&*opened.storage, &commits);
    commits.push(Spender::new(&example.chain, &opened.storage).persist(1));
    opened.storage.apply().unwrap();
    check(&*opened.storage, &commits);
}

#[test]
fn tables_that_fail_again_and_again_come_to_an_end() {
    let example = Example::new(Left::Closed);
    let dir = example.copy();
    let storage = example.open(&dir).unwrap().storage;
    let incidents = watch(&*storage);
    let mut n_reads = 0;
    while incidents.lock().unwrap().last().is_none_or(|last| matches!(last, Incident::Repaired(_)))
    {
        // What reading one block takes: the next read fails, the rebuild does not read first.
        let once = Plan { op: Some("read"), n_before: 0, n_failing: 1, fault: Fault::Error };
        arm(&tables_of(&dir), once);
        let _ = storage.block(Height(1));
        n_reads += 1;
        assert!(n_reads < 100, "{:?}", incidents.lock().unwrap());
    }
    assert!(n_repaired(&incidents) > 0);
}

#[test]
fn files_damaged_under_a_running_store_never_show() {
    let chain = testkit::solo_chain_with_coins(2_000);
    let dir = Directory::new();
    let storage = DiskStorage::open(dir.0.path(), &chain, without_cache()).unwrap().storage;
    let incidents = watch(&*storage);
    let mut spender = Spender::new(&chain, &storage);
    let mut commits = vec![spender.persist(50)];
    storage.apply().unwrap();
    let mut numbers = Numbers(3);
    for round in 0..8 {
        let path = tables_of(&dir).join("db");
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        let end = data_end(&path) as u64;
        // One spoilt byte in each 4 kB, then whole stretches, then everything.
        let (step, length) = [(4_096, 1), (65_536, 4_096), (1 << 20, 1 << 20)][round % 3];
        for at in (numbers.next() % 4_096..end).step_by(step) {
            file.write_all_at(&vec![0xa5; length], at).unwrap();
        }
        check_readers(&*storage, &commits);
        commits.push(spender.persist(20));
        storage.apply().unwrap();
        check(&*storage, &commits);
    }
    assert!(n_repaired(&incidents) > 0, "no damaged page was ever read");
    let _ = storage.close();
    drop((spender, storage));
    check(&*dir.open(&chain).unwrap().storage, &commits);
}

#[test]
fn readers_wait_for_the_rebuild_and_see_whole_blocks() {
    let chain = testkit::solo_chain_with_coins(60);
    let dir = Directory::new();
    let storage = DiskStorage::open(dir.0.path(), &chain, without_cache()).unwrap().storage;
    let incidents = watch(&*storage);
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
    std::thread::scope(|scope| {
        let readers = [scope.spawn(read), scope.spawn(read)];
        for n in 0..40 {
            let commit = churn.next_block(&*storage, 20);
            let commitment = commit.connected.state.utxo_set.commitment();
            commitments.lock().unwrap().push(commitment);
            storage.stage(Arc::clone(&commit));
            storage.persist(&[], &[commit]).unwrap();
            if n % 4 == 0 {
                let fault = if n % 8 == 0 { Fault::Error } else { Fault::Panic };
                arm(&tables_of(&dir), Plan { op: None, n_before: n, n_failing: 1, fault });
            }
            storage.apply().unwrap();
        }
        is_done.store(true, Ordering::Relaxed);
        assert!(readers.into_iter().all(|reader| reader.join().unwrap() > 0));
    });
    assert!(n_repaired(&incidents) >= 5, "{:?}", incidents.lock().unwrap());
    assert!(!incidents.lock().unwrap().iter().any(|i| matches!(i, Incident::Lost(_))));
    assert_eq!(all(&*storage).len(), 60 + 40);
}
