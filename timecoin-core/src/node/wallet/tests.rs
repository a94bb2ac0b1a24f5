use std::thread;
use std::time::Duration;

use super::*;
use crate::node::config::Config;
use crate::types::encode::encoded_len;
use crate::types::keys::Signature;
use crate::types::transaction::TxInput;

const LONG: Duration = Duration::from_secs(10);

fn node_with_coins(n_coins: usize) -> Node {
    let genesis = crate::testkit::solo_chain_with_coins(n_coins).genesis().clone();
    let masternode_key = Config::regtest().masternode_key;
    let node = Node::open(Config { masternode_key, ..Config::new(genesis) }).unwrap();
    node.start().unwrap();
    node
}

fn bob() -> Address {
    KeyPair::from_seed(b"bob").address()
}

#[test]
fn the_size_of_a_transfer_is_computed_right() {
    for (n_inputs, n_outputs) in [(1, 1), (1, 2), (7, 3), (256, 256)] {
        let input = TxInput {
            previous_output: OutPoint::new(Txid::ZERO, 0),
            public_key: PublicKey::from_bytes([1; 32]),
            signature: Signature::from_bytes([2; 64]),
        };
        let output = TxOutput { value: Amount::from_units(1), address: bob() };
        let mut transaction = Transaction::transfer(&[], vec![output; n_outputs]);
        transaction.inputs = vec![input; n_inputs];
        assert_eq!(transfer_bytes(n_inputs, n_outputs), encoded_len(&transaction));
    }
}

#[test]
fn no_two_drafts_hold_one_coin() {
    let node = node_with_coins(64);
    let wallet = Wallet::new(&node, Config::regtest_wallet());
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let wallet = wallet.clone();
            let draft = move || wallet.build(&[(bob(), Amount::from_time(900))]).unwrap();
            thread::spawn(move || (0..8).map(|_| draft()).collect::<Vec<_>>())
        })
        .collect();
    let drafts: Vec<Draft> =
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    let mut coins: Vec<OutPoint> = drafts
        .iter()
        .flat_map(|draft| draft.transaction().inputs.iter().map(|input| input.previous_output))
        .collect();
    coins.sort_unstable();
    coins.dedup();
    assert_eq!(coins.len(), 64);
}

#[test]
fn reserved_coins_are_waited_for_no_longer_than_an_answer_is() {
    let genesis = crate::testkit::solo_chain_with_coins(1).genesis().clone();
    let masternode_key = Config::regtest().masternode_key;
    let config = Config { masternode_key, submit_timeout_ms: 100, ..Config::new(genesis) };
    let node = Node::open(config).unwrap();
    node.start().unwrap();
    let wallet = Wallet::new(&node, Config::regtest_wallet());
    let payments = [(bob(), Amount::from_time(900))];
    let _draft = wallet.build(&payments).unwrap();
    let began = std::time::Instant::now();
    let error = wallet.build(&payments).err().unwrap();
    assert_eq!(error.code(), crate::node::ErrorCode::InsufficientFunds);
    let waited = began.elapsed();
    assert!((100..5_000).contains(&waited.as_millis()), "{waited:?}");
}

#[test]
fn a_dropped_draft_frees_its_coins_and_wakes_who_waits() {
    let node = node_with_coins(1);
    let wallet = Wallet::new(&node, Config::regtest_wallet());
    let draft = wallet.build(&[(bob(), Amount::from_time(900))]).unwrap();
    let other = wallet.clone();
    let waiting = thread::spawn(move || other.pay(&bob(), Amount::from_time(800)).unwrap());
    thread::sleep(Duration::from_millis(20));
    drop(draft);
    let payment = waiting.join().unwrap();
    node.wait_finalized(&payment.txid, LONG).unwrap();
}

#[test]
fn a_refused_payment_frees_its_coins() {
    let node = Node::open(Config::regtest()).unwrap();
    let wallet = Wallet::new(&node, Config::regtest_wallet());
    let error = wallet.pay(&bob(), Amount::from_time(1)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotRunning);
    node.start().unwrap();
    wallet.pay(&bob(), Amount::from_time(1)).unwrap();
}

#[test]
fn the_smallest_coin_that_does_it_is_taken_and_change_comes_back() {
    let node = node_with_coins(3);
    let wallet = Wallet::new(&node, Config::regtest_wallet());
    let small = wallet.pay(&wallet.address(), Amount::from_time(10)).unwrap();
    node.wait_finalized(&small.txid, LONG).unwrap();
    wallet.0.coins.refresh(&node, &wallet.addresses()).unwrap();
    let draft = wallet.build(&[(bob(), Amount::from_time(9))]).unwrap();
    let inputs: Vec<_> = draft.transaction().inputs.iter().map(|i| i.previous_output).collect();
    assert_eq!(inputs, [OutPoint::new(small.txid, 0)]);
    let change = draft.transaction().outputs[1];
    assert_eq!(change.address, wallet.address());
    let sum = Amount::checked_sum([Amount::from_time(9), change.value, draft.fee()]).unwrap();
    assert_eq!(sum, Amount::from_time(10));
}

#[test]
fn several_coins_are_joined_and_dust_change_goes_to_the_fee() {
    let node = node_with_coins(3);
    let wallet = Wallet::new(&node, Config::regtest_wallet());
    let least = wallet.estimate_fee(&[(bob(), Amount::from_time(2_500))]).unwrap();
    let all_but = |units| Amount::from_time(3_000).saturating_sub(Amount::from_units(units));
    let draft = wallet.build(&[(bob(), all_but(least.units() + 100))]).unwrap();
    assert_eq!(draft.transaction().inputs.len(), 3);
    assert_eq!((draft.transaction().outputs.len(), draft.fee().units()), (1, least.units() + 100));
    let payment = draft.submit().unwrap();
    node.wait_finalized(&payment.txid, LONG).unwrap();
}

#[test]
fn a_chain_of_unconfirmed_change_carries_many_payments() {
    let node = node_with_coins(1);
    let wallet = Wallet::new(&node, Config::regtest_wallet());
    let payments: Vec<_> =
        (0..100).map(|_| wallet.pay(&bob(), Amount::from_time(1)).unwrap()).collect();
    for payment in &payments {
        node.wait_finalized(&payment.txid, LONG).unwrap();
    }
    assert_eq!(node.balance(&bob()).unwrap().finalized, Amount::from_time(100));
}

#[test]
fn several_keys_sign_for_their_own_coins() {
    let node = node_with_coins(1);
    let rich = Wallet::new(&node, Config::regtest_wallet());
    let poor = Wallet::from_seed(&node, b"poor");
    let second = poor.new_address().unwrap();
    let third = poor.add_signer(Arc::new(KeyPair::from_seed(b"hardware")));
    let part = Amount::from_time(10);
    let gifts = [(poor.address(), part), (second, part), (third, part)];
    node.wait_finalized(&rich.pay_many(&gifts).unwrap().txid, LONG).unwrap();
    assert_eq!(poor.balance().unwrap().spendable, Amount::from_time(30));
    let payment = poor.pay(&bob(), Amount::from_time(29)).unwrap();
    assert_eq!(payment.transaction.inputs.len(), 3);
    node.wait_finalized(&payment.txid, LONG).unwrap();
    assert_eq!(poor.export(&third).unwrap_err().code(), ErrorCode::UnknownAddress);
    let exported = KeyPair::from(poor.export(&second).unwrap());
    assert_eq!(exported.address(), second);
}
