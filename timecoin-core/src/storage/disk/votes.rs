//! The vote log: what this node promised and must not contradict after a restart (PROTOCOL 6).
//!
//! A record in it says which log it is and since when it is complete, so that a log which was
//! lost and begun again, or replaced, can't be taken for the one it stands in for. Retiring
//! repeats that record before it drops the segment that holds it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use borsh::{BorshDeserialize, BorshSerialize};

use crate::engine::output::Record;
use crate::storage::StorageError;
use crate::storage::derived::VotesMark;
use crate::storage::log::{LogOptions, NewRecord, OpenReport, RecordLog, RecordRef};
use crate::types::chain::Epoch;
use crate::types::encode::{decode, encode};
use crate::types::hash::ChainId;

/// The vote log, open for writing.
pub(super) struct VoteLog {
    log: RecordLog,
    dir: PathBuf,
    /// None in a log that was just created, or never got further.
    beginning: Option<Beginning>,
    /// By number; those without a vote are not listed.
    segments: BTreeMap<u32, Segment>,
}

/// What a segment holds.
struct Segment {
    first_sequence: u64,
    epoch_min: Epoch,
    epoch_max: Epoch,
}

/// What opening the vote log gave.
pub(super) struct OpenedVotes {
    pub(super) log: VoteLog,
    pub(super) records: Vec<Record>,
    pub(super) report: OpenReport,
}

/// Votes that may have been cast and are not in the log.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Loss {
    /// They were cast in this epoch or an earlier one.
    pub(super) epoch: Epoch,
    /// How it is known.
    pub(super) reason: String,
}

/// Which log it is, and what is missing from it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Beginning {
    /// A number drawn when it was begun.
    log: u64,
    lost: Option<Loss>,
}

