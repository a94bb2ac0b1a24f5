//! Newcomers that begin with the unspent outputs of a network that goes on.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use timecoin_core::params::{Allocation, BlockProduction};
use timecoin_core::{
    Amount, Config, ErrorCode, Genesis, Height, KeyPair, Node, NodeError, Txid, Wallet,
};

use crate::attacks::stranger;
use crate::headers::registration;
use crate::testkit::*;

/// Four masternodes, and a fifth that joins at the end of the first epoch.
pub struct Town {
    pub genesis: Genesis,
    pub nodes: Vec<Node>,
}

impl Town {
    pub fn begin(n_coins: usize) -> Self {
        let genesis = town_genesis(n_coins);
        let mut nodes = Vec::new();
        for n in 0..5 {
            let mut config = config(&genesis, &keys(n));
            (config.masternode_key, config.node_key) = (Some(keys(n)), None);
            let node = Node::open(config).unwrap();
            node.start().unwrap();
            nodes.iter().for_each(|other| node.connect(&target(other)).unwrap());
            nodes.push(node);
        }
        let txid = nodes[0].submit_transaction(registration(&nodes[0], &keys(4))).unwrap();
        nodes[0].wait_confirmed(&txid, LONG).unwrap();
        let town = Town { genesis, nodes };
        wait_for("a fifth masternode", || town.founder().masternodes().len() == 5);
        town
    }

    pub fn founder(&self) -> &Node {
        &self.nodes[0]
    }

    /// A newcomer that knows these peers.
    pub fn newcomer(&self, n: usize, dir: &Path, peers: &[String]) -> Config {
        let mut config = config(&self.genesis, &stranger(n)).with_data_dir(dir);
        config.peers = peers.iter().map(|peer| peer.parse().unwrap()).collect();
        config
    }

    pub fn targets(&self) -> Vec<String> {
        self.nodes.iter().map(target).collect()
    }

    /// Whether a node has the balances of the founder.
    fn assert_same_money(&self, node: &Node) {
        let height = self.founder().tip().height;
        wait_for("the newcomer's blocks", || node.tip().height >= height);
        for keys in [owner(), bob()] {
            let address = keys.address();
            let balances = |node: &Node| node.balance(&address).unwrap().confirmed;
            assert_eq!(balances(node), balances(self.founder()));
        }
        // Every block that it took has a commitment to all unspent outputs.
        let ours = node.block(height).unwrap().unwrap();
        let theirs = self.founder().block(height).unwrap().unwrap();
        assert_eq!(ours.block, theirs.block);
    }
}

fn town_genesis(n_coins: usize) -> Genesis {
    let masternodes: Vec<_> = (0..4).map(|n| keys(n).public()).collect();
    let mut genesis = Genesis::regtest(&masternodes, &[owner().address()]).unwrap();
    let coin = Allocation { address: owner().address(), value: Amount::from_time(100) };
    genesis.allocations = vec![coin; n_coins];
    genesis.params.block_production = BlockProduction::Interval;
    genesis.params.block_interval_ms = 100;
    genesis.params.epoch_blocks = 20;
    genesis.params.masternode_collateral = one();
    genesis
}

/// Payments at a node until it is told to end.
struct Payer {
    ends: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Txid>>,
}

impl Payer {
    fn begin(node: &Node) -> Self {
        let (ends, wallet) = (Arc::new(AtomicBool::new(false)), Wallet::new(node, owner()));
        let (is_over, node) = (Arc::clone(&ends), node.clone());
        let pay = move || {
            let mut txids = Vec::new();
            while !is_over.load(Ordering::SeqCst) {
                let payment = wallet.pay(&bob().address(), one()).unwrap();
                node.wait_finalized(&payment.txid, LONG).unwrap();
                txids.push(payment.txid);
            }
            txids
        };
        Payer { ends, thread: std::thread::spawn(pay) }
    }

