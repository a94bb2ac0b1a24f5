//! Two certified blocks at one height: the node stops, and stays stopped.

use std::sync::Arc;

use tempfile::TempDir;

use super::{LONG, bob};
use crate::node::code::ErrorCode;
use crate::node::{Config, Node, NodeEventKind, NodeState, Wallet};
use crate::types::amount::Amount;
use crate::types::ballot::{Ballot, Choice, SignedBallot};
use crate::types::block::Block;
use crate::types::certificate::{CommitCertificate, Seal};
use crate::types::chain::{Epoch, Height, Round, Timestamp};
use crate::types::keys::KeyPair;
use crate::types::message::{Decided, Message};

/// What its one masternode, which has gone bad, says of a height that is decided.
fn another(node: &Node, height: Height) -> Decided {
    let decided = node.shared().storage.block(height).unwrap().unwrap();
    let mut block = Block::clone(&decided.block);
    block.header.timestamp = Timestamp(block.header.timestamp.0 + 1);
    let (epoch, round) = (Epoch::ZERO, Round::ZERO);
    let choice = Choice::Commit(block.hash());
    let ballot = Ballot { epoch, height, round, choice };
    let keys = node.shared().config.masternode_key.clone().unwrap();
    let set_hash = node.shared().published.masternodes().hash();
    let signed = SignedBallot::sign(ballot, 0, node.shared().chain.id(), &set_hash, &keys);
    let seals = vec![Seal { voter: 0, signature: signed.signature }];
    let certificate = CommitCertificate { epoch, height, round, block: block.hash(), seals };
    Decided { block: Arc::new(block), certificate }
}

fn pay(node: &Node) {
    let wallet = Wallet::new(node, Config::regtest_wallet());
    let payment = wallet.pay(&bob(), Amount::from_time(1)).unwrap();
    node.wait_confirmed(&payment.txid, LONG).unwrap();
}

/// The events of a node until it is poisoned.
fn poisoned(node: &Node, events: &crate::node::Subscription) -> (NodeEventKind, Arc<str>) {
    let mut violation = None;
    loop {
        match events.next_event(LONG).unwrap().kind {
            kind @ NodeEventKind::SafetyViolation { .. } => violation = Some(kind),
            NodeEventKind::Poisoned { reason } => {
                assert_eq!(node.state(), NodeState::Poisoned);
                return (violation.expect("it comes before"), reason);
            }
            _ => {}
        }
    }
}

fn assert_tells(height: Height, node: &Node, (kind, reason): (NodeEventKind, Arc<str>)) {
    let NodeEventKind::SafetyViolation { height: found, blocks, signed_both } = kind else {
        panic!("{kind:?}")
    };
    let own = node.shared().storage.block(height).unwrap().unwrap().block.hash();
    assert_eq!((found, blocks[0]), (height, own));
    assert_eq!(signed_both.len(), 1);
    assert!(reason.contains("two certified blocks") && reason.contains(&own.to_string()));
}

#[test]
fn a_second_certified_block_stops_the_node_for_good_whatever_recent_height_it_is_of() {
    for height in [Height(1), Height(2)] {
        let folder = TempDir::new().unwrap();
        let config = Config::regtest().with_data_dir(folder.path().join("node"));
        let node = Node::open(config.clone()).unwrap();
        node.start().unwrap();
        let events = node.subscribe();
        while node.tip().height < Height(2) {
            pay(&node);
        }
        let peer = KeyPair::from_seed(b"peer").public();
        // The same again is none.
        let known = node.shared().storage.block(height).unwrap().unwrap();
        node.receive(peer, Message::Decided(known)).unwrap();
        node.receive(peer, Message::Decided(another(&node, height))).unwrap();
        assert_tells(height, &node, poisoned(&node, &events));
        node.close(LONG).unwrap();

        let again = Node::open(config).unwrap();
        assert_eq!(again.state(), NodeState::Poisoned);
        assert_eq!(again.start().unwrap_err().code(), ErrorCode::Poisoned);
        assert!(again.block(height).unwrap().is_some());
        let events = again.subscribe();
        assert_tells(height, &again, poisoned(&again, &events));
        let payment = Wallet::new(&again, Config::regtest_wallet());
        let refused = payment.pay(&bob(), Amount::from_time(1)).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::Poisoned);
        again.close(LONG).unwrap();
    }
}
