"""What is read although it holds code, the control that the code could run, and whole files
cut off anywhere."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
import torch

from augment.checkpoints.nvidia import read_nvidia
from augment.checkpoints.sniff import sniff
from augment.checkpoints.torch_file import read_torch
from augment.errors import UnsafeCheckpoint
from tests.checkpoints.assembly import (
    Call,
    G,
    Raw,
    dumps,
    saved,
    system,
    zipped,
)
from tests.checkpoints.evil import GOOD, NUMBERS, Case, Evil, code, deep, shared
from tests.checkpoints.nvidia_like import file, network

INERT: dict[str, Case] = {
    "Lightning's hyper-parameters": (
        read_torch,
        lambda c: zipped({"state_dict": {"a": GOOD}, "hyper_parameters": system(c)}, NUMBERS),
        "left aside: 'hyper_parameters' (names 'posix.system')",
    ),
    "a module's attribute": (
        read_torch,
        lambda c: zipped(_module(forward=system(c)), NUMBERS),
        "classes not loaded: 'x.M'",
    ),
    "a module of a class from nowhere": (
        read_torch, lambda c: zipped(_module(), NUMBERS), "classes not loaded: 'x.M'",
    ),
    "a discriminator": (
        read_nvidia, lambda c: file(network(), D=system(c)),
        "left aside: 'D' (names 'posix.system')",
    ),
    "a source text": (
        read_nvidia, lambda c: file(network(source=code(c))), "left aside: 'training_set_kwargs'",
    ),
    "200,000 levels aside": (
        read_nvidia, lambda c: file(network(), D=deep(200_000)), "left aside: 'D'",
    ),
    "2**60 values aside": (
        read_nvidia, lambda c: file(network(), D=shared(60)), "left aside: 'D'",
    ),
}  # fmt: skip


def _module(**attributes: Any) -> Call:
    state = {"_parameters": {"a": GOOD}, "_buffers": {}, "_modules": {}, **attributes}
    return Call(G("x", "M"), (), state=state, op=b"\x81")


@pytest.mark.parametrize("name", INERT)
def test_it_is_read_as_data_and_nothing_runs(name: str, canary: Path) -> None:
    read, make, note = INERT[name]
    found: Any = read(make(canary))
    assert found.tensors
    assert any(note in said for said in found.notes)
    assert not canary.exists()


@pytest.mark.parametrize(
    "make",
    [
        lambda c: dumps(system(c)),
        lambda c: dumps({"a": system(c)}, 4),
        lambda c: pickle.dumps(Evil(c)),
        lambda c: dumps(Raw(b"(" + f"X{chr(6 + len(str(c)))}".encode() + b"\0\0\0touch "
                            + str(c).encode() + b"iposix\nsystem\n")),
        lambda c: cloudpickle.dumps(Evil(c)),
        lambda c: dumps(Call(G("builtins", "eval"), (code(c),))),
        lambda c: dumps(Call(G("torch.storage", "_load_from_bytes"), (pickle.dumps(Evil(c)),))),
    ],
)  # fmt: skip
def test_the_canary_can_sing(make: Callable[[Path], bytes], canary: Path, tmp_path: Path) -> None:
    """The control: the standard library runs what the readers above refuse."""
    bait = tmp_path / "bait.pkl"
    bait.write_bytes(make(canary))
    with pytest.raises(UnsafeCheckpoint):
        read_torch(bait)
    assert not canary.exists()
    unpickle = "import pickle, sys; pickle.load(open(sys.argv[1], 'rb'))"
    subprocess.run([sys.executable, "-W", "ignore", "-c", unpickle, bait], check=False)
    assert canary.exists()


def test_a_real_torchscript_and_a_real_export() -> None:
    import warnings

    script, exported = io.BytesIO(), io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), script)
        program = torch.export.export(torch.nn.Linear(2, 2), (torch.ones(1, 2),))
        torch.export.save(program, exported)
    with pytest.raises(UnsafeCheckpoint) as caught:
        read_torch(script.getvalue(), "net.pt")
    assert str(caught.value) == (
        "net.pt: a TorchScript archive, which is a program; expected weights; save the model's "
        "state_dict() with torch.save or as .safetensors"
    )
    with pytest.raises(UnsafeCheckpoint, match=r"a torch\.export archive"):
        read_torch(exported.getvalue())


WHOLE: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "zip": (read_torch, saved({"a": torch.arange(6.0), "b": torch.ones(2)})),
    "legacy": (read_torch, saved({"a": torch.arange(6.0), "b": torch.ones(2)}, new=False)),
    "nvidia": (read_nvidia, file(network())),
}


@pytest.mark.parametrize("name", WHOLE)
def test_cut_off_anywhere(name: str) -> None:
    read, data = WHOLE[name]
    read(data)
    for length in {*range(0, len(data), 13), *range(len(data) - 40, len(data))}:
        with pytest.raises(UnsafeCheckpoint):
            read(data[:length])
        sniff(data[:length])
