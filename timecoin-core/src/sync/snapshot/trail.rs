//! Which blocks are proved to be decided, and what their headers say of the state after them.

use std::collections::{BTreeMap, VecDeque};

use borsh::{BorshDeserialize, BorshSerialize};

use crate::sync::headers::Anchor;
use crate::types::block::BlockHeader;
use crate::types::chain::{Height, Timestamp};
use crate::types::hash::{BlockHash, RegistryHash, SetHash, UtxoCommitment};

/// What the certified header of a block says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Certified {
    /// The id of the block.
    pub hash: BlockHash,
    /// When it was proposed.
    pub timestamp: Timestamp,
    /// The unspent outputs after it.
    pub utxo_commitment: UtxoCommitment,
    /// The amount issued and the registrations after it.
    pub registry: RegistryHash,
    /// Who decided it.
    pub masternode_set: SetHash,
    /// Who decides the next.
    pub next_masternode_set: SetHash,
}

impl Certified {
    /// What a header says whose hash is known.
    pub fn new(header: &BlockHeader, hash: BlockHash) -> Self {
        Certified {
            hash,
            timestamp: header.timestamp,
            utxo_commitment: header.utxo_commitment,
            registry: header.registry,
            masternode_set: header.masternode_set,
            next_masternode_set: header.next_masternode_set,
        }
    }
}

/// A block that headers can be followed from.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Foothold {
    /// The block.
    pub anchor: Anchor,
    /// What its header says; none for the genesis, which has no header.
    pub certified: Option<Certified>,
}

/// The certified headers from some foothold on.
pub(super) struct Trail {
    /// Ascending; never empty. The last is where headers are followed from.
    footholds: VecDeque<Foothold>,
    certified: BTreeMap<Height, Certified>,
}

impl Trail {
    pub(super) fn new(foothold: Foothold) -> Self {
        let height = foothold.anchor.height;
        let certified = foothold.certified.map(|certified| (height, certified));
        Trail { certified: certified.into_iter().collect(), footholds: [foothold].into() }
    }

    /// Where headers are followed from.
    pub(super) fn end(&self) -> &Anchor {
        &self.footholds.back().expect("there is always one").anchor
    }

    /// The last that is not above a height, or the first that is kept.
    pub(super) fn foothold(&self, height: Height) -> &Foothold {
        let above = self.footholds.partition_point(|one| one.anchor.height <= height);
        &self.footholds[above.saturating_sub(1)]
    }

    pub(super) fn at(&self, height: Height) -> Option<&Certified> {
        self.certified.get(&height)
    }

    /// Adds headers up to `end`, of which some may be here already. Says whether any was new.
    pub(super) fn extend(&mut self, certified: Vec<Certified>, end: Anchor) -> bool {
        let known = self.end().height;
        if end.height <= known {
            return false;
        }
        let first = end.height.0 + 1 - certified.len() as u64;
        let all = (first..).map(Height).zip(certified);
        self.certified.extend(all.filter(|(height, _)| *height > known));
        let certified = self.certified.get(&end.height).copied();
        self.footholds.push_back(Foothold { anchor: end, certified });
        true
    }

    /// Forgets what is not needed to go on from a height, but for the last blocks: peers may be so
    /// many blocks behind each other.
    pub(super) fn forget_before(&mut self, height: Height) {
        let height = height.min(Height(self.end().height.0.saturating_sub(KEPT_BLOCKS)));
        while self.footholds.get(1).is_some_and(|next| next.anchor.height <= height) {
            self.footholds.pop_front();
        }
        let start = self.footholds[0].anchor.height;
        self.certified = self.certified.split_off(&start);
    }
}

/// Headers that are kept in any case: 700 kB.
const KEPT_BLOCKS: u64 = 4_096;
