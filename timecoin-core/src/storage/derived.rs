//! The derived tables: unspent outputs, transaction index, address index and block index, in one
//! sled tree, with the ledger state that they stand for. The only file that names sled.
//!
//! One batch per block moves everything from one height to the next; see `derived/entry.rs` for
//! the keys. Nothing here is the only copy of anything, so on any doubt the tables are moved
//! aside and rebuilt, and that is for the caller to decide: here, doubt is a [`TablesError`].
//! sled panics on damaged files, so every call into it is contained.

mod entry;

use std::any::Any;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use borsh::{BorshDeserialize, BorshSerialize};

use self::entry::{Checksum, Entry};
use super::StorageError;
use super::log::RecordPosition;
use super::pending::{Page, txids};
use crate::engine::output::BlockCommit;
use crate::ledger::commitment::UtxoSetHash;
use crate::ledger::state::{LedgerState, genesis_utxos, utxo_element};
use crate::ledger::view::Utxo;
use crate::params::Chain;
use crate::types::chain::Height;
use crate::types::encode::{decode, encode};
use crate::types::hash::{BlockHash, ChainId, Txid};
use crate::types::transaction::OutPoint;

/// The tables of one data directory.
pub(super) struct Tables {
    path: PathBuf,
    db: ArcSwapOption<sled::Db>,
    /// After a failure sled may answer anything, so it is asked nothing more.
    has_failed: AtomicBool,
}

/// What the tables stand for; written with every change of them.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Standing {
    format: u16,
    chain_id: ChainId,
    /// The ledger after the last block in the tables.
    pub(super) state: LedgerState,
    /// Over all entries of the tables.
    checksum: Checksum,
    /// Every vote record below this sequence was in the vote log by then.
    pub(super) votes_before: u64,
}

/// Why the tables are of no use any more.
#[derive(Debug)]
pub(super) struct TablesError {
    pub(super) op: &'static str,
    pub(super) cause: String,
}

impl Tables {
    /// Opens or creates the tables in `path`.
    ///
    /// # Errors
    /// Whatever sled says or panics with.
    pub(super) fn open(path: &Path, cache_bytes: u64) -> Result<Self, TablesError> {
        let config = sled::Config::new()
            .path(path)
            .cache_capacity(cache_bytes)
            .flush_every_ms(Some(FLUSH_EVERY_MS));
        let mut attempts_left = OPEN_ATTEMPTS;
        let db = loop {
            attempts_left -= 1;
            match contain("open", || config.open()) {
                // A store that was closed a moment ago may not have let go of its files yet.
                Err(error) if is_would_block(&error) && attempts_left > 0 => {
                    thread::sleep(OPEN_PAUSE);
                }
                Err(error) => return Err(error),
                Ok(db) => break db,
            }
        };
        Ok(Tables {
            path: path.to_path_buf(),
            db: ArcSwapOption::from_pointee(db),
            has_failed: AtomicBool::new(false),
        })
    }

    /// Turns doubt into the error that callers of the store get.
    pub(super) fn error(&self, error: TablesError) -> StorageError {
        let TablesError { op, cause } = error;
        StorageError::Tables { op, path: self.path.clone(), cause }
    }

    /// What the tables stand for; nothing if they are new.
    ///
    /// # Errors
    /// Where it can't be read, is of another format or of another chain.
    pub(super) fn standing(&self, chain: &Chain) -> Result<Option<Standing>, TablesError> {
        let Some(bytes) = self.get(&Entry::Standing.key())? else { return Ok(None) };
        let standing: Standing =
            decode("standing", &bytes, usize::MAX).map_err(|error| malformed(error.to_string()))?;
        if standing.format != FORMAT {
            return Err(malformed(format!("format {}", standing.format)));
        }
        if standing.chain_id != *chain.id() {
            return Err(malformed(format!("they are of chain {}", standing.chain_id)));
        }
        Ok(Some(standing))
    }

    /// Fills new tables with the genesis.
    ///
    /// # Errors
    /// Where sled fails.
    pub(super) fn begin(&self, chain: &Chain) -> Result<Standing, TablesError> {
        let mut batch = Batch::default();
        for (outpoint, utxo) in genesis_utxos(chain) {
            batch.insert_utxo(&outpoint, &utxo);
        }
        // The genesis counts as a confirmed transaction, so that its outputs can be spent.
        let genesis = Txid::from_bytes(chain.id().to_bytes());
        batch.insert(Entry::Transaction(genesis), &entry::encode_place(Height::ZERO, 0));
        let standing = Standing {
            format: FORMAT,
            chain_id: *chain.id(),
            state: LedgerState::genesis(chain),
            checksum: batch.checksum,
            votes_before: 0,
        };
        self.commit(batch, &standing)?;
        Ok(standing)
    }

