"""The quality of the made part as lines of text, each group once."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

from augment.audit.copies import NotCalibrated
from augment.audit.quality.comparing import Compared
from augment.audit.quality.copied import called
from augment.audit.quality.gathering import Group, order
from augment.audit.quality.report import Quality
from augment.audit.quality.verdicts import fidelity
from augment.escaping import name as shown
from augment.escaping import short_id
from augment.tables import fold, left_out, table

_HEAD = ("split", "class", "made by", "n", "fidelity", "coverage", "precision", "vendi", "labels",
         "repeats")  # fmt: skip


def quality_lines(quality: Quality, *, everything: bool = False) -> list[str]:
    """A table of the groups, and how to read it. everything: leave no class out."""
    groups = sorted(
        {one.group for one in quality.compared} | {g for g in quality.repeats if g.maker}, key=order
    )
    if not groups:
        return ["quality: not judged, there are no made images with features", *_asked(quality)]
    some, more = fold(
        groups,
        lambda group: 0.0,
        lambda group: _ratio(quality, group, "coverage") or 0.0,
        everything=everything,
    )
    rows = [_row(quality, group) for group in some]
    return [
        "quality of the made images, in parts of what real images give at the same n; "
        "1 is as real images are, - is not computed",
        *table(_HEAD, rows, 3),
        *left_out(more, "groups"),
        "fidelity: Fréchet distance, geometric mean over extractors, 1 or less is as near as real; "
        "coverage, precision, vendi: the median over extractors; labels: share whose class a "
        "classifier fit on real train names; repeats: share of rows that repeat an image",
        *_asked(quality),
        *_copies(quality),
    ]


def _asked(quality: Quality) -> list[str]:
    lines = []
    for one in quality.extractors:
        what = (
            f"not computed: {one.why}" if one.why else f"weights {one.info['weights_sha256'][:12]}"
        )
        lines.append(f"extractor {one.name}: {what}")
    if quality.lost:
        lines.append(f"{quality.lost} rows have an image that no extractor could see")
    if n := len(quality.quarantine):
        some = ", ".join(short_id(one.sample_id) for one in quality.quarantine[:5])
        lines.append(f"{n} made rows show least of their class (all with --json): {some}")
    return lines


def _copies(quality: Quality) -> list[str]:
    """What was looked for, and what would have been found."""
    lines = []
    for one in quality.searched or ():
        n, copies = (sum(counts[at] for group, counts in one.looked.items()
                         if group.class_name is None) for at in (0, 1))  # fmt: skip
        lines.append(
            f"copies of real images of {called(one.of)}: {copies} of {n} generated ones, beside "
            f"{one.protected} of {one.real} real ones"
        )
        overall = one.calibration.overall
        if isinstance(overall, NotCalibrated):
            lines.append(f"  equal pixels alone: {overall.reason}")
            continue
        lines.append(
            f"  calibrated on {overall.n} other real images: at most {one.calibration.rate:.1%} of "
            f"such are called copies (95 % upper bound {overall.upper:.1%})"
        )
        if one.recall:
            shares = ", ".join(f"{each.kind} {each.share:.2f}" for each in one.recall)
            lines.append(f"  of {one.recall[0].n} planted copies a kind it finds: {shares}")
    if quality.leaks is not None and quality.leaks.why is None:
        parts = ", ".join(f"{shown(split)} {found} of {n}"
                          for split, (n, found) in sorted(quality.leaks.n.items()))  # fmt: skip
        lines.append(f"real images of other splits that are in train: {parts}")
    if quality.searched:
        lines.append("that none was found proves nothing about privacy")
    return lines


def _row(quality: Quality, group: Group) -> list[object]:
    near = {g: ratio for g, ratio, _ in fidelity(quality.compared)}
    labels = {one.group: one.share for one in quality.agreements}
    n, different = quality.repeats.get(group, (0, 0))
    of_group = [one for one in quality.compared if one.group == group]
    return [
        shown(group.split),
        "all" if group.class_name is None else shown(group.class_name),
        shown(quality.makers.get(group.maker or "", group.maker or "")),
        max((one.figure.n for one in of_group), default=n),
        _number(near.get(group)),
        _number(_ratio(quality, group, "coverage")),
        _number(_ratio(quality, group, "precision")),
        _number(_ratio(quality, group, "vendi_ratio")),
        _number(labels.get(group)),
        _number(1 - different / n if n else None),
    ]


def _ratio(quality: Quality, group: Group, measure: str) -> float | None:
    return median_ratio(one for one in quality.compared
                        if one.group == group and one.figure.measure == measure)  # fmt: skip


def median_ratio(some: Iterable[Compared]) -> float | None:
    """Over extractors; None where none has one."""
    ratios = [one.ratio for one in some if one.ratio is not None]
    return median(ratios) if ratios else None


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
