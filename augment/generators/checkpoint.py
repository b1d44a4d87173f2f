"""A checkpoint folder, `generator.json` + `weights.safetensors`, read and judged as data.

Nothing in a checkpoint is executed: the one is JSON against a closed model, the other is
read by `augment.checkpoints`. Knows no architecture beyond the shapes it is told to expect,
and no torch. Where a graph comes with its weights, `model.onnx` stands in the place of
`weights.safetensors`; it is only read and hashed here.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, BinaryIO, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from augment.checkpoints.blob import open_blob
from augment.checkpoints.limits import MAX_FILE_BYTES
from augment.checkpoints.safetensors_file import FLOATS, array_of, header_bytes, read_header
from augment.errors import CheckpointError
from augment.storage import Folder

FORMAT = "augment-generator/1"
CONFIG = "generator.json"
WEIGHTS = "weights.safetensors"
MODEL = "model.onnx"

MAX_CONFIG_BYTES = 4 << 20
MAX_MODEL_BYTES = (1 << 31) - 1

M = TypeVar("M", bound=BaseModel)

_Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_ClassName = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class Imported(BaseModel):
    """Where an imported checkpoint came from, for people, cards and audits.

    kind: of the file or folder, by its content. sha256: of the file (of a folder: over the
    names and hashes of the files used). embedded_sha256: of source texts that lay inside
    it, which are kept nowhere. skipped: files of the folder that were not needed. quirks:
    what was mended on the way in. smoke: of two samples under two global seeds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kind: str
    sha256: _Sha256
    importer: str
    embedded_sha256: list[_Sha256] = []
    skipped: list[str] = []
    quirks: list[str] = []
    license_note: str | None = None
    smoke: dict[str, Any] = {}


class Config(BaseModel):
    """`generator.json`. init: the family's architecture. classes: names in the order of the
    network's class index, None where it knows only indexes or has none. trained_on: what it
    was learned from, for people and cards."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: str
    family: str
    init: dict[str, Any]
    classes: Annotated[list[_ClassName], Field(min_length=1, max_length=100_000)] | None = None
    license: str | None = None
    weights_sha256: _Sha256
    trained_on: dict[str, Any] | str | None = None
    imported: Imported | None = None


def read_config(folder: Folder, name: str, family: str, weights: str = WEIGHTS) -> Config:
    """The configuration of the job's generator `name`, which must be of `family`.

    weights: the file that should lie beside it.

    Raises:
        CheckpointError: missing, too large, not JSON, of another format version or family,
            or not what a configuration may hold.
        StorageError: it cannot be read.
    """
    _size(folder, name, CONFIG, MAX_CONFIG_BYTES, weights)
    raw = _json_object(folder.read(CONFIG), name)
    if raw.get("format") != FORMAT:
        raise _wrong(
            name, CONFIG, f"format is {raw.get('format')!r}, this version reads {FORMAT!r}",
            "export the checkpoint again, or use the augment that wrote it",
        )  # fmt: skip
    if raw.get("family") != family:
        raise _wrong(
            name, CONFIG, f"family is {raw.get('family')!r}, the job says {family!r}",
            f"update generators.{name}.family or point checkpoint elsewhere",
        )  # fmt: skip
    config = validated(Config, raw, name)
    if config.classes is not None:
        common, times = Counter(config.classes).most_common(1)[0]
        if times > 1:
            found = f"classes: {common!r} stands there {times} times, expected once"
            raise _wrong(name, CONFIG, found)
    return config


def own_classes(config: Config, name: str, num_classes: int | None = None) -> list[str]:
    """The names that a checkpoint of a family which always names its classes gives them, one
    for each of the network's indexes (None: as many as there are names).

    Raises:
        CheckpointError: there are none, or more or fewer than indexes.
    """
    named = config.classes
    expected = "the name of every class" if num_classes is None else f"{num_classes} names"
    if named is None or (num_classes is not None and len(named) != num_classes):
        found = "missing" if named is None else f"{len(named)} names"
        raise _wrong(
            name, CONFIG, f"classes: {found}, expected {expected}", "export the checkpoint again"
        )
    return named


def validated(model: type[M], raw: Any, name: str, at: str = "") -> M:
    """`raw`, found at `at` in `generator.json`, as the model.

    Raises:
        CheckpointError: it does not fit; says every place.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as e:
        found = [(".".join([*([at] if at else []), *map(str, p["loc"])]), p) for p in e.errors()]
        text = "; ".join(f"{place}: {p['msg']}, got {p['input']!r:.80}" for place, p in found[:5])
        raise _wrong(name, CONFIG, text) from None


