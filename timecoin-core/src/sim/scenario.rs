//! Scenarios drawn from a seed: a network, a workload, faults, and what must hold in the end.

use std::time::Duration;

use super::checks::Failure;
use super::disk::CrashPoint;
use super::latency::Latency;
use super::network::Link;
use super::plan::{Fault, Plan};
use super::random::{Random, micros};
use super::strategy::STRATEGIES;
use super::{NodeState, Simulation, SimulationConfig, Workload};
use crate::types::amount::Amount;
use crate::types::chain::Height;
use crate::types::quorum::{faulty_max, quorum};

/// What a scenario is out to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Anything may go wrong; nothing may be contradicted.
    Safety,
    /// Anything may go wrong, then a quorum is healed and the rest stays broken; everything
    /// must go on.
    Liveness,
}

/// Settings and what to do with them.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The settings, faults included.
    pub config: SimulationConfig,
    /// How long faults come.
    pub span: Duration,
    /// What it is out to show.
    pub mode: Mode,
}

impl Scenario {
    /// Mixed faults on a network of 1 to 10 masternodes.
    pub fn safety(seed: u64) -> Self {
        Self::draw(seed, Mode::Safety)
    }

    /// The same, and then healed.
    pub fn liveness(seed: u64) -> Self {
        Self::draw(seed, Mode::Liveness)
    }

    fn draw(seed: u64, mode: Mode) -> Self {
        let mut random = Random::new(seed, "scenario");
        let n = *random.choose(&SIZES).unwrap_or(&4);
        let span = random.duration(Duration::from_secs(4), Duration::from_secs(20));
        let mut config = SimulationConfig::new(n, seed);
        config.observers = random.index(2);
        config.epoch_blocks = random.range(3, 12);
        config.block_interval = random.duration(Duration::from_millis(300), Duration::from_secs(3));
        config.round_timeout = random.duration(Duration::from_millis(600), Duration::from_secs(3));
        config.link = Link { latency: draw_latency(&mut random), ..Link::default() };
        if random.below(3) == 0 {
            config.flush_latency =
                random.duration(Duration::from_micros(100), Duration::from_millis(20));
        }
        config.workload = Workload::mixed(u32::try_from(random.range(1, 3)).unwrap_or(1));
        config.workload.end = Some(span);
        config.plan = Plan::random(&mut random, n, span, STRATEGIES);
        if mode == Mode::Safety {
            add_membership(&mut config, &mut random, span);
        }
        let name = if mode == Mode::Safety { "whatever" } else { "what_is_healed" };
        config.replay = Some(format!(
            "SEED={seed} cargo test -p timecoin-core --test simulation {name} -- --nocapture"
        ));
        Scenario { config, span, mode }
    }

    /// One line about it.
    pub fn summary(&self) -> String {
        let SimulationConfig { seed, masternodes, epoch_blocks, .. } = &self.config;
        format!(
            "seed {seed}: {masternodes} masternodes, epochs of {epoch_blocks}, {:?}, {:?}, interval {:?}, timeout {:?}",
            self.span, self.config.link, self.config.block_interval, self.config.round_timeout
        )
    }

    /// How much virtual time its faults take.
    pub fn span_micros(&self) -> u64 {
        micros(self.span)
    }

    /// Runs it, from a simulation that was made of its settings.
    ///
    /// # Errors
    /// [`Failure`] where an invariant is broken.
    pub fn play(&self, sim: &mut Simulation) -> Result<(), Failure> {
        sim.advance(self.span)?;
        match self.mode {
            Mode::Safety => sim.advance(Duration::from_secs(5)),
            Mode::Liveness => self.heal_and_expect(sim),
        }
    }

    /// I9: a quorum is healed, and everything goes on.
    fn heal_and_expect(&self, sim: &mut Simulation) -> Result<(), Failure> {
        self.heal_a_quorum(sim)?;
        let n = self.config.masternodes;
        let able: Vec<usize> = (0..n).filter(|&node| is_able(sim, node)).collect();
        if able.len() < quorum(n) || sim.chain().first_set() != &tip_set(sim) {
            // Too many observe until an epoch is over that can't end without them.
            return sim.advance(Duration::from_secs(5));
        }
        let standing = sim.standing(&able);
        let from = sim.archive().height();
        let payment = self.fresh_payment(sim, &able);
        // Every timeout of the longest kind and every proposer out of the way, three times.
        let delay = self.config.link.latency.typical_max();
        let round = self.config.round_timeout.saturating_mul(8) + delay.saturating_mul(8);
        let n_rounds = u32::try_from(3 + faulty_max(n) + (n - able.len())).unwrap_or(3);
        let within = round.saturating_mul(n_rounds)
            + SETTLING
            + self.config.block_interval.saturating_mul(3);
        let goal = Height(from.0 + 2);
        let able_now = able.clone();
        let has_decided =
            move |sim: &Simulation| able_now.iter().all(|&node| sim.node(node).height() >= goal);
        let began = sim.elapsed();
        if let Some(contested) = sim.contest("contested", [able[0], able[able.len() - 1]]) {
            sim.expect_settled(&contested, &able, within)?;
        }
        let left = within.saturating_sub(sim.elapsed() - began);
        if !sim.run_until(has_decided, left)? {
            let heights: Vec<(usize, u64)> =
                able.iter().map(|&node| (node, sim.node(node).height().0)).collect();
            let text = format!("no two blocks after {from} within {within:?}: {heights:?}");
            return Err(sim.fail_with("I9 liveness", text));
        }
        sim.check_rounds(standing, &able, ROUNDS_MAX)?;
        let Some(txid) = payment else { return Ok(()) };
        if !sim.run_until(|sim| sim.confirmed_at(&txid).is_some(), within)? {
            return Err(sim.fail_with("I9 liveness", format!("{txid} is not confirmed")));
        }
        Ok(())
    }

