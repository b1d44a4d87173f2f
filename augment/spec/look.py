"""A look at a local source from outside: whether it is there, and the names of its classes.

As far as listings of single folders go, so that `validate` can say what `plan` would refuse. Opens
no file. What it does not find out, `plan` still does.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from augment.spec.models import ImageFolderSource, SourceSpec
from augment.spec.problems import PATH, nearest, shown
from augment.spec.text import Path

_MOST_ENTRIES = 100_000
_SHOWN = 10


class Seen(NamedTuple):
    """One thing that is wrong. path: below the source."""

    path: Path
    found: str
    expected: str
    hint: str = ""


@dataclass
class Looked:
    """problems: what `plan` would refuse. labels: those that the source may have and no others;
    None where that cannot be told from outside."""

    problems: list[Seen] = field(default_factory=list)
    labels: frozenset[str] | None = None


Look = Callable[[SourceSpec, str], Looked]
"""Of a local source and its path. A reader of a format may open files; it is given to
`load_spec` by who knows the format."""


def look_at_images(spec: ImageFolderSource, local: str) -> Looked:
    """A folder of images. local: its path."""
    if problem := missing(local, "a folder of images", folder=True):
        return Looked([problem])
    places = {s: t for s, t in spec.splits.items() if isinstance(t, str)} or {"": ""}
    problems: list[Seen] = []
    labels: set[str] | None = set()
    for split, text in places.items():
        path: Path = ("splits", split) if split else ("uri",)
        if ".." in text.split("/"):
            problems.append(Seen(path, f"{shown(text)}, which leaves the source", "a folder in it"))
            continue
        try:
            classes = _classes(local, text)
        except FileNotFoundError:
            problems.append(_no_split(path, text, local))
            continue
        except OSError as error:
            found = f"an error ({error.strerror}) at {shown(os.path.join(local, text), PATH)}"
            problems.append(Seen(path, found, "a folder that can be read"))
            continue
        if classes is None:
            labels = None
        elif not classes:
            problems.append(_no_classes(path, text, local))
        elif labels is not None:
            labels |= classes
    return Looked(problems, None if labels is None or problems else frozenset(labels))


def missing(local: str, what: str, *, folder: bool) -> Seen | None:
    """The problem that nothing, or no folder, stands at a path; None where it does."""
    if os.path.isdir(local) or (not folder and os.path.isfile(local)):
        return None
    if os.path.exists(local):
        return Seen(("uri",), f"{shown(local, PATH)}, which is no folder", what)
    there, gone = os.path.split(local.rstrip("/"))
    while not os.path.isdir(there) and os.path.dirname(there) != there:
        there, gone = os.path.split(there)
    names = list(_some_names(there))
    hint = nearest(gone, names)
    if hint:
        near = os.path.join(there, hint.removeprefix("Did you mean '").removesuffix("'?"))
        hint = f"Did you mean {near!r}?"
    else:
        hint = f"{there} holds: {', '.join(names[:_SHOWN]) or '(nothing)'}"
    return Seen(("uri",), f"{shown(local, PATH)}, which does not exist", what, hint)


def _some_names(folder: str) -> Iterator[str]:
    """Names in a folder that one may have meant."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(e.name for e, _ in zip(entries, range(_MOST_ENTRIES), strict=False))
    except OSError:
        return
    yield from (n for n in names if not n.startswith(".") and n.isprintable())


def _classes(local: str, text: str) -> set[str] | None:
    """Names of the class folders of a split, and of links, wherever they lead: what becomes of
    those, `plan` says. None where there is too much to look at.

    Raises: OSError.
    """
    found: set[str] = set()
    with os.scandir(os.path.join(local, text)) as entries:
        for n, entry in enumerate(entries):
            if n >= _MOST_ENTRIES:
                return None
            folder = entry.is_symlink() or entry.is_dir(follow_symlinks=False)
            if not entry.name.startswith(".") and folder:
                found.add(unicodedata.normalize("NFC", entry.name))
    return found


def _no_split(path: Path, text: str, local: str) -> Seen:
    above, name = os.path.split(text.rstrip("/"))
    there = [n for n in _some_names(os.path.join(local, above))
             if os.path.isdir(os.path.join(local, above, n))]  # fmt: skip
    held = ", ".join(there[:_SHOWN]) or "(none)"
    return Seen(
        path,
        f"folder {shown(text)}, which does not exist in {shown(local, PATH)}",
        f"one of the folders it holds: {held}",
        nearest(name, there),
    )


def _no_classes(path: Path, text: str, local: str) -> Seen:
    found = f"folder {shown(os.path.join(local, text).rstrip('/'), PATH)}, which holds no folder"
    return Seen(path, found, "a folder for each class, with its images", "<class>/<image>")
