//! What the engine wants done, in order.

use std::fmt;
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use thiserror::Error;

use super::input::PeerId;
use crate::ledger::block::Connected;
use crate::ledger::transaction::TransactionError;
use crate::types::ballot::SignedBallot;
use crate::types::block::Block;
use crate::types::certificate::{ApproveCertificate, CommitCertificate, PreparedCertificate};
use crate::types::chain::{Epoch, Height, Round};
use crate::types::evidence::Evidence;
use crate::types::hash::{BlockHash, Txid};
use crate::types::keys::PublicKey;
use crate::types::message::{Message, Request};
use crate::types::transaction::{OutPoint, Transaction};
use crate::types::verified::VerifiedTransaction;
use crate::types::vote::{RejectReason, VoteBatch};

/// What must be on disk before anything later in the order of outputs leaves the node
/// (PROTOCOL 6). The vote log keeps these; on opening they are given back to the engine.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Record {
    /// Own votes on transactions, with what is needed to stand by them after a restart.
    Votes {
        /// The signed votes.
        batch: VoteBatch,
        /// The transactions that are approved or committed here and were not recorded before.
        transactions: Vec<Arc<Transaction>>,
        /// Batches of others that hold the Approves behind the Commits in this batch, where
        /// they were not recorded before.
        supports: Vec<Arc<VoteBatch>>,
        /// Approve certificates behind the Commits in this batch that came as a whole.
        certificates: Vec<Arc<ApproveCertificate>>,
    },
    /// Own PrePrepare, Prepare, Commit or RoundChange.
    Ballot {
        /// What was signed.
        ballot: SignedBallot,
        /// The block of a Prepare or PrePrepare, where it was not recorded before.
        block: Option<Arc<Block>>,
        /// The prepared certificate behind a Commit or a RoundChange, where it was not recorded
        /// before.
        prepared: Option<PreparedCertificate>,
    },
    /// No new Approve or Commit in this epoch (PROTOCOL 4, epoch boundary).
    Frozen(Epoch),
    /// Nothing is signed in this epoch: earlier signatures may be lost (PROTOCOL 6).
    Observing(Epoch),
    /// Two certified blocks at one height: nothing is signed or confirmed any more (PROTOCOL 5).
    Violation(Box<Violation>),
}

/// Two valid certificates for different blocks at one height: more than `f` masternodes are
/// faulty.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Violation {
    /// The certificate of the block that this node has.
    pub own: CommitCertificate,
    /// The one of the other block.
    pub other: CommitCertificate,
    /// Who signed both, ascending.
    pub signed_both: Vec<PublicKey>,
}

impl Violation {
    /// The height of the two blocks.
    pub fn height(&self) -> Height {
        self.own.height
    }

    /// The two blocks, this node's first.
    pub fn blocks(&self) -> [BlockHash; 2] {
        [self.own.block, self.other.block]
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Violation { own, other, signed_both } = self;
        let (height, n_both) = (self.height(), signed_both.len());
        write!(
            f,
            "safety violation: two certified blocks at height {height}, {} here and {} ",
            own.block, other.block
        )?;
        write!(f, "elsewhere; {n_both} masternodes signed both")
    }
}

impl Record {
    /// The epoch whose end makes the record superfluous.
    pub fn epoch(&self) -> Epoch {
        match self {
            Record::Votes { batch, .. } => batch.epoch,
            Record::Ballot { ballot, .. } => ballot.ballot.epoch,
            Record::Frozen(epoch) | Record::Observing(epoch) => *epoch,
            Record::Violation(_) => Epoch(u64::MAX),
        }
    }

    /// What ends the node's part in its chain, if this is that.
    pub fn violation(&self) -> Option<&Violation> {
        match self {
            Record::Violation(violation) => Some(violation),
            _ => None,
        }
    }
}

/// A decided block with everything that storing it takes.
#[derive(Clone, Debug)]
pub struct BlockCommit {
    /// The block, the state after it with the certificate in its tip, and the changed outputs.
    pub connected: Connected,
    /// The proof that it is decided.
    pub certificate: CommitCertificate,
}

impl BlockCommit {
    /// The height of the block.
    pub fn height(&self) -> Height {
        self.connected.block.height()
    }
}

/// To whom a message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// Every other masternode.
    All,
    /// One peer.
    Peer(PeerId),
}

