"""A pipeline of diffusers from files that nobody else can reach: put aside, judged, loaded.

The libraries get a folder of this process alone (`storage.private_folder`), which holds the
checked files under their checked names and nothing else: what was hashed is what is opened.
Components are loaded one by one, each by a class that is chosen here, so that whatever a
library raises is told with the component's name. A network is first built without memory and
counted, for what its weights lack a library would make; weights that leave a tensor as it was
drawn are refused. diffusers, transformers and torch are imported inside functions.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augment.checkpoints.folders import scan_folder
from augment.checkpoints.safetensors_file import read_safetensors
from augment.errors import AugmentError, CheckpointError
from augment.generators.families.diffusers.folder import EXTRA, Facts, library, versions
from augment.generators.families.diffusers.parts import KINDS, Part
from augment.spec.generators import DiffusersGenerator
from augment.storage import Folder
from augment.storage.node_cache import loading_folder
from augment.storage.private_folder import PrivateFolder

if TYPE_CHECKING:
    import torch

_TODAY = dict.fromkeys(("CLIPFeatureExtractor", "CLIPImageProcessorFast"), "CLIPImageProcessor")
"""Other names of one class: the older is gone from transformers, the other needs torchvision."""
_SAID = 300
_AGAIN = "a model as its own save_pretrained writes it: save it again, or fetch it again"
_FULL = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")
_BESIDE = 1 << 24
"""Numbers of positions and the like that a network computes, and its weights do not hold."""


@contextlib.contextmanager
def put_aside(spec: DiffusersGenerator) -> Iterator[DiffusersGenerator]:
    """The spec with private copies of its files in their place, which stay inside the block.

    Raises:
        CheckpointError, UnsafeCheckpoint: a folder that is refused before anything is copied.
        StorageError: a file changed meanwhile, or there is no room.
    """
    with loading_folder() as private:
        places = _Aside(private)
        adapters = [
            adapter.model_copy(update={"path": places.file(adapter.path, f"adapter{n}")})
            for n, adapter in enumerate(spec.adapters)
        ]
        single = spec.checkpoint.endswith(".safetensors")
        checkpoint = (places.file if single else places.folder)(spec.checkpoint, "checkpoint")
        beside = {"config": spec.config, "controlnet": spec.controlnet}
        yield spec.model_copy(
            update={
                "checkpoint": checkpoint,
                "adapters": adapters,
                **{k: uri and places.folder(uri, k) for k, uri in beside.items()},
            }
        )


class _Aside:
    """Puts places of a job into one private folder. Each keeps its last name, for errors."""

    def __init__(self, private: PrivateFolder) -> None:
        self._private = private

    def folder(self, uri: str, under: str) -> str:
        source = Folder(uri)
        if not source.is_local:
            return uri  # it is refused where it is read
        inside = f"{under}/{Path(source.uri).name}"
        for name, file in scan_folder(source.uri).needed.items():
            self._private.put(file.path, f"{inside}/{name}", file.size)
        return str(self._private.path / inside)

    def file(self, uri: str, under: str) -> str:
        source = Folder(uri)
        if not source.is_local:
            return uri
        real = Path(os.path.realpath(source.uri))
        if not real.is_file():
            raise CheckpointError(f"{uri}: no such file; expected a .safetensors file")
        return str(self._private.put(real, f"{under}/{Path(source.uri).name}"))


def pipeline(name: str, spec: DiffusersGenerator, facts: Facts) -> Any:
    """The library's pipeline, on the CPU, of places that `put_aside` gave.

    Raises:
        CheckpointError: a component cannot be loaded, or its weights are not all there.
    """
    import torch

    # a second lock beside local_files_only: no part of the library may ask a server
    os.environ["HF_HUB_OFFLINE"] = "1"
    place = f"generators.{name}"
    made = getattr(library(), facts.kind_class)
    parts: dict[str, Any] = {}
    if spec.controlnet is not None:
        part = Part("", "ControlNetModel", "network")
        parts["controlnet"] = _component(f"{place}.controlnet", Folder(spec.controlnet).uri, part)
    if "XL" in facts.kind_class:
        parts["add_watermarker"] = False  # else it would depend on an installed package
    path = Folder(spec.checkpoint).uri
    if spec.config is not None:
        config = Folder(spec.config).uri
        taken = _taken(made, facts)
        for part in (part for part in taken if part.needs_weights):
            _must_fit(f"{place}: component {part.name!r}", f"{config}/{part.name}", part, [path])
        with told(f"{place}: {os.path.basename(path)}"):
            pipe = made.from_single_file(path, config=config, local_files_only=True, **parts)
    else:
        parts = {**_components(place, path, made, facts), **parts}
        with told(f"{place}: {os.path.basename(path)}"):
            pipe = made.from_pretrained(path, local_files_only=True, use_safetensors=True, **parts)
    with told(f"{place}.sampling.scheduler"):
        if spec.sampling.scheduler is not None:
            chosen = getattr(library(), facts.scheduler)
            pipe.scheduler = chosen.from_config({**pipe.scheduler.config, **facts.scheduler_config})
    kinds = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    return _cast(_adapted(place, pipe, spec), kinds[spec.sampling.precision])


def _components(place: str, path: str, made: Any, facts: Facts) -> dict[str, Any]:
    """All that the pipeline's class takes of what the folder has."""
    return {
        part.name: _component(f"{place}: component {part.name!r}", f"{path}/{part.name}", part)
        for part in _taken(made, facts)
    }


