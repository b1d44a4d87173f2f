"""What a report says: the verdict in a sentence, each figure where it belongs, gaps named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from augment.audit import audit_schema
from augment.audit.findings import Finding
from augment.audit.report.blocks import (
    Chart,
    Code,
    Command,
    Gallery,
    Mark,
    Picture,
    Section,
    Table,
    Text,
)
from augment.audit.report.judged import sentence
from augment.audit.report.origins import Origins, provenance
from augment.audit.report.sections import Pictures, sections
from augment.audit.report.trouble import trouble_of
from augment.audit.shares import Share
from tests.audit.report.values import VAE, names, report, value

EMPTY = replace(
    report([], quality=False), whole=Share((), 0, 0, 0, 0), splits=(), cells=(), limits=(),
    checks=(), version=None,
)  # fmt: skip


def of(found: Any, name: str) -> Section:
    return next(s for s in sections(found, Origins(), Pictures(), "0") if s.name == name)


def texts(section: Section) -> str:
    return " ".join(b.text for b in section.blocks if isinstance(b, Text | Command))


def table(section: Section, name: str) -> Table:
    return next(b for b in section.blocks if isinstance(b, Table) and b.name == name)


def charts(section: Section) -> dict[str, Chart]:
    return {b.name: b for b in section.blocks if isinstance(b, Chart)}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (value(names(3)), "Version 3 fails: 1 limit is broken."),
        (
            value(names(3), broken=2,
                  findings=[Finding("log", "x"), Finding("a", "b", warns=True)]),
            "Version 3 fails: 2 limits are broken and 1 finding stands against it; "
            "1 warning to weigh.",
        ),
        (
            value(names(3), broken=0),
            "Version 3 passes: 1 check found nothing that fails it and limits are kept in 3 "
            "places.",
        ),
        (
            {**value(names(3), broken=0), "counts_from": "log"},
            "Version 3 passes: 1 check found nothing that fails it and limits are kept in 3 "
            "places; by what commits counted alone, no row was read.",
        ),
        (EMPTY.to_json(), "This data set is not judged: it has no rows."),
    ],
)  # fmt: skip
def test_the_verdict_is_one_sentence(found: Any, said: str) -> None:
    assert sentence(found) == said


def test_a_data_set_without_rows_has_a_report() -> None:
    found = EMPTY.to_json()
    assert texts(of(found, "composition")) == "There are no rows."
    assert "No limits on rows were given" in texts(of(found, "limits"))
    assert not [c for s in sections(found, Origins(), Pictures(), "0") for c in charts(s)]


def test_what_was_not_asked_for_says_how_to_ask() -> None:
    found = value(names(2), quality=False)
    for name in ("fidelity", "diversity", "labels"):
        section = of(found, name)
        assert "This was not asked for" in texts(section)
        assert "augment audit /data/set --version 3 --quality" in texts(section)
        assert not charts(section)


def test_what_nothing_measured_says_so_without_a_chart() -> None:
    found = value(names(2))
    assert "no study ran" in texts(of(found, "utility"))
    assert "Near copies" in texts(of(found, "copies"))
    assert "augment audit /data/set --version 3 --quality --copies" in texts(of(found, "copies"))
    assert "No figure here proves privacy" in texts(of(found, "copies"))
    assert not charts(of(found, "utility"))
    assert not charts(of(found, "copies"))


def test_copies_say_how_well_they_are_found_and_what_was_found() -> None:
    found = value(names(2), copies=True)
    pair = (Picture("a", "generated", None, "made"), Picture("a", "real", None, "own"))
    pictures = Pictures(pairs={"train": [pair], "leaks": [pair]}, twins={"train": [pair]})
    (section,) = (s for s in sections(found, Origins(), pictures, "0") if s.name == "copies")
    assert "Least is found of warped: 61 %." in charts(section)["recall"].about
    said = texts(section)
    assert "Beside 90 of 100 real images of their own split: an image is called a copy" in said
    assert "2 of 60 generated images are called copies." in said
    assert "equal pixels alone were looked for, n < 100; 2 of 60" in said
    assert "7.5% of split test is in train: 3 of 40 real images repeat one of it" in said
    assert "No figure here proves privacy" in said
    rows = table(section, "copies-train").rows
    assert [row.cells[5] for row in rows] == ["equal", "mirrored"]
    galleries = [b.name for b in section.blocks if isinstance(b, Gallery)]
    assert galleries == ["pairs-train", "twins-train", "leaks"]
    commands = {row.cells[0]: row.cells[1] for row in table(of(found, "method"), "commands").rows}
    assert "--quality --copies --seed 0" in str(commands["Copies and leaks"])


def test_scores_are_spread_about_the_threshold_and_counted() -> None:
    section = of(value(names(2), copies=True), "copies")
    assert [name for name in charts(section) if name.startswith("scores")] == ["scores-train"]
    chart = charts(section)["scores-train"]
    assert "are 1 of 6 other real images, which set it, and 2 of 60 generated" in chart.about
    assert "Of the generated ones 1 resemble none at all" in chart.about
    steps, rule = chart.spec["layer"]
    assert rule["encoding"]["x"]["datum"] == 0.0
    assert steps["mark"]["interpolate"] == "step"
    drawn = {(one["m"], one["x"]): one["v"] for one in chart.spec["data"]["values"]}
    assert drawn["generated images", -1.25] == 0.95
    assert drawn["generated images", 7.25] == drawn["other real images", -3.75] == 0.0
    assert drawn["other real images", -1.25] == pytest.approx(2 / 6, abs=1e-6)
    bins = table(section, "bins-train").rows
    assert [row.cells for row in bins if row.cells[2:] != ("0", "0")] == [
        ("-3.5", "-3", "1", "0"), ("-1.5", "-1", "2", "57"), ("-0.5", "0", "1", "0"),
        ("0", "0.5", "1", "1"), ("6.5", "7", "0", "1"),
    ]  # fmt: skip


def test_a_report_from_before_scores_were_kept_has_no_chart_of_them() -> None:
    found = value(names(2), copies=True)
    for side in found["quality"]["copies"]:
        del side["scores"]
    jsonschema.validate(found, audit_schema())
    assert set(charts(of(found, "copies"))) == {"recall"}


def test_composition_counts_every_cell_and_the_whole() -> None:
    found = value(names(2))
    rows = table(of(found, "composition"), "cells").rows
    assert [row.cells[:3] for row in rows] == [
        ("test", "class 0000", str(found["cells"][0]["rows"])),
        ("test", "class 0001", str(found["cells"][1]["rows"])),
        ("train", "class 0000", str(found["cells"][2]["rows"])),
        ("train", "class 0001", str(found["cells"][3]["rows"])),
        ("test", "all", str(found["splits"][0]["rows"])),
        ("train", "all", str(found["splits"][1]["rows"])),
        ("all", "all", str(found["rows"])),
    ]


def test_the_split_with_made_rows_is_drawn_first() -> None:
    assert list(charts(of(value(names(2)), "composition"))) == ["rows-train", "rows-test"]


def test_of_many_classes_those_with_broken_limits_are_drawn() -> None:
    found = value(names(300), broken=5, quality=False)
    drawn = charts(of(found, "composition"))
    shown = {one["c"] for one in drawn["rows-train"].spec["data"]["values"]}
    assert set(names(300)[:5]) < shown
    assert len(shown) == 20
    assert "20 of 300 classes" in drawn["rows-train"].about
    assert "all-train" in drawn


def test_a_limit_is_drawn_beside_its_bound_and_broken_ones_come_first() -> None:
    section = of(value(names(4), broken=2), "limits")
    (chart,) = charts(section).values()
    bars, rule = chart.spec["layer"]
    assert rule["encoding"]["x"]["datum"] == 0.5
    assert [one["s"] for one in chart.spec["data"]["values"]] == ["broken"] * 2 + ["kept"] * 2
    assert bars["encoding"]["x"]["field"] == "v"
    rows = table(section, "limit-table").rows
    assert [row.cells[0] for row in rows] == [Mark("broken", "fail")] * 2 + [Mark("kept", "ok")] * 2


def test_findings_that_fail_come_before_warnings() -> None:
    some = [Finding("a", "mild", warns=True), Finding("b", "grave")]
    rows = table(of(value(names(2), findings=some), "findings"), "finding-table").rows
    assert [(row.cells[2], row.group) for row in rows] == [("grave", "b"), ("mild", "a")]


def test_each_class_stands_beside_real_against_real() -> None:
    found = value(names(2))
    section = of(found, "diversity")
    values = charts(section)["beside-real"].spec["data"]["values"]
    figures = [one for one in found["quality"]["figures"] if one["reference"]]
    assert len(values) == len(figures)
    assert {(one["lo"], one["hi"]) for one in values if one["f"] == "coverage"} == {(0.8, 1.0)}
    rows = table(section, "per-class").rows
    assert {row.cells[:3] for row in rows} >= {("train", "class 0000", "gan"),
                                               ("train", "class 0001", "augmented")}  # fmt: skip


def test_confusions_and_the_quarantine_list_are_counted() -> None:
    section = of(value(names(3)), "labels")
    assert {"agreement", "confusion"} == set(charts(section))
    confusions = table(section, "confusions").rows
    assert ("class 0000", "class 0001", "3", "80", "4 %") in {row.cells for row in confusions}
    quarantine = table(section, "quarantine")
    assert quarantine.title == "Quarantine: 6 made images that show least of their label"
    assert quarantine.rows[0].cells[0] == Code("0" * 32, "0" * 12)


def test_trouble_knows_limits_figures_and_labels_that_nobody_sees() -> None:
    found = value(names(2))
    for one in found["quality"]["figures"]:
        one["apart"] = False
    for one in found["quality"]["labels"]:
        one["agreement"] = 0.0 if one["class"] == "class 0001" else 1.0
    assert trouble_of(found) == {("train", "class 0000"): 100.0, ("train", "class 0001"): 20.0}


def test_generators_say_licence_and_digests_and_what_is_not_said() -> None:
    body = {
        "created_at": "2026", "seed": 7, "about": {"owner": "me"},
        "sources": {"s": {"format": "parquet", "license": "MIT"}, "t": "?"},
        "generators": {
            "gan": {"id": VAE, "family": "stylegan2", "license": "CC0",
                    "checkpoint_sha256": "c" * 64,
                    "trained_on": [{"source": "s", "splits": ["train"]}]},
            "odd": [1],
        },
    }  # fmt: skip
    section = provenance(value(names(2)), Origins.of({"job-1": body, "job-2": {"sources": 3}}))
    rows = [row.cells for row in table(section, "generators").rows]
    assert rows[0] == ("gan", "stylegan2", "CC0", "s (train)", Code(VAE, VAE[:12]),
                       Code("c" * 64, "c" * 12))  # fmt: skip
    assert rows[1][:4] == ("odd", "not said", "not said", "not said")
    assert table(section, "sources").rows[0].cells == ("job-1", "s", "parquet", "MIT")
    assert table(section, "jobs").rows[0].cells == ("job-1", "2026", "7", "me", "not said")


def test_the_method_names_a_command_for_every_figure() -> None:
    found = {**value(names(2)), "limits_from": "given", "uri": "/data/my set"}
    section = of(found, "method")
    commands = {row.cells[0]: row.cells[1] for row in table(section, "commands").rows}
    assert commands["Composition"] == Code(
        "augment audit '/data/my set' --version 3 --limits FILE --json", copied=True
    )
    assert commands["Labels"] == Code(
        "augment audit '/data/my set' --version 3 --limits FILE --quality --seed 0 "
        "--extractor=efficientnet_lite0 --extractor=task --extractor=random --extractor=clip=FILE "
        "--json",
        copied=True,
    )
    assert table(section, "extractors").rows[-1].cells == (
        "clip",
        "not computed: no images",
        "-",
        "-",
    )
    assert "1 rows have an image that no extractor could see." in texts(section)
