"""`.safetensors` files: the header decides, then every array is made."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping

import numpy as np
from safetensors.numpy import save

from augment.checkpoints.safetensors_file import read_safetensors
from augment.checkpoints.sniff import sniff
from augment.errors import UnsafeCheckpoint

TOKENS = (b'"dtype":"BF16"', b'"dtype":"BOOL"', b'"shape":[]', b'"data_offsets":[0,0]', b"null",
          b'"__metadata__":{"config":"{}"}', b"[[[[[[[[", b"{}", b'"a":', b"\\u0000")  # fmt: skip


def seeds() -> Mapping[str, bytes]:
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(2, np.float16)}
    return {
        "two": save(arrays, metadata={"format": "pt"}),
        "none": save({}),
        "header": headed({"x": {"dtype": "I8", "shape": [2, 0], "data_offsets": [0, 0]}}, b""),
    }


def headed(header: object, data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def one(data: bytes) -> None:
    sniff(data)
    # the same bytes as a header of the right length: what a length before them would hide
    for whole in (data, len(data).to_bytes(8, "little") + data):
        with contextlib.suppress(UnsafeCheckpoint):
            list(read_safetensors(whole).values())
