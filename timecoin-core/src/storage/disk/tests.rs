//! What a damaged or interrupted data directory becomes: the state that was promised, or an
//! error that says what is wrong (I13).

mod base;
mod block_log;
mod failures;
mod measure;
mod places;
mod tables;
mod vote_log;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::blocks::BlockLog;
use super::{Check, DiskStorage, StorageOptions};
use crate::engine::output::BlockCommit;
use crate::params::Chain;
use crate::storage::interface::Opened;
use crate::storage::log::{OpenReport, Scan};
use crate::storage::tests::{Directory, Place, Spender, check};
use crate::storage::{Storage, StorageError};
use crate::testkit;
use crate::types::chain::Height;

/// How a store was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Closed,
    Killed,
}

/// A data directory with a few blocks, to be copied, harmed and opened.
struct Example {
    chain: Chain,
    commits: Vec<Arc<BlockCommit>>,
    dir: Directory,
}

impl Example {
    fn new(left: Left) -> Self {
        let chain = testkit::solo_chain_with_coins(4);
        let dir = Directory::new();
        let storage = dir.open(&chain).unwrap().storage;
        let mut spender = Spender::new(&chain, &storage);
        let mut commits = Vec::new();
        for n_payments in [3, 0, 5, 1] {
            let commit = spender.stage(n_payments);
            let record = testkit::vote_record(&chain, commit.height());
            storage.persist(&[record], std::slice::from_ref(&commit)).unwrap();
            storage.apply().unwrap();
            commits.push(commit);
        }
        if left == Left::Closed {
            storage.close().unwrap();
        }
        Example { chain, commits, dir }
    }

    fn copy(&self) -> Directory {
        let copy = Directory::new();
        copy_dir(self.dir.0.path(), copy.0.path());
        copy
    }

    fn open(&self, dir: &Directory) -> Result<Opened, StorageError> {
        dir.open(&self.chain)
    }

    /// Opens and checks that all blocks are there, again after a close.
    fn open_whole(&self, dir: &Directory) -> Opened {
        let opened = self.open(dir).unwrap();
        check(&*opened.storage, &self.commits);
        opened.storage.close().unwrap();
        let again = self.open(dir).unwrap();
        assert_eq!(again.repairs, Vec::<String>::new());
        assert_eq!(again.must_observe, opened.must_observe);
        check(&*again.storage, &self.commits);
        opened
    }
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn flip_bit(path: &Path, bit: u64) {
    let mut bytes = fs::read(path).unwrap();
    let at = usize::try_from(bit / 8).unwrap() % bytes.len();
    bytes[at] ^= 1 << (bit % 8);
    fs::write(path, bytes).unwrap();
}

/// The one segment of a log of the example.
fn segment(dir: &Directory, log: &str) -> PathBuf {
    dir.0.path().join(log).join("0000000000.log")
}

fn blocks_log(dir: &Directory, chain: &Chain) -> (BlockLog, OpenReport) {
    BlockLog::open(&dir.0.path().join("blocks"), chain.id(), Height(1), false, Scan::All).unwrap()
}

/// Where the bytes of a log end and its zeros begin.
fn data_end(path: &Path) -> usize {
    let bytes = fs::read(path).unwrap();
    bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)
}

fn mentions(lines: &[String], text: &str) -> bool {
    lines.iter().any(|line| line.contains(text))
}

/// A small generator of numbers, so that a failure can be repeated from its seed.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
