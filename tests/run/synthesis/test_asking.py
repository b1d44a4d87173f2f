"""What is said of a translated photograph, a label map's image and a procedural one."""

from __future__ import annotations

import dataclasses

import pytest

from augment.generators import describe
from augment.plan import InputList
from augment.run.synthesis.pool_unit import source_type
from augment.sample import DigitalSourceType, Origin
from augment.spec.generators import TintGenerator

TRAINED = DigitalSourceType.TRAINED_ALGORITHMIC_MEDIA
COMPOSITE = DigitalSourceType.COMPOSITE_WITH_TRAINED
PROCEDURAL = DigitalSourceType.ALGORITHMIC_MEDIA


@pytest.mark.parametrize(
    ("own", "origin", "said"),
    [
        (TRAINED, None, TRAINED),
        (TRAINED, Origin.SYNTHETIC, TRAINED),
        (TRAINED, Origin.TRANSLATED, COMPOSITE),
        (COMPOSITE, Origin.TRANSLATED, COMPOSITE),
        (COMPOSITE, Origin.SYNTHETIC, TRAINED),
        (PROCEDURAL, Origin.TRANSLATED, PROCEDURAL),
    ],
)
def test_source_type(
    own: DigitalSourceType, origin: Origin | None, said: DigitalSourceType
) -> None:
    info = dataclasses.replace(
        describe("g", TintGenerator(family="tint")), digital_source_type=own.value
    )
    fed = None if origin is None else InputList(1, origin, {}, "")
    assert source_type(info, fed) == said.value
