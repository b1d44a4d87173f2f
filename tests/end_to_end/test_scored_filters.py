"""Filters that are fit on the job's real images: what an audit would reject is made anew."""

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

from augment.api import load_spec, status
from augment.cli import main
from augment.errors import PlanError, StorageError
from augment.generators import GeneratedBatch, Placement, SampleRequest
from augment.policy import VARIABLE
from augment.run import LocalEngine, Resources, Task, carry_out
from augment.run.pipeline import RunResult
from augment.run.synthesis.pool_unit import PoolTask
from tests.end_to_end.jobs import job_document, write_digits, write_job
from tests.end_to_end.runs import drive
from tests.end_to_end.scored import Idle, accounts, carried, made, with_fit, with_pool
from tests.end_to_end.toys import toy_info

DIGITS = load_digits()
CLASSES = ("0", "1", "2")
TRAIN = 40
AGREEMENT = {"agreement": {"min": 0.5}}


class Mistaken:
    """Noisy scans of the job's own. Of each class every third shows another digit, or (`strange`)
    is inverted, as no scan is."""

    def __init__(self, strange: bool = False) -> None:
        self.info = toy_info("mistaken", CLASSES, 8, more=[strange])
        self._strange = strange
        self._scans = {c: DIGITS.images[DIGITS.target == int(c)][:TRAIN] for c in CLASSES}

    def place(self, placement: Placement) -> None: ...

    def validate(self, request: SampleRequest) -> None: ...

    def batch_key(self, request: SampleRequest) -> str:
        return "mistaken"

    def generate(self, batch: Sequence[SampleRequest]) -> GeneratedBatch:
        images = [self._scan(one.label_name, one.index) for one in batch]
        levels = np.stack(images).astype(np.float32) / 8 - 1
        return GeneratedBatch(levels[:, None].repeat(3, axis=1), (None,) * len(batch))

    def _scan(self, label: str, index: int) -> np.ndarray:
        wrong = index % 3 == 2
        shown = CLASSES[(CLASSES.index(label) + 1) % 3] if wrong and not self._strange else label
        noise = np.random.default_rng(index).normal(0, 0.6, (8, 8))
        found: np.ndarray = np.clip(self._scans[shown][index % TRAIN] + noise, 0, 16)
        return 16 - found if wrong and self._strange else found


