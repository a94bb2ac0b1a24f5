//! The writing end of a log.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use super::disk::{Disk, SegmentFile};
use super::format::{FRAME_BYTES, Frame, FrameType, HEADER_BYTES, SegmentHeader};
use super::reader::{Segment, Shared};
use super::{LogOptions, NewRecord, RecordPosition, RecordReader, segment_path};
use crate::storage::StorageError;

/// The writer of a log. It blocks on the disk, so it lives on a blocking thread; readers come from
/// [`reader`](Self::reader) and live anywhere.
///
/// After a failed write or flush every further change answers `Failed`: what the failure left on
/// disk is not known, and a flush that is repeated after a failure reports a success that is none.
/// Reopening finds out. Dropping the log flushes nothing.
#[derive(Debug)]
pub struct RecordLog {
    options: LogOptions,
    disk: Disk,
    shared: Arc<Shared>,
    active: Arc<Segment>,
    file: SegmentFile,
    /// Length of the active file; zeros from `end`, or the mark behind it, up to here.
    allocated: u64,
    /// Offset after the last appended record.
    end: u64,
    next_sequence: u64,
    /// Every record below is on disk.
    synced_before: u64,
    buffer: Vec<u8>,
    failure: Option<String>,
}

impl RecordLog {
    /// A writer that goes on at the end of `segments`, the last of which is `file`; all that is in
    /// them is on disk.
    pub(super) fn assemble(
        disk: Disk,
        dir: &Path,
        options: LogOptions,
        segments: Vec<Arc<Segment>>,
        file: SegmentFile,
        allocated: u64,
        next_sequence: u64,
    ) -> Self {
        let active = segments.last().expect("a log has a segment").clone();
        let shared = Arc::new(Shared {
            dir: dir.to_path_buf(),
            record_bytes_max: options.record_bytes_max,
            segments: ArcSwap::from_pointee(segments),
            next_sequence: AtomicU64::new(next_sequence),
        });
        Self {
            end: active.end.load(Ordering::Relaxed),
            options,
            disk,
            shared,
            active,
            file,
            allocated,
            next_sequence,
            synced_before: next_sequence,
            buffer: Vec::new(),
            failure: None,
        }
    }

    /// A reader for any thread.
    pub fn reader(&self) -> RecordReader {
        RecordReader { shared: self.shared.clone() }
    }

    /// Sequence the next appended record gets.
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// Sequence of the oldest record that is kept, or of the next one if there is none.
    pub fn first_sequence(&self) -> u64 {
        self.shared.segments.load()[0].first_sequence
    }

