"""Images as generators' input: what a job may say, and the text of what it may not."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from augment.errors import SpecError
from augment.spec import Job
from augment.spec.inputs import untaken
from tests.spec.conftest import Edits

Load = Callable[..., Job]
TINT: Edits = {
    "generators.fake": {"family": "tint"},
    "synthesize.0": {"generators": ["fake"], "input": {"per_image": 2}},
}
SIDE = {
    "format": "imagefolder",
    "uri": "data/side",
    "splits": {"train": "train"},
    "attributes": {"time_of_day": "night"},
}


def texts(job: Load, edits: Edits) -> list[str]:
    with pytest.raises(SpecError) as caught:
        job({**copy.deepcopy(TINT), **edits})
    return [str(p).removeprefix("job: ") for p in caught.value.problems]


def test_defaults(job: Load) -> None:
    (rule,) = job(copy.deepcopy(TINT)).spec.synthesize
    assert rule.input is not None
    assert (rule.fill, rule.label, rule.set, rule.split) == (None, "keep", {}, "train")
    assert (rule.input.per_image, rule.input.from_.origin) == (2, ["real"])


def test_everything_said(job: Load) -> None:
    spec = job(
        {
            **TINT,
            "sources.side": {**SIDE, "use": "inputs"},
            "synthesize.0": {
                "generators": ["fake"],
                "input": {
                    "from": {
                        "origin": ["real"],
                        "sources": ["side"],
                        "classes": ["street"],
                        "splits": ["train"],
                        "attributes": {"time_of_day": "night"},
                    },
                    "per_image": 3,
                },
                "label": "0",
                "set": {"time_of_day": "day"},
                "fill": {"to": 10},
            },
        }
    ).spec
    assert spec.sources["side"].use == "inputs"
    assert spec.synthesize[0].set == {"time_of_day": "day"}


@pytest.mark.parametrize(
    ("edits", "text"),
    [
        (
            {"synthesize.0.manifest": "m.csv", "synthesize.0.input.per_image": 1},
            "synthesize[0].input: got `input` beside `manifest`; expected one of them. A manifest "
            "names samples of classes; with `input` use `fill`, or neither",
        ),
        (
            {"synthesize.0.input": {"from": {"splits": ["test"]}}},
            "synthesize[0].input.from.splits[0]: got the protected split 'test'; expected train. "
            "Its images are never a parent of anything",
        ),
        (
            {"synthesize.0.input": {"from": {"splits": ["trian"]}}},
            "synthesize[0].input.from.splits[0]: got the split 'trian'; expected one of test, "
            "train. Did you mean 'train'?",
        ),
        (
            {"synthesize.0.input": {"from": {"sources": ["rael"]}}},
            "synthesize[0].input.from.sources[0]: got the source 'rael'; expected real. Did you "
            "mean 'real'?",
        ),
        (
            {"synthesize.0.input": {"from": {"attributes": {"weather": "rain"}}}},
            "synthesize[0].input.from.attributes: got a mapping of weather, which no source has; "
            "expected attributes of a source. Sources say theirs under `attributes`",
        ),
        (
            {"synthesize.0": {"generators": ["fake"], "fill": {"to": 5}, "label": "1"}},
            "synthesize[0].label: got '1', which has no effect without `input`; expected no such "
            "key, or an `input`",
        ),
        (
            {"classes": {"names": ["0", "1"]}, "synthesize.0.label": "2"},
            "synthesize[0].label: got the class '2'; expected one of 0, 1",
        ),
        (
            {"synthesize.1": {"generators": ["fake"], "input": {}, "set": {"a": "b"}}},
            "synthesize[1].generators: got 'fake' with another `input`, `label` or `set` than "
            "synthesize[0]; expected one way of use per generator. Give the same checkpoint a "
            "second name under `generators`",
        ),
        (
            {"sources.real.use": "inputs"},
            "sources: got no source with use: rows; expected real images that are rows",
        ),
        (
            {"sources.side": {**SIDE, "use": "label_maps"},
             "synthesize.0.input": {"from": {"sources": ["real"]}}},
            "sources.side.use: got label_maps, but no rule of `synthesize` takes its images; "
            "expected rows, or an `input` that takes them",
        ),
        (
            {
                "sources.side": {**SIDE, "use": "label_maps"},
                "synthesize.0.input": {"from": {"sources": ["side"]}},
                "generators.fake": {
                    "family": "unet_i2i", "checkpoint": ".", "preprocess": {"load_size": 286},
                },
            },
            "generators.fake.preprocess.resize: got resize_and_crop, which cuts a part out of a "
            "label map; expected one that keeps all of it. The mask of the row would not show "
            "what its image shows",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(job: Load, edits: dict[str, Any], text: str) -> None:
    assert text in texts(job, edits)


def test_images_that_only_a_study_looks_at(job: Load) -> None:
    """Unlike label maps, which nothing but a rule can use."""
    edits = {
        "sources.side": {**SIDE, "use": "inputs"},
        "synthesize.0.input": {"from": {"sources": ["real"]}},
    }
    spec = job({**copy.deepcopy(TINT), **edits}).spec
    assert untaken(spec.sources, spec.synthesize) == ["side"]
    spec = job({**copy.deepcopy(TINT), "sources.side": edits["sources.side"]}).spec
    assert untaken(spec.sources, spec.synthesize) == []


SEEN = {"family": "vae", "checkpoint": "."}


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        (
            [{"source": "real", "splits": ["train", "test"]}],
            "generators.fake.trained_on[0].splits[1]: got the protected split 'test'; expected "
            "splits that are not protected. Its samples would carry that split into the training "
            "set: train it again",
        ),
        (
            [{"source": "rael", "splits": ["train"]}],
            "generators.fake.trained_on[0].source: got the source 'rael'; expected real. Did you "
            "mean 'real'?",
        ),
        (
            [{"source": "real", "splits": ["trian"]}],
            "generators.fake.trained_on[0].splits[0]: got the split 'trian'; expected one of "
            "test, train. Did you mean 'train'?",
        ),
    ],
)
def test_what_a_generator_was_trained_on(job: Load, seen: list[Any], text: str) -> None:
    edits = {
        "generators.fake": {**SEEN, "trained_on": seen},
        "synthesize.0": {"generators": ["fake"], "fill": {"to": 100}},
    }
    assert texts(job, edits) == [text]


def test_a_generator_that_saw_only_open_splits(job: Load) -> None:
    seen = [{"source": "real", "splits": ["train"]}]
    edits = {
        "generators.fake": {**SEEN, "trained_on": seen},
        "synthesize.0": {"generators": ["fake"], "fill": {"to": 100}},
    }
    found = job(edits).spec.generators["fake"].model_dump(exclude_none=True)
    assert found["trained_on"] == seen


def test_a_digest_of_splits_belongs_to_splits_that_are_drawn(job: Load) -> None:
    seen = [{"source": "real", "splits": ["train"], "split_digest": "0123456789abcdef"}]
    edits = {
        "generators.fake": {**SEEN, "trained_on": seen},
        "synthesize.0": {"generators": ["fake"], "fill": {"to": 100}},
    }
    assert texts(job, edits) == [
        "generators.fake.trained_on[0].split_digest: got '0123456789abcdef', which has no effect; "
        "expected no such key. The splits of 'real' are not drawn: their texts say what is there"
    ]
    drawn = {"sources.real.splits": {"train": 0.8, "test": 0.2}}
    assert job({**edits, **drawn}).spec.generators["fake"].model_dump()["trained_on"] == seen
    short = [{**seen[0], "split_digest": "0123"}]
    (text,) = texts(job, {**edits, **drawn, "generators.fake": {**SEEN, "trained_on": short}})
    assert text.startswith("generators.fake.trained_on[0].split_digest: ")


def test_a_rule_needs_a_fill_a_manifest_or_an_input(job: Load) -> None:
    edits: Edits = {"generators.fake": {"family": "tint"}}
    bare = {"synthesize.0": {"generators": ["fake"]}}
    expected = "synthesize[0]: got neither fill nor manifest; expected exactly one of them"
    assert texts(job, {**edits, **bare}) == [expected]
