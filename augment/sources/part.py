"""One source on its way into the census: labels mapped, given splits read, caps applied.

What it shares with other sources is given to it: the classes that are known, and the split of each
image where splits are drawn (see `drawing`).
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from augment.errors import PlanError, Problem
from augment.seeds import order_key
from augment.sources.left_out import Cause, LeftOut, as_text, summary
from augment.sources.listing import Listing, by_label, codes_of
from augment.sources.splitting import cap_shares, draw_digest
from augment.spec import Job, read_label_map
from augment.spec.models import SourceSpec
from augment.spec.problems import nearest, one_of, shown
from augment.storage import Options
from augment.tables import few

KEYS_AT_ONCE = 1 << 16


@dataclass
class Part:
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
    seed: int = 0

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

    @property
    def rows(self) -> int:
        return int(self.listing.table.num_rows)

    @property
    def makes_rows(self) -> bool:
        """Whether its images are rows of the data set, and not only read by generators."""
        return self.spec.use == "rows"

    @property
    def compared(self) -> tuple[SourceSpec, Listing]:
        """As `find_equal` takes it."""
        return self.spec, self.listing

    def build(self, job: Job, given: Sequence[str] | None, options: Options | None) -> Part:
        """All but the splits that are drawn, and their cap. Raises: PlanError."""
        self.seed = job.spec.split_seed
        self._count()
        if not self.listing.table.num_rows:
            raise PlanError([self._nothing()])
        self._take_labels(job.base, options)
        if problems := self._unknown(given):
            raise PlanError(problems)
        self.keys = self.keys_of("rank")
        self._refuse_collisions()
        if self.shares:
            self.splits = sorted(self.shares)
            return self
        self.splits, self.split_codes = codes_of(self.listing.table.column("split"))
        if problems := self._empty_splits():
            raise PlanError(problems)
        self._cap()
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

    def take_splits(self, codes: np.ndarray, drawn: np.ndarray) -> None:
        """The splits that were drawn, as numbers into `splits`, and the keys they were drawn by;
        the cap follows."""
        self.split_codes = codes
        self.draw = draw_digest(self.splits, codes, drawn)
        self._cap()

    def keys_of(self, purpose: str) -> np.ndarray:
        """(rows, 2) uint64 that put its images in an order of their own for each purpose."""
        identities = identities_of(self.listing.table.column("locator"))
        return _keys(self.seed, f"{purpose}:{self.name}", identities)

    def _cap(self) -> None:
        """Keep the lowest ranks where there is a cap: of each split where splits are texts, of each
        class where they are shares."""
        if (most := self.spec.max_per_class) is None:
            return
        ranks = ranks_of(self.split_codes, self.label_codes, self.keys)
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
            alike = unicodedata.normalize("NFC", pair[0]) == unicodedata.normalize("NFC", pair[1])
            written = [ascii(each) if alike else repr(each) for each in pair]  # seen to differ
            name = f" {unicodedata.normalize('NFC', pair[0])!r}" if alike else ""
            found = f"two images of one name{name}: {written[0]} and {written[1]}"
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


def identities_of(locators: pa.ChunkedArray) -> pa.ChunkedArray:
    """Locators as they enter ids (see `seeds.normalise_locator`)."""
    slashed = pc.replace_substring(locators, "\\", "/")
    return pc.utf8_normalize(slashed, form="NFC")


def _keys(seed: int, purpose: str, identities: pa.ChunkedArray) -> np.ndarray:
    """(rows, 2) uint64: `seeds.order_key` of each identity, as two big-endian halves."""
    out = [np.empty((0, 2), np.uint64)]
    for start in range(0, len(identities), KEYS_AT_ONCE):
        texts = identities.slice(start, KEYS_AT_ONCE).to_pylist()
        raw = b"".join([order_key(seed, purpose, text) for text in texts])
        out.append(np.frombuffer(raw, ">u8").astype(np.uint64).reshape(-1, 2))
    return np.concatenate(out)


def ranks_of(splits: np.ndarray, labels: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """(n,) int64: 0, 1, 2 ... within each (split, label), in the order of the keys."""
    order = np.lexsort((keys[:, 1], keys[:, 0], labels, splits))
    group = np.stack([splits[order], labels[order]], axis=1)
    new = np.ones(len(order), bool)
    new[1:] = (group[1:] != group[:-1]).any(axis=1)
    starts = np.flatnonzero(new)
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order)) - np.repeat(starts, np.diff([*starts, len(order)]))
    return ranks
