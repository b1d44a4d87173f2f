"""How far reading below a folder may go: where links may lead.

A link that stays inside is a name like any other. One that leaves is followed only where the
reader asked for it and the place is one that may be read. Knows nothing of who allows what.
"""

from __future__ import annotations

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


LEADS = {
    Odd.LEAVES: "outside the source; say `follow_links: true` in the source to read such links",
    Odd.REFUSED: "where the operator of this machine lets no job read",
}
"""Where a link leads that is not followed, to stand behind its place."""


@dataclass(frozen=True)
class Reach:
    """roots: true places that are read. follow: whether links may leave them. allowed: true
    places that anything which is read must lie in; None: anywhere."""

    roots: tuple[str, ...]
    follow: bool = False
    allowed: tuple[str, ...] | None = None

    def why_not(self, place: str) -> Odd | None:
        """Why what stands at a true place is not read; None where it is."""
        if not self.follow and not lies_in(place, self.roots):
            return Odd.LEAVES
        if self.allowed is not None and not lies_in(place, self.allowed):
            return Odd.REFUSED
        return None
