//! Attacks on a node that begins with the unspent outputs, by peers that it dials, and on those
//! that serve them.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use timecoin_core::network::{Attach, GetOutputs, OUTPUTS_MAX, Outputs, Packet, PeerTip};
use timecoin_core::types::encode::encode;
use timecoin_core::{Amount, ErrorCode, Genesis, Height, KeyPair, Node, OutPoint, Txid};

use crate::attacker::*;
use crate::attacks::{Attacked, scale, stranger};
use crate::snapshot::Town;
use crate::testkit::*;

/// What a liar makes of an honest answer; `n` counts them.
type Spoil = fn(packet: &mut Packet, n: usize);

/// How it sends it.
type Send = fn(victim: &mut Attacker, answer: &Packet) -> std::io::Result<()>;

/// A peer that asks a real node for what it is asked for, and spoils it.
struct Liar {
    target: String,
    n_spoiled: Arc<AtomicUsize>,
}

impl Liar {
    fn begin(town: &Town, n: usize, spoil: Spoil) -> Self {
        Self::begin_with(town, n, spoil, |victim, answer| victim.say(answer))
    }

    /// The same, with a way of its own to send what it answers.
    fn begin_with(town: &Town, n: usize, spoil: Spoil, send: Send) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let keys = stranger(1_000 + n);
        let target = format!("{}@{}", keys.public(), listener.local_addr().unwrap());
        let (node, genesis) = (town.founder().clone(), town.genesis.clone());
        let n_spoiled = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&n_spoiled);
        std::thread::spawn(move || {
            loop {
                let attacker = Attacker::accept(&listener);
                let (genesis, node, keys) = (genesis.clone(), node.clone(), keys.clone());
                let counted = Arc::clone(&counted);
                std::thread::spawn(move || {
                    // It ends with the connection.
                    let _ = lie(attacker, &node, &genesis, &keys, (spoil, send), &counted);
                });
            }
        });
        Liar { target, n_spoiled }
    }
}

fn lie(
    mut victim: Attacker,
    node: &Node,
    genesis: &Genesis,
    keys: &KeyPair,
    (spoil, send): (Spoil, Send),
    n_spoiled: &AtomicUsize,
) -> std::io::Result<()> {
    match victim.hear()? {
        Packet::Attach(_) => {
            let proof = victim.prove(keys);
            victim.say(&Packet::Attach(Attach { node_key: keys.public(), proof }))?;
            loop {
                victim.hear()?;
            }
        }
        Packet::Hello(_) => {}
        other => panic!("{other:?}"),
    }
    let tip = node.tip();
    let tip = PeerTip { height: tip.height, hash: tip.hash, ..tip_of_nobody() };
    let hello = timecoin_core::network::Hello { tip, ..victim.hello(genesis, keys) };
    victim.say(&Packet::Hello(Box::new(hello)))?;
    let mut asker = Attacker::join(node, genesis, &stranger(2_000));
    loop {
        let question = victim.hear()?;
        match question {
            Packet::GetHeaders(_)
            | Packet::GetBlocks(_)
            | Packet::GetOutputs(_)
            | Packet::GetState(_) => {}
            _ => continue,
        }
        asker.say(&question)?;
        let mut answer = asker.hear_of(|packet| match packet {
            Packet::Headers(_) | Packet::Blocks(_) | Packet::Outputs(_) | Packet::State(..) => {
                Some(packet)
            }
            _ => None,
        })?;
        spoil(&mut answer, n_spoiled.fetch_add(1, Ordering::SeqCst));
        send(&mut victim, &answer)?;
    }
}

fn tip_of_nobody() -> PeerTip {
    tip(0)
}

fn outputs_of(
    packet: &mut Packet,
) -> Option<&mut Vec<(OutPoint, timecoin_core::ledger::view::Utxo)>> {
    match packet {
        Packet::Outputs(Outputs { page: Some(page), .. }) => Some(&mut page.outputs),
        _ => None,
    }
}

