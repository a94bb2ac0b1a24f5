//! The sync in a simulated world: peers of every kind answer in virtual time, from a seed.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::collections::BTreeMap;

use timecoin_core::sim::Random;
use timecoin_core::sync::headers::{Anchor, CertifiedHeaders};
use timecoin_core::sync::{Ask, BadAnswer, Came, Sync, SyncLimits, What};
use timecoin_core::{BlockHash, Height, KeyPair, Masternode, MasternodeSet, PublicKey, Timestamp};

/// How a peer deals with questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Answers with what it has, soon.
    Honest,
    /// The same, in up to 9 s.
    Slow,
    /// The same, and its connection ends now and then.
    Flapping,
    /// Says nothing.
    Silent,
    /// Answers with nothing.
    Empty,
    /// Claims blocks without end.
    Boastful,
    /// Brings blocks that nobody decided, and headers that prove nothing.
    Lying,
    /// Brings them and leaves before anybody has looked.
    HitAndRun,
    /// Brings blocks in the wrong order, and answers nobody asked for.
    Confused,
    /// Answers as an honest one, and began with the outputs of a block: it has none before.
    Based,
}

impl Kind {
    const ALL: [Kind; 10] = [
        Kind::Honest,
        Kind::Slow,
        Kind::Flapping,
        Kind::Silent,
        Kind::Empty,
        Kind::Boastful,
        Kind::Lying,
        Kind::HitAndRun,
        Kind::Confused,
        Kind::Based,
    ];

    fn is_honest(self) -> bool {
        matches!(self, Kind::Honest | Kind::Slow | Kind::Flapping | Kind::Based)
    }

    fn lies(self) -> bool {
        matches!(self, Kind::Lying | Kind::HitAndRun)
    }
}

/// A block: its height, and whether it is the one that was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fake {
    height: u64,
    is_decided: bool,
}

impl Fake {
    fn hash(self) -> BlockHash {
        let mut bytes = [u8::from(self.is_decided); 32];
        bytes[..8].copy_from_slice(&self.height.to_be_bytes());
        BlockHash::from_bytes(bytes)
    }
}

struct Peer {
    kind: Kind,
    is_here: bool,
    is_banned: bool,
    points: u32,
    /// Counts its connections: what was under way over one does not arrive over the next.
    connection: u64,
}

#[derive(Debug)]
enum Event {
    Answer { peer: PublicKey, connection: u64, ask: Ask },
    Judge,
    Leave(PublicKey),
    Return(PublicKey),
    Decide,
    Look,
}

