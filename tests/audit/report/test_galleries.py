"""What findings are about, as pictures: of the right rows, never more than there is room for."""

from __future__ import annotations

from typing import Any

import pytest

from augment.audit import audit
from augment.audit.picks import Shown, lowest, read_rows
from augment.audit.report.blocks import Gallery, Picture
from augment.audit.report.galleries import MOST, Galleries
from augment.audit.report.judged import findings
from augment.audit.report.pictures import take_pictures
from augment.audit.table import DataSet, open_data_set

DOUBTFUL = "what shows least of its class, with the probability of that"
DRAWN = ["a seeded draw of its rows", "real images of the class"]
IMAGE = b"1" * 100
OF = "ae" * 32
"""The generator of the rows."""


def finding(
    check: str, name: str | None, *, warns: bool = False, maker: str = OF
) -> dict[str, Any]:
    group = {"split": "train", "class": name, "maker": maker}
    return {"check": check, "text": f"class {name}", "n": 1, "warns": warns, "group": group}


def doubt(sample_id: str, name: str) -> dict[str, Any]:
    return {"sample_id": sample_id, "split": "train", "class": name, "maker": OF,
            "probability": 0.0213, "shows": "8"}  # fmt: skip


@pytest.fixture
def data(digits_set: Any) -> DataSet:
    return open_data_set(digits_set.uri)


def report(found: list[dict[str, Any]], doubts: list[dict[str, Any]]) -> dict[str, Any]:
    quality = {"quarantine": doubts, "figures": [], "labels": []}
    return {"findings": found, "quality": quality}


def shown(data: DataSet, value: dict[str, Any], budget: int = 10_000) -> Any:
    galleries = Galleries(data, value)
    rows = read_rows(data, galleries.picks)
    by_id = {one.sample_id: one for one in rows.values() if one.sample_id in galleries.ids}

    def picture(row: Shown, note: str) -> Picture:
        return Picture(row.class_name, row.kind, IMAGE, row.sample_id, row.generator, note=note)

    return galleries.shown(by_id, rows, picture, budget)


def bytes_of(found: Any) -> int:
    return sum(len(one.image) for strips in found.values() for _, some in strips for one in some)


def test_a_collapsed_class_is_shown_beside_real_images_of_it(
    data: DataSet, small_rows: Any
) -> None:
    (about,) = shown(data, report([finding("collapse", "0")], [])).values()
    assert [title for title, _ in about] == [
        "a seeded draw of its rows",
        "real images of the class",
    ]
    (_, made), (_, real) = about
    assert {(one.class_name, one.origin, one.generator) for one in made} == {("0", "generated", OF)}
    assert {(one.class_name, one.origin) for one in real} == {("0", "real")}
    rows = [r for some in small_rows.values() for r in some if r.split == "train"]
    ranks = sorted((r.rank, r.sample_id) for r in rows if r.generated and r.label_name == "0")
    assert [one.sample_id for one in made] == [sample_id for _, sample_id in ranks]
    assert len(real) == sum(r.origin == "real" and r.label_name == "0" for r in rows)


def test_the_lowest_ranks_are_the_same_whatever_else_is_asked(data: DataSet) -> None:
    parts = [("train", "0", OF), ("train", None, OF), (None, None, None), ("train", "0", "gone")]
    together = lowest(data, parts, 3)
    assert {part: lowest(data, [part], 3).get(part) for part in parts} == {
        part: together.get(part) for part in parts
    }
    assert parts[3] not in together
    whole = lowest(data, parts, 100)
    assert {part: some[:3] for part, some in whole.items()} == together
    assert {pick.kind for pick in whole[parts[1]]} == {"generated"}
    assert {pick.class_name for pick in whole[parts[1]]} == {"0", "7"}
    assert lowest(data, [], 3) == {}


def test_wrong_labels_show_the_rows_with_the_most_doubt_and_what_is_seen(
    data: DataSet, small_rows: Any
) -> None:
    made = [r for some in small_rows.values() for r in some if r.generated]
    doubts = [doubt(r.sample_id, r.label_name) for r in made if r.label_name in ("0", "7")]
    value = report([finding("labels", "7"), finding("labels", None)], doubts)
    galleries = Galleries(data, value)
    assert galleries.ids == {one["sample_id"] for one in doubts}
    by_id = {r.sample_id: Shown(r.image, r.label_name, "generated", r.sample_id) for r in made}
    of_class, of_all = galleries.shown(
        by_id, read_rows(data, galleries.picks), lambda row, note: Picture(
            row.class_name, row.kind, b"1", row.sample_id, note=note)
    ).values()  # fmt: skip
    (title, some), (beside, _) = of_class
    assert (title, beside) == (DOUBTFUL, "real images of the class")
    assert [one.sample_id for one in some] == [d["sample_id"] for d in doubts if d["class"] == "7"]
    assert {one.note for one in some} == {"7, named 8 (0.02)"}
    assert [(title, len(some)) for title, some in of_all] == [(DOUBTFUL, len(doubts))]


def test_labels_without_a_listed_row_show_a_draw(data: DataSet) -> None:
    (about,) = shown(data, report([finding("labels", "7")], [])).values()
    assert [title for title, _ in about] == [
        "a seeded draw of its rows",
        "real images of the class",
    ]


def test_of_many_findings_those_that_fail_have_pictures_within_the_budget(data: DataSet) -> None:
    many = [finding("collapse", "0", warns=n < 20, maker=f"m{n}") for n in range(30)]
    value = report([*many, finding("log", "0"), {**many[0], "group": None}], [])
    found = shown(data, value, 10**6)
    assert len(found) == MOST
    assert list(found)[:10] == list(range(20, 30))
    size = bytes_of(found)
    few = shown(data, value, size // 2)
    assert few.keys() == found.keys()
    assert 0 < bytes_of(few) <= size // 2
    assert shown(data, value, 10) == {}


def test_a_page_has_a_gallery_for_each_and_every_picture_a_trace(digits_set: Any) -> None:
    value = audit(digits_set.uri).to_json()
    value |= report([finding("collapse", "7", warns=True), finding("labels", "0")], [])
    value["findings"] += [value["findings"][0]]  # said twice, by two measures
    value["quality"] |= {"leaks": None, "copies": None, "makers": {OF: "gan"}}
    pictures = take_pictures(open_data_set(digits_set.uri), value)
    assert list(pictures.about) == [1, 0]
    shown = [one for strips in pictures.about.values() for _, some in strips for one in some]
    assert {one.sample_id for one in shown} <= pictures.traced().keys()
    blocks = findings(value, {}, pictures.about).blocks
    galleries = [one for one in blocks if isinstance(one, Gallery)]
    assert [(one.name, one.title) for one in galleries] == [
        ("about-1", "labels: split train, class 0, made by gan"),
        ("about-0", "collapse: split train, class 7, made by gan"),
    ]  # fmt: skip
    del value["findings"][0]["group"]  # as a report from before had it
    assert list(take_pictures(open_data_set(digits_set.uri), value).about) == [1]
