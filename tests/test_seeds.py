"""Identity and randomness: pure, stable, and with no 32-bit holes."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment import seeds


def test_ids_are_pinned() -> None:
    """Published ids must never change: a pool or data set made earlier would be orphaned."""
    raw = b""
    for tag, text in ((b"s", "augment/1"), (b"s", "real"), (b"s", "digits"), (b"s", "a/b.png")):
        raw += tag + len(text).to_bytes(8, "little") + text.encode()
    assert seeds.real_id("digits", "a/b.png") == hashlib.blake2b(raw, digest_size=16).hexdigest()


def test_ids_do_not_depend_on_the_process() -> None:
    code = (
        "from augment.seeds import *; print(synthetic_id(7, 'g', 's', class_conditioning('3'), 5))"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    mine = seeds.synthetic_id(7, "g", "s", seeds.class_conditioning("3"), 5)
    assert other.stdout.strip() == mine


def test_locators_are_normalised_in_ids() -> None:
    composed, decomposed = "caf\u00e9/1.png", "cafe\u0301/1.png"
    assert seeds.real_id("s", composed) == seeds.real_id("s", decomposed)
    assert seeds.real_id("s", "./a/b.png") == seeds.real_id("s", "a\\b.png")


def test_fields_do_not_run_together() -> None:
    assert seeds.hash128("k", "a", "bc") != seeds.hash128("k", "ab", "c")
    assert seeds.hash128("k", 1) != seeds.hash128("k", "1")


def test_every_field_enters_a_synthetic_id() -> None:
    base = (7, "generator", "sampling", "conditioning", 3, "parent")
    ids = {seeds.synthetic_id(*base)}
    for i, other in enumerate((8, "g2", "s2", "c2", 4, "p2")):
        changed = list(base)
        changed[i] = other
        ids.add(seeds.synthetic_id(*changed))  # type: ignore[arg-type]
    assert len(ids) == 7


def test_many_ids_at_once_are_the_same_ids() -> None:
    same = (7, "generator", "sampling", "conditioning")
    for parent in ("", "parent"):
        one_by_one = [seeds.synthetic_id(*same, i, parent) for i in (0, 5, 1 << 40)]
        assert list(seeds.synthetic_ids(*same, (0, 5, 1 << 40), parent)) == one_by_one


def test_streams_repeat_and_differ_by_name_and_id() -> None:
    a = seeds.stream("id", "z").standard_normal(4)
    assert (a == seeds.stream("id", "z").standard_normal(4)).all()
    assert not (a == seeds.stream("id", "noise").standard_normal(4)).any()
    assert not (a == seeds.stream("id2", "z").standard_normal(4)).any()


def test_a_longer_draw_begins_with_a_shorter_one() -> None:
    assert (
        seeds.stream("id", "z").standard_normal(16)[:15]
        == seeds.stream("id", "z").standard_normal(15)
    ).all()


def test_normals_are_those_of_the_streams() -> None:
    ids = ["a", "b", "c"]
    expected = [seeds.stream(i, "z").standard_normal(7) for i in ids]
    assert (seeds.normals(ids, "z", 7) == expected).all()


def test_a_rewound_generator_draws_what_a_new_one_draws() -> None:
    rewound = seeds.Rewound()
    rewound.to("other", "z").integers(0, 2**31, 3, dtype=np.uint32)  # half a word is left over
    expected = seeds.stream("a", "z")
    found = rewound.to("a", "z")
    for draw in (np.random.Generator.random, np.random.Generator.standard_normal):
        assert (draw(found, 5) == draw(expected, 5)).all()
    assert found.integers(9, dtype=np.int8) == expected.integers(9, dtype=np.int8)


def test_seeds_that_share_their_low_32_bits_differ() -> None:
    a = seeds.synthetic_id(5, "g", "s", "c", 0)
    b = seeds.synthetic_id(5 + (1 << 32), "g", "s", "c", 0)
    assert not (seeds.stream(a, "z").random(8) == seeds.stream(b, "z").random(8)).any()


def test_integer_has_the_bits_asked_for() -> None:
    assert seeds.integer("id", "t", 128) >> 64 == seeds.integer("id", "t", 64)
    assert seeds.integer("id", "t", 8) < 256
    with pytest.raises(ValueError, match="bits is 129; expected 1 to 128"):
        seeds.integer("id", "t", 129)


def test_canonical_json_refuses_nan() -> None:
    assert seeds.canonical_json({"b": 1, "a": [True, None]}) == '{"a":[true,null],"b":1}'
    with pytest.raises(ValueError, match="Out of range"):
        seeds.canonical_json(float("nan"))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 3000), st.text(max_size=5))
def test_permutation_is_a_bijection(n: int, key: str) -> None:
    image = seeds.Permutation(n, (key, 1))(np.arange(n))
    assert sorted(image.tolist()) == list(range(n))


def test_permutation_of_a_billion_needs_no_memory_and_mixes() -> None:
    p = seeds.Permutation(10**9, ("x",))
    image = p(np.arange(20_000))
    assert len(set(image.tolist())) == 20_000
    assert abs(image.mean() / 10**9 - 0.5) < 0.01
    assert abs(np.corrcoef(np.arange(20_000), image)[0, 1]) < 0.03


def test_permutation_refuses_what_lies_outside() -> None:
    with pytest.raises(ValueError, match=r"positions must lie in 0 \.\. 4"):
        seeds.Permutation(5, ("x",))(np.array([5]))
    with pytest.raises(ValueError, match="n is 0; expected at least 1"):
        seeds.Permutation(0, ("x",))
