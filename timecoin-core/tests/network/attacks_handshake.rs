//! Attacks on the beginning of a connection.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};

use timecoin_core::network::{Attach, Hello, Packet, Refusal, VERSIONS};
use timecoin_core::types::hash::ChainId;
use timecoin_core::{Config, KeyPair, Node};

use crate::attacker::*;
use crate::attacks::*;
use crate::testkit::*;

/// 64 of them are listened to, for 5 s each; the others are closed at once.
#[test]
fn a_thousand_slow_handshakes_hold_no_more_than_their_places() {
    let net = Attacked::begin();
    let mut slow: Vec<_> = (0..scale(300, 1_000)).map(|_| dial(net.victim())).collect();
    for stream in &mut slow {
        // A socket that is closed already may take it or not.
        let _ = stream.write_all(&[0]);
    }
    assert!(net.is_connected());
    slow.iter_mut().for_each(wait_closed);
    let mut peer = Attacker::join(net.victim(), &net.cluster.genesis, &stranger(0));
    peer.wait_heard().unwrap();
    net.end();
}

#[test]
fn what_is_no_handshake_is_closed() {
    let net = Attacked::begin_beside();
    let forms: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\nHost: node\r\n\r\n",
        &[0; 64],
        &[0xff; 64],
        // A length that is allowed, and no point of the curve that anybody knows the secret of.
        &[&[0, 32][..], &[0; 32]].concat(),
        // More than a handshake message may be.
        &[&[0, 129][..], &[1; 129]].concat(),
        &[0, 32, 1, 2, 3],
    ];
    let mut streams = forms.map(|form| {
        let mut stream = dial(net.victim());
        stream.write_all(form).unwrap();
        stream
    });
    streams.iter_mut().for_each(wait_closed);
    net.end();
}

#[test]
fn a_peer_that_can_be_none_is_told_why() {
    let net = Attacked::begin();
    let (genesis, victim) = (&net.cluster.genesis, net.victim());
    let refusal = |attacker: &mut Attacker, hello| {
        attacker.say(&Packet::Hello(Box::new(hello))).unwrap();
        let told = attacker.hear_of(|packet| match packet {
            Packet::Refused(refusal) => Some(refusal),
            _ => None,
        });
        attacker.wait_closed();
        told.unwrap()
    };

    let mut attacker = Attacker::encrypt(victim);
    let other = ChainId::from_bytes([1; 32]);
    let hello = attacker.hello(genesis, &stranger(0));
    let chain = refusal(&mut attacker, Hello { chain_id: other, ..hello });
    assert_eq!(chain, Refusal::Chain { chain_id: genesis.chain_id() });

    for versions in [(0, 0), (2, 9), (2, 1)] {
        let mut attacker = Attacker::encrypt(victim);
        let hello = attacker.hello(genesis, &stranger(0));
        let version = refusal(&mut attacker, Hello { versions, ..hello });
        assert_eq!(version, Refusal::Version { speaks: VERSIONS });
    }

    // Another masternode's key, which its holder alone can prove; and a proof that was one on
    // another connection.
    let mut attacker = Attacker::encrypt(victim);
    let mut hello = attacker.hello(genesis, &stranger(0));
    hello.node_key = net.cluster.keys[1].public();
    assert_eq!(refusal(&mut attacker, hello), Refusal::BadProof);
    let old = Attacker::encrypt(victim).hello(genesis, &net.cluster.keys[1]);
    assert_eq!(refusal(&mut Attacker::encrypt(victim), old), Refusal::BadProof);
    assert!(net.is_connected());

    let mut attacker = Attacker::encrypt(victim);
    let hello = attacker.hello(genesis, &net.cluster.keys[0]);
    assert_eq!(refusal(&mut attacker, hello), Refusal::Itself);
    net.end();
}

