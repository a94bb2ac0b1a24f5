//! Values whose signatures were checked, so that no function checks them twice or forgets to.

use std::ops::Deref;
use std::sync::Arc;

use super::hash::{Txid, Wtxid};
use super::transaction::Transaction;

/// A value whose form and signatures hold. Only the functions that check can make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// Vouches for `value`: its caller checked form and signatures, or made them itself.
    pub(crate) const fn vouch(value: T) -> Self {
        Verified(value)
    }

    /// The value, without the proof that it was checked.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// A transaction whose form and signatures hold, with its ids and size computed once.
///
/// Cheap to clone. Whether its inputs are there to be spent is another question.
#[derive(Clone, Debug)]
pub struct VerifiedTransaction(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    transaction: Arc<Transaction>,
    txid: Txid,
    wtxid: Wtxid,
    bytes: u32,
}

impl VerifiedTransaction {
    pub(crate) fn vouch(
        transaction: Arc<Transaction>,
        txid: Txid,
        wtxid: Wtxid,
        bytes: usize,
    ) -> Self {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        VerifiedTransaction(Arc::new(Inner { transaction, txid, wtxid, bytes }))
    }

    /// Its id.
    pub fn txid(&self) -> Txid {
        self.0.txid
    }

    /// The hash of all its bytes.
    pub fn wtxid(&self) -> Wtxid {
        self.0.wtxid
    }

    /// [`VerifiedTransaction::wtxid`], borrowed.
    pub(crate) fn wtxid_ref(&self) -> &Wtxid {
        &self.0.wtxid
    }

    /// The length of its canonical bytes.
    pub fn bytes(&self) -> usize {
        self.0.bytes as usize
    }

    /// The transaction, shared.
    pub fn transaction(&self) -> &Arc<Transaction> {
        &self.0.transaction
    }
}

impl Deref for VerifiedTransaction {
    type Target = Transaction;

    fn deref(&self) -> &Transaction {
        &self.0.transaction
    }
}

impl PartialEq for VerifiedTransaction {
    fn eq(&self, other: &Self) -> bool {
        self.wtxid() == other.wtxid()
    }
}

impl Eq for VerifiedTransaction {}
