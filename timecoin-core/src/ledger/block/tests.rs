//! Every rule of a block, broken by one small example each; and random chains, checked by a
//! second implementation that is slow and obvious.

use proptest::prelude::*;

use super::*;
use crate::ledger::commitment::UtxoSetHash;
use crate::ledger::rewards::block_reward;
use crate::ledger::testkit::{COIN, COINS, FEE, MapView, TestChain, masternode_keys};
use crate::ledger::view::{Lookup, Origin, Utxo};
use crate::types::chain::Epoch;
use crate::types::hash::Txid;
use crate::types::keys::{KeyPair, Signature};
use crate::types::transaction::TxOutput;

fn unknown(_: &Wtxid) -> Option<VerifiedTransaction> {
    None
}

/// What a masternode does with a block that it receives.
fn receive(kit: &TestChain, block: Block) -> Result<Connected, BlockError> {
    let verified = verify_block(Arc::new(block), &kit.chain, &unknown)?;
    check_block(&kit.chain, &kit.state, &kit.view, &verified)
}

/// A chain with one decided block, and the next block, which holds two transactions.
fn next_block() -> (TestChain, Block) {
    let mut kit = TestChain::new(4);
    kit.extend(vec![kit.simple(0)]);
    let connected = kit.build(vec![kit.simple(1), kit.simple(2)]).unwrap();
    (kit, Block::clone(connected.block.block()))
}

/// The block with a coinbase of one's own, and a Merkle root that fits.
fn with_coinbase(mut block: Block, change: impl FnOnce(&mut Transaction)) -> Block {
    let mut coinbase = Transaction::clone(&block.transactions[0]);
    change(&mut coinbase);
    block.transactions[0] = Arc::new(coinbase);
    rerooted(block)
}

fn rerooted(mut block: Block) -> Block {
    block.header.merkle_root = block.merkle_root();
    block
}

