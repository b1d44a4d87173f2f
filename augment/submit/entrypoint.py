"""The command that runs a bundle on a cluster, as one line of shell."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from augment.errors import RequestError
from augment.submit.bundle import Bundle


@dataclass(frozen=True)
class Retries:
    """attempts: how often the job is begun at most; only exit code 3 begins it again, after
    `pause_s`, then twice that, and so on up to `longest_s`."""

    attempts: int = 1
    pause_s: int = 15
    longest_s: int = 600


ONCE = Retries()


def entrypoint_of(
    bundle: Bundle,
    *,
    overrides: Sequence[str] = (),
    folder: str = "",
    python: str = "python",
    retries: Retries = ONCE,
    despite_limits: bool = False,
) -> str:
    """overrides: `key=value` over the job's `execution`. despite_limits: also where its plan
    breaks limits. folder: where the bundle lies, with a
    slash at its end; empty: where the command is run."""
    words = [python, "-P", "-m"]  # what travelled is data, whatever it is named
    if retries.attempts > 1:
        words += ["augment.submit.again", "--attempts", str(retries.attempts)]
        words += ["--pause", str(retries.pause_s), "--longest", str(retries.longest_s), "--"]
    else:
        words += ["augment"]
    words += ["run", folder + bundle.job]
    if bundle.execution is not None:
        words += ["--execution", folder + bundle.execution]
    for override in overrides:
        words += ["--set", override]
    if despite_limits:
        words.append("--despite-limits")
    return shlex.join(words)


def refuse_secret_overrides(overrides: Sequence[str]) -> None:
    """A command line is shown to everybody who may list jobs.

    Raises:
        RequestError: an override is one of storage options.
    """
    for override in overrides:
        key = override.partition("=")[0].strip().removeprefix("execution.")
        if key.split(".")[0] == "storage_options":
            raise RequestError(
                f"--set {key}: got storage options, which would stand in the cluster's list of "
                "jobs; expected them in the job file or in --execution FILE, secrets as ${NAME}"
            )
