"""What the README shows is run: its job, its snippets, and readers with strangers' files beside."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pandas
import pytest
import yaml

from augment.api import load_spec, open_dataset, run
from augment.cli import main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in small: examples, jobs, the prepared digits, and the demo's result."""
    home = tmp_path_factory.mktemp("checkout")
    for part in ("examples", "jobs"):
        shutil.copytree(ROOT / part, home / part)
    prepare = [sys.executable, "examples/digits/prepare.py", "--out", "data/digits"]
    subprocess.run(prepare, cwd=home, check=True, capture_output=True)
    result = run(load_spec(home / "jobs" / "digits.yaml"), engine="local")
    assert result.ok
    shutil.copy(next((home / "out/digits/data/train").rglob("*.parquet")),
                home / "out/digits/data/train/orphan.parquet")  # fmt: skip
    half_done = home / "out/digits/_work/other-0123456789ab/units"
    half_done.mkdir(parents=True)
    (half_done / "train-00000.try-1").write_text("begun")
    return home


def test_the_demo_has_the_counts_that_the_readme_says(home: Path) -> None:
    rows = open_dataset(str(home / "out/digits")).to_table(["split", "label_name", "origin"])
    found = Counter(zip(*rows.to_pydict().values(), strict=True))
    for label in "01234":
        assert found["train", label, "real"] == found["train", label, "augmented"] == 80
    for label in "56789":
        assert found["train", label, "real"] == found["train", label, "augmented"] == 10
        assert found["train", label, "synthetic"] == 80
    assert sum(n for (split, _, _), n in found.items() if split == "test") == 540


def test_what_the_readme_shows_of_the_demo_is_what_is_printed(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (shown,) = re.findall(r"^```\n(split class.*?)^```", README, re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(home)
    assert main(["run", "jobs/digits.yaml", "--engine", "local"]) == 0
    assert main(["audit", "out/digits"]) == 0
    printed = capsys.readouterr().out.splitlines()
    lines = [line for line in shown.splitlines() if line != "..."]
    assert len(lines) == 6
    assert [line for line in lines if line not in printed] == []


def test_there_are_snippets() -> None:
    assert len(SNIPPETS) == 4


@pytest.mark.parametrize("number", range(4))
def test_snippets_run(home: Path, number: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SNIPPETS[number]],
        cwd=home,
        env={**os.environ, "HF_DATASETS_CACHE": str(tmp_path), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    expected = {
        0: "{'test': 540, 'train': 1300}\n(32, 32) ['0', '1', '2',",
        1: "synthetic",
        2: "torch.Size([64, 3, 32, 32]) torch.uint8 torch.Size([64])",
        3: "1300\nTrue True\n540",
    }
    assert expected[number] in done.stdout


@pytest.mark.parametrize("name", ["a b ünï # 日本", "100% (new) q'q"])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_snippets_run_wherever_the_data_set_lies(
    home: Path, tmp_path: Path, name: str, number: int
) -> None:
    """Paths with spaces, umlauts, # and quotes, as homes and disks have them."""
    here = tmp_path / name
    shutil.copytree(home / "out/digits", here / "out/digits")
    done = subprocess.run(
        [sys.executable, "-c", SNIPPETS[number]],
        cwd=here,
        env={**os.environ, "HF_DATASETS_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    expected = {0: "{'test': 540, 'train': 1300}", 1: r"synthetic +│ +400 │", 2: "torch.uint8"}
    assert re.search(expected[number], done.stdout)


@pytest.mark.parametrize("name", ["plain", "a b ünï # 日本 100% (new)"])
def test_what_the_card_shows_runs_where_the_data_set_lies(
    home: Path, tmp_path: Path, name: str
) -> None:
    here = tmp_path / name
    shutil.copytree(home / "out/digits", here)
    snippets = re.findall(r"```python\n(.*?)```", (here / "README.md").read_text(), flags=re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(snippets) + "\nprint(dataset.count_rows())"],
        cwd=here,
        env={**os.environ, "HF_DATASETS_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "{'test': 540, 'train': 1300}\n1840\n" in done.stdout
    assert "shape: (35, 4)\n" in done.stdout  # ten classes of train and of test, by origin


def test_pandas_reads_the_files_of_the_version(home: Path) -> None:
    table = home / "out/digits"
    files = open_dataset(str(table)).files
    frame = pandas.concat(pandas.read_parquet(table / file) for file in files)
    assert len(frame) == frame["sample_id"].nunique() == 1840
    assert frame["image"].iloc[0]["bytes"][:4] == b"\x89PNG"


def test_the_job_in_the_readme_is_accepted(home: Path) -> None:
    (job,) = re.findall(r"```yaml\n(.*?)```", README, flags=re.DOTALL)
    (home / "job.yaml").write_text(job)
    assert load_spec(home / "job.yaml").spec.name == yaml.safe_load(job)["name"]


@pytest.mark.parametrize("job", sorted(p.name for p in (ROOT / "jobs").glob("*.yaml")))
def test_every_job_file_meets_its_own_limits(home: Path, job: str) -> None:
    prepares = {
        "photos.yaml": ("examples/photos/prepare.py", "data/photos"),
        "digits-photos.yaml": ("examples/digits/prepare_photos.py", "data/digits-photos"),
    }
    if job in prepares:
        script, out = prepares[job]
        prepare = [sys.executable, script, "--out", out]
        subprocess.run(prepare, cwd=home, check=True, capture_output=True)
    result = run(load_spec(home / "jobs" / job), engine="local")
    assert result.ok
    assert result.audit.limits


def test_real_photographs_pass_byte_for_byte(home: Path) -> None:
    prepare = [sys.executable, "examples/photos/prepare.py", "--out", "data/photos"]
    subprocess.run(prepare, cwd=home, check=True, capture_output=True)
    result = run(load_spec(home / "jobs/photos.yaml"), engine="local")
    rows = open_dataset(result.output).to_table(["origin", "source", "image", "width"]).to_pylist()
    real = [r for r in rows if r["origin"] == "real"]
    assert len(real) > 100
    for row in real:
        path = home / "data/photos" / row["source"]["locator"]
        assert row["image"]["bytes"] == path.read_bytes()
        assert row["image"]["path"].endswith(".jpg")
    copies = [r for r in rows if r["origin"] == "augmented"]
    assert {r["width"] for r in copies} == {96}
    assert all(r["image"]["bytes"][:3] == b"\xff\xd8\xff" for r in copies)
