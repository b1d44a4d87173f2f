"""How torch adds up while features are extracted: in one order, and in full precision."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def plain_sums(device: str) -> Iterator[None]:
    """On a CPU one thread computes, whatever the engine: sums are taken in the same order. On a GPU
    float32 is float32: TF32 keeps 10 bits of mantissa, and vectors would move with their batch.
    Nothing, where torch is not installed. device: as torch names it."""
    try:
        import torch
    except ModuleNotFoundError:
        yield
        return
    threads, matrices = torch.get_num_threads(), torch.get_float32_matmul_precision()
    torch.set_num_threads(1 if device == "cpu" else threads)
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.backends.cudnn.flags(
            enabled=True, benchmark=False, deterministic=True, allow_tf32=False
        ):
            yield
    finally:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(matrices)
