//! What to ask of whom for a node that begins with the unspent outputs instead of the blocks.
//!
//! Peers keep no copy of an older set: each page is of the block that is the last there. So a part
//! that is here is moved on: everything up to the last output that came is as it is after one block
//! (`attempt.rs`), and before a page of a later block is taken, the blocks between are fetched and
//! what they change in that part is noted. What lies behind comes with later pages. So pages may
//! come from any peer at any time, and an attempt goes on after the end of the process.
//!
//! Headers are followed from the genesis first. They say which blocks are decided, and when all
//! outputs are here, what the state after the last of these blocks must be: a header commits to
//! everything. Only then is anything believed. A page can't be proved by itself, so who sent wrong
//! ones is known only where it sent them all: after an attempt that fails, the next is of one peer.

mod answers;
mod asking;
mod attempt;
mod overlay;
mod proof;
mod trail;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use self::attempt::Record;
use self::attempt::{Attempt, Waiting};
pub use self::overlay::{Delta, Overlay};
pub use self::proof::StateError;
use self::trail::Trail;
pub use self::trail::{Certified, Foothold};
use super::headers::Anchor;
use super::questions::{QuestionLimits, Questions};
use crate::ledger::state::LedgerState;
use crate::params::Chain;
use crate::types::chain::{Height, Timestamp};
use crate::types::hash::BlockHash;
use crate::types::keys::PublicKey;
use crate::types::transaction::OutPoint;

/// Decides what to ask, and judges what is answered.
pub struct Snapshot {
    chain: Chain,
    limits: SnapshotLimits,
    /// Orders peers that are alike, so that nobody can choose a key that comes first.
    seed: u64,
    trail: Trail,
    /// Whether the trail begins where an earlier life was.
    is_restored: bool,
    questions: Questions<Question>,
    attempt: Attempt,
    /// Who took part in attempts that failed, and in how many.
    suspects: BTreeMap<PublicKey, u32>,
    /// Who sent all of one.
    liars: BTreeSet<PublicKey>,
    outputs: VecDeque<Output>,
    /// The foothold that was recorded last.
    recorded: Option<Height>,
    /// When something was recorded last; none where that is to be noted.
    went_on: Option<Timestamp>,
    bytes: u64,
}

/// Bounds of a snapshot.
#[derive(Clone, Debug)]
pub struct SnapshotLimits {
    /// Outputs asked for at once. Default 25,000: 1.8 MB.
    pub page_outputs: u16,
    /// Blocks asked for at once. Default 64.
    pub page_blocks: u16,
    /// Headers asked for at once. Default 256.
    pub page_headers: u16,
    /// Outputs that are taken at most, so that nobody fills the disk with outputs that there are
    /// not. Default 100 million: 7.3 GB.
    pub outputs_max: u64,
    /// Blocks that are fetched at most to move on what is here; behind more of them it begins
    /// anew. Default 10,000.
    pub gap_blocks_max: u64,
    /// How peers are asked.
    pub questions: QuestionLimits,
    /// How long the height of an answer may go without a header that proves it, in milliseconds.
    /// Default 20,000.
    pub prove_ms_max: u64,
    /// How long nothing may come while peers are only behind what is here, before it begins anew,
    /// in milliseconds. Default 120,000.
    pub stuck_ms_max: u64,
}

impl Default for SnapshotLimits {
    fn default() -> Self {
        SnapshotLimits {
            page_outputs: 25_000,
            page_blocks: 64,
            page_headers: 256,
            outputs_max: 100_000_000,
            gap_blocks_max: 10_000,
            questions: QuestionLimits::default(),
            prove_ms_max: 20_000,
            stuck_ms_max: 120_000,
        }
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Headers of decided blocks, and a certificate of the last.
    Headers {
        /// The first.
        from: Height,
        /// How many.
        count: u16,
    },
    /// Decided blocks.
    Blocks {
        /// The first.
        from: Height,
        /// How many.
        count: u16,
    },
    /// Unspent outputs, ascending.
    Outputs {
        /// Behind which; from the first on where there is none.
        after: Option<OutPoint>,
        /// How many.
        count: u16,
    },
    /// The ledger state.
    State,
}

/// A question to put to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// To whom.
    pub peer: PublicKey,
    /// Names the answer.
    pub id: u64,
    /// What.
    pub what: Question,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Output {
    /// Ask.
    Ask(Ask),
    /// Keep a record behind those before.
    Keep(Record),
    /// Forget all records.
    Forget,
    /// A peer sent what no honest one sends.
    Blame(PublicKey),
    /// All outputs came. They must have the hash that this state says, once they are merged with
    /// the changes ([`Snapshot::overlay`]); where they have not, [`Snapshot::on_mismatch`].
    Finish(Box<LedgerState>),
}

/// How far a snapshot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotProgress {
    /// The last block that headers prove.
    pub headers: Height,
    /// The height that most is claimed by a peer that answers.
    pub target: Height,
    /// Outputs that came.
    pub n_outputs: u64,
    /// Bytes of outputs, blocks and headers that came.
    pub bytes: u64,
    /// Peers that can be asked.
    pub n_peers: usize,
}

