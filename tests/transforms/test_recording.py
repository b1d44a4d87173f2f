"""What was sampled, as canonical JSON."""

from __future__ import annotations

import enum
import hashlib
import json

import numpy as np
import pytest

from augment.seeds import canonical_json
from augment.transforms.recording import params_json, plain


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.float32(0.5), "0.5"),
        (np.int64(7), "7"),
        (np.True_, "true"),
        ((1, 2.5, None, "x"), '[1,2.5,null,"x"]'),
        ({2: (1,), "a": {"b": True}}, '{"2":[1],"a":{"b":true}}'),
        ({3, 1, 2}, "[1,2,3]"),
        (Colour.RED, '"red"'),
        (Level.HIGH, "3"),
        (float("nan"), '"nan"'),
        (np.float64("-inf"), '"-inf"'),
        (np.eye(2), "[[1.0,0.0],[0.0,1.0]]"),
        (np.array(3), "3"),
        (object(), '{"type":"builtins.object"}'),
        (np.random.default_rng(0), '{"type":"numpy.random._generator.Generator"}'),
    ],
)
def test_small_values_stand_in_full(value: object, text: str) -> None:
    assert canonical_json(plain(value)) == text


def test_a_large_array_is_named_by_hash_shape_and_kind() -> None:
    array = np.arange(24, dtype=np.float32).reshape(4, 6)
    expected = {
        "sha256": hashlib.sha256(array.astype("<f4").tobytes()).hexdigest(),
        "shape": [4, 6],
        "dtype": "float32",
    }
    assert plain(array) == expected
    assert plain(array.astype(">f4")) == expected
    assert plain(np.asfortranarray(array)) == expected


def test_a_long_list_is_named_by_hash_and_length() -> None:
    drops = [(i, i + 1) for i in range(300)]
    text = json.dumps(drops, separators=(",", ":"))
    assert plain(drops) == {"sha256": hashlib.sha256(text.encode()).hexdigest(), "length": 300}
    assert plain(list(range(20))) == list(range(20))


def test_params_are_sorted_and_compact() -> None:
    assert params_json({"b": 1, "a": np.float64(2)}) == '{"a":2.0,"b":1}'
