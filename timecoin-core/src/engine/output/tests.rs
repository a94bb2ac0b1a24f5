//! The codec of what the vote log keeps.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::types::arbitrary::{self, codec_tests};

fn record() -> impl Strategy<Value = Record> {
    let votes = (
        arbitrary::vote_batch(),
        vec(arbitrary::transaction().prop_map(Arc::new), 0..2),
        vec(arbitrary::vote_batch().prop_map(Arc::new), 0..2),
        vec(arbitrary::approve_certificate().prop_map(Arc::new), 0..2),
    );
    let votes = votes.prop_map(|(batch, transactions, supports, certificates)| Record::Votes {
        batch,
        transactions,
        supports,
        certificates,
    });
    let ballot = (
        arbitrary::signed_ballot(),
        option::of(arbitrary::block()),
        option::of(arbitrary::prepared_certificate()),
    );
    let ballot =
        ballot.prop_map(|(ballot, block, prepared)| Record::Ballot { ballot, block, prepared });
    let frozen = arbitrary::epoch().prop_map(Record::Frozen);
    let observing = arbitrary::epoch().prop_map(Record::Observing);
    let certificates = [arbitrary::commit_certificate(), arbitrary::commit_certificate()];
    let violation = (certificates, vec(arbitrary::public_key(), 0..3)).prop_map(
        |([own, other], signed_both)| {
            Record::Violation(Box::new(Violation { own, other, signed_both }))
        },
    );
    prop_oneof![votes, ballot, frozen, observing, violation]
}

codec_tests! {
    records: record(),
}
