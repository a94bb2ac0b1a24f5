//! Form and signatures of messages, before the engine: a function of the message, the chain,
//! and the masternode sets that decide now. Safe to run on many threads at once.

use std::sync::Arc;

use thiserror::Error;

use super::input::{VerifiedMessage, VerifiedProposal};
use crate::ledger::block::{BlockError, verify_block};
use crate::ledger::transaction::{TransactionError, verify_transaction};
use crate::params::Chain;
use crate::types::ballot::{Ballot, Choice, SignedBallot};
use crate::types::certificate::CertificateError;
use crate::types::chain::{Epoch, Round};
use crate::types::encode::DecodeError;
use crate::types::evidence::EvidenceError;
use crate::types::hash::{SetHash, Wtxid};
use crate::types::masternode_set::MasternodeSet;
use crate::types::message::{Decided, IDS_MAX, Justification, Message, Proposal, Request};
use crate::types::verified::{Verified, VerifiedTransaction};

/// Why a message is not handed to the engine.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MessageError {
    /// Not the canonical bytes of a message.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// A transaction that is not valid whatever the state.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    /// A block that is not valid whatever the state.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// A certificate that proves nothing.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Evidence that proves nothing.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// A signature that does not hold.
    #[error("the signature of a {0} does not hold")]
    Signature(&'static str),
    /// A proposal that its justification does not allow (B1).
    #[error("the justification does not allow the proposal: {0}")]
    Justification(&'static str),
    /// Two transactions that spend nothing in common.
    #[error("the two transactions do not conflict")]
    NoConflict,
    /// A question that names too many ids.
    #[error("the request names more than {IDS_MAX} ids")]
    RequestTooLarge,
    /// A message of an epoch whose masternodes this node does not know, or no longer.
    ///
    /// Not the sender's fault: it is behind, or this node is.
    #[error("the message is of epoch {epoch}, which is not this node's")]
    OtherEpoch {
        /// The epoch that it names.
        epoch: Epoch,
    },
}

impl MessageError {
    /// Whether an honest peer can have sent it.
    pub const fn is_innocent(&self) -> bool {
        matches!(
            self,
            MessageError::OtherEpoch { .. }
                | MessageError::Evidence(EvidenceError::OtherSet { .. })
        )
    }
}

/// What messages are checked against.
pub struct VerifyContext<'a> {
    /// The chain.
    pub chain: &'a Chain,
    /// The masternodes that decide the next block, and the epoch of it.
    pub current: (Epoch, &'a MasternodeSet),
    /// The masternodes that decided the tip, and its epoch.
    pub tip: (Epoch, &'a MasternodeSet),
    /// Finds transactions that were verified before.
    pub known: &'a dyn Fn(&Wtxid) -> Option<VerifiedTransaction>,
}

impl VerifyContext<'_> {
    fn set_of(&self, epoch: Epoch) -> Result<&MasternodeSet, MessageError> {
        let found = [self.current, self.tip].into_iter().find(|(known, _)| *known == epoch);
        found.map(|(_, set)| set).ok_or(MessageError::OtherEpoch { epoch })
    }

    fn set_named(&self, epoch: Epoch, hash: &SetHash) -> Result<&MasternodeSet, MessageError> {
        let set = self.set_of(epoch)?;
        if set.hash() != *hash {
            return Err(MessageError::Signature("message of another masternode set"));
        }
        Ok(set)
    }
}

/// Checks form and signatures of a message.
///
/// # Errors
/// [`MessageError`], the first that is found.
pub fn verify_message(
    message: Message,
    context: &VerifyContext<'_>,
) -> Result<VerifiedMessage, MessageError> {
    let chain_id = context.chain.id();
    Ok(match message {
        Message::Transaction(transaction) => {
            VerifiedMessage::Transaction(verify_known(transaction, context)?)
        }
        Message::Votes(batch) => {
            let set = context.set_named(batch.epoch, &batch.set_hash)?;
            signed(batch.is_signed(chain_id, set), "vote batch")?;
            VerifiedMessage::Votes(Arc::new(Verified::vouch(batch)))
        }
        Message::ApproveCertificate(certificate) => {
            let (epoch, hash) = (certificate.votes.epoch, certificate.votes.set_hash);
            certificate.verify(chain_id, context.set_named(epoch, &hash)?)?;
            VerifiedMessage::ApproveCertificate(Arc::new(Verified::vouch(certificate)))
        }
        Message::FinalityCertificate(certificate) => {
            let (epoch, hash) = (certificate.votes.epoch, certificate.votes.set_hash);
            certificate.verify(chain_id, context.set_named(epoch, &hash)?)?;
            VerifiedMessage::FinalityCertificate(Arc::new(Verified::vouch(certificate)))
        }
        Message::CertInventory(inventory) => {
            let set = context.set_named(inventory.epoch, &inventory.set_hash)?;
            let n_max = context.chain.params().block_transactions_max as usize;
            let is_sized = inventory.txids.len() <= n_max;
            signed(is_sized && inventory.is_signed(chain_id, set), "certificate inventory")?;
            VerifiedMessage::CertInventory(Verified::vouch(inventory))
        }
        Message::DoubleSpend(proof) => {
            let first = verify_known(Arc::clone(&proof.first), context)?;
            let second = verify_known(Arc::clone(&proof.second), context)?;
            let shared = first.claims().any(|claim| second.claims().any(|other| other == claim));
            if !shared || first.txid() == second.txid() {
                return Err(MessageError::NoConflict);
            }
            VerifiedMessage::DoubleSpend([first, second])
        }
        Message::Proposal(proposal) => {
            VerifiedMessage::Proposal(verify_proposal(proposal, context)?)
        }
        Message::Ballot(ballot) => {
            let counted = matches!(ballot.ballot.choice, Choice::Prepare(_) | Choice::Commit(_));
            let set = context.set_of(ballot.ballot.epoch)?;
            signed(counted && ballot.is_signed(chain_id, set), "ballot")?;
            VerifiedMessage::Ballot(ballot)
        }
        Message::RoundChange(change) => {
            change.verify(chain_id, context.set_of(change.ballot.ballot.epoch)?)?;
            VerifiedMessage::RoundChange(change)
        }
        Message::Decided(decided) => verify_decided(decided, context)?,
        Message::Block(block) => {
            VerifiedMessage::Block(verify_block(block, context.chain, context.known)?)
        }
        Message::Evidence(evidence) => {
            let sets = [context.current.1, context.tip.1];
            let set = sets.into_iter().find(|set| set.hash() == evidence.set_hash);
            let set = set.ok_or(EvidenceError::OtherSet { found: evidence.set_hash })?;
            evidence.verify(chain_id, set)?;
            VerifiedMessage::Evidence(Box::new(Verified::vouch(evidence)))
        }
        Message::Request(request) => {
            if matches!(&request, Request::Transactions(ids) if ids.len() > IDS_MAX) {
                return Err(MessageError::RequestTooLarge);
            }
            VerifiedMessage::Request(request)
        }
    })
}

fn signed(holds: bool, what: &'static str) -> Result<(), MessageError> {
    if holds { Ok(()) } else { Err(MessageError::Signature(what)) }
}

fn verify_known(
    transaction: Arc<crate::types::transaction::Transaction>,
    context: &VerifyContext<'_>,
) -> Result<VerifiedTransaction, MessageError> {
    match (context.known)(&transaction.wtxid()) {
        Some(known) => Ok(known),
        None => Ok(verify_transaction(transaction, context.chain)?),
    }
}

fn verify_decided(
    decided: Decided,
    context: &VerifyContext<'_>,
) -> Result<VerifiedMessage, MessageError> {
    let Decided { block, certificate } = decided;
    let epoch = context.chain.params().epoch_of(certificate.height);
    if certificate.epoch != epoch || certificate.height != block.header.height {
        return Err(CertificateError::OtherSubject.into());
    }
    certificate.verify(context.chain.id(), context.set_of(epoch)?)?;
    let block = verify_block(block, context.chain, context.known)?;
    if block.hash() != certificate.block {
        return Err(CertificateError::OtherSubject.into());
    }
    Ok(VerifiedMessage::Decided(block, certificate))
}

fn verify_proposal(
    proposal: Proposal,
    context: &VerifyContext<'_>,
) -> Result<VerifiedProposal, MessageError> {
    let Proposal { ballot, block, justification } = proposal;
    let set = context.set_of(ballot.ballot.epoch)?;
    let named = match ballot.ballot.choice {
        Choice::PrePrepare(named) if ballot.is_signed(context.chain.id(), set) => named,
        _ => return Err(MessageError::Signature("proposal")),
    };
    verify_justification(&justification, &ballot, context, set)?;
    let block = verify_block(block, context.chain, context.known)?;
    if block.hash() != named || block.height() != ballot.ballot.height {
        return Err(MessageError::Justification("the block is another than the one it names"));
    }
    Ok(VerifiedProposal { ballot, block, justification })
}

/// Round 0 needs none; above, a quorum changed to this round, and the block is the one that is
/// proven for the highest round that any of them claims as prepared (B1).
fn verify_justification(
    justification: &Justification,
    proposal: &SignedBallot,
    context: &VerifyContext<'_>,
    set: &MasternodeSet,
) -> Result<(), MessageError> {
    let Justification { round_changes, prepared } = justification;
    let refuse = |reason| Err(MessageError::Justification(reason));
    if proposal.ballot.round == Round::ZERO {
        let is_empty = round_changes.is_empty() && prepared.is_none();
        return if is_empty { Ok(()) } else { refuse("round 0 has none") };
    }
    if round_changes.windows(2).any(|pair| pair[0].voter >= pair[1].voter) {
        return refuse("round changes do not ascend by signer");
    }
    if round_changes.len() < set.quorum() {
        return refuse("too few round changes");
    }
    let mut highest = None;
    for change in round_changes {
        let Ballot { epoch, height, round, choice } = change.ballot;
        let same = (epoch, height, round)
            == (proposal.ballot.epoch, proposal.ballot.height, proposal.ballot.round);
        let Choice::RoundChange(claim) = choice else { return refuse("not a round change") };
        if !same {
            return refuse("a round change of another height or round");
        }
        signed(change.is_signed(context.chain.id(), set), "round change")?;
        highest = highest.max(claim.map(|claim| claim.round));
    }
    match (highest, prepared) {
        (None, None) => Ok(()),
        (Some(round), Some(certificate)) => {
            let names = certificate.round == round
                && certificate.epoch == proposal.ballot.epoch
                && certificate.height == proposal.ballot.height
                && certificate.round < proposal.ballot.round;
            if !names || proposal.ballot.choice.block() != Some(certificate.block) {
                return refuse("the certificate is not of the highest prepared round");
            }
            Ok(certificate.verify(context.chain.id(), set)?)
        }
        _ => refuse("prepared claim and certificate do not go together"),
    }
}
