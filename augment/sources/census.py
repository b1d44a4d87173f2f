"""The census: every real image of a job with its class, split and rank, no pixel read.

Joins the sources' listings: labels are mapped, splits given by shares are drawn, caps
applied, classes checked. Everything that is drawn depends on `split_seed` and the locators
alone, never on the job's seed or the order of a listing. Works on Arrow columns and numpy
codes, so that a census of 10^7 images fits one machine.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import assert_never

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from augment.errors import PlanError, Problem
from augment.sample import CENSUS_SCHEMA
from augment.seeds import order_key
from augment.sources.equal import Equal, EqualTold, find_equal
from augment.sources.imagefolder import list_imagefolder
from augment.sources.left_out import Cause, LeftOut, as_text, summary
from augment.sources.listing import Listing, SoFar, by_label, codes_of, nobody
from augment.sources.parquet import list_parquet
from augment.sources.splitting import cap_shares, draw_digest, draw_splits
from augment.spec import Job, read_classes, read_label_map
from augment.spec.models import ImageFolderSource, ParquetSource, SourceSpec
from augment.spec.problems import nearest, one_of, shown
from augment.storage import Options
from augment.tables import few

_KEYS_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class Census:
    """table: rows of `CENSUS_SCHEMA`, sorted by split, label_name, source, locator.
    classes: in the order of their ids. left_out: what stands in the sources and is not here, of
    those where there is any. inputs: as table, of sources that only generators read.
    row_groups: source -> Parquet file -> first row of each row group. draws: source whose
    splits are shares -> name of what was drawn, before caps (see `draw_digest`). equal: such a
    source -> its images that are equal byte for byte, which are in one split."""

    table: pa.Table
    classes: tuple[str, ...]
    left_out: tuple[LeftOut, ...] = ()
    row_groups: Mapping[str, Mapping[str, tuple[int, ...]]] = field(default_factory=dict)
    inputs: pa.Table = field(default_factory=CENSUS_SCHEMA.empty_table)
    draws: Mapping[str, str] = field(default_factory=dict)
    equal: Mapping[str, EqualTold] = field(default_factory=dict)

    def blocks(self) -> pa.Array:
        """Per row of the table what is read in one piece with it: `<file>#<row group>` of
        Parquet sources; "" for rows that are files of their own."""
        out: list[pa.Array] = []
        for batch in self.table.select(["source", "locator"]).to_batches(_KEYS_AT_ONCE):
            rows = zip(*(c.to_pylist() for c in batch.columns), strict=True)
            out.append(pa.array([self._block(s, x) for s, x in rows], pa.string()))
        return pa.concat_arrays(out) if out else pa.array([], pa.string())

    def _block(self, source: str, locator: str) -> str:
        files = self.row_groups.get(source)
        if not files:
            return ""
        file, _, row = locator.rpartition("#")
        return f"{file}#{bisect_right(files[file], int(row)) - 1}"


def take_census(job: Job, *, options: Options | None = None, seen: SoFar = nobody) -> Census:
    """Lists every source of the job. options: fsspec options by protocol. seen: is told now and
    then how many images were found up to now.

    Raises:
        PlanError: with everything found wrong: missing folders, files or columns, unknown
            classes, unmapped labels, empty sources, splits and class folders, names that
            collide.
        StorageError: a source cannot be listed.
    """
    spec = job.spec
    given = read_classes(spec.classes, job.base, options) if spec.classes else None
    parts, problems = list[_Part](), list[Problem]()
    for name, source in spec.sources.items():
        try:
            before = sum(part.listing.table.num_rows for part in parts)
            listing = list_source(name, source, options, partial(_counted, seen, before))
            known = given if source.use == "rows" else None
            parts.append(_Part(name, source, listing).build(job, known, options))
        except PlanError as error:
            problems += error.problems
    if problems:
        raise PlanError(problems)
    of_rows = [p for p in parts if p.spec.use == "rows"]
    rows = _joined(of_rows, _class_list(of_rows) if given is None else given)
    fed = [p for p in parts if p.spec.use != "rows"]
    draws = {p.name: p.draw for p in parts if p.draw}
    left_out = tuple(found for p in parts if (found := p.left_out()).losses or found.empty)
    equal = {p.name: p.equal.told for p in parts if p.equal is not None}
    inputs = {"inputs": _joined(fed, ()).table} if fed else {}
    return replace(rows, left_out=left_out, draws=draws, equal=equal, **inputs)


def _counted(seen: SoFar, before: int, n: int) -> None:
    """n: of this source. before: of those before it."""
    seen(before + n)


def list_source(
    name: str, spec: SourceSpec, options: Options | None = None, seen: SoFar = nobody
) -> Listing:
    """What one source holds, by its format. Raises: PlanError, StorageError."""
    match spec:
        case ImageFolderSource():
            return list_imagefolder(name, spec, options, seen)
        case ParquetSource():
            return list_parquet(name, spec, options, seen)
        case _:
            assert_never(spec)


# ---- one source ------------------------------------------------------------------------


@dataclass
class _Part:
    """One source on its way into the census: numpy codes into `labels` and `splits`.

    of: label of the source -> images that stand in it. empty: class folders without an image to
    use, and the class that each would be."""

    name: str
    spec: SourceSpec
    listing: Listing
    labels: list[str] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    label_codes: np.ndarray = field(default_factory=lambda: np.empty(0, np.int32))
    split_codes: np.ndarray = field(default_factory=lambda: np.empty(0, np.int32))
    keys: np.ndarray = field(default_factory=lambda: np.empty((0, 2), np.uint64))
    draw: str = ""
    of: Counter[str] = field(default_factory=Counter)
    empty: dict[str, str | None] = field(default_factory=dict)
    equal: Equal | None = None

    @property
    def place(self) -> str:
        return f"sources.{self.name}"

    @property
    def shares(self) -> dict[str, float]:
        """Split -> share; empty where the splits are texts."""
        return {s: v for s, v in self.spec.splits.items() if not isinstance(v, str)}

    def left_out(self) -> LeftOut:
        """What of the source is not in the census."""
        losses = self.listing.losses.losses()
        lost = sorted({n for x in losses if x.cause.of_images for n in x.classes})
        of = {label: self.of[label] for label in lost if label in self.of}
        return LeftOut(self.name, self.listing.table.num_rows, losses, of, tuple(self.empty))

    def build(self, job: Job, given: Sequence[str] | None, options: Options | None) -> _Part:
        """Labels mapped, splits drawn, caps applied. Raises: PlanError."""
        self._count()
        if not self.listing.table.num_rows:
            raise PlanError([self._nothing()])
        self._take_labels(job.base, options)
        if problems := self._unknown(given):
            raise PlanError(problems)
        identities = _identities(self.listing.table.column("locator"))
        seed = job.spec.split_seed
        self._take_splits(lambda: _keys(seed, f"split:{self.name}", identities), options)
        self.keys = _keys(seed, f"rank:{self.name}", identities)
        self._refuse_collisions()
        if self.spec.max_per_class is not None:
            self._cap(self.spec.max_per_class)
        if problems := self._empty_splits():
            raise PlanError(problems)
        return self

    def _count(self) -> None:
        listed = by_label(self.listing.table.column("label"))
        self.of = listed + self.listing.losses.images()
        self.empty = dict.fromkeys(sorted(set(map(as_text, self.listing.folders)) - set(listed)))

    def _take_labels(self, base: str, options: Options | None) -> None:
        names, codes = codes_of(self.listing.table.column("label"))
        mapped: list[str | None] = [unicodedata.normalize("NFC", n) for n in names]
        self.empty = {folder: folder for folder in self.empty}
        if (label_map := self.spec.label_map) is not None:
            known = read_label_map(label_map, base, options)
            known = {unicodedata.normalize("NFC", k): v for k, v in known.items()}
            unmapped = sorted({n for n in mapped if n is not None and n not in known})
            if unmapped and label_map.unmapped == "error":
                hint = "Map it, or say `unmapped: drop`."
                raise PlanError(
                    [
                        Problem(f"{self.place}.label_map", f"label {shown(n)}", one_of(known), hint)
                        for n in unmapped[:20]
                    ]
                )
            mapped = [known.get(n) if n is not None else None for n in mapped]
            self.empty = {folder: known.get(folder) for folder in self.empty}
        self.labels = sorted({n for n in mapped if n is not None})
        number = {n: i for i, n in enumerate(self.labels)}
        table = np.array([-1 if n is None else number[n] for n in mapped], np.int32)
        self.label_codes = table[codes]
        self.split_codes = np.zeros(len(codes), np.int32)
        self._keep(self.label_codes >= 0, Cause.UNMAPPED)
        if not self.listing.table.num_rows:
            raise PlanError([self._nothing()])

    def _unknown(self, given: Sequence[str] | None) -> list[Problem]:
        if given is None:
            return []
        named = {unicodedata.normalize("NFC", g): g for g in given}
        counts = np.bincount(self.label_codes, minlength=len(self.labels))
        problems = [
            Problem(
                self.place,
                f"class {shown(n)} ({counts[i]} images)",
                one_of(given),
                nearest(n, given) or "Add it at the end of classes, or use a label_map.",
            )
            for i, n in enumerate(self.labels)
            if unicodedata.normalize("NFC", n) not in named
        ]
        if not problems:
            self.labels = [named[unicodedata.normalize("NFC", n)] for n in self.labels]
        return problems

    def _take_splits(self, keys: Callable[[], np.ndarray], options: Options | None) -> None:
        if self.shares:
            self.splits = sorted(self.shares)
            values = [self.shares[s] for s in self.splits]
            drawn = keys()
            groups = None
            if len(values) > 1:
                self.equal = find_equal(self.spec, self.listing, options)
                groups = self.equal.groups
            self.split_codes = draw_splits(self.label_codes, drawn, values, groups)
            self.draw = draw_digest(self.splits, self.split_codes, drawn)
        else:
            self.splits, self.split_codes = codes_of(self.listing.table.column("split"))

    def _cap(self, most: int) -> None:
        """Keep the lowest ranks: of each split where splits are texts, of each class where they
        are shares."""
        ranks = _ranks(self.split_codes, self.label_codes, self.keys)
        allowed: np.ndarray | int = most
        if self.shares:
            values = [self.shares[s] for s in self.splits]
            table = cap_shares(self.label_codes, self.split_codes, most, values)
            allowed = table[self.label_codes, self.split_codes]
        self._keep(ranks < allowed, Cause.CAPPED)

    def _keep(self, mask: np.ndarray, cause: Cause) -> None:
        if mask.all():
            return
        table = self.listing.table
        for label, n in by_label(table.column("label").filter(pa.array(~mask))).items():
            self.listing.losses.add_rows(cause, label, n)
        self.listing = replace(self.listing, table=table.filter(pa.array(mask)))
        self.label_codes, self.split_codes = self.label_codes[mask], self.split_codes[mask]
        if len(self.keys):
            self.keys = self.keys[mask]

    def _refuse_collisions(self) -> None:
        order = np.lexsort((self.keys[:, 1], self.keys[:, 0]))
        keys = self.keys[order]
        twins = np.flatnonzero((keys[1:] == keys[:-1]).all(axis=1))[:20]
        locators = self.listing.table.column("locator")
        problems = []
        for i in twins.tolist():
            pair = sorted(locators[int(order[j])].as_py() for j in (i, i + 1))
            found = f"two images of one name: {pair[0]!r} and {pair[1]!r}"
            expected = "names that differ after Unicode normalisation (NFC), with '/' for '\\'"
            problems.append(Problem(self.place, found, expected, "Rename one of them."))
        if problems:
            raise PlanError(problems)

    def _empty_splits(self) -> list[Problem]:
        there = {self.splits[i] for i in np.unique(self.split_codes)}
        hint = summary(self.left_out())
        return [
            Problem(f"{self.place}.splits.{s}", f"{v!r}, which holds no image", "images", hint)
            for s, v in self.spec.splits.items()
            if s not in there and isinstance(v, str)
        ]

    def _nothing(self) -> Problem:
        found = f"{self.spec.uri}, which holds no image with a class"
        return Problem(f"{self.place}.uri", found, "at least one", summary(self.left_out()))

    def lost_classes(self, found: Collection[str]) -> dict[str, str]:
        """Class folders without an image to use, and their classes, where nobody has one of the
        class. found: classes with images."""
        return {f: c for f, c in self.empty.items() if c is not None and c not in found}

    def refuse_lost(self, folders: Sequence[str]) -> Problem:
        """What is wrong where class folders have no image to use."""
        named = few([shown(folder) for folder in folders], 10)
        hint = (
            "Fetch or mend their images, or remove the folders; or say in the source "
            "`empty_classes: keep` (their classes keep their label ids) or `empty_classes: drop`, "
            "or list the `classes`. "
        )
        return Problem(
            self.place,
            f"class folders without an image to use: {named}",
            "an image in every class folder: without them the ids of other classes would shift",
            f"{hint}{summary(self.left_out())}".rstrip(),
        )


def _identities(locators: pa.ChunkedArray) -> pa.ChunkedArray:
    """Locators as they enter ids (see `seeds.normalise_locator`)."""
    slashed = pc.replace_substring(locators, "\\", "/")
    return pc.utf8_normalize(slashed, form="NFC")


def _keys(seed: int, purpose: str, identities: pa.ChunkedArray) -> np.ndarray:
    """(rows, 2) uint64: `seeds.order_key` of each identity, as two big-endian halves."""
    out = [np.empty((0, 2), np.uint64)]
    for start in range(0, len(identities), _KEYS_AT_ONCE):
        texts = identities.slice(start, _KEYS_AT_ONCE).to_pylist()
        raw = b"".join([order_key(seed, purpose, text) for text in texts])
        out.append(np.frombuffer(raw, ">u8").astype(np.uint64).reshape(-1, 2))
    return np.concatenate(out)


# ---- all sources -----------------------------------------------------------------------


def _class_list(parts: Sequence[_Part]) -> tuple[str, ...]:
    """The classes of the images, and those that were emptied and are to keep their places.

    Raises:
        PlanError: a class folder has no image to use, and nobody said what becomes of it.
    """
    found = {label for p in parts for label in p.labels}
    kept, problems = set[str](), list[Problem]()
    for part in parts:
        if lost := part.lost_classes(found):
            said = getattr(part.spec, "empty_classes", None)
            if said is None:
                problems.append(part.refuse_lost(list(lost)))
            elif said == "keep":
                kept.update(lost.values())
    if problems:
        raise PlanError(problems)
    return tuple(sorted(found | kept))


def _joined(parts: Sequence[_Part], classes: Sequence[str]) -> Census:
    found = sorted({n for p in parts for n in p.labels})
    splits = sorted({s for p in parts for s in p.splits})
    label_codes = np.concatenate([_into(found, p.labels)[p.label_codes] for p in parts])
    split_codes = np.concatenate([_into(splits, p.splits)[p.split_codes] for p in parts])
    ranks = _ranks(split_codes, label_codes, np.concatenate([p.keys for p in parts]))
    names = [pa.repeat(pa.scalar(p.name), p.listing.table.num_rows) for p in parts]
    listed = pa.concat_tables([p.listing.table.select(["locator", "size", "token"]) for p in parts])
    columns = {
        "source": pa.chunked_array(names),
        "locator": listed.column("locator"),
        "split": pa.array(splits, pa.string()).take(pa.array(split_codes)),
        "label_name": pa.array(found, pa.string()).take(pa.array(label_codes)),
        "rank": pa.array(ranks, pa.int64()),
        "size": listed.column("size"),
        "token": listed.column("token"),
    }
    table = pa.table([columns[f.name] for f in CENSUS_SCHEMA], schema=CENSUS_SCHEMA)
    table = _sorted(table, split_codes, label_codes)
    groups = {p.name: p.listing.row_groups for p in parts if p.listing.row_groups}
    return Census(table, tuple(classes), row_groups=groups)


def _into(names: Sequence[str], own: Sequence[str]) -> np.ndarray:
    place = {name: i for i, name in enumerate(names)}
    return np.array([place[name] for name in own], np.int32)


def _ranks(splits: np.ndarray, labels: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """(n,) int64: 0, 1, 2 ... within each (split, label), in the order of the keys."""
    order = np.lexsort((keys[:, 1], keys[:, 0], labels, splits))
    group = np.stack([splits[order], labels[order]], axis=1)
    new = np.ones(len(order), bool)
    new[1:] = (group[1:] != group[:-1]).any(axis=1)
    starts = np.flatnonzero(new)
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order)) - np.repeat(starts, np.diff([*starts, len(order)]))
    return ranks


def _sorted(table: pa.Table, splits: np.ndarray, labels: np.ndarray) -> pa.Table:
    """By split, label_name, source, locator as it enters ids (codes stand in name order)."""
    by = pa.table(
        {
            "split": splits,
            "label": labels,
            "source": table.column("source"),
            "identity": _identities(table.column("locator")),
        }
    )
    return table.take(pc.sort_indices(by, [(n, "ascending") for n in by.column_names]))
