"""From figures to findings: what an owner should weigh, and what fails.

A figure is judged by its place among the same figure between real images, never by a constant out
of a paper; how far from it is too far is `Thresholds`, whose defaults were measured on one data set
and can be given otherwise. Distances are never a pass or a failure by themselves: copies have none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median

from augment.audit.findings import Finding
from augment.audit.measures import Figure
from augment.audit.quality.comparing import Compared
from augment.audit.quality.gathering import Group, order
from augment.audit.quality.labels import Agreement

FINDS = ("collapse", "labels")


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """From where a figure warns and fails.

    coverage, vendi: ratio to real images, the median over extractors, below which it does; only
    where the figure lies outside of what real images give. duplicates: share of rows that repeat an
    image, above that share among real ones. agreement: share of a class's rows whose class the
    task's classifier names, in parts of that share among real images of the holdout. doubtful:
    share of a class's rows that show little of it, above that share among those real images.
    """

    coverage_warn: float = 0.6
    coverage_fail: float = 0.3
    vendi_warn: float = 0.5
    vendi_fail: float = 0.25
    duplicates_warn: float = 0.2
    duplicates_fail: float = 0.5
    agreement_warn: float = 0.8
    agreement_fail: float = 0.5
    doubtful_warn: float = 0.02


def collapsed(
    compared: Sequence[Compared], makers: Mapping[str, str], at: Thresholds
) -> list[Finding]:
    """Classes that a maker shrank, by coverage and Vendi score. makers: id -> name."""
    found = []
    of_group: dict[tuple[Group, str], list[Compared]] = {}
    for one in compared:
        if one.figure.measure in ("coverage", "vendi_ratio") and one.ratio is not None:
            of_group.setdefault((one.group, one.figure.measure), []).append(one)
    for (group, measure), some in sorted(of_group.items(), key=lambda one: order(one[0][0])):
        warn, fail = (at.coverage_warn, at.coverage_fail)
        if measure == "vendi_ratio":
            warn, fail = at.vendi_warn, at.vendi_fail
        ratio = median(one.ratio for one in some if one.ratio is not None)
        apart = sum(one.apart is True for one in some)
        if median(map(_at_best, some)) >= warn or 2 * apart <= len(some):
            continue
        grave = median(map(_at_best, some)) < fail
        n = some[0].figure.n
        values = ", ".join(f"{one.extractor} {_value(one):.2f}" for one in some)
        word = "covers" if measure == "coverage" else "amounts to"
        what = "of what real images cover" if measure == "coverage" else "as many different images"
        text = (
            f"{where(group, makers)} {word} {ratio:.2f} times {what} ({measure} of {n} images: "
            f"{values}; below {fail if grave else warn}): it lacks kinds of images that real ones "
            "have, or its images are unlike real ones; look at them beside real ones"
        )
        found.append(Finding("collapse", text, n, warns=not grave, group=group))
    return found


def repeated(
    counts: Mapping[Group, tuple[int, int]],
    makers: Mapping[str, str],
    at: Thresholds,
    least: int = 20,
) -> list[Finding]:
    """Classes of a maker whose images repeat one another. counts: group -> rows, different ones."""
    found = []
    for group, (n, different) in sorted(counts.items(), key=lambda one: order(one[0])):
        if group.maker is None or n < least:
            continue
        rows, others = counts.get(group._replace(maker=None), (0, 0))
        among_real = 1 - others / rows if rows else 0.0
        share = 1 - different / n - among_real
        if share <= at.duplicates_warn:
            continue
        text = (
            f"{where(group, makers)}: {n - different} of {n} images repeat another one exactly "
            f"({among_real:.2f} of the real ones do): the generator repeats its noise or has "
            "collapsed"
        )
        warns = share <= at.duplicates_fail
        found.append(Finding("collapse", text, n - different, warns=warns, group=group))
    return found


def mislabelled(
    agreements: Iterable[Agreement],
    makers: Mapping[str, str],
    at: Thresholds,
    holdout: frozenset[str],
) -> list[Finding]:
    """Classes of a maker that show something else, in the eyes of the task's classifier."""
    every = list(agreements)
    usual, doubted = _of_real(every, holdout)
    found: dict[Group, Finding] = {}
    for one in every:  # classes stand before all of them
        name = one.group.class_name
        known = one.group.maker is not None and one.share is not None
        if known and name is not None and usual.get(name):
            shown = _another_class(one, usual[name], makers, at)
            shown = shown or _doubtful(one, doubted, makers, at)
        elif known and name is None and usual:
            told = any(group._replace(class_name=None) == one.group for group in found)
            shown = None if told else _doubtful(one, doubted, makers, at)
        else:
            shown = None
        if shown is not None:
            found[one.group] = shown
    return list(found.values())


