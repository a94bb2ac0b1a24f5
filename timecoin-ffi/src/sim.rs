//! Networks in virtual time: their life, what happens in them, and going back.

#![allow(unsafe_code, reason = "exports keep their name; memory is touched in pointer.rs alone")]

use std::collections::BTreeMap;
use std::ffi::c_char;
use std::sync::Arc;
use std::time::Duration;

use timecoin_core::harness::{Drive, Goal, SharedSimulation, SharedSnapshot};
use timecoin_core::sim::strategy::STRATEGIES;
use timecoin_core::sim::{Fault, SimulationConfig};
use timecoin_core::types::duration::check_duration;
use timecoin_core::{Address, Amount, Height, NodeError, Txid};

use crate::constants::tc_status_t;
use crate::error::forever;
use crate::failure::Failure;
use crate::guard::guard;
use crate::handle::{HANDLES, Object};
use crate::pointer;
use crate::reports::tc_payment_t;
use crate::types::{
    tc_address_t, tc_digest_t, tc_setting_t, tc_sim_snapshot_t, tc_sim_t, tc_txid_t,
};

impl Object for SharedSimulation {
    const KIND: u8 = 10;
    const NAME: &'static str = "simulation";
}

impl Object for SharedSnapshot {
    const KIND: u8 = 11;
    const NAME: &'static str = "snapshot";
}

/// The simulation of a handle.
pub(crate) fn find_sim(sim: tc_sim_t) -> Result<Arc<SharedSimulation>, Failure> {
    HANDLES.get(sim.id)
}

/// Builds a network of masternodes in virtual time: real engines, simulated clocks, disks and
/// links, one seed, and the invariants of the protocol checked after every event. Nothing has
/// happened yet. The same settings and calls give the same tc_sim_digest on every machine and in
/// every language. Its nodes are numbers from 0: the masternodes in the order of their keys, then
/// the observers.
///
/// masternodes: 1 to 200.
/// settings: n_settings of them. A text may be empty where that is said. Durations are as 20ms,
/// 1.5s, 2min or 1h, at most 876000h.
///
///   latency                  of each message, as 50ms, 20ms..80ms or log-normal(40ms, 0.5), half
///                            of which are below 40ms; default 20ms..80ms
///   loss_ppm, duplicate_ppm, reorder_ppm
///                            of a million messages; default 0
///   bandwidth                1 to 10^12 bytes a second of each link, or empty; default empty
///   observers                0 to 100 nodes beside the masternodes; default 0
///   late                     numbers of nodes that tc_sim_restart starts first, as 2,3, or
///                            empty
///   flush_latency            0s to 1min; default 0s
///   round_timeout            1ms to 1h; default 2s
///   wallets                  1 to 1000 that the genesis funds; default 4
///   coins_per_wallet         1 to 1000 of 10000 TIME; default 16
///   epoch_blocks             1 to 1000000; default 20
///   block_interval           1ms to 1h; default 1s
///   payments_per_kilosecond  0 to 1000000 that come by themselves; default 0
///   conflicting_permille, malformed_permille, dust_permille, chained_permille
///                            of a thousand of those; default 0
///   faults                   as 10s crash 2; 20s restart 2, or empty: see tc_sim_inject
///   verify_everywhere        true or false: whether each node checks each signature
///   journal_lines            0 to 1000000 that tc_sim_journal gives; default 0
///   events_max               0 to 1000000 that tc_sim_next_event gives; default 0
///   replay                   the command that repeats the run; empty, the default, for that of
///                            this process
///
/// sim_out: owned, free with tc_sim_free.
///
/// Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_CONFIG, TC_ERROR_INVALID_ARGUMENT for a node
/// that is not there, TC_ERROR_INVALID_GENESIS.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_new(
    masternodes: u64,
    seed: u64,
    settings: *const tc_setting_t,
    n_settings: usize,
    sim_out: *mut tc_sim_t,
) -> tc_status_t {
    guard(|| {
        let settings = self::settings(settings, n_settings)?;
        let out = pointer::out(sim_out, "sim_out")?;
        let mut config = SimulationConfig::new(number(masternodes), seed);
        settings.iter().try_for_each(|(name, text)| config.set(name, text))?;
        let id = HANDLES.insert(SharedSimulation::new(config)?)?;
        out.write(tc_sim_t { id });
        Ok(())
    })
}