#[test]
fn every_field_of_a_header_is_checked() {
    let (kit, block) = next_block();
    assert!(receive(&kit, block.clone()).is_ok());
    let header = block.header.clone();
    let certificate = header.parent_certificate.clone().unwrap();
    let hash = |n: u8| [n; 32];
    let stranger = KeyPair::from_seed(b"stranger").public();
    let with_certificate = |change: &dyn Fn(&mut CommitCertificate)| {
        let mut changed = certificate.clone();
        change(&mut changed);
        BlockHeader { parent_certificate: Some(changed), ..header.clone() }
    };
    let other_subject = BlockError::ParentCertificate(CertificateError::OtherSubject);
    let bad_signature =
        |voter| BlockError::ParentCertificate(CertificateError::BadSignature { voter });
    let table: Vec<(&str, BlockHeader, BlockError)> = vec![
        (
            "version",
            BlockHeader { version: 2, ..header.clone() },
            BlockError::UnknownVersion { version: 2 },
        ),
        (
            "chain",
            BlockHeader { chain_id: ChainId::from_bytes(hash(1)), ..header.clone() },
            BlockError::WrongChain { found: ChainId::from_bytes(hash(1)) },
        ),
        (
            "parent",
            BlockHeader { parent: BlockHash::from_bytes(hash(1)), ..header.clone() },
            BlockError::WrongParent {
                found: BlockHash::from_bytes(hash(1)),
                expected: kit.state.tip.hash,
            },
        ),
        (
            "merkle root",
            BlockHeader { merkle_root: MerkleRoot::from_bytes(hash(1)), ..header.clone() },
            BlockError::WrongMerkleRoot {
                found: MerkleRoot::from_bytes(hash(1)),
                expected: header.merkle_root,
            },
        ),
        (
            "commitment",
            BlockHeader { utxo_commitment: UtxoCommitment::from_bytes(hash(1)), ..header.clone() },
            BlockError::WrongUtxoCommitment {
                found: UtxoCommitment::from_bytes(hash(1)),
                expected: header.utxo_commitment,
            },
        ),
        (
            "masternode set",
            BlockHeader { masternode_set: SetHash::from_bytes(hash(1)), ..header.clone() },
            BlockError::WrongMasternodeSet {
                found: SetHash::from_bytes(hash(1)),
                expected: header.masternode_set,
            },
        ),
        (
            "next masternode set",
            BlockHeader { next_masternode_set: SetHash::from_bytes(hash(1)), ..header.clone() },
            BlockError::WrongNextMasternodeSet {
                found: SetHash::from_bytes(hash(1)),
                expected: header.next_masternode_set,
            },
        ),
        (
            "registry",
            BlockHeader { registry: RegistryHash::from_bytes(hash(1)), ..header.clone() },
            BlockError::WrongRegistry {
                found: RegistryHash::from_bytes(hash(1)),
                expected: header.registry,
            },
        ),
        (
            "time of the parent",
            BlockHeader { timestamp: kit.state.tip.timestamp, ..header.clone() },
            BlockError::TimestampNotAfterParent {
                timestamp: kit.state.tip.timestamp,
                parent: kit.state.tip.timestamp,
            },
        ),
        (
            "proposer",
            BlockHeader { proposer: stranger, ..header.clone() },
            BlockError::UnknownProposer { proposer: stranger },
        ),
        (
            "no parent certificate",
            BlockHeader { parent_certificate: None, ..header.clone() },
            other_subject.clone(),
        ),
        (
            "certificate of another block",
            with_certificate(&|c| c.block = BlockHash::ZERO),
            other_subject.clone(),
        ),
        ("of another height", with_certificate(&|c| c.height = Height(2)), other_subject.clone()),
        ("of another epoch", with_certificate(&|c| c.epoch = Epoch(1)), other_subject),
        ("of another round", with_certificate(&|c| c.round = c.round.next()), bad_signature(0)),
        (
            "with a bad seal",
            with_certificate(&|c| c.seals[1].signature = Signature::from_bytes([1; 64])),
            bad_signature(1),
        ),
        (
            "with a seal too few",
            with_certificate(&|c| c.seals.truncate(2)),
            BlockError::ParentCertificate(CertificateError::TooFewSigners {
                found: 2,
                required: 3,
            }),
        ),
        (
            "with a seal twice",
            with_certificate(&|c| c.seals[2] = c.seals[1]),
            BlockError::ParentCertificate(CertificateError::SignerOrder { voter: 1 }),
        ),
    ];
    for (desc, header, expected) in table {
        let block = Block { header, ..block.clone() };
        assert_eq!(receive(&kit, block).map(|_| ()), Err(expected), "{desc}");
    }
}

#[test]
fn a_block_of_another_height_is_refused() {
    let (kit, block) = next_block();
    let mut later =
        with_coinbase(block.clone(), |tx| tx.kind = TxKind::Coinbase { height: Height(3) });
    later.header.height = Height(3);
    let wrong = BlockError::WrongHeight { found: Height(3), expected: Height(2) };
    assert_eq!(receive(&kit, later).map(|_| ()), Err(wrong));

    let mut genesis = TestChain::new(4);
    genesis.state.tip.height = Height::ZERO;
    let first = genesis.build(Vec::new()).unwrap();
    let mut first = Block::clone(first.block.block());
    first.header.parent_certificate = block.header.parent_certificate;
    let superfluous = BlockError::ParentCertificate(CertificateError::OtherSubject);
    assert_eq!(receive(&genesis, first).map(|_| ()), Err(superfluous));
}

#[test]
fn another_quorum_of_seals_proves_the_parent_too_and_is_paid() {
    let mut kit = TestChain::new(4);
    let connected = kit.build(Vec::new()).unwrap();
    let hash = connected.block.hash();
    let (ours, theirs) = (kit.certify_by(hash, [0, 1, 2]), kit.certify_by(hash, [1, 2, 3]));
    let mut other = kit.clone();
    kit.decide(connected.clone(), ours);
    other.decide(connected, theirs);
    let block = other.build(Vec::new()).unwrap();
    let received = receive(&kit, Block::clone(block.block.block())).unwrap();
    assert_eq!(received.state, block.state);
    let paid: Vec<_> =
        received.block.block().transactions[0].outputs.iter().map(|o| o.address).collect();
    let set = &kit.state.tip_masternodes;
    let expected = [1, 2, 3].map(|index| set.get(index).unwrap().payout);
    assert_eq!(paid[..3], expected);
}

