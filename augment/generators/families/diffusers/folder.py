"""What the files of a pipeline and a job say together, before anything is loaded.

What is hosted, and what a folder's settings may say, is `parts`'s; the files
themselves are judged by `augment.checkpoints`. Knows no torch; diffusers is imported where
arguments are compared with its signatures.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from augment.checkpoints.folders import FolderScan, scan_folder
from augment.checkpoints.safetensors_file import SafeTensors, read_safetensors
from augment.errors import CheckpointError, NotInstalled, UnsafeCheckpoint
from augment.generators.families.diffusers.parts import (
    DETERMINISTIC,
    NOISY,
    PIPELINES,
    Part,
    base_of,
    check_part,
    check_pipeline,
)
from augment.generators.families.diffusers.settings import wrong_adapter, wrong_settings
from augment.seeds import digest
from augment.spec.generators import DiffusersGenerator, SchedulerChoice
from augment.storage import Folder

_OWNED = frozenset({
    "class_labels", "control_image", "generator", "image", "latents", "mask_image",
    "masked_image_latents", "negative_prompt", "num_images_per_prompt", "output_type",
    "prompt", "return_dict", "use_resolution_binning",
})  # fmt: skip
_DIT_NULL = 1000
"""`DiTPipeline` guides away from this class, whatever the network has."""
EXTRA = "pip install 'augment-vision[diffusers]'"


@dataclass(frozen=True)
class Facts:
    """What is known of a pipeline's files.

    base: the text-to-image pipeline of its family. kind_class: the class that is run.
    scale: pixels of a latent's side. height, width: of its images where nothing else says.
    num_classes: of a pipeline that takes class indexes, 0 of one that takes text.
    safety_checker: whether the folder has one. parts: its components. hashes: file -> sha256,
    of all that is opened.
    """

    base: str
    kind_class: str
    scheduler: str
    scheduler_config: Mapping[str, Any]
    scale: int
    height: int
    width: int
    num_classes: int
    safety_checker: bool
    parts: Sequence[Part]
    hashes: Mapping[str, str]

    @property
    def weights_sha256(self) -> str:
        """Over names and hashes of all files."""
        return digest(dict(self.hashes))

    @property
    def takes_list(self) -> bool:
        """Whether the pipeline takes a list of generators, one a row; Amused takes one."""
        return self.base != "AmusedPipeline"

    @property
    def takes_latents(self) -> bool:
        """Whether the first noise can be handed in."""
        text = ("StableDiffusionPipeline", "StableDiffusionXLPipeline", "PixArtAlphaPipeline")
        return self.kind_class in text or "ControlNet" in self.kind_class


def versions() -> dict[str, str]:
    """Of the libraries whose code makes the pixels.

    Raises:
        NotInstalled: one is not.
    """
    return {package: _installed(package) for package in ("diffusers", "transformers")}


def _installed(package: str) -> str:
    """Its version."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        raise NotInstalled(
            f"family diffusers: the package {package} is not installed; {EXTRA}"
        ) from None


def read_facts(name: str, spec: DiffusersGenerator) -> Facts:
    """Everything that the files and the job say together, checked.

    Raises:
        CheckpointError: they do not fit. UnsafeCheckpoint: a file that is refused.
    """
    place = f"generators.{name}"
    single = spec.checkpoint.endswith(".safetensors")
    if single != (spec.config is not None):
        raise CheckpointError(
            f"{place}.config: {'missing' if single else 'has no effect'}; expected a local folder "
            "of settings with a single .safetensors file, and none with a folder"
        )
    if not single and spec.sha256 is not None:
        raise CheckpointError(f"{place}.sha256: has no effect; it is of a single file")
    path, scan = _scanned(place, spec.config if spec.config is not None else spec.checkpoint)
    base, kind_class = _chosen(place, spec, scan)
    parts = check_pipeline(
        path, scan, _tensors(f"{place}.checkpoint", spec.checkpoint) if single else None
    )
    hashes = {f"/{inside}": _sha256(file.path) for inside, file in scan.needed.items()}
    if single:
        hashes["weights"] = _hash_single(place, spec)
    hashes |= _beside(place, spec)
    scheduler, scheduler_config = _scheduler(place, spec, scan, base)
    inner = "transformer" if "transformer" in scan.classes else "unet"
    network = _json(place, scan, f"{inner}/config.json")
    scale = _scale(place, scan)
    height, width = _size(place, spec, network, scale)
    classes = _classes(place, spec, network) if base == "DiTPipeline" else 0
    # the library never takes a safety checker along with a single file
    checker = "safety_checker" in scan.classes and not single
    return Facts(base, kind_class, scheduler, scheduler_config, scale, height, width, classes,
                 checker, parts, hashes)  # fmt: skip


