//! The derived tables: unspent outputs, transaction index, address index and block index, in one
//! sled tree, with the ledger state that they stand for; `derived/entry.rs` has the keys. The only
//! file that names sled.
//!
//! A block is applied in three steps: the intent, with all that will hold afterwards; the entries
//! one by one; the standing after it. A crash in between leaves the intent, and the entries are
//! written again from the block, which gives the same. So a block is applied whole or not at all,
//! as with sled's own batches, but in a tenth of the memory and half the time, and without
//! holding up readers: `docs/decisions/0006-derived-store.md`.
//!
//! Nothing here is the only copy of anything, so on any doubt the tables are moved aside and
//! rebuilt, and that is for the caller to decide: here, doubt is a [`TablesError`]. sled panics
//! on damaged files, so every call into it is contained.

mod entry;
pub(crate) mod faults;

use std::any::Any;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use borsh::{BorshDeserialize, BorshSerialize};

pub(super) use self::entry::Checksum;
use self::entry::{Changes, Entry, utxo_entries};
use self::faults::strike;
use super::StorageError;
use super::log::RecordPosition;
use super::pending::Page;
use crate::engine::output::BlockCommit;
use crate::ledger::commitment::UtxoSetHash;
use crate::ledger::state::{LedgerState, utxo_element};
use crate::ledger::view::Utxo;
use crate::params::Chain;
use crate::types::block::Block;
use crate::types::chain::Height;
use crate::types::encode::{decode, encode};
use crate::types::hash::{BlockHash, ChainId, Txid};
use crate::types::masternode_set::MasternodeSet;
use crate::types::transaction::OutPoint;

/// The tables of one data directory.
pub(super) struct Tables {
    path: PathBuf,
    db: ArcSwapOption<sled::Db>,
    /// After a failure sled may answer anything, so it is asked nothing more.
    has_failed: AtomicBool,
}

/// What is written of what the tables stand for.
#[derive(Debug, BorshSerialize, BorshDeserialize)]
pub(super) struct Stored {
    format: u16,
    chain_id: ChainId,
    pub(super) standing: Standing,
    /// What they will stand for when the next block is in them whole.
    pub(super) intent: Option<Standing>,
}

/// What the tables stand for.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Standing {
    /// The ledger after the last block in the tables.
    pub(super) state: LedgerState,
    /// Over all entries of the tables but this one.
    checksum: Checksum,
    /// How far the vote log was by then.
    pub(super) votes: VotesMark,
}

