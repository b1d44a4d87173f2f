"""How somebody samples each family without a host: the same network, called plainly.

Random numbers come from torch's or numpy's global generators, a batch at a time; sources are
opened, resized and normalised with Pillow one by one, as the official programs do. A sampler
takes what each row of a batch is made from (a path, or nothing) and gives images in [-1, 1].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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
from augment.generators.hosting import placed
from augment.generators.one_pass import OnePassHost
from augment.generators.protocol import Placement
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

_Imported = AutoregressiveGenerator | DiffusionGenerator | ResnetI2iGenerator | UnetI2iGenerator
Batch = Sequence[Path | None]
Sampler = Callable[[Batch], np.ndarray]
"""Rows of a batch -> (N, C, H, W) float32."""


def sampler(spec: GeneratorSpec, info: GeneratorInfo) -> Sampler:
    """The plain loop's body for a job's generator."""
    match spec:
        case VaeGenerator():
            return _vae(spec, info)
        case StyleGan2Generator() | StyleGan3Generator() | BigGanGenerator():
            return _one_pass(spec, info)
        case ResnetI2iGenerator() | UnetI2iGenerator():
            return _translator(spec, info)
        case DiffusionGenerator():
            return _diffusion(spec, info)
        case AutoregressiveGenerator():
            return _autoregressive(spec, info)
        case OnnxGenerator():
            return _onnx(spec, info)
        case DiffusersGenerator():
            return _diffusers(spec, info)
        case _:
            raise NotImplementedError(f"no plain loop of family {spec.family}")


def _drawn_classes(info: GeneratorInfo, n: int) -> torch.Tensor:
    return torch.randint(len(info.classes), (n,))


def _vae(spec: VaeGenerator, info: GeneratorInfo) -> Sampler:
    host = load_host("plain", spec, info)
    assert isinstance(host, OnePassHost)
    assert isinstance(host.network, Latent)
    network = host.network.decoder

    @torch.inference_mode()
    def sample(batch: Batch) -> np.ndarray:
        z_BZ = torch.randn(len(batch), network.init.latent)
        return network(z_BZ, _drawn_classes(info, len(batch))).numpy()

    return sample


def _one_pass(
    spec: StyleGan2Generator | StyleGan3Generator | BigGanGenerator, info: GeneratorInfo
) -> Sampler:
    host = load_host("plain", spec, info)
    assert isinstance(host, OnePassHost)
    network = host.network
    width = network.draw(["any"])["z"].shape[1]

    @torch.inference_mode()
    def sample(batch: Batch) -> np.ndarray:
        z_BZ = torch.randn(len(batch), width)
        if isinstance(spec, BigGanGenerator):
            torch.nn.init.trunc_normal_(z_BZ, a=-2.0, b=2.0)
            z_BZ *= spec.sampling.truncation
        return network(_drawn_classes(info, len(batch)), {"z": z_BZ}).numpy()

    return sample


def _translator(spec: ResnetI2iGenerator | UnetI2iGenerator, info: GeneratorInfo) -> Sampler:
    host = load_host("plain", spec, info)
    assert isinstance(host, TranslatorHost)
    network, crop = host.network, spec.preprocess.crop_size
    kind = ResnetInit if isinstance(spec, ResnetI2iGenerator) else UnetInit
    init = kind.model_validate(_config(spec))
    dropped = init.dropped((crop, crop)) if spec.sampling.dropout == "seeded" else {}

    @torch.inference_mode()
    def sample(batch: Batch) -> np.ndarray:
        sources = [_opened(path, spec.preprocess.load_size, crop) for path in batch if path]
        x_BCHW = torch.from_numpy(np.stack(sources))
        keep = {name: torch.rand(len(batch), *shape) < 0.5 for name, shape in dropped.items()}
        return network(x_BCHW, keep).numpy()

    return sample


def _opened(path: Path, load: int, crop: int) -> np.ndarray:
    """data/base_dataset.py of pytorch-CycleGAN-and-pix2pix, without its flips."""
    with Image.open(path) as file:
        image = file.convert("RGB").resize((load, load), Image.Resampling.BICUBIC)
    if load != crop:
        left, top = np.random.randint(0, load - crop + 1, 2)
        image = image.crop((left, top, left + crop, top + crop))
    x_CHW = np.asarray(image).transpose(2, 0, 1).astype(np.float32)
    return (x_CHW / 255.0 - 0.5) / 0.5


def _diffusion(spec: DiffusionGenerator, info: GeneratorInfo) -> Sampler:
    """DDIM without noise, as the paper has it (Song, Meng and Ermon, ICLR 2021, eq. 12)."""
    init = DiffusionInit.model_validate(_config(spec))
    network = Unet(init.unet, placed(_tensors(spec), Placement(), on_cpu=True))
    steps = walk(init.schedule, "ddim", spec.sampling.steps).steps

    @torch.inference_mode()
    def sample(batch: Batch) -> np.ndarray:
        x = torch.randn(len(batch), *init.unet.shape).contiguous(memory_format=torch.channels_last)
        class_B = _drawn_classes(info, len(batch))
        for step in steps:
            noise = network(x, torch.full((len(batch),), step.t), class_B)
            x0 = (x - math.sqrt(1.0 - step.now) * noise) / math.sqrt(step.now)
            x0 = x0.clamp(-1.0, 1.0)
            noise = (x - math.sqrt(step.now) * x0) / math.sqrt(1.0 - step.now)
            x = math.sqrt(step.then) * x0 + math.sqrt(1.0 - step.then) * noise
        return x.numpy()

    return sample


def _autoregressive(spec: AutoregressiveGenerator, info: GeneratorInfo) -> Sampler:
    init = AutoregressiveInit.model_validate(_config(spec))
    model, sampling = model_of(init, _tensors(spec), Placement()), spec.sampling
    network = model.transformer

    @torch.inference_mode()
    def sample(batch: Batch) -> np.ndarray:
        cache = network.cache(len(batch))
        x_BD = network.first(_drawn_classes(info, len(batch)))
        tokens = []
        for t in range(init.transformer.positions):
            logits_BV = network.step(x_BD, torch.tensor([t]), cache) / sampling.temperature
            if sampling.top_k is not None:
                least_B1 = logits_BV.topk(sampling.top_k, dim=1).values[:, -1:]
                logits_BV[logits_BV < least_B1] = -torch.inf
            tokens.append(torch.multinomial(logits_BV.softmax(dim=1), 1)[:, 0])
            x_BD = network.embedded(tokens[-1])
        return model.pixels(torch.stack(tokens, dim=1)).numpy()

    return sample


def _onnx(spec: OnnxGenerator, info: GeneratorInfo) -> Sampler:
    import onnxruntime as runtime

    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    path = str(Path(spec.checkpoint) / "model.onnx")
    session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    width = session.get_inputs()[0].shape[1]
    rng = np.random.default_rng()

    def sample(batch: Batch) -> np.ndarray:
        z_BZ = rng.standard_normal((len(batch), width), dtype=np.float32)
        class_B = rng.integers(len(info.classes), size=len(batch))
        (images,) = session.run(None, {"z": z_BZ, "class": class_B})
        return np.asarray(images)

    return sample


def _diffusers(spec: DiffusersGenerator, info: GeneratorInfo) -> Sampler:
    from diffusers import DiTPipeline

    pipeline = DiTPipeline.from_pretrained(spec.checkpoint)
    pipeline.set_progress_bar_config(disable=True)

    def sample(batch: Batch) -> np.ndarray:
        classes = _drawn_classes(info, len(batch)).tolist()
        generators = [torch.Generator().manual_seed(i) for i in range(len(batch))]
        made = pipeline(classes, generator=generators, output_type="np", **spec.sampling.call)
        images_BHWC: np.ndarray = made.images
        return images_BHWC.transpose(0, 3, 1, 2) * 2.0 - 1.0

    return sample


def _config(spec: _Imported) -> Any:
    return read_config(Folder(spec.checkpoint), "plain", spec.family).init


def _tensors(spec: _Imported) -> dict[str, torch.Tensor]:
    return dict(load_file(Path(spec.checkpoint) / "weights.safetensors"))
