//! A node that begins with 1,000,000 unspent outputs of one peer over the loopback interface, both
//! on disk: how long it takes until the outputs are in the directory, and until a node is open.

use std::sync::Arc;
use std::time::{Duration, Instant};

use timecoin_core::params::Allocation;
use timecoin_core::{
    Amount, Chain, Config, Genesis, KeyPair, Node, OutPoint, Transaction, TxOutput,
};

use crate::nodes::{target, wait};
use crate::setup::{PlainFile, folder, n_final, on_demand, running};
use crate::table::{Row, Table, millis};

pub(crate) fn measure(table: &mut Table) {
    let (ahead_dir, behind_dir) = (folder(), folder());
    let (chain, owner) = chain();
    let ahead = filled(&chain, &owner, ahead_dir.path());
    let follower = Config::new(chain.genesis().clone()).with_data_dir(behind_dir.path());
    let config = Config { peers: vec![target(&ahead).parse().unwrap()], ..follower };
    let began = Instant::now();
    let based = Node::bootstrap(&config, PATIENCE, |_| true).unwrap();
    let fetched = began.elapsed();
    assert!(based.n_outputs >= N_OUTPUTS as u64);
    let began = Instant::now();
    let behind = running(config);
    let opened = began.elapsed();
    assert_eq!(behind.tip().hash, ahead.tip().hash);
    let floor = PlainFile::new().append(&vec![1; 73 * N_OUTPUTS]);
    let (what, target) = (
        "1,000,000 unspent outputs fetched of one peer, proved, durable; floor: as many bytes, one flush",
        "< 60 s",
    );
    table.push(row(what, fetched, floor, target, fetched < Duration::from_secs(60)));
    table.push(row("the tables made of them, and a node opened", opened, floor, "-", true));
}

fn row(
    what: &'static str,
    ours: Duration,
    floor: Duration,
    target: &'static str,
    is_met: bool,
) -> Row {
    let rate = N_OUTPUTS as f64 / ours.as_secs_f64();
    Row {
        what,
        ours: format!("{:.2} s, {rate:.0}/s", ours.as_secs_f64()),
        floor: millis(floor.as_secs_f64()),
        ratio: format!("{:.1}", ours.as_secs_f64() / floor.as_secs_f64()),
        target,
        is_met,
    }
}

/// A chain whose coins are all of one key.
fn chain() -> (Chain, KeyPair) {
    let owner = KeyPair::from_seed(b"owner");
    let mut genesis = Genesis::regtest_solo();
    let coin = Allocation { address: owner.address(), value: Amount::from_time(1_000) };
    genesis.allocations = vec![coin; N_OUTPUTS.div_ceil(OUTPUTS_EACH)];
    on_demand(&mut genesis.params);
    (Chain::new(genesis).unwrap(), owner)
}

/// A masternode that has confirmed payments which make the outputs.
fn filled(chain: &Chain, owner: &KeyPair, dir: &std::path::Path) -> Node {
    let mut config = Config::new(chain.genesis().clone()).with_data_dir(dir);
    config.masternode_key = Config::regtest().masternode_key;
    config.set("listen", "127.0.0.1:0").unwrap();
    let node = running(config);
    let coins = chain.genesis().outputs().map(|(outpoint, output)| (outpoint, output.value));
    let coins: Vec<(OutPoint, Amount)> = coins.collect();
    let mut n_paid = 0;
    for some in coins.chunks(BLOCK_PAYMENTS) {
        let payments = spread(chain, owner, some);
        let batch = payments.iter().map(|payment| Arc::clone(payment).into()).collect();
        node.submit_transactions(batch).into_iter().for_each(|answer| {
            answer.unwrap();
        });
        n_paid += some.len();
        wait(PATIENCE, || n_final(&node) >= n_paid);
        node.produce_block(PATIENCE).unwrap();
    }
    // What waits for the tables would otherwise be written while outputs are served.
    wait(PATIENCE, || node.status().storage_lag_blocks == 0);
    node
}

/// Payments of one key, each of one of its coins to many outputs.
fn spread(chain: &Chain, keys: &KeyPair, coins: &[(OutPoint, Amount)]) -> Vec<Arc<Transaction>> {
    let (address, fee) = (keys.address(), chain.params().fee_required(200 + 30 * OUTPUTS_EACH));
    let pay = |(outpoint, value): &(OutPoint, Amount)| {
        let part = (value.units() - fee.units()) / OUTPUTS_EACH as u64;
        let output = TxOutput { value: Amount::from_units(part), address };
        let input = (*outpoint, keys.public());
        let mut transaction = Transaction::transfer(&[input], vec![output; OUTPUTS_EACH]);
        transaction.sign_all(chain.id(), keys);
        Arc::new(transaction)
    };
    coins.iter().map(pay).collect()
}

const N_OUTPUTS: usize = 1_000_000;

/// Of one payment; the limit is 256.
const OUTPUTS_EACH: usize = 250;

/// Of 7 kB: 3.5 MB.
const BLOCK_PAYMENTS: usize = 500;

const PATIENCE: Duration = Duration::from_secs(600);
