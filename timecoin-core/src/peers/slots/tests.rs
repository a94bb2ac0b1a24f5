//! Limits, duplicates as both ends see them, and what masternodes are spared.

use proptest::prelude::*;

use super::*;

const IN: Direction = Direction::Inbound;
const OUT: Direction = Direction::Outbound;

fn key(byte: u8) -> PublicKey {
    PublicKey::from_bytes([byte; 32])
}

fn nth_key(n: u16) -> PublicKey {
    let mut bytes = [7; 32];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    PublicKey::from_bytes(bytes)
}

fn socket(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// An address in a subnet of its own.
fn apart(n: u8) -> SocketAddr {
    SocketAddr::from(([20, n, 0, 1], 9_000))
}

fn slots(limits: PeerLimits) -> Slots {
    Slots::new(key(100), &limits)
}

/// Admits connections with keys and ids from 0 on, one for each address.
fn admit_all(
    slots: &mut Slots,
    direction: Direction,
    addresses: impl IntoIterator<Item = SocketAddr>,
) -> Vec<Admission> {
    let numbered = (0..).zip(addresses);
    numbered
        .map(|(n, address)| {
            slots.admit(ConnectionId(u64::from(n)), nth_key(n), address, direction, false)
        })
        .collect()
}

#[test]
fn the_defaults_are_125_inbound_and_16_outbound() {
    let mut slots = slots(PeerLimits::default());
    let inbound = admit_all(&mut slots, IN, (0..126).map(apart));
    assert!(inbound[..125].iter().all(|admission| *admission == Admission::Admit));
    assert_eq!(inbound[125], Admission::Refuse(Refusal::InboundFull));
    for n in 0..17 {
        let id = ConnectionId(1_000 + u64::from(n));
        let admission = slots.admit(id, key(n), apart(n), OUT, false);
        let expected = match n {
            16 => Admission::Refuse(Refusal::OutboundFull),
            _ => Admission::Admit,
        };
        assert_eq!(admission, expected);
    }
    assert_eq!((slots.n_inbound(), slots.n_outbound()), (125, 16));
}

#[test]
fn a_host_has_8_inbound_and_a_subnet_32_inbound_and_2_outbound() {
    let of_host = (1..10).map(|port| SocketAddr::from(([20, 1, 1, 1], port)));
    let last = admit_all(&mut slots(PeerLimits::default()), IN, of_host).pop().unwrap();
    assert_eq!(last, Admission::Refuse(Refusal::HostFull));
    let of_v6_host = (1..10).map(|n| SocketAddr::from(([0x2a00, 1, 1, 1, 0, 0, 0, n], 1)));
    let last = admit_all(&mut slots(PeerLimits::default()), IN, of_v6_host).pop().unwrap();
    assert_eq!(last, Admission::Refuse(Refusal::HostFull));
    let of_subnet = (1..34).map(|n| SocketAddr::from(([20, 1, n, 1], 1)));
    let all = admit_all(&mut slots(PeerLimits::default()), IN, of_subnet.clone());
    assert_eq!(all[31..], [Admission::Admit, Admission::Refuse(Refusal::SubnetFull)]);
    let mut slots = slots(PeerLimits::default());
    let all = admit_all(&mut slots, OUT, of_subnet.take(3));
    assert_eq!(all[1..], [Admission::Admit, Admission::Refuse(Refusal::SubnetFull)]);
    assert!(!slots.may_dial(socket("20.1.99.1:1")) && slots.may_dial(socket("20.2.0.1:1")));
}

#[test]
fn loopback_is_exempt_if_the_operator_says_so() {
    let addresses = || (1..60).map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let mut exempt = slots(PeerLimits::default());
    let admitted = admit_all(&mut exempt, IN, addresses());
    assert!(admitted.iter().all(|admission| *admission == Admission::Admit));
    for (id, from) in (100..).zip(addresses().take(20)) {
        assert_eq!(exempt.on_accepted(ConnectionId(id), from), Ok(()));
    }
    let mut bound = slots(PeerLimits { loopback_exempt: false, ..PeerLimits::default() });
    assert_eq!(admit_all(&mut bound, IN, addresses())[8], Admission::Refuse(Refusal::HostFull));
}

#[test]
fn handshakes_are_limited_in_total_and_by_host() {
    let mut slots = slots(PeerLimits::default());
    let from = |host: u8, port: u16| SocketAddr::from(([20, 0, 0, host], port));
    for port in 0..4 {
        assert_eq!(slots.on_accepted(ConnectionId(u64::from(port)), from(1, port)), Ok(()));
    }
    assert_eq!(slots.may_accept(from(1, 9)), Err(Refusal::HostHandshakesFull));
    for n in 4..64 {
        assert_eq!(slots.on_accepted(ConnectionId(n), from(u8::try_from(n).unwrap(), 1)), Ok(()));
    }
    assert_eq!(slots.may_accept(from(200, 9)), Err(Refusal::HandshakesFull));
    slots.remove(ConnectionId(0));
    assert_eq!(slots.admit(ConnectionId(1), key(1), from(1, 1), IN, false), Admission::Admit);
    assert_eq!(slots.may_accept(from(1, 9)), Ok(()));
    assert_eq!((slots.n_handshakes(), slots.n_inbound()), (62, 1));
}

#[test]
fn masternodes_take_no_slot_until_they_leave_the_set() {
    let limits = PeerLimits { inbound_max: 1, outbound_max: 0, ..PeerLimits::default() };
    let mut slots = slots(limits);
    for n in 0..30 {
        let direction = if n % 2 == 0 { IN } else { OUT };
        let admission =
            slots.admit(ConnectionId(n.into()), key(n), socket("20.1.1.1:1"), direction, true);
        assert_eq!(admission, Admission::Admit);
    }
    assert_eq!((slots.n_masternodes(), slots.n_inbound()), (30, 0));
    assert_eq!(slots.admit(ConnectionId(50), key(50), apart(1), IN, false), Admission::Admit);
    slots.set_masternodes(|member| *member == key(3));
    assert_eq!((slots.n_masternodes(), slots.n_inbound(), slots.n_outbound()), (1, 16, 14));
    let late = slots.admit(ConnectionId(51), key(51), apart(2), OUT, false);
    assert_eq!(late, Admission::Refuse(Refusal::OutboundFull));
}

#[test]
fn own_key_is_refused() {
    let admission =
        slots(PeerLimits::default()).admit(ConnectionId(1), key(100), apart(1), OUT, true);
    assert_eq!(admission, Admission::Refuse(Refusal::OwnKey));
}

#[test]
fn which_of_two_connections_with_one_peer_survives() {
    let replace = Admission::Replace(ConnectionId(1));
    let refuse = Admission::Refuse(Refusal::Duplicate);
    let (smaller, larger) = (key(1), key(200));
    let table = [
        ("same direction in", smaller, IN, IN, replace),
        ("same direction out", larger, OUT, OUT, replace),
        ("the smaller peer dialled first", smaller, IN, OUT, refuse),
        ("the smaller peer dialled second", smaller, OUT, IN, replace),
        ("the larger peer dialled first", larger, IN, OUT, replace),
        ("the larger peer dialled second", larger, OUT, IN, refuse),
    ];
    for (desc, peer, first, second, expected) in table {
        let mut slots = slots(PeerLimits::default());
        assert_eq!(slots.admit(ConnectionId(1), peer, apart(1), first, false), Admission::Admit);
        assert_eq!(slots.admit(ConnectionId(2), peer, apart(1), second, false), expected, "{desc}");
        let survivor = if expected == refuse { 1 } else { 2 };
        assert_eq!(slots.connection_of(&peer), Some(ConnectionId(survivor)), "{desc}");
        assert_eq!(slots.n_inbound() + slots.n_outbound(), 1, "{desc}");
    }
}

#[test]
fn both_ends_of_simultaneous_dials_keep_the_same_connection() {
    let (one, other) = (key(1), key(2));
    for (at_one, at_other) in [([1, 2], [1, 2]), ([1, 2], [2, 1]), ([2, 1], [1, 2])] {
        let mut kept = Vec::new();
        for (own, peer, order) in [(one, other, at_one), (other, one, at_other)] {
            let mut slots = Slots::new(own, &PeerLimits::default());
            for id in order {
                // `one` dials connection 1 and `other` connection 2.
                let direction = if (id == 1) == (own == one) { OUT } else { IN };
                slots.admit(ConnectionId(id), peer, apart(1), direction, false);
            }
            kept.push(slots.connection_of(&peer));
        }
        assert_eq!(kept, [Some(ConnectionId(1)); 2]);
    }
}

#[test]
fn a_replacement_needs_no_free_slot() {
    let limits = PeerLimits { inbound_max: 1, inbound_per_host_max: 1, ..PeerLimits::default() };
    let mut slots = slots(limits);
    assert_eq!(slots.admit(ConnectionId(1), key(1), apart(1), IN, false), Admission::Admit);
    let again = slots.admit(ConnectionId(2), key(1), apart(1), IN, false);
    assert_eq!(again, Admission::Replace(ConnectionId(1)));
    slots.remove(ConnectionId(1));
    assert_eq!(slots.connection_of(&key(1)), Some(ConnectionId(2)), "closing the old is harmless");
}

#[test]
fn a_few_subnets_can_not_keep_all_others_out() {
    let mut slots = slots(PeerLimits::default());
    let crowd = (0..125).map(|n| SocketAddr::from(([30, n / 32, n, 1], 1)));
    admit_all(&mut slots, IN, crowd);
    let mut n_honest = 0;
    for n in 0..100 {
        let id = ConnectionId(1_000 + u64::from(n));
        let admission = slots.admit(id, key(n), apart(n), IN, false);
        n_honest += usize::from(matches!(admission, Admission::Replace(_)));
        assert!(slots.n_inbound() <= 125);
    }
    assert_eq!(n_honest, 100);
    let back = slots.admit(ConnectionId(9_999), key(250), socket("30.0.99.1:1"), IN, false);
    assert_eq!(back, Admission::Refuse(Refusal::InboundFull));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_order_of_events_breaks_a_limit(
        events in prop::collection::vec((any::<u8>(), any::<bool>(), 0_u8..6, 0_u8..40), 0..200),
    ) {
        let limits = PeerLimits {
            inbound_max: 5,
            outbound_max: 3,
            inbound_per_subnet_max: 4,
            inbound_per_host_max: 3,
            ..PeerLimits::default()
        };
        let mut slots = slots(limits);
        let mut open: Vec<ConnectionId> = Vec::new();
        for (number, (peer, is_inbound, network, action)) in (0..).zip(events) {
            let id = ConnectionId(number);
            if action == 0 && !open.is_empty() {
                slots.remove(open.swap_remove(usize::from(peer) % open.len()));
                continue;
            }
            let direction = if is_inbound { IN } else { OUT };
            let peer = key(peer % 16);
            match slots.admit(id, peer, apart(network), direction, action < 4) {
                Admission::Admit => open.push(id),
                Admission::Replace(old) => {
                    let before = open.len();
                    open.retain(|other| *other != old);
                    prop_assert_eq!(open.len() + 1, before, "what is replaced was open");
                    open.push(id);
                }
                Admission::Refuse(_) => {}
            }
            prop_assert!(slots.n_inbound() <= 5 && slots.n_outbound() <= 3);
            prop_assert_eq!(slots.connections.len(), open.len());
            prop_assert_eq!(slots.by_key.len(), open.len());
        }
    }
}
