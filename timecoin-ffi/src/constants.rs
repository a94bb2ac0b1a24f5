//! Numbers and function types that have a name in C. Those of errors are in the header alone,
//! made from core's table.

#![allow(non_camel_case_types, reason = "names as C writes them")]

use std::ffi::c_void;

use crate::reports::tc_bootstrap_progress_t;

/// What a function returns: TC_OK, or the TC_ERROR_ number of why it failed.
pub type tc_status_t = i32;

/// It did what was asked.
pub const TC_OK: tc_status_t = 0;

/// The version of this interface. It grows when a program that was compiled with an older header
/// must be compiled anew; functions and fields that are added don't change it.
pub const TC_ABI_VERSION: u32 = 0;

/// Units in one TIME: amounts are counted in units, in 64 bits without a sign.
pub const TC_UNITS_PER_TIME: u64 = 100_000_000;

/// A timeout that never ends.
pub const TC_FOREVER: u64 = u64::MAX;

/// Room for the longest text of an address, with its NUL.
pub const TC_ADDRESS_TEXT_BYTES: usize = 64;

/// Room for the text of 32 bytes in hexadecimal digits, with its NUL.
pub const TC_HEX_TEXT_BYTES: usize = 65;

/// Room for the text "txid:vout", with its NUL.
pub const TC_OUTPOINT_TEXT_BYTES: usize = 76;

/// Room for the longest text of an amount, with its NUL.
pub const TC_AMOUNT_TEXT_BYTES: usize = 40;

/// Room for the longest text of an address and a port, with its NUL.
pub const TC_SOCKET_TEXT_BYTES: usize = 64;

/// Room for what a peer says it is, with its NUL.
pub const TC_AGENT_TEXT_BYTES: usize = 72;

/// Outputs in one page of tc_node_utxos_of at most.
pub const TC_UTXOS_PAGE_MAX: usize = 10_000;

/// Coins with a value.
pub const TC_NETWORK_MAINNET: i32 = 1;
/// Coins without a value, many machines.
pub const TC_NETWORK_TESTNET: i32 = 2;
/// A chain of one's own, for tests.
pub const TC_NETWORK_REGTEST: i32 = 3;

/// Blocks when their interval has passed, also empty ones.
pub const TC_BLOCK_PRODUCTION_INTERVAL: i32 = 1;
/// Blocks when they are asked for or the protocol needs one, never because time has passed.
pub const TC_BLOCK_PRODUCTION_ON_DEMAND: i32 = 2;

/// The caller can do something about it.
pub const TC_CATEGORY_REQUEST: i32 = 1;
/// It came from another node, or from whoever handed over a proof.
pub const TC_CATEGORY_PEER: i32 = 2;
/// The operator can do something about it: disk, directory, permissions.
pub const TC_CATEGORY_STORAGE: i32 = 3;
/// A bug, or the node was stopped by an earlier failure.
pub const TC_CATEGORY_INTERNAL: i32 = 4;

/// Opened and not started: reads answer.
pub const TC_NODE_STATE_NEW: i32 = 0;
/// Taking part.
pub const TC_NODE_STATE_RUNNING: i32 = 1;
/// Finishing what was begun; nothing new is taken.
pub const TC_NODE_STATE_CLOSING: i32 = 2;
/// Everything is on disk and let go of.
pub const TC_NODE_STATE_CLOSED: i32 = 3;
/// Stopped writing after a failure: reads answer, writes refuse and say why.
pub const TC_NODE_STATE_POISONED: i32 = 4;

/// It runs.
pub const TC_SIM_NODE_STATE_RUNNING: i32 = 1;
/// It stands still; its messages wait.
pub const TC_SIM_NODE_STATE_PAUSED: i32 = 2;
/// It is stopped.
pub const TC_SIM_NODE_STATE_DOWN: i32 = 3;
/// It stopped by itself.
pub const TC_SIM_NODE_STATE_HALTED: i32 = 4;

/// Which invariant was found broken, as "I1 agreement".
pub const TC_FAILURE_CHECK: i32 = 1;
/// What was found.
pub const TC_FAILURE_MESSAGE: i32 = 2;
/// The command that repeats the run; empty where it is not known.
pub const TC_FAILURE_REPLAY: i32 = 3;

/// Known, and neither approved nor rejected; it may wait for an input.
pub const TC_TRANSACTION_PENDING: i32 = 1;
/// This masternode has recorded its Approve.
pub const TC_TRANSACTION_APPROVED: i32 = 2;
/// A quorum approved it.
pub const TC_TRANSACTION_CERTIFIED: i32 = 3;
/// A quorum committed to it: irreversible.
pub const TC_TRANSACTION_FINALIZED: i32 = 4;
/// It is in a decided block: irreversible and permanent.
pub const TC_TRANSACTION_CONFIRMED: i32 = 5;
/// It will not be confirmed as things stand.
pub const TC_TRANSACTION_REJECTED: i32 = 6;
/// Masternodes are split between it and another; the next block decides.
pub const TC_TRANSACTION_CONTESTED: i32 = 7;