#[test]
fn the_first_block_of_an_epoch_is_judged_by_who_decided_the_last() {
    let mut kit = TestChain::with(4, |genesis| genesis.params.epoch_blocks = 2);
    let newcomer = masternode_keys(9);
    kit.extend(vec![kit.registration(&newcomer, 0)]);
    let connected = kit.build(Vec::new()).unwrap();
    let hash = connected.block.hash();
    let (ours, theirs) = (kit.certify_by(hash, [0, 1, 2]), kit.certify_by(hash, [1, 2, 3]));
    let old_set = kit.state.masternodes.clone();
    let mut other = kit.clone();
    kit.decide(connected.clone(), ours);
    other.decide(connected, theirs);
    assert_eq!((kit.state.masternodes.len(), kit.state.masternodes.quorum()), (5, 4));
    let block = other.build(Vec::new()).unwrap();
    let received = receive(&kit, Block::clone(block.block.block())).unwrap();
    let paid: Vec<_> =
        received.block.block().transactions[0].outputs.iter().map(|o| o.address).collect();
    let expected = [1, 2, 3].map(|index| old_set.get(index).unwrap().payout);
    assert_eq!(paid[..3], expected);
}

#[test]
fn a_coinbase_that_spends_is_refused_before_any_state_is_asked() {
    let (kit, block) = next_block();
    let spending = with_coinbase(block, |tx| tx.inputs = kit.simple(3).inputs);
    let answer = verify_block(Arc::new(spending), &kit.chain, &unknown);
    assert_eq!(answer.map(|_| ()), Err(BlockError::WrongCoinbase));
}

#[test]
fn only_the_coinbase_of_the_rules_is_accepted() {
    let (kit, block) = next_block();
    let first = |tx: &mut Transaction| tx.outputs[0].value.units();
    let table: Vec<(&str, Block)> = vec![
        (
            "a unit too much",
            with_coinbase(block.clone(), |tx| {
                tx.outputs[0].value = Amount::from_units(first(tx) + 1);
            }),
        ),
        (
            "a unit too little",
            with_coinbase(block.clone(), |tx| {
                tx.outputs[0].value = Amount::from_units(first(tx) - 1);
            }),
        ),
        (
            "paid to somebody else",
            with_coinbase(block.clone(), |tx| tx.outputs[0].address = kit.wallet.address()),
        ),
        ("one payee more", with_coinbase(block.clone(), |tx| tx.outputs.push(tx.outputs[0]))),
        ("in another order", with_coinbase(block.clone(), |tx| tx.outputs.reverse())),
        ("locked", with_coinbase(block.clone(), |tx| tx.lock_time = Height(9))),
        ("of another version", with_coinbase(block.clone(), |tx| tx.version = 2)),
        (
            "of another height",
            with_coinbase(block.clone(), |tx| tx.kind = TxKind::Coinbase { height: Height(9) }),
        ),
        ("with an input", with_coinbase(block.clone(), |tx| tx.inputs = kit.simple(3).inputs)),
        (
            "a transfer",
            rerooted(Block { transactions: block.transactions[1..].to_vec(), ..block.clone() }),
        ),
        ("missing", rerooted(Block { transactions: Vec::new(), ..block.clone() })),
    ];
    for (desc, block) in table {
        let found = receive(&kit, block).map(|_| ());
        assert_eq!(found, Err(BlockError::WrongCoinbase), "{desc}");
    }
    let twice = [&block.transactions[..1], &block.transactions].concat();
    let second = BlockError::Transaction { index: 1, error: TransactionError::UnexpectedCoinbase };
    let found = receive(&kit, rerooted(Block { transactions: twice, ..block }));
    assert_eq!(found.map(|_| ()), Err(second));
}

