//! The derived tables: lost, altered, behind, and of another chain.

use proptest::prelude::*;

use super::*;
use crate::ledger::view::Utxo;
use crate::storage::derived::Tables;
use crate::storage::tests::all;
use crate::storage::{MemoryDisk, MemoryStorage};
use crate::types::transaction::OutPoint;

#[test]
fn missing_tables_are_rebuilt() {
    for left in [Left::Closed, Left::Killed] {
        let example = Example::new(left);
        let dir = example.copy();
        fs::remove_dir_all(dir.0.path().join("derived")).unwrap();
        let opened = example.open_whole(&dir);
        assert!(mentions(&opened.repairs, "they are missing"), "{:?}", opened.repairs);
        assert_eq!(opened.must_observe, None);
    }
}

#[test]
fn good_tables_are_not_rebuilt() {
    for left in [Left::Closed, Left::Killed] {
        let example = Example::new(left);
        let opened = example.open_whole(&example.copy());
        assert_eq!(opened.repairs, Vec::<String>::new());
    }
}

#[test]
fn flipped_bits_never_show() {
    let n_flips = std::env::var("SOAK").map_or(25, |_| 500);
    for left in [Left::Closed, Left::Killed] {
        let example = Example::new(left);
        let mut numbers = Numbers(11);
        for seed in 0..n_flips {
            let dir = example.copy();
            let files = files_below(&dir.0.path().join("derived"));
            let written: Vec<_> = files.iter().filter(|file| data_end(file) > 0).collect();
            let index = usize::try_from(numbers.next()).unwrap() % written.len();
            let end = data_end(written[index]) as u64;
            let before = fs::read(written[index]).unwrap();
            for _ in 0..=numbers.next() % 3 {
                flip_bit(written[index], numbers.next() % (end * 8));
            }
            // Two flips can be of one bit.
            let is_harmed = fs::read(written[index]).unwrap() != before;
            let opened = example.open(&dir).unwrap();
            check(&*opened.storage, &example.commits);
            if left == Left::Closed && is_harmed {
                assert!(mentions(&opened.repairs, "not those that were closed"), "{seed}");
            }
            opened.storage.close().unwrap();
        }
    }
}

#[test]
fn truncated_files_never_show() {
    for left in [Left::Closed, Left::Killed] {
        let example = Example::new(left);
        let files = files_below(&example.dir.0.path().join("derived"));
        for file in files.iter().filter(|file| data_end(file) > 0) {
            for part in [0, 1, 2, 3] {
                let dir = example.copy();
                let path = dir.0.path().join(file.strip_prefix(example.dir.0.path()).unwrap());
                let bytes = data_end(&path) as u64 * part / 4;
                fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(bytes).unwrap();
                let opened = example.open(&dir).unwrap();
                check(&*opened.storage, &example.commits);
            }
        }
    }
}

/// One entry of each table removed or altered by hand, in files that sled finds in order.
#[test]
fn quietly_wrong_entries_are_found_after_a_crash() {
    let example = Example::new(Left::Killed);
    for prefix in [b'a', b'b', b'h', b't', b'u'] {
        for is_removed in [true, false] {
            let dir = example.copy();
            let db = sled::open(dir.0.path().join("derived")).unwrap();
            let (key, value) = db.scan_prefix([prefix]).next().unwrap().unwrap();
            if is_removed {
                db.remove(key).unwrap();
            } else {
                let mut value = value.to_vec();
                value[0] ^= 1;
                db.insert(key, value).unwrap();
            }
            db.flush().unwrap();
            drop(db);
            let opened = example.open_whole(&dir);
            assert!(mentions(&opened.repairs, "rebuilt"), "{}", char::from(prefix));
        }
    }
}

#[test]
fn block_that_a_crash_cut_short_is_completed() {
    let example = Example::new(Left::Killed);
    let opened = example.open(&example.dir).unwrap();
    let commit = Spender::new(&example.chain, &opened.storage).persist(6);
    drop(opened);
    let mut commits = example.commits.clone();
    commits.push(Arc::clone(&commit));
    // 6 payments: 12 outputs and a reward, all in two tables, 6 spent, some of them made here.
    for n_entries in 0..45 {
        let dir = example.copy();
        let (log, _) = blocks_log(&dir, &example.chain);
        let reader = log.reader(&dir.0.path().join("blocks"));
        let found = reader.iter_from(commit.height()).unwrap().next().unwrap();
        let tables = Tables::open(&dir.0.path().join("derived"), 8 << 20).unwrap();
        let standing = tables.standing(&example.chain).unwrap().unwrap().standing;
        tables.apply_partly(&standing, &commit, found.unwrap().0, n_entries).unwrap();
        drop((tables, log));
        let opened = example.open(&dir).unwrap();
        assert_eq!(opened.repairs, Vec::<String>::new(), "{n_entries}");
        check(&*opened.storage, &commits);
    }
}

