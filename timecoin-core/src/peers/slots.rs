//! How many connections of what kind, and which of two survives.
//!
//! A connection is counted from `accept` on as a handshake, and from the proof of its key on as
//! inbound or outbound. Masternodes of the set take no slot: whoever fills the slots keeps no
//! masternode out, and there are at most 200 of them with one connection each.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

use super::PeerLimits;
use super::address::{Subnet, canonical, host, is_local, is_loopback, subnet};
use crate::types::keys::PublicKey;

/// The caller's name of a connection, never given to a second one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Who dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// The peer.
    Inbound,
    /// This node.
    Outbound,
}

/// Why a connection is not wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// It leads to this node itself.
    #[error("connection to self")]
    OwnKey,
    /// The peer is connected, and that connection is the one to keep.
    #[error("already connected")]
    Duplicate,
    /// Too many handshakes are under way.
    #[error("too many handshakes")]
    HandshakesFull,
    /// Too many of them are with this host.
    #[error("too many handshakes from this host")]
    HostHandshakesFull,
    /// All inbound slots are taken, and no subnet has more of them than it should.
    #[error("no inbound slot is free")]
    InboundFull,
    /// All outbound slots are taken.
    #[error("no outbound slot is free")]
    OutboundFull,
    /// The host has as many connections as one may have.
    #[error("too many connections from this host")]
    HostFull,
    /// The subnet has as many connections in this direction as one may have.
    #[error("too many connections of this subnet")]
    SubnetFull,
}

/// What becomes of a connection whose handshake is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It has a slot.
    Admit,
    /// It has none; close it.
    Refuse(Refusal),
    /// It has a slot, and the one named here has lost its own; close that.
    Replace(ConnectionId),
}

/// The table of connections.
#[derive(Clone, Debug)]
pub struct Slots {
    own: PublicKey,
    limits: PeerLimits,
    handshakes: BTreeMap<ConnectionId, IpAddr>,
    connections: BTreeMap<ConnectionId, Connection>,
    by_key: BTreeMap<PublicKey, ConnectionId>,
}

#[derive(Clone, Copy, Debug)]
struct Connection {
    key: PublicKey,
    address: SocketAddr,
    direction: Direction,
    is_masternode: bool,
}

impl Slots {
    /// No connections yet. `own` is this node's key.
    pub fn new(own: PublicKey, limits: &PeerLimits) -> Self {
        Slots {
            own,
            limits: limits.clone(),
            handshakes: BTreeMap::new(),
            connections: BTreeMap::new(),
            by_key: BTreeMap::new(),
        }
    }

    /// This node's key.
    pub fn own_key(&self) -> PublicKey {
        self.own
    }

    /// Whether a socket accepted from `from` may start its handshake.
    ///
    /// # Errors
    /// [`Refusal::HandshakesFull`] or [`Refusal::HostHandshakesFull`]. Slots are not looked at:
    /// it may turn out to be a masternode.
    pub fn may_accept(&self, from: SocketAddr) -> Result<(), Refusal> {
        if self.handshakes.len() >= self.limits.handshakes_max {
            return Err(Refusal::HandshakesFull);
        }
        let ip = from.ip();
        let n_of_host = self.handshakes.values().filter(|other| host(**other) == host(ip)).count();
        if !self.is_exempt(ip) && n_of_host >= self.limits.handshakes_per_host_max {
            return Err(Refusal::HostHandshakesFull);
        }
        Ok(())
    }

    /// Counts a socket accepted from `from` until [`Slots::admit`] or [`Slots::remove`].
    ///
    /// # Errors
    /// Those of [`Slots::may_accept`]; then it is not counted.
    pub fn on_accepted(&mut self, id: ConnectionId, from: SocketAddr) -> Result<(), Refusal> {
        self.may_accept(from)?;
        self.handshakes.insert(id, from.ip());
        Ok(())
    }

