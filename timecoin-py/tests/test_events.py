"""Events: order, numbers, overflow, their end; waiting for them in threads and in loops."""

from __future__ import annotations

import asyncio
import gc
import select
import threading
import time

import pytest

import timecoin
from conftest import on_demand
from timecoin import EventKind, TransactionStatus


def test_a_payment_is_told_step_by_step(node, alice, bob):
    events = node.events(timeout=5)
    payment = alice.pay(bob.address, "5 TIME")
    statuses = []
    for event in events:
        assert isinstance(event, timecoin.TransactionStatusEvent)
        assert event.kind is EventKind.TRANSACTION_STATUS and event.txid == payment.txid
        statuses.append(event.status)
        if event.status is TransactionStatus.FINALIZED:
            break
    assert statuses == ["pending", "approved", "certified", "finalized"]
    node.produce_block()
    confirmed, block = next(events), next(events)
    while not isinstance(block, timecoin.BlockConfirmedEvent):
        confirmed, block = block, next(events)
    assert (confirmed.status, confirmed.height) == ("confirmed", 1)
    assert (block.height, block.block.hash) == (1, block.hash)
    assert block.sequence > confirmed.sequence and block.at >= confirmed.at


def test_sequence_numbers_have_no_gap(node, alice, bob):
    events = node.events(timeout=0.2)
    for _ in range(10):
        alice.pay(bob.address, "1 TIME").wait_finalized()
    numbers = [event.sequence for event in events]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) and len(numbers) >= 40


def test_a_slow_subscriber_is_told_what_it_missed(config):
    with timecoin.Node(config.replace(event_queue_max=3)) as node:
        events = node.events(timeout=0.2)
        alice = timecoin.Wallet(node, timecoin.Config.regtest_wallet())
        for _ in range(5):
            alice.pay(alice.address, "1 TIME").wait_finalized()
        first = events.next_event(1)
        assert isinstance(first, timecoin.OverflowEvent) and first.missed > 0
        assert next(events).sequence == first.sequence + 1


def test_iteration_ends_with_the_node(node):
    events = node.events()
    node.close()
    kinds = [event.kind for event in events]
    assert kinds[-1] is EventKind.CLOSED and events.is_ended
    assert list(events) == [] and events.try_next() is None
    with pytest.raises(timecoin.RequestError) as raised:
        events.next_event()
    assert raised.value.name == "closed"


def test_iteration_ends_when_nothing_comes_in_time(node):
    assert list(node.events(timeout=0)) == []
    with pytest.raises(timecoin.TimeoutError):
        node.events().next_event(timeout=0.06)


def test_a_closing_node_wakes_those_who_wait(node):
    ended = []
    waiting = threading.Thread(target=lambda: ended.extend(node.events()))
    waiting.start()
    time.sleep(0.1)
    node.close()
    waiting.join(10)
    assert not waiting.is_alive()


def test_the_file_descriptor_is_ready_when_events_wait(node, alice):
    events = node.events()

    def ready() -> bool:
        return bool(select.select([events], [], [], 0)[0])

    assert not ready()
    alice.pay(alice.address, "1 TIME").wait_finalized()
    assert ready()
    while events.try_next():
        pass
    assert not ready()


def test_a_rejected_transaction_says_why(config):
    keys = timecoin.Config.regtest_wallet()
    orphan = timecoin.Transaction.transfer(
        [("ab" * 32 + ":0", keys.public_key)], [(keys.address(), "1 TIME")]
    )
    with timecoin.Node(config.replace(waiting_ms_max=50)) as node:
        events = node.events(timeout=10)
        txid = node.submit_transaction(orphan.sign(node.chain_id, keys))
        with pytest.raises(timecoin.RequestError) as raised:
            node.wait_finalized(txid)
        assert raised.value.code is timecoin.ErrorCode.PARENT_TIMEOUT
        told = next(event for event in events if event.status is TransactionStatus.REJECTED)
        assert (told.txid, told.error.code) == (txid, timecoin.ErrorCode.PARENT_TIMEOUT)
        assert isinstance(told.error, timecoin.RequestError) and told.height is None
        assert node.transaction_status(txid) is TransactionStatus.REJECTED


def test_async_iteration_follows_a_payment(node, alice, bob):
    async def story() -> list[str]:
        statuses = []
        events = node.events_async()
        payment = alice.pay(bob.address, "5 TIME")
        async for event in events:
            statuses.append(str(event.status))
            if event.status.is_final:
                assert event.txid == payment.txid
                return statuses
        return statuses

    assert asyncio.run(story())[-1] == "finalized"


def test_two_loops_in_two_threads_wait_at_once(node, alice, bob):
    heard: dict[str, list[int]] = {"one": [], "two": []}
    ready = threading.Barrier(3)

    async def listen(name: str) -> None:
        events = node.events_async()
        ready.wait(10)
        async for event in events:
            heard[name].append(event.sequence)

    threads = [threading.Thread(target=asyncio.run, args=(listen(name),)) for name in heard]
    for thread in threads:
        thread.start()
    ready.wait(10)
    for _ in range(5):
        alice.pay(bob.address, "1 TIME").wait_finalized()
    node.close()
    for thread in threads:
        thread.join(10)
    assert heard["one"] == heard["two"] and len(heard["one"]) > 15


def test_one_loop_after_another(node, alice):
    async def pay() -> TransactionStatus:
        payment = alice.pay(alice.address, "1 TIME")
        return await node.wait_finalized_async(payment.txid, timeout=5)

    assert [asyncio.run(pay()) for _ in range(3)] == ["finalized"] * 3


def test_awaiting_gives_up_in_time_and_can_be_cancelled(node):
    async def story() -> None:
        with pytest.raises(timecoin.TimeoutError):
            await node.wait_finalized_async("ab" * 32, timeout=0.05)
        task = asyncio.ensure_future(node.wait_finalized_async("ab" * 32, timeout=None))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())


def test_awaiting_ends_with_the_node():
    async def story() -> None:
        node = timecoin.Node(on_demand())
        task = asyncio.ensure_future(node.wait_finalized_async("ab" * 32))
        await asyncio.sleep(0.05)
        node.close()
        with pytest.raises(timecoin.RequestError, match="closed"):
            await task

    asyncio.run(story())


def test_dropped_subscriptions_are_forgotten(node, alice):
    for _ in range(2_000):
        node.events().fileno()
    gc.collect()
    alice.pay(alice.address, "1 TIME").wait_finalized()
