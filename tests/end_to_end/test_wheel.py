"""The wheel that people install: built from this tree, far away from it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import numpy
import pytest

from augment import DISTRIBUTION

ROOT = Path(__file__).parents[2]
NAME = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["name"]


def said(command: list[str | Path], cwd: Path) -> str:
    """What a command prints, far from this checkout and from what it has set."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an environment that has the wheel, and what it depends on from this one."""
    root = tmp_path_factory.mktemp("wheel")
    source = root / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, source / name)
    shutil.copytree(ROOT / "augment", source / "augment")
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    alone = ["--no-index", "--no-deps"]
    said([*pip, "wheel", *alone, "--no-build-isolation", "-w", root, source], root)
    venv.create(root / "env", with_pip=False, symlinks=True)
    python = root / "env/bin/python"
    (wheel,) = root.glob("*.whl")
    said([*pip, "--python", python, "install", *alone, wheel], root)
    lib = said([python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"], root)
    (Path(lib.strip()) / "others.pth").write_text(f"{Path(numpy.__file__).parents[1]}\n")
    return python


def test_the_digits_job_runs_as_installed(python: Path, tmp_path: Path) -> None:
    for part in ("examples", "jobs"):
        shutil.copytree(ROOT / part, tmp_path / part)
    where = said([python, "-c", "import augment; print(augment.__file__)"], tmp_path)
    assert where.startswith(str(python.parents[1]))
    said([python, "examples/digits/prepare.py", "--out", "data/digits"], tmp_path)
    augment = python.with_name("augment")
    ran = said([augment, "run", "jobs/digits.yaml", "--engine", "local", "--json"], tmp_path)
    assert json.loads(ran.splitlines()[-1])["version"] == 1
    assert "verdict: ok" in said([augment, "audit", "out/digits"], tmp_path)


def test_nobody_is_told_to_install_what_is_not_ours() -> None:
    """`augment` alone is another project's on the public index."""
    assert NAME == DISTRIBUTION != "augment"
    extras = r"([\w-]+)\[(?:az|gs|s3|heic|onnx|diffusers|cluster|fuzz|torch|features)[\],]"
    texts = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    for part in ("augment", "examples"):
        texts += [path for path in (ROOT / part).rglob("*.*") if path.suffix in (".py", ".yaml")]
    told = [name for path in texts for name in re.findall(extras, path.read_text())]
    assert set(told) == {NAME}
