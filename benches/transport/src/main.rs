//! Measures TCP with Noise beside QUIC: `docs/decisions/0007-transport.md`.

#[cfg(feature = "ciphers")]
mod ciphers;
mod ends;
mod link;
#[cfg(feature = "noise")]
mod noise;
mod path;
#[cfg(feature = "quic")]
mod quic;
#[cfg(feature = "noise")]
#[path = "../../../timecoin-core/src/network/resolver.rs"]
mod resolver;

use std::sync::Arc;
use std::time::Duration;

use ends::{Bench, Kind, Latency};
use path::Path;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let wants = |name: &str| arguments.is_empty() || arguments.iter().any(|a| a == name);
    #[cfg(feature = "ciphers")]
    if wants("ciphers") {
        ciphers::run();
    }
    let loopback = Arc::new(Path::loopback());
    if wants("latency") {
        latency(&loopback);
    }
    if wants("cpu") {
        cpu(&loopback);
    }
    if wants("far") {
        match Path::emulated() {
            Ok(path) => far(&Arc::new(path)),
            Err(error) => println!("\nno network namespaces ({error}): nothing with delay or loss"),
        }
    }
}

fn latency(path: &Arc<Path>) {
    println!("\nloopback, one-way time of a vote of 300 bytes, and blocks of 4 MiB without pause");
    println!("(the best of {ROUNDS} rounds in each column)");
    println!("\n| | idle p50 | p99 | max | with blocks p50 | p99 | max | blocks MB/s |");
    println!("|---|---:|---:|---:|---:|---:|---:|---:|");
    let mut rounds = vec![(Vec::new(), Vec::new()); Kind::ALL.len()];
    for _ in 0..ROUNDS {
        for (&kind, (idle, busy)) in Kind::ALL.iter().zip(&mut rounds) {
            let bench = Bench::new(path, kind, "cubic");
            let measure = |blocks| {
                bench.latency(1500, Duration::from_millis(2), Duration::from_millis(500), blocks)
            };
            idle.push(measure(false));
            busy.push(measure(true));
        }
    }
    for (&kind, (idle, busy)) in Kind::ALL.iter().zip(&rounds) {
        latency_row(kind.name(), &Latency::best(idle), &Latency::best(busy));
    }
}

fn latency_row(name: &str, idle: &Latency, busy: &Latency) {
    print!("| {name} ");
    for latency in [idle, busy] {
        for time in [latency.median, latency.p99, latency.max] {
            print!("| {} ", pretty(time));
        }
    }
    println!("| {:.2} |", busy.block_megabytes_per_second);
}

fn cpu(path: &Arc<Path>) {
    println!("\nloopback, CPU of both ends together");
    println!(
        "\n| | message, one by one | message, bursts of 99 | MB of blocks | MB/s | handshake, connecting | accepting |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|");
    let mut rounds = vec![Vec::new(); Kind::ALL.len()];
    for _ in 0..ROUNDS {
        for (&kind, rounds) in Kind::ALL.iter().zip(&mut rounds) {
            let bench = Bench::new(path, kind, "cubic");
            let (single, bursts) = (bench.message_cpu(100_000, 1), bench.message_cpu(100_000, 99));
            let (block, rate) = bench.block_cpu(100);
            let (connecting, accepting) = bench.handshake_cpu(200);
            rounds.push((rate, [single, bursts, block, connecting, accepting]));
        }
    }
    for (kind, rounds) in Kind::ALL.iter().zip(&rounds) {
        let rate = rounds.iter().map(|(rate, _)| *rate).fold(0.0, f64::max);
        let [single, bursts, block, connecting, accepting] = std::array::from_fn(|column| {
            pretty(rounds.iter().map(|(_, times)| times[column]).min().expect("some"))
        });
        println!(
            "| {} | {single} | {bursts} | {block} | {rate:.0} | {connecting} | {accepting} |",
            kind.name()
        );
    }
}

fn far(path: &Arc<Path>) {
    println!("\n50 ms one way, 100 Mbit/s, 250 kB of queue");
    println!("\n| | may send after | first vote arrives |\n|---|---:|---:|");
    path.lose(0);
    for &kind in Kind::ALL {
        let (ready, arrived) = Bench::new(path, kind, "cubic").handshake_time();
        println!("| {} | {} | {} |", kind.name(), pretty(ready), pretty(arrived));
    }
    for loss in [0, 100] {
        path.lose(loss);
        println!("\n{} % of packets lost; a vote every 10 ms", loss / 100);
        println!("\n| | idle p50 | p99 | max | with blocks p50 | p99 | max | blocks MB/s |");
        println!("|---|---:|---:|---:|---:|---:|---:|---:|");
        for (congestion, &kind) in
            ["cubic", "bbr"].into_iter().flat_map(|c| Kind::ALL.iter().map(move |kind| (c, kind)))
        {
            let bench = Bench::new(path, kind, congestion);
            let measure = |blocks| {
                bench.latency(1000, Duration::from_millis(10), Duration::from_secs(4), blocks)
            };
            let name = format!("{}, {congestion}", kind.name());
            latency_row(&name, &measure(false), &measure(true));
        }
    }
}

fn pretty(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    match micros {
        ..99.95 => format!("{micros:.1} µs"),
        ..9_999.5 => format!("{micros:.0} µs"),
        _ => format!("{:.1} ms", micros / 1e3),
    }
}

const ROUNDS: usize = 5;
