"""Seeded orders: of the census by blocks, of copies over parents, of rows in a shard.

All are keyed bijections on positions; none draws from a generator whose algorithm may
change with a library. Knows nothing of the pool.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from augment.seeds import Permutation


def order_census(
    table: pa.Table, seed: int, blocks: pa.Array | np.ndarray | Sequence[str] | None = None
) -> tuple[pa.Table, dict[str, tuple[int, int]]]:
    """The census in its frozen order, and split -> (start, stop) of its rows there.

    Splits stand in order of name. Within a split the blocks stand in a seeded order, the
    rows of a block together in the order of `table`; so a slice of the result is a sample
    of the split that is read in long runs. A pure function of its arguments.

    table: rows of `CENSUS_SCHEMA`. blocks: per row the name of what is read with it (the
    same name in two sources is two blocks); "", null or no `blocks` at all: a row alone.

    Raises:
        ValueError: `blocks` has another length than the table.
    """
    codes = _block_codes(table, blocks)
    split_names = table["split"].combine_chunks()
    orders: list[np.ndarray] = []
    ranges: dict[str, tuple[int, int]] = {}
    start = 0
    for split in sorted(pc.unique(split_names).to_pylist()):
        rows = np.flatnonzero(pc.equal(split_names, split).to_numpy(zero_copy_only=False))
        orders.append(rows[_seeded_order(codes[rows], (seed, "census", split))])
        ranges[split] = (start, start + rows.size)
        start += rows.size
    order = np.concatenate(orders) if orders else np.zeros(0, np.int64)
    return table.take(pa.array(order)), ranges


def _block_codes(
    table: pa.Table, blocks: pa.Array | np.ndarray | Sequence[str] | None
) -> np.ndarray:
    """(rows,) int64: equal for rows of one block, and for no others."""
    n = table.num_rows
    if blocks is None:
        return np.arange(n, dtype=np.int64)
    if len(blocks) != n:
        raise ValueError(f"{len(blocks)} blocks for {n} rows of the census; expected one each")
    names = pc.fill_null(pa.array(blocks).cast(pa.string()), "")
    sources = table["source"].combine_chunks()
    alone = pc.equal(names, "").to_numpy(zero_copy_only=False)
    codes: np.ndarray = _dictionary_codes(sources) * (n + 1) + _dictionary_codes(names)
    codes[alone] = -1 - np.flatnonzero(alone)
    return codes


def _dictionary_codes(values: pa.Array) -> np.ndarray:
    codes: np.ndarray = values.dictionary_encode().indices.to_numpy()
    return codes.astype(np.int64)


def _seeded_order(codes: np.ndarray, key: tuple[int, str, str]) -> np.ndarray:
    """Positions that put equal codes together, blocks permuted, each block's rows in order.

    Blocks are numbered by their first row before they are permuted.
    """
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    number = np.empty(first.size, np.int64)
    number[np.argsort(first, kind="stable")] = np.arange(first.size)
    place = Permutation(first.size, key)(number)
    return np.argsort(place[inverse], kind="stable")


def copies_of(total: int, parents: int, position: int) -> int:
    """Copies of the parent at `position` when `total` copies are spread over `parents`.

    Any two parents differ by at most one; the first ones have more.
    """
    if parents < 1 or not 0 <= position < parents or total < 0:
        raise ValueError(
            f"copies_of(total={total}, parents={parents}, position={position}): expected "
            "total >= 0 and 0 <= position < parents"
        )
    return total // parents + (position < total % parents)


def shuffled(n: int, seed: int, unit: str) -> np.ndarray:
    """(n,) int64: the order of the rows inside the shard of `unit`, a permutation of 0..n-1."""
    if n == 0:
        return np.zeros(0, np.int64)
    return Permutation(n, (seed, "shard", unit))(np.arange(n, dtype=np.int64))
