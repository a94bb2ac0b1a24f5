//! What the handles, the driver and the writer of one node have in common.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use super::actions::{Action, Statuses};
use super::clock::Clock;
use super::config::Config;
use super::driver;
use super::error::NodeError;
use super::event::NodeEventKind;
use super::events::Hub;
use super::gate::Gate;
use super::inbox::Inbox;
use super::known_keys::KnownPoints;
use super::metrics::Metrics;
use super::peers::{Peers, serve};
use super::proofs::Proofs;
use super::published::Published;
use super::state::Life;
use super::verified_cache::VerifiedCache;
use crate::engine::Settled;
use crate::engine::output::{BlockCommit, Event, TransactionStatus, Violation};
use crate::params::Chain;
use crate::storage::interface::{Incident, Storage};
use crate::types::chain::Epoch;
use crate::types::verified::VerifiedTransaction;

/// One node, as its threads share it. Tasks hold this and never the runtime that they run on.
pub(super) struct Shared {
    pub(super) chain: Chain,
    pub(super) config: Config,
    pub(super) storage: Arc<dyn Storage>,
    pub(super) published: Published,
    pub(super) hub: Hub,
    pub(super) metrics: Metrics,
    pub(super) clock: Clock,
    pub(super) life: Life,
    /// Ends driver and writer.
    pub(super) halt: CancellationToken,
    pub(super) inbox: Inbox<driver::Request>,
    pub(super) verified: Arc<VerifiedCache>,
    pub(super) known_keys: KnownPoints,
    /// What the engine has a quorum for: a message about that needs no check.
    pub(super) settled: ArcSwap<Settled>,
    pub(super) proofs: Proofs,
    pub(super) peers: Arc<dyn Peers>,
    /// The driver waits while it is shut.
    pub(super) gate: Gate,
    /// Nothing more gets out, to the disk or to anybody.
    pub(super) is_crashed: AtomicBool,
    /// Signs nothing until the next epoch.
    pub(super) is_observer: AtomicBool,
    /// Questions of peers that are being answered from the store.
    pub(super) n_serving: AtomicUsize,
    /// Vote records of epochs before this one may be dropped.
    pub(super) retire_before: AtomicU64,
}

impl Shared {
    pub(super) fn perform(self: &Arc<Self>, action: Action, statuses: &mut Statuses) {
        if self.is_crashed() {
            return;
        }
        match action {
            Action::Send(to, message) => {
                self.metrics.messages_sent.add(1);
                self.peers.send(to, *message);
            }
            Action::Serve(to, request) => serve(self, to, request),
            Action::Answer(reply, answer) => {
                if answer.is_err() {
                    self.metrics.refused.add(1);
                }
                reply.set(answer.map_err(NodeError::from));
            }
            Action::Notify(event) => self.on_event(event, statuses),
        }
    }

    /// Whether it ended as the end of a process would end it.
    pub(super) fn is_crashed(&self) -> bool {
        self.is_crashed.load(Ordering::SeqCst)
    }

    /// Stops writing for good. The first reason counts.
    pub(super) fn poison(&self, reason: &str) {
        if self.is_crashed() || !self.life.poison(reason) {
            return;
        }
        tracing::error!(reason, "the node stops writing");
        let reason: Arc<str> = reason.into();
        self.publish(|| NodeEventKind::Poisoned { reason });
        self.published.wake_all();
        self.halt.cancel();
    }

    /// Tells of two certified blocks at one height and stops: the record of it is on disk.
    pub(super) fn on_violation(&self, violation: &Violation) {
        self.publish(|| NodeEventKind::from(violation));
        self.poison(&violation.to_string());
    }

    /// Tells of what befell the store, and stops where it can't go on.
    pub(super) fn on_incident(&self, incident: Incident) {
        if self.is_crashed() {
            return;
        }
        match incident {
            Incident::Repaired(what) => {
                tracing::warn!(what, "the store repaired itself");
                self.publish(|| NodeEventKind::Repaired { what: what.into() });
            }
            Incident::Lost(reason) => self.poison(&reason),
        }
    }

    /// Why nothing more can be written, for those whose requests are left.
    pub(super) fn refusal(&self) -> NodeError {
        self.life.check_running().err().unwrap_or(NodeError::Closed)
    }

    pub(super) fn publish(&self, kind: impl FnOnce() -> NodeEventKind) {
        self.hub.publish(&self.clock, kind);
    }

    fn on_event(&self, event: Event, statuses: &mut Statuses) {
        match event {
            Event::Transaction { transaction, status } => {
                let txid = transaction.txid();
                if status == TransactionStatus::Pending {
                    self.peers.on_pending(&txid);
                }
                if let Some(last) = statuses.take(&txid) {
                    self.show_status(&transaction, &last, statuses.began);
                }
                self.publish(|| NodeEventKind::TransactionStatus { txid, status });
            }
            Event::Block(commit) => {
                statuses.pass_block();
                self.on_block(&commit);
            }
            Event::RoundChanged { height, round } => {
                self.metrics.rounds.add(1);
                self.published.on_round(round.0);
                self.publish(|| NodeEventKind::RoundChanged { height, round });
            }
            Event::EpochBegan { epoch } => self.on_epoch(epoch),
            Event::EvidenceFound(evidence) => {
                self.metrics.evidence.add(1);
                tracing::warn!(offender = %evidence.offender, "masternode contradicted itself");
                self.publish(|| NodeEventKind::EvidenceFound { evidence: Arc::from(evidence) });
            }
            Event::SignatureRefused { what } => {
                self.metrics.signatures_refused.add(1);
                tracing::error!(what, "the sign guard refused to sign");
                self.publish(|| NodeEventKind::SignatureRefused { what: what.into() });
            }
            Event::Observing { reason } => {
                self.is_observer.store(true, Ordering::Relaxed);
                tracing::warn!(reason, "this masternode observes until the next epoch");
                self.publish(|| NodeEventKind::Observing { reason: reason.into() });
            }
            Event::SafetyViolation(violation) => self.on_violation(&violation),
        }
    }

    /// Lets readers see how far a transaction is that was first seen at `now`, if not before.
    fn show_status(
        &self,
        transaction: &VerifiedTransaction,
        status: &TransactionStatus,
        now: Instant,
    ) {
        if let Some(took) = self.published.on_transaction(transaction, status, now) {
            self.metrics.finalized.add(1);
            self.metrics.finality.observe(took);
        }
    }

    fn on_block(&self, commit: &BlockCommit) {
        let block = &commit.connected.block;
        self.metrics.finalized.add(self.published.on_block(commit));
        self.metrics.blocks.add(1);
        self.metrics.confirmed.add(block.transactions().len());
        let (height, hash) = (block.height(), block.hash());
        for transaction in block.transactions() {
            self.verified.forget(transaction);
            let (txid, status) = (transaction.txid(), TransactionStatus::Confirmed(height));
            self.publish(|| NodeEventKind::TransactionStatus { txid, status });
        }
        self.peers.on_block();
        tracing::info!(%height, %hash, n_transactions = block.transactions().len(), "block");
        self.publish(|| NodeEventKind::BlockConfirmed {
            height,
            hash,
            block: Arc::clone(block.block()),
            certificate: Arc::new(commit.certificate.clone()),
        });
    }

    fn on_epoch(&self, epoch: Epoch) {
        self.is_observer.store(false, Ordering::Relaxed);
        self.retire_before.store(epoch.0, Ordering::Relaxed);
        self.publish(|| NodeEventKind::EpochBegan { epoch });
    }
}
