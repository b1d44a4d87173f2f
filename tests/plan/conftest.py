"""A small job around the rules under test: `plan_of(...)`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from augment.plan import CensusFacts, GeneratorFacts, ManifestRows, Plan, make_plan
from augment.spec import Job
from augment.spec.models import JobSpec

PlanOf = Callable[..., Plan]


def _facts(name: str, classes: tuple[str, ...]) -> GeneratorFacts:
    return GeneratorFacts(
        name=name,
        identity=f"identity of {name}",
        universe=f"universe of {name}",
        family="palette",
        classes=classes,
        image_bytes=2000,
        sampling_digest="s" * 8,
    )


def make_small_plan(
    counts: Mapping[str, Any],
    *,
    generators: Mapping[str, Any] | None = None,
    manifests: Mapping[int, ManifestRows] | None = None,
    facts: Mapping[str, GeneratorFacts] | None = None,
    classes: tuple[str, ...] | None = None,
    **rules: Any,
) -> Plan:
    """counts: class -> rows of split train; or split -> class -> rows. generators: name ->
    classes it knows. The rest are keys of a job."""
    if all(isinstance(n, int) for n in counts.values()):
        counts = {"train": counts}
    names = classes or tuple(sorted({c for some in counts.values() for c in some}))
    known = {g: tuple(some) for g, some in (generators or {}).items()}
    spec = JobSpec.model_validate(
        {
            "version": 1,
            "name": "test",
            "seed": 7,
            "sources": {
                "src": {"format": "imagefolder", "uri": "x", "splits": {s: s for s in counts}}
            },
            "generators": {
                g: {"family": "palette", "classes": list(some)} for g, some in known.items()
            },
            "output": {"uri": "out"},
            **rules,
        }
    )
    census = CensusFacts(
        names,
        {s: {c: {"src": n} for c, n in some.items()} for s, some in counts.items()},
        1000.0,
    )
    described = facts or {g: _facts(g, some) for g, some in known.items()}
    return make_plan(Job(spec, "", ""), census, described, "d" * 64, manifests or {})


@pytest.fixture(scope="session")
def plan_of() -> PlanOf:
    return make_small_plan