class Reluctant(LocalEngine):
    """Runs no generator."""

    def run(self, task: Task, units: Sequence[str], resources: Resources) -> Iterator[str]:
        inner = getattr(task, "task", task)
        assert not isinstance(inner, PoolTask), "a generator was started"
        yield from super().run(task, units, resources)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, RunResult]]:
    """A job that was carried out, in a process where its toy is allowed."""
    root = tmp_path_factory.mktemp("finished")
    write_digits(root / "data", dict.fromkeys(CLASSES, TRAIN))
    policy = root / "policy.yaml"
    policy.write_text(f"allow_code: ['{__name__}:Mistaken']\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(policy))
        yield root, carried(job(root, AGREEMENT))


@pytest.fixture
def root(finished: tuple[Path, RunResult], tmp_path: Path) -> Path:
    """Its data, and the classifier that was fit to them."""
    return with_fit(finished[0], tmp_path)


@pytest.fixture
def whole(finished: tuple[Path, RunResult], tmp_path: Path) -> Path:
    """Its data and its pool."""
    return with_pool(finished[0], tmp_path)


def job(root: Path, *filters: dict[str, Any], out: str = "out", **more: Any) -> dict[str, Any]:
    own = {"family": "custom", "class_path": f"{__name__}:Mistaken"}
    document = job_document(
        root, generators={"mistaken": own}, augmentations=[], filters=list(filters),
        synthesize=[{"generators": ["mistaken"], "fill": {"to": TRAIN + 12}}],
    )  # fmt: skip
    document["output"] = document["output"] | {"uri": str(root / out)}
    return document | more


def filled(document: dict[str, Any]) -> None:
    """The pool, and no data set."""
    carry_out(load_spec(document), LocalEngine(), "synthesize")


def test_images_of_another_class_are_rejected_and_made_anew(
    finished: tuple[Path, RunResult],
) -> None:
    root, result = finished
    for one in accounts(result).values():
        assert (one.target, one.selected, one.shortfall) == (12, 12, 0)
        wrong = one.attempted // 3
        assert abs(one.rejected["agreement"] - wrong) <= 1  # the classifier may err once
        assert one.attempted == one.accepted + sum(one.rejected.values()) + one.failed
    rows = made(root)
    assert len(rows) == 36
    for row in rows:
        scores = {score["name"]: score["value"] for score in row["scores"]}
        assert scores["agreement.p"] >= 0.5
        assert "degenerate.std" in scores
    assert sum(row["generator"]["index"] % 3 == 2 for row in rows) <= 3
    (drawn,) = [one for one in status(str(root / "out")).jobs[0].drawn if one.label_name == "0"]
    zero = accounts(result)["0"]
    assert (drawn.accepted, drawn.rejected) == (zero.accepted, sum(zero.rejected.values()))


def test_images_unlike_any_real_one_are_rejected_and_made_anew(root: Path) -> None:
    """Beside a filter of classes, of which every inverted digit is one still."""
    own = {"family": "custom", "class_path": f"{__name__}:Mistaken",
           "init_args": {"strange": True}}  # fmt: skip
    outlier = {"feature_outlier": {"extractor": "random"}}
    result = carried(job(root, outlier, {"agreement": {}}, generators={"mistaken": own}))
    for one in accounts(result).values():
        assert (one.selected, one.shortfall) == (12, 0)
        assert one.rejected["feature_outlier"] == one.attempted // 3
    for row in made(root):
        scores = {score["name"]: score["value"] for score in row["scores"]}
        assert scores["feature_outlier.distance"] <= 1.5
        assert scores["agreement.p"] >= 0.1
        assert row["generator"]["index"] % 3 != 2
    loose = {"feature_outlier": {"extractor": "random", "max": 100.0}}
    again = job(root, loose, generators={"mistaken": own}, out="loose")
    assert carried(again, Idle()).made_now == 0


def test_another_threshold_needs_neither_a_generator_nor_a_network(
    finished: tuple[Path, RunResult], whole: Path
) -> None:
    strict = accounts(finished[1])
    files = sorted((whole / "pool/_scores").rglob("*"))
    result = carried(job(whole, {"agreement": {"min": 1e-9}}, out="loose"), Idle())
    assert result.made_now == 0
    assert sorted((whole / "pool/_scores").rglob("*")) == files
    for label, one in accounts(result).items():
        assert one.attempted < strict[label].attempted
        assert one.rejected == {}
    assert len(made(whole, "loose")) == 36


def test_a_pool_that_was_filled_without_the_filter_is_scored_without_a_generator(
    root: Path,
) -> None:
    first = job(root, synthesize=[{"generators": ["mistaken"], "fill": {"to": TRAIN + 30}}])
    filled(first)
    assert not list((root / "pool/_scores").glob("*/*/*"))
    result = carry_out(load_spec(job(root, AGREEMENT)), Reluctant(), "mix")
    assert result.made_now == 0
    assert all(one.rejected["agreement"] for one in accounts(result).values())
    assert len(made(root)) == 36


def test_filters_stand_in_their_order_beside_those_of_the_image(root: Path) -> None:
    dark = {"degenerate": {"min_std": 200.0}}  # nothing passes
    result = carried(job(root, AGREEMENT, dark, on_shortfall="warn",
                         errors={"allow_empty_classes": list(CLASSES)}))  # fmt: skip
    for one in accounts(result).values():
        assert set(one.rejected) == {"agreement", "degenerate.blank"}
        assert one.accepted == 0


def test_classes_with_too_few_real_images_are_refused_by_the_plan_or_pass(root: Path) -> None:
    for path in sorted((root / "data/train/2").iterdir())[5:]:
        path.unlink()
    with pytest.raises(PlanError) as refused:
        carried(job(root, AGREEMENT))
    assert (
        "filters[0].agreement: got classes with too few real images to fit on ('2': 5); expected "
        "at least 8 of each class that is generated. not_judged: pass lets their samples pass"
    ) in str(refused.value)
    result = carried(job(root, {"agreement": {"min": 0.5, "not_judged": "pass"}}))
    found = accounts(result)
    assert found["2"].rejected == {}
    assert found["0"].rejected["agreement"] > 0
    names = {row["label_name"]: {s["name"] for s in row["scores"]} for row in made(root)}
    assert "agreement.p" in names["0"]
    assert "agreement.p" not in names["2"]


MOMENTS = (r"os.link pool/_scores/\w+/scorer\.json", r"os.link pool/_scores/\w+/\w+/unit",
           r"os.link out/_work/[^/]*/plan/scorers\.json")  # fmt: skip


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_while_it_scores_the_same_command_ends_the_same(
    finished: tuple[Path, RunResult], root: Path, moment: str
) -> None:
    if "scorer" in moment:  # nothing is fit yet
        shutil.rmtree(root / "pool")
    path = write_job(root / "job.yaml", job(root, AGREEMENT))
    killed = drive(path, moment, signal.SIGKILL)
    assert killed.code == -signal.SIGKILL, killed.notes
    result = carried(job(root, AGREEMENT))
    assert accounts(result) == accounts(finished[1])
    stamped = {row["sample_id"]: row["generated_at"] for row in made(root)}
    expected = [row | {"generated_at": stamped[row["sample_id"]]} for row in made(finished[0])]
    assert made(root) == expected


@pytest.mark.parametrize("damage", ["", "{}", "figure", "end"])
def test_scores_that_are_damaged_or_gone_are_made_again(whole: Path, damage: str) -> None:
    scores = sorted((whole / "pool/_scores").glob("*/*/*.json"))[0]
    right = scores.read_bytes()
    wrong = {"figure": right.replace(b"0.9", b"0.1", 1), "end": right[:-10]}
    scores.write_bytes(wrong.get(damage, damage.encode()))
    carried(job(whole, {"agreement": {"min": 0.4}}), Reluctant())
    assert scores.read_bytes() == right


def test_scores_that_go_while_rows_are_mixed_are_computed_again(
    finished: tuple[Path, RunResult], root: Path
) -> None:
    path = write_job(root / "job.yaml", job(root, AGREEMENT))
    killed = drive(path, r"os.link out/_work/[^/]*/units/train", signal.SIGKILL)
    assert killed.code == -signal.SIGKILL, killed.notes
    for scores in (root / "pool/_scores").glob("*/*/*.json"):
        scores.unlink()
    assert carried(job(root, AGREEMENT), Reluctant()).made_now == 0
    stored = [row["scores"] for row in made(root)]
    assert stored == [row["scores"] for row in made(finished[0])]


def test_what_changed_since_the_fit_changes_no_verdict_of_this_job(root: Path) -> None:
    document = job(root, AGREEMENT)
    filled(document)
    path = root / "data/train/0/000.png"
    path.write_bytes((root / "data/train/1/001.png").read_bytes())
    result = carried(document, Reluctant())
    assert len(list((root / "pool/_scores").iterdir())) == 1
    assert sum(cell.written for cell in result.cells if cell.generator) == 36


def test_what_is_gone_and_cannot_be_fit_again_is_said(root: Path) -> None:
    document = job(root, AGREEMENT)
    filled(document)
    path = root / "data/train/0/000.png"
    path.write_bytes((root / "data/train/1/001.png").read_bytes())
    for one in (root / "pool/_scores").rglob("fitted*"):
        one.unlink()
    with pytest.raises(StorageError) as refused:
        carried(document)
    assert "was fit to is gone, and the real images have changed since" in str(refused.value)


def test_people_are_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_job(root / "job.yaml", job(root, AGREEMENT))
    assert main(["plan", str(path)]) == 0
    assert "filters: agreement: fit to the real images by the run" in capsys.readouterr().out
    assert main(["run", str(path), "--engine", "local", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {tuple(a["rejected"]) for a in told["accounts"]} == {("agreement",)}
    card = (root / "out/README.md").read_text()
    assert "agreement (min 0.5" in card
    total = sum(a["rejected"]["agreement"] for a in told["accounts"])
    assert f"Rejected, and made anew as far as the job allows: agreement {total}." in card
    assert main(["plan", str(path)]) == 0
    assert "fit to the real images by the run" not in capsys.readouterr().out
