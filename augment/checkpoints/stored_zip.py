"""The members of a zip archive that only stores: views into its bytes, nothing copied.

torch.save compresses nothing, so an archive that needs inflating is not one of its files,
and a bomb cannot be written. Refused: compressed or encrypted members, names that leave the
archive, two members of one name, members that overlap or lie outside the file, wrong sums.
The list at the end of the file is what counts. Knows nothing of torch.

Source: PKWARE APPNOTE 6.3.10, sections 4.3.7, 4.3.12 and 4.3.14 to 4.3.16.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from augment.checkpoints.blob import DAMAGED, Blob, shown
from augment.checkpoints.limits import MAX_DIRECTORY_BYTES, MAX_KEY_CHARS, MAX_MEMBERS
from augment.errors import UnsafeCheckpoint

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_IN_EXTRA = 0xFFFFFFFF


@dataclass(frozen=True)
class Member:
    """One entry of the list. size, stored: bytes of the member and in the file. header:
    where it starts."""

    name: str
    method: int
    flags: int
    crc: int
    size: int
    stored: int
    header: int


class Archive:
    """The list of an archive; members are checked when they are read."""

    def __init__(self, blob: Blob) -> None:
        """Raises:
        UnsafeCheckpoint: it is no whole archive, or has too many or hostile names.
        """
        self._blob = blob
        self._checked = False
        try:
            start, size, count = _directory(blob)
            if size > MAX_DIRECTORY_BYTES or count > MAX_MEMBERS:
                raise self._refused(f"{count} members", f"at most {MAX_MEMBERS}")
            self._end = start
            self.members = self._listed(blob.view[start : start + size], count)
        except (struct.error, OverflowError):
            raise self._refused("a list of members that is cut off", "a whole archive") from None

    def read(self, name: str) -> memoryview:
        """The bytes of a member.

        Raises:
            UnsafeCheckpoint: the archive is not stored plainly, or the bytes are damaged.
        """
        if not self._checked:
            self._check_all()
        member = self.members[name]
        start = self._data_start(member)
        data = self._blob.view[start : start + member.size]
        if zlib.crc32(data) != member.crc:
            raise self._refused(
                f"member {shown(name)} with a wrong checksum", "the one in its list"
            )
        return data

    def _refused(self, came: str, expected: str) -> UnsafeCheckpoint:
        return self._blob.refusal(f"zip archive has {came}", expected, DAMAGED)

    def _listed(self, directory: memoryview, count: int) -> dict[str, Member]:
        members: dict[str, Member] = {}
        at = 0
        for _ in range(count):
            member, at = _entry(directory, at)
            if not _is_name(member.name):
                raise self._refused(f"the member name {shown(member.name)}", "a name inside it")
            if member.name in members:
                raise self._refused(f"two members {shown(member.name)}", "one of a name")
            members[member.name] = member
        if at != len(directory):
            raise self._refused(f"a list of {len(directory)} bytes", f"{at} for {count} members")
        return members

    def _check_all(self) -> None:
        end = 0
        for member in sorted(self.members.values(), key=lambda m: m.header):
            if member.flags & 0x2041:
                raise self._refused(f"the encrypted member {shown(member.name)}", "none")
            if member.method != 0 or member.size != member.stored:
                raise self._blob.refusal(
                    f"zip archive has the compressed member {shown(member.name)}",
                    "stored members, as torch.save writes them",
                )
            start = self._data_start(member)
            if member.header < end or start + member.size > self._end:
                came = f"the member {shown(member.name)} in another's place or outside the file"
                raise self._refused(came, "members one after the other")
            end = start + member.size
        self._checked = True

    def _data_start(self, member: Member) -> int:
        """Behind the local header, which must name the member that the list names."""
        try:
            fields = _LOCAL.unpack_from(self._blob.view, member.header)
        except (struct.error, OverflowError):
            raise self._refused(f"no member where {shown(member.name)} should be", "one") from None
        name_at = member.header + _LOCAL.size
        name = bytes(self._blob.view[name_at : name_at + fields[9]])
        if fields[0] != b"PK\3\4" or name != member.name.encode("utf-8"):
            raise self._refused(f"no member where {shown(member.name)} should be", "one")
        return name_at + int(fields[9]) + int(fields[10])


def _directory(blob: Blob) -> tuple[int, int, int]:
    """(start, bytes, entries) of the list; archives with a comment are none of torch's."""
    at = len(blob) - _END.size
    found = _END.unpack_from(blob.view, at) if at >= 0 else (b"",)
    if found[0] != b"PK\5\6" or found[7] != 0:
        raise blob.refusal("zip archive without its end", "a whole archive", DAMAGED)
    count, size, start = found[4], found[5], found[6]
    locator = _LOCATOR.unpack_from(blob.view, at - _LOCATOR.size) if at >= _LOCATOR.size else ()
    if locator and locator[0] == b"PK\6\7":
        end64 = _END64.unpack_from(blob.view, locator[2])
        if end64[0] != b"PK\6\6":
            raise blob.refusal("zip archive without its end", "a whole archive", DAMAGED)
        count, size, start = end64[7], end64[8], end64[9]
    if start + size > at:
        raise blob.refusal("zip archive with its list outside", "a whole archive", DAMAGED)
    return start, size, count


def _entry(directory: memoryview, at: int) -> tuple[Member, int]:
    fields = _CENTRAL.unpack_from(directory, at)
    signature, _, _, flags, method, _, _, crc, stored, size, *lengths = fields
    name_length, extra_length, comment_length, _, _, _, header = lengths
    if signature != b"PK\1\2":
        raise struct.error
    name_at = at + _CENTRAL.size
    extra_at = name_at + name_length
    extra = bytes(directory[extra_at : extra_at + extra_length])
    size, stored, header = _wide(extra, [size, stored, header])
    # a name that is no UTF-8 gets U+FFFD, which no name may have
    name = bytes(directory[name_at:extra_at]).decode("utf-8", "replace")
    end = extra_at + extra_length + comment_length
    return Member(name, method, flags, crc, size, stored, header), end


def _wide(extra: bytes, narrow: list[int]) -> list[int]:
    """Sizes that do not fit in 32 bits stand in the extra field 1, in this order."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            wide = iter(struct.unpack_from(f"<{length // 8}Q", extra, at + 4))
            return [next(wide, n) if n == _IN_EXTRA else n for n in narrow]
        at += 4 + length
    return narrow


def _is_name(name: str) -> bool:
    plain = name.isprintable() and not set(name) & set("\\:\ufffd") and len(name) <= MAX_KEY_CHARS
    return plain and all(part not in ("", ".", "..") for part in name.removesuffix("/").split("/"))
