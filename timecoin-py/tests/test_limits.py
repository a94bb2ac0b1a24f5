"""Arguments out of range, calls that come too late, waits that are interrupted."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import threading
import time
import weakref
from pathlib import Path

import pytest

import timecoin
from timecoin import Amount, Config, ErrorCode, LocalNet, OutPoint, Simulation, Transaction


def refused(call) -> timecoin.TimeCoinError:
    with pytest.raises(timecoin.TimeCoinError) as raised:
        call()
    return raised.value


def test_a_number_as_a_duration_is_bounded_as_a_text_is():
    sim = Simulation()
    century = 876_000 * 3600
    for call in (
        lambda: sim.advance(century + 1),
        lambda: sim.slow(0, 1e19),
        lambda: sim.jump_clock(0, -1e19),
        lambda: sim.run_until(lambda _: True, within=2 * century),
        lambda: sim.set_link(latency=1e14),
        lambda: Simulation(round_timeout=1e14),
    ):
        error = refused(call)
        assert error.code is ErrorCode.INVALID_ARGUMENT and "876000h" in str(error)
    sim.slow(0, century)
    sim.crash(0)
    sim.slow(0, 0)


def test_numbers_out_of_range_name_their_argument(node):
    sim = Simulation()
    alice = sim.wallet("alice")
    txid = "ab" * 32
    for argument, call in {
        "masternodes": lambda: Simulation(masternodes=-1),
        "seed": lambda: Simulation(seed=2**64),
        "seed ": lambda: LocalNet(seed=-1),
        "node": lambda: sim.crash(-1),
        "node ": lambda: sim.status(-1),
        "node  ": lambda: alice.pay(alice.address, 5, node=-1),
        "node   ": lambda: sim.partition({-1}),
        "node    ": lambda: sim.transaction_status(txid, 2**64),
        "ppm": lambda: sim.drift_clock(0, 2**31),
        "height": lambda: sim.block(-1),
        "height ": lambda: node.wait_height(-1),
        "after": lambda: sim.events(-1),
        "page_size": lambda: node.utxos_of(alice.address, page_size=-1),
        "vout": lambda: OutPoint(txid, -1),
        "lock_time": lambda: Transaction.transfer([], [], lock_time=-1),
        "version": lambda: Transaction.transfer([], []).replace(version=2**16),
        "divisor": lambda: Amount(5) % -1,
    }.items():
        error = refused(call)
        assert error.code is ErrorCode.INVALID_ARGUMENT, argument
        assert argument.strip() in str(error) and "whole number from" in str(error), error


def test_what_is_no_number_is_a_type_error(node):
    for call in (
        lambda: node.wait_height("5"),
        lambda: Simulation(masternodes="4"),
        lambda: Simulation().crash("1"),
    ):
        with pytest.raises(TypeError, match="a whole number, not str"):
            call()
    with pytest.raises(TypeError, match="a text, bytes or bytearray, not int"):
        timecoin.KeyPair.from_seed(5)


def test_a_signature_has_64_bytes():
    outpoint, key = "ab" * 32 + ":0", "00" * 32
    error = refused(lambda: timecoin.TxInput(outpoint, key, b"1"))
    assert error.code is ErrorCode.INVALID_ARGUMENT and "signature" in str(error)
    assert timecoin.TxInput(outpoint, key, bytearray(64)).signature == bytes(64)


def test_fields_of_a_config_are_listed_and_no_directory_is_memory():
    error = refused(lambda: Config.regtest(foo=1))
    assert error.code is ErrorCode.INVALID_CONFIG
    assert "`foo`" in str(error) and "mempool_bytes_max, " in str(error)
    assert Config.regtest("").data_dir is None
    assert Config.regtest(data_dir="").data_dir is None
    assert Config.regtest(Path()).data_dir == Path()


def test_a_masternode_that_is_there_twice_is_named():
    key = timecoin.KeyPair.from_seed("a").public_key
    error = refused(lambda: Config.regtest_genesis([key, key], []))
    assert f"{key} is there twice" in str(error)


def test_a_wallet_from_before_a_revert_is_refused_where_another_took_its_place():
    sim = Simulation(seed=3)
    before = sim.snapshot()
    carol = sim.wallet("carol")
    sim.revert(before)
    dave = sim.wallet("dave")
    assert carol.address == dave.address
    for call in (carol.balance, lambda: carol.pay(dave.address, "1 TIME")):
        error = refused(call)
        assert error.code is ErrorCode.INVALID_ARGUMENT and "revert" in str(error)
    assert sim.wallet("carol").balance() == dave.balance()


def test_a_final_payment_is_awaited_in_no_time(node, alice):
    payment = alice.pay(alice.address, "1 TIME")
    payment.wait_finalized()
    assert asyncio.run(node.wait_finalized_async(payment.txid, timeout=0)).is_final
    with pytest.raises(timecoin.TimeoutError):
        asyncio.run(node.wait_finalized_async("ab" * 32, timeout=0))


POISONED = """
import asyncio, resource, signal, sys, time
import timecoin
from conftest import on_demand

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
node = timecoin.Node(on_demand(sys.argv[1]))
alice = timecoin.Wallet(node, timecoin.Config.regtest_wallet())
waited = None

