"""custom: a class of an installed package as a generator, where the operator allows it.

The one family that runs code which no one here wrote. The job names a class; only the
machine's policy file can allow it (`augment.policy`), and it is asked before anything is
imported. The class satisfies `GeneratorHost`: `Class(**init_args)` has `info`, `validate`,
`batch_key` and `generate`; making it should be cheap, because facts are asked of it on the
driver. Where it also has `place`, it is told where to run before its first batch.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import importlib.util
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from pydantic import ValidationError

from augment.errors import CheckpointError, RequestError
from augment.generators.hosting import finished
from augment.generators.protocol import (
    GeneratedBatch,
    GeneratorHost,
    GeneratorInfo,
    Placement,
    SampleRequest,
    must_match,
    unknown_class,
)
from augment.policy import read_policy
from augment.seeds import digest
from augment.spec.generators import CustomGenerator

_VERSION = 1
"""Raise it with every change of what is done to the class's images: it enters the identity."""

_NEEDED = ("validate", "batch_key", "generate")


@runtime_checkable
class Placeable(Protocol):
    """A class that wants to know where it runs; asked once, before its first batch."""

    def place(self, placement: Placement) -> None: ...


class CustomHost:
    """The class's own host under the job's name and identity. What it gives is checked, so
    that a mistake in it costs the row or the run, and never another row's pixels."""

    def __init__(self, host: GeneratorHost, info: GeneratorInfo) -> None:
        self.info = info
        self._host = host

    def validate(self, request: SampleRequest) -> None:
        """Raises:
        RequestError: the class is not one of the generator's, or its own reason.
        """
        if not self.info.makes(request.label_name):
            raise RequestError(unknown_class(self.info, request.label_name))
        self._host.validate(request)

    def batch_key(self, request: SampleRequest) -> Hashable:
        """The class's own."""
        return self._host.batch_key(request)

    def generate(self, batch: Sequence[SampleRequest]) -> GeneratedBatch:
        """The class's images; a row that is not finite is zeros and fails with `nan`.

        Raises:
            RequestError: a request that `validate` refuses. CheckpointError: it did not give
                what the contract says.
        """
        for request in batch:
            self.validate(request)
        made = self._host.generate(batch)
        self._check(made, len(batch))
        images = np.array(made.images, dtype=np.float32)
        checked = finished(images)
        failed = tuple(own or found for own, found in zip(made.failed, checked.failed, strict=True))
        images[[reason is not None for reason in failed]] = 0.0
        return GeneratedBatch(images, failed, made.notes)

    def _check(self, made: GeneratedBatch, n: int) -> None:
        shape, info = made.images.shape, self.info
        expected = (n, info.channels, info.height, info.width)
        if info.takes_image and len(shape) == 4:  # sizes follow the source
            expected = (n, info.channels, *shape[2:])
        rows = len(made.failed) == n and len(made.notes) in (0, n)
        if shape != expected or not rows:
            raise CheckpointError(
                f"generators.{info.name}: a batch of {n} came back as images {shape} with "
                f"{len(made.failed)} reasons and {len(made.notes)} notes; expected {expected}; "
                "`augment generators check` asks the class what it must do"
            )


def spec_of(class_path: str, init_args: Mapping[str, Any]) -> CustomGenerator:
    """The spec of a class outside any job.

    Raises:
        RequestError: it is no class path.
    """
    raw = {"family": "custom", "class_path": class_path, "init_args": dict(init_args)}
    try:
        return CustomGenerator.model_validate(raw)
    except ValidationError:
        raise RequestError(f"got {class_path!r:.80}; expected package.module:Class") from None


def constructed(name: str, spec: CustomGenerator) -> GeneratorHost:
    """The class, made with its arguments. Runs its code, whatever the policy says.

    Raises:
        CheckpointError: it cannot be imported or made, or is no host.
    """
    place = f"generators.{name}.class_path: {spec.class_path}"
    module_name, _, class_name = spec.class_path.partition(":")
    module = _guarded(f"{place}: importing it", lambda: importlib.import_module(module_name))
    kind = getattr(module, class_name, None)
    if not isinstance(kind, type):
        found = "no such name" if kind is None else f"a {type(kind).__name__}"
        raise CheckpointError(f"{place}: got {found}; expected a class in {module_name}")
    made = _guarded(f"{place}: making it", lambda: kind(**spec.init_args))
    lacking = [verb for verb in _NEEDED if not callable(getattr(made, verb, None))]
    if not isinstance(getattr(made, "info", None), GeneratorInfo):
        lacking.append("info (a GeneratorInfo)")
    if lacking:
        raise CheckpointError(
            f"{place}: it has no {', '.join(lacking)}; expected a class that satisfies "
            "augment.generators.GeneratorHost"
        )
    host: GeneratorHost = made
    return host


