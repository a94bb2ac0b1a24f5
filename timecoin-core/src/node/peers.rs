//! The way to other nodes and from them: messages out through [`Peers`], in through
//! [`Node::receive`], questions answered from the store.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Node;
use super::driver::Request;
use super::error::NodeError;
use super::parking::Deadline;
use super::shared::Shared;
use crate::engine::input::PeerId;
use crate::engine::output::To;
use crate::engine::verify::{MessageError, VerifyContext, verify_message};
use crate::storage::StorageError;
use crate::types::chain::Height;
use crate::types::encode::encoded_len;
use crate::types::hash::Wtxid;
use crate::types::message::{self, Message};

/// Carries messages to other nodes.
pub trait Peers: Send + Sync {
    /// Sends `message`, or loses it: the protocol repeats what matters. It must not wait.
    fn send(&self, to: To, message: Message);
}

/// Nobody: the node is alone.
pub(super) struct NoPeers;

impl Peers for NoPeers {
    fn send(&self, _to: To, _message: Message) {}
}

impl Node {
    /// Takes a message of another node: checks form and signatures on this thread, and gives it
    /// to the engine.
    ///
    /// # Errors
    /// [`NodeError::Message`] where no honest node can have sent it; [`NodeError::Busy`],
    /// [`NodeError::NotRunning`], [`NodeError::Closed`], [`NodeError::Poisoned`].
    pub fn receive(&self, from: PeerId, message: Message) -> Result<(), NodeError> {
        let shared = self.shared();
        shared.life.check_running()?;
        let state = shared.storage.state();
        let params = shared.chain.params();
        let context = VerifyContext {
            chain: &shared.chain,
            current: (state.epoch(&shared.chain), &state.masternodes),
            tip: (params.epoch_of(state.tip.height), &state.tip_masternodes),
            known: &|wtxid: &Wtxid| shared.verified.get(wtxid),
        };
        let request = match verify_message(message.clone(), &context) {
            Ok(message) => Request::Message(from, message),
            Err(MessageError::OtherEpoch { epoch }) => Request::OtherEpoch(from, epoch, message),
            Err(error) => return Err(NodeError::Message(Arc::new(error))),
        };
        shared.inbox.push(request, Deadline::after(shared.config.submit_timeout()))
    }
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
