//! The scan of a log: whatever a segment holds, an open gives a log that reads back and takes
//! records, or an error.

use std::fs;
use std::path::Path;

use timecoin_core::storage::StorageError;
use timecoin_core::storage::log::{LogOptions, NewRecord, RecordLog, Scan};

pub(crate) fn scan(bytes: &[u8]) {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let dir = dir.path().join("log");
    fs::create_dir(&dir).expect("it is new");
    // The first byte says whether a second segment follows and where the bytes are cut.
    let (choice, bytes) = bytes.split_first().unwrap_or((&0, &[]));
    let middle = if choice % 2 == 1 { bytes.len() / 2 } else { bytes.len() };
    fs::write(dir.join("0000000000.log"), &bytes[..middle]).expect("there is room");
    if middle < bytes.len() {
        fs::write(dir.join("0000000001.log"), &bytes[middle..]).expect("there is room");
    }
    let Ok(next) = open(&dir, Scan::All) else { return };
    for scan in [Scan::LastSegment, Scan::All] {
        let again = open(&dir, scan).expect("it was repaired, and closed in order");
        assert!(again > next, "a record is lost");
    }
}

/// Reads everything and appends one record; the sequence after it.
fn open(dir: &Path, scan: Scan) -> Result<u64, StorageError> {
    let mut options = LogOptions::new(1, CHAIN_ID);
    (options.sync, options.scan, options.preallocate_bytes) = (false, scan, 0);
    options.record_bytes_max = 4_096;
    let mut n_seen = 0;
    let (log, report) = RecordLog::open_with(dir, options.clone(), |_| {
        n_seen += 1;
        Ok::<(), StorageError>(())
    })?;
    assert!(report.first_sequence <= report.next_sequence);
    if scan == Scan::All {
        assert_eq!(report.next_sequence - report.first_sequence, n_seen);
        let records = log.reader().iter_from_sequence(report.first_sequence)?;
        let sequences: Vec<u64> =
            records.map(|record| record.map(|r| r.sequence)).collect::<Result<_, _>>()?;
        assert!(sequences.into_iter().eq(report.first_sequence..report.next_sequence));
    }
    let next = log.next_sequence();
    drop(log);
    let (mut log, again) = RecordLog::open(dir, options)?;
    assert_eq!(again.torn_tail, None, "cut twice");
    assert_eq!(again.next_sequence, next);
    log.append(&[NewRecord { kind: 1, payload: b"more" }])?;
    log.sync()?;
    let last = log.reader().iter_from_sequence(next)?.next().expect("it was appended")?;
    assert_eq!((last.sequence, &last.payload[..]), (next, &b"more"[..]));
    log.close()?;
    Ok(next)
}

pub(crate) const CHAIN_ID: [u8; 32] = [7; 32];
