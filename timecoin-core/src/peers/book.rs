//! The addresses a node knows: those it has reached (*tried*) apart from those it was told
//! (*untried*), as in Bitcoin Core's `addrman`.
//!
//! Both are tables of buckets. Which bucket takes an address follows from a secret, from its
//! subnet, and for untried ones from the subnet of who told it, so that nobody chooses a bucket
//! and what one subnet can fill is bounded:
//!
//! | table | buckets | of 64, at most | one subnet reaches |
//! |---|---|---|---|
//! | untried | 256 | 16,384 addresses | 16 of them with all it tells: 1/16 |
//! | tried | 64 | 4,096 addresses | 4 of them with all its addresses: 1/16 |
//!
//! A full bucket gives up what is known to be bad, and otherwise refuses: a flood pushes nobody
//! out. Whom to dial is drawn by bucket first, so that many addresses weigh no more than few.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use borsh::{BorshDeserialize, BorshSerialize};
use rand_core::Rng;

pub use self::file::BOOK_BYTES_MAX;
use self::table::Table;
use super::address::{PeerAddress, Subnet, canonical, is_loopback, is_routable, subnet};
use super::below;
use crate::types::chain::Timestamp;
use crate::types::encode::encode;
use crate::types::keys::PublicKey;

mod file;
mod table;

/// Addresses that one message of gossip may hold, asked or not.
pub const ADDRESSES_PER_MESSAGE_MAX: usize = 100;

/// Known addresses.
#[derive(Clone)]
pub struct AddressBook {
    secret: [u8; 32],
    private_addresses: bool,
    /// By the position that the buckets hold; `None` is free.
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    by_address: BTreeMap<SocketAddr, u32>,
    tried: Table,
    untried: Table,
    /// Tried addresses whose place another one could use, to be tested by the next feelers.
    contested: VecDeque<SocketAddr>,
}

#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Entry {
    peer: PeerAddress,
    is_tried: bool,
    /// Who told an untried address: one for each place it has, of which no two share a bucket.
    sources: Vec<Subnet>,
    /// Dials in a row that failed.
    failures: u8,
    /// Zero for never.
    last_connected: Timestamp,
}

impl AddressBook {
    /// An empty book. `secret` comes from the operating system once and lives as long as the
    /// book; `private_addresses` is [`super::PeerLimits::private_addresses`].
    pub fn new(secret: [u8; 32], private_addresses: bool) -> Self {
        AddressBook {
            secret,
            private_addresses,
            entries: Vec::new(),
            free: Vec::new(),
            by_address: BTreeMap::new(),
            tried: Table::new(TRIED_BUCKETS),
            untried: Table::new(UNTRIED_BUCKETS),
            contested: VecDeque::new(),
        }
    }

    /// Takes what `from` told: the first [`ADDRESSES_PER_MESSAGE_MAX`], of which those that can't
    /// be dialled or were last seen a month ago are ignored. How many were new.
    pub fn add(&mut self, from: IpAddr, addresses: &[PeerAddress], now: Timestamp) -> usize {
        let told = addresses.iter().take(ADDRESSES_PER_MESSAGE_MAX);
        told.filter(|peer| self.add_one(subnet(from), **peer, now)).count()
    }

    /// A dial of this node came through and `key` is proven. The address becomes a tried one, if
    /// its bucket has room or holds one that is worse.
    pub fn on_connected(&mut self, address: SocketAddr, key: PublicKey, now: Timestamp) {
        let address = canonical(address);
        if !is_routable(address, self.private_addresses) {
            return;
        }
        let known = self.by_address.get(&address).copied();
        let id =
            known.unwrap_or_else(|| self.insert(Entry::new(PeerAddress::new(None, address, now))));
        let entry = self.entry_mut(id);
        entry.peer.key = Some(key);
        entry.peer.last_seen = now;
        entry.last_connected = now;
        entry.failures = 0;
        if !entry.is_tried && !self.promote(id, now) && known.is_none() {
            self.place(id, subnet(address.ip()), now);
            self.forget_if_homeless(id);
        }
    }

    /// A dial of this node failed.
    pub fn on_failed(&mut self, address: SocketAddr) {
        if let Some(id) = self.by_address.get(&canonical(address)).copied() {
            let entry = self.entry_mut(id);
            entry.failures = entry.failures.saturating_add(1);
        }
    }

