"""Compares the surface of the code with that of the last release: `make surface`.

Exit codes: 0 nothing that others build on broke (or the version was raised for it), 1 something
did, 2 they could not be compared, which is never 0. With --record it writes the record anew, where
that is right: before the first release, and once with each release.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from augment import __version__
from tests.surface import record
from tests.surface.compare import changes, count
from tests.surface.items import Change, Surface, Unjudged
from tests.surface.present import present
from tests.surface.record import Recorded

RECORD = Path(__file__).with_name("recorded.json")
CHANGELOG = Path(__file__).parents[2] / "CHANGELOG.md"


class Now(NamedTuple):
    """The code as it is. last: the last release, None where there was none."""

    version: str
    last: str | None
    surface: Surface


def main(words: Sequence[str] | None = None) -> int:
    """The exit code."""
    asked = _parser().parse_args(words)
    path, changelog = Path(asked.recorded), Path(asked.changelog)
    try:
        last = record.last_release(changelog.read_text(encoding="utf-8"))
        now = Now(__version__, last, present())
        return recorded(path, now) if asked.record else judged(record.read(path), now)
    except (OSError, Unjudged) as error:
        print(f"surface: NOT COMPARED: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.surface", description=__doc__)
    parser.add_argument("--record", action="store_true", help="write the record anew")
    parser.add_argument("--recorded", metavar="FILE", default=str(RECORD))
    parser.add_argument("--changelog", metavar="FILE", default=str(CHANGELOG))
    return parser


def judged(old: Recorded, now: Now) -> int:
    """Tell every difference; the exit code.

    Raises:
        Unjudged: the record is not of the last release, or the surfaces cannot be compared.
    """
    _refuse_another_release(old, now)
    found = changes(old.surface, now.surface)
    breaks = [one for one in found if one.breaks]
    allowed = old.released and record.may_break(old.version, now.version)
    for one in found:
        print(f"{('allowed' if allowed else 'BROKEN') if one.breaks else 'added'}  {one}")
    against = f"release {old.version}" if old.released else f"what {old.version} will release"
    print(
        f"surface: {count(old.surface)} things of {against} compared: "
        f"{len(breaks)} broken, {len(found) - len(breaks)} added"
    )
    if not breaks:
        return 0
    print(_allowed(old, now) if allowed else _way_out(old))
    return 0 if allowed else 1


def _refuse_another_release(old: Recorded, now: Now) -> None:
    released = old.version if old.released else None
    if released != now.last:
        raise Unjudged(
            f"CHANGELOG.md names {now.last or 'nothing'} as the last release, the recorded surface "
            f"is of {released or 'nothing that was released'}; write it with `make surface-record` "
            "in the commit of the release"
        )
    if record.older(now.version, old.version):
        raise Unjudged(f"augment {now.version} is older than the recorded surface, {old.version}")


def _way_out(old: Recorded) -> str:
    """What to do about breaks."""
    if old.released:
        meant = f"raise the version to {record.next_breaking(old.version)}"
    else:
        meant = "record it with `make surface-record` (nothing was released yet)"
    return f"Restore what is BROKEN. Where a break is meant: {meant}, and say it in CHANGELOG.md."


def _allowed(old: Recorded, now: Now) -> str:
    return f"{now.version} may break what {old.version} promised; CHANGELOG.md has to say each."


def recorded(path: Path, now: Now) -> int:
    """Write the record, unless it would hide a break or is not due.

    Raises:
        Unjudged: it is not due.
    """
    if now.last not in (None, now.version):
        raise Unjudged(
            f"a surface is recorded with its release: augment is {now.version}, CHANGELOG.md names "
            f"{now.last} as the last one; give {now.version} its heading there first"
        )
    try:
        old = record.read(path)
    except Unjudged:
        old = None  # none, or of another format: git shows what is written over
    new = Recorded(now.version, now.last is not None, now.surface)
    found = changes(now.surface if old is None else old.surface, new.surface)
    if old is not None and old.released and (refused := _hides(old, new, found)):
        print(*found, refused, sep="\n", file=sys.stderr)
        return 1
    for one in found:
        print(f"{'BROKEN' if one.breaks else 'added'}  {one}")
    record.write(path, new)
    print(f"surface: {count(new.surface)} things of {new.version} recorded in {path}")
    return 0


def _hides(old: Recorded, new: Recorded, found: Sequence[Change]) -> str | None:
    """Why a release's record may not be written over."""
    if not new.released:
        return f"the record is of release {old.version}, which CHANGELOG.md does not name any more"
    if old.version == new.version:
        return f"{old.version} was released with the recorded surface" if found else None
    if any(one.breaks for one in found) and not record.may_break(old.version, new.version):
        return f"{new.version} may not break what {old.version} promised. {_way_out(old)}"
    return None


if __name__ == "__main__":
    sys.exit(main())
