"""Four masternodes in four processes of their own, on disk, over sockets; a fifth node, which only
follows, pays. One masternode is killed, the others go on, and it comes back.

`processes.py DIRECTORY [timings]`: an empty directory, or one that is not there yet; whether to
print how long things took, which differs from run to run.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import timecoin

# Long enough for any machine that is busy with something else.
PATIENCE = 60.0

N_MASTERNODES = 4


def main() -> None:
    if sys.argv[1:2] == ["masternode"]:
        masternode(int(sys.argv[2]), Path(sys.argv[3]))
    elif sys.argv[1:] and sys.argv[2:] in ([], ["timings"]):
        story(Path(sys.argv[1]), has_timings=bool(sys.argv[2:]))
    else:
        sys.exit("usage: processes.py DIRECTORY [timings]")


def masternode(position: int, data_dir: Path) -> None:
    """One of the processes: says where it listens, dials whom it is told to, ends with its
    input."""
    config = timecoin.Config(
        genesis(),
        data_dir=data_dir,
        masternode_key=keys(position),
        listen="127.0.0.1:0",
        round_timeout_ms=1_000,
    )
    with timecoin.Node(config) as node:
        print(f"{node.node_key}@{node.listen_address}", flush=True)
        for line in sys.stdin:
            node.connect(line.strip())


def story(folder: Path, *, has_timings: bool) -> None:
    """The process that starts the others and kills one."""
    masternodes: list[Process] = []
    for position in range(N_MASTERNODES):
        process = Process(position, folder)
        for other in masternodes:
            process.connect(other.target)
        masternodes.append(process)

    config = timecoin.Config(genesis(), peers=[process.target for process in masternodes])
    with timecoin.Node(config) as node:
        wait_for("four peers", lambda: len(node.peers()) == N_MASTERNODES)
        print("four masternodes in processes of their own, and a node that follows them")
        pay(node, has_timings=has_timings)

        masternodes[2].kill()
        print("masternode 2 is killed")
        for _ in range(3):
            pay(node, has_timings=has_timings)

        back = Process(2, folder)
        for position in (0, 1, 3):
            back.connect(masternodes[position].target)
        node.connect(back.target)
        masternodes[2] = back
        key = keys(2).public_key
        began = time.monotonic()

        def is_there() -> bool:
            heights = [peer.height for peer in node.peers() if peer.key == key]
            return any(height >= node.tip().height for height in heights)

        wait_for("masternode 2", is_there)
        how_soon = f" after {took(began)}" if has_timings else ""
        print(f"masternode 2 is back, and at the height of the others{how_soon}")
        pay(node, has_timings=has_timings)
        print(f"bob has {node.balance(bob()).confirmed}")
    for process in masternodes:
        process.end()
    print("all have ended")


def pay(node: timecoin.Node, *, has_timings: bool) -> None:
    """The follower knows the payment to be final once it has the votes of a quorum."""
    alice = timecoin.Wallet(node, timecoin.Config.regtest_wallet())
    began = time.monotonic()
    payment = alice.pay(bob(), "5 TIME")
    payment.wait_finalized(PATIENCE)
    finalized = took(began)
    payment.wait_confirmed(PATIENCE)
    confirmed = took(began)
    if has_timings:
        print(f"alice pays bob 5 TIME: final after {finalized}, in a block after {confirmed}")
    else:
        print("alice pays bob 5 TIME: final, and in a block")


def bob() -> timecoin.Address:
    return timecoin.KeyPair.from_seed("bob").address()


def took(began: float) -> str:
    return f"{(time.monotonic() - began) * 1_000:.1f} ms"


def genesis() -> str:
    masternodes = [keys(position).public_key for position in range(N_MASTERNODES)]
    wallet = timecoin.Config.regtest_wallet().address()
    return timecoin.Config.regtest_genesis(masternodes, [wallet] * 16)


def keys(position: int) -> timecoin.KeyPair:
    """Anybody can make these: a real masternode's are secret."""
    return timecoin.KeyPair.from_seed(f"masternode {position}")


def wait_for(what: str, is_there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_there():
        if time.monotonic() > deadline:
            sys.exit(f"no {what} within {PATIENCE} s")
        time.sleep(0.001)


class Process:
    """A masternode's process, as the one that started it sees it."""

    def __init__(self, position: int, folder: Path) -> None:
        data_dir = folder / f"masternode-{position}"
        self._process = subprocess.Popen(
            [sys.executable, __file__, "masternode", str(position), str(data_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.target = self._process.stdout.readline().strip()

    def connect(self, target: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{target}\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        """As `kill -9` does."""
        self._process.kill()
        self._process.communicate()

    def end(self) -> None:
        self._process.communicate()
        if self._process.returncode != 0:
            sys.exit(f"a masternode ended with {self._process.returncode}")


if __name__ == "__main__":
    main()
