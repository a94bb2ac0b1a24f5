//! A message between two nodes while it is under way.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::input::VerifiedMessage;
use crate::engine::verify::{MessageError, VerifyContext, verify_message};
use crate::types::block::Block;
use crate::types::chain::Epoch;
use crate::types::encode::decode;
use crate::types::hash::SetHash;
use crate::types::message::{FRAME_BYTES_MAX, Message, Request};
use crate::types::transaction::Transaction;

/// A message under way: its canonical bytes as they came over a wire, or the value where both
/// nodes live in one process.
///
/// Every receiver checks it for itself, unless it is [`Parcel::believed`].
#[derive(Debug)]
pub struct Parcel {
    content: Content,
    bytes: usize,
    belief: Option<Mutex<Option<Belief>>>,
}

#[derive(Debug)]
enum Content {
    Value(Box<Message>),
    Bytes(Vec<u8>),
}

/// The masternode sets against which a message was checked: with its bytes and the chain, all
/// that the answer depends on.
type Sets = [(Epoch, SetHash); 2];

/// What a receiver found out, and against which sets.
#[derive(Debug)]
struct Belief {
    sets: Sets,
    message: VerifiedMessage,
}

/// What a receiver finds in a parcel.
pub(super) enum Opened {
    /// Another receiver checked it, against the same masternode sets.
    Believed(Box<VerifiedMessage>),
    /// A transaction, to be checked with others.
    Transaction(Arc<Transaction>),
    /// Something else, to be checked.
    Other(Box<Message>),
}

impl Parcel {
    /// A message that never leaves the process.
    pub fn of(message: Message) -> Self {
        Parcel {
            bytes: bytes_about(&message),
            content: Content::Value(Box::new(message)),
            belief: None,
        }
    }

    /// The bytes of a message; each receiver decodes them.
    pub fn of_bytes(bytes: Vec<u8>) -> Self {
        Parcel { bytes: bytes.len(), content: Content::Bytes(bytes), belief: None }
    }

    /// Lets receivers believe what another receiver of this parcel found out. Checking is a
    /// function of the message and the masternode sets, so nothing changes but what it costs.
    #[must_use]
    pub fn believed(self) -> Self {
        Parcel { belief: Some(Mutex::default()), ..self }
    }

    /// How long it is, about: exact for bytes.
    pub(crate) fn bytes_about(&self) -> usize {
        self.bytes
    }

    /// Its bytes, where it came as bytes.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        match &self.content {
            Content::Bytes(bytes) => Some(bytes),
            Content::Value(_) => None,
        }
    }

    /// What is in it, decoded, with nothing checked that was not checked already.
    pub(super) fn open(&self, context: &VerifyContext<'_>) -> Result<Opened, MessageError> {
        let believed = self.belief().and_then(|belief| belief.as_ref()?.holds(context));
        if let Some(message) = believed {
            return Ok(Opened::Believed(Box::new(message)));
        }
        if let Content::Value(message) = &self.content
            && let Message::Transaction(transaction) = &**message
        {
            return Ok(Opened::Transaction(Arc::clone(transaction)));
        }
        Ok(match self.message()? {
            Message::Transaction(transaction) => Opened::Transaction(transaction),
            other => Opened::Other(Box::new(other)),
        })
    }

    /// The message itself.
    pub(crate) fn message(&self) -> Result<Message, MessageError> {
        match &self.content {
            Content::Value(message) => Ok(Message::clone(message)),
            Content::Bytes(bytes) => Ok(decode("message", bytes, FRAME_BYTES_MAX)?),
        }
    }

    /// Checks its message; of several receivers who may believe each other, one does, and the
    /// others wait for it.
    pub(super) fn check(
        &self,
        message: Message,
        context: &VerifyContext<'_>,
    ) -> Result<VerifiedMessage, MessageError> {
        let Some(mut belief) = self.belief() else { return verify_message(message, context) };
        if let Some(message) = belief.as_ref().and_then(|belief| belief.holds(context)) {
            return Ok(message);
        }
        let message = verify_message(message, context)?;
        *belief = Some(Belief { sets: sets(context), message: message.clone() });
        Ok(message)
    }

    /// Tells the other receivers what this one found out.
    pub(super) fn believe(&self, message: &VerifiedMessage, context: &VerifyContext<'_>) {
        if let Some(mut belief) = self.belief() {
            *belief = Some(Belief { sets: sets(context), message: message.clone() });
        }
    }

    fn belief(&self) -> Option<MutexGuard<'_, Option<Belief>>> {
        self.belief.as_ref().map(|belief| belief.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Belief {
    fn holds(&self, context: &VerifyContext<'_>) -> Option<VerifiedMessage> {
        (self.sets == sets(context)).then(|| self.message.clone())
    }
}

impl From<Message> for Arc<Parcel> {
    fn from(message: Message) -> Self {
        Arc::new(Parcel::of(message))
    }
}

fn sets(context: &VerifyContext<'_>) -> Sets {
    [context.current, context.tip].map(|(epoch, set)| (epoch, set.hash()))
}

/// About the length of a message's bytes, without encoding it.
fn bytes_about(message: &Message) -> usize {
    let transaction = |t: &Transaction| 64 + 136 * t.inputs.len() + 32 * t.outputs.len();
    let block = |b: &Block| b.transactions.iter().map(|t| transaction(t)).sum::<usize>();
    SMALL_BYTES
        + match message {
            Message::Transaction(one) => transaction(one),
            Message::Votes(batch) => VOTE_BYTES * batch.votes.len(),
            Message::CertInventory(inventory) => VOTE_BYTES * inventory.txids.len(),
            Message::DoubleSpend(pair) => transaction(&pair.first) + transaction(&pair.second),
            Message::Proposal(proposal) => block(&proposal.block),
            Message::Decided(decided) => block(&decided.block),
            Message::Block(one) => block(one),
            Message::Request(Request::Transactions(txids)) => VOTE_BYTES * txids.len(),
            Message::Ballot(_) | Message::Request(_) => 0,
            _ => CERTIFICATE_BYTES,
        }
}

/// What every message takes.
const SMALL_BYTES: usize = 128;

/// A kind and an id.
const VOTE_BYTES: usize = 34;

/// A certificate of a dozen masternodes.
const CERTIFICATE_BYTES: usize = 4_096;
