//! Payments: owners who sign too much, and epochs that end too soon.

use std::collections::BTreeSet;
use std::time::Duration;

use timecoin_core::types::message::Message;
use timecoin_core::{Amount, Epoch, Height, OutPoint, Transaction, TxOutput, Txid};

use crate::kit::{DELAY, advance, config, decide, only, start, until};

/// Sui #24676: an owner signs n conflicting payments and gives each to another masternode; with f
/// that withhold their votes no payment gets a certificate, and the coin, with everything else
/// those payments touch, is locked for ever. Here the next block settles it, what the losers held
/// is free at once, and nobody else's payment takes longer than its three delays.
#[test]
fn k24_owner_signs_n_conflicting_payments() {
    let mut sim = start(config(4, 24));
    sim.set_byzantine(3, "withhold").expect("it is known");
    let payments = payments_of_one_coin_and_one_each(&mut sim, 4);
    let txids: Vec<Txid> = payments.iter().map(Transaction::txid).collect();
    for (node, payment) in payments.iter().enumerate().take(3) {
        sim.submit(node, payment.clone()).expect("it is valid");
    }
    let other = sim.pay_at(1, "alice", "bob", Amount::from_time(5)).expect("she has it");
    advance(&mut sim, 3 * DELAY);
    assert_eq!(sim.metrics().finality_of(&other), Some(3 * DELAY));
    assert!(txids.iter().all(|txid| !sim.is_final(0, txid)));
    decide(&mut sim, &[0, 1, 2], Height(1), Duration::from_secs(4));
    let winners: Vec<usize> =
        (0..4).filter(|index| sim.confirmed_at(&txids[*index]) == Some(Height(1))).collect();
    assert_eq!(winners.len(), 1);
    // The coin that a loser wanted beside the contested one can be spent again.
    let loser = &payments[(winners[0] + 1) % 3];
    let free = loser.inputs[1].previous_output;
    let wallet = sim.wallet("mallory").expect("named above").clone();
    let value = Amount::from_time(9_999);
    let outputs = vec![TxOutput { value, address: wallet.address() }];
    let mut again = Transaction::transfer(&[(free, wallet.keys.public())], outputs);
    again.sign_all(sim.chain().id(), &wallet.keys);
    let txid = again.txid();
    sim.submit(1, again).expect("it is valid");
    advance(&mut sim, 3 * DELAY);
    assert_eq!(sim.metrics().finality_of(&txid), Some(3 * DELAY));
}

/// Payments that all spend one coin, and each another one beside it.
fn payments_of_one_coin_and_one_each(
    sim: &mut timecoin_core::sim::Simulation,
    n_payments: usize,
) -> Vec<Transaction> {
    let chain_id = *sim.chain().id();
    let wallet = sim.wallet("mallory").expect("there are four").clone();
    let outpoint = |index: usize| -> OutPoint { wallet.coins[index].outpoint };
    let pay = |index: usize| {
        let inputs = [outpoint(0), outpoint(index + 1)].map(|coin| (coin, wallet.keys.public()));
        let value = Amount::from_time(19_999);
        let outputs = vec![TxOutput { value, address: wallet.address() }];
        let mut transaction = Transaction::transfer(&inputs, outputs);
        transaction.sign_all(&chain_id, &wallet.keys);
        transaction
    };
    (0..n_payments).map(pay).collect()
}

/// Dash DIP-0010: votes of a quorum that was being replaced were counted with those of the next.
/// Here an epoch ends when a payment has all of its Approves but one short of a certificate; those
/// are void, the next set, which has one member more, votes afresh, and only its votes count.
#[test]
fn k25_epoch_ends_in_the_middle_of_votes() {
    let mut config = config(4, 25);
    config.observers = 1;
    config.epoch_blocks = 6;
    // Nothing but votes shall bring the payment into a block.
    config.edit_genesis = |genesis| genesis.params.contest_grace_ms = 3_600_000;
    let mut sim = start(config);
    let registration = sim.registration("carol", 4).expect("she has the collateral");
    sim.submit(0, registration).expect("it is valid");
    decide(&mut sim, &[0, 1, 2, 3], Height(4), Duration::from_secs(10));
    // Two Approves arrive where three are a quorum.
    let tap = only(&mut sim, |from, _, message| match message {
        Message::Votes(batch) => batch.epoch > Epoch::ZERO || from == 0,
        _ => true,
    });
    let payment = sim.pay("alice", "bob", Amount::from_time(5)).expect("she has it");
    decide(&mut sim, &[0, 1, 2, 3], Height(6), Duration::from_secs(10));
    assert!((0..4).all(|node| !sim.is_final(node, &payment)));
    assert_eq!(sim.confirmed_at(&payment), None);
    let set = |sim: &timecoin_core::sim::Simulation| {
        sim.node(0).engine().expect("it runs").state().masternodes.clone()
    };
    assert_eq!(set(&sim).len(), 5);
    until(&mut sim, "the payment is final in the next epoch", Duration::from_secs(5), |sim| {
        (0..5).all(|node| sim.is_final(node, &payment))
    });
    let mut voters = BTreeSet::new();
    for sent in tap.all() {
        let Message::Votes(batch) = sent.message else { continue };
        let votes_on_it = batch.votes.iter().any(|vote| vote.txid() == payment);
        if votes_on_it && batch.epoch == Epoch(1) {
            assert_eq!(batch.set_hash, set(&sim).hash());
            voters.insert(sent.from);
        }
    }
    assert!(voters.len() >= set(&sim).quorum(), "{voters:?}");
}
