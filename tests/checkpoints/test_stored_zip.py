from __future__ import annotations

import io
import struct
import zipfile

import pytest
import torch

from augment.checkpoints.blob import Blob
from augment.checkpoints.stored_zip import Archive
from augment.errors import UnsafeCheckpoint
from tests.checkpoints.assembly import saved


def written(members: dict[str, bytes], comment: bytes = b"", zip64: bool = False) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            with archive.open(name, "w", force_zip64=zip64) as member:
                member.write(data)
        archive.comment = comment
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        saved({"a": torch.arange(100.0), "b": torch.ones(3).half()}),
        written({"r/a": b"123", "r/empty": b"", "r/\u00e4": b"4"}),
        written({"r/a": b"123"}, zip64=True),
        written({}),
    ],
)
def test_members_are_those_that_zipfile_reads(data: bytes) -> None:
    archive, reference = Archive(Blob("x", data)), zipfile.ZipFile(io.BytesIO(data))
    assert list(archive.members) == reference.namelist()
    for name in archive.members:
        assert bytes(archive.read(name)) == reference.read(name)


def end64(count: int, size: int, start: int, at: int) -> bytes:
    """The ends of an archive of more than 4 GiB, which begin at byte `at`."""
    end = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, start)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, at, 1)
    full = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return end + locator + full


def test_the_list_of_a_large_archive() -> None:
    data = written({"r/a": b"123"})
    start = data.index(b"PK\1\2")
    entry = data[start : data.index(b"PK\5\6")]
    wide = entry[:20] + b"\xff" * 8 + entry[28:30] + struct.pack("<H", 28) + entry[32:42]
    wide += b"\xff" * 4 + entry[46:] + struct.pack("<2H3Q", 1, 24, 3, 3, 0)
    archive = Archive(
        Blob("x", data[:start] + wide + end64(1, len(wide), start, start + len(wide)))
    )
    assert bytes(archive.read("r/a")) == b"123"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "without its end"),
        (b"PK\3\4", "without its end"),
        (written({"r/a": b"1"}, comment=b"x"), "without its end"),
        (bytes(100) + end64(1, 2**63, 0, 100), "its list outside"),
        (bytes(100) + end64(1, 50, 50, 2**64 - 1), "list of members that is cut off"),
        (bytes(100) + end64(1, 50, 50, 0), "without its end"),
        (bytes(100) + end64(200_001, 0, 100, 100), "200001 members; expected at most 200000"),
        (bytes(100) + end64(1, 50, 50, 100), "list of members that is cut off"),
        (bytes(100) + end64(0, 50, 50, 100), "a list of 50 bytes; expected 0 for 0 members"),
        (written({"r/a": b"1", "r/b": b"2"}).replace(b"r/b", b"r/a"), "two members 'r/a'"),
        (written({"r/a": b"1"}).replace(b"r/a", b"r\\a"), "the member name"),
        (written({"r/a": b"1"}).replace(b"r/a", b"r/\xff"), "the member name"),
        (written({"r/abc": b"1"}).replace(b"r/abc", b"C:/ab"), "the member name"),
        (written({"r/abc": b"1"}).replace(b"r/abc", b"r//bc"), "the member name"),
    ],
)
def test_lists_that_are_refused(data: bytes, text: str) -> None:
    with pytest.raises(UnsafeCheckpoint, match=f"^x: zip archive .*{text}"):
        Archive(Blob("x", data))


def test_a_member_must_be_where_the_list_says() -> None:
    data = written({"r/a": b"1"})
    moved = data.replace(b"PK\3\4", b"PK\3\5")
    with pytest.raises(UnsafeCheckpoint, match="no member where 'r/a' should be"):
        Archive(Blob("x", moved)).read("r/a")
    renamed = data.replace(b"r/a", b"r/b", 1)
    with pytest.raises(UnsafeCheckpoint, match="no member where 'r/a' should be"):
        Archive(Blob("x", renamed)).read("r/a")
    start = data.index(b"PK\1\2")
    longer = data[: start + 20] + struct.pack("<2L", 99, 99) + data[start + 28 :]
    with pytest.raises(UnsafeCheckpoint, match="in another's place or outside the file"):
        Archive(Blob("x", longer)).read("r/a")
