"""The short form of `make chaos`: a few kills at random moments, nothing lost or doubled."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.waiting import run

REPOSITORY = Path(__file__).parents[2]


def test_a_job_that_is_killed_again_and_again_ends_as_if_nothing_had_happened() -> None:
    short = ["--moments", "4", "--generators", "1", "--json"]
    command = [sys.executable, "-m", "tests.end_to_end.chaos", *short]
    done = run(command, cwd=REPOSITORY)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert sum(report["kills"].values()) == 4  # of each kind one, unless no actor lived
    assert report["rows"] > 250
    assert (report["lost"], report["doubled"], report["changed"], report["wrong"]) == (0, 0, 0, [])
