//! What one operator may choose; what all nodes must agree on is in the genesis.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use super::error::NodeError;
use super::wallet::secret_from_text;
use crate::mempool::MempoolLimits;
use crate::network::PeerTarget;
use crate::params::{Genesis, REGTEST_MASTERNODE_SEED, REGTEST_WALLET_SEED};
use crate::types::keys::KeyPair;

/// What a node is opened with.
///
/// Every field has a default that fits; C and Python set the same fields by the same names.
///
/// ```
/// use timecoin_core::{Config, Genesis};
/// let mut config = Config::new(Genesis::regtest_solo());
/// config.round_timeout_ms = 500;
/// config.set("mempool_transactions_max", "2000").unwrap();
/// assert!(config.check().is_ok());
/// assert!(config.set("round_timeout_ms", "never").is_err());
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the chain starts, which names it.
    pub genesis: Genesis,
    /// Where everything is kept; none for a store in memory that ends with the node. Default: none.
    pub data_dir: Option<PathBuf>,
    /// The consensus keys, for a masternode; none for a node that only follows. Default: none.
    pub masternode_key: Option<KeyPair>,
    /// Transactions in the mempool. Default 10,000; 1 to 10,000,000.
    pub mempool_transactions_max: usize,
    /// Bytes of the transactions in the mempool. Default 300 MB; 100 kB to 100 GB.
    pub mempool_bytes_max: usize,
    /// Transactions that wait for unknown inputs. Default 1,000; 0 to 1,000,000.
    pub waiting_transactions_max: usize,
    /// How long they wait, in milliseconds. Default 60 s; 1 ms to 1 day.
    pub waiting_ms_max: u64,
    /// Unspent outputs kept in memory by a store on disk. Default 10,000; 0 to 10,000,000.
    pub utxo_cache_entries: usize,
    /// Bytes of the derived tables kept in memory by a store on disk; none for a share of what
    /// the process may use. Default: none; 1 MB to 64 GB.
    pub store_cache_bytes: Option<u64>,
    /// Whether a write counts only once the disk has it. Without it a power cut can take what
    /// was final: for tests. Default: yes.
    pub sync_writes: bool,
    /// The timeout of round 0, in milliseconds; it doubles at most three times. Default 30 s;
    /// 1 ms to 1 day.
    pub round_timeout_ms: u64,
    /// How long a submit waits for its answer, and a payment for reserved coins (5 s at most), in
    /// milliseconds. Default 30 s; 1 ms to 1 day.
    pub submit_timeout_ms: u64,
    /// Where to listen for other nodes; port 0 takes any free one. None: nobody can dial this
    /// node. Default: none.
    pub listen: Option<SocketAddr>,
    /// Nodes to dial, now and whenever the connection ends; the masternodes' registered
    /// addresses are dialled anyhow. A node with neither this nor `listen` has no network.
    /// Default: none.
    pub peers: Vec<PeerTarget>,
    /// The key by which peers know a node that is no masternode; a masternode's is its
    /// consensus key. None: one is made, and kept in `data_dir`. Default: none.
    pub node_key: Option<KeyPair>,
    /// Nodes that may dial this one at a time, besides masternodes. Default 125; 0 to 10,000.
    pub inbound_max: usize,
    /// Nodes that this one dials at a time, besides masternodes. Default 16; 0 to 1,000.
    pub outbound_max: usize,
    /// Whether loopback and private addresses are dialled and passed on. None: on regtest only.
    /// Default: none.
    pub private_addresses: Option<bool>,
    /// Events kept for each subscriber that does not fetch them; older ones then give way to an
    /// overflow event. Default 16,384; 1 to 16,777,216.
    pub event_queue_max: usize,
    /// Threads of a runtime of this node's own; 0 for the one that all such nodes of a process
    /// share. Default 0; 0 to 256.
    pub runtime_threads: usize,
}

/// One field of [`Config`] that has a text form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigField {
    /// Its name, the same in all languages.
    pub name: &'static str,
    /// What it may be, in words.
    pub range: &'static str,
    least: u64,
    most: u64,
}

impl Config {
    /// A node that follows the chain of `genesis`, kept in memory.
    pub fn new(genesis: Genesis) -> Self {
        Config {
            genesis,
            data_dir: None,
            masternode_key: None,
            mempool_transactions_max: 10_000,
            mempool_bytes_max: 300_000_000,
            waiting_transactions_max: 1_000,
            waiting_ms_max: 60_000,
            utxo_cache_entries: 10_000,
            store_cache_bytes: None,
            sync_writes: true,
            round_timeout_ms: 30_000,
            submit_timeout_ms: 30_000,
            listen: None,
            peers: Vec::new(),
            node_key: None,
            inbound_max: 125,
            outbound_max: 16,
            private_addresses: None,
            event_queue_max: 16_384,
            runtime_threads: 0,
        }
    }