#[test]
fn transactions_are_valid_at_their_place() {
    let kit = TestChain::new(4);
    let parent = kit.simple(0);
    let made = OutPoint::new(parent.txid(), 0);
    let value = COIN.units() - 2 * FEE;
    let child = kit.transfer(&kit.wallet, &[made], &[(value, kit.wallet.address())]);
    let rival = kit.transfer(&kit.wallet, &[kit.coin(0)], &[(value, kit.wallet.address())]);
    let spent = TransactionError::InputSpent { outpoint: kit.coin(0) };
    let table = [
        (
            "child before parent",
            vec![child.clone(), parent.clone()],
            1,
            TransactionError::UnknownInput { outpoint: made },
        ),
        ("double spend", vec![parent.clone(), rival], 2, spent.clone()),
        ("same twice", vec![parent.clone(), parent.clone()], 2, spent),
        (
            "spent twice by children",
            vec![parent.clone(), child.clone(), child.clone()],
            3,
            TransactionError::InputSpent { outpoint: made },
        ),
    ];
    for (desc, transactions, index, error) in table {
        let expected = Err(BlockError::Transaction { index, error });
        assert_eq!(kit.build(transactions.clone()).map(|_| ()), expected, "{desc}, built");
        let empty = kit.build(Vec::new()).unwrap();
        let mut block = Block::clone(empty.block.block());
        block.transactions.extend(transactions.into_iter().map(Arc::new));
        assert_eq!(receive(&kit, rerooted(block)).map(|_| ()), expected, "{desc}, received");
    }
    assert!(kit.build(vec![parent, child]).is_ok());
}

#[test]
fn a_bad_signature_is_found_by_its_position() {
    let (kit, mut block) = next_block();
    let mut bad = Transaction::clone(&block.transactions[2]);
    bad.inputs[0].signature = Signature::from_bytes([1; 64]);
    block.transactions[2] = Arc::new(bad);
    let error = TransactionError::BadSignature { input: 0 };
    let expected = BlockError::Transaction { index: 2, error };
    assert_eq!(receive(&kit, rerooted(block)).map(|_| ()), Err(expected));
}

#[test]
fn known_transactions_are_not_verified_again() {
    let (kit, block) = next_block();
    let known: Vec<VerifiedTransaction> = block.transactions[1..]
        .iter()
        .map(|tx| kit.verify(Transaction::clone(tx)).unwrap())
        .collect();
    let asked = std::cell::RefCell::new(Vec::new());
    let cache = |wtxid: &Wtxid| {
        asked.borrow_mut().push(*wtxid);
        known.iter().find(|tx| tx.wtxid() == *wtxid).cloned()
    };
    let verified = verify_block(Arc::new(block), &kit.chain, &cache).unwrap();
    assert_eq!(verified.transactions(), known);
    assert_eq!(*asked.borrow(), known.iter().map(|tx| tx.wtxid()).collect::<Vec<_>>());
}

#[test]
fn reordered_transactions_change_the_merkle_root() {
    let (kit, mut block) = next_block();
    let found = block.header.merkle_root;
    block.transactions.swap(1, 2);
    let expected = block.merkle_root();
    let wrong = BlockError::WrongMerkleRoot { found, expected };
    assert_eq!(receive(&kit, block).map(|_| ()), Err(wrong));
}

#[test]
fn a_block_is_bounded_in_number() {
    let kit = TestChain::with(1, |genesis| genesis.params.block_transactions_max = 4);
    let full = kit.build((0..3).map(|coin| kit.simple(coin)).collect()).unwrap();
    assert!(receive(&kit, Block::clone(full.block.block())).is_ok());
    let too_many = BlockError::TooManyTransactions { transactions: 5, transactions_max: 4 };
    let built = kit.build((0..4).map(|coin| kit.simple(coin)).collect());
    assert_eq!(built.map(|_| ()), Err(too_many.clone()));
    let mut block = Block::clone(full.block.block());
    block.transactions.push(Arc::new(kit.simple(3)));
    assert_eq!(receive(&kit, rerooted(block)).map(|_| ()), Err(too_many));
}

