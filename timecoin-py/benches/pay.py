"""What Python adds to a payment, and what a node costs to begin with. Prints a table.

    python benches/pay.py [--check]

CPU is that of the calling thread, where a payment is built, signed and submitted, and of the
whole process, node included. Python and Rust pay in turns, from wallets alike, and the median of
the differences counts: the machine's mood is in both.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import timecoin
from timecoin._timecoin import _bench_pay

PAYMENTS = 200
ROUNDS = 15
STARTS = 15

# Microseconds that `wallet.pay` may cost above the same in Rust.
PAY_US_MAX = 60.0
# Milliseconds of import, node and first final payment.
START_MS_MAX = 150.0

START = """
import timecoin
with timecoin.Node(timecoin.Config.regtest()) as node:
    wallet = timecoin.Wallet(node, timecoin.Config.regtest_wallet())
    wallet.pay(wallet.address, "5 TIME").wait_finalized()
"""


def main() -> None:
    (python_thread, python_process), (rust_thread, rust_process), (extra, extra_process) = pays()
    start, wall = starts(START)
    bare, _ = starts("pass")
    rows = [
        ("wallet.pay, Python", f"{python_thread:.1f} µs", f"{python_process:.1f} µs", ""),
        ("wallet.pay, Rust", f"{rust_thread:.1f} µs", f"{rust_process:.1f} µs", ""),
        ("Python above Rust", f"{extra:.1f} µs", f"{extra_process:.1f} µs", f"{PAY_US_MAX:.0f} µs"),
        ("import, node, final payment", "", f"{start:.1f} ms", f"{START_MS_MAX:.0f} ms"),
        ("  of which the interpreter", "", f"{bare:.1f} ms", ""),
        ("  wall", "", f"{wall:.1f} ms", ""),
    ]
    print(f"{'Python ' + sys.version.split()[0]:<30}{'thread':>12}{'process':>12}{'at most':>12}")
    for name, thread, process, most in rows:
        print(f"{name:<30}{thread:>12}{process:>12}{most:>12}")
    if "--check" in sys.argv and (extra > PAY_US_MAX or start > START_MS_MAX):
        sys.exit("over the limit")


def pays() -> tuple[tuple[float, float], ...]:
    """CPU of a payment in microseconds, of thread and process: Python, Rust, their difference."""
    with timecoin.Node(timecoin.Config.regtest()) as node:
        wallet = timecoin.Wallet(node, timecoin.Config.regtest_wallet())
        # Coins enough for all payments: none waits for change to be final.
        for _ in range(16):
            payment = wallet.pay_many([(wallet.address, "100 TIME")] * 250)
            payment.wait_finalized()
        address = timecoin.KeyPair.from_seed("bob").address()

        def in_python() -> None:
            for _ in range(PAYMENTS):
                wallet.pay(address, "1 TIME")

        def in_rust() -> None:
            _bench_pay(wallet, address, "1 TIME", PAYMENTS)

        measured: dict[str, list[tuple[float, float]]] = {"python": [], "rust": []}
        for turn in range(ROUNDS + 2):
            first, second = (in_python, in_rust) if turn % 2 else (in_rust, in_python)
            for pay in (first, second):
                name = "python" if pay is in_python else "rust"
                measured[name].append(cpu_us(pay))
        python, rust = measured["python"][2:], measured["rust"][2:]
        extra = [(p[0] - r[0], p[1] - r[1]) for p, r in zip(python, rust, strict=True)]
        return medians(python), medians(rust), medians(extra)


def cpu_us(pay: Callable[[], None]) -> tuple[float, float]:
    """Microseconds of CPU for one payment, of thread and process."""
    thread, process = time.thread_time(), time.process_time()
    pay()
    thread, process = time.thread_time() - thread, time.process_time() - process
    return thread / PAYMENTS * 1e6, process / PAYMENTS * 1e6


def medians(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    firsts, seconds = zip(*pairs, strict=True)
    return statistics.median(firsts), statistics.median(seconds)


def starts(program: str) -> tuple[float, float]:
    """Median milliseconds of CPU and wall of a process that runs a program."""
    cpu, wall = [], []
    for _ in range(STARTS + 1):
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        wall.append(time.perf_counter() - start)
        cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(cpu[1:]) * 1e3, statistics.median(wall[1:]) * 1e3


if __name__ == "__main__":
    main()
