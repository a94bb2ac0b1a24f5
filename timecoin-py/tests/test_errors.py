"""Each error has its code, its class, and says what to do."""

from __future__ import annotations

import builtins
import os
import pickle

import pytest

import timecoin
from conftest import on_demand
from timecoin import Amount, ErrorCode, KeyPair, OutPoint, Transaction, Txid

ALICE = timecoin.Config.regtest_wallet()
BOB = KeyPair.from_seed("bob")


def refused(call, *arguments, **named) -> timecoin.TimeCoinError:
    with pytest.raises(timecoin.TimeCoinError) as raised:
        call(*arguments, **named)
    return raised.value


def coin(node) -> timecoin.UtxoInfo:
    return next(iter(node.utxos_of(ALICE.address())))


def spend(node, *, outputs=None, keys=ALICE, chain_id=None, inputs=None, **parts) -> Transaction:
    """A good payment of all of alice's coins to bob, but for what is said otherwise."""
    utxo = coin(node)
    inputs = inputs or [(utxo.outpoint, keys.public_key)]
    outputs = outputs or [(BOB.address(), utxo.value - Amount("0.1 TIME"))]
    tx = Transaction.transfer(inputs, outputs).replace(**parts)
    return tx.sign(chain_id or node.chain_id, keys)


def test_codes_are_those_of_core():
    from timecoin._timecoin import ERROR_CODES

    named = {code.name.lower(): code.value for code in ErrorCode}
    assert named == {name: number for number, name, _, _ in ERROR_CODES}
    for number, _, category, retryable in ERROR_CODES:
        code = ErrorCode(number)
        assert (code.category, code.retryable) == (category, retryable)


@pytest.mark.parametrize("code", list(ErrorCode), ids=lambda code: code.name)
def test_every_code_has_an_exception(code):
    from timecoin._errors import error_of

    error = error_of(code, "text")
    classes = {
        "request": timecoin.RequestError,
        "peer": timecoin.PeerError,
        "storage": timecoin.StorageError,
        "internal": timecoin.InternalError,
    }
    assert isinstance(error, classes[error.category]) and error.code is code
    assert (error.name, str(error)) == (code.name.lower(), "text")
    is_timeout = code in (ErrorCode.TIMEOUT, ErrorCode.NOT_REACHED)
    assert isinstance(error, builtins.TimeoutError) == is_timeout
    copied = pickle.loads(pickle.dumps(error))
    assert (type(copied), copied.code, str(copied)) == (type(error), code, "text")


def test_bad_transactions_are_named(node):
    utxo = coin(node)
    twice = [(utxo.outpoint, ALICE.public_key)] * 2
    unknown = [(OutPoint("cd" * 32 + ":0"), ALICE.public_key)]
    none = spend(node).replace(inputs=[])
    cases = {
        ErrorCode.TRANSACTION_MALFORMED: b"nonsense",
        ErrorCode.TRANSACTION_UNKNOWN_VERSION: spend(node, version=2),
        ErrorCode.TRANSACTION_INPUT_COUNT: none,
        ErrorCode.TRANSACTION_OUTPUT_COUNT: spend(node).replace(outputs=[]),
        ErrorCode.TRANSACTION_DUPLICATE_INPUT: spend(node, inputs=twice),
        ErrorCode.TRANSACTION_DUST: spend(node, outputs=[(BOB.address(), 1)]),
        ErrorCode.TRANSACTION_OVERFLOW: spend(node, outputs=[(BOB.address(), 2**64 - 1)] * 2),
        ErrorCode.TRANSACTION_BAD_SIGNATURE: spend(node, chain_id=bytes(32)),
        ErrorCode.TRANSACTION_WRONG_KEY: spend(node, keys=BOB),
        ErrorCode.TRANSACTION_INSUFFICIENT_INPUTS: spend(
            node, outputs=[(BOB.address(), utxo.value + Amount(1))]
        ),
        ErrorCode.TRANSACTION_FEE_TOO_LOW: spend(node, outputs=[(BOB.address(), utxo.value)]),
        ErrorCode.TRANSACTION_LOCK_TIME: spend(node, lock_time=1_000),
    }
    for code, transaction in cases.items():
        error = refused(node.submit_transaction, transaction)
        assert (error.code, type(error)) == (code, timecoin.RequestError), (code, error)
    errors = node.submit_transactions(list(cases.values()))
    assert [error.code for error in errors] == list(cases)
    assert node.mempool_info().transactions == 0
    assert node.submit_transactions([spend(node), bytes(spend(node))]) == [spend(node).txid] * 2
    waiting = node.submit_transaction(spend(node, inputs=unknown))
    assert node.transaction_status(waiting) == "pending"


def test_a_second_spend_is_refused_by_how_far_the_first_is(node, alice, bob):
    second = spend(node)
    payment = alice.pay(bob.address, "5 TIME")
    payment.wait_finalized()
    error = refused(node.submit_transaction, second)
    assert error.code is ErrorCode.CONFLICTS_WITH_FINAL and str(payment.txid) in str(error)
    node.produce_block()
    payment.wait_confirmed()
    assert refused(node.submit_transaction, second).code in (
        ErrorCode.CONFLICTS_WITH_CONFIRMED,
        ErrorCode.TRANSACTION_INPUT_SPENT,
    )