#[test]
fn a_block_is_bounded_in_bytes_coinbase_included() {
    let wide = |kit: &TestChain, n_last: usize| -> Vec<Transaction> {
        let value = (COIN.units() - FEE) / 100;
        let outputs = vec![(value, kit.wallet.address()); 100];
        let pay = |coin, n| kit.transfer(&kit.wallet, &[kit.coin(coin)], &outputs[..n]);
        [100, 100, 100, 100, 100, 100, 100, 100, n_last]
            .into_iter()
            .enumerate()
            .map(|(i, n)| pay(i, n))
            .collect()
    };
    let sizes = TestChain::new(1);
    let built = sizes.build(wide(&sizes, 99)).unwrap();
    let transactions = &built.block.block().transactions;
    let bytes_max: usize = transactions.iter().map(|tx| encoded_len(&**tx)).sum();
    let kit = TestChain::with(1, |genesis| {
        genesis.params.transaction_bytes_max = 3_000;
        genesis.params.block_bytes_max = u32::try_from(bytes_max).unwrap();
    });
    let full = kit.build(wide(&kit, 99)).unwrap();
    assert!(receive(&kit, Block::clone(full.block.block())).is_ok());
    let too_large = BlockError::TooLarge { bytes: bytes_max + 28, bytes_max };
    assert_eq!(kit.build(wide(&kit, 100)).map(|_| ()), Err(too_large.clone()));
    let mut block = Block::clone(full.block.block());
    block.transactions[9] = Arc::new(wide(&kit, 100).remove(8));
    assert_eq!(receive(&kit, rerooted(block)).map(|_| ()), Err(too_large));
}

#[test]
fn the_clock_may_drift_so_far() {
    let kit = TestChain::new(1);
    let now = Timestamp(1_000_000);
    let drift_ms_max = kit.chain.params().clock_drift_ms_max;
    assert_eq!(check_clock(&kit.chain, Timestamp(1_000_000 + drift_ms_max), now), Ok(()));
    let timestamp = Timestamp(1_000_001 + drift_ms_max);
    let too_far = BlockError::TimestampTooFarAhead { timestamp, now, drift_ms_max };
    assert_eq!(check_clock(&kit.chain, timestamp, now), Err(too_far));
    assert_eq!(check_clock(&kit.chain, Timestamp::NEVER, Timestamp::NEVER), Ok(()));
}

#[test]
fn a_proposer_with_a_slow_clock_stays_after_the_parent() {
    let (kit, _) = next_block();
    let proposer = Proposer { now: Timestamp::ZERO, ..kit.proposer() };
    let built = build_block(&kit.chain, &kit.state, &kit.view, Vec::new(), proposer).unwrap();
    assert_eq!(built.block.header().timestamp, kit.state.tip.timestamp.next());
    assert!(receive(&kit, Block::clone(built.block.block())).is_ok());
}

struct Broken;

impl UtxoView for Broken {
    fn lookup(&self, _: &OutPoint) -> Result<Lookup, ViewError> {
        Err(ViewError("disk".to_owned()))
    }

    fn confirmed_at(&self, _: &Txid) -> Result<Option<Height>, ViewError> {
        Err(ViewError("disk".to_owned()))
    }
}

#[test]
fn a_broken_store_is_no_fault_of_the_block() {
    let (kit, block) = next_block();
    let verified = verify_block(Arc::new(block), &kit.chain, &unknown).unwrap();
    let answer = check_block(&kit.chain, &kit.state, &Broken, &verified);
    assert_eq!(answer.map(|_| ()), Err(BlockError::View(ViewError("disk".to_owned()))));
}

#[test]
fn fees_that_overflow_are_refused() {
    let kit = TestChain::new(1);
    let address = kit.wallet.address();
    let output = TxOutput { value: Amount::from_units(u64::MAX), address };
    let utxo = Utxo { output, height: Height::ZERO, origin: Origin::Transfer };
    let outpoints = [1, 2].map(|n| OutPoint::new(Txid::from_bytes([n; 32]), 0));
    let view =
        MapView { utxos: outpoints.map(|outpoint| (outpoint, utxo)).into(), ..MapView::default() };
    let spend = |outpoint| kit.transfer(&kit.wallet, &[outpoint], &[(1_000, address)]);
    let transactions = outpoints.map(|outpoint| kit.verify(spend(outpoint)).unwrap());
    let build = |n: usize| {
        let some = transactions[..n].to_vec();
        build_block(&kit.chain, &kit.state, &view, some, kit.proposer()).map(|_| ())
    };
    assert_eq!(build(1), Err(BlockError::Overflow), "reward and fees");
    assert_eq!(build(2), Err(BlockError::Overflow), "fees alone");
}

