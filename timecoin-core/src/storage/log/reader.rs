//! Reading while the writer writes. Readers share with the writer a list of segments and, for
//! each, how far it is synced; they take no lock and see only what a power loss can't take back.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use super::damage::{DamageReason, LogDamage};
use super::format::{FRAME_BYTES, Frame, FrameType, HEADER_BYTES, is_intact};
use super::segment_path;
use super::window::{Found, Window};
use crate::storage::StorageError;

/// Where a record starts. Positions sort as their records do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordPosition {
    /// Number of the segment file.
    pub segment: u32,
    /// Byte offset in it.
    pub offset: u32,
}

impl RecordPosition {
    /// Eight bytes, big-endian, so that they sort as the positions do.
    pub fn to_bytes(self) -> [u8; 8] {
        ((u64::from(self.segment) << 32) | u64::from(self.offset)).to_be_bytes()
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        let [a, b, c, d, e, f, g, h] = bytes;
        Self { segment: u32::from_be_bytes([a, b, c, d]), offset: u32::from_be_bytes([e, f, g, h]) }
    }
}

/// A record as it was appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number in the log; records are numbered without gaps.
    pub sequence: u64,
    /// What the caller named it.
    pub kind: u8,
    /// Where it stands.
    pub position: RecordPosition,
    /// What the caller wrote.
    pub payload: Vec<u8>,
}

/// Reads synced records from any thread; clones share everything.
#[derive(Clone, Debug)]
pub struct RecordReader {
    pub(super) shared: Arc<Shared>,
}

/// What the writer publishes.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) dir: PathBuf,
    pub(super) record_bytes_max: u32,
    /// Oldest first, numbers without gaps, never empty; the last one is being written.
    pub(super) segments: ArcSwap<Vec<Arc<Segment>>>,
    /// Sequence after the last synced record.
    pub(super) next_sequence: AtomicU64,
}

/// One segment as readers see it.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u32,
    pub(super) first_sequence: u64,
    pub(super) seed: u32,
    /// Offset after the last synced record. Final once the segment has a successor in the list.
    pub(super) end: AtomicU64,
    /// Held open for the segment that is being written only, so that a long log does not use up
    /// the process's file descriptors.
    pub(super) file: Option<Arc<File>>,
}

impl RecordReader {
    /// Sequence of the oldest record that is kept, or of the next one if there is none.
    pub fn first_sequence(&self) -> u64 {
        self.shared.segments.load()[0].first_sequence
    }

    /// Sequence after the last synced record.
    pub fn next_sequence(&self) -> u64 {
        self.shared.next_sequence.load(Ordering::Acquire)
    }

    /// Reads the record that starts at `position`.
    ///
    /// # Errors
    /// `NoRecord` beyond what is synced, `Pruned` before what is kept, `Damaged` if the checksum
    /// does not match or no record starts there, `Io`.
    pub fn read(&self, position: RecordPosition) -> Result<Record, StorageError> {
        let segment = self.segment(position)?;
        let offset = u64::from(position.offset);
        let end = segment.end.load(Ordering::Acquire);
        if offset < HEADER_BYTES as u64 || offset + FRAME_BYTES as u64 > end {
            return Err(StorageError::NoRecord { position });
        }
        let file = self.open(&segment, position)?;
        let mut bytes = vec![0; FRAME_BYTES];
        self.read_exact(&file, &mut bytes, position)?;
        let frame = Frame::decode(bytes[..].try_into().expect("it is that long"))
            .ok_or_else(|| self.damage(position, None, DamageReason::Checksum))?;
        let damage = |reason| self.damage(position, Some(frame.sequence), reason);
        if frame.length > self.shared.record_bytes_max {
            return Err(damage(DamageReason::RecordTooLarge { bytes: frame.length }));
        }
        if offset + frame.total_bytes() > end {
            return Err(damage(DamageReason::RecordShort));
        }
        bytes.resize(FRAME_BYTES + frame.length as usize, 0);
        self.read_exact(&file, &mut bytes, position)?;
        if !is_intact(segment.seed, &bytes) {
            return Err(damage(DamageReason::Checksum));
        }
        if frame.frame_type != FrameType::Record {
            return Err(damage(DamageReason::FrameType));
        }
        let payload = bytes.split_off(FRAME_BYTES);
        Ok(Record { sequence: frame.sequence, kind: frame.kind, position, payload })
    }

    /// Records in order from `position` on, which is that of a record or where another iteration
    /// stopped. One beyond what is synced yields `NoRecord`, one before what is kept `Pruned`.
    pub fn iter_from(&self, position: RecordPosition) -> Records {
        Records { reader: self.clone(), position, sequence: None, window: None, stopped: false }
    }

    /// Records in order from `sequence` on, or from the oldest that is kept if that is later.
    /// Without a position at hand this reads up to one segment to find the first.
    ///
    /// # Errors
    /// As of [`read`](Self::read), for the records before `sequence` in its segment.
    pub fn iter_from_sequence(&self, sequence: u64) -> Result<Records, StorageError> {
        let segments = self.shared.segments.load();
        let after = segments.partition_point(|segment| segment.first_sequence <= sequence);
        let segment = &segments[after.saturating_sub(1)];
        let mut records = self.iter_from(segment.start());
        records.sequence = Some(segment.first_sequence);
        while records.sequence.is_some_and(|next| next < sequence) {
            match records.advance(false)? {
                Some(_) => {}
                None => break,
            }
        }
        Ok(records)
    }

