//! Being told what happens in a node.

#![allow(unsafe_code, reason = "exports keep their name; memory is touched in pointer.rs alone")]

use std::ffi::c_char;
use std::sync::Arc;
use std::time::Duration;

use timecoin_core::{Decided, NodeEvent, NodeEventKind, Subscription};

use crate::block::BlockObject;
use crate::constants::tc_status_t;
use crate::failure::Failure;
use crate::guard::guard;
use crate::handle::{HANDLES, Object};
use crate::node::find;
use crate::numbers::event_number;
use crate::pointer;
use crate::reports::{tc_event_info_t, tc_transaction_status_t};
use crate::types::{
    tc_block_hash_t, tc_block_t, tc_event_t, tc_node_t, tc_public_key_t, tc_subscription_t,
    tc_txid_t,
};

impl Object for Subscription {
    const KIND: u8 = 7;
    const NAME: &'static str = "subscription";
}

impl Object for NodeEvent {
    const KIND: u8 = 8;
    const NAME: &'static str = "event";
}

/// Receives events from now on; the first subscriber also gets what was found at opening. Events
/// are kept until they are fetched, event_queue_max of them: the oldest give way to a
/// TC_EVENT_OVERFLOW.
///
/// subscription_out: owned, free with tc_subscription_free.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_node_subscribe(
    node: tc_node_t,
    subscription_out: *mut tc_subscription_t,
) -> tc_status_t {
    guard(|| {
        let node = find(node)?;
        let out = pointer::out(subscription_out, "subscription_out")?;
        let id = HANDLES.insert(node.subscribe())?;
        out.write(tc_subscription_t { id });
        Ok(())
    })
}

/// The next event, in order.
///
/// timeout_ms: 0 for one that waits already, up to TC_FOREVER.
/// event_out: owned, free with tc_event_free.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_TIMEOUT where none comes in
/// time, TC_ERROR_CLOSED after TC_EVENT_CLOSED was given.
#[unsafe(no_mangle)]
pub extern "C" fn tc_subscription_next_event(
    subscription: tc_subscription_t,
    timeout_ms: u64,
    event_out: *mut tc_event_t,
) -> tc_status_t {
    guard(|| {
        let subscription = HANDLES.get::<Subscription>(subscription.id)?;
        let out = pointer::out(event_out, "event_out")?;
        let event = subscription.next_event(Duration::from_millis(timeout_ms))?;
        let id = HANDLES.insert(event)?;
        out.write(tc_event_t { id });
        Ok(())
    })
}

/// A file descriptor that can be read while events wait, for epoll or an event loop.
///
/// fd_out: borrowed from the subscription, valid until that is freed. Don't read or close it.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_INTERNAL where the process
/// has no file descriptors left.
#[unsafe(no_mangle)]
pub extern "C" fn tc_subscription_readiness_fd(
    subscription: tc_subscription_t,
    fd_out: *mut i32,
) -> tc_status_t {
    guard(|| {
        let subscription = HANDLES.get::<Subscription>(subscription.id)?;
        let out = pointer::out(fd_out, "fd_out")?;
        out.write(subscription.readiness_fd()?);
        Ok(())
    })
}

/// Ends a subscription. A thread that waits in tc_subscription_next_event goes on waiting for its
/// time.
///
/// Errors: TC_ERROR_INVALID_HANDLE, also for what was freed already.
#[unsafe(no_mangle)]
pub extern "C" fn tc_subscription_free(subscription: tc_subscription_t) -> tc_status_t {
    guard(|| HANDLES.remove::<Subscription>(subscription.id).map(drop))
}

/// What happened. The TC_EVENT_ numbers say which fields count.
///
/// info_out: its struct_size is set by the caller.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_event_info(event: tc_event_t, info_out: *mut tc_event_info_t) -> tc_status_t {
    guard(|| {
        let event = HANDLES.get::<NodeEvent>(event.id)?;
        let out = pointer::report_out(info_out, "info_out")?;
        out.write((&*event).into());
        Ok(())
    })
}

/// The name of what happened in lower case, as "block_confirmed".
///
/// text_out: room for text_bytes bytes. required_out: what it takes; may be null.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_BUFFER_TOO_SMALL.
#[unsafe(no_mangle)]
pub extern "C" fn tc_event_name(
    event: tc_event_t,
    text_out: *mut c_char,
    text_bytes: usize,
    required_out: *mut usize,
) -> tc_status_t {
    guard(|| {
        let event = HANDLES.get::<NodeEvent>(event.id)?;
        let out = pointer::text_out(text_out, text_bytes, required_out, "text_out")?;
        out.write(event.kind.name())
    })
}

