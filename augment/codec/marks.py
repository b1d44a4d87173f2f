"""What an image says of how it was made: IPTC terms in its XMP, a C2PA manifest, a generator's
settings.

    xmp:<term>    Iptc4xmpExt:DigitalSourceType names this term
    xmp:other     it names something that is no term of IPTC
    xmp:AISystemUsed   the XMP names the AI system that made the image
    c2pa          the file carries a C2PA manifest
    c2pa:<term>   the manifest, or one of an ingredient, names this term
    text:<program>     an image generator left its settings, see `programs`

The file is believed, not checked: no signature is verified. Looks at bytes that the readers of
the formats cut out; at most `_MOST` of each packet, by plain search, so that a hostile packet
costs no more than its length. No text of the file gets into a mark.

Sources: IPTC digital source type NewsCodes (2025-04); IPTC Photo Metadata 2025.1; C2PA 2.2,
sections 11 (JUMBF) and 18 (actions, `digitalSourceType`); ISO 19566-5.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from augment.codec.programs import PROGRAMS, programs_of
from augment.sample import GENERATIVE_TYPES, DigitalSourceType

_MOST = 1 << 20  # bytes of one packet
_TERMS = {
    term.lower(): term
    for term in (
        "digitalCapture", "computationalCapture", "negativeFilm", "positiveFilm", "print",
        "minorHumanEdits", "humanEdits", "compositeWithTrainedAlgorithmicMedia",
        "algorithmicallyEnhanced", "softwareImage", "digitalArt", "digitalCreation",
        "dataDrivenMedia", "trainedAlgorithmicMedia", "algorithmicMedia", "screenCapture",
        "virtualRecording", "composite", "compositeCapture", "compositeSynthetic",
    )
}  # fmt: skip
_URI = re.compile(rb"digitalsourcetype/([a-z]{1,64})", re.IGNORECASE)
_ATTRIBUTE = re.compile(rb"""DigitalSourceType\s{0,9}=\s{0,9}["']\s{0,99}([^<>"']{1,200})""")
_ELEMENT = re.compile(  # the text of the element, or of the first item of a list in it
    rb"<(?:[\w.-]{1,40}:)?DigitalSourceType(?:\s[^<>]{0,200})?(?<!/)>"
    rb"(?:\s{0,99}<[^/<>][^<>]{0,200}>){0,4}\s{0,99}([^<>]{1,200})"
)
_SYSTEM = re.compile(rb"""AISystemUsed\s{0,9}(?:=\s{0,9}["']|>)\s{0,99}[^<>"'\s]""")

CLAIMS = frozenset(
    f"{carrier}:{kind.value.rpartition('/')[2]}"
    for carrier in ("xmp", "c2pa")
    for kind in GENERATIVE_TYPES
) | {"xmp:AISystemUsed", *(f"text:{program}" for program in PROGRAMS)}
"""Marks that say that a machine made the image, wholly or in part."""
_NO_TEXTS: Mapping[str, Any] = MappingProxyType({})


def marks_of(
    packets: Iterable[bytes] = (),
    manifests: Iterable[bytes] = (),
    texts: Mapping[str, Any] = _NO_TEXTS,
    exif: bytes | None = None,
) -> tuple[str, ...]:
    """The marks, sorted. packets: XMP. manifests: bytes that hold a C2PA store. texts, exif: see
    `programs_of`."""
    marks = {f"text:{program}" for program in programs_of(texts, exif)}
    for packet in packets:
        marks.update(_in_xmp(packet[:_MOST]))
    for manifest in manifests:
        marks.add("c2pa")
        marks.update(f"c2pa:{term}" for term in _terms(manifest[:_MOST]))
    return tuple(sorted(marks))


def claimed(marks: Sequence[str]) -> DigitalSourceType | None:
    """The term for a machine-made image that these marks name; None: they name none. Where
    they name several, the one that says most."""
    named = {mark.partition(":")[2] for mark in marks}
    if "AISystemUsed" in named or named & PROGRAMS:
        named.add("trainedAlgorithmicMedia")
    return next((kind for kind in GENERATIVE_TYPES if kind.value.rpartition("/")[2] in named), None)


def is_c2pa(body: bytes) -> bool:
    """Whether a JUMBF box of a JPEG's APP11 segment holds a C2PA store."""
    return body.startswith(b"JP") and b"jumb" in body[:20] and b"c2pa" in body[:80]


def _in_xmp(packet: bytes) -> Iterable[str]:
    if b"DigitalSourceType" in packet:
        terms = _terms(packet) or {
            _TERMS.get(found.strip().lower().decode("latin-1"), "other")
            for found in (*_ATTRIBUTE.findall(packet), *_ELEMENT.findall(packet))
        }
        yield from (f"xmp:{term}" for term in terms)
    if _SYSTEM.search(packet):
        yield "xmp:AISystemUsed"


def _terms(packet: bytes) -> set[str]:
    return {_TERMS.get(found.lower().decode(), "other") for found in _URI.findall(packet)}
