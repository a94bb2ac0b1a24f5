//! With all the rules nothing goes wrong.

use super::check::assert_holds;
use super::scenario::Scenario;
use super::scenarios::*;

/// Checked with `MODEL=full` only: they take minutes.
const LARGE: &[Scenario] =
    &[WITH_REJECTS, BYZANTINE_PROPOSERS, FIVE_TWO_ROUNDS, SIX_TWO_ROUNDS, TWO_HEIGHTS];

macro_rules! holds {
    ($($test:ident: $scenario:expr;)*) => {
        $(#[test]
        fn $test() {
            assert_holds($scenario, &[]);
        })*
    };
}

holds! {
    votes: VOTES;
    one_height: ONE_HEIGHT;
    one_round_with_rejects: ONE_ROUND;
    three_rounds: THREE_ROUNDS;
    three_rounds_the_last_timely: THREE_ROUNDS_TIMELY;
    nobody_is_byzantine: ALL_HONEST;
    two_outputs: TWO_OUTPUTS;
    three_payments_of_one_output: THREE_PAYMENTS;
    five_masternodes: FIVE;
    six_masternodes: SIX;
    an_epoch_boundary: BOUNDARY;
    a_height_and_an_epoch_boundary: HEIGHT_AND_BOUNDARY;
}

#[test]
fn large_models() {
    let is_full = std::env::var("MODEL").is_ok_and(|model| model == "full");
    LARGE.iter().filter(|_| is_full).for_each(|scenario| assert_holds(*scenario, &[]));
}
