"""Fills the pool of one job in small rounds, met by a signal at a chosen moment: `rounds_driver.py
JOB MOMENT SIGNAL`, as driver.py is one of a run."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from augment.run import Engine, LocalEngine
from tests.end_to_end.driver import Moments

ROUND_UNITS = 2
SIDE = 32
UNIT_BYTES = 21 * SIDE * SIDE * 3
"""Units of 21 samples."""


def fill(path: str, engine: Engine, reporter: Any = None) -> dict[str, Any]:
    """Fill the pool of a job, two units a round; what became of its classes, and how many samples
    were made now."""
    from augment.api import load_spec
    from augment.run import freeze
    from augment.run.clock import now
    from augment.run.prepare import prepare
    from augment.run.synthesis.filling import Crew
    from augment.run.synthesis.rounds import lease_folder
    from augment.run.synthesis.synthesize import synthesize
    from augment.run.watch.telling import Telling
    from augment.write import Lease

    prepared = prepare(load_spec(path))
    frozen = freeze(prepared, now)
    with Lease(lease_folder(prepared.pool), time.time) as lease:
        crew = Crew(
            engine,
            lease,
            Telling(reporter),
            frozen.stamp,
            round_units=ROUND_UNITS,
            unit_bytes=UNIT_BYTES,
        )
        found = synthesize(frozen, crew)
    accounts = [[a.label_name, a.attempted, a.accepted, a.failed] for a in found.accounts]
    return {"accounts": accounts, "made_now": found.made_now}


def main(path: str, moment: str = "", number: str = "0") -> int:
    """Fill the pool; the exit code. Prints events, then what `fill` returns."""
    moments = Moments(str(Path(path).parent), moment, int(number))
    sys.addaudithook(moments.watch)
    found = fill(path, LocalEngine(), moments)
    print(json.dumps(list(moments.events)))
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
