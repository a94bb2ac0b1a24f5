//! Real nodes in one process: payments, crashes, partitions, double spends, and one scenario
//! for real and simulated networks.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

#[path = "../../examples/rust/scenario.rs"]
mod scenario;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use timecoin_core::localnet::{LocalNet, LocalNetConfig, LocalNetEvents, LocalStorage};
use timecoin_core::params::BlockProduction;
use timecoin_core::sim::{Latency, Link, Simulation, SimulationConfig};
use timecoin_core::testbed::Testbed;
use timecoin_core::{Amount, ErrorCode, NodeEventKind, TransactionStatus, Txid};

/// Long enough for any machine that is busy with something else.
const PATIENCE: Duration = Duration::from_secs(120);

/// Long enough that what may happen at once has happened.
const A_WHILE: Duration = Duration::from_millis(700);

fn time(units: u64) -> Amount {
    Amount::from_time(units)
}

/// Blocks every 200 ms.
fn config(masternodes: usize) -> LocalNetConfig {
    LocalNetConfig {
        block_interval: Duration::from_millis(200),
        ..LocalNetConfig::new(masternodes, 7)
    }
}

/// Every node has confirmed these, coins are conserved, and no node was refused by another.
fn settle(net: &LocalNet, txids: &[Txid]) {
    for txid in txids {
        net.wait_confirmed_everywhere(txid, PATIENCE).unwrap();
    }
    assert!(net.is_conserved().unwrap());
    for from in 0..net.n_nodes() {
        for to in 0..net.n_nodes() {
            let counts = net.link_counts(from, to).unwrap();
            assert_eq!(counts.refused, 0, "from {from} to {to}: {counts:?}");
        }
    }
}

/// Nothing happened that can't among honest nodes.
fn assert_honest(events: &LocalNetEvents) {
    while let Some(event) = events.try_next() {
        let is_alarm = matches!(
            event.event.kind,
            NodeEventKind::EvidenceFound { .. }
                | NodeEventKind::SignatureRefused { .. }
                | NodeEventKind::SafetyViolation { .. }
                | NodeEventKind::Poisoned { .. }
                | NodeEventKind::Observing { .. }
        );
        assert!(!is_alarm, "{event:?}");
    }
}

fn pay_ten(config: LocalNetConfig) {
    let net = LocalNet::start(config).unwrap();
    let txids: Vec<Txid> = (0..10).map(|_| net.pay("alice", "bob", time(1)).unwrap()).collect();
    for txid in &txids {
        net.wait_final_everywhere(txid, PATIENCE).unwrap();
        assert!(net.is_final_everywhere(txid));
    }
    settle(&net, &txids);
    net.close(PATIENCE).unwrap();
}

#[test]
fn payments_are_final_and_confirmed_everywhere_in_memory() {
    for masternodes in [1, 3, 4, 7] {
        pay_ten(config(masternodes));
    }
}

#[test]
fn payments_are_final_and_confirmed_everywhere_on_disk() {
    pay_ten(LocalNetConfig { storage: LocalStorage::TemporaryDirectory, ..config(4) });
}

#[test]
fn bytes_on_the_wire_and_shared_verification_change_nothing() {
    pay_ten(LocalNetConfig { encode_messages: true, ..config(4) });
    pay_ten(LocalNetConfig { shared_verification_cache: true, ..config(4) });
    pay_ten(LocalNetConfig {
        encode_messages: true,
        shared_verification_cache: true,
        observers: 1,
        ..config(4)
    });
}

/// Pays until told to stop, through whichever node takes it; gives what some node called final.
fn pay_until(net: &LocalNet, stop: &AtomicBool, from: &str, to: &str) -> Vec<Txid> {
    let mut finals = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        // A node that crashes takes nothing, or takes it and can't say so.
        let Ok(txid) = net.pay(from, to, time(1)) else { continue };
        if net.wait_until(|net| net.is_final_everywhere(&txid), Duration::from_secs(5)) {
            finals.push(txid);
        }
        thread::sleep(Duration::from_millis(2));
    }
    finals
}

