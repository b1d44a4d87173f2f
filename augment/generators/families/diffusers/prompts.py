"""What a text-driven pipeline is told about one sample: a pure function of class and index.

The sample's index counts through the templates, and what is left of it through the values
of the variables that stand in the template, the first in the job the fastest (mixed radix),
so that n samples of a class use every combination equally often. Knows no pipeline.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from augment.errors import CheckpointError
from augment.spec.generators import Prompts

_OWN = ("class", "text")


@dataclass(frozen=True)
class Prompt:
    """text: what is asked for. negative: what is not, or None. template: its position among
    the class's. values: of the variables in it."""

    text: str
    negative: str | None
    template: int
    values: Mapping[str, str]

    def note(self) -> dict[str, object]:
        """As a row's provenance keeps it."""
        return {
            "prompt": self.text,
            "negative_prompt": self.negative,
            "template": self.template,
            "variables": dict(self.values),
        }


def prompt_for(prompts: Prompts, label_name: str, index: int) -> Prompt:
    """The prompt of sample `index` (from 0) of a class. The placeholders are known to be
    right: see `check`."""
    templates, text = _of_class(prompts, label_name)
    rest, which = divmod(index, len(templates))
    template = templates[which]
    values = {}
    for name in (n for n in prompts.variables if n in _placeholders(template)):
        rest, digit = divmod(rest, len(prompts.variables[name]))
        values[name] = prompts.variables[name][digit]
    filled = {"class": label_name, "text": text, **values}
    return Prompt(template.format_map(filled), prompts.negative_prompt, which, values)


def check(place: str, prompts: Prompts, classes: Sequence[str]) -> None:
    """place: where the prompts stand in the job.

    Raises:
        CheckpointError: a placeholder that nothing fills, a variable or a class's text that
            is never used.
    """
    for name in prompts.variables:
        if name in _OWN:
            raise CheckpointError(f"{place}.variables.{name}: this name is taken; expected another")
    for name in prompts.per_class:
        if name not in classes:
            raise CheckpointError(
                f"{place}.per_class.{name}: not one of the generator's classes, so without "
                "effect; expected one of `classes`"
            )
    used: set[str] = set()
    for at, template in _all_templates(place, prompts, classes):
        used |= _checked(at, template, [*_OWN, *prompts.variables])
    for name in prompts.variables:
        if name not in used:
            raise CheckpointError(
                f"{place}.variables.{name}: has no effect; expected {{{name}}} in a template"
            )


def _of_class(prompts: Prompts, label_name: str) -> tuple[Sequence[str], str]:
    """(templates, text) of a class."""
    given = prompts.per_class.get(label_name)
    text = label_name.replace("_", " ")
    if isinstance(given, str):
        return prompts.templates, given
    return (prompts.templates if given is None else given), text


def _all_templates(place: str, prompts: Prompts, classes: Sequence[str]) -> list[tuple[str, str]]:
    """(place, template) of all that some class uses."""
    own = {c: given for c, given in prompts.per_class.items() if not isinstance(given, str)}
    shared = any(c not in own for c in classes)
    found = [(f"{place}.templates.{n}", t) for n, t in enumerate(prompts.templates) if shared]
    for label, templates in own.items():
        found += [(f"{place}.per_class.{label}.{n}", t) for n, t in enumerate(templates)]
    return found


def _placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def _checked(at: str, template: str, valid: Sequence[str]) -> set[str]:
    """The template's placeholders."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as e:
        raise CheckpointError(
            f"{at}: got {template!r} ({e}); expected {{name}} with both braces"
        ) from None
    for _, name, form, conversion in parts:
        if name is not None and (name not in valid or form or conversion):
            shown = ", ".join(f"{{{v}}}" for v in valid)
            raise CheckpointError(f"{at}: got {{{name}}}; expected one of {shown}")
    return _placeholders(template)
