"""Values: text forms, arithmetic, equality, pickling, and what they refuse."""

from __future__ import annotations

import copy
import decimal
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

import timecoin
from timecoin import Address, Amount, BlockHash, ErrorCode, KeyPair, OutPoint, Transaction, Txid

UNITS = st.integers(min_value=0, max_value=2**64 - 1)


def code_of(call, *arguments, **named):
    with pytest.raises(timecoin.TimeCoinError) as raised:
        call(*arguments, **named)
    return raised.value.code


def a_transaction() -> Transaction:
    keys = KeyPair.from_seed("alice")
    inputs = [(OutPoint(Txid("11" * 32), 3), keys.public_key)]
    return Transaction.transfer(inputs, [(keys.address(), "5 TIME"), (keys.address(), 700)])


@given(UNITS)
def test_an_amount_is_read_back_from_its_text(units):
    amount = Amount(units)
    assert Amount(str(amount)) == amount == Amount(f"{units} units")
    assert int(amount) == amount.units == units
    assert amount.time * 100_000_000 == decimal.Decimal(units)


@given(UNITS, UNITS)
def test_amounts_calculate_as_integers_or_refuse(a, b):
    assert (Amount(a) < Amount(b)) == (a < b) and (Amount(a) == Amount(b)) == (a == b)
    if a + b < 2**64:
        assert (Amount(a) + Amount(b)).units == a + b == sum([Amount(a), Amount(b)]).units
    else:
        assert code_of(lambda: Amount(a) + Amount(b)) is ErrorCode.INVALID_ARGUMENT
    if a >= b:
        assert (Amount(a) - Amount(b)).units == a - b
    else:
        assert code_of(lambda: Amount(a) - Amount(b)) is ErrorCode.INVALID_ARGUMENT
    if a * b < 2**64:
        assert (Amount(a) * b).units == (b * Amount(a)).units == a * b
    if b:
        assert Amount(a) // Amount(b) == a // b == (Amount(a) // b).units
        assert (Amount(a) % Amount(b)).units == a % b


def test_amounts_say_what_they_do_not_take():
    assert code_of(Amount, "five") is ErrorCode.INVALID_AMOUNT
    assert code_of(Amount, "0.123456789") is ErrorCode.INVALID_AMOUNT
    assert code_of(Amount, -1) is ErrorCode.INVALID_ARGUMENT
    assert code_of(Amount, 2**64) is ErrorCode.INVALID_ARGUMENT
    assert code_of(lambda: Amount(1) * -1) is ErrorCode.INVALID_ARGUMENT
    for wrong in (1.5, True, None, b"1", decimal.Decimal(1)):
        with pytest.raises(TypeError, match=r"1\.5 TIME"):
            Amount(wrong)
    for wrong in (1, "1 TIME", None):
        with pytest.raises(TypeError):
            Amount(1) + wrong
        with pytest.raises(TypeError):
            assert Amount(1) < wrong
        assert Amount(1) != wrong
    with pytest.raises(ZeroDivisionError):
        Amount(1) // 0
    with pytest.raises(ZeroDivisionError):
        Amount(1) % Amount(0)


def test_amounts_are_formatted_as_text():
    assert f"{Amount('1.5 TIME')}" == "1.5 TIME"
    assert f"[{Amount(1):>20}]" == "[     0.00000001 TIME]"
    assert bool(Amount(1)) and not Amount(0)
    assert len({Amount(5), Amount("5 units"), Amount("0.00000005")}) == 1


@pytest.mark.parametrize("kind", [Txid, BlockHash, timecoin.ChainId, timecoin.PublicKey])
def test_hashes_have_one_text_and_one_binary_form(kind):
    value = kind("AB" * 32)
    assert str(value) == value.hex == "ab" * 32 and bytes(value) == b"\xab" * 32
    assert value == kind(bytes(value)) == kind(value) and hash(value) == hash(kind(value))
    assert value < kind("ac" * 32) and repr(value) == f"{kind.__name__}('{'ab' * 32}')"
    assert code_of(kind, "ab") is ErrorCode.MALFORMED
    assert code_of(kind, "zz" * 32) is ErrorCode.MALFORMED
    assert code_of(kind, b"\xab" * 31) is ErrorCode.INVALID_ARGUMENT
    for wrong in (None, 5, 1.5, ["ab"]):
        with pytest.raises(TypeError, match=kind.__name__):
            kind(wrong)


def test_addresses_belong_to_a_network(node):
    address = KeyPair.from_seed("alice").address()
    assert str(address).startswith("rtime1") and Address(str(address)) == address
    assert Address(str(address).upper()) == address and len(bytes(address)) == 20
    elsewhere = KeyPair.from_seed("alice").address(timecoin.Network.MAINNET)
    assert elsewhere != address and bytes(elsewhere) == bytes(address)
    assert code_of(node.balance, elsewhere) is ErrorCode.INVALID_ADDRESS
    assert code_of(node.balance, str(elsewhere)) is ErrorCode.INVALID_ADDRESS
    assert node.balance(str(address)) == node.balance(address)
    assert code_of(KeyPair.from_seed("a").address, "moonnet") is ErrorCode.INVALID_ADDRESS


@given(st.text(max_size=60))
def test_any_text_that_is_no_address_is_refused(text):
    assert code_of(Address, text) is ErrorCode.INVALID_ADDRESS


