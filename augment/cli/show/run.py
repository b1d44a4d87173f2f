"""What is shown at the end of `run`, `mix`, `synthesize` and `retry`; decides nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from augment.escaping import name
from augment.streams import say
from augment.tables import counts, duration, few, first, fold, left_out, number, share, size, table

if TYPE_CHECKING:
    from augment.run import RunResult
    from augment.run.mixing.commit import CellResult
    from augment.run.synthesis.accounts import Synthesis
    from augment.run.synthesis.cost import Estimate, Spent
    from augment.run.upkeep.retry import RetryResult
    from augment.run.watch.account import Account


def show_result(result: RunResult, log: str, *, everything: bool = False) -> None:
    """The last word of a run: what was made, the shares, and where everything is."""
    from augment.audit import render

    if result.already:
        say(f"already committed: {result.job_id} is version {result.version} or older")
    if result.changes is not None:
        say(*result.changes.lines)
    say(*cell_lines(result.cells, everything=everything))
    if result.accounts:
        say("", *account_lines(result.accounts, everything=everything))
        say(*reason_lines(result.accounts, everything=everything))
    if result.estimates:
        say("", *cost_lines(result.estimates, result.spent, everything=everything))
    if speeds := speed_lines(result.spent, everything=everything):
        say("", *speeds)
    say("")
    say(*render(result.audit, everything=everything).split("\n"))
    lost = sum(c.quarantined for c in result.cells)
    provenance = f"{result.output}/_provenance/{result.job_id}"
    say("", f"quarantined:   {lost} rows  {provenance}/quarantine.parquet")
    say(f"data set:      {result.output}  (version {result.version})")
    if result.accounts:
        say(f"pool:          {result.pool}  ({result.made_now} samples generated now)")
    say(f"log:           {log}")
    say(f"read it:       datasets.load_dataset({result.output!r})")
    say(f"look at it:    augment audit {shell(result.output)} --sheet sheet.png")


def show_synthesis(result: Synthesis, pool: str, log: str, *, everything: bool = False) -> None:
    """What `augment synthesize` did."""
    say(*account_lines(result.accounts, everything=everything))
    say(*reason_lines(result.accounts, everything=everything))
    if speeds := speed_lines(result.spent, everything=everything):
        say("", *speeds)
    some, more = first(result.emptied, everything=everything)
    say(*(f"FAIL  {text}" for text in some))
    say(*(f"      {line}" for line in left_out(more, "cells with nothing")))
    say(f"generated now: {result.made_now} samples", f"pool:          {pool}")
    say(f"log:           {log}")


def synthesis_json(result: Synthesis, pool: str, log: str) -> dict[str, Any]:
    """A synthesis's result for programs."""
    return {
        "pool": pool,
        "made_now": result.made_now,
        "accounts": [asdict(a) | {"shortfall": a.shortfall} for a in result.accounts],
        "emptied": result.emptied,
        "spent": {name: one.to_json() for name, one in result.spent.items()},
        "log": log,
    }


def show_retry(result: RetryResult, log: str, *, everything: bool = False) -> None:
    """What a retry did, or that there was nothing to do."""
    if not result.tried:
        say(f"nothing to retry: job {result.job_id} has no failed row that a cell lacks")
    else:
        say(
            f"{result.tried} failed rows and samples were tried again: {result.healed} rows were "
            f"added, {result.failing} are still quarantined"
        )
    if result.shortfall:
        say(f"short:         {result.shortfall} samples")
    new = "" if result.committed else "; nothing was added to it"
    say(f"data set:      {result.output}  (version {result.version}{new})")
    say(f"quarantined:   {result.output}/_provenance/{result.job_id}/quarantine.parquet")
    say(f"log:           {log}")
    found = sorted(result.audit.findings, key=lambda one: one.warns)
    told = [f"{'warning' if one.warns else 'finding'}: {one.check}: {one.text}" for one in found]
    told += [f"limit: {limit.text}" for limit in result.audit.limits if limit.ok is False]
    some, more = first(told, everything=everything)
    say(*some, *left_out(more, "findings and broken limits"))


