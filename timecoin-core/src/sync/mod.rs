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
pub mod snapshot;

use std::collections::BTreeMap;

use self::certified::Certified;
use self::headers::{Anchor, CertifiedHeaders};
use crate::types::chain::{Height, Timestamp};
use crate::types::hash::BlockHash;
use crate::types::keys::PublicKey;

/// Decides what to ask; `B` is a block as it came.
pub struct Sync<B> {
    limits: SyncLimits,
    tip: Height,
    tip_since: Timestamp,
    peers: BTreeMap<PublicKey, Source>,
    asked: BTreeMap<u64, Asked>,
    /// Which blocks are proved to be decided, above the tip.
    certified: Certified,
    /// Blocks that wait to be handed on, by height.
    waiting: BTreeMap<Height, Waiting<B>>,
    waiting_bytes: usize,
    /// The last height that was handed on, and by whom it came.
    handed: Height,
    handed_from: BTreeMap<Height, PublicKey>,
    behind_since: Option<Timestamp>,
    next_id: u64,
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
    /// Questions to one peer at a time. Default 2.
    pub asked_per_peer_max: usize,
    /// How long an answer may take, in milliseconds. Default 10,000.
    pub answer_ms_max: u64,
    /// How long the blocks that come next may be waited for before another peer is asked for them
    /// too, in milliseconds. Default 2,000.
    pub again_ms: u64,
    /// How long the ledger may take to go on after blocks were handed on, in milliseconds.
    /// Default 30,000.
    pub apply_ms_max: u64,
    /// How long a peer is asked nothing after it first failed, in milliseconds; it doubles each
    /// time, 10 times at most. Default 2,000.
    pub demoted_ms: u64,
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
            asked_per_peer_max: 2,
            answer_ms_max: 10_000,
            again_ms: 2_000,
            apply_ms_max: 30_000,
            demoted_ms: 2_000,
            patience_ms: 1_000,
        }
    }
}

#[derive(Default)]
struct Source {
    height: Height,
    /// The first block that it has.
    first_block: Height,
    n_asked: usize,
    /// Questions that were given up and may yet be answered.
    n_late: usize,
    n_failed: u32,
    demoted_until: Timestamp,
}

struct Asked {
    peer: PublicKey,
    from: Height,
    count: u16,
    what: What,
    at: Timestamp,
}

