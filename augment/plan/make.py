"""From a job's rules and a census to a plan: the order of rules, and what follows from it.

Order: sources, augmentations of real rows, synthesize, augmentations of generated rows,
each as in the file; then every rule with a share, solved together per split. A target
counts all rows of the class in that split made so far. Pure: same arguments, equal plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from types import MappingProxyType

from augment.errors import PlanError, Problem
from augment.plan.ledger import Ledger
from augment.plan.plan import (
    Cell,
    CensusFacts,
    Draw,
    GeneratorFacts,
    Plan,
    PlannedGenerator,
)
from augment.plan.resolve import Resolver
from augment.plan.rules import (
    Rule,
    Sampler,
    apply_rule,
    apply_share,
    idle_problem,
    plan_shares,
)
from augment.plan.scored import unscorable
from augment.plan.tables import ManifestRows
from augment.plan.units import mix_unit_count
from augment.spec import Job, JobSpec
from augment.spec.problems import nearest, one_of, shown

_NO_MANIFESTS: Mapping[int, ManifestRows] = MappingProxyType({})


def make_plan(
    job: Job,
    census: CensusFacts,
    generators: Mapping[str, GeneratorFacts],
    digest: str,
    manifests: Mapping[int, ManifestRows] = _NO_MANIFESTS,
) -> Plan:
    """Plan a job.

    Args:
        census: the real rows, caps of the sources applied. generators: facts of the job's
            generators by name. digest: of the request (64 hex digits), kept in the plan.
        manifests: position in `synthesize` -> rows, for each rule with a manifest.

    Raises:
        PlanError: with every problem found: unknown names, unreachable quotas, shares that
            leave no room, rules without effect, bad manifest rows.
    """
    spec = job.spec
    resolver = Resolver(spec, census, generators, manifests)
    augmentations = [resolver.augmentation(i, a) for i, a in enumerate(spec.augmentations)]
    synthesize = [resolver.synthesize(i, s) for i, s in enumerate(spec.synthesize)]
    rules = _in_order(augmentations, synthesize)
    ledger = Ledger(census, {name: f.origin for name, f in generators.items()})
    ledger.problems += resolver.problems
    ledger.problems += [*_circular(rules), *_same_universe(rules, generators)]
    ledger.problems += unknown_classes(spec, census.classes)
    _apply(rules, ledger)
    if not any(census.counts.get(s) for s in resolver.splits) and not ledger.problems:
        ledger.problems.append(Problem("sources", "0 images", "real images to extend"))
    if ledger.problems:
        raise PlanError(ledger.problems)
    cells, draws = ledger.cells(), ledger.draws()
    if problems := unscorable(spec, census, draws):
        raise PlanError(problems)
    size = _expected_bytes(cells, census, generators, spec.output.image.format == "match_real")
    target = spec.output.shard.target_bytes
    return Plan(
        name=spec.name,
        digest=digest,
        seed=spec.seed,
        classes=census.classes,
        max_attempts=spec.max_attempts_per_sample,
        generators=_planned_generators(draws, generators),
        cells=cells,
        draws=draws,
        copies=ledger.copies(),
        steps=ledger.steps(),
        capped=tuple(ledger.capped),
        units={s: mix_unit_count(ledger.total(s), size[s], target) for s in size},
        expected_bytes=size,
    )


def unknown_classes(spec: JobSpec, classes: Sequence[str]) -> list[Problem]:
    """Classes that the job lets be empty and that are none of the data set's."""
    return [
        Problem(
            f"errors.allow_empty_classes[{n}]", shown(name), one_of(classes), nearest(name, classes)
        )
        for n, name in enumerate(spec.errors.allow_empty_classes)
        if name not in classes
    ]


def _in_order(
    augmentations: Iterable[Rule | None], synthesize: Iterable[Rule | None]
) -> list[Rule]:
    good = [rule for rule in augmentations if rule is not None]
    early = [rule for rule in good if not rule.late]
    late = [rule for rule in good if rule.late]
    return [*early, *(rule for rule in synthesize if rule is not None), *late]


def _apply(rules: list[Rule], ledger: Ledger) -> None:
    for rule in rules:
        if rule.share is None:
            apply_rule(rule, ledger)
            _close(rule, ledger)
    sharing = [rule for rule in rules if rule.share is not None]
    wanted = plan_shares(sharing, ledger)
    for rule in sharing:
        apply_share(rule, wanted[rule.place], ledger)
        _close(rule, ledger)


def _close(rule: Rule, ledger: Ledger) -> None:
    """End a rule's step; one that added nothing is a problem, unless it says so already or
    may lack rows only because of an earlier problem."""
    if ledger.close_step(rule.title):
        return
    told = any(rule.place in p.place for p in ledger.problems)
    if not told and not (rule.late and ledger.problems):
        ledger.problems.append(idle_problem(rule, ledger))


def _circular(rules: list[Rule]) -> list[Problem]:
    """Copies of generated rows where a synthesize rule asks for a share of all rows: either
    number would depend on the other."""
    out = []
    for rule in (r for r in rules if r.late):
        for other in rules:
            both = set(rule.splits) & set(other.splits)
            if isinstance(other.maker, Sampler) and other.share is not None and both:
                found = f"copies of generated rows of split {', '.join(sorted(both))}"
                expected = "real parents: how many rows are generated depends, through "
                expected += f"{other.place}.fill.share, on how many copies there are"
                hint = f"Use `fill.to` in {other.place}, or `from: {{origin: [real]}}`"
                out.append(Problem(f"{rule.place}.from.origin", found, expected, hint))
    return out


def _same_universe(rules: list[Rule], generators: Mapping[str, GeneratorFacts]) -> list[Problem]:
    """Two names for the same samples would put each of them in twice."""
    used = sorted({n for r in rules if isinstance(r.maker, Sampler) for n in r.maker.weights})
    first: dict[str, str] = {}
    out = []
    for name in used:
        same = first.setdefault(generators[name].universe, name)
        if same != name:
            found = f"the checkpoint and sampling of generators.{same}"
            hint = "Both would make the same samples: use one of them"
            out.append(Problem(f"generators.{name}", found, "a generator of its own", hint))
    return out


def _expected_bytes(
    cells: Iterable[Cell],
    census: CensusFacts,
    generators: Mapping[str, GeneratorFacts],
    match_real: bool,
) -> dict[str, int]:
    """Split -> bytes of its images, from mean sizes; splits with rows only, by name.
    match_real: generated images are written as real ones are, so they are as large."""
    sizes: dict[str, float] = {}
    for cell in cells:
        each = census.image_bytes
        if cell.generator is not None and not match_real:
            each = generators[cell.generator].image_bytes
        sizes[cell.split] = sizes.get(cell.split, 0.0) + cell.n * each
    return {split: round(size) for split, size in sorted(sizes.items())}


def _planned_generators(
    draws: Iterable[Draw], generators: Mapping[str, GeneratorFacts]
) -> tuple[PlannedGenerator, ...]:
    facts = [generators[name] for name in sorted({d.generator for d in draws})]
    same = [f.name for f in fields(PlannedGenerator)]
    return tuple(PlannedGenerator(**{name: getattr(f, name) for name in same}) for f in facts)