    fn end(self) -> Vec<Txid> {
        self.ends.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

fn code(error: &NodeError) -> ErrorCode {
    error.code()
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

#[test]
fn a_newcomer_begins_with_the_outputs_while_payments_go_on() {
    let town = Town::begin(64);
    let payer = Payer::begin(&town.nodes[1]);
    wait_for("blocks", || town.founder().tip().height.0 > 50);
    let (dir, other_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let config = town.newcomer(100, dir.path(), &town.targets());
    let mut n_told = 0;
    let based = Node::bootstrap(&config, LONG, |_| {
        n_told += 1;
        true
    });
    let based = based.unwrap();
    assert!(based.height.0 > 50 && based.n_outputs > 64 && based.bytes > 0 && n_told > 0);
    let decided = town.founder().block(based.height).unwrap().unwrap();
    assert_eq!(decided.block.hash(), based.hash);
    // It was never opened: the same again, of nobody.
    let again = Node::bootstrap(&config, LONG, |_| true).unwrap();
    assert_eq!((again.hash, again.n_outputs, again.bytes), (based.hash, based.n_outputs, 0));
    copy_dir(dir.path(), other_dir.path());

    let newcomer = Node::open(config.clone()).unwrap();
    assert_eq!(newcomer.tip().height, based.height);
    newcomer.start().unwrap();
    let locked = Node::bootstrap(&config, LONG, |_| true).unwrap_err();
    assert_eq!(code(&locked), ErrorCode::StorageLocked);
    let height = town.founder().tip().height;
    wait_for("the newcomer's blocks", || newcomer.tip().height >= height);
    let txids = payer.end();
    for txid in &txids {
        town.founder().wait_confirmed(txid, LONG).unwrap();
    }
    town.assert_same_money(&newcomer);
    for height in [Height(1), Height(20), based.height] {
        assert_eq!(newcomer.block(height).unwrap(), None);
    }
    assert!(newcomer.block(based.height.next()).unwrap().is_some());
    assert_eq!(newcomer.transaction(&txids[0]).unwrap(), None, "it was confirmed before");

    let payment = Wallet::new(&newcomer, owner()).pay(&bob().address(), one()).unwrap();
    newcomer.wait_confirmed(&payment.txid, LONG).unwrap();
    newcomer.close(LONG).unwrap();
    let exists = Node::bootstrap(&config, LONG, |_| true).unwrap_err();
    assert_eq!(code(&exists), ErrorCode::ChainExists);
    let newcomer = Node::open(config).unwrap();
    newcomer.start().unwrap();
    town.assert_same_money(&newcomer);

    // Its later blocks are enough for whoever begins where it did, and for nobody else.
    let peers = [target(&newcomer)];
    let second = Node::open(town.newcomer(101, other_dir.path(), &peers)).unwrap();
    second.start().unwrap();
    let height = newcomer.tip().height;
    wait_for("the second newcomer's blocks", || second.tip().height >= height);
    let from_genesis = Node::open(config_of(&town, 102)).unwrap();
    from_genesis.start().unwrap();
    from_genesis.connect(&target(&newcomer)).unwrap();
    let has_peer = || from_genesis.peers().iter().any(|peer| Some(peer.key) == newcomer.node_key());
    wait_for("a peer without its blocks", has_peer);
    from_genesis.connect(&target(town.founder())).unwrap();
    wait_for("blocks from the genesis", || from_genesis.tip().height >= height);
    wait_for("the same peer", has_peer);
}

fn config_of(town: &Town, n: usize) -> Config {
    config(&town.genesis, &stranger(n))
}

/// Interrupted, with a journal whose end is torn, and out of time: the next call goes on.
#[test]
fn what_came_is_kept_for_the_next_call() {
    let town = Town::begin(N_COINS);
    let dir = tempfile::tempdir().unwrap();
    let config = town.newcomer(100, dir.path(), &town.targets()[..1]);
    let stopped = Node::bootstrap(&config, LONG, |progress| progress.n_outputs < 25_000);
    assert_eq!(code(&stopped.unwrap_err()), ErrorCode::Interrupted);
    let journal = dir.path().join("bootstrap").join("0000000000.log");
    let bytes = fs::read(&journal).unwrap();
    let end = bytes.iter().rposition(|&byte| byte != 0).unwrap();
    let mut torn = bytes.clone();
    torn[end - 10..=end].fill(0);
    for bytes in [bytes, torn] {
        fs::write(&journal, bytes).unwrap();
        let late = Node::bootstrap(&config, Duration::ZERO, |_| true);
        assert_eq!(code(&late.unwrap_err()), ErrorCode::Timeout);
    }
    // Another peer goes on with it.
    let config = town.newcomer(100, dir.path(), &town.targets()[1..2]);
    let mut first = None;
    let based = Node::bootstrap(&config, LONG, |progress| {
        first.get_or_insert(progress.n_outputs);
        true
    });
    let based = based.unwrap();
    assert!(based.n_outputs > 60_000);
    assert!(based.bytes < 73 * based.n_outputs, "{} bytes are all of them", based.bytes);
    assert!(!dir.path().join("bootstrap").exists());
    let newcomer = Node::open(config).unwrap();
    newcomer.start().unwrap();
    town.assert_same_money(&newcomer);
}

/// A masternode that lost its disk may have voted: it observes until the epoch of its base is over,
/// also after it was closed and opened again, and then takes part.
#[test]
fn a_masternode_that_begins_with_the_outputs_observes_first() {
    let mut town = Town::begin(64);
    let lost = town.nodes.pop().unwrap();
    lost.close(LONG).unwrap();
    drop(lost);
    let dir = tempfile::tempdir().unwrap();
    let mut config = town.newcomer(100, dir.path(), &town.targets());
    (config.masternode_key, config.node_key) = (Some(keys(4)), None);
    let based = Node::bootstrap(&config, LONG, |_| true).unwrap();
    let epoch = town.genesis.params.epoch_of(based.height.next());
    for _ in 0..2 {
        let node = Node::open(config.clone()).unwrap();
        assert!(node.status().is_observer && node.status().epoch >= epoch);
        node.close(LONG).unwrap();
    }
    let node = Node::open(config).unwrap();
    node.start().unwrap();
    wait_for("the next epoch", || node.status().epoch > epoch);
    wait_for("its part", || node.status().is_active_masternode && !node.status().is_observer);
    let payment = Wallet::new(&node, owner()).pay(&bob().address(), one()).unwrap();
    node.wait_confirmed(&payment.txid, LONG).unwrap();
    town.assert_same_money(&node);
}

/// The child of the test below: a bootstrap that goes on until it is killed.
#[test]
#[ignore = "it is started by another test"]
fn the_bootstrap_that_is_killed() {
    let [dir, peer] = [DIR, PEER].map(|name| std::env::var(name).unwrap());
    let mut config = config(&town_genesis(N_COINS), &stranger(100)).with_data_dir(dir);
    config.peers = vec![peer.parse().unwrap()];
    Node::bootstrap(&config, LONG, |_| true).unwrap();
}

/// Killed again and again, at any moment from the first page to the base in its place.
#[test]
fn a_bootstrap_that_is_killed_goes_on() {
    let town = Town::begin(N_COINS);
    let dir = tempfile::tempdir().unwrap();
    let child = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["snapshot::the_bootstrap_that_is_killed", "--exact", "--ignored"])
            .env(DIR, dir.path())
            .env(PEER, target(town.founder()))
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    let mut n_killed = 0;
    loop {
        let mut child = child();
        std::thread::sleep(Duration::from_millis(60 + 45 * n_killed));
        // It may have come to its end.
        let _ = child.kill();
        if child.wait().unwrap().success() {
            break;
        }
        n_killed += 1;
        assert!(n_killed < 500, "it never comes to its end");
    }
    assert!(n_killed > 0);
    let config = town.newcomer(100, dir.path(), &town.targets());
    let based = Node::bootstrap(&config, LONG, |_| true).unwrap();
    assert_eq!((based.bytes, based.n_outputs > N_COINS as u64), (0, true));
    let newcomer = Node::open(config).unwrap();
    newcomer.start().unwrap();
    town.assert_same_money(&newcomer);
}

/// What a crash leaves at each step at which the base comes into its place.
#[test]
fn a_base_is_put_in_its_place_whole_or_not_at_all() {
    let town = Town::begin(N_COINS);
    let dir = tempfile::tempdir().unwrap();
    let config = town.newcomer(100, dir.path(), &town.targets());
    let stopped = Node::bootstrap(&config, LONG, |progress| progress.n_outputs < 25_000);
    assert_eq!(code(&stopped.unwrap_err()), ErrorCode::Interrupted);
    let before = tempfile::tempdir().unwrap();
    copy_dir(dir.path(), before.path());
    let based = Node::bootstrap(&config, LONG, |_| true).unwrap();
    let place = |name: &str| dir.path().join(name);
    // The base is there, and what it was made of too.
    copy_dir(&before.path().join("bootstrap"), &place("bootstrap"));
    let again = Node::bootstrap(&config, LONG, |_| true).unwrap();
    assert_eq!((again.hash, again.bytes), (based.hash, 0));
    assert!(!place("bootstrap").exists());
    // It was whole and not in its place; and it was not whole.
    for is_whole in [true, false] {
        fs::rename(place("base"), place("base.new")).unwrap();
        if !is_whole {
            fs::remove_file(place("base.new").join("state")).unwrap();
        }
        copy_dir(&before.path().join("bootstrap"), &place("bootstrap"));
        let again = Node::bootstrap(&config, LONG, |_| true).unwrap();
        assert!(again.bytes > 0 && again.height >= based.height);
        assert!(!place("base.new").exists() && !place("bootstrap").exists());
    }
    // A node that is opened goes on from what is there, and leaves nothing else.
    copy_dir(&before.path().join("bootstrap"), &place("bootstrap"));
    let newcomer = Node::open(config).unwrap();
    assert!(!place("bootstrap").exists());
    newcomer.start().unwrap();
    town.assert_same_money(&newcomer);
}

#[test]
fn a_bootstrap_without_directory_or_peers_says_so() {
    let genesis = genesis(1, BlockProduction::Interval);
    let keys = KeyPair::from_seed(b"nobody");
    let dir = tempfile::tempdir().unwrap();
    let refused = |config: &Config| {
        let error = Node::bootstrap(config, LONG, |_| true).unwrap_err();
        assert_eq!(code(&error), ErrorCode::InvalidArgument);
        error.to_string()
    };
    assert!(refused(&config(&genesis, &keys)).starts_with("data_dir"));
    assert!(refused(&config(&genesis, &keys).with_data_dir(dir.path())).starts_with("peers"));
}

/// So many that they come in several pages.
const N_COINS: usize = 60_000;
const DIR: &str = "TIMECOIN_TEST_BOOTSTRAP_DIR";
const PEER: &str = "TIMECOIN_TEST_BOOTSTRAP_PEER";