/// What an event says in words, where it does: why a transaction was rejected, what was mended,
/// why the node stopped, where a peer is. Else it is empty.
///
/// text_out: room for text_bytes bytes. required_out: what it takes; may be null.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_BUFFER_TOO_SMALL.
#[unsafe(no_mangle)]
pub extern "C" fn tc_event_text(
    event: tc_event_t,
    text_out: *mut c_char,
    text_bytes: usize,
    required_out: *mut usize,
) -> tc_status_t {
    guard(|| {
        let event = HANDLES.get::<NodeEvent>(event.id)?;
        let out = pointer::text_out(text_out, text_bytes, required_out, "text_out")?;
        out.write(&words(&event.kind))
    })
}

/// The block of a TC_EVENT_BLOCK_CONFIRMED.
///
/// block_out: owned, free with tc_block_free.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_NOT_FOUND for other events.
#[unsafe(no_mangle)]
pub extern "C" fn tc_event_block(event: tc_event_t, block_out: *mut tc_block_t) -> tc_status_t {
    guard(|| {
        let event = HANDLES.get::<NodeEvent>(event.id)?;
        let out = pointer::out(block_out, "block_out")?;
        let NodeEventKind::BlockConfirmed { block, certificate, .. } = &event.kind else {
            return Err(Failure::not_found("a block of this event"));
        };
        let (block, certificate) = (Arc::clone(block), (**certificate).clone());
        BlockObject::give(Decided { block, certificate }, out)
    })
}

/// Frees an event.
///
/// Errors: TC_ERROR_INVALID_HANDLE, also for what was freed already.
#[unsafe(no_mangle)]
pub extern "C" fn tc_event_free(event: tc_event_t) -> tc_status_t {
    guard(|| HANDLES.remove::<NodeEvent>(event.id).map(drop))
}

fn words(kind: &NodeEventKind) -> String {
    match kind {
        NodeEventKind::TransactionStatus {
            status: timecoin_core::TransactionStatus::Rejected(rejection),
            ..
        } => rejection.to_string(),
        NodeEventKind::SafetyViolation { signed_both, .. } => {
            let keys: Vec<String> = signed_both.iter().map(ToString::to_string).collect();
            keys.join(" ")
        }
        NodeEventKind::SignatureRefused { what } | NodeEventKind::Repaired { what } => {
            what.to_string()
        }
        NodeEventKind::Observing { reason }
        | NodeEventKind::Poisoned { reason }
        | NodeEventKind::PeerDisconnected { reason, .. } => reason.to_string(),
        NodeEventKind::PeerConnected { address, .. }
        | NodeEventKind::PeerBanned { address, .. } => address.to_string(),
        _ => String::new(),
    }
}

impl From<&NodeEvent> for tc_event_info_t {
    fn from(event: &NodeEvent) -> Self {
        let mut info = tc_event_info_t {
            struct_size: 0,
            sequence: event.sequence,
            at_ms: event.at.0,
            height: 0,
            epoch: 0,
            missed: 0,
            txid: tc_txid_t { bytes: [0; 32] },
            block_hash: tc_block_hash_t { bytes: [0; 32] },
            round: 0,
            kind: event_number(&event.kind),
            transaction_status: 0,
            rejection: 0,
            until_ms: 0,
            offset_ms: 0,
            target_height: 0,
            bytes: 0,
            n_peers: 0,
            peer_key: tc_public_key_t { bytes: [0; 32] },
            is_inbound: 0,
            is_withholding: 0,
            reserved: [0; 6],
        };
        match &event.kind {
            NodeEventKind::TransactionStatus { txid, status } => {
                let status = tc_transaction_status_t::from(status);
                info.txid = txid.into();
                info.transaction_status = status.status;
                (info.height, info.rejection) = (status.height, status.rejection);
            }
            NodeEventKind::BlockConfirmed { height, hash, .. } => {
                (info.height, info.block_hash) = (height.0, hash.into());
            }
            NodeEventKind::RoundChanged { height, round } => {
                (info.height, info.round) = (height.0, round.0);
            }
            NodeEventKind::EpochBegan { epoch } => info.epoch = epoch.0,
            NodeEventKind::SafetyViolation { height, blocks, .. } => {
                (info.height, info.block_hash) = (height.0, (&blocks[0]).into());
            }
            NodeEventKind::PeerConnected { key, is_inbound, .. } => {
                (info.peer_key, info.is_inbound) = (key.into(), (*is_inbound).into());
            }
            NodeEventKind::PeerDisconnected { key, .. } => info.peer_key = key.into(),
            NodeEventKind::PeerBanned { key, until, .. } => {
                info.peer_key = key.as_ref().map_or(info.peer_key, Into::into);
                info.until_ms = until.0;
            }
            NodeEventKind::ClockOffset { offset_ms, is_withholding } => {
                (info.offset_ms, info.is_withholding) = (*offset_ms, (*is_withholding).into());
            }
            NodeEventKind::SyncProgress { height, target, bytes, n_peers } => {
                (info.height, info.target_height) = (height.0, target.0);
                (info.bytes, info.n_peers) = (*bytes, *n_peers as u64);
            }
            NodeEventKind::Overflow { missed } => info.missed = *missed,
            _ => {}
        }
        info
    }
}
