//! What a test does to the frames of a real connection.

use std::sync::Arc;

use crate::engine::input::PeerId;

/// Decides what becomes of each frame on its way out: it is put into the peer's queue at once,
/// later, more than once, or never. The handshake is not asked about.
pub trait Shaper: Send + Sync {
    /// A frame of so many bytes is to go to a peer. It must not wait.
    fn send(&self, to: PeerId, n_bytes: usize, put: Put);
}

/// Puts a frame into a peer's queue and says whether there was room. It may be called any number
/// of times.
pub type Put = Arc<dyn Fn() -> bool + Send + Sync>;
