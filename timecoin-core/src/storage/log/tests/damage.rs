//! Files altered from outside, byte by byte and bit by bit.

use super::*;

/// What a crash of the process leaves when the tail was written in part.
#[test]
fn a_log_cut_anywhere_in_its_last_batch_keeps_the_records_before() {
    let (dir, mut log) = new_log();
    append_numbered(&mut log, 4);
    let records = append_unsynced(&mut log, 2);
    let path = segment_path(dir.path(), 0);
    let bytes = fs::read(&path).unwrap();
    let start = records[0].offset as usize;
    let second = records[1].offset as usize;
    let end = second + 76;
    for cut in start..=end {
        for zeros in [0, bytes.len() - cut] {
            let mut cut_bytes = bytes[..cut].to_vec();
            cut_bytes.resize(cut + zeros, 0);
            fs::write(&path, &cut_bytes).unwrap();
            let n_whole = [second, end].iter().filter(|&&end| end <= cut).count() as u64;
            let (mut log, report) = reopen(dir.path());
            assert_eq!(report.next_sequence, 4 + n_whole, "cut at {cut} before {zeros} zeros");
            // `numbered` pads with '0', not with zero bytes, and a frame's checksum may hold one.
            if let Some(torn) = &report.torn_tail {
                let at = [start, second, end][usize::try_from(n_whole).unwrap()] as u64;
                assert_eq!((torn.offset, torn.sequence), (at, 4 + n_whole));
                assert!(torn.bytes <= cut as u64 - at);
            } else {
                let rest = [start, second, end][usize::try_from(n_whole).unwrap()]..cut;
                assert!(bytes[rest].iter().all(|&byte| byte == 0));
            }
            append_numbered(&mut log, 3);
            let payloads: Vec<_> = all(&log.reader()).into_iter().map(|r| r.payload).collect();
            let expected: Vec<_> = (0..7 + n_whole).map(numbered).collect();
            assert_eq!(payloads, expected);
            drop(log);
            assert_eq!(reopen(dir.path()).1.torn_tail, None);
        }
    }
}

/// Whole records behind the cut must not come back behind those appended after it.
#[test]
fn what_was_cut_stays_cut() {
    let (dir, mut log) = new_log();
    let positions = append_unsynced(&mut log, 20);
    drop(log);
    let path = segment_path(dir.path(), 0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[positions[2].offset as usize] ^= 1;
    fs::write(&path, bytes).unwrap();
    let (mut log, report) = reopen(dir.path());
    assert_eq!(report.torn_tail.map(|torn| (torn.sequence, torn.bytes)), Some((2, 18 * 76)));
    append_numbered(&mut log, 1);
    drop(log);
    let report = reopen(dir.path()).1;
    assert_eq!((report.next_sequence, report.torn_tail), (3, None));
}

/// The page with the old mark was not overwritten, later pages of the next batch were.
#[test]
fn a_mark_with_data_behind_it_is_a_torn_tail() {
    let (dir, mut log) = new_log();
    append_numbered(&mut log, 2);
    let path = segment_path(dir.path(), 0);
    let old = fs::read(&path).unwrap();
    append_unsynced(&mut log, 20);
    drop(log);
    let mut bytes = fs::read(&path).unwrap();
    let end = 68 + 2 * 76;
    bytes[end..end + 26].copy_from_slice(&old[end..end + 26]);
    fs::write(&path, bytes).unwrap();
    let torn = reopen(dir.path()).1.torn_tail.unwrap();
    assert_eq!((torn.sequence, torn.bytes, torn.reason), (2, 20 * 76, DamageReason::DataAfterEnd));
    let report = reopen(dir.path()).1;
    assert_eq!((report.next_sequence, report.torn_tail), (2, None));
}

#[test]
fn every_flipped_bit_of_a_synced_record_is_damage_there() {
    let (dir, mut log) = new_log();
    for _ in 0..4 {
        append_numbered(&mut log, 1);
    }
    let records = all(&log.reader());
    let reader = log.reader();
    let path = segment_path(dir.path(), 0);
    let bytes = fs::read(&path).unwrap();
    // The one in the middle, and the last one, which only the mark behind it proves.
    for record in [&records[1], &records[3]] {
        let offset = record.position.offset as usize;
        for bit in 0..(26 + 50) * 8 {
            let mut flipped = bytes.clone();
            flipped[offset + bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &flipped).unwrap();
            let damage = damage_on_open(dir.path());
            assert_eq!((&damage.file, damage.offset), (&path, offset as u64), "bit {bit}");
            assert_eq!(damage.sequence, Some(record.sequence), "bit {bit}");
            assert_eq!(fs::read(&path).unwrap(), flipped, "an open that fails alters nothing");
            assert!(matches!(reader.read(record.position), Err(StorageError::Damaged(_))));
            let n_good = reader.iter_from_sequence(0).unwrap().take_while(Result::is_ok).count();
            assert_eq!(n_good as u64, record.sequence);
        }
    }
}

#[test]
fn every_flipped_bit_of_a_header_is_damage() {
    let (dir, mut log) = new_log();
    append_numbered(&mut log, 1);
    log.rotate().unwrap();
    append_numbered(&mut log, 1);
    for number in [0, 1] {
        let path = segment_path(dir.path(), number);
        let bytes = fs::read(&path).unwrap();
        for bit in 0..68 * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &flipped).unwrap();
            let damage = damage_on_open(dir.path());
            let sequence = (number == 1).then_some(1);
            assert_eq!((damage.file, damage.sequence), (path.clone(), sequence), "bit {bit}");
        }
        fs::write(&path, &bytes[..67]).unwrap();
        assert_eq!(damage_on_open(dir.path()).reason, DamageReason::HeaderShort);
        fs::write(&path, bytes).unwrap();
    }
}

