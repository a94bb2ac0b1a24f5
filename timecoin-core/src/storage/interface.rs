//! What a node needs of its store, whichever it is: on disk or in memory.

use std::sync::Arc;

use super::error::StorageError;
use crate::engine::output::{BlockCommit, Record};
use crate::ledger::state::LedgerState;
use crate::ledger::view::{Lookup, OutputPage, Utxo, UtxoView};
use crate::types::address::Address;
use crate::types::chain::{Epoch, Height};
use crate::types::hash::{BlockHash, Txid};
use crate::types::masternode_set::MasternodeSet;
use crate::types::message::Decided;
use crate::types::transaction::{OutPoint, Transaction};

/// A store of one chain, shared between the driver and any number of readers.
///
/// As a [`UtxoView`] it is the engine's: it shows every staged block at once. All other reads
/// show blocks that are durable, and nothing that is not.
///
/// A block passes three stations: [`Storage::stage`] (the engine sees it),
/// [`Storage::persist`] (readers see it, a crash can't take it), [`Storage::apply`] (it has
/// left memory for the derived tables).
pub trait Storage: UtxoView + Send + Sync {
    /// Shows a decided block to the engine. Blocks come in the order of their heights.
    fn stage(&self, block: Arc<BlockCommit>);

    /// Appends vote records and blocks to their logs, in order, with one flush for each log
    /// that was written to. Blocks must have been staged. One caller at a time.
    ///
    /// # Errors
    /// After an error nothing more can be written until the store is opened again.
    fn persist(&self, records: &[Record], blocks: &[Arc<BlockCommit>]) -> Result<(), StorageError>;

    /// Brings the derived tables up to the last durable block, each whole or not at all, and
    /// says how many blocks that were. One caller at a time; never the thread of the engine.
    ///
    /// # Errors
    /// Where the tables can't be written and could not be rebuilt.
    fn apply(&self) -> Result<usize, StorageError>;

    /// How many durable blocks wait for [`Storage::apply`].
    fn lag(&self) -> usize;

    /// How many transactions those blocks hold.
    fn lag_transactions(&self) -> usize;

    /// Drops vote records of epochs before `epoch`, as far as whole segments hold only such.
    ///
    /// # Errors
    /// Where a file can't be removed.
    fn retire(&self, epoch: Epoch) -> Result<(), StorageError>;

    /// The ledger after the last durable block.
    fn state(&self) -> Arc<LedgerState>;

    /// The block at a height and its certificate.
    ///
    /// # Errors
    /// Where the log can't be read or its record is damaged.
    fn block(&self, height: Height) -> Result<Option<Decided>, StorageError>;

    /// The masternodes that the block at a height puts in the place of those that decided it;
    /// none where it leaves them.
    ///
    /// # Errors
    /// Where the tables can't be read.
    fn next_set(&self, height: Height) -> Result<Option<MasternodeSet>, StorageError>;

    /// The height of a block.
    ///
    /// # Errors
    /// Where the tables can't be read.
    fn height_of(&self, hash: &BlockHash) -> Result<Option<Height>, StorageError>;

    /// A confirmed transaction and the height of its block.
    ///
    /// # Errors
    /// Where log or tables can't be read.
    fn transaction(&self, txid: &Txid) -> Result<Option<(Height, Arc<Transaction>)>, StorageError>;

    /// What is known of an outpoint.
    ///
    /// # Errors
    /// Where the tables can't be read.
    fn utxo(&self, outpoint: &OutPoint) -> Result<Lookup, StorageError>;

    /// Unspent outputs ascending by outpoint, at most `limit`, after `after`; of `address` if
    /// one is given. An empty page ends the iteration.
    ///
    /// # Errors
    /// Where the tables can't be read.
    fn utxos(
        &self,
        address: Option<&Address>,
        after: Option<&OutPoint>,
        limit: usize,
    ) -> Result<Vec<(OutPoint, Utxo)>, StorageError>;

    /// Unspent outputs ascending by outpoint, at most `limit`, after `after`, with the height of
    /// the durable block after which they are unspent: all of one moment.
    ///
    /// # Errors
    /// Where the tables can't be read.
    fn outputs(&self, after: Option<&OutPoint>, limit: usize) -> Result<OutputPage, StorageError>;

    /// The first block that the store has or will have: 1, or the one after its base.
    fn first_block(&self) -> Height;

    /// Has the store tell of what befalls it while it is open. The watcher is called on the
    /// thread that met it, which holds no lock of the store. Only the first watcher counts.
    fn watch(&self, watcher: Watcher);

    /// Flushes what is derived and lets go of the directory. Idempotent.
    ///
    /// # Errors
    /// Where the last writes fail; nothing durable is lost by that.
    fn close(&self) -> Result<(), StorageError>;

    /// Lets go of the directory as the end of the process would: nothing more is written, and
    /// the next open finds what is durable. Idempotent; nothing after [`Storage::close`].
    fn abandon(&self);
}

/// Something that befell an open store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incident {
    /// Derived tables failed and were rebuilt from the block log; says why and where the old
    /// ones are. Everything goes on.
    Repaired(String),
    /// Derived tables failed and could not be rebuilt: nothing that needs them will be answered
    /// until the store is opened again.
    Lost(String),
}

/// Who is told of incidents.
pub type Watcher = Box<dyn Fn(Incident) + Send + Sync>;

/// A store that was opened, and what was found in it.
pub struct Opened {
    /// The store.
    pub storage: Arc<dyn Storage>,
    /// The vote records to give back to the engine, in order.
    pub records: Vec<Record>,
    /// Whether votes may be missing: the node must be an observer until the next epoch.
    pub must_observe: Option<String>,
    /// What was repaired, for an event: derived tables rebuilt, a torn tail cut.
    pub repairs: Vec<String>,
}
