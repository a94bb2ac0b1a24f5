//! A net of nodes in one process that talk over sockets: the verbs of a simulation.

use std::time::Duration;

use timecoin_core::localnet::{LocalNet, LocalNetConfig, LocalTransport};
use timecoin_core::sim::Link;

use crate::testkit::LONG;

fn net(masternodes: usize, seed: u64) -> LocalNet {
    let mut config = LocalNetConfig::new(masternodes, seed);
    config.transport = LocalTransport::Tcp;
    config.block_interval = Duration::from_millis(200);
    LocalNet::start(config).unwrap()
}

#[test]
fn payments_are_final_and_confirmed_through_a_crash_and_a_return() {
    let net = net(4, 1);
    let payment = net.pay("alice", "bob", "5".parse().unwrap()).unwrap();
    net.wait_final_everywhere(&payment, LONG).unwrap();
    net.crash(2).unwrap();
    let payment = net.pay("alice", "bob", "6".parse().unwrap()).unwrap();
    net.wait_confirmed_everywhere(&payment, LONG).unwrap();
    net.restart(2).unwrap();
    net.wait_confirmed_everywhere(&payment, LONG).unwrap();
    let payment = net.pay("bob", "alice", "1".parse().unwrap()).unwrap();
    net.wait_final_everywhere(&payment, LONG).unwrap();
    net.close(LONG).unwrap();
}

#[test]
fn a_partition_parts_sockets_too_and_healing_mends_it() {
    let net = net(4, 2);
    net.partition(&[&[0, 1], &[2, 3]]).unwrap();
    let payment = net.pay("alice", "bob", "5".parse().unwrap()).unwrap();
    let early = net.wait_final_everywhere(&payment, Duration::from_millis(500));
    assert!(early.is_err());
    net.heal();
    net.wait_confirmed_everywhere(&payment, LONG).unwrap();
    net.close(LONG).unwrap();
}

#[test]
fn lossy_and_slow_links_only_cost_time() {
    let net = net(4, 3);
    let link = Link {
        loss_ppm: 50_000,
        duplicate_ppm: 50_000,
        reorder_ppm: 50_000,
        ..Link::constant(Duration::from_millis(20))
    };
    net.set_links(link);
    for _ in 0..5 {
        let payment = net.pay("alice", "bob", "1".parse().unwrap()).unwrap();
        net.wait_confirmed_everywhere(&payment, LONG).unwrap();
    }
    net.close(LONG).unwrap();
}
