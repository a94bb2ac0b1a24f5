//! Whole nodes, as a host sees them.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use timecoin_core::{
    Amount, Config, ErrorCode, KeyPair, Node, NodeEventKind, NodeState, OutPoint, OutpointState,
    Transaction, TransactionStatus, TxOutput, Wallet, verify_finality_proof,
};

const LONG: Duration = Duration::from_secs(60);

fn running(config: Config) -> (Node, Wallet) {
    let node = Node::open(config).unwrap();
    node.start().unwrap();
    let wallet = Wallet::new(&node, Config::regtest_wallet());
    (node, wallet)
}

/// Blocks are made when a test asks for them.
fn on_demand() -> Config {
    let mut config = Config::regtest();
    config.genesis.params.block_production = timecoin_core::params::BlockProduction::OnDemand;
    config
}

fn genesis_coin(node: &Node) -> (OutPoint, Amount) {
    let (outpoint, output) = node.genesis().outputs().next().unwrap();
    (outpoint, output.value)
}

/// A signed payment of the whole genesis coin to one seed's address, the fee subtracted.
fn spend_genesis(node: &Node, seed: &[u8]) -> Transaction {
    let (outpoint, value) = genesis_coin(node);
    let keys = Config::regtest_wallet();
    let value = value.checked_sub(Amount::from_units(10_000)).unwrap();
    let output = TxOutput { value, address: KeyPair::from_seed(seed).address() };
    let mut transaction = Transaction::transfer(&[(outpoint, keys.public())], vec![output]);
    transaction.sign_all(node.chain().id(), &keys);
    transaction
}

#[test]
fn a_payment_is_final_then_confirmed_and_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let config = || on_demand().with_data_dir(dir.path());
    let bob = KeyPair::from_seed(b"bob").address();
    let (node, wallet) = running(config());
    let payment = wallet.pay(&bob, Amount::from_time(5)).unwrap();
    let status = node.wait_finalized(&payment.txid, LONG).unwrap();
    assert_eq!(status, TransactionStatus::Finalized);
    assert_eq!(node.balance(&bob).unwrap().finalized, Amount::from_time(5));
    assert_eq!(node.balance(&bob).unwrap().confirmed, Amount::ZERO);
    let height = node.produce_block(LONG).unwrap();
    assert_eq!(node.wait_confirmed(&payment.txid, LONG).unwrap(), height);
    let tip = node.tip();
    node.close(LONG).unwrap();
    assert_eq!(node.state(), NodeState::Closed);

    let (node, wallet) = running(config());
    assert_eq!((node.tip().height, node.tip().hash), (height, tip.hash));
    let info = node.transaction(&payment.txid).unwrap().unwrap();
    assert_eq!(info.status, TransactionStatus::Confirmed(height));
    assert_eq!(info.transaction, payment.transaction);
    assert_eq!(node.balance(&bob).unwrap().spendable, Amount::from_time(5));
    let block = node.block(height).unwrap().unwrap();
    assert_eq!(node.block(block.block.hash()).unwrap().unwrap(), block);
    let again = wallet.pay(&bob, Amount::from_time(7)).unwrap();
    node.wait_finalized(&again.txid, LONG).unwrap();
    node.close(LONG).unwrap();
}

#[test]
fn a_final_payment_outlives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let config = || on_demand().with_data_dir(dir.path());
    let bob = KeyPair::from_seed(b"bob").address();
    let (node, wallet) = running(config());
    let payment = wallet.pay(&bob, Amount::from_time(5)).unwrap();
    node.wait_finalized(&payment.txid, LONG).unwrap();
    node.close(LONG).unwrap();
    drop((node, wallet));

    let (node, _) = running(config());
    node.wait_finalized(&payment.txid, LONG).unwrap();
    assert_eq!(node.mempool_info().transactions, 1);
    let double = node.submit_transaction(spend_genesis(&node, b"eve")).unwrap_err();
    assert_eq!(double.code(), ErrorCode::ConflictsWithFinal);
    let height = node.produce_block(LONG).unwrap();
    assert_eq!(node.wait_confirmed(&payment.txid, LONG).unwrap(), height);
    assert_eq!(node.mempool_info().transactions, 0);
    node.close(LONG).unwrap();
}

