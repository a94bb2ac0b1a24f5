//! kill -9 of a node under load, again and again: what it told anyone is there when its
//! directory is opened again, and its chain holds for an outsider.
//!
//! `KILLS` says how often; `make soak` does it 500 times.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use timecoin_core::ledger::block::{check_block, verify_block};
use timecoin_core::ledger::commitment::UtxoSetHash;
use timecoin_core::ledger::state::{LedgerState, genesis_utxos, utxo_element};
use timecoin_core::ledger::view::{Lookup, Utxo, UtxoView, ViewError};
use timecoin_core::params::Allocation;
use timecoin_core::storage::{Check, DiskStorage, StorageOptions};
use timecoin_core::{
    Amount, BlockHash, Chain, Config, Decided, Genesis, Height, KeyPair, Node, NodeEventKind,
    OutPoint, Subscription, Txid, Wallet,
};

#[test]
fn a_killed_node_keeps_what_it_told() {
    let n_kills = number("KILLS").unwrap_or(5);
    let mut random = Random::new();
    let mut told = Told::default();
    let mut n_left = n_kills;
    while n_left > 0 {
        let n_here = n_left.min(KILLS_PER_DIRECTORY);
        told.add(&kill_again_and_again(n_here, &mut random));
        n_left -= n_here;
    }
    println!(
        "{n_kills} kills: {} payments and {} blocks were told of, all are there",
        told.finals.len(),
        told.n_blocks
    );
    assert!(told.finals.len() as u64 >= n_kills, "the node was not under load");
}

/// One directory, opened after each kill by a checker in a copy, and by the next to be killed
/// as it was left.
fn kill_again_and_again(n_kills: u64, random: &mut Random) -> Told {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let dir = folder.path().join("node");
    let mut all = Told::default();
    let mut outsider = Outsider::new();
    for _ in 0..n_kills {
        let delay =
            Duration::from_micros(random.below(u64::try_from(LIFE_MAX.as_micros()).unwrap()));
        let told = live_and_die(&dir, delay);
        assert_eq!(told.bad, Vec::<String>::new(), "after {delay:?}");
        all.add(&told);
        if !dir.exists() {
            continue;
        }
        let copy = folder.path().join("copy");
        copy_all(&dir, &copy);
        check_files(&copy, &mut outsider, &all);
        check_node(&copy, &outsider, &all);
        fs::remove_dir_all(&copy).unwrap();
    }
    all
}

