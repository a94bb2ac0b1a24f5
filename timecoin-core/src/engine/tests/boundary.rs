//! The last block of an epoch, when messages are lost and proposers leave things out.

use std::sync::Arc;
use std::time::Duration;

use super::cluster::Cluster;
use crate::engine::verify::{MessageError, VerifyContext, verify_message};
use crate::ledger::block::{Proposer, build_block};
use crate::types::ballot::{Ballot, Choice, SignedBallot};
use crate::types::chain::{Epoch, Height, Round};
use crate::types::encode::encode;
use crate::types::hash::Txid;
use crate::types::keys::KeyPair;
use crate::types::message::{CertInventory, Justification, Message, Proposal, Request};

/// Node 2 proposes the last block of the epoch, and knows nothing of the payments that all others
/// committed to. Messages that are `lost` are from when that block is next.
fn at_the_end(n_payments: u32, lost: fn(&Message) -> bool) -> (Cluster, Vec<Txid>) {
    let mut cluster = Cluster::new(4, |genesis| genesis.params.epoch_blocks = 2);
    let bob = KeyPair::from_seed(b"bob");
    cluster.cut(&[&[0, 1, 3], &[2]]);
    let payments: Vec<_> = (0..n_payments).map(|coin| cluster.payment(coin, &bob, 1_000)).collect();
    for payment in &payments {
        cluster.submit(0, payment).unwrap();
    }
    cluster.settle();
    cluster.crash(1);
    cluster.heal();
    cluster.lost = Some(lost);
    cluster.produce();
    while cluster.engine(2).state().tip.height < Height(1) {
        cluster.step_time(Duration::from_millis(50));
    }
    let txids: Vec<Txid> = payments.iter().map(|payment| payment.txid()).collect();
    (cluster, txids)
}

fn second_block_is_of_node_2_and_whole(mut cluster: Cluster, txids: &[Txid]) {
    cluster.advance(Duration::from_secs(30));
    let block = &cluster.nodes[0].store.blocks[1].connected.block;
    assert_eq!(block.header().proposer, cluster.nodes[2].keys.public());
    let held: Vec<Txid> = block.transactions().iter().map(|tx| tx.txid()).collect();
    assert!(txids.iter().all(|txid| held.contains(txid)));
    cluster.check();
}

#[test]
fn a_proposer_asks_again_for_what_an_inventory_names() {
    let lost = |message: &Message| matches!(message, Message::Request(Request::Transactions(_)));
    let (mut cluster, txids) = at_the_end(10, lost);
    cluster.advance(Duration::from_millis(300));
    assert!(txids.iter().all(|txid| !cluster.engine(2).mempool().contains(txid)));
    cluster.lost = None;
    second_block_is_of_node_2_and_whole(cluster, &txids);
}

#[test]
fn what_is_final_is_includable_without_its_approves() {
    let lost = |message: &Message| matches!(message, Message::ApproveCertificate(_));
    let (cluster, txids) = at_the_end(3, lost);
    second_block_is_of_node_2_and_whole(cluster, &txids);
}

#[test]
fn an_inventory_of_more_than_a_block_is_refused() {
    let cluster = Cluster::new(4, |genesis| genesis.params.block_transactions_max = 8);
    let engine = cluster.engine(0);
    let (set, keys) = (&engine.state().masternodes, &cluster.nodes[1].keys);
    let context = VerifyContext {
        chain: &cluster.chain,
        current: (Epoch::ZERO, set),
        tip: (Epoch::ZERO, set),
        known: &|_| None,
    };
    for (n_txids, is_taken) in [(8, true), (9, false)] {
        let txids = (0..n_txids).map(|n| Txid::from_bytes([n; 32])).collect();
        let chain_id = cluster.chain.id();
        let inventory = CertInventory::sign(chain_id, Epoch::ZERO, set.hash(), 1, txids, keys);
        let result = verify_message(Message::CertInventory(inventory), &context);
        assert_eq!(result.is_ok(), is_taken, "{n_txids}");
        assert!(matches!(result, Ok(_) | Err(MessageError::Signature(_))));
    }
}

#[test]
fn a_proposal_that_leaves_things_out_is_answered_once_in_a_round() {
    let (mut cluster, txids) =
        at_the_end(5, |message| matches!(message, Message::CertInventory(_)));
    cluster.lost = Some(|message| !matches!(message, Message::ApproveCertificate(_)));
    let state = cluster.engine(0).state().clone();
    assert_eq!(state.tip.height, Height(1));
    let set_hash = cluster.engine(0).finality().set().hash();
    let proposer = Proposer { index: 2, now: cluster.now };
    let store = &cluster.nodes[0].store;
    let built = build_block(&cluster.chain, &state, store, Vec::new(), proposer).unwrap();
    let choice = Choice::PrePrepare(built.block.hash());
    let ballot = Ballot { epoch: Epoch::ZERO, height: Height(2), round: Round::ZERO, choice };
    let keys = &cluster.nodes[2].keys;
    let proposal = encode(&Message::Proposal(Proposal {
        ballot: SignedBallot::sign(ballot, 2, cluster.chain.id(), &set_hash, keys),
        block: Arc::clone(built.block.block()),
        justification: Justification::default(),
    }));
    let shown = |cluster: &Cluster| {
        let sent = cluster.under_way(0, 3);
        sent.iter().filter(|sent| matches!(sent, Message::ApproveCertificate(_))).count()
    };
    let n_before = shown(&cluster);
    for _ in 0..5 {
        cluster.deliver(2, 0, &proposal);
        assert_eq!(shown(&cluster) - n_before, txids.len());
    }
}