def read_weights(
    folder: Folder,
    name: str,
    config: Config,
    sha256: str | None,
    shapes: Mapping[str, tuple[int, ...]],
    keep: bool = True,
) -> dict[str, np.ndarray]:
    """The tensors as float32 arrays, after every check that needs no network. The file is read
    once, tensor by tensor, and the hash is of the very bytes that the arrays are made from.

    sha256: what the job says of the file, None where it says nothing. shapes: the tensors
    that the architecture has, no more and no fewer; they are compared before one is read.
    keep: False gives no arrays and takes the memory of one tensor.

    Raises:
        CheckpointError: missing, changed, malformed, not of this architecture, not finite.
        StorageError: it cannot be read.
    """
    size = _size(folder, name, WEIGHTS, MAX_FILE_BYTES, WEIGHTS)
    with folder.open(WEIGHTS) as file:
        taken = _Hashed(file)
        start = taken.bytes(8)
        head = start + taken.bytes(header_bytes(start) - 8)
        header = read_header(head, size, f"generators.{name}: {WEIGHTS}", dtypes=FLOATS)
        _check_shapes(name, {key: entry.shape for key, entry in header.entries.items()}, shapes)
        arrays: dict[str, np.ndarray] = dict.fromkeys(header.entries if keep else (), np.empty(0))
        odd = ""
        for key, entry in sorted(header.entries.items(), key=lambda item: item[1].start):
            array = array_of(entry, taken.bytes(entry.stop - entry.start)).astype(np.float32)
            if not np.isfinite(array).all() and not odd:
                bad = int(array.size - np.isfinite(array).sum())
                odd = f"tensor {key!r} holds {bad} NaN or infinite of {array.size} values"
            if keep:
                arrays[key] = array
        taken.bytes(1)  # a file that grew meanwhile has another hash
    _check_hash(taken.hex(), name, WEIGHTS, config, sha256)
    if odd:
        raise _wrong(name, WEIGHTS, odd, "train it again or take an earlier checkpoint")
    return arrays


class _Hashed:
    """A file from its start on, and the hash of what was read of it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._state = hashlib.sha256()

    def bytes(self, count: int) -> bytes:
        """The next bytes, fewer at the end of the file."""
        data = self._file.read(count)
        self._state.update(data)
        return data

    def hex(self) -> str:
        return self._state.hexdigest()


def read_model(
    folder: Folder, name: str, config: Config, sha256: str | None, keep: bool = True
) -> bytes | memoryview:
    """The bytes of `model.onnx`, which must be those that the configuration names.

    sha256: what the job says of the file, None where it says nothing. keep: False for a look,
    which takes no memory where the file is local; else the bytes stay what they were.

    Raises:
        CheckpointError: missing, too large or changed. StorageError: it cannot be read.
    """
    _size(folder, name, MODEL, MAX_MODEL_BYTES, MODEL)
    if keep or not folder.is_local:
        data: bytes | memoryview = folder.read(MODEL)
    else:
        data = open_blob(folder.url(MODEL), f"generators.{name}: {MODEL}", MAX_MODEL_BYTES).view
    _check_hash(hashlib.sha256(data).hexdigest(), name, MODEL, config, sha256)
    return data


def differences(
    found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]
) -> str:
    """Names of tensors that are missing, unknown or of another shape; "" where none is."""
    wrong = [
        f"{key} {list(found[key])} (expected {list(expected[key])})"
        for key in sorted(found.keys() & expected.keys())
        if found[key] != expected[key]
    ]
    parts = {
        "missing": sorted(expected.keys() - found.keys()),
        "unknown": sorted(found.keys() - expected.keys()),
        "wrong shape": wrong,
    }
    return "; ".join(f"{kind}: {', '.join(keys[:8])}{', ...' if len(keys) > 8 else ''}"
                     for kind, keys in parts.items() if keys)  # fmt: skip


def _wrong(name: str, file: str, text: str, way_out: str = "") -> CheckpointError:
    return CheckpointError(
        f"generators.{name}: {file}: {text}" + (f"; {way_out}" if way_out else "")
    )


def _size(folder: Folder, name: str, file: str, limit: int, weights: str) -> int:
    """Of a file that is there, within its limit."""
    try:
        size = folder.info(file).size
    except FileNotFoundError:
        raise _wrong(
            name, file, f"no such file in {folder.uri}",
            f"expected a folder with {CONFIG} and {weights}; update generators.{name}.checkpoint",
        ) from None  # fmt: skip
    if not 0 <= size <= limit:
        raise _wrong(name, file, f"has {size} bytes, expected at most {limit}")
    return size


def _json_object(data: bytes, name: str) -> dict[str, Any]:
    try:
        raw = json.loads(data)
    except (ValueError, RecursionError) as e:
        raise _wrong(name, CONFIG, f"not JSON ({e})") from None
    if not isinstance(raw, dict):
        raise _wrong(name, CONFIG, f"holds a {type(raw).__name__}, expected an object")
    return raw


def _check_hash(found: str, name: str, file: str, config: Config, sha256: str | None) -> None:
    if sha256 is not None and found != sha256:
        raise _wrong(
            name, file, f"sha256 is {found}, the job says {sha256}",
            f"fetch it again or update generators.{name}.sha256",
        )  # fmt: skip
    if found != config.weights_sha256:
        raise _wrong(
            name, file, f"sha256 is {found}, {CONFIG} says {config.weights_sha256}",
            "the two do not belong together: fetch both again",
        )  # fmt: skip


def _check_shapes(
    name: str, found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]
) -> None:
    if text := differences(found, expected):
        raise _wrong(
            name, WEIGHTS, f"its tensors are not those of {CONFIG}'s init ({text})",
            "fetch both again",
        )  # fmt: skip
