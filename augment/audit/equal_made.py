"""Are generated rows and copies pictures of their own?

A generator that gives back what it has learned from, or a few pictures again and again, makes rows
that are marked, counted and different files. What rows show tells it: `pixels_sha256`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction

import pyarrow as pa
import pyarrow.compute as pc

from augment.audit.findings import NO_ROWS, Check, Finding, counted, folded, not_judged
from augment.audit.naming import Named
from augment.audit.pictures import ANYWHERE, COPY, MADE, Pictures
from augment.audit.table import DataSet
from augment.sample import Origin

LEAST_DIFFERENT = Fraction(9, 10)
"""Different pictures / rows of a generator's class, below which an audit fails. A generator with
continuous noise repeats no picture; single repeats are warned of."""
LEAST_OF_A_CLASS = Fraction(1, 10)
"""Different pictures / rows of a class in the splits where it has copies, below which an audit
fails. Copies of few looks, such as flips, are warned of."""
Called = Callable[[str, str], str]
"""(generator.id, class) -> how both are named in a text."""
_REAL = "no generated row shows a real picture"
_DIFFERENT = "generated rows show different pictures"
_COPIES = "copies show pictures of their own"


def check_made(
    data: DataSet, pictures: Pictures, counts: pa.Table, generators: Mapping[str, str]
) -> tuple[list[Check], list[Finding]]:
    """counts: of all rows of the version (columns origin, generated and n). generators:
    generator.id -> its name in the job that used it."""
    generated = int(pc.sum(counts.filter(counts["generated"])["n"]).as_py() or 0)
    varied = counts.filter(pc.not_equal(counts["origin"], Origin.REAL.value))
    known = {MADE: generated, COPY: int(pc.sum(varied["n"]).as_py() or 0)}

    def called(maker: str, label: str) -> str:
        return f"generator {generators.get(maker, maker or '(none)')}, class {label!r}"

    parts = [
        _judged(
            data, pictures, known, MADE, "real_pictures", _REAL, list(_real(data, pictures, called))
        ),
        _judged(
            data,
            pictures,
            known,
            MADE,
            "different",
            _DIFFERENT,
            list(_different(data, pictures, called)),
        ),
        _judged(data, pictures, known, COPY, "copies", _COPIES, list(_copies(data, pictures))),
    ]
    return [check for check, _ in parts], [one for _, found in parts for one in found]


def _judged(
    data: DataSet,
    pictures: Pictures,
    known: Mapping[int, int],
    kind: int,
    name: str,
    asks: str,
    found: list[Finding],
) -> tuple[Check, list[Finding]]:
    """A check and what it found. kind: of the rows that it speaks of; known: how many of a kind
    there are at most, also of those that do not say what they show."""
    rows = "copies" if kind == COPY else "generated rows"
    n = pictures.of_kind(kind)
    if found:
        bad = min(n, sum(one.n for one in found))
        return Check(name, False, f"{asks}: not so for {bad} of {n}"), folded(found)
    if not known[kind] or not (n or pictures.unnamed):
        return not_judged(name, asks, f"there are no {rows}" if data.shards else NO_ROWS), []
    if pictures.unnamed:
        return not_judged(name, asks, f"{pictures.unnamed} rows have no pixels_sha256"), []
    return Check(name, True, f"{asks}: {n} {rows}"), []


def _real(data: DataSet, pictures: Pictures, called: Called) -> Iterator[Finding]:
    """Generated rows that show a real picture."""
    some = {c: n for c, n in sorted(pictures.real.counts.items()) if c.kind == MADE}
    named = Named(data, "pixels_sha256", {pictures.real.examples[cell] for cell in some})
    for cell, n in some.items():
        text = (
            f"{called(cell.maker, cell.label_name)}: {n} of {pictures.rows[cell]} rows of split "
            f"{cell.split} show exactly a real picture of this data set"
        )
        if other := pictures.elsewhere.counts[cell]:
            text += f", {other} of them one of another split"
        yield Finding("real_pictures", f"{text}{named.of(pictures.real.examples[cell])}", n)


def _different(data: DataSet, pictures: Pictures, called: Called) -> Iterator[Finding]:
    """Generated rows of one generator and class that show the same, and, where it is more, of all
    generators and classes."""
    some = {p: n for p, n in sorted(pictures.repeated.counts.items()) if p[0] == MADE}
    anywhere = some.pop(ANYWHERE, 0)
    if anywhere > sum(some.values()):
        some[ANYWHERE] = anywhere
    named = Named(data, "pixels_sha256", {pictures.repeated.examples[place] for place in some})
    of = pictures.by_place() | {ANYWHERE: pictures.of_kind(MADE)}
    for place, n in some.items():
        whose = "all generators and classes" if place == ANYWHERE else called(*place[1:])
        rows = of[place]
        text = f"{whose}: {rows} rows show {counted(rows - n, 'picture', 'different pictures')}"
        if few := Fraction(rows - n, rows) < LEAST_DIFFERENT:
            text += f" ({(rows - n) / rows:.3f}; expected at least {float(LEAST_DIFFERENT):g})"
        example = named.of(pictures.repeated.examples[place])
        yield Finding("different", f"{text}{example}", n, warns=not few)


def _copies(data: DataSet, pictures: Pictures) -> Iterator[Finding]:
    """Copies that show what an untouched row or another copy shows."""
    untouched, repeated = Counter[str](), Counter[str]()
    example: dict[str, int] = {}
    for cell, n in sorted(pictures.untouched.counts.items()):
        untouched[cell.label_name] += n
        example.setdefault(cell.label_name, pictures.untouched.examples[cell])
    for (kind, maker, label), n in sorted(pictures.repeated.counts.items()):
        if kind == COPY:
            repeated[label] += n
            example.setdefault(label, pictures.repeated.examples[kind, maker, label])
    copies, all_rows = _with_copies(pictures)
    named = Named(data, "pixels_sha256", set(example.values()))
    for label, key in sorted(example.items()):
        text = (
            f"class {label!r}: of {copies[label]} copies {untouched[label]} show the picture of an "
            f"untouched row, {repeated[label]} that of another copy"
        )
        n = max(untouched[label], repeated[label])
        share = Fraction(all_rows[label] - n, all_rows[label])
        if few := share < LEAST_OF_A_CLASS:
            text += (
                f"; with the untouched rows beside them {all_rows[label]} rows show at most "
                f"{counted(all_rows[label] - n, 'picture', 'different pictures')} "
                f"({float(share):.3f}; expected at least {float(LEAST_OF_A_CLASS):g})"
            )
        yield Finding("copies", f"{text}{named.of(key)}", n, warns=not few)


def _with_copies(pictures: Pictures) -> tuple[Counter[str], Counter[str]]:
    """By class: its copies; and they with the untouched rows beside them, which are those of the
    splits that have copies of the class."""
    copies, together = Counter[str](), Counter[str]()
    copied = {(cell.split, cell.label_name) for cell in pictures.rows if cell.kind == COPY}
    for cell, n in pictures.rows.items():
        copies[cell.label_name] += n if cell.kind == COPY else 0
        together[cell.label_name] += n if (cell.split, cell.label_name) in copied else 0
    return copies, together
