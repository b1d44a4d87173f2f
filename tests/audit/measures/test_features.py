"""Bad features are refused by every measure that takes them, with place, what came and what was
expected."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from augment.audit.measures import (
    Base,
    BottomK,
    Moments,
    by_class,
    inception_score,
    intra_distance,
    intra_ratio,
    kid,
    manifold,
    nearest,
    reference,
    sliced_wasserstein,
    vendi,
    vendi_ratio,
    with_interval,
)

GOOD = np.random.default_rng(0).standard_normal((300, 4))
Door = Callable[[np.ndarray], object]
ONE: dict[str, Door] = {
    "moments": Moments.of,
    "base": Base,
    "queries": lambda x: nearest(Base(GOOD), x),
    "vendi": vendi,
    "intra_distance": intra_distance,
    "inception_score": inception_score,
    "bottom_k": lambda x: BottomK.of([str(i) for i in range(len(x))], x, 3, 1),
    "reference": lambda x: reference(x, 100, manifold_precision, 20, 1),
}
PAIRS: dict[str, Callable[[np.ndarray, np.ndarray], object]] = {
    "kid": lambda a, b: kid(a, b, seed=1),
    "manifold": manifold,
    "vendi_ratio": lambda a, b: vendi_ratio(a, b, seed=1),
    "sliced": lambda a, b: sliced_wasserstein(a, b, seed=1),
    "intra_ratio": intra_ratio,
    "with_interval": lambda a, b: with_interval(a, b, manifold_precision, seed=1),
    "by_class": lambda a, b: by_class(
        manifold_precision, "precision", a, ["a"] * len(a), b, ["a"] * len(b)
    ),
}
DOORS = {
    **ONE,
    **{f"{name}-real": (lambda x, f=f: f(x, GOOD)) for name, f in PAIRS.items()},
    **{f"{name}-made": (lambda x, f=f: f(GOOD, x)) for name, f in PAIRS.items()},
}


def manifold_precision(real: np.ndarray, made: np.ndarray) -> object:
    return manifold(real, made).precision


def spoiled(value: float) -> np.ndarray:
    bad = GOOD.copy()
    bad[17, 2] = value
    return bad


BAD = {
    "nan": (spoiled(np.nan), r"\[17, 2\]: got nan; expected finite numbers"),
    "infinite": (spoiled(-np.inf), r"\[17, 2\]: got -inf; expected finite numbers"),
    "empty": (np.zeros((0, 4)), r"got shape \(0, 4\); expected at least 1 rows and 1 column"),
    "no columns": (np.zeros((5, 0)), r"got shape \(5, 0\); expected at least 1 rows"),
    "one axis": (np.zeros(4), r"got shape \(4,\) of float64; expected \(N, D\)"),
    "integers": (np.zeros((5, 4), int), r"got shape \(5, 4\) of int64; expected \(N, D\)"),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", BAD)
def test_bad_features_are_refused(door: str, kind: str) -> None:
    bad, text = BAD[kind]
    with pytest.raises(ValueError, match=r"^[a-z]+_NC?D?.*" + text):
        DOORS[door](bad)


@pytest.mark.parametrize("door", PAIRS)
def test_another_dimension_is_refused(door: str) -> None:
    with pytest.raises(ValueError, match=r"made_ND: got D = 3; expected 4, as real_ND has"):
        PAIRS[door](GOOD, GOOD[:, :3])


def test_a_late_row_is_found() -> None:
    """Far behind the first block that is looked at."""
    tall = np.zeros((1 << 21, 4), np.float32)
    tall[(1 << 21) - 2, 3] = np.nan
    with pytest.raises(ValueError, match=r"features_ND\[2097150, 3\]: got nan"):
        Moments.of(tall)


def test_a_row_without_direction_has_no_cosine() -> None:
    zero = GOOD.copy()
    zero[5] = 0
    with pytest.raises(ValueError, match=r"_ND\[5\]: got a row of zeros; expected a direction"):
        DOORS["vendi"](zero)
