//! What came of a snapshot so far, on disk: a log of [`Record`]s in `bootstrap/`, from which a
//! later call goes on.

use std::path::{Path, PathBuf};

use crate::ledger::view::Utxo;
use crate::storage::StorageError;
use crate::storage::base::{JOURNAL_NAME, remove_journal};
use crate::storage::log::{LogOptions, NewRecord, RecordLog};
use crate::sync::snapshot::{Record, Snapshot};
use crate::types::encode::{DecodeError, decode, encode};
use crate::types::hash::ChainId;
use crate::types::transaction::OutPoint;

pub(super) struct Journal {
    data_dir: PathBuf,
    dir: PathBuf,
    chain_id: ChainId,
    sync: bool,
    /// None between the end of one log and the beginning of the next.
    log: Option<RecordLog>,
}

impl Journal {
    /// Opens the journal of a data directory, with a snapshot that takes up what it holds. One that
    /// is damaged is begun anew.
    ///
    /// # Errors
    /// `WrongChain`, `Io`.
    pub(super) fn open(
        data_dir: &Path,
        chain_id: ChainId,
        sync: bool,
        begin: impl Fn() -> Snapshot,
    ) -> Result<(Self, Snapshot), StorageError> {
        let (dir, data_dir) = (data_dir.join(JOURNAL_NAME), data_dir.to_path_buf());
        let mut journal = Journal { data_dir, dir, chain_id, sync, log: None };
        let mut snapshot = begin();
        match journal.read(&mut |record| snapshot.restore(&record)) {
            Ok(()) => Ok((journal, snapshot)),
            Err(error @ (StorageError::Damaged(_) | StorageError::BadRecord { .. })) => {
                tracing::warn!(%error, "what came of a snapshot is of no use: it is begun anew");
                journal.forget()?;
                Ok((journal, begin()))
            }
            Err(error) => Err(error),
        }
    }

    fn read(&mut self, visit: &mut dyn FnMut(Record)) -> Result<(), StorageError> {
        let mut options = LogOptions::new(LOG_KIND, self.chain_id.to_bytes());
        options.sync = self.sync;
        let dir = &self.dir;
        let opened = RecordLog::open_with(dir, options, |found| {
            let record = decode("snapshot record", found.payload, found.payload.len());
            visit(record.map_err(|error| bad_record(dir, found.sequence, &error))?);
            Ok(())
        });
        self.log = Some(opened?.0);
        Ok(())
    }

    /// Appends a record, durably.
    ///
    /// # Errors
    /// `Io`, `Failed`.
    pub(super) fn keep(&mut self, record: &Record) -> Result<(), StorageError> {
        let payload = encode(record);
        let log = self.log.as_mut().ok_or(StorageError::Closed)?;
        log.append(&[NewRecord { kind: KIND_RECORD, payload: &payload }])?;
        log.sync()
    }

    /// Begins anew.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn forget(&mut self) -> Result<(), StorageError> {
        self.log = None;
        remove_journal(&self.data_dir)?;
        self.read(&mut |_| {})
    }

    /// Ends it, for good.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn remove(&mut self) -> Result<(), StorageError> {
        self.log = None;
        remove_journal(&self.data_dir)
    }

    /// All outputs that came, ascending; with what became of them since they are the set.
    ///
    /// # Errors
    /// `Io`, `Damaged`.
    pub(super) fn outputs(
        &self,
    ) -> Result<impl Iterator<Item = Result<(OutPoint, Utxo), StorageError>> + use<>, StorageError>
    {
        let log = self.log.as_ref().ok_or(StorageError::Closed)?;
        let records = log.reader().iter_from_sequence(log.first_sequence())?;
        let dir = self.dir.clone();
        let outputs = move |found: Result<crate::storage::log::Record, StorageError>| {
            let found = match found {
                Ok(found) => found,
                Err(error) => return vec![Err(error)],
            };
            match decode("snapshot record", &found.payload, found.payload.len()) {
                Ok(Record::Page { page, .. }) => page.outputs.into_iter().map(Ok).collect(),
                Ok(_) => Vec::new(),
                Err(error) => vec![Err(bad_record(&dir, found.sequence, &error))],
            }
        };
        Ok(records.flat_map(outputs))
    }
}

fn bad_record(dir: &Path, sequence: u64, error: &DecodeError) -> StorageError {
    StorageError::BadRecord { path: dir.to_path_buf(), sequence, reason: error.to_string() }
}

/// The kind of log in segment headers: behind those of blocks and votes.
const LOG_KIND: u8 = 3;

/// borsh([`Record`]).
const KIND_RECORD: u8 = 1;
