"""diffusers: whole pipelines that diffusers saved; loading, prompts, and per-row noise.

The library's own pipelines make the images; what stands here is that a row depends on its
request alone. The first noise is handed in where a pipeline takes it; everything that it
draws itself comes from a generator of the row, whose whole state is filled from the row's
stream. A pipeline that takes one generator only is run row by row, and at load every
pipeline must give the same image under two global seeds. Nothing is fetched and no code of
a folder is run. diffusers, transformers and torch are imported inside functions.
"""

from __future__ import annotations

import contextlib
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from augment.errors import CheckpointError, RequestError
from augment.generators.families.diffusers.folder import (
    Facts,
    check_arguments,
    read_facts,
    versions,
)
from augment.generators.families.diffusers.images import fitted
from augment.generators.families.diffusers.loading import pipeline, put_aside, told
from augment.generators.families.diffusers.noise import drawn_in_single_precision, row_generator
from augment.generators.families.diffusers.parts import DETERMINISTIC
from augment.generators.families.diffusers.prompts import Prompt, check, prompt_for
from augment.generators.hosting import Device, compiled, empty_batch, finished
from augment.generators.labels import class_indexes
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
from augment.seeds import digest, normals
from augment.spec.generators import DiffusersGenerator, Prompts

if TYPE_CHECKING:
    import torch

_VERSION = 1
"""Raise it with every change that changes pixels: it enters the identity."""

_SOURCES = {"img2img": ("source",), "inpaint": ("source", "mask"), "controlnet": ("control",)}
"""Kind of pipeline -> the images of a request that it needs."""

_ARGUMENTS = (
    "a model as its own save_pretrained writes it, and in `sampling` what its pipeline takes: look "
    "at `call` first, then fetch it again"
)


