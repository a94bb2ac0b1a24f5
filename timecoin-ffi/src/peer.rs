//! A node's network: where it listens, who is connected, dialling and hanging up.

#![allow(unsafe_code, reason = "exports keep their name; memory is touched in pointer.rs alone")]

use std::ffi::c_char;

use timecoin_core::{PeerInfo, PublicKey};

use crate::constants::{TC_AGENT_TEXT_BYTES, TC_SOCKET_TEXT_BYTES, tc_status_t};
use crate::failure::Failure;
use crate::guard::guard;
use crate::node::find;
use crate::pointer;
use crate::reports::tc_peer_t;
use crate::types::{tc_node_t, tc_public_key_t};

/// Where a node listens for others, with the port that it got, as "127.0.0.1:7000".
///
/// text_out: room for text_bytes bytes, TC_SOCKET_TEXT_BYTES are enough. required_out: what it
/// takes; may be null.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_BUFFER_TOO_SMALL;
/// TC_ERROR_NOT_FOUND where it does not listen.
#[unsafe(no_mangle)]
pub extern "C" fn tc_node_listen_address(
    node: tc_node_t,
    text_out: *mut c_char,
    text_bytes: usize,
    required_out: *mut usize,
) -> tc_status_t {
    guard(|| {
        let node = find(node)?;
        let out = pointer::text_out(text_out, text_bytes, required_out, "text_out")?;
        let address = node.listen_address().ok_or_else(|| Failure::not_found("an address"))?;
        out.write(&address.to_string())
    })
}

/// The node key by which peers know a node; a masternode's is its consensus key.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_NOT_FOUND where the node has
/// no network: neither listen nor peers is set in its configuration.
#[unsafe(no_mangle)]
pub extern "C" fn tc_node_node_key(node: tc_node_t, key_out: *mut tc_public_key_t) -> tc_status_t {
    guard(|| {
        let node = find(node)?;
        let out = pointer::out(key_out, "key_out")?;
        let key = node.node_key().ok_or_else(|| Failure::not_found("a node key"))?;
        out.write((&key).into());
        Ok(())
    })
}

/// A page of the peers that are connected, ascending by key; none where the node has no network.
/// Any thread may ask often.
///
/// after: the key that the page begins after, the last one of the page before; null for the first
/// page.
/// peers_out: an array of peers_max elements, at least 1; the caller sets struct_size of the first.
/// n_out: how many were written. 0 ends the pages.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_node_peers(
    node: tc_node_t,
    after: *const tc_public_key_t,
    peers_out: *mut tc_peer_t,
    peers_max: usize,
    n_out: *mut usize,
) -> tc_status_t {
    guard(|| {
        let node = find(node)?;
        let after = pointer::optional_value(after).map(PublicKey::from);
        let out = pointer::reports_out(peers_out, peers_max, "peers_out")?;
        let n_out = pointer::out(n_out, "n_out")?;
        if peers_max == 0 {
            return Err(Failure::argument("peers_max", "0 has room for nobody"));
        }
        let mut peers = node.peers();
        peers.retain(|peer| after.is_none_or(|after| peer.key > after));
        out.write(peers.iter().map(Into::into));
        n_out.write(peers.len().min(peers_max));
        Ok(())
    })
}

/// Dials a peer, now and whenever its connection ends. It returns at once: the peer is connected
/// when tc_node_peers or a TC_EVENT_PEER_CONNECTED says so.
///
/// peer: "key@host:port", with an address for a host.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_INVALID_ARGUMENT where the
/// text is no such peer, or the node has no network.
#[unsafe(no_mangle)]
pub extern "C" fn tc_node_connect(node: tc_node_t, peer: *const c_char) -> tc_status_t {
    guard(|| {
        let node = find(node)?;
        let peer = pointer::text(peer, "peer")?;
        Ok(node.connect(&peer)?)
    })
}

/// Ends the connection to a peer. It may come again.
///
/// key: its node key. was_connected_out: 1 where there was a connection, else 0; may be null.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_node_disconnect(
    node: tc_node_t,
    key: *const tc_public_key_t,
    was_connected_out: *mut u8,
) -> tc_status_t {
    guard(|| {
        let node = find(node)?;
        let key = PublicKey::from(pointer::value(key, "key")?);
        let was_connected = node.disconnect(&key);
        if let Some(out) = pointer::optional_out(was_connected_out) {
            out.write(was_connected.into());
        }
        Ok(())
    })
}

impl From<&PeerInfo> for tc_peer_t {
    fn from(peer: &PeerInfo) -> Self {
        tc_peer_t {
            struct_size: 0,
            since_ms: peer.since.0,
            height: peer.height.0,
            round_trip_ms: peer.round_trip_ms.unwrap_or(0),
            clock_offset_ms: peer.clock_offset_ms.unwrap_or(0),
            bytes_received: peer.bytes.0,
            bytes_sent: peer.bytes.1,
            frames_received: peer.frames.0,
            frames_sent: peer.frames.1,
            frames_over_rate: peer.dropped.0,
            frames_unsent: peer.dropped.1,
            key: (&peer.key).into(),
            address: padded::<TC_SOCKET_TEXT_BYTES>(&peer.address.to_string()),
            agent: padded::<TC_AGENT_TEXT_BYTES>(&peer.agent),
            is_inbound: peer.is_inbound.into(),
            is_masternode: peer.is_masternode.into(),
            is_measured: peer.round_trip_ms.is_some().into(),
            reserved: [0; 5],
        }
    }
}

/// A text with NULs behind it, at least one.
fn padded<const BYTES: usize>(text: &str) -> [c_char; BYTES] {
    let mut padded = [0; BYTES];
    for (place, byte) in padded[..BYTES - 1].iter_mut().zip(text.bytes()) {
        *place = c_char::from_ne_bytes([byte]);
    }
    padded
}