struct World {
    seed: u64,
    random: Random,
    now: u64,
    n_events: u64,
    events: BTreeMap<(u64, u64), Event>,
    sync: Sync<Fake>,
    peers: BTreeMap<PublicKey, Peer>,
    masternodes: MasternodeSet,
    /// What is decided elsewhere.
    top: u64,
    /// The first block of those that began with outputs.
    first_based: u64,
    /// What is decided here, and what waits to be.
    tip: u64,
    handed: Vec<(PublicKey, Fake)>,
    n_asks: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed, "sync");
        let member = Masternode {
            consensus_key: KeyPair::from_seed(b"one").public(),
            payout: KeyPair::from_seed(b"one").address(),
            network_address: String::new(),
        };
        let top = random.choose(&[5, 70, 300, 3_000]).unwrap() + random.below(64);
        let limits = SyncLimits {
            waiting_bytes_max: *random.choose(&[100_000, 32_000_000]).unwrap(),
            ..SyncLimits::default()
        };
        let mut world = World {
            seed,
            now: 0,
            n_events: 0,
            events: BTreeMap::new(),
            sync: Sync::new(limits, Height(0)),
            peers: BTreeMap::new(),
            masternodes: MasternodeSet::new(vec![member]).unwrap(),
            top,
            first_based: top / 2,
            tip: 0,
            handed: Vec::new(),
            n_asks: 0,
            random,
        };
        for n in 0..world.random.range(1, 8) {
            let kinds = if n == 0 { &Kind::ALL[..3] } else { &Kind::ALL };
            let kind = *world.random.choose(kinds).unwrap();
            let key = KeyPair::from_seed(&n.to_le_bytes()).public();
            let peer = Peer { kind, is_here: false, is_banned: false, points: 0, connection: 0 };
            world.peers.insert(key, peer);
            let after = world.random.range(0, 2_000);
            world.schedule(after, Event::Return(key));
        }
        world.schedule(0, Event::Look);
        world.schedule(1_000, Event::Decide);
        world
    }

    fn schedule(&mut self, after: u64, event: Event) {
        self.n_events += 1;
        self.events.insert((self.now + after, self.n_events), event);
    }

    /// Goes on until everything is here, or for an hour.
    fn run(mut self) -> Self {
        let end = self.top + N_DECIDED_MEANWHILE;
        while self.tip < end {
            let ((now, _), event) = self.events.pop_first().expect("it looks now and then");
            assert!(now < 3_600_000, "seed {}: at {} of {end} after an hour", self.seed, self.tip);
            self.now = now;
            self.on(event, end);
            self.hand_on();
            self.ask();
        }
        self
    }

    fn on(&mut self, event: Event, end: u64) {
        let now = at(self.now);
        match event {
            Event::Answer { peer, connection, ask } => {
                let one = &self.peers[&peer];
                if one.is_here && one.connection == connection {
                    self.answer(peer, &ask);
                }
            }
            Event::Judge => self.judge(),
            Event::Leave(peer) => self.leave(&peer),
            Event::Return(peer) if !self.peers[&peer].is_banned => {
                let one = self.peers.get_mut(&peer).unwrap();
                (one.is_here, one.connection) = (true, one.connection + 1);
                if one.kind == Kind::Flapping {
                    let after = self.random.range(500, 20_000);
                    self.schedule(after, Event::Leave(peer));
                }
                self.tell(&peer);
            }
            Event::Return(_) => {}
            Event::Decide if self.top < end => {
                self.top += 1;
                self.schedule(1_000, Event::Decide);
                let here: Vec<_> =
                    self.peers.iter().filter(|(_, peer)| peer.is_here).map(|(k, _)| *k).collect();
                here.iter().for_each(|peer| self.tell(peer));
            }
            Event::Decide => {}
            Event::Look => self.schedule(200, Event::Look),
        }
        self.sync.on_tip(Height(self.tip), now);
    }

    /// A peer says what it has, or more.
    fn tell(&mut self, peer: &PublicKey) {
        let is_boast = self.peers[peer].kind == Kind::Boastful;
        let height = if is_boast { u64::MAX } else { self.top };
        self.sync.on_peer(*peer, Height(height));
        if self.peers[peer].kind == Kind::Based {
            self.sync.on_first_block(*peer, Height(self.first_based));
        }
    }

    fn leave(&mut self, peer: &PublicKey) {
        let one = self.peers.get_mut(peer).unwrap();
        if std::mem::take(&mut one.is_here) {
            self.sync.on_gone(peer);
            let after = self.random.range(100, 10_000);
            self.schedule(after, Event::Return(*peer));
        }
    }

    fn answer(&mut self, peer: PublicKey, ask: &Ask) {
        let kind = self.peers[&peer].kind;
        let last = (ask.from.0 + u64::from(ask.count)).min(self.top + 1);
        let mut heights: Vec<u64> = (ask.from.0..last).collect();
        match kind {
            Kind::Empty => heights.clear(),
            Kind::Confused if self.random.happens(500_000) => heights.reverse(),
            Kind::Confused => heights.iter_mut().for_each(|height| *height += 1),
            // A page ends early where blocks are large.
            _ if self.random.happens(200_000) => heights.truncate(1 + heights.len() / 2),
            _ => {}
        }
        let now = at(self.now);
        let taken = match ask.what {
            What::Headers => {
                let proves = !matches!(kind, Kind::Lying | Kind::HitAndRun | Kind::Confused);
                let followed = proves.then(|| self.followed(ask.from.0, &heights));
                self.sync.on_headers(peer, ask.id, followed, now)
            }
            What::Blocks => {
                let blocks = heights.into_iter().map(|height| {
                    let block = Fake { height, is_decided: !kind.lies() };
                    Came { height: Height(height), hash: block.hash(), bytes: 1_000, block }
                });
                self.sync.on_blocks(peer, ask.id, blocks.collect(), now)
            }
        };
        if kind == Kind::HitAndRun {
            self.hand_on();
            self.leave(&peer);
        }
        if let Err(bad) = taken {
            self.blame(&peer, if bad == BadAnswer::Unrequested { 10 } else { 100 }, &bad);
        }
    }

    fn followed(&self, from: u64, heights: &[u64]) -> CertifiedHeaders {
        let hash = |height: u64| Fake { height, is_decided: true }.hash();
        let end = heights.last().copied().unwrap_or(from - 1);
        let masternodes = self.masternodes.clone();
        CertifiedHeaders {
            hashes: heights.iter().copied().map(hash).collect(),
            end: Anchor { height: Height(end), hash: hash(end), masternodes },
        }
    }

    /// The ledger takes the next block, or finds that nobody decided it.
    fn judge(&mut self) {
        let (from, block) = self.handed.remove(0);
        if block.height != self.tip + 1 {
            return;
        }
        if block.is_decided {
            self.tip += 1;
            return;
        }
        self.sync.on_bad_block(&from, at(self.now));
        if self.peers[&from].is_here {
            self.blame(&from, 100, &"a block that nobody decided");
        }
    }

    fn blame(&mut self, peer: &PublicKey, points: u32, why: &dyn std::fmt::Debug) {
        let one = self.peers.get_mut(peer).unwrap();
        let (seed, kind) = (self.seed, one.kind);
        assert!(!kind.is_honest(), "seed {seed}: {kind:?} is blamed for {why:?}");
        one.points += points;
        if one.points >= 100 {
            (one.is_banned, one.is_here) = (true, false);
            self.sync.on_gone(peer);
        }
    }

    fn hand_on(&mut self) {
        let up_to = Height(self.tip + 8);
        while let Some((peer, block)) = self.sync.next_block(up_to, at(self.now)) {
            assert!(block.height > self.tip && block.height <= up_to.0, "seed {}", self.seed);
            self.handed.push((peer, block));
            let busy = 5 * self.handed.len() as u64;
            self.schedule(busy, Event::Judge);
        }
    }

    fn ask(&mut self) {
        while let Some(ask) = self.sync.poll(at(self.now)) {
            self.n_asks += 1;
            let peer = &self.peers[&ask.peer];
            assert!(peer.is_here, "seed {}: {:?} is gone and asked", self.seed, peer.kind);
            let lacks = peer.kind == Kind::Based && ask.from.0 < self.first_based;
            assert!(!lacks, "seed {}: asked for blocks that it said it has not", self.seed);
            assert!(ask.count > 0 && ask.from.0 > self.tip, "seed {}: {ask:?}", self.seed);
            let (kind, connection) = (peer.kind, peer.connection);
            let after = match kind {
                Kind::Silent => continue,
                Kind::Slow => self.random.range(1_000, 9_000),
                _ => self.random.range(10, 300),
            };
            let event = Event::Answer { peer: ask.peer, connection, ask };
            if kind == Kind::Confused && self.random.happens(300_000) {
                let ask = Ask { id: ask.id + 1_000_000, ..ask };
                self.schedule(1, Event::Answer { peer: ask.peer, connection, ask });
            }
            self.schedule(after, event);
        }
    }
}

/// Blocks that others decide while this node catches up.
const N_DECIDED_MEANWHILE: u64 = 20;

fn at(ms: u64) -> Timestamp {
    Timestamp(ms)
}

/// With one honest peer, whoever else there is, everything comes; nobody honest is blamed; and
/// what is asked is in proportion to what there is and to the time it takes.
#[test]
fn one_honest_peer_is_enough() {
    let seeds: u64 = std::env::var("SEEDS").map_or(200, |n| n.parse().unwrap());
    for seed in 0..seeds {
        let world = World::new(seed).run();
        let pages = world.top / 64 + world.top / 256;
        let n_peers = world.peers.len() as u64;
        let n_asks_max = 2 * pages + world.now / 100 + 20 * n_peers;
        assert!(
            world.n_asks <= n_asks_max,
            "seed {seed}: {} questions in {} ms for {} blocks",
            world.n_asks,
            world.now,
            world.top,
        );
    }
}