/// Rules that these tests provoke; a new variant does not compile until it is added here.
#[allow(dead_code, reason = "compiling it is the test")]
fn all_are_tested(error: &BlockError) {
    match error {
        BlockError::UnknownVersion { .. }
        | BlockError::WrongChain { .. }
        | BlockError::WrongHeight { .. }
        | BlockError::WrongParent { .. }
        | BlockError::ParentCertificate(_)
        | BlockError::Certificate(_)
        | BlockError::WrongMasternodeSet { .. }
        | BlockError::UnknownProposer { .. }
        | BlockError::TimestampNotAfterParent { .. }
        | BlockError::TimestampTooFarAhead { .. }
        | BlockError::TooManyTransactions { .. }
        | BlockError::TooLarge { .. }
        | BlockError::WrongMerkleRoot { .. }
        | BlockError::WrongCoinbase
        | BlockError::Transaction { .. }
        | BlockError::WrongUtxoCommitment { .. }
        | BlockError::WrongNextMasternodeSet { .. }
        | BlockError::WrongRegistry { .. }
        | BlockError::Overflow
        | BlockError::View(_) => {}
    }
}

/// One payment of a random chain: which coin, into how many parts, and what it leaves.
#[derive(Clone, Debug)]
struct Payment {
    coin: prop::sample::Index,
    second: Option<prop::sample::Index>,
    parts: u64,
    fee: u64,
    to: u8,
}

fn payments() -> impl Strategy<Value = Vec<Payment>> {
    let index = any::<prop::sample::Index>;
    let payment = (index(), prop::option::of(index()), 1u64..5, FEE..3 * FEE, 0u8..4);
    let payment =
        payment.prop_map(|(coin, second, parts, fee, to)| Payment { coin, second, parts, fee, to });
    prop::collection::vec(payment, 0..6)
}

fn owners() -> Vec<KeyPair> {
    let mut owners: Vec<_> = (0u8..3).map(|n| KeyPair::from_seed(&[n])).collect();
    owners.push(KeyPair::from_seed(b"test wallet"));
    owners
}

/// Turns payments into transactions, of which later ones may spend what earlier ones make.
fn transactions(kit: &TestChain, payments: &[Payment]) -> Vec<Transaction> {
    let owners = owners();
    let height = kit.state.next_height();
    let mut view = kit.view.clone();
    let mut transactions = Vec::new();
    for payment in payments {
        let mine: Vec<(OutPoint, Utxo)> = view
            .utxos
            .iter()
            .filter(|(_, utxo)| utxo.origin == Origin::Transfer)
            .filter(|(_, utxo)| owners.iter().any(|o| o.address() == utxo.output.address))
            .map(|(outpoint, utxo)| (*outpoint, *utxo))
            .collect();
        let (coin, utxo) = mine[payment.coin.index(mine.len())];
        let owner = owners.iter().find(|o| o.address() == utxo.output.address).unwrap();
        let mut inputs = vec![(coin, utxo)];
        let second = payment.second.map(|index| mine[index.index(mine.len())]);
        let same_owner = |(_, u): &(OutPoint, Utxo)| u.output.address == utxo.output.address;
        inputs.extend(second.filter(|s| s.0 != coin).filter(same_owner));
        let sum: u64 = inputs.iter().map(|(_, utxo)| utxo.output.value.units()).sum();
        let part = sum.saturating_sub(payment.fee) / payment.parts;
        if part < kit.chain.params().dust_limit.units() {
            continue;
        }
        let to = owners[usize::from(payment.to)].address();
        let outputs = vec![(part, to); usize::try_from(payment.parts).unwrap()];
        let outpoints: Vec<OutPoint> = inputs.iter().map(|(outpoint, _)| *outpoint).collect();
        let transaction = kit.transfer(owner, &outpoints, &outputs);
        let header = kit.build(Vec::new()).unwrap().block.header().clone();
        assert_eq!(header.height, height);
        view.apply(&Block { header, transactions: vec![Arc::new(transaction.clone())] });
        transactions.push(transaction);
    }
    transactions
}

