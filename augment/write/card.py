"""The data set card: README.md, a pure function of one version of a table and its verdict.

Its `configs` name exactly the files of that version, so that `datasets.load_dataset`
sees no orphan, no running job and no withdrawn file. Remade when it is not the newest
version's. Knows nothing of how the rows were made.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml

from augment.errors import RequestError
from augment.escaping import code
from augment.escaping import markdown as escaped
from augment.sample import GENERATED_ORIGINS, KINDS, Origin
from augment.sources import read_left_out
from augment.sources.left_out import lines as left_out_lines
from augment.storage import Folder
from augment.tables import few, fold
from augment.write.card_jobs import job_facts
from augment.write.creation import table_classes
from augment.write.provenance import Cell, read_counts, read_job, read_verdict
from augment.write.table import live_files, newest_version, open_table

CARD = "README.md"
MAX_LISTED_FILES = 1000
_MOST = 20  # of a list that is no table
_ELSEWHERE = (
    "All counts are in the `counts` files of `_provenance/`; `augment audit . --all` shows them."
)
# Names of files that are not there: `datasets` refuses them, and without any it would load
# every file that it finds, orphans too.
_TOO_MANY = "too-many-files-to-list--read-this-table-through-its-delta-log"
_NO_ROWS = "this-version-has-no-rows"


def write_card(folder: Folder) -> int:
    """Write the card of the newest version where it is missing or another's; that version.

    Raises:
        RequestError: there is no table. StorageError: counts are missing, see `read_counts`.
    """
    while True:
        version = newest_version(folder)
        if version is None:
            raise RequestError(f"{folder.uri}: no table stands there; there is no card to write")
        card = render_card(folder, version).encode()
        if _present(folder) != card:
            folder.replace(CARD, card)
        if newest_version(folder) == version:  # else another commit came meanwhile
            return version


def card_is_current(folder: Folder, version: int) -> bool:
    """Whether README.md is this version's card."""
    return _present(folder) == render_card(folder, version).encode()


def render_card(folder: Folder, version: int) -> str:
    """The card of a version: front matter, counts, shares, how to read, where from."""
    rows_by_shard = {f.path: f.rows for f in live_files(folder, version)}
    cells: list[Cell] = read_counts(folder, rows_by_shard).to_pylist()
    table = open_table(folder, version)
    classes = (table and table_classes(table)) or sorted({c["label_name"] for c in cells})
    by_split = _grouped(cells, "split")
    parts = (
        _front_matter(by_split),
        _title(folder, version, cells, len(rows_by_shard)),
        *_all_counts(by_split, classes),
        _marking(cells),
        _reading(by_split, len(rows_by_shard)),
        _jobs(folder, cells, version),
    )
    return "\n\n".join(parts) + "\n"


def datasets_split(split: str) -> str:
    """A split's name as `datasets` allows it: letters, digits, `_` and inner dots."""
    return re.sub(r"\.(?=\.|$)", "_", re.sub(r"[^\w.]", "_", split))


def _present(folder: Folder) -> bytes | None:
    try:
        return folder.read(CARD)
    except FileNotFoundError:
        return None


def _grouped(cells: Iterable[Cell], key: str) -> dict[str, list[Cell]]:
    groups: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[cell[key]].append(cell)
    return dict(sorted(groups.items()))


def _rows(cells: Iterable[Cell]) -> int:
    return sum(cell["n"] for cell in cells)


def _generated(cells: Iterable[Cell]) -> int:
    return _rows(c for c in cells if c["generator"] or c["origin"] in GENERATED_ORIGINS)


def _front_matter(by_split: Mapping[str, Sequence[Cell]]) -> str:
    shards = {split: sorted({c["shard"] for c in rows}) for split, rows in by_split.items()}
    if not shards:
        shards = {"train": [_NO_ROWS]}
    if sum(map(len, shards.values())) > MAX_LISTED_FILES:
        shards = {split: [_TOO_MANY] for split in shards}
    data_files = [{"split": datasets_split(s), "path": paths} for s, paths in shards.items()]
    matter: dict[str, Any] = {"configs": [{"config_name": "default", "data_files": data_files}]}
    return f"---\n{yaml.safe_dump(matter, sort_keys=False)}---"


def _title(folder: Folder, version: int, cells: Sequence[Cell], files: int) -> str:
    name = folder.uri.rstrip("/").rpartition("/")[2]
    return (
        f"# {escaped(name)}\n\nVersion {version} of this table: {_rows(cells):,} rows in {files:,} "
        "Parquet files, made by `augment`. This file is remade with every version."
    )


def _all_counts(by_split: Mapping[str, Sequence[Cell]], classes: Sequence[str]) -> Iterator[str]:
    """A section a split; of many splits, those with the most and the fewest rows."""
    some, more = fold(list(by_split.items()), lambda _: 0, lambda one: _rows(one[1]))
    for split, cells in some:
        yield _counts(split, classes, cells)
    if more:
        yield f"And {more} more splits. {_ELSEWHERE}"


def _counts(split: str, classes: Sequence[str], cells: Sequence[Cell]) -> str:
    """Of many classes those without a row, and those with the most and the fewest."""
    shown = [word for word, of in KINDS.items() if any(c["origin"] in of for c in cells)]
    by_class = _grouped(cells, "label_name")
    lines = [f"| class | {' | '.join([*shown, 'all'])} |", "|---|" + "---:|" * (len(shown) + 1)]
    some, more = fold(
        list(classes),
        lambda name: name not in by_class,
        lambda name: _rows(by_class.get(name, ())),
    )
    lines += [_line(escaped(name), by_class.get(name, ()), shown) for name in some]
    lines.append(_line("**all**", cells, shown))
    table = "\n".join(lines)
    if more:
        table += f"\n\n{len(some)} of {len(classes)} classes are shown. {_ELSEWHERE}"
    return f"## Split {escaped(split)}\n\n{table}\n\n{_shares(cells)}"


