"""A graph in the ONNX format whose output is a vector an image, run by onnxruntime.

The graph is judged as data (`checkpoints.onnx_graph`) before the runtime sees a byte of it:
standard operators alone, no other files, no random numbers. It takes (N, 3, S, S) or (N, S, S, 3)
float32.
Shape letters: N images, S side in px, D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from augment.checkpoints.onnx_graph import Value, read_graph
from augment.errors import CheckpointError
from augment.features.asked import MOST_SIDE, Asked, Colour
from augment.features.batches import in_batches
from augment.features.files import opened
from augment.features.libraries import library
from augment.features.protocol import ExtractorInfo
from augment.features.resizing import BICUBIC, resized
from augment.seeds import digest
from augment.storage import Options

_PLAIN: Colour = (0.0, 0.0, 0.0)
_UNIT: Colour = (1.0, 1.0, 1.0)


class OnnxExtractor:
    """See the module. device: as torch names it."""

    def __init__(self, asked: Asked, device: str = "cpu", options: Options | None = None) -> None:
        """Raises:
        RequestError: onnxruntime is not installed, or the policy does not allow the place.
        CheckpointError: the file is refused, has no such input or output, or takes no images.
        StorageError: it cannot be read.
        """
        self._place = f"extractor {asked.name}"
        runtime = library("onnxruntime", asked.name, "onnx")
        with opened(asked, options) as (blob, sha256):
            data = bytes(blob.view)
        graph = read_graph(data, f"{self._place}: {blob.name}")
        taken = _chosen(graph.inputs, asked.input, self._place, "input", graph.inputs[:1])
        given = _chosen(graph.outputs, asked.output, self._place, "output", graph.outputs[-1:])
        self._input, self._output = taken.name, given.name
        self._last, self._side, self._rows = _sizes(taken, asked, self._place)
        self._mean, self._std = asked.mean or _PLAIN, asked.std or _UNIT
        self._session = _session(runtime, data, device, self._place)
        said = BICUBIC.format(side=self._side) + f", x / 255, mean {list(self._mean)}, std " \
            f"{list(self._std)}, {'NHWC' if self._last else 'NCHW'}"  # fmt: skip
        self.info = ExtractorInfo(asked.name, 1, self._dimensions(), sha256, said)
        if len(graph.outputs) > 1:  # which of them decides the numbers as the weights do
            sha256 = digest([sha256, self._input, self._output])
            self.info = ExtractorInfo(asked.name, 1, self.info.dimensions, sha256, said)

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """(N, D) float32; see `Extractor`.

        Raises:
            ValueError: something is no image.
        """
        return in_batches(images, self.info.dimensions, self._vectors)

    def _dimensions(self) -> int:
        return int(self._vectors([np.zeros((8, 8, 3), np.uint8)]).shape[1])

    def _vectors(self, images: Sequence[np.ndarray]) -> np.ndarray:
        x: np.ndarray = resized(images, self._side).astype(np.float32) / np.float32(255)
        mean, std = (np.asarray(colour, np.float32) for colour in (self._mean, self._std))
        x = (x - mean) / std
        x = x if self._last else x.transpose(0, 3, 1, 2)
        rows = self._rows or len(x)
        parts = [self._run(x[at : at + rows], rows) for at in range(0, len(x), rows)]
        return np.concatenate(parts)

    def _run(self, x: np.ndarray, rows: int) -> np.ndarray:
        """Padded to the rows that the graph has, where it has a number of them."""
        filled = np.concatenate([x, np.zeros((rows - len(x), *x.shape[1:]), np.float32)])
        try:
            (out,) = self._session.run([self._output], {self._input: np.ascontiguousarray(filled)})
        except Exception as error:  # the runtime has an exception class for each of its codes
            raise CheckpointError(
                f"{self._place}: the runtime refuses images of {self._side} px ({_short(error)}); "
                "expected a graph that takes them: say its input, its size as size=N"
            ) from None
        vectors = np.asarray(out, np.float32)
        flat = vectors.reshape(len(vectors), -1) if vectors.ndim >= 2 else vectors[:0, None]
        spatial = [size for size in vectors.shape[2:] if size != 1]
        if len(flat) != rows or spatial or not flat.shape[1]:
            raise CheckpointError(
                f"{self._place}: output {self._output!r} came out as {vectors.shape} for {rows} "
                "images; expected (N, D), a vector for each: say another as output=NAME"
            )
        return flat[: len(x)]


def _chosen(
    values: Sequence[Value], name: str | None, place: str, what: str, usual: Sequence[Value]
) -> Value:
    found = usual if name is None else [value for value in values if value.name == name]
    if len(found) != 1 or (what == "input" and len(values) != 1):
        have = ", ".join(map(str, values)) or "none"
        expected = "one input, the images" if what == "input" else f"one of its {what}s"
        raise CheckpointError(
            f"{place}: {what}: got {name or f'{len(values)} {what}s'!s}; expected {expected}; the "
            f"graph has {have}"
        )
    return found[0]


def _sizes(taken: Value, asked: Asked, place: str) -> tuple[bool, int, int | None]:
    """(whether channels stand last, px of the square, rows of a batch where they are fixed)."""
    dims = taken.dims
    wrong = CheckpointError(
        f"{place}: its input is {taken}; expected float32 images (N, 3, S, S) or (N, S, S, 3)"
        " of a square S"
    )
    if taken.dtype != "float32" or dims is None or len(dims) != 4 or 3 not in (dims[1], dims[3]):
        raise wrong
    last = dims[1] != 3
    height, width = (dims[1], dims[2]) if last else (dims[2], dims[3])
    side = height or width or asked.size
    if side is None:
        raise CheckpointError(
            f"{place}: its input is {taken}, which takes any size; expected size=N, the px of the "
            "square that it was trained with"
        )
    if any(size not in (None, side) for size in (height, width, asked.size)):
        raise CheckpointError(
            f"{place}: its input is {taken}, and the size asked for is {asked.size}; expected one "
            "square: leave size out, or give another file"
        )
    if side > MOST_SIDE:
        raise wrong
    return last, side, dims[0]


def _session(runtime: Any, data: bytes, device: str, place: str) -> Any:
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 4  # what it logs as an error, it also raises
    # else a file that is ONNX to our reader and the runtime's own format to the runtime gets by
    options.add_session_config_entry("session.load_model_format", "ONNX")
    providers: list[Any] = ["CPUExecutionProvider"]
    if device != "cpu" and "CUDAExecutionProvider" in runtime.get_available_providers():
        # TF32 keeps 10 bits of mantissa: rows would move with their batch
        providers.insert(0, ("CUDAExecutionProvider", {"use_tf32": "0"}))
    try:
        return runtime.InferenceSession(data, options, providers=providers)
    except Exception as error:  # the runtime has an exception class for each of its codes
        raise CheckpointError(
            f"{place}: the runtime refuses the graph ({_short(error)}); export it again, or "
            "install a newer onnxruntime"
        ) from None


def _short(error: Exception) -> str:
    """The end of what the runtime says, where the reason stands."""
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else f"...{text[-297:]}"
