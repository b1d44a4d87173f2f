"""What a label column of a foreign Parquet file may hold, and files that disagree about it."""

from __future__ import annotations

import datetime as dt
import decimal
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augment.errors import PlanError, Problem
from augment.sources import Census, take_census
from augment.sources.left_out import Cause
from augment.sources.parquet import look_at_parquet
from augment.sources.parquet_labels import texts_of
from augment.spec import Job, JobSpec
from augment.spec.models import ParquetSource
from tests.sources.test_parquet import png

ONE = "sources.d.columns.label: got "


def job(folder: Path, **source: Any) -> Job:
    one = {"format": "parquet", "uri": str(folder), "splits": {"train": 1.0}, **source}
    spec = {"version": 1, "name": "t", "seed": 7, "sources": {"d": one}, "output": {"uri": "o"}}
    return Job(spec=JobSpec.model_validate(spec), text="", base="")


def write(path: Path, labels: pa.Array, names: list[str] | None = None, **more: Any) -> None:
    """A file whose labels are these; names: as `datasets` writes them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(
        {"image": pa.array([png(0)] * len(labels), pa.binary()), "label": labels, **more}
    )
    if names is not None:
        feature = {"names": names, "_type": "ClassLabel"}
        info = json.dumps({"info": {"features": {"label": feature}}})
        table = table.replace_schema_metadata({"huggingface": info})
    pq.write_table(table, path)


def census(folder: Path, **source: Any) -> Census:
    return take_census(job(folder, **source))


def refused(folder: Path, **source: Any) -> list[str]:
    with pytest.raises(PlanError) as caught:
        census(folder, **source)
    return [str(p) for p in caught.value.problems]


def looked_at(folder: Path, **source: Any) -> list[Problem]:
    """What `validate` says of the source."""
    spec = job(folder, **source).spec.sources["d"]
    assert isinstance(spec, ParquetSource)
    seen = look_at_parquet(spec, str(folder)).problems
    return [Problem(".".join(map(str, s.path)), s.found, s.expected, s.hint) for s in seen]


def counts(found: Census) -> dict[str, int]:
    labels = found.table.column("label_name").to_pylist()
    return {label: labels.count(label) for label in sorted(set(labels))}


def without_label(found: Census) -> int:
    losses = [loss for source in found.left_out for loss in source.losses]
    assert {loss.cause for loss in losses} <= {Cause.NO_LABEL, Cause.HIDDEN}
    return sum(loss.n for loss in losses if loss.cause is Cause.NO_LABEL)


NAN = float("nan")


@pytest.mark.parametrize(
    ("labels", "expected", "dropped"),
    [
        (pa.array(["a", None, "b", ""], pa.string_view()), {"a": 1, "b": 1}, 2),
        (pa.array(["a", None, "b"], pa.large_string()), {"a": 1, "b": 1}, 1),
        (pa.array(["a", "b", "a"]).dictionary_encode(), {"a": 2, "b": 1}, 0),
        (pa.array([b"a", b"b", None]), {"a": 1, "b": 1}, 1),
        (pa.array([b"ab", b"cd"], pa.binary(2)), {"ab": 1, "cd": 1}, 0),
        (pa.array([1.0, NAN, None, 2.0, -3.0]), {"-3": 1, "1": 1, "2": 1}, 2),
        (pa.array([1.0, 2.0], pa.float32()), {"1": 1, "2": 1}, 0),
        (pa.array([1, 2], pa.int8()), {"1": 1, "2": 1}, 0),
        (pa.array([2**64 - 1], pa.uint64()), {"18446744073709551615": 1}, 0),
        (pa.array([True, False, None]), {"false": 1, "true": 1}, 1),
        (pa.array([decimal.Decimal(1), decimal.Decimal(2)], pa.decimal128(5, 2)),
         {"1": 1, "2": 1}, 0),
        (pa.array([5, 6, 5]).dictionary_encode(), {"5": 2, "6": 1}, 0),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)  # fmt: skip
def test_labels_of_many_types(
    tmp_path: Path, labels: pa.Array, expected: dict[str, int], dropped: int
) -> None:
    write(tmp_path / "x.parquet", labels)
    found = census(tmp_path)
    assert counts(found) == expected
    assert without_label(found) == dropped


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (pa.array([0.5]), "the number 0.5 in x.parquet"),
        (pa.array([float("inf")]), "the number inf in x.parquet"),
        (pa.array([1e300]), "the number 1e+300 in x.parquet"),
        (pa.array([decimal.Decimal("0.5")]), "numbers with decimals in x.parquet"),
        (pa.array([b"\xff\xfe"]), "bytes that are no UTF-8 text in x.parquet"),
        (pa.array([dt.datetime(2024, 1, 1)]), "'label' of type timestamp[us] in x.parquet"),
        (pa.array([dt.date(2024, 1, 1)]), "'label' of type date32[day] in x.parquet"),
        (pa.array([[1, 2]]), "'label' of type list<element: int64> in x.parquet"),
        (pa.array([{"a": 1}]), "'label' of type struct<a: int64> in x.parquet"),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)
def test_labels_that_are_none(tmp_path: Path, labels: pa.Array, text: str) -> None:
    write(tmp_path / "x.parquet", labels)
    (found,) = refused(tmp_path)
    assert found.startswith(f"{ONE}{text}; expected strings or whole numbers")
    assert [str(p) for p in looked_at(tmp_path)] == [found.replace("sources.d.", "")]


def test_a_column_without_any_label(tmp_path: Path) -> None:
    """Of one file among others it is no mistake."""
    write(tmp_path / "x.parquet", pa.nulls(3))
    assert [str(p) for p in looked_at(tmp_path)] == [
        "columns.label: got 'label' of type null in x.parquet: no row has a label; "
        "expected strings or whole numbers"
    ]
    with pytest.raises(PlanError, match="no image with a class"):
        census(tmp_path)
    write(tmp_path / "y.parquet", pa.array(["a", None]))
    assert looked_at(tmp_path) == []
    assert counts(census(tmp_path)) == {"a": 1}


def test_a_column_of_texts_that_name_no_class(tmp_path: Path) -> None:
    write(tmp_path / "x.parquet", pa.array(["a", "x" * 100_000]))
    (found,) = refused(tmp_path)
    assert found == (
        f"{ONE}a label of 100000 characters in x.parquet; expected at most 256 characters. "
        "Is it another column? A label names a class"
    )


@pytest.mark.parametrize("known", [True, False])
def test_a_label_without_end_that_stands_in_the_file_once(tmp_path: Path, known: bool) -> None:
    """Written out, its column would take 4 GB. known: that it is a dictionary, to who reads it."""
    column = pa.DictionaryArray.from_arrays([0] * 4000, pa.array(["x" * 1_000_000]))
    table = pa.table({"image": pa.array([png(0)] * 4000), "label": column})
    pq.write_table(table, tmp_path / "x.parquet", store_schema=known)
    (found,) = refused(tmp_path)
    assert pa.default_memory_pool().max_memory() < 3 << 30
    assert found.startswith(f"{ONE}a label of 1000000 characters in x.parquet; expected at most")


def test_what_would_be_gigabytes_is_refused_before_it_is_written_out() -> None:
    """The same refusal would follow, a gigabyte later."""
    rows = (1 << 30) // 300 + 1
    values = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array(["x" * 300]))
    usual, counted = pa.default_memory_pool(), pa.proxy_memory_pool(pa.default_memory_pool())
    pa.set_memory_pool(counted)
    try:
        with pytest.raises(PlanError, match=r"^p: got a label of 300 characters in x\.parquet"):
            texts_of("p", "x.parquet", values, None)
    finally:
        pa.set_memory_pool(usual)
    assert (counted.max_memory() or 0) < 1 << 28


def test_named_numbers_of_any_width(tmp_path: Path) -> None:
    for kind in (pa.int8(), pa.uint64(), pa.float64()):
        write(tmp_path / f"{kind}.parquet", pa.array([1, 0, 1], kind), ["cat", "dog"])
    write(tmp_path / "bool.parquet", pa.array([True, False]), ["cat", "dog"])
    assert counts(census(tmp_path)) == {"cat": 4, "dog": 7}
    write(tmp_path / "more.parquet", pa.array([2**64 - 1], pa.uint64()), ["cat", "dog"])
    (text,) = refused(tmp_path)
    assert text.startswith(f"{ONE}label 18446744073709551615 in more.parquet; expected 0 .. 1")


# ---- files beside each other -----------------------------------------------------------

WAY = "Write the files anew with one schema, or make two sources of them"
BOTH = f"expected the 2 class names that train-0.parquet has: cat, dog. {WAY}"


@pytest.mark.parametrize(
    ("labels", "names", "text"),
    [
        ([0, 1], None, "whole numbers without names in train-1.parquet"),
        ([0.0, NAN], None, "whole numbers without names in train-1.parquet"),
        ([0, 1], ["dog", "cat"], "the same class names in another order in train-1.parquet"),
        ([0, 1], ["cat", "cow"],
         "other class names (number 1 is 'cow', not 'dog') in train-1.parquet"),
        ([0, 1], ["cat", "dog", "cow"], "3 class names in train-1.parquet"),
        (["cat", "cow"], None,
         "the label 'cow', which is none of the names in train-1.parquet"),
        (["0", "1"], None, "the label '0', which is none of the names in train-1.parquet"),
    ],
)  # fmt: skip
def test_files_that_disagree_on_names(
    tmp_path: Path, labels: list[Any], names: list[str] | None, text: str
) -> None:
    write(tmp_path / "train-0.parquet", pa.array([0, 1]), ["cat", "dog"])
    write(tmp_path / "train-1.parquet", pa.array(labels), names)
    assert f"{ONE}{text}; {BOTH}" in refused(tmp_path)


def test_a_file_that_disagrees_is_told_once(tmp_path: Path) -> None:
    """Not once for each of its row groups."""
    write(tmp_path / "train-0.parquet", pa.array([0, 1]), ["cat", "dog"])
    write(tmp_path / "train-1.parquet", pa.array([0, 1]), ["dog", "cat"])
    table = pq.read_table(tmp_path / "train-1.parquet")
    pq.write_table(table, tmp_path / "train-1.parquet", row_group_size=1)
    assert len(refused(tmp_path)) == 1


def test_the_order_of_the_files_does_not_matter(tmp_path: Path) -> None:
    write(tmp_path / "train-0.parquet", pa.array([0, 1]))
    write(tmp_path / "train-1.parquet", pa.array([0, 1]), ["cat", "dog"])
    (text,) = refused(tmp_path)
    assert (
        "whole numbers without names in train-0.parquet; expected the 2 class names that " in text
    )


def test_files_that_agree_or_say_nothing(tmp_path: Path) -> None:
    write(tmp_path / "0.parquet", pa.array([0, 1]), ["cat", "dog"])
    write(tmp_path / "1.parquet", pa.array(["cat", None, ""]))
    write(tmp_path / "2.parquet", pa.array([], pa.int64()))  # no rows, no names
    write(tmp_path / "3.parquet", pa.array([None, None]))
    assert counts(census(tmp_path)) == {"cat": 2, "dog": 1}


def test_numbers_and_texts_without_names_are_their_texts(tmp_path: Path) -> None:
    write(tmp_path / "0.parquet", pa.array([7]))
    write(tmp_path / "1.parquet", pa.array(["7", "-8", ""]))
    assert counts(census(tmp_path)) == {"-8": 1, "7": 2}


def test_numbers_beside_names_are_not_classes_side_by_side(tmp_path: Path) -> None:
    """One file with the names as texts, the other with their numbers, and no metadata."""
    write(tmp_path / "0.parquet", pa.array(["cat", "dog"]))
    write(tmp_path / "1.parquet", pa.array([0.0, 1.0, NAN]))
    assert refused(tmp_path) == [
        f"{ONE}whole numbers without names in 1.parquet, and the label 'cat' in 0.parquet; "
        "expected numbers alone, or names alone. Write the files anew with one schema, or say in a "
        "label_map what each means"
    ]
    write(tmp_path / "2.parquet", pa.array([None], pa.int64()))  # says nothing
    label_map = {"map": {"cat": "cat", "dog": "dog", "0": "cat", "1": "dog"}}
    assert counts(census(tmp_path, label_map=label_map)) == {"cat": 2, "dog": 2}
    (tmp_path / "1.parquet").unlink()
    assert counts(census(tmp_path)) == {"cat": 1, "dog": 1}


# ---- columns ---------------------------------------------------------------------------


def test_labels_and_splits_in_the_names_of_folders(tmp_path: Path) -> None:
    """As Hive and Spark write them; a value may be percent-coded."""
    table = pa.table({"image": pa.array([png(0)])})
    for place in ("subset=a/label=cat", "subset=b/label=caf%C3%A9%20au%20lait",
                  "subset=b/label=__HIVE_DEFAULT_PARTITION__"):  # fmt: skip
        (tmp_path / place).mkdir(parents=True)
        pq.write_table(table, tmp_path / place / "part-0.parquet")
    (tmp_path / "_metadata").write_bytes(b"PAR1")
    (tmp_path / "_SUCCESS").touch()
    found = census(tmp_path)
    assert counts(found) == {"cat": 1, "caf\u00e9 au lait": 1}
    assert without_label(found) == 1
    splits = {"train": "a", "test": "b"}
    found = census(tmp_path, splits=splits, columns={"split": "subset"})
    assert found.table.column("split").to_pylist() == ["test", "train"]


def test_a_name_that_stands_twice_or_in_a_struct(tmp_path: Path) -> None:
    images = pa.array([png(0)])
    twice = pa.table([images, pa.array(["a"]), pa.array(["b"])], names=["image", "label", "label"])
    pq.write_table(twice, tmp_path / "x.parquet")
    assert refused(tmp_path) == [
        f"{ONE}'label', of which x.parquet has 2; expected a column whose name is its own. "
        "Rename one"
    ]
    pq.write_table(pa.table({"image": images, "meta": [{"class": "a"}]}), tmp_path / "x.parquet")
    (text,) = refused(tmp_path, columns={"label": "meta.class"})
    assert text.endswith("'meta' is a struct: write its field as a column of its own")


def test_names_with_dots_and_in_another_case(tmp_path: Path) -> None:
    images = pa.array([png(0)])
    table = pa.table({"image": images, "a.label": ["x"], "a": [{"label": "y"}], "Label": ["z"]})
    pq.write_table(table, tmp_path / "x.parquet")
    assert counts(census(tmp_path, columns={"label": "a.label"})) == {"x": 1}
    (text,) = refused(tmp_path, columns={"label": "label"})
    assert text.endswith("Did you mean 'Label'?")


def test_a_file_of_very_many_columns_is_answered_on_a_line(tmp_path: Path) -> None:
    columns = {f"column number {n}": pa.array([1]) for n in range(2000)}
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    assert all(len(text) < 1000 for text in refused(tmp_path))


def test_a_split_column_that_holds_something_else_is_not_shown(tmp_path: Path) -> None:
    captions = pa.array([f"a photo of {n} " + "animals " * 20 for n in range(12)])
    write(tmp_path / "x.parquet", pa.array(["a"] * 12), split=captions)
    (found,) = refused(tmp_path, splits={"train": "train"}, columns={"split": "split"})
    assert found.endswith(
        "expected one of the other values it holds: (texts of up to 174 characters)"
    )


def test_split_columns_of_other_types(tmp_path: Path) -> None:
    labels = pa.array(["a", "b"])
    splits = {"train": "1", "test": "2"}
    for values in (pa.array([1, 2], pa.int8()), pa.array(["1", "2"], pa.string_view()),
                   pa.array([1.0, 2.0]), pa.array([b"1", b"2"])):  # fmt: skip
        write(tmp_path / "x.parquet", labels, subset=values)
        found = census(tmp_path, splits=splits, columns={"split": "subset"})
        assert sorted(found.table.column("split").to_pylist()) == ["test", "train"]
