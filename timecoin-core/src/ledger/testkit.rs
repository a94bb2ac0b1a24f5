//! A chain to test with: masternodes whose keys are at hand, coins to spend, and the unspent
//! outputs kept in the slowest and most obvious way.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::output::BlockCommit;
use crate::ledger::block::{BlockError, Connected, Proposer, build_block};
use crate::ledger::state::{LedgerState, genesis_utxos};
use crate::ledger::transaction::{
    Spend, SpendContext, SpendError, TransactionError, check_spend, verify_transaction,
};
use crate::ledger::view::{Lookup, Origin, Utxo, UtxoView, ViewError};
use crate::params::{Allocation, Chain, Genesis};
use crate::types::address::Address;
use crate::types::amount::Amount;
use crate::types::ballot::{Ballot, Choice};
use crate::types::block::Block;
use crate::types::certificate::{CommitCertificate, Seal};
use crate::types::chain::{Height, Round, Timestamp};
use crate::types::hash::{BlockHash, Txid};
use crate::types::keys::{KeyPair, PublicKey, Signature};
use crate::types::masternode_set::{MasternodeIndex, MasternodeSet};
use crate::types::message::Decided;
use crate::types::transaction::{OutPoint, Registration, Transaction, TxKind, TxOutput};
use crate::types::verified::VerifiedTransaction;

/// Outputs that the wallet of a [`TestChain`] starts with, and what each is worth.
pub(crate) const COINS: usize = 16;
pub(crate) const COIN: Amount = Amount::from_time(10_000);

/// More than any test's transaction needs.
pub(crate) const FEE: u64 = 10_000;

/// The unspent outputs as a sorted map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MapView {
    pub(crate) utxos: BTreeMap<OutPoint, Utxo>,
    pub(crate) confirmed: BTreeMap<Txid, Height>,
}

impl MapView {
    pub(crate) fn genesis(chain: &Chain) -> Self {
        let utxos: BTreeMap<OutPoint, Utxo> = genesis_utxos(chain).collect();
        let confirmed = utxos.keys().map(|outpoint| (outpoint.txid, Height::ZERO)).collect();
        MapView { utxos, confirmed }
    }

    /// Spends and creates what the block says, asking nothing of the code under test.
    pub(crate) fn apply(&mut self, block: &Block) {
        let height = block.header.height;
        for transaction in &block.transactions {
            for input in &transaction.inputs {
                let spent = self.utxos.remove(&input.previous_output);
                assert!(spent.is_some(), "{} is not there to be spent", input.previous_output);
            }
            let txid = transaction.txid();
            for (vout, &output) in (0u32..).zip(&transaction.outputs) {
                let origin = match &transaction.kind {
                    TxKind::Coinbase { .. } => Origin::Coinbase,
                    TxKind::RegisterMasternode(registration)
                        if registration.collateral_vout == vout =>
                    {
                        Origin::Collateral
                    }
                    _ => Origin::Transfer,
                };
                self.utxos.insert(OutPoint { txid, vout }, Utxo { output, height, origin });
            }
            self.confirmed.insert(txid, height);
        }
    }

    /// The sum of everything that is unspent.
    pub(crate) fn total(&self) -> u128 {
        self.utxos.values().map(|utxo| u128::from(utxo.output.value.units())).sum()
    }
}

impl UtxoView for MapView {
    fn lookup(&self, outpoint: &OutPoint) -> Result<Lookup, ViewError> {
        Ok(match self.utxos.get(outpoint) {
            Some(utxo) => Lookup::Unspent(*utxo),
            None if self.confirmed.contains_key(&outpoint.txid) => Lookup::Spent,
            None => Lookup::Unknown,
        })
    }

    fn confirmed_at(&self, txid: &Txid) -> Result<Option<Height>, ViewError> {
        Ok(self.confirmed.get(txid).copied())
    }
}

/// A regtest chain, its tip, and all the keys.
#[derive(Clone)]
pub(crate) struct TestChain {
    pub(crate) chain: Chain,
    pub(crate) state: LedgerState,
    pub(crate) view: MapView,
    /// Owns the [`COINS`] coins of the genesis.
    pub(crate) wallet: KeyPair,
    pub(crate) decided: Vec<Decided>,
    keys: BTreeMap<PublicKey, KeyPair>,
}

impl TestChain {
    /// A chain of `n` masternodes.
    pub(crate) fn new(n: usize) -> Self {
        Self::with(n, |_| {})
    }

