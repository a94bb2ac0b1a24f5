//! Behaviour of a log on a real directory. `tests/damage.rs` alters the files, `tests/faults.rs`
//! makes the disk refuse, `tests/crash.rs` cuts the power, `tests/latency.rs` measures.

mod crash;
mod damage;
mod faults;
mod latency;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use tempfile::TempDir;

use super::disk::Disk;
use super::probe::Probe;
use super::*;

#[test]
fn empty_log_is_new_once() {
    let dir = TempDir::new().unwrap();
    let first = RecordLog::open(&dir.path().join("a/b"), options()).unwrap().1;
    let again = RecordLog::open(&dir.path().join("a/b"), options()).unwrap().1;
    assert!(first.is_new && !again.is_new);
    assert_eq!((again.first_sequence, again.next_sequence, again.torn_tail), (0, 0, None));
}

#[test]
fn new_log_starts_at_the_sequence_asked_for() {
    let dir = TempDir::new().unwrap();
    let options = LogOptions { first_sequence: 1000, ..options() };
    let (mut log, _) = RecordLog::open(dir.path(), options).unwrap();
    append_numbered(&mut log, 2);
    drop(log);
    assert_eq!(reopen(dir.path()).1.next_sequence, 1002);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_appended_is_read_back(
        batches in prop::collection::vec(batch(), 1..20),
        segment_bytes in 100_u32..20_000,
        preallocate_bytes in prop::sample::select(vec![0_u32, 1, 300, 8192]),
    ) {
        let dir = TempDir::new().unwrap();
        let options = LogOptions { segment_bytes, preallocate_bytes, ..options() };
        let (mut log, _) = RecordLog::open(dir.path(), options.clone()).unwrap();
        let mut expected = Vec::new();
        for (records, step) in &batches {
            let new: Vec<_> = records.iter().map(as_new).collect();
            let positions = log.append(&new).unwrap();
            for ((kind, payload), position) in records.iter().zip(positions) {
                let (kind, payload) = (*kind, payload.clone());
                let sequence = expected.len() as u64;
                expected.push(Record { sequence, kind, position, payload });
            }
            match step {
                Step::Nothing => {}
                Step::Sync => log.sync().unwrap(),
                Step::Rotate => log.rotate().unwrap(),
                Step::Reopen => {
                    log.close().unwrap();
                    log = RecordLog::open(dir.path(), options.clone()).unwrap().0;
                }
            }
        }
        log.sync().unwrap();
        prop_assert_eq!(all(&log.reader()), expected.clone());
        drop(log);

        let mut shown = Vec::new();
        let (log, report) = RecordLog::open_with(dir.path(), options.clone(), |record| {
            shown.push(owned(record));
            Ok(())
        }).unwrap();
        prop_assert_eq!(report.torn_tail, None);
        prop_assert_eq!(&shown, &expected);
        let reader = log.reader();
        for record in &expected {
            prop_assert_eq!(&reader.read(record.position).unwrap(), record);
            let from = reader.iter_from_sequence(record.sequence).unwrap();
            prop_assert_eq!(from.position(), record.position);
        }
        let last_only = LogOptions { scan: Scan::LastSegment, ..options };
        let (log, _) = RecordLog::open(dir.path(), last_only).unwrap();
        prop_assert_eq!(all(&log.reader()), expected);
    }
}

#[test]
fn positions_sort_and_encode_in_order() {
    let position = |segment, offset| RecordPosition { segment, offset };
    let sorted = [position(0, 68), position(0, 70_000), position(1, 68), position(u32::MAX, 68)];
    assert!(sorted.is_sorted());
    assert!(sorted.map(RecordPosition::to_bytes).is_sorted());
    let decoded = sorted.map(|position| RecordPosition::from_bytes(position.to_bytes()));
    assert_eq!(decoded, sorted);
}

#[test]
fn readers_see_what_is_synced() {
    let (_dir, mut log) = new_log();
    let reader = log.reader();
    let position = log.append(&[NewRecord { kind: 1, payload: b"x" }]).unwrap()[0];
    assert_eq!(reader.next_sequence(), 0);
    assert!(matches!(reader.read(position), Err(StorageError::NoRecord { .. })));
    assert!(all(&reader).is_empty());
    log.sync().unwrap();
    assert_eq!(reader.read(position).unwrap().payload, b"x");
}

