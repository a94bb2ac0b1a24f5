//! `crash 2`, `partition 0,1 2,3` and the like; a plan has one at a time on each line.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::TextError;
use crate::sim::strategy::STRATEGIES;
use crate::sim::{CrashPoint, Fault, Link, Plan};
use crate::types::duration::{duration_text, parse_duration};

impl Fault {
    /// How each fault is written. Numbers are those of nodes unless said otherwise; several
    /// words in capitals stand for one value each.
    pub const FORMS: &'static [&'static str] = &[
        "crash NODE",
        "crash-at-flush NODE NTH before|during|after",
        "restart NODE",
        "pause NODE",
        "resume NODE",
        "partition NODE,NODE,... NODE,NODE,... ...",
        "block FROM TO",
        "heal",
        "link SETTING=VALUE ...",
        "slow NODE DURATION",
        "clock-jump NODE DURATION|-DURATION",
        "clock-drift NODE PPM",
        "disk-full NODE",
        "disk-room NODE",
        "slow-flush NODE DURATION",
        "flip-bits NODE",
        "wipe-disk NODE",
        "forget NODE",
        "byzantine NODE STRATEGY",
        "produce-block",
        "register NODE",
        "deregister NODE",
    ];

    /// The nodes that it names.
    pub fn nodes(&self) -> Vec<usize> {
        match self {
            Fault::Crash(node)
            | Fault::CrashAtFlush { node, .. }
            | Fault::Restart(node)
            | Fault::Pause(node)
            | Fault::Resume(node)
            | Fault::Slow(node, _)
            | Fault::ClockJump(node, _)
            | Fault::ClockDrift(node, _)
            | Fault::DiskFull(node)
            | Fault::DiskRoom(node)
            | Fault::SlowFlush(node, _)
            | Fault::FlipBits(node)
            | Fault::WipeDisk(node)
            | Fault::Forget(node)
            | Fault::Register(node)
            | Fault::Deregister(node)
            | Fault::Byzantine(node, _) => vec![*node],
            Fault::Block(from, to) => vec![*from, *to],
            Fault::Partition(groups) => groups.concat(),
            Fault::Heal | Fault::Network(_) | Fault::ProduceBlock => Vec::new(),
        }
    }
}

impl FromStr for Fault {
    type Err = TextError;

    /// Reads one of [`Fault::FORMS`].
    ///
    /// # Errors
    /// [`TextError`] says which form is right.
    fn from_str(text: &str) -> Result<Self, TextError> {
        let mut words = text.split_whitespace();
        let name = words.next().unwrap_or_default();
        let arguments: Vec<&str> = words.collect();
        let form = Fault::FORMS.iter().find(|form| form.split(' ').next() == Some(name));
        let Some(form) = form else {
            let names: Vec<_> = Fault::FORMS.iter().filter_map(|f| f.split(' ').next()).collect();
            let expected = format!("it begins with one of {}", names.join(", "));
            return Err(TextError::new("fault", text, expected));
        };
        read(name, &arguments).map_err(|reason| match reason {
            Reason::Form => TextError::new("fault", text, format!("write {form}")),
            Reason::Value(reason) => TextError::new("fault", text, reason),
        })
    }
}

/// Why the arguments of a fault are wrong.
enum Reason {
    /// They are not what its form says.
    Form,
    /// One of them is not in its range.
    Value(String),
}

