//! The structs of the header that stand for something: handles and values.
//!
//! Handles are distinct structs so that a compiler tells them apart. Values are as large as they
//! are forever.

#![allow(non_camel_case_types, reason = "names as C writes them")]

use std::ffi::c_char;

use timecoin_core::{
    Address, Amount, BlockHash, ChainId, Hash256, OutPoint, PublicKey, TxOutput, Txid,
};

/// A configuration. Owned: free with tc_config_free.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_config_t {
    /// 0 for none.
    pub id: u64,
}

/// A node. Owned: free with tc_node_free.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_node_t {
    /// 0 for none.
    pub id: u64,
}

/// A wallet. Owned: free with tc_wallet_free.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_wallet_t {
    /// 0 for none.
    pub id: u64,
}

/// A signed payment that is not submitted. Owned: tc_draft_submit or tc_draft_free ends it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_draft_t {
    /// 0 for none.
    pub id: u64,
}

/// A transaction. Owned: free with tc_transaction_free.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_transaction_t {
    /// 0 for none.
    pub id: u64,
}

/// A decided block. Owned: free with tc_block_free.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_block_t {
    /// 0 for none.
    pub id: u64,
}

/// A receiver of events. Owned: free with tc_subscription_free.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_subscription_t {
    /// 0 for none.
    pub id: u64,
}

/// An event. Owned: free with tc_event_free.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_event_t {
    /// 0 for none.
    pub id: u64,
}

/// A network in virtual time. Owned: free with tc_sim_free.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_sim_t {
    /// 0 for none.
    pub id: u64,
}

/// A snapshot of a network in virtual time. Owned: free with tc_sim_snapshot_free.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_sim_snapshot_t {
    /// 0 for none.
    pub id: u64,
}

/// A network of real nodes in this process. Owned: free with tc_localnet_free.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_localnet_t {
    /// 0 for none.
    pub id: u64,
}

/// A receiver of the events of all nodes of a net. Owned: free with tc_localnet_events_free.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_localnet_events_t {
    /// 0 for none.
    pub id: u64,
}

/// Bytes or a text of any length. Owned: free with tc_bytes_free.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_bytes_t {
    /// 0 for none.
    pub id: u64,
}

/// The id of a transaction.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_txid_t {
    /// In the order of the text form.
    pub bytes: [u8; 32],
}

/// The id of a block.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_block_hash_t {
    /// In the order of the text form.
    pub bytes: [u8; 32],
}

/// The identity of a chain: the hash of its genesis.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_chain_id_t {
    /// In the order of the text form.
    pub bytes: [u8; 32],
}

/// The hash of everything that happened in a simulation.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_digest_t {
    /// In the order of the text form.
    pub bytes: [u8; 32],
}

/// A setting by its name and its text. Both end with a NUL.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_setting_t {
    /// Which.
    pub name: *const c_char,
    /// What it is set to.
    pub text: *const c_char,
}

/// An Ed25519 public key.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_public_key_t {
    /// As RFC 8032 encodes it.
    pub bytes: [u8; 32],
}

/// An Ed25519 secret key. Wipe every copy with tc_secret_wipe.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tc_secret_t {
    /// Any 32 bytes are one.
    pub bytes: [u8; 32],
}

/// An Ed25519 signature.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_signature_t {
    /// As RFC 8032 encodes it.
    pub bytes: [u8; 64],
}

/// Who may spend an output: the hash of a public key. The text form names the network too.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_address_t {
    /// The hash.
    pub bytes: [u8; 20],
}

/// One output of one transaction.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_outpoint_t {
    /// The transaction that made the output.
    pub txid: tc_txid_t,
    /// The position of the output in it, from 0.
    pub vout: u32,
}

/// Money and who may spend it: an output, or a payment to make.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_tx_output_t {
    /// In units.
    pub value: u64,
    /// Whose key may spend it.
    pub address: tc_address_t,
    /// Always 0.
    pub reserved: u32,
}

/// An output to spend and the key that its address is the hash of.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_tx_source_t {
    /// What is spent.
    pub outpoint: tc_outpoint_t,
    /// The key of its address.
    pub public_key: tc_public_key_t,
}

macro_rules! hashes {
    ($($plain:ident $core:ident;)+) => {$(
        impl From<&$core> for $plain {
            fn from(value: &$core) -> Self {
                $plain { bytes: *value.as_bytes() }
            }
        }

        impl From<$plain> for $core {
            fn from(value: $plain) -> Self {
                $core::from_bytes(value.bytes)
            }
        }
    )+};
}

hashes! {
    tc_txid_t Txid;
    tc_block_hash_t BlockHash;
    tc_chain_id_t ChainId;
    tc_digest_t Hash256;
    tc_public_key_t PublicKey;
    tc_address_t Address;
}

impl From<&OutPoint> for tc_outpoint_t {
    fn from(outpoint: &OutPoint) -> Self {
        tc_outpoint_t { txid: (&outpoint.txid).into(), vout: outpoint.vout }
    }
}

impl From<tc_outpoint_t> for OutPoint {
    fn from(outpoint: tc_outpoint_t) -> Self {
        OutPoint::new(outpoint.txid.into(), outpoint.vout)
    }
}

impl From<&TxOutput> for tc_tx_output_t {
    fn from(output: &TxOutput) -> Self {
        let (value, address) = (output.value.units(), (&output.address).into());
        tc_tx_output_t { value, address, reserved: 0 }
    }
}

impl From<tc_tx_output_t> for TxOutput {
    fn from(output: tc_tx_output_t) -> Self {
        TxOutput { value: Amount::from_units(output.value), address: output.address.into() }
    }
}
