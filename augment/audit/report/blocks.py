"""What a report is made of. Plain values, without a word of HTML or Markdown."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeVar

from augment.tables import fold

MOST_ROWS = 2000
"""Rows of one table on the page; a reader searches them at once, and files stay small."""
State = Literal["ok", "fail", "warn", "none"]


@dataclass(frozen=True)
class Mark:
    """A word with a state, which is said in words and not in colour alone."""

    text: str
    state: State
    kind: ClassVar[str] = "mark"


@dataclass(frozen=True)
class Code:
    """A text that is copied as it stands, or a digest; `short` is what is shown of it."""

    text: str
    short: str | None = None
    copied: bool = False
    kind: ClassVar[str] = "code"


Cell = str | Mark | Code


@dataclass(frozen=True)
class Text:
    """A paragraph. aside: it explains, and is no result."""

    text: str
    aside: bool = False
    kind: ClassVar[str] = "text"


@dataclass(frozen=True)
class Command:
    """A line for a shell."""

    text: str
    kind: ClassVar[str] = "command"


@dataclass(frozen=True)
class Tiles:
    """Figures that are read first: (figure, what it is)."""

    figures: tuple[tuple[str, str], ...]
    kind: ClassVar[str] = "tiles"


@dataclass(frozen=True)
class Row:
    """group: by which a reader may filter. more: one of many that matter less; not printed.
    anchor: what a link on the page leads to."""

    cells: tuple[Cell, ...]
    group: str = ""
    more: bool = False
    anchor: str = ""


@dataclass(frozen=True)
class Table:
    """name: unique on the page. head: of as many columns as every row has cells, of which the first
    `texts` are text and the others numbers. grouped: what the groups of its rows are called; empty:
    nobody filters by them. folded: shown only when asked for."""

    name: str
    title: str
    head: tuple[str, ...]
    rows: tuple[Row, ...]
    texts: int = 1
    grouped: str = ""
    folded: bool = False
    kind: ClassVar[str] = "table"

    @property
    def groups(self) -> tuple[str, ...]:
        """By which a reader may filter: of rows that are shown, in order of appearance."""
        if not self.grouped:
            return ()
        return tuple(dict.fromkeys(row.group for row in self.shown if row.group))

    @property
    def shown(self) -> tuple[Row, ...]:
        """At most `MOST_ROWS` of its rows, of more those that matter, and the first others."""
        room = MOST_ROWS - self.printed
        if len(self.rows) <= MOST_ROWS:
            return self.rows
        others = [n for n, row in enumerate(self.rows) if row.more][: max(0, room)]
        kept = {*others, *(n for n, row in enumerate(self.rows) if not row.more)}
        return tuple(row for n, row in enumerate(self.rows) if n in kept)

    @property
    def printed(self) -> int:
        """Rows that are printed."""
        return sum(not row.more for row in self.rows)


@dataclass(frozen=True)
class Chart:
    """spec: of Vega-Lite. about: what it shows, for those who do not see it."""

    name: str
    title: str
    about: str
    spec: Mapping[str, Any]
    kind: ClassVar[str] = "chart"


def source_of(image: bytes) -> str:
    """WebP as an address that holds it; empty where there is none."""
    return f"data:image/webp;base64,{b64encode(image).decode()}" if image else ""


@dataclass(frozen=True)
class Picture:
    """A small picture of a row. image: bytes of WebP, None where none can be shown. exact: it has
    the pixels of the row, and is enlarged without smoothing."""

    class_name: str
    origin: str
    image: bytes | None
    sample_id: str | None = None
    generator: str | None = None
    exact: bool = False
    note: str = ""


Strips = tuple[tuple[str, tuple[Picture, ...]], ...]
"""(caption, pictures) of what stands side by side."""


@dataclass(frozen=True)
class Gallery:
    """Lines of pictures: (title, strips)."""

    name: str
    title: str
    strips: tuple[tuple[str, Strips], ...]
    kind: ClassVar[str] = "gallery"


Block = Text | Command | Tiles | Table | Chart | Gallery


@dataclass(frozen=True)
class Section:
    """name: unique on the page."""

    name: str
    title: str
    blocks: tuple[Block, ...]


T = TypeVar("T")


def chosen(
    rows: Sequence[T], trouble: Callable[[T], float], figure: Callable[[T], float]
) -> frozenset[int]:
    """Numbers of those rows that matter most, as `tables.fold` has them; of few rows all."""
    some, _ = fold(
        range(len(rows)), lambda n: trouble(rows[n]), lambda n: figure(rows[n]), everything=False
    )
    return frozenset(some)
