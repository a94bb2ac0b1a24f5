//! Settings by name and text, as C, Python and a command line give them, and their ranges.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use super::text::TextError;
use super::{Fault, Link, Plan, SimulationConfig, SimulationError};
use crate::types::duration::parse_duration;

/// A setting with a text form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name, that of the field.
    pub name: &'static str,
    /// What its text is read as.
    pub kind: SettingKind,
    /// What it may be, in words.
    pub range: &'static str,
    least: u64,
    most: u64,
}

/// What the text of a setting is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingKind {
    /// A whole number.
    Count,
    /// A duration, as in `1.5s`.
    Duration,
    /// A latency, as in `20ms..80ms`.
    Latency,
    /// `true` or `false`.
    Truth,
    /// Something of its own, which the range says.
    Text,
}

/// Why a setting is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SettingError {
    /// There is none of that name.
    #[error("there is no setting `{name}`: there are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// It is out of its range.
    #[error("setting {name} is `{value}`: {range}")]
    Range {
        /// Which.
        name: &'static str,
        /// What it is, cut short.
        value: String,
        /// What it may be.
        range: String,
    },
}

impl Setting {
    pub(crate) const fn new(name: &'static str, kind: SettingKind, range: &'static str) -> Self {
        Setting { name, kind, range, least: 0, most: u64::MAX }
    }

    pub(crate) const fn count(
        name: &'static str,
        range: &'static str,
        least: u64,
        most: u64,
    ) -> Self {
        Setting { name, kind: SettingKind::Count, range, least, most }
    }

    /// Bounds in milliseconds.
    pub(crate) const fn duration(
        name: &'static str,
        range: &'static str,
        least: u64,
        most: u64,
    ) -> Self {
        Setting { name, kind: SettingKind::Duration, range, least, most }
    }

    pub(crate) fn refuse(&self, value: &str, range: impl Into<String>) -> SettingError {
        let value = value.chars().take(100).collect();
        SettingError::Range { name: self.name, value, range: range.into() }
    }

    pub(crate) fn read_count<T: TryFrom<u64>>(&self, text: &str) -> Result<T, SettingError> {
        let number: Option<u64> = text.trim().parse().ok();
        let number = number.filter(|number| (self.least..=self.most).contains(number));
        let number = number.and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| self.refuse(text, self.range))
    }

    pub(crate) fn read_duration(&self, text: &str) -> Result<Duration, SettingError> {
        let duration = parse_duration(text).map_err(|e| self.refuse(text, e.to_string()))?;
        if self.holds(duration) { Ok(duration) } else { Err(self.refuse(text, self.range)) }
    }

    fn holds(&self, duration: Duration) -> bool {
        let bounds = Duration::from_millis(self.least)..=Duration::from_millis(self.most);
        bounds.contains(&duration)
    }

    pub(crate) fn read_truth(&self, text: &str) -> Result<bool, SettingError> {
        text.trim().parse().map_err(|_| self.refuse(text, self.range))
    }

    pub(crate) fn read_text<T: FromStr<Err = TextError>>(
        &self,
        text: &str,
    ) -> Result<T, SettingError> {
        text.parse().map_err(|error: TextError| self.refuse(text, error.to_string()))
    }
}

pub(crate) fn find(
    settings: &'static [Setting],
    name: &str,
) -> Result<&'static Setting, SettingError> {
    settings.iter().find(|setting| setting.name == name).ok_or_else(|| {
        let known: Vec<_> = settings.iter().map(|setting| setting.name).collect();
        let name = name.chars().take(100).collect();
        SettingError::Unknown { name, known: known.join(", ") }
    })
}

impl Link {
    /// The settings of a link.
    pub const SETTINGS: &'static [Setting] = &[
        Setting::new("latency", SettingKind::Latency, LATENCY),
        Setting::count("loss_ppm", MILLION, 0, 1_000_000),
        Setting::count("duplicate_ppm", MILLION, 0, 1_000_000),
        Setting::count("reorder_ppm", MILLION, 0, 1_000_000),
        Setting::new("bandwidth", SettingKind::Text, "1 to 10^12 bytes a second, or empty"),
    ];

    /// Sets one of [`Link::SETTINGS`] from its text.
    ///
    /// # Errors
    /// [`SettingError`].
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), SettingError> {
        let setting = find(Self::SETTINGS, name)?;
        match setting.name {
            "latency" => self.latency = setting.read_text(text)?,
            "loss_ppm" => self.loss_ppm = setting.read_count(text)?,
            "duplicate_ppm" => self.duplicate_ppm = setting.read_count(text)?,
            "reorder_ppm" => self.reorder_ppm = setting.read_count(text)?,
            _ => {
                let bounds = 1..=1_000_000_000_000;
                let number: Option<u64> = text.trim().parse().ok();
                self.bandwidth = match number.filter(|number| bounds.contains(number)) {
                    None if text.is_empty() => None,
                    None => return Err(setting.refuse(text, setting.range)),
                    some => some,
                };
            }
        }
        Ok(())
    }
}

