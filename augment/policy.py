"""What the operator of a machine allows, whatever a job says: code that may run, places that
may be read, what may leave the machine and where to, limits that a job may only tighten.

One file at a fixed path, `/etc/augment/policy.yaml`, or where the environment variable
AUGMENT_POLICY says; without a file nothing is allowed that needs allowing. A file that is named
and is not there, cannot be read or says what is not known ends everything. Nothing in a job
can name, widen or replace it. Knows nothing of what a job may say.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from augment.errors import CheckpointError, Problem, SpecError
from augment.places import (
    CLIENT,
    Fault,
    Place,
    is_loopback,
    quoted,
    read_cluster,
    read_dashboard,
    read_endpoint,
    read_interface,
    read_place,
)

PATH = "/etc/augment/policy.yaml"
VARIABLE = "AUGMENT_POLICY"
MAX_BYTES = 1 << 20
_MOST_EVENTS = 20_000

CLASS_PATH = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$"
ClassPath = Annotated[str, Field(pattern=CLASS_PATH, max_length=256)]
"""`package.module:Class`."""


def _as(read: Callable[[str], str | Fault]) -> AfterValidator:
    """A text in the normal form that a grammar gives it."""

    def normal(text: str) -> str:
        found = read(text)
        if isinstance(found, Fault):
            raise PydanticCustomError("place", "{expected}", {"expected": found.expected})
        return found

    return AfterValidator(normal)


def _folder(text: str) -> str | Fault:
    found = read_place(text, read_only=True)
    if isinstance(found, Fault):
        return found
    if found.is_local and not text.startswith(("/", "file:")):
        return Fault(quoted(text), "an absolute path, or a URI")
    return found.of_family()


def _address(text: str) -> str | Fault:
    return read_dashboard(text) if text.startswith("http") and "://" in text else read_cluster(text)


Folder = Annotated[str, _as(_folder)]
Address = Annotated[str, _as(_address)]
Endpoint = Annotated[str, _as(read_endpoint)]
Interface = Annotated[str, _as(read_interface)]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=256)]


_MODEL = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


class PolicyLimits(BaseModel):
    """What one job may take at most; a job may ask for less. Not given: no limit."""

    model_config = _MODEL

    gpus: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] | None = None
    """GPUs held at once."""
    actors: Annotated[int, Field(ge=1)] | None = None
    """Actors of one stage at once: the replicas of a generator, or the workers of the mix."""
    gpu_hours: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] | None = None
    """As a job has it under `limits`; it holds although the job says nothing."""
    synthetic_share: Annotated[float, Field(ge=0.0, lt=1.0)] | None = None
    """As a job has it under `limits.synthetic_share.max`; it holds without the job's word."""


class CacheRules(BaseModel):
    """Where checkpoints of remote stores are kept on this machine."""

    model_config = _MODEL

    folder: Annotated[str, Field(pattern="^/")] | None = None
    """An absolute path; not given: the cache folder of the user who runs."""
    max_bytes: Annotated[int, Field(gt=0)] = 100 << 30
    """So many bytes of them at most."""


