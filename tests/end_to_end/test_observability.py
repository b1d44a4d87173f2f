"""A run is scraped while it works and when it has committed: what its metrics say is what its
records, its commit and its audit say. The log and the timeline of the same runs.

A reporter does the scraping: it is told of every unit, and nothing else happens meanwhile. Only
HTTP is between it and the run.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from prometheus_client.parser import text_string_to_metric_families

from augment.api import audit, load_spec, run
from augment.errors import InterruptedRun, RequestError
from augment.generators import GeneratedBatch, SampleRequest
from augment.policy import VARIABLE
from augment.run import LocalEngine, Resources, RunResult, Task
from augment.run.engines.ray_engine import RayEngine
from augment.seeds import stream
from augment.storage import Folder
from augment.write import live_files
from tests.end_to_end.jobs import CLASSES, job_document, write_digits, write_job
from tests.end_to_end.runs import records
from tests.end_to_end.toys import toy_info
from tests.waiting import STILL_S, ended, wait_until

REAL = {"0": 150, "1": 120, "2": 100}
FILLED = {label: 2 * n + 7 for label, n in REAL.items()}
"""Each real row has a copy; the rest is generated."""

Cells = Counter[tuple[str, ...]]


class Uneven:
    """A generator that makes a flat image of every fourth index and fails at every seventh.
    Its images are so large that a unit of the pool holds 21 of them."""

    def __init__(self) -> None:
        self.info = toy_info("uneven", CLASSES, 1024)

    def validate(self, request: SampleRequest) -> None:
        if request.label_name not in self.info.classes:
            raise RequestError(f"no class {request.label_name}")

    def batch_key(self, request: SampleRequest) -> Hashable:
        return "uneven"

    def generate(self, batch: Sequence[SampleRequest]) -> GeneratedBatch:
        images = np.zeros((len(batch), 3, 1024, 1024), np.float32)
        for image, request in zip(images, batch, strict=True):
            if request.index % 4:
                image[:, ::64] = stream(request.sample_id, "z").uniform(-1.0, 1.0, (3, 16, 1))
        failed = tuple("nan" if r.index % 7 == 6 else None for r in batch)
        return GeneratedBatch(images, failed)


class Scraper:
    """A reporter that looks at the exporter whenever it is told of something."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self.url, self._stage, self._total = "", "", 0
        self.mixed = self.made = 0
        self.last: Families = {}

    def stage(self, name: str, total: int | None) -> None:
        self._stage, self._total = name, total

    def doing(self, text: str) -> None: ...

    def advance(self, done: int, rows: int) -> None:
        found = scraped(self.url)
        stage, _, generator = self._stage.partition(" ")
        depth = values(found, "augment_queue_depth", "stage", "generator")
        assert depth[stage, generator] == self._total - done
        if stage == "mix":
            self.mixed += 1
            assert cells(found) == recorded(self._out)
        else:
            self.made += rows
            made = values(found, "augment_generated_samples_total", "generator")
            assert made == {(generator,): self.made}
        running = values(found, "augment_stage_running", "stage")
        assert [name for name, on in running.items() if on] == [(stage,)]

    def note(self, text: str) -> None:
        if text.startswith("metrics: http"):
            self.url = text.removeprefix("metrics: ")
        elif self.url:
            self.last = scraped(self.url)


Families = Mapping[str, Any]


def scraped(url: str) -> Families:
    with urllib.request.urlopen(url, timeout=STILL_S) as answer:
        text = answer.read().decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def values(found: Families, name: str, *labels: str) -> Cells:
    """The values of a metric by some of its labels."""
    counts: Cells = Counter()
    for sample in (one for family in found.values() for one in family.samples):
        if sample.name == name:
            counts[tuple(sample.labels[label] for label in labels)] += sample.value
    return counts


def cells(found: Families) -> Cells:
    return +values(found, "augment_samples", "split", "class", "origin", "generator")


