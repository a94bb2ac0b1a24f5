//! What goes wrong in a simulation, as the one error of the crate's front door.

use std::sync::Arc;

pub use crate::node::BrokenInvariant;

use crate::node::NodeError;
use crate::sim::{Failure, SimulationError, TextError};

impl From<Failure> for NodeError {
    fn from(failure: Failure) -> Self {
        let text = failure.to_string();
        let Failure { check, message, seed, step, at, replay } = failure;
        let at = at.since(crate::sim::SimTime::ZERO);
        let broken = BrokenInvariant { check, message, seed, step, at, replay, text };
        NodeError::Invariant(Arc::new(broken))
    }
}

impl From<SimulationError> for NodeError {
    fn from(error: SimulationError) -> Self {
        match error {
            SimulationError::Genesis(error) => NodeError::Genesis(error),
            SimulationError::Setting(error) => error.into(),
            SimulationError::NoNode { .. } => invalid("node", error.to_string()),
            SimulationError::UnknownStrategy(_) => invalid("strategy", error.to_string()),
        }
    }
}

impl From<TextError> for NodeError {
    fn from(error: TextError) -> Self {
        invalid(error.what, error.to_string())
    }
}

pub(super) fn invalid(what: &'static str, reason: impl Into<String>) -> NodeError {
    NodeError::InvalidArgument { what, reason: reason.into() }
}
