//! Virtual time, and what the clocks of the nodes make of it.

use std::fmt;
use std::time::Duration;

use super::random::micros;
use crate::types::chain::Timestamp;

/// A moment of virtual time: microseconds since the simulation began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimTime(pub u64);

impl SimTime {
    /// The beginning.
    pub const ZERO: SimTime = SimTime(0);

    /// So long after this moment.
    pub fn after(self, duration: Duration) -> SimTime {
        SimTime(self.0.saturating_add(micros(duration)))
    }

    /// How long ago `earlier` was; zero where it lies ahead.
    pub fn since(self, earlier: SimTime) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for SimTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06} s", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// The clock of one node. Like the one that real nodes read it never goes back: where the time
/// of day is put back, it goes on at half speed until they meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeClock {
    anchor: SimTime,
    /// Microseconds of the Unix epoch at the anchor.
    reading: u64,
    /// How much it gains, in millionths.
    drift_ppm: i32,
    /// Microseconds by which it is ahead of the time of day, after that was put back.
    ahead: u64,
}

impl NodeClock {
    /// A clock that shows `start` at the beginning.
    pub fn new(start: Timestamp) -> Self {
        NodeClock {
            anchor: SimTime::ZERO,
            reading: start.0.saturating_mul(1_000),
            drift_ppm: 0,
            ahead: 0,
        }
    }

    /// What it shows.
    pub fn now(&self, at: SimTime) -> Timestamp {
        Timestamp(self.micros(at) / 1_000)
    }

    fn micros(&self, at: SimTime) -> u64 {
        let passed = self.rated(at.0.saturating_sub(self.anchor.0));
        let slowed = passed - (passed / 2).min(self.ahead);
        self.reading.saturating_add(slowed)
    }

    fn rated(&self, passed: u64) -> u64 {
        let rate = u128::from(self.rate());
        u64::try_from(u128::from(passed) * rate / 1_000_000).unwrap_or(u64::MAX)
    }

    fn rate(&self) -> u64 {
        u64::try_from(1_000_000 + i64::from(self.drift_ppm)).unwrap_or(1).max(1)
    }

    /// The first moment from `from` on at which it shows `target` or more.
    pub fn when(&self, target: Timestamp, from: SimTime) -> SimTime {
        let target = target.0.saturating_mul(1_000);
        if self.micros(from) >= target {
            return from;
        }
        let shown = target.saturating_sub(self.reading);
        let passed = shown.saturating_add(shown.min(self.ahead));
        let scaled = (u128::from(passed) * 1_000_000).div_ceil(u128::from(self.rate()));
        let mut at =
            SimTime(self.anchor.0.saturating_add(u64::try_from(scaled).unwrap_or(u64::MAX)));
        while at.0 < u64::MAX && self.micros(at) < target {
            at.0 += 1;
        }
        at.max(from)
    }

    /// Puts the time of day forward, or back.
    pub fn jump(&mut self, at: SimTime, by_ms: i64) {
        self.settle(at);
        let by = by_ms.unsigned_abs().saturating_mul(1_000);
        if by_ms >= 0 {
            let forward = by.saturating_sub(self.ahead);
            self.ahead = self.ahead.saturating_sub(by);
            self.reading = self.reading.saturating_add(forward);
        } else {
            self.ahead = self.ahead.saturating_add(by);
        }
    }

    /// Makes it gain or lose from now on.
    pub fn set_drift(&mut self, at: SimTime, ppm: i32) {
        self.settle(at);
        self.drift_ppm = ppm.clamp(-500_000, 500_000);
    }

    /// Moves the anchor to `at`.
    fn settle(&mut self, at: SimTime) {
        let passed = self.rated(at.0.saturating_sub(self.anchor.0));
        let caught_up = (passed / 2).min(self.ahead);
        self.reading = self.micros(at);
        self.ahead -= caught_up;
        self.anchor = at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn a_clock_put_back_slows_down_and_one_put_forward_jumps() {
        let mut clock = NodeClock::new(Timestamp(100_000));
        clock.jump(SimTime(SECOND), -4_000);
        assert_eq!(clock.now(SimTime(SECOND)), Timestamp(101_000));
        assert_eq!(clock.now(SimTime(3 * SECOND)), Timestamp(102_000));
        assert_eq!(clock.now(SimTime(9 * SECOND)), Timestamp(105_000));
        assert_eq!(clock.now(SimTime(10 * SECOND)), Timestamp(106_000));
        clock.jump(SimTime(10 * SECOND), 60_000);
        assert_eq!(clock.now(SimTime(10 * SECOND)), Timestamp(166_000));
    }

    #[test]
    fn when_is_the_first_moment_at_which_the_clock_shows_it() {
        for drift in [-200_000, -17, 0, 3, 500, 300_000] {
            let mut clock = NodeClock::new(Timestamp(5_000));
            clock.set_drift(SimTime(700), drift);
            clock.jump(SimTime(30_000), -20);
            for target in [5_030, 5_031, 5_050, 5_100, 9_000] {
                let at = clock.when(Timestamp(target), SimTime(30_001));
                assert!(clock.now(at) >= Timestamp(target), "{drift} {target}");
                let before = SimTime(at.0 - 2);
                assert!(before.0 < 30_001 || clock.now(before) < Timestamp(target));
            }
        }
    }
}
