from __future__ import annotations

import collections
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from augment.checkpoints.torch_file import Weights, read_torch
from augment.errors import CheckpointError, UnsafeCheckpoint
from tests.checkpoints.assembly import Call, G, dumps, embedded, floats, saved, tensor, zipped

BASE = torch.arange(24.0).reshape(4, 6)
STATE = collections.OrderedDict(
    double=torch.randn(3, dtype=torch.float64),
    single=BASE,
    transposed=BASE.t(),
    window=BASE[1:3, 2:5],
    steps=BASE[::2, ::3],
    half=torch.randn(2, 3).half(),
    brain=torch.randn(5, 2).bfloat16(),
    long=torch.tensor([-1, 2**40]),
    int=torch.tensor([1, -2], dtype=torch.int32),
    short=torch.tensor([1, -2], dtype=torch.int16),
    char=torch.tensor([1, -2], dtype=torch.int8),
    byte=torch.tensor([1, 255], dtype=torch.uint8),
    bool=torch.tensor([True, False, True]),
    scalar=torch.tensor(1.5),
    none=torch.zeros(0, 3),
    repeated=torch.tensor([[2.0], [3.0]]).expand(2, 3),
)


class Half(torch.nn.Module):
    """With a shared parameter, a transient buffer, and an attribute that is code."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(1, 2, 3)
        self.norm = torch.nn.BatchNorm2d(2)
        self.again = torch.nn.Sequential(self.first, torch.nn.Identity())
        self.register_buffer("kept", torch.arange(3))
        self.register_buffer("dropped", torch.arange(4), persistent=False)
        self.activation = torch.nn.functional.relu


def equal(found: Weights, expected: dict[str, torch.Tensor]) -> None:
    """Names, order, shapes, types and bits; bfloat16 stands as float32."""
    assert list(found.tensors) == list(expected)
    for name, value in expected.items():
        array = found.tensors[name]
        wide = value.float() if value.dtype == torch.bfloat16 else value
        reference = wide.detach().numpy()
        assert (array.shape, array.dtype) == (reference.shape, reference.dtype), name
        assert array.tobytes() == reference.tobytes(), name


@pytest.mark.parametrize("new", [True, False])
def test_a_state_dict_is_what_torch_wrote(new: bool) -> None:
    found = read_torch(saved(STATE, new))
    equal(found, STATE)
    assert (found.container, found.notes) == ("zip" if new else "legacy", ())


def test_a_file_is_mapped_and_arrays_outlive_it(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(saved(STATE))
    found = read_torch(path)
    path.unlink()
    equal(found, STATE)
    assert not found.tensors["single"].flags.writeable


@pytest.mark.parametrize("new", [True, False])
def test_a_whole_module_is_its_state_dict(new: bool) -> None:
    module = Half()
    data = saved(module, new)
    found = read_torch(data)
    equal(found, module.state_dict())
    assert "classes not loaded" in found.notes[0]
    assert "Half" in found.notes[0]


def test_lightning_leaves_the_training_aside_whatever_it_names() -> None:
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.ones(2))])
    found = read_torch(
        saved(
            {
                "state_dict": STATE,
                "epoch": 3,
                "optimizer_states": [optimizer.state_dict()],
                "hyper_parameters": {"made_by": io.StringIO, "size": np.arange(3)},
            }
        )
    )
    equal(found, STATE)
    assert found.notes == (
        "left aside: 'epoch'",
        "left aside: 'optimizer_states'",
        "left aside: 'hyper_parameters' (names '_io.StringIO')",
    )


def test_an_unknown_entry_may_hold_plain_values_only() -> None:
    equal(read_torch(saved({"model_state_dict": STATE, "best": 0.5})), STATE)
    with pytest.raises(UnsafeCheckpoint) as caught:
        read_torch(saved({"state_dict": STATE, "extra": io.StringIO}), "net.ckpt")
    assert str(caught.value) == (
        "net.ckpt: the entry 'extra' names '_io.StringIO'; expected only tensors and plain "
        "values; take another file, best the weights as .safetensors"
    )
    equal(read_torch(saved({"state_dict": STATE, "extra": io.StringIO}), aside={"extra"}), STATE)


def test_one_state_dict_among_other_things_is_found() -> None:
    """As trainings save it: beside an epoch, an optimizer, other settings."""
    optimizer = {"state": {0: {"step": torch.ones(1)}}, "param_groups": [{"lr": 0.1}]}
    found = read_torch(saved({"G": STATE, "epoch": 3, "opt": optimizer}))
    equal(found, STATE)
    assert found.notes == ("left aside: 'epoch'", "left aside: 'opt'")
    equal(read_torch(saved({"networks": {"G": {"state_dict": STATE}, "n": 1}, "best": 0.5})), STATE)
    equal(read_torch(saved({"G": collections.OrderedDict(STATE)})), STATE)


SMALL = {"a.weight": torch.ones(2, 3), "b": torch.ones(3), "c": torch.zeros(3)}


def test_of_several_state_dicts_the_caller_names_one() -> None:
    """An average is not preferred unasked: it is another network."""
    data = saved({"model": SMALL, "ema": SMALL, "d": {}, "args": 5})
    text = (
        "x.pt: 2 state dicts; its keys are 'model' (3 tensors, 12 numbers), 'ema' (3 tensors, "
        "12 numbers), 'd', 'args'; expected tensors, or one of state_dict, model_state_dict; say "
        "which with --key"
    )
    with pytest.raises(UnsafeCheckpoint) as told:
        read_torch(data, "x.pt")
    assert str(told.value) == text
    equal(read_torch(data, key="ema"), SMALL)
    with pytest.raises(UnsafeCheckpoint, match=r"2 state dicts; .*; expected 'h'; say which with"):
        read_torch(data, key="h")
    with pytest.raises(UnsafeCheckpoint, match="expected a dict with the key 'x'"):
        read_torch(data, key="ema.a.weight.x")
    with pytest.raises(UnsafeCheckpoint, match="no tensor where its weights should be"):
        read_torch(data, key="d")


def test_a_key_inside_a_key() -> None:
    other = {"w": torch.ones(1)}
    data = saved({"nets": {"G": SMALL, "G.ema": other}})
    equal(read_torch(data, key="nets.G"), SMALL)
    equal(read_torch(data, key="nets.G.ema"), other)
    with pytest.raises(UnsafeCheckpoint) as told:
        read_torch(saved({"nets": {"G": SMALL, "D": other}}), "x.pt")
    assert "its keys are 'nets.G' (3 tensors, 12 numbers), 'nets.D' (1 tensors, 1 numbers)" in (
        str(told.value)
    )


def test_parameters_with_attributes_are_tensors() -> None:
    value = torch.nn.Parameter(torch.arange(3.0))
    value.note = "x"  # type: ignore[attr-defined]
    other = torch.arange(2.0)
    other.note = "y"  # type: ignore[attr-defined]
    equal(read_torch(saved({"p": value, "t": other})), {"p": value, "t": other})


def test_metadata_of_a_state_dict_is_passed_over() -> None:
    state = Half().state_dict()
    assert state._metadata  # type: ignore[attr-defined]
    equal(read_torch(saved(state)), state)


def test_an_ordered_dict_of_python_2() -> None:
    pairs = [["a", tensor(floats(2), (2,), (1,))]]
    data = zipped(Call(G("collections", "OrderedDict"), (pairs,)), {"a/data/0": bytes(8)})
    assert read_torch(data).tensors["a"].tolist() == [0.0, 0.0]


def test_a_big_endian_archive() -> None:
    raw = np.array([1.0, 2.5], ">f4").tobytes()
    tree = {"a": tensor(floats(2), (2,), (1,))}
    data = zipped(tree, {"a/byteorder": b"big", "a/data/0": raw})
    array = read_torch(data).tensors["a"]
    assert (array.tolist(), array.dtype) == ([1.0, 2.5], np.dtype("f4"))
    with pytest.raises(UnsafeCheckpoint, match=r"byteorder .*middle"):
        read_torch(zipped(tree, {"a/byteorder": b"middle", "a/data/0": raw}))


def test_a_legacy_view_of_a_storage() -> None:
    data = saved({"a": torch.arange(4.0)}, new=False)
    assert data.count(b"K\x04Nt") == 1  # elements, no view, end of the id
    changed = data.replace(b"K\x04Nt", b"K\x04X\x01\0\0\0vK\x01K\x02\x87t")
    changed = changed.replace(b"K\x04\x85", b"K\x02\x85")
    assert read_torch(changed).tensors["a"].tolist() == [1.0, 2.0]
    outside = changed.replace(b"K\x01K\x02\x87", b"K\x03K\x02\x87")
    with pytest.raises(UnsafeCheckpoint, match="a view of 2 elements at 3 of 4"):
        read_torch(outside)


def test_sharing_is_bounded() -> None:
    one = tensor(floats(1), (1000, 1000, 30), (0, 0, 0))
    with pytest.raises(
        UnsafeCheckpoint, match=r"repeat the file's \d+ bytes at byte \d+; expected at most 8 t"
    ):
        read_torch(zipped({"a": one}, {"a/data/0": bytes(4)}))


@pytest.mark.parametrize(
    ("size", "stride", "offset", "text"),
    [
        ((2, 2), (2, 1), 1, "reaches element 4 of a storage of 4"),
        ((2,), (2**62,), 0, "reaches element 4611686018427387904 of"),
        ((2,), (-1,), 1, "has a shape that is none"),
        ((2,), (1,), -1, "has a shape that is none"),
        ((2,), (1, 1), 0, "has a shape that is none"),
        ((2**20, 2**20), (0, 0), 0, "has 1099511627776 elements"),
        ((0, 2**62), (1, 1), 0, "has 0 elements"),
        ((1,) * 9, (1,) * 9, 0, "has a shape that is none"),
        ((2**70,), (0,), 0, "has a shape that is none"),
    ],
)
def test_a_tensor_lies_inside_its_storage(
    size: tuple[int, ...], stride: tuple[int, ...], offset: int, text: str
) -> None:
    data = zipped({"a": tensor(floats(4), size, stride, offset)}, {"a/data/0": bytes(16)})
    with pytest.raises(UnsafeCheckpoint, match=f"tensor 'a' {text}"):
        read_torch(data)


@pytest.mark.parametrize(
    ("tree", "members", "text"),
    [
        ({"a": tensor(floats(4), (4,), (1,))}, {}, "storage '0' is missing"),
        ({"a": tensor(floats(4), (4,), (1,))}, {"a/data/0": bytes(12)}, "storage '0' has 12 bytes"),
        ({"a": tensor(floats(4, "../x"), (4,), (1,))}, {}, r"a storage called '../x' of 4"),
        ({"a": tensor(None, (4,), (1,))}, {}, "tensor 'a' has no storage"),
        ({"a": 1}, {}, "no state dict; its keys are 'a'"),
        ({"state_dict": {"a": 1}}, {}, "no tensor where its weights should be"),
        ({"state_dict": {5: tensor(floats(1), (1,), (1,))}}, {}, "a tensor called 5"),
        ([1], {}, "module '' is list"),
    ],
)
def test_what_is_not_whole(tree: Any, members: dict[str, bytes], text: str) -> None:
    with pytest.raises(UnsafeCheckpoint, match=text):
        read_torch(zipped(tree, members))


def test_a_pickled_storage_belongs_to_a_plain_pickle_only() -> None:
    with pytest.raises(UnsafeCheckpoint, match="an object that is no storage of this file"):
        read_torch(zipped({"a": embedded(torch.ones(1))}))


@pytest.mark.parametrize("data", [b"", b"\x80\x02", dumps([1]), saved(STATE, False)[:-3]])
def test_what_is_no_file_of_torch(data: bytes) -> None:
    with pytest.raises(UnsafeCheckpoint, match=r"^net\.pt: .*; expected .*; "):
        read_torch(data, "net.pt")


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    import os

    with pytest.raises(CheckpointError, match=r"net\.pt: no such file"):
        read_torch(tmp_path / "net.pt")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CheckpointError, match="pipe: not a regular file"):
        read_torch(tmp_path / "pipe")
    with pytest.raises(UnsafeCheckpoint, match=r"has \d+ bytes; expected at most 10; take a small"):
        read_torch(saved(STATE), max_bytes=10)
