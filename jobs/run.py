"""Entry script for schedulers that want a file: `python jobs/run.py jobs/digits.yaml [options]`.

The same as `augment run`, with the same exit codes.
"""

from __future__ import annotations

import sys

from augment.cli import main

if __name__ == "__main__":
    raise SystemExit(main(["run", *sys.argv[1:]]))
