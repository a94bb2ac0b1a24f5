//! The rules of a transaction (PROTOCOL 2): form, signatures, and what it spends.
//!
//! Form and signatures need no state and come first, which gives a [`VerifiedTransaction`];
//! [`check_spend`] then asks whether it may be in the next block.

use std::sync::Arc;

use thiserror::Error;

use super::registry::Registry;
use super::view::{Lookup, Origin, Utxo, UtxoView, ViewError};
use crate::params::{Chain, ChainParams};
use crate::types::address::Address;
use crate::types::amount::Amount;
use crate::types::chain::Height;
use crate::types::encode::{DecodeError, decode};
use crate::types::evidence::{Evidence, EvidenceError};
use crate::types::hash::{ChainId, Txid, Wtxid};
use crate::types::keys::{
    InputSignature, KnownKeys, NoKeys, PublicKey, VotingKey, verify_inputs_of, verify_strict,
};
use crate::types::map::HashSet;
use crate::types::masternode_set::MasternodeSet;
use crate::types::transaction::{OutPoint, Registration, TRANSACTION_VERSION, Transaction, TxKind};
use crate::types::verified::VerifiedTransaction;

/// Why a transaction is not valid.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TransactionError {
    /// Not the canonical bytes of a transaction.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A version that does not exist.
    #[error("transaction version {version} is unknown: use {TRANSACTION_VERSION}")]
    UnknownVersion {
        /// What it says.
        version: u16,
    },
    /// Its bytes are over the limit.
    #[error("the transaction has {bytes} bytes, the limit is {bytes_max}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// No input, or too many.
    #[error("the transaction has {inputs} inputs, it may have 1 to {inputs_max}")]
    InputCount {
        /// How many it has.
        inputs: usize,
        /// The limit.
        inputs_max: usize,
    },
    /// No output, or too many.
    #[error("the transaction has {outputs} outputs, it may have 1 to {outputs_max}")]
    OutputCount {
        /// How many it has.
        outputs: usize,
        /// The limit.
        outputs_max: usize,
    },
    /// One output spent twice in it.
    #[error("input {outpoint} is there twice")]
    DuplicateInput {
        /// Which output.
        outpoint: OutPoint,
    },
    /// An output below the least value.
    #[error("output {vout} of {value} is below the dust limit of {dust_limit}")]
    Dust {
        /// Which output.
        vout: u32,
        /// What it is worth.
        value: Amount,
        /// The limit.
        dust_limit: Amount,
    },
    /// A sum that does not fit 64 bits.
    #[error("the sum of the {what} overflows")]
    Overflow {
        /// Inputs or outputs.
        what: &'static str,
    },
    /// A signature that does not hold: by another key, for another chain or transaction, altered.
    #[error("the signature of input {input} does not hold")]
    BadSignature {
        /// Which input.
        input: u32,
    },
    /// A reward outside a block.
    #[error("a coinbase transaction is valid only as the first of a block")]
    UnexpectedCoinbase,
    /// A registration whose own fields are wrong.
    #[error("the registration is wrong: {reason}")]
    BadRegistration {
        /// How.
        reason: &'static str,
    },
    /// A registration or deregistration that the consensus key did not sign.
    #[error("the consensus key did not sign this transaction")]
    BadProof,
    /// Evidence that proves nothing, or carries inputs or outputs.
    #[error("evidence: {0}")]
    BadEvidence(#[from] EvidenceError),
    /// Evidence of what is recorded already, or against nobody in the set.
    #[error("the evidence changes nothing: it is recorded already, or its masternode has left")]
    StaleEvidence,
    /// An input whose transaction is not known. It may come.
    #[error("input {outpoint} is unknown: its transaction is neither confirmed nor final here")]
    UnknownInput {
        /// Which output.
        outpoint: OutPoint,
    },
    /// An input that a decided block has spent, or that never existed.
    #[error("input {outpoint} is spent by a confirmed transaction")]
    InputSpent {
        /// Which output.
        outpoint: OutPoint,
    },
    /// A key that does not own the input.
    #[error("the key of input {input} does not hash to the address of the output it spends")]
    WrongKey {
        /// Which input.
        input: u32,
    },
    /// More goes out than comes in.
    #[error("inputs of {inputs} do not cover outputs of {outputs}")]
    InsufficientInputs {
        /// What comes in.
        inputs: Amount,
        /// What goes out.
        outputs: Amount,
    },
    /// Too little is left for the fee.
    #[error("the fee of {fee} is below the {required} that {bytes} bytes require")]
    FeeTooLow {
        /// What is left.
        fee: Amount,
        /// What is required.
        required: Amount,
        /// Its size.
        bytes: usize,
    },
    /// The lock time lies ahead.
    #[error("locked until height {lock_time}, the next block is {next_height}")]
    LockTime {
        /// The first height that may hold it.
        lock_time: Height,
        /// The height of the next block.
        next_height: Height,
    },
    /// A reward that is too young.
    #[error("input {outpoint} is a coinbase that can be spent from height {spendable_at}")]
    ImmatureCoinbase {
        /// Which output.
        outpoint: OutPoint,
        /// The first height that may spend it.
        spendable_at: Height,
    },
    /// The collateral of a masternode that has not left.
    #[error("input {outpoint} is the collateral of a masternode: deregister it first")]
    CollateralLocked {
        /// Which output.
        outpoint: OutPoint,
    },
    /// The consensus key is registered.
    #[error("the masternode {consensus_key} is registered already")]
    MasternodeExists {
        /// Which.
        consensus_key: PublicKey,
    },
    /// The consensus key is not registered, or deregistered before.
    #[error("the masternode {consensus_key} is not registered")]
    UnknownMasternode {
        /// Which.
        consensus_key: PublicKey,
    },
}

