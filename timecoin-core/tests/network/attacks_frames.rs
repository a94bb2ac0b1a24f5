//! Attacks with records, frames and packets.

use timecoin_core::network::{GetBlocks, Packet, Ping, Refusal};
use timecoin_core::types::encode::encode;
use timecoin_core::types::hash::Hash256;
use timecoin_core::types::message::{Message, Request};
use timecoin_core::{Height, KeyPair, PeerInfo, Txid};

use crate::attacker::*;
use crate::attacks::*;

fn txids(from: u64, n: u64) -> Vec<Txid> {
    let id = |n: u64| {
        let mut bytes = [9; 32];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        Txid::from_bytes(bytes)
    };
    (from..from + n).map(id).collect()
}

fn info(net: &Attacked, keys: &KeyPair) -> Option<PeerInfo> {
    net.victim().peers().into_iter().find(|peer| peer.key == keys.public())
}

/// A compressed frame, and how long it says that it is.
fn packed(frame: &[u8], bytes: u32) -> Vec<u8> {
    [&[255], &bytes.to_be_bytes()[..], &lz4_flex::block::compress(frame)].concat()
}

/// No type of the wire holds itself, so that nothing nests without end; lengths inside are
/// believed only as far as bytes follow.
#[test]
fn what_is_no_frame_or_packet_ends_the_connection_and_bans_the_key() {
    let net = Attacked::begin();
    let genesis = &net.cluster.genesis;
    let request = encode(&Packet::Message(Message::Request(Request::Decided(Height(1)))));
    let longer = [&encode(&Packet::GetAddresses)[..], &[0]].concat();
    let ids = |n: u32| [&[8][..], &n.to_le_bytes()].concat();
    let streams: Vec<(&str, u8, Vec<u8>)> = vec![
        ("4 GB announced", BLOCKS, u32::MAX.to_be_bytes().to_vec()),
        ("more than the largest frame", VOTES, 8_000_001_u32.to_be_bytes().to_vec()),
        ("more than an inventory", CONTROL, 400_001_u32.to_be_bytes().to_vec()),
        ("an empty frame", VOTES, framed(&[])),
        ("an unknown packet", CONTROL, framed(&[200])),
        ("an unknown message", VOTES, framed(&[0, 99])),
        ("no message at all", VOTES, framed(&[0])),
        ("a question among votes", VOTES, framed(&request)),
        ("a packet among blocks", BLOCKS, framed(&encode(&Packet::GetAddresses))),
        ("half a packet", CONTROL, framed(&[3, 1, 2])),
        ("a byte too many", CONTROL, framed(&longer)),
        ("4,294,967,295 ids of which none follows", CONTROL, framed(&ids(u32::MAX))),
        ("more ids than one may name", CONTROL, {
            framed(&encode(&Packet::Inventory(txids(0, 10_001))))
        }),
        ("more questions than one may ask", CONTROL, {
            framed(&encode(&Packet::GetTransactions(txids(0, 1_001))))
        }),
        ("half the head of a compressed frame", SYNC, framed(&[255, 0])),
        ("a compressed frame of 4 GB", SYNC, framed(&packed(&[], u32::MAX))),
        ("zeros, 8 MB of them in 32 kB", SYNC, framed(&packed(&vec![0; 8_000_000], 8_000_000))),
        ("more than it says", SYNC, framed(&packed(&[0; 10_000], 1_000))),
        ("less than it says", SYNC, framed(&packed(&[0; 10_000], 100_000))),
        ("compressed twice", SYNC, {
            let once = packed(&[0; 10_000], 10_000);
            framed(&packed(&once, u32::try_from(once.len()).unwrap()))
        }),
        ("a compressed packet among votes", VOTES, {
            let packet = encode(&Packet::GetAddresses);
            framed(&packed(&packet, u32::try_from(packet.len()).unwrap()))
        }),
    ];
    for (position, (what, class, bytes)) in streams.into_iter().enumerate() {
        let keys = stranger(position);
        let mut attacker = Attacker::join(net.victim(), genesis, &keys);
        attacker.say_stream(class, &bytes).unwrap();
        attacker.wait_closed();
        net.wait_banned(&keys.public());
        let mut again = Attacker::encrypt(net.victim());
        let hello = again.hello(genesis, &keys);
        again.say(&Packet::Hello(Box::new(hello))).unwrap();
        assert_eq!(again.hear().unwrap(), Packet::Refused(Refusal::Banned), "{what}");
    }
    net.end();
}

