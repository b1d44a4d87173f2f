"""Each rule by example: counts, order, caps, shares, weights, copies; and every problem's text."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from augment.errors import PlanError
from augment.plan import Capped, Cell, Copies, Draw, GeneratorFacts, Plan, broken_limits, totals
from augment.sample import Origin
from augment.spec.models import Limits

PlanOf = Callable[..., Plan]


def _rows(plan: Plan, split: str = "train") -> dict[str, int]:
    return {x.label_name: x.rows for x in totals(plan) if x.split == split and x.label_name}


def _drawn(plan: Plan) -> dict[tuple[str, str], int]:
    return {(d.generator, d.label_name): d.n for d in plan.draws}


def _copy(**more: Any) -> dict[str, Any]:
    return {"name": "light", "ops": ["HorizontalFlip"], **more}


# ---- what rules add ------------------------------------------------------------------


def test_copies_are_so_many_per_real_row(plan_of: PlanOf) -> None:
    plan = plan_of({"a": 3, "b": 2}, augmentations=[_copy(copies=2)])
    assert _rows(plan) == {"a": 9, "b": 6}
    assert plan.copies == (
        Copies("light", "train", "a", 3, (), 6),
        Copies("light", "train", "b", 2, (), 4),
    )
    assert plan.cells[:2] == (
        Cell("train", "a", Origin.AUGMENTED, None, None, "light", 6),
        Cell("train", "a", Origin.REAL, "src", None, None, 3),
    )


def test_fill_adds_only_what_is_missing(plan_of: PlanOf) -> None:
    rule = {"generators": ["g"], "fill": {"to": 10}}
    plan = plan_of({"a": 12, "b": 4}, generators={"g": "ab"}, synthesize=[rule])
    assert _rows(plan) == {"a": 12, "b": 10}
    assert plan.draws == (Draw("g", "b", "train", 6),)


def test_fill_to_max_is_the_largest_class_so_far(plan_of: PlanOf) -> None:
    plan = plan_of(
        {"a": 12, "b": 4},
        generators={"g": "ab"},
        augmentations=[_copy(copies=1)],
        synthesize=[{"generators": ["g"], "fill": {"to": "max"}, "classes": ["b"]}],
    )
    assert _rows(plan) == {"a": 24, "b": 24}


def test_fill_to_a_mapping_touches_only_its_classes(plan_of: PlanOf) -> None:
    rule = {"generators": ["g"], "fill": {"to": {"b": 7}}}
    plan = plan_of({"a": 1, "b": 4, "c": 1}, generators={"g": "abc"}, synthesize=[rule])
    assert _rows(plan) == {"a": 1, "b": 7, "c": 1}


def test_rules_run_in_order_and_copies_of_generated_rows_last(plan_of: PlanOf) -> None:
    plan = plan_of(
        {"a": 10, "b": 4},
        generators={"g": "ab"},
        augmentations=[
            _copy(name="late", copies=1, **{"from": {"origin": ["real", "synthetic"]}}),
            _copy(name="early", fill={"to": 8}),
        ],
        synthesize=[{"generators": ["g"], "fill": {"to": 10}}],
    )
    assert [s.rule for s in plan.steps] == [
        "sources",
        "augmentations[1] early",
        "synthesize[0] g",
        "augmentations[0] late",
    ]
    assert _drawn(plan) == {("g", "b"): 2}
    assert plan.copies[-1] == Copies("late", "train", "b", 4, (("g", 2),), 6)
    late = [c for c in plan.cells if c.augmentation == "late"]
    assert [(c.label_name, c.origin, c.generator, c.n) for c in late] == [
        ("a", Origin.AUGMENTED, None, 10),
        ("b", Origin.AUGMENTED, None, 4),
        ("b", Origin.SYNTHETIC, "g", 2),
    ]


def test_a_filled_composite_deals_copies_over_real_then_generators_by_name(
    plan_of: PlanOf,
) -> None:
    plan = plan_of(
        {"a": 2},
        generators={"h": "a", "g": "a"},
        synthesize=[{"generators": {"h": 2.0, "g": 1.0}, "fill": {"to": 5}}],
        augmentations=[_copy(fill={"to": 12}, **{"from": {"origin": ["synthetic", "real"]}})],
    )
    assert plan.copies == (Copies("light", "train", "a", 2, (("g", 1), ("h", 2)), 7),)
    # 7 copies over 5 parents: two parents have 2, and those are the real ones
    made = {c.generator: c.n for c in plan.cells if c.augmentation}
    assert made == {None: 4, "g": 1, "h": 2}


def test_augmentations_act_on_every_open_split(plan_of: PlanOf) -> None:
    counts = {"train": {"a": 2}, "extra": {"a": 3}, "test": {"a": 4}}
    plan = plan_of(counts, augmentations=[_copy(copies=1)], protected_splits=["test"])
    assert [plan.rows(s) for s in ("train", "extra", "test")] == [4, 6, 4]
    plan = plan_of(counts, augmentations=[_copy(copies=1)])
    assert [plan.rows(s) for s in ("train", "extra", "test")] == [4, 3, 4]


def test_caps_clamp_and_the_class_is_capped(plan_of: PlanOf) -> None:
    fill = {"to": 100, "max_times_real": 1.5, "max_added": 50}
    rule = {"generators": ["g"], "fill": fill}
    plan = plan_of({"a": 7, "b": 60}, generators={"g": "ab"}, synthesize=[rule])
    assert _rows(plan) == {"a": 17, "b": 100}
    assert plan.capped == (Capped("synthesize[0] g", "train", "a", 93, 10),)


def test_a_share_counts_all_rows_of_the_result(plan_of: PlanOf) -> None:
    rule = {"generators": ["g"], "fill": {"share": 0.2}}
    plan = plan_of({"a": 80, "b": 10}, generators={"g": "ab"}, synthesize=[rule])
    assert _drawn(plan) == {("g", "a"): 20, ("g", "b"): 2}  # 22.5 -> 22 (half to even)
    whole = totals(plan)[-1]
    assert (whole.generated_rows, whole.rows) == (22, 112)


def test_shares_of_a_split_are_solved_together_and_last(plan_of: PlanOf) -> None:
    plan = plan_of(
        {"a": 50, "b": 50},
        generators={"g": "ab", "h": "ab"},
        synthesize=[
            {"generators": ["g"], "fill": {"share": 0.2}},
            {"generators": ["h"], "fill": {"share": 0.3}},
            {"generators": ["h"], "fill": {"to": 60}},
        ],
    )
    whole = totals(plan)[-1]
    assert whole.rows == 240  # 120 others; 0.2 and 0.3 of 240 are 48 and 72
    assert whole.generated == {"g": 48, "h": 20 + 72}
    assert [s.rule for s in plan.steps][1:] == [
        "synthesize[2] h",
        "synthesize[0] g",
        "synthesize[1] h",
    ]


def test_a_share_goes_to_the_classes_that_are_named(plan_of: PlanOf) -> None:
    """Of all rows of the split, also of those of other classes."""
    rule = {"generators": ["g"], "classes": ["a", "c"], "fill": {"share": 0.5}}
    plan = plan_of({"a": 10, "b": 30, "c": 10}, generators={"g": "ac"}, synthesize=[rule])
    assert _drawn(plan) == {("g", "a"): 25, ("g", "c"): 25}


def test_a_share_leaves_no_class_out_in_silence(plan_of: PlanOf) -> None:
    """Whoever asks for a share of all classes must be able to make all that have rows: else the
    others get what is theirs, and every class is away from its target."""
    rule = {"generators": ["g"], "fill": {"share": 0.5}}
    counts = dict.fromkeys("abcdefgh", 10) | {"i": 0}
    assert _problems(plan_of, counts, generators={"g": "ad"}, synthesize=[rule]) == [
        "synthesize[0].fill.share: got none of its generators (g) knows class 'b', and so it is "
        "for 5 more: 'c', 'e', 'f', 'g', 'h'; expected classes it can make. Restrict `classes` "
        "to what they know, or add a generator that knows it"
    ]
    copies = _copy(fill={"share": 0.5}, **{"from": {"origin": ["synthetic"]}})
    made = {"generators": ["g"], "fill": {"to": {"a": 12}}}
    some = _problems(
        plan_of, {"a": 10, "b": 9}, generators={"g": "a"}, synthesize=[made], augmentations=[copies]
    )
    assert some == [
        "augmentations[0].fill.share: got class 'b' of split train has no synthetic row to copy; "
        "expected classes it can make. Restrict `from.classes` to classes that have some, or "
        "change `from.origin`"
    ]


def test_caps_are_of_one_rule(plan_of: PlanOf) -> None:
    """Two rules that may each add as many rows as there are real ones add twice as many;
    what all rules together may add is for `limits` to say."""
    rules = [{"generators": [g], "fill": {"to": 100, "max_times_real": 1.0}} for g in "gh"]
    generators = {"g": "a", "h": "a"}
    limits = {"synthetic_to_real": {"per_class": 1.0}}
    plan = plan_of({"a": 10}, generators=generators, synthesize=rules, limits=limits)
    assert _drawn(plan) == {("g", "a"): 10, ("h", "a"): 10}
    (found,) = broken_limits(plan, Limits.model_validate(limits))
    assert found == "limits.synthetic_to_real.per_class: split train, class 'a': 20 / 10 = 2 > 1"


def test_an_augmentation_may_have_a_share_too(plan_of: PlanOf) -> None:
    plan = plan_of({"a": 10, "b": 30}, augmentations=[_copy(fill={"share": 0.5})])
    assert _rows(plan) == {"a": 20, "b": 60}


def test_several_generators_share_a_class_by_weight_and_knowledge(plan_of: PlanOf) -> None:
    plan = plan_of(
        {"a": 0, "b": 0},
        generators={"g": "ab", "h": "a"},
        synthesize=[{"generators": {"g": 0.7, "h": 0.3}, "fill": {"to": 9}}],
    )
    assert _drawn(plan) == {("g", "a"): 6, ("h", "a"): 3, ("g", "b"): 9}
    equal = plan_of(
        {"a": 0},
        generators={"g": "a", "h": "a"},
        synthesize=[{"generators": ["h", "g"], "fill": {"to": 5}}],
    )
    assert _drawn(equal) == {("g", "a"): 3, ("h", "a"): 2}  # a tie goes by name


def test_two_rules_of_one_cell_become_one_draw(plan_of: PlanOf) -> None:
    rules = [{"generators": ["g"], "fill": {"to": n}} for n in (5, 8)]
    plan = plan_of({"a": 1}, generators={"g": "a"}, synthesize=rules)
    assert plan.draws == (Draw("g", "a", "train", 7),)
    assert [[c.n for c in s.added] for s in plan.steps] == [[1], [4], [3]]


def test_units_and_bytes_follow_the_rows(plan_of: PlanOf) -> None:
    rule = {"generators": ["g"], "fill": {"to": 200}}
    own = {"uri": "out", "shard": {"target_bytes": 1 << 16}, "image": {"format": "png"}}
    plan = plan_of({"a": 100}, generators={"g": "a"}, synthesize=[rule], output=own)
    assert plan.expected_bytes == {"train": 100 * 1000 + 100 * 2000}
    assert plan.units == {"train": 5}
    as_real = own | {"image": {"format": "match_real"}}
    plan = plan_of({"a": 100}, generators={"g": "a"}, synthesize=[rule], output=as_real)
    assert plan.expected_bytes == {"train": 200 * 1000}


# ---- the plan as a value -------------------------------------------------------------


def test_a_plan_survives_json(plan_of: PlanOf) -> None:
    plan = plan_of(
        {"train": {"a": 7, "b": 60}, "test": {"a": 2}},
        generators={"g": "ab"},
        augmentations=[_copy(copies=1, **{"from": {"origin": ["real", "synthetic"]}})],
        synthesize=[{"generators": ["g"], "fill": {"to": 100, "max_times_real": 1.5}}],
    )
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
    with pytest.raises(ValueError, match="plan_version is 99; expected 1"):
        Plan.from_json({**plan.to_json(), "plan_version": 99})


def test_the_order_of_mappings_does_not_matter(plan_of: PlanOf) -> None:
    one = plan_of(
        {"a": 3, "b": 5},
        generators={"g": "ab", "h": "ab"},
        synthesize=[{"generators": {"g": 1.0, "h": 2.0}, "fill": {"to": {"a": 20, "b": 9}}}],
    )
    two = plan_of(
        {"b": 5, "a": 3},
        generators={"h": "ab", "g": "ab"},
        synthesize=[{"generators": {"h": 2.0, "g": 1.0}, "fill": {"to": {"b": 9, "a": 20}}}],
    )
    assert one == two


# ---- problems ------------------------------------------------------------------------


def _problems(plan_of: PlanOf, *args: Any, **more: Any) -> list[str]:
    with pytest.raises(PlanError) as caught:
        plan_of(*args, **more)
    assert caught.value.exit_code == 2
    return [str(p) for p in caught.value.problems]


def test_a_class_that_no_generator_knows(plan_of: PlanOf) -> None:
    rule = {"generators": ["g"], "fill": {"to": 5}}
    assert _problems(plan_of, {"a": 1, "b": 2}, generators={"g": "a"}, synthesize=[rule]) == [
        "synthesize[0].fill: got 3 more rows of class 'b' in split train, but none of its "
        "generators (g) knows class 'b'; expected a quota that can be reached. Restrict "
        "`classes` to what they know, or add a generator that knows it"
    ]


def test_rows_needed_and_nothing_to_copy(plan_of: PlanOf) -> None:
    assert _problems(plan_of, {"a": 1, "b": 0}, augmentations=[_copy(fill={"to": 5})]) == [
        "augmentations[0].fill: got 5 more rows of class 'b' in split train, but class 'b' of "
        "split train has no real row to copy; expected a quota that can be reached. Restrict "
        "`from.classes` to classes that have some, or change `from.origin`"
    ]


def test_a_named_class_without_parents(plan_of: PlanOf) -> None:
    rule = _copy(copies=1, **{"from": {"classes": ["a", "b"]}})
    assert _problems(plan_of, {"a": 1, "b": 0}, augmentations=[rule]) == [
        "augmentations[0].from.classes: got class 'b' of split train has no real row to copy; "
        "expected at least one parent. Restrict `from.classes` to classes that have some, or "
        "change `from.origin`"
    ]


def test_rules_without_effect(plan_of: PlanOf) -> None:
    generators = {"g": "ab"}
    synthesize = [
        {"generators": ["g"], "fill": {"to": 4}},
        {"generators": ["g"], "fill": {"to": "max"}},
        {"generators": ["g"], "fill": {"to": {"a": 3}}},
        {"generators": ["g"], "fill": {"to": 9, "max_added": 0}},
        {"generators": ["g"], "fill": {"share": 0.01}},
    ]
    assert _problems(plan_of, {"a": 5, "b": 5}, generators=generators, synthesize=synthesize) == [
        "synthesize[0].fill.to: got no effect: every class of split train already has >= 4 "
        "rows; expected a rule that adds rows. Remove the rule or raise `fill.to`",
        "synthesize[1].fill.to: got no effect: every class of split train already has as many "
        "as the largest rows; expected a rule that adds rows. Remove the rule or raise `fill.to`",
        "synthesize[2].fill.to: got no effect: every class of split train already has that many "
        "rows; expected a rule that adds rows. Remove the rule or raise `fill.to`",
        "synthesize[3].fill: got caps that leave nothing to add; expected a rule that adds rows. "
        "Raise `max_added` or `max_times_real`, or remove the rule",
        "synthesize[4].fill.share: got no effect: 0.01 of split train rounds to 0 rows; expected "
        "a rule that adds rows. Raise `fill.share` or remove the rule",
    ]
    late = _copy(copies=1, **{"from": {"origin": ["synthetic"]}})
    assert _problems(plan_of, {"a": 5}, augmentations=[late]) == [
        "augmentations[0].from: got no effect: split train has no parents for it; expected a "
        "rule that adds rows. Change `from` or remove the rule"
    ]


def test_names_that_do_not_exist(plan_of: PlanOf) -> None:
    counts = {"train": {"cat": 5, "dog": 5}, "test": {"cat": 1}}
    problems = _problems(
        plan_of,
        counts,
        generators={"gan": ["cat", "dog"]},
        protected_splits=["tets"],
        augmentations=[_copy(copies=1, **{"from": {"splits": ["trian"]}})],
        synthesize=[
            {"generators": ["gna"], "fill": {"to": 9}, "classes": ["cta"]},
            {"generators": ["gan"], "fill": {"to": {"dgo": 9}}, "split": "trian"},
        ],
    )
    assert problems == [
        "protected_splits: got 'tets'; expected a split of this job (one of test, train). "
        "Did you mean 'test'?",
        "augmentations[0].from.splits: got 'trian'; expected a split of this job (one of test, "
        "train). "
        "Did you mean 'train'?",
        "synthesize[0].generators: got 'gna'; expected a generator of this job (gan). "
        "Did you mean 'gan'?",
        "synthesize[0].classes: got 'cta'; expected a class of this job (one of cat, dog). "
        "Did you mean 'cat'?",
        "synthesize[1].split: got 'trian'; expected a split of this job (one of test, train). "
        "Did you mean 'train'?",
        "synthesize[1].fill.to: got 'dgo'; expected a class of this job (one of cat, dog). "
        "Did you mean 'dog'?",
    ]


def test_a_protected_split(plan_of: PlanOf) -> None:
    counts = {"train": {"a": 5}, "test": {"a": 5}}
    rule = {"generators": ["g"], "fill": {"to": 9}, "split": "test"}
    copy = _copy(copies=1, **{"from": {"splits": ["test"]}})
    made = {"generators": {"g": "a"}, "synthesize": [rule]}
    assert _problems(plan_of, counts, **made, augmentations=[copy]) == [
        "augmentations[0].from.splits: got the protected split 'test'; expected train. "
        "Without `protected_splits` every split but train is protected",
        "synthesize[0].split: got the protected split 'test'; expected train. Without "
        "`protected_splits` every split but train is protected",
    ]
    assert _problems(plan_of, counts, **made, protected_splits=["test"]) == [
        "synthesize[0].split: got the protected split 'test'; expected train. It is in "
        "`protected_splits`"
    ]
    everything = {"protected_splits": ["test", "train"], "augmentations": [_copy(copies=1)]}
    assert _problems(plan_of, counts, **everything) == [
        "augmentations[0].from: got only protected splits; expected a split that may be changed"
    ]


def test_shares_that_leave_no_room(plan_of: PlanOf) -> None:
    rules = [{"generators": ["g"], "fill": {"share": s}} for s in (0.5, 0.6)]
    assert _problems(plan_of, {"a": 9}, generators={"g": "a"}, synthesize=rules) == [
        "synthesize[0].fill.share, synthesize[1].fill.share: got shares of split train that sum "
        "to 1.1; expected less than 1: real rows need room"
    ]


def test_a_share_of_classes_without_rows(plan_of: PlanOf) -> None:
    rule = {"generators": ["g"], "fill": {"share": 0.5}}
    empty = {**rule, "classes": ["b"]}
    assert _problems(plan_of, {"a": 9, "b": 0}, generators={"g": "b"}, synthesize=[empty]) == [
        "synthesize[0].fill.share: got a share of split train, where none of its classes has "
        "rows it can add to; expected classes with rows. A share follows the other rows of its "
        "classes; use `fill.to` for empty ones"
    ]
    named = {**rule, "classes": ["a", "b"]}
    both = _problems(plan_of, {"a": 9, "b": 5}, generators={"g": "b"}, synthesize=[named])
    assert both == [
        "synthesize[0].classes: got none of its generators (g) knows class 'a'; expected classes "
        "it can make. Restrict `classes` to what they know, or add a generator that knows it"
    ]


def test_copies_of_generated_rows_beside_a_share(plan_of: PlanOf) -> None:
    copy = _copy(copies=1, **{"from": {"origin": ["synthetic"]}})
    share = {"generators": ["g"], "fill": {"share": 0.5}}
    made = {"generators": {"g": "a"}, "synthesize": [share]}
    assert _problems(plan_of, {"a": 9}, **made, augmentations=[copy]) == [
        "augmentations[0].from.origin: got copies of generated rows of split train; expected "
        "real parents: how many rows are generated depends, through synthesize[0].fill.share, "
        "on how many copies there are. Use `fill.to` in synthesize[0], or `from: {origin: "
        "[real]}`"
    ]


def test_generators_with_nothing_to_say(plan_of: PlanOf) -> None:
    rule = {"generators": ["g", "h"], "fill": {"to": 9}}
    made = {"generators": {"g": "a", "h": "xy"}, "synthesize": [rule]}
    assert _problems(plan_of, {"a": 1}, **made) == [
        "synthesize[0].generators: got 'h', which knows none of the rule's classes (it knows "
        "'x', 'y'); expected generators that know a class. Remove it or correct `classes`"
    ]


def test_weights_and_forms_that_make_no_sense(plan_of: PlanOf) -> None:
    to = {"to": 9}
    problems = _problems(
        plan_of,
        {"a": 1},
        generators={"g": "a"},
        augmentations=[_copy(), _copy(name="both", fill={"to": 3, "share": 0.5})],
        synthesize=[
            {"generators": ["g", "g"], "fill": to},
            {"generators": ["g"]},
            {"generators": ["g"], "fill": {"to": {"a": 9}}, "classes": ["a"]},
            {"generators": ["g"], "fill": to, "classes": []},
        ],
    )
    assert problems == [
        "augmentations[0]: got both or neither of `copies` and `fill`; expected one of them",
        "augmentations[1].fill: got both or neither of `to` and `share`; expected one of them",
        "synthesize[0].generators: got 'g' twice; expected every generator once. Use a mapping: "
        "weights",
        "synthesize[1]: got both or neither of `manifest` and `fill`; expected one of them",
        "synthesize[2].classes: got classes here and in `fill.to`; expected them in one place. "
        "`fill.to` names its classes already",
        "synthesize[3].classes: got no class; expected at least one, or no such key: all classes",
    ]


def test_two_names_for_the_same_samples(plan_of: PlanOf) -> None:
    same = {
        name: GeneratorFacts(name, "i", "u", "palette", ("a",), 100, "s") for name in ("g", "h")
    }
    rules = [{"generators": [name], "fill": {"to": n}} for name, n in (("g", 5), ("h", 9))]
    made = {"generators": {"g": "a", "h": "a"}, "facts": same, "synthesize": rules}
    assert _problems(plan_of, {"a": 1}, **made) == [
        "generators.h: got the checkpoint and sampling of generators.g; expected a generator of "
        "its own. Both would make the same samples: use one of them"
    ]


def test_nothing_to_extend(plan_of: PlanOf) -> None:
    assert _problems(plan_of, {"train": {}}, classes=("a",)) == [
        "sources: got 0 images; expected real images to extend"
    ]
