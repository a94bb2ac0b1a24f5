//! What may happen to outputs: the rules of transactions, blocks, rewards and registrations.
//!
//! Everything here is a function of its arguments. Follows PROTOCOL 2 and 3.

pub mod block;
pub mod commitment;
pub mod registry;
pub mod rewards;
pub mod state;
#[cfg(test)]
pub(crate) mod testkit;
pub mod transaction;
pub mod view;
