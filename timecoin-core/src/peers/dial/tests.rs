//! Who is dialled in which order, how long addresses rest, and that nothing is dialled twice.

use std::collections::BTreeSet;
use std::net::IpAddr;

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use super::*;
use crate::peers::score::Misbehavior;
use crate::peers::slots::{Admission, ConnectionId, Direction};

const NOW: Timestamp = Timestamp(1_000_000_000_000);

fn key(n: u8) -> PublicKey {
    PublicKey::from_bytes([n; 32])
}

fn at(ms: u64) -> Timestamp {
    Timestamp(NOW.0 + ms)
}

/// An address in a subnet of its own.
fn apart(n: u8) -> SocketAddr {
    SocketAddr::from(([50, n, 1, 1], 9_000))
}

struct World {
    book: AddressBook,
    slots: Slots,
    scores: Scores,
    reserved: Vec<(PublicKey, SocketAddr)>,
    schedule: DialSchedule,
    rng: ChaCha8Rng,
    next_id: u64,
}

impl World {
    fn new(limits: &PeerLimits) -> Self {
        World {
            book: AddressBook::new([5; 32], limits.private_addresses),
            slots: Slots::new(key(0), limits),
            scores: Scores::new(limits),
            reserved: Vec::new(),
            schedule: DialSchedule::new(limits),
            rng: ChaCha8Rng::seed_from_u64(1),
            next_id: 0,
        }
    }

    /// Knows so many addresses in subnets of their own.
    fn knowing(n: u8) -> Self {
        let mut world = World::new(&PeerLimits::default());
        for n in 1..=n {
            world.know(apart(n));
        }
        world
    }

    fn know(&mut self, address: SocketAddr) {
        let told = PeerAddress::new(None, address, NOW);
        self.book.add(IpAddr::from([60, 1, 1, 1]), &[told], NOW);
    }

    fn poll(&mut self, now: Timestamp) -> Option<Dial> {
        let mut context = DialContext {
            book: &mut self.book,
            slots: &self.slots,
            scores: &self.scores,
            reserved: &self.reserved,
        };
        self.schedule.poll(&mut context, now, &mut self.rng)
    }

    fn poll_all(&mut self, now: Timestamp) -> Vec<Dial> {
        std::iter::from_fn(|| self.poll(now)).collect()
    }

    fn connect(&mut self, dial: Dial, key: PublicKey, now: Timestamp) -> ConnectionId {
        let id = ConnectionId(self.next_id);
        self.next_id += 1;
        self.schedule.on_connected(dial.address, now);
        self.book.on_connected(dial.address, key, now);
        if dial.kind != DialKind::Feeler {
            let is_masternode = dial.kind == DialKind::Reserved;
            let admission =
                self.slots.admit(id, key, dial.address, Direction::Outbound, is_masternode);
            assert_eq!(admission, Admission::Admit);
        }
        id
    }
}

fn n_of(dials: &[Dial], kind: DialKind) -> usize {
    dials.iter().filter(|dial| dial.kind == kind).count()
}

#[test]
fn masternodes_come_first_then_16_slots_then_one_feeler() {
    let mut world = World::knowing(100);
    world.reserved = (1..=5).map(|n| (key(n), apart(200 + n))).collect();
    world.reserved.push((key(0), apart(240)));
    let dials = world.poll_all(NOW);
    let kinds: Vec<DialKind> = dials.iter().map(|dial| dial.kind).collect();
    let mut expected = vec![DialKind::Reserved; 5];
    expected.extend([DialKind::Outbound; 16]);
    expected.push(DialKind::Feeler);
    assert_eq!(kinds, expected);
    let addresses: BTreeSet<SocketAddr> = dials.iter().map(|dial| dial.address).collect();
    assert_eq!(addresses.len(), dials.len(), "each address once");
    assert!(dials[..5].iter().zip(&world.reserved).all(|(dial, row)| dial.key == Some(row.0)));
    assert!(dials[5..].iter().all(|dial| dial.key.is_none()));
}

#[test]
fn no_more_than_32_masternodes_are_dialled_at_a_time() {
    let mut world = World::knowing(3);
    world.reserved = (1..=60).map(|n| (key(n), apart(100 + n))).collect();
    let dials = world.poll_all(NOW);
    assert_eq!((n_of(&dials, DialKind::Reserved), n_of(&dials, DialKind::Outbound)), (32, 3));
    world.schedule.on_failed(dials[0].address, NOW, &mut world.rng);
    assert_eq!(world.poll(NOW).and_then(|dial| dial.key), Some(key(33)));
}

