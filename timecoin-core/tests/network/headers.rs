//! Headers over sockets: through the end of an epoch in which a masternode joins, and of peers
//! that lie about them.

use timecoin_core::network::{GetHeaders, HEADERS_MAX, Headers, Packet};
use timecoin_core::params::BlockProduction;
use timecoin_core::sync::headers::{Anchor, HeaderPage, HeaderRules};
use timecoin_core::types::encode::encode;
use timecoin_core::types::transaction::{Registration, Transaction, TxKind, TxOutput};
use timecoin_core::{
    Amount, BlockHash, Chain, Height, KeyPair, MasternodeSet, Node, NodeEventKind, Signature,
};

use crate::attacker::*;
use crate::attacks::{stranger, wait_banned, wait_event};
use crate::testkit::*;

/// A chain of one masternode that a second one joins at the end of the first epoch.
struct Grown {
    genesis: timecoin_core::Genesis,
    nodes: Vec<Node>,
}

impl Grown {
    fn begin() -> Self {
        let mut genesis = genesis(1, BlockProduction::Interval);
        genesis.params.block_interval_ms = 20;
        genesis.params.epoch_blocks = EPOCH_BLOCKS;
        genesis.params.masternode_collateral = one();
        let founder = Node::open(config(&genesis, &keys(0))).unwrap();
        let mut joining = config(&genesis, &keys(1));
        (joining.masternode_key, joining.node_key) = (Some(keys(1)), None);
        let joiner = Node::open(joining).unwrap();
        founder.start().unwrap();
        joiner.start().unwrap();
        joiner.connect(&target(&founder)).unwrap();
        wait_for("peers", || founder.peers().len() == 1 && joiner.peers().len() == 1);
        let txid = founder.submit_transaction(registration(&founder, &keys(1))).unwrap();
        founder.wait_confirmed(&txid, LONG).unwrap();
        let grown = Grown { genesis, nodes: vec![founder, joiner] };
        wait_for("a second masternode", || grown.founder().masternodes().len() == 2);
        wait_for("blocks", || grown.founder().tip().height.0 > EPOCH_BLOCKS + 60);
        grown
    }

    fn founder(&self) -> &Node {
        &self.nodes[0]
    }

    fn anchor(&self) -> Anchor {
        let masternodes = self.genesis.masternode_set().unwrap();
        let hash = BlockHash::from_genesis(&self.genesis.chain_id());
        Anchor { height: Height(0), hash, masternodes }
    }

    /// The headers of a node, as it serves them.
    fn headers(&self) -> HeaderPage {
        let mut asker = Attacker::join(self.founder(), &self.genesis, &stranger(50));
        let question = GetHeaders { id: 7, from: Height(1), count: HEADERS_MAX };
        asker.say(&Packet::GetHeaders(question)).unwrap();
        let answer = asker.hear_of(|packet| match packet {
            Packet::Headers(answer) => Some(answer),
            _ => None,
        });
        let answer = answer.unwrap();
        assert_eq!(answer.id, 7);
        answer.page
    }
}

/// Locks a collateral for a masternode.
pub fn registration(node: &Node, masternode: &KeyPair) -> Transaction {
    let address = owner().address();
    let coins = node.utxos_of(&address, None, 1).unwrap();
    let outpoint = coins[0].outpoint;
    let change = coins[0].output.value.units() - one().units() - one().units();
    let kind = TxKind::RegisterMasternode(Box::new(Registration {
        consensus_key: masternode.public(),
        payout: masternode.address(),
        network_address: String::new(),
        collateral_vout: 0,
        proof: Signature::from_bytes([0; 64]),
    }));
    let output = |value| TxOutput { value, address };
    let outputs = vec![output(one()), output(Amount::from_units(change))];
    let mut transaction = Transaction::unsigned(&[(outpoint, owner().public())], outputs, kind);
    let chain_id = node.genesis().chain_id();
    transaction.sign_all(&chain_id, &owner());
    let message = Transaction::registration_message(&chain_id, &transaction.txid());
    if let TxKind::RegisterMasternode(registration) = &mut transaction.kind {
        registration.proof = masternode.sign(message.as_bytes());
    }
    transaction
}

#[test]
fn headers_lead_a_newcomer_through_a_change_of_the_set() {
    let grown = Grown::begin();
    let page = grown.headers();
    let chain = Chain::new(grown.genesis.clone()).unwrap();
    let epoch_of = |height| chain.params().epoch_of(height);
    let rules = HeaderRules { chain_id: chain.id(), epoch_of: &epoch_of };
    let followed = rules.follow(&grown.anchor(), &page).unwrap();
    assert_eq!(followed.end.masternodes.len(), 2);
    let own = grown.founder().block(followed.end.height).unwrap().unwrap();
    assert_eq!(followed.end.hash, own.block.hash());

    let newcomer = Node::open(config(&grown.genesis, &stranger(60))).unwrap();
    newcomer.start().unwrap();
    grown.nodes.iter().for_each(|node| newcomer.connect(&target(node)).unwrap());
    let height = grown.founder().tip().height;
    wait_for("the newcomer's blocks", || newcomer.tip().height >= height);
    assert_eq!(newcomer.masternodes(), grown.founder().masternodes());
}

