"""Rows that failed are made again by a new generation; what is committed stays as it is."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from augment.api import audit, load_spec, open_dataset, run
from augment.errors import RequestError
from augment.generators import GeneratedBatch, GeneratorInfo, Placement, SampleRequest
from augment.policy import VARIABLE
from augment.run import LocalEngine, ProcessEngine, Silent
from augment.run.upkeep.retry import RetryResult, retry
from augment.seeds import digest, stream
from augment.storage import Folder
from augment.write import live_files
from tests import waiting
from tests.end_to_end.engines import Never
from tests.end_to_end.jobs import fingerprint, job_document, rows_of, write_digits, write_job
from tests.end_to_end.runs import EPOCH, published

COUNTS = {"0": 12, "1": 5, "2": 4}
TRUNCATED, EMPTY = "train/0/000.png", "train/1/001.png"


def mended(root: Path) -> None:
    write_digits(root / "data", COUNTS)


def again(document: dict[str, Any]) -> RetryResult:
    return retry(load_spec(document), LocalEngine())


def table(root: Path, out: str = "out") -> list[dict[str, Any]]:
    return rows_of(open_dataset(str(root / out)).to_table())


def undisturbed(root: Path, document: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a run that nothing was wrong with, from the same (mended) data."""
    whole = document | {
        "pool": str(root / "whole-pool"),
        "output": document["output"] | {"uri": str(root / "whole")},
    }
    run(load_spec(whole), engine="local")
    return table(root, "whole")


def quarantine(root: Path) -> list[dict[str, Any]]:
    (path,) = (root / "out").glob("_provenance/*/quarantine.parquet")
    return pq.read_table(path).to_pylist()


