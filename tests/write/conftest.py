"""Rows made from real photographs, for the tests of augment.write."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
import skimage.data
from PIL import Image

from augment.sample import (
    DigitalSourceType,
    GeneratorRef,
    Origin,
    SampleRow,
    Stamp,
    sample_table,
)

CLASSES = ("0", "no|way", "cat")


def encode(pixels: np.ndarray, kind: str) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, kind)
    return sink.getvalue()


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """(64, 64, 3) uint8, part of a real photograph."""
    return np.asarray(skimage.data.astronaut()[100:164, 200:264])


@pytest.fixture(scope="session")
def rows(photo: np.ndarray) -> Callable[..., pa.Table]:
    """rows(n, split, start=0): a sample table of n rows, every third one synthetic."""
    png = encode(photo, "png")

    def make(n: int, split: str = "train", start: int = 0) -> pa.Table:
        made = [_row(i, split, png) for i in range(start, start + n)]
        return sample_table(made, Stamp("job-0123456789ab", dt.datetime(2026, 1, 2, tzinfo=dt.UTC)))

    return make


def _row(i: int, split: str, image: bytes) -> SampleRow:
    synthetic = i % 3 == 2
    ref = GeneratorRef("a" * 64, "b" * 64, "vae", i, '{"class":"cat"}')
    return SampleRow(
        sample_id=hashlib.md5(f"{split}{i}".encode()).hexdigest(),
        image=image,
        extension="png",
        label=i % 3,
        label_name=CLASSES[i % 3],
        split=split,
        origin=Origin.SYNTHETIC if synthetic else Origin.REAL,
        generated=synthetic,
        rank=i,
        digital_source_type=DigitalSourceType.TRAINED_ALGORITHMIC_MEDIA if synthetic else None,
        width=64,
        height=64,
        sha256=hashlib.sha256(image).hexdigest(),
        source=None if synthetic else ("photos", f"{split}/{i}.png"),
        generator=ref if synthetic else None,
        scores=(("degenerate.std", 40.0),) if synthetic else (),
    )
