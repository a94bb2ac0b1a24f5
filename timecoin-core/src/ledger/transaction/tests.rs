//! Every rule of a transaction, broken by one small example each.

use std::collections::BTreeMap;

use super::*;
use crate::ledger::testkit::{COIN, FEE, MapView, TestChain, masternode_keys};
use crate::ledger::view::Overlay;
use crate::types::ballot::{Ballot, Choice, SignedBallot};
use crate::types::chain::Round;
use crate::types::encode::encode;
use crate::types::encode::encoded_len;
use crate::types::evidence::Contradiction;
use crate::types::hash::{BlockHash, SetHash};
use crate::types::keys::{KeyPair, Signature};
use crate::types::masternode_set::MasternodeIndex;
use crate::types::transaction::TxOutput;
use crate::types::vote::{RejectReason, Vote, VoteBatch, VoteProof};

fn kit() -> TestChain {
    TestChain::new(4)
}

fn stranger() -> KeyPair {
    KeyPair::from_seed(b"test stranger")
}

/// A small payment by the wallet that leaves `fee`.
fn with_fee(kit: &TestChain, fee: u64) -> Transaction {
    let outputs = [(COIN.units() - fee, kit.wallet.address())];
    kit.transfer(&kit.wallet, &[kit.coin(0)], &outputs)
}

/// Outputs of these values to the wallet, from one coin; they need not add up.
fn with_outputs(kit: &TestChain, values: &[u64]) -> Transaction {
    let outputs: Vec<_> = values.iter().map(|&units| (units, kit.wallet.address())).collect();
    kit.transfer(&kit.wallet, &[kit.coin(0)], &outputs)
}

/// A changed transaction, signed again.
fn changed(kit: &TestChain, change: impl FnOnce(&mut Transaction)) -> Transaction {
    let mut transaction = kit.simple(0);
    change(&mut transaction);
    transaction.sign_all(kit.chain.id(), &kit.wallet);
    transaction
}

fn malformed(reason: &str) -> TransactionError {
    DecodeError::Malformed { what: "transaction", reason: reason.to_owned() }.into()
}

