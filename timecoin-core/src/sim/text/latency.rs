//! `20ms`, `20ms..80ms` and `log-normal(40ms, 0.5)`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::TextError;
use crate::sim::Latency;
use crate::types::duration::{duration_text, parse_duration};

impl FromStr for Latency {
    type Err = TextError;

    /// Reads `20ms` (always the same), `20ms..80ms` (anything between the two, all alike) or
    /// `log-normal(40ms, 0.5)`: half of all below 40 ms, the logarithm of the others with a
    /// deviation of 0.5. Each is at most an hour.
    ///
    /// # Errors
    /// [`TextError`].
    fn from_str(text: &str) -> Result<Self, TextError> {
        let refuse = |expected: &str| TextError::new("latency", text, expected);
        let duration = |part: &str| {
            let parsed = parse_duration(part).map_err(|error| refuse(&error.to_string()))?;
            if parsed > LONGEST { Err(refuse("it is at most 1h")) } else { Ok(parsed) }
        };
        let trimmed = text.trim();
        if let Some(arguments) = trimmed.strip_prefix("log-normal") {
            let arguments = arguments.trim().strip_prefix('(').and_then(|a| a.strip_suffix(')'));
            let arguments = arguments.and_then(|arguments| arguments.split_once(','));
            let (median, sigma) =
                arguments.ok_or_else(|| refuse("write log-normal(MEDIAN, SIGMA)"))?;
            let sigma = permille(sigma.trim());
            let sigma_permille = sigma.ok_or_else(|| refuse("SIGMA is from 0 to 5, as in 0.5"))?;
            return Ok(Latency::LogNormal { median: duration(median)?, sigma_permille });
        }
        let Some((low, high)) = trimmed.split_once("..") else {
            return duration(trimmed).map(Latency::Constant);
        };
        let (low, high) = (duration(low)?, duration(high)?);
        if low > high {
            return Err(refuse("write the lower delay first"));
        }
        Ok(Latency::Uniform(low, high))
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Latency::Constant(delay) => f.write_str(&duration_text(delay)),
            Latency::Uniform(low, high) => {
                write!(f, "{}..{}", duration_text(low), duration_text(high))
            }
            Latency::LogNormal { median, sigma_permille } => {
                let (whole, rest) = (sigma_permille / 1_000, sigma_permille % 1_000);
                write!(f, "log-normal({}, {whole}.{rest:03})", duration_text(median))
            }
        }
    }
}

/// A number from 0 to 5 with up to three decimals, in thousandths.
fn permille(text: &str) -> Option<u32> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !is_number(decimals) || decimals.len() > 3 {
        return None;
    }
    let thousandths: u32 = format!("{decimals:0<3}").parse().ok()?;
    let sum = whole.parse::<u32>().ok()?.checked_mul(1_000)?.checked_add(thousandths)?;
    (sum <= SIGMA_PERMILLE_MAX).then_some(sum)
}

/// A message that is under way for longer is as good as lost.
const LONGEST: Duration = Duration::from_secs(3_600);

/// e^5 is 148: wider distributions have no middle to speak of.
const SIGMA_PERMILLE_MAX: u32 = 5_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_inverts_writing() {
        for text in ["20ms", "0s", "20ms..80ms", "500us..1h", "log-normal(40ms, 0.500)"] {
            let latency: Latency = text.parse().unwrap();
            assert_eq!(latency.to_string(), text);
        }
        let sigma_permille = 1_250;
        let median = Duration::from_millis(40);
        let latency = Latency::LogNormal { median, sigma_permille };
        assert_eq!("log-normal( 40ms , 1.25 )".parse(), Ok(latency));
    }

    #[test]
    fn what_is_no_latency_is_named() {
        for text in [
            "",
            "20",
            "80ms..20ms",
            "20ms..",
            "2h",
            "20ms..2h",
            "log-normal",
            "log-normal(40ms)",
            "log-normal(40ms, -1)",
            "log-normal(40ms, 5.001)",
            "log-normal(40ms, 0.0005)",
        ] {
            let error = text.parse::<Latency>().unwrap_err();
            assert!(error.to_string().starts_with(&format!("`{text}` is no latency: ")), "{error}");
        }
    }
}
