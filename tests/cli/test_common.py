"""What verbs of several modules share."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from augment.cli.common import KEPT, RESUMES, Keeping, laid_over, load
from augment.errors import SpecError
from augment.run import Silent
from tests.end_to_end.jobs import job_document, write_job


def test_units_are_kept_once_there_are_some() -> None:
    arguments = argparse.Namespace(kept=RESUMES)
    told = Keeping(Silent(), arguments)
    told.stage("census", None)
    told.doing("looking")
    told.note("a note")
    told.stage("synthesize", 0)
    assert arguments.kept == RESUMES
    told.stage("mix", 3)
    assert arguments.kept == KEPT


def test_the_engine_that_is_asked_for_may_have_an_address(tmp_path: Path) -> None:
    document = job_document(tmp_path) | {"execution": {"engine": "local"}}
    path = str(write_job(tmp_path / "job.yaml", document))

    def asked(engine: str | None, *overrides: str) -> argparse.Namespace:
        return argparse.Namespace(
            job=path, execution=None, engine=engine, overrides=list(overrides)
        )

    execution = load(asked("ray", "address=head:6379")).spec.execution
    assert (execution.engine, execution.address) == ("ray", "head:6379")
    assert laid_over(asked("ray", "engine=local")) == ["engine=ray", "engine=local"]
    for engine in (None, "local"):
        assert laid_over(asked(engine, "workers=2")) == ["workers=2"]
        with pytest.raises(SpecError, match="which has no effect; expected no address with"):
            load(asked(engine, "address=head:6379"))
