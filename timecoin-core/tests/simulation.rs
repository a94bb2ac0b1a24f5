//! Whole networks under seeded faults. `SEEDS` sets how many seeds are run, `SEED` runs one, with
//! `JOURNAL` the last so many lines of what happened. `ONCE=1` runs each once, for half the time:
//! that a run repeats itself is then not looked at.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]
#![allow(clippy::print_stdout, reason = "what was measured is printed")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use timecoin_core::node::SharedSignatures;
use timecoin_core::sim::{Failure, Plan, Scenario, Simulation};

/// Seeds that `cargo test` runs.
const SEEDS: u64 = 2_000;

/// Threads that run them.
const THREADS: usize = 2;

/// Of so many seeds one is run without any memory of what was checked.
const EVERYWHERE_EVERY: u64 = 128;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn play(scenario: &Scenario) -> (Simulation, Result<(), Failure>) {
    let mut sim = Simulation::new(scenario.config.clone()).expect("the scenario makes a chain");
    let result = scenario.play(&mut sim);
    (sim, result)
}

fn check(scenario: &Scenario) -> Result<[u8; 32], Failure> {
    let (sim, result) = play(scenario);
    result.map(|()| sim.digest())
}

/// I11: a scenario run twice. Both runs share the signatures that they make; for some seeds
/// the second checks every message at every node instead, and must do the very same.
fn check_twice(scenario: &Scenario) -> [Result<[u8; 32], Failure>; 2] {
    let mut once = scenario.clone();
    once.config.signatures = Some(Arc::new(SharedSignatures::new()));
    if number("ONCE").is_some() {
        let result = check(&once);
        return [result.clone(), result];
    }
    let mut again = once.clone();
    if scenario.config.seed.is_multiple_of(EVERYWHERE_EVERY) {
        again.config.signatures = None;
        again.config.verify_everywhere = true;
    }
    [check(&once), check(&again)]
}

/// The scenario with as few faults as it takes to fail in the same way.
fn shrink(scenario: &Scenario, failure: &Failure) -> Scenario {
    let with = |plan: &Plan| {
        let mut smaller = scenario.clone();
        smaller.config.plan = plan.clone();
        smaller
    };
    let fails =
        |plan: &Plan| check(&with(plan)).err().is_some_and(|found| found.check == failure.check);
    with(&scenario.config.plan.shrink(fails))
}

fn report(scenario: &Scenario, failure: &Failure) -> String {
    let mut small = shrink(scenario, failure);
    small.config.journal_lines = number("JOURNAL").and_then(|n| n.try_into().ok()).unwrap_or(0);
    let (sim, _) = play(&small);
    sim.journal().for_each(|line| println!("{line}"));
    let faults = small.config.plan.faults.iter().map(|fault| format!("  {fault:?}\n"));
    let faults: String = faults.collect();
    format!("{failure}\n{}\nwith these faults:\n{faults}", scenario.summary())
}

fn run_seeds(name: &str, make: Make) {
    if let Some(seed) = number("SEED") {
        let scenario = make(seed);
        println!("{}", scenario.summary());
        match check(&scenario) {
            Ok(digest) => println!("seed {seed} holds, digest {digest:02x?}"),
            Err(failure) => panic!("{}", report(&scenario, &failure)),
        }
        return;
    }
    let n_seeds = number("SEEDS").unwrap_or(SEEDS) / 2;
    let first = number("FIRST").unwrap_or(0);
    let started = Instant::now();
    let next = AtomicU64::new(first);
    let failures: Mutex<Vec<(u64, String)>> = Mutex::new(Vec::new());
    let micros = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + n_seeds || failures.lock().unwrap().len() >= 5 {
                        return;
                    }
                    let scenario = make(seed);
                    let [once, again] = check_twice(&scenario);
                    micros.fetch_add(scenario.span_micros(), Ordering::Relaxed);
                    let text = match (&once, &again) {
                        (Ok(one), Ok(two)) if one == two => continue,
                        (Err(failure), Err(again)) if failure == again => {
                            report(&scenario, failure)
                        }
                        _ => format!("I11: seed {seed} gave {once:?}, then {again:?}"),
                    };
                    failures.lock().unwrap().push((seed, text));
                }
            });
        }
    });
    let took = started.elapsed();
    let virtual_time = Duration::from_micros(micros.load(Ordering::Relaxed));
    println!(
        "{name}: {n_seeds} seeds {} in {took:.1?}, {:.0} seeds/s, {:.1} virtual hours",
        if number("ONCE").is_some() { "once" } else { "twice" },
        n_seeds as f64 / took.as_secs_f64(),
        virtual_time.as_secs_f64() / 3_600.0
    );
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    for (_, text) in &failures {
        println!("{text}\n");
    }
    assert!(failures.is_empty(), "{} seeds failed, see above", failures.len());
}

/// Makes the scenario of a seed.
type Make = fn(u64) -> Scenario;

/// Seeds that broke an invariant once: a Prepare, held back by the silence after a restart, for a
/// block that conflicted with what was committed to meanwhile; own votes shown that the log had
/// lost; votes for a change of the masternode set that evidence had made impossible.
const BROKEN_ONCE: &[(Make, u64)] = &[
    (Scenario::liveness_of_founders, 2_235),
    (Scenario::liveness_of_founders, 701),
    (Scenario::liveness_of_founders, 912),
    (Scenario::liveness_of_founders, 1_444),
    (Scenario::safety, 248),
    (Scenario::safety, 2_240),
    (Scenario::safety, 16_597),
    (Scenario::safety, 25_094),
];

#[test]
fn seeds_that_broke_something_hold() {
    for (make, seed) in BROKEN_ONCE {
        let scenario = make(*seed);
        let digests = check_twice(&scenario).map(|result| match result {
            Ok(digest) => digest,
            Err(failure) => panic!("{}", report(&scenario, &failure)),
        });
        assert_eq!(digests[0], digests[1]);
    }
}

#[test]
fn whatever_goes_wrong_nothing_is_contradicted() {
    run_seeds("safety", Scenario::safety);
}

#[test]
fn what_is_healed_goes_on() {
    run_seeds("liveness", Scenario::liveness);
}
