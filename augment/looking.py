"""What `validate` asks of what a job names on this machine: sources, manifests, checkpoints.

So that `plan` and `run` refuse nothing that could have been known. It opens no image, touches no
network, imports no class of the job's own, and reads no checkpoint above `LARGEST`: of what it
leaves out it says why.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, assert_never

from augment.errors import NotInstalled, PlanError, Problem, SpecError
from augment.places import is_local
from augment.spec import Job, load_spec

if TYPE_CHECKING:
    from augment.generators import GeneratorInfo
    from augment.plan import GeneratorFacts, ManifestRows
    from augment.spec.generators import GeneratorSpec
    from augment.spec.look import Looked
    from augment.spec.models import SourceSpec

LARGEST = 1 << 30
"""Bytes of a checkpoint that is still read here: each is hashed, at about a gigabyte a second."""
_MOST_ENTRIES = 100_000


class Unseen(NamedTuple):
    """place: a source's name, or `generators.b`. why: one clause."""

    place: str
    why: str


def validated(
    source: str | os.PathLike[str] | Mapping[str, Any],
    *,
    execution: str | os.PathLike[str] | None = None,
    overrides: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    installed: Callable[[str], bool] | None = None,
) -> tuple[Job, tuple[Unseen, ...]]:
    """The job as `load_spec` reads it, once everything local that it names was looked at; and what
    was not. installed: whether a package is there that an extractor needs; this process's.

    Raises:
        SpecError: with every problem found. PlanError: two generators are one. CheckpointError: a
            local generator's files are missing, changed or malformed, or do not fit the job; a
            custom class that the operator of this machine did not list.
        StorageError: they cannot be read.
    """
    seen: list[tuple[SourceSpec, Looked]] = []

    def look(spec: SourceSpec, local: str) -> Looked:
        seen.append((spec, _looked(spec, local)))
        return seen[-1][1]

    job = load_spec(source, execution=execution, overrides=overrides, env=env, look=look)
    manifests, problems = _manifests(job)
    if not problems and job.spec.generators:
        infos, unseen = _described(job)
        classes = _possible_classes(job, seen)
        problems = _foreseen(job, classes, infos, manifests)
    else:
        unseen = []
    if problems:
        raise SpecError(problems)
    remote = [Unseen(name, "remote; --check-remote lists them")
              for name, one in job.spec.sources.items() if not is_local(one.uri)]  # fmt: skip
    return job, (*remote, *unseen, *_unmeasurable(job, installed))


def _unmeasurable(job: Job, installed: Callable[[str], bool] | None) -> Iterator[Unseen]:
    """Extractors that the run needs and that are not installed here; it may run elsewhere."""
    from augment.spec.measure_limits import extractors_of

    spec = job.spec
    held = spec.limits.gate == "before_commit"
    wanted = {"limits.measures": extractors_of(spec.limits.measures or ()) if held else ()}
    wanted["filters"] = tuple(one for each in spec.filters for one in each.extractors)
    if not any(wanted.values()):
        return
    from augment.features.needs import lacking

    for place, names in wanted.items():
        for name, packages in lacking(names, installed).items():
            why = f"{name} needs {packages}, which is not installed here; augment-vision[features]"
            yield Unseen(place, why)


# ---- sources and manifests -------------------------------------------------------------


def _looked(spec: SourceSpec, local: str) -> Looked:
    from augment.spec.look import look_at_images
    from augment.spec.models import ImageFolderSource, ParquetSource

    match spec:
        case ImageFolderSource():
            return look_at_images(spec, local)
        case ParquetSource():
            from augment.sources import look_at_parquet  # brings pyarrow: where it is needed

            return look_at_parquet(spec, local)
        case _:
            assert_never(spec)


def _possible_classes(
    job: Job, seen: Iterable[tuple[SourceSpec, Looked]]
) -> tuple[str, ...] | None:
    """Names that classes of the data set may have; None where that cannot be told."""
    from augment.spec.files import read_classes
    from augment.spec.source_checks import mapped

    given = job.spec.classes
    if given is not None:
        local = given.file is None or is_local(given.file)
        return tuple(read_classes(given)) if local else None
    rows = [labels for spec, looked in seen if spec.use == "rows"
            and (labels := mapped(spec, looked.labels)) is not None]  # fmt: skip
    if len(rows) < sum(spec.use == "rows" for spec in job.spec.sources.values()):
        return None
    return tuple(sorted(frozenset().union(*rows)))


