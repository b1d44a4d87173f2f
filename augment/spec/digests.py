"""What of a job decides rows, as one canonical document, and its digest.

In: sources by name, classes, generators by identity, sampling, rules, filters, image
format, shards, seeds, and the contents of the files that the job names. Out: execution,
limits, error budget, about, on_shortfall, URIs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from augment.places import Options
from augment.spec.base import Spec
from augment.spec.draft import protected_splits
from augment.spec.files import (
    MAX_MANIFEST_BYTES,
    MAX_PIPELINE_BYTES,
    read_bytes,
    read_classes,
    read_label_map,
)
from augment.spec.generators import GeneratorSpec
from augment.spec.models import Augmentation, LabelMap, SourceSpec, Synthesize

if TYPE_CHECKING:
    from augment.spec.load import Job

DIGEST_VERSION = 1
_NOT_OF_GENERATORS = {"checkpoint", "sha256", "config", "controlnet", "adapters"}
"""Files: a generator's identity stands for what is in them."""


def request_document(job: Job, generator_identities: Mapping[str, str]) -> dict[str, Any]:
    """What decides the rows of `job`, as JSON values.

    generator_identities: the job's name of each generator -> its identity (64 hex digits).

    Raises:
        SpecError: a file that the job names has gone or is malformed. KeyError: a
            generator has no identity.
    """
    spec, base = job.spec, job.base
    options = spec.execution.storage_options
    classes = None if spec.classes is None else read_classes(spec.classes, base, options)
    return {
        "digest_version": DIGEST_VERSION,
        "version": spec.version,
        "name": spec.name,
        "seed": spec.seed,
        **({"split_seed": spec.split_seed} if spec.split_seed else {}),
        "classes": classes,
        "sources": {n: _source(s, base, options) for n, s in spec.sources.items()},
        "protected_splits": sorted(protected_splits(spec)),
        "generators": {
            n: _generator(g, generator_identities[n]) for n, g in spec.generators.items()
        },
        "augmentations": [_augmentation(a, options) for a in spec.augmentations],
        "synthesize": [_synthesize(s, options) for s in spec.synthesize],
        "max_attempts_per_sample": spec.max_attempts_per_sample,
        "max_pixels": spec.errors.max_pixels,
        "filters": [_dump(f) for f in spec.filters],
        "output": _dump(spec.output, {"uri"}),
    }


def request_digest(job: Job, generator_identities: Mapping[str, str]) -> str:
    """SHA-256 (64 hex digits) of `request_document`. Names the work folder, units and commit."""
    from augment.seeds import digest  # brings numpy, which reading a job does not need

    return digest(request_document(job, generator_identities))


def _dump(spec: Spec, without: set[str] | None = None) -> dict[str, Any]:
    return spec.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=without)


def _source(source: SourceSpec, base: str, options: Options) -> dict[str, Any]:
    usual = set() if source.follow_links else {"follow_links"}
    found = _dump(source, {"uri", "label_map"} | usual)
    if source.label_map is not None:
        found["label_map"] = _label_map(source.label_map, base, options)
    return found


def _label_map(label_map: LabelMap, base: str, options: Options) -> dict[str, Any]:
    return {"map": read_label_map(label_map, base, options), "unmapped": label_map.unmapped}


def _generator(generator: GeneratorSpec, identity: str) -> dict[str, Any]:
    return _dump(generator, _NOT_OF_GENERATORS) | {"identity": identity}


def _augmentation(rule: Augmentation, options: Options) -> dict[str, Any]:
    found = _dump(rule, {"pipeline"} | ({"unchanged"} if rule.unchanged == "redraw" else set()))
    if rule.pipeline is not None:
        found["pipeline"] = _sha256(rule.pipeline, options, MAX_PIPELINE_BYTES)
    return found


def _synthesize(rule: Synthesize, options: Options) -> dict[str, Any]:
    found = _dump(rule, {"manifest"})
    if rule.manifest is not None:
        found["manifest"] = _sha256(rule.manifest, options, MAX_MANIFEST_BYTES)
    return found


def _sha256(path: str, options: Options, most: int) -> str:
    return hashlib.sha256(read_bytes(path, options, most)).hexdigest()
