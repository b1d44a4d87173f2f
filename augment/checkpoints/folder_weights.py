"""Which weights of one component of a model folder are taken: of its safetensors files those
of one variant, whole or in the shards that a list names.

Libraries differ in what they prefer where both stand there; so the choice is made here, and
what is not chosen is kept from them. Knows no library and no component.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from augment.checkpoints.blob import Blob, shown
from augment.checkpoints.limits import MAX_HEADER_BYTES
from augment.checkpoints.safetensors_file import read_safetensors
from augment.checkpoints.strict_json import read_object
from augment.checkpoints.tree import File
from augment.errors import UnsafeCheckpoint

CONVERT = "convert it to .safetensors where you trust it"
AGAIN = "download it again"
_WEIGHTS = re.compile(
    r"(?P<stem>.+?)(\.(?P<variant>[a-z][a-z0-9_]*))?(?P<shard>-\d{5}-of-\d{5})?\.safetensors"
)
_INDEX = re.compile(r".+\.safetensors\.index(\.(?P<variant>[a-z][a-z0-9_]*))?\.json")

Refusal = Callable[[File, str, str, str], UnsafeCheckpoint]
"""(file, what came, what was expected, the way out) -> the error."""


@dataclass
class Chosen:
    """taken: weights, and the list of their shards. skipped: path -> why it is not taken.
    notes: what is odd."""

    taken: list[File] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def is_weights(file: File, stems: Collection[str] | None) -> bool:
    """Whether it is a file of weights, or a list of shards, that may be taken. stems: how
    their names begin; None: anyhow."""
    found = _WEIGHTS.fullmatch(file.name)
    if found is not None:
        return stems is None or found["stem"] in stems
    if _INDEX.fullmatch(file.name) is None:
        return False
    return stems is None or file.name.partition(".safetensors")[0] in stems


def choose(
    group: Sequence[File],
    variant: str | None,
    place: str,
    opened: Callable[[File, int], Blob],
    refused: Refusal,
) -> Chosen:
    """The weights among the files of one component, every header checked.

    variant: takes the weights of this name where there are any. place: what notes call the
    component. opened: (file, limit of bytes) -> its bytes.

    Raises:
        UnsafeCheckpoint: a file is damaged, the variant must be named, or a list of shards
            is not that of the files beside it.
    """
    found = Chosen()
    weights = [file for file in group if _WEIGHTS.fullmatch(file.name)]
    lists = [file for file in group if _INDEX.fullmatch(file.name)]
    wanted = _wanted(weights, variant, place, found, refused)
    of_variant = [file for file in weights if variant_of(file) == wanted]
    for file in (*weights, *lists):
        if variant_of(file) != wanted or (file in lists and not of_variant):
            found.skipped[file.inside] = "another variant"
    lists = [file for file in lists if file.inside not in found.skipped]
    for index in lists:
        of_variant = _sharded(index, of_variant, found, opened, refused)
    for file in of_variant:
        if not lists and _WEIGHTS.fullmatch(file.name)["shard"]:  # type: ignore[index]
            raise refused(file, "a shard without the list of all", "*.index.json beside it", AGAIN)
    for file in of_variant:
        read_safetensors(opened(file, 0))
    found.taken += of_variant
    return found


def _wanted(
    weights: Sequence[File], variant: str | None, place: str, found: Chosen, refused: Refusal
) -> str | None:
    variants = {variant_of(file) for file in weights}
    if variant is not None and variant in variants:
        return variant
    if variant is not None and weights:
        found.notes.append(f"{place}: no {variant} weights")
    if weights and None not in variants:
        known = sorted(map(str, variants))
        raise refused(
            weights[0], f"weights of {', '.join(known)} only", "plain ones",
            f"make a folder of them: augment generators import --variant {known[0]}",
        )  # fmt: skip
    return None


def _sharded(
    index: File,
    weights: Sequence[File],
    found: Chosen,
    opened: Callable[[File, int], Blob],
    refused: Refusal,
) -> list[File]:
    """The files that a list of shards names, which must hold what it says and no more."""
    listed = read_object(opened(index, MAX_HEADER_BYTES)).get("weight_map")
    if not isinstance(listed, dict):
        raise refused(index, "no weight_map", "tensor -> file", AGAIN)
    for shard in listed.values():
        if not isinstance(shard, str) or not _WEIGHTS.fullmatch(shard) or "/" in shard:
            came = f"the shard {shown(shard)}"
            raise refused(index, came, "a .safetensors file beside it", CONVERT)
    by_name = {file.name: file for file in weights}
    missing = sorted(set(listed.values()) - by_name.keys())
    if missing:
        raise refused(
            index, f"the shard {shown(missing[0])} is missing", "all shards beside it", AGAIN
        )
    shards = [by_name[name] for name in sorted(set(listed.values()))]
    _check_list(index, listed, {f.name: read_safetensors(opened(f, 0)) for f in shards}, refused)
    for file in weights:
        if file not in shards:
            found.skipped[file.inside] = "not in the list of shards"
    found.taken.append(index)
    return shards


def _check_list(
    index: File, listed: Mapping[str, Any], held: Mapping[str, Collection[str]], refused: Refusal
) -> None:
    """Loaders trust the list or the files; here both must say the same."""
    for name, tensors in held.items():
        said = {tensor for tensor, shard in listed.items() if shard == name}
        if odd := sorted(said.symmetric_difference(tensors)):
            came = f"the tensor {shown(odd[0])} stands in {name} or in its list alone"
            raise refused(index, came, "a list of what the shards hold", AGAIN)


def variant_of(file: File) -> str | None:
    """The variant that a file of weights, or a list of shards, names; None of a plain one."""
    found = _WEIGHTS.fullmatch(file.name) or _INDEX.fullmatch(file.name)
    return found["variant"] if found else None