def _taken(made: Any, facts: Facts) -> list[Part]:
    parameters = inspect.signature(made.__init__).parameters
    return [part for part in facts.parts if part.name in parameters]


def _component(place: str, folder: str, part: Part) -> Any:
    found = _class_of(place, part)
    given: dict[str, Any] = {"local_files_only": True}
    if not part.needs_weights:
        with told(place):
            return found.from_pretrained(folder, **given)
    weights = sorted(map(str, Path(folder).glob("*.safetensors")))
    _must_fit(place, folder, part, weights)
    with told(place):
        given |= {"use_safetensors": True, "output_loading_info": True}
        network, said = found.from_pretrained(folder, **given)
    _must_be_whole(place, said)
    return network


def _class_of(place: str, part: Part) -> Any:
    called = _TODAY.get(part.class_name, part.class_name)
    found = getattr(_library(part), called, None)
    if found is None:
        raise CheckpointError(
            f"{place}: is a {called}, which the installed {versions()} lack; expected versions "
            f"that have it; {EXTRA}"
        )
    return found


def _must_fit(place: str, folder: str, part: Part, weights: Sequence[str]) -> None:
    """A network of its settings is as large as its weights: widths and layers that are allowed
    one by one may ask for a million times the file together.

    Raises:
        CheckpointError: it is larger. UnsafeCheckpoint: weights that are none.
    """
    import torch

    found = _class_of(place, part)
    with told(place), torch.device("meta"):
        if part.kind == "network":
            network = found.from_config(found.load_config(folder, local_files_only=True))
        else:
            network = found(found.config_class.from_pretrained(folder, local_files_only=True))
    asked = sum(tensor.numel() for tensor in (*network.parameters(), *network.buffers()))
    held = sum(read_safetensors(path).elements for path in weights)
    if asked > held + held // 4 + _BESIDE:
        raise CheckpointError(
            f"{place}: its config.json is of a network of {asked} numbers, and its weights hold "
            f"{held}; expected those of one network; fetch both again"
        )


def _library(part: Part) -> Any:
    if part.kind == "checker":
        return importlib.import_module("diffusers.pipelines.stable_diffusion")
    return library() if KINDS[part.class_name][0] == "diffusers" else _transformers()


def _transformers() -> Any:
    try:
        return importlib.import_module("transformers")
    except ImportError as e:
        raise CheckpointError(f"family diffusers: {e}; {EXTRA}") from None


def _must_be_whole(place: str, said: Mapping[str, Any]) -> None:
    """The libraries draw what is missing at random, and only warn."""
    for key in ("missing_keys", "mismatched_keys", "error_msgs", "conversion_errors"):
        if odd := sorted(map(str, said.get(key) or ())):
            raise CheckpointError(
                f"{place}: its weights are not those of its config.json ({len(odd)} "
                f"{key.replace('_', ' ')}, the first {odd[0]:.100}); fetch both again"
            )


def _adapted(place: str, pipe: Any, spec: DiffusersGenerator) -> Any:
    names = [f"adapter_{n}" for n in range(len(spec.adapters))]
    for name, adapter in zip(names, spec.adapters, strict=True):
        folder, file = os.path.split(Folder(adapter.path).uri)
        with told(f"{place}.{name.replace('adapter_', 'adapters.')}"):
            pipe.load_lora_weights(
                folder, weight_name=file, adapter_name=name, local_files_only=True,
                use_safetensors=True,
            )  # fmt: skip
    if names:
        with told(f"{place}.adapters"):
            pipe.set_adapters(names, [adapter.scale for adapter in spec.adapters])
    return pipe


def _cast(pipe: Any, dtype: torch.dtype) -> Any:
    """The name of the loaders' own argument for it differs between versions."""
    import torch

    networks = [c for c in pipe.components.values() if isinstance(c, torch.nn.Module)]
    if all(p.dtype == dtype for network in networks for p in network.parameters()):
        return pipe
    return pipe.to(dtype=dtype)


@contextlib.contextmanager
def told(place: str, expected: str = _AGAIN) -> Iterator[None]:
    """What a library raises about somebody's files, as ours; memory that is full, too.

    Raises:
        CheckpointError: at `place`, with the first words of the library.
    """
    try:
        yield
    except AugmentError:
        raise
    except BaseException as error:
        # a Rust library's panic is no Exception
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        words = " ".join(str(error).split())
        text = "".join(c if c.isprintable() else "?" for c in words[:_SAID])
        if isinstance(error, MemoryError) or any(said in words.lower() for said in _FULL):
            raise CheckpointError(
                f"{place}: it does not fit in the memory that is left ({text}); expected a machine "
                "or device with more, `precision: fp16`, or a smaller model"
            ) from error
        raise CheckpointError(
            f"{place}: the library cannot use it ({type(error).__name__}: {text}); expected "
            f"{expected}"
        ) from error