    /// Gives a slot to a connection that has proven `key`, or says why not. Of two connections
    /// with one peer both ends keep the same:
    ///
    /// | the other was dialled by | survives |
    /// |---|---|
    /// | the same end | the newer: the older is a leftover that one end has given up |
    /// | the other end | the one dialled by the smaller key |
    pub fn admit(
        &mut self,
        id: ConnectionId,
        key: PublicKey,
        address: SocketAddr,
        direction: Direction,
        is_masternode: bool,
    ) -> Admission {
        self.handshakes.remove(&id);
        let address = canonical(address);
        let new = Connection { key, address, direction, is_masternode };
        if key == self.own {
            return Admission::Refuse(Refusal::OwnKey);
        }
        let old = self.by_key.get(&key).copied();
        if old.is_some_and(|old| !self.does_replace(&new, old)) {
            return Admission::Refuse(Refusal::Duplicate);
        }
        let replaced = match self.room_for(&new, old) {
            Ok(evicted) => old.or(evicted),
            Err(refusal) => return Admission::Refuse(refusal),
        };
        if let Some(replaced) = replaced {
            self.remove(replaced);
        }
        self.connections.insert(id, new);
        self.by_key.insert(key, id);
        replaced.map_or(Admission::Admit, Admission::Replace)
    }

    /// Forgets a connection that is closed, at whatever stage; one that isn't known is fine.
    pub fn remove(&mut self, id: ConnectionId) {
        self.handshakes.remove(&id);
        if let Some(connection) = self.connections.remove(&id) {
            self.by_key.remove(&connection.key);
        }
    }

    /// Says anew which peers are masternodes of the set. Who no longer is takes a slot from now
    /// on, even above the limit, and stays.
    pub fn set_masternodes(&mut self, is_masternode: impl Fn(&PublicKey) -> bool) {
        for connection in self.connections.values_mut() {
            connection.is_masternode = is_masternode(&connection.key);
        }
    }

    /// Whether a dial of `address` could get a slot, if it is no masternode's.
    pub fn may_dial(&self, address: SocketAddr) -> bool {
        let address = canonical(address);
        self.n_outbound() < self.limits.outbound_max
            && !self.is_connected(address)
            && self.check_subnet(address.ip(), Direction::Outbound, None).is_ok()
    }

    /// Whether a connection leads to `address`. An inbound one comes from a port of its own, so
    /// that its peer is known by key only.
    pub fn is_connected(&self, address: SocketAddr) -> bool {
        let address = canonical(address);
        self.connections.values().any(|connection| connection.address == address)
    }

    /// The connection with the peer of this key.
    pub fn connection_of(&self, key: &PublicKey) -> Option<ConnectionId> {
        self.by_key.get(key).copied()
    }

    /// Inbound slots taken.
    pub fn n_inbound(&self) -> usize {
        self.count(|connection| connection.direction == Direction::Inbound)
    }

    /// Outbound slots taken.
    pub fn n_outbound(&self) -> usize {
        self.count(|connection| connection.direction == Direction::Outbound)
    }

    /// Connections with masternodes of the set, which take no slot.
    pub fn n_masternodes(&self) -> usize {
        self.connections.values().filter(|connection| connection.is_masternode).count()
    }

    /// Accepted sockets whose handshake isn't done.
    pub fn n_handshakes(&self) -> usize {
        self.handshakes.len()
    }

    /// Whether `ip` counts against its subnet: not where all nodes are on one site.
    pub(super) fn has_subnet_limit(&self, ip: IpAddr) -> bool {
        let is_site = self.limits.private_addresses && is_local(ip);
        !is_site && !self.is_exempt(ip)
    }

    fn count(&self, is_counted: impl Fn(&Connection) -> bool) -> usize {
        let in_slots = self.connections.values().filter(|connection| !connection.is_masternode);
        in_slots.filter(|connection| is_counted(connection)).count()
    }

