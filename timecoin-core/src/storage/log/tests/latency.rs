//! Measures; see `docs/decisions/0003-record-log.md` for the command.

use std::time::Instant;

use super::*;

#[test]
#[ignore = "a measurement, not a check"]
fn measure_append_and_sync() {
    let parent = std::env::var_os("TIMECOIN_BENCH_DIR").map_or(std::env::temp_dir(), PathBuf::from);
    let names = ["batch", "preallocate", "p50 us", "p99 us", "max us", "mean us"];
    println!("{}", names.map(|name| format!("{name:>12}")).concat());
    for bytes in [300_usize, 4 << 10, 64 << 10, 200 << 10, 1 << 20] {
        for preallocate_bytes in [0_u32, 256 << 10, 1 << 20, 4 << 20, 16 << 20] {
            let dir = tempfile::tempdir_in(&parent).unwrap();
            let options = LogOptions { preallocate_bytes, ..LogOptions::new(1, [7; 32]) };
            let times = append_and_sync(dir.path(), options, bytes);
            let mean = times.iter().sum::<u64>() / times.len() as u64;
            let [p50, p99] = [50, 99].map(|percent| times[times.len() * percent / 100]);
            let columns =
                [bytes as u64, preallocate_bytes.into(), p50, p99, times[times.len() - 1], mean];
            println!("{}", columns.map(|value| format!("{value:>12}")).concat());
        }
    }
}

/// Sorted microseconds of each of up to 1,000 batches, of 48 MiB at most.
fn append_and_sync(dir: &Path, options: LogOptions, bytes: usize) -> Vec<u64> {
    let (mut log, _) = RecordLog::open(dir, options).unwrap();
    let payload: Vec<u8> = (0..=250).cycle().take(bytes).collect();
    let n_batches = ((48 << 20) / bytes).min(1000);
    let mut times: Vec<_> = (0..n_batches)
        .map(|_| {
            let start = Instant::now();
            log.append(&[NewRecord { kind: 1, payload: &payload }]).unwrap();
            log.sync().unwrap();
            u64::try_from(start.elapsed().as_micros()).unwrap()
        })
        .collect();
    times.sort_unstable();
    times
}