#[test]
fn a_connected_masternode_is_not_dialled_and_a_lost_one_is_again() {
    let mut world = World::knowing(0);
    world.reserved = vec![(key(1), apart(1)), (key(2), apart(2))];
    let dials = world.poll_all(NOW);
    let id = world.connect(dials[0], key(1), NOW);
    let inbound = SocketAddr::from(([99, 1, 1, 1], 5));
    world.schedule.on_failed(apart(2), NOW, &mut world.rng);
    world.slots.admit(ConnectionId(77), key(2), inbound, Direction::Inbound, true);
    assert_eq!(world.poll(at(600_000)), None);
    world.slots.remove(id);
    world.schedule.on_closed(apart(1), at(600_000), &mut world.rng);
    assert_eq!(world.poll(at(600_000)), None, "it rests for a moment");
    assert_eq!(world.poll(at(601_000)), Some(dials[0]));
}

#[test]
fn rests_double_from_one_second_to_ten_minutes_and_are_drawn_from_their_upper_half() {
    let mut world = World::knowing(1);
    let mut now = NOW;
    for failures in 0..20_u32 {
        let dial = world.poll(now).unwrap();
        assert_eq!((dial.address, world.poll(now)), (apart(1), None));
        world.schedule.on_failed(dial.address, now, &mut world.rng);
        let full_ms = 600_000.min(1_000_u64 << failures.min(30));
        assert_eq!(world.poll(Timestamp(now.0 + full_ms / 2 - 1)), None, "after {failures}");
        now = Timestamp(now.0 + full_ms);
    }
    assert!(world.poll(now).is_some());
}

#[test]
fn jitter_spreads_rests() {
    let mut world = World::knowing(100);
    let dials: Vec<Dial> = world.poll_all(NOW);
    for dial in &dials {
        world.schedule.on_failed(dial.address, NOW, &mut world.rng);
    }
    let until: BTreeSet<u64> = world
        .schedule
        .attempts
        .values()
        .map(|attempt| match attempt.phase {
            Phase::Resting { until, .. } => until.0 - NOW.0,
            phase => panic!("{phase:?}"),
        })
        .collect();
    assert!(until.len() > 10 && until.iter().all(|ms| (500..=1_000).contains(ms)), "{until:?}");
}

#[test]
fn a_masternode_rests_half_a_minute_at_most() {
    let mut world = World::knowing(0);
    world.reserved = vec![(key(1), apart(1))];
    let mut now = NOW;
    for _ in 0..20 {
        assert!(world.poll(now).is_some());
        world.schedule.on_failed(apart(1), now, &mut world.rng);
        assert_eq!(world.poll(now), None);
        now = Timestamp(now.0 + 30_000);
    }
}

#[test]
fn only_a_connection_that_lasted_resets_the_backoff() {
    for (lasted_ms, expected) in [(59_999, 6), (60_000, 1)] {
        let mut world = World::knowing(1);
        let mut now = NOW;
        for _ in 0..5 {
            world.poll(now).unwrap();
            world.schedule.on_failed(apart(1), now, &mut world.rng);
            now = Timestamp(now.0 + 600_000);
        }
        let dial = world.poll(now).unwrap();
        let id = world.connect(dial, key(1), now);
        world.slots.remove(id);
        let closed = Timestamp(now.0 + lasted_ms);
        world.schedule.on_closed(apart(1), closed, &mut world.rng);
        assert_eq!(world.schedule.attempts[&apart(1)].failures, expected);
    }
}

#[test]
fn outbound_dials_go_to_different_subnets() {
    let mut world = World::knowing(0);
    for n in 0..50 {
        world.know(SocketAddr::from(([50, 1, n, 1], 9_000)));
    }
    let mut n_connected = 0;
    for second in 0..10 {
        for dial in world.poll_all(at(second)) {
            if dial.kind == DialKind::Outbound {
                n_connected += 1;
                world.connect(dial, key(n_connected), at(second));
            }
        }
    }
    assert_eq!(n_connected, 2);
}

#[test]
fn banned_and_connected_peers_are_not_dialled() {
    let mut world = World::knowing(3);
    world.reserved = vec![(key(9), apart(9))];
    world.scores.on_misbehavior(None, apart(1).ip(), Misbehavior::Undecodable, NOW);
    world.scores.on_misbehavior(Some(key(9)), apart(8).ip(), Misbehavior::Undecodable, NOW);
    // Somebody else of the host of a masternode misbehaved.
    world.reserved.push((key(7), apart(7)));
    world.scores.on_misbehavior(Some(key(6)), apart(7).ip(), Misbehavior::Undecodable, NOW);
    // The peer at the second address is connected from elsewhere.
    world.book.on_connected(apart(2), key(2), NOW);
    world.slots.admit(ConnectionId(50), key(2), apart(77), Direction::Inbound, false);
    let dials = world.poll_all(NOW);
    assert_eq!(dials.iter().map(|dial| dial.address).collect::<Vec<_>>(), [apart(7), apart(3)]);
}

