"""Tables and lists for people: aligned, folded to what matters, with honest totals."""

from __future__ import annotations

import pytest

from augment.tables import (
    FEW,
    MOST_LINES,
    counts,
    duration,
    few,
    first,
    fold,
    left_out,
    number,
    share,
    size,
    table,
    width,
)

ROWS = [(f"class {n}", n, 0) for n in range(5000)]
HEAD = ("class", "rows", "lost")


def test_a_table_has_its_names_left_and_figures_right() -> None:
    assert table(("class", "n", "share"), [("cat", 7, 0.25), ("a dog", 12345, None)]) == [
        "class      n  share",
        "cat        7  0.250",
        "a dog  12345      -",
    ]
    assert table(["split", "class", "n"], [["a", "b", 5], ["longer", "c", 10]], texts=2) == [
        "split   class   n",
        "a       b       5",
        "longer  c      10",
    ]


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("cat", 3),
        ("猫", 2),
        ("ねこ", 4),
        ("한글", 4),
        ("naïve", 5),
        ("nai\u0308ve", 5),
        ("👩\u200d🔬", 2),
        ("❤\ufe0f", 2),
        ("क\u094d\u200dष", 2),
        ("می\u200cخواهم", 7),
    ],
)
def test_letters_take_what_they_take_on_a_terminal(text: str, columns: int) -> None:
    assert width(text) == columns
    lines = table(("class", "n"), [(text, 1), ("a longer name", 2)])
    assert len({width(line) for line in lines}) == 1


def test_no_name_breaks_a_table() -> None:
    names = ["a\nverdict: ok", "\x1b[31mred\x1b[0m", "\u202eleft", "x" * 500]
    lines = table(("class", "n"), [(name, 1) for name in names])
    assert [line.split("  ")[0] for line in lines[1:4]] == [
        r"a\nverdict: ok", r"\x1b[31mred\x1b[0m", r"\u202eleft",
    ]  # fmt: skip
    assert len(lines) == 5
    assert max(map(len, lines)) < 120
    assert "xxx...xxx" in lines[4]


def test_a_short_table_is_whole() -> None:
    rows = ROWS[:MOST_LINES]
    assert fold(rows, lambda row: row[2], lambda row: row[1]) == (rows, 0)


def test_a_long_table_shows_what_is_wrong_then_the_extremes_in_their_order() -> None:
    rows = [(name, n, 7 if n in (400, 3000) else 0) for name, n, _ in ROWS]
    some, more = fold(rows, lambda row: row[2], lambda row: row[1])
    assert (len(some), more) == (FEW, 5000 - FEW)
    assert some == sorted(some, key=lambda row: row[1])
    numbers = [row[1] for row in some]
    assert {0, 1, 8, 400, 3000, 4998, 4999} <= set(numbers)


def test_of_much_that_is_wrong_the_worst_is_shown() -> None:
    rows = [(name, n, n % 1000) for name, n, _ in ROWS]
    some, _ = fold(rows, lambda row: row[2], lambda row: row[1])
    assert {row[2] for row in some} == {999, 998, 997, 996}


def test_everything_leaves_nothing_out() -> None:
    assert fold(ROWS, lambda row: row[2], lambda row: row[1], everything=True) == (ROWS, 0)
    assert first(ROWS, everything=True) == (ROWS, 0)
    assert len(counts(HEAD, ROWS, bad=("lost",), by="rows", everything=True)) == 5001


def test_totals_are_of_all_rows_whatever_is_shown() -> None:
    lines = counts(HEAD, ROWS, bad=("lost",), by="rows")
    assert len(lines) == FEW + 3
    assert lines[-2] == "... 4980 more; --all shows everything"
    assert lines[-1].split() == ["total", str(sum(range(5000))), "0"]


def test_a_short_table_of_counts_has_a_total_only_where_it_is_asked_for() -> None:
    assert len(counts(HEAD, ROWS[:3], bad=("lost",), by="rows")) == 4
    assert counts(HEAD, ROWS[:3], bad=("lost",), by="rows", total=True)[-1].split()[0] == "total"
    assert counts(HEAD, [], bad=("lost",), by="rows", total=True)[-1].split() == ["total", "0", "0"]


def test_a_column_that_is_not_all_known_has_no_total() -> None:
    rows = [("a", 1, None), *ROWS]
    assert counts(HEAD, rows, bad=("lost",), by="rows")[-1].split()[2] == "0"
    words = [("a", 1, "?"), *ROWS]
    assert counts(HEAD, words, bad=("lost",), by="rows")[-1].split()[2] == "-"


def test_lists_say_how_many_more_there_are() -> None:
    assert first("abc", 2) == (["a", "b"], 1)
    assert first("aaaabb", 3, kind=str) == (["a", "a", "b"], 3)
    assert first("aaaabc", 3, kind=str) == (["a", "b", "c"], 3)
    assert left_out(1, "jobs") == ["... 1 more jobs; --all shows everything"]
    assert left_out(0) == []
    assert few(["a", "b", "c"], 2) == "a, b and 1 more"
    assert few([], 2) == ""


@pytest.mark.parametrize(
    ("n", "text"),
    [(0, "0 bytes"), (9999, "9999 bytes"), (10_000, "10 kB"), (9.9e6, "9900 kB"),
     (1e8, "100 MB"), (2.56e11, "256 GB")],
)  # fmt: skip
def test_sizes(n: float, text: str) -> None:
    assert size(n) == text


def test_durations_stand_in_the_unit_that_a_person_would_choose() -> None:
    assert [duration(s) for s in (0.5, 119, 120, 7200, 172800)] == [
        "0.5 s", "119 s", "2 min", "2 h", "2 d",
    ]  # fmt: skip


def test_what_is_not_known_is_a_dash() -> None:
    assert [number(v) for v in (None, 0.0, 12.3456, 1234.5)] == ["-", "0", "12.3", "1.23e+03"]
    assert [share(v) for v in (None, 0.0, 0.954)] == ["-", "0 %", "95 %"]