def _another_class(
    one: Agreement, usual: float, makers: Mapping[str, str], at: Thresholds
) -> Finding | None:
    """A class whose images are named as others more often than real ones are."""
    share = one.share or 0.0
    high = share if one.interval is None else one.interval.high
    if high / usual >= at.agreement_warn:
        return None
    text = (
        f"{where(one.group, makers)}: a classifier fit on real train names the class of "
        f"{share:.2f} of {one.n} images, of {usual:.2f} of real ones; it sees {_seen(one)}: look "
        "at them, and quarantine or relabel"
    )
    warns = share / usual >= at.agreement_fail
    n = round((1 - share) * one.n)
    return Finding("labels", text, n, warns=warns, group=one.group)


def _doubtful(
    one: Agreement, doubted: float, makers: Mapping[str, str], at: Thresholds
) -> Finding | None:
    """A group with more images that show little of their class than real images have."""
    if not _more_doubtful(one, doubted, at.doubtful_warn):
        return None
    text = (
        f"{where(one.group, makers)}: {one.doubtful} of {one.n} images show little of their class "
        f"to a classifier fit on real train ({doubted:.3f} of the real ones do); it sees "
        f"{_seen(one)}: look at the quarantine list"
    )
    return Finding("labels", text, one.doubtful, warns=True, group=one.group)


def _seen(one: Agreement) -> str:
    """Other classes that are named, each with its images: `'3' in 4, '5' in 2, others in 1`."""
    parts = [f"{other!r} in {n}" for other, n in one.shown.items()]
    rest = round((1 - (one.share or 0.0)) * one.n) - sum(one.shown.values())
    parts += [f"others in {rest}"] if rest > 0 else []
    return ", ".join(parts) or "no other class"


def _more_doubtful(one: Agreement, doubted: float, beyond: float) -> bool:
    """Whether it has more doubtful images than real ones have and `beyond`, two standard errors
    away from it."""
    share = one.doubtful / one.n
    return share - 2 * sqrt(share * (1 - share) / one.n) > doubted + beyond


def _of_real(
    agreements: Sequence[Agreement], holdout: frozenset[str]
) -> tuple[dict[str, float], float]:
    """Of real images that the classifier was not fit on: class -> share whose class it names (of
    classes with too few, that of all), and the share of doubtful ones."""
    held = [one for one in agreements if one.group.maker is None and one.group.split in holdout]
    named = {one.group.class_name for one in agreements if one.group.class_name is not None}
    whole = [one for one in held if one.group.class_name is None]
    seen = sum(one.n for one in whole)
    doubted = sum(one.doubtful for one in whole) / seen if seen else 0.0
    found = {}
    for name in named:
        some = [one for one in held if one.group.class_name == name and one.share is not None]
        some = some or [one for one in whole if one.share is not None]
        if n := sum(one.n for one in some):
            found[name] = sum((one.share or 0.0) * one.n for one in some) / n
    return found, doubted


def fidelity(compared: Iterable[Compared]) -> Iterator[tuple[Group, float, int]]:
    """(group, geometric mean over extractors of Fréchet distance : its median between real images,
    how many extractors). Nobody is at fault for a number of one extractor alone."""
    ratios: dict[Group, list[float]] = {}
    for one in compared:
        if one.figure.measure == "frechet" and one.ratio:
            ratios.setdefault(one.group, []).append(one.ratio)
    for group, some in sorted(ratios.items(), key=lambda one: order(one[0])):
        product = 1.0
        for ratio in some:
            product *= ratio
        yield group, product ** (1 / len(some)), len(some)


def where(group: Group, makers: Mapping[str, str]) -> str:
    """`split train, class '3', generator gan`."""
    name = "all classes" if group.class_name is None else f"class {group.class_name!r}"
    maker = group.maker or "real"
    said = f"generator {makers[maker]}" if maker in makers else maker
    return f"split {group.split}, {name}, {said}"


def _at_best(one: Compared) -> float:
    """The ratio at the upper end of its interval; of a share that has none, two standard errors
    above it."""
    if one.ratio is None or not isinstance(one.figure, Figure) or not one.figure.value:
        share = 3 / one.figure.n  # of nobody among n: the rule of three
        return share / one.median if one.median else 1.0
    value = one.figure.value
    if one.figure.interval is not None:
        high = one.figure.interval.high
    elif one.figure.measure == "coverage":
        high = value + 2 * sqrt(value * (1 - value) / one.figure.n)
    else:
        high = value
    return one.ratio * high / value


def _value(one: Compared) -> float:
    return one.figure.value if isinstance(one.figure, Figure) else 0.0
