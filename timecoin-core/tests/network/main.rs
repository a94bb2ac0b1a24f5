//! Nodes with real sockets on the loopback interface.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]
#![allow(unreachable_pub, reason = "modules of one test")]

mod attacker;
mod attacks;
mod attacks_frames;
mod attacks_handshake;
mod attacks_peers;
mod attacks_snapshot;
mod attacks_sync;
mod attacks_votes;
mod headers;
mod links;
mod local;
mod noise;
mod proxy;
mod snapshot;
mod testkit;
