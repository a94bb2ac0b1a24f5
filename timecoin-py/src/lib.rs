//! The Python module over [`timecoin_core`]: it converts, calls one method, converts back.
//!
//! Each file holds the classes of one subject; `guard` is the door that every call into core
//! goes through. Enumerations, exceptions and what needs `asyncio` are written in Python, in
//! `python/timecoin/`; `_timecoin.pyi` beside them has the types.

mod address;
mod amount;
mod bench;
mod block;
mod bootstrap;
mod config;
mod convert;
mod duration;
mod ending;
mod enums;
mod error;
mod events;
mod guard;
mod hashes;
mod html;
mod info;
mod keys;
mod local_payment;
mod localnet;
mod logging;
mod masternodes;
mod node;
mod peer_info;
mod process;
mod settings;
mod signer;
mod sim_info;
mod sim_payment;
mod simulation;
mod transaction;
mod wallet;

/// The native part of `timecoin`.
#[pyo3::pymodule]
mod _timecoin {
    use pyo3::prelude::*;
    use pyo3::types::PyTuple;

    #[pymodule_export]
    use crate::address::Address;
    #[pymodule_export]
    use crate::amount::Amount;
    #[pymodule_export]
    use crate::bench::_bench_pay;
    #[pymodule_export]
    use crate::block::{Block, CommitCertificate, Tip};
    #[pymodule_export]
    use crate::bootstrap::{BootstrapProgress, Bootstrapped};
    #[pymodule_export]
    use crate::config::Config;
    #[pymodule_export]
    use crate::events::{
        BlockConfirmedEvent, ClockOffsetEvent, ClosedEvent, EpochBeganEvent, Event,
        EvidenceFoundEvent, ObservingEvent, OverflowEvent, PeerBannedEvent, PeerConnectedEvent,
        PeerDisconnectedEvent, PoisonedEvent, RepairedEvent, RoundChangedEvent,
        SafetyViolationEvent, SignatureRefusedEvent, Subscription, SyncProgressEvent,
        TransactionStatusEvent,
    };
    #[pymodule_export]
    use crate::hashes::{BlockHash, ChainId, PublicKey, Txid, Wtxid};
    #[pymodule_export]
    use crate::info::{Balance, MempoolInfo, NodeStatus, TransactionInfo, UtxoInfo};
    #[pymodule_export]
    use crate::keys::KeyPair;
    #[pymodule_export]
    use crate::local_payment::{LocalNodeStatus, LocalPayment, LocalWallet};
    #[pymodule_export]
    use crate::localnet::{LocalEvents, LocalNet, LocalPartition};
    #[pymodule_export]
    use crate::logging::{_set_log_level, drain_logs};
    #[pymodule_export]
    use crate::masternodes::{
        FinalityCertificate, Masternode, MasternodeSet, verify_finality_proof,
    };
    #[pymodule_export]
    use crate::node::{Node, UtxoIterator};
    #[pymodule_export]
    use crate::peer_info::PeerInfo;
    #[pymodule_export]
    use crate::sim_info::{NetworkEvent, NetworkMetrics, Percentiles, SimNodeStatus, SimSnapshot};
    #[pymodule_export]
    use crate::sim_payment::{Condition, SimPayment, SimWallet};
    #[pymodule_export]
    use crate::simulation::{Partition, Simulation};
    #[pymodule_export]
    use crate::transaction::{OutPoint, Transaction, TxInput, TxOutput};
    #[pymodule_export]
    use crate::wallet::{Draft, Payment, Wallet};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let py = module.py();
        crate::ending::watch(module)?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("ERROR_CODES", PyTuple::new(py, crate::error::codes())?)?;
        module.add("CONFIG_FIELDS", PyTuple::new(py, crate::config::config_fields())?)?;
        let settings = PyTuple::new(py, crate::settings::simulation_settings())?;
        module.add("SIMULATION_SETTINGS", settings)?;
        let settings = PyTuple::new(py, crate::settings::localnet_settings())?;
        module.add("LOCALNET_SETTINGS", settings)
    }
}