#[test]
fn a_missing_segment_is_damage_where_it_was() {
    for (missing, sequence) in [(1, Some(2)), (2, Some(4)), (3, Some(6))] {
        let dir = four_segments();
        let path = segment_path(dir.path(), missing);
        fs::remove_file(&path).unwrap();
        for scan in [Scan::All, Scan::LastSegment] {
            let options = LogOptions { scan, ..options() };
            let found = as_damage(RecordLog::open(dir.path(), options));
            let reason = DamageReason::SegmentMissing;
            assert_eq!(found, LogDamage { file: path.clone(), offset: 0, sequence, reason });
        }
    }
}

/// That may be pruning: it shows in the report.
#[test]
fn a_missing_oldest_segment_shows_in_the_report() {
    let dir = four_segments();
    fs::remove_file(segment_path(dir.path(), 0)).unwrap();
    assert_eq!(reopen(dir.path()).1.first_sequence, 2);
}

#[test]
fn a_closed_segment_cut_anywhere_is_damage() {
    let dir = four_segments();
    let path = segment_path(dir.path(), 1);
    let bytes = fs::read(&path).unwrap();
    for cut in 0..bytes.len() {
        fs::write(&path, &bytes[..cut]).unwrap();
        for scan in [Scan::All, Scan::LastSegment] {
            let options = LogOptions { scan, ..options() };
            let damage = as_damage(RecordLog::open(dir.path(), options));
            assert_eq!(damage.file, path, "cut at {cut}: {damage}");
        }
    }
    let mut longer = bytes.clone();
    longer.push(1);
    fs::write(&path, longer).unwrap();
    assert_eq!(damage_on_open(dir.path()).reason, DamageReason::DataAfterEnd);
    fs::write(&path, bytes).unwrap();
    reopen(dir.path());
}

#[test]
fn swapped_and_repeated_segments_are_damage() {
    let dir = four_segments();
    let [one, two] = [1, 2].map(|number| segment_path(dir.path(), number));
    let bytes = fs::read(&one).unwrap();
    fs::write(&two, bytes).unwrap();
    let damage = damage_on_open(dir.path());
    assert_eq!((damage.file, damage.reason), (two, DamageReason::SegmentNumber { found: 1 }));
}

