//! One attempt to get the outputs: how far it is, and what has to be kept of it to go on after the
//! end of the process.

use std::collections::BTreeSet;

use borsh::{BorshDeserialize, BorshSerialize};

use super::overlay::{Covered, Delta, Overlay};
use super::trail::Foothold;
use crate::ledger::state::LedgerState;
use crate::ledger::view::OutputPage;
use crate::types::chain::{Height, Timestamp};
use crate::types::keys::PublicKey;
use crate::types::transaction::OutPoint;

/// What is kept of an attempt, in order.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Record {
    /// Where headers are to be followed from.
    Foothold(Box<Foothold>),
    /// The next outputs, and who sent them.
    Page {
        /// Who.
        peer: PublicKey,
        /// Whether they are the last.
        is_last: bool,
        /// The outputs.
        page: OutputPage,
    },
    /// What the next block changed in those that are here.
    Delta(Delta),
}

/// Everything up to `covered` is as it is after the block at `height`.
#[derive(Clone)]
pub(super) struct Attempt {
    /// None before the first page.
    pub(super) height: Option<Height>,
    pub(super) covered: Covered,
    pub(super) overlay: Overlay,
    pub(super) n_outputs: u64,
    /// Whose pages it has.
    pub(super) contributors: BTreeSet<PublicKey>,
    /// Who is asked for pages, as long as it answers.
    pub(super) source: Option<PublicKey>,
    /// Whether nobody else may be asked for pages.
    pub(super) is_of_one: bool,
    pub(super) waiting: Option<Waiting>,
    pub(super) is_finishing: bool,
}

/// An answer of a later block than the attempt has come to.
#[derive(Clone)]
pub(super) struct Waiting {
    pub(super) peer: PublicKey,
    pub(super) height: Height,
    pub(super) since: Timestamp,
    pub(super) what: Awaited,
}

#[derive(Clone)]
pub(super) enum Awaited {
    Page { is_last: bool, page: OutputPage },
    State { is_checked: bool, state: Box<LedgerState> },
}

impl Attempt {
    pub(super) fn new(is_of_one: bool) -> Self {
        Attempt {
            height: None,
            covered: Covered::Nothing,
            overlay: Overlay::default(),
            n_outputs: 0,
            contributors: BTreeSet::new(),
            source: None,
            is_of_one,
            waiting: None,
            is_finishing: false,
        }
    }

    /// The output behind which the next page begins.
    pub(super) fn cursor(&self) -> Option<OutPoint> {
        match self.covered {
            Covered::UpTo(last) => Some(last),
            Covered::Nothing | Covered::All => None,
        }
    }

    pub(super) fn is_covered(&self) -> bool {
        self.covered == Covered::All
    }

    /// Follows what was recorded.
    pub(super) fn apply(&mut self, record: &Record) {
        match record {
            Record::Foothold(_) => {}
            Record::Page { peer, is_last, page } => {
                self.height = Some(page.height);
                self.contributors.insert(*peer);
                self.n_outputs += page.outputs.len() as u64;
                if let Some((last, _)) = page.outputs.last() {
                    self.covered = Covered::UpTo(*last);
                }
                if *is_last {
                    self.covered = Covered::All;
                }
            }
            Record::Delta(delta) => {
                self.height = Some(delta.height);
                self.overlay.apply(delta);
            }
        }
    }
}
