//! Decided blocks.

#![allow(unsafe_code, reason = "exports keep their name; memory is touched in pointer.rs alone")]

use std::sync::Arc;

use timecoin_core::types::encode::{encode, encoded_len};
use timecoin_core::{BlockHash, BlockId, Decided};

use crate::bytes::Bytes;
use crate::constants::tc_status_t;
use crate::failure::Failure;
use crate::guard::guard;
use crate::handle::{HANDLES, Object};
use crate::node::find;
use crate::pointer::{self, Out};
use crate::reports::tc_block_info_t;
use crate::transaction::TransactionObject;
use crate::types::{tc_block_hash_t, tc_block_t, tc_bytes_t, tc_node_t, tc_transaction_t};

/// A block with the proof that it is decided.
pub(crate) struct BlockObject(Decided);

impl Object for BlockObject {
    const KIND: u8 = 6;
    const NAME: &'static str = "block";
}

impl BlockObject {
    /// Gives a block to the caller.
    pub(crate) fn give(decided: Decided, out: Out<tc_block_t>) -> Result<(), Failure> {
        let id = HANDLES.insert(BlockObject(decided))?;
        out.write(tc_block_t { id });
        Ok(())
    }
}

/// The decided block at a height, from 1.
///
/// block_out: owned, free with tc_block_free.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_NOT_FOUND, TC_ERROR_CLOSED,
/// TC_ERROR_STORAGE_ numbers.
#[unsafe(no_mangle)]
pub extern "C" fn tc_node_block_at(
    node: tc_node_t,
    height: u64,
    block_out: *mut tc_block_t,
) -> tc_status_t {
    guard(|| read(node, height.into(), block_out))
}

/// The decided block with a hash.
///
/// block_out: owned, free with tc_block_free.
///
/// Errors: as tc_node_block_at.
#[unsafe(no_mangle)]
pub extern "C" fn tc_node_block_by_hash(
    node: tc_node_t,
    hash: *const tc_block_hash_t,
    block_out: *mut tc_block_t,
) -> tc_status_t {
    guard(|| {
        let hash = BlockHash::from(pointer::value(hash, "hash")?);
        read(node, hash.into(), block_out)
    })
}

/// What a block says of itself.
///
/// info_out: its struct_size is set by the caller.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_block_info(block: tc_block_t, info_out: *mut tc_block_info_t) -> tc_status_t {
    guard(|| {
        let block = HANDLES.get::<BlockObject>(block.id)?;
        let out = pointer::report_out(info_out, "info_out")?;
        out.write((&block.0).into());
        Ok(())
    })
}

/// A transaction of a block.
///
/// index: from 0, which is the reward.
/// transaction_out: owned, free with tc_transaction_free.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_NOT_FOUND.
#[unsafe(no_mangle)]
pub extern "C" fn tc_block_transaction(
    block: tc_block_t,
    index: usize,
    transaction_out: *mut tc_transaction_t,
) -> tc_status_t {
    guard(|| {
        let block = HANDLES.get::<BlockObject>(block.id)?;
        let out = pointer::out(transaction_out, "transaction_out")?;
        let transaction = block.0.block.transactions.get(index);
        let transaction = transaction.ok_or_else(|| Failure::not_found("a transaction there"))?;
        TransactionObject::give(Arc::clone(transaction), out)
    })
}

/// The canonical bytes of a block.
///
/// bytes_out: owned, free with tc_bytes_free.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_block_to_bytes(block: tc_block_t, bytes_out: *mut tc_bytes_t) -> tc_status_t {
    guard(|| {
        let block = HANDLES.get::<BlockObject>(block.id)?;
        let out = pointer::out(bytes_out, "bytes_out")?;
        Bytes::give(encode(&*block.0.block), out)
    })
}

/// The canonical bytes of the certificate that proves a block to be decided.
///
/// bytes_out: owned, free with tc_bytes_free.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_block_certificate(
    block: tc_block_t,
    bytes_out: *mut tc_bytes_t,
) -> tc_status_t {
    guard(|| {
        let block = HANDLES.get::<BlockObject>(block.id)?;
        let out = pointer::out(bytes_out, "bytes_out")?;
        Bytes::give(encode(&block.0.certificate), out)
    })
}

/// Frees a block.
///
/// Errors: TC_ERROR_INVALID_HANDLE, also for what was freed already.
#[unsafe(no_mangle)]
pub extern "C" fn tc_block_free(block: tc_block_t) -> tc_status_t {
    guard(|| HANDLES.remove::<BlockObject>(block.id).map(drop))
}

fn read(node: tc_node_t, id: BlockId, block_out: *mut tc_block_t) -> Result<(), Failure> {
    let node = find(node)?;
    let out = pointer::out(block_out, "block_out")?;
    let decided = node.block(id)?.ok_or_else(|| Failure::not_found("the block"))?;
    BlockObject::give(decided, out)
}

impl From<&Decided> for tc_block_info_t {
    fn from(decided: &Decided) -> Self {
        let header = &decided.block.header;
        tc_block_info_t {
            struct_size: 0,
            height: header.height.0,
            timestamp_ms: header.timestamp.0,
            n_transactions: decided.block.transactions.len() as u64,
            bytes: encoded_len(&*decided.block) as u64,
            n_signers: decided.certificate.seals.len() as u64,
            hash: (&decided.block.hash()).into(),
            parent: (&header.parent).into(),
            merkle_root: header.merkle_root.to_bytes(),
            utxo_commitment: header.utxo_commitment.to_bytes(),
            masternode_set: header.masternode_set.to_bytes(),
            next_masternode_set: header.next_masternode_set.to_bytes(),
            registry: header.registry.to_bytes(),
            proposer: (&header.proposer).into(),
            chain_id: (&header.chain_id).into(),
            round: decided.certificate.round.0,
            reserved: 0,
        }
    }
}
