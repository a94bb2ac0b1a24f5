//! Agreement on blocks, one height at a time: QBFT (PROTOCOL 5).
//!
//! `round` is the table of the paper; `height` collects the messages of a height and feeds the
//! table; `ballots` counts them. Signing, recording and sending are the engine's.

mod ballots;
mod height;
mod round;

pub(crate) use ballots::ROUNDS_PER_VOTER_MAX;
pub use ballots::{BallotBox, Heard, ROUNDS_AHEAD_MAX};
pub(crate) use height::BLOCKS_MAX;
pub use height::{Candidate, Consensus, Restored, Step};
pub use round::{Action, Input, Position, RoundState, transition};
