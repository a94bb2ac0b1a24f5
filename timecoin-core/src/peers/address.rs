//! Addresses of peers as values: their one form, their bytes, and who shares what with whom.
//!
//! Two networks matter to an attacker's budget. A *host* is what one customer has: an IPv4
//! address or an IPv6 /64. A *subnet* is what one provider has: an IPv4 /16 or an IPv6 /32.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use borsh::{BorshDeserialize, BorshSerialize};

use crate::types::chain::Timestamp;
use crate::types::keys::PublicKey;

/// Where a peer is said to be.
///
/// ```text
/// key        1 or 33   0, or 1 and the key
/// ip         16        IPv6, or IPv4 as ::ffff:a.b.c.d
/// port       2         little-endian
/// last_seen  8         milliseconds, little-endian
/// ```
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct PeerAddress {
    /// Its node key; hearsay unless this node has seen the handshake.
    pub key: Option<PublicKey>,
    #[borsh(serialize_with = "write_address", deserialize_with = "read_address")]
    address: SocketAddr,
    /// When somebody was last connected to it; hearsay as well.
    pub last_seen: Timestamp,
}

impl PeerAddress {
    /// `address` in its [`canonical`] form.
    pub fn new(key: Option<PublicKey>, address: SocketAddr, last_seen: Timestamp) -> Self {
        PeerAddress { key, address: canonical(address), last_seen }
    }

    /// Where it listens, in [`canonical`] form.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The one form of an address: IPv4 as such even where a socket shows it mapped into IPv6, and
/// without flow label and scope, which mean nothing to others.
pub fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The network of a provider. Addresses in one subnet are likely one operator's.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub enum Subnet {
    /// An IPv4 /16.
    V4([u8; 2]),
    /// An IPv6 /32.
    V6([u8; 4]),
}

/// The subnet of `ip`. A 6to4 address has one for each IPv4 /16.
pub fn subnet(ip: IpAddr) -> Subnet {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            Subnet::V4([a, b])
        }
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.octets();
            Subnet::V6([a, b, c, d])
        }
    }
}

/// What one customer of a provider has: limits and bans count these, since whoever has an IPv6
/// /64 has all of its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// An IPv4 address.
    V4([u8; 4]),
    /// An IPv6 /64.
    V6([u8; 8]),
}

/// The host of `ip`.
pub fn host(ip: IpAddr) -> Host {
    match ip.to_canonical() {
        IpAddr::V4(ip) => Host::V4(ip.octets()),
        IpAddr::V6(ip) => {
            let [a, b, c, d, e, f, g, h, ..] = ip.octets();
            Host::V6([a, b, c, d, e, f, g, h])
        }
    }
}

/// Whether a peer can be dialled at `address`: always a public one, with `private_addresses`
/// also loopback and what is private to a site; never one without a port, nor one that names no
/// single machine or only a machine on the same wire.
pub fn is_routable(address: SocketAddr, private_addresses: bool) -> bool {
    if address.port() == 0 {
        return false;
    }
    match reach(address.ip().to_canonical()) {
        Reach::Nowhere => false,
        Reach::Site => private_addresses,
        Reach::Public => true,
    }
}

/// Whether `ip` is loopback, mapped into IPv6 or not.
pub(crate) fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

/// Whether `ip` is loopback or private to a site.
pub(crate) fn is_local(ip: IpAddr) -> bool {
    reach(ip.to_canonical()) == Reach::Site
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Nowhere,
    Site,
    Public,
}

fn reach(ip: IpAddr) -> Reach {
    match ip {
        IpAddr::V4(ip) => reach_v4(ip),
        IpAddr::V6(ip) => reach_v6(ip),
    }
}

/// The IANA registry of special IPv4 addresses, RFC 6890 and later.
fn reach_v4(ip: Ipv4Addr) -> Reach {
    match ip.octets() {
        [0, ..] | [169, 254, ..] | [224..=255, ..] => Reach::Nowhere,
        [127 | 10, ..]
        | [172, 16..=31, ..]
        | [192, 168, ..]
        | [100, 64..=127, ..]
        | [192, 0, 0 | 2, _]
        | [198, 18..=19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _] => Reach::Site,
        _ => Reach::Public,
    }
}

/// Of IPv6 only 2000::/3 is handed out to the public.
fn reach_v6(ip: Ipv6Addr) -> Reach {
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] | [0xfc00..=0xfdff, ..] => Reach::Site,
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Reach::Site,
        [0x2000..=0x3fff, ..] => Reach::Public,
        _ => Reach::Nowhere,
    }
}