impl TransactionError {
    /// Whether a decided block made the transaction impossible: something that it claims is
    /// taken or gone.
    pub const fn is_settled(&self) -> bool {
        matches!(
            self,
            TransactionError::InputSpent { .. }
                | TransactionError::MasternodeExists { .. }
                | TransactionError::UnknownMasternode { .. }
        )
    }
}

/// Reads a transaction from its canonical bytes.
///
/// # Errors
/// [`TransactionError::Decode`].
pub fn decode_transaction(
    bytes: &[u8],
    params: &ChainParams,
) -> Result<Transaction, TransactionError> {
    Ok(decode("transaction", bytes, params.transaction_bytes_max as usize)?)
}

/// Checks form and signatures of one transaction.
///
/// # Errors
/// [`TransactionError`], the first that is found.
pub fn verify_transaction(
    transaction: Arc<Transaction>,
    chain: &Chain,
) -> Result<VerifiedTransaction, TransactionError> {
    let mut verified = verify_transactions(vec![transaction], chain);
    verified.pop().expect("one answer for each transaction")
}

/// Checks form and signatures of many transactions, all signatures in one batch.
///
/// The answers are in order, and the same that [`verify_transaction`] gives for each alone.
pub fn verify_transactions(
    transactions: Vec<Arc<Transaction>>,
    chain: &Chain,
) -> Vec<Result<VerifiedTransaction, TransactionError>> {
    verify_unknown_transactions(transactions, chain, &Known::NOTHING)
}

/// What was found out before, and so need not be again.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// The transaction with this id, if it was verified.
    pub transactions: &'a dyn Fn(&Wtxid) -> Option<VerifiedTransaction>,
    /// The points of keys.
    pub keys: &'a dyn KnownKeys,
}

impl Known<'_> {
    /// Nothing was.
    pub const NOTHING: Known<'static> = Known { transactions: &|_| None, keys: &NoKeys };
}

/// The same, but what is known is not checked again.
pub fn verify_unknown_transactions(
    transactions: Vec<Arc<Transaction>>,
    chain: &Chain,
    known: &Known<'_>,
) -> Vec<Result<VerifiedTransaction, TransactionError>> {
    let named = transactions.into_iter().map(|transaction| {
        let (wtxid, bytes) = transaction.wtxid_and_bytes();
        (transaction, wtxid, bytes)
    });
    verify_named(named, chain, known)
}

