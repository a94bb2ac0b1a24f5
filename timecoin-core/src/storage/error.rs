//! Why a storage operation did not happen. Every variant carries what an operator needs to find
//! the file concerned; nothing here is a bad request of a peer or a user.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::log::{LogDamage, RecordPosition};
use crate::types::chain::Height;

/// A storage operation that failed, and why.
#[derive(Debug, Error)]
pub enum StorageError {
    /// The operating system refused a file operation.
    #[error("cannot {op} {}: {source}", path.display())]
    Io {
        /// What was attempted, as a verb phrase: "write to", "create".
        op: &'static str,
        /// The file or directory concerned.
        path: PathBuf,
        /// What the operating system answered.
        source: io::Error,
    },

    /// Another open of the data directory is in force.
    #[error("data directory {} is in use by {}", path.display(), holder(*pid))]
    LockedBy {
        /// The data directory.
        path: PathBuf,
        /// Process that holds the lock, which may be this one; `None` when the lock file does
        /// not say.
        pid: Option<u32>,
    },

    /// The log belongs to a chain with another genesis.
    #[error("{} belongs to chain {}, not {}", path.display(), hex(found), hex(expected))]
    WrongChain {
        /// The segment that says so.
        path: PathBuf,
        /// Chain id the caller asked for.
        expected: [u8; 32],
        /// Chain id in the segment.
        found: [u8; 32],
    },

    /// The directory holds a log of another kind, as when two directories were swapped.
    #[error("{} holds a log of kind {found}, not {expected}", path.display())]
    WrongKind {
        /// The segment that says so.
        path: PathBuf,
        /// Kind the caller asked for.
        expected: u8,
        /// Kind in the segment.
        found: u8,
    },

    /// The segment was written by a version of this library that this one can't read.
    #[error("{} has format {found}, this version reads format {supported}", path.display())]
    UnsupportedFormat {
        /// The segment that says so.
        path: PathBuf,
        /// Format in the segment.
        found: u16,
        /// Format this version reads.
        supported: u16,
    },

    /// Bytes that were once on disk are gone or altered.
    #[error("{0}")]
    Damaged(LogDamage),

    /// A record exceeds the log's `record_bytes_max`. The log is unchanged and usable.
    #[error("record of {bytes} bytes exceeds the limit of {limit}")]
    RecordTooLarge {
        /// Size of the payload.
        bytes: usize,
        /// `record_bytes_max` of the log.
        limit: u32,
    },

    /// A batch does not fit a segment. The log is unchanged and usable.
    #[error("batch of {bytes} bytes exceeds the limit of {limit}")]
    BatchTooLarge {
        /// Size of the batch with its framing.
        bytes: u64,
        /// Largest batch.
        limit: u64,
    },

    /// No synced record starts at this position.
    #[error("no record at offset {} of segment {}", position.offset, position.segment)]
    NoRecord {
        /// The position asked for.
        position: RecordPosition,
    },

    /// The segment of this position was dropped by `truncate_before`.
    #[error("segment {} was pruned, the oldest is {oldest}", position.segment)]
    Pruned {
        /// The position asked for.
        position: RecordPosition,
        /// Oldest segment that is kept.
        oldest: u32,
    },

    /// An earlier write or flush of this log failed, so nothing more is written to it. Reopening
    /// reads back what reached the disk.
    #[error("log {} stopped after a failure: {cause}", dir.display())]
    Failed {
        /// Directory of the log.
        dir: PathBuf,
        /// Text of the error that stopped it.
        cause: String,
    },

    /// The store was closed.
    #[error("the store is closed")]
    Closed,

    /// A block to be written was not staged before, or not in this order.
    #[error("block {height} was not staged before it was to be written")]
    NotStaged {
        /// The height of the block.
        height: Height,
    },

    /// A record is whole, and is not what belongs there.
    #[error("record {sequence} in {} can't be used: {reason}", path.display())]
    BadRecord {
        /// The log, or its segment.
        path: PathBuf,
        /// Its number; in the block log the height.
        sequence: u64,
        /// What is wrong with it.
        reason: String,
    },

    /// The block log is gone, or its beginning is. Blocks are the source of truth: they can't be
    /// rebuilt from anything else here.
    #[error(
        "the block log {} is missing or does not begin at block 1, or behind the base: restore it, \
         or remove the whole data directory to fetch the chain from peers anew",
        path.display()
    )]
    BlockLogMissing {
        /// Where it should be.
        path: PathBuf,
    },

    /// What the store begins from instead of the genesis can't be used. The blocks before it are
    /// not here, so it can't be made again from anything here.
    #[error(
        "the base {} can't be used: {reason}: restore it, or remove the whole data directory to \
         fetch the chain from peers anew",
        path.display()
    )]
    BaseDamaged {
        /// Its directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// The derived tables can't be read or written, and could not be rebuilt from the block log
    /// either. The next open tries again; until then nothing that needs them is answered.
    #[error("cannot {op} the derived tables {}: {cause}: open the store again", path.display())]
    Tables {
        /// What was attempted, as a verb: "read", "write".
        op: &'static str,
        /// Their directory.
        path: PathBuf,
        /// What went wrong.
        cause: String,
    },

    /// The highest segment number is taken.
    #[error("log {} has used up its segment numbers", dir.display())]
    SegmentNumbersUsedUp {
        /// Directory of the log.
        dir: PathBuf,
    },
}

impl StorageError {
    /// Wraps the operating system's answer to `op` on `path`, for `map_err`.
    pub(crate) fn io(op: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { op, path: path.to_path_buf(), source }
    }
}

fn holder(pid: Option<u32>) -> String {
    match pid {
        Some(pid) if pid == std::process::id() => format!("this process ({pid})"),
        Some(pid) => format!("process {pid}"),
        None => "another process".to_owned(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
