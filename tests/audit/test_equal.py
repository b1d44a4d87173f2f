"""Images in two splits or under two classes, generated rows and copies that are no pictures of
their own: each is found, counted, named by its rows, and judged."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from augment.audit import AuditReport, audit, render
from augment.audit.pictures import ANYWHERE, COPY, MADE, REAL, Cell, Pictures, count_pictures
from augment.audit.table import open_data_set
from augment.sample import LATER_COLUMNS, AppliedOp, Origin, SampleRow, Stamp, sample_table
from augment.seeds import hash128
from tests.audit.conftest import (
    JOB,
    JOB_FACTS,
    TableBuilder,
    copy_of,
    real,
    row,
    synthetic,
)

TRAIN, TEST = f"data/train/{JOB}/a-000000000000.parquet", f"data/test/{JOB}/b-000000000000.parquet"


def build(builder: TableBuilder, train: Sequence[SampleRow], test: Sequence[SampleRow] = ()) -> str:
    return builder.build({TRAIN: train, TEST: test or [real(500, "0", "test")]}).uri


def texts(report: AuditReport, check: str) -> list[str]:
    return [f.text for f in report.findings if f.check == check]


def result(report: AuditReport, name: str) -> tuple[bool | None, str]:
    (found,) = [c for c in report.checks if c.name == name]
    return found.passed, found.text


def recompressed(one: SampleRow, label_name: str = "0") -> SampleRow:
    """A real row of split test that shows the same in another file."""
    out = io.BytesIO()
    Image.open(io.BytesIO(one.image)).save(out, "BMP")
    return row(
        hash128("again", one.sample_id).hex(), out.getvalue(), label_name, "test",
        origin=Origin.REAL, generated=False, source=one.source,
    )  # fmt: skip


# ---- real images --------------------------------------------------------------------


def test_an_image_in_two_splits_fails(builder: TableBuilder) -> None:
    """With an example of each, and how much was made from it."""
    leak = replace(real(1, "0"), sample_id="1" * 32, source=("digits", "train/0/again.png"))
    test = replace(real(1, "0", "test"), sample_id="2" * 32)
    copies = [copy_of(leak, 0), copy_of(leak, 1), copy_of(real(2, "0"), 2)]
    report = audit(build(builder, [leak, real(2, "0"), *copies], [test, real(3, "0", "test")]))
    assert report.verdict == "failed"
    passed, text = result(report, "splits")
    assert (passed, text.partition(": ")[2]) == (False, "not so for 1 of them")
    (found,) = texts(report, "splits")
    assert found.startswith("1 image of the protected split test stands in split train too, for ")
    assert f"sample {'1' * 32} (real, split train, class '0', 'train/0/again.png')" in found
    assert f"sample {'2' * 32} (real, split test, class '0', 'test/0/0001.png')" in found
    assert found.endswith("; 2 rows are made from it")


def test_every_set_of_splits_is_told_by_itself(builder: TableBuilder) -> None:
    rows = {name: [real(n, "0", name) for n in some] for name, some in
            (("train", (1, 2, 3, 4)), ("test", (2, 3, 9)), ("extra", (3, 4)))}  # fmt: skip
    uri = builder.build({f"data/{s}/{JOB}/a.parquet": some for s, some in rows.items()}).uri
    found = [text.partition(", for")[0] for text in texts(audit(uri), "splits")]
    assert sorted(found) == [
        "1 image of split extra stands in split train too",
        "1 image of the protected split test stands in split extra and split train too",
        "1 image of the protected split test stands in split train too",
    ]


def test_an_image_under_two_classes_warns(builder: TableBuilder) -> None:
    """One of them is wrong; which one only the owner knows."""
    rows = [real(1, "0"), real(1, "7"), real(2, "0"), real(2, "1")]
    report = audit(build(builder, rows))
    assert report.verdict == "ok"
    assert [f.warns for f in report.findings] == [True, True]
    assert [text.partition(", for")[0] for text in texts(report, "one_class")] == [
        "1 image stands under the classes '0' and '1'",
        "1 image stands under the classes '0' and '7'",
    ]
    shown = render(report)
    assert "  warn  every real image stands under one class: not so for 2 of them" in shown
    assert shown.endswith("verdict: ok, 2 warnings")


def test_the_same_picture_in_another_file_is_found_too(builder: TableBuilder) -> None:
    train = [real(1, "0"), real(2, "0"), real(3, "0")]
    test = [
        recompressed(train[0]),
        recompressed(train[1], "7"),
        real(3, "0", "test"),
    ]
    report = audit(build(builder, train, test))
    assert [text.partition(", for")[0] for text in sorted(texts(report, "splits"))] == [
        "1 image of the protected split test stands in split train too",
        "2 more pictures stand in split test and split train, in files that differ",
    ]
    assert [text.partition(", for")[0] for text in texts(report, "one_class")] == [
        "1 more picture stands under the classes '0' and '7', in files that differ"
    ]


def test_a_copy_that_shows_a_test_image_fails(builder: TableBuilder) -> None:
    """A flipped train image may be a test image; nothing but its pixels tells."""
    test = real(3, "0", "test")
    copy = replace(copy_of(real(1, "0")), pixels_sha256=test.pixels_sha256)
    report = audit(build(builder, [real(1, "0"), copy], [test]))
    assert report.verdict == "failed"
    (found,) = texts(report, "splits")
    assert found.startswith(
        "1 copy of split train, class '0', shows a real picture of another split, for example "
    )


def test_tables_without_names_of_pictures_are_judged_by_bytes(builder: TableBuilder) -> None:
    """As earlier versions wrote them: what cannot be known is not called good."""
    builder.job(JOB_FACTS)
    names = [n for n in sample_table([], Stamp(JOB)).column_names if n not in LATER_COLUMNS]
    shards = {
        TRAIN: [real(1, "0"), copy_of(real(1, "0")), synthetic(1, "0")],
        TEST: [real(1, "0", "test"), real(2, "1", "test")],
    }
    actions = [
        builder.shard(path, sample_table(rows, Stamp(JOB)).select(names))
        for path, rows in shards.items()
    ]
    for path, rows in shards.items():
        builder.note(path, rows)
    builder.commit(actions)
    report = audit(builder.uri)
    assert [text.partition(", for")[0] for text in texts(report, "splits")] == [
        "1 image of the protected split test stands in split train too"
    ]
    assert result(report, "one_class") == (
        True,
        "every real image stands under one class: 3 rows, known by their bytes alone",
    )
    for name in ("real_pictures", "different", "copies"):
        passed, text = result(report, name)
        assert passed is None
        assert text.endswith(": not judged, 5 rows have no pixels_sha256")


def test_rows_without_a_name_leave_it_open(builder: TableBuilder) -> None:
    """Of more than 8 bits a value, say: a generated row may show them."""
    deep = replace(real(1, "0"), pixels_sha256=None)
    report = audit(build(builder, [deep, synthetic(1, "0"), synthetic(2, "0")]))
    passed, text = result(report, "real_pictures")
    assert (passed, text.partition(": ")[2]) == (None, "not judged, 1 rows have no pixels_sha256")
    bad = replace(synthetic(2, "0"), pixels_sha256=synthetic(1, "0").pixels_sha256)
    report = audit(build(TableBuilder(builder.path / "2"), [deep, synthetic(1, "0"), bad]))
    assert result(report, "different")[0] is False
    assert report.verdict == "failed"


# ---- generated rows -----------------------------------------------------------------


def copycat(rows: int, pictures: int, label: str = "0") -> list[SampleRow]:
    """Generated rows that show only so many pictures; every file is another one."""
    shown = [synthetic(n, label).pixels_sha256 for n in range(pictures)]
    return [replace(synthetic(n, label), pixels_sha256=shown[n % pictures]) for n in range(rows)]


def test_85_rows_of_3_pictures_are_not_ok(builder: TableBuilder) -> None:
    rows = [*copycat(35, 1), *copycat(30, 1, "1"), *copycat(20, 1, "7")]
    assert len({r.sha256 for r in rows}) == 85
    report = audit(build(builder, rows))
    assert report.verdict == "failed"
    assert "verdict: ok" not in render(report)
    name = "generator digits-vae, class"
    assert [text.partition(", for")[0] for text in texts(report, "different")] == [
        f"{name} '0': 35 rows show 1 picture (0.029; expected at least 0.9)",
        f"{name} '1': 30 rows show 1 picture (0.033; expected at least 0.9)",
        f"{name} '7': 20 rows show 1 picture (0.050; expected at least 0.9)",
    ]
    assert result(report, "different") == (
        False,
        "generated rows show different pictures: not so for 82 of 85",
    )


@pytest.mark.parametrize(
    ("pictures", "verdict", "text"),
    [
        (40, "ok", ""),
        (39, "ok", "40 rows show 39 different pictures"),
        (36, "ok", "40 rows show 36 different pictures"),
        (35, "failed", "40 rows show 35 different pictures (0.875; expected at least 0.9)"),
    ],
)
def test_few_repeats_warn_and_more_fail(
    builder: TableBuilder, pictures: int, verdict: str, text: str
) -> None:
    report = audit(build(builder, copycat(40, pictures)))
    assert report.verdict == verdict
    found = [t.partition(": ")[2].partition(", for")[0] for t in texts(report, "different")]
    assert found == ([text] if text else [])


def test_a_generator_that_does_not_look_at_the_class_is_found(builder: TableBuilder) -> None:
    """Each class has one of each picture, and so has every other class."""
    shown = [synthetic(n, "0").pixels_sha256 for n in range(5)]
    rows = [
        replace(synthetic(n, label), pixels_sha256=shown[n]) for label in "017" for n in range(5)
    ]
    report = audit(build(builder, rows))
    assert report.verdict == "failed"
    (text,) = texts(report, "different")
    assert text.startswith(
        "all generators and classes: 15 rows show 5 different pictures (0.333; expected at least "
    )


def test_a_row_that_gives_back_a_real_image_fails(builder: TableBuilder) -> None:
    """However it is encoded and marked; and it is said where the real one stands."""
    test = real(3, "0", "test")
    learned = [replace(synthetic(n, "0"), pixels_sha256=r.pixels_sha256) for n, r in
               enumerate((real(1, "0"), test))]  # fmt: skip
    rows = [real(1, "0"), *learned, *(synthetic(n, "0") for n in range(2, 30))]
    report = audit(build(builder, rows, [test]))
    assert report.verdict == "failed"
    (text,) = texts(report, "real_pictures")
    assert text.startswith(
        "generator digits-vae, class '0': 2 of 30 rows of split train show exactly a real picture "
        "of this data set, 1 of them one of another split, for example sample "
    )
    assert result(report, "different")[0] is True
    assert texts(report, "splits") == []


def test_many_findings_of_one_kind_are_folded(builder: TableBuilder) -> None:
    rows = []
    for n in range(60):
        one = synthetic(n, "0")
        assert one.generator is not None
        one = replace(one, generator=replace(one.generator, id=f"{n:064x}"))
        rows += [one, replace(one, sample_id=f"{n:032x}")]
    report = audit(build(builder, rows))
    found = texts(report, "different")
    assert len(found) == 21
    assert found[-1] == "40 more of the same kind, 40 in all"


# ---- counting -----------------------------------------------------------------------


def made_row(n: int, cell: Cell, picture: int) -> SampleRow:
    """A row of a cell that shows one of a few pictures."""
    like = synthetic(0, cell.label_name) if cell.maker else real(0, cell.label_name)
    origin = Origin.SYNTHETIC if cell.maker else Origin.AUGMENTED
    return replace(
        like,
        sample_id=hash128("row", n).hex(),
        split=cell.split,
        origin=Origin.REAL if cell.kind == REAL else origin,
        generator=None if like.generator is None else replace(like.generator, id=cell.maker),
        transforms=(AppliedOp("x", "{}"),) if cell.kind == COPY else (),
        pixels_sha256=hash128("picture", picture).hex() * 2,
    )


CELLS = [
    Cell(split, label, kind, maker)
    for split in ("train", "test")
    for label in ("0", "1", "7")
    for kind, maker in ((REAL, ""), (MADE, "g"), (MADE, "h"), (COPY, ""), (COPY, "g"))
]


def expected(rows: list[tuple[Cell, int]]) -> Pictures:
    """The same counts, row by row."""
    found = Pictures()
    found.rows.update(cell for cell, _ in rows)
    real_of: dict[int, set[Cell]] = {}
    for cell, picture in rows:
        if cell.kind == REAL:
            real_of.setdefault(picture, set()).add(cell)
    untouched = {picture for cell, picture in rows if cell.kind != COPY}
    seen: set[Any] = set()
    for cell, picture in rows:
        holders = real_of.get(picture, set())
        if cell.kind != REAL:
            found.real.counts[cell] += bool(holders)
            found.elsewhere.counts[cell] += any(h.split != cell.split for h in holders)
            place = (cell.kind, cell.maker, cell.label_name)
            found.repeated.counts[place] += (place, picture) in seen
            seen.add((place, picture))
        if cell.kind == MADE:
            found.repeated.counts[ANYWHERE] += picture in seen
            seen.add(picture)
        if cell.kind == COPY:
            found.untouched.counts[cell] += picture in untouched
    for holders in real_of.values():
        for names, into in (
            (sorted({h.split for h in holders}), found.across),
            (sorted({h.label_name for h in holders}), found.under),
        ):
            if len(names) > 1:
                into.counts[tuple(names)] += 1
    return found


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    st.lists(st.tuples(st.sampled_from(CELLS), st.integers(0, 12)), max_size=60),
    st.sampled_from([1 << 26, 7]),
)
def test_counts_are_those_of_row_by_row(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[Cell, int]], at_once: int
) -> None:
    """In one pass, and in several that each hold a part of all pictures."""
    folder = tmp_path_factory.mktemp("pictures")
    table = sample_table([made_row(n, *one) for n, one in enumerate(rows)], Stamp(JOB))
    half = table.num_rows // 2
    for name, part in (("a", table.slice(0, half)), ("b", table.slice(half))):
        pa.parquet.write_table(part, folder / f"{name}.parquet")
    found = count_pictures(open_data_set(str(folder)), table.num_rows, rows_per_pass=at_once)
    wanted = expected(rows)
    assert (found.rows, found.unnamed) == (wanted.rows, 0)
    for name in ("repeated", "real", "elsewhere", "untouched", "across", "under"):
        mine, theirs = getattr(found, name).counts, getattr(wanted, name).counts
        assert mine == Counter({k: n for k, n in theirs.items() if n}), name


def test_values_with_any_sign_in_them_are_told_apart(builder: TableBuilder) -> None:
    rows = [
        replace(real(1, "0"), split="a"),
        replace(real(1, "0"), split="a\x00b", sample_id="3" * 32),
    ]
    uri = builder.build({TRAIN: rows}).uri
    assert len(texts(audit(uri), "splits")) == 1


def test_the_report_is_json(builder: TableBuilder) -> None:
    report = audit(build(builder, copycat(4, 1), [real(1, "0", "test"), real(1, "1", "test")]))
    found = json.loads(json.dumps(report.to_json()))["findings"]
    assert {(f["check"], f["warns"]) for f in found} == {("different", False), ("one_class", True)}
    assert np.sum([f["n"] for f in found]) == 3 + 1
