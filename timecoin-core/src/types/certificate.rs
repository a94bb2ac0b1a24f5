//! Proofs that a quorum of an epoch's masternodes said something, for anyone who has the set.

use borsh::{BorshDeserialize, BorshSerialize};
use thiserror::Error;

use super::ballot::{Ballot, Choice, PreparedBlock};
use super::chain::{Epoch, Height, Round};
use super::hash::{BlockHash, ChainId, SetHash, Txid};
use super::keys::Signature;
use super::masternode_set::{MasternodeIndex, MasternodeSet};
use super::vote::{Vote, VoteProof};

/// One masternode's signature under a decision about a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Seal {
    /// Who signed: a position in the epoch's set.
    pub voter: MasternodeIndex,
    /// Its signature of the ballot.
    pub signature: Signature,
}

/// Why a certificate proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// It is of another masternode set than the one at hand.
    #[error("the certificate is of masternode set {found}, not of {expected}")]
    OtherSet {
        /// The set it names.
        found: SetHash,
        /// The set at hand.
        expected: SetHash,
    },
    /// It is about something else than what was asked.
    #[error("the certificate is about something else")]
    OtherSubject,
    /// Fewer signers than a quorum.
    #[error("{found} signers are no quorum of {required}")]
    TooFewSigners {
        /// How many signed.
        found: usize,
        /// How many it takes.
        required: usize,
    },
    /// A signer out of order or twice.
    #[error("signer {voter} is out of order: signers ascend and differ")]
    SignerOrder {
        /// Which.
        voter: MasternodeIndex,
    },
    /// A signer outside the set, or a signature that does not hold.
    #[error("the signature of signer {voter} does not hold")]
    BadSignature {
        /// Which.
        voter: MasternodeIndex,
    },
}

/// A quorum committed to a block: the block is final.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CommitCertificate {
    /// The epoch of the height.
    pub epoch: Epoch,
    /// The height that is decided.
    pub height: Height,
    /// The round of the Commits, one and the same for all.
    pub round: Round,
    /// The block.
    pub block: BlockHash,
    /// The signatures, ascending by signer.
    pub seals: Vec<Seal>,
}

impl CommitCertificate {
    /// Checks signers, order, number and every signature.
    ///
    /// # Errors
    /// [`CertificateError`], the first that is found.
    pub fn verify(&self, chain_id: &ChainId, set: &MasternodeSet) -> Result<(), CertificateError> {
        let Self { epoch, height, round, block, .. } = *self;
        let ballot = Ballot { epoch, height, round, choice: Choice::Commit(block) };
        verify_seals(&self.seals, &ballot, chain_id, set)
    }

    /// The same, where the seals in `known` were verified before, for this round and block.
    ///
    /// # Errors
    /// As [`CommitCertificate::verify`].
    pub fn verify_unknown(
        &self,
        known: &[Seal],
        chain_id: &ChainId,
        set: &MasternodeSet,
    ) -> Result<(), CertificateError> {
        let Self { epoch, height, round, block, .. } = *self;
        let ballot = Ballot { epoch, height, round, choice: Choice::Commit(block) };
        verify_seals_but(known, &self.seals, &ballot, chain_id, set)
    }

    /// Who signed, ascending.
    pub fn signers(&self) -> impl Iterator<Item = MasternodeIndex> + '_ {
        self.seals.iter().map(|seal| seal.voter)
    }
}

/// A quorum accepted a block in one round.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PreparedCertificate {
    /// The epoch of the height.
    pub epoch: Epoch,
    /// The height.
    pub height: Height,
    /// The round of the Prepares, one and the same for all.
    pub round: Round,
    /// The block.
    pub block: BlockHash,
    /// The signatures, ascending by signer.
    pub seals: Vec<Seal>,
}

impl PreparedCertificate {
    /// Checks signers, order, number and every signature.
    ///
    /// # Errors
    /// [`CertificateError`], the first that is found.
    pub fn verify(&self, chain_id: &ChainId, set: &MasternodeSet) -> Result<(), CertificateError> {
        let Self { epoch, height, round, block, .. } = *self;
        let ballot = Ballot { epoch, height, round, choice: Choice::Prepare(block) };
        verify_seals(&self.seals, &ballot, chain_id, set)
    }

