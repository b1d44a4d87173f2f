"""Composition: how many rows of a group are real, augmented and generated, and the shares.

A row is generated if it or any ancestor came from a generator; augmented rows are the other
rows that are not untouched real images. So rows = real + augmented + generated, always.
Shares are computed from counts, and both are kept.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from augment.audit.counts import total
from augment.audit.facts import Facts
from augment.audit.ids import first_64_bits
from augment.errors import RequestError
from augment.sample import Origin

GROUPS = {
    "class": "label_name",
    "split": "split",
    "origin": "origin",
    "generator": "generator",
    "source": "source",
}
"""What counts may be grouped by: the word a person says -> the column."""

Group = tuple[tuple[str, str | None], ...]
"""Words of `GROUPS` with the values of one group, in the order asked for."""


@dataclass(frozen=True)
class Share:
    """Composition of one group of rows. unique_real: different untouched real images, by
    sha256; None where rows have none."""

    group: Group
    real: int
    augmented: int
    generated: int
    unique_real: int | None

    @property
    def rows(self) -> int:
        """All rows of the group."""
        return self.real + self.augmented + self.generated

    @property
    def synthetic_share(self) -> float:
        """Generated rows / all rows, 0 to 1; 0 for a group without rows."""
        return self.generated / self.rows if self.rows else 0.0

    @property
    def synthetic_to_real(self) -> float | None:
        """Generated rows / untouched real rows; None: generated rows and no real one."""
        if self.real:
            return self.generated / self.real
        return None if self.generated else 0.0

    def to_json(self) -> dict[str, Any]:
        """As in the report; an infinite ratio is the text "infinite"."""
        ratio = self.synthetic_to_real
        return {
            "group": dict(self.group),
            "rows": self.rows,
            "real": self.real,
            "augmented": self.augmented,
            "generated": self.generated,
            "synthetic_share": self.synthetic_share,
            "synthetic_to_real": "infinite" if ratio is None else ratio,
            "unique_real": self.unique_real,
        }


def parse_groups(text: str | Iterable[str]) -> tuple[str, ...]:
    """The words of `--by class,split`, each once, in order.

    Raises:
        RequestError: a word is not one of `GROUPS`, or stands twice.
    """
    words = text.split(",") if isinstance(text, str) else list(text)
    words = [word.strip() for word in words if word.strip()]
    for word in words:
        if word not in GROUPS:
            raise RequestError(f"by: got {word!r}; expected some of {', '.join(GROUPS)}")
        if words.count(word) > 1:
            raise RequestError(f"by: {word!r} stands twice; name it once")
    return tuple(words)


class RealImages:
    """Remembers which untouched real images stand where: 20 bytes per real row.

    An image is known by the first 64 bits of its sha256: among 10^7 images the chance of
    counting one too few is below 10^-5.
    """

    def __init__(self) -> None:
        self._codes: dict[str, dict[str | None, int]] = {name: {} for name in _WHERE}
        self._parts: list[dict[str, np.ndarray]] = []
        self.known = True

    def add(self, facts: Facts) -> None:
        """Remember the real rows of a batch."""
        if facts.lacks(["sha256"], seen=True):
            self.known = False
            return
        rows = facts.rows.filter(pc.equal(facts.rows["origin"], Origin.REAL.value))
        if "sha256" in facts.seen:  # a row without an image
            rows = rows.filter(pc.is_valid(rows["sha256"]))
        if rows.num_rows:
            part = {name: self._encode(name, rows[name]) for name in _WHERE}
            self._parts.append({**part, "image": first_64_bits(rows["sha256"])})

    def unique(self, by: Sequence[str]) -> dict[Group, int]:
        """Different images per group; groups without any are left out."""
        columns = [GROUPS[word] for word in by]
        keys = [column for column in columns if column in _WHERE]
        if not self._parts:
            return {}
        table = pa.table(
            {name: np.concatenate([p[name] for p in self._parts]) for name in (*keys, "image")}
        )
        counted = table.group_by(keys).aggregate([("image", "count_distinct")])
        return {
            tuple((word, self._value(word, line)) for word in by): line["image_count_distinct"]
            for line in counted.to_pylist()
        }

    def spread(self, column: str) -> dict[tuple[str, ...], np.ndarray]:
        """Images that stand under several values of `split` or `label_name`: the values, in
        order, -> the first 64 bits of those images (uint64)."""
        if not self._parts:
            return {}
        image = np.concatenate([part["image"] for part in self._parts])
        value = np.concatenate([part[column] for part in self._parts])
        order = np.argsort(image)
        image, value = image[order], value[order]
        same = image[1:] == image[:-1]
        twin = np.append(same, False) | np.insert(same, 0, False)
        pairs = np.unique(np.stack([image[twin], value[twin].astype(np.uint64)], axis=1), axis=0)
        names = [str(name) for name in self._codes[column]]
        found: dict[tuple[str, ...], list[int]] = {}
        for one, rows in itertools.groupby(pairs.tolist(), key=lambda pair: pair[0]):
            values = tuple(sorted(names[code] for _, code in rows))
            if len(values) > 1:
                found.setdefault(values, []).append(one)
        return {values: np.array(some, np.uint64) for values, some in sorted(found.items())}

    def by_split(self) -> dict[str, np.ndarray]:
        """Split -> the first 64 bits of its images (uint64), each once."""
        found: dict[str, list[np.ndarray]] = {}
        names = [str(name) for name in self._codes["split"]]
        for part in self._parts:
            for code in np.unique(part["split"]).tolist():
                found.setdefault(names[code], []).append(part["image"][part["split"] == code])
        return {name: np.unique(np.concatenate(some)) for name, some in found.items()}

    @property
    def rows(self) -> int:
        """Real rows that were remembered."""
        return sum(part["image"].size for part in self._parts)

    def _encode(self, name: str, values: pa.ChunkedArray) -> np.ndarray:
        words = values.combine_chunks().dictionary_encode(null_encoding="encode")
        known = self._codes[name]
        codes = [known.setdefault(w, len(known)) for w in words.dictionary.to_pylist()]
        encoded: np.ndarray = np.array(codes, dtype=np.int32)[words.indices.to_numpy()]
        return encoded

    def _value(self, word: str, line: dict[str, int]) -> str | None:
        name = GROUPS[word]
        if name not in _WHERE:  # the same for every real row
            return Origin.REAL.value if name == "origin" else None
        return list(self._codes[name])[line[name]]


_WHERE = ("split", "label_name", "source")


def shares(counts: pa.Table, images: RealImages, by: Sequence[str]) -> list[Share]:
    """The composition of every group that has rows, in the order of its words; of the whole
    where `by` is empty. counts: as `Counter.table`."""
    columns = tuple(GROUPS[word] for word in by)
    groups: dict[Group, list[int]] = {}
    for line in total(counts, tuple(dict.fromkeys((*columns, "origin", "generated")))).to_pylist():
        group = tuple((word, line[GROUPS[word]]) for word in by)
        into = groups.setdefault(group, [0, 0, 0])
        into[_kind(line["origin"], line["generated"])] += line["n"]
    unique = images.unique(by)
    known = images.known
    return [
        Share(group, real, augmented, generated, unique.get(group, 0) if known else None)
        for group, (real, augmented, generated) in sorted(
            groups.items(), key=lambda item: _order(item[0])
        )
    ]


def empty_share(group: Group) -> Share:
    """A group without rows."""
    return Share(group, 0, 0, 0, 0)


def _kind(origin: str, generated: bool) -> int:
    if generated:
        return 2
    return 0 if origin == Origin.REAL.value else 1


def _order(group: Group) -> tuple[tuple[bool, str], ...]:
    return tuple((value is None, value or "") for _, value in group)