fn read(name: &str, arguments: &[&str]) -> Result<Fault, Reason> {
    Ok(match (name, arguments) {
        ("crash", [node]) => Fault::Crash(number(node)?),
        ("crash-at-flush", [node, nth, point]) => {
            let point = POINTS.iter().find(|(name, _)| name == point).ok_or(Reason::Form)?.1;
            Fault::CrashAtFlush { node: number(node)?, nth: number(nth)?, point }
        }
        ("restart", [node]) => Fault::Restart(number(node)?),
        ("pause", [node]) => Fault::Pause(number(node)?),
        ("resume", [node]) => Fault::Resume(number(node)?),
        ("partition", [_, ..]) => {
            let group = |text: &&str| text.split(',').map(number).collect();
            Fault::Partition(arguments.iter().map(group).collect::<Result<_, _>>()?)
        }
        ("block", [from, to]) => Fault::Block(number(from)?, number(to)?),
        ("heal", []) => Fault::Heal,
        ("link", words) => Fault::Network(link(words)?),
        ("slow", [node, extra]) => Fault::Slow(number(node)?, duration(extra)?),
        ("clock-jump", [node, by]) => Fault::ClockJump(number(node)?, signed_millis(by)?),
        ("clock-drift", [node, ppm]) => Fault::ClockDrift(number(node)?, number(ppm)?),
        ("disk-full", [node]) => Fault::DiskFull(number(node)?),
        ("disk-room", [node]) => Fault::DiskRoom(number(node)?),
        ("slow-flush", [node, latency]) => Fault::SlowFlush(number(node)?, duration(latency)?),
        ("flip-bits", [node]) => Fault::FlipBits(number(node)?),
        ("wipe-disk", [node]) => Fault::WipeDisk(number(node)?),
        ("forget", [node]) => Fault::Forget(number(node)?),
        ("byzantine", [node, strategy]) => {
            let known = STRATEGIES.iter().find(|known| *known == strategy);
            let unknown = || {
                let names = STRATEGIES.join(", ");
                Reason::Value(format!("there is no strategy `{strategy}`, but {names}"))
            };
            Fault::Byzantine(number(node)?, known.ok_or_else(unknown)?)
        }
        ("produce-block", []) => Fault::ProduceBlock,
        ("register", [node]) => Fault::Register(number(node)?),
        ("deregister", [node]) => Fault::Deregister(number(node)?),
        _ => return Err(Reason::Form),
    })
}

/// A value may be of several words, as in `log-normal(40ms, 0.5)`.
fn link(words: &[&str]) -> Result<Link, Reason> {
    let mut settings: Vec<String> = Vec::new();
    for word in words {
        if word.contains('=') {
            settings.push((*word).to_owned());
        } else {
            let setting = settings.last_mut().ok_or(Reason::Form)?;
            setting.push(' ');
            setting.push_str(word);
        }
    }
    let mut link = Link::default();
    for setting in settings {
        let (name, value) = setting.split_once('=').ok_or(Reason::Form)?;
        link.set(name, value).map_err(|error| Reason::Value(error.to_string()))?;
    }
    Ok(link)
}

fn number<T: FromStr>(text: &str) -> Result<T, Reason> {
    text.parse().map_err(|_| Reason::Form)
}

fn duration(text: &str) -> Result<Duration, Reason> {
    parse_duration(text).map_err(|error| Reason::Value(error.to_string()))
}

fn signed_millis(text: &str) -> Result<i64, Reason> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let millis = i64::try_from(duration(text)?.as_millis()).map_err(|_| Reason::Form)?;
    Ok(sign * millis)
}

impl fmt::Display for Fault {
    /// As [`Fault::from_str`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Crash(node) => write!(f, "crash {node}"),
            Fault::CrashAtFlush { node, nth, point } => {
                let point = POINTS.iter().find(|(_, known)| known == point);
                let point = point.map_or("", |(name, _)| name);
                write!(f, "crash-at-flush {node} {nth} {point}")
            }
            Fault::Restart(node) => write!(f, "restart {node}"),
            Fault::Pause(node) => write!(f, "pause {node}"),
            Fault::Resume(node) => write!(f, "resume {node}"),
            Fault::Partition(groups) => {
                f.write_str("partition")?;
                groups.iter().try_for_each(|group| {
                    let nodes: Vec<String> = group.iter().map(usize::to_string).collect();
                    write!(f, " {}", nodes.join(","))
                })
            }
            Fault::Block(from, to) => write!(f, "block {from} {to}"),
            Fault::Heal => f.write_str("heal"),
            Fault::Network(link) => write!(f, "link {link}"),
            Fault::Slow(node, extra) => write!(f, "slow {node} {}", duration_text(*extra)),
            Fault::ClockJump(node, by) => {
                let sign = if *by < 0 { "-" } else { "" };
                let by = Duration::from_millis(by.unsigned_abs());
                write!(f, "clock-jump {node} {sign}{}", duration_text(by))
            }
            Fault::ClockDrift(node, ppm) => write!(f, "clock-drift {node} {ppm}"),
            Fault::DiskFull(node) => write!(f, "disk-full {node}"),
            Fault::DiskRoom(node) => write!(f, "disk-room {node}"),
            Fault::SlowFlush(node, by) => write!(f, "slow-flush {node} {}", duration_text(*by)),
            Fault::FlipBits(node) => write!(f, "flip-bits {node}"),
            Fault::WipeDisk(node) => write!(f, "wipe-disk {node}"),
            Fault::Forget(node) => write!(f, "forget {node}"),
            Fault::Byzantine(node, name) => write!(f, "byzantine {node} {name}"),
            Fault::ProduceBlock => f.write_str("produce-block"),
            Fault::Register(node) => write!(f, "register {node}"),
            Fault::Deregister(node) => write!(f, "deregister {node}"),
        }
    }
}