/// A peer, and what it says it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotPeer {
    /// Its key.
    pub key: PublicKey,
    /// The last block.
    pub height: Height,
    /// The first.
    pub first_block: Height,
}

impl Snapshot {
    /// Nothing is here, and nobody known. Peers that are alike are asked in an order that depends
    /// on `seed`.
    pub fn new(chain: Chain, limits: SnapshotLimits, seed: u64) -> Self {
        Snapshot {
            trail: Trail::new(genesis(&chain)),
            is_restored: false,
            chain,
            questions: Questions::new(limits.questions.clone()),
            limits,
            seed,
            attempt: Attempt::new(false),
            suspects: BTreeMap::new(),
            liars: BTreeSet::new(),
            outputs: VecDeque::new(),
            recorded: None,
            went_on: None,
            bytes: 0,
        }
    }

    /// Takes up what an earlier life recorded, in order, before anything else.
    pub fn restore(&mut self, record: &Record) {
        if let Record::Foothold(foothold) = record {
            self.recorded = Some(foothold.anchor.height);
            self.trail = Trail::new((**foothold).clone());
            self.is_restored = true;
        }
        self.attempt.apply(record);
    }

    /// The peers that are connected, all of them. What was asked of others is asked again.
    pub fn on_peers(&mut self, connected: &[SnapshotPeer]) {
        let is_here = |key: &PublicKey| connected.iter().any(|peer| peer.key == *key);
        self.questions.retain(is_here);
        for SnapshotPeer { key, height, first_block } in connected {
            let source = self.questions.peers.entry(*key).or_default();
            (source.height, source.first_block) = (*height, *first_block);
        }
    }

    /// Where headers are followed from.
    pub fn anchor(&self) -> &Anchor {
        self.trail.end()
    }

    /// What blocks changed in the outputs that came.
    pub fn overlay(&self) -> &Overlay {
        &self.attempt.overlay
    }

    /// How many outputs came.
    pub fn n_outputs(&self) -> u64 {
        self.attempt.n_outputs
    }

    /// How far it is.
    pub fn progress(&self, now: Timestamp) -> SnapshotProgress {
        let usable = || self.questions.peers.values().filter(|source| source.is_usable(now));
        SnapshotProgress {
            headers: self.trail.end().height,
            target: usable().map(|source| source.height).max().unwrap_or_default(),
            n_outputs: self.attempt.n_outputs,
            bytes: self.bytes,
            n_peers: usable().count(),
        }
    }

    /// The outputs have another hash than the state of [`Output::Finish`] says: who sent them all
    /// is a liar, and of several each may be.
    pub fn on_mismatch(&mut self, now: Timestamp) {
        let contributors = std::mem::take(&mut self.attempt.contributors);
        let is_proved = contributors.len() == 1;
        for peer in contributors {
            if is_proved {
                self.liars.insert(peer);
                self.outputs.push_back(Output::Blame(peer));
            } else {
                self.suspect(peer);
            }
            self.questions.demote(&peer, now);
        }
        let is_of_one = self.attempt.is_of_one || !is_proved;
        self.begin_again(is_of_one);
    }

    fn suspect(&mut self, peer: PublicKey) {
        *self.suspects.entry(peer).or_default() += 1;
    }

    fn begin_again(&mut self, is_of_one: bool) {
        self.attempt = Attempt::new(is_of_one);
        (self.recorded, self.went_on) = (None, None);
        if std::mem::take(&mut self.is_restored) {
            // It begins where the attempt was, and others may be behind that.
            self.trail = Trail::new(genesis(&self.chain));
            // Headers that are under way follow from elsewhere.
            self.questions.withdraw(|asked| matches!(asked.what, Question::Headers { .. }));
        }
        self.outputs.push_back(Output::Forget);
    }

    /// Records what is taken, with where to follow headers from, where that has moved on.
    fn keep(&mut self, record: Record, height: Height) {
        self.trail.forget_before(height);
        let foothold = self.trail.foothold(height);
        if self.recorded != Some(foothold.anchor.height) {
            self.recorded = Some(foothold.anchor.height);
            self.outputs.push_back(Output::Keep(Record::Foothold(Box::new(foothold.clone()))));
        }
        self.attempt.apply(&record);
        self.went_on = None;
        self.outputs.push_back(Output::Keep(record));
    }

    fn drop_waiting(&mut self) -> Option<Waiting> {
        self.attempt.waiting.take()
    }
}

/// Where the headers of a chain begin.
fn genesis(chain: &Chain) -> Foothold {
    let hash = BlockHash::from_genesis(chain.id());
    let masternodes = chain.first_set().clone();
    Foothold { anchor: Anchor { height: Height::ZERO, hash, masternodes }, certified: None }
}

#[cfg(test)]
mod tests;