class DiffusersHost:
    """A loaded pipeline. indexes: class -> index for one that takes indexes, else {}."""

    def __init__(
        self,
        pipe: Any,
        info: GeneratorInfo,
        facts: Facts,
        spec: DiffusersGenerator,
        indexes: Mapping[str, int],
        placement: Placement | None = None,
    ) -> None:
        self.info = info
        self._facts = facts
        self._spec = spec
        self._indexes = indexes
        self._call = spec.sampling.call
        self._prompts = spec.sampling.prompts or Prompts()
        self._device = Device(placement)
        self._pipe = _placed(pipe, self._device.placement)

    def validate(self, request: SampleRequest) -> None:
        """Raises:
        RequestError: the class is not one of the generator's, or an image is missing, not
            wanted, or of a size that the pipeline cannot make.
        """
        need_class(self.info, request, self.info.classes)
        place = f"generators.{self.info.name}"
        given, request = request, self._fitted(request)
        needed = _SOURCES.get(self._spec.pipeline, ())
        for what in ("source", "mask", "control"):
            image = getattr(request, what)
            if (image is not None) != (what in needed):
                raise RequestError(
                    f"{place}: got {'no' if image is None else 'a'} {what} image; pipeline "
                    f"{self._spec.pipeline} takes {' and '.join(needed) or 'none'}"
                )
        height, width = self._size(given)
        if max(height, width) > 4096:
            raise RequestError(
                f"{place}: got an image of {height} x {width}; expected sides of at most 4096"
            )
        if given.mask is not None and given.mask.shape != (height, width):
            raise RequestError(
                f"{place}: got a mask of {given.mask.shape}; expected {(height, width)}, its "
                "source's size"
            )

    def batch_key(self, request: SampleRequest) -> Hashable:
        """Rows may share a batch where their images have one size."""
        return self._size(self._fitted(request))

    def _fitted(self, request: SampleRequest) -> SampleRequest:
        return fitted(request, self._spec.pipeline == "controlnet", self._facts.scale)

    def generate(self, batch: Sequence[SampleRequest]) -> GeneratedBatch:
        """Images (N, 3, H, W); a row that is not finite or that the folder's safety checker
        refuses is zeros and fails with `nan` or `safety`.

        Raises:
            RequestError: a request that `validate` refuses.
        """
        if not batch:
            return empty_batch(self.info)
        for request in batch:
            self.validate(request)
        asked, batch = batch, [self._fitted(request) for request in batch]
        if self._facts.takes_list:
            images, unsafe = self._run(self._filled(batch))
        else:
            parts = [self._run([request]) for request in batch]
            images = np.concatenate([part[0] for part in parts])
            unsafe = [flag for part in parts for flag in part[1]]
        made = finished(images[: len(batch)])
        failed = list(made.failed)
        for row, flag in enumerate(unsafe[: len(batch)]):
            if flag:
                failed[row] = "safety"
                made.images[row] = 0.0
        return GeneratedBatch(made.images, tuple(failed), self._notes(asked, batch))

    def _filled(self, batch: Sequence[SampleRequest]) -> list[SampleRequest]:
        """A compiled network is made for one shape: the last row is made again and again."""
        placement = self._device.placement
        if placement.compile == "off":
            return list(batch)
        return [*batch, *[batch[-1]] * max(0, placement.batch_size - len(batch))]

    def _run(self, batch: Sequence[SampleRequest]) -> tuple[np.ndarray, Sequence[bool]]:
        """(N, 3, H, W) in [-1, 1], and whether the safety checker refused each."""
        generators = [row_generator(r.sample_id) for r in batch]
        with self._device.sampling(), self._drawing():
            made = self._pipe(
                **{**self._call, **self._conditions(batch), **self._first_noise(batch)},
                generator=generators if self._facts.takes_list else generators[0],
                output_type="pt",
            )
            images = self._device.fetch(made.images.float() * 2.0 - 1.0)
        flags = getattr(made, "nsfw_content_detected", None)
        return images, flags or [False] * len(batch)

    def _drawing(self) -> contextlib.AbstractContextManager[object]:
        """Around a pipeline that draws for half precision: it costs microseconds for every call
        of torch, so it is left out where nothing is drawn."""
        import torch

        scheduler = type(self._pipe.scheduler).__name__
        handed = self._facts.takes_latents and scheduler in DETERMINISTIC
        if handed or self._pipe.dtype == torch.float32:
            return contextlib.nullcontext()
        return drawn_in_single_precision()

    def _conditions(self, batch: Sequence[SampleRequest]) -> dict[str, Any]:
        if self._indexes:
            return {"class_labels": [self._indexes[r.label_name] for r in batch]}
        height, width = self._size(batch[0])
        found: dict[str, Any] = {"prompt": [self._prompt(r).text for r in batch]}
        if self._prompts.negative_prompt is not None:
            found["negative_prompt"] = [self._prompts.negative_prompt] * len(batch)
        match self._spec.pipeline:
            case "text2img":
                found |= {"height": height, "width": width}
            case "img2img":
                found["image"] = self._images([r.source for r in batch])
            case "inpaint":
                found["image"] = self._images([r.source for r in batch])
                found["mask_image"] = self._images([r.mask for r in batch])
                if self._facts.takes_list:
                    found |= {"height": height, "width": width}
            case "controlnet":
                found["image"] = self._images([r.control for r in batch])
                found |= {"height": height, "width": width}
        if self._facts.base == "PixArtAlphaPipeline":
            # sizes are as asked for; cleaning would depend on which packages are installed
            found["use_resolution_binning"] = False
            found["clean_caption"] = self._call.get("clean_caption", False)
        return found

    def _first_noise(self, batch: Sequence[SampleRequest]) -> dict[str, torch.Tensor]:
        if not self._facts.takes_latents:
            return {}
        height, width = self._size(batch[0])
        shape = (self._channels(), height // self._facts.scale, width // self._facts.scale)
        z = normals([r.sample_id for r in batch], "z", int(np.prod(shape))).astype(np.float32)
        latents = self._device.send(z.reshape(len(batch), *shape))
        return {"latents": latents.to(self._pipe.dtype)}

    def _channels(self) -> int:
        part = "unet" if hasattr(self._pipe, "unet") else "transformer"
        return int(getattr(self._pipe, part).config.in_channels)

    def _images(self, images: Sequence[np.ndarray | None]) -> torch.Tensor:
        """(B, C, H, W) float32 in [0, 1]."""
        import torch

        stacked = np.stack([image for image in images if image is not None])
        channels_last = stacked if stacked.ndim == 4 else stacked[..., None]
        return torch.from_numpy(channels_last).permute(0, 3, 1, 2).float() / 255.0

    def _size(self, request: SampleRequest) -> tuple[int, int]:
        """(height, width) of the row's image."""
        given = request.source if request.source is not None else request.control
        if given is None:
            return self.info.height, self.info.width
        return int(given.shape[0]), int(given.shape[1])

    def _prompt(self, request: SampleRequest) -> Prompt:
        return prompt_for(self._prompts, request.label_name, request.index)

    def _notes(
        self, asked: Sequence[SampleRequest], batch: Sequence[SampleRequest]
    ) -> tuple[dict[str, object], ...]:
        """Prompt and template; a size that the images had to be scaled to."""
        if self._indexes:
            return ()
        checker = "present" if self._facts.safety_checker else "absent"
        sizes = [(self._size(a), self._size(b)) for a, b in zip(asked, batch, strict=True)]
        rounded = [{} if a == b else {"rounded": list(b)} for a, b in sizes]
        return tuple(
            {**self._prompt(r).note(), "safety_checker": checker, **size}
            for r, size in zip(batch, rounded, strict=True)
        )


# ---- loading -------------------------------------------------------------------------


def describe(name: str, spec: DiffusersGenerator, options: Options) -> GeneratorInfo:
    """Facts of a pipeline, after every check that needs no weights.

    Raises:
        CheckpointError: the files or the job's options do not fit, or a package is missing.
        UnsafeCheckpoint: a file that is refused. StorageError: unreadable.
    """
    facts, indexes = _read(name, spec, options)
    check_arguments(name, spec, facts)
    return _info(name, spec, facts, indexes)


def load(
    name: str, spec: DiffusersGenerator, info: GeneratorInfo, placement: Placement, options: Options
) -> DiffusersHost:
    """The host of a pipeline that must still be the one that `info` describes.

    Raises:
        CheckpointError: as `describe`, it has changed since, or its images change with the
            global state of random numbers. StorageError: unreadable.
    """
    with put_aside(spec) as aside:
        facts, indexes = _read(name, aside, options)
        must_match(_info(name, aside, facts, indexes), info)
        pipe = pipeline(name, aside, facts)
    host = DiffusersHost(pipe, info, facts, spec, indexes, placement)
    with told(f"generators.{name}: one image of it", _ARGUMENTS):
        must_repeat(host, spec)
    return host


def _read(name: str, spec: DiffusersGenerator, options: Options) -> tuple[Facts, dict[str, int]]:
    """Facts, and class -> index where the pipeline takes indexes."""
    place = f"generators.{name}"
    facts = read_facts(name, spec)
    if facts.num_classes:
        given = {"classes": spec.classes, "sampling.prompts": spec.sampling.prompts}
        for key, value in given.items():
            if value is not None:
                raise CheckpointError(
                    f"{place}.{key}: has no effect, the pipeline takes class indexes; expected "
                    "`class_index`"
                )
        return facts, class_indexes(name, spec, None, facts.num_classes, options)
    for key in ("class_index", "label"):
        if getattr(spec, key) is not None:
            raise CheckpointError(
                f"{place}.{key}: has no effect, the pipeline takes text; expected `classes` and "
                "`sampling.prompts`"
            )
    if spec.classes is None:
        raise CheckpointError(
            f"{place}.classes: missing; a pipeline that takes text makes whatever it is told, so "
            "expected the list of classes that the job may ask it for"
        )
    check(place, spec)
    return facts, {}


def _info(
    name: str, spec: DiffusersGenerator, facts: Facts, indexes: Mapping[str, int]
) -> GeneratorInfo:
    identity = {
        "family": "diffusers",
        "version": _VERSION,
        "libraries": versions(),
        "weights": facts.weights_sha256,
        "pipeline": facts.kind_class,
        "adapters": [adapter.scale for adapter in spec.adapters],
        "safety_checker": facts.safety_checker,
        "classes": dict(indexes),
    }
    if spec.sampling.precision != "fp32":  # samples of before were drawn in half precision
        identity["drawn"] = "float32"
    return GeneratorInfo(
        name=name,
        family="diffusers",
        identity=digest(identity),
        sampling_digest=digest({"family": "diffusers", "sampling": spec.sampling.model_dump()}),
        checkpoint_sha256=facts.hashes.get("weights", facts.weights_sha256),
        classes=tuple(indexes) or tuple(spec.classes or ()),
        height=facts.height,
        width=facts.width,
        channels=3,
        license=spec.license,
        digital_source_type=DigitalSourceType.TRAINED_ALGORITHMIC_MEDIA.value,
        takes_image=spec.pipeline != "text2img",
        takes_mask=spec.pipeline == "inpaint",
    )


def _placed(pipe: Any, placement: Placement) -> Any:
    import torch

    pipe.set_progress_bar_config(disable=True)
    pipe = pipe.to(placement.device)
    for part in ("unet", "transformer", "vae", "vqvae", "controlnet"):
        network = getattr(pipe, part, None)
        if network is None:
            continue
        if placement.lays_last():
            network.to(memory_format=torch.channels_last)
        if part in ("unet", "transformer"):
            setattr(pipe, part, compiled(network, placement))
    return pipe


def must_repeat(host: DiffusersHost, spec: DiffusersGenerator) -> None:
    """Some pipelines keep a generator from their scheduler (DiT does), which no look at
    arguments shows: one image is made under two global seeds.

    Raises:
        CheckpointError: the two differ.
    """
    import torch

    info = host.info
    images: dict[str, np.ndarray] = {}
    for what in _SOURCES.get(spec.pipeline, ()):
        shape = (info.height, info.width) if what == "mask" else (info.height, info.width, 3)
        images[what] = np.full(shape, 127, dtype=np.uint8)
    request = SampleRequest("0" * 32, info.classes[0], 0, **images)
    made = []
    with torch.random.fork_rng():
        for seed in (1, 2):
            torch.manual_seed(seed)
            made.append(host.generate([request]).images)
    if not np.array_equal(made[0], made[1]):
        raise CheckpointError(
            f"generators.{info.name}: its images change with the global state of random numbers; "
            "choose a deterministic scheduler"
        )