def test_wallets_say_what_is_missing(node, alice, bob):
    error = refused(bob.pay, alice.address, "1 TIME")
    assert error.code is ErrorCode.INSUFFICIENT_FUNDS and error.retryable
    assert error.name == "insufficient_funds" and "0 TIME" in str(error)
    assert refused(alice.pay, bob.address, 1).code is ErrorCode.TRANSACTION_DUST
    assert refused(alice.pay, "nobody", "1 TIME").code is ErrorCode.INVALID_ADDRESS
    assert refused(alice.pay_many, []).code is ErrorCode.INVALID_ARGUMENT
    assert refused(alice.export, bob.address).code is ErrorCode.UNKNOWN_ADDRESS


def test_unknown_things_are_none_or_named(node):
    unknown = Txid("ab" * 32)
    assert node.transaction(unknown) is None and node.transaction_status(unknown) is None
    assert node.utxo(OutPoint(unknown, 0)) is None and node.block(bytes(32)) is None
    assert refused(node.finality_proof, unknown).code is ErrorCode.NO_PROOF


def test_waits_end_in_time(node):
    error = refused(node.wait_finalized, "ab" * 32, timeout=0.12)
    assert isinstance(error, timecoin.TimeoutError) and isinstance(error, TimeoutError)
    assert error.code is ErrorCode.TIMEOUT and "120ms" in str(error)
    for timeout in (0, 0.0):
        assert refused(node.wait_confirmed, "ab" * 32, timeout).code is ErrorCode.TIMEOUT
        assert refused(node.wait_height, 5, timeout).code is ErrorCode.TIMEOUT


def test_a_closed_node_says_so(node, alice, bob):
    node.close()
    for call in (
        lambda: alice.pay(bob.address, "1 TIME"),
        lambda: node.submit_transaction(b""),
        lambda: node.produce_block(),
        lambda: node.wait_finalized("ab" * 32),
        lambda: node.balance(bob.address),
        lambda: node.block(1),
        lambda: node.start(),
    ):
        assert refused(call).code is ErrorCode.CLOSED
    assert node.tip().height == 0 and node.state == "closed"


def test_a_node_that_is_not_started_takes_nothing(config):
    node = timecoin.Node(config, start=False)
    alice = timecoin.Wallet(node, ALICE)
    assert refused(alice.pay, BOB.address(), "1 TIME").code is ErrorCode.NOT_RUNNING
    node.start()
    assert refused(node.start).code is ErrorCode.ALREADY_STARTED
    node.close()


def test_a_node_without_a_key_follows_only(config):
    with timecoin.Node(config.replace(masternode_key=None)) as node:
        assert refused(node.produce_block).code is ErrorCode.CANNOT_PRODUCE_BLOCK


def test_a_second_open_names_the_process_of_the_first(tmp_path):
    with timecoin.Node(on_demand(tmp_path)):
        error = refused(timecoin.Node, on_demand(tmp_path))
        assert isinstance(error, timecoin.StorageError)
        assert error.code is ErrorCode.STORAGE_LOCKED and error.retryable
        assert str(os.getpid()) in str(error) and str(tmp_path) in str(error)


def test_a_directory_of_another_chain_is_refused(tmp_path):
    timecoin.Node(on_demand(tmp_path)).close()
    error = refused(timecoin.Node, timecoin.Config.regtest(tmp_path))
    assert error.code is ErrorCode.STORAGE_WRONG_CHAIN


def test_a_directory_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("here")
    error = refused(timecoin.Node, timecoin.Config.regtest(tmp_path / "file"))
    assert isinstance(error, timecoin.StorageError)


def test_a_fee_that_is_out_of_range_is_refused_at_opening():
    with pytest.raises(timecoin.RequestError) as raised:
        timecoin.Config.regtest(runtime_threads=1_000)
    assert raised.value.code is ErrorCode.INVALID_CONFIG and "0 to 256" in str(raised.value)


def test_wrong_types_are_type_errors(node, alice, bob):
    for call in (
        lambda: timecoin.Node("config"),
        lambda: node.submit_transaction("text"),
        lambda: node.submit_transaction(None),
        lambda: node.wait_finalized(5),
        lambda: node.wait_finalized("ab" * 32, timeout="soon"),
        lambda: node.block("ab" * 32, 5),
        lambda: node.utxo(5),
        lambda: node.balance(5),
        lambda: alice.pay(bob, "1 TIME"),
        lambda: alice.pay(bob.address, 1.5),
        lambda: alice.pay_many(5),
        lambda: alice.pay_many([5]),
        lambda: timecoin.Wallet(node),
        lambda: timecoin.Wallet(node, ALICE, seed="bob"),
        lambda: timecoin.Wallet(node, seed=5),
        lambda: alice.sign(b""),
        lambda: ALICE.sign("text"),
        lambda: Transaction("text"),
    ):
        with pytest.raises(TypeError):
            call()


def test_wrong_values_of_the_right_type_are_named(node):
    for call in (
        lambda: node.wait_finalized("ab" * 32, timeout=-1),
        lambda: node.wait_finalized("ab" * 32, timeout=float("nan")),
        lambda: node.block(-1),
        lambda: node.block(2**64),
        lambda: node.utxos_of(BOB.address(), page_size=0),
        lambda: node.utxos_of(BOB.address(), page_size=10_001),
    ):
        assert refused(call).code is ErrorCode.INVALID_ARGUMENT
