//! Proofs that a transaction is final, for whoever has the masternodes of its epoch.

#![allow(unsafe_code, reason = "exports keep their name; memory is touched in pointer.rs alone")]

use timecoin_core::types::encode::{decode, encode};
use timecoin_core::{ChainId, FinalityCertificate, MasternodeSet, Txid, verify_finality_proof};

use crate::bytes::Bytes;
use crate::constants::tc_status_t;
use crate::guard::guard;
use crate::node::find;
use crate::pointer;
use crate::types::{tc_bytes_t, tc_chain_id_t, tc_node_t, tc_txid_t};

/// The proof that a transaction is final. It can be had from when the transaction is final until
/// its epoch ends at least.
///
/// proof_out: owned, free with tc_bytes_free.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_NO_PROOF where it is not
/// final, or its proof is not kept any more; TC_ERROR_NOT_RUNNING, TC_ERROR_CLOSED,
/// TC_ERROR_POISONED.
#[unsafe(no_mangle)]
pub extern "C" fn tc_node_finality_proof(
    node: tc_node_t,
    txid: *const tc_txid_t,
    proof_out: *mut tc_bytes_t,
) -> tc_status_t {
    guard(|| {
        let node = find(node)?;
        let txid = Txid::from(pointer::value(txid, "txid")?);
        let out = pointer::out(proof_out, "proof_out")?;
        Bytes::give(encode(&node.finality_proof(&txid)?), out)
    })
}

/// The masternodes that decide the next block, as canonical bytes for tc_verify_finality_proof.
///
/// masternode_set_out: owned, free with tc_bytes_free.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_node_masternode_set(
    node: tc_node_t,
    masternode_set_out: *mut tc_bytes_t,
) -> tc_status_t {
    guard(|| {
        let node = find(node)?;
        let out = pointer::out(masternode_set_out, "masternode_set_out")?;
        Bytes::give(encode(&node.masternodes()), out)
    })
}

/// Checks the proof that a transaction is final. Needs no node.
///
/// proof: proof_bytes bytes, as tc_node_finality_proof gave them.
/// chain_id: the chain that it must be about.
/// masternode_set: masternode_set_bytes bytes, as tc_node_masternode_set gave them; the set of the
/// epoch in which the transaction became final, from somebody whom the caller trusts.
/// txid_out: which transaction it proves to be final; may be null.
///
/// Errors: TC_ERROR_PROOF_ numbers where it does not hold; TC_ERROR_MALFORMED for bytes of
/// something else; TC_ERROR_NULL_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_verify_finality_proof(
    proof: *const u8,
    proof_bytes: usize,
    chain_id: *const tc_chain_id_t,
    masternode_set: *const u8,
    masternode_set_bytes: usize,
    txid_out: *mut tc_txid_t,
) -> tc_status_t {
    guard(|| {
        let proof = pointer::values(proof, proof_bytes, "proof")?;
        let chain_id = ChainId::from(pointer::value(chain_id, "chain_id")?);
        let set = pointer::values(masternode_set, masternode_set_bytes, "masternode_set")?;
        let proof: FinalityCertificate = decode("finality proof", &proof, PROOF_BYTES_MAX)?;
        let set: MasternodeSet = decode("masternode set", &set, SET_BYTES_MAX)?;
        verify_finality_proof(&proof, &chain_id, &set)?;
        if let Some(out) = pointer::optional_out(txid_out) {
            out.write((&proof.txid).into());
        }
        Ok(())
    })
}

/// 134 votes of some 450 bytes are 60 kB.
const PROOF_BYTES_MAX: usize = 1_000_000;

/// 200 masternodes of at most 184 bytes are 37 kB.
const SET_BYTES_MAX: usize = 100_000;
