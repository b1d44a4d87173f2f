"""What the operator of a machine allows, whatever a job says: code that may run, places that
may be read, limits that a job may only tighten.

One file at a fixed path, `/etc/augment/policy.yaml`, or where the environment variable
AUGMENT_POLICY says; without a file nothing is allowed that needs allowing. Nothing in a job
can name, widen or replace it. Knows nothing of what a job may say.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from augment.errors import CheckpointError, Problem, SpecError

PATH = "/etc/augment/policy.yaml"
VARIABLE = "AUGMENT_POLICY"
MAX_BYTES = 1 << 20

CLASS_PATH = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$"
ClassPath = Annotated[str, Field(pattern=CLASS_PATH, max_length=256)]
"""`package.module:Class`."""


class PolicyLimits(BaseModel):
    """What one job may take at most; a job may ask for less. None: no limit.

    gpus: held at once. actors: of one stage at once, the replicas of a generator or the
    workers of the mix. gpu_hours, synthetic_share: what a job has under `limits`, where it
    holds although the job says nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    gpus: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] | None = None
    actors: Annotated[int, Field(ge=1)] | None = None
    gpu_hours: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] | None = None
    synthetic_share: Annotated[float, Field(ge=0.0, lt=1.0)] | None = None


class CacheRules(BaseModel):
    """Where checkpoints of remote stores are kept on this machine, and how many bytes of them.
    folder: an absolute path; None: the cache folder of the user who runs."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    folder: Annotated[str, Field(pattern="^/")] | None = None
    max_bytes: Annotated[int, Field(gt=0)] = 100 << 30


class PolicyRules(BaseModel):
    """The keys of the file.

    allow_code: classes that a `custom` generator may be. Whoever can write to a folder on
    Python's search path can stand in for them, so list what is installed.
    allowed_uris: folders that every path and URI of a job must lie in; None: anywhere.
    limits: what one job may take.
    cache: of checkpoints that lie in remote stores.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    allow_code: list[ClassPath] = []
    allowed_uris: list[Annotated[str, Field(min_length=1)]] | None = None
    limits: PolicyLimits = PolicyLimits()
    cache: CacheRules = CacheRules()


@dataclass(frozen=True)
class Policy:
    """rules: what is allowed. path: the file to edit, whether or not it exists. sha256: of the
    file, None where there is none."""

    path: str
    rules: PolicyRules = field(default_factory=PolicyRules)
    sha256: str | None = None

    def require_code(self, class_path: str, place: str) -> None:
        """Refuses a class that the operator did not list. place: where the job names it.

        Raises:
            CheckpointError: it is not in `allow_code`.
        """
        if class_path not in self.rules.allow_code:
            listed = ", ".join(self.rules.allow_code) or "none"
            raise CheckpointError(
                f"{place}: got {class_path!r}, code that this machine does not allow; it allows: "
                f"{listed}. A job cannot allow it: ask the operator to list it under `allow_code` "
                f"in {self.path}"
            )

    def allows_uri(self, uri: str) -> bool:
        """Whether `uri` is one of the allowed folders or lies in one. Links of local paths are
        followed first; a remote URI with `..` in it lies nowhere."""
        allowed = self.rules.allowed_uris
        if allowed is None:
            return True
        place = _resolved(uri)
        return ".." not in place.split("/") and any(
            place == folder or place.startswith(f"{folder.rstrip('/')}/")
            for folder in map(_resolved, allowed)
        )

    def places(self) -> tuple[str, ...] | None:
        """The allowed folders of this machine, links followed; None: anywhere."""
        allowed = self.rules.allowed_uris
        if allowed is None:
            return None
        return tuple(place for uri in allowed if "://" not in (place := _resolved(uri)))

    def allows_place(self, place: str) -> bool:
        """Whether a true place, no part of which is a link, lies in one of the allowed folders."""
        places = self.places()
        return places is None or lies_in(place, places)


def lies_in(place: str, folders: Iterable[str]) -> bool:
    """Whether a true place is one of the folders or lies in one."""
    return any(place == f or place.startswith(f"{f.rstrip('/')}/") for f in folders)


def read_policy(env: Mapping[str, str] | None = None) -> Policy:
    """The policy of this machine. env: where AUGMENT_POLICY is looked up; the environment if
    not given.

    Raises:
        SpecError: the file is there but cannot be read or is no policy, or is one that
            others than its owner and group can change.
    """
    path = (os.environ if env is None else env).get(VARIABLE) or PATH
    if not os.path.isabs(path):
        raise _refuse(VARIABLE, repr(path), "an absolute path: another folder is another file")
    try:
        raw = _read(path)
    except FileNotFoundError:
        return Policy(path)
    except OSError as error:
        raise _refuse(path, f"an error ({error.strerror})", "a readable file") from None
    return Policy(path, _rules(path, raw), hashlib.sha256(raw).hexdigest())


def policy_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of the file."""
    schema = PolicyRules.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _resolved(uri: str) -> str:
    local = uri.removeprefix("file://")
    return uri.rstrip("/") if "://" in local else os.path.realpath(local)


def _read(path: str) -> bytes:
    """The bytes, judged by the open file, so that no other can be put in its place meanwhile."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO must not hang
    try:
        _check_guarded(path, os.fstat(descriptor).st_mode)
        raw = b""
        while len(raw) <= MAX_BYTES and (more := os.read(descriptor, MAX_BYTES + 1)):
            raw += more
    finally:
        os.close(descriptor)
    if len(raw) > MAX_BYTES:
        raise _refuse(path, f"more than {MAX_BYTES} bytes", "a small file")
    return raw


def _check_guarded(path: str, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise _refuse(path, "something that is no file", "a regular file")
    if mode & stat.S_IWOTH:
        hint = f"Run `chmod o-w {path}` after looking at what is in it"
        raise _refuse(path, "a file that anyone can write", "one that its owner writes", hint)
    folder = os.path.dirname(os.path.realpath(path))
    above = os.stat(folder).st_mode
    if above & stat.S_IWOTH and not above & stat.S_ISVTX:
        hint = f"Run `chmod o-w {folder}`"
        raise _refuse(path, "a folder where anyone can replace it", "a guarded folder", hint)


def _rules(path: str, raw: bytes) -> PolicyRules:
    try:
        node = yaml.compose(raw, yaml.SafeLoader)
        data = yaml.safe_load(raw)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        found = " ".join(str(error).split())
        raise _refuse(path, f"an error ({found:.200})", "YAML") from None
    if node is None:
        return PolicyRules()
    if not isinstance(data, dict):
        raise _refuse(path, f"a {type(data).__name__}", "a mapping of keys")
    keys = [key.value for key, _ in node.value]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise _refuse(path, f"the key {twice!r} twice", "each key once")
    try:
        return PolicyRules.model_validate(data)
    except ValidationError as error:
        raise SpecError([_problem(path, found) for found in error.errors()]) from None


def _problem(path: str, found: Any) -> Problem:
    place = ".".join(map(str, found["loc"]))
    if found["type"] == "extra_forbidden":
        return Problem(f"{path}: {place}", "an unknown key", f"one of {_keys(found['loc'])}")
    return Problem(f"{path}: {place}", f"{found['input']!r:.80}", found["msg"])


def _keys(at: tuple[str, ...]) -> str:
    """The keys that may stand where an unknown one does."""
    model: Any = PolicyRules
    for step in at[:-1]:
        model = model.model_fields[step].annotation
    return ", ".join(sorted(model.model_fields))


def _refuse(place: str, found: str, expected: str, hint: str = "") -> SpecError:
    return SpecError([Problem(place, found, expected, hint)])