#[test]
fn a_second_payment_of_a_coin_is_refused_at_each_stage() {
    let (node, _) = running(on_demand());
    let (coin, _) = genesis_coin(&node);
    assert_eq!(node.utxo(&coin).unwrap().unwrap().state, OutpointState::Unspent);
    let first = spend_genesis(&node, b"alice");
    let txid = node.submit_transaction(&first).unwrap();
    assert_eq!(node.submit_transaction(&first).unwrap(), txid);
    node.wait_finalized(&txid, LONG).unwrap();
    let info = node.utxo(&coin).unwrap().unwrap();
    assert_eq!((info.state, info.spent_by), (OutpointState::SpentFinalized, Some(txid)));
    let double = spend_genesis(&node, b"eve");
    let error = node.submit_transaction(&double).unwrap_err();
    assert_eq!(error.code(), ErrorCode::ConflictsWithFinal);
    assert!(error.to_string().contains(&txid.to_string()), "{error}");
    node.produce_block(LONG).unwrap();
    let info = node.utxo(&coin).unwrap().unwrap();
    assert_eq!(info.state, OutpointState::Confirmed);
    let error = node.submit_transaction(&double).unwrap_err();
    assert_eq!(error.code(), ErrorCode::TransactionInputSpent);
    assert_eq!(node.submit_transaction(&first).unwrap(), txid, "it is confirmed");
    assert_eq!(node.transaction_status(&double.txid()).unwrap(), None);
}

#[test]
fn bad_transactions_have_their_own_errors() {
    let (node, _) = running(on_demand());
    let code = |transaction: Transaction| {
        node.submit_transaction(transaction).map_err(|error| error.code()).unwrap_err()
    };
    let good = spend_genesis(&node, b"alice");
    let bytes = timecoin_core::types::encode::encode(&good);
    let malformed = |bytes: &[u8]| node.submit_transaction(bytes).unwrap_err().code();
    assert_eq!(malformed(&bytes[1..]), ErrorCode::TransactionMalformed);
    assert_eq!(malformed(&[&bytes[..], &[0]].concat()), ErrorCode::TransactionMalformed);
    let mut wrong_key = good.clone();
    wrong_key.sign_all(node.chain().id(), &KeyPair::from_seed(b"eve"));
    assert_eq!(code(wrong_key), ErrorCode::TransactionBadSignature);
    let mut other_owner = good.clone();
    other_owner.inputs[0].public_key = KeyPair::from_seed(b"eve").public();
    other_owner.sign_all(node.chain().id(), &KeyPair::from_seed(b"eve"));
    assert_eq!(code(other_owner), ErrorCode::TransactionWrongKey);
    let mut too_much = good.clone();
    too_much.outputs[0].value = Amount::from_time(2_000_000);
    too_much.sign_all(node.chain().id(), &Config::regtest_wallet());
    assert_eq!(code(too_much), ErrorCode::TransactionInsufficientInputs);
    assert_eq!(node.mempool_info().transactions, 0);
    assert!(node.submit_transaction(bytes).is_ok());
}

#[test]
fn a_batch_is_answered_in_order() {
    let (node, wallet) = running(on_demand());
    let bob = KeyPair::from_seed(b"bob").address();
    let split: Vec<_> = (0..200).map(|_| (wallet.address(), Amount::from_time(1))).collect();
    node.wait_finalized(&wallet.pay_many(&split).unwrap().txid, LONG).unwrap();
    node.produce_block(LONG).unwrap();
    let page = node.utxos_of(&wallet.address(), None, 1_000).unwrap();
    let coins: Vec<_> =
        page.iter().filter(|info| info.output.value == Amount::from_time(1)).collect();
    assert_eq!(coins.len(), 200);
    let mut batch = Vec::new();
    for n in 0..700usize {
        let coin = coins[n % 200];
        let value = Amount::from_units(90_000_000 + n as u64);
        let input = (coin.outpoint, Config::regtest_wallet().public());
        let mut transaction =
            Transaction::transfer(&[input], vec![TxOutput { value, address: bob }]);
        transaction.sign_all(node.chain().id(), &Config::regtest_wallet());
        batch.push(transaction);
    }
    let txids: Vec<_> = batch.iter().map(Transaction::txid).collect();
    let mut submitted: Vec<_> = batch.into_iter().map(Into::into).collect();
    submitted[3] = vec![1, 2, 3].into();
    let answers = node.submit_transactions(submitted);
    assert_eq!(answers.len(), 700);
    for (n, answer) in answers.iter().enumerate() {
        match n {
            3 => assert_eq!(answer.as_ref().unwrap_err().code(), ErrorCode::TransactionMalformed),
            // The second for the coin that the broken one did not take.
            203 => assert_eq!(*answer.as_ref().unwrap(), txids[n]),
            0..200 => assert_eq!(*answer.as_ref().unwrap(), txids[n]),
            _ => assert!(answer.is_err(), "{n}"),
        }
    }
    assert!(node.submit_transactions(Vec::new()).is_empty());
}