def kept(root: Path) -> dict[str, Any]:
    (path,) = (root / "out").glob("_provenance/*/job.json")
    return dict(json.loads(path.read_text()))


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A committed data set that lacks a truncated and an empty image and their copies."""
    root = tmp_path_factory.mktemp("broken")
    write_digits(root / "data", COUNTS)
    whole = (root / "data" / TRUNCATED).read_bytes()
    (root / "data" / TRUNCATED).write_bytes(whole[:40])
    (root / "data" / EMPTY).write_bytes(b"")
    assert run(load_spec(job_document(root)), engine="local").ok
    return root


@pytest.fixture
def root(broken: Path) -> Path:
    """The same folder (jobs name it), as it was after the run."""
    saved = broken.with_name(f"{broken.name}-saved")
    if not saved.exists():
        shutil.copytree(broken, saved)
    shutil.rmtree(broken)
    shutil.copytree(saved, broken)
    return broken


def test_a_retry_that_heals_nothing_adds_no_version(root: Path) -> None:
    before = published(root / "out")
    result = again(job_document(root))
    assert (result.tried, result.healed, result.failing) == (4, 0, 4)
    assert (result.generation, result.version, result.committed) == (1, 1, False)
    assert published(root / "out") == before
    assert len(quarantine(root)) == 4


def test_mended_rows_join_as_an_undisturbed_run_makes_them(root: Path) -> None:
    before = published(root / "out")
    mended(root)
    result = again(job_document(root))
    assert (result.tried, result.healed, result.failing) == (4, 4, 0)
    assert (result.generation, result.version, result.ok) == (2, 2, True)
    assert before.items() < published(root / "out").items()
    found, whole = table(root), undisturbed(root, job_document(root))
    assert fingerprint(found) == fingerprint(whole)
    per_run = {"generated_at"}
    assert [{k: v for k, v in r.items() if k not in per_run} for r in found] == [
        {k: v for k, v in r.items() if k not in per_run} for r in whole
    ]
    report = audit(str(root / "out"), verify=True)
    assert (report.ok, report.log) == (True, "agrees")
    assert {c.short for c in result.cells} == {c.quarantined for c in result.cells} == {0}


def test_provenance_is_that_of_both_generations(root: Path) -> None:
    mended(root)
    (root / "data" / EMPTY).write_bytes(b"")
    result = again(job_document(root))
    assert (result.tried, result.healed, result.failing) == (4, 2, 2)
    assert Counter(r["reason"] for r in quarantine(root)) == {"empty": 1, "parent": 1}
    assert {r["locator"] for r in quarantine(root)} == {EMPTY}
    told = kept(root)
    assert told["generation"] == 2
    assert sum(c["quarantined"] for c in told["cells"]) == 2
    assert all(c["planned"] == c["written"] + c["quarantined"] + c["short"] for c in told["cells"])
    mended(root)
    last = again(job_document(root))
    assert (last.tried, last.healed, last.generation, last.version) == (2, 2, 3, 3)
    assert quarantine(root) == []
    nothing = again(job_document(root))
    assert (nothing.tried, nothing.healed, nothing.generation, nothing.version) == (0, 0, 3, 3)
    later = run(load_spec(job_document(root)), engine="local")
    assert (later.already, later.version, later.made_now) == (True, 3, 0)
    assert sum(c.quarantined for c in later.cells) == 0
    assert fingerprint(table(root)) == fingerprint(undisturbed(root, job_document(root)))


def test_earlier_versions_stay_readable(root: Path) -> None:
    first = rows_of(open_dataset(str(root / "out"), 1).to_table())
    mended(root)
    again(job_document(root))
    assert rows_of(open_dataset(str(root / "out"), 1).to_table()) == first
    assert len(live_files(Folder(str(root / "out")), 2)) > len(
        live_files(Folder(str(root / "out")), 1)
    )


MOMENTS = (
    r"os.link out/_work/.*/retry-1/plan/units.json",
    r"os.rename out/data/train",
    r"os.link out/_work/.*/retry-1/units/.*\.json",
    r"open .*_provenance/.*/counts",
    r"told note committed generation 2",
    r"os.rename .*_provenance/.*/job.json",
    r"os.link out/_work/.*/retry-1/plan/closed.json",
    r"os.rename out/README.md",
)


def kill(path: Path, moment: str) -> subprocess.CompletedProcess[str]:
    """A retry in its own process, killed at a moment."""
    driver = Path(__file__).with_name("retry_driver.py")
    return waiting.run(
        [sys.executable, str(driver), str(path), moment, str(int(signal.SIGKILL))],
        env=os.environ | EPOCH | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_retry_goes_on(root: Path, moment: str) -> None:
    mended(root)
    path = write_job(root / "job.yaml", job_document(root))
    killed = kill(path, moment)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    result = again(job_document(root))
    assert (result.failing, result.generation, result.version) == (0, 2, 2)
    assert quarantine(root) == []
    assert sum(c["quarantined"] for c in kept(root)["cells"]) == 0
    assert fingerprint(table(root)) == fingerprint(undisturbed(root, job_document(root)))
    assert audit(str(root / "out"), verify=True).ok


def test_copies_alone_are_made_from_the_bytes_that_the_data_set_holds(tmp_path: Path) -> None:
    """A 16-bit image is a row, but has no copies; putting another file there later must not
    give copies of an image that the data set does not hold."""
    from PIL import Image

    write_digits(tmp_path / "data", COUNTS)
    deep = tmp_path / "data" / TRUNCATED
    Image.fromarray(np.full((8, 8), 4096, np.uint16)).save(deep)
    first = run(load_spec(job_document(tmp_path)), engine="local")
    assert sum(c.quarantined for c in first.cells) == 1
    mended(tmp_path)
    result = again(job_document(tmp_path))
    assert (result.tried, result.healed, result.failing) == (1, 0, 1)


def test_an_uncommitted_job_is_refused_with_the_way_out(tmp_path: Path) -> None:
    write_digits(tmp_path / "data", COUNTS)
    with pytest.raises(RequestError, match=r"is not committed there, .* `augment run` with its"):
        again(job_document(tmp_path))
    assert not (tmp_path / "out").exists()


def test_in_processes_it_is_the_same(root: Path) -> None:
    mended(root)
    with ProcessEngine() as engine:
        result = retry(load_spec(job_document(root)), engine)
    assert (result.healed, result.failing, result.generation) == (4, 0, 2)
    assert fingerprint(table(root)) == fingerprint(undisturbed(root, job_document(root)))


# ---- the pool ------------------------------------------------------------------------


def tinted(root: Path) -> dict[str, Any]:
    """Every train digit twice under a coloured light, and a copy of each row."""
    made = job_document(root, on_shortfall="warn")
    return made | {
        "generators": {"tint": {"family": "tint"}},
        "synthesize": [
            {"generators": ["tint"], "input": {"from": {"origin": ["real"]}, "per_image": 2}}
        ],
    }


def test_samples_whose_parent_was_bad_are_made_again(tmp_path: Path) -> None:
    write_digits(tmp_path / "data", COUNTS)
    (tmp_path / "data" / TRUNCATED).write_bytes(b"")
    document = tinted(tmp_path)
    first = run(load_spec(document), engine="local")
    assert first.shortfall == 2
    mended(tmp_path)
    result = again(document)
    assert (result.shortfall, result.failing, result.generation) == (0, 0, 2)
    assert result.tried == 2 + 2  # the row and its copy, two tinted ones; copies of those follow
    found, whole = table(tmp_path), undisturbed(tmp_path, document)
    assert fingerprint([r for r in found if not r["transforms"]]) == fingerprint(
        [r for r in whole if not r["transforms"]]
    )
    assert Counter((r["label"], r["origin"]) for r in found) == Counter(
        (r["label"], r["origin"]) for r in whole
    )
    assert audit(str(tmp_path / "out"), verify=True).ok
    assert retry(load_spec(document), Never()).tried == 0  # no engine begins
    later = run(load_spec(document), engine="local")
    assert (later.already, later.shortfall, later.ok) == (True, 0, True)


class Flaky:
    """Makes noise; NaN for the indexes that the file named in the environment lists."""

    def __init__(self, classes: Sequence[str]) -> None:
        self.info = GeneratorInfo(
            name="flaky",
            family="flaky",
            identity=digest(["flaky"]),
            sampling_digest=digest(1),
            checkpoint_sha256="",
            classes=tuple(classes),
            height=8,
            width=8,
            channels=3,
            license="MIT",
            digital_source_type=("http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia"),
        )

    def place(self, placement: Placement) -> None: ...

    def validate(self, request: SampleRequest) -> None: ...

    def batch_key(self, request: SampleRequest) -> str:
        return "flaky"

    def generate(self, batch: Sequence[SampleRequest]) -> GeneratedBatch:
        listed = Path(os.environ["AUGMENT_TEST_FLAKY"])
        bad = json.loads(listed.read_text()) if listed.exists() else []
        images = np.zeros((len(batch), 3, 8, 8), np.float32)
        for image, request in zip(images, batch, strict=True):
            image[:] = stream(request.sample_id, "z").uniform(-0.9, 0.9, image.shape)
            if [request.label_name, request.index] in bad:
                image[:] = np.nan
        return GeneratedBatch(images, (None,) * len(batch))


@pytest.fixture
def flaky(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The list of what fails."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(f"allow_code: ['{__name__}:Flaky']\n")
    monkeypatch.setenv(VARIABLE, str(policy))
    monkeypatch.setenv("AUGMENT_TEST_FLAKY", str(tmp_path / "flaky.json"))
    return tmp_path / "flaky.json"


def flaky_job(root: Path, out: str = "out") -> dict[str, Any]:
    """As many samples as may be looked at: whatever fails leaves its class short."""
    own = {"family": "custom", "class_path": f"{__name__}:Flaky", "init_args": {"classes": ["1"]}}
    return job_document(
        root,
        generators={"flaky": own},
        synthesize=[{"generators": ["flaky"], "fill": {"to": 25}, "classes": ["1"]}],
        augmentations=[],
        max_attempts_per_sample=1,
        on_shortfall="warn",
        output={"uri": str(root / out), "image": {"format": "png"}},
    )


def test_samples_that_failed_are_made_again(tmp_path: Path, flaky: Path) -> None:
    write_digits(tmp_path / "data", COUNTS)
    flaky.write_text(json.dumps([["1", 3], ["1", 7], ["1", 19]]))
    first = run(load_spec(flaky_job(tmp_path)), engine="local")
    assert (first.shortfall, first.accounts[0].failed) == (3, 3)
    flaky.write_text(json.dumps([["1", 7]]))
    second = again(flaky_job(tmp_path))
    assert (second.tried, second.healed, second.shortfall) == (3, 2, 1)
    flaky.unlink()
    third = again(flaky_job(tmp_path))
    assert (third.tried, third.healed, third.shortfall, third.generation) == (1, 1, 0, 3)
    assert again(flaky_job(tmp_path)).tried == 0
    found, whole = table(tmp_path), undisturbed(tmp_path, flaky_job(tmp_path))
    assert fingerprint(found) == fingerprint(whole)
    ranks = sorted(r["rank"] for r in found if r["generated"])
    assert ranks == list(range(20))
    assert audit(str(tmp_path / "out"), verify=True).ok


class Notes(Silent):
    """Keeps what a run says."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


