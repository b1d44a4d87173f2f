"""The frozen arrangement of a data set's units."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from augment.api import load_spec, run
from augment.errors import InterruptedRun
from tests.end_to_end.jobs import job_document, write_digits, write_job


@pytest.mark.parametrize("text", ["no JSON", "{}", '{"units": 3}', "[]", "[" * 100_000])
def test_damaged_units_are_told(tmp_path: Path, text: str) -> None:
    write_digits(tmp_path / "data", {"0": 4, "1": 3})
    path = write_job(tmp_path / "job.yaml", job_document(tmp_path))
    run(load_spec(path), engine="local")
    for made in ("_delta_log", "_provenance"):  # as before the commit
        shutil.rmtree(tmp_path / "out" / made)
    (units,) = (tmp_path / "out/_work").glob("*/plan/units.json")
    units.write_text(text)
    with pytest.raises(InterruptedRun, match=r"/plan/units\.json: no frozen units \(.*remove that"):
        run(load_spec(path), engine="local")
