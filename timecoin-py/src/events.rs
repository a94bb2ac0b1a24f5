//! What happens in a node, one class for each kind of event.

use std::sync::Arc;

use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use timecoin_core::{CommitCertificate as CoreCertificate, NodeError, NodeEvent, NodeEventKind};
use timecoin_core::{Network, TransactionStatus};

use crate::block::{Block, CommitCertificate};
use crate::convert::Timeout;
use crate::enums::Enum;
use crate::error::Failure;
use crate::guard::Native;
use crate::hashes::{BlockHash, PublicKey, Txid};
use crate::html::{Maybe, fields, truth};
use crate::info::{status_error, status_height, status_member};

/// Something that happened in a node. Each kind has a subclass with its own fields.
#[pyclass(frozen, subclass, module = "timecoin")]
pub(crate) struct Event {
    sequence: u64,
    at: u64,
    kind: &'static str,
}

#[pymethods]
impl Event {
    /// Counts every event of the node from 1, whoever subscribes: a gap is an overflow.
    #[getter]
    fn sequence(&self) -> u64 {
        self.sequence
    }

    /// When it happened, by the node's clock, in milliseconds since the Unix epoch.
    #[getter]
    fn at(&self) -> u64 {
        self.at
    }

    /// What kind of event it is.
    #[getter]
    fn kind<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Enum::EventKind.member(py, self.kind)
    }

    fn __repr__(&self) -> String {
        fields("Event", &[("sequence", &self.sequence), ("kind", &format!("'{}'", self.kind))])
    }
}

/// A transaction got further. The confirmed ones of a block come before the block.
#[pyclass(frozen, extends = Event, module = "timecoin")]
pub(crate) struct TransactionStatusEvent {
    txid: timecoin_core::Txid,
    status: TransactionStatus,
}

#[pymethods]
impl TransactionStatusEvent {
    /// Which transaction.
    #[getter]
    fn txid(&self) -> Txid {
        Txid(self.txid)
    }

    /// How far it is.
    #[getter]
    fn status<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        status_member(py, &self.status)
    }

    /// The height of its block, where it is confirmed.
    #[getter]
    fn height(&self) -> Option<u64> {
        status_height(&self.status)
    }

    /// Why it was rejected, as a `TimeCoinError`, where it was.
    #[getter]
    fn error(&self, py: Python<'_>) -> Option<Py<PyBaseException>> {
        status_error(py, &self.status)
    }

    fn __repr__(&self) -> String {
        fields(
            "TransactionStatusEvent",
            &[
                ("txid", &format!("'{}'", self.txid)),
                ("status", &format!("'{}'", self.status.name())),
                ("height", &Maybe(self.height())),
            ],
        )
    }
}

/// A block is decided, and on disk where the node has one.
#[pyclass(frozen, extends = Event, module = "timecoin")]
pub(crate) struct BlockConfirmedEvent {
    height: u64,
    hash: timecoin_core::BlockHash,
    block: Arc<timecoin_core::Block>,
    certificate: Arc<CoreCertificate>,
    network: Network,
}

#[pymethods]
impl BlockConfirmedEvent {
    /// Its height.
    #[getter]
    fn height(&self) -> u64 {
        self.height
    }

    /// Its id.
    #[getter]
    fn hash(&self) -> BlockHash {
        BlockHash(self.hash)
    }

    /// The block, with the proof that it is decided.
    #[getter]
    fn block(&self) -> Block {
        Block {
            block: Arc::clone(&self.block),
            certificate: CommitCertificate(Arc::clone(&self.certificate)),
            network: self.network,
        }
    }

    fn __repr__(&self) -> String {
        fields("BlockConfirmedEvent", &[("height", &self.height), ("hash", &self.hash)])
    }
}

