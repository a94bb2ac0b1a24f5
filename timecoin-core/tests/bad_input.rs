//! Transactions that can't be: each has an error of its own, and changes nothing.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::time::Duration;

use timecoin_core::params::BlockProduction;
use timecoin_core::types::encode::encode;
use timecoin_core::{
    Amount, Balance, Chain, Config, ErrorCode, Genesis, Height, KeyPair, Node, OutPoint,
    Transaction, TransactionStatus, TxKind, TxOutput, Txid, Wallet,
};

const LONG: Duration = Duration::from_secs(60);

/// More than any fee here.
const FEE: u64 = 10_000;

fn on_demand() -> Config {
    let mut config = Config::regtest();
    let owner = Config::regtest_wallet().address();
    let masternode = config.masternode_key.as_ref().unwrap().public();
    config.genesis = Genesis::regtest(&[masternode], &[owner; 8]).unwrap();
    config.genesis.params.block_production = BlockProduction::OnDemand;
    config
}

/// A running node and what must not change.
struct Bench {
    node: Node,
    owner: KeyPair,
}

/// What of a node a refused transaction could change.
#[derive(Debug, PartialEq)]
struct Seen {
    tip: Height,
    pending: usize,
    pending_bytes: usize,
    balance: Balance,
}

impl Bench {
    fn new(config: Config) -> Self {
        let node = Node::open(config).unwrap();
        node.start().unwrap();
        Bench { node, owner: Config::regtest_wallet() }
    }

    fn seen(&self) -> Seen {
        let info = self.node.mempool_info();
        Seen {
            tip: self.node.tip().height,
            pending: info.transactions,
            pending_bytes: info.bytes,
            balance: self.node.balance(&self.owner.address()).unwrap(),
        }
    }

    fn coin(&self, n: usize) -> (OutPoint, Amount) {
        let (outpoint, output) = self.node.genesis().outputs().nth(n).unwrap();
        (outpoint, output.value)
    }

    /// A good payment of a coin of the genesis, changed before it is signed.
    fn payment(&self, coin: usize, change: impl FnOnce(&mut Transaction)) -> Transaction {
        let (outpoint, value) = self.coin(coin);
        let value = value.checked_sub(Amount::from_units(FEE)).unwrap();
        let output = TxOutput { value, address: KeyPair::from_seed(b"bob").address() };
        let mut transaction =
            Transaction::transfer(&[(outpoint, self.owner.public())], vec![output]);
        change(&mut transaction);
        self.sign(transaction)
    }

    fn sign(&self, mut transaction: Transaction) -> Transaction {
        transaction.sign_all(self.node.chain().id(), &self.owner);
        transaction
    }

    /// Waits until a transaction is so far.
    fn wait_for(&self, txid: &Txid, status: &TransactionStatus) {
        let deadline = std::time::Instant::now() + LONG;
        while self.node.transaction_status(txid).unwrap().as_ref() != Some(status) {
            assert!(std::time::Instant::now() < deadline, "not {}", status.name());
            std::thread::yield_now();
        }
    }

    /// The error of a transaction, which has changed nothing.
    fn refusal(&self, transaction: &Transaction) -> ErrorCode {
        self.refusal_of_bytes(&encode(transaction))
    }

    fn refusal_of_bytes(&self, bytes: &[u8]) -> ErrorCode {
        let before = self.seen();
        let error = self.node.submit_transaction(bytes).unwrap_err();
        assert_eq!(self.seen(), before, "{error}");
        error.code()
    }
}

