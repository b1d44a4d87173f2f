"""Which families can be used here: what they need beside augment, and what of it is installed.

An extra's needs stand in augment's own metadata; a package is there where its metadata are, in a
version that is asked for. Imports none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import metadata
from typing import NamedTuple

from packaging.requirements import InvalidRequirement, Requirement

from augment import DISTRIBUTION


class Missing(NamedTuple):
    """A package that is not here as it should be. wanted: as augment asks for it, `peft>=0.17`.
    found: the version that is here instead; None where there is none."""

    wanted: str
    found: str | None


def missing(
    extra: str,
    requires: Callable[[str], Iterable[str] | None] = metadata.requires,
    version: Callable[[str], str] = metadata.version,
) -> tuple[Missing, ...] | None:
    """What an extra of augment needs and this environment has not; None where augment is not
    installed, or in a version without that extra, so that nobody knows. requires, version: of an
    installed distribution."""
    try:
        needs = [Requirement(text) for text in requires(DISTRIBUTION) or ()]
    except (metadata.PackageNotFoundError, InvalidRequirement):
        return None
    own = [need for need in needs if _is_of(need, extra)]
    found = []
    for need in own:
        try:
            here = version(need.name)
        except metadata.PackageNotFoundError:
            found.append(Missing(f"{need.name}{need.specifier}", None))
            continue
        if not need.specifier.contains(here, prereleases=True):
            found.append(Missing(f"{need.name}{need.specifier}", here))
    return tuple(found) if own else None


def _is_of(need: Requirement, extra: str) -> bool:
    """Whether it is needed with the extra, and not without."""
    asked = need.marker
    return asked is not None and asked.evaluate({"extra": extra}) and not asked.evaluate()
