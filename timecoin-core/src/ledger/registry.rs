//! Who may vote: registrations on the chain, and the masternode set they make of each epoch
//! (PROTOCOL 3).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::params::Genesis;
use crate::types::encode::encode;
use crate::types::hash::{EvidenceId, Hash256, Tag, hash};
use crate::types::keys::PublicKey;
use crate::types::masternode_set::{MASTERNODES_MAX, Masternode, MasternodeSet};
use crate::types::transaction::OutPoint;

/// One masternode's place on the chain.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Entry {
    /// What everybody knows of it.
    pub masternode: Masternode,
    /// What it locked; none for a masternode of the genesis.
    pub collateral: Option<OutPoint>,
    /// Its place in the order of registrations.
    pub sequence: u64,
    /// Whether it is in the set of the current epoch.
    pub is_active: bool,
    /// Whether its deregistration is in a block.
    pub is_deregistered: bool,
    /// Whether evidence against it is in a block.
    pub is_proven_faulty: bool,
}

impl Entry {
    fn is_leaving(&self) -> bool {
        self.is_deregistered || self.is_proven_faulty
    }
}

/// All registrations, and the changes that wait for the next epoch.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Registry {
    entries: BTreeMap<PublicKey, Entry>,
    collaterals: BTreeSet<OutPoint>,
    evidence: BTreeSet<EvidenceId>,
    next_sequence: u64,
    #[borsh(skip)]
    hash: HashMemo,
}

impl Registry {
    /// The masternodes of the genesis, active in epoch 0.
    pub fn new(genesis: &Genesis) -> Self {
        let entries = (0u64..).zip(&genesis.masternodes).map(|(sequence, masternode)| {
            let entry = Entry {
                masternode: masternode.clone(),
                collateral: None,
                sequence,
                is_active: true,
                is_deregistered: false,
                is_proven_faulty: false,
            };
            (masternode.consensus_key, entry)
        });
        Registry {
            entries: entries.collect(),
            collaterals: BTreeSet::new(),
            evidence: BTreeSet::new(),
            next_sequence: genesis.masternodes.len() as u64,
            hash: HashMemo::default(),
        }
    }

    /// The hash of its canonical bytes, which is computed once after each change.
    pub fn hash(&self) -> Hash256 {
        *self.hash.0.get_or_init(|| hash(Tag::Registrations, &encode(self)))
    }

    /// The entry of a masternode.
    pub fn get(&self, key: &PublicKey) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// All entries, ascending by consensus key.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// Whether an output is the collateral of a masternode that has not left.
    pub fn is_collateral(&self, outpoint: &OutPoint) -> bool {
        self.collaterals.contains(outpoint)
    }

    /// Whether a fault is recorded already.
    pub fn has_evidence(&self, id: &EvidenceId) -> bool {
        self.evidence.contains(id)
    }

    /// Records a registration that the rules allow.
    pub(crate) fn register(&mut self, masternode: Masternode, collateral: OutPoint) {
        let entry = Entry {
            masternode,
            collateral: Some(collateral),
            sequence: self.next_sequence,
            is_active: false,
            is_deregistered: false,
            is_proven_faulty: false,
        };
        self.hash = HashMemo::default();
        self.next_sequence += 1;
        self.collaterals.insert(collateral);
        self.entries.insert(entry.masternode.consensus_key, entry);
    }

    /// Records a deregistration that the rules allow.
    pub(crate) fn deregister(&mut self, key: &PublicKey) {
        self.hash = HashMemo::default();
        if let Some(entry) = self.entries.get_mut(key) {
            entry.is_deregistered = true;
        }
    }

    /// Records evidence that the rules allow.
    pub(crate) fn convict(&mut self, key: &PublicKey, id: EvidenceId) {
        self.hash = HashMemo::default();
        self.evidence.insert(id);
        if let Some(entry) = self.entries.get_mut(key) {
            entry.is_proven_faulty = true;
        }
    }

    /// Applies what waits for the boundary: who registered joins, as far as the set's maximum
    /// allows, in the order of registration; who leaves goes, proven faults first, as far as
    /// the set keeps `masternodes_min`. Returns the set of the next epoch, which follows
    /// `current`.
    pub(crate) fn begin_epoch(
        &mut self,
        masternodes_min: usize,
        current: &MasternodeSet,
    ) -> MasternodeSet {
        self.hash = HashMemo::default();
        let mut order: Vec<(u64, PublicKey)> =
            self.entries.iter().map(|(key, entry)| (entry.sequence, *key)).collect();
        order.sort_unstable();
        let mut n_staying =
            self.entries.values().filter(|e| e.is_active && !e.is_leaving()).count();
        let mut n_active = self.entries.values().filter(|entry| entry.is_active).count();
        for (_, key) in &order {
            let entry = self.entries.get_mut(key).expect("the order lists the entries");
            let joins = !entry.is_active && !entry.is_leaving() && n_staying < MASTERNODES_MAX;
            if joins {
                entry.is_active = true;
                n_staying += 1;
                n_active += 1;
            }
        }
        let removable = |entry: &Entry, faulty: bool| {
            if faulty { entry.is_proven_faulty } else { entry.is_leaving() }
        };
        for faulty in [true, false] {
            for (_, key) in &order {
                let Some(entry) = self.entries.get(key) else { continue };
                let enough = !entry.is_active || n_active > masternodes_min;
                if removable(entry, faulty) && enough {
                    n_active -= usize::from(entry.is_active);
                    self.remove(key);
                }
            }
        }
        let active = self.entries.values().filter(|entry| entry.is_active);
        let members = active.map(|entry| entry.masternode.clone()).collect();
        let next = current.with_members(members);
        next.expect("the minimum is at least one and every key was checked")
    }

    fn remove(&mut self, key: &PublicKey) {
        let entry = self.entries.remove(key);
        if let Some(collateral) = entry.and_then(|entry| entry.collateral) {
            self.collaterals.remove(&collateral);
        }
    }
}

/// The hash of a registry, where it was asked for since the last change. It follows from the
/// rest, so that it is no part of what a registry equals or is written as.
#[derive(Clone, Debug, Default)]
struct HashMemo(OnceLock<Hash256>);

impl PartialEq for HashMemo {
    fn eq(&self, _: &HashMemo) -> bool {
        true
    }
}

impl Eq for HashMemo {}

#[cfg(test)]
mod tests;
