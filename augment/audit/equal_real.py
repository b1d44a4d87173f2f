"""Is a real image in two splits, or under two classes?

An image that stands in two splits is learned from and judged by; one that stands under two classes
has a wrong label somewhere. Images are known by their bytes, and by what they show where rows say
it (`pixels_sha256`): the same picture may lie in two files that differ.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np

from augment.audit.findings import NO_ROWS, Check, Finding, counted, folded, not_judged
from augment.audit.ids import first_64_bits
from augment.audit.naming import Named
from augment.audit.pictures import COPY, Cell, Names, Pictures, Tally
from augment.audit.shares import RealImages
from augment.audit.table import DataSet, read_parents

_SPLITS = "every real image stands in one split, and is shown in no other"
_CLASSES = "every real image stands under one class"
Spread = Mapping[Names, np.ndarray]
"""Values -> the first 64 bits of the images that stand under all of them."""


def check_real(
    data: DataSet, images: RealImages, pictures: Pictures, protected: Collection[str]
) -> tuple[list[Check], list[Finding]]:
    """Fails for an image in two splits, warns of one under two classes.

    images: the real rows of the version. protected: splits that must not be learned from.
    """
    if not images.known:
        why = "not checked, a shard has no sha256"
        return [Check("splits", None, f"{_SPLITS}: {why}"),
                Check("one_class", None, f"{_CLASSES}: {why}")], []  # fmt: skip
    if not images.rows:
        none = "there are no real rows" if data.shards else NO_ROWS
        return [not_judged("splits", _SPLITS, none), not_judged("one_class", _CLASSES, none)], []
    splits, classes = images.spread("split"), images.spread("label_name")
    files = Named(data, "sha256", {int(k[0]) for k in [*splits.values(), *classes.values()]})
    apart = _more(pictures.across, splits), _more(pictures.under, classes)
    copies = {c: n for c, n in pictures.elsewhere.counts.items() if c.kind == COPY}
    keys = {pictures.across.examples[names] for names in apart[0]}
    keys |= {pictures.under.examples[names] for names in apart[1]}
    keys |= {pictures.elsewhere.examples[cell] for cell in copies}
    shown = Named(data, "pixels_sha256", keys)
    in_splits = [
        *_in_splits(data, splits, files, protected),
        *_pictures_in_splits(apart[0], pictures.across, shown),
        *_copies_elsewhere(copies, pictures.elsewhere, shown),
    ]
    under = [*_under(classes, files), *_pictures_under(apart[1], pictures.under, shown)]
    how = "" if not pictures.unnamed else ", known by their bytes alone"
    return [
        _check("splits", _SPLITS, f"{images.rows} rows{how}", in_splits),
        _check("one_class", _CLASSES, f"{images.rows} rows{how}", under),
    ], [*folded(in_splits), *folded(under)]


def _check(name: str, asks: str, of: str, found: list[Finding]) -> Check:
    if not found:
        return Check(name, True, f"{asks}: {of}")
    n = sum(finding.n for finding in found)
    return Check(name, False, f"{asks}: not so for {n} of them")


# ---- the same bytes ------------------------------------------------------------------


def _in_splits(
    data: DataSet, splits: Spread, named: Named, protected: Collection[str]
) -> Iterator[Finding]:
    made = _made_from(data, list(splits.values()))
    for names, keys in splits.items():
        first, *others = sorted(names, key=lambda name: (name not in protected, name))
        kind = "the protected split" if first in protected else "split"
        also = " and ".join(f"split {name}" for name in others)
        children = int(np.isin(made, keys).sum())
        rows = counted(children, "row is", "rows are")
        told = f"; {rows} made from {'it' if keys.size == 1 else 'them'}" if children else ""
        of = f"of {kind} {first}"
        text = f"{counted(keys.size, f'image {of} stands', f'images {of} stand')} in {also} too"
        yield Finding("splits", f"{text}{named.of(int(keys[0]))}{told}", keys.size)


def _under(classes: Spread, named: Named) -> Iterator[Finding]:
    for names, keys in classes.items():
        some = counted(keys.size, "image stands", "images stand")
        text = f"{some} under the classes {_quoted(names)}"
        yield Finding("one_class", f"{text}{named.of(int(keys[0]))}", keys.size, warns=True)


def _quoted(names: Names) -> str:
    return " and ".join(map(repr, names))


def _made_from(data: DataSet, groups: list[np.ndarray]) -> np.ndarray:
    """The first 64 bits of those parents of all rows that are one of these images."""
    if not groups:
        return np.empty(0, np.uint64)
    wanted = np.concatenate(groups)
    found = [np.empty(0, np.uint64)]
    for shard in data.shards:
        for parents in read_parents(data, shard):
            keys = first_64_bits(parents.drop_null())
            found.append(keys[np.isin(keys, wanted)])
    return np.concatenate(found)


# ---- the same picture ----------------------------------------------------------------


def _more(pictures: Tally[Names], files: Spread) -> dict[Names, int]:
    """Pictures that stand so beside those that do byte for byte."""
    of_files = {names: keys.size for names, keys in files.items()}
    rest = {names: n - of_files.get(names, 0) for names, n in sorted(pictures.counts.items())}
    return {names: n for names, n in rest.items() if n > 0}


def _pictures_in_splits(
    more: Mapping[Names, int], found: Tally[Names], shown: Named
) -> Iterator[Finding]:
    for names, n in more.items():
        where = " and ".join(f"split {name}" for name in names)
        some = counted(n, "more picture stands", "more pictures stand")
        text = f"{some} in {where}, in files that differ"
        yield Finding("splits", f"{text}{shown.of(found.examples[names])}", n)


def _pictures_under(
    more: Mapping[Names, int], found: Tally[Names], shown: Named
) -> Iterator[Finding]:
    for names, n in more.items():
        some = counted(n, "more picture stands", "more pictures stand")
        text = f"{some} under the classes {_quoted(names)}, in files that differ"
        yield Finding("one_class", f"{text}{shown.of(found.examples[names])}", n, warns=True)


def _copies_elsewhere(
    copies: Mapping[Cell, int], found: Tally[Cell], shown: Named
) -> Iterator[Finding]:
    for cell, n in sorted(copies.items()):
        of = f"of split {cell.split}, class {cell.label_name!r},"
        some = counted(n, f"copy {of} shows", f"copies {of} show")
        text = f"{some} a real picture of another split"
        yield Finding("splits", f"{text}{shown.of(found.examples[cell])}", n)
