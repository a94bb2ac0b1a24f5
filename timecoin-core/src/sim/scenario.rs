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
use crate::ledger::registry::Registry;
use crate::ledger::state::LedgerState;
use crate::types::amount::Amount;
use crate::types::chain::Height;
use crate::types::quorum::{faulty_max, quorum};
use crate::types::transaction::TxKind;

/// What a scenario is out to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Anything may go wrong; nothing may be contradicted.
    Safety,
    /// Anything may go wrong, then a quorum is healed and the rest stays broken; everything
    /// must go on, with the masternodes that joined and without those that left.
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
        Self::draw(seed, Mode::Safety, true)
    }

    /// The same, and then healed.
    pub fn liveness(seed: u64) -> Self {
        Self::draw(seed, Mode::Liveness, true)
    }

    /// The same, where nobody asks to join or to leave.
    pub fn liveness_of_founders(seed: u64) -> Self {
        Self::draw(seed, Mode::Liveness, false)
    }

    fn draw(seed: u64, mode: Mode, has_membership: bool) -> Self {
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
        if has_membership {
            add_membership(&mut config, &mut random, span);
        }
        let name = match mode {
            Mode::Safety => "whatever",
            Mode::Liveness if has_membership => "what_is_healed",
            Mode::Liveness => "seeds_that_broke",
        };
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
        self.heal(sim)?;
        self.expect_changes(sim)?;
        self.stop_spare(sim)?;
        // Clocks that were put forward make timestamps ahead of the others; time heals that.
        sim.advance(CLOCKS)?;
        let able = self.able(sim);
        let n = tip(sim).masternodes.len();
        if able.len() < quorum(n) {
            // Too many observe until an epoch is over that can't end without them.
            return sim.advance(Duration::from_secs(5));
        }
        let standing = sim.standing(&able);
        let from = sim.archive().height();
        let payment = self.fresh_payment(sim, &able);
        // Every timeout of the longest kind and every proposer out of the way, three times.
        let n_rounds = u32::try_from(3 + faulty_max(n) + (n - able.len())).unwrap_or(3);
        let within = self.longest_round().saturating_mul(n_rounds)
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

    /// Puts right whatever befell an honest node or the network.
    fn heal(&self, sim: &mut Simulation) -> Result<(), Failure> {
        sim.inject(Fault::Heal)?;
        let link = Link { latency: self.config.link.latency.clone(), ..Link::default() };
        sim.inject(Fault::Network(link))?;
        for node in self.nodes() {
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
        Ok(())
    }

    /// I9: who asked to join or to leave does, in epochs that come to their end, and every honest
    /// member of the set that comes of it votes; unless those who observe are too many for a set
    /// that became smaller, whose epoch can't end without them.
    fn expect_changes(&self, sim: &mut Simulation) -> Result<(), Failure> {
        if is_settled(sim) || self.able(sim).len() < quorum(tip(sim).masternodes.len()) {
            return Ok(());
        }
        let block = self.config.block_interval + self.longest_round();
        let n_blocks = u32::try_from(3 * self.config.epoch_blocks).unwrap_or(u32::MAX);
        let within = CLOCKS + SETTLING + block.saturating_mul(n_blocks);
        if !sim.run_until(is_settled, within)? {
            let text = format!("the masternode set is still to change after {within:?}");
            return Err(sim.fail_with("I9 liveness", text));
        }
        let honest = |sim: &Simulation| -> Vec<usize> {
            self.members(sim).filter(|node| !sim.node(*node).is_byzantine()).collect()
        };
        let height = sim.archive().height();
        let has_begun = |sim: &Simulation| {
            honest(sim).into_iter().all(|node| sim.node(node).height() >= height)
        };
        let votes = |sim: &Simulation| self.able(sim).len() == honest(sim).len();
        let is_stuck = |sim: &Simulation| {
            has_begun(sim) && self.able(sim).len() < quorum(self.members(sim).count())
        };
        if !sim.run_until(|sim| votes(sim) || is_stuck(sim), within)? {
            let text = format!("of {:?} only {:?} vote", self.all_members(sim), self.able(sim));
            return Err(sim.fail_with("I9 liveness", text));
        }
        Ok(())
    }

    /// Stops as many honest masternodes as the Byzantine leave room for: the rest stays broken.
    fn stop_spare(&self, sim: &mut Simulation) -> Result<(), Failure> {
        let n = tip(sim).masternodes.len();
        let n_byzantine = self.members(sim).filter(|node| sim.node(*node).is_byzantine()).count();
        let n_spare = n - quorum(n);
        let able = self.able(sim);
        let n_stopped =
            n_spare.saturating_sub(n_byzantine).min(able.len().saturating_sub(quorum(n)));
        able.iter().rev().take(n_stopped).try_for_each(|node| sim.inject(Fault::Crash(*node)))
    }

    /// Every timeout of the longest kind.
    fn longest_round(&self) -> Duration {
        let delay = self.config.link.latency.typical_max();
        self.config.round_timeout.saturating_mul(8) + delay.saturating_mul(8)
    }

    /// The positions of all nodes but twins.
    fn nodes(&self) -> std::ops::Range<usize> {
        0..self.config.masternodes + self.config.observers
    }

    /// The positions of those that decide the next block.
    fn members<'s>(&self, sim: &'s Simulation) -> impl Iterator<Item = usize> + 's {
        let set = tip(sim).masternodes;
        self.nodes().filter(move |node| set.index_of(&sim.node(*node).key()).is_some())
    }

    fn all_members(&self, sim: &Simulation) -> Vec<usize> {
        self.members(sim).collect()
    }

    /// Those of them that are honest, run, and vote.
    fn able(&self, sim: &Simulation) -> Vec<usize> {
        self.members(sim).filter(|node| is_able(sim, *node)).collect()
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

/// The state after the last decided block.
fn tip(sim: &Simulation) -> LedgerState {
    let last = sim.archive().blocks().next_back();
    last.map_or_else(|| LedgerState::genesis(sim.chain()), |commit| commit.connected.state.clone())
}

/// Whether the set of the next epoch is that of this one, and no masternode that runs knows of
/// anything that would change it or of a block that is not on a disk yet. What only an observer was
/// given, while nobody heard it, is not said again: it has no vote to repeat.
fn is_settled(sim: &Simulation) -> bool {
    let state = tip(sim);
    let minimum = usize::from(sim.chain().params().masternodes_min);
    let next = Registry::clone(&state.registry).begin_epoch(minimum, &state.masternodes);
    let changes_set = |kind: &TxKind| {
        matches!(kind, TxKind::RegisterMasternode(_) | TxKind::DeregisterMasternode { .. })
    };
    let waits = |node| {
        sim.node(node).engine().is_some_and(|engine| {
            let mut waiting = engine.mempool().entries();
            engine.state().tip.height > state.tip.height
                || waiting.any(|entry| changes_set(&entry.transaction.transaction().kind))
        })
    };
    let is_member = |node: &usize| state.masternodes.index_of(&sim.node(*node).key()).is_some();
    next == state.masternodes && !sim.running().filter(is_member).any(waits)
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

/// A little more than a clock is put forward by.
const CLOCKS: Duration = Duration::from_secs(12);

/// Rounds of able proposers that a healed network takes at most for a decision (I9).
const ROUNDS_MAX: usize = 3;

/// Repetitions back off up to 30 s; a healed network is heard of after that at the latest.
const SETTLING: Duration = Duration::from_secs(31);
