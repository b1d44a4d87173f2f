"""The GPU benchmark, tried on the CPU: what it asks can fail, and what is missing is told."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from augment.generators.catalog import FAMILIES
from benchmarks import gpu_bundle

ROOT = Path(__file__).parents[2]


def rows_of(*words: str) -> tuple[int, list[dict[str, Any]]]:
    command = [sys.executable, str(ROOT / "benchmarks/gpu.py"), *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr[-2000:]
    return done.returncode, json.loads(done.stdout.splitlines()[-1])["rows"]


def test_a_dry_run_measures_every_section() -> None:
    """But placement, which starts Ray."""
    only = ["vae", "diffusion", "palette", "copies", "files", "stylegan2-1024"]
    code, rows = rows_of(
        "--dry-run", "--section", "contract", "encode", "host", "--only", *only
    )  # fmt: skip
    assert code == 0
    found = {(row["section"], row["name"], row["variant"]): row for row in rows}
    for variant in ("questions", "fp32", "fp32 golden", "fp32 rows alone", "bf16", "fp32 compiled"):
        assert found["contract", "vae", variant]["verdict"] == "ok"
    assert found["contract", "diffusion", "fp32 golden"]["verdict"] == "ok"
    assert found["contract", "vae", "questions"]["figures"]["asked"] == 13
    assert found["contract", "palette", ""]["verdict"].startswith("not run: it makes its images")
    for variant in ("fp32 eager", "bf16 compiled"):
        row = found["host", "stylegan2-1024", variant]
        assert row["verdict"] == "measured"
        assert 0 < row["figures"]["busy"] <= 1
        assert row["figures"]["host/s"] > 0 < row["figures"]["bare/s"]
    assert found["encode", "copies", "4 x 64 px"]["figures"]["pageable GB/s"] > 0


def test_what_has_no_time_has_no_figure_and_every_family_is_there() -> None:
    code, rows = rows_of("--dry-run", "--seconds", "4", "--section", "contract", "encode", "host")
    assert code == 0
    assert {row["verdict"] for row in rows} == {"not measured (time)"}
    assert not any(row["figures"] for row in rows)
    families = {row["name"] for row in rows if row["section"] == "contract"}
    assert families == {family.name for family in FAMILIES}


# ---- the bundle ------------------------------------------------------------------------


def test_a_bundle_that_is_too_large_is_told() -> None:
    sizes = [("b.whl", 3 << 20), ("a.whl", 1 << 19)]
    assert gpu_bundle.told(sizes, 3.5) == (
        "   0.50 MiB  a.whl\n   3.00 MiB  b.whl\n   3.50 MiB  of at most 3.5", True,
    )  # fmt: skip
    text, fits = gpu_bundle.told(sizes, 3.4)
    assert not fits
    assert text.endswith("3.50 MiB  of at most 3.4: TOO LARGE")


def test_the_bundle_takes_what_our_project_names() -> None:
    """Of packages that the project needs itself, under the names that it has there."""
    text = (ROOT / "pyproject.toml").read_text() + (ROOT / "constraints.txt").read_text()
    named = {name.lower().replace("_", "-") for name in re.findall(r"[A-Za-z][\w.-]*\w", text)}
    assert {"pydantic", "simplejpeg", "diffusers", "xxhash"} <= set(gpu_bundle.LACKING) & named


def test_making_samples_imports_nothing_that_the_bundle_leaves_out() -> None:
    code = (
        "import sys\n"
        "import gpu_contract, gpu_encode, gpu_host, gpu_placement\n"
        "print(sorted({'deltalake', 'ray', 'albumentations', 'diffusers'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "benchmarks", check=True,
                          env={"PYTHONPATH": str(ROOT), "PATH": ""}, capture_output=True,
                          text=True)  # fmt: skip
    assert done.stdout == "[]\n"