    /// Appends the records in order and returns where each stands. They are neither on disk nor
    /// seen by readers before the next [`sync`](Self::sync); after a crash any prefix of them may
    /// be there.
    ///
    /// # Errors
    /// `RecordTooLarge` and `BatchTooLarge` change nothing; `Io` stops the log, and what it left
    /// of the batch a reopen tells; `Failed`.
    pub fn append(&mut self, batch: &[NewRecord<'_>]) -> Result<Vec<RecordPosition>, StorageError> {
        let limit = self.options.record_bytes_max;
        let mut batch_bytes = 0;
        for record in batch {
            let bytes = record.payload.len();
            if u32::try_from(bytes).map_or(true, |bytes| bytes > limit) {
                return Err(StorageError::RecordTooLarge { bytes, limit });
            }
            batch_bytes += (FRAME_BYTES + bytes) as u64;
        }
        if batch_bytes > BATCH_BYTES_MAX {
            let limit = BATCH_BYTES_MAX;
            return Err(StorageError::BatchTooLarge { bytes: batch_bytes, limit });
        }
        self.unless_failed(|log| log.append_checked(batch, batch_bytes))
    }

    fn append_checked(
        &mut self,
        batch: &[NewRecord<'_>],
        batch_bytes: u64,
    ) -> Result<Vec<RecordPosition>, StorageError> {
        let end_max = u64::from(self.options.segment_bytes).saturating_sub(FRAME_BYTES as u64);
        if self.end > HEADER_BYTES as u64 && self.end + batch_bytes > end_max {
            self.start_segment()?;
        }
        let mut positions = Vec::with_capacity(batch.len());
        self.buffer.clear();
        let mut sequence = self.next_sequence;
        for record in batch {
            positions.push(RecordPosition {
                segment: self.active.number,
                offset: u32::try_from(self.end + self.buffer.len() as u64)
                    .expect("a segment and a batch have at most 1 GiB each"),
            });
            let frame = Frame {
                length: u32::try_from(record.payload.len()).expect("at most record_bytes_max"),
                sequence,
                synced_before: self.synced_before,
                frame_type: FrameType::Record,
                kind: record.kind,
            };
            frame.encode_into(self.active.seed, record.payload, &mut self.buffer);
            sequence += 1;
        }
        let end = self.end + batch_bytes;
        let allocated = allocation(&self.options, self.allocated, end);
        if allocated > self.allocated {
            let bytes = usize::try_from(allocated - self.end).expect("at most 2 GiB");
            self.buffer.resize(bytes, 0);
        }
        self.disk.write(&self.file, self.end, &self.buffer)?;
        self.buffer.shrink_to(BUFFER_BYTES_KEPT);
        (self.allocated, self.end, self.next_sequence) = (allocated, end, sequence);
        Ok(positions)
    }

    /// Puts all appended records on disk (`fdatasync`) and lets readers see them.
    ///
    /// # Errors
    /// `Io` stops the log: whether the records are on disk is not known; `Failed`.
    pub fn sync(&mut self) -> Result<(), StorageError> {
        self.unless_failed(Self::sync_unsynced)
    }

    fn sync_unsynced(&mut self) -> Result<(), StorageError> {
        if self.synced_before == self.next_sequence {
            return Ok(());
        }
        self.disk.sync(&self.file)?;
        self.synced_before = self.next_sequence;
        self.write_mark()?;
        self.active.end.store(self.end, Ordering::Release);
        self.shared.next_sequence.store(self.next_sequence, Ordering::Release);
        Ok(())
    }

    /// Writes, without flushing it, that all records are on disk.
    pub(super) fn write_mark(&mut self) -> Result<(), StorageError> {
        self.buffer.clear();
        Frame::marker(FrameType::Mark, self.next_sequence).encode_into(
            self.active.seed,
            &[],
            &mut self.buffer,
        );
        self.disk.write(&self.file, self.end, &self.buffer)?;
        self.allocated = self.allocated.max(self.end + FRAME_BYTES as u64);
        Ok(())
    }

    /// Syncs, and begins a new segment unless the current one is empty: before a
    /// [`truncate_before`](Self::truncate_before) that is to leave nothing.
    ///
    /// # Errors
    /// `SegmentNumbersUsedUp`, `Io` and `Failed`; all stop the log.
    pub fn rotate(&mut self) -> Result<(), StorageError> {
        self.unless_failed(|log| match log.end > HEADER_BYTES as u64 {
            true => log.start_segment(),
            false => Ok(()),
        })
    }

    /// Creates the next segment, then seals the current one: a sealed segment has a successor.
    fn start_segment(&mut self) -> Result<(), StorageError> {
        self.sync_unsynced()?;
        let dir = &self.shared.dir;
        let number = self.active.number.checked_add(1);
        let number =
            number.ok_or_else(|| StorageError::SegmentNumbersUsedUp { dir: dir.clone() })?;
        let (active, file, allocated) =
            create_segment(&self.disk, dir, &self.options, number, self.next_sequence)?;
        seal(&self.disk, &self.file, self.end, self.next_sequence, self.active.seed)?;

        let mut segments = self.shared.segments.load().to_vec();
        let closed = segments.last_mut().expect("a log has a segment");
        *closed = Arc::new(Segment {
            number: closed.number,
            first_sequence: closed.first_sequence,
            seed: closed.seed,
            end: AtomicU64::new(self.end),
            file: None,
        });
        self.end = HEADER_BYTES as u64;
        self.active = Arc::new(active);
        segments.push(self.active.clone());
        self.shared.segments.store(Arc::new(segments));
        (self.file, self.allocated) = (file, allocated);
        Ok(())
    }

    /// Deletes the segments all of whose records are below `sequence`. The one that is being
    /// written always stays. Returns how many were deleted.
    ///
    /// # Errors
    /// `Io` and `Failed`; both stop the log.
    pub fn truncate_before(&mut self, sequence: u64) -> Result<usize, StorageError> {
        self.unless_failed(|log| {
            let segments = log.shared.segments.load_full();
            let below = |successor: &Arc<Segment>| successor.first_sequence <= sequence;
            let n_dropped = segments[1..].partition_point(below);
            log.shared.segments.store(Arc::new(segments[n_dropped..].to_vec()));
            // Oldest first and each flushed, so that a crash can't leave a gap.
            for segment in &segments[..n_dropped] {
                log.disk.remove(&segment_path(&log.shared.dir, segment.number))?;
            }
            Ok(n_dropped)
        })
    }

    /// Syncs, records durably that the log was closed in order, and ends the log. Damage to its
    /// last records is then never mistaken for a torn tail.
    ///
    /// # Errors
    /// `Io`, `Failed`.
    pub fn close(mut self) -> Result<(), StorageError> {
        self.unless_failed(|log| {
            log.sync_unsynced()?;
            log.disk.sync(&log.file)
        })
    }

    /// Runs `change`, and lets nothing follow it if it fails.
    fn unless_failed<T>(
        &mut self,
        change: impl FnOnce(&mut Self) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        if let Some(cause) = &self.failure {
            let (dir, cause) = (self.shared.dir.clone(), cause.clone());
            return Err(StorageError::Failed { dir, cause });
        }
        change(self).inspect_err(|error| self.failure = Some(error.to_string()))
    }
}

/// Creates a segment without records, durably; also returns the length of its file.
pub(super) fn create_segment(
    disk: &Disk,
    dir: &Path,
    options: &LogOptions,
    number: u32,
    first_sequence: u64,
) -> Result<(Segment, SegmentFile, u64), StorageError> {
    let path = segment_path(dir, number);
    let mut salt = [0; 8];
    getrandom::fill(&mut salt)
        .map_err(|error| io::Error::other(error.to_string()))
        .map_err(StorageError::io("draw a salt for", &path))?;
    let (log_kind, chain_id) = (options.kind, options.chain_id);
    let header = SegmentHeader { log_kind, number, first_sequence, chain_id, salt };
    let mut bytes = header.encode().to_vec();
    let allocated = allocation(options, 0, HEADER_BYTES as u64);
    bytes.resize(usize::try_from(allocated).expect("at most 1 GiB"), 0);
    let file = disk.create(&path, &bytes)?;
    let segment = Segment {
        number,
        first_sequence,
        seed: header.seed(),
        end: AtomicU64::new(HEADER_BYTES as u64),
        file: Some(file.file.clone()),
    };
    Ok((segment, file, allocated))
}

/// Length to give a file of `allocated` bytes whose records are to end at `end`: there is room
/// for a mark behind them, and growth is in steps, which stop at the segment's size.
fn allocation(options: &LogOptions, allocated: u64, end: u64) -> u64 {
    let needed = end + FRAME_BYTES as u64;
    if needed <= allocated {
        return allocated;
    }
    let step = u64::from(options.preallocate_bytes.max(1));
    let stepped = needed.next_multiple_of(step).min(u64::from(options.segment_bytes));
    stepped.max(needed)
}

/// Ends a segment that has a successor, durably.
pub(super) fn seal(
    disk: &Disk,
    file: &SegmentFile,
    end: u64,
    next_sequence: u64,
    seed: u32,
) -> Result<(), StorageError> {
    let mut bytes = Vec::with_capacity(FRAME_BYTES);
    Frame::marker(FrameType::Seal, next_sequence).encode_into(seed, &[], &mut bytes);
    disk.write(file, end, &bytes)?;
    disk.truncate(file, end + FRAME_BYTES as u64)?;
    disk.sync(file)
}

/// 1 GiB: positions are 32 bits and a batch may follow.
pub(super) const SEGMENT_BYTES_MAX: u32 = 1 << 30;
/// 1 GiB, see above.
const BATCH_BYTES_MAX: u64 = 1 << 30;
/// 4 MiB: what a usual batch with a full block needs; more is given back.
pub(super) const BUFFER_BYTES_KEPT: usize = 4 << 20;