/// An independent copy that goes on from here. Snapshots of either are good for both.
///
/// sim_out: owned, free with tc_sim_free.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_fork(sim: tc_sim_t, sim_out: *mut tc_sim_t) -> tc_status_t {
    guard(|| {
        let sim = find_sim(sim)?;
        let out = pointer::out(sim_out, "sim_out")?;
        let id = HANDLES.insert(sim.fork()?)?;
        out.write(tc_sim_t { id });
        Ok(())
    })
}

/// Frees a simulation. Its snapshots stay.
///
/// Errors: TC_ERROR_INVALID_HANDLE, also for what was freed already.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_free(sim: tc_sim_t) -> tc_status_t {
    guard(|| HANDLES.remove::<SharedSimulation>(sim.id).map(drop))
}

/// The address of a wallet that the genesis funds; a new name takes one that has none.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_INVALID_ARGUMENT where all
/// have other names.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_wallet_address(
    sim: tc_sim_t,
    name: *const c_char,
    address_out: *mut tc_address_t,
) -> tc_status_t {
    guard(|| {
        let sim = find_sim(sim)?;
        let name = pointer::text(name, "name")?;
        let out = pointer::out(address_out, "address_out")?;
        out.write((&sim.wallet(&name)?).into());
        Ok(())
    })
}

/// What a wallet can spend, in units.
///
/// Errors: as tc_sim_wallet_address.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_wallet_balance(
    sim: tc_sim_t,
    name: *const c_char,
    units_out: *mut u64,
) -> tc_status_t {
    guard(|| {
        let sim = find_sim(sim)?;
        let name = pointer::text(name, "name")?;
        let out = pointer::out(units_out, "units_out")?;
        out.write(sim.balance(&name)?.units());
        Ok(())
    })
}

/// Pays from a wallet, at the first honest node that runs. The node gets the payment, and answers,
/// once virtual time passes.
///
/// name: of the wallet. units: in units. payment_out: its struct_size is set by the caller; may be
/// null.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT,
/// TC_ERROR_INSUFFICIENT_FUNDS, TC_ERROR_TOO_MANY_COINS, TC_ERROR_TRANSACTION_DUST.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_pay(
    sim: tc_sim_t,
    name: *const c_char,
    address: *const tc_address_t,
    units: u64,
    payment_out: *mut tc_payment_t,
) -> tc_status_t {
    guard(|| pay(sim, None, name, address, units, payment_out))
}

/// Pays from a wallet, at a node.
///
/// name, units, payment_out: as for tc_sim_pay.
///
/// Errors: as tc_sim_pay; TC_ERROR_INVALID_ARGUMENT also for a node that is not there.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_pay_at(
    sim: tc_sim_t,
    node: u64,
    name: *const c_char,
    address: *const tc_address_t,
    units: u64,
    payment_out: *mut tc_payment_t,
) -> tc_status_t {
    guard(|| pay(sim, Some(node), name, address, units, payment_out))
}

/// Lets so much virtual time pass, in ms: at most 876000 hours.
///
/// Errors: TC_ERROR_INVALID_HANDLE; TC_ERROR_INVALID_ARGUMENT for more than that;
/// TC_ERROR_INVARIANT_BROKEN where an invariant of the protocol is found broken, and from then
/// on: see tc_sim_failure.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_advance(sim: tc_sim_t, duration_ms: u64) -> tc_status_t {
    guard(|| {
        let duration = duration(duration_ms, "duration_ms")?;
        drive(sim, |drive| drive.advance(duration))
    })
}

/// Lets the next event happen.
///
/// happened_out: 0 where there is none, else 1; may be null.
///
/// Errors: as tc_sim_advance.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_step(sim: tc_sim_t, happened_out: *mut u8) -> tc_status_t {
    guard(|| {
        let out = pointer::optional_out(happened_out);
        let happened = drive_for(sim, |drive| drive.step())?;
        if let Some(out) = out {
            out.write(happened.into());
        }
        Ok(())
    })
}