#[test]
fn tables_of_another_chain_are_rebuilt() {
    let example = Example::new(Left::Killed);
    let other = testkit::solo_chain();
    let other_dir = Directory::new();
    drop(other_dir.open(&other).unwrap());
    let dir = example.copy();
    fs::remove_dir_all(dir.0.path().join("derived")).unwrap();
    copy_dir(&other_dir.0.path().join("derived"), &dir.0.path().join("derived"));
    let opened = example.open_whole(&dir);
    assert!(mentions(&opened.repairs, "they are of chain"), "{:?}", opened.repairs);
}

#[test]
fn tables_in_doubt_are_kept_once() {
    let example = Example::new(Left::Killed);
    let dir = example.copy();
    for text in ["first", "second"] {
        let derived = dir.0.path().join("derived");
        fs::write(derived.join("note"), text).unwrap();
        fs::write(derived.join("db"), text).unwrap();
        let opened = example.open(&dir).unwrap();
        check(&*opened.storage, &example.commits);
        drop(opened);
        let kept = fs::read_to_string(dir.0.path().join("derived.damaged/note")).unwrap();
        assert_eq!(kept, text);
    }
    let folders = fs::read_dir(dir.0.path()).unwrap().count();
    assert_eq!(folders, 5, "LOCK, blocks, votes, derived, derived.damaged");
}

#[test]
fn always_checks_tables_that_were_closed() {
    let example = Example::new(Left::Closed);
    let options = StorageOptions { check: Check::Always, ..StorageOptions::default() };
    let opened = DiskStorage::open(example.dir.0.path(), &example.chain, options).unwrap();
    assert_eq!(opened.repairs, Vec::<String>::new());
    check(&*opened.storage, &example.commits);
}

/// One thing that happens to a store.
#[derive(Clone, Copy, Debug)]
enum Step {
    Block { n_payments: usize },
    Apply,
    Close,
    Kill,
    KillAndLoseTables,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..6usize).prop_map(|n_payments| Step::Block { n_payments }),
        2 => Just(Step::Apply),
        1 => Just(Step::Close),
        1 => Just(Step::Kill),
        1 => Just(Step::KillAndLoseTables),
    ];
    prop::collection::vec(step, 1..20)
}

fn set_of(storage: &dyn Storage) -> Vec<(OutPoint, Utxo)> {
    all(storage)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever happens in between, the store on disk shows what the one in memory shows.
    #[test]
    fn both_stores_agree_through_crashes(steps in steps()) {
        let chain = testkit::solo_chain_with_coins(6);
        let (disk, memory) = (Directory::new(), MemoryDisk::new(&chain));
        let mirror = MemoryStorage::open(&memory, &chain).unwrap().storage;
        let mut storage = disk.open(&chain).unwrap().storage;
        let mut commits = Vec::new();
        for step in steps {
            match step {
                Step::Block { n_payments } => {
                    let commit = Spender::new(&chain, &storage).persist(n_payments);
                    mirror.stage(Arc::clone(&commit));
                    mirror.persist(&[], std::slice::from_ref(&commit)).unwrap();
                    commits.push(commit);
                }
                Step::Apply => {
                    storage.apply().unwrap();
                    mirror.apply().unwrap();
                }
                Step::Close | Step::Kill | Step::KillAndLoseTables => {
                    if matches!(step, Step::Close) {
                        storage.close().unwrap();
                    }
                    drop(storage);
                    if matches!(step, Step::KillAndLoseTables) {
                        fs::remove_dir_all(disk.0.path().join("derived")).unwrap();
                    }
                    storage = disk.open(&chain).unwrap().storage;
                }
            }
            prop_assert_eq!(storage.state(), mirror.state());
            prop_assert_eq!(set_of(&*storage), set_of(&*mirror));
        }
        check(&*storage, &commits);
    }
}
