"""States and kinds, by the names that they have in all languages. Each member is a `str` too."""

from __future__ import annotations

from enum import Enum

__all__ = [
    "EventKind",
    "Network",
    "NodeState",
    "Origin",
    "OutpointState",
    "SimNodeState",
    "TransactionStatus",
]


class _Name(str, Enum):
    """A name that compares equal to its text."""

    def __str__(self) -> str:
        return str.__str__(self)

    def __format__(self, spec: str) -> str:
        return str.__format__(self, spec)


class TransactionStatus(_Name):
    """How far a transaction is."""

    PENDING = "pending"
    """Known, and neither approved nor rejected here; it may wait for an input."""
    APPROVED = "approved"
    """This masternode has recorded its Approve."""
    CERTIFIED = "certified"
    """A quorum approved it."""
    FINALIZED = "finalized"
    """A quorum committed to it: irreversible."""
    CONFIRMED = "confirmed"
    """It is in a decided block: irreversible and permanent."""
    REJECTED = "rejected"
    """It will not be confirmed as things stand."""
    CONTESTED = "contested"
    """Masternodes are split between it and another; the next block decides."""

    @property
    def is_final(self) -> bool:
        """Whether it can never be undone."""
        return self in (TransactionStatus.FINALIZED, TransactionStatus.CONFIRMED)


class NodeState(_Name):
    """Where a node is in its life."""

    NEW = "new"
    """Opened and not started: reads answer."""
    RUNNING = "running"
    """Taking part."""
    CLOSING = "closing"
    """Finishing what was begun; nothing new is taken."""
    CLOSED = "closed"
    """Everything is on disk and let go of."""
    POISONED = "poisoned"
    """Stopped writing after a failure: reads answer, writes refuse and say why."""


class SimNodeState(_Name):
    """Whether a node of a simulation takes part."""

    RUNNING = "running"
    """It runs."""
    PAUSED = "paused"
    """It stands still; its messages wait."""
    DOWN = "down"
    """It is stopped."""
    HALTED = "halted"
    """It stopped by itself."""


class OutpointState(_Name):
    """How far the spending of an output is."""

    UNSPENT = "unspent"
    """Nothing spends it."""
    LOCKED = "locked"
    """This masternode has recorded its Approve for the spending transaction."""
    SPENT_PENDING = "spent_pending"
    """A quorum approved the spending transaction."""
    SPENT_FINALIZED = "spent_finalized"
    """A quorum committed to the spending transaction: irreversible."""
    CONFIRMED = "confirmed"
    """The spending transaction is in a decided block."""


class Origin(_Name):
    """Where an output comes from, as far as spending it depends on that."""

    TRANSFER = "transfer"
    """A transfer or the genesis."""
    COINBASE = "coinbase"
    """The reward of a block: it matures."""
    COLLATERAL = "collateral"
    """Locked by the registration of a masternode until that has left."""


class Network(_Name):
    """The kind of network, which addresses show."""

    MAINNET = "mainnet"
    """Coins with a value."""
    TESTNET = "testnet"
    """Coins without a value, many machines."""
    REGTEST = "regtest"
    """A chain of one's own, for tests."""


class EventKind(_Name):
    """What kind of event it is; each has a class of its own."""

    TRANSACTION_STATUS = "transaction_status"
    BLOCK_CONFIRMED = "block_confirmed"
    ROUND_CHANGED = "round_changed"
    EPOCH_BEGAN = "epoch_began"
    EVIDENCE_FOUND = "evidence_found"
    SIGNATURE_REFUSED = "signature_refused"
    SAFETY_VIOLATION = "safety_violation"
    REPAIRED = "repaired"
    OBSERVING = "observing"
    POISONED = "poisoned"
    PEER_CONNECTED = "peer_connected"
    PEER_DISCONNECTED = "peer_disconnected"
    PEER_BANNED = "peer_banned"
    CLOCK_OFFSET = "clock_offset"
    SYNC_PROGRESS = "sync_progress"
    OVERFLOW = "overflow"
    CLOSED = "closed"
