//! A node that is behind by 100,000 transactions: how fast it comes up, against how fast a node
//! validates and commits the same blocks where nobody sends them.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use timecoin_core::types::message::Message;
use timecoin_core::{Config, Decided, Height, KeyPair, Node};

use crate::setup::{Payers, n_final, on_demand, running};
use crate::table::{Row, Table};

pub(crate) fn measure(table: &mut Table) {
    let mut payers = Payers::new(BLOCK_PAYMENTS).with_params(on_demand);
    let mut config = payers.config();
    config.set("listen", "127.0.0.1:0").unwrap();
    let ahead = running(config);
    for block in 1..=N_BLOCKS {
        for batch in payers.pay().chunks(256) {
            let batch: Vec<_> = batch.iter().map(|payment| Arc::clone(payment).into()).collect();
            ahead.submit_transactions(batch).into_iter().for_each(|answer| {
                answer.unwrap();
            });
        }
        wait(|| n_final(&ahead) >= block * BLOCK_PAYMENTS);
        ahead.produce_block(PATIENCE).unwrap();
    }
    let tip = ahead.tip().height;
    let floor = alone(&ahead, &payers, tip);
    let mut config = payers.follower();
    config.peers = vec![target(&ahead).parse().unwrap()];
    let began = Instant::now();
    let behind = running(config);
    wait(|| behind.tip().height == tip);
    let ours = began.elapsed();
    let per_second = |took: Duration| (N_BLOCKS * BLOCK_PAYMENTS) as f64 / took.as_secs_f64();
    table.push(Row {
        what: "a new node fetches 100,000 payments in 100 blocks; floor: it is handed the same blocks",
        ours: format!("{:.0}/s", per_second(ours)),
        floor: format!("{:.0}/s", per_second(floor)),
        ratio: format!("{:.2}", per_second(ours) / per_second(floor)),
        target: "≥ 0.6",
        is_met: per_second(ours) >= 0.6 * per_second(floor),
    });
}

/// Hands a node all blocks, each as the last is decided.
fn alone(ahead: &Node, payers: &Payers, tip: Height) -> Duration {
    let from = KeyPair::from_seed(b"nobody").public();
    let blocks: Vec<Decided> =
        (1..=tip.0).map(|height| ahead.block(height).unwrap().unwrap()).collect();
    let node = running(Config { node_key: None, ..payers.follower() });
    let began = Instant::now();
    for decided in blocks {
        let height = decided.block.header.height;
        node.receive(from, Arc::<timecoin_core::Parcel>::from(Message::Decided(decided))).unwrap();
        wait(|| node.tip().height == height);
    }
    began.elapsed()
}

fn target(node: &Node) -> String {
    format!("{}@{}", node.node_key().unwrap(), node.listen_address().unwrap())
}

fn wait(mut is_there: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_there() {
        assert!(began.elapsed() < PATIENCE);
        thread::sleep(Duration::from_micros(100));
    }
}

const N_BLOCKS: usize = 100;

const BLOCK_PAYMENTS: usize = 1_000;

const PATIENCE: Duration = Duration::from_secs(300);
