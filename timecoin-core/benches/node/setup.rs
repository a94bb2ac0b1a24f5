//! Chains with many coins of many keys, and payments without end.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tempfile::TempDir;
use timecoin_core::params::{Allocation, BlockProduction};
use timecoin_core::types::hash::ChainId;
use timecoin_core::types::keys::InputSignature;
use timecoin_core::{
    Amount, Chain, Config, Genesis, KeyPair, Node, OutPoint, Transaction, TxOutput,
};

/// Coins, each of its own key, that pay and get their change for as long as one likes.
pub(crate) struct Payers {
    keys: Vec<KeyPair>,
    coins: Vec<(OutPoint, Amount)>,
    chain: Chain,
}

impl Payers {
    /// So many, on a chain of one masternode of their own.
    pub(crate) fn new(n_payers: usize) -> Self {
        let mut keys: Vec<Option<KeyPair>> = vec![None; n_payers];
        on_two_threads(&mut keys, |index, keys| {
            *keys = Some(KeyPair::from_seed(format!("payer {index}").as_bytes()));
        });
        let keys: Vec<KeyPair> = keys.into_iter().flatten().collect();
        let mut genesis = Genesis::regtest_solo();
        let value = Amount::from_time(1_000);
        let allocation = |keys: &KeyPair| Allocation { address: keys.address(), value };
        genesis.allocations = keys.iter().map(allocation).collect();
        let chain = Chain::new(genesis).unwrap();
        Payers::of(chain, keys)
    }

    /// The owners of the coins of a chain, one coin each, in the order of the coins.
    pub(crate) fn of(chain: Chain, keys: Vec<KeyPair>) -> Self {
        let mut payers = Payers { keys, coins: Vec::new(), chain };
        payers.restart();
        payers
    }

    /// The same on a chain of these masternodes.
    pub(crate) fn with_masternodes(mut self, keys: &[KeyPair]) -> Self {
        let genesis = self.chain.genesis();
        let keys: Vec<_> = keys.iter().map(KeyPair::public).collect();
        let mut changed = Genesis::regtest(&keys, &[]).unwrap();
        changed.allocations.clone_from(&genesis.allocations);
        self.chain = Chain::new(changed).unwrap();
        self.restart();
        self
    }

    /// The same with other parameters of the chain.
    pub(crate) fn with_params(
        mut self,
        change: impl FnOnce(&mut timecoin_core::ChainParams),
    ) -> Self {
        let mut genesis = self.chain.genesis().clone();
        change(&mut genesis.params);
        self.chain = Chain::new(genesis).unwrap();
        self.restart();
        self
    }

    /// Takes up the coins of the genesis again, for a chain that begins again.
    pub(crate) fn restart(&mut self) {
        let outputs = self.chain.genesis().outputs();
        self.coins = outputs.map(|(outpoint, output)| (outpoint, output.value)).collect();
    }

    /// Their chain.
    pub(crate) fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The chain's one masternode, in memory.
    pub(crate) fn config(&self) -> Config {
        Config { masternode_key: Config::regtest().masternode_key, ..self.follower() }
    }

    /// A node that follows the chain, in memory.
    pub(crate) fn follower(&self) -> Config {
        Config::new(self.chain.genesis().clone())
    }

    /// One signed payment of each: one input, a payment to the next of them, and the change.
    pub(crate) fn pay(&mut self) -> Vec<Arc<Transaction>> {
        let addresses: Vec<_> = self.keys.iter().map(KeyPair::address).collect();
        let (keys, coins, chain_id) = (&self.keys, &self.coins, self.chain.id());
        let mut payments: Vec<Option<Arc<Transaction>>> = vec![None; keys.len()];
        on_two_threads(&mut payments, |index, payment| {
            let to = addresses[(index + 1) % addresses.len()];
            let (outpoint, value) = coins[index];
            let change = value.checked_sub(AMOUNT).and_then(|rest| rest.checked_sub(FEE)).unwrap();
            let outputs = vec![
                TxOutput { value: change, address: addresses[index] },
                TxOutput { value: AMOUNT, address: to },
            ];
            let input = (outpoint, keys[index].public());
            let mut transaction = Transaction::transfer(&[input], outputs);
            transaction.sign_all(chain_id, &keys[index]);
            *payment = Some(Arc::new(transaction));
        });
        let payments: Vec<Arc<Transaction>> = payments.into_iter().flatten().collect();
        for (coin, payment) in self.coins.iter_mut().zip(&payments) {
            *coin = (OutPoint::new(payment.txid(), 0), payment.outputs[0].value);
        }
        payments
    }
}

/// What must hold for the inputs of these.
pub(crate) fn signatures(chain_id: &ChainId, payments: &[Arc<Transaction>]) -> Vec<InputSignature> {
    let of = |payment: &Arc<Transaction>| {
        payment.input_signatures(chain_id, &payment.txid()).collect::<Vec<_>>()
    };
    payments.iter().flat_map(of).collect()
}

/// Blocks come only when there is enough for one.
pub(crate) fn on_demand(params: &mut timecoin_core::ChainParams) {
    params.block_production = BlockProduction::OnDemand;
}

/// A node that runs.
pub(crate) fn running(config: Config) -> Node {
    let node = Node::open(config).unwrap();
    node.start().unwrap();
    node
}

/// How many payments a node has made final.
pub(crate) fn n_final(node: &Node) -> usize {
    counter(node, "timecoin_finality_seconds_count")
}

/// The value of a counter of a node.
#[expect(clippy::cast_possible_truncation, reason = "a count")]
pub(crate) fn counter(node: &Node, name: &str) -> usize {
    let metric = node.metrics().into_iter().find(|metric| metric.name == name);
    metric.unwrap_or_else(|| panic!("no metric {name}")).value as usize
}

/// Processor time of all threads.
pub(crate) fn process_time() -> Duration {
    time_of(ClockId::ProcessCPUTime)
}

/// Processor time of this thread.
pub(crate) fn cpu_time() -> Duration {
    time_of(ClockId::ThreadCPUTime)
}

fn time_of(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
}

/// A folder on the disk that holds the target folder, so that a flush reaches a disk.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// A plain file that grows: the least that a durable write can cost.
pub(crate) struct PlainFile {
    file: File,
    _folder: TempDir,
}

impl PlainFile {
    /// An empty one.
    pub(crate) fn new() -> Self {
        let folder = folder();
        let path = folder.path().join("plain");
        let file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        PlainFile { file, _folder: folder }
    }

    /// How long it takes to append `bytes` and flush them.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Duration {
        let began = Instant::now();
        self.file.write_all(bytes).unwrap();
        self.file.sync_data().unwrap();
        began.elapsed()
    }
}

/// Calls for each with its index, half of them on a thread of their own.
fn on_two_threads<T: Send>(all: &mut [T], call: impl Fn(usize, &mut T) + Sync) {
    let middle = all.len() / 2;
    let (first, second) = all.split_at_mut(middle);
    std::thread::scope(|scope| {
        scope.spawn(|| first.iter_mut().enumerate().for_each(|(index, one)| call(index, one)));
        for (index, one) in second.iter_mut().enumerate() {
            call(middle + index, one);
        }
    });
}

/// What each payment pays.
const AMOUNT: Amount = Amount::from_units(1_000);

/// More than a payment with one input and two outputs requires.
const FEE: Amount = Amount::from_units(1_000);

/// A time in microseconds.
pub(crate) fn micros(seconds: f64) -> String {
    format!("{:.2} µs", seconds * 1e6)
}
