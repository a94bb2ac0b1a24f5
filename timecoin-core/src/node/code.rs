//! The stable numbers of errors, the same in Rust, C and Python.

use std::fmt;

/// Who can do something about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCategory {
    /// The caller: the request can't be met as it is. Codes 1000 to 1999.
    Request,
    /// Another node, or whoever handed over a proof. Codes 2000 to 2999.
    Peer,
    /// The operator: disk, directory, permissions. Codes 3000 to 3999.
    Storage,
    /// Nobody but the authors, or the node was stopped by an earlier failure. Codes 4000 to 4999.
    Internal,
}

impl ErrorCategory {
    /// Its lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            ErrorCategory::Request => "request",
            ErrorCategory::Peer => "peer",
            ErrorCategory::Storage => "storage",
            ErrorCategory::Internal => "internal",
        }
    }
}

impl fmt::Display for ErrorCategory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal;)+) => {
        /// What went wrong, as a number that never changes its meaning and is never used again.
        ///
        /// `0` is success and no error has it. The thousands are the [`ErrorCategory`].
        ///
        /// ```
        /// use timecoin_core::{ErrorCategory, ErrorCode};
        /// let code = ErrorCode::Timeout;
        /// assert_eq!(code.as_i32(), 1009);
        /// assert_eq!(ErrorCode::from_i32(1009), Some(code));
        /// assert_eq!((code.name(), code.category()), ("timeout", ErrorCategory::Request));
        /// assert!(code.is_retryable());
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i32)]
        pub enum ErrorCode {
            $($(#[$doc])* $variant = $number,)+
        }

        impl ErrorCode {
            /// Every code, ascending.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$variant,)+];

            /// Its name in lower case, as C and Python build theirs from.
            pub const fn name(self) -> &'static str {
                match self {
                    $(ErrorCode::$variant => $name,)+
                }
            }
        }
    };
}

