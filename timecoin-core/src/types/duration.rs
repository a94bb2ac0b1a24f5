//! Durations as people write them.

use std::time::Duration;

use thiserror::Error;

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ParseDurationError {
    /// Neither `20ms` nor anything like it.
    #[error("`{0}` is no duration: write a number and a unit, as in 20ms, 1.5s, 2min or 1h")]
    Malformed(String),
    /// More than 100 years.
    #[error("`{0}` is too long: a duration is at most 876000h")]
    TooLong(String),
}

/// Reads a duration: a number from 0 on, with up to 9 decimals, and one of the units `ns`, `us`,
/// `ms`, `s`, `min`, `h` and `d`. What is finer than a nanosecond is cut off.
///
/// ```
/// use std::time::Duration;
/// use timecoin_core::types::duration::parse_duration;
/// assert_eq!(parse_duration("20ms"), Ok(Duration::from_millis(20)));
/// assert_eq!(parse_duration("1.5 s"), Ok(Duration::from_millis(1_500)));
/// assert_eq!(parse_duration("2min"), Ok(Duration::from_secs(120)));
/// assert!(parse_duration("20").is_err());
/// ```
///
/// # Errors
/// [`ParseDurationError`].
pub fn parse_duration(text: &str) -> Result<Duration, ParseDurationError> {
    let shown = || text.chars().take(40).collect::<String>();
    let malformed = || ParseDurationError::Malformed(shown());
    let trimmed = text.trim();
    let end = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = trimmed.split_at(end.ok_or_else(malformed)?);
    let nanos_of_unit = UNITS.iter().find(|(name, _)| *name == unit.trim_start());
    let &(_, nanos_of_unit) = nanos_of_unit.ok_or_else(malformed)?;
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !is_number(decimals) || decimals.len() > DECIMALS_MAX {
        return Err(malformed());
    }
    let too_long = || ParseDurationError::TooLong(shown());
    let whole: u64 = whole.parse().map_err(|_| too_long())?;
    let scale = 10u128.pow(u32::try_from(decimals.len()).map_err(|_| malformed())?);
    let fraction: u128 = decimals.parse().map_err(|_| malformed())?;
    let nanos = u128::from(whole) * nanos_of_unit + fraction * nanos_of_unit / scale;
    let nanos = u64::try_from(nanos).map_err(|_| too_long())?;
    check_duration(Duration::from_nanos(nanos)).map_err(|_| too_long())
}

/// Refuses what no text could say: a number is bounded as a text is.
///
/// ```
/// use std::time::Duration;
/// use timecoin_core::types::duration::check_duration;
/// assert!(check_duration(Duration::from_secs(876_000 * 3_600)).is_ok());
/// assert!(check_duration(Duration::from_secs(876_001 * 3_600)).is_err());
/// ```
///
/// # Errors
/// [`ParseDurationError::TooLong`].
pub fn check_duration(duration: Duration) -> Result<Duration, ParseDurationError> {
    if duration > LONGEST {
        return Err(ParseDurationError::TooLong(duration_text(duration)));
    }
    Ok(duration)
}

/// Writes a duration in the largest unit that it is a whole number of.
///
/// ```
/// use std::time::Duration;
/// use timecoin_core::types::duration::duration_text;
/// assert_eq!(duration_text(Duration::from_millis(1_500)), "1500ms");
/// assert_eq!(duration_text(Duration::from_secs(7_200)), "2h");
/// ```
pub fn duration_text(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let fits = |unit: &&(&str, u128)| nanos.is_multiple_of(unit.1) && nanos > 0;
    match UNITS.iter().rev().find(fits) {
        Some((name, nanos_of_unit)) => format!("{}{name}", nanos / nanos_of_unit),
        None => "0s".to_owned(),
    }
}

/// Units and their nanoseconds, ascending.
const UNITS: [(&str, u128); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("min", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

const DECIMALS_MAX: usize = 9;

/// 100 years of 365 days: below what 64 bits of nanoseconds hold.
const LONGEST: Duration = Duration::from_secs(876_000 * 3_600);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_and_what_they_mean() {
        for (text, nanos) in [
            ("0s", 0),
            ("1ns", 1),
            ("1.5us", 1_500),
            ("20ms", 20_000_000),
            (" 20 ms ", 20_000_000),
            ("0.000000001s", 1),
            ("0.5min", 30_000_000_000),
            ("1h", 3_600_000_000_000),
            ("1d", 86_400_000_000_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
        for text in ["", "20", "ms", "-1s", "1.s", ".5s", "1,5s", "1 m", "1e3s", "1.5.5s", "1s2"] {
            let error = ParseDurationError::Malformed(text.to_owned());
            assert_eq!(parse_duration(text), Err(error));
        }
        for text in ["36501d", "876001h", "99999999999999999999s", "18446744073709551615d"] {
            let error = ParseDurationError::TooLong(text.to_owned());
            assert_eq!(parse_duration(text), Err(error));
        }
        assert!(parse_duration("876000h").is_ok());
    }

    proptest! {
        #[test]
        fn reading_inverts_writing(nanos in 0..LONGEST.as_nanos()) {
            let duration = Duration::from_nanos(u64::try_from(nanos).unwrap());
            prop_assert_eq!(parse_duration(&duration_text(duration)), Ok(duration));
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = parse_duration(&text);
        }
    }
}