@given(st.text(max_size=80))
def test_any_text_that_is_no_outpoint_is_refused(text):
    assert code_of(OutPoint, text) is ErrorCode.MALFORMED


def test_secrets_do_not_show():
    keys = KeyPair.from_seed(b"alice")
    assert keys == KeyPair.from_seed("alice") and keys != KeyPair.generate()
    assert keys.secret() not in repr(keys) and keys.secret() not in str(keys)
    with pytest.raises(timecoin.RequestError) as raised:
        KeyPair.from_secret("not my secret")
    assert raised.value.code is ErrorCode.MALFORMED and "not my" not in str(raised.value)
    with pytest.raises(TypeError):
        pickle.dumps(keys)


def test_a_transaction_is_taken_apart_and_put_together():
    tx = a_transaction()
    assert Transaction(bytes(tx)) == tx and Transaction(bytearray(bytes(tx))) == tx
    assert (tx.version, tx.kind, tx.lock_time, len(tx)) == (1, "transfer", 0, len(bytes(tx)))
    again = Transaction.transfer(tx.inputs, tx.outputs)
    assert again == tx and hash(again) == hash(tx)
    keys = KeyPair.from_seed("alice")
    signed = tx.sign(bytes(32), keys)
    assert signed.txid == tx.txid and signed.wtxid != tx.wtxid
    assert signed.inputs[0].signature == keys.sign(tx.sighash(bytes(32), 0))
    later = tx.replace(lock_time=7, version=2)
    assert (later.lock_time, later.version, later.inputs) == (7, 2, tx.inputs)
    assert later.txid != tx.txid
    with pytest.raises(IndexError):
        tx.sighash(bytes(32), 1)


@given(st.integers(min_value=0, max_value=2**31))
def test_a_flipped_bit_never_decodes_to_the_same_transaction(bit):
    data = bytearray(bytes(a_transaction()))
    bit %= len(data) * 8
    data[bit // 8] ^= 1 << bit % 8
    try:
        assert Transaction(data) != a_transaction() and bytes(Transaction(data)) == data
    except timecoin.RequestError as error:
        assert error.code is ErrorCode.TRANSACTION_MALFORMED


@given(st.integers(min_value=0, max_value=10_000))
def test_truncated_and_trailing_bytes_are_refused(n):
    data = bytes(a_transaction())
    cut = data[: n % len(data)]
    for wrong in (cut, data + b"\0", data + cut + b"\xff"):
        assert code_of(Transaction, wrong) is ErrorCode.TRANSACTION_MALFORMED


@given(st.binary(max_size=300))
def test_random_bytes_are_refused_by_every_decoder(data):
    assert code_of(Transaction, data) is ErrorCode.TRANSACTION_MALFORMED
    assert code_of(timecoin.FinalityCertificate, data) is ErrorCode.MALFORMED
    assert code_of(timecoin.MasternodeSet, data) is ErrorCode.MALFORMED


def test_oversized_bytes_are_refused():
    assert code_of(Transaction, bytes(200_000)) is ErrorCode.TRANSACTION_MALFORMED
    assert code_of(timecoin.FinalityCertificate, bytes(2_000_000)) is ErrorCode.MALFORMED


@pytest.mark.parametrize(
    "value",
    [
        Amount("1.5 TIME"),
        Txid("ab" * 32),
        BlockHash("ab" * 32),
        OutPoint("ab" * 32 + ":7"),
        KeyPair.from_seed("alice").address(),
        KeyPair.from_seed("alice").public_key,
        a_transaction(),
        timecoin.TransactionStatus.FINALIZED,
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_can_be_pickled_and_copied(value):
    assert pickle.loads(pickle.dumps(value)) == value
    assert copy.deepcopy(value) == value


def test_values_are_frozen():
    with pytest.raises(AttributeError):
        Amount(1).units = 2
    with pytest.raises(AttributeError):
        Txid("ab" * 32).name = "x"


def test_a_config_is_read_and_replaced(tmp_path):
    config = timecoin.Config.regtest(tmp_path, round_timeout_ms=500, sync_writes=False)
    assert (config.data_dir, config.round_timeout_ms, config.sync_writes) == (tmp_path, 500, False)
    other = config.replace(round_timeout_ms=700, data_dir=None, store_cache_bytes=None)
    assert (other.round_timeout_ms, other.data_dir, config.round_timeout_ms) == (700, None, 500)
    again = timecoin.Config(config.genesis_json, masternode_key=config.masternode_key.secret())
    assert again.masternode_key == config.masternode_key
    assert code_of(timecoin.Config, "{}") is ErrorCode.INVALID_GENESIS
    for fields in (
        {"moon": 1},
        {"round_timeout_ms": 0},
        {"event_queue_max": -1},
        {"sync_writes": 3},
    ):
        assert code_of(timecoin.Config.regtest, **fields) is ErrorCode.INVALID_CONFIG
    with pytest.raises(TypeError, match="round_timeout_ms"):
        timecoin.Config.regtest(round_timeout_ms=1.5)


def test_every_field_of_core_is_readable():
    from timecoin._timecoin import CONFIG_FIELDS

    config = timecoin.Config.regtest()
    for name, _range in CONFIG_FIELDS:
        getattr(config, name)
        assert f"`{name}`" in timecoin.Config.__doc__
