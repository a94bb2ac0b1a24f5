//! The one source of chance: a seed, split by subject, so that a change in what one subject
//! draws moves nothing else.
//!
//! SplitMix64 (Steele, Lea, Flood 2014): 64 bits of state, the same numbers on every platform,
//! and a copy costs nothing. It drives a simulation; it protects nothing.

use std::time::Duration;

/// A stream of numbers of one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The stream of `subject` under `seed`.
    pub fn new(seed: u64, subject: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_le_bytes()).update(subject.as_bytes());
        let digest = *hasher.finalize().as_bytes();
        let mut state = [0; 8];
        state.copy_from_slice(&digest[..8]);
        Random { state: u64::from_le_bytes(state) }
    }

    /// A stream of its own for a part of this subject.
    pub fn split(&mut self, part: &str) -> Random {
        Random::new(self.next_u64(), part)
    }

    /// 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 where there is none.
    pub fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// A position below `len`; 0 where there is none.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included.
    pub fn range(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// Something that happens so many times in a million.
    pub fn happens(&mut self, per_million: u32) -> bool {
        per_million > 0 && self.below(1_000_000) < u64::from(per_million)
    }

    /// A time from `low` to `high`, to the microsecond.
    pub fn duration(&mut self, low: Duration, high: Duration) -> Duration {
        Duration::from_micros(self.range(micros(low), micros(high)))
    }

    /// One of `items`.
    pub fn choose<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.index(items.len()))
    }

    /// Puts `items` into an order of its own.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }

    /// About normal with mean 0 and deviation 1, in units of 2^-16: the sum of twelve uniform
    /// numbers less six, which needs no floating point.
    pub fn normal(&mut self) -> i64 {
        let sum: u64 = (0..12).map(|_| self.next_u64() >> 48).sum();
        i64::try_from(sum).unwrap_or(0) - 6 * 65_536
    }
}

/// Whole microseconds, at most what 64 bits hold.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_a_seed_never_change() {
        let mut random = Random::new(7, "network");
        let first: Vec<u64> = (0..3).map(|_| random.below(1_000_000)).collect();
        let mut again = Random::new(7, "network");
        assert_eq!(first, (0..3).map(|_| again.below(1_000_000)).collect::<Vec<_>>());
        let mut other = Random::new(7, "disk");
        assert_ne!(first, (0..3).map(|_| other.below(1_000_000)).collect::<Vec<_>>());
    }

    #[test]
    fn normal_numbers_have_mean_zero_and_deviation_one() {
        let mut random = Random::new(1, "normal");
        let drawn: Vec<i64> = (0..10_000).map(|_| random.normal()).collect();
        let mean = drawn.iter().sum::<i64>() / 10_000;
        let variance = drawn.iter().map(|x| x * x / 65_536).sum::<i64>() / 10_000;
        assert!(mean.abs() < 2_000, "{mean}");
        assert!((60_000..71_000).contains(&variance), "{variance}");
    }

    #[test]
    fn ranges_include_both_ends() {
        let mut random = Random::new(1, "range");
        let drawn: std::collections::BTreeSet<u64> = (0..100).map(|_| random.range(3, 5)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!(random.below(0), 0);
    }
}
