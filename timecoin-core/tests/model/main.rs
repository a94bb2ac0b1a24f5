//! Model checking of the protocol, without the code that runs it (PROTOCOL 4 and 5).
//!
//! `finality` and `consensus` state the rules, tagged F1 to F7 and B1 to B7; `scenarios` says in
//! which small networks they are checked, `rules` that they hold there, and `mutants` that each
//! of them is needed. `docs/protocol.md` 13 says what the model leaves out.
//!
//! `MODEL=full` checks the large ones too. `-- --nocapture` shows figures and runs.

#![allow(clippy::print_stdout, reason = "figures and runs are printed")]

mod check;
mod consensus;
mod finality;
mod masternode;
mod mutant;
mod mutants;
mod protocol;
mod rules;
mod scenario;
mod scenarios;
mod state;
mod table;
mod trace;
mod view;
