"""onnx: a graph in the ONNX format as a generator; checks, loading, sampling.

The folder holds `model.onnx` and `generator.json`. The graph is read inertly and judged
(`checkpoints.onnx_graph`) before the runtime sees a byte of it. onnxruntime (the extra `onnx`) is
imported inside functions. Knows nothing of what the graph computes.

Letters: B rows of a batch, Z latent, C channels, H height, W width.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from augment.checkpoints.onnx_graph import read_graph
from augment.errors import CheckpointError, NotInstalled, RequestError
from augment.generators.checkpoint import MODEL, Config, read_model
from augment.generators.families.onnx.roles import MAX_SIDE, ImageRole, Roles, roles_of
from augment.generators.hosting import filled, generated
from augment.generators.labels import class_indexes
from augment.generators.loading import Opened, checkpoint_info, opened
from augment.generators.protocol import (
    GeneratedBatch,
    GeneratorInfo,
    Options,
    Placement,
    SampleRequest,
    must_match,
    need_class,
)
from augment.sample import DigitalSourceType
from augment.seeds import Rewound, normals
from augment.spec.generators import OnnxGenerator, OnnxSampling
from augment.surroundings import silently

_VERSION = 1
"""Raise it with every change that changes pixels: it enters the identity."""

_MOST_CLASSES = 1 << 31
"""Where neither the graph nor its importer says how many classes an index has."""


_NO_MEMORY = ("failed to allocate memory", "out of memory", "bad_alloc", "bad allocation")
"""How the runtime says so: it has no exception for it."""


class OnnxInit(BaseModel):
    """`init` in `generator.json`: what the graph does not tell. num_classes: of a class that is
    given as an index; None: unknown. image: the sizes of the image that it makes, without its
    rows, as a run has shown them; None: the graph has them."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    num_classes: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    image: (
        Annotated[list[Annotated[int, Field(ge=1, le=MAX_SIDE)]], Field(min_length=3, max_length=3)]
        | None
    ) = None


def latents(sample_ids: Sequence[str], n: int, sampling: OnnxSampling) -> np.ndarray:
    """(len(sample_ids), n) float32 of each sample's stream `z`."""
    bound = sampling.truncation
    if bound is None:
        z_BZ = normals(sample_ids, "z", n)
    else:
        rewound = Rewound()
        z_BZ = np.stack([_bounded(rewound.to(s, "z"), n, bound) for s in sample_ids])
    return (z_BZ * sampling.temperature).astype(np.float32)


def _bounded(rng: np.random.Generator, n: int, bound: float) -> np.ndarray:
    """n normal values of at most `bound`: those beyond are drawn again, which is the
    truncation trick (Brock, Donahue and Simonyan, "Large Scale GAN Training for High Fidelity
    Natural Image Synthesis", ICLR 2019)."""
    kept = np.empty(0)
    while len(kept) < n:
        drawn = rng.standard_normal(n)
        kept = np.concatenate([kept, drawn[np.abs(drawn) <= bound]])
    return kept[:n]


