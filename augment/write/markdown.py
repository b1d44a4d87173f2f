"""Text from outside in Markdown that people read: one place that escapes it."""

from __future__ import annotations


def escaped(text: object) -> str:
    """As one cell of a table, or within a line."""
    return str(text).replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
