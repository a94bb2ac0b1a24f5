//! A data directory that begins with the unspent outputs of the chain instead of its blocks.
//!
//! What to ask and what to believe is decided in [`crate::sync::snapshot`]; here are the network,
//! the files and the clock. Everything happens on the caller's thread.

mod fetch;
mod host;
mod journal;

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use self::fetch::Fetch;
use super::Node;
use super::config::Config;
use super::error::NodeError;
use super::parking::Deadline;
use crate::params::Chain;
use crate::storage::StorageError;
use crate::storage::base::{Base, remove_journal, remove_unfinished};
use crate::storage::lock::DirectoryLock;
use crate::types::chain::Height;
use crate::types::hash::BlockHash;

/// What a data directory begins with: see [`Node::bootstrap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bootstrapped {
    /// The height of the block after which the outputs are unspent.
    pub height: Height,
    /// Its id.
    pub hash: BlockHash,
    /// How many outputs there are.
    pub n_outputs: u64,
    /// Bytes that peers sent in this call.
    pub bytes: u64,
}

/// How far [`Node::bootstrap`] is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BootstrapProgress {
    /// The last block that headers prove.
    pub headers: Height,
    /// The height that most is claimed by a peer that answers.
    pub target: Height,
    /// Outputs that came, in earlier calls too.
    pub n_outputs: u64,
    /// Outputs that were checked and written, once all came.
    pub n_written: u64,
    /// Bytes that peers sent in this call.
    pub bytes: u64,
    /// The same for each second of the last while.
    pub bytes_per_second: u64,
    /// Peers that can be asked.
    pub n_peers: usize,
}

impl Node {
    /// Fills an empty data directory with the unspent outputs of the chain, from peers, so that
    /// [`Node::open`] goes on from there and fetches only later blocks. Nothing is believed but
    /// what the headers from the genesis on prove.
    ///
    /// It blocks until it is done, at most for `patience`. Where it ends early, also with its
    /// process, what came is kept, and the next call goes on with it, with any peers. While it
    /// goes on, `on_progress` is called several times a second; where that gives `false`, it ends.
    ///
    /// Blocks up to [`Bootstrapped::height`] are not in the directory afterwards: [`Node::block`]
    /// gives none, transactions in them are not known, nor are outputs that they spent. At least
    /// one peer must have all headers, from the genesis on. A masternode observes for the rest of
    /// the epoch. A directory that was filled and never opened is left as it is, and described.
    ///
    /// ```
    /// use std::time::Duration;
    /// use timecoin_core::{Config, Node};
    ///
    /// let (second, dir) = (Duration::from_secs(1), tempfile::tempdir()?);
    /// let mut config = Config::regtest();
    /// config.set("listen", "127.0.0.1:0")?;
    /// let node = Node::open(config)?;
    /// node.start()?;
    /// node.produce_block(10 * second)?;
    /// let address = node.listen_address().expect("it listens");
    /// let peer = format!("{}@{address}", node.node_key().expect("it has a network"));
    ///
    /// let mut config = Config::new(node.genesis().clone()).with_data_dir(dir.path());
    /// config.peers = vec![peer.parse()?];
    /// let based = Node::bootstrap(&config, 60 * second, |_| true)?;
    /// let newcomer = Node::open(config)?;
    /// assert_eq!(newcomer.tip().hash, based.hash);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] where the configuration has no `data_dir`, or no peers and
    /// the genesis names none; [`NodeError::ChainExists`] where the directory has a chain;
    /// [`NodeError::Timeout`]; [`NodeError::Interrupted`]; else as [`Node::open`].
    pub fn bootstrap(
        config: &Config,
        patience: Duration,
        on_progress: impl FnMut(&BootstrapProgress) -> bool,
    ) -> Result<Bootstrapped, NodeError> {
        config.check()?;
        let chain = Chain::new(config.genesis.clone())?;
        let dir = config.data_dir.as_deref().ok_or_else(|| NodeError::InvalidArgument {
            what: "data_dir",
            reason: "outputs are fetched into a directory, and the configuration has none"
                .to_owned(),
        })?;
        let has_masternodes =
            config.genesis.masternodes.iter().any(|member| !member.network_address.is_empty());
        if config.peers.is_empty() && !has_masternodes {
            let reason = "outputs are fetched from peers, and the configuration names none";
            return Err(NodeError::InvalidArgument { what: "peers", reason: reason.to_owned() });
        }
        fs::create_dir_all(dir).map_err(StorageError::io("create", dir))?;
        let _lock = DirectoryLock::acquire(dir)?;
        if has_chain(dir)? {
            return Err(NodeError::ChainExists { path: dir.to_path_buf() });
        }
        if let Some(base) = Base::read(dir, &chain)? {
            remove_journal(dir)?;
            return Ok(Bootstrapped::of(&base, 0));
        }
        remove_unfinished(dir)?;
        let deadline = Deadline::after(patience);
        let mut fetch = Fetch::begin(config, &chain, dir, on_progress)?;
        let fetched = fetch.run(deadline);
        fetch.end();
        let base = fetched?.ok_or(NodeError::Timeout { what: "the bootstrap", after: patience })?;
        Ok(Bootstrapped::of(&base, fetch.bytes()))
    }
}

impl Bootstrapped {
    fn of(base: &Base, bytes: u64) -> Self {
        let tip = &base.state().tip;
        Bootstrapped { height: tip.height, hash: tip.hash, n_outputs: base.n_outputs(), bytes }
    }
}

/// Whether a store was opened in a directory.
fn has_chain(dir: &Path) -> Result<bool, NodeError> {
    for name in ["blocks", "votes", "derived", "CLOSED"] {
        let path = dir.join(name);
        match fs::symlink_metadata(&path) {
            Ok(_) => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(StorageError::io("look at", &path)(error).into()),
        }
    }
    Ok(false)
}
