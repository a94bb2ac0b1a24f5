//! How long a message is under way: distributions in whole numbers, the same everywhere.

use std::time::Duration;

use super::random::{Random, micros};

/// A distribution of delays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Latency {
    /// Always the same.
    Constant(Duration),
    /// Anything between two delays, all alike.
    Uniform(Duration, Duration),
    /// Log-normal: half of all delays are below `median`, and the logarithm of the others has
    /// deviation `sigma_permille / 1000`.
    LogNormal {
        /// The middle.
        median: Duration,
        /// How wide, in thousandths.
        sigma_permille: u32,
    },
}

impl Latency {
    /// Draws a delay.
    pub fn draw(&self, random: &mut Random) -> Duration {
        match *self {
            Latency::Constant(delay) => delay,
            Latency::Uniform(low, high) => random.duration(low, high),
            Latency::LogNormal { median, sigma_permille } => {
                let exponent = random.normal() * i64::from(sigma_permille) / 1_000;
                // e^x = 2^(x / ln 2), and 1 / ln 2 = 94548 / 65536.
                let power = exp2(exponent * 94_548 / 65_536);
                let delay = (u128::from(micros(median)) * u128::from(power)) >> 32;
                Duration::from_micros(u64::try_from(delay).unwrap_or(u64::MAX))
            }
        }
    }

    /// The longest delay that is at all likely; how long to wait for an answer.
    pub fn typical_max(&self) -> Duration {
        match *self {
            Latency::Constant(delay) | Latency::Uniform(_, delay) => delay,
            Latency::LogNormal { median, .. } => median.saturating_mul(8),
        }
    }
}

/// 2^x for x in units of 2^-16, in units of 2^-32; within the range of 64 bits.
fn exp2(x: i64) -> u64 {
    let whole = (x >> 16).clamp(-32, 30);
    let fraction = u64::try_from(x & 0xffff).unwrap_or(0);
    let mut power: u128 = 1 << 32;
    for (bit, root) in (0..16u32).rev().zip(ROOTS_OF_TWO) {
        if fraction >> bit & 1 == 1 {
            power = (power * u128::from(root)) >> 32;
        }
    }
    let shifted = if whole >= 0 { power << whole } else { power >> -whole };
    u64::try_from(shifted).unwrap_or(u64::MAX)
}

/// 2^(1/2), 2^(1/4), … 2^(1/65536), in units of 2^-32.
const ROOTS_OF_TWO: [u64; 16] = [
    6_074_001_000,
    5_107_605_667,
    4_683_695_048,
    4_485_121_744,
    4_389_014_833,
    4_341_736_423,
    4_318_288_544,
    4_306_612_134,
    4_300_785_774,
    4_297_875_550,
    4_296_421_177,
    4_295_694_175,
    4_295_330_720,
    4_295_149_004,
    4_295_058_149,
    4_295_012_722,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_two() {
        for x in -20..20 {
            let exact = (f64::from(x) / 4.0).exp2() * 4_294_967_296.0;
            let found = exp2(i64::from(x) * 16_384) as f64;
            assert!((found / exact - 1.0).abs() < 0.001, "2^({x}/4): {found} is not {exact}");
        }
    }

    #[test]
    fn half_of_all_log_normal_delays_are_below_the_median() {
        let median = Duration::from_millis(50);
        let latency = Latency::LogNormal { median, sigma_permille: 500 };
        let mut random = Random::new(3, "latency");
        let drawn: Vec<Duration> = (0..4_000).map(|_| latency.draw(&mut random)).collect();
        let n_below = drawn.iter().filter(|delay| **delay < median).count();
        assert!((1_900..2_100).contains(&n_below), "{n_below}");
        assert!(drawn.iter().any(|delay| *delay > 2 * median));
    }
}
