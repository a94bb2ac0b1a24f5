//! The rules of a block (PROTOCOL 2 and 5), and the one path by which producer and validator
//! arrive at the state after it.

use std::sync::Arc;

use thiserror::Error;

use super::rewards::{block_reward, coinbase};
use super::state::{LedgerState, Tip, utxo_element};
use super::transaction::{
    Known, SpendContext, SpendError, TransactionError, check_spend, verify_named,
};
use super::view::{Overlay, UtxoDelta, UtxoView, ViewError};
use crate::params::Chain;
use crate::types::amount::Amount;
use crate::types::block::{BLOCK_VERSION, Block, BlockHeader, transactions_root};
use crate::types::certificate::{CertificateError, CommitCertificate, Seal};
use crate::types::chain::{Height, Timestamp};
use crate::types::encode::encoded_len;
use crate::types::hash::{
    BlockHash, ChainId, MerkleRoot, RegistryHash, SetHash, UtxoCommitment, Wtxid,
};
use crate::types::keys::PublicKey;
use crate::types::masternode_set::{Masternode, MasternodeIndex};
use crate::types::transaction::{OutPoint, Transaction, TxKind};
use crate::types::verified::VerifiedTransaction;

/// Why a block is not valid.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BlockError {
    /// A version that does not exist.
    #[error("block version {version} is unknown: use {BLOCK_VERSION}")]
    UnknownVersion {
        /// What it says.
        version: u16,
    },
    /// A block of another chain.
    #[error("the block is of chain {found}")]
    WrongChain {
        /// The chain it names.
        found: ChainId,
    },
    /// Not the height after the tip.
    #[error("the block has height {found}, the next is {expected}")]
    WrongHeight {
        /// Its height.
        found: Height,
        /// The height after the tip.
        expected: Height,
    },
    /// Its parent is not the tip.
    #[error("the parent is {found}, the tip is {expected}")]
    WrongParent {
        /// What it names.
        found: BlockHash,
        /// The tip.
        expected: BlockHash,
    },
    /// The certificate of its parent proves nothing.
    #[error("parent certificate: {0}")]
    ParentCertificate(#[from] CertificateError),
    /// Its own certificate does not prove that it is decided.
    #[error("commit certificate: {0}")]
    Certificate(CertificateError),
    /// It names another masternode set than decides its height.
    #[error("the masternode set is {found}, this epoch's is {expected}")]
    WrongMasternodeSet {
        /// What it names.
        found: SetHash,
        /// The set of the epoch.
        expected: SetHash,
    },
    /// Its proposer is not in the set.
    #[error("the proposer {proposer} is not a masternode of this epoch")]
    UnknownProposer {
        /// Who it names.
        proposer: PublicKey,
    },
    /// Its time is not after its parent's.
    #[error("the timestamp {timestamp} is not after the parent's {parent}")]
    TimestampNotAfterParent {
        /// Its time, in milliseconds.
        timestamp: Timestamp,
        /// Its parent's time, in milliseconds.
        parent: Timestamp,
    },
    /// Its time is too far ahead of this masternode's clock.
    #[error("the timestamp {timestamp} is over {drift_ms_max} ms ahead of this clock, {now}")]
    TimestampTooFarAhead {
        /// Its time, in milliseconds.
        timestamp: Timestamp,
        /// This masternode's time, in milliseconds.
        now: Timestamp,
        /// The limit.
        drift_ms_max: u64,
    },
    /// More transactions than a block may hold.
    #[error("the block has {transactions} transactions, it may have {transactions_max}")]
    TooManyTransactions {
        /// How many it has.
        transactions: usize,
        /// The limit.
        transactions_max: usize,
    },
    /// More bytes than a block may have.
    #[error("the transactions have {bytes} bytes, a block may have {bytes_max}")]
    TooLarge {
        /// How many it has.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// Its Merkle root is not that of its transactions.
    #[error("the merkle root is {found}, that of the transactions is {expected}")]
    WrongMerkleRoot {
        /// What it names.
        found: MerkleRoot,
        /// What it should be.
        expected: MerkleRoot,
    },
    /// The first transaction is not the one coinbase that the rules give.
    #[error("the coinbase is missing, or not the one that the rules give")]
    WrongCoinbase,
    /// A transaction that is not valid at its place.
    #[error("transaction {index}: {error}")]
    Transaction {
        /// Its position, the coinbase being 0.
        index: usize,
        /// Why.
        error: TransactionError,
    },
    /// Its commitment is not that of the outputs after it.
    #[error("the utxo commitment is {found}, that of the outputs after the block is {expected}")]
    WrongUtxoCommitment {
        /// What it names.
        found: UtxoCommitment,
        /// What it should be.
        expected: UtxoCommitment,
    },
    /// It names another masternode set than decides the next height.
    #[error("the next masternode set is {found}, the one after the block is {expected}")]
    WrongNextMasternodeSet {
        /// What it names.
        found: SetHash,
        /// The set after it.
        expected: SetHash,
    },
    /// Its commitment is not that of what is issued and registered after it.
    #[error("the registry hash is {found}, that of the registry after the block is {expected}")]
    WrongRegistry {
        /// What it names.
        found: RegistryHash,
        /// What it should be.
        expected: RegistryHash,
    },
    /// More coins than 64 bits hold; a genesis cap makes this impossible.
    #[error("the sum of reward and fees overflows")]
    Overflow,
    /// The store failed: nothing is known about the block.
    #[error(transparent)]
    View(#[from] ViewError),
}

/// A block whose Merkle root, transaction forms and signatures hold; cheap to clone.
#[derive(Clone, Debug)]
pub struct VerifiedBlock(Arc<VerifiedBlockInner>);

#[derive(Debug)]
struct VerifiedBlockInner {
    block: Arc<Block>,
    hash: BlockHash,
    transactions: Vec<VerifiedTransaction>,
}

impl VerifiedBlock {
    /// The block.
    pub fn block(&self) -> &Arc<Block> {
        &self.0.block
    }

    /// Its header.
    pub fn header(&self) -> &BlockHeader {
        &self.0.block.header
    }

    /// Its id.
    pub fn hash(&self) -> BlockHash {
        self.0.hash
    }

    /// Its height.
    pub fn height(&self) -> Height {
        self.0.block.header.height
    }

    /// Its transactions but the coinbase, in order.
    pub fn transactions(&self) -> &[VerifiedTransaction] {
        &self.0.transactions
    }
}

/// Checks everything about a block that needs no state: sizes, Merkle root, coinbase form, and
/// all signatures of its transactions in one batch.
///
/// `known` finds transactions that were verified before, by the hash of all their bytes.
///
/// # Errors
/// [`BlockError`], the first that is found.
pub fn verify_block(
    block: Arc<Block>,
    chain: &Chain,
    known: &dyn Fn(&Wtxid) -> Option<VerifiedTransaction>,
) -> Result<VerifiedBlock, BlockError> {
    let names: Vec<(Wtxid, usize)> =
        block.transactions.iter().map(|transaction| transaction.wtxid_and_bytes()).collect();
    check_size(names.len(), names.iter().map(|(_, bytes)| bytes).sum(), chain)?;
    let Some((first, others)) = block.transactions.split_first() else {
        return Err(BlockError::WrongCoinbase);
    };
    let is_coinbase = first.kind == TxKind::Coinbase { height: block.header.height };
    if !is_coinbase || !first.inputs.is_empty() {
        return Err(BlockError::WrongCoinbase);
    }
    let expected = transactions_root(names.iter().map(|(wtxid, _)| *wtxid));
    if block.header.merkle_root != expected {
        return Err(BlockError::WrongMerkleRoot { found: block.header.merkle_root, expected });
    }
    let transactions = verify_all(others, &names[1..], chain, known)?;
    let hash = block.hash();
    Ok(VerifiedBlock(Arc::new(VerifiedBlockInner { block, hash, transactions })))
}

fn check_size(transactions: usize, bytes: usize, chain: &Chain) -> Result<(), BlockError> {
    let params = chain.params();
    let transactions_max = params.block_transactions_max as usize;
    if transactions > transactions_max {
        return Err(BlockError::TooManyTransactions { transactions, transactions_max });
    }
    let bytes_max = params.block_bytes_max as usize;
    if bytes > bytes_max {
        return Err(BlockError::TooLarge { bytes, bytes_max });
    }
    Ok(())
}

fn verify_all(
    transactions: &[Arc<Transaction>],
    names: &[(Wtxid, usize)],
    chain: &Chain,
    known: &dyn Fn(&Wtxid) -> Option<VerifiedTransaction>,
) -> Result<Vec<VerifiedTransaction>, BlockError> {
    let named = transactions.iter().zip(names);
    let named = named.map(|(transaction, &(wtxid, bytes))| (Arc::clone(transaction), wtxid, bytes));
    let known = Known { transactions: known, ..Known::NOTHING };
    let verified = (1..).zip(verify_named(named, chain, &known));
    let at = |(index, result): (usize, Result<VerifiedTransaction, TransactionError>)| {
        result.map_err(|error| BlockError::Transaction { index, error })
    };
    verified.map(at).collect()
}

/// The state after a block, and what it changed.
#[derive(Clone, Debug)]
pub struct Connected {
    /// The block.
    pub block: VerifiedBlock,
    /// The state after it; its tip has no certificate until the block is decided.
    pub state: LedgerState,
    /// What became of unspent outputs.
    pub delta: UtxoDelta,
    /// The sum of the fees.
    pub fees: Amount,
}

impl Connected {
    /// The state after the block with the proof that it is decided.
    pub fn decide(mut self, certificate: CommitCertificate) -> Self {
        self.state.tip.certificate = Some(certificate);
        self
    }
}

/// Who proposes and when.
#[derive(Clone, Copy, Debug)]
pub struct Proposer {
    /// Its position in the set.
    pub index: MasternodeIndex,
    /// Its clock; the block's timestamp is this or just after the parent's.
    pub now: Timestamp,
}

/// Builds the next block from transactions, parents before children.
///
/// # Errors
/// [`BlockError::Transaction`] for one that is not valid at its place: leave it out and try
/// again. [`BlockError::TooManyTransactions`] and [`BlockError::TooLarge`] count the coinbase:
/// leave out what pays least. [`BlockError::View`] where the store failed.
pub fn build_block(
    chain: &Chain,
    state: &LedgerState,
    view: &dyn UtxoView,
    transactions: Vec<VerifiedTransaction>,
    proposer: Proposer,
) -> Result<Connected, BlockError> {
    let parent = state.tip.certificate.as_ref();
    let applied = apply(chain, state, view, &transactions, proposer.index, parent)?;
    let bytes: usize = transactions.iter().map(VerifiedTransaction::bytes).sum();
    check_size(transactions.len() + 1, bytes + encoded_len(&*applied.coinbase), chain)?;
    let wtxids = transactions.iter().map(VerifiedTransaction::wtxid);
    let merkle_root = transactions_root([applied.coinbase.wtxid()].into_iter().chain(wtxids));
    let proposer_key = state.masternodes.get(proposer.index).map(|m| m.consensus_key);
    let header = BlockHeader {
        version: BLOCK_VERSION,
        chain_id: *chain.id(),
        height: state.next_height(),
        parent: state.tip.hash,
        merkle_root,
        utxo_commitment: applied.state.utxo_set.commitment(),
        masternode_set: state.masternodes.hash(),
        next_masternode_set: applied.state.masternodes.hash(),
        registry: applied.state.registry_hash(),
        timestamp: proposer.now.max(state.tip.timestamp.next()),
        proposer: proposer_key.expect("the proposer is in the set"),
        parent_certificate: state.tip.certificate.clone(),
    };
    let others = transactions.iter().map(|transaction| Arc::clone(transaction.transaction()));
    let all = [Arc::clone(&applied.coinbase)].into_iter().chain(others).collect();
    let block = Arc::new(Block { header, transactions: all });
    let hash = block.hash();
    let block = VerifiedBlock(Arc::new(VerifiedBlockInner { block, hash, transactions }));
    Ok(applied.connect(block))
}

/// Checks the next block against the state and gives the state after it.
///
/// The clock is not part of it: see [`check_clock`].
///
/// # Errors
/// [`BlockError`], the first that is found.
pub fn check_block(
    chain: &Chain,
    state: &LedgerState,
    view: &dyn UtxoView,
    block: &VerifiedBlock,
) -> Result<Connected, BlockError> {
    check_block_after(&[], chain, state, view, block)
}

/// The same, where the seals in `known` were verified before: Commits to the tip, in the round
/// of its certificate.
///
/// # Errors
/// As [`check_block`].
pub(crate) fn check_block_after(
    known: &[Seal],
    chain: &Chain,
    state: &LedgerState,
    view: &dyn UtxoView,
    block: &VerifiedBlock,
) -> Result<Connected, BlockError> {
    let proposer = check_header(known, chain, state, block.header())?;
    let parent = block.header().parent_certificate.as_ref();
    let applied = apply(chain, state, view, block.transactions(), proposer, parent)?;
    if block.block().transactions.first() != Some(&applied.coinbase) {
        return Err(BlockError::WrongCoinbase);
    }
    check_outcome(block.header(), &applied.state)?;
    Ok(applied.connect(block.clone()))
}

/// Checks what a header says of the state after the block.
fn check_outcome(header: &BlockHeader, after: &LedgerState) -> Result<(), BlockError> {
    let (found, expected) = (header.utxo_commitment, after.utxo_set.commitment());
    if found != expected {
        return Err(BlockError::WrongUtxoCommitment { found, expected });
    }
    let (found, expected) = (header.next_masternode_set, after.masternodes.hash());
    if found != expected {
        return Err(BlockError::WrongNextMasternodeSet { found, expected });
    }
    let (found, expected) = (header.registry, after.registry_hash());
    if found != expected {
        return Err(BlockError::WrongRegistry { found, expected });
    }
    Ok(())
}

/// Checks the next block of a log of decided blocks; the tip of the state after it has the
/// certificate.
///
/// The signatures of its transactions are not verified again: the certificate proves that a
/// quorum did, and covers the header, whose Merkle root covers all bytes of the transactions.
///
/// # Errors
/// [`BlockError`], the first that is found.
pub(crate) fn replay_block(
    chain: &Chain,
    state: &LedgerState,
    view: &dyn UtxoView,
    block: Arc<Block>,
    certificate: CommitCertificate,
) -> Result<Connected, BlockError> {
    let hash = block.hash();
    let height = state.next_height();
    let subject = (chain.params().epoch_of(height), height, hash);
    if (certificate.epoch, certificate.height, certificate.block) != subject {
        return Err(BlockError::Certificate(CertificateError::OtherSubject));
    }
    certificate.verify(chain.id(), &state.masternodes).map_err(BlockError::Certificate)?;
    let connected = check_block(chain, state, view, &trust_block(block, hash)?)?;
    Ok(connected.decide(certificate))
}

/// A block whose header is proved, with its Merkle root checked.
fn trust_block(block: Arc<Block>, hash: BlockHash) -> Result<VerifiedBlock, BlockError> {
    let others = block.transactions.get(1..).unwrap_or_default();
    let vouch = |transaction: &Arc<Transaction>| {
        let (wtxid, bytes) = transaction.wtxid_and_bytes();
        VerifiedTransaction::vouch(Arc::clone(transaction), transaction.txid(), wtxid, bytes)
    };
    let transactions: Vec<VerifiedTransaction> = others.iter().map(vouch).collect();
    let coinbase = block.transactions.first().ok_or(BlockError::WrongCoinbase)?;
    let wtxids = transactions.iter().map(VerifiedTransaction::wtxid);
    let expected = transactions_root([coinbase.wtxid()].into_iter().chain(wtxids));
    if block.header.merkle_root != expected {
        return Err(BlockError::WrongMerkleRoot { found: block.header.merkle_root, expected });
    }
    Ok(VerifiedBlock(Arc::new(VerifiedBlockInner { block, hash, transactions })))
}

/// Checks that a fresh proposal's timestamp is not too far ahead of this masternode's clock.
///
/// # Errors
/// [`BlockError::TimestampTooFarAhead`].
pub fn check_clock(chain: &Chain, timestamp: Timestamp, now: Timestamp) -> Result<(), BlockError> {
    let drift_ms_max = chain.params().clock_drift_ms_max;
    if timestamp.0 > now.0.saturating_add(drift_ms_max) {
        return Err(BlockError::TimestampTooFarAhead { timestamp, now, drift_ms_max });
    }
    Ok(())
}

fn check_header(
    known: &[Seal],
    chain: &Chain,
    state: &LedgerState,
    header: &BlockHeader,
) -> Result<MasternodeIndex, BlockError> {
    if header.version != BLOCK_VERSION {
        return Err(BlockError::UnknownVersion { version: header.version });
    }
    if header.chain_id != *chain.id() {
        return Err(BlockError::WrongChain { found: header.chain_id });
    }
    if header.height != state.next_height() {
        let (found, expected) = (header.height, state.next_height());
        return Err(BlockError::WrongHeight { found, expected });
    }
    if header.parent != state.tip.hash {
        return Err(BlockError::WrongParent { found: header.parent, expected: state.tip.hash });
    }
    check_parent_certificate(known, chain, state, header)?;
    if header.masternode_set != state.masternodes.hash() {
        let (found, expected) = (header.masternode_set, state.masternodes.hash());
        return Err(BlockError::WrongMasternodeSet { found, expected });
    }
    if header.timestamp <= state.tip.timestamp {
        let (timestamp, parent) = (header.timestamp, state.tip.timestamp);
        return Err(BlockError::TimestampNotAfterParent { timestamp, parent });
    }
    let proposer = state.masternodes.index_of(&header.proposer);
    proposer.ok_or(BlockError::UnknownProposer { proposer: header.proposer })
}

/// A proposer may hold other seals of the parent than this node; any quorum proves it.
fn check_parent_certificate(
    known: &[Seal],
    chain: &Chain,
    state: &LedgerState,
    header: &BlockHeader,
) -> Result<(), BlockError> {
    match &header.parent_certificate {
        None if state.tip.height == Height::ZERO => Ok(()),
        Some(certificate) if state.tip.height > Height::ZERO => {
            let named = (certificate.epoch, certificate.height, certificate.block);
            let tip = &state.tip;
            if named != (chain.params().epoch_of(tip.height), tip.height, tip.hash) {
                return Err(CertificateError::OtherSubject.into());
            }
            let own = state.tip.certificate.as_ref();
            if own == Some(certificate) {
                return Ok(());
            }
            let is_same_round = own.is_some_and(|own| own.round == certificate.round);
            let known = if is_same_round { known } else { &[] };
            Ok(certificate.verify_unknown(known, chain.id(), &state.tip_masternodes)?)
        }
        _ => Err(CertificateError::OtherSubject.into()),
    }
}

/// What transactions do to the state, before it is known which block holds them.
struct Applied {
    state: LedgerState,
    delta: UtxoDelta,
    fees: Amount,
    coinbase: Arc<Transaction>,
}

impl Applied {
    fn connect(mut self, block: VerifiedBlock) -> Connected {
        self.state.tip = Tip {
            height: block.height(),
            hash: block.hash(),
            timestamp: block.header().timestamp,
            certificate: None,
        };
        Connected { block, state: self.state, delta: self.delta, fees: self.fees }
    }
}

fn apply(
    chain: &Chain,
    state: &LedgerState,
    view: &dyn UtxoView,
    transactions: &[VerifiedTransaction],
    proposer: MasternodeIndex,
    parent: Option<&CommitCertificate>,
) -> Result<Applied, BlockError> {
    let height = state.next_height();
    let sets = [&state.masternodes, &state.tip_masternodes];
    let mut next = state.clone();
    let mut overlay = Overlay::new(view, transactions.len());
    let mut fees = Amount::ZERO;
    for (index, transaction) in (1..).zip(transactions) {
        let at = |error| BlockError::Transaction { index, error };
        let context = SpendContext { chain, registry: &next.registry, sets, next_height: height };
        let spend = match check_spend(transaction, &context, &overlay) {
            Ok(spend) => spend,
            Err(SpendError::Invalid(error)) => return Err(at(error)),
            Err(SpendError::View(error)) => return Err(error.into()),
        };
        for (input, utxo) in transaction.inputs.iter().zip(&spend.inputs) {
            overlay.spend(input.previous_output, *utxo);
        }
        overlay.create(transaction.txid(), transaction, height);
        fees = fees.checked_add(spend.fee).ok_or(BlockError::Overflow)?;
        change_registry(&mut next, transaction);
    }
    let reward = block_reward(chain.params(), height, state.issued);
    let total = reward.checked_add(fees).ok_or(BlockError::Overflow)?;
    let payout = state.masternodes.get(proposer).map(|masternode| masternode.payout);
    let payout = payout.expect("the proposer is in the set");
    let sealed_by = parent.map(|certificate| (certificate, &state.tip_masternodes));
    let coinbase = Arc::new(coinbase(height, total, payout, sealed_by));
    overlay.create(coinbase.txid(), &coinbase, height);
    next.issued = next.issued.checked_add(reward).ok_or(BlockError::Overflow)?;
    let delta = overlay.into_delta();
    for (outpoint, utxo) in &delta.spent {
        next.utxo_set.remove(&utxo_element(outpoint, utxo));
    }
    for (outpoint, utxo) in &delta.created {
        next.utxo_set.insert(&utxo_element(outpoint, utxo));
    }
    next.tip_masternodes = state.masternodes.clone();
    if chain.params().is_epoch_end(height) {
        let masternodes_min = usize::from(chain.params().masternodes_min);
        let registry = Arc::make_mut(&mut next.registry);
        next.masternodes = registry.begin_epoch(masternodes_min, &next.masternodes);
    }
    Ok(Applied { state: next, delta, fees, coinbase })
}

fn change_registry(state: &mut LedgerState, transaction: &VerifiedTransaction) {
    match &transaction.kind {
        TxKind::Transfer | TxKind::Coinbase { .. } => {}
        TxKind::RegisterMasternode(registration) => {
            let masternode = Masternode {
                consensus_key: registration.consensus_key,
                payout: registration.payout,
                network_address: registration.network_address.clone(),
            };
            let collateral = OutPoint::new(transaction.txid(), registration.collateral_vout);
            Arc::make_mut(&mut state.registry).register(masternode, collateral);
        }
        TxKind::DeregisterMasternode { consensus_key, .. } => {
            Arc::make_mut(&mut state.registry).deregister(consensus_key);
        }
        TxKind::Evidence(evidence) => {
            Arc::make_mut(&mut state.registry).convict(&evidence.offender, evidence.id());
        }
    }
}

#[cfg(test)]
mod tests;