#[test]
fn many_threads_pay_at_once() {
    let (node, wallet) = running(Config::regtest());
    let bob = KeyPair::from_seed(b"bob").address();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let wallet = wallet.clone();
            thread::spawn(move || {
                (0..25).map(|_| wallet.pay(&bob, Amount::from_time(1)).unwrap().txid).collect()
            })
        })
        .collect();
    let txids: Vec<_> =
        threads.into_iter().flat_map(|thread| -> Vec<_> { thread.join().unwrap() }).collect();
    for txid in &txids {
        node.wait_finalized(txid, LONG).unwrap();
    }
    assert_eq!(node.balance(&bob).unwrap().finalized, Amount::from_time(200));
    for txid in &txids {
        node.wait_confirmed(txid, LONG).unwrap();
    }
    assert_eq!(node.balance(&bob).unwrap().confirmed, Amount::from_time(200));
    assert_eq!(node.mempool_info().transactions, 0);
    assert_eq!(node.mempool_info().bytes, 0);
}

#[test]
fn a_proof_of_finality_convinces_an_outsider() {
    let (node, wallet) = running(on_demand());
    let txid =
        wallet.pay(&KeyPair::from_seed(b"bob").address(), Amount::from_time(1)).unwrap().txid;
    node.wait_finalized(&txid, LONG).unwrap();
    let proof = node.finality_proof(&txid).unwrap();
    let (chain_id, set) = (*node.chain().id(), node.masternodes());
    verify_finality_proof(&proof, &chain_id, &set).unwrap();
    let mut other = (*proof).clone();
    other.txid = spend_genesis(&node, b"eve").txid();
    let error = verify_finality_proof(&other, &chain_id, &set).unwrap_err();
    assert_eq!(error.code(), ErrorCode::ProofBadSignature);
    assert_eq!(node.finality_proof(&other.txid).unwrap_err().code(), ErrorCode::NoProof);
    node.produce_block(LONG).unwrap();
    assert_eq!(node.finality_proof(&txid).unwrap(), proof, "it was asked for before");
}

#[test]
fn events_tell_the_story_in_order() {
    let node = Node::open(on_demand()).unwrap();
    let events = node.subscribe();
    node.start().unwrap();
    let wallet = Wallet::new(&node, Config::regtest_wallet());
    let txid =
        wallet.pay(&KeyPair::from_seed(b"bob").address(), Amount::from_time(1)).unwrap().txid;
    node.wait_finalized(&txid, LONG).unwrap();
    node.produce_block(LONG).unwrap();
    node.close(LONG).unwrap();
    let mut story = Vec::new();
    let mut sequence = 0;
    while let Ok(event) = events.next_event(LONG) {
        assert_eq!(event.sequence, sequence + 1);
        sequence = event.sequence;
        story.push(match event.kind {
            NodeEventKind::TransactionStatus { status, .. } => status.name(),
            kind => kind.name(),
        });
    }
    let expected =
        ["pending", "approved", "certified", "finalized", "confirmed", "block_confirmed", "closed"];
    assert_eq!(story, expected);
    assert!(events.is_ended());
}

#[test]
fn waits_end_in_time_and_say_so() {
    let (node, _) = running(on_demand());
    let unknown = spend_genesis(&node, b"nobody").txid();
    let started = Instant::now();
    let error = node.wait_finalized(&unknown, Duration::from_millis(20)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Timeout);
    assert!(error.is_retryable());
    let error = node.wait_confirmed(&unknown, Duration::ZERO).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Timeout);
    let next = node.tip().height.next();
    let error = node.wait_height(next, Duration::from_millis(20)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Timeout);
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[test]
fn closing_ends_waits_and_refuses_everything_after() {
    let (node, wallet) = running(on_demand());
    let transaction = spend_genesis(&node, b"alice");
    let txid = transaction.txid();
    let other = node.clone();
    let waiting = thread::spawn(move || other.wait_finalized(&txid, LONG).unwrap_err().code());
    thread::sleep(Duration::from_millis(20));
    node.close(LONG).unwrap();
    node.close(Duration::ZERO).unwrap();
    assert_eq!(waiting.join().unwrap(), ErrorCode::Closed);
    assert_eq!(node.submit_transaction(&transaction).unwrap_err().code(), ErrorCode::Closed);
    let batch = node.submit_transactions(vec![transaction.into()]);
    assert_eq!(batch[0].as_ref().unwrap_err().code(), ErrorCode::Closed);
    assert_eq!(node.produce_block(LONG).unwrap_err().code(), ErrorCode::Closed);
    assert_eq!(node.block(1).unwrap_err().code(), ErrorCode::Closed);
    assert_eq!(wallet.balance().unwrap_err().code(), ErrorCode::Closed);
    assert_eq!(node.start().unwrap_err().code(), ErrorCode::Closed);
    assert_eq!(node.tip().height.0, 0);
}

