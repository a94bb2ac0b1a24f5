//! Votes on transactions: what one masternode says, signed many at a time.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use super::chain::Epoch;
use super::encode::encode;
use super::hash::{ChainId, Hash256, SetHash, Tag, Txid, hash};
use super::keys::{KeyPair, Signature};
use super::masternode_set::{MasternodeIndex, MasternodeSet};
use super::merkle::{MerklePath, MerkleTree, merkle_root};

/// The most votes one signature may cover (PROTOCOL 4).
pub const BATCH_VOTES_MAX: usize = 1024;

/// Which promise a vote makes.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
pub enum VoteKind {
    /// This transaction may spend its inputs, and no other while this vote lives (F1, F2).
    Approve,
    /// An approve certificate is recorded here (F3).
    Commit,
    /// Never an Approve for it in this epoch (F2).
    Reject,
}

/// Why a masternode rejects a transaction; the reason carries no weight, it is for people.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
pub enum RejectReason {
    /// Another transaction with the same input holds this masternode's live Approve.
    ConflictsWithApproved,
    /// Another transaction with the same input is final.
    ConflictsWithFinal,
    /// Another transaction with the same input is in a decided block.
    ConflictsWithConfirmed,
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RejectReason::ConflictsWithApproved => "conflicts with an approved transaction",
            RejectReason::ConflictsWithFinal => "conflicts with a final transaction",
            RejectReason::ConflictsWithConfirmed => "conflicts with a confirmed transaction",
        })
    }
}

/// One promise about one transaction.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub enum Vote {
    /// See [`VoteKind::Approve`].
    Approve(Txid),
    /// See [`VoteKind::Commit`].
    Commit(Txid),
    /// See [`VoteKind::Reject`].
    Reject(Txid, RejectReason),
}

impl Vote {
    /// The transaction it is about.
    pub const fn txid(&self) -> Txid {
        match *self {
            Vote::Approve(txid) | Vote::Commit(txid) | Vote::Reject(txid, _) => txid,
        }
    }

    /// Which promise it makes.
    pub const fn kind(&self) -> VoteKind {
        match self {
            Vote::Approve(_) => VoteKind::Approve,
            Vote::Commit(_) => VoteKind::Commit,
            Vote::Reject(..) => VoteKind::Reject,
        }
    }

    /// What stands for it in the Merkle tree of a batch: its canonical bytes.
    fn item(&self) -> VoteItem {
        let mut item = VoteItem { bytes: [0; VOTE_BYTES_MAX], n_bytes: 0 };
        let mut left = &mut item.bytes[..];
        self.serialize(&mut left).expect("a vote has at most so many bytes");
        item.n_bytes = VOTE_BYTES_MAX - left.len();
        item
    }
}

/// The canonical bytes of a vote, without an allocation for each.
struct VoteItem {
    bytes: [u8; VOTE_BYTES_MAX],
    n_bytes: usize,
}

impl AsRef<[u8]> for VoteItem {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.n_bytes]
    }
}

/// A kind, a transaction id and a reason.
pub(crate) const VOTE_BYTES_MAX: usize = 34;

/// What a batch has beside its votes: epoch, set, voter, their number, signature.
const BATCH_BYTES: usize = 110;

/// Up to 1,024 votes of one masternode under one signature.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct VoteBatch {
    /// The epoch for which the votes count.
    pub epoch: Epoch,
    /// The set of that epoch.
    pub set_hash: SetHash,
    /// Who votes: a position in that set.
    pub voter: MasternodeIndex,
    /// 1 to 1,024 votes.
    pub votes: Vec<Vote>,
    /// The voter's signature of [`batch_message`].
    pub signature: Signature,
}

impl VoteBatch {
    /// Signs `votes`.
    pub fn sign(
        chain_id: &ChainId,
        epoch: Epoch,
        set_hash: SetHash,
        voter: MasternodeIndex,
        votes: Vec<Vote>,
        keys: &KeyPair,
    ) -> Self {
        let root = votes_root(&votes);
        let message = batch_message(chain_id, epoch, &set_hash, &root);
        let signature = keys.sign(message.as_bytes());
        VoteBatch { epoch, set_hash, voter, votes, signature }
    }

