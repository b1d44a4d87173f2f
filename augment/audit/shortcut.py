"""The check whether the file format gives generated rows away: what a classifier would learn in
place of the classes. It looks at some images of each split, at their headers alone.

What marks a row as generated (XMP) is no shortcut: who trains on pixels never sees it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import pyarrow as pa

from augment.audit.encoding import LEAST, Encoded, Told, facts_of, told
from augment.audit.findings import Check, Finding, not_judged
from augment.audit.shard_file import image_bytes
from augment.audit.table import DataSet, Shard, open_shard
from augment.errors import SampleError
from augment.sample import GENERATED_ORIGINS, Origin
from augment.seeds import order_key
from augment.spec.models import Errors

WORST = 0.9
"""Area under the ROC curve above which an audit fails; 1 is a container of their own."""
DOUBTFUL = 0.75
_NAME = "shortcut"
_ASKS = "the file format does not tell generated rows from real ones"
_GROUPS = 8
"""Row groups of a split that are read at most: some hundred megabytes."""
_ROWS = 4096
_COLUMNS = ("sample_id", "image", "label_name", "split", "origin", "generated")
_WORDS = {
    "container": "the container",
    "subsampling": "the subsampling of colour",
    "quality": "the JPEG quality",
    "width": "the width",
    "height": "the height",
    "shape": "the ratio of width to height",
}


def check_shortcut(data: DataSet, counts: pa.Table) -> tuple[list[Check], list[Finding]]:
    """Look at some rows of each split: real ones that nothing was done to, and generated ones.
    counts: of the version's rows; splits without enough of both are not read.

    Raises:
        StorageError: a shard vanished or is damaged.
    """
    asked = _splits(counts)
    seen = _rows_of(data, asked) if asked else {}
    found = {split: result for split, rows in seen.items() if (result := told(rows)) is not None}
    if not found:
        why = f"fewer than {LEAST} real and {LEAST} generated rows stand in classes that have both"
        return [not_judged(_NAME, _ASKS, why)], []
    findings = [f for split, result in sorted(found.items()) for f in _finding(split, result)]
    said = "; ".join(f"split {split}: {_figure(result)}" for split, result in sorted(found.items()))
    return [Check(_NAME, not findings, f"{_ASKS}: {said}")], findings


def _figure(result: Told) -> str:
    return (
        f"AUC {result.auc:.2f} [{result.low:.2f}, {result.high:.2f}] of {result.generated} "
        f"generated and {result.real} real rows"
    )


def _finding(split: str, result: Told) -> Iterator[Finding]:
    if result.auc <= DOUBTFUL:
        return
    fact, alone = result.best
    yield Finding(
        _NAME,
        f"split {split}: encoding alone tells generated rows from real ones of their class, "
        f"{_figure(result)}, most by {_WORDS[fact]} (alone {alone:.2f}; "
        f"expected at most {WORST:g}): use `output.image.format: match_real`",
        result.generated,
        warns=result.auc <= WORST,
    )


def _splits(counts: pa.Table) -> set[str]:
    """Splits that have enough of both."""
    kinds = Counter[tuple[str, bool]]()
    for cell in counts.to_pylist():
        if cell["generated"] or cell["origin"] == Origin.REAL:
            kinds[cell["split"], bool(cell["generated"])] += cell["n"]
    splits = {split for split, _ in kinds}
    return {s for s in splits if min(kinds[s, False], kinds[s, True]) >= LEAST}


def _rows_of(data: DataSet, asked: Collection[str]) -> dict[str, list[Encoded]]:
    """split -> some of its rows. Which ones depends on the shards alone, not on the time."""
    found: dict[str, list[Encoded]] = {}
    groups = dict.fromkeys(asked, 0)
    for shard in sorted(data.shards, key=lambda one: order_key(0, _NAME, one.path)):
        for row in _some(data, shard, groups):
            found.setdefault(str(row["split"]), []).extend(_encoded(row))
    return found


def _some(data: DataSet, shard: Shard, groups: dict[str, int]) -> Iterator[Mapping[str, Any]]:
    """Rows of a shard's row groups, while few of their split were read. groups: split that is
    asked about -> those that were read."""
    with open_shard(data, shard) as file:
        if set(_COLUMNS) - set(file.schema_arrow.names):
            return
        for group in range(file.num_row_groups):
            splits = file.read_row_group(group, columns=["split"])["split"].unique().to_pylist()
            wanted = [split for split in splits if groups.get(split, _GROUPS) < _GROUPS]
            if not wanted:
                continue
            groups |= {split: groups[split] + 1 for split in wanted}
            yield from _few(file.iter_batches(256, row_groups=[group], columns=[*_COLUMNS]))


def _few(batches: Iterator[pa.RecordBatch]) -> Iterator[Mapping[str, Any]]:
    left = _ROWS
    for batch in batches:
        yield from batch.slice(0, left).to_pylist()
        left -= batch.num_rows
        if left <= 0:
            return


def _encoded(row: Mapping[str, Any]) -> Iterator[Encoded]:
    made = bool(row["generated"]) or row["origin"] in GENERATED_ORIGINS
    data = image_bytes(row["image"])
    if not data or not (made or row["origin"] == Origin.REAL):
        return
    try:
        facts = facts_of(data, Errors().max_pixels)
    except SampleError:
        return  # --verify tells of it
    yield Encoded(str(row["sample_id"]), str(row["label_name"]), made, facts)
