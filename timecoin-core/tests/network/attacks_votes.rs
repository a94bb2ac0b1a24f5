//! Attacks with messages of the protocol: signed by nobody, by somebody, and by one masternode
//! of four that is a traitor.

use timecoin_core::network::Packet;
use timecoin_core::types::message::Message;
use timecoin_core::types::vote::{RejectReason, Vote, VoteBatch};
use timecoin_core::{
    ChainId, CommitCertificate, Decided, Epoch, FinalityCertificate, Height, NodeEventKind, Round,
    Signature, Txid,
};

use crate::attacker::*;
use crate::attacks::*;
use crate::testkit::*;

fn txid(n: u64) -> Txid {
    let mut bytes = [5; 32];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    Txid::from_bytes(bytes)
}

/// A batch of the traitor's votes.
fn batch(net: &Attacked, chain_id: &ChainId, epoch: Epoch, votes: Vec<Vote>) -> Packet {
    let keys = &net.cluster.keys[3];
    let set = net.cluster.genesis.masternode_set().unwrap();
    let voter = set.index_of(&keys.public()).unwrap();
    let votes = VoteBatch::sign(chain_id, epoch, set.hash(), voter, votes, keys);
    Packet::Message(Message::Votes(votes))
}

/// They are kept within bounds, and dropped with those of others who vote.
#[test]
fn a_masternodes_votes_for_unknown_transactions_fill_nobodys_memory() {
    let net = Attacked::begin_with_traitor();
    let keys = &net.cluster.keys[3];
    let chain_id = net.cluster.genesis.chain_id();
    let mut traitor = Attacker::join(net.victim(), &net.cluster.genesis, keys);
    let n_batches = scale(100_000, 1_000_000) as u64 / 1_000;
    for n in 0..n_batches {
        let votes = (0..1_000).map(|vote| Vote::Approve(txid(n * 1_000 + vote))).collect();
        let said = traitor.say(&batch(&net, &chain_id, Epoch::ZERO, votes));
        assert!(said.is_ok(), "these votes are allowed");
    }
    traitor.wait_heard().unwrap();
    net.end();
}

/// Votes that no honest peer can pass on: six of them are a ban.
#[test]
fn forged_votes_and_those_of_another_chain_ban_their_sender() {
    let net = Attacked::begin_with_traitor();
    let genesis = &net.cluster.genesis;
    let votes = |n| vec![Vote::Approve(txid(n))];
    let forged = |n| {
        let packet = batch(&net, &genesis.chain_id(), Epoch::ZERO, votes(n));
        let Packet::Message(Message::Votes(mut votes)) = packet else { panic!("votes") };
        votes.signature = Signature::from_bytes([1; 64]);
        Packet::Message(Message::Votes(votes))
    };
    let other = |n| batch(&net, &ChainId::from_bytes([8; 32]), Epoch::ZERO, votes(n));
    let none = |_| batch(&net, &genesis.chain_id(), Epoch::ZERO, Vec::new());
    let forms: [&dyn Fn(u64) -> Packet; 3] = [&forged, &other, &none];
    for (position, form) in forms.into_iter().enumerate() {
        let keys = stranger(position);
        let mut attacker = Attacker::join(net.victim(), genesis, &keys);
        for n in 0..10 {
            // It is banned before it has said all.
            let _ = attacker.say(&form(n));
        }
        net.wait_banned(&keys.public());
        attacker.wait_closed();
    }
    net.end();
}

/// An honest peer may be behind or ahead, and say things twice.
#[test]
fn stale_future_and_repeated_votes_cost_their_sender_nothing() {
    let net = Attacked::begin_with_traitor();
    let genesis = &net.cluster.genesis;
    let keys = &net.cluster.keys[3];
    let mut traitor = Attacker::join(net.victim(), genesis, keys);
    let same = batch(&net, &genesis.chain_id(), Epoch::ZERO, vec![Vote::Approve(txid(1))]);
    for _ in 0..scale(2_000, 100_000) {
        traitor.say(&same).unwrap();
    }
    for epoch in [7, 1 << 40, u64::MAX] {
        let votes = vec![Vote::Commit(txid(2))];
        traitor.say(&batch(&net, &genesis.chain_id(), Epoch(epoch), votes)).unwrap();
    }
    traitor.wait_heard().unwrap();
    assert!(net.victim().peers().iter().any(|peer| peer.key == keys.public()));
    net.end();
}

