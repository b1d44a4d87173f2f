"""How well the encoding alone tells generated rows from real ones."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.metrics import roc_auc_score

from augment.audit.encoding import FACTS, LEAST, Encoded, Told, facts_of, told

PLAIN: dict[str, str | float] = {
    "container": "png",
    "subsampling": "",
    "quality": math.nan,
    "width": 32.0,
    "height": 32.0,
    "shape": 1.0,
}


def rows(n: int, made: bool, label: str = "a", start: int = 0, **facts: Any) -> list[Encoded]:
    """facts: a value, or a function of the row's number."""
    found = []
    for k in range(start, start + n):
        own = {name: given(k) if callable(given) else given for name, given in facts.items()}
        found.append(Encoded(f"{label}{int(made)}{k:06d}", label, made, {**PLAIN, **own}))
    return found


def figure(*parts: list[Encoded]) -> Told:
    result = told([row for part in parts for row in part])
    assert result is not None
    assert 0 <= result.low <= result.auc <= result.high <= 1
    return result


def test_equal_encodings_tell_nothing() -> None:
    result = figure(rows(50, True), rows(60, False))
    assert (result.auc, result.low, result.high) == (0.5, 0.5, 0.5)
    assert (result.generated, result.real) == (50, 60)


@pytest.mark.parametrize(
    ("fact", "real", "made"),
    [
        ("container", "jpeg", "png"),
        ("subsampling", "420", "444"),
        ("quality", 92.0, 75.0),
        ("quality", 92.0, math.nan),
        ("width", 512.0, 500.0),
    ],
)
def test_one_fact_that_differs_tells_all(fact: str, real: Any, made: Any) -> None:
    result = figure(rows(50, True, **{fact: made}), rows(50, False, **{fact: real}))
    assert result.auc == 1.0
    assert result.best == (fact, 1.0)


def test_sizes_of_many_values_are_compared_by_where_they_lie() -> None:
    draws = np.random.default_rng(0)
    large, small = draws.uniform(400, 900, 400), draws.uniform(100, 300, 400)
    apart = figure(
        rows(200, True, width=lambda k: small[k]), rows(200, False, width=lambda k: large[k])
    )
    assert apart.auc > 0.99
    alike = figure(
        rows(200, True, width=lambda k: large[k]), rows(200, False, width=lambda k: large[k + 200])
    )
    assert 0.4 < alike.auc < 0.6
    assert alike.low < 0.5 < alike.high


def test_two_facts_tell_more_than_either() -> None:
    """Each differs in half of the rows."""
    made = rows(100, True, subsampling=lambda k: "444" if k % 4 < 2 else "420",
                quality=lambda k: 60.0 if k % 4 in (1, 3) else 90.0)  # fmt: skip
    real = rows(100, False, subsampling="420", quality=90.0)
    result = figure(made, real)
    assert result.best[1] < 0.8
    assert result.auc > 0.85


def test_a_class_of_its_own_size_is_no_shortcut() -> None:
    """Most generated rows stand in the class of large images: of all rows, size would tell them."""
    result = figure(
        rows(90, True, "large", width=640.0), rows(10, False, "large", width=640.0),
        rows(10, True, "small", width=64.0), rows(90, False, "small", width=64.0),
    )  # fmt: skip
    assert result.auc == 0.5


def test_classes_that_have_one_kind_alone_are_left_out() -> None:
    result = figure(
        rows(50, True, "a"), rows(50, False, "a"),
        rows(70, True, "b", container="webp"), rows(70, False, "c", container="jpeg"),
        rows(1, True, "d", container="webp"), rows(70, False, "d"),
    )  # fmt: skip
    assert (result.auc, result.generated, result.real) == (0.5, 50, 50)


def test_too_few_rows_give_no_figure() -> None:
    assert told([]) is None
    assert told(rows(LEAST - 1, True, container="webp") + rows(500, False)) is None
    assert told(rows(500, True, container="webp") + rows(LEAST - 1, False)) is None
    assert told(rows(LEAST, True, container="webp") + rows(LEAST, False)) is not None


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(0, 3))
def test_the_order_of_rows_changes_nothing(random: Any, kind: int) -> None:
    some = rows(60, True, quality=lambda k: float(k % (kind + 2))) + rows(60, False, quality=1.0)
    expected = told(some)
    random.shuffle(some)
    assert told(some) == expected


def test_an_area_is_that_of_scikit_learn() -> None:
    """With one class and one fact, the area alone is of the log odds of its values."""
    draws = np.random.default_rng(3)
    made = rows(80, True, container=lambda k: str(draws.integers(0, 3)))
    real = rows(80, False, container=lambda k: str(draws.integers(0, 5)))
    result = figure(made, real)
    values = [int(str(row.facts["container"])) for row in made + real]
    share = [
        (sum(v == value for v in values[:80]) + 1) / (sum(v == value for v in values[80:]) + 1)
        for value in values
    ]
    expected = roc_auc_score([1] * 80 + [0] * 80, share)
    assert result.auc == pytest.approx(expected, abs=0.08)  # fit and asked on halves


# ---- of files ------------------------------------------------------------------------


def encoded(format: str, mode: str = "RGB", **how: Any) -> bytes:
    sink = io.BytesIO()
    Image.new(mode, (24, 16)).save(sink, format, **how)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (encoded("png"), ("png", "", math.nan)),
        (encoded("png", "L"), ("png", "", math.nan)),
        (encoded("jpeg", quality=71, subsampling=0), ("jpeg", "444", 71.0)),
        (encoded("jpeg", quality=90, subsampling=2), ("jpeg", "420", 90.0)),
        (encoded("webp"), ("webp", "", math.nan)),
    ],
)
def test_facts_of_a_file(data: bytes, expected: tuple[Any, ...]) -> None:
    found = facts_of(data, 10_000)
    assert tuple(found) == FACTS
    assert (found["width"], found["height"], found["shape"]) == (24.0, 16.0, 1.5)
    for fact, value in zip(FACTS, expected, strict=False):
        assert (
            found[fact] == pytest.approx(value, nan_ok=True)
            if fact == "quality"
            else (found[fact] == value)
        )
