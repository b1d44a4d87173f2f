"""What prompts may hold: placeholders that something fills, and nothing that is never used.

Pure text: knows no pipeline. `validate` asks it with the job's lines, the family of whoever
builds a spec by hand.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from augment.spec.generators import Prompts
from augment.spec.problems import nearest, one_of, shown
from augment.spec.text import Path

OWN = ("class", "text")


class Wrong(NamedTuple):
    """One thing that is wrong. path: below `sampling.prompts`."""

    path: Path
    found: str
    expected: str
    hint: str = ""


def wrong_prompts(
    prompts: Prompts, classes: Sequence[str], guidance: object = None
) -> Iterator[Wrong]:
    """Placeholders that nothing fills, variables and texts of classes that are never used, a
    negative prompt that steers nothing. classes: those that the generator may be asked for.
    guidance: the scale of classifier-free guidance, where the job gives one."""
    if prompts.negative_prompt is not None and isinstance(guidance, int | float) and guidance <= 1:
        found = f"a text, which has no effect with guidance_scale {guidance}"
        yield Wrong(("negative_prompt",), found, "a guidance_scale above 1, or no such key")
    for name in prompts.variables:
        if name in OWN:
            yield Wrong(("variables", name), "a name that is taken", "another name")
    for name in prompts.per_class:
        if name not in classes:
            found = f"{shown(name)}, which has no effect: it is none of the generator's classes"
            yield Wrong(("per_class", name), found, one_of(classes), nearest(name, classes))
    used: set[str] = set()
    for path, template in _all_templates(prompts, classes):
        if (wrong := _wrong_template(path, template, [*OWN, *prompts.variables])) is not None:
            yield wrong
        else:
            used |= placeholders(template)
    for name in prompts.variables:
        if name not in used and name not in OWN:
            found = "a variable that no template uses"
            yield Wrong(("variables", name), found, f"{{{name}}} in a template, or no such key")


def placeholders(template: str) -> set[str]:
    """Names in braces of a template that is well formed."""
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def _all_templates(prompts: Prompts, classes: Sequence[str]) -> Iterator[tuple[Path, str]]:
    """(path, template) of all that some class uses."""
    own = {c: given for c, given in prompts.per_class.items() if not isinstance(given, str)}
    if any(c not in own for c in classes):
        yield from ((("templates", n), text) for n, text in enumerate(prompts.templates))
    for label, templates in own.items():
        yield from ((("per_class", label, n), text) for n, text in enumerate(templates))


def _wrong_template(path: Path, template: str, valid: Sequence[str]) -> Wrong | None:
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        return Wrong(path, f"{shown(template)} ({error})", "{name} with both braces")
    for _, name, form, conversion in parts:
        if name is not None and (name not in valid or form or conversion):
            more = (f"!{conversion}" if conversion else "") + (f":{form}" if form else "")
            expected = one_of([f"{{{each}}}" for each in valid])
            hint = "" if name in valid else nearest(name, valid)
            return Wrong(path, f"{{{name}{more}}}", expected, hint)
    return None
