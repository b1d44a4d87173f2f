"""From a file to a job: places, paths, variables, execution from elsewhere."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from augment.errors import SpecError
from augment.spec import Job, load_limits, load_spec

Load = Callable[..., Job]
Problems = Callable[..., list[str]]

TEXT = """\
version: 1
name: digits
seed: 7
sources:
  real: {format: imagefolder, uri: data/real, splits: {train: train, test: test}}
generators:
  fake: {family: palette, classes: [0, no, 12:30, 007, 1.0]}
synthesize:
  - generators: [fake]
    fill: {to: {0: 5, no: 6, 12:30: 7}}
output:
  uri: ${OUT}/digits
"""
ENV = {"OUT": "s3://bucket"}


def failed(load: Load, text: str, **options: Any) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load(text, **options)
    return [str(p) for p in caught.value.problems]


def test_class_names_are_text(load_text: Load) -> None:
    spec = load_text(TEXT, env=ENV).spec
    generator = spec.generators["fake"]
    assert generator.family == "palette"
    assert generator.classes == ["0", "no", "12:30", "007", "1.0"]
    assert spec.synthesize[0].fill is not None
    assert spec.synthesize[0].fill.to == {"0": 5, "no": 6, "12:30": 7}
    assert {type(c) for c in generator.classes} == {str}


def test_paths_hang_on_the_file_and_the_text_stays(load_text: Load, tmp_path: Path) -> None:
    job = load_text(TEXT, env=ENV)
    assert job.base == str(tmp_path)
    assert job.text == TEXT
    assert job.spec.sources["real"].uri == str(tmp_path / "data" / "real")
    assert job.spec.pool == str(tmp_path / "pool")
    assert job.spec.output.uri == "s3://bucket/digits"


def test_a_job_in_another_folder(tmp_path: Path, load_text: Load) -> None:
    (tmp_path / "deep").mkdir()
    job = load_text(TEXT.replace("data/real", "../data"), "deep/job.yaml", env=ENV)
    assert job.spec.sources["real"].uri == str(tmp_path / "data")
    assert job.spec.pool == str(tmp_path / "deep" / "pool")


def test_a_job_pickles(load_text: Load) -> None:
    job = load_text(TEXT, env=ENV)
    assert pickle.loads(pickle.dumps(job)) == job


def test_a_mapping_a_yaml_and_a_json_file_are_the_same(job: Load, tmp_path: Path) -> None:
    made = job()
    (tmp_path / "job.json").write_text(made.text, encoding="utf-8")
    (tmp_path / "job.yaml").write_text(made.text, encoding="utf-8")
    assert load_spec(tmp_path / "job.json").spec == made.spec
    assert load_spec(str(tmp_path / "job.yaml")).spec == made.spec


def test_numbers_as_class_names_in_a_mapping(problems: Problems) -> None:
    edits = {"classes": {"names": [0, "1"]}, "synthesize.0.fill.to": {1: 5}}
    assert problems(edits) == [
        'job: synthesize[0].fill.to: got the key 1; expected text as a key. Write "1"',
        'job: classes.names[0]: got 0; expected text. Put it in quotes: "0"',
    ]


def test_unset_variables_are_named(load_text: Load) -> None:
    assert failed(load_text, TEXT, env={}) == [
        "job.yaml:12: output.uri: got ${OUT}, which is not set; "
        "expected a variable of the environment. Set OUT"
    ]
    assert failed(load_text, TEXT.replace("${OUT}", "${OUT:-x}"), env=ENV) == [
        "job.yaml:12: output.uri: got '${OUT:-x}'; expected a variable written ${NAME}"
    ]


def test_variables_elsewhere_stay(load_text: Load) -> None:
    job = load_text(TEXT + "about: {purpose: '${OUT} and ${NOT_SET}'}\n", env=ENV)
    assert job.spec.about.purpose == "${OUT} and ${NOT_SET}"


def test_variables_in_execution(load_text: Load) -> None:
    text = (
        TEXT + "execution: {workers: '${N}', storage_options: {s3: {key: '${KEY}', anon: false}}}\n"
    )
    spec = load_text(text, env={**ENV, "N": "3", "KEY": "0123"}).spec
    assert spec.execution.workers == 3
    assert spec.execution.storage_options == {"s3": {"key": "0123", "anon": False}}


def test_a_secret_is_not_shown(load_text: Load) -> None:
    text = TEXT + "execution: {workers: '${SECRET}'}\n"
    assert failed(load_text, text, env={**ENV, "SECRET": "hunter2"}) == [
        "job.yaml:13: execution.workers: got '${SECRET}'; expected a whole number"
    ]


def test_home_folder(load_text: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    spec = load_text(TEXT.replace("data/real", "~/real"), env=ENV).spec
    assert spec.sources["real"].uri == "/home/ada/real"


def test_execution_from_a_file_and_from_overrides(load_text: Load, tmp_path: Path) -> None:
    (tmp_path / "gpu.yaml").write_text("workers: 4\ngenerators: {fake: {replicas: {min: 2}}}\n")
    text = TEXT + "execution: {workers: 1, generators: {fake: {batch_size: 8}}}\n"
    overrides = ["engine=local", "execution.generators.fake.batch_size=16"]
    spec = load_text(text, env=ENV, execution=tmp_path / "gpu.yaml", overrides=overrides).spec
    assert (spec.execution.workers, spec.execution.engine) == (4, "local")
    assert spec.execution.generators["fake"].batch_size == 16
    assert spec.execution.generators["fake"].replicas.min == 2


def test_an_override_of_a_generator_whose_name_holds_dots(load_text: Load) -> None:
    text = TEXT.replace("fake", "fake.v1.2")
    spec = load_text(text, env=ENV, overrides=["generators.fake.v1.2.batch_size=16"]).spec
    assert spec.execution.generators["fake.v1.2"].batch_size == 16


@pytest.mark.parametrize("name", ["fake", "fake.v1.2"])
def test_an_override_of_what_lies_deeper(load_text: Load, name: str) -> None:
    text = TEXT.replace("fake", name)
    overrides = [f"generators.{name}.resources.cpus=0.5", f"generators.{name}.replicas.min=3"]
    own = load_text(text, env=ENV, overrides=overrides).spec.execution.of(name)
    assert (own.resources.cpus, own.replicas.min) == (0.5, 3)


def test_wrong_execution(load_text: Load, tmp_path: Path) -> None:
    (tmp_path / "gpu.yaml").write_text("address: x\nworkrs: 4\n")
    overrides = ["workers=0", "seed=3", "generators.fake.batch_sise=3", "x", "a=[", "engine=dask"]
    assert failed(load_text, TEXT, env=ENV, execution="gpu.yaml", overrides=overrides) == [
        "--set x: got 'x'; expected key=value, for example workers=2",
        "--set a=[: got text that is not YAML (did not find expected node content); "
        "expected well-formed YAML",
        "--set engine=dask: execution.engine: got 'dask'; "
        "expected one of auto, local, processes, ray",
        "--set workers=0: execution.workers: got 0; expected a number >= 1",
        "--set generators.fake.batch_sise=3: execution.generators.fake.batch_sise: got an unknown "
        "key; expected one of batch_size, batch_timeout_s, channels_last, compile, "
        "load_timeout_s, replicas, resources. Did you mean 'batch_size'?",
        "gpu.yaml:2: execution.workrs: got an unknown key; expected one of address, "
        "autoscale, engine, generators, image_timeout_s, log_format, metrics, storage_options, "
        "workers. Did you mean 'workers'?",
        "--set seed=3: execution.seed: got an unknown key; expected one of address, "
        "autoscale, engine, generators, image_timeout_s, log_format, metrics, storage_options, "
        "workers. It belongs to the request: change the job file",
    ]


def test_an_execution_file_that_is_not_there(load_text: Load) -> None:
    assert failed(load_text, TEXT, env=ENV, execution="gone.yaml") == [
        "gone.yaml: got no such file; expected a file that exists"
    ]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "job.yaml: got nothing; expected a mapping: the keys of a job"),
        ("3", "job.yaml:1: got 3; expected a mapping: the keys of a job"),
        ("- a", "job.yaml:1: got a list of 1; expected a mapping: the keys of a job"),
    ],
)
def test_no_job(load_text: Load, text: str, error: str) -> None:
    assert failed(load_text, text) == [error]


def test_no_file(tmp_path: Path) -> None:
    path = os.fspath(tmp_path / "gone.yaml")
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    assert str(caught.value) == f"{path}: got no such file; expected a file that exists"
    with pytest.raises(SpecError, match="Is a directory"):
        load_spec(tmp_path)


def test_problems_come_in_the_order_of_lines(load_text: Load) -> None:
    text = TEXT.replace("seed: 7", "seed: x").replace("to: {0: 5", "to: {0: -5")
    text = text.replace("version: 1", "version: 2").replace("uri: ${OUT}", "uir: ${OUT}")
    assert failed(load_text, text, env=ENV) == [
        "job.yaml:1: version: got 2; expected 1",
        "job.yaml:3: seed: got 'x'; expected a whole number",
        "job.yaml:10: synthesize[0].fill.to.0: got -5; expected a number >= 0",
        "job.yaml:11: output.uri: got nothing; expected a value: this key is required",
        "job.yaml:12: output.uir: got an unknown key; expected one of image, mode, shard, uri. "
        "Did you mean 'uri'?",
    ]


def test_limits_of_an_audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("limits.yaml").write_text("synthetic_share: {max: 0.5}\nmin_rows_per_class: {train: 3}\n")
    limits = load_limits("limits.yaml")
    assert limits.synthetic_share is not None
    assert limits.synthetic_share.max == 0.5
    assert limits.min_rows_per_class == {"train": 3}


def test_wrong_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("limits.yaml").write_text("synthetic_shar: {max: 0.5}\nmin_rows_per_class: {train: x}\n")
    with pytest.raises(SpecError) as caught:
        load_limits("limits.yaml")
    assert [str(p) for p in caught.value.problems] == [
        "limits.yaml:1: synthetic_shar: got an unknown key; expected one of measures, "
        "min_rows_per_class, min_unique_real_per_class, synthetic_share, synthetic_to_real. "
        "Did you mean 'synthetic_share'?",
        "limits.yaml:2: min_rows_per_class.train: got 'x'; expected a whole number",
    ]
    Path("limits.yaml").write_text("synthetic_share: {}\n")
    with pytest.raises(SpecError, match="got neither max nor per_class"):
        load_limits("limits.yaml")
    Path("limits.yaml").write_text("")
    with pytest.raises(SpecError, match="got nothing; expected a mapping: what a job has under"):
        load_limits("limits.yaml")


def test_reading_a_job_imports_nothing_heavy(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(TEXT)
    heavy = ("torch", "ray", "pandas", "albumentations", "pyarrow", "numpy", "fsspec", "cv2")
    code = (
        "import sys\nfrom augment.spec import load_spec\n"
        f"load_spec({os.fspath(path)!r}, env={ENV!r})\n"
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
