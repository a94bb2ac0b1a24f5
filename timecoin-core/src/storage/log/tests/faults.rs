//! A disk that is full, fails, or may not be written.

use std::os::unix::fs::PermissionsExt;

use rustix::process::Uid;

use super::*;

#[test]
fn a_full_disk_stops_the_log_and_a_reopen_goes_on() {
    for room in 0..120 {
        let dir = TempDir::new().unwrap();
        let (mut log, probe) = probed(dir.path());
        append_numbered(&mut log, 2);
        probe.set_room(Some(room));
        let payload = numbered(2);
        let batch = [NewRecord { kind: 0, payload: &payload }; 40];
        let refused = log.append(&batch).unwrap_err();
        assert!(matches!(refused, StorageError::Io { op: "write to", .. }), "{refused}");
        probe.set_room(None);
        assert!(matches!(log.append(&batch), Err(StorageError::Failed { .. })));
        assert!(matches!(log.sync(), Err(StorageError::Failed { .. })));
        assert_eq!(all(&log.reader()).len(), 2);
        drop(log);
        let (mut log, report) = reopen(dir.path());
        let frame = 26 + payload.len();
        assert_eq!(report.next_sequence, 2 + (room / frame) as u64);
        append_numbered(&mut log, 1);
        assert_eq!(all(&log.reader()).len() as u64, report.next_sequence + 1);
    }
}

#[test]
fn a_full_disk_while_rotating_is_survived() {
    for room in [0, 10, 68, 8192, 8200] {
        let dir = TempDir::new().unwrap();
        let (mut log, probe) = probed(dir.path());
        append_numbered(&mut log, 2);
        probe.set_room(Some(room));
        log.rotate().unwrap_err();
        drop(log);
        let (mut log, report) = reopen(dir.path());
        assert_eq!((report.next_sequence, report.torn_tail), (2, None), "room for {room}");
        log.rotate().unwrap();
        append_numbered(&mut log, 1);
        assert_eq!(all(&log.reader()).len(), 3);
    }
}

/// Also against the real thing: the child's file size limit makes the kernel refuse.
#[test]
fn a_file_size_limit_stops_the_log() {
    let dir = TempDir::new().unwrap();
    let test = "storage::log::tests::faults::write_beyond_the_limit";
    let script = format!("trap '' XFSZ; ulimit -f 128; exec \"$0\" --exact {test} --ignored");
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &script]).arg(std::env::current_exe().unwrap());
    let output = shell.env(LIMIT_DIR, dir.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let (log, report) = reopen(dir.path());
    assert!(report.next_sequence > 2);
    assert_eq!(all(&log.reader()).len() as u64, report.next_sequence);
}

#[test]
#[ignore = "run by a_file_size_limit_stops_the_log"]
fn write_beyond_the_limit() {
    let Some(dir) = std::env::var_os(LIMIT_DIR) else {
        return;
    };
    let options = LogOptions { segment_bytes: 1 << 20, ..options() };
    let (mut log, _) = RecordLog::open(Path::new(&dir), options).unwrap();
    let refused = loop {
        let batch = [NewRecord { kind: 0, payload: &[7; 3000] }];
        if let Err(error) = log.append(&batch) {
            break error;
        }
        log.sync().unwrap();
    };
    assert!(matches!(refused, StorageError::Io { op: "write to", .. }), "{refused}");
}

#[test]
fn a_failed_flush_stops_the_log() {
    let dir = TempDir::new().unwrap();
    let (mut log, probe) = probed(dir.path());
    append_numbered(&mut log, 2);
    log.append(&[NewRecord { kind: 0, payload: b"lost?" }]).unwrap();
    probe.set_syncs_left(Some(0));
    let refused = log.sync().unwrap_err();
    assert!(matches!(refused, StorageError::Io { op: "flush", .. }), "{refused}");
    probe.set_syncs_left(None);
    assert!(matches!(log.sync(), Err(StorageError::Failed { .. })));
    assert!(matches!(log.rotate(), Err(StorageError::Failed { .. })));
    assert_eq!(log.reader().next_sequence(), 2);
    assert!(matches!(log.close(), Err(StorageError::Failed { .. })));
}

#[test]
fn a_read_only_directory_is_named() {
    let (dir, log) = new_log();
    drop(log);
    let empty = TempDir::new().unwrap();
    for path in [dir.path(), empty.path()] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o555)).unwrap();
    }
    let path = dir.path().to_path_buf();
    let empty_path = empty.path().to_path_buf();
    // Permissions do not bind root, so the thread, and only it, becomes someone else.
    let (existing, new) = std::thread::spawn(move || {
        if rustix::process::geteuid().is_root() {
            rustix::thread::set_thread_uid(Uid::from_raw(65534)).unwrap();
        }
        (
            RecordLog::open(&path, options()).map(|_| ()),
            RecordLog::open(&empty_path, options()).map(|_| ()),
        )
    })
    .join()
    .unwrap();
    for path in [dir.path(), empty.path()] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let (existing, new) = (existing.unwrap_err().to_string(), new.unwrap_err().to_string());
    assert!(existing.contains("cannot open for writing"), "{existing}");
    assert!(new.contains("cannot create"), "{new}");
}

fn probed(dir: &Path) -> (RecordLog, Arc<Probe>) {
    let probe = Arc::new(Probe::default());
    let disk = Disk { sync: false, probe: Some(probe.clone()) };
    let options = LogOptions { segment_bytes: 100_000, preallocate_bytes: 8192, ..options() };
    let (log, _) = RecordLog::open_on(disk, dir, options, &mut |_| Ok(())).unwrap();
    (log, probe)
}

const LIMIT_DIR: &str = "TIMECOIN_TEST_LIMIT_DIR";
