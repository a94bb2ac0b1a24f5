//! Keys and values of the derived tables, and the checksum over them.
//!
//! ```text
//! key                                    value
//! a | address 20 | txid 32 | vout u32    unspent output of an address, borsh(Utxo) 37
//! b | height u64                         position in the block log 8
//! h | block hash 32                      height u64
//! m | height u64                         masternodes that decide from the next height on, borsh
//! s                                      standing, borsh
//! t | txid 32                            height u64 | place in the block u32
//! u | txid 32 | vout u32                 unspent output, borsh(Utxo) 37
//! ```
//!
//! Numbers are big-endian, so that entries sort as what they name. The value of `a` repeats that
//! of `u`, so that a page of an address costs no look-up per output. There is an `m` only where
//! the set changes; whoever follows headers is told of it (`sync/headers.rs`).

use std::collections::{BTreeMap, HashMap};

use borsh::{BorshDeserialize, BorshSerialize};

use crate::ledger::state::genesis_utxos;
use crate::ledger::view::{Utxo, outputs_of};
use crate::params::Chain;
use crate::storage::log::RecordPosition;
use crate::types::address::{ADDRESS_BYTES, Address};
use crate::types::block::Block;
use crate::types::chain::Height;
use crate::types::encode::encode;
use crate::types::hash::{BlockHash, Tag, Txid, hash};
use crate::types::masternode_set::MasternodeSet;
use crate::types::transaction::OutPoint;

/// What an entry is about.
pub(super) enum Entry {
    Owned(Address, OutPoint),
    BlockPosition(Height),
    BlockHeight(BlockHash),
    NextSet(Height),
    Standing,
    Transaction(Txid),
    Utxo(OutPoint),
}

impl Entry {
    pub(super) fn key(&self) -> Vec<u8> {
        let mut key = Vec::with_capacity(1 + ADDRESS_BYTES + OUTPOINT_BYTES);
        match self {
            Entry::Owned(address, outpoint) => {
                key.push(b'a');
                key.extend_from_slice(address.as_bytes());
                push_outpoint(&mut key, outpoint);
            }
            Entry::BlockPosition(height) => {
                key.push(b'b');
                key.extend_from_slice(&height.0.to_be_bytes());
            }
            Entry::BlockHeight(hash) => {
                key.push(b'h');
                key.extend_from_slice(hash.as_bytes());
            }
            Entry::NextSet(height) => {
                key.push(b'm');
                key.extend_from_slice(&height.0.to_be_bytes());
            }
            Entry::Standing => key.push(b's'),
            Entry::Transaction(txid) => {
                key.push(b't');
                key.extend_from_slice(txid.as_bytes());
            }
            Entry::Utxo(outpoint) => {
                key.push(UTXO_PREFIX);
                push_outpoint(&mut key, outpoint);
            }
        }
        key
    }
}

fn push_outpoint(key: &mut Vec<u8>, outpoint: &OutPoint) {
    key.extend_from_slice(outpoint.txid.as_bytes());
    key.extend_from_slice(&outpoint.vout.to_be_bytes());
}

/// Entries by key: their new value, or none where they go.
pub(super) type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// The entries at height 0.
pub(super) fn changes_of_genesis(chain: &Chain) -> Changes {
    let utxos = genesis_utxos(chain);
    let entries = utxos.flat_map(|(outpoint, utxo)| utxo_entries(&outpoint, &utxo));
    let entries = entries.map(|(key, value)| (key, Some(value)));
    entries.chain(place_of_genesis(chain)).collect()
}

/// The genesis counts as a confirmed transaction, so that its outputs can be spent.
pub(super) fn place_of_genesis(chain: &Chain) -> [(Vec<u8>, Option<Vec<u8>>); 1] {
    let genesis = Txid::from_bytes(chain.id().to_bytes());
    [(Entry::Transaction(genesis).key(), Some(encode_place(Height::ZERO, 0).to_vec()))]
}

