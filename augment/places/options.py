"""Storage options: which a store takes, and which of several blocks is a place's own.

A closed list for each store, because its client would do more with others: import a session,
run a program, read a file, trust any server. A block belongs to a protocol (`s3`) or to all that
lies below a URI (`s3://bucket/prefix`); the longest prefix wins, and blocks are not merged.
Hands nothing to a client: see `augment.storage.credentials`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from augment.places.addresses import read_endpoint
from augment.places.fault import Fault
from augment.places.names import FAMILIES, Place, read_place

Options = Mapping[str, Mapping[str, Any]]
"""Block by protocol or URI."""
Path = tuple[str, ...]

_Rule = Callable[[Any], Fault | None]
_Shape = Mapping[str, Any]
"""Key -> rule, or the shape of the mapping that stands there."""


def _text(value: Any) -> Fault | None:
    """A value that nobody may see: the fault does not show it."""
    if not isinstance(value, str):
        return Fault(f"a {type(value).__name__}", "text", "Numbers need quotes")
    if not value or not value.isprintable():
        return Fault("text that is empty or has a line end in it", "one line of text")
    return None


def _matching(pattern: str, expected: str, *, shown: bool = True) -> _Rule:
    """shown: whether a value of another form may stand in an error."""

    def rule(value: Any) -> Fault | None:
        if isinstance(value, str) and re.fullmatch(pattern, value):
            return None
        return Fault(_told(value) if shown else f"another {type(value).__name__}", expected)

    return rule


def _told(value: Any) -> str:
    """A longer text may be a key or a secret that stands one line too high or too low."""
    if isinstance(value, str) and len(value) >= SHORTEST_KEY:
        return f"a text of {len(value)} characters"
    return f"{value!r:.80}"


def _switch(value: Any) -> Fault | None:
    return None if isinstance(value, bool) else Fault(_told(value), "true or false")


def _count(value: Any) -> Fault | None:
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1000
    return None if fits else Fault(_told(value), "a whole number of 0 to 1000")


def _seconds(value: Any) -> Fault | None:
    fits = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 3600
    return None if fits else Fault(_told(value), "seconds, more than 0 and at most 3600")


def _endpoint(value: Any) -> Fault | None:
    if not isinstance(value, str):
        return Fault(_told(value), "http://HOST:PORT or https://HOST")
    found = read_endpoint(value)
    return found if isinstance(found, Fault) else None


SHORTEST_KEY = 16
"""Characters from which on a text in the place of another value may be a key or a secret."""
_REGION = _matching("[a-z0-9-]{1,64}", "a region's name, for example eu-central-1")
_S3: _Shape = {
    "key": _text,
    "secret": _text,
    "token": _text,
    "anon": _switch,
    "profile": _matching(r"[\w .@+,=-]{1,128}", "the name of a profile"),
    "endpoint_url": _endpoint,
    "region": _REGION,
    "requester_pays": _switch,
    "client_kwargs": {"region_name": _REGION, "endpoint_url": _endpoint},
    "config_kwargs": {
        "connect_timeout": _seconds,
        "read_timeout": _seconds,
        "max_pool_connections": _count,
        "retries": {
            "max_attempts": _count,
            "total_max_attempts": _count,
            "mode": _matching("legacy|standard|adaptive", "legacy, standard or adaptive"),
        },
        "s3": {"addressing_style": _matching("auto|path|virtual", "auto, path or virtual")},
    },
}
_GS: _Shape = {
    "project": _matching("[a-z][a-z0-9:.-]{4,62}", "a project's id"),
    "token": _matching("anon|google_default", "anon or google_default", shown=False),
}
_AZ: _Shape = {
    "account_name": _matching("[a-z0-9]{3,24}", "3 to 24 small letters and digits"),
    "account_key": _text,
    "sas_token": _text,
    "tenant_id": _matching("[A-Za-z0-9.-]{1,64}", "a tenant's id"),
    "client_id": _matching("[A-Za-z0-9-]{1,64}", "a client's id"),
    "client_secret": _text,
}
_HF: _Shape = {"token": _text}
TAKEN: Mapping[str, _Shape] = {"s3": _S3, "gs": _GS, "az": _AZ, "hf": _HF, "memory": {}}
"""Store -> its options."""
_ENDPOINTS = (("endpoint_url",), ("client_kwargs", "endpoint_url"))


def family_of(key: str) -> str | None:
    """The store that a block is for, by its key: a protocol or a URI; None: for none."""
    scheme = key.partition("://")[0]
    return next((family for family, names in FAMILIES.items() if scheme in names), None)


def faults_in(options: Options) -> Iterator[tuple[Path, Fault]]:
    """Everything that is wrong with options, and where below them it stands."""
    blocks: dict[str, str] = {}
    for key, block in options.items():
        family = family_of(key)
        if key in ("file", "local"):
            yield (key,), Fault(f"options for {key!r}, which have no effect", "no such key")
        elif family is None:
            expected = f"one of {', '.join(sorted(TAKEN))}, or a URI of one of them"
            yield (key,), Fault(f"options for {key[:80]!r}", expected)
        else:
            name = _name_of(key, family)
            if isinstance(name, Fault):
                yield (key,), name
            elif blocks.setdefault(name, key) != key:
                yield (key,), Fault(f"options for {key!r} beside {blocks[name]!r}", "one of them")
            for path, fault in _faults(block, TAKEN[family]):
                yield (key, *path), fault


def block_of(place: Place, options: Options) -> str | None:
    """The key of the block that holds for a place; None where none does."""
    if place.is_local:
        return None
    uri = place.of_family()
    fits: list[tuple[int, str]] = []
    for key in options:
        name = _name_of(key, family_of(key) or key)
        if isinstance(name, str) and (uri == name or uri.startswith(f"{name.rstrip('/')}/")):
            fits.append((len(name), key))
    return max(fits, default=(0, None))[1]


def own_options(place: Place, options: Options) -> dict[str, Any]:
    """The options that hold for a place."""
    key = block_of(place, options)
    return {} if key is None else dict(options[key])


def endpoints(options: Options) -> Iterator[tuple[Path, str]]:
    """Every endpoint that the options name, in its normal form, and where."""
    for key, block in options.items():
        for path in _ENDPOINTS:
            value: Any = block
            for step in path:
                value = value.get(step) if isinstance(value, Mapping) else None
            found = read_endpoint(value) if isinstance(value, str) else None
            if isinstance(found, str):
                yield (key, *path), found


def _name_of(key: str, family: str) -> str | Fault:
    """The URI below which a block holds, with the first name of its store."""
    if "://" not in key:
        return f"{family}:"
    found = read_place(key, read_only=True)
    return found if isinstance(found, Fault) else found.of_family()


def _faults(block: Mapping[str, Any], shape: _Shape) -> Iterator[tuple[Path, Fault]]:
    for key, value in block.items():
        rule = shape.get(key)
        if rule is None:
            known = f"one of {', '.join(sorted(shape))}" if shape else "no option"
            yield (key,), Fault("an option that is not taken", known)
        elif isinstance(rule, Mapping):
            if isinstance(value, Mapping):
                yield from (((key, *path), fault) for path, fault in _faults(value, rule))
            else:
                yield (key,), Fault(f"a {type(value).__name__}", f"a mapping of {', '.join(rule)}")
        elif (fault := rule(value)) is not None:
            yield (key,), fault
