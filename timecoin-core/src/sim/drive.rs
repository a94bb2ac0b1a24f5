//! Driving one engine, as the real driver does: hand over an input, take the outputs, handle
//! what is due, and do what waits once what comes before it is flushed.

use std::sync::Arc;

use super::Simulation;
use super::checks::Broken;
use super::clock::SimTime;
use super::disk::{CrashPoint, Disk, Write};
use super::node::{NodeState, Queued};
use super::run::Scheduled;
use super::wire::{Checked, SharedWire};
use crate::engine::input::Input;
use crate::engine::output::{BlockCommit, Halt};
use crate::types::chain::{Height, Timestamp};

impl Simulation {
    /// A message arrives at a node.
    pub(super) fn deliver(
        &mut self,
        sender: usize,
        to: usize,
        wire: &SharedWire,
    ) -> Result<(), Broken> {
        let node = &mut self.nodes[to];
        if node.state == NodeState::Paused && node.inbox.len() < INBOX_MAX {
            node.inbox.push_back((sender, Arc::clone(wire)));
            return Ok(());
        }
        if !node.is_running() {
            return Ok(());
        }
        let Some(engine) = node.engine.as_deref() else { return Ok(()) };
        let checked = self.memo.check(wire, engine).unless_late(engine);
        if let Checked::Bad(reason) = &checked {
            self.metrics.refused += 1;
            let is_honest = !self.nodes[sender].is_byzantine && !self.nodes[to].is_byzantine;
            if is_honest {
                let text = format!("node {to} refuses a {} of node {sender}: {reason}", wire.kind);
                return Err(("honest messages are accepted", text));
            }
        }
        if self.nodes[to].is_byzantine && self.hide_from_engine(to, sender, wire, &checked)? {
            return Ok(());
        }
        match checked.input(self.nodes[sender].keys.public()) {
            Some(input) => self.drive(to, Some(input)),
            None => Ok(()),
        }
    }

    /// Tells a node's engine something, or the time only, and does what comes of it.
    pub(super) fn drive(&mut self, index: usize, input: Option<Input>) -> Result<(), Broken> {
        if !self.nodes[index].is_running() {
            return Ok(());
        }
        let now = self.nodes[index].clock.now(self.now);
        self.nodes[index].n_handled += 1;
        if input.is_some() {
            self.call(index, input, now)?;
        }
        let mut n_timeouts = 0;
        while self.is_due(index, now) {
            n_timeouts += 1;
            if n_timeouts > TIMEOUTS_MAX {
                let text = format!("node {index} is always due");
                return Err(("the engine comes to rest", text));
            }
            self.call(index, None, now)?;
        }
        self.pump(index)?;
        self.schedule_wake(index);
        let is_looked_at = self.nodes[index].n_handled.is_multiple_of(SIZES_EVERY);
        match self.nodes[index].engine.as_deref().filter(|_| is_looked_at) {
            Some(engine) => self.checks.on_sizes(index, &engine.table_sizes()),
            None => Ok(()),
        }
    }

    fn is_due(&self, index: usize, now: Timestamp) -> bool {
        let engine = self.nodes[index].engine.as_deref();
        engine.and_then(|engine| engine.poll_timeout()).is_some_and(|at| at <= now)
    }

    /// One call of the engine: an input, or its timeout.
    fn call(&mut self, index: usize, input: Option<Input>, now: Timestamp) -> Result<(), Broken> {
        let node = &mut self.nodes[index];
        let Some(engine) = node.engine.as_deref_mut() else { return Ok(()) };
        let view = self.archive.view_with(node.disk.height(), &node.staged);
        let result = match input {
            Some(input) => engine.handle_input(input, now, &view),
            None => engine.handle_timeout(now, &view),
        };
        node.collect();
        let is_byzantine = node.is_byzantine;
        match result {
            Ok(()) => Ok(()),
            Err(halt) if is_byzantine => {
                self.nodes[index].stop(NodeState::Halted(halt.to_string()));
                Ok(())
            }
            Err(halt) => Err(halted(index, &halt)),
        }
    }

    /// A node's writes are durable: from now on a block among them is decided for good.
    fn make_durable(&mut self, index: usize, writes: &[Write]) -> Result<(), Broken> {
        for write in writes {
            match write {
                Write::Record(record) => {
                    let is_byzantine = self.nodes[index].is_byzantine;
                    self.checks.on_record(index, record, is_byzantine)?;
                    let signature = super::disk::signature_of(record);
                    self.nodes[index].recorded.extend(signature);
                }
                Write::Block(commit) => {
                    if !self.decided(index, commit)? {
                        let state = NodeState::Halted("it left the chain".to_owned());
                        self.nodes[index].stop(state);
                        return Ok(());
                    }
                    let staged = &mut self.nodes[index].staged;
                    staged.retain(|known| known.height() > commit.height());
                }
            }
        }
        self.nodes[index].disk.flush(writes.iter(), &self.chain);
        Ok(())
    }

    /// A node decided a block; false where it is Byzantine and believes what nobody else does.
    fn decided(&mut self, index: usize, commit: &Arc<BlockCommit>) -> Result<bool, Broken> {
        let archived = self.archive.block(commit.height()).cloned();
        let differs = archived
            .as_ref()
            .is_some_and(|known| known.connected.block.hash() != commit.connected.block.hash());
        let is_gap = commit.height() > self.archive.height().next();
        if self.nodes[index].is_byzantine && (differs || is_gap) {
            return Ok(false);
        }
        self.checks.on_block(index, commit, archived.as_ref())?;
        let hash = commit.connected.block.hash();
        self.trace.add("decided", [commit.height().0, index as u64], hash.as_bytes());
        if archived.is_none() {
            for transaction in &commit.connected.block.block().transactions {
                self.wallets.credit(transaction);
            }
            self.metrics.decide(commit.height(), self.now);
            self.archive.push(Arc::clone(commit));
            self.forget_history();
        }
        Ok(true)
    }

