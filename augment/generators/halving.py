"""A host whose batches halve: where memory runs out, for good; where a row raises, to find it.

One row that raises or does not fit alone fails; the rest of its batch is made. A host that
makes nothing of a whole batch is broken, not the rows. Knows no family, no torch.
"""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from augment.errors import AugmentError
from augment.generators.protocol import (
    Ahead,
    Coming,
    GeneratedBatch,
    GeneratorHost,
    GeneratorInfo,
    SampleRequest,
)

_LOG = logging.getLogger("augment.generators")
_BROKEN = 3
"""So many rows that raise alone before any is made: it is the host, not the rows."""
Got = TypeVar("Got")
_Piece = tuple[int, GeneratedBatch | Exception]
"""How many rows, and what came of them: an error of one row."""


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
        """See `GeneratorHost.generate`. A row that raises fails with `raised`, one that needs
        more memory than there is with `out_of_memory`.

        Raises: what the host raised, where it makes nothing of several rows.
        """
        return _joined(self._pieces(batch), self.info)

    def begin(self, batch: Sequence[SampleRequest]) -> Coming:
        """As `generate`, of which only the end is waited for where the host can begin a batch. One
        that breaks is made again by `generate`, which finds out why.

        Raises: as `generate`.
        """
        if not isinstance(self._host, Ahead) or (self.limit or len(batch)) < len(batch):
            made = self.generate(batch)
            return lambda: made
        coming = self._again(lambda: self._host.begin(batch), batch)  # type: ignore[attr-defined]
        if isinstance(coming, GeneratedBatch):
            return lambda: coming
        return lambda: self._again(coming, batch)

    def _again(
        self, act: Callable[[], Got], batch: Sequence[SampleRequest]
    ) -> Got | GeneratedBatch:
        """What `act` gives, or the batch where it breaks."""
        try:
            return act()
        except AugmentError:
            raise
        except Exception as error:
            _LOG.warning("a batch of %d is made again: %s", len(batch), _told(error))
        _release()  # only here: the error held the batch's tensors
        return self.generate(batch)

    def _halved(self, batch: Sequence[SampleRequest], error: Exception) -> list[_Piece]:
        """Notes what an error says: a smaller limit, or a row that fails alone."""
        if len(batch) == 1:
            _LOG.warning("sample %s: %s", batch[0].sample_id, _told(error), exc_info=error)
            return [(1, error)]
        if _out_of_memory(error):
            self.limit = len(batch) // 2
        return []

    def _pieces(self, batch: Sequence[SampleRequest]) -> list[_Piece]:
        if self.limit is None or len(batch) <= self.limit:
            try:
                return [(len(batch), self._host.generate(batch))]
            except AugmentError:
                raise
            except Exception as error:
                pieces = self._halved(batch, error)
            _release()  # only here: the error held the batch's tensors
            if pieces:
                return pieces
        return self._parts(batch)

    def _parts(self, batch: Sequence[SampleRequest]) -> list[_Piece]:
        each = max(1, min(self.limit or len(batch), -(-len(batch) // 2)))
        found: list[_Piece] = []
        for i in range(0, len(batch), each):
            found += self._pieces(batch[i : i + each])
            lost = [made for _, made in found if isinstance(made, Exception)]
            if len(found) == len(lost) >= _BROKEN:
                raise lost[0]
        return found


def _joined(pieces: Sequence[_Piece], info: GeneratorInfo) -> GeneratedBatch:
    errors = [made for _, made in pieces if isinstance(made, Exception)]
    made = [one for _, one in pieces if isinstance(one, GeneratedBatch)]
    if not made and len(errors) > 1:
        raise errors[0]
    shape = made[0].images.shape[1:] if made else (info.channels, info.height, info.width)
    noted = any(one.notes for one in made)
    images, failed, notes = [], list[str | None](), list[Mapping[str, Any]]()
    for rows, one in pieces:
        if isinstance(one, Exception):
            images.append(np.zeros((rows, *shape), np.float32))
            failed.append("out_of_memory" if _out_of_memory(one) else "raised")
            notes += [{}] if noted else []
        else:
            images.append(one.images)
            failed += one.failed
            notes += one.notes or ([{}] * rows if noted else [])
    return GeneratedBatch(np.concatenate(images), tuple(failed), tuple(notes))


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _out_of_memory(error: BaseException) -> bool:
    """torch's error of a device and Python's own."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def _release() -> None:
    """Give what the failed batch held back to the device."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