def recorded(table: Path) -> Cells:
    """What the records of the data set's units have written, so far."""
    counts: Cells = Counter()
    for record in records(table):
        for split, label, origin, _, generator, _, wrote, _ in record["cells"]:
            counts[split, label, origin, generator or ""] += wrote
    return +counts


def committed_cells(table: Path) -> Cells:
    """The cube of the commit, generators by name."""
    job = json.loads(next(table.glob("_provenance/*/job.json")).read_text())
    names = {facts["id"]: name for name, facts in job["generators"].items()} | {None: ""}
    (path,) = table.glob("_provenance/*/counts-*.parquet")
    counts: Cells = Counter()
    for row in pq.read_table(path).to_pylist():
        key = (row["split"], row["label_name"], row["origin"], names[row["generator"]])
        counts[key] += row["n"]
    return counts


def assert_of_the_commit(found: Families, table: Path, pool: Path) -> None:
    """Every figure of the request is the commit's."""
    job = json.loads(next(table.glob("_provenance/*/job.json")).read_text())
    planned = values(found, "augment_planned_samples", "split", "class", "origin", "generator")
    wanted: Cells = Counter()
    for c in job["cells"]:
        wanted[c["split"], c["label_name"], c["origin"], c["generator"] or ""] += c["planned"]
    assert planned == wanted
    assert cells(found) == committed_cells(table) == recorded(table)
    outcomes: Cells = Counter()
    rejected: Cells = Counter()
    for a in job["accounts"]:
        cell = (a["generator"], a["label_name"])
        outcomes[*cell, "accepted"] = a["accepted"]
        outcomes[*cell, "failed"] = a["failed"]
        outcomes[*cell, "rejected"] = sum(a["rejected"].values())
        for reason, n in a["rejected"].items():
            rejected[*cell, reason] = n
    labels = ("generator", "class")
    assert values(found, "augment_synthesis_samples", *labels, "outcome") == outcomes
    assert values(found, "augment_rejected_samples", *labels, "reason") == rejected
    lost = Counter((q["reason"],) for r in records(table) for q in r["quarantine"])
    assert values(found, "augment_quarantined_samples", "reason") == lost
    size = values(found, "augment_shard_bytes", "table")
    assert size["dataset",] == sum(f.size for f in live_files(Folder(str(table))))
    if ("pool",) in size:
        assert size["pool",] == sum(f.size for f in live_files(Folder(str(pool))))
    assert values(found, "augment_committed_version") == {(): 1}
    assert values(found, "augment_run_info", "job_id") == {(job["job_id"],): 1}


def assert_of_the_audit(found: Families, table: Path) -> None:
    report = audit(str(table), by=("split", "origin"))
    assert report.ok
    counted: Cells = Counter()
    for (split, _, origin, _), n in cells(found).items():
        counted[split, origin] += n
    assert {tuple(value for _, value in g.group): g.rows for g in report.groups} == counted


def document(root: Path, **execution: Any) -> dict[str, Any]:
    uneven = {"family": "custom", "class_path": f"{__name__}:Uneven"}
    return job_document(
        root,
        generators={"uneven": uneven},
        synthesize=[{"generators": ["uneven"], "fill": {"to": FILLED}}],
        output={"uri": str(root / "out"), "shard": {"target_bytes": 65536}},
        execution={"metrics": {"port": 0}, **execution},
    )


def prepare(root: Path, environment: pytest.MonkeyPatch) -> Path:
    """Real rows, one of them broken, and a policy that allows the class above."""
    write_digits(root / "data", REAL, test=2)
    (root / "data/train/0/broken.png").write_bytes(b"no image")
    policy = root / "policy.yaml"
    policy.write_text(f"allow_code: ['{__name__}:Uneven']\n")
    environment.setenv(VARIABLE, str(policy))
    return root


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return prepare(tmp_path, monkeypatch)


def observed(root: Path, **more: Any) -> tuple[RunResult, Scraper]:
    scraper = Scraper(root / "out")
    result = run(load_spec(document(root)), reporter=scraper, **{"engine": "local", **more})
    return result, scraper


