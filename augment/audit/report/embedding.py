"""A map of some images of every class and origin, with a small picture of each where it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import dist, fsum
from typing import Any

from augment.audit.report import charts
from augment.audit.report.blocks import Chart, Row, Section, Table, Text, source_of
from augment.audit.report.quality import asked_for, maker_name
from augment.escaping import short_id
from augment.sample import KINDS
from augment.tables import share

Json = Mapping[str, Any]
_REAL, _AUGMENTED, _GENERATED = KINDS
_LEAST_REAL = 3
"""Real images of a class below which their spread is none."""


def embedding(report: Json, command: str, thumbnails: Mapping[str, bytes]) -> Section:
    """thumbnails: sample id -> WebP of images of the map; those without are points alone."""
    title = "Map of images"
    section = asked_for(report, "embedding", title, command)
    if section is not None:
        return section
    found = report["quality"].get("embedding")
    if found is None:
        text = "No map was drawn: too few images with features beside one another, or none differ."
        return Section("embedding", title, (Text(text),))
    about = Text(
        "Each point is an image, and near ones look alike to the extractor in two directions of "
        "many: those in which its features of these very images vary most. What lies apart here "
        "is apart; what lies together may still differ. It is no verdict.", aside=True,
    )  # fmt: skip
    return Section("embedding", title, (about, *_drawn(report, found, thumbnails)))


def _drawn(report: Json, found: Json, thumbnails: Mapping[str, bytes]) -> tuple[Chart, Table]:
    points, makers = found["points"], report["quality"]["makers"]
    named = charts.labels(sorted({one["class"] for one in points}, key=_order(report["classes"])))
    values = [
        {"x": one["x"], "y": one["y"], "c": named[one["class"]], "k": _kind(one),
         "m": maker_name(one["maker"], makers) if one["maker"] else "-",
         "s": short_id(one["sample_id"]),
         "p": source_of(thumbnails.get(one["sample_id"], b""))}
        for one in points
    ]  # fmt: skip
    counts = {kind: sum(one["k"] == kind for one in values) for kind in KINDS}
    whole = share(fsum(found["shares"]))
    said = (
        f"{len(points)} images ({', '.join(f'{n} {kind}' for kind, n in counts.items() if n)}), "
        "taken evenly from every class and origin by a seeded draw, at the first two principal "
        f"components of their features by {found['extractor']}, which show {whole} of the "
        "variance. A point shows its image when it is pointed at."
    )
    directions = [
        f"{word} direction, {share(one)} of the variance"
        for word, one in zip(("first", "second"), found["shares"], strict=True)
    ]
    chart = charts.embedding(values, list(named.values()), directions)
    return Chart("map", "Where images lie by origin", said, chart), _centres(points, makers)


def _kind(one: Json) -> str:
    """Of `KINDS`."""
    if one["maker"] is None:
        return _REAL
    return _AUGMENTED if one["maker"] == _AUGMENTED else _GENERATED


def _order(classes: Sequence[str]) -> Any:
    """A key: in the order of the class list, then by name."""
    place = {name: n for n, name in enumerate(classes)}
    return lambda name: (place.get(name, len(place)), name)


def _centres(points: Sequence[Json], makers: Json) -> Table:
    """How far the middle of what a maker made of a class lies from that of real images of it."""
    of: dict[tuple[str, str | None], list[tuple[float, float]]] = {}
    for one in points:
        of.setdefault((one["class"], one["maker"]), []).append((one["x"], one["y"]))
    rows = []
    for (name, maker), made in sorted(of.items(), key=lambda o: (o[0][0], o[0][1] or "")):
        real = of.get((name, None), [])
        if maker is None:
            continue
        apart = "-"
        if len(real) >= _LEAST_REAL:
            middle = _middle(real)
            spread = fsum(dist(one, middle) for one in real) / len(real)
            apart = f"{dist(_middle(made), middle) / spread:.2f}" if spread else "-"
        rows.append(Row((name, maker_name(maker, makers), str(len(made)), str(len(real)), apart)))
    head = ("class", "made by", "made images", "real images", "distance of their middles")
    title = "Middles of classes on the map, in parts of the real images' distance from theirs"
    return Table("middles", title, head, tuple(rows), 2, folded=True)


def _middle(some: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return fsum(x for x, _ in some) / len(some), fsum(y for _, y in some) / len(some)
