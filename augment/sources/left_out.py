"""What stands in a source and is not in the census: counted by cause, ending and class.

Kept with the plan and in `_provenance/<job>/job.json`, and shown by plan, card and audit. The
number is that of names (files, links, folders that cannot be read), of rows in Parquet files. Knows
nothing of how sources are listed.
"""

from __future__ import annotations

import heapq
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from augment.escaping import name
from augment.storage import Odd
from augment.tables import few

_EXAMPLES = 3
_MOST_ENDINGS = 50
_ENDING = re.compile(r"(?=.*[a-z_])[a-z0-9_+-]{1,12}")
OTHERS = "(others)"
"""The ending under which those are counted that are neither usual nor many."""


class Cause(StrEnum):
    """Why a name or a row is not in the census."""

    NOTHING = Odd.NOTHING.value
    LOOP = Odd.LOOP.value
    LEAVES = Odd.LEAVES.value
    REFUSED = Odd.REFUSED.value
    SPECIAL = Odd.SPECIAL.value
    UNREADABLE = Odd.UNREADABLE.value
    NOT_TEXT = "name_not_utf8"
    NO_CLASS = "not_in_a_class_folder"
    NO_IMAGE = "not_an_image"
    OTHER_FILE = "other_file"
    HIDDEN = "hidden"
    NO_LABEL = "no_label"
    UNASKED = "split_not_asked_for"
    UNMAPPED = "label_not_in_the_map"
    CAPPED = "over_max_per_class"

    @property
    def text(self) -> str:
        return _TEXTS[self]

    @property
    def of_images(self) -> bool:
        """Whether a class may have lost images by it."""
        return self not in (Cause.HIDDEN, Cause.OTHER_FILE, Cause.NO_LABEL)


_TEXTS = {
    Cause.NOTHING: "links to nothing",
    Cause.LOOP: "links in a loop",
    Cause.LEAVES: "links that leave the source",
    Cause.REFUSED: "links to where the operator's policy lets no job read",
    Cause.SPECIAL: "pipes, sockets and devices",
    Cause.UNREADABLE: "may not be read",
    Cause.NOT_TEXT: "name is not UTF-8",
    Cause.NO_CLASS: "not in a class folder",
    Cause.NO_IMAGE: "no image that is read here, by content",
    Cause.OTHER_FILE: "other files, by ending",
    Cause.HIDDEN: "hidden",
    Cause.NO_LABEL: "no label",
    Cause.UNASKED: "split not asked for",
    Cause.UNMAPPED: "label not in the label map",
    Cause.CAPPED: "over max_per_class",
}
_WAYS_OUT = {
    Cause.NOTHING: "fetch what they stand for (`git annex get`, `dvc pull`)",
    Cause.LEAVES: "`follow_links: true` in the source takes them",
    Cause.REFUSED: "ask the operator to list the place under `allowed_uris`",
}


@dataclass(frozen=True)
class Loss:
    """What one cause has left out under one ending. classes: label of the source -> how many;
    "" for those in no class. examples: a few paths."""

    cause: Cause
    ending: str
    n: int
    classes: Mapping[str, int]
    examples: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "cause": self.cause.value,
            "ending": self.ending,
            "n": self.n,
            "classes": dict(self.classes),
            "examples": list(self.examples),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Loss:
        """Raises: KeyError, TypeError, ValueError."""
        return cls(
            Cause(value["cause"]),
            str(value["ending"]),
            int(value["n"]),
            {str(k): int(n) for k, n in value["classes"].items()},
            tuple(map(str, value["examples"])),
        )


