//! Submitting transactions: decode, check, give to the engine, wait for its answer.

use std::sync::Arc;

use super::Node;
use super::error::NodeError;
use super::parking::{Answer, Deadline};
use super::reply::{Answers, SubmitAnswer};
use super::shared::Shared;
use super::verify::{BATCH_MAX, Chunk, Unverified, enter, verify};
use crate::ledger::transaction::decode_transaction;
use crate::types::hash::Txid;
use crate::types::transaction::Transaction;
use crate::types::verified::VerifiedTransaction;

/// A transaction to submit: its canonical bytes, or the value.
#[derive(Clone, Debug)]
pub enum SubmittedTransaction {
    /// As it was received from somewhere; not trusted in any way.
    Bytes(Vec<u8>),
    /// As it was built here.
    Value(Arc<Transaction>),
}

impl From<Vec<u8>> for SubmittedTransaction {
    fn from(bytes: Vec<u8>) -> Self {
        SubmittedTransaction::Bytes(bytes)
    }
}

impl From<&[u8]> for SubmittedTransaction {
    fn from(bytes: &[u8]) -> Self {
        SubmittedTransaction::Bytes(bytes.to_vec())
    }
}

impl From<Transaction> for SubmittedTransaction {
    fn from(transaction: Transaction) -> Self {
        SubmittedTransaction::Value(Arc::new(transaction))
    }
}

impl From<&Transaction> for SubmittedTransaction {
    fn from(transaction: &Transaction) -> Self {
        SubmittedTransaction::Value(Arc::new(transaction.clone()))
    }
}

impl From<Arc<Transaction>> for SubmittedTransaction {
    fn from(transaction: Arc<Transaction>) -> Self {
        SubmittedTransaction::Value(transaction)
    }
}

impl Node {
    /// Submits a transaction and returns when it is admitted or refused. It is final later: see
    /// [`Node::wait_finalized`].
    ///
    /// Submitting again what is known already gives its id again. A transaction whose inputs are
    /// not known yet is admitted and waits for them.
    ///
    /// # Errors
    /// [`NodeError::Transaction`] where it is not valid, [`NodeError::Rejected`] where it is
    /// refused as things stand, [`NodeError::Timeout`] where no answer came in
    /// [`crate::Config::submit_timeout_ms`]: it may still be admitted, and can be submitted again;
    /// [`NodeError::Busy`], [`NodeError::NotRunning`], [`NodeError::Closed`],
    /// [`NodeError::Poisoned`].
    pub fn submit_transaction(
        &self,
        transaction: impl Into<SubmittedTransaction>,
    ) -> Result<Txid, NodeError> {
        let shared = self.shared();
        shared.life.check_running()?;
        shared.metrics.submitted.add(1);
        let transaction = decode(shared, transaction.into())?;
        let deadline = Deadline::after(shared.config.submit_timeout());
        let answers = Answers::new(1);
        let reply = answers.reply(0);
        self.verifier().submit(Unverified { transaction, reply }, deadline);
        let answer = answers.wait(deadline).and_then(|mut answers| answers.pop());
        answer.map_or_else(|| Err(timeout(shared)), |answer| conclude(shared, answer))
    }

    /// Submits many transactions, their signatures checked on all cores, and returns when each
    /// is admitted or refused; the answers are in order. A child may follow its parent.
    ///
    /// Its errors are those of [`Node::submit_transaction`], for each transaction its own.
    pub fn submit_transactions(
        &self,
        transactions: Vec<SubmittedTransaction>,
    ) -> Vec<Result<Txid, NodeError>> {
        let shared = self.shared();
        let n = transactions.len();
        if let Err(error) = shared.life.check_running() {
            return vec![Err(error); n];
        }
        shared.metrics.submitted.add(n);
        let deadline = Deadline::after(shared.config.submit_timeout());
        let answers = Answers::new(n);
        let mut index = 0;
        let mut enter_chunk = |chunk: Vec<Result<VerifiedTransaction, NodeError>>| {
            let replies = (index..index + chunk.len()).map(|index| answers.reply(index));
            index += chunk.len();
            enter(shared, chunk.into_iter().zip(replies), deadline);
        };
        if n <= BATCH_MAX {
            enter_chunk(check(shared, transactions));
        } else {
            for chunk in self.check_chunks(transactions, deadline) {
                enter_chunk(chunk);
            }
        }
        match answers.wait(deadline) {
            Some(answers) => answers.into_iter().map(|answer| conclude(shared, answer)).collect(),
            None => vec![Err(timeout(shared)); n],
        }
    }

    /// Has chunks of transactions checked by other threads, and gives them in order as they come.
    fn check_chunks(
        &self,
        transactions: Vec<SubmittedTransaction>,
        deadline: Deadline,
    ) -> impl Iterator<Item = Vec<Result<VerifiedTransaction, NodeError>>> {
        let mut transactions = transactions.into_iter();
        let mut chunks: Vec<Chunk> = Vec::new();
        let mut checked = Vec::new();
        while transactions.len() > 0 {
            let chunk: Vec<_> = transactions.by_ref().take(BATCH_MAX).collect();
            let answer = Arc::new(Answer::new());
            checked.push((chunk.len(), Arc::clone(&answer)));
            chunks.push(Box::new(move |shared| answer.set(check(shared, chunk))));
        }
        self.verifier().submit_chunks(chunks, deadline);
        checked.into_iter().map(move |(n, answer)| {
            let late = || Err(timeout(self.shared()));
            answer.wait(deadline).unwrap_or_else(|| (0..n).map(|_| late()).collect())
        })
    }
}

/// Decodes and checks on this thread.
fn check(
    shared: &Shared,
    transactions: Vec<SubmittedTransaction>,
) -> Vec<Result<VerifiedTransaction, NodeError>> {
    let mut whole = Vec::with_capacity(transactions.len());
    let broken: Vec<Option<NodeError>> = transactions
        .into_iter()
        .map(|transaction| match decode(shared, transaction) {
            Ok(transaction) => {
                whole.push(transaction);
                None
            }
            Err(error) => Some(error),
        })
        .collect();
    let mut checked = verify(shared, whole).into_iter();
    let lost = || NodeError::Internal { reason: "signature check lost a transaction".to_owned() };
    let result = |error: Option<NodeError>| match error {
        Some(error) => Err(error),
        None => checked.next().unwrap_or_else(|| Err(lost())),
    };
    broken.into_iter().map(result).collect()
}

fn decode(
    shared: &Shared,
    transaction: SubmittedTransaction,
) -> Result<Arc<Transaction>, NodeError> {
    match transaction {
        SubmittedTransaction::Value(transaction) => Ok(transaction),
        SubmittedTransaction::Bytes(bytes) => {
            Ok(Arc::new(decode_transaction(&bytes, shared.chain.params())?))
        }
    }
}

fn timeout(shared: &Shared) -> NodeError {
    NodeError::Timeout { what: "an answer to the submit", after: shared.config.submit_timeout() }
}

fn conclude(shared: &Shared, answer: SubmitAnswer) -> Result<Txid, NodeError> {
    answer.unwrap_or_else(|| Err(shared.refusal()))
}
