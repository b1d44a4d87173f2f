"""Two reports side by side: what differs is told, and nothing else."""

from __future__ import annotations

import copy
import json
from typing import Any

import jsonschema
import pytest

from augment.api import compare
from augment.audit.compare import compared, comparison_schema, render_comparison
from augment.audit.compare.comparing import moved_most
from augment.audit.findings import Finding
from tests.audit.report.values import names, report, value

CLASSES = names(3)


def figures(of: dict[str, Any], measure: str, class_name: str) -> list[dict[str, Any]]:
    """Of the generator."""
    return [one for one in of["quality"]["figures"]
            if (one["measure"], one["class"]) == (measure, class_name)
            and one["maker"] != "augmented"]  # fmt: skip


def told(before: dict[str, Any], after: dict[str, Any], **more: bool) -> str:
    found = compared(before, after)
    document = json.loads(json.dumps(found.to_json(), allow_nan=False))
    jsonschema.validate(document, comparison_schema())
    return render_comparison(found, **more)


def test_a_report_beside_itself_differs_in_nothing() -> None:
    one = value(CLASSES, findings=[Finding("collapse", "text")])
    found = compared(one, copy.deepcopy(one))
    assert (found.cells, found.limits, found.gone, found.new, found.findings) == ((),) * 5
    assert found.figures
    assert told(one, one).endswith(f"all {len(found.figures)} are the same")
    assert "rows: the same in every split and class" in told(one, one)


def test_rows_that_changed_came_or_went() -> None:
    one, two = value(CLASSES), value([*CLASSES[1:], "new"])
    found = compared(one, two)
    train = {one.class_name: one for one in found.cells if one.split == "train"}
    assert train[CLASSES[0]].after is None
    assert train["new"].before is None
    (cell,) = [one for one in value(CLASSES)["cells"]
               if one["group"] == {"split": "train", "class": CLASSES[0]}]  # fmt: skip
    assert train[CLASSES[0]].before == (
        cell["rows"], cell["real"], cell["augmented"], cell["generated"],
    )  # fmt: skip
    text = told(one, two)
    assert f"{cell['rows']} -> 0" in text
    assert "rows that changed" in text


def test_limits_whose_verdict_changed_and_those_of_one_alone() -> None:
    one, two = value(CLASSES, broken=1), value(CLASSES, broken=0)
    found = compared(one, two)
    assert [(x.class_name, x.before, x.after) for x in found.limits] == [(CLASSES[0], False, True)]
    assert "BROKEN -> kept  limits.synthetic_share.per_class 0.5" in told(one, two)
    for limit in two["limits"]:
        limit["bound"] = 0.25
    found = compared(one, two)
    assert found.limits == ()
    assert found.gone == ("limits.synthetic_share.per_class 0.5",)
    assert found.new == ("limits.synthetic_share.per_class 0.25",)
    assert "before alone  limits.synthetic_share.per_class 0.5" in told(one, two)


def test_findings_that_came_and_went() -> None:
    one = value(CLASSES, findings=[Finding("ids", "a"), Finding("ids", "a"), Finding("log", "c")])
    two = value(CLASSES, findings=[Finding("ids", "a"), Finding("ids", "b"), Finding("log", "c")])
    (found,) = compared(one, two).findings
    assert (found.check, found.before, found.after) == ("ids", 2, 2)
    assert (found.gone, found.new) == (("a",), ("b",))
    assert "    new   b" in told(one, two)


def test_a_figure_is_the_median_over_extractors_that_both_have() -> None:
    one, two = value(CLASSES), value(CLASSES)
    for of, ratios in ((one, (0.5, 0.7, 0.9)), (two, (0.4, 0.9, 1.1))):
        for figure, ratio in zip(figures(of, "coverage", CLASSES[0]), ratios, strict=True):
            figure["ratio"] = ratio
    figures(two, "coverage", CLASSES[0])[2]["value"] = None
    of_gan = [x for x in compared(one, two).figures if x.maker == "gan"]
    (found,) = [x for x in of_gan if (x.class_name, x.measure) == (CLASSES[0], "coverage")]
    assert found.extractors == ("efficientnet_lite0", "task")
    assert (found.before, found.after) == (pytest.approx(0.6), pytest.approx(0.65))
    assert (found.worse, found.apart) == (False, None)


@pytest.mark.parametrize(
    ("after", "apart", "worse"), [(0.2, True, True), (0.95, True, False), (0.58, False, True)]
)
def test_shares_whose_intervals_lie_apart(after: float, apart: bool, worse: bool) -> None:
    one, two = value(CLASSES), value(CLASSES)
    for of, share in ((one, 0.6), (two, after)):
        for label in of["quality"]["labels"]:
            label["agreement"] = share
            label["interval"] = {"low": share - 0.03, "high": share + 0.03, "level": 0.95}
    found = [x for x in compared(one, two).figures if x.measure == "agreement"]
    assert {(x.apart, x.worse) for x in found} == {(apart, worse)}
    assert len(found) == 6, "of the generator and the copies; real images have none"
    lines = told(one, two, everything=True).splitlines()
    shown = [line for line in lines if " agreement  " in line]
    assert len(shown) == 6
    assert all(line.endswith(("worse", "better")) is apart for line in shown)


def test_what_moved_most_comes_first() -> None:
    one, two = value(CLASSES), value(CLASSES)
    for label in two["quality"]["labels"]:
        low = 0.1 if label["class"] == CLASSES[1] else label["agreement"]
        label["agreement"] = low
        label["interval"] = {"low": low - 0.01, "high": low + 0.01, "level": 0.95}
    first = moved_most(compared(one, two).figures)[0]
    assert (first.measure, first.class_name, first.worse) == ("agreement", CLASSES[1], True)


def test_where_one_was_not_measured_nothing_is_said() -> None:
    one, two = value(CLASSES), value(CLASSES, quality=False)
    assert compared(one, two).figures == ()
    assert "not compared, after was not measured; ask with --quality" in told(one, two)
    assert "not compared, neither was measured" in told(two, two)


def test_thousands_of_classes_are_folded() -> None:
    some = names(2000)
    one, two = value(some, quality=False), value(some[:1000], quality=False, broken=0)
    assert len(told(one, two).splitlines()) < 60
    assert len(told(one, two, everything=True).splitlines()) > 2000


def test_names_of_others_are_one_line_each() -> None:
    one, two = value(["a\nb", "c"], quality=False), value(["c"], quality=False)
    assert "a\\nb" in told(one, two)


def test_two_values_of_an_audit() -> None:
    found = compare(report(CLASSES), report(CLASSES[:2]))
    assert found.before.rows > found.after.rows
    assert found == compared(value(CLASSES), value(CLASSES[:2]))
