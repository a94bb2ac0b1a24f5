"""Networks in virtual time: the verbs, going back, conditions, failures, threads, forks."""

from __future__ import annotations

import builtins
import gc
import pickle
import signal
import subprocess
import sys
import threading
import time
import weakref
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import timecoin
from timecoin import ErrorCode, SimNodeState, Simulation, TransactionStatus

VECTORS = Path(__file__).resolve().parents[2] / "timecoin-core/tests/vectors/simulation.txt"


def refused(call, *arguments, **named) -> timecoin.TimeCoinError:
    with pytest.raises(timecoin.TimeCoinError) as raised:
        call(*arguments, **named)
    return raised.value


@pytest.fixture
def sim() -> Simulation:
    return Simulation(masternodes=4, seed=7)


def paid(sim: Simulation, amount: str = "5 TIME") -> timecoin.SimPayment:
    return sim.wallet("alice").pay(sim.wallet("bob").address, amount)


def test_the_story_reads_as_it_should():
    sim = timecoin.Simulation(masternodes=4, seed=7, latency=("20ms", "80ms"))
    alice, bob = sim.wallet("alice"), sim.wallet("bob")
    tx = alice.pay(bob.address, "5 TIME")
    sim.run_until(tx.finalized, within="30s")
    before = sim.snapshot()
    sim.set_byzantine(3, "equivocate-votes")
    with sim.partition({0, 1}, {2, 3}):
        sim.advance("60s")
    sim.revert(before)
    assert sim.digest() == before.digest
    assert bob.balance() == timecoin.Amount("160005 TIME")


def runs():
    for part in VECTORS.read_text().split("\n\n"):
        lines = [line for line in part.splitlines() if not line.startswith("#")]
        if lines:
            yield lines[0].split(), dict(line.split("=", 1) for line in lines[1:])


@pytest.mark.parametrize("head, fields", list(runs()), ids=str)
def test_runs_come_to_what_they_come_to_in_rust_and_c(head, fields):
    sim = Simulation(int(head[0]), int(head[1]), **fields)
    sim.advance(int(head[2]) / 1_000)
    assert [str(sim.metrics().height_max), sim.digest()] == head[3:]


def test_a_payment_is_final_then_confirmed(sim):
    tx = paid(sim)
    assert not tx.finalized and not tx.confirmed and tx.status is None
    assert tx.latency is None and tx.height is None
    sim.run_until(tx.finalized, within="1s")
    assert tx.finalized and tx.status is TransactionStatus.FINALIZED
    assert 0.04 <= tx.latency <= 0.24
    assert not tx.confirmed
    sim.run_until(tx.confirmed, "10s")
    assert tx.confirmed and tx.status is TransactionStatus.CONFIRMED
    assert tx.txid in sim.block(tx.height).txids
    assert sim.transaction_status(tx.txid, node=3) == "confirmed"
    assert sim.block(999) is None
    assert tx.transaction.txid == tx.txid and tx.fee.units > 0


def test_a_crashed_proposer_delays_blocks_and_not_payments(sim):
    sim.run_until(lambda sim: sim.height >= 1, within="10s")
    assert sim.proposer == 2
    sim.crash(sim.proposer)
    tx = paid(sim)
    sim.run_until(tx.finalized, within="1s")
    assert tx.latency <= 0.24 and sim.metrics().view_changes == 0
    sim.run_until(tx.confirmed, within="30s")
    assert sim.metrics().view_changes >= 1
    assert sim.status(2).state is SimNodeState.DOWN
    sim.restart(2)
    sim.run_until(lambda sim: sim.status(2).height == sim.metrics().height_max, within="60s")
    assert (sim.status(2).state, sim.status(2).starts) == ("running", 2)


