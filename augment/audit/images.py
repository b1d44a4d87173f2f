"""The deep check: every image is read, hashed, decoded, and searched for its mark.

Memory: one batch of images at a time. Costs a full read and decode of the data set; an image that
takes too long is a fault of its row, and the check goes on (patience.py). The
mark is found by a plain search for an XMP packet with a DigitalSourceType; what writes
marks is not known here, so that a fault there cannot hide itself.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from augment.audit.findings import NO_ROWS, Check, Finding, not_judged
from augment.audit.patience import IMAGE_S, MOST_LATE, Patience
from augment.audit.shard_file import image_bytes
from augment.audit.sizes import most_pixels
from augment.audit.table import DataSet, Shard, open_shard
from augment.codec import verify
from augment.errors import SampleError
from augment.sample import GENERATED_ORIGINS

_BATCH = 64  # images that are held at once
_COLUMNS = ("sample_id", "image", "sha256", "width", "height", "origin", "generated",
            "digital_source_type")  # fmt: skip
_PACKET = re.compile(rb"<x:xmpmeta\b.*?</x:xmpmeta>", re.DOTALL)
_NONE = {
    "hash": NO_ROWS,
    "decode": NO_ROWS,
    "mark": "there are no generated rows",
}
_ASKS = {
    "hash": "every image has the sha256 of its row",
    "decode": "every image decodes to the width and height of its row",
    "mark": "every generated image carries a DigitalSourceType mark that fits its row",
}


def check_images(data: DataSet, workers: int = 2) -> tuple[list[Check], list[Finding]]:
    """Read every image of the version. workers: threads that decode.

    Raises:
        StorageError: a shard vanished or is damaged.
    """
    rows, unhashed, generated = 0, 0, 0
    bad: dict[str, tuple[int, str]] = {}
    with Patience(_faults, _late, workers) as pool:
        for shard in data.shards:
            for batch in _images(data, shard):
                lines = batch.to_pylist()
                rows += len(lines)
                unhashed += sum(line.get("sha256") is None for line in lines)
                generated += sum(map(_generated, lines))
                for line, faults in zip(lines, pool.map(lines), strict=True):
                    for name, fault in faults:
                        n, first = bad.get(name, (0, ""))
                        text = f"sample {line.get('sample_id')} in shard {shard.path}: {fault}"
                        bad[name] = (n + 1, first or text)
    return _told({"hash": rows, "decode": rows, "mark": generated}, unhashed, bad)


def _told(
    seen: Mapping[str, int], unhashed: int, bad: Mapping[str, tuple[int, str]]
) -> tuple[list[Check], list[Finding]]:
    """seen: check -> rows that it speaks of."""
    checks, findings = [], []
    for name, asks in _ASKS.items():
        rows = seen[name]
        n, first = bad.get(name, (0, ""))
        if n:
            findings.append(Finding(name, f"{n} images fail; the first: {first}", n))
            checks.append(Check(name, False, f"{asks}: not so for {n} of {rows} rows"))
        elif name == "hash" and unhashed:
            checks.append(Check(name, None, f"{asks}: not checked, {unhashed} rows have none"))
        elif not rows:
            checks.append(not_judged(name, asks, _NONE[name]))
        else:
            checks.append(Check(name, True, f"{asks}: {rows} rows"))
    return checks, findings


def _images(data: DataSet, shard: Shard) -> Iterator[pa.RecordBatch]:
    """What the rows themselves say."""
    with open_shard(data, shard) as file:
        names = set(file.schema_arrow.names) - file.derived
        columns = [name for name in _COLUMNS if name in names]
        for group in range(file.num_row_groups):
            yield from file.iter_batches(_BATCH, row_groups=[group], columns=columns)


def _late(row: dict[str, Any]) -> list[tuple[str, str]]:
    why = f"it was given up: it takes longer than {IMAGE_S:g} s, or {MOST_LATE} images before it do"
    return [("decode", why)]


def _faults(row: dict[str, Any]) -> list[tuple[str, str]]:
    data = image_bytes(row.get("image"))
    if not data:
        return [("decode", "the row holds no image bytes")]
    found = [*_hash_fault(row, data), *_decode_fault(row, data)]
    return found + (_mark_fault(row, data) if _generated(row) else [])


def _hash_fault(row: dict[str, Any], data: bytes) -> list[tuple[str, str]]:
    sha256 = hashlib.sha256(data).hexdigest()
    if row.get("sha256") in (None, sha256):
        return []
    return [("hash", f"its bytes have sha256 {sha256}, the row says {row['sha256']}")]


def _decode_fault(row: dict[str, Any], data: bytes) -> list[tuple[str, str]]:
    said = (row.get("width"), row.get("height"))
    try:
        header = verify(data, most_pixels(*said))
    except SampleError as error:
        return [("decode", str(error))]
    if None not in said and said != (header.width, header.height):
        size = f"{header.width} x {header.height}"
        return [("decode", f"it is {size} pixels, the row says {said[0]} x {said[1]}")]
    return []


def _generated(row: dict[str, Any]) -> bool:
    said = row.get("generated")
    return bool(said) if said is not None else row.get("origin") in GENERATED_ORIGINS


def _mark_fault(row: dict[str, Any], data: bytes) -> list[tuple[str, str]]:
    packet = _PACKET.search(data)
    if packet is None or b"DigitalSourceType" not in packet[0]:
        return [("mark", "it is generated, but its bytes hold no XMP packet that says so")]
    wanted = row.get("digital_source_type") or ""
    if wanted.encode() not in packet[0]:
        return [("mark", f"its XMP packet does not say {wanted}, which the row says")]
    return []
