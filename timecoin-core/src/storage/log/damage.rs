//! What a scan or a read found wrong, in terms an operator and the caller's policy can use.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

/// Bytes of a log that were once on disk and are gone or altered.
///
/// What follows from it is the caller's policy: a damaged block log fails the open, a damaged
/// vote log makes the masternode an observer until the next epoch (PROTOCOL 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDamage {
    /// The segment concerned, also when it is missing.
    pub file: PathBuf,
    /// Where in the file the first bad byte's record or header starts.
    pub offset: u64,
    /// Sequence number of the first record that can't be read; `None` where nothing before it
    /// was scanned, so that its number is not known.
    pub sequence: Option<u64>,
    /// What is wrong there.
    pub reason: DamageReason,
}

impl fmt::Display for LogDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "log file {} is damaged at offset {}", self.file.display(), self.offset)?;
        if let Some(sequence) = self.sequence {
            write!(f, " (record {sequence})")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// What is wrong at the place a [`LogDamage`] or [`TornTail`](super::TornTail) names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DamageReason {
    /// The file does not begin as a log segment.
    #[error("not a log segment")]
    Magic,
    /// The file is shorter than a segment header.
    #[error("the segment header is cut short")]
    HeaderShort,
    /// The segment header does not match its checksum.
    #[error("the segment header does not match its checksum")]
    HeaderChecksum,
    /// The file is longer than any segment can be.
    #[error("the file is {bytes} bytes long, longer than any segment")]
    FileTooLong {
        /// Length of the file.
        bytes: u64,
    },
    /// The segment says it is another one: the file was renamed or copied.
    #[error("the file holds segment {found}")]
    SegmentNumber {
        /// Number in the segment's header.
        found: u32,
    },
    /// A segment is missing between two, or after one that says it has a successor.
    #[error("the segment is missing")]
    SegmentMissing,
    /// The segment starts at another record than the one after its predecessor's last.
    #[error("the segment starts at record {found}")]
    SegmentStart {
        /// First sequence in the segment's header.
        found: u64,
    },
    /// A record does not match its checksum.
    #[error("the record does not match its checksum")]
    Checksum,
    /// A record claims a length above `record_bytes_max`.
    #[error("the record claims {bytes} bytes, above the limit")]
    RecordTooLarge {
        /// Length in the record's frame.
        bytes: u32,
    },
    /// The file ends inside a record.
    #[error("the file ends inside the record")]
    RecordShort,
    /// A whole record, but not the one that belongs here.
    #[error("record {found} stands here")]
    RecordSequence {
        /// Sequence in the record's frame.
        found: u64,
    },
    /// Something other than a record stands where one was asked for, or the reverse.
    #[error("a frame of another type stands here")]
    FrameType,
    /// Data follows what should be the end of the segment.
    #[error("data follows the end of the segment")]
    DataAfterEnd,
    /// A closed segment does not end with its seal.
    #[error("the end of the closed segment is missing")]
    SealMissing,
}