impl VoteLog {
    /// Opens or creates the log in `dir`. A log that was just created, or never got further, has
    /// no beginning yet: [`VoteLog::begin`] writes it.
    ///
    /// # Errors
    /// As [`RecordLog::open`], and `BadRecord`.
    pub(super) fn open(
        dir: &Path,
        chain_id: &ChainId,
        sync: bool,
    ) -> Result<OpenedVotes, StorageError> {
        let mut options = LogOptions::new(LOG_KIND, chain_id.to_bytes());
        options.sync = sync;
        options.record_bytes_max = RECORD_BYTES_MAX;
        let mut segments = BTreeMap::new();
        let mut records = Vec::new();
        let mut beginning = None;
        let visit = |found: RecordRef<'_>| -> Result<(), StorageError> {
            let bad = |reason: String| StorageError::BadRecord {
                path: dir.to_path_buf(),
                sequence: found.sequence,
                reason,
            };
            match found.kind {
                KIND_RECORD => {
                    let record: Record = decode("vote record", found.payload, found.payload.len())
                        .map_err(|error| bad(error.to_string()))?;
                    note(&mut segments, found.position.segment, found.sequence, record.epoch());
                    records.push(record);
                }
                KIND_BEGINNING => {
                    let found = decode("beginning", found.payload, found.payload.len());
                    beginning = Some(found.map_err(|error| bad(error.to_string()))?);
                }
                kind => return Err(bad(format!("it is of the unknown kind {kind}"))),
            }
            Ok(())
        };
        let (log, report) = RecordLog::open_with(dir, options, visit)?;
        let dir = dir.to_path_buf();
        Ok(OpenedVotes { log: VoteLog { log, dir, beginning, segments }, records, report })
    }

    /// Whether the log says which one it is; not if it was just created.
    pub(super) fn has_begun(&self) -> bool {
        self.beginning.is_some()
    }

    /// What is missing from the log, as far as it was noted.
    pub(super) fn lost(&self) -> Option<&Loss> {
        self.beginning.as_ref()?.lost.as_ref()
    }

    /// How far the log is.
    pub(super) fn mark(&self) -> VotesMark {
        let log = self.beginning.as_ref().map_or(0, |beginning| beginning.log);
        VotesMark { log, next: self.log.next_sequence() }
    }

    /// Records durably which log it is, or a loss on top of those that were noted.
    ///
    /// # Errors
    /// As [`RecordLog::append`] and [`RecordLog::sync`].
    pub(super) fn begin(&mut self, lost: Option<Loss>) -> Result<(), StorageError> {
        let log = match &self.beginning {
            Some(beginning) => beginning.log,
            None => getrandom::u64()
                .map_err(|error| io::Error::other(error.to_string()))
                .map_err(StorageError::io("draw a number for", &self.dir))?,
        };
        let known = self.beginning.take().and_then(|beginning| beginning.lost);
        let lost = known.into_iter().chain(lost).max_by_key(|loss| loss.epoch);
        self.write_beginning(Beginning { log, lost })
    }

    fn write_beginning(&mut self, beginning: Beginning) -> Result<(), StorageError> {
        let payload = encode(&beginning);
        self.log.append(&[NewRecord { kind: KIND_BEGINNING, payload: &payload }])?;
        self.beginning = Some(beginning);
        self.log.sync()
    }

    /// Appends records, with one flush.
    ///
    /// # Errors
    /// As [`RecordLog::append`] and [`RecordLog::sync`].
    pub(super) fn append(&mut self, records: &[Record]) -> Result<(), StorageError> {
        let payloads: Vec<Vec<u8>> = records.iter().map(encode).collect();
        let new = |payload| NewRecord { kind: KIND_RECORD, payload };
        let batch: Vec<_> = payloads.iter().map(|payload| new(payload)).collect();
        let first = self.log.next_sequence();
        let positions = self.log.append(&batch)?;
        for ((sequence, position), record) in (first..).zip(positions).zip(records) {
            note(&mut self.segments, position.segment, sequence, record.epoch());
        }
        self.log.sync()
    }

    /// Drops the segments that hold only records of epochs before `epoch`, and sees to it that
    /// what is written from now on does not keep older records alive.
    ///
    /// # Errors
    /// As [`RecordLog::rotate`] and [`RecordLog::truncate_before`].
    pub(super) fn retire(&mut self, epoch: Epoch) -> Result<(), StorageError> {
        let is_old = |segment: &Segment| segment.epoch_min < epoch;
        if self.segments.last_key_value().is_some_and(|(_, last)| is_old(last)) {
            self.log.rotate()?;
        }
        let kept = self.segments.values().find(|segment| segment.epoch_max >= epoch);
        let keep_from = kept.map_or(self.log.next_sequence(), |kept| kept.first_sequence);
        if keep_from == self.log.first_sequence() {
            return Ok(());
        }
        if let Some(Beginning { log, lost }) = self.beginning.clone() {
            let lost = lost.filter(|loss| loss.epoch >= epoch);
            self.write_beginning(Beginning { log, lost })?;
        }
        self.segments.retain(|_, segment| segment.first_sequence >= keep_from);
        self.log.truncate_before(keep_from)?;
        Ok(())
    }

    /// Sequence of the oldest record that is kept.
    pub(super) fn first_sequence(&self) -> u64 {
        self.log.first_sequence()
    }

    /// Ends the log in order.
    ///
    /// # Errors
    /// As [`RecordLog::close`].
    pub(super) fn close(self) -> Result<(), StorageError> {
        self.log.close()
    }
}

fn note(segments: &mut BTreeMap<u32, Segment>, number: u32, sequence: u64, epoch: Epoch) {
    let new = Segment { first_sequence: sequence, epoch_min: epoch, epoch_max: epoch };
    let segment = segments.entry(number).or_insert(new);
    segment.epoch_min = segment.epoch_min.min(epoch);
    segment.epoch_max = segment.epoch_max.max(epoch);
}

/// The kind of log in segment headers.
const LOG_KIND: u8 = 2;

/// borsh([`Record`]).
const KIND_RECORD: u8 = 1;

/// borsh([`Beginning`]).
const KIND_BEGINNING: u8 = 2;

/// 128 MiB: 1,024 certificates of 134 votes with their paths are 60 MB, the transactions of half
/// a block 2 MB.
const RECORD_BYTES_MAX: u32 = 128 << 20;
