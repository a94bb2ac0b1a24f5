//! Refuses to open a node in a process that was forked from one that had opened nodes.

use std::process;
use std::sync::OnceLock;

use crate::error::Failure;

/// The process that opened the first node: the runtime and the store keep threads that a forked
/// child believes to have.
static FIRST_OPEN: OnceLock<u32> = OnceLock::new();

/// Whether this process may open nodes.
pub(crate) fn check_open() -> Result<(), Failure> {
    let here = process::id();
    let made_in = *FIRST_OPEN.get_or_init(|| here);
    if made_in == here { Ok(()) } else { Err(Failure::Forked { made_in, here }) }
}
