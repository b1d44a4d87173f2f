from __future__ import annotations

import collections
import datetime as dt
import pickle
import time
from typing import Any

import numpy as np
import pytest

from augment.checkpoints.blob import Blob, open_blob
from augment.checkpoints.inert import Global, Node, globals_in, opening, read_pickle, walk
from augment.checkpoints.limits import MAX_TUPLE_KEYS
from augment.checkpoints.plain import Plain
from augment.errors import UnsafeCheckpoint
from tests.checkpoints.assembly import Call, G, Kept, Persistent, Raw, dumps

PLAIN: list[Any] = [
    None, True, False, 0, -1, 255, 65536, 2**31, -(2**40), 2**200, 0.5, float("inf"), "", "text",
    "\u00e4\U0001f600", (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4),
    [], [1, [2, (3, {})]], {}, {"a": {"b": [None]}}, {1: 2, None: 3, 0.5: 4, (1, "x"): 6},
    list(range(3000)), {str(i): i for i in range(3000)}, "x" * 70_000,
]  # fmt: skip

PLAIN_SINCE_3: list[Any] = [b"", b"bytes" * 100, {b"k": 5}, "\ud800"]
"""Calls before."""


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_are_themselves(protocol: int) -> None:
    for value in PLAIN if protocol < 3 else [*PLAIN, *PLAIN_SINCE_3]:
        data = pickle.dumps(value, protocol)
        found = read_pickle(Blob("x", data))
        assert (found.root, type(found.root)) == (value, type(value))
        assert found.end == len(data)
        assert found.persistent == []


def test_as_many_tuples_may_be_keys_as_the_limits_say() -> None:
    whole = {(n, "x"): n for n in range(MAX_TUPLE_KEYS)}
    assert read_pickle(Blob("x", pickle.dumps(whole, 2))).root == whole
    with pytest.raises(UnsafeCheckpoint, match="keys that need unbounded work to hash"):
        read_pickle(Blob("x", pickle.dumps({**whole, (-1,): 0}, 2)))
    with pytest.raises(UnsafeCheckpoint, match="or one of more than 16 parts"):
        read_pickle(Blob("x", pickle.dumps({tuple(range(17)): 0}, 2)))


@pytest.mark.parametrize("protocol", range(6))
def test_shared_and_circular_values(protocol: int) -> None:
    inner: list[Any] = []
    inner.append(inner)
    root = read_pickle(Blob("x", pickle.dumps([inner, inner], protocol))).root
    assert root[0] is root[1] is root[0][0]
    assert len(list(walk(root))) == 2


def test_objects_are_nodes() -> None:
    value = collections.OrderedDict(a=dt.date(2020, 1, 2))
    node = read_pickle(Blob("x", pickle.dumps(value, 2))).root
    assert isinstance(node, Node)
    assert (node.kind, node.path, node.args) == ("call", "collections.OrderedDict", ())
    ((key, made),) = node.items
    assert (key, made.path) == ("a", "datetime.date")
    assert globals_in(node) == {"collections.OrderedDict", "datetime.date", "_codecs.encode"}


def test_every_way_to_make_an_object() -> None:
    cls = G("m", "C")
    tree = [
        Call(cls, (1,), (("k", "v"),), {"s": 1}),
        Call(cls, (1,), op=b"\x81"),
        Raw(b"cm\nC\nK\x01\x85}X\x01\0\0\0kK\x02s\x92"),
        Raw(b"(K\x01im\nC\n"),
        Raw(b"(cm\nC\nK\x01o"),
        Persistent("id"),
        Raw(b"Pid\n"),
        {3, 1},
        Raw(b"(K\x01K\x03\x91"),
    ]
    found = read_pickle(Blob("x", dumps(tree)))
    made = found.root
    assert [node.kind for node in made] == ["call", *["new"] * 4, *["persistent"] * 2, "set", "set"]
    assert [list(node.args) for node in made] == [*[[1]] * 5, ["id"], ["id"], [1, 3], [1, 3]]
    assert {node.path for node in made[:5]} == {"m.C"}
    assert (made[0].items, made[0].state, made[2].kwargs) == ([("k", "v")], {"s": 1}, {"k": 2})
    assert found.persistent == made[5:7]
    assert all(dumps(tree)[node.at : node.at + 1] for node in made)


