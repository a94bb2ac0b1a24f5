//! A network that fetches a snapshot: what peers answer goes to whoever asks, and not to the sync.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, sync_channel};

use super::error::PeerError;
use super::packet::{Blocks, GetBlocks, GetHeaders, GetOutputs, Headers, Outputs, Packet};
use super::peer::Peer;
use super::{Network, Shared};
use crate::ledger::state::LedgerState;
use crate::peers::rate::Class;
use crate::peers::score::Misbehavior;
use crate::sync::BadAnswer;
use crate::sync::snapshot::{Ask, Question, SnapshotPeer};
use crate::types::keys::PublicKey;

/// What a peer answered.
pub struct PeerAnswer {
    /// Who.
    pub peer: PublicKey,
    /// The length of its frame.
    pub bytes: usize,
    /// What.
    pub answer: SnapshotAnswer,
    /// Counts it out of what waits.
    _waiting: WaitingAnswer,
}

/// See [`PeerAnswer`].
pub enum SnapshotAnswer {
    /// Headers.
    Headers(Headers),
    /// Blocks.
    Blocks(Blocks),
    /// Unspent outputs.
    Outputs(Outputs),
    /// A ledger state, to the question of a number.
    State(u64, Option<Box<LedgerState>>),
}

struct WaitingAnswer(Arc<Peer>);

impl Drop for WaitingAnswer {
    fn drop(&mut self) {
        self.0.counts.n_answers.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Network {
    /// Has all answers handed over instead of taken for a sync. Before [`Network::start`]; the
    /// second call gets nothing.
    pub fn fetch_snapshot(&self) -> Receiver<PeerAnswer> {
        let (sender, receiver) = sync_channel(ANSWERS_MAX);
        // A receiver without a sender is one that nothing comes to.
        let _ = self.0.answers.set(sender);
        receiver
    }

    /// The peers that are connected, and what they say they have.
    pub fn snapshot_peers(&self) -> Vec<SnapshotPeer> {
        let peers = self.0.all_peers();
        let one = |peer: &Arc<Peer>| SnapshotPeer {
            key: peer.key,
            height: peer.state().tip.height,
            first_block: peer.first_block,
        };
        peers.iter().map(one).collect()
    }

    /// Puts a question to a peer, if it is connected.
    pub fn ask(&self, ask: &Ask) {
        let id = ask.id;
        let question = match ask.what {
            Question::Headers { from, count } => Packet::GetHeaders(GetHeaders { id, from, count }),
            Question::Blocks { from, count } => Packet::GetBlocks(GetBlocks { id, from, count }),
            Question::Outputs { after, count } => {
                Packet::GetOutputs(GetOutputs { id, after, count })
            }
            Question::State => Packet::GetState(id),
        };
        if let Some(peer) = self.0.peer(&ask.peer) {
            self.0.say(&peer, Class::Control, &question);
        }
    }

    /// Counts what a peer sent that no honest one sends.
    pub fn blame(&self, key: &PublicKey, bad: BadAnswer) {
        if let Some(peer) = self.0.peer(key) {
            self.0.blame_answer(&peer, bad);
        }
    }
}

impl Shared {
    pub(super) fn fetches_snapshot(&self) -> bool {
        self.answers.get().is_some()
    }

    /// Nobody is asked for more than a few things at a time: more answers are none.
    pub(super) fn hand_over(
        &self,
        peer: &Arc<Peer>,
        packet: Packet,
        bytes: usize,
    ) -> Result<(), PeerError> {
        let answer = match packet {
            Packet::Headers(answer) => SnapshotAnswer::Headers(answer),
            Packet::Blocks(answer) => SnapshotAnswer::Blocks(answer),
            Packet::Outputs(answer) => SnapshotAnswer::Outputs(answer),
            Packet::State(id, state) => SnapshotAnswer::State(id, state),
            _ => return Err(PeerError::Garbage("answer")),
        };
        let n_waiting = peer.counts.n_answers.fetch_add(1, Ordering::SeqCst);
        let waiting = WaitingAnswer(Arc::clone(peer));
        if n_waiting >= ANSWERS_PER_PEER_MAX {
            return Err(PeerError::Misbehavior(Misbehavior::Unrequested));
        }
        let answer = PeerAnswer { peer: peer.key, bytes, answer, _waiting: waiting };
        let is_taken = self.answers.get().is_some_and(|answers| answers.try_send(answer).is_ok());
        if !is_taken {
            peer.counts.dropped_in.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Answers that wait to be looked at.
const ANSWERS_MAX: usize = 32;

/// Those of one peer: twice what is asked of one at a time.
const ANSWERS_PER_PEER_MAX: usize = 4;
