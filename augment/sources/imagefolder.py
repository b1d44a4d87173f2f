"""Image folders: `<uri>/<split>/<class>/**/image`, or `<uri>/<class>/**/image` where the
splits are shares. A locator is the path below the uri, as it is stored.

Hidden files and folders and names without a known image extension are left out and
counted; whether the rest are images shows when they are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from augment.codec import EXTENSIONS
from augment.errors import PlanError, Problem, SampleError
from augment.sample import RealRow
from augment.sources.listing import Listing, ListingBuilder
from augment.sources.reading import in_order, read_file
from augment.spec.models import ImageFolderSource
from augment.spec.problems import nearest
from augment.storage import Folder, Options

_KNOWN = frozenset(f".{e}" for extensions in EXTENSIONS.values() for e in extensions)


def list_imagefolder(name: str, spec: ImageFolderSource, options: Options | None = None) -> Listing:
    """Every image name below the folders of the splits.

    Raises: PlanError where a folder is missing; StorageError.
    """
    folder = Folder(spec.uri, options)
    places = {s: _clean(t) for s, t in spec.splits.items() if isinstance(t, str)} or {"": ""}
    if problems := _problems(name, spec, folder, places):
        raise PlanError(problems)
    found = ListingBuilder()
    for split, place in places.items():
        start = len(place) + 1 if place else 0
        for info in folder.files(place):
            below = info.path[start:]
            if reason := _why_not(below):
                found.dropped[reason] += 1
            else:
                label = below.partition("/")[0]
                found.add(info.path, label, split, info.size, info.token)
    return found.finish()


def _why_not(below: str) -> str:
    """Why a path below a split's folder is not listed; "" if it is."""
    name = below.rpartition("/")[2]
    dot = name.rfind(".")
    if below.startswith(".") or "/." in below or name[dot:].lower() not in _KNOWN:
        return "not an image name"
    if len(name) == len(below):
        return "not in a class folder"
    if not (below.isascii() or _is_text(below)):
        return "name is not UTF-8"
    return ""


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


class ImageFolderReader:
    """Reads the files of an image folder; in threads where it is not local."""

    def __init__(self, name: str, spec: ImageFolderSource, options: Options | None = None) -> None:
        self.name = name
        self._folder = Folder(spec.uri, options)

    def read(self, rows: Sequence[RealRow]) -> Iterator[bytes | SampleError]:
        """See `SourceReader.read`."""

        def one(row: RealRow) -> bytes | SampleError:
            return read_file(self._folder, row.locator, row.size, row.token)

        return in_order(one, rows, in_threads=not self._folder.is_local)
