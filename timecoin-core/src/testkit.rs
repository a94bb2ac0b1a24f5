//! Chains of real blocks, for tests: one masternode with a known key signs whatever it is given.

use std::sync::Arc;

use crate::engine::output::BlockCommit;
use crate::ledger::block::{Proposer, build_block};
use crate::ledger::state::LedgerState;
use crate::ledger::transaction::verify_transaction;
use crate::ledger::view::{Utxo, UtxoView};
use crate::params::{Chain, Genesis, REGTEST_MASTERNODE_SEED, REGTEST_WALLET_SEED};
use crate::types::address::Address;
use crate::types::amount::Amount;
use crate::types::ballot::{Ballot, Choice, SignedBallot};
use crate::types::certificate::{CommitCertificate, Seal};
use crate::types::chain::{Epoch, Height, Round, Timestamp};
use crate::types::encode::encoded_len;
use crate::types::hash::BlockHash;
use crate::types::keys::KeyPair;
use crate::types::transaction::{OutPoint, Transaction, TxOutput};
use crate::types::verified::VerifiedTransaction;

/// The well-known regtest chain with one masternode and one wallet.
pub(crate) fn solo_chain() -> Chain {
    Chain::new(Genesis::regtest_solo()).expect("the regtest genesis is valid")
}

/// A solo chain whose wallet has many coins, so that one block can spend many.
pub(crate) fn solo_chain_with_coins(n_coins: usize) -> Chain {
    let wallets = vec![wallet_keys().address(); n_coins];
    let masternode = masternode_keys().public();
    let mut genesis = Genesis::regtest(&[masternode], &wallets[..1]).expect("one good key");
    let allocation = genesis.allocations[0].clone();
    genesis.allocations = wallets.iter().map(|_| allocation.clone()).collect();
    genesis.allocations.iter_mut().for_each(|coin| coin.value = Amount::from_time(1_000));
    Chain::new(genesis).expect("the coins fit the supply")
}

/// The keys of the one masternode.
pub(crate) fn masternode_keys() -> KeyPair {
    KeyPair::from_seed(REGTEST_MASTERNODE_SEED)
}

/// The keys of the one wallet.
pub(crate) fn wallet_keys() -> KeyPair {
    KeyPair::from_seed(REGTEST_WALLET_SEED)
}

/// The coins of the genesis, in order.
pub(crate) fn genesis_coins(chain: &Chain) -> Vec<(OutPoint, Amount)> {
    let outputs = chain.genesis().outputs();
    outputs.map(|(outpoint, output)| (outpoint, output.value)).collect()
}

/// A payment of `amount` by `keys` from one coin; output 0 is the change, which must not be dust.
pub(crate) fn pay(
    chain: &Chain,
    keys: &KeyPair,
    coin: (OutPoint, Amount),
    to: Address,
    amount: Amount,
) -> VerifiedTransaction {
    let (outpoint, value) = coin;
    let fee = chain.params().fee_required(PAYMENT_BYTES);
    let change = value.saturating_sub(amount).saturating_sub(fee);
    let outputs = vec![
        TxOutput { value: change, address: keys.address() },
        TxOutput { value: amount, address: to },
    ];
    let mut transaction = Transaction::transfer(&[(outpoint, keys.public())], outputs);
    transaction.sign_all(chain.id(), keys);
    verify_transaction(Arc::new(transaction), chain).expect("it is signed and well formed")
}

/// The one masternode's Commit on a block.
pub(crate) fn commit_ballot(chain: &Chain, height: Height, block: BlockHash) -> SignedBallot {
    let epoch = chain.params().epoch_of(height);
    let ballot = Ballot { epoch, height, round: Round::ZERO, choice: Choice::Commit(block) };
    SignedBallot::sign(ballot, 0, chain.id(), &chain.first_set().hash(), &masternode_keys())
}

/// Decides the next block of these transactions, with a certificate of the one masternode.
pub(crate) fn decide(
    chain: &Chain,
    state: &LedgerState,
    view: &dyn UtxoView,
    transactions: Vec<VerifiedTransaction>,
) -> Arc<BlockCommit> {
    let proposer = Proposer { index: 0, now: Timestamp(state.tip.timestamp.0 + 1_000) };
    let connected = build_block(chain, state, view, transactions, proposer)
        .expect("the transactions are valid in this order");
    let (height, block) = (connected.block.height(), connected.block.hash());
    let SignedBallot { ballot, voter, signature } = commit_ballot(chain, height, block);
    let certificate = CommitCertificate {
        epoch: ballot.epoch,
        height,
        round: ballot.round,
        block,
        seals: vec![Seal { voter, signature }],
    };
    let connected = connected.decide(certificate.clone());
    Arc::new(BlockCommit { connected, certificate })
}

/// Payments without end, each of one coin to itself. Their signatures are vouched for instead of
/// made, which is a hundred times as fast.
pub(crate) struct Churn {
    chain: Chain,
    state: LedgerState,
    coins: std::collections::VecDeque<(OutPoint, Amount)>,
    /// How many payments were made.
    pub(crate) n_payments: usize,
}

impl Churn {
    /// All coins of a new chain.
    pub(crate) fn new(chain: &Chain) -> Self {
        let coins = chain.genesis().outputs().map(|(outpoint, output)| (outpoint, output.value));
        let state = LedgerState::genesis(chain);
        Churn { chain: chain.clone(), state, coins: coins.collect(), n_payments: 0 }
    }

    /// Decides a block of so many payments.
    pub(crate) fn next_block(
        &mut self,
        view: &dyn UtxoView,
        n_payments: usize,
    ) -> Arc<BlockCommit> {
        let keys = wallet_keys();
        let mut transactions = Vec::with_capacity(n_payments);
        for _ in 0..n_payments {
            let (outpoint, value) = self.coins.pop_front().expect("a payment gives its coin back");
            let value = value.saturating_sub(self.chain.params().fee_required(PAYMENT_BYTES));
            let outputs = vec![TxOutput { value, address: keys.address() }];
            let transaction = Transaction::transfer(&[(outpoint, keys.public())], outputs);
            let (txid, wtxid) = (transaction.txid(), transaction.wtxid());
            let bytes = encoded_len(&transaction);
            let transaction = Arc::new(transaction);
            transactions.push(VerifiedTransaction::vouch(transaction, txid, wtxid, bytes));
            self.coins.push_back((OutPoint::new(txid, 0), value));
        }
        self.n_payments += n_payments;
        let commit = decide(&self.chain, &self.state, view, transactions);
        self.state = commit.connected.state.clone();
        commit
    }
}

/// The set hash over these outputs, computed anew.
pub(crate) fn set_hash<'a>(
    utxos: impl IntoIterator<Item = &'a (OutPoint, Utxo)>,
) -> crate::ledger::commitment::UtxoSetHash {
    let mut hash = crate::ledger::commitment::UtxoSetHash::new();
    for (outpoint, utxo) in utxos {
        hash.insert(&crate::ledger::state::utxo_element(outpoint, utxo));
    }
    hash
}

/// A record of the vote log that stands for any vote of an epoch.
pub(crate) fn vote_record(chain: &Chain, height: Height) -> crate::engine::output::Record {
    let ballot = commit_ballot(chain, height, BlockHash::ZERO);
    crate::engine::output::Record::Ballot { ballot, block: None, prepared: None }
}

/// The record that ends an epoch's votes.
pub(crate) fn frozen_record(epoch: u64) -> crate::engine::output::Record {
    crate::engine::output::Record::Frozen(Epoch(epoch))
}

/// A payment with one input and two outputs is a little shorter.
const PAYMENT_BYTES: usize = 250;