class PolicyRules(BaseModel):
    """The keys of the file. Where `allowed_uris` is given, the four `allowed_...` that are not
    given allow the least, not everything."""

    model_config = _MODEL

    allow_code: list[ClassPath] = []
    """Classes that a `custom` generator may be, `package.module:Class`. Whoever can write to a
    folder on Python's search path can stand in for them, so list what is installed."""
    allowed_uris: list[Folder] | None = None
    """Folders that every path and URI of a job must lie in; not given: anywhere."""
    allowed_addresses: list[Address] | None = None
    """Clusters: `auto`, `host:port`, `ray://host:port` or the http(s):// URL of a Jobs API; not
    given: all but ray://, or `auto` alone."""
    allowed_endpoints: list[Endpoint] | None = None
    """URLs of stores, with everything below them; not given: any, or none."""
    allowed_variables: list[Variable] | None = None
    """Variables of the environment, for ${NAME} in a job; not given: any, or none (none where
    `allowed_endpoints` is given, too)."""
    allowed_metrics_addresses: list[Interface] | None = None
    """Interfaces that a run may serve metrics on, beside those of the machine alone; not given:
    any, or no others."""
    limits: PolicyLimits = PolicyLimits()
    """Most that one job may take."""
    cache: CacheRules = CacheRules()
    """Of checkpoints that lie in remote stores."""


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
        """As `allows`; a text that names no place is allowed nowhere."""
        found = read_place(uri, read_only=True)
        return isinstance(found, Place) and self.allows(found)

    def allows(self, place: Place) -> bool:
        """Whether a place is one of the allowed folders or lies in one. Links of local paths are
        followed first."""
        if place.is_local:
            return self.allows_place(os.path.realpath(place.uri))
        allowed = self.rules.allowed_uris
        return allowed is None or lies_in(place.of_family(), allowed)

    def places(self) -> tuple[str, ...] | None:
        """The allowed folders of this machine, links followed; None: anywhere."""
        allowed = self.rules.allowed_uris
        if allowed is None:
            return None
        return tuple(os.path.realpath(folder) for folder in allowed if folder.startswith("/"))

    def allows_place(self, place: str) -> bool:
        """Whether a true place, no part of which is a link, lies in one of the allowed folders."""
        places = self.places()
        return places is None or lies_in(place, places)

    def allows_endpoint(self, endpoint: str) -> bool:
        """Whether a store may be reached there. endpoint: as `read_endpoint` gives it."""
        allowed = self.rules.allowed_endpoints
        if allowed is None:
            return not self._closed
        return lies_in(endpoint, allowed)

    def allows_variable(self, name: str) -> bool:
        """Whether a job may have the value of a variable of the environment."""
        allowed = self.rules.allowed_variables
        if allowed is None:
            return not self._closed and self.rules.allowed_endpoints is None
        return name in allowed

    def cluster(self, text: str) -> str | Fault:
        """The address of a Ray cluster in its normal form, where the machine allows it."""
        found = read_cluster(text)
        if isinstance(found, Fault):
            return found
        allowed = self.rules.allowed_addresses
        if allowed is not None:
            fits, expected = found in allowed, _listed(allowed)
        elif self._closed:
            fits, expected = found == "auto", "auto"
        else:
            fits, expected = not found.startswith(CLIENT), "auto or HOST:PORT"
        return found if fits else self._refusal(found, expected, "allowed_addresses")

    def dashboard(self, text: str) -> str | Fault:
        """The URL of a Jobs API in its normal form, where the machine allows it."""
        found = read_dashboard(text)
        allowed = self.rules.allowed_addresses
        if isinstance(found, Fault) or allowed is None or found in allowed:
            return found
        return self._refusal(found, _listed(allowed), "allowed_addresses")

    def interface(self, text: str) -> str | Fault:
        """The interface that metrics are served on in its normal form, where the machine allows
        it; those that only the machine itself reaches it always does."""
        found = read_interface(text)
        allowed = self.rules.allowed_metrics_addresses
        if isinstance(found, Fault) or is_loopback(found):
            return found
        if not self._closed if allowed is None else found in allowed:
            return found
        expected = _listed([*(allowed or ()), "127.0.0.1", "localhost"])
        return self._refusal(found, expected, "allowed_metrics_addresses")

    def hint(self, key: str) -> str:
        """What to do about something that is not allowed."""
        return f"Ask the operator to list it under `{key}` in {self.path}"

    @property
    def _closed(self) -> bool:
        return self.rules.allowed_uris is not None

    def _refusal(self, found: str, expected: str, key: str) -> Fault:
        text = f"{quoted(found)}, where this machine lets nobody go"
        return Fault(text, expected, self.hint(key))


