//! What a net of nodes in one process does to its nodes: let them stand still, let them die, look
//! into them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Node;
use super::driver::{Look, Request};
use super::error::NodeError;
use super::parking::Deadline;

impl Node {
    /// Lets the node stand still: its engine is told nothing and does nothing. What is being
    /// written is finished, and messages wait for it, a bounded number of them.
    pub(crate) fn pause(&self) {
        self.shared().gate.shut();
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.shared().gate.open();
    }

    /// Whether it stands still.
    pub(crate) fn is_paused(&self) -> bool {
        self.shared().gate.is_shut()
    }

    /// Ends the node as the end of its process would: nothing more is written, sent, answered or
    /// told, whatever waits; a write that is under way is finished or not. Its store keeps what
    /// was written and lets go of it without an orderly close.
    ///
    /// # Errors
    /// [`NodeError::Timeout`] where its tasks need longer to notice; they do nothing more.
    pub(crate) fn crash(&self, deadline: Duration) -> Result<(), NodeError> {
        self.shared().is_crashed.store(true, Ordering::SeqCst);
        self.close(deadline)
    }

    /// Shows the engine to `look`, once it has handled what came before. It never waits.
    ///
    /// # Errors
    /// [`NodeError::Busy`] where too much waits; [`NodeError::Closed`].
    pub(crate) fn look(&self, look: Look) -> Result<(), NodeError> {
        self.shared().inbox.push(Request::Look(look), Deadline::after(Duration::ZERO))
    }

    /// Asks for a block without waiting for it.
    pub(crate) fn ask_for_block(&self, deadline: Deadline) -> Result<(), NodeError> {
        self.shared().life.check_running()?;
        self.shared().inbox.push(Request::ProduceBlock, deadline)
    }
}