/// What a block changes, from the block and the set after it alone: an output that it spends is of
/// the address of the key that spends it.
pub(super) fn changes_of(
    block: &Block,
    hash: &BlockHash,
    after: &MasternodeSet,
    position: RecordPosition,
) -> Changes {
    let height = block.header.height;
    let mut changes = Changes::new();
    let mut created = HashMap::new();
    for (index, transaction) in (0u32..).zip(&block.transactions) {
        for input in &transaction.inputs {
            let outpoint = input.previous_output;
            if created.remove(&outpoint).is_none() {
                let address = Address::of(&input.public_key);
                changes.insert(Entry::Utxo(outpoint).key(), None);
                changes.insert(Entry::Owned(address, outpoint).key(), None);
            }
        }
        let txid = transaction.txid();
        for (vout, utxo) in outputs_of(transaction, height) {
            created.insert(OutPoint::new(txid, vout), utxo);
        }
        let place = encode_place(height, index).to_vec();
        changes.insert(Entry::Transaction(txid).key(), Some(place));
    }
    #[expect(clippy::iter_over_hash_type, reason = "the changes are sorted by key")]
    for (outpoint, utxo) in &created {
        let entries = utxo_entries(outpoint, utxo).map(|(key, value)| (key, Some(value)));
        changes.extend(entries);
    }
    let height_bytes = height.0.to_be_bytes().to_vec();
    changes.insert(Entry::BlockHeight(*hash).key(), Some(height_bytes));
    changes.insert(Entry::BlockPosition(height).key(), Some(position.to_bytes().to_vec()));
    if block.header.changes_set() {
        changes.insert(Entry::NextSet(height).key(), Some(encode(after)));
    }
    changes
}

/// The two entries of an unspent output.
pub(super) fn utxo_entries(outpoint: &OutPoint, utxo: &Utxo) -> [(Vec<u8>, Vec<u8>); 2] {
    let value = encode(utxo);
    [
        (Entry::Owned(utxo.output.address, *outpoint).key(), value.clone()),
        (Entry::Utxo(*outpoint).key(), value),
    ]
}

/// The outpoint at the end of a key of an unspent output.
pub(super) fn outpoint_of(key: &[u8]) -> Option<OutPoint> {
    let (rest, vout) = key.split_last_chunk::<4>()?;
    let (_, txid) = rest.split_last_chunk::<32>()?;
    Some(OutPoint::new(Txid::from_bytes(*txid), u32::from_be_bytes(*vout)))
}

/// The outpoint of a key of the unspent outputs by outpoint; nothing for other keys.
pub(super) fn utxo_outpoint(key: &[u8]) -> Option<OutPoint> {
    if key.first() == Some(&UTXO_PREFIX) { outpoint_of(key) } else { None }
}

pub(super) fn encode_place(height: Height, index: u32) -> [u8; 12] {
    let mut value = [0; 12];
    value[..8].copy_from_slice(&height.0.to_be_bytes());
    value[8..].copy_from_slice(&index.to_be_bytes());
    value
}

pub(super) fn decode_place(value: &[u8]) -> Option<(Height, u32)> {
    let (height, index) = value.split_first_chunk::<8>()?;
    let index = index.try_into().ok()?;
    Some((Height(u64::from_be_bytes(*height)), u32::from_be_bytes(index)))
}

/// A checksum over a set of entries, kept up to date at the cost of those that change: the sum
/// of their hashes. It finds what a broken disk or store does to entries, by any file it does it
/// in; against an adversary stands the UTXO commitment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(in crate::storage) struct Checksum(u128);

impl Checksum {
    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.0 = self.0.wrapping_add(digest(key, value));
    }

    pub(super) fn subtract(&mut self, key: &[u8], value: &[u8]) {
        self.0 = self.0.wrapping_sub(digest(key, value));
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Checksum(self.0.wrapping_add(other.0))
    }
}

/// Keys of one prefix have one length, so key and value need no delimiter.
fn digest(key: &[u8], value: &[u8]) -> u128 {
    let mut bytes = Vec::with_capacity(key.len() + value.len());
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(value);
    let digest = hash(Tag::TableEntry, &bytes).to_bytes();
    let (low, _) = digest.split_first_chunk::<16>().expect("a hash has 32 bytes");
    u128::from_le_bytes(*low)
}

/// Sorts last, so that the unspent outputs are one half of the tables for two threads.
pub(super) const UTXO_PREFIX: u8 = b'u';

const OUTPOINT_BYTES: usize = 36;
