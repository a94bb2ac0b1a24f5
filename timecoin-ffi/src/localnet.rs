//! Real nodes in one process, with the verbs of networks in virtual time.

#![allow(unsafe_code, reason = "exports keep their name; memory is touched in pointer.rs alone")]

use std::ffi::c_char;
use std::sync::Arc;
use std::time::Duration;

use timecoin_core::localnet::{LocalNet, LocalNetConfig, LocalNodeState};
use timecoin_core::{Address, Amount, Height, NodeError, Txid};

use crate::constants::{
    TC_SIM_NODE_STATE_DOWN, TC_SIM_NODE_STATE_HALTED, TC_SIM_NODE_STATE_PAUSED,
    TC_SIM_NODE_STATE_RUNNING, tc_status_t,
};
use crate::failure::Failure;
use crate::guard::guard;
use crate::handle::{HANDLES, Object};
use crate::pointer;
use crate::reports::tc_payment_t;
use crate::sim::{duration, group_members, number, settings};
use crate::types::{tc_address_t, tc_localnet_t, tc_node_t, tc_setting_t, tc_txid_t};

impl Object for LocalNet {
    const KIND: u8 = 12;
    const NAME: &'static str = "net";
}

pub(crate) fn find_net(net: tc_localnet_t) -> Result<Arc<LocalNet>, Failure> {
    HANDLES.get(net.id)
}

/// Starts a network of real nodes in this process, in memory or over sockets: the threads, clocks,
/// stores and checks of production, and the verbs of networks in virtual time, in real time. The
/// same seed and settings make the same chain and the same wallets as tc_sim_new.
///
/// masternodes: 1 to 200.
/// settings: n_settings of them. A text may be empty where that is said. Durations are as 20ms,
/// 1.5s, 2min or 1h, at most 876000h.
///
///   latency, loss_ppm, duplicate_ppm, reorder_ppm, bandwidth
///                              of links, as for tc_sim_new; default at once, without loss
///   observers                  0 to 100 nodes beside the masternodes; default 0
///   storage                    memory, temporary for a directory that ends with the net, or the
///                              path of one that stays; default memory
///   transport                  memory, or tcp for encrypted connections on the loopback
///                              interface; default memory
///   round_timeout              1ms to 1h; default 2s
///   wallets                    1 to 1000 that the genesis funds; default 4
///   coins_per_wallet           1 to 1000 of 10000 TIME; default 16
///   epoch_blocks               1 to 1000000; default 20
///   block_interval             1ms to 1h; default 1s
///   shared_verification_cache  true or false: whether a node believes what another found out
///                              about a signature; default false
///   encode_messages            true or false: whether messages travel as bytes; default false
///   sync_writes                true or false: whether a write counts only once the disk has it;
///                              default true
///   submit_timeout             1ms to 1h that a submit waits for its answer; default 30s
///
/// net_out: owned, free with tc_localnet_free.
///
/// Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_CONFIG, TC_ERROR_INVALID_GENESIS,
/// TC_ERROR_NO_THREADS, TC_ERROR_STORAGE_ numbers.
#[unsafe(no_mangle)]
pub extern "C" fn tc_localnet_new(
    masternodes: u64,
    seed: u64,
    settings: *const tc_setting_t,
    n_settings: usize,
    net_out: *mut tc_localnet_t,
) -> tc_status_t {
    guard(|| {
        let settings = self::settings(settings, n_settings)?;
        let out = pointer::out(net_out, "net_out")?;
        let mut config = LocalNetConfig::new(number(masternodes), seed);
        settings.iter().try_for_each(|(name, text)| config.set(name, text))?;
        let id = HANDLES.insert(LocalNet::start(config)?)?;
        out.write(tc_localnet_t { id });
        Ok(())
    })
}

/// Ends all nodes in order; waiting calls return TC_ERROR_CLOSED. Closing a closed net is fine.
///
/// timeout_ms: how long this call waits for that.
///
/// Errors: TC_ERROR_INVALID_HANDLE; TC_ERROR_TIMEOUT where it takes longer: it goes on behind.
#[unsafe(no_mangle)]
pub extern "C" fn tc_localnet_close(net: tc_localnet_t, timeout_ms: u64) -> tc_status_t {
    guard(|| Ok(find_net(net)?.close(millis(timeout_ms))?))
}

/// Frees a net, which closes it.
///
/// Errors: TC_ERROR_INVALID_HANDLE, also for what was freed already.
#[unsafe(no_mangle)]
pub extern "C" fn tc_localnet_free(net: tc_localnet_t) -> tc_status_t {
    guard(|| HANDLES.remove::<LocalNet>(net.id).map(drop))
}

