//! `include/timecoin.h` is what the sources say, and its numbers are core's.
//!
//! After a change of the interface, write it anew:
//! `TIMECOIN_WRITE_HEADER=1 cargo test -p timecoin-ffi --test header`.

mod generate;

use std::fs;
use std::path::{Path, PathBuf};

use timecoin_core::localnet::LocalNetConfig;
use timecoin_core::sim::{Fault, Link, Setting, SimulationConfig};
use timecoin_core::{Config, ErrorCode, NodeEventKind};

fn header_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../include/timecoin.h")
}

#[test]
fn the_committed_header_is_up_to_date() {
    let generated = generate::header();
    if std::env::var_os("TIMECOIN_WRITE_HEADER").is_some() {
        fs::write(header_path(), &generated).unwrap();
    }
    let committed = fs::read_to_string(header_path()).unwrap_or_default();
    let mut lines = generated.lines().zip(committed.lines());
    let difference = lines.find(|(generated, committed)| generated != committed);
    assert!(
        generated == committed,
        "include/timecoin.h is out of date (first difference: {difference:?}); write it with \
         TIMECOIN_WRITE_HEADER=1 cargo test -p timecoin-ffi --test header"
    );
}

/// The generator names the files that it reads; a function of another would be left out.
#[test]
fn every_export_is_in_the_header() {
    let header = generate::header();
    let mut n_exports = 0;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap() {
        let path = entry.unwrap().path();
        let source = if path.is_file() { fs::read_to_string(&path).unwrap() } else { continue };
        for export in source.split("pub extern \"C\" fn ").skip(1) {
            let name = export.split('(').next().unwrap();
            assert!(header.contains(&format!("{name}(")), "{}: no {name}", path.display());
            n_exports += 1;
        }
    }
    assert!(n_exports > 100, "only {n_exports} are found");
}

#[test]
fn every_error_of_core_has_its_number_and_a_sentence() {
    let header = generate::header();
    for code in ErrorCode::ALL {
        let define = format!("#define TC_ERROR_{} {}\n", code.name().to_uppercase(), code.as_i32());
        let at = header.find(&define).unwrap_or_else(|| panic!("no {define}"));
        assert!(header[..at].ends_with(" */\n"), "{define} has no sentence");
    }
    assert_eq!(header.matches("#define TC_ERROR_").count(), ErrorCode::ALL.len());
}

/// Every kind of event has a number of its own, and only what a later core adds is "other".
#[test]
fn every_event_of_core_has_its_number() {
    let header = generate::header();
    let names = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../timecoin-core/src/node/event.rs"),
    );
    let names = names.unwrap();
    let names: Vec<_> = names.lines().filter_map(|line| line.split_once(" => \"")).collect();
    assert!(names.iter().any(|(_, name)| name.starts_with(NodeEventKind::Closed.name())));
    for (_, name) in &names {
        let name = name.trim_end_matches("\",").to_uppercase();
        assert!(header.contains(&format!("#define TC_EVENT_{name} ")), "no TC_EVENT_{name}");
    }
    assert_eq!(header.matches("#define TC_EVENT_").count(), names.len() + 1);
}

/// A name that C calls must be one that a reader of the header can look up.
#[test]
fn every_function_is_documented() {
    let header = generate::header();
    let mut n_functions = 0;
    for (at, _) in header.match_indices(");\n") {
        let declaration = header[..at].rfind("\n\n").map_or(0, |start| start + 2);
        let declaration = &header[declaration..at];
        if declaration.contains("typedef") {
            continue;
        }
        n_functions += 1;
        assert!(declaration.starts_with("/**"), "no comment: {declaration}");
        let is_status = declaration.contains("\ntc_status_t ");
        assert!(
            !is_status || declaration.contains("Errors:") || declaration.contains("Null is fine"),
            "no errors: {declaration}"
        );
    }
    assert_eq!(n_functions, generate::functions(&header).len());
}

/// What is chosen by a text in C has its name where a reader of the header looks for it.
#[test]
fn settings_and_faults_of_core_are_named_where_they_are_used() {
    let header = generate::header();
    let about = |function: &str| {
        let at = header.find(&format!(" {function}(")).expect("it is declared");
        &header[header[..at].rfind("/**").expect("it is documented")..at]
    };
    let names = |settings: &[Setting]| settings.iter().map(|s| s.name).collect::<Vec<_>>();
    let first_words = Fault::FORMS.iter().filter_map(|form| form.split(' ').next());
    for (function, words) in [
        ("tc_sim_new", names(SimulationConfig::SETTINGS)),
        ("tc_sim_set_links", names(Link::SETTINGS)),
        ("tc_localnet_new", names(LocalNetConfig::SETTINGS)),
        ("tc_config_set", Config::FIELDS.iter().map(|field| field.name).collect()),
        ("tc_sim_inject", first_words.collect()),
    ] {
        let text = about(function);
        let missing: Vec<_> = words.iter().filter(|word| !text.contains(**word)).collect();
        assert!(missing.is_empty(), "{function} does not name {missing:?}");
    }
}
