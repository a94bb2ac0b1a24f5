//! What to ask of whom when behind: pages of decided blocks from several peers at once, handed on
//! in the order of heights.
//!
//! A peer's claim of a height costs it nothing, so it is worth one question at a time: who does
//! not answer, or not with what was asked, is asked nothing for a while that doubles each time.
//! Blocks come with the certificates that decide them and are verified by whoever takes them from
//! here; a page that does not bring the ledger forward counts against its sender too.
//!
//! Blocks further above the tip than a page are asked for once certified headers say which they
//! are ([`headers`]): what is not one of those costs its sender at once. A page is asked for
//! without: the ledger would not verify it sooner, and a question is saved.

mod certified;
pub mod headers;
mod questions;
pub mod snapshot;

use std::collections::BTreeMap;

use self::certified::Certified;
use self::headers::{Anchor, CertifiedHeaders};
pub use self::questions::QuestionLimits;
use self::questions::Questions;
use crate::types::chain::{Height, Timestamp};
use crate::types::hash::BlockHash;
use crate::types::keys::PublicKey;

/// Decides what to ask; `B` is a block as it came.
pub struct Sync<B> {
    limits: SyncLimits,
    tip: Height,
    tip_since: Timestamp,
    questions: Questions<Span>,
    /// Which blocks are proved to be decided, above the tip.
    certified: Certified,
    /// Blocks that wait to be handed on, by height.
    waiting: BTreeMap<Height, Waiting<B>>,
    waiting_bytes: usize,
    /// The last height that was handed on, and by whom it came.
    handed: Height,
    handed_from: BTreeMap<Height, PublicKey>,
    behind_since: Option<Timestamp>,
    bytes: u64,
}

/// Bounds of a sync.
#[derive(Clone, Debug)]
pub struct SyncLimits {
    /// Blocks asked for at once. Default 64.
    pub page_blocks: u16,
    /// How far above the tip blocks are asked for. Default 1,024.
    pub window_blocks: u64,
    /// Headers asked for at once. Default 256.
    pub page_headers: u16,
    /// How far above the tip headers are asked for. Default 4,096: 300 kB of hashes.
    pub window_headers: u64,
    /// Bytes of blocks that wait to be handed on, beyond which only the next page is asked for.
    /// Default 32 MB.
    pub waiting_bytes_max: usize,
    /// How peers are asked.
    pub questions: QuestionLimits,
    /// How long the ledger may take to go on after blocks were handed on, in milliseconds.
    /// Default 30,000.
    pub apply_ms_max: u64,
    /// How long to be one block behind before asking, in milliseconds: most often it is decided
    /// here by then. Default 1,000.
    pub patience_ms: u64,
}

impl Default for SyncLimits {
    fn default() -> Self {
        SyncLimits {
            page_blocks: 64,
            window_blocks: 1_024,
            page_headers: 256,
            window_headers: 4_096,
            waiting_bytes_max: 32_000_000,
            questions: QuestionLimits::default(),
            apply_ms_max: 30_000,
            patience_ms: 1_000,
        }
    }
}

/// The blocks that a question is about.
struct Span {
    from: Height,
    count: u16,
    what: What,
}

impl Span {
    fn end(&self) -> Height {
        Height(self.from.0 + u64::from(self.count))
    }

    /// Whether the block at a height is in the answer.
    fn holds(&self, height: Height) -> bool {
        self.what == What::Blocks && (self.from..self.end()).contains(&height)
    }
}

struct Waiting<B> {
    peer: PublicKey,
    hash: BlockHash,
    bytes: usize,
    block: B,
}

/// A block of an answer.
pub struct Came<B> {
    /// Its height.
    pub height: Height,
    /// Its id.
    pub hash: BlockHash,
    /// Its length.
    pub bytes: usize,
    /// The block.
    pub block: B,
}

/// A question to put to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// To whom.
    pub peer: PublicKey,
    /// Names the answer.
    pub id: u64,
    /// The first height.
    pub from: Height,
    /// How many.
    pub count: u16,
    /// Of what.
    pub what: What,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Blocks with their certificates.
    Blocks,
    /// Headers, and a certificate of the last.
    Headers,
}

/// How far a sync is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The height of the ledger.
    pub height: Height,
    /// The height that most is claimed by a peer that answers.
    pub target: Height,
    /// Bytes of blocks that came since the node began.
    pub bytes: u64,
    /// Peers that can be asked.
    pub n_peers: usize,
}

