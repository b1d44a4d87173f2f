"""What a sender sees of a job's data before anything is sent: broken limits, its data set."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from augment.api import load_spec, run
from augment.errors import GateError
from augment.submit.request import Asked, asked_of, is_there, judge_limits
from tests.end_to_end.jobs import job_document, write_digits, write_job

SHARE = {"synthetic_share": {"max": 0.5}}
BROKEN = "limits.synthetic_share.max: split train: 52 / 90 = 0.5778 > 0.5"


def sent(root: Path, **changes: Any) -> Asked:
    path = write_job(root / "job.yaml", job_document(root, **changes))
    return asked_of(str(path), execution=None, overrides=[], shared=[str(root)])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_digits(tmp_path / "data", {"0": 9, "1": 5, "2": 5})
    return tmp_path


def test_a_plan_that_breaks_a_limit_is_not_sent(root: Path) -> None:
    asked = sent(root, limits=SHARE)
    with pytest.raises(GateError, match=r"1 limit would be broken .* 52 / 90 = 0.5778 > 0.5"):
        judge_limits(asked, despite=False)
    assert (
        judge_limits(asked, despite=True) == f"--despite-limits: 1 limit will be broken: {BROKEN}"
    )
    assert judge_limits(sent(root, limits={"synthetic_share": {"max": 0.6}}), despite=False) is None
    assert not (root / "out").exists()


def test_sources_that_only_the_cluster_sees_are_judged_there(root: Path) -> None:
    shutil.rmtree(root / "data")
    said = judge_limits(sent(root, limits=SHARE), despite=False)
    assert said is not None
    assert said.startswith("the limits could not be judged from here (sources.digits.uri: got ")
    assert said.endswith("; the cluster judges them first")
    assert judge_limits(sent(root), despite=False) is None  # nothing to judge
    assert judge_limits(sent(root, limits={"gpu_hours": 1}), despite=False) is None


def test_whether_the_data_set_is_there(root: Path) -> None:
    asked = sent(root)
    assert is_there(asked) is False
    assert run(load_spec(root / "job.yaml"), engine="local").ok
    assert is_there(asked) is True
    assert is_there(sent(root, seed=8)) is False  # another request's
    (root / "out/_delta_log/00000000000000000001.json").write_text("")
    assert is_there(asked) is False
    (root / "out/_delta_log/00000000000000000001.json").write_text("{")
    assert is_there(asked) is None
    shutil.rmtree(root / "out")
    assert is_there(asked) is False


def test_a_shared_folder_that_is_not_on_this_machine_tells_nothing(root: Path) -> None:
    (root / "shared").mkdir()
    asked = sent(root, output={"uri": str(root / "shared/out")})
    away = Asked(asked.prepared, asked.bundle, asked.overrides, (str(root / "elsewhere"),))
    assert is_there(away) is None
    assert is_there(asked) is False
