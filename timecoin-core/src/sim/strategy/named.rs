//! Strategies by name.

use super::Strategy;
use super::ballots::{
    Amnesia, BogusClaims, EquivocateBallots, Garbage, Replay, RoundsAhead, Selective, Withhold,
};
use super::blocks::{Censor, EquivocateProposal, InvalidBlocks, WrongJustification};
use super::votes::{EquivocateVotes, FalseInventory, RevealLate, VoteForAll, VoteForNothing};

/// The names of all strategies.
pub const STRATEGIES: &[&str] = &[
    "amnesia",
    "bogus-claims",
    "censor",
    "equivocate-ballots",
    "equivocate-proposal",
    "equivocate-votes",
    "false-inventory",
    "garbage",
    "invalid-blocks",
    "replay",
    "reveal-late",
    "rounds-ahead",
    "selective",
    "twins",
    "vote-for-all",
    "vote-for-nothing",
    "withhold",
    "wrong-justification",
];

/// The strategy of a name. `"twins"` is none: it is a second node.
pub fn by_name(name: &str) -> Option<Box<dyn Strategy>> {
    Some(match name {
        "amnesia" => Box::new(Amnesia),
        "bogus-claims" => Box::new(BogusClaims),
        "censor" => Box::new(Censor),
        "equivocate-ballots" => Box::new(EquivocateBallots::default()),
        "equivocate-proposal" => Box::new(EquivocateProposal),
        "equivocate-votes" => Box::new(EquivocateVotes),
        "false-inventory" => Box::new(FalseInventory),
        "garbage" => Box::new(Garbage),
        "invalid-blocks" => Box::new(InvalidBlocks::default()),
        "replay" => Box::new(Replay::default()),
        "reveal-late" => Box::new(RevealLate),
        "rounds-ahead" => Box::new(RoundsAhead),
        "selective" => Box::new(Selective),
        "vote-for-all" => Box::new(VoteForAll::default()),
        "vote-for-nothing" => Box::new(VoteForNothing::default()),
        "withhold" => Box::new(Withhold),
        "wrong-justification" => Box::new(WrongJustification::default()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_strategy_that_says_it() {
        for name in STRATEGIES.iter().filter(|name| **name != "twins") {
            assert_eq!(by_name(name).map(|strategy| strategy.name()), Some(*name));
        }
        assert!(by_name("kindness").is_none());
    }
}