    /// Moves the tables from `standing` past the next block, in one atomic batch.
    ///
    /// # Errors
    /// Where sled fails.
    pub(super) fn apply(
        &self,
        standing: &mut Standing,
        commit: &BlockCommit,
        position: RecordPosition,
        votes_before: u64,
    ) -> Result<(), TablesError> {
        let height = commit.height();
        let mut batch = Batch { checksum: standing.checksum, ..Batch::default() };
        for (outpoint, utxo) in &commit.connected.delta.spent {
            batch.remove_utxo(outpoint, utxo);
        }
        for (outpoint, utxo) in &commit.connected.delta.created {
            batch.insert_utxo(outpoint, utxo);
        }
        for (index, txid) in (0u32..).zip(txids(commit)) {
            batch.insert(Entry::Transaction(txid), &entry::encode_place(height, index));
        }
        let hash = commit.connected.block.hash();
        batch.insert(Entry::BlockHeight(hash), &height.0.to_be_bytes());
        batch.insert(Entry::BlockPosition(height), &position.to_bytes());
        let next = Standing {
            format: FORMAT,
            chain_id: standing.chain_id,
            state: commit.connected.state.clone(),
            checksum: batch.checksum,
            votes_before,
        };
        self.commit(batch, &next)?;
        *standing = next;
        Ok(())
    }

    /// The unspent output at `outpoint`.
    ///
    /// # Errors
    /// Where sled fails.
    pub(super) fn utxo(&self, outpoint: &OutPoint) -> Result<Option<Utxo>, TablesError> {
        let value = self.get(&Entry::Utxo(*outpoint).key())?;
        value.map(|value| decode_utxo(&value)).transpose()
    }

    /// The height of a confirmed transaction and its place in the block.
    ///
    /// # Errors
    /// Where sled fails.
    pub(super) fn place(&self, txid: &Txid) -> Result<Option<(Height, u32)>, TablesError> {
        let value = self.get(&Entry::Transaction(*txid).key())?;
        let place = |value: sled::IVec| entry::decode_place(&value).ok_or_else(wrong_width);
        value.map(place).transpose()
    }

    /// The height of a block.
    ///
    /// # Errors
    /// Where sled fails.
    pub(super) fn height_of(&self, hash: &BlockHash) -> Result<Option<Height>, TablesError> {
        let value = self.get(&Entry::BlockHeight(*hash).key())?;
        let height = |value: sled::IVec| {
            let bytes = value.as_ref().try_into().map_err(|_| wrong_width())?;
            Ok(Height(u64::from_be_bytes(bytes)))
        };
        value.map(height).transpose()
    }

    /// Where the block log has the block at a height.
    ///
    /// # Errors
    /// Where sled fails.
    pub(super) fn position(&self, height: Height) -> Result<Option<RecordPosition>, TablesError> {
        let value = self.get(&Entry::BlockPosition(height).key())?;
        let position = |value: sled::IVec| {
            let bytes = value.as_ref().try_into().map_err(|_| wrong_width())?;
            Ok(RecordPosition::from_bytes(bytes))
        };
        value.map(position).transpose()
    }

    /// Unspent outputs, ascending.
    ///
    /// # Errors
    /// Where sled fails.
    pub(super) fn page(&self, page: Page<'_>) -> Result<Vec<(OutPoint, Utxo)>, TablesError> {
        let key = |outpoint| match page.address {
            Some(address) => Entry::Owned(*address, outpoint).key(),
            None => Entry::Utxo(outpoint).key(),
        };
        let first = key(OutPoint::new(Txid::ZERO, 0));
        let last = key(OutPoint::new(Txid::from_bytes([0xff; 32]), u32::MAX));
        let start = page.after.map_or(Bound::Included(first), |after| Bound::Excluded(key(*after)));
        let db = self.db()?;
        let read = || -> Result<Vec<(sled::IVec, sled::IVec)>, sled::Error> {
            db.range((start, Bound::Included(last))).take(page.limit).collect()
        };
        let entries = self.contain("read", read)?;
        let decode = |(key, value): (sled::IVec, sled::IVec)| {
            let outpoint = entry::outpoint_of(&key).ok_or_else(wrong_width)?;
            Ok((outpoint, decode_utxo(&value)?))
        };
        entries.into_iter().map(decode).collect()
    }

    /// Reads every entry and computes anew what `standing` says of them: the checksum over all,
    /// and the UTXO commitment. Two threads share the work.
    ///
    /// # Errors
    /// Where anything differs, can't be read, or sled fails.
    pub(super) fn verify(&self, standing: &Standing) -> Result<(), TablesError> {
        let verify_in = |low: u8, high: u8| {
            let db = self.db()?;
            self.contain("verify", || {
                let mut found = (Checksum::default(), UtxoSetHash::new());
                for item in db.range([low]..[high]) {
                    let (key, value) = item?;
                    if key != Entry::Standing.key() {
                        found.0.add(&key, &value);
                    }
                    if let (Some(outpoint), Ok(utxo)) =
                        (entry::utxo_outpoint(&key), decode_utxo(&value))
                    {
                        found.1.insert(&utxo_element(&outpoint, &utxo));
                    }
                }
                Ok(found)
            })
        };
        let split = entry::UTXO_PREFIX;
        let (others, utxos) = thread::scope(|scope| {
            let utxos = scope.spawn(|| verify_in(split, u8::MAX));
            let others = verify_in(0, split);
            (others, utxos.join().unwrap_or_else(|panic| Err(panicked("verify", &*panic))))
        });
        let (others, utxos) = (others?, utxos?);
        if others.0.plus(utxos.0) != standing.checksum {
            return Err(malformed("their checksum is wrong".to_owned()));
        }
        if utxos.1 != standing.state.utxo_set {
            let (found, expected) = (utxos.1.commitment(), standing.state.utxo_set.commitment());
            return Err(malformed(format!("their commitment is {found}, not {expected}")));
        }
        Ok(())
    }

