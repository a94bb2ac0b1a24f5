//! Which blocks above the tip are proved to be decided, by the headers that were followed.

use std::collections::BTreeMap;

use super::headers::{Anchor, CertifiedHeaders};
use crate::types::chain::Height;
use crate::types::hash::BlockHash;

/// The ids of blocks from the one after the tip up to the last that is certified.
pub(super) struct Certified {
    tip: Height,
    hashes: BTreeMap<Height, BlockHash>,
    /// The last of them, with who decides the next.
    anchor: Option<Anchor>,
}

impl Certified {
    /// Nothing above `tip`.
    pub(super) fn new(tip: Height) -> Self {
        Certified { tip, hashes: BTreeMap::new(), anchor: None }
    }

    /// The height of the last that is certified or decided here.
    pub(super) fn end(&self) -> Height {
        self.anchor.as_ref().map_or(self.tip, |anchor| anchor.height)
    }

    /// The last that is certified; none where that is the tip.
    pub(super) fn anchor(&self) -> Option<&Anchor> {
        self.anchor.as_ref()
    }

    /// Whether another block is certified at a height.
    pub(super) fn contradicts(&self, height: Height, hash: &BlockHash) -> bool {
        self.hashes.get(&height).is_some_and(|certified| certified != hash)
    }

    /// The ledger is at `tip`.
    pub(super) fn on_tip(&mut self, tip: Height) {
        self.tip = tip;
        self.hashes = self.hashes.split_off(&tip.next());
        if self.end() <= tip {
            self.anchor = None;
        }
    }

    /// Adds what headers proved that were followed from here, or from where this was before.
    pub(super) fn extend(&mut self, followed: CertifiedHeaders) {
        let CertifiedHeaders { hashes, end } = followed;
        let known = self.end();
        if end.height <= known {
            return;
        }
        let first = end.height.0 + 1 - hashes.len() as u64;
        let fresh = (first..).map(Height).zip(hashes).filter(|(height, _)| *height > known);
        self.hashes.extend(fresh);
        self.anchor = Some(end);
    }
}
