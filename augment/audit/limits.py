"""Limits, judged on what is written: per split and class, with what, where and by how much.

Knows the figures of an audit and `Limits`; nothing of tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from augment.audit.findings import LimitResult
from augment.audit.shares import Share, empty_share
from augment.spec.models import Limits, ShareLimit

Measure = Callable[[Share], tuple[float | None, str]]
"""The figure that a limit bounds, and how it is said."""

UNIQUE_REAL = "limits.min_unique_real_per_class"
"""How results of that limit are named; the split follows."""


def judge_limits(
    limits: Limits,
    classes: Sequence[str],
    per_split: Mapping[str, Share],
    per_class: Mapping[tuple[str, str], Share],
) -> list[LimitResult]:
    """Every limit in every place it speaks of. Shares hold in every split, and are not judged
    where there are no rows; least numbers hold in the splits they name, for every class of
    `classes`, also one without rows. A limit that speaks of no place at all is not judged."""
    out: list[LimitResult] = []
    splits = sorted(per_split)
    places = [(split, name) for split in splits for name in classes]
    for word, limit, measure in (
        ("synthetic_share", limits.synthetic_share, _share),
        ("synthetic_to_real", limits.synthetic_to_real, _ratio),
    ):
        out += _upper(word, limit or ShareLimit(), measure, per_split, per_class, places)
    for word, least, count in (
        ("min_rows_per_class", limits.min_rows_per_class, _rows),
        ("min_unique_real_per_class", limits.min_unique_real_per_class, _unique),
    ):
        for split, bound in sorted((least or {}).items()):
            for name in classes:
                share = per_class.get((split, name), empty_share(()))
                out.append(_lower(word, bound, (split, name), *count(share), split in per_split))
            if not classes:
                out.append(_nowhere(f"limits.{word}.{split}", bound, split))
    return out


def _upper(
    word: str,
    limit: ShareLimit,
    measure: Measure,
    per_split: Mapping[str, Share],
    per_class: Mapping[tuple[str, str], Share],
    places: Sequence[tuple[str, str]],
) -> list[LimitResult]:
    out = []
    if limit.max is not None:
        for split, share in sorted(per_split.items()):
            out.append(_at_most(f"limits.{word}.max", limit.max, (split, None), share, measure))
        if not per_split:
            out.append(_nowhere(f"limits.{word}.max", limit.max, None))
    if limit.per_class is not None:
        name = f"limits.{word}.per_class"
        for place in places:
            share = per_class.get(place, empty_share(()))
            out.append(_at_most(name, limit.per_class, place, share, measure))
        if not places:
            out.append(_nowhere(name, limit.per_class, None))
    return out


def _not_judged(
    name: str, bound: float, place: tuple[str | None, str | None], where: str
) -> LimitResult:
    text = f"{name} {bound}: {where} holds no rows, not judged"
    return LimitResult(name, *place, None, bound, None, None, text)


def _nowhere(name: str, bound: float, split: str | None) -> LimitResult:
    return _not_judged(name, bound, (split, None), "the version")


def _at_most(
    name: str, bound: float, place: tuple[str, str | None], share: Share, measure: Measure
) -> LimitResult:
    if not share.rows:
        return _not_judged(name, bound, place, f"{_where(place)}: it")
    value, said = measure(share)
    ok = value is not None and value <= bound
    over = None if value is None else max(0.0, value - bound)
    verdict = "within" if ok else "no bound holds" if over is None else f"{_figure(over)} too much"
    text = f"{name} {bound}: {_where(place)}: {said}, {verdict}"
    return LimitResult(name, *place, value, bound, ok, over, text)


def _lower(
    word: str, bound: int, place: tuple[str, str], value: int | None, said: str, known: bool
) -> LimitResult:
    ok = value is not None and value >= bound and known
    under = None if value is None else max(0, bound - value)
    verdict = "enough" if ok else "not known" if under is None else f"{under} too few"
    if not known:
        verdict += "; this version has no such split"
    text = f"limits.{word}.{place[0]} {bound}: {_where(place)}: {said}, {verdict}"
    return LimitResult(f"limits.{word}.{place[0]}", *place, value, bound, ok, under, text)


def _share(share: Share) -> tuple[float | None, str]:
    value = share.synthetic_share
    return value, f"{share.generated} of {share.rows} rows are generated ({_figure(value)})"


def _ratio(share: Share) -> tuple[float | None, str]:
    value = share.synthetic_to_real
    ratio = "infinite" if value is None else _figure(value)
    return value, f"{share.generated} generated to {share.real} real rows ({ratio})"


def _rows(share: Share) -> tuple[int | None, str]:
    return share.rows, f"{share.rows} rows"


def _unique(share: Share) -> tuple[int | None, str]:
    n = share.unique_real
    if n is None:
        return None, "the rows have no sha256, so different real images cannot be counted"
    return n, f"{n} different real images"


def _where(place: tuple[str, str | None]) -> str:
    split, name = place
    return f"split {split}" if name is None else f"split {split}, class {name!r}"


def _figure(value: float) -> str:
    """Three decimals, or as many as show that it is not 0."""
    return f"{value:.3f}" if value >= 0.0005 or value == 0 else f"{value:.1g}"
