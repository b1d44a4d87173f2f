"""A Ray data set of units that grows while it is worked on.

One reading task yields units as the driver gives them to a small actor; both stand on the driver's
node, so that no other node's end is theirs. Ray begins a reading task anew where its process died,
and drops as many units as the first one had yielded: so the actor lets itself be read once, and
whoever takes the results counts them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

_AT_ONCE = 100
"""Units that the reading task fetches at once."""


class _Source:
    """What the actor runs: holds the units that were given and are not read yet."""

    def __init__(self, units: Sequence[str]) -> None:
        self._waiting = deque(units)
        self._changed = asyncio.Condition()
        self._read = self._closed = False

    async def give(self, units: Sequence[str]) -> None:
        async with self._changed:
            self._waiting.extend(units)
            self._changed.notify_all()

    async def close(self) -> None:
        async with self._changed:
            self._closed = True
            self._changed.notify_all()

    async def begin(self) -> bool:
        """Whether nobody has read before."""
        first, self._read = not self._read, True
        return first

    async def take(self) -> list[str]:
        """The next units; none where no more will come."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._waiting or self._closed)
            return [self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))]


class Feed:
    """Units for a data set, some of them given later."""

    def __init__(self, ray: Any, source: Any) -> None:
        self._ray, self._source, self.closed = ray, source, False

    def data(self) -> Any:
        """The data set, a row a block: an actor is given one at a time."""
        context = self._ray.data.DataContext.get_current()
        before, context.target_max_block_size = context.target_max_block_size, 1
        try:  # the data set keeps a copy of the context
            return self._ray.data.read_datasource(
                _units(self._source),
                override_num_blocks=1,
                num_cpus=0,
                label_selector={"ray.io/node-id": self._ray.get_runtime_context().get_node_id()},
            )
        finally:
            context.target_max_block_size = before

    def give(self, units: Sequence[str]) -> None:
        if units:
            self._source.give.remote(list(units))

    def close(self) -> None:
        """No more will come."""
        if not self.closed:
            self.closed = True
            self._source.close.remote()


@contextlib.contextmanager
def feeding(ray: Any, units: Sequence[str]) -> Iterator[Feed]:
    """A feed that begins with these units, for as long as it is used."""
    here = {"ray.io/node-id": ray.get_runtime_context().get_node_id()}
    kind = ray.remote(num_cpus=0, label_selector=here)(_Source)
    source = kind.remote(list(units))
    try:
        yield Feed(ray, source)
    finally:
        ray.kill(source)


def _units(source: Any) -> Any:
    """The data source of what the actor gives. Ray's classes are known when it is imported."""
    import pyarrow as pa
    import ray
    from ray.data.block import BlockMetadata
    from ray.data.datasource import Datasource, ReadTask

    def read() -> Iterator[pa.Table]:
        if not ray.get(source.begin.remote()):
            raise RuntimeError("the process that handed units over has died")
        while units := ray.get(source.take.remote()):
            for unit in units:
                yield pa.table({"unit": [unit]})

    class Units(Datasource):  # type: ignore[misc]  # ray has no types
        def estimate_inmemory_data_size(self) -> int | None:
            return None

        def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[Any]:
            about = BlockMetadata(num_rows=None, size_bytes=1, input_files=None, exec_stats=None)
            return [ReadTask(read, about)]

    return Units()
