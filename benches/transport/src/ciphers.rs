//! What a record costs in each cipher, without sockets.

use std::hint::black_box;
use std::time::Instant;

use snow::params::CipherChoice;
use snow::resolvers::{CryptoResolver, DefaultResolver, RingResolver};
use snow::types::Cipher;

use crate::resolver::Resolver;

pub fn run() {
    println!(
        "\n| nanoseconds to seal and open | 320 B | 16,384 B | ns per KiB |\n|---|---:|---:|---:|"
    );
    row("AES-256-GCM, ours (aes-gcm 0.11)", &Resolver, CipherChoice::AESGCM);
    row("AES-256-GCM, snow's (aes-gcm 0.10)", &DefaultResolver, CipherChoice::AESGCM);
    row("AES-256-GCM, ring", &RingResolver, CipherChoice::AESGCM);
    row("ChaCha20-Poly1305, snow's", &DefaultResolver, CipherChoice::ChaChaPoly);
    row("ChaCha20-Poly1305, ring", &RingResolver, CipherChoice::ChaChaPoly);
}

fn row(name: &str, resolver: &dyn CryptoResolver, choice: CipherChoice) {
    let mut cipher = resolver.resolve_cipher(&choice).expect("built in");
    cipher.set(&[5; 32]);
    let (small, large) = (time(cipher.as_ref(), 320), time(cipher.as_ref(), 16_384));
    println!("| {name} | {small:.0} | {large:.0} | {:.0} |", large / 16.0);
}

/// Nanoseconds for a pair, in the best of many short batches.
fn time(cipher: &dyn Cipher, bytes: usize) -> f64 {
    let plain = vec![1; bytes];
    let (mut sealed, mut opened) = (vec![0; bytes + 16], vec![0; bytes]);
    let mut best = f64::MAX;
    for batch in 0..5_000 {
        let begin = Instant::now();
        for n in batch * PAIRS..(batch + 1) * PAIRS {
            cipher.encrypt(n, &[], black_box(&plain), &mut sealed);
            cipher.decrypt(n, &[], black_box(&sealed), &mut opened).expect("just sealed");
        }
        best = best.min(begin.elapsed().as_nanos() as f64 / PAIRS as f64);
    }
    best
}

const PAIRS: u64 = 8;
