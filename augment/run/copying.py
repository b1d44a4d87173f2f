"""Which parents an augmentation copies, how often, and in which order: its quotas at work.

Pure but for the transformer that it carries; knows nothing of rows or bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from augment.mix import copies_of
from augment.plan import Copies
from augment.spec.models import Augmentation
from augment.transforms import Transformer


@dataclass(frozen=True)
class Copying:
    """One augmentation, ready: how many copies of which parents, and how they are made."""

    spec: Augmentation
    transformer: Transformer
    quotas: dict[tuple[str, str], Copies]
    """(split, class) -> quota."""

    def position(self, split: str, label: str, generator: str | None, rank: int) -> int | None:
        """A parent's place in the rule's order (real rows, then generators by name)."""
        quota = self.quotas.get((split, label))
        if quota is None:
            return None
        if generator is None:
            return rank if rank < quota.real else None
        before = quota.real
        for name, n in quota.generators:
            if name == generator:
                return before + rank if rank < n else None
            before += n
        return None

    def parents(self, split: str, label: str) -> int:
        quota = self.quotas[split, label]
        return quota.real + sum(n for _, n in quota.generators)

    def count(self, split: str, label: str, position: int | None) -> int:
        if position is None:
            return 0
        return copies_of(self.quotas[split, label].total, self.parents(split, label), position)
