"""The recorded surface: its file, and which release it has to be of.

Before the first release there is nothing that anybody builds on: the record is of the code that
will be released, and is written again where a break is meant. Afterwards it is that of the last
release which CHANGELOG.md names, and is written once a release.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from tests.surface.items import Surface, Unjudged

FORMAT = 1
_NOTE = "written by `make surface-record`; see CONTRIBUTING.md, An API break"
_WIDTH = 140
_VERSION = r"(\d+)\.(\d+)\.(\d+)"


class Recorded(NamedTuple):
    """version: of the code that it was taken of. released: whether that was a release."""

    version: str
    released: bool
    surface: Surface


def read(path: Path) -> Recorded:
    """The record.

    Raises:
        Unjudged: there is none, or none of this format.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _unusable(path, "no such file") from None
    except (OSError, ValueError) as error:
        raise _unusable(path, f"{type(error).__name__}: {error}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        found = document.get("format") if isinstance(document, dict) else type(document).__name__
        raise _unusable(path, f"format {found}, expected {FORMAT}")
    version, released = document.get("version"), document.get("released")
    surface = document.get("surface")
    if not (isinstance(version, str) and re.fullmatch(_VERSION, version)):
        raise _unusable(path, f"`version` is {version!r}, expected three numbers")
    if not (isinstance(released, bool) and isinstance(surface, dict) and _is_surface(surface)):
        raise _unusable(path, "`released` or `surface` is not what it should be")
    return Recorded(version, released, surface)


def _is_surface(sections: dict[str, Any]) -> bool:
    return all(
        isinstance(items, dict) and all(isinstance(item, dict) for item in items.values())
        for items in sections.values()
    )


def _unusable(path: Path, why: str) -> Unjudged:
    return Unjudged(
        f"{path}: {why}. Restore it from git; where tests/surface has a new format, write it with "
        "that tests/surface in a checkout of the last release"
    )


def write(path: Path, recorded: Recorded) -> None:
    """Write the record, a fact a line as far as lines go."""
    document = {"format": FORMAT, "note": _NOTE, **recorded._asdict()}
    path.write_text(_lines(document, "") + "\n", encoding="utf-8")


def _lines(value: Any, indent: str) -> str:
    """JSON with what fits into one line on one line."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) + len(indent) <= _WIDTH or not value or not isinstance(value, dict | list):
        return flat
    inner = indent + " "
    if isinstance(value, list):
        rows = [f"{inner}{_lines(one, inner)}" for one in value]
        return "[\n" + ",\n".join(rows) + f"\n{indent}]"
    rows = [
        f"{inner}{json.dumps(key, ensure_ascii=False)}: {_lines(one, inner)}"
        for key, one in value.items()
    ]
    return "{\n" + ",\n".join(rows) + f"\n{indent}}}"


def last_release(changelog: str) -> str | None:
    """The version of the first heading that has one; None where nothing was released."""
    found = re.search(rf"^## \[{_VERSION}\]", changelog, re.MULTILINE)
    return None if found is None else ".".join(found.groups())


def may_break(old: str, new: str) -> bool:
    """Whether a version may take back what another one promised: a new major version may, before
    1.0 a new minor one (SemVer 2.0.0, 4 and 8)."""
    was, now = _parts(old), _parts(new)
    return now[:1] > was[:1] or (was[0] == 0 and now[:2] > was[:2])


def next_breaking(version: str) -> str:
    """The lowest version that may break what this one promised."""
    major, minor, _ = _parts(version)
    return f"{major + 1}.0.0" if major else f"0.{minor + 1}.0"


def older(one: str, other: str) -> bool:
    """Whether a version comes before another."""
    return _parts(one) < _parts(other)


def _parts(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
