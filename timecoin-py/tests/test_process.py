"""The node in a process: signals, forks, exits, threads, memory."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import timecoin
from conftest import on_demand

WAITS = {
    "wait_finalized": "node.wait_finalized('ab' * 32, timeout=None)",
    "wait_height": "node.wait_height(5, timeout=None)",
    "events": "list(node.events())",
    "next_event": "node.events().next_event(None)",
}


@pytest.mark.parametrize("wait", list(WAITS))
def test_ctrl_c_ends_a_wait(tmp_path: Path, wait: str):
    path = tmp_path / "script.py"
    path.write_text(
        "import timecoin, sys, time\n"
        "from conftest import on_demand\n"
        "node = timecoin.Node(on_demand())\n"
        "print('waiting', flush=True)\n"
        "try:\n"
        f"    {WAITS[wait]}\n"
        "except KeyboardInterrupt:\n"
        "    node.close()\n"
        "    print('interrupted', node.state)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    process = subprocess.Popen(
        [sys.executable, str(path)], stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == "waiting\n"
        time.sleep(0.2)
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=10) == ("interrupted closed\n", None)
        assert (process.returncode, time.monotonic() - start < 5) == (0, True)
    finally:
        process.kill()
        process.communicate()


def test_a_signal_handler_runs_during_a_wait(node):
    handled = []

    def handle(*_: object) -> None:
        handled.append(time.monotonic())

    before = signal.signal(signal.SIGALRM, handle)
    try:
        start = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(timecoin.TimeoutError):
            node.wait_finalized("ab" * 32, timeout=0.5)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert 0.05 < handled[0] - start < 0.3


FORK = """
import os, timecoin, warnings
from conftest import on_demand

# From 3.12 on Python warns of a fork with threads, which is the point here.
warnings.simplefilter("ignore", DeprecationWarning)

timecoin.enable_logging("TRACE")
node = timecoin.Node(on_demand())
alice = timecoin.Wallet(node, timecoin.Config.regtest_wallet())
payment = alice.pay(alice.address, "1 TIME")
events = node.events()
payment.wait_finalized()
utxos = node.utxos_of(alice.address)

def refused(call):
    try:
        call()
    except timecoin.RequestError as error:
        assert error.code is timecoin.ErrorCode.FORKED_PROCESS, error
        assert "forked" in str(error) and str(os.getppid()) in str(error)
        return
    raise AssertionError("not refused")

child = os.fork()
if child == 0:
    refused(node.tip)
    refused(node.close)
    refused(lambda: alice.pay(alice.address, "1 TIME"))
    refused(lambda: payment.finalized)
    refused(lambda: next(events))
    refused(lambda: next(utxos))
    refused(lambda: timecoin.Node(on_demand()))
    assert repr(node) == "Node(of another process)"
    assert "of another" in repr(alice)
    assert timecoin.Amount("5 TIME").units == 500_000_000
    assert len(bytes(payment.transaction)) > 0
    timecoin.drain_logs()
    del node, alice, payment, events, utxos
    print("child", flush=True)
    os._exit(0)
