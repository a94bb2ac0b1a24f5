//! What a node has on disk, and what a crash leaves of it (PROTOCOL 6).
//!
//! Two logs as in the real store, blocks and votes. One flush appends the blocks of a batch
//! and syncs them, then its vote records; a crash in between leaves some of the blocks and no
//! vote, or all blocks and some of the votes. A record that was written in part is cut away
//! when the log is opened: it counts as not written.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::random::Random;
use crate::engine::output::{BlockCommit, Record};
use crate::ledger::state::LedgerState;
use crate::params::Chain;
use crate::types::chain::{Epoch, Height};
use crate::types::keys::Signature;

/// Something that is written.
#[derive(Clone, Debug)]
pub(super) enum Write {
    Record(Arc<Record>),
    Block(Arc<BlockCommit>),
}

/// When a node crashes in the course of a flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashPoint {
    /// Nothing was written.
    BeforeFlush,
    /// Some of it was written.
    DuringFlush,
    /// All of it is on disk, and nothing that waited for it was done.
    AfterFlush,
}

/// The disk of one node. A clone is a backup.
#[derive(Clone, Debug)]
pub struct Disk {
    tip: Option<Arc<BlockCommit>>,
    records: Vec<Arc<Record>>,
    /// Until this epoch is over the node may have signed what is not recorded.
    lost_in: Option<Epoch>,
    is_full: bool,
    pub(super) flush_latency: Duration,
    pub(super) n_flushes: u64,
}

impl Disk {
    pub(super) fn new(flush_latency: Duration) -> Self {
        Disk {
            tip: None,
            records: Vec::new(),
            lost_in: None,
            is_full: false,
            flush_latency,
            n_flushes: 0,
        }
    }

    /// The height of the last durable block.
    pub fn height(&self) -> Height {
        self.tip.as_ref().map_or(Height::ZERO, |commit| commit.height())
    }

    /// The ledger after the last durable block.
    pub(super) fn state(&self, chain: &Chain) -> LedgerState {
        match &self.tip {
            Some(commit) => commit.connected.state.clone(),
            None => LedgerState::genesis(chain),
        }
    }

    /// The durable vote records, in order.
    pub fn records(&self) -> &[Arc<Record>] {
        &self.records
    }

    /// Whether the node must observe for the rest of the epoch.
    pub(super) fn must_observe(&self, chain: &Chain) -> bool {
        let epoch = self.state(chain).epoch(chain);
        self.lost_in.is_some_and(|lost_in| lost_in >= epoch)
    }

    /// Whether nothing more can be written.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// Fills the disk, or makes room.
    pub(super) fn set_full(&mut self, is_full: bool) {
        self.is_full = is_full;
    }

    /// Writes and syncs a batch.
    pub(super) fn flush<'a>(&mut self, writes: impl Iterator<Item = &'a Write>, chain: &Chain) {
        self.n_flushes += 1;
        let mut has_new_epoch = false;
        for write in writes {
            match write {
                Write::Record(record) => self.records.push(Arc::clone(record)),
                Write::Block(commit) => {
                    has_new_epoch |= chain.params().is_epoch_end(commit.height());
                    self.tip = Some(Arc::clone(commit));
                }
            }
        }
        if has_new_epoch {
            let epoch = self.state(chain).epoch(chain);
            self.records.retain(|record| record.epoch() >= epoch);
        }
    }

    /// What a crash lets through of a batch: some of the blocks, or all of them and some of the
    /// vote records.
    pub(super) fn part_of(writes: Vec<Write>, random: &mut Random) -> Vec<Write> {
        let is_block = |write: &Write| matches!(write, Write::Block(_));
        let (blocks, votes): (Vec<Write>, Vec<Write>) = writes.into_iter().partition(is_block);
        let n_blocks = random.index(blocks.len() + 1);
        let n_votes = if n_blocks < blocks.len() { 0 } else { random.index(votes.len() + 1) };
        blocks.into_iter().take(n_blocks).chain(votes.into_iter().take(n_votes)).collect()
    }

    /// Bits flipped in the middle of the vote log: opening it moves it aside, and the node
    /// observes until the epoch is over.
    pub(super) fn damage_votes(&mut self, chain: &Chain) {
        self.records.clear();
        self.lost_in = Some(self.state(chain).epoch(chain));
    }

    /// An empty disk in place of this one, by an operator who knows that the node may have
    /// voted until `epoch`.
    pub(super) fn wipe(&mut self, epoch: Epoch) {
        *self = Disk { lost_in: Some(epoch), ..Disk::new(self.flush_latency) };
    }

    /// The vote log is empty, and nothing shows it.
    pub(super) fn forget_votes(&mut self) {
        self.records.clear();
    }

    /// Everything that a durable record holds this node's signature under.
    pub(super) fn signatures(&self) -> BTreeSet<Signature> {
        self.records.iter().filter_map(|record| signature_of(record)).collect()
    }
}

/// The own signature in a record.
pub(super) fn signature_of(record: &Record) -> Option<Signature> {
    match record {
        Record::Votes { batch, .. } => Some(batch.signature),
        Record::Ballot { ballot, .. } => Some(ballot.signature),
        Record::Frozen(_) | Record::Observing(_) | Record::Violation(_) => None,
    }
}
