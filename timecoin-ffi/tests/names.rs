//! What core calls something is what C and Python call it: the methods of `Node`, `Wallet` and
//! `Subscription` in core's sources, in `include/timecoin.h` and in Python's stubs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A method whose name is another one in C or Python; empty where it is not there.
struct Other {
    method: &'static str,
    c: &'static str,
    python: &'static str,
}

#[test]
fn a_method_has_one_name_in_all_languages() {
    let header = read("include/timecoin.h");
    let stubs = read("timecoin-py/python/timecoin/_timecoin.pyi");
    let functions: BTreeSet<_> =
        header.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    for (class, prefix, others) in CLASSES {
        let in_core = methods(class);
        let in_stubs = stub(&stubs, class);
        assert!(in_core.len() >= 5 && in_stubs.len() >= 5, "{class} is not found");
        for method in &in_core {
            let other = others.iter().find(|other| other.method == method);
            let c = other.map_or(method.as_str(), |other| other.c);
            let python = other.map_or(method.as_str(), |other| other.python);
            let c = if c.is_empty() { String::new() } else { format!("{prefix}_{c}") };
            assert!(c.is_empty() || functions.contains(c.as_str()), "{class}::{method}: no {c}");
            let is_there = python.is_empty() || in_stubs.contains(python);
            assert!(is_there, "{class}::{method}: no {class}.{python} in Python");
        }
        for other in others.iter() {
            assert!(in_core.contains(other.method), "{class}::{} is gone", other.method);
        }
    }
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The public methods of a type of core's `node` module.
fn methods(class: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../timecoin-core/src/node");
    let (begin, mut methods) = (format!("\nimpl {class} {{\n"), BTreeSet::new());
    for entry in fs::read_dir(folder).expect("core has its sources") {
        let path = entry.expect("a folder can be listed").path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let source = fs::read_to_string(path).expect("sources are text");
        let blocks = source.split(&begin).skip(1);
        let bodies = blocks.filter_map(|block| block.split("\n}").next());
        let lines = bodies.flat_map(str::lines);
        let names = lines.filter_map(|line| line.strip_prefix("    pub fn "));
        let end = |c: char| !c.is_ascii_alphanumeric() && c != '_';
        methods.extend(names.filter_map(|name| name.split(end).next()).map(str::to_owned));
    }
    methods
}

/// The methods and properties of a class in the stubs.
fn stub<'a>(stubs: &'a str, class: &str) -> BTreeSet<&'a str> {
    let begin = format!("\nclass {class}:\n");
    let body = stubs.split(&begin).nth(1).and_then(|rest| rest.split("\n\n").next());
    let body = body.unwrap_or_default();
    let lines = body.lines().filter_map(|line| line.trim_start().strip_prefix("def "));
    lines.filter_map(|line| line.split('(').next()).collect()
}

const fn other(method: &'static str, c: &'static str, python: &'static str) -> Other {
    Other { method, c, python }
}

const CLASSES: &[(&str, &str, &[Other])] = &[
    (
        "Node",
        "tc_node",
        &[
            // C has these in tc_node_status_t, or its caller made them.
            other("chain", "", "chain_id"),
            other("genesis", "", ""),
            other("network", "", "network"),
            other("config", "", "config"),
            other("state", "", "state"),
            other("block", "block_at", "block"),
            other("metrics", "", "metrics"),
            other("submit_transactions", "", "submit_transactions"),
            // In Python they are the class itself, and an iterator.
            other("open", "open", "__new__"),
            other("subscribe", "subscribe", "events"),
            // The seam to a network of the host's own is Rust's alone.
            other("open_with_peers", "", ""),
            other("receive", "", ""),
        ],
    ),
    (
        "Wallet",
        "tc_wallet",
        &[
            other("new", "import", "__new__"),
            other("with_signer", "with_signer", "__new__"),
            other("from_seed", "from_seed", "__new__"),
            other("import", "import", "__new__"),
            other("add_signer", "", "add_signer"),
            other("node", "", "node"),
        ],
    ),
    (
        "Subscription",
        "tc_subscription",
        &[
            // A timeout of 0, and TC_ERROR_CLOSED.
            other("try_next", "", "try_next"),
            other("is_ended", "", "is_ended"),
            other("readiness_fd", "readiness_fd", "fileno"),
            other("set_waker", "", ""),
        ],
    ),
];
