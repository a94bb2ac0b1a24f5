//! What must be in the last block of an epoch, as its masternodes tell it (PROTOCOL 4).

use std::collections::{BTreeMap, BTreeSet};

use crate::types::hash::Txid;
use crate::types::masternode_set::MasternodeIndex;
use crate::types::message::CertInventory;
use crate::types::verified::Verified;

/// The inventories of one epoch, one for each masternode.
#[derive(Clone, Debug, Default)]
pub struct Inventories {
    by_voter: BTreeMap<MasternodeIndex, Verified<CertInventory>>,
}

impl Inventories {
    /// Keeps the first inventory of a masternode; says whether it is news.
    pub fn add(&mut self, inventory: Verified<CertInventory>) -> bool {
        let voter = inventory.voter;
        let is_news = !self.by_voter.contains_key(&voter);
        if is_news {
            self.by_voter.insert(voter, inventory);
        }
        is_news
    }

    /// How many of them name nothing but what `is_here`.
    pub fn n_complete(&self, is_here: impl Fn(&Txid) -> bool) -> usize {
        self.by_voter.values().filter(|inventory| inventory.txids.iter().all(&is_here)).count()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.by_voter.len()
    }

    /// The inventory of a masternode.
    pub fn of(&self, voter: MasternodeIndex) -> Option<&Verified<CertInventory>> {
        self.by_voter.get(&voter)
    }

    /// Every transaction that some masternode has Committed.
    pub fn union(&self) -> BTreeSet<Txid> {
        self.by_voter.values().flat_map(|inventory| inventory.txids.iter().copied()).collect()
    }
}
