//! What an open finds in a log's directory: the segments, the end of the log, and whether what
//! does not read back is a torn tail or damage.
//!
//! A power loss keeps any subset of the pages written since the last flush, so a bad record may
//! well have good ones behind it. What tells the two cases apart is "synced before" in each frame:
//! a bad record is *damage* if an intact frame behind it says that it was on disk, and the start
//! of a *torn tail* if none does. In segments with a successor everything was on disk.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::damage::{DamageReason, LogDamage};
use super::disk::UNFINISHED_EXTENSION;
use super::format::{
    FORMAT, FRAME_BYTES, Frame, FrameType, HEADER_BYTES, HeaderError, SegmentHeader, is_intact,
};
use super::window::{Found, Window};
use super::{LogOptions, RecordPosition, RecordRef, Scan, TornTail, segment_path};
use crate::storage::StorageError;

/// Is shown every record the scan reads.
pub(super) type Visit<'a> = dyn FnMut(RecordRef<'_>) -> Result<(), StorageError> + 'a;

/// A segment that was found in order.
#[derive(Debug)]
pub(super) struct ScannedSegment {
    pub(super) header: SegmentHeader,
    pub(super) path: PathBuf,
    /// Length of the file.
    pub(super) bytes: u64,
    /// Offset after its last record.
    pub(super) end: u64,
    /// A crash may have come between creating its successor and flushing its seal.
    pub(super) needs_seal: bool,
}

/// The directory in order, but for a tail to cut.
#[derive(Debug)]
pub(super) struct ScannedLog {
    /// Oldest first, never empty.
    pub(super) segments: Vec<ScannedSegment>,
    pub(super) next_sequence: u64,
    /// Offset in the last segment from which on nothing proves that it was flushed.
    pub(super) unproven: u64,
    pub(super) torn_tail: Option<TornTail>,
}

/// File names in a log directory.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Numbers of the segments, ascending.
    pub(super) numbers: Vec<u32>,
    /// Segments whose creation a crash cut short.
    pub(super) unfinished: Vec<PathBuf>,
}

/// Lists the directory. Files that are not this log's are left alone.
pub(super) fn list(dir: &Path) -> Result<Listing, StorageError> {
    let mut listing = Listing::default();
    let read = StorageError::io;
    for entry in fs::read_dir(dir).map_err(read("list", dir))? {
        let path = entry.map_err(read("list", dir))?.path();
        let number = path.file_stem().and_then(OsStr::to_str).and_then(|stem| stem.parse().ok());
        let Some(number) = number else { continue };
        if path == segment_path(dir, number) {
            listing.numbers.push(number);
        } else if path == segment_path(dir, number).with_extension(UNFINISHED_EXTENSION) {
            listing.unfinished.push(path);
        }
    }
    listing.numbers.sort_unstable();
    Ok(listing)
}

/// Reads the segments `numbers`, at least one, and checks what `options.scan` asks for.
pub(super) fn scan(
    dir: &Path,
    options: &LogOptions,
    numbers: &[u32],
    visit: &mut Visit<'_>,
) -> Result<ScannedLog, StorageError> {
    let mut segments = read_headers(dir, options, numbers)?;
    let n_closed = segments.len() - 1;
    for index in 0..n_closed {
        check_closed(&mut segments, index, options, visit)?;
    }
    let last = &mut segments[n_closed];
    let mut window = last.window()?;
    let walk = walk(&mut window, last, options, visit)?;
    last.end = walk.end;
    let torn_tail = match walk.stop {
        Stop::Zeros | Stop::Mark => None,
        Stop::Seal => {
            let successor = last.header.number.saturating_add(1);
            let file = segment_path(dir, successor);
            return Err(damage(file, 0, Some(walk.next_sequence), DamageReason::SegmentMissing));
        }
        Stop::Bad(reason) => Some(judge_tail(&mut window, last, options, &walk, reason)?),
    };
    // The last segment gets its first record after its predecessor's seal was flushed; before, the
    // seal may stand in the page cache only, and after a failed flush for good.
    let is_empty = walk.next_sequence == last.header.first_sequence;
    if let Some(newest_closed) = segments[..n_closed].last_mut() {
        newest_closed.needs_seal |= is_empty;
    }
    let unproven = if matches!(walk.stop, Stop::Mark) { walk.end } else { walk.unproven };
    Ok(ScannedLog { next_sequence: walk.next_sequence, unproven, torn_tail, segments })
}

