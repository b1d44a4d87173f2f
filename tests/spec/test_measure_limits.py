"""Which extractors a run needs to judge bounds before its commit."""

from __future__ import annotations

import pytest

from augment.features.asked import FILELESS
from augment.run.auditing import DEFAULT
from augment.spec.measure_limits import GATE_EXTRACTORS, MeasureLimit, extractors_of


def test_a_run_measures_by_those_of_an_audit() -> None:
    assert GATE_EXTRACTORS == DEFAULT
    assert set(GATE_EXTRACTORS) == set(FILELESS)


@pytest.mark.parametrize(
    ("measures", "expected"),
    [
        ([], ()),
        ([{"measure": "repeats"}], ()),
        ([{"measure": "agreement"}], ("task",)),
        ([{"measure": "coverage", "extractor": "random"}], ("random",)),
        ([{"measure": "coverage", "extractor": "random"}, {"measure": "agreement"}],
         ("task", "random")),
        ([{"measure": "coverage"}], GATE_EXTRACTORS),
        ([{"measure": "copies_of_train"}], GATE_EXTRACTORS),
    ],
)  # fmt: skip
def test_only_what_the_bounds_need(
    measures: list[dict[str, str]], expected: tuple[str, ...]
) -> None:
    assert extractors_of([MeasureLimit.model_validate(one) for one in measures]) == expected