/// Lets virtual time pass until a transaction is final or confirmed at every honest node that
/// runs, but no longer than within_ms.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_NOT_REACHED where it is not
/// in that time; what the node answered where it refused the payment; TC_ERROR_INVARIANT_BROKEN.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_run_until_finalized(
    sim: tc_sim_t,
    txid: *const tc_txid_t,
    within_ms: u64,
) -> tc_status_t {
    guard(|| {
        let txid = Txid::from(pointer::value(txid, "txid")?);
        let goal = Goal::Finalized(find_sim(sim)?.submission(&txid)?);
        run_until(sim, &goal, within_ms)
    })
}

/// Lets virtual time pass until a transaction is in a block that every honest node that runs has,
/// but no longer than within_ms.
///
/// Errors: as tc_sim_run_until_finalized.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_run_until_confirmed(
    sim: tc_sim_t,
    txid: *const tc_txid_t,
    within_ms: u64,
) -> tc_status_t {
    guard(|| {
        let txid = Txid::from(pointer::value(txid, "txid")?);
        let goal = Goal::Confirmed(find_sim(sim)?.submission(&txid)?);
        run_until(sim, &goal, within_ms)
    })
}

/// Lets virtual time pass until every honest node that runs has the block of a height, but no
/// longer than within_ms.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NOT_REACHED, TC_ERROR_INVARIANT_BROKEN.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_run_until_height(
    sim: tc_sim_t,
    height: u64,
    within_ms: u64,
) -> tc_status_t {
    guard(|| run_until(sim, &Goal::Height(Height(height)), within_ms))
}

/// Lets a node stop at once. What was not flushed to its disk is lost.
///
/// Errors: TC_ERROR_INVALID_HANDLE; TC_ERROR_INVALID_ARGUMENT for a node that is not there;
/// TC_ERROR_INVARIANT_BROKEN.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_crash(sim: tc_sim_t, node: u64) -> tc_status_t {
    guard(|| cause(sim, &Fault::Crash(number(node))))
}

/// Starts a node from what its disk holds.
///
/// Errors: as tc_sim_crash.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_restart(sim: tc_sim_t, node: u64) -> tc_status_t {
    guard(|| cause(sim, &Fault::Restart(number(node))))
}

/// Lets a node stand still; what is sent to it waits.
///
/// Errors: as tc_sim_crash.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_pause(sim: tc_sim_t, node: u64) -> tc_status_t {
    guard(|| cause(sim, &Fault::Pause(number(node))))
}

/// Lets a node go on that was paused.
///
/// Errors: as tc_sim_crash.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_resume(sim: tc_sim_t, node: u64) -> tc_status_t {
    guard(|| cause(sim, &Fault::Resume(number(node))))
}

/// Cuts the network between groups of nodes.
///
/// groups: for each of the first n_nodes nodes any number that stands for its group; every other
/// node is alone.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_INVALID_ARGUMENT where
/// n_nodes is more than there are; TC_ERROR_INVARIANT_BROKEN.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_partition(
    sim: tc_sim_t,
    groups: *const u32,
    n_nodes: usize,
) -> tc_status_t {
    guard(|| {
        let groups = pointer::values(groups, n_nodes, "groups")?;
        cause(sim, &Fault::Partition(group_members(groups)))
    })
}

/// Opens all links that are cut. How long messages take stays as it is.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_INVARIANT_BROKEN.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_heal(sim: tc_sim_t) -> tc_status_t {
    guard(|| cause(sim, &Fault::Heal))
}

/// Makes a node Byzantine: it follows a strategy, with any that it follows already.
///
/// strategy: one of tc_strategy_name. "twins" adds a node with the same keys.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_INVALID_ARGUMENT for a node
/// or a strategy that is not there; TC_ERROR_INVARIANT_BROKEN.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_set_byzantine(
    sim: tc_sim_t,
    node: u64,
    strategy: *const c_char,
) -> tc_status_t {
    guard(|| {
        let strategy = pointer::text(strategy, "strategy")?;
        drive(sim, |drive| drive.set_byzantine(number(node), &strategy))
    })
}

