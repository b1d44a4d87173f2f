"""What a request is held to, whatever the family."""

from __future__ import annotations

import pytest

from augment.errors import RequestError
from augment.generators.protocol import GeneratorInfo, SampleRequest, need_class


@pytest.mark.parametrize("known", [("cat", "dog"), {"cat": 3, "dog": 1}])
def test_a_class_that_is_not_known_is_refused_with_those_that_are(
    known: tuple[str, ...] | dict[str, int],
) -> None:
    info = GeneratorInfo("g", "any", "1" * 64, "2" * 64, "", tuple(known), 8, 8, 3, None, "")
    need_class(info, SampleRequest("0" * 32, "dog", 0), known)
    text = "generators.g: cannot make class 'dig'; it knows 2: 'cat', 'dog'; did you mean 'dog'?"
    with pytest.raises(RequestError) as raised:
        need_class(info, SampleRequest("0" * 32, "dig", 0), known)
    assert str(raised.value) == text
