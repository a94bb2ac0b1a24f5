"""Nodes that talk over sockets: who is connected, payments, partitions, and what is refused."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import pytest

import timecoin
from timecoin import Config, ErrorCode, KeyPair, Node, Wallet

PATIENCE = 60.0
LOOPBACK = "127.0.0.1:0"


def keys(n: int) -> KeyPair:
    return KeyPair.from_seed(f"masternode {n}")


def genesis() -> str:
    masternodes = [keys(n).public_key for n in range(4)]
    return Config.regtest_genesis(masternodes, [Config.regtest_wallet().address()] * 4)


def target(node: Node) -> str:
    return f"{node.node_key}@{node.listen_address}"


def wait_for(is_there: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_there():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def refused(call, *arguments, **named) -> timecoin.TimeCoinError:
    with pytest.raises(timecoin.TimeCoinError) as raised:
        call(*arguments, **named)
    return raised.value


@pytest.fixture
def nodes() -> Iterator[list[Node]]:
    """Four masternodes over sockets; each dials those that were there before it."""
    with contextlib.ExitStack() as stack:
        nodes: list[Node] = []
        for n in range(4):
            config = Config(
                genesis(),
                masternode_key=keys(n),
                listen=LOOPBACK,
                peers=[target(node) for node in nodes],
                round_timeout_ms=1_000,
            )
            nodes.append(stack.enter_context(Node(config)))
        yield nodes


def test_four_nodes_pay_over_sockets(nodes):
    alice = Wallet(nodes[0], Config.regtest_wallet())
    bob = KeyPair.from_seed("bob").address()
    wait_for(lambda: all(len(node.peers()) == 3 for node in nodes))
    payment = alice.pay(bob, "5 TIME")
    for node in nodes:
        assert node.wait_finalized(payment.txid, PATIENCE).is_final
    heights = {node.wait_confirmed(payment.txid, PATIENCE) for node in nodes}
    assert len(heights) == 1
    assert {node.balance(bob).confirmed for node in nodes} == {timecoin.Amount("5 TIME")}


def test_peers_are_told_of(nodes):
    def has_heard_of_all() -> bool:
        peers = nodes[0].peers()
        return len(peers) == 3 and all(min(peer.bytes) > 0 for peer in peers)

    wait_for(has_heard_of_all)
    peers = nodes[0].peers()
    assert [peer.key for peer in peers] == sorted(node.node_key for node in nodes[1:])
    for peer in peers:
        assert peer.is_masternode and peer.agent.startswith("timecoin")
        assert peer.is_inbound in (True, False)  # whoever heard of the other first dials
        assert peer.address.startswith("127.0.0.1:") and peer.since > 0 and peer.height >= 0
        assert min(peer.bytes + peer.frames) >= 0 and peer.dropped == (0, 0)
        assert peer.round_trip_ms is None or peer.round_trip_ms < 60_000
        assert peer.clock_offset_ms is None or abs(peer.clock_offset_ms) < 60_000
        assert peer == peer and peer != nodes[0]
        assert repr(peer).startswith(f"PeerInfo(key='{peer.key}', address='127.0.0.1:")
    assert nodes[0].node_key == keys(0).public_key == nodes[0].status().masternode_key
    events = nodes[0].events(timeout=PATIENCE)
    assert nodes[0].disconnect(peers[1].key) is True
    about = (event for event in events if getattr(event, "key", None) == peers[1].key)
    gone = next(e for e in about if isinstance(e, timecoin.PeerDisconnectedEvent))
    assert gone.kind == "peer_disconnected" and gone.reason
    back = next(e for e in about if isinstance(e, timecoin.PeerConnectedEvent))
    assert back.kind == "peer_connected" and back.address.startswith("127.0.0.1:")
    assert back.is_inbound in (True, False) and str(back.key) in repr(back)


def test_a_follower_has_a_key_of_its_own(nodes, tmp_path):
    peers = ", ".join(target(node) for node in nodes)
    config = Config(genesis(), peers=peers, data_dir=tmp_path / "follower")
    with Node(config) as follower:
        assert follower.listen_address is None and follower.node_key is not None
        wait_for(lambda: len(follower.peers()) == 4)
        payment = Wallet(follower, Config.regtest_wallet()).pay(
            KeyPair.from_seed("bob").address(), "1 TIME"
        )
        payment.wait_finalized(PATIENCE)
        first = follower.node_key
        assert first in [peer.key for peer in nodes[0].peers()]
    with Node(config) as again:
        assert again.node_key == first
    with Node(config.replace(data_dir=None, node_key=KeyPair.from_seed("me"))) as named:
        assert named.node_key == KeyPair.from_seed("me").public_key


def test_connecting_later_is_as_good(nodes):
    with Node(Config(genesis(), listen=LOOPBACK)) as late:
        assert late.peers() == []
        events = late.events(timeout=PATIENCE)
        late.connect(target(nodes[2]))
        told = next(e for e in events if isinstance(e, timecoin.PeerConnectedEvent))
        assert told.key == nodes[2].node_key
        assert told.is_inbound or told.address == nodes[2].listen_address
        assert late.disconnect(KeyPair.from_seed("nobody").public_key) is False
        wait_for(lambda: late.node_key in [peer.key for peer in nodes[2].peers()])
        (peer,) = [peer for peer in nodes[2].peers() if peer.key == late.node_key]
        # Either may have dialled the one connection that stays: both know where the other listens.
        assert not peer.is_masternode


def test_a_localnet_over_tcp_bears_a_partition():
    settings = {"block_interval": "200ms", "round_timeout": "1s"}
    with timecoin.LocalNet(4, 7, transport="tcp", **settings) as net:
        alice, bob = net.wallet("alice"), net.wallet("bob")
        first = alice.pay(bob.address, "5 TIME")
        net.run_until(first.finalized, "60s")
        assert net.node(0).listen_address is not None
        assert len(net.node(0).peers()) == 3
        with net.partition({0, 1}, {2, 3}):
            second = alice.pay(bob.address, "1 TIME")
            net.advance("300ms")
            assert first.finalized and not second.finalized
        net.run_until(second.confirmed, "60s")


def test_a_node_without_a_network_says_so(node):
    assert node.listen_address is None and node.node_key is None and node.peers() == []
    error = refused(node.connect, f"{keys(1).public_key}@127.0.0.1:1")
    assert error.code is ErrorCode.INVALID_ARGUMENT and "no network" in str(error)
    assert node.disconnect(keys(1).public_key) is False


def test_a_port_that_is_taken_is_refused(config):
    with Node(config.replace(listen=LOOPBACK)) as first:
        error = refused(Node, config.replace(listen=first.listen_address))
        assert isinstance(error, timecoin.RequestError)
        assert error.code is ErrorCode.CANNOT_LISTEN and error.retryable
        assert first.listen_address in str(error)
    with Node(config.replace(listen=first.config.listen)):
        pass


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("listen", "here"),
        ("listen", "127.0.0.1"),
        ("listen", "127.0.0.1:65536"),
        ("listen", "localhost:7000"),
        ("listen", True),
        ("listen", 7000),
        ("peers", "somebody"),
        ("peers", ["127.0.0.1:1", "127.0.0.1:0"]),
        ("peers", ["key@127.0.0.1:1"]),
        ("peers", 5),
        ("node_key", "secret"),
        ("inbound_max", -1),
        ("inbound_max", 10_001),
        ("inbound_max", True),
        ("outbound_max", 1_001),
        ("private_addresses", "perhaps"),
        ("private_addresses", 1),
    ],
)
def test_what_no_field_can_be_is_refused(name, value):
    error = refused(Config.regtest, **{name: value})
    assert error.code is ErrorCode.INVALID_CONFIG and name in str(error)
    assert "secret" not in str(error).removesuffix(": 64 hex digits of a secret key, or empty")


def test_fields_come_back_as_they_were_given(config):
    key = keys(1).public_key
    peers = ["node.example:7000", f"{key}@[::1]:7000"]
    changed = config.replace(
        listen="[::1]:7000", peers=peers, node_key=keys(2), inbound_max=0, outbound_max=1_000
    )
    assert (changed.listen, changed.peers) == ("[::1]:7000", peers)
    assert (changed.node_key, changed.inbound_max, changed.outbound_max) == (keys(2), 0, 1_000)
    assert config.private_addresses is None
    assert changed.replace(private_addresses=False).private_addresses is False
    assert config.replace(peers=",".join(peers)).peers == config.replace(peers=tuple(peers)).peers
    bare = changed.replace(listen=None, peers=None, node_key=None)
    assert (bare.listen, bare.peers, bare.node_key) == (None, [], None)
    assert changed.replace(peers=[]).peers == []


def test_wrong_types_are_type_errors(node):
    for call in (
        lambda: node.connect(None),
        lambda: node.connect(b"key@127.0.0.1:1"),
        lambda: node.connect(True),
        lambda: node.disconnect(None),
        lambda: node.disconnect(5),
        lambda: Config.regtest(peers=[5]),
        lambda: Config.regtest(peers=["127.0.0.1:1", None]),
        lambda: Config.regtest(listen=["127.0.0.1:1"]),
        lambda: Config.regtest(listen=1.5),
        lambda: Config.regtest_genesis(None, []),
        lambda: Config.regtest_genesis([5], []),
        lambda: Config.regtest_genesis([keys(1).public_key], [5]),
    ):
        with pytest.raises(TypeError):
            call()


def test_wrong_peers_are_named(config):
    with Node(config.replace(listen=LOOPBACK)) as node:
        key = keys(1).public_key
        for text in ("", "somebody", "127.0.0.1:1", f"{key}@", f"{key}@host.invalid:1", "\0"):
            assert refused(node.connect, text).code is ErrorCode.INVALID_ARGUMENT
        assert refused(node.disconnect, "12").code is ErrorCode.MALFORMED
        node.connect(f"{key}@127.0.0.1:1")  # nobody is there, and that is nobody's mistake
        node.close()
        assert node.peers() == []


def test_a_genesis_that_starts_no_chain_is_refused():
    key = keys(1).public_key
    for masternodes in ([], [key, key]):
        assert refused(Config.regtest_genesis, masternodes, []).code is ErrorCode.INVALID_GENESIS
    error = refused(Config.regtest_genesis, [key], ["nobody"])
    assert error.code is ErrorCode.INVALID_ADDRESS
