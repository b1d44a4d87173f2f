"""How somebody samples each family without a host: the same network, called plainly.

Random numbers come from torch's or numpy's global generators, a batch at a time; sources are
opened, resized and normalised with Pillow one by one, as the official programs do. A sampler
takes what each row of a batch is made from (a path, or nothing) and gives images in [-1, 1], in
numpy or where the network is; on a GPU with torch's own settings, which are not the host's exact
ones.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

from augment.generators import GeneratorInfo, load_host
from augment.generators.checkpoint import read_config
from augment.generators.families.autoregressive.model import AutoregressiveInit, model_of
from augment.generators.families.diffusion.host import DiffusionInit
from augment.generators.families.diffusion.solvers import walk
from augment.generators.families.diffusion.unet2d import Unet
from augment.generators.families.translation.host import TranslatorHost
from augment.generators.families.translation.resnet_i2i import ResnetInit
from augment.generators.families.translation.unet_i2i import UnetInit
from augment.generators.families.vae.host import Latent
from augment.generators.hosting import compiled, placed
from augment.generators.one_pass import OnePassHost
from augment.generators.protocol import Placement
from augment.spec.generator_base import Precision
from augment.spec.generators import (
    AutoregressiveGenerator,
    BigGanGenerator,
    DiffusersGenerator,
    DiffusionGenerator,
    GeneratorSpec,
    OnnxGenerator,
    ResnetI2iGenerator,
    StyleGan2Generator,
    StyleGan3Generator,
    UnetI2iGenerator,
    VaeGenerator,
)
from augment.storage import Folder
from augment.surroundings import silently

_Imported = AutoregressiveGenerator | DiffusionGenerator | ResnetI2iGenerator | UnetI2iGenerator
Batch = Sequence[Path | None]
Words = dict[str, Any]
Sampler = Callable[[Batch], np.ndarray]
"""Rows of a batch -> (N, C, H, W) float32."""
OnDevice = Callable[[Batch], torch.Tensor]
"""The same, where the network is."""
_CPU = Placement()


def sampler(spec: GeneratorSpec, info: GeneratorInfo) -> Sampler:
    """The plain loop's body for a job's generator, on the CPU."""
    sample = on_device(spec, info, _CPU)
    return lambda batch: sample(batch).numpy()


def on_device(spec: GeneratorSpec, info: GeneratorInfo, placement: Placement) -> OnDevice:
    """The same where `placement` says, compiled where it says so."""
    match spec:
        case VaeGenerator():
            sample = _vae(spec, info, placement)
        case StyleGan2Generator() | StyleGan3Generator() | BigGanGenerator():
            sample = _one_pass(spec, info, placement)
        case ResnetI2iGenerator() | UnetI2iGenerator():
            sample = _translator(spec, info, placement)
        case DiffusionGenerator():
            sample = _diffusion(spec, info, placement)
        case AutoregressiveGenerator():
            sample = _autoregressive(spec, info, placement)
        case OnnxGenerator():
            return _onnx(spec, info)
        case DiffusersGenerator():
            return _diffusers(spec, info, placement)
        case _:
            raise NotImplementedError(f"no plain loop of family {spec.family}")
    precision = spec.sampling.precision

    def plainly(batch: Batch) -> torch.Tensor:
        with torch.inference_mode(), _cast(precision, placement):
            return sample(batch)

    return plainly


@contextlib.contextmanager
def _cast(precision: Precision, placement: Placement) -> Iterator[None]:
    """Arithmetic in the precision that is asked for, as torch casts by itself."""
    if precision == "fp32":
        yield
        return
    half = torch.bfloat16 if precision == "bf16" else torch.float16
    with torch.autocast(torch.device(placement.device).type, dtype=half):
        yield


def _drawn_classes(info: GeneratorInfo, n: int, device: str = "cpu") -> torch.Tensor:
    return torch.randint(len(info.classes), (n,), device=device)


def _vae(spec: VaeGenerator, info: GeneratorInfo, placement: Placement) -> OnDevice:
    host = load_host("plain", spec, info, placement=placement)
    assert isinstance(host, OnePassHost)
    assert isinstance(host.network, Latent)
    latent, run = host.network.decoder.init.latent, compiled(host.network.decoder, placement)
    device = placement.device

    def sample(batch: Batch) -> torch.Tensor:
        z_BZ = torch.randn(len(batch), latent, device=device)
        return run(z_BZ, _drawn_classes(info, len(batch), device))

    return sample


def _one_pass(
    spec: StyleGan2Generator | StyleGan3Generator | BigGanGenerator,
    info: GeneratorInfo,
    placement: Placement,
) -> OnDevice:
    host = load_host("plain", spec, info, placement=placement)
    assert isinstance(host, OnePassHost)
    network, device = compiled(host.network.__call__, placement), placement.device
    width = host.network.draw(["any"])["z"].shape[1]

    def sample(batch: Batch) -> torch.Tensor:
        z_BZ = torch.randn(len(batch), width, device=device)
        if isinstance(spec, BigGanGenerator):
            torch.nn.init.trunc_normal_(z_BZ, a=-2.0, b=2.0)
            z_BZ *= spec.sampling.truncation
        return network(_drawn_classes(info, len(batch), device), {"z": z_BZ})

    return sample


def _translator(
    spec: ResnetI2iGenerator | UnetI2iGenerator, info: GeneratorInfo, placement: Placement
) -> OnDevice:
    host = load_host("plain", spec, info, placement=placement)
    assert isinstance(host, TranslatorHost)
    network, crop = compiled(host.network, placement), spec.preprocess.crop_size
    kind = ResnetInit if isinstance(spec, ResnetI2iGenerator) else UnetInit
    init = kind.model_validate(_config(spec))
    dropped = init.dropped((crop, crop)) if spec.sampling.dropout == "seeded" else {}
    device = placement.device

    def sample(batch: Batch) -> torch.Tensor:
        sources = [_opened(path, spec.preprocess.load_size, crop) for path in batch if path]
        x_BCHW = _laid_out(torch.from_numpy(np.stack(sources)).to(device), placement.lays_last())
        keep = {
            name: torch.rand(len(batch), *shape, device=device) < 0.5
            for name, shape in dropped.items()
        }
        return network(x_BCHW, keep)

    return sample


def _laid_out(x_BCHW: torch.Tensor, last: bool) -> torch.Tensor:
    layout = torch.channels_last if last else torch.contiguous_format
    return x_BCHW.contiguous(memory_format=layout)


def _opened(path: Path, load: int, crop: int) -> np.ndarray:
    """data/base_dataset.py of pytorch-CycleGAN-and-pix2pix, without its flips."""
    with Image.open(path) as file:
        image = file.convert("RGB").resize((load, load), Image.Resampling.BICUBIC)
    if load != crop:
        left, top = np.random.randint(0, load - crop + 1, 2)
        image = image.crop((left, top, left + crop, top + crop))
    x_CHW = np.asarray(image).transpose(2, 0, 1).astype(np.float32)
    return (x_CHW / 255.0 - 0.5) / 0.5


def _diffusion(spec: DiffusionGenerator, info: GeneratorInfo, placement: Placement) -> OnDevice:
    """DDIM without noise, as the paper has it (Song, Meng and Ermon, ICLR 2021, eq. 12)."""
    init = DiffusionInit.model_validate(_config(spec))
    network = compiled(Unet(init.unet, placed(_tensors(spec), placement, on_cpu=True)), placement)
    steps = walk(init.schedule, "ddim", spec.sampling.steps).steps
    device, last = placement.device, placement.lays_last(on_cpu=True)

    def sample(batch: Batch) -> torch.Tensor:
        x = _laid_out(torch.randn(len(batch), *init.unet.shape, device=device), last)
        class_B = _drawn_classes(info, len(batch), device)
        for step in steps:
            t_B = torch.full((len(batch),), step.t, dtype=torch.float32, device=device)
            noise = network(x, t_B, class_B).float()
            x0 = (x - math.sqrt(1.0 - step.now) * noise) / math.sqrt(step.now)
            x0 = x0.clamp(-1.0, 1.0)
            noise = (x - math.sqrt(step.now) * x0) / math.sqrt(1.0 - step.now)
            x = math.sqrt(step.then) * x0 + math.sqrt(1.0 - step.then) * noise
        return x

    return sample


def _autoregressive(
    spec: AutoregressiveGenerator, info: GeneratorInfo, placement: Placement
) -> OnDevice:
    init = AutoregressiveInit.model_validate(_config(spec))
    model, sampling = model_of(init, placed(_tensors(spec), placement), placement), spec.sampling
    network, device = model.transformer, placement.device
    run = compiled(network.step, placement)

    def sample(batch: Batch) -> torch.Tensor:
        cache = network.cache(len(batch))
        x_BD = network.first(_drawn_classes(info, len(batch), device))
        tokens = []
        for t in range(init.transformer.positions):
            logits_BV = run(x_BD, torch.tensor([t], device=device), cache).float()
            logits_BV = logits_BV / sampling.temperature
            if sampling.top_k is not None:
                least_B1 = logits_BV.topk(sampling.top_k, dim=1).values[:, -1:]
                logits_BV[logits_BV < least_B1] = -torch.inf
            tokens.append(torch.multinomial(logits_BV.softmax(dim=1), 1)[:, 0])
            x_BD = network.embedded(tokens[-1])
        return model.pixels(torch.stack(tokens, dim=1))

    return sample


def _onnx(spec: OnnxGenerator, info: GeneratorInfo) -> OnDevice:
    runtime = silently("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    path = str(Path(spec.checkpoint) / "model.onnx")
    session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    width = session.get_inputs()[0].shape[1]
    rng = np.random.default_rng()

    def sample(batch: Batch) -> torch.Tensor:
        z_BZ = rng.standard_normal((len(batch), width), dtype=np.float32)
        class_B = rng.integers(len(info.classes), size=len(batch))
        (images,) = session.run(None, {"z": z_BZ, "class": class_B})
        return torch.from_numpy(np.asarray(images))

    return sample


def _diffusers(spec: DiffusersGenerator, info: GeneratorInfo, placement: Placement) -> OnDevice:
    """A pipeline as its page calls it: of classes where it takes indexes, else of their names."""
    from diffusers import DiffusionPipeline

    kinds = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    pipeline = DiffusionPipeline.from_pretrained(spec.checkpoint)
    pipeline = pipeline.to(placement.device, kinds[spec.sampling.precision])
    pipeline.set_progress_bar_config(disable=True)
    part = "unet" if hasattr(pipeline, "unet") else "transformer"
    network = getattr(pipeline, part)
    if placement.lays_last():
        network.to(memory_format=torch.channels_last)
    setattr(pipeline, part, compiled(network, placement))

    def sample(batch: Batch) -> torch.Tensor:
        drawn = _drawn_classes(info, len(batch)).tolist()
        given: Words = {"class_labels": drawn}
        if spec.classes is not None:
            given = {"prompt": [spec.classes[i] for i in drawn]}
            given |= {"height": info.height, "width": info.width}
        generators = [torch.Generator().manual_seed(i) for i in range(len(batch))]
        with torch.inference_mode():
            made = pipeline(
                **given, generator=generators, output_type="pt", **spec.sampling.call
            ).images
            images: torch.Tensor = made * 2.0 - 1.0
        return images

    return sample


def _config(spec: _Imported) -> Any:
    return read_config(Folder(spec.checkpoint), "plain", spec.family).init


def _tensors(spec: _Imported) -> dict[str, torch.Tensor]:
    return dict(load_file(Path(spec.checkpoint) / "weights.safetensors"))
