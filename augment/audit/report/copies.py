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
from augment.escaping import short_id
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
            f"{number(100 * one['upper'])} % of real images may reach at most (95 %): "
            f"{one['upper'] * n:.0f} of these; "
        )
    yield Text(f"{said}{found} of {n} generated images are called copies.")
    if one.get("scores") is not None:
        yield from _scores(one)
    if shown := pairs.get(one["of"], ()):
        title = f"Nearest pairs: generated and {_SIDES[one['of']]}"
        yield _gallery(f"pairs-{one['of']}", title, shown)
    if shown := twins.get(one["of"], ()):
        title = "Real images that look most alike: where the threshold comes from"
        yield _gallery(f"twins-{one['of']}", title, shown)
    if one["copies"]:
        yield _listed(one, makers)


def _scores(one: Json) -> Iterator[Block]:
    """How the scores of generated and of held-out real images lie about the threshold."""
    bins, of = one["scores"], one["of"]
    width = float(bins["width"])
    counts = {word: _counted(bins[word]) for word in ("real", "made")}
    held = [i for some in counts.values() for i in some]
    if not held:
        return
    series = {"real": "other real images", "made": "generated images"}
    places = range(min(held) - 1, max(held) + 2)
    values = [
        {"x": round((i + 0.5) * width, 9), "v": _of(bins[word], some.get(i, 0)), "m": series[word]}
        for word, some in counts.items() for i in places
    ]  # fmt: skip
    said = (
        "Each image beside the one that it resembles most. Beyond the threshold, the dashed line, "
        f"are {_beyond(counts['real'])} of {bins['real']['n']} other real images, which set it, "
        f"and {_beyond(counts['made'])} of {bins['made']['n']} generated ones, some of which may "
        "agree too little to be called copies. "
    )
    if unlike := bins["made"]["unlike"]:
        said += f"Of the generated ones {unlike} resemble none at all, which is not drawn. "
    said += "Where generated images lie farther right, they are nearer than unseen real images are."
    yield Chart(f"scores-{of}", f"How near images come to {_SIDES[of]}", said,
                charts.scores(values, list(series.values())))  # fmt: skip
    rows = tuple(
        Row((_edge(i * width), _edge((i + 1) * width),
             *(str(counts[word].get(i, 0)) for word in ("real", "made"))))
        for i in places[1:-1]
    )  # fmt: skip
    head = ("above", "up to", "other real images", "generated images")
    title = f"Scores beside {_SIDES[of]}, less the threshold"
    yield Table(f"bins-{of}", title, head, rows, 1, folded=True)


def _counted(bins: Json) -> dict[int, int]:
    """Number of a bin -> its images."""
    return {bins["first"] + i: n for i, n in enumerate(bins["counts"])}


def _of(bins: Json, n: int) -> float:
    return round(n / bins["n"], 6) if bins["n"] else 0.0


def _beyond(counts: Mapping[int, int]) -> int:
    return sum(n for i, n in counts.items() if i >= 0)


def _edge(value: float) -> str:
    return f"{value:.6g}"


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
            (Code(copy["sample_id"], short_id(copy["sample_id"])), copy["class"] or "-",
             maker_name(copy["maker"], makers), Code(copy["real_id"], short_id(copy["real_id"])),
             copy["real_split"], "equal" if copy["equal"] else "mirrored" if copy["mirrored"]
             else "changed", f"{copy['score']:.3f}"),
            copy["class"] or "", n >= 20,
        )
        for n, copy in enumerate(one["copies"])
    )  # fmt: skip
    head = ("sample", "class", "made by", "repeats", "of split", "how", "score")
    title = f"Images called copies of {_SIDES[one['of']]}"
    return Table(f"copies-{one['of']}", title, head, rows, 6, "class", folded=True)
