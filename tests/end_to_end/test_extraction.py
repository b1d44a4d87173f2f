"""Features of a data set on every engine, and after the process that made them was killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from augment.audit.table import DataSet, open_data_set
from augment.features import read_all
from augment.run import Engine, LocalEngine
from augment.run.engines.ray_engine import RayEngine
from augment.run.extraction.extracting import How, extract
from tests.audit.conftest import TableBuilder, small_set

KILLED = """
import os, signal, sys
from augment.audit.table import open_data_set
from augment.features import read_all
from augment.run import LocalEngine
from augment.run.extraction.extracting import extract

class Dying(LocalEngine):
    def run(self, task, units, resources):
        for number, result in enumerate(super().run(task, units, resources), start=1):
            if number == int(sys.argv[2]):
                os.kill(os.getpid(), signal.SIGKILL)
            yield result

extract(open_data_set(sys.argv[1]), read_all(["random"]), Dying())
"""


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    return open_data_set(TableBuilder(tmp_path / "set").build(small_set()).uri)


def features(data: DataSet, engine: Engine, how: How) -> list[np.ndarray]:
    with extract(data, read_all(["random"]), engine, how) as found:
        return [kept.features for _, kept in found.shards("random")]


def test_ray_gives_the_same_bytes(data: DataSet, ray_engine: RayEngine, tmp_path: Path) -> None:
    here = features(data, LocalEngine(), How(cache=str(tmp_path / "local")))
    there = features(data, ray_engine, How(cache=str(tmp_path / "ray")))
    for one, other in zip(here, there, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("units", [1, 2])
def test_a_killed_run_goes_on_from_what_is_whole(data: DataSet, units: int) -> None:
    command = [sys.executable, "-c", KILLED, data.folder.uri, str(units)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    with extract(data, read_all(["random"]), LocalEngine()) as found:
        assert found.made == {"random": 3 - units}
        resumed = [kept.features for _, kept in found.shards("random")]
    whole = features(data, LocalEngine(), How(cache="none"))
    for one, other in zip(resumed, whole, strict=True):
        np.testing.assert_array_equal(one, other)
