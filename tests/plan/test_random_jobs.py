"""Random jobs against an independent implementation that moves one row at a time.

The reference keeps a list of rows and knows neither fractions of totals nor remainders: it
gives each row to whoever is furthest behind, deals copies to parents in turn, and counts.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from augment.errors import PlanError
from augment.plan import Plan, totals

PlanOf = Callable[..., Plan]
_CLASSES = "abcde"
_SPLITS = ("train", "extra", "test")


class Row(NamedTuple):
    split: str
    label: str
    generator: str = ""
    augmentation: str = ""


class RefusedError(Exception):
    """The reference finds that a job cannot be planned."""


# ---- the reference -------------------------------------------------------------------


def _furthest_behind(total: int, aims: Mapping[str, Fraction]) -> list[str]:
    """Names of `total` rows, each given to the name whose aim is furthest from reached."""
    whole = sum(aims.values())
    have: Counter[str] = Counter()
    out = []
    for _ in range(total):
        name = max(sorted(aims), key=lambda c: aims[c] * total / whole - have[c])
        have[name] += 1
        out.append(name)
    return out


class Reference:
    """Plans a job of this test by moving rows."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job = job
        self.rows = [
            Row(split, label)
            for split, some in job["counts"].items()
            for label, n in some.items()
            for _ in range(n)
        ]

    def count(self, split: str, label: str | None = None) -> int:
        return sum(r.split == split and label in (None, r.label) for r in self.rows)

    def plan(self) -> Counter[Row]:
        augmentations, synthesize = self.job["augmentations"], self.job["synthesize"]
        late = [a for a in augmentations if "synthetic" in a["from"]["origin"]]
        rules = [*(a for a in augmentations if a not in late), *synthesize, *late]
        sharing = [r for r in rules if "share" in r.get("fill", {})]
        for a in late:
            if any("generators" in r and r["split"] in self.splits(a) for r in sharing):
                raise RefusedError
        for rule in rules:
            if rule not in sharing:
                self.one(rule)
        self.shares(sharing)
        return Counter(self.rows)

    def splits(self, rule: dict[str, Any]) -> list[str]:
        return [rule["split"]] if "generators" in rule else ["train", "extra"]

    def classes(self, rule: dict[str, Any]) -> list[str] | None:
        return rule.get("classes") if "generators" in rule else rule["from"].get("classes")

    def one(self, rule: dict[str, Any]) -> None:
        before = len(self.rows)
        for split in self.splits(rule):
            size = {c: self.count(split, c) for c in _CLASSES}
            for label in self.classes(rule) or _CLASSES:
                if "copies" in rule:
                    self.rows += [
                        p._replace(augmentation=rule["name"])
                        for p in self.parents(rule, split, label)
                        for _ in range(rule["copies"])
                    ]
                else:
                    to = rule["fill"]["to"]
                    goal = max(size.values()) if to == "max" else to
                    goal = goal.get(label, 0) if isinstance(goal, dict) else goal
                    self.add(rule, split, label, goal - size[label])
        self.effective(rule, before)

    def effective(self, rule: dict[str, Any], before: int) -> None:
        named = self.classes(rule) if "copies" in rule else None
        for label in named or []:
            if not any(self.parents(rule, s, label) for s in self.splits(rule)):
                raise RefusedError
        if len(self.rows) == before:
            raise RefusedError

    def parents(self, rule: dict[str, Any], split: str, label: str) -> list[Row]:
        origins = rule["from"]["origin"]
        some = [r for r in self.rows if (r.split, r.label, r.augmentation) == (split, label, "")]
        return sorted(r for r in some if ("synthetic" if r.generator else "real") in origins)

    def able(self, rule: dict[str, Any], split: str, label: str) -> bool:
        if "generators" in rule:
            return any(label in self.job["generators"][g] for g in rule["generators"])
        return bool(self.parents(rule, split, label))

    def add(self, rule: dict[str, Any], split: str, label: str, n: int) -> None:
        real = sum(r == Row(split, label) for r in self.rows)
        caps = rule["fill"]
        most = Fraction(str(caps["max_times_real"])) * real if "max_times_real" in caps else n
        while n > 0 and (n > most or n > caps.get("max_added", n)):
            n -= 1
        if n <= 0:
            return
        if not self.able(rule, split, label):
            raise RefusedError
        if "generators" in rule:
            weights = rule["generators"]
            if isinstance(weights, list):
                weights = dict.fromkeys(weights, 1)
            aims = {
                g: Fraction(str(w))
                for g, w in weights.items()
                if label in self.job["generators"][g]
            }
            self.rows += [Row(split, label, g) for g in _furthest_behind(n, aims)]
        else:
            parents = self.parents(rule, split, label)
            new = [parents[i % len(parents)] for i in range(n)]
            self.rows += [p._replace(augmentation=rule["name"]) for p in new]

    def shares(self, sharing: list[dict[str, Any]]) -> None:
        todo: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [(r, []) for r in sharing]
        for split in _SPLITS:
            here = [(r, some) for r, some in todo if split in self.splits(r)]
            left = 1 - sum(Fraction(str(r["fill"]["share"])) for r, _ in here)
            if left <= 0:
                raise RefusedError
            result = self.count(split) / left  # rows of the split in the end
            for rule, some in here:
                aim = Fraction(str(rule["fill"]["share"])) * result
                some += [(split, c) for c in self.share_classes(rule, split, aim)]
        for rule, some in todo:
            before = len(self.rows)
            for (split, label), n in sorted(Counter(some).items()):
                self.add(rule, split, label, n)
            self.effective(rule, before)

    def share_classes(self, rule: dict[str, Any], split: str, aim: Fraction) -> list[str]:
        named = self.classes(rule)
        rows = {c: self.count(split, c) for c in named or _CLASSES}
        able = {c: n for c, n in rows.items() if n and self.able(rule, split, c)}
        if any(rows[c] and c not in able for c in rows):
            raise RefusedError
        if not aim:
            return []
        if not able:
            raise RefusedError
        low = aim // 1
        up = aim - low > Fraction(1, 2) or (aim - low == Fraction(1, 2) and low % 2 == 1)
        given_to = _furthest_behind(int(low + up), {c: Fraction(n) for c, n in able.items()})
        for label, n in able.items():
            assert abs(given_to.count(label) - aim * n / sum(able.values())) <= 1
        return given_to


