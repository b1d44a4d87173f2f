"""The mix stage's workload, and what it is compared with: each way of doing the same work.

The work: read a 384 px JPEG, decode, crop to 224 and vary, encode as JPEG q90, hash both,
write Parquet that holds the original bytes and the new ones. Run one of them as
`python benchmarks/mix_peers.py NAME WORKLOAD OUT IMAGES`; it prints how long its phases
took as one JSON line. `augment` itself is started through its command line only.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
os.environ.setdefault("HF_HUB_OFFLINE", "1")

OPS: list[tuple[str, dict[str, Any]]] = [
    ("RandomResizedCrop", {"size": [224, 224]}),
    ("HorizontalFlip", {"p": 0.5}),
    ("Affine", {"rotate": [-10, 10], "scale": [0.9, 1.1], "p": 1.0}),
    ("RandomBrightnessContrast", {"p": 1.0}),
    ("HueSaturationValue", {"p": 1.0}),
]
PROCESSES, QUALITY, SHARD_ROWS, SIDE = 2, 90, 1000, 384
PHOTOS = ("astronaut", "coffee", "hubble_deep_field", "immunohistochemistry", "retina", "rocket")
Row = dict[str, Any]


# ---- workload ------------------------------------------------------------------------


def workload(images: int) -> Path:
    """`<folder>/train/<photo>/<number>.jpg`: `images` crops, made once, the same everywhere."""
    home = Path(tempfile.gettempdir()) / f"augment-mix-{images}-v1"
    if home.exists():
        return home
    import numpy as np
    import simplejpeg

    part = home.with_name(f"{home.name}.part-{os.getpid()}")
    photos = _photos()
    rng = np.random.Generator(np.random.Philox(key=384))
    for i in range(images):
        name = sorted(photos)[i % len(photos)]
        photo = photos[name]
        top, left = (int(rng.integers(0, size - SIDE + 1)) for size in photo.shape[:2])
        crop = np.ascontiguousarray(photo[top : top + SIDE, left : left + SIDE, :3])
        path = part / "train" / name / f"{i:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(simplejpeg.encode_jpeg(crop, quality=QUALITY, colorsubsampling="420"))
    part.rename(home)
    return home


def _photos() -> dict[str, Any]:
    import skimage.data
    from sklearn.datasets import load_sample_image

    found = {name: getattr(skimage.data, name)() for name in PHOTOS}
    return {**found, **{name: load_sample_image(f"{name}.jpg") for name in ("china", "flower")}}


def files(home: Path, images: int) -> list[str]:
    """The first `images` paths, classes in turn, as text."""
    found = sorted(home.glob("train/*/*.jpg"), key=lambda path: path.name)
    if len(found) < images:
        raise SystemExit(f"{home} holds {len(found)} images; expected {images}: remove the folder")
    return [str(path) for path in found[:images]]


def linked(home: Path, images: int) -> Path:
    """An image folder of exactly the first `images` files, as hard links, made once: a job
    takes whole folders, and making the links is no work of `augment`."""
    source = home.with_name(f"{home.name}-first-{images}")
    if source.exists():
        return source
    part = source.with_name(f"{source.name}.part-{os.getpid()}")
    for path in map(Path, files(home, images)):
        link = part / "train" / path.parent.name / path.name
        link.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, link)
    part.rename(source)
    return source


# ---- the work on one image -----------------------------------------------------------


def kernels(reseed: bool = True) -> Callable[[str, bytes], Row]:
    """(path, original bytes) -> one row. reseed: a seed per image, and both hashes."""
    import albumentations
    import cv2
    import numpy as np
    import simplejpeg

    cv2.setNumThreads(1)
    compose = albumentations.Compose(
        [getattr(albumentations, name)(**params) for name, params in OPS]
    )

    def row(path: str, original: bytes) -> Row:
        if reseed:
            seed = int.from_bytes(hashlib.blake2b(path.encode(), digest_size=8).digest(), "big")
            compose.set_random_state(np.random.default_rng(seed), random.Random(seed))
        image = simplejpeg.decode_jpeg(original, strict=True)
        new = compose(image=image)["image"]
        coded = simplejpeg.encode_jpeg(new, quality=QUALITY, colorsubsampling="420")
        sums = [hashlib.sha256(data).hexdigest() if reseed else "" for data in (original, coded)]
        return {"path": path, "image": original, "new": coded, "sums": sums}

    return row


def write_shards(rows: Iterable[Row], out: Path, prefix: str) -> None:
    """Parquet files of `SHARD_ROWS` rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    held: list[Row] = []
    number = 0

    def flush() -> None:
        nonlocal number
        if held:
            path = out / f"{prefix}-{number:05d}.parquet"
            pq.write_table(pa.Table.from_pylist(held), path, compression="zstd")
            number += 1
            held.clear()

    for row in rows:
        held.append(row)
        if len(held) == SHARD_ROWS:
            flush()
    flush()


