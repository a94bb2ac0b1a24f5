//! Letting things go wrong, and putting them right: the verbs of a simulation.

use std::sync::PoisonError;
use std::time::Duration;

use super::LocalNet;
use crate::node::{NodeError, NodeState};
use crate::sim::Link;

impl LocalNet {
    /// Ends a node as the end of its process would: nothing more is written or sent, whatever
    /// waits. Its store, on disk or in memory, keeps what was written, and [`LocalNet::restart`]
    /// starts from that. A crashed node stays crashed.
    ///
    /// What a process can't do to itself is lose what the operating system has and the disk has
    /// not: for power cuts see [`crate::sim::Simulation`].
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] where there is no such node; [`NodeError::Timeout`] where
    /// its tasks do not come to an end in 30 s.
    pub fn crash(&self, node: usize) -> Result<(), NodeError> {
        self.place(node)?;
        let _changing = self.changing(node);
        self.switch.connect(node, None);
        self.at(node).crash(CRASH_MAX)
    }

    /// Starts a crashed node from what its store holds. A node that runs goes on.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] where there is no such node; [`NodeError::Closed`] where
    /// the net is closed; [`NodeError::Storage`].
    pub fn restart(&self, node: usize) -> Result<(), NodeError> {
        let place = self.place(node)?;
        let _changing = self.changing(node);
        if self.stop.is_cancelled() {
            return Err(NodeError::Closed);
        }
        if self.at(node).state() != NodeState::Closed {
            return Ok(());
        }
        let opened = self.opener().open(node, &self.keys[node], place.disk.as_ref())?;
        self.merger.follow(node, &opened, || {
            *place.node.write().unwrap_or_else(PoisonError::into_inner) = opened.clone();
        });
        // It says its first words with open ears.
        opened.pause();
        self.switch.connect(node, Some(opened.downgrade()));
        opened.start()?;
        let others: Vec<_> = (0..self.n_nodes()).map(|other| self.at(other)).collect();
        self.introduce(node, &opened, &others)?;
        opened.resume();
        Ok(())
    }

    /// Lets a node stand still; what is sent to it waits, as far as there is room.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] where there is no such node.
    pub fn pause(&self, node: usize) -> Result<(), NodeError> {
        self.node(node)?.pause();
        Ok(())
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] where there is no such node.
    pub fn resume(&self, node: usize) -> Result<(), NodeError> {
        self.node(node)?.resume();
        Ok(())
    }

    /// Cuts the network between groups; who is in none is alone. What is under way arrives.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] where there is no such node; [`NodeError::Closed`].
    pub fn partition(&self, groups: &[&[usize]]) -> Result<(), NodeError> {
        self.check_open()?;
        for node in groups.iter().copied().flatten() {
            self.place(*node)?;
        }
        let groups: Vec<Vec<usize>> = groups.iter().map(|group| group.to_vec()).collect();
        let n_nodes = self.n_nodes();
        self.switch.change(|network| network.partition(&groups, n_nodes));
        Ok(())
    }

    /// Lets nothing through in one direction of one link.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] where there is no such node; [`NodeError::Closed`].
    pub fn block(&self, from: usize, to: usize) -> Result<(), NodeError> {
        self.check_open()?;
        self.place(from).and(self.place(to))?;
        self.switch.change(|network| network.block(from, to));
        Ok(())
    }

    /// Opens all links. They go on as they are set to behave.
    pub fn heal(&self) {
        self.switch.change(crate::sim::Network::heal);
    }

    /// Gives one direction of one link a behaviour of its own. What is under way comes no later
    /// than if it were sent now, in order.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] where there is no such node.
    pub fn set_link(&self, from: usize, to: usize, link: Link) -> Result<(), NodeError> {
        self.place(from).and(self.place(to))?;
        self.switch.change(|network| network.set_link(from, to, link));
        Ok(())
    }

    /// Changes how links behave that have no behaviour of their own. What is under way comes no
    /// later than if it were sent now, in order.
    pub fn set_links(&self, link: Link) {
        self.switch.change(|network| network.default = link);
    }

    /// Makes everything from and to a node take longer; zero ends it. What is under way comes no
    /// later than if it were sent now, in order.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] where there is no such node; [`NodeError::Closed`].
    pub fn set_slow(&self, node: usize, extra: Duration) -> Result<(), NodeError> {
        self.check_open()?;
        self.place(node)?;
        self.switch.change(|network| network.set_slow(node, extra));
        Ok(())
    }
}

/// How long a crash waits for the node's tasks to notice.
const CRASH_MAX: Duration = Duration::from_secs(30);
