//! Measurements behind `docs/decisions/0006-derived-store.md`, not checks:
//! `cargo test --release -p timecoin-core --lib measure -- --ignored --nocapture --test-threads 1`.
//! `MEASURE_DIR` names the disk to measure.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use super::*;

use crate::types::encode::encode;
use crate::types::message::Decided;

const N_BLOCKS: usize = 40;

fn place() -> Directory {
    match std::env::var_os("MEASURE_DIR") {
        Some(dir) => Directory(tempfile::tempdir_in(dir).unwrap()),
        None => Directory::new(),
    }
}

fn open(dir: &Directory, chain: &Chain) -> Opened {
    DiskStorage::open(dir.0.path(), chain, StorageOptions::default()).unwrap()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn least(times: Vec<Duration>) -> Duration {
    times.into_iter().min().unwrap()
}

fn decided_bytes(commit: &BlockCommit) -> Vec<u8> {
    let block = Arc::clone(commit.connected.block.block());
    encode(&Decided { block, certificate: commit.certificate.clone() })
}

/// Resident memory of this process, in MB.
fn resident_mb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn dir_mb(dir: &Path) -> u64 {
    files_below(dir).iter().map(|file| fs::metadata(file).unwrap().len()).sum::<u64>() >> 20
}

#[test]
#[ignore = "a measurement, not a check"]
fn block_of_a_thousand_payments() {
    let chain = testkit::solo_chain_with_coins(1_000);
    let dir = place();
    let storage = open(&dir, &chain).storage;
    let mut spender = Spender::new(&chain, &storage);
    let (mut stage, mut persist, mut floor, mut apply) = (vec![], vec![], vec![], vec![]);
    let mut raw = File::create(dir.0.path().join("floor")).unwrap();
    let mut bytes = 0;
    for _ in 0..N_BLOCKS {
        let commit = spender.stage(1_000);
        let start = Instant::now();
        crate::storage::pending::Pending::default().stage(Arc::clone(&commit));
        stage.push(start.elapsed());
        let encoded = decided_bytes(&commit);
        bytes = encoded.len();
        let start = Instant::now();
        storage.persist(&[], std::slice::from_ref(&commit)).unwrap();
        persist.push(start.elapsed());
        let start = Instant::now();
        raw.write_all(&encoded).unwrap();
        raw.sync_data().unwrap();
        floor.push(start.elapsed());
        let start = Instant::now();
        storage.apply().unwrap();
        apply.push(start.elapsed());
    }
    println!("block of {bytes} bytes: stage {:?}", median(stage));
    for (name, of) in [("median", median as fn(_) -> _), ("least", least)] {
        let (persist, floor): (Duration, Duration) = (of(persist.clone()), of(floor.clone()));
        let ratio = persist.as_secs_f64() / floor.as_secs_f64();
        println!("  {name}: persist {persist:?}, append and fdatasync {floor:?}, ratio {ratio:.2}");
    }
    println!("  apply {:?}", median(apply));
    storage.close().unwrap();
}

#[test]
#[ignore = "a measurement, not a check"]
fn opening() {
    let chain = testkit::solo_chain_with_coins(1_000);
    let dir = place();
    let storage = open(&dir, &chain).storage;
    let mut spender = Spender::new(&chain, &storage);
    let n_blocks = std::env::var("N_BLOCKS").map_or(100, |n| n.parse().unwrap());
    for _ in 0..n_blocks {
        spender.persist(1_000);
        storage.apply().unwrap();
    }
    let n_utxos = all_len(&*storage);
    let start = Instant::now();
    storage.close().unwrap();
    println!("{n_blocks} blocks of 1,000, {n_utxos} unspent: close {:?}", start.elapsed());
    println!(
        "  blocks {} MB, derived {} MB",
        dir_mb(&dir.0.path().join("blocks")),
        dir_mb(&dir.0.path().join("derived"))
    );
    drop((storage, spender));
    for what in ["after a close", "after a crash", "tables missing"] {
        if what == "tables missing" {
            fs::remove_dir_all(dir.0.path().join("derived")).unwrap();
        }
        let start = Instant::now();
        let opened = open(&dir, &chain);
        println!("  open {what}: {:?}", start.elapsed());
        drop(opened);
    }
    let storage = open(&dir, &chain).storage;
    let utxos = storage.utxos(None, None, 20_000).unwrap();
    let start = Instant::now();
    utxos.iter().for_each(|(outpoint, _)| assert!(storage.lookup(outpoint).is_ok()));
    let cold = start.elapsed() / u32::try_from(utxos.len()).unwrap();
    let start = Instant::now();
    utxos[utxos.len() - 5_000..]
        .iter()
        .for_each(|(outpoint, _)| assert!(storage.lookup(outpoint).is_ok()));
    println!("  look-up from the tables {cold:?}, cached {:?}", start.elapsed() / 5_000);
    let start = Instant::now();
    let n = all_len(&*storage);
    println!("  paging {n} outputs: {:?}", start.elapsed());
}

fn all_len(storage: &dyn Storage) -> usize {
    let (mut n, mut after) = (0, None);
    loop {
        let page = storage.utxos(None, after.as_ref(), 1_000).unwrap();
        let Some((last, _)) = page.last() else { return n };
        (n, after) = (n + page.len(), Some(*last));
    }
}

/// Payments without end among coins of a fixed number.
#[test]
#[ignore = "a measurement, not a check"]
fn churn() {
    let n_payments = std::env::var("SOAK").map_or(100_000, |_| 1_000_000);
    for cache_mb in [8, 64, 256] {
        let chain = testkit::solo_chain_with_coins(1_000);
        let dir = place();
        let options =
            StorageOptions { cache_bytes: Some(cache_mb << 20), ..StorageOptions::default() };
        let storage = DiskStorage::open(dir.0.path(), &chain, options).unwrap().storage;
        let mut churn = testkit::Churn::new(&chain);
        let start = Instant::now();
        let mut memory = Vec::new();
        while churn.n_payments < n_payments {
            let commit = churn.next_block(&*storage, 500);
            storage.stage(Arc::clone(&commit));
            storage.persist(&[], &[commit]).unwrap();
            storage.apply().unwrap();
            if churn.n_payments.is_multiple_of(n_payments / 5) {
                memory.push(resident_mb());
            }
        }
        let (time, mb) = (start.elapsed(), dir_mb(&dir.0.path().join("derived")));
        println!(
            "{n_payments} payments, cache {cache_mb} MB: {time:?}, files {mb} MB, memory at each fifth {memory:?} MB"
        );
    }
}

#[test]
#[ignore = "a measurement, not a check"]
fn two_flushes_at_once_or_in_turn() {
    let dir = place();
    let open = |name: &str| {
        let file = File::create(dir.0.path().join(name)).unwrap();
        file.set_len(64 << 20).unwrap();
        (&file).write_all(&vec![1; 32 << 20]).unwrap();
        file.sync_all().unwrap();
        std::io::Seek::rewind(&mut &file).unwrap();
        file
    };
    let (left, right) = (open("left"), open("right"));
    let write = |mut file: &File, bytes: usize| {
        file.write_all(&vec![2; bytes]).unwrap();
        file.sync_data().unwrap();
    };
    let (mut turn, mut once) = (vec![], vec![]);
    for _ in 0..100 {
        let start = Instant::now();
        write(&left, 200_000);
        write(&right, 2_000);
        turn.push(start.elapsed());
        let start = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| write(&right, 2_000));
            write(&left, 100_000);
        });
        once.push(start.elapsed());
    }
    println!("two flushes in turn {:?}, at once {:?}", median(turn), median(once));
}
