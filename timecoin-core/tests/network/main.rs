//! Nodes with real sockets on the loopback interface.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]
#![allow(unreachable_pub, reason = "modules of one test")]

mod links;
mod local;
mod proxy;
mod testkit;