/// Why a transaction will not be confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Rejection {
    /// It is not valid.
    #[error(transparent)]
    Invalid(#[from] TransactionError),
    /// Another transaction took the same output.
    #[error("output {outpoint} is spent by {by}: {reason}")]
    Conflict {
        /// What both spend.
        outpoint: OutPoint,
        /// The other transaction.
        by: Txid,
        /// How far the other one is.
        reason: RejectReason,
    },
    /// A quorum rejected it: it can't be certified in this epoch.
    #[error("a quorum of masternodes rejected it")]
    RejectedByQuorum,
    /// The mempool is full of transactions that pay more.
    #[error("the mempool is full and its lowest fee rate is higher: pay more, or wait")]
    MempoolFull,
    /// Pushed out of the mempool by transactions that pay more.
    #[error("evicted from the mempool by transactions with a higher fee rate")]
    Evicted,
    /// The transactions that it spends did not come in time.
    #[error("input {outpoint} did not become known in time")]
    ParentTimeout {
        /// What is missing.
        outpoint: OutPoint,
    },
    /// Too many transactions wait for unknown inputs.
    #[error("input {outpoint} is unknown and the waiting room is full")]
    WaitingRoomFull {
        /// What is missing.
        outpoint: OutPoint,
    },
}

/// How far a transaction is (PROTOCOL 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    /// Known, and neither approved nor rejected here; it may wait for an input.
    Pending,
    /// This masternode has recorded its Approve.
    Approved,
    /// A quorum approved it.
    Certified,
    /// A quorum committed to it: irreversible.
    Finalized,
    /// It is in the decided block at this height: irreversible and permanent.
    Confirmed(Height),
    /// It will not be confirmed as things stand.
    Rejected(Box<Rejection>),
    /// Masternodes are split between it and another; the next block decides.
    Contested,
}

impl From<Rejection> for TransactionStatus {
    fn from(rejection: Rejection) -> Self {
        TransactionStatus::Rejected(Box::new(rejection))
    }
}

impl TransactionStatus {
    /// Whether it can never be undone.
    pub const fn is_final(&self) -> bool {
        matches!(self, TransactionStatus::Finalized | TransactionStatus::Confirmed(_))
    }

    /// Its lower-case name, the same in all languages.
    pub const fn name(&self) -> &'static str {
        match self {
            TransactionStatus::Pending => "pending",
            TransactionStatus::Approved => "approved",
            TransactionStatus::Certified => "certified",
            TransactionStatus::Finalized => "finalized",
            TransactionStatus::Confirmed(_) => "confirmed",
            TransactionStatus::Rejected(_) => "rejected",
            TransactionStatus::Contested => "contested",
        }
    }
}

/// Something that readers and subscribers should know.
#[derive(Clone, Debug)]
pub enum Event {
    /// A transaction got further.
    Transaction {
        /// The transaction.
        transaction: VerifiedTransaction,
        /// How far.
        status: TransactionStatus,
    },
    /// A block is decided. Its transactions are told of by this event alone.
    Block(Arc<BlockCommit>),
    /// A round ended without a decision.
    RoundChanged {
        /// The height.
        height: Height,
        /// The round that is entered.
        round: Round,
    },
    /// The masternodes that decide changed.
    EpochBegan {
        /// The new epoch.
        epoch: Epoch,
    },
    /// A masternode contradicted itself.
    EvidenceFound(Box<Evidence>),
    /// The sign guard refused to sign: a bug, or a store that was put back in time.
    SignatureRefused {
        /// What was about to be signed.
        what: String,
    },
    /// This masternode signs nothing until the next epoch, since it may have signed what its
    /// log does not hold.
    Observing {
        /// How it is known.
        reason: String,
    },
    /// Two valid certificates for different blocks at one height. The node confirms nothing more.
    SafetyViolation(Box<Violation>),
}

/// What became of a submitted transaction: its id, or why it was refused.
pub type Submission = Result<Txid, Rejection>;

/// Something to do. The large ones are boxed: several small ones come with each payment.
#[derive(Clone, Debug)]
pub enum Output {
    /// Write this to the vote log; everything after it waits until it is flushed.
    Persist(Box<Record>),
    /// Send this.
    Send(To, Box<Message>),
    /// Answer a peer's question from the store, if the store can.
    Serve(PeerId, Request),
    /// Append this to the block log; the view given to the engine must show it from the next
    /// call on, and everything after it waits until it is flushed.
    Commit(Arc<BlockCommit>),
    /// Answer a [`crate::engine::input::Input::Submit`].
    Submitted {
        /// Which.
        ticket: u64,
        /// The answer.
        answer: Submission,
    },
    /// Tell readers and subscribers.
    Notify(Event),
}

/// The engine can't go on: the node must stop writing and say why.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Halt {
    /// The UTXO set can't be read.
    #[error(transparent)]
    View(#[from] crate::ledger::view::ViewError),
    /// Something that the rules make impossible happened.
    #[error("invariant broken: {0}")]
    Invariant(String),
}

#[cfg(test)]
mod tests;
