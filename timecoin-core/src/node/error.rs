//! The one error of the crate's front door, and the code that each has.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::code::{ErrorCategory, ErrorCode};
use super::state::NodeState;
use crate::engine::output::Rejection;
use crate::engine::verify::MessageError;
use crate::ledger::transaction::TransactionError;
use crate::ledger::view::ViewError;
use crate::params::GenesisError;
use crate::storage::StorageError;
use crate::types::address::{Address, AddressError};
use crate::types::amount::{Amount, ParseAmountError};
use crate::types::certificate::CertificateError;
use crate::types::duration::ParseDurationError;
use crate::types::encode::DecodeError;
use crate::types::hash::{HexError, Txid};
use crate::types::keys::KeyError;
use crate::types::transaction::ParseOutPointError;
use crate::types::vote::RejectReason;

/// Why a call to a node or a wallet did not do what was asked.
///
/// Cheap to clone. [`NodeError::code`] is the number that C returns and Python exposes.
///
/// ```
/// use timecoin_core::{Address, ErrorCode, Network, NodeError};
/// let error = NodeError::from(Address::from_text("nonsense", Network::Regtest).unwrap_err());
/// assert_eq!(error.code(), ErrorCode::InvalidAddress);
/// assert!(!error.is_retryable());
/// ```
#[derive(Clone, Debug, Error)]
pub enum NodeError {
    /// An argument that is never right.
    #[error("{what}: {reason}")]
    InvalidArgument {
        /// Which.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A field of the configuration out of its range.
    #[error("config field {field} is {value}: {range}")]
    Config {
        /// Which.
        field: &'static str,
        /// What it is.
        value: String,
        /// What it may be.
        range: &'static str,
    },
    /// A genesis that can't start a chain.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// No address, or one of another network.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// No amount.
    #[error(transparent)]
    Amount(#[from] ParseAmountError),
    /// No key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Not the canonical bytes of what was asked for.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Not the text of a hash or a key.
    #[error(transparent)]
    Hex(#[from] HexError),
    /// Not the text of an outpoint.
    #[error(transparent)]
    OutPoint(#[from] ParseOutPointError),
    /// No duration.
    #[error(transparent)]
    Duration(#[from] ParseDurationError),
    /// A setting of a network that there is none of, or that is out of its range.
    #[error("{reason}")]
    Setting {
        /// Which, and what it may be.
        reason: String,
    },
    /// Not here.
    #[error("{what} is not known here")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// It did not happen in time; it may still.
    #[error("{what} did not happen within {after:?}")]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// How long.
        after: Duration,
    },
    /// It did not happen in the virtual time given; it may still.
    #[error("{what} was not reached within {after:?} of virtual time")]
    NotReached {
        /// What was to be reached.
        what: &'static str,
        /// How much virtual time was given.
        after: Duration,
    },
    /// The address to listen on is taken, or not this machine's.
    #[error("cannot listen on {address}: {reason}; choose another, or port 0 for any free one")]
    CannotListen {
        /// Where.
        address: String,
        /// What the operating system says.
        reason: String,
    },
    /// The directory is not empty: a store was opened in it.
    #[error(
        "data directory {} has a chain: open it, or bootstrap in an empty directory",
        path.display()
    )]
    ChainExists {
        /// The directory.
        path: PathBuf,
    },
    /// The host ended a wait.
    #[error("the wait was interrupted")]
    Interrupted,
    /// It was made in another process, and a fork left parts of it behind.
    #[error(
        "this belongs to process {made_in}, and this is {here}, forked from it: a thread was \
             using it and did not follow; fork while none does, or make it in the process that \
             uses it"
    )]
    Forked {
        /// The process that made it.
        made_in: u32,
        /// This process.
        here: u32,
    },
    /// A simulation found an invariant broken.
    #[error(transparent)]
    Invariant(Arc<BrokenInvariant>),
    /// The node is not started.
    #[error("the node is {state}: start it first")]
    NotRunning {
        /// What it is instead.
        state: NodeState,
    },
    /// The node was started before.
    #[error("the node is {state}: it starts once")]
    AlreadyStarted {
        /// What it is.
        state: NodeState,
    },
    /// The node is closing or closed.
    #[error("the node is closed")]
    Closed,
    /// All honest nodes of a [`crate::localnet::LocalNet`] are down or stand still.
    #[error("no node of the net takes part")]
    NoneTakesPart,
    /// Queues are full.
    #[error("the node is busy: its queue of {queue_max} inputs is full")]
    Busy {
        /// What the queue holds.
        queue_max: usize,
    },
    /// This node can't make a block.
    #[error("cannot produce a block: {reason}")]
    CannotProduceBlock {
        /// Why.
        reason: &'static str,
    },
    /// The coins don't cover amount and fee.
    #[error("{available} can be spent, {required} are needed with the fee")]
    InsufficientFunds {
        /// What the wallet may spend now.
        available: Amount,
        /// What it takes.
        required: Amount,
    },
    /// The amount takes more coins than a transaction may spend.
    #[error("{amount} takes more than {inputs_max} coins: pay less at once, or join coins first")]
    TooManyCoins {
        /// What was to be paid.
        amount: Amount,
        /// Inputs of a transaction.
        inputs_max: usize,
    },
    /// The wallet has no key for an address.
    #[error("the wallet has no key for address {address:?}")]
    UnknownAddress {
        /// Which.
        address: Address,
    },
    /// The node does not hold that proof.
    #[error("no finality proof of {txid} is kept here: ask while it is final, or use its block")]
    NoProof {
        /// Of which transaction.
        txid: Txid,
    },
    /// The transaction is not valid.
    #[error(transparent)]
    Transaction(TransactionError),
    /// The transaction is refused as things stand.
    #[error(transparent)]
    Rejected(Rejection),
    /// A proof that proves nothing.
    #[error(transparent)]
    Proof(#[from] CertificateError),
    /// A message that no honest node can have sent.
    #[error(transparent)]
    Message(Arc<MessageError>),
    /// The store failed.
    #[error(transparent)]
    Storage(Arc<StorageError>),
    /// The store could not be asked what is unspent.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The node stopped writing.
    #[error("the node stopped writing: {reason}")]
    Poisoned {
        /// Why.
        reason: Arc<str>,
    },
    /// Something that the code makes impossible.
    #[error("internal: {reason}")]
    Internal {
        /// What.
        reason: String,
    },
    /// No thread could be started.
    #[error("cannot start a thread: {reason}")]
    NoThreads {
        /// What the operating system says.
        reason: String,
    },
}

/// An invariant of the protocol that a simulation found broken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{text}")]
pub struct BrokenInvariant {
    /// Which one, as in `I1 agreement`.
    pub check: &'static str,
    /// What was found.
    pub message: String,
    /// The seed of the run.
    pub seed: u64,
    /// The number of the event after which it was found.
    pub step: u64,
    /// How much virtual time had passed.
    pub at: Duration,
    /// The command that repeats the run.
    pub replay: Option<String>,
    /// All of it in words.
    pub text: String,
}

impl NodeError {
    /// Its stable number.
    pub fn code(&self) -> ErrorCode {
        match self {
            NodeError::InvalidArgument { .. } => ErrorCode::InvalidArgument,
            NodeError::Config { .. } => ErrorCode::InvalidConfig,
            NodeError::Genesis(_) => ErrorCode::InvalidGenesis,
            NodeError::Address(_) => ErrorCode::InvalidAddress,
            NodeError::Amount(_) => ErrorCode::InvalidAmount,
            NodeError::Key(KeyError::NoRandomness) => ErrorCode::NoRandomness,
            NodeError::Key(_) => ErrorCode::InvalidKey,
            NodeError::Decode(_) | NodeError::Hex(_) | NodeError::OutPoint(_) => {
                ErrorCode::Malformed
            }
            NodeError::Duration(_) => ErrorCode::InvalidDuration,
            NodeError::Setting { .. } => ErrorCode::InvalidConfig,
            NodeError::NotFound { .. } => ErrorCode::NotFound,
            NodeError::NotReached { .. } => ErrorCode::NotReached,
            NodeError::CannotListen { .. } => ErrorCode::CannotListen,
            NodeError::ChainExists { .. } => ErrorCode::ChainExists,
            NodeError::Interrupted => ErrorCode::Interrupted,
            NodeError::Forked { .. } => ErrorCode::ForkedProcess,
            NodeError::Invariant(_) => ErrorCode::InvariantBroken,
            NodeError::Timeout { .. } => ErrorCode::Timeout,
            NodeError::NotRunning { .. } => ErrorCode::NotRunning,
            NodeError::AlreadyStarted { .. } => ErrorCode::AlreadyStarted,
            NodeError::Closed | NodeError::NoneTakesPart => ErrorCode::Closed,
            NodeError::Busy { .. } => ErrorCode::Busy,
            NodeError::CannotProduceBlock { .. } => ErrorCode::CannotProduceBlock,
            NodeError::InsufficientFunds { .. } => ErrorCode::InsufficientFunds,
            NodeError::TooManyCoins { .. } => ErrorCode::TooManyCoins,
            NodeError::UnknownAddress { .. } => ErrorCode::UnknownAddress,
            NodeError::NoProof { .. } => ErrorCode::NoProof,
            NodeError::Transaction(error) => transaction_code(error),
            NodeError::Rejected(rejection) => rejection_code(rejection),
            NodeError::Proof(error) => certificate_code(error),
            NodeError::Message(_) => ErrorCode::InvalidMessage,
            NodeError::Storage(error) => storage_code(error),
            NodeError::View(_) => ErrorCode::StorageTables,
            NodeError::Poisoned { .. } => ErrorCode::Poisoned,
            NodeError::Internal { .. } => ErrorCode::Internal,
            NodeError::NoThreads { .. } => ErrorCode::NoThreads,
        }
    }

