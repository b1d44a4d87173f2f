"""Every key of a job file as a page of Markdown, written from the models: docs/job.md.

A section a model, in the order in which a reader meets them: a table of its keys (type, default,
meaning) and examples. Says nothing that the models and examples.yaml do not say.
"""

from __future__ import annotations

import inspect
import json
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from augment.spec.base import Spec
from augment.spec.models import JobSpec
from augment.spec.schema import examples, job_schema

_HEAD = """\
# The keys of a job file

`make schemas` writes this page from the models and examples.yaml in augment/spec: change those.
`augment schema job` prints the same as a JSON schema, for editors. A job file is YAML or JSON. A
name is at most 64 letters, digits, `.`, `_` and `-`. A key that is not given has its default; one
that would have no effect is refused, and so is an unknown one.
"""
_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
_TAGS = ("family", "format", "type")

Properties = Mapping[str, Any]


def reference() -> str:
    """The page."""
    sections = list(_sections())
    links = {s.model.__name__: s.anchor for s in sections}
    schema = job_schema()
    known = {JobSpec.__name__: schema, **schema["$defs"]}
    texts = examples()
    parts = [_HEAD, _contents(sections)]
    for section in sections:
        properties = _properties(section.model, known)
        parts.append(_section(section, properties, links, texts.get(section.model.__name__, [])))
    return "\n".join(parts)


def own_fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields that a model adds to its bases, by the keys that a job has."""
    inherited = {name for base in _bases(model) for name in base.model_fields}
    return {f.alias or n: f for n, f in model.model_fields.items() if n not in inherited}


def models() -> dict[str, type[BaseModel]]:
    """Every model that a part of a job file is read as, by name."""
    return {section.model.__name__: section.model for section in _sections()}


# ---- which sections there are ----------------------------------------------------------


@dataclass(frozen=True)
class Section:
    """A model, and where a job has it. tag: the variant that has it, for example `family: vae`;
    base: it is what several variants share."""

    model: type[BaseModel]
    place: str
    tag: str = ""
    base: bool = False

    @property
    def title(self) -> str:
        if not self.place:
            return "The job"
        if self.base:
            said = _doc(self.model).partition(". ")[0].rstrip(".")
            return f"`{self.place}`: {said[0].lower()}{said[1:]}"
        return f"`{self.place}` with `{self.tag}`" if self.tag else f"`{self.place}`"

    @property
    def anchor(self) -> str:
        """As GitHub makes it from the title."""
        kept = (c for c in self.title.lower() if c.isalnum() or c in " -_")
        return "".join(kept).replace(" ", "-")


def _sections() -> Iterator[Section]:
    """Depth first: what a section's keys hold follows it."""
    seen: set[type[BaseModel]] = set()
    todo = [Section(JobSpec, "")]
    while todo:
        section = todo.pop(0)
        if section.model in seen:
            continue
        seen.add(section.model)
        yield section
        todo = [*_below(section), *todo]


def _below(section: Section) -> Iterator[Section]:
    for key, field in own_fields(section.model).items():
        step = f"{section.place}.{key}" if section.place else key
        for model, place in _models(field.annotation, step):
            tag = _tag(model) or section.tag
            shared = (Section(base, place, base=True) for base in reversed(_bases(model)))
            yield from (s for s in shared if s.model.model_fields)
            yield Section(model, place, tag)


