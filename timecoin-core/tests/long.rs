//! Networks over long times. `MINUTES` sets how much virtual time each gets; 1440 is a day.
//!
//! Each prints a line: heights, view changes, and how long payments took to be final. What is
//! asserted holds for any length: all masternodes stay together, and every payment is final.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]
#![allow(clippy::print_stdout, reason = "what was measured is printed")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use timecoin_core::node::SharedSignatures;
use timecoin_core::sim::{Fault, Latency, Link, Random, Simulation, SimulationConfig, Workload};
use timecoin_core::types::quorum::faulty_max;

/// Virtual minutes of each network where nobody says otherwise.
const MINUTES: u64 = 20;

/// Blocks as on the testnet, and one payment a second.
fn network(n: usize) -> SimulationConfig {
    let mut config = SimulationConfig::new(n, n as u64);
    config.block_interval = Duration::from_secs(10);
    config.epoch_blocks = 144;
    config.workload = Workload::good(1);
    config.workload.end = Some(span());
    config.edit_genesis = |genesis| {
        // A convicted masternode stays, so that the others have to put up with it to the end.
        let n = u16::try_from(genesis.masternodes.len()).expect("at most 200");
        genesis.params.masternodes_min = n;
    };
    config.signatures = Some(Arc::new(SharedSignatures::new()));
    config
}

fn span() -> Duration {
    let minutes = std::env::var("MINUTES").map_or(MINUTES, |text| text.parse().expect("a number"));
    Duration::from_secs(60 * minutes)
}

fn slow_link() -> Link {
    let latency = Latency::Uniform(Duration::from_millis(50), Duration::from_millis(100));
    Link { latency, ..Link::default() }
}

/// Lets the time pass, with `disturb` called in between.
fn run(name: &str, config: SimulationConfig, disturb: impl FnMut(&mut Simulation) -> Duration) {
    let began = cpu_time();
    let mut disturb = disturb;
    let mut sim = Simulation::new(config).unwrap();
    while sim.elapsed() < span() {
        let quiet = disturb(&mut sim);
        let left = span().saturating_sub(sim.elapsed());
        sim.advance(quiet.min(left)).unwrap();
        check_together(&sim, name);
    }
    let all_up: Vec<usize> = sim.honest().collect();
    for node in all_up {
        sim.inject(Fault::Restart(node)).unwrap();
    }
    sim.advance(Duration::from_secs(60)).unwrap();
    report(name, &sim, cpu_time() - began);
    let summary = sim.summary();
    assert_eq!(summary.payments_final, summary.payments - sim.metrics().payments_refused, "{name}");
    let heights = || sim.honest().map(|node| sim.node(node).height().0);
    let (least, most) = (heights().min().unwrap(), heights().max().unwrap());
    assert!(most - least <= 1, "{name}: {:?}", sim.heights());
}

/// No masternode that has run for a while is behind.
fn check_together(sim: &Simulation, name: &str) {
    let height = sim.archive().height().0;
    let together = sim.running().filter(|node| sim.node(*node).height().0 + 2 >= height);
    let n = sim.config().masternodes;
    assert!(together.count() >= n - faulty_max(n), "{name}: {:?} of {height}", sim.heights());
}

/// Calm: nothing is done.
fn calm(_: &mut Simulation) -> Duration {
    Duration::from_secs(600)
}

/// Every few minutes the next proposer crashes, and returns after some seconds or minutes.
fn leader_failures(seed: u64) -> impl FnMut(&mut Simulation) -> Duration {
    let mut random = Random::new(seed, "leader failures");
    move |sim| {
        sim.advance(random.duration(Duration::from_secs(60), Duration::from_secs(600))).unwrap();
        let next = sim.archive().height().0 + 1;
        let proposer = usize::try_from(next % sim.config().masternodes as u64).unwrap();
        sim.crash(proposer).unwrap();
        let down = random.duration(Duration::from_secs(5), Duration::from_secs(180));
        sim.inject_after(down, Fault::Restart(proposer));
        down + Duration::from_secs(60)
    }
}

#[test]
fn four_masternodes_at_a_payment_a_second() {
    run("n = 4", network(4), calm);
}

#[test]
fn five_masternodes_whose_leaders_fail() {
    run("n = 5, leaders fail", network(5), leader_failures(5));
}

#[test]
fn as_many_byzantine_masternodes_as_there_may_be() {
    for (n, strategies) in [
        (4, &["equivocate-votes"][..]),
        (7, &["equivocate-proposal", "withhold"]),
        (10, &["equivocate-ballots", "reveal-late", "invalid-blocks"]),
    ] {
        let mut config = network(n);
        for (node, name) in strategies.iter().enumerate() {
            config.plan = config.plan.at(Duration::ZERO, Fault::Byzantine(node, name));
        }
        let f = faulty_max(n);
        assert_eq!(strategies.len(), f);
        run(&format!("n = {n}, {f} Byzantine: {}", strategies.join(", ")), config, calm);
    }
}

#[test]
fn messages_that_take_50_to_100_milliseconds() {
    for n in [4, 7] {
        let config = SimulationConfig { link: slow_link(), ..network(n) };
        run(&format!("n = {n}, 50 to 100 ms"), config, calm);
    }
    let config = SimulationConfig { link: slow_link(), ..network(5) };
    run("n = 5, leaders fail, 50 to 100 ms", config, leader_failures(6));
}

/// Keeps the lines of parallel tests whole, under one head.
static IS_HEAD_PRINTED: Mutex<bool> = Mutex::new(false);

fn report(name: &str, sim: &Simulation, cpu: Duration) {
    let mut is_head_printed = IS_HEAD_PRINTED.lock().unwrap();
    if !std::mem::replace(&mut *is_head_printed, true) {
        println!(
            "\n| network | virtual time | heights | view changes | restarts | payments \
             | final p50 | p90 | p99 | max | events | CPU |"
        );
        println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    }
    let summary = sim.summary();
    let heights: Vec<u64> = sim.honest().map(|node| sim.node(node).height().0).collect();
    let range = match (heights.iter().min(), heights.iter().max()) {
        (Some(least), Some(most)) if least < most => format!("{least} to {most}"),
        (Some(least), _) => least.to_string(),
        _ => "none".to_owned(),
    };
    let millis = |duration: Duration| format!("{:.0} ms", duration.as_secs_f64() * 1e3);
    let [p50, p90, p99] = [50, 90, 99].map(|percent| millis(summary.finality.percentile(percent)));
    println!(
        "| {name} | {:.1} h | {range} | {} | {} | {} | {p50} | {p90} | {p99} | {} | {} | {:.1} s |",
        summary.elapsed.as_secs_f64() / 3_600.0,
        summary.view_changes,
        summary.restarts,
        summary.payments_final,
        millis(summary.finality.max()),
        summary.steps,
        cpu.as_secs_f64(),
    );
}

/// Processor time of this thread.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).expect("below 10^9"))
}
