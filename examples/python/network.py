"""Four masternodes in virtual time: a payment is final without a leader and stays so, while the
proposer crashes and the network is cut in two; then back to before the cut.
"""

from __future__ import annotations

import timecoin


def main() -> None:
    sim = timecoin.Simulation(masternodes=4, seed=7)
    alice, bob = sim.wallet("alice"), sim.wallet("bob")
    print("four masternodes, seed 7")

    five = alice.pay(bob.address, "5 TIME")
    sim.run_until(five.finalized)
    print(f"alice pays bob 5 TIME: final after {latency_ms(five)} ms, in no block yet")

    proposer = sim.proposer
    sim.crash(proposer)
    print(f"masternode {proposer}, who proposes the next block, crashes")
    one = alice.pay(bob.address, "1 TIME")
    sim.run_until(one.finalized)
    print(f"alice pays bob 1 TIME: final after {latency_ms(one)} ms")
    sim.run_until(one.confirmed)
    view_changes = sim.metrics().view_changes
    print(f"both are in block {one.height}, after {view_changes} view changes")
    sim.restart(proposer)
    print(f"masternode {proposer} is back")

    before = sim.snapshot()
    with sim.partition({0, 1}, {2, 3}):
        two = alice.pay(bob.address, "2 TIME")
        sim.advance("20s")
        assert five.finalized and not two.finalized
        print("cut in two: alice pays bob 2 TIME, and it is not final")
        print(f"what was final is: bob has {bob.balance()}")
    sim.run_until(two.finalized)
    sim.run_until(two.confirmed)
    print(f"healed: final, and in block {two.height}")
    print(f"bob has {bob.balance()}")

    after = sim.digest()
    sim.revert(before)
    assert sim.digest() == before.digest
    print(f"back before the cut: bob has {bob.balance()}")
    print(f"digest {after}")


def latency_ms(payment: timecoin.SimPayment) -> int:
    """Milliseconds of virtual time until it was final."""
    assert payment.latency is not None
    return round(payment.latency * 1_000_000) // 1_000


if __name__ == "__main__":
    main()