/// An answer that no honest peer gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadAnswer {
    /// Nobody asked for it.
    Unrequested,
    /// It holds other blocks than were asked for.
    OtherBlocks,
    /// It holds a block that is not the one that is decided at its height.
    NotCertified,
    /// Its headers prove nothing.
    BadHeaders,
    /// It holds other unspent outputs than were asked for.
    OtherOutputs,
}

impl<B> Sync<B> {
    /// A ledger at `tip` that knows of nobody.
    pub fn new(limits: SyncLimits, tip: Height) -> Self {
        Sync {
            questions: Questions::new(limits.questions.clone()),
            limits,
            tip,
            tip_since: Timestamp(0),
            certified: Certified::new(tip),
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            handed: tip,
            handed_from: BTreeMap::new(),
            behind_since: None,
            bytes: 0,
        }
    }

    /// A peer says how high its ledger is.
    pub fn on_peer(&mut self, peer: PublicKey, height: Height) {
        self.questions.peers.entry(peer).or_default().height = height;
    }

    /// A peer says from which block on it has them. Who says nothing has all.
    pub fn on_first_block(&mut self, peer: PublicKey, first_block: Height) {
        self.questions.peers.entry(peer).or_default().first_block = first_block;
    }

    /// A peer is gone; what it was asked for is asked of others.
    pub fn on_gone(&mut self, peer: &PublicKey) {
        self.questions.retain(|one| one != peer);
    }

    /// The ledger is at `tip`.
    pub fn on_tip(&mut self, tip: Height, now: Timestamp) {
        if tip <= self.tip {
            return;
        }
        for (_, peer) in self.handed_from.range(..=tip) {
            self.questions.on_served(peer);
        }
        (self.tip, self.tip_since) = (tip, now);
        self.certified.on_tip(tip);
        self.handed = self.handed.max(tip);
        self.handed_from.retain(|height, _| *height > tip);
        while let Some(entry) = self.waiting.first_entry().filter(|entry| *entry.key() <= tip) {
            self.waiting_bytes -= entry.remove().bytes;
        }
    }

    /// An answer of blocks.
    ///
    /// # Errors
    /// [`BadAnswer`], for which the peer is asked nothing for a while.
    pub fn on_blocks(
        &mut self,
        peer: PublicKey,
        id: u64,
        blocks: Vec<Came<B>>,
        now: Timestamp,
    ) -> Result<(), BadAnswer> {
        let Some(asked) = self.questions.answered(&peer, id, |span| span.what == What::Blocks)?
        else {
            return Ok(());
        };
        let heights = (asked.from.0..).map(Height).take(usize::from(asked.count));
        let is_in_order = blocks.len() <= usize::from(asked.count)
            && blocks.iter().map(|came| came.height).eq(heights.take(blocks.len()));
        if blocks.is_empty() || !is_in_order {
            self.questions.demote(&peer, now);
            return if blocks.is_empty() { Ok(()) } else { Err(BadAnswer::OtherBlocks) };
        }
        if blocks.iter().any(|came| self.certified.contradicts(came.height, &came.hash)) {
            self.questions.demote(&peer, now);
            return Err(BadAnswer::NotCertified);
        }
        for Came { height, hash, bytes, block } in blocks {
            self.bytes += bytes as u64;
            if height > self.handed && !self.waiting.contains_key(&height) {
                self.waiting_bytes += bytes;
                self.waiting.insert(height, Waiting { peer, hash, bytes, block });
            }
        }
        Ok(())
    }

    /// The block that headers are followed from; none where that is the ledger's tip.
    pub fn anchor(&self) -> Option<&Anchor> {
        self.certified.anchor()
    }

    /// Whether an answer of headers is waited for, which is worth following them.
    pub fn awaits_headers(&self, peer: &PublicKey, id: u64) -> bool {
        self.questions.awaits(peer, id, |span| span.what == What::Headers)
    }

    /// Whether headers say that another block is decided at a height.
    pub fn contradicts(&self, height: Height, hash: &BlockHash) -> bool {
        self.certified.contradicts(height, hash)
    }

    /// Forgets what headers said, which the ledger contradicts.
    pub fn forget_headers(&mut self) {
        self.certified = Certified::new(self.tip);
    }

    /// An answer of headers, and what came of following them; none where they prove nothing.
    ///
    /// # Errors
    /// [`BadAnswer`], for which the peer is asked nothing for a while.
    pub fn on_headers(
        &mut self,
        peer: PublicKey,
        id: u64,
        followed: Option<CertifiedHeaders>,
        now: Timestamp,
    ) -> Result<(), BadAnswer> {
        let Some(asked) = self.questions.answered(&peer, id, |span| span.what == What::Headers)?
        else {
            return Ok(());
        };
        let Some(followed) = followed else {
            self.questions.demote(&peer, now);
            return Err(BadAnswer::BadHeaders);
        };
        // Nothing new is a claim without proof, but where the ledger came there in the meantime.
        if followed.hashes.is_empty() && followed.end.height < asked.from {
            self.questions.demote(&peer, now);
            return Ok(());
        }
        self.certified.extend(followed);
        self.drop_contradicted(now);
        Ok(())
    }

