"""What is deployed beside a run speaks of the metrics that there are: dashboard, alerts, document.

Every query goes through a PromQL parser; names and labels are compared with the table in the
code, both ways.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from augment.run.watch.metrics import METRICS, Metric
from augment.run.watch.telling import STAGES

ROOT = Path(__file__).parents[1]
DASHBOARD = json.loads((ROOT / "deploy/grafana/augment-dashboard.json").read_text())
ALERTS = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())
SCRAPES = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [(target["expr"], target["legendFormat"]) for p in PANELS for target in p["targets"]]
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]

SERIES: dict[str, Metric] = {
    name: metric
    for metric in METRICS
    for name in (
        [f"{metric.name}_{part}" for part in ("bucket", "sum", "count")]
        if metric.kind == "histogram"
        else [metric.name]
    )
}


def parsed(text: str) -> Any:
    """A query as a tree, as Grafana would send it."""
    return promql_parser.parse(text.replace("$__rate_interval", "1m"))


def nodes(tree: Any) -> Iterator[Any]:
    """A tree's nodes: every expression that PromQL has is one of these or has these."""
    yield tree
    for name in ("lhs", "rhs", "expr", "vector_selector"):
        if (inner := getattr(tree, name, None)) is not None:
            yield from nodes(inner)
    for inner in getattr(tree, "args", ()):
        yield from nodes(inner)


def selected(tree: Any) -> list[tuple[str, set[str]]]:
    """(series, labels asked of it) of every selector."""
    return [
        (node.name, {matcher.name for matcher in node.matchers.matchers})
        for node in nodes(tree)
        if type(node).__name__ == "VectorSelector"
    ]


def grouped(tree: Any) -> set[str]:
    """Labels that aggregations keep."""
    kept = [n.modifier for n in nodes(tree) if type(n).__name__ == "AggregateExpr" and n.modifier]
    return {label for modifier in kept for label in modifier.labels}


def labels(series: str) -> set[str]:
    bucket = {"le"} if series.endswith("_bucket") else set()
    return {"job_id", *SERIES[series].labels} | bucket


@pytest.mark.parametrize("query", [q for q, _ in QUERIES] + [r["expr"] for r in RULES])
def test_a_query_asks_for_what_there_is(query: str) -> None:
    tree = parsed(query)
    asked = selected(tree)
    assert asked
    for series, matched in asked:
        assert series in SERIES, f"no metric {series}"
        assert matched | grouped(tree) <= labels(series)


def test_the_dashboard_uses_every_metric() -> None:
    used = {SERIES[series].name for query, _ in QUERIES for series, _ in selected(parsed(query))}
    assert used == {metric.name for metric in METRICS}


@pytest.mark.parametrize(("query", "legend"), QUERIES)
def test_a_legend_names_labels_that_are_left(query: str, legend: str) -> None:
    tree = parsed(query)
    left = grouped(tree) or set.union(*(labels(series) for series, _ in selected(tree)))
    assert set(re.findall(r"\{\{(\w+)\}\}", legend)) <= left


def test_counters_and_histograms_are_looked_at_as_rates() -> None:
    for query, _ in QUERIES:
        for series, _ in selected(parsed(query)):
            if SERIES[series].kind in ("counter", "histogram"):
                assert re.search(rf"rate\({series}\{{", query)


def test_every_query_of_the_dashboard_is_of_one_job() -> None:
    for query, _ in QUERIES:
        assert all("job_id" in matched for _, matched in selected(parsed(query)))
    variables = {v["name"]: v for v in DASHBOARD["templating"]["list"]}
    assert set(variables) == {"datasource", "job_id"}
    found = re.fullmatch(r"label_values\((\w+), (\w+)\)", variables["job_id"]["query"]["query"])
    assert found
    assert found[2] in labels(found[1])


def test_panels_have_places_and_names_of_their_own() -> None:
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert len({panel["title"] for panel in PANELS}) == len(PANELS)
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_alerts_say_what_is_wrong_with_labels_that_are_left() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        tree = parsed(rule["expr"])
        left = grouped(tree) or set.union(*(labels(series) for series, _ in selected(tree)))
        said = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        assert "job_id" in said <= left


def test_prometheus_reads_the_alerts_beside_its_file() -> None:
    for name in SCRAPES["rule_files"]:
        assert (ROOT / "deploy/prometheus" / name).is_file()
    names = [scrape["job_name"] for scrape in SCRAPES["scrape_configs"]]
    assert len(set(names)) == len(names)


def test_the_document_has_the_table_of_the_code() -> None:
    text = (ROOT / "docs/observability.md").read_text()
    rows = re.findall(r"^\| `(augment_\w+)` \| (.*) \|$", text, re.MULTILINE)
    assert dict(rows) == {
        m.name: " | ".join(
            (m.kind, ", ".join(f"`{label}`" for label in m.labels) or "-", m.scope, m.help)
        )
        for m in METRICS
    }
    assert [name for name, _ in rows] == [metric.name for metric in METRICS]
    assert ", ".join(STAGES) in text.replace("\n", " ")