    /// Who can do something about it.
    pub fn category(&self) -> ErrorCategory {
        self.code().category()
    }

    /// Whether the very same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        self.code().is_retryable()
    }
}

/// An invalid transaction has one shape, whoever found it.
impl From<Rejection> for NodeError {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Invalid(error) => NodeError::Transaction(error),
            other => NodeError::Rejected(other),
        }
    }
}

impl From<TransactionError> for NodeError {
    fn from(error: TransactionError) -> Self {
        NodeError::Transaction(error)
    }
}

impl From<StorageError> for NodeError {
    fn from(error: StorageError) -> Self {
        NodeError::Storage(Arc::new(error))
    }
}

/// The code of a transaction that is not valid.
pub fn transaction_code(error: &TransactionError) -> ErrorCode {
    match error {
        TransactionError::Decode(_) => ErrorCode::TransactionMalformed,
        TransactionError::UnknownVersion { .. } => ErrorCode::TransactionUnknownVersion,
        TransactionError::TooLarge { .. } => ErrorCode::TransactionTooLarge,
        TransactionError::InputCount { .. } => ErrorCode::TransactionInputCount,
        TransactionError::OutputCount { .. } => ErrorCode::TransactionOutputCount,
        TransactionError::DuplicateInput { .. } => ErrorCode::TransactionDuplicateInput,
        TransactionError::Dust { .. } => ErrorCode::TransactionDust,
        TransactionError::Overflow { .. } => ErrorCode::TransactionOverflow,
        TransactionError::BadSignature { .. } => ErrorCode::TransactionBadSignature,
        TransactionError::UnexpectedCoinbase => ErrorCode::TransactionUnexpectedCoinbase,
        TransactionError::BadRegistration { .. } => ErrorCode::TransactionBadRegistration,
        TransactionError::BadProof => ErrorCode::TransactionBadProof,
        TransactionError::BadEvidence(_) => ErrorCode::TransactionBadEvidence,
        TransactionError::StaleEvidence => ErrorCode::TransactionStaleEvidence,
        TransactionError::UnknownInput { .. } => ErrorCode::TransactionUnknownInput,
        TransactionError::InputSpent { .. } => ErrorCode::TransactionInputSpent,
        TransactionError::WrongKey { .. } => ErrorCode::TransactionWrongKey,
        TransactionError::InsufficientInputs { .. } => ErrorCode::TransactionInsufficientInputs,
        TransactionError::FeeTooLow { .. } => ErrorCode::TransactionFeeTooLow,
        TransactionError::LockTime { .. } => ErrorCode::TransactionLockTime,
        TransactionError::ImmatureCoinbase { .. } => ErrorCode::TransactionImmatureCoinbase,
        TransactionError::CollateralLocked { .. } => ErrorCode::TransactionCollateralLocked,
        TransactionError::MasternodeExists { .. } => ErrorCode::TransactionMasternodeExists,
        TransactionError::UnknownMasternode { .. } => ErrorCode::TransactionUnknownMasternode,
    }
}