impl FromStr for Plan {
    type Err = TextError;

    /// Reads faults with the time at which each comes, `10s crash 2`, separated by `;` or on
    /// lines of their own.
    ///
    /// # Errors
    /// [`TextError`] about the first that is wrong.
    fn from_str(text: &str) -> Result<Self, TextError> {
        let lines = text.split(['\n', ';']).map(str::trim).filter(|line| !line.is_empty());
        let read = |line: &str| {
            let refuse = |expected: &str| TextError::new("fault with its time", line, expected);
            let (time, fault) = line
                .split_once(char::is_whitespace)
                .ok_or_else(|| refuse("write it as in 10s crash 2"))?;
            let time = parse_duration(time).map_err(|error| refuse(&error.to_string()))?;
            Ok((time, fault.parse()?))
        };
        Ok(Plan { faults: lines.map(read).collect::<Result<_, TextError>>()? })
    }
}

impl fmt::Display for Plan {
    /// As [`Plan::from_str`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.faults.iter().map(|(at, fault)| format!("{} {fault}", duration_text(*at)));
        f.write_str(&lines.collect::<Vec<_>>().join("; "))
    }
}

const POINTS: [(&str, CrashPoint); 3] = [
    ("before", CrashPoint::BeforeFlush),
    ("during", CrashPoint::DuringFlush),
    ("after", CrashPoint::AfterFlush),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each form, in their order.
    const EXAMPLES: &[&str] = &[
        "crash 2",
        "crash-at-flush 2 3 during",
        "restart 2",
        "pause 1",
        "resume 1",
        "partition 0,1 2,3",
        "block 0 3",
        "heal",
        "link latency=20ms..80ms loss_ppm=1000 duplicate_ppm=2 reorder_ppm=3 bandwidth=1000000",
        "slow 2 500ms",
        "clock-jump 2 -5s",
        "clock-drift 2 -200",
        "disk-full 1",
        "disk-room 1",
        "slow-flush 0 20ms",
        "flip-bits 1",
        "wipe-disk 1",
        "forget 3",
        "byzantine 3 equivocate-votes",
        "produce-block",
        "register 4",
        "deregister 0",
    ];

    #[test]
    fn reading_inverts_writing_in_every_form() {
        assert_eq!(EXAMPLES.len(), Fault::FORMS.len());
        for (example, form) in EXAMPLES.iter().zip(Fault::FORMS) {
            assert_eq!(example.split(' ').next(), form.split(' ').next());
            let fault: Fault = example.parse().unwrap();
            assert_eq!(fault.to_string(), *example);
        }
        let spaced = "link loss_ppm=5 latency=log-normal(40ms, 0.5) bandwidth=7".parse::<Fault>();
        let plain = "link loss_ppm=5 latency=log-normal(40ms,0.5) bandwidth=7".parse();
        assert!(spaced.is_ok() && spaced == plain);
        let plan: Plan = "10s crash 2; 1min partition 0,1 2\n\n 90s heal ;".parse().unwrap();
        assert_eq!(plan.faults.len(), 3);
        assert_eq!(plan.to_string(), "10s crash 2; 1min partition 0,1 2; 90s heal");
        assert_eq!("".parse(), Ok(Plan::default()));
    }

    #[test]
    fn what_is_no_fault_is_told_how_to_be_one() {
        for (text, expected) in [
            ("", "begins with one of crash, "),
            ("explode 2", "begins with one of crash, "),
            ("crash", "write crash NODE"),
            ("crash two", "write crash NODE"),
            ("crash -1", "write crash NODE"),
            ("crash 1 2", "write crash NODE"),
            ("heal 2", "write heal"),
            ("partition", "write partition"),
            ("partition 0,,1", "write partition"),
            ("slow 2 5", "`5` is no duration"),
            ("byzantine 1 kindness", "no strategy `kindness`, but amnesia, "),
            ("link colour=blue", "colour"),
            ("link blue colour=blue", "write link"),
            ("link loss_ppm=5 6", "loss_ppm is `5 6`"),
            ("crash-at-flush 1 1 now", "before|during|after"),
        ] {
            let error = text.parse::<Fault>().unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        for text in ["crash 2", "10s", "10 crash 2", "10s explode"] {
            assert!(text.parse::<Plan>().is_err(), "{text}");
        }
    }
}
