//! A snapshot that any thread may keep, and that knows which simulation it is of.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::sim::{Simulation, Snapshot};
use crate::types::hash::Hash256;

/// The state of a simulation at one moment: to go back to, as often as one likes. Cheap to
/// clone.
#[derive(Clone)]
pub struct SharedSnapshot(Arc<Inner>);

struct Inner {
    // A strategy may be moved to another thread and not used by two.
    snapshot: Mutex<Snapshot>,
    family: Arc<()>,
    digest: Hash256,
    elapsed: Duration,
    height: u64,
}

impl SharedSnapshot {
    pub(super) fn take(sim: &Simulation, family: &Arc<()>) -> Self {
        SharedSnapshot(Arc::new(Inner {
            snapshot: Mutex::new(sim.snapshot()),
            family: Arc::clone(family),
            digest: Hash256::from_bytes(sim.digest()),
            elapsed: sim.elapsed(),
            height: sim.archive().height().0,
        }))
    }

    /// The digest of the simulation when it was taken.
    pub fn digest(&self) -> Hash256 {
        self.0.digest
    }

    /// How much virtual time had passed.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed
    }

    /// The height of the last block that was decided.
    pub fn height(&self) -> u64 {
        self.0.height
    }

    pub(super) fn is_of(&self, family: &Arc<()>) -> bool {
        Arc::ptr_eq(&self.0.family, family)
    }

    pub(super) fn revert(&self, sim: &mut Simulation) {
        let snapshot = self.0.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        sim.revert(&snapshot);
    }
}

impl fmt::Debug for SharedSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { digest, elapsed, height, .. } = &*self.0;
        let mut snapshot = f.debug_struct("SharedSnapshot");
        snapshot.field("digest", digest).field("elapsed", elapsed).field("height", height);
        snapshot.finish_non_exhaustive()
    }
}
