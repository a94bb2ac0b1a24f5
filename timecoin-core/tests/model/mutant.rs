//! What can be dropped from the rules, to see that the checker sees.

/// One rule dropped or replaced by what a plausible implementation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// Votes are given without asking whether the tip still allows the transaction.
    F1Tip,
    /// A child is approved before its parent is final.
    F1Parent,
    /// Approves of conflicting transactions.
    F2,
    /// Approve of a transaction that was rejected.
    F2Promise,
    /// Commit without the approve certificate.
    F3,
    /// Commit beside a live Commit of a conflicting transaction.
    F3Conflict,
    /// The approve certificate counts as finality.
    F4,
    /// Votes for what conflicts with a block that was Prepared.
    F5a,
    /// Only the Approve among them.
    F5aApprove,
    /// Fresh proposals that conflict with a Commit are accepted.
    F5b,
    /// Justified proposals that conflict with a Commit are refused.
    F5c,
    /// An Approve is released by time.
    F6Time,
    /// `f + 1` Rejects release an Approve.
    F6Rejects,
    /// A decided block releases no Approve.
    F6Keep,
    /// In rounds above 0 the proposer includes what is not certified.
    F7,
    /// A claim of any prepared round may be proposed, not only of the highest.
    B1,
    /// The prepared block is let go with the round.
    B5,
    /// Exactly `f + 1` RoundChanges make a masternode join, more do not.
    B6,
    /// Prepare and Commit in rounds that were given up.
    B7,
    /// `2f + 1` masternodes decide.
    Quorum,
    /// Votes go on in the last height of an epoch.
    Freeze,
    /// The last block of an epoch need not hold what was Committed.
    Every,
    /// The last block of an epoch must hold also what a decided block has made impossible.
    EveryDead,
    /// The last block's proposer does not ask what was Committed.
    Inventory,
}
