"""How often judges read the digit that was asked for, in samples of the digits' jobs.

Samples come through the package's own host, with the sampling that the job says. Judges are
support vector machines, fit here on real images; none is fit on the test split. Generators
that make an image of a class are judged on `--each` images of every class. Translators are
judged on the test split of the domain that they start from, which they have not seen.

    python examples/digits/evaluate.py jobs/digits-gan.yaml [more jobs] [--each 200]

Shape letters: N images, C channels, H height, W width.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

import numpy as np
import prepare
import prepare_photos
from prepare import CLASSES
from sklearn.svm import SVC

from augment.api import load_spec
from augment.generators import SampleRequest, describe, load_host
from augment.seeds import class_conditioning, synthetic_id
from augment.spec.generators import GeneratorSpec, ResnetI2iGenerator

Labelled = tuple[np.ndarray, np.ndarray]
"""(N, H, W) or (N, H, W, 3) uint8 and (N,) class numbers."""
Shares = dict[str, np.ndarray]
"""Which judge on which images -> (10,) share of every class that is read as labelled."""

SEED = 0
BATCH = 100


def figures(spec: GeneratorSpec, each: int) -> Shares:
    """Agreement of judges with real test images and with what a generator makes."""
    if not isinstance(spec, ResnetI2iGenerator):
        judged = {"real test": prepare.images("test"), "samples": sample(spec, each)}
        return agreements(prepare.images("train"), prepare.images("rest"), judged)
    clean, photos = (prepare_photos.images(domain, "test") for domain in prepare_photos.DOMAINS)
    if spec.direction == "BtoA":
        judged = {"real test": grey(clean), "translations": grey(translated(spec, photos))}
        return agreements(prepare.images("train"), prepare.images("rest"), judged)
    judged = {"real test": photos, "translations": translated(spec, clean)}
    train, rest = (prepare_photos.images("photos", split) for split in ("train", "rest"))
    return agreements(train, rest, judged)


def agreements(train: Labelled, rest: Labelled, judged: Mapping[str, Labelled]) -> Shares:
    """Of two judges, one fit on the train split and one on all that is not test."""
    whole = np.concatenate([train[0], rest[0]]), np.concatenate([train[1], rest[1]])
    judges = {
        f"fit on {len(train[0]):,} images (train)": judge(*train),
        f"fit on {len(whole[0]):,} images (all but test)": judge(*whole),
    }
    return {
        f"judge {name}, {what}": agreement(reader, *rows)
        for name, reader in judges.items()
        for what, rows in judged.items()
    }


def judge(x: np.ndarray, y: np.ndarray) -> SVC:
    """A support vector machine, classes weighed evenly."""
    return SVC(C=10.0, gamma="scale", class_weight="balanced").fit(flat(x), y)


def agreement(judge: SVC, pixels: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(10,) share of every class that the judge reads as labelled."""
    right = judge.predict(flat(pixels)) == labels
    return np.array([right[labels == k].mean() for k in range(len(CLASSES))])


def flat(pixels: np.ndarray) -> np.ndarray:
    """(N, features) of images, 0 to 1."""
    return np.asarray(pixels.reshape(len(pixels), -1) / 255.0)


def grey(rows: Labelled) -> Labelled:
    """RGB images as their mean level."""
    return np.rint(rows[0].mean(axis=3)).astype(np.uint8), rows[1]


# ---- samples -------------------------------------------------------------------------


def sample(spec: GeneratorSpec, each: int) -> Labelled:
    """`each` samples of every class, class by class."""
    info = describe("digits", spec)
    requests = []
    for name in CLASSES:
        key = (SEED, info.identity, info.sampling_digest, class_conditioning(name))
        requests += [SampleRequest(synthetic_id(*key, n), name, n) for n in range(each)]
    return made(spec, requests)[:, 0], np.repeat(np.arange(len(CLASSES)), each)


def translated(spec: ResnetI2iGenerator, sources: Labelled) -> Labelled:
    """One translation of every image, with its label."""
    info = describe("digits", spec)
    requests = []
    for n, (pixels, label) in enumerate(zip(*sources, strict=True)):
        key = (SEED, info.identity, info.sampling_digest, class_conditioning(str(label)), n)
        requests.append(SampleRequest(synthetic_id(*key), str(label), n, pixels))
    return made(spec, requests).transpose(0, 2, 3, 1), sources[1]


def made(spec: GeneratorSpec, requests: Sequence[SampleRequest]) -> np.ndarray:
    """(N, C, H, W) uint8, through the host."""
    host = load_host("digits", spec, describe("digits", spec))
    batches = [requests[at : at + BATCH] for at in range(0, len(requests), BATCH)]
    x = np.concatenate([host.generate(batch).images for batch in batches])
    return np.floor(x * 127.5 + 128.0).clip(0, 255).astype(np.uint8)


# ---- the program ---------------------------------------------------------------------


def report(spec: GeneratorSpec, each: int = 200) -> None:
    """Prints all figures of a generator; none with `each` of 0."""
    if not each:
        return
    for what, shares in figures(spec, each).items():
        per_class = " ".join(f"{share:.2f}" for share in shares)
        print(f"{what}: mean {shares.mean():.3f}; 0 to 9: {per_class}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("jobs", nargs="+")
    parser.add_argument("--each", type=int, default=200, help="samples of every class")
    arguments = parser.parse_args()
    for path in arguments.jobs:
        for name, spec in load_spec(path).spec.generators.items():
            print(f"{path}: {name} ({spec.family})")
            report(spec, arguments.each)


if __name__ == "__main__":
    main()
