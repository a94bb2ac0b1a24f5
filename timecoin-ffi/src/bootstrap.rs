//! Filling a data directory with the unspent outputs of a chain, before a node is opened in it.

#![allow(unsafe_code, reason = "exports keep their name; memory is touched in pointer.rs alone")]

use std::ffi::c_void;
use std::time::Duration;

use timecoin_core::{BootstrapProgress, Bootstrapped, Node};

use crate::config::ConfigObject;
use crate::constants::{tc_on_bootstrap_t, tc_status_t};
use crate::guard::guard;
use crate::handle::HANDLES;
use crate::pointer::{self, OnBootstrap};
use crate::reports::{tc_bootstrap_progress_t, tc_bootstrapped_t};
use crate::types::tc_config_t;

/// Fills an empty data directory with the unspent outputs of the chain, from the peers of a
/// configuration, so that tc_node_open goes on from there and fetches only later blocks. Nothing
/// is believed but what the headers from the genesis on prove. It blocks until it is done; where it
/// ends early, also with its process, what came is kept, and the next call goes on with it.
///
/// Blocks up to that height are not in the directory afterwards, and neither transactions in them
/// nor outputs that they spent are known. At least one peer must have all headers. A masternode
/// observes for the rest of the epoch. A directory that was filled and never opened is left as it
/// is, and described.
///
/// config: with data_dir and peers; copied.
/// timeout_ms: up to TC_FOREVER.
/// on_progress: called several times a second, on this thread; null for nobody.
/// user: handed to on_progress; may be null.
/// bootstrapped_out: its struct_size is set by the caller; may be null.
///
/// Errors: TC_ERROR_INVALID_HANDLE; TC_ERROR_INVALID_ARGUMENT where the configuration has no
/// data_dir, or no peers; TC_ERROR_CHAIN_EXISTS where a node was opened in the directory;
/// TC_ERROR_TIMEOUT; TC_ERROR_INTERRUPTED where on_progress ended it; TC_ERROR_INVALID_CONFIG,
/// TC_ERROR_INVALID_GENESIS, TC_ERROR_NO_THREADS, TC_ERROR_STORAGE_ numbers.
#[unsafe(no_mangle)]
pub extern "C" fn tc_node_bootstrap(
    config: tc_config_t,
    timeout_ms: u64,
    on_progress: tc_on_bootstrap_t,
    user: *mut c_void,
    bootstrapped_out: *mut tc_bootstrapped_t,
) -> tc_status_t {
    guard(|| {
        let config = HANDLES.get::<ConfigObject>(config.id)?.lock().clone();
        let out = pointer::optional_report_out(bootstrapped_out, "bootstrapped_out")?;
        let on_progress = OnBootstrap::new(on_progress, user);
        let tell = |progress: &BootstrapProgress| on_progress.call(&progress.into());
        let bootstrapped = Node::bootstrap(&config, Duration::from_millis(timeout_ms), tell)?;
        if let Some(out) = out {
            out.write((&bootstrapped).into());
        }
        Ok(())
    })
}

impl From<&Bootstrapped> for tc_bootstrapped_t {
    fn from(bootstrapped: &Bootstrapped) -> Self {
        tc_bootstrapped_t {
            struct_size: 0,
            height: bootstrapped.height.0,
            n_outputs: bootstrapped.n_outputs,
            bytes: bootstrapped.bytes,
            hash: (&bootstrapped.hash).into(),
        }
    }
}

impl From<&BootstrapProgress> for tc_bootstrap_progress_t {
    fn from(progress: &BootstrapProgress) -> Self {
        tc_bootstrap_progress_t {
            struct_size: size_of::<tc_bootstrap_progress_t>(),
            headers: progress.headers.0,
            target: progress.target.0,
            n_outputs: progress.n_outputs,
            n_written: progress.n_written,
            bytes: progress.bytes,
            bytes_per_second: progress.bytes_per_second,
            n_peers: progress.n_peers as u64,
        }
    }
}
