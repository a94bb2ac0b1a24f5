//! Blocks that break a rule each.

use std::sync::Arc;

use crate::types::amount::Amount;
use crate::types::block::Block;
use crate::types::chain::{Height, Timestamp};
use crate::types::hash::{BlockHash, ChainId, MerkleRoot, RegistryHash, SetHash, UtxoCommitment};
use crate::types::transaction::Transaction;

/// How many kinds of invalid blocks there are.
pub(in crate::sim) const KINDS: u8 = 13;

/// Makes a valid block invalid, in one of [`KINDS`] ways. `parent_time` is its parent's timestamp;
/// `others` are transactions that go in without being asked for. Kind 6 is ahead of every clock;
/// the last kind takes the parent certificate out, which block 1 has none of.
pub(in crate::sim) fn spoil(
    kind: u8,
    block: &mut Block,
    parent_time: Timestamp,
    others: &[Arc<Transaction>],
) {
    let header = &mut block.header;
    match kind {
        0 => header.parent = BlockHash::from_bytes([1; 32]),
        1 => header.height = Height(header.height.0 + 1),
        2 => header.chain_id = ChainId::from_bytes([2; 32]),
        3 => header.merkle_root = MerkleRoot::from_bytes([3; 32]),
        4 => header.utxo_commitment = UtxoCommitment::from_bytes([4; 32]),
        5 => header.masternode_set = SetHash::from_bytes([5; 32]),
        6 => header.timestamp = Timestamp(header.timestamp.0 + 3_600_000),
        7 => header.timestamp = parent_time,
        8 => {
            // The coinbase pays its proposer more than there is.
            if let Some(coinbase) = block.transactions.first_mut() {
                let mut rich = Transaction::clone(coinbase);
                if let Some(output) = rich.outputs.first_mut() {
                    output.value = output.value.saturating_add(Amount::from_time(1));
                }
                *coinbase = Arc::new(rich);
            }
            block.header.merkle_root = block.merkle_root();
        }
        9 => {
            // Every transaction twice: a double spend in one block.
            let again: Vec<_> = block.transactions.iter().skip(1).cloned().collect();
            block.transactions.extend(again);
            block.transactions.extend(others.iter().cloned());
            block.header.merkle_root = block.merkle_root();
        }
        10 => header.next_masternode_set = SetHash::from_bytes([6; 32]),
        11 => header.registry = RegistryHash::from_bytes([7; 32]),
        _ => header.parent_certificate = None,
    }
}