def cell_lines(cells: Sequence[CellResult], *, everything: bool = False) -> list[str]:
    """Rows of every class of every split, by how they came to be; totals last."""
    from augment.sample import KINDS

    groups: dict[tuple[str, str], list[CellResult]] = defaultdict(list)
    for cell in cells:
        groups[cell.split, cell.label_name].append(cell)
    shown = [word for word, of in KINDS.items() if any(c.origin in of for c in cells)]

    def figures(own: Sequence[CellResult]) -> list[int]:
        by_kind = [sum(c.written for c in own if c.origin in KINDS[word]) for word in shown]
        planned, written = sum(c.planned for c in own), sum(c.written for c in own)
        lost, short = sum(c.quarantined for c in own), sum(c.short for c in own)
        return [*by_kind, written, planned, lost, short]

    rows = [(f"{name(split)} {name(label)}", *figures(own))
            for (split, label), own in sorted(groups.items())]  # fmt: skip
    head = ("split class", *shown, "written", "planned", "quarantined", "short")
    return counts(head, rows, bad=("quarantined", "short"), by="written", total=True,
                  everything=everything)  # fmt: skip


def account_lines(accounts: Sequence[Account], *, everything: bool = False) -> list[str]:
    """What became of the samples of each class of each generator."""
    rows = [
        (f"{name(a.generator)} {name(a.label_name)}", a.attempted, a.accepted,
         sum(a.rejected.values()), a.failed, a.target, a.selected, a.shortfall)
        for a in accounts
    ]  # fmt: skip
    head = (
        "generator class", "attempted", "accepted", "rejected", "failed",
        "target", "selected", "short",
    )  # fmt: skip
    return counts(head, rows, bad=("short", "failed"), by="rejected", everything=everything)


def reason_lines(accounts: Sequence[Account], *, everything: bool = False) -> list[str]:
    """Why samples were rejected, most first, with the classes that it met."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for one in accounts:
        for reason, n in one.rejected.items():
            found[reason][f"{name(one.generator)} {name(one.label_name)}"] = n
    told = []
    for reason, places in sorted(found.items(), key=lambda item: -sum(item[1].values())):
        most = sorted(places.items(), key=lambda item: (-item[1], item[0]))
        texts = [f"{place}: {n}" for place, n in most]
        shown = few(texts, len(texts) if everything else 5)
        told.append(f"rejected for {reason}: {sum(places.values())} ({shown})")
    return told


def cost_lines(
    estimates: Sequence[Estimate],
    spent: Mapping[str, Spent] | None = None,
    *,
    everything: bool = False,
) -> list[str]:
    """What generators are estimated to cost, and what was spent on them where that is known."""
    some, more = fold(estimates, lambda one: one.gpu_hours(), lambda one: one.rows,
                      everything=everything)  # fmt: skip
    head = ("generator", "device", "to make", "batch", "bytes", "actors: wall time",
            "GPU hours", "spent", "busy")  # fmt: skip
    rows = [_cost(one, (spent or {}).get(one.generator)) for one in some]
    return [*table(head, rows), *left_out(more, "generators")] if rows else []


def speed_lines(spent: Mapping[str, Spent], *, everything: bool = False) -> list[str]:
    """How fast each generator's samples were made, and how busy that kept its devices."""
    told = [(generator, one) for generator, one in sorted(spent.items()) if one.made_s]
    some, more = fold(told, lambda _: 0, lambda pair: pair[1].made_s, everything=everything)
    head = ("generator", "samples made", "per second of an actor", "device busy")
    rows = [
        (name(generator), one.rows, number(one.rows_per_s), share(one.busy_share))
        for generator, one in some
    ]
    return [*table(head, rows), *left_out(more, "generators")] if rows else []


def _cost(one: Estimate, used: Spent | None) -> tuple[object, ...]:
    from augment.run.synthesis.cost import counts as actors

    seen = one.measured
    walls = ", ".join(f"{n}: {duration(one.wall_s(n))}" for n in actors(one.actors))
    return (
        name(one.generator),
        seen.device,
        one.rows,
        f"{1e3 * seen.batch_s:.3g} ms of {seen.batch_rows}",
        size(one.bytes),
        walls,
        f"{one.gpu_hours():.3g}",
        "-" if used is None else f"{used.gpu_hours:.3g}",
        "-" if used is None else duration(used.busy_s),
    )


def shell(text: str) -> str:
    """An argument as it can be typed into a shell."""
    import shlex

    return shlex.quote(text)
