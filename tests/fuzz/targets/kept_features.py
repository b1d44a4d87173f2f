"""Kept features: a file beside somebody's table, whose hash whoever writes there can make."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping

import numpy as np
from safetensors.numpy import save

from augment.checkpoints.safetensors_file import read_safetensors
from augment.errors import UnsafeCheckpoint
from augment.features.kept import Bytes, Kept, Lost, metadata_of, packed, unpacked
from augment.features.protocol import ExtractorInfo

TOKENS = (b'"rows"', b'"features"', b'"ends"', b'"ids"', b'"lost"', b'[[1,"a","b","c"]]', b"\xff",
          b'"dtype":"I64"', b'"dtype":"F32"', b"\x7f\x80\x00\x00", b"\x00" * 8)  # fmt: skip
_INFO = ExtractorInfo("x", 1, 2, "0" * 64, "none")
_SHARD = Bytes("data/a.parquet", "9 bytes")


def seeds() -> Mapping[str, bytes]:
    def file(n: int) -> bytes:
        features = np.arange(2 * n, dtype=np.float32).reshape(n, 2)
        lost = (Lost(n, "l", "empty", "none"),)
        return packed(Kept(np.arange(n), ("é",) * n, features, lost), _INFO, _SHARD)

    return {"none": file(0), "some": file(3), "json": json.dumps({"rows": []}).encode()}


def one(data: bytes) -> None:
    unpacked(data, _INFO, _SHARD)
    with contextlib.suppress(UnsafeCheckpoint):
        tensors = dict(read_safetensors(data))
        unpacked(save(tensors, metadata_of(tensors, _INFO, _SHARD)), _INFO, _SHARD)