/// The address of a wallet that the genesis funds; a new name takes one that has none.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_INVALID_ARGUMENT where all
/// have other names.
#[unsafe(no_mangle)]
pub extern "C" fn tc_localnet_wallet_address(
    net: tc_localnet_t,
    name: *const c_char,
    address_out: *mut tc_address_t,
) -> tc_status_t {
    guard(|| {
        let net = find_net(net)?;
        let name = pointer::text(name, "name")?;
        let out = pointer::out(address_out, "address_out")?;
        out.write((&net.wallet(&name)?.address()).into());
        Ok(())
    })
}

/// What a wallet can spend, in units.
///
/// Errors: as tc_localnet_wallet_address.
#[unsafe(no_mangle)]
pub extern "C" fn tc_localnet_wallet_balance(
    net: tc_localnet_t,
    name: *const c_char,
    units_out: *mut u64,
) -> tc_status_t {
    guard(|| {
        let net = find_net(net)?;
        let name = pointer::text(name, "name")?;
        let out = pointer::out(units_out, "units_out")?;
        out.write(net.wallet(&name)?.balance().units());
        Ok(())
    })
}

/// Pays from a wallet, at the first node that takes part, and returns once that has admitted it.
///
/// name: of the wallet. units: in units. payment_out: its struct_size is set by the caller; may be
/// null.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT,
/// TC_ERROR_INSUFFICIENT_FUNDS, TC_ERROR_TOO_MANY_COINS, TC_ERROR_CLOSED where no node takes part,
/// and as tc_node_submit_transaction.
#[unsafe(no_mangle)]
pub extern "C" fn tc_localnet_pay(
    net: tc_localnet_t,
    name: *const c_char,
    address: *const tc_address_t,
    units: u64,
    payment_out: *mut tc_payment_t,
) -> tc_status_t {
    guard(|| pay(net, None, name, address, units, payment_out))
}

/// Pays from a wallet, at a node.
///
/// name, units, payment_out: as for tc_localnet_pay.
///
/// Errors: as tc_localnet_pay; TC_ERROR_INVALID_ARGUMENT also for a node that is not there.
#[unsafe(no_mangle)]
pub extern "C" fn tc_localnet_pay_at(
    net: tc_localnet_t,
    node: u64,
    name: *const c_char,
    address: *const tc_address_t,
    units: u64,
    payment_out: *mut tc_payment_t,
) -> tc_status_t {
    guard(|| pay(net, Some(node), name, address, units, payment_out))
}

/// Waits until a transaction is final or confirmed at every node that takes part.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_TIMEOUT where that takes
/// longer than within_ms; what a node answered where it refused the payment; TC_ERROR_CLOSED where
/// no node takes part.
#[unsafe(no_mangle)]
pub extern "C" fn tc_localnet_run_until_finalized(
    net: tc_localnet_t,
    txid: *const tc_txid_t,
    within_ms: u64,
) -> tc_status_t {
    guard(|| {
        let net = find_net(net)?;
        let txid = Txid::from(pointer::value(txid, "txid")?);
        Ok(net.wait_final_everywhere(&txid, millis(within_ms))?)
    })
}

/// Waits until a transaction is in a block that every node that takes part has.
///
/// Errors: as tc_localnet_run_until_finalized.
#[unsafe(no_mangle)]
pub extern "C" fn tc_localnet_run_until_confirmed(
    net: tc_localnet_t,
    txid: *const tc_txid_t,
    within_ms: u64,
) -> tc_status_t {
    guard(|| {
        let net = find_net(net)?;
        let txid = Txid::from(pointer::value(txid, "txid")?);
        Ok(net.wait_confirmed_everywhere(&txid, millis(within_ms))?)
    })
}

/// Waits until every node that takes part has the block of a height.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_TIMEOUT, TC_ERROR_CLOSED.
#[unsafe(no_mangle)]
pub extern "C" fn tc_localnet_run_until_height(
    net: tc_localnet_t,
    height: u64,
    within_ms: u64,
) -> tc_status_t {
    guard(|| Ok(find_net(net)?.wait_height_everywhere(Height(height), millis(within_ms))?))
}

/// Ends a node as the end of its process would: nothing more is written or sent.
///
/// Errors: TC_ERROR_INVALID_HANDLE; TC_ERROR_INVALID_ARGUMENT for a node that is not there;
/// TC_ERROR_TIMEOUT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_localnet_crash(net: tc_localnet_t, node: u64) -> tc_status_t {
    guard(|| Ok(find_net(net)?.crash(number(node))?))
}

