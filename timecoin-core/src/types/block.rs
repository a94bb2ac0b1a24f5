//! Blocks: a header that names everything, and the transactions it commits to.

use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};

use super::certificate::CommitCertificate;
use super::chain::{Height, Timestamp};
use super::hash::{
    BlockHash, ChainId, Hash256, Hasher, MerkleRoot, RegistryHash, SetHash, Tag, UtxoCommitment,
    Wtxid,
};
use super::keys::PublicKey;
use super::merkle::merkle_root;
use super::transaction::Transaction;

/// The only version of blocks there is.
pub const BLOCK_VERSION: u16 = 1;

/// Everything a block is, except its transactions themselves.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct BlockHeader {
    /// [`BLOCK_VERSION`].
    pub version: u16,
    /// The hash of the genesis.
    pub chain_id: ChainId,
    /// The position of the block, from 1.
    pub height: Height,
    /// The block before; for block 1 [`BlockHash::from_genesis`].
    pub parent: BlockHash,
    /// Commits to the transactions with their signatures, in order.
    pub merkle_root: MerkleRoot,
    /// Commits to the set of unspent outputs after the block.
    pub utxo_commitment: UtxoCommitment,
    /// The masternodes of the block's epoch.
    pub masternode_set: SetHash,
    /// The masternodes that decide the next block: others only in the last block of an epoch. With
    /// it certified headers can be followed through a change of the set.
    pub next_masternode_set: SetHash,
    /// Commits to the amount issued and all registrations after the block, which the unspent
    /// outputs do not tell.
    pub registry: RegistryHash,
    /// When the block was first proposed, by its proposer's clock.
    pub timestamp: Timestamp,
    /// The consensus key of the first proposer.
    pub proposer: PublicKey,
    /// The proof that the parent is decided; none for block 1, whose parent is the genesis.
    pub parent_certificate: Option<CommitCertificate>,
}

impl BlockHeader {
    /// Whether others decide the next block.
    pub fn changes_set(&self) -> bool {
        self.next_masternode_set != self.masternode_set
    }

    /// The hash of the header: the id of the block.
    pub fn hash(&self) -> BlockHash {
        let mut hasher = Hasher::new(Tag::BlockHeader);
        self.serialize(&mut hasher).expect("a hasher takes all bytes");
        hasher.finish().into()
    }
}

impl BlockHash {
    /// The id of the genesis, as the parent of block 1.
    pub fn from_genesis(chain_id: &ChainId) -> Self {
        BlockHash::from_bytes(*chain_id.as_bytes())
    }
}

/// A header and its transactions; the first is the coinbase.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Block {
    /// Names everything.
    pub header: BlockHeader,
    /// Parents before children.
    pub transactions: Vec<Arc<Transaction>>,
}

impl Block {
    /// The id of the block.
    pub fn hash(&self) -> BlockHash {
        self.header.hash()
    }

    /// What the header's Merkle root must be.
    pub fn merkle_root(&self) -> MerkleRoot {
        transactions_root(self.transactions.iter().map(|tx| tx.wtxid()))
    }
}

/// The Merkle root of transactions, by their ids over all bytes.
pub fn transactions_root(wtxids: impl Iterator<Item = Wtxid>) -> MerkleRoot {
    let items: Vec<Hash256> = wtxids.map(Hash256::from).collect();
    merkle_root(Tag::MerkleLeaf, Tag::MerkleNode, &items).into()
}
