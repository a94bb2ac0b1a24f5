//! What survives a crash (PROTOCOL 6): the record logs that are the source of truth, and the
//! lock that keeps a second process out of a data directory.

pub mod error;
pub mod lock;
pub mod log;

pub use error::StorageError;
