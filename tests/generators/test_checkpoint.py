"""Weights of our own format: read once, tensor by tensor, hashed as they are read."""

from __future__ import annotations

import hashlib
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from augment.errors import CheckpointError, UnsafeCheckpoint
from augment.generators.checkpoint import FORMAT, Config, read_weights
from augment.storage import Folder

SHAPES = {"a": (2, 3), "b": (4,), "c": (0, 2)}


def stored(folder: Path, arrays: dict[str, np.ndarray]) -> tuple[Folder, Config]:
    data = save(arrays)
    (folder / "weights.safetensors").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    config = Config(format=FORMAT, family="vae", init={}, weights_sha256=digest)
    return Folder(str(folder)), config


def arrays_of(shapes: dict[str, tuple[int, ...]], dtype: str = "f4") -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {key: rng.normal(size=shape).astype(dtype) for key, shape in shapes.items()}


@pytest.mark.parametrize("dtype", ["f4", "f2"])
def test_arrays_are_those_of_the_file_and_can_be_written_to(tmp_path: Path, dtype: str) -> None:
    given = arrays_of(SHAPES, dtype)
    folder, config = stored(tmp_path, given)
    found = read_weights(folder, "m", config, config.weights_sha256, SHAPES)
    assert set(found) == set(given)
    for key, array in found.items():
        assert array.dtype == np.float32
        assert array.flags.writeable
        assert np.array_equal(array, given[key].astype(np.float32))


def test_a_look_at_weights_takes_the_memory_of_one_tensor(tmp_path: Path) -> None:
    shapes = {f"t{n}": (1 << 18,) for n in range(48)}  # 1 MiB each
    folder, config = stored(tmp_path, arrays_of(shapes))
    tracemalloc.start()
    assert read_weights(folder, "m", config, None, shapes, keep=False) == {}
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 8 << 20


def test_shapes_are_compared_before_a_tensor_is_read(tmp_path: Path) -> None:
    folder, config = stored(tmp_path, arrays_of(SHAPES))
    with pytest.raises(CheckpointError, match=r"its tensors are not those of .* \(missing: d\)"):
        read_weights(folder, "m", config, None, {**SHAPES, "d": (1,)}, keep=False)


@pytest.mark.parametrize("keep", [True, False])
def test_what_is_changed_is_told_before_what_is_odd(tmp_path: Path, keep: bool) -> None:
    folder, config = stored(tmp_path, arrays_of(SHAPES) | {"b": np.full(4, np.nan, np.float32)})
    with pytest.raises(CheckpointError, match="tensor 'b' holds 4 NaN or infinite of 4 values"):
        read_weights(folder, "m", config, None, SHAPES, keep)
    with pytest.raises(CheckpointError, match=f"the job says {'0' * 64}; fetch it again"):
        read_weights(folder, "m", config, "0" * 64, SHAPES, keep)


@pytest.mark.parametrize("change", [lambda d: d[:-1], lambda d: d + b"x", lambda d: d[:4], bytes])
def test_a_file_that_is_not_whole(tmp_path: Path, change: object) -> None:
    folder, config = stored(tmp_path, arrays_of(SHAPES))
    path = tmp_path / "weights.safetensors"
    assert callable(change)
    if change is bytes:
        path.write_bytes(path.read_bytes()[:100])
    else:
        path.write_bytes(change(path.read_bytes()))
    with pytest.raises(UnsafeCheckpoint, match=r"^generators\.m: weights\.safetensors: "):
        read_weights(folder, "m", config, None, SHAPES)