def test_a_pool_that_was_lost_is_said_to_be(tmp_path: Path, flaky: Path) -> None:
    write_digits(tmp_path / "data", COUNTS)
    flaky.write_text(json.dumps([["1", 3]]))
    run(load_spec(flaky_job(tmp_path)), engine="local")
    flaky.unlink()
    shutil.rmtree(tmp_path / "pool")
    notes = Notes()
    result = retry(load_spec(flaky_job(tmp_path)), LocalEngine(), reporter=notes)
    assert (result.tried, result.shortfall, result.version) == (0, 1, 1)
    assert notes.texts == [
        f"{tmp_path}/pool does not hold all records of flaky any more: samples that failed there "
        "are not known; `augment synthesize` fills it anew"
    ]


def test_pool_shards_that_a_killed_retry_drew_from_are_made_again(
    tmp_path: Path, flaky: Path
) -> None:
    write_digits(tmp_path / "data", COUNTS)
    flaky.write_text(json.dumps([["1", 3]]))
    path = write_job(tmp_path / "job.yaml", flaky_job(tmp_path))
    run(load_spec(path), engine="local")
    flaky.unlink()
    assert kill(path, r"os.rename out/data/train").returncode == -signal.SIGKILL
    shutil.rmtree(tmp_path / "pool" / "data")
    result = again(flaky_job(tmp_path))
    assert (result.healed, result.shortfall, result.generation) == (1, 0, 2)
    assert fingerprint(table(tmp_path)) == fingerprint(undisturbed(tmp_path, flaky_job(tmp_path)))


def test_another_job_finds_what_was_made_again(tmp_path: Path, flaky: Path) -> None:
    write_digits(tmp_path / "data", COUNTS)
    flaky.write_text(json.dumps([["1", 3]]))
    run(load_spec(flaky_job(tmp_path)), engine="local")
    flaky.unlink()
    again(flaky_job(tmp_path))
    other = run(load_spec(flaky_job(tmp_path, "other")), engine="local")
    assert (other.made_now, other.shortfall) == (0, 0)
    assert fingerprint(table(tmp_path, "other")) == fingerprint(table(tmp_path))
