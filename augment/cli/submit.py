"""`augment submit`: a job to a Ray cluster that runs, or to Kubernetes as a cluster of its own.
`grammar.py` gives the grammar; imports are inside.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augment import streams
from augment.errors import RequestError

if TYPE_CHECKING:
    from augment.submit.jobs_api import Cluster, Sent, Submission
    from augment.submit.request import Asked
    from augment.submit.sizing import Node

Verb = Callable[[Any, str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]
"""(sub-parsers, name, function, help) -> the parser of a verb that takes a job."""

_OF_ADDRESS = {
    "token": "TOKEN", "wait": None, "installed": None, "again": None, "shared": "FOLDER",
    "env": "NAME", "python": "PROGRAM",
}  # fmt: skip
_OF_KUBERAY = {
    "image": "IMAGE", "namespace": "NAME", "queue": "NAME", "service_account": "NAME",
    "volume": "CLAIM:FOLDER", "token_secret": "NAME", "env_secret": "NAME",
    "image_pull_secret": "NAME", "gpus_per_node": "N", "node_cpus": "N", "node_memory": "SIZE",
    "node_selector": "KEY=VALUE", "spot": None, "ttl": "SECONDS", "dry_run": None,
}  # fmt: skip
_MANY = {"shared", "env", "volume", "env_secret", "node_selector"}
_WHOLE = {"gpus_per_node", "node_cpus", "ttl"}
_HELP = {
    "token": "of the cluster; default: RAY_AUTH_TOKEN, which does not show in a list of processes",
    "wait": "follow it to its end; the exit code is the job's",
    "installed": "the cluster's nodes have augment; else this copy of it travels along",
    "again": "also where an attempt has succeeded",
    "shared": "a folder that every node sees under the same path",
    "env": "a variable of this environment whose value travels; who lists jobs can read it",
    "python": "on the cluster; default: python",
    "image": "of every pod; has augment",
    "queue": "of Kueue",
    "volume": "a PersistentVolumeClaim, and where every pod sees it",
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


def add_verb(verbs: Any, job_verb: Verb) -> None:
    """The verb, as a sub-parser of `augment`."""
    submit = job_verb(verbs, "submit", _submit, "send a job to a cluster")
    submit.set_defaults(lasting=True)
    submit.add_argument("--address", metavar="URL", help="a Ray dashboard: http://HEAD:8265")
    submit.add_argument("--target", choices=("kuberay",), help="a cluster of its own on Kubernetes")
    submit.add_argument("--attempts", metavar="N", type=int,
                        help="begin it so often at most, after exit code 3 only; "
                        "default: 1, with --target 5")  # fmt: skip
    add_despite_limits(submit)
    for names, target in ((_OF_ADDRESS, "--address"), (_OF_KUBERAY, "--target kuberay")):
        group = submit.add_argument_group(f"with {target}")
        for name, metavar in names.items():
            _option(group, name, metavar)


def add_despite_limits(verb: argparse.ArgumentParser) -> None:
    """The option of whatever carries a plan out."""
    verb.add_argument(
        "--despite-limits",
        action="store_true",
        help="go on although limits of the job are broken, by the plan or before the commit (those "
        "of the operator hold)",
    )


def _option(group: Any, name: str, metavar: str | None) -> None:
    flag = f"--{name.replace('_', '-')}"
    if metavar is None:
        group.add_argument(flag, action="store_true", default=None, help=_HELP.get(name))
    elif name in _MANY:
        group.add_argument(flag, metavar=metavar, action="append", help=_HELP.get(name))
    else:
        kind = int if name in _WHOLE else str
        group.add_argument(flag, metavar=metavar, type=kind, help=_HELP.get(name))


def _submit(arguments: argparse.Namespace) -> int:
    from augment.submit.request import asked_of, judge_limits

    _check_target(arguments)
    asked = asked_of(
        arguments.job,
        execution=arguments.execution,
        overrides=arguments.overrides,
        shared=[*(arguments.shared or []), *_claims(arguments.volume or [])],
    )
    if note := judge_limits(asked, despite=arguments.despite_limits):
        streams.note(f"note: {note}")
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
    from augment.submit.jobs_api import Cluster, Order
    from augment.submit.request import is_there, write_bundle

    cluster = Cluster(arguments.address, arguments.token)
    env = _values(arguments.env or [])
    with tempfile.TemporaryDirectory(prefix="augment-submit-") as folder:
        write_bundle(asked.bundle, Path(folder), with_code=not arguments.installed)
        command = f"exec {_entrypoint(arguments, asked)}"
        there = partial(is_there, asked)
        sent = cluster.send(Order(asked.job_id, command, folder, env, bool(arguments.again), there))
    note = "; ".join(_notes(asked, sent, env))
    if not arguments.json:
        streams.say(f"{_HOW[sent.how]}: {sent.submission.id}")
        streams.say(
            f"note: {note}" if note else f"follow it:  {_follow(arguments, sent.submission)}"
        )
    if arguments.wait:
        return _waited(arguments, cluster, sent.submission, sent.how)
    if arguments.json:
        streams.tell({"how": sent.how, **asdict(sent.submission), "note": note})
    return 0


def _notes(asked: Asked, sent: Sent, env: Mapping[str, str]) -> Iterator[str]:
    output = asked.prepared.output.uri
    if sent.how == "started" and sent.there is False:
        yield f"an attempt has succeeded, but {output} does not hold its data set: begun again"
    if sent.how == "done" and sent.there is None:
        yield f"whether {output} still holds its data set cannot be seen from here"
    if left := [name for name in asked.bundle.variables if name not in env]:
        yield f"the cluster's environment must have: {', '.join(left)}"


def _entrypoint(arguments: argparse.Namespace, asked: Asked) -> str:
    from augment.submit.entrypoint import Retries, entrypoint_of
    from augment.submit.request import BELOW

    return entrypoint_of(
        asked.bundle,
        overrides=asked.overrides,
        folder=f"{BELOW}/",
        python=arguments.python or "python",
        retries=Retries(attempts=arguments.attempts or 1),
        despite_limits=arguments.despite_limits,
    )


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
    arguments.kept = f": {submission.id} goes on without whoever waits for it"
    with streams.growing(aside=arguments.json) as text:
        ended = cluster.wait(submission.id, text.write)
    if arguments.json:
        streams.tell({"how": how, **asdict(ended)})
    else:
        streams.say(f"{ended.id}: {ended.status}, exit code {ended.exit_code}")
    assert ended.exit_code is not None
    return ended.exit_code


# ---- kubernetes ----------------------------------------------------------------------

_ATTEMPTS, _TTL_S, _CPUS, _MEMORY = 5, 60, 4, "16Gi"
_UNITS = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}


def _to_kuberay(arguments: argparse.Namespace, asked: Asked) -> int:
    from augment.submit.kubectl import apply, as_yaml
    from augment.submit.rayjob import objects_of

    objects = objects_of(_ray_job_request(arguments, asked))
    if arguments.dry_run:
        arguments.lasting = False
        if arguments.json:
            streams.tell(objects)
        else:
            streams.hand_over(as_yaml(objects))
        _note_variables(arguments, asked)
        return 0
    said = apply(as_yaml(objects))
    name = objects[-1]["metadata"]["name"]
    _note_variables(arguments, asked)
    if arguments.json:
        streams.tell({"rayjob": name, "said": said.splitlines()})
        return 0
    streams.hand_over(said)
    namespace = f" -n {arguments.namespace}" if arguments.namespace else ""
    streams.say(f"follow it:  kubectl get rayjob {name}{namespace} -w")
    if f"rayjob.ray.io/{name} unchanged" in said:
        streams.say(
            f"it stands there already; to run it again: kubectl delete rayjob {name}{namespace}"
        )
    return 0


def _note_variables(arguments: argparse.Namespace, asked: Asked) -> None:
    if asked.bundle.variables and not arguments.env_secret:
        names = ", ".join(asked.bundle.variables)
        streams.note(f"note: no --env-secret gives the pods {names}")


def _ray_job_request(arguments: argparse.Namespace, asked: Asked) -> Any:
    from augment.submit.entrypoint import Retries
    from augment.submit.pods import Pods
    from augment.submit.rayjob import RayJobRequest
    from augment.submit.sizing import size_of

    if arguments.image is None:
        raise RequestError("submit: got no --image; expected one that has augment (see deploy/)")
    _check_accelerator(arguments, asked)
    return RayJobRequest(
        job_id=asked.job_id,
        bundle=asked.bundle,
        size=size_of(asked.job.spec, _node(arguments, asked)),
        pods=Pods(
            image=arguments.image,
            worker_memory=arguments.node_memory or _MEMORY,
            service_account=arguments.service_account,
            pull_secret=arguments.image_pull_secret,
            env_secrets=tuple(arguments.env_secret or ()),
            node_selector=_labels(arguments.node_selector or []),
            spot=bool(arguments.spot),
            claims=_claims(arguments.volume or []),
            metrics_port=metrics.port if (metrics := asked.job.spec.execution.metrics) else None,
        ),
        ray_version=metadata.version("ray"),
        namespace=arguments.namespace,
        queue=arguments.queue,
        token_secret=arguments.token_secret,
        ttl_s=_TTL_S if arguments.ttl is None else arguments.ttl,
        retries=Retries(attempts=arguments.attempts or _ATTEMPTS),
        overrides=asked.overrides,
        despite_limits=arguments.despite_limits,
    )


def _node(arguments: argparse.Namespace, asked: Asked) -> Node:
    from augment.submit.sizing import Node, wants_gpus

    gpus = arguments.gpus_per_node
    if gpus is None:
        gpus = int(wants_gpus(asked.job.spec))
    cpus = _CPUS if arguments.node_cpus is None else arguments.node_cpus
    for flag, value, least in (
        ("--gpus-per-node", gpus, 0),
        ("--node-cpus", cpus, 1),
        ("--ttl", _TTL_S if arguments.ttl is None else arguments.ttl, 0),
    ):
        if value < least:
            raise RequestError(f"{flag}: got {value}; expected at least {least}")
    return Node(cpus, _bytes(arguments.node_memory or _MEMORY), gpus)


def _bytes(text: str) -> int:
    found = re.fullmatch(r"([1-9][0-9]{0,8})(Ki|Mi|Gi|Ti)", text)
    if not found:
        raise RequestError(f"--node-memory: got {text!r}; expected for example 16Gi")
    return int(found[1]) * _UNITS[found[2]]


def _labels(given: list[str]) -> dict[str, str]:
    for text in given:
        if not re.fullmatch(r"[\w./-]+=[\w.-]*", text):
            raise RequestError(f"--node-selector: got {text!r}; expected KEY=VALUE")
    return dict(text.split("=", 1) for text in given)


def _claims(given: list[str]) -> dict[str, str]:
    """folder -> claim."""
    for text in given:
        if not re.fullmatch(r"[a-z0-9.-]+:/[^:,\s]+", text):
            raise RequestError(f"--volume: got {text!r}; expected CLAIM:/FOLDER")
    found = [text.split(":", 1) for text in given]
    return {folder.rstrip("/"): claim for claim, folder in found}


def _check_accelerator(arguments: argparse.Namespace, asked: Asked) -> None:
    """Which nodes have a kind of GPU, or a label of Ray, only the cluster's own labels say."""
    for name, execution in asked.job.spec.execution.generators.items():
        asks = execution.resources
        for key in ("accelerator_type", "labels"):
            if getattr(asks, key) and not arguments.node_selector:
                raise RequestError(
                    f"execution.generators.{name}.resources.{key}: a cluster made for the job has "
                    "it only on nodes that are chosen so: give --node-selector KEY=VALUE, for "
                    "example cloud.google.com/gke-accelerator=nvidia-tesla-a100"
                )
