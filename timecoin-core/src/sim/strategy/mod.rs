//! Byzantine strategies: what a masternode does that follows its own rules. Small named pieces
//! that combine: a node may follow several.
//!
//! Behind a strategy runs an honest engine with the node's own keys. The strategy sees what it
//! sends and what comes in, may hold back, alter, forge and repeat, and can sign anything with
//! the node's keys, but not with anybody else's.

mod actor;
mod ballots;
mod blocks;
mod named;
pub(in crate::sim) mod spoil;
mod votes;

pub use actor::{Actor, Command, Target};
pub use named::{STRATEGIES, by_name};

use crate::engine::output::To;
use crate::types::message::Message;

/// What becomes of a message after a strategy saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// It goes on, to the next strategy or to where it was going.
    On,
    /// It ends here.
    Stop,
}

/// A way to misbehave.
pub trait Strategy: Send {
    /// Its name, by which it is chosen.
    fn name(&self) -> &'static str;

    /// The node begins to follow it, or was restarted.
    fn on_start(&mut self, _actor: &mut Actor<'_>) {}

    /// The node's engine wants to send a message.
    fn on_send(&mut self, _actor: &mut Actor<'_>, _to: &To, _message: &Message) -> Pass {
        Pass::On
    }

    /// A message came from another node, and its signatures hold.
    fn on_receive(&mut self, _actor: &mut Actor<'_>, _from: usize, _message: &Message) -> Pass {
        Pass::On
    }

    /// A time that [`Actor::wake_after`] asked for has come.
    fn on_wake(&mut self, _actor: &mut Actor<'_>) {}

    /// A copy, for snapshots.
    fn clone_box(&self) -> Box<dyn Strategy>;
}

#[cfg(test)]
mod tests;