/// What liars answer, in turn: another set at the boundary, signed by itself; headers without a
/// quorum; headers of nothing.
#[test]
fn lies_about_headers_cost_their_sender_and_not_the_sync() {
    let grown = Grown::begin();
    let page = grown.headers();
    let last = usize::try_from(EPOCH_BLOCKS).unwrap() - 1;
    let stranger_set = {
        let mut members = page.links[last].next_members.clone().unwrap();
        members[0].consensus_key = stranger(90).public();
        MasternodeSet::new(members).unwrap()
    };
    let mut forged = page.clone();
    forged.links.truncate(last + 1);
    let link = &mut forged.links[last];
    link.header.next_masternode_set = stranger_set.hash();
    link.next_members = Some(stranger_set.members().to_vec());
    let mut unproved = page.clone();
    unproved.certificate.as_mut().unwrap().seals.clear();
    let mut other_members = page.clone();
    other_members.links[last].next_members = Some(stranger_set.members().to_vec());
    let newcomer = Node::open(config(&grown.genesis, &stranger(61))).unwrap();
    newcomer.start().unwrap();
    let events = newcomer.subscribe();
    for (n, page) in [forged, unproved, other_members].into_iter().enumerate() {
        let liar = answer_headers(&newcomer, &grown, n, &page);
        wait_banned(&events, &stranger(n).public());
        drop(liar);
    }
    // Who only has nothing to show is no liar for certain, and is asked less.
    let _idle = answer_headers(&newcomer, &grown, 9, &HeaderPage::default());
    assert_eq!(newcomer.tip().height, Height(0));
    newcomer.connect(&target(grown.founder())).unwrap();
    let height = grown.founder().tip().height;
    wait_for("the newcomer's blocks", || newcomer.tip().height >= height);
    let (ours, theirs) = (newcomer.block(height).unwrap(), grown.founder().block(height).unwrap());
    assert_eq!(ours.unwrap().block, theirs.unwrap().block);
}

/// Joins a node, claims more blocks than there are, and answers its first question for headers.
fn answer_headers(node: &Node, grown: &Grown, n: usize, page: &HeaderPage) -> Attacker {
    let mut liar = Attacker::join(node, &grown.genesis, &stranger(n));
    liar.say(&Packet::Tip(tip(u64::MAX))).unwrap();
    let id = liar.hear_of(|packet| match packet {
        Packet::GetHeaders(question) => Some(question.id),
        _ => None,
    });
    let answer = Headers { id: id.unwrap(), page: page.clone() };
    liar.say(&Packet::Headers(answer)).unwrap();
    liar
}

/// A masternode that runs twice decides two chains. Who has blocks of the one and is shown headers
/// of the other stops.
#[test]
fn headers_of_another_chain_are_a_safety_violation() {
    let genesis = genesis(1, BlockProduction::OnDemand);
    let [one, other] = [3, 80].map(|n_blocks| {
        let node = Node::open(config(&genesis, &keys(0))).unwrap();
        node.start().unwrap();
        for _ in 0..n_blocks {
            node.produce_block(LONG).unwrap();
        }
        node
    });
    let [ours, theirs] = [&one, &other].map(|node| node.block(Height(3)).unwrap().unwrap());
    assert_ne!(ours.block.hash(), theirs.block.hash());
    let newcomer = Node::open(config(&genesis, &stranger(62))).unwrap();
    newcomer.start().unwrap();
    let events = newcomer.subscribe();
    newcomer.connect(&target(&one)).unwrap();
    wait_for("blocks", || newcomer.tip().height == Height(3));
    one.close(LONG).unwrap();
    newcomer.connect(&target(&other)).unwrap();
    wait_event(&events, |event| match event {
        NodeEventKind::SafetyViolation { .. } => Some(()),
        _ => None,
    });
    assert_eq!(newcomer.tip().hash, ours.block.hash());
}

/// Questions for absurd ranges, and more of them than a node answers one peer at a time.
#[test]
fn absurd_questions_for_headers_are_answered_with_nothing() {
    let grown = Grown::begin();
    let mut asker = Attacker::join(grown.founder(), &grown.genesis, &stranger(70));
    let absurd = [(0, 1), (1, 0), (u64::MAX, 1), (1, HEADERS_MAX + 1), (1_000_000, HEADERS_MAX)];
    for (id, (from, count)) in (0..).zip(absurd) {
        let question = GetHeaders { id, from: Height(from), count };
        asker.say(&Packet::GetHeaders(question)).unwrap();
        let answer = asker.hear_of(|packet| match packet {
            Packet::Headers(answer) if answer.id == id => Some(answer.page),
            _ => None,
        });
        assert_eq!(answer.unwrap(), HeaderPage::default(), "from {from}, {count}");
    }
    for id in 100..120 {
        let question = GetHeaders { id, from: Height(1), count: HEADERS_MAX };
        asker.say(&Packet::GetHeaders(question)).unwrap();
    }
    let mut bytes = 0;
    for _ in 0..20 {
        let page = asker.hear_of(|packet| match packet {
            Packet::Headers(answer) => Some(answer.page),
            _ => None,
        });
        bytes = bytes.max(encode(&page.unwrap()).len());
    }
    assert!(bytes > 0 && bytes < 6_000_000, "{bytes} bytes");
}

const EPOCH_BLOCKS: u64 = 40;
