//! Fetches what is decided elsewhere and not here.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::error::PeerError;
use super::host::NetworkEvent;
use super::packet::{BLOCKS_MAX, Blocks, GetBlocks, Packet};
use super::peer::Peer;
use super::{Shared, lock};
use crate::peers::rate::Class;
use crate::peers::score::Misbehavior;
use crate::sync::BadAnswer;
use crate::types::chain::Height;
use crate::types::encode::encoded_len;
use crate::types::message::{Decided, Message};

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
        let (tip, now) = (host.tip().height, host.now());
        let up_to = host.verifiable().min(Height(tip.0 + HANDED_MAX));
        let mut sync = lock(&self.sync);
        sync.on_tip(tip, now);
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
            let question = GetBlocks { id: ask.id, from: ask.from, count: ask.count };
            self.say(&peer, Class::Control, &Packet::GetBlocks(question));
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
        let blocks = answer.blocks.into_iter();
        let blocks = blocks.map(|one| (one.block.header.height, encoded_len(&one), one)).collect();
        let taken = lock(&self.sync).on_blocks(peer.key, answer.id, blocks, self.host().now());
        self.fetching.notify_one();
        match taken {
            Ok(()) => {}
            Err(BadAnswer::Unrequested) => {
                self.blame(Some(peer.key), peer.address, Misbehavior::Unrequested);
            }
            Err(BadAnswer::OtherBlocks) => {
                self.blame(Some(peer.key), peer.address, Misbehavior::InvalidBlock);
            }
        }
        Ok(())
    }
}

/// Blocks that the node has in hand at a time: of the largest, 32 MB.
const HANDED_MAX: u64 = 8;

/// Answers may be late, and peers silent.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Between two reports of progress.
const TELL_EVERY: Duration = Duration::from_secs(1);