/// The same of transactions whose `wtxid` and length are at hand.
pub(super) fn verify_named(
    transactions: impl Iterator<Item = (Arc<Transaction>, Wtxid, usize)>,
    chain: &Chain,
    known: &Known<'_>,
) -> Vec<Result<VerifiedTransaction, TransactionError>> {
    let check = |(transaction, wtxid, bytes)| match (known.transactions)(&wtxid) {
        Some(known) => Ok((known, true)),
        None => Ok((check_form(transaction, wtxid, bytes, chain)?, false)),
    };
    let checked: Vec<Result<(VerifiedTransaction, bool), TransactionError>> =
        transactions.map(check).collect();
    let mut signatures: Vec<InputSignature> = Vec::with_capacity(checked.len());
    for (transaction, _) in checked.iter().flatten().filter(|(_, is_known)| !is_known) {
        signatures.extend(transaction.input_signatures(chain.id(), &transaction.txid()));
    }
    let unknown: Vec<InputSignature> =
        signatures.iter().filter(|item| !chain.is_remembered(item)).copied().collect();
    let are_valid = verify_inputs_of(&unknown, known.keys).is_ok();
    let mut from = 0;
    let conclude = |checked: Result<(VerifiedTransaction, bool), TransactionError>| {
        let (transaction, is_known) = checked?;
        if are_valid || is_known {
            return Ok(transaction);
        }
        let own = &signatures[from..from + transaction.inputs.len()];
        from += transaction.inputs.len();
        match verify_inputs_of(own, known.keys) {
            Ok(()) => Ok(transaction),
            Err((index, _)) => {
                let input = u32::try_from(index).unwrap_or(u32::MAX);
                Err(TransactionError::BadSignature { input })
            }
        }
    };
    checked.into_iter().map(conclude).collect()
}

/// Everything but the signatures of inputs, which the caller checks in a batch.
fn check_form(
    transaction: Arc<Transaction>,
    wtxid: Wtxid,
    bytes: usize,
    chain: &Chain,
) -> Result<VerifiedTransaction, TransactionError> {
    let params = chain.params();
    check_shape(&transaction, bytes, params)?;
    let txid = transaction.txid();
    check_kind(&transaction, &txid, chain.id(), params)?;
    Ok(VerifiedTransaction::vouch(transaction, txid, wtxid, bytes))
}

fn check_shape(
    transaction: &Transaction,
    bytes: usize,
    params: &ChainParams,
) -> Result<(), TransactionError> {
    if transaction.version != TRANSACTION_VERSION {
        return Err(TransactionError::UnknownVersion { version: transaction.version });
    }
    let bytes_max = params.transaction_bytes_max as usize;
    if bytes > bytes_max {
        return Err(TransactionError::TooLarge { bytes, bytes_max });
    }
    if transaction.kind.is_coinbase() {
        return Err(TransactionError::UnexpectedCoinbase);
    }
    let is_evidence = matches!(transaction.kind, TxKind::Evidence(_));
    let counted =
        |n: usize, most: usize| if is_evidence { n == 0 } else { (1..=most).contains(&n) };
    let inputs_max = params.transaction_inputs_max as usize;
    let inputs = transaction.inputs.len();
    if !counted(inputs, inputs_max) {
        return Err(TransactionError::InputCount { inputs, inputs_max });
    }
    let outputs_max = params.transaction_outputs_max as usize;
    let outputs = transaction.outputs.len();
    if !counted(outputs, outputs_max) {
        return Err(TransactionError::OutputCount { outputs, outputs_max });
    }
    check_inputs_differ(transaction)?;
    for (vout, output) in (0u32..).zip(&transaction.outputs) {
        if output.value < params.dust_limit || output.value == Amount::ZERO {
            let (value, dust_limit) = (output.value, params.dust_limit);
            return Err(TransactionError::Dust { vout, value, dust_limit });
        }
    }
    match transaction.output_value() {
        Some(_) => Ok(()),
        None => Err(TransactionError::Overflow { what: "outputs" }),
    }
}

