"""Images that our own code made once it agreed with the official programs' outputs.

A grid of 4 x 4 pixels of two of them. `AUGMENT_WRITE_GOLDEN=1 pytest tests/generators` writes them
anew; do that only after `pytest -m reference` has passed.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from augment.spec.generator_base import Translator
from tests.contracts.generator_contract import ANY_CLASSES, requests
from tests.generators.translators import host_of

_FILE = Path(__file__).parents[1] / "golden" / "translators.safetensors"


def assert_golden(name: str, spec: Translator) -> None:
    """The images of `spec`, whose weights are always the same, are those of `name`."""
    host = host_of(spec)
    batch = requests(host.info, ANY_CLASSES[:2], 1)
    # ids of their own: the masks must not move when an identity does
    batch = [dataclasses.replace(r, sample_id=f"{n:032x}") for n, r in enumerate(batch)]
    images = host.generate(batch).images
    height, width = images.shape[2] // 4, images.shape[3] // 4
    found = np.ascontiguousarray(images[:, :, ::height, ::width])
    golden = load_file(_FILE) if _FILE.exists() else {}
    if os.environ.get("AUGMENT_WRITE_GOLDEN"):
        save_file({**golden, name: found}, _FILE)
        return
    assert found.shape == golden[name].shape
    assert np.abs(found - golden[name]).max() <= 1e-4