#[test]
fn every_bad_transaction_has_its_own_error() {
    let bench = Bench::new(on_demand());
    let units = Amount::from_units;
    let bob = KeyPair::from_seed(b"bob").address();
    let unknown = OutPoint::new(bench.coin(0).0.txid, 99);
    let other_chain = Chain::new(Genesis::regtest_solo()).unwrap();
    let mut of_other_chain = bench.payment(0, |_| {});
    of_other_chain.sign_all(other_chain.id(), &bench.owner);
    let mut of_other_key = bench.payment(0, |_| {});
    of_other_key.sign_all(bench.node.chain().id(), &KeyPair::from_seed(b"eve"));
    let second = (bench.coin(1).0, bench.owner.public());
    let two_inputs = bench.payment(0, |tx| {
        let more = Transaction::transfer(&[second], Vec::new()).inputs.remove(0);
        tx.inputs.push(more);
    });
    let mut of_other_input = two_inputs.clone();
    of_other_input.inputs[0].signature = two_inputs.inputs[1].signature;
    let mut unsigned_change = bench.payment(0, |_| {});
    unsigned_change.outputs[0].value = units(1_000);
    let mut stolen = bench.payment(0, |_| {});
    stolen.inputs[0].public_key = KeyPair::from_seed(b"eve").public();
    stolen.sign_all(bench.node.chain().id(), &KeyPair::from_seed(b"eve"));
    let outputs = |values: &[u64]| {
        let outputs: Vec<_> =
            values.iter().map(|&v| TxOutput { value: units(v), address: bob }).collect();
        bench.payment(0, move |tx| tx.outputs = outputs)
    };
    let value = bench.coin(0).1.units();
    let table = [
        ("wrong chain", of_other_chain, ErrorCode::TransactionBadSignature),
        ("wrong key", of_other_key, ErrorCode::TransactionBadSignature),
        ("signature of another input", of_other_input, ErrorCode::TransactionBadSignature),
        ("changed after signing", unsigned_change, ErrorCode::TransactionBadSignature),
        ("another's coin", stolen, ErrorCode::TransactionWrongKey),
        (
            "one input twice",
            bench.payment(0, |tx| tx.inputs.push(tx.inputs[0].clone())),
            ErrorCode::TransactionDuplicateInput,
        ),
        ("no input", bench.payment(0, |tx| tx.inputs.clear()), ErrorCode::TransactionInputCount),
        ("no output", outputs(&[]), ErrorCode::TransactionOutputCount),
        ("257 outputs", outputs(&[1_000; 257]), ErrorCode::TransactionOutputCount),
        ("zero amount", outputs(&[0]), ErrorCode::TransactionDust),
        ("dust", outputs(&[499]), ErrorCode::TransactionDust),
        ("overflow", outputs(&[u64::MAX, u64::MAX]), ErrorCode::TransactionOverflow),
        ("more than there is", outputs(&[value + 1]), ErrorCode::TransactionInsufficientInputs),
        ("no fee", outputs(&[value]), ErrorCode::TransactionFeeTooLow),
        ("too low a fee", outputs(&[value - 1]), ErrorCode::TransactionFeeTooLow),
        (
            "another version",
            bench.payment(0, |tx| tx.version = 9),
            ErrorCode::TransactionUnknownVersion,
        ),
        (
            "locked",
            bench.payment(0, |tx| tx.lock_time = Height(1_000)),
            ErrorCode::TransactionLockTime,
        ),
        (
            "a coinbase by hand",
            bench.payment(0, |tx| tx.kind = TxKind::Coinbase { height: Height(1) }),
            ErrorCode::TransactionUnexpectedCoinbase,
        ),
        (
            "an output that its transaction never had",
            bench.payment(0, |tx| tx.inputs[0].previous_output = unknown),
            ErrorCode::TransactionInputSpent,
        ),
    ];
    for (desc, transaction, expected) in table {
        assert_eq!(bench.refusal(&transaction), expected, "{desc}");
    }
    let many = (0..3_000).map(|_| TxOutput { value: units(1_000), address: bob }).collect();
    let bytes = encode(&bench.payment(0, |tx| tx.outputs = many));
    assert!(bytes.len() < 100_000);
    assert_eq!(bench.refusal_of_bytes(&bytes), ErrorCode::TransactionOutputCount);
}

#[test]
fn bytes_that_are_no_transaction_are_refused() {
    let bench = Bench::new(on_demand());
    let good = encode(&bench.payment(0, |_| {}));
    for end in 0..good.len() {
        let code = bench.refusal_of_bytes(&good[..end]);
        assert_eq!(code, ErrorCode::TransactionMalformed, "cut at {end}");
    }
    let mut trailing = good.clone();
    trailing.push(0);
    assert_eq!(bench.refusal_of_bytes(&trailing), ErrorCode::TransactionMalformed);
    let oversized = vec![0; 100_001];
    assert_eq!(bench.refusal_of_bytes(&oversized), ErrorCode::TransactionMalformed);
    let before = bench.seen();
    let txid = bench.payment(0, |_| {}).txid();
    for bit in 0..good.len() * 8 {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        // A changed outpoint is one that may still come.
        match bench.node.submit_transaction(&flipped[..]) {
            Err(error) => assert_ne!(error.code(), ErrorCode::Internal, "bit {bit}"),
            Ok(other) => panic!("bit {bit} is not signed: {other} instead of {txid}"),
        }
    }
    assert_eq!(bench.seen(), before);
    assert_eq!(bench.node.submit_transaction(good).unwrap(), txid);
}

#[test]
fn a_reward_is_not_spent_before_its_time() {
    let bench = Bench::new(on_demand());
    let masternode = Config::regtest().masternode_key.unwrap();
    bench.node.produce_block(LONG).unwrap();
    let rewards = bench.node.utxos_of(&masternode.address(), None, 10).unwrap();
    let reward = rewards.first().unwrap();
    let value = reward.output.value.checked_sub(Amount::from_units(FEE)).unwrap();
    let output = TxOutput { value, address: masternode.address() };
    let mut spend = Transaction::transfer(&[(reward.outpoint, masternode.public())], vec![output]);
    spend.sign_all(bench.node.chain().id(), &masternode);
    let maturity = bench.node.genesis().params.coinbase_maturity;
    for _ in 1..maturity {
        assert_eq!(bench.refusal(&spend), ErrorCode::TransactionImmatureCoinbase);
        bench.node.produce_block(LONG).unwrap();
    }
    bench.node.produce_block(LONG).unwrap();
    bench.node.submit_transaction(&spend).unwrap();
}