#[test]
fn iteration_goes_on_where_it_stopped() {
    let (_dir, mut log) = new_log();
    append_numbered(&mut log, 3);
    let reader = log.reader();
    let mut records = reader.iter_from_sequence(0).unwrap();
    assert_eq!(records.by_ref().count(), 3);
    log.rotate().unwrap();
    append_numbered(&mut log, 2);
    let later: Vec<_> = reader.iter_from(records.position()).map(|r| r.unwrap().sequence).collect();
    assert_eq!(later, [3, 4]);
}

#[test]
fn position_inside_a_record_is_refused() {
    let (_dir, mut log) = new_log();
    append_numbered(&mut log, 3);
    let reader = log.reader();
    let mut position = reader.iter_from_sequence(1).unwrap().position();
    position.offset += 1;
    assert!(matches!(reader.read(position), Err(StorageError::Damaged(_))));
}

#[test]
fn readers_on_other_threads_follow_the_writer() {
    let (_dir, mut log) = new_log();
    let done = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let (reader, done) = (log.reader(), done.clone());
            std::thread::spawn(move || {
                let mut position = RecordPosition { segment: 0, offset: 68 };
                let mut sequence = 0;
                loop {
                    let is_last_pass = done.load(Ordering::Acquire);
                    let mut records = reader.iter_from(position);
                    for record in records.by_ref() {
                        let record = record.unwrap();
                        assert_eq!(record.payload, numbered(sequence));
                        assert_eq!(reader.read(record.position).unwrap(), record);
                        sequence += 1;
                    }
                    position = records.position();
                    if is_last_pass {
                        return sequence;
                    }
                }
            })
        })
        .collect();
    for n in 0..300 {
        append_numbered(&mut log, n % 5);
    }
    done.store(true, Ordering::Release);
    for thread in threads {
        assert_eq!(thread.join().unwrap(), log.next_sequence());
    }
}

#[test]
fn pruning_drops_whole_segments_below() {
    let (dir, mut log) = new_log();
    let reader = log.reader();
    append_numbered(&mut log, 3);
    let old = reader.iter_from_sequence(0).unwrap().position();
    log.rotate().unwrap();
    append_numbered(&mut log, 3);
    log.rotate().unwrap();
    assert_eq!(log.truncate_before(2).unwrap(), 0);
    assert_eq!(log.truncate_before(5).unwrap(), 1);
    assert_eq!((log.first_sequence(), reader.first_sequence()), (3, 3));
    assert!(matches!(reader.read(old), Err(StorageError::Pruned { oldest: 1, .. })));
    assert_eq!(log.truncate_before(log.next_sequence()).unwrap(), 1);
    drop(log);
    let (log, report) = reopen(dir.path());
    assert_eq!((report.first_sequence, report.next_sequence, report.n_segments), (6, 6, 1));
    assert!(all(&log.reader()).is_empty());
}

#[test]
fn a_segment_without_records_is_not_rotated() {
    let (_dir, mut log) = new_log();
    log.rotate().unwrap();
    append_numbered(&mut log, 1);
    log.rotate().unwrap();
    log.rotate().unwrap();
    append_numbered(&mut log, 1);
    assert_eq!(all(&log.reader())[1].position.segment, 1);
}

#[test]
fn a_record_above_the_limit_changes_nothing() {
    let (_dir, mut log) = new_log();
    let bytes = vec![0; 4097];
    let refused = log.append(&[NewRecord { kind: 0, payload: &bytes }]).unwrap_err();
    assert!(matches!(refused, StorageError::RecordTooLarge { bytes: 4097, limit: 4096 }));
    append_numbered(&mut log, 1);
    assert_eq!(all(&log.reader()).len(), 1);
}

