//! Peers of all kinds, their connections, and the node that asks them.

use std::collections::BTreeMap;

use super::{HEIGHT, Story, story};
use crate::ledger::view::OutputPage;
use crate::sim::Random;
use crate::sync::BadAnswer;
use crate::sync::headers::{HeaderPage, HeaderRules};
use crate::sync::snapshot::*;
use crate::testkit::set_hash;
use crate::types::amount::Amount;
use crate::types::hash::Txid;
use crate::types::keys::KeyPair;

/// How a peer deals with questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Answers with what it has, soon.
    Honest,
    /// The same, in up to 9 s.
    Slow,
    /// The same, and its connection ends now and then.
    Flapping,
    /// The same, and it is some blocks behind.
    Behind,
    /// The same, and it has no block before the twentieth.
    Based,
    /// Says nothing.
    Silent,
    /// Has no time.
    Busy,
    /// Claims blocks without end.
    Boastful,
    /// Changes the value of an output.
    Alters,
    /// Leaves an output out.
    Omits,
    /// Adds an output.
    Adds,
    /// Sends outputs in the wrong order.
    Disorders,
    /// Sends the same page again and again.
    Repeats,
    /// Sends outputs without end.
    Endless,
    /// Says another height than its page has.
    Misdates,
    /// Says a height that there is not.
    Foretells,
    /// Changes the state.
    Misstates,
    /// Sends headers that prove nothing.
    Deranges,
    /// Sends blocks with other transactions.
    Replaces,
    /// Alters, and leaves at once.
    HitAndRun,
    /// Answers what nobody asked.
    Confused,
}

impl Kind {
    pub(super) const ALL: [Kind; 21] = [
        Kind::Honest,
        Kind::Slow,
        Kind::Flapping,
        Kind::Behind,
        Kind::Based,
        Kind::Silent,
        Kind::Busy,
        Kind::Boastful,
        Kind::Alters,
        Kind::Omits,
        Kind::Adds,
        Kind::Disorders,
        Kind::Repeats,
        Kind::Endless,
        Kind::Misdates,
        Kind::Foretells,
        Kind::Misstates,
        Kind::Deranges,
        Kind::Replaces,
        Kind::HitAndRun,
        Kind::Confused,
    ];

