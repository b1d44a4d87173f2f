"""augment's own decoder of host.py in numpy alone, for an environment without torch: on the CPU, at
full precision, about seven times as slow. Its images are those of the network in torch but for
rounding (`BATCH_TOLERANCE`).

Shape letters: B batch, Z latent, C channels (O: of the next layer), H height, W width.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from augment.generators.hosting import generated
from augment.generators.protocol import (
    GeneratedBatch,
    GeneratorInfo,
    SampleRequest,
    need_class,
)
from augment.seeds import normals


class PlainHost:
    """A loaded decoder. base: side of the first feature map in pixels. parameters: names and
    shapes of `parameter_shapes`, float32. class_indexes: class -> the network's index.
    temperature: standard deviation of z."""

    def __init__(
        self,
        info: GeneratorInfo,
        base: int,
        parameters: Mapping[str, np.ndarray],
        class_indexes: Mapping[str, int],
        temperature: float,
    ) -> None:
        self.info = info
        self._base, self._parameters = base, parameters
        both, embedding = (parameters[f"{n}.weight"].shape[1] for n in ("hidden", "embedding"))
        self._latent = both - embedding
        self._indexes, self._temperature = class_indexes, np.float32(temperature)

    def validate(self, request: SampleRequest) -> None:
        """Raises:
        RequestError: the class is not one of the checkpoint's.
        """
        need_class(self.info, request, self._indexes)

    def batch_key(self, request: SampleRequest) -> Hashable:
        """All rows may share a batch, whatever their class."""
        return self.info.family

    def generate(self, batch: Sequence[SampleRequest]) -> GeneratedBatch:
        """Images (N, C, H, W); a row that is not finite is zeros and fails with `nan`.

        Raises:
            RequestError: the class is not one of the checkpoint's.
        """
        return generated(self, batch, self._made)

    def _made(self, batch: Sequence[SampleRequest]) -> np.ndarray:
        class_B = np.array([self._indexes[r.label_name] for r in batch], dtype=np.int64)
        z_BZ = normals([r.sample_id for r in batch], "z", self._latent).astype(np.float32)
        return decoded(self._base, self._parameters, z_BZ * self._temperature, class_B)


def decoded(
    base: int, parameters: Mapping[str, np.ndarray], z_BZ: np.ndarray, class_B: np.ndarray
) -> np.ndarray:
    """(B, C, H, W) float32 in [-1, 1], from z float32 and int64 class indexes."""
    p = parameters
    x = np.concatenate([z_BZ, p["embedding.weight"][class_B]], axis=1)
    x = _silu(x @ p["hidden.weight"].T + p["hidden.bias"])
    x = _silu(x @ p["stem.weight"].T + p["stem.bias"])
    x_BHWC = x.reshape(len(x), base, base, -1)
    for i in range(sum(name.startswith("up.") for name in p) // 2):
        x_BHWC = x_BHWC.repeat(2, axis=1).repeat(2, axis=2)
        x_BHWC = _silu(_convolved(x_BHWC, p[f"up.{i}.weight"], p[f"up.{i}.bias"]))
    logits_BHWC = _convolved(x_BHWC, p["out.weight"], p["out.bias"])
    return np.ascontiguousarray((_sigmoid(logits_BHWC) * 2 - 1).transpose(0, 3, 1, 2))


def _convolved(x_BHWC: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """(B, H, W, O), by (O, C, 3, 3) and (O,): with one pixel of zeros around."""
    padded = np.pad(x_BHWC, ((0, 0), (1, 1), (1, 1), (0, 0)))
    seen_BHWC33 = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    flat = seen_BHWC33.reshape(*x_BHWC.shape[:3], -1)
    return np.asarray(flat @ weight.reshape(len(weight), -1).T + bias)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.float32(0.5) * (1 + np.tanh(np.float32(0.5) * x)))


def _silu(x: np.ndarray) -> np.ndarray:
    return np.asarray(x * _sigmoid(x))
