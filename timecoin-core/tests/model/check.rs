//! Runs the checker and says what it found.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model};

use super::mutant::Mutant;
use super::protocol::{AGREEMENT, Action, FINALITY, PROGRESS, Protocol};
use super::scenario::Scenario;
use super::trace;

/// Threads for a model that is searched to its end.
const THREADS: usize = 2;

/// A property that does not hold, and a run that shows it.
type Violation = (&'static str, Vec<Action>);

/// What came out of a search.
struct Found {
    states: usize,
    elapsed: Duration,
    violations: Vec<Violation>,
    /// What was to be reached, and was.
    reached: BTreeSet<&'static str>,
}

/// Searches until something is found; runs of fewer than `steps_max` steps only.
fn search(protocol: &Protocol, threads: usize, until: HasDiscoveries, steps_max: usize) -> Found {
    let started = Instant::now();
    let checker = protocol.clone().checker().threads(threads).finish_when(until);
    let checker = checker.target_max_depth(steps_max.saturating_add(1)).spawn_bfs().join();
    let mut discoveries = checker.discoveries();
    let failures = [AGREEMENT, FINALITY, PROGRESS].into_iter();
    let violations = failures.filter_map(|name| {
        let path = discoveries.remove(name)?;
        Some((name, path.into_actions()))
    });
    Found {
        violations: violations.collect(),
        states: checker.unique_state_count(),
        elapsed: started.elapsed(),
        reached: discoveries.into_keys().collect(),
    }
}

/// Searches for a shortest run that violates a property. The checker keeps the last of several
/// that it comes upon together, so it is asked for shorter ones until there are none.
fn shortest_violation(protocol: &Protocol, property: &'static str) -> Option<Vec<Action>> {
    let mut shortest: Option<Vec<Action>> = None;
    loop {
        let until = HasDiscoveries::AnyOf(BTreeSet::from([property]));
        let steps_max = shortest.as_ref().map_or(usize::MAX, Vec::len);
        let found = search(protocol, 1, until, steps_max).violations;
        let Some((_, actions)) = found.into_iter().find(|(name, _)| *name == property) else {
            return shortest;
        };
        shortest = Some(actions);
    }
}

/// Searches a scenario to its end: nothing is violated, and everything is reached that should be.
pub(crate) fn assert_holds(scenario: Scenario, dropped: &[Mutant]) {
    let protocol = Protocol { scenario, dropped: dropped.to_vec() };
    let found = search(&protocol, THREADS, HasDiscoveries::AnyFailures, usize::MAX);
    let name = scenario.name;
    println!("| {name} | {} | {:.1?} |", found.states, found.elapsed);
    if let Some((property, actions)) = found.violations.first() {
        panic!("{name}: {property} fails\n{}", trace::in_words(&protocol, actions));
    }
    let is_whole = dropped.is_empty();
    for reach in scenario.reaches.iter().filter(|_| is_whole) {
        assert!(found.reached.contains(reach.name()), "{name}: never {}", reach.name());
    }
}

/// Searches for a violation: the checker sees that a rule is missing.
pub(crate) fn assert_fails(scenario: Scenario, dropped: &[Mutant], property: &'static str) {
    let protocol = Protocol { scenario, dropped: dropped.to_vec() };
    let name = scenario.name;
    let Some(actions) = shortest_violation(&protocol, property) else {
        panic!("{dropped:?} in {name}: {property} holds all the same");
    };
    let n_steps = actions.len();
    let run = trace::in_words(&protocol, &actions);
    println!("{dropped:?} in {name}: {property} fails after {n_steps} steps\n{run}");
}
