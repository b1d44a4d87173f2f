"""Records of trainings -> verdicts, the chosen share, JSON as the schema says, and lines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import jsonschema
import numpy as np
import pytest

from augment.study import Arm, Asked, Study, Training, arms_of, study_schema, trainings_of
from augment.study.render import render
from augment.study.report import VIEWS, About, reported
from augment.study.retrieval import Retrieved
from augment.study.rows import Splits
from augment.study.training import Outcome

VAE, GAN = "ae" * 32, "ba" * 32
LABELS = np.arange(200) % 4
CLASSES = ("a", "b", "c", "d")
ASKED = Asked(shares=(0.25, 0.5), draws=5, seeds=4)
COUNTS = {"real": 9, "copies": 9, "synthetic": 40, "validation": 0, "test": 50}


def studied(
    accuracy: Mapping[str, float],
    *,
    validation: Mapping[float, float] | None = None,
    makers: Mapping[str, str] | None = None,
    asked: Asked = ASKED,
    retrieved: Retrieved | None = None,
    best: Mapping[str, float] | None = None,
    **more: Any,
) -> Study:
    """accuracy: by kind of arm, of all test images alike. validation: by share. best: rate by kind;
    with others half as many test images are named right."""
    makers = {VAE: "vae"} if makers is None else makers
    rival = "cd" * 32 if retrieved is not None and retrieved.why is None else None
    rng, outcomes = np.random.default_rng(4), {}
    trainings = trainings_of(arms_of(asked, sorted(makers), True, rival), asked)
    for one in trainings:
        right = rng.random(len(LABELS)) < accuracy[one.arm.kind]
        views = rng.binomial(VIEWS, accuracy[one.arm.kind] / 2, len(LABELS)).astype(np.uint8)
        good = round(100 * (validation or {}).get(one.arm.share, 0.5))
        if best is not None:
            good -= 10 * (one.rate != best[one.arm.kind])
            right &= rng.random(len(LABELS)) < (1.0 if one.rate == best[one.arm.kind] else 0.5)
        held = np.tile(np.array([[good, 100]], np.int64), (4, 1))
        outcomes[one] = Outcome(right, views, held)
    about = About(
        "out/x", 3, "ab" * 32, asked, Splits("train", None, "test"), 32, CLASSES,
        dict.fromkeys(CLASSES, COUNTS), makers, retrieved=retrieved,
    )  # fmt: skip
    amounts = {one: (30, 20, 0, 10) if one.arm.share else (0,) * 4 for one in trainings}
    return reported(about, LABELS, outcomes, amounts, libraries={"torch": "2"}, **more)


FLAT = {"real": 0.7, "classical": 0.7, "synthetic": 0.7, "both": 0.7}


def verdicts(study: Study, test: str = "clean", against: str = "real") -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for one in study.comparisons:
        if (one.test, one.against.kind) == (test, against):
            found.setdefault(one.arm.kind, set()).add(one.verdict)
    return found


def test_what_helps_hurts_or_does_neither_is_called_so() -> None:
    study = studied({"real": 0.6, "classical": 0.6, "synthetic": 0.3, "both": 0.9})
    wanted = {"classical": {"no evidence"}, "synthetic": {"hurts"}, "both": {"helps"}}
    assert verdicts(study) == wanted
    assert verdicts(study, "corrupted") == wanted
    assert verdicts(study, against="classical") == {"both": {"helps"}}
    assert study.family == len(study.comparisons) == 14
    assert {one.difference.n for one in study.comparisons} == {20}


def test_validation_chooses_the_share_whatever_the_test_says() -> None:
    study = studied({**FLAT, "synthetic": 0.9}, validation={0.0: 0.9, 0.25: 0.8, 0.5: 0.6})
    chosen = {(one.arm.kind, one.arm.share) for one in study.arms if one.chosen and one.arm.share}
    assert chosen == {("synthetic", 0.25), ("both", 0.25)}
    equal = studied(FLAT)
    assert {one.arm.share for one in equal.arms if one.chosen} == {0.0, 0.25}, "the least of equal"


BEST = {"real": 0.5, "classical": 1.0, "synthetic": 2.0, "both": 0.5}
TRIED = Asked(shares=(0.25, 0.5), draws=5, seeds=4, rates=(0.5, 1.0, 2.0))


def test_validation_chooses_a_rate_for_each_arm_and_all_else_is_of_that() -> None:
    study = studied(FLAT, asked=TRIED, best=BEST)
    assert {(one.arm.kind, one.rate) for one in study.arms} == set(BEST.items())
    assert {one.n for one in study.arms} == {20}
    assert all(0.6 < one.accuracies["clean"].value < 0.8 for one in study.arms)
    assert {one.verdict for one in study.comparisons} == {"no evidence"}
    found = json.loads(json.dumps(study.to_json(), allow_nan=False))
    jsonschema.validate(found, study_schema())
    tried = {one["rate"]: round(one["validation"], 9) for one in found["arms"][0]["rates"]}
    assert tried == {0.5: 0.5, 1.0: 0.4, 2.0: 0.4}
    text = render(study)
    assert "as it chose the learning rate of each arm" in text
    assert "0.5x" in text


def test_of_equally_good_rates_the_nearest_to_the_usual_one_is_chosen() -> None:
    assert {one.rate for one in studied(FLAT, asked=TRIED).arms} == {1.0}
    without = Asked(shares=(0.5,), draws=5, seeds=4, rates=(0.25, 2.0))
    assert {one.rate for one in studied(FLAT, asked=without).arms} == {2.0}
    assert "0.5x" not in render(studied(FLAT))


@pytest.mark.parametrize("measures", [None, {"coverage": {("a", VAE): 0.5}}])
def test_json_is_as_the_schema_says(measures: Any) -> None:
    study = studied(FLAT, measures=measures, audit=None if measures is None else "audit.json")
    found = json.loads(json.dumps(study.to_json(), allow_nan=False))
    jsonschema.validate(found, study_schema())
    assert [one["trainings"] for one in found["arms"]] == [20] * 6
    assert (found["predicted"] is None) == (measures is None)


def test_the_gains_are_of_classes_with_made_images_and_of_one_maker() -> None:
    measures = {"coverage": {(name, VAE): 0.1 * n for n, name in enumerate(CLASSES)}}
    (found,) = studied(FLAT, measures=measures, audit="a").predicted or ()
    assert (found.groups, found.rows) == (3, 12), "class c has no made images"
    two = studied(FLAT, makers={VAE: "vae", GAN: "gan"}, measures=measures, audit="a")
    assert two.predicted is None
    assert "ask for --each-generator" in (two.why or "")
    each = Asked(shares=(0.25,), draws=5, seeds=4, each_generator=True)
    (of_vae,) = studied(FLAT, makers={VAE: "vae", GAN: "gan"}, asked=each, measures=measures,
                        audit="a").predicted or ()  # fmt: skip
    assert (of_vae.groups, of_vae.rows) == (3, 6)


def test_lines_say_each_verdict_in_a_sentence() -> None:
    study = studied({"real": 0.6, "classical": 0.6, "synthetic": 0.3, "both": 0.9})
    text = render(study, everything=True)
    assert "real + synthetic 0.5 hurts on clean test images: -" in text
    assert "20 pairs in 5 draws against real)" in text
    assert "real + classical: no evidence that it helps or hurts on clean test images" in text
    assert "real + both 0.25 helps on corrupted test images" in text
    assert "not judged, no audit was given: `augment audit DATASET --quality" in text
    short = render(study)
    assert "real + both 0.5 helps" not in short, "validation chose the other share"
    assert "more, of other shares; --all shows everything" in short


def rivals(had: int = 10, why: str | None = None) -> Retrieved:
    return Retrieved(("more",), "random", 50, {}, {"a": 10}, {"a": had}, why=why)


def test_synthetic_images_are_held_against_retrieved_ones_at_the_same_share() -> None:
    accuracy = {**FLAT, "synthetic": 0.5, "retrieved": 0.9}
    study = studied(accuracy, retrieved=rivals())
    assert verdicts(study, against="retrieved") == {"synthetic": {"hurts"}}
    assert verdicts(study)["retrieved"] == {"helps"}
    pairs = [one for one in study.comparisons if one.against.kind == "retrieved"]
    assert [(one.arm.share, one.against.share, one.test) for one in pairs] == [
        (share, share, test) for share in (0.25, 0.5) for test in ("clean", "corrupted")
    ]  # fmt: skip
    assert study.family == len(study.comparisons) == 14 + 8, "all of them hold together"
    text = render(study)
    assert "synthetic 0.25 does worse than retrieved real images on clean test images: -" in text
    assert "both against classical copies, synthetic against retrieved images; 22 int" in text
    assert "retrieved real images: 10 of 50 in more, of the same class" in text
    better = render(studied({**accuracy, "synthetic": 1.0}, retrieved=rivals()))
    assert "synthetic 0.25 does better than retrieved real images on clean" in better
    same = render(studied({**FLAT, "retrieved": 0.7}, retrieved=rivals(7)))
    assert ("synthetic 0.25 shows no evidence of a difference from retrieved real images, of which "
            "3 lack, on clean") in same  # fmt: skip
    assert "10 were asked for, and 3 lack: a 7 of 10" in same


def test_retrieved_images_are_in_the_json_and_earlier_results_still_read() -> None:
    study = studied({**FLAT, "retrieved": 0.7}, retrieved=rivals(7))
    found = json.loads(json.dumps(study.to_json(), allow_nan=False))
    jsonschema.validate(found, study_schema())
    assert found["retrieved"]["classes"] == [{"class": "a", "asked": 10, "had": 7}]
    earlier = json.loads(json.dumps(studied(FLAT).to_json()))
    assert earlier.pop("retrieved") is None
    del earlier["asked"]["rates"]
    for arm in earlier["arms"]:
        del arm["rate"], arm["rates"]
    jsonschema.validate(earlier, study_schema())


def test_gains_from_retrieved_images_predict_nothing_of_a_generator() -> None:
    measures = {"coverage": {(name, VAE): 0.1 * n for n, name in enumerate(CLASSES)}}
    accuracy = {**FLAT, "retrieved": 0.7}
    (found,) = studied(accuracy, retrieved=rivals(), measures=measures, audit="a").predicted or ()
    assert (found.groups, found.rows) == (3, 12), "as without them"


def test_one_training_is_no_pair_of_many() -> None:
    asked = Asked(shares=(0.5,), draws=1, seeds=1, corrupted=False)
    study = studied(FLAT, asked=asked)
    assert {one.verdict for one in study.comparisons} == {"not judged"}
    text = render(study)
    assert "real + classical against real on clean test images: not judged, n < 3" in text
    assert "of one draw: another one may say otherwise" in text
    assert set(verdicts(study, "corrupted")) == set()


def test_generators_are_called_by_their_names() -> None:
    each = Asked(shares=(0.5,), draws=2, seeds=2, each_generator=True)
    text = render(studied(FLAT, makers={VAE: "vae", GAN: "g\x1b[31m"}, asked=each), everything=True)
    assert "real + synthetic 0.5 of vae" in text
    assert "\x1b" not in text


def test_the_same_training_has_one_outcome() -> None:
    assert Training(Arm(), 0, 0) == Training(Arm("scratch", False, 0.0, None), 0, 0)