    /// Writes out what sled holds back, and lets go of the files. Idempotent.
    ///
    /// # Errors
    /// Where sled fails.
    pub(super) fn close(&self) -> Result<(), TablesError> {
        let Some(db) = self.db.swap(None) else { return Ok(()) };
        let flushed = self.contain("flush", || db.flush());
        let dropped = contain("close", || {
            drop(db);
            Ok(())
        });
        flushed.and(dropped)
    }

    fn get(&self, key: &[u8]) -> Result<Option<sled::IVec>, TablesError> {
        let db = self.db()?;
        self.contain("read", || db.get(key))
    }

    fn commit(&self, mut batch: Batch, standing: &Standing) -> Result<(), TablesError> {
        batch.changes.insert(Entry::Standing.key(), encode(standing));
        let db = self.db()?;
        self.contain("write", || db.apply_batch(batch.changes))
    }

    fn db(&self) -> Result<Arc<sled::Db>, TablesError> {
        if self.has_failed.load(Ordering::Acquire) {
            return Err(malformed("they failed before".to_owned()));
        }
        let closed = || TablesError { op: "read", cause: "they are closed".to_owned() };
        self.db.load_full().ok_or_else(closed)
    }

    fn contain<T>(
        &self,
        op: &'static str,
        call: impl FnOnce() -> Result<T, sled::Error>,
    ) -> Result<T, TablesError> {
        contain(op, call).inspect_err(|_| self.has_failed.store(true, Ordering::Release))
    }
}

impl Drop for Tables {
    fn drop(&mut self) {
        // What sled fails to write here is rebuilt from the block log.
        let _ = self.close();
    }
}

/// The changes of one block, with the checksum after them.
#[derive(Default)]
struct Batch {
    changes: sled::Batch,
    checksum: Checksum,
}

impl Batch {
    fn insert(&mut self, entry: Entry, value: &[u8]) {
        let key = entry.key();
        self.checksum.add(&key, value);
        self.changes.insert(key, value);
    }

    fn remove(&mut self, entry: Entry, value: &[u8]) {
        let key = entry.key();
        self.checksum.subtract(&key, value);
        self.changes.remove(key);
    }

    fn insert_utxo(&mut self, outpoint: &OutPoint, utxo: &Utxo) {
        let value = encode(utxo);
        self.insert(Entry::Utxo(*outpoint), &value);
        self.insert(Entry::Owned(utxo.output.address, *outpoint), &value);
    }

    fn remove_utxo(&mut self, outpoint: &OutPoint, utxo: &Utxo) {
        let value = encode(utxo);
        self.remove(Entry::Utxo(*outpoint), &value);
        self.remove(Entry::Owned(utxo.output.address, *outpoint), &value);
    }
}

/// Runs a call into sled; a panic becomes an error like any other.
fn contain<T>(
    op: &'static str,
    call: impl FnOnce() -> Result<T, sled::Error>,
) -> Result<T, TablesError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(TablesError { op, cause: error.to_string() }),
        Err(panic) => Err(panicked(op, &*panic)),
    }
}

fn panicked(op: &'static str, panic: &(dyn Any + Send)) -> TablesError {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
    TablesError { op, cause: format!("panicked: {text}") }
}

/// sled wraps the operating system's answer in a text of its own, so the text has to do.
fn is_would_block(error: &TablesError) -> bool {
    error.cause.contains("WouldBlock") || error.cause.contains("could not acquire lock")
}

fn malformed(cause: String) -> TablesError {
    TablesError { op: "use", cause }
}

fn wrong_width() -> TablesError {
    malformed("an entry has the wrong width".to_owned())
}

fn decode_utxo(value: &[u8]) -> Result<Utxo, TablesError> {
    decode("utxo", value, value.len()).map_err(|error| malformed(error.to_string()))
}

/// The version of keys, values and checksum; other tables are rebuilt.
const FORMAT: u16 = 1;

/// How often sled hands what it holds to the operating system. Without, it also stops to reclaim
/// memory and disk: `docs/decisions/0006-derived-store.md`.
const FLUSH_EVERY_MS: u64 = 500;

/// 100 looks, 20 ms apart: a closing sled lets go of its files within milliseconds, 2 s are
/// given to a loaded machine.
const OPEN_ATTEMPTS: u32 = 100;
const OPEN_PAUSE: Duration = Duration::from_millis(20);