impl fmt::Display for Link {
    /// Its settings, as `name=text` with spaces between them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Link { latency, loss_ppm, duplicate_ppm, reorder_ppm, bandwidth } = self;
        let latency = latency.to_string().replace(' ', "");
        write!(f, "latency={latency} loss_ppm={loss_ppm} duplicate_ppm={duplicate_ppm}")?;
        write!(f, " reorder_ppm={reorder_ppm}")?;
        bandwidth.map_or(Ok(()), |bandwidth| write!(f, " bandwidth={bandwidth}"))
    }
}

impl SimulationConfig {
    /// The settings beside the number of masternodes and the seed; those of links come first.
    pub const SETTINGS: &'static [Setting] = &[
        Link::SETTINGS[0],
        Link::SETTINGS[1],
        Link::SETTINGS[2],
        Link::SETTINGS[3],
        Link::SETTINGS[4],
        Setting::count("observers", "0 to 100", 0, 100),
        Setting::new("late", SettingKind::Text, "numbers of nodes with commas between, or empty"),
        Setting::duration("flush_latency", "0s to 1min", 0, 60_000),
        Setting::duration("round_timeout", "1ms to 1h", 1, HOUR_MS),
        Setting::count("wallets", "1 to 1000", 1, 1_000),
        Setting::count("coins_per_wallet", "1 to 1000", 1, 1_000),
        Setting::count("epoch_blocks", "1 to 1000000", 1, 1_000_000),
        Setting::duration("block_interval", "1ms to 1h", 1, HOUR_MS),
        Setting::count("payments_per_kilosecond", "0 to 1000000", 0, 1_000_000),
        Setting::count("conflicting_permille", "0 to 1000", 0, 1_000),
        Setting::count("malformed_permille", "0 to 1000", 0, 1_000),
        Setting::count("dust_permille", "0 to 1000", 0, 1_000),
        Setting::count("chained_permille", "0 to 1000", 0, 1_000),
        Setting::new("faults", SettingKind::Text, "as in 10s crash 2; 20s restart 2"),
        Setting::new("verify_everywhere", SettingKind::Truth, "true or false"),
        Setting::count("journal_lines", "0 to 1000000", 0, 1_000_000),
        Setting::count("events_max", "0 to 1000000", 0, 1_000_000),
        Setting::new("replay", SettingKind::Text, "a command, or empty for that of this process"),
    ];

    /// Sets one of [`SimulationConfig::SETTINGS`] from its text.
    ///
    /// ```
    /// use timecoin_core::sim::SimulationConfig;
    /// let mut config = SimulationConfig::new(4, 7);
    /// config.set("latency", "20ms..80ms").unwrap();
    /// config.set("faults", "10s crash 2; 20s restart 2").unwrap();
    /// assert!(config.set("wallets", "0").is_err());
    /// ```
    ///
    /// # Errors
    /// [`SettingError`].
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), SettingError> {
        let setting = find(Self::SETTINGS, name)?;
        let workload = &mut self.workload;
        match setting.name {
            "observers" => self.observers = setting.read_count(text)?,
            "late" => {
                let numbers = text.split(',').map(str::trim).filter(|number| !number.is_empty());
                let numbers: Result<_, _> = numbers.map(str::parse).collect();
                self.late = numbers.map_err(|_| setting.refuse(text, setting.range))?;
            }
            "flush_latency" => self.flush_latency = setting.read_duration(text)?,
            "round_timeout" => self.round_timeout = setting.read_duration(text)?,
            "wallets" => self.wallets = setting.read_count(text)?,
            "coins_per_wallet" => self.coins_per_wallet = setting.read_count(text)?,
            "epoch_blocks" => self.epoch_blocks = setting.read_count(text)?,
            "block_interval" => self.block_interval = setting.read_duration(text)?,
            "payments_per_kilosecond" => workload.per_kilosecond = setting.read_count(text)?,
            "conflicting_permille" => workload.conflicting_permille = setting.read_count(text)?,
            "malformed_permille" => workload.malformed_permille = setting.read_count(text)?,
            "dust_permille" => workload.dust_permille = setting.read_count(text)?,
            "chained_permille" => workload.chained_permille = setting.read_count(text)?,
            "faults" => self.plan = setting.read_text::<Plan>(text)?,
            "verify_everywhere" => self.verify_everywhere = setting.read_truth(text)?,
            "journal_lines" => self.journal_lines = setting.read_count(text)?,
            "events_max" => self.events_max = setting.read_count(text)?,
            "replay" => self.replay = (!text.is_empty()).then(|| text.to_owned()),
            _ => self.link.set(name, text)?,
        }
        Ok(())
    }

    /// Checks the numbers that nothing else does: how many nodes there are, and which nodes
    /// faults name.
    ///
    /// # Errors
    /// [`SimulationError::Setting`].
    pub fn check(&self) -> Result<(), SimulationError> {
        let Some(n_nodes) = self.masternodes.checked_add(self.observers) else {
            return Err(out_of("observers", self.observers, "0 to 100"));
        };
        if !(1..=MASTERNODES_MAX).contains(&self.masternodes) {
            return Err(out_of("masternodes", self.masternodes, "1 to 200"));
        }
        let counts = [
            ("observers", self.observers),
            ("wallets", self.wallets),
            ("coins_per_wallet", self.coins_per_wallet),
        ];
        for (name, count) in counts {
            let setting = find(Self::SETTINGS, name)?;
            if !(setting.least..=setting.most).contains(&(count as u64)) {
                return Err(out_of(name, count, setting.range));
            }
        }
        let named = self.plan.faults.iter().flat_map(|(_, fault)| fault.nodes());
        match named.chain(self.late.iter().copied()).find(|node| *node >= n_nodes) {
            Some(node) => Err(SimulationError::NoNode { node, n_nodes }),
            None => Ok(()),
        }
    }
}

