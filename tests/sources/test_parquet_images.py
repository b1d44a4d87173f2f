"""What an image column of a foreign Parquet file may hold; what only looks like images is told
when a job is planned, and nothing of it is shown."""

from __future__ import annotations

import base64
import gzip
import io
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augment.api import validate
from augment.errors import PlanError, SampleError, SpecError
from augment.sample import RealRow
from augment.sources import open_source, take_census
from augment.sources.parquet_paths import no_path, relative
from augment.spec import Job, JobSpec
from tests.sources.test_parquet import png

TEXT = base64.b64encode(random.Random(0).randbytes(60_000)).decode()


def job(uri: str, **source: Any) -> Job:
    one = {"format": "parquet", "uri": uri, "splits": {"train": 1.0}, **source}
    spec = {"version": 1, "name": "t", "seed": 7, "sources": {"d": one}, "output": {"uri": "o"}}
    return Job(spec=JobSpec.model_validate(spec), text="", base="")


def write(path: Path, images: pa.Array, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"image": images, "label": ["a"] * len(images)})
    pq.write_table(table, path, **options)


def read(uri: str) -> list[bytes | SampleError]:
    """Every row in its order."""
    asked = job(uri)
    rows = [RealRow(**row) for row in take_census(asked).table.to_pylist()]
    rows.sort(key=lambda row: int(row.locator.rpartition("#")[2]))
    return list(open_source("d", asked.spec.sources["d"]).read(rows))


def refused(uri: str) -> str:
    with pytest.raises(PlanError) as caught:
        take_census(job(uri))
    (problem,) = caught.value.problems
    return str(problem)


def octets(data: bytes) -> list[int]:
    return list(data)


A, B = png(0), png(1)
STRUCT = [("bytes", pa.binary_view()), ("path", pa.string_view())]


@pytest.mark.parametrize(
    "images",
    [
        pa.array([A, B], pa.binary_view()),
        pa.array([A, B], pa.large_binary()),
        pa.array([A, B]).dictionary_encode(),
        pa.array([octets(A), octets(B)], pa.list_(pa.uint8())),
        pa.array([octets(A), octets(B)], pa.large_list(pa.uint8())),
        pa.array([[x - 256 if x > 127 else x for x in d] for d in (A, B)], pa.list_(pa.int8())),
        pa.array([{"bytes": A, "path": None}, {"bytes": B, "path": "x"}], pa.struct(STRUCT)),
    ],
    ids=lambda images: str(images.type)[:40],
)
def test_bytes_in_many_types(tmp_path: Path, images: pa.Array) -> None:
    write(tmp_path / "x.parquet", images)
    assert read(str(tmp_path)) == [A, B]
    assert read(str(tmp_path / "x.parquet")) == [A, B]


def test_images_of_one_size(tmp_path: Path) -> None:
    write(tmp_path / "x.parquet", pa.array([A, A], pa.binary(len(A))))
    assert read(str(tmp_path)) == [A, A]


def test_rows_without_an_image_are_counted(tmp_path: Path) -> None:
    write(tmp_path / "x.parquet", pa.array([octets(A), None, [1, None]], pa.list_(pa.uint8())))
    first, second, third = read(str(tmp_path))
    assert first == A
    assert [str(e) for e in (second, third)] == [
        "empty: x.parquet, row group 0: the row holds no image",
        "unreadable: x.parquet, row group 0: a list of bytes with gaps",
    ]


@pytest.mark.parametrize(
    "images",
    [pa.array([[1, 2]]), pa.array([[[1]]], pa.list_(pa.list_(pa.uint8()))), pa.array([1]),
     pa.array([{"data": b"x"}]), pa.array([{"bytes": "x", "path": "y"}]), pa.array([None])],
    ids=lambda images: str(images.type)[:40],
)  # fmt: skip
def test_types_that_hold_no_image(tmp_path: Path, images: pa.Array) -> None:
    write(tmp_path / "x.parquet", images)
    kind = str(images.type).replace("item", "element")
    assert f"got 'image' of type {kind} in x.parquet; expected binary" in refused(str(tmp_path))


