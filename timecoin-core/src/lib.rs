//! TimeCoin: a UTXO ledger whose masternodes agree by voting, as a library.

pub mod consensus;
pub mod engine;
pub mod finality;
pub mod ledger;
pub mod mempool;
pub mod params;
pub mod storage;
pub mod types;
pub mod votes;

pub use types::address::{Address, Network};
pub use types::amount::Amount;
pub use types::keys::KeyPair;
