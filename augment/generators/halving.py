"""A host whose batches halve when memory runs out, and stay so. Knows no family, no torch."""

from __future__ import annotations

import gc
import sys
from collections.abc import Hashable, Sequence

import numpy as np

from augment.generators.protocol import (
    GeneratedBatch,
    GeneratorHost,
    GeneratorInfo,
    SampleRequest,
)


class Halving:
    """Passes batches on to `host`, none larger than `limit` (None: any) rows."""

    def __init__(self, host: GeneratorHost) -> None:
        self._host = host
        self.limit: int | None = None

    @property
    def info(self) -> GeneratorInfo:
        return self._host.info

    def validate(self, request: SampleRequest) -> None:
        """See `GeneratorHost.validate`."""
        self._host.validate(request)

    def batch_key(self, request: SampleRequest) -> Hashable:
        """See `GeneratorHost.batch_key`."""
        return self._host.batch_key(request)

    def generate(self, batch: Sequence[SampleRequest]) -> GeneratedBatch:
        """See `GeneratorHost.generate`. One row that does not fit is an error as it came."""
        if self.limit is None or len(batch) <= self.limit:
            try:
                return self._host.generate(batch)
            except Exception as error:
                if not _out_of_memory(error) or len(batch) < 2:
                    raise
                self.limit = len(batch) // 2
            _release()  # only here: the error held the batch's tensors
        each = self.limit
        parts = [self.generate(batch[i : i + each]) for i in range(0, len(batch), each)]
        return GeneratedBatch(
            np.concatenate([p.images for p in parts]),
            tuple(f for p in parts for f in p.failed),
            tuple(n for p in parts for n in p.notes),
        )


def _out_of_memory(error: BaseException) -> bool:
    """torch's error of a device and Python's own."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def _release() -> None:
    """Give what the failed batch held back to the device."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
