//! Bugs that systems like this one had, K1 to K26, each staged with the real engines and seen not
//! to happen. The list and where each was seen are in the project's test plan; every test says it
//! again in a few words, with what a naive implementation does.

mod finality;
mod hostile;
mod kit;
mod prepared;
mod quorum;
mod restart;
mod round_change;
mod store;
mod sync;
