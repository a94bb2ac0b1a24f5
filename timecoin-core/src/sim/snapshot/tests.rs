//! Going back is as if what came after had not been: whatever was going on, however often, and
//! from whatever branch.

use std::time::Duration;

use proptest::prelude::*;

use crate::sim::{Fault, Scenario, Simulation};
use crate::types::amount::Amount;

/// What is done between two looks: some time, with something that happens in it.
#[derive(Clone, Debug)]
struct Leg {
    time: Duration,
    fault: Option<Fault>,
    pays: bool,
}

fn leg() -> impl Strategy<Value = Leg> {
    let fault = prop_oneof![
        Just(Fault::Crash(0)),
        Just(Fault::Restart(0)),
        Just(Fault::Pause(1)),
        Just(Fault::Resume(1)),
        Just(Fault::Partition(vec![vec![0, 1], vec![2, 3]])),
        Just(Fault::Heal),
        Just(Fault::ClockJump(2, 3_000)),
        Just(Fault::SlowFlush(2, Duration::from_millis(40))),
        Just(Fault::ProduceBlock),
    ];
    let time = (1..3_000u64).prop_map(Duration::from_millis);
    (time, proptest::option::of(fault), any::<bool>()).prop_map(|(time, fault, pays)| Leg {
        time,
        fault,
        pays,
    })
}

/// Networks of at least four, with everything that scenarios draw.
fn scenario(seed: u64) -> Scenario {
    let mut seeds = (seed * 100..).map(Scenario::safety);
    seeds.find(|scenario| scenario.config.masternodes >= 4).expect("most are")
}

/// Everything that can be seen of a simulation, in words.
fn sight(sim: &Simulation) -> String {
    let nodes = sim.nodes.iter().map(|node| {
        let engine = node.engine.as_deref();
        let tables = engine.map(|engine| (engine.table_sizes(), engine.poll_timeout()));
        let mempool = engine.map(|engine| {
            engine.mempool().entries().map(|entry| entry.transaction.txid()).collect::<Vec<_>>()
        });
        format!(
            "{:?} {} {:?} {:?} {} {} {:?} {:?} {tables:?} {mempool:?} {:?} {}\n",
            node.state,
            node.life,
            node.clock,
            node.wake,
            node.disk.height(),
            node.disk.records().len(),
            node.queue,
            node.crash_at,
            node.inbox.len(),
            node.n_handled,
        )
    });
    let nodes: String = nodes.collect();
    let queue: Vec<String> =
        sim.queue.iter().map(|(at, event)| format!("{at:?} {event:?}")).collect();
    let randoms = (&sim.random_disk, &sim.random_workload, &sim.random_strategy);
    let network = sim.network.sight();
    format!(
        "{} {} {:?}\n{nodes}{queue:?}\n{randoms:?}\n{network}\n{:?} {:?} {:?}",
        sim.now,
        sim.step,
        sim.digest(),
        sim.wallets,
        sim.metrics,
        sim.answers
    )
}

fn go(sim: &mut Simulation, legs: &[Leg]) -> [u8; 32] {
    for Leg { time, fault, pays } in legs {
        if let Some(fault) = fault {
            sim.inject(fault.clone()).unwrap();
        }
        if *pays {
            sim.pay("alice", "bob", Amount::from_units(1_000_000)).ok();
        }
        sim.advance(*time).unwrap();
    }
    sim.digest()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn going_back_undoes_everything(
        seed in 0..1_000u64,
        first in proptest::collection::vec(leg(), 1..4),
        second in proptest::collection::vec(leg(), 1..4),
        detour in proptest::collection::vec(leg(), 1..3),
    ) {
        let mut sim = Simulation::new(scenario(seed).config).unwrap();
        go(&mut sim, &first);
        let early = sim.snapshot();
        let early_sight = sight(&sim);

        let there = go(&mut sim, &second);
        let late = sim.snapshot();
        let late_sight = sight(&sim);
        let beyond = go(&mut sim, &detour);

        // To a snapshot that was taken before another one, and on as before.
        sim.revert(&early);
        prop_assert_eq!(sim.digest(), early.digest());
        prop_assert_eq!(&sight(&sim), &early_sight);
        prop_assert_eq!(go(&mut sim, &second), there);
        prop_assert_eq!(&sight(&sim), &late_sight);

        // From another branch to one that was left.
        sim.revert(&early);
        go(&mut sim, &detour);
        sim.revert(&late);
        prop_assert_eq!(sim.digest(), late.digest());
        prop_assert_eq!(&sight(&sim), &late_sight);
        prop_assert_eq!(go(&mut sim, &detour), beyond);

        // Again, since a snapshot can be used again.
        sim.revert(&early);
        prop_assert_eq!(&sight(&sim), &early_sight);
    }

    #[test]
    fn a_fork_goes_its_own_way(
        seed in 0..1_000u64,
        first in proptest::collection::vec(leg(), 1..4),
        second in proptest::collection::vec(leg(), 1..4),
    ) {
        let mut sim = Simulation::new(scenario(seed).config).unwrap();
        go(&mut sim, &first);
        let here = sight(&sim);
        let mut fork = sim.fork();
        prop_assert_eq!(&sight(&fork), &here);
        let there = go(&mut fork, &second);
        prop_assert_eq!(&sight(&sim), &here);
        let forked = sight(&fork);
        prop_assert_eq!(go(&mut sim, &second), there);
        prop_assert_eq!(&sight(&fork), &forked);
        prop_assert_eq!(&sight(&sim), &forked);
    }
}
