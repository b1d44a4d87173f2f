from __future__ import annotations

from typing import Any

import pytest

from augment.errors import CheckpointError
from augment.generators.families.diffusers.prompts import check, prompt_for
from augment.spec.generators import DiffusersGenerator, Prompts

CLASSES = ["red_cat", "dog"]


def generator(prompts: dict[str, Any]) -> DiffusersGenerator:
    return DiffusersGenerator.model_validate({
        "family": "diffusers", "checkpoint": "x", "classes": CLASSES,
        "sampling": {"prompts": prompts},
    })  # fmt: skip


def texts(prompts: Prompts, label: str, n: int) -> list[str]:
    return [prompt_for(prompts, label, index).text for index in range(n)]


def test_without_prompts_the_class_itself_is_asked_for() -> None:
    assert texts(Prompts(), "red_cat", 2) == ["red cat", "red cat"]


def test_template_by_index_then_variables_the_first_the_fastest() -> None:
    prompts = Prompts(
        templates=["{text} at {time} in {place}", "{class}"],
        variables={"time": ["dawn", "dusk"], "place": ["a", "b", "c"]},
    )
    made = texts(prompts, "red_cat", 14)
    assert made[1::2] == ["red_cat"] * 7
    assert made[0::2] == [
        "red cat at dawn in a", "red cat at dusk in a", "red cat at dawn in b",
        "red cat at dusk in b", "red cat at dawn in c", "red cat at dusk in c",
        "red cat at dawn in a",
    ]  # fmt: skip


def test_only_variables_of_the_template_count() -> None:
    prompts = Prompts(
        templates=["{text} {a}", "{text} {b}"], variables={"a": ["1", "2"], "b": ["3", "4"]}
    )
    assert texts(prompts, "dog", 4) == ["dog 1", "dog 3", "dog 2", "dog 4"]


def test_a_class_may_have_its_text_or_its_templates() -> None:
    prompts = Prompts(
        templates=["a {text}"], per_class={"dog": "hound", "red_cat": ["x", "{text}"]}
    )
    assert texts(prompts, "dog", 2) == ["a hound", "a hound"]
    assert texts(prompts, "red_cat", 3) == ["x", "red cat", "x"]


def test_the_note_says_what_was_asked() -> None:
    prompts = Prompts(
        templates=["{text}", "{text}, {w}"], variables={"w": ["wet"]}, negative_prompt="b"
    )
    assert prompt_for(prompts, "dog", 3).note() == {
        "prompt": "dog, wet",
        "negative_prompt": "b",
        "template": 1,
        "variables": {"w": "wet"},
    }


@pytest.mark.parametrize(
    ("prompts", "text"),
    [
        (
            {"templates": ["{text} {tiem}"], "variables": {"time": ["x"]}},
            "p.templates.0: got {tiem}; expected one of {class}, {text}, {time}. "
            "Did you mean 'time'?",
        ),
        (
            {"templates": ["{text.__class__}"]},
            "p.templates.0: got {text.__class__}; expected one of {class}, {text}",
        ),
        (
            {"templates": ["{text!r}"]},
            "p.templates.0: got {text!r}; expected one of {class}, {text}",
        ),
        (
            {"templates": ["{}"]},
            "p.templates.0: got {}; expected one of {class}, {text}",
        ),
        (
            {"templates": ["a {text"]},
            "p.templates.0: got 'a {text' (expected '}' before end of string); expected {name} "
            "with both braces",
        ),
        (
            {"variables": {"time": ["x"]}},
            "p.variables.time: got a variable that no template uses; expected {time} in a "
            "template, or no such key",
        ),
        (
            {"variables": {"text": ["x"]}},
            "p.variables.text: got a name that is taken; expected another name",
        ),
        (
            {"per_class": {"cow": "x"}},
            "p.per_class.cow: got 'cow', which has no effect: it is none of the generator's "
            "classes; expected one of dog, red_cat",
        ),
        (
            {"per_class": {"dog": ["{nothing}"]}},
            "p.per_class.dog.0: got {nothing}; expected one of {class}, {text}",
        ),
    ],
)
def test_prompts_that_are_refused(prompts: dict[str, Any], text: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        check("p", generator(prompts))
    assert str(caught.value) == text.replace("p.", "p.sampling.prompts.", 1)


def test_prompts_that_are_not() -> None:
    check("p", generator({"templates": ["{{literal}} {text} {x}"], "variables": {"x": ["1"]}}))
    assert texts(Prompts(templates=["{{literal}} {text}"]), "dog", 1) == ["{literal} dog"]
