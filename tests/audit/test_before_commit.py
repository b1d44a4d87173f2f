"""Results of a run's own measuring, in the report of the version that it committed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from augment.audit import AuditReport, audit
from augment.audit.before_commit import judged_before, shards_digest
from augment.audit.table import Shard, open_data_set
from augment.spec.models import Limits
from tests.audit.conftest import TableBuilder, small_set

NAME = "limits.measures.agreement.fail_below"
LIMITS = Limits.model_validate(
    {"min_rows_per_class": {"train": 1}, "measures": [{"measure": "agreement", "fail_below": 0.9}]}
)


@pytest.fixture
def built(builder: TableBuilder) -> tuple[AuditReport, tuple[Shard, ...]]:
    uri = builder.build(small_set()).uri
    return audit(uri, limits=LIMITS), open_data_set(uri).shards


def kept(shards: tuple[Shard, ...], **changes: Any) -> dict[str, Any]:
    result = {"limit": NAME, "split": "train", "class": "0", "value": 0.5, "bound": 0.9,
              "ok": False, "by_how_much": 0.4, "text": "too low", "job": "j"}  # fmt: skip
    usual = {"shards": shards_digest(shards), "bounds": [[NAME, 0.9]], "limits": [result],
             "warnings": ["near"]}  # fmt: skip
    return usual | changes


def test_what_was_measured_stands_in_place_of_what_nobody_measured(
    built: tuple[AuditReport, tuple[Shard, ...]],
) -> None:
    report, shards = built
    assert [one.ok for one in report.limits if one.limit == NAME] == [None]
    found = judged_before(report, shards, kept(shards))
    assert [(o.class_name, o.ok, o.job) for o in found.limits if o.limit == NAME] == [
        ("0", False, None)
    ]
    rows = [one for one in report.limits if one.limit != NAME]
    assert [one for one in found.limits if one.limit != NAME] == rows
    assert rows
    assert [f.text for f in found.findings if f.check == "measures" and f.warns] == ["near"]
    assert found.verdict == "failed"


def test_of_other_shards_or_by_other_bounds_it_says_nothing(
    built: tuple[AuditReport, tuple[Shard, ...]],
) -> None:
    report, shards = built
    grown = (replace(shards[0], size=shards[0].size + 1), *shards[1:])
    for one in (
        None, {}, kept(grown), kept(shards[1:]), kept(shards, bounds=[[NAME, 0.8]]),
        kept(shards, bounds=[]), kept(shards, limits=[{}]), kept(shards, limits=3),
        kept(shards, bounds=[[NAME]]),
    ):  # fmt: skip
        assert judged_before(report, shards, one) is report


def test_the_digest_is_of_names_and_sizes_in_any_order() -> None:
    a, b = Shard("a", 1, 5), Shard("b", 2)
    assert shards_digest([a, b]) == shards_digest([b, replace(a, rows=None)])
    assert shards_digest([a, b]) != shards_digest([a])
    assert shards_digest([a, b]) != shards_digest([a, replace(b, size=3)])
