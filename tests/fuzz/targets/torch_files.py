"""Files of torch.save, zip and legacy, and NVIDIA's pickles, as a stranger may send them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import torch

from augment.checkpoints.nvidia import read_nvidia
from augment.checkpoints.sniff import sniff
from augment.checkpoints.torch_file import read_torch
from augment.errors import UnsafeCheckpoint
from tests.checkpoints.assembly import saved
from tests.checkpoints.nvidia_like import file, network

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3).t(), "b": torch.ones(2).bfloat16()}
TOKENS = (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07", b"\x80\x02",
          b"storage", b"data.pkl", b"byteorder", b"\x01\x00\x10\x00")  # fmt: skip


def seeds() -> Mapping[str, bytes]:
    return {
        "zip": saved({"state_dict": STATE, "epoch": 1}),
        "legacy": saved(STATE, new=False),
        "module": saved(torch.nn.BatchNorm2d(2)),
        "nvidia": file(network()),
    }


def one(data: bytes) -> None:
    sniff(data)
    for read in (read_torch, read_nvidia):
        with contextlib.suppress(UnsafeCheckpoint):
            read(data)