/// The name of a Byzantine strategy by its position from 0, as "equivocate-votes"; null after the
/// last. Borrowed from the library, valid forever.
#[unsafe(no_mangle)]
pub extern "C" fn tc_strategy_name(position: usize) -> *const c_char {
    STRATEGIES.get(position).map_or(std::ptr::null(), |name| forever(name))
}

/// Changes how all links behave that have no behaviour of their own. On links that become faster,
/// what is under way comes no later than if it were sent now, in order.
///
/// settings: n_settings of them: latency, loss_ppm, duplicate_ppm, reorder_ppm and bandwidth as
/// for tc_sim_new; those not named stay as they are.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_CONFIG,
/// TC_ERROR_INVARIANT_BROKEN.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_set_links(
    sim: tc_sim_t,
    settings: *const tc_setting_t,
    n_settings: usize,
) -> tc_status_t {
    guard(|| set_link(sim, None, settings, n_settings))
}

/// Gives one direction of one link a behaviour of its own. What is under way is as for
/// tc_sim_set_links.
///
/// settings: as for tc_sim_set_links.
///
/// Errors: as tc_sim_set_links; TC_ERROR_INVALID_ARGUMENT for a node that is not there.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_set_link(
    sim: tc_sim_t,
    from: u64,
    to: u64,
    settings: *const tc_setting_t,
    n_settings: usize,
) -> tc_status_t {
    guard(|| set_link(sim, Some((number(from), number(to))), settings, n_settings))
}

/// Lets anything go wrong, or puts it right, by its text:
///
///   crash NODE                      restart NODE
///   pause NODE                      resume NODE
///   crash-at-flush NODE NTH before|during|after
///   partition NODE,NODE,... NODE,NODE,... ...
///   block FROM TO                   heal
///   link SETTING=VALUE ...          slow NODE DURATION
///   clock-jump NODE DURATION        clock-drift NODE PPM (both may be negative)
///   disk-full NODE                  disk-room NODE
///   slow-flush NODE DURATION        flip-bits NODE
///   wipe-disk NODE                  forget NODE
///   byzantine NODE STRATEGY         produce-block
///   register NODE                   deregister NODE
///
/// When `slow` ends or `link` makes links faster, what is under way comes no later than if it were
/// sent then, in order. `heal` opens what is cut and ends no `slow`.
///
/// after_ms: in ms of virtual time from now, at most 876000 hours; 0 for now.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_INVALID_ARGUMENT for another
/// text, a longer time or a node that is not there; TC_ERROR_INVARIANT_BROKEN.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_inject(sim: tc_sim_t, fault: *const c_char, after_ms: u64) -> tc_status_t {
    guard(|| {
        let fault = pointer::text(fault, "fault")?;
        let after = duration(after_ms, "after_ms")?;
        drive(sim, |drive| match after {
            Duration::ZERO => drive.inject(&fault.parse()?),
            _ => drive.inject_after(after, &fault.parse()?),
        })
    })
}

/// Takes a snapshot of everything: clocks, disks, mempools, messages under way, generators.
///
/// snapshot_out: owned, free with tc_sim_snapshot_free.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_snapshot(
    sim: tc_sim_t,
    snapshot_out: *mut tc_sim_snapshot_t,
) -> tc_status_t {
    guard(|| {
        let sim = find_sim(sim)?;
        let out = pointer::out(snapshot_out, "snapshot_out")?;
        let id = HANDLES.insert(sim.snapshot()?)?;
        out.write(tc_sim_snapshot_t { id });
        Ok(())
    })
}

/// Goes back to a snapshot of this simulation, or of one that it was forked from or into. The
/// snapshot can be used again.
///
/// Errors: TC_ERROR_INVALID_HANDLE; TC_ERROR_INVALID_ARGUMENT for a snapshot of another
/// simulation.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_revert(sim: tc_sim_t, snapshot: tc_sim_snapshot_t) -> tc_status_t {
    guard(|| {
        let snapshot = HANDLES.get::<SharedSnapshot>(snapshot.id)?;
        drive(sim, |drive| drive.revert(&snapshot))
    })
}

