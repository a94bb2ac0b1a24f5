//! Real nodes, one of them Byzantine: the honest three go on, agree, and lose nothing.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::time::Duration;

use timecoin_core::localnet::{
    LocalNet, LocalNetConfig, LocalNetEvents, LocalNodeState, LocalTransport,
};
use timecoin_core::sim::strategy::STRATEGIES;
use timecoin_core::sim::{Simulation, SimulationConfig};
use timecoin_core::testbed::Testbed;
use timecoin_core::types::message::{Message, Request};
use timecoin_core::{Amount, BlockHash, ErrorCode, Height, Node, NodeEventKind, Parcel};

/// Long enough for any machine that is busy with something else.
const PATIENCE: Duration = Duration::from_secs(120);

/// The one that is Byzantine.
const LIAR: usize = 3;

fn time(units: u64) -> Amount {
    Amount::from_time(units)
}

/// Four masternodes, and rounds that are soon over where the liar proposes.
fn config(transport: LocalTransport) -> LocalNetConfig {
    LocalNetConfig {
        transport,
        block_interval: Duration::from_millis(100),
        round_timeout: Duration::from_millis(400),
        ..LocalNetConfig::new(4, 7)
    }
}

/// No honest node saw two decisions, signed against its log, stopped, or accuses an honest one.
fn assert_safe(net: &LocalNet, events: &LocalNetEvents) {
    let liar = net.node_keys(LIAR).unwrap().public();
    while let Some(told) = events.try_next() {
        let is_alarm = match &told.event.kind {
            NodeEventKind::SignatureRefused { .. }
            | NodeEventKind::SafetyViolation { .. }
            | NodeEventKind::Poisoned { .. } => true,
            NodeEventKind::EvidenceFound { evidence } => evidence.offender != liar,
            _ => false,
        };
        assert!(told.node == LIAR || !is_alarm, "node {}: {:?}", told.node, told.event);
    }
}

/// Three payments between honest nodes, over blocks that everybody proposes in turn, the liar
/// included.
fn pay_beside(strategy: &str, transport: LocalTransport) {
    let net = LocalNet::start(config(transport)).unwrap();
    let events = net.subscribe();
    net.set_byzantine(LIAR, strategy).unwrap();
    assert!(net.status(LIAR).unwrap().is_byzantine && !net.status(0).unwrap().is_byzantine);
    for node in 0..LIAR {
        let txid = net.pay_at(node, "alice", "bob", time(5)).unwrap();
        net.wait_final_everywhere(&txid, PATIENCE).unwrap();
        net.wait_confirmed_everywhere(&txid, PATIENCE).unwrap();
    }
    let height = Height(net.height_min().0 + 4);
    net.wait_height_everywhere(height, PATIENCE).unwrap();
    let of_each: Vec<_> =
        (0..LIAR).map(|node| chain_of(&net.node(node).unwrap(), height)).collect();
    assert!(of_each.iter().all(|one| *one == of_each[0]), "{strategy}: {of_each:?}");
    assert!(of_each[0].len() > 4, "{strategy}");
    assert!(Testbed::is_conserved(&net).unwrap(), "{strategy}");
    assert_safe(&net, &events);
    net.close(PATIENCE).unwrap();
}

/// The blocks that a node decided, up to a height.
fn chain_of(node: &Node, height: Height) -> Vec<BlockHash> {
    let decided = (1..=height.0).map(|height| node.block(Height(height)).unwrap().unwrap());
    decided.map(|decided| decided.block.header.hash()).collect()
}

/// What a net of real nodes can follow.
fn followed() -> impl Iterator<Item = &'static str> {
    STRATEGIES.iter().copied().filter(|name| !["amnesia", "twins"].contains(name))
}

#[test]
fn beside_any_strategy_payments_are_final_and_confirmed_in_memory() {
    followed().for_each(|strategy| pay_beside(strategy, LocalTransport::Memory));
}

#[test]
fn beside_any_strategy_payments_are_final_and_confirmed_over_sockets() {
    let followed = followed().filter(|name| *name != "garbage");
    followed.for_each(|strategy| pay_beside(strategy, LocalTransport::Tcp));
}

#[test]
fn who_equivocates_is_found_out() {
    for strategy in ["equivocate-ballots", "equivocate-votes"] {
        let net = LocalNet::start(config(LocalTransport::Memory)).unwrap();
        let events = net.subscribe();
        net.set_byzantine(LIAR, strategy).unwrap();
        net.pay("alice", "bob", time(5)).unwrap();
        let mut named = None;
        let is_found = |_: &LocalNet| {
            while let Some(told) = events.try_next() {
                if let NodeEventKind::EvidenceFound { evidence } = told.event.kind {
                    named = Some(evidence.offender);
                }
            }
            named.is_some()
        };
        assert!(net.wait_until(is_found, PATIENCE), "{strategy}");
        assert_eq!(named, Some(net.node_keys(LIAR).unwrap().public()), "{strategy}");
    }
}

