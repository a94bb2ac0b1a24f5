//! Going back: a snapshot is everything that a run depends on, and can be taken, kept and gone
//! back to as often as one likes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::checks::{Checks, Failure};
use super::clock::SimTime;
use super::events::EventLog;
use super::journal::Journal;
use super::metrics::Metrics;
use super::network::Network;
use super::node::SimNode;
use super::random::Random;
use super::run::Scheduled;
use super::trace::Trace;
use super::wire::Memo;
use super::workload::Wallets;
use super::{Archive, Simulation, Submitted};
use crate::types::keys::PublicKey;

/// The state of a simulation at one moment.
#[derive(Clone)]
pub struct Snapshot {
    now: SimTime,
    step: u64,
    n_scheduled: u64,
    queue: BTreeMap<(SimTime, u64), Scheduled>,
    nodes: Vec<SimNode>,
    keys: Arc<Vec<PublicKey>>,
    network: Network,
    archive: Archive,
    checks: Checks,
    trace: Trace,
    journal: Journal,
    events: EventLog,
    wallets: Wallets,
    metrics: Metrics,
    answers: BTreeMap<u64, Submitted>,
    next_ticket: u64,
    failure: Option<Failure>,
    randoms: [Random; 3],
}

impl Snapshot {
    /// The digest of the simulation when it was taken.
    pub fn digest(&self) -> [u8; 32] {
        self.trace.digest()
    }
}

impl Simulation {
    /// Takes a snapshot.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            now: self.now,
            step: self.step,
            n_scheduled: self.n_scheduled,
            queue: self.queue.clone(),
            nodes: self.nodes.clone(),
            keys: Arc::clone(&self.keys),
            network: self.network.clone(),
            archive: self.archive.clone(),
            checks: self.checks.clone(),
            trace: self.trace.clone(),
            journal: self.journal.clone(),
            events: self.events.clone(),
            wallets: self.wallets.clone(),
            metrics: self.metrics.clone(),
            answers: self.answers.clone(),
            next_ticket: self.next_ticket,
            failure: self.failure.clone(),
            randoms: [
                self.random_disk.clone(),
                self.random_workload.clone(),
                self.random_strategy.clone(),
            ],
        }
    }

    /// Goes back to a snapshot of this simulation or of one that it was forked from. The
    /// snapshot can be used again.
    pub fn revert(&mut self, snapshot: &Snapshot) {
        let Snapshot { randoms: [disk, workload, strategy], .. } = snapshot.clone();
        let snapshot = snapshot.clone();
        self.now = snapshot.now;
        self.step = snapshot.step;
        self.n_scheduled = snapshot.n_scheduled;
        self.queue = snapshot.queue;
        self.nodes = snapshot.nodes;
        self.keys = snapshot.keys;
        self.network = snapshot.network;
        self.archive = snapshot.archive;
        self.checks = snapshot.checks;
        self.trace = snapshot.trace;
        self.journal = snapshot.journal;
        self.events = snapshot.events;
        self.wallets = snapshot.wallets;
        self.metrics = snapshot.metrics;
        self.answers = snapshot.answers;
        self.next_ticket = snapshot.next_ticket;
        self.failure = snapshot.failure;
        self.random_disk = disk;
        self.random_workload = workload;
        self.random_strategy = strategy;
    }

    /// An independent copy that goes on from here.
    pub fn fork(&self) -> Simulation {
        let Snapshot { randoms: [disk, workload, strategy], .. } = self.snapshot();
        let snapshot = self.snapshot();
        Simulation {
            config: Arc::clone(&self.config),
            chain: self.chain.clone(),
            memo: Memo::new(self.config.verify_everywhere),
            now: snapshot.now,
            step: snapshot.step,
            n_scheduled: snapshot.n_scheduled,
            queue: snapshot.queue,
            nodes: snapshot.nodes,
            keys: snapshot.keys,
            network: snapshot.network,
            archive: snapshot.archive,
            checks: snapshot.checks,
            trace: snapshot.trace,
            journal: snapshot.journal,
            events: snapshot.events,
            wallets: snapshot.wallets,
            metrics: snapshot.metrics,
            answers: snapshot.answers,
            next_ticket: snapshot.next_ticket,
            failure: snapshot.failure,
            random_disk: disk,
            random_workload: workload,
            random_strategy: strategy,
        }
    }
}

#[cfg(test)]
mod tests;