    /// The one masternode of a regtest chain of its own, kept in memory, with well-known keys:
    /// [`Config::regtest_wallet`] owns its coins.
    pub fn regtest() -> Self {
        let masternode_key = Some(KeyPair::from_seed(REGTEST_MASTERNODE_SEED));
        Config { masternode_key, ..Config::new(Genesis::regtest_solo()) }
    }

    /// The key that owns the coins of [`Config::regtest`]. Everybody knows it.
    pub fn regtest_wallet() -> KeyPair {
        KeyPair::from_seed(REGTEST_WALLET_SEED)
    }

    /// The same, kept in `data_dir`.
    #[must_use]
    pub fn with_data_dir(self, data_dir: impl AsRef<Path>) -> Self {
        Config { data_dir: Some(data_dir.as_ref().to_owned()), ..self }
    }

    /// The fields with a text form, besides the genesis, in the order of the struct.
    pub const FIELDS: &'static [ConfigField] = &[
        field("data_dir", "a directory, or empty for memory", 0, u64::MAX),
        field("masternode_key", "64 hex digits of a secret key, or empty", 0, u64::MAX),
        field("mempool_transactions_max", "1 to 10000000", 1, 10_000_000),
        field("mempool_bytes_max", "100000 to 100000000000", 100_000, 100_000_000_000),
        field("waiting_transactions_max", "0 to 1000000", 0, 1_000_000),
        field("waiting_ms_max", "1 to 86400000 ms", 1, DAY_MS),
        field("utxo_cache_entries", "0 to 10000000", 0, 10_000_000),
        field("store_cache_bytes", "1000000 to 64000000000, or empty", 1_000_000, 64_000_000_000),
        field("sync_writes", "true or false", 0, 1),
        field("round_timeout_ms", "1 to 86400000 ms", 1, DAY_MS),
        field("submit_timeout_ms", "1 to 86400000 ms", 1, DAY_MS),
        field("listen", "an address and a port, or empty for nobody", 0, u64::MAX),
        field("peers", "host:port or key@host:port, with commas between, or empty", 0, u64::MAX),
        field("node_key", "64 hex digits of a secret key, or empty", 0, u64::MAX),
        field("inbound_max", "0 to 10000", 0, 10_000),
        field("outbound_max", "0 to 1000", 0, 1_000),
        field("private_addresses", "true, false, or empty for what fits the chain", 0, 1),
        field("event_queue_max", "1 to 16777216", 1, 16_777_216),
        field("runtime_threads", "0 to 256", 0, 256),
    ];

    /// Sets a field by its name from its text; an empty text is none.
    ///
    /// # Errors
    /// [`NodeError::Setting`]: no such field; [`NodeError::Config`]: a text that is not in its range.
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), NodeError> {
        let Some(field) = Self::FIELDS.iter().find(|field| field.name == name) else {
            let known: Vec<_> = Self::FIELDS.iter().map(|field| field.name).collect();
            let reason = format!("there is no field `{name}`: there are {}", known.join(", "));
            return Err(NodeError::Setting { reason });
        };
        let number = || field.parse(text);
        let size = || number().and_then(|n| usize::try_from(n).map_err(|_| field.refuse(text)));
        match field.name {
            "data_dir" => self.data_dir = (!text.is_empty()).then(|| PathBuf::from(text)),
            "masternode_key" => self.masternode_key = parse_key(field, text)?,
            "mempool_transactions_max" => self.mempool_transactions_max = size()?,
            "mempool_bytes_max" => self.mempool_bytes_max = size()?,
            "waiting_transactions_max" => self.waiting_transactions_max = size()?,
            "waiting_ms_max" => self.waiting_ms_max = number()?,
            "utxo_cache_entries" => self.utxo_cache_entries = size()?,
            "store_cache_bytes" => {
                self.store_cache_bytes = if text.is_empty() { None } else { Some(number()?) };
            }
            "sync_writes" => self.sync_writes = text.parse().map_err(|_| field.refuse(text))?,
            "round_timeout_ms" => self.round_timeout_ms = number()?,
            "submit_timeout_ms" => self.submit_timeout_ms = number()?,
            "listen" => self.listen = parse_or_none(field, text)?,
            "peers" => self.peers = parse_peers(field, text)?,
            "node_key" => self.node_key = parse_key(field, text)?,
            "inbound_max" => self.inbound_max = size()?,
            "outbound_max" => self.outbound_max = size()?,
            "private_addresses" => self.private_addresses = parse_or_none(field, text)?,
            "event_queue_max" => self.event_queue_max = size()?,
            _ => self.runtime_threads = size()?,
        }
        Ok(())
    }

    /// Checks every range, and the genesis.
    ///
    /// # Errors
    /// [`NodeError::Config`] names the field, [`NodeError::Genesis`] what can't start a chain.
    pub fn check(&self) -> Result<(), NodeError> {
        let numbers = [
            ("mempool_transactions_max", self.mempool_transactions_max as u64),
            ("mempool_bytes_max", self.mempool_bytes_max as u64),
            ("waiting_transactions_max", self.waiting_transactions_max as u64),
            ("waiting_ms_max", self.waiting_ms_max),
            ("utxo_cache_entries", self.utxo_cache_entries as u64),
            ("store_cache_bytes", self.store_cache_bytes.unwrap_or(1_000_000)),
            ("round_timeout_ms", self.round_timeout_ms),
            ("submit_timeout_ms", self.submit_timeout_ms),
            ("inbound_max", self.inbound_max as u64),
            ("outbound_max", self.outbound_max as u64),
            ("event_queue_max", self.event_queue_max as u64),
            ("runtime_threads", self.runtime_threads as u64),
        ];
        for (name, value) in numbers {
            let field = Self::FIELDS.iter().find(|field| field.name == name);
            if let Some(field) = field.filter(|field| !field.holds(value)) {
                return Err(field.refuse(&value.to_string()));
            }
        }
        Ok(self.genesis.check()?)
    }

    pub(super) fn mempool(&self) -> MempoolLimits {
        MempoolLimits {
            transactions_max: self.mempool_transactions_max,
            bytes_max: self.mempool_bytes_max,
            waiting_max: self.waiting_transactions_max,
            waiting_ms_max: self.waiting_ms_max,
        }
    }

    pub(super) fn round_timeout(&self) -> Duration {
        Duration::from_millis(self.round_timeout_ms)
    }

    pub(super) fn submit_timeout(&self) -> Duration {
        Duration::from_millis(self.submit_timeout_ms)
    }
}

