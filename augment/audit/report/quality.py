"""Fidelity and diversity of the made part: each group beside real images against real images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

from augment.audit.report import charts
from augment.audit.report.blocks import (
    Block,
    Chart,
    Command,
    Mark,
    Row,
    Section,
    Table,
    Text,
    chosen,
)
from augment.escaping import short_id
from augment.tables import number

Json = Mapping[str, Any]
_DRAWN = ("coverage", "precision", "recall", "density", "vendi_ratio", "intra_ratio", "frechet",
          "kid", "sliced_wasserstein")  # fmt: skip
_NAME = 40  # characters of a maker's
_HOW = (
    "1 is as real images are to one another at the same number of images; a dash was not computed. "
    "No figure stands alone: copies of real images have a distance near 0 and cover everything."
)


class Group(NamedTuple):
    """As in a figure: class_name None for all classes of a split, maker None for real images."""

    split: str
    class_name: str | None
    maker: str | None

    @classmethod
    def of(cls, one: Json) -> Group:
        """Of a figure, a count or labels."""
        return cls(one["split"], one["class"], one["maker"])


def asked_for(report: Json, name: str, title: str, command: str) -> Section | None:
    """What stands where nobody asked for quality, or where there was nothing to judge."""
    if report["quality"] is None:
        text = (
            "This was not asked for. It takes features of every image, minutes rather than seconds:"
        )
        return Section(name, title, (Text(text), Command(command)))
    if not report["quality"]["figures"]:
        text = "Not judged: no image with features was made by a generator or by augmentation."
        return Section(name, title, (Text(text),))
    return None


def fidelity(report: Json, command: str) -> Section:
    """How near made images are to real ones: over all classes first, then a class each."""
    section = asked_for(report, "fidelity", "Fidelity", command)
    if section is not None:
        return section
    quality = report["quality"]
    blocks: list[Block] = [Text(f"How near made images are to real ones. {_HOW}", aside=True)]
    ratios = [one for one in quality["fidelity"] if one["frechet_ratio"] > 0]
    if ratios:
        blocks.append(_ratios(ratios, quality["makers"]))
    else:
        blocks.append(
            Text("Fréchet distance was not computed: no group has the least number of images.")
        )
    return Section("fidelity", "Fidelity", (*blocks, _overall(quality)))


def _ratios(ratios: Sequence[Json], makers: Json) -> Chart:
    some = [ratios[n] for n in sorted(chosen(ratios, _far, _far))]
    names = _axis([Group.of(one) for one in some], makers)
    drawn = [
        (names[Group.of(one)], maker_name(one["maker"], makers), one["frechet_ratio"])
        for one in some
    ]
    worst = max(ratios, key=_far)
    return Chart(
        "frechet-ratios", "Fréchet distance beside real images",
        "The geometric mean over extractors of the Fréchet distance, in parts of that between real "
        f"images of the same number; 1 or less is as near as real. The farthest of {len(ratios)}: "
        f"{number(worst['frechet_ratio'])} times.",
        charts.ratios(drawn, _makers(some, makers)),
    )  # fmt: skip


def _far(one: Json) -> float:
    return float(one["frechet_ratio"])


def _overall(quality: Json) -> Table:
    rows = []
    for one in quality["figures"]:
        if one["class"] is not None:
            continue
        reference, interval = one["reference"], one["interval"]
        maker = maker_name(one["maker"], quality["makers"])
        rows.append(
            Row(
                (one["split"], maker, one["measure"], str(one["extractor"] or "-"), _place(one),
                 _figure(one["value"]), _range(interval), _range(reference), str(one["n"]),
                 number(one["ratio"])),
                one["measure"],
            )
        )  # fmt: skip
    head = ("split", "made by", "measure", "extractor", "beside real", "value", "95 % interval",
            "real against real", "images", "ratio")  # fmt: skip
    title = "All classes of a split, every measure by every extractor"
    return Table("overall", title, head, tuple(rows), 5, "measure", folded=True)


def diversity(report: Json, command: str) -> Section:
    """Whether made images have the kinds of images that real ones have, class by class."""
    section = asked_for(report, "diversity", "Diversity", command)
    if section is not None:
        return section
    quality = report["quality"]
    about = Text(
        "Whether made images show as many kinds of images as real ones do. One collapsed class of "
        f"twenty hides in every figure of all images, so each stands alone. {_HOW}", aside=True,
    )  # fmt: skip
    table = _per_class(quality)
    chart = list(_beside_real(quality))
    return Section("diversity", "Diversity, class by class", (about, *chart, table))


def _beside_real(quality: Json) -> Iterator[Block]:
    have = [one for one in quality["figures"] if one["value"] is not None and one["reference"]]
    if not have:
        yield Text("No figure has a reference between real images: classes have too few of them.")
        return
    groups = list(dict.fromkeys(Group.of(one) for one in have))
    ratios = _ratios_of(quality)
    coverage = {group: ratios.get((group, "coverage")) for group in groups}
    worst = [n for n, group in enumerate(groups) if coverage[group] is not None]
    shown = chosen(groups, lambda _: 0.0, lambda group: coverage[group] or 0.0)
    some = [group for n, group in enumerate(groups) if n in shown]
    names = _axis(some, quality["makers"])
    values = [
        {"c": names[Group.of(one)], "m": maker_name(one["maker"], quality["makers"]),
         "e": one["extractor"] or "-", "f": one["measure"], "v": _short(one["value"]),
         "lo": _short(one["reference"]["low"]), "hi": _short(one["reference"]["high"]),
         "n": one["n"]}
        for one in sorted(have, key=lambda one: _DRAWN.index(one["measure"]))
        if Group.of(one) in names
    ]  # fmt: skip
    which = (
        ""
        if len(some) == len(groups)
        else (
            f" {len(some)} of {len(groups)} groups are drawn: the lowest and the highest coverage."
        )
    )
    lowest = min((coverage[groups[n]] or 0.0 for n in worst), default=None)
    yield Chart(
        "beside-real", "Each class beside real against real",
        "Points are made images, grey bars the range that real images of the same class and number "
        "give among themselves; a point outside its bar is unlike real. The lowest coverage is "
        f"{number(lowest)} times that of real images.{which}",
        charts.beside_real(values, _makers([{"maker": g.maker} for g in some], quality["makers"])),
    )  # fmt: skip


def _per_class(quality: Json) -> Table:
    near = {Group.of(one): one["frechet_ratio"] for one in quality["fidelity"]}
    labels = {Group.of(one): one["agreement"] for one in quality["labels"]}
    repeats = {Group.of(one): (one["rows"], one["different"]) for one in quality["repeats"]}
    ratios = _ratios_of(quality)
    ns: dict[Group, int] = {}
    for one in quality["figures"]:
        group = Group.of(one)
        ns[group] = max(ns.get(group, 0), one["n"])
    groups = list(ns)
    apart = _apart(quality)
    shown = chosen(groups, lambda g: 0.0, lambda g: ratios.get((g, "coverage")) or 0.0)
    rows = []
    for n, group in enumerate(groups):
        of, different = repeats.get(group, (0, 0))
        figures = [near.get(group)]
        figures += [ratios.get((group, word)) for word in ("coverage", "precision", "vendi_ratio")]
        figures += [labels.get(group), 1 - different / of if of else None]
        rows.append(
            Row(
                (group.split, "all" if group.class_name is None else group.class_name,
                 maker_name(group.maker, quality["makers"]),
                 apart.get(group, Mark("not computed", "none")),
                 str(ns[group]), *(_two(one) for one in figures)),
                maker_name(group.maker, quality["makers"]), n not in shown,
            )
        )  # fmt: skip
    head = ("split", "class", "made by", "coverage is", "images", "fidelity", "coverage",
            "precision", "Vendi", "labels", "repeats")  # fmt: skip
    title = "Figures in parts of what real images give (labels and repeats: shares of images)"
    return Table("per-class", title, head, tuple(rows), 4, "made by")


def _apart(quality: Json) -> dict[Group, Mark]:
    """Whether most extractors see coverage outside of what real images give."""
    said: dict[Group, list[bool]] = {}
    for one in quality["figures"]:
        if one["measure"] == "coverage" and one["apart"] is not None:
            said.setdefault(Group.of(one), []).append(one["apart"])
    return {
        group: Mark("below real", "warn") if 2 * sum(some) > len(some) else Mark("as real", "ok")
        for group, some in said.items()
    }


def _ratios_of(quality: Json) -> dict[tuple[Group, str], float]:
    """Median over extractors."""
    found: dict[tuple[Group, str], list[float]] = {}
    for one in quality["figures"]:
        if one["ratio"] is not None:
            found.setdefault((Group.of(one), one["measure"]), []).append(one["ratio"])
    return {key: median(some) for key, some in found.items()}


def maker_name(maker: str | None, makers: Json) -> str:
    """As people know it."""
    if maker is None:
        return "real"
    text = makers.get(maker, maker)
    return short_id(str(text), _NAME)


def _makers(some: Sequence[Json], makers: Json) -> list[str]:
    return list(dict.fromkeys(maker_name(one["maker"], makers) for one in some))


def _axis(groups: Sequence[Group], makers: Json) -> dict[Group, str]:
    """What an axis says of a group: no more than tells it from the others."""
    splits = len({group.split for group in groups}) > 1
    several = len({group.maker for group in groups}) > 1
    texts = {}
    for group in groups:
        name = "all" if group.class_name is None else group.class_name
        parts = [group.split if splits else "", name]
        parts.append(maker_name(group.maker, makers) if several else "")
        texts[group] = " · ".join(part for part in parts if part)
    named = charts.labels(texts.values())
    return {group: named[text] for group, text in texts.items()}


def _place(one: Json) -> Mark:
    if one["apart"] is None:
        return Mark("not computed" if one["value"] is None else "no reference", "none")
    return Mark("worse", "warn") if one["apart"] else Mark("within", "ok")


def _range(one: Json | None) -> str:
    return "-" if one is None else f"{number(one['low'])} to {number(one['high'])}"


def _figure(value: float | None) -> str:
    return number(value)


def _two(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _short(value: float) -> float:
    """Six digits, which a chart does not show; the figure itself stands in the JSON."""
    return float(f"{value:.6g}")
