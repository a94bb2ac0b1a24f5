//! Quorums: how many it takes, and who counts.

use std::time::Duration;

use timecoin_core::Height;
use timecoin_core::sim::Link;
use timecoin_core::sim::strategy::Pass;
use timecoin_core::types::ballot::{Choice, Phase, PreparedBlock};
use timecoin_core::types::certificate::{CertificateError, PreparedCertificate, Seal};
use timecoin_core::types::message::{Message, RoundChange};
use timecoin_core::types::quorum::{faulty_max, quorum};
use timecoin_core::{Amount, Epoch, Round};

use crate::kit::{
    DELAY, FIRST, advance, block_at, config, decide, forge, is, network, on_receive, only,
    prepared_at, proposer, split_proposal, start, until, verdict, watch,
};

/// IBFT 1.0 (Saltini, Hyland-Wood): with 2f+1 of 5 as a quorum, an equivocating proposer prepares
/// one block at two nodes and another at the other two, then falls silent; all are locked and the
/// chain stops. With ⌊2n/3⌋+1 neither block is prepared anywhere, and the next round decides.
#[test]
fn k01_two_blocks_prepared_at_two_nodes_each() {
    let mut sim = network(5);
    let silent = proposer(&sim, 0);
    assert_eq!(silent, 1);
    split_proposal(&mut sim, silent, &[&[3, 4], &[0, 2]]);
    let tap = watch(&mut sim);
    advance(&mut sim, Duration::from_millis(1_500));
    let prepares = |node| tap.choices(node, Phase::Prepare, 0);
    assert!([0, 2, 3, 4].iter().all(|node| prepares(*node).len() == 1));
    assert_eq!(prepares(3), prepares(4));
    assert_ne!(prepares(0), prepares(3));
    assert!((0..5).all(|node| prepared_at(&sim, node).is_none()));
    decide(&mut sim, &[0, 2, 3, 4], Height(3), Duration::from_secs(20));
}

/// The same paper: 6 nodes, three blocks, each accepted by a part of the nodes. With 2f+1 = 3 two
/// of them are prepared and nobody can gather a quorum for either again. Here none is prepared,
/// and the five honest nodes, who are exactly a quorum, decide in the next round.
#[test]
fn k02_three_blocks_split_six_nodes() {
    let mut sim = network(6);
    let silent = proposer(&sim, 0);
    split_proposal(&mut sim, silent, &[&[0, 2], &[3, 4], &[5]]);
    let tap = watch(&mut sim);
    advance(&mut sim, Duration::from_millis(1_500));
    let mut blocks: Vec<Choice> =
        [0, 3, 5].iter().flat_map(|node| tap.choices(*node, Phase::Prepare, 0)).collect();
    blocks.dedup();
    assert_eq!(blocks.len(), 3);
    assert!((0..6).all(|node| prepared_at(&sim, node).is_none()));
    decide(&mut sim, &[0, 2, 3, 4, 5], Height(3), Duration::from_secs(20));
}

/// GoQuorum took 2f+1 for a quorum, whatever n: with n = 5, 6, 8, 9 a partition and f masternodes
/// that talk to both sides then give each side a decision of its own. Here neither side decides
/// a block or finalises a payment, and both go on together once the network heals.
#[test]
fn k03_two_f_plus_one_on_each_side_of_a_partition() {
    for n in [5, 6, 8, 9] {
        let f = faulty_max(n);
        assert!(quorum(n) > 2 * f + 1, "n = {n}");
        let mut sim = start(config(n, 3));
        let faulty: Vec<usize> = (1..=f).collect();
        assert_eq!(proposer(&sim, 0), 1);
        let honest: Vec<usize> = (0..n).filter(|node| !faulty.contains(node)).collect();
        let (left, right) = honest.split_at(honest.len() / 2);
        assert!(left.len() + f > 2 * f && right.len() + f > 2 * f, "n = {n}");
        split_proposal(&mut sim, 1, &[left, right]);
        for &node in &faulty {
            sim.set_byzantine(node, "equivocate-ballots").expect("it is known");
            sim.set_byzantine(node, "vote-for-all").expect("it is known");
        }
        let (l, r) = (left.to_vec(), right.to_vec());
        let tap = only(&mut sim, move |from, to, _| {
            !(l.contains(&from) && r.contains(&to) || r.contains(&from) && l.contains(&to))
        });
        let pair = sim.conflicting_payments("mallory", Amount::from_time(1), 2).expect("a coin");
        let txids = [pair[0].txid(), pair[1].txid()];
        for (payment, side) in pair.into_iter().zip([left, right]) {
            sim.submit(side[0], payment).expect("it is valid");
        }
        advance(&mut sim, Duration::from_secs(12));
        let accepted: Vec<Choice> =
            [left[0], right[0]].iter().flat_map(|n| tap.choices(*n, Phase::Prepare, 0)).collect();
        assert!(accepted.len() == 2 && accepted[0] != accepted[1], "n = {n}: {accepted:?}");
        assert!(honest.iter().all(|&node| sim.node(node).height() == Height::ZERO), "n = {n}");
        for &node in &honest {
            assert!(txids.iter().all(|txid| !sim.is_final(node, txid)), "n = {n}");
        }
        sim.network().clear_filter();
        decide(&mut sim, &honest, Height(2), Duration::from_secs(90));
        until(&mut sim, "one payment is confirmed", Duration::from_secs(60), |sim| {
            txids.iter().filter(|txid| sim.confirmed_at(txid).is_some()).count() == 1
        });
    }
}

