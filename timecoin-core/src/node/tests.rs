//! What a host can't bring about through the front door: stores that fail, code that panics,
//! several masternodes in one process.

mod tables;
mod violation;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use super::driver::Request;
use super::peers::{NoPeers, Peers};
use super::*;
use crate::engine::output::{BlockCommit, Record, To, TransactionStatus};
use crate::engine::verify::MessageError;
use crate::ledger::state::LedgerState;
use crate::ledger::view::{Lookup, OutputPage, Utxo, UtxoView, ViewError};
use crate::params::{BlockProduction, Chain, Genesis};
use crate::storage::interface::{Opened, Storage, Watcher};
use crate::storage::{MemoryDisk, MemoryStorage, StorageError};
use crate::types::address::Address;
use crate::types::amount::Amount;
use crate::types::certificate::CommitCertificate;
use crate::types::chain::{Epoch, Height};
use crate::types::hash::{BlockHash, Txid};
use crate::types::keys::{KeyPair, PublicKey};
use crate::types::masternode_set::MasternodeSet;
use crate::types::message::{Decided, Message};
use crate::types::transaction::{OutPoint, Transaction};

const LONG: Duration = Duration::from_secs(60);

/// A store in memory that breaks when it is told to.
struct Breaking {
    inner: Arc<dyn Storage>,
    breaks_persist: AtomicBool,
    breaks_apply: AtomicBool,
    panics: AtomicBool,
    n_persists: AtomicUsize,
    /// While somebody holds it a write does not end.
    holds_persist: Mutex<()>,
}

impl Breaking {
    fn check(&self, breaks: &AtomicBool) -> Result<(), StorageError> {
        assert!(!self.panics.load(Ordering::SeqCst), "the store has a bug");
        match breaks.load(Ordering::SeqCst) {
            true => Err(StorageError::Failed { dir: "log".into(), cause: "disk full".into() }),
            false => Ok(()),
        }
    }
}

impl UtxoView for Breaking {
    fn lookup(&self, outpoint: &OutPoint) -> Result<Lookup, ViewError> {
        self.inner.lookup(outpoint)
    }

    fn confirmed_at(&self, txid: &Txid) -> Result<Option<Height>, ViewError> {
        self.inner.confirmed_at(txid)
    }

    fn certificate_at(&self, height: Height) -> Result<Option<CommitCertificate>, ViewError> {
        self.inner.certificate_at(height)
    }
}

impl Storage for Breaking {
    fn stage(&self, block: Arc<BlockCommit>) {
        self.inner.stage(block);
    }

    fn persist(&self, records: &[Record], blocks: &[Arc<BlockCommit>]) -> Result<(), StorageError> {
        self.check(&self.breaks_persist)?;
        self.n_persists.fetch_add(1, Ordering::SeqCst);
        drop(self.holds_persist.lock().unwrap());
        self.inner.persist(records, blocks)
    }

    fn apply(&self) -> Result<usize, StorageError> {
        self.check(&self.breaks_apply)?;
        self.inner.apply()
    }

    fn lag(&self) -> usize {
        self.inner.lag()
    }

    fn lag_transactions(&self) -> usize {
        self.inner.lag_transactions()
    }

    fn retire(&self, epoch: Epoch) -> Result<(), StorageError> {
        self.inner.retire(epoch)
    }

    fn state(&self) -> Arc<LedgerState> {
        self.inner.state()
    }

    fn block(&self, height: Height) -> Result<Option<Decided>, StorageError> {
        self.inner.block(height)
    }

    fn next_set(&self, height: Height) -> Result<Option<MasternodeSet>, StorageError> {
        self.inner.next_set(height)
    }

    fn height_of(&self, hash: &BlockHash) -> Result<Option<Height>, StorageError> {
        self.inner.height_of(hash)
    }

    fn transaction(&self, txid: &Txid) -> Result<Option<(Height, Arc<Transaction>)>, StorageError> {
        self.inner.transaction(txid)
    }

    fn utxo(&self, outpoint: &OutPoint) -> Result<Lookup, StorageError> {
        self.inner.utxo(outpoint)
    }

    fn utxos(
        &self,
        address: Option<&Address>,
        after: Option<&OutPoint>,
        limit: usize,
    ) -> Result<Vec<(OutPoint, Utxo)>, StorageError> {
        self.inner.utxos(address, after, limit)
    }

    fn outputs(&self, after: Option<&OutPoint>, limit: usize) -> Result<OutputPage, StorageError> {
        self.inner.outputs(after, limit)
    }

    fn first_block(&self) -> Height {
        self.inner.first_block()
    }

    fn watch(&self, watcher: Watcher) {
        self.inner.watch(watcher);
    }

    fn close(&self) -> Result<(), StorageError> {
        self.inner.close()
    }

    fn abandon(&self) {
        self.inner.abandon();
    }
}

