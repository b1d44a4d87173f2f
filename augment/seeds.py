"""Identity and randomness: pure functions of the request and its inputs.

A sample id is a 128-bit BLAKE2b hash over named, length-prefixed fields; every
random number of a sample comes from a Philox stream keyed by (sample id, stream
name). Nothing here depends on cluster size, batch, retry, engine or time, and
nothing uses a global generator.

Sources: BLAKE2 (RFC 7693); Philox4x64 (Salmon et al., "Parallel Random Numbers:
As Easy as 1, 2, 3", SC 2011), 128-bit keys as in `numpy.random.Philox`.
"""

from __future__ import annotations

import functools
import hashlib
import json
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

_SCHEME = "augment/1"
_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


def canonical_json(value: Any) -> str:
    """The one text of a JSON value: sorted keys, no spaces, UTF-8, no NaN.

    Raises:
        ValueError: the value holds NaN or infinity. TypeError: it is not JSON.
    """
    return _ENCODER.encode(value)


def digest(value: Any) -> str:
    """SHA-256 (64 hex digits) of `canonical_json(value)`."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def hash128(kind: str, *fields: str | int) -> bytes:
    """16 bytes over `kind` and the fields; fields are typed and length-prefixed,
    so ("a", "bc") and ("ab", "c") differ, and so do 1 and "1"."""
    raw = b"".join([_field(field) for field in (_SCHEME, kind, *fields)])
    return hashlib.blake2b(raw, digest_size=16).digest()


def _field(field: str | int) -> bytes:
    tag, data = (b"i", str(field)) if isinstance(field, int) else (b"s", field)
    raw = data.encode()
    return tag + len(raw).to_bytes(8, "little") + raw


_STREAM = hashlib.blake2b(_field(_SCHEME) + _field("stream"), digest_size=16)
"""What the hashes of all streams begin with."""


def normalise_locator(locator: str) -> str:
    """A locator as it enters ids: '/'-separated, Unicode NFC, without a leading './'."""
    return unicodedata.normalize("NFC", locator.replace("\\", "/")).removeprefix("./")


def real_id(source: str, locator: str) -> str:
    """Id (32 hex digits) of an untouched real image: its source's name and its place in it."""
    return hash128("real", source, normalise_locator(locator)).hex()


def augmented_id(seed: int, parent_id: str, augmentation_digest: str, copy: int) -> str:
    """Id of copy number `copy` (from 0) of `parent_id` under one augmentation."""
    return hash128("augmented", seed, parent_id, augmentation_digest, copy).hex()


def synthetic_id(
    seed: int,
    generator_identity: str,
    sampling_digest: str,
    conditioning: str,
    index: int,
    parent_id: str = "",
) -> str:
    """Id of point `index` (from 0) of the universe (seed, generator, sampling) under one
    conditioning (canonical JSON) and, where it is made from an image, one parent."""
    return hash128(
        "synthetic", seed, generator_identity, sampling_digest, conditioning, parent_id, index
    ).hex()


def synthetic_ids(
    seed: int,
    generator_identity: str,
    sampling_digest: str,
    conditioning: str,
    indexes: Iterable[int],
    parent_id: str = "",
) -> Iterator[str]:
    """`synthetic_id` of each of `indexes`; hashes what they share only once."""
    shared = hashlib.blake2b(digest_size=16)
    same = (seed, generator_identity, sampling_digest, conditioning, parent_id)
    for field in (_SCHEME, "synthetic", *same):
        shared.update(_field(field))
    for index in indexes:
        state = shared.copy()
        state.update(_field(index))
        yield state.hexdigest()


@functools.lru_cache(maxsize=1 << 16)
def class_conditioning(label_name: str) -> str:
    """The conditioning of a sample that is made from its class alone."""
    return canonical_json({"class": label_name})


def stream(sample_id: str, name: str) -> np.random.Generator:
    """The random stream `name` (for example "z" or "transform") of one sample."""
    key = int.from_bytes(hash128("stream", sample_id, name), "little")
    return np.random.Generator(np.random.Philox(key=key))


class Rewound:
    """One generator that is set to the start of any stream in turn: it draws what
    `stream(sample_id, name)` draws, for a third of the cost of making a generator."""

    def __init__(self) -> None:
        self._bits = np.random.Philox(key=0)
        self._start = self._bits.state
        self.generator = np.random.Generator(self._bits)

    def to(self, sample_id: str, name: str) -> np.random.Generator:
        """`generator`, the same object each time, at the start of that stream."""
        state = _STREAM.copy()  # what `hash128("stream", sample_id, name)` gives, for half
        state.update(_field(sample_id) + _field(name))
        self._start["state"]["key"] = np.frombuffer(state.digest(), dtype=np.uint64)
        self._bits.state = self._start
        return self.generator


def normals(sample_ids: Sequence[str], name: str, n: int) -> np.ndarray:
    """(len(sample_ids), n) float64: row i is `stream(sample_ids[i], name).standard_normal(n)`."""
    out = np.empty((len(sample_ids), n))
    rewound = Rewound()
    for row, sample_id in zip(out, sample_ids, strict=True):
        rewound.to(sample_id, name).standard_normal(out=row)
    return out


def integer(sample_id: str, name: str, bits: int = 64) -> int:
    """A seed of `bits` bits (at most 128) for a library that demands an integer."""
    if not 1 <= bits <= 128:
        raise ValueError(f"bits is {bits}; expected 1 to 128")
    return int.from_bytes(hash128("stream", sample_id, name), "little") >> (128 - bits)


def order_key(seed: int, purpose: str, identity: str) -> bytes:
    """16 bytes that put things into a seeded order: sort by it."""
    return hash128("order", seed, purpose, identity)


class Permutation:
    """A keyed bijection on 0 .. n-1 that needs no memory: a balanced Feistel network over
    the next even number of bits, walked along its cycle until it lands below n
    (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", CT-RSA 2002).

    For shuffling, not for secrecy.
    """

    rounds = 6

    def __init__(self, n: int, key: Sequence[str | int]) -> None:
        if n < 1:
            raise ValueError(f"n is {n}; expected at least 1")
        self.n = n
        self._half = max(1, ((n - 1).bit_length() + 1) // 2)
        self._mask = np.uint64((1 << self._half) - 1)
        raw = b"".join(hash128("permutation", *key, r) for r in range(self.rounds))
        self._keys = np.frombuffer(raw, dtype=np.uint64)

    def __call__(self, positions: np.ndarray) -> np.ndarray:
        """Images of `positions` (int64, each 0 .. n-1), int64 of the same shape."""
        x = np.asarray(positions, dtype=np.int64)
        if x.size and (int(x.min()) < 0 or int(x.max()) >= self.n):
            raise ValueError(f"positions must lie in 0 .. {self.n - 1}")
        out = self._encrypt(x.astype(np.uint64))
        while (outside := out >= np.uint64(self.n)).any():
            out[outside] = self._encrypt(out[outside])
        return out.astype(np.int64)

    def _encrypt(self, x: np.ndarray) -> np.ndarray:
        half = np.uint64(self._half)
        left, right = x >> half, x & self._mask
        for r in range(self.rounds):
            left, right = right, left ^ (self._mix(right, r) & self._mask)
        return (left << half) | right

    def _mix(self, x: np.ndarray, r: int) -> np.ndarray:
        # splitmix64's finaliser (Steele, Lea, Flood 2014) over a keyed input
        z: np.ndarray = (x + self._keys[2 * r]) ^ self._keys[2 * r + 1]
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
        return z
