//! K17 and K18 with the real store: files that are cut short, and files that are older.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use timecoin_core::engine::input::Input;
use timecoin_core::engine::output::Output;
use timecoin_core::engine::{Engine, EngineConfig};
use timecoin_core::ledger::transaction::verify_transaction;
use timecoin_core::mempool::MempoolLimits;
use timecoin_core::params::{Genesis, REGTEST_MASTERNODE_SEED, REGTEST_WALLET_SEED};
use timecoin_core::storage::{DiskStorage, Opened, Storage, StorageOptions};
use timecoin_core::{Amount, Chain, KeyPair, Timestamp, Transaction, TxOutput, Txid};

/// One masternode on a real disk, driven by hand: every batch of outputs is flushed at once.
struct Solo {
    chain: Chain,
    dir: PathBuf,
    engine: Engine,
    storage: Arc<dyn Storage>,
    now: Timestamp,
    must_observe: Option<String>,
}

impl Solo {
    fn open(dir: &Path) -> Self {
        let chain = Chain::new(Genesis::regtest_solo()).expect("the genesis is valid");
        let Opened { storage, records, must_observe, .. } =
            DiskStorage::open(dir, &chain, StorageOptions::default()).expect("it can be opened");
        let engine = Engine::new(EngineConfig {
            chain: chain.clone(),
            keys: Some(KeyPair::from_seed(REGTEST_MASTERNODE_SEED)),
            mempool: MempoolLimits::default(),
            round_timeout: Duration::from_secs(2),
            state: (*storage.state()).clone(),
            records,
            must_observe: must_observe.is_some(),
        });
        let now = Timestamp(storage.state().tip.timestamp.0 + 1);
        let dir = dir.to_path_buf();
        let mut solo = Solo { chain, dir, engine, storage, now, must_observe };
        solo.settle(None);
        solo
    }

    fn settle(&mut self, input: Option<Input>) {
        if let Some(input) = input {
            self.engine.handle_input(input, self.now, &*self.storage).expect("it goes on");
            self.perform();
        }
        while self.engine.poll_timeout().is_some_and(|at| at <= self.now) {
            self.engine.handle_timeout(self.now, &*self.storage).expect("it goes on");
            self.perform();
        }
    }

    fn perform(&mut self) {
        let (mut records, mut blocks) = (Vec::new(), Vec::new());
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Persist(record) => records.push(*record),
                Output::Commit(commit) => {
                    self.storage.stage(Arc::clone(&commit));
                    blocks.push(commit);
                }
                _ => {}
            }
        }
        self.storage.persist(&records, &blocks).expect("there is room");
        self.storage.apply().expect("there is room");
    }

    /// Makes a payment of the wallet's only coin final, and gives its id.
    fn pay(&mut self) -> Txid {
        let wallet = KeyPair::from_seed(REGTEST_WALLET_SEED);
        let page = self.storage.utxos(Some(&wallet.address()), None, 1).expect("it can be read");
        let (coin, utxo) = page[0];
        let value = utxo.output.value.saturating_sub(Amount::from_units(10_000));
        let outputs = vec![TxOutput { value, address: wallet.address() }];
        let mut transaction = Transaction::transfer(&[(coin, wallet.public())], outputs);
        transaction.sign_all(self.chain.id(), &wallet);
        let verified = verify_transaction(Arc::new(transaction), &self.chain).expect("it is valid");
        let txid = verified.txid();
        self.settle(Some(Input::Submit { ticket: 1, transaction: verified }));
        assert!(self.engine.finality().is_final(&txid));
        txid
    }

    fn produce(&mut self) {
        self.now = Timestamp(self.now.0 + 2_000);
        self.settle(Some(Input::ProduceBlock));
    }
}

fn vote_log(dir: &Path) -> PathBuf {
    let segments = fs::read_dir(dir.join("votes")).expect("there is one");
    let mut paths: Vec<PathBuf> = segments.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    paths.into_iter().find(|path| path.extension().is_some_and(|e| e == "log")).expect("a segment")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("it can be made");
    for entry in fs::read_dir(from).expect("it is there") {
        let path = entry.expect("readable").path();
        let target = to.join(path.file_name().expect("it has a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).expect("there is room");
        }
    }
}

/// Where the last record of the log ends.
fn data_end(path: &Path) -> usize {
    let bytes = fs::read(path).expect("it can be read");
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

/// Jepsen cut the logs of Tendermint short, and acknowledged transactions were gone. Here a vote
/// log that lost what was flushed is either whole as far as it counts, with the payment final as
/// before, or the node knows that votes are missing and observes; it never votes as if it had not.
#[test]
fn k17_vote_log_cut_short() {
    let home = tempfile::tempdir().expect("there is room");
    let dir = home.path().join("whole");
    let mut solo = Solo::open(&dir);
    solo.pay();
    solo.produce();
    let payment = solo.pay();
    solo.storage.close().expect("it can be closed");
    drop(solo);
    let end = data_end(&vote_log(&dir));
    let (mut n_observers, mut n_whole) = (0, 0);
    for (nth, length) in (100..=end).rev().step_by(end / 24).enumerate() {
        let cut = home.path().join(format!("cut-{nth}"));
        copy(&dir, &cut);
        let log = fs::OpenOptions::new().write(true).open(vote_log(&cut)).expect("it is there");
        log.set_len(length as u64).expect("it can be cut");
        let again = Solo::open(&cut);
        if again.must_observe.is_some() {
            n_observers += 1;
            assert!(again.engine.own_index().is_none(), "cut to {length}");
        } else {
            n_whole += 1;
            assert!(again.engine.finality().is_final(&payment), "cut to {length}");
        }
    }
    assert!(n_observers > 10 && n_whole > 0, "{n_observers} observe, {n_whole} are whole");
}

/// Telcoin #934: an older copy of the vote log came back beside newer blocks. Here the store knows
/// how far the log was, so that the node observes.
#[test]
fn k18_older_vote_log_is_restored() {
    let home = tempfile::tempdir().expect("there is room");
    let dir = home.path().join("data");
    let mut solo = Solo::open(&dir);
    solo.pay();
    solo.produce();
    solo.storage.close().expect("it can be closed");
    drop(solo);
    let older = home.path().join("older");
    copy(&dir.join("votes"), &older);
    let mut solo = Solo::open(&dir);
    assert_eq!(solo.must_observe, None);
    solo.pay();
    solo.produce();
    let dir = solo.dir.clone();
    solo.storage.close().expect("it can be closed");
    drop(solo);
    fs::remove_dir_all(dir.join("votes")).expect("it is there");
    copy(&older, &dir.join("votes"));
    let again = Solo::open(&dir);
    assert!(again.must_observe.is_some());
    assert!(again.engine.own_index().is_none());
}
