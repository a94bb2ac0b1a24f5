//! Opening a data directory: what is there is checked, what is derived is repaired, and what
//! can't be is an error (PROTOCOL 6).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;

use super::blocks::{BlockLog, BlockReader};
use super::budget::cache_bytes_default;
use super::cache::UtxoCache;
use super::marker::{Marker, sum_files};
use super::votes::{Beginning, OpenedVotes, VoteLog};
use super::{Check, DiskStorage, Logs, StorageOptions};
use crate::engine::output::{BlockCommit, Record};
use crate::ledger::block::{BlockError, replay_block};
use crate::ledger::view::{Lookup, UtxoView, ViewError};
use crate::params::Chain;
use crate::storage::StorageError;
use crate::storage::derived::{Standing, Tables, TablesError};
use crate::storage::interface::Opened;
use crate::storage::lock::DirectoryLock;
use crate::storage::log::{Scan, set_aside};
use crate::storage::pending::Pending;
use crate::types::chain::{Epoch, Height};
use crate::types::hash::Txid;
use crate::types::transaction::OutPoint;

/// An open in progress.
struct Opening<'a> {
    dir: &'a Path,
    chain: &'a Chain,
    options: &'a StorageOptions,
    /// The note of the last close, if it was in order.
    marker: Option<Marker>,
    repairs: Vec<String>,
    /// Why blocks are missing that were here before, and the epoch in which this node may have
    /// voted after them.
    blocks_lost: Option<(Epoch, String)>,
}

pub(super) fn open(
    dir: &Path,
    chain: &Chain,
    options: StorageOptions,
) -> Result<Opened, StorageError> {
    fs::create_dir_all(dir).map_err(StorageError::io("create", dir))?;
    let lock = DirectoryLock::acquire(dir)?;
    let had_blocks = has_entries(&blocks_dir(dir))?;
    let marker = Marker::read(dir).filter(|marker| marker.chain_id == *chain.id());
    let mut opening =
        Opening { dir, chain, options: &options, marker, repairs: Vec::new(), blocks_lost: None };
    if !had_blocks {
        opening.begin()?;
    }
    let blocks = opening.open_blocks()?;
    let reader = blocks.reader(&blocks_dir(dir));
    let tables_are_those_closed = opening.compare_files();
    Marker::remove(dir)?;
    let (tables, standing) = opening.open_tables(&reader, tables_are_those_closed)?;
    let epoch = standing.state.epoch(chain);
    let (votes, records, must_observe) = opening.open_votes(epoch, &standing)?;
    let repairs = opening.repairs;
    let storage = Arc::new(DiskStorage {
        dir: dir.to_path_buf(),
        chain_id: *chain.id(),
        pending: Pending::default(),
        state: ArcSwap::from_pointee(standing.state.clone()),
        cache: UtxoCache::new(options.cached_utxos_max),
        options,
        reader,
        votes_next: AtomicU64::new(votes.next_sequence()),
        n_batches: AtomicU64::new(0),
        is_closed: AtomicBool::new(false),
        standing: Mutex::new(standing),
        tables,
        logs: Mutex::new(Some(Logs { blocks, votes })),
        lock: Mutex::new(Some(lock)),
    });
    Ok(Opened { storage, records, must_observe, repairs })
}