/// Moves money.
pub const TC_TX_KIND_TRANSFER: i32 = 0;
/// Pays the reward of a block.
pub const TC_TX_KIND_COINBASE: i32 = 1;
/// Adds a masternode.
pub const TC_TX_KIND_REGISTER_MASTERNODE: i32 = 2;
/// Takes a masternode out of the set.
pub const TC_TX_KIND_DEREGISTER_MASTERNODE: i32 = 3;
/// Proves that a masternode contradicted itself.
pub const TC_TX_KIND_EVIDENCE: i32 = 4;

/// Nothing spends it.
pub const TC_OUTPOINT_UNSPENT: i32 = 0;
/// This masternode has recorded its Approve for the transaction that spends it.
pub const TC_OUTPOINT_LOCKED: i32 = 1;
/// A quorum approved the transaction that spends it.
pub const TC_OUTPOINT_SPENT_PENDING: i32 = 2;
/// The transaction that spends it is final.
pub const TC_OUTPOINT_SPENT_FINALIZED: i32 = 3;
/// The transaction that spends it is in a decided block.
pub const TC_OUTPOINT_CONFIRMED: i32 = 4;

/// From a transfer or the genesis.
pub const TC_ORIGIN_TRANSFER: i32 = 0;
/// The reward of a block: it matures.
pub const TC_ORIGIN_COINBASE: i32 = 1;
/// Locked by the registration of a masternode.
pub const TC_ORIGIN_COLLATERAL: i32 = 2;

/// A transaction got further: txid, transaction_status, height if confirmed, code if rejected.
pub const TC_EVENT_TRANSACTION_STATUS: i32 = 1;
/// A block is decided and on disk: height, block_hash; tc_event_block has the block.
pub const TC_EVENT_BLOCK_CONFIRMED: i32 = 2;
/// A round ended without a decision: height, round (the one that is entered).
pub const TC_EVENT_ROUND_CHANGED: i32 = 3;
/// The masternodes that decide changed: epoch.
pub const TC_EVENT_EPOCH_BEGAN: i32 = 4;
/// A masternode contradicted itself.
pub const TC_EVENT_EVIDENCE_FOUND: i32 = 5;
/// The sign guard refused to sign; the text says what.
pub const TC_EVENT_SIGNATURE_REFUSED: i32 = 6;
/// Two certified blocks at one height: height, block_hash (the one here); the text has the keys
/// that signed both, in hexadecimal, with spaces between. The node stops: TC_EVENT_POISONED.
pub const TC_EVENT_SAFETY_VIOLATION: i32 = 7;
/// Something was mended when the store was opened; the text says what.
pub const TC_EVENT_REPAIRED: i32 = 8;
/// The node signs nothing until the next epoch; the text says why.
pub const TC_EVENT_OBSERVING: i32 = 9;
/// The node stopped writing, reads go on; the text says why.
pub const TC_EVENT_POISONED: i32 = 10;
/// This subscriber was slow and lost events: missed.
pub const TC_EVENT_OVERFLOW: i32 = 11;
/// The node is closed: the last event.
pub const TC_EVENT_CLOSED: i32 = 12;
/// A peer is connected: peer_key, is_inbound; the text is the other end of the socket.
pub const TC_EVENT_PEER_CONNECTED: i32 = 13;
/// A peer is gone: peer_key; the text says why.
pub const TC_EVENT_PEER_DISCONNECTED: i32 = 14;
/// A peer did what no honest one does, and is not talked to for a while: peer_key, zeros where it
/// had not proved one, until_ms; the text is the other end of the socket.
pub const TC_EVENT_PEER_BANNED: i32 = 15;
/// The clocks of most masternodes differ from this node's by more than 5 s: offset_ms,
/// is_withholding.
pub const TC_EVENT_CLOCK_OFFSET: i32 = 16;
/// The node is behind its peers and fetches blocks, told at most once a second: height,
/// target_height, bytes, n_peers.
pub const TC_EVENT_SYNC_PROGRESS: i32 = 17;
/// An event that this version of the interface has no number for; its name tells more.
pub const TC_EVENT_OTHER: i32 = 255;

/// Signs for one key of the host. `hash` is 32 bytes, borrowed for the call; 64 bytes of Ed25519
/// signature go to `signature_out`. Returns TC_OK, or any other number where it does not sign:
/// the payment then fails with TC_ERROR_INVALID_ARGUMENT, and its message has the number. It may
/// be called on any thread and by several at once, and must not call a function with the wallet
/// that it signs for, throw, or leave with longjmp.
pub type tc_sign_t = Option<
    unsafe extern "C" fn(user: *mut c_void, hash: *const u8, signature_out: *mut u8) -> tc_status_t,
>;

/// Is told how far tc_node_bootstrap is. `progress` is borrowed for the call, and `struct_size`
/// says how long it is. Returns 1 to go on and 0 to end. It must not throw or leave with longjmp.
pub type tc_on_bootstrap_t =
    Option<unsafe extern "C" fn(user: *mut c_void, progress: *const tc_bootstrap_progress_t) -> u8>;

/// Lets go of what the host gave to a callback. Called once, on any thread.
pub type tc_release_t = Option<unsafe extern "C" fn(user: *mut c_void)>;