#[test]
fn what_is_no_record_ends_the_connection() {
    let net = Attacked::begin();
    let genesis = &net.cluster.genesis;
    let records: [&[u8]; 4] =
        [&[9, 0, 1, 0], &[CONTROL, 0, 2, 0], &[CONTROL, 0], &[CONTROL, 0xff, 0xff, 1]];
    for (position, record) in records.into_iter().enumerate() {
        let keys = stranger(position);
        let mut attacker = Attacker::join(net.victim(), genesis, &keys);
        attacker.say_record(record).unwrap();
        attacker.wait_closed();
        net.wait_banned(&keys.public());
    }
    // What does not decrypt may be anybody's doing between the two, and bans nobody.
    for sealed in [&[0, 20][..], &[0, 0], &[0xff, 0xff]] {
        let keys = stranger(100);
        let mut attacker = Attacker::join(net.victim(), genesis, &keys);
        let bytes = [sealed, &[0; 70_000]].concat();
        let _ = attacker.say_plainly(&bytes);
        attacker.wait_closed();
    }
    net.end();
}

/// Each attacker holds four frames that lack their last byte, 32 MB. Who holds most has to go
/// when all of them hold more than 128 MB, and masternodes stay, whose blocks must come through.
#[test]
fn frames_without_an_end_take_no_more_memory_than_all_may() {
    let net = Attacked::begin();
    let n_attackers = scale(7, 26);
    let mut attackers = Vec::new();
    let mut n_through = 0;
    for position in 0..n_attackers {
        let keys = stranger(position);
        let mut attacker = Attacker::join(net.victim(), &net.cluster.genesis, &keys);
        let unfinished = vec![0; 7_999_999 + 4];
        let announced = [&8_000_000_u32.to_be_bytes()[..], &unfinished[4..]].concat();
        let is_through = [VOTES, TRANSACTIONS, BLOCKS, SYNC]
            .into_iter()
            .all(|class| attacker.say_stream(class, &announced).is_ok());
        n_through += usize::from(is_through);
        attackers.push(attacker);
    }
    let is_gone = |position: usize| info(&net, &stranger(position)).is_none();
    crate::testkit::wait_for("room", || (0..n_attackers).filter(|n| is_gone(*n)).count() >= 2);
    assert!(n_through > 0 && net.is_connected());
    net.end();
}

/// Far more than its rate lets through: what is over it is lost, and nobody is blamed.
#[test]
fn a_flood_of_valid_frames_is_cut_to_the_rate() {
    let net = Attacked::begin();
    let keys = stranger(0);
    let mut attacker = Attacker::join(net.victim(), &net.cluster.genesis, &keys);
    let ping = framed(&encode(&Packet::Ping(Ping { nonce: 1, tip: tip(0) })));
    let pings = ping.repeat(1_000);
    for _ in 0..scale(200, 5_000) {
        attacker.say_stream(CONTROL, &pings).unwrap();
    }
    let is_cut = || info(&net, &keys).is_some_and(|peer| peer.dropped.0 > 0);
    crate::testkit::wait_for("frames over the rate", is_cut);
    assert!(net.is_connected());
    net.end();
}