fn check_inputs_differ(transaction: &Transaction) -> Result<(), TransactionError> {
    let outpoints = transaction.inputs.iter().map(|input| input.previous_output);
    if let [_] = transaction.inputs[..] {
        return Ok(());
    }
    let mut seen = HashSet::with_capacity_and_hasher(
        transaction.inputs.len(),
        foldhash::fast::RandomState::default(),
    );
    for outpoint in outpoints {
        if !seen.insert(outpoint) {
            return Err(TransactionError::DuplicateInput { outpoint });
        }
    }
    Ok(())
}

fn check_kind(
    transaction: &Transaction,
    txid: &Txid,
    chain_id: &ChainId,
    params: &ChainParams,
) -> Result<(), TransactionError> {
    let message = || Transaction::registration_message(chain_id, txid);
    match &transaction.kind {
        TxKind::Transfer | TxKind::Evidence(_) => Ok(()),
        TxKind::Coinbase { .. } => Err(TransactionError::UnexpectedCoinbase),
        TxKind::RegisterMasternode(registration) => {
            check_registration(transaction, registration, params)?;
            verify_strict(&registration.consensus_key, message().as_bytes(), &registration.proof)
                .map_err(|_| TransactionError::BadProof)
        }
        TxKind::DeregisterMasternode { consensus_key, proof } => {
            verify_strict(consensus_key, message().as_bytes(), proof)
                .map_err(|_| TransactionError::BadProof)
        }
    }
}

fn check_registration(
    transaction: &Transaction,
    registration: &Registration,
    params: &ChainParams,
) -> Result<(), TransactionError> {
    let wrong = |reason| Err(TransactionError::BadRegistration { reason });
    if VotingKey::try_from(registration.consensus_key).is_err() {
        return wrong("the consensus key is not usable");
    }
    if registration.network_address.len() > NETWORK_ADDRESS_BYTES_MAX {
        return wrong("the network address is longer than 128 bytes");
    }
    match transaction.outputs.get(registration.collateral_vout as usize) {
        None => wrong("the collateral output does not exist"),
        Some(output) if output.value != params.masternode_collateral => {
            wrong("the collateral output is not exactly the collateral")
        }
        Some(_) => Ok(()),
    }
}

/// Where a transaction stands when it is asked whether the next block may hold it.
#[derive(Clone, Copy)]
pub struct SpendContext<'a> {
    /// The chain.
    pub chain: &'a Chain,
    /// Registrations after the last decided block.
    pub registry: &'a Registry,
    /// The masternode sets against which evidence may be shown.
    pub sets: [&'a MasternodeSet; 2],
    /// The height of the next block.
    pub next_height: Height,
}

/// What a valid transaction spends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spend {
    /// What it leaves for the masternodes.
    pub fee: Amount,
    /// The outputs it spends, in the order of its inputs.
    pub inputs: Vec<Utxo>,
}

