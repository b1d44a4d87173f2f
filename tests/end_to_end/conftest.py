"""One embedded Ray for all tests of a process that need one; a job's inputs in a bucket."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from augment.run.engines.ray_engine import RayEngine
from tests.end_to_end.stores import upload, write_inputs
from tests.storage.s3_server import S3Server


@pytest.fixture(scope="session")
def ray_engine() -> Iterator[RayEngine]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own imports warn; ours must not
        engine = RayEngine()
        engine.open()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("inputs")
    write_inputs(root)
    return root


@pytest.fixture
def base(s3: S3Server, inputs: Path) -> Iterator[str]:
    """Where the inputs are, in a bucket of their own."""
    uri = f"{s3.bucket()}/job"
    upload(inputs, uri, s3)
    s3.seen.clear()
    yield uri
    s3.plan = None
