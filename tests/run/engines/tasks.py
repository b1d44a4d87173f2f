"""Tasks that go to other processes: they are imported there."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from augment.errors import RequestError, StorageError


@dataclass(frozen=True)
class Notes:
    """A task whose workers note each unit that they begin as a file `<unit>.<try>`.

    A unit is what happens to it: `kill` ends its process the first time, `killer` every time,
    `disk` raises StorageError, `odd` an unforeseen error, `wait` sleeps until `go` is in the
    folder or a unit of that name was begun, `env NAME` answers with a variable.
    """

    folder: str
    load: str = ""
    """What happens while the worker is made: `kill`, `refuse`, or nothing."""

    def worker(self, alone: bool = False) -> Notes:
        if self.load == "kill":
            sys.stderr.write("no room for the weights\n")
            sys.stderr.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        if self.load == "refuse":
            raise RequestError("the checkpoint is none")
        (Path(self.folder) / f"built.{os.getpid()}").touch()
        return self

    def __call__(self, unit: str) -> str:
        tries = len(list(Path(self.folder).glob(f"{unit}.*")))
        (Path(self.folder) / f"{unit}.{tries}").touch()
        if unit == "killer" or (unit.startswith("kill") and tries == 0):
            sys.stderr.write(f"try {tries} of {unit} is killed\n")
            sys.stderr.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        if unit == "disk":
            raise StorageError("the disk is full")
        if unit == "odd":
            raise ZeroDivisionError("division by zero")
        while unit.startswith("wait") and not list(Path(self.folder).glob("go*")):
            time.sleep(0.02)
        said = os.environ.get(unit.removeprefix("env "), "")
        return json.dumps([unit, os.getpid(), said])
