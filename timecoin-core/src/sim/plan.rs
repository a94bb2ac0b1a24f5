//! Faults: what can go wrong, and plans of when it does.

use std::time::Duration;

use super::disk::CrashPoint;
use super::network::Link;
use super::random::Random;
use crate::types::quorum::faulty_max;

/// Something that goes wrong, or is put right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A node stops at once.
    Crash(usize),
    /// A node stops at its n-th flush from now.
    CrashAtFlush {
        /// Which node.
        node: usize,
        /// Which flush, from 1; 0 to let it live.
        nth: u32,
        /// Before, in the course of, or after it.
        point: CrashPoint,
    },
    /// A node starts from what its disk holds.
    Restart(usize),
    /// A node stands still; what is sent to it waits.
    Pause(usize),
    /// A node goes on.
    Resume(usize),
    /// Nodes of different groups can't reach each other.
    Partition(Vec<Vec<usize>>),
    /// One direction of a link lets nothing through.
    Block(usize, usize),
    /// All links are open.
    Heal,
    /// All links without a behaviour of their own behave like this. What is under way comes no
    /// later than if it were sent now, in order.
    Network(Link),
    /// Everything from and to a node takes longer; zero ends it, also for what is under way.
    Slow(usize, Duration),
    /// A node's time of day is put forward or back, in milliseconds.
    ClockJump(usize, i64),
    /// A node's clock gains or loses, in millionths.
    ClockDrift(usize, i32),
    /// A node's next write fails, and the node stops.
    DiskFull(usize),
    /// There is room on the disk again.
    DiskRoom(usize),
    /// A node's flushes take so long.
    SlowFlush(usize, Duration),
    /// Bits flip in a stopped node's vote log; it observes when it returns.
    FlipBits(usize),
    /// A stopped node's disk is replaced by an empty one; it observes when it returns.
    WipeDisk(usize),
    /// A stopped node forgets every vote and does not know it: a Byzantine fault.
    Forget(usize),
    /// A node follows a strategy from now on, by its name: a Byzantine fault.
    Byzantine(usize, &'static str),
    /// Every running masternode is asked for a block.
    ProduceBlock,
    /// A node registers as a masternode; a wallet locks the collateral. It votes from the next
    /// epoch on.
    Register(usize),
    /// A masternode asks to leave; it does at the end of the epoch.
    Deregister(usize),
}

/// Faults and the times at which they come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In any order.
    pub faults: Vec<(Duration, Fault)>,
}

impl Plan {
    /// Adds a fault.
    pub fn at(mut self, time: Duration, fault: Fault) -> Self {
        self.faults.push((time, fault));
        self
    }