/// A place in a vote log: a log that does not reach it has lost votes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct VotesMark {
    /// Which log; 0 before one is known.
    pub(super) log: u64,
    /// Sequence of its next record.
    pub(super) next: u64,
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
            let open = || {
                strike(path, "open")?;
                config.open()
            };
            match contain("open", open) {
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
    pub(super) fn standing(&self, chain: &Chain) -> Result<Option<Stored>, TablesError> {
        let Some(bytes) = self.get(&Entry::Standing.key())? else { return Ok(None) };
        let stored: Stored = decode("standing", &bytes, bytes.len())
            .map_err(|error| malformed(error.to_string()))?;
        if stored.format != FORMAT {
            return Err(malformed(format!("they have format {}", stored.format)));
        }
        if stored.chain_id != *chain.id() {
            return Err(malformed(format!("they are of chain {}", stored.chain_id)));
        }
        Ok(Some(stored))
    }

    /// Fills new tables with the genesis.
    ///
    /// # Errors
    /// Where sled fails.
    pub(super) fn begin(&self, chain: &Chain) -> Result<Standing, TablesError> {
        let mut checksum = Checksum::default();
        self.add(&mut checksum, entry::changes_of_genesis(chain))?;
        let state = LedgerState::genesis(chain);
        let standing = Standing { state, checksum, votes: VotesMark::default() };
        self.store(chain.id(), &standing, None)?;
        Ok(standing)
    }

    /// Adds unspent outputs to new tables, which stand for nothing until
    /// [`Tables::begin_from`].
    ///
    /// # Errors
    /// Where sled fails.
    pub(super) fn add_outputs(
        &self,
        checksum: &mut Checksum,
        outputs: &[(OutPoint, Utxo)],
    ) -> Result<(), TablesError> {
        let entries = outputs.iter().flat_map(|(outpoint, utxo)| utxo_entries(outpoint, utxo));
        let changes: Changes = entries.map(|(key, value)| (key, Some(value))).collect();
        self.add(checksum, changes)
    }

    /// Has new tables stand for the state after the block of a base, whose outputs they hold.
    ///
    /// # Errors
    /// Where sled fails.
    pub(super) fn begin_from(
        &self,
        chain: &Chain,
        state: &LedgerState,
        mut checksum: Checksum,
    ) -> Result<Standing, TablesError> {
        self.add(&mut checksum, entry::place_of_genesis(chain).into_iter().collect())?;
        let state = state.clone();
        let standing = Standing { state, checksum, votes: VotesMark::default() };
        self.store(chain.id(), &standing, None)?;
        Ok(standing)
    }

    fn add(&self, checksum: &mut Checksum, changes: Changes) -> Result<(), TablesError> {
        for (key, value) in &changes {
            checksum.add(key, value.as_deref().unwrap_or_default());
        }
        self.write(changes)
    }

    /// Moves the tables from `standing` past the next block.
    ///
    /// # Errors
    /// Where sled fails.
    pub(super) fn apply(
        &self,
        standing: &mut Standing,
        commit: &BlockCommit,
        position: RecordPosition,
        votes: VotesMark,
    ) -> Result<(), TablesError> {
        let (changes, next) = plan(standing, commit, position, votes);
        let chain_id = &commit.connected.block.header().chain_id;
        self.store(chain_id, standing, Some(&next))?;
        self.write(changes)?;
        self.store(chain_id, &next, None)?;
        *standing = next;
        Ok(())
    }

    /// [`Tables::apply`] up to a crash after so many entries.
    ///
    /// # Errors
    /// Where sled fails.
    #[cfg(test)]
    pub(super) fn apply_partly(
        &self,
        standing: &Standing,
        commit: &BlockCommit,
        position: RecordPosition,
        n_entries: usize,
    ) -> Result<(), TablesError> {
        let (changes, next) = plan(standing, commit, position, standing.votes);
        self.store(&commit.connected.block.header().chain_id, standing, Some(&next))?;
        self.write(changes.into_iter().take(n_entries).collect())
    }

    /// Completes the block that a crash cut short.
    ///
    /// # Errors
    /// Where sled fails, or `block` is not the one that was intended.
    pub(super) fn complete(
        &self,
        next: Standing,
        block: &Block,
        position: RecordPosition,
    ) -> Result<Standing, TablesError> {
        let hash = block.hash();
        if hash != next.state.tip.hash {
            return Err(malformed("the block they were moving to is not in the log".to_owned()));
        }
        self.write(entry::changes_of(block, &hash, &next.state.masternodes, position))?;
        self.store(&block.header.chain_id, &next, None)?;
        Ok(next)
    }

    /// Notes how far the vote log is, between two blocks.
    ///
    /// # Errors
    /// Where sled fails.
    pub(super) fn note_votes(
        &self,
        chain: &Chain,
        standing: &mut Standing,
        votes: VotesMark,
    ) -> Result<(), TablesError> {
        standing.votes = votes;
        self.store(chain.id(), standing, None)
    }

    /// The height of the last block that is in them whole.
    ///
    /// # Errors
    /// As [`Tables::standing`].
    pub(super) fn height(&self, chain: &Chain) -> Result<Height, TablesError> {
        let stored = self.standing(chain)?;
        let stored = stored.ok_or_else(|| malformed("they are empty".to_owned()))?;
        Ok(stored.standing.state.tip.height)
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

    /// The masternodes that decide from the height after on, where they are others.
    ///
    /// # Errors
    /// Where sled fails.
    pub(super) fn next_set(&self, height: Height) -> Result<Option<MasternodeSet>, TablesError> {
        let value = self.get(&Entry::NextSet(height).key())?;
        let set = |value: sled::IVec| {
            let set = decode("masternode set", &value, value.len());
            set.map_err(|error| malformed(error.to_string()))
        };
        value.map(set).transpose()
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

    /// Writes out what sled holds back, and lets go of the files. Idempotent. After a failure
    /// nothing is written.
    ///
    /// # Errors
    /// Where sled fails or failed before, or does not let go of its files in time.
    pub(super) fn close(&self) -> Result<(), TablesError> {
        match self.begin_close(true) {
            Some(closing) => closing.wait(),
            None if self.has_failed() => Err(failed_before("close")),
            None => Ok(()),
        }
    }

    /// Lets go of the files. What sled had not written yet it writes or not.
    pub(super) fn abandon(&self) {
        let abandoned = self.begin_close(false).map_or(Ok(()), Closing::wait);
        if let Err(error) = abandoned {
            tracing::warn!(?error, "letting go of the derived tables");
        }
    }

    /// Asks sled nothing more, and does not wait until it has let go of its files.
    pub(super) fn give_up(&self) {
        self.has_failed.store(true, Ordering::Release);
        self.begin_close(false);
    }

    /// On a thread of its own: sled waits for its flushing thread without end if that has
    /// panicked. Whoever is reading keeps sled alive, and must not be the one to wait.
    fn begin_close(&self, flushes: bool) -> Option<Closing> {
        let db = self.db.swap(None)?;
        let has_failed = self.has_failed();
        let path = self.path.clone();
        let (sender, done) = mpsc::channel();
        let close = move || {
            let flushed = match flushes {
                true if has_failed => Err(failed_before("flush")),
                true => contain("flush", || strike(&path, "flush").and_then(|()| db.flush())),
                false => Ok(0),
            };
            while Arc::strong_count(&db) > 1 {
                thread::sleep(READER_PAUSE);
            }
            let dropped = contain("close", || {
                drop(db);
                Ok(())
            });
            // Nobody may be waiting.
            let _ = sender.send(flushed.and(dropped));
        };
        // Without a thread nobody answers, which is an error like any other.
        let thread = thread::Builder::new().name("timecoin-tables".to_owned()).spawn(close).ok();
        Some(Closing { done, thread })
    }

    fn get(&self, key: &[u8]) -> Result<Option<sled::IVec>, TablesError> {
        let db = self.db()?;
        self.contain("read", || db.get(key))
    }

    /// Writes entries, which are sorted: neighbours then share pages.
    fn write(&self, changes: Changes) -> Result<(), TablesError> {
        let db = self.db()?;
        self.contain("write", || {
            for (key, value) in changes {
                match value {
                    Some(value) => db.insert(key, value)?,
                    None => db.remove(key)?,
                };
            }
            Ok(())
        })
    }

    fn store(
        &self,
        chain_id: &ChainId,
        standing: &Standing,
        intent: Option<&Standing>,
    ) -> Result<(), TablesError> {
        // Borrowed, but the bytes of a `Stored`.
        let stored = encode(&(FORMAT, chain_id, standing, intent));
        let db = self.db()?;
        self.contain("write", || db.insert(Entry::Standing.key(), stored).map(drop))
    }

    fn db(&self) -> Result<Arc<sled::Db>, TablesError> {
        if self.has_failed() {
            return Err(failed_before("use"));
        }
        let closed = || TablesError { op: "read", cause: "they are closed".to_owned() };
        self.db.load_full().ok_or_else(closed)
    }

    fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    fn contain<T>(
        &self,
        op: &'static str,
        call: impl FnOnce() -> Result<T, sled::Error>,
    ) -> Result<T, TablesError> {
        let call = || strike(&self.path, op).and_then(|()| call());
        contain(op, call).inspect_err(|_| self.has_failed.store(true, Ordering::Release))
    }
}

/// Tables that are being let go of.
struct Closing {
    done: mpsc::Receiver<Result<(), TablesError>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Closing {
    /// Waits for sled, but not for ever.
    fn wait(self) -> Result<(), TablesError> {
        let answer = self.done.recv_timeout(CLOSE_MAX).map_err(|_| TablesError {
            op: "close",
            cause: format!("sled has not let go of them within {CLOSE_MAX:?}"),
        })?;
        // It has answered, so it ends.
        self.thread.map(thread::JoinHandle::join).transpose().ok();
        answer
    }
}

impl Drop for Tables {
    fn drop(&mut self) {
        // What sled fails to write here is rebuilt from the block log.
        let _ = self.close();
    }
}

/// What applying a block writes, and what the tables stand for afterwards.
fn plan(
    standing: &Standing,
    commit: &BlockCommit,
    position: RecordPosition,
    votes: VotesMark,
) -> (Changes, Standing) {
    let block = &commit.connected.block;
    let after = &commit.connected.state.masternodes;
    let changes = entry::changes_of(block.block(), &block.hash(), after, position);
    let mut checksum = standing.checksum;
    for (outpoint, utxo) in &commit.connected.delta.spent {
        for (key, value) in utxo_entries(outpoint, utxo) {
            checksum.subtract(&key, &value);
        }
    }
    for (key, value) in &changes {
        if let Some(value) = value {
            checksum.add(key, value);
        }
    }
    let state = commit.connected.state.clone();
    (changes, Standing { state, checksum, votes })
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

/// Tables that hold what can't be.
pub(super) fn malformed(cause: String) -> TablesError {
    TablesError { op: "use", cause }
}

fn failed_before(op: &'static str) -> TablesError {
    TablesError { op, cause: "they failed before".to_owned() }
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

/// How long an orderly close waits for sled, which writes out at most its cache.
const CLOSE_MAX: Duration = Duration::from_secs(30);

/// Between two looks whether the last reader has left.
const READER_PAUSE: Duration = Duration::from_millis(1);