fn write_address<W: io::Write>(address: &SocketAddr, writer: &mut W) -> io::Result<()> {
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    writer.write_all(&ip.octets())?;
    address.port().serialize(writer)
}

/// Every 18 bytes are one address, and give the same bytes again.
fn read_address<R: io::Read>(reader: &mut R) -> io::Result<SocketAddr> {
    let ip = Ipv6Addr::from(<[u8; 16]>::deserialize_reader(reader)?);
    let port = u16::deserialize_reader(reader)?;
    Ok(canonical(SocketAddr::new(IpAddr::V6(ip), port)))
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::option;
    use proptest::prelude::*;

    use super::*;
    use crate::types::arbitrary::{self, codec_tests};
    use crate::types::encode::{decode, encode};

    pub(crate) fn ip() -> impl Strategy<Value = IpAddr> {
        prop_oneof![
            any::<[u8; 4]>().prop_map(IpAddr::from),
            any::<[u8; 16]>().prop_map(IpAddr::from),
            any::<[u8; 4]>().prop_map(|ip| Ipv4Addr::from(ip).to_ipv6_mapped().into()),
        ]
    }

    fn peer_address() -> impl Strategy<Value = PeerAddress> {
        (option::of(arbitrary::public_key()), ip(), any::<u16>(), arbitrary::timestamp()).prop_map(
            |(key, ip, port, last_seen)| {
                PeerAddress::new(key, SocketAddr::new(ip, port), last_seen)
            },
        )
    }

    codec_tests! {
        peer_addresses: peer_address(),
    }

    fn socket(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_bytes_of_an_address_never_change() {
        let peer = PeerAddress::new(None, socket("1.2.3.4:513"), Timestamp(5));
        let mut expected = vec![0];
        expected.extend([[0; 10].as_slice(), &[0xff, 0xff, 1, 2, 3, 4], &[1, 2]].concat());
        expected.extend([5, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(encode(&peer), expected);
        assert_eq!(decode("peer address", &expected, 100), Ok(peer));
    }

    #[test]
    fn an_address_has_one_form() {
        let mapped = PeerAddress::new(None, socket("[::ffff:1.2.3.4]:80"), Timestamp::ZERO);
        assert_eq!(mapped.address(), socket("1.2.3.4:80"));
        let scoped = PeerAddress::new(None, socket("[2001:db8::1%7]:80"), Timestamp::ZERO);
        assert_eq!(scoped.address(), socket("[2001:db8::1]:80"));
    }

    #[test]
    fn subnets_are_of_16_and_hosts_of_all_bits_or_32_and_64() {
        let table = [
            ("1.2.3.4", "1.2.255.255", true, false),
            ("1.2.3.4", "1.3.3.4", false, false),
            ("1.2.3.4", "::ffff:1.2.3.4", true, true),
            ("2001:db8:1::", "2001:db8:2::", true, false),
            ("2001:db8:1::1", "2001:db8:1::2", true, true),
            ("2001:db8::", "2001:db9::", false, false),
        ];
        for (one, other, same_subnet, same_host) in table {
            let (a, b): (IpAddr, IpAddr) = (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!(subnet(a) == subnet(b), same_subnet, "{one} {other}");
            assert_eq!(host(a) == host(b), same_host, "{one} {other}");
        }
    }

    #[test]
    fn what_can_be_dialled() {
        let table = [
            ("8.8.8.8:1", true, true),
            ("8.8.8.8:0", false, false),
            ("127.0.0.1:1", false, true),
            ("[::1]:1", false, true),
            ("[::ffff:127.0.0.1]:1", false, true),
            ("10.1.1.1:1", false, true),
            ("172.31.0.1:1", false, true),
            ("172.32.0.1:1", true, true),
            ("192.168.1.1:1", false, true),
            ("100.64.0.1:1", false, true),
            ("[fd00::1]:1", false, true),
            ("192.0.2.1:1", false, true),
            ("0.0.0.0:1", false, false),
            ("[::]:1", false, false),
            ("224.0.0.1:1", false, false),
            ("255.255.255.255:1", false, false),
            ("169.254.1.1:1", false, false),
            ("[fe80::1]:1", false, false),
            ("[ff02::1]:1", false, false),
            ("[::1.2.3.4]:1", false, false),
            ("[2a00:1450::1]:1", true, true),
            ("[2001:db8::1]:1", false, true),
        ];
        for (address, public, private) in table {
            let found = (is_routable(socket(address), false), is_routable(socket(address), true));
            assert_eq!(found, (public, private), "{address}");
        }
    }
}
