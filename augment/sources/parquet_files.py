"""Which files of a Parquet source are read, for which split: by the names of files and folders.

Opens no table.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote

from augment.errors import PlanError, Problem
from augment.sources.kinds import IMAGES, ending_of
from augment.sources.left_out import Cause, LeftOut, Losses, summary
from augment.sources.parquet_reading import locate
from augment.spec.models import ParquetSource
from augment.storage import FileInfo, Folder, Left, Options


def tables_of(
    name: str, spec: ParquetSource, options: Options | None, losses: Losses
) -> tuple[Folder, list[tuple[FileInfo, str]]]:
    """(folder that locators hang on, its files with the split of each, "" if not known)."""
    place = f"sources.{name}"
    folder, only = locate(spec, options)
    if only:
        infos = [folder.info(only)]
    elif not folder.exists(""):
        raise PlanError(
            [Problem(f"{place}.uri", f"{spec.uri}, which does not exist", "Parquet files")]
        )
    elif folder.exists("_delta_log"):
        hint = "Its files also hold rows that the table has not (any more): export a version."
        raise PlanError([Problem(f"{place}.uri", f"the Delta table {spec.uri}", "files", hint)])
    else:
        infos = sorted(_tables(folder, losses))
    texts = {t: s for s, t in spec.splits.items() if isinstance(t, str)}
    if not texts or spec.columns.split is not None:
        return folder, [(info, "") for info in infos]
    named = [(info, _text_of(info.path, texts)) for info in infos]
    chosen = [(info, texts[text]) for info, text in named if text is not None]
    missing = sorted(set(texts.values()) - {s for _, s in chosen})
    if missing:
        found = LeftOut(name, 0, losses.losses())
        raise PlanError([_no_files(place, s, spec, infos, found) for s in missing])
    for info, text in named:
        if text is None:
            losses.add(Cause.UNASKED, info.path, "", _ENDING)
    return folder, chosen


_ENDING = "parquet"


def _tables(folder: Folder, losses: Losses) -> Iterator[FileInfo]:
    """The Parquet files of a folder. Images beside them are what their rows may name."""
    for item in folder.listed():
        ending = ending_of(item.path.rpartition("/")[2])
        if any(part.startswith((".", "_")) for part in item.path.split("/")):
            cause = Cause.HIDDEN
        elif isinstance(item, Left):
            cause = Cause(item.why)
        elif ending != _ENDING:
            cause = Cause.OTHER_FILE
        else:
            yield item
            continue
        if ending not in IMAGES:
            losses.add(cause, item.path, "", ending)


def _text_of(path: str, texts: dict[str, str]) -> str | None:
    top, _, below = path.partition("/")
    fits = [
        t
        for t in texts
        if path.startswith(f"{t}/")
        or (not below and (top.startswith(f"{t}-") or top[: -len(".parquet")] == t))
    ]
    return max(fits, key=len, default=None)


def _no_files(
    place: str, split: str, spec: ParquetSource, infos: list[FileInfo], found: LeftOut
) -> Problem:
    text = str(spec.splits[split])
    held = [i.path for i in infos]
    hint = f"It holds: {', '.join(held[:10]) or '(no Parquet files)'}; or name columns.split."
    return Problem(
        f"{place}.splits.{split}",
        f"{text!r}, for which {spec.uri} has no files",
        f"{text}/*.parquet, {text}-*.parquet or {text}.parquet",
        f"{hint} {summary(found)}".rstrip(),
    )


def partition(path: str, column: str) -> str | None:
    """The value of a column that stands in the name of a folder, `label=cat/`; None: in none."""
    for part in path.split("/")[:-1]:
        name, equals, value = part.partition("=")
        if equals and unquote(name) == column:
            return unquote(value)
    return None
