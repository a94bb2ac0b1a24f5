//! Messages as bytes, and the memo of what checking them gave.

use std::sync::Arc;

use crate::engine::Engine;
use crate::engine::input::{Input, Late, PeerId, VerifiedMessage};
use crate::engine::verify::{MessageError, VerifyContext, verify_message};
use crate::types::chain::Epoch;
use crate::types::encode::{decode, encode};
use crate::types::hash::{SetHash, Wtxid};
use crate::types::map::HashMap;
use crate::types::message::{FRAME_BYTES_MAX, Message};
use crate::types::verified::VerifiedTransaction;

/// A message on its way.
#[derive(Clone, Debug)]
pub struct Wire {
    /// What is sent.
    pub bytes: Vec<u8>,
    /// The hash of the bytes.
    pub id: [u8; 32],
    /// The kind of message, for metrics; of bytes that are none, `"garbage"`.
    pub kind: &'static str,
}

impl Wire {
    /// The bytes of a message.
    pub fn new(message: Message) -> Self {
        let bytes = encode(&message);
        Wire { id: *blake3::hash(&bytes).as_bytes(), bytes, kind: message.kind() }
    }

    /// Any bytes.
    pub fn garbage(bytes: Vec<u8>) -> Self {
        Wire { id: *blake3::hash(&bytes).as_bytes(), bytes, kind: "garbage" }
    }
}

/// What checking a message gave.
#[derive(Clone, Debug)]
pub(super) enum Checked {
    Good(VerifiedMessage),
    OtherEpoch(Epoch, Message),
    /// An honest node may have sent it, and it says nothing here.
    Ignored,
    /// No honest node can have sent it.
    Bad(String),
}

impl Checked {
    /// The same without what the engine has no need of, as a real node would tell it.
    pub(super) fn unless_late(self, engine: &Engine) -> Self {
        match self {
            Checked::Good(VerifiedMessage::Ballot(signed))
                if engine.settled().covers(&signed.ballot) =>
            {
                Checked::Good(VerifiedMessage::Late(Late::Ballot(signed.ballot)))
            }
            Checked::Good(VerifiedMessage::Decided(_, certificate))
                if engine.settled().covers_decision(&certificate) =>
            {
                Checked::Good(VerifiedMessage::Late(Late::Decided))
            }
            needed => needed,
        }
    }

    /// What the engine is told, if it is told anything.
    pub(super) fn input(self, from: PeerId) -> Option<Input> {
        match self {
            Checked::Good(message) => Some(Input::Message { from, message }),
            Checked::OtherEpoch(epoch, message) => {
                Some(Input::OtherEpoch { from, epoch, message: Box::new(message) })
            }
            Checked::Ignored | Checked::Bad(_) => None,
        }
    }
}

/// The sets against which a message was checked: the answer depends on nothing else.
type Key = ([u8; 32], (Epoch, SetHash), (Epoch, SetHash));

/// Remembers what checking gave, so that each signature of a network is checked once. A memo
/// of a pure function: with it or without, every run is the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Memo {
    checked: HashMap<Key, Checked>,
    transactions: HashMap<Wtxid, VerifiedTransaction>,
    is_off: bool,
}

impl Memo {
    pub(super) fn new(is_off: bool) -> Self {
        Memo { is_off, ..Memo::default() }
    }

    /// Decodes and checks a message as the node of `engine` would.
    pub(super) fn check(&mut self, wire: &Wire, engine: &Engine) -> Checked {
        let (chain, state) = (engine.chain(), engine.state());
        let current = (state.epoch(chain), &state.masternodes);
        let tip = (chain.params().epoch_of(state.tip.height), &state.tip_masternodes);
        let key = (wire.id, (current.0, current.1.hash()), (tip.0, tip.1.hash()));
        if let Some(known) = self.checked.get(&key).filter(|_| !self.is_off) {
            return known.clone();
        }
        let known = |wtxid: &Wtxid| self.transactions.get(wtxid).filter(|_| !self.is_off).cloned();
        let context = VerifyContext { chain, current, tip, known: &known };
        let checked = check(wire, &context);
        self.remember(key, &checked);
        checked
    }

    /// A transaction was verified.
    pub(super) fn note_transaction(&mut self, transaction: &VerifiedTransaction) {
        if self.is_off {
            return;
        }
        if self.transactions.len() >= TRANSACTIONS_MAX {
            self.transactions.clear();
        }
        self.transactions.insert(transaction.wtxid(), transaction.clone());
    }

    fn remember(&mut self, key: Key, checked: &Checked) {
        if self.is_off {
            return;
        }
        if let Checked::Good(VerifiedMessage::Transaction(transaction)) = checked {
            self.note_transaction(transaction);
        }
        if self.checked.len() >= CHECKED_MAX {
            self.checked.clear();
        }
        self.checked.insert(key, checked.clone());
    }
}

fn check(wire: &Wire, context: &VerifyContext<'_>) -> Checked {
    let message: Message = match decode("message", &wire.bytes, FRAME_BYTES_MAX) {
        Ok(message) => message,
        Err(error) => return Checked::Bad(error.to_string()),
    };
    match verify_message(message.clone(), context) {
        Ok(message) => Checked::Good(message),
        Err(MessageError::OtherEpoch { epoch }) => Checked::OtherEpoch(epoch, message),
        Err(error) if error.is_innocent() => Checked::Ignored,
        Err(error) => Checked::Bad(error.to_string()),
    }
}

/// Messages that are remembered; then the memo begins anew.
const CHECKED_MAX: usize = 10_000;

/// Transactions that are remembered; then the memo begins anew.
const TRANSACTIONS_MAX: usize = 5_000;

/// A message that is shared by all who receive it.
pub(super) type SharedWire = Arc<Wire>;
