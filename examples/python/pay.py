"""One masternode in this process: pay, see the payment final, then confirmed in a block; a
second payment of the same coin is refused; everything is found again after a restart.

`pay.py DIRECTORY`: an empty directory, or one that is not there yet.
"""

from __future__ import annotations

import json
import sys

import timecoin
from timecoin import TransactionStatus


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: pay.py DIRECTORY")
    config = on_demand(sys.argv[1])
    txid = pay(config)
    find_again(config, txid)


def on_demand(data_dir: str) -> timecoin.Config:
    """The one masternode of a regtest chain that makes blocks on demand only."""
    regtest = timecoin.Config.regtest()
    genesis = json.loads(regtest.genesis_json)
    genesis["params"]["block_production"] = "on_demand"
    del genesis["chain_id"]  # it is the hash of everything else, which changed
    return timecoin.Config(
        json.dumps(genesis), data_dir=data_dir, masternode_key=regtest.masternode_key
    )


def pay(config: timecoin.Config) -> timecoin.Txid:
    """Pays, is refused the second time, has a block made."""
    with timecoin.Node(config) as node:
        print(f"opened a {node.network} node at height {node.tip().height}")

        alice = timecoin.Wallet(node, seed="regtest wallet")
        bob = timecoin.Wallet(node, seed="bob")
        carol = timecoin.Wallet(node, seed="carol")
        print(f"alice has {alice.balance().confirmed}")

        # Another wallet of the same key does not know which coins this one uses.
        rival = timecoin.Wallet(node, seed="regtest wallet")
        same_coin = rival.build([(carol.address, "5 TIME")])

        events = node.events(timeout=60)
        payment = alice.pay(bob.address, "5 TIME")
        print(f"alice pays 5 TIME to bob for a fee of {payment.fee}")
        for event in events:
            if isinstance(event, timecoin.TransactionStatusEvent) and event.txid == payment.txid:
                print(f"status {event.status}")
                if event.status is TransactionStatus.FINALIZED:
                    break
        balance = bob.balance()
        print(f"bob has {balance.finalized} final and {balance.confirmed} confirmed")
        try:
            same_coin.submit()
        except timecoin.RequestError as error:
            print(f"paying carol with the same coin is refused: {error.name}")

        print(f"produced block {node.produce_block()}")
        print(f"confirmed at height {payment.wait_confirmed()}")
        print(f"alice has {alice.balance().confirmed} confirmed")
        print(f"bob has {bob.balance().confirmed} confirmed")
        return payment.txid


def find_again(config: timecoin.Config, txid: timecoin.Txid) -> None:
    """Opens the node again and finds everything on disk."""
    with timecoin.Node(config) as node:
        print("closed, and opened again from disk")
        print(f"tip at height {node.tip().height}")
        payment = node.transaction(txid)
        if payment is None:
            sys.exit("the payment is gone")
        print(f"the payment is {payment.status} at height {payment.height}")
        alice = timecoin.Wallet(node, seed="regtest wallet")
        bob = timecoin.Wallet(node, seed="bob")
        print(f"alice has {alice.balance().confirmed} confirmed")
        print(f"bob has {bob.balance().confirmed} confirmed")


if __name__ == "__main__":
    main()
