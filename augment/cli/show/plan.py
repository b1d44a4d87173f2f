"""What `augment plan` shows: what each rule adds, the result, pool and limits; decides nothing."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from augment.escaping import name
from augment.streams import say
from augment.tables import few, first, fold, left_out, size, table

if TYPE_CHECKING:
    from augment.plan import Line, Plan
    from augment.run.planning import Idle
    from augment.sources import Census, LeftOut

_HEAD = ("split class", "real", "augmented", "generated", "rows", "share", "added", "note")


def show_plan(
    plan: Plan,
    warnings: Sequence[str],
    stock: Mapping[str, Mapping[str, int]],
    left_out_of: Sequence[LeftOut],
    *,
    everything: bool = False,
) -> None:
    """The plan as `augment plan` shows it: what each rule adds, the result, units, bytes, pool."""
    from augment.plan import explain, totals
    from augment.sources.left_out import lines as told

    by_rule = itertools.groupby(explain(plan), key=lambda line: line.rule)
    rules, more = first([(rule, list(of)) for rule, of in by_rule], everything=everything)
    for rule, of_rule in rules:
        some = [x for x in of_rule if x.added or x.note or x.label_name is None]
        say(f"after {rule}:", *_lines(some, everything, by_rule=True), "")
    say(*left_out(more, "rules"))
    say("result:", *_lines(totals(plan), everything, by_rule=False), "")
    splits, more = fold(sorted(plan.units), lambda _: 0, plan.rows, everything=everything)
    for split in splits:
        about = size(plan.expected_bytes[split])
        say(
            f"split {name(split)}: {plan.rows(split)} rows, shards: {plan.units[split]}, "
            f"about {about}"
        )
    say(*left_out(more, "splits"))
    _show_stock(stock, everything)
    for one in left_out_of:
        say(*told(one))
    texts, more = first(warnings, everything=everything)
    say(*(f"warning: {text}" for text in texts), *left_out(more, "warnings"))


def show_copies(idle: Sequence[Idle], *, everything: bool = False) -> None:
    """Augmentations that may leave an image as it is."""
    some, more = fold(idle, lambda one: one.unchanged, lambda _: 0, everything=everything)
    for one in some:
        say(
            f"copies by {name(one.augmentation)}: no operation runs in {one.chance:.3g} of all "
            f"draws; about {one.unchanged} of {one.copies} copies will equal their parent"
        )
    say(*left_out(more, "augmentations"))


def show_draws(census: Census, split_seed: int, *, everything: bool = False) -> None:
    """How splits were drawn where they are shares, and what was kept together."""
    drawn, more = first(list(census.draws.items()), everything=everything)
    for source, digest in drawn:
        say(f"splits of {name(source)}: drawn with split_seed {split_seed}, split_digest {digest}")
    say(*left_out(more, "sources"))
    for source, told in census.equal.items():
        if told.skipped:
            say(
                f"equal images of {name(source)}: not looked for: {told.skipped}; the audit "
                "tells them"
            )
        elif told.equal:
            where = "each stands in one split"
            if told.apart:
                where = f"{told.apart} of them stand in another split too: the audit will fail"
            say(
                f"equal images of {name(source)}: {told.equal} of {told.images} have a twin here "
                f"or in another source, {told.groups} different ones; {where}"
            )


def show_broken(broken: Sequence[str], *, everything: bool = False) -> None:
    """Limits that a plan breaks, some of them by name."""
    if not broken:
        return
    some, more = first(broken, kind=lambda text: text.partition(":")[0], everything=everything)
    say("", "limits that this plan breaks:", *(f"  FAIL  {text}" for text in some))
    say(*(f"  {line}" for line in left_out(more)))


def _show_stock(stock: Mapping[str, Mapping[str, int]], everything: bool) -> None:
    some, more = fold(
        list(stock.items()),
        lambda one: one[1]["missing"],
        lambda one: one[1]["needed"],
        everything=everything,
    )
    for generator, facts in some:
        say(
            f"pool: generator {name(generator)}: {facts['needed']} samples needed, "
            f"{facts['there']} there, {facts['missing']} to be made"
        )
    say(*left_out(more, "generators"))


def _lines(lines: Sequence[Line], everything: bool, *, by_rule: bool) -> list[str]:
    """by_rule: with what one rule added, and its notes. The sum of a split is shown, whatever
    else is not."""
    classes = [line for line in lines if line.label_name is not None]
    some, more = fold(
        classes,
        lambda line: bool(line.note),
        lambda line: line.added if by_rule else line.rows,
        everything=everything,
    )
    sums, more_sums = fold(
        [line for line in lines if line.label_name is None],
        lambda _: 0,
        lambda line: line.rows,
        everything=everything,
    )
    kept = {id(line) for line in (*some, *sums)}
    shown = [line for line in lines if id(line) in kept]
    columns = len(_HEAD) if by_rule else len(_HEAD) - 2
    rows = [_row(line)[:columns] for line in shown]
    return [*table(_HEAD[:columns], rows), *left_out(more + more_sums)]


def _row(line: Line) -> tuple[object, ...]:
    return (
        f"{name(line.split)} {'(all)' if line.label_name is None else name(line.label_name)}",
        line.real,
        line.augmented,
        few([f"{name(generator)} {n}" for generator, n in line.generated.items()], 3) or "-",
        line.rows,
        line.synthetic_share,
        line.added,
        line.note,
    )
