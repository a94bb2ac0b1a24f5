//! What the engine is told.

use std::sync::Arc;

use crate::ledger::block::VerifiedBlock;
use crate::types::ballot::{Ballot, SignedBallot};
use crate::types::certificate::{ApproveCertificate, CommitCertificate, FinalityCertificate};
use crate::types::chain::Epoch;
use crate::types::evidence::Evidence;
use crate::types::keys::PublicKey;
use crate::types::message::{CertInventory, Justification, Message, Request, RoundChange};
use crate::types::verified::{Verified, VerifiedTransaction};
use crate::types::vote::VoteBatch;

/// Who sent something: a peer's node key, which for a masternode is its consensus key.
pub type PeerId = PublicKey;

/// A proposal whose ballot, justification and transactions hold.
#[derive(Clone, Debug)]
pub struct VerifiedProposal {
    /// The signed PrePrepare.
    pub ballot: SignedBallot,
    /// The block that it names.
    pub block: VerifiedBlock,
    /// Why it may be proposed in this round.
    pub justification: Justification,
}

/// A message whose form and signatures hold.
#[derive(Clone, Debug)]
pub enum VerifiedMessage {
    /// See [`crate::types::message::Message::Transaction`].
    Transaction(VerifiedTransaction),
    /// See [`crate::types::message::Message::Votes`].
    Votes(Arc<Verified<VoteBatch>>),
    /// See [`crate::types::message::Message::ApproveCertificate`].
    ApproveCertificate(Arc<Verified<ApproveCertificate>>),
    /// See [`crate::types::message::Message::FinalityCertificate`].
    FinalityCertificate(Arc<Verified<FinalityCertificate>>),
    /// See [`crate::types::message::Message::CertInventory`].
    CertInventory(Verified<CertInventory>),
    /// See [`crate::types::message::Message::DoubleSpend`].
    DoubleSpend([VerifiedTransaction; 2]),
    /// See [`crate::types::message::Message::Proposal`].
    Proposal(VerifiedProposal),
    /// See [`crate::types::message::Message::Ballot`].
    Ballot(SignedBallot),
    /// See [`crate::types::message::Message::RoundChange`].
    RoundChange(RoundChange),
    /// What [`super::Settled`] covers; no signature was checked.
    Late(Late),
    /// See [`crate::types::message::Message::Decided`].
    Decided(VerifiedBlock, CommitCertificate),
    /// See [`crate::types::message::Message::Block`].
    Block(VerifiedBlock),
    /// See [`crate::types::message::Message::Evidence`].
    Evidence(Box<Verified<Evidence>>),
    /// See [`crate::types::message::Message::Request`].
    Request(Request),
}

/// A message that says only what is known without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// A Prepare or Commit beyond a quorum.
    Ballot(Ballot),
    /// A block that is decided here.
    Decided,
}

/// Something that happened outside.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "it is moved twice, which costs less than a box")]
pub enum Input {
    /// The host of this node submits a transaction; the answer is an
    /// [`crate::engine::output::Output::Submitted`] with the same ticket.
    Submit {
        /// Names the call that waits for the answer.
        ticket: u64,
        /// The transaction.
        transaction: VerifiedTransaction,
    },
    /// The host asks for a block now, whatever the interval.
    ProduceBlock,
    /// A peer sent something.
    Message {
        /// Who.
        from: PeerId,
        /// What.
        message: VerifiedMessage,
    },
    /// A peer sent something of an epoch whose masternodes this node does not know
    /// ([`crate::engine::verify::MessageError::OtherEpoch`]): one of the two is behind.
    OtherEpoch {
        /// Who.
        from: PeerId,
        /// The epoch that the message names.
        epoch: Epoch,
        /// What, with nothing checked; boxed because most inputs are small.
        message: Box<Message>,
    },
}
