"""What the parts of a job may not say together: sources, classes, result, limits, execution."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator

from augment.errors import SpecError
from augment.places import Fault, Place, is_local, read_place
from augment.policy import Policy
from augment.spec.asked import Asked
from augment.spec.draft import Draft
from augment.spec.execution import GeneratorExecution
from augment.spec.files import read_classes, read_label_map
from augment.spec.generator_checks import check_generators
from augment.spec.inputs import check_inputs
from augment.spec.look import Look
from augment.spec.measure_checks import check_gate, check_measured_names, check_measures
from augment.spec.models import ImageFolderSource, Limits, ParquetSource, SourceSpec
from augment.spec.policy_limits import check_policy_limits
from augment.spec.problems import shown
from augment.spec.reach import check_reach
from augment.spec.rules import (
    Names,
    check_all_known,
    check_known,
    check_local_file,
    check_repeats,
    check_rules,
)
from augment.spec.source_checks import check_sources
from augment.spec.text import Path


def check_job(asked: Asked, draft: Draft, policy: Policy, look: Look | None = None) -> None:
    """Note everything that is wrong although each part is well formed. look: at each local source
    that the operator's policy lets a job read."""
    classes = _check_classes(asked, draft)
    for name, source in draft.sources.items():
        if source is not None:
            _check_source(asked, ("sources", name), source, classes)
    _check_protected(asked, draft)
    _check_checkpoints(asked)
    check_generators(asked, draft)
    seen = None if look is None else check_sources(asked, draft, look, policy)
    check_rules(asked, draft, seen if draft.classes is None else classes)
    check_inputs(asked, draft)
    _check_output(asked, draft)
    check_limits(asked, draft.limits, ("limits",))
    _check_limit_splits(asked, draft)
    known = draft.generators or None
    check_measured_names(asked, draft.limits.measures or (), known, classes)
    _check_errors(asked, draft, classes)
    _check_execution(asked, draft)
    check_reach(asked, draft, policy, looked=look is not None)
    check_policy_limits(asked, draft, policy)


# ---- classes and sources -------------------------------------------------------------


def _check_classes(asked: Asked, draft: Draft) -> Names | None:
    """The class names, where the job gives them and they can be read now."""
    given = draft.classes
    if given is None:
        return None
    if (given.file is None) == (given.names is None):
        found = "both file and names" if given.file is not None else "neither file nor names"
        asked.add(("classes",), found, "exactly one of them")
        return None
    if given.names is not None:
        check_repeats(asked, ("classes", "names"), given.names)
        if not given.names:
            asked.add(("classes", "names"), "an empty list", "at least one class")
        return frozenset(given.names)
    path: Path = ("classes", "file")
    if not check_local_file(asked, path, given.file or "", "a file of one class name a line"):
        return None
    try:
        return frozenset(read_classes(given))
    except SpecError as error:
        asked.problems += error.problems
        return None


def _check_source(asked: Asked, path: Path, source: SourceSpec, classes: Names | None) -> None:
    _check_splits(asked, path, source)
    _check_effects(asked, path, source)
    if source.label_map is None:
        return
    place = (*path, "label_map")
    given = source.label_map
    if (given.file is None) == (given.map is None):
        found = "both file and map" if given.file is not None else "neither file nor map"
        asked.add(place, found, "exactly one of them")
        return
    expected = "CSV with the header from,to, or a YAML or JSON mapping"
    if given.file is not None and not check_local_file(
        asked, (*place, "file"), given.file, expected
    ):
        return
    try:
        mapped = read_label_map(given)
    except SpecError as error:
        asked.problems += error.problems
        return
    if classes is not None:
        file = given.file is not None
        places = (((*place, "file") if file else (*place, "map", k), v) for k, v in mapped.items())
        check_all_known(asked, places, classes, "class")


def _check_effects(asked: Asked, path: Path, source: SourceSpec) -> None:
    if source.follow_links and not is_local(source.uri):
        found = f"true, which has no effect on {shown(source.uri)}: object stores have no links"
        asked.add((*path, "follow_links"), found, "no such key")
    if isinstance(source, ImageFolderSource) and source.empty_classes is not None:
        place, found = (*path, "empty_classes"), f"{source.empty_classes}, which has no effect"
        if source.use != "rows":
            asked.add(place, f"{found}: its images are no rows", "no such key")
        elif asked.has("classes"):
            asked.add(place, f"{found}: `classes` says which classes there are", "no such key")


def _check_splits(asked: Asked, path: Path, source: SourceSpec) -> None:
    place = (*path, "splits")
    if not source.splits:
        asked.add(place, "an empty mapping", "at least one split")
        return
    shares = {k: v for k, v in source.splits.items() if not isinstance(v, str)}
    if shares and len(shares) < len(source.splits):
        expected = "all texts (folders or values) or all shares (numbers)"
        hint = "A folder whose name is a number needs quotes"
        asked.add(place, "texts and shares in one source", expected, hint)
    elif shares and abs(math.fsum(shares.values()) - 1) > 1e-9:
        found = f"shares that sum to {math.fsum(shares.values()):.12g}"
        asked.add(place, found, "shares that sum to 1")
    for name, share in shares.items():
        if share == 0:
            asked.add((*place, name), "0, so that the split is empty", "a share above 0")
    for name, text in source.splits.items():
        if text == "":
            asked.add(
                (*place, name), "''", "a folder or value of the source's own split, or a share"
            )
    if shares and isinstance(source, ParquetSource) and source.columns.split is not None:
        found = f"{shown(source.columns.split)}, which has no effect: the splits are shares"
        asked.add((*path, "columns", "split"), found, "no such key")


