"""A plan as lines for a printed table, its totals, and what it says about limits.

Ratios come from counts, and both are shown. Knows nothing of terminals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from augment.plan.plan import AUGMENTED, REAL, Count, Plan, generator_of
from augment.plan.quotas import decimal
from augment.spec.models import Limits, ShareLimit


@dataclass(frozen=True)
class Line:
    """Rows of one class of a split (label_name None: of the whole split) after a rule.

    real: untouched. augmented: copies of real rows. generated: by generator, copies of
    generated rows included. added: rows that this rule added. note: "capped: ..." or "".
    """

    rule: str
    split: str
    label_name: str | None
    real: int
    augmented: int
    generated: Mapping[str, int] = field(default_factory=dict)
    added: int = 0
    note: str = ""

    @property
    def generated_rows(self) -> int:
        return sum(self.generated.values())

    @property
    def rows(self) -> int:
        return self.real + self.augmented + self.generated_rows

    @property
    def synthetic_share(self) -> float:
        """Generated rows / all rows; 0 where there is no row."""
        return self.generated_rows / self.rows if self.rows else 0.0

    @property
    def synthetic_to_real(self) -> float | None:
        """Generated rows / untouched real rows; None where there is no real row."""
        return self.generated_rows / self.real if self.real else None


def explain(plan: Plan) -> list[Line]:
    """After every rule (the sources first): every class of each split with rows, in the order
    of the classes, then the split as a whole."""
    return [line for step in range(len(plan.steps)) for line in _after(plan, step)]


def totals(plan: Plan) -> list[Line]:
    """The planned result: the lines after the last rule."""
    return _after(plan, len(plan.steps) - 1)


def broken_limits(plan: Plan, limits: Limits) -> list[str]:
    """Limits that a data set with exactly the planned rows breaks: which, where and with what.

    What is written can only be fewer rows, by what is quarantined or short. Of
    `min_unique_real_per_class` it is only known here that real rows are too few; that some are
    the same image shows in the audit.
    """
    out: list[str] = []
    lines = totals(plan)
    out += _share_findings("synthetic_share", limits.synthetic_share, lines, lambda x: x.rows)
    out += _share_findings("synthetic_to_real", limits.synthetic_to_real, lines, lambda x: x.real)
    out += _least(plan, "min_rows_per_class", limits.min_rows_per_class, lambda x: x.rows, "rows")
    least = limits.min_unique_real_per_class
    return out + _least(plan, "min_unique_real_per_class", least, lambda x: x.real, "real rows")


def _after(plan: Plan, step: int) -> list[Line]:
    rule = plan.steps[step].rule
    after = _grouped(plan.steps[step].counts)
    added = _grouped(plan.steps[step].added)
    lines: list[Line] = []
    for split in plan.units:
        some = [
            _line(rule, split, label, after.get((split, label), {}), added, plan)
            for label in plan.classes
        ]
        lines += [*some, _sum(some)]
    return lines


def _grouped(counts: Iterable[Count]) -> dict[tuple[str, str], dict[str, int]]:
    out: dict[tuple[str, str], dict[str, int]] = {}
    for split, label, kind, n in counts:
        out.setdefault((split, label), {})[kind] = n
    return out


def _line(
    rule: str,
    split: str,
    label: str,
    kinds: Mapping[str, int],
    added: Mapping[tuple[str, str], Mapping[str, int]],
    plan: Plan,
) -> Line:
    made = {name: n for kind, n in sorted(kinds.items()) if (name := generator_of(kind))}
    notes = [
        f"capped: {c.planned} of {c.wanted} wanted"
        for c in plan.capped
        if (c.rule, c.split, c.label_name) == (rule, split, label)
    ]
    return Line(
        rule=rule,
        split=split,
        label_name=label,
        real=kinds.get(REAL, 0),
        augmented=kinds.get(AUGMENTED, 0),
        generated=made,
        added=sum(added.get((split, label), {}).values()),
        note="; ".join(notes),
    )


def _sum(lines: list[Line]) -> Line:
    made: dict[str, int] = {}
    for line in lines:
        for name, n in line.generated.items():
            made[name] = made.get(name, 0) + n
    return Line(
        rule=lines[0].rule,
        split=lines[0].split,
        label_name=None,
        real=sum(x.real for x in lines),
        augmented=sum(x.augmented for x in lines),
        generated=dict(sorted(made.items())),
        added=sum(x.added for x in lines),
    )


def _share_findings(
    name: str, limit: ShareLimit | None, lines: list[Line], of: Callable[[Line], int]
) -> list[str]:
    if limit is None:
        return []
    out = []
    for line in lines:
        key = "max" if line.label_name is None else "per_class"
        most = limit.max if line.label_name is None else limit.per_class
        made, whole = line.generated_rows, of(line)
        if most is not None and made and (not whole or Fraction(made, whole) > decimal(most)):
            ratio = f"{made / whole:.4g}" if whole else "unlimited"
            where = _where(line.split, line.label_name)
            out.append(f"limits.{name}.{key}: {where}: {made} / {whole} = {ratio} > {most:g}")
    return out


def _least(
    plan: Plan,
    name: str,
    limit: Mapping[str, int] | None,
    of: Callable[[Line], int],
    what: str,
) -> list[str]:
    have = {(x.split, x.label_name): of(x) for x in totals(plan)}
    return [
        f"limits.{name}: {_where(split, label)}: {have.get((split, label), 0)} {what} < {least}"
        for split, least in sorted((limit or {}).items())
        for label in plan.classes
        if have.get((split, label), 0) < least
    ]


def _where(split: str, label: str | None) -> str:
    return f"split {split}" if label is None else f"split {split}, class {label!r}"