error_codes! {
    /// An argument that is never right: empty, out of range, of another network.
    InvalidArgument = 1001, "invalid_argument";
    /// A field of the configuration that is out of its range.
    InvalidConfig = 1002, "invalid_config";
    /// A genesis that can't start a chain.
    InvalidGenesis = 1003, "invalid_genesis";
    /// A text that is no address, or one of another network.
    InvalidAddress = 1004, "invalid_address";
    /// A text that is no amount.
    InvalidAmount = 1005, "invalid_amount";
    /// Bytes that are no key.
    InvalidKey = 1006, "invalid_key";
    /// Bytes or a text that are not of the kind asked for.
    Malformed = 1007, "malformed";
    /// No such transaction, block or output here.
    NotFound = 1008, "not_found";
    /// It did not happen in the time given; it may still.
    Timeout = 1009, "timeout";
    /// The node is not started.
    NotRunning = 1010, "not_running";
    /// The node is closing or closed.
    Closed = 1011, "closed";
    /// The node has more to do than its queues hold.
    Busy = 1012, "busy";
    /// This node can't make a block on demand.
    CannotProduceBlock = 1013, "cannot_produce_block";
    /// The wallet's coins don't cover amount and fee.
    InsufficientFunds = 1014, "insufficient_funds";
    /// The amount takes more coins than one transaction may spend.
    TooManyCoins = 1015, "too_many_coins";
    /// The node does not hold the finality proof of that transaction.
    NoProof = 1016, "no_proof";
    /// The wallet does not hold the key of that address.
    UnknownAddress = 1017, "unknown_address";
    /// The node was started before.
    AlreadyStarted = 1018, "already_started";
    /// A text that is no duration.
    InvalidDuration = 1019, "invalid_duration";
    /// A simulation's condition did not come true in the virtual time given; it may still.
    NotReached = 1020, "not_reached";
    /// The address to listen on is taken, or not this machine's.
    CannotListen = 1021, "cannot_listen";
    /// A data directory to be filled has a chain already.
    ChainExists = 1022, "chain_exists";
    /// A null pointer where C must pass a value.
    NullArgument = 1040, "null_argument";
    /// A handle that was freed or never given out.
    InvalidHandle = 1041, "invalid_handle";
    /// The library was loaded before a fork: open nodes in the process that uses them.
    ForkedProcess = 1042, "forked_process";
    /// A buffer of the caller is too small for the answer.
    BufferTooSmall = 1043, "buffer_too_small";
    /// The host's signal handler ended a wait.
    Interrupted = 1044, "interrupted";

    /// Not the canonical bytes of a transaction.
    TransactionMalformed = 1100, "transaction_malformed";
    /// A transaction version that does not exist.
    TransactionUnknownVersion = 1101, "transaction_unknown_version";
    /// A transaction over the size limit.
    TransactionTooLarge = 1102, "transaction_too_large";
    /// No input, or too many.
    TransactionInputCount = 1103, "transaction_input_count";
    /// No output, or too many.
    TransactionOutputCount = 1104, "transaction_output_count";
    /// One output spent twice in one transaction.
    TransactionDuplicateInput = 1105, "transaction_duplicate_input";
    /// An output below the least value.
    TransactionDust = 1106, "transaction_dust";
    /// A sum that does not fit 64 bits.
    TransactionOverflow = 1107, "transaction_overflow";
    /// A signature that does not hold.
    TransactionBadSignature = 1108, "transaction_bad_signature";
    /// A reward outside a block.
    TransactionUnexpectedCoinbase = 1109, "transaction_unexpected_coinbase";
    /// A registration whose own fields are wrong.
    TransactionBadRegistration = 1110, "transaction_bad_registration";
    /// A registration or deregistration that the consensus key did not sign.
    TransactionBadProof = 1111, "transaction_bad_proof";
    /// Evidence that proves nothing.
    TransactionBadEvidence = 1112, "transaction_bad_evidence";
    /// Evidence that changes nothing.
    TransactionStaleEvidence = 1113, "transaction_stale_evidence";
    /// An input whose transaction is not known.
    TransactionUnknownInput = 1114, "transaction_unknown_input";
    /// An input that a decided block has spent.
    TransactionInputSpent = 1115, "transaction_input_spent";
    /// A key that does not own the input.
    TransactionWrongKey = 1116, "transaction_wrong_key";
    /// More goes out than comes in.
    TransactionInsufficientInputs = 1117, "transaction_insufficient_inputs";
    /// Too little is left for the fee.
    TransactionFeeTooLow = 1118, "transaction_fee_too_low";
    /// The lock time lies ahead.
    TransactionLockTime = 1119, "transaction_lock_time";
    /// A reward that is too young to spend.
    TransactionImmatureCoinbase = 1120, "transaction_immature_coinbase";
    /// The collateral of a masternode that has not left.
    TransactionCollateralLocked = 1121, "transaction_collateral_locked";
    /// The consensus key is registered already.
    TransactionMasternodeExists = 1122, "transaction_masternode_exists";
    /// The consensus key is not registered.
    TransactionUnknownMasternode = 1123, "transaction_unknown_masternode";

    /// Another transaction with the same input is approved.
    ConflictsWithApproved = 1200, "conflicts_with_approved";
    /// Another transaction with the same input is final.
    ConflictsWithFinal = 1201, "conflicts_with_final";
    /// Another transaction with the same input is in a decided block.
    ConflictsWithConfirmed = 1202, "conflicts_with_confirmed";
    /// A quorum of masternodes rejected it.
    RejectedByQuorum = 1203, "rejected_by_quorum";
    /// The mempool is full of transactions that pay more.
    MempoolFull = 1204, "mempool_full";
    /// Pushed out of the mempool by transactions that pay more.
    Evicted = 1205, "evicted";
    /// The transactions that it spends did not come in time.
    ParentTimeout = 1206, "parent_timeout";
    /// Too many transactions wait for unknown inputs.
    WaitingRoomFull = 1207, "waiting_room_full";

    /// A certificate of another masternode set.
    ProofOtherSet = 2001, "proof_other_set";
    /// A certificate about something else.
    ProofOtherSubject = 2002, "proof_other_subject";
    /// A certificate with fewer signers than a quorum.
    ProofTooFewSigners = 2003, "proof_too_few_signers";
    /// A certificate with signers out of order or twice.
    ProofSignerOrder = 2004, "proof_signer_order";
    /// A certificate with a signature that does not hold.
    ProofBadSignature = 2005, "proof_bad_signature";

    /// A message that no honest node can have sent.
    InvalidMessage = 2010, "invalid_message";

    /// The operating system refused a file operation.
    StorageIo = 3001, "storage_io";
    /// Another node has the data directory open.
    StorageLocked = 3002, "storage_locked";
    /// The data directory belongs to another chain.
    StorageWrongChain = 3003, "storage_wrong_chain";
    /// The directory holds a log of another kind.
    StorageWrongKind = 3004, "storage_wrong_kind";
    /// The data was written by a version that this one can't read.
    StorageUnsupportedFormat = 3005, "storage_unsupported_format";
    /// Bytes that were once on disk are gone or altered.
    StorageDamaged = 3006, "storage_damaged";
    /// A record is larger than its log takes.
    StorageRecordTooLarge = 3007, "storage_record_too_large";
    /// A batch is larger than its log takes.
    StorageBatchTooLarge = 3008, "storage_batch_too_large";
    /// No record at a position that should have one.
    StorageNoRecord = 3009, "storage_no_record";
    /// The record was dropped with old ones.
    StoragePruned = 3010, "storage_pruned";
    /// An earlier write failed, so nothing more is written until the store is opened again.
    StorageFailed = 3011, "storage_failed";
    /// The highest segment number is taken.
    StorageSegmentsUsedUp = 3012, "storage_segments_used_up";
    /// The disk is full.
    StorageFull = 3013, "storage_full";
    /// The directory can't be written to.
    StorageReadOnly = 3014, "storage_read_only";
    /// The derived tables can't be used and could not be rebuilt.
    StorageTables = 3015, "storage_tables";
    /// A record is whole, and is not what belongs there.
    StorageBadRecord = 3016, "storage_bad_record";
    /// The block log is gone, or its beginning is.
    StorageLogMissing = 3017, "storage_log_missing";
    /// What the store begins from instead of the genesis is damaged.
    StorageBaseDamaged = 3018, "storage_base_damaged";

    /// The node stopped writing after a failure; its text says which.
    Poisoned = 4001, "poisoned";
    /// Something that the code makes impossible happened.
    Internal = 4002, "internal";
    /// No thread could be started.
    NoThreads = 4003, "no_threads";
    /// The operating system has no randomness to give.
    NoRandomness = 4004, "no_randomness";
    /// A simulation found an invariant of the protocol broken.
    InvariantBroken = 4005, "invariant_broken";
}

