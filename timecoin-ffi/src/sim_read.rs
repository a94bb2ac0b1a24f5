//! Reading networks in virtual time: digest, nodes, transactions, blocks, events, metrics.

#![allow(unsafe_code, reason = "exports keep their name; memory is touched in pointer.rs alone")]

use std::ffi::c_char;
use std::time::Duration;

use timecoin_core::harness::{NetworkMetrics, Percentiles};
use timecoin_core::sim::{SimNodeStatus, SimTime};
use timecoin_core::{Decided, Height, NodeEvent, Txid};

use crate::block::BlockObject;
use crate::bytes::Bytes;
use crate::constants::{TC_FAILURE_CHECK, TC_FAILURE_MESSAGE, TC_FAILURE_REPLAY, tc_status_t};
use crate::failure::Failure;
use crate::guard::guard;
use crate::handle::HANDLES;
use crate::numbers::sim_node_state_number;
use crate::pointer;
use crate::reports::{
    tc_network_event_t, tc_network_metrics_t, tc_percentiles_t, tc_sim_failure_t,
    tc_sim_node_status_t, tc_transaction_status_t,
};
use crate::sim::{find_sim, number};
use crate::types::{tc_block_t, tc_bytes_t, tc_digest_t, tc_event_t, tc_sim_t, tc_txid_t};

/// The hash of everything that happened: the same for the same settings and calls.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_digest(sim: tc_sim_t, digest_out: *mut tc_digest_t) -> tc_status_t {
    guard(|| {
        let sim = find_sim(sim)?;
        let out = pointer::out(digest_out, "digest_out")?;
        out.write((&sim.digest()?).into());
        Ok(())
    })
}

/// What the network did since it began. It answers also while another thread lets time pass.
///
/// metrics_out: its struct_size is set by the caller.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_metrics(
    sim: tc_sim_t,
    metrics_out: *mut tc_network_metrics_t,
) -> tc_status_t {
    guard(|| {
        let sim = find_sim(sim)?;
        let out = pointer::report_out(metrics_out, "metrics_out")?;
        out.write((&sim.metrics()?).into());
        Ok(())
    })
}

/// The node that proposes the next block in round 0.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_proposer(sim: tc_sim_t, node_out: *mut u64) -> tc_status_t {
    guard(|| {
        let sim = find_sim(sim)?;
        let out = pointer::out(node_out, "node_out")?;
        out.write(sim.read()?.next_proposer() as u64);
        Ok(())
    })
}

/// A node at a glance.
///
/// status_out: its struct_size is set by the caller.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT, also for a
/// node that is not there.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_node_status(
    sim: tc_sim_t,
    node: u64,
    status_out: *mut tc_sim_node_status_t,
) -> tc_status_t {
    guard(|| {
        let sim = find_sim(sim)?;
        let out = pointer::report_out(status_out, "status_out")?;
        out.write((&sim.node_status(number(node))?).into());
        Ok(())
    })
}

/// How far a transaction is at a node.
///
/// status_out: its struct_size is set by the caller.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT, also for a
/// node that is not there; TC_ERROR_NOT_FOUND where the node does not know it.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_transaction_status(
    sim: tc_sim_t,
    node: u64,
    txid: *const tc_txid_t,
    status_out: *mut tc_transaction_status_t,
) -> tc_status_t {
    guard(|| {
        let sim = find_sim(sim)?;
        let txid = Txid::from(pointer::value(txid, "txid")?);
        let out = pointer::report_out(status_out, "status_out")?;
        let status = sim.transaction_status(&txid, Some(number(node)))?;
        out.write((&status.ok_or_else(|| Failure::not_found("the transaction"))?).into());
        Ok(())
    })
}

/// How much virtual time passed from the submission of a transaction to the first node at which it
/// was final, in microseconds.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_NOT_FOUND where it is not final
/// yet, or was not submitted here.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_finality_latency(
    sim: tc_sim_t,
    txid: *const tc_txid_t,
    latency_us_out: *mut u64,
) -> tc_status_t {
    guard(|| {
        let sim = find_sim(sim)?;
        let txid = Txid::from(pointer::value(txid, "txid")?);
        let out = pointer::out(latency_us_out, "latency_us_out")?;
        let latency = sim.read()?.metrics().finality_of(&txid);
        out.write(micros(latency.ok_or_else(|| Failure::not_found("a final transaction"))?));
        Ok(())
    })
}

/// A decided block by its height, from 1.
///
/// block_out: owned, free with tc_block_free.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_NOT_FOUND.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_block_at(
    sim: tc_sim_t,
    height: u64,
    block_out: *mut tc_block_t,
) -> tc_status_t {
    guard(|| {
        let sim = find_sim(sim)?;
        let out = pointer::out(block_out, "block_out")?;
        let commit = sim.read()?.archive().block(Height(height)).cloned();
        let commit = commit.ok_or_else(|| Failure::not_found("the block"))?;
        let block = commit.connected.block.block().clone();
        BlockObject::give(Decided { block, certificate: commit.certificate.clone() }, out)
    })
}

