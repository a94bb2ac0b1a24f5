//! The only reader of the system's clocks.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::types::chain::{Timestamp, millis};

/// A clock that follows the system's time of day and never goes backwards.
///
/// Where the time of day is put back, this clock goes on at half speed until they meet, so that
/// timeouts still come to pass.
#[derive(Debug)]
pub(super) struct Clock(Mutex<Reading>);

#[derive(Clone, Copy, Debug)]
struct Reading {
    at: Instant,
    now: Duration,
}

impl Clock {
    pub(super) fn new() -> Self {
        Clock(Mutex::new(Reading { at: Instant::now(), now: time_of_day() }))
    }

    pub(super) fn now(&self) -> Timestamp {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = last.next(Instant::now(), time_of_day());
        Timestamp(millis(last.now))
    }
}

impl Reading {
    fn next(self, at: Instant, time_of_day: Duration) -> Reading {
        let passed = at.saturating_duration_since(self.at);
        let now = if time_of_day >= self.now + passed {
            time_of_day
        } else {
            time_of_day.max(self.now + passed / 2)
        };
        Reading { at, now }
    }
}

/// Since the Unix epoch; a clock before it counts as at it.
fn time_of_day() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_put_back_slows_down_and_one_put_forward_jumps() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let hour = 3_600 * second;
        let reading = Reading { at: start, now: 10 * hour };
        let back = reading.next(start + second, 9 * hour);
        assert_eq!(back.now, 10 * hour + second / 2);
        let met = back.next(start + 2 * second, 10 * hour + second);
        assert_eq!(met.now, 10 * hour + second);
        let forward = met.next(start + 3 * second, 11 * hour);
        assert_eq!(forward.now, 11 * hour);
    }

    #[test]
    fn it_agrees_with_the_time_of_day() {
        let clock = Clock::new();
        let (now, system) = (clock.now().0, millis(time_of_day()));
        assert!(now.abs_diff(system) < 1_000);
    }
}
