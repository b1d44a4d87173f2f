"""One embedded Ray for all tests of a session that need one."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest

from augment.run.ray_engine import RayEngine


@pytest.fixture(scope="session")
def ray_engine() -> Iterator[RayEngine]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own imports warn; ours must not
        engine = RayEngine()
    yield engine
    engine.close()
