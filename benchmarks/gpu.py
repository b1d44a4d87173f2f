"""One command for a machine with a GPU: what holds on it and how fast it is, within minutes.

    python benchmarks/gpu.py                      # 8 minutes on the first CUDA device
    python benchmarks/gpu.py --dry-run            # the same program on the CPU, at small sizes
    python benchmarks/gpu.py --section host --only sdxl-1024 --json

Sections, in this order: contract (every family on the device against the CPU and golden images),
placement (actors on parts of a GPU, where Ray is there), encode (copies and encoders, which must
keep up with the device), host (a pool unit as a run makes it against the bare pipeline, at
published sizes with random weights), and the contract of compiled networks. What does not fit
into --seconds is not measured, and its row says so. Exit code: 1 where a row failed or is below its
goal, else 0. Goals are judged on a GPU alone. --json adds all rows as one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import gpu_contract
import gpu_encode
import gpu_host
import gpu_placement
from gpu_machine import Machine, found
from gpu_report import Item, Pace, line, table

SECTIONS = ("contract", "placement", "encode", "host")
_CLOSING_S = 5.0
"""Kept back for the table."""


def items(machine: Machine, folder: Path, sections: Sequence[str]) -> list[Item]:
    """Everything, in the order in which it is measured."""
    compiled = gpu_contract.compiled_items(machine.device, folder, machine.lacking)
    makers: list[tuple[str, Callable[[], list[Item]]]] = [
        ("contract", lambda: gpu_contract.items(machine.device, folder, machine.lacking)),
        ("placement", lambda: gpu_placement.items(machine, folder)),
        ("encode", lambda: gpu_encode.items(machine)),
        ("host", lambda: gpu_host.items(machine, folder)),
        ("contract", lambda: compiled),
    ]
    return [item for name, make in makers if name in sections for item in make()]


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default=None, help="default: cuda, with --dry-run cpu")
    parser.add_argument("--dry-run", action="store_true", help="on the CPU, at small sizes")
    parser.add_argument("--small", action="store_true", help="small sizes on the device")
    parser.add_argument("--seconds", type=float, default=480.0, help="all of it, at most")
    parser.add_argument("--section", nargs="+", choices=SECTIONS, default=SECTIONS)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="families and networks")
    parser.add_argument("--json", action="store_true", help="add the rows as one line of JSON")
    parser.add_argument("--write-golden", action="store_true", help="and end: on the CPU")
    arguments = parser.parse_args(words)
    pace = Pace(arguments.seconds - _CLOSING_S, time.monotonic)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        if arguments.write_golden:
            gpu_contract.write_golden(Path(name))
            return 0
        device = arguments.device or ("cpu" if arguments.dry_run else "cuda")
        machine = found(device, small=arguments.small or arguments.dry_run)
        if machine is None:
            print(f"not run: torch sees no device {device}; --dry-run tries all of it on the CPU")
            return 2
        print(machine.told, flush=True)
        wanted = items(machine, Path(name), arguments.section)
        if arguments.only:
            wanted = [item for item in wanted if item.name in arguments.only]
        pace.carry_out(wanted, lambda row: print(line(row), file=sys.stderr, flush=True))
    return _ended(pace, machine, arguments.json)


def _ended(pace: Pace, machine: Machine, as_json: bool) -> int:
    print(f"\n{table(pace.rows)}", flush=True)
    if as_json:
        rows = [row.to_json() for row in pace.rows]
        print(json.dumps({"machine": machine.to_json(), "rows": rows}), flush=True)
    code = 1 if any(row.bad for row in pace.rows) else 0
    if pace.hung:  # its thread is inside a library
        os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