def test_a_partition_stops_decisions_and_healing_starts_them(sim):
    sim.run_until(lambda sim: sim.height >= 1, "10s")
    with sim.partition([0, 1], [2, 3]):
        sim.advance("1s")  # what was under way arrives
        height = sim.metrics().height_max
        tx = paid(sim)
        sim.advance("20s")
        assert sim.metrics().height_max == height and not tx.finalized
    sim.run_until(tx.confirmed, within="60s")
    sim.partition({0, 1}, {2, 3})
    sim.heal()
    height = sim.height
    sim.run_until(lambda sim: sim.height > height, "60s")


def test_a_partition_heals_also_after_an_error(sim):
    with pytest.raises(KeyError), sim.partition({0}, {1, 2, 3}):
        raise KeyError
    sim.run_until(paid(sim).finalized, "2s")


def test_a_paused_node_misses_nothing(sim):
    sim.pause(1)
    assert sim.status(1).state is SimNodeState.PAUSED
    tx = paid(sim)
    sim.run_until(tx.finalized, "2s")
    assert sim.transaction_status(tx.txid, node=1) is None
    sim.resume(1)
    sim.advance("1s")
    assert sim.transaction_status(tx.txid, node=1).is_final


def test_byzantine_masternodes_are_found_out(sim):
    assert "equivocate-votes" in Simulation.strategies()
    sim.set_byzantine(3, "equivocate-votes")
    assert sim.status(3).is_byzantine and not sim.status(2).is_byzantine
    for _ in range(3):
        sim.run_until(paid(sim).finalized, "30s")
    error = refused(sim.set_byzantine, 3, "kindness")
    assert error.code is ErrorCode.INVALID_ARGUMENT and "equivocate-votes" in str(error)
    before = len(sim.nodes())
    sim.set_byzantine(2, "twins")
    assert len(sim.nodes()) == before + 1


@pytest.mark.parametrize("strategy", Simulation.strategies())
def test_every_strategy_can_be_borne_by_four(strategy):
    sim = Simulation(4, 3, payments_per_kilosecond=2_000)
    sim.set_byzantine(3, strategy)
    sim.advance("10s")
    assert sim.height >= 1


def test_links_change(sim):
    sim.set_link(latency="300ms")
    slow = paid(sim)
    sim.run_until(slow.finalized, "3s")
    assert slow.latency >= 0.9
    sim.set_link(latency=0.005)
    sim.set_link((0, 1), latency=("1ms", timedelta(milliseconds=2)), loss_ppm=0)
    sim.slow(3, "10ms")
    sim.slow(3, 0)
    sim.advance("1s")  # nothing overtakes what is under way
    fast = paid(sim)
    sim.run_until(fast.finalized, "3s")
    assert fast.latency <= 0.02
    sim.set_link(loss_ppm=1_000_000)
    lost = paid(sim)
    assert refused(sim.run_until, lost.finalized, "1s").code is ErrorCode.NOT_REACHED
    sim.block_link(0, 1)
    sim.heal()


def test_clocks_jump_and_drift(sim):
    sim.advance("1s")
    before = [sim.status(node).now for node in range(4)]
    sim.jump_clock(1, "5s")
    sim.jump_clock(2, -5)
    sim.drift_clock(3, 100_000)
    sim.advance("10s")
    passed = [sim.status(node).now - then for node, then in enumerate(before)]
    assert passed == [10_000, 15_000, 5_000, 11_000]


def test_faults_by_name_now_and_later(sim):
    assert len(Simulation.fault_forms()) >= 20
    sim.inject("crash 2")
    sim.inject("restart 2", after="5s")
    sim.advance("4s")
    assert sim.status(2).state == "down"
    sim.advance("2s")
    assert sim.status(2).state == "running"
    planned = Simulation(4, 7, faults=[("1s", "crash 1"), (timedelta(seconds=3), "restart 1")])
    lines = Simulation(4, 7, faults=["1s crash 1", "3s restart 1"])
    for each in (planned, lines):
        each.advance("2s")
        assert each.status(1).state == "down"
        each.advance("2s")
    assert planned.digest() == lines.digest()
    sim.inject("disk-full 0")
    paid(sim)
    sim.advance("2s")
    assert sim.status(0).state == "halted" and "disk" in sim.status(0).halt_reason


