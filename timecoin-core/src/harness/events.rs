//! What a simulated node tells, in the words of a real one.

use std::sync::Arc;

use crate::engine::output::Event;
use crate::node::{NodeEvent, NodeEventKind};
use crate::sim::SimEvent;

impl From<&SimEvent> for NodeEvent {
    fn from(told: &SimEvent) -> Self {
        let kind = match told.event.clone() {
            Event::Transaction { transaction, status } => {
                NodeEventKind::TransactionStatus { txid: transaction.txid(), status }
            }
            Event::Block(commit) => NodeEventKind::BlockConfirmed {
                height: commit.height(),
                hash: commit.connected.block.hash(),
                block: Arc::clone(commit.connected.block.block()),
                certificate: Arc::new(commit.certificate.clone()),
            },
            Event::RoundChanged { height, round } => NodeEventKind::RoundChanged { height, round },
            Event::EpochBegan { epoch } => NodeEventKind::EpochBegan { epoch },
            Event::EvidenceFound(evidence) => {
                NodeEventKind::EvidenceFound { evidence: Arc::from(evidence) }
            }
            Event::SignatureRefused { what } => {
                NodeEventKind::SignatureRefused { what: what.into() }
            }
            Event::Observing { reason } => NodeEventKind::Observing { reason: reason.into() },
            Event::SafetyViolation(violation) => NodeEventKind::from(&*violation),
        };
        NodeEvent { sequence: told.sequence, at: told.clock, kind }
    }
}
