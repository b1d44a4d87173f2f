"""A driver of one retry that a signal meets at a chosen moment: `retry_driver.py JOB MOMENT
SIGNAL`, as driver.py is one of a run."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.end_to_end.driver import Moments


def main(path: str, moment: str, number: str) -> int:
    """Retry the job; the exit code."""
    from augment.api import load_spec
    from augment.run import LocalEngine
    from augment.run.upkeep.retry import retry

    moments = Moments(str(Path(path).parent), moment, int(number))
    sys.addaudithook(moments.watch)
    retry(load_spec(path), LocalEngine(), reporter=moments)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
