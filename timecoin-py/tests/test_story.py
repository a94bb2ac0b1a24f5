"""The main job: pay, see it final, see it confirmed, close, open again and find everything."""

from __future__ import annotations

from pathlib import Path

import pytest

import timecoin
from conftest import on_demand
from timecoin import NodeState, OutpointState, TransactionStatus


def test_a_payment_is_final_and_then_confirmed(node, alice, bob):
    payment = alice.pay(bob.address, "5 TIME")
    assert payment.wait_finalized() is TransactionStatus.FINALIZED
    assert payment.finalized and payment.status == "finalized"
    assert bob.balance().finalized == timecoin.Amount("5 TIME")
    assert bob.balance().confirmed == timecoin.Amount(0)
    height = node.produce_block()
    assert payment.wait_confirmed() == height == 1
    assert bob.balance().confirmed == timecoin.Amount("5 TIME")
    assert payment.txid in node.block(height).txids
    assert node.transaction(payment.txid).height == 1


def test_everything_is_there_again_after_a_restart(tmp_path: Path):
    config = on_demand(tmp_path)
    with timecoin.Node(config) as node:
        alice = timecoin.Wallet(node, seed="regtest wallet")
        confirmed = alice.pay(timecoin.KeyPair.from_seed("bob").address(), "5 TIME")
        confirmed.wait_finalized()
        node.produce_block()
        tip = node.tip().hash
        final = alice.pay(timecoin.KeyPair.from_seed("carol").address(), "1 TIME")
        final.wait_finalized()
    assert node.state is NodeState.CLOSED
    with timecoin.Node(config) as again:
        assert again.tip().hash == tip
        assert again.transaction_status(confirmed.txid) is TransactionStatus.CONFIRMED
        assert again.wait_finalized(final.txid).is_final
        again.produce_block()
        assert again.balance(timecoin.KeyPair.from_seed("carol").address()).confirmed.units > 0


def test_a_new_node_answers_before_it_is_started(config):
    node = timecoin.Node(config, start=False)
    assert node.state is NodeState.NEW and node.tip().height == 0
    node.start()
    assert node.state is NodeState.RUNNING
    node.close()
    node.close()
    assert node.state is NodeState.CLOSED


def test_a_with_block_closes_the_node_also_after_an_error(config):
    with pytest.raises(KeyError), timecoin.Node(config) as node:
        raise KeyError
    assert node.state == "closed"


def test_several_nodes_share_a_process(config):
    nodes = [timecoin.Node(config) for _ in range(5)]
    alices = [timecoin.Wallet(node, timecoin.Config.regtest_wallet()) for node in nodes]
    txids = {alice.pay(alice.address, "1 TIME").txid for alice in alices}
    assert len(txids) == 1
    for node in nodes:
        node.close()


def test_many_are_paid_at_once(node, alice):
    people = [timecoin.Wallet(node, seed=f"person {n}") for n in range(20)]
    payment = alice.pay_many({person.address: f"{n + 1} TIME" for n, person in enumerate(people)})
    payment.wait_finalized()
    assert [person.balance().spendable.units for person in people] == [
        (n + 1) * 100_000_000 for n in range(20)
    ]
    assert payment.fee == sum(
        (utxo.value for utxo in [node.utxo(payment.transaction.inputs[0].previous_output)]),
        start=timecoin.Amount(0),
    ) - sum(output.value for output in payment.transaction.outputs)


def test_a_draft_keeps_its_coins_until_it_is_discarded(node, alice, bob):
    draft = alice.build([(bob.address, "5 TIME")])
    assert draft.fee == alice_fee(draft) and node.transaction(draft.transaction.txid) is None
    draft.discard()
    other = alice.build([(bob.address, "5 TIME")])
    assert other.transaction.txid == draft.transaction.txid
    assert other.submit().txid == other.transaction.txid
    with pytest.raises(timecoin.RequestError, match="submitted or discarded"):
        other.submit()


def alice_fee(draft: timecoin.Draft) -> timecoin.Amount:
    spent = timecoin.Amount("1000000 TIME")
    return spent - sum(output.value for output in draft.transaction.outputs)


def test_outputs_are_read_in_pages(node, alice):
    carol = timecoin.Wallet(node, seed="carol")
    for _ in range(3):
        alice.pay_many([(carol.address, "1 TIME")] * 9).wait_finalized()
    pages = [list(node.utxos_of(carol.address, page_size=size)) for size in (1, 5, 27, 1_000)]
    assert all(page == pages[0] for page in pages)
    assert len({utxo.outpoint for utxo in pages[0]}) == 27
    assert {utxo.state for utxo in pages[0]} == {OutpointState.UNSPENT}
    assert [utxo.outpoint for utxo in pages[0]] == sorted(utxo.outpoint for utxo in pages[0])


def test_an_outsider_verifies_the_finality_proof(node, alice, bob):
    payment = alice.pay(bob.address, "5 TIME")
    payment.wait_finalized()
    proof = timecoin.FinalityCertificate(bytes(node.finality_proof(payment.txid)))
    masternodes = timecoin.MasternodeSet(bytes(node.masternodes()))
    assert proof.txid == payment.txid and proof.signers == [0]
    timecoin.verify_finality_proof(proof, node.chain_id, masternodes)
    with pytest.raises(timecoin.PeerError) as raised:
        timecoin.verify_finality_proof(proof, bytes(32), masternodes)
    assert raised.value.code is timecoin.ErrorCode.PROOF_BAD_SIGNATURE


def test_the_node_tells_how_it_is(node, alice, bob):
    alice.pay(bob.address, "5 TIME").wait_finalized()
    status = node.status()
    assert (status.state, status.height, status.n_masternodes, status.quorum) == (
        "running",
        0,
        1,
        1,
    )
    assert status.is_active_masternode and not status.is_observer
    assert status.chain_id == node.chain_id and status.network == node.network == "regtest"
    assert node.mempool_info().transactions == status.mempool_transactions == 1
    assert node.metrics()["timecoin_finality_transactions_total"] == 1
    assert "# TYPE timecoin_consensus_height gauge" in node.metrics_text()
    masternode = node.masternodes()[0]
    assert masternode.consensus_key == status.masternode_key
    assert [masternode] == list(node.masternodes())


def test_a_block_says_what_it_holds(node, alice, bob):
    payment = alice.pay(bob.address, "5 TIME")
    payment.wait_finalized()
    node.produce_block()
    block = node.block(1)
    assert block == node.block(block.hash) == node.block(str(block.hash))
    assert [tx.kind for tx in block] == ["coinbase", "transfer"]
    assert block.certificate.block == block.hash == node.tip().hash
    assert bytes(block.parent) == bytes(node.chain_id)
    assert block.certificate == node.tip().certificate
    assert node.block(2) is None and node.block(0) is None


def test_a_wallet_holds_several_keys(node, alice):
    wallet = timecoin.Wallet.generate(node)
    second = wallet.new_address()
    third = wallet.add_key(timecoin.KeyPair.from_seed("third"))
    assert wallet.addresses() == [wallet.address, second, third]
    alice.pay_many([(address, "1 TIME") for address in wallet.addresses()]).wait_finalized()
    payment = wallet.pay(alice.address, "2.5 TIME")
    assert len(payment.transaction.inputs) == 3
    exported = wallet.export(second)
    assert exported.address() == second
    assert timecoin.KeyPair.from_secret(exported.secret()) == exported
