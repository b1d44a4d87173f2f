"""The command line: exit codes, JSON, what stands on which stream, and each verb's options."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pyarrow.parquet as pq
import pytest

from augment import __version__
from augment.api import load_spec, open_dataset, plan
from augment.audit import audit_schema
from augment.cli import main
from augment.errors import PlanError
from tests.end_to_end.jobs import augment, job_document, write_digits, write_job
from tests.hostile import Hostile

VERBS = (
    "validate", "plan", "run", "synthesize", "mix", "audit", "trace", "status", "retry", "clean",
    "pool", "generators", "schema",
)  # fmt: skip
COUNTS = {"0": 12, "1": 5, "2": 4}
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a job file `job.yaml` and its committed data set `out`."""
    root = tmp_path_factory.mktemp("cli")
    write_digits(root / "data", COUNTS)
    write_job(root / "job.yaml", job_document(root))
    assert main(["run", str(root / "job.yaml"), "--engine", "local", "--json"]) == 0
    return root


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A job file that nothing was done for yet."""
    write_digits(tmp_path / "data", COUNTS)
    return write_job(tmp_path / "job.yaml", job_document(tmp_path))


def call(capfd: Capture, *arguments: str) -> tuple[int, str, str]:
    """(exit code, standard output, standard error)."""
    capfd.readouterr()
    code = main(arguments)
    return (code, *capfd.readouterr())


def document(text: str) -> Any:
    """The one JSON document that a text is."""
    assert text.count("\n") == 1
    return json.loads(text)


# ---- words and usage ----------------------------------------------------------------


@pytest.mark.parametrize("words", [(), *((verb,) for verb in VERBS)])
def test_help_tells_the_exit_codes(words: Sequence[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as left:
        main([*words, "--help"])
    assert left.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    for part in (
        "0 done",
        "1 a limit or gate failed",
        "2 the request is wrong",
        "3 it broke half-way (the same command resumes)",
    ):
        assert part in said


def test_version_is_the_packages(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert (left.value.code, capsys.readouterr().out) == (0, f"augment {__version__}\n")


WRONG = {
    "vaildate x.yaml": r"augment: argument COMMAND: got 'vaildate'; .*Did you mean 'validate'\?",
    "run x.yaml --engin ray": r"augment: run: got '--engin'; .*Did you mean '--engine'\?",
    "run x.yaml --engine rya": r"got 'rya'; expected one of auto, local, processes, ray\.",
    "audit out --limit=f": r"audit: got '--limit'; .*Did you mean '--limits'\?",
    "schema sampel": r"schema: argument name: got 'sampel'; .*Did you mean 'sample'\?",
    "run a.yaml b.yaml": r"run: got 'b.yaml', one argument too many",
    "audit out --version one": r"audit: argument --version: invalid int value: 'one'",
    "trace out": r"trace: the following arguments are required: SAMPLE_ID",
    "": r"the following arguments are required: COMMAND",
    "schema": r"schema: got no name; expected one of job, .*, study, policy, keys, or --write",
    "generators lst": r"generators: argument ACTION: got 'lst'; .*Did you mean 'list'\?",
    "generators check": r"generators check: the following arguments are required: PACKAGE",
}


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_command_line_names_the_nearest_word(line: str, capsys: Capture) -> None:
    assert main(line.split()) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert re.search(WRONG[line], said.err.replace("\n", " "))


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_command_line_as_json(line: str, capsys: Capture) -> None:
    assert main([*line.split(), "--json"]) == 2
    said = capsys.readouterr()
    assert document(said.out)["exit_code"] == 2
    assert said.err == ""


def test_the_module_is_the_command(tmp_path: Path) -> None:
    """`python -m augment` and the installed `augment` say the same, with the same exit code."""
    ours = augment("validate", "no.yaml", cwd=tmp_path, PYTHONPATH=os.getcwd())
    script = Path(sys.executable).with_name("augment")
    theirs = subprocess.run(
        [script, "validate", "no.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (ours.returncode, ours.stdout, ours.stderr) == (
        theirs.returncode,
        theirs.stdout,
        theirs.stderr,
    )
    assert (ours.returncode, ours.stdout) == (2, "")
    assert ours.stderr == "augment: no.yaml: got no such file; expected a file that exists\n"


def test_what_no_rule_foresaw_is_exit_3_with_its_traceback(fresh: Path, capfd: Capture) -> None:
    """Python's own exit code for an error would say that a limit failed. (No command line can
    hold such a name, so nothing looks for one.)"""
    odd = ("--profile", "a\0b.json")
    code, out, err = call(capfd, "run", str(fresh), "--engine", "local", *odd, "--json")
    assert code == document(out)["exit_code"] == 3
    assert "ValueError: embedded null byte; no rule foresaw this" in document(out)["text"]
    assert "Traceback" in err


@pytest.mark.parametrize("epoch", ["not a number", "-1", "1e9", "99999999999999999999", " 1", ""])
@pytest.mark.parametrize("verb", ["validate", "plan", "run"])
def test_a_time_that_is_none_is_exit_2(
    fresh: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch, verb: str, epoch: str
) -> None:
    """Whatever of it a library reads first."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    code, out, err = call(capfd, verb, str(fresh))
    assert (code, out) == (2, "")
    assert err == (
        f"augment: SOURCE_DATE_EPOCH in the environment: got {epoch!r}; expected whole seconds "
        "since 1970. Set it so, or unset it\n"
    )