def _manifests(job: Job) -> tuple[dict[int, ManifestRows], list[Problem]]:
    """Local manifests by the position of their rule, and what is wrong with their form."""
    from augment.spec.files import MAX_MANIFEST_BYTES, read_bytes

    found: dict[int, ManifestRows] = {}
    problems: list[Problem] = []
    for n, rule in enumerate(job.spec.synthesize):
        if rule.manifest is not None and is_local(rule.manifest):
            from augment.plan import read_manifest

            try:
                content = read_bytes(rule.manifest, None, MAX_MANIFEST_BYTES)
                found[n] = read_manifest(rule.manifest, content)
            except (SpecError, PlanError) as error:
                problems += error.problems
    return found, problems


# ---- generators ------------------------------------------------------------------------


def _described(job: Job) -> tuple[dict[str, GeneratorInfo], list[Unseen]]:
    from augment.generators import describe

    infos, unseen = {}, []
    for name, spec in job.spec.generators.items():
        why = _left_out(name, spec)
        try:
            if not why:
                infos[name] = describe(name, spec, job.spec.execution.storage_options)
        except NotInstalled:
            why = f"family {spec.family} is not installed here"
        if why:
            unseen.append(Unseen(f"generators.{name}", why))
    return infos, unseen


def _left_out(name: str, spec: GeneratorSpec) -> str:
    """Why a generator is not looked at; "" where it is. A class that the operator did not list is
    refused as `plan` refuses it, and not imported either."""
    from augment.policy import read_policy
    from augment.spec.generators import CustomGenerator

    if isinstance(spec, CustomGenerator):
        read_policy().require_code(spec.class_path, f"generators.{name}.class_path")
        return "its own code would run"
    places = list(_places(spec))
    if not all(map(is_local, places)):
        return "remote; plan reads it"
    size = sum(map(_size, places))
    return f"{size / (1 << 30):.1f} GiB; plan reads it" if size > LARGEST else ""


def _places(spec: GeneratorSpec) -> Iterator[str]:
    for key in ("checkpoint", "config", "controlnet"):
        if (uri := getattr(spec, key, None)) is not None:
            yield uri
    yield from (adapter.path for adapter in getattr(spec, "adapters", ()))


def _size(path: str) -> int:
    """Bytes of a file, or of a folder's files as far as one need look."""
    if not os.path.isdir(path):
        return os.path.getsize(path) if os.path.exists(path) else 0
    total = entries = 0
    for folder, _, names in os.walk(path):
        for name in names:
            entries += 1
            file = os.path.join(folder, name)
            total += os.path.getsize(file) if os.path.isfile(file) else 0
            if total > LARGEST or entries > _MOST_ENTRIES:
                return max(total, LARGEST + 1)
    return total


def _foreseen(
    job: Job,
    classes: Sequence[str] | None,
    infos: Mapping[str, GeneratorInfo],
    manifests: Mapping[int, ManifestRows],
) -> list[Problem]:
    from augment.plan import foresee

    if len(infos) > 1:
        from augment.run.prepare import refuse_twins

        refuse_twins(infos)
    told = {n: i for n, i in infos.items() if i.classes or classes is not None}
    facts = {name: _facts(info, classes) for name, info in told.items()}
    return foresee(job.spec, classes, facts, manifests)


def _facts(info: GeneratorInfo, classes: Sequence[str] | None) -> GeneratorFacts:
    """As far as they are known before images are counted: one that takes images makes what its
    images may be of."""
    from augment.plan import GeneratorFacts

    fed = info.takes_image and classes is not None
    return GeneratorFacts(
        name=info.name,
        identity=info.identity,
        sampling_digest=info.sampling_digest,
        universe="",
        family=info.family,
        classes=tuple(filter(info.makes, classes or ())) if fed else info.classes,
        image_bytes=0,
        takes_image=info.takes_image,
        takes_mask=info.takes_mask,
        varies=info.varies,
    )
