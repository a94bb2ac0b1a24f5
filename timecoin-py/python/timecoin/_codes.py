"""The stable numbers of errors, the same in Rust, C and Python."""

from __future__ import annotations

from enum import IntEnum

from ._timecoin import ERROR_CODES

__all__ = ["ErrorCode"]

_CATEGORIES = {number: category for number, _, category, _ in ERROR_CODES}
_RETRYABLE = {number for number, _, _, retryable in ERROR_CODES if retryable}


class ErrorCode(IntEnum):
    """What went wrong, as a number that never changes its meaning and is never used again.

    The thousands are the category: 1 request, 2 peer, 3 storage, 4 internal.
    """

    INVALID_ARGUMENT = 1001
    """An argument that is never right: empty, out of range, of another network."""
    INVALID_CONFIG = 1002
    """A field of the configuration that is out of its range."""
    INVALID_GENESIS = 1003
    """A genesis that can't start a chain."""
    INVALID_ADDRESS = 1004
    """A text that is no address, or one of another network."""
    INVALID_AMOUNT = 1005
    """A text that is no amount."""
    INVALID_KEY = 1006
    """Bytes that are no key."""
    MALFORMED = 1007
    """Bytes or a text that are not of the kind asked for."""
    NOT_FOUND = 1008
    """No such transaction, block or output here."""
    TIMEOUT = 1009
    """It did not happen in the time given; it may still."""
    NOT_RUNNING = 1010
    """The node is not started."""
    CLOSED = 1011
    """The node is closing or closed."""
    BUSY = 1012
    """The node has more to do than its queues hold."""
    CANNOT_PRODUCE_BLOCK = 1013
    """This node can't make a block on demand."""
    INSUFFICIENT_FUNDS = 1014
    """The wallet's coins don't cover amount and fee."""
    TOO_MANY_COINS = 1015
    """The amount takes more coins than one transaction may spend."""
    NO_PROOF = 1016
    """The node does not hold the finality proof of that transaction."""
    UNKNOWN_ADDRESS = 1017
    """The wallet does not hold the key of that address."""
    ALREADY_STARTED = 1018
    """The node was started before."""
    INVALID_DURATION = 1019
    """A text that is no duration."""
    NOT_REACHED = 1020
    """A simulation's condition did not come true in the virtual time given; it may still."""
    CANNOT_LISTEN = 1021
    """The address to listen on is taken, or not this machine's."""
    CHAIN_EXISTS = 1022
    """A data directory to be filled has a chain already."""
    NULL_ARGUMENT = 1040
    """A null pointer where C must pass a value."""
    INVALID_HANDLE = 1041
    """A handle that was freed or never given out."""
    FORKED_PROCESS = 1042
    """The library was loaded before a fork: open nodes in the process that uses them."""
    BUFFER_TOO_SMALL = 1043
    """A buffer of the caller is too small for the answer."""
    INTERRUPTED = 1044
    """The host's signal handler ended a wait."""

    TRANSACTION_MALFORMED = 1100
    """Not the canonical bytes of a transaction."""
    TRANSACTION_UNKNOWN_VERSION = 1101
    """A transaction version that does not exist."""
    TRANSACTION_TOO_LARGE = 1102
    """A transaction over the size limit."""
    TRANSACTION_INPUT_COUNT = 1103
    """No input, or too many."""
    TRANSACTION_OUTPUT_COUNT = 1104
    """No output, or too many."""
    TRANSACTION_DUPLICATE_INPUT = 1105
    """One output spent twice in one transaction."""
    TRANSACTION_DUST = 1106
    """An output below the least value."""
    TRANSACTION_OVERFLOW = 1107
    """A sum that does not fit 64 bits."""
    TRANSACTION_BAD_SIGNATURE = 1108
    """A signature that does not hold."""
    TRANSACTION_UNEXPECTED_COINBASE = 1109
    """A reward outside a block."""
    TRANSACTION_BAD_REGISTRATION = 1110
    """A registration whose own fields are wrong."""
    TRANSACTION_BAD_PROOF = 1111
    """A registration or deregistration that the consensus key did not sign."""
    TRANSACTION_BAD_EVIDENCE = 1112
    """Evidence that proves nothing."""
    TRANSACTION_STALE_EVIDENCE = 1113
    """Evidence that changes nothing."""
    TRANSACTION_UNKNOWN_INPUT = 1114
    """An input whose transaction is not known."""
    TRANSACTION_INPUT_SPENT = 1115
    """An input that a decided block has spent."""
    TRANSACTION_WRONG_KEY = 1116
    """A key that does not own the input."""
    TRANSACTION_INSUFFICIENT_INPUTS = 1117
    """More goes out than comes in."""
    TRANSACTION_FEE_TOO_LOW = 1118
    """Too little is left for the fee."""
    TRANSACTION_LOCK_TIME = 1119
    """The lock time lies ahead."""
    TRANSACTION_IMMATURE_COINBASE = 1120
    """A reward that is too young to spend."""
    TRANSACTION_COLLATERAL_LOCKED = 1121
    """The collateral of a masternode that has not left."""
    TRANSACTION_MASTERNODE_EXISTS = 1122
    """The consensus key is registered already."""
    TRANSACTION_UNKNOWN_MASTERNODE = 1123
    """The consensus key is not registered."""

    CONFLICTS_WITH_APPROVED = 1200
    """Another transaction with the same input is approved."""
    CONFLICTS_WITH_FINAL = 1201
    """Another transaction with the same input is final."""
    CONFLICTS_WITH_CONFIRMED = 1202
    """Another transaction with the same input is in a decided block."""
    REJECTED_BY_QUORUM = 1203
    """A quorum of masternodes rejected it."""
    MEMPOOL_FULL = 1204
    """The mempool is full of transactions that pay more."""
    EVICTED = 1205
    """Pushed out of the mempool by transactions that pay more."""
    PARENT_TIMEOUT = 1206
    """The transactions that it spends did not come in time."""
    WAITING_ROOM_FULL = 1207
    """Too many transactions wait for unknown inputs."""

    PROOF_OTHER_SET = 2001
    """A certificate of another masternode set."""
    PROOF_OTHER_SUBJECT = 2002
    """A certificate about something else."""
    PROOF_TOO_FEW_SIGNERS = 2003
    """A certificate with fewer signers than a quorum."""
    PROOF_SIGNER_ORDER = 2004
    """A certificate with signers out of order or twice."""
    PROOF_BAD_SIGNATURE = 2005
    """A certificate with a signature that does not hold."""
    INVALID_MESSAGE = 2010
    """A message that no honest node can have sent."""

    STORAGE_IO = 3001
    """The operating system refused a file operation."""
    STORAGE_LOCKED = 3002
    """Another node has the data directory open."""
    STORAGE_WRONG_CHAIN = 3003
    """The data directory belongs to another chain."""
    STORAGE_WRONG_KIND = 3004
    """The directory holds a log of another kind."""
    STORAGE_UNSUPPORTED_FORMAT = 3005
    """The data was written by a version that this one can't read."""
    STORAGE_DAMAGED = 3006
    """Bytes that were once on disk are gone or altered."""
    STORAGE_RECORD_TOO_LARGE = 3007
    """A record is larger than its log takes."""
    STORAGE_BATCH_TOO_LARGE = 3008
    """A batch is larger than its log takes."""
    STORAGE_NO_RECORD = 3009
    """No record at a position that should have one."""
    STORAGE_PRUNED = 3010
    """The record was dropped with old ones."""
    STORAGE_FAILED = 3011
    """An earlier write failed, so nothing more is written until the store is opened again."""
    STORAGE_SEGMENTS_USED_UP = 3012
    """The highest segment number is taken."""
    STORAGE_FULL = 3013
    """The disk is full."""
    STORAGE_READ_ONLY = 3014
    """The directory can't be written to."""
    STORAGE_TABLES = 3015
    """The derived tables can't be used and could not be rebuilt."""
    STORAGE_BAD_RECORD = 3016
    """A record is whole, and is not what belongs there."""
    STORAGE_LOG_MISSING = 3017
    """The block log is gone, or its beginning is."""
    STORAGE_BASE_DAMAGED = 3018
    """What the store begins from instead of the genesis is damaged."""

    POISONED = 4001
    """The node stopped writing after a failure; its text says which."""
    INTERNAL = 4002
    """Something that the code makes impossible happened."""
    NO_THREADS = 4003
    """No thread could be started."""
    NO_RANDOMNESS = 4004
    """The operating system has no randomness to give."""
    INVARIANT_BROKEN = 4005
    """A simulation found an invariant of the protocol broken."""

    @property
    def category(self) -> str:
        """Who can do something about it: `request`, `peer`, `storage` or `internal`."""
        return _CATEGORIES[self.value]

    @property
    def retryable(self) -> bool:
        """Whether the very same request may succeed later."""
        return self.value in _RETRYABLE