def _scanned(place: str, uri: str) -> tuple[Path, FolderScan]:
    folder = Folder(uri)
    if not folder.is_local:
        raise CheckpointError(
            f"{place}: {uri} is not local; expected a local folder (diffusers opens no other); "
            "copy it first"
        )
    return Path(folder.uri), scan_folder(folder.uri)


def _chosen(place: str, spec: DiffusersGenerator, scan: FolderScan) -> tuple[str, str]:
    """(base, class of the kind)."""
    base = base_of(place, scan)
    kinds = PIPELINES[base]
    if spec.pipeline not in kinds:
        raise CheckpointError(
            f"{place}.pipeline: a {base} cannot {spec.pipeline}; expected one of {', '.join(kinds)}"
        )
    _check_controlnet(place, spec)
    return base, kinds[spec.pipeline]


def _check_controlnet(place: str, spec: DiffusersGenerator) -> None:
    if (spec.pipeline == "controlnet") != (spec.controlnet is not None):
        raise CheckpointError(
            f"{place}.controlnet: {'missing' if spec.controlnet is None else 'has no effect'}; "
            "expected the folder of a ControlNetModel with pipeline: controlnet alone"
        )


def _hash_single(place: str, spec: DiffusersGenerator) -> str:
    found = _sha256(Path(Folder(spec.checkpoint).uri))
    if spec.sha256 not in (None, found):
        raise CheckpointError(
            f"{place}: sha256 is {found}, the job says {spec.sha256}; fetch it again or update "
            f"{place}.sha256"
        )
    return found


def _beside(place: str, spec: DiffusersGenerator) -> dict[str, str]:
    """Hashes of the ControlNet's files and of the adapters."""
    hashes = {}
    if spec.controlnet is not None:
        path, scan = _scanned(f"{place}.controlnet", spec.controlnet)
        if scan.classes.get("", ("", ""))[1] != "ControlNetModel":
            raise CheckpointError(
                f"{place}.controlnet: not a ControlNetModel; expected its folder, with config.json "
                "and diffusion_pytorch_model.safetensors"
            )
        check_part(path, scan, Part("", "ControlNetModel", "network"))
        hashes = {f"controlnet/{k}": _sha256(f.path) for k, f in scan.needed.items()}
    for n, adapter in enumerate(spec.adapters):
        at = f"{place}.adapters.{n}.path"
        if wrong := wrong_adapter(_tensors(at, adapter.path)):
            raise UnsafeCheckpoint(f"{at}: {wrong}; take another file, or save its tensors alone")
        hashes[f"adapter {n}"] = _sha256(Path(Folder(adapter.path).uri))
    return hashes


def _tensors(place: str, uri: str) -> SafeTensors:
    """A single local safetensors file, its header checked."""
    if not uri.endswith(".safetensors") or not Folder(uri).is_local:
        raise CheckpointError(f"{place}: got {uri}; expected a local .safetensors file")
    return read_safetensors(Path(Folder(uri).uri))


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _json(place: str, scan: FolderScan, inside: str) -> dict[str, Any]:
    file = scan.needed.get(inside)
    if file is None:
        raise CheckpointError(f"{place}: no {inside}; expected a whole pipeline folder")
    found: dict[str, Any] = json.loads(file.path.read_bytes())
    return found


def _scale(place: str, scan: FolderScan) -> int:
    """Pixels of a latent's side: each block of the decoder but one doubles it."""
    inside = f"{'vqvae' if 'vqvae' in scan.classes else 'vae'}/config.json"
    blocks = _json(place, scan, inside).get("block_out_channels") or [0] * 4
    if not isinstance(blocks, list):
        raise CheckpointError(
            f"{place}: {inside}: block_out_channels: got {blocks}; expected a list, a width for "
            "each block: save the model again with the program that made it"
        )
    return int(2 ** (len(blocks) - 1))


def _classes(place: str, spec: DiffusersGenerator, network: Mapping[str, Any]) -> int:
    """How many a pipeline that takes class indexes knows."""
    classes: int | None = network.get("num_embeds_ada_norm")
    if classes is None:
        raise CheckpointError(
            f"{place}: transformer/config.json: no num_embeds_ada_norm; expected how many classes "
            "the network knows: save the model again with the program that made it"
        )
    if classes < _DIT_NULL and spec.sampling.call.get("guidance_scale", 4.0) > 1.0:
        raise CheckpointError(
            f"{place}.sampling.call.guidance_scale: the pipeline guides away from class "
            f"{_DIT_NULL}, but the network has {classes}; expected guidance_scale: 1"
        )
    return classes