fn crash_each_in_turn(config: LocalNetConfig) {
    let config = LocalNetConfig {
        coins_per_wallet: 2_000,
        round_timeout: Duration::from_millis(500),
        submit_timeout: Duration::from_secs(5),
        ..config
    };
    let net = LocalNet::start(config).unwrap();
    let (events, stop) = (net.subscribe(), AtomicBool::new(false));
    let finals = thread::scope(|scope| {
        let payers = [("alice", "bob"), ("bob", "carol")]
            .map(|(from, to)| scope.spawn(|| pay_until(&net, &stop, from, to)));
        for node in 0..net.n_nodes() {
            thread::sleep(Duration::from_millis(150));
            net.crash(node).unwrap();
            assert!(!net.is_running(node));
            assert_eq!(net.node(node).unwrap().block(1).unwrap_err().code(), ErrorCode::Closed);
            let sent = || (0..4).map(|to| net.link_counts(node, to).unwrap().sent).sum::<u64>();
            let before = sent();
            thread::sleep(Duration::from_millis(150));
            assert_eq!(sent(), before, "the dead say nothing");
            net.restart(node).unwrap();
            let height = net.height_min().next();
            net.wait_height_everywhere(height, PATIENCE).unwrap();
        }
        stop.store(true, Ordering::SeqCst);
        payers.map(|payer| payer.join().unwrap()).concat()
    });
    assert!(finals.len() > 10, "{} payments became final", finals.len());
    settle(&net, &finals);
    assert_honest(&events);
    net.close(PATIENCE).unwrap();
}

#[test]
fn each_node_crashes_in_turn_under_load_in_memory() {
    crash_each_in_turn(config(4));
}

#[test]
fn each_node_crashes_in_turn_under_load_on_disk() {
    crash_each_in_turn(LocalNetConfig { storage: LocalStorage::TemporaryDirectory, ..config(4) });
}

#[test]
fn what_was_final_before_a_crash_is_final_after_it() {
    for storage in [LocalStorage::Memory, LocalStorage::TemporaryDirectory] {
        let block_production = BlockProduction::OnDemand;
        let config = LocalNetConfig { storage, block_production, ..config(1) };
        let net = LocalNet::start(config).unwrap();
        let txid = net.pay("alice", "bob", time(1)).unwrap();
        net.wait_final_everywhere(&txid, PATIENCE).unwrap();
        net.crash(0).unwrap();
        assert!(!net.is_final(0, &txid).unwrap() && !net.is_final_everywhere(&txid));
        net.restart(0).unwrap();
        net.wait_final_everywhere(&txid, PATIENCE).unwrap();
        assert_eq!(net.height_min().0, 0, "by the votes it had written");
        net.close(PATIENCE).unwrap();
    }
}

#[test]
fn a_directory_holds_the_net_for_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let storage = LocalStorage::Directory(folder.path().to_owned());
    let config = LocalNetConfig { storage, ..config(4) };
    let net = LocalNet::start(config.clone()).unwrap();
    let txid = net.pay("alice", "bob", time(1)).unwrap();
    settle(&net, &[txid]);
    assert!(net.node_dir(3).unwrap().is_some_and(|dir| dir.is_dir()));
    net.close(PATIENCE).unwrap();
    let net = LocalNet::start(config).unwrap();
    assert!((0..4).all(|node| net.is_confirmed(node, &txid)));
    let height = net.height_min().next();
    net.wait_height_everywhere(height, PATIENCE).unwrap();
    net.close(PATIENCE).unwrap();
}

#[test]
fn without_a_quorum_nothing_is_final_and_nothing_is_lost() {
    let net = LocalNet::start(config(4)).unwrap();
    let before = net.pay("alice", "bob", time(1)).unwrap();
    settle(&net, &[before]);
    net.partition(&[&[0, 1], &[2, 3]]).unwrap();
    thread::sleep(A_WHILE);
    let heights = net.heights();
    let during = [0, 2].map(|node| net.pay_at(node, "alice", "bob", time(2)).unwrap());
    thread::sleep(A_WHILE);
    for txid in &during {
        assert!((0..4).all(|node| !net.is_final(node, txid).unwrap()));
    }
    assert_eq!(net.heights(), heights);
    assert!(net.is_final_everywhere(&before));
    net.heal();
    settle(&net, &during);
    let after = net.pay("bob", "alice", time(3)).unwrap();
    settle(&net, &[after]);
    net.close(PATIENCE).unwrap();
}

#[test]
fn three_need_all_three() {
    let net = LocalNet::start(config(3)).unwrap();
    net.crash(1).unwrap();
    let txid = net.pay("alice", "bob", time(1)).unwrap();
    thread::sleep(A_WHILE);
    assert!(!net.is_final(0, &txid).unwrap() && !net.is_final(2, &txid).unwrap());
    net.restart(1).unwrap();
    settle(&net, &[txid]);
    net.close(PATIENCE).unwrap();
}

