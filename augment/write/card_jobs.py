"""The part of a card that says what made the rows: of each job its seeds, sources, generators,
filters, licences and limits, with the verdict of the audit after its commit.

Reads what jobs keep of themselves; one of an earlier version, or whose parts are not what this
version writes, shows what it has. Every text of a job is escaped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from augment.escaping import markdown as escaped
from augment.tables import few

_MOST = 20  # sources or generators that are listed
_FEW = 10  # names in one line
_VERDICTS = {"ok": "ok", "failed": "FAILED", "not judged": "not judged"}
Json = Mapping[str, Any]


def job_facts(job_id: str, job: Json, verdict: Json | None, version: int) -> str:
    """A section of the card. job: its job.json. verdict: its verdict.json, None where there is
    none. version: of the card."""
    parts = (
        f"### Job {escaped(job_id)}",
        " ".join(_about(job)),
        _table(("source", "format", "licence"), _sources(job)),
        _table(("generator", "family", "checkpoint sha256", "licence", "trained on"),
               _generators(job)),
        " ".join(_filters(job)),
        "\n".join(_limits(job, verdict, version)),
    )  # fmt: skip
    return "\n\n".join(part for part in parts if part)


def _about(job: Json) -> Iterator[str]:
    if "seed" in job:
        yield f"Seed {escaped(job['seed'])}."
    if "split_seed" in job:
        yield f"Seed of the splits of real rows: {escaped(job['split_seed'])}."
    about = _mapping(job.get("about"))
    for key, words in (
        ("owner", "Owner"), ("purpose", "Purpose"), ("ticket", "Ticket"),
        ("license", "Licence of the data set"),
    ):  # fmt: skip
        if about.get(key):
            yield f"{words}: {escaped(about[key])}."


def _sources(job: Json) -> list[Sequence[object]]:
    return [
        (name, facts.get("format", "unknown"), facts.get("license") or "not given")
        for name, facts in _entries(job.get("sources"))
    ]


def _generators(job: Json) -> list[Sequence[object]]:
    """Those that the plan drew from; all where an earlier version did not say which."""
    return [
        (
            name,
            facts.get("family", "unknown"),
            facts.get("checkpoint_sha256") or "none (procedural)",
            facts.get("license") or "not given",
            _seen(facts),
        )
        for name, facts in _entries(job.get("generators"))
        if facts.get("universe", "") is not None
    ]


def _seen(facts: Json) -> str:
    if not facts.get("checkpoint_sha256"):
        return "nothing"
    seen = facts.get("trained_on")
    if not isinstance(seen, list):
        return "unknown"
    told = [
        f"{one.get('source')}: {few([*map(str, _list(one.get('splits')))], _FEW)}"
        for one in seen
        if isinstance(one, Mapping)
    ]
    return few(told, _FEW) or "unknown"


def _filters(job: Json) -> Iterator[str]:
    if not _entries(job.get("generators")) or "filters" not in job:
        return
    told = [
        escaped(f"{name} ({', '.join(f'{k} {v}' for k, v in _mapping(of).items())})")
        for one in _list(job["filters"])
        for name, of in _mapping(one).items()
    ]
    yield f"Filters of generated samples: {few(told, _FEW) or 'none'}."
    rejected: Counter[str] = Counter()
    for account in map(_mapping, _list(job.get("accounts"))):
        for reason, n in _mapping(account.get("rejected")).items():
            rejected[str(reason)] += n if isinstance(n, int) else 0
    if rejected := +rejected:
        reasons = [f"{escaped(reason)} {n}" for reason, n in rejected.most_common()]
        yield f"Rejected, and made anew as far as the job allows: {few(reasons, _FEW)}."


# ---- limits --------------------------------------------------------------------------


def _limits(job: Json, verdict: Json | None, version: int) -> Iterator[str]:
    judged = verdict is not None and verdict.get("version") == version
    found = _list(verdict.get("limits")) if verdict is not None and judged else []
    if "limits" in job and not job["limits"]:
        yield "Limits: none were given."
    elif "limits" in job and not found:
        yield f"Limits: {escaped(_flat(_mapping(job['limits'])))}."
    for one in map(_mapping, found):
        places = [f"{word} in {one.get(key)}" for key, word in
                  (("kept", "kept"), ("broken", "BROKEN"), ("not_judged", "not judged"))
                  if one.get(key)]  # fmt: skip
        yield f"- {', '.join(places)} places: {escaped(one.get('text'))}"
    if verdict is None or not judged:
        yield "\nThis version was not audited yet: `augment audit` does it."
        return
    word = _VERDICTS.get(str(verdict.get("verdict")), "unknown")
    yield f"\nVerdict of the audit of version {version}: {word}."
    findings = _list(verdict.get("findings"))
    yield from (f"- {escaped(text)}" for text in findings)
    if more := verdict.get("more_findings"):
        yield f"- and {escaped(more)} more findings"


def _flat(limits: Json) -> str:
    return ", ".join(
        f"{name}.{key} {bound}" if isinstance(of, Mapping) else f"{name} {of}"
        for name, of in limits.items()
        for key, bound in (of.items() if isinstance(of, Mapping) else [("", of)])
    )


# ---- any JSON ------------------------------------------------------------------------


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    if not rows:
        return ""
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    lines += [f"| {' | '.join(map(escaped, row))} |" for row in rows[:_MOST]]
    more = f"\n\n... and {len(rows) - _MOST} more, in job.json." if len(rows) > _MOST else ""
    return "\n".join(lines) + more


def _entries(value: Any) -> list[tuple[str, Json]]:
    return [(str(k), v) for k, v in _mapping(value).items() if isinstance(v, Mapping)]


def _mapping(value: Any) -> Json:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
