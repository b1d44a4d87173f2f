"""Who draws from a universe of a pool: one small note per job beside the universe's records.

For `augment pool ls | gc` only, nothing that decides rows is read from it; where a pool
cannot be written, a job that only mixes from it leaves no note. Knows nothing of samples.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

from augment.errors import StorageError
from augment.run.prepare import Frozen
from augment.secrecy import struck
from augment.storage import Folder


@dataclass(frozen=True)
class Use:
    """A job that draws from a universe. generator: its name for it. at: when it last began to,
    by the store's clock; None if unknown."""

    job_id: str
    output: str
    generator: str
    family: str
    at: float | None


def note_uses(frozen: Frozen) -> None:
    """Say in the pool that this job draws from it."""
    prepared = frozen.prepared
    for name in sorted({draw.generator for draw in frozen.plan.draws}):
        universe = frozen.plan.generator(name).universe[:16]
        body = {
            "job_id": prepared.job_id,
            "output": struck(prepared.output.uri),
            "generator": name,
            "family": prepared.infos[name].family,
        }
        path = f"_work/{universe}/uses/{prepared.job_id}.json"
        with contextlib.suppress(StorageError):
            prepared.pool.replace(path, json.dumps(body).encode())


def read_uses(pool: Folder, universe: str) -> Iterator[Use]:
    """The notes in one universe's folder; what is none is left out."""
    for info in pool.stored(f"_work/{universe}/uses"):
        with contextlib.suppress(
            FileNotFoundError, ValueError, KeyError, TypeError, RecursionError
        ):
            body = json.loads(pool.read(info.path))
            job_id, output = str(body["job_id"]), str(body["output"])
            generator, family = str(body["generator"]), str(body["family"])
            yield Use(job_id, output, generator, family, info.modified)