@dataclass(frozen=True)
class LeftOut:
    """Of one source. taken: rows in the census. losses: by cause, the largest first. of: label ->
    images that stand in the source, of the labels that lost some. empty: class folders of which
    no image can be used."""

    source: str
    taken: int
    losses: tuple[Loss, ...] = ()
    of: Mapping[str, int] = field(default_factory=dict)
    empty: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        return sum(loss.n for loss in self.losses)

    def to_json(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "taken": self.taken,
            "left_out": self.n,
            "losses": [loss.to_json() for loss in self.losses],
            "of": dict(self.of),
            "empty_classes": list(self.empty),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> LeftOut:
        """Raises: KeyError, TypeError, ValueError, AttributeError."""
        return cls(
            str(value["source"]),
            int(value["taken"]),
            tuple(Loss.from_json(one) for one in value["losses"]),
            {str(k): int(n) for k, n in value["of"].items()},
            tuple(map(str, value["empty_classes"])),
        )


def read_left_out(document: Mapping[str, Any]) -> list[LeftOut]:
    """What a job's document keeps under `left_out`; nothing of what is no such thing."""
    kept = document.get("left_out")
    found = []
    for one in kept if isinstance(kept, list) else ():
        try:
            found.append(LeftOut.from_json(one))
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
    return found


class Losses:
    """Collects what is left out while a source is listed; in any order, with one result."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[Cause, str, str]] = Counter()
        self._examples: dict[tuple[Cause, str], list[str]] = {}

    def add(self, cause: Cause, path: str, label: str, ending: str) -> None:
        """A name. path: below the source. label: of its class folder, "" if it is in none."""
        ending = ending if _ENDING.fullmatch(ending) else ""
        self.counts[cause, ending, as_text(label)] += 1
        some = self._examples.setdefault((cause, ending), [])
        some.append(as_text(path))
        if len(some) > 1000:
            self._examples[cause, ending] = heapq.nsmallest(_EXAMPLES, some)

    def add_rows(self, cause: Cause, label: str, n: int, ending: str = "") -> None:
        """Rows of one label."""
        if n:
            self.counts[cause, ending, as_text(label)] += n

    def losses(self) -> tuple[Loss, ...]:
        """By cause in the order of `Cause`, the largest first; endings that are neither among the
        most frequent are counted together."""
        kept = self._frequent()
        by_ending: dict[tuple[Cause, str], Counter[str]] = {}
        examples: dict[tuple[Cause, str], list[str]] = {}
        for (cause, ending, label), n in self.counts.items():
            key = (cause, ending if ending in kept else OTHERS)
            by_ending.setdefault(key, Counter())[label] += n
        for (cause, ending), some in self._examples.items():
            examples.setdefault((cause, ending if ending in kept else OTHERS), []).extend(some)
        order = {cause: i for i, cause in enumerate(Cause)}
        found = [
            Loss(
                cause,
                ending,
                classes.total(),
                dict(sorted(classes.items())),
                tuple(heapq.nsmallest(_EXAMPLES, examples.get((cause, ending), ()))),
            )
            for (cause, ending), classes in by_ending.items()
        ]
        return tuple(sorted(found, key=lambda x: (order[x.cause], -x.n, x.ending)))

    def images(self) -> Counter[str]:
        """label -> names left out that may be images of it."""
        found: Counter[str] = Counter()
        for (cause, _, label), n in self.counts.items():
            if cause.of_images and label:
                found[label] += n
        return found

    def _frequent(self) -> frozenset[str]:
        totals: Counter[str] = Counter()
        for (_, ending, _), n in self.counts.items():
            totals[ending] += n
        most = heapq.nsmallest(_MOST_ENDINGS, totals, key=lambda e: (-totals[e], e))
        return frozenset(most)


def as_text(name: str) -> str:
    """A name of a file as text that can be written anywhere: composed, and bytes that are no
    text as `\\udcXX`."""
    if name.isascii():
        return name
    return unicodedata.normalize("NFC", name.encode(errors="backslashreplace").decode())


# ---- as text ---------------------------------------------------------------------------

_MOST_SHOWN = 5
_MOST_EMPTY = 10


def lines(one: LeftOut, *, of_a_job: bool = True) -> list[str]:
    """What a person is told of one source, folded: as many lines as there are causes, whatever
    the number of classes. None where nothing was left out. of_a_job: with the job's ways out."""
    told = []
    if one.losses:
        told.append(f"left out of {one.source}: {one.n}, beside {one.taken} that are taken")
        told += [f"  {line}" for line in _by_cause(one, of_a_job)]
    if one.empty:
        named = few([name(label) for label in one.empty], _MOST_EMPTY)
        told.append(f"class folders of {one.source} without an image to use: {named}")
    return told


def summary(one: LeftOut) -> str:
    """The same in one sentence; "" where nothing was left out."""
    return f"Left out: {'; '.join(_by_cause(one))}" if one.losses else ""


def _by_cause(one: LeftOut, of_a_job: bool = True) -> Iterator[str]:
    for cause in dict.fromkeys(loss.cause for loss in one.losses):
        losses = [loss for loss in one.losses if loss.cause is cause]
        classes: Counter[str] = Counter()
        for loss in losses:
            classes.update(loss.classes)
        told = [f"{cause.text}: {classes.total()}{_endings(losses)}"]
        if cause.of_images and any(classes):
            told.append(_classes(classes, one.of))
        if cause.of_images and (examples := [e for loss in losses for e in loss.examples]):
            told.append(f"for example {name(min(examples))}")
        if of_a_job and cause in _WAYS_OUT:
            told.append(_WAYS_OUT[cause])
        yield "; ".join(told)


def _endings(losses: Iterable[Loss]) -> str:
    """The largest first; nothing where no file has one."""
    found = {loss.ending: loss.n for loss in losses}
    shown = [e for e in found if e != OTHERS][:_MOST_SHOWN]
    if not any(found):
        return ""
    told = [f"{f'.{e}' if e else 'no ending'} {found[e]}" for e in shown]
    if others := sum(found.values()) - sum(found[e] for e in shown):
        told.append(f"others {others}")
    return f" ({', '.join(told)})"


def _classes(classes: Mapping[str, int], of: Mapping[str, int]) -> str:
    """Those first that lost the largest part."""
    lost = [(label, n, max(n, of.get(label, n))) for label, n in classes.items() if label]
    lost.sort(key=lambda x: (-x[1] / x[2], -x[1], x[0]))
    shown = [f"{name(label)}: {n} of {total}" for label, n, total in lost]
    return f"class {few(shown, _MOST_SHOWN)}"