    /// Blocks that came before the headers said which they should be.
    fn drop_contradicted(&mut self, now: Timestamp) {
        let certified = &self.certified;
        let is_wrong =
            |(height, one): &(&Height, &Waiting<B>)| certified.contradicts(**height, &one.hash);
        let wrong: Vec<(Height, PublicKey)> =
            self.waiting.iter().filter(is_wrong).map(|(height, one)| (*height, one.peer)).collect();
        for (height, peer) in wrong {
            self.questions.demote(&peer, now);
            if let Some(dropped) = self.waiting.remove(&height) {
                self.waiting_bytes -= dropped.bytes;
            }
        }
    }

    /// What came from `peer` was not what it should be. Where it was a block of this sync all
    /// begins again from the tip; who brought none of them stops nobody else's.
    pub fn on_bad_block(&mut self, peer: &PublicKey, now: Timestamp) {
        self.questions.demote(peer, now);
        let is_source = self.handed_from.values().any(|from| from == peer)
            || self.waiting.values().any(|waiting| waiting.peer == *peer);
        if is_source {
            self.begin_again(peer);
        }
    }

    /// The next block to hand to the ledger, with its sender, up to a height.
    pub fn next_block(&mut self, up_to: Height, now: Timestamp) -> Option<(PublicKey, B)> {
        let next = self.handed.next();
        if next > up_to {
            return None;
        }
        let Waiting { peer, bytes, block, .. } = self.waiting.remove(&next)?;
        self.waiting_bytes -= bytes;
        if self.handed == self.tip {
            self.tip_since = now;
        }
        self.handed = next;
        self.handed_from.insert(next, peer);
        Some((peer, block))
    }

    /// What to ask now; to be called until it is nothing.
    pub fn poll(&mut self, now: Timestamp) -> Option<Ask> {
        self.give_up(now);
        let target = self.target(now);
        if target <= self.tip {
            self.behind_since = None;
            return None;
        }
        let since = *self.behind_since.get_or_insert(now);
        let is_soon = target == self.tip.next() && now.since(since) < self.patience();
        if is_soon {
            return None;
        }
        if let Some(ask) = self.ask_headers(target, now) {
            return Some(ask);
        }
        if let Some(ask) = self.ask_again(now) {
            return Some(ask);
        }
        let from = self.first_missing()?;
        // What comes next makes room: all that waits may wait for it.
        let is_full = self.waiting_bytes >= self.limits.waiting_bytes_max;
        if is_full && from > self.handed.next() {
            return None;
        }
        let peer = self.least_asked(from, now, &[])?;
        let height = self.questions.peers.get(&peer)?.height;
        let count = self.gap(from, height);
        if from > self.handed.next() && self.is_crumb(from, count) {
            return None;
        }
        self.ask(peer, from, count, What::Blocks, now)
    }

    fn ask(
        &mut self,
        peer: PublicKey,
        from: Height,
        count: u16,
        what: What,
        now: Timestamp,
    ) -> Option<Ask> {
        let id = self.questions.ask(peer, Span { from, count, what }, now)?;
        Some(Ask { peer, id, from, count, what })
    }

    /// Asks for the headers after the last that is certified: one peer, and others too while it
    /// is slow.
    fn ask_headers(&mut self, target: Height, now: Timestamp) -> Option<Ask> {
        let end = self.certified.end();
        let is_far = target.0 > self.tip.0.saturating_add(self.near());
        if !is_far
            || target <= end
            || end.0 >= self.tip.0.saturating_add(self.limits.window_headers)
        {
            return None;
        }
        let asked = self.questions.open().filter(|asked| asked.what.what == What::Headers);
        let asked = self.questions.all_slow(asked, now)?;
        let from = end.next();
        let peer = self.least_asked(from, now, &asked)?;
        let most = self.questions.peers.get(&peer)?.height.0.saturating_sub(end.0);
        let count = most.min(u64::from(self.limits.page_headers)).try_into().unwrap_or(u16::MAX);
        self.ask(peer, from, count, What::Headers, now)
    }

    /// How far above the tip blocks are asked for without headers.
    fn near(&self) -> u64 {
        u64::from(self.limits.page_blocks)
    }

