"""What a generator's options may not say together, as far as no checkpoint has to be read.

What a checkpoint has to be read for is its family's business.
"""

from __future__ import annotations

from augment.spec.asked import Asked
from augment.spec.draft import Draft
from augment.spec.generator_base import Preprocess, Translator
from augment.spec.generators import DiffusersGenerator, VaeGenerator
from augment.spec.prompts import wrong_prompts
from augment.spec.text import Path

_WITHOUT_EFFECT = {"crop": ("load_size",), "none": ("load_size", "crop_size")}
"""Value of `resize` -> sizes that it does not use."""


def check_generators(asked: Asked, draft: Draft) -> None:
    """Note options without effect and sizes that contradict one another."""
    for name, spec in draft.generators.items():
        if isinstance(spec, Translator | VaeGenerator) and spec.preprocess is not None:
            _check_preprocess(asked, ("generators", name, "preprocess"), spec.preprocess)
        elif isinstance(spec, DiffusersGenerator) and spec.sampling.prompts is not None:
            _check_prompts(asked, ("generators", name, "sampling", "prompts"), spec)


def _check_prompts(asked: Asked, path: Path, spec: DiffusersGenerator) -> None:
    """Without classes the pipeline takes none, which its folder says, or they are missing."""
    if spec.sampling.prompts is None or spec.classes is None:
        return
    guidance = spec.sampling.call.get("guidance_scale")
    for wrong in wrong_prompts(spec.sampling.prompts, spec.classes, guidance):
        asked.add((*path, *wrong.path), wrong.found, wrong.expected, wrong.hint)


def _check_preprocess(asked: Asked, path: Path, spec: Preprocess) -> None:
    for key in _WITHOUT_EFFECT.get(spec.resize, ()):
        if asked.has(*path, key):
            found = f"{getattr(spec, key)}, which has no effect: resize is {spec.resize}"
            asked.add((*path, key), found, "no such key")
    both = spec.resize in ("resize_and_crop", "scale_width_and_crop")
    if both and spec.crop_size > spec.load_size:
        place = (*path, "crop_size" if asked.has(*path, "crop_size") else "load_size")
        found = f"crop_size {spec.crop_size} with load_size {spec.load_size}"
        asked.add(place, found, "a crop_size of at most load_size")
    elif spec.output == "input_size" and cuts(spec):
        found = f"input_size with resize: {spec.resize}, which cuts a part out"
        hint = "The part would be stretched over the whole: use scale_width or none"
        asked.add((*path, "output"), found, "model_size", hint)


def cuts(spec: Preprocess) -> bool:
    """Whether a part of the source is left out."""
    if spec.resize == "resize_and_crop":
        return spec.load_size > spec.crop_size
    return spec.resize in ("crop", "scale_width_and_crop")
