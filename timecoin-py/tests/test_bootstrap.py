"""Newcomers that begin with the unspent outputs of a masternode that goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

import timecoin
from timecoin import Bootstrapped, BootstrapProgress, Config, ErrorCode, KeyPair, Node, Wallet

PATIENCE = 60.0
KEY = KeyPair.from_seed("masternode")
BOB = KeyPair.from_seed("bob").address()


@pytest.fixture
def node() -> Iterator[Node]:
    """The one masternode, with some payments to bob in blocks."""
    genesis = Config.regtest_genesis([KEY.public_key], [Config.regtest_wallet().address()] * 4)
    with Node(Config(genesis, masternode_key=KEY, listen="127.0.0.1:0")) as node:
        alice = Wallet(node, Config.regtest_wallet())
        for _ in range(3):
            payment = alice.pay(BOB, "1 TIME")
            node.produce_block(PATIENCE)
            payment.wait_confirmed(PATIENCE)
        yield node


def newcomer(node: Node, tmp_path) -> Config:
    genesis = Config.regtest_genesis([KEY.public_key], [Config.regtest_wallet().address()] * 4)
    peers = [f"{node.node_key}@{node.listen_address}"]
    return Config(genesis, data_dir=str(tmp_path / "newcomer"), peers=peers)


def test_a_newcomer_begins_with_the_outputs_and_goes_on(node, tmp_path):
    config = newcomer(node, tmp_path)
    told: list[BootstrapProgress] = []
    based = Node.bootstrap(config, PATIENCE, told.append)
    assert based.height >= 3 and based.n_outputs > 4 and based.bytes > 0
    assert told[-1].n_outputs > 0 and told[-1].headers >= 3 and told[-1].n_peers == 1
    assert f"height={based.height}" in repr(based) and "n_outputs" in repr(told[-1])
    again = Node.bootstrap(config)
    assert (again.hash, again.bytes) == (based.hash, 0)
    with Node(config) as follower:
        assert follower.tip().height >= based.height
        height = node.produce_block(PATIENCE)
        follower.wait_height(height, PATIENCE)
        assert follower.balance(BOB).confirmed == timecoin.Amount("3 TIME")
        assert follower.block(1) is None and follower.block(height) is not None
    with pytest.raises(timecoin.RequestError) as raised:
        Node.bootstrap(config)
    assert raised.value.code == ErrorCode.CHAIN_EXISTS


def test_what_the_callback_raises_ends_it_and_the_next_call_goes_on(node, tmp_path):
    config = newcomer(node, tmp_path)

    def fail(progress: BootstrapProgress) -> None:
        raise LookupError(progress.n_outputs)

    with pytest.raises(LookupError):
        Node.bootstrap(config, PATIENCE, fail)
    assert isinstance(Node.bootstrap(config, PATIENCE), Bootstrapped)


def test_ctrl_c_ends_it(node, tmp_path):
    genesis = node.config.genesis_json
    config = Config(genesis, data_dir=str(tmp_path / "newcomer"), peers=["127.0.0.1:1"])
    sent = []

    def interrupt(_progress: BootstrapProgress) -> None:
        if not sent:
            sent.append(os.kill(os.getpid(), signal.SIGINT))

    with pytest.raises(KeyboardInterrupt):
        Node.bootstrap(config, PATIENCE, interrupt)


def test_what_is_refused(node, tmp_path):
    config = newcomer(node, tmp_path)
    genesis = node.config.genesis_json
    for wrong in [Config(genesis, peers=["127.0.0.1:1"]), Config(genesis, data_dir=str(tmp_path))]:
        with pytest.raises(timecoin.RequestError) as raised:
            Node.bootstrap(wrong)
        assert raised.value.code == ErrorCode.INVALID_ARGUMENT
    nobody = Config(genesis, data_dir=str(tmp_path / "nobody"), peers=["127.0.0.1:1"])
    with pytest.raises(timecoin.TimeoutError):
        Node.bootstrap(nobody, 0.3)
    with pytest.raises(TypeError):
        Node.bootstrap(config, "soon")
