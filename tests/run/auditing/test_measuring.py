"""An audit of real digits whose made rows are right, shrunk, or of another class."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from augment.api import audit
from augment.audit import AuditReport, audit_schema, render
from augment.audit.report.attributes import attributes as section_of
from augment.cli import main
from augment.errors import RequestError
from augment.sample import SampleRow
from augment.spec import load_limits
from tests.audit.conftest import CLASSES, DIGITS, JOB, TableBuilder, png, real, row, synthetic

TRAIN, TEST, MADE = 60, 50, 60
Scans = Callable[[str], Sequence[int]]


def scans(label: str) -> list[int]:
    return [int(n) for n in np.flatnonzero(DIGITS.target == int(label))]


def right(label: str) -> Sequence[int]:
    """Scans that nobody else has: as good as a generator can be."""
    return scans(label)[TRAIN + TEST : TRAIN + TEST + MADE]


def made(index: int, label: str, number: int) -> SampleRow:
    base = synthetic(index, label)
    from augment.write.marks import add_xmp

    data = add_xmp(png(number), base.sample_id, str(base.digital_source_type), "augment vae test")
    drawn = row(base.sample_id, data, label, "train", origin=base.origin, generated=True)
    return replace(base, image=data, sha256=drawn.sha256, pixels_sha256=drawn.pixels_sha256)


def data_set(folder: Path, of: Scans) -> str:
    shards: dict[str, list[SampleRow]] = {}
    for place, label in enumerate(CLASSES):
        numbers = scans(label)
        train = [real(n, label) for n in numbers[:TRAIN]]
        train += [made(n, label, number) for n, number in enumerate(of(label))]
        shards[f"data/train/{JOB}/train-{place:05}-aaaaaaaaaaaa.parquet"] = train
        test = [real(n, label, "test") for n in numbers[TRAIN : TRAIN + TEST]]
        shards[f"data/test/{JOB}/test-{place:05}-bbbbbbbbbbbb.parquet"] = test
    return TableBuilder(folder).build(shards, row_group_size=64).uri


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> str:
    return data_set(tmp_path_factory.mktemp("clean") / "set", right)


def judged(uri: str, *extractors: str, **more: Any) -> AuditReport:
    return audit(uri, quality=True, extractors=extractors, engine="local", **more)


def of_quality(report: AuditReport) -> list[tuple[str, bool]]:
    return [
        (one.check, one.warns) for one in report.findings if one.check in ("collapse", "labels")
    ]


def test_bounds_that_a_file_sets_are_judged_with_quality_alone(clean: str, tmp_path: Path) -> None:
    text = """measures:
