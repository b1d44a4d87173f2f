"""Labels of the made part: what a classifier fit on real train images names them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from augment import escaping
from augment.audit.report import charts
from augment.audit.report.blocks import (
    Block,
    Chart,
    Code,
    Gallery,
    Picture,
    Row,
    Section,
    Table,
    Text,
    chosen,
)
from augment.audit.report.quality import asked_for, maker_name
from augment.escaping import short_id
from augment.tables import share

Json = Mapping[str, Any]
_MOST_SQUARE = 25  # classes of a confusion matrix that is still read


def labels(report: Json, command: str, doubtful: Sequence[Picture]) -> Section:
    """Agreement per class, what is taken for what, and rows to look at. doubtful: pictures of the
    first of the quarantine list."""
    section = asked_for(report, "labels", "Labels", command)
    if section is not None:
        return section
    quality = report["quality"]
    per_class = [one for one in quality["labels"] if one["class"] is not None]
    if not any(one["maker"] is not None for one in per_class):
        text = "Not judged: no classifier was fit, or nothing that was made has a class it knows."
        return Section("labels", "Labels", (Text(text),))
    about = Text(
        "A classifier that was fit on real train images is asked for the class of every image. "
        "Where it names another class than the label, either may be wrong: look at them. Real "
        "images that it was not fit on say how far it can be trusted.", aside=True,
    )  # fmt: skip
    blocks: list[Block] = [about, *_agreement(report, per_class, quality["makers"])]
    blocks += _confusion(report["classes"], per_class)
    blocks += _quarantine(quality, doubtful)
    blocks += _inception_scores(quality)
    return Section("labels", "Labels", tuple(blocks))


def _inception_scores(quality: Json) -> Iterator[Block]:
    """By this classifier, of what was made and of real images."""
    found = [one for one in quality["labels"] if one.get("inception_score") is not None]
    if not any(one["maker"] is not None for one in found):
        return
    rows = tuple(
        Row((one["split"], maker_name(one["maker"], quality["makers"]) if one["maker"] else "real",
             str(one["n"]), f"{one['inception_score']:.2f}"))
        for one in found
    )  # fmt: skip
    yield Table("inception-score", "Inception Score by this classifier",
                ("split", "made by", "n", "score"), rows, 2)  # fmt: skip
    yield Text(
        "It is reported because people ask for it, and decides nothing: it does not see that a "
        "class is one image over and over.",
        aside=True,
    )


def _agreement(report: Json, per_class: Sequence[Json], makers: Json) -> Iterator[Block]:
    made_in = {one["split"] for one in per_class if one["maker"] is not None}
    told = [
        one for one in per_class if one["agreement"] is not None
        and (one["maker"] is not None or one["split"] not in made_in)
    ]  # fmt: skip
    if not told:
        yield Text("Agreement was not computed: no class has the least number of images.")
        return
    lowest = {
        name: min(one["agreement"] for one in told if one["class"] == name)
        for name in {one["class"] for one in told}
    }
    classes = [name for name in report["classes"] if name in lowest]
    classes += sorted(set(lowest) - set(classes))
    some = [classes[n] for n in sorted(chosen(classes, lambda _: 0.0, lambda name: lowest[name]))]
    named = charts.labels(some)
    values = [
        {"c": named[one["class"]], "m": _series(one, makers), "v": one["agreement"], "n": one["n"],
         "lo": one["interval"]["low"], "hi": one["interval"]["high"]}
        for name in some for one in told if one["class"] == name and one["interval"]
    ]  # fmt: skip
    which = (
        ""
        if len(some) == len(classes)
        else (f" {len(some)} of {len(classes)} classes are drawn: the lowest and the highest.")
    )
    of_made = [one for one in told if one["maker"] is not None]
    worst = min(of_made, key=lambda one: one["agreement"], default=None)
    said = (
        "no made image was asked about"
        if worst is None
        else (
            f"of made images the lowest is {share(worst['agreement'])}, of class {worst['class']}"
        )
    )
    yield Chart(
        "agreement", "Share of images whose class is named",
        f"Agreement of a classifier with the labels, with 95 % intervals; {said}.{which}",
        charts.agreement(values, list(dict.fromkeys(one["m"] for one in values))),
    )  # fmt: skip


def _series(one: Json, makers: Json) -> str:
    return (
        f"{charts.REAL}{escaping.name(one['split'])}"
        if one["maker"] is None
        else maker_name(one["maker"], makers)
    )


def _confusion(classes: Sequence[str], per_class: Sequence[Json]) -> Iterator[Block]:
    made = [one for one in per_class if one["maker"] is not None]
    cells: dict[tuple[str, str], int] = {}
    for one in made:
        right = one["n"] - sum(one["shown"].values())
        pairs = {**one["shown"], one["class"]: right if one["agreement"] is None else
                 round(one["agreement"] * one["n"])}  # fmt: skip
        for seen, n in pairs.items():
            cells[one["class"], seen] = cells.get((one["class"], seen), 0) + n
    wrong = {pair: n for pair, n in cells.items() if pair[0] != pair[1] and n}
    if not wrong:
        yield Text("No made image was taken for another class.")
        return
    total: dict[str, int] = {}
    for one in made:
        total[one["class"]] = total.get(one["class"], 0) + one["n"]
    if len(classes) <= _MOST_SQUARE:
        named = charts.labels([*classes, *(name for pair in cells for name in pair)])
        drawn = [(named[a], named[b], n) for (a, b), n in sorted(cells.items()) if n]
        (own, seen), most = max(wrong.items(), key=lambda one: one[1])
        yield Chart(
            "confusion", "Labels of made images and the classes that are named",
            f"A matrix of labels and named classes. Most often class {named[own]} is taken for "
            f"{named[seen]}: {most} of {total[own]} images.",
            charts.confusion(drawn, list(named.values())),
        )  # fmt: skip
    ordered = sorted(wrong.items(), key=lambda one: (-one[1], one[0]))
    shown = chosen(ordered, lambda one: one[1], lambda one: one[1])
    rows = tuple(
        Row((own, seen, str(n), str(total[own]), share(n / total[own])), more=i not in shown)
        for i, ((own, seen), n) in enumerate(ordered)
    )
    head = ("label", "named", "images", "of", "share")
    yield Table("confusions", "What is taken for what", head, rows, 2, folded=True)


def _quarantine(quality: Json, doubtful: Sequence[Picture]) -> Iterator[Block]:
    listed = quality["quarantine"]
    if not listed:
        yield Text("No made image gives its own class a probability below 0.1.")
        return
    if doubtful:
        strips = (("", (("", tuple(doubtful)),)),)
        yield Gallery("doubtful", f"The {len(doubtful)} that show least of their label", strips)
    rows = tuple(
        Row(
            (Code(one["sample_id"], short_id(one["sample_id"])), one["split"], one["class"] or "-",
             maker_name(one["maker"], quality["makers"]), one["shows"],
             f"{one['probability']:.3f}"),
            one["class"] or "",
            n >= 20,
        )
        for n, one in enumerate(listed)
    )  # fmt: skip
    head = ("sample", "split", "label", "made by", "named", "probability of the label")
    title = f"Quarantine: {len(listed)} made images that show least of their label"
    yield Table("quarantine", title, head, rows, 5, "label", folded=True)