    fn is_honest(self) -> bool {
        matches!(self, Kind::Honest | Kind::Slow | Kind::Flapping | Kind::Behind | Kind::Based)
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

enum Event {
    Answer { peer: PublicKey, connection: u64, ask: Ask },
    Leave(PublicKey),
    Return(PublicKey),
    Decide,
    Crash,
    Look,
}

pub(super) struct World {
    seed: u64,
    random: Random,
    story: &'static Story,
    pub(super) now: u64,
    n_events: u64,
    events: BTreeMap<(u64, u64), Event>,
    snapshot: Snapshot,
    /// What is on disk.
    kept: Vec<Record>,
    peers: BTreeMap<PublicKey, Peer>,
    /// What is decided elsewhere.
    top: usize,
    pub(super) is_done: bool,
}

fn limits() -> SnapshotLimits {
    SnapshotLimits {
        page_outputs: 9,
        page_blocks: 3,
        page_headers: 8,
        outputs_max: 2_000,
        gap_blocks_max: 20,
        ..SnapshotLimits::default()
    }
}

impl World {
    /// Some peers, of which one is honest or none.
    pub(super) fn new(seed: u64, is_one_honest: bool) -> Self {
        let mut random = Random::new(seed, "kinds");
        let n_peers = random.range(1, 8);
        let mut kinds: Vec<Kind> =
            (0..n_peers).map(|_| *random.choose(&Kind::ALL).unwrap()).collect();
        if is_one_honest {
            kinds[0] = *random.choose(&Kind::ALL[..4]).unwrap();
            // Somebody has all headers who is there long enough.
        } else {
            kinds.retain(|kind| !kind.is_honest());
        }
        Self::of(seed, &kinds)
    }

    pub(super) fn of(seed: u64, kinds: &[Kind]) -> Self {
        let mut random = Random::new(seed, "snapshot");
        let story = story();
        let mut world = World {
            seed,
            story,
            now: 0,
            n_events: 0,
            events: BTreeMap::new(),
            snapshot: Snapshot::new(story.kit.chain.clone(), limits(), seed),
            kept: Vec::new(),
            peers: BTreeMap::new(),
            top: usize::try_from(random.range(25, 40)).unwrap(),
            is_done: false,
            random,
        };
        for (n, kind) in kinds.iter().enumerate() {
            let key = KeyPair::from_seed(&n.to_le_bytes()).public();
            let peer =
                Peer { kind: *kind, is_here: false, is_banned: false, points: 0, connection: 0 };
            world.peers.insert(key, peer);
            let after = world.random.range(0, 2_000);
            world.schedule(after, Event::Return(key));
        }
        world.schedule(0, Event::Look);
        world.schedule(500, Event::Decide);
        if world.random.happens(500_000) {
            let after = world.random.range(1_000, 20_000);
            world.schedule(after, Event::Crash);
        }
        world
    }

    fn schedule(&mut self, after: u64, event: Event) {
        self.n_events += 1;
        self.events.insert((self.now + after, self.n_events), event);
    }

    pub(super) fn run(self) -> Self {
        self.run_for(3_600_000)
    }

    /// Goes on until everything is here, or for so many milliseconds.
    pub(super) fn run_for(mut self, ms: u64) -> Self {
        while !self.is_done {
            let ((now, _), event) = self.events.pop_first().expect("it looks now and then");
            if now > ms {
                break;
            }
            self.now = now;
            self.on(event);
            self.perform();
        }
        self
    }

    /// Everything, for whoever looks for what went wrong.
    pub(super) fn tell(&self) -> String {
        let one = |(key, peer): (&PublicKey, &Peer)| {
            let Peer { kind, is_here, is_banned, .. } = peer;
            let suspected = self.snapshot.suspects.get(key);
            format!("{kind:?} here {is_here} banned {is_banned} suspected {suspected:?}")
        };
        let peers: Vec<String> = self.peers.iter().map(one).collect();
        let attempt = &self.snapshot.attempt;
        let at = (attempt.height, attempt.is_of_one, attempt.covered);
        format!(
            "top {}, {at:?}, {:?}, {peers:#?}",
            self.top,
            self.snapshot.progress(Timestamp(self.now))
        )
    }

    pub(super) fn n_banned(&self) -> usize {
        self.peers.values().filter(|peer| peer.is_banned).count()
    }

    fn on(&mut self, event: Event) {
        match event {
            Event::Answer { peer, connection, ask } => {
                let one = &self.peers[&peer];
                if one.is_here && one.connection == connection {
                    self.answer(peer, &ask);
                }
            }
            Event::Leave(peer) => {
                self.peers.get_mut(&peer).unwrap().is_here = false;
                let after = self.random.range(100, 10_000);
                self.schedule(after, Event::Return(peer));
            }
            Event::Return(peer) => {
                let one = self.peers.get_mut(&peer).unwrap();
                (one.is_here, one.connection) = (!one.is_banned, one.connection + 1);
                if one.kind == Kind::Flapping {
                    let after = self.random.range(2_000, 30_000);
                    self.schedule(after, Event::Leave(peer));
                }
            }
            Event::Decide if self.top < HEIGHT => {
                self.top += 1;
                let after = self.random.range(200, 4_000);
                self.schedule(after, Event::Decide);
            }
            Event::Decide => {}
            Event::Crash => self.crash(),
            Event::Look => self.schedule(200, Event::Look),
        }
        let of = |(key, peer): (&PublicKey, &Peer)| {
            let (height, first_block) = self.extent(peer.kind);
            SnapshotPeer { key: *key, height, first_block }
        };
        let here: Vec<SnapshotPeer> =
            self.peers.iter().filter(|(_, peer)| peer.is_here).map(of).collect();
        self.snapshot.on_peers(&here);
    }

    /// The end of the process: what is kept is taken up, and all connections are new.
    fn crash(&mut self) {
        self.snapshot = Snapshot::new(self.story.kit.chain.clone(), limits(), self.seed);
        self.kept.iter().for_each(|record| self.snapshot.restore(record));
        self.peers.values_mut().for_each(|peer| peer.connection += 1);
    }

    /// What a peer says it has.
    fn extent(&self, kind: Kind) -> (Height, Height) {
        let top = match kind {
            Kind::Boastful => u64::MAX,
            Kind::Behind => self.top as u64 - 5,
            _ => self.top as u64,
        };
        (Height(top), Height(if kind == Kind::Based { 20 } else { 1 }))
    }

    fn perform(&mut self) {
        while let Some(output) = self.snapshot.poll(Timestamp(self.now)) {
            match output {
                Output::Ask(ask) => self.ask(ask),
                Output::Keep(record) => self.kept.push(record),
                Output::Forget => self.kept.clear(),
                Output::Blame(peer) => self.blame(&peer, 100, &"blame"),
                Output::Finish(state) => self.finish(&state),
            }
        }
    }

    fn finish(&mut self, state: &LedgerState) {
        let pages = self.kept.iter().filter_map(|record| match record {
            Record::Page { page, .. } => Some(page.outputs.iter().copied().map(Ok::<_, ()>)),
            _ => None,
        });
        let outputs: Vec<_> =
            self.snapshot.overlay().merge(pages.flatten()).collect::<Result<_, _>>().unwrap();
        if set_hash(&outputs) != state.utxo_set {
            return self.snapshot.on_mismatch(Timestamp(self.now));
        }
        let height = usize::try_from(state.tip.height.0).unwrap();
        assert_eq!(*state, self.story.states[height], "seed {}", self.seed);
        assert_eq!(outputs, self.story.outputs[height], "seed {}", self.seed);
        self.is_done = true;
    }

    fn ask(&mut self, ask: Ask) {
        let peer = &self.peers[&ask.peer];
        assert!(peer.is_here, "seed {}: {:?} is gone and asked", self.seed, peer.kind);
        let (kind, connection) = (peer.kind, peer.connection);
        let after = match kind {
            Kind::Silent => return,
            Kind::Slow => self.random.range(500, 9_000),
            _ => self.random.range(10, 300),
        };
        if kind == Kind::Confused && self.random.happens(300_000) {
            let ask = Ask { id: ask.id + 1_000_000, ..ask };
            self.schedule(1, Event::Answer { peer: ask.peer, connection, ask });
        }
        self.schedule(after, Event::Answer { peer: ask.peer, connection, ask });
    }

    fn answer(&mut self, peer: PublicKey, ask: &Ask) {
        let kind = self.peers[&peer].kind;
        let taken = match ask.what {
            Question::Headers { from, count } => self.answer_headers(peer, ask.id, from, count),
            Question::Blocks { from, count } => self.answer_blocks(peer, ask.id, from, count),
            Question::Outputs { after, count } => self.answer_outputs(peer, ask.id, after, count),
            Question::State => self.answer_state(peer, ask.id),
        };
        if kind == Kind::HitAndRun && matches!(ask.what, Question::Outputs { .. }) {
            self.perform();
            if self.peers[&peer].is_here {
                self.on(Event::Leave(peer));
            }
        }
        if let Err(bad) = taken {
            self.blame(&peer, if bad == BadAnswer::Unrequested { 10 } else { 100 }, &bad);
        }
    }

    /// The last block that a peer has.
    fn top_of(&self, kind: Kind) -> usize {
        if kind == Kind::Behind { self.top - 5 } else { self.top }
    }

    fn answer_headers(
        &mut self,
        peer: PublicKey,
        id: u64,
        from: Height,
        count: u16,
    ) -> Result<(), BadAnswer> {
        let kind = self.peers[&peer].kind;
        let from = usize::try_from(from.0).unwrap();
        let to = (from - 1 + usize::from(count)).min(self.top_of(kind));
        let mut page = HeaderPage::default();
        if from <= to && kind != Kind::Busy {
            page.links = self.story.links[from - 1..to].to_vec();
            page.certificate = Some(self.story.certificates[to - 1].clone());
        }
        if kind == Kind::Deranges
            && let Some(last) = page.links.last_mut()
        {
            last.header.timestamp.0 += 1;
        }
        let params = self.story.kit.chain.params();
        let epoch_of = |height| params.epoch_of(height);
        let rules = HeaderRules { chain_id: self.story.kit.chain.id(), epoch_of: &epoch_of };
        let at = self.snapshot.anchor().height;
        let followed = rules.follow(self.snapshot.anchor(), &page).ok().map(|followed| {
            let new = page.links.iter().filter(|link| link.header.height > at);
            let new = new.map(|link| Certified::new(&link.header, link.header.hash()));
            (new.collect(), followed.end)
        });
        self.snapshot.on_headers(peer, id, followed, 1_000, Timestamp(self.now))
    }

    fn answer_blocks(
        &mut self,
        peer: PublicKey,
        id: u64,
        from: Height,
        count: u16,
    ) -> Result<(), BadAnswer> {
        let kind = self.peers[&peer].kind;
        let from = usize::try_from(from.0).unwrap();
        let to = (from - 1 + usize::from(count)).min(self.top_of(kind)).max(from - 1);
        let decided = self.story.kit.decided[from - 1..to].iter();
        let mut blocks: Vec<_> = decided.map(|decided| decided.block.clone()).collect();
        match kind {
            Kind::Replaces => blocks.iter_mut().for_each(|block| {
                let mut other = (**block).clone();
                other.transactions.truncate(1);
                *block = other.into();
            }),
            Kind::Busy => blocks.clear(),
            _ if self.random.happens(300_000) => blocks.truncate(1),
            _ => {}
        }
        self.snapshot.on_blocks(peer, id, &blocks, 1_000, Timestamp(self.now))
    }

    fn answer_outputs(
        &mut self,
        peer: PublicKey,
        id: u64,
        after: Option<OutPoint>,
        count: u16,
    ) -> Result<(), BadAnswer> {
        let kind = self.peers[&peer].kind;
        let top = self.top_of(kind);
        let height = Height(top as u64);
        let all = self.story.outputs[top].iter();
        let rest = all.filter(|(outpoint, _)| after.is_none_or(|after| *outpoint > after));
        let outputs: Vec<_> = rest.take(usize::from(count)).copied().collect();
        let mut page = Some(OutputPage { height, outputs });
        self.spoil(kind, &mut page, after, count);
        self.snapshot.on_outputs(peer, id, page, 1_000, Timestamp(self.now))
    }

    fn spoil(
        &mut self,
        kind: Kind,
        answer: &mut Option<OutputPage>,
        after: Option<OutPoint>,
        count: u16,
    ) {
        let Some(page) = answer else { return };
        let outputs = &mut page.outputs;
        let at = self.random.index(outputs.len().max(1));
        match kind {
            Kind::Busy => *answer = None,
            Kind::Alters | Kind::HitAndRun if !outputs.is_empty() => {
                outputs[at].1.output.value = Amount::from_time(1_000_000);
            }
            Kind::Omits if !outputs.is_empty() => {
                outputs.remove(at);
            }
            Kind::Adds if outputs.len() > 1 => {
                let (first, utxo) = outputs[0];
                outputs.insert(1, (OutPoint::new(first.txid, first.vout + 1_000), utxo));
                outputs.truncate(usize::from(count));
            }
            Kind::Disorders => outputs.reverse(),
            Kind::Repeats if after.is_some() => {
                let first = self.story.outputs[self.top].iter();
                *outputs = first.take(usize::from(count)).copied().collect();
            }
            Kind::Endless => {
                let utxo = self.story.outputs[0][0].1;
                let (txid, vout) = after.map_or((Txid::ZERO, 0), |after| (after.txid, after.vout));
                let next = (1..=u32::from(count)).map(|n| (OutPoint::new(txid, vout + n), utxo));
                *outputs = next.collect();
            }
            Kind::Misdates => page.height = Height(page.height.0 - self.random.below(6)),
            Kind::Foretells => page.height = Height(page.height.0 + self.random.below(1_000)),
            _ => {}
        }
    }

    fn answer_state(&mut self, peer: PublicKey, id: u64) -> Result<(), BadAnswer> {
        let kind = self.peers[&peer].kind;
        let mut state = self.story.states[self.top_of(kind)].clone();
        match (kind, self.random.below(5)) {
            (Kind::Misstates, 0) => state.issued = Amount::from_time(1),
            (Kind::Misstates, 1) => state.utxo_set.insert(b"mine"),
            (Kind::Misstates, 2) => state.tip.certificate = None,
            (Kind::Misstates, 3) => state.registry = self.story.states[0].registry.clone(),
            (Kind::Misstates, _) => state.tip.timestamp.0 += 1,
            _ => {}
        }
        let state = (kind != Kind::Busy).then(|| Box::new(state));
        self.snapshot.on_state(peer, id, state, 1_000, Timestamp(self.now))
    }

    fn blame(&mut self, peer: &PublicKey, points: u32, why: &dyn std::fmt::Debug) {
        let one = self.peers.get_mut(peer).unwrap();
        let (seed, kind) = (self.seed, one.kind);
        assert!(!kind.is_honest(), "seed {seed}: {kind:?} is blamed for {why:?}");
        one.points += points;
        if one.points >= 100 {
            (one.is_banned, one.is_here) = (true, false);
        }
    }
}
