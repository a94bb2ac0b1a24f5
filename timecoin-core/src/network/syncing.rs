//! Fetches what is decided elsewhere and not here.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::error::PeerError;
use super::host::NetworkEvent;
use super::packet::{BLOCKS_MAX, Blocks, GetBlocks, GetHeaders, HEADERS_MAX, Headers, Packet};
use super::peer::Peer;
use super::{Shared, lock};
use crate::peers::rate::Class;
use crate::peers::score::Misbehavior;
use crate::sync::headers::{CertifiedHeaders, HeaderError, HeaderRules};
use crate::sync::{Ask, BadAnswer, Came, What};
use crate::types::chain::Height;
use crate::types::encode::encoded_len;
use crate::types::message::{Decided, Message, Request};

/// Asks, and hands to the node what came, whenever something changes.
pub(super) async fn fetch(shared: Arc<Shared>) {
    let mut told: Option<Instant> = None;
    loop {
        let _ = timeout(LOOK_EVERY, shared.fetching.notified()).await;
        shared.hand_on();
        shared.ask();
        let progress = lock(&shared.sync).progress(shared.host().now());
        if let Some(progress) = progress
            && told.is_none_or(|at| at.elapsed() >= TELL_EVERY)
        {
            told = Some(Instant::now());
            shared.host().tell(NetworkEvent::SyncProgress(progress));
        }
    }
}

impl Shared {
    /// Gives the node the next blocks, no more than it can verify and hold.
    fn hand_on(&self) {
        let host = self.host();
        let (tip, now) = (host.tip(), host.now());
        let up_to = host.verifiable().min(Height(tip.height.0 + HANDED_MAX));
        let mut sync = lock(&self.sync);
        if sync.contradicts(tip.height, &tip.hash) {
            tracing::error!(height = %tip.height, "certified headers contradict the ledger");
            sync.forget_headers();
            self.send_to_all(&Message::Request(Request::Decided(tip.height)));
        }
        sync.on_tip(tip.height, now);
        while let Some((peer, decided)) = sync.next_block(up_to, now) {
            host.receive(peer, Message::Decided(decided));
        }
    }

    fn ask(&self) {
        let now = self.host().now();
        loop {
            let Some(ask) = lock(&self.sync).poll(now) else { return };
            let Some(peer) = self.peer(&ask.peer) else {
                lock(&self.sync).on_gone(&ask.peer);
                continue;
            };
            let Ask { id, from, count, .. } = ask;
            let question = match ask.what {
                What::Blocks => Packet::GetBlocks(GetBlocks { id, from, count }),
                What::Headers => Packet::GetHeaders(GetHeaders { id, from, count }),
            };
            self.say(&peer, Class::Control, &question);
        }
    }

    /// Whether a certificate is one of the block beside it. Only then can the ledger say what is
    /// wrong with the two; of another epoch it would wait for masternodes that it does not know.
    fn is_of_its_height(&self, decided: &Decided) -> bool {
        let (header, certificate) = (&decided.block.header, &decided.certificate);
        certificate.height == header.height
            && certificate.epoch == self.host().epoch_of(header.height)
            && certificate.block == header.hash()
    }

    pub(super) fn on_blocks(&self, peer: &Peer, answer: Blocks) -> Result<(), PeerError> {
        if answer.blocks.len() > usize::from(BLOCKS_MAX) {
            return Err(PeerError::Misbehavior(Misbehavior::Unrequested));
        }
        if !answer.blocks.iter().all(|one| self.is_of_its_height(one)) {
            return Err(PeerError::Misbehavior(Misbehavior::InvalidBlock));
        }
        let came = |one: Decided| {
            let (height, hash) = (one.block.header.height, one.certificate.block);
            Came { height, hash, bytes: encoded_len(&one), block: one }
        };
        let blocks = answer.blocks.into_iter().map(came).collect();
        let taken = lock(&self.sync).on_blocks(peer.key, answer.id, blocks, self.host().now());
        self.settle(peer, taken);
        Ok(())
    }

    /// Follows headers on a thread that may take its time: a certificate has up to 200
    /// signatures, and a page one for each change of the set.
    pub(super) fn on_headers(
        self: &Arc<Self>,
        peer: &Arc<Peer>,
        answer: Headers,
    ) -> Result<(), PeerError> {
        if answer.page.links.len() > usize::from(HEADERS_MAX) {
            return Err(PeerError::Misbehavior(Misbehavior::Unrequested));
        }
        if !lock(&self.sync).awaits_headers(&peer.key, answer.id) {
            let taken = lock(&self.sync).on_headers(peer.key, answer.id, None, self.host().now());
            self.settle(peer, taken);
            return Ok(());
        }
        let (shared, peer) = (Arc::clone(self), Arc::clone(peer));
        self.tasks.spawn_blocking(move || shared.follow(&peer, &answer));
        Ok(())
    }

    fn follow(&self, peer: &Arc<Peer>, answer: &Headers) {
        let host = self.host();
        let tip = host.anchor();
        let anchor = lock(&self.sync).anchor().filter(|anchor| anchor.height > tip.height).cloned();
        let anchor = anchor.unwrap_or_else(|| tip.clone());
        let rules =
            HeaderRules { chain_id: &self.chain_id, epoch_of: &|height| host.epoch_of(height) };
        let followed = rules.follow(&anchor, &answer.page);
        if let Err(error) = &followed {
            tracing::debug!(key = %peer.key, %error, "headers prove nothing");
        }
        let followed = match followed {
            // Another block at the tip is for the engine to judge, by the certificates of both.
            Err(HeaderError::WrongParent { expected, .. }) if expected == tip.hash => {
                self.ask_of_tip(peer, tip.height);
                Some(CertifiedHeaders { hashes: Vec::new(), end: tip })
            }
            followed => followed.ok(),
        };
        let now = host.now();
        let taken = lock(&self.sync).on_headers(peer.key, answer.id, followed, now);
        self.settle(peer, taken);
    }

    /// Asks once for what a peer has decided at the height of this node's tip.
    pub(super) fn ask_of_tip(&self, peer: &Peer, height: Height) {
        if peer.state().questioned.replace(height) != Some(height) {
            tracing::warn!(key = %peer.key, %height, "a peer's ledger differs");
            self.send_to(peer, &Message::Request(Request::Decided(height)));
        }
    }

    /// Goes on after an answer, which may cost its sender.
    fn settle(&self, peer: &Peer, taken: Result<(), BadAnswer>) {
        self.fetching.notify_one();
        if let Err(bad) = taken {
            self.blame_answer(peer, bad);
        }
    }

    /// Counts an answer that no honest peer gives.
    pub(super) fn blame_answer(&self, peer: &Peer, bad: BadAnswer) {
        let kind = match bad {
            BadAnswer::Unrequested => Misbehavior::Unrequested,
            BadAnswer::OtherBlocks
            | BadAnswer::NotCertified
            | BadAnswer::BadHeaders
            | BadAnswer::OtherOutputs => Misbehavior::InvalidBlock,
        };
        self.blame(Some(peer.key), peer.address, kind);
    }
}

/// Blocks that the node has in hand at a time: of the largest, 32 MB.
const HANDED_MAX: u64 = 8;

/// Answers may be late, and peers silent.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Between two reports of progress.
const TELL_EVERY: Duration = Duration::from_secs(1);
