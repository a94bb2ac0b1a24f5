//! Programs in C and C++ that use the library as a host does: built with every warning an error,
//! run, and compared with the header that they must cover.

mod generate;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const WARNINGS: [&str; 6] = ["-Wall", "-Wextra", "-Wshadow", "-Werror", "-pedantic", "-g"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the workspace")
}

/// The shared library that cargo built for this test.
fn library() -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    test.parent().expect("a program is in a folder").join("libtimecoin.so")
}

/// Builds a program of `tests/c`, or of another folder by its whole path, and runs it.
fn run(source: &str, arguments: &[&Path]) -> Output {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    // The linker looks for the first name, the program for the second, which is the SONAME.
    for name in ["libtimecoin.so", "libtimecoin.so.0"] {
        symlink(library(), folder.path().join(name)).expect("a new folder takes links");
    }
    let (compiler, standard) =
        if source.ends_with(".cpp") { ("c++", "-std=c++17") } else { ("cc", "-std=c11") };
    let program = folder.path().join("program");
    let built = Command::new(compiler)
        .arg(standard)
        .args(WARNINGS)
        .arg("-pthread")
        .arg("-I")
        .arg(root().join("include"))
        .arg(root().join("timecoin-ffi/tests/c").join(source))
        .arg("-o")
        .arg(&program)
        .arg("-L")
        .arg(folder.path())
        .arg("-ltimecoin")
        .output()
        .expect("there is a compiler");
    assert!(built.status.success(), "{source}: {}", String::from_utf8_lossy(&built.stderr));
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("LD_LIBRARY_PATH", folder.path())
        .output()
        .expect("what was built can be run")
}

fn succeeds(source: &str) -> String {
    succeeds_with(source, &[])
}

fn succeeds_with(source: &str, arguments: &[&Path]) -> String {
    let output = run(source, arguments);
    let stdout = String::from_utf8(output.stdout).expect("it prints text");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{source}: {}\n{stdout}\n{stderr}", output.status);
    stdout
}

#[test]
fn misuse_is_refused() {
    let stdout = succeeds("misuse.c");
    assert!(stdout.ends_with(" checks, 0 failures\n"), "{stdout}");
}

#[test]
fn misuse_of_simulations_is_refused() {
    let stdout = succeeds("misuse_sim.c");
    assert!(stdout.ends_with(" checks, 0 failures\n"), "{stdout}");
}

#[test]
fn misuse_of_nets_is_refused() {
    let stdout = succeeds("misuse_net.c");
    assert!(stdout.ends_with(" checks, 0 failures\n"), "{stdout}");
}

/// The runs that Rust and Python make too, with the digests that they have there.
#[test]
fn simulations_are_the_same_in_c() {
    let vectors = root().join("timecoin-core/tests/vectors/simulation.txt");
    let stdout = succeeds_with("digest.c", &[&vectors]);
    assert!(stdout.ends_with(" runs are as they should be\n"), "{stdout}");
}

#[test]
fn a_newcomer_begins_with_the_outputs() {
    let directory = tempfile::tempdir().unwrap();
    let stdout = succeeds_with("bootstrap.c", &[directory.path()]);
    assert_eq!(stdout, "the newcomer has the money\n");
}

#[test]
fn the_programs_of_the_readme_run() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let programs: Vec<_> = readme.split("```c\n").skip(1).collect();
    let expected = ["final after ", "confirmed at height ", "final, in five processes"];
    assert_eq!(programs.len(), expected.len());
    let folder = tempfile::tempdir().unwrap();
    for (program, expected) in programs.iter().zip(expected) {
        let source = folder.path().join("readme.c");
        fs::write(&source, program.split("```").next().unwrap()).unwrap();
        let stdout = succeeds(source.to_str().unwrap());
        assert!(stdout.starts_with(expected), "{stdout}");
    }
}

#[test]
fn a_fork_is_told() {
    assert_eq!(succeeds("fork.c"), "the child was told, the parent went on\n");
}

#[test]
fn the_cpp_header_works() {
    assert_eq!(succeeds("smoke.cpp"), "everything works\n");
}

/// The suite of misuse has a line for every function of the header.
#[test]
fn misuse_covers_every_function() {
    let header = generate::header();
    let read = |name| fs::read_to_string(root().join("timecoin-ffi/tests/c").join(name)).unwrap();
    let suite = read("misuse.c") + &read("misuse_sim.c") + &read("misuse_net.c");
    let is_missing = |name: &&str| !suite.contains(&format!("{name}("));
    let missing: Vec<_> = generate::functions(&header).into_iter().filter(is_missing).collect();
    assert!(missing.is_empty(), "no suite of misuse calls {missing:?}");
}

/// The C++ header has a use for every function of the C header.
#[test]
fn the_cpp_header_covers_every_function() {
    let header = generate::header();
    let cpp = fs::read_to_string(root().join("include/timecoin.hpp")).unwrap();
    let for_c_alone = [
        "tc_abi_version",
        "tc_version",
        "tc_node_state_name",
        "tc_transaction_status_name",
        "tc_transaction_transfer",
        "tc_secret_from_text",
        "tc_secret_to_text",
        "tc_outpoint_from_text",
        "tc_outpoint_to_text",
    ];
    let is_missing = |name: &&str| !cpp.contains(*name) && !for_c_alone.contains(name);
    let missing: Vec<_> = generate::functions(&header).into_iter().filter(is_missing).collect();
    assert!(missing.is_empty(), "timecoin.hpp does not use {missing:?}");
}

/// What the library exports is what the header declares, no more and no less.
#[test]
fn the_library_exports_the_header() {
    let header = generate::header();
    let declared: BTreeSet<_> = generate::functions(&header).into_iter().collect();
    let nm = Command::new("nm").args(["-D", "--defined-only"]).arg(library()).output().unwrap();
    let nm = String::from_utf8(nm.stdout).unwrap();
    let exported: BTreeSet<_> = nm.lines().filter_map(|line| line.rsplit(' ').next()).collect();
    assert_eq!(exported, declared);
}

/// One file touches the caller's memory, and says each time why it may.
#[test]
fn only_pointer_rs_is_unsafe() {
    let is_unsafe = |line: &&str| {
        let code = line.split("//").next().unwrap_or_default();
        ["unsafe {", "unsafe fn", "unsafe impl", "unsafe trait"]
            .iter()
            .any(|word| code.contains(word))
    };
    for entry in fs::read_dir(root().join("timecoin-ffi/src")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let source = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = source.lines().collect();
        for (number, line) in lines.iter().enumerate().filter(|(_, line)| is_unsafe(line)) {
            assert!(path.ends_with("pointer.rs"), "{}:{}: {line}", path.display(), number + 1);
            let above = lines[number.saturating_sub(4)..number].join("\n");
            let is_explained = above.contains("SAFETY:") || above.contains("# Safety");
            assert!(is_explained, "{}:{}: {line}", path.display(), number + 1);
        }
    }
}
