"""Are the sample ids of a version unique? Exact, with bounded memory.

Ids are 128-bit numbers in hex: 16 bytes a row while they are sorted. Larger versions are
read in several passes, each of which looks at one part of all ids, so memory stays flat.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from augment.audit.table import DataSet, column, read_columns

_ROWS_PER_PASS = 1 << 26  # about 2.5 GB while sorting
_DIGITS = np.full(256, 255, dtype=np.uint8)
_DIGITS[np.frombuffer(b"0123456789abcdef", dtype=np.uint8)] = np.arange(16, dtype=np.uint8)


def repeated_ids(
    data: DataSet, rows: int, rows_per_pass: int = _ROWS_PER_PASS
) -> tuple[int, list[str]]:
    """How many rows repeat an id that stands in an earlier row, and some such ids.

    rows: how many the version has, to size the passes.
    """
    passes = max(1, -(-rows // rows_per_pass))
    count, some = 0, []
    for part in range(passes):
        found, examples = _repeated(_id_columns(data), part, passes)
        count += found
        some += examples
    return count, sorted(some)[:3]


def unhex(texts: pa.Array, digits: int) -> np.ndarray | None:
    """(n, digits / 16) uint64 of texts of that many lower-case hex digits; None where any text
    is not one. digits: a multiple of 16."""
    n = len(texts)
    if n == 0:
        return np.empty((0, digits // 16), dtype=np.uint64)
    if texts.null_count or set(pc.min_max(pc.binary_length(texts)).as_py().values()) != {digits}:
        return None
    width = np.dtype(np.int64 if pa.types.is_large_string(texts.type) else np.int32)
    starts = np.frombuffer(texts.buffers()[1], dtype=width)[texts.offset : texts.offset + n + 1]
    text = np.frombuffer(texts.buffers()[2], dtype=np.uint8)[starts[0] : starts[-1]]
    values = _DIGITS[text].reshape(n, digits // 2, 2)
    if values.max() > 15:
        return None
    packed = (values[:, :, 0] << 4) | values[:, :, 1]
    return np.ascontiguousarray(packed).view(">u8").astype(np.uint64)


def first_64_bits(texts: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """(n,) uint64 of texts without nulls: of a sha256 in hex its first 16 digits, of any other text
    those of its own sha256."""
    whole = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    numbers = unhex(whole, 64)
    if numbers is not None:
        return numbers[:, 0]
    raw = [str(text).encode() for text in whole.to_pylist()]
    return np.array(
        [int.from_bytes(hashlib.sha256(r).digest()[:8], "big") for r in raw], dtype=np.uint64
    )


def _id_columns(data: DataSet) -> Iterator[pa.Array]:
    for shard in data.shards:
        for batch in read_columns(data, shard, ["sample_id"]):
            ids = column(batch, "sample_id")
            if ids is not None:
                yield ids


def _repeated(columns: Iterator[pa.Array], part: int, passes: int) -> tuple[int, list[str]]:
    numbers = [np.empty((0, 2), dtype=np.uint64)]
    texts: list[pa.Array] = []  # ids of another form, as foreign data sets have them
    for ids in columns:
        pairs = unhex(ids, 32)
        if pairs is None:
            usual = pc.fill_null(pc.match_substring_regex(ids, "^[0-9a-f]{32}$"), False)
            texts.append(ids.filter(pc.invert(usual)).cast(pa.string()))
            pairs = unhex(ids.filter(usual), 32)
            assert pairs is not None
        numbers.append(pairs[pairs[:, 0] % np.uint64(passes) == part])
    count, some = _repeated_numbers(np.concatenate(numbers))
    more, others = _repeated_texts(texts) if part == 0 else (0, [])
    return count + more, some + others


def _repeated_numbers(pairs: np.ndarray) -> tuple[int, list[str]]:
    if not len(pairs):
        return 0, []
    order = np.argsort(pairs[:, 0])
    high = pairs[order, 0]
    same = high[1:] == high[:-1]
    # two different ids that share 64 bits are as rare as a real repeat: sort only those fully
    suspects = pairs[order[np.concatenate((same, [False])) | np.concatenate(([False], same))]]
    suspects = suspects[np.lexsort((suspects[:, 1], suspects[:, 0]))]
    again = (suspects[1:] == suspects[:-1]).all(axis=1)
    examples = suspects[1:][again][:3].tolist()
    return int(again.sum()), [f"{a:016x}{b:016x}" for a, b in examples]


def _repeated_texts(texts: list[pa.Array]) -> tuple[int, list[str]]:
    if not texts:
        return 0, []
    counted = (
        pa.table({"id": pa.chunked_array(texts)}).group_by("id").aggregate([([], "count_all")])
    )
    counted = counted.filter(pc.greater(counted["count_all"], 1)).sort_by("id")
    again = sum(counted["count_all"].to_pylist()) - counted.num_rows
    return again, [str(each) for each in counted["id"].slice(0, 3).to_pylist()]