    /// The last block that is asked for.
    fn askable(&self) -> Height {
        let near = Height(self.tip.0.saturating_add(self.near()));
        let window = Height(self.tip.0.saturating_add(self.limits.window_blocks));
        self.certified.end().max(near).min(window)
    }

    /// Whether a question is small because it ends where the window does, which moves on with
    /// every block: a moment later it is worth more.
    fn is_crumb(&self, from: Height, count: u16) -> bool {
        let askable = self.askable();
        let ends_there = from.0 + u64::from(count) > askable.0;
        ends_there && askable != self.certified.end() && count < self.limits.page_blocks / 2
    }

    /// Asks another peer for the blocks that come next, while whoever was asked is slow: nothing
    /// is handed on without them, and who says nothing must not hold all others up.
    fn ask_again(&mut self, now: Timestamp) -> Option<Ask> {
        let next = self.handed.next();
        let waited = || self.questions.open().filter(|asked| asked.what.holds(next));
        let end = waited().map(|asked| asked.what.end()).min()?;
        let asked = self.questions.all_slow(waited(), now)?;
        let peer = self.least_asked(next, now, &asked)?;
        let end = end.0.min(self.questions.peers.get(&peer)?.height.0.saturating_add(1));
        let count = u16::try_from(end - next.0).unwrap_or(u16::MAX);
        self.ask(peer, next, count, What::Blocks, now)
    }

    /// How far it is, while it is behind.
    pub fn progress(&self, now: Timestamp) -> Option<Progress> {
        let target = self.target(now);
        (target > self.tip).then(|| Progress {
            height: self.tip,
            target,
            bytes: self.bytes,
            n_peers: self.questions.peers.values().filter(|peer| peer.is_usable(now)).count(),
        })
    }

    fn patience(&self) -> std::time::Duration {
        std::time::Duration::from_millis(self.limits.patience_ms)
    }

    /// The greatest height that a peer claims who may be asked.
    fn target(&self, now: Timestamp) -> Height {
        let usable = self.questions.peers.values().filter(|source| source.is_usable(now));
        usable.map(|source| source.height).max().unwrap_or(self.tip)
    }

    /// Forgets questions without an answer, and blocks that brought the ledger nowhere.
    fn give_up(&mut self, now: Timestamp) {
        self.questions.give_up(now);
        let is_late = now.0.saturating_sub(self.tip_since.0) >= self.limits.apply_ms_max;
        if self.handed > self.tip && is_late {
            let next = self.handed_from.get(&self.tip.next()).copied();
            if let Some(peer) = next {
                self.on_bad_block(&peer, now);
            } else {
                self.handed = self.tip;
            }
        }
    }

    /// Hands on again from the tip, with nothing of `peer`.
    fn begin_again(&mut self, peer: &PublicKey) {
        self.handed = self.tip;
        self.handed_from.clear();
        self.waiting.retain(|_, waiting| waiting.peer != *peer);
        self.waiting_bytes = self.waiting.values().map(|waiting| waiting.bytes).sum();
        let next = self.tip.next();
        if !self.waiting.contains_key(&next) {
            self.waiting.retain(|height, _| *height > next);
        }
    }

    /// The first height above what was handed on that is neither here nor asked for.
    fn first_missing(&self) -> Option<Height> {
        let mut height = self.handed.next();
        while height <= self.askable() {
            height = match self.questions.open().find(|asked| asked.what.holds(height)) {
                Some(asked) => asked.what.end(),
                None if self.waiting.contains_key(&height) => height.next(),
                None => return Some(height),
            };
        }
        None
    }

    /// How many blocks from there are missing, as many as one question may name and the peer has.
    fn gap(&self, from: Height, peer: Height) -> u16 {
        let spans = self.questions.open().map(|asked| &asked.what);
        let blocks = spans.filter(|span| span.what == What::Blocks);
        let asked = blocks.map(|span| span.from).filter(|start| *start > from).min();
        let here = self.waiting.range(from..).next().map(|(height, _)| *height);
        let end = asked.into_iter().chain(here).min().unwrap_or(Height(u64::MAX));
        let last = peer.min(self.askable());
        let missing = end.0.min(last.0.saturating_add(1)) - from.0;
        missing.min(u64::from(self.limits.page_blocks)).try_into().unwrap_or(u16::MAX)
    }

    fn least_asked(&self, from: Height, now: Timestamp, others: &[PublicKey]) -> Option<PublicKey> {
        let usable = self.questions.peers.iter().filter(|(peer, source)| {
            source.has(from) && !others.contains(peer) && self.questions.may_ask(source, now)
        });
        usable.min_by_key(|(_, source)| source.n_asked).map(|(peer, _)| *peer)
    }
}

#[cfg(test)]
mod tests;
