//! Reads the sources and holds what the compiler can't: which module may lean on which, where
//! sockets, clocks, threads and `unsafe` may stand, and what no file may contain.

use std::fs;
use std::path::{Path, PathBuf};

/// Each module with what it may name of the crate beside itself. A module absent here fails.
const MAY_USE: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("params", &["types"]),
    ("ledger", &["types", "params"]),
    ("mempool", &["types", "params", "ledger"]),
    ("votes", &["types"]),
    ("finality", &["types", "votes"]),
    ("consensus", &["types", "ledger"]),
    ("peers", &["types", "params"]),
    ("engine", &["types", "params", "ledger", "mempool", "votes", "finality", "consensus"]),
    ("storage", &["types", "params", "ledger", "engine"]),
    ("sync", &["types", "params", "ledger"]),
    ("network", &["types", "params", "ledger", "engine", "peers", "sync"]),
    (
        "sim",
        &[
            "types",
            "params",
            "ledger",
            "mempool",
            "votes",
            "finality",
            "consensus",
            "engine",
            "storage",
        ],
    ),
    (
        "node",
        &[
            "types",
            "params",
            "ledger",
            "mempool",
            "votes",
            "finality",
            "consensus",
            "engine",
            "storage",
            "peers",
            "sync",
            "network",
        ],
    ),
    (
        "localnet",
        &["types", "params", "ledger", "mempool", "engine", "storage", "network", "sim", "node"],
    ),
    ("testbed", &["types", "engine", "sim", "localnet"]),
    ("harness", &["types", "engine", "sim", "node"]),
];

/// Modules that are functions of their arguments.
const PURE: &[&str] = &[
    "types",
    "params",
    "ledger",
    "mempool",
    "votes",
    "finality",
    "consensus",
    "peers",
    "engine",
    "sim",
];

/// What `peers` may take from `std::net`: values, none of which listens or connects.
const ADDRESSES: &[&str] = &["IpAddr", "Ipv4Addr", "Ipv6Addr", "SocketAddr"];

/// What no pure module may name.
const IMPURE: &[&str] = &[
    "tokio",
    "sled::",
    "std::net",
    "std::fs",
    "std::thread",
    "std::env",
    "SystemTime",
    "Instant",
    "Mutex",
    "RwLock",
    "Atomic",
    "dashmap",
    "arc_swap",
    "async fn",
    "static mut",
    "thread_local!",
];

/// What no source may contain, whoever wrote it.
const NOWHERE: &[&str] =
    &["todo!(", "unimplemented!(", "TODO", "FIXME", "XXX", "ed25519_dalek::verify_batch", "dbg!("];

struct Source {
    path: PathBuf,
    module: String,
    is_test: bool,
    text: String,
}

impl Source {
    /// The lines of code, without comments, with their numbers; nothing of test modules at the
    /// end of a file.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(index, line)| (index + 1, line));
        lines
            .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
            .map(|(number, line)| (number, line.split("//").next().unwrap_or("")))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

fn sources(dir: &Path) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder is in the repository") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(read(dir, path));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 5, "no sources below {}", dir.display());
    found
}

fn read(dir: &Path, path: PathBuf) -> Source {
    let inside = path.strip_prefix(dir).expect("found below it");
    let first = inside.components().next().expect("a file has a name");
    let first = first.as_os_str().to_string_lossy();
    let module = first.strip_suffix(".rs").unwrap_or(&first).to_owned();
    let is_test = inside.iter().any(|part| {
        let part = part.to_string_lossy();
        ["tests", "tests.rs", "testkit.rs", "arbitrary.rs"].contains(&part.as_ref())
    });
    let text = fs::read_to_string(&path).expect("sources are UTF-8");
    Source { path, module, is_test, text }
}

/// Whether this is what stands behind `use std::net::` in a line that names addresses only.
fn names_only_addresses(names: &str) -> bool {
    let names = names.trim_end_matches(';').trim_start_matches('{').trim_end_matches('}');
    names.split(',').all(|name| ADDRESSES.contains(&name.trim()))
}

fn report(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn each_module_leans_only_on_those_above_it() {
    let mut broken = Vec::new();
    let sources = sources(&root().join("src"));
    for source in sources.iter().filter(|s| s.module != "lib" && !s.is_test) {
        let row = MAY_USE.iter().find(|(module, _)| *module == source.module);
        let Some((module, allowed)) = row else {
            broken.push(format!("{}: module has no row in MAY_USE", source.path.display()));
            continue;
        };
        for (number, line) in source.code() {
            for used in line.split("crate::").skip(1) {
                let used: String =
                    used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let is_module = MAY_USE.iter().any(|(known, _)| *known == used);
                if is_module && used != *module && !allowed.contains(&used.as_str()) {
                    broken.push(format!(
                        "{}:{number}: {module} may not use {used}",
                        source.path.display()
                    ));
                }
            }
        }
    }
    report(&broken);
}

#[test]
fn pure_modules_name_no_clock_thread_lock_or_io() {
    let mut broken = Vec::new();
    let sources = sources(&root().join("src"));
    for source in sources.iter().filter(|s| PURE.contains(&s.module.as_str()) && !s.is_test) {
        let code = source.code().filter(|(_, line)| {
            let addresses = line.trim().strip_prefix("use std::net::");
            source.module != "peers" || !addresses.is_some_and(names_only_addresses)
        });
        for (number, line) in code {
            for word in IMPURE.iter().filter(|word| line.contains(**word)) {
                broken.push(format!("{}:{number}: {word}", source.path.display()));
            }
        }
    }
    report(&broken);
}

#[test]
fn sled_sockets_and_clocks_stand_in_one_place_each() {
    let mut broken = Vec::new();
    for source in sources(&root().join("src")).iter().filter(|source| !source.is_test) {
        let is_clock = source.path.ends_with("node/clock.rs");
        for (number, line) in source.code() {
            let has = |word: &str| line.contains(word);
            let is_misplaced = has("sled::") && source.module != "storage"
                || (has("TcpStream") || has("TcpListener") || has("UdpSocket"))
                    && source.module != "network"
                || has("SystemTime::now") && !is_clock;
            if is_misplaced {
                broken.push(format!("{}:{number}: {}", source.path.display(), line.trim()));
            }
        }
    }
    report(&broken);
}

#[test]
fn no_source_holds_what_none_may() {
    let mut broken = Vec::new();
    for source in sources(&root().join("src")) {
        for (number, line) in (1..).zip(source.text.lines()) {
            for word in NOWHERE.iter().filter(|word| line.contains(**word)) {
                broken.push(format!("{}:{number}: {word}", source.path.display()));
            }
        }
        if source.text.lines().count() > FILE_LINES_MAX {
            broken.push(format!("{}: over {FILE_LINES_MAX} lines", source.path.display()));
        }
        if !source.is_test && !source.text.starts_with("//!") {
            broken.push(format!("{}: does not say what it is for", source.path.display()));
        }
    }
    report(&broken);
}

/// Above this a file has more than one subject.
const FILE_LINES_MAX: usize = 700;
