//! The loop: take the next event, let it happen, check.

use std::time::Duration;

use super::checks::{Broken, Failure};
use super::clock::SimTime;
use super::plan::Fault;
use super::wire::SharedWire;
use super::{Simulation, strategy};
use crate::engine::input::Input;
use crate::types::verified::VerifiedTransaction;

/// Something that will happen.
#[derive(Clone, Debug)]
pub(super) enum Scheduled {
    /// A message arrives.
    Deliver { sender: usize, to: usize, wire: SharedWire },
    /// A node's timeout may be due.
    Wake { node: usize, life: u32 },
    /// A node's flush is done.
    Flushed { node: usize, life: u32 },
    /// A strategy asked to be called.
    Strategy { node: usize, life: u32, position: usize },
    /// A Byzantine node sends what it kept back.
    Forged { node: usize, to: strategy::Target, wire: SharedWire },
    /// A client's transaction reaches a node.
    Submit { node: usize, ticket: u64, transaction: VerifiedTransaction },
    /// The workload makes a payment.
    Payment,
    /// Something goes wrong.
    Fault(Fault),
}

impl Simulation {
    pub(super) fn schedule(&mut self, at: SimTime, event: Scheduled) {
        self.n_scheduled += 1;
        self.queue.insert((at.max(self.now), self.n_scheduled), event);
    }

    /// Brings forward what is under way on links that have become faster.
    fn hurry(&mut self) {
        if !self.network.is_touched {
            return;
        }
        let hurried = self.network.hurried(self.now);
        let is_late = |(key, event): (&(SimTime, u64), &Scheduled)| {
            let Scheduled::Deliver { sender, to, .. } = event else { return None };
            let end = hurried.get(&(*sender, *to))?;
            (key.0 > *end).then_some((*key, *end))
        };
        let late: Vec<_> = self.queue.iter().filter_map(is_late).collect();
        for (key, end) in late {
            if let Some(event) = self.queue.remove(&key) {
                // Under its number, which keeps the order of what comes at one moment.
                self.queue.insert((end, key.1), event);
            }
        }
    }