Whole = tuple[Path, RunResult, Scraper]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    """A run that nothing disturbed, with its timeline."""
    with pytest.MonkeyPatch.context() as environment:
        root = prepare(tmp_path_factory.mktemp("whole"), environment)
        yield root, *observed(root, profile=str(root / "timeline.json"))


def test_a_running_job_and_its_commit(whole: Whole) -> None:
    root, result, scraper = whole
    assert scraper.mixed > 2
    assert_of_the_commit(scraper.last, root / "out", root / "pool")
    assert_of_the_audit(scraper.last, root / "out")
    rejected = values(scraper.last, "augment_synthesis_samples", "outcome")
    assert min(rejected[outcome,] for outcome in ("accepted", "rejected", "failed")) > 0
    assert sum(values(scraper.last, "augment_quarantined_samples", "reason").values()) == 2
    assert scraper.made == result.made_now
    batches = values(scraper.last, "augment_batch_seconds_count", "generator", "device")
    units = values(scraper.last, "augment_units_finished_total", "stage")
    assert batches == {("uneven", "cpu"): units["synthesize",]}  # a unit has fewer than 64 rows
    share = values(scraper.last, "augment_device_busy_share", "generator", "device")
    assert 0.0 < share["uneven", "cpu"] <= 1.0


def test_records_hold_nothing_of_how_they_were_observed(whole: Whole) -> None:
    root, _, _ = whole
    found = [*records(root / "out"), *records(root / "pool")]
    assert found
    for record in found:
        assert not {"observed", "batches", "made"} & set(record)


class Stopping(LocalEngine):
    """The local engine, until so many units have come back."""

    def __init__(self, units: int) -> None:
        self._left = units

    def run(self, task: Task, units: Sequence[str], resources: Resources) -> Iterator[str]:
        for result in super().run(task, units, resources):
            if not self._left:
                raise InterruptedRun("the machine is gone")
            self._left -= 1
            yield result


@pytest.mark.parametrize("units", [1, 4])
def test_a_resume_shows_the_whole(root: Path, units: int) -> None:
    with pytest.raises(InterruptedRun, match="the machine is gone"):
        observed(root, engine=Stopping(units))
    before = len([*records(root / "out"), *records(root / "pool")])
    result, scraper = observed(root)
    after = len([*records(root / "out"), *records(root / "pool")])
    assert before > units  # the unit in hand was recorded; its result never came back
    assert_of_the_commit(scraper.last, root / "out", root / "pool")
    finished = values(scraper.last, "augment_units_finished_total", "stage")
    assert sum(finished.values()) == after - before
    made = values(scraper.last, "augment_generated_samples_total", "generator")
    assert sum(made.values()) == result.made_now


def test_an_engine_of_its_own_tells_the_same(root: Path, ray_engine: RayEngine) -> None:
    """There, units come back while others are at work: records may be ahead of what is shown."""

    class Behind(Scraper):
        def advance(self, done: int, rows: int) -> None:
            self.mixed += 1
            assert cells(scraped(self.url)) <= recorded(self._out)

    palette = {"family": "palette", "classes": list(CLASSES), "size": 8}
    changed = document(root) | {"generators": {"uneven": palette}}
    behind = Behind(root / "out")
    path = root / "timeline.json"
    run(load_spec(changed), engine=ray_engine, reporter=behind, profile=str(path))
    assert_of_the_commit(behind.last, root / "out", root / "pool")
    units = values(behind.last, "augment_units_finished_total", "stage")
    assert units == Counter({("synthesize",): 1, ("mix",): len([*records(root / "out")])})
    assert_a_timeline(json.loads(path.read_text()), units.total())
    assert behind.mixed == units.total()
    names = {event["args"]["name"] for event in spans(json.loads(path.read_text()), "M")}
    assert len(names) > 1
    assert not any(name.endswith(f":{os.getpid()}") for name in names)


# ---- the timeline --------------------------------------------------------------------