/// Runs a node on `dir` and kills it after `delay`; gives what it had told by then.
fn live_and_die(dir: &Path, delay: Duration) -> Told {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["the_node_that_is_killed", "--exact", "--ignored", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let reading = thread::spawn(move || {
        let mut told = Told::default();
        // A line that death cut off was not told, and the last one may be such.
        let mut lines = stdout.split(b'\n').map_while(Result::ok).peekable();
        while let Some(line) = lines.next() {
            if lines.peek().is_some() {
                told.hear(&String::from_utf8_lossy(&line));
            }
        }
        told
    });
    thread::sleep(delay);
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert!(!status.success() && status.code().is_none(), "it ended before it was killed");
    reading.join().unwrap()
}

/// The store by itself: opened with every check, its set of outputs hashed anew, and each new
/// block validated by an outsider.
fn check_files(dir: &Path, outsider: &mut Outsider, told: &Told) {
    let options = StorageOptions { check: Check::Always, ..StorageOptions::default() };
    let opened = DiskStorage::open(dir, &chain(), options).unwrap();
    assert_eq!(opened.must_observe, None);
    let store = opened.storage;
    let state = store.state();
    while outsider.state.tip.height < state.tip.height {
        let height = outsider.state.next_height();
        outsider.connect(store.block(height).unwrap().expect("heights have no gaps"));
    }
    assert_eq!(outsider.state, *state, "the state after {}", state.tip.height);
    let mut set = UtxoSetHash::new();
    let (mut after, mut n_utxos) = (None, 0);
    loop {
        let page = store.utxos(None, after.as_ref(), 1_000).unwrap();
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        n_utxos += page.len();
        page.iter().for_each(|(outpoint, utxo)| set.insert(&utxo_element(outpoint, utxo)));
    }
    assert_eq!(n_utxos, outsider.utxos.len());
    assert_eq!(set.commitment(), state.utxo_set.commitment());
    let issued: Amount = outsider.utxos.values().map(|utxo| utxo.output.value).sum();
    assert_eq!(issued, state.issued);
    for (height, hash) in &told.blocks {
        assert_eq!(outsider.hashes.get(height), Some(hash), "block {height}");
    }
    store.close().unwrap();
}

/// A node on the same files: every payment that was told of as final is final or in a block,
/// nothing is refused to be signed, and it goes on.
fn check_node(dir: &Path, outsider: &Outsider, told: &Told) {
    let node = Node::open(config(dir)).unwrap();
    let events = node.subscribe();
    node.start().unwrap();
    for txid in told.finals.keys().filter(|txid| !outsider.confirmed.contains_key(txid)) {
        let status = node.wait_finalized(txid, PATIENCE);
        assert!(status.is_ok(), "{txid} was told of as final: {status:?}");
    }
    let wallet = Wallet::new(&node, keys(0));
    let payment = wallet.pay(&keys(1).address(), Amount::from_units(1_000)).unwrap();
    node.wait_confirmed(&payment.txid, PATIENCE).unwrap();
    assert_eq!(bad_events(&events), Vec::<String>::new());
    drop(wallet);
    node.close(PATIENCE).unwrap();
}

/// What a node said before it died.
#[derive(Default)]
struct Told {
    finals: HashMap<Txid, ()>,
    blocks: BTreeMap<Height, BlockHash>,
    n_blocks: usize,
    bad: Vec<String>,
}

impl Told {
    fn hear(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["final", txid] => {
                self.finals.insert(txid.parse().unwrap(), ());
            }
            ["block", height, hash] => {
                self.blocks.insert(Height(height.parse().unwrap()), hash.parse().unwrap());
                self.n_blocks += 1;
            }
            ["bad", ..] => self.bad.push(line.to_owned()),
            _ => {}
        }
    }

    fn add(&mut self, other: &Told) {
        self.finals.extend(other.finals.iter());
        self.blocks.extend(&other.blocks);
        self.n_blocks += other.n_blocks;
    }
}

/// Somebody who has the genesis and the blocks, and believes nothing else.
struct Outsider {
    chain: Chain,
    state: LedgerState,
    utxos: HashMap<OutPoint, Utxo>,
    confirmed: HashMap<Txid, Height>,
    hashes: BTreeMap<Height, BlockHash>,
}

impl Outsider {
    fn new() -> Self {
        let chain = chain();
        Outsider {
            state: LedgerState::genesis(&chain),
            utxos: genesis_utxos(&chain).collect(),
            confirmed: HashMap::new(),
            hashes: BTreeMap::new(),
            chain,
        }
    }

    /// Validates everything about the next block, signatures included.
    fn connect(&mut self, decided: Decided) {
        let Decided { block, certificate } = decided;
        let verified = verify_block(block, &self.chain, &|_| None).unwrap();
        assert_eq!(certificate.block, verified.hash());
        certificate.verify(self.chain.id(), &self.state.masternodes).unwrap();
        let connected = check_block(&self.chain, &self.state, self, &verified).unwrap();
        let connected = connected.decide(certificate);
        for (outpoint, _) in &connected.delta.spent {
            self.utxos.remove(outpoint).expect("what is spent was there");
        }
        self.utxos.extend(connected.delta.created.iter().copied());
        let height = verified.height();
        let txids = verified.block().transactions.iter().map(|transaction| transaction.txid());
        self.confirmed.extend(txids.map(|txid| (txid, height)));
        self.hashes.insert(height, verified.hash());
        self.state = connected.state;
    }
}

