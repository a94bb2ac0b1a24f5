//! TimeCoin: a UTXO ledger whose masternodes agree by voting, as a library.

pub mod consensus;
pub mod engine;
pub mod finality;
pub mod harness;
pub mod ledger;
pub mod localnet;
pub mod mempool;
pub mod network;
pub mod node;
pub mod params;
pub mod peers;
pub mod sim;
pub mod storage;
pub mod sync;
pub mod testbed;
#[cfg(test)]
pub(crate) mod testkit;
pub mod types;
pub mod votes;

pub use engine::output::{Rejection, TransactionStatus};
pub use ledger::state::Tip;
pub use ledger::transaction::TransactionError;
pub use ledger::view::Origin;
pub use localnet::{LocalNet, LocalNetConfig};
pub use network::{PeerInfo, PeerTarget};
pub use node::{
    Balance, BlockId, BootstrapProgress, Bootstrapped, Config, ConfigField, Draft, ErrorCategory,
    ErrorCode, MempoolInfo, Metric, MetricKind, Node, NodeError, NodeEvent, NodeEventKind,
    NodeState, NodeStatus, OutpointState, Parcel, Payment, Peers, Runtime, Signer,
    SubmittedTransaction, Subscription, TransactionInfo, UtxoInfo, Waker, Wallet, secret_from_text,
    secret_to_text, verify_finality_proof,
};
pub use params::{Chain, ChainParams, Genesis, GenesisError};
pub use storage::StorageError;
pub use types::address::{Address, AddressError, Network};
pub use types::amount::Amount;
pub use types::block::{Block, BlockHeader};
pub use types::certificate::{CommitCertificate, FinalityCertificate};
pub use types::chain::{Epoch, Height, Round, Timestamp};
pub use types::hash::{BlockHash, ChainId, Hash256, Txid, Wtxid};
pub use types::keys::{KeyPair, PublicKey, SecretKey, Signature};
pub use types::masternode_set::{Masternode, MasternodeSet};
pub use types::message::Decided;
pub use types::transaction::{OutPoint, Transaction, TxInput, TxKind, TxOutput};
