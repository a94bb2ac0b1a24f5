//! What survives a crash (PROTOCOL 6): the lock
//! that keeps a second process out of a data directory.

pub mod error;
pub mod lock;

pub use error::StorageError;
