"""Samples that raised, hung or killed come back by a retry once their cause is mended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from augment.policy import VARIABLE
from tests.end_to_end.runs import commanded
from tests.end_to_end.test_poison import FILL, LOST, ORDERS, REPOSITORY, Poison


def retried(poison: Poison, engine: str) -> dict[str, Any]:
    environment = {VARIABLE: str(poison.root / "policy.yaml"), "PYTHONPATH": str(REPOSITORY)}
    done = commanded("retry", "out", "--engine", engine, "--json", cwd=poison.root, **environment)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_whatever_went_wrong_is_made_again(tmp_path: Path) -> None:
    poison = Poison(tmp_path)
    text = poison.job.read_text()
    poison.job.write_text(text + "max_attempts_per_sample: 1\non_shortfall: warn\n")
    poison.order(**ORDERS)
    assert poison.run("processes").returncode == 0
    assert poison.failed() == LOST
    poison.order(kill=ORDERS["kill"])
    first = retried(poison, "processes")
    assert (first["tried"], first["healed"], first["generation"]) == (5, 4, 2)
    poison.order()
    second = retried(poison, "local")
    assert (second["tried"], second["healed"], second["generation"]) == (1, 1, 3)
    assert retried(poison, "processes")["tried"] == 0
    healed = poison.rows()
    poison.forget()
    assert poison.run("local").returncode == 0
    assert healed == poison.rows()
    assert len(healed) == FILL * 3 - 12
