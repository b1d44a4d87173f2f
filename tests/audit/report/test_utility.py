"""What pages show of studies: every verdict, the curve, and nothing that a name smuggled in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import vl_convert

from augment.audit.report.blocks import Chart, Mark, Section, Table, Text
from augment.audit.report.charts import RETRIEVED
from augment.audit.report.origins import Origins
from augment.audit.report.page import render_page
from augment.audit.report.sections import Pictures, sections
from augment.audit.report.studies import read_studies
from augment.audit.report.utility import sections_of, sentence_of, state_of, tiles_of, utility
from augment.audit.table import open_data_set
from tests.audit.conftest import TableBuilder
from tests.audit.report.test_page import HOSTILE, Seen
from tests.audit.report.values import names, value
from tests.study.test_report import BEST, FLAT, GAN, TRIED, VAE, rivals, studied

MIXED = {"real": 0.6, "classical": 0.6, "synthetic": 0.3, "both": 0.9}


def json_of(accuracy: dict[str, float] = FLAT, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(studied(accuracy, **more).to_json()))
    return found


def tables(section: Section) -> list[Table]:
    return [block for block in section.blocks if isinstance(block, Table)]


def texts(section: Section) -> str:
    return "\n".join(block.text for block in section.blocks if isinstance(block, Text))


def test_the_sentence_says_what_the_chosen_shares_did_on_clean_images() -> None:
    assert sentence_of(json_of()) == (
        "No evidence that synthetic images help or hurt on clean test images; no evidence that "
        "synthetic images help or hurt on corrupted test images."
    )
    mixed = json_of(MIXED)
    assert sentence_of(mixed) == (
        "On clean test images real + synthetic 0.25 hurts and real + both 0.25 helps; on corrupted "
        "test images real + synthetic 0.25 hurts and real + both 0.25 helps."
    )
    states = [state_of(json_of(x)) for x in (FLAT, MIXED, {**FLAT, "synthetic": 0.2})]
    assert states == ["not judged", "ok", "failed"]
    assert "not judged" in sentence_of(json_of(makers={}))


def test_the_sentence_says_how_synthetic_images_did_against_retrieved_ones() -> None:
    flat = {**FLAT, "retrieved": 0.7}
    same = json_of(flat, retrieved=rivals())
    assert sentence_of(same).endswith(
        " Against retrieved real images: no evidence of a difference on clean test images; no "
        "evidence of a difference on corrupted test images."
    )
    rich = json_of({**flat, "retrieved": 0.95}, retrieved=rivals())
    assert sentence_of(rich) == (
        "No evidence that synthetic images help or hurt on clean test images; no evidence that "
        "synthetic images help or hurt on corrupted test images. Against retrieved real images: "
        "real + synthetic 0.25 does worse on clean test images; real + synthetic 0.25 does worse "
        "on corrupted test images."
    )
    assert state_of(rich) == "not judged", "that retrieved ones help says nothing of synthetic ones"
    poor = json_of({**flat, "retrieved": 0.3}, retrieved=rivals())
    assert "real + synthetic 0.25 does better on clean" in sentence_of(poor)
    assert state_of(poor) == "not judged"


def test_the_page_shows_what_was_retrieved_and_its_curve() -> None:
    study = json_of({**FLAT, "retrieved": 0.95}, retrieved=rivals(7))
    found = sections_of(study)
    assert "10 were asked for, and 3 lack" in texts(found[0])
    marks = {
        row.cells[0].text
        for row in tables(found[0])[0].rows
        if row.cells[2] == "real + retrieved 0.25" and isinstance(row.cells[0], Mark)
    }
    assert marks == {"does worse"}
    (chart,) = [block for one in found for block in one.blocks if isinstance(block, Chart)]
    points = {one["s"] for one in chart.spec["data"]["values"] if one["m"] == RETRIEVED}
    assert points == {0.0, 0.25, 0.5}, "it begins at real images alone"
    assert vl_convert.vegalite_to_svg(json.dumps({**chart.spec, "width": 400})).startswith("<svg")
    none = json_of(retrieved=rivals(0, "nothing is there"))
    assert "Retrieved real images of more: not computed, nothing is there." in texts(
        utility([none], "")
    )
    earlier = json_of()
    del earlier["retrieved"]
    assert utility([earlier], "").blocks


def test_the_page_says_which_rates_validation_chose() -> None:
    study = json_of(asked=TRIED, best=BEST)
    (table,) = tables(sections_of(study)[1])
    at = list(table.head).index("rate")
    assert [row.cells[at] for row in table.rows][:4] == ["0.5x", "2x", "2x", "1x"]
    method = texts(sections_of(study)[-1])
    assert "it chooses the share, and of 0.5 and 1 and 2 times that rate one for each" in method
    assert ("360", "trainings") in tiles_of(study).figures
    earlier = json_of()
    del earlier["asked"]["rates"]
    for arm in earlier["arms"]:
        del arm["rate"], arm["rates"]
    assert "rate" not in tables(sections_of(earlier)[1])[0].head
    assert "it chooses the share, nothing else" in texts(sections_of(earlier)[-1])
    assert ("120", "trainings") in tiles_of(earlier).figures


def test_every_comparison_stands_with_its_verdict_interval_and_pairs() -> None:
    study = json_of(MIXED)
    (table,) = tables(sections_of(study)[0])
    assert len(table.rows) == len(study["comparisons"])
    first = table.rows[0].cells
    assert isinstance(first[0], Mark)
    assert (first[0].text, first[0].state, first[1], first[2]) == (
        "hurts", "fail", "real + synthetic 0.25", "real",
    )  # fmt: skip
    assert first[6] == "20"


def test_the_curve_begins_at_arms_without_synthetic_images_and_is_drawn() -> None:
    found = [block for section in sections_of(json_of(makers={VAE: "vae", GAN: "gan"}))
             for block in section.blocks if isinstance(block, Chart)]  # fmt: skip
    (chart,) = found
    points = {(one["s"], one["m"]) for one in chart.spec["data"]["values"]}
    assert points == {(s, m) for s in (0.0, 0.25, 0.5)
                      for m in ("without copies", "with classical copies")}  # fmt: skip
    svg = vl_convert.vegalite_to_svg(json.dumps({**chart.spec, "width": 400}))
    assert svg.startswith("<svg")
    assert "NaN" not in svg


def test_names_from_outside_are_text() -> None:
    for name in HOSTILE:
        study = json_of(makers={VAE: name, GAN: "gan"})
        study["arms"][1]["maker"] = study["comparisons"][0]["maker"] = VAE
        study["classes"][0]["class"] = name
        for arm in study["arms"]:
            arm["by_class"][name] = 0.5
        study["uri"] = name
        page = render_page(name, sentence_of(study), state_of(study), tiles_of(study),
                           sections_of(study), "Utility study")  # fmt: skip
        seen = Seen(page.encode("utf-8", "backslashreplace").decode())
        assert len(seen.ids) == len(set(seen.ids))
        assert [tag for tag, _ in seen.tags if tag == "img"] == []
        assert len(seen.scripts) == 4
        assert not [link for link in seen.links if not str(link).startswith("#")]


def test_an_audits_page_shows_every_study_of_its_version() -> None:
    report = value(names(2))
    none = next(s for s in sections(report, Origins(), Pictures(), "0") if s.name == "utility")
    assert "no study ran" in texts(none)
    two = [json_of(), json_of(MIXED)]
    found = sections(report, Origins(), Pictures(), "0", two)
    section = next(one for one in found if one.name == "utility")
    assert "2 studies of this version stand beside it: read them all" in texts(section)
    assert len(tables(section)) == 2
    all_names = [one.name for section in found for one in section.blocks
                 if isinstance(one, Table | Chart)]  # fmt: skip
    assert len(all_names) == len(set(all_names))


def test_studies_of_other_versions_and_damaged_ones_are_none(
    builder: TableBuilder, small_rows: Any
) -> None:
    uri = builder.build(small_rows).uri
    data = open_data_set(uri)
    right = json_of() | {"version": data.version}
    for name, body in (
        ("a", json.dumps(right)), ("b", json.dumps(right | {"version": 7})), ("c", "{"),
        ("d", json.dumps(right | {"arms": 3})), ("e", json.dumps(right | {"schema_version": 2})),
        ("f", "[" * 100_000), ("g", json.dumps(right | {"comparisons": [None]})),
    ):  # fmt: skip
        place = Path(uri) / "_studies" / name
        place.mkdir(parents=True)
        (place / "study.json").write_text(body)
    (Path(uri) / "_studies" / "h").mkdir()
    assert read_studies(data) == [right]
    assert utility(read_studies(data), "x").blocks
