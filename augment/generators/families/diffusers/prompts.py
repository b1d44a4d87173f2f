"""What a text-driven pipeline is told about one sample: a pure function of class and index.

The sample's index counts through the templates, and what is left of it through the values
of the variables that stand in the template, the first in the job the fastest (mixed radix),
so that n samples of a class use every combination equally often. Knows no pipeline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from augment.errors import CheckpointError, Problem
from augment.spec.generators import DiffusersGenerator, Prompts
from augment.spec.prompts import placeholders, wrong_prompts


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
    for name in (n for n in prompts.variables if n in placeholders(template)):
        rest, digit = divmod(rest, len(prompts.variables[name]))
        values[name] = prompts.variables[name][digit]
    filled = {"class": label_name, "text": text, **values}
    return Prompt(template.format_map(filled), prompts.negative_prompt, which, values)


def check(place: str, spec: DiffusersGenerator) -> None:
    """place: of the generator in the job.

    Raises:
        CheckpointError: the prompts are not right for its classes; see `spec.prompts`.
    """
    sampling = spec.sampling
    guidance = sampling.call.get("guidance_scale")
    for wrong in wrong_prompts(sampling.prompts or Prompts(), spec.classes or (), guidance):
        at = ".".join(map(str, (place, "sampling", "prompts", *wrong.path)))
        raise CheckpointError(str(Problem(at, wrong.found, wrong.expected, wrong.hint)))


def _of_class(prompts: Prompts, label_name: str) -> tuple[Sequence[str], str]:
    """(templates, text) of a class."""
    given = prompts.per_class.get(label_name)
    text = label_name.replace("_", " ")
    if isinstance(given, str):
        return prompts.templates, given
    return (prompts.templates if given is None else given), text
