"""The page: what stands in it, nothing from outside obeyed, small, the same every time."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import pytest

from augment.audit.findings import Finding
from augment.audit.report.blocks import Picture, Row, Section, Table, Text
from augment.audit.report.galleries import BUDGET as GALLERIES
from augment.audit.report.judged import sentence, tiles
from augment.audit.report.origins import Origins
from augment.audit.report.page import in_script, render_page
from augment.audit.report.sections import Pictures, sections
from augment.audit.report.thumbnails import BUDGET
from tests.audit.report.values import names, value

HOSTILE = (
    "</script><script>document.title='owned'</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}{% raw %}",
    "a\u202eb\x1b[31m",
    "<!--",
    "'; drop",
    "\udc80",
)
PIXEL = base64.b64decode(
    "UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA"
)  # what an image holds does not matter here


class Seen(HTMLParser):
    """Ids, attributes, scripts and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.text = ""
        self._in: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        self._in = tag
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "a":
            self.links.append(found["href"])
        if tag == "script":
            self.scripts.append((found, ""))

    def handle_endtag(self, tag: str) -> None:
        self._in = None

    def handle_data(self, data: str) -> None:
        if self._in == "script":
            attrs, text = self.scripts[-1]
            self.scripts[-1] = (attrs, text + data)
        elif self._in != "style":
            self.text += data


def pictures(classes: Sequence[str], image: bytes = PIXEL) -> Pictures:
    of = {
        name: {
            kind: [Picture(name, kind, image, f"{name}-{kind}-{n}") for n in range(4)]
            for kind in ("real", "augmented", "generated")
        }
        for name in classes
    }
    return Pictures("train", len(classes), of)


def page(report: Any, shown: Pictures | None = None) -> str:
    found = sections(report, Origins(), shown or Pictures(), "0")
    return render_page(report["uri"], sentence(report), report["verdict"], tiles(report), found)


@pytest.fixture(scope="module")
def small() -> str:
    return page(value(names(3)), pictures(names(3)))


def test_the_verdict_stands_first_and_every_section_is_linked(small: str) -> None:
    seen = Seen(small)
    order = [attrs["id"] for tag, attrs in seen.tags if tag == "section"]
    assert order == [
        "findings", "composition", "limits", "sheet", "checks", "fidelity", "diversity",
        "embedding", "labels", "copies", "attributes", "utility", "provenance", "method", "traces",
    ]  # fmt: skip
    assert seen.text.index("Version 3 fails: 1 limit is broken.") < seen.text.index("Findings")
    assert [f"#{name}" for name in order] == [x for x in seen.links if x[1:] in order][1:]


def test_every_id_is_there_once_and_every_link_leads_somewhere(small: str) -> None:
    seen = Seen(small)
    assert len(seen.ids) == len(set(seen.ids))
    assert {link[1:] for link in seen.links} <= set(seen.ids)
    assert all(link.startswith("#") for link in seen.links)


def test_every_picture_leads_to_its_trace(small: str) -> None:
    seen = Seen(small)
    shown = [attrs for tag, attrs in seen.tags if tag == "img"]
    assert len(shown) == 3 * 3 * 4
    assert len([link for link in seen.links if link.startswith("#t-")]) == len(shown)
    assert "augment trace /data/set 'class 0000-real-0' --version 3" in seen.text


def test_the_policy_allows_the_scripts_of_the_page_and_nothing_else(small: str) -> None:
    seen = Seen(small)
    policy = next(a["content"] for t, a in seen.tags if t == "meta" and "http-equiv" in a)
    assert policy is not None
    run = [text for attrs, text in seen.scripts if "type" not in attrs]
    hashes = [base64.b64encode(sha256(text.encode()).digest()).decode() for text in run]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'; ")
    assert re.findall(r"'sha256-([^']+)'", policy) == hashes
    assert len(hashes) == 3
    assert "unsafe-eval" not in policy


def test_nothing_is_asked_of_a_network_and_nothing_listens_inline(small: str) -> None:
    seen = Seen(small)
    for tag, attrs in seen.tags:
        assert not [name for name in attrs if name.startswith("on")], (tag, attrs)
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            place = attrs.get(name) or "#"
            assert place.startswith(("#", "data:")), (tag, attrs)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_from_outside_are_text(name: str) -> None:
    found = value(
        [name, "plain"], uri=f"/data/{name}", maker=name, findings=[Finding(name, f"it is {name}")]
    )
    plain = page(value(["other", "plain"], uri="/data/x", maker="m", findings=[Finding("a", "b")]),
                 pictures(["other"]))  # fmt: skip
    text = page(found, pictures([name]))
    seen, usual = Seen(text), Seen(plain)
    assert [tag for tag, _ in seen.tags] == [tag for tag, _ in usual.tags]
    assert [text for attrs, text in seen.scripts if "type" not in attrs] == [
        text for attrs, text in usual.scripts if "type" not in attrs
    ]
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e]", text)
    text.encode("utf-8", "backslashreplace")


@pytest.mark.parametrize("name", HOSTILE)
def test_json_in_a_script_ends_nothing_and_says_the_same(name: str) -> None:
    text = in_script({"name": name})
    assert not re.search("[<>&]", text)
    assert text.isascii()
    if name.isprintable() or "\u202e" in name:
        assert json.loads(text) == {"name": name}


def test_a_thousand_classes_stay_small_and_are_all_searchable() -> None:
    classes = names(1000)
    many = [Finding("labels", "t" * 300, n, group=("train", "a", None)) for n in range(60)]
    found = value(classes, broken=30, copies=True, findings=many)
    of_map = {
        one["sample_id"]: bytes(BUDGET // 600) for one in found["quality"]["embedding"]["points"]
    }
    some = Picture("a", "generated", bytes(GALLERIES // 192), "i" * 32)
    about = {
        n: tuple((side, tuple(replace(some, sample_id=f"{n}-{side}-{i}") for i in range(8)))
                 for side in "ab")
        for n in range(12)
    }  # fmt: skip
    shown = replace(pictures(classes[:20], bytes(4000)), mapped=of_map, about=about)
    text = page(found, shown)
    assert len(text.encode()) < 5_000_000
    seen = Seen(text)
    assert all(name in seen.text for name in classes)


def test_the_same_report_gives_the_same_bytes() -> None:
    found = value(names(3))
    assert page(found, pictures(names(3))) == page(
        json.loads(json.dumps(found)), pictures(names(3))
    )


def test_without_charts_no_runtime_is_carried() -> None:
    section = Section("a", "A", (Text("one"), Table("t", "T", ("x",), (Row(("1",)),))))
    found = value(names(1), quality=False)
    text = render_page("set", "Fine.", "ok", tiles(found), [section])
    assert len(text) < 30_000
    assert "vega" not in Seen(text).scripts[-1][1]


def test_of_very_long_tables_those_rows_stand_that_matter() -> None:
    rows = tuple(Row((str(n),), more=n < 2500) for n in range(2600))
    table = Table("t", "T", ("x",), rows)
    assert len(table.shown) == 2000
    assert {row.cells for row in rows[2500:]} <= {row.cells for row in table.shown}
    text = render_page("set", "Fine.", "ok", tiles(value(names(1))), [Section("a", "A", (table,))])
    assert "2000 of 2600 rows stand here; audit.json has all." in text
