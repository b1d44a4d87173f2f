"""What of a plan's refusals is known before anything is counted: names, and what each generator
makes. Sound, not complete: whatever is told here, the plan of the same job says too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from augment.errors import Problem
from augment.plan.make import unknown_classes
from augment.plan.plan import CensusFacts, GeneratorFacts
from augment.plan.resolve import Resolver
from augment.plan.tables import ManifestRows
from augment.spec.models import JobSpec, Synthesize


def foresee(
    spec: JobSpec,
    classes: Sequence[str] | None,
    generators: Mapping[str, GeneratorFacts],
    manifests: Mapping[int, ManifestRows],
) -> list[Problem]:
    """What is wrong with the rules of `synthesize`, as far as it can be told.

    classes: names that classes of the data set may have; None where nobody knows. generators:
    those that somebody looked at; rules that name others are left to the plan. manifests: of the
    rules, by position.
    """
    known = classes
    if known is None:
        made = [label for facts in generators.values() for label in facts.classes]
        known = sorted({*made, *(name for rule in spec.synthesize for name in _named(rule))})
    resolver = Resolver(spec, CensusFacts(tuple(known), {}, 0.0), generators, manifests)
    for n, rule in enumerate(spec.synthesize):
        seen = all(name in generators for name in rule.generators)
        if seen and (rule.manifest is None or (classes is not None and n in manifests)):
            resolver.synthesize(n, rule)
    return [*resolver.problems, *(unknown_classes(spec, classes) if classes is not None else ())]


def _named(rule: Synthesize) -> Iterator[str]:
    """Classes that a rule names itself."""
    yield from rule.classes or ()
    if rule.fill is not None and isinstance(rule.fill.to, dict):
        yield from rule.fill.to
