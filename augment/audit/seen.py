"""What one pass over the rows of a version gathers, for all checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import pyarrow as pa

from augment.audit.attributes import Counts
from augment.audit.claims import Claims
from augment.audit.counts import Counter
from augment.audit.declared import Origins
from augment.audit.facts import Facts
from augment.audit.findings import Finding
from augment.audit.integrity import RowChecks
from augment.audit.procedural import Procedural
from augment.audit.shares import RealImages

Jobs = Mapping[str, Mapping[str, Any]]
"""job id -> its job.json."""


class Seen:
    """What one pass over the rows gathers. Without rows classes are those that jobs list. ours:
    whether `augment` wrote it, as jobs or rows say. attributes: names."""

    def __init__(self, jobs: Jobs, attributes: Sequence[str] = ()) -> None:
        self.by_value = Counts(attributes)
        self.counter = Counter()
        self.images = RealImages()
        self.rows = RowChecks(protected_splits(jobs))
        self.claims = Claims()
        self.origins = Origins()
        self.procedural = Procedural()
        self.of_shards: tuple[str, ...] = ()
        self.class_faults: list[Finding] = []
        self.ours = bool(jobs)
        self.has_ids = True
        self.nameless: dict[str, int] = {}  # shards whose rows do not say what they show
        self._listed = class_list(jobs)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.of_shards or self._listed

    @cached_property
    def counts(self) -> pa.Table:
        """Rows by shard and cell; asked once all facts are added."""
        return self.counter.table()

    def add(self, facts: Facts) -> None:
        self.counter.add(facts)
        self.images.add(facts)
        self.rows.add(facts)
        self.claims.add(facts)
        self.origins.add(facts)
        self.procedural.add(facts)
        self.by_value.add(facts)
        self._classes(facts)
        self.ours = self.ours or not facts.lacks(["job_id", "sample_id"])
        if facts.lacks(["pixels_sha256"], seen=True):
            before = self.nameless.get(facts.shard, 0)
            self.nameless[facts.shard] = before + facts.rows.num_rows
        self.has_ids = self.has_ids and not facts.lacks(["sample_id"])

    def _classes(self, facts: Facts) -> None:
        """New classes only at the end: one list must begin with the other."""
        shorter, longer = sorted((self.of_shards, facts.classes), key=len)
        if longer[: len(shorter)] == shorter:
            self.of_shards = longer
            return
        text = (
            f"shard {facts.shard}: its class list {_short(facts.classes)} and that of an "
            f"earlier shard {_short(self.of_shards)} give one label two meanings"
        )
        if not any(fault.text == text for fault in self.class_faults[-1:]):
            self.class_faults.append(Finding("classes", text))


def protected_splits(jobs: Jobs) -> dict[str, frozenset[str]]:
    """Job id -> the splits that it adds nothing to."""
    return {
        job: frozenset(map(str, splits))
        for job, body in jobs.items()
        if isinstance(splits := body.get("protected_splits"), list)
    }


def class_list(jobs: Jobs) -> tuple[str, ...]:
    """The longest class list that a job keeps: new classes only come at its end."""
    lists = [body["classes"] for body in jobs.values() if isinstance(body.get("classes"), list)]
    return tuple(map(str, max(lists, key=len, default=())))


def _short(classes: tuple[str, ...]) -> str:
    shown = ", ".join(classes[:5])
    return f"[{shown}{', ...' if len(classes) > 5 else ''}] of {len(classes)}"
