//! Opening a data directory: what is there is checked, what is derived is repaired, and what
//! can't be is an error (PROTOCOL 6).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, OnceLock};

use arc_swap::ArcSwap;

use super::blocks::{BlockLog, BlockReader};
use super::cache::UtxoCache;
use super::marker::{Marker, sum_files};
use super::rebuild::{Builder, Rebuilt, tables_dir};
use super::upkeep::{ReadError, Upkeep, rebuilt_text};
use super::votes::{Loss, OpenedVotes, VoteLog};
use super::{Check, DiskStorage, Logs, StorageOptions};
use crate::engine::output::Record;
use crate::params::Chain;
use crate::storage::StorageError;
use crate::storage::base::{Base, remove_journal, remove_unfinished};
use crate::storage::derived::{Standing, Stored, Tables, TablesError, VotesMark};
use crate::storage::interface::Opened;
use crate::storage::lock::DirectoryLock;
use crate::storage::log::{Scan, set_aside};
use crate::storage::pending::Pending;
use crate::types::certificate::CommitCertificate;
use crate::types::chain::Height;

/// An open in progress.
struct Opening<'a> {
    dir: &'a Path,
    chain: &'a Chain,
    options: &'a StorageOptions,
    /// The note of the last close, if it was in order.
    marker: Option<Marker>,
    /// What the store begins from instead of the genesis.
    base: Option<Base>,
    repairs: Vec<String>,
    /// Why blocks are missing that were here before: the node may have voted after them.
    blocks_lost: Option<Loss>,
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
    let base = Base::read(dir, chain)?;
    remove_unfinished(dir)?;
    remove_journal(dir)?;
    let mut opening = Opening {
        dir,
        chain,
        options: &options,
        marker,
        base,
        repairs: Vec::new(),
        blocks_lost: None,
    };
    if !had_blocks {
        opening.begin()?;
    }
    let blocks = opening.open_blocks()?;
    let reader = blocks.reader(&blocks_dir(dir));
    let tables_are_those_closed = opening.compare_files();
    Marker::remove(dir)?;
    let (tables, mut standing) = opening.open_tables(&reader, tables_are_those_closed)?;
    let (votes, records, must_observe) = opening.open_votes(&standing)?;
    if standing.votes != votes.mark() {
        let noted = tables.note_votes(chain, &mut standing, votes.mark());
        noted.map_err(|error| tables.error(error))?;
    }
    let Opening { base, repairs, .. } = opening;
    let storage = Arc::new(DiskStorage {
        dir: dir.to_path_buf(),
        chain: chain.clone(),
        pending: Pending::default(),
        state: ArcSwap::from_pointee(standing.state.clone()),
        cache: UtxoCache::new(options.cached_utxos_max),
        options,
        reader,
        base,
        votes_log: votes.mark().log,
        votes_next: AtomicU64::new(votes.mark().next),
        n_applied: AtomicU64::new(0),
        is_closed: AtomicBool::new(false),
        upkeep: Mutex::new(Upkeep::new(standing)),
        tables: ArcSwap::from_pointee(tables),
        watcher: OnceLock::new(),
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
        let OpenedVotes { mut log, records, .. } = opened;
        // A crash may have come between the two logs of a store with a base.
        let is_lossless = log.lost().is_none() || self.base.is_some();
        if !records.is_empty() || !is_lossless {
            return Err(missing());
        }
        if !log.has_begun() {
            log.begin(self.base.as_ref().map(|base| self.loss_before(base)))?;
        }
        log.close()
    }

    /// Whoever begins from a base may have voted in an earlier life, up to its epoch.
    fn loss_before(&self, base: &Base) -> Loss {
        let epoch = base.state().epoch(self.chain);
        let reason = format!("the store begins from a base at block {}", base.height());
        Loss { epoch, reason }
    }

    /// The height that the store begins from.
    fn floor(&self) -> Height {
        self.base.as_ref().map_or(Height::ZERO, Base::height)
    }

    fn open_blocks(&mut self) -> Result<BlockLog, StorageError> {
        let dir = blocks_dir(self.dir);
        let is_short = bytes_in(&dir)? <= SCAN_BYTES_MAX;
        let scan = match self.options.check {
            Check::AfterCrash if !is_short => Scan::LastSegment,
            _ => Scan::All,
        };
        let (first, sync) = (self.floor().next(), self.options.sync);
        let (blocks, report) = BlockLog::open(&dir, self.chain.id(), first, sync, scan)?;
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
        let is_closed = AtomicBool::new(false);
        let base = self.base.clone();
        let builder = Builder {
            dir: self.dir,
            chain: self.chain,
            blocks,
            base: base.as_ref(),
            cache_bytes: self.options.tables_cache_bytes(),
            is_closed: &is_closed,
        };
        let found = match dir.exists() {
            true => self.check_tables(&builder, are_those_closed),
            false if blocks.height() == self.floor() => builder.create(),
            false => Err(TablesError { op: "find", cause: "they are missing".to_owned() }.into()),
        };
        let doubt = match found {
            Ok((tables, standing)) => {
                let from = standing.state.tip.height;
                match builder.follow(&tables, standing, blocks.height()) {
                    Ok(standing) => {
                        let to = standing.state.tip.height;
                        if from < to && from > self.floor() {
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
            Err(ReadError::Tables(doubt)) => doubt,
            Err(ReadError::Log(error)) => return Err(error),
        };
        let Rebuilt { tables, standing, kept } = builder.rebuild(blocks.height())?;
        self.repairs.push(rebuilt_text(blocks.height(), &doubt, &kept));
        Ok((tables, standing))
    }

    /// Opens tables that were there, and finds out whether they can be relied upon.
    fn check_tables(
        &mut self,
        builder: &Builder<'_>,
        are_those_closed: Option<bool>,
    ) -> Result<(Tables, Standing), ReadError> {
        let (blocks, floor) = (builder.blocks, self.floor());
        if are_those_closed == Some(false) {
            return Err(doubt("their files are not those that were closed").into());
        }
        let tables = Tables::open(&tables_dir(self.dir), self.options.tables_cache_bytes())?;
        let Some(Stored { mut standing, intent, .. }) = tables.standing(self.chain)? else {
            // A crash during the first open leaves them empty.
            if blocks.height() > floor {
                return Err(doubt("they are empty").into());
            }
            let standing = builder.begin(&tables)?;
            return Ok((tables, standing));
        };
        let reached = intent.as_ref().unwrap_or(&standing);
        let (found, logged) = (reached.state.tip.height, blocks.height());
        if found > logged {
            let text = format!("they are at block {found}, the log ends at {logged}");
            if self.is_proved(reached) {
                let epoch = reached.state.epoch(self.chain);
                let reason = format!("the block log lost blocks: {text}");
                self.blocks_lost = Some(Loss { epoch, reason });
            }
            return Err(doubt(&text).into());
        }
        if let Some(next) = intent {
            standing = complete(&tables, next, blocks)?;
        }
        let tip = &standing.state.tip;
        if self.base.as_ref().is_some_and(|base| !is_from(base, &standing)) {
            return Err(doubt("they are not from the base").into());
        }
        if tip.height > floor {
            let position = tables.position(tip.height)?;
            let position = position.ok_or_else(|| doubt("their last block has no position"))?;
            let logged = blocks.read(position).map_err(|error| doubt(&error.to_string()))?;
            let is_tip = logged.block.hash() == tip.hash
                && Some(&logged.certificate) == tip.certificate.as_ref();
            if !is_tip {
                return Err(doubt("their last block is not the one in the log").into());
            }
        }
        if are_those_closed.is_none() || self.options.check == Check::Always {
            tables.verify(&standing)?;
        }
        Ok((tables, standing))
    }

    /// Whether a tip comes with its proof, so that its block was once in the log.
    fn is_proved(&self, standing: &Standing) -> bool {
        let tip = &standing.state.tip;
        let names_tip = |certificate: &&CommitCertificate| {
            (certificate.height, certificate.block) == (tip.height, tip.hash)
        };
        let proof = tip.certificate.as_ref().filter(names_tip);
        proof.is_some_and(|certificate| {
            certificate.verify(self.chain.id(), &standing.state.tip_masternodes).is_ok()
        })
    }

    /// Opens the vote log, and finds out whether votes may be missing from it.
    fn open_votes(
        &mut self,
        standing: &Standing,
    ) -> Result<(VoteLog, Vec<Record>, Option<String>), StorageError> {
        let dir = votes_dir(self.dir);
        let epoch = standing.state.epoch(self.chain);
        let open = || VoteLog::open(&dir, self.chain.id(), self.options.sync);
        let mut lost = self.blocks_lost.take();
        let opened = match open() {
            Err(error @ (StorageError::Damaged(_) | StorageError::BadRecord { .. })) => {
                let aside = set_aside(&dir)?;
                let reason = format!("{error}; it was moved to {}", aside.display());
                self.repairs.push(format!("began a new vote log: {reason}"));
                lost = lost.or(Some(Loss { epoch, reason }));
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
        let OpenedVotes { mut log, records, .. } = opened;
        let missing = || self.missing_votes(&log, standing).map(|reason| Loss { epoch, reason });
        let lost = lost.or_else(missing);
        if lost.is_some() || !log.has_begun() {
            log.begin(lost)?;
        }
        let in_force = log.lost().filter(|loss| loss.epoch >= epoch);
        let must_observe = in_force.map(|loss| loss.reason.clone());
        Ok((log, records, must_observe))
    }

    /// Why votes are missing from a log that is whole in itself, if they are.
    fn missing_votes(&self, log: &VoteLog, standing: &Standing) -> Option<String> {
        let dir = votes_dir(self.dir);
        if !log.has_begun() {
            return Some(format!("the vote log {} is missing", dir.display()));
        }
        let VotesMark { log: number, next } = log.mark();
        let closed = self.marker.as_ref();
        for expected in [Some(standing.votes), closed.map(|marker| marker.votes)] {
            let Some(expected) = expected.filter(|expected| expected.log != 0) else { continue };
            if expected.log != number {
                return Some(format!("the vote log {} is another one", dir.display()));
            }
            if next < expected.next {
                let (dir, end) = (dir.display(), expected.next);
                return Some(format!("the vote log {dir} ends before record {next}, not {end}"));
            }
        }
        let (first, first_closed) = (log.first_sequence(), closed?.votes_first);
        (first > first_closed).then(|| {
            format!("the vote log {} begins at record {first}, not {first_closed}", dir.display())
        })
    }
}

/// Completes the block that a crash cut short, from the log.
fn complete(
    tables: &Tables,
    next: Standing,
    blocks: &BlockReader,
) -> Result<Standing, TablesError> {
    let logged = blocks.iter_from(next.state.tip.height).map(|mut logged| logged.next());
    let logged = logged.map_err(|error| doubt(&error.to_string()))?;
    let logged = logged.ok_or_else(|| doubt("the block they were moving to is not in the log"))?;
    let (position, decided) = logged.map_err(|error| doubt(&error.to_string()))?;
    tables.complete(next, &decided.block, position)
}

/// Whether tables may have been begun from a base.
fn is_from(base: &Base, standing: &Standing) -> bool {
    let (base, tip) = (&base.state().tip, &standing.state.tip);
    tip.height > base.height || tip.hash == base.hash
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

/// 1 GiB: about a second to read and check.
const SCAN_BYTES_MAX: u64 = 1 << 30;