/// The code of a transaction that is refused.
pub fn rejection_code(rejection: &Rejection) -> ErrorCode {
    match rejection {
        Rejection::Invalid(error) => transaction_code(error),
        Rejection::Conflict { reason, .. } => match reason {
            RejectReason::ConflictsWithApproved => ErrorCode::ConflictsWithApproved,
            RejectReason::ConflictsWithFinal => ErrorCode::ConflictsWithFinal,
            RejectReason::ConflictsWithConfirmed => ErrorCode::ConflictsWithConfirmed,
        },
        Rejection::RejectedByQuorum => ErrorCode::RejectedByQuorum,
        Rejection::MempoolFull => ErrorCode::MempoolFull,
        Rejection::Evicted => ErrorCode::Evicted,
        Rejection::ParentTimeout { .. } => ErrorCode::ParentTimeout,
        Rejection::WaitingRoomFull { .. } => ErrorCode::WaitingRoomFull,
    }
}

fn certificate_code(error: &CertificateError) -> ErrorCode {
    match error {
        CertificateError::OtherSet { .. } => ErrorCode::ProofOtherSet,
        CertificateError::OtherSubject => ErrorCode::ProofOtherSubject,
        CertificateError::TooFewSigners { .. } => ErrorCode::ProofTooFewSigners,
        CertificateError::SignerOrder { .. } => ErrorCode::ProofSignerOrder,
        CertificateError::BadSignature { .. } => ErrorCode::ProofBadSignature,
    }
}

