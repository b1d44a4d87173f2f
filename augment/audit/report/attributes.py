"""A report by attributes: composition by value, and skews of the generated part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from augment.audit.report.blocks import Block, Mark, Row, Section, Table, Text
from augment.audit.report.quality import maker_name

Json = Mapping[str, Any]
_NONE = "(none)"


def attributes(report: Json, command: str) -> Section:
    """command: how attributes are asked for."""
    asked = report.get("attributes") or []
    if not asked:
        text = f"Nobody asked for a property of rows, such as the time of day: {command}"
        return Section("attributes", "Attributes", (Text(text),))
    blocks: list[Block] = []
    for number, one in enumerate(asked):
        blocks.append(_values(one, number))
        blocks += _skews(one, number, report["generators"])
    return Section("attributes", "Attributes", tuple(blocks))


def _values(one: Json, number: int) -> Table:
    rows = tuple(
        Row(
            (split, each["value"] or _NONE, *(str(share[key]) for key in _COUNTS),
             f"{share['synthetic_share']:.3f}", *_quality(each["quality"], split)),
            split,
        )
        for each in one["values"]
        for split, share in each["splits"].items()
        if share["rows"]
    )  # fmt: skip
    head = ("split", one["attribute"], *_COUNTS, "generated share", "fidelity", "labels")
    title = f"Rows by {one['attribute']}"
    return Table(f"attribute-{number}", title, head, rows, 2, "split")


_COUNTS = ("rows", "real", "augmented", "generated")


def _quality(found: Json | None, split: str) -> tuple[str, str]:
    """The worst of all classes together, over generators."""
    if found is None:
        return "-", "-"
    near = [each["frechet_ratio"] for each in found["fidelity"] if _of(each, split)]
    agree = [each["agreement"] for each in found["labels"]
             if _of(each, split) and each["agreement"] is not None]  # fmt: skip
    return _said(max(near, default=None)), _said(min(agree, default=None))


def _of(each: Json, split: str) -> bool:
    return bool(each["split"] == split and each["class"] is None and each["maker"] is not None)


def _skews(one: Json, number: int, names: Mapping[str, str]) -> Iterator[Block]:
    rows = tuple(
        Row(
            (_state(each), each["split"], "all" if each["class"] is None else each["class"],
             maker_name(each["maker"], names), str(each["n"]), f"{each['distance']:.2f}",
             f"{each['reference']['low']:.2f} to {each['reference']['high']:.2f}"),
            each["split"],
        )
        for each in one["skews"]
        if each["distance"] is not None
    )  # fmt: skip
    if not rows:
        yield Text("Too few generated rows, or real ones, have a value: no skew is computed.")
        return
    head = ("", "split", "class", "made by", "n", "distance", "by chance")
    title = f"Is {one['attribute']} of generated rows as that of real ones?"
    yield Table(f"skew-{number}", title, head, rows, 4, "split")
    yield Text(
        "The distance is half the sum of absolute differences of shares, 0 to 1; beside it the "
        "least and the greatest of 1,000 that chance gives, when real and generated rows of each "
        "class are dealt anew.",
        aside=True,
    )


def _state(each: Json) -> Mark:
    return Mark("skewed", "warn") if each["warns"] else Mark("as real", "ok")


def _said(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
