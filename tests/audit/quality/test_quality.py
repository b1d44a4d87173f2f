"""What is planted is found, with its class and maker; what is clean raises nothing."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from augment.audit.measures import Figure, NotComputed, inception_score
from augment.audit.quality import judged
from augment.audit.quality.comparing import MEASURES, Compared
from augment.audit.quality.gathering import Gathered, Group, Rows, duplicates
from augment.audit.quality.labels import Labels
from augment.audit.quality.report import Quality
from augment.audit.quality.schema import quality_defs
from tests.audit.quality.conftest import CLASSES, D, gathered, quality, real, rows_of


def one(
    found: Quality, measure: str, name: str | None, maker: str = "g", extractor: str = "one"
) -> Compared:
    group = Group("train", name, maker)
    (compared,) = [c for c in found.compared if c.group == group and c.extractor == extractor
                   and c.figure.measure == measure]  # fmt: skip
    return compared


def shrunk(rng: np.random.Generator, name: str, n: int) -> np.ndarray:
    """Class `b` is one image over and over, but for noise."""
    if name != "b":
        return real(rng, name, n)
    return (real(rng, name, 1) + 0.05 * rng.standard_normal((n, D))).astype(np.float32)


# ---- clean ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_a_perfect_generator_raises_nothing(seed: int) -> None:
    found = quality(seed, {"g": real}, train=60, holdout=30, n=30)
    assert found.findings == ()
    assert [check.passed for check in found.checks] == [True, None]
    ratios = [c.ratio for c in found.compared if c.figure.measure == "coverage"]
    assert len(ratios) == 2 * (len(CLASSES) + 1)
    assert all(ratio is not None and ratio > 0.7 for ratio in ratios)


def test_every_measure_stands_per_class_and_over_all_with_what_it_is_held_against() -> None:
    found = quality(1, {"g": real, "h": real}, train=240, n=120)
    for maker in ("g", "h"):
        for name in (*CLASSES, None):
            for measure in set(MEASURES) - {"sliced_wasserstein"}:
                compared = one(found, measure, name, maker)
                assert isinstance(compared.figure, Figure)
                n = 120 if name else 360
                assert (compared.figure.n, compared.figure.n_real) == (n, n)
                assert compared.figure.interval is not None
                assert compared.kind == "halves", "the holdout has 60 images of a class"
                assert compared.low is not None
                assert compared.high is not None
                assert compared.median is not None
                assert compared.low <= compared.median
                assert compared.median <= compared.high
                assert (compared.draws, compared.real) == (20, "train")
    sliced = one(found, "sliced_wasserstein", "a")
    assert isinstance(sliced.figure, NotComputed)
    assert sliced.figure.reason == "n < 200"
    assert isinstance(one(found, "sliced_wasserstein", None).figure, Figure)


def test_the_same_seed_gives_the_same_figures_and_another_one_others() -> None:
    texts = [json.dumps(quality(seed, {"g": real}, n=30).to_json()) for seed in (3, 3, 4)]
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]


def test_samples_do_not_depend_on_shards() -> None:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((300, D)).astype(np.float32)
    rows = rows_of("train", "a", "g", 300)
    whole, parts = Gathered(7, per_class=50), Gathered(7, per_class=50)
    whole.add(rows, features, np.arange(300))
    for begin in range(0, 300, 13):
        some = slice(begin, begin + 13)
        part = Rows(rows.ids[some], rows.splits[some], rows.class_names[some], rows.makers[some])
        parts.add(part, features[some], np.arange(len(part.ids)))
    group = Group("train", "a", "g")
    a, b = whole.features(group), parts.features(group)
    assert a is not None
    assert b is not None
    assert a.shape == (50, D)
    assert np.array_equal(a, b)


def test_rows_without_a_vector_are_left_out() -> None:
    found = Gathered(0)
    features = np.arange(2 * D, dtype=np.float32).reshape(2, D)
    found.add(rows_of("train", "a", None, 5), features, np.array([1, 4]))
    group = Group("train", "a", None)
    kept = found.features(group)
    assert kept is not None
    assert sorted(kept[:, 0]) == [0.0, float(D)]
    assert found.counts == {group: 2}


# ---- collapse ------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_one_collapsed_class_is_found_and_no_other(seed: int) -> None:
    found = quality(seed, {"g": shrunk, "h": real})
    grave = [finding.text for finding in found.findings if not finding.warns]
    assert grave
    assert all("class 'b', generator name of g" in text for text in grave)
    assert found.checks[0].passed is False
    covers = one(found, "coverage", "b")
    assert isinstance(covers.figure, Figure)
    assert covers.apart is True
    assert covers.ratio is not None
    assert covers.ratio < 0.2
    assert one(found, "coverage", "b", "h").apart is False


def test_images_unlike_real_ones_are_apart_and_copies_are_no_pass() -> None:
    def far(rng: np.random.Generator, name: str, n: int) -> np.ndarray:
        return real(rng, name, n) + 3

    found = quality(2, {"g": far})
    for measure in ("frechet", "kid", "precision", "coverage"):
        compared = one(found, measure, "a")
        assert compared.apart is True, measure
    assert {finding.check for finding in found.findings} == {"collapse"}
    distance = one(found, "frechet", "a").ratio
    assert distance is not None
    assert distance > 2
    ((_, ratio, extractors), *_) = [
        (entry["class"], entry["frechet_ratio"], entry["extractors"])
        for entry in found.to_json()["fidelity"] if entry["class"] == "a"
    ]  # fmt: skip
    both = [one(found, "frechet", "a", extractor=name).ratio for name in ("one", "two")]
    assert extractors == 2
    assert ratio == pytest.approx(math.sqrt(both[0] * both[1]))  # type: ignore[operator]


def test_a_long_tail_is_held_against_the_holdout() -> None:
    found = quality(5, {"g": real}, train=8, holdout=80)
    compared = one(found, "coverage", "a")
    assert (compared.real, compared.kind, compared.figure.n) == ("holdout", "halves", 40)
    assert compared.ratio is not None
    assert compared.ratio > 0.7
    assert found.findings == ()


def test_a_generator_of_rare_classes_is_not_told_that_it_lacks_the_frequent_ones() -> None:
    some = gathered(1, {})
    rng = np.random.default_rng(9)
    some.add(rows_of("train", "c", "g", 60), real(rng, "c", 60), np.arange(60))
    other = gathered(2, {"g": real})  # of all classes
    found = judged({"one": some, "two": other}, seed=0, extractors=(), makers={})
    assert one(found, "coverage", None).apart is False
    assert one(found, "coverage", None).figure.n == 60
    assert not [c for c in found.compared if c.group.class_name == "a" and c.extractor == "one"]


def test_too_few_images_are_no_verdict() -> None:
    found = quality(0, {"g": real}, train=1, holdout=0, n=30)
    assert all(isinstance(c.figure, NotComputed) for c in found.compared)
    assert {c.to_json()["not_computed"] for c in found.compared} == {
        "1 real images of it; expected at least 2"
    }
    assert [check.passed for check in found.checks] == [None, None]
    assert "not judged" in found.checks[0].text
    few = quality(0, {"g": real}, train=30, holdout=0, n=30)
    assert all(isinstance(c.figure, NotComputed) for c in few.compared if c.group.class_name)
    nothing = quality(0, {})
    assert nothing.compared == ()
    assert nothing.checks[0].passed is None


def test_images_that_repeat_one_another() -> None:
    rows = [rows_of("train", "a", None, 40, pixels=True), rows_of("train", "a", "g", 40)]
    same = Rows(rows[1].ids, rows[1].splits, rows[1].class_names, rows[1].makers, ["x"] * 40)
    counts = duplicates([rows[0], same])
    assert counts[Group("train", "a", "g")] == (40, 1)
    found = quality(0, {"g": real}, repeats=counts)
    grave = [finding for finding in found.findings if not finding.warns]
    assert [finding.n for finding in grave] == [39, 39], "of the class, and of all"
    assert [finding.group for finding in grave] == [("train", None, "g"), ("train", "a", "g")]
    assert "39 of 40 images repeat another one exactly (0.00 of the real ones do)" in grave[0].text
    as_real = {**counts, Group("train", "a", None): (40, 1), Group("train", None, None): (40, 1)}
    assert quality(0, {"g": real}, repeats=as_real).findings == ()
    assert duplicates([rows_of("train", "a", "g", 3)]) == {}, "hashes that nobody knows"


# ---- labels --------------------------------------------------------------------------


def answers(rng: np.random.Generator, shown: list[str], sure: float = 0.9) -> np.ndarray:
    """What a classifier says of images that show these classes."""
    rest = (1 - sure) / (len(CLASSES) - 1)
    said = np.full((len(shown), len(CLASSES)), rest)
    said[np.arange(len(shown)), [CLASSES.index(name) for name in shown]] = sure
    return said.astype(np.float32)


def labels_of(wrong: float, seed: int) -> Labels:
    """Class `b` of maker g shows `c` in a part of its images."""
    rng, found = np.random.default_rng(seed), Labels(CLASSES, seed)
    for name in CLASSES:
        for split, maker in (("train", None), ("test", None), ("train", "g")):
            shown = [name] * 60
            if name == "b" and maker:
                shown = ["c" if rng.random() < wrong else "b" for _ in shown]
            found.add(rows_of(split, name, maker, 60), answers(rng, shown), np.arange(60))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_a_generator_that_makes_another_class_fails(seed: int) -> None:
    found = quality(seed, {"g": real}, labels=labels_of(1.0, seed))
    (finding,) = [one for one in found.findings if one.check == "labels"]
    assert not finding.warns
    assert "class 'b', generator name of g" in finding.text
    assert finding.to_json()["group"] == {"split": "train", "class": "b", "maker": "g"}
    assert (
        "names the class of 0.00 of 60 images, of 1.00 of real ones; it sees 'c' in 60: "
        "look at them" in finding.text
    )
    assert len(found.quarantine) == 60
    assert {(doubt.group.class_name, doubt.shows) for doubt in found.quarantine} == {("b", "c")}
    assert found.checks[1].passed is False


@pytest.mark.parametrize("seed", range(3))
def test_a_tenth_of_wrong_labels_warns_and_is_listed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rows_of("train", "a", "g", 200)
    shown = ["b" if rng.random() < 0.1 else "a" for _ in rows.ids]
    wrong = [name for name, what in zip(rows.ids, shown, strict=True) if what == "b"]
    labels = Labels(CLASSES, seed)
    labels.add(rows_of("test", "a", None, 60), answers(rng, ["a"] * 60), np.arange(60))
    labels.add(rows, answers(rng, shown), np.arange(200))
    found = quality(seed, {"g": real}, labels=labels)
    (finding,) = [one for one in found.findings if one.check == "labels"]
    assert finding.warns
    assert finding.n == len(wrong)
    assert sorted(doubt.sample_id for doubt in found.quarantine) == sorted(wrong)
    assert found.checks[1].passed is True


def test_a_few_wrong_labels_in_every_class_are_seen_over_all() -> None:
    """Four of forty are no proof in one class."""
    rng, labels = np.random.default_rng(3), Labels(CLASSES, 0)
    for name, other in zip(CLASSES, CLASSES[1:] + CLASSES[:1], strict=True):
        labels.add(rows_of("test", name, None, 60), answers(rng, [name] * 60), np.arange(60))
        shown = [other] * 4 + [name] * 36
        labels.add(rows_of("train", name, "g", 40), answers(rng, shown), np.arange(40))
    (finding,) = [one for one in quality(0, {"g": real}, labels=labels).findings
                  if one.check == "labels"]  # fmt: skip
    assert "all classes, generator name of g: 12 of 120 images show little of their" in finding.text
    assert (finding.n, finding.warns) == (12, True)
    assert finding.group == ("train", None, "g")


def test_right_labels_raise_nothing_and_rows_of_other_classes_are_not_asked() -> None:
    labels = labels_of(0.0, 0)
    labels.add(rows_of("train", "zebra", "g", 30), answers(np.random.default_rng(0), ["a"] * 30),
               np.arange(30))  # fmt: skip
    found = quality(0, {"g": real}, labels=labels)
    assert found.findings == ()
    assert found.quarantine == ()
    assert "zebra" not in {one.group.class_name for one in found.agreements}


def _mixed(n: int) -> Rows:
    """Rows of one maker, of all classes in turn."""
    names = [CLASSES[i % len(CLASSES)] for i in range(n)]
    return Rows([f"r{i}" for i in range(n)], ["train"] * n, names, ["g"] * n)


def test_the_inception_score_is_that_of_all_answers_whatever_the_shards() -> None:
    rng = np.random.default_rng(3)
    answers = rng.dirichlet(np.ones(len(CLASSES)), 300)
    rows = _mixed(300)
    labels = Labels(CLASSES, 0)
    for part in np.array_split(np.arange(300), 7):
        labels.add(rows, answers[part], part)
    (whole,) = [one for one in labels.agreements() if one.group.class_name is None]
    wanted = inception_score(answers, splits=1)
    assert isinstance(wanted, Figure)
    assert whole.inception_score == pytest.approx(wanted.value, rel=1e-12)
    assert all(o.inception_score is None for o in labels.agreements() if o.group.class_name)
    few = Labels(CLASSES, 0)
    few.add(rows, answers[:199], np.arange(199))
    assert [one.inception_score for one in few.agreements()] == [None] * len(few.agreements())


def test_a_certain_answer_has_no_entropy() -> None:
    sure = np.eye(len(CLASSES))[np.arange(300) % len(CLASSES)]
    rows = _mixed(300)
    labels = Labels(CLASSES, 0)
    labels.add(rows, sure, np.arange(300))
    (whole,) = [one for one in labels.agreements() if one.group.class_name is None]
    assert whole.inception_score == pytest.approx(len(CLASSES))


def test_without_real_images_that_it_never_saw_a_classifier_says_nothing() -> None:
    labels = Labels(CLASSES, 0)
    for split, maker in (("train", None), ("train", "g")):
        shown = ["c" if maker else "a"] * 60
        labels.add(rows_of(split, "a", maker, 60), answers(np.random.default_rng(0), shown),
                   np.arange(60))  # fmt: skip
    found = quality(0, {"g": real}, labels=labels)
    assert found.findings == ()
    assert found.checks[1].passed is None
    assert "too few real images that the classifier was not fit on" in found.checks[1].text


# ---- as JSON -------------------------------------------------------------------------


def test_the_schema_holds() -> None:
    schema = {"$ref": "#/$defs/quality", "$defs": quality_defs()}
    validator = Draft202012Validator(schema)
    Draft202012Validator.check_schema(schema)
    for found in (
        quality(
            0, {"g": shrunk}, labels=labels_of(0.5, 0), repeats={Group("train", "a", "g"): (9, 3)}
        ),
        quality(0, {}),
        quality(0, {"g": real}, train=1, holdout=0, n=2),
    ):
        validator.validate(json.loads(json.dumps(found.to_json(), allow_nan=False)))