/// Whether a spend is not valid, or can't be judged because the store failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SpendError {
    /// It is not valid.
    #[error(transparent)]
    Invalid(#[from] TransactionError),
    /// The store failed.
    #[error(transparent)]
    View(#[from] ViewError),
}

/// Checks that the next block may hold a transaction.
///
/// Once this holds, it holds as long as the inputs stay unspent in the epoch (F11): lock time
/// and maturity only come to pass, and a registration is claimed by name.
///
/// # Errors
/// [`TransactionError`], the first that is found; unknown inputs come before everything that
/// needs their values.
pub fn check_spend(
    transaction: &VerifiedTransaction,
    context: &SpendContext<'_>,
    view: &dyn UtxoView,
) -> Result<Spend, SpendError> {
    let next_height = context.next_height;
    if transaction.lock_time > next_height {
        let lock_time = transaction.lock_time;
        return Err(TransactionError::LockTime { lock_time, next_height }.into());
    }
    let mut inputs = Vec::with_capacity(transaction.inputs.len());
    for (index, input) in (0u32..).zip(&transaction.inputs) {
        let outpoint = input.previous_output;
        let utxo = match view.lookup(&outpoint)? {
            Lookup::Unspent(utxo) => utxo,
            Lookup::Spent => return Err(TransactionError::InputSpent { outpoint }.into()),
            Lookup::Unknown => return Err(TransactionError::UnknownInput { outpoint }.into()),
        };
        check_input(index, &input.public_key, outpoint, &utxo, context)?;
        inputs.push(utxo);
    }
    check_set_change(transaction, context)?;
    let fee = match &transaction.kind {
        TxKind::Evidence(_) => Amount::ZERO,
        _ => check_fee(transaction, &inputs, context.chain.params())?,
    };
    Ok(Spend { fee, inputs })
}

fn check_input(
    input: u32,
    key: &PublicKey,
    outpoint: OutPoint,
    utxo: &Utxo,
    context: &SpendContext<'_>,
) -> Result<(), TransactionError> {
    if Address::of(key) != utxo.output.address {
        return Err(TransactionError::WrongKey { input });
    }
    match utxo.origin {
        Origin::Transfer => Ok(()),
        Origin::Coinbase => {
            let maturity = context.chain.params().coinbase_maturity;
            let spendable_at = Height(utxo.height.0.saturating_add(maturity));
            if context.next_height < spendable_at {
                return Err(TransactionError::ImmatureCoinbase { outpoint, spendable_at });
            }
            Ok(())
        }
        Origin::Collateral => {
            // A registration that is not confirmed is in no registry yet, and locked all the same.
            let is_confirmed = utxo.height < context.next_height;
            if !is_confirmed || context.registry.is_collateral(&outpoint) {
                return Err(TransactionError::CollateralLocked { outpoint });
            }
            Ok(())
        }
    }
}

fn check_set_change(
    transaction: &Transaction,
    context: &SpendContext<'_>,
) -> Result<(), TransactionError> {
    match &transaction.kind {
        TxKind::Transfer | TxKind::Coinbase { .. } => Ok(()),
        TxKind::RegisterMasternode(registration) => {
            let consensus_key = registration.consensus_key;
            match context.registry.get(&consensus_key) {
                Some(_) => Err(TransactionError::MasternodeExists { consensus_key }),
                None => Ok(()),
            }
        }
        TxKind::DeregisterMasternode { consensus_key, .. } => {
            let entry = context.registry.get(consensus_key);
            if entry.is_some_and(|entry| !entry.is_deregistered) {
                return Ok(());
            }
            Err(TransactionError::UnknownMasternode { consensus_key: *consensus_key })
        }
        TxKind::Evidence(evidence) => check_evidence(evidence, context),
    }
}

fn check_evidence(evidence: &Evidence, context: &SpendContext<'_>) -> Result<(), TransactionError> {
    let entry = context.registry.get(&evidence.offender);
    let news = entry.is_some_and(|entry| !entry.is_proven_faulty);
    if !news || context.registry.has_evidence(&evidence.id()) {
        return Err(TransactionError::StaleEvidence);
    }
    let set = context.sets.into_iter().find(|set| set.hash() == evidence.set_hash);
    let set = set.ok_or(EvidenceError::OtherSet { found: evidence.set_hash })?;
    Ok(evidence.verify(context.chain.id(), set)?)
}

fn check_fee(
    transaction: &VerifiedTransaction,
    inputs: &[Utxo],
    params: &ChainParams,
) -> Result<Amount, TransactionError> {
    let spent = Amount::checked_sum(inputs.iter().map(|utxo| utxo.output.value))
        .ok_or(TransactionError::Overflow { what: "inputs" })?;
    let made = transaction.output_value().ok_or(TransactionError::Overflow { what: "outputs" })?;
    let fee = spent
        .checked_sub(made)
        .ok_or(TransactionError::InsufficientInputs { inputs: spent, outputs: made })?;
    let bytes = transaction.bytes();
    let required = params.fee_required(bytes);
    if fee < required {
        return Err(TransactionError::FeeTooLow { fee, required, bytes });
    }
    Ok(fee)
}

/// The longest `host:port` of a registration.
const NETWORK_ADDRESS_BYTES_MAX: usize = 128;

#[cfg(test)]
mod tests;
