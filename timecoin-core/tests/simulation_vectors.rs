//! Runs that come to the same in Rust, C and Python: `vectors/simulation.txt` says to what (I11).

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use timecoin_core::Hash256;
use timecoin_core::sim::{Simulation, SimulationConfig};

/// A run as the file has it.
struct Run<'a> {
    head: Vec<&'a str>,
    settings: Vec<(&'a str, &'a str)>,
}

impl<'a> Run<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        let head = lines.next()?.split(' ').collect();
        let settings = lines.map(|line| line.split_once('=').expect("a setting")).collect();
        Some(Run { head, settings })
    }

    /// Height and digest.
    fn play(&self) -> (String, String) {
        let number = |index: usize| -> u64 { self.head[index].parse().expect("a number") };
        let masternodes = usize::try_from(number(0)).expect("few");
        let mut config = SimulationConfig::new(masternodes, number(1));
        for (name, text) in &self.settings {
            config.set(name, text).expect("a good setting");
        }
        let mut sim = Simulation::new(config).expect("settings that make a network");
        sim.advance(Duration::from_millis(number(2))).expect("all invariants hold");
        let digest = Hash256::from_bytes(sim.digest());
        (sim.archive().height().0.to_string(), digest.to_string())
    }
}

#[test]
fn runs_come_to_what_they_came_to() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/simulation.txt");
    let text = fs::read_to_string(&path).unwrap();
    let mut written = String::new();
    let mut wrong = Vec::new();
    for part in text.split("\n\n") {
        let Some(run) = Run::read(part) else {
            write!(written, "{}\n\n", part.trim_end()).unwrap();
            continue;
        };
        let (height, digest) = run.play();
        if run.head[3..] != [&height, &digest] {
            wrong.push(format!("seed {}: {digest} at height {height}", run.head[1]));
        }
        writeln!(written, "{} {height} {digest}", run.head[..3].join(" ")).unwrap();
        for (name, text) in &run.settings {
            writeln!(written, "{name}={}", text.trim_end()).unwrap();
        }
        written.push('\n');
    }
    if std::env::var_os("TIMECOIN_WRITE_VECTORS").is_some() {
        return fs::write(&path, written.trim_end().to_owned() + "\n").unwrap();
    }
    assert!(
        wrong.is_empty(),
        "runs came to something else; where that is meant, write the vectors anew with \
         TIMECOIN_WRITE_VECTORS=1 cargo test -p timecoin-core --test simulation_vectors: {wrong:?}"
    );
}
