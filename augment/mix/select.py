"""Which accepted samples of the pool a job takes: exact indexes first, then the lowest.

Knows nothing of shards; sets of indexes in, sets of indexes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from augment.intervals import Intervals


class DrawLike(Protocol):
    """What a job wants of one generator and class for one split.

    n: samples. exact: only these indexes will do (a manifest's); None: any.
    """

    @property
    def generator(self) -> str: ...
    @property
    def label_name(self) -> str: ...
    @property
    def split(self) -> str: ...
    @property
    def n(self) -> int: ...
    @property
    def exact(self) -> Intervals | None: ...


Cell = tuple[str, str, str]
"""(generator, class, split)."""


def select(
    draws: Sequence[DrawLike], accepted: Mapping[tuple[str, str], Intervals]
) -> tuple[dict[Cell, Intervals], dict[Cell, int]]:
    """The indexes that each (generator, class, split) takes, and how many it lacks.

    accepted: (generator, class) -> indexes that passed. Draws with exact indexes take
    theirs first; the others take the lowest that are left, in the order of `draws`. No
    index is taken twice. Both results have a key for every cell drawn from; a lack of 0
    means none.
    """
    left = dict(accepted)
    taken: dict[Cell, Intervals] = {}
    lacking: dict[Cell, int] = {}
    for draw in sorted(draws, key=lambda d: d.exact is None):  # stable: keeps their order
        source = (draw.generator, draw.label_name)
        rest = left.get(source, Intervals())
        got = rest.take(0, draw.n) if draw.exact is None else rest & draw.exact
        left[source] = rest - got
        cell = (*source, draw.split)
        taken[cell] = taken.get(cell, Intervals()) | got
        lacking[cell] = lacking.get(cell, 0) + draw.n - len(got)
    return taken, lacking
