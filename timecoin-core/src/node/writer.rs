//! Disk before wire: records and blocks are flushed, then what waited behind them is done, in
//! order, while the engine goes on with the next batch.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::actions::Action;
use super::driver::panic_text;
use super::shared::Shared;
use crate::engine::output::{BlockCommit, Record};
use crate::storage::StorageError;
use crate::types::chain::Epoch;

/// What one run of the engine wants done.
pub(super) struct Batch {
    /// When the run began.
    began: Instant,
    /// Done at once: nothing to flush comes before these.
    before: Vec<Action>,
    records: Vec<Record>,
    blocks: Vec<Arc<BlockCommit>>,
    /// Done once records and blocks are flushed.
    after: Vec<Action>,
}

impl Default for Batch {
    fn default() -> Self {
        Batch {
            began: Instant::now(),
            before: Vec::new(),
            records: Vec::new(),
            blocks: Vec::new(),
            after: Vec::new(),
        }
    }
}

impl Batch {
    pub(super) fn begin(&mut self) {
        self.began = Instant::now();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.before.is_empty() && !self.needs_flush()
    }

    pub(super) fn record(&mut self, record: Record) {
        self.records.push(record);
    }

    pub(super) fn block(&mut self, block: Arc<BlockCommit>) {
        self.blocks.push(block);
    }

    pub(super) fn action(&mut self, action: Action) {
        if self.needs_flush() {
            self.after.push(action);
        } else {
            self.before.push(action);
        }
    }

    fn needs_flush(&self) -> bool {
        !self.records.is_empty() || !self.blocks.is_empty()
    }

    /// Adds a later batch, to share one flush.
    fn join(&mut self, later: Batch) {
        let actions = if self.needs_flush() { &mut self.after } else { &mut self.before };
        actions.extend(later.before);
        self.records.extend(later.records);
        self.blocks.extend(later.blocks);
        self.after.extend(later.after);
    }
}

/// The driver's end of the way to the disk.
pub(super) enum Writer {
    /// There is nothing to flush: all is done at once, on the driver's thread.
    Memory(Arc<Shared>),
    /// Batches go to [`write_behind`]; a full queue holds the engine back.
    Disk(mpsc::Sender<Batch>),
}

impl Writer {
    /// Takes a batch, waiting for room.
    ///
    /// Fails with the reason for which the node must stop writing.
    pub(super) async fn write(&self, batch: Batch) -> Result<(), String> {
        match self {
            Writer::Memory(shared) if shared.is_crashed() => Ok(()),
            Writer::Disk(sender) => {
                sender.send(batch).await.map_err(|_| "the store's writer has stopped".to_owned())
            }
            Writer::Memory(shared) => {
                let Batch { began, before, records, blocks, after } = batch;
                if !records.is_empty() || !blocks.is_empty() {
                    write_now(shared, &records, &blocks)?;
                }
                let mut actions = before;
                actions.extend(after);
                shared.perform_all(actions, began);
                if !blocks.is_empty() {
                    settle_now(shared)?;
                }
                Ok(())
            }
        }
    }
}

/// A queue of batches for [`write_behind`].
pub(super) fn queue() -> (mpsc::Sender<Batch>, mpsc::Receiver<Batch>) {
    mpsc::channel(BATCHES_MAX)
}

/// Writes batches until the driver has ended, and brings the tables up behind them. A failure
/// poisons the node, which stops the driver.
pub(super) async fn write_behind(shared: Arc<Shared>, mut batches: mpsc::Receiver<Batch>) {
    let settler = Arc::new(Settler::default());
    let settling = tokio::spawn(settle(Arc::clone(&shared), Arc::clone(&settler)));
    while let Some(mut batch) = batches.recv().await {
        while let Ok(later) = batches.try_recv() {
            batch.join(later);
        }
        if shared.is_crashed() {
            break;
        }
        let Batch { began, before, records, blocks, after } = batch;
        shared.perform_all(before, began);
        if !records.is_empty() || !blocks.is_empty() {
            let has_blocks = !blocks.is_empty();
            let result = off_thread(&shared, move |shared| write_now(shared, &records, &blocks));
            if let Err(reason) = result.await {
                shared.poison(&reason);
                break;
            }
            if has_blocks {
                settler.work.notify_one();
            }
        }
        shared.perform_all(after, began);
        while lags(&shared) && shared.life.poison_reason().is_none() && !shared.is_crashed() {
            settler.settled.notified().await;
        }
    }
    settler.end.cancel();
    if let Err(error) = settling.await {
        shared.poison(&error.to_string());
    }
}

/// What tells the task that brings the tables up to go on or to end.
#[derive(Default)]
struct Settler {
    work: Notify,
    settled: Notify,
    end: CancellationToken,
}

async fn settle(shared: Arc<Shared>, settler: Arc<Settler>) {
    let mut is_end = false;
    while !is_end {
        is_end = tokio::select! {
            () = settler.work.notified() => false,
            () = settler.end.cancelled() => true,
        };
        if let Err(reason) = off_thread(&shared, settle_now).await {
            shared.poison(&reason);
            is_end = true;
        }
        settler.settled.notify_one();
    }
}

fn lags(shared: &Shared) -> bool {
    shared.storage.lag() > LAG_MAX || shared.storage.lag_transactions() > LAG_TRANSACTIONS_MAX
}

/// Runs what may wait for a disk on a thread that may.
async fn off_thread(
    shared: &Arc<Shared>,
    work: impl FnOnce(&Shared) -> Result<(), String> + Send + 'static,
) -> Result<(), String> {
    let shared = Arc::clone(shared);
    let done = tokio::task::spawn_blocking(move || work(&shared)).await;
    done.unwrap_or_else(|error| Err(error.to_string()))
}

fn write_now(
    shared: &Shared,
    records: &[Record],
    blocks: &[Arc<BlockCommit>],
) -> Result<(), String> {
    let started = Instant::now();
    contained(|| shared.storage.persist(records, blocks))?;
    shared.metrics.flushes.add(1);
    shared.metrics.records.add(records.len());
    shared.metrics.flush.observe(started.elapsed());
    Ok(())
}

/// Brings the tables up, and drops vote records that no epoch needs.
fn settle_now(shared: &Shared) -> Result<(), String> {
    if shared.is_crashed() {
        return Ok(());
    }
    contained(|| shared.storage.apply().map(drop))?;
    match shared.retire_before.swap(0, Ordering::Relaxed) {
        0 => Ok(()),
        epoch => contained(|| shared.storage.retire(Epoch(epoch))),
    }
}

fn contained(call: impl FnOnce() -> Result<(), StorageError>) -> Result<(), String> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(panic) => Err(format!("panic: {}", panic_text(&*panic))),
    }
}

/// Batches on the way to the disk; the engine is that much ahead at most.
const BATCHES_MAX: usize = 4;

/// Blocks that are durable and not in the tables yet; beyond this the engine is held back.
const LAG_MAX: usize = 32;

/// Their transactions, a full block's worth: each takes some 1.5 kB until it is in the tables.
const LAG_TRANSACTIONS_MAX: usize = 10_000;
