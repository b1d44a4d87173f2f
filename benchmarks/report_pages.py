"""The pages of docs/reports: what an audit says of the demo's digits, and of digits with problems.

    augment run jobs/digits.yaml && python benchmarks/report_pages.py [--out docs/reports]

The second data set is made here, of planted.py's digits: a class was collapsed, a tenth of the rows
of every class shows the next one, and a split `val` holds mirrored train images. Places of data
sets stand in a page, so both are looked at below `--below`, which is removed afterwards.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
from planted import collapsed, digits, leak, written, wrong_labels

from augment.api import audit, write_report


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--digits", type=Path, default=Path("out/digits"), help="the demo's output")
    parser.add_argument("--below", type=Path, default=Path("/var/tmp/augment-reports"))
    parser.add_argument("--out", type=Path, default=Path("docs/reports"))
    asked = parser.parse_args()
    asked.below.mkdir(parents=True)  # which must be new
    try:
        shutil.copytree(asked.digits, asked.below / "digits")
        (asked.below / "failing").mkdir()
        rng = np.random.default_rng(7)
        data = leak(wrong_labels(collapsed(digits(rng), rng), rng), rng)
        written(data, asked.below / "failing", rng)
        for name in ("digits", "failing"):
            report = audit(str(asked.below / name), quality=True, copies=True, cache="none")
            folder = asked.below / f"{name}-report"
            page = write_report(report, str(folder)).page
            asked.out.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(page, asked.out / f"{name}.html")
            print(f"{asked.out / name}.html: {report.verdict}, {len(report.findings)} findings")
    finally:
        shutil.rmtree(asked.below)


if __name__ == "__main__":
    main()
