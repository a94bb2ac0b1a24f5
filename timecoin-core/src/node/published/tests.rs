use super::*;
use crate::KeyPair;
use crate::engine::output::Rejection;
use crate::storage::{MemoryDisk, MemoryStorage};
use crate::testkit::{decide, pay, solo_chain_with_coins, wallet_keys};
use crate::types::amount::Amount;
use crate::types::chain::Height;

fn published(n_coins: usize) -> (Published, Vec<VerifiedTransaction>) {
    let chain = solo_chain_with_coins(n_coins);
    let bob = KeyPair::from_seed(b"bob").address();
    let coins = crate::testkit::genesis_coins(&chain);
    let payments =
        coins.into_iter().map(|coin| pay(&chain, &wallet_keys(), coin, bob, Amount::from_time(1)));
    (Published::new(&LedgerState::genesis(&chain)), payments.collect())
}

fn is_empty(published: &Published) -> bool {
    published.transactions.is_empty()
        && published.spendings.is_empty()
        && published.final_outputs.is_empty()
        && published.mempool() == (0, 0)
}

#[test]
fn an_output_follows_the_transaction_that_spends_it() {
    let (published, payments) = published(1);
    let payment = &payments[0];
    let coin = payment.inputs[0].previous_output;
    let table = [
        (TransactionStatus::Pending, None),
        (TransactionStatus::Approved, Some(OutpointState::Locked)),
        (TransactionStatus::Contested, Some(OutpointState::Locked)),
        (TransactionStatus::Certified, Some(OutpointState::SpentPending)),
        (TransactionStatus::Finalized, Some(OutpointState::SpentFinalized)),
        (TransactionStatus::from(Rejection::Evicted), None),
    ];
    for (status, expected) in table {
        published.on_transaction(payment, &status, Instant::now());
        assert_eq!(published.spending(&coin).map(|spending| spending.state), expected);
        assert_eq!(published.status(&payment.txid()), Some(status));
    }
    assert_eq!(published.mempool(), (0, 0));
    assert!(!published.is_live(&payment.txid()));
}

#[test]
fn of_two_spenders_readers_see_the_one_that_is_further() {
    let chain = solo_chain_with_coins(1);
    let published = Published::new(&LedgerState::genesis(&chain));
    let coin = crate::testkit::genesis_coins(&chain)[0];
    let to = |seed: &[u8]| {
        let address = KeyPair::from_seed(seed).address();
        pay(&chain, &wallet_keys(), coin, address, Amount::from_time(1))
    };
    let (first, second) = (to(b"first"), to(b"second"));
    published.on_transaction(&first, &TransactionStatus::Approved, Instant::now());
    published.on_transaction(&second, &TransactionStatus::Certified, Instant::now());
    published.on_transaction(&first, &TransactionStatus::Approved, Instant::now());
    let expected = Spending { by: second.txid(), state: OutpointState::SpentPending };
    assert_eq!(published.spending(&coin.0), Some(expected));
    published.on_transaction(
        &first,
        &TransactionStatus::from(Rejection::RejectedByQuorum),
        Instant::now(),
    );
    assert_eq!(published.spending(&coin.0), Some(expected));
}

#[test]
fn final_outputs_are_found_by_address_in_pages() {
    let (published, payments) = published(50);
    for payment in &payments {
        published.on_transaction(payment, &TransactionStatus::Finalized, Instant::now());
    }
    let bob = KeyPair::from_seed(b"bob").address();
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = published.final_outputs(&bob, after.as_ref(), 7);
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        found.extend(page);
    }
    assert_eq!(found.len(), 50);
    assert!(found.is_sorted_by_key(|(outpoint, _)| *outpoint));
    let (outpoint, output) = found[0];
    assert_eq!(published.final_output(&outpoint), Some(output));
    assert!(output.value > Amount::ZERO);
}

#[test]
fn confirmed_transactions_leave_nothing_behind() {
    let chain = solo_chain_with_coins(20);
    let state = LedgerState::genesis(&chain);
    let storage = MemoryStorage::open(&MemoryDisk::new(&chain), &chain).unwrap().storage;
    let (published, payments) = published(20);
    for status in [TransactionStatus::Pending, TransactionStatus::Finalized] {
        for payment in &payments {
            published.on_transaction(payment, &status, Instant::now());
        }
    }
    assert_eq!(published.mempool().0, 20);
    let block = decide(&chain, &state, &*storage, payments);
    published.on_block(&block);
    assert!(is_empty(&published));
    assert_eq!(published.tip().height, Height(1));
}

#[test]
fn refusals_are_remembered_up_to_a_bound() {
    let (published, payments) = published(20);
    let refused = TransactionStatus::from(Rejection::MempoolFull);
    for round in 0..200 {
        for payment in &payments {
            published.on_transaction(payment, &TransactionStatus::Pending, Instant::now());
            published.on_transaction(payment, &refused, Instant::now());
        }
        assert_eq!(published.mempool(), (0, 0), "round {round}");
    }
    assert!(published.refused.lock().unwrap().len() <= REFUSED_MAX);
    assert_eq!(published.transactions.len(), 20);
    assert_eq!(published.status(&payments[7].txid()), Some(refused));
}

#[test]
fn forgotten_refusals_make_room() {
    let (published, payments) = published(1);
    let refused = TransactionStatus::from(Rejection::MempoolFull);
    published.on_transaction(&payments[0], &refused, Instant::now());
    for _ in 0..REFUSED_MAX {
        published.remember_refused(Txid::ZERO);
    }
    assert!(is_empty(&published));
}