/// A running node over a store that can break; `behind` has it written to as a disk is.
fn breakable(behind: bool) -> (Node, Wallet, Arc<Breaking>) {
    breakable_that_makes_blocks(BlockProduction::Interval, behind)
}

fn breakable_that_makes_blocks(
    block_production: BlockProduction,
    behind: bool,
) -> (Node, Wallet, Arc<Breaking>) {
    let mut genesis = crate::testkit::solo_chain_with_coins(50).genesis().clone();
    genesis.params.block_production = block_production;
    let config = Config { data_dir: behind.then(|| "/nowhere".into()), ..Config::new(genesis) };
    let config = Config { masternode_key: Config::regtest().masternode_key, ..config };
    let chain = Chain::new(config.genesis.clone()).unwrap();
    let opened = MemoryStorage::open(&MemoryDisk::new(&chain), &chain).unwrap();
    let breaking = Arc::new(Breaking {
        inner: opened.storage,
        breaks_persist: AtomicBool::new(false),
        breaks_apply: AtomicBool::new(false),
        panics: AtomicBool::new(false),
        n_persists: AtomicUsize::new(0),
        holds_persist: Mutex::new(()),
    });
    let storage: Arc<dyn Storage> = breaking.clone();
    let opened = Opened { storage, ..opened };
    let node = Node::open_on(config, chain, opened, Outside::of(Arc::new(NoPeers))).unwrap();
    node.start().unwrap();
    let wallet = Wallet::new(&node, Config::regtest_wallet());
    (node, wallet, breaking)
}

fn bob() -> Address {
    KeyPair::from_seed(b"bob").address()
}

/// Reads answer, writes refuse with the reason, closing works.
fn assert_poisoned(node: &Node, wallet: &Wallet, reason: &str) {
    let deadline = std::time::Instant::now() + LONG;
    while node.state() != NodeState::Poisoned && std::time::Instant::now() < deadline {
        thread::sleep(Duration::from_millis(1));
    }
    let error = wallet.pay(&bob(), Amount::from_time(1)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Poisoned);
    assert!(error.to_string().contains(reason), "{error}");
    let unknown = Txid::from_bytes([7; 32]);
    let error = node.wait_finalized(&unknown, LONG).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Poisoned);
    assert_eq!(node.finality_proof(&unknown).unwrap_err().code(), ErrorCode::Poisoned);
    assert!(wallet.balance().unwrap().confirmed > Amount::ZERO);
    let status = node.status();
    assert_eq!(status.state, NodeState::Poisoned);
    assert!(status.poison_reason.unwrap().contains(reason));
    node.close(LONG).unwrap();
    assert_eq!(node.state(), NodeState::Closed);
}

#[test]
fn a_failed_write_poisons_and_nothing_behind_it_happens() {
    for behind in [false, true] {
        let (node, wallet, breaking) = breakable(behind);
        let events = node.subscribe();
        let payment = wallet.pay(&bob(), Amount::from_time(1)).unwrap();
        node.wait_finalized(&payment.txid, LONG).unwrap();
        breaking.breaks_persist.store(true, Ordering::SeqCst);
        let lost = wallet.pay(&bob(), Amount::from_time(2));
        if let Ok(payment) = &lost {
            let error = node.wait_finalized(&payment.txid, LONG).unwrap_err();
            assert_eq!(error.code(), ErrorCode::Poisoned);
        }
        assert_poisoned(&node, &wallet, "disk full");
        let kinds: Vec<_> =
            std::iter::from_fn(|| events.try_next()).map(|event| event.kind.name()).collect();
        assert!(kinds.ends_with(&["poisoned", "closed"]), "{kinds:?}");
    }
}

#[test]
fn tables_that_fail_poison_too() {
    for behind in [false, true] {
        let (node, wallet, breaking) = breakable(behind);
        breaking.breaks_apply.store(true, Ordering::SeqCst);
        let _ = node.produce_block(LONG);
        assert_poisoned(&node, &wallet, "disk full");
    }
}

#[test]
fn a_panic_in_the_store_is_contained() {
    for behind in [false, true] {
        let (node, wallet, breaking) = breakable(behind);
        breaking.panics.store(true, Ordering::SeqCst);
        let _ = wallet.pay(&bob(), Amount::from_time(1));
        assert_poisoned(&node, &wallet, "the store has a bug");
    }
}

#[test]
fn a_panic_in_the_engine_is_contained() {
    let (node, wallet, _) = breakable(true);
    let other = node.clone();
    let unknown = Txid::from_bytes([7; 32]);
    let waiting = thread::spawn(move || other.wait_finalized(&unknown, LONG).unwrap_err().code());
    thread::sleep(Duration::from_millis(20));
    node.shared().inbox.push(Request::Panic, super::parking::Deadline::after(LONG)).unwrap();
    assert_eq!(waiting.join().unwrap(), ErrorCode::Poisoned);
    assert_poisoned(&node, &wallet, "asked to");
}

