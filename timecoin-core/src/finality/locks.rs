//! Who holds which outpoint: one table for both kinds of lock, since most outpoints have both.

use std::collections::hash_map::Entry;

use crate::types::hash::Txid;
use crate::types::map::HashMap;
use crate::types::transaction::OutPoint;

/// The transactions that hold an outpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// By a live Approve.
    pub approve: Option<Txid>,
    /// By a live Commit.
    pub commit: Option<Txid>,
}

/// The outpoints that live votes of one masternode hold.
#[derive(Clone, Debug, Default)]
pub struct Locks(HashMap<OutPoint, Lock>);

impl Locks {
    /// Who holds an outpoint.
    pub fn get(&self, outpoint: &OutPoint) -> Option<&Lock> {
        self.0.get(outpoint)
    }

    /// How many outpoints are held.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Holds an outpoint by an Approve of `txid`.
    pub fn approve(&mut self, outpoint: OutPoint, txid: Txid) {
        self.0.entry(outpoint).or_default().approve = Some(txid);
    }

    /// Holds an outpoint by a Commit to `txid`.
    pub fn commit(&mut self, outpoint: OutPoint, txid: Txid) {
        self.0.entry(outpoint).or_default().commit = Some(txid);
    }

    /// Releases an outpoint from an Approve of `txid`.
    pub fn release_approve(&mut self, outpoint: OutPoint, txid: &Txid) {
        self.change(outpoint, |lock| {
            lock.approve.take_if(|by| by == txid);
        });
    }

    /// Releases an outpoint from all that `txid` holds it by.
    pub fn settle(&mut self, outpoint: OutPoint, txid: &Txid) {
        self.change(outpoint, |lock| {
            lock.approve.take_if(|by| by == txid);
            lock.commit.take_if(|by| by == txid);
        });
    }

    fn change(&mut self, outpoint: OutPoint, change: impl FnOnce(&mut Lock)) {
        if let Entry::Occupied(mut lock) = self.0.entry(outpoint) {
            change(lock.get_mut());
            if *lock.get() == Lock::default() {
                lock.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_holder_releases_and_nothing_is_left() {
        let (mine, other) = (Txid::from_bytes([1; 32]), Txid::from_bytes([2; 32]));
        let outpoint = OutPoint::new(Txid::ZERO, 0);
        let mut locks = Locks::default();
        locks.approve(outpoint, mine);
        locks.commit(outpoint, mine);
        locks.release_approve(outpoint, &other);
        locks.settle(outpoint, &other);
        let both = Lock { approve: Some(mine), commit: Some(mine) };
        assert_eq!(locks.get(&outpoint), Some(&both));
        locks.release_approve(outpoint, &mine);
        let commit = Lock { approve: None, commit: Some(mine) };
        assert_eq!(locks.get(&outpoint), Some(&commit));
        locks.settle(outpoint, &mine);
        assert!(locks.0.is_empty());
    }
}