impl Fault {
    /// Checks that the nodes that it names are among `n_nodes`.
    ///
    /// # Errors
    /// [`SimulationError::NoNode`].
    pub fn check(&self, n_nodes: usize) -> Result<(), SimulationError> {
        match self.nodes().into_iter().find(|node| *node >= n_nodes) {
            Some(node) => Err(SimulationError::NoNode { node, n_nodes }),
            None => Ok(()),
        }
    }
}

fn out_of(name: &'static str, value: usize, range: &str) -> SimulationError {
    SettingError::Range { name, value: value.to_string(), range: range.to_owned() }.into()
}

/// PROTOCOL 3.
const MASTERNODES_MAX: usize = 200;

pub(crate) const HOUR_MS: u64 = 3_600_000;
const LATENCY: &str = "as in 20ms, 20ms..80ms or log-normal(40ms, 0.5)";
const MILLION: &str = "0 to 1000000";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_is_set_by_its_name_and_refuses_what_is_out_of_its_range() {
        let before = format!("{:?}", SimulationConfig::new(4, 7));
        for setting in SimulationConfig::SETTINGS {
            let (good, bad) = match setting.kind {
                SettingKind::Count => ("3", "-1"),
                SettingKind::Duration => ("1500ms", "2h"),
                SettingKind::Latency => ("30ms", "30"),
                SettingKind::Truth => ("true", "yes"),
                SettingKind::Text => match setting.name {
                    "late" => ("1,2", "one"),
                    "bandwidth" => ("1000", "0"),
                    "faults" => ("1s crash 2", "crash 2"),
                    _ => ("a command", ""),
                },
            };
            let mut config = SimulationConfig::new(4, 7);
            config.set(setting.name, good).unwrap();
            assert_ne!(format!("{config:?}"), before, "{}", setting.name);
            if setting.name != "replay" {
                let error = config.set(setting.name, bad).unwrap_err().to_string();
                assert!(error.contains(setting.name), "{error}");
            }
        }
        let error = SimulationConfig::new(4, 7).set("colour", "blue").unwrap_err().to_string();
        assert!(error.contains("there are latency, loss_ppm, "), "{error}");
    }

    #[test]
    fn counts_and_names_of_nodes_are_checked() {
        let refused = |change: fn(&mut SimulationConfig)| {
            let mut config = SimulationConfig::new(4, 7);
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        assert!(refused(|config| config.masternodes = 0).contains("masternodes is `0`: 1 to 200"));
        assert!(refused(|config| config.masternodes = 201).contains("1 to 200"));
        assert!(refused(|config| config.observers = usize::MAX).contains("observers"));
        assert!(refused(|config| config.wallets = 1_001).contains("1 to 1000"));
        assert!(refused(|config| config.late = vec![4]).contains("no node 4: there are 0 to 3"));
        let plan: fn(&mut SimulationConfig) =
            |config| config.set("faults", "1s heal; 2s block 1 5").unwrap();
        assert!(refused(plan).contains("no node 5"));
        assert_eq!(SimulationConfig::new(200, 7).check(), Ok(()));
    }

    #[test]
    fn links_are_written_as_they_are_read() {
        let link = Link { bandwidth: Some(5), loss_ppm: 7, ..Link::default() };
        let mut read = Link::constant(Duration::ZERO);
        for setting in link.to_string().split(' ') {
            let (name, text) = setting.split_once('=').unwrap();
            read.set(name, text).unwrap();
        }
        assert_eq!(read, link);
    }
}
