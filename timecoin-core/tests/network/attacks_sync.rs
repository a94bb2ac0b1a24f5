//! Attacks on a node that fetches blocks: claims that nobody can prove, and wrong answers.

use timecoin_core::network::{Blocks, GetBlocks, Packet};
use timecoin_core::params::BlockProduction;
use timecoin_core::{Decided, Epoch, Height, KeyPair, Node};

use crate::attacker::*;
use crate::attacks::*;
use crate::testkit::*;

/// A peer that claims more blocks than there are, and waits to be asked for them.
fn claim(net: &Attacked, node: &Node, keys: &KeyPair) -> Attacker {
    claim_height(net, node, keys, u64::MAX)
}

fn claim_height(net: &Attacked, node: &Node, keys: &KeyPair, height: u64) -> Attacker {
    let mut attacker = Attacker::join(node, &net.cluster.genesis, keys);
    attacker.say(&Packet::Tip(tip(height))).unwrap();
    attacker
}

fn hear_question(attacker: &mut Attacker) -> GetBlocks {
    let asked = attacker.hear_of(|packet| match packet {
        Packet::GetBlocks(question) => Some(question),
        _ => None,
    });
    asked.unwrap()
}

/// Some blocks of the victim.
fn blocks(net: &Attacked, from: u64, n: u64) -> Vec<Decided> {
    wait_for("blocks", || net.victim().tip().height.0 >= from + n);
    let block = |height| net.victim().block(Height(height)).unwrap().unwrap();
    (from..from + n).map(block).collect()
}

/// A node that begins while liars tell it of blocks that there are not, and say nothing more.
#[test]
fn claims_that_nobody_proves_keep_no_newcomer_from_the_tip() {
    let net = Attacked::begin_beside();
    blocks(&net, 1, 30);
    let newcomer = Node::open(config(&net.cluster.genesis, &stranger(100))).unwrap();
    newcomer.start().unwrap();
    let liars: Vec<Attacker> = (0..scale(5, 30))
        .map(|n| {
            let mut liar = claim(&net, &newcomer, &stranger(n));
            hear_question(&mut liar);
            liar
        })
        .collect();
    newcomer.connect(&target(&net.cluster.nodes[1])).unwrap();
    let height = net.victim().tip().height;
    wait_for("the newcomer's blocks", || newcomer.tip().height >= height);
    drop(liars);
    net.end();
}

/// Wrong answers of every kind to a newcomer's questions. It bans who can only be lying, and gets
/// its blocks from an honest peer.
#[test]
fn wrong_answers_cost_their_senders_and_not_the_sync() {
    let net = Attacked::begin();
    let genesis = &net.cluster.genesis;
    let real = blocks(&net, 1, 12);
    let elsewhere = {
        let cluster = Cluster::of(self::genesis(1, BlockProduction::Interval), 1, 0);
        let node = &cluster.nodes[0];
        wait_for("another chain", || node.tip().height.0 >= 2);
        vec![node.block(Height(1)).unwrap().unwrap(), node.block(Height(2)).unwrap().unwrap()]
    };
    let unsigned: Vec<Decided> = real
        .iter()
        .cloned()
        .map(|mut decided| {
            decided.certificate.seals.clear();
            decided
        })
        .collect();
    let twice = vec![real[0].clone(), real[0].clone()];
    let later = real[5..].to_vec();
    let swapped = vec![real[1].clone(), real[0].clone()];
    let mixed = vec![Decided { certificate: real[1].certificate.clone(), ..real[0].clone() }];
    // Its masternodes are none that the newcomer knows yet.
    let mut of_later = real.clone();
    of_later.iter_mut().for_each(|decided| decided.certificate.epoch = Epoch(7));
    let newcomer = Node::open(config(genesis, &stranger(100))).unwrap();
    newcomer.start().unwrap();
    let events = newcomer.subscribe();
    let wrong = [elsewhere, unsigned, twice, later, swapped, mixed, of_later];
    for (position, blocks) in wrong.into_iter().enumerate() {
        let keys = stranger(position);
        // So near that blocks are asked for without headers.
        let mut liar = claim_height(&net, &newcomer, &keys, real.len() as u64);
        // It is asked again if its wrong answer was only useless.
        for _ in 0..10 {
            let Ok(question) = liar.hear_of(|packet| match packet {
                Packet::GetBlocks(question) => Some(question),
                _ => None,
            }) else {
                break;
            };
            let answer = Blocks { id: question.id, blocks: blocks.clone() };
            let _ = liar.say(&Packet::Blocks(answer));
        }
        wait_banned(&events, &keys.public());
    }
    assert_eq!(newcomer.tip().height, Height(0));
    newcomer.connect(&target(&net.cluster.nodes[1])).unwrap();
    let height = net.victim().tip().height;
    wait_for("the newcomer's blocks", || newcomer.tip().height >= height);
    assert_eq!(newcomer.block(Height(1)).unwrap().unwrap().block, real[0].block);
    net.end();
}

