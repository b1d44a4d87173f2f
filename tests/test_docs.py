"""What README and docs show can be typed: commands are of the grammar, YAML is accepted, options
exist, links lead somewhere. What runs of it is run elsewhere (tests/end_to_end/test_readme.py,
tests/generators/test_docs.py); docs/job.md is made from examples that tests/spec asks about."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from augment.cli.grammar import parser
from augment.errors import RequestError
from augment.policy import PolicyRules
from augment.spec import JobSpec

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "ARCHITECTURE.md",
    *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "deploy").glob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
]  # fmt: skip
JOB = {"version": 1, "name": "shown", "seed": 1, "sources": {}, "output": {"uri": "out"}}
JOB["sources"] = {"own": {"format": "imagefolder", "uri": "data", "splits": {"train": "."}}}


def blocks(page: Path, kinds: str) -> Iterator[str]:
    """What stands between fences of some kinds (a regular expression)."""
    text = page.read_text(encoding="utf-8")
    for kind, inner in re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        if re.fullmatch(kinds, kind):
            yield inner


def shown(page: Path) -> Iterator[tuple[str, bool]]:
    """Each command line of ours on a page, and whether it is whole: in a block of its own, not
    named in a sentence."""
    text = page.read_text(encoding="utf-8")
    for line in [*"\n".join(blocks(page, "|sh")).splitlines(),
                 *(x[4:] for x in text.splitlines() if x.startswith("    augment "))]:  # fmt: skip
        if line.startswith("augment "):
            yield line.partition(" # ")[0].strip(), True
    for line in re.findall(r"`(augment [^`\n]+)`", text):
        yield line, False


COMMANDS = [(page.name, *one) for page in PAGES for one in shown(page)]


_LEFT_OUT = re.compile(r"arguments are required|expected one argument|got '[A-Z_]+'")
"""What a command line says where a sentence names no value, or one in capitals."""


def wrong(line: str, *, whole: bool) -> str:
    """Why the command line does not take it, or ""; what a sentence leaves out is not asked."""
    words = shlex.split(re.sub(r"[\[\]]", "", line))[1:]
    try:
        parser().parse_args(words)
    except RequestError as error:
        return "" if not whole and _LEFT_OUT.search(str(error)) else str(error)
    return ""


def test_there_are_commands() -> None:
    assert sum(whole for _, _, whole in COMMANDS) >= 10
    assert sum(not whole for _, _, whole in COMMANDS) >= 30


@pytest.mark.parametrize(("page", "line", "whole"), COMMANDS)
def test_a_command_that_is_shown_is_one(page: str, line: str, whole: bool) -> None:
    assert wrong(line, whole=whole) == "", page


@pytest.mark.parametrize(
    "line", ["augment plann JOB", "augment run JOB --fast", "augment pool lst"]
)
def test_a_command_that_is_none_is_told(line: str) -> None:
    assert wrong(line, whole=False) != ""


def options() -> set[str]:
    """Every long option of any verb."""
    found: set[str] = set()
    todo = [parser()]
    while todo:
        one = todo.pop()
        for action in one._actions:
            found.update(text for text in action.option_strings if text.startswith("--"))
            if isinstance(action.choices, dict):
                todo += action.choices.values()
    return found


OF_OTHERS = {"--seconds", "--target", "--dist", "--eval", "--net"}
"""Options of programs that pages name too: our fuzzer, NVIDIA's and LlamaGen's."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_an_option_that_is_named_exists(page: Path) -> None:
    """In a code span that begins with it: `--verify`."""
    named = set(re.findall(r"`(--[a-z][a-z-]*)", page.read_text(encoding="utf-8")))
    assert named - options() - OF_OTHERS == set()


SNIPPETS = [
    (page.name, text)
    for page in PAGES
    if page.name not in ("README.md", "job.md")
    for text in blocks(page, "yaml")
]


def test_there_are_snippets() -> None:
    assert len(SNIPPETS) >= 10


@pytest.mark.parametrize(("page", "text"), SNIPPETS)
def test_yaml_that_is_shown_is_accepted(page: str, text: str) -> None:
    """As a policy, where its keys are those of one; else as part of a job."""
    value = yaml.safe_load(text)
    if set(value) <= set(PolicyRules.model_fields):
        PolicyRules.model_validate(value)
        return
    assert set(value) <= set(JobSpec.model_fields), page
    found = JobSpec.model_validate(JOB | value)
    assert found.model_dump(include=set(value)) != {}


def test_a_line_of_the_log_is_json() -> None:
    (line,) = [x for x in blocks(ROOT / "docs/observability.md", "") if x.startswith("{")]
    found: dict[str, Any] = json.loads(line)
    assert {"time", "level", "logger", "message"} <= set(found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if anchor:
            titles = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            made = {re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in titles}
            assert anchor in made, link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_file_that_is_named_is_there(page: Path) -> None:
    """`augment/...`, `tests/...` and the like; decisions by their number. `name` stands for one."""
    folders = "augment|jobs|schemas|tests|deploy|examples|docs|benchmarks"
    text = page.read_text(encoding="utf-8")
    for name in re.findall(rf"(?<![\w/.:-])((?:{folders})/[\w./-]+\w)", text):
        if not re.search(r"\bname\b|_name\b|\bname_", name):
            assert (ROOT / name).exists() or list(ROOT.glob(f"{name}-*")), name
