//! `Noise_NN_25519_AESGCM_SHA256` from its specification: a second pair of eyes on what the node
//! says it speaks.

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};
use curve25519_dalek::montgomery::MontgomeryPoint;
use sha2::{Digest, Sha256};

/// The handshake of one end, as far as it is.
pub struct Handshake {
    secret: [u8; 32],
    /// What both ends have seen.
    pub hash: [u8; 32],
    chain: [u8; 32],
    key: Option<[u8; 32]>,
}

/// One direction of a connection.
pub struct Cipher {
    key: Aes256Gcm,
    n_used: u64,
}

impl Handshake {
    pub fn new(prologue: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash[..NAME.len()].copy_from_slice(NAME);
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).unwrap();
        let mut handshake = Handshake { secret, hash, chain: hash, key: None };
        handshake.mix_hash(prologue);
        handshake
    }

    /// A message of this end; the second one mixes in what both know.
    pub fn write(&mut self, theirs: Option<&[u8; 32]>) -> Vec<u8> {
        let mut message = MontgomeryPoint::mul_base_clamped(self.secret).to_bytes().to_vec();
        self.mix_hash(&message.clone());
        if let Some(theirs) = theirs {
            self.mix_key(theirs);
        }
        let mut payload = Vec::new();
        if let Some(key) = self.key {
            Cipher::new(&key).seal(&self.hash, &mut payload);
        }
        self.mix_hash(&payload);
        message.extend(payload);
        message
    }

    /// A message of the other end; returns its key.
    pub fn read(&mut self, message: &[u8], is_second: bool) -> [u8; 32] {
        let (theirs, payload) = message.split_first_chunk::<32>().unwrap();
        self.mix_hash(theirs);
        if is_second {
            self.mix_key(theirs);
        }
        if let Some(key) = self.key {
            let mut sealed = payload.to_vec();
            Cipher::new(&key).open(&self.hash, &mut sealed).unwrap();
        }
        self.mix_hash(payload);
        *theirs
    }

    /// The directions from the dialler and from the listener.
    pub fn split(&self) -> [Cipher; 2] {
        derive(&self.chain, &[]).map(|key| Cipher::new(&key))
    }

    fn mix_hash(&mut self, bytes: &[u8]) {
        self.hash = sha256(&[&self.hash, bytes]);
    }

    fn mix_key(&mut self, theirs: &[u8; 32]) {
        let shared = MontgomeryPoint(*theirs).mul_clamped(self.secret);
        let [chain, key] = derive(&self.chain, shared.as_bytes());
        (self.chain, self.key) = (chain, Some(key));
    }
}

impl Cipher {
    fn new(key: &[u8; 32]) -> Self {
        Cipher { key: Aes256Gcm::new(key.into()), n_used: 0 }
    }

    /// Encrypts in place and appends the tag.
    pub fn seal(&mut self, known: &[u8], bytes: &mut Vec<u8>) {
        let nonce = nonce(self.n_used).into();
        let tag = self.key.encrypt_inout_detached(&nonce, known, (&mut bytes[..]).into()).unwrap();
        bytes.extend(tag);
        self.n_used += 1;
    }

    /// Decrypts in place and takes the tag away.
    pub fn open(&mut self, known: &[u8], bytes: &mut Vec<u8>) -> Result<(), aes_gcm::Error> {
        let tag = bytes.split_off(bytes.len().saturating_sub(16));
        let tag = tag[..].try_into().map_err(|_| aes_gcm::Error)?;
        let nonce = nonce(self.n_used).into();
        self.key.decrypt_inout_detached(&nonce, known, (&mut bytes[..]).into(), tag)?;
        self.n_used += 1;
        Ok(())
    }
}

fn nonce(n: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&n.to_be_bytes());
    nonce
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}

fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let pad = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = sha256(&[&[&pad(0x36)[..]], parts].concat());
    sha256(&[&pad(0x5c), &inner])
}

/// HKDF with two outputs.
fn derive(chain: &[u8; 32], input: &[u8]) -> [[u8; 32]; 2] {
    let secret = hmac(chain, &[input]);
    let first = hmac(&secret, &[&[1]]);
    let second = hmac(&secret, &[&first, &[2]]);
    [first, second]
}

const NAME: &[u8] = b"Noise_NN_25519_AESGCM_SHA256";