# ---- random jobs ---------------------------------------------------------------------


def _fill(rng: random.Random, named: bool) -> dict[str, Any]:
    if rng.random() < 0.35:
        fill: dict[str, Any] = {"share": rng.choice([0.05, 0.1, 0.25, 0.29, 0.3, 0.333])}
    elif rng.random() < 0.25 and not named:
        fill = {"to": {c: rng.randint(0, 50) for c in rng.sample(_CLASSES, 2)}}
    else:
        fill = {"to": rng.choice(["max", *range(10, 70, 4)])}
    if rng.random() < 0.3:
        fill["max_times_real"] = rng.choice([0.5, 1.5, 0.29, 3])
    if rng.random() < 0.3:
        fill["max_added"] = rng.randint(1, 30)
    return fill


def _some_classes(rng: random.Random) -> list[str] | None:
    return rng.sample(_CLASSES, rng.randint(1, 4)) if rng.random() < 0.3 else None


def _augmentation(rng: random.Random, name: str) -> dict[str, Any]:
    origin = rng.choice([["real"], ["real"], ["synthetic"], ["synthetic", "real"]])
    classes = _some_classes(rng)
    rule: dict[str, Any] = {"name": name, "ops": ["HorizontalFlip"], "from": {"origin": origin}}
    if classes:
        rule["from"]["classes"] = classes
    if rng.random() < 0.5:
        return {**rule, "copies": rng.randint(1, 3)}
    return {**rule, "fill": _fill(rng, classes is not None)}


def _synthesize(rng: random.Random, generators: list[str]) -> dict[str, Any]:
    names = rng.sample(generators, rng.randint(1, len(generators)))
    some: Any = names
    if rng.random() < 0.6:
        some = {name: rng.choice([1.0, 2.0, 0.7, 0.3, 0.1]) for name in names}
    rule = {"generators": some, "split": rng.choice(["train", "train", "extra"])}
    classes = _some_classes(rng)
    if classes:
        rule["classes"] = classes
    return {**rule, "fill": _fill(rng, classes is not None)}


def random_job(rng: random.Random) -> dict[str, Any]:
    names = ["g", "h", "k"][: rng.randint(1, 3)]
    generators = {
        n: list(_CLASSES) if i == 0 or rng.random() < 0.6 else rng.sample(_CLASSES, 4)
        for i, n in enumerate(names)
    }
    least = 0 if rng.random() < 0.2 else 1
    return {
        "counts": {s: {c: rng.randint(least, 30) for c in _CLASSES} for s in _SPLITS},
        "generators": generators,
        "augmentations": [_augmentation(rng, f"aug{i}") for i in range(rng.choice([0, 0, 1, 2]))],
        "synthesize": [_synthesize(rng, names) for _ in range(rng.choice([1, 1, 2, 3]))],
        "protected_splits": ["test"],
    }


def _reversed(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _reversed(v) for k, v in reversed(value.items())}
    return [_reversed(v) for v in value] if isinstance(value, list) else value


def _needless(job: dict[str, Any]) -> bool:
    """Whether a rule names a generator that knows none of its classes."""
    for rule in job["synthesize"]:
        to = rule["fill"].get("to")
        scope = set(to) if isinstance(to, dict) else set(rule.get("classes", _CLASSES))
        if any(scope.isdisjoint(job["generators"][g]) for g in rule["generators"]):
            return True
    return False


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.integers(0, 1 << 32).map(random.Random))
def test_random_jobs(plan_of: PlanOf, rng: random.Random) -> None:
    job = random_job(rng)
    try:
        if _needless(job):
            raise RefusedError
        expected: Counter[Row] | None = Reference(job).plan()
    except RefusedError:
        expected = None
    event("refused" if expected is None else "planned")
    if expected is None:
        with pytest.raises(PlanError):
            plan_of(**job)
        return
    plan = plan_of(**job)
    got = Counter(
        {
            Row(c.split, c.label_name, c.generator or "", c.augmentation or ""): c.n
            for c in plan.cells
        }
    )
    assert got == expected, job
    assert plan_of(**_reversed(job)) == plan
    assert sum(x.rows for x in totals(plan) if x.label_name is None) == len(list(got.elements()))
