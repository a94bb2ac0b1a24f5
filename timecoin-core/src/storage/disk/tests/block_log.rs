//! The block log, cut, altered and lost.

use super::*;
use crate::storage::log::LogDamage;

/// Where the record of the block at `height` begins.
fn offset_of(dir: &Directory, example: &Example, height: u64) -> usize {
    let (log, _) = blocks_log(dir, &example.chain);
    let reader = log.reader(&dir.0.path().join("blocks"));
    let mut found = reader.iter_from(crate::types::chain::Height(height)).unwrap();
    found.next().unwrap().unwrap().0.offset as usize
}

#[test]
fn log_cut_anywhere_in_its_last_block_gives_the_blocks_before() {
    let example = Example::new(Left::Killed);
    let start = offset_of(&example.copy(), &example, 4);
    let end = data_end(&segment(&example.dir, "blocks"));
    // Behind the last record stands a mark of 26 bytes.
    let end_of_record = end - 26;
    let every = std::env::var("SOAK").map_or(97, |_| 1);
    let cuts = (start..start + 30).chain((start + 30..end_of_record).step_by(every));
    for cut in cuts.chain([end_of_record - 1]) {
        let dir = example.copy();
        fs::remove_dir_all(dir.0.path().join("derived")).unwrap();
        let path = segment(&dir, "blocks");
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(cut as u64).unwrap();
        let opened = example.open(&dir).unwrap();
        check(&*opened.storage, &example.commits[..3]);
        assert_eq!(mentions(&opened.repairs, "unfinished block 4"), cut > start, "{cut}");
        assert_eq!(opened.must_observe, None);
    }
}

/// The tables prove that the block was once durable, so it was lost, not unfinished.
#[test]
fn log_that_is_behind_the_tables_makes_an_observer() {
    let example = Example::new(Left::Killed);
    let dir = example.copy();
    let cut = offset_of(&example.copy(), &example, 4) as u64 + 50;
    let path = segment(&dir, "blocks");
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(cut).unwrap();
    for _ in 0..2 {
        let opened = example.open(&dir).unwrap();
        check(&*opened.storage, &example.commits[..3]);
        let reason = opened.must_observe.expect("votes may be missing for block 4");
        assert!(reason.contains("at block 4, the log ends at 3"), "{reason}");
    }
}

#[test]
fn flipped_bit_in_the_log_is_named() {
    for left in [Left::Closed, Left::Killed] {
        let example = Example::new(left);
        let end = data_end(&segment(&example.dir, "blocks")) - 26;
        let mut numbers = Numbers(7);
        for _ in 0..40 {
            let dir = example.copy();
            let path = segment(&dir, "blocks");
            flip_bit(&path, numbers.next() % (end as u64 * 8));
            let refused = example.open(&dir).err().expect("a synced record is damaged");
            let text = refused.to_string();
            assert!(text.contains(path.to_str().unwrap()), "{text}");
            match refused {
                StorageError::Damaged(LogDamage { offset: 0, .. })
                | StorageError::UnsupportedFormat { .. } => {}
                StorageError::Damaged(LogDamage { sequence, .. }) => {
                    assert!(sequence.is_some_and(|height| (1..5).contains(&height)), "{text}");
                }
                other => panic!("{other}"),
            }
        }
    }
}

#[test]
fn missing_log_is_named() {
    for left in [Left::Closed, Left::Killed] {
        for lost in
            ["blocks", "blocks votes", "blocks CLOSED", "blocks derived", "blocks derived CLOSED"]
        {
            let example = Example::new(left);
            let dir = example.copy();
            for name in lost.split(' ') {
                let path = dir.0.path().join(name);
                if path.is_dir() {
                    fs::remove_dir_all(path).unwrap();
                } else {
                    let _ = fs::remove_file(path);
                }
            }
            for _ in 0..2 {
                let refused = example.open(&dir).err().expect("there were blocks");
                assert!(
                    matches!(refused, StorageError::BlockLogMissing { .. }),
                    "{lost}: {refused}"
                );
            }
        }
    }
}

/// A whole record with a block that the rules do not allow: not a torn tail, and not followed.
#[test]
fn block_that_does_not_follow_is_named() {
    let example = Example::new(Left::Killed);
    let dir = example.copy();
    fs::remove_dir_all(dir.0.path().join("blocks")).unwrap();
    fs::remove_dir_all(dir.0.path().join("derived")).unwrap();
    let (mut log, _) = blocks_log(&dir, &example.chain);
    let mut forged = (*example.commits[1]).clone();
    forged.certificate.seals.clear();
    log.append(&[Arc::clone(&example.commits[0]), Arc::new(forged)]).unwrap();
    drop(log);
    let refused = example.open(&dir).err().expect("block 2 has no quorum");
    let text = refused.to_string();
    assert!(matches!(refused, StorageError::BadRecord { sequence: 2, .. }), "{text}");
    assert!(text.contains("0 signers are no quorum of 1"), "{text}");
}

#[test]
fn crash_before_the_first_block_is_harmless() {
    let chain = testkit::solo_chain();
    let dir = Directory::new();
    drop(dir.open(&chain).unwrap());
    for kept in [&["votes"][..], &["votes", "blocks"], &["votes", "blocks", "derived"], &[]] {
        let copy = Directory::new();
        for name in kept {
            copy_dir(&dir.0.path().join(name), &copy.0.path().join(name));
        }
        let opened = copy.open(&chain).unwrap();
        check(&*opened.storage, &[]);
        assert_eq!((opened.must_observe, opened.repairs), (None, Vec::new()));
    }
}