def _check_protected(asked: Asked, draft: Draft) -> None:
    named = asked.get("protected_splits")
    if not isinstance(named, list):
        return
    texts = [str(n) for n in named]
    check_repeats(asked, ("protected_splits",), texts)
    for n, name in enumerate(texts if draft.splits else ()):
        check_known(asked, ("protected_splits", n), name, draft.splits, "split")


def _check_checkpoints(asked: Asked) -> None:
    for path, _ in asked.items("generators"):
        checkpoint = asked.get(*path, "checkpoint")
        if isinstance(checkpoint, str):
            place = (*path, "checkpoint")
            folder = not checkpoint.endswith(".safetensors")  # a single-file pipeline
            what = "the folder of a checkpoint" if folder else "a single-file checkpoint"
            check_local_file(asked, place, checkpoint, what, folder=folder)


# ---- result --------------------------------------------------------------------------


def _check_output(asked: Asked, draft: Draft) -> None:
    output = draft.output
    if output is None or not output.uri:
        return
    if output.image.quality is not None and output.image.format != "jpeg":
        found = f"{output.image.quality}, which has no effect with format: {output.image.format}"
        hint = "Write format: jpeg beside it, or remove it"
        asked.add(("output", "image", "quality"), found, "no such key", hint)
    for what, uri in _inputs(asked):
        if _overlap(output.uri, uri):
            found = f"{shown(asked.written(('output', 'uri')))}, which overlaps {what}"
            asked.add(("output", "uri"), found, "a folder of its own, neither inside nor around it")


def _inputs(asked: Asked) -> Iterator[tuple[str, str]]:
    for path, _ in asked.items("sources"):
        uri = asked.get(*path, "uri")
        if isinstance(uri, str) and uri:
            yield f"sources.{path[-1]}.uri", uri
    pool = asked.get("pool") if asked.has("pool") else os.path.join(asked.base, "pool")
    if isinstance(pool, str) and pool and asked.has("synthesize"):
        yield "pool", pool


def _overlap(a: str, b: str) -> bool:
    one, other = (read_place(a), read_place(b))
    if isinstance(one, Fault) or isinstance(other, Fault):
        return False
    here, there = (_normal(one), _normal(other))
    return here == there or here.startswith(f"{there}/") or there.startswith(f"{here}/")


def _normal(place: Place) -> str:
    return os.path.realpath(place.uri).rstrip("/") if place.is_local else place.of_family()


# ---- limits --------------------------------------------------------------------------


def check_limits(asked: Asked, limits: Limits, path: Path) -> None:
    """Note limits that limit nothing."""
    for key in ("synthetic_share", "synthetic_to_real"):
        limit = getattr(limits, key)
        if limit is None:
            continue
        if limit.max is None and limit.per_class is None:
            asked.add((*path, key), "neither max nor per_class", "at least one of them")
        for part in ("max", "per_class"):
            value = getattr(limit, part)
            if key == "synthetic_share" and value is not None and value >= 1:
                found = f"{value:g}, which no share exceeds"
                asked.add((*path, key, part), found, "a share below 1")
    for key in ("min_rows_per_class", "min_unique_real_per_class"):
        if getattr(limits, key) == {}:
            asked.add((*path, key), "an empty mapping", "split: least rows")
    check_measures(asked, limits.measures or (), (*path, "measures"))
    check_gate(asked, limits, path)


def _check_limit_splits(asked: Asked, draft: Draft) -> None:
    for key in ("min_rows_per_class", "min_unique_real_per_class"):
        for split in asked.keys("limits", key) if draft.splits else ():
            check_known(asked, ("limits", key, split), split, draft.splits, "split")


def _check_errors(asked: Asked, draft: Draft, classes: Names | None) -> None:
    at: Path = ("errors", "allow_empty_classes")
    names = asked.get(*at)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return
    check_repeats(asked, at, names)
    if classes is not None:
        check_all_known(asked, (((*at, n), name) for n, name in enumerate(names)), classes, "class")


# ---- execution -----------------------------------------------------------------------


def _check_execution(asked: Asked, draft: Draft) -> None:
    names = asked.keys("generators")
    for name in asked.keys("execution", "generators"):
        check_known(asked, ("execution", "generators", name), name, names, "generator")
    engine = draft.execution.engine
    if engine in ("local", "processes") and draft.execution.address is not None:
        found = f"{shown(asked.written(('execution', 'address')))}, which has no effect"
        asked.add(("execution", "address"), found, f"no address with engine: {engine}")
    for name, execution in draft.execution.generators.items():
        _check_actors(asked, ("execution", "generators", name), execution)
    _check_autoscale(asked, draft)


def _check_actors(asked: Asked, path: Path, execution: GeneratorExecution) -> None:
    """Note what no node can give and what Ray would take as something else."""
    gpus, replicas = execution.resources.gpus, execution.replicas
    if gpus is not None and gpus > 1 and not gpus.is_integer():
        found = f"{gpus:g}, more than one GPU and a part of another"
        asked.add((*path, "resources", "gpus"), found, "a whole number, or a fraction below 1")
    if gpus == 0 and execution.resources.accelerator_type is not None:
        found = f"{shown(execution.resources.accelerator_type)}, which has no effect"
        asked.add((*path, "resources", "accelerator_type"), found, "no such key with gpus: 0")
    if replicas.max is not None and replicas.max < replicas.min:
        found = f"{replicas.max}, less than min ({replicas.min})"
        asked.add((*path, "replicas", "max"), found, f"at least {replicas.min}")


def _check_autoscale(asked: Asked, draft: Draft) -> None:
    if draft.execution.autoscale is not None and draft.execution.address is None:
        found = "what an embedded Ray cannot do"
        asked.add(("execution", "autoscale"), found, "no such key, or the address of a cluster")