/// A segment that was written twice, as by two processes on copies of one directory.
#[test]
fn a_segment_that_starts_elsewhere_is_damage() {
    let [ours, other] = [four_segments(), TempDir::new().unwrap()];
    let (mut log, _) = RecordLog::open(other.path(), options()).unwrap();
    for n in [1, 2, 2] {
        append_numbered(&mut log, n);
        log.rotate().unwrap();
    }
    let two = segment_path(ours.path(), 2);
    fs::copy(segment_path(other.path(), 2), &two).unwrap();
    for scan in [Scan::All, Scan::LastSegment] {
        let options = LogOptions { scan, ..options() };
        let damage = as_damage(RecordLog::open(ours.path(), options));
        assert_eq!((damage.file, damage.sequence), (two.clone(), Some(4)));
        assert_eq!(damage.reason, DamageReason::SegmentStart { found: 3 });
    }
}

/// Old bytes in reused disk space: a record of another segment with the very sequence that is
/// expected, and one of this segment with another.
#[test]
fn misplaced_records_do_not_pass_as_new() {
    let [(dir, mut log), (other_dir, mut other)] = [new_log(), new_log()];
    append_numbered(&mut log, 3);
    append_numbered(&mut other, 4);
    let path = segment_path(dir.path(), 0);
    let other_bytes = fs::read(segment_path(other_dir.path(), 0)).unwrap();
    let bytes = fs::read(&path).unwrap();
    let end = 68 + 3 * 76;
    for misplaced in [&other_bytes[end..end + 76], &bytes[68..68 + 76]] {
        let mut altered = bytes.clone();
        altered[end..end + 76].copy_from_slice(misplaced);
        fs::write(&path, altered).unwrap();
        let (log, report) = reopen(dir.path());
        assert_eq!(all(&log.reader()).len(), 3);
        assert_eq!(report.torn_tail.map(|torn| torn.sequence), Some(3));
    }
}

/// What a peer can put into a payload can't make a torn tail look like damage: without the salt
/// it can't be given a checksum. Here it even gets one, of a segment with another salt.
#[test]
fn frames_inside_payloads_prove_nothing() {
    let [(dir, mut log), (_other_dir, mut other)] = [new_log(), new_log()];
    append_numbered(&mut other, 9);
    let forged = fs::read(segment_path(other.reader().shared.dir.as_path(), 0)).unwrap();
    append_numbered(&mut log, 1);
    log.append(&[NewRecord { kind: 0, payload: &forged }]).unwrap();
    let path = segment_path(dir.path(), 0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[68 + 76] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert_eq!(reopen(dir.path()).1.torn_tail.map(|torn| torn.sequence), Some(1));
}

/// No length in a file makes the log allocate more than `record_bytes_max`.
#[test]
fn lengths_above_the_limit_are_not_read() {
    let (dir, mut log) = new_log();
    append_numbered(&mut log, 1);
    let position = log.reader().iter_from_sequence(0).unwrap().position();
    let path = segment_path(dir.path(), 0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[68 + 4..68 + 8].copy_from_slice(&u32::MAX.to_le_bytes());
    fs::write(&path, &bytes).unwrap();
    let reason = DamageReason::RecordTooLarge { bytes: u32::MAX };
    assert_eq!(as_damage(log.reader().read(position)).reason, reason);
    assert_eq!(damage_on_open(dir.path()).reason, reason);
    fs::File::options().write(true).open(&path).unwrap().set_len(1 << 33).unwrap();
    assert_eq!(damage_on_open(dir.path()).reason, DamageReason::FileTooLong { bytes: 1 << 33 });
}

/// Two records in each of segments 0, 1 and 2, and segment 3 begun.
fn four_segments() -> TempDir {
    let (dir, mut log) = new_log();
    for _ in 0..3 {
        append_numbered(&mut log, 2);
        log.rotate().unwrap();
    }
    dir
}

fn append_unsynced(log: &mut RecordLog, n: u64) -> Vec<RecordPosition> {
    let first = log.next_sequence();
    let payloads: Vec<_> = (first..first + n).map(numbered).collect();
    let batch: Vec<_> = payloads.iter().map(|payload| NewRecord { kind: 3, payload }).collect();
    log.append(&batch).unwrap()
}

fn damage_on_open(dir: &Path) -> LogDamage {
    as_damage(RecordLog::open(dir, options()))
}

fn as_damage<T>(result: Result<T, StorageError>) -> LogDamage {
    match result {
        Err(StorageError::Damaged(damage)) => damage,
        Err(error) => panic!("not damage: {error}"),
        Ok(_) => panic!("no damage"),
    }
}
