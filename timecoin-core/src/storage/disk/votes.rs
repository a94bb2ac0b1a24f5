//! The vote log: what this node promised and must not contradict after a restart (PROTOCOL 6).
//!
//! Its first record says since when it is complete, so that a log which was lost and begun again
//! can't be taken for one that never held anything.

use std::collections::BTreeMap;
use std::path::Path;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::engine::output::Record;
use crate::storage::StorageError;
use crate::storage::log::{LogOptions, NewRecord, OpenReport, RecordLog, RecordRef};
use crate::types::chain::Epoch;
use crate::types::encode::{decode, encode};
use crate::types::hash::ChainId;

/// The vote log, open for writing.
pub(super) struct VoteLog {
    log: RecordLog,
    /// By number; those without a record are not listed.
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
    /// Whether the log says since when it is complete; not if it was just created.
    pub(super) has_begun: bool,
    /// The loss of votes that is in force longest: its epoch and the reason.
    pub(super) lost: Option<(Epoch, String)>,
    pub(super) report: OpenReport,
}

/// Since when the log is complete.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Beginning {
    /// Votes cast before in this epoch, or in an earlier one, may be missing.
    pub(super) epoch: Epoch,
    /// Why votes are missing; none where the chain began with the log.
    pub(super) lost: Option<String>,
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
        let mut lost: Option<(Epoch, String)> = None;
        let visit = |found: RecordRef<'_>| -> Result<(), StorageError> {
            let bad = |reason: String| StorageError::BadRecord {
                path: dir.to_path_buf(),
                sequence: found.sequence,
                reason,
            };
            let bytes_max = RECORD_BYTES_MAX as usize;
            let epoch = match found.kind {
                KIND_RECORD => {
                    let record: Record = decode("vote record", found.payload, bytes_max)
                        .map_err(|error| bad(error.to_string()))?;
                    let epoch = record.epoch();
                    records.push(record);
                    epoch
                }
                KIND_BEGINNING => {
                    let beginning: Beginning = decode("beginning", found.payload, bytes_max)
                        .map_err(|error| bad(error.to_string()))?;
                    let epoch = beginning.epoch;
                    if lost.as_ref().is_none_or(|(known, _)| *known <= epoch) {
                        lost = beginning.lost.map(|reason| (epoch, reason)).or(lost.take());
                    }
                    epoch
                }
                kind => return Err(bad(format!("it is of the unknown kind {kind}"))),
            };
            note(&mut segments, found.position.segment, found.sequence, epoch);
            Ok(())
        };
        let (log, report) = RecordLog::open_with(dir, options, visit)?;
        let has_begun = report.next_sequence > 0;
        Ok(OpenedVotes { log: VoteLog { log, segments }, records, has_begun, lost, report })
    }

    /// Records durably since when the log is complete.
    ///
    /// # Errors
    /// As [`RecordLog::append`] and [`RecordLog::sync`].
    pub(super) fn begin(&mut self, beginning: &Beginning) -> Result<(), StorageError> {
        self.append_all(KIND_BEGINNING, &[encode(beginning)], &[beginning.epoch])
    }

    /// Appends records, with one flush.
    ///
    /// # Errors
    /// As [`RecordLog::append`] and [`RecordLog::sync`].
    pub(super) fn append(&mut self, records: &[Record]) -> Result<(), StorageError> {
        let payloads: Vec<Vec<u8>> = records.iter().map(encode).collect();
        let epochs: Vec<Epoch> = records.iter().map(Record::epoch).collect();
        self.append_all(KIND_RECORD, &payloads, &epochs)
    }

    fn append_all(
        &mut self,
        kind: u8,
        payloads: &[Vec<u8>],
        epochs: &[Epoch],
    ) -> Result<(), StorageError> {
        let batch: Vec<_> = payloads.iter().map(|payload| NewRecord { kind, payload }).collect();
        let first = self.log.next_sequence();
        let positions = self.log.append(&batch)?;
        for ((sequence, position), &epoch) in (first..).zip(positions).zip(epochs) {
            note(&mut self.segments, position.segment, sequence, epoch);
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
        let kept = self.segments.iter().find(|(_, segment)| segment.epoch_max >= epoch);
        let keep_from = kept.map_or(self.log.next_sequence(), |(_, kept)| kept.first_sequence);
        self.segments.retain(|_, segment| segment.first_sequence >= keep_from);
        self.log.truncate_before(keep_from)?;
        Ok(())
    }

    /// Sequence of the next record.
    pub(super) fn next_sequence(&self) -> u64 {
        self.log.next_sequence()
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
