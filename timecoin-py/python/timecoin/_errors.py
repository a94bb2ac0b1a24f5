"""What is raised, with the numbers that Rust and C share."""

from __future__ import annotations

import builtins
from typing import Any

from ._codes import ErrorCode

__all__ = [
    "InternalError",
    "InvariantError",
    "PeerError",
    "RequestError",
    "StorageError",
    "TimeCoinError",
    "TimeoutError",
]


class TimeCoinError(Exception):
    """Why a call did not do what was asked. Its subclasses say who can do something about it.

    `code` is a stable number. Wrong types of arguments raise `TypeError` instead.
    """

    code: ErrorCode

    def __init__(self, message: str, code: int = ErrorCode.INTERNAL) -> None:
        super().__init__(message)
        self.code = ErrorCode(code)

    @property
    def name(self) -> str:
        """The code's name in lower case, the same in all languages: `insufficient_funds`."""
        return self.code.name.lower()

    @property
    def category(self) -> str:
        """Who can do something about it: `request`, `peer`, `storage` or `internal`."""
        return self.code.category

    @property
    def retryable(self) -> bool:
        """Whether the very same request may succeed later."""
        return self.code.retryable

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), int(self.code))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r}, code={self.code.value})"


class RequestError(TimeCoinError):
    """The caller can do something: the request can't be met as it is. Codes 1000 to 1999."""


class PeerError(TimeCoinError):
    """Another node is to blame, or whoever handed over a proof. Codes 2000 to 2999."""


class StorageError(TimeCoinError):
    """The operator can do something: disk, directory, permissions. Codes 3000 to 3999."""


class InternalError(TimeCoinError):
    """Nobody but the authors, or the node was stopped by an earlier failure. Codes from 4000."""


class TimeoutError(RequestError, builtins.TimeoutError):
    """It did not happen in the time given; it may still, and can be waited for again.

    It is a `builtins.TimeoutError` too.
    """

    def __init__(self, message: str, code: int = ErrorCode.TIMEOUT) -> None:
        super().__init__(message, code)


class InvariantError(InternalError):
    """A simulation found an invariant of the protocol broken: a bug, or more Byzantine
    masternodes than the protocol bears. The simulation raises it from then on.
    """

    check: str
    """Which invariant, as "I1 agreement"."""
    message: str
    """What was found."""
    seed: int
    """The seed of the run."""
    step: int
    """The number of the event after which it was found."""
    at: float
    """Seconds of virtual time that had passed."""
    replay: str | None
    """The command that repeats the run."""

    def __init__(
        self,
        text: str,
        code: int = ErrorCode.INVARIANT_BROKEN,
        check: str = "",
        message: str = "",
        seed: int = 0,
        step: int = 0,
        at: float = 0.0,
        replay: str | None = None,
    ) -> None:
        super().__init__(text, code)
        self.check = check
        self.message = message
        self.seed = seed
        self.step = step
        self.at = at
        self.replay = replay

    def __reduce__(self) -> tuple[Any, ...]:
        fields = (self.check, self.message, self.seed, self.step, self.at, self.replay)
        return type(self), (str(self), int(self.code), *fields)


_CLASSES: dict[str, type[TimeCoinError]] = {
    "request": RequestError,
    "peer": PeerError,
    "storage": StorageError,
    "internal": InternalError,
}


_OF_CODE: dict[ErrorCode, type[TimeCoinError]] = {
    ErrorCode.TIMEOUT: TimeoutError,
    ErrorCode.NOT_REACHED: TimeoutError,
    ErrorCode.INVARIANT_BROKEN: InvariantError,
}


def error_of(code: int, message: str) -> TimeCoinError:
    """The exception of an error code; the native part raises what this returns."""
    known = ErrorCode(code)
    cls = _OF_CODE.get(known) or _CLASSES[known.category]
    return cls(message, known)