/// To approve and to reject one transaction is a contradiction that everybody is shown.
#[test]
fn votes_that_contradict_each_other_become_evidence() {
    let net = Attacked::begin_with_traitor();
    let genesis = &net.cluster.genesis;
    let found = net.cluster.nodes[2].subscribe();
    let keys = &net.cluster.keys[3];
    let mut traitor = Attacker::join(net.victim(), genesis, keys);
    let reject = Vote::Reject(txid(1), RejectReason::ConflictsWithFinal);
    for vote in [Vote::Approve(txid(1)), reject] {
        traitor.say(&batch(&net, &genesis.chain_id(), Epoch::ZERO, vec![vote])).unwrap();
    }
    let evidence =
        std::iter::from_fn(|| found.next_event(LONG).ok()).find_map(|event| match event.kind {
            NodeEventKind::EvidenceFound { evidence } => Some(evidence.offender),
            _ => None,
        });
    assert_eq!(evidence, Some(keys.public()));
    net.end();
}

/// Real certificates in which a signer stands twice, is unknown, or is missing.
#[test]
fn certificates_with_wrong_signers_ban_their_sender() {
    let net = Attacked::begin();
    let genesis = &net.cluster.genesis;
    // A block that holds the payment ends its certificate.
    let proof = std::iter::repeat_with(|| {
        let payment = net.cluster.wallet(0).pay(&bob().address(), one()).unwrap();
        net.victim().wait_finalized(&payment.txid, LONG).unwrap();
        net.victim().finality_proof(&payment.txid).ok()
    });
    let proof = FinalityCertificate::clone(&proof.flatten().next().unwrap());
    let set = genesis.masternode_set().unwrap();
    let twice =
        |proof: &mut FinalityCertificate| proof.votes.votes[1] = proof.votes.votes[0].clone();
    let unknown = |proof: &mut FinalityCertificate| {
        let last = proof.votes.votes.last_mut().unwrap();
        last.voter = 200;
    };
    let few = |proof: &mut FinalityCertificate| proof.votes.votes.truncate(set.quorum() - 1);
    let other = |proof: &mut FinalityCertificate| proof.txid = txid(9);
    let forms: [&dyn Fn(&mut FinalityCertificate); 4] = [&twice, &unknown, &few, &other];
    for (position, spoil) in forms.into_iter().enumerate() {
        let keys = stranger(position);
        let mut attacker = Attacker::join(net.victim(), genesis, &keys);
        let mut spoiled = proof.clone();
        spoil(&mut spoiled);
        for _ in 0..10 {
            let message = Message::FinalityCertificate(spoiled.clone());
            let _ = attacker.say(&Packet::Message(message));
        }
        net.wait_banned(&keys.public());
    }
    net.end();
}

/// A decided block for every height to come, with a certificate that nobody signed, or one
/// masternode again and again.
#[test]
fn blocks_that_nobody_decided_move_nobodys_tip() {
    let net = Attacked::begin();
    let genesis = &net.cluster.genesis;
    wait_for("a block", || net.victim().tip().height.0 >= 2);
    let real = net.victim().block(Height(2)).unwrap().unwrap();
    let one = real.certificate.seals[0];
    for (position, seals) in [Vec::new(), vec![one; 3]].into_iter().enumerate() {
        let keys = stranger(position);
        let mut attacker = Attacker::join(net.victim(), genesis, &keys);
        let before = net.victim().tip().height.0;
        for height in before + 1..before + scale(200, 20_000) as u64 {
            let mut block = (*real.block).clone();
            block.header.height = Height(height);
            let certificate = CommitCertificate {
                height: Height(height),
                round: Round(0),
                block: block.header.hash(),
                epoch: real.certificate.epoch,
                seals: seals.clone(),
            };
            let decided = Decided { block: block.into(), certificate };
            if attacker.say(&Packet::Message(Message::Decided(decided))).is_err() {
                break;
            }
        }
        net.wait_banned(&keys.public());
    }
    let tip = net.victim().tip();
    wait_for("the same block elsewhere", || net.cluster.nodes[1].tip().height >= tip.height);
    let elsewhere = net.cluster.nodes[1].block(tip.height).unwrap().unwrap();
    assert_eq!(elsewhere.block.header.hash(), tip.hash);
    net.end();
}
