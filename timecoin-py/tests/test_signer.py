"""Signatures by an object of the host's own."""

from __future__ import annotations

import threading

import pytest

import timecoin


class Signer:
    """Signs as a key pair does, and remembers on which threads."""

    def __init__(self, seed: str) -> None:
        self.keys = timecoin.KeyPair.from_seed(seed)
        self.threads: list[int] = []

    @property
    def public_key(self) -> timecoin.PublicKey:
        return self.keys.public_key

    def sign(self, message: bytes) -> bytes:
        assert type(message) is bytes and len(message) == 32
        self.threads.append(threading.get_ident())
        return self.keys.sign(message)


class Broken(Signer):
    """Does something else instead."""

    def __init__(self, seed: str, act) -> None:
        super().__init__(seed)
        self.act = act

    def sign(self, message: bytes) -> bytes:
        return self.act(message)


def test_it_signs_on_the_calling_thread_only(node, bob):
    signer = Signer("regtest wallet")
    wallet = timecoin.Wallet(node, signer=signer)
    wallet.pay(bob.address, "5 TIME").wait_finalized()
    thread = threading.Thread(target=wallet.pay, args=(bob.address, "5 TIME"))
    thread.start()
    thread.join()
    assert signer.threads == [threading.get_ident(), thread.ident]
    with pytest.raises(timecoin.RequestError) as raised:
        wallet.export(wallet.address)
    assert raised.value.name == "unknown_address"


def test_what_it_raises_is_raised(node, bob):
    class Refused(Exception):
        pass

    def refuse(_: bytes) -> bytes:
        raise Refused("the owner said no")

    wallet = timecoin.Wallet(node, signer=Broken("regtest wallet", refuse))
    for _ in range(2):
        with pytest.raises(Refused, match="said no"):
            wallet.pay(bob.address, "5 TIME")
    assert timecoin.Wallet(node, seed="regtest wallet").balance().spendable.units > 0


def test_interrupts_pass_through(node, bob):
    def interrupt(_: bytes) -> bytes:
        raise KeyboardInterrupt

    wallet = timecoin.Wallet(node, signer=Broken("regtest wallet", interrupt))
    with pytest.raises(KeyboardInterrupt):
        wallet.pay(bob.address, "5 TIME")


@pytest.mark.parametrize("wrong", [None, b"", bytes(63), "text", 5, [1] * 63])
def test_wrong_signatures_are_refused(node, bob, wrong):
    wallet = timecoin.Wallet(node, signer=Broken("regtest wallet", lambda _: wrong))
    with pytest.raises((TypeError, ValueError)):
        wallet.pay(bob.address, "5 TIME")


def test_a_false_signature_is_refused_by_the_node(node, bob):
    wallet = timecoin.Wallet(node, signer=Broken("regtest wallet", lambda _: bytes(64)))
    with pytest.raises(timecoin.RequestError) as raised:
        wallet.pay(bob.address, "5 TIME")
    assert raised.value.name == "transaction_bad_signature"


def test_it_may_use_the_module(node, bob):
    def sign(message: bytes) -> bytes:
        assert node.tip().height == 0
        assert wallet.address == signer.keys.address()
        with pytest.raises(timecoin.RequestError):
            bob.pay(wallet.address, "1 TIME")
        return signer.keys.sign(message)

    signer = Broken("regtest wallet", sign)
    wallet = timecoin.Wallet(node, signer=signer)
    assert wallet.pay(bob.address, "5 TIME").wait_finalized() == "finalized"


def test_objects_that_cannot_sign_are_refused(node):
    with pytest.raises(AttributeError, match="public_key"):
        timecoin.Wallet(node, signer=object())


def test_a_wallet_signs_what_it_can(node, alice, bob):
    utxo = next(iter(node.utxos_of(alice.address)))
    keys = timecoin.Config.regtest_wallet()
    unsigned = timecoin.Transaction.transfer(
        [(utxo.outpoint, keys.public_key)], [(bob.address, utxo.value - timecoin.Amount(1_000))]
    )
    untouched, n_none = bob.sign(unsigned)
    assert (untouched, n_none) == (unsigned, 0)
    signed, n_signed = alice.sign(unsigned)
    assert n_signed == 1 and signed == unsigned.sign(node.chain_id, keys)
    assert node.submit_transaction(signed) == unsigned.txid