fn storage_code(error: &StorageError) -> ErrorCode {
    match error {
        StorageError::Io { source, .. } => match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorCode::StorageFull,
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                ErrorCode::StorageReadOnly
            }
            _ => ErrorCode::StorageIo,
        },
        StorageError::Closed => ErrorCode::Closed,
        StorageError::NotStaged { .. } => ErrorCode::Internal,
        StorageError::BadRecord { .. } => ErrorCode::StorageBadRecord,
        StorageError::BlockLogMissing { .. } => ErrorCode::StorageLogMissing,
        StorageError::BaseDamaged { .. } => ErrorCode::StorageBaseDamaged,
        StorageError::Tables { .. } => ErrorCode::StorageTables,
        StorageError::LockedBy { .. } => ErrorCode::StorageLocked,
        StorageError::WrongChain { .. } => ErrorCode::StorageWrongChain,
        StorageError::WrongKind { .. } => ErrorCode::StorageWrongKind,
        StorageError::UnsupportedFormat { .. } => ErrorCode::StorageUnsupportedFormat,
        StorageError::Damaged(_) => ErrorCode::StorageDamaged,
        StorageError::RecordTooLarge { .. } => ErrorCode::StorageRecordTooLarge,
        StorageError::BatchTooLarge { .. } => ErrorCode::StorageBatchTooLarge,
        StorageError::NoRecord { .. } => ErrorCode::StorageNoRecord,
        StorageError::Pruned { .. } => ErrorCode::StoragePruned,
        StorageError::Failed { .. } => ErrorCode::StorageFailed,
        StorageError::SegmentNumbersUsedUp { .. } => ErrorCode::StorageSegmentsUsedUp,
    }
}
