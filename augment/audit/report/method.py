"""How each figure was taken, what it cannot say, and the commands that give it again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from augment.audit.report.blocks import Block, Code, Row, Section, Table, Text

Json = Mapping[str, Any]
PRIVACY = (
    "No figure here proves privacy: sets whose nearest distances look harmless are open to "
    "membership inference."
)
_WITHOUT_FILES = ("efficientnet_lite0", "random", "task")
_LIMITS = (
    "Every measure sees images through the features of one extractor and is blind to what that "
    "ignores; features of two extractors never compare.",
    "A figure is judged by its place among the same figure between real images of the same number, "
    "never by a constant. Below its least number of images it is not computed.",
    "Figures are a function of the version, the extractors and the seed: nothing was drawn again "
    "until it looked better.",
    "Thresholds of warnings and failures were measured on one data set; they are starting points.",
    PRIVACY,
)


def dataset_of(report: Json) -> list[str]:
    """The data set and its version as arguments of a command."""
    version = [] if report["version"] is None else ["--version", str(report["version"])]
    return [report["uri"], *version]


def audit_command(report: Json, *more: str) -> str:
    """What counts this data set again."""
    by = ["--by", ",".join(report["by"])] if report["by"] else []
    limits = ["--limits", "FILE"] if report["limits_from"] == "given" else []
    for one in report.get("attributes", ()):
        by += ["--attribute", one["attribute"]]
    return shlex.join(["augment", "audit", *dataset_of(report), *by, *limits, *more])


def quality_command(report: Json) -> str:
    """What judges it again, or for the first time."""
    quality = report["quality"]
    if quality is None:
        return audit_command(report, "--quality")
    named = [
        f"--extractor={name}{'' if name in _WITHOUT_FILES else '=FILE'}"
        for name in (one["name"] for one in quality["extractors"])
    ]
    copies = ["--copies"] if quality.get("copies") is not None else []
    return audit_command(report, "--quality", *copies, "--seed", str(quality["seed"]), *named)


def trace_command(report: Json, sample_id: str) -> str:
    """What shows where one row came from."""
    return shlex.join(["augment", "trace", report["uri"], sample_id, *dataset_of(report)[1:]])


def method(report: Json, version: str) -> Section:
    """Commands and where in audit.json each figure stands, extractors, and what figures cannot say.
    version: of the program."""
    plain, deep = audit_command(report, "--json"), quality_command(report)
    rows = [
        ("Composition", plain, "whole, splits, cells, groups"),
        ("Limits", plain, "limits"),
        ("Diagnostics and findings", plain, "checks, findings"),
    ]
    if report["quality"] is not None:
        again = f"{deep} --json"
        rows.append(("Fidelity and diversity", again, "quality.fidelity, quality.figures"))
        rows.append(("Labels", again, "quality.labels, quality.quarantine"))
    if "--copies" in deep:
        rows.append(("Copies and leaks", f"{deep} --json", "quality.copies"))
    table = Table(
        "commands", "What gives each figure again", ("section", "command", "in audit.json"),
        tuple(Row((name, Code(command, copied=True), where)) for name, command, where in rows), 3,
    )  # fmt: skip
    blocks: list[Block] = [table]
    if any("FILE" in command for _, command, _ in rows):
        blocks.append(Text("FILE is what this audit was given there: limits, or weights."))
    if report["quality"] is not None:
        blocks += _extractors(report["quality"])
    blocks += [Text(text) for text in _LIMITS]
    blocks.append(
        Text(f"Made by augment {version}, schema {report['schema_version']} of audit.json.")
    )
    return Section("method", "Method and limits of what this can say", tuple(blocks))


def _extractors(quality: Json) -> list[Block]:
    rows = []
    for one in quality["extractors"]:
        info = one["info"]
        if info is None:
            rows.append(Row((one["name"], f"not computed: {one['not_computed']}", "-", "-")))
            continue
        sha = info["weights_sha256"]
        rows.append(
            Row((one["name"], info["resize"], Code(sha, sha[:12]), str(info["dimensions"])))
        )
    draws = quality["draws"]
    text = (
        f"Seed {quality['seed']}; {draws['references']} draws of real against real for every "
        f"reference, {draws['intervals']} for every interval."
    )
    lost = quality["lost"]
    more = [Text(f"{lost} rows have an image that no extractor could see.")] if lost else []
    head = ("extractor", "how an image becomes its input", "weights sha256", "dimensions")
    return [Table("extractors", "Extractors", head, tuple(rows), 3), Text(text), *more]
