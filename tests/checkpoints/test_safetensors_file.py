from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save

from augment.checkpoints.limits import MAX_HEADER_BYTES
from augment.checkpoints.safetensors_file import FLOATS, read_safetensors
from augment.errors import UnsafeCheckpoint

TENSORS = {
    "double": torch.randn(3, dtype=torch.float64),
    "single": torch.randn(2, 3),
    "half": torch.randn(4).half(),
    "brain": torch.randn(2, 2).bfloat16(),
    "long": torch.tensor([-1, 2**40]),
    "int": torch.tensor([-2], dtype=torch.int32),
    "short": torch.tensor([-2], dtype=torch.int16),
    "char": torch.tensor([-2], dtype=torch.int8),
    "byte": torch.tensor([255], dtype=torch.uint8),
    "bool": torch.tensor([True, False]),
    "scalar": torch.tensor(1.5),
    "none": torch.zeros(0, 3),
}


def raw(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(start: int, stop: int, shape: Any = (1,), dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, stop]}


@pytest.mark.parametrize("mapped", [True, False])
def test_arrays_are_what_the_library_wrote(tmp_path: Path, mapped: bool) -> None:
    data = save(TENSORS, {"made_by": "x"})
    (tmp_path / "w.safetensors").write_bytes(data)
    found = read_safetensors(tmp_path / "w.safetensors" if mapped else data)
    assert found.keys() == TENSORS.keys()
    assert (found.metadata, found.entries["half"].dtype) == ({"made_by": "x"}, "F16")
    for name, value in TENSORS.items():
        expected = (value.float() if value.dtype == torch.bfloat16 else value).numpy()
        assert (found[name].shape, found[name].dtype) == (expected.shape, expected.dtype)
        assert found[name].tobytes() == expected.tobytes()


def test_the_caller_says_which_types() -> None:
    with pytest.raises(UnsafeCheckpoint) as caught:
        read_safetensors(save({"a": TENSORS["long"]}), "w.safetensors", dtypes=FLOATS)
    assert str(caught.value) == (
        "w.safetensors: tensor 'a' has dtype 'I64'; expected one of F32, F16, BF16; "
        "save it again with the safetensors library"
    )


def test_a_bool_is_one_whatever_its_byte() -> None:
    found = read_safetensors(raw({"a": entry(0, 3, (3,), "BOOL")}, b"\0\1\7"))
    assert found["a"].tolist() == [False, True, True]
    assert found["a"].view(np.uint8).tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "its header does not fit in it"),
        ((1 << 40).to_bytes(8, "little") + b"{}", "its header does not fit in it"),
        (raw(b" " * (MAX_HEADER_BYTES + 1)), "its header does not fit in it"),
        (raw(b"\xff\xff"), "header is not JSON"),
        (raw(b"{" * 100_000), "header is not JSON"),
        (raw(b'{"a":' * 100_000), "header is not JSON"),
        (raw([1]), "header is a list; expected an object"),
        (raw(b'{"a": {}, "a": {}}'), "header has the key 'a' twice; expected plain JSON"),
        (raw(b'{"a": NaN}'), "header has the number NaN"),
        (raw({"a": 1}), "tensor 'a' is none"),
        (raw({"a": {**entry(0, 4), "code": ""}}), "tensor 'a' is none"),
        (raw({"__metadata__": {"a": 1}}), "header has a __metadata__ that is none"),
        (raw({"a": entry(0, 4, (1,), "F8_E4M3")}), "tensor 'a' has dtype 'F8_E4M3'"),
        (raw({"a": entry(0, 4, (1,), ["F32"])}), "tensor 'a' has dtype list"),
        (raw({"a": entry(0, 4, (True,))}), "tensor 'a' has shape"),
        (raw({"a": entry(0, 0, (0, 2**62))}), "tensor 'a' has shape"),
        (raw({"a": entry(0, -4)}), "tensor 'a' has offsets"),
        (raw({"a": entry(0, 8)}, bytes(8)), "tensor 'a' has 8 bytes; expected 4 for F32"),
        (raw({"a": entry(4, 8)}, bytes(8)), "tensor 'a' starts at 4; expected 0"),
        (raw({"a": entry(0, 4), "b": entry(0, 4)}, bytes(8)), "tensor 'b' starts at 0; expected 4"),
        (raw({"a": entry(0, 4), "b": entry(2, 6)}, bytes(8)), "tensor 'b' starts at 2; expected 4"),
        (raw({"a": entry(0, 4)}, bytes(3)), "not a whole safetensors file .3 bytes after the hea"),
        (raw({"a": entry(0, 4)}, bytes(5)), "not a whole safetensors file .5 bytes after the hea"),
    ],
)
def test_what_is_refused(data: bytes, text: str) -> None:
    with pytest.raises(UnsafeCheckpoint, match=rf"^w\.safetensors: .*{text}"):
        read_safetensors(data, "w.safetensors")
