"""The running account while a plan is made: rows of every cell, what is drawn and copied,
and what each rule added. The only mutable thing in planning; lives as long as `make_plan`.

Knows nothing of rules' grammar.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping

from augment.errors import Problem
from augment.intervals import Intervals
from augment.plan.plan import (
    AUGMENTED,
    REAL,
    Capped,
    Cell,
    CensusFacts,
    Copies,
    Count,
    Draw,
    Step,
    generator_kind,
    replay_steps,
)
from augment.sample import Origin

_Key = tuple[str, str, Origin, str | None, str | None, str | None]


class Ledger:
    """Rows so far, by cell. Starts with the census."""

    def __init__(self, census: CensusFacts, origins: Mapping[str, Origin]) -> None:
        """origins: generator -> origin of its rows."""
        self._origins = origins
        self.classes = census.classes
        self._place = {label: i for i, label in enumerate(census.classes)}
        self._cells: Counter[_Key] = Counter()
        self._totals: dict[str, Counter[str]] = defaultdict(Counter)
        self._real: dict[str, Counter[str]] = defaultdict(Counter)
        self._made: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._drawn: Counter[tuple[str, str]] = Counter()
        self._draws: dict[tuple[str, str, str], Draw] = {}
        self._exactness: dict[tuple[str, str], dict[bool, str]] = defaultdict(dict)
        self._taken: dict[tuple[str, str], Intervals] = {}
        self._copies: list[Copies] = []
        self._steps: list[tuple[str, list[Count]]] = []
        self._added: Counter[tuple[str, str, str]] = Counter()
        self.capped: list[Capped] = []
        self.problems: list[Problem] = []
        self._take_census(census)

    def _take_census(self, census: CensusFacts) -> None:
        for split, by_class in census.counts.items():
            for label, by_source in by_class.items():
                for source, n in by_source.items():
                    self._add(split, label, Origin.REAL, n, source=source)
                    self._real[split][label] += n
        self.close_step("sources")

    # ---- reading ---------------------------------------------------------------------

    def total(self, split: str, label: str | None = None) -> int:
        """All rows so far of a class in a split, or of the split."""
        some = self._totals[split]
        return some.total() if label is None else some[label]

    def largest(self, split: str) -> int:
        """Rows of the largest class of a split."""
        return max(self._totals[split].values(), default=0)

    def real(self, split: str, label: str) -> int:
        """Untouched real rows."""
        return self._real[split][label]

    def made(self, split: str, label: str, origins: Collection[str]) -> list[tuple[str, int]]:
        """Untouched generated rows of some origins per generator, by name."""
        rows = self._made[split, label].items()
        return sorted((g, n) for g, n in rows if n and self._origins[g] in origins)

    def drawn(self, generator: str, label: str) -> int:
        """Samples of a generator's class that rules have drawn so far, in all splits."""
        return self._drawn[generator, label]

    # ---- writing ---------------------------------------------------------------------

    def draw(self, rule: str, draw: Draw) -> None:
        """Rows that a generator makes. `rule` is the place of the asking rule."""
        self._check_exact(rule, draw)
        key = draw.generator, draw.label_name, draw.split
        old = self._draws.get(key, Draw(*key, 0, None if draw.exact is None else Intervals()))
        both = old.exact | draw.exact if old.exact is not None and draw.exact is not None else None
        self._draws[key] = Draw(*key, old.n + draw.n, both)
        self._made[draw.split, draw.label_name][draw.generator] += draw.n
        self._drawn[draw.generator, draw.label_name] += draw.n
        origin = self._origins[draw.generator]
        self._add(draw.split, draw.label_name, origin, draw.n, generator=draw.generator)

    def copy(self, copies: Copies) -> None:
        """Classical copies; those of generated rows keep origin and generator."""
        self._copies.append(copies)
        for generator, _, n in copies.groups():
            origin = Origin.AUGMENTED if generator is None else self._origins[generator]
            self._add(
                copies.split,
                copies.label_name,
                origin,
                n,
                generator=generator,
                augmentation=copies.augmentation,
            )

    def close_step(self, rule: str) -> int:
        """End what one rule adds; how many rows that were."""
        added = [Count(*key, n) for key, n in self._added.items() if n]
        added.sort(key=lambda c: (c.split, self._order(c.label_name), c.kind))
        self._steps.append((rule, added))
        self._added.clear()
        return sum(c.n for c in added)

    def _add(
        self,
        split: str,
        label: str,
        origin: Origin,
        n: int,
        *,
        source: str | None = None,
        generator: str | None = None,
        augmentation: str | None = None,
    ) -> None:
        self._cells[split, label, origin, source, generator, augmentation] += n
        self._totals[split][label] += n
        made = REAL if origin is Origin.REAL else AUGMENTED
        kind = made if generator is None else generator_kind(generator)
        self._added[split, label, kind] += n

    def _check_exact(self, rule: str, draw: Draw) -> None:
        """A cell is drawn by exact indexes or by number, and no index twice."""
        cell = f"{draw.generator} / {draw.label_name}"
        exact = draw.exact is not None
        known = self._exactness[draw.generator, draw.label_name]
        if (other := known.get(not exact)) is not None:
            listing, counting = (rule, other) if exact else (other, rule)
            self.problems.append(
                Problem(
                    listing,
                    f"exact indexes of {cell}, of which {counting} draws by number",
                    "one way per generator and class",
                    "List all of them by index, or none",
                )
            )
        known.setdefault(exact, rule)
        if draw.exact is None:
            return
        taken = self._taken.get((draw.generator, draw.label_name), Intervals())
        if twice := taken & draw.exact:
            found = f"index {twice.spans[0][0]} of {cell}, which another rule takes"
            self.problems.append(Problem(rule, found, "every index once"))
        self._taken[draw.generator, draw.label_name] = taken | draw.exact

    # ---- results ---------------------------------------------------------------------

    def _order(self, label: str) -> tuple[int, str]:
        return self._place.get(label, len(self._place)), label

    def cells(self) -> tuple[Cell, ...]:
        """All cells with rows, sorted by split, class, origin, what made them."""
        out = [Cell(*key, n) for key, n in self._cells.items() if n]
        out.sort(
            key=lambda c: (
                c.split,
                self._order(c.label_name),
                c.origin,
                c.source or "",
                c.generator or "",
                c.augmentation or "",
            )
        )
        return tuple(out)

    def draws(self) -> tuple[Draw, ...]:
        """One per (generator, class, split), in the order in which they take indexes."""
        some = [d for d in self._draws.values() if d.n]
        some.sort(key=lambda d: (d.generator, self._order(d.label_name), d.split))
        return tuple(some)

    def copies(self) -> tuple[Copies, ...]:
        return tuple(c for c in self._copies if c.total)

    def steps(self) -> tuple[Step, ...]:
        return replay_steps(self._steps)
