//! Nodes that are dialled and waited for.

use std::thread;
use std::time::{Duration, Instant};

use timecoin_core::Node;

/// How others dial a node.
pub(crate) fn target(node: &Node) -> String {
    format!("{}@{}", node.node_key().unwrap(), node.listen_address().unwrap())
}

/// Waits until something is so, which it must be in time.
pub(crate) fn wait(patience: Duration, mut is_there: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_there() {
        assert!(began.elapsed() < patience);
        thread::sleep(Duration::from_micros(100));
    }
}