impl Opening<'_> {
    /// Begins a store where there is no block log: the vote log comes first, so that a block log
    /// without one always means a loss.
    fn begin(&self) -> Result<(), StorageError> {
        let missing = || StorageError::BlockLogMissing { path: blocks_dir(self.dir) };
        if Marker::exists(self.dir) || tables_dir(self.dir).exists() {
            return Err(missing());
        }
        let opened = match VoteLog::open(&votes_dir(self.dir), self.chain.id(), self.options.sync) {
            Err(StorageError::Damaged(_) | StorageError::BadRecord { .. }) => return Err(missing()),
            opened => opened?,
        };
        let OpenedVotes { mut log, records, has_begun, lost, .. } = opened;
        if !records.is_empty() || lost.is_some() {
            return Err(missing());
        }
        if !has_begun {
            log.begin(&Beginning { epoch: Epoch::ZERO, lost: None })?;
        }
        log.close()
    }

    fn open_blocks(&mut self) -> Result<BlockLog, StorageError> {
        let dir = blocks_dir(self.dir);
        let is_short = bytes_in(&dir)? <= SCAN_BYTES_MAX;
        let scan = match self.options.check {
            Check::AfterCrash if !is_short => Scan::LastSegment,
            _ => Scan::All,
        };
        let (blocks, report) = BlockLog::open(&dir, self.chain.id(), self.options.sync, scan)?;
        if let Some(torn) = report.torn_tail {
            self.repairs.push(format!(
                "cut the unfinished block {} from the end of {}: it was never acted upon",
                torn.sequence,
                torn.file.display()
            ));
        }
        Ok(blocks)
    }

    /// Whether the files of the tables are those that were closed: nothing if they were not
    /// closed in order.
    fn compare_files(&self) -> Option<bool> {
        let marker = self.marker.as_ref()?;
        let dir = tables_dir(self.dir);
        Some(sum_files(&dir, false).is_ok_and(|files| files == marker.files))
    }

    /// Opens the tables, moves them aside where in doubt, and brings them up to the block log.
    fn open_tables(
        &mut self,
        blocks: &BlockReader,
        are_those_closed: Option<bool>,
    ) -> Result<(Tables, Standing), StorageError> {
        let dir = tables_dir(self.dir);
        let existed = dir.exists();
        let found = match existed {
            true => self.check_tables(blocks, are_those_closed),
            false if blocks.height() == Height::ZERO => self.new_tables(),
            false => Err(TablesError { op: "find", cause: "they are missing".to_owned() }),
        };
        let doubt = match found {
            Ok((tables, standing)) => {
                let from = standing.state.tip.height;
                match self.follow(&tables, standing, blocks) {
                    Ok(standing) => {
                        let to = standing.state.tip.height;
                        if from < to && from > Height::ZERO {
                            let text =
                                format!("moved the derived tables from block {from} to {to}");
                            self.repairs.push(text);
                        }
                        return Ok((tables, standing));
                    }
                    Err(StorageError::Tables { op, cause, .. }) => TablesError { op, cause },
                    Err(error) => return Err(error),
                }
            }
            Err(doubt) => doubt,
        };
        let kept = if existed { self.move_tables_aside()? } else { String::new() };
        let TablesError { op, cause } = doubt;
        self.repairs.push(format!(
            "rebuilt the derived tables from the block log, up to block {}: cannot {op} them: \
             {cause}{kept}",
            blocks.height()
        ));
        let (tables, standing) = self.new_tables().map_err(|error| self.tables_error(error))?;
        let standing = self.follow(&tables, standing, blocks)?;
        Ok((tables, standing))
    }

    /// Opens tables that were there, and finds out whether they can be relied upon.
    fn check_tables(
        &mut self,
        blocks: &BlockReader,
        are_those_closed: Option<bool>,
    ) -> Result<(Tables, Standing), TablesError> {
        if are_those_closed == Some(false) {
            return Err(doubt("their files are not those that were closed"));
        }
        let tables = Tables::open(&tables_dir(self.dir), self.cache_bytes())?;
        let Some(standing) = tables.standing(self.chain)? else {
            // A crash during the first open leaves them empty.
            if blocks.height() > Height::ZERO {
                return Err(doubt("they are empty"));
            }
            let standing = tables.begin(self.chain)?;
            return Ok((tables, standing));
        };
        let tip = &standing.state.tip;
        if tip.height > blocks.height() {
            let text =
                format!("they are at block {}, the log ends at {}", tip.height, blocks.height());
            self.blocks_lost = Some((
                standing.state.epoch(self.chain),
                format!("the block log lost blocks: {text}"),
            ));
            return Err(doubt(&text));
        }
        if tip.height > Height::ZERO {
            let position = tables.position(tip.height)?;
            let position = position.ok_or_else(|| doubt("their last block has no position"))?;
            let logged = blocks.read(position).map_err(|error| doubt(&error.to_string()))?;
            let is_tip = logged.block.hash() == tip.hash
                && Some(&logged.certificate) == tip.certificate.as_ref();
            if !is_tip {
                return Err(doubt("their last block is not the one in the log"));
            }
        }
        if are_those_closed.is_none() || self.options.check == Check::Always {
            tables.verify(&standing)?;
        }
        Ok((tables, standing))
    }

    fn new_tables(&self) -> Result<(Tables, Standing), TablesError> {
        let tables = Tables::open(&tables_dir(self.dir), self.cache_bytes())?;
        let standing = tables.begin(self.chain)?;
        Ok((tables, standing))
    }

    /// Keeps the tables as they are for whoever wants to know, in place of those kept before.
    fn move_tables_aside(&self) -> Result<String, StorageError> {
        let (dir, aside) = (tables_dir(self.dir), self.dir.join(TABLES_ASIDE));
        match fs::remove_dir_all(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StorageError::io("remove", &aside)(error));
            }
            _ => {}
        }
        fs::rename(&dir, &aside).map_err(StorageError::io("rename", &dir))?;
        Ok(format!("; the old ones are in {}", aside.display()))
    }

    /// Moves the tables past every block of the log that they lack.
    fn follow(
        &self,
        tables: &Tables,
        mut standing: Standing,
        blocks: &BlockReader,
    ) -> Result<Standing, StorageError> {
        if standing.state.tip.height == blocks.height() {
            return Ok(standing);
        }
        for logged in blocks.iter_from(standing.state.next_height())? {
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
                error => blocks.bad_record(height.0, error.to_string()),
            })?;
            let commit = BlockCommit { connected, certificate };
            let votes_before = standing.votes_before;
            tables
                .apply(&mut standing, &commit, position, votes_before)
                .map_err(|error| self.tables_error(error))?;
        }
        Ok(standing)
    }

    /// Opens the vote log, and finds out whether votes may be missing from it.
    fn open_votes(
        &mut self,
        epoch: Epoch,
        standing: &Standing,
    ) -> Result<(VoteLog, Vec<Record>, Option<String>), StorageError> {
        let dir = votes_dir(self.dir);
        let open = || VoteLog::open(&dir, self.chain.id(), self.options.sync);
        let mut lost = self.blocks_lost.take();
        let opened = match open() {
            Err(error @ (StorageError::Damaged(_) | StorageError::BadRecord { .. })) => {
                let aside = set_aside(&dir)?;
                let text = format!("{error}; it was moved to {}", aside.display());
                self.repairs.push(format!("began a new vote log: {text}"));
                lost = later(lost, Some((epoch, text)));
                open()?
            }
            opened => opened?,
        };
        if let Some(torn) = &opened.report.torn_tail {
            self.repairs.push(format!(
                "cut the unfinished vote record {} from the end of {}: it was never sent",
                torn.sequence,
                torn.file.display()
            ));
        }
        let OpenedVotes { mut log, records, has_begun, lost: noted, .. } = opened;
        if lost.is_none() {
            let missing = self.missing_votes(&log, standing);
            lost = missing.map(|text| (epoch, text));
        }
        if let Some((epoch, text)) = &lost {
            log.begin(&Beginning { epoch: *epoch, lost: Some(text.clone()) })?;
        } else if !has_begun {
            log.begin(&Beginning { epoch, lost: None })?;
        }
        let in_force = later(lost, noted).filter(|(in_epoch, _)| *in_epoch >= epoch);
        Ok((log, records, in_force.map(|(_, text)| text)))
    }

    /// Why votes are missing from a log that is whole in itself, if they are.
    fn missing_votes(&self, log: &VoteLog, standing: &Standing) -> Option<String> {
        let next = log.next_sequence();
        if next == 0 {
            return Some(format!("the vote log {} is missing", votes_dir(self.dir).display()));
        }
        let next_at_close = self.marker.as_ref().map_or(0, |marker| marker.votes_next);
        let next_expected = next_at_close.max(standing.votes_before);
        if next < next_expected {
            return Some(format!("the vote log ends before record {next}, it had {next_expected}"));
        }
        let first = log.first_sequence();
        let first_at_close = self.marker.as_ref().map_or(u64::MAX, |marker| marker.votes_first);
        (first > first_at_close)
            .then(|| format!("the vote log begins at record {first}, it began at {first_at_close}"))
    }

    fn cache_bytes(&self) -> u64 {
        self.options.cache_bytes.unwrap_or_else(cache_bytes_default)
    }

    fn tables_error(&self, error: TablesError) -> StorageError {
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

/// The loss that is in force longer.
fn later(left: Option<(Epoch, String)>, right: Option<(Epoch, String)>) -> Option<(Epoch, String)> {
    left.into_iter().chain(right).max_by_key(|(epoch, _)| *epoch)
}

fn doubt(cause: &str) -> TablesError {
    TablesError { op: "use", cause: cause.to_owned() }
}

fn blocks_dir(dir: &Path) -> PathBuf {
    dir.join("blocks")
}

fn votes_dir(dir: &Path) -> PathBuf {
    dir.join("votes")
}

pub(super) fn tables_dir(dir: &Path) -> PathBuf {
    dir.join("derived")
}

fn has_entries(dir: &Path) -> Result<bool, StorageError> {
    match fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StorageError::io("list", dir)(error)),
    }
}

/// The size of the files in a directory; 0 where it is missing.
fn bytes_in(dir: &Path) -> Result<u64, StorageError> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries.map_err(StorageError::io("list", dir))?,
    };
    let sizes = entries.map(|entry| Ok(entry?.metadata()?.len()));
    sizes.sum::<io::Result<u64>>().map_err(StorageError::io("list", dir))
}

/// Where tables in doubt are kept; the name is used again, so that they take bounded space.
const TABLES_ASIDE: &str = "derived.damaged";

/// 1 GiB: about a second to read and check.
const SCAN_BYTES_MAX: u64 = 1 << 30;