    fn does_replace(&self, new: &Connection, old: ConnectionId) -> bool {
        let was = self.connections.get(&old).map(|old| old.direction);
        let dialled_by_smaller = (new.direction == Direction::Outbound) == (self.own < new.key);
        was == Some(new.direction) || dialled_by_smaller
    }

    /// Whether there is a slot for `new` once `leaving` is gone, and which connection has to
    /// leave besides.
    fn room_for(
        &self,
        new: &Connection,
        leaving: Option<ConnectionId>,
    ) -> Result<Option<ConnectionId>, Refusal> {
        if new.is_masternode {
            return Ok(None);
        }
        let ip = new.address.ip();
        let freed = leaving.and_then(|id| self.connections.get(&id)).copied();
        let freed = freed.filter(|old| !old.is_masternode);
        if new.direction == Direction::Inbound {
            self.check_host(ip, freed)?;
        }
        self.check_subnet(ip, new.direction, freed)?;
        let is_freed = |direction| usize::from(freed.is_some_and(|old| old.direction == direction));
        match new.direction {
            Direction::Outbound => {
                let taken = self.n_outbound() - is_freed(Direction::Outbound);
                let is_room = taken < self.limits.outbound_max;
                if is_room { Ok(None) } else { Err(Refusal::OutboundFull) }
            }
            Direction::Inbound => {
                let taken = self.n_inbound() - is_freed(Direction::Inbound);
                if taken < self.limits.inbound_max {
                    return Ok(None);
                }
                // A replaced duplicate is closed already; a second victim would go unnamed.
                let crowded = if leaving.is_some() { None } else { self.crowded(subnet(ip)) };
                crowded.map(Some).ok_or(Refusal::InboundFull)
            }
        }
    }

    /// The youngest inbound connection of the subnet that has most of them, if that is at least
    /// two more than `newcomer` has: a few subnets can't keep all others out.
    fn crowded(&self, newcomer: Subnet) -> Option<ConnectionId> {
        let mut by_subnet: BTreeMap<Subnet, (usize, ConnectionId)> = BTreeMap::new();
        for (id, connection) in &self.connections {
            if connection.direction == Direction::Inbound && !connection.is_masternode {
                let row = by_subnet.entry(subnet(connection.address.ip())).or_insert((0, *id));
                *row = (row.0 + 1, *id);
            }
        }
        let n_of_newcomer = by_subnet.get(&newcomer).map_or(0, |row| row.0);
        let (n, youngest) = by_subnet.into_values().max()?;
        (n >= n_of_newcomer + 2).then_some(youngest)
    }

    fn check_host(&self, ip: IpAddr, freed: Option<Connection>) -> Result<(), Refusal> {
        let is_of_host = |connection: &Connection| {
            connection.direction == Direction::Inbound && host(connection.address.ip()) == host(ip)
        };
        let taken = self.count(is_of_host) - usize::from(freed.as_ref().is_some_and(is_of_host));
        let is_full = taken >= self.limits.inbound_per_host_max;
        if is_full && !self.is_exempt(ip) { Err(Refusal::HostFull) } else { Ok(()) }
    }

    fn check_subnet(
        &self,
        ip: IpAddr,
        direction: Direction,
        freed: Option<Connection>,
    ) -> Result<(), Refusal> {
        let is_of_subnet = |connection: &Connection| {
            connection.direction == direction && subnet(connection.address.ip()) == subnet(ip)
        };
        let taken =
            self.count(is_of_subnet) - usize::from(freed.as_ref().is_some_and(is_of_subnet));
        let max = match direction {
            Direction::Inbound => self.limits.inbound_per_subnet_max,
            Direction::Outbound => self.limits.outbound_per_subnet_max,
        };
        let is_full = taken >= max && self.has_subnet_limit(ip);
        if is_full { Err(Refusal::SubnetFull) } else { Ok(()) }
    }

    fn is_exempt(&self, ip: IpAddr) -> bool {
        self.limits.loopback_exempt && is_loopback(ip)
    }
}

#[cfg(test)]
mod tests;
