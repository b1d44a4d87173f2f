"""Copies and leaks: equal pictures, and made images that repeat real ones changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from augment.audit.report import charts
from augment.audit.report.blocks import (
    Block,
    Chart,
    Code,
    Command,
    Gallery,
    Picture,
    Row,
    Section,
    Table,
    Text,
)
from augment.audit.report.judged import checked
from augment.audit.report.method import PRIVACY
from augment.audit.report.quality import maker_name
from augment.tables import number, share

Json = Mapping[str, Any]
Pairs = Mapping[str, Sequence[tuple[Picture, Picture]]]
_SIDES = {
    "train": "real images of their own split",
    "holdout": "real images of splits that nothing may be made of",
}
_EQUAL = ("splits", "one_class", "real_pictures", "different", "copies", "descent", "protected")


def copies(report: Json, command: str, pairs: Pairs, twins: Pairs) -> Section:
    """What was looked for, how well copies are found on this very data set, and what was found.
    pairs, twins: `train` or `holdout` -> (made or held-out image, real image) of its list; the
    leaks among pairs."""
    blocks: list[Block] = []
    equal = tuple(Row((checked(o), o["text"])) for o in report["checks"] if o["name"] in _EQUAL)
    if equal:
        blocks.append(Table("equal", "Equal pictures", ("", "what was asked"), equal, 2))
    searched = (report["quality"] or {}).get("copies")
    if searched is None:
        text = (
            "Near copies (shifted, cropped, recoloured) were not searched for by this audit, only "
            "equal pictures. The search takes minutes:"
        )
        blocks += [Text(text), Command(command)]
    elif not searched:
        blocks.append(Text("Near copies were not searched for: there are no generated images."))
    else:
        blocks += _recall(searched)
        for one in searched:
            blocks += _side(one, report["quality"]["makers"], pairs, twins)
    if (leaks := (report["quality"] or {}).get("leaks")) is not None:
        blocks += _leaks(leaks, pairs)
    return Section("copies", "Copies and leaks", (*blocks, Text(PRIVACY)))


def _recall(searched: Sequence[Json]) -> Iterator[Block]:
    values = [
        {"c": one["kind"].replace("_", " "), "m": _SIDES[side["of"]], "v": one["found"] / one["n"],
         "n": one["n"], "lo": one["interval"]["low"], "hi": one["interval"]["high"]}
        for side in searched for one in side["recall"] if one["n"]
    ]  # fmt: skip
    if not values:
        yield Text("How well copies are found was not measured: too few real images.")
        return
    worst = min(values, key=lambda one: float(one["v"]))
    yield Chart(
        "recall", "Which copies are found on this data set",
        "Copies of real images were planted, changed in each of these ways, and searched for; the "
        f"share that was found, with 95 % intervals. Least is found of {worst['c']}: "
        f"{share(float(worst['v']))}.",
        charts.found(values, list(dict.fromkeys(one["m"] for one in values))),
    )  # fmt: skip


def _side(one: Json, makers: Json, pairs: Pairs, twins: Pairs) -> Iterator[Block]:
    whole = [group for group in one["looked"] if group["class"] is None]
    n, found = (sum(group[word] for group in whole) for word in ("n", "copies"))
    said = f"Beside {one['protected']} of {one['real']} {_SIDES[one['of']]}: "
    if one["not_calibrated"] is not None:
        said += f"equal pixels alone were looked for, {one['not_calibrated']}; "
    else:
        said += (
            f"an image is called a copy from a score of {number(one['threshold'])} on, which "
            f"{number(100 * one['upper'])} % of real images may reach at most (95 %); chance "
            "explains about "
            f"{one['rate'] * n:.0f}; "
        )
    yield Text(f"{said}{found} of {n} generated images are called copies.")
    if shown := pairs.get(one["of"], ()):
        title = f"Nearest pairs: generated and {_SIDES[one['of']]}"
        yield _gallery(f"pairs-{one['of']}", title, shown)
    if shown := twins.get(one["of"], ()):
        title = "Real images that look most alike: where the threshold comes from"
        yield _gallery(f"twins-{one['of']}", title, shown)
    if one["copies"]:
        yield _listed(one, makers)


def _leaks(leaks: Json, pairs: Pairs) -> Iterator[Block]:
    """Real images of one split in another: what people act on."""
    if leaks["not_judged"] is not None:
        yield Text(
            f"Whether a split repeats images of train was not judged: {leaks['not_judged']}."
        )
        return
    for split, one in leaks["splits"].items():
        part = f"{one['found'] / one['n']:.1%}" if one["n"] else "nothing"
        yield Text(
            f"{part} of split {split} is in train: {one['found']} of {one['n']} real images repeat "
            f"one of it; chance explains {leaks['rate']:.1%} at most."
        )
    if shown := pairs.get("leaks", ()):
        yield _gallery("leaks", "Real images of one split and of train that look the same", shown)


def _gallery(name: str, title: str, pairs: Sequence[tuple[Picture, Picture]]) -> Gallery:
    return Gallery(name, title, (("", tuple(("", pair) for pair in pairs)),))


def _listed(one: Json, makers: Json) -> Table:
    rows = tuple(
        Row(
            (Code(copy["sample_id"], copy["sample_id"][:12]), copy["class"] or "-",
             maker_name(copy["maker"], makers), Code(copy["real_id"], copy["real_id"][:12]),
             copy["real_split"], "equal" if copy["equal"] else "mirrored" if copy["mirrored"]
             else "changed", f"{copy['score']:.3f}"),
            copy["class"] or "", n >= 20,
        )
        for n, copy in enumerate(one["copies"])
    )  # fmt: skip
    head = ("sample", "class", "made by", "repeats", "of split", "how", "score")
    title = f"Images called copies of {_SIDES[one['of']]}"
    return Table(f"copies-{one['of']}", title, head, rows, 6, "class", folded=True)
