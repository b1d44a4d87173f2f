"""What a look at local sources shows: problems with their places in the job, names of classes."""

from __future__ import annotations

import os

from augment.errors import SpecError
from augment.places import is_local
from augment.policy import Policy
from augment.spec.asked import Asked
from augment.spec.draft import Draft
from augment.spec.files import read_label_map
from augment.spec.look import Look, Looked
from augment.spec.models import SourceSpec
from augment.spec.text import Path


def check_sources(asked: Asked, draft: Draft, look: Look, policy: Policy) -> frozenset[str] | None:
    """Note what is wrong with local sources that this machine lets a job read. The names that
    classes of the data set may have, where that can be told of every source of rows."""
    names: set[str] | None = set()
    for name, source in draft.sources.items():
        path: Path = ("sources", name)
        looked = Looked() if source is None else _looked(asked, path, source, look, policy)
        if source is not None and source.use != "rows":
            continue
        labels = None if source is None else mapped(source, looked.labels)
        names = None if names is None or labels is None else names | labels
    return None if names is None else frozenset(names)


def _looked(asked: Asked, path: Path, source: SourceSpec, look: Look, policy: Policy) -> Looked:
    local = source.uri
    named = asked.names_place((*path, "uri")) and is_local(local)
    if not named or not policy.allows_uri(local):
        return Looked()
    found = look(source, local)
    for problem in found.problems:
        hint = problem.hint
        if os.path.isabs(local) and not os.path.isabs(str(asked.written((*path, "uri")))):
            hint = hint.replace(f"{asked.base}{os.sep}", "")  # as the job says it
        asked.add((*path, *problem.path), problem.found, problem.expected, hint)
    return found


def mapped(source: SourceSpec, labels: frozenset[str] | None) -> frozenset[str] | None:
    """Labels as classes of the data set."""
    if labels is None or source.label_map is None:
        return labels
    try:
        return frozenset(read_label_map(source.label_map).values())
    except SpecError:
        return None  # told where the map is checked
