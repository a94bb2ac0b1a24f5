//! Nodes with real sockets on the loopback interface.

mod links;
mod local;
mod testkit;
