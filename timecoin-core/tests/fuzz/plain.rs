//! The targets as a test: a bounded number of inputs, the same in each run.

#![cfg(not(libfuzzer))]

use std::fs;
use std::path::PathBuf;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::Target;

pub(crate) fn corpus(target: &str) -> Vec<Vec<u8>> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let entries = fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} is empty", dir.display());
    paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

pub(crate) fn run_all(targets: &[Target]) {
    for (name, target, n_inputs) in targets {
        let corpus = corpus(name);
        for input in &corpus {
            attempt(name, *target, input);
        }
        let mut random = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..*n_inputs {
            let input = next_input(&corpus, &mut random);
            attempt(name, *target, &input);
        }
    }
}

/// A failure shows the input, so that it can be kept.
fn attempt(name: &str, target: fn(&[u8]), input: &[u8]) {
    let failed = std::panic::catch_unwind(|| target(input)).is_err();
    assert!(!failed, "target {name} fails for {input:02x?}");
}

fn below(random: &mut ChaCha8Rng, n: usize) -> usize {
    usize::try_from(random.next_u64() % n as u64).unwrap()
}

/// A corpus entry with a few changes, or bytes out of nothing.
fn next_input(corpus: &[Vec<u8>], random: &mut ChaCha8Rng) -> Vec<u8> {
    if below(random, 8) == 0 {
        let mut bytes = vec![0; below(random, 300)];
        random.fill_bytes(&mut bytes);
        return bytes;
    }
    let mut bytes = corpus[below(random, corpus.len())].clone();
    for _ in 0..=below(random, 3) {
        let at = below(random, bytes.len() + 1);
        match below(random, 6) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, random.next_u32().to_le_bytes()[0]),
            2 => bytes.extend_from_slice(&corpus[below(random, corpus.len())]),
            3 => {
                // A length or a number at its extreme.
                let number = [0, 1, u32::MAX, u32::MAX - 1, 1 << 31][below(random, 5)];
                bytes.iter_mut().skip(at).zip(number.to_le_bytes()).for_each(|(b, n)| *b = n);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << below(random, 8);
                }
            }
        }
    }
    bytes
}