def test_a_time_that_is_none_is_exit_2_of_what_goes_on(
    done: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers read it too, and a job that has begun reads no clock."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "x")
    job, out = str(done / "job.yaml"), str(done / "out")
    for words in (("run", job), ("synthesize", job), ("mix", job), ("retry", out)):
        code, _, err = call(capfd, *words, "--engine", "local")
        assert (code, err.count("\n")) == (2, 1)
        assert "SOURCE_DATE_EPOCH in the environment: got 'x'; expected whole seconds" in err


@pytest.mark.parametrize("name", ["RAY_raylet_start_wait_time_s", "RAY_health_check_period_ms"])
def test_a_setting_of_ray_that_is_nonsense_is_exit_2(fresh: Path, name: str) -> None:
    """Ray itself ends the process that imports it with a signal."""
    for words in (("run", str(fresh), "--engine", "ray"), ("doctor", "--address", "127.0.0.1:1")):
        ran = augment(*words, cwd=fresh.parent, **{name: "abc"})
        assert ran.returncode == 2, ran.stderr
        said = ran.stderr.splitlines()[-1]
        assert said.startswith(f"augment: {name} in the environment: ray could not be imported (")


# ---- errors of every verb as JSON ---------------------------------------------------

ERRORS = {
    "validate no.yaml": 2,
    "plan no.yaml": 2,
    "run no.yaml": 2,
    "synthesize no.yaml": 2,
    "mix no.yaml": 2,
    "audit nothing": 2,
    "audit out --by colour": 2,
    "audit out --version 9": 2,
    "audit out --limits no.yaml": 2,
    "audit out --storage-options no.yaml": 2,
    "audit out --storage-options {": 2,
    "audit nothing --sheet x.png": 2,
    "trace nothing 0123456789abcdef0123456789abcdef": 2,
    "trace out 0123456789abcdef0123456789abcdef": 2,
    "trace out xyz": 2,
    "trace damaged 0123456789abcdef0123456789abcdef": 3,
    "audit damaged": 3,
    "run broken.yaml --engine local": 3,
    "plan job.yaml --write no/folder/m.parquet": 3,
}


@pytest.mark.parametrize("line", ERRORS)
def test_an_error_is_one_json_document_or_one_text(
    line: str, done: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(done)
    (done / "damaged/_delta_log").mkdir(parents=True, exist_ok=True)
    (done / "damaged/_delta_log/00000000000000000000.json").write_text("no JSON\n")
    broken = job_document(done, output={"uri": str(done / "job.yaml/out")})
    write_job(done / "broken.yaml", broken)
    code, out, err = call(capfd, *line.split(), "--json")
    found = document(out)
    assert (code, found["exit_code"], err) == (ERRORS[line], ERRORS[line], "")
    assert set(found) == {"error", "exit_code", "text", "problems"}
    code, out, err = call(capfd, *line.split())
    assert (code, out) == (ERRORS[line], "")
    time = r"\d{8}T\d{6}\.\d+Z"  # of a log file
    assert re.sub(time, "", found["text"].splitlines()[0]) in re.sub(time, "", err)
    assert "Traceback" not in err


def test_every_problem_of_a_job_stands_in_the_json(tmp_path: Path, capsys: Capture) -> None:
    path = write_job(tmp_path / "job.yaml", job_document(tmp_path, seed=-1, filters=[{"nice": {}}]))
    assert main(["validate", str(path), "--json", "--skip-sources"]) == 2
    found = document(capsys.readouterr().out)
    assert found["error"] == "SpecError"
    assert {p["place"].rpartition(" ")[2] for p in found["problems"]} == {"seed", "filters[0].nice"}
    assert all(p["found"] and p["expected"] for p in found["problems"])
    assert main(["validate", str(path)]) == 2  # and the data are not there
    assert capsys.readouterr().err.startswith("augment: 3 problems:\n")


# ---- what the machine is told ---------------------------------------------------------

EVERY = (
    "validate job.yaml", "plan job.yaml", "run job.yaml", "synthesize job.yaml", "mix job.yaml",
    "audit out", "trace out 0123456789", "status out", "retry out", "clean out", "pool ls pool",
    "pool gc pool", "generators list", "generators inspect data", "schema job",
    "submit job.yaml --target kuberay --image x/y:1 --dry-run",
    "jobs list --address http://127.0.0.1:1", "logs x --address http://127.0.0.1:1",
    "doctor --address auto",
)  # fmt: skip


@pytest.mark.parametrize("text", [None, "nonsense: 1\n", "allowed_uris: [\n"])
def test_a_policy_that_is_named_and_wrong_ends_every_verb(
    text: str | None, done: Path, tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "policy.yaml"
    if text is not None:
        policy.write_text(text)
    monkeypatch.setenv("AUGMENT_POLICY", str(policy))
    monkeypatch.chdir(done)
    for line in EVERY:
        code, out, err = call(capfd, *line.split())
        assert (line, code, out) == (line, 2, "")
        assert err.startswith(f"augment: {policy}: ")
    code, out, _ = call(capfd, "doctor")  # tells of it
    assert (code, f"{policy}: " in out) == (1, True)


SECRET = "hunter2-hunter2"
TELLING = (
    "validate s3://KEY:{}@bucket/job.yaml",
    "audit s3://KEY:{}@bucket/x?X-Amz-Signature={}",
    "trace s3://{}@bucket/x 0123456789",
    "status KEY:{}@bucket/x",
    "clean https://me:{}@host/x",
    "pool ls az://c/x?sv=1&sig={}",
    "generators inspect s3://b/x?AWSAccessKeyId=a&Signature={}",
    'audit out --storage-options {{"s3":{{"endpoint_url":"http://me:{}@h"}}}}',
    'audit out --storage-options {{"s3":{{"secret":["{}"]}}}}',
    "validate job.yaml --set storage_options.s3.secret=[{}]",
    "validate job.yaml --set address=ray://me:{}@head:1",
    "jobs list --address http://me:{}@head",
    "jobs list --address nowhere --token {}",
    "run job.yaml --engine {}",
    "doctor --address evilmod://{}@x",
)


@pytest.mark.parametrize("line", TELLING)
def test_no_error_tells_a_secret(
    line: str, done: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In whatever form it came: in a URI, an option, a variable of the environment."""
    monkeypatch.chdir(done)
    monkeypatch.setenv("DB_PASSWORD", SECRET)
    words = [word.format(SECRET, SECRET) for word in line.split(" ")]
    for more in ([], ["--json"]):
        code, out, err = call(capfd, *words, *more)
        assert code == 2
        assert SECRET not in out + err


@pytest.mark.parametrize("form", ["s3://KEY:{}@b/x", "s3://b/x?X-Amz-Signature={}", "s3://{}/x y"])
@pytest.mark.parametrize("verb", ["validate", "plan", "run", "synthesize", "mix", "submit"])
def test_no_verb_tells_the_secrets_of_a_job(
    verb: str, form: str, tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", SECRET)
    for uri in (form.format(SECRET), form.format("${MY_TOKEN}")):
        changes = {"output": {"uri": uri}, "pool": f"{uri}/pool"}
        path = write_job(tmp_path / "job.yaml", job_document(tmp_path, **changes))
        target = ["--target", "kuberay", "--image", "x/y:1"] if verb == "submit" else []
        for more in ([], ["--json"]):
            code, out, err = call(capfd, verb, str(path), *target, *more)
            assert code == 2
            assert SECRET not in out + err
    assert os.listdir(tmp_path) == ["job.yaml"]


# ---- validate -----------------------------------------------------------------------

LIGHT = """
import sys
from augment.cli import main
from augment.errors import PlanError
code = main(sys.argv[1:])
heavy = {"torch", "ray", "pandas", "albumentations", "pyarrow", "cv2", "numpy"} & set(sys.modules)
print(code, sorted(heavy))
"""


@pytest.mark.parametrize("engine", ["auto", "ray", "processes", "local"])
def test_validate_imports_nothing_heavy(done: Path, engine: str) -> None:
    command = [sys.executable, "-c", LIGHT, "validate", str(done / "job.yaml"), "--json"]
    said = subprocess.run(
        [*command, "--set", f"engine={engine}"], capture_output=True, text=True, check=True
    )
    first, last = said.stdout.splitlines()
    assert json.loads(first) == {"ok": True, "job": "small"}
    assert (last, said.stderr) == ("0 ['numpy', 'pyarrow']", ""), "what describes generators"


def test_a_job_file_alone_is_read_without_arrays(done: Path) -> None:
    command = [sys.executable, "-c", LIGHT, "validate", str(done / "job.yaml"), "--skip-sources"]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (said.stdout.splitlines()[-1], said.stderr) == ("0 []", "")


def test_validate_looks_at_local_sources_and_lists_all_when_asked(
    tmp_path: Path, done: Path, capsys: Capture
) -> None:
    path = str(write_job(tmp_path / "job.yaml", job_document(tmp_path)))  # no data there
    assert main(["validate", path]) == 2
    assert "which does not exist; expected a folder of images" in capsys.readouterr().err
    path = str(done / "job.yaml")
    assert main(["validate", path]) == 0
    assert capsys.readouterr().out == f"{path}: ok\n"
    assert main(["validate", path, "--check-remote"]) == 0
    assert capsys.readouterr().out == f"{path}: ok; 30 real images in 3 classes\n"
    assert main(["validate", path, "--check-remote", "--json"]) == 0
    found = document(capsys.readouterr().out)
    assert (found["real"], found["classes"]) == (30, ["0", "1", "2"])


def test_validate_says_what_it_did_not_look_at(tmp_path: Path, capsys: Capture) -> None:
    changed = job_document(tmp_path)
    next(iter(changed["sources"].values()))["uri"] = "s3://bucket/data"
    (name,) = changed["sources"]
    path = str(write_job(tmp_path / "job.yaml", changed))
    assert main(["validate", path]) == 0
    text = f"{path}: ok; not looked at: {name} (remote; --check-remote lists them)\n"
    assert capsys.readouterr().out == text
    assert main(["validate", path, "--json"]) == 0
    assert document(capsys.readouterr().out)["not_looked_at"] == [name]
    path = str(write_job(tmp_path / "job.yaml", job_document(tmp_path)))  # no data there
    assert main(["validate", path, "--skip-sources"]) == 0
    assert capsys.readouterr().out == f"{path}: ok; not looked at: {name}\n"
    assert main(["validate", path, "--skip-sources", "--check-remote"]) == 2


def test_set_and_execution_lie_over_the_job(tmp_path: Path, done: Path, capsys: Capture) -> None:
    path = str(done / "job.yaml")
    assert main(["validate", path, "--set", "workers=2", "--set", "engine=local"]) == 0
    assert main(["validate", path, "--set", "wrokers=2"]) == 2
    assert "Did you mean 'workers'?" in capsys.readouterr().err
    assert main(["validate", path, "--set", "workers=0"]) == 2
    assert "--set workers=0" in capsys.readouterr().err
    execution = tmp_path / "execution.yaml"
    execution.write_text("workers: many\n")
    assert main(["validate", path, "--execution", str(execution)]) == 2
    assert f"{execution}:1: execution.workers: got 'many'" in capsys.readouterr().err
    assert main(["validate", path, "--execution", str(execution), "--set", "workers=1"]) == 0
    execution.write_text("engine: local\n")
    capsys.readouterr()
    assert main(["run", path, "--execution", str(execution), "--json"]) == 0
    assert document(capsys.readouterr().out)["already"]


# ---- plan ---------------------------------------------------------------------------


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(p.relative_to(folder)): (p.stat().st_size, p.stat().st_mtime_ns)
        for p in folder.rglob("*")
    }


PLAN = """\
after sources:
split class  real  augmented  generated  rows  share  added  note
test 0          3          0          -     3  0.000      3
test 1          3          0          -     3  0.000      3
test 2          3          0          -     3  0.000      3
test (all)      9          0          -     9  0.000      9
train 0        12          0          -    12  0.000     12
train 1         5          0          -     5  0.000      5
train 2         4          0          -     4  0.000      4
train (all)    21          0          -    21  0.000     21

after augmentations[0] light:
split class  real  augmented  generated  rows  share  added  note
test (all)      9          0          -     9  0.000      0
train 0        12         12          -    24  0.000     12
train 1         5          5          -    10  0.000      5
train 2         4          4          -     8  0.000      4
train (all)    21         21          -    42  0.000     21

after synthesize[0] fake:
split class  real  augmented  generated  rows  share  added                    note
test (all)      9          0          -     9  0.000      0
train 1         5          5     fake 5    15  0.333      5  capped: 5 of 10 wanted
train 2         4          4     fake 5    13  0.385      5  capped: 5 of 12 wanted
train (all)    21         21    fake 10    52  0.192     10

result:
split class  real  augmented  generated  rows  share
test 0          3          0          -     3  0.000
test 1          3          0          -     3  0.000
test 2          3          0          -     3  0.000
test (all)      9          0          -     9  0.000
train 0        12         12          -    24  0.000
train 1         5          5     fake 5    15  0.333
train 2         4          4     fake 5    13  0.385
train (all)    21         21    fake 10    52  0.192

"""


def capped(root: Path, **changes: Any) -> dict[str, Any]:
    rule = {"generators": ["fake"], "fill": {"to": 20, "max_added": 5}}
    return job_document(root, synthesize=[rule], **changes)


def test_plan_shows_what_each_rule_adds_and_the_result(fresh: Path, capsys: Capture) -> None:
    write_job(fresh, capped(fresh.parent, limits={"min_rows_per_class": {"train": 15}}))
    assert main(["plan", str(fresh)]) == 1
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out.startswith(PLAN)
    rest = said.out.removeprefix(PLAN)
    assert re.search(r"^split test: 9 rows, shards: 1, about \d+ bytes$", rest, re.M)
    assert "pool: generator fake: 10 samples needed, 0 there, 10 to be made\n" in rest
    assert rest.endswith(
        "\nlimits that this plan breaks:\n"
        "  FAIL  limits.min_rows_per_class: split train, class '2': 13 rows < 15\n"
    )


def test_plan_says_how_splits_are_drawn_and_which_copies_change_nothing(
    fresh: Path, capsys: Capture
) -> None:
    """Equal images are kept together, and `trained_on` needs the name of the draw."""
    folder = fresh.parent / "data" / "train"
    for label in "012":
        first = sorted((folder / label).iterdir())[0]
        (folder / label / "again.png").write_bytes(first.read_bytes())
    source = {"format": "imagefolder", "uri": str(folder), "splits": {"train": 0.7, "test": 0.3}}
    coin = {"name": "coin", "copies": 2, "ops": ["HorizontalFlip"], "unchanged": "keep"}
    changes = {"sources": {"digits": source}, "augmentations": [coin], "split_seed": 5}
    write_job(fresh, job_document(fresh.parent, **changes))
    assert main(["plan", str(fresh), "--json"]) == 0
    found = document(capsys.readouterr().out)
    draws = found["draws"]
    assert draws["split_seed"] == 5
    assert draws["equal_images"] == {
        "digits": {"images": 24, "equal": 6, "groups": 3, "skipped": "", "apart": 0}
    }
    (idle,) = found["idle_copies"]
    assert (idle["augmentation"], idle["chance"]) == ("coin", 0.5)
    assert main(["plan", str(fresh)]) == 0
    said = capsys.readouterr().out
    digest = draws["split_digests"]["digits"]
    assert f"splits of digits: drawn with split_seed 5, split_digest {digest}\n" in said
    twins = (
        "equal images of digits: 6 of 24 have a twin here or in another source, 3 different ones; "
        "each stands in one split"
    )
    assert f"{twins}\n" in said
    assert (
        f"copies by coin: no operation runs in 0.5 of all draws; about {idle['unchanged']} of "
        f"{idle['copies']} copies will equal their parent\n"
    ) in said


def test_plan_touches_nothing(fresh: Path, capsys: Capture) -> None:
    before = snapshot(fresh.parent)
    assert main(["plan", str(fresh), "--json"]) == 0
    found = document(capsys.readouterr().out)
    assert found["pool"] == {"fake": {"needed": 48, "there": 0, "missing": 48}}
    (finding,) = found["findings"]
    assert finding.startswith("generators.fake: family palette is procedural, there to try a job")
    assert found["left_out"] == []
    assert snapshot(fresh.parent) == before


def test_plan_counts_what_the_pool_holds(done: Path, capsys: Capture) -> None:
    assert main(["plan", str(done / "job.yaml")]) == 0
    assert "48 samples needed, 48 there, 0 to be made" in capsys.readouterr().out


def test_validate_and_plan_know_what_operations_take(fresh: Path, capsys: Capture) -> None:
    light = {"name": "light", "copies": 1, "ops": [{"ToGray": {"num_output_channels": 1}}]}
    write_job(fresh, job_document(fresh.parent, augmentations=[light]))
    for verb in ("validate", "plan"):
        assert main([verb, str(fresh)]) == 2
        said = capsys.readouterr().err
        assert "augmentations[0].ops[0].ToGray.num_output_channels: got 1; expected 3" in said


def test_plan_builds_the_real_pipelines(fresh: Path, capsys: Capture) -> None:
    """What only a try shows: the command and the function for programs refuse the same."""
    light = {"name": "light", "copies": 1, "ops": [{"GaussianBlur": {"blur_limit": [1, 1]}}]}
    write_job(fresh, job_document(fresh.parent, augmentations=[light]))
    assert main(["validate", str(fresh)]) == 0
    assert main(["plan", str(fresh)]) == 2
    said = capsys.readouterr().err
    assert "augmentations.light: got GaussianBlur: nothing that changes an image" in said
    with pytest.raises(PlanError, match="nothing that changes an image"):
        plan(load_spec(fresh))


def test_a_written_manifest_fed_back_gives_the_same_samples(
    tmp_path: Path, done: Path, capsys: Capture
) -> None:
    manifest = tmp_path / "manifest.parquet"
    assert main(["plan", str(done / "job.yaml"), "--write", str(manifest)]) == 0
    assert list(tmp_path.iterdir()) == [manifest]
    asked = pq.read_table(manifest).to_pylist()
    rows = open_dataset(str(done / "out")).to_table(["sample_id", "generated"]).to_pylist()
    assert {r["sample_id"] for r in asked} == {r["sample_id"] for r in rows if r["generated"]}
    assert len(asked) == 48
    again = job_document(
        done,
        name="again",
        synthesize=[{"generators": ["fake"], "manifest": str(manifest)}],
        output={"uri": str(tmp_path / "out")},
    )
    path = write_job(tmp_path / "again.yaml", again)
    capsys.readouterr()
    assert main(["run", str(path), "--engine", "local", "--json"]) == 0
    assert document(capsys.readouterr().out)["made_now"] == 0
    found = open_dataset(str(tmp_path / "out")).to_table(["sample_id"])["sample_id"]
    assert sorted(found.to_pylist()) == sorted(r["sample_id"] for r in rows)


# ---- run, synthesize, mix -----------------------------------------------------------


def test_run_tells_progress_on_stderr_and_the_result_on_stdout(fresh: Path) -> None:
    ran = augment("run", str(fresh), "--engine", "local", cwd=Path.cwd())
    assert ran.returncode == 0
    begun = re.compile(r"[^:]+(: \d+ units)?")
    stages = [line for line in ran.stderr.splitlines() if begun.fullmatch(line)]
    assert stages[:3] == ["census", "synthesize fake: 1 units", "mix: 2 units"]
    assert re.search(r"^mix: 2 of 2 units, 99 rows, 0 s left$", ran.stderr, re.M)
    assert "units" not in ran.stdout
    total = "total          30         21         48       99       99            0      0"
    assert total in ran.stdout
    out = fresh.parent / "out"
    for word, place in (("data set: ", out), ("pool: ", fresh.parent / "pool"), ("log: ", out)):
        assert re.search(rf"^{word} +{re.escape(str(place))}", ran.stdout, re.M)
    (quarantine,) = re.findall(r"^quarantined: +0 rows +(.*)$", ran.stdout, re.M)
    assert pq.read_table(quarantine).num_rows == 0
    assert f"datasets.load_dataset('{out}')" in ran.stdout


def test_synthesize_and_mix_are_the_two_halves(fresh: Path, capfd: Capture) -> None:
    job = str(fresh)
    code, out, err = call(capfd, "mix", job, "--engine", "local", "--json")
    assert (code, err) == (2, "")
    assert re.search("class '0' has 0 accepted samples; the plan needs 6: run `augment synth",
                     document(out)["text"])  # fmt: skip
    code, out, err = call(capfd, "synthesize", job, "--engine", "local")
    assert code == 0
    assert "generated now: 48 samples\n" in out
    assert "synthesize fake: 1 of 1 units, 48 rows" in err
    assert not (fresh.parent / "out/data").exists()
    code, out, _ = call(capfd, "synthesize", job, "--engine", "local", "--json")
    assert (code, document(out)["made_now"]) == (0, 0)
    code, out, err = call(capfd, "mix", job, "--engine", "local", "--json")
    result = document(out)
    assert (code, err, result["ok"], result["made_now"]) == (0, "", True, 0)
    assert sum(c["written"] for c in result["cells"]) == 99
    assert Path(result["log"]).is_file()


REJECTING = [{"degenerate": {"min_std": 127.0}}]


@pytest.mark.parametrize(("on_shortfall", "expected"), [("fail", 1), ("warn", 0)])
def test_a_shortfall_is_exit_1_unless_the_job_only_warns(
    fresh: Path, capfd: Capture, on_shortfall: str, expected: int
) -> None:
    changes: dict[str, Any] = {
        "filters": REJECTING,
        "max_attempts_per_sample": 1,
        "on_shortfall": on_shortfall,
    }
    changes["errors"] = {"allow_empty_classes": sorted(COUNTS)}  # else nothing would be committed
    write_job(fresh, job_document(fresh.parent, **changes))
    for verb in ("synthesize", "run"):
        code, out, _ = call(capfd, verb, str(fresh), "--engine", "local", "--json")
        result = document(out)
        assert code == expected
        assert {a["shortfall"] for a in result["accounts"]} == {6, 20, 22}


def test_another_request_for_the_same_output_is_exit_2(
    done: Path, tmp_path: Path, capfd: Capture
) -> None:
    path = write_job(tmp_path / "other.yaml", job_document(done, seed=8))
    code, out, err = call(capfd, "run", str(path), "--engine", "local")
    assert (code, out) == (2, "")
    assert "of another request; output.mode create expects none" in err


def test_ray_says_nothing_on_the_terminal(fresh: Path, hostile: Hostile) -> None:
    """Its noise, and our log, stand in the file that the run names. Neither the command nor Ray's
    workers import anything from the folder that it is given in."""
    script = Path(sys.executable).with_name("augment")
    ran = subprocess.run(
        [script, "run", fresh, "--engine", "ray"], cwd=hostile.folder, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert hostile.imported() == []
    inside = r"(census|synthesize fake|mix): .*(images|rows)|starting Ray: \d+ s"  # of what is slow
    told = [line for line in ran.stderr.splitlines() if not re.fullmatch(inside, line)]
    *progress, last = told
    ours = r"(synthesize fake|mix): (\d units|\d of \d units, \d+ rows, \d+ s left)"
    assert progress[:2] == ["census", "starting Ray"]
    assert [line for line in progress[2:] if not re.fullmatch(ours, line)] == []
    assert re.match(r"mix: 2 of 2 units, 99 rows", progress[-1])
    assert last == "committed version 1"
    assert not re.search(r"(?i:\bray\b|\(pid=|raylet)|WARNING|INFO", ran.stdout)
    (log,) = re.findall(r"^log: +(.*)$", ran.stdout, re.M)
    said = re.findall(r"Ray's own logs are in (.*); they stay", Path(log).read_text())
    assert [Path(folder).exists() for folder in said] == [False]  # nothing failed
    local = augment("run", str(fresh), "--engine", "local", cwd=Path.cwd())
    first, *rest = local.stdout.splitlines()
    assert first.startswith("already committed: small-")
    strip = re.compile(r"^log: .*$|\(\d+ samples generated now\)$")
    assert [strip.sub("", x) for x in rest] == [strip.sub("", x) for x in ran.stdout.splitlines()]


def test_a_ray_that_cannot_be_reached_is_exit_3(fresh: Path) -> None:
    ran = augment("run", str(fresh), "--json", "--set", "address=127.0.0.1:9", cwd=Path.cwd())
    assert (ran.returncode, ran.stderr) == (3, "")
    assert re.match(
        r"Ray at 127\.0\.0\.1:9: .*`--engine local`", document(ran.stdout)["text"], re.S
    )


# ---- audit --------------------------------------------------------------------------


def test_audit_shows_the_data_set_and_its_sheet(
    done: Path, tmp_path: Path, capsys: Capture
) -> None:
    sheet = tmp_path / "sheet.png"
    arguments = ["audit", str(done / "out"), "--verify", "--by", "split,origin"]
    assert main([*arguments, "--sheet", str(sheet)]) == 0
    said = capsys.readouterr().out
    assert "99 rows in 2 shards, 3 classes; counts from the rows, the log agrees" in said
    assert said.endswith(f"contact sheet: {sheet}\n")
    assert sheet.read_bytes().startswith(b"\x89PNG")
    assert main([*arguments, "--json"]) == 0
    report = document(capsys.readouterr().out)
    jsonschema.validate(report, audit_schema())
    assert {(*g["group"].values(), g["rows"]) for g in report["groups"]} == {
        ("train", "real", 21),
        ("train", "augmented", 21),
        ("train", "synthetic", 48),
        ("test", "real", 9),
    }


def test_audit_writes_a_report_and_says_where(done: Path, tmp_path: Path, capfd: Capture) -> None:
    folder = tmp_path / "report"
    code, said, _ = call(capfd, "audit", str(done / "out"), "--report", str(folder))
    assert code == 0
    assert said.endswith(f"report: {folder}/audit.html\nreport: {folder}/audit.json\n")
    assert (folder / "audit.html").read_text().startswith("<!doctype html>")
    code, said, _ = call(capfd, "audit", str(done / "out"), "--report", str(folder), "--json")
    assert document(said) == json.loads((folder / "audit.json").read_text())
    code, said, err = call(capfd, "audit", str(done / "out"), "--report", str(done / "out/report"))
    assert (code, said) == (2, "")
    assert "which is the data set's own; expected one outside of" in err


def test_a_report_without_its_libraries_says_what_to_install(done: Path, tmp_path: Path) -> None:
    (tmp_path / "lacking").mkdir()
    lacking = "raise ImportError('it is not there', name='vl_convert')\n"
    (tmp_path / "lacking" / "vl_convert.py").write_text(lacking)
    paths = os.pathsep.join((str(tmp_path / "lacking"), os.environ.get("PYTHONPATH", "")))
    arguments = ("audit", str(done / "out"), "--report", str(tmp_path / "report"))
    ran = augment(*arguments, cwd=Path.cwd(), PYTHONPATH=paths)
    assert ran.returncode == 2
    assert "vl_convert is not installed" in ran.stderr
    assert "pip install 'augment-vision[report]'" in ran.stderr
    assert not (tmp_path / "report").exists()


def test_audit_as_continuous_integration_reads_it(
    done: Path, tmp_path: Path, capfd: Capture
) -> None:
    file = tmp_path / "audit.xml"
    code, said, _ = call(capfd, "audit", str(done / "out"), "--junit", str(file))
    assert code == 0
    assert said.endswith(f"junit: {file}\n")
    root = ElementTree.fromstring(file.read_text())
    assert [suite.get("failures") for suite in root] == ["0", "0"]
    assert sum(int(suite.get("tests", "0")) for suite in root) > 20
    code, said, _ = call(capfd, "audit", str(done / "out"), "--github")
    assert code == 0
    assert all(text.startswith("::") for text in said.splitlines())
    assert said.endswith(f"::notice title=augment audit::verdict: ok, {done / 'out'}\n")
    code, said, err = call(capfd, "audit", str(done / "out"), "--github", "--json")
    assert code == 2
    assert "--github: got it with --json; expected one of them" in said + err
    inside = done / "out" / "data" / "a.xml"
    code, said, err = call(capfd, "audit", str(done / "out"), "--junit", str(inside))
    assert code == 2
    assert "junit: got the folder" in said + err
    assert not inside.exists()
    inside = done / "out" / "data" / "a.png"
    code, said, err = call(capfd, "audit", str(done / "out"), "--sheet", str(inside))
    assert code == 2
    assert "sheet: got the folder" in said + err
    code, said, err = call(capfd, "audit", str(done / "out"), "--junit", "/proc/nowhere/a.xml")
    assert code == 3
    assert "/proc/nowhere" in said + err


def test_audit_as_markdown(done: Path, capfd: Capture) -> None:
    code, said, _ = call(capfd, "audit", str(done / "out"), "--markdown")
    assert code == 0
    assert said.startswith("### ✅ passes: ")
    assert said.count("<details") == said.count("</details>")
    code, said, err = call(capfd, "audit", str(done / "out"), "--markdown", "--json")
    assert code == 2
    assert "--markdown: got it with --json; expected one of them" in said + err


def test_audit_of_a_version(done: Path, capsys: Capture) -> None:
    assert main(["audit", str(done / "out"), "--version", "0", "--json"]) == 1
    found = document(capsys.readouterr().out)
    assert (found["rows"], found["ok"], found["verdict"]) == (0, False, "not judged")
    assert main(["audit", str(done / "out"), "--version", "1", "--json"]) == 0
    assert document(capsys.readouterr().out)["verdict"] == "ok"
    assert main(["audit", str(done / "out"), "--version", "7"]) == 2
    assert "version 7 does not exist; it has versions 0 to 1" in capsys.readouterr().err
    assert main(["trace", str(done / "out"), "0" * 32, "--version", "7"]) == 2
    assert "version 7 does not exist" in capsys.readouterr().err


def test_broken_limits_are_exit_1_with_what_where_and_by_how_much(
    done: Path, tmp_path: Path, capsys: Capture
) -> None:
    limits = tmp_path / "limits.yaml"
    limits.write_text(
        "synthetic_share: {max: 0.5, per_class: 0.7}\nmin_unique_real_per_class: {train: 5}\n"
    )
    assert main(["audit", str(done / "out"), "--limits", str(limits)]) == 1
    said = capsys.readouterr()
    for line in (
        "limits.synthetic_share.max 0.5: split train: 48 of 90 rows are generated (0.533), "
        "0.033 too much",
        "limits.synthetic_share.per_class 0.7: split train, class '2': 22 of 30 rows are "
        "generated (0.733), 0.033 too much",
        "limits.min_unique_real_per_class.train 5: split train, class '2': 4 different real "
        "images, 1 too few",
    ):
        assert f"  FAIL  {line}\n" in said.out
    assert main(["audit", str(done / "out"), "--limits", str(limits), "--json"]) == 1
    report = document(capsys.readouterr().out)
    assert [x["limit"] for x in report["limits"] if not x["ok"]] == [
        "limits.synthetic_share.max",
        "limits.synthetic_share.per_class",
        "limits.min_unique_real_per_class.train",
    ]
    limits.write_text("synthetic_share: {max: 0.6, per_class: 0.8}\n")
    assert main(["audit", str(done / "out"), "--limits", str(limits)]) == 0


def test_storage_options_come_from_a_file_or_as_json(
    done: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Options of another protocol have no effect; what is wrong with them is told."""
    monkeypatch.setenv("STORE_KEY", "secret")
    options = tmp_path / "options.yaml"
    options.write_text("s3:\n  key: ${STORE_KEY}\n  anon: true\n")
    sample = open_dataset(str(done / "out")).to_table(["sample_id"])["sample_id"][0].as_py()
    for given in (str(options), '{"s3": {"key": "${STORE_KEY}"}}'):
        assert main(["audit", str(done / "out"), "--storage-options", given]) == 0
        assert main(["trace", str(done / "out"), sample, "--storage-options", given]) == 0
    capsys.readouterr()
    options.write_text("s3:\n  key: ${NO_SUCH_KEY}\n")
    assert main(["audit", str(done / "out"), "--storage-options", str(options)]) == 2
    said = capsys.readouterr().err
    assert f"{options}:2: execution.storage_options.s3.key: got ${{NO_SUCH_KEY}}, which is" in said
    assert main(["audit", str(done / "out"), "--storage-options", '{"s3": 3}']) == 2
    assert "storage_options.s3: got 3; expected a mapping" in capsys.readouterr().err


# ---- trace --------------------------------------------------------------------------


def one(done: Path, origin: str) -> dict[str, Any]:
    rows = open_dataset(str(done / "out")).to_table().to_pylist()
    return next(r for r in rows if r["origin"] == origin)


def test_trace_of_a_copy_tells_its_parent_and_what_was_sampled(done: Path, capsys: Capture) -> None:
    row = one(done, "augmented")
    assert main(["trace", str(done / "out"), row["sample_id"]]) == 0
    said = capsys.readouterr().out
    (parent,) = row["parents"]
    for part in (
        f"sample {row['sample_id']}",
        f"parent: sample {parent['sample_id']}",
        f"sha256 {parent['sha256']}",
        f"digits: {done / 'data' / parent['locator']}\n",
        '"name":"light"',
        f"Affine {row['transforms'][1]['params']}",
        f"job        {row['job_id']}, seed 7",
    ):
        assert part in said
    assert '"rotate":' in row["transforms"][1]["params"]


def test_trace_of_a_made_image_tells_generator_seed_and_sampling(
    done: Path, capsys: Capture
) -> None:
    row = one(done, "synthetic")
    assert main(["trace", str(done / "out"), row["sample_id"][:12]]) == 0
    said = capsys.readouterr().out
    generator = row["generator"]
    for part in (
        f"sample {row['sample_id']}",
        f"fake, family palette, id {generator['id']}, no checkpoint (procedural)",
        f"index {generator['index']}, conditioning {generator['conditioning']}",
        "degenerate.std = ",
        "marks      xmp",
        "seed 7",
    ):
        assert part in said
    assert main(["trace", str(done / "out"), row["sample_id"], "--json"]) == 0
    found = document(capsys.readouterr().out)
    assert found["sample"]["row"]["generator"] == generator
    job = found["jobs"][row["job_id"]]
    assert job["seed"] == 7
    assert job["generators"]["fake"]["sampling"] == {"contrast": 0.8}


# ---- schema -------------------------------------------------------------------------


def test_schema_prints_one_or_writes_all(tmp_path: Path, capsys: Capture) -> None:
    for name in ("job", "manifest", "sample", "audit", "comparison", "study", "policy"):
        assert main(["schema", name]) == 0
        (tmp_path / f"{name}.txt").write_text(capsys.readouterr().out)
    folder = tmp_path / "schemas"
    assert main(["schema", "--write", str(folder)]) == 0
    written = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert sorted(written) == sorted(folder.iterdir())
    for path in written:
        name = path.name.removesuffix(".schema.json")
        assert path.read_text() == (tmp_path / f"{name}.txt").read_text()
    assert main(["schema", "--write", str(folder), "--json"]) == 0
    assert document(capsys.readouterr().out) == {"written": [str(p) for p in written]}


def test_schemas_that_cannot_be_written_are_exit_3(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "file").write_text("")
    assert main(["schema", "--write", str(tmp_path / "file/schemas"), "--json"]) == 3
    found = document(capsys.readouterr().out)
    assert found["error"] == "StorageError"
    assert "a part of the path is a file, not a folder" in found["text"]


# ---- observing a run ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ["--metrics-port", "x"],
            "augment: --set metrics.port=x: execution.metrics.port: got 'x'; expected a whole "
            "number\n",
        ),
        (
            ["--metrics-port", "65536"],
            "augment: --set metrics.port=65536: execution.metrics.port: got 65536; expected a "
            "number <= 65535\n",
        ),
        (
            ["--set", "metrics.linger_s=5"],
            "augment: --set metrics.linger_s=5: execution.metrics.port: got nothing; expected a "
            "value: this key is required\n",
        ),
        (
            ["--log-format", "xml"],
            "augment: run: argument --log-format: got 'xml'; expected one of json, text\n"
            "(`augment run --help` tells more)\n",
        ),
        (
            ["--profile", "no/such/folder.json"],
            "augment: --profile no/such/folder.json: it cannot be written (No such file or "
            "directory); name a file in a folder that exists\n",
        ),
    ],
)
def test_what_a_run_cannot_be_observed_by(
    fresh: Path, capfd: Capture, arguments: Sequence[str], text: str
) -> None:
    assert call(capfd, "run", str(fresh), "--engine", "local", *arguments) == (2, "", text)
    assert not (fresh.parent / "pool").exists()


@pytest.mark.parametrize("verb", ["synthesize", "mix"])
def test_the_halves_of_a_run_are_observed_as_well(
    done: Path, capfd: Capture, tmp_path: Path, verb: str
) -> None:
    code, _, said = call(
        capfd, verb, str(done / "job.yaml"), "--engine", "local", "--metrics-port", "0",
        "--profile", str(tmp_path / "t.json"),
    )  # fmt: skip
    assert code == 0
    assert re.match(r"metrics: http://127\.0\.0\.1:\d+/metrics\n", said)
    stages = [e["name"] for e in document_of(tmp_path / "t.json") if e.get("cat") == "stage"]
    assert stages[0] == "prepare"
    assert ("synthesize fake" in stages) == (verb == "synthesize")


def document_of(path: Path) -> list[dict[str, Any]]:
    """The events of a timeline."""
    return list(json.loads(path.read_text())["traceEvents"])
