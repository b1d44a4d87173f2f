"""From the job's rules to `Rule`s whose names exist: splits, classes, generators, weights.

Every name is checked against the census and the generators; a rule with a problem is left
out and the rest is resolved, so that all problems are told at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from augment.errors import Problem
from augment.plan.manifest import ManifestRule, resolve_manifest
from augment.plan.plan import CensusFacts, GeneratorFacts
from augment.plan.quotas import decimal
from augment.plan.rules import Copier, Rule, Sampler
from augment.plan.tables import ManifestRows
from augment.spec.models import Augmentation, Fill, JobSpec, Synthesize
from augment.spec.problems import nearest, one_of


@dataclass
class Resolver:
    """Knows every name of a job; collects what is wrong with its rules."""

    spec: JobSpec
    census: CensusFacts
    generators: Mapping[str, GeneratorFacts]
    manifests: Mapping[int, ManifestRows]
    problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        named = [s for source in self.spec.sources.values() for s in source.splits]
        self.splits = tuple(sorted({*named, *self.census.counts}))
        protected = self.spec.protected_splits
        if protected is None:
            self.open = tuple(s for s in self.splits if s == "train")
        else:
            self.known("protected_splits", "split", protected, self.splits)
            self.open = tuple(s for s in self.splits if s not in protected)

    def known(self, place: str, what: str, names: Iterable[str], valid: Sequence[str]) -> bool:
        """Whether all names are valid; each that is not becomes a problem."""
        bad = [name for name in names if name not in valid]
        for name in bad:
            expected = f"a {what} of this job ({one_of(valid)})"
            self.add(place, repr(name), expected, nearest(name, valid))
        return not bad

    def add(self, place: str, found: str, expected: str, hint: str = "") -> None:
        self.problems.append(Problem(place, found, expected, hint))

    # ---- augmentations ---------------------------------------------------------------

    def augmentation(self, i: int, rule: Augmentation) -> Rule | None:
        """The rule, or None where something is wrong with it."""
        place, before = f"augmentations[{i}]", len(self.problems)
        if (rule.copies is None) == (rule.fill is None):
            self.add(place, "both or neither of `copies` and `fill`", "one of them")
        classes = self._classes(f"{place}.from.classes", rule.from_.classes, rule.fill)
        splits = self._augmented_splits(place, rule)
        if rule.fill is not None:
            self._fill(place, rule.fill)
        if len(self.problems) > before:
            return None
        origins = frozenset(rule.from_.origin)
        return Rule(
            place=place,
            title=f"{place} {rule.name}",
            splits=splits,
            classes=classes,
            maker=Copier(rule.name, origins),
            copies=rule.copies,
            fill=rule.fill,
            late=origins != {"real"},
        )

    def _augmented_splits(self, place: str, rule: Augmentation) -> tuple[str, ...]:
        if rule.from_.splits is None:
            if not self.open:
                self.add(f"{place}.from", "only protected splits", "a split that may be changed")
            return self.open
        place = f"{place}.from.splits"
        self.known(place, "split", rule.from_.splits, self.splits)
        for split in rule.from_.splits:
            self._not_protected(place, split)
        return tuple(sorted(set(rule.from_.splits)))

    def _not_protected(self, place: str, split: str) -> None:
        if split in self.splits and split not in self.open:
            why = "it is in `protected_splits`"
            if self.spec.protected_splits is None:
                why = "without `protected_splits` every split but train is protected"
            self.add(place, f"the protected split {split!r}", one_of(self.open), why.capitalize())

    # ---- synthesize ------------------------------------------------------------------

    def synthesize(self, i: int, rule: Synthesize) -> Rule | None:
        """The rule, or None where something is wrong with it."""
        place, before = f"synthesize[{i}]", len(self.problems)
        given = (rule.manifest is not None) + (rule.fill is not None)
        if given > 1 or (not given and rule.input is None):
            self.add(place, "both or neither of `manifest` and `fill`", "one of them")
        weights = self._weights(f"{place}.generators", rule.generators, rule.manifest)
        self.known(f"{place}.split", "split", [rule.split], self.splits)
        self._not_protected(f"{place}.split", rule.split)
        classes = self._classes(f"{place}.classes", rule.classes, rule.fill)
        if rule.fill is not None:
            self._fill(place, rule.fill)
        if len(self.problems) > before:
            return None
        facts = {name: self.generators[name] for name in sorted(weights)}
        self._fed(place, facts, rule)
        if len(self.problems) > before:
            return None
        self._useful(place, facts, classes, rule.fill)
        listed = None
        if rule.manifest is not None:
            scope = self.census.classes if classes is None else classes
            known = ManifestRule(facts, scope, self.open, rule.split, self.spec.seed)
            listed, problems = resolve_manifest(self.manifests[i], known)
            self.problems += problems
        if len(self.problems) > before:
            return None
        return Rule(
            place=place,
            title=f"{place} {', '.join(facts)}",
            splits=(rule.split,) if listed is None else tuple(sorted({d.split for d in listed})),
            classes=classes,
            maker=Sampler(place, weights, facts),
            fill=rule.fill,
            listed=None if listed is None else tuple(listed),
        )

    def _weights(
        self, place: str, named: list[str] | dict[str, float], manifest: str | None
    ) -> dict[str, Fraction]:
        if isinstance(named, list):
            for name in sorted({n for n in named if named.count(n) > 1}):
                self.add(place, f"{name!r} twice", "every generator once", "Use a mapping: weights")
            weights = dict.fromkeys(named, Fraction(1))
        else:
            if manifest is not None:
                hint = "Give a list: the manifest says how many each makes"
                self.add(place, "weights", "no weights beside `manifest`", hint)
            weights = {name: decimal(weight) for name, weight in named.items()}
        self.known(place, "generator", named, sorted(self.generators))
        return weights

    def _fed(self, place: str, facts: Mapping[str, GeneratorFacts], rule: Synthesize) -> None:
        """Generators that take images get some, and others none."""
        for name, fact in facts.items():
            if fact.takes_image and rule.input is None:
                found = f"{name!r}, which makes its samples from images"
                hint = "Say which under `input`, for example {from: {origin: [real]}}"
                self.add(f"{place}.generators", found, "an `input` beside it", hint)
            elif rule.input is not None and not fact.takes_image:
                found = f"`input`, but {name!r} takes no image"
                self.add(f"{place}.input", found, "generators that take images, or no `input`")
            elif rule.input is not None and rule.input.per_image > 1 and not fact.varies:
                found = f"{rule.input.per_image}, but {name!r} makes one sample of an image"
                hint = "Its output is a function of the image alone: copies would be equal"
                self.add(f"{place}.input.per_image", found, "1", hint)
            elif rule.input is not None and fact.takes_mask != (rule.input.mask is not None):
                found = f"{'no ' if fact.takes_mask else ''}mask, but {name!r} "
                found += "paints where one says" if fact.takes_mask else "takes none"
                expected = "the source of its masks" if fact.takes_mask else "no such key"
                self.add(f"{place}.input.mask", found, expected)
            self._labelled(place, fact, rule)

    def _labelled(self, place: str, fact: GeneratorFacts, rule: Synthesize) -> None:
        """What is made from images is of classes of the data set."""
        if not fact.takes_image or rule.input is None:
            return
        for label in sorted(set(fact.classes) - set(self.census.classes)):
            where = f"{place}.input.from" if rule.label == "keep" else f"{place}.label"
            hint = "Name the classes under `from.classes`, or give one class with `label`"
            self.add(where, f"class {label!r}", one_of(self.census.classes), hint)

    def _useful(
        self,
        place: str,
        facts: Mapping[str, GeneratorFacts],
        classes: tuple[str, ...] | None,
        fill: Fill | None,
    ) -> None:
        """Each generator knows a class that the rule may add to."""
        scope = set(self.census.classes if classes is None else classes)
        if fill is not None and isinstance(fill.to, dict):
            scope &= set(fill.to)
        for name, fact in facts.items():
            if scope.isdisjoint(fact.classes):
                some = ", ".join(repr(c) for c in fact.classes[:5]) or "no class of this data set"
                more = ", ..." if len(fact.classes) > 5 else ""
                found = f"{name!r}, which knows none of the rule's classes (it knows {some}{more})"
                hint = "Remove it or correct `classes`"
                self.add(f"{place}.generators", found, "generators that know a class", hint)

    # ---- both ------------------------------------------------------------------------

    def _classes(
        self, place: str, names: list[str] | None, fill: Fill | None
    ) -> tuple[str, ...] | None:
        """The classes a rule names, in the order of the data set; None: all."""
        to = fill.to if fill is not None else None
        if isinstance(to, dict):
            if names is not None:
                found = "classes here and in `fill.to`"
                self.add(place, found, "them in one place", "`fill.to` names its classes already")
            names, place = list(to), f"{place.split('.')[0]}.fill.to"
        if names is None:
            return None
        if not names:
            self.add(place, "no class", "at least one, or no such key: all classes")
        self.known(place, "class", names, self.census.classes)
        return tuple(c for c in self.census.classes if c in set(names))

    def _fill(self, place: str, fill: Fill) -> None:
        if (fill.to is None) == (fill.share is None):
            self.add(f"{place}.fill", "both or neither of `to` and `share`", "one of them")