    /// Whether the number of votes is allowed, none is there twice, and the voter, a member of
    /// `set`, signed them. Nobody honest says twice what counts once; repetition would only make
    /// the batch long, which is kept for each vote in it.
    pub fn is_signed(&self, chain_id: &ChainId, set: &MasternodeSet) -> bool {
        let sized = (1..=BATCH_VOTES_MAX).contains(&self.votes.len());
        let Some(key) = set.voting_key(self.voter) else { return false };
        if !sized || self.set_hash != set.hash() || self.repeats_itself() {
            return false;
        }
        let root = votes_root(&self.votes);
        let message = batch_message(chain_id, self.epoch, &self.set_hash, &root);
        key.verify(message.as_bytes(), &self.signature).is_ok()
    }

    fn repeats_itself(&self) -> bool {
        let mut said: Vec<(Txid, VoteKind)> =
            self.votes.iter().map(|vote| (vote.txid(), vote.kind())).collect();
        said.sort_unstable();
        said.windows(2).any(|pair| pair[0] == pair[1])
    }

    /// Its bytes on the wire, or a little more.
    pub(crate) fn bytes_max(&self) -> usize {
        BATCH_BYTES + VOTE_BYTES_MAX * self.votes.len()
    }

    /// The proof of the vote at `index` for someone who does not have the batch; `None` if
    /// there is no such vote.
    pub fn proof(&self, index: u32) -> Option<VoteProof> {
        self.proof_in(&self.tree(), index)
    }

    /// The same, read from the [`VoteBatch::tree`] of this batch.
    pub(crate) fn proof_in(&self, tree: &MerkleTree, index: u32) -> Option<VoteProof> {
        let path = tree.path(index)?;
        Some(VoteProof { voter: self.voter, path, signature: self.signature })
    }

    /// The tree whose root the voter signed.
    pub(crate) fn tree(&self) -> MerkleTree {
        let items: Vec<VoteItem> = self.votes.iter().map(Vote::item).collect();
        MerkleTree::new(Tag::VoteLeaf, Tag::VoteNode, &items)
    }
}

/// One vote of a batch, provable without the others.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct VoteProof {
    /// Who voted: a position in the epoch's set.
    pub voter: MasternodeIndex,
    /// The way from the vote to the root of its batch.
    pub path: MerklePath,
    /// The signature of the batch.
    pub signature: Signature,
}

impl VoteProof {
    /// Whether the voter, a member of `set`, signed `vote` for `epoch`.
    pub fn proves(
        &self,
        vote: &Vote,
        chain_id: &ChainId,
        epoch: Epoch,
        set: &MasternodeSet,
    ) -> bool {
        let Some(key) = set.voting_key(self.voter) else { return false };
        let root = self.path.root(Tag::VoteLeaf, Tag::VoteNode, &vote.item());
        let Some(root) = root else { return false };
        let n_votes = self.path.count as usize;
        if !(1..=BATCH_VOTES_MAX).contains(&n_votes) {
            return false;
        }
        let message = batch_message(chain_id, epoch, &set.hash(), &root);
        key.verify(message.as_bytes(), &self.signature).is_ok()
    }
}

/// What the signature of a batch signs: chain id, epoch, set, and the Merkle root, which
/// binds the number of votes.
pub fn batch_message(
    chain_id: &ChainId,
    epoch: Epoch,
    set_hash: &SetHash,
    root: &Hash256,
) -> Hash256 {
    hash(Tag::Vote, &encode(&(chain_id, epoch, set_hash, root)))
}

fn votes_root(votes: &[Vote]) -> Hash256 {
    let items: Vec<VoteItem> = votes.iter().map(Vote::item).collect();
    merkle_root(Tag::VoteLeaf, Tag::VoteNode, &items)
}
