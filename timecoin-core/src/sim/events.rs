//! What nodes tell, kept for whoever looks later. Off unless asked for.

use std::collections::VecDeque;
use std::sync::Arc;

use super::clock::SimTime;
use crate::engine::output::Event;
use crate::types::chain::Timestamp;

/// Something that a node told.
#[derive(Clone, Debug)]
pub struct SimEvent {
    /// Counts all that nodes told, from 1: a gap is what was not kept.
    pub sequence: u64,
    /// When, in virtual time.
    pub at: SimTime,
    /// Which node.
    pub node: usize,
    /// When by its clock.
    pub clock: Timestamp,
    /// What it told.
    pub event: Event,
}

/// The last of what nodes told.
#[derive(Clone, Debug)]
pub(super) struct EventLog {
    events: VecDeque<Arc<SimEvent>>,
    events_max: usize,
    sequence: u64,
}

impl EventLog {
    pub(super) fn new(events_max: usize) -> Self {
        EventLog { events: VecDeque::new(), events_max, sequence: 0 }
    }

    /// Keeps an event, where any are kept.
    pub(super) fn push(&mut self, at: SimTime, node: usize, clock: Timestamp, event: &Event) {
        self.sequence += 1;
        if self.events_max == 0 {
            return;
        }
        if self.events.len() >= self.events_max {
            self.events.pop_front();
        }
        let (sequence, event) = (self.sequence, event.clone());
        self.events.push_back(Arc::new(SimEvent { sequence, at, node, clock, event }));
    }

    /// Those after a sequence number, the oldest first.
    pub(super) fn after(&self, sequence: u64) -> impl Iterator<Item = &Arc<SimEvent>> {
        let first = self.events.partition_point(|event| event.sequence <= sequence);
        self.events.range(first..)
    }
}
