"""Events for `asyncio`: waits on a file descriptor in whichever loop asks, without a thread."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from ._codes import ErrorCode
from ._errors import TimeoutError

if TYPE_CHECKING:
    from ._enums import TransactionStatus
    from ._timecoin import Event, Node, Subscription, Txid

__all__ = ["AsyncSubscription", "wait_finalized"]


class AsyncSubscription:
    """A receiver of a node's events, for `async for`. One task at a time may wait on it."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription

    def __aiter__(self) -> AsyncSubscription:
        return self

    async def __anext__(self) -> Event:
        while True:
            event = self._subscription.try_next()
            if event is not None:
                return event
            if self._subscription.is_ended:
                raise StopAsyncIteration
            await self._readable()

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        readable = loop.create_future()
        fd = self._subscription.fileno()
        loop.add_reader(fd, _set, readable)
        try:
            await readable
        finally:
            loop.remove_reader(fd)

    def __repr__(self) -> str:
        return "AsyncSubscription()"


async def wait_finalized(node: Node, txid: Txid, timeout: float | None) -> TransactionStatus:
    """As `Node.wait_finalized`, on the running loop."""
    events = AsyncSubscription(node.events())
    # An answer that is there already needs no time.
    with suppress(TimeoutError):
        return node.wait_finalized(txid, timeout=0)
    try:
        return await asyncio.wait_for(_wait_finalized(node, txid, events), timeout)
    except asyncio.TimeoutError:
        text = f"finality did not happen within {timeout}s"
        raise TimeoutError(text, ErrorCode.TIMEOUT) from None


async def _wait_finalized(node: Node, txid: Txid, events: AsyncSubscription) -> TransactionStatus:
    while True:
        # Answers at once where it is known what comes of it, or why nothing does.
        with suppress(TimeoutError):
            return node.wait_finalized(txid, timeout=0)
        # Whatever happens next may be it, or have taken its place in a full queue.
        with suppress(StopAsyncIteration):
            await events.__anext__()


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
