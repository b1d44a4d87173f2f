"""Image folders: `<uri>/<split>/<class>/**/image`, or `<uri>/<class>/**/image` where the
splits are shares. A locator is the path below the uri, as it is stored.

Files with the ending of a known format are listed without a look; whether they are images shows
when they are read. Those under other endings, or none, are images where their first bytes say
so. Everything else is left out and counted.
"""

from __future__ import annotations

from augment.codec.formats import SNIFF_BYTES, sniff
from augment.errors import PlanError, Problem, StorageError
from augment.sources.fence import fenced
from augment.sources.kinds import IMAGES, ending_of, is_hidden, surely_none
from augment.sources.left_out import Cause
from augment.sources.listing import Listing, ListingBuilder, SoFar, nobody
from augment.sources.reading import about_one_file, in_order
from augment.spec.models import ImageFolderSource
from augment.spec.problems import nearest
from augment.storage import FileInfo, Folder, Left, Options

_LOOKED_AT_ONCE = 4096


def list_imagefolder(
    name: str, spec: ImageFolderSource, options: Options | None = None, seen: SoFar = nobody
) -> Listing:
    """Every image below the folders of the splits, and what is left out.

    Raises: PlanError where a folder is missing; StorageError.
    """
    folder = fenced(Folder(spec.uri, options), spec)
    places = {s: _clean(t) for s, t in spec.splits.items() if isinstance(t, str)} or {"": ""}
    if problems := _problems(name, spec, folder, places):
        raise PlanError(problems)
    found = ListingBuilder(seen)
    for split, place in places.items():
        _Walk(folder, split, place, found).list()
    return found.finish()


class _Walk:
    """The folder of one split on its way into a listing. doubtful: files to look into."""

    def __init__(self, folder: Folder, split: str, place: str, found: ListingBuilder) -> None:
        self._folder, self._split, self._place, self._found = folder, split, place, found
        self._start = len(place) + 1 if place else 0
        self._doubtful: list[FileInfo] = []

    def list(self) -> None:
        for label in self._folder.folders(self._place):
            if not is_hidden(f"{label}/", ""):
                self._found.folders.add(label)
        for item in self._folder.listed(self._place):
            if isinstance(item, Left):
                self._leave(item)
            else:
                self._take(item)
        self._look()

    def _take(self, info: FileInfo) -> None:
        below = info.path[self._start :]
        name = below[below.rfind("/") + 1 :]
        ending = ending_of(name)
        if ending in IMAGES and not is_hidden(below, name):
            self._add(info, below, name, ending)
        elif is_hidden(below, name):
            self._drop(Cause.HIDDEN, info.path, below, ending)
        elif surely_none(ending):
            self._drop(Cause.OTHER_FILE, info.path, below, ending)
        else:
            self._doubtful.append(info)
            if len(self._doubtful) >= _LOOKED_AT_ONCE:
                self._look()

    def _add(self, info: FileInfo, below: str, name: str, ending: str) -> None:
        if len(name) == len(below):
            self._drop(Cause.NO_CLASS, info.path, below, ending)
        elif not (below.isascii() or _is_text(below)):
            self._drop(Cause.NOT_TEXT, info.path, below, ending)
        else:
            label = below[: below.index("/")]
            self._found.add(info.path, label, self._split, info.size, info.token)

    def _look(self) -> None:
        """Look into the doubtful files; in threads where they are not local."""
        files, self._doubtful = self._doubtful, []
        looks = in_order(self._why_not, files, in_threads=not self._folder.is_local)
        for info, why in zip(files, looks, strict=True):
            below = info.path[self._start :]
            name = below[below.rfind("/") + 1 :]
            if why is None:
                self._add(info, below, name, ending_of(name))
            elif isinstance(why, Cause):
                self._drop(why, info.path, below, ending_of(name))

    def _why_not(self, info: FileInfo) -> Cause | str | None:
        if info.size == 0:
            return Cause.NO_IMAGE
        try:
            start = self._folder.start(info.path, SNIFF_BYTES)
        except FileNotFoundError:
            return _VANISHED
        except StorageError as error:
            if about_one_file(self._folder, error):
                return Cause.UNREADABLE
            raise
        return None if sniff(start) else Cause.NO_IMAGE

    def _leave(self, item: Left) -> None:
        """A name that is no file may be a folder: one in the folder of the split, of a class."""
        below = item.path[self._start :]
        name = below[below.rfind("/") + 1 :]
        ending = ending_of(name)
        label = below if below == name and ending not in IMAGES else ""
        if is_hidden(below, name) or is_hidden(f"{below}/", name):
            self._drop(Cause.HIDDEN, item.path, below, ending)
            return
        if label:
            self._found.folders.add(label)
        self._found.losses.add(Cause(item.why), item.path, label or _label_of(below), ending)

    def _drop(self, cause: Cause, path: str, below: str, ending: str) -> None:
        self._found.losses.add(cause, path, _label_of(below), ending)


_VANISHED = "vanished"


def _label_of(below: str) -> str:
    """The class folder of a path below the folder of a split; "" where it is in none."""
    return below.partition("/")[0] if "/" in below else ""


def _is_text(name: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in name)  # how os marks bytes of no text


def _clean(text: str) -> str:
    return "/".join(part for part in text.split("/") if part not in ("", "."))


def _problems(
    name: str, spec: ImageFolderSource, folder: Folder, places: dict[str, str]
) -> list[Problem]:
    place = f"sources.{name}"
    if not folder.exists(""):
        return [Problem(f"{place}.uri", f"{spec.uri}, which does not exist", "a folder of images")]
    problems = []
    for split, text in places.items():
        if text and not folder.exists(text):
            held = folder.folders(text.rpartition("/")[0])
            problems.append(
                Problem(
                    f"{place}.splits.{split}",
                    f"folder {text!r}, which does not exist in {spec.uri}",
                    f"one of the folders it holds: {', '.join(held[:20]) or '(none)'}",
                    nearest(text.rpartition("/")[2], held),
                )
            )
        for other, outer in places.items():
            if other != split and f"{text}/".startswith(f"{outer}/" if outer else ""):
                if text == outer and other < split:
                    continue  # told once
                problems.append(
                    Problem(
                        f"{place}.splits",
                        f"folder {text!r} of {split}, which lies in folder {outer!r} of {other}",
                        "folders apart from one another: an image has one split",
                    )
                )
    return problems
