"""Cells that were planned and have nothing: which they are, why, and what is said."""

from __future__ import annotations

from typing import Any

import pytest

from augment.run.mixing.commit import CellResult
from augment.run.mixing.emptied import Emptied, emptied_cells, refusal, refusal_of_nothing


def cell(label: str, origin: str, planned: int, written: int, lost: int, **more: Any) -> CellResult:
    values: dict[str, Any] = {
        "split": "train", "source": None, "generator": None, "augmentation": None,
    }  # fmt: skip
    return CellResult(**values | more, label_name=label, origin=origin, planned=planned,
                      written=written, quarantined=lost)  # fmt: skip


def row(label: str, origin: str, reason: str, place: str = "train/x.png") -> dict[str, Any]:
    return {
        "split": "train", "label_name": label, "origin": origin, "reason": reason,
        "detail": f"why {reason}", "source": "s", "locator": place, "generator": None,
        "sample_id": "00",
    }  # fmt: skip


def test_a_class_without_a_row_is_one_loss_with_its_reasons() -> None:
    cells = [cell("dog", "real", 3, 0, 3), cell("dog", "augmented", 6, 0, 6)]
    lost = [row("dog", "real", reason) for reason in ("empty", "truncated", "empty")]
    lost += [row("dog", "augmented", "parent")] * 6 + [row("cat", "real", "empty")]
    (found,) = emptied_cells([*cells, cell("cat", "real", 9, 8, 1)], lost, ())
    assert (found.kind, found.planned, found.reasons) == (None, 9, {"empty": 2, "truncated": 1})
    assert str(found) == (
        "split train, class 'dog': none of 9 rows (empty 2, truncated 1; "
        "first: s: train/x.png: why empty)"
    )


def test_one_kind_of_rows_is_a_loss_of_its_own() -> None:
    cells = [cell("dog", "real", 3, 3, 0), cell("dog", "augmented", 3, 0, 3)]
    (found,) = emptied_cells(cells, [row("dog", "augmented", "unsupported_depth")] * 3, ())
    assert str(found).startswith("split train, class 'dog': none of 3 augmented rows (unsupported_")


def test_cells_of_one_kind_are_judged_together() -> None:
    """Two generators of a class, or two sources, are one cell."""
    cells = [
        cell("dog", "synthetic", 3, 0, 0, generator="a"),
        cell("dog", "synthetic", 3, 1, 0, generator="b"),
    ]
    assert emptied_cells(cells, [], ()) == []


def test_what_was_never_planned_is_not_lost() -> None:
    assert emptied_cells([cell("dog", "real", 0, 0, 0)], [], ()) == []


def test_splits_are_judged_apart() -> None:
    cells = [cell("dog", "real", 3, 3, 0), cell("dog", "real", 1, 0, 1, split="test")]
    (found,) = emptied_cells(cells, [], ())
    assert str(found) == "split test, class 'dog': none of 1 rows (no reason is recorded)"


def test_a_source_without_a_row_is_a_loss() -> None:
    where = "more"
    cells = [
        cell("dog", "real", 3, 3, 0, source="s"), cell("dog", "real", 2, 0, 2, source=where),
        cell("cat", "real", 1, 0, 1, source=where), cell("cat", "augmented", 4, 4, 0),
        cell("cat", "real", 1, 1, 0, source="s"),
    ]  # fmt: skip
    lost = [row("dog", "real", "empty") | {"source": where}, row("cat", "real", "empty")]
    (found,) = emptied_cells(cells, lost, ("dog",))
    assert str(found) == (
        "source more: none of 3 real rows (empty 1; first: more: train/x.png: why empty)"
    )
    assert found.names == ("cat", "dog")
    assert emptied_cells(cells, lost, ("dog", "cat")) == []


def test_a_source_that_goes_with_its_class_is_told_once() -> None:
    cells = [cell("dog", "real", 2, 0, 2, source="more"), cell("cat", "real", 1, 1, 0, source="s")]
    (found,) = emptied_cells(cells, [], ())
    assert found.label_name == "dog"


def test_a_shortfall_is_a_reason() -> None:
    (found,) = emptied_cells([cell("dog", "synthetic", 7, 0, 0, generator="a")], [], ())
    assert (found.short, str(found)) == (
        7, "split train, class 'dog': none of 7 rows (samples missing 7)",
    )  # fmt: skip


def test_a_class_that_may_be_empty_is_none() -> None:
    assert emptied_cells([cell("dog", "real", 3, 0, 3)], [], ("dog",)) == []


@pytest.mark.parametrize("n", [1, 5000])
def test_what_is_said_stays_short(n: int) -> None:
    cells = [cell(f"class {k:04d}", "real", 3, 0, 3) for k in range(n)]
    error = refusal(emptied_cells(cells, [], ()), "out/_work/job")
    assert error.exit_code == 1
    assert len(str(error)) < 1200
    if n == 1:
        assert str(error).startswith("a cell that was planned has nothing: split train, class 'cl")
        assert 'errors.allow_empty_classes: ["class 0000"]' in str(error)
    else:
        assert str(error).startswith("5000 cells that were planned have nothing: split train, ")
        assert "; and 4995 more, so nothing was committed" in str(error)
        assert '"class 0004", ...]' in str(error)
    assert "remove out/_work/job first, which holds the census that is tried" in str(error)


def test_nothing_at_all() -> None:
    error = refusal_of_nothing(7, [row("dog", "real", "empty")] * 3, "out/_work/job")
    assert error.exit_code == 1
    assert "none of 7 planned rows was written (empty 3), and a data set without rows" in str(error)


def test_names_stand_as_a_job_file_takes_them() -> None:
    error = refusal([Emptied("train", 'a "b": c', None, 1)], "w")
    assert 'errors.allow_empty_classes: ["a \\"b\\": c"]' in str(error)