#[test]
fn a_node_that_is_not_started_reads_and_does_not_write() {
    let node = Node::open(on_demand()).unwrap();
    let error = node.submit_transaction(spend_genesis(&node, b"alice")).unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotRunning);
    assert!(node.utxo(&genesis_coin(&node).0).unwrap().is_some());
    assert_eq!(node.status().state, NodeState::New);
    node.close(LONG).unwrap();
    assert_eq!(node.state(), NodeState::Closed);
}

#[test]
fn two_nodes_live_in_one_process_and_a_directory_has_one_owner() {
    let dir = tempfile::tempdir().unwrap();
    let config = || on_demand().with_data_dir(dir.path());
    let (first, wallet) = running(config());
    let error = Node::open(config()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::StorageLocked);
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    let (second, other_wallet) = running(on_demand());
    let bob = KeyPair::from_seed(b"bob").address();
    let one = wallet.pay(&bob, Amount::from_time(1)).unwrap();
    let two = other_wallet.pay(&bob, Amount::from_time(2)).unwrap();
    first.wait_finalized(&one.txid, LONG).unwrap();
    second.wait_finalized(&two.txid, LONG).unwrap();
    assert_eq!(first.transaction_status(&two.txid).unwrap(), None);
    drop((first, wallet));
    Node::open(config()).unwrap();
}

#[test]
fn a_node_works_inside_the_hosts_own_runtime() {
    let host = tokio::runtime::Builder::new_current_thread().build().unwrap();
    host.block_on(async {
        let mut config = Config::regtest();
        config.runtime_threads = 1;
        let (node, wallet) = running(config);
        let bob = KeyPair::from_seed(b"bob").address();
        let payment = wallet.pay(&bob, Amount::from_time(1)).unwrap();
        node.wait_confirmed(&payment.txid, LONG).unwrap();
        drop((node, wallet));
    });
}

#[test]
fn two_wallets_with_one_key_do_not_hinder_each_other() {
    let (node, first) = running(Config::regtest());
    let second = Wallet::new(&node, Config::regtest_wallet());
    let bob = KeyPair::from_seed(b"bob").address();
    for _ in 0..5 {
        for wallet in [&first, &second] {
            let payment = wallet.pay(&bob, Amount::from_time(1)).unwrap();
            node.wait_finalized(&payment.txid, LONG).unwrap();
        }
    }
    assert_eq!(node.balance(&bob).unwrap().finalized, Amount::from_time(10));
}

#[test]
fn a_wallet_says_what_it_lacks() {
    let (node, wallet) = running(on_demand());
    let bob = KeyPair::from_seed(b"bob").address();
    let code = |amount| wallet.pay(&bob, amount).unwrap_err().code();
    assert_eq!(code(Amount::from_time(1_000_000)), ErrorCode::InsufficientFunds);
    assert_eq!(code(Amount::from_units(1)), ErrorCode::TransactionDust);
    assert_eq!(wallet.pay_many(&[]).unwrap_err().code(), ErrorCode::InvalidArgument);
    let fee = wallet.estimate_fee(&[(bob, Amount::from_time(3))]).unwrap();
    assert_eq!(wallet.pay(&bob, Amount::from_time(3)).unwrap().fee, fee);
    let empty = Wallet::generate(&node).unwrap();
    let error = empty.pay(&bob, Amount::from_time(1)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InsufficientFunds);
}

#[test]
fn blocks_come_by_themselves_at_the_interval() {
    let (node, wallet) = running(Config::regtest());
    let payment = wallet.pay(&wallet.address(), Amount::from_time(1)).unwrap();
    let height = node.wait_confirmed(&payment.txid, LONG).unwrap();
    node.wait_height(height.next(), LONG).unwrap();
    assert!(Arc::ptr_eq(&node.tip(), &node.tip()));
}