#[test]
fn feelers_are_minutes_apart_and_leave_no_trace() {
    let limits = PeerLimits { outbound_max: 0, ..PeerLimits::default() };
    let mut world = World::new(&limits);
    for n in 1..=200 {
        world.know(apart(n));
    }
    let mut at_ms = Vec::new();
    for second in 0..3_600 {
        for dial in world.poll_all(at(second * 1_000)) {
            assert_eq!(dial.kind, DialKind::Feeler);
            world.connect(dial, key(1), at(second * 1_000));
            at_ms.push(second * 1_000);
        }
    }
    assert!((20..45).contains(&at_ms.len()), "{}", at_ms.len());
    assert!(at_ms.windows(2).all(|pair| (60_000..=181_000).contains(&(pair[1] - pair[0]))));
    assert!(world.schedule.attempts.is_empty());
    assert_eq!(world.book.n_tried(), at_ms.len());
}

#[test]
fn a_clock_that_goes_back_stops_no_dials() {
    let mut world = World::knowing(20);
    for dial in world.poll_all(NOW) {
        world.schedule.on_failed(dial.address, NOW, &mut world.rng);
    }
    let dials = world.poll_all(Timestamp(NOW.0 - 86_400_000));
    assert_eq!((n_of(&dials, DialKind::Outbound), n_of(&dials, DialKind::Feeler)), (16, 1));
}

#[test]
fn nodes_of_one_machine_dial_each_other() {
    let limits = PeerLimits { private_addresses: true, ..PeerLimits::default() };
    let mut world = World::new(&limits);
    for port in 1..=10 {
        world.know(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    assert_eq!(n_of(&world.poll_all(NOW), DialKind::Outbound), 10);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_address_is_dialled_twice_and_memory_is_bounded(
        seed in any::<u64>(),
        outcomes in prop::collection::vec((0_u8..4, 0_u64..5_000), 1..60),
    ) {
        let mut world = World::knowing(60);
        world.rng = ChaCha8Rng::seed_from_u64(seed);
        world.reserved = (1..=20).map(|n| (key(n), apart(30 + n))).collect();
        let mut dialing: Vec<Dial> = Vec::new();
        let mut connected: Vec<(Dial, ConnectionId)> = Vec::new();
        let (mut now, mut next_key) = (NOW, 100);
        for (outcome, wait) in outcomes {
            now = Timestamp(now.0 + wait);
            for dial in world.poll_all(now) {
                let same = |other: &Dial| other.address == dial.address;
                prop_assert!(!dialing.iter().any(same));
                prop_assert!(!connected.iter().any(|(other, _)| same(other)));
                dialing.push(dial);
            }
            prop_assert_eq!(world.schedule.n_dialing(), dialing.len());
            prop_assert!(n_of(&dialing, DialKind::Outbound) + world.slots.n_outbound() <= 16);
            match (outcome, dialing.pop()) {
                (0, Some(dial)) => {
                    next_key += 1;
                    let id = world.connect(dial, dial.key.unwrap_or(key(next_key)), now);
                    if dial.kind != DialKind::Feeler {
                        connected.push((dial, id));
                    }
                }
                (1 | 2, Some(dial)) => world.schedule.on_failed(dial.address, now, &mut world.rng),
                (_, dial) => {
                    dialing.extend(dial);
                    if let Some((dial, id)) = connected.pop() {
                        world.slots.remove(id);
                        world.schedule.on_closed(dial.address, now, &mut world.rng);
                    }
                }
            }
            prop_assert!(world.schedule.attempts.len() <= ATTEMPTS_MAX);
        }
    }
}

#[test]
fn failures_of_many_addresses_are_forgotten_before_memory_grows() {
    let mut world = World::new(&PeerLimits::default());
    let mut n_dials = 0;
    for n in 0..5_000_u32 {
        let [_, _, a, b] = n.to_be_bytes();
        world.reserved = vec![(key(1), SocketAddr::from(([50, a, b, 1], 1)))];
        n_dials += usize::from(world.poll(NOW).is_some());
        world.schedule.on_failed(world.reserved[0].1, NOW, &mut world.rng);
        assert!(world.schedule.attempts.len() <= ATTEMPTS_MAX);
    }
    assert_eq!(n_dials, 5_000);
}
