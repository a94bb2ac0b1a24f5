//! Where a node is in its life: `New → Running → Closing → Closed`, and `Poisoned`.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::error::NodeError;

/// Where a node is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum NodeState {
    /// Opened and not started: reads answer, writes wait for [`crate::Node::start`].
    New = 0,
    /// Taking part.
    Running = 1,
    /// Finishing what was begun; nothing new is taken.
    Closing = 2,
    /// Everything is on disk and let go of.
    Closed = 3,
    /// Stopped writing after a failure: reads answer, writes refuse and say why.
    Poisoned = 4,
}

impl NodeState {
    /// Its lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            NodeState::New => "new",
            NodeState::Running => "running",
            NodeState::Closing => "closing",
            NodeState::Closed => "closed",
            NodeState::Poisoned => "poisoned",
        }
    }
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The state of one node, shared by its threads.
#[derive(Debug)]
pub(super) struct Life(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    state: NodeState,
    has_started: bool,
    poison: Option<Arc<str>>,
}

impl Life {
    pub(super) fn new() -> Self {
        Life(Mutex::new(Inner { state: NodeState::New, has_started: false, poison: None }))
    }

    pub(super) fn state(&self) -> NodeState {
        self.with(|inner| inner.state)
    }

    /// Why writing stopped, if it did.
    pub(super) fn poison_reason(&self) -> Option<Arc<str>> {
        self.with(|inner| inner.poison.clone())
    }

    /// New becomes Running.
    pub(super) fn start(&self) -> Result<(), NodeError> {
        self.with(|inner| match inner.state {
            NodeState::New => {
                inner.state = NodeState::Running;
                inner.has_started = true;
                Ok(())
            }
            NodeState::Running => Err(NodeError::AlreadyStarted { state: NodeState::Running }),
            state => Err(inner.refusal(state)),
        })
    }

    /// Whether writes are taken.
    pub(super) fn check_running(&self) -> Result<(), NodeError> {
        self.with(|inner| match inner.state {
            NodeState::Running => Ok(()),
            state => Err(inner.refusal(state)),
        })
    }

    /// Whether the store can be read.
    pub(super) fn check_readable(&self) -> Result<(), NodeError> {
        match self.state() {
            NodeState::Closed => Err(NodeError::Closed),
            _ => Ok(()),
        }
    }

    /// Whether anything that is waited for can still happen.
    pub(super) fn check_hopeful(&self) -> Result<(), NodeError> {
        self.with(|inner| match inner.state {
            NodeState::New | NodeState::Running => Ok(()),
            state => Err(inner.refusal(state)),
        })
    }

    /// Whether it ever ran; a node may be poisoned before.
    pub(super) fn has_started(&self) -> bool {
        self.with(|inner| inner.has_started)
    }

    /// Becomes Closing and tells from what; nothing where it is closing already.
    pub(super) fn begin_close(&self) -> Option<NodeState> {
        self.with(|inner| match inner.state {
            NodeState::Closing | NodeState::Closed => None,
            state => {
                inner.state = NodeState::Closing;
                Some(state)
            }
        })
    }

    pub(super) fn end_close(&self) {
        self.with(|inner| inner.state = NodeState::Closed);
    }

    /// Becomes Poisoned unless it is closing, and keeps the first reason. Says whether this was
    /// the first.
    pub(super) fn poison(&self, reason: &str) -> bool {
        self.with(|inner| {
            if inner.poison.is_some() {
                return false;
            }
            inner.poison = Some(reason.into());
            if !matches!(inner.state, NodeState::Closing | NodeState::Closed) {
                inner.state = NodeState::Poisoned;
            }
            true
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Inner {
    fn refusal(&self, state: NodeState) -> NodeError {
        match state {
            NodeState::Closing | NodeState::Closed => NodeError::Closed,
            NodeState::Poisoned => {
                NodeError::Poisoned { reason: self.poison.clone().unwrap_or_else(|| "".into()) }
            }
            NodeState::New | NodeState::Running => NodeError::NotRunning { state },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::code::ErrorCode;

    #[test]
    fn each_state_refuses_in_its_own_words() {
        let life = Life::new();
        let code = |life: &Life| life.check_running().map_err(|error| error.code());
        assert_eq!(code(&life), Err(ErrorCode::NotRunning));
        life.start().unwrap();
        assert_eq!(code(&life), Ok(()));
        assert_eq!(life.start().unwrap_err().code(), ErrorCode::AlreadyStarted);
        assert!(life.poison("the disk broke"));
        assert!(!life.poison("and then more"));
        let refusal = life.check_running().unwrap_err();
        assert_eq!(refusal.code(), ErrorCode::Poisoned);
        assert!(refusal.to_string().contains("the disk broke"));
        assert_eq!(life.begin_close(), Some(NodeState::Poisoned));
        assert_eq!(life.begin_close(), None);
        life.end_close();
        assert_eq!(code(&life), Err(ErrorCode::Closed));
        assert_eq!(life.start().unwrap_err().code(), ErrorCode::Closed);
    }
}
