//! Letting things go wrong, and putting them right.

use std::collections::VecDeque;
use std::time::Duration;

use super::checks::{Broken, Failure};
use super::clock::SimTime;
use super::disk::CrashPoint;
use super::node::{NodeState, SimNode};
use super::plan::Fault;
use super::run::Scheduled;
use super::{Simulation, SimulationError, strategy};
use crate::engine::input::Input;
use crate::types::chain::Epoch;

impl Simulation {
    /// Lets something happen now.
    ///
    /// # Errors
    /// [`Failure`] where an invariant is broken by what it causes.
    pub fn inject(&mut self, fault: Fault) -> Result<(), Failure> {
        self.schedule(self.now, Scheduled::Fault(fault));
        let at = self.now;
        // What was scheduled for this moment before comes first, as it would.
        self.run_until(
            |sim| sim.queue.first_key_value().is_none_or(|((t, _), _)| *t > at),
            Duration::ZERO,
        )
        .map(drop)
    }

    /// Lets something happen later.
    pub fn inject_after(&mut self, delay: Duration, fault: Fault) {
        self.schedule(self.now.after(delay), Scheduled::Fault(fault));
    }

    /// Stops a node at once.
    ///
    /// # Errors
    /// As [`Simulation::inject`].
    pub fn crash(&mut self, node: usize) -> Result<(), Failure> {
        self.inject(Fault::Crash(node))
    }

    /// Starts a node from what its disk holds.
    ///
    /// # Errors
    /// As [`Simulation::inject`].
    pub fn restart(&mut self, node: usize) -> Result<(), Failure> {
        self.inject(Fault::Restart(node))
    }

    /// Cuts the network between groups; who is in none is alone.
    ///
    /// # Errors
    /// As [`Simulation::inject`].
    pub fn partition(&mut self, groups: &[&[usize]]) -> Result<(), Failure> {
        self.inject(Fault::Partition(groups.iter().map(|group| group.to_vec()).collect()))
    }

    /// Opens all links.
    ///
    /// # Errors
    /// As [`Simulation::inject`].
    pub fn heal(&mut self) -> Result<(), Failure> {
        self.inject(Fault::Heal)
    }

    /// Asks every running masternode for a block.
    ///
    /// # Errors
    /// As [`Simulation::inject`].
    pub fn produce_block(&mut self) -> Result<(), Failure> {
        self.inject(Fault::ProduceBlock)
    }

    /// Makes a node Byzantine: it follows the strategy of this name, with any that it follows
    /// already. `"twins"` adds a node with the same keys.
    ///
    /// # Errors
    /// [`SimulationError::UnknownStrategy`].
    pub fn set_byzantine(&mut self, node: usize, name: &str) -> Result<(), SimulationError> {
        if name == TWINS {
            self.add_twin(node);
            return Ok(());
        }
        let strategy = strategy::by_name(name)
            .ok_or_else(|| SimulationError::UnknownStrategy(name.to_owned()))?;
        self.set_strategy(node, strategy);
        Ok(())
    }

    /// Makes a node Byzantine with a strategy of one's own.
    pub fn set_strategy(&mut self, node: usize, strategy: Box<dyn strategy::Strategy>) {
        self.become_byzantine(node);
        self.nodes[node].strategies.push(strategy);
        let position = self.nodes[node].strategies.len() - 1;
        self.start_strategy(node, position);
    }

    fn start_strategy(&mut self, node: usize, position: usize) {
        let started = self.ask_strategy(node, position, |strategy, actor| strategy.on_start(actor));
        // Only what a strategy sends can break anything, and that shows when it arrives.
        started.ok();
    }

    fn become_byzantine(&mut self, node: usize) {
        self.nodes[node].is_byzantine = true;
        self.nodes[node].trust_log();
        let key = self.nodes[node].key();
        if !self.checks.known.byzantine.contains(&key) {
            self.checks.known.byzantine.push(key);
        }
    }

    /// A second node with the keys and the disk of another.
    fn add_twin(&mut self, node: usize) {
        self.become_byzantine(node);
        let original = &self.nodes[node];
        let mut twin =
            SimNode::new(original.keys.clone(), original.disk.clone(), original.clock.clone());
        twin.is_byzantine = true;
        let mut keys = (*self.keys).clone();
        keys.push(twin.key());
        self.keys = std::sync::Arc::new(keys);
        self.nodes.push(twin);
        self.checks.add_node();
        self.start(self.nodes.len() - 1);
    }

    /// Starts a node and schedules its first timeout.
    pub(super) fn start(&mut self, index: usize) {
        self.nodes[index].start(&self.chain, &self.config);
        let life = self.nodes[index].life;
        self.nodes[index].wake = Some(self.now);
        self.schedule(self.now, Scheduled::Wake { node: index, life });
    }