/// Starts a crashed node from what its store holds. A node that runs goes on.
///
/// Errors: TC_ERROR_INVALID_HANDLE; TC_ERROR_INVALID_ARGUMENT for a node that is not there;
/// TC_ERROR_CLOSED, TC_ERROR_STORAGE_ numbers.
#[unsafe(no_mangle)]
pub extern "C" fn tc_localnet_restart(net: tc_localnet_t, node: u64) -> tc_status_t {
    guard(|| Ok(find_net(net)?.restart(number(node))?))
}

/// Lets a node stand still; what is sent to it waits, as far as there is room.
///
/// Errors: TC_ERROR_INVALID_HANDLE; TC_ERROR_INVALID_ARGUMENT for a node that is not there.
#[unsafe(no_mangle)]
pub extern "C" fn tc_localnet_pause(net: tc_localnet_t, node: u64) -> tc_status_t {
    guard(|| Ok(find_net(net)?.pause(number(node))?))
}

/// Lets a node go on that was paused.
///
/// Errors: as tc_localnet_pause.
#[unsafe(no_mangle)]
pub extern "C" fn tc_localnet_resume(net: tc_localnet_t, node: u64) -> tc_status_t {
    guard(|| Ok(find_net(net)?.resume(number(node))?))
}

/// Cuts the network between groups of nodes. What is under way arrives.
///
/// groups: for each of the first n_nodes nodes any number that stands for its group; every other
/// node is alone.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_INVALID_ARGUMENT where
/// n_nodes is more than there are.
#[unsafe(no_mangle)]
pub extern "C" fn tc_localnet_partition(
    net: tc_localnet_t,
    groups: *const u32,
    n_nodes: usize,
) -> tc_status_t {
    guard(|| {
        let net = find_net(net)?;
        let groups = group_members(pointer::values(groups, n_nodes, "groups")?);
        let groups: Vec<&[usize]> = groups.iter().map(Vec::as_slice).collect();
        Ok(net.partition(&groups)?)
    })
}

/// Opens all links that are cut. How long messages take stays as it is.
///
/// Errors: TC_ERROR_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub extern "C" fn tc_localnet_heal(net: tc_localnet_t) -> tc_status_t {
    guard(|| {
        find_net(net)?.heal();
        Ok(())
    })
}

/// Makes a node Byzantine: it follows a strategy, with any that it follows already, in this life
/// and in all that come. The functions that speak of every node that takes part, or of the first,
/// leave it out from now on.
///
/// strategy: one of tc_strategy_name, without "amnesia" and "twins", which only networks in
/// virtual time can follow, and over sockets without "garbage". Over sockets the connections stay
/// honest.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_INVALID_ARGUMENT for a node
/// that is not there, or a strategy that is not there or that the net can't follow;
/// TC_ERROR_CLOSED.
#[unsafe(no_mangle)]
pub extern "C" fn tc_localnet_set_byzantine(
    net: tc_localnet_t,
    node: u64,
    strategy: *const c_char,
) -> tc_status_t {
    guard(|| {
        let net = find_net(net)?;
        let strategy = pointer::text(strategy, "strategy")?;
        Ok(net.set_byzantine(number(node), &strategy)?)
    })
}

/// Changes how all links behave that have no behaviour of their own. On links that become faster,
/// what is under way comes no later than if it were sent now, in order.
///
/// settings: n_settings of them, as for tc_sim_set_links.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_CONFIG.
#[unsafe(no_mangle)]
pub extern "C" fn tc_localnet_set_links(
    net: tc_localnet_t,
    settings: *const tc_setting_t,
    n_settings: usize,
) -> tc_status_t {
    guard(|| set_link(net, None, settings, n_settings))
}

/// Gives one direction of one link a behaviour of its own. What is under way is as for
/// tc_localnet_set_links.
///
/// settings: as for tc_localnet_set_links.
///
/// Errors: as tc_localnet_set_links; TC_ERROR_INVALID_ARGUMENT for a node that is not there.
#[unsafe(no_mangle)]
pub extern "C" fn tc_localnet_set_link(
    net: tc_localnet_t,
    from: u64,
    to: u64,
    settings: *const tc_setting_t,
    n_settings: usize,
) -> tc_status_t {
    guard(|| set_link(net, Some((number(from), number(to))), settings, n_settings))
}