#[test]
fn a_silent_node_is_heard_no_more_and_stays_silent_in_its_next_life() {
    let net = LocalNet::start(config(LocalTransport::Memory)).unwrap();
    net.set_byzantine(LIAR, "withhold").unwrap();
    let sent = || net.link_counts(LIAR, 0).unwrap().sent;
    net.crash(LIAR).unwrap();
    let before = sent();
    net.restart(LIAR).unwrap();
    let txid = net.pay("alice", "bob", time(5)).unwrap();
    net.wait_confirmed_everywhere(&txid, PATIENCE).unwrap();
    assert_eq!(net.node_state(LIAR).unwrap(), LocalNodeState::Running);
    assert_eq!(sent(), before);
}

#[test]
fn a_strategy_acts_on_what_it_hears_and_when_its_time_comes() {
    for strategy in ["vote-for-all", "vote-for-nothing"] {
        let net = LocalNet::start(config(LocalTransport::Memory)).unwrap();
        net.set_byzantine(LIAR, strategy).unwrap();
        net.set_byzantine(LIAR, "withhold").unwrap();
        let sent = || net.link_counts(LIAR, 0).unwrap().sent;
        let before = sent();
        for value in 5..8 {
            net.pay("alice", "bob", time(value)).unwrap();
        }
        assert!(net.wait_until(|_| sent() > before + 1, PATIENCE), "{strategy}");
    }
}

#[test]
fn a_node_that_is_down_follows_a_strategy_once_it_is_up() {
    let net = LocalNet::start(config(LocalTransport::Memory)).unwrap();
    net.crash(LIAR).unwrap();
    for strategy in ["vote-for-nothing", "withhold"] {
        net.set_byzantine(LIAR, strategy).unwrap();
    }
    let status = net.status(LIAR).unwrap();
    assert!(status.is_byzantine && status.state == LocalNodeState::Down);
    let sent = || net.link_counts(LIAR, 0).unwrap().sent;
    let before = sent();
    net.restart(LIAR).unwrap();
    assert!(net.wait_until(|_| sent() > before + 1, PATIENCE));
}

#[test]
fn a_strategy_outlasts_a_pause_in_which_there_is_no_room_for_it() {
    let net = LocalNet::start(config(LocalTransport::Memory)).unwrap();
    let sent = || net.link_counts(LIAR, 0).unwrap().sent;
    for strategy in ["withhold", "vote-for-nothing"] {
        net.set_byzantine(LIAR, strategy).unwrap();
    }
    let before = sent();
    assert!(net.wait_until(|_| sent() > before + 1, PATIENCE));
    net.pause(LIAR).unwrap();
    // More than may wait for an engine; and time for the strategy to want something meanwhile.
    let (node, honest) = (net.node(LIAR).unwrap(), net.node_keys(0).unwrap().public());
    for _ in 0..10_000 {
        let question = Message::Request(Request::Decided(Height(1)));
        node.receive(honest, Parcel::of(question)).unwrap();
    }
    let height = Height(net.height_min().0 + 15);
    net.wait_height_everywhere(height, PATIENCE).unwrap();
    let before = sent();
    net.resume(LIAR).unwrap();
    assert!(net.wait_until(|_| sent() > before + 1, PATIENCE));
}

#[test]
fn strategies_combine() {
    let net = LocalNet::start(config(LocalTransport::Memory)).unwrap();
    for strategy in ["equivocate-votes", "equivocate-proposal", "replay"] {
        net.set_byzantine(LIAR, strategy).unwrap();
    }
    let events = net.subscribe();
    let txid = net.pay("alice", "bob", time(5)).unwrap();
    net.wait_confirmed_everywhere(&txid, PATIENCE).unwrap();
    assert_safe(&net, &events);
}

#[test]
fn what_no_real_net_can_follow_is_refused() {
    let memory = LocalNet::start(config(LocalTransport::Memory)).unwrap();
    let sockets = LocalNet::start(config(LocalTransport::Tcp)).unwrap();
    let refused = |net: &LocalNet, node, name| {
        let error = net.set_byzantine(node, name).unwrap_err();
        assert!(node > LIAR || !net.is_byzantine(node).unwrap(), "{name}");
        (error.code(), error.to_string())
    };
    for (net, name, why) in [
        (&memory, "amnesia", "only a simulation"),
        (&memory, "twins", "only a simulation"),
        (&memory, "kindness", "there is no strategy `kindness`"),
        (&sockets, "garbage", "messages only"),
    ] {
        let (code, text) = refused(net, LIAR, name);
        assert!(code == ErrorCode::InvalidArgument && text.contains(why), "{text}");
    }
    assert_eq!(refused(&memory, 4, "withhold").0, ErrorCode::InvalidArgument);
    memory.close(PATIENCE).unwrap();
    assert_eq!(refused(&memory, LIAR, "withhold").0, ErrorCode::Closed);
}

/// Three pay although the fourth withholds, on any network.
fn pay_beside_silence(net: &mut impl Testbed) {
    net.set_byzantine(LIAR, "withhold").unwrap();
    let txid = net.pay("alice", "bob", time(5)).unwrap();
    let is_done = net.run_until(&mut |net| net.is_confirmed_everywhere(&txid), PATIENCE).unwrap();
    assert!(is_done && net.running() == [0, 1, 2] && net.is_conserved().unwrap());
}

#[test]
fn one_scenario_has_a_byzantine_node_on_real_and_on_simulated_nodes() {
    pay_beside_silence(&mut Simulation::new(SimulationConfig::new(4, 7)).unwrap());
    pay_beside_silence(&mut LocalNet::start(config(LocalTransport::Memory)).unwrap());
}