def _models(kind: Any, place: str) -> Iterator[tuple[type[BaseModel], str]]:
    """The models in a type, with the place of each: a list adds `[]`, a mapping `.NAME`."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind, place
    elif origin is dict:
        yield from _models(inner[1], f"{place}.NAME")
    elif origin is list:
        yield from _models(inner[0], f"{place}[]")
    else:
        for one in inner[:1] if origin is typing.Annotated else inner:
            yield from _models(one, place)


def _bases(model: type[BaseModel]) -> list[type[BaseModel]]:
    """What the model shares with others; a base that it has to itself counts as its own."""
    above = (
        b for b in model.__mro__[1:] if issubclass(b, BaseModel) and b not in (BaseModel, Spec)
    )
    return [b for b in above if len(b.__subclasses__()) > 1]


def _tag(model: type[BaseModel]) -> str:
    for name in _TAGS:
        field = model.model_fields.get(name)
        values = typing.get_args(field.annotation) if field is not None else ()
        if len(values) == 1:
            return f"{name}: {values[0]}"
    return ""


# ---- how they are shown ----------------------------------------------------------------


def _properties(model: type[BaseModel], known: Mapping[str, Any]) -> dict[str, Any]:
    """The model's own keys as the published schema has them; a base's, as its first heir has."""
    heirs = (m for m in models().values() if issubclass(m, model) and m.__name__ in known)
    listed = known[next(heirs).__name__]
    required = listed.get("required", ())
    return {
        key: {**listed["properties"][key], "required": key in required} for key in own_fields(model)
    }


def _contents(sections: list[Section]) -> str:
    top = [s for s in sections if s.place and "." not in s.place.replace(".NAME", "")]
    return "\n".join(f"- [{s.title}](#{s.anchor})" for s in top) + "\n"


def _section(
    section: Section, properties: Properties, links: Mapping[str, str], texts: list[str]
) -> str:
    level = "##" if "." not in section.place.replace(".NAME", "") else "###"
    lines = [f"{level} {section.title}", ""]
    if not section.base or ". " in _doc(section.model):
        lines += [_doc(section.model), ""]
    if shared := [links[b.__name__] for b in reversed(_bases(section.model))]:
        also = ", ".join(f"[`#{link}`](#{link})" for link in shared)
        lines += [f"Also the keys of {also}.", ""]
    lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
    for key, value in properties.items():
        cells = (f"`{key}`", _type(value, links), _default(value), value["description"])
        lines.append("| " + " | ".join(_cell(c) for c in cells) + " |")
    for text in texts:
        lines += ["", "```yaml", text.rstrip(), "```"]
    return "\n".join(lines) + "\n"


def _doc(model: type[BaseModel]) -> str:
    return " ".join((inspect.getdoc(model) or "").split())


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _default(value: Mapping[str, Any]) -> str:
    if value["required"]:
        return "required"
    default = value.get("default")
    if isinstance(default, dict) or default is None:
        return ""
    return f"`{json.dumps(default)}`" if default != [] else "none"


def _type(value: Mapping[str, Any], links: Mapping[str, str]) -> str:
    """A property's type in words."""
    if "discriminator" in value:
        tags = value["discriminator"]["mapping"].items()
        return "mapping: " + ", ".join(f"[`{tag}`](#{_link(ref, links)})" for tag, ref in tags)
    if "$ref" in value:
        return f"[mapping](#{_link(value['$ref'], links)})"
    if choices := value.get("enum", [value["const"]] if "const" in value else []):
        return ", ".join(f"`{v}`" for v in choices)
    if members := value.get("anyOf"):
        words = (_type(m, links) for m in members if m.get("type") != "null")
        return " or ".join(dict.fromkeys(words))
    return _plain_type(value, links)


def _plain_type(value: Mapping[str, Any], links: Mapping[str, str]) -> str:
    match value.get("type"):
        case "array" if "prefixItems" in value:
            return f"list of {len(value['prefixItems'])} numbers"
        case "array":
            return f"list of {_type(value['items'], links)}"
        case "object":
            keys = "name" if _NAME in json.dumps(value) else "text"
            return f"mapping of {keys} to {_type(_inner(value), links)}"
        case "integer" | "number" as kind:
            return f"{'whole ' if kind == 'integer' else ''}number{_bounds(value)}"
        case "boolean":
            return "`true`, `false`"
        case "string":
            return "name" if value.get("pattern") == _NAME else "text"
        case _:
            return "anything"


def _link(reference: str, links: Mapping[str, str]) -> str:
    return links[reference.rpartition("/")[2]]


def _inner(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of a mapping's values."""
    by_pattern: Mapping[str, Any] = value.get("patternProperties", {})
    inner = next(iter(by_pattern.values()), value.get("additionalProperties", {}))
    return inner if isinstance(inner, dict) else {}


def _bounds(value: Mapping[str, Any]) -> str:
    """` from 1 to 100`, ` above 0`, or nothing; bounds of the number's own size are left out."""
    names = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to",
             "exclusiveMaximum": "below"}  # fmt: skip
    return "".join(
        f" {word} {value[key]:,}" for key, word in names.items() if abs(value.get(key, 1e99)) < 1e15
    )
