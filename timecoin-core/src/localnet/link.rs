//! What happened to the messages of one direction of a link.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What happened to the messages that one node sent to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounts {
    /// Sent.
    pub sent: u64,
    /// Taken by the other node, doubled ones twice.
    pub delivered: u64,
    /// Lost since the link is cut or loses messages.
    pub lost: u64,
    /// Lost since too many were under way, or waited at the other node.
    pub overflowed: u64,
    /// Lost since the other node was down.
    pub undeliverable: u64,
    /// Refused by the other node, as no honest node can have sent them.
    pub refused: u64,
}

#[derive(Default)]
pub(super) struct LinkCounters {
    pub(super) sent: AtomicU64,
    pub(super) delivered: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) overflowed: AtomicU64,
    pub(super) undeliverable: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) under_way: AtomicUsize,
}

impl LinkCounters {
    pub(super) fn counts(&self) -> LinkCounts {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LinkCounts {
            sent: get(&self.sent),
            delivered: get(&self.delivered),
            lost: get(&self.lost),
            overflowed: get(&self.overflowed),
            undeliverable: get(&self.undeliverable),
            refused: get(&self.refused),
        }
    }
}
