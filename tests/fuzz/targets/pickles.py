"""The instructions of a pickle: in a whole archive, where no checksum keeps them from the
reader, and as NVIDIA's file; then as plain values."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from augment.checkpoints.blob import Blob
from augment.checkpoints.inert import read_pickle
from augment.checkpoints.nvidia import read_nvidia
from augment.checkpoints.plain import Plain
from augment.checkpoints.torch_file import read_torch
from augment.errors import UnsafeCheckpoint
from tests.checkpoints.assembly import ORDERED, Call, G, dumps, ordered, parameter, zipped
from tests.checkpoints.evil import GOOD, NUMBERS, shared
from tests.checkpoints.nvidia_like import GRID, file, network

INSTRUCTIONS = [bytes([c]) for c in b"(.012FGIJKLMNPQRSTUVXabcd}ehgijlopqrstu)]\x80\x81\x82\x85\x86"
                                     b"\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95"
                                     b"\x96\x97\x98"]  # fmt: skip
TOKENS = [*INSTRUCTIONS, b"\x8a\x01", b"}(", b"N\x85" * 3, b"2\x86" * 8, b"J\xff\xff\xff\xff",
          b"ctorch\nSize\n", b"cnumpy\ndtype\n", b"cbuiltins\nset\n"]  # fmt: skip


def seeds() -> Mapping[str, bytes]:
    array = Call(G("numpy.core.numeric", "_frombuffer"), (bytes(8), "f4", (2,), "C"))
    values = {"a": GOOD, "n": [1, 2.5, "x", None, True, (1, (2,))], "k": {(1, 2): b"y", 3: {}}}
    return {
        "state dict": dumps({"state_dict": {"a": GOOD}, **values}),
        "ordered": dumps(ordered({"a": GOOD, "b": parameter(GRID)})),
        "values": dumps({**values, "array": array, "set": Call(ORDERED, (), (("z", 1),))}, 4),
        "nvidia": file(network(), 2),
        "shared": dumps({"x": shared(8)}),
        "empty": dumps(None)[:2] + b".",
    }


def one(data: bytes) -> None:
    readers = (
        lambda: read_torch(zipped(data, NUMBERS)),
        lambda: read_nvidia(data),
        lambda: Plain(Blob("x", data)).value(read_pickle(Blob("x", data)).root, "it"),
    )
    for read in readers:
        with contextlib.suppress(UnsafeCheckpoint):
            read()
