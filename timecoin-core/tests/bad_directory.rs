//! Data directories that can't be, under whole nodes: each is repaired with an event that says
//! so, or refused with an error of its own. What was confirmed is never lost.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use timecoin_core::{
    Amount, Config, ErrorCode, Genesis, Height, KeyPair, Node, NodeEventKind, Wallet,
};

const LONG: Duration = Duration::from_secs(60);

/// A directory with three blocks, left in order or as by a crash.
struct Example {
    dir: tempfile::TempDir,
    paid: Amount,
}

fn config(dir: &Path) -> Config {
    let mut config = Config::regtest().with_data_dir(dir);
    config.genesis.params.block_production = timecoin_core::params::BlockProduction::OnDemand;
    config
}

fn bob() -> timecoin_core::Address {
    KeyPair::from_seed(b"bob").address()
}

impl Example {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let node = Node::open(config(dir.path())).unwrap();
        node.start().unwrap();
        let wallet = Wallet::new(&node, Config::regtest_wallet());
        for _ in 0..3 {
            let payment = wallet.pay(&bob(), Amount::from_time(2)).unwrap();
            node.wait_finalized(&payment.txid, LONG).unwrap();
            node.produce_block(LONG).unwrap();
        }
        node.close(LONG).unwrap();
        Example { dir, paid: Amount::from_time(6) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn segment(&self, log: &str) -> PathBuf {
        self.path(log).join("0000000000.log")
    }

    fn refusal(&self) -> (ErrorCode, String) {
        let error = Node::open(config(self.dir.path())).unwrap_err();
        (error.code(), error.to_string())
    }

    /// Opens, pays once more, and gives what was repaired and whether the node observes.
    fn repaired(&self, height: u64, paid: Amount) -> (Vec<String>, bool) {
        let node = Node::open(config(self.dir.path())).unwrap();
        let events = node.subscribe();
        let kinds: Vec<NodeEventKind> =
            std::iter::from_fn(|| events.try_next()).map(|event| event.kind).collect();
        let texts = kinds.iter().filter_map(|kind| match kind {
            NodeEventKind::Repaired { what } => Some(what.to_string()),
            _ => None,
        });
        let is_observing = kinds.iter().any(|kind| matches!(kind, NodeEventKind::Observing { .. }));
        assert_eq!(node.tip().height, Height(height));
        assert_eq!(node.balance(&bob()).unwrap().confirmed, paid);
        assert_eq!(node.block(height).unwrap().unwrap().block.hash(), node.tip().hash);
        let texts = texts.collect();
        node.close(LONG).unwrap();
        (texts, is_observing)
    }
}

fn cut(path: &Path, bytes: u64) {
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(bytes).unwrap();
}

fn data_end(path: &Path) -> usize {
    fs::read(path).unwrap().iter().rposition(|&byte| byte != 0).unwrap() + 1
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn the_directory_of_another_chain_is_refused() {
    let example = Example::new();
    let mut other = config(example.dir.path());
    let key = other.masternode_key.as_ref().unwrap().public();
    other.genesis = Genesis::regtest(&[key], &[bob()]).unwrap();
    let error = Node::open(other).unwrap_err();
    assert_eq!(error.code(), ErrorCode::StorageWrongChain);
    assert_eq!(example.repaired(3, example.paid), (Vec::new(), false));
}

#[test]
fn a_block_log_cut_short_loses_its_last_block_and_says_so() {
    let example = Example::new();
    let log = example.segment("blocks");
    cut(&log, data_end(&log) as u64 - 60);
    let (texts, is_observing) = example.repaired(2, Amount::from_time(4));
    assert!(texts.iter().any(|text| text.contains("unfinished block 3")), "{texts:?}");
    assert!(is_observing, "votes after the lost block may be lost");
}

#[test]
fn a_bit_flipped_in_the_block_log_is_named() {
    let example = Example::new();
    flip(&example.segment("blocks"), 200);
    let (code, text) = example.refusal();
    assert_eq!(code, ErrorCode::StorageDamaged);
    assert!(text.contains("0000000000.log"), "{text}");
    flip(&example.segment("blocks"), 200);
    assert_eq!(example.repaired(3, example.paid), (Vec::new(), false));
}

#[test]
fn a_missing_block_log_is_named() {
    let example = Example::new();
    fs::remove_dir_all(example.path("blocks")).unwrap();
    assert_eq!(example.refusal().0, ErrorCode::StorageLogMissing);
}

#[test]
fn a_vote_log_that_is_missing_or_damaged_makes_an_observer() {
    let example = Example::new();
    fs::remove_dir_all(example.path("votes")).unwrap();
    assert!(example.repaired(3, example.paid).1);
    let example = Example::new();
    flip(&example.segment("votes"), 100);
    let (texts, is_observing) = example.repaired(3, example.paid);
    assert!(texts.iter().any(|text| text.contains("new vote log")), "{texts:?}");
    assert!(is_observing);
}

#[test]
fn tables_that_are_missing_or_damaged_are_rebuilt() {
    type Harm = fn(&Example);
    let harms: [(&str, Harm); 4] = [
        ("missing", |e| fs::remove_dir_all(e.path("derived")).unwrap()),
        ("damaged", |e| flip(&e.path("derived/db"), 5_000)),
        ("cut", |e| cut(&e.path("derived/db"), 3_000)),
        ("emptied", |e| cut(&e.path("derived/conf"), 0)),
    ];
    for (desc, harm) in harms {
        let example = Example::new();
        harm(&example);
        let (texts, is_observing) = example.repaired(3, example.paid);
        assert!(texts.iter().any(|text| text.contains("rebuilt")), "{desc}: {texts:?}");
        assert!(!is_observing, "{desc}");
        assert_eq!(example.repaired(3, example.paid), (Vec::new(), false), "{desc}");
    }
}

#[test]
fn a_file_in_place_of_the_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "").unwrap();
    let error = Node::open(config(&path)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::StorageIo);
    assert!(error.to_string().contains("file"), "{error}");
}

