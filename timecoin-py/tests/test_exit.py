"""The end of a process while daemon threads are in Python code that the module called."""

from __future__ import annotations

import pytest

SETUP = """
import sys, threading, time, logging
import timecoin
from conftest import on_demand

def signing(sleep):
    node = timecoin.Node(on_demand())
    class Signer:
        key_pair = timecoin.Config.regtest_wallet()
        public_key = key_pair.public_key
        def sign(self, message):
            time.sleep(sleep)
            wallet.balance()
            return self.key_pair.sign(message)
    wallet = timecoin.Wallet(node, signer=Signer())
    return lambda: wallet.build([(wallet.address, "1 TIME")])

def waiting(network, look):
    def wait():
        try:
            network.run_until(look, within=0.5)
        except timecoin.TimeoutError:
            pass
    return wait

def logged():
    class Slow(logging.Handler):
        def emit(self, record):
            time.sleep(0.01)
    logging.getLogger().addHandler(Slow())
    logging.getLogger().setLevel(1)
    timecoin.enable_logging("TRACE")
    return timecoin.Node(on_demand()).tip

def net():
    return timecoin.LocalNet(masternodes=1)

def again(call):
    while True:
        call()
"""

CALLS = {
    "a condition of a simulation": "waiting(timecoin.Simulation(), lambda _: time.sleep(0.01))",
    "a condition of a net": "waiting(net(), lambda _: time.sleep(0.01))",
    "a quick condition of a net": "waiting(net(), lambda _: False)",
    "time of a net": "(lambda net: lambda: net.advance(0.01))(net())",
    "a signer": "signing(0.01)",
    "a handler of records": "logged()",
}


@pytest.mark.parametrize("call", list(CALLS))
def test_a_process_ends_while_a_daemon_thread_is_in_a_callback(script, call):
    text = f"{SETUP}\ncall = {CALLS[call]}\n"
    text += "threading.Thread(target=again, args=(call,), daemon=True).start()\n"
    text += "time.sleep(0.3)\nprint('end')\n"
    done = script(text)
    assert (done.stdout, done.stderr, done.returncode) == ("end\n", "", 0)


def test_who_ends_the_process_goes_on_as_ever(script):
    text = "import atexit, time\nimport logging\n"
    # Hooks run in the reverse order: this one after that of the module.
    text += "atexit.register(lambda: print(signed(), flush=True))\n"
    text += SETUP + "\nsigned = lambda: type(signing(0)()).__name__\n"
    done = script(text)
    assert (done.stdout, done.stderr, done.returncode) == ("Draft\n", "", 0)