_, status = os.waitpid(child, 0)
assert status == 0, status
assert node.produce_block() == 1
node.close()
print("parent")
"""


def test_use_after_a_fork_is_a_clear_error(script):
    done = script(FORK)
    assert (done.stdout, done.stderr, done.returncode) == ("child\nparent\n", "", 0)


def test_a_child_may_be_the_first_to_open_a_node(script):
    done = script(
        "import os, timecoin\n"
        "from conftest import on_demand\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    with timecoin.Node(on_demand()) as node:\n"
        "        print(node.produce_block(), flush=True)\n"
        "    os._exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
    )
    assert (done.stdout, done.stderr, done.returncode) == ("1\n", "", 0)


def work(n: int) -> int:
    with timecoin.Node(on_demand()) as node:
        alice = timecoin.Wallet(node, timecoin.Config.regtest_wallet())
        alice.pay(alice.address, n + 1_000).wait_finalized()
        return node.produce_block()


def test_spawned_processes_open_nodes_of_their_own(node):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(work, range(4)) == [1] * 4


EXITS = {
    "end": "",
    "exit": "sys.exit(3)",
    "error": "raise SystemExit('x')",
    "thread": "threading.Thread(target=lambda: list(node.events()), daemon=True).start()",
    "cycle": "node_list = [node]; node_list.append(node_list); del node",
    "builtins": "import builtins; builtins.node = node; builtins.alice = alice",
    "closed": "node.close()",
}


@pytest.mark.parametrize("how", list(EXITS))
@pytest.mark.parametrize("where", ["memory", "disk"])
def test_the_interpreter_exits_with_a_running_node(script, tmp_path, how, where):
    data_dir = repr(str(tmp_path / "data")) if where == "disk" else None
    start = time.monotonic()
    done = script(
        "import sys, threading, timecoin\n"
        "from conftest import on_demand\n"
        "timecoin.enable_logging('TRACE')\n"
        f"node = timecoin.Node(on_demand({data_dir}))\n"
        "alice = timecoin.Wallet(node, timecoin.Config.regtest_wallet())\n"
        "payment = alice.pay(alice.address, '1 TIME')\n"
        "events = node.events()\n"
        f"{EXITS[how]}\n"
    )
    expected = {"exit": 3, "error": 1}.get(how, 0)
    assert (done.returncode, done.stdout) == (expected, ""), done.stderr
    assert done.stderr in ("", "x\n")
    assert time.monotonic() - start < 20


def test_many_threads_pay_from_one_wallet(node, alice, bob):
    alice.pay_many([(alice.address, "10 TIME")] * 40).wait_finalized()
    with ThreadPoolExecutor(8) as pool:
        payments = list(pool.map(lambda _: alice.pay(bob.address, "1 TIME"), range(80)))
        statuses = list(pool.map(lambda payment: payment.wait_finalized(), payments))
    assert {str(status) for status in statuses} <= {"finalized", "confirmed"}
    assert len({payment.txid for payment in payments}) == 80
    assert bob.balance().finalized == timecoin.Amount("80 TIME")


def test_waiting_threads_let_others_run(node):
    threads = [threading.Thread(target=lambda: list(node.events(timeout=1))) for _ in range(20)]
    for thread in threads:
        thread.start()
    n_turns = 0
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        n_turns += 1
    for thread in threads:
        thread.join()
    assert n_turns > 10_000


def test_closing_in_one_thread_ends_calls_in_others(config):
    node = timecoin.Node(config)
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(node.wait_finalized, "ab" * 32, None) for _ in range(4)]
        time.sleep(0.1)
        node.close()
        for call in calls:
            with pytest.raises(timecoin.RequestError, match="closed"):
                call.result(10)


def test_garbage_is_collected_and_nodes_end(config):
    n_threads = len(os.listdir("/proc/self/task"))
    n_files = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        node = timecoin.Node(config)
        alice = timecoin.Wallet(node, timecoin.Config.regtest_wallet())
        payment = alice.pay(alice.address, "1 TIME")
        events = node.events()
        events.fileno()
        gone = [weakref.ref(thing) for thing in (node, alice, payment, events)]
        del node, alice, payment, events
        gc.collect()
        assert [ref() for ref in gone] == [None] * 4
    deadline = time.monotonic() + 10
    while len(os.listdir("/proc/self/task")) > n_threads and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(os.listdir("/proc/self/task")) <= n_threads
    assert len(os.listdir("/proc/self/fd")) <= n_files


def test_a_wallet_keeps_its_node_open(config):
    wallet = timecoin.Wallet(timecoin.Node(config), timecoin.Config.regtest_wallet())
    gc.collect()
    assert wallet.pay(wallet.address, "1 TIME").wait_finalized() == "finalized"
    wallet.node.close()


def test_nodes_on_disk_open_while_python_logs(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    timecoin.enable_logging("DEBUG")

    def said(text: str) -> bool:
        timecoin.drain_logs()
        core = [record for record in caplog.records if record.name.startswith("timecoin_core")]
        return any(record.getMessage().startswith(text) for record in core)

    try:
        with timecoin.Node(on_demand(tmp_path)) as node:
            assert node.produce_block() == 1
        deadline = time.monotonic() + 10
        while not said("closed") and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        timecoin.enable_logging(logging.CRITICAL + 10)
    assert said("started") and said("block") and said("closed")


def test_a_logging_handler_may_call_the_module(node, alice):
    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            node.tip()
            heights.append(record.getMessage())

    heights: list[str] = []
    logger, handler = logging.getLogger("timecoin_core"), Handler()
    logger.addHandler(handler)
    logger.setLevel("DEBUG")
    timecoin.enable_logging("TRACE")
    try:
        alice.pay(alice.address, "1 TIME").wait_finalized()
        node.produce_block()
        timecoin.Node(on_demand()).close()
        timecoin.drain_logs()
    finally:
        timecoin.enable_logging(60)
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    assert heights


def test_unknown_log_levels_are_refused():
    with pytest.raises(ValueError, match="LOUD"):
        timecoin.enable_logging("LOUD")