    /// Forgets an address, as one that turned out to be this node's own.
    pub fn remove(&mut self, address: SocketAddr) {
        if let Some(id) = self.by_address.get(&canonical(address)).copied() {
            self.displace(id);
            self.forget_if_homeless(id);
        }
    }

    /// An address to connect to that `is_wanted`: one time in two a tried one, the less often the
    /// more dials of it failed. Its key is given only if this node has seen it proven.
    pub fn pick_to_dial(
        &self,
        rng: &mut impl Rng,
        is_wanted: impl Fn(&PeerAddress) -> bool,
    ) -> Option<PeerAddress> {
        let (first, second) = match below(rng, 2) {
            0 => (&self.tried, &self.untried),
            _ => (&self.untried, &self.tried),
        };
        self.pick(first, rng, &is_wanted).or_else(|| self.pick(second, rng, &is_wanted))
    }

    /// An address to test without keeping the connection: a tried one whose place another could
    /// use, otherwise an untried one.
    pub fn pick_feeler(
        &mut self,
        rng: &mut impl Rng,
        is_wanted: impl Fn(&PeerAddress) -> bool,
    ) -> Option<PeerAddress> {
        while let Some(address) = self.contested.pop_front() {
            let entry = self.entry_of(address).filter(|entry| entry.is_tried);
            let peer = entry.map(Entry::proven).filter(&is_wanted);
            if peer.is_some() {
                return peer;
            }
        }
        self.pick(&self.untried, rng, &is_wanted)
    }

    /// At most `n` addresses, and at most [`ADDRESSES_PER_MESSAGE_MAX`], to tell a peer: none
    /// that fails or was not seen for a week, tried ones before those known from hearsay.
    pub fn sample(&self, rng: &mut impl Rng, n: usize, now: Timestamp) -> Vec<PeerAddress> {
        let is_told = |entry: &&Entry| {
            let unseen_ms = now.0.saturating_sub(entry.peer.last_seen.0);
            unseen_ms <= TOLD_MS_MAX && !entry.is_poor(now)
        };
        let recent = self.entries.iter().flatten().filter(is_told);
        let (mut tried, mut untried): (Vec<&Entry>, Vec<&Entry>) =
            recent.partition(|entry| entry.is_tried);
        let n = n.min(ADDRESSES_PER_MESSAGE_MAX);
        draw_to_front(&mut tried, n, rng);
        draw_to_front(&mut untried, n, rng);
        tried.into_iter().chain(untried).take(n).map(|entry| entry.peer).collect()
    }

    /// Addresses that this node has reached.
    pub fn n_tried(&self) -> usize {
        self.entries.iter().flatten().filter(|entry| entry.is_tried).count()
    }

    /// Addresses that this node was told.
    pub fn n_untried(&self) -> usize {
        self.len() - self.n_tried()
    }

    /// All addresses.
    pub fn len(&self) -> usize {
        self.by_address.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.by_address.is_empty()
    }

    /// Whether `address` is known.
    pub fn contains(&self, address: SocketAddr) -> bool {
        self.by_address.contains_key(&canonical(address))
    }

    fn add_one(&mut self, source: Subnet, told: PeerAddress, now: Timestamp) -> bool {
        let address = told.address();
        let last_seen = told.last_seen.min(Timestamp(now.0.saturating_sub(HEARSAY_AGE_MS)));
        let is_old = now.0.saturating_sub(last_seen.0) > KEPT_MS_MAX;
        if is_old || !is_routable(address, self.private_addresses) {
            return false;
        }
        let Some(id) = self.by_address.get(&address).copied() else {
            let id = self.insert(Entry::new(PeerAddress::new(told.key, address, last_seen)));
            self.place(id, source, now);
            return !self.forget_if_homeless(id);
        };
        let entry = self.entry_mut(id);
        entry.peer.last_seen = entry.peer.last_seen.max(last_seen);
        if !entry.is_tried && entry.sources.len() < PLACES_MAX {
            self.place_beside(id, source);
        }
        false
    }

    /// Gives an untried address a place in its bucket, at the cost of the worst there, if that is
    /// bad or has other places.
    fn place(&mut self, id: u32, source: Subnet, now: Timestamp) {
        let address = self.entry(id).peer.address();
        let bucket = self.untried_bucket(address, source);
        if self.untried.is_full(bucket) {
            let ids = self.untried.bucket(bucket).iter().copied();
            let worst = ids.max_by_key(|id| {
                let entry = self.entry(*id);
                (entry.is_poor(now), entry.sources.len())
            });
            let Some(worst) = worst.filter(|id| {
                let entry = self.entry(*id);
                entry.is_poor(now) || entry.sources.len() > 1
            }) else {
                return;
            };
            self.displace_from(worst, bucket);
        }
        self.place_beside(id, source);
    }