#[test]
fn of_a_double_spend_at_two_nodes_one_at_most_is_final_and_a_block_settles_it() {
    let net = LocalNet::start(config(4)).unwrap();
    for round in 0..8 {
        let pair = net.conflicting_payments("alice", time(1), 2).unwrap();
        let txids: Vec<Txid> = pair.iter().map(|payment| payment.txid()).collect();
        thread::scope(|scope| {
            for (node, payment) in [0, 2].into_iter().zip(pair) {
                let net = &net;
                // The second one may be refused, as a conflict.
                scope.spawn(move || net.submit(node, payment).ok());
            }
        });
        let status =
            |node: usize, txid: &Txid| net.node(node).unwrap().transaction_status(txid).unwrap();
        let n_final = |txid: &Txid| {
            let is_final = |node: &usize| status(*node, txid).is_some_and(|s| s.is_final());
            (0..4).filter(is_final).count()
        };
        let is_settled = net.wait_until(
            |_| {
                let n_finals = txids.iter().map(n_final).collect::<Vec<_>>();
                assert!(n_finals.contains(&0), "round {round}: both are final");
                txids.iter().any(|txid| net.is_confirmed_everywhere(txid))
            },
            PATIENCE,
        );
        assert!(is_settled, "round {round}");
        let is_confirmed =
            |txid: &Txid| matches!(status(0, txid), Some(TransactionStatus::Confirmed(_)));
        assert_eq!(txids.iter().filter(|txid| is_confirmed(txid)).count(), 1);
    }
    settle(&net, &[]);
    net.close(PATIENCE).unwrap();
}

/// A masternode may sign its own Approve when the others have made the payment final.
#[test]
fn what_is_final_is_never_told_to_be_less() {
    let net = LocalNet::start(config(4)).unwrap();
    for _ in 0..400 {
        let txid = net.pay("alice", "alice", time(1)).unwrap();
        net.wait_final_everywhere(&txid, PATIENCE).unwrap();
    }
    net.close(PATIENCE).unwrap();
}

#[test]
fn a_node_that_stands_still_stalls_nobody() {
    let net = LocalNet::start(config(4)).unwrap();
    net.pause(3).unwrap();
    let txids: Vec<Txid> = (0..50).flat_map(|_| net.pay("alice", "bob", time(1))).collect();
    assert!(txids.len() >= 16);
    net.wait_final_everywhere(txids.last().unwrap(), PATIENCE).unwrap();
    let height = net.height_min();
    net.wait_height_everywhere(height.next().next(), PATIENCE).unwrap();
    assert!(!net.is_final(3, &txids[0]).unwrap());
    net.resume(3).unwrap();
    settle(&net, &txids);
    net.close(PATIENCE).unwrap();
}

#[test]
fn slow_and_lossy_links_only_delay() {
    let millis = Duration::from_millis;
    let link = Link {
        loss_ppm: 50_000,
        duplicate_ppm: 50_000,
        reorder_ppm: 50_000,
        ..Link { latency: Latency::Uniform(millis(1), millis(5)), ..Link::default() }
    };
    let net = LocalNet::start(LocalNetConfig { link, ..config(4) }).unwrap();
    let txids: Vec<Txid> = (0..10).map(|_| net.pay("alice", "bob", time(1)).unwrap()).collect();
    for txid in &txids {
        net.wait_final_everywhere(txid, PATIENCE).unwrap();
    }
    net.set_link(0, 1, Link::constant(millis(20))).unwrap();
    net.block(1, 2).unwrap();
    net.set_slow(3, millis(10)).unwrap();
    let last = net.pay("alice", "bob", time(2)).unwrap();
    net.wait_final_everywhere(&last, PATIENCE).unwrap();
    net.heal();
    settle(&net, &txids);
    let lost: u64 = (1..4).map(|to| net.link_counts(0, to).unwrap().lost).sum();
    assert!(lost > 0, "the links lose something");
    net.close(PATIENCE).unwrap();
}

#[test]
fn what_is_under_way_comes_when_nodes_and_links_are_fast_again() {
    let net = LocalNet::start(config(4)).unwrap();
    let hour = Duration::from_secs(3_600);
    (0..2).for_each(|node| net.set_slow(node, hour).unwrap());
    let slowed = net.pay("alice", "bob", time(1)).unwrap();
    thread::sleep(A_WHILE);
    assert!(!net.is_final_everywhere(&slowed));
    (0..2).for_each(|node| net.set_slow(node, Duration::ZERO).unwrap());
    settle(&net, &[slowed]);
    net.set_links(Link::constant(hour));
    let far = net.pay("alice", "bob", time(1)).unwrap();
    thread::sleep(A_WHILE);
    assert!(!net.is_final_everywhere(&far));
    net.set_links(Link::constant(Duration::ZERO));
    settle(&net, &[far]);
    net.close(PATIENCE).unwrap();
}

