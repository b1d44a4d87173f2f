"""What every host does the same way: what stands around its own work on a batch, numbers to a
device and back, arithmetic that does not move with the batch, padded batches.

torch is imported inside functions. Knows no family.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

from augment.folders import own_folder
from augment.generators.protocol import (
    Coming,
    GeneratedBatch,
    GeneratorHost,
    GeneratorInfo,
    Placement,
    SampleRequest,
)
from augment.spec.generator_base import Precision

if TYPE_CHECKING:
    import torch

_COMPILED = "TORCHINDUCTOR_CACHE_DIR"
P = ParamSpec("P")
R = TypeVar("R")


class Leaving:
    """Images on their way from a device to this machine's memory. out: (B, C, H, W) float32.
    events: of CUDA, when the device began (None: nobody asks), had made and had copied them; none
    of a CPU, where they are there."""

    def __init__(self, out: torch.Tensor, events: tuple[Any, Any, Any] | None = None) -> None:
        self._out, self._events = out, events

    def take(self) -> np.ndarray:
        """Writable and contiguous, once they are there."""
        if self._events is not None:
            self._events[2].synchronize()
        return self._out.numpy()

    def seconds(self) -> float | None:
        """For how long the device worked on them, once they were taken; None of a CPU."""
        if self._events is None or self._events[0] is None:
            return None
        began, made, _ = self._events
        return float(began.elapsed_time(made)) / 1000.0


class Device:
    """Where a host computes, and the ways there and back. placement: None is the CPU."""

    def __init__(self, placement: Placement | None = None, precision: Precision = "fp32") -> None:
        self.placement = placement or Placement()
        self._precision = precision
        self._copies: Any = None
        """On a GPU the stream of copies from it."""

    @property
    def on_gpu(self) -> bool:
        return self.placement.device != "cpu"

    def passed(self, arrays: Sequence[np.ndarray], run: Callable[..., torch.Tensor]) -> np.ndarray:
        """What `run` makes there of the arrays, as `fetch` gives it. They have one row for each
        sample and are sent padded, as `padded` has it; rows made of padding are left off."""
        return self.left(arrays, run).take()

    def left(self, arrays: Sequence[np.ndarray], run: Callable[..., torch.Tensor]) -> Leaving:
        """As `passed`, but on a GPU nothing is waited for: the copy runs on a stream of its own, so
        that the next batch can be sampled beside it."""
        with self.sampling():
            began = self._now()
            sent = [self.send(array) for array in padded(arrays, self.placement)]
            return self._leaving(run(*sent)[: len(arrays[0])], began)

    def _now(self) -> Any:
        """An event of the stream that samples; None of a CPU."""
        if not self.on_gpu:
            return None
        import torch

        cuda: Any = torch.cuda  # streams and events have no types
        event = cuda.Event(enable_timing=True)
        event.record(cuda.current_stream(self.placement.device))
        return event

    def _leaving(self, x: torch.Tensor, began: Any) -> Leaving:
        import torch

        out = torch.empty(x.shape, dtype=torch.float32, pin_memory=self.on_gpu)
        if not self.on_gpu:
            out.copy_(x)
            return Leaving(out)
        x = x.to(torch.float32, memory_format=torch.contiguous_format)  # so that bytes are copied
        if self.placement.compile == "reduce-overhead":
            x = x.clone()  # a CUDA graph writes the next batch into the same memory
        cuda: Any = torch.cuda  # streams and events have no types
        made, copied = self._now(), cuda.Event()
        self._copies = self._copies or cuda.Stream(self.placement.device)
        self._copies.wait_event(made)
        with cuda.stream(self._copies):
            out.copy_(x, non_blocking=True)
        x.record_stream(self._copies)
        copied.record(self._copies)
        return Leaving(out, (began, made, copied))

    def send(self, array: np.ndarray) -> torch.Tensor:
        """The array there, through pinned memory to a GPU."""
        import torch

        tensor = torch.from_numpy(array)
        if not self.on_gpu:
            return tensor
        return tensor.pin_memory().to(self.placement.device, non_blocking=True)

    def fetch(self, x: torch.Tensor) -> np.ndarray:
        """As a writable, contiguous float32 array, through pinned memory from a GPU."""
        return self._leaving(x, None).take()

    @contextlib.contextmanager
    def sampling(self) -> Iterator[None]:
        """No gradients; the network's arithmetic in the precision asked for, and in that
        precision exact: on a GPU full float32 and one algorithm per shape, or rows would move
        with their batch by more than the tolerance (TF32 keeps 10 bits of mantissa)."""
        import torch

        with contextlib.ExitStack() as stack:
            stack.enter_context(torch.inference_mode())
            if self.on_gpu:
                stack.enter_context(
                    torch.backends.cudnn.flags(
                        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
                    )
                )
            if self._precision != "fp32":
                half = torch.bfloat16 if self._precision == "bf16" else torch.float16
                kind = "cuda" if self.on_gpu else "cpu"
                stack.enter_context(torch.autocast(kind, dtype=half))
            yield


def has_torch() -> bool:
    """Whether torch is installed."""
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        return False
    return True


def compiled(network: Callable[P, R], placement: Placement) -> Callable[P, R]:
    """The network as `torch.compile` makes it in the mode asked for, itself with `off`."""
    if placement.compile == "off":
        return network
    if _COMPILED not in os.environ:  # torch's own place is known to everybody on the machine
        os.environ[_COMPILED] = own_folder("cache", "compiled", os.environ)
    import torch

    return torch.compile(network, mode=placement.compile, dynamic=False)


def padded(arrays: Sequence[np.ndarray], placement: Placement) -> list[np.ndarray]:
    """Each array with its last row repeated up to `batch_size` rows where the network is
    compiled, for it is made for one shape; else as they came."""
    if placement.compile == "off":
        return list(arrays)
    return [filled(array, placement.batch_size) for array in arrays]


def filled(array: np.ndarray, rows: int) -> np.ndarray:
    """A copy with its last row repeated up to `rows` rows; one that has more keeps them."""
    return np.concatenate([array, np.repeat(array[-1:], max(0, rows - len(array)), axis=0)])


def generated(
    host: GeneratorHost,
    batch: Sequence[SampleRequest],
    make: Callable[[Sequence[SampleRequest]], np.ndarray],
) -> GeneratedBatch:
    """What stands around a host's own work: no requests make an empty batch, every request is
    validated before the first is made, and a row that is not finite fails, as `finished` has it.

    make: valid requests, at least one -> (N, C, H, W) float32, nominally in [-1, 1], which is
    written into.

    Raises:
        RequestError: a request that `host.validate` refuses.
    """
    if not batch:
        return empty_batch(host.info)
    for request in batch:
        host.validate(request)
    return finished(make(batch))


def begun(
    host: GeneratorHost,
    batch: Sequence[SampleRequest],
    make: Callable[[Sequence[SampleRequest]], Leaving],
) -> Coming:
    """As `generated`, for images that are still on their way.

    Raises:
        RequestError: a request that `host.validate` refuses.
    """
    if not batch:
        return lambda: empty_batch(host.info)
    for request in batch:
        host.validate(request)
    leaving = make(batch)
    return lambda: replace(finished(leaving.take()), seconds=leaving.seconds())


def empty_batch(info: GeneratorInfo) -> GeneratedBatch:
    """What comes of no requests."""
    return GeneratedBatch(np.zeros((0, info.channels, info.height, info.width), np.float32), ())


def finished(images_BCHW: np.ndarray) -> GeneratedBatch:
    """The batch of what a network gave: clipped to [-1, 1]; a row that is not finite becomes
    zeros and fails with `nan`. Writes into its argument."""
    failed: tuple[str | None, ...] = (None,) * len(images_BCHW)
    least, greatest = images_BCHW.min(initial=0.0), images_BCHW.max(initial=0.0)
    if least >= -1.0 and greatest <= 1.0:  # not so where there is a NaN
        return GeneratedBatch(images_BCHW, failed)
    if not np.isfinite(images_BCHW).all():  # rare, and dearer to ask row by row
        finite_B = np.isfinite(images_BCHW).all(axis=(1, 2, 3))
        images_BCHW[~finite_B] = 0.0
        failed = tuple(None if ok else "nan" for ok in finite_B)
    np.clip(images_BCHW, -1.0, 1.0, out=images_BCHW)
    return GeneratedBatch(images_BCHW, failed)


def placed(
    parameters: Mapping[str, np.ndarray] | Mapping[str, torch.Tensor],
    placement: Placement,
    on_cpu: bool = False,
) -> dict[str, torch.Tensor]:
    """A network's parameters where `placement` says, those of convolutions in its layout.
    on_cpu: whether the family is faster channels last on a CPU."""
    import torch

    found = {}
    for key, value in parameters.items():
        tensor = torch.from_numpy(value) if isinstance(value, np.ndarray) else value
        last = placement.lays_last(on_cpu) and tensor.dim() == 4
        layout = torch.channels_last if last else torch.contiguous_format
        found[key] = tensor.detach().to(placement.device, memory_format=layout)
    return found
