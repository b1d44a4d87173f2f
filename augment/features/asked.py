"""How an extractor is named: one closed grammar.

    NAME                           efficientnet_lite0   random   task
    NAME=URI[,key=value ...]       inception=weights/pt_inception.pth
                                   timm:resnet50=s3://models/resnet50.safetensors,size=288

A URI ends where a comma and `key=` follow. Reads no file; places are held to the operator's
policy when the text is read, and again where one is opened (`files`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Literal, get_args

from augment.places import Fault, Place, quoted, read_place
from augment.policy import read_policy

Kind = Literal[
    "efficientnet_lite0", "random", "task", "inception", "dinov2", "clip", "torchvision", "timm",
    "onnx",
]  # fmt: skip
KINDS: tuple[Kind, ...] = get_args(Kind)
FILELESS = ("efficientnet_lite0", "random", "task")
"""Those that need no file of the user's."""
WITH_MODEL = ("torchvision", "timm")
"""Those whose name says which network it is: `timm:resnet50`."""
_TAKES: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "efficientnet_lite0": (),
    "random": (),
    "task": ("sha256",),
    "inception": ("sha256",),
    "dinov2": (),
    "clip": (),
    "torchvision": ("sha256", "size", "mean", "std"),
    "timm": ("sha256", "size", "mean", "std"),
    "onnx": ("sha256", "size", "mean", "std", "input", "output"),
})  # fmt: skip
"""The keys of each."""
LEAST_SIDE, MOST_SIDE = 8, 2048

Colour = tuple[float, float, float]
"""One number for each of red, green and blue, where black is 0 and white is 1."""

_WHOLE = re.compile(r"(?P<name>[^=]*)(?:=(?P<rest>.*))?", re.DOTALL)
_KEY = re.compile(r",(?=[A-Za-z0-9_]+=)")
_MODEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Asked:
    """An extractor as somebody named it.

    model: of `torchvision` and `timm`, else "". place: of its file or folder. sha256: that the
    file must have. size: px of the network's square input. mean, std: x -> (x - mean) / std, of
    values in [0, 1]. input, output: names in a graph. None: what the extractor itself has.
    """

    kind: Kind
    model: str = ""
    place: Place | None = None
    sha256: str | None = None
    size: int | None = None
    mean: Colour | None = None
    std: Colour | None = None
    input: str | None = None
    output: str | None = None
    fitted: bytes | None = field(default=None, repr=False)
    """Of `task`: its weights, once they were fit on a data set; no text says this."""

    @property
    def name(self) -> str:
        """As reports call it."""
        return f"{self.kind}:{self.model}" if self.model else self.kind


def read_asked(text: str, what: str = "features") -> Asked:
    """The extractor that a text names. what: where the text stands, for errors.

    Raises:
        RequestError: it names none, or a place that this machine lets nobody read.
        SpecError: the policy cannot be read.
    """
    found = _WHOLE.fullmatch(text)
    name, rest = (found["name"], found["rest"]) if found else (text, None)
    kind, model = _named(name, what)
    uri, *pairs = [None] if rest is None else _KEY.split(rest)
    place = None if uri is None else _place(uri, kind, what)
    if place is None and kind not in FILELESS:
        expected = f"{name}=URI: of the file or folder of its weights"
        raise Fault(f"{quoted(text)}, without a place", expected).error(what)
    options = _options(kind, [pair for pair in pairs if pair is not None], what)
    return Asked(kind, model, place, **options)


def read_all(texts: list[str] | tuple[str, ...], what: str = "features") -> tuple[Asked, ...]:
    """The extractors that texts name, each of another name, so that no two figures of a report
    are called the same.

    Raises:
        RequestError, SpecError: as `read_asked`.
    """
    found: dict[str, Asked] = {}
    for text in texts:
        one = read_asked(text, what)
        if one.name in found:
            raise Fault(f"{one.name} twice", "each extractor once", "Judge them one by one").error(
                what
            )
        found[one.name] = one
    return tuple(found.values())


def refuse_forbidden(place: Place, what: str) -> None:
    """Raises:
    RequestError: the operator's policy does not allow the place. SpecError: it cannot be read.
    """
    policy = read_policy()
    if not policy.allows(place):
        allowed = ", ".join(policy.rules.allowed_uris or ()) or "none"
        found = f"{quoted(place.uri)}, where this machine lets nobody go"
        raise Fault(found, f"a place in one of {allowed}", policy.hint("allowed_uris")).error(what)


# ---- parts -----------------------------------------------------------------------------


def _named(name: str, what: str) -> tuple[Kind, str]:
    first, colon, model = name.partition(":")
    kind = next((one for one in KINDS if one == first), None)
    if kind is None:
        near = get_close_matches(first, KINDS, 1)
        hint = f"Did you mean {near[0]}?" if near else ""
        raise Fault(quoted(name), f"one of {', '.join(map(_written, KINDS))}", hint).error(what)
    if (kind in WITH_MODEL) != bool(colon) or (colon and not _MODEL.fullmatch(model)):
        raise Fault(quoted(name), _written(kind), "").error(what)
    return kind, model


def _written(kind: str) -> str:
    if kind in FILELESS:
        return kind
    return f"{kind}:MODEL=URI" if kind in WITH_MODEL else f"{kind}=URI"


def _place(uri: str, kind: Kind, what: str) -> Place:
    if kind in FILELESS and kind != "task":
        raise Fault(f"{kind}={quoted(uri)}", f"{kind} alone, whose weights come with it").error(
            what
        )
    place = read_place(uri)
    if isinstance(place, Fault):
        raise place.error(f"{what}: {kind}")
    refuse_forbidden(place, f"{what}: {kind}")
    return place


def _options(kind: Kind, pairs: list[str], what: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in pairs:
        key, _, value = pair.partition("=")
        if key not in _TAKES[kind]:
            near = get_close_matches(key, _TAKES[kind], 1)
            takes = f"one of {', '.join(_TAKES[kind])}" if _TAKES[kind] else "no key"
            hint = f"Did you mean {near[0]}?" if near else ""
            raise Fault(f"the key {quoted(key)}", takes, hint).error(f"{what}: {kind}")
        if key in found:
            raise Fault(f"{key} twice", "each key once").error(f"{what}: {kind}")
        found[key] = _value(key, value, f"{what}: {kind}: {key}")
    if ("mean" in found) != ("std" in found):
        missing = "std" if "mean" in found else "mean"
        raise Fault(f"no {missing}", "mean and std, or neither").error(f"{what}: {kind}")
    return found


def _value(key: str, text: str, place: str) -> Any:
    match key:
        case "sha256":
            if _SHA256.fullmatch(text):
                return text
            expected = "64 hex digits, lower case"
        case "size":
            if re.fullmatch("[0-9]{1,4}", text) and LEAST_SIDE <= int(text) <= MOST_SIDE:
                return int(text)
            expected = f"whole pixels, {LEAST_SIDE} to {MOST_SIDE}"
        case "mean" | "std":
            if (colour := _colour(text)) is not None and (key == "mean" or min(colour) > 0):
                return colour
            expected = "three numbers for red, green and blue, R/G/B, as 0.485/0.456/0.406"
        case _:
            if 0 < len(text) <= 256 and text.isprintable():
                return text
            expected = "a name in the graph"
    raise Fault(quoted(text), expected).error(place)


def _colour(text: str) -> Colour | None:
    parts = text.split("/")
    if len(parts) != 3 or not all(re.fullmatch(r"-?[0-9]{1,4}(\.[0-9]{1,12})?", p) for p in parts):
        return None
    red, green, blue = map(float, parts)
    return red, green, blue