impl UtxoView for Outsider {
    fn lookup(&self, outpoint: &OutPoint) -> Result<Lookup, ViewError> {
        let is_made = self.confirmed.contains_key(&outpoint.txid);
        let absent = if is_made { Lookup::Spent } else { Lookup::Unknown };
        Ok(self.utxos.get(outpoint).map_or(absent, |utxo| Lookup::Unspent(*utxo)))
    }

    fn confirmed_at(&self, txid: &Txid) -> Result<Option<Height>, ViewError> {
        Ok(self.confirmed.get(txid).copied())
    }
}

/// Not a test: what [`live_and_die`] starts in a process of its own.
#[test]
#[ignore = "the process that the other test kills"]
fn the_node_that_is_killed() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let began = Instant::now();
    let node = Node::open(config(Path::new(&dir))).unwrap();
    let events = node.subscribe();
    node.start().unwrap();
    tell(""); // ends the line on which the test harness announces this test
    for payer in 0..N_PAYERS {
        let node = node.clone();
        thread::spawn(move || pay_forever(&node, payer));
    }
    while began.elapsed() < PATIENCE {
        let Ok(event) = events.next_event(Duration::from_secs(1)) else { continue };
        match event.kind {
            NodeEventKind::BlockConfirmed { height, hash, .. } => {
                tell(&format!("block {height} {hash}"));
            }
            kind => bad_event(&kind).iter().for_each(|bad| tell(&format!("bad {bad}"))),
        }
    }
}

fn pay_forever(node: &Node, payer: u64) {
    let wallet = Wallet::new(node, keys(payer));
    let to = keys(payer + 1).address();
    loop {
        // A coin may still be taken by a payment of an earlier life.
        let Ok(payment) = wallet.pay(&to, Amount::from_units(1_000)) else { continue };
        if node.wait_finalized(&payment.txid, PATIENCE).is_ok() {
            tell(&format!("final {}", payment.txid));
        }
    }
}

/// One line in one write; whoever listened may be gone.
fn tell(line: &str) {
    let told = std::io::stdout().write_all(format!("{line}\n").as_bytes());
    if told.is_err() {
        std::process::exit(1);
    }
}

fn bad_events(events: &Subscription) -> Vec<String> {
    std::iter::from_fn(|| events.try_next()).filter_map(|event| bad_event(&event.kind)).collect()
}

/// What a masternode that only crashes never tells of.
fn bad_event(kind: &NodeEventKind) -> Option<String> {
    let is_bad = matches!(
        kind,
        NodeEventKind::SignatureRefused { .. }
            | NodeEventKind::SafetyViolation { .. }
            | NodeEventKind::EvidenceFound { .. }
            | NodeEventKind::Observing { .. }
            | NodeEventKind::Poisoned { .. }
    );
    is_bad.then(|| format!("{kind:?}"))
}

/// Coins for each payer; blocks and epochs that come often.
fn chain() -> Chain {
    let mut genesis = Genesis::regtest_solo();
    let value = Amount::from_time(10_000);
    let allocation = |payer| Allocation { address: keys(payer).address(), value };
    genesis.allocations = (0..N_PAYERS).map(allocation).collect();
    genesis.params.block_interval_ms = 30;
    genesis.params.epoch_blocks = 10;
    Chain::new(genesis).unwrap()
}

fn config(dir: &Path) -> Config {
    let genesis = chain().genesis().clone();
    let masternode_key = Config::regtest().masternode_key;
    Config { masternode_key, ..Config::new(genesis) }.with_data_dir(dir)
}

fn keys(payer: u64) -> KeyPair {
    KeyPair::from_seed(format!("payer {payer}").as_bytes())
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_all(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Moments at which to kill, others in each run.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Random(u64::from(now.subsec_nanos()) | 1)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Names the directory of the process that is killed.
const DIR: &str = "TIMECOIN_KILL_DIR";

const N_PAYERS: u64 = 4;

/// So that chains get long enough to matter, and a soak does not validate one for ever.
const KILLS_PER_DIRECTORY: u64 = 10;

/// Long enough for some kills to come in the middle of a second epoch, others while it opens.
const LIFE_MAX: Duration = Duration::from_millis(1_000);

const PATIENCE: Duration = Duration::from_secs(60);
