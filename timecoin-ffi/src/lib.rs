//! The C interface of a TimeCoin node: `libtimecoin` and its header `include/timecoin.h`.
//!
//! A function here converts, calls one method of `timecoin_core`, and converts back. Every export
//! runs inside `guard`: process check, handle lookup, panics caught, status. Objects are handles
//! of `handle`; the caller's memory is touched in `pointer` and nowhere else.
//! `tests/header.rs` makes the header from these files.

#![deny(unsafe_op_in_unsafe_fn)]

mod failure;
mod guard;
mod handle;
mod numbers;
mod pointer;

pub mod block;
pub mod bootstrap;
pub mod bytes;
pub mod config;
pub mod constants;
pub mod draft;
pub mod error;
pub mod event;
pub mod localnet;
pub mod localnet_events;
pub mod node;
pub mod peer;
pub mod proof;
pub mod query;
pub mod reports;
pub mod secret;
pub mod sim;
pub mod sim_read;
pub mod text;
pub mod transaction;
pub mod types;
pub mod wait;
pub mod wallet;
