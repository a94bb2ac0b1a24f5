//! Everything one masternode says to another.

use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};

use super::ballot::{Ballot, Choice, SignedBallot};
use super::block::Block;
use super::certificate::{
    ApproveCertificate, CertificateError, CommitCertificate, FinalityCertificate,
    PreparedCertificate,
};
use super::chain::{Epoch, Height, Round};
use super::encode::encode;
use super::evidence::Evidence;
use super::hash::{BlockHash, ChainId, Hash256, SetHash, Tag, Txid, hash};
use super::keys::{KeyPair, Signature};
use super::masternode_set::{MasternodeIndex, MasternodeSet};
use super::transaction::Transaction;
use super::vote::VoteBatch;

/// The most ids a [`Request`] may name: a full block's worth by default.
pub const IDS_MAX: usize = 10_000;

/// The most ids a [`CertInventory`] may name: the most transactions of a block that a genesis may
/// allow, 3.2 MB. What can be Committed in an epoch fits one block (F9).
pub const INVENTORY_IDS_MAX: usize = 100_000;

/// The most bytes of a message on the wire (PROTOCOL 8, frame).
pub const FRAME_BYTES_MAX: usize = 8_000_000;

/// A RoundChange with the certificate of the block it claims as prepared.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RoundChange {
    /// The signed claim.
    pub ballot: SignedBallot,
    /// Proves the claim; there exactly when the claim names a prepared block.
    pub certificate: Option<PreparedCertificate>,
}

impl RoundChange {
    /// Whether the certificate is the one that the claim needs, and both are signed. Nobody changes
    /// to round 0, in which a height begins.
    ///
    /// # Errors
    /// [`CertificateError`]; a missing, superfluous or mismatched certificate, and round 0, is
    /// [`CertificateError::OtherSubject`].
    pub fn verify(&self, chain_id: &ChainId, set: &MasternodeSet) -> Result<(), CertificateError> {
        let Ballot { epoch, height, round, choice } = self.ballot.ballot;
        let Choice::RoundChange(claim) = choice else {
            return Err(CertificateError::OtherSubject);
        };
        if round == Round::ZERO {
            return Err(CertificateError::OtherSubject);
        }
        if !self.ballot.is_signed(chain_id, set) {
            return Err(CertificateError::BadSignature { voter: self.ballot.voter });
        }
        match (&self.certificate, claim) {
            (None, None) => Ok(()),
            (Some(certificate), Some(claim)) => {
                let same = (certificate.epoch, certificate.height, certificate.prepared());
                if same != (epoch, height, claim) || claim.round >= round {
                    return Err(CertificateError::OtherSubject);
                }
                certificate.verify(chain_id, set)
            }
            _ => Err(CertificateError::OtherSubject),
        }
    }
}

/// Why a proposal of a round above 0 may be made (B1).
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Justification {
    /// A quorum's RoundChanges for the round, ascending by signer; empty in round 0.
    pub round_changes: Vec<SignedBallot>,
    /// The certificate of the highest prepared round that they claim, if any claims one.
    pub prepared: Option<PreparedCertificate>,
}

/// A proposer's PrePrepare with the block and its justification.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Proposal {
    /// The signed PrePrepare; it names the block.
    pub ballot: SignedBallot,
    /// The block itself.
    pub block: Arc<Block>,
    /// Why it may be proposed in this round.
    pub justification: Justification,
}

/// A block and the proof that it is final: the unit of sync.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Decided {
    /// The block.
    pub block: Arc<Block>,
    /// Its certificate.
    pub certificate: CommitCertificate,
}

/// What a masternode has Committed and not seen confirmed when the last block of an epoch is
/// due (PROTOCOL 4, epoch boundary).
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CertInventory {
    /// The epoch that ends.
    pub epoch: Epoch,
    /// Its set.
    pub set_hash: SetHash,
    /// Whose inventory: a position in that set.
    pub voter: MasternodeIndex,
    /// The transactions, ascending.
    pub txids: Vec<Txid>,
    /// The voter's signature.
    pub signature: Signature,
}

impl CertInventory {
    /// Signs the inventory.
    pub fn sign(
        chain_id: &ChainId,
        epoch: Epoch,
        set_hash: SetHash,
        voter: MasternodeIndex,
        txids: Vec<Txid>,
        keys: &KeyPair,
    ) -> Self {
        let signature = keys.sign(inventory_message(chain_id, epoch, &set_hash, &txids).as_bytes());
        CertInventory { epoch, set_hash, voter, txids, signature }
    }

    /// Whether it is within bounds, ascending, and signed by its voter, a member of `set`.
    pub fn is_signed(&self, chain_id: &ChainId, set: &MasternodeSet) -> bool {
        let ascending = self.txids.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending || self.txids.len() > INVENTORY_IDS_MAX || self.set_hash != set.hash() {
            return false;
        }
        let message = inventory_message(chain_id, self.epoch, &self.set_hash, &self.txids);
        let key = set.voting_key(self.voter);
        key.is_some_and(|key| key.verify(message.as_bytes(), &self.signature).is_ok())
    }
}

fn inventory_message(
    chain_id: &ChainId,
    epoch: Epoch,
    set_hash: &SetHash,
    txids: &[Txid],
) -> Hash256 {
    hash(Tag::Inventory, &encode(&(chain_id, epoch, set_hash, txids)))
}

/// Both sides of a double spend, each signed by the owner of the output.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct DoubleSpend {
    /// One spender.
    pub first: Arc<Transaction>,
    /// Another spender of an output that the first spends.
    pub second: Arc<Transaction>,
}

/// Something a node lacks and asks for.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Request {
    /// The transactions with these ids, with their certificates where they have any.
    Transactions(Vec<Txid>),
    /// The block with this id, decided or not.
    Block(BlockHash),
    /// The decided blocks from this height on, as many as fit an answer.
    Decided(Height),
}

/// A message between masternodes.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Message {
    /// A transaction to vote on.
    Transaction(Arc<Transaction>),
    /// Votes on transactions.
    Votes(VoteBatch),
    /// Proof that a transaction is certified.
    ApproveCertificate(ApproveCertificate),
    /// Proof that a transaction is final.
    FinalityCertificate(FinalityCertificate),
    /// What must be in the last block of an epoch.
    CertInventory(CertInventory),
    /// An owner signed two payments of one output.
    DoubleSpend(DoubleSpend),
    /// A proposed block.
    Proposal(Proposal),
    /// A Prepare or a Commit.
    Ballot(SignedBallot),
    /// A RoundChange.
    RoundChange(RoundChange),
    /// A decided block.
    Decided(Decided),
    /// An undecided block that somebody asked for.
    Block(Arc<Block>),
    /// A masternode contradicted itself.
    Evidence(Evidence),
    /// A question.
    Request(Request),
}

impl Message {
    /// The name of its kind, for logs and metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Message::Transaction(_) => "transaction",
            Message::Votes(_) => "votes",
            Message::ApproveCertificate(_) => "approve_certificate",
            Message::FinalityCertificate(_) => "finality_certificate",
            Message::CertInventory(_) => "cert_inventory",
            Message::DoubleSpend(_) => "double_spend",
            Message::Proposal(_) => "proposal",
            Message::Ballot(_) => "ballot",
            Message::RoundChange(_) => "round_change",
            Message::Decided(_) => "decided",
            Message::Block(_) => "block",
            Message::Evidence(_) => "evidence",
            Message::Request(_) => "request",
        }
    }
}

#[cfg(test)]
mod tests;
