"""The verbs of clusters: `doctor`, `submit`, `jobs list | show | logs | stop`, and `logs` and
`stop` by themselves. `augment.cli` gives the grammar and the exit codes; imports are inside.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augment.errors import RequestError

if TYPE_CHECKING:
    from augment.submit.jobs_api import Cluster, Submission
    from augment.submit.request import Asked

Verb = Callable[[Any, str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]
"""(sub-parsers, name, function, help) -> the parser of one verb, with `--json`."""

_OF_ADDRESS = {
    "token": "TOKEN", "wait": None, "installed": None, "again": None, "env": "NAME",
    "python": "PROGRAM",
}  # fmt: skip
_OF_KUBERAY = {
    "image": "IMAGE", "namespace": "NAME", "queue": "NAME", "service_account": "NAME",
    "token_secret": "NAME", "env_secret": "NAME", "image_pull_secret": "NAME",
    "gpus_per_node": "N", "node_cpus": "N", "node_memory": "SIZE", "node_selector": "KEY=VALUE",
    "spot": None, "ttl": "SECONDS", "dry_run": None,
}  # fmt: skip
_MANY = {"env", "env_secret", "node_selector"}
_WHOLE = {"gpus_per_node", "node_cpus", "ttl"}
_HELP = {
    "token": "of the cluster; default: RAY_AUTH_TOKEN, which does not show in a list of processes",
    "wait": "follow it to its end; the exit code is the job's",
    "installed": "the cluster's nodes have augment; else this copy of it travels along",
    "again": "also where an attempt has succeeded",
    "env": "a variable of this environment whose value travels; who lists jobs can read it",
    "python": "on the cluster; default: python",
    "image": "of every pod; has augment",
    "queue": "of Kueue",
    "token_secret": "a Secret whose key auth_token is the cluster's token; default: KubeRay's own",
    "env_secret": "a Secret whose keys are variables of every pod",
    "gpus_per_node": "default: 1 where a generator may use one, else 0",
    "node_cpus": "of a worker pod; default: 4",
    "node_memory": "of a worker pod; default: 16Gi",
    "node_selector": "a label that worker nodes have",
    "spot": "workers may stand on nodes that can be taken away",
    "ttl": "how long the pods stay after the end; default: 60",
    "dry_run": "print the objects as YAML",
}


def add_verbs(verbs: Any, verb: Verb, job_verb: Verb) -> None:
    """The verbs, as sub-parsers of `augment`."""
    doctor = verb(verbs, "doctor", _doctor, "what machines have and allow, and where they differ")
    doctor.add_argument("--address", metavar="ADDRESS", help="of a Ray cluster; else this machine")
    submit = job_verb(verbs, "submit", _submit, "send a job to a cluster")
    submit.add_argument("--address", metavar="URL", help="a Ray dashboard: http://HEAD:8265")
    submit.add_argument("--target", choices=("kuberay",), help="a cluster of its own on Kubernetes")
    submit.add_argument("--shared", metavar="FOLDER", action="append", default=[],
                        help="every node sees it under the same path")  # fmt: skip
    submit.add_argument("--attempts", metavar="N", type=int,
                        help="begin it so often at most, after exit code 3 only; "
                        "default: 1, with --target 5")  # fmt: skip
    for names, target in ((_OF_ADDRESS, "--address"), (_OF_KUBERAY, "--target kuberay")):
        group = submit.add_argument_group(f"with {target}")
        for name, metavar in names.items():
            _option(group, name, metavar)
    for name, function, text in (("logs", _logs, _LOGS), ("stop", _stop, _STOP)):
        _submission_verb(verbs, verb, name, function, text)


def add_jobs(actions: Any, verb: Verb) -> None:
    """The actions of `augment jobs`."""
    _reaching(verb(actions, "list", _list, "submissions on a cluster, the newest first"))
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


def _option(group: Any, name: str, metavar: str | None) -> None:
    flag = f"--{name.replace('_', '-')}"
    if metavar is None:
        group.add_argument(flag, action="store_true", default=None, help=_HELP.get(name))
    elif name in _MANY:
        group.add_argument(flag, metavar=metavar, action="append", help=_HELP.get(name))
    else:
        kind = int if name in _WHOLE else str
        group.add_argument(flag, metavar=metavar, type=kind, help=_HELP.get(name))


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
        from augment.run.ray_nodes import ask_nodes

        nodes = ask_nodes(arguments.address)
    found = findings(nodes)
    ok = all(f.level != "wrong" for f in found)
    if arguments.json:
        document = {"ok": ok, "nodes": nodes, "findings": [asdict(f) for f in found]}
        print(json.dumps(document, ensure_ascii=False))
    else:
        for node in nodes:
            _show_node(node)
        print(f"{len(nodes)} nodes" if len(nodes) > 1 else "1 node")
        for finding in found:
            print(f"{finding.level}: {finding.text}")
    return 0 if ok else 1


def _show_node(node: dict[str, Any]) -> None:
    where = f" ({node['address']})" if "address" in node else ""
    print(f"node {node['host']}{where}")
    if "error" in node:
        return
    versions = ", ".join(f"{k} {v or 'none'}" for k, v in node["versions"].items())
    print(f"  {versions}")
    gpus = ", ".join(node["gpus"]) or "no GPU"
    free = f"{node['disk']['free_bytes'] / 1e9:.0f} GB free in {node['disk']['folder']}"
    print(f"  {node['cpus']} CPUs, {node['memory_bytes'] / 1e9:.0f} GB memory, {gpus}, {free}")
    policy = node["policy"]
    if "error" in policy:
        return
    digest = f"sha256 {policy['sha256']}" if policy["sha256"] else "no file"
    print(f"  policy {policy['path']}: {digest}")
    for key, value in policy["rules"].items():
        print(f"    {key}: {json.dumps(value, ensure_ascii=False)}")


# ---- submissions ---------------------------------------------------------------------


def _submit(arguments: argparse.Namespace) -> int:
    from augment.submit.request import asked_of

    _check_target(arguments)
    asked = asked_of(
        arguments.job,
        execution=arguments.execution,
        overrides=arguments.overrides,
        shared=arguments.shared,
    )
    if arguments.address is not None:
        return _to_address(arguments, asked)
    return _to_kuberay(arguments, asked)


def _check_target(arguments: argparse.Namespace) -> None:
    if (arguments.address is None) == (arguments.target is None):
        found = "neither" if arguments.address is None else "both"
        raise RequestError(
            f"submit: got {found}; expected one of --address URL (a cluster that runs) and "
            "--target kuberay (one of its own)"
        )
    if arguments.attempts is not None and arguments.attempts < 1:
        raise RequestError(f"--attempts: got {arguments.attempts}; expected at least 1")
    others, own = (_OF_KUBERAY, "--address")
    if arguments.address is None:
        others, own = (_OF_ADDRESS, f"--target {arguments.target}")
    for name in others:
        if getattr(arguments, name) is not None:
            flag = f"--{name.replace('_', '-')}"
            raise RequestError(f"submit: {flag} has no effect with {own}; leave it out")


def _to_address(arguments: argparse.Namespace, asked: Asked) -> int:
    from augment.submit.entrypoint import Retries, entrypoint_of
    from augment.submit.jobs_api import Cluster, Order
    from augment.submit.request import write_bundle

    cluster = Cluster(arguments.address, arguments.token)
    env = _values(arguments.env or [])
    entrypoint = entrypoint_of(
        asked.bundle,
        overrides=asked.overrides,
        python=arguments.python or "python",
        retries=Retries(attempts=arguments.attempts or 1),
    )
    with tempfile.TemporaryDirectory(prefix="augment-submit-") as folder:
        write_bundle(asked.bundle, Path(folder), with_code=not arguments.installed)
        anew = bool(arguments.again)
        sent = cluster.send(Order(asked.job_id, f"exec {entrypoint}", folder, env, anew))
    left = [name for name in asked.bundle.variables if name not in env]
    note = f"the cluster's environment must have: {', '.join(left)}" if left else ""
    if not arguments.json:
        print(f"{_HOW[sent.how]}: {sent.submission.id}")
        print(f"note: {note}" if note else f"follow it:  {_follow(arguments, sent.submission)}")
    if arguments.wait:
        return _waited(arguments, cluster, sent.submission, sent.how)
    if arguments.json:
        print(json.dumps({"how": sent.how, **asdict(sent.submission), "note": note}))
    return 0


_HOW = {
    "started": "started",
    "attached": "runs already, nothing was started",
    "done": "has succeeded already, nothing was started (--again runs it all the same)",
}


def _follow(arguments: argparse.Namespace, submission: Submission) -> str:
    return f"augment logs {submission.id} --address {arguments.address}"


def _values(names: list[str]) -> dict[str, str]:
    missing = [name for name in names if name not in os.environ]
    if missing:
        raise RequestError(
            f"--env: got {missing[0]}, which is not set here; set it or leave it out"
        )
    return {name: os.environ[name] for name in names}


def _waited(
    arguments: argparse.Namespace, cluster: Cluster, submission: Submission, how: str
) -> int:
    out = sys.stderr if arguments.json else sys.stdout

    def say(text: str) -> None:
        out.write(text)
        out.flush()

    ended = cluster.wait(submission.id, say)
    if arguments.json:
        print(json.dumps({"how": how, **asdict(ended)}))
    else:
        print(f"{ended.id}: {ended.status}, exit code {ended.exit_code}")
    assert ended.exit_code is not None
    return ended.exit_code


def _list(arguments: argparse.Namespace) -> int:
    from augment.console import table
    from augment.submit.jobs_api import Cluster

    found = Cluster(arguments.address, arguments.token).list()
    if arguments.json:
        print(json.dumps([asdict(s) for s in found], ensure_ascii=False))
    else:
        rows = [(s.id, s.status, s.exit_code, _seconds(s)) for s in found]
        print("\n".join(table(("submission", "status", "exit code", "seconds"), rows)))
    return 0


def _show(arguments: argparse.Namespace) -> int:
    return show_submission(arguments.id, arguments.address, arguments.token, as_json=arguments.json)


def _logs(arguments: argparse.Namespace) -> int:
    from augment.submit.jobs_api import Cluster

    text = Cluster(arguments.address, arguments.token).logs(arguments.id)
    if arguments.json:
        print(json.dumps({"id": arguments.id, "logs": text}, ensure_ascii=False))
    else:
        sys.stdout.write(text)
    return 0


def _stop(arguments: argparse.Namespace) -> int:
    from augment.submit.jobs_api import Cluster

    _tell(Cluster(arguments.address, arguments.token).stop(arguments.id), as_json=arguments.json)
    return 0


def _tell(found: Submission, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(asdict(found), ensure_ascii=False))
        return
    print(f"{found.id}: {found.status}")
    print(f"  request:   {found.request or 'not of augment'}")
    print(f"  exit code: {'-' if found.exit_code is None else found.exit_code}")
    print(f"  seconds:   {'-' if _seconds(found) is None else _seconds(found)}")
    if found.message:
        print(f"  Ray says:  {found.message}")


def _seconds(found: Submission) -> int | None:
    if found.began_ms is None or found.ended_ms is None:
        return None
    return (found.ended_ms - found.began_ms) // 1000


def _to_kuberay(arguments: argparse.Namespace, asked: Asked) -> int:
    raise NotImplementedError