type Row = (&'static str, Result<(), TransactionError>, TransactionError);

fn row<T>(
    desc: &'static str,
    found: Result<T, TransactionError>,
    expected: TransactionError,
) -> Row {
    (desc, found.map(|_| ()), expected)
}

fn encoding() -> Vec<Row> {
    let kit = kit();
    let params = kit.chain.params();
    let bytes = encode(&kit.simple(0));
    let longer = [&bytes[..], &[0]].concat();
    let bytes_max = params.transaction_bytes_max as usize;
    let too_long = DecodeError::TooLong { what: "transaction", bytes: bytes_max + 1, bytes_max };
    vec![
        row(
            "truncated",
            decode_transaction(&bytes[..bytes.len() - 1], params),
            malformed("Unexpected length of input"),
        ),
        row("trailing", decode_transaction(&longer, params), malformed("Not all bytes read")),
        row("oversized", decode_transaction(&vec![0; bytes_max + 1], params), too_long.into()),
    ]
}

fn shape() -> Vec<Row> {
    let kit = kit();
    let inputs_max = kit.chain.params().transaction_inputs_max as usize;
    let outputs_max = kit.chain.params().transaction_outputs_max as usize;
    let dust_limit = kit.chain.params().dust_limit;
    let version = changed(&kit, |tx| tx.version = 2);
    let no_input = changed(&kit, |tx| tx.inputs.clear());
    let no_output = changed(&kit, |tx| tx.outputs.clear());
    let many_inputs = changed(&kit, |tx| tx.inputs = vec![tx.inputs[0].clone(); inputs_max + 1]);
    let many_outputs = changed(&kit, |tx| tx.outputs = vec![tx.outputs[0]; outputs_max + 1]);
    let twice = kit.transfer(
        &kit.wallet,
        &[kit.coin(0), kit.coin(1), kit.coin(0)],
        &[(1_000, kit.wallet.address())],
    );
    let coinbase = Transaction {
        inputs: Vec::new(),
        kind: TxKind::Coinbase { height: Height(1) },
        ..kit.simple(0)
    };
    let too_many_inputs = TransactionError::InputCount { inputs: inputs_max + 1, inputs_max };
    let too_many_outputs = TransactionError::OutputCount { outputs: outputs_max + 1, outputs_max };
    let dust =
        |vout, units| TransactionError::Dust { vout, value: Amount::from_units(units), dust_limit };
    vec![
        row("version", kit.check(version), TransactionError::UnknownVersion { version: 2 }),
        row(
            "no input",
            kit.check(no_input),
            TransactionError::InputCount { inputs: 0, inputs_max },
        ),
        row(
            "no output",
            kit.check(no_output),
            TransactionError::OutputCount { outputs: 0, outputs_max },
        ),
        row("too many inputs", kit.check(many_inputs), too_many_inputs),
        row("too many outputs", kit.check(many_outputs), too_many_outputs),
        row(
            "duplicate input",
            kit.check(twice),
            TransactionError::DuplicateInput { outpoint: kit.coin(0) },
        ),
        row("zero output", kit.check(with_outputs(&kit, &[1_000, 0])), dust(1, 0)),
        row("dust by one", kit.check(with_outputs(&kit, &[dust_limit.units() - 1])), dust(0, 499)),
        row(
            "outputs overflow",
            kit.check(with_outputs(&kit, &[u64::MAX, 1_000])),
            TransactionError::Overflow { what: "outputs" },
        ),
        row("coinbase", kit.check(coinbase), TransactionError::UnexpectedCoinbase),
    ]
}

fn size() -> Vec<Row> {
    let kit = TestChain::with(1, |genesis| genesis.params.transaction_bytes_max = 1_000);
    let outputs = vec![(1_000_000, kit.wallet.address()); 30];
    let within = kit.transfer(&kit.wallet, &[kit.coin(0)], &outputs);
    let bytes = encoded_len(&within);
    assert!(bytes <= 1_000 && bytes + 28 > 1_000);
    assert!(kit.check(within).is_ok());
    let over = kit.transfer(&kit.wallet, &[kit.coin(0)], &[&outputs[..], &[outputs[0]]].concat());
    let too_large = TransactionError::TooLarge { bytes: bytes + 28, bytes_max: 1_000 };
    vec![row("over the size limit", kit.check(over), too_large)]
}

fn signatures() -> Vec<Row> {
    let kit = kit();
    let bad = |input| TransactionError::BadSignature { input };
    let two = || {
        let value = 2 * COIN.units() - FEE;
        let inputs = [kit.coin(0), kit.coin(1)];
        kit.transfer(&kit.wallet, &inputs, &[(value, kit.wallet.address())])
    };
    let mut unsigned = two();
    unsigned.inputs[1].signature = Signature::from_bytes([0; 64]);
    let mut altered = two();
    let mut bytes = altered.inputs[1].signature.to_bytes();
    bytes[40] ^= 1;
    altered.inputs[1].signature = Signature::from_bytes(bytes);
    let mut swapped = two();
    let first = swapped.inputs[0].signature;
    swapped.inputs[0].signature = swapped.inputs[1].signature;
    swapped.inputs[1].signature = first;
    let mut other_chain = two();
    let elsewhere = TestChain::new(1);
    other_chain.sign_all(elsewhere.chain.id(), &kit.wallet);
    let mut other_key = two();
    other_key.sign_input(kit.chain.id(), 1, &stranger());
    let mut replayed = two();
    replayed.inputs[0].signature = kit.simple(0).inputs[0].signature;
    let mut redirected = two();
    redirected.outputs[0].address = stranger().address();
    let mut relocked = two();
    relocked.lock_time = Height(1);
    vec![
        row("no signature", kit.check(unsigned), bad(1)),
        row("altered signature", kit.check(altered), bad(1)),
        row("signature of another input", kit.check(swapped), bad(0)),
        row("signature for another chain", kit.check(other_chain), bad(0)),
        row("signature by another key", kit.check(other_key), bad(1)),
        row("signature of another transaction", kit.check(replayed), bad(0)),
        row("output changed after signing", kit.check(redirected), bad(0)),
        row("lock time changed after signing", kit.check(relocked), bad(0)),
    ]
}

fn inputs() -> Vec<Row> {
    let mut kit = kit();
    let spent = kit.simple(0);
    kit.extend(vec![spent.clone()]);
    let unknown = OutPoint::new(Txid::from_bytes([7; 32]), 0);
    let never_made = OutPoint::new(spent.txid(), 1);
    let beyond_genesis = kit.coin(999);
    let to_wallet = [(1_000_000, kit.wallet.address())];
    let of = |outpoint| kit.transfer(&kit.wallet, &[outpoint], &to_wallet);
    let stolen = kit.transfer(&stranger(), &[kit.coin(1)], &to_wallet);
    let is_spent = |outpoint| TransactionError::InputSpent { outpoint };
    vec![
        row("confirmed transaction again", kit.check(spent.clone()), is_spent(kit.coin(0))),
        row("double spend of a confirmed one", kit.check(of(kit.coin(0))), is_spent(kit.coin(0))),
        row("output that was never made", kit.check(of(never_made)), is_spent(never_made)),
        row("coin beyond the genesis", kit.check(of(beyond_genesis)), is_spent(beyond_genesis)),
        row(
            "unknown parent",
            kit.check(of(unknown)),
            TransactionError::UnknownInput { outpoint: unknown },
        ),
        row("key of somebody else", kit.check(stolen), TransactionError::WrongKey { input: 0 }),
    ]
}

fn money() -> Vec<Row> {
    let kit = kit();
    let bytes = encoded_len(&kit.simple(0));
    let required = kit.chain.params().fee_required(bytes);
    let too_low = TransactionError::FeeTooLow {
        fee: Amount::from_units(required.units() - 1),
        required,
        bytes,
    };
    assert!(kit.check(with_fee(&kit, required.units())).is_ok());
    let outputs = Amount::from_units(COIN.units() + 1);
    vec![
        row("fee too low by one", kit.check(with_fee(&kit, required.units() - 1)), too_low),
        row(
            "one unit more than there is",
            kit.check(with_outputs(&kit, &[outputs.units()])),
            TransactionError::InsufficientInputs { inputs: COIN, outputs },
        ),
        row("inputs overflow", huge_inputs(), TransactionError::Overflow { what: "inputs" }),
    ]
}

/// No genesis can issue so much; the rule holds on its own all the same.
fn huge_inputs() -> Result<Spend, TransactionError> {
    let kit = kit();
    let address = kit.wallet.address();
    let output = TxOutput { value: Amount::from_units(u64::MAX), address };
    let utxo = Utxo { output, height: Height::ZERO, origin: Origin::Transfer };
    let outpoints = [1, 2].map(|n| OutPoint::new(Txid::from_bytes([n; 32]), 0));
    let view = MapView {
        utxos: outpoints.map(|outpoint| (outpoint, utxo)).into(),
        confirmed: BTreeMap::new(),
    };
    let transaction = kit.transfer(&kit.wallet, &outpoints, &[(1_000, address)]);
    let verified = kit.verify(transaction).unwrap();
    check_spend(&verified, &kit.context(), &view).map_err(|error| match error {
        SpendError::Invalid(error) => error,
        SpendError::View(error) => panic!("{error}"),
    })
}

fn time() -> Vec<Row> {
    let mut kit = kit();
    kit.extend(Vec::new());
    let next_height = kit.state.next_height();
    let locked_until = |lock_time| changed(&kit, |tx| tx.lock_time = lock_time);
    assert!(kit.check(locked_until(next_height)).is_ok());
    let lock_time = next_height.next();
    let locked = row(
        "locked for one more block",
        kit.check(locked_until(lock_time)),
        TransactionError::LockTime { lock_time, next_height },
    );

    // Block 1 pays its proposer; with a maturity of 10 its coinbase can be spent in block 11.
    let payee = kit.keys_in(&kit.state.masternodes, kit.decided_proposer(0)).clone();
    let (outpoint, utxo) = kit.coins(&payee)[0];
    let spendable_at = Height(11);
    let to_wallet = [(utxo.output.value.units() - FEE, kit.wallet.address())];
    let spending = kit.transfer(&payee, &[outpoint], &to_wallet);
    kit.extend_until(10);
    let young = row(
        "coinbase one block too young",
        kit.check(spending.clone()),
        TransactionError::ImmatureCoinbase { outpoint, spendable_at },
    );
    kit.extend_until(11);
    assert!(kit.check(spending).is_ok());
    vec![locked, young]
}

fn registrations() -> Vec<Row> {
    let mut kit = kit();
    let newcomer = masternode_keys(9);
    let good = kit.registration(&newcomer, 0);
    assert!(kit.check(good.clone()).is_ok());
    let registered = |change: &dyn Fn(&mut Registration)| {
        let mut transaction = good.clone();
        if let TxKind::RegisterMasternode(registration) = &mut transaction.kind {
            change(registration);
        }
        transaction.sign_all(kit.chain.id(), &kit.wallet);
        kit.check(kit.proven(transaction, &newcomer))
    };
    let wrong = |reason| TransactionError::BadRegistration { reason };
    let unusable = registered(&|r| {
        let mut small_order = [0; 32];
        small_order[0] = 1;
        r.consensus_key = PublicKey::from_bytes(small_order);
    });
    let not_collateral = "the collateral output is not exactly the collateral";
    assert!(registered(&|r| r.network_address = "x".repeat(128)).is_ok());
    let mut forged = good.clone();
    if let TxKind::RegisterMasternode(registration) = &mut forged.kind {
        registration.proof = stranger().sign(b"something else");
    }
    let mut leaving = kit.deregistration(&masternode_keys(0), 1);
    if let TxKind::DeregisterMasternode { proof, .. } = &mut leaving.kind {
        **proof = stranger().sign(b"something else");
    }
    let mut rows = vec![
        row("unusable consensus key", unusable, wrong("the consensus key is not usable")),
        row(
            "long network address",
            registered(&|r| r.network_address = "x".repeat(129)),
            wrong("the network address is longer than 128 bytes"),
        ),
        row(
            "no collateral",
            registered(&|r| r.collateral_vout = 2),
            wrong("the collateral output does not exist"),
        ),
        row("wrong collateral", registered(&|r| r.collateral_vout = 1), wrong(not_collateral)),
        row("registration by another key", kit.check(forged), TransactionError::BadProof),
        row("deregistration by another key", kit.check(leaving), TransactionError::BadProof),
    ];
    let (known, unknown) = (masternode_keys(0), stranger());
    let exists =
        |keys: &KeyPair| TransactionError::MasternodeExists { consensus_key: keys.public() };
    let no_such =
        |keys: &KeyPair| TransactionError::UnknownMasternode { consensus_key: keys.public() };
    rows.push(row("genesis masternode", kit.check(kit.registration(&known, 1)), exists(&known)));
    rows.push(row(
        "unknown masternode",
        kit.check(kit.deregistration(&unknown, 1)),
        no_such(&unknown),
    ));
    kit.extend(vec![good, kit.deregistration(&known, 1)]);
    rows.push(row("twice", kit.check(kit.registration(&newcomer, 2)), exists(&newcomer)));
    rows.push(row("leaving twice", kit.check(kit.deregistration(&known, 2)), no_such(&known)));
    rows
}

fn collateral() -> Vec<Row> {
    let mut kit = kit();
    let newcomer = masternode_keys(9);
    let registration = kit.registration(&newcomer, 0);
    let outpoint = OutPoint::new(registration.txid(), 0);
    let value = kit.chain.params().masternode_collateral.units() - FEE;
    let spending = kit.transfer(&kit.wallet, &[outpoint], &[(value, kit.wallet.address())]);
    let locked = TransactionError::CollateralLocked { outpoint };
    let mut rows = Vec::new();

    // As it is checked while the registration is final and in no block.
    let mut overlay = Overlay::new(&kit.view, 1);
    overlay.create(registration.txid(), &registration, kit.state.next_height());
    let verified = kit.verify(spending.clone()).unwrap();
    let unconfirmed = check_spend(&verified, &kit.context(), &overlay);
    assert_eq!(unconfirmed, Err(SpendError::Invalid(locked.clone())));

    let together =
        kit.build(vec![registration.clone(), spending.clone()]).map_err(|error| match error {
            crate::ledger::block::BlockError::Transaction { index: 2, error } => error,
            other => panic!("{other}"),
        });
    rows.push(row("in the block of the registration", together, locked.clone()));
    kit.extend(vec![registration]);
    rows.push(row("before it is active", kit.check(spending.clone()), locked.clone()));
    kit.add_keys(&newcomer);
    kit.extend_until(21);
    assert_eq!(kit.state.masternodes.len(), 5);
    rows.push(row("while it is active", kit.check(spending.clone()), locked.clone()));
    kit.extend(vec![kit.deregistration(&newcomer, 1)]);
    kit.extend_until(40);
    rows.push(row("in the last block of its epoch", kit.check(spending.clone()), locked));
    kit.extend_until(41);
    assert_eq!(kit.state.masternodes.len(), 4);
    assert!(kit.check(spending).is_ok(), "it has left");
    rows
}

fn ballots(kit: &TestChain, voter: MasternodeIndex, blocks: [u8; 2]) -> Contradiction {
    let set = &kit.state.masternodes;
    let signed = |block: u8| {
        let choice = Choice::Prepare(BlockHash::from_bytes([block; 32]));
        let (epoch, height, round) = (kit.state.epoch(&kit.chain), Height(1), Round::ZERO);
        let ballot = Ballot { epoch, height, round, choice };
        let keys = kit.keys_in(set, voter);
        SignedBallot::sign(ballot, voter, kit.chain.id(), &set.hash(), keys)
    };
    Contradiction::Ballots(signed(blocks[0]), signed(blocks[1]))
}

fn votes(kit: &TestChain, voter: MasternodeIndex, votes: [Vote; 2]) -> Contradiction {
    let set = &kit.state.masternodes;
    let epoch = kit.state.epoch(&kit.chain);
    let proven = |vote: Vote| -> (Vote, VoteProof) {
        let keys = kit.keys_in(set, voter);
        let other = Vote::Commit(Txid::ZERO);
        let batch =
            VoteBatch::sign(kit.chain.id(), epoch, set.hash(), voter, vec![other, vote], keys);
        (vote, batch.proof(1).unwrap())
    };
    let [approve, reject] = votes.map(proven);
    Contradiction::Votes { epoch, approve, reject }
}

fn accusing(kit: &TestChain, voter: MasternodeIndex, contradiction: Contradiction) -> Transaction {
    let set = &kit.state.masternodes;
    let offender = set.get(voter).unwrap().consensus_key;
    let evidence = Box::new(Evidence { offender, set_hash: set.hash(), contradiction });
    Transaction::unsigned(&[], Vec::new(), TxKind::Evidence(evidence))
}

fn evidence() -> Vec<Row> {
    let mut kit = kit();
    let txid = Txid::from_bytes([1; 32]);
    let approve = Vote::Approve(txid);
    let reject = Vote::Reject(txid, RejectReason::ConflictsWithFinal);
    let other_reject = Vote::Reject(Txid::ZERO, RejectReason::ConflictsWithFinal);
    let guilty = accusing(&kit, 1, ballots(&kit, 1, [1, 2]));
    assert!(kit.check(guilty.clone()).is_ok());
    assert!(kit.check(accusing(&kit, 1, votes(&kit, 1, [approve, reject]))).is_ok());

    let of_set = |mut transaction: Transaction, set_hash: SetHash| {
        if let TxKind::Evidence(evidence) = &mut transaction.kind {
            evidence.set_hash = set_hash;
        }
        transaction
    };
    let mut paid = guilty.clone();
    paid.outputs.push(TxOutput { value: COIN, address: kit.wallet.address() });
    let mut funded = kit.simple(0);
    funded.kind = guilty.kind.clone();
    let outside = {
        let mut transaction = guilty.clone();
        if let TxKind::Evidence(evidence) = &mut transaction.kind {
            evidence.offender = stranger().public();
        }
        transaction
    };
    let bad = TransactionError::BadEvidence;
    let contradiction = |transaction| kit.check(transaction);
    let mut rows = vec![
        row(
            "same ballot twice",
            contradiction(accusing(&kit, 1, ballots(&kit, 1, [1, 1]))),
            bad(EvidenceError::NoContradiction),
        ),
        row(
            "approves of conflicting transactions",
            contradiction(accusing(&kit, 1, votes(&kit, 1, [approve, Vote::Approve(Txid::ZERO)]))),
            bad(EvidenceError::NoContradiction),
        ),
        row(
            "reject of another transaction",
            contradiction(accusing(&kit, 1, votes(&kit, 1, [approve, other_reject]))),
            bad(EvidenceError::NoContradiction),
        ),
        row(
            "signed by another masternode",
            contradiction(accusing(&kit, 1, ballots(&kit, 2, [1, 2]))),
            bad(EvidenceError::NotSigned),
        ),
        row(
            "votes of another masternode",
            contradiction(accusing(&kit, 1, votes(&kit, 2, [approve, reject]))),
            bad(EvidenceError::NotSigned),
        ),
        row(
            "of another set",
            contradiction(of_set(guilty.clone(), SetHash::ZERO)),
            bad(EvidenceError::OtherSet { found: SetHash::ZERO }),
        ),
        row("against nobody", contradiction(outside), TransactionError::StaleEvidence),
        row(
            "with outputs",
            contradiction(paid),
            TransactionError::OutputCount { outputs: 1, outputs_max: 256 },
        ),
        row(
            "with inputs",
            contradiction(funded),
            TransactionError::InputCount { inputs: 1, inputs_max: 256 },
        ),
    ];
    let again = accusing(&kit, 1, ballots(&kit, 1, [1, 3]));
    kit.extend(vec![guilty]);
    rows.push(row("again", kit.check(again), TransactionError::StaleEvidence));
    rows.push(row("after its return", convicted_twice(), TransactionError::StaleEvidence));
    rows
}

/// The evidence that removed a masternode, shown once more when it has come back and the set is
/// the same again.
fn convicted_twice() -> Result<Spend, TransactionError> {
    let mut kit = TestChain::with(4, |genesis| genesis.params.epoch_blocks = 2);
    let returning = masternode_keys(9);
    kit.add_keys(&returning);
    kit.extend(vec![kit.registration(&returning, 0)]);
    kit.extend_until(3);
    let set_hash = kit.state.masternodes.hash();
    let voter = kit.state.masternodes.index_of(&returning.public()).unwrap();
    let guilty = accusing(&kit, voter, ballots(&kit, voter, [1, 2]));
    kit.extend(vec![guilty.clone()]);
    kit.extend_until(5);
    assert_eq!(kit.state.masternodes.len(), 4);
    kit.extend(vec![kit.registration(&returning, 1)]);
    kit.extend_until(7);
    assert_eq!(kit.state.masternodes.hash(), set_hash);
    kit.check(guilty)
}

/// The position of a variant; a new one does not compile until it has a number and a row.
fn ordinal(error: &TransactionError) -> usize {
    match error {
        TransactionError::Decode(_) => 0,
        TransactionError::UnknownVersion { .. } => 1,
        TransactionError::TooLarge { .. } => 2,
        TransactionError::InputCount { .. } => 3,
        TransactionError::OutputCount { .. } => 4,
        TransactionError::DuplicateInput { .. } => 5,
        TransactionError::Dust { .. } => 6,
        TransactionError::Overflow { .. } => 7,
        TransactionError::BadSignature { .. } => 8,
        TransactionError::UnexpectedCoinbase => 9,
        TransactionError::BadRegistration { .. } => 10,
        TransactionError::BadProof => 11,
        TransactionError::BadEvidence(_) => 12,
        TransactionError::StaleEvidence => 13,
        TransactionError::UnknownInput { .. } => 14,
        TransactionError::InputSpent { .. } => 15,
        TransactionError::WrongKey { .. } => 16,
        TransactionError::InsufficientInputs { .. } => 17,
        TransactionError::FeeTooLow { .. } => 18,
        TransactionError::LockTime { .. } => 19,
        TransactionError::ImmatureCoinbase { .. } => 20,
        TransactionError::CollateralLocked { .. } => 21,
        TransactionError::MasternodeExists { .. } => 22,
        TransactionError::UnknownMasternode { .. } => 23,
    }
}

#[test]
fn every_broken_rule_is_named() {
    let tables = [
        encoding(),
        shape(),
        size(),
        signatures(),
        inputs(),
        money(),
        time(),
        registrations(),
        collateral(),
        evidence(),
    ];
    let mut provoked = [false; 24];
    for (desc, found, expected) in tables.into_iter().flatten() {
        provoked[ordinal(&expected)] = true;
        assert_eq!(found, Err(expected), "{desc}");
    }
    assert_eq!(provoked, [true; 24]);
}

#[test]
fn an_output_at_the_dust_limit_is_accepted() {
    let kit = kit();
    let dust_limit = kit.chain.params().dust_limit.units();
    assert!(kit.check(with_outputs(&kit, &[dust_limit])).is_ok());
}

#[test]
fn a_spend_gives_the_fee_and_the_outputs_it_spends() {
    let kit = kit();
    let spend = kit.check(with_fee(&kit, 12_345)).unwrap();
    let utxo = kit.view.utxos[&kit.coin(0)];
    assert_eq!(spend, Spend { fee: Amount::from_units(12_345), inputs: vec![utxo] });
}

#[test]
fn many_transactions_are_judged_as_each_alone() {
    let kit = kit();
    let mut transactions: Vec<_> = (0..6).map(|coin| Arc::new(kit.simple(coin))).collect();
    let mut bad = kit.simple(6);
    bad.inputs[0].signature = Signature::from_bytes([1; 64]);
    transactions.insert(2, Arc::new(bad));
    transactions.insert(4, Arc::new(changed(&kit, |tx| tx.version = 9)));
    let alone: Vec<_> =
        transactions.iter().map(|tx| verify_transaction(Arc::clone(tx), &kit.chain)).collect();
    assert_eq!(verify_transactions(transactions, &kit.chain), alone);
    assert_eq!(alone.iter().filter(|answer| answer.is_err()).count(), 2);
}

#[test]
fn what_is_known_is_not_verified_again_and_shifts_no_blame() {
    let kit = kit();
    let forge = |coin: usize| {
        let mut transaction = kit.simple(coin);
        transaction.inputs[0].signature = Signature::from_bytes([9; 64]);
        Arc::new(transaction)
    };
    let transactions = vec![forge(0), Arc::new(kit.simple(1)), forge(2)];
    let known = VerifiedTransaction::vouch(
        Arc::clone(&transactions[0]),
        transactions[0].txid(),
        transactions[0].wtxid(),
        200,
    );
    let find = |wtxid: &Wtxid| Some(known.clone()).filter(|known| known.wtxid() == *wtxid);
    let known = Known { transactions: &find, ..Known::NOTHING };
    let answers = verify_unknown_transactions(transactions, &kit.chain, &known);
    assert!(answers[0].is_ok() && answers[1].is_ok());
    assert_eq!(answers[2], Err(TransactionError::BadSignature { input: 0 }));
}

#[test]
fn signing_differently_changes_the_wtxid_only() {
    let kit = kit();
    let transaction = kit.simple(0);
    let mut other = transaction.clone();
    other.inputs[0].signature = Signature::from_bytes([9; 64]);
    assert_eq!(transaction.txid(), other.txid());
    assert_ne!(transaction.wtxid(), other.wtxid());
}

#[test]
fn everything_else_changes_the_txid() {
    let kit = kit();
    let transaction = kit.registration(&masternode_keys(9), 0);
    let changes: [&dyn Fn(&mut Transaction); 8] = [
        &|tx| tx.version += 1,
        &|tx| tx.inputs[0].previous_output.vout += 1,
        &|tx| tx.inputs[0].public_key = stranger().public(),
        &|tx| tx.outputs[0].value = Amount::ZERO,
        &|tx| tx.outputs.swap(0, 1),
        &|tx| tx.lock_time = Height(1),
        &|tx| tx.kind = TxKind::Transfer,
        &|tx| match &mut tx.kind {
            TxKind::RegisterMasternode(registration) => registration.network_address.push('0'),
            _ => unreachable!(),
        },
    ];
    for (index, change) in changes.iter().enumerate() {
        let mut other = transaction.clone();
        change(&mut other);
        assert_ne!(transaction.txid(), other.txid(), "change {index}");
    }
}
