//! Whom a node talks to: known addresses, when to dial which, how many connections of what kind,
//! what misbehaviour costs, how much each peer may send (PROTOCOL 7 and 8).
//!
//! Pure: the time and the generator are arguments, addresses are values. Sockets, encryption and
//! the file that the address book is kept in belong to the caller. Everything that peers can fill
//! is bounded by a number in [`PeerLimits`] or by a constant beside the table.

pub mod address;
pub mod book;
pub mod dial;
pub mod rate;
pub mod score;
pub mod seen;
pub mod slots;

use rand_core::Rng;

use self::rate::{Rate, Rates};

/// How many peers, how often, how much: what one operator may choose, none of which other nodes
/// must agree on. Times are in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerLimits {
    /// Connections that others have opened, masternodes of the set not counted. 125, PROTOCOL 8.
    /// 0 takes none but masternodes.
    pub inbound_max: usize,
    /// Connections that this node opens, masternodes of the set not counted. 16, PROTOCOL 8.
    pub outbound_max: usize,
    /// Inbound connections of one host (an IPv4 address or an IPv6 /64). 8: a household or an
    /// office behind one address, and a sixteenth of the slots at most.
    pub inbound_per_host_max: usize,
    /// Inbound connections of one subnet (an IPv4 /16 or an IPv6 /32). 32: a quarter of the slots.
    pub inbound_per_subnet_max: usize,
    /// Outbound connections into one subnet. 2: to be surrounded takes eight subnets.
    pub outbound_per_subnet_max: usize,
    /// Accepted sockets whose handshake isn't done. 64: at 64 kB each before the handshake
    /// (PROTOCOL 8) that is 4 MB.
    pub handshakes_max: usize,
    /// Such sockets of one host. 4: a sixteenth.
    pub handshakes_per_host_max: usize,
    /// Dials of masternodes under way at a time, others being bounded by their slots. 32: those
    /// that don't answer delay the others little, and a router's table isn't flooded.
    pub reserved_dials_max: usize,
    /// How long an address rests after it failed once; doubles each time. 1 s.
    pub backoff_ms_min: u64,
    /// How long an address rests at most. 10 min.
    pub backoff_ms_max: u64,
    /// How long a masternode of the set rests at most. 30 s, the base of a round's timeout
    /// (PROTOCOL 8): after a partition, agreement must not wait for a long backoff to end.
    pub reserved_backoff_ms_max: u64,
    /// A connection that lasted this long resets the backoff of its address. 60 s.
    pub lasting_ms: u64,
    /// Time between two tests of untried addresses. 2 min, as in Bitcoin Core.
    pub feeler_interval_ms: u64,
    /// Points at which a peer is banned. 100; see [`score::Misbehavior::points`].
    pub ban_score: u32,
    /// Time in which one point is forgiven. 1 min; 0 forgives none.
    pub score_decay_ms: u64,
    /// How long a ban lasts. 1 h.
    pub ban_ms: u64,
    /// Whether loopback and private addresses are dialled and gossiped. Off; on for regtest and
    /// for networks of one's own.
    pub private_addresses: bool,
    /// Whether loopback knows neither limits per host and subnet nor bans by address. On: many
    /// nodes of one machine share it, and nobody reaches it from outside.
    pub loopback_exempt: bool,
    /// What one peer may send.
    pub rates: Rates,
}

impl Default for PeerLimits {
    /// The numbers given with each field.
    fn default() -> Self {
        PeerLimits {
            inbound_max: 125,
            outbound_max: 16,
            inbound_per_host_max: 8,
            inbound_per_subnet_max: 32,
            outbound_per_subnet_max: 2,
            handshakes_max: 64,
            handshakes_per_host_max: 4,
            reserved_dials_max: 32,
            backoff_ms_min: 1_000,
            backoff_ms_max: 600_000,
            reserved_backoff_ms_max: 30_000,
            lasting_ms: 60_000,
            feeler_interval_ms: 120_000,
            ban_score: 100,
            score_decay_ms: 60_000,
            ban_ms: 3_600_000,
            private_addresses: false,
            loopback_exempt: true,
            rates: Rates::default(),
        }
    }
}

impl Default for Rates {
    /// Rates that honest peers stay below at 20,000 payments a second, with votes and inventories
    /// of each: they guard the queues, while the price of work is guarded elsewhere. Bursts of
    /// bytes hold the largest frame, 8 MB (PROTOCOL 8), where a class has such frames. Answers of
    /// a sync come as fast as they are asked for, and others are misbehavior: their bytes are
    /// those of a network with 10 gigabit a second.
    fn default() -> Self {
        let rate = |messages_per_second, messages_burst, bytes_per_second, bytes_burst| Rate {
            messages_per_second,
            messages_burst,
            bytes_per_second,
            bytes_burst,
        };
        Rates {
            votes: rate(50_000, 100_000, 32_000_000, 64_000_000),
            transactions: rate(50_000, 100_000, 32_000_000, 64_000_000),
            blocks: rate(100, 400, 16_000_000, 64_000_000),
            sync: rate(10_000, 10_000, 1_250_000_000, 1_250_000_000),
            control: rate(5_000, 10_000, 8_000_000, 16_000_000),
        }
    }
}

/// A number below `bound`; 0 where there is none.
fn below(rng: &mut impl Rng, bound: usize) -> usize {
    let product = u128::from(rng.next_u64()) * bound as u128;
    usize::try_from(product >> 64).unwrap_or(0)
}
