"""Nets of real nodes: the verbs of a simulation in real time, processes, conditions."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import timecoin
from timecoin import ErrorCode, LocalNet


@pytest.fixture
def net() -> Iterator[LocalNet]:
    with LocalNet(masternodes=4, seed=7, block_interval="200ms", round_timeout="1s") as net:
        yield net


def paid(net: LocalNet, amount: str = "5 TIME", node: int | None = None) -> timecoin.LocalPayment:
    return net.wallet("alice").pay(net.wallet("bob").address, amount, node)


def refused(call, *arguments, **named) -> timecoin.TimeCoinError:
    with pytest.raises(timecoin.TimeCoinError) as raised:
        call(*arguments, **named)
    return raised.value


def test_a_payment_is_final_then_confirmed(net):
    tx = paid(net)
    net.run_until(tx.finalized, within="60s")
    assert tx.finalized and tx.status.is_final
    net.run_until(tx.confirmed, "60s")
    assert tx.confirmed and tx.status == "confirmed"
    assert net.wallet("bob").balance() == timecoin.Amount("160005 TIME")
    assert tx.height == net.node(0).transaction(tx.txid).height
    assert tx.txid in net.block(tx.height).txids
    net.run_until(lambda net: net.height >= tx.height + 1, "60s")


def test_the_chain_and_the_wallets_are_those_of_a_simulation():
    with LocalNet(masternodes=4, seed=7) as net:
        sim = timecoin.Simulation(masternodes=4, seed=7)
        assert net.chain_id == sim.chain_id
        for name in ("alice", "bob"):
            assert net.wallet(name).address == sim.wallet(name).address
            assert net.wallet(name).balance() == sim.wallet(name).balance()


def test_it_bears_a_crash_and_a_partition(net):
    proposer = net.proposer
    net.crash(proposer)
    assert net.status(proposer).state == "down"
    tx = paid(net)
    net.run_until(tx.finalized, "60s")
    net.restart(proposer)
    net.run_until(tx.confirmed, "60s")
    with net.partition({0, 1}, {2, 3}):
        other = paid(net)
        net.advance("300ms")
        assert tx.finalized and not other.finalized
    net.run_until(other.confirmed, "60s")
    net.pause(1)
    assert net.nodes()[1].state == "paused"
    net.resume(1)
    net.set_link(latency=("1ms", "2ms"))
    net.set_link((0, 1), loss_ppm=1000)
    net.slow(2, "1ms")
    net.block_link(0, 1)
    net.heal()
    net.run_until(paid(net, node=3).finalized, "60s")


@pytest.mark.parametrize("transport", ["memory", "tcp"])
def test_three_go_on_beside_a_byzantine_one(transport):
    with LocalNet(seed=7, transport=transport, block_interval="200ms", round_timeout="1s") as net:
        events = net.events(timeout=0.0)
        for strategy in ("equivocate-votes", "equivocate-ballots"):
            net.set_byzantine(3, strategy)
        assert [node.is_byzantine for node in net.nodes()] == [False, False, False, True]
        for node in range(3):
            tx = paid(net, node=node)
            net.run_until(tx.finalized, "60s")
            net.run_until(tx.confirmed, "60s")
        assert len({str(net.node(node).block(tx.height).hash) for node in range(3)}) == 1
        honest = [told.event.kind for told in events if told.node != 3]
        assert "block_confirmed" in honest
        assert not {"safety_violation", "poisoned", "signature_refused"} & {*honest}


def test_what_no_real_net_can_follow_is_refused(net):
    for strategy, why in [
        ("twins", "only a simulation"),
        ("amnesia", "only a simulation"),
        ("kindness", "there is no strategy"),
    ]:
        error = refused(net.set_byzantine, 3, strategy)
        assert error.code == ErrorCode.INVALID_ARGUMENT and why in str(error)
    assert refused(net.set_byzantine, 4, "withhold").code == ErrorCode.INVALID_ARGUMENT
    assert not net.status(3).is_byzantine


def test_events_of_all_nodes_come_in_one_stream(net):
    events = net.events()
    tx = paid(net)
    final = set()
    for told in events:
        event = told.event
        if event.kind == "transaction_status" and event.txid == tx.txid and event.status.is_final:
            final.add(told.node)
        if len(final) == 4:
            break
    assert final == {0, 1, 2, 3}
    net.close()
    list(events)
    assert refused(events.next_event).code is ErrorCode.CLOSED


def test_what_is_wrong_is_named(net):
    from timecoin._timecoin import LOCALNET_SETTINGS

    assert all(name in LocalNet.__doc__ for name, _ in LOCALNET_SETTINGS)
    for fields in ({"colour": "blue"}, {"latency": "soon"}, {"storage": ""}, {"masternodes": 0}):
        error = refused(LocalNet, **fields)
        assert error.code is ErrorCode.INVALID_CONFIG and next(iter(fields)) in str(error)
    for call in (
        lambda: net.crash(4),
        lambda: net.status(4),
        lambda: net.partition({0, 4}),
        lambda: paid(net, node=4),
        lambda: net.set_link((0, 4), loss_ppm=1),
    ):
        assert refused(call).code is ErrorCode.INVALID_ARGUMENT
    error = refused(net.wallet("alice").pay, net.wallet("bob").address, "900000 TIME")
    assert error.code is ErrorCode.INSUFFICIENT_FUNDS
    with net.partition({0, 1}, {2, 3}):
        tx = paid(net)
        assert refused(net.run_until, tx.finalized, "100ms").code is ErrorCode.TIMEOUT
        assert refused(net.run_until, lambda net: False, "50ms").code is ErrorCode.TIMEOUT
    elsewhere = timecoin.Simulation(1).wallet("alice").pay(net.wallet("bob").address, "1 TIME")
    with pytest.raises(TypeError, match="of a Simulation"):
        net.run_until(elsewhere.finalized)
    with pytest.raises(TypeError, match="of a LocalNet"):
        timecoin.Simulation(1).run_until(tx.finalized)


def test_it_is_kept_in_a_directory(tmp_path):
    fields = {"storage": str(tmp_path), "block_interval": "100ms"}
    with LocalNet(1, 7, **fields) as net:
        tx = paid(net)
        net.run_until(tx.confirmed, "60s")
    assert (tmp_path / "node-0").is_dir()
    with LocalNet(1, 7, **fields) as net:
        assert net.transaction_status(tx.txid) == "confirmed"


def test_ctrl_c_ends_a_wait(tmp_path: Path):
    path = tmp_path / "script.py"
    path.write_text(
        "import timecoin\n"
        "net = timecoin.LocalNet(4, 7)\n"
        "with net.partition({0, 1}, {2, 3}):\n"
        "    tx = net.wallet('alice').pay(net.wallet('bob').address, '1 TIME')\n"
        "    print('waiting', flush=True)\n"
        "    try:\n"
        "        net.run_until(tx.finalized, '1h')\n"
        "    except KeyboardInterrupt:\n"
        "        net.close()\n"
        "        print('interrupted')\n"
    )
    process = subprocess.Popen([sys.executable, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and process.stdout.readline() == "waiting\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30) == ("interrupted\n", None)
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()


def test_use_after_a_fork_is_a_clear_error(script):
    done = script(
        "import os, timecoin, warnings\n"
        "warnings.simplefilter('ignore', DeprecationWarning)\n"
        "net = timecoin.LocalNet(1, 7)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    for call in (net.close, lambda: net.height, lambda: timecoin.LocalNet(1)):\n"
        "        try:\n"
        "            call()\n"
        "        except timecoin.RequestError as error:\n"
        "            assert error.code is timecoin.ErrorCode.FORKED_PROCESS, error\n"
        "        else:\n"
        "            raise AssertionError('not refused')\n"
        "    del net\n"
        "    print('told', flush=True)\n"
        "    os._exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "net.close()\n"
        "print('closed')\n"
    )
    assert (done.stdout, done.stderr) == ("told\nclosed\n", "")


def test_nothing_is_left_behind():
    n_files = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        LocalNet(1, 7)
    deadline = time.monotonic() + 20
    while len(os.listdir("/proc/self/fd")) > n_files and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(os.listdir("/proc/self/fd")) <= n_files
