"""What a job reaches for outside itself: places, options of stores, the cluster, the interface for
metrics. Each is read by its closed grammar and held to the operator's policy; nothing is opened.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from augment.places import (
    Fault,
    Options,
    Place,
    block_of,
    endpoints,
    faults_in,
    quoted,
    read_place,
    table_fault,
)
from augment.policy import Policy
from augment.spec.asked import Asked
from augment.spec.draft import Draft
from augment.spec.problems import PATH, nearest, one_of, shown
from augment.spec.text import Path

_OPTIONS: Path = ("execution", "storage_options")


def check_reach(asked: Asked, draft: Draft, policy: Policy, *, looked: bool = False) -> None:
    """Note what a job may not reach, and what would be read in more than one way. looked: local
    places to write to may be looked at."""
    places = dict(_places(asked))
    for path, place in places.items():
        _check_place(asked, path, place, policy)
    _check_tables(asked, places)
    if looked:
        _check_writable(asked, places, policy)
    options = draft.execution.storage_options
    check_options(asked, options, policy)
    _check_used(asked, options, places)
    _check_address(asked, draft, policy)
    _check_metrics(asked, draft, policy)


def check_options(asked: Asked, options: Options, policy: Policy) -> None:
    """Note options that their store does not take, and endpoints that are not allowed."""
    for path, fault in faults_in(options):
        listed = fault.expected.startswith("one of ")  # names, and no description of a value
        known = fault.expected.removeprefix("one of ").split(", ") if listed else ()
        hint = fault.hint or nearest(path[-1], known)
        asked.fault((*_OPTIONS, *path), fault._replace(hint=hint))
    for path, endpoint in endpoints(options):
        if not policy.allows_endpoint(endpoint):
            found = f"{quoted(endpoint)}, where this machine lets no job go"
            expected = one_of(policy.rules.allowed_endpoints or ())
            asked.add((*_OPTIONS, *path), found, expected, policy.hint("allowed_endpoints"))


# ---- places --------------------------------------------------------------------------


def _places(asked: Asked) -> Iterator[tuple[Path, Place]]:
    """Every place of the job, the pool that it does not name included."""
    for path in asked.located():
        if asked.names_place(path) and isinstance(place := read_place(asked.get(*path)), Place):
            yield path, place
    if asked.has("synthesize") and not asked.has("pool"):
        found = read_place(os.path.join(asked.base, "pool"))
        if isinstance(found, Fault):
            asked.fault(("pool",), found)
        else:
            yield ("pool",), found


def _check_place(asked: Asked, path: Path, place: Place, policy: Policy) -> None:
    if not policy.allows(place):
        found = f"{shown(asked.written(path))}, where this machine lets no job go"
        if not asked.has(*path):
            found = f"{place.uri!r}, where this machine lets no job go"
        expected = f"a place in {one_of(policy.rules.allowed_uris or ())}"
        asked.add(path, found, expected, policy.hint("allowed_uris"))


def _check_tables(asked: Asked, places: dict[Path, Place]) -> None:
    for path, readers in ((("output", "uri"), True), (("pool",), False)):
        if (place := places.get(path)) is not None:
            written = asked.written(path) if asked.has(*path) else place.uri
            fault = table_fault(place, for_readers=readers, shown=str(written))
            if fault is not None:
                asked.fault(path, fault)


def _check_writable(asked: Asked, places: dict[Path, Place], policy: Policy) -> None:
    """Local places to write to that are files, or lie below one."""
    for path in (("output", "uri"), ("pool",)):
        place = places.get(path)
        if place is None or not place.is_local or not policy.allows(place):
            continue
        at = place.uri
        while not os.path.lexists(at) and os.path.dirname(at) != at:
            at = os.path.dirname(at)
        if os.path.exists(at) and not os.path.isdir(at):
            asked.add(path, f"{shown(at, PATH)}, which is a file", "a folder, or a new name")


def _check_used(asked: Asked, options: Options, places: dict[Path, Place]) -> None:
    """An option that nothing reads by is an error."""
    used = {block_of(place, options) for place in places.values()}
    schemes = sorted({place.scheme for place in places.values()})
    noted = {path[0] for path, _ in faults_in(options)}
    for key in options:
        if key not in used and key not in noted:
            found = f"options for {quoted(key)}, which no URI of the job uses"
            asked.add((*_OPTIONS, key), found, one_of(schemes), nearest(key, schemes))


# ---- the cluster and metrics -----------------------------------------------------------


def _check_address(asked: Asked, draft: Draft, policy: Policy) -> None:
    address = draft.execution.address
    if address is not None and isinstance(fault := policy.cluster(address), Fault):
        asked.fault(("execution", "address"), fault)


def _check_metrics(asked: Asked, draft: Draft, policy: Policy) -> None:
    if draft.execution.metrics is None:
        return
    if isinstance(fault := policy.interface(draft.execution.metrics.address), Fault):
        asked.fault(("execution", "metrics", "address"), fault)
