//! With a rule dropped the checker finds what goes wrong.

use super::check::{assert_fails, assert_holds};
use super::mutant::Mutant::*;
use super::protocol::{AGREEMENT, FINALITY, PROGRESS};
use super::scenarios::*;

/// One test for each: the rules dropped, the model, the property that fails.
macro_rules! fails {
    ($($test:ident: $dropped:expr, $scenario:expr, $property:expr;)*) => {
        $(#[test]
        fn $test() {
            assert_fails($scenario, &$dropped, $property);
        })*
    };
}

fails! {
    f1_votes_beside_the_tip: [F1Tip], ONE_HEIGHT, FINALITY;
    f1_approve_before_the_parent_is_final: [F1Parent], VOTES, FINALITY;
    f2_approve_both: [F2], ONE_HEIGHT, PROGRESS;
    f2_approve_both_and_commit_both: [F2, F3Conflict], VOTES, FINALITY;
    f2_approve_after_reject: [F2Promise], THREE_PAYMENTS, PROGRESS;
    f3_commit_without_certificate: [F3], ONE_HEIGHT, PROGRESS;
    f3_commit_whatever: [F3, F3Conflict], VOTES, FINALITY;
    f4_one_round_of_votes: [F4], ONE_HEIGHT, FINALITY;
    f5a_vote_against_a_prepared_block: [F5a], ONE_HEIGHT, FINALITY;
    f5b_prepare_against_a_commit: [F5b], ONE_HEIGHT, FINALITY;
    f5c_refuse_a_justified_proposal: [F5c], ONE_HEIGHT, PROGRESS;
    f6_unlock_by_time: [F6Time], ONE_HEIGHT, PROGRESS;
    f6_unlock_by_time_and_commit_both: [F6Time, F3Conflict], VOTES, FINALITY;
    f6_unlock_by_few_rejects: [F6Rejects], ONE_ROUND, PROGRESS;
    f6_never_unlock: [F6Keep], TWO_OUTPUTS, PROGRESS;
    f7_include_the_contested_later: [F7], ONE_HEIGHT, PROGRESS;
    b1_any_prepared_round: [B1], THREE_ROUNDS, AGREEMENT;
    b5_let_the_prepared_block_go: [B5], ALL_HONEST, AGREEMENT;
    b6_join_at_exactly_so_many: [B6], THREE_ROUNDS_TIMELY, PROGRESS;
    b7_vote_in_a_round_given_up: [B7], THREE_ROUNDS, AGREEMENT;
    quorum_of_2f_1_among_five_blocks: [Quorum], FIVE, AGREEMENT;
    quorum_of_2f_1_among_six_blocks: [Quorum], SIX, AGREEMENT;
    quorum_of_2f_1_among_five_votes: [Quorum], FIVE, FINALITY;
    quorum_of_2f_1_among_six_votes: [Quorum], SIX, FINALITY;
    no_freeze: [Freeze], BOUNDARY, FINALITY;
    not_every: [Every], BOUNDARY, FINALITY;
    every_dead_one_too: [EveryDead], HEIGHT_AND_BOUNDARY, PROGRESS;
    no_inventory: [Inventory], BOUNDARY, PROGRESS;
}

/// A second line behind another rule: nothing is lost while that one holds.
#[test]
fn a_conflicting_commit_needs_a_conflicting_certificate() {
    assert_holds(ONE_HEIGHT, &[F3Conflict]);
    assert_holds(ONE_ROUND, &[F3Conflict]);
}

/// As above: the Commit that F5a forbids is what would do harm, not the Approve.
#[test]
fn an_approve_against_a_prepared_block_does_no_harm() {
    assert_holds(ONE_HEIGHT, &[F5aApprove]);
}
