//! The block log: every decided block with its certificate, the source of truth (PROTOCOL 6).
//! The sequence of a record is the height of its block.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::engine::output::BlockCommit;
use crate::storage::StorageError;
use crate::storage::log::{
    LogOptions, NewRecord, OpenReport, Record, RecordLog, RecordPosition, RecordReader, Scan,
};
use crate::types::chain::Height;
use crate::types::encode::{decode, encode_into};
use crate::types::hash::ChainId;
use crate::types::message::Decided;

/// The block log, open for writing.
pub(super) struct BlockLog(RecordLog);

/// Reads durable blocks from any thread.
#[derive(Clone)]
pub(super) struct BlockReader {
    reader: RecordReader,
    dir: PathBuf,
}

impl BlockLog {
    /// Opens or creates the log in `dir`, whose blocks begin at `first`.
    ///
    /// # Errors
    /// As [`RecordLog::open`], and `BlockLogMissing` if its beginning is.
    pub(super) fn open(
        dir: &Path,
        chain_id: &ChainId,
        first: Height,
        sync: bool,
        scan: Scan,
    ) -> Result<(Self, OpenReport), StorageError> {
        let mut options = LogOptions::new(LOG_KIND, chain_id.to_bytes());
        (options.first_sequence, options.sync, options.scan) = (first.0, sync, scan);
        let (log, report) = RecordLog::open(dir, options)?;
        if report.first_sequence != first.0 {
            return Err(StorageError::BlockLogMissing { path: dir.to_path_buf() });
        }
        Ok((BlockLog(log), report))
    }

    /// Appends blocks, with one flush, and says where each stands.
    ///
    /// # Errors
    /// As [`RecordLog::append`] and [`RecordLog::sync`].
    pub(super) fn append(
        &mut self,
        blocks: &[Arc<BlockCommit>],
    ) -> Result<Vec<RecordPosition>, StorageError> {
        let payloads: Vec<Vec<u8>> = blocks.iter().map(|block| encode_commit(block)).collect();
        let record = |payload| NewRecord { kind: KIND_BLOCK, payload };
        let batch: Vec<_> = payloads.iter().map(|payload| record(payload)).collect();
        let positions = self.0.append(&batch)?;
        self.0.sync()?;
        Ok(positions)
    }

    /// A reader for any thread.
    pub(super) fn reader(&self, dir: &Path) -> BlockReader {
        BlockReader { reader: self.0.reader(), dir: dir.to_path_buf() }
    }

    /// Ends the log in order.
    ///
    /// # Errors
    /// As [`RecordLog::close`].
    pub(super) fn close(self) -> Result<(), StorageError> {
        self.0.close()
    }
}

impl BlockReader {
    /// The height of the last durable block; where there is none, the one before the first.
    pub(super) fn height(&self) -> Height {
        Height(self.reader.next_sequence().saturating_sub(1))
    }

    /// The block whose record starts at `position`.
    ///
    /// # Errors
    /// As [`RecordReader::read`], and `BadRecord`.
    pub(super) fn read(&self, position: RecordPosition) -> Result<Decided, StorageError> {
        self.decode(&self.reader.read(position)?)
    }

    /// The blocks from `height` on with their positions, in order.
    ///
    /// # Errors
    /// As [`RecordReader::iter_from_sequence`].
    pub(super) fn iter_from(
        &self,
        height: Height,
    ) -> Result<impl Iterator<Item = Result<(RecordPosition, Decided), StorageError>>, StorageError>
    {
        let records = self.reader.iter_from_sequence(height.0)?;
        Ok(records.map(|record| record.and_then(|r| Ok((r.position, self.decode(&r)?)))))
    }

    fn decode(&self, record: &Record) -> Result<Decided, StorageError> {
        if record.kind != KIND_BLOCK {
            return Err(self.bad_record(record.sequence, format!("of kind {}", record.kind)));
        }
        let decided: Decided = decode("block", &record.payload, record.payload.len())
            .map_err(|error| self.bad_record(record.sequence, error.to_string()))?;
        let height = decided.block.header.height;
        if height.0 != record.sequence {
            return Err(self.bad_record(record.sequence, format!("it holds block {height}")));
        }
        Ok(decided)
    }

    /// Says that the block of a whole record can't be used.
    pub(super) fn bad_record(&self, sequence: u64, reason: String) -> StorageError {
        StorageError::BadRecord { path: self.dir.clone(), sequence, reason }
    }
}

/// borsh([`Decided`]), without making one: the size is known, so the bytes are written once.
fn encode_commit(commit: &BlockCommit) -> Vec<u8> {
    let block = &commit.connected.block;
    let n_bytes: usize = block.transactions().iter().map(|transaction| transaction.bytes()).sum();
    let mut bytes = Vec::with_capacity(n_bytes + OTHER_BYTES_USUAL);
    encode_into(&**block.block(), &mut bytes);
    encode_into(&commit.certificate, &mut bytes);
    bytes
}

/// The kind of log in segment headers.
const LOG_KIND: u8 = 1;

/// borsh([`Decided`]).
const KIND_BLOCK: u8 = 1;

/// Room for a header, a coinbase and two certificates of 134 seals.
const OTHER_BYTES_USUAL: usize = 32 << 10;
