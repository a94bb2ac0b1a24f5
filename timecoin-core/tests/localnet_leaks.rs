//! What a closed net leaves behind: nothing. Alone in its process, which it counts.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]
#![cfg(target_os = "linux")]

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use timecoin_core::Amount;
use timecoin_core::localnet::{LocalNet, LocalNetConfig, LocalStorage, LocalTransport};

/// Long enough for any machine that is busy with something else.
const PATIENCE: Duration = Duration::from_secs(120);

/// Threads and open files of this process. The pool that sled keeps for the whole process is not
/// a net's.
fn held() -> (usize, usize) {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    let name = |thread: &fs::DirEntry| fs::read_to_string(thread.path().join("comm"));
    let ours = threads.flatten().filter_map(|thread| name(&thread).ok());
    let n_ours = ours.filter(|name| !name.starts_with("sled-io")).count();
    (n_ours, fs::read_dir("/proc/self/fd").unwrap().count())
}

/// A net lives, loses a node, and ends; gives a folder that it had.
fn live(config: LocalNetConfig, is_dropped: bool) -> Option<PathBuf> {
    let net = LocalNet::start(config).unwrap();
    let events = net.subscribe();
    let txid = net.pay("alice", "bob", Amount::from_time(1)).unwrap();
    net.wait_confirmed_everywhere(&txid, PATIENCE).unwrap();
    net.crash(1).unwrap();
    net.restart(1).unwrap();
    net.crash(2).unwrap();
    let folder = net.node_dir(0).unwrap();
    if !is_dropped {
        net.close(PATIENCE).unwrap();
    }
    drop((net, events));
    folder
}

#[test]
fn a_closed_net_leaves_no_thread_no_file_and_no_folder() {
    let config =
        LocalNetConfig { block_interval: Duration::from_millis(100), ..LocalNetConfig::new(4, 7) };
    let sockets = LocalNetConfig { transport: LocalTransport::Tcp, ..config.clone() };
    let on_disk = LocalNetConfig { storage: LocalStorage::TemporaryDirectory, ..config.clone() };
    live(config.clone(), false);
    let before = held();
    for _ in 0..3 {
        for is_dropped in [false, true] {
            assert_eq!(live(config.clone(), is_dropped), None);
            assert_eq!(live(sockets.clone(), is_dropped), None);
            let folder = live(on_disk.clone(), is_dropped).unwrap();
            assert!(!folder.exists() && !folder.parent().unwrap().exists(), "{folder:?}");
        }
    }
    let began = Instant::now();
    while held() != before && began.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(held(), before, "threads and open files");
}