# ---- texts -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (TEXT, "texts that look like base64 or hexadecimal"),
        (base64.b64encode(A).decode(), "texts that look like base64 or hexadecimal"),
        (base64.encodebytes(A).decode(), "texts that look like base64 or hexadecimal"),
        ("/9j/" + TEXT, "texts that look like base64 or hexadecimal"),
        (A.hex(), "texts that look like base64 or hexadecimal"),
        (base64.b64encode(A), "texts that look like base64 or hexadecimal"),
        (repr(A), "bytes as Python writes them in text"),
        (f"data:image/png;base64,{TEXT}", "data: URLs"),
        ("https://example.org/1.png?token=secret", "https:// URLs"),
        (b"http://example.org/1.png", "http:// URLs"),
        ("s3://bucket/1.png", "s3:// URIs that do not lie in uri"),
        ("/somewhere/else/1.png", "absolute paths that do not lie in uri"),
        ("file:///somewhere/1.png", "file:// URIs that do not lie in uri"),
        ("C:\\images\\1.png", "absolute paths that do not lie in uri"),
        ("../other/1.png", "paths that lead out of uri"),
        ("images/1\0.png", "texts with NUL characters, which no path has"),
        ("a photo of a cat " * 400, "texts too long for paths (6800 characters)"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_no_path_is_known_from_one_value(tmp_path: Path, value: Any, text: str) -> None:
    write(tmp_path / "x.parquet", pa.array([None, value] if isinstance(value, str) else [value]))
    said = refused(str(tmp_path))
    assert said.startswith(f"sources.d.columns.image: got {text} in x.parquet; expected binary")
    assert len(said) < 500
    shown = value if isinstance(value, str) else value.decode()
    assert shown[4:24] not in said.replace("https://", "").replace("/somewhere/", "")


def _npy() -> bytes:
    out = io.BytesIO()
    np.save(out, np.zeros((2, 2, 3), np.uint8))
    return out.getvalue()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (_npy(), "NumPy arrays (.npy)"),
        *((pickle.dumps(np.zeros(9), protocol=n), "pickled objects") for n in (2, 3, 4, 5)),
        (pickle.dumps({"a": 1}, protocol=2), "pickled objects"),
        (gzip.compress(A), "gzip streams"),
    ],
)
def test_files_of_another_kind_are_no_images(tmp_path: Path, value: bytes, text: str) -> None:
    write(tmp_path / "x.parquet", pa.array([value] * 3, pa.binary()))
    said = refused(str(tmp_path))
    assert said.startswith(f"sources.d.columns.image: got {text} in x.parquet; expected binary")
    write(tmp_path / "x.parquet", pa.array([value, A], pa.binary()))  # one costs itself
    assert read(str(tmp_path)) == [value, A]


def test_a_struct_without_bytes_is_looked_at_as_well(tmp_path: Path) -> None:
    images = pa.array([{"bytes": None, "path": "https://example.org/1.png"}], pa.struct(STRUCT))
    write(tmp_path / "x.parquet", images)
    assert "https:// URLs in x.parquet" in refused(str(tmp_path))


def test_paths_of_nothing(tmp_path: Path) -> None:
    write(tmp_path / "x.parquet", pa.array([f"img/{n}.png" for n in range(100)]))
    assert refused(str(tmp_path)) == (
        "sources.d.columns.image: got paths in x.parquet, of which the first 16 name no file below "
        f"{tmp_path}; expected paths of files. They hang on uri; is uri the folder that they were "
        "written for?"
    )


def test_paths_with_and_without_the_uri_in_front(tmp_path: Path) -> None:
    folder = tmp_path / "sets" / "signs"
    (folder / "img").mkdir(parents=True)
    (folder / "img" / "1.png").write_bytes(A)
    (folder / "signs").mkdir()
    (folder / "signs" / "2.png").write_bytes(B)
    paths = ["img/1.png", "signs/img/1.png", "sets/signs/img/1.png", f"{folder}/img/1.png",
             f"file://{folder}/img/1.png", "signs/2.png"]  # fmt: skip
    write(folder / "x.parquet", pa.array(paths))
    assert read(str(folder)) == [A, A, A, A, A, B]
    assert read(str(folder / "x.parquet")) == [A, A, A, A, A, B]