def _guarded(what: str, act: Callable[[], Any]) -> Any:
    try:
        return act()
    except Exception as error:  # a stranger's code may raise anything; the job must say which
        raise CheckpointError(f"{what} raised {type(error).__name__}: {error}") from error


def _allowed(name: str, spec: CustomGenerator) -> None:
    read_policy().require_code(spec.class_path, f"generators.{name}.class_path")


def _code(name: str, spec: CustomGenerator) -> dict[str, Any]:
    """What names the code: the distribution it was installed from, where there is one, and
    the bytes of the module's file."""
    module = spec.class_path.partition(":")[0]
    place = f"generators.{name}.class_path: {spec.class_path}"
    found = _guarded(f"{place}: finding it", lambda: importlib.util.find_spec(module))
    origin = None if found is None else found.origin
    if origin is None or not Path(origin).is_file():
        raise CheckpointError(
            f"{place}: no file of module {module} was found; expected a module that is installed "
            "on every machine that runs the job"
        )
    package = module.partition(".")[0]
    names = metadata.packages_distributions().get(package, []) if _is_listed(package) else []
    return {
        "class_path": spec.class_path,
        "distributions": sorted({f"{n}=={metadata.version(n)}" for n in names}),
        "source_sha256": hashlib.sha256(Path(origin).read_bytes()).hexdigest(),
    }


def _is_listed(package: str) -> bool:
    """Whether a distribution here may hold a package: False is certain. `packages_distributions`
    parses every list of files of the environment, which takes half a second."""
    lists = ("top_level.txt", "RECORD", "installed-files.txt", "SOURCES.txt")
    line = re.compile(rf"""^"?(\.\./)*{re.escape(package)}([/.",]|$)""", re.MULTILINE)
    return any(
        line.search(one.read_text(name) or "") for one in metadata.distributions() for name in lists
    )


def _info(
    name: str, spec: CustomGenerator, code: Mapping[str, Any], own: GeneratorInfo
) -> GeneratorInfo:
    """What the class says of itself, under the job's name."""
    place = f"generators.{name}"
    classes = own.classes if spec.classes is None else tuple(spec.classes)
    if strange := [label for label in classes if not own.makes(label)]:
        raise CheckpointError(f"{place}.classes: {unknown_class(own, strange[0])}")
    if spec.classes is not None and own.takes_image:
        raise CheckpointError(
            f"{place}.classes: has no effect, {spec.class_path} takes an image and so any class"
        )
    try:
        identity = digest({
            "family": "custom", "version": _VERSION, "init_args": spec.init_args, **code,
            "own": own.identity, "classes": list(classes),
        })  # fmt: skip
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"{place}.init_args: got a value that is not JSON ({error})"
        ) from None
    return dataclasses.replace(
        own,
        name=name,
        family="custom",
        identity=identity,
        sampling_digest=digest({"family": "custom", "own": own.sampling_digest}),
        classes=classes,
        license=spec.license or own.license,
    )


def describe(name: str, spec: CustomGenerator) -> GeneratorInfo:
    """What the class says of itself; makes one to ask it.

    Raises:
        CheckpointError: the operator does not allow it, or it is no host.
    """
    _allowed(name, spec)
    code = _code(name, spec)  # hashed before it is imported
    return _info(name, spec, code, constructed(name, spec).info)


def load(name: str, spec: CustomGenerator, info: GeneratorInfo, placement: Placement) -> CustomHost:
    """The host of a class that must still be what `info` describes. The policy asked is that
    of the machine that loads it.

    Raises:
        CheckpointError: as `describe`, or it has changed since.
    """
    _allowed(name, spec)
    code = _code(name, spec)
    host = constructed(name, spec)
    must_match(_info(name, spec, code, host.info), info)
    if isinstance(host, Placeable):
        host.place(placement)
    return CustomHost(host, info)