macro_rules! event_classes {
    ($($(#[$doc:meta])* $class:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })+) => {$(
        $(#[$doc])*
        #[pyclass(frozen, extends = Event, module = "timecoin")]
        pub(crate) struct $class {
            $($(#[$field_doc])* #[pyo3(get)] $field: $type,)*
        }

        #[pymethods]
        impl $class {
            fn __repr__(&self) -> String {
                fields(stringify!($class), &[$((stringify!($field), &quoted(&self.$field))),*])
            }
        }
    )+};
}

event_classes! {
    /// A round ended without a decision.
    RoundChangedEvent {
        /// The height.
        height: u64,
        /// The round that is entered.
        round: u32,
    }
    /// The masternodes that decide changed.
    EpochBeganEvent {
        /// The new epoch.
        epoch: u64,
    }
    /// A masternode contradicted itself.
    EvidenceFoundEvent {
        /// Who signed both sides.
        offender: PublicKey,
        /// The id of the evidence, hexadecimal.
        evidence_id: String,
    }
    /// The sign guard refused to sign: a bug, or a store that was put back in time.
    SignatureRefusedEvent {
        /// What was about to be signed.
        what: String,
    }
    /// Two certified blocks at one height: too many masternodes are faulty, nothing more is
    /// confirmed here.
    SafetyViolationEvent {
        /// The height.
        height: u64,
        /// The two blocks.
        blocks: (BlockHash, BlockHash),
        /// Who signed for both, ascending.
        signed_both: Vec<PublicKey>,
    }
    /// Something was mended when the store was opened.
    RepairedEvent {
        /// What.
        what: String,
    }
    /// The node signs nothing until the next epoch, since it may have signed what it forgot.
    ObservingEvent {
        /// Why.
        reason: String,
    }
    /// The node stopped writing; reads go on.
    PoisonedEvent {
        /// Why.
        reason: String,
    }
    /// A peer is connected.
    PeerConnectedEvent {
        /// Its node key, proved.
        key: PublicKey,
        /// The other end of the socket, `address:port`.
        address: String,
        /// Whether it dialled this node.
        is_inbound: bool,
    }
    /// A peer is gone.
    PeerDisconnectedEvent {
        /// Its node key.
        key: PublicKey,
        /// Why.
        reason: String,
    }
    /// A peer did what no honest one does; it is not talked to for a while.
    PeerBannedEvent {
        /// Its node key; `None` where it had not proved one.
        key: Option<PublicKey>,
        /// The other end of the socket, `address:port`.
        address: String,
        /// Until when, by the node's clock, in milliseconds since the Unix epoch.
        until: u64,
    }
    /// The clocks of most masternodes differ from this node's by more than 5 s.
    ClockOffsetEvent {
        /// How much they are ahead, in milliseconds; the median.
        offset_ms: i64,
        /// Whether it is more than the chain allows, so that this node sends nothing that it
        /// signs until its clock is right.
        is_withholding: bool,
    }
    /// The node is behind its peers and fetches blocks; told at most once a second.
    SyncProgressEvent {
        /// The height that it has reached.
        height: u64,
        /// The greatest height that a peer says it has.
        target: u64,
        /// Bytes of blocks that came since the node started.
        bytes: u64,
        /// Peers that can be asked.
        n_peers: usize,
    }
    /// This subscriber was slow and lost events; `sequence` is that of the last one lost.
    OverflowEvent {
        /// How many.
        missed: u64,
    }
    /// The node is closed: the last event.
    ClosedEvent {}
}

/// One receiver of a node's events, from the moment it was made; an iterator.
///
/// Events are kept until they are fetched, as many as `Config.event_queue_max`: where it is
/// exceeded the oldest give way, and an `OverflowEvent` says how many. Iteration ends after the
/// `ClosedEvent`, or when no event came within the timeout that it was made with. Dropping it
/// ends the subscription.
#[pyclass(frozen, module = "timecoin", weakref)]
pub(crate) struct Subscription {
    subscription: Native<timecoin_core::Subscription>,
    timeout: Timeout,
    network: Network,
}

#[pymethods]
impl Subscription {
    /// The next event, in order. Ctrl-C ends the wait.
    ///
    /// Raises `timecoin.TimeoutError` where none comes within `timeout` seconds (`None`: no
    /// limit), `RequestError` (`closed`) after the `ClosedEvent` was given.
    #[pyo3(signature = (timeout = Timeout(DEFAULT_TIMEOUT)), text_signature = "($self, timeout=30.0)")]
    fn next_event(&self, py: Python<'_>, timeout: Timeout) -> PyResult<Py<PyAny>> {
        let wait =
            |subscription: &timecoin_core::Subscription, slice| subscription.next_event(slice);
        let event = self.subscription.wait(py, timeout, wait)?;
        event_to_python(py, event, self.network)
    }

    /// The next event if one waits, or `None`.
    fn try_next(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let event = self.subscription.call(py, |subscription| Ok(subscription.try_next()))?;
        event.map(|event| event_to_python(py, event, self.network)).transpose()
    }

    /// Whether the `ClosedEvent` was given: nothing comes any more.
    #[getter]
    fn is_ended(&self, py: Python<'_>) -> PyResult<bool> {
        self.subscription.call(py, |subscription| Ok(subscription.is_ended()))
    }

    /// A file descriptor that can be read while events wait, for `select`, `epoll` or an event
    /// loop's `add_reader`. Don't read or close it: it belongs to the subscription.
    ///
    /// Raises `InternalError` where the process has no file descriptors left.
    fn fileno(&self, py: Python<'_>) -> PyResult<i32> {
        self.subscription.call(py, timecoin_core::Subscription::readiness_fd)
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let wait =
            |subscription: &timecoin_core::Subscription, slice| subscription.next_event(slice);
        match self.subscription.try_wait(py, self.timeout, wait) {
            Ok(event) => event_to_python(py, event, self.network).map(Some),
            Err(Failure::Node(NodeError::Timeout { .. } | NodeError::Closed)) => Ok(None),
            Err(failure) => Err(failure.into_pyerr(py)),
        }
    }

    fn __repr__(&self) -> &'static str {
        "Subscription()"
    }
}

impl Subscription {
    pub(crate) fn new(
        subscription: timecoin_core::Subscription,
        timeout: Timeout,
        network: Network,
    ) -> Self {
        Subscription { subscription: Native::new(subscription), timeout, network }
    }
}

/// An event as the object of its class.
pub(crate) fn event_to_python(
    py: Python<'_>,
    event: NodeEvent,
    network: Network,
) -> PyResult<Py<PyAny>> {
    let base = Event { sequence: event.sequence, at: event.at.0, kind: event.kind.name() };
    let base = PyClassInitializer::from(base);
    macro_rules! make {
        ($event:expr) => {
            Ok(Py::new(py, base.add_subclass($event))?.into_any())
        };
    }
    match event.kind {
        NodeEventKind::TransactionStatus { txid, status } => {
            make!(TransactionStatusEvent { txid, status })
        }
        NodeEventKind::BlockConfirmed { height, hash, block, certificate } => {
            let height = height.0;
            make!(BlockConfirmedEvent { height, hash, block, certificate, network })
        }
        NodeEventKind::RoundChanged { height, round } => {
            make!(RoundChangedEvent { height: height.0, round: round.0 })
        }
        NodeEventKind::EpochBegan { epoch } => make!(EpochBeganEvent { epoch: epoch.0 }),
        NodeEventKind::EvidenceFound { evidence } => make!(EvidenceFoundEvent {
            offender: PublicKey(evidence.offender),
            evidence_id: evidence.id().to_string(),
        }),
        NodeEventKind::SignatureRefused { what } => {
            make!(SignatureRefusedEvent { what: what.to_string() })
        }
        NodeEventKind::SafetyViolation { height, blocks: [first, second], signed_both } => {
            let signed_both = signed_both.iter().copied().map(PublicKey).collect();
            let blocks = (BlockHash(first), BlockHash(second));
            make!(SafetyViolationEvent { height: height.0, blocks, signed_both })
        }
        NodeEventKind::Repaired { what } => make!(RepairedEvent { what: what.to_string() }),
        NodeEventKind::Observing { reason } => {
            make!(ObservingEvent { reason: reason.to_string() })
        }
        NodeEventKind::Poisoned { reason } => {
            make!(PoisonedEvent { reason: reason.to_string() })
        }
        NodeEventKind::PeerConnected { key, address, is_inbound } => {
            let (key, address) = (PublicKey(key), address.to_string());
            make!(PeerConnectedEvent { key, address, is_inbound })
        }
        NodeEventKind::PeerDisconnected { key, reason } => {
            make!(PeerDisconnectedEvent { key: PublicKey(key), reason: reason.to_string() })
        }
        NodeEventKind::PeerBanned { key, address, until } => {
            let (key, address) = (key.map(PublicKey), address.to_string());
            make!(PeerBannedEvent { key, address, until: until.0 })
        }
        NodeEventKind::ClockOffset { offset_ms, is_withholding } => {
            make!(ClockOffsetEvent { offset_ms, is_withholding })
        }
        NodeEventKind::SyncProgress { height, target, bytes, n_peers } => {
            let (height, target) = (height.0, target.0);
            make!(SyncProgressEvent { height, target, bytes, n_peers })
        }
        NodeEventKind::Overflow { missed } => make!(OverflowEvent { missed }),
        NodeEventKind::Closed => make!(ClosedEvent {}),
        _ => Ok(Py::new(py, base)?.into_any()),
    }
}

/// How a field's value is shown.
trait Shown {
    fn shown(&self) -> String;
}

macro_rules! shown {
    ($($type:ty: $value:ident => $text:expr;)+) => {
        $(impl Shown for $type {
            fn shown(&self) -> String {
                let $value = self;
                $text
            }
        })+
    };
}

shown! {
    u64: number => number.to_string();
    u32: number => number.to_string();
    i64: number => number.to_string();
    usize: number => number.to_string();
    bool: is => truth(*is).to_owned();
    String: text => format!("'{text}'");
    PublicKey: key => format!("'{}'", key.0);
    Option<PublicKey>: key => Maybe(key.as_ref().map(Shown::shown)).to_string();
    Vec<PublicKey>: keys => {
        let keys: Vec<String> = keys.iter().map(Shown::shown).collect();
        format!("[{}]", keys.join(", "))
    };
    (BlockHash, BlockHash): blocks => format!("('{}', '{}')", blocks.0.0, blocks.1.0);
}

fn quoted(value: &impl Shown) -> String {
    value.shown()
}

/// How long calls wait that are not told how long.
pub(crate) const DEFAULT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);