/// Waits until it holds.
fn until(mut holds: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + LONG;
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "it does not come to hold");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_crash_lets_nothing_out_that_waits_behind_a_write() {
    // A block that is due at the start would be written first, and hold up the payment's answer.
    let (node, wallet, breaking) = breakable_that_makes_blocks(BlockProduction::OnDemand, true);
    let events = node.subscribe();
    let held = breaking.holds_persist.lock().unwrap();
    let first = wallet.pay(&bob(), Amount::from_time(1)).unwrap();
    until(|| breaking.n_persists.load(Ordering::SeqCst) == 1);
    let (other, payer) = (node.clone(), wallet.clone());
    let paying = thread::spawn(move || payer.pay(&bob(), Amount::from_time(2)));
    until(|| {
        node.metrics().iter().any(|m| m.name == "timecoin_engine_inputs_total" && m.value == 2.0)
    });
    let crashing = thread::spawn(move || other.crash(LONG));
    until(|| node.state() != NodeState::Running);
    drop(held);
    crashing.join().unwrap().unwrap();
    assert_eq!(paying.join().unwrap().unwrap_err().code(), ErrorCode::Closed);
    assert_eq!(breaking.n_persists.load(Ordering::SeqCst), 1, "what was under way, and no more");
    let told = std::iter::from_fn(|| events.try_next()).map(|event| match event.kind {
        NodeEventKind::TransactionStatus { txid, status } => {
            assert_eq!(txid, first.txid);
            status.name()
        }
        kind => kind.name(),
    });
    assert_eq!(told.collect::<Vec<_>>(), ["pending", "closed"]);
}

type Line = (PublicKey, Mutex<Sender<(PublicKey, Message)>>);

/// Carries messages between nodes of this process, each on its own thread.
struct Lines {
    own: PublicKey,
    others: OnceLock<Vec<Line>>,
}

impl Peers for Lines {
    fn send(&self, to: To, message: Message) {
        for (key, line) in self.others.get().into_iter().flatten() {
            if to == To::All || to == To::Peer(*key) {
                let _ = line.lock().unwrap().send((self.own, message.clone()));
            }
        }
    }

    fn on_misbehavior(&self, from: PublicKey, error: &MessageError) {
        panic!("{from:?} is honest: {error}");
    }
}

#[test]
fn four_masternodes_agree() {
    let keys: Vec<_> = (0..4u8).map(|n| KeyPair::from_seed(&[n])).collect();
    let public: Vec<_> = keys.iter().map(KeyPair::public).collect();
    let genesis = Genesis::regtest(&public, &[Config::regtest_wallet().address()]).unwrap();
    let mut nodes = Vec::new();
    let mut lines = Vec::new();
    for pair in &keys {
        let peers = Arc::new(Lines { own: pair.public(), others: OnceLock::new() });
        let masternode_key = Some(pair.clone());
        let config =
            Config { masternode_key, round_timeout_ms: 2_000, ..Config::new(genesis.clone()) };
        nodes.push(Node::open_with_peers(config, peers.clone()).unwrap());
        lines.push(peers);
    }
    let mut senders = Vec::new();
    for (node, key) in nodes.iter().zip(&public) {
        let (sender, receiver) = channel::<(PublicKey, Message)>();
        let node = node.clone();
        thread::spawn(move || {
            for (from, message) in receiver {
                match node.receive(from, message) {
                    Err(NodeError::Closed) => break,
                    // Lost, as on a wire to a node that is not up; others repeat it.
                    Err(NodeError::NotRunning { .. }) => {}
                    result => result.unwrap(),
                }
            }
        });
        senders.push((*key, sender));
    }
    for line in &lines {
        let others = senders.iter().filter(|(key, _)| *key != line.own);
        let others = others.map(|(key, sender)| (*key, Mutex::new(sender.clone())));
        line.others.set(others.collect()).ok().unwrap();
    }
    nodes.iter().for_each(|node| node.start().unwrap());
    let wallet = Wallet::new(&nodes[0], Config::regtest_wallet());
    let txids: Vec<_> =
        (0..20).map(|_| wallet.pay(&bob(), Amount::from_time(1)).unwrap().txid).collect();
    for node in &nodes {
        for txid in &txids {
            let status = node.wait_finalized(txid, LONG).unwrap();
            assert!(matches!(
                status,
                TransactionStatus::Finalized | TransactionStatus::Confirmed(_)
            ));
        }
    }
    let height = txids.iter().map(|txid| nodes[3].wait_confirmed(txid, LONG).unwrap()).max();
    for node in &nodes {
        node.wait_height(height.unwrap(), LONG).unwrap();
        assert_eq!(node.balance(&bob()).unwrap().confirmed, Amount::from_time(20));
        let block = node.block(height.unwrap()).unwrap().unwrap();
        assert_eq!(block.block, nodes[0].block(height.unwrap()).unwrap().unwrap().block);
    }
    nodes.iter().for_each(|node| node.close(LONG).unwrap());
}
