"""Which image generator wrote its settings into a file: texts of PNG, the EXIF block of others.

    text:stable_diffusion   settings as AUTOMATIC1111's web interface and those after it write them
    text:comfyui            a graph of ComfyUI
    text:invokeai           settings of InvokeAI
    text:novelai            NovelAI names itself as the software
    text:swarmui            settings of SwarmUI
    text:fooocus            settings of Fooocus
    text:midjourney         a description that ends with a job's number

Who wants to hide where an image comes from takes such texts out, so that nothing follows from
their absence. Plain searches in at most `_MOST` bytes; no text of the file gets into a mark.

Sources: AUTOMATIC1111/stable-diffusion-webui (modules/images.py: keyword `parameters`, EXIF
UserComment), ComfyUI (nodes.py: keywords `prompt` and `workflow`; EXIF Make and ImageDescription
in WebP), InvokeAI (`invokeai_metadata`, before that `sd-metadata` and `Dream`), SwarmUI
(`sui_image_params`), Fooocus (`fooocus_scheme`), NovelAI (`Software`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_MOST = 1 << 20  # bytes of one text
_SETTINGS = re.compile(r"\bSteps: \d{1,5}, .{0,200}?\b(?:Sampler|CFG scale|Seed): ", re.DOTALL)
_JOB = re.compile(r"\bJob ID: [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_KEYWORDS = {
    "invokeai_metadata": "invokeai",
    "sd-metadata": "invokeai",
    "Dream": "invokeai",
    "fooocus_scheme": "fooocus",
    "use_stable_diffusion_model": "stable_diffusion",  # Easy Diffusion
}
_GRAPH = ('"class_type"', '"last_node_id"')
PROGRAMS = frozenset(
    ("stable_diffusion", "comfyui", "invokeai", "novelai", "swarmui", "fooocus", "midjourney")
)


def programs_of(texts: Mapping[str, Any], exif: bytes | None) -> set[str]:
    """Of `PROGRAMS`. texts: keyword -> text, as Pillow keeps those of a PNG, among other values.
    exif: the block; UTF-16, in which comments may stand there, is read as well as ASCII."""
    return {*_in_texts(texts), *(_in_exif(exif[:_MOST]) if exif else ())}


def _in_texts(texts: Mapping[str, Any]) -> Iterator[str]:
    for key, text in texts.items():
        if not isinstance(text, str):
            continue
        if key in _KEYWORDS:
            yield _KEYWORDS[key]
        elif key == "Software" and text.startswith("NovelAI"):
            yield "novelai"
        elif key in ("prompt", "workflow") and any(word in text[:_MOST] for word in _GRAPH):
            yield "comfyui"
        else:
            yield from _in_text(text[:_MOST])


def _in_exif(block: bytes) -> Iterator[str]:
    text = block.replace(b"\0", b"").decode("latin-1")
    yield from _in_text(text)
    if any(word in text for word in _GRAPH):
        yield "comfyui"


def _in_text(text: str) -> Iterator[str]:
    if "sui_image_params" in text:
        yield "swarmui"
    if _SETTINGS.search(text):
        yield "stable_diffusion"
    if _JOB.search(text):
        yield "midjourney"