class OnnxHost:
    """A graph in a session. session: an onnxruntime.InferenceSession. indexes: class -> the
    graph's index, empty where it takes no class."""

    def __init__(
        self,
        session: Any,
        info: GeneratorInfo,
        roles: Roles,
        indexes: Mapping[str, int],
        spec: OnnxGenerator,
    ) -> None:
        self.info = info
        self._session = session
        self._roles = roles
        self._indexes = indexes
        self._spec = spec

    def validate(self, request: SampleRequest) -> None:
        """Raises:
        RequestError: the class is not one of the checkpoint's, or an image is missing.
        """
        if self.info.classes:
            need_class(self.info, request, self._indexes)
        source = request.source
        if self._roles.source is None:
            return
        place = f"generators.{self.info.name}: takes an image"
        if source is None:
            raise RequestError(f"{place}, and sample {request.sample_id} has none")
        if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] != 3 or not source.size:
            raise RequestError(
                f"{place} of (H, W, 3) uint8, and sample {request.sample_id} has one of "
                f"{source.shape} {source.dtype}"
            )

    def batch_key(self, request: SampleRequest) -> Hashable:
        """All rows may share a batch: images are brought to the graph's size."""
        return self.info.family

    def generate(self, batch: Sequence[SampleRequest]) -> GeneratedBatch:
        """Images (N, C, H, W); a row that is not finite is zeros and fails with `nan`.

        Raises:
            RequestError: a request that `validate` refuses. CheckpointError: the runtime
                refuses the batch. MemoryError: the batch does not fit.
        """
        return generated(self, batch, self._made)

    def _made(self, batch: Sequence[SampleRequest]) -> np.ndarray:
        fed = feeds(self._roles, self._spec, self._indexes, batch)
        rows = self._roles.batch or len(batch)
        parts = [
            self._run({key: filled(value[at : at + rows], rows) for key, value in fed.items()})
            for at in range(0, len(batch), rows)
        ]
        return np.concatenate(parts)[: len(batch)]

    def probe(self) -> None:
        """Runs the graph once, with the highest class: what does not fit shows before a job
        has begun.

        Raises:
            CheckpointError: the runtime refuses it, or the image is not what the file says.
        """
        label = max(self._indexes, key=self._indexes.__getitem__, default="")
        source = np.zeros((8, 8, 3), np.uint8) if self._roles.source is not None else None
        try:
            self.generate([SampleRequest("0" * 32, label, 0, source)])
        except MemoryError as error:
            raise CheckpointError(
                f"generators.{self.info.name}: {MODEL}: one run of the graph does not fit into "
                f"memory ({error}); expected a smaller graph, or a larger device"
            ) from None

    def _run(self, fed: Mapping[str, np.ndarray]) -> np.ndarray:
        """(rows, C, H, W) float32, [-1, 1] where the graph keeps its range."""
        image = self._roles.image
        out = run(self._session, image.value.name, fed, f"generators.{self.info.name}")
        rows = len(next(iter(fed.values())))
        x_BCHW = out if image.layout == "NCHW" else np.moveaxis(out, 3, 1)
        expected = (rows, image.channels, image.height, image.width)
        if x_BCHW.shape != expected:
            raise CheckpointError(
                f"generators.{self.info.name}: {MODEL}: the image came out as {x_BCHW.shape}; "
                f"expected {expected}, as the file says; export it again"
            )
        black, white = self._spec.range
        scaled = (x_BCHW.astype(np.float32) - black) * (2.0 / (white - black)) - 1.0
        return np.ascontiguousarray(scaled, dtype=np.float32)


def run(session: Any, output: str, fed: Mapping[str, np.ndarray], place: str) -> np.ndarray:
    """One output of a graph.

    Raises:
        CheckpointError: the runtime refuses what it is fed. MemoryError: it does not fit.
    """
    try:
        (out,) = session.run([output], dict(fed))
    except Exception as error:  # the runtime has an exception class for each of its codes
        if any(text in str(error).lower() for text in _NO_MEMORY):
            raise MemoryError(_short(error)) from None
        raise CheckpointError(
            f"{place}: {MODEL}: the runtime refuses the batch ({_short(error)}); expected indexes "
            "and images that the graph knows"
        ) from None
    made: np.ndarray = out
    return made


