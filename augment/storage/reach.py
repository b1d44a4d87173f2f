"""How far reading below a folder may go: where links lead, and where they may.

A link that stays inside is a name like any other. One that leaves is followed only where the
reader asked for it and the place is one that may be read. Knows nothing of who allows what.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum

from augment.policy import lies_in


class Odd(StrEnum):
    """Why a name in a local folder is no file that can be read there."""

    NOTHING = "link_to_nothing"
    LOOP = "link_in_a_loop"
    LEAVES = "link_that_leaves"
    REFUSED = "link_to_a_refused_place"
    SPECIAL = "special_file"
    UNREADABLE = "unreadable"


OF_A_SOURCE = "outside the source; say `follow_links: true` in the source to read such links"
LEADS = {
    Odd.REFUSED: "where the operator of this machine lets no job read",
}
"""Where a link leads that is never followed."""


@dataclass(frozen=True)
class Reach:
    """roots: true places that are read. follow: whether links may leave them. allowed: true
    places that anything which is read must lie in; None: anywhere. leaving: of a link that leaves
    them, where it leads and the way out, as an error says it."""

    roots: tuple[str, ...]
    follow: bool = False
    allowed: tuple[str, ...] | None = None
    leaving: str = OF_A_SOURCE

    def leads(self, why: Odd) -> str:
        """What an error says of a link that is not followed, behind its place."""
        return LEADS.get(why, self.leaving)

    def why_not(self, place: str) -> Odd | None:
        """Why what stands at a true place is not read; None where it is."""
        if not self.follow and not lies_in(place, self.roots):
            return Odd.LEAVES
        if self.allowed is not None and not lies_in(place, self.allowed):
            return Odd.REFUSED
        return None


_MOST_KNOWN = 10_000


class TruePlaces:
    """Where links lead, links on the way followed. Very many links lead into few folders (a DVC
    cache has 256), so each folder is looked up once."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def of(self, folder: str, name: str) -> str:
        """The true place that the link `name` leads to. folder: its own true place.

        Raises: OSError where there is no such link."""
        target = os.readlink(os.path.join(folder, name))
        while target.startswith("../"):  # of a true place, the folder above needs no look
            folder, target = os.path.dirname(folder), target[3:]
        above, last = os.path.split(os.path.join(folder, target))
        if last in ("", ".", ".."):
            return os.path.realpath(os.path.join(folder, target))
        place = os.path.join(self._true(above), last)
        return os.path.realpath(place) if os.path.islink(place) else place

    def _true(self, folder: str) -> str:
        found = self._known.get(folder)
        if found is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            found = self._known[folder] = os.path.realpath(folder)
        return found