/// Answers that nobody asked for: eleven are a ban.
#[test]
fn answers_that_nobody_asked_for_ban_their_sender() {
    let net = Attacked::begin();
    let keys = stranger(0);
    let mut attacker = Attacker::join(net.victim(), &net.cluster.genesis, &keys);
    let blocks = blocks(&net, 1, 2);
    for id in 0..20 {
        let answer = Blocks { id, blocks: blocks.clone() };
        let _ = attacker.say(&Packet::Blocks(answer));
    }
    net.wait_banned(&keys.public());
    let garbage = stranger(1);
    let mut attacker = Attacker::join(net.victim(), &net.cluster.genesis, &garbage);
    attacker.say_frame(SYNC, &[15; 1_000]).unwrap();
    net.wait_banned(&garbage.public());
    let many = stranger(2);
    let mut attacker = Attacker::join(net.victim(), &net.cluster.genesis, &many);
    let answer = Blocks { id: 0, blocks: vec![blocks[0].clone(); 65] };
    for _ in 0..20 {
        let answer = Packet::Blocks(answer.clone());
        let _ = attacker.say(&answer);
        attacker = match attacker.wait_heard() {
            Ok(()) => attacker,
            Err(_) => break,
        };
    }
    attacker.wait_closed();
    net.end();
}

/// An answer that comes a byte at a time is not waited for longer than one that does not come.
#[test]
fn an_answer_of_one_byte_at_a_time_keeps_nobody_waiting() {
    let net = Attacked::begin_beside();
    let real = blocks(&net, 1, 30);
    let newcomer = Node::open(config(&net.cluster.genesis, &stranger(100))).unwrap();
    newcomer.start().unwrap();
    let mut slow = claim(&net, &newcomer, &stranger(0));
    let question = hear_question(&mut slow);
    let answer = Packet::Blocks(Blocks { id: question.id, blocks: real });
    let bytes = framed(&timecoin_core::types::encode::encode(&answer));
    newcomer.connect(&target(&net.cluster.nodes[1])).unwrap();
    let height = net.victim().tip().height;
    let mut sent = bytes.iter();
    wait_for("the newcomer's blocks", || {
        if let Some(byte) = sent.next() {
            slow.say_stream(SYNC, &[*byte]).unwrap();
        }
        newcomer.tip().height >= height
    });
    net.end();
}

/// The victim is at the tip, and a peer claims to be far above it, or at the same height with
/// another block, with every ping.
#[test]
fn claims_against_a_node_at_the_tip_cost_a_question_each() {
    let net = Attacked::begin();
    let mut attacker = claim(&net, net.victim(), &stranger(0));
    let question = hear_question(&mut attacker);
    assert!(question.from <= net.victim().tip().height.next());
    let height = net.victim().tip().height.0;
    for n in 0..scale(1_000, 100_000) as u64 {
        attacker.say(&Packet::Tip(tip(height + n % 3))).unwrap();
    }
    let heard = attacker.wait_heard();
    assert!(heard.is_ok(), "{}", net.wait_disconnected(&stranger(0).public()));
    let before = net.victim().tip().height;
    wait_for("blocks", || net.victim().tip().height.0 > before.0 + 3);
    net.end();
}

/// Regtest without an interval makes no block of its own: what is compared stays the same.
#[test]
fn a_differing_block_is_asked_for_once_for_each_height() {
    use timecoin_core::types::message::{Message, Request};
    let cluster = Cluster::of(genesis(1, BlockProduction::OnDemand), 1, 0);
    let mut attacker = Attacker::join(&cluster.nodes[0], &cluster.genesis, &stranger(0));
    let height = cluster.nodes[0].tip().height;
    for _ in 0..100 {
        attacker.say(&Packet::Tip(tip(height.0))).unwrap();
        let other = timecoin_core::network::PeerTip {
            hash: timecoin_core::BlockHash::from_bytes([1; 32]),
            ..tip(height.0)
        };
        attacker.say(&Packet::Tip(other)).unwrap();
    }
    attacker.say(&Packet::Ping(timecoin_core::network::Ping { nonce: 9, tip: tip(0) })).unwrap();
    let mut n_asked = 0;
    let heard = attacker.hear_of(|packet| match packet {
        Packet::Message(Message::Request(Request::Decided(_))) => {
            n_asked += 1;
            None
        }
        Packet::Pong(pong) => (pong.nonce == 9).then_some(()),
        _ => None,
    });
    heard.unwrap();
    assert_eq!(n_asked, 1);
}