def test_observers_follow_and_late_nodes_join():
    sim = Simulation(4, 7, observers=1, late=[3])
    sim.run_until(lambda sim: sim.height >= 2, "20s")
    assert (sim.status(3).state, sim.status(4).state) == ("down", "running")
    assert sim.status(4).height >= 1 and not sim.status(4).is_active_masternode
    sim.restart(3)
    sim.advance("10s")
    assert sim.status(3).height >= 2


def test_what_nodes_told_is_kept(sim):
    tx = paid(sim)
    sim.run_until(tx.confirmed, "10s")
    told = sim.events()
    assert [event.sequence for event in told] == sorted(event.sequence for event in told)
    final = [
        event
        for event in told
        if isinstance(event.event, timecoin.TransactionStatusEvent)
        and event.event.status is TransactionStatus.FINALIZED
    ]
    assert {event.node for event in final} == {0, 1, 2, 3}
    assert min(event.at for event in final) == pytest.approx(tx.latency)
    assert all(event.event.txid == tx.txid for event in final)
    blocks = [event.event for event in told if event.event.kind == "block_confirmed"]
    assert blocks and blocks[0].block.height == 1
    assert sim.events(told[-1].sequence) == []
    assert len(sim.events(told[-2].sequence)) == 1
    few = Simulation(4, 7, events_max=3)
    few.advance("5s")
    assert len(few.events()) == 3 and few.events()[0].sequence > 3
    assert Simulation(4, 7).journal() == []
    wordy = Simulation(4, 7, journal_lines=10)
    wordy.advance("3s")
    assert len(wordy.journal()) == 10


def test_metrics_tell_heights_and_latencies():
    sim = Simulation(4, 7, payments_per_kilosecond=2_000)
    sim.advance("30s")
    metrics = sim.metrics()
    assert metrics.elapsed == sim.elapsed == 30.0 and metrics.steps == sim.steps > 1_000
    assert 20 <= metrics.height_min <= metrics.height_max <= 31
    assert metrics.finality.n > 30 and metrics.nodes == 4
    finality = metrics.finality
    assert 0.04 < finality.p50 <= finality.p90 <= finality.p99 <= finality.max < 1
    assert metrics.block_gap.n == metrics.height_max - 1
    assert metrics.messages_sent > 1_000 < metrics.bytes_sent and metrics.offenders == 0
    assert "view changes" in metrics._repr_html_() == sim._repr_html_()


def test_snapshots_are_reusable_and_forks_independent(sim):
    tx = paid(sim)
    sim.run_until(tx.finalized)
    first = sim.snapshot()
    sim.advance("5s")
    second = sim.snapshot()
    fork = sim.fork()
    fork.crash(0)
    fork.advance("5s")
    assert sim.digest() == second.digest and fork.digest() != second.digest
    for snapshot in (first, second, first):
        sim.revert(snapshot)
        assert (sim.digest(), sim.elapsed) == (snapshot.digest, snapshot.elapsed)
    sim.advance("5s")
    assert sim.digest() == second.digest
    fork.revert(first)
    fork.advance("5s")
    assert fork.digest() == second.digest
    assert fork.metrics().height_max == second.height
    error = refused(Simulation(4, 7).revert, first)
    assert error.code is ErrorCode.INVALID_ARGUMENT and "another simulation" in str(error)


STEPS = st.lists(
    st.one_of(
        st.sampled_from(
            ["crash 1", "restart 1", "pause 2", "resume 2", "heal", "partition 0,1 2,3"]
            + ["clock-jump 0 2s", "clock-drift 3 -5000", "slow 1 100ms", "produce-block"]
            + ["crash-at-flush 3 1 during", "byzantine 3 withhold", "wipe-disk 1"]
        ),
        st.integers(min_value=0, max_value=3_000),
    ),
    max_size=8,
)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**64 - 1), prefix=STEPS, suffix=STEPS)
def test_whatever_happens_can_be_gone_back_from(seed, prefix, suffix):
    sim = Simulation(4, seed, payments_per_kilosecond=1_000, journal_lines=20)

    def state():
        told = [(event.sequence, event.at, event.node) for event in sim.events()]
        known = sim.digest(), sim.elapsed, sim.steps, sim.metrics(), sim.nodes()
        return *known, told, sim.journal(), sim.wallet("alice").balance()

    def play(steps):
        for step in steps:
            if isinstance(step, str):
                sim.inject(step)
            else:
                sim.advance(timedelta(milliseconds=step))
        return state()

    then = play(prefix)
    before = sim.snapshot()
    once = play(suffix)
    sim.revert(before)
    assert state() == then and sim.digest() == before.digest
    assert play(suffix) == once