/// What a block must do to the sum of all coins and to their hash, computed from nothing.
fn assert_conserved(kit: &TestChain, before: &MapView, block: &Block) {
    let issued_before = before.total();
    let inputs: u128 = block
        .transactions
        .iter()
        .flat_map(|tx| &tx.inputs)
        .filter_map(|input| before.utxos.get(&input.previous_output))
        .map(|utxo| u128::from(utxo.output.value.units()))
        .sum();
    assert!(inputs <= issued_before);
    let height = block.header.height;
    let issued = Amount::from_units(u64::try_from(issued_before).unwrap());
    let reward = block_reward(kit.chain.params(), height, issued);
    assert_eq!(kit.view.total(), issued_before + u128::from(reward.units()));
    assert_eq!(kit.view.total(), u128::from(kit.state.issued.units()));

    let mut set = UtxoSetHash::new();
    for (outpoint, utxo) in &kit.view.utxos {
        set.insert(&borsh::to_vec(&(outpoint, utxo)).unwrap());
    }
    assert_eq!(set, kit.state.utxo_set);
    assert_eq!(set.commitment(), block.header.utxo_commitment);
}

/// The net change, found by comparing the two sets.
fn assert_delta(before: &MapView, after: &MapView, delta: &UtxoDelta) {
    let mut spent = delta.spent.clone();
    spent.sort_by_key(|(outpoint, _)| *outpoint);
    let gone = before.utxos.iter().filter(|(o, _)| !after.utxos.contains_key(o));
    assert_eq!(spent, gone.map(|(o, u)| (*o, *u)).collect::<Vec<_>>());
    let mut created = delta.created.clone();
    created.sort_by_key(|(outpoint, _)| *outpoint);
    let new = after.utxos.iter().filter(|(o, _)| !before.utxos.contains_key(o));
    assert_eq!(created, new.map(|(o, u)| (*o, *u)).collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn value_is_conserved_on_random_chains(
        blocks in prop::collection::vec(payments(), 1..6),
        n in 1usize..5,
        supply_left in prop_oneof![Just(None), (0u64..20_000_000_000).prop_map(Some)],
    ) {
        let mut kit = TestChain::with(n, |genesis| {
            genesis.params.block_reward_halving = 2;
            if let Some(left) = supply_left {
                let allocated = COIN.units() * COINS as u64;
                genesis.params.supply_max = Amount::from_units(allocated + left);
            }
        });
        for payments in blocks {
            let before = kit.view.clone();
            let built = kit.build(transactions(&kit, &payments)).unwrap();
            let block = Block::clone(built.block.block());
            let received = receive(&kit, block.clone()).unwrap();
            prop_assert_eq!(&received.state, &built.state);
            prop_assert_eq!(&received.delta, &built.delta);
            prop_assert_eq!(received.fees, built.fees);
            let certificate = kit.certify(built.block.hash());
            let delta = built.delta.clone();
            kit.decide(built, certificate);
            assert_conserved(&kit, &before, &block);
            assert_delta(&before, &kit.view, &delta);
        }
    }

    #[test]
    fn a_flipped_bit_is_refused_or_changes_nothing(
        payments in payments(),
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let mut kit = TestChain::new(4);
        kit.extend(Vec::new());
        let built = kit.build(transactions(&kit, &payments)).unwrap();
        let mut bytes = borsh::to_vec(&**built.block.block()).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let Ok(block) = borsh::from_slice::<Block>(&bytes) else { return Ok(()) };
        let header = block.header.clone();
        match receive(&kit, block) {
            Err(_) => {}
            Ok(received) => {
                // The proposer's own words: when it was, and who of the set it was.
                let same = BlockHeader {
                    timestamp: header.timestamp,
                    proposer: header.proposer,
                    ..built.block.header().clone()
                };
                prop_assert_eq!(&header, &same);
                prop_assert_ne!(received.block.hash(), built.block.hash());
                prop_assert_eq!(received.delta, built.delta);
            }
        }
    }
}
