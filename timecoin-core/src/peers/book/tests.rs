//! Floods, eclipses, what is drawn how often, and the file.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use super::file::{File, VERSION};
use super::table::BUCKET_MAX;
use super::*;
use crate::types::encode::encode;

const DAY: u64 = 24 * HOUR_MS;
const NOW: Timestamp = Timestamp(1_000 * DAY);

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

fn book() -> AddressBook {
    AddressBook::new([9; 32], false)
}

fn key(n: u8) -> PublicKey {
    PublicKey::from_bytes([n; 32])
}

fn socket(ip: [u8; 4]) -> SocketAddr {
    SocketAddr::from((ip, 9_000))
}

fn peer(ip: [u8; 4]) -> PeerAddress {
    PeerAddress::new(None, socket(ip), NOW)
}

fn all(_: &PeerAddress) -> bool {
    true
}

/// A thousand addresses in a hundred subnets, told by twenty subnets.
fn honest(book: &mut AddressBook) -> Vec<SocketAddr> {
    let addresses: Vec<[u8; 4]> =
        (0..100).flat_map(|net| (0..10).map(move |n| [50, net, n, 1])).collect();
    for (position, address) in (0_u8..20).cycle().zip(&addresses) {
        book.add(IpAddr::from([60, position, 1, 1]), &[peer(*address)], NOW);
    }
    addresses.into_iter().map(socket).collect()
}

/// A million addresses of one subnet, told by one of them.
fn flood(book: &mut AddressBook) {
    for a in 0..=255 {
        for b in 0..40 {
            let addresses: Vec<PeerAddress> = (0..100)
                .map(|port| {
                    let address = SocketAddr::from(([40, 40, a, b], 1 + port));
                    PeerAddress::new(None, address, NOW)
                })
                .collect();
            book.add(IpAddr::from([40, 40, 0, 1]), &addresses, NOW);
        }
    }
}

fn is_attacker(address: SocketAddr) -> bool {
    subnet(address.ip()) == Subnet::V4([40, 40])
}

#[test]
fn a_million_addresses_of_one_subnet_fill_one_bucket_and_evict_nobody() {
    let mut book = book();
    let honest = honest(&mut book);
    assert_eq!(book.len(), 1_000);
    flood(&mut book);
    assert!(honest.iter().all(|address| book.contains(*address)));
    assert!(book.len() <= 1_000 + BUCKET_MAX, "{}", book.len());
}

#[test]
fn one_subnet_fills_a_sixteenth_with_addresses_of_all_subnets() {
    let mut book = book();
    let honest = honest(&mut book);
    for a in 0..=255 {
        for b in 0..=255 {
            book.add(
                IpAddr::from([40, 40, 0, 1]),
                &[peer([70, a, b, 1]), peer([71, a, b, 2])],
                NOW,
            );
        }
    }
    assert!(honest.iter().all(|address| book.contains(*address)));
    let share = 16 * BUCKET_MAX;
    assert!(book.len() <= 1_000 + share && share * 16 == UNTRIED_BUCKETS * BUCKET_MAX);
    assert_eq!(UNTRIED_SPREAD, 16);
}

#[test]
fn one_subnet_does_not_eclipse_a_node() {
    let mut book = book();
    for address in honest(&mut book).into_iter().take(100) {
        book.on_connected(address, key(1), NOW);
    }
    flood(&mut book);
    for port in 1..5_000 {
        book.on_connected(SocketAddr::from(([40, 40, 1, 1], port)), key(2), NOW);
    }
    let n_of_attacker = book.by_address.keys().filter(|address| is_attacker(**address)).count();
    assert!(n_of_attacker > 200, "{n_of_attacker}: the attack was carried out");
    let mut rng = rng(1);
    let picked = (0..2_000).filter_map(|_| book.pick_to_dial(&mut rng, all));
    let n_picked = picked.filter(|peer| is_attacker(peer.address())).count();
    assert!(n_picked < 400, "{n_picked} of 2,000");
}

#[test]
fn buckets_depend_on_the_secret() {
    let (one, other) = (AddressBook::new([1; 32], false), AddressBook::new([2; 32], false));
    let buckets = |book: &AddressBook| {
        let of = |n| book.untried_bucket(socket([50, n, 1, 1]), Subnet::V4([60, n]));
        (0..10).map(of).collect::<Vec<usize>>()
    };
    assert_ne!(buckets(&one), buckets(&other));
}

