//! Waiting for what a net will do, and asking it for a block.

use std::thread;
use std::time::Duration;

use super::LocalNet;
use crate::node::{Deadline, Node, NodeError};
use crate::types::chain::Height;
use crate::types::hash::Txid;

impl LocalNet {
    /// Waits until a transaction can never be undone at any honest node that takes part. A node
    /// that goes down meanwhile is not waited for.
    ///
    /// # Errors
    /// As [`Node::wait_finalized`]; [`NodeError::NoneTakesPart`].
    pub fn wait_final_everywhere(&self, txid: &Txid, timeout: Duration) -> Result<(), NodeError> {
        self.wait_everywhere(timeout, |node, left| node.wait_finalized(txid, left).map(drop))
    }

    /// Waits until a transaction is in a decided block at every honest node that takes part.
    ///
    /// # Errors
    /// As [`LocalNet::wait_final_everywhere`].
    pub fn wait_confirmed_everywhere(
        &self,
        txid: &Txid,
        timeout: Duration,
    ) -> Result<(), NodeError> {
        self.wait_everywhere(timeout, |node, left| node.wait_confirmed(txid, left).map(drop))
    }

    /// Waits until every honest node that takes part has decided the block at `height`.
    ///
    /// # Errors
    /// As [`Node::wait_height`]; [`NodeError::NoneTakesPart`].
    pub fn wait_height_everywhere(
        &self,
        height: Height,
        timeout: Duration,
    ) -> Result<(), NodeError> {
        self.wait_everywhere(timeout, |node, left| node.wait_height(height, left).map(drop))
    }

    /// Waits until `predicate` holds, looked at every millisecond, but no longer than `timeout`.
    /// Says whether it came to hold.
    pub fn wait_until(
        &self,
        mut predicate: impl FnMut(&LocalNet) -> bool,
        timeout: Duration,
    ) -> bool {
        let deadline = Deadline::after(timeout);
        loop {
            if predicate(self) {
                return true;
            }
            let Some(left) = deadline.left() else { return false };
            thread::sleep(left.min(LOOK_EVERY));
        }
    }

    /// Asks every honest node that takes part for a block now, waits until all of them have decided
    /// it, and tells its height.
    ///
    /// # Errors
    /// [`NodeError::Timeout`] where that takes longer; [`NodeError::NoneTakesPart`].
    pub fn produce_block(&self, timeout: Duration) -> Result<Height, NodeError> {
        let deadline = Deadline::after(timeout);
        let height = self.ask_for_block(timeout)?;
        self.wait_height_everywhere(height, deadline.left().unwrap_or_default())?;
        Ok(height)
    }

    /// Asks every honest node that takes part for a block now, and tells the height that it will
    /// have, which [`LocalNet::wait_height_everywhere`] waits for.
    ///
    /// # Errors
    /// As [`LocalNet::produce_block`].
    pub fn ask_for_block(&self, timeout: Duration) -> Result<Height, NodeError> {
        let deadline = Deadline::after(timeout);
        let nodes: Vec<Node> = self.running().map(|(_, node)| node).collect();
        let height = nodes.iter().map(|node| node.tip().height.next()).max();
        let height = height.ok_or_else(|| self.none_takes_part())?;
        for node in &nodes {
            match node.ask_for_block(deadline) {
                Err(NodeError::Closed) => {}
                asked => asked?,
            }
        }
        Ok(height)
    }

    fn wait_everywhere(
        &self,
        timeout: Duration,
        wait: impl Fn(&Node, Duration) -> Result<(), NodeError>,
    ) -> Result<(), NodeError> {
        let deadline = Deadline::after(timeout);
        let mut n_waited = 0;
        for (_, node) in self.running() {
            match wait(&node, deadline.left().unwrap_or_default()) {
                Err(NodeError::Closed) => {}
                waited => {
                    waited?;
                    n_waited += 1;
                }
            }
        }
        if n_waited == 0 { Err(self.none_takes_part()) } else { Ok(()) }
    }
}

/// How often a predicate is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(1);
