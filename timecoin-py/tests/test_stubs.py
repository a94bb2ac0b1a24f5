"""Names, stubs, documentation and texts hold together."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

import timecoin
from timecoin import _timecoin

STUBS = ast.parse((Path(timecoin.__file__).parent / "_timecoin.pyi").read_text())
CLASSES = {node.name: node for node in STUBS.body if isinstance(node, ast.ClassDef)}

# What every class has, or what only the interpreter calls.
EVERYWHERE = set(dir(object)) | {"__module__", "__doc__", "__replace__"}


def members(node: ast.ClassDef) -> dict[str, ast.FunctionDef]:
    return {item.name: item for item in node.body if isinstance(item, ast.FunctionDef)}


def is_property(function: ast.FunctionDef) -> bool:
    return any(
        isinstance(name, ast.Name) and name.id == "property" for name in function.decorator_list
    )


def public(names) -> set[str]:
    return {name for name in names if not name.startswith("_")}


def test_the_stubs_name_what_is_there():
    functions = {node.name for node in STUBS.body if isinstance(node, ast.FunctionDef)}
    variables = {node.target.id for node in STUBS.body if isinstance(node, ast.AnnAssign)}
    named = public(CLASSES) | public(functions) | {v for v in variables if v.isupper()}
    assert named == public(dir(_timecoin))
    assert "_set_log_level" in functions and "_bench_pay" in functions


@pytest.mark.parametrize("name", sorted(public(CLASSES)))
def test_the_stubs_of_a_class_hold(name):
    cls, stub = getattr(_timecoin, name), members(CLASSES[name])
    assert public(stub) == public(vars(cls))
    special = {member for member in vars(cls) if member.startswith("_")} - EVERYWHERE
    assert special <= set(stub) | {"__weakref__"}, special - set(stub)
    for member, function in stub.items():
        runtime = inspect.getattr_static(cls, member, None) or getattr(cls, member)
        assert is_property(function) == inspect.isgetsetdescriptor(runtime), member
        if not member.startswith("_") and callable(getattr(cls, member)):
            parameters = list(inspect.signature(getattr(cls, member)).parameters.values())
            said = function.args
            names = [a.arg for a in said.args + said.kwonlyargs if a.arg != "self"]
            names += [a.arg for a in (said.vararg, said.kwarg) if a]
            assert [p.name for p in parameters if p.name != "self"] == names, member


@pytest.mark.parametrize("name", sorted(public(CLASSES)))
def test_everything_is_documented(name):
    cls = getattr(_timecoin, name)
    assert cls.__doc__ and cls.__module__ == "timecoin"
    for member in public(vars(cls)):
        assert getattr(cls, member).__doc__, f"{name}.{member}"


def test_the_stubs_name_the_settings_of_core():
    def keys(name: str) -> set[str]:
        fields = {i.target.id for i in CLASSES[name].body if isinstance(i, ast.AnnAssign)}
        bases = [base.id for base in CLASSES[name].bases if base.id in CLASSES]
        return fields.union(*map(keys, bases))

    for name, settings, cls in (
        ("_SimulationSettings", _timecoin.SIMULATION_SETTINGS, timecoin.Simulation),
        ("_LocalNetSettings", _timecoin.LOCALNET_SETTINGS, timecoin.LocalNet),
    ):
        assert keys(name) == {setting for setting, _ in settings}
        assert all(f"`{setting}`" in cls.__doc__ for setting, _ in settings)


def test_the_package_exports_what_it_lists():
    assert sorted(timecoin.__all__) == timecoin.__all__ or set(timecoin.__all__)
    for name in timecoin.__all__:
        assert hasattr(timecoin, name)
    native = public(dir(_timecoin)) - {
        "ERROR_CODES", "CONFIG_FIELDS", "SIMULATION_SETTINGS", "LOCALNET_SETTINGS"
    }  # fmt: skip
    assert native <= set(timecoin.__all__)


def test_every_kind_of_event_has_a_class():
    for kind in timecoin.EventKind:
        name = "".join(word.capitalize() for word in kind.value.split("_")) + "Event"
        assert issubclass(getattr(timecoin, name), timecoin.Event)


CORE = Path(__file__).resolve().parents[2] / "timecoin-core/src"

# Where core gives each of the enumerations its names.
NAMED = {
    "TransactionStatus": "engine/output.rs",
    "NodeState": "node/state.rs",
    "OutpointState": "node/published.rs",
    "SimNodeState": "sim/status.rs",
    "Network": "types/address.rs",
    "EventKind": "node/event.rs",
}


@pytest.mark.parametrize("name", list(NAMED))
def test_names_of_states_are_those_of_core(name):
    core = {"EventKind": "NodeEventKind", "SimNodeState": "NodeState"}.get(name, name)
    source = (CORE / NAMED[name]).read_text()
    named = re.findall(rf"{core}::\w+(?: *\{{ \.\. \}}|\(_\))? => \"([a-z_]+)\"", source)
    members = list(getattr(timecoin, name))
    # A network's address prefixes come before its names.
    assert [member.value for member in members] == named[-len(members) :]
    for member in members:
        assert member == member.value == str(member) == f"{member}"
        assert member.name == member.value.upper()


def test_texts_tell_what_a_thing_is(node, alice, bob):
    payment = alice.pay(bob.address, "5 TIME")
    payment.wait_finalized()
    node.produce_block()
    block = node.block(1)
    shown = [
        node, alice, payment, block, node.tip(), node.status(), node.mempool_info(),
        node.masternodes(), node.masternodes()[0], bob.balance(), node.config,
        payment.transaction, payment.transaction.inputs[0], payment.transaction.outputs[0],
        block.certificate, node.transaction(payment.txid), next(iter(node.utxos_of(bob.address))),
        timecoin.KeyPair.from_seed("x"),
    ]  # fmt: skip
    for thing in shown:
        assert repr(thing).startswith(type(thing).__name__ + "(") and "0x" not in repr(thing)
    secret = node.config.masternode_key.secret()
    assert not any(secret in repr(thing) for thing in shown)
    for thing in (node, payment, block, node.status(), node.masternodes(), bob.balance()):
        html = thing._repr_html_()
        assert html.startswith("<table>") and html.endswith("</table>")