def test_a_bad_path_beside_good_ones_costs_its_row(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(A)
    write(
        tmp_path / "x.parquet",
        pa.array(["1.png", TEXT, "/etc/passwd", "../x", f"{tmp_path}/../x", "\0"]),
    )
    first, *others = read(str(tmp_path))
    assert first == A
    assert [e.reason for e in others if isinstance(e, SampleError)] == ["unreadable"] * 5
    assert all(len(str(e)) < 420 for e in others)
    assert TEXT[:20] not in str(others[0])


OTHERS = (
    "/9j/" * 60,  # no name in it is too long for a path
    base64.b64encode(png(1)).decode(),
    png(1).hex(),
    repr(png(1)),
    "https://example.org/1.png?token=secret",
)


@pytest.mark.parametrize("value", OTHERS)
def test_a_later_file_of_texts_is_looked_at_as_well(tmp_path: Path, value: str) -> None:
    """Its column has the type that the first one has, and means something else."""
    (tmp_path / "1.png").write_bytes(A)
    write(tmp_path / "a.parquet", pa.array(["1.png"]))
    write(tmp_path / "b.parquet", pa.array([value]))
    assert " in b.parquet; expected binary" in refused(str(tmp_path))


@pytest.mark.parametrize("value", OTHERS)
def test_a_text_that_is_no_path_is_not_shown_for_its_row(tmp_path: Path, value: str) -> None:
    (tmp_path / "1.png").write_bytes(A)
    write(tmp_path / "a.parquet", pa.array(["1.png", value, "x y/" * 300]))
    first, coded, long = read(str(tmp_path))
    assert first == A
    assert str(coded).startswith("unreadable: ")
    assert f" of {len(value)} characters" in str(coded)
    assert str(coded).endswith("no path")
    assert value[8:16] not in str(coded).replace("https://", "")
    assert str(long) == f"vanished: {'x y/' * 50}... is no longer there"


def test_a_name_that_could_be_base64_is_a_file_where_it_is_one(tmp_path: Path) -> None:
    name = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" * 2
    (tmp_path / name).write_bytes(A)
    write(tmp_path / "x.parquet", pa.array([name]))
    assert read(str(tmp_path)) == [A]
    assert no_path(name, "/data") is None


def test_relative_paths_never_leave_their_uri() -> None:
    for uri in ("/data/set", "s3://bucket/set", "memory://x"):
        for text in (
            "../x",
            "/etc/passwd",
            "a/../../x",
            "..",
            "",
            "http://x/y",
            "/data/set/../x",
            "a\0",
        ):
            assert list(relative(text, uri)) == []
    assert list(relative("s3://bucket/set/1.png", "s3://bucket/set")) == ["1.png"]
    assert list(relative("set/1.png", "s3://bucket/set")) == ["set/1.png", "1.png"]


# ---- files -----------------------------------------------------------------------------


def test_files_that_are_no_parquet(tmp_path: Path) -> None:
    whole = tmp_path / "whole.parquet"
    write(whole, pa.array([A]))
    data = whole.read_bytes()
    whole.unlink()
    for damaged, text in (
        (b"", "an empty file"),
        (b"PAR1", "4 bytes"),
        (data[:-10], "it ends without a footer: cut off, or no Parquet file"),
        (data[:-4] + b"PARE", "its footer is encrypted"),
        (data[:-8] + b"\xff\xff\xff\x7fPAR1", "a footer of 2147483647 bytes, more than 67108864"),
    ):
        (tmp_path / "x.parquet").write_bytes(damaged)
        assert refused(str(tmp_path)) == (
            f"sources.d.uri: got x.parquet, which cannot be read as Parquet ({text}); "
            "expected whole Parquet files"
        )


def test_files_without_rows_and_without_row_groups(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", pa.array([], pa.binary()))
    pq.ParquetWriter(
        tmp_path / "b.parquet", pa.schema([("image", pa.binary()), ("label", pa.string())])
    ).close()
    write(tmp_path / "c.parquet", pa.array([A]))
    assert read(str(tmp_path)) == [A]


def test_only_the_first_pages_are_read_to_look_at_images(tmp_path: Path) -> None:
    rows = [A] * 10 + [bytes(1 << 20)] * 40
    write(tmp_path / "x.parquet", pa.array(rows), compression="none")
    assert take_census(job(str(tmp_path))).table.num_rows == 50


# ---- at validate -----------------------------------------------------------------------


def test_validate_says_the_same_with_lines(tmp_path: Path) -> None:
    write(tmp_path / "data" / "train.parquet", pa.array([TEXT]))
    (tmp_path / "job.yaml").write_text(
        "version: 1\nname: x\nseed: 1\nsources:\n  s:\n    format: parquet\n    uri: data\n"
        "    splits: {train: train}\n    columns: {label: lable}\n"
        "augmentations: [{name: a, copies: 1, ops: [D4]}]\noutput: {uri: out}\n"
    )
    with pytest.raises(SpecError) as caught:
        validate(tmp_path / "job.yaml")
    assert [p.place.rpartition("/")[2] for p in caught.value.problems] == [
        "job.yaml:9: sources.s.columns.label"
    ]
    assert caught.value.problems[0].hint == "Did you mean 'label'?"
    text = (tmp_path / "job.yaml").read_text()
    (tmp_path / "job.yaml").write_text(text.replace("    columns: {label: lable}\n", ""))
    with pytest.raises(
        SpecError, match=r"job.yaml:5: sources.s.columns.image: got texts that look"
    ):
        validate(tmp_path / "job.yaml")
    (tmp_path / "job.yaml").write_text(text.replace("uri: data", "uri: dta"))
    with pytest.raises(SpecError, match=r"dta', which does not exist.* Did you mean 'data'\?"):
        validate(tmp_path / "job.yaml")


def test_a_damaged_row_group_is_passed_over_when_images_are_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    write(path, pa.array([A] * 6), row_group_size=2, compression="none")
    column = pq.ParquetFile(path).metadata.row_group(0).column(0)
    raw = bytearray(path.read_bytes())
    start = column.dictionary_page_offset or column.data_page_offset
    raw[start : start + column.total_compressed_size] = bytes(column.total_compressed_size)
    path.write_bytes(raw)
    found = read(str(tmp_path))
    assert [isinstance(item, SampleError) for item in found] == [True] * 2 + [False] * 4