def test_durations_in_every_form(sim):
    for duration in ("1.5s", "1500ms", 1.5, timedelta(seconds=1.5)):
        before = sim.elapsed
        sim.advance(duration)
        assert sim.elapsed == pytest.approx(before + 1.5)
    sim.advance(0)
    for text in ("soon", "", "1", "-1s", "1e3s"):
        error = refused(sim.advance, text)
        assert error.code in (ErrorCode.INVALID_DURATION, ErrorCode.INVALID_ARGUMENT), text
    for number in (-1, float("nan"), float("inf"), timedelta(seconds=-1), 1e30):
        assert refused(sim.advance, number).code is ErrorCode.INVALID_ARGUMENT, number
    for other in (None, True, [], b"1s"):
        with pytest.raises(TypeError, match="timedelta"):
            sim.advance(other)


def test_conditions(sim):
    tx = paid(sim)
    error = refused(sim.run_until, tx.finalized, within="10ms")
    assert error.code is ErrorCode.NOT_REACHED and "10ms" in str(error)
    assert isinstance(error, timecoin.TimeoutError) and isinstance(error, builtins.TimeoutError)
    assert sim.elapsed == pytest.approx(0.01)
    assert refused(sim.run_until, lambda sim: False, 1).code is ErrorCode.NOT_REACHED
    sim.run_until(lambda sim: True, 0)
    seen = []
    sim.run_until(lambda sim: seen.append(sim.steps) or tx.finalized)
    assert seen == list(range(seen[0], seen[-1] + 1))
    with pytest.raises(ZeroDivisionError):
        sim.run_until(lambda sim: 1 / 0)
    with pytest.raises(TypeError, match="condition"):
        sim.run_until("finalized")
    assert sim.step()
    # A condition may change what it looks at.
    sim.run_until(lambda sim: sim.crash(3) or sim.status(3).state == "down")
    assert "finalized" in repr(tx.finalized)


def test_wallets_say_what_is_missing():
    wallets = Simulation(1, 7, wallets=1, coins_per_wallet=1)
    alice = wallets.wallet("alice")
    assert refused(wallets.wallet, "bob").code is ErrorCode.INVALID_ARGUMENT
    error = refused(alice.pay, alice.address, "10000 TIME")
    assert error.code is ErrorCode.INSUFFICIENT_FUNDS and "10000 TIME" in str(error)
    assert refused(alice.pay, alice.address, 1).code is ErrorCode.TRANSACTION_DUST
    assert refused(alice.pay, "nobody", "1 TIME").code is ErrorCode.INVALID_ADDRESS
    assert refused(alice.pay, alice.address, 1, node=1).code is ErrorCode.INVALID_ARGUMENT
    assert alice.balance() == timecoin.Amount("10000 TIME")
    alice.pay(alice.address, "1 TIME")
    assert refused(alice.pay, alice.address, "1 TIME").code is ErrorCode.INSUFFICIENT_FUNDS


def test_many_coins_are_joined():
    sim = Simulation(4, 7, wallets=2, coins_per_wallet=100)
    alice, bob = sim.wallet("alice"), sim.wallet("bob")
    tx = alice.pay(bob.address, "250000 TIME")
    assert len(tx.transaction.inputs) == 26
    sim.run_until(tx.finalized)
    assert refused(alice.pay, bob.address, "700000 TIME").code is ErrorCode.TOO_MANY_COINS