const LIES: &[(&str, Spoil)] = &[
    ("an altered value", |packet, _| {
        if let Some(first) = outputs_of(packet).and_then(|outputs| outputs.first_mut()) {
            first.1.output.value = Amount::from_time(1_000_000);
        }
    }),
    ("an output left out", |packet, _| {
        if let Some(outputs) = outputs_of(packet) {
            outputs.remove(outputs.len() / 2);
        }
    }),
    ("another output", |packet, _| {
        if let Some(outputs) = outputs_of(packet) {
            let (_, utxo) = outputs[0];
            outputs.push((OutPoint::new(Txid::from_bytes([0xff; 32]), u32::MAX), utxo));
        }
    }),
    ("the wrong order", |packet, _| {
        if let Some(outputs) = outputs_of(packet) {
            outputs.reverse();
        }
    }),
    ("more than was asked for", |packet, _| {
        if let Some(outputs) = outputs_of(packet) {
            let utxo = outputs[0].1;
            let all = (0..u32::from(OUTPUTS_MAX) + 1).map(|n| (OutPoint::new(Txid::ZERO, n), utxo));
            *outputs = all.collect();
        }
    }),
    ("a height that there is not", |packet, _| {
        if let Packet::Outputs(Outputs { page: Some(page), .. }) = packet {
            page.height = Height(u64::MAX);
        }
    }),
    ("another state", |packet, _| {
        if let Packet::State(_, Some(state)) = packet {
            state.issued = Amount::from_time(1);
        }
    }),
    ("a state that nobody signed", |packet, _| {
        if let Packet::State(_, Some(state)) = packet {
            state.tip.certificate = None;
        }
    }),
    ("headers that prove nothing", |packet, _| {
        if let Packet::Headers(headers) = packet {
            headers.page.certificate.as_mut().unwrap().seals.clear();
        }
    }),
    ("answers that nobody asked for", |packet, n| {
        if n > 1 {
            *packet = Packet::State(u64::MAX, None);
        }
    }),
    ("nothing", |packet, _| match packet {
        Packet::Outputs(outputs) => outputs.page = None,
        Packet::State(_, state) => *state = None,
        Packet::Headers(headers) => headers.page = Default::default(),
        _ => {}
    }),
];

/// Whatever a liar answers, the outputs that come are those of an honest peer; of the liar alone
/// nothing comes.
#[test]
fn liars_keep_no_newcomer_from_the_outputs() {
    let town = Town::begin(64);
    wait_for("blocks", || town.founder().tip().height.0 > 30);
    for (n, (what, spoil)) in LIES.iter().enumerate() {
        let liar = Liar::begin(&town, n, *spoil);
        let alone = tempfile::tempdir().unwrap();
        let config = town.newcomer(200 + n, alone.path(), std::slice::from_ref(&liar.target));
        let nothing = Node::bootstrap(&config, Duration::from_secs(2), |_| true);
        assert_eq!(nothing.map_err(|error| error.code()), Err(ErrorCode::Timeout), "{what}");
        assert!(!alone.path().join("base").exists(), "{what}");
        assert!(liar.n_spoiled.load(Ordering::SeqCst) > 0, "{what}: it was never asked");
        let dir = tempfile::tempdir().unwrap();
        let peers = [liar.target.clone(), target(&town.nodes[1])];
        let config = town.newcomer(300 + n, dir.path(), &peers);
        let based = Node::bootstrap(&config, LONG, |_| true).unwrap();
        let decided = town.founder().block(based.height).unwrap().unwrap();
        assert_eq!(decided.block.hash(), based.hash, "{what}");
    }
}

