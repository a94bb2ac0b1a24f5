//! Being told what happens in all nodes of a net.

#![allow(unsafe_code, reason = "exports keep their name; memory is touched in pointer.rs alone")]

use std::time::Duration;

use timecoin_core::localnet::LocalNetEvents;

use crate::constants::tc_status_t;
use crate::guard::guard;
use crate::handle::{HANDLES, Object};
use crate::localnet::find_net;
use crate::pointer;
use crate::types::{tc_event_t, tc_localnet_events_t, tc_localnet_t};

impl Object for LocalNetEvents {
    const KIND: u8 = 13;
    const NAME: &'static str = "events of a net";
}

/// Receives the events of all nodes of a net from now on, those of nodes that are restarted
/// included. Those of one node are in order; each node's are kept until they are fetched, a
/// bounded number of them: the oldest give way to a TC_EVENT_OVERFLOW.
///
/// events_out: owned, free with tc_localnet_events_free.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_localnet_subscribe(
    net: tc_localnet_t,
    events_out: *mut tc_localnet_events_t,
) -> tc_status_t {
    guard(|| {
        let net = find_net(net)?;
        let out = pointer::out(events_out, "events_out")?;
        let id = HANDLES.insert(net.subscribe())?;
        out.write(tc_localnet_events_t { id });
        Ok(())
    })
}

/// The next event, and which node it is of.
///
/// timeout_ms: 0 for one that waits already, up to TC_FOREVER.
/// node_out: from 0.
/// event_out: owned, free with tc_event_free.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_TIMEOUT where none comes in
/// time, TC_ERROR_CLOSED once the net is closed and all were given.
#[unsafe(no_mangle)]
pub extern "C" fn tc_localnet_events_next_event(
    events: tc_localnet_events_t,
    timeout_ms: u64,
    node_out: *mut u64,
    event_out: *mut tc_event_t,
) -> tc_status_t {
    guard(|| {
        let events = HANDLES.get::<LocalNetEvents>(events.id)?;
        let node_out = pointer::out(node_out, "node_out")?;
        let event_out = pointer::out(event_out, "event_out")?;
        let told = events.next_event(Duration::from_millis(timeout_ms))?;
        let id = HANDLES.insert(told.event)?;
        node_out.write(told.node as u64);
        event_out.write(tc_event_t { id });
        Ok(())
    })
}

/// Ends the receiving. A thread that waits in tc_localnet_events_next_event goes on waiting for
/// its time.
///
/// Errors: TC_ERROR_INVALID_HANDLE, also for what was freed already.
#[unsafe(no_mangle)]
pub extern "C" fn tc_localnet_events_free(events: tc_localnet_events_t) -> tc_status_t {
    guard(|| HANDLES.remove::<LocalNetEvents>(events.id).map(drop))
}
