//! Asks, judges, keeps and tells, until all is here.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::BootstrapProgress;
use super::host::Newcomer;
use super::journal::Journal;
use crate::ledger::commitment::UtxoSetHash;
use crate::ledger::state::{LedgerState, utxo_element};
use crate::ledger::view::Utxo;
use crate::network::{Network, PeerAnswer, SnapshotAnswer};
use crate::node::clock::Clock;
use crate::node::config::Config;
use crate::node::error::NodeError;
use crate::node::parking::Deadline;
use crate::node::runtime::Runtime;
use crate::node::wire::bind;
use crate::params::Chain;
use crate::storage::StorageError;
use crate::storage::base::{Base, BaseWriter, remove_unfinished};
use crate::sync::headers::{Anchor, HeaderPage, HeaderRules};
use crate::sync::snapshot::{Certified, Output, Record, Snapshot, SnapshotLimits};
use crate::types::transaction::OutPoint;

/// A bootstrap that goes on.
pub(super) struct Fetch<P> {
    chain: Chain,
    dir: PathBuf,
    sync: bool,
    clock: Arc<Clock>,
    network: Arc<Network>,
    answers: Receiver<PeerAnswer>,
    snapshot: Snapshot,
    journal: Journal,
    on_progress: P,
    told_at: Option<Instant>,
    n_written: u64,
    /// When so many bytes had come, ascending: the last seconds.
    rates: VecDeque<(Instant, u64)>,
    runtime: Runtime,
}