/// Reads and checks all headers, and that no segment is missing between two.
fn read_headers(
    dir: &Path,
    options: &LogOptions,
    numbers: &[u32],
) -> Result<Vec<ScannedSegment>, StorageError> {
    let mut segments: Vec<ScannedSegment> = Vec::with_capacity(numbers.len());
    for &number in numbers {
        let path = segment_path(dir, number);
        let result = match segments.last().map(|segment| segment.header.number + 1) {
            Some(expected) if number != expected => {
                Err(damage(segment_path(dir, expected), 0, None, DamageReason::SegmentMissing))
            }
            _ => read_header(path, number, options),
        };
        segments.push(result.map_err(|error| with_sequence_after(error, &segments, options))?);
    }
    Ok(segments)
}

fn read_header(
    path: PathBuf,
    number: u32,
    options: &LogOptions,
) -> Result<ScannedSegment, StorageError> {
    let damaged = |reason| Err(damage(path.clone(), 0, None, reason));
    let file = File::open(&path).map_err(StorageError::io("open", &path))?;
    let bytes = file.metadata().map_err(StorageError::io("examine", &path))?.len();
    if bytes < HEADER_BYTES as u64 {
        return damaged(DamageReason::HeaderShort);
    }
    if bytes > u64::from(u32::MAX) {
        return damaged(DamageReason::FileTooLong { bytes });
    }
    let mut header = [0; HEADER_BYTES];
    file.read_exact_at(&mut header, 0).map_err(StorageError::io("read", &path))?;
    let header = match SegmentHeader::decode(&header) {
        Ok(header) => header,
        Err(HeaderError::Damaged(reason)) => return damaged(reason),
        Err(HeaderError::Format(found)) => {
            return Err(StorageError::UnsupportedFormat { path, found, supported: FORMAT });
        }
    };
    if header.log_kind != options.kind {
        let (expected, found) = (options.kind, header.log_kind);
        return Err(StorageError::WrongKind { path, expected, found });
    }
    if header.chain_id != options.chain_id {
        let (expected, found) = (options.chain_id, header.chain_id);
        return Err(StorageError::WrongChain { path, expected, found });
    }
    if header.number != number {
        return damaged(DamageReason::SegmentNumber { found: header.number });
    }
    Ok(ScannedSegment { header, path, bytes, end: HEADER_BYTES as u64, needs_seal: false })
}

/// Adds to damage between segments the sequence it starts at, which the segment before tells.
fn with_sequence_after(
    error: StorageError,
    before: &[ScannedSegment],
    options: &LogOptions,
) -> StorageError {
    match (error, before.last()) {
        (StorageError::Damaged(damage), Some(segment)) => {
            let walk = segment
                .window()
                .and_then(|mut window| walk(&mut window, segment, options, &mut |_| Ok(())));
            let sequence = walk.ok().map(|walk| walk.next_sequence);
            StorageError::Damaged(LogDamage { sequence, ..damage })
        }
        (error, _) => error,
    }
}

/// Checks a segment that has a successor, and that the successor goes on where it ends.
fn check_closed(
    segments: &mut [ScannedSegment],
    index: usize,
    options: &LogOptions,
    visit: &mut Visit<'_>,
) -> Result<(), StorageError> {
    let is_newest_closed = index + 2 == segments.len();
    let next_path = segments[index + 1].path.clone();
    let next_first = segments[index + 1].header.first_sequence;
    let segment = &mut segments[index];
    if options.scan == Scan::LastSegment && is_sealed(segment, next_first)? {
        segment.end = segment.bytes - FRAME_BYTES as u64;
        return Ok(());
    }
    let walk = match options.scan {
        Scan::All => walk(&mut segment.window()?, segment, options, visit)?,
        Scan::LastSegment => walk(&mut segment.window()?, segment, options, &mut |_| Ok(()))?,
    };
    segment.end = walk.end;
    let sequence = Some(walk.next_sequence);
    let here = |reason| Err(damage(segment.path.clone(), walk.end, sequence, reason));
    let is_sealed = walk.stop == Stop::Seal && walk.end + FRAME_BYTES as u64 == segment.bytes;
    match walk.stop {
        _ if walk.next_sequence == next_first && is_sealed => Ok(()),
        // Every record is there, so what stands behind them is a seal that was being written.
        _ if walk.next_sequence == next_first && is_newest_closed => {
            segment.needs_seal = true;
            Ok(())
        }
        Stop::Bad(reason) => here(reason),
        Stop::Seal if walk.next_sequence == next_first => here(DamageReason::DataAfterEnd),
        Stop::Zeros | Stop::Mark if walk.next_sequence <= next_first => {
            here(DamageReason::SealMissing)
        }
        _ => {
            let reason = DamageReason::SegmentStart { found: next_first };
            Err(damage(next_path, 0, sequence, reason))
        }
    }
}

