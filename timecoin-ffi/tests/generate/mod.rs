//! Makes the header: cbindgen's declarations, core's error numbers, types on constants, headings.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use cbindgen::{Builder, Config, DocumentationStyle, Language, SortKey, Style};
use timecoin_core::{ErrorCategory, ErrorCode};

/// The text of `include/timecoin.h`.
pub(crate) fn header() -> String {
    let mut text = with_headings(&with_types(&with_short_comments(&declarations())));
    let ok = "#define TC_OK 0\n";
    let after_ok = text.find(ok).expect("TC_OK is declared") + ok.len();
    text.insert_str(after_ok, &error_constants());
    format!("{PREFACE}{}{END}", text.trim_start())
}

/// The names of the functions that a header declares.
#[allow(dead_code, reason = "not every test that includes this module needs it")]
pub(crate) fn functions(header: &str) -> Vec<&str> {
    header
        .lines()
        .filter(|line| !line.starts_with([' ', '/', '#', '*', '}']) && !line.contains("typedef"))
        .filter_map(|line| line.split_once('('))
        .filter_map(|(before, _)| before.rsplit([' ', '*']).next())
        .filter(|name| name.starts_with("tc_"))
        .collect()
}

fn declarations() -> String {
    let config = Config {
        language: Language::C,
        style: Style::Type,
        documentation_style: DocumentationStyle::Doxy,
        cpp_compat: true,
        no_includes: true,
        usize_is_size_t: true,
        line_length: 96,
        tab_width: 4,
        function: cbindgen::FunctionConfig {
            sort_by: Some(SortKey::None),
            ..cbindgen::FunctionConfig::default()
        },
        ..Config::default()
    };
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let builder = SOURCES.iter().fold(Builder::new().with_config(config), |builder, name| {
        builder.with_src(sources.join(format!("{name}.rs")))
    });
    let mut bytes = Vec::new();
    builder.generate().expect("the sources parse").write(&mut bytes);
    String::from_utf8(bytes).expect("cbindgen writes UTF-8")
}

/// A comment of one sentence takes one line.
fn with_short_comments(header: &str) -> String {
    let lines: Vec<&str> = header.lines().collect();
    let mut text = String::new();
    let mut index = 0;
    while let Some(line) = lines.get(index) {
        let sentence = lines.get(index + 1).map_or("", |next| next.trim_start());
        let is_short = line.trim_start() == "/**"
            && lines.get(index + 2).is_some_and(|last| last.trim_start() == "*/");
        if is_short {
            let indent = &line[..line.len() - 3];
            let sentence = sentence.trim_start_matches("* ");
            writeln!(text, "{indent}/** {sentence} */").expect("a string takes all text");
        } else {
            writeln!(text, "{line}").expect("a string takes all text");
        }
        index += if is_short { 3 } else { 1 };
    }
    text
}

/// Integer constants carry the type that Rust gives them, and can still be used in `#if`.
fn with_types(header: &str) -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/constants.rs");
    let source = fs::read_to_string(source).expect("constants.rs can be read");
    let mut typed = String::new();
    for line in header.lines() {
        let define = line.strip_prefix("#define TC_").and_then(|rest| rest.split_once(' '));
        let Some((name, value)) = define else {
            typed.push_str(line);
            typed.push('\n');
            continue;
        };
        let declared = format!("pub const TC_{name}: ");
        let at = source.find(&declared).unwrap_or_else(|| panic!("{name} is not in constants.rs"));
        let kind = source[at + declared.len()..].split(" =").next().unwrap_or_default();
        let value = match (kind, value) {
            (_, "UINT64_MAX") => value.to_owned(),
            ("i32" | "tc_status_t", _) => value.to_owned(),
            ("u32", _) => format!("{value}u"),
            ("u64", _) => format!("UINT64_C({value})"),
            ("usize", _) => format!("((size_t){value})"),
            _ => panic!("{name} is of type {kind}"),
        };
        writeln!(typed, "#define TC_{name} {value}").expect("a string takes all text");
    }
    typed
}

/// One constant for each of core's codes, with core's sentence about it.
fn error_constants() -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../timecoin-core/src/node/code.rs");
    let source = fs::read_to_string(source).expect("code.rs can be read");
    let mut text = String::new();
    let mut category = None;
    for code in ErrorCode::ALL {
        if category != Some(code.category()) {
            category = Some(code.category());
            let what = match code.category() {
                ErrorCategory::Request => "the caller can do something about it",
                ErrorCategory::Peer => "from another node, or whoever handed over a proof",
                ErrorCategory::Storage => "the operator can do something about it",
                ErrorCategory::Internal => "a bug, or the node was stopped by an earlier failure",
            };
            let thousands = code.as_i32() / 1000;
            let _ = write!(text, "\n/* {thousands}000 to {thousands}999: {what}. */\n\n");
        }
        let entry = format!("{code:?} = {}, ", code.as_i32());
        let before = source.find(&entry).map_or("", |at| &source[..at]);
        let doc = before.trim_end().rsplit("///").next().unwrap_or_default().trim();
        let (name, number) = (code.name().to_uppercase(), code.as_i32());
        let _ = write!(text, "/** {doc} */\n#define TC_ERROR_{name} {number}\n");
    }
    text
}

