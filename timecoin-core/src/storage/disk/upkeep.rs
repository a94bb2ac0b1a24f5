//! Derived tables that fail while the store is open: they are moved aside and made anew from the
//! block log, in place. Whoever needs them meanwhile waits; nobody gets an answer of theirs.

use std::sync::Arc;

use super::rebuild::{Builder, Rebuilt};
use super::{DiskStorage, lock};
use crate::storage::StorageError;
use crate::storage::derived::{Standing, Tables, TablesError};
use crate::storage::interface::Incident;
use crate::types::chain::Height;

/// What the one who writes to the tables knows of them.
pub(super) struct Upkeep {
    pub(super) standing: Standing,
    /// How often they may be made anew before the next block is in them, so that tables which
    /// fail at once again and again come to an end.
    pub(super) rebuilds_left: u32,
    /// Why there are no tables any more, once that is so.
    lost: Option<String>,
}

/// Why something was not read.
pub(super) enum ReadError {
    /// The tables failed; new ones may not.
    Tables(TablesError),
    /// The block log failed, or the base.
    Log(StorageError),
}

impl From<TablesError> for ReadError {
    fn from(error: TablesError) -> Self {
        ReadError::Tables(error)
    }
}

impl From<StorageError> for ReadError {
    fn from(error: StorageError) -> Self {
        ReadError::Log(error)
    }
}

impl Upkeep {
    pub(super) fn new(standing: Standing) -> Self {
        Upkeep { standing, rebuilds_left: REBUILDS_MAX, lost: None }
    }
}

impl DiskStorage {
    /// Reads the tables; where they fail, new ones.
    pub(super) fn read_tables<T>(
        &self,
        read: impl Fn(&Tables) -> Result<T, ReadError>,
    ) -> Result<T, StorageError> {
        loop {
            let tables = self.tables.load_full();
            match read(&tables) {
                Ok(found) => return Ok(found),
                Err(ReadError::Log(error)) => return Err(error),
                Err(ReadError::Tables(error)) => self.replace_tables(&tables, error)?,
            }
        }
    }

    /// Puts new tables in place of `failed`, if nobody else has, for the same height.
    ///
    /// # Errors
    /// `Closed`; else the tables are lost: `Tables`, or what the block log says.
    pub(super) fn replace_tables(
        &self,
        failed: &Arc<Tables>,
        error: TablesError,
    ) -> Result<(), StorageError> {
        let mut upkeep = lock(&self.upkeep);
        if !Arc::ptr_eq(&self.tables.load(), failed) {
            return Ok(());
        }
        if let Some(reason) = &upkeep.lost {
            return Err(failed.error(TablesError { op: "use", cause: reason.clone() }));
        }
        if self.check_open().is_err() {
            return Err(failed.error(error));
        }
        failed.give_up();
        tracing::warn!(op = error.op, cause = error.cause, "the derived tables failed");
        let rebuilt = match upkeep.rebuilds_left.checked_sub(1) {
            Some(left) => {
                upkeep.rebuilds_left = left;
                self.rebuild(&upkeep.standing)
            }
            None => Err(failed.error(TablesError { op: error.op, cause: error.cause.clone() })),
        };
        let (incident, outcome) = match rebuilt {
            Ok(Rebuilt { tables, standing, kept }) => {
                let height = standing.state.tip.height;
                upkeep.standing = standing;
                self.tables.store(Arc::new(tables));
                // What was read from the old ones is doubted too.
                self.cache.clear();
                (Incident::Repaired(rebuilt_text(height, &error, &kept)), Ok(()))
            }
            Err(StorageError::Closed) => return Err(StorageError::Closed),
            Err(again) => {
                let TablesError { op, cause } = &error;
                let reason = format!("cannot {op} the derived tables: {cause}; then: {again}");
                upkeep.lost = Some(reason.clone());
                (Incident::Lost(reason), Err(again))
            }
        };
        // The watcher may read.
        drop(upkeep);
        if let Some(watcher) = self.watcher.get() {
            watcher(incident);
        }
        outcome
    }

    /// Tables that stand for what the failed ones stood for.
    fn rebuild(&self, expected: &Standing) -> Result<Rebuilt, StorageError> {
        let builder = Builder {
            dir: &self.dir,
            chain: &self.chain,
            blocks: &self.reader,
            base: self.base.as_ref(),
            cache_bytes: self.options.tables_cache_bytes(),
            is_closed: &self.is_closed,
        };
        let Rebuilt { tables, mut standing, kept } = builder.rebuild(expected.state.tip.height)?;
        tables
            .note_votes(&self.chain, &mut standing, expected.votes)
            .map_err(|error| tables.error(error))?;
        if standing != *expected {
            let cause = "the block log gives others than they were".to_owned();
            return Err(builder.tables_error(TablesError { op: "rebuild", cause }));
        }
        Ok(Rebuilt { tables, standing, kept })
    }
}

/// What an operator reads about tables that were made anew.
pub(super) fn rebuilt_text(height: Height, doubt: &TablesError, kept: &str) -> String {
    let TablesError { op, cause } = doubt;
    format!(
        "rebuilt the derived tables from the block log, up to block {height}: cannot {op} them: \
         {cause}{kept}"
    )
}

/// A fault that comes and goes is survived; tables that fail once more without a block in
/// between are on a disk that has to be looked at.
pub(super) const REBUILDS_MAX: u32 = 3;