/// Whether the file ends with the seal of the record before `next_first`.
fn is_sealed(segment: &ScannedSegment, next_first: u64) -> Result<bool, StorageError> {
    let at = segment.bytes - FRAME_BYTES as u64;
    let bytes = segment.window()?.slice(at, FRAME_BYTES).map(|bytes| bytes.map(<[u8]>::to_vec));
    let bytes = bytes.map_err(StorageError::io("read", &segment.path))?;
    let seal = Frame::marker(FrameType::Seal, next_first);
    Ok(bytes.is_some_and(|bytes| {
        Frame::decode(bytes[..].try_into().expect("it is that long")) == Some(seal)
            && is_intact(segment.header.seed(), &bytes)
    }))
}

/// Decides whether a bad record at the end of the last segment's readable part is a torn tail.
fn judge_tail(
    window: &mut Window,
    last: &ScannedSegment,
    options: &LogOptions,
    walk: &Walk,
    reason: DamageReason,
) -> Result<TornTail, StorageError> {
    let (offset, sequence) = (walk.end, walk.next_sequence);
    let proof =
        window.proves_synced(offset, sequence, last.header.seed(), options.record_bytes_max);
    if proof.map_err(StorageError::io("read", &last.path))? {
        return Err(damage(last.path.clone(), offset, Some(sequence), reason));
    }
    let data_end = window.data_end(offset);
    let bytes = data_end.map_err(StorageError::io("read", &last.path))? - offset;
    Ok(TornTail { file: last.path.clone(), offset, sequence, bytes, reason })
}

/// How far the records of a segment could be read.
struct Walk {
    /// Offset after the last good record.
    end: u64,
    next_sequence: u64,
    /// Offset of the first record of the last group that was written without a flush between.
    unproven: u64,
    stop: Stop,
}

/// What stands behind the last good record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    Zeros,
    Mark,
    Seal,
    Bad(DamageReason),
}

/// Reads records from the start of a segment to the first frame that is not the next record.
fn walk(
    window: &mut Window,
    segment: &ScannedSegment,
    options: &LogOptions,
    visit: &mut Visit<'_>,
) -> Result<Walk, StorageError> {
    let seed = segment.header.seed();
    let mut sequence = segment.header.first_sequence;
    let mut offset = HEADER_BYTES as u64;
    let mut unproven = offset;
    let stop = loop {
        let found = window.frame_at(offset, seed, options.record_bytes_max);
        let (frame, payload) = match found.map_err(StorageError::io("read", &segment.path))? {
            Found::Frame(frame, payload) => (frame, payload),
            Found::End => break Stop::Zeros,
            Found::Bad(reason) => break Stop::Bad(reason),
        };
        if frame.sequence != sequence {
            break Stop::Bad(DamageReason::RecordSequence { found: frame.sequence });
        }
        match frame.frame_type {
            FrameType::Record => {
                let offset32 = u32::try_from(offset).expect("no longer segment is read");
                let position = RecordPosition { segment: segment.header.number, offset: offset32 };
                visit(RecordRef { sequence, kind: frame.kind, position, payload })?;
            }
            FrameType::Mark => {
                let rest = window.is_zero_from(offset + frame.total_bytes());
                let is_last = rest.map_err(StorageError::io("read", &segment.path))?;
                break if is_last { Stop::Mark } else { Stop::Bad(DamageReason::DataAfterEnd) };
            }
            FrameType::Seal => break Stop::Seal,
        }
        if frame.synced_before == sequence {
            unproven = offset;
        }
        offset += frame.total_bytes();
        sequence += 1;
    };
    Ok(Walk { end: offset, next_sequence: sequence, unproven, stop })
}

impl ScannedSegment {
    fn window(&self) -> Result<Window, StorageError> {
        let file = File::open(&self.path).map_err(StorageError::io("open", &self.path))?;
        Ok(Window::new(Arc::new(file), self.bytes))
    }
}

fn damage(file: PathBuf, offset: u64, sequence: Option<u64>, reason: DamageReason) -> StorageError {
    StorageError::Damaged(LogDamage { file, offset, sequence, reason })
}