def spans(document: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    return [e for e in document["traceEvents"] if kind in (e["ph"], e.get("cat"))]


def assert_inside(inner: Mapping[str, Any], outer: Mapping[str, Any]) -> None:
    slack = 1.0  # microseconds: figures are floats of seconds
    assert outer["ts"] <= inner["ts"] + slack
    assert inner["ts"] + inner["dur"] <= outer["ts"] + outer["dur"] + slack


def assert_a_timeline(document: Mapping[str, Any], units: int) -> None:
    """Stages follow one another; every unit lies in its stage, every batch in a unit."""
    assert all(e["dur"] >= 0 and e["ts"] >= 0 for e in spans(document, "X"))
    stages = sorted(spans(document, "stage"), key=lambda e: e["ts"])
    for before, after in itertools.pairwise(stages):
        assert before["ts"] + before["dur"] <= after["ts"] + 1.0
    whole = stages[-1]["ts"] + stages[-1]["dur"]
    assert sum(e["dur"] for e in stages) <= whole + 1.0
    by_name = {e["name"]: e for e in stages}
    found = spans(document, "unit")
    assert len(found) == units
    for unit in found:
        assert_inside(unit, by_name[unit["args"]["stage"]])
    for batch in spans(document, "batch"):
        (at,) = [
            u for u in found
            if u["pid"] == batch["pid"] and u["ts"] <= batch["ts"] <= u["ts"] + u["dur"]
        ]  # fmt: skip
        assert_inside(batch, at)


def test_a_timeline_of_a_whole_run(whole: Whole) -> None:
    root, _, scraper = whole
    document = json.loads((root / "timeline.json").read_text())
    units = values(scraper.last, "augment_units_finished_total", "stage")
    assert_a_timeline(document, units.total())
    assert [e["name"] for e in sorted(spans(document, "stage"), key=lambda e: e["ts"])] == [
        "prepare", "census", "plan", "synthesize uneven", "arrange", "mix", "commit", "card",
        "audit",
    ]  # fmt: skip
    batches = values(scraper.last, "augment_batch_seconds_count", "generator")
    assert len(spans(document, "batch")) == batches["uneven",]
    assert document["otherData"]["version"] == 1


def test_a_timeline_of_a_run_that_breaks(root: Path) -> None:
    path = root / "timeline.json"
    with pytest.raises(InterruptedRun):
        observed(root, engine=Stopping(2), profile=str(path))
    document = json.loads(path.read_text())
    assert_a_timeline(document, 2)
    assert [e["name"] for e in spans(document, "stage") if e["args"]["broken"]] == [
        "synthesize uneven"
    ]


# ---- the command ---------------------------------------------------------------------


def test_the_command_with_everything(root: Path) -> None:
    """In a process of its own, which stays for a last scrape and is then told to end."""
    palette = {"family": "palette", "classes": list(CLASSES), "size": 8}
    job = write_job(root / "job.yaml", document(root) | {"generators": {"uneven": palette}})
    notes = root / "notes.txt"
    with notes.open("w") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "augment", "run", str(job), "--engine", "local",
             "--metrics-port", "0", "--log-format", "json", "--profile", str(root / "t.json"),
             "--set", "metrics.linger_s=600"],
            stderr=err, stdout=err,
        )  # fmt: skip
        try:
            wait_until(lambda: "there for 600 s more" in notes.read_text() or process.poll())
            url = notes.read_text().partition("metrics: ")[2].split()[0]
            assert_of_the_commit(scraped(url), root / "out", root / "pool")
        finally:
            process.send_signal(signal.SIGINT)
            ended(process)
        assert process.returncode == 3, notes.read_text()
    units = len([*records(root / "out"), *records(root / "pool")])
    assert_a_timeline(json.loads((root / "t.json").read_text()), units)
    (log,) = (root / "out/_work/logs").glob("*.jsonl")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    done = [line for line in lines if line["message"].startswith("unit finished")]
    names = {r["unit"] for table in ("out", "pool") for r in records(root / table)}
    assert {line["unit"] for line in done} == names
    (job_folder,) = (root / "out/_provenance").iterdir()
    for line in done:
        assert line["job_id"] == job_folder.name
        assert line["actor"].endswith(f":{process.pid}")
