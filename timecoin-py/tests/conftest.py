"""Nodes and wallets that most tests begin with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import timecoin

Script = Callable[..., "subprocess.CompletedProcess[str]"]


def on_demand(data_dir: str | Path | None = None, **fields: object) -> timecoin.Config:
    """The regtest chain of one masternode, with blocks only when they are asked for."""
    regtest = timecoin.Config.regtest()
    genesis = json.loads(regtest.genesis_json)
    del genesis["chain_id"]  # it names the chain as it was
    genesis["params"]["block_production"] = "on_demand"
    return timecoin.Config(
        json.dumps(genesis),
        data_dir=data_dir,
        masternode_key=regtest.masternode_key,
        **fields,
    )


@pytest.fixture
def config() -> timecoin.Config:
    return on_demand()


@pytest.fixture
def node(config: timecoin.Config) -> Iterator[timecoin.Node]:
    with timecoin.Node(config) as node:
        yield node


@pytest.fixture
def alice(node: timecoin.Node) -> timecoin.Wallet:
    return timecoin.Wallet(node, timecoin.Config.regtest_wallet())


@pytest.fixture
def bob(node: timecoin.Node) -> timecoin.Wallet:
    return timecoin.Wallet(node, seed="bob")


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Runs a program in a process of its own, warnings being errors."""

    def run(text: str, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "script.py"
        path.write_text(text)
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
        return subprocess.run(
            [sys.executable, "-W", "error", str(path), *arguments],
            capture_output=True,
            text=True,
            timeout=timeout,
            env=environment,
        )

    return run
