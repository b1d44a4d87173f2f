"""What the generators of a data set have seen, as its jobs say: is it known, and was it allowed?

A generator that has seen a protected split brings it into the training set. Reads job.json
alone; what a checkpoint really learned from nobody can tell from here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from augment.audit.findings import Check, Finding

_MOST_NAMED = 5
_NAME = "trained_on"
_ASKS = "what generators were trained on is known"
Jobs = Mapping[str, Mapping[str, Any]]


def check_training(jobs: Jobs) -> tuple[list[Check], list[Finding]]:
    """Whether each trained generator has seen other splits than the protected ones of its job,
    in the draw that the job made; nothing where there is none. jobs: job id -> its job.json."""
    trained = list(_trained(jobs))
    if not trained:
        return [], []
    bad = [
        Finding(_NAME, f"{name} of {job}: {fault}")
        for job, name, seen in trained
        for fault in _faults(jobs[job], seen)
    ]
    if bad:
        return [Check(_NAME, False, f"{_ASKS}: not allowed for {len(bad)} of them")], bad
    unknown = [f"{name} of {job}" for job, name, seen in trained if seen is None]
    if unknown:
        return [Check(_NAME, None, f"{_ASKS}: unknown of {_named(unknown)}")], []
    undrawn = [f"{name} of {job}" for job, name, seen in trained if _undrawn(jobs[job], seen)]
    if undrawn:
        text = f"{_ASKS}: not which draw of the splits it was, of {_named(undrawn)}"
        return [Check(_NAME, None, text)], []
    return [Check(_NAME, True, f"{_ASKS}: {len(trained)} generators")], []


Seen = list[Mapping[str, Any]] | None
"""What stands under `trained_on`; None: unknown."""


def _trained(jobs: Jobs) -> Iterator[tuple[str, str, Seen]]:
    """(job, generator, what it has seen) of every generator with a checkpoint."""
    for job, body in sorted(jobs.items()):
        for name, facts in sorted(_mapping(body.get("generators")).items()):
            if isinstance(facts, Mapping) and facts.get("checkpoint_sha256"):
                told = facts.get("trained_on")
                entries = told if isinstance(told, list) else None
                yield job, name, entries and [e for e in entries if isinstance(e, Mapping)]


def _faults(job: Mapping[str, Any], seen: Seen) -> Iterator[str]:
    protected = job.get("protected_splits")
    for entry in seen or ():
        splits = entry.get("splits")
        both = set(_list(protected)) & set(_list(splits))
        for split in sorted(map(str, both)):
            yield f"it has seen the protected split {split!r} of source {entry.get('source')}"
        own, told = _draw(job, entry), entry.get("split_digest")
        if own is not None and told not in (None, own):
            yield (
                f"it has seen draw {told} of the splits of source {entry.get('source')}, whose "
                f"images are drawn as {own} here: protected ones may be among those it has seen"
            )


def _undrawn(job: Mapping[str, Any], seen: Seen) -> bool:
    """Whether it has seen splits that were drawn, and nobody says in which draw."""
    return any(_draw(job, e) is not None and e.get("split_digest") is None for e in seen or ())


def _draw(job: Mapping[str, Any], entry: Mapping[str, Any]) -> Any:
    """How the job draws the splits of an entry's source; None where they are not drawn."""
    source = _mapping(job.get("sources")).get(str(entry.get("source")))
    return _mapping(source).get("split_digest")


def _named(names: list[str]) -> str:
    return ", ".join(names[:_MOST_NAMED]) + (", ..." if len(names) > _MOST_NAMED else "")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
