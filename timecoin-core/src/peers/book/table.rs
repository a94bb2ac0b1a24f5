//! Buckets of a fixed size, drawn from evenly by bucket.

use rand_core::Rng;

use crate::peers::below;

/// Places of a bucket.
pub(super) const BUCKET_MAX: usize = 64;

/// Positions of entries, by bucket.
#[derive(Clone, Debug)]
pub(super) struct Table {
    buckets: Vec<Vec<u32>>,
}

impl Table {
    pub(super) fn new(n_buckets: usize) -> Self {
        Table { buckets: vec![Vec::new(); n_buckets] }
    }

    pub(super) fn bucket(&self, bucket: usize) -> &[u32] {
        &self.buckets[bucket]
    }

    pub(super) fn is_full(&self, bucket: usize) -> bool {
        self.buckets[bucket].len() >= BUCKET_MAX
    }

    /// Whether there was room, and `id` was not there.
    pub(super) fn insert(&mut self, bucket: usize, id: u32) -> bool {
        let is_new = !self.is_full(bucket) && !self.buckets[bucket].contains(&id);
        if is_new {
            self.buckets[bucket].push(id);
        }
        is_new
    }

    pub(super) fn remove(&mut self, bucket: usize, id: u32) {
        self.buckets[bucket].retain(|other| *other != id);
    }

    /// One of the buckets that hold something, then one of its entries.
    pub(super) fn pick(&self, rng: &mut impl Rng) -> Option<u32> {
        let n_filled = self.buckets.iter().filter(|bucket| !bucket.is_empty()).count();
        let mut filled = self.buckets.iter().filter(|bucket| !bucket.is_empty());
        let bucket = filled.nth(below(rng, n_filled))?;
        bucket.get(below(rng, bucket.len())).copied()
    }
}
