"""Applying rules to the ledger: targets, caps, shares, and who makes the missing rows.

A rule is resolved before it comes here: its names exist. What cannot be reached becomes a
problem in the ledger and planning goes on, so that all problems are told at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from augment.errors import Problem
from augment.plan.ledger import Ledger
from augment.plan.plan import Capped, Copies, Draw, GeneratorFacts
from augment.plan.quotas import (
    apportion_targets,
    apportion_within,
    clamp,
    decimal,
    solve_shares,
)
from augment.spec.models import Fill

_SHOWN = 5  # classes that are named one by one


class Maker(Protocol):
    """Who makes the rows of a rule."""

    def can(self, ledger: Ledger, split: str, label: str) -> bool:
        """Whether it can make any row of the class in the split."""

    def make(self, ledger: Ledger, split: str, label: str, n: int) -> None:
        """Enter n new rows; it can make them."""

    def room(self, ledger: Ledger, label: str) -> int | None:
        """Rows of the class that it can still make; None: any number."""

    def refusal(self, split: str, label: str) -> tuple[str, str]:
        """Why it cannot make rows of the class, and the way out."""


@dataclass(frozen=True)
class Copier:
    """Classical copies of untouched rows of the same class and split.

    origins: of the parents: "real", "synthetic", "translated".
    """

    augmentation: str
    origins: frozenset[str]

    def parents(self, ledger: Ledger, split: str, label: str) -> Copies:
        """The parents, with no copies yet."""
        real = ledger.real(split, label) if "real" in self.origins else 0
        made = ledger.made(split, label, self.origins)
        return Copies(self.augmentation, split, label, real, tuple(made), 0)

    def can(self, ledger: Ledger, split: str, label: str) -> bool:
        return self.parents(ledger, split, label).parents > 0

    def make(self, ledger: Ledger, split: str, label: str, n: int) -> None:
        of = self.parents(ledger, split, label)
        ledger.copy(Copies(of.augmentation, split, label, of.real, of.generators, n))

    def room(self, ledger: Ledger, label: str) -> int | None:
        return None

    def refusal(self, split: str, label: str) -> tuple[str, str]:
        kinds = " or ".join(sorted(self.origins))
        return (
            f"class {label!r} of split {split} has no {kinds} row to copy",
            "Restrict `from.classes` to classes that have some, or change `from.origin`",
        )


@dataclass(frozen=True)
class Sampler:
    """Generators with their weights. Those that know a class share its rows.

    weights: by generator, > 0. facts: by generator.
    """

    place: str
    weights: Mapping[str, Fraction]
    facts: Mapping[str, GeneratorFacts]

    @property
    def fed(self) -> bool:
        """Whether its samples are made from images."""
        return all(fact.takes_image for fact in self.facts.values())

    def can(self, ledger: Ledger, split: str, label: str) -> bool:
        return bool(self._able(label))

    def make(self, ledger: Ledger, split: str, label: str, n: int) -> None:
        room = self._rooms(ledger, label)
        for name, part in sorted(apportion_within(n, self._able(label), room).items()):
            if part:
                ledger.draw(self.place, Draw(name, label, split, part))

    def room(self, ledger: Ledger, label: str) -> int | None:
        some = [room for room in self._rooms(ledger, label).values() if room is not None]
        return sum(some) if len(some) == len(self._able(label)) else None

    def _able(self, label: str) -> dict[str, Fraction]:
        return {name: w for name, w in self.weights.items() if label in self.facts[name].classes}

    def _rooms(self, ledger: Ledger, label: str) -> dict[str, int | None]:
        return {n: self.facts[n].room(label, ledger.drawn(n, label)) for n in self._able(label)}

    def refusal(self, split: str, label: str) -> tuple[str, str]:
        names = ", ".join(sorted(self.weights))
        if self.fed:
            return (
                f"`input` finds no image for class {label!r}",
                "Restrict `classes` to those that have images, or widen `input.from`",
            )
        return (
            f"none of its generators ({names}) knows class {label!r}",
            "Restrict `classes` to what they know, or add a generator that knows it",
        )


@dataclass(frozen=True)
class Rule:
    """One rule, its names resolved.

    place: in the job, for messages. title: in the printed table. classes: those named by
    the job, None: all. At most one of copies, fill and listed (a manifest's draws); with
    none it makes all that its images give. late: whether its parents are made by other rules.
    """

    place: str
    title: str
    splits: tuple[str, ...]
    classes: tuple[str, ...] | None
    maker: Maker
    copies: int | None = None
    fill: Fill | None = None
    listed: tuple[Draw, ...] | None = None
    late: bool = False

    @property
    def share(self) -> Fraction | None:
        """The share it asks for, if it asks for one."""
        return None if self.fill is None or self.fill.share is None else decimal(self.fill.share)

    def scope(self, ledger: Ledger) -> tuple[str, ...]:
        """The classes it may add to."""
        return self.classes if self.classes is not None else ledger.classes


def apply_rule(rule: Rule, ledger: Ledger) -> None:
    """Apply a rule that asks for no share."""
    if rule.listed is not None:
        for draw in rule.listed:
            ledger.draw(rule.place, draw)
    elif rule.copies is not None:
        _apply_copies(rule, rule.copies, ledger)
    elif rule.fill is not None:
        for split in rule.splits:
            for label, target in _targets(rule, rule.fill, split, ledger).items():
                wanted = max(0, target - ledger.total(split, label))
                _enter(rule, split, label, wanted, ledger)
    else:
        _apply_all(rule, ledger)


def _apply_all(rule: Rule, ledger: Ledger) -> None:
    """Every sample that the rule's images give."""
    for split in rule.splits:
        for label in rule.scope(ledger):
            if room := rule.maker.room(ledger, label):
                rule.maker.make(ledger, split, label, room)


def _apply_copies(rule: Rule, copies: int, ledger: Ledger) -> None:
    assert isinstance(rule.maker, Copier)
    for label in rule.scope(ledger):
        found = 0
        for split in rule.splits:
            parents = rule.maker.parents(ledger, split, label).parents
            found += parents
            if parents:
                rule.maker.make(ledger, split, label, copies * parents)
        if rule.classes is not None and not found:
            what, way = rule.maker.refusal(" or ".join(rule.splits), label)
            problem = Problem(f"{rule.place}.from.classes", what, "at least one parent", way)
            ledger.problems.append(problem)


def _targets(rule: Rule, fill: Fill, split: str, ledger: Ledger) -> dict[str, int]:
    """Class -> rows that it shall have, in the order of the classes."""
    if isinstance(fill.to, dict):
        return {label: fill.to[label] for label in ledger.classes if label in fill.to}
    if fill.to is None:
        return {}
    target = ledger.largest(split) if fill.to == "max" else fill.to
    return dict.fromkeys(rule.scope(ledger), target)


def _enter(rule: Rule, split: str, label: str, wanted: int, ledger: Ledger) -> None:
    """Enter the wanted rows of a class as far as caps allow and somebody can make them."""
    assert rule.fill is not None
    real = ledger.real(split, label)
    n = clamp(wanted, real, rule.fill.max_added, rule.fill.max_times_real)
    able = rule.maker.can(ledger, split, label)
    if able and (room := rule.maker.room(ledger, label)) is not None:
        n = min(n, room)
    if n < wanted:
        ledger.capped.append(Capped(rule.title, split, label, wanted, n))
    if not n:
        return
    if able:
        rule.maker.make(ledger, split, label, n)
        return
    what, way = rule.maker.refusal(split, label)
    found = f"{n} more rows of class {label!r} in split {split}, but {what}"
    ledger.problems.append(Problem(f"{rule.place}.fill", found, "a quota that can be reached", way))


def plan_shares(rules: Sequence[Rule], ledger: Ledger) -> dict[str, list[tuple[str, str, int]]]:
    """Rows that each rule with a share wants: place -> (split, class, rows).

    All shares of a split are solved together: against the rows that no such rule makes,
    n_i = s_i / (1 - sum s) x n_other. A rule's rows go to its classes in proportion to those
    other rows, as far as its maker can make them. Call it when all other rules are applied.
    Caps clamp afterwards: the solution is not sought again for the others.
    """
    out: dict[str, list[tuple[str, str, int]]] = {rule.place: [] for rule in rules}
    for split in sorted({s for rule in rules for s in rule.splits}):
        asking = [(rule, rule.share) for rule in rules if split in rule.splits]
        shares = [share for _, share in asking if share is not None]
        if sum(shares) >= 1:
            places = ", ".join(f"{rule.place}.fill.share" for rule, _ in asking)
            found = f"shares of split {split} that sum to {float(sum(shares)):g}"
            ledger.problems.append(Problem(places, found, "less than 1: real rows need room"))
            continue
        solved = solve_shares(shares, ledger.total(split))
        for (rule, _), total in zip(asking, solved, strict=True):
            wanted = _by_class(rule, split, total, ledger)
            out[rule.place] += [(split, label, n) for label, n in wanted.items()]
    return out


def _by_class(rule: Rule, split: str, total: Fraction, ledger: Ledger) -> dict[str, int]:
    rows = {label: ledger.total(split, label) for label in rule.scope(ledger)}
    able = {c: n for c, n in rows.items() if n and rule.maker.can(ledger, split, c)}
    ledger.problems += _left_out(rule, split, [c for c, n in rows.items() if n and c not in able])
    if not total:
        return {}
    if not able:
        found = f"a share of split {split}, where none of its classes has rows it can add to"
        way = "A share follows the other rows of its classes; use `fill.to` for empty ones"
        expected = "classes with rows"
        ledger.problems.append(Problem(f"{rule.place}.fill.share", found, expected, way))
        return {}
    whole = sum(able.values())
    return apportion_targets({label: total * n / whole for label, n in able.items()})


def _left_out(rule: Rule, split: str, labels: Sequence[str]) -> list[Problem]:
    """Classes with rows that the rule cannot make: their part of a share would go to the others
    without a word, and leave every class away from its target."""
    if not labels:
        return []
    what, way = rule.maker.refusal(split, labels[0])
    if len(labels) > 1:
        what += f", and so it is for {len(labels) - 1} more: {_some(labels[1:])}"
    key = "fill.share" if rule.classes is None else "classes"
    return [Problem(f"{rule.place}.{key}", what, "classes it can make", way)]


def _some(labels: Sequence[str]) -> str:
    return ", ".join(map(repr, labels[:_SHOWN])) + (", ..." if len(labels) > _SHOWN else "")


def apply_share(rule: Rule, wanted: Sequence[tuple[str, str, int]], ledger: Ledger) -> None:
    """Enter what `plan_shares` found for a rule."""
    for split, label, n in wanted:
        _enter(rule, split, label, n, ledger)


def idle_problem(rule: Rule, ledger: Ledger) -> Problem:
    """Why a rule that added nothing did so."""
    splits = ", ".join(rule.splits) or "any"
    place, expected = rule.place, "a rule that adds rows"
    if any(c.rule == rule.title for c in ledger.capped):
        fed = isinstance(rule.maker, Sampler) and rule.maker.fed
        caps = ", `max_times_real` or `input.per_image`" if fed else " or `max_times_real`"
        hint = f"Raise `max_added`{caps}, or remove the rule"
        return Problem(f"{place}.fill", "caps that leave nothing to add", expected, hint)
    if rule.share is not None:
        found = f"no effect: {float(rule.share):g} of split {splits} rounds to 0 rows"
        hint = "Raise `fill.share` or remove the rule"
        return Problem(f"{place}.fill.share", found, expected, hint)
    if rule.fill is not None:
        target = "that many" if isinstance(rule.fill.to, dict) else f">= {rule.fill.to}"
        if rule.fill.to == "max":
            target = "as many as the largest"
        found = f"no effect: every class of split {splits} already has {target} rows"
        hint = "Remove the rule or raise `fill.to`"
        return Problem(f"{place}.fill.to", found, expected, hint)
    if isinstance(rule.maker, Sampler):
        found = "no effect: its images are of no class that it may add to"
        return Problem(f"{place}.input", found, expected, "Change `input.from` or `classes`")
    found = f"no effect: split {splits} has no parents for it"
    return Problem(f"{place}.from", found, expected, "Change `from` or remove the rule")
