"""A few rows of every class as small pictures, and those that a report names or is about.

Reads the data set that a report is of. Bytes have a budget, so that a page of a thousand classes
still opens at once: of very many classes those with something against them and the extremes are
shown, and fewer rows of each where pictures are large.
"""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from PIL import Image

from augment.audit.picks import COLUMNS, Key, Pick, Shown, choose, find, read_rows, small
from augment.audit.report.blocks import Picture, chosen
from augment.audit.report.galleries import Galleries
from augment.audit.report.sections import Pictures
from augment.audit.report.thumbnails import thumbnails
from augment.audit.report.trouble import trouble_of
from augment.audit.table import DataSet

Json = Mapping[str, Any]
PER_CLASS = 4
"""Rows of each class and origin."""
EDGE = 96
"""Pixels of a picture's longer edge; the page shows it at 72."""
BUDGET = 1_000_000
"""Bytes of all pictures together; in the page they take a third more."""
_EXACT = 48  # pixels of an edge up to which nothing is lost
_DOUBTFUL = 24
_NAMED = 12  # findings, and pairs of copies
_TWINS = 3
_Pairs = Mapping[str, Sequence[tuple[str, str]]]
_SAMPLE = re.compile(r"\bsample ([0-9a-f]{32})\b")
_QUALITY = 80


def take_pictures(data: DataSet, report: Json, budget: int = BUDGET) -> Pictures:
    """Pictures of the classes that are shown, and of the first rows of the quarantine list.

    Raises:
        StorageError: a shard cannot be read.
    """
    split = _split(report)
    if split is None:
        return Pictures()
    picks, known = choose(data, split, PER_CLASS)
    names = _classes(report, split, known)
    said = _said(report)
    pairs, twins = _pairs(report)
    ids = {one["sample_id"] for one in _quarantine(report)}.union(*said.values())
    ids = ids.union(*(pair for side in (pairs, twins) for some in side.values() for pair in some))
    galleries = Galleries(data, report)
    mapped = _mapped(report)
    found_at = find(data, ids.union(galleries.ids, mapped))
    places = {name: pick for name, pick in found_at.items() if name in ids | galleries.ids}
    wanted = [pick for key, some in picks.items() if key[0] in names for pick in some]
    every = {*wanted, *places.values(), *galleries.picks}
    rows = read_rows(data, every, without_images=True)
    found = {name: rows[pick] for name, pick in places.items()}
    doubtful = _doubtful(report, found)
    named = {
        n: tuple(_labelled(found[one]) for one in some if one in found) for n, some in said.items()
    }
    of = {name: _of_class(picks, rows, name) for name in names}
    listed = Pictures(
        doubtful=doubtful,
        named={n: pictures for n, pictures in named.items() if pictures},
        pairs=_shown_pairs(pairs, found),
        twins=_shown_pairs(twins, found),
    )
    left = budget - sum(map(_size, listed.traced().values()))
    about = galleries.shown(found, rows, picture)
    return replace(listed, split=split, classes=len(known), of=_within(of, left), about=about,
                   mapped=thumbnails(data, found_at, mapped))  # fmt: skip


def picture(shown: Shown, note: str = "") -> Picture:
    """The small picture of a row, WebP: of small images without loss."""
    image = small(shown.image, EDGE, enlarge=False)
    exact = image is not None and max(image.size) <= _EXACT
    data = None if image is None else _encoded(image, exact)
    return Picture(
        shown.class_name, shown.kind, data, shown.sample_id, shown.generator, exact, note
    )


def _encoded(image: Image.Image, exact: bool) -> bytes:
    out = io.BytesIO()
    image.convert("RGB").save(out, "WEBP", lossless=exact, quality=_QUALITY, method=4)
    return out.getvalue()


def _split(report: Json) -> str | None:
    """The one with the most made rows; of equal ones that with the most rows."""
    splits = [one for one in report["splits"] if one["rows"]]
    best = max(
        splits,
        key=lambda one: (one["augmented"] + one["generated"], one["rows"], one["group"]["split"]),
        default=None,
    )
    return None if best is None else str(best["group"]["split"])