    /// A chain of `n` masternodes with a genesis of one's own.
    pub(crate) fn with(n: usize, change: impl FnOnce(&mut Genesis)) -> Self {
        let wallet = KeyPair::from_seed(b"test wallet");
        let keys: Vec<KeyPair> = (0..n).map(masternode_keys).collect();
        let publics: Vec<PublicKey> = keys.iter().map(KeyPair::public).collect();
        let mut genesis = Genesis::regtest(&publics, &[]).unwrap();
        let coin = Allocation { address: wallet.address(), value: COIN };
        genesis.allocations = vec![coin; COINS];
        change(&mut genesis);
        let chain = Chain::new(genesis).unwrap();
        let keys = keys.into_iter().map(|keys| (keys.public(), keys)).collect();
        let (state, view) = (LedgerState::genesis(&chain), MapView::genesis(&chain));
        TestChain { chain, state, view, wallet, decided: Vec::new(), keys }
    }

    /// Lets a masternode that is registered later sign certificates.
    pub(crate) fn add_keys(&mut self, keys: &KeyPair) {
        self.keys.insert(keys.public(), keys.clone());
    }

    /// The keys of the masternode at `index` of `set`.
    pub(crate) fn keys_in(&self, set: &MasternodeSet, index: MasternodeIndex) -> &KeyPair {
        &self.keys[&set.get(index).unwrap().consensus_key]
    }

    /// The proposer of a decided block, by its place in [`TestChain::decided`].
    pub(crate) fn decided_proposer(&self, index: usize) -> MasternodeIndex {
        let proposer = &self.decided[index].block.header.proposer;
        self.state.tip_masternodes.index_of(proposer).unwrap()
    }

    /// Coins of `owner`, ascending by outpoint.
    pub(crate) fn coins(&self, owner: &KeyPair) -> Vec<(OutPoint, Utxo)> {
        let address = owner.address();
        let all = self.view.utxos.iter().map(|(outpoint, utxo)| (*outpoint, *utxo));
        all.filter(|(_, utxo)| utxo.output.address == address).collect()
    }

    /// A coin of the genesis.
    pub(crate) fn coin(&self, index: usize) -> OutPoint {
        let txid = Txid::from_bytes(*self.chain.id().as_bytes());
        OutPoint { txid, vout: u32::try_from(index).unwrap() }
    }

    /// A transaction of any kind that spends `inputs` of `owner`, signed.
    pub(crate) fn signed(
        &self,
        owner: &KeyPair,
        inputs: &[OutPoint],
        outputs: &[(u64, Address)],
        kind: TxKind,
    ) -> Transaction {
        let inputs: Vec<_> = inputs.iter().map(|&outpoint| (outpoint, owner.public())).collect();
        let mut transaction = Transaction::unsigned(&inputs, outputs_to(outputs), kind);
        transaction.sign_all(self.chain.id(), owner);
        transaction
    }

    /// A signed transfer.
    pub(crate) fn transfer(
        &self,
        owner: &KeyPair,
        inputs: &[OutPoint],
        outputs: &[(u64, Address)],
    ) -> Transaction {
        self.signed(owner, inputs, outputs, TxKind::Transfer)
    }

    /// A transfer of one genesis coin, whole but for the fee, back to the wallet.
    pub(crate) fn simple(&self, coin: usize) -> Transaction {
        let value = COIN.units() - FEE;
        self.transfer(&self.wallet, &[self.coin(coin)], &[(value, self.wallet.address())])
    }

    /// A registration of `keys`, paid with a coin of the genesis; output 0 is the collateral.
    pub(crate) fn registration(&self, keys: &KeyPair, coin: usize) -> Transaction {
        let collateral = self.chain.params().masternode_collateral.units();
        let address = self.wallet.address();
        let change = COIN.units() - collateral - FEE;
        let kind = TxKind::RegisterMasternode(Box::new(Registration {
            consensus_key: keys.public(),
            payout: keys.address(),
            network_address: "127.0.0.1:1".to_owned(),
            collateral_vout: 0,
            proof: Signature::from_bytes([0; 64]),
        }));
        let outputs = [(collateral, address), (change, address)];
        self.proven(self.signed(&self.wallet, &[self.coin(coin)], &outputs, kind), keys)
    }

    /// A deregistration of `keys`, paid with a coin of the genesis.
    pub(crate) fn deregistration(&self, keys: &KeyPair, coin: usize) -> Transaction {
        let proof = Box::new(Signature::from_bytes([0; 64]));
        let kind = TxKind::DeregisterMasternode { consensus_key: keys.public(), proof };
        let outputs = [(COIN.units() - FEE, self.wallet.address())];
        self.proven(self.signed(&self.wallet, &[self.coin(coin)], &outputs, kind), keys)
    }

