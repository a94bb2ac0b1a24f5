//! What a peer that asks is answered, however often it does.

use std::time::Duration;

use super::cluster::Cluster;
use crate::engine::input::{Input, VerifiedMessage};
use crate::engine::output::Output;
use crate::engine::request::{ANSWERED_MAX, CERTIFICATE_BYTES_TOLD_MAX};
use crate::types::encode::encoded_len;
use crate::types::hash::Txid;
use crate::types::keys::{KeyPair, PublicKey};
use crate::types::message::{Message, Request};

/// Four masternodes with 20 final payments, and as many of their ids as one answer holds.
fn with_final_payments() -> (Cluster, Vec<Txid>) {
    let mut cluster = Cluster::new(4, |_| {});
    let bob = KeyPair::from_seed(b"bob");
    let payments: Vec<_> = (0..20).map(|coin| cluster.payment(coin, &bob, 1_000_000)).collect();
    for payment in &payments {
        cluster.submit(0, payment).unwrap();
    }
    cluster.settle();
    let txids = payments.iter().map(|payment| payment.txid()).cycle().take(ANSWERED_MAX);
    (cluster, txids.collect())
}

fn ask(cluster: &mut Cluster, from: PublicKey, txids: &[Txid]) {
    let message = VerifiedMessage::Request(Request::Transactions(txids.to_vec()));
    cluster.input(0, Input::Message { from, message });
}

/// How many transactions are on their way to node 1, and how many bytes of certificates.
fn answered(cluster: &Cluster) -> (usize, usize) {
    let mut answered = (0, 0);
    for message in cluster.under_way(0, 1) {
        match message {
            Message::Transaction(_) => answered.0 += 1,
            Message::ApproveCertificate(_) | Message::FinalityCertificate(_) => {
                answered.1 += encoded_len(&message);
            }
            _ => {}
        }
    }
    answered
}

#[test]
fn who_asks_again_and_again_is_answered_with_certificates_up_to_a_bound() {
    let (mut cluster, txids) = with_final_payments();
    let peer = cluster.nodes[1].keys.public();
    ask(&mut cluster, peer, &txids);
    let (n_transactions, once) = answered(&cluster);
    assert_eq!(n_transactions, ANSWERED_MAX);
    assert!((ANSWERED_MAX * 500..CERTIFICATE_BYTES_TOLD_MAX / 2).contains(&once), "{once}");
    (1..20).for_each(|_| ask(&mut cluster, peer, &txids));
    let (n_transactions, bytes) = answered(&cluster);
    assert_eq!(n_transactions, 20 * ANSWERED_MAX);
    assert!(bytes < CERTIFICATE_BYTES_TOLD_MAX + once / ANSWERED_MAX * 2, "{bytes}");
}

/// To make the certificate of one payment a masternode goes through the batches of all votes on it,
/// so a question about one costs it more than its answer has bytes.
#[test]
fn small_questions_count_for_what_they_make_a_node_read() {
    let (mut cluster, txids) = with_final_payments();
    let peer = cluster.nodes[1].keys.public();
    let n_questions = CERTIFICATE_BYTES_TOLD_MAX / 1_000;
    (0..n_questions).for_each(|_| ask(&mut cluster, peer, &txids[..1]));
    let (n_transactions, bytes) = answered(&cluster);
    assert_eq!(n_transactions, n_questions);
    assert!(bytes < CERTIFICATE_BYTES_TOLD_MAX / 2, "{bytes}");
}

#[test]
fn a_masternode_has_the_approves_too_and_others_that_it_is_final() {
    let (mut cluster, txids) = with_final_payments();
    let member = cluster.nodes[1].keys.public();
    let stranger = KeyPair::from_seed(b"stranger").public();
    for (from, with_approves) in [(member, true), (stranger, false)] {
        let message = VerifiedMessage::Request(Request::Transactions(txids[..1].to_vec()));
        let now = cluster.now;
        let node = &mut cluster.nodes[0];
        let engine = node.engine.as_mut().unwrap();
        engine.handle_input(Input::Message { from, message }, now, &node.store).unwrap();
        let said: Vec<_> = std::iter::from_fn(|| engine.poll_output()).collect();
        let has = |is: fn(&Message) -> bool| {
            said.iter().any(|output| matches!(output, Output::Send(_, message) if is(message)))
        };
        assert_eq!(has(|message| matches!(message, Message::ApproveCertificate(_))), with_approves);
        assert!(has(|message| matches!(message, Message::FinalityCertificate(_))));
    }
}

#[test]
fn who_lost_the_certificates_has_them_a_while_later() {
    let (mut cluster, txids) = with_final_payments();
    let peer = cluster.nodes[1].keys.public();
    (0..20).for_each(|_| ask(&mut cluster, peer, &txids));
    let (_, lost) = answered(&cluster);
    cluster.now = cluster.now.after(Duration::from_millis(499));
    ask(&mut cluster, peer, &txids);
    assert_eq!(answered(&cluster).1, lost);
    cluster.now = cluster.now.after(Duration::from_millis(1));
    ask(&mut cluster, peer, &txids);
    assert!(answered(&cluster).1 > lost + ANSWERED_MAX * 500);
}