/// A peer names ever more transactions that nobody has. It is asked for no more of them at a time
/// than an inventory holds, and others' are asked for as ever.
#[test]
fn inventories_of_nothing_leave_room_for_others() {
    let net = Attacked::begin();
    let genesis = &net.cluster.genesis;
    let mut flood = Attacker::join(net.victim(), genesis, &stranger(0));
    let n_packets = scale(20, 500) as u64;
    for n in 0..n_packets {
        flood.say(&Packet::Inventory(txids(n * 10_000, 10_000))).unwrap();
    }
    let mut other = Attacker::join(net.victim(), genesis, &stranger(1));
    let mut named = txids(1 << 40, 1);
    other.say(&Packet::Inventory(named.clone())).unwrap();
    let asked = other.hear_of(|packet| match packet {
        Packet::GetTransactions(asked) => Some(asked),
        _ => None,
    });
    assert_eq!(asked.unwrap(), named);
    // What was pending is told once, and asked for bit by bit: of ten packets nine make no question.
    named.extend(txids(1 << 41, 9_999));
    for _ in 0..10 {
        other.say(&Packet::Pending(named.clone())).unwrap();
    }
    other.say(&Packet::Ping(Ping { nonce: 77, tip: tip(0) })).unwrap();
    let mut n_questions = 0;
    let counted = other.hear_of(|packet| match packet {
        Packet::Message(Message::Request(Request::Transactions(_))) => {
            n_questions += 1;
            None
        }
        Packet::Pong(pong) => (pong.nonce == 77).then_some(()),
        _ => None,
    });
    counted.unwrap();
    assert!((1..10).contains(&n_questions), "{n_questions}");
    net.end();
}

/// Ranges that are empty, endless, beyond the end, inverted as far as a count can be, or asked
/// for again and again. Each is answered, with nothing where there is nothing.
#[test]
fn questions_for_absurd_ranges_are_answered_with_nothing() {
    let net = Attacked::begin();
    let genesis = &net.cluster.genesis;
    crate::testkit::wait_for("blocks", || net.victim().tip().height.0 >= 3);
    let keys = stranger(0);
    let mut attacker = Attacker::join(net.victim(), genesis, &keys);
    let ask = |attacker: &mut Attacker, id: u64, from: u64, count: u16| {
        attacker.say(&Packet::GetBlocks(GetBlocks { id, from: Height(from), count })).unwrap();
        let answer = attacker.hear_of(|packet| match packet {
            Packet::Blocks(blocks) if blocks.id == id => Some(blocks.blocks.len()),
            _ => None,
        });
        answer.unwrap()
    };
    let absurd = [(0, 64), (1, 0), (1, 65), (1, u16::MAX), (u64::MAX, 64), (1 << 40, 1)];
    for (id, (from, count)) in (0..).zip(absurd) {
        assert_eq!(ask(&mut attacker, id, from, count), 0, "{count} from {from}");
    }
    assert_eq!(ask(&mut attacker, 100, 2, 2), 2);
    // One peer does not take all the places of those who answer.
    for id in 0..scale(1_000, 100_000) as u64 {
        let question = GetBlocks { id: 1_000 + id, from: Height(1), count: 64 };
        attacker.say(&Packet::GetBlocks(question)).unwrap();
    }
    let mut other = Attacker::join(net.victim(), genesis, &stranger(1));
    assert_eq!(ask(&mut other, 1, 1, 3), 3);
    for height in [0, u64::MAX] {
        let question = Message::Request(Request::Decided(Height(height)));
        other.say(&Packet::Message(question)).unwrap();
    }
    other.wait_heard().unwrap();
    // More than a question may name: eleven times, since points are forgiven with time.
    for _ in 0..11 {
        let question = Message::Request(Request::Transactions(txids(0, 10_001)));
        let _ = other.say(&Packet::Message(question));
    }
    net.wait_banned(&stranger(1).public());
    net.end();
}

/// A position of a block that is named again and again would make an answer of any length.
#[test]
fn questions_for_parts_of_proposals_are_answered_once_for_each_part() {
    let net = Attacked::begin();
    let keys = stranger(0);
    let mut attacker = Attacker::join(net.victim(), &net.cluster.genesis, &keys);
    let proposed = attacker.hear_of(|packet| match packet {
        Packet::Proposal(proposal) => Some(proposal.header.hash()),
        _ => None,
    });
    let positions = vec![0; 100_000];
    attacker.say(&Packet::GetProposed(proposed.unwrap(), positions)).unwrap();
    // Nor is there an answer for what was never proposed.
    let any = Hash256::from_bytes([3; 32]).into();
    let _ = attacker.say(&Packet::GetProposed(any, vec![0; 1_000]));
    let n_answers = std::iter::from_fn(|| attacker.hear().ok())
        .filter(|packet| matches!(packet, Packet::Proposed(..)))
        .count();
    assert_eq!(n_answers, 0);
    assert!(net.wait_disconnected(&keys.public()).contains("Unrequested"));
    net.end();
}