#[test]
fn a_bad_address_gives_way_to_a_new_one() {
    let mut book = book();
    let flooded: Vec<PeerAddress> = (0..65).map(|n| peer([40, 40, 1, n])).collect();
    let from = IpAddr::from([40, 40, 0, 1]);
    assert_eq!(book.add(from, &flooded, NOW), 64);
    for _ in 0..FAILURES_UNREACHED_MAX {
        book.on_failed(flooded[7].address());
    }
    assert_eq!(book.add(from, &flooded[64..], NOW), 1);
    assert!(!book.contains(flooded[7].address()) && book.contains(flooded[64].address()));
}

#[test]
fn no_address_is_forgotten_because_all_dials_fail() {
    let mut book = book();
    let honest = honest(&mut book);
    for address in honest.iter().cycle().take(20_000) {
        book.on_failed(*address);
    }
    assert_eq!(book.len(), honest.len());
    assert!(book.pick_to_dial(&mut rng(1), all).is_some());
}

#[test]
fn reached_addresses_are_tried_and_picked_as_often_as_all_others() {
    let mut book = book();
    let honest = honest(&mut book);
    for address in &honest[..20] {
        book.on_connected(*address, key(1), NOW);
    }
    assert_eq!((book.n_tried(), book.n_untried()), (20, 980));
    let mut rng = rng(1);
    let picked: Vec<PeerAddress> =
        (0..1_000).filter_map(|_| book.pick_to_dial(&mut rng, all)).collect();
    let n_tried = picked.iter().filter(|peer| honest[..20].contains(&peer.address())).count();
    assert!((400..600).contains(&n_tried), "{n_tried}");
    let feelers: Vec<PeerAddress> =
        (0..1_000).filter_map(|_| book.pick_feeler(&mut rng, all)).collect();
    assert_eq!(feelers.len(), 1_000);
    assert!(!feelers.iter().any(|peer| honest[..20].contains(&peer.address())));
}

#[test]
fn only_what_is_wanted_is_picked_and_always_if_there_is_any() {
    let mut book = book();
    let addresses: Vec<PeerAddress> = (0..10).map(|n| peer([50, n, 1, 1])).collect();
    book.add(IpAddr::from([60, 1, 1, 1]), &addresses, NOW);
    let mut rng = rng(1);
    for wanted in &addresses {
        for _ in 0..FAILURES_MAX {
            book.on_failed(wanted.address());
        }
        let picked = book.pick_to_dial(&mut rng, |peer| peer.address() == wanted.address());
        assert_eq!(picked.map(|peer| peer.address()), Some(wanted.address()));
    }
    assert_eq!(book.pick_to_dial(&mut rng, |_| false), None);
    assert_eq!(AddressBook::new([0; 32], false).pick_to_dial(&mut rng, all), None);
}

#[test]
fn a_full_bucket_of_tried_addresses_is_tested_before_one_gives_way() {
    let mut book = book();
    let address = |port: u16| SocketAddr::from(([50, 1, 1, 1], port));
    let bucket = book.tried_bucket(address(1));
    let mut same = (1..60_000).map(address).filter(|a| book.tried_bucket(*a) == bucket);
    let ours: Vec<SocketAddr> = same.by_ref().take(BUCKET_MAX + 1).collect();
    for (n, address) in (0..).zip(&ours[..BUCKET_MAX]) {
        book.on_connected(*address, key(1), Timestamp(NOW.0 + n));
    }
    let newcomer = ours[BUCKET_MAX];
    book.on_connected(newcomer, key(2), Timestamp(NOW.0 + DAY));
    assert_eq!((book.n_tried(), book.n_untried()), (BUCKET_MAX, 1));
    let tested = book.pick_feeler(&mut rng(1), all).unwrap();
    assert_eq!((tested.address(), tested.key), (ours[0], Some(key(1))));
    book.on_failed(ours[0]);
    book.on_connected(newcomer, key(2), Timestamp(NOW.0 + DAY));
    let is_tried = |address| book.entry_of(address).unwrap().is_tried;
    assert!(is_tried(newcomer) && !is_tried(ours[0]));
}

#[test]
fn hearsay_neither_refreshes_an_address_nor_names_its_key() {
    let mut book = book();
    let future = PeerAddress::new(Some(key(5)), socket([50, 1, 1, 1]), Timestamp::NEVER);
    book.add(IpAddr::from([60, 1, 1, 1]), &[future], NOW);
    let mut rng = rng(1);
    let told = book.sample(&mut rng, 10, NOW);
    assert_eq!(told[0].last_seen, Timestamp(NOW.0 - HEARSAY_AGE_MS));
    assert_eq!(book.pick_to_dial(&mut rng, all).unwrap().key, None);
    book.on_connected(future.address(), key(6), NOW);
    book.add(IpAddr::from([60, 1, 1, 1]), &[future], NOW);
    assert_eq!(book.pick_to_dial(&mut rng, all).unwrap().key, Some(key(6)));
}