def _line(name: str, cells: Sequence[Cell], words: Sequence[str]) -> str:
    counts = [_rows(c for c in cells if c["origin"] in KINDS[word]) for word in words]
    return f"| {' | '.join([name, *map(str, counts), str(sum(counts))])} |"


def _shares(cells: Sequence[Cell]) -> str:
    generated, rows = _generated(cells), _rows(cells)
    real = _rows(c for c in cells if c["origin"] == Origin.REAL)
    to_real = f"{generated} / {real} = {generated / real:.4f}" if real else f"{generated} / 0"
    return (
        f"Generated rows of all rows (`synthetic_share`): {generated} / {rows} = "
        f"{generated / rows:.4f}. Generated to untouched real rows (`synthetic_to_real`): "
        f"{to_real}."
    )


def _marking(cells: Sequence[Cell]) -> str:
    if not _generated(cells):
        return "## Generated content\n\nNo row of this version was made by a generator."
    return (
        "## Generated content\n\n"
        "Rows with `generated = true` were made by a generator, or have an ancestor that was. "
        "Their images carry an XMP packet with `Iptc4xmpExt:DigitalSourceType`, "
        "`Iptc4xmpExt:AISystemUsed` and the `sample_id` as `dc:identifier`; columns `marks`, "
        "`digital_source_type` and `generator` say the same. Encoding an image again loses "
        "its mark."
    )


_ALWAYS = """\
from urllib.parse import unquote

import polars
from augment.api import open_dataset
from deltalake import DeltaTable

table = "."  # this folder
files = [unquote(uri) for uri in DeltaTable(table).file_uris()]  # a log quotes its paths
rows = polars.scan_parquet(files).select("sample_id", "split", "label_name", "origin")
print(rows.group_by("split", "label_name", "origin").len().collect())

dataset = open_dataset(table)  # exactly the newest version"""

_LISTED = """\
from pathlib import Path

import datasets

here = str(Path.cwd())  # this folder, by its name: `datasets` does not take "."
splits = datasets.load_dataset(here)  # reads the files that this card names
print({name: split.num_rows for name, split in splits.items()})"""


def _reading(by_split: Mapping[str, Sequence[Cell]], files: int) -> str:
    text = "## How to read it\n\nThe Delta log says which files are part of the table."
    if files > MAX_LISTED_FILES:
        return (
            f"{text} There are more than {MAX_LISTED_FILES:,} of them, too many for this card "
            "to name, so `datasets.load_dataset` on this folder finds none: read through Delta "
            f"or `augment.api.open_dataset`.\n\n```python\n{_ALWAYS}\n```"
        )
    renamed = [f"{code(s)} is {code(n)}" for s in by_split if (n := datasets_split(s)) != s]
    names = f"\n\nFor `datasets`, split {few(renamed, _MOST)}." if renamed else ""
    listed = f"\n\n```python\n{_LISTED}\n```" if by_split else ""
    return f"{text}\n\n```python\n{_ALWAYS}\n```{listed}{names}"


def _jobs(folder: Folder, cells: Sequence[Cell], version: int) -> str:
    lines, facts = ["## Where it comes from", ""], list[str]()
    by_job = _grouped([{**c, "job": _job(c["shard"])} for c in cells], "job")
    some, more = fold(list(by_job.items()), lambda _: 0, lambda one: _rows(one[1]))
    for job_id, rows in some:
        job = read_job(folder, job_id) or {}
        lines.append(
            f"- {code(f'_provenance/{job_id}/')}: the job, its counts and what was left out "
            f"({_rows(rows):,} rows; request digest {code(job.get('digest', 'unknown'))})"
        )
        lines += _copies(job)
        lines += _left_out(job)
        if job:
            facts += ["", job_facts(job_id, job, read_verdict(folder, job_id), version)]
    lines += [f"- and {more} more jobs, each with a folder in `_provenance/`"] if more else []
    lines += ["", "`augment trace` shows the ancestry of a row, `augment audit` judges the table."]
    return "\n".join([*lines, *facts])


def _copies(job: Mapping[str, Any]) -> list[str]:
    """What became of a job's classical copies, an augmentation a line; nothing where it does not
    say."""
    found = job.get("copies")
    told = [
        f"  - copies by {code(name)}: {_number(n.get('made'))}; drawn again because they showed "
        f"their parent: {_number(n.get('redrawn'))}; equal to their parent all the same: "
        f"{_number(n.get('unchanged'))}"
        for name, n in (found.items() if isinstance(found, dict) else ())
        if isinstance(n, dict)
    ]
    more = [f"  - and copies by {len(told) - _MOST} more"] if len(told) > _MOST else []
    return [*told[:_MOST], *more]


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "0" if value is None else escaped(value)


def _left_out(job: Mapping[str, Any]) -> list[str]:
    """What stood in a job's sources and was not planned, a cause a line."""
    told = [line for one in read_left_out(job)[:_MOST] for line in left_out_lines(one)]
    return [f"{'    ' if line.startswith(' ') else '  '}- {escaped(line.strip())}" for line in told]


def _job(shard: str) -> str:
    parts = shard.split("/")  # data/<split>/<job>/<unit>-<sha12>.parquet
    return parts[2] if len(parts) == 4 else "unknown"