    /// Lets the next event happen; false where there is none.
    ///
    /// # Errors
    /// [`Failure`] where an invariant is broken; from then on every call gives it.
    pub fn step(&mut self) -> Result<bool, Failure> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        self.hurry();
        let Some(((at, _), event)) = self.queue.pop_first() else { return Ok(false) };
        self.now = at;
        self.step += 1;
        if let Err((check, message)) = self.happen(event) {
            return Err(self.fail(check, message));
        }
        Ok(true)
    }

    /// Ends the run with a failure that a scenario found.
    pub(super) fn fail_with(&mut self, check: &'static str, message: String) -> Failure {
        self.fail(check, message)
    }

    fn fail(&mut self, check: &'static str, message: String) -> Failure {
        let failure = Failure {
            check,
            message,
            seed: self.config.seed,
            step: self.step,
            at: self.now,
            replay: self.config.replay.clone(),
        };
        self.failure = Some(failure.clone());
        failure
    }

    fn happen(&mut self, event: Scheduled) -> Result<(), Broken> {
        let now = self.now.0;
        match event {
            Scheduled::Deliver { sender, to, wire } => {
                self.trace.add("deliver", [now, to as u64], &wire.id);
                self.metrics.delivered += 1;
                self.deliver(sender, to, &wire)
            }
            Scheduled::Wake { node, life } => {
                let is_current = self.nodes[node].life == life;
                if !is_current || self.nodes[node].wake != Some(self.now) {
                    return Ok(());
                }
                self.nodes[node].wake = None;
                self.trace.add("wake", [now, node as u64], &[]);
                self.drive(node, None)
            }
            Scheduled::Flushed { node, life } => {
                if self.nodes[node].life != life {
                    return Ok(());
                }
                self.trace.add("flushed", [now, node as u64], &[]);
                self.finish_flush(node)?;
                self.pump(node)
            }
            Scheduled::Strategy { node, life, position } => {
                if self.nodes[node].life != life {
                    return Ok(());
                }
                self.trace.add("strategy", [now, node as u64], &[]);
                self.wake_strategy(node, position)
            }
            Scheduled::Forged { node, to, wire } => {
                self.transmit_forged(node, &to, &wire);
                Ok(())
            }
            Scheduled::Submit { node, ticket, transaction } => {
                self.trace.add("submit", [now, node as u64], transaction.txid().as_bytes());
                self.drive(node, Some(Input::Submit { ticket, transaction }))
            }
            Scheduled::Payment => {
                self.trace.add("payment", [now, 0], &[]);
                self.make_payment()
            }
            Scheduled::Fault(fault) => {
                self.journal.note(self.now, 0, || format!("fault {fault:?}"));
                self.trace.add("fault", [now, 0], format!("{fault:?}").as_bytes());
                self.inject_now(fault)
            }
        }
    }

    /// Lets so much virtual time pass.
    ///
    /// # Errors
    /// [`Failure`] where an invariant is broken.
    pub fn advance(&mut self, duration: Duration) -> Result<(), Failure> {
        self.run_until(|_| false, duration).map(drop)
    }

    /// Lets time pass until `predicate` holds, looked at after every event, but no longer than
    /// `within`. Says whether it came to hold.
    ///
    /// # Errors
    /// [`Failure`] where an invariant is broken.
    pub fn run_until(
        &mut self,
        mut predicate: impl FnMut(&Simulation) -> bool,
        within: Duration,
    ) -> Result<bool, Failure> {
        let end = self.now.after(within);
        loop {
            if let Some(failure) = &self.failure {
                return Err(failure.clone());
            }
            if predicate(self) {
                return Ok(true);
            }
            if !self.step_by(end)? {
                return Ok(false);
            }
        }
    }

    /// Lets the next event happen where it comes by `end`; else lets time pass until then, and
    /// says false.
    ///
    /// # Errors
    /// [`Failure`] where an invariant is broken.
    pub fn step_by(&mut self, end: SimTime) -> Result<bool, Failure> {
        self.hurry();
        let next = self.queue.first_key_value().map(|((at, _), _)| *at);
        if next.is_some_and(|at| at <= end) {
            return self.step();
        }
        self.now = self.now.max(end);
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Latency, Link, SimulationConfig};
    use super::*;

    /// A payment among nodes of which two can hardly be reached, until they can again.
    fn delay_and_end(begin: impl Fn(&mut Simulation), end: impl Fn(&mut Simulation)) {
        let mut sim = Simulation::new(SimulationConfig::new(4, 7)).unwrap();
        begin(&mut sim);
        let payment = sim.pay("alice", "bob", "5".parse().unwrap()).unwrap();
        let is_final = |sim: &Simulation| sim.is_final_everywhere(&payment);
        assert!(!sim.run_until(is_final, Duration::from_secs(60)).unwrap());
        end(&mut sim);
        assert!(sim.run_until(is_final, Duration::from_secs(1)).unwrap());
        let is_on = |sim: &Simulation| sim.height_min().0 > 0;
        assert!(sim.run_until(is_on, Duration::from_secs(60)).unwrap());
    }

    #[test]
    fn what_a_slow_node_delays_comes_when_it_is_slow_no_more() {
        let slow = |extra| {
            move |sim: &mut Simulation| {
                (0..2).for_each(|node| sim.inject(Fault::Slow(node, extra)).unwrap());
            }
        };
        delay_and_end(slow(Duration::from_secs(3_600)), slow(Duration::ZERO));
    }

    #[test]
    fn what_long_links_delay_comes_when_they_are_short_again() {
        let links = |delay| {
            move |sim: &mut Simulation| {
                let link = Link { latency: Latency::Constant(delay), ..Link::default() };
                sim.inject(Fault::Network(link.clone())).unwrap();
                sim.network().set_link(0, 1, link);
            }
        };
        delay_and_end(links(Duration::from_secs(3_600)), links(Duration::from_millis(20)));
    }
}
