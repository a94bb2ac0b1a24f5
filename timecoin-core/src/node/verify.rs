//! Signatures are checked before the engine, in batches and in parallel.
//!
//! A caller that comes alone checks its own transaction on its own thread, which costs no hop.
//! While as many threads as there are cores check already, transactions gather, and the next
//! thread takes all of them as one batch, which costs half for each. Who brings many at once has
//! them checked in chunks, by as many threads and no more: the engine needs its share of a core
//! to take what was checked.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::runtime::Handle;

use super::driver::Request;
use super::error::NodeError;
use super::parking::Deadline;
use super::reply::Reply;
use super::shared::Shared;
use crate::ledger::transaction::{Known, TransactionError, verify_unknown_transactions};
use crate::types::hash::Wtxid;
use crate::types::transaction::Transaction;
use crate::types::verified::VerifiedTransaction;

/// A transaction that waits for its signatures to be checked.
pub(super) struct Unverified {
    pub(super) transaction: Arc<Transaction>,
    pub(super) reply: Reply,
}

/// Where transactions gather to be checked.
pub(super) struct Verifier {
    state: Mutex<State>,
    shared: Arc<Shared>,
    handle: Handle,
    n_threads_max: usize,
}

struct State {
    waiting: Vec<Unverified>,
    chunks: VecDeque<Chunk>,
    n_threads: usize,
}

/// Checks some transactions and tells who waits for them.
pub(super) type Chunk = Box<dyn FnOnce(&Shared) + Send>;

impl Verifier {
    pub(super) fn new(shared: Arc<Shared>, handle: Handle) -> Arc<Self> {
        let n_threads_max = n_cores();
        let state =
            Mutex::new(State { waiting: Vec::new(), chunks: VecDeque::new(), n_threads: 0 });
        Arc::new(Verifier { state, shared, handle, n_threads_max })
    }

    /// Has a transaction checked and given to the engine, here or by another thread; the reply
    /// comes later.
    pub(super) fn submit(self: &Arc<Self>, unverified: Unverified, deadline: Deadline) {
        let batch = {
            let mut state = self.lock();
            state.waiting.push(unverified);
            if state.n_threads == self.n_threads_max {
                return;
            }
            state.n_threads += 1;
            state.take()
        };
        self.check(batch, deadline);
        let mut state = self.lock();
        if state.is_idle() {
            state.n_threads -= 1;
            return;
        }
        drop(state);
        let verifier = Arc::clone(self);
        self.handle.spawn_blocking(move || verifier.check_all(deadline));
    }

    /// Has chunks checked by other threads, in order.
    pub(super) fn submit_chunks(self: &Arc<Self>, chunks: Vec<Chunk>, deadline: Deadline) {
        let n_new = {
            let mut state = self.lock();
            let n_new = chunks.len().min(self.n_threads_max - state.n_threads);
            state.chunks.extend(chunks);
            state.n_threads += n_new;
            n_new
        };
        for _ in 0..n_new {
            let verifier = Arc::clone(self);
            self.handle.spawn_blocking(move || verifier.check_all(deadline));
        }
    }

    /// Checks batches and chunks until none waits. Who comes with one transaction goes first.
    fn check_all(&self, deadline: Deadline) {
        loop {
            let mut state = self.lock();
            if state.is_idle() {
                state.n_threads -= 1;
                return;
            }
            let batch = state.take();
            if !batch.is_empty() {
                drop(state);
                self.check(batch, deadline);
            } else if let Some(chunk) = state.chunks.pop_front() {
                drop(state);
                chunk(&self.shared);
            }
        }
    }

    /// Checks one batch and gives what holds to the engine.
    fn check(&self, batch: Vec<Unverified>, deadline: Deadline) {
        let (transactions, replies): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|one| (one.transaction, one.reply)).unzip();
        let results = verify(&self.shared, transactions);
        enter(&self.shared, results.into_iter().zip(replies), deadline);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.chunks.is_empty()
    }

    fn take(&mut self) -> Vec<Unverified> {
        if self.waiting.len() <= BATCH_MAX {
            return std::mem::take(&mut self.waiting);
        }
        let later = self.waiting.split_off(BATCH_MAX);
        std::mem::replace(&mut self.waiting, later)
    }
}

/// Checks form and signatures of a batch on this thread, but for what is remembered, and
/// remembers what holds.
pub(super) fn verify(
    shared: &Shared,
    transactions: Vec<Arc<Transaction>>,
) -> Vec<Result<VerifiedTransaction, NodeError>> {
    let n_transactions = transactions.len();
    let check = || verify_and_remember(shared, transactions);
    let Ok(results) = catch_unwind(AssertUnwindSafe(check)) else {
        let internal = || NodeError::Internal { reason: "signature check panicked".to_owned() };
        return (0..n_transactions).map(|_| Err(internal())).collect();
    };
    results.into_iter().map(|result| Ok(result?)).collect()
}

/// The same, and a panic is the caller's.
pub(super) fn verify_and_remember(
    shared: &Shared,
    transactions: Vec<Arc<Transaction>>,
) -> Vec<Result<VerifiedTransaction, TransactionError>> {
    if transactions.is_empty() {
        return Vec::new();
    }
    shared.metrics.verify_batches.add(1);
    shared.metrics.verified.add(transactions.len());
    let known = |wtxid: &Wtxid| shared.verified.get(wtxid);
    let known = Known { transactions: &known, keys: &shared.known_keys };
    let results = verify_unknown_transactions(transactions, &shared.chain, &known);
    results.iter().flatten().for_each(|transaction| shared.verified.insert(transaction));
    results
}

/// Gives verified transactions to the engine in order, and answers for the others.
pub(super) fn enter(
    shared: &Shared,
    checked: impl Iterator<Item = (Result<VerifiedTransaction, NodeError>, Reply)>,
    deadline: Deadline,
) {
    let mut requests = Vec::with_capacity(checked.size_hint().0);
    for (result, reply) in checked {
        match result {
            Ok(transaction) => requests.push(Request::Submit(transaction, reply)),
            Err(error) => {
                shared.metrics.refused.add(1);
                reply.set(Err(error));
            }
        }
    }
    let mut requests = requests.into_iter();
    let Err(error) = shared.inbox.push_all(&mut requests, deadline) else { return };
    for request in requests {
        if let (Request::Submit(_, reply), NodeError::Busy { .. }) = (request, &error) {
            reply.set(Err(error.clone()));
        }
    }
}

/// How many threads can check at once.
pub(super) fn n_cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Transactions in one batch; larger ones gain less than they delay.
pub(super) const BATCH_MAX: usize = 256;
