//! Engines against each other: every message through its codec and the verifier, in an order
//! and with losses that a seed decides, on a clock that stands still unless a test moves it.

mod behind;
mod boundary;
mod cluster;
mod held;
mod late;
mod many;
mod older;
mod request;
mod restart;
mod solo;
mod supports;