impl Asked {
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
            limits,
            tip,
            tip_since: Timestamp(0),
            peers: BTreeMap::new(),
            asked: BTreeMap::new(),
            certified: Certified::new(tip),
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            handed: tip,
            handed_from: BTreeMap::new(),
            behind_since: None,
            next_id: 1,
            bytes: 0,
        }
    }

    /// A peer says how high its ledger is.
    pub fn on_peer(&mut self, peer: PublicKey, height: Height) {
        self.peers.entry(peer).or_default().height = height;
    }

    /// A peer says from which block on it has them. Who says nothing has all.
    pub fn on_first_block(&mut self, peer: PublicKey, first_block: Height) {
        self.peers.entry(peer).or_default().first_block = first_block;
    }

    /// A peer is gone; what it was asked for is asked of others.
    pub fn on_gone(&mut self, peer: &PublicKey) {
        self.peers.remove(peer);
        self.asked.retain(|_, asked| asked.peer != *peer);
    }

    /// The ledger is at `tip`.
    pub fn on_tip(&mut self, tip: Height, now: Timestamp) {
        if tip <= self.tip {
            return;
        }
        for (_, peer) in self.handed_from.range(..=tip) {
            if let Some(source) = self.peers.get_mut(peer) {
                source.n_failed = 0;
            }
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
        let Some(asked) = self.answered(&peer, id, What::Blocks)? else { return Ok(()) };
        let heights = (asked.from.0..).map(Height).take(usize::from(asked.count));
        let is_in_order = blocks.len() <= usize::from(asked.count)
            && blocks.iter().map(|came| came.height).eq(heights.take(blocks.len()));
        if blocks.is_empty() || !is_in_order {
            self.demote(&peer, now);
            return if blocks.is_empty() { Ok(()) } else { Err(BadAnswer::OtherBlocks) };
        }
        if blocks.iter().any(|came| self.certified.contradicts(came.height, &came.hash)) {
            self.demote(&peer, now);
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
        let asked = self.asked.get(&id);
        asked.is_some_and(|asked| asked.peer == *peer && asked.what == What::Headers)
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
        let Some(asked) = self.answered(&peer, id, What::Headers)? else { return Ok(()) };
        let Some(followed) = followed else {
            self.demote(&peer, now);
            return Err(BadAnswer::BadHeaders);
        };
        // Nothing new is a claim without proof, but where the ledger came there in the meantime.
        if followed.hashes.is_empty() && followed.end.height < asked.from {
            self.demote(&peer, now);
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
            self.demote(&peer, now);
            if let Some(dropped) = self.waiting.remove(&height) {
                self.waiting_bytes -= dropped.bytes;
            }
        }
    }

    /// The question that an answer is to; none where it was given up, and the answer is late.
    fn answered(
        &mut self,
        peer: &PublicKey,
        id: u64,
        what: What,
    ) -> Result<Option<Asked>, BadAnswer> {
        let is_asked = |asked: &Asked| asked.peer == *peer && asked.what == what;
        if !self.asked.get(&id).is_some_and(is_asked) {
            let late = self.peers.get_mut(peer).filter(|source| source.n_late > 0);
            let late = late.map(|source| source.n_late -= 1);
            return late.map(|()| None).ok_or(BadAnswer::Unrequested);
        }
        self.release(peer);
        Ok(self.asked.remove(&id))
    }

    /// What came from `peer` was not what it should be. Where it was a block of this sync all
    /// begins again from the tip; who brought none of them stops nobody else's.
    pub fn on_bad_block(&mut self, peer: &PublicKey, now: Timestamp) {
        self.demote(peer, now);
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
        let height = self.peers.get(&peer)?.height;
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
        let id = self.next_id;
        self.next_id += 1;
        self.asked.insert(id, Asked { peer, from, count, what, at: now });
        self.peers.get_mut(&peer)?.n_asked += 1;
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
        let asked = self.asked.values().filter(|asked| asked.what == What::Headers);
        let asked = self.all_slow(asked, now)?;
        let from = end.next();
        let peer = self.least_asked(from, now, &asked)?;
        let most = self.peers.get(&peer)?.height.0.saturating_sub(end.0);
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
        let waited = || self.asked.values().filter(|asked| asked.holds(next));
        let end = waited().map(Asked::end).min()?;
        let asked = self.all_slow(waited(), now)?;
        let peer = self.least_asked(next, now, &asked)?;
        let end = end.0.min(self.peers.get(&peer)?.height.0.saturating_add(1));
        let count = u16::try_from(end - next.0).unwrap_or(u16::MAX);
        self.ask(peer, next, count, What::Blocks, now)
    }

    /// Whom one thing was asked of, unless an answer may still be on its way or they are many.
    fn all_slow<'a>(
        &self,
        asked: impl Iterator<Item = &'a Asked>,
        now: Timestamp,
    ) -> Option<Vec<PublicKey>> {
        let is_slow = |asked: &Asked| now.0.saturating_sub(asked.at.0) >= self.limits.again_ms;
        let peers: Vec<_> =
            asked.map(|asked| is_slow(asked).then_some(asked.peer)).collect::<Option<_>>()?;
        (peers.len() < AGAIN_MAX).then_some(peers)
    }

    /// How far it is, while it is behind.
    pub fn progress(&self, now: Timestamp) -> Option<Progress> {
        let target = self.target(now);
        (target > self.tip).then(|| Progress {
            height: self.tip,
            target,
            bytes: self.bytes,
            n_peers: self.peers.values().filter(|source| source.demoted_until <= now).count(),
        })
    }

    fn patience(&self) -> std::time::Duration {
        std::time::Duration::from_millis(self.limits.patience_ms)
    }

    /// The greatest height that a peer claims who may be asked.
    fn target(&self, now: Timestamp) -> Height {
        let usable = self.peers.values().filter(|source| source.demoted_until <= now);
        usable.map(|source| source.height).max().unwrap_or(self.tip)
    }

    /// Forgets questions without an answer, and blocks that brought the ledger nowhere.
    fn give_up(&mut self, now: Timestamp) {
        let late = |since: Timestamp, ms: u64| now.0.saturating_sub(since.0) >= ms;
        let is_late = |asked: &Asked| late(asked.at, self.limits.answer_ms_max);
        let silent: Vec<u64> =
            self.asked.iter().filter(|(_, asked)| is_late(asked)).map(|(id, _)| *id).collect();
        for id in silent {
            if let Some(asked) = self.asked.remove(&id) {
                self.release(&asked.peer);
                self.demote(&asked.peer, now);
                if let Some(source) = self.peers.get_mut(&asked.peer) {
                    source.n_late += 1;
                }
            }
        }
        if self.handed > self.tip && late(self.tip_since, self.limits.apply_ms_max) {
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

    fn release(&mut self, peer: &PublicKey) {
        if let Some(source) = self.peers.get_mut(peer) {
            source.n_asked = source.n_asked.saturating_sub(1);
        }
    }

    fn demote(&mut self, peer: &PublicKey, now: Timestamp) {
        if let Some(source) = self.peers.get_mut(peer) {
            let wait = self.limits.demoted_ms << source.n_failed.min(DOUBLED_MAX);
            source.n_failed += 1;
            source.demoted_until = Timestamp(now.0.saturating_add(wait));
        }
    }

    /// The first height above what was handed on that is neither here nor asked for.
    fn first_missing(&self) -> Option<Height> {
        let mut height = self.handed.next();
        while height <= self.askable() {
            height = match self.asked.values().find(|asked| asked.holds(height)) {
                Some(asked) => asked.end(),
                None if self.waiting.contains_key(&height) => height.next(),
                None => return Some(height),
            };
        }
        None
    }

    /// How many blocks from there are missing, as many as one question may name and the peer has.
    fn gap(&self, from: Height, peer: Height) -> u16 {
        let blocks = self.asked.values().filter(|asked| asked.what == What::Blocks);
        let asked = blocks.map(|asked| asked.from).filter(|start| *start > from).min();
        let here = self.waiting.range(from..).next().map(|(height, _)| *height);
        let end = asked.into_iter().chain(here).min().unwrap_or(Height(u64::MAX));
        let last = peer.min(self.askable());
        let missing = end.0.min(last.0.saturating_add(1)) - from.0;
        missing.min(u64::from(self.limits.page_blocks)).try_into().unwrap_or(u16::MAX)
    }

    fn least_asked(&self, from: Height, now: Timestamp, others: &[PublicKey]) -> Option<PublicKey> {
        let usable = self.peers.iter().filter(|(peer, source)| {
            source.height >= from
                && source.first_block <= from
                && !others.contains(peer)
                && source.demoted_until <= now
                && source.n_asked < self.limits.asked_per_peer_max
        });
        usable.min_by_key(|(_, source)| source.n_asked).map(|(peer, _)| *peer)
    }
}

/// Peers that are asked for the same at a time.
const AGAIN_MAX: usize = 4;

/// How often the time without questions doubles.
const DOUBLED_MAX: u32 = 10;

#[cfg(test)]
mod tests;