def _size(
    place: str, spec: DiffusersGenerator, network: Mapping[str, Any], scale: int
) -> tuple[int, int]:
    """(height, width) of images that no other image gives."""
    side = network.get("sample_size") or 64
    sides = [side, side] if isinstance(side, int) else list(side)
    size = []
    for key, latent in zip(("height", "width"), sides, strict=True):
        if spec.pipeline != "text2img" and key in spec.sampling.call:
            raise CheckpointError(
                f"{place}.sampling.call.{key}: has no effect, images are as large as the one that "
                "each is made from; remove it"
            )
        given = spec.sampling.call.get(key, latent * scale)
        if not isinstance(given, int) or not 0 < given <= 4096 or given % scale:
            raise CheckpointError(
                f"{place}.sampling.call.{key}: got {given!r}; expected a multiple of {scale}, at "
                "most 4096"
            )
        size.append(given)
    return size[0], size[1]


def _scheduler(
    place: str, spec: DiffusersGenerator, scan: FolderScan, base: str
) -> tuple[str, Mapping[str, Any]]:
    """(class, options that the job gives it)."""
    found = scan.classes.get("scheduler", ("", ""))[1]
    chosen, own = found, {}
    if isinstance(spec.sampling.scheduler, SchedulerChoice):
        chosen, own = (
            spec.sampling.scheduler.class_,
            dict(spec.sampling.scheduler.model_extra or {}),
        )
    elif spec.sampling.scheduler is not None:
        chosen = spec.sampling.scheduler
    if base == "AmusedPipeline":
        if spec.sampling.scheduler is not None:
            raise CheckpointError(
                f"{place}.sampling.scheduler: got {chosen}; Amused runs with its own only"
            )
        return found, {}
    allowed = DETERMINISTIC if base == "DiTPipeline" else DETERMINISTIC | NOISY
    config = {**_json(place, scan, "scheduler/scheduler_config.json"), **own}
    sde = str(config.get("algorithm_type", "")).startswith("sde-")
    if chosen not in allowed or (sde and base == "DiTPipeline"):
        why = ", for its pipeline hands no generator on" if base == "DiTPipeline" else ""
        raise CheckpointError(
            f"{place}.sampling.scheduler: got {chosen}{' with an sde- algorithm' if sde else ''}; "
            f"expected one of {', '.join(sorted(allowed))}{why}"
        )
    steps = spec.sampling.call.get("num_inference_steps", 50)
    if chosen == "PNDMScheduler" and steps <= 3:
        raise CheckpointError(
            f"{place}.sampling.call.num_inference_steps: got {steps}; expected more than 3 with "
            "PNDMScheduler"
        )
    return chosen, own


# ---- against the library's signatures --------------------------------------------------


def library() -> Any:
    """diffusers itself; nothing is fetched from anywhere by what is done with it here.

    Raises:
        NotInstalled: it, or what it needs, is not.
    """
    versions()
    _installed("accelerate")  # else networks are made in memory before their weights are read
    try:
        return importlib.import_module("diffusers")
    except ImportError as e:
        raise NotInstalled(f"family diffusers: {e}; {EXTRA}") from None


def check_arguments(name: str, spec: DiffusersGenerator, facts: Facts) -> None:
    """Raises:
    CheckpointError: `call` or the scheduler's options hold what the class does not take.
    """
    pipeline = getattr(library(), facts.kind_class)
    takes = set(inspect.signature(pipeline.__call__).parameters) - {"self"}
    ours = {key for key in takes if key in _OWNED or key.startswith(("callback", "ip_adapter"))}
    ours |= {key for key in takes if "_embeds" in key or key == "encoder_hidden_states"}
    _must_know(f"generators.{name}.sampling.call", spec.sampling.call, takes - ours, ours)
    if facts.scheduler_config:
        scheduler = getattr(library(), facts.scheduler)
        options = set(inspect.signature(scheduler.__init__).parameters) - {"self"}
        _must_know(f"generators.{name}.sampling.scheduler", facts.scheduler_config, options, ())
        if wrong := wrong_settings("scheduler", facts.scheduler_config, None):
            raise CheckpointError(f"generators.{name}.sampling.scheduler: {wrong}")


def _must_know(
    place: str, given: Mapping[str, Any], valid: Collection[str], ours: Collection[str]
) -> None:
    for key in given:
        if key in ours:
            raise CheckpointError(f"{place}.{key}: set by augment itself; remove it")
        if key not in valid:
            raise CheckpointError(
                f"{place}.{key}: an unknown key; expected one of {', '.join(sorted(valid))}"
            )
