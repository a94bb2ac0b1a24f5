//! A node that is behind by 100,000 transactions: how fast it comes up, against how fast a node
//! validates and commits the same blocks where nobody sends them.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use timecoin_core::types::encode::encode;
use timecoin_core::types::message::Message;
use timecoin_core::{Config, Decided, Height, KeyPair, Node};

use crate::nodes::{target, wait};
use crate::setup::{Payers, n_final, on_demand, running};
use crate::table::{Row, Table, millis};

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
        wait(PATIENCE, || n_final(&ahead) >= block * BLOCK_PAYMENTS);
        ahead.produce_block(PATIENCE).unwrap();
    }
    let tip = ahead.tip().height;
    compression(table, &ahead);
    let floor = alone(&ahead, &payers, tip);
    let mut config = payers.follower();
    config.peers = vec![target(&ahead).parse().unwrap()];
    let began = Instant::now();
    let behind = running(config);
    wait(PATIENCE, || behind.tip().height == tip);
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

/// What a page of blocks loses when it is compressed, and whether that is worth its time.
fn compression(table: &mut Table, ahead: &Node) {
    let block = |height| encode(&ahead.block(Height(height)).unwrap().unwrap());
    let page: Vec<u8> = (2..2 + PAGE_BLOCKS).flat_map(block).collect();
    let packed = lz4_flex::block::compress(&page);
    let began = Instant::now();
    for _ in 0..TURNS {
        let packed = lz4_flex::block::compress(black_box(&page));
        black_box(lz4_flex::block::decompress(&packed, page.len()).unwrap());
    }
    let took = began.elapsed() / TURNS;
    let ratio = packed.len() as f64 / page.len() as f64;
    table.push(Row {
        what: "a page of 8 blocks as it travels, compressed; floor: as it is",
        ours: format!("{:.2} MB", packed.len() as f64 / 1e6),
        floor: format!("{:.2} MB", page.len() as f64 / 1e6),
        ratio: format!("{ratio:.2}"),
        target: "< 0.88",
        is_met: ratio < 0.88,
    });
    let saved_bits = 8.0 * (page.len() - packed.len()) as f64;
    let saved = Duration::from_secs_f64(saved_bits / LINK);
    table.push(Row {
        what: "to compress and to unpack it; floor: what is saved, at 100 Mbit/s",
        ours: millis(took.as_secs_f64()),
        floor: millis(saved.as_secs_f64()),
        ratio: format!("{:.2}", took.as_secs_f64() / saved.as_secs_f64()),
        target: "≤ 1",
        is_met: took <= saved,
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
        wait(PATIENCE, || node.tip().height == height);
    }
    began.elapsed()
}

const N_BLOCKS: usize = 100;

/// About as many as fit a page.
const PAGE_BLOCKS: u64 = 8;

const TURNS: u32 = 20;

/// Bits a second of a link over which nodes of different places talk.
const LINK: f64 = 100e6;

const BLOCK_PAYMENTS: usize = 1_000;

const PATIENCE: Duration = Duration::from_secs(300);