def lies_in(place: str, folders: Iterable[str]) -> bool:
    """Whether a true place, or a URI, is one of the folders or lies in one."""
    return any(place == f or place.startswith(f"{f.rstrip('/')}/") for f in folders)


def read_policy(env: Mapping[str, str] | None = None) -> Policy:
    """The policy of this machine. env: where AUGMENT_POLICY is looked up; the environment if
    not given.

    Raises:
        SpecError: a file is named but missing; it cannot be read or is no policy, or is one that
            others than its owner and group can change.
    """
    named = (os.environ if env is None else env).get(VARIABLE)
    path = PATH if named is None else named
    if not os.path.isabs(path):
        raise _refuse(VARIABLE, repr(path), "an absolute path: another folder is another file")
    try:
        raw = _read(path)
    except FileNotFoundError:
        if named is None and not os.path.islink(path):
            return Policy(path)
        hint = "Without its policy this machine allows nothing"
        hint = hint if named is None else f"{hint}; unset {VARIABLE} where there is none"
        raise _refuse(path, "no such file", "the operator's policy", hint) from None
    except OSError as error:
        raise _refuse(path, f"an error ({error.strerror})", "a readable file") from None
    return Policy(path, _rules(path, raw), hashlib.sha256(raw).hexdigest())


def policy_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of the file."""
    schema = PolicyRules.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _listed(allowed: list[str]) -> str:
    return f"one of {', '.join(allowed)}" if allowed else "none"


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
    for name in (path, os.path.realpath(path)):  # a link can be replaced as a file can
        folder = os.path.dirname(name)
        above = os.stat(folder).st_mode
        if above & stat.S_IWOTH and not above & stat.S_ISVTX:
            hint = f"Run `chmod o-w {folder}`"
            raise _refuse(path, "a folder where anyone can replace it", "a guarded folder", hint)


def _rules(path: str, raw: bytes) -> PolicyRules:
    try:
        _check_plain(path, raw)
        node = yaml.compose(raw, yaml.SafeLoader)
        data = yaml.safe_load(raw)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        found = " ".join(str(error).split())
        raise _refuse(path, f"an error ({found:.200})", "YAML") from None
    if node is None or data is None:
        raise _refuse(path, "an empty file", "a mapping of keys", "Write {} where nothing is ruled")
    if not isinstance(data, dict):
        raise _refuse(path, f"a {type(data).__name__}", "a mapping of keys")
    _check_said(path, node)
    try:
        return PolicyRules.model_validate(data)
    except ValidationError as error:
        raise SpecError([_problem(path, found) for found in error.errors()]) from None


def _check_plain(path: str, raw: bytes) -> None:
    """A policy says what it means: no aliases and merge keys, which make much of little."""
    for n, event in enumerate(yaml.parse(raw, yaml.SafeLoader)):
        place = f"{path}:{event.start_mark.line + 1}" if event.start_mark else path
        if isinstance(event, yaml.AliasEvent):
            raise _refuse(place, "an alias", "values written out")
        if n > _MOST_EVENTS:
            raise _refuse(place, "more than a policy has to say", "a small file")


def _check_said(path: str, node: yaml.Node) -> None:
    """Each key stands once and has a value: a list that was cut off would open what it closes."""
    todo = [node]
    while todo:
        item = todo.pop()
        if isinstance(item, yaml.SequenceNode):
            todo += item.value
        if not isinstance(item, yaml.MappingNode):
            continue
        seen = set[str]()
        for key, value in item.value:
            if key.value in seen:
                raise _refuse(path, f"the key {key.value!r} twice", "each key once")
            if isinstance(value, yaml.ScalarNode) and not value.value and value.style is None:
                hint = "Write null where it rules nothing: a file that was cut ends like this"
                raise _refuse(f"{path}: {key.value}", "no value", "one", hint)
            seen.add(key.value)
            todo.append(value)


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