#[test]
fn what_can_not_be_dialled_or_is_old_is_not_taken() {
    let old = PeerAddress::new(None, socket([50, 1, 1, 1]), Timestamp(NOW.0 - 31 * DAY));
    let table = [
        ("public", peer([50, 1, 1, 2]), 1, 1),
        ("loopback", peer([127, 0, 0, 1]), 0, 1),
        ("private", peer([10, 0, 0, 1]), 0, 1),
        ("multicast", peer([224, 0, 0, 1]), 0, 0),
        ("a month ago", old, 0, 0),
    ];
    for (desc, told, public, private) in table {
        for (private_addresses, expected) in [(false, public), (true, private)] {
            let mut book = AddressBook::new([0; 32], private_addresses);
            let added = book.add(IpAddr::from([60, 1, 1, 1]), &[told], NOW);
            assert_eq!(added, expected, "{desc}");
        }
    }
    let many: Vec<PeerAddress> = (0..200).map(|n| peer([50, n, 1, 1])).collect();
    assert_eq!(book().add(IpAddr::from([60, 1, 1, 1]), &many, NOW), 100);
}

#[test]
fn a_book_of_one_machine_holds_all_its_nodes() {
    let mut book = AddressBook::new([3; 32], true);
    let node = |port| SocketAddr::from(([127, 0, 0, 1], port));
    for port in 1..=200 {
        let told = PeerAddress::new(None, node(port), NOW);
        assert_eq!(book.add(IpAddr::from([127, 0, 0, 1]), &[told], NOW), 1);
    }
    for port in 1..=200 {
        book.on_connected(node(port), key(1), NOW);
    }
    assert_eq!((book.n_tried(), book.n_untried()), (200, 0));
}

#[test]
fn a_sample_is_recent_bounded_and_reached_first() {
    let mut book = book();
    let honest = honest(&mut book);
    for address in &honest[..30] {
        book.on_connected(*address, key(1), NOW);
    }
    let stale = PeerAddress::new(None, socket([51, 1, 1, 1]), Timestamp(NOW.0 - 8 * DAY));
    book.add(IpAddr::from([60, 1, 1, 1]), &[stale], NOW);
    let mut rng = rng(1);
    let told: BTreeSet<SocketAddr> =
        book.sample(&mut rng, 5_000, NOW).iter().map(PeerAddress::address).collect();
    assert_eq!(told.len(), 100);
    assert!(honest[..30].iter().all(|address| told.contains(address)));
    assert!(!told.contains(&stale.address()) && book.contains(stale.address()));
    assert_eq!(book.sample(&mut rng, 5, NOW).len(), 5);
    assert_eq!(book.sample(&mut rng, 5, Timestamp(NOW.0 + 8 * DAY)), []);
}

#[test]
fn an_address_is_kept_at_a_second_place_when_it_loses_the_first() {
    let mut book = book();
    let attacker = IpAddr::from([40, 40, 0, 1]);
    let victim = peer([40, 40, 1, 0]);
    book.add(attacker, &[victim], NOW);
    book.add(IpAddr::from([60, 1, 1, 1]), &[victim], NOW);
    let flood: Vec<PeerAddress> = (1..100).map(|n| peer([40, 40, 1, n])).collect();
    assert_eq!(book.add(attacker, &flood, NOW), 64);
    assert!(book.contains(victim.address()));
}

#[test]
fn removed_addresses_leave_nothing_behind() {
    let mut book = book();
    for address in honest(&mut book) {
        book.remove(address);
    }
    assert!(book.is_empty() && book.pick_to_dial(&mut rng(1), all).is_none());
    assert_eq!(honest(&mut book).len(), book.len());
    assert_eq!(book.entries.len(), 1_000, "positions are used again");
}

#[test]
fn a_full_book_fits_its_limit() {
    let mut book = book();
    let entry = Entry {
        peer: PeerAddress::new(Some(key(1)), socket([1, 2, 3, 4]), NOW),
        is_tried: false,
        sources: vec![Subnet::V6([0; 4]); PLACES_MAX],
        failures: 0,
        last_connected: NOW,
    };
    let entries = (UNTRIED_BUCKETS + TRIED_BUCKETS) * BUCKET_MAX;
    assert!(encode(&entry).len() * entries + 100 < BOOK_BYTES_MAX);
    book.restore(entry);
}