/// A heading before the first function of each subject.
fn with_headings(header: &str) -> String {
    let mut text = header.to_owned();
    for (first, heading) in HEADINGS {
        let function =
            text.find(&format!(" {first}(")).or_else(|| text.find(&format!("*{first}(")));
        let function = function.unwrap_or_else(|| panic!("no function {first}"));
        let at = text[..function].rfind("/**").expect("every function is documented");
        text.insert_str(at, &format!("/* ---- {heading} ---- */\n\n"));
    }
    text
}

/// In the order of the header.
const SOURCES: &[&str] = &[
    "constants",
    "types",
    "reports",
    "error",
    "bytes",
    "text",
    "secret",
    "config",
    "bootstrap",
    "node",
    "peer",
    "query",
    "wait",
    "proof",
    "block",
    "transaction",
    "event",
    "wallet",
    "draft",
    "sim",
    "sim_read",
    "localnet",
    "localnet_events",
];

const HEADINGS: &[(&str, &str)] = &[
    ("tc_abi_version", "Versions, errors and names"),
    ("tc_bytes_view", "Bytes and texts of any length"),
    ("tc_amount_from_text", "Text forms"),
    ("tc_secret_generate", "Keys"),
    ("tc_config_new_regtest", "Configuration"),
    ("tc_node_bootstrap", "Filling a data directory"),
    ("tc_node_open", "A node's life"),
    ("tc_node_status", "A node at a glance"),
    ("tc_node_submit_transaction", "Submitting"),
    ("tc_node_listen_address", "A node's network"),
    ("tc_node_transaction_status", "Reading"),
    ("tc_node_wait_finalized", "Waiting"),
    ("tc_node_finality_proof", "Proofs of finality"),
    ("tc_node_block_at", "Blocks"),
    ("tc_transaction_from_bytes", "Transactions"),
    ("tc_node_subscribe", "Events"),
    ("tc_wallet_generate", "Wallets"),
    ("tc_wallet_build", "Drafts: payments that are signed and not submitted"),
    ("tc_sim_new", "Networks in virtual time"),
    ("tc_sim_snapshot", "Going back to a snapshot"),
    ("tc_sim_digest", "Reading a network in virtual time"),
    ("tc_localnet_new", "Networks of real nodes in this process"),
];

const PREFACE: &str = "\
/* TimeCoin: a node in your process. Made from timecoin-ffi/src by tests/header.rs: do not edit.
 *
 * Functions return TC_OK or a TC_ERROR_ number; tc_error_message has the sentence to it. Their
 * arguments are the handle, then inputs, then outputs, whose names end in _out. Outputs are
 * written on success only; sizes that a buffer should have are told in any case.
 *
 * Handles are numbers that are checked at every use. A handle that was freed, is of another kind
 * or was never given out is TC_ERROR_INVALID_HANDLE, and so is freeing twice. Freeing what another
 * thread uses is fine: it takes effect when that use ends. 0 is no handle. Every handle that a
 * function gives is owned by the caller, who frees it with the function named at its type.
 *
 * Pointers are borrowed for the call, unless their function says otherwise. No pointer may be
 * null unless its function says so; null for no elements is fine. Texts that go in are UTF-8 and
 * end with a NUL: one that is not UTF-8 is TC_ERROR_INVALID_ARGUMENT in every function. Structs
 * with a struct_size are set up by TC_INIT or by setting it: a library that knows more fields than
 * the caller writes only those that the caller has.
 *
 * Every function may be called on any thread at any time, except from the callbacks that it is
 * given. After a fork, functions in the child of a process that has used the library return
 * TC_ERROR_FORKED_PROCESS and touch nothing, freeing included; those that only name or count things
 * (tc_version, tc_error_name, tc_error_message and the like) still answer.
 * Amounts are units in 64 bits without a sign, TC_UNITS_PER_TIME to the TIME; times and timeouts
 * are milliseconds; heights count from 0, the genesis.
 *
 * On Linux the shared library is looked for by the name libtimecoin.so.0, the number being
 * TC_ABI_VERSION: install it as that, with a link libtimecoin.so to it for the linker.
 */
#ifndef TIMECOIN_H
#define TIMECOIN_H

#include <stddef.h>
#include <stdint.h>

/** Sets up a struct that has a struct_size: tc_tip_t tip = TC_INIT(tc_tip_t); in C++ set it. */
#define TC_INIT(type) {.struct_size = sizeof(type)}

";

const END: &str = "
#endif /* TIMECOIN_H */
";
