"""Real images that stand in the place of synthetic ones, as a rival: which of those on offer. Pure.

Source: Geng et al., "The Unmet Promise of Synthetic Training Images: Using Retrieved Real Images
Performs Better", NeurIPS 2024: what a generator adds is to be held against as many real images that
were looked up for the same purpose. There they are looked up by captions; here, where no captions
and no hub are, by their class, and of it those most like its train images: the largest cosine of
features to any of them. An image is taken once.

Letters: B images on offer, N train images, C classes, D dimensions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from augment.escaping import name as shown
from augment.seeds import order_key

FEW = 1e-5
"""Cosines that differ by less are equal: features of another batch are rounded otherwise."""

PROTECTED, OTHER_CLASS, BEYOND = "protected_split", "other_class", "beyond_sample"
UNREADABLE, TESTED, KNOWN, REPEATED = "unreadable", "equal_to_held", "equal_to_train", "repeated"
CAUSES: Mapping[str, str] = {
    PROTECTED: "in a protected split",
    OTHER_CLASS: "of a class without synthetic images",
    BEYOND: "beyond the sample that is looked at",
    UNREADABLE: "unreadable",
    TESTED: "equal to a validation or test image",
    KNOWN: "equal to a train image",
    REPEATED: "a repetition of another one",
}
"""Why an image on offer could not be taken, in words."""


@dataclass(frozen=True)
class Retrieved:
    """What was looked up, and where. sources: names in the job. extractor: of the features that
    said what is near; "": none was needed. offered: images of the sources. left_out: cause, one of
    `CAUSES`, -> images. asked: class -> synthetic rows of train, which as many images shall match;
    had: class -> that were taken. by_class: whether the sources' labels say the class; else an
    image is offered to the class of the nearest train image. why: nothing was, and the reason."""

    sources: tuple[str, ...]
    extractor: str = ""
    offered: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    asked: Mapping[str, int] = field(default_factory=dict)
    had: Mapping[str, int] = field(default_factory=dict)
    by_class: bool = True
    why: str | None = None

    @property
    def short(self) -> int:
        """Images that lack."""
        return sum(self.asked.values()) - sum(self.had.values())

    def to_json(self) -> dict[str, Any]:
        """As the schema of a study has it."""
        found = {
            "sources": list(self.sources),
            "extractor": self.extractor,
            "offered": self.offered,
            "left_out": {cause: self.left_out.get(cause, 0) for cause in CAUSES},
            "by_class": self.by_class,
            "classes": [{"class": name, "asked": n, "had": self.had.get(name, 0)}
                        for name, n in self.asked.items()],
            "not_computed": self.why,
        }  # fmt: skip
        return {**found, "text": told(found)}


def told(found: Mapping[str, Any]) -> str:
    """What was retrieved, for people. found: as `Retrieved.to_json()` has it."""
    names = ", ".join(map(shown, found["sources"]))
    if found["not_computed"] is not None:
        return f"retrieved real images of {names}: not computed, {found['not_computed']}"
    asked, had = (sum(one[key] for one in found["classes"]) for key in ("asked", "had"))
    how = "of the same class" if found["by_class"] else "of any label"
    lines = [
        f"retrieved real images: {had} of {found['offered']} in {names}, {how}, nearest to train "
        f"images by {found['extractor']}"
    ]
    if had < asked:
        short = [f"{shown(one['class'])} {one['had']} of {one['asked']}" for one in found["classes"]
                 if one["had"] < one["asked"]]  # fmt: skip
        more = f" and {len(short) - 5} more" if len(short) > 5 else ""
        lines.append(f"{asked} were asked for, and {asked - had} lack: "
                     f"{', '.join(short[:5])}{more}")  # fmt: skip
    if lost := [f"{n} {CAUSES[cause]}" for cause, n in found["left_out"].items() if n]:
        lines.append(f"left out: {', '.join(lost)}")
    return "; ".join(lines)


def unit_length(features_ND: np.ndarray) -> np.ndarray:
    """(N, D) float32 of length 1; zeros stay zeros."""
    lengths = np.linalg.norm(features_ND, axis=1, keepdims=True)
    return np.asarray(features_ND / np.maximum(lengths, 1e-12), np.float32)


def nearness(
    features_BD: np.ndarray, train_ND: np.ndarray, labels_N: np.ndarray, classes: int
) -> np.ndarray:
    """(B, C) float32: the largest cosine to a train image of each class, in [-1, 1]; -inf of a
    class without one. labels_N: int64 below `classes`. Features: of length 1."""
    cosines = features_BD @ train_ND.T
    found = np.full((len(features_BD), classes), -np.inf, np.float32)
    for label in np.unique(labels_N):
        found[:, label] = cosines[:, labels_N == label].max(axis=1)
    return found


def taken(
    near_BC: np.ndarray, labels_B: np.ndarray, asked_C: Sequence[int], ids: Sequence[str], seed: int
) -> list[list[int]]:
    """Positions of the images that are taken of every class, nearest first, at most as many as
    asked. labels_B: the class of each, -1 where its source does not say: then that of the nearest
    train image. Of equally near ones a seeded order of `ids` decides."""
    own = np.where(labels_B < 0, near_BC.argmax(axis=1), labels_B)
    near = np.round(near_BC / FEW)
    found = []
    for label, most in enumerate(asked_C):
        some = np.flatnonzero(own == label).tolist()
        some.sort(key=lambda n: (-near[n, label], order_key(seed, "study/retrieved", ids[n])))
        found.append(some[:most])
    return found


def sample(
    labels: Sequence[str | None], keys: Sequence[str], most: int, seed: int
) -> tuple[int, ...]:
    """Positions of at most `most` images, equally many of each label as far as it has them; the
    order of them is theirs."""
    counts = Counter(labels)
    if len(labels) <= most:
        return tuple(range(len(labels)))
    left, each = most, dict[str | None, int]()
    for at, (label, n) in enumerate(sorted(counts.items(), key=lambda one: (one[1], str(one[0])))):
        each[label] = min(n, left // (len(counts) - at))
        left -= each[label]
    order = sorted(range(len(labels)), key=lambda n: order_key(seed, "study/offered", keys[n]))
    chosen = []
    for n in order:
        if each[labels[n]]:
            each[labels[n]] -= 1
            chosen.append(n)
    return tuple(sorted(chosen))