def test_list_items_of_an_object() -> None:
    node = read_pickle(Blob("x", pickle.dumps(collections.deque([1, 2]), 2))).root
    assert node.appended == [1, 2]


def test_a_pickle_inside_a_file() -> None:
    data = b"junk" + pickle.dumps({"a": 1}) + b"more"
    found = read_pickle(Blob("x", data), 4)
    assert (found.root, data[found.end :]) == ({"a": 1}, b"more")


def test_an_error_says_where_what_and_the_way_out() -> None:
    with pytest.raises(UnsafeCheckpoint) as caught:
        read_pickle(Blob("net.pkl", b"junk\x80\x02N\x82\x01."), 4)
    assert str(caught.value) == (
        "net.pkl: pickle has the instruction EXT1 at byte 7; expected a pickle that only "
        "describes data; take another file, best the weights as .safetensors"
    )


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        (Raw(b"N)R"), "a call of NoneType with tuple"),
        (Raw(b"cm\nC\nNR"), r"a call of Global with NoneType"),
        (Raw(b"cm\nC\n)N\x92"), "a call with the keywords NoneType"),
        (Raw(b"cm\nC\n)K\x01\x92"), "a call with the keywords 1"),
        (Raw(b"(o"), "a call of NoneType"),
        (Raw(b"NN\x93"), "a global whose name is no text"),
        (Raw(b"N}b"), "a state for NoneType"),
        (Raw(b"NNa"), "items appended to NoneType"),
        (Raw(b"NNNs"), "items set in NoneType"),
        (Raw(b"}(Nu"), "a key without a value"),
        (Raw(b"](N\x90"), "members added to list"),
        (Raw(b"}]Ns"), "a key of the type list"),
        (Raw(b"}I99999999999999999999\nNs"), "a key of the type int"),
        (Raw(b"(N"), "no single value"),
        (Raw(b"I1x\n"), "no whole instruction"),
        (Raw(b"S'\\q'\n"), "no whole instruction|no single"),
    ],
)
def test_what_the_machine_refuses(tree: Any, text: str) -> None:
    with pytest.raises(UnsafeCheckpoint, match=f"^x: .*(?:{text})"):
        read_pickle(Blob("x", dumps(tree)))


def test_instructions_are_counted() -> None:
    assert read_pickle(Blob("x", b"NNN00."), max_opcodes=6).root is None
    with pytest.raises(UnsafeCheckpoint, match="more than 5 instructions at byte 5"):
        read_pickle(Blob("x", b"NNN00."), max_opcodes=5)


def test_the_opening_of_a_pickle() -> None:
    assert opening(Blob("x", dumps({"a": G("m", "C")}))) == ([2, "a", "m.C"], True)
    assert opening(Blob("x", dumps({"a": 1})[:-1]))[1] is False
    assert opening(Blob("x", dumps({"a": 1})), steps=1) == ([2], True)


def test_a_large_pickle_is_quick_and_not_copied_often() -> None:
    data = pickle.dumps({str(i): bytes(1 << 20) for i in range(64)}, 4)
    started = time.process_time()
    read_pickle(Blob("x", data))
    assert time.process_time() - started < 5


def test_plain_values_of_a_tree() -> None:
    tree = {"a": (1, [2.5, None]), "b": np.float64(0.5), "s": frozenset({"x"}), "d": Kept}
    body = pickle.dumps({key: tree[key] for key in "abs"}, 4)
    blob = Blob("x", body)
    plain = Plain(blob)
    assert plain.value(read_pickle(blob).root, "it") == {
        "a": [1, [2.5, None]],
        "b": 0.5,
        "s": ["x"],
    }
    with pytest.raises(UnsafeCheckpoint, match=r"it holds the global 'tests\..*Kept' at byte \d+"):
        plain.value(read_pickle(Blob("x", pickle.dumps(Kept))).root, "it")
    with pytest.raises(UnsafeCheckpoint, match="a key of it holds the value 1; expected numbers"):
        plain.value({1: 2}, "it")
    assert plain.texts(["a", "b"], "it") == {"a", "b"}
    with pytest.raises(UnsafeCheckpoint, match="it holds list"):
        plain.texts([1], "it")


def test_what_was_opened_may_be_opened_again() -> None:
    blob = open_blob(b"abc", "x")
    assert open_blob(blob) is blob
    assert isinstance(read_pickle(Blob("x", dumps(G("m", "C")))).root, Global)
