"""Bounds that a job sets on measures of its generated part: a result for each place, and warnings.

A figure that was not computed is not judged, and says why. Knows no figure's meaning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from augment.audit.copies import NotCalibrated
from augment.audit.findings import Finding, LimitResult, folded
from augment.audit.measures import Figure, NotComputed
from augment.audit.quality.comparing import Compared
from augment.audit.quality.copied import Searched
from augment.audit.quality.gathering import AUGMENTED, Group, order
from augment.audit.quality.labels import Agreement
from augment.audit.quality.verdicts import where
from augment.spec.measure_limits import SHARES_OF_ROWS, MeasureLimit

PREFIX = "limits.measures."
Left = tuple[str | None, MeasureLimit]
"""The job that left it with the table (None: it was given), and the bound."""


@dataclass(frozen=True)
class Measurements:
    """What bounds may speak of. makers: id -> name. searched: None where nobody asked."""

    compared: Sequence[Compared]
    agreements: Sequence[Agreement]
    repeats: Mapping[Group, tuple[int, int]]
    searched: Sequence[Searched] | None
    makers: Mapping[str, str]


@dataclass(frozen=True)
class _Seen:
    """A figure of one group: value None where there is none, said says why, or of what it is."""

    group: Group
    value: float | None
    said: str


def not_measured(left: Sequence[Left], why: str) -> list[LimitResult]:
    """A result for each bound: nobody measured anything."""
    return [_none(job, name, bound, None, None, why)
            for job, limit in left for name, bound, _, _ in _bounds(limit)]  # fmt: skip


def judge_measures(
    found: Measurements, left: Sequence[Left]
) -> tuple[list[LimitResult], list[Finding]]:
    """Every bound in every group that it speaks of, as results, but those that warn and are broken
    as findings."""
    results: list[LimitResult] = []
    warnings: list[Finding] = []
    for job, limit in left:
        seen = list(_seen(found, limit))
        for name, bound, fails, beyond in _bounds(limit):
            if not seen:
                results.append(_none(job, name, bound, None, None, _why_nothing(found, limit)))
            for one in seen:
                place = where(one.group, found.makers)
                if one.value is None:
                    split, class_name = one.group.split, one.group.class_name
                    why = f"{place}: {one.said}"
                    results.append(_none(job, name, bound, split, class_name, why))
                    continue
                result = _result(job, (name, bound), one, max(0.0, beyond(one.value)), place)
                if fails or result.ok:
                    results.append(result)
                else:
                    warnings.append(Finding("measures", result.text, warns=True))
    return results, folded(warnings)


def _bounds(limit: MeasureLimit) -> Iterator[tuple[str, float, bool, Callable[[float], float]]]:
    """(name, bound, whether it fails, how far beyond it a value is) of those that are given."""
    of = f"{limit.measure}[{limit.extractor}]" if limit.extractor else limit.measure
    for key in ("fail_below", "fail_above", "warn_below", "warn_above"):
        bound: float | None = getattr(limit, key)
        if bound is not None:
            sign = 1.0 if key.endswith("above") else -1.0
            name = f"{PREFIX}{of}.{key}"
            yield name, bound, key.startswith("fail"), _beyond(sign, bound)


def _beyond(sign: float, bound: float) -> Callable[[float], float]:
    return lambda value: sign * (value - bound)


def _result(
    job: str | None, bound: tuple[str, float], one: _Seen, over: float, place: str
) -> LimitResult:
    name, at = bound
    assert one.value is not None
    ok = over == 0.0
    beyond = f"{over:.3g} too {'low' if name.endswith('below') else 'high'}"
    text = f"{name} {at:g}: {place}: {one.value:.3g} ({one.said}), {'within' if ok else beyond}"
    split, class_name = one.group.split, one.group.class_name
    return LimitResult(name, split, class_name, one.value, at, ok, over, text, job)


def _none(
    job: str | None, name: str, bound: float, split: str | None, class_name: str | None, why: str
) -> LimitResult:
    text = f"{name} {bound:g}: not judged, {why}"
    return LimitResult(name, split, class_name, None, bound, None, None, text, job)


def _why_nothing(found: Measurements, limit: MeasureLimit) -> str:
    if limit.measure.startswith("copies") and found.searched is None:
        return "nobody looked for copies: ask with --copies"
    extractors = sorted({one.extractor for one in found.compared if one.extractor})
    if limit.extractor and limit.extractor not in extractors:
        return f"that extractor was not asked, but {', '.join(extractors) or 'none'}"
    return "nothing of that was measured"


# ---- figures ---------------------------------------------------------------------------


def _seen(found: Measurements, limit: MeasureLimit) -> Iterator[_Seen]:
    """Figures of the groups that a bound speaks of, in their order."""
    figures = _of_rows(found, limit) if limit.measure in SHARES_OF_ROWS else _of(found, limit)
    for one in sorted(figures, key=lambda one: order(one.group)):
        if _speaks_of(limit, one.group, found.makers):
            yield one


def _speaks_of(limit: MeasureLimit, group: Group, makers: Mapping[str, str]) -> bool:
    if group.maker is None or group.maker == AUGMENTED:
        return False
    if limit.generators is not None and makers.get(group.maker) not in limit.generators:
        return False
    if limit.classes == "overall":
        return group.class_name is None
    if limit.classes == "each":
        return group.class_name is not None
    return group.class_name in limit.classes


def _of(found: Measurements, limit: MeasureLimit) -> Iterator[_Seen]:
    """The median over extractors, or that of one."""
    groups: dict[Group, list[Compared]] = {}
    for one in found.compared:
        if one.figure.measure == limit.measure and limit.extractor in (None, one.extractor):
            groups.setdefault(one.group, []).append(one)
    for group, some in groups.items():
        values = [value for one in some if (value := _value(one, limit.of)) is not None]
        if not values:
            yield _Seen(group, None, _why(some[0]))
            continue
        what = "a value" if limit.of == "value" else "1 is real images'"
        by = limit.extractor or f"median of {len(values)} extractors"
        yield _Seen(group, median(values), f"{what}, {by}, n {some[0].figure.n}")


def _value(one: Compared, of: str | None) -> float | None:
    if of == "value":
        return one.figure.value if isinstance(one.figure, Figure) else None
    return one.ratio


def _why(one: Compared) -> str:
    if isinstance(one.figure, NotComputed):
        return one.figure.reason
    return one.why or "the same figure between real images is not above 0"


def _of_rows(found: Measurements, limit: MeasureLimit) -> Iterator[_Seen]:
    match limit.measure:
        case "agreement":
            for agreement in found.agreements:
                why = f"{agreement.n} images are too few"
                said = why if agreement.share is None else f"of {agreement.n} images"
                yield _Seen(agreement.group, agreement.share, said)
        case "repeats":
            for group, (n, different) in found.repeats.items():
                yield _share(group, n - different, n)
        case _:
            of = limit.measure.removeprefix("copies_of_")
            for one in found.searched or ():
                for group, (n, copies) in one.looked.items() if one.of == of else ():
                    if isinstance(overall := one.calibration.overall, NotCalibrated):
                        yield _Seen(group, None, overall.reason)
                    else:
                        yield _share(group, copies, n)


def _share(group: Group, n: int, of: int) -> _Seen:
    if not of:
        return _Seen(group, None, "there are no images")
    return _Seen(group, n / of, f"{n} of {of} images")
