//! Opening a log: creates it, or mends what a crash left and goes on behind it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::disk::{Disk, SegmentFile};
use super::reader::Segment;
use super::scan::{self, Listing, ScannedLog, ScannedSegment, Visit};
use super::writer::{BUFFER_BYTES_KEPT, SEGMENT_BYTES_MAX, create_segment, seal};
use super::{LogOptions, OpenReport, RecordLog, RecordRef};
use crate::storage::StorageError;

impl RecordLog {
    /// Opens the log in `dir`, or creates it. A torn tail is cut.
    ///
    /// # Errors
    /// `Damaged`, `WrongChain`, `WrongKind` and `UnsupportedFormat` leave all files as they are;
    /// `Io` if the directory can't be read or written.
    pub fn open(dir: &Path, options: LogOptions) -> Result<(Self, OpenReport), StorageError> {
        Self::open_with(dir, options, |_| Ok(()))
    }

    /// Opens the log and shows every record that is scanned (see `Scan`) to `visit`, in order,
    /// so that a caller's index costs no second pass. Records that were shown before an open
    /// fails are to be forgotten with it.
    ///
    /// # Errors
    /// As [`open`](Self::open), and whatever `visit` returns.
    pub fn open_with(
        dir: &Path,
        options: LogOptions,
        mut visit: impl FnMut(RecordRef<'_>) -> Result<(), StorageError>,
    ) -> Result<(Self, OpenReport), StorageError> {
        let disk = Disk::new(options.sync);
        Self::open_on(disk, dir, options, &mut visit)
    }

    pub(super) fn open_on(
        disk: Disk,
        dir: &Path,
        mut options: LogOptions,
        visit: &mut Visit<'_>,
    ) -> Result<(Self, OpenReport), StorageError> {
        options.segment_bytes = options.segment_bytes.min(SEGMENT_BYTES_MAX);
        let listing = if dir.exists() { scan::list(dir)? } else { Listing::default() };
        let scanned = match listing.numbers.as_slice() {
            [] => None,
            numbers => Some(scan::scan(dir, &options, numbers, visit)?),
        };
        for path in listing.unfinished {
            disk.remove(&path)?;
        }
        match scanned {
            None => Self::create(disk, dir, options),
            Some(scanned) => Self::resume(disk, dir, options, scanned),
        }
    }

    /// Starts a log in an empty directory.
    fn create(
        disk: Disk,
        dir: &Path,
        options: LogOptions,
    ) -> Result<(Self, OpenReport), StorageError> {
        disk.create_dir(dir)?;
        let sequence = options.first_sequence;
        let (active, file, allocated) = create_segment(&disk, dir, &options, 0, sequence)?;
        let report = OpenReport {
            is_new: true,
            first_sequence: sequence,
            next_sequence: sequence,
            n_segments: 1,
            torn_tail: None,
        };
        let active = Arc::new(active);
        let log = Self::assemble(disk, dir, options, vec![active], file, allocated, sequence);
        Ok((log, report))
    }

    /// Mends what a crash left, makes certain that all that was read is on disk, and goes on
    /// behind it.
    fn resume(
        disk: Disk,
        dir: &Path,
        options: LogOptions,
        scanned: ScannedLog,
    ) -> Result<(Self, OpenReport), StorageError> {
        let ScannedLog { segments, next_sequence, unproven, torn_tail } = scanned;
        let last = segments.last().expect("a scan returns at least one segment");
        let file = disk.open(&last.path)?;
        // A crash may have come between naming the last segment and flushing its name.
        disk.sync_dir(&last.path)?;
        for (segment, next) in segments.iter().zip(&segments[1..]) {
            if segment.needs_seal {
                let (end, next_sequence) = (segment.end, next.header.first_sequence);
                let file = disk.open(&segment.path)?;
                seal(&disk, &file, end, next_sequence, segment.header.seed())?;
            }
        }
        let mut allocated = last.bytes;
        if unproven < last.end {
            rewrite(&disk, &file, unproven, last.end)?;
        }
        if torn_tail.is_some() {
            disk.truncate(&file, last.end)?;
            allocated = last.end;
        }
        if unproven < last.end || torn_tail.is_some() {
            disk.sync(&file)?;
        }
        let report = OpenReport {
            is_new: false,
            first_sequence: segments[0].header.first_sequence,
            next_sequence,
            n_segments: segments.len(),
            torn_tail,
        };
        let mut list: Vec<_> = segments.iter().map(|found| Arc::new(found.publish(None))).collect();
        let active = list.last_mut().expect("one for each segment");
        *active = Arc::new(last.publish(Some(file.file.clone())));
        let mut log = Self::assemble(disk, dir, options, list, file, allocated, next_sequence);
        log.write_mark()?;
        Ok((log, report))
    }
}

/// Writes what was read once more. The bytes may come from the page cache of a kernel that failed
/// to write them, marked them clean and would not write them again.
fn rewrite(disk: &Disk, file: &SegmentFile, from: u64, end: u64) -> Result<(), StorageError> {
    let mut offset = from;
    let mut buffer = Vec::new();
    while offset < end {
        let n = (end - offset).min(BUFFER_BYTES_KEPT as u64);
        buffer.resize(usize::try_from(n).expect("at most the buffer's size"), 0);
        let read = file.file.read_exact_at(&mut buffer, offset);
        read.map_err(StorageError::io("read", &file.path))?;
        disk.write(file, offset, &buffer)?;
        offset += n;
    }
    Ok(())
}

impl ScannedSegment {
    fn publish(&self, file: Option<Arc<File>>) -> Segment {
        Segment {
            number: self.header.number,
            first_sequence: self.header.first_sequence,
            seed: self.header.seed(),
            end: AtomicU64::new(self.end),
            file,
        }
    }
}