    /// Lets go of blocks that nobody can ask for any more, where the settings ask for that.
    fn forget_history(&mut self) {
        let Some(n_kept) = self.config.history else { return };
        let lowest = self.nodes.iter().map(|node| node.height().0).min().unwrap_or(0);
        let is_epoch_over = |height: Height| {
            let params = self.chain.params();
            params.epoch_of(height).0 + 1 < params.epoch_of(Height(lowest)).0
        };
        while let Some(height) = self
            .archive
            .lowest()
            .filter(|height| height.0 + n_kept < lowest && is_epoch_over(*height))
        {
            if let Some(commit) = self.archive.forget_first() {
                self.checks.forget_block(&commit);
                self.metrics.forget_block(&commit, height);
            }
        }
    }

    /// Does what is not behind a write, and starts a flush where something is.
    pub(super) fn pump(&mut self, index: usize) -> Result<(), Broken> {
        loop {
            let node = &mut self.nodes[index];
            match node.queue.front() {
                None => return Ok(()),
                Some(Queued::Write(_)) if node.n_flushed > 0 => {
                    node.n_flushed -= 1;
                    node.queue.pop_front();
                }
                Some(Queued::Write(_)) => {
                    if node.flushing.is_some() || !self.begin_flush(index)? {
                        return Ok(());
                    }
                }
                Some(Queued::Do(_)) => {
                    if let Some(Queued::Do(action)) = node.queue.pop_front() {
                        self.perform(index, action)?;
                    }
                }
            }
        }
    }

    /// Starts a flush of everything that waits; true where it is done at once.
    fn begin_flush(&mut self, index: usize) -> Result<bool, Broken> {
        let node = &mut self.nodes[index];
        if node.disk.is_full() {
            node.stop(NodeState::Halted("the disk is full".to_owned()));
            return Ok(false);
        }
        let n_writes = node.queue.iter().filter(|q| matches!(q, Queued::Write(_))).count();
        node.flushing = Some(n_writes - node.n_flushed);
        if let Some((nth, point)) = node.crash_at.take() {
            if nth > 1 {
                node.crash_at = Some((nth - 1, point));
            } else {
                self.crash_in_flush(index, point)?;
                return Ok(false);
            }
        }
        let latency = self.nodes[index].disk.flush_latency;
        if latency.is_zero() {
            self.finish_flush(index)?;
            return Ok(true);
        }
        let life = self.nodes[index].life;
        self.schedule(self.now.after(latency), Scheduled::Flushed { node: index, life });
        Ok(false)
    }

    /// What was being flushed is durable.
    pub(super) fn finish_flush(&mut self, index: usize) -> Result<(), Broken> {
        let Some(n_writes) = self.nodes[index].flushing.take() else { return Ok(()) };
        let writes = self.nodes[index].unflushed(n_writes);
        self.make_durable(index, &writes)?;
        let node = &mut self.nodes[index];
        node.n_flushed += writes.len();
        if node.recorded.len() > RECORDED_MAX {
            node.recorded = node.disk.signatures();
        }
        Ok(())
    }

    /// A node crashes in the course of a flush.
    fn crash_in_flush(&mut self, index: usize, point: CrashPoint) -> Result<(), Broken> {
        let node = &mut self.nodes[index];
        let writes = node.unflushed(node.flushing.unwrap_or(0));
        let kept = match point {
            CrashPoint::BeforeFlush => Vec::new(),
            CrashPoint::DuringFlush => Disk::part_of(writes, &mut self.random_disk),
            CrashPoint::AfterFlush => writes,
        };
        self.make_durable(index, &kept)?;
        self.journal.note(self.now, index, || format!("crashes, {point:?}"));
        self.trace.add("crash", [self.now.0, index as u64], &[]);
        self.nodes[index].stop(NodeState::Down);
        Ok(())
    }

    /// Schedules a node's next timeout.
    pub(super) fn schedule_wake(&mut self, index: usize) {
        let node = &self.nodes[index];
        let due = node.engine.as_deref().and_then(|engine| engine.poll_timeout());
        let Some(due) = due.filter(|due| *due < Timestamp::NEVER) else { return };
        let soonest = SimTime(self.now.0.saturating_add(1));
        let at = node.clock.when(due, soonest);
        if node.wake.is_some_and(|wake| wake <= at) {
            return;
        }
        let life = node.life;
        self.nodes[index].wake = Some(at);
        self.schedule(at, Scheduled::Wake { node: index, life });
    }
}

fn halted(index: usize, halt: &Halt) -> Broken {
    ("an honest node never halts", format!("node {index}: {halt}"))
}

/// Calls of an engine between two looks at the sizes of its tables.
const SIZES_EVERY: u64 = 32;

/// Messages that wait for a paused node; more are lost.
const INBOX_MAX: usize = 10_000;

/// Timeouts that an engine handles at one moment.
const TIMEOUTS_MAX: usize = 1_000;

/// Signatures that are remembered for one node before those of past epochs are let go.
const RECORDED_MAX: usize = 4_096;