def feeds(
    roles: Roles, spec: OnnxGenerator, indexes: Mapping[str, int], batch: Sequence[SampleRequest]
) -> dict[str, np.ndarray]:
    """Input -> its values for a batch: latents of the samples' streams, classes, sources."""
    found = dict[str, np.ndarray]()
    if roles.z is not None:
        z_BZ = latents([r.sample_id for r in batch], roles.z_size, spec.sampling)
        found[roles.z.name] = z_BZ.reshape(-1, *roles.z_shape).astype(roles.z.dtype)
    if roles.class_ is not None:
        index_B = np.array([indexes[r.label_name] for r in batch], dtype=np.int64)
        if roles.class_as == "onehot":
            index_B = np.arange(roles.num_classes or 0) == index_B[:, None]
        elif len(roles.class_.dims or ()) == 2:
            index_B = index_B[:, None]
        found[roles.class_.name] = index_B.astype(roles.class_.dtype)
    if roles.source is not None:
        sources = [_taken(r.source, roles.source) for r in batch if r.source is not None]
        found[roles.source.value.name] = _put(np.stack(sources), roles.source, spec.image_range)
    return found


def _taken(source_HWC: np.ndarray, role: ImageRole) -> np.ndarray:
    """(C, H, W) uint8 in the graph's size and colours."""
    image = Image.fromarray(source_HWC)
    if role.channels == 1:
        image = image.convert("L")
    if (image.height, image.width) != (role.height, role.width):
        image = image.resize((role.width, role.height), Image.Resampling.BICUBIC)
    return np.asarray(image).reshape(role.height, role.width, -1).transpose(2, 0, 1)


def _put(x_BCHW: np.ndarray, role: ImageRole, values: tuple[int, int]) -> np.ndarray:
    """uint8 images as the graph takes them."""
    black, white = values
    scaled = x_BCHW.astype(np.float32) * ((white - black) / 255.0) + black
    laid = scaled if role.layout == "NCHW" else np.moveaxis(scaled, 1, 3)
    whole = np.rint(laid) if role.value.dtype == "uint8" else laid
    return np.ascontiguousarray(whole.astype(role.value.dtype))


# ---- from a checkpoint ---------------------------------------------------------------


def _read(
    name: str, spec: OnnxGenerator, options: Options, keep: bool = True
) -> tuple[GeneratorInfo, bytes | memoryview, Roles, dict[str, int]]:
    """Facts, the file, its roles, and class -> index."""
    found = opened(name, spec, "onnx", options, MODEL)
    init = found.init(OnnxInit)
    data = read_model(found.folder, name, found.config, spec.sha256, keep)
    graph = read_graph(data, f"generators.{name}: {MODEL}").showing(spec.output, init.image)
    roles = roles_of(name, spec, graph)
    indexes = _indexes(name, spec, found.config, init, roles, options)
    return _info(found, spec, roles, indexes), data, roles, indexes


def _indexes(
    name: str,
    spec: OnnxGenerator,
    config: Config,
    init: OnnxInit,
    roles: Roles,
    options: Options,
) -> dict[str, int]:
    if roles.class_ is None:
        return {} if roles.source is not None else class_indexes(name, spec, None, 0)
    named = config.classes
    known = roles.num_classes or init.num_classes or (len(named) if named else None)
    if named is not None and len(named) != known:
        raise CheckpointError(
            f"generators.{name}: generator.json: classes: {len(named)} names, expected {known}, "
            "the classes of the graph; import it again with --classes FILE"
        )
    if known is None and spec.class_index is None:
        raise CheckpointError(
            f"generators.{name}: the graph knows its classes only as indexes; say which is which "
            f"with generators.{name}.class_index ({{name: index}} or {{file: FILE}}), or import "
            "it again with --classes FILE"
        )
    return class_indexes(name, spec, named, known or _MOST_CLASSES, options)


def _info(
    found: Opened, spec: OnnxGenerator, roles: Roles, indexes: Mapping[str, int]
) -> GeneratorInfo:
    source = None if roles.source is None else roles.source.value
    inputs = {"z": roles.z, "class": roles.class_, "image": source}
    pixels = {
        "inputs": {role: value.name for role, value in inputs.items() if value is not None},
        "class_as": roles.class_as,
        "output": roles.image.value.name,
        "layout": [roles.image.layout, roles.source.layout if roles.source else None],
        "ranges": [list(spec.range), list(spec.image_range)],
        "classes": indexes,
    }
    kind = DigitalSourceType.TRAINED_ALGORITHMIC_MEDIA
    if source is not None:
        kind = DigitalSourceType.COMPOSITE_WITH_TRAINED
    return checkpoint_info(
        found,
        _VERSION,
        pixels=pixels,
        sampling={"sampling": spec.sampling.model_dump() if roles.z is not None else {}},
        shape=(roles.image.channels, roles.image.height, roles.image.width),
        classes=indexes,
        kind=kind,
        takes_image=source is not None,
        varies=roles.z is not None,
    )


