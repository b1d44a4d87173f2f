"""Damaged files: whatever the damage, a reader gives a result or UnsafeCheckpoint."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from augment.checkpoints.nvidia import read_nvidia
from augment.checkpoints.safetensors_file import read_safetensors
from augment.checkpoints.sniff import sniff
from augment.checkpoints.torch_file import read_torch
from augment.errors import UnsafeCheckpoint
from tests.checkpoints.assembly import dumps, saved
from tests.checkpoints.nvidia_like import file, network

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3).t(), "b": torch.ones(2).bfloat16()}
FILES: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "zip": (read_torch, saved({"state_dict": STATE, "epoch": 1})),
    "legacy": (read_torch, saved(STATE, new=False)),
    "module": (read_torch, saved(torch.nn.BatchNorm2d(2))),
    "nvidia": (read_nvidia, file(network())),
    "safetensors": (
        lambda data: list(read_safetensors(data).values()),
        save({key: value.float().contiguous().numpy() for key, value in STATE.items()}),
    ),
}
INSTRUCTIONS = [*b"(.012FGIJKLMNPQRSTUVXabcd}ehgijlopqrstu)]\x80\x81\x82\x85\x86\x87\x88\x89\x8a"]
BOUNDED = settings(
    max_examples=150, derandomize=True, deadline=None, database=None,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip


@st.composite
def damages(draw: st.DrawFn, data: bytes) -> bytes:
    """Bytes changed, cut out, put in or doubled, in up to four places."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        stop = min(len(data), start + draw(st.sampled_from([0, 1, 1, 2, 4, 8, 40])))
        new = draw(
            st.one_of(
                st.binary(max_size=4),
                st.sampled_from([bytes([code]) for code in INSTRUCTIONS]),
                st.sampled_from(
                    [b"\xff" * 4, b"\0" * 8, b"\xff" * 7 + b"\x7f", data[start:stop] * 2]
                ),
            )
        )
        data = data[:start] + new + data[stop:]
    return data


@pytest.mark.parametrize("name", FILES)
def test_damaged_files(name: str) -> None:
    read, whole = FILES[name]

    @BOUNDED
    @given(damages(whole))
    def check(data: bytes) -> None:
        sniff(data)
        with contextlib.suppress(UnsafeCheckpoint):
            read(data)

    check()


@BOUNDED
@given(
    st.lists(st.one_of(st.sampled_from([bytes([c]) for c in INSTRUCTIONS]), st.binary(max_size=6)))
)
def test_random_instructions(parts: list[bytes]) -> None:
    data = dumps(None)[:2] + b"".join(parts) + b"."
    sniff(data)
    for read in (read_torch, read_nvidia):
        with contextlib.suppress(UnsafeCheckpoint):
            read(data)