/// A small file system that is taken down in the end; none where that is not allowed.
struct Mount(tempfile::TempDir);

impl Mount {
    fn new(options: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        let mount = mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(dir.path());
        let is_mounted = mount.output().is_ok_and(|output| output.status.success());
        if !is_mounted {
            eprintln!("skipped: no file system can be mounted here");
            return None;
        }
        Some(Mount(dir))
    }

    fn run(&self, command: &str, args: &[&str]) {
        let ran = Command::new(command).args(args).arg(self.0.path()).output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

#[test]
fn a_full_disk_poisons_and_a_larger_one_goes_on() {
    let Some(mount) = Mount::new("size=5m") else { return };
    let dir = mount.0.path().join("node");
    let node = Node::open(config(&dir)).unwrap();
    node.start().unwrap();
    let wallet = Wallet::new(&node, Config::regtest_wallet());
    let mut confirmed = 0;
    let error = loop {
        let pay = || {
            let payment = wallet.pay(&bob(), Amount::from_time(1))?;
            node.wait_finalized(&payment.txid, LONG)?;
            if confirmed == 0 {
                // As much as there is room for, which is nearly all.
                let _ = fs::write(mount.0.path().join("filler"), vec![1; 4 << 20]);
            }
            node.produce_block(LONG)?;
            node.wait_confirmed(&payment.txid, LONG)
        };
        match pay() {
            Ok(_) => confirmed += 1,
            Err(error) => break error,
        }
        assert!(confirmed < 100_000, "the disk does not fill");
    };
    assert_eq!(error.code(), ErrorCode::Poisoned);
    let reason = node.status().poison_reason.unwrap();
    assert!(reason.contains("No space left"), "{reason}");
    assert_eq!(wallet.pay(&bob(), Amount::from_time(1)).unwrap_err().code(), ErrorCode::Poisoned);
    let (tip, balance) = (node.tip(), node.balance(&bob()).unwrap().confirmed);
    assert!(balance >= Amount::from_time(confirmed));
    node.close(LONG).unwrap();
    drop((node, wallet));
    fs::remove_file(mount.0.path().join("filler")).unwrap();
    mount.run("mount", &["-o", "remount,size=64m"]);
    let node = Node::open(config(&dir)).unwrap();
    assert!(node.tip().height >= tip.height);
    assert!(node.balance(&bob()).unwrap().confirmed >= balance);
    node.start().unwrap();
    let wallet = Wallet::new(&node, Config::regtest_wallet());
    let payment = wallet.pay(&bob(), Amount::from_time(1)).unwrap();
    node.wait_finalized(&payment.txid, LONG).unwrap();
    node.close(LONG).unwrap();
}

#[test]
fn a_read_only_file_system_is_named() {
    let Some(mount) = Mount::new("size=16m") else { return };
    Node::open(config(mount.0.path())).unwrap().close(LONG).unwrap();
    mount.run("mount", &["-o", "remount,ro"]);
    let error = Node::open(config(mount.0.path())).unwrap_err();
    assert_eq!(error.code(), ErrorCode::StorageReadOnly, "{error}");
}
