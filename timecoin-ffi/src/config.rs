//! What a node is opened with.

#![allow(unsafe_code, reason = "exports keep their name; memory is touched in pointer.rs alone")]

use std::ffi::c_char;
use std::sync::{Mutex, MutexGuard, PoisonError};

use timecoin_core::{Address, Config, Genesis, KeyPair, PublicKey};

use crate::bytes::Bytes;
use crate::constants::tc_status_t;
use crate::failure::Failure;
use crate::guard::guard;
use crate::handle::{HANDLES, Object};
use crate::numbers;
use crate::pointer;
use crate::secret::secret;
use crate::types::{tc_address_t, tc_bytes_t, tc_config_t, tc_public_key_t, tc_secret_t};

/// A configuration that the host fills in.
pub(crate) struct ConfigObject(Mutex<Config>);

impl Object for ConfigObject {
    const KIND: u8 = 1;
    const NAME: &'static str = "config";
}

impl ConfigObject {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Config> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one masternode of a regtest chain of its own, kept in memory, with well-known keys: the
/// wallet of the seed "regtest wallet" owns 1,000,000 TIME.
///
/// block_production: TC_BLOCK_PRODUCTION_. It is a part of the chain's identity: a directory is
/// opened again with the same.
/// config_out: owned, free with tc_config_free.
///
/// Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_config_new_regtest(
    block_production: i32,
    config_out: *mut tc_config_t,
) -> tc_status_t {
    guard(|| {
        let block_production = numbers::block_production(block_production)?;
        let mut config = Config::regtest();
        config.genesis.params.block_production = block_production;
        give(config, config_out)
    })
}

/// A node that follows the chain of a genesis, kept in memory, with no masternode key.
///
/// genesis_json: the JSON form of a genesis, as tc_config_genesis gives it.
/// config_out: owned, free with tc_config_free.
///
/// Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_GENESIS.
#[unsafe(no_mangle)]
pub extern "C" fn tc_config_from_genesis(
    genesis_json: *const c_char,
    config_out: *mut tc_config_t,
) -> tc_status_t {
    guard(|| {
        let json = pointer::text(genesis_json, "genesis_json")?;
        pointer::out(config_out, "config_out").map(drop)?;
        give(Config::new(Genesis::from_json(&json)?), config_out)
    })
}

/// The genesis of a regtest chain with these masternodes: 1,000,000 TIME for each wallet, and votes
/// for the masternodes, whose rewards go to the addresses of their keys. All nodes of the chain are
/// opened with it, by tc_config_from_genesis.
///
/// masternodes: consensus keys, n_masternodes of them, 1 to 200, in any order.
/// wallets: n_wallets of them; one that is there twice owns two coins.
/// json_out: a text; owned, free with tc_bytes_free.
///
/// Errors: TC_ERROR_NULL_ARGUMENT; TC_ERROR_INVALID_GENESIS for none, too many, or one twice.
#[unsafe(no_mangle)]
pub extern "C" fn tc_config_regtest_genesis(
    masternodes: *const tc_public_key_t,
    n_masternodes: usize,
    wallets: *const tc_address_t,
    n_wallets: usize,
    json_out: *mut tc_bytes_t,
) -> tc_status_t {
    guard(|| {
        let masternodes = pointer::values(masternodes, n_masternodes, "masternodes")?;
        let wallets = pointer::values(wallets, n_wallets, "wallets")?;
        let out = pointer::out(json_out, "json_out")?;
        let masternodes: Vec<PublicKey> = masternodes.into_iter().map(Into::into).collect();
        let wallets: Vec<Address> = wallets.into_iter().map(Into::into).collect();
        Bytes::give(Genesis::regtest(&masternodes, &wallets)?.to_json(), out)
    })
}

/// Sets a field by its name from its text; an empty text is none. The fields are those of Rust
/// and Python:
///
///   data_dir                  a directory, made if it is not there; empty for memory
///   masternode_key            64 hexadecimal digits of a secret key, or empty
///   mempool_transactions_max  1 to 10000000; default 10000
///   mempool_bytes_max         100000 to 100000000000; default 300000000
///   waiting_transactions_max  0 to 1000000; default 1000
///   waiting_ms_max            1 to 86400000 ms; default 60000
///   utxo_cache_entries        0 to 10000000; default 10000
///   store_cache_bytes         1000000 to 64000000000, or empty for a share of the memory
///   sync_writes               true or false; default true
///   round_timeout_ms          1 to 86400000 ms; default 30000
///   submit_timeout_ms         1 to 86400000 ms that a submit waits for its answer, and a payment
///                             for reserved coins, 5 s at most; default 30000
///   listen                    an address and a port to listen on, port 0 for any free one, or
///                             empty for nobody
///   peers                     host:port or key@host:port to dial, with commas between, or empty;
///                             a node with neither this nor listen has no network
///   node_key                  64 hexadecimal digits of the secret key by which peers know a node
///                             that is no masternode, or empty for one that is made
///   inbound_max               0 to 10000 nodes that dial this one, besides masternodes;
///                             default 125
///   outbound_max              0 to 1000 nodes that this one dials, besides masternodes; default 16
///   private_addresses         true or false: whether loopback and private addresses are dialled
///                             and passed on; empty, the default, for on regtest only
///   event_queue_max           1 to 16777216; default 16384
///   runtime_threads           0 to 256; default 0: one runtime that all such nodes share
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_CONFIG.
#[unsafe(no_mangle)]
pub extern "C" fn tc_config_set(
    config: tc_config_t,
    name: *const c_char,
    text: *const c_char,
) -> tc_status_t {
    guard(|| {
        let config = HANDLES.get::<ConfigObject>(config.id)?;
        let name = pointer::text(name, "name")?;
        let text = zeroize::Zeroizing::new(pointer::text(text, "text")?);
        Ok(config.lock().set(&name, &text)?)
    })
}

/// Sets the consensus key of a masternode.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_config_set_masternode_key(
    config: tc_config_t,
    secret: *const tc_secret_t,
) -> tc_status_t {
    guard(|| {
        let config = HANDLES.get::<ConfigObject>(config.id)?;
        let keys = KeyPair::from(self::secret(secret, "secret")?);
        config.lock().masternode_key = Some(keys);
        Ok(())
    })
}

/// The JSON form of its genesis.
///
/// json_out: a text; owned, free with tc_bytes_free.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_config_genesis(config: tc_config_t, json_out: *mut tc_bytes_t) -> tc_status_t {
    guard(|| {
        let config = HANDLES.get::<ConfigObject>(config.id)?;
        let out = pointer::out(json_out, "json_out")?;
        let json = config.lock().genesis.to_json();
        Bytes::give(json, out)
    })
}

/// Frees a configuration. Nodes that were opened with it stay.
///
/// Errors: TC_ERROR_INVALID_HANDLE, also for what was freed already.
#[unsafe(no_mangle)]
pub extern "C" fn tc_config_free(config: tc_config_t) -> tc_status_t {
    guard(|| HANDLES.remove::<ConfigObject>(config.id).map(drop))
}

fn give(config: Config, config_out: *mut tc_config_t) -> Result<(), Failure> {
    let out = pointer::out(config_out, "config_out")?;
    let id = HANDLES.insert(ConfigObject(Mutex::new(config)))?;
    out.write(tc_config_t { id });
    Ok(())
}
