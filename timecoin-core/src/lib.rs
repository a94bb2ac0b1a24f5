//! TimeCoin: a UTXO ledger whose masternodes agree by voting, as a library.

pub mod ledger;
pub mod params;
pub mod storage;
pub mod types;

pub use types::address::{Address, Network};
pub use types::amount::Amount;
pub use types::keys::KeyPair;
