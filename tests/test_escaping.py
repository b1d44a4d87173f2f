"""Text from outside: nothing in it moves, colours, hides or forges what people are shown."""

from __future__ import annotations

import json
import re
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augment.errors import AugmentError, PlanError, Problem, SampleError
from augment.escaping import (
    code,
    cut,
    html,
    line,
    lines,
    markdown,
    name,
    short_id,
    to_json,
    unobeyed,
)

TEXTS = st.text(st.characters(codec=None, exclude_categories=()), max_size=60)
"""Of any characters, halves of characters among them."""

SHOWN = {
    "\x1b[31mred\x1b[0m\x1b]0;owned\x07": r"\x1b[31mred\x1b[0m\x1b]0;owned\x07",
    "new\nline\r\n\tverdict: ok": r"new\nline\r\n\tverdict: ok",
    "\u202egnp.exe": r"\u202egnp.exe",
    "\u2066a\u2069\u200f": r"\u2066a\u2069\u200f",
    "\x9b31mred\x7f\x08": r"\x9b31mred\x7f\x08",
    "a\u2028b\u2029c\x0b\x0c\x85": r"a\u2028b\u2029c\x0b\x0c\x85",
    "zero\u200bwidth\ufeff": r"zero\u200bwidth\ufeff",
    "soft\u00adhyphen": r"soft\xadhyphen",
    "tag\U000e0041": r"tag\U000e0041",
    "half\udc80": r"half\udc80",
    "\ue000\U000f0000\U0003fffd": r"\ue000\U000f0000\U0003fffd",
    "filler\u3164\u115f\uffa0\u2800": r"filler\u3164\u115f\uffa0\u2800",
    "no\u00a0break\u3000": r"no\xa0break\u3000",
    "style\ufe0f\U000e0100": r"style\ufe0f\U000e0100",
    "\u0338first": r"\u0338first",
    "x" + "\u0301" * 9: "x" + "\u0301" * 6 + r"\u0301\u0301\u0301",
    "a\u200db\u200cc": r"a\u200db\u200cc",
    "中\u200d文": r"中\u200d文",
}
KEPT = (
    "cat", "chat noir", "Größe", "nai\u0308ve", "猫", "고양이", "ねこ", "кошка", "γάτα", "قطة",
    "חתול", "แมว", "บิ๊ก", "बिल्ली", "क\u094d\u200dष", "می\u200cخواهم", "བརྒྱད",
    "👩\u200d🔬", "👨🏽\u200d⚕\ufe0f", "❤\ufe0f\u200d🔥", "1\ufe0f\u20e3", "🏳\ufe0f\u200d🌈",
    "C:\\images", "a|b", "[red]", "<img>", "100 %",
)  # fmt: skip


@pytest.mark.parametrize("text", SHOWN)
def test_what_is_not_seen_stands_as_its_escape(text: str) -> None:
    assert line(text) == SHOWN[text]


@pytest.mark.parametrize("text", KEPT)
def test_names_of_every_script_stay_as_they_are(text: str) -> None:
    assert line(text) == name(text) == text


def harmless(char: str) -> bool:
    """No control, format, private, unassigned or half character, and no line separator; joiners
    and styles of pictures apart, whose places the examples hold."""
    return unicodedata.category(char)[0] not in "CZ" or char in " \u200c\u200d"


@given(TEXTS)
def test_no_text_shows_anything_that_is_obeyed(text: str) -> None:
    for shown in (line(text), name(text), *lines(text), html(text), markdown(text), code(text)):
        assert all(map(harmless, shown))
        shown.encode()
    assert line(line(text)) == line(text)
    assert len(lines(text)) <= text.count("\n") + 1


def test_every_character_alone_and_within_a_word() -> None:
    for number in range(sys.maxunicode + 1):
        char = chr(number)
        assert all(map(harmless, line(f"a{char}b"))), hex(number)


def test_a_long_name_shows_its_beginning_and_its_end() -> None:
    assert name("a" * 200 + "tail", 20) == "aaaaaaaaaaaa...atail"
    assert name("short") == "short"
    assert cut("x" * 10, 10) == "x" * 10
    assert len(name("👩\u200d🔬" * 200, 61)) <= 61


@pytest.mark.parametrize(("text", "shown"), [("", "''"), (" cat", "' cat'"), ("cat ", "'cat '")])
def test_a_name_with_blanks_at_its_edge_stands_in_quotes(text: str, shown: str) -> None:
    assert name(text) == shown == name(name(text))


def test_lines_of_a_text_end_where_it_ends_them() -> None:
    assert lines("a\r\nb\n") == ["a", "b"]
    assert lines("") == []
    assert lines("a\rb\n\nc") == [r"a\rb", "", "c"]


# ---- Markdown and HTML ---------------------------------------------------------------

