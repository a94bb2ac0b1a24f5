//! A node in the host's process: [`Node`], [`Config`], [`Wallet`] and everything that waits,
//! counts and tells for them.
//!
//! This module owns threads, clocks and the order in which the engine's outputs are performed
//! (`docs/DESIGN.md`, the driver). It decides nothing: the engine does, and the store keeps.
//! Every call blocks its own thread only, with the standard library's means, so that it works on
//! any thread, also on one of the host's async runtime.

mod actions;
mod bootstrap;
mod clock;
mod code;
mod config;
mod crash;
mod driver;
mod error;
mod event;
mod events;
mod gate;
mod generations;
mod inbox;
mod info;
mod known_keys;
mod life;
mod metrics;
mod parcel;
mod parking;
mod peers;
mod proofs;
mod published;
mod query;
mod readiness;
mod receive;
mod reply;
mod runtime;
mod shared;
mod signature_memo;
mod state;
mod submit;
mod verified_cache;
mod verify;
mod wait;
mod waiters;
mod wallet;
mod wire;
mod writer;

use std::sync::Arc;

pub use bootstrap::{BootstrapProgress, Bootstrapped};
pub use code::{ErrorCategory, ErrorCode};
pub use config::{Config, ConfigField};
pub use error::{BrokenInvariant, NodeError, rejection_code, transaction_code};
pub use event::{NodeEvent, NodeEventKind};
pub use events::{Subscription, Waker};
pub use info::{MempoolInfo, NodeStatus};
pub(crate) use life::{Outside, open_store};
pub use metrics::{Metric, MetricKind};
pub use parcel::Parcel;
pub(crate) use parking::{Bell, Deadline};
pub use peers::Peers;
pub use published::OutpointState;
pub use query::{Balance, BlockId, TransactionInfo, UTXOS_PAGE_MAX, UtxoInfo};
pub(crate) use receive::WeakNode;
pub use runtime::Runtime;
pub use signature_memo::SharedSignatures;
pub use state::NodeState;
pub use submit::SubmittedTransaction;
pub(crate) use verified_cache::VerifiedCache;
pub use wait::verify_finality_proof;
pub use wallet::{Draft, Payment, Signer, Wallet, secret_from_text, secret_to_text};

use crate::network::Network;
use life::Living;
use shared::Shared;
use verify::Verifier;

/// A TimeCoin node in this process. Cheap to clone; all clones are the same node.
///
/// Any thread may call anything at any time. Closing ends it for all clones; dropping the last
/// clone closes it too, and then waits as long as closing takes.
///
/// ```
/// use std::time::Duration;
/// use timecoin_core::{Amount, Config, KeyPair, Node, Wallet};
///
/// let second = Duration::from_secs(1);
/// let node = Node::open(Config::regtest())?;
/// node.start()?;
/// let wallet = Wallet::new(&node, Config::regtest_wallet());
/// let bob = KeyPair::from_seed(b"bob").address();
/// let payment = wallet.pay(&bob, Amount::from_time(5))?;
/// node.wait_finalized(&payment.txid, 5 * second)?;
/// let height = node.wait_confirmed(&payment.txid, 5 * second)?;
/// assert!(node.block(height)?.is_some());
/// assert_eq!(node.balance(&bob)?.confirmed, Amount::from_time(5));
/// node.close(5 * second)?;
/// # Ok::<(), timecoin_core::NodeError>(())
/// ```
#[derive(Clone)]
pub struct Node(Arc<Living>);

impl Node {
    fn shared(&self) -> &Arc<Shared> {
        self.0.shared()
    }

    fn verifier(&self) -> &Arc<Verifier> {
        self.0.verifier()
    }

    fn peering(&self) -> Option<&Arc<Network>> {
        self.0.network()
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut node = f.debug_struct("Node");
        node.field("state", &self.state()).field("height", &self.tip().height);
        node.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
