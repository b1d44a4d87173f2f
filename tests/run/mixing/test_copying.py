"""Copies by number: which parents, which ids, which ranks; and how one of them is drawn."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment.errors import PlanError
from augment.plan import Copies, Plan
from augment.run.mixing.copying import (
    MAX_IN_VAIN,
    MAX_REDRAWS,
    Copying,
    copies_wanted,
    copyings,
    count_copies,
    sum_copies,
)
from augment.sample import AppliedOp
from augment.spec.models import Augmentation
from augment.transforms import build_transformer
from tests.plan.conftest import PlanOf
from tests.plan.test_random_jobs import random_job

IMAGE = np.arange(6 * 4 * 3, dtype=np.uint8).reshape(6, 4, 3)
FLIPPED = IMAGE[:, ::-1]
RAN = (AppliedOp("Flip", "{}"),)


class Scripted:
    """A transformer whose draws are given: what each makes of an image, and what ran."""

    idle_chance = 0.0

    def __init__(self, draws: Sequence[tuple[np.ndarray, tuple[AppliedOp, ...]]] = ()) -> None:
        self._draws = draws
        self.asked: list[int] = []

    @property
    def digest(self) -> str:
        return "d" * 64

    def apply(
        self, image: np.ndarray, sample_id: str, draw: int = 0
    ) -> tuple[np.ndarray, tuple[AppliedOp, ...]]:
        self.asked.append(draw)
        return self._draws[min(draw, len(self._draws) - 1)]


def augmentation(name: str = "a", **keys: Any) -> Augmentation:
    return Augmentation.model_validate(
        {"name": name, "copies": 1, "ops": ["HorizontalFlip"], **keys}
    )


# ---- one draw -----------------------------------------------------------------------


def test_a_copy_that_changes_nothing_is_drawn_again() -> None:
    scripted = Scripted([(IMAGE, ()), (IMAGE.copy(), RAN), (FLIPPED, RAN), (IMAGE, ())])
    drawn = Copying(augmentation(), scripted, {}).draw(IMAGE, "id")
    assert (drawn.redraw, drawn.unchanged, scripted.asked) == (2, False, [0, 1, 2])
    assert (drawn.pixels == FLIPPED).all()


@pytest.mark.parametrize("changed", [FLIPPED, IMAGE[1:], IMAGE[::-1], np.vstack([IMAGE[:5]] * 2)])
def test_whatever_looks_different_is_a_change(changed: np.ndarray) -> None:
    drawn = Copying(augmentation(), Scripted([(changed, RAN)]), {}).draw(IMAGE, "id")
    assert (drawn.redraw, drawn.unchanged) == (0, False)


@pytest.mark.parametrize(("ran", "tries"), [((), MAX_REDRAWS), (RAN, MAX_IN_VAIN)])
def test_there_is_an_end_to_it(ran: tuple[AppliedOp, ...], tries: int) -> None:
    """What stays as it is, is the first draw; operations that run in vain are tried less often."""
    scripted = Scripted([(IMAGE.copy(), ran)])
    drawn = Copying(augmentation(), scripted, {}).draw(IMAGE, "id")
    assert (drawn.redraw, drawn.unchanged, drawn.applied) == (0, True, ran)
    assert scripted.asked == list(range(tries + 1))


def test_a_job_may_keep_what_changes_nothing() -> None:
    scripted = Scripted([(IMAGE, ()), (FLIPPED, RAN)])
    drawn = Copying(augmentation(unchanged="keep"), scripted, {}).draw(IMAGE, "id")
    assert (drawn.redraw, drawn.unchanged, scripted.asked) == (0, True, [0])


def test_a_redraw_can_be_made_again_from_its_number() -> None:
    """Half of the draws of a flip do nothing: none of 40 copies does, and each is what its
    recorded draw gives."""
    spec = augmentation()
    transformer = build_transformer(spec, ".")
    copying = Copying(spec, transformer, {})
    redraws = set()
    for i in range(40):
        drawn = copying.draw(IMAGE, str(i))
        assert (drawn.pixels == FLIPPED).all()
        again, applied = transformer.apply(IMAGE, str(i), drawn.redraw)
        assert (again == drawn.pixels).all()
        assert applied == drawn.applied
        redraws.add(drawn.redraw)
    assert {0, 1, 2} <= redraws


# ---- numbers and ranks --------------------------------------------------------------


def numbered(some: Sequence[Copying], parents: Sequence[tuple[Any, int]]) -> list[tuple[Any, ...]]:
    """(place, rank of the parent, augmentation, number, rank of the copy) of every copy."""
    return [
        (place, rank, w.copying.spec.name, w.first + i, w.rank + i * w.step)
        for place, rank in parents
        for w in copies_wanted(some, place, rank)
        for i in range(w.n)
    ]


def made_of(plan: Plan, specs: Sequence[Augmentation]) -> list[tuple[Any, ...]]:
    """All copies of a plan whose pipelines are all equal."""
    some = copyings(specs, [Scripted() for _ in specs], plan.copies)
    untouched = [c for c in plan.cells if c.augmentation is None]
    sizes: Counter[Any] = Counter()
    for cell in untouched:
        sizes[cell.split, cell.label_name, cell.generator] += cell.n
    return numbered(some, [(place, rank) for place, n in sizes.items() for rank in range(n)])


def check(plan: Plan, specs: Sequence[Augmentation]) -> None:
    copies = made_of(plan, specs)
    planned = Counter(
        {
            (c.split, c.label_name, c.generator, c.augmentation): c.n
            for c in plan.cells
            if c.augmentation is not None
        }
    )
    assert Counter((*place, name) for place, _, name, _, _ in copies) == planned
    # equal pipelines: a copy is known by its parent and its number alone
    numbers: dict[Any, list[int]] = {}
    for place, rank, _, number, _ in copies:
        numbers.setdefault((place, rank), []).append(number)
    assert all(sorted(some) == list(range(len(some))) for some in numbers.values())
    ranks: dict[Any, list[int]] = {}
    for place, _, _, _, rank in copies:
        ranks.setdefault(place, []).append(rank)
    assert all(sorted(some) == list(range(len(some))) for some in ranks.values())


@settings(deadline=None, max_examples=150, derandomize=True)
@given(st.integers(0, 1 << 32).map(random.Random))
def test_copies_of_equal_pipelines_are_all_different(plan_of: PlanOf, rng: random.Random) -> None:
    """In random jobs whose augmentations have the same operations."""
    job = random_job(rng)
    job["augmentations"] = [
        {**rule, "name": f"{rule['name']}{twin}"} for rule in job["augmentations"] for twin in "xy"
    ]
    try:
        plan = plan_of(**job)
    except PlanError:
        return
    check(plan, [augmentation(rule["name"]) for rule in job["augmentations"]])


def test_numbers_and_ranks_of_one_augmentation_stay_as_they_were() -> None:
    """First one copy of each parent, then the second ones."""
    quota = Copies("a", "train", "c", 3, (), 5)
    (one,) = copyings([augmentation()], [Scripted()], [quota])
    place = ("train", "c", None)
    assert numbered([one], [(place, rank) for rank in range(4)]) == [
        (place, 0, "a", 0, 0), (place, 0, "a", 1, 3), (place, 1, "a", 0, 1), (place, 1, "a", 1, 4),
        (place, 2, "a", 0, 2),
    ]  # fmt: skip


def test_a_prefix_of_the_ranks_holds_as_many_copies_of_each_generator() -> None:
    quotas = [
        Copies("a", "train", "c", 2, (("g", 5), ("h", 3)), 10),
        Copies("b", "train", "c", 0, (("g", 5), ("h", 3)), 12),
    ]
    some = copyings([augmentation("a"), augmentation("b")], [Scripted(), Scripted()], quotas)
    for generator, parents in ((None, 2), ("g", 5), ("h", 3)):
        place = ("train", "c", generator)
        copies = numbered(some, [(place, rank) for rank in range(parents)])
        ranks = sorted(rank for *_, rank in copies)
        assert ranks == list(range(len(copies)))
        assert [name for *_, name, _, rank in sorted(copies, key=lambda c: c[-1]) if rank < 2] == [
            "a",
            "a",
        ]


def test_counts_of_copies_add_up() -> None:
    some = [
        {"a": {"made": 2, "redrawn": 1, "unchanged": 0}},
        {"b": {"made": 1, "redrawn": 0, "unchanged": 1}, "a": {"made": 3, "redrawn": 0}},
        {},
    ]
    assert sum_copies(some) == {
        "a": {"made": 5, "redrawn": 1, "unchanged": 0},
        "b": {"made": 1, "redrawn": 0, "unchanged": 1},
    }
    assert count_copies([]) == {}
