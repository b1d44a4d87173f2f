"""What `augment plan` prints: what each rule adds, the result, pool and limits; decides nothing."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from augment.console import size, table

if TYPE_CHECKING:
    from augment.plan import Line, Plan
    from augment.run.planning import Idle
    from augment.sources import Census, LeftOut

_MOST = 20  # broken limits that are shown one by one


def show_plan(
    plan: Plan,
    found: Sequence[str],
    stock: Mapping[str, Mapping[str, int]],
    left_out: Sequence[LeftOut],
) -> None:
    """The plan as `augment plan` prints it: what each rule adds, the result, units, bytes, pool.
    found: findings."""
    from augment.plan import explain, totals
    from augment.sources.left_out import lines as told

    for rule, lines in itertools.groupby(explain(plan), key=lambda line: line.rule):
        some = [x for x in lines if x.added or x.note or x.label_name is None]
        _show_lines(f"after {rule}", some, by_rule=True)
    _show_lines("result", totals(plan), by_rule=False)
    for split, units in sorted(plan.units.items()):
        about = size(plan.expected_bytes[split])
        print(f"split {split}: {plan.rows(split)} rows, shards: {units}, about {about}")
    for generator, facts in stock.items():
        print(
            f"pool: generator {generator}: {facts['needed']} samples needed, "
            f"{facts['there']} there, {facts['missing']} to be made"
        )
    for one in left_out:
        print("\n".join(told(one)))
    for text in found:
        print(f"finding: {text}")


def show_copies(idle: Iterable[Idle]) -> None:
    """Augmentations that may leave an image as it is."""
    for one in idle:
        print(
            f"copies by {one.augmentation}: no operation runs in {one.chance:.3g} of all draws; "
            f"about {one.unchanged} of {one.copies} copies will equal their parent"
        )


def show_draws(census: Census, split_seed: int) -> None:
    """How splits were drawn where they are shares, and what was kept together."""
    for source, drawn in census.draws.items():
        print(f"splits of {source}: drawn with split_seed {split_seed}, split_digest {drawn}")
    for source, told in census.equal.items():
        if told.skipped:
            print(f"equal images of {source}: not looked for: {told.skipped}; the audit tells them")
        elif told.equal:
            print(
                f"equal images of {source}: {told.equal} of {told.images} have a twin, "
                f"{told.groups} different ones; each stands in one split"
            )


def show_broken(broken: Sequence[str]) -> None:
    """Limits that a plan breaks, some of them by name."""
    if not broken:
        return
    print("\nlimits that this plan breaks:")
    for text in broken[:_MOST]:
        print(f"  FAIL  {text}")
    if (more := len(broken) - _MOST) > 0:
        print(f"  ... and {more} more (--json names all)")


def _show_lines(title: str, lines: Iterable[Line], *, by_rule: bool) -> None:
    """by_rule: with what one rule added, and its notes."""
    head = ("split class", "real", "augmented", "generated", "rows", "share", "added", "note")
    rows = [
        (
            f"{line.split} {'(all)' if line.label_name is None else line.label_name}",
            line.real,
            line.augmented,
            ", ".join(f"{name} {n}" for name, n in line.generated.items()) or "-",
            line.rows,
            line.synthetic_share,
            line.added,
            line.note,
        )
        for line in lines
    ]
    columns = len(head) if by_rule else len(head) - 2
    print(f"{title}:")
    print("\n".join(table(head[:columns], [row[:columns] for row in rows])) + "\n")
