//! Fuzz targets: functions that take any bytes and panic where a promise is broken.
//!
//! As a test they run over the committed corpus, over changed copies of it and over bytes from a
//! seed. `make fuzz` builds the same file with coverage and libFuzzer's `main`; the variable
//! `FUZZ_TARGET` then names one of them.

#![allow(clippy::unwrap_used, reason = "a target that fails says where")]
#![cfg_attr(libfuzzer, no_main)]

mod decoders;
mod engine;
mod logs;
mod network;
mod plain;
mod snapshot;
mod tape;
mod texts;
mod wire;

/// A target: its name, what it does, and how many inputs a test run gives it.
type Target = (&'static str, fn(&[u8]), usize);

const TARGETS: &[Target] = &[
    ("transaction", decoders::transaction, 2_000),
    ("header", decoders::header, 2_000),
    ("block", decoders::block, 1_000),
    ("votes", decoders::votes, 2_000),
    ("ballot", decoders::ballot, 2_000),
    ("proposal", decoders::proposal, 1_000),
    ("round_change", decoders::round_change, 2_000),
    ("certificates", decoders::certificates, 2_000),
    ("finality_proof", decoders::finality_proof, 2_000),
    ("evidence", decoders::evidence, 2_000),
    ("message", decoders::message, 2_000),
    ("record", decoders::record, 2_000),
    ("genesis_json", texts::genesis_json, 1_000),
    ("address", texts::address, 5_000),
    ("amount", texts::amount, 5_000),
    ("names", texts::names, 5_000),
    ("log_scan", logs::scan, 300),
    ("packet", wire::packet, 2_000),
    ("hello", wire::hello, 2_000),
    ("joiner", wire::joiner, 2_000),
    ("compressed", wire::compressed, 5_000),
    ("peer_target", wire::peer_target, 5_000),
    ("address_book", wire::address_book, 500),
    ("snapshot", snapshot::run, 500),
    ("engine", engine::run, 60),
];

#[cfg(not(libfuzzer))]
#[test]
fn every_target_stands_its_corpus_and_more() {
    plain::run_all(TARGETS);
}

#[cfg(not(libfuzzer))]
#[test]
fn corpora_hold_what_each_decoder_accepts() {
    decoders::assert_corpora_are_accepted();
}

#[cfg(libfuzzer)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    static TARGET: std::sync::OnceLock<fn(&[u8])> = std::sync::OnceLock::new();
    let target = TARGET.get_or_init(|| {
        let name = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names a target");
        let found = TARGETS.iter().find(|(known, ..)| *known == name);
        found.unwrap_or_else(|| panic!("no target is called {name}")).1
    });
    target(data);
});
