//! Attacks on who is connected with whom.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use timecoin_core::network::{GetBlocks, Packet, Refusal};
use timecoin_core::peers::address::PeerAddress;
use timecoin_core::{Config, Height, Node, Timestamp};

use crate::attacker::*;
use crate::attacks::*;
use crate::testkit::*;

#[test]
fn of_one_key_from_two_addresses_the_newer_connection_stays() {
    let net = Attacked::begin();
    let genesis = &net.cluster.genesis;
    let keys = stranger(0);
    let mut older = Attacker::join(net.victim(), genesis, &keys);
    for _ in 0..scale(20, 500) {
        let mut newer = Attacker::join(net.victim(), genesis, &keys);
        older.wait_closed();
        newer.wait_heard().unwrap();
        let known: Vec<SocketAddr> = net
            .victim()
            .peers()
            .iter()
            .filter(|peer| peer.key == keys.public())
            .map(|peer| peer.address)
            .collect();
        assert_eq!(known, [newer.address()]);
        older = newer;
    }
    net.end();
}

/// Many with one key at once, each of which may overtake another: one is left, and its slot.
#[test]
fn of_one_key_from_many_addresses_at_once_one_stays() {
    let net = Attacked::begin();
    let keys = stranger(0);
    let mut attackers: Vec<_> = (0..30).map(|_| Attacker::encrypt(net.victim())).collect();
    for attacker in &mut attackers {
        let hello = attacker.hello(&net.cluster.genesis, &keys);
        let _ = attacker.say(&Packet::Hello(Box::new(hello)));
    }
    // One that is heard may still be overtaken by one that has not said Hello.
    wait_for("one of them", || {
        attackers.iter_mut().filter_map(|attacker| attacker.wait_heard().ok()).count() == 1
    });
    drop(attackers);
    let is_gone = || net.victim().peers().iter().all(|peer| peer.key != keys.public());
    wait_for("none of them", is_gone);
    net.end();
}

/// Whoever fills the places of strangers keeps no masternode out.
#[test]
fn all_places_taken_leave_those_of_masternodes() {
    let net = Attacked::begin();
    let genesis = &net.cluster.genesis;
    let inbound_max = config(genesis, &stranger(0)).inbound_max;
    let surplus = 20;
    let mut n_refused = 0;
    let mut joined = Vec::new();
    for n in 0..inbound_max + surplus {
        let mut attacker = Attacker::encrypt(net.victim());
        let hello = attacker.hello(genesis, &stranger(n));
        attacker.say(&Packet::Hello(Box::new(hello))).unwrap();
        match attacker.hear().unwrap() {
            Packet::Refused(Refusal::Full) => n_refused += 1,
            _ => joined.push(attacker),
        }
    }
    assert!(n_refused > 0 && joined.len() >= inbound_max);
    assert!(net.victim().peers().len() <= inbound_max + 3);
    let key = net.cluster.keys[2].public();
    assert!(net.victim().disconnect(&key));
    net.wait_disconnected(&key);
    wait_for("the masternode", || net.is_connected());
    net.end();
}

/// More addresses than one may tell of, and as many as one may from one peer after the other:
/// the book has bounds for each subnet.
#[test]
fn a_flood_of_addresses_fills_no_book() {
    let net = Attacked::begin();
    let folder = tempfile::tempdir().unwrap();
    let genesis = &net.cluster.genesis;
    let settings = config(genesis, &stranger(9_999)).with_data_dir(folder.path());
    let node = Node::open(settings).unwrap();
    node.start().unwrap();
    // Of a range that nobody has, one subnet of it.
    let addresses = |from: u16, n: u16| -> Vec<PeerAddress> {
        let [high, low] = from.to_be_bytes();
        let ip = |port| SocketAddr::from((Ipv4Addr::new(240, 1, high, low), 1_000 + port));
        (0..n).map(|port| PeerAddress::new(None, ip(port), Timestamp(0))).collect()
    };
    let n_peers = scale(30, 1_000);
    for n in 0..n_peers {
        let mut attacker = Attacker::join(&node, genesis, &stranger(n));
        let from = u16::try_from(n).unwrap();
        // The second is one that nobody asked for.
        for from in [from, from + 5_000] {
            attacker.say(&Packet::Addresses(addresses(from, 100))).unwrap();
        }
        attacker.wait_heard().unwrap();
    }
    let mut greedy = Attacker::join(&node, genesis, &stranger(n_peers));
    greedy.say(&Packet::Addresses(addresses(9_000, 101))).unwrap();
    greedy.wait_closed();
    node.close(LONG).unwrap();
    let bytes = std::fs::metadata(folder.path().join("peers")).unwrap().len();
    assert!(bytes < 200_000, "{bytes} bytes of addresses");
    net.end();
}

/// Half a handshake, a peer that says nothing, one that reads nothing, and one that asks without
/// reading: all of them are let go of, and none takes more memory than its queue.
#[test]
fn who_is_silent_or_reads_nothing_is_let_go_of() {
    let net = Attacked::begin_beside();
    let genesis = &net.cluster.genesis;
    wait_for("blocks", || net.victim().tip().height.0 >= 10);
    let mut half = Attacker::encrypt(net.victim());
    let mut silent = Attacker::join(net.victim(), genesis, &stranger(0));
    let deaf: Vec<Attacker> = (1..scale(5, 60))
        .map(|n| {
            let mut deaf = Attacker::join(net.victim(), genesis, &stranger(n));
            for id in 0..scale(500, 5_000) as u64 {
                let question = GetBlocks { id, from: Height(1), count: 64 };
                if deaf.say(&Packet::GetBlocks(question)).is_err() {
                    break;
                }
            }
            deaf
        })
        .collect();
    half.wait_closed();
    silent.wait_closed();
    let n_strangers = || net.victim().peers().iter().filter(|peer| !peer.is_masternode).count();
    wait_for("none of them", || n_strangers() == 0);
    drop(deaf);
    assert!(net.is_connected());
    net.end();
}

/// Nothing of a closed node listens, not even for a moment.
#[test]
fn the_port_of_a_closed_node_is_free_at_once() {
    let genesis = genesis(1, timecoin_core::params::BlockProduction::Interval);
    let mut listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    for _ in 0..20 {
        let settings = Config { listen: Some(listen), ..config(&genesis, &keys(0)) };
        let node = Node::open(settings).unwrap();
        node.start().unwrap();
        listen = node.listen_address().unwrap();
        let mut peer = Attacker::join(&node, &genesis, &stranger(0));
        peer.wait_heard().unwrap();
        node.close(LONG).unwrap();
        TcpListener::bind(listen).unwrap();
        peer.wait_closed();
    }
}