def test_settings_are_checked():
    from timecoin._timecoin import SIMULATION_SETTINGS

    assert all(name in Simulation.__doc__ for name, _ in SIMULATION_SETTINGS)
    for fields in (
        {"colour": "blue"},
        {"latency": ("80ms", "20ms")},
        {"latency": "log-normal(40ms)"},
        {"wallets": 0},
        {"loss_ppm": 1_000_001},
        {"block_interval": "2h"},
        {"verify_everywhere": "perhaps"},
        {"faults": "explode 2"},
        {"faults": ["crash 2"]},
        {"masternodes": 0},
        {"masternodes": 201},
    ):
        error = refused(Simulation, **fields)
        assert error.code is ErrorCode.INVALID_CONFIG, fields
        assert next(iter(fields)) in str(error)
    for fields in ({"late": [4]}, {"faults": ["1s crash 4"]}):
        assert refused(Simulation, 4, **fields).code is ErrorCode.INVALID_ARGUMENT
    for fields in ({"latency": []}, {"wallets": 1.5}, {"seed": "7"}, {"late": [1.5]}):
        with pytest.raises(TypeError):
            Simulation(**fields)
    Simulation(4, 2**64 - 1, bandwidth=None, late=[], faults=[], verify_everywhere=True)


def test_nodes_that_are_not_there_are_named(sim):
    for call in (
        lambda: sim.crash(4),
        lambda: sim.status(4),
        lambda: sim.set_byzantine(4, "withhold"),
        lambda: sim.set_link((0, 4), loss_ppm=1),
        lambda: sim.partition({0, 1, 2, 3, 4}),
        lambda: sim.transaction_status("ab" * 32, 4),
        lambda: sim.inject("crash 4"),
    ):
        error = refused(call)
        assert error.code is ErrorCode.INVALID_ARGUMENT and "0 to 3" in str(error)
    assert sim.transaction_status("ab" * 32) is None


def broken() -> Simulation:
    """More Byzantine masternodes than four can bear: two blocks are decided at one height."""
    sim = Simulation(4, 0, replay="python that.py", payments_per_kilosecond=1_000)
    for node in (2, 3):
        sim.set_byzantine(node, "twins")
    sim.partition({0, 2, 3}, {1, 4, 5})
    return sim


def test_a_broken_invariant_is_an_exception_with_all_it_takes_to_repeat_it():
    sim = broken()
    before = sim.snapshot()
    with pytest.raises(timecoin.InvariantError) as raised:
        sim.advance("60s")
    error = raised.value
    assert isinstance(error, timecoin.InternalError)
    assert error.code is ErrorCode.INVARIANT_BROKEN and error.check.startswith("I")
    assert (error.seed, error.replay) == (0, "python that.py")
    assert 0 < error.step == sim.steps and error.at == sim.elapsed > 0
    assert error.check in str(error) and "replay with: python that.py" in str(error)
    again = refused(sim.advance, "1s")
    assert (type(again), str(again)) == (type(error), str(error))
    copied = pickle.loads(pickle.dumps(error))
    assert vars(copied) == vars(error) and str(copied) == str(error)
    sim.revert(before)
    sim.advance("10ms")


def test_the_replay_command_is_that_of_the_process(script):
    done = script(
        "import timecoin\n"
        "from test_simulation import Simulation\n"
        "sim = Simulation(4, 0, payments_per_kilosecond=1_000)\n"
        "for node in (2, 3):\n"
        "    sim.set_byzantine(node, 'twins')\n"
        "sim.partition({0, 2, 3}, {1, 4, 5})\n"
        "try:\n"
        "    sim.advance('60s')\n"
        "except timecoin.InvariantError as error:\n"
        "    assert error.replay.endswith('script.py with arguments'), error.replay\n"
        "    print('told')\n",
        "with",
        "arguments",
    )
    assert (done.stdout, done.stderr) == ("told\n", "")


