//! Making the derived tables anew from the block log, when a store is opened and while it is open.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::blocks::BlockReader;
use super::upkeep::ReadError;
use crate::engine::output::BlockCommit;
use crate::ledger::block::{BlockError, replay_block};
use crate::ledger::view::{Lookup, UtxoView, ViewError};
use crate::params::Chain;
use crate::storage::StorageError;
use crate::storage::base::Base;
use crate::storage::derived::{Checksum, Standing, Tables, TablesError};
use crate::types::chain::Height;
use crate::types::hash::Txid;
use crate::types::transaction::OutPoint;

/// What making tables takes.
pub(super) struct Builder<'a> {
    pub(super) dir: &'a Path,
    pub(super) chain: &'a Chain,
    pub(super) blocks: &'a BlockReader,
    /// What the store begins from instead of the genesis.
    pub(super) base: Option<&'a Base>,
    pub(super) cache_bytes: u64,
    /// Ends the work early, with `Closed`.
    pub(super) is_closed: &'a AtomicBool,
}

/// Tables made anew.
pub(super) struct Rebuilt {
    pub(super) tables: Tables,
    pub(super) standing: Standing,
    /// Where the old ones are, as the end of a sentence.
    pub(super) kept: String,
}

impl Builder<'_> {
    /// Tables that stand for what the store begins from.
    ///
    /// # Errors
    /// As [`Builder::begin`].
    pub(super) fn create(&self) -> Result<(Tables, Standing), ReadError> {
        let tables = Tables::open(&tables_dir(self.dir), self.cache_bytes)?;
        let standing = self.begin(&tables)?;
        Ok((tables, standing))
    }

    /// Fills new tables with the base, or the genesis where there is none.
    ///
    /// # Errors
    /// Where the tables can't be written; `BaseDamaged`, `Io`, `Closed`.
    pub(super) fn begin(&self, tables: &Tables) -> Result<Standing, ReadError> {
        let Some(base) = self.base else { return Ok(tables.begin(self.chain)?) };
        let mut checksum = Checksum::default();
        let mut outputs = base.outputs()?;
        loop {
            if self.is_closed.load(Ordering::Acquire) {
                return Err(StorageError::Closed.into());
            }
            let some: Vec<_> = outputs.by_ref().take(OUTPUTS_AT_ONCE).collect::<Result<_, _>>()?;
            if some.is_empty() {
                return Ok(tables.begin_from(self.chain, base.state(), checksum)?);
            }
            tables.add_outputs(&mut checksum, &some)?;
        }
    }

    /// Moves the tables past every block of the log up to a height.
    ///
    /// # Errors
    /// `Tables`; `Damaged`, `BadRecord` and `Io` of the block log; `Closed`.
    pub(super) fn follow(
        &self,
        tables: &Tables,
        mut standing: Standing,
        until: Height,
    ) -> Result<Standing, StorageError> {
        if standing.state.tip.height >= until {
            return Ok(standing);
        }
        for logged in self.blocks.iter_from(standing.state.next_height())? {
            if self.is_closed.load(Ordering::Acquire) {
                return Err(StorageError::Closed);
            }
            let (position, decided) = logged?;
            let height = decided.block.header.height;
            let certificate = decided.certificate.clone();
            let view = TablesView(tables);
            let state = &standing.state;
            let connected =
                replay_block(self.chain, state, &view, decided.block, decided.certificate);
            let connected = connected.map_err(|error| match error {
                BlockError::View(ViewError(cause)) => {
                    self.tables_error(TablesError { op: "read", cause })
                }
                error => self.blocks.bad_record(height.0, error.to_string()),
            })?;
            let commit = BlockCommit { connected, certificate };
            let votes = standing.votes;
            tables
                .apply(&mut standing, &commit, position, votes)
                .map_err(|error| self.tables_error(error))?;
            if height == until {
                break;
            }
        }
        Ok(standing)
    }

    /// Moves tables in doubt aside, in place of those that were moved before, and makes new ones
    /// up to a height. Where that fails, what was kept may take the room that is missing: it goes,
    /// and the new ones are tried once more.
    ///
    /// # Errors
    /// As [`Builder::follow`].
    pub(super) fn rebuild(&self, until: Height) -> Result<Rebuilt, StorageError> {
        let (dir, aside) = (tables_dir(self.dir), self.dir.join(TABLES_ASIDE));
        let kept = self.move_aside(&dir, &aside)?;
        let build = || -> Result<(Tables, Standing), StorageError> {
            let (tables, standing) = self.create().map_err(|error| match error {
                ReadError::Tables(error) => self.tables_error(error),
                ReadError::Log(error) => error,
            })?;
            let standing = self.follow(&tables, standing, until)?;
            Ok((tables, standing))
        };
        match build() {
            Ok((tables, standing)) => Ok(Rebuilt { tables, standing, kept }),
            Err(StorageError::Tables { .. }) => {
                remove(&aside)?;
                remove(&dir)?;
                let (tables, standing) = build()?;
                Ok(Rebuilt { tables, standing, kept: String::new() })
            }
            Err(error) => Err(error),
        }
    }

    fn move_aside(&self, dir: &Path, aside: &Path) -> Result<String, StorageError> {
        if !dir.exists() {
            return Ok(String::new());
        }
        remove(aside)?;
        fs::rename(dir, aside).map_err(StorageError::io("rename", dir))?;
        Ok(format!("; the old ones are in {}", aside.display()))
    }

    pub(super) fn tables_error(&self, error: TablesError) -> StorageError {
        let TablesError { op, cause } = error;
        StorageError::Tables { op, path: tables_dir(self.dir), cause }
    }
}

/// The tables alone, while there is nothing in front of them.
struct TablesView<'a>(&'a Tables);

impl UtxoView for TablesView<'_> {
    fn lookup(&self, outpoint: &OutPoint) -> Result<Lookup, ViewError> {
        let read = || match self.0.utxo(outpoint)? {
            Some(utxo) => Ok(Lookup::Unspent(utxo)),
            None if self.0.place(&outpoint.txid)?.is_some() => Ok(Lookup::Spent),
            None => Ok(Lookup::Unknown),
        };
        read().map_err(|error: TablesError| ViewError(error.cause))
    }

    fn confirmed_at(&self, txid: &Txid) -> Result<Option<Height>, ViewError> {
        let place = self.0.place(txid).map_err(|error| ViewError(error.cause))?;
        Ok(place.map(|(height, _)| height))
    }
}

fn remove(dir: &Path) -> Result<(), StorageError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StorageError::io("remove", dir)(error))
        }
        _ => Ok(()),
    }
}

pub(super) fn tables_dir(dir: &Path) -> PathBuf {
    dir.join("derived")
}

/// Outputs of a base that go into the tables at once: with their entries 2 MB.
const OUTPUTS_AT_ONCE: usize = 8_192;

/// Where tables in doubt are kept; the name is used again, so that they take bounded space.
const TABLES_ASIDE: &str = "derived.damaged";
