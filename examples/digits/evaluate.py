"""How often judges read the digit that was asked for, in samples of the digits' jobs.

Samples come through the package's own host, with the sampling that the job says. Judges are
support vector machines, fit here on real images; none is fit on the test split. Generators
that make an image of a class are judged on `--each` images of every class. Translators are
judged on the test split of the domain that they start from, which they have not seen.

    python examples/digits/evaluate.py jobs/digits-gan.yaml [more jobs] [--each 200]
    python examples/digits/evaluate.py jobs/digits-photos.yaml --sheet sheet.png

Shape letters: N images, C channels, H height, W width.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

import numpy as np
import prepare
import prepare_photos
from PIL import Image
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
    return agreements(*material(spec, each))


def material(spec: GeneratorSpec, each: int) -> tuple[Labelled, Labelled, dict[str, Labelled]]:
    """Real images of the train split and of the rest, of the appearance that a generator makes;
    and what is judged: real test images and its own."""
    if not isinstance(spec, ResnetI2iGenerator):
        judged = {"real test": prepare.images("test"), "samples": sample(spec, each)}
        return prepare.images("train"), prepare.images("rest"), judged
    clean, photos = (prepare_photos.images(domain, "test") for domain in prepare_photos.DOMAINS)
    if spec.direction == "BtoA":
        judged = {"real test": grey(clean), "translations": grey(translated(spec, photos))}
        return prepare.images("train"), prepare.images("rest"), judged
    judged = {"real test": photos, "translations": translated(spec, clean)}
    train, rest = (prepare_photos.images("photos", split) for split in ("train", "rest"))
    return train, rest, judged


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


def spread(pixels: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(10,) root mean square distance of every class's images from their mean."""
    x = flat(pixels)
    return np.array([x[labels == k].var(axis=0).sum() ** 0.5 for k in range(len(CLASSES))])


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


# ---- sheets --------------------------------------------------------------------------


def sheet(spec: GeneratorSpec) -> list[np.ndarray]:
    """Pictures (H, W, 3) uint8 with a row for every class: real train images and samples; of a
    translator, one of test images and their translations by turns."""
    if isinstance(spec, ResnetI2iGenerator):
        x, y = prepare_photos.images("photos" if spec.direction == "BtoA" else "clean", "test")
        return [tiled(np.concatenate([x, translated(spec, (x, y))[0]], axis=2), y, columns=3)]
    pair = prepare.images("train"), sample(spec, each=6)
    return [tiled(np.repeat(x[..., None], 3, axis=3), y, columns=6) for x, y in pair]


def tiled(pixels: np.ndarray, labels: np.ndarray, columns: int) -> np.ndarray:
    """The first images of every class in a row."""
    rows = [np.concatenate(list(pixels[labels == k][:columns]), axis=1) for k in range(10)]
    return np.concatenate(rows)


def draw(pictures: Sequence[np.ndarray], path: str) -> None:
    """Side by side as PNG, twice as large and in 64 colours."""
    spaced = [np.pad(x, ((0, 0), (0, 8), (0, 0)), constant_values=255) for x in pictures]
    image = Image.fromarray(np.concatenate(spaced, axis=1)[:, :-8])
    twice = image.resize((2 * image.width, 2 * image.height), Image.Resampling.NEAREST)
    twice.quantize(64).save(path, optimize=True)


# ---- the program ---------------------------------------------------------------------


def report(spec: GeneratorSpec, each: int = 200) -> None:
    """Prints all figures of a generator; none with `each` of 0."""
    if not each:
        return
    train, rest, judged = material(spec, each)
    for what, shares in agreements(train, rest, judged).items():
        print(f"{what}: {shown(shares)}")
    real, made = (spread(*rows) for rows in judged.values())
    print(f"spread within a class beside real test: {shown(made / real)}")


def shown(per_class: np.ndarray) -> str:
    """A number for every class, as text."""
    return f"mean {per_class.mean():.3f}; 0 to 9: {' '.join(f'{x:.2f}' for x in per_class)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("jobs", nargs="+")
    parser.add_argument("--each", type=int, default=200, help="samples of every class")
    parser.add_argument("--sheet", help="also draw what the jobs' generators make (PNG)")
    arguments = parser.parse_args()
    found = [(p, *item) for p in arguments.jobs for item in load_spec(p).spec.generators.items()]
    for path, name, spec in found:
        print(f"{path}: {name} ({spec.family})")
        report(spec, arguments.each)
    if arguments.sheet:
        draw([picture for _, _, spec in found for picture in sheet(spec)], arguments.sheet)


if __name__ == "__main__":
    main()