def _classes(report: Json, split: str, known: Sequence[str]) -> list[str]:
    trouble = trouble_of(report)
    shares = {
        one["group"]["class"]: (one["synthetic_share"], one["rows"])
        for one in report["cells"]
        if one["group"]["split"] == split
    }
    made = any(share for share, _ in shares.values())
    some = chosen(
        known,
        lambda name: trouble.get((split, name), 0.0),
        lambda name: shares.get(name, (0.0, 0))[0 if made else 1],
    )
    return [name for n, name in enumerate(known) if n in some]


def _of_class(
    picks: Mapping[Key, Sequence[Pick]], rows: Mapping[Pick, Shown], name: str
) -> dict[str, list[Picture]]:
    return {
        kind: [picture(rows[pick]) for pick in picks[name, kind]]
        for kind in COLUMNS
        if (name, kind) in picks
    }


def _quarantine(report: Json) -> list[Json]:
    quality = report["quality"]
    return [] if quality is None else list(quality["quarantine"][:_DOUBTFUL])


def _mapped(report: Json) -> list[str]:
    """Samples of the map, in its order."""
    found = (report["quality"] or {}).get("embedding") or {"points": ()}
    return [one["sample_id"] for one in found["points"]]


def _said(report: Json) -> dict[int, list[str]]:
    """Number of a finding -> samples that its text names; of the first findings that fail, then of
    warnings."""
    order = sorted(range(len(report["findings"])), key=lambda n: report["findings"][n]["warns"])
    said = {n: _SAMPLE.findall(report["findings"][n]["text"])[:PER_CLASS] for n in order}
    return dict(itertools.islice(((n, ids) for n, ids in said.items() if ids), _NAMED))


def _labelled(shown: Shown) -> Picture:
    return picture(shown, f"{shown.class_name}, {shown.kind}")


def _pairs(report: Json) -> tuple[_Pairs, _Pairs]:
    """(sample, real image) of the first copies of each side, and of its twins."""
    sides = (report["quality"] or {}).get("copies") or ()
    copies = {
        one["of"]: [(copy["sample_id"], copy["real_id"]) for copy in one["copies"][:_NAMED]]
        for one in sides
    }
    leaks = ((report["quality"] or {}).get("leaks") or {}).get("leaks", ())
    copies["leaks"] = [(leak["sample_id"], leak["train_id"]) for leak in leaks[:_NAMED]]
    twins = {
        one["of"]: [(twin["id"], twin["real_id"]) for twin in one["twins"][:_TWINS]]
        for one in sides
    }
    return copies, twins


def _shown_pairs(
    pairs: _Pairs, found: Mapping[str, Shown]
) -> dict[str, tuple[tuple[Picture, Picture], ...]]:
    return {
        of: tuple(
            (_labelled(found[a]), _labelled(found[b])) for a, b in some if {a, b} <= found.keys()
        )
        for of, some in pairs.items()
    }


def _doubtful(report: Json, found: Mapping[str, Shown]) -> tuple[Picture, ...]:
    return tuple(
        picture(found[one["sample_id"]], f"{one['class']}, named {one['shows']}")
        for one in _quarantine(report)
        if one["sample_id"] in found
    )


def _within(
    of: Mapping[str, Mapping[str, list[Picture]]], budget: int
) -> dict[str, dict[str, list[Picture]]]:
    """As many rows of each class and origin as fit in the budget together."""
    for most in range(PER_CLASS, 0, -1):
        some = {
            name: {kind: rows[:most] for kind, rows in kinds.items()} for name, kinds in of.items()
        }
        size = sum(_size(o) for kinds in some.values() for rows in kinds.values() for o in rows)
        if size <= budget:
            return some
    return {}


def _size(one: Picture) -> int:
    return len(one.image or b"")