    /// Gives an untried address one more place, if that is free.
    fn place_beside(&mut self, id: u32, source: Subnet) {
        let bucket = self.untried_bucket(self.entry(id).peer.address(), source);
        if self.untried.insert(bucket, id) {
            self.entry_mut(id).sources.push(source);
        }
    }

    /// Moves an address among the tried ones. One there gives way if it failed since, or was not
    /// reached for a week; otherwise the one reached the longest ago is to be tested.
    fn promote(&mut self, id: u32, now: Timestamp) -> bool {
        let bucket = self.tried_bucket(self.entry(id).peer.address());
        if self.tried.is_full(bucket) {
            let ids = self.tried.bucket(bucket).iter().copied();
            let weakest = ids.min_by_key(|id| {
                let entry = self.entry(*id);
                (entry.failures == 0, entry.last_connected)
            });
            let Some(weakest) = weakest else { return false };
            let entry = self.entry(weakest);
            let address = entry.peer.address();
            let unreached_ms = now.0.saturating_sub(entry.last_connected.0);
            if entry.failures == 0 && unreached_ms <= TRIED_MS_MAX {
                if self.contested.len() < CONTESTED_MAX && !self.contested.contains(&address) {
                    self.contested.push_back(address);
                }
                return false;
            }
            self.displace(weakest);
            self.place(weakest, subnet(address.ip()), now);
            self.forget_if_homeless(weakest);
        }
        self.displace(id);
        self.entry_mut(id).is_tried = self.tried.insert(bucket, id);
        true
    }

    fn pick(
        &self,
        table: &Table,
        rng: &mut impl Rng,
        is_wanted: &impl Fn(&PeerAddress) -> bool,
    ) -> Option<PeerAddress> {
        let mut spare = None;
        for _ in 0..PICKS_MAX {
            let entry = self.entry(table.pick(rng)?);
            let peer = entry.proven();
            if !is_wanted(&peer) {
                continue;
            }
            if below(rng, 1 << entry.failures.min(FAILURES_WEIGHED_MAX)) == 0 {
                return Some(peer);
            }
            spare = Some(peer);
        }
        spare
    }

    fn insert(&mut self, entry: Entry) -> u32 {
        let address = entry.peer.address();
        let id = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            u32::try_from(self.entries.len() - 1).expect("the tables hold 20,480 entries")
        });
        self.entries[id as usize] = Some(entry);
        self.by_address.insert(address, id);
        id
    }

    /// Takes an address out of all its buckets.
    fn displace(&mut self, id: u32) {
        let address = self.entry(id).peer.address();
        for bucket in self.untried_buckets(id) {
            self.untried.remove(bucket, id);
        }
        self.tried.remove(self.tried_bucket(address), id);
        let entry = self.entry_mut(id);
        entry.sources.clear();
        entry.is_tried = false;
    }

    /// Takes an untried address out of one of its buckets.
    fn displace_from(&mut self, id: u32, bucket: usize) {
        self.untried.remove(bucket, id);
        let place = self.untried_buckets(id).iter().position(|other| *other == bucket);
        if let Some(place) = place {
            self.entry_mut(id).sources.remove(place);
        }
        self.forget_if_homeless(id);
    }

    fn forget_if_homeless(&mut self, id: u32) -> bool {
        let entry = self.entry(id);
        let is_homeless = !entry.is_tried && entry.sources.is_empty();
        if is_homeless {
            self.by_address.remove(&entry.peer.address());
            self.entries[id as usize] = None;
            self.free.push(id);
        }
        is_homeless
    }

    fn untried_buckets(&self, id: u32) -> Vec<usize> {
        let Entry { peer, sources, .. } = self.entry(id);
        sources.iter().map(|source| self.untried_bucket(peer.address(), *source)).collect()
    }

    fn untried_bucket(&self, address: SocketAddr, source: Subnet) -> usize {
        let spread = self.draw(0, &(group(address), source)) % UNTRIED_SPREAD;
        bucket_of(self.draw(1, &(source, spread)), UNTRIED_BUCKETS)
    }

    fn tried_bucket(&self, address: SocketAddr) -> usize {
        let spread = self.draw(2, &PeerAddress::new(None, address, Timestamp::ZERO)) % TRIED_SPREAD;
        bucket_of(self.draw(3, &(group(address), spread)), TRIED_BUCKETS)
    }

    fn draw(&self, use_of_it: u8, value: &impl BorshSerialize) -> u64 {
        let digest = blake3::keyed_hash(&self.secret, &encode(&(use_of_it, value)));
        let first = digest.as_bytes().first_chunk().expect("32 bytes hold 8");
        u64::from_le_bytes(*first)
    }

    fn entry(&self, id: u32) -> &Entry {
        self.entries[id as usize].as_ref().expect("buckets and index name what is there")
    }

    fn entry_mut(&mut self, id: u32) -> &mut Entry {
        self.entries[id as usize].as_mut().expect("buckets and index name what is there")
    }

    fn entry_of(&self, address: SocketAddr) -> Option<&Entry> {
        self.by_address.get(&address).map(|id| self.entry(*id))
    }
}