    pub(super) fn inject_now(&mut self, fault: Fault) -> Result<(), Broken> {
        match fault {
            Fault::Crash(node) => self.nodes[node].stop(NodeState::Down),
            Fault::CrashAtFlush { node, nth, point } => {
                self.nodes[node].crash_at = (nth > 0).then_some((nth, point));
            }
            Fault::Restart(node) => self.restart_now(node)?,
            Fault::Pause(node) => {
                if self.nodes[node].is_running() {
                    self.nodes[node].state = NodeState::Paused;
                }
            }
            Fault::Resume(node) => self.resume(node)?,
            Fault::Partition(groups) => self.network.partition(&groups, self.nodes.len()),
            Fault::Block(from, to) => self.network.block(from, to),
            Fault::Heal => self.network.heal(),
            Fault::Network(link) => self.network().default = link,
            Fault::Slow(node, extra) => self.network.set_slow(node, extra),
            Fault::ClockJump(node, by_ms) => {
                self.nodes[node].clock.jump(self.now, by_ms);
                self.rewake(node);
            }
            Fault::ClockDrift(node, ppm) => {
                self.nodes[node].clock.set_drift(self.now, ppm);
                self.rewake(node);
            }
            Fault::DiskFull(node) => self.nodes[node].disk.set_full(true),
            Fault::DiskRoom(node) => self.nodes[node].disk.set_full(false),
            Fault::SlowFlush(node, latency) => self.nodes[node].disk.flush_latency = latency,
            Fault::FlipBits(node) => self.lose_votes(node, false),
            Fault::WipeDisk(node) => self.lose_votes(node, true),
            Fault::Forget(node) => self.forget(node)?,
            Fault::Byzantine(node, name) => {
                self.set_byzantine(node, name).ok();
            }
            Fault::ProduceBlock => {
                for node in 0..self.nodes.len() {
                    self.drive(node, Some(Input::ProduceBlock))?;
                }
            }
            Fault::Register(node) => {
                let transaction = self.registration(REGISTRAR, node);
                self.submit_somewhere(transaction);
            }
            Fault::Deregister(node) => {
                let transaction = self.deregistration(REGISTRAR, node);
                self.submit_somewhere(transaction);
            }
        }
        Ok(())
    }

    /// A clock changed: the next timeout is at another moment.
    fn rewake(&mut self, node: usize) {
        self.nodes[node].wake = None;
        self.schedule_wake(node);
    }

    fn restart_now(&mut self, node: usize) -> Result<(), Broken> {
        let is_up = matches!(self.nodes[node].state, NodeState::Running | NodeState::Paused);
        let is_halted = matches!(self.nodes[node].state, NodeState::Halted(_));
        if is_up || is_halted && self.nodes[node].disk.is_full() {
            return Ok(());
        }
        self.metrics.restarts += 1;
        self.start(node);
        if self.nodes[node].is_observing {
            // It does not know what it promised, and promises nothing until the epoch is over.
            self.checks.forget(node);
        }
        self.drive(node, None)?;
        let restarted = &self.nodes[node];
        let is_bound = !restarted.is_byzantine && !restarted.is_put_back;
        if let Some(engine) = restarted.engine.as_deref().filter(|_| is_bound) {
            let view = self.archive.view_with(restarted.disk.height(), &restarted.staged);
            self.checks.on_restart(node, engine, &view)?;
        }
        for position in 0..self.nodes[node].strategies.len() {
            self.start_strategy(node, position);
        }
        Ok(())
    }

    fn resume(&mut self, node: usize) -> Result<(), Broken> {
        if self.nodes[node].state != NodeState::Paused {
            return Ok(());
        }
        self.nodes[node].state = NodeState::Running;
        let inbox: VecDeque<_> = std::mem::take(&mut self.nodes[node].inbox);
        self.nodes[node].wake = None;
        for (sender, wire) in inbox {
            self.deliver(sender, node, &wire)?;
        }
        self.drive(node, None)
    }

    /// The vote log of a stopped node is lost, with or without everything else, and its
    /// operator or its store knows.
    fn lose_votes(&mut self, node: usize, with_blocks: bool) {
        if self.nodes[node].engine.is_some() {
            return;
        }
        let epoch = self.voted_until(node);
        let chain = self.chain.clone();
        if with_blocks {
            self.nodes[node].disk.wipe(epoch);
        } else {
            self.nodes[node].disk.damage_votes(&chain);
        }
    }

    /// The last epoch in which a node may have voted.
    fn voted_until(&self, node: usize) -> Epoch {
        self.nodes[node].disk.state(&self.chain).epoch(&self.chain)
    }

    /// A node forgets what it voted and does not know it.
    fn forget(&mut self, node: usize) -> Result<(), Broken> {
        self.become_byzantine(node);
        self.nodes[node].stop(NodeState::Down);
        let disk = &mut self.nodes[node].disk;
        disk.forget_votes();
        self.restart_now(node)
    }

    /// Crashes a node at its n-th flush from now.
    ///
    /// # Errors
    /// As [`Simulation::inject`].
    pub fn crash_at_flush(
        &mut self,
        node: usize,
        nth: u32,
        point: CrashPoint,
    ) -> Result<(), Failure> {
        self.inject(Fault::CrashAtFlush { node, nth, point })
    }

    /// The current moment.
    pub fn time(&self) -> SimTime {
        self.now
    }

    /// Puts an older copy of a stopped node's disk in place of what it has. The node does not know;
    /// that it contradicts nothing that it sent before is still checked.
    pub fn restore_backup(&mut self, node: usize, backup: super::Disk) {
        self.nodes[node].disk = backup;
        self.nodes[node].is_put_back = true;
    }
}

/// The wallet that pays for masternodes that join and leave.
const REGISTRAR: &str = "registrar";

/// The strategy that is a second node.
const TWINS: &str = "twins";
