"""Other inputs from those to begin with: each follows from (seed, number) alone.

What is changed is what readers trust: bytes, lengths and counts, decimal numbers in texts,
order and repetition; ends are cut off, and two inputs are put together. Knows no format
beyond the tokens that a target names.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence

from tests.fuzz.frame import Target

MAX_BYTES = 1 << 20
_ODD = (0, 1, 2, 7, 127, 128, 255, 256, 32767, 32768, 65535, 65536, (1 << 31) - 1, 1 << 31,
        (1 << 32) - 1, 1 << 32, (1 << 53) + 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)  # fmt: skip
_DIGITS = re.compile(rb"-?\d+(\.\d+)?([eE][+-]?\d+)?")
_DECIMALS = (b"0", b"-1", b"1e999", b"-0.0", b"99999999999999999999", b"1" * 400, b"NaN",
             b"Infinity", b"-Infinity", b"null", b"true", b'"x"', b"[]", b"{}")  # fmt: skip


def inputs(target: Target, seed: int, count: int | None = None) -> Iterator[bytes]:
    """`count` mutations (None: for ever) of what the target begins with."""
    whole = [data for _, data in sorted(target.seeds().items())]
    number = 0
    while count is None or number < count:
        yield mutated(whole, target.tokens, f"{target.name}/{seed}/{number}")
        number += 1


def mutated(whole: Sequence[bytes], tokens: Sequence[bytes], seed: str) -> bytes:
    """One of the inputs, changed in up to six places."""
    rng = random.Random(seed)
    data = rng.choice(whole)
    ways = [*_WAYS, *([_token] * 3 if tokens else [])]
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4, 6))):
        way = rng.choice(ways)
        data = _spliced(rng, data, whole) if way is _spliced else way(rng, data, tokens)
    return data[:MAX_BYTES]


def _flipped(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at = _at(rng, data)
    return data[:at] + bytes([byte ^ (1 << rng.randrange(8)) for byte in data[at : at + 1]]) + (
        data[at + 1 :]
    )  # fmt: skip


def _drawn(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at, new = _at(rng, data), rng.randbytes(rng.choice((1, 1, 2, 4, 8)))
    return data[:at] + new + data[at + rng.choice((0, len(new))) :]


def _odd_number(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at, width = _at(rng, data), rng.choice((1, 2, 4, 8))
    return data[:at] + _packed(rng, rng.choice(_ODD), width) + data[at + width :]


def _length(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    """A number that may be a length (it fits in what follows) becomes another."""
    for _try in range(16):
        at, width = _at(rng, data), rng.choice((1, 2, 4, 8))
        order = rng.choice(("little", "big"))
        found = int.from_bytes(data[at : at + width], order)
        if 0 < found <= len(data):
            new = rng.choice((found - 1, found + 1, found * 2, len(data), *_ODD))
            return data[:at] + (new % (1 << 8 * width)).to_bytes(width, order) + data[at + width :]
    return _odd_number(rng, data, ())


def _decimal(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    found = list(_DIGITS.finditer(data[: 1 << 16]))
    if not found:
        return _flipped(rng, data, ())
    one = rng.choice(found)
    return data[: one.start()] + rng.choice(_DECIMALS) + data[one.end() :]


def _cut(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    return data[: _at(rng, data)]


def _left_out(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at = _at(rng, data)
    return data[:at] + data[at + _some(rng, data) :]


def _repeated(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at, size = _at(rng, data), _some(rng, data)
    times = min(rng.choice((1, 2, 3, 16, 256)), 1 + MAX_BYTES // 16 // max(1, size))
    return data[: at + size] + data[at : at + size] * times + data[at + size :]


def _moved(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at, size = _at(rng, data), _some(rng, data)
    part, rest = data[at : at + size], data[:at] + data[at + size :]
    to = _at(rng, rest)
    return rest[:to] + part + rest[to + rng.choice((0, size)) :]


def _token(rng: random.Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    at, new = _at(rng, data), rng.choice(tokens)
    return data[:at] + new + data[at + rng.choice((0, 0, len(new))) :]


def _spliced(rng: random.Random, data: bytes, whole: Sequence[bytes]) -> bytes:
    other = rng.choice(whole)
    return data[: _at(rng, data)] + other[_at(rng, other) :]


_WAYS: tuple[Callable[[random.Random, bytes, Sequence[bytes]], bytes], ...] = (
    _flipped, _flipped, _drawn, _odd_number, _length, _length, _decimal, _cut, _left_out,
    _repeated, _moved, _spliced,
)  # fmt: skip


def _at(rng: random.Random, data: bytes) -> int:
    """A place in the data; near its start and end more often, where heads and lists stand."""
    place = rng.random()
    if place < 0.2:
        return rng.randrange(min(64, len(data)) + 1)
    if place < 0.3:
        return len(data) - rng.randrange(min(64, len(data)) + 1)
    return rng.randrange(len(data) + 1)


def _some(rng: random.Random, data: bytes) -> int:
    return rng.choice((1, 1, 2, 4, 8, 16, 40, 128, 1 + len(data) // 4))


def _packed(rng: random.Random, value: int, width: int) -> bytes:
    return (value % (1 << 8 * width)).to_bytes(width, rng.choice(("little", "big")))