impl<P: FnMut(&BootstrapProgress) -> bool> Fetch<P> {
    /// Connects with the peers, and takes up what an earlier call kept.
    pub(super) fn begin(
        config: &Config,
        chain: &Chain,
        dir: &Path,
        on_progress: P,
    ) -> Result<Self, NodeError> {
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).map_err(|_| crate::types::keys::KeyError::NoRandomness)?;
        let begin = || {
            let limits = SnapshotLimits::default();
            Snapshot::new(chain.clone(), limits, u64::from_le_bytes(seed))
        };
        let sync = config.sync_writes;
        let (journal, snapshot) = Journal::open(dir, *chain.id(), sync, begin)?;
        let runtime = match config.runtime_threads {
            0 => Runtime::shared()?,
            threads => Runtime::new(threads)?,
        };
        let network = Arc::new(bind(config, chain, None, None)?);
        let answers = network.fetch_snapshot();
        let clock = Arc::new(Clock::new());
        let host = Newcomer {
            chain: chain.clone(),
            clock: Arc::clone(&clock),
            genesis: Arc::new(LedgerState::genesis(chain)),
        };
        network.start(Arc::new(host), runtime.handle());
        Ok(Fetch {
            chain: chain.clone(),
            dir: dir.to_path_buf(),
            sync,
            clock,
            network,
            answers,
            snapshot,
            journal,
            on_progress,
            told_at: None,
            n_written: 0,
            rates: VecDeque::new(),
            runtime,
        })
    }

    /// Goes on until the base is in its place; none where the deadline passes before.
    pub(super) fn run(&mut self, deadline: Deadline) -> Result<Option<Base>, NodeError> {
        loop {
            self.snapshot.on_peers(&self.network.snapshot_peers());
            while let Some(output) = self.snapshot.poll(self.clock.now()) {
                if let Some(base) = self.perform(output, deadline)? {
                    return Ok(Some(base));
                }
            }
            self.tell()?;
            let Some(left) = deadline.left() else { return Ok(None) };
            match self.answers.recv_timeout(left.min(LOOK_EVERY)) {
                Ok(answer) => self.on_answer(answer),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(NodeError::Closed),
            }
        }
    }

    /// Ends all connections.
    pub(super) fn end(&self) {
        self.network.stop();
        let (sender, ended) = mpsc::channel();
        let network = Arc::clone(&self.network);
        self.runtime.handle().spawn(async move {
            network.ended().await;
            // Nobody may be waiting any more.
            let _ = sender.send(());
        });
        let _ = ended.recv_timeout(END_MAX);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.snapshot.progress(self.clock.now()).bytes
    }

    fn perform(&mut self, output: Output, deadline: Deadline) -> Result<Option<Base>, NodeError> {
        match output {
            Output::Ask(ask) => self.network.ask(&ask),
            Output::Keep(record) => {
                self.journal.keep(&record)?;
                if matches!(record, Record::Page { .. }) {
                    self.told_at = None;
                    self.tell()?;
                }
            }
            Output::Forget => self.journal.forget()?,
            Output::Blame(peer) => {
                tracing::warn!(%peer, "it sent outputs or a state that nobody decided");
                self.network.blame(&peer, crate::sync::BadAnswer::OtherOutputs);
            }
            Output::Finish(state) => return self.finish(*state, deadline),
        }
        Ok(None)
    }

    fn on_answer(&mut self, answer: PeerAnswer) {
        let (now, bytes, peer) = (self.clock.now(), answer.bytes, answer.peer);
        let taken = match answer.answer {
            SnapshotAnswer::Headers(headers) => {
                let is_awaited = self.snapshot.awaits_headers(&peer, headers.id);
                let followed = is_awaited.then(|| self.follow(&headers.page)).flatten();
                self.snapshot.on_headers(peer, headers.id, followed, bytes, now)
            }
            SnapshotAnswer::Blocks(blocks) => {
                let all: Vec<_> = blocks.blocks.into_iter().map(|decided| decided.block).collect();
                self.snapshot.on_blocks(peer, blocks.id, &all, bytes, now)
            }
            SnapshotAnswer::Outputs(outputs) => {
                self.snapshot.on_outputs(peer, outputs.id, outputs.page, bytes, now)
            }
            SnapshotAnswer::State(id, state) => self.snapshot.on_state(peer, id, state, bytes, now),
        };
        if let Err(bad) = taken {
            tracing::debug!(%peer, ?bad, "a bad answer");
            self.network.blame(&peer, bad);
        }
    }

    fn follow(&self, page: &HeaderPage) -> Option<(Vec<Certified>, Anchor)> {
        let epoch_of = |height| self.chain.params().epoch_of(height);
        let rules = HeaderRules { chain_id: self.chain.id(), epoch_of: &epoch_of };
        let anchor = self.snapshot.anchor();
        let followed = rules.follow(anchor, page);
        let followed =
            followed.inspect_err(|error| tracing::debug!(%error, "headers prove nothing")).ok()?;
        let new = page.links.iter().filter(|link| link.header.height > anchor.height);
        let certified =
            new.zip(followed.hashes).map(|(link, hash)| Certified::new(&link.header, hash));
        Some((certified.collect(), followed.end))
    }

    /// Writes the set that the pages and the blocks make, and puts it in its place if it is the one
    /// that the state says.
    fn finish(
        &mut self,
        state: LedgerState,
        deadline: Deadline,
    ) -> Result<Option<Base>, NodeError> {
        let mut writer = BaseWriter::create(&self.dir, self.sync)?;
        let found = thread::scope(|scope| {
            let (sender, outputs) = sync_channel::<Vec<(OutPoint, Utxo)>>(HASHED_BEHIND_MAX);
            let hashing = scope.spawn(move || hash_all(&outputs));
            let is_written = self.write(&mut writer, &sender, deadline)?;
            drop(sender);
            let hash = hashing.join().unwrap_or_default();
            Ok::<_, NodeError>(is_written.then_some(hash))
        });
        self.n_written = 0;
        let found = found.inspect_err(|_| drop(remove_unfinished(&self.dir)))?;
        let Some(found) = found else { return Ok(None) };
        if found != state.utxo_set {
            tracing::warn!(height = %state.tip.height, "the outputs are not those of the block");
            remove_unfinished(&self.dir)?;
            self.snapshot.on_mismatch(self.clock.now());
            return Ok(None);
        }
        let base = writer.install(&self.chain, state)?;
        self.journal.remove()?;
        Ok(Some(base))
    }

    /// Whether it came to an end before the deadline.
    fn write(
        &mut self,
        writer: &mut BaseWriter,
        hashing: &SyncSender<Vec<(OutPoint, Utxo)>>,
        deadline: Deadline,
    ) -> Result<bool, NodeError> {
        let came = self.journal.outputs()?;
        let overlay = self.snapshot.overlay().clone();
        let mut outputs = overlay.merge(came);
        loop {
            let some: Vec<_> =
                outputs.by_ref().take(WRITTEN_AT_ONCE).collect::<Result<_, StorageError>>()?;
            if some.is_empty() {
                return Ok(true);
            }
            for (outpoint, utxo) in &some {
                writer.push(outpoint, utxo)?;
            }
            self.n_written += some.len() as u64;
            // The thread ends where all senders have, not before.
            let _ = hashing.send(some);
            self.tell()?;
            if deadline.left().is_none() {
                return Ok(false);
            }
        }
    }

    /// Tells of the progress now and then.
    ///
    /// # Errors
    /// [`NodeError::Interrupted`] where it is to end.
    fn tell(&mut self) -> Result<(), NodeError> {
        let now = Instant::now();
        if self.told_at.is_some_and(|at| now.duration_since(at) < TELL_EVERY) {
            return Ok(());
        }
        self.told_at = Some(now);
        let progress = self.snapshot.progress(self.clock.now());
        self.rates.push_back((now, progress.bytes));
        if self.rates.len() > RATES_MAX {
            self.rates.pop_front();
        }
        let bytes_per_second = self.rates.front().map_or(0, |(since, bytes)| {
            let ms = now.duration_since(*since).as_millis().max(1);
            let rate = u128::from(progress.bytes - bytes) * 1_000 / ms;
            u64::try_from(rate).unwrap_or(u64::MAX)
        });
        let goes_on = (self.on_progress)(&BootstrapProgress {
            headers: progress.headers,
            target: progress.target,
            n_outputs: progress.n_outputs,
            n_written: self.n_written,
            bytes: progress.bytes,
            bytes_per_second,
            n_peers: progress.n_peers,
        });
        if goes_on { Ok(()) } else { Err(NodeError::Interrupted) }
    }
}

fn hash_all(outputs: &Receiver<Vec<(OutPoint, Utxo)>>) -> UtxoSetHash {
    let mut hash = UtxoSetHash::new();
    for some in outputs.iter() {
        for (outpoint, utxo) in &some {
            hash.insert(&utxo_element(outpoint, utxo));
        }
    }
    hash
}

/// Peers come and go, and answers may be late.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Between two reports of progress.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// Reports over which the rate is taken: 5 s.
const RATES_MAX: usize = 25;

/// How long the end of the connections is waited for.
const END_MAX: Duration = Duration::from_secs(10);

/// Outputs between two looks at the deadline, and pieces that wait to be hashed.
const WRITTEN_AT_ONCE: usize = 4_096;
const HASHED_BEHIND_MAX: usize = 16;
