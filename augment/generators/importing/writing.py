"""An imported folder, and what its generator does when it is tried.

The smoke test makes two samples twice, under two states of every global generator of random
numbers: a network that draws from one of those is found here and not in a data set.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from augment import __version__
from augment.errors import CheckpointError
from augment.generators import GeneratorHost, GeneratorInfo, SampleRequest, describe, load_host
from augment.generators.checkpoint import CONFIG, FORMAT, MODEL, WEIGHTS
from augment.generators.foreign import Conversion
from augment.generators.importing.reading import Reading
from augment.seeds import class_conditioning, stream, synthetic_id
from augment.spec.generator_base import ClassConditional
from augment.spec.generators import GeneratorSpec

_VARIANT = re.compile(
    r"^([^.]+(?:\.safetensors\.index)?)(\.[a-z][a-z0-9_]*)((?:-\d{5}-of-\d{5})?\.(?:safetensors|json))$"
)
_SMOKE_SIDE = 256  # of the source image that a family which takes one is tried on


def write_folder(
    folder: Path,
    conversion: Conversion,
    reading: Reading,
    classes: Sequence[str] | None,
    license_: str | None,
) -> None:
    """Write generator.json and weights.safetensors (or model.onnx) into an empty folder.

    Raises:
        CheckpointError: more or fewer class names than the network has classes.
    """
    _check_names(conversion, classes)
    data = _weights(conversion)
    (folder / (WEIGHTS if conversion.graph is None else MODEL)).write_bytes(data)
    document = {
        "format": FORMAT,
        "family": conversion.family,
        "init": dict(conversion.init),
        "classes": None if classes is None else list(classes),
        "license": license_,
        "weights_sha256": hashlib.sha256(data).hexdigest(),
        "imported": imported(conversion, reading),
    }
    (folder / CONFIG).write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def _check_names(conversion: Conversion, classes: Sequence[str] | None) -> None:
    known = conversion.num_classes
    if classes is None or known is None or len(classes) == known:
        return
    if conversion.null_class and len(classes) == known - 1:
        return
    fewer = f" (or {known - 1}, where the last is no class)" if conversion.null_class else ""
    raise CheckpointError(
        f"--classes: got {len(classes)} names; expected {known}{fewer}, one for each of the "
        "checkpoint's classes"
    )


def _weights(conversion: Conversion) -> bytes:
    from safetensors.numpy import save

    if conversion.graph is not None:
        return conversion.graph
    arrays = {key: np.array(a, np.float32, order="C") for key, a in conversion.tensors.items()}
    data: bytes = save(arrays)
    return data


def imported(conversion: Conversion, reading: Reading) -> dict[str, Any]:
    """Where it came from, as `imported` in generator.json."""
    return {
        "kind": reading.kind,
        "sha256": reading.sha256,
        "importer": f"augment {__version__}",
        "embedded_sha256": list(reading.embedded_sha256),
        "skipped": sorted(reading.skipped or {}),
        "quirks": [*conversion.quirks, *reading.notes],
        "license_note": conversion.license_note,
    }


def copy_pipeline(folder: Path, reading: Reading) -> None:
    """The files of a pipeline that were judged fit, and no others. Weights of a variant get the
    plain names, which are what a job's library looks for."""
    for name, source in (reading.files or {}).items():
        inside, _, own = name.rpartition("/")
        target = folder / inside / _plain(own)
        target.parent.mkdir(parents=True, exist_ok=True)
        if own.endswith(".json") and ".safetensors.index" in own:
            target.write_text(json.dumps(_plainly_listed(json.loads(source.read_bytes()))))
        else:
            shutil.copyfile(source, target)


def _plain(name: str) -> str:
    """A file of weights, or the list of their shards, without its variant."""
    return _VARIANT.sub(r"\1\3", name) if ".safetensors" in name else name


def _plainly_listed(index: dict[str, Any]) -> dict[str, Any]:
    shards = {tensor: _plain(shard) for tensor, shard in index["weight_map"].items()}
    return {**index, "weight_map": shards}


# ---- trying it -------------------------------------------------------------------------


def trial_spec(folder: Path, conversion: Conversion, named: bool) -> GeneratorSpec:
    """A job's words for the imported folder, enough to make two samples with it."""
    words: dict[str, Any] = {
        "family": conversion.family, "checkpoint": str(folder), **conversion.words,
    }  # fmt: skip
    spec: GeneratorSpec = TypeAdapter(GeneratorSpec).validate_python(words)
    if conversion.init.get("direction") == "both":
        words["direction"] = "AtoB"
    elif isinstance(spec, ClassConditional) and not (named or conversion.takes_image):
        words |= _trial_classes(conversion.num_classes)
    tried: GeneratorSpec = TypeAdapter(GeneratorSpec).validate_python(words)
    return tried


def _trial_classes(num_classes: int | None) -> dict[str, Any]:
    if num_classes == 0:
        return {"label": "any"}
    return {"class_index": {str(i): i for i in range(min(2, num_classes or 1))}}


def smoke(spec: GeneratorSpec) -> tuple[GeneratorInfo, dict[str, Any]]:
    """Facts of an imported folder, and what two samples of it are like.

    Raises:
        CheckpointError: samples that are not finite, all alike, or that depend on more than
            their seed.
    """
    info = describe("imported", spec)
    host = load_host("imported", spec, info)
    batch = _requests(info)
    first, again = (_under_global_seed(seed, host, batch) for seed in (0, 1))
    if not np.array_equal(first, again):
        raise CheckpointError(
            "imported: two runs under different global seeds differ; expected samples that "
            "follow from their own seeds alone: this network cannot be hosted"
        )
    spread = float(first.std())
    if not spread > 0.0:
        raise CheckpointError(
            "imported: its samples are one level throughout; expected images: the weights are "
            "not those of a trained network"
        )
    said = {"samples": len(batch), "std": round(spread, 6), "same_under_global_seeds": True}
    return info, said


def _requests(info: GeneratorInfo) -> list[SampleRequest]:
    labels = info.classes[:2] or ("any",)
    key = (0, info.identity, info.sampling_digest)
    made = []
    for index, label in enumerate((labels * 2)[:2]):
        sample_id = synthetic_id(*key, class_conditioning(label), index)
        made.append(SampleRequest(sample_id, label, index, source=_source(info, sample_id)))
    return made


def _source(info: GeneratorInfo, sample_id: str) -> np.ndarray | None:
    if not info.takes_image:
        return None
    shape = (_SMOKE_SIDE, _SMOKE_SIDE, 3)
    return stream(sample_id, "source").integers(0, 256, shape, dtype=np.uint8)


def _under_global_seed(
    seed: int, host: GeneratorHost, batch: Sequence[SampleRequest]
) -> np.ndarray:
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    groups: dict[Any, list[SampleRequest]] = {}
    for request in batch:
        groups.setdefault(host.batch_key(request), []).append(request)
    made = [host.generate(group) for group in groups.values()]
    bad = [reason for one in made for reason in one.failed if reason]
    if bad:
        raise CheckpointError(
            f"imported: a sample failed ({bad[0]}); expected finite images: the weights are "
            "damaged, or not those of the settings beside them"
        )
    return np.concatenate([one.images.ravel() for one in made])


def add_smoke(folder: Path, said: Mapping[str, Any]) -> None:
    """Note in generator.json what the trial said."""
    path = folder / CONFIG
    document = json.loads(path.read_text())
    document["imported"]["smoke"] = dict(said)
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
