//! The way to other nodes: messages out through [`Peers`], questions answered from the store.
//! What they send comes in through [`super::Node::receive`].

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::shared::Shared;
use crate::engine::input::PeerId;
use crate::engine::output::To;
use crate::engine::verify::MessageError;
use crate::storage::StorageError;
use crate::types::chain::Height;
use crate::types::encode::encoded_len;
use crate::types::hash::Txid;
use crate::types::message::{self, Message};

/// Carries messages to other nodes.
pub trait Peers: Send + Sync {
    /// Sends `message`, or loses it: the protocol repeats what matters. It must not wait.
    fn send(&self, to: To, message: Message);

    /// `from` sent what no honest node can have sent. It must not wait.
    fn on_misbehavior(&self, from: PeerId, error: &MessageError);

    /// A transaction is in the mempool that was not there. It must not wait.
    fn on_pending(&self, _txid: &Txid) {}

    /// A block is decided and on disk. It must not wait.
    fn on_block(&self) {}

    /// The bytes of a message of `from` hold. It must not wait.
    fn on_verified(&self, _from: PeerId, _message: &[u8]) {}
}

/// Nobody: the node is alone.
pub(super) struct NoPeers;

impl Peers for NoPeers {
    fn send(&self, _to: To, _message: Message) {}

    fn on_misbehavior(&self, _from: PeerId, _error: &MessageError) {}
}

/// Answers a question from the store, on a thread that may wait for the disk. Where too many are
/// being answered this one is not: the peer asks again.
pub(super) fn serve(shared: &Arc<Shared>, from: PeerId, request: message::Request) {
    let n_before = shared.n_serving.fetch_add(1, Ordering::SeqCst);
    if n_before >= SERVING_MAX {
        shared.n_serving.fetch_sub(1, Ordering::SeqCst);
        return;
    }
    let shared = Arc::clone(shared);
    tokio::task::spawn_blocking(move || {
        let serving = Serving(&shared);
        if let Err(error) = answer(serving.0, from, &request) {
            tracing::warn!(%error, "a peer's question could not be answered");
        }
    });
}

/// Counts itself out, also where the store panics.
struct Serving<'a>(&'a Shared);

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        self.0.n_serving.fetch_sub(1, Ordering::SeqCst);
    }
}

fn answer(shared: &Shared, from: PeerId, request: &message::Request) -> Result<(), StorageError> {
    let (mut height, n_max) = match request {
        message::Request::Transactions(_) => return Ok(()),
        message::Request::Block(hash) => match shared.storage.height_of(hash)? {
            Some(height) => (height, 1),
            None => return Ok(()),
        },
        message::Request::Decided(height) => (*height, SERVED_BLOCKS_MAX),
    };
    let mut bytes = 0;
    for _ in 0..n_max {
        let Some(decided) = shared.storage.block(height.max(Height(1)))? else { break };
        bytes += encoded_len(&decided);
        shared.peers.send(To::Peer(from), Message::Decided(decided));
        if bytes > SERVED_BYTES_MAX {
            break;
        }
        height = height.next();
    }
    Ok(())
}

/// Questions that are being answered from the store at a time.
const SERVING_MAX: usize = 16;

/// Blocks in one answer.
const SERVED_BLOCKS_MAX: usize = 100;

/// An answer ends once it holds so many bytes: a full block.
const SERVED_BYTES_MAX: usize = 4_000_000;
