//! AES-256-GCM for `snow` that keeps its key schedule: its own makes it anew for each record,
//! which costs as much again as a small one.

use aes_gcm::aead::AeadInPlace;
use aes_gcm::{Aes256Gcm, KeyInit};
use snow::Error;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};

/// What `snow` takes its primitives from.
pub(super) struct Resolver;

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        DefaultResolver.resolve_rng()
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        DefaultResolver.resolve_dh(choice)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        match choice {
            CipherChoice::AESGCM => Some(Box::new(AesGcm(Aes256Gcm::new(&[0; 32].into())))),
            CipherChoice::ChaChaPoly => None,
        }
    }
}

struct AesGcm(Aes256Gcm);

impl Cipher for AesGcm {
    fn name(&self) -> &'static str {
        "AESGCM"
    }

    fn set(&mut self, key: &[u8; 32]) {
        self.0 = Aes256Gcm::new(key.into());
    }

    fn encrypt(&self, nonce: u64, authtext: &[u8], plaintext: &[u8], out: &mut [u8]) -> usize {
        let (text, rest) = out.split_at_mut(plaintext.len());
        text.copy_from_slice(plaintext);
        let tag = self
            .0
            .encrypt_in_place_detached(&nonce_bytes(nonce), authtext, text)
            .expect("a record is shorter than 64 GiB");
        rest[..TAG_BYTES].copy_from_slice(&tag);
        plaintext.len() + TAG_BYTES
    }

    fn decrypt(
        &self,
        nonce: u64,
        authtext: &[u8],
        ciphertext: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Error> {
        let n = ciphertext.len().checked_sub(TAG_BYTES).ok_or(Error::Decrypt)?;
        let (text, tag) = ciphertext.split_at(n);
        let out = out.get_mut(..n).ok_or(Error::Decrypt)?;
        out.copy_from_slice(text);
        self.0
            .decrypt_in_place_detached(&nonce_bytes(nonce), authtext, out, tag.into())
            .map_err(|_| Error::Decrypt)?;
        Ok(n)
    }
}

fn nonce_bytes(nonce: u64) -> aes_gcm::Nonce<aes_gcm::aead::consts::U12> {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&nonce.to_be_bytes());
    bytes.into()
}

/// The authenticator of a record.
pub(super) const TAG_BYTES: usize = 16;
