//! Two signed messages that no honest masternode can both have sent (PROTOCOL 7).

use borsh::{BorshDeserialize, BorshSerialize};
use thiserror::Error;

use super::ballot::{Phase, SignedBallot};
use super::chain::{Epoch, Height, Round};
use super::encode::encode;
use super::hash::{ChainId, EvidenceId, SetHash, Tag, Txid, hash};
use super::keys::PublicKey;
use super::masternode_set::MasternodeSet;
use super::vote::{Vote, VoteKind, VoteProof};

/// What contradicts what.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Contradiction {
    /// Two statements for one phase, height and round.
    Ballots(SignedBallot, SignedBallot),
    /// Approve and Reject of one transaction in one epoch.
    Votes {
        /// The epoch of both.
        epoch: Epoch,
        /// The Approve.
        approve: (Vote, VoteProof),
        /// The Reject.
        reject: (Vote, VoteProof),
    },
}

/// A contradiction and the masternode that signed both sides.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Evidence {
    /// Who signed both.
    pub offender: PublicKey,
    /// The set in which the offender had the position that the messages name.
    pub set_hash: SetHash,
    /// The two messages.
    pub contradiction: Contradiction,
}

/// Why evidence proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EvidenceError {
    /// It names another masternode set than the one at hand.
    #[error("the evidence is of masternode set {found}")]
    OtherSet {
        /// The set it names.
        found: SetHash,
    },
    /// The two messages do not contradict each other.
    #[error("the two messages do not contradict each other")]
    NoContradiction,
    /// The offender did not sign both.
    #[error("the named masternode did not sign both messages")]
    NotSigned,
}

/// What a contradiction is about, whatever the two messages say.
#[derive(BorshSerialize)]
enum Subject {
    Round(Phase, Epoch, Height, Round),
    Transaction(Epoch, Txid),
}

impl Evidence {
    /// Names offender and subject and nothing else, so that the same fault has one id however
    /// it is signed or ordered.
    pub fn id(&self) -> EvidenceId {
        let subject = match &self.contradiction {
            Contradiction::Ballots(first, _) => {
                let ballot = &first.ballot;
                Subject::Round(ballot.choice.phase(), ballot.epoch, ballot.height, ballot.round)
            }
            Contradiction::Votes { epoch, approve, .. } => {
                Subject::Transaction(*epoch, approve.0.txid())
            }
        };
        hash(Tag::Evidence, &encode(&(&self.offender, &self.set_hash, subject))).into()
    }

    /// Checks that the two messages contradict each other and that the offender, a member of
    /// `set`, signed both.
    ///
    /// # Errors
    /// [`EvidenceError`], the first that is found.
    pub fn verify(&self, chain_id: &ChainId, set: &MasternodeSet) -> Result<(), EvidenceError> {
        if self.set_hash != set.hash() {
            return Err(EvidenceError::OtherSet { found: self.set_hash });
        }
        let voter = set.index_of(&self.offender).ok_or(EvidenceError::NotSigned)?;
        let signed = match &self.contradiction {
            Contradiction::Ballots(first, second) => {
                if !ballots_contradict(first, second) {
                    return Err(EvidenceError::NoContradiction);
                }
                [first, second].iter().all(|b| b.voter == voter && b.is_signed(chain_id, set))
            }
            Contradiction::Votes { epoch, approve, reject } => {
                if !votes_contradict(&approve.0, &reject.0) {
                    return Err(EvidenceError::NoContradiction);
                }
                [approve, reject].iter().all(|(vote, proof)| {
                    proof.voter == voter && proof.proves(vote, chain_id, *epoch, set)
                })
            }
        };
        if signed { Ok(()) } else { Err(EvidenceError::NotSigned) }
    }
}

/// Two different statements for one phase, epoch, height and round.
pub fn ballots_contradict(first: &SignedBallot, second: &SignedBallot) -> bool {
    let slot = |b: &SignedBallot| {
        (b.ballot.choice.phase(), b.ballot.epoch, b.ballot.height, b.ballot.round)
    };
    slot(first) == slot(second) && first.ballot.choice != second.ballot.choice
}

fn votes_contradict(approve: &Vote, reject: &Vote) -> bool {
    approve.kind() == VoteKind::Approve
        && reject.kind() == VoteKind::Reject
        && approve.txid() == reject.txid()
}