#[test]
fn wrong_chain_kind_and_format_are_told_apart() {
    let (dir, log) = new_log();
    drop(log);
    let chain = LogOptions { chain_id: [8; 32], ..options() };
    let refused = RecordLog::open(dir.path(), chain).unwrap_err();
    assert!(matches!(refused, StorageError::WrongChain { .. }), "{refused}");
    let kind = LogOptions { kind: 2, ..options() };
    let refused = RecordLog::open(dir.path(), kind).unwrap_err();
    assert!(matches!(refused, StorageError::WrongKind { expected: 2, found: 1, .. }), "{refused}");

    let path = segment_path(dir.path(), 0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[8] = 9;
    let checksum = crc32fast::hash(&bytes[..64]).to_le_bytes();
    bytes[64..68].copy_from_slice(&checksum);
    fs::write(&path, &bytes).unwrap();
    let refused = RecordLog::open(dir.path(), options()).unwrap_err();
    assert!(matches!(refused, StorageError::UnsupportedFormat { found: 9, .. }), "{refused}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_log_set_aside_makes_room_for_a_new_one() {
    let parent = TempDir::new().unwrap();
    let dir = parent.path().join("votes");
    for n in 0..2 {
        let (mut log, report) = RecordLog::open(&dir, options()).unwrap();
        assert!(report.is_new);
        append_numbered(&mut log, 1);
        drop(log);
        let aside = set_aside(&dir).unwrap();
        assert_eq!(aside, parent.path().join(format!("votes.damaged-{n}")));
        assert_eq!(reopen(&aside).1.next_sequence, 1);
    }
}

#[test]
fn files_that_are_not_the_logs_are_left_alone() {
    let (dir, log) = new_log();
    drop(log);
    let foreign = ["1.log", "00000000001.log", "notes.txt", "0000000001.log.bak"];
    for name in foreign {
        fs::write(dir.path().join(name), b"mine").unwrap();
    }
    fs::write(dir.path().join("0000000001.unfinished"), b"half").unwrap();
    reopen(dir.path());
    assert!(foreign.iter().all(|name| dir.path().join(name).exists()));
    assert!(!dir.path().join("0000000001.unfinished").exists());
}

/// Small segments and steps, so that tests meet every boundary.
fn options() -> LogOptions {
    LogOptions {
        segment_bytes: 2000,
        preallocate_bytes: 512,
        record_bytes_max: 4096,
        ..LogOptions::new(1, [7; 32])
    }
}

fn new_log() -> (TempDir, RecordLog) {
    let dir = TempDir::new().unwrap();
    let log = RecordLog::open(dir.path(), options()).unwrap().0;
    (dir, log)
}

fn reopen(dir: &Path) -> (RecordLog, OpenReport) {
    RecordLog::open(dir, options()).unwrap()
}

/// Appends and syncs `n` records whose payload tells their sequence.
fn append_numbered(log: &mut RecordLog, n: usize) {
    let first = log.next_sequence();
    let payloads: Vec<_> = (first..first + n as u64).map(numbered).collect();
    let batch: Vec<_> = payloads.iter().map(|payload| NewRecord { kind: 3, payload }).collect();
    log.append(&batch).unwrap();
    log.sync().unwrap();
}

/// 50 bytes.
fn numbered(sequence: u64) -> Vec<u8> {
    format!("{sequence:050}").into_bytes()
}

fn all(reader: &RecordReader) -> Vec<Record> {
    reader.iter_from_sequence(0).unwrap().map(Result::unwrap).collect()
}

fn owned(record: RecordRef<'_>) -> Record {
    let RecordRef { sequence, kind, position, payload } = record;
    Record { sequence, kind, position, payload: payload.to_vec() }
}

fn as_new((kind, payload): &(u8, Vec<u8>)) -> NewRecord<'_> {
    NewRecord { kind: *kind, payload }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Nothing,
    Sync,
    Rotate,
    Reopen,
}

type Batch = (Vec<(u8, Vec<u8>)>, Step);

fn batch() -> impl Strategy<Value = Batch> {
    let payload = prop_oneof![
        Just(Vec::new()),
        (0_usize..4096).prop_map(|n| vec![0; n]),
        prop::collection::vec(any::<u8>(), 0..600),
    ];
    let records = prop::collection::vec((any::<u8>(), payload), 0..6);
    let step =
        prop_oneof![Just(Step::Nothing), Just(Step::Sync), Just(Step::Rotate), Just(Step::Reopen)];
    (records, step)
}