    /// Fills in the proof of a change of the masternode set; no id and no input depends on it.
    pub(crate) fn proven(&self, mut transaction: Transaction, keys: &KeyPair) -> Transaction {
        let message = Transaction::registration_message(self.chain.id(), &transaction.txid());
        let signature = keys.sign(message.as_bytes());
        match &mut transaction.kind {
            TxKind::RegisterMasternode(registration) => registration.proof = signature,
            TxKind::DeregisterMasternode { proof, .. } => **proof = signature,
            _ => panic!("only changes of the masternode set carry a proof"),
        }
        transaction
    }

    /// The transaction, if form and signatures hold.
    pub(crate) fn verify(
        &self,
        transaction: Transaction,
    ) -> Result<VerifiedTransaction, TransactionError> {
        verify_transaction(Arc::new(transaction), &self.chain)
    }

    /// Whether the next block may hold a transaction: form, signatures and inputs.
    pub(crate) fn check(&self, transaction: Transaction) -> Result<Spend, TransactionError> {
        let verified = self.verify(transaction)?;
        match check_spend(&verified, &self.context(), &self.view) {
            Ok(spend) => Ok(spend),
            Err(SpendError::Invalid(error)) => Err(error),
            Err(SpendError::View(error)) => panic!("{error}"),
        }
    }

    /// Where the next block stands.
    pub(crate) fn context(&self) -> SpendContext<'_> {
        SpendContext {
            chain: &self.chain,
            registry: &self.state.registry,
            sets: [&self.state.masternodes, &self.state.tip_masternodes],
            next_height: self.state.next_height(),
        }
    }

    /// Round 0's proposer of the next block, a second after the tip.
    pub(crate) fn proposer(&self) -> Proposer {
        let index = self.state.masternodes.proposer(self.state.next_height(), Round::ZERO);
        Proposer { index, now: Timestamp(self.state.tip.timestamp.0 + 1_000) }
    }

    /// The next block.
    pub(crate) fn build(&self, transactions: Vec<Transaction>) -> Result<Connected, BlockError> {
        let verified = transactions.into_iter().map(|tx| self.verify(tx).unwrap()).collect();
        build_block(&self.chain, &self.state, &self.view, verified, self.proposer())
    }

    /// The certificate of a block at the next height by the first quorum of masternodes.
    pub(crate) fn certify(&self, block: BlockHash) -> CommitCertificate {
        let quorum = u16::try_from(self.state.masternodes.quorum()).unwrap();
        self.certify_by(block, 0..quorum)
    }

    /// The certificate of a block at the next height by these masternodes.
    pub(crate) fn certify_by(
        &self,
        block: BlockHash,
        signers: impl IntoIterator<Item = MasternodeIndex>,
    ) -> CommitCertificate {
        let (set, height, round) = (&self.state.masternodes, self.state.next_height(), Round::ZERO);
        let epoch = self.state.epoch(&self.chain);
        let ballot = Ballot { epoch, height, round, choice: Choice::Commit(block) };
        let message = ballot.message(self.chain.id(), &set.hash());
        let seal =
            |voter| Seal { voter, signature: self.keys_in(set, voter).sign(message.as_bytes()) };
        let seals = signers.into_iter().map(seal).collect();
        CommitCertificate { epoch, height, round, block, seals }
    }

    /// Decides the next block.
    pub(crate) fn extend(&mut self, transactions: Vec<Transaction>) -> Arc<BlockCommit> {
        let connected = self.build(transactions).unwrap();
        let certificate = self.certify(connected.block.hash());
        self.decide(connected, certificate)
    }

    /// Decides this block.
    pub(crate) fn decide(
        &mut self,
        connected: Connected,
        certificate: CommitCertificate,
    ) -> Arc<BlockCommit> {
        let connected = connected.decide(certificate.clone());
        self.view.apply(connected.block.block());
        self.state = connected.state.clone();
        let block = Arc::clone(connected.block.block());
        self.decided.push(Decided { block, certificate: certificate.clone() });
        Arc::new(BlockCommit { connected, certificate })
    }

    /// Decides empty blocks until `height` is the next.
    pub(crate) fn extend_until(&mut self, height: u64) {
        while self.state.next_height() < Height(height) {
            self.extend(Vec::new());
        }
    }
}

/// The keys of a masternode, by number.
pub(crate) fn masternode_keys(number: usize) -> KeyPair {
    KeyPair::from_seed(format!("test masternode {number}").as_bytes())
}

fn outputs_to(outputs: &[(u64, Address)]) -> Vec<TxOutput> {
    let output = |&(units, address)| TxOutput { value: Amount::from_units(units), address };
    outputs.iter().map(output).collect()
}