/// The digest of the simulation when a snapshot was taken.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_snapshot_digest(
    snapshot: tc_sim_snapshot_t,
    digest_out: *mut tc_digest_t,
) -> tc_status_t {
    guard(|| {
        let snapshot = HANDLES.get::<SharedSnapshot>(snapshot.id)?;
        let out = pointer::out(digest_out, "digest_out")?;
        out.write((&snapshot.digest()).into());
        Ok(())
    })
}

/// Frees a snapshot.
///
/// Errors: TC_ERROR_INVALID_HANDLE, also for what was freed already.
#[unsafe(no_mangle)]
pub extern "C" fn tc_sim_snapshot_free(snapshot: tc_sim_snapshot_t) -> tc_status_t {
    guard(|| HANDLES.remove::<SharedSnapshot>(snapshot.id).map(drop))
}

/// Names and texts that a caller sets.
pub(crate) fn settings(
    pointer: *const tc_setting_t,
    n: usize,
) -> Result<Vec<(String, String)>, Failure> {
    let settings = pointer::values(pointer, n, "settings")?;
    let read = |setting: tc_setting_t| {
        let name = pointer::text(setting.name, "the name of a setting")?;
        Ok((name, pointer::text(setting.text, "the text of a setting")?))
    };
    settings.into_iter().map(read).collect()
}

/// The nodes of each group, from the group of each node.
pub(crate) fn group_members(groups: Vec<u32>) -> Vec<Vec<usize>> {
    let mut members: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (node, group) in groups.into_iter().enumerate() {
        members.entry(group).or_default().push(node);
    }
    members.into_values().collect()
}

/// A number of a node, or of nodes: what does not fit is none.
pub(crate) fn number(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// A duration that is no timeout, as long as one in words may be.
pub(crate) fn duration(ms: u64, what: &str) -> Result<Duration, Failure> {
    let checked = check_duration(Duration::from_millis(ms));
    checked.map_err(|error| Failure::argument(what, &error.to_string()))
}

/// Lets a call change a simulation, once it is this thread's turn.
fn drive_for<T>(
    sim: tc_sim_t,
    call: impl FnOnce(&mut Drive<'_>) -> Result<T, NodeError>,
) -> Result<T, Failure> {
    let sim = find_sim(sim)?;
    let go_on = &mut || true;
    let mut drive = sim.drive(go_on)?;
    Ok(call(&mut drive)?)
}

fn drive(
    sim: tc_sim_t,
    call: impl FnOnce(&mut Drive<'_>) -> Result<(), NodeError>,
) -> Result<(), Failure> {
    drive_for(sim, call)
}

fn cause(sim: tc_sim_t, fault: &Fault) -> Result<(), Failure> {
    drive(sim, |drive| drive.inject(fault))
}

fn run_until(sim: tc_sim_t, goal: &Goal, within_ms: u64) -> Result<(), Failure> {
    drive(sim, |drive| drive.run_until(goal, Duration::from_millis(within_ms)))
}

fn set_link(
    sim: tc_sim_t,
    between: Option<(usize, usize)>,
    settings: *const tc_setting_t,
    n_settings: usize,
) -> Result<(), Failure> {
    let settings = self::settings(settings, n_settings)?;
    let settings = settings.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    drive(sim, |drive| drive.set_link(between, settings))
}

fn pay(
    sim: tc_sim_t,
    node: Option<u64>,
    name: *const c_char,
    address: *const tc_address_t,
    units: u64,
    payment_out: *mut tc_payment_t,
) -> Result<(), Failure> {
    let name = pointer::text(name, "name")?;
    let address = Address::from(pointer::value(address, "address")?);
    let out = pointer::optional_report_out(payment_out, "payment_out")?;
    let (node, units) = (node.map(number), Amount::from_units(units));
    let payment = drive_for(sim, |drive| drive.pay(&name, address, units, node))?;
    if let Some(out) = out {
        let (fee, txid) = (payment.fee.units(), (&payment.txid).into());
        out.write(tc_payment_t { struct_size: 0, fee, txid });
    }
    Ok(())
}
