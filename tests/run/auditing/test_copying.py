"""Copies of train and of test that were planted among generated rows, and none where none are."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image, ImageOps

from augment.api import audit
from augment.audit import AuditReport, audit_schema, render
from augment.audit.copies import Calibration, Recall, Threshold
from augment.audit.copies.histogram import BINS
from augment.audit.measures import Interval
from augment.audit.quality import Group
from augment.audit.quality.copied import Leak, Leaks, Searched, copied, leaked
from augment.audit.table import open_data_set
from augment.cli import main
from augment.run import LocalEngine, Silent
from augment.run.auditing import Asked, measure_quality
from augment.run.auditing.copying import Pictures, Planted, search_leaks
from augment.run.extraction.extracting import extract
from augment.write.marks import add_xmp
from tests.audit.conftest import CLASSES, DIGITS, JOB, TableBuilder, png, real, row, synthetic

TRAIN, TEST, MADE = 70, 70, 25
LEARNED = 12
"""What a detector learns from here: a fifth of what users get, which is ample for digits. How much
is found is asked in tests/audit/copies and by benchmarks/copies.py."""


def scans(label: str) -> list[int]:
    return [int(n) for n in np.flatnonzero(DIGITS.target == int(label))]


def mirrored(data: bytes) -> bytes:
    out = io.BytesIO()
    ImageOps.mirror(Image.open(io.BytesIO(data))).save(out, format="PNG")
    return out.getvalue()


def data_set(folder: Path, copies: Sequence[bytes] = ()) -> str:
    """Generated rows show scans that nobody else has; the first ones of class 0 show `copies`."""
    shards = {}
    for place, label in enumerate(CLASSES):
        numbers = scans(label)
        rows = [real(n, label) for n in numbers[:TRAIN]]
        made = [png(n) for n in numbers[TRAIN + TEST : TRAIN + TEST + MADE]]
        if label == CLASSES[0]:
            made[: len(copies)] = copies
        for n, data in enumerate(made):
            base = synthetic(n, label)
            kind = str(base.digital_source_type)
            rows.append(row(
                base.sample_id, add_xmp(data, base.sample_id, kind, "augment vae test"), label,
                "train", origin=base.origin, generated=True, rank=n, digital_source_type=kind,
                generator=base.generator, marks=("xmp",),
            ))  # fmt: skip
        shards[f"data/train/{JOB}/train-{place:05}-aaaaaaaaaaaa.parquet"] = rows
        shards[f"data/test/{JOB}/test-{place:05}-bbbbbbbbbbbb.parquet"] = [
            real(n, label, "test") for n in numbers[TRAIN : TRAIN + TEST]
        ]
    return TableBuilder(folder).build(shards, row_group_size=64).uri


def searched(uri: str) -> AuditReport:
    asked = Asked(extractors=("random",), copies=True, planted=Planted(LEARNED, 5))
    return measure_quality(audit(uri), asked, LocalEngine())


def test_copies_of_train_warn_copies_of_test_fail_and_others_are_none(tmp_path: Path) -> None:
    zeros = scans(CLASSES[0])
    of_train = [mirrored(png(n)) for n in zeros[:8]]
    of_test = [mirrored(png(n)) for n in zeros[TRAIN : TRAIN + 8]]
    report = searched(data_set(tmp_path / "set", [*of_train, *of_test]))
    found = {one.warns: one for one in report.findings if one.check == "memorization"}
    assert "repeat real images of their split" in found[True].text
    assert "repeat real images of splits that nothing may be made of" in found[False].text
    assert report.verdict == "failed"
    assert report.quality is not None
    assert report.quality.searched is not None
    for one in report.quality.searched:
        split = "train" if one.of == "train" else "test"
        numbers = zeros[:8] if split == "train" else zeros[TRAIN : TRAIN + 8]
        originals = {real(n, CLASSES[0], split).sample_id for n in numbers}
        listed = {copy.real_id for copy in one.copies if copy.mirrored}
        assert len(listed & originals) >= 6
        assert {copy.real_split for copy in one.copies} == {split}
        others = [counts for group, counts in one.looked.items()
                  if group.class_name in CLASSES[1:]]  # fmt: skip
        assert [n for n, _ in others] == [MADE, MADE]
        assert sum(copies for _, copies in others) <= 2, "half a percent, or chance"
        assert (one.protected, one.real) == (210, 210)
        shares = {each.kind: each.share for each in one.recall}
        assert shares["exact"] == 1.0
        assert one.scores is not None
        other, shown = one.scores
        assert (other.n, shown.n, other.unlike + sum(other.counts)) == (210, 3 * MADE, 210)
        assert sum(other.counts[BINS:]) == 0, "the highest of 210 is the threshold, not above it"
        assert sum(shown.counts[BINS:]) >= len([c for c in one.copies if not c.equal])
        assert len(shares) == 10
    text = render(report)
    assert "calibrated on 210 other real images: at most 0.5% of such are called copies" in text
    assert "that none was found proves nothing about privacy" in text
    found_json = json.loads(json.dumps(report.to_json(), allow_nan=False))
    jsonschema.validate(found_json, audit_schema())


def pictures(numbers: Sequence[int], split: str, *, changed: bool = False) -> Pictures:
    data = [mirrored(png(n)) if changed else png(n) for n in numbers]
    names = [f"{split}-{n}" for n in numbers]
    labels = [str(DIGITS.target[n]) for n in numbers]
    lines = [{"image": one} for one in data]
    return Pictures(names, [split] * len(data), labels, [None] * len(data), lines)


def test_a_split_that_is_in_train_in_part_is_told(tmp_path: Path) -> None:
    """Mirrored, so that no hash would show it."""
    uri = TableBuilder(tmp_path / "set").build(
        {f"data/train/{JOB}/train-00000-aaaaaaaaaaaa.parquet": [real(0, "0")]}
    ).uri  # fmt: skip
    numbers = [int(n) for n in np.random.default_rng(4).permutation(1700)]
    train, test = pictures(numbers[:420], "train"), pictures(numbers[420:480], "test")
    copies = pictures(numbers[:20], "val", changed=True)
    holdout = Pictures(*(getattr(test, name) + getattr(copies, name)
                         for name in ("ids", "splits", "labels", "makers", "lines")))  # fmt: skip
    with extract(open_data_set(uri), (), LocalEngine()) as none:
        leaks = search_leaks(train, holdout, none, 0, Silent(), LEARNED)
    assert leaks.why is None
    assert leaks.n["test"][0] == 60
    assert leaks.n["test"][1] <= 2, "chance explains one in a hundred"
    assert leaks.n["val"][1] >= 18
    named = {one.sample_id.split("-")[1]: one.train_id.split("-")[1]
             for one in leaks.leaks if one.split == "val"}  # fmt: skip
    assert sum(a == b for a, b in named.items()) >= 18
    check, findings = leaked(leaks)
    assert check.passed is False
    (finding,) = findings
    assert not finding.warns
    assert f"{leaks.n['val'][1] / 20:.1%} of split 'val' is in train" in finding.text


def searched_with(found: int, copies: int = 0) -> Searched:
    """Ten kinds of which `found` of 100 planted copies are found, among 200 generated images."""
    half = Interval(0.0, 1.0, 0.95)
    recall = [Recall("exact", 100, 100, 100, half)]
    recall += [Recall(f"kind {n}", 100, found, found, half) for n in range(9)]
    group = Group("train", None, "g")
    calibration = Calibration(0.005, Threshold(1.0, 300, 0.03, ()))
    return Searched("train", 300, 300, calibration, tuple(recall), {group: (200, copies)}, (), ())


def test_a_detector_that_would_find_little_has_no_verdict_but_for_what_it_finds() -> None:
    ((check,), findings) = copied([searched_with(90)], {})
    assert (check.passed, findings) == (True, [])
    ((check,), findings) = copied([searched_with(3)], {})
    assert (check.passed, findings) == (None, [])
    assert "not judged, of copies that were planted in this data set it finds 0.03" in check.text
    ((check,), findings) = copied([searched_with(3, copies=20)], {})
    assert check.passed is True, "copies of train warn"
    assert [finding.n for finding in findings] == [20]


def test_more_than_the_calibration_bounds_is_no_chance() -> None:
    """Of real images 3 % may lie above the threshold: 10 of 200 are 2.4 % at least, 16 4.6 %."""
    for copies, told in ((10, 0), (16, 1)):
        ((_,), findings) = copied([searched_with(90, copies=copies)], {})
        assert len(findings) == told, copies


def test_chance_is_no_leak_and_too_few_images_are_no_verdict() -> None:
    few = Leaks({"test": (300, 4)}, 0.01)
    check, findings = leaked(few)
    assert (check.passed, findings) == (True, [])
    one = Leak("a" * 32, "test", "b" * 32, 1.5, True)
    check, findings = leaked(Leaks({"test": (300, 1)}, 0.01, (one,)))
    assert check.passed is False, "equal pixels are no chance"
    check, findings = leaked(Leaks({}, 0.01, why="not calibrated: n_holdout < 200"))
    assert (check.passed, findings) == (None, [])
    assert "not judged, not calibrated" in check.text


def test_a_small_holdout_calibrates_nothing(tmp_path: Path) -> None:
    rows = [real(n, label) for label in CLASSES for n in scans(label)[:30]]
    made = [synthetic(n, "0") for n in range(4)]
    path = f"data/train/{JOB}/train-00000-aaaaaaaaaaaa.parquet"
    uri = TableBuilder(tmp_path / "set").build({path: [*rows, *made]}).uri
    report = searched(uri)
    (check,) = [one for one in report.checks if one.name == "memorization"]
    assert check.passed is None
    (leaks,) = [one for one in report.checks if one.name == "leaks"]
    assert leaks.passed is None
    assert "equal pixels alone were looked for, not calibrated: n_holdout < 200" in check.text


def test_without_generated_rows_nothing_is_searched(tmp_path: Path) -> None:
    rows = [real(n, "0") for n in scans("0")[:30]]
    path = f"data/train/{JOB}/train-00000-aaaaaaaaaaaa.parquet"
    report = searched(TableBuilder(tmp_path / "set").build({path: rows}).uri)
    assert report.quality is not None
    assert report.quality.searched == ()


def test_copies_are_asked_for_with_quality(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", str(tmp_path), "--copies"]) == 2
    assert "--copies: got it without --quality" in capsys.readouterr().err
