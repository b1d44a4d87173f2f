"""The parts of a job that are well formed, so that the rest can be checked all the same.

When one rule is malformed the others are still judged: every problem comes at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from augment.spec.asked import Asked
from augment.spec.execution import Execution
from augment.spec.filters import FilterSpec
from augment.spec.generators import GeneratorSpec
from augment.spec.models import (
    Augmentation,
    Classes,
    JobLimits,
    JobSpec,
    Output,
    SourceSpec,
    Synthesize,
)
from augment.spec.text import Path


@dataclass(frozen=True)
class Draft:
    """Well-formed parts; None stands for a part that is not."""

    sources: dict[str, SourceSpec | None]
    generators: dict[str, GeneratorSpec | None]
    augmentations: list[Augmentation | None]
    synthesize: list[Synthesize | None]
    filters: list[FilterSpec | None]
    classes: Classes | None
    output: Output | None
    limits: JobLimits
    execution: Execution
    splits: frozenset[str]
    """Of all sources, also of malformed ones as far as they can be read."""
    protected: frozenset[str]


def protected_splits(spec: JobSpec) -> frozenset[str]:
    """Splits that hold real rows only, bytes unchanged: those named, else all but `train`."""
    if spec.protected_splits is not None:
        return frozenset(spec.protected_splits)
    return frozenset(s for source in spec.sources.values() for s in source.splits) - {"train"}


def draft_of(asked: Asked, spec: JobSpec | None) -> Draft:
    """The draft of what was asked. spec: the whole job, where all of it is well formed."""
    splits = frozenset(s for path, _ in asked.items("sources") for s in asked.keys(*path, "splits"))
    named = asked.get("protected_splits")
    kept = isinstance(named, list)
    protected = frozenset(str(s) for s in named) if kept else splits - {"train"}
    if spec is None:
        return Draft(**_parts(asked), splits=splits, protected=protected)
    return Draft(
        dict(spec.sources),
        dict(spec.generators),
        list(spec.augmentations),
        list(spec.synthesize),
        list(spec.filters),
        spec.classes,
        spec.output,
        spec.limits,
        spec.execution,
        splits,
        protected,
    )


def _parts(asked: Asked) -> dict[str, Any]:
    def each(kind: Any, section: str) -> Iterator[tuple[Path, Any]]:
        adapter = TypeAdapter(kind)
        return ((path, _valid(adapter, value)) for path, value in asked.items(section))

    return {
        "sources": {p[-1]: s for p, s in each(SourceSpec, "sources")},
        "generators": {p[-1]: g for p, g in each(GeneratorSpec, "generators")},
        "augmentations": [a for _, a in each(Augmentation, "augmentations")],
        "synthesize": [s for _, s in each(Synthesize, "synthesize")],
        "filters": [f for _, f in each(FilterSpec, "filters")],
        "classes": _valid(TypeAdapter(Classes), asked.get("classes")),
        "output": _valid(TypeAdapter(Output), asked.get("output")),
        "limits": _valid(TypeAdapter(JobLimits), asked.get("limits")) or JobLimits(),
        "execution": _valid(TypeAdapter(Execution), asked.get("execution")) or Execution(),
    }


def _valid(adapter: TypeAdapter[Any], value: Any) -> Any:
    try:
        return adapter.validate_python(value)
    except ValidationError:
        return None  # noted already, when the whole job was validated