impl fmt::Debug for AddressBook {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddressBook")
            .field("n_tried", &self.n_tried())
            .field("n_untried", &self.n_untried())
            .finish_non_exhaustive()
    }
}

impl Entry {
    fn new(peer: PeerAddress) -> Self {
        Entry {
            peer,
            is_tried: false,
            sources: Vec::new(),
            failures: 0,
            last_connected: Timestamp::ZERO,
        }
    }

    /// What is known first-hand: a key from hearsay could be that of a connected peer, to keep
    /// this node from dialling.
    fn proven(&self) -> PeerAddress {
        let is_proven = self.last_connected != Timestamp::ZERO;
        let key = self.peer.key.filter(|_| is_proven);
        PeerAddress::new(key, self.peer.address(), self.peer.last_seen)
    }

    /// Whether it may be given up for another: failures alone forget nothing, since all dials
    /// fail while this node itself has no network.
    fn is_poor(&self, now: Timestamp) -> bool {
        let unseen_ms = now.0.saturating_sub(self.peer.last_seen.0);
        let unreached_ms = now.0.saturating_sub(self.last_connected.0);
        let was_reached = self.last_connected != Timestamp::ZERO;
        unseen_ms > KEPT_MS_MAX
            || !was_reached && self.failures >= FAILURES_UNREACHED_MAX
            || self.failures >= FAILURES_MAX && unreached_ms > TRIED_MS_MAX
    }
}

/// What shares buckets: a subnet, and on loopback, where all nodes of a machine are, each port.
fn group(address: SocketAddr) -> (Subnet, u16) {
    (subnet(address.ip()), if is_loopback(address.ip()) { address.port() } else { 0 })
}

fn bucket_of(draw: u64, n_buckets: usize) -> usize {
    usize::try_from(draw % n_buckets as u64).expect("below a usize")
}

/// Moves `n` items, drawn evenly from all, to the front.
fn draw_to_front<T>(items: &mut [T], n: usize, rng: &mut impl Rng) {
    for position in 0..n.min(items.len()) {
        let drawn = position + below(rng, items.len() - position);
        items.swap(position, drawn);
    }
}

const UNTRIED_BUCKETS: usize = 256;
const TRIED_BUCKETS: usize = 64;
/// Buckets that one subnet reaches with what it tells.
const UNTRIED_SPREAD: u64 = 16;
/// Buckets that the addresses of one subnet reach.
const TRIED_SPREAD: u64 = 4;
/// Places of an untried address: who tells an address first can't choose the only one.
const PLACES_MAX: usize = 4;
/// Tests that wait at a time.
const CONTESTED_MAX: usize = 16;
/// Draws for an address that is wanted.
const PICKS_MAX: usize = 64;
/// An address that fails is still picked one time in 16 or if there is no other.
const FAILURES_WEIGHED_MAX: u8 = 4;
/// An address never reached is poor after so many dials.
const FAILURES_UNREACHED_MAX: u8 = 3;
/// One that was is poor after so many and a week.
const FAILURES_MAX: u8 = 10;

const HOUR_MS: u64 = 3_600_000;
/// Hearsay is never younger, so that nobody makes an address look fresh by telling it.
const HEARSAY_AGE_MS: u64 = 2 * HOUR_MS;
/// A month, as in Bitcoin Core.
const KEPT_MS_MAX: u64 = 30 * 24 * HOUR_MS;
/// A week.
const TOLD_MS_MAX: u64 = 7 * 24 * HOUR_MS;
/// A week.
const TRIED_MS_MAX: u64 = 7 * 24 * HOUR_MS;

#[cfg(test)]
mod tests;