impl ErrorCode {
    /// The number.
    pub const fn as_i32(self) -> i32 {
        self as i32
    }

    /// The code with this number, if there is one.
    pub fn from_i32(number: i32) -> Option<Self> {
        let found = Self::ALL.binary_search_by_key(&number, |code| code.as_i32()).ok()?;
        Some(Self::ALL[found])
    }

    /// Who can do something about it.
    pub const fn category(self) -> ErrorCategory {
        match self.as_i32() {
            ..2000 => ErrorCategory::Request,
            2000..3000 => ErrorCategory::Peer,
            3000..4000 => ErrorCategory::Storage,
            _ => ErrorCategory::Internal,
        }
    }

    /// Whether the very same request may succeed later.
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            ErrorCode::Timeout
                | ErrorCode::NotReached
                | ErrorCode::Busy
                | ErrorCode::CannotListen
                | ErrorCode::Interrupted
                | ErrorCode::InsufficientFunds
                | ErrorCode::TransactionUnknownInput
                | ErrorCode::TransactionLockTime
                | ErrorCode::TransactionImmatureCoinbase
                | ErrorCode::ConflictsWithApproved
                | ErrorCode::RejectedByQuorum
                | ErrorCode::MempoolFull
                | ErrorCode::Evicted
                | ErrorCode::ParentTimeout
                | ErrorCode::WaitingRoomFull
                | ErrorCode::StorageLocked
                | ErrorCode::StorageFull
        )
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_and_names_differ() {
        assert!(ErrorCode::ALL.windows(2).all(|w| w[0].as_i32() < w[1].as_i32()));
        let mut names: Vec<_> = ErrorCode::ALL.iter().map(|code| code.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ErrorCode::ALL.len());
        for &code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_i32(code.as_i32()), Some(code));
        }
        assert_eq!(ErrorCode::from_i32(0), None);
    }

    /// A number that a host has compiled in must keep its meaning: this table only grows.
    #[test]
    fn numbers_are_stable() {
        let table = [
            (1001, "invalid_argument"),
            (1008, "not_found"),
            (1009, "timeout"),
            (1010, "not_running"),
            (1011, "closed"),
            (1014, "insufficient_funds"),
            (1020, "not_reached"),
            (1041, "invalid_handle"),
            (1108, "transaction_bad_signature"),
            (1114, "transaction_unknown_input"),
            (1115, "transaction_input_spent"),
            (1118, "transaction_fee_too_low"),
            (1123, "transaction_unknown_masternode"),
            (1200, "conflicts_with_approved"),
            (1207, "waiting_room_full"),
            (2005, "proof_bad_signature"),
            (3002, "storage_locked"),
            (3006, "storage_damaged"),
            (3014, "storage_read_only"),
            (4001, "poisoned"),
            (4004, "no_randomness"),
            (4005, "invariant_broken"),
        ];
        for (number, name) in table {
            assert_eq!(ErrorCode::from_i32(number).map(ErrorCode::name), Some(name));
        }
    }
}