/// Pages that come a byte at a time are not waited for longer than those that do not come.
#[test]
fn outputs_of_one_byte_at_a_time_keep_nobody_waiting() {
    let town = Town::begin(64);
    let drip: Send = |victim, answer| match answer {
        Packet::Outputs(_) => framed(&encode(answer)).iter().try_for_each(|byte| {
            std::thread::sleep(Duration::from_millis(5));
            victim.say_stream(SYNC, &[*byte])
        }),
        _ => victim.say(answer),
    };
    let liar = Liar::begin_with(&town, 100, |_, _| {}, drip);
    let dir = tempfile::tempdir().unwrap();
    let peers = [liar.target.clone(), target(&town.nodes[1])];
    let config = town.newcomer(400, dir.path(), &peers);
    let based = Node::bootstrap(&config, LONG, |_| true).unwrap();
    let decided = town.founder().block(based.height).unwrap().unwrap();
    assert_eq!(decided.block.hash(), based.hash);
}

/// The largest registry that there is: its state fits a frame many times.
#[test]
fn a_state_of_200_masternodes_fits_a_frame() {
    let masternodes: Vec<_> = (0..200).map(|n| keys(n).public()).collect();
    let mut genesis = Genesis::regtest(&masternodes, &[owner().address()]).unwrap();
    for member in &mut genesis.masternodes {
        member.network_address = format!("{}:65535", "a".repeat(250));
    }
    let chain = timecoin_core::Chain::new(genesis).unwrap();
    let state = timecoin_core::ledger::state::LedgerState::genesis(&chain);
    let packet = Packet::State(7, Some(Box::new(state)));
    let bytes = encode(&packet);
    assert!(bytes.len() > 200 * 250 && bytes.len() < 8_000_000 / 10, "{} bytes", bytes.len());
    let again: Packet =
        timecoin_core::types::encode::decode("packet", &bytes, bytes.len()).unwrap();
    assert_eq!(again, packet);
}

/// Questions for absurd ranges, and more of them than a node answers one peer at a time.
#[test]
fn absurd_questions_for_outputs_are_answered_with_nothing() {
    let net = Attacked::begin();
    wait_for("blocks", || net.victim().tip().height.0 > 2);
    let mut asker = Attacker::join(net.victim(), &net.cluster.genesis, &stranger(0));
    let last = OutPoint::new(Txid::from_bytes([0xff; 32]), u32::MAX);
    let ask = |asker: &mut Attacker, question: GetOutputs| {
        asker.say(&Packet::GetOutputs(question)).unwrap();
        let answer = asker.hear_of(|packet| match packet {
            Packet::Outputs(answer) if answer.id == question.id => Some(answer.page),
            _ => None,
        });
        answer.unwrap()
    };
    for (id, count) in [(1, 0), (2, OUTPUTS_MAX + 1), (3, u16::MAX)] {
        assert_eq!(ask(&mut asker, GetOutputs { id, after: None, count }), None);
    }
    let behind = GetOutputs { id: 4, after: Some(last), count: OUTPUTS_MAX };
    assert_eq!(ask(&mut asker, behind).unwrap().outputs, []);
    let first = ask(&mut asker, GetOutputs { id: 5, after: None, count: 3 }).unwrap();
    let next = GetOutputs { id: 6, after: first.outputs.last().map(|last| last.0), count: 3 };
    let next = ask(&mut asker, next).unwrap();
    assert!(first.outputs.len() == 3 && first.outputs[2].0 < next.outputs[0].0);
    for id in 0..scale(200, 5_000) as u64 {
        let question = GetOutputs { id, after: None, count: OUTPUTS_MAX };
        asker.say(&Packet::GetOutputs(question)).unwrap();
        asker.say(&Packet::GetState(id)).unwrap();
    }
    let heard = asker.wait_heard();
    assert!(heard.is_ok(), "{}", net.wait_disconnected(&stranger(0).public()));
    net.end();
}

/// Pages that nobody asked for: eleven are a ban.
#[test]
fn outputs_that_nobody_asked_for_ban_their_sender() {
    let net = Attacked::begin();
    let keys = stranger(0);
    let mut attacker = Attacker::join(net.victim(), &net.cluster.genesis, &keys);
    for id in 0..20 {
        let _ = attacker.say(&Packet::Outputs(Outputs { id, page: None }));
        let _ = attacker.say(&Packet::State(id, None));
    }
    net.wait_banned(&keys.public());
    net.end();
}
