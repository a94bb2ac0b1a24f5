//! Something that can be shut, and a task that then waits in front of it.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Open from the start.
#[derive(Debug, Default)]
pub(super) struct Gate {
    is_shut: AtomicBool,
    opened: Notify,
}

impl Gate {
    pub(super) fn shut(&self) {
        self.is_shut.store(true, Ordering::SeqCst);
    }

    pub(super) fn open(&self) {
        self.is_shut.store(false, Ordering::SeqCst);
        self.opened.notify_waiters();
    }

    pub(super) fn is_shut(&self) -> bool {
        self.is_shut.load(Ordering::SeqCst)
    }

    /// Waits while it is shut.
    pub(super) async fn pass(&self) {
        loop {
            // Made before the look, so that an opening between the two is not missed.
            let opened = self.opened.notified();
            if !self.is_shut() {
                return;
            }
            opened.await;
        }
    }
}
