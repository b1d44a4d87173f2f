"""Copies of the job's real images are rejected before they are written, and made anew."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from augment.cli import main
from augment.errors import PlanError, RequestError
from augment.generators import GeneratedBatch, Placement, SampleRequest
from augment.policy import VARIABLE
from augment.run.pipeline import RunResult
from tests.end_to_end.jobs import job_document, write_digits, write_job
from tests.end_to_end.runs import drive
from tests.end_to_end.scored import Idle, accounts, carried, made, with_fit, with_pool
from tests.end_to_end.toys import toy_info

DIGITS = load_digits()
CLASSES = ("0", "2", "3")
TRAIN, TEST, MORE = 7, 10, 6
UNSEEN = 20  # the first scan of a class that no split has
COPIES = {"near_copy": {"of": "train", "false_positives": 0.05}}


class Copying:
    """Scans that the job has not. Of each class every third one is a scan of the train split, left
    for right."""

    def __init__(self) -> None:
        self.info = toy_info("copying", CLASSES, 8)
        self._scans = {c: DIGITS.images[DIGITS.target == int(c)] for c in CLASSES}

    def place(self, placement: Placement) -> None: ...

    def validate(self, request: SampleRequest) -> None: ...

    def batch_key(self, request: SampleRequest) -> str:
        return "copying"

    def generate(self, batch: Sequence[SampleRequest]) -> GeneratedBatch:
        images = [self._scan(one.label_name, one.index) for one in batch]
        levels = np.stack(images).astype(np.float32) / 8 - 1
        return GeneratedBatch(levels[:, None].repeat(3, axis=1), (None,) * len(batch))

    def _scan(self, label: str, index: int) -> np.ndarray:
        if index % 3 == 2:
            return np.asarray(self._scans[label][index % TRAIN, :, ::-1])
        return np.asarray(self._scans[label][UNSEEN + index])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, RunResult]]:
    """A job that was carried out, in a process where its toy is allowed."""
    root = tmp_path_factory.mktemp("finished")
    write_digits(root / "data", dict.fromkeys(CLASSES, TRAIN), TEST)
    policy = root / "policy.yaml"
    policy.write_text(f"allow_code: ['{__name__}:Copying']\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(policy))
        yield root, carried(job(root, COPIES))


@pytest.fixture
def root(finished: tuple[Path, RunResult], tmp_path: Path) -> Path:
    """Its data, and the detector that was fit to them."""
    return with_fit(finished[0], tmp_path)


@pytest.fixture
def whole(finished: tuple[Path, RunResult], tmp_path: Path) -> Path:
    """Its data and its pool."""
    return with_pool(finished[0], tmp_path)


def job(root: Path, *filters: dict[str, Any], out: str = "out") -> dict[str, Any]:
    own = {"family": "custom", "class_path": f"{__name__}:Copying"}
    document = job_document(
        root, generators={"copying": own}, augmentations=[], filters=list(filters),
        synthesize=[{"generators": ["copying"], "fill": {"to": TRAIN + MORE}}],
    )  # fmt: skip
    document["output"] = document["output"] | {"uri": str(root / out)}
    return document


def unstamped(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: v for name, v in row.items() if name != "generated_at"} for row in rows]


def scores(root: Path) -> dict[str, Any]:
    """By scorer, universe and unit: of every row of its shard, which holds the time that it was
    made at."""
    pool = root / "pool/_scores"
    return {
        str(path.relative_to(pool)).rpartition("-")[0]: json.loads(path.read_text())["scores"][
            "rows"
        ]
        for path in pool.glob("*/*/*.json")
    }


def test_copies_are_rejected_and_others_made_in_their_place(
    finished: tuple[Path, RunResult],
) -> None:
    root, result = finished
    for one in accounts(result).values():
        assert (one.target, one.selected, one.shortfall) == (MORE, MORE, 0)
        assert list(one.rejected) == ["near_copy"]
        copied = one.attempted // 3
        assert copied <= one.rejected["near_copy"] <= copied + 1  # one scan may look like another
    rows = made(root)
    assert len(rows) == 3 * MORE
    for row in rows:
        assert row["generator"]["index"] % 3 != 2
        kept = {score["name"]: score["value"] for score in row["scores"]}
        assert kept["near_copy.train"] > 0.05
        assert "near_copy.holdout" not in kept


def test_another_rate_judges_what_is_there(finished: tuple[Path, RunResult], whole: Path) -> None:
    """At 0.035 a copy is one still: no held-out image of 30 looks as much like a real one."""
    before = scores(whole)
    stricter = COPIES["near_copy"] | {"false_positives": 0.035}
    result = carried(job(whole, {"near_copy": stricter}, out="stricter"), Idle())
    assert result.made_now == 0
    for label, one in accounts(result).items():
        assert one.rejected["near_copy"] <= accounts(finished[1])[label].rejected["near_copy"]
        assert one.rejected["near_copy"] >= one.attempted // 3
    beyond = {"of": "train", "false_positives": 0.001, "not_judged": "pass"}
    result = carried(job(whole, {"near_copy": beyond}, out="beyond"), Idle())
    assert all(one.rejected == {} for one in result.accounts)  # no pixels are equal
    assert any(row["generator"]["index"] % 3 == 2 for row in made(whole, "beyond"))
    assert scores(whole) == before


def test_killed_while_it_scores_the_same_command_ends_the_same(
    finished: tuple[Path, RunResult], root: Path
) -> None:
    path = write_job(root / "job.yaml", job(root, COPIES))
    killed = drive(path, r"os.link pool/_scores/\w+/\w+/unit", signal.SIGKILL)
    assert killed.code == -signal.SIGKILL, killed.notes
    result = carried(job(root, COPIES))
    assert accounts(result) == accounts(finished[1])
    assert unstamped(made(root)) == unstamped(made(finished[0]))


def test_processes_of_their_own_give_the_same_bytes(
    finished: tuple[Path, RunResult], root: Path
) -> None:
    result = carried(job(root, COPIES), "processes")
    assert accounts(result) == accounts(finished[1])
    assert scores(root) == scores(finished[0]) != {}
    assert unstamped(made(root)) == unstamped(made(finished[0]))


def test_too_few_real_images_are_refused_by_the_plan_or_let_others_pass(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for path in sorted((root / "data/test").glob("*/*"))[15:]:
        path.unlink()
    with pytest.raises(PlanError) as refused:
        carried(job(root, COPIES))
    assert (
        "filters[0].near_copy: got 15 real images in other splits than those that rows are "
        "generated for, to calibrate copies of train on; expected at least 20 for "
        "false_positives: 0.05. not_judged: pass rejects no more than equal pixels there"
    ) in str(refused.value)
    passing = {"near_copy": COPIES["near_copy"] | {"not_judged": "pass"}}
    path = write_job(root / "job.yaml", job(root, passing))
    assert main(["run", str(path), "--engine", "local"]) == 0
    told = capfd.readouterr()
    assert (
        "filter near_copy: not judged, but for equal pixels: got 15 real images to calibrate "
        "copies of train on, which can be read and repeat no protected image; expected at least 20"
    ) in told.err
    assert "rejected for" not in told.out
    names = {score["name"] for row in made(root) for score in row["scores"]}
    assert "near_copy.train" not in names


def test_what_the_plan_could_not_know_stops_the_run_each_time(root: Path) -> None:
    """Of 30 images of the test split 11 are scans of train."""
    for n, path in enumerate(sorted((root / "data/test").glob("*/*"))[:11]):
        shutil.copy(root / f"data/train/{CLASSES[n % 3]}/{n % TRAIN:03d}.png", path)
    for _ in range(2):  # what was fit is there the second time
        with pytest.raises(RequestError) as refused:
            carried(job(root, COPIES))
        assert "filters: near_copy: got 19 real images to calibrate copies of train on" in str(
            refused.value
        )


def test_people_are_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_job(root / "job.yaml", job(root, COPIES))
    assert main(["plan", str(path)]) == 0
    assert "filters: near_copy: fit to the real images by the run" in capsys.readouterr().out
    assert main(["run", str(path), "--engine", "local", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {tuple(a["rejected"]) for a in told["accounts"]} == {("near_copy",)}
    total = sum(a["rejected"]["near_copy"] for a in told["accounts"])
    card = (root / "out/README.md").read_text()
    assert "near_copy (false_positives 0.05, of train, not_judged refuse)" in card
    assert f"Rejected, and made anew as far as the job allows: near_copy {total}." in card