- {measure: coverage, fail_below: 0.05, warn_below: 50}
- {measure: agreement, classes: overall, fail_above: 0.5}
"""
    (tmp_path / "limits.yaml").write_text(text)
    limits = load_limits(tmp_path / "limits.yaml")
    plain = audit(clean, limits=limits)
    assert [one.ok for one in plain.limits] == [None, None, None]
    assert "ask with --quality" in plain.limits[0].text
    report = judged(clean, "task", limits=limits)
    of = {one.limit: one.ok for one in report.limits}
    assert of == {
        "limits.measures.coverage.fail_below": True, "limits.measures.agreement.fail_above": False,
    }  # fmt: skip
    assert report.verdict == "failed"
    warned = [one for one in report.findings if one.check == "measures"]
    assert len(warned) == len(CLASSES)
    assert all(one.warns for one in warned)
    jsonschema.validate(json.loads(json.dumps(report.to_json())), audit_schema())
    assert "FAIL  limits.measures.agreement.fail_above 0.5: split train, all classes" in render(
        report
    )


def test_images_as_good_as_real_ones_raise_nothing(clean: str) -> None:
    report = judged(clean, "task", "random")
    assert of_quality(report) == []
    found = report.to_json()
    jsonschema.validate(json.loads(json.dumps(found, allow_nan=False)), audit_schema())
    quality = found["quality"]
    assert [one["name"] for one in quality["extractors"]] == ["task", "random"]
    shown = quality["embedding"]
    assert shown["extractor"] == "task"
    assert 0.2 < sum(shown["shares"]) <= 1
    assert {one["split"] for one in shown["points"]} == {"train"}
    assert len(shown["points"]) == len(CLASSES) * (TRAIN + MADE)
    assert quality["makers"] == {"ae" * 32: "digits-vae"}
    whole = [one for one in quality["figures"] if one["class"] is None]
    assert {one["n"] for one in whole} == {90}
    assert all(one["ratio"] > 0.7 for one in whole if one["measure"] == "coverage")
    labels = {(one["split"], one["class"], one["maker"]): one for one in quality["labels"]}
    assert labels["train", None, "ae" * 32]["agreement"] > 0.9
    text = render(report)
    assert "quality of the made images" in text
    assert "  ok    made images cover their classes as real ones do: 4 groups, 0 findings" in text


def test_a_class_of_one_image_and_a_class_of_another_are_found(tmp_path: Path) -> None:
    def planted(label: str) -> Sequence[int]:
        return {"0": right("0"), "1": right("7"), "7": scans("7")[:3] * 20}[label]

    report = judged(data_set(tmp_path / "set", planted), "task", "random")
    assert report.verdict == "failed"
    grave = {(one.check, one.text.split(":")[0].split(" covers")[0].split(" amounts")[0])
             for one in report.findings if not one.warns}  # fmt: skip
    seven = "split train, class '7', generator digits-vae"
    one_class = "split train, class '1', generator digits-vae"
    assert ("labels", one_class) in grave
    assert ("collapse", seven) in grave
    assert not any("class '0'" in text for check, text in grave if check in ("collapse", "labels"))
    assert report.quality is not None
    assert {one.shows for one in report.quality.quarantine if one.group.class_name == "1"} == {"7"}


def test_the_same_version_seed_and_extractors_give_the_same_figures(
    clean: str, tmp_path: Path
) -> None:
    cache = str(tmp_path / "cache")
    texts = [
        json.dumps(judged(clean, "random", seed=seed, cache=place).to_json()["quality"])
        for seed, place in ((5, cache), (5, cache), (5, "none"), (6, cache))
    ]
    assert texts[0] == texts[1] == texts[2]
    assert texts[0] != texts[3]


def test_nobody_asked(clean: str) -> None:
    report = audit(clean)
    assert report.quality is None
    assert report.to_json()["quality"] is None
    assert "quality" not in render(report)


def test_the_command(clean: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["audit", clean, "--quality", "--extractor", "random", "--engine", "local"]
    assert main([*words, "--json"]) in (0, 1)
    said = capsys.readouterr()
    assert said.err == ""
    found = json.loads(said.out)
    assert found["quality"]["seed"] == 0
    assert found["quality"]["labels"] == []
    assert main(words) == (0 if found["ok"] else 1)
    said = capsys.readouterr()
    assert "extractor random: weights 2a4e7a925fdb" in said.out
    assert "made images show what their labels say: not judged, no classifier was fit" in said.out
    assert "judge" in said.err, "where it is"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--seed", "3"], "--seed: got it without --quality; expected both, or neither"),
        (["--extractor", "random"], "--extractor: got it without --quality"),
        (["--quality", "--seed", "-1"], "--seed: got -1; expected a whole number from 0"),
        (["--quality", "--extractor", "randm"], "Did you mean random?"),
        (["--quality", "--extractor", "random", "--extractor", "random"], "random twice"),
        (["--quality", "--extractor", "inception=/nowhere/w.pth"], "/nowhere/w.pth"),
    ],
)
def test_mistakes(
    clean: str, words: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", clean, *words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert text in said.err


def test_a_set_without_made_rows_is_not_judged(tmp_path: Path) -> None:
    rows = [real(n, label) for label in CLASSES for n in scans(label)[:30]]
    path = f"data/train/{JOB}/train-00000-aaaaaaaaaaaa.parquet"
    uri = TableBuilder(tmp_path / "set").build({path: rows}).uri
    report = judged(uri, "random")
    assert report.quality is not None
    assert report.quality.compared == ()
    assert "quality: not judged, there are no made images with features" in render(report)
    with pytest.raises(RequestError, match="extractors"):
        judged(uri, "x")


def test_a_value_whose_made_rows_are_worse_is_told(tmp_path: Path) -> None:
    """Of one site the made rows of a class are one image over and over."""
    shards: dict[str, list[SampleRow]] = {}
    for place, label in enumerate(CLASSES):
        numbers = scans(label)
        train = [real(n, label) for n in numbers[:TRAIN]]
        one = right(label)[0]
        train += [made(n, label, number if n % 2 else one) for n, number in enumerate(right(label))]
        for split, rows in (
            ("train", train),
            ("test", [real(n, label, "test") for n in numbers[TRAIN : TRAIN + TEST]]),
        ):
            sited = [
                replace(each, attributes=(("site", "ab"[at % 2]),)) for at, each in enumerate(rows)
            ]
            shards[f"data/{split}/{JOB}/{split}-{place:05}-aaaaaaaaaaaa.parquet"] = sited
    uri = TableBuilder(tmp_path / "set").build(shards, row_group_size=64).uri
    report = audit(
        uri, attributes=["site"], quality=True, extractors=["random", "task"], engine="local"
    )
    jsonschema.validate(report.to_json(), audit_schema())
    (by_site,) = report.attributes
    cover = {}
    for each in by_site.slices:
        assert each.quality is not None
        (cover[each.value],) = [
            c.ratio for c in each.quality.compared
            if c.figure.measure == "coverage"
            and c.group.class_name is None
            and c.extractor == "random"
        ]  # fmt: skip
    assert cover["a"] < 0.3 < 0.8 < cover["b"]
    told = [f for f in report.findings if f.text.startswith("site ")]
    assert told
    assert all(f.text.startswith("site a: ") and f.warns for f in told)
    assert "by site" in render(report)
    table = section_of(report.to_json(), "").blocks[0]
    assert [row.cells[1] for row in table.rows if row.cells[0] == "train"] == ["a", "b"]
    assert all(row.cells[-1] != "-" for row in table.rows if row.cells[0] == "train")
