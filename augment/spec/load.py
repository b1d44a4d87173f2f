"""From a job file to a `Job`, or to one error that names every problem.

Offline and light: imports neither torch, ray, pandas, pyarrow nor albumentations.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from augment.errors import Problem, SpecError
from augment.places import Options
from augment.policy import read_policy
from augment.spec.asked import MISSING, Asked, document_of, read_document
from augment.spec.base import Spec
from augment.spec.checks import check_job, check_limits
from augment.spec.draft import draft_of
from augment.spec.execution import Execution
from augment.spec.look import Look
from augment.spec.models import JobLimits, JobSpec, Limits
from augment.spec.policy_limits import under_policy
from augment.spec.problems import shown
from augment.spec.reach import check_options
from augment.spec.text import Document, Path, parse
from augment.spec.translate import add_validation_errors

_LINE = re.compile(r":(\d+)")
_MOST_PROBLEMS = 200
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class Job:
    """A job that was accepted.

    spec: paths absolute, variables expanded. text: the file as written, variables not
    expanded. base: the folder that relative paths hung on.
    """

    spec: JobSpec
    text: str
    base: str


def load_spec(
    source: str | os.PathLike[str] | Mapping[str, Any],
    *,
    execution: str | os.PathLike[str] | None = None,
    overrides: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    look: Look | None = None,
) -> Job:
    """Read and check a job. Touches no network, and no source without `look`.

    source: a YAML or JSON file, or a mapping of the same shape (paths relative to the
    working folder). execution: a file of keys of `execution`, laid over the job's.
    overrides: `key=value` within `execution`, laid over both. env: variables for
    `${NAME}` in URIs and `execution`; the environment if not given. look: looks at each local
    source, for what `plan` would refuse.

    Raises:
        SpecError: with every problem found: place, value, expectation, nearest name; or the
            operator's policy cannot be read.
    """
    asked = Asked(document_of(source))
    return _accepted(asked, _base_of(source), execution, overrides, env, look)


def load_text(
    text: str,
    name: str,
    base: str,
    *,
    execution: str | os.PathLike[str] | None = None,
    overrides: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> Job:
    """As `load_spec`, from the text of a job that was kept. name: stands in the errors. base:
    the folder that relative paths hang on.

    Raises:
        SpecError: see `load_spec`.
    """
    return _accepted(Asked(_document(text, name)), base, execution, overrides, env)


def _document(text: str, name: str) -> Document:
    """A text that was kept, as if it were a file."""
    kind = ".json" if text.lstrip().startswith("{") else ".yaml"
    return replace(parse(text.encode(errors="replace"), f"text{kind}"), name=name)


def _accepted(
    asked: Asked,
    base: str,
    execution: str | os.PathLike[str] | None,
    overrides: Sequence[str],
    env: Mapping[str, str] | None,
    look: Look | None = None,
) -> Job:
    text = asked.text
    if not isinstance(asked.data, dict):
        asked.add((), shown(asked.data), "a mapping: the keys of a job")
        raise _error(asked)
    policy = read_policy()
    _lay_execution(asked, execution, overrides)
    asked.expand(os.environ if env is None else env, policy)
    asked.make_absolute(base)
    spec = _validated(asked, JobSpec)
    check_job(asked, draft_of(asked, spec), policy, look)
    if spec is None or asked.problems:
        raise _error(asked)
    if not asked.has("pool"):
        spec = spec.model_copy(update={"pool": os.path.join(base, spec.pool)})
    return Job(under_policy(spec, policy.rules.limits), text, base)


def load_limits(path: str | os.PathLike[str]) -> Limits:
    """Read a file of limits: what a job has under `limits`, or a job file, of which nothing else
    is read then.

    Raises:
        SpecError: with every problem found.
    """
    asked = Asked(read_document(path))
    at: Path = ("limits",) if _OF_JOBS & set(asked.keys()) else ()
    found = asked.get(*at)
    if not isinstance(found, dict) or not found:
        expected = "a mapping: what a job has under `limits`"
        hint = "Without limits there is nothing to judge by: name a file that has some"
        asked.add(at, "nothing" if found is MISSING else shown(found), expected, hint if at else "")
        raise _error(asked)
    return _limits(asked, at, JobLimits if at else Limits)


def kept_limits(text: str, name: str) -> Limits:
    """What the text of a job, as a table keeps it, has under `limits`; nothing else is read of it.
    name: stands in the errors.

    Raises:
        SpecError: it is no job's text, or its limits are not what this version knows.
    """
    asked = Asked(_document(text, name))
    if not isinstance(asked.data, dict):
        asked.add((), shown(asked.data), "a mapping: the keys of a job")
        raise _error(asked)
    return _limits(asked, ("limits",), JobLimits) if asked.has("limits") else Limits()


_OF_JOBS = {"version", "name", "sources", "output", "limits"}
"""Keys that tell a job file from a file of limits."""


def _limits(asked: Asked, at: Path, model: type[Limits]) -> Limits:
    limits = _validated(asked, model, at)
    if limits is not None:
        check_limits(asked, limits, at)
    if limits is None or asked.problems:
        raise _error(asked)
    return limits


class _Options(Spec):
    execution: Execution


def load_storage_options(
    given: str, *, env: Mapping[str, str] | None = None
) -> dict[str, dict[str, Any]]:
    """Storage options by protocol or URI: what a job has under `execution.storage_options`, held
    to the operator's policy as there.

    given: a YAML or JSON file, or the mapping itself as JSON (text that begins with `{`).
    env: as in `load_spec`.

    Raises:
        SpecError: with every problem found.
    """
    if given.lstrip().startswith("{"):
        document = parse(given.encode(errors="replace"), "storage options")
    else:
        document = read_document(given)
    at = ("execution", "storage_options")
    data = {"execution": {"storage_options": document.data}}
    lines = {(*at, *path): line for path, line in document.lines.items()}
    asked = Asked(replace(document, data=data, lines=lines))
    policy = read_policy()
    asked.expand(os.environ if env is None else env, policy)
    found = _validated(asked, _Options)
    if found is not None:
        check_options(asked, found.execution.storage_options, policy)
    if found is None or asked.problems:
        raise _error(asked)
    return found.execution.storage_options


def check_storage_options(options: Options | None) -> None:
    """Hold the options that a program gives, `${NAME}` in them unexpanded, to the operator's policy
    as `load_storage_options` does. None: there are none, and the policy is read all the same.

    Raises:
        SpecError: with every problem found.
    """
    policy = read_policy()
    given = {name: dict(block) for name, block in (options or {}).items()}
    asked = Asked(Document("storage options", "", {"execution": {"storage_options": given}}))
    check_options(asked, given, policy)
    if asked.problems:
        raise _error(asked)


def _base_of(source: str | os.PathLike[str] | Mapping[str, Any]) -> str:
    if isinstance(source, Mapping):
        return os.getcwd()
    return os.path.dirname(os.path.abspath(os.fspath(source)))


def _lay_execution(
    asked: Asked, execution: str | os.PathLike[str] | None, overrides: Sequence[str]
) -> None:
    if execution is None and not overrides:
        return
    if asked.get("execution") is MISSING:
        asked.data["execution"] = {}
    if execution is not None:
        try:
            asked.merge_execution(read_document(execution))
        except SpecError as error:
            asked.problems += error.problems
    for override in overrides:
        asked.override(override)


def _validated(asked: Asked, model: type[_Model], at: Path = ()) -> _Model | None:
    try:
        return model.model_validate(asked.get(*at))
    except ValidationError as error:
        add_validation_errors(asked, error.errors(include_url=False), model, at)
        return None


def _error(asked: Asked) -> SpecError:
    """All problems, in the order of their lines; each once. Of very many the first."""
    unique = {str(p): p for p in asked.noted()}
    found = sorted(unique.values(), key=lambda p: _line_of(p, asked.name))
    if (rest := len(found) - _MOST_PROBLEMS) > 0:
        found[_MOST_PROBLEMS:] = [Problem(asked.name, f"{rest} more problems", "none")]
    return SpecError(found)


def _line_of(problem: Problem, name: str) -> tuple[bool, int]:
    """Problems of the job file come first, by line."""
    rest = problem.place.removeprefix(name)
    found = _LINE.match(rest)
    return rest == problem.place, int(found[1]) if found else 0