/// Besu #1736: a prepared certificate with one signer twice passed for a quorum, so one Byzantine
/// node and one honest signature could pin the next proposer to a block. Here such a RoundChange
/// is refused by everybody, and the proposer of round 1 builds a block of its own.
#[test]
fn k05_prepared_certificate_with_a_signer_twice() {
    let mut sim = network(4);
    let next = proposer(&sim, 1);
    // The block of round 0 reaches nodes 0 and 3 only, and node 3 alone hears of a Prepare.
    only(&mut sim, move |from, to, message| {
        let is_about_round = |phase| is(message, phase, 0);
        if is_about_round(Phase::PrePrepare) {
            to == 0 || to == 3
        } else if is_about_round(Phase::Prepare) {
            from == 0 && to == 3
        } else {
            !is_about_round(Phase::Commit)
        }
    });
    sim.set_byzantine(3, "withhold").expect("it is known");
    on_receive(&mut sim, 3, |actor, from, message| {
        let Message::Ballot(heard) = message else { return Pass::On };
        let Choice::Prepare(block) = heard.ballot.choice else { return Pass::On };
        if from != 0 || heard.ballot.height != FIRST {
            return Pass::On;
        }
        let claim = PreparedBlock { round: Round::ZERO, block };
        let own = actor.ballot(Round::ZERO, Choice::Prepare(block)).expect("it is a masternode");
        let seal = |signed: &timecoin_core::types::ballot::SignedBallot| Seal {
            voter: signed.voter,
            signature: signed.signature,
        };
        for seals in [[heard, heard, &own], [heard, &own, &own]] {
            let certificate = PreparedCertificate {
                epoch: Epoch::ZERO,
                height: FIRST,
                round: Round::ZERO,
                block,
                seals: seals.iter().map(|signed| seal(signed)).collect(),
            };
            let choice = Choice::RoundChange(Some(claim));
            let ballot = actor.ballot(Round(1), choice).expect("it is a masternode");
            let change = RoundChange { ballot, certificate: Some(certificate) };
            actor.send_all(Message::RoundChange(change));
        }
        Pass::On
    });
    decide(&mut sim, &[0, 1, 2], FIRST, Duration::from_secs(10));
    assert!(sim.metrics().refused >= 6, "{} refused", sim.metrics().refused);
    let header = sim.archive().block(FIRST).expect("decided").connected.block.header().clone();
    assert_eq!(header.proposer, sim.node(next).key());
}

/// The same certificate, and one with all signers, as the rule sees them.
#[test]
fn k05_signers_ascend_and_differ() {
    let sim = network(4);
    let block = timecoin_core::BlockHash::from_bytes([5; 32]);
    let claim = PreparedBlock { round: Round::ZERO, block };
    let change = |signers: &[usize]| {
        let seals = signers.iter().map(|node| {
            let signed = forge(&sim, *node, 0, Choice::Prepare(block));
            Seal { voter: signed.voter, signature: signed.signature }
        });
        let certificate = PreparedCertificate {
            epoch: Epoch::ZERO,
            height: FIRST,
            round: Round::ZERO,
            block,
            seals: seals.collect(),
        };
        let ballot = forge(&sim, 3, 1, Choice::RoundChange(Some(claim)));
        Message::RoundChange(RoundChange { ballot, certificate: Some(certificate) })
    };
    assert_eq!(verdict(&sim, 0, change(&[0, 1, 3])), Ok(()));
    assert_eq!(verdict(&sim, 0, change(&[0, 1, 2, 3])), Ok(()));
    for signers in [[0, 0, 3], [0, 3, 3], [3, 1, 0]] {
        let order = verdict(&sim, 0, change(&signers)).expect_err("no three signers in order");
        let is_order = matches!(
            order,
            timecoin_core::engine::verify::MessageError::Certificate(
                CertificateError::SignerOrder { .. }
            )
        );
        assert!(is_order, "{signers:?}: {order}");
    }
}

/// relab/hotstuff #244: a vote that came twice made the set it was in unusable, and no quorum ever
/// formed. Here everything comes twice, exactly a quorum is up, and nothing is slower for it:
/// payments are final and blocks decided as without duplicates, through view changes too.
#[test]
fn k06_duplicate_votes_arrive_first() {
    let mut config = config(4, 6);
    config.link = Link { duplicate_ppm: 1_000_000, ..Link::constant(DELAY) };
    config.late = vec![3];
    let mut sim = start(config);
    let payment = sim.pay("alice", "bob", Amount::from_time(5)).expect("she has it");
    until(&mut sim, "the payment is final", Duration::from_secs(1), |sim| {
        sim.is_final_everywhere(&payment)
    });
    assert_eq!(sim.metrics().finality_of(&payment), Some(3 * DELAY));
    decide(&mut sim, &[0, 1, 2], Height(9), Duration::from_secs(40));
    assert!(sim.metrics().view_changes > 0, "height 3 is node 3's to propose");
    assert_ne!(block_at(&sim, Height(3)), block_at(&sim, Height(4)));
}
