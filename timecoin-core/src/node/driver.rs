//! The loop around the engine: wait for an input or a timeout, hand over a batch, give the
//! outputs to the writer. Nothing is decided here.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::actions::Action;
use super::parking::Answer;
use super::reply::Reply;
use super::shared::Shared;
use super::writer::{Batch, Writer};
use crate::engine::input::{Input, PeerId, VerifiedMessage};
use crate::engine::output::{Halt, Output};
use crate::engine::{Engine, Settled};
use crate::ledger::view::UtxoView;
use crate::types::certificate::FinalityCertificate;
use crate::types::chain::{Epoch, Timestamp};
use crate::types::hash::Txid;
use crate::types::message::Message;
use crate::types::verified::VerifiedTransaction;

/// What the driver is asked to do. Thousands may wait, most of them small: the large are boxed.
pub(super) enum Request {
    /// Give a transaction of this node's host to the engine.
    Submit(VerifiedTransaction, Reply),
    /// Give a peer's message to the engine.
    Message(PeerId, Box<VerifiedMessage>),
    /// Give the engine a peer's message of an epoch that is not the node's.
    OtherEpoch(PeerId, Epoch, Box<Message>),
    /// Ask the engine for a block.
    ProduceBlock,
    /// Ask the engine for a proof.
    Certificate(Txid, Arc<Answer<Option<Arc<FinalityCertificate>>>>),
    /// Show the engine.
    Look(Look),
    /// Fail as a bug would.
    #[cfg(test)]
    Panic,
}

/// Reads the engine, the outputs that it knows of and the clock, between two inputs.
pub(super) type Look = Box<dyn FnOnce(&Engine, &dyn UtxoView, Timestamp) + Send>;

/// The one owner of the engine.
pub(super) struct Driver {
    engine: Engine,
    shared: Arc<Shared>,
    writer: Writer,
    batch: Batch,
    replies: HashMap<u64, Reply>,
    ticket: u64,
    /// What was published last.
    settled: Settled,
}

impl Driver {
    pub(super) fn new(engine: Engine, shared: Arc<Shared>, writer: Writer) -> Self {
        Driver {
            settled: engine.settled(),
            engine,
            shared,
            writer,
            batch: Batch::default(),
            replies: HashMap::new(),
            ticket: 0,
        }
    }

    /// Runs until the node halts, or until the engine or the writer fails, which poisons the node.
    /// Replies that are left then say so as they are dropped.
    pub(super) async fn run(mut self) {
        let halt = self.shared.halt.clone();
        if let Err(reason) = self.drive(&halt).await {
            self.shared.poison(&reason);
        }
        for request in self.shared.inbox.close() {
            if let Request::Certificate(_, answer) = request {
                answer.set(None);
            }
        }
    }

    async fn drive(&mut self, halt: &CancellationToken) -> Result<(), String> {
        contained(|| self.collect())?;
        loop {
            let batch = std::mem::take(&mut self.batch);
            if !batch.is_empty() {
                self.writer.write(batch).await?;
            }
            let due = self.engine.poll_timeout();
            let wait = due.map(|due| due.since(self.shared.clock.now()));
            tokio::select! {
                biased;
                () = halt.cancelled() => return Ok(()),
                () = self.shared.inbox.filled() => {}
                () = timeout(wait) => {}
            }
            if self.shared.gate.is_shut() {
                tokio::select! {
                    biased;
                    () = halt.cancelled() => return Ok(()),
                    () = self.shared.gate.pass() => {}
                }
            }
            let requests = self.shared.inbox.take(BATCH_MAX);
            contained(|| self.handle(requests))?;
            self.publish_settled();
            tokio::task::yield_now().await;
        }
    }

    fn handle(&mut self, requests: Vec<Request>) -> Result<(), Halt> {
        self.batch.begin();
        let now = self.shared.clock.now();
        if !requests.is_empty() {
            self.shared.metrics.batches.add(1);
            self.shared.metrics.inputs.add(requests.len());
        }
        for request in requests {
            self.handle_request(request, now)?;
        }
        let mut n_timeouts = 0;
        while n_timeouts < TIMEOUTS_MAX && self.engine.poll_timeout().is_some_and(|due| due <= now)
        {
            n_timeouts += 1;
            let view: &dyn UtxoView = &*self.shared.storage;
            self.engine.handle_timeout(now, view)?;
            self.collect()?;
        }
        Ok(())
    }

    fn handle_request(&mut self, request: Request, now: Timestamp) -> Result<(), Halt> {
        let input = match request {
            Request::Submit(transaction, reply) => {
                self.ticket += 1;
                self.replies.insert(self.ticket, reply);
                Input::Submit { ticket: self.ticket, transaction }
            }
            Request::Message(from, message) => Input::Message { from, message: *message },
            Request::OtherEpoch(from, epoch, message) => Input::OtherEpoch { from, epoch, message },
            Request::ProduceBlock => Input::ProduceBlock,
            Request::Certificate(txid, answer) => {
                answer.set(self.engine.finality_certificate(&txid));
                return Ok(());
            }
            Request::Look(look) => {
                if !self.shared.is_crashed() {
                    look(&self.engine, &*self.shared.storage, now);
                }
                return Ok(());
            }
            #[cfg(test)]
            Request::Panic => panic!("asked to"),
        };
        let view: &dyn UtxoView = &*self.shared.storage;
        self.engine.handle_input(input, now, view)?;
        self.collect()
    }

    /// Tells those who check messages what needs no check any more.
    fn publish_settled(&mut self) {
        let settled = self.engine.settled();
        if settled != self.settled {
            self.settled = settled;
            self.shared.settled.store(Arc::new(settled));
        }
    }

    /// Takes the engine's outputs; a decided block must be seen by its next call.
    fn collect(&mut self) -> Result<(), Halt> {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Persist(record) => self.batch.record(*record),
                Output::Commit(block) => {
                    self.shared.storage.stage(Arc::clone(&block));
                    self.batch.block(block);
                }
                Output::Serve(to, request) => self.batch.action(Action::Serve(to, request)),
                Output::Send(to, message) => self.batch.action(Action::Send(to, message)),
                Output::Submitted { ticket, answer } => {
                    if let Some(reply) = self.replies.remove(&ticket) {
                        self.batch.action(Action::Answer(reply, answer));
                    }
                }
                Output::Notify(event) => self.batch.action(Action::Notify(event)),
            }
        }
        Ok(())
    }
}

/// Waits for the engine's next timeout, if there is one.
async fn timeout(wait: Option<Duration>) {
    match wait {
        None => std::future::pending().await,
        Some(Duration::ZERO) => {}
        Some(wait) => tokio::time::sleep(wait.min(SLEEP_MAX)).await,
    }
}

/// A panic in the engine or the store stops this node, not the process.
fn contained(call: impl FnOnce() -> Result<(), Halt>) -> Result<(), String> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|halt| halt.to_string()),
        Err(panic) => Err(format!("panic: {}", panic_text(&*panic))),
    }
}

/// What a panic says.
pub(super) fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}

/// Inputs handed to the engine between two looks at the clock.
const BATCH_MAX: usize = 1_024;

/// Timeouts handled between two looks at the inbox.
const TIMEOUTS_MAX: usize = 1_024;

/// The clock may jump: the engine's timeout is looked at again at least so often.
const SLEEP_MAX: Duration = Duration::from_secs(1);
