//! Plain values and their canonical bytes; no rule that needs other state.

pub mod address;
pub mod amount;
#[cfg(test)]
pub(crate) mod arbitrary;
pub mod ballot;
pub mod block;
pub mod certificate;
pub mod chain;
pub mod duration;
pub mod encode;
pub mod evidence;
pub(crate) mod few;
pub mod hash;
pub mod keys;
pub mod map;
pub mod masternode_set;
pub mod merkle;
pub mod message;
pub mod quorum;
pub mod signature_memo;
pub mod transaction;
pub mod verified;
pub mod vote;
