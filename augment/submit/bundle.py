"""What of a job travels to a cluster, and what of it the cluster could not reach.

The job file travels as it was written, variables not expanded, so that no secret leaves with it.
Small files beside it travel too: class lists, label maps, class indexes, pipelines, manifests.
Images, checkpoints, the pool and the output never do: they are a URI, or a path below a folder
that every node sees (`shared`). Knows nothing of Ray or Kubernetes.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from augment.errors import Problem, SpecError
from augment.places import is_local
from augment.secrecy import secret_leaves
from augment.spec.asked import Asked, read_document
from augment.spec.files import read_bytes
from augment.spec.load import Job
from augment.spec.problems import shown
from augment.spec.text import Document, Path, parse

MAX_BYTES = 32 << 20
_REACHED = "a URI, or an absolute path in a shared folder (--shared, on Kubernetes --volume)"
_FILES = ("file", "pipeline", "manifest")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True)
class Bundle:
    """files: what travels, by name relative to the folder that the job runs in. job, execution:
    their names among them. variables: names that the cluster's environment must have."""

    job: str
    execution: str | None
    files: Mapping[str, bytes]
    variables: tuple[str, ...]

    @property
    def size(self) -> int:
        return sum(map(len, self.files.values()))


def bundle_of(
    job: Job, name: str, *, execution: str | None = None, shared: Sequence[str] = ()
) -> Bundle:
    """Everything that has to travel. name: of the job file, for texts. execution: a file laid
    over the job's `execution`. shared: folders that every node of the cluster sees under the
    same path.

    Raises:
        SpecError: with everything that the cluster cannot reach.
    """
    documents = {_as("job", name): parse(job.text.encode(), name)}
    if execution is not None:
        documents[_as("execution", execution)] = read_document(execution)
    names = [*documents, None]
    asked = _asked(job, name)
    problems = [*asked.problems]
    files = {own: document.text.encode() for own, document in documents.items()}
    files |= _beside(asked, files, shared, problems)
    problems += _missing_pool(asked)
    for document in documents.values():
        problems += _literal_secrets(document)
    if problems:
        raise SpecError(problems)
    return Bundle(str(names[0]), names[1], files, _variables(documents.values()))


def _beside(
    asked: Asked, taken: Collection[str], shared: Sequence[str], problems: list[Problem]
) -> dict[str, bytes]:
    """The files that travel with the job; their sizes are looked at before they are read."""
    real = [os.path.realpath(folder) for folder in shared]
    base = os.path.realpath(asked.base)
    found, left = dict[str, bytes](), MAX_BYTES
    for path in asked.located():
        own = _travels(asked, path, real, problems)
        if own is None or own in found:
            continue
        if own in taken:
            problems.append(Problem(asked.place(path), shown(own), "another name: it is taken"))
            continue
        left -= _size(str(asked.get(*path)))
        if left < 0:
            text = f"{shown(own)}, with which more than {MAX_BYTES} bytes would travel"
            problems.append(Problem(asked.place(path), text, "less", "Name it by a URI"))
            break
        try:
            found[own] = read_bytes(str(asked.get(*path)), most=MAX_BYTES, inside=base)
        except SpecError as error:
            (told,) = error.problems
            text = f"{shown(own)}, {told.found}"
            problems.append(replace(told, place=asked.place(path), found=text))
    return found


def _size(path: str) -> int:
    """0 where it cannot be told: reading then says why."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _as(what: str, name: str) -> str:
    """The name that it travels under; its ending says how it is read."""
    return f"{what}.json" if name.lower().endswith(".json") else f"{what}.yaml"


def _asked(job: Job, name: str) -> Asked:
    """The job's values again, with every path absolute and what was written beside it."""
    asked = Asked(parse(job.text.encode(), name))
    asked.data.pop("execution", None)  # it names no place, and was laid over elsewhere
    asked.expand(os.environ)
    asked.make_absolute(job.base)
    return asked


def _travels(asked: Asked, path: Path, shared: list[str], problems: list[Problem]) -> str | None:
    """The name under which the file at `path` travels; None where it stays where it is."""
    uri, written = str(asked.get(*path)), str(asked.written(path))
    if uri.startswith("memory:"):
        problems.append(Problem(asked.place(path), shown(written), "a place outside a process"))
        return None
    if not is_local(uri) or (written.startswith(("/", "file:", "$")) and _below(uri, shared)):
        return None
    small = path[-1] in _FILES
    name = os.path.normpath(written)
    if small and not os.path.isabs(name) and name.split("/")[0] not in ("..", "~"):
        return name
    beside = "a file in the job's own folder, which travels with it, " if small else ""
    found = f"{shown(written)}, which the cluster cannot reach"
    problems.append(Problem(asked.place(path), found, beside + _REACHED))
    return None


def _below(local: str, shared: list[str]) -> bool:
    real = os.path.realpath(local)
    return any(real == folder or real.startswith(f"{folder.rstrip('/')}/") for folder in shared)


def _missing_pool(asked: Asked) -> Iterator[Problem]:
    if asked.has("synthesize") and not asked.has("pool"):
        found = "nothing, which is a folder beside the job file"
        yield Problem(asked.place(("pool",)), found, _REACHED)


def _variables(documents: Iterable[Document]) -> tuple[str, ...]:
    """Names of variables in values; a comment's are nobody's."""
    texts = [json.dumps(document.data, default=str) for document in documents]
    return tuple(sorted({name for text in texts for name in _VARIABLE.findall(text)}))


def _literal_secrets(document: Document) -> Iterator[Problem]:
    """A secret written out would be shown to everybody who may look at the cluster's jobs."""
    data = document.data if isinstance(document.data, dict) else {}
    for owner in (data, data.get("execution")):
        options = owner.get("storage_options") if isinstance(owner, dict) else None
        for key, value in secret_leaves(options):
            if value and "${" not in value:
                hint = "The job travels as written: anybody who may list jobs could read it"
                place = f"{document.name}: storage_options: {key}"
                yield Problem(place, "a value that looks secret", "a variable, ${NAME}", hint)
