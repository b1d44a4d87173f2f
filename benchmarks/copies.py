"""What the detector of copies finds, on six kinds of images.

    python benchmarks/copies.py [--sets digits photographs textures scans drawings products]
                                [--extractors random efficientnet_lite0] [--seed 1] [--json]

Of each set (benchmarks/copies_sets.py): recall of every planted kind on protected images that
nothing was learned from (100, or half of them), as the detector itself reports it; then of kinds
that it never saw; false positives among test images, which neither it nor its calibration saw; and
seconds for 1,000 queries in one process. Without --extractors candidates come from pixels alone. A
share stands beside the lower end of its 95 % interval (Clopper-Pearson). --json prints one line a
set.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
from copies_sets import SETS, Image, Rng

from augment.audit.copies import Detector, ImageSet, Threshold
from augment.audit.copies.warps import moved, scaled, turned, warped
from augment.audit.measures.shares import clopper_pearson
from augment.audit.measures.streams import stream
from augment.features import EXTRACTORS, build

ASKED = 100


def blurred(image: Image, rng: Rng) -> Image:
    """A Gaussian of 2 % of the side."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 0.02 * max(image.shape[:2])))


def coarse(image: Image, rng: Rng) -> Image:
    """Half as many pixels along each side, enlarged again."""
    height, width = image.shape[:2]
    half = cv2.resize(image, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(half, (width, height), interpolation=cv2.INTER_LINEAR))


def grey(image: Image, rng: Rng) -> Image:
    """Without colour."""
    return np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)


def gamma(image: Image, rng: Rng) -> Image:
    """Levels to the power of 0.7."""
    return np.rint(255 * (image / 255) ** 0.7).astype(np.uint8)


def patched(image: Image, rng: Rng) -> Image:
    """A grey square over a tenth of it."""
    height, width = image.shape[:2]
    tall, wide = round(0.316 * height), round(0.316 * width)
    y, x = rng.integers(0, height - tall), rng.integers(0, width - wide)
    made = image.copy()
    made[y : y + tall, x : x + wide] = 128
    return made


def shrunk(image: Image, rng: Rng) -> Image:
    """Turned by 8 degrees at 0.9 of its size."""
    warp = turned(8 * rng.choice((-1, 1)), *image.shape[:2]) @ scaled(1 / 0.9)
    return warped(image, warp, cv2.INTER_CUBIC)


def far(image: Image, rng: Rng) -> Image:
    """Moved by a fifth along both axes, twice the farthest that is planted."""
    return warped(image, moved(*(0.4 * rng.choice((-1, 1), 2))), cv2.INTER_CUBIC)


UNSEEN: Mapping[str, Callable[[Image, Rng], Image]] = {
    made.__name__: made for made in (blurred, coarse, grey, gamma, patched, shrunk, far)
}


def measured(name: str, extractors: list[Any], seed: int) -> dict[str, Any]:
    parts = SETS[name](stream(seed, f"benchmark/{name}"))
    began = time.perf_counter()
    detector = Detector.fit(
        ImageSet(parts.protected), ImageSet(parts.calibration), seed=seed,
        extractors={extractor: build(extractor) for extractor in extractors},
    )  # fmt: skip
    fitted = time.perf_counter() - began
    found = detector.calibration.overall
    began = time.perf_counter()
    wrong = sum(match.is_copy for match in detector.search(ImageSet(parts.test)))
    per_query = (time.perf_counter() - began) / len(parts.test)
    return {
        "set": name, "extractors": extractors, "n_protected": len(parts.protected),
        "n_calibration": found.n, "n_test": len(parts.test),
        "upper": found.upper if isinstance(found, Threshold) else None,
        "false_positives": wrong, "fit_s": round(fitted, 1),
        "s_per_1000": round(1000 * per_query, 1),
        "recall": {r.kind: (r.n, r.found, r.named) for r in detector.recall},
        "unseen": unseen(detector, parts.protected, seed),
    }  # fmt: skip


def unseen(detector: Detector, protected: list[Image], seed: int) -> dict[str, tuple[int, int]]:
    """Of each kind that was never planted: how many, and how many were found."""
    some = stream(seed, "benchmark/unseen").permutation(len(protected))[:ASKED]
    found = {}
    for kind, make in UNSEEN.items():
        rng = stream(seed, f"benchmark/{kind}")
        matches = detector.search(ImageSet([make(protected[i], rng) for i in some]))
        found[kind] = (len(matches), sum(match.is_copy for match in matches))
    return found


def shown(results: list[dict[str, Any]]) -> str:
    """A table as Markdown has them."""
    kinds = [*results[0]["recall"], *results[0]["unseen"]]
    facts = ("n_protected", "n_calibration", "n_test", "false_positives", "fit_s", "s_per_1000")
    rows = [["kind", *(r["set"] for r in results)], ["---"] * (len(results) + 1)]
    rows += [[kind, *(_cell(*(r["recall"] | r["unseen"])[kind][:2]) for r in results)]
             for kind in kinds]  # fmt: skip
    rows += [[fact, *(str(r[fact]) for r in results)] for fact in facts]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(n: int, hits: int) -> str:
    return f"{hits / n:.2f} ({clopper_pearson(hits, n).low:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--extractors", nargs="*", choices=EXTRACTORS, default=[])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    results = []
    for name in asked.sets:
        results.append(measured(name, asked.extractors, asked.seed))
        if asked.json:
            print(json.dumps(results[-1]), flush=True)
    if not asked.json:
        print(shown(results))


if __name__ == "__main__":
    main()
