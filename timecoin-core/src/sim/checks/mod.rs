//! What must hold whatever happens: invariants I1 to I8, I10 and I13 of the project's test plan,
//! looked at after every event in forms that cost little. Scenarios look for I9 and I12, and
//! whoever runs one twice for I11.

mod chain;
mod finality;
mod ledger;
mod promises;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::clock::SimTime;
use chain::ChainCheck;
use finality::FinalityCheck;
use promises::Promises;

use crate::engine::output::{BlockCommit, Event, Record};
use crate::engine::{Engine, TableSize};
use crate::ledger::view::UtxoView;
use crate::params::Chain;
use crate::types::chain::Epoch;
use crate::types::evidence::Evidence;
use crate::types::hash::Txid;
use crate::types::keys::PublicKey;
use crate::types::map::HashMap;
use crate::types::masternode_set::MasternodeSet;
use crate::types::message::Message;
use crate::types::transaction::{OutPoint, Transaction};

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which one, as in `I1 agreement`.
    pub check: &'static str,
    /// What was found.
    pub message: String,
    /// The seed of the run.
    pub seed: u64,
    /// The number of the event after which it was found.
    pub step: u64,
    /// When that was.
    pub at: SimTime,
    /// The command that repeats the run.
    pub replay: Option<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { check, message, seed, step, at, .. } = self;
        write!(f, "{check}: {message} (seed {seed}, step {step}, {at})")?;
        match &self.replay {
            Some(command) => write!(f, "\nreplay with: {command}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

/// An invariant and how it was broken.
pub(super) type Broken = (&'static str, String);

/// What is known of everybody: who is Byzantine, which sets there were, what transactions claim.
#[derive(Clone, Debug, Default)]
pub(super) struct Knowledge {
    pub(super) byzantine: Vec<PublicKey>,
    pub(super) sets: BTreeMap<Epoch, MasternodeSet>,
    pub(super) claims: HashMap<Txid, Arc<[OutPoint]>>,
}

impl Knowledge {
    /// How many members of a set are Byzantine.
    pub(super) fn n_byzantine(&self, set: &MasternodeSet) -> usize {
        self.byzantine.iter().filter(|key| set.index_of(key).is_some()).count()
    }

    fn learn(&mut self, transaction: &Transaction) {
        let txid = transaction.txid();
        self.claims.entry(txid).or_insert_with(|| transaction.claims().collect());
    }
}

/// All checks of one simulation.
#[derive(Clone, Debug)]
pub(super) struct Checks {
    chain_params: Chain,
    pub(super) known: Knowledge,
    promises: Promises,
    finality: FinalityCheck,
    chain: ChainCheck,
}

impl Checks {
    pub(super) fn new(chain: &Chain, n_nodes: usize) -> Self {
        let mut known = Knowledge::default();
        known.sets.insert(Epoch::ZERO, chain.first_set().clone());
        Checks {
            chain_params: chain.clone(),
            known,
            promises: Promises::new(n_nodes),
            finality: FinalityCheck::default(),
            chain: ChainCheck::new(chain),
        }
    }

    /// A node was added.
    pub(super) fn add_node(&mut self) {
        self.promises.add_node();
    }

    /// Notes what transactions claim, whoever sends them.
    pub(super) fn learn(&mut self, message: &Message) {
        match message {
            Message::Transaction(transaction) => self.known.learn(transaction),
            Message::DoubleSpend(pair) => {
                self.known.learn(&pair.first);
                self.known.learn(&pair.second);
            }
            Message::Proposal(proposal) => {
                proposal.block.transactions.iter().for_each(|tx| self.known.learn(tx));
            }
            _ => {}
        }
    }

    /// An honest node sends a message.
    pub(super) fn on_send(
        &mut self,
        node: usize,
        message: &Message,
        is_recorded: impl Fn(&crate::types::keys::Signature) -> bool,
    ) -> Result<(), Broken> {
        self.promises.on_send(node, message, &self.known, is_recorded)?;
        if let Message::Votes(batch) = message {
            self.finality.on_votes(batch, &self.known, &self.chain_params)?;
        }
        Ok(())
    }

    /// An honest node decided a block; `is_first` where no other did before.
    pub(super) fn on_block(
        &mut self,
        node: usize,
        commit: &Arc<BlockCommit>,
        archived: Option<&Arc<BlockCommit>>,
    ) -> Result<(), Broken> {
        match archived {
            Some(archived) => self.chain.on_block_again(commit, archived)?,
            None => {
                let state = &commit.connected.state;
                self.chain.on_block(&self.chain_params, commit, &self.known)?;
                self.known.sets.insert(state.epoch(&self.chain_params), state.masternodes.clone());
                while self.known.sets.len() > SETS_MAX {
                    self.known.sets.pop_first();
                }
                for transaction in &commit.connected.block.block().transactions {
                    self.known.learn(transaction);
                }
                self.finality.on_block(commit, &self.chain_params)?;
            }
        }
        self.promises.on_block(node, commit, &self.chain_params);
        Ok(())
    }

    /// Lets go of what was known of a block of an epoch that no node is in any more. What is
    /// forgotten can't be taken for unspent: the slow ledger holds what is.
    pub(super) fn forget_block(&mut self, commit: &BlockCommit) {
        for transaction in &commit.connected.block.block().transactions {
            let txid = transaction.txid();
            let claims = self.known.claims.remove(&txid);
            self.finality.forget(&txid, claims.as_deref().unwrap_or(&[]));
            self.promises.forget_settled(claims.as_deref().unwrap_or(&[]));
        }
    }

    /// An honest node tells its readers of something.
    pub(super) fn on_event(&mut self, event: &Event) -> Result<(), Broken> {
        match event {
            Event::EvidenceFound(evidence) => self.check_evidence(evidence),
            Event::SignatureRefused { what } => {
                Err(("I6 sign guard", format!("a signature was refused: {what}")))
            }
            Event::SafetyViolation(violation) => {
                let height = violation.height();
                Err(("I1 agreement", format!("a node saw two certificates at height {height}")))
            }
            _ => Ok(()),
        }
    }

    fn check_evidence(&self, evidence: &Evidence) -> Result<(), Broken> {
        if self.known.byzantine.contains(&evidence.offender) {
            return Ok(());
        }
        let text = format!("evidence names the honest masternode {:?}", evidence.offender);
        Err(("I10 evidence", text))
    }

    /// An honest node took up again what its disk holds.
    pub(super) fn on_restart(
        &self,
        node: usize,
        engine: &Engine,
        view: &dyn UtxoView,
    ) -> Result<(), Broken> {
        self.promises.on_restart(node, engine, view, &self.chain_params)
    }

    /// I8: every table of an engine is within its bound.
    pub(super) fn on_sizes(&self, node: usize, sizes: &[TableSize]) -> Result<(), Broken> {
        for TableSize { name, len, len_max } in sizes {
            if len > len_max {
                let text = format!("node {node}: {len} in {name}, at most {len_max}");
                return Err(("I8 bounds", text));
            }
        }
        Ok(())
    }

    /// A node lost what it promised, and knows it or is Byzantine.
    pub(super) fn forget(&mut self, node: usize) {
        self.promises.forget(node);
    }

    /// A record became durable.
    pub(super) fn on_record(
        &mut self,
        node: usize,
        record: &Record,
        is_byzantine: bool,
    ) -> Result<(), Broken> {
        if let Record::Votes { transactions, .. } = record {
            transactions.iter().for_each(|transaction| self.known.learn(transaction));
        }
        if is_byzantine { Ok(()) } else { self.promises.on_record(node, record) }
    }
}

/// Epochs whose sets are kept.
const SETS_MAX: usize = 4;

#[cfg(test)]
mod tests;