#[test]
fn another_version_or_too_many_places_are_errors() {
    let mut bytes = book().encode();
    bytes[0] = 2;
    let error = AddressBook::decode(&bytes, false).unwrap_err();
    assert_eq!(error.to_string(), "malformed address book: version 2 is not 1");
    let sources = (0..5).map(|n| Subnet::V4([n, n])).collect();
    let entry = Entry { sources, ..Entry::new(peer([50, 1, 1, 1])) };
    let file = File { version: VERSION, secret: [0; 32], entries: vec![entry] };
    assert!(AddressBook::decode(&encode(&file), false).is_err());
    assert!(AddressBook::decode(&vec![1; BOOK_BYTES_MAX + 1], false).is_err());
    assert!(AddressBook::decode(&[], false).is_err());
}

#[derive(Clone, Debug)]
enum Step {
    Add { from: u8, net: u8, host: u8 },
    Connected { net: u8, host: u8 },
    Failed { net: u8, host: u8 },
    Removed { net: u8, host: u8 },
    Later,
}

fn step() -> impl Strategy<Value = Step> {
    let address = || (0_u8..4, any::<u8>());
    prop_oneof![
        6 => (0_u8..8, address()).prop_map(|(from, (net, host))| Step::Add { from, net, host }),
        2 => address().prop_map(|(net, host)| Step::Connected { net, host }),
        2 => address().prop_map(|(net, host)| Step::Failed { net, host }),
        1 => address().prop_map(|(net, host)| Step::Removed { net, host }),
        1 => Just(Step::Later),
    ]
}

/// Every place names an entry, every entry has its places, and the index has them all.
fn check(book: &AddressBook) {
    let (mut in_untried, mut in_tried) = (0, 0);
    for (id, entry) in (0..).zip(&book.entries) {
        let Some(entry) = entry else { continue };
        assert_eq!(book.by_address.get(&entry.peer.address()), Some(&id));
        assert_eq!(entry.is_tried, entry.sources.is_empty());
        let buckets: BTreeSet<usize> = book.untried_buckets(id).into_iter().collect();
        assert_eq!(buckets.len(), entry.sources.len());
        assert!(buckets.iter().all(|bucket| book.untried.bucket(*bucket).contains(&id)));
        in_untried += buckets.len();
        in_tried += usize::from(entry.is_tried);
    }
    let held = |table: &Table, n: usize| (0..n).map(|b| table.bucket(b).len()).sum::<usize>();
    assert_eq!(held(&book.untried, UNTRIED_BUCKETS), in_untried);
    assert_eq!(held(&book.tried, TRIED_BUCKETS), in_tried);
    assert_eq!(book.by_address.len() + book.free.len(), book.entries.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn tables_and_index_agree_after_any_steps_and_a_restart(
        steps in prop::collection::vec(step(), 0..400),
    ) {
        let mut book = book();
        let mut now = NOW;
        let at = |net, host| socket([50, net, 1, host]);
        for step in steps {
            match step {
                Step::Add { from, net, host } => {
                    let told = PeerAddress::new(None, at(net, host), now);
                    book.add(IpAddr::from([60, from, 1, 1]), &[told], now);
                }
                Step::Connected { net, host } => book.on_connected(at(net, host), key(net), now),
                Step::Failed { net, host } => book.on_failed(at(net, host)),
                Step::Removed { net, host } => book.remove(at(net, host)),
                Step::Later => now = Timestamp(now.0 + 5 * DAY),
            }
        }
        check(&book);
        let bytes = book.encode();
        let restored = AddressBook::decode(&bytes, false).unwrap();
        check(&restored);
        prop_assert_eq!(restored.encode(), bytes);
    }

    #[test]
    fn any_bytes_give_a_book_or_an_error(
        mut bytes in prop::collection::vec(any::<u8>(), 0..300),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        if let Some(version) = bytes.first_mut() {
            *version = VERSION;
        }
        if let Ok(book) = AddressBook::decode(&bytes, false) {
            check(&book);
        }
        let mut whole = book();
        honest(&mut whole);
        let mut bytes = whole.encode();
        for (at, flip) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        if let Ok(book) = AddressBook::decode(&bytes, true) {
            check(&book);
        }
    }
}
