"""Shards of a pool -> their scores: a stage on the engine, which makes what is not kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

from augment.run.engines.engine import Engine, Resources
from augment.run.scoring.score_unit import ScoreTask
from augment.run.scoring.scorers import Scorers
from augment.run.watch.telling import Telling


class PoolShard(NamedTuple):
    """path: in the pool. sha256: of its bytes."""

    path: str
    sha256: str


def score(
    scorers: Scorers,
    shards: Sequence[PoolShard],
    engine: Engine,
    telling: Telling,
    *,
    workers: int | None = None,
    watch: Callable[[], None] = lambda: None,
) -> None:
    """Have every shard scored by every scorer. workers: at once, None: one a CPU. watch: is asked
    after each shard, and may raise.

    Raises:
        StorageError, InterruptedRun, UnitFailed: it broke half-way; what is scored is kept.
    """
    if not shards:
        return
    telling.begin(engine)
    units = [json.dumps(shard._asdict()) for shard in shards]
    most = max(1, min(workers or engine.cpus(), len(units)))
    with telling.span("score"):
        telling.stage("score", len(units))
        results = engine.run(ScoreTask(scorers), units, Resources(workers=most))
        for done, result in enumerate(results, start=1):
            watch()
            telling.advance(done, int(json.loads(result)["rows"]))
