//! The vote log: what is lost makes an observer, until the epoch is over (PROTOCOL 6).

use super::*;
use crate::engine::output::Record;
use crate::types::chain::Height;

fn records_of(example: &Example) -> Vec<Record> {
    (1..=4).map(|height| testkit::vote_record(&example.chain, Height(height))).collect()
}

#[test]
fn records_are_given_back() {
    for left in [Left::Closed, Left::Killed] {
        let example = Example::new(left);
        let opened = example.open_whole(&example.copy());
        assert_eq!(opened.records, records_of(&example));
        assert_eq!(opened.must_observe, None);
    }
}

#[test]
fn torn_tail_is_cut_and_nothing_else_lost() {
    let example = Example::new(Left::Killed);
    let end = data_end(&segment(&example.dir, "votes")) - 26;
    for cut in end - 60..end {
        let dir = example.copy();
        let path = segment(&dir, "votes");
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(cut as u64).unwrap();
        let opened = example.open(&dir).unwrap();
        assert_eq!(opened.records, records_of(&example)[..3]);
        assert!(mentions(&opened.repairs, "unfinished vote record 4"), "{:?}", opened.repairs);
        check(&*opened.storage, &example.commits);
    }
}

#[test]
fn missing_log_makes_an_observer_until_the_epoch_is_over() {
    for left in [Left::Closed, Left::Killed] {
        let example = Example::new(left);
        let dir = example.copy();
        fs::remove_dir_all(dir.0.path().join("votes")).unwrap();
        for _ in 0..2 {
            let opened = example.open(&dir).unwrap();
            let reason = opened.must_observe.expect("votes of this epoch are missing");
            assert!(reason.contains("is missing"), "{reason}");
            assert!(opened.records.is_empty());
            check(&*opened.storage, &example.commits);
        }
        let opened = example.open(&dir).unwrap();
        let mut spender = Spender::new(&example.chain, &opened.storage);
        let epoch_blocks = example.chain.params().epoch_blocks;
        for height in 5..=epoch_blocks {
            assert_eq!(spender.persist(0).height(), Height(height));
        }
        drop((opened, spender));
        assert_eq!(example.open(&dir).unwrap().must_observe, None);
    }
}

#[test]
fn damaged_log_is_moved_aside_and_makes_an_observer() {
    for left in [Left::Closed, Left::Killed] {
        let example = Example::new(left);
        let end = data_end(&segment(&example.dir, "votes")) - 26;
        let mut numbers = Numbers(3);
        for _ in 0..30 {
            let dir = example.copy();
            let path = segment(&dir, "votes");
            // The format version in the header is refused before its checksum is looked at.
            let bit = 10 * 8 + numbers.next() % ((end as u64 - 10) * 8);
            flip_bit(&path, bit);
            let harmed = fs::read(&path).unwrap();
            for is_first in [true, false] {
                let opened = example.open(&dir).unwrap();
                check(&*opened.storage, &example.commits);
                let reason = opened.must_observe.expect("votes are missing");
                assert!(reason.contains("damaged"), "{reason}");
                assert_eq!(mentions(&opened.repairs, "began a new vote log"), is_first);
            }
            let aside = dir.0.path().join("votes.damaged-0/0000000000.log");
            assert_eq!(fs::read(aside).unwrap(), harmed);
        }
    }
}

/// A log that is whole in itself; what was noted elsewhere tells.
#[test]
fn log_from_an_earlier_day_makes_an_observer() {
    for left in [Left::Closed, Left::Killed] {
        let example = Example::new(left);
        let dir = example.copy();
        let opened = example.open(&dir).unwrap();
        let mut spender = Spender::new(&example.chain, &opened.storage);
        let commit = spender.stage(1);
        let record = testkit::vote_record(&example.chain, commit.height());
        opened.storage.persist(&[record], &[commit]).unwrap();
        opened.storage.apply().unwrap();
        drop((opened, spender));
        fs::remove_dir_all(dir.0.path().join("votes")).unwrap();
        copy_dir(&example.dir.0.path().join("votes"), &dir.0.path().join("votes"));
        for _ in 0..2 {
            let opened = example.open(&dir).unwrap();
            let reason = opened.must_observe.expect("votes are missing");
            assert!(reason.contains("ends before record 5, not 6"), "{reason}");
            assert_eq!(opened.records, records_of(&example));
        }
    }
}

#[test]
fn log_of_another_node_makes_an_observer() {
    let (example, other) = (Example::new(Left::Closed), Example::new(Left::Closed));
    let dir = example.copy();
    fs::remove_dir_all(dir.0.path().join("votes")).unwrap();
    copy_dir(&other.dir.0.path().join("votes"), &dir.0.path().join("votes"));
    for _ in 0..2 {
        let reason = example.open(&dir).unwrap().must_observe.expect("votes are missing");
        assert!(reason.contains("is another one"), "{reason}");
    }
}

/// Which log it is must be known after the segment that said so is dropped.
#[test]
fn retired_log_is_still_known() {
    let example = Example::new(Left::Closed);
    let dir = example.copy();
    for epoch in 1..4 {
        let opened = example.open(&dir).unwrap();
        assert_eq!(opened.must_observe, None);
        opened.storage.retire(crate::types::chain::Epoch(epoch)).unwrap();
        assert!(!segment(&dir, "votes").exists());
        opened.storage.persist(&[testkit::frozen_record(epoch)], &[]).unwrap();
        if epoch == 2 {
            opened.storage.close().unwrap();
        }
    }
    let opened = example.open(&dir).unwrap();
    assert_eq!(opened.must_observe, None);
    assert_eq!(opened.records, [testkit::frozen_record(3)]);
}

#[test]
fn log_of_another_chain_is_refused() {
    let example = Example::new(Left::Closed);
    let other = Directory::new();
    drop(other.open(&testkit::solo_chain()).unwrap());
    let dir = example.copy();
    fs::remove_dir_all(dir.0.path().join("votes")).unwrap();
    copy_dir(&other.0.path().join("votes"), &dir.0.path().join("votes"));
    let refused = example.open(&dir).err().expect("other votes");
    assert!(matches!(refused, StorageError::WrongChain { .. }), "{refused}");
}