async def both():
    waits = asyncio.create_task(node.wait_finalized_async("ab" * 32))
    await asyncio.sleep(0)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    while node.state != "poisoned":
        try:
            alice.pay(alice.address, "1 TIME")
        except timecoin.TimeCoinError:
            pass
        await asyncio.sleep(0.01)
    for wait in (waits, node.wait_finalized_async("ab" * 32)):
        try:
            await wait
        except timecoin.InternalError as error:
            print(error.code.name)

began = time.monotonic()
asyncio.run(both())
print(time.monotonic() - began < 15)
"""


def test_a_poisoned_node_is_not_waited_for(script, tmp_path):
    done = script(POISONED, str(tmp_path / "node"))
    assert (done.stdout, done.stderr) == ("POISONED\nPOISONED\nTrue\n", "")


def test_ctrl_c_in_a_handler_of_records_is_raised(node):
    class Interrupted(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise KeyboardInterrupt

    logger, handler = logging.getLogger("timecoin_core"), Interrupted()
    logger.addHandler(handler)
    logger.setLevel(1)
    timecoin.enable_logging("TRACE")
    try:
        with pytest.raises(KeyboardInterrupt):
            timecoin.Node(Config.regtest()).produce_block()
    finally:
        timecoin.enable_logging(1000)
        logger.removeHandler(handler)
        logger.setLevel(0)
        timecoin.drain_logs()


def test_ctrl_c_ends_the_waits_of_a_net():
    with LocalNet(masternodes=4) as net, net.partition({0, 1}, {2, 3}):
        for call in (lambda: net.produce_block(timeout=20), lambda: net.advance(20)):
            began = time.monotonic()
            timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
            timer.start()
            with pytest.raises(KeyboardInterrupt):
                call()
            timer.join()
            assert time.monotonic() - began < 5


def test_a_net_without_nodes_or_closed_says_so():
    net = LocalNet(masternodes=1)
    alice = net.wallet("alice")
    net.pause(0)
    for call in (lambda: alice.pay(alice.address, "1 TIME"), net.produce_block):
        error = refused(call)
        assert error.code is ErrorCode.CLOSED and "no node of the net takes part" in str(error)
    net.resume(0)
    net.close()
    for call in (
        lambda: net.run_until(lambda _: False, within=5),
        lambda: net.advance(5),
        lambda: net.partition({0}),
        lambda: net.block_link(0, 0),
        lambda: net.slow(0, 1),
        lambda: alice.pay(alice.address, "1 TIME"),
    ):
        began = time.monotonic()
        error = refused(call)
        assert error.code is ErrorCode.CLOSED and "closed" in str(error)
        assert time.monotonic() - began < 2


def test_a_wallet_whose_signer_refers_to_it_is_collected(node):
    class Signer:
        key_pair = Config.regtest_wallet()
        public_key = key_pair.public_key

        def sign(self, message: bytes) -> bytes:
            return self.key_pair.sign(message)

    def cycle() -> weakref.ref[Signer]:
        signer, added = Signer(), Signer()
        wallet = timecoin.Wallet(node, signer=signer)
        wallet.add_signer(added)
        signer.wallet = added.wallet = wallet
        gc.collect()
        wallet.pay(wallet.address, "1 TIME")
        return weakref.ref(signer)

    signer = cycle()
    gc.collect()
    assert signer() is None


def test_masternodes_are_iterated_and_bytearrays_submitted(node, alice):
    assert [m.payout for m in node.masternodes()] == [node.masternodes()[0].payout]
    draft = alice.build({alice.address: "1 TIME"})
    data = bytearray(bytes(draft.transaction))
    assert node.submit_transaction(data) == draft.transaction.txid
