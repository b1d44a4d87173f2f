"""Which pipelines of diffusers are hosted, what each is made of, and whether a folder is that.

Pipelines, their components and schedulers come from closed lists, library and class: a class
is chosen here, never by a name that a file gives. The settings of every component are held
against `settings`, the words of its tokenizers too. Knows no job, no torch, and
imports no library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from augment.checkpoints.blob import open_blob, shown
from augment.checkpoints.folders import FolderScan
from augment.checkpoints.limits import MAX_JSON_BYTES, MAX_SETTINGS_BYTES
from augment.checkpoints.safetensors_file import SafeTensors, read_safetensors
from augment.checkpoints.strict_json import read_object
from augment.checkpoints.tree import refused
from augment.errors import CheckpointError
from augment.generators.families.diffusers import settings
from augment.generators.families.diffusers.settings_rules import Rule, Scale, Table

PipelineKind = Literal["text2img", "img2img", "inpaint", "controlnet"]

PIPELINES: Mapping[str, Mapping[PipelineKind, str]] = {
    "StableDiffusionPipeline": {
        "text2img": "StableDiffusionPipeline",
        "img2img": "StableDiffusionImg2ImgPipeline",
        "inpaint": "StableDiffusionInpaintPipeline",
        "controlnet": "StableDiffusionControlNetPipeline",
    },
    "StableDiffusionXLPipeline": {
        "text2img": "StableDiffusionXLPipeline",
        "img2img": "StableDiffusionXLImg2ImgPipeline",
        "inpaint": "StableDiffusionXLInpaintPipeline",
        "controlnet": "StableDiffusionXLControlNetPipeline",
    },
    "DiTPipeline": {"text2img": "DiTPipeline"},
    "PixArtAlphaPipeline": {"text2img": "PixArtAlphaPipeline"},
    "AmusedPipeline": {
        "text2img": "AmusedPipeline",
        "img2img": "AmusedImg2ImgPipeline",
        "inpaint": "AmusedInpaintPipeline",
    },
}
"""Text-to-image pipeline -> the classes that run its components for each kind."""

DETERMINISTIC = frozenset({
    "DDIMScheduler", "DEISMultistepScheduler", "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler", "EulerDiscreteScheduler", "HeunDiscreteScheduler",
    "LMSDiscreteScheduler", "PNDMScheduler", "UniPCMultistepScheduler",
})  # fmt: skip
NOISY = frozenset({
    "DDPMScheduler", "EulerAncestralDiscreteScheduler", "KDPM2AncestralDiscreteScheduler",
    "LCMScheduler", "TCDScheduler",
})  # fmt: skip
"""They draw noise at every step, from the generators that they are handed."""

_SCHEDULERS = DETERMINISTIC | NOISY
_CLIP = ("CLIPTextModel",)
_PROJECTED = ("CLIPTextModelWithProjection",)
_WORDS = ("CLIPTokenizer", "CLIPTokenizerFast", "PreTrainedTokenizerFast", "TokenizersBackend")
_T5_WORDS = ("T5Tokenizer", "T5TokenizerFast", "PreTrainedTokenizerFast", "TokenizersBackend")
_TRANSFORMERS = ("DiTTransformer2DModel", "PixArtTransformer2DModel", "Transformer2DModel")
"""One class of old diffusers, which became three."""
_LOOKS = ("CLIPImageProcessor", "CLIPImageProcessorFast", "CLIPFeatureExtractor")

KINDS: Mapping[str, tuple[str, settings.Kind]] = {
    **dict.fromkeys(("AutoencoderKL", "ControlNetModel", "UNet2DConditionModel", "UVit2DModel",
                     "VQModel", *_TRANSFORMERS), ("diffusers", "network")),
    **dict.fromkeys((*_SCHEDULERS, "AmusedScheduler"), ("diffusers", "scheduler")),
    **dict.fromkeys((*_CLIP, *_PROJECTED, "CLIPVisionModelWithProjection", "T5EncoderModel"),
                    ("transformers", "text")),
    **dict.fromkeys((*_WORDS, *_T5_WORDS), ("transformers", "tokenizer")),
    **dict.fromkeys(_LOOKS, ("transformers", "processor")),
    "StableDiffusionSafetyChecker": ("stable_diffusion", "checker"),
}  # fmt: skip
"""Class of a component -> (what model_index.json calls its library, what it is)."""

_BESIDE: Mapping[str, tuple[str, ...]] = {
    "safety_checker": ("StableDiffusionSafetyChecker",),
    "feature_extractor": _LOOKS,
    "image_encoder": ("CLIPVisionModelWithProjection",),
    "controlnet": ("ControlNetModel",),
}
_COMPONENTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "StableDiffusionPipeline": {
        "vae": ("AutoencoderKL",), "text_encoder": _CLIP, "tokenizer": _WORDS,
        "unet": ("UNet2DConditionModel",), "scheduler": tuple(_SCHEDULERS), **_BESIDE,
    },
    "StableDiffusionXLPipeline": {
        "vae": ("AutoencoderKL",), "text_encoder": _CLIP, "tokenizer": _WORDS,
        "text_encoder_2": _PROJECTED, "tokenizer_2": _WORDS,
        "unet": ("UNet2DConditionModel",), "scheduler": tuple(_SCHEDULERS), **_BESIDE,
    },
    "DiTPipeline": {
        "transformer": _TRANSFORMERS, "vae": ("AutoencoderKL",), "scheduler": tuple(_SCHEDULERS),
    },
    "PixArtAlphaPipeline": {
        "transformer": _TRANSFORMERS, "vae": ("AutoencoderKL",), "scheduler": tuple(_SCHEDULERS),
        "text_encoder": ("T5EncoderModel",), "tokenizer": _T5_WORDS,
    },
    "AmusedPipeline": {
        "transformer": ("UVit2DModel",), "vqvae": ("VQModel",), "scheduler": ("AmusedScheduler",),
        "text_encoder": _PROJECTED, "tokenizer": _WORDS,
    },
}  # fmt: skip
"""Text-to-image pipeline -> its components and their classes."""
_SPARED = {
    "StableDiffusionPipeline": set(_BESIDE),
    "StableDiffusionXLPipeline": {*_BESIDE, "text_encoder", "tokenizer"},  # a refiner has one
}
"""Components that a pipeline may be without."""


@dataclass(frozen=True)
class Part:
    """One component. name: "" of a model that is none. folder: where it lies, "" at the root.
    kind: as its library treats it. needs_weights: whether they lie beside its settings."""

    name: str
    class_name: str
    kind: settings.Kind

    @property
    def needs_weights(self) -> bool:
        return self.kind in ("network", "text", "checker")


def base_of(place: str, scan: FolderScan) -> str:
    """The text-to-image pipeline of the family that a folder's pipeline is of.

    Raises:
        CheckpointError: it is of none that is hosted; names those that are.
    """
    found = scan.classes.get("", ("", ""))[1]
    if scan.kind != "diffusers":
        raise CheckpointError(
            f"{place}: a folder of kind {scan.kind!r}; expected a pipeline with model_index.json"
        )
    for base, kinds in PIPELINES.items():
        if found in kinds.values():
            return base
    raise CheckpointError(
        f"{place}: the folder is of a {shown(found)[1:-1]}, which is not hosted; expected one of "
        f"{', '.join(PIPELINES)} or their image variants"
    )


def parts_of(place: str, base: str, scan: FolderScan) -> list[Part]:
    """The components of a pipeline, each of a class that it may have, none missing.

    Raises:
        CheckpointError: one is missing, or of another library or class.
    """
    known = _COMPONENTS[base]
    for name, (library, found) in scan.classes.items():
        if not name:
            continue
        if name not in known:
            raise CheckpointError(
                f"{place}: model_index.json: the component {shown(name)}; expected only "
                f"{', '.join(known)} of a {base}"
            )
        if found not in known[name] or library != KINDS[found][0]:
            raise CheckpointError(
                f"{place}: model_index.json: component {name!r} is [{library}, {found}]; expected "
                f"{' or '.join(f'[{KINDS[c][0]}, {c}]' for c in sorted(known[name]))}"
            )
    for name in sorted(known.keys() - scan.classes.keys() - _SPARED.get(base, set())):
        raise CheckpointError(
            f"{place}: model_index.json: no {name}; a {base} needs one, of class "
            f"{' or '.join(sorted(known[name]))}: save the pipeline again with it"
        )
    return [Part(n, c, KINDS[c][1]) for n, (_, c) in sorted(scan.classes.items()) if n]


def check_pipeline(path: Path, scan: FolderScan, single: SafeTensors | None = None) -> list[Part]:
    """What the folder at `path` says of its pipeline and of every component, judged. single:
    the one file of weights that the folder has only the settings of.

    Raises:
        CheckpointError: a pipeline or a component that is not hosted, or one is missing.
        UnsafeCheckpoint: settings that no hosted component has, or beyond bounds.
    """
    base = base_of(path.name, scan)
    parts = parts_of(path.name, base, scan)
    components = dict.fromkeys(_COMPONENTS[base], settings.COMPONENT)
    index = Table(f"a {base}", {**settings.PIPELINE, **components}, settings.WHY)
    _hold(path, scan, "model_index.json", index)
    for part in parts:
        check_part(path, scan, part, single)
    return parts


def check_part(
    path: Path, scan: FolderScan, part: Part, single: SafeTensors | None = None
) -> dict[str, Any]:
    """The settings of one component, judged; {} of a tokenizer that has none.

    Raises:
        CheckpointError, UnsafeCheckpoint: as `check_pipeline`.
    """
    below = f"{part.name}/" if part.name else ""
    scale = _scale(path, scan, part, single)
    if part.kind == "tokenizer" and not any(below + name in scan.needed for name in _VOCABULARIES):
        expected = f"one of {', '.join(_VOCABULARIES)}"
        raise refused(path, below, "no words", expected, _WAY_OUT)
    file = below + settings.settings_file(part.kind)
    if file not in scan.needed:
        if part.kind == "tokenizer":
            return {}
        raise CheckpointError(
            f"{path.name}: no {file}; expected the settings of each component, as save_pretrained "
            "writes them"
        )
    found = _json(path, scan, file)
    patches = part.class_name in _TRANSFORMERS
    if wrong := settings.wrong_settings(part.kind, found, scale, patches):
        raise refused(path, file, wrong, "settings of a hosted component", _WAY_OUT)
    own = found.get("_class_name", part.class_name)
    other = own not in (_TRANSFORMERS if part.class_name in _TRANSFORMERS else (part.class_name,))
    if part.kind == "network" and other:
        came = f"_class_name is {shown(own)}"
        raise refused(path, file, came, f"{part.class_name}, as model_index.json says", _WAY_OUT)
    if part.kind == "tokenizer":
        for name, rule in settings.WORDS.items():
            if below + name in scan.needed:
                _hold(path, scan, below + name, rule)
    return found


_VOCABULARIES = ("tokenizer.json", "vocab.json", "spiece.model")
_WAY_OUT = "save the model again with the program that made it, or remove what is not needed"


def _scale(path: Path, scan: FolderScan, part: Part, single: SafeTensors | None) -> Scale | None:
    """Of the weights that lie beside a component's settings, under their one name."""
    if not part.needs_weights:
        return None
    below = f"{part.name}/" if part.name else ""
    files = [f for i, f in scan.needed.items() if f.folder == part.name and _is_weights(i)]
    stem = "diffusion_pytorch_model" if part.kind == "network" else "model"
    other = [file for file in files if not file.name.startswith(f"{stem}.") and
             not file.name.startswith(f"{stem}-")]  # fmt: skip
    if other or not (files or single):
        came = f"weights called {other[0].name}" if other else "no weights"
        raise refused(path, below or ".", came, f"{stem}.safetensors", _WAY_OUT)
    found = [read_safetensors(f.path, f"{path.name}/{f.inside}") for f in files]
    found += [single] if single and not files else []
    entries = [entry for one in found for entry in one.entries.values()]
    sides = (side for e in entries if all(e.shape) for side in e.shape)  # an empty tensor is free
    return Scale(max(sides, default=1), len(entries), sum(one.elements for one in found))


def _is_weights(inside: str) -> bool:
    return inside.endswith(".safetensors")


def _hold(path: Path, scan: FolderScan, inside: str, rule: Rule) -> None:
    found = _json(path, scan, inside)
    if isinstance(rule, Table):
        wrong = next(iter(rule.wrong(found)), "")
    else:
        wanted = rule.wants(found, None)
        wrong = f"other content than it may have; expected {wanted}" if wanted else ""
    if wrong:
        raise refused(path, inside, wrong, "settings of a hosted component", _WAY_OUT)


def _json(path: Path, scan: FolderScan, inside: str) -> dict[str, Any]:
    name = inside.rpartition("/")[2]
    limit = MAX_JSON_BYTES if name in settings.WORDS else MAX_SETTINGS_BYTES
    return read_object(open_blob(scan.needed[inside].path, f"{path.name}/{inside}", limit))
