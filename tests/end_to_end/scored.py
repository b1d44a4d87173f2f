"""What tests of filters that judge beside real images share: jobs that were carried out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from augment.api import load_spec, open_dataset, run
from augment.run import LocalEngine, Resources, Task
from augment.run.pipeline import RunResult
from augment.run.watch.account import Account
from tests.end_to_end.jobs import rows_of


class Idle(LocalEngine):
    """Runs nothing but the mix."""

    def run(self, task: Task, units: Sequence[str], resources: Resources) -> Iterator[str]:
        inner = getattr(task, "task", task)
        assert type(inner).__name__ == "MixTask", type(inner)
        yield from super().run(task, units, resources)


def with_fit(finished: Path, place: Path) -> Path:
    """Its data, and what was fit to them, at another place."""
    shutil.copytree(finished / "data", place / "data")
    for path in (finished / "pool/_scores").glob("*/*"):
        if path.is_file():
            there = place / path.relative_to(finished)
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, there)
    return place


def with_pool(finished: Path, place: Path) -> Path:
    """Its data and its pool, at another place."""
    for name in ("data", "pool"):
        shutil.copytree(finished / name, place / name)
    return place


def carried(document: dict[str, Any], engine: Any = "local") -> RunResult:
    return run(load_spec(document), engine=engine)


def accounts(result: RunResult) -> dict[str, Account]:
    return {one.label_name: one for one in result.accounts}


def made(root: Path, out: str = "out") -> list[dict[str, Any]]:
    return [row for row in rows_of(open_dataset(str(root / out)).to_table()) if row["generated"]]