    fn heal_a_quorum(&self, sim: &mut Simulation) -> Result<(), Failure> {
        sim.inject(Fault::Heal)?;
        let link = Link { latency: self.config.link.latency.clone(), ..Link::default() };
        sim.inject(Fault::Network(link))?;
        let n = self.config.masternodes;
        for node in 0..n {
            if sim.node(node).is_byzantine() {
                continue;
            }
            let point = CrashPoint::BeforeFlush;
            sim.inject(Fault::CrashAtFlush { node, nth: 0, point })?;
            sim.inject(Fault::Slow(node, Duration::ZERO))?;
            sim.inject(Fault::ClockDrift(node, 0))?;
            sim.inject(Fault::SlowFlush(node, self.config.flush_latency))?;
            sim.inject(Fault::DiskRoom(node))?;
            sim.inject(Fault::Resume(node))?;
            sim.inject(Fault::Restart(node))?;
        }
        // The rest stays broken: of the honest as many are stopped as the Byzantine leave room.
        let n_byzantine = (0..n).filter(|&node| sim.node(node).is_byzantine()).count();
        let n_spare = n - quorum(n);
        let able: Vec<usize> = (0..n).filter(|&node| is_able(sim, node)).collect();
        let n_stopped =
            n_spare.saturating_sub(n_byzantine).min(able.len().saturating_sub(quorum(n)));
        for &node in able.iter().rev().take(n_stopped) {
            sim.inject(Fault::Crash(node))?;
        }
        // Clocks that were put forward make timestamps ahead of the others; time heals that.
        sim.advance(Duration::from_secs(12))
    }

    fn fresh_payment(
        &self,
        sim: &mut Simulation,
        able: &[usize],
    ) -> Option<crate::types::hash::Txid> {
        let node = *able.first()?;
        sim.pay_at(node, "healed", "healed too", Amount::from_time(1)).ok()
    }
}

/// Masternodes that join, leave and crash around the ends of epochs, and now and then a node that
/// is started late.
fn add_membership(config: &mut SimulationConfig, random: &mut Random, span: Duration) {
    let n = config.masternodes;
    config.observers += random.index(2);
    let observers = n..n + config.observers;
    let epoch = config.block_interval * u32::try_from(config.epoch_blocks).unwrap_or(1);
    let plan = std::mem::take(&mut config.plan);
    config.plan = plan.with_membership(random, n, observers, span, epoch);
    if random.below(4) == 0 {
        let node = random.index(n + config.observers);
        config.late.push(node);
        let time = random.duration(Duration::ZERO, span);
        config.plan.faults.push((time, Fault::Restart(node)));
    }
}

fn is_able(sim: &Simulation, node: usize) -> bool {
    let node = sim.node(node);
    let votes = node.engine().is_some_and(|engine| engine.own_index().is_some());
    *node.state() == NodeState::Running && !node.is_byzantine() && votes
}

fn tip_set(sim: &Simulation) -> crate::types::masternode_set::MasternodeSet {
    let last = sim.archive().blocks().next_back();
    last.map_or(sim.chain().first_set().clone(), |commit| {
        commit.connected.state.masternodes.clone()
    })
}

fn draw_latency(random: &mut Random) -> Latency {
    match random.below(3) {
        0 => {
            Latency::Constant(random.duration(Duration::from_millis(1), Duration::from_millis(60)))
        }
        1 => Latency::Uniform(Duration::from_millis(5), Duration::from_millis(90)),
        _ => Latency::LogNormal { median: Duration::from_millis(40), sigma_permille: 500 },
    }
}

/// Sizes of networks, each as likely.
const SIZES: [usize; 7] = [1, 3, 4, 5, 6, 7, 10];

/// Rounds of able proposers that a healed network takes at most for a decision (I9).
const ROUNDS_MAX: usize = 3;

/// Repetitions back off up to 30 s; a healed network is heard of after that at the latest.
const SETTLING: Duration = Duration::from_secs(31);