# ---- peers ---------------------------------------------------------------------------


def bare(paths: Sequence[str], out: Path, mark: Callable[[str], None], reseed: bool = True) -> None:
    """Two forked processes, each a loop over half of the files."""
    import pyarrow.parquet  # noqa: F401 - imported once, before the fork

    row = kernels(reseed)
    mark("imports")
    fork = multiprocessing.get_context("fork")
    workers = [
        fork.Process(target=_bare_loop, args=(row, paths[k::PROCESSES], out, str(k)))
        for k in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        if worker.exitcode:
            raise SystemExit(f"a worker left with {worker.exitcode}")
    mark("work")


def _bare_loop(
    row: Callable[[str, bytes], Row], paths: Sequence[str], out: Path, prefix: str
) -> None:
    write_shards((row(path, Path(path).read_bytes()) for path in paths), out, prefix)


def bare_plain(paths: Sequence[str], out: Path, mark: Callable[[str], None]) -> None:
    """The bare loop without a seed per image and without hashes."""
    bare(paths, out, mark, reseed=False)


class _Images:
    """What a PyTorch DataLoader reads: one row per index."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths, self.row = paths, kernels()

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> Row:
        return self.row(self.paths[i], Path(self.paths[i]).read_bytes())


def dataloader(paths: Sequence[str], out: Path, mark: Callable[[str], None]) -> None:
    """PyTorch DataLoader with two workers; the main process writes."""
    from torch.utils.data import DataLoader

    images: Any = _Images(paths)
    mark("imports")
    loader = DataLoader(images, batch_size=64, num_workers=PROCESSES, collate_fn=list)
    write_shards((row for batch in loader for row in batch), out, "0")
    mark("work")


def hf_map(paths: Sequence[str], out: Path, mark: Callable[[str], None]) -> None:
    """`datasets.map` with two processes, then `to_parquet` by shards."""
    import datasets

    datasets.disable_progress_bars()
    mark("imports")
    with tempfile.TemporaryDirectory(dir=out.parent) as cache:
        data = datasets.Dataset.from_dict({"path": list(paths)})
        data = data.map(_hf_row, num_proc=PROCESSES, cache_file_name=f"{cache}/rows.arrow")
        shards = max(1, len(paths) // SHARD_ROWS)
        for i in range(shards):
            shard = data.shard(shards, i, contiguous=True)
            shard.to_parquet(out / f"{i:05d}.parquet")
    mark("work")


_ROW: list[Callable[[str, bytes], Row]] = []  # made once in each worker process


def _hf_row(example: Row) -> Row:
    if not _ROW:
        _ROW.append(kernels())
    return _ROW[0](example["path"], Path(example["path"]).read_bytes())


def _batch(batch: dict[str, Any]) -> dict[str, Any]:
    if not _ROW:
        _ROW.append(kernels())
    rows = [_ROW[0](path, data) for path, data in zip(batch["path"], batch["bytes"], strict=True)]
    return {key: [row[key] for row in rows] for key in ("path", "image", "new", "sums")}


def ray_data(paths: Sequence[str], out: Path, mark: Callable[[str], None]) -> None:
    """Idiomatic Ray Data: read_binary_files -> map_batches -> write_parquet, in tasks that it
    joins into one, a block for each shard."""
    import ray

    mark("imports")
    ray.init("local", num_cpus=PROCESSES, include_dashboard=False, logging_level="ERROR")
    ray.data.DataContext.get_current().enable_progress_bars = False
    mark("start")
    try:
        blocks = max(PROCESSES, len(paths) // SHARD_ROWS)
        data = ray.data.read_binary_files(
            list(paths), include_paths=True, override_num_blocks=blocks
        )
        data.map_batches(_batch, batch_size=64).write_parquet(str(out))
    finally:
        mark("work")
        ray.shutdown()
    mark("stop")


def ours(
    paths: Sequence[str], out: Path, mark: Callable[[str], None], engine: str = "processes"
) -> None:
    """`augment run` on the same files, from its command line."""
    job = out / "job.yaml"
    source = linked(Path(paths[0]).parents[2], len(paths))
    job.write_text(json.dumps(job_document(source, out / "data", len(paths)), indent=1))
    command = [sys.executable, "-m", "augment", "run", str(job), "--engine", engine, "--json"]
    mark("start")
    root = str(Path(__file__).resolve().parent.parent)  # this checkout, installed or not
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        raise SystemExit(f"augment run left with {done.returncode}:\n{done.stderr[-4000:]}")
    mark("work")
    written = json.loads(done.stdout)  # one document, and nothing beside it
    if not isinstance(written, dict):
        raise SystemExit(f"augment run --json printed {done.stdout[:200]!r}")


def ours_ray(paths: Sequence[str], out: Path, mark: Callable[[str], None]) -> None:
    """`augment run --engine ray`."""
    ours(paths, out, mark, engine="ray")


def ours_local(paths: Sequence[str], out: Path, mark: Callable[[str], None]) -> None:
    """`augment run --engine local`."""
    ours(paths, out, mark, engine="local")


def job_document(source: Path, output: Path, images: int) -> dict[str, Any]:
    """The job that does the peers' work; JSON is YAML.

    Shards of `SHARD_ROWS` images and their copies, as the peers write them; smaller where that
    would leave a process without one: else a run on a few images would start one worker, and
    the other's start-up would count as work.
    """
    shard = _PAIR_BYTES * max(1, min(SHARD_ROWS, images // (2 * PROCESSES)))
    return {
        "version": 1,
        "name": "mix-benchmark",
        "seed": 7,
        "sources": {
            "photos": {"format": "imagefolder", "uri": str(source), "splits": {"train": "train"}}
        },
        "augmentations": [{"name": "vary", "copies": 1, "ops": [{n: dict(p)} for n, p in OPS]}],
        "output": {"uri": str(output), "shard": {"target_bytes": shard}},
        "execution": {"workers": PROCESSES},
    }


_PAIR_BYTES = 77_700  # an original and its copy as the plan estimates them: twice the original
PEERS: dict[str, Callable[[Sequence[str], Path, Callable[[str], None]], None]] = {
    "bare": bare,
    "bare-plain": bare_plain,
    "dataloader": dataloader,
    "datasets": hf_map,
    "ray-data": ray_data,
    "augment": ours,
    "augment-ray": ours_ray,
    "augment-local": ours_local,
}


def main(name: str, home: str, out: str, images: str) -> None:
    folder = Path(out)
    folder.mkdir(parents=True)
    paths = files(Path(home), int(images))
    spans: dict[str, float] = {}
    last = time.perf_counter()

    def mark(phase: str) -> None:
        nonlocal last
        now = time.perf_counter()
        spans[phase], last = round(now - last, 3), now

    PEERS[name](paths, folder, mark)
    print(json.dumps(spans))


if __name__ == "__main__":
    main(*sys.argv[1:5])