IN_MARKDOWN = {
    "<img src=x onerror=alert(1)>": "&lt;img src=x onerror=alert(1)&gt;",
    "a|b": r"a\|b",
    "[red](http://x)": r"\[red\](http&#58;//x)",
    "![x](y)": r"!\[x\](y)",
    "`x`": r"\`x\`",
    "**b** _i_ ~~s~~": r"\*\*b\*\* \_i\_ \~\~s\~\~",
    "snake_case": "snake_case",
    "# heading": r"\# heading",
    "- item": r"\- item",
    "1. item": r"1\. item",
    "www.example.org": "www&#46;example.org",
    "$x$": r"\$x\$",
    "a\n\n# b": r"a\\n\\n# b",
    "&lt;": "&amp;lt;",
}  # fmt: skip


@pytest.mark.parametrize("text", IN_MARKDOWN)
def test_markdown_shows_a_name_and_does_nothing_else(text: str) -> None:
    assert markdown(text) == IN_MARKDOWN[text]


def test_a_text_rendered_from_markdown_is_the_text() -> None:
    """By a reader of CommonMark that also knows tables: one cell, no tag, the same letters."""
    from html.parser import HTMLParser

    from markdown_it import MarkdownIt

    class Read(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.tags: list[str] = []
            self.cells: list[str] = []

        def handle_starttag(self, tag: str, attrs: object) -> None:
            self.tags.append(tag)
            if tag == "td":
                self.cells.append("")

        def handle_data(self, data: str) -> None:
            if self.cells:
                self.cells[-1] += data

    for text in (*IN_MARKDOWN, *SHOWN, *KEPT, "<script>", "a\\", "\\|", "| |", "***", "</td>"):
        page = MarkdownIt("commonmark").enable("table").enable("strikethrough").render(
            f"| class | n |\n|---|---|\n| {markdown(text)} | 7 |\n"
        )  # fmt: skip
        read = Read()
        read.feed(page)
        assert read.tags == ["table", "thead", "tr", "th", "th", "tbody", "tr", "td", "td"], page
        assert [cell.strip() for cell in read.cells] == [line(text).strip(), "7"]


def test_code_holds_what_code_can_hold() -> None:
    assert code("_provenance/small-0123456789ab/") == "`_provenance/small-0123456789ab/`"
    assert code("a`b<img>") == r"a\`b&lt;img&gt;"


def test_html_shows_text() -> None:
    assert html('<img src="x">\x1b') == r"&lt;img src=&quot;x&quot;&gt;\x1b"


# ---- JSON ----------------------------------------------------------------------------


@given(TEXTS)
def test_json_is_ascii_and_the_same_document(text: str) -> None:
    said = to_json({"name": text})
    assert said.isascii()
    assert said.isprintable()
    whole = "".join(f"\\u{ord(c):04x}" if "\ud800" <= c <= "\udfff" else c for c in text)
    assert json.loads(said) == {"name": whole}
    json.loads(said)["name"].encode()


# ---- errors --------------------------------------------------------------------------


def test_no_name_writes_a_line_into_an_error() -> None:
    error = AugmentError("class a\nverdict: ok \x1b[31m", "(more)")
    assert str(error).splitlines() == [r"class a\nverdict: ok \x1b[31m", "(more)"]
    bad = SampleError("unreadable", "x\x07\ny")
    assert str(bad) == r"unreadable: x\x07\ny"


def test_problems_are_a_line_each_and_not_longer_than_a_screen() -> None:
    problem = Problem("job.yaml:1", "'a\nb'\x1b", "y" * 2000)
    assert problem.found == r"'a\nb'\x1b"
    assert len(problem.expected) == 800
    text = str(PlanError([problem, problem]))
    assert len(text.splitlines()) == 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("##[error]x", r"\x23#[error]x"),
        ("a ##vso[task.setvariable x]", r"a \x23#vso[task.setvariable x]"),
        ("##teamcity[x]", r"\x23#teamcity[x]"),
        ("## heading", "## heading"),
        ("C##", "C##"),
    ],
)
def test_no_line_holds_a_command_to_what_runs_a_pipeline(text: str, shown: str) -> None:
    assert line(text) == line(shown) == shown
    document = to_json({"class": text})
    assert "##" not in document
    assert json.loads(document) == {"class": text}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("::error::x", r"\x3a:error::x"),
        ("  ::add-mask::a", r"  \x3a:add-mask::a"),
        ("std::vector", "std::vector"),
        (": x", ": x"),
    ],
)
def test_no_line_begins_with_a_command_to_githubs_runner(text: str, shown: str) -> None:
    assert unobeyed(text) == unobeyed(shown) == shown


@pytest.mark.parametrize(
    "text", ["@octocat", "a (@org/team)", "see #12", "o/r#7", "GH-3", "a@b.org"]
)
def test_markdown_calls_nobody_and_names_no_issue(text: str) -> None:
    apart = re.split("<!-- -->", markdown(text))
    assert len(apart) == 2
    assert apart[0].endswith(("@", "#", "GH-"))
    assert "".join(apart) == text


def test_an_id_is_short_where_that_tells_it_from_others() -> None:
    assert short_id("0123456789abcdef" * 2) == "0123456789ab"
    assert short_id("train-real-0-11") == "train-real-0-11"
    assert short_id("photos/2024/" + "a" * 80 + "/0001.jpg", 40).endswith("/0001.jpg")
    assert short_id("a\nb") == "a\\nb"
