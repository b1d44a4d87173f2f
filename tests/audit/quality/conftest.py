"""Feature clouds in place of images: a class is a normal distribution about a centre of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from augment.audit.quality import Gathered, Quality, Rows, Thresholds, judged
from augment.audit.quality.gathering import Group
from augment.audit.quality.labels import Labels

D = 24
CLASSES = ("a", "b", "c")
Cloud = Callable[[np.random.Generator, str, int], np.ndarray]
"""(random numbers, class, n) -> features (n, D)."""


def real(rng: np.random.Generator, name: str, n: int) -> np.ndarray:
    """What real images are like, and a perfect generator's."""
    centre = np.zeros(D)
    centre[CLASSES.index(name)] = 6.0
    return (centre + rng.standard_normal((n, D))).astype(np.float32)


def rows_of(split: str, name: str, maker: str | None, n: int, pixels: bool = False) -> Rows:
    """n rows of one group."""
    ids = [f"{split}/{name}/{maker}/{i}" for i in range(n)]
    return Rows(ids, [split] * n, [name] * n, [maker] * n, ids if pixels else ())


def gathered(
    seed: int, made: Mapping[str, Cloud], train: int = 120, holdout: int = 60, n: int = 60
) -> Gathered:
    """Train and test of every class, and n images of each maker and class in train."""
    rng, found = np.random.default_rng(seed), Gathered(seed)
    for name in CLASSES:
        for split, size in (("train", train), ("test", holdout)):
            if size:
                found.add(rows_of(split, name, None, size), real(rng, name, size), np.arange(size))
        for maker, cloud in made.items():
            found.add(rows_of("train", name, maker, n), cloud(rng, name, n), np.arange(n))
    return found


def quality(
    seed: int,
    made: Mapping[str, Cloud],
    *,
    repeats: Mapping[Group, tuple[int, int]] | None = None,
    labels: Labels | None = None,
    thresholds: Thresholds | None = None,
    **sizes: int,
) -> Quality:
    """Judged by two extractors that see the same kind of thing."""
    return judged(
        {"one": gathered(seed, made, **sizes), "two": gathered(seed + 1000, made, **sizes)},
        seed=seed,
        extractors=(),
        makers={maker: f"name of {maker}" for maker in made},
        repeats=repeats,
        labels=labels,
        thresholds=thresholds,
    )
