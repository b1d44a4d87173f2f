"""The generated images of a data set beside its real ones, by the detector of `audit.copies`.

Every generated image is looked at, a shard at a time. The real images stay in memory as they are
stored; of more than `MOST_PROTECTED`, or `MOST_BYTES`, a seeded sample is searched, and that is
said.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from augment.audit.copies import Decoded, Detector, Histogram, ImageSet, NotCalibrated, Threshold
from augment.audit.copies.calibration import FALSE_POSITIVES
from augment.audit.copies.detector import LEARNED, MEASURED, Match
from augment.audit.copies.histogram import width_of
from augment.audit.quality import Group, Rows
from augment.audit.quality.copied import MOST_LISTED, Copy, Leak, Leaks, Of, Searched
from augment.audit.quality.gathering import AUGMENTED
from augment.audit.table import DataSet, Shard
from augment.features.kept import Kept
from augment.run.extraction.extract_unit import image_of, lines
from augment.run.extraction.extracting import Extraction
from augment.run.progress import Reporter
from augment.seeds import order_key

MOST_PROTECTED = 20_000
MOST_BYTES = 1 << 30
_SIDES: tuple[tuple[Of, Of], ...] = (("train", "holdout"), ("holdout", "train"))
"""What is protected, and what it is calibrated on."""


@dataclass
class Pictures:
    """Images of some rows, with what is known of them. vectors: by extractor, one a row."""

    ids: list[str] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    makers: list[str | None] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    vectors: dict[str, list[np.ndarray]] = field(default_factory=dict)

    def images(self) -> ImageSet:
        """As the detector takes them."""
        features = {name: np.array(rows) for name, rows in self.vectors.items() if rows}
        return ImageSet(Decoded(self.lines, image_of), self.labels, features)

    def some(self, rows: Sequence[int]) -> Pictures:
        """Those at these positions."""
        return Pictures(
            [self.ids[n] for n in rows],
            [self.splits[n] for n in rows],
            [self.labels[n] for n in rows],
            [self.makers[n] for n in rows],
            [self.lines[n] for n in rows],
            {name: [one[n] for n in rows] for name, one in self.vectors.items()},
        )


RowsOf = Callable[[Shard], Rows]


@dataclass(frozen=True)
class Planted:
    """Images that copies of each kind are planted of. learned: to learn from. measured: to measure
    what would be found; 0: it is not measured."""

    learned: int = LEARNED
    measured: int = MEASURED


def search_copies(
    data: DataSet,
    found: Extraction,
    rows_of: RowsOf,
    seed: int,
    planted: Planted,
    reporter: Reporter,
) -> tuple[tuple[Searched, ...], Leaks]:
    """Generated images beside the real ones of their splits, and beside those of the other splits;
    and the real ones of the other splits beside those of their splits.

    Without generated rows nothing is searched.
    """
    made_in = set[str]()
    for shard in data.shards:
        rows = rows_of(shard)
        made_in |= {split for split, maker in zip(rows.splits, rows.makers, strict=True)
                    if _generated(maker)}  # fmt: skip
    if not made_in:
        return (), Leaks({}, 2 * FALSE_POSITIVES, why="there are no generated rows")
    reporter.stage("copies", None)
    chosen, real = _chosen(data, rows_of, made_in, seed)
    wanted = frozenset(chosen["train"]) | frozenset(chosen["holdout"])
    pictures = _merged(_pictures(data, found, rows_of, lambda path, n, _: (path, n) in wanted))
    sides = {
        of: pictures.some([n for n, split in enumerate(pictures.splits)
                           if (split in made_in) == (of == "train")])
        for of in chosen
    }  # fmt: skip
    searches = []
    for of, other in _SIDES:
        if sides[of].ids:
            reporter.doing(f"calibrating on {len(sides[other].ids)} real images")
            searches.append(_Search(of, sides[of], real[of], sides[other], found, seed, planted))
    looked = 0
    for some in _pictures(data, found, rows_of, lambda path, n, maker: _generated(maker)):
        for search in searches:
            search.add(some)
        looked += len(some.ids)
        reporter.doing(f"{looked} generated images looked at")
    leaks = search_leaks(sides["train"], sides["holdout"], found, seed, reporter, planted.learned)
    return tuple(search.result() for search in searches), leaks


def search_leaks(
    train: Pictures,
    holdout: Pictures,
    found: Extraction,
    seed: int,
    reporter: Reporter,
    learned: int = LEARNED,
) -> Leaks:
    """Real images of the holdout beside those of train; see `Leaks`. learned: see `Planted`."""
    rate = 2 * FALSE_POSITIVES
    if not holdout.ids:
        return Leaks({}, rate, why="there is no split that nothing is made in")
    keys = [order_key(seed, "audit/leaks", one) for one in train.ids]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    halves = [train.some(sorted(order[begin::2])) for begin in (0, 1)]
    nearest: dict[int, Leak] = {}
    most = 0.0
    for half, other in (halves, halves[::-1]):
        reporter.doing(f"calibrating on {len(other.ids)} real images of train")
        if not half.ids:
            return Leaks({}, rate, why="train has fewer than 2 real images")
        extractors = {name: found.extractor(name) for name in half.vectors}
        detector = Detector.fit(
            half.images(),
            other.images(),
            seed=seed,
            extractors=extractors,
            measured=0,
            learned=learned,
        )
        if isinstance(overall := detector.calibration.overall, NotCalibrated):
            return Leaks({}, rate, why=f"{overall.reason}, of a half of train")
        most += detector.calibration.most
        for n, match in enumerate(detector.search(holdout.images())):
            if match.is_copy and (n not in nearest or match.score > nearest[n].score):
                nearest[n] = Leak(holdout.ids[n], holdout.splits[n], half.ids[match.protected],
                                  match.score, match.equal)  # fmt: skip
    counts = {
        split: (holdout.splits.count(split), sum(one.split == split for one in nearest.values()))
        for split in set(holdout.splits)
    }
    listed = sorted(nearest.values(), key=lambda one: (not one.equal, -one.score, one.sample_id))
    return Leaks(counts, most, tuple(listed[:MOST_LISTED]))


def _generated(maker: str | None) -> bool:
    return maker not in (None, AUGMENTED)


def _chosen(
    data: DataSet, rows_of: RowsOf, made_in: Collection[str], seed: int
) -> tuple[dict[Of, list[tuple[str, int]]], dict[Of, int]]:
    """Of each side the real rows that are searched, as (shard, row), and how many there are: all,
    or a seeded sample that fits the bounds by the mean size of a row."""
    keys: dict[Of, list[tuple[bytes, str, int]]] = {"train": [], "holdout": []}
    total = 0
    for shard in data.shards:
        rows = rows_of(shard)
        total += len(rows.ids)
        for n, (split, maker) in enumerate(zip(rows.splits, rows.makers, strict=True)):
            if maker is None:
                key = order_key(seed, "audit/copies", rows.ids[n])
                keys["train" if split in made_in else "holdout"].append((key, shard.path, n))
    each = sum(shard.size for shard in data.shards) / max(1, total)
    most = min(MOST_PROTECTED, max(1, int(MOST_BYTES / max(1.0, each))))
    chosen = {of: [(path, n) for _, path, n in sorted(some)[:most]] for of, some in keys.items()}
    return chosen, {of: len(some) for of, some in keys.items()}


class _Search:
    """One detector, and what it has found."""

    def __init__(
        self,
        of: Of,
        protected: Pictures,
        real: int,
        holdout: Pictures,
        found: Extraction,
        seed: int,
        planted: Planted,
    ) -> None:
        self._of, self._protected, self._real, self._holdout = of, protected, real, holdout
        extractors = {name: found.extractor(name) for name in protected.vectors}
        self._detector = Detector.fit(
            protected.images(),
            holdout.images(),
            seed=seed,
            extractors=extractors,
            measured=planted.measured,
            learned=planted.learned,
        )
        margins = self._detector.calibration.margins
        self._real_scores, self._made_scores = (Histogram(width_of(margins)) for _ in range(2))
        self._real_scores.add(margins)
        self._looked: dict[Group, tuple[int, int]] = {}
        self._copies: list[Copy] = []

    def add(self, made: Pictures) -> None:
        """Look at every image of a shard."""
        matches = self._detector.search(made.images())
        self._made_scores.add(match.margin for match in matches)
        for n, match in enumerate(matches):
            group = Group(made.splits[n], made.labels[n], made.makers[n])
            for one in (group, group._replace(class_name=None)):
                before = self._looked.get(one, (0, 0))
                self._looked[one] = (before[0] + 1, before[1] + match.is_copy)
            if match.is_copy:
                self._copies.append(self._copy(made.ids[n], group, match))
        self._copies.sort(key=lambda one: (not one.equal, -one.score, one.sample_id))
        del self._copies[MOST_LISTED:]

    def _copy(self, sample_id: str, group: Group, match: Match) -> Copy:
        return Copy(
            sample_id,
            group,
            self._protected.ids[match.protected],
            self._protected.splits[match.protected],
            match.score,
            match.equal,
            match.mirrored,
        )

    def result(self) -> Searched:
        overall = self._detector.calibration.overall
        twins = overall.twins if isinstance(overall, Threshold) else ()
        return Searched(
            of=self._of,
            protected=len(self._protected.ids),
            real=self._real,
            calibration=self._detector.calibration,
            recall=self._detector.recall,
            looked=self._looked,
            copies=tuple(self._copies),
            twins=tuple(
                (self._holdout.ids[twin.holdout], self._protected.ids[twin.protected], twin.score)
                for twin in twins
            ),
            scores=(self._real_scores, self._made_scores)
            if isinstance(overall, Threshold)
            else None,
        )


def _pictures(
    data: DataSet,
    found: Extraction,
    rows_of: RowsOf,
    wanted: Callable[[str, int, str | None], bool],
) -> Iterator[Pictures]:
    """Of each shard the rows that are wanted (by shard, row and maker), as far as every extractor
    saw them."""
    streams = [found.shards(info.name) for info in found.infos]
    for shard in data.shards:
        kept = {info.name: next(one)[1] for info, one in zip(found.infos, streams, strict=True)}
        rows = rows_of(shard)
        some = {n for n, maker in enumerate(rows.makers) if wanted(shard.path, n, maker)}
        if some and (pictures := _of_shard(data, shard, rows, kept, some)).ids:
            yield pictures


def _of_shard(
    data: DataSet, shard: Shard, rows: Rows, kept: Mapping[str, Kept], wanted: Collection[int]
) -> Pictures:
    places = {name: {int(row): n for n, row in enumerate(one.rows)} for name, one in kept.items()}
    found = Pictures(vectors={name: [] for name in kept})
    for n, line in enumerate(lines(data, shard)):
        if n not in wanted or any(n not in place for place in places.values()):
            continue
        found.ids.append(rows.ids[n])
        found.splits.append(rows.splits[n])
        found.labels.append(rows.class_names[n])
        found.makers.append(rows.makers[n])
        found.lines.append(line)
        for name, one in kept.items():
            found.vectors[name].append(one.features[places[name][n]])
    return found


def _merged(parts: Iterator[Pictures]) -> Pictures:
    whole = Pictures()
    for part in parts:
        whole.ids += part.ids
        whole.splits += part.splits
        whole.labels += part.labels
        whole.makers += part.makers
        whole.lines += part.lines
        for name, rows in part.vectors.items():
            whole.vectors.setdefault(name, []).extend(rows)
    return whole
