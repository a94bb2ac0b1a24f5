//! Everything the rules need to know of a chain beside its unspent outputs.

use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};

use super::commitment::UtxoSetHash;
use super::registry::Registry;
use super::view::{Origin, Utxo};
use crate::params::Chain;
use crate::types::amount::Amount;
use crate::types::certificate::CommitCertificate;
use crate::types::chain::{Epoch, Height, Timestamp};
use crate::types::hash::{BlockHash, Hasher, RegistryHash, Tag};
use crate::types::masternode_set::MasternodeSet;
use crate::types::transaction::OutPoint;

/// The last decided block.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Tip {
    /// Its height; 0 where there is only the genesis.
    pub height: Height,
    /// Its id.
    pub hash: BlockHash,
    /// Its timestamp.
    pub timestamp: Timestamp,
    /// The proof that it is decided; none for the genesis.
    pub certificate: Option<CommitCertificate>,
}

/// The state of the ledger after some block; cheap to clone but for 2 kB.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LedgerState {
    /// The block after which this is the state.
    pub tip: Tip,
    /// The hash of the unspent outputs, ready to be updated.
    pub utxo_set: UtxoSetHash,
    /// Genesis allocation and all rewards: the sum of all unspent outputs.
    pub issued: Amount,
    /// Registrations.
    pub registry: Arc<Registry>,
    /// The masternodes that decide the next block.
    pub masternodes: MasternodeSet,
    /// The masternodes that decided the tip.
    pub tip_masternodes: MasternodeSet,
}

impl LedgerState {
    /// The state at height 0.
    pub fn genesis(chain: &Chain) -> Self {
        let genesis = chain.genesis();
        let mut utxo_set = UtxoSetHash::default();
        for (outpoint, utxo) in genesis_utxos(chain) {
            utxo_set.insert(&utxo_element(&outpoint, &utxo));
        }
        LedgerState {
            tip: Tip {
                height: Height::ZERO,
                hash: BlockHash::from_genesis(chain.id()),
                timestamp: genesis.timestamp,
                certificate: None,
            },
            utxo_set,
            issued: genesis.allocated(),
            registry: Arc::new(Registry::new(genesis)),
            masternodes: chain.first_set().clone(),
            tip_masternodes: chain.first_set().clone(),
        }
    }

    /// The height that is to be decided.
    pub fn next_height(&self) -> Height {
        self.tip.height.next()
    }

    /// What the header of the block commits to beside the unspent outputs and the sets.
    pub fn registry_hash(&self) -> RegistryHash {
        let mut hasher = Hasher::new(Tag::Registry);
        (self.issued, self.registry.hash())
            .serialize(&mut hasher)
            .expect("a hasher takes all bytes");
        hasher.finish().into()
    }

    /// The epoch of the height that is to be decided.
    pub fn epoch(&self, chain: &Chain) -> Epoch {
        chain.params().epoch_of(self.next_height())
    }
}

/// The unspent outputs at height 0.
pub fn genesis_utxos(chain: &Chain) -> impl Iterator<Item = (OutPoint, Utxo)> + '_ {
    chain.genesis().outputs().map(|(outpoint, output)| {
        (outpoint, Utxo { output, height: Height::ZERO, origin: Origin::Transfer })
    })
}

/// The bytes that stand for an unspent output in the set hash: their canonical form.
pub fn utxo_element(outpoint: &OutPoint, utxo: &Utxo) -> [u8; UTXO_ELEMENT_BYTES] {
    let mut bytes = [0; UTXO_ELEMENT_BYTES];
    let mut left = &mut bytes[..];
    (outpoint, utxo).serialize(&mut left).expect("there is room for both");
    debug_assert!(left.is_empty(), "all have the same length");
    bytes
}

/// An outpoint, a value, an address, a height and an origin.
const UTXO_ELEMENT_BYTES: usize = 36 + 8 + 20 + 8 + 1;

#[cfg(test)]
mod tests;