@pytest.mark.parametrize(
    "call", ["sim.advance('1000d')", "sim.run_until(tx.confirmed, '1000d')"]
)
def test_ctrl_c_ends_a_run(tmp_path: Path, call: str):
    path = tmp_path / "script.py"
    path.write_text(
        "import timecoin\n"
        "sim = timecoin.Simulation(4, 7)\n"
        "tx = sim.wallet('alice').pay(sim.wallet('bob').address, '1 TIME')\n"
        "sim.partition({0, 1}, {2, 3})\n"
        "print('running', flush=True)\n"
        "try:\n"
        f"    {call}\n"
        "except KeyboardInterrupt:\n"
        "    assert sim.elapsed > 1\n"
        "    sim.advance('1s')\n"
        "    print('interrupted')\n"
    )
    process = subprocess.Popen([sys.executable, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and process.stdout.readline() == "running\n"
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20) == ("interrupted\n", None)
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()


def test_threads_take_turns_and_read_meanwhile(sim):
    errors = []

    def advance():
        try:
            sim.advance("100s")
        except BaseException as error:  # to be seen by the test
            errors.append(error)

    threads = [threading.Thread(target=advance) for _ in range(3)]
    for thread in threads:
        thread.start()
    seen = set()
    while any(thread.is_alive() for thread in threads):
        seen.add(sim.elapsed)
        time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert not errors and sim.elapsed == pytest.approx(300)
    assert len(seen) > 3
    alone = Simulation(4, 7)
    alone.advance("300s")
    assert alone.digest() == sim.digest()


def test_a_signal_handler_may_use_what_is_running(sim):
    heights = []

    def handle(*_: object) -> None:
        heights.append(sim.height)
        sim.produce_block()

    before = signal.signal(signal.SIGALRM, handle)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        deadline = time.monotonic() + 20
        sim.run_until(lambda sim: heights or time.monotonic() > deadline, "1000d")
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        while len(heights) < 2 and time.monotonic() < deadline:
            sim.advance("100s")
    finally:
        signal.signal(signal.SIGALRM, before)
    assert len(heights) == 2


FORK = """
import os, threading, time, timecoin, warnings

warnings.simplefilter("ignore", DeprecationWarning)
sim = timecoin.Simulation(4, 7)
sim.advance("5s")
snapshot = sim.snapshot()
child = os.fork()
if child == 0:
    sim.advance("5s")
    print(sim.digest(), flush=True)
    sim.revert(snapshot)
    assert sim.digest() == snapshot.digest
    del sim, snapshot
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
sim.advance("5s")
print(sim.digest(), flush=True)

running = threading.Thread(target=lambda: sim.advance("3000s"))
running.start()
while sim.elapsed < 20:
    time.sleep(0.001)
child = os.fork()
if child == 0:
    try:
        sim.advance("1s")
    except timecoin.RequestError as error:
        assert error.code is timecoin.ErrorCode.FORKED_PROCESS, error
        print("told", flush=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
running.join()
"""


def test_a_simulation_goes_on_in_a_fork_unless_a_thread_was_driving_it(script):
    done = script(FORK, timeout=120)
    assert (done.stderr, done.returncode) == ("", 0)
    here, there, told = done.stdout.splitlines()
    assert here == there and told == "told"


def test_simulations_are_collected():
    sim = Simulation(4, 7)
    things = [sim, sim.wallet("alice"), paid(sim), sim.snapshot(), sim.fork()]
    gone = [weakref.ref(thing) for thing in things]
    del sim, things
    gc.collect()
    assert [ref() for ref in gone] == [None] * 5


def test_texts_tell_what_a_thing_is(sim):
    tx = paid(sim)
    sim.run_until(tx.finalized)
    shown = [sim, tx, sim.wallet("alice"), sim.snapshot(), sim.status(0), sim.metrics()]
    shown += [sim.metrics().finality, tx.finalized, sim.events()[0], sim.partition({0, 1, 2, 3})]
    for thing in shown:
        assert repr(thing).startswith(type(thing).__name__ + "(") and "0x" not in repr(thing)