#[test]
fn blocks_on_demand_come_when_asked_for() {
    let config = LocalNetConfig { block_production: BlockProduction::OnDemand, ..config(4) };
    let net = LocalNet::start(config).unwrap();
    let txid = net.pay("alice", "bob", time(1)).unwrap();
    net.wait_final_everywhere(&txid, PATIENCE).unwrap();
    thread::sleep(A_WHILE);
    assert_eq!(net.height_min().0, 0);
    assert_eq!(net.produce_block(PATIENCE).unwrap().0, 1);
    settle(&net, &[txid]);
    net.close(PATIENCE).unwrap();
}

#[test]
fn twenty_nets_live_in_one_process() {
    let finals = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for seed in 0..20 {
            let finals = &finals;
            scope.spawn(move || {
                let net = LocalNet::start(LocalNetConfig { seed, ..config(4) }).unwrap();
                let txid = net.pay("alice", "bob", time(1)).unwrap();
                net.wait_final_everywhere(&txid, PATIENCE).unwrap();
                settle(&net, &[txid]);
                net.close(PATIENCE).unwrap();
                finals.lock().unwrap().push(txid);
            });
        }
    });
    let mut finals = finals.into_inner().unwrap();
    finals.sort_unstable();
    finals.dedup();
    assert_eq!(finals.len(), 20, "each seed has a chain of its own");
}

#[test]
fn events_come_from_all_nodes_and_all_lives() {
    let net = LocalNet::start(config(4)).unwrap();
    let events = net.subscribe();
    let mut heights = [0u64; 4];
    let mut see = |until: [u64; 4]| {
        while heights.iter().zip(until).any(|(height, until)| *height < until) {
            let event = events.next_event(PATIENCE).unwrap();
            if let NodeEventKind::BlockConfirmed { height, .. } = event.event.kind {
                assert_eq!(height.0, heights[event.node].max(height.0 - 1) + 1, "{}", event.node);
                heights[event.node] = height.0;
            }
        }
    };
    see([2; 4]);
    net.crash(2).unwrap();
    net.restart(2).unwrap();
    let height = net.height_min().0 + 2;
    see([height; 4]);
    net.close(PATIENCE).unwrap();
    while let Ok(event) = events.next_event(PATIENCE) {
        assert!(event.node < 4);
    }
    assert!(events.is_ended());
    assert_eq!(events.next_event(PATIENCE).unwrap_err().code(), ErrorCode::Closed);
}

#[test]
fn a_closed_net_refuses() {
    let net = LocalNet::start(config(4)).unwrap();
    assert_eq!(net.crash(4).unwrap_err().code(), ErrorCode::InvalidArgument);
    assert_eq!(net.partition(&[&[0, 9]]).unwrap_err().code(), ErrorCode::InvalidArgument);
    let txid = net.pay("alice", "bob", time(1)).unwrap();
    assert_eq!(
        net.pay("alice", "bob", time(1_000_000)).unwrap_err().code(),
        ErrorCode::InsufficientFunds
    );
    net.close(PATIENCE).unwrap();
    net.close(Duration::ZERO).unwrap();
    let code = |result: Result<(), timecoin_core::NodeError>| result.unwrap_err().code();
    assert_eq!(code(net.pay("alice", "bob", time(1)).map(drop)), ErrorCode::Closed);
    assert_eq!(code(net.restart(0)), ErrorCode::Closed);
    assert_eq!(code(net.wait_final_everywhere(&txid, PATIENCE)), ErrorCode::Closed);
    assert_eq!(code(net.produce_block(PATIENCE).map(drop)), ErrorCode::Closed);
    assert!(LocalNet::start(LocalNetConfig::new(0, 7)).is_err());
    assert!(LocalNet::start(LocalNetConfig::new(201, 7)).is_err());
}

#[test]
fn one_story_holds_on_real_and_on_simulated_nodes() {
    let mut net = LocalNet::start(LocalNetConfig::new(4, 7)).unwrap();
    let real = scenario::tell(&mut net, &mut |_| {}).unwrap();
    net.close(PATIENCE).unwrap();
    let mut sim = Simulation::new(SimulationConfig::new(4, 7)).unwrap();
    let simulated = scenario::tell(&mut sim, &mut |_| {}).unwrap();
    assert_eq!(real, simulated);
}