/// The first thing that a node told after the event of a sequence number, as far as it is kept:
/// the last events_max of them are, and the setting is 0 unless it is set.
///
/// after: 0 for the first; then the sequence of the one before.
/// told_out: which node and when; its struct_size is set by the caller.
/// event_out: owned, free with tc_event_free.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT;
/// TC_ERROR_NOT_FOUND where there is none.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_next_event(
    sim: tc_sim_t,
    after: u64,
    told_out: *mut tc_network_event_t,
    event_out: *mut tc_event_t,
) -> tc_status_t {
    guard(|| {
        let sim = find_sim(sim)?;
        let told_out = pointer::report_out(told_out, "told_out")?;
        let event_out = pointer::out(event_out, "event_out")?;
        let told = sim.read()?.events(after).next().cloned();
        let told = told.ok_or_else(|| Failure::not_found("an event after that"))?;
        let id = HANDLES.insert(NodeEvent::from(&*told))?;
        told_out.write(tc_network_event_t {
            struct_size: 0,
            sequence: told.sequence,
            at_us: micros(told.at.since(SimTime::ZERO)),
            node: told.node as u64,
        });
        event_out.write(tc_event_t { id });
        Ok(())
    })
}

/// The last journal_lines lines of what happened, in words.
///
/// text_out: a text; owned, free with tc_bytes_free.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_journal(sim: tc_sim_t, text_out: *mut tc_bytes_t) -> tc_status_t {
    guard(|| {
        let sim = find_sim(sim)?;
        let out = pointer::out(text_out, "text_out")?;
        let text: String = sim.read()?.journal().flat_map(|line| [line, "\n"]).collect();
        Bytes::give(text, out)
    })
}

/// The invariant that was found broken.
///
/// failure_out: its struct_size is set by the caller.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT;
/// TC_ERROR_NOT_FOUND where all hold.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_failure(sim: tc_sim_t, failure_out: *mut tc_sim_failure_t) -> tc_status_t {
    guard(|| {
        let sim = find_sim(sim)?;
        let out = pointer::report_out(failure_out, "failure_out")?;
        let failure = sim.read()?.failure().cloned();
        let failure = failure.ok_or_else(|| Failure::not_found("a failure"))?;
        out.write(tc_sim_failure_t {
            struct_size: 0,
            seed: failure.seed,
            step: failure.step,
            at_us: micros(failure.at.since(SimTime::ZERO)),
        });
        Ok(())
    })
}

/// The invariant that was found broken, in words.
///
/// what: TC_FAILURE_. text_out: room for text_bytes bytes. required_out: what it takes; may be
/// null.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT,
/// TC_ERROR_BUFFER_TOO_SMALL; TC_ERROR_NOT_FOUND where all hold.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_failure_text(
    sim: tc_sim_t,
    what: i32,
    text_out: *mut c_char,
    text_bytes: usize,
    required_out: *mut usize,
) -> tc_status_t {
    guard(|| {
        let sim = find_sim(sim)?;
        let out = pointer::text_out(text_out, text_bytes, required_out, "text_out")?;
        if !(TC_FAILURE_CHECK..=TC_FAILURE_REPLAY).contains(&what) {
            return Err(Failure::argument("what", &format!("{what} is none of TC_FAILURE_")));
        }
        let failure = sim.read()?.failure().cloned();
        let failure = failure.ok_or_else(|| Failure::not_found("a failure"))?;
        out.write(match what {
            TC_FAILURE_CHECK => failure.check,
            TC_FAILURE_MESSAGE => &failure.message,
            _ => failure.replay.as_deref().unwrap_or_default(),
        })
    })
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl From<&Percentiles> for tc_percentiles_t {
    fn from(of: &Percentiles) -> Self {
        tc_percentiles_t {
            n: of.n,
            p50_us: micros(of.p50),
            p90_us: micros(of.p90),
            p99_us: micros(of.p99),
            max_us: micros(of.max),
        }
    }
}

impl From<&NetworkMetrics> for tc_network_metrics_t {
    fn from(metrics: &NetworkMetrics) -> Self {
        tc_network_metrics_t {
            struct_size: 0,
            elapsed_us: micros(metrics.elapsed),
            steps: metrics.steps,
            nodes: metrics.nodes,
            height_min: metrics.height_min,
            height_max: metrics.height_max,
            view_changes: metrics.view_changes,
            payments: metrics.payments,
            payments_refused: metrics.payments_refused,
            restarts: metrics.restarts,
            messages_sent: metrics.messages_sent,
            bytes_sent: metrics.bytes_sent,
            messages_delivered: metrics.messages_delivered,
            messages_refused: metrics.messages_refused,
            offenders: metrics.offenders,
            finality: (&metrics.finality).into(),
            block_gap: (&metrics.block_gap).into(),
        }
    }
}

impl From<&SimNodeStatus> for tc_sim_node_status_t {
    fn from(status: &SimNodeStatus) -> Self {
        tc_sim_node_status_t {
            struct_size: 0,
            node: status.node as u64,
            height: status.height.0,
            epoch: status.epoch.0,
            now_ms: status.now.0,
            mempool_transactions: status.mempool_transactions as u64,
            masternode_key: (&status.key).into(),
            round: status.round.0,
            starts: status.starts,
            state: sim_node_state_number(&status.state),
            is_active_masternode: status.is_active_masternode.into(),
            is_observer: status.is_observer.into(),
            is_byzantine: status.is_byzantine.into(),
            reserved: 0,
        }
    }
}