#[test]
fn a_child_of_nobody_waits_and_is_given_up() {
    let config = Config { waiting_ms_max: 200, waiting_transactions_max: 2, ..on_demand() };
    let bench = Bench::new(config);
    let orphan = |n: u8| {
        let parent = OutPoint::new(Txid::from_bytes([n; 32]), 0);
        bench.payment(0, |tx| tx.inputs[0].previous_output = parent)
    };
    let first = bench.node.submit_transaction(orphan(1)).unwrap();
    let second = bench.node.submit_transaction(orphan(2)).unwrap();
    let status = bench.node.transaction_status(&first).unwrap();
    assert_eq!(status, Some(TransactionStatus::Pending));
    assert_eq!(bench.refusal(&orphan(3)), ErrorCode::WaitingRoomFull);
    for orphan in [first, second] {
        let error = bench.node.wait_finalized(&orphan, LONG).unwrap_err();
        assert_eq!(error.code(), ErrorCode::ParentTimeout);
    }
    assert_eq!(bench.seen().pending, 0);
}

#[test]
fn a_double_spend_is_refused_at_every_stage() {
    // With four masternodes and none of the others there, this one only approves.
    let alone = Bench::new({
        let mut config = on_demand();
        let keys: Vec<KeyPair> = (0..4u8).map(|n| KeyPair::from_seed(&[n])).collect();
        let publics: Vec<_> = keys.iter().map(KeyPair::public).collect();
        let owner = Config::regtest_wallet().address();
        config.genesis = Genesis::regtest(&publics, &[owner; 8]).unwrap();
        config.masternode_key = Some(keys[0].clone());
        config
    });
    let first = alone.node.submit_transaction(alone.payment(0, |_| {})).unwrap();
    alone.wait_for(&first, &TransactionStatus::Approved);
    let double =
        |bench: &Bench| bench.payment(0, |tx| tx.outputs[0].address = bench.owner.address());
    assert_eq!(alone.refusal(&double(&alone)), ErrorCode::ConflictsWithApproved);
    assert_eq!(alone.node.submit_transaction(alone.payment(0, |_| {})).unwrap(), first);

    let bench = Bench::new(on_demand());
    let txid = bench.node.submit_transaction(bench.payment(0, |_| {})).unwrap();
    bench.node.wait_finalized(&txid, LONG).unwrap();
    assert_eq!(bench.refusal(&double(&bench)), ErrorCode::ConflictsWithFinal);
    bench.node.produce_block(LONG).unwrap();
    assert_eq!(bench.refusal(&double(&bench)), ErrorCode::TransactionInputSpent);
    // The same one again is what it was.
    let before = bench.seen();
    assert_eq!(bench.node.submit_transaction(bench.payment(0, |_| {})).unwrap(), txid);
    assert_eq!(bench.seen(), before);
}

#[test]
fn a_full_mempool_refuses_what_pays_no_more() {
    // A node without a vote: nothing becomes final and leaves.
    let mut config = Config { mempool_transactions_max: 2, masternode_key: None, ..on_demand() };
    let publics: Vec<_> = (0..4u8).map(|n| KeyPair::from_seed(&[n]).public()).collect();
    let owner = Config::regtest_wallet().address();
    config.genesis = Genesis::regtest(&publics, &[owner; 8]).unwrap();
    let bench = Bench::new(config);
    for coin in 0..2 {
        bench.node.submit_transaction(bench.payment(coin, |_| {})).unwrap();
    }
    assert_eq!(bench.refusal(&bench.payment(2, |_| {})), ErrorCode::MempoolFull);
    let more = bench.payment(3, |tx| {
        let value = tx.outputs[0].value;
        tx.outputs[0].value = value.checked_sub(Amount::from_units(FEE)).unwrap();
    });
    bench.node.submit_transaction(&more).unwrap();
    assert_eq!(bench.node.mempool_info().transactions, 2);
}

#[test]
fn a_wallet_pays_on_after_refusals() {
    let bench = Bench::new(on_demand());
    bench.refusal_of_bytes(&[]);
    let wallet = Wallet::new(&bench.node, Config::regtest_wallet());
    let bob = KeyPair::from_seed(b"bob").address();
    let payment = wallet.pay(&bob, Amount::from_time(1)).unwrap();
    bench.node.wait_finalized(&payment.txid, LONG).unwrap();
    let double = bench.payment(0, |_| {});
    let is_same_coin = payment.transaction.inputs[0].previous_output == bench.coin(0).0;
    if is_same_coin {
        assert_eq!(bench.refusal(&double), ErrorCode::ConflictsWithFinal);
    }
}
