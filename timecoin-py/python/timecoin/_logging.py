"""Log records of nodes in Python's `logging`."""

from __future__ import annotations

from typing import Any

from ._timecoin import _set_log_level, drain_logs

__all__ = ["drain_logs", "enable_logging"]

_TRACE = 5
"""A level below `logging.DEBUG`, for what happens inside of one message."""

# Python's level of each of the native levels, from 0 (nothing) to 5 (everything).
_LEVELS = [60, 40, 30, 20, 10, _TRACE]


def enable_logging(level: int | str = "INFO") -> None:
    """Sends what nodes log, from `level` up, to the loggers `timecoin_core.…` of `logging`.

    `level` is a level of `logging` or its name; `TRACE` (5) is everything, a level above
    `CRITICAL` nothing. Records are queued, and handed over by the thread that makes the next
    call into `timecoin`, or calls `drain_logs()`.

    Raises `ValueError` for a name that is no level.
    """
    import logging

    logging.addLevelName(_TRACE, "TRACE")
    if isinstance(level, str):
        named = logging.getLevelName(level.upper())
        if not isinstance(named, int):
            raise ValueError(f"{level!r} is no level: use ERROR, WARNING, INFO, DEBUG or TRACE")
        level = named
    _set_log_level(sum(1 for python in _LEVELS[1:] if python >= level))


def deliver(records: list[tuple[float, int, str, str]], n_lost: int) -> None:
    """Hands records to `logging`; called by the native part, on the host's thread."""
    import logging

    for created, level, name, message in records:
        _deliver_one(logging, created, _LEVELS[level], name, message)
    if n_lost:
        logging.getLogger("timecoin").warning("%d log records were lost: call more often", n_lost)


def _deliver_one(logging: Any, created: float, level: int, name: str, message: str) -> None:
    logger = logging.getLogger(name)
    if not logger.isEnabledFor(level):
        return
    fields = {
        "name": name,
        "levelno": level,
        "levelname": logging.getLevelName(level),
        "msg": message,
        "created": created,
        "msecs": (created % 1) * 1000,
    }
    logger.handle(logging.makeLogRecord(fields))