/// Makes everything from and to a node take longer, in ms, at most 876000 hours; 0 ends it. When
/// it takes less than before, what is under way comes no later than if it were sent now, in
/// order.
///
/// Errors: as tc_localnet_pause; TC_ERROR_INVALID_ARGUMENT also for a longer time.
#[unsafe(no_mangle)]
pub extern "C" fn tc_localnet_slow(net: tc_localnet_t, node: u64, extra_ms: u64) -> tc_status_t {
    guard(|| {
        let extra = duration(extra_ms, "extra_ms")?;
        Ok(find_net(net)?.set_slow(number(node), extra)?)
    })
}

/// A node, to be read, paid through, waited for, subscribed to. After a crash it is closed; the
/// one that is restarted in its place is another.
///
/// node_out: owned, free with tc_node_free, which leaves the node of the net running.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_INVALID_ARGUMENT for a node
/// that is not there.
#[unsafe(no_mangle)]
pub extern "C" fn tc_localnet_node(
    net: tc_localnet_t,
    node: u64,
    node_out: *mut tc_node_t,
) -> tc_status_t {
    guard(|| {
        let net = find_net(net)?;
        let out = pointer::out(node_out, "node_out")?;
        let id = HANDLES.insert(net.node(number(node))?)?;
        out.write(tc_node_t { id });
        Ok(())
    })
}

/// Whether a node takes part: TC_SIM_NODE_STATE_.
///
/// Errors: as tc_localnet_node.
#[unsafe(no_mangle)]
pub extern "C" fn tc_localnet_node_state(
    net: tc_localnet_t,
    node: u64,
    state_out: *mut i32,
) -> tc_status_t {
    guard(|| {
        let net = find_net(net)?;
        let out = pointer::out(state_out, "state_out")?;
        out.write(match net.node_state(number(node))? {
            LocalNodeState::Running => TC_SIM_NODE_STATE_RUNNING,
            LocalNodeState::Paused => TC_SIM_NODE_STATE_PAUSED,
            LocalNodeState::Down => TC_SIM_NODE_STATE_DOWN,
            LocalNodeState::Halted => TC_SIM_NODE_STATE_HALTED,
        });
        Ok(())
    })
}

/// Whether a node was made Byzantine: 1 or 0.
///
/// Errors: as tc_localnet_node.
#[unsafe(no_mangle)]
pub extern "C" fn tc_localnet_is_byzantine(
    net: tc_localnet_t,
    node: u64,
    is_byzantine_out: *mut u8,
) -> tc_status_t {
    guard(|| {
        let net = find_net(net)?;
        let out = pointer::out(is_byzantine_out, "is_byzantine_out")?;
        out.write(net.is_byzantine(number(node))?.into());
        Ok(())
    })
}

/// The lowest height of all nodes that take part; 0 where none does.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_localnet_height(net: tc_localnet_t, height_out: *mut u64) -> tc_status_t {
    guard(|| {
        let net = find_net(net)?;
        let out = pointer::out(height_out, "height_out")?;
        out.write(net.height_min().0);
        Ok(())
    })
}

/// The node that proposes the next block in round 0.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_NOT_FOUND where no node takes
/// part.
#[unsafe(no_mangle)]
pub extern "C" fn tc_localnet_proposer(net: tc_localnet_t, node_out: *mut u64) -> tc_status_t {
    guard(|| {
        let net = find_net(net)?;
        let out = pointer::out(node_out, "node_out")?;
        let proposer = net.next_proposer().ok_or_else(|| Failure::not_found("the proposer"))?;
        out.write(proposer as u64);
        Ok(())
    })
}

fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn set_link(
    net: tc_localnet_t,
    between: Option<(usize, usize)>,
    settings: *const tc_setting_t,
    n_settings: usize,
) -> Result<(), Failure> {
    let net = find_net(net)?;
    let settings = self::settings(settings, n_settings)?;
    let settings = settings.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    Ok(net.set_link_texts(between, settings)?)
}

fn pay(
    net: tc_localnet_t,
    node: Option<u64>,
    name: *const c_char,
    address: *const tc_address_t,
    units: u64,
    payment_out: *mut tc_payment_t,
) -> Result<(), Failure> {
    let net = find_net(net)?;
    let name = pointer::text(name, "name")?;
    let address = Address::from(pointer::value(address, "address")?);
    let out = pointer::optional_report_out(payment_out, "payment_out")?;
    let units = Amount::from_units(units);
    let transaction: Result<_, NodeError> = net.pay_to(node.map(number), &name, address, units);
    let txid = transaction?.txid();
    if let Some(out) = out {
        let fee = timecoin_core::sim::FEE.units();
        out.write(tc_payment_t { struct_size: 0, fee, txid: (&txid).into() });
    }
    Ok(())
}