/// A second connection belongs to a peer that has a first, proves the same key, and is one.
#[test]
fn connections_for_blocks_are_taken_from_peers_only_and_once() {
    let net = Attacked::begin();
    let genesis = &net.cluster.genesis;
    let attach = |named: &KeyPair, signs: &KeyPair| {
        let mut second = Attacker::encrypt(net.victim());
        let (node_key, proof) = (named.public(), second.prove(signs));
        second.say(&Packet::Attach(Attach { node_key, proof })).unwrap();
        let answer = second.hear().unwrap();
        (second, answer)
    };
    let (own, masternode) = (stranger(0), &net.cluster.keys[3]);
    assert_eq!(attach(&own, &own).1, Packet::Refused(Refusal::Unconnected));
    let mut first = Attacker::join(net.victim(), genesis, &own);
    assert_eq!(attach(&own, &stranger(1)).1, Packet::Refused(Refusal::BadProof));
    // The victim's other masternodes have theirs.
    assert_eq!(attach(masternode, &own).1, Packet::Refused(Refusal::BadProof));
    let (mut second, answer) = attach(&own, &own);
    assert!(matches!(answer, Packet::Attach(_)));
    assert_eq!(attach(&own, &own).1, Packet::Refused(Refusal::Duplicate));
    // The end of one is the end of both, also where it ends with garbage.
    second.say_frame(BLOCKS, &[99]).unwrap();
    second.wait_closed();
    first.wait_closed();
    net.wait_banned(&own.public());
    assert!(net.is_connected());
    net.end();
}

#[test]
fn what_is_no_hello_ends_the_connection() {
    let net = Attacked::begin();
    let genesis = &net.cluster.genesis;
    let long = vec![0; 70_000];
    let forms: [(u8, &[u8]); 6] = [
        (CONTROL, &framed(&[1])),
        (CONTROL, &framed(&long)),
        (CONTROL, &u32::MAX.to_be_bytes()),
        (BLOCKS, &framed(&[0])),
        (VOTES, &framed(&[0])),
        // GetAddresses, before anybody has said who it is.
        (CONTROL, &framed(&[6])),
    ];
    for (class, bytes) in forms {
        let mut attacker = Attacker::encrypt(net.victim());
        // It may be closed before all is said.
        let _ = attacker.say_stream(class, bytes);
        attacker.wait_closed();
    }
    let mut attacker = Attacker::encrypt(net.victim());
    let mut hello = attacker.hello(genesis, &stranger(0));
    hello.agent = "x".repeat(65);
    attacker.say(&Packet::Hello(Box::new(hello))).unwrap();
    attacker.wait_closed();
    // A second Hello is one too many.
    let mut attacker = Attacker::join(net.victim(), genesis, &stranger(0));
    let hello = attacker.hello(genesis, &stranger(0));
    attacker.say(&Packet::Hello(Box::new(hello))).unwrap();
    attacker.wait_closed();
    net.end();
}

/// Whoever answers where a masternode should be must prove to be it.
#[test]
fn who_answers_in_the_place_of_a_masternode_is_refused() {
    let net = Attacked::begin();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let expected = stranger(7).public();
    let address = listener.local_addr().unwrap();
    net.victim().connect(&format!("{expected}@{address}")).unwrap();
    let mut attacker = Attacker::accept(&listener);
    let hello = attacker.hello(&net.cluster.genesis, &stranger(0));
    attacker.say(&Packet::Hello(Box::new(hello))).unwrap();
    let refusal = attacker.hear_of(|packet| match packet {
        Packet::Refused(refusal) => Some(refusal),
        _ => None,
    });
    assert_eq!(refusal.unwrap(), Refusal::BadProof);
    assert!(net.victim().peers().iter().all(|peer| peer.key != expected));
    net.end();
}

#[test]
fn a_node_that_dials_itself_does_not_become_its_own_peer() {
    let genesis = genesis(1, timecoin_core::params::BlockProduction::Interval);
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let config = Config {
        listen: Some(free),
        peers: vec![free.to_string().parse().unwrap()],
        ..config(&genesis, &keys(0))
    };
    let node = Node::open(config).unwrap();
    node.start().unwrap();
    let height = timecoin_core::Height(node.tip().height.0 + 10);
    wait_for("height", || node.tip().height >= height);
    assert_eq!(node.peers(), []);
}
