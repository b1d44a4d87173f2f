"""Do made images show what their labels say, in the eyes of a classifier fit on real train?

Shape letters: N images, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from augment.audit.measures import Interval, bootstrap
from augment.audit.measures.inception_score import LEAST_N as SCORE_N
from augment.audit.quality.gathering import Group, Rows, order

LEAST_N = 20
"""Below it one image more or less moves a share by five percent."""
MOST_LISTED = 200
"""Rows of the quarantine list that a report keeps; how many there are is counted."""


@dataclass(frozen=True)
class Agreement:
    """group: of one class, or of all. n: images that were asked about. share: of those whose class
    the classifier names too, 0 .. 1; None below the least n. interval: of the share, 95 %. shown:
    class that the classifier names -> images, its most frequent five other ones. doubtful: images
    whose own class has a probability below `doubt`. inception_score: of all its images by this
    classifier, 1 to the number of its classes; None below `inception_score.LEAST_N`, and of single
    classes, whose answers should all be one. Reported, never judged."""

    group: Group
    n: int
    share: float | None
    interval: Interval | None
    shown: Mapping[str, int]
    doubtful: int
    inception_score: float | None = None

    def to_json(self) -> dict[str, Any]:
        """As in the report."""
        return {
            **self.group.to_json(),
            "n": self.n,
            "agreement": self.share,
            "interval": None if self.interval is None else vars(self.interval),
            "shown": dict(self.shown),
            "doubtful": self.doubtful,
            "inception_score": self.inception_score,
            "not_computed": None if self.share is not None else f"n < {LEAST_N}",
        }


@dataclass(frozen=True)
class Doubt:
    """A row whose own class has a low probability. probability: of it; shows: the class with the
    greatest one."""

    sample_id: str
    group: Group
    probability: float
    shows: str

    def to_json(self) -> dict[str, Any]:
        """As in the report."""
        return {
            "sample_id": self.sample_id,
            **self.group.to_json(),
            "probability": self.probability,
            "shows": self.shows,
        }


@dataclass
class _Sums:
    """What the Inception Score of rows is made of, shard by shard: exp of the entropy of their mean
    answer less their mean entropy."""

    n: int = 0
    answers_C: Any = 0.0
    entropies: float = 0.0

    def add(self, probabilities_NC: np.ndarray) -> None:
        self.n += len(probabilities_NC)
        self.answers_C = self.answers_C + probabilities_NC.sum(axis=0, dtype=np.float64)
        self.entropies += _entropies(probabilities_NC.astype(np.float64)).sum()

    def score(self) -> float | None:
        if self.n < SCORE_N:
            return None
        mean = _entropies((self.answers_C / self.answers_C.sum())[None])[0]
        return float(np.exp(mean - self.entropies / self.n))


def _entropies(probabilities_NC: np.ndarray) -> np.ndarray:
    """(N,) in nats."""
    logs = np.log(probabilities_NC, where=probabilities_NC > 0, out=np.zeros_like(probabilities_NC))
    entropies: np.ndarray = -(probabilities_NC * logs).sum(axis=1)
    return entropies


@dataclass
class Labels:
    """What a classifier says of rows, shard by shard. classes: in the order of its answers. doubt:
    a probability below which a row is doubtful (0.1 in the experiments behind it)."""

    classes: Sequence[str]
    seed: int
    doubt: float = 0.1
    _agree: dict[Group, list[np.ndarray]] = field(default_factory=dict)
    _shown: dict[Group, dict[str, int]] = field(default_factory=dict)
    _doubtful: dict[Group, int] = field(default_factory=dict)
    _listed: list[Doubt] = field(default_factory=list)
    _sums: dict[Group, _Sums] = field(default_factory=dict)

    def add(self, rows: Rows, probabilities_NC: np.ndarray, at: np.ndarray) -> None:
        """at: (N,) int64, the positions in `rows` of the answers. Rows of a class that the
        classifier was not fit on are not asked about."""
        place = {name: n for n, name in enumerate(self.classes)}
        own = np.array([place.get(rows.class_names[row], -1) for row in at], np.int64)
        named = probabilities_NC.argmax(axis=1)
        answer_of = np.full(len(rows.ids), -1)
        answer_of[at] = np.where(own >= 0, np.arange(len(at)), -1)
        for group, places in rows.groups().items():
            some = answer_of[places]
            some = some[some >= 0]
            if not len(some):
                continue
            self._agree.setdefault(group, []).append(named[some] == own[some])
            shown = self._shown.setdefault(group, {})
            for n in named[some][named[some] != own[some]]:
                shown[self.classes[n]] = shown.get(self.classes[n], 0) + 1
            own_p = probabilities_NC[some, own[some]]
            self._doubtful[group] = self._doubtful.get(group, 0) + int((own_p < self.doubt).sum())
            if group.class_name is None:
                self._sums.setdefault(group, _Sums()).add(probabilities_NC[some])
            if group.class_name is not None and group.maker is not None:
                self._list(group, rows, at, some[own_p < self.doubt], probabilities_NC, own)

    def _list(
        self, group: Group, rows: Rows, at: np.ndarray, answers: np.ndarray, said: np.ndarray,
        own: np.ndarray,
    ) -> None:  # fmt: skip
        self._listed += [
            Doubt(rows.ids[at[n]], group, float(said[n, own[n]]), self.classes[said[n].argmax()])
            for n in answers
        ]
        self._listed.sort(key=lambda one: (one.probability, one.sample_id))
        del self._listed[MOST_LISTED:]

    def agreements(self) -> list[Agreement]:
        """Of every group, real ones too: what made images are held against."""
        return [self._of(group) for group in sorted(self._agree, key=order)]

    def quarantine(self) -> tuple[Doubt, ...]:
        """Made rows with the least probability of their own class, the least first."""
        return tuple(self._listed)

    def _of(self, group: Group) -> Agreement:
        agrees = np.concatenate(self._agree[group])
        enough = len(agrees) >= LEAST_N
        shown = sorted(self._shown[group].items(), key=lambda one: (-one[1], one[0]))[:5]
        return Agreement(
            group,
            len(agrees),
            float(agrees.mean()) if enough else None,
            bootstrap(agrees, seed=self.seed) if enough else None,
            dict(shown),
            self._doubtful.get(group, 0),
            self._sums[group].score() if group in self._sums else None,
        )
