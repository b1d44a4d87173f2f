"""A driver of one run that a signal meets at a chosen moment: `driver.py JOB [MOMENT SIGNAL]`.

An event of a run is something its reporter is told, or a file below the job's folder that
Python opens, renames, links or removes (seen through Python's audit hook, before it happens).
MOMENT is the number of an event, or `NUMBER@EVENT`: the event of these words that so many of the
same words came before, or a pattern: then the first event that it is found in. How many other
events come before one may depend on how busy the machine is.
Notes go to standard error. A run that lives prints its events, then what it did, each as one
line of JSON; with SIGINT it is the console command that runs, and prints what it prints. With
SIGXFSZ no signal comes, but from the moment on no file takes a byte, as on a full disk; there is
room again when the run has ended.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import sys
from pathlib import Path
from typing import Any

FILES = {"open", "os.rename", "os.link", "os.remove"}


class Moments:
    """Lists events and sends this process a signal at one. It is the run's reporter as well."""

    def __init__(self, root: str, moment: str, number: int) -> None:
        self.events: list[str] = []
        self._root, self._moment, self._signal = root + "/", moment, number

    def happen(self, event: str) -> None:
        number, same = len(self.events), self.events.count(event)
        self.events.append(event)
        if self._meant(event, number, same):
            self._moment = ""
            os.write(2, f"signal at: {event}\n".encode())
            if self._signal == signal.SIGXFSZ:
                set_room(0)
            else:
                os.kill(os.getpid(), self._signal)

    def _meant(self, event: str, number: int, same: int) -> bool:
        moment = self._moment
        if moment.isdigit():
            return number == int(moment)
        if exact := re.fullmatch(r"(\d+)@(.*)", moment):
            return event == exact[2] and same == int(exact[1])
        return bool(moment and re.search(moment, event))

    def watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        """An audit hook: the last path that an event names is where it happens."""
        if event not in FILES:
            return
        paths = [p for p in _paths(event, arguments) if p.startswith(self._root)]
        if paths and not re.search("/(leases|beats)/", paths[-1]):  # heartbeats depend on time
            path = re.sub(r"\.tmp-\d+-\w+", ".tmp", paths[-1].removeprefix(self._root))
            self.happen(f"{event} {path}")

    def stage(self, name: str, total: int | None) -> None:
        self.happen(f"told stage {name}: {total}")

    def doing(self, text: str) -> None: ...

    def advance(self, done: int, rows: int) -> None:
        self.happen(f"told advance {done}")

    def note(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)
        self.happen(f"told note {text}")


def _paths(event: str, arguments: tuple[Any, ...]) -> list[str]:
    """The paths of an event. Of renames and the like, the open folder that each is taken from
    stands behind them, -1 where there is none."""
    paths = [a for a in arguments if isinstance(a, str)]
    if event == "open":
        return paths
    folders = arguments[len(paths) :]
    return [
        f"{os.readlink(f'/proc/self/fd/{folder}')}/{path}" if folder >= 0 else path
        for path, folder in zip(paths, folders, strict=False)
    ]


def set_room(size: int) -> None:
    """Bytes that a file may have, of this process."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def main(path: str, moment: str = "", number: str = "0") -> int:
    """Run the job; the exit code."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # `make test &` would ignore it
    from augment.api import load_spec, run
    from augment.cli import main as command
    from augment.errors import InterruptedRun

    moments = Moments(str(Path(path).parent), moment, int(number))
    sys.addaudithook(moments.watch)
    if int(number) == signal.SIGINT:
        return command(["run", path, "--engine", "local"])
    try:
        result = run(load_spec(path), engine="local", reporter=moments)
    except InterruptedRun as error:
        set_room(resource.RLIM_INFINITY)
        print(error, file=sys.stderr)
        return error.exit_code
    print(json.dumps(list(moments.events)))
    print(
        json.dumps(
            {
                "version": result.version,
                "already": result.already,
                "made_now": result.made_now,
                "ok": result.ok,
            }
        )
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
