//! Transactions that are voted on and that this node does not have.
//!
//! Most of them are on their way: somebody who has a transaction votes before its sender has
//! reached everybody. Only what has not come after a while is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Engine;
use super::input::PeerId;
use super::output::{Halt, To};
use super::request::ANSWERED_MAX;
use crate::ledger::view::UtxoView;
use crate::types::chain::Timestamp;
use crate::types::hash::Txid;
use crate::types::message::{Message, Request};

/// How long a transaction may be behind a vote on it.
const ASK_AFTER: Duration = Duration::from_millis(100);

/// Voters whose transactions are looked for at a time; those of others are when they repeat
/// their votes.
const VOTERS_MAX: usize = 256;

/// What is missing, by who voted on it.
#[derive(Clone, Debug, Default)]
pub(super) struct Unknown {
    missing: BTreeMap<PeerId, BTreeSet<Txid>>,
    ask_at: Option<Timestamp>,
}

impl Unknown {
    /// When to ask for what has not come by then.
    pub(super) fn ask_at(&self) -> Option<Timestamp> {
        self.ask_at
    }

    /// No more of one voter than one answer holds: it repeats what is not decided.
    fn add(&mut self, voter: PeerId, txids: Vec<Txid>, now: Timestamp) {
        if self.missing.len() >= VOTERS_MAX && !self.missing.contains_key(&voter) {
            return;
        }
        let missing = self.missing.entry(voter).or_default();
        let n_free = ANSWERED_MAX.saturating_sub(missing.len());
        missing.extend(txids.into_iter().take(n_free));
        self.ask_at.get_or_insert(now.after(ASK_AFTER));
    }
}

impl Engine {
    /// Votes on these came from a peer before the transactions did.
    pub(super) fn look_for(&mut self, voter: PeerId, txids: Vec<Txid>, now: Timestamp) {
        if !txids.is_empty() {
            self.unknown.add(voter, txids, now);
        }
    }

    /// Asks the voters for what has not come.
    pub(super) fn ask_for_unknown(
        &mut self,
        now: Timestamp,
        utxos: &dyn UtxoView,
    ) -> Result<(), Halt> {
        if self.unknown.ask_at.take_if(|at| *at <= now).is_none() {
            return Ok(());
        }
        for (voter, txids) in std::mem::take(&mut self.unknown.missing) {
            let mut missing = Vec::new();
            for txid in txids {
                let is_here = self.mempool.contains(&txid) || self.mempool.is_waiting(&txid);
                if !is_here && self.decided_view(utxos).confirmed_at(&txid)?.is_none() {
                    missing.push(txid);
                }
            }
            if !missing.is_empty() {
                self.send(To::Peer(voter), Message::Request(Request::Transactions(missing)));
            }
        }
        Ok(())
    }
}