    /// The block and round it proves.
    pub fn prepared(&self) -> PreparedBlock {
        PreparedBlock { round: self.round, block: self.block }
    }
}

/// A quorum's votes on a transaction, each with its path to the signature that covers it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct VoteCertificate {
    /// The epoch for which the votes count.
    pub epoch: Epoch,
    /// The set of that epoch.
    pub set_hash: SetHash,
    /// The votes, ascending by voter.
    pub votes: Vec<VoteProof>,
}

impl VoteCertificate {
    fn verify(
        &self,
        vote: &Vote,
        chain_id: &ChainId,
        set: &MasternodeSet,
    ) -> Result<(), CertificateError> {
        if self.set_hash != set.hash() {
            let (found, expected) = (self.set_hash, set.hash());
            return Err(CertificateError::OtherSet { found, expected });
        }
        check_signers(self.votes.iter().map(|proof| proof.voter), set)?;
        let bad = self.votes.iter().find(|proof| !proof.proves(vote, chain_id, self.epoch, set));
        bad.map_or(Ok(()), |proof| Err(CertificateError::BadSignature { voter: proof.voter }))
    }
}

/// A quorum approved a transaction: no conflicting one can have such a certificate while this
/// one lives.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ApproveCertificate {
    /// The transaction.
    pub txid: Txid,
    /// Its Approves.
    pub votes: VoteCertificate,
}

impl ApproveCertificate {
    /// Checks signers, order, number, paths and every signature.
    ///
    /// # Errors
    /// [`CertificateError`], the first that is found.
    pub fn verify(&self, chain_id: &ChainId, set: &MasternodeSet) -> Result<(), CertificateError> {
        self.votes.verify(&Vote::Approve(self.txid), chain_id, set)
    }
}

/// A quorum committed to a transaction: it is final. A portable proof.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct FinalityCertificate {
    /// The transaction.
    pub txid: Txid,
    /// Its Commits.
    pub votes: VoteCertificate,
}

impl FinalityCertificate {
    /// Checks signers, order, number, paths and every signature.
    ///
    /// # Errors
    /// [`CertificateError`], the first that is found.
    pub fn verify(&self, chain_id: &ChainId, set: &MasternodeSet) -> Result<(), CertificateError> {
        self.votes.verify(&Vote::Commit(self.txid), chain_id, set)
    }
}

fn verify_seals(
    seals: &[Seal],
    ballot: &Ballot,
    chain_id: &ChainId,
    set: &MasternodeSet,
) -> Result<(), CertificateError> {
    verify_seals_but(&[], seals, ballot, chain_id, set)
}

fn verify_seals_but(
    known: &[Seal],
    seals: &[Seal],
    ballot: &Ballot,
    chain_id: &ChainId,
    set: &MasternodeSet,
) -> Result<(), CertificateError> {
    check_signers(seals.iter().map(|seal| seal.voter), set)?;
    let message = ballot.message(chain_id, &set.hash());
    let holds = |seal: &&Seal| {
        let key = set.voting_key(seal.voter);
        key.is_some_and(|key| key.verify(message.as_bytes(), &seal.signature).is_ok())
    };
    let bad = seals.iter().find(|seal| !known.contains(seal) && !holds(seal));
    bad.map_or(Ok(()), |seal| Err(CertificateError::BadSignature { voter: seal.voter }))
}

/// Signers ascend, differ, and are a quorum of `set`.
fn check_signers(
    signers: impl ExactSizeIterator<Item = MasternodeIndex>,
    set: &MasternodeSet,
) -> Result<(), CertificateError> {
    let (found, required) = (signers.len(), set.quorum());
    if found < required {
        return Err(CertificateError::TooFewSigners { found, required });
    }
    let mut previous = None;
    for voter in signers {
        if previous.is_some_and(|before| before >= voter) {
            return Err(CertificateError::SignerOrder { voter });
        }
        previous = Some(voter);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
