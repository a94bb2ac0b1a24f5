//! Finality certificates that somebody asked for, kept after the engine lets go of them.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use crate::types::certificate::FinalityCertificate;
use crate::types::hash::Txid;

/// The certificates asked for last.
#[derive(Debug)]
pub(super) struct Proofs(Mutex<LruCache<Txid, Arc<FinalityCertificate>>>);

impl Proofs {
    pub(super) fn new() -> Self {
        Proofs(Mutex::new(LruCache::new(PROOFS_MAX)))
    }

    pub(super) fn get(&self, txid: &Txid) -> Option<Arc<FinalityCertificate>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(txid).cloned()
    }

    pub(super) fn keep(&self, certificate: Arc<FinalityCertificate>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.put(certificate.txid, certificate);
    }
}

/// 512 certificates of 200 masternodes, 134 votes of some 450 bytes each, are 31 MB.
const PROOFS_MAX: NonZeroUsize = NonZeroUsize::new(512).expect("512 is not 0");
