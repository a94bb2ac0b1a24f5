//! What a transaction pays for the room it takes.

use std::cmp::Ordering;
use std::fmt;

use crate::types::amount::Amount;

/// A fee for a number of bytes, compared exactly: 3 units for 200 bytes equal 6 for 400.
#[derive(Clone, Copy, Debug)]
pub struct FeeRate {
    fee: Amount,
    bytes: u32,
}

impl FeeRate {
    /// The rate of `fee` for `bytes`. No transaction has none, so none counts as one; more than
    /// 32 bits hold count as the most they hold.
    pub fn new(fee: Amount, bytes: usize) -> Self {
        FeeRate { fee, bytes: u32::try_from(bytes).unwrap_or(u32::MAX).max(1) }
    }

    /// Base units for 1,000 bytes, rounded down: for people and fee estimates. The order is
    /// finer than this.
    pub fn units_per_kb(self) -> u64 {
        let units = u128::from(self.fee.units()) * 1_000 / u128::from(self.bytes);
        u64::try_from(units).unwrap_or(u64::MAX)
    }
}

impl Ord for FeeRate {
    /// Multiplies crosswise; 64 by 32 bits fit 128 with room to spare.
    fn cmp(&self, other: &Self) -> Ordering {
        let ours = u128::from(self.fee.units()) * u128::from(other.bytes);
        let theirs = u128::from(other.fee.units()) * u128::from(self.bytes);
        ours.cmp(&theirs)
    }
}

impl PartialOrd for FeeRate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for FeeRate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for FeeRate {}

impl fmt::Display for FeeRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} units/kB", self.units_per_kb())
    }
}
