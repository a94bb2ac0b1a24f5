//! Sums of money, in base units; every arithmetic operation is checked.

use std::fmt;
use std::iter::Sum;
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Base units in one TIME (PROTOCOL 2).
pub const UNITS_PER_TIME: u64 = 100_000_000;
const DECIMALS: usize = 8;

/// A number of base units; 1 TIME is 100,000,000 of them.
///
/// JSON and configuration carry the number of units. The text form is decimal TIME:
///
/// ```
/// use timecoin_core::Amount;
/// let amount: Amount = "1.5 TIME".parse().unwrap();
/// assert_eq!(amount.units(), 150_000_000);
/// assert_eq!(amount.to_string(), "1.5 TIME");
/// ```
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(transparent)]
pub struct Amount(u64);

impl Amount {
    /// No money.
    pub const ZERO: Amount = Amount(0);

    /// An amount of `units` base units.
    pub const fn from_units(units: u64) -> Self {
        Amount(units)
    }

    /// An amount of `time` whole TIME.
    ///
    /// # Panics
    /// Above 184,467,440,737 TIME, which does not fit; meant for constants.
    pub const fn from_time(time: u64) -> Self {
        match time.checked_mul(UNITS_PER_TIME) {
            Some(units) => Amount(units),
            None => panic!("amount does not fit in 64 bits"),
        }
    }

    /// The number of base units.
    pub const fn units(self) -> u64 {
        self.0
    }

    /// The sum, or nothing where it does not fit.
    pub const fn checked_add(self, other: Amount) -> Option<Amount> {
        match self.0.checked_add(other.0) {
            Some(units) => Some(Amount(units)),
            None => None,
        }
    }

    /// The difference, or nothing where it would be negative.
    pub const fn checked_sub(self, other: Amount) -> Option<Amount> {
        match self.0.checked_sub(other.0) {
            Some(units) => Some(Amount(units)),
            None => None,
        }
    }

    /// The sum of many, or nothing where it does not fit.
    pub fn checked_sum(amounts: impl IntoIterator<Item = Amount>) -> Option<Amount> {
        amounts.into_iter().try_fold(Amount::ZERO, Amount::checked_add)
    }

    /// The lower of the sum and the largest amount; for displays, never for rules.
    pub const fn saturating_add(self, other: Amount) -> Amount {
        Amount(self.0.saturating_add(other.0))
    }

    /// The difference, or zero.
    pub const fn saturating_sub(self, other: Amount) -> Amount {
        Amount(self.0.saturating_sub(other.0))
    }
}

/// Saturates: for totals shown to people. Rules use [`Amount::checked_sum`].
impl Sum for Amount {
    fn sum<I: Iterator<Item = Amount>>(iter: I) -> Amount {
        iter.fold(Amount::ZERO, Amount::saturating_add)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / UNITS_PER_TIME, self.0 % UNITS_PER_TIME);
        if rest == 0 {
            return write!(f, "{whole} TIME");
        }
        let digits = format!("{rest:08}");
        write!(f, "{whole}.{} TIME", digits.trim_end_matches('0'))
    }
}

/// Why a text is not an amount.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ParseAmountError {
    /// Neither `1.5`, `1.5 TIME` nor `150000000 units`.
    #[error("`{0}` is no amount: write `1.5 TIME` or `150000000 units`")]
    Malformed(String),
    /// More than eight digits after the point.
    #[error("`{0}` is finer than one base unit: at most 8 decimals")]
    TooPrecise(String),
    /// More than 2^64 - 1 units.
    #[error("`{0}` does not fit: an amount is at most 18446744073709551615 units")]
    TooLarge(String),
}

impl FromStr for Amount {
    type Err = ParseAmountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let trimmed = text.trim();
        if let Some(units) = trimmed.strip_suffix("units") {
            return whole_number(units.trim_end(), text).map(Amount);
        }
        let number = trimmed.strip_suffix("TIME").unwrap_or(trimmed).trim_end();
        let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
        if decimals.len() > DECIMALS {
            return Err(ParseAmountError::TooPrecise(text.to_owned()));
        }
        let whole = whole_number(whole, text)?;
        let rest = whole_number(&format!("{decimals:0<DECIMALS$}"), text)?;
        if decimals.is_empty() {
            return Err(ParseAmountError::Malformed(text.to_owned()));
        }
        whole
            .checked_mul(UNITS_PER_TIME)
            .and_then(|units| units.checked_add(rest))
            .map(Amount)
            .ok_or_else(|| ParseAmountError::TooLarge(text.to_owned()))
    }
}

fn whole_number(digits: &str, text: &str) -> Result<u64, ParseAmountError> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(ParseAmountError::Malformed(text.to_owned()));
    }
    digits.parse().map_err(|_| ParseAmountError::TooLarge(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_form_round_trips(units: u64) {
            let amount = Amount::from_units(units);
            prop_assert_eq!(amount.to_string().parse::<Amount>(), Ok(amount));
            prop_assert_eq!(format!("{units} units").parse::<Amount>(), Ok(amount));
        }

        #[test]
        fn any_text_gives_an_answer(text in ".{0,40}") {
            let _ = text.parse::<Amount>();
        }
    }

    #[test]
    fn malformed_amounts_are_refused_by_name() {
        for text in ["", "TIME", "1.", ".5", "-1", "+1", "1e3", "1,5", "0x10", "1 2", "1..2"] {
            assert_eq!(text.parse::<Amount>(), Err(ParseAmountError::Malformed(text.into())));
        }
        let fine = "0.123456789";
        assert_eq!(fine.parse::<Amount>(), Err(ParseAmountError::TooPrecise(fine.into())));
        let large = "184467440738 TIME";
        assert_eq!(large.parse::<Amount>(), Err(ParseAmountError::TooLarge(large.into())));
    }
}
