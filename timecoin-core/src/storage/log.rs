//! An append-only log of records in a directory of segment files, used twice: as the block log,
//! which is the source of truth, and as the vote log (PROTOCOL 6). It knows nothing of blocks or
//! votes: records have a kind and bytes, and get consecutive sequence numbers.
//!
//! ```text
//! blocks/0000000003.log          sealed: ends with a seal, exactly
//! blocks/0000000004.log          sealed
//! blocks/0000000005.log          being written: records, a mark, zeros
//! blocks/0000000006.unfinished   a segment whose creation a crash cut short; deleted on open
//! ```
//!
//! What a caller can rely on:
//! - A record is on disk once a `sync` that followed its `append` has returned, and from then on
//!   readers see it.
//! - After a crash an open finds a prefix of the records appended, with all that were synced. The
//!   rest, the torn tail, is cut and reported.
//! - Anything else that does not read back is damage: a clear error that names file, offset and
//!   sequence. Nothing is dropped in silence. Two losses leave no trace in the log itself: the
//!   last segments deleted together with the seal of the one before, or cut exactly behind a
//!   record; and the oldest ones, which look pruned. Callers compare
//!   [`OpenReport`] with what else they know (tip, genesis).
//!
//! Bytes are described in `log/format.rs`, the reasons in `docs/decisions/0003-record-log.md`.
//! The log does not lock its directory; that is [`DirectoryLock`](super::lock::DirectoryLock).

mod damage;
mod disk;
mod format;
mod open;
mod reader;
mod scan;
mod window;
mod writer;

#[cfg(test)]
mod probe;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

pub use self::damage::{DamageReason, LogDamage};
pub use self::reader::{Record, RecordPosition, RecordReader, Records};
pub use self::writer::RecordLog;
use super::StorageError;

/// What a log is and how it is kept.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// Which log of the node this is; one of another kind is refused.
    pub kind: u8,
    /// Genesis hash; a log of another chain is refused.
    pub chain_id: [u8; 32],
    /// Sequence of the first record of a new log. An existing one keeps its numbers.
    pub first_sequence: u64,
    /// Size at which a new segment is begun; 64 MiB, at most 1 GiB. A batch is never split, so a
    /// segment that holds one batch can be larger.
    pub segment_bytes: u32,
    /// Step in which files grow; 1 MiB. A flush that need not record a new file size or new disk
    /// blocks takes half the time. 0 grows files with each batch.
    pub preallocate_bytes: u32,
    /// Largest payload; 16 MiB: four times the largest block.
    pub record_bytes_max: u32,
    /// `false` leaves out every flush: records survive the process but not the machine. For
    /// tests.
    pub sync: bool,
    /// How much an open reads.
    pub scan: Scan,
}

/// How much of a log an open reads and checks. Every later read checks what it reads anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// Every record of every segment.
    All,
    /// Every record of the last segment; of the others that they are there, whole in length and
    /// consecutive. For logs of many gigabytes.
    LastSegment,
}

impl LogOptions {
    /// The defaults, for the log `kind` of the chain `chain_id`.
    pub fn new(kind: u8, chain_id: [u8; 32]) -> Self {
        Self {
            kind,
            chain_id,
            first_sequence: 0,
            segment_bytes: 64 << 20,
            preallocate_bytes: 1 << 20,
            record_bytes_max: 16 << 20,
            sync: true,
            scan: Scan::All,
        }
    }
}

/// What an open found and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenReport {
    /// There was no log; an empty one was created. On a node that has a chain, this is a loss.
    pub is_new: bool,
    /// Sequence of the oldest record, or of the next one if there is none. Higher than where the
    /// log once began if it was pruned.
    pub first_sequence: u64,
    /// Sequence the next record gets.
    pub next_sequence: u64,
    /// Number of segment files.
    pub n_segments: usize,
    /// What was cut from the end, if anything.
    pub torn_tail: Option<TornTail>,
}

/// The end of a log that was being written when the process or the machine stopped. Nothing in
/// it was synced, so nothing in it was ever acted upon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The segment that was cut.
    pub file: PathBuf,
    /// Where it was cut.
    pub offset: u64,
    /// Sequence of the first record that was cut.
    pub sequence: u64,
    /// How many bytes were cut, up to the last that was not zero.
    pub bytes: u64,
    /// What was wrong with the first record that was cut.
    pub reason: DamageReason,
}

/// A record as an open shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordRef<'a> {
    /// Its number in the log.
    pub sequence: u64,
    /// What the caller named it.
    pub kind: u8,
    /// Where it stands.
    pub position: RecordPosition,
    /// What the caller wrote.
    pub payload: &'a [u8],
}

/// A record to append.
#[derive(Clone, Copy, Debug)]
pub struct NewRecord<'a> {
    /// Free for the caller's use.
    pub kind: u8,
    /// At most `record_bytes_max` long; may be empty.
    pub payload: &'a [u8],
}

/// Moves a log that can't be used out of the way, beside its directory, so that a new one can be
/// begun without losing the old. Returns where it is now.
///
/// # Errors
/// `Io`.
pub fn set_aside(dir: &Path) -> Result<PathBuf, StorageError> {
    let mut aside;
    let mut n = 0_u32;
    loop {
        aside = dir.with_added_extension(format!("damaged-{n}"));
        if !aside.exists() {
            break;
        }
        n += 1;
    }
    fs::rename(dir, &aside).map_err(StorageError::io("rename", dir))?;
    Ok(aside)
}

fn segment_path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:010}.log"))
}
