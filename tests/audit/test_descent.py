"""Rows of train that were made from test images, whatever they show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from augment.audit import AuditReport, audit
from augment.sample import Parent, SampleRow
from tests.audit.conftest import JOB, TableBuilder, copy_of, real, small_set, synthetic

TRAIN = f"data/train/{JOB}/train-00000-aaaaaaaaaaaa.parquet"
TEST = f"data/test/{JOB}/test-00000-cccccccccccc.parquet"


def found(report: AuditReport) -> tuple[bool | None, list[str]]:
    (check,) = [one for one in report.checks if one.name == "descent"]
    return check.passed, [one.text for one in report.findings if one.check == "descent"]


def built(folder: Path, train: list[SampleRow], test: list[SampleRow]) -> AuditReport:
    return audit(TableBuilder(folder / "set").build({TRAIN: train, TEST: test}).uri)


def moved(parent: SampleRow, number: int) -> SampleRow:
    """A copy in train of a row of another split."""
    return replace(copy_of(parent, number), split="train")


def test_copies_in_the_split_of_their_parents_are_right(builder: TableBuilder) -> None:
    report = audit(builder.build(small_set()).uri)
    (check,) = [one for one in report.checks if one.name == "descent"]
    assert found(report) == (True, [])
    assert check.text.endswith(": 2 parents"), "the third has a generated one"


@pytest.mark.parametrize("n", [1, 4])
def test_a_row_of_train_that_descends_from_test_fails(tmp_path: Path, n: int) -> None:
    train, test = [real(k, "0") for k in range(3)], [real(30 + k, "0", "test") for k in range(4)]
    wrong = [moved(test[k], k) for k in range(n)]
    report = built(tmp_path, [*train, copy_of(train[0], 9), *wrong], test)
    passed, (text,) = found(report)
    assert passed is False
    some = f"{n} row{'' if n == 1 else 's'} of split 'train' {'is' if n == 1 else 'are'} made from"
    assert text.startswith(f"{some} real images of split 'test', for example ")
    assert wrong[0].sample_id[:12] in text
    assert report.verdict == "failed"


def test_an_image_that_is_in_both_splits_is_another_findings_business(tmp_path: Path) -> None:
    train, test = [real(k, "0") for k in range(3)], [real(30, "0", "test")]
    twin = replace(real(31, "0"), image=test[0].image, sha256=test[0].sha256,
                   pixels_sha256=test[0].pixels_sha256)  # fmt: skip
    report = built(tmp_path, [*train, twin, copy_of(twin, 1)], test)
    assert found(report) == (True, [])
    assert any(one.check == "splits" for one in report.findings)


def test_a_generator_that_was_fed_test_images_fails_too(tmp_path: Path) -> None:
    test = [real(30, "0", "test")]
    fed = replace(synthetic(1, "0"), parents=(Parent(test[0].sample_id, test[0].sha256, "x"),))
    passed, (text,) = found(built(tmp_path, [real(0, "0"), fed], test))
    assert passed is False
    assert "1 row of split 'train' is made from real images of split 'test'" in text


def test_nothing_to_look_at_is_no_verdict(tmp_path: Path) -> None:
    report = built(tmp_path, [real(0, "0")], [real(30, "0", "test")])
    (check,) = [one for one in report.checks if one.name == "descent"]
    assert check.passed is None
    assert check.text.endswith("not judged, no row names a real parent")
    only = audit(TableBuilder(tmp_path / "made").build({TRAIN: [synthetic(1, "0")]}).uri)
    assert found(only) == (None, [])
