"""The verbs of clusters: `doctor`, `jobs list | show | logs | stop`, `logs` and `stop` by
themselves, and `submit`, which has a module of its own. `grammar.py` gives the grammar; imports are
inside.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from augment import streams
from augment.cli import submit
from augment.cli.common import foldable
from augment.escaping import to_json

if TYPE_CHECKING:
    from augment.doctor import Facts, Finding
    from augment.submit.jobs_api import Submission

Verb = Callable[[Any, str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]
"""(sub-parsers, name, function, help) -> the parser of one verb, with `--json`."""


def add_verbs(verbs: Any, verb: Verb, job_verb: Verb) -> None:
    """The verbs, as sub-parsers of `augment`."""
    doctor = verb(verbs, "doctor", _doctor, "what machines have and allow, and where they differ")
    doctor.add_argument("--address", metavar="ADDRESS", help="of a Ray cluster; else this machine")
    foldable(doctor)
    doctor.set_defaults(tells_policy=True)
    submit.add_verb(verbs, job_verb)
    for name, function, text in (("logs", _logs, _LOGS), ("stop", _stop, _STOP)):
        _submission_verb(verbs, verb, name, function, text)


def add_jobs(actions: Any, verb: Verb) -> None:
    """The actions of `augment jobs`."""
    listing = verb(actions, "list", _list, "submissions on a cluster, the newest first")
    foldable(listing)
    _reaching(listing)
    _submission_verb(actions, verb, "show", _show, "what became of one")
    _submission_verb(actions, verb, "logs", _logs, _LOGS)
    _submission_verb(actions, verb, "stop", _stop, _STOP)


_LOGS = "what a submission has printed"
_STOP = "end a submission; what is finished is kept, and submitting again goes on"


def show_submission(submission_id: str, address: str, token: str | None, *, as_json: bool) -> int:
    """Print what became of one submission; for `augment jobs show` and for a verb that is given
    a submission's id with an address."""
    from augment.submit.jobs_api import Cluster

    _tell(Cluster(address, token).show(submission_id), as_json=as_json)
    return 0


def _reaching(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--address", metavar="URL", required=True, help="http://HEAD:8265")
    sub.add_argument("--token", metavar="TOKEN", help="default: RAY_AUTH_TOKEN")


def _submission_verb(actions: Any, verb: Verb, name: str, function: Any, text: str) -> None:
    sub = verb(actions, name, function, text)
    sub.add_argument("id", metavar="ID", help="of a submission, as `augment jobs list` names it")
    _reaching(sub)


# ---- doctor --------------------------------------------------------------------------


def _doctor(arguments: argparse.Namespace) -> int:
    from augment.doctor import findings, this_machine

    if arguments.address is None:
        nodes = [this_machine()]
    else:
        from augment.run.engines.ray_nodes import ask_nodes

        nodes = ask_nodes(arguments.address)
    found = findings(nodes)
    ok = all(f.level != "wrong" for f in found)
    if arguments.json:
        document = {"ok": ok, "nodes": nodes, "findings": [asdict(f) for f in found]}
        streams.tell(document)
    else:
        _show_nodes(nodes, found, everything=arguments.all)
    return 0 if ok else 1


def _show_nodes(nodes: Sequence[Facts], found: Sequence[Finding], *, everything: bool) -> None:
    """Nodes, some of many: those that could not be asked, and the first of the others."""
    from augment.tables import first, left_out

    some, more = first(sorted(nodes, key=lambda n: "error" not in n), 10, everything=everything)
    for node in some:
        _show_node(node)
    streams.say(*left_out(more, "nodes"), "1 node" if len(nodes) == 1 else f"{len(nodes)} nodes")
    told = sorted(found, key=lambda one: one.level != "wrong")
    shown, more = first(told, everything=everything)
    streams.say(*(f"{one.level}: {one.text}" for one in shown), *left_out(more, "findings"))


def _show_node(node: Facts) -> None:
    where = f" ({node['address']})" if "address" in node else ""
    streams.say(f"node {node['host']}{where}")
    if "error" in node:
        return
    versions = ", ".join(f"{k} {v or 'none'}" for k, v in node["versions"].items())
    streams.say(f"  {versions}")
    gpus = ", ".join(node["gpus"]) or "no GPU"
    free = f"{node['disk']['free_bytes'] / 1e9:.0f} GB free in {node['disk']['folder']}"
    streams.say(
        f"  {node['cpus']} CPUs, {node['memory_bytes'] / 1e9:.0f} GB memory, {gpus}, {free}"
    )
    if "entries" in (cache := node.get("cache", {})):
        held = f"{cache['entries']} entries, {cache['bytes'] / 1e9:.1f} GB of at most "
        streams.say(f"  cache {cache['folder']}: {held}{cache['max_bytes'] / 1e9:.0f} GB")
    policy = node["policy"]
    if "error" in policy:
        return
    digest = f"sha256 {policy['sha256']}" if policy["sha256"] else "no file"
    streams.say(f"  policy {policy['path']}: {digest}")
    for key, value in policy["rules"].items():
        streams.say(f"    {key}: {to_json(value)}")


# ---- submissions ---------------------------------------------------------------------


def _list(arguments: argparse.Namespace) -> int:
    from augment.submit.jobs_api import Cluster
    from augment.tables import MOST_LINES, first, left_out, table

    found = Cluster(arguments.address, arguments.token).list()
    if arguments.json:
        streams.tell([asdict(s) for s in found])
    else:
        some, more = first(found, MOST_LINES, everything=arguments.all)
        rows = [(s.id, s.status, s.exit_code, _seconds(s)) for s in some]
        streams.say(*table(("submission", "status", "exit code", "seconds"), rows))
        streams.say(*left_out(more, "submissions"))
    return 0


def _show(arguments: argparse.Namespace) -> int:
    return show_submission(arguments.id, arguments.address, arguments.token, as_json=arguments.json)


def _logs(arguments: argparse.Namespace) -> int:
    from augment.submit.jobs_api import Cluster

    text = Cluster(arguments.address, arguments.token).logs(arguments.id)
    if arguments.json:
        streams.tell({"id": arguments.id, "logs": text})
    else:
        with streams.growing() as shown:
            shown.write(text)
    return 0


def _stop(arguments: argparse.Namespace) -> int:
    from augment.submit.jobs_api import Cluster

    arguments.lasting = True
    _tell(Cluster(arguments.address, arguments.token).stop(arguments.id), as_json=arguments.json)
    return 0


def _tell(found: Submission, *, as_json: bool) -> None:
    if as_json:
        streams.tell(asdict(found))
        return
    streams.say(f"{found.id}: {found.status}")
    streams.say(f"  request:   {found.request or 'not of augment'}")
    streams.say(f"  exit code: {'-' if found.exit_code is None else found.exit_code}")
    streams.say(f"  seconds:   {'-' if _seconds(found) is None else _seconds(found)}")
    if found.message:
        streams.say(f"  Ray says:  {found.message}")


def _seconds(found: Submission) -> int | None:
    if found.began_ms is None or found.ended_ms is None:
        return None
    return (found.ended_ms - found.began_ms) // 1000
