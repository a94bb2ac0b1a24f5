//! How much the engine keeps, against the bounds that peers can't make it pass.

use super::Engine;
use super::evidence::EVIDENCE_MAX;
use super::held::{HELD_BYTES_MAX, HELD_MAX, HELD_PROPOSALS_MAX};
use crate::consensus::{BLOCKS_MAX, ROUNDS_PER_VOTER_MAX};
use crate::finality::{UNKNOWN_BYTES_PER_VOTER_MAX, UNKNOWN_PER_VOTER_MAX};

/// A table, how full it is, and how full it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableSize {
    /// Its name.
    pub name: &'static str,
    /// Entries.
    pub len: usize,
    /// The most there may be.
    pub len_max: usize,
}

impl Engine {
    /// Every table that peers can fill, for metrics and tests.
    pub fn table_sizes(&self) -> [TableSize; 14] {
        let n = self.finality.set().len();
        let limits = self.mempool.limits();
        let table = |name, len, len_max| TableSize { name, len, len_max };
        let consensus = self.consensus.sizes();
        let voted = UNKNOWN_PER_VOTER_MAX.saturating_mul(n);
        let known = limits.transactions_max.saturating_mul(2);
        [
            table("mempool", self.mempool.len(), known),
            table("waiting", self.mempool.waiting_len(), limits.waiting_max),
            table("held", self.held.len(), HELD_MAX),
            table("held bytes", self.held.bytes(), HELD_BYTES_MAX),
            table("held proposals", self.held.n_proposals(), HELD_PROPOSALS_MAX),
            table("held unverified", self.held_unverified.len(), HELD_MAX),
            table("held unverified bytes", self.held_unverified.bytes(), HELD_BYTES_MAX),
            table("evidence", self.evidence.len(), EVIDENCE_MAX),
            table("ballots", consensus.ballots, 2 * n * ROUNDS_PER_VOTER_MAX),
            table("blocks", consensus.blocks, 2 * BLOCKS_MAX + 2 * n * ROUNDS_PER_VOTER_MAX),
            table("round changes", consensus.round_changes, n),
            table("proposals", consensus.proposals, BLOCKS_MAX),
            table("votes", self.finality.n_transactions(), voted.saturating_add(known)),
            table("unknown bytes", self.finality.unknown_bytes(), UNKNOWN_BYTES_PER_VOTER_MAX * n),
        ]
    }

    /// Every table that votes on transactions fill. Nothing of an epoch is left in any of them
    /// when the next has begun and no transaction waits: their baseline is no entry at all.
    pub fn vote_tables(&self) -> impl Iterator<Item = TableSize> {
        let recorded = &self.recorded;
        let own = [
            ("recorded transactions", recorded.transactions.len()),
            ("recorded batches", recorded.batches.len()),
            ("recorded certificates", recorded.certificates.len()),
            ("restored transactions", self.restored.len()),
            ("inventories", self.inventories.len()),
        ];
        let all = self.finality.tables().into_iter().chain(self.guard.tables()).chain(own);
        all.map(|(name, len)| TableSize { name, len, len_max: 0 })
    }
}