    /// Faults drawn from a seed, over `span`, for a network of `n` masternodes of which at most
    /// `f` are Byzantine. All kinds of faults are mixed; nothing is put right at the end.
    pub fn random(
        random: &mut Random,
        n: usize,
        span: Duration,
        strategies: &[&'static str],
    ) -> Self {
        let mut plan = Plan::default();
        let mut order: Vec<usize> = (0..n).collect();
        random.shuffle(&mut order);
        let n_byzantine = random.index(faulty_max(n) + 1);
        for &node in order.iter().take(n_byzantine) {
            let time = random.duration(Duration::ZERO, span / 2);
            if let Some(&name) = random.choose(strategies) {
                plan = plan.at(time, Fault::Byzantine(node, name));
            }
        }
        let n_faults = random.range(2, 10);
        for _ in 0..n_faults {
            let time = random.duration(Duration::ZERO, span);
            let node = random.index(n);
            plan = plan.add_episode(random, time, span, node, n);
        }
        plan
    }

    /// Masternodes that join and leave over `span`, and crash around the ends of epochs, which
    /// come every `epoch`. `observers` are the positions of nodes that are none yet. Nobody leaves
    /// who is needed for the Byzantine of this plan to be few enough.
    pub fn with_membership(
        mut self,
        random: &mut Random,
        n: usize,
        observers: std::ops::Range<usize>,
        span: Duration,
        epoch: Duration,
    ) -> Self {
        let is_byzantine = |(_, fault): &&(Duration, Fault)| matches!(fault, Fault::Byzantine(..));
        let n_byzantine = self.faults.iter().filter(is_byzantine).count();
        for node in observers.clone() {
            let time = random.duration(Duration::ZERO, span / 2);
            self = self.at(time, Fault::Register(node));
        }
        if n > 1 && faulty_max(n - 1) >= n_byzantine {
            let time = random.duration(Duration::ZERO, span);
            self = self.at(time, Fault::Deregister(random.index(n)));
        }
        let n_epochs = span.as_micros() / epoch.as_micros().max(1);
        for _ in 0..random.below(3) {
            let nth = u32::try_from(random.range(1, 1 + u64::try_from(n_epochs).unwrap_or(0)));
            let end = epoch.saturating_mul(nth.unwrap_or(1));
            let around = random.duration(Duration::ZERO, Duration::from_secs(1));
            let time = (end + around).saturating_sub(Duration::from_millis(500)).min(span);
            let node = random.index(observers.end.max(n));
            let pause = random.duration(Duration::from_millis(5), Duration::from_secs(2));
            self = self.at(time, Fault::Crash(node)).at(time + pause, Fault::Restart(node));
        }
        self
    }

    /// One thing that goes wrong, and is put right after a while.
    fn add_episode(
        self,
        random: &mut Random,
        time: Duration,
        span: Duration,
        node: usize,
        n: usize,
    ) -> Self {
        let end = time + random.duration(Duration::from_millis(10), span / 3);
        match random.below(14) {
            0 | 1 => self.at(time, Fault::Crash(node)).at(end, Fault::Restart(node)),
            2..=4 => {
                let nth = u32::try_from(random.range(1, 12)).unwrap_or(1);
                let points =
                    [CrashPoint::BeforeFlush, CrashPoint::DuringFlush, CrashPoint::AfterFlush];
                let point = points[random.index(points.len())];
                let fault = Fault::CrashAtFlush { node, nth, point };
                self.at(time, fault).at(end, Fault::Restart(node))
            }
            5 => self.at(time, Fault::Pause(node)).at(end, Fault::Resume(node)),
            6 | 7 => {
                let mut groups = vec![Vec::new(); 2];
                (0..n).for_each(|member| groups[random.index(2)].push(member));
                self.at(time, Fault::Partition(groups)).at(end, Fault::Heal)
            }
            8 => {
                let other = random.index(n);
                self.at(time, Fault::Block(node, other)).at(end, Fault::Heal)
            }
            9 => {
                let lossy = Link {
                    loss_ppm: u32::try_from(random.below(200_000)).unwrap_or(0),
                    duplicate_ppm: u32::try_from(random.below(100_000)).unwrap_or(0),
                    reorder_ppm: u32::try_from(random.below(300_000)).unwrap_or(0),
                    ..Link::default()
                };
                self.at(time, Fault::Network(lossy)).at(end, Fault::Network(Link::default()))
            }
            10 => {
                let extra = random.duration(Duration::from_millis(50), Duration::from_secs(2));
                self.at(time, Fault::Slow(node, extra)).at(end, Fault::Slow(node, Duration::ZERO))
            }
            11 => {
                let by = i64::try_from(random.below(20_000)).unwrap_or(0) - 10_000;
                self.at(time, Fault::ClockJump(node, by))
            }
            12 => {
                let extra = random.duration(Duration::from_millis(1), Duration::from_millis(300));
                self.at(time, Fault::SlowFlush(node, extra))
                    .at(end, Fault::SlowFlush(node, Duration::ZERO))
            }
            _ => match random.below(4) {
                0 => self
                    .at(time, Fault::DiskFull(node))
                    .at(end, Fault::DiskRoom(node))
                    .at(end + Duration::from_millis(1), Fault::Restart(node)),
                1 => self
                    .at(time, Fault::Crash(node))
                    .at(time + Duration::from_millis(1), Fault::FlipBits(node))
                    .at(end, Fault::Restart(node)),
                2 => self
                    .at(time, Fault::Crash(node))
                    .at(time + Duration::from_millis(1), Fault::WipeDisk(node))
                    .at(end, Fault::Restart(node)),
                _ => {
                    let ppm = i32::try_from(random.below(40_000)).unwrap_or(0) - 20_000;
                    self.at(time, Fault::ClockDrift(node, ppm))
                }
            },
        }
    }

    /// A plan with as few faults as still make `fails` true, by leaving out ever smaller parts.
    pub fn shrink(&self, mut fails: impl FnMut(&Plan) -> bool) -> Plan {
        let mut plan = self.clone();
        let mut part = plan.faults.len().div_ceil(2);
        while part > 0 && !plan.faults.is_empty() {
            let mut start = 0;
            let mut has_shrunk = false;
            while start < plan.faults.len() {
                let end = (start + part).min(plan.faults.len());
                let mut smaller = plan.clone();
                smaller.faults.drain(start..end);
                if fails(&smaller) {
                    plan = smaller;
                    has_shrunk = true;
                } else {
                    start = end;
                }
            }
            if part == 1 && !has_shrunk {
                break;
            }
            part = if part == 1 { 1 } else { part.div_ceil(2) };
        }
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shrinking_leaves_what_it_takes() {
        let plan =
            Plan { faults: (0..20).map(|node| (Duration::ZERO, Fault::Crash(node))).collect() };
        let has = |plan: &Plan, node| plan.faults.iter().any(|(_, f)| *f == Fault::Crash(node));
        let small = plan.shrink(|plan| has(plan, 3) && has(plan, 17));
        assert_eq!(small.faults.len(), 2);
        assert!(has(&small, 3) && has(&small, 17));
    }
}
