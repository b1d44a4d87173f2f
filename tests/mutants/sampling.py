"""The modules of the core, and a sample of their mutants that follows from the seed.

The core is what decides without doing: what a job may say, what the operator allows, what is
planned, ordered and judged. What writes, draws pixels or starts processes is tested by killing it
(`make chaos`) and by whole runs, which take minutes a mutant; it is left out.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.operators import Mutant, mutants_of

CORE = (
    "spec", "sources", "policy", "places", "plan", "mix", "filters", "audit", "intervals", "seeds",
    "sample",
)  # fmt: skip


@dataclass(frozen=True)
class Drawn:
    """A mutant of the sample. package: of the core. file: its module, below the repository."""

    package: str
    file: str
    mutant: Mutant

    @property
    def place(self) -> str:
        return f"{self.file}:{self.mutant.line}"


def modules_of(root: Path, package: str, top: str = "augment") -> list[str]:
    """The modules of a package of the core, or the one that it is, below the repository.

    Raises:
        LookupError: there is neither.
    """
    one, folder = Path(top, f"{package}.py"), Path(top, package)
    if (root / one).is_file():
        return [one.as_posix()]
    found = sorted(p.relative_to(root).as_posix() for p in (root / folder).rglob("*.py"))
    if not found:
        raise LookupError(f"no package {package!r} in {top}; expected one of {', '.join(CORE)}")
    return found


def all_of(root: Path, package: str, top: str = "augment") -> list[Drawn]:
    """Every mutant of a package."""
    return [
        Drawn(package, file, mutant)
        for file in modules_of(root, package, top)
        for mutant in mutants_of((root / file).read_text(encoding="utf-8"))
    ]


def sample(
    root: Path, packages: Sequence[str], count: int, seed: int, top: str = "augment"
) -> list[Drawn]:
    """So many mutants, the packages taking turns, so that a small one has its part. A sample of
    fewer is the beginning of one of more.

    Raises:
        LookupError: a package is not there.
    """
    orders = []
    for package in dict.fromkeys(packages):
        found = all_of(root, package, top)
        random.Random(f"{seed}/{package}").shuffle(found)
        orders.append(found)
    return [one for one, _ in zip(_in_turns(orders), range(count), strict=False)]


def _in_turns(orders: Sequence[Sequence[Drawn]]) -> Iterator[Drawn]:
    for n in range(max(map(len, orders), default=0)):
        yield from (order[n] for order in orders if n < len(order))