    fn segment(&self, position: RecordPosition) -> Result<Arc<Segment>, StorageError> {
        let segments = self.shared.segments.load();
        let oldest = segments[0].number;
        let Some(index) = position.segment.checked_sub(oldest) else {
            return Err(StorageError::Pruned { position, oldest });
        };
        segments.get(index as usize).cloned().ok_or(StorageError::NoRecord { position })
    }

    /// Opens the segment's file; one that was pruned in the meantime is reported as such.
    fn open(&self, segment: &Segment, position: RecordPosition) -> Result<Arc<File>, StorageError> {
        if let Some(file) = &segment.file {
            return Ok(file.clone());
        }
        let path = segment_path(&self.shared.dir, segment.number);
        match File::open(&path) {
            Ok(file) => Ok(Arc::new(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.segment(position)?;
                Err(self.damage(position, None, DamageReason::SegmentMissing))
            }
            Err(error) => Err(StorageError::io("open", &path)(error)),
        }
    }

    fn read_exact(
        &self,
        file: &File,
        bytes: &mut [u8],
        position: RecordPosition,
    ) -> Result<(), StorageError> {
        let read = file.read_exact_at(bytes, u64::from(position.offset));
        read.map_err(|error| self.read_error(position, error))
    }

    fn read_error(&self, position: RecordPosition, error: io::Error) -> StorageError {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return self.damage(position, None, DamageReason::RecordShort);
        }
        StorageError::io("read", &segment_path(&self.shared.dir, position.segment))(error)
    }

    fn damage(
        &self,
        position: RecordPosition,
        sequence: Option<u64>,
        reason: DamageReason,
    ) -> StorageError {
        StorageError::Damaged(LogDamage {
            file: segment_path(&self.shared.dir, position.segment),
            offset: u64::from(position.offset),
            sequence,
            reason,
        })
    }
}

impl Segment {
    /// Where the segment's first record stands or will stand.
    pub(super) fn start(&self) -> RecordPosition {
        RecordPosition { segment: self.number, offset: FIRST_OFFSET }
    }
}

/// Streams records in order. Ends at the last synced record; one made later from
/// [`position`](Records::position) goes on with those synced since. Ends after an error.
#[derive(Debug)]
pub struct Records {
    reader: RecordReader,
    position: RecordPosition,
    /// Sequence of the next record, once known.
    sequence: Option<u64>,
    /// The open segment, with its seed.
    window: Option<(Window, u32)>,
    stopped: bool,
}

impl Records {
    /// Position of the next record.
    pub fn position(&self) -> RecordPosition {
        self.position
    }

    /// Checks the next record and steps over it; its payload is copied only on request.
    fn advance(&mut self, copy: bool) -> Result<Option<Record>, StorageError> {
        if !self.open_window()? {
            return Ok(None);
        }
        let position = self.position;
        let (window, seed) = self.window.as_mut().expect("it was opened above");
        let found = window
            .frame_at(u64::from(position.offset), *seed, self.reader.shared.record_bytes_max)
            .map_err(|error| self.reader.read_error(position, error))?;
        let damage = |reason| Err(self.reader.damage(position, self.sequence, reason));
        let (frame, payload) = match found {
            Found::Frame(frame, payload) => (frame, payload),
            Found::End => return damage(DamageReason::Checksum),
            Found::Bad(reason) => return damage(reason),
        };
        if frame.frame_type != FrameType::Record {
            return damage(DamageReason::FrameType);
        }
        if self.sequence.is_some_and(|sequence| sequence != frame.sequence) {
            return damage(DamageReason::RecordSequence { found: frame.sequence });
        }
        let payload = if copy { payload.to_vec() } else { Vec::new() };
        self.sequence = Some(frame.sequence + 1);
        self.position.offset = u32::try_from(u64::from(position.offset) + frame.total_bytes())
            .expect("frames lie within the window, whose limit is a segment's end");
        Ok(Some(Record { sequence: frame.sequence, kind: frame.kind, position, payload }))
    }

    /// Makes the window hold the next record; `false` if no synced record follows.
    fn open_window(&mut self) -> Result<bool, StorageError> {
        loop {
            let offset = u64::from(self.position.offset);
            if self.window.as_ref().is_some_and(|(window, _)| offset < window.limit()) {
                return Ok(true);
            }
            // The list first, then the end: a segment with a successor in the list has its
            // final end by then, so that nothing is skipped.
            let segments = self.reader.shared.segments.load_full();
            let segment = self.reader.segment(self.position)?;
            let is_last = segments.last().is_some_and(|last| last.number <= segment.number);
            let end = segment.end.load(Ordering::Acquire);
            if offset < end {
                let file = self.reader.open(&segment, self.position)?;
                self.window = Some((Window::new(file, end), segment.seed));
                return Ok(true);
            }
            if offset > end {
                return Err(StorageError::NoRecord { position: self.position });
            }
            if is_last {
                return Ok(false);
            }
            self.window = None;
            let segment = segment.number + 1;
            self.position = RecordPosition { segment, offset: FIRST_OFFSET };
        }
    }
}

impl Iterator for Records {
    type Item = Result<Record, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.stopped {
            return None;
        }
        let next = self.advance(true).transpose();
        self.stopped = !matches!(next, Some(Ok(_)));
        next
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a header has 68 bytes")]
const FIRST_OFFSET: u32 = HEADER_BYTES as u32;
