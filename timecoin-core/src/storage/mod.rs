//! The store: what a node remembers (PROTOCOL 6).
//!
//! Blocks with their certificates are the truth, own votes the promise; both are logs. What is
//! looked up, the unspent outputs and the indexes, is derived from the blocks and can be rebuilt.
//! [`memory`] and [`disk`] behave alike; `docs/format.md` draws the directory.

pub mod base;
mod derived;
pub mod disk;
pub mod error;
pub mod interface;
pub mod lock;
pub mod log;
pub mod memory;
mod pending;

#[cfg(test)]
pub(crate) use derived::faults;

#[cfg(test)]
mod tests;

pub use base::{Base, BaseWriter};
pub use disk::{Check, DiskStorage, StorageOptions};
pub use error::StorageError;
pub use interface::{Incident, Opened, Storage, Watcher};
pub use memory::{MemoryDisk, MemoryStorage};
