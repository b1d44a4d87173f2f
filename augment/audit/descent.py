"""Does a row descend from a real image of another split?

A copy in train of a test image is a test image that was learned from, however it was changed; its
pixels do not show it, its `parents` do. Real parents are known by their bytes. A parent that is
itself made is looked at in its own row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from augment.audit.findings import Check, Finding, counted, folded, not_judged
from augment.audit.ids import first_64_bits
from augment.audit.shares import RealImages
from augment.audit.table import DataSet, Shard, open_shard
from augment.escaping import short_id

_ASKS = "every row made from images stands in the split of its real parents"
_SHOWN = 3
_BATCH = 1 << 16


def check_descent(data: DataSet, images: RealImages) -> tuple[list[Check], list[Finding]]:
    """Fails for rows whose real parents stand in another split alone. images: the real rows."""
    if not images.known:
        return [Check("descent", None, f"{_ASKS}: not checked, a shard has no sha256")], []
    if not images.rows:
        return [not_judged("descent", _ASKS, "there are no real rows")], []
    by_split = images.by_split()
    found = Counter[tuple[str, str]]()
    examples: dict[tuple[str, str], list[str]] = {}
    made = 0
    for shard in data.shards:
        for batch in _read(data, shard):
            made += _look(batch, by_split, found, examples)
    if not made:
        return [not_judged("descent", _ASKS, "no row names a real parent")], []
    findings = [
        Finding(
            "descent",
            f"{counted(n, 'row', 'rows')} of split {split!r} {'is' if n == 1 else 'are'} made "
            f"from real images of split {other!r}, for example "
            f"{', '.join(examples[split, other])}: what is judged on {other!r} was learned from; "
            "leave these rows out",
            n,
        )
        for (split, other), n in sorted(found.items())
    ]
    if findings:
        return [Check("descent", False, f"{_ASKS}: not so for {sum(found.values())}")], folded(
            findings
        )
    return [Check("descent", True, f"{_ASKS}: {made} parents")], []


def _read(data: DataSet, shard: Shard) -> Iterator[pa.RecordBatch]:
    """Ids, splits and the hashes of parents; nothing where a shard does not say them."""
    with open_shard(data, shard) as file:
        paths = file.paths()
        hashes = [p for p in paths if p.startswith("parents.") and p.endswith(".sha256")]
        if hashes and {"sample_id", "split"} <= set(paths):
            columns = ["sample_id", "split", *hashes]
            yield from file.iter_batches(batch_size=_BATCH, columns=columns)


def _look(
    batch: pa.RecordBatch,
    by_split: Mapping[str, np.ndarray],
    found: Counter[tuple[str, str]],
    examples: dict[tuple[str, str], list[str]],
) -> int:
    """How many real parents the rows of a batch have. Each row counts once a split."""
    parents = batch.column("parents")
    rows = pc.list_parent_indices(parents)
    hashes = parents.flatten().field("sha256")
    known = pc.is_valid(hashes)
    row_of = rows.filter(known).to_numpy()
    keys = first_64_bits(hashes.filter(known))
    splits = batch.column("split").to_pylist()
    own = np.array([splits[row] for row in row_of], object)
    there = {name: np.isin(keys, some) for name, some in by_split.items()}
    at_home = np.zeros(len(keys), bool)
    real = np.zeros(len(keys), bool)
    for name, inside in there.items():
        at_home |= inside & (own == name)
        real |= inside
    for other, inside in there.items():
        away = np.unique(row_of[inside & ~at_home])
        for row in away.tolist():
            place = (str(splits[row]), other)
            found[place] += 1
            some = examples.setdefault(place, [])
            if len(some) < _SHOWN:
                some.append(short_id(str(batch.column("sample_id")[row].as_py())))
    return int(real.sum())