impl ConfigField {
    fn holds(&self, value: u64) -> bool {
        (self.least..=self.most).contains(&value)
    }

    fn parse(&self, text: &str) -> Result<u64, NodeError> {
        let number = text.parse().ok().filter(|&number| self.holds(number));
        number.ok_or_else(|| self.refuse(text))
    }

    fn refuse(&self, value: &str) -> NodeError {
        let value = value.chars().take(100).collect();
        NodeError::Config { field: self.name, value, range: self.range }
    }
}

const fn field(name: &'static str, range: &'static str, least: u64, most: u64) -> ConfigField {
    ConfigField { name, range, least, most }
}

/// The text of a secret is never repeated in an error.
fn parse_key(field: &ConfigField, text: &str) -> Result<Option<KeyPair>, NodeError> {
    if text.is_empty() {
        return Ok(None);
    }
    let secret = secret_from_text(text).map_err(|_| field.refuse("hidden"))?;
    Ok(Some(KeyPair::from(secret)))
}

fn parse_or_none<T: FromStr>(field: &ConfigField, text: &str) -> Result<Option<T>, NodeError> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| field.refuse(text))
}

fn parse_peers(field: &ConfigField, text: &str) -> Result<Vec<PeerTarget>, NodeError> {
    let targets = text.split(',').map(str::trim).filter(|target| !target.is_empty());
    targets.map(|target| target.parse().map_err(|_| field.refuse(target))).collect()
}

const DAY_MS: u64 = 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::code::ErrorCode;

    #[test]
    fn defaults_are_within_their_ranges() {
        assert!(Config::regtest().check().is_ok());
    }

    #[test]
    fn each_field_is_set_by_its_name() {
        let mut config = Config::regtest();
        for field in Config::FIELDS {
            let text = match field.name {
                "data_dir" => "/nowhere".to_owned(),
                "masternode_key" | "node_key" => "11".repeat(32),
                "sync_writes" | "private_addresses" => "false".to_owned(),
                "listen" => "127.0.0.1:0".to_owned(),
                "peers" => "node.example:7000, 10.0.0.1:7000".to_owned(),
                _ => field.least.to_string(),
            };
            assert!(config.set(field.name, &text).is_ok(), "{}", field.name);
        }
        assert!(config.check().is_ok());
        assert_eq!((config.round_timeout_ms, config.store_cache_bytes), (1, Some(1_000_000)));
        assert!(!config.sync_writes);
        config.set("data_dir", "").unwrap();
        config.set("store_cache_bytes", "").unwrap();
        config.set("masternode_key", "").unwrap();
        assert!(config.data_dir.is_none() && config.store_cache_bytes.is_none());
        assert!(config.masternode_key.is_none());
    }

    #[test]
    fn wrong_fields_are_named_and_secrets_are_not() {
        let mut config = Config::regtest();
        for (name, text) in [
            ("no_such_field", "1"),
            ("round_timeout_ms", "0"),
            ("round_timeout_ms", "-1"),
            ("event_queue_max", "99999999999999999999"),
            ("sync_writes", "yes"),
        ] {
            let error = config.set(name, text).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidConfig);
            assert!(error.to_string().contains(name), "{error}");
        }
        let secret = "abc123";
        let error = config.set("masternode_key", secret).unwrap_err();
        assert!(!error.to_string().contains(secret));
        config.event_queue_max = 0;
        assert_eq!(config.check().unwrap_err().code(), ErrorCode::InvalidConfig);
    }
}