def describe(name: str, spec: OnnxGenerator, options: Options) -> GeneratorInfo:
    """Facts of a checkpoint, after every check that needs no runtime.

    Raises:
        CheckpointError: the folder does not hold what it must. StorageError: unreadable.
    """
    return _read(name, spec, options, keep=False)[0]


def load(
    name: str, spec: OnnxGenerator, info: GeneratorInfo, placement: Placement, options: Options
) -> OnnxHost:
    """The host of a checkpoint that must still be the one that `info` describes.

    Raises:
        CheckpointError: as `describe`, it has changed since, or the runtime is missing or
            refuses it. StorageError: unreadable.
    """
    found, data, roles, indexes = _read(name, spec, options)
    must_match(found, info)
    if placement.compile != "off":
        raise CheckpointError(
            f"execution.generators.{name}.compile: got {placement.compile}, which has no effect: "
            "a graph is not compiled by torch; expected off"
        )
    host = OnnxHost(session_of(name, bytes(data), placement), info, roles, indexes, spec)
    host.probe()
    return host


def session_of(name: str, data: bytes, placement: Placement) -> Any:
    """The graph in the runtime.

    Raises:
        CheckpointError: the runtime is missing, or refuses it.
    """
    place = f"generators.{name}"
    try:
        runtime = silently("onnxruntime")
    except ImportError:
        raise NotInstalled(
            f"{place}: family onnx needs onnxruntime, which is not installed; install "
            "augment-vision[onnx]"
        ) from None
    options = runtime.SessionOptions()
    options.intra_op_num_threads = _threads(os.environ)
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 4  # what it logs as an error, it also raises
    # else a file that is ONNX to our reader and the runtime's own format to the runtime gets by
    options.add_session_config_entry("session.load_model_format", "ONNX")
    # threads that wait for work must not take the cores from those that encode images
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    provider = _provider(place, placement.device, runtime.get_available_providers())
    try:
        return runtime.InferenceSession(data, options, providers=[provider])
    except Exception as error:  # the runtime has an exception class for each of its codes
        raise CheckpointError(
            f"{place}: {MODEL}: the runtime refuses the graph ({_short(error)}); export it again, "
            "or install a newer onnxruntime"
        ) from None


def _threads(env: Mapping[str, str]) -> int:
    """As torch has it: what OMP_NUM_THREADS says (Ray sets it to an actor's CPUs), else 0, which
    is one for each core."""
    said = env.get("OMP_NUM_THREADS", "")
    return int(said) if said.isdigit() else 0


def _provider(place: str, device: str, available: Sequence[str]) -> tuple[str, dict[str, str]]:
    if device == "cpu":
        return "CPUExecutionProvider", {}
    if "CUDAExecutionProvider" not in available:
        raise CheckpointError(
            f"{place}: got the device {device}, and the installed onnxruntime has no CUDA; "
            f"install onnxruntime-gpu in its place, or set execution.{place}.resources.gpus to 0"
        )
    number = device.partition(":")[2] or "0"
    # TF32 keeps 10 bits of mantissa: rows would move with their batch
    return "CUDAExecutionProvider", {
        "device_id": number, "use_tf32": "0", "cudnn_conv_algo_search": "DEFAULT",
    }  # fmt: skip


def _short(error: Exception) -> str:
    """The end of what the runtime says, where the reason stands."""
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else f"...{text[-297:]}"
