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
    prop_oneof![votes, ballot, frozen, observing]
}

codec_tests! {
    records: record(),
}
