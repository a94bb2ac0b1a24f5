//! Masternodes that are far from each other: three delays, and what the nodes add.

use std::time::{Duration, Instant};

use timecoin_core::localnet::{LocalNet, LocalNetConfig, LocalStorage, LocalTransport};
use timecoin_core::sim::Link;

use crate::setup::PlainFile;
use crate::table::{Row, Samples, Table, millis};

pub(crate) fn measure(table: &mut Table) {
    for delay in [50, 100] {
        row(table, Duration::from_millis(delay));
    }
}

fn row(table: &mut Table, delay: Duration) {
    let mut config = LocalNetConfig::new(4, 7);
    config.transport = LocalTransport::Tcp;
    config.storage = LocalStorage::TemporaryDirectory;
    config.coins_per_wallet = N_PAYMENTS;
    let net = LocalNet::start(config).unwrap();
    net.set_links(Link::constant(delay));
    let mut plain = PlainFile::new();
    let mut samples = Samples::default();
    let node = net.node(0).unwrap();
    for _ in 0..N_PAYMENTS {
        let began = Instant::now();
        let txid = net.pay("alice", "bob", "1".parse().unwrap()).unwrap();
        node.wait_finalized(&txid, PATIENCE).unwrap();
        samples.push(began.elapsed(), plain.append(&[7; 1_000]));
    }
    net.close(PATIENCE).unwrap();
    let (p50, fsync) = (samples.ours(50), samples.floor(50));
    let one_way = delay.as_secs_f64();
    let floor = 3.0 * one_way;
    table.push(Row {
        what: if delay.as_millis() == 50 {
            "one payment, submit to final, durable, links of 50 ms; floor: three delays"
        } else {
            "the same with links of 100 ms"
        },
        ours: millis(p50),
        floor: millis(floor),
        ratio: format!("{:.2}", p50 / floor),
        target: "≤ 3.3 delays + 2 fdatasync",
        is_met: p50 <= 3.3 * one_way + 2.0 * fsync,
    });
}

const N_PAYMENTS: usize = 40;

const PATIENCE: Duration = Duration::from_secs(60);
