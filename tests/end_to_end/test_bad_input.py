"""Images as they come, bad ones, spent budgets, broken outputs and checkpoints: what each
costs, what is said, and that the same command resumes."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import struct
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageOps
from safetensors.numpy import load_file, save_file
from sklearn.datasets import load_sample_images

from augment import codec
from augment.api import audit, load_spec, open_dataset, run
from augment.cli import main
from augment.errors import (
    CheckpointError,
    ErrorBudgetExceeded,
    PlanError,
    RequestError,
    SpecError,
    StorageError,
)
from augment.run import RunResult, freeze, now
from augment.run.prepare import prepare
from tests.end_to_end.jobs import job_document, rows_of, write_digits, write_job

PHOTOS = load_sample_images().images  # two photographs, (427, 640, 3) uint8
CHECKPOINT = Path(__file__).parents[2] / "examples" / "digits" / "checkpoint"
FLIP = [{"name": "flip", "copies": 1, "ops": [{"HorizontalFlip": {"p": 1.0}}]}]
MAX_PIXELS = 89_478_485


def crop(number: int, width: int = 64, height: int = 48) -> Image.Image:
    """A piece of a photograph; every number gives another one."""
    left, top = 37 * number % (640 - width), 53 * number % (427 - height)
    return Image.fromarray(PHOTOS[number % 2][top : top + height, left : left + width])


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header says that it is huge."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(bytes(64)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be displayed turned by 90 degrees
    return encoded(crop(6), "JPEG", quality=90, exif=exif)


def deep() -> bytes:
    levels = np.linspace(0, 65535, 48 * 64).reshape(48, 64).astype(np.uint16)
    return encoded(Image.fromarray(levels), "PNG")


def animated() -> bytes:
    frames = [crop(n).convert("P") for n in (8, 9)]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])


class Bad(NamedTuple):
    data: bytes
    reason: str
    detail: str


BAD = {
    "empty.png": Bad(b"", "empty", "the file has no bytes"),
    "cut.jpg": Bad(
        encoded(crop(1), "JPEG", quality=95)[:-400], "truncated", "the JPEG's coded data ends early"
    ),
    "cut.png": Bad(
        encoded(crop(2), "PNG")[:-2000], "truncated", "a png file that ends early, at byte "
    ),
    "text.png": Bad(
        b"hello, I am text", "not_image", "a text, or bytes of no known format; expected one of"
    ),
    "huge.png": Bad(
        png_claiming(60000, 60000),
        "too_large",
        f"60000 x 60000 pixels; errors.max_pixels allows {MAX_PIXELS}",
    ),
    "gone.png": Bad(encoded(crop(3), "PNG"), "vanished", "train/cat/gone.png is no longer there"),
    "changed.png": Bad(
        encoded(crop(4), "PNG"),
        "changed",
        "train/cat/changed.png is not the file of the census any more",
    ),
}
ODD: Mapping[str, Callable[[], bytes]] = {
    "deep.png": deep,
    "cmyk.jpg": lambda: encoded(crop(5).convert("CMYK"), "JPEG", quality=90),
    "palette.png": lambda: encoded(crop(7).convert("P"), "PNG"),
    "animated.gif": animated,
    "turned.jpg": turned,
}


def put(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


def photo_job(root: Path, **changes: Any) -> dict[str, Any]:
    """Photographs in folders, one flipped copy of each, nothing synthesized."""
    document = job_document(root, **{"augmentations": FLIP, **changes})
    if "synthesize" not in changes:
        for key in ("generators", "synthesize", "filters", "pool"):
            del document[key]
    document["sources"]["digits"]["splits"] = {"train": "train"}
    return document


# ---- one job with everything in it --------------------------------------------------


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunResult]:
    """Bad and odd images among good ones; two go bad between the plan and the run."""
    root = tmp_path_factory.mktemp("mixed")
    good = {f"good{n}.png": encoded(crop(20 + n), "PNG") for n in range(3)}
    put(root / "data/train/cat", good | {name: bad.data for name, bad in BAD.items()})
    put(root / "data/train/dog", good | {name: make() for name, make in ODD.items()})
    errors = {"min_count": len(BAD) + 1, "max_share_per_class": 0.7}  # and deep.png
    job = load_spec(photo_job(root, errors=errors))
    freeze(prepare(job), now)
    (root / "data/train/cat/gone.png").unlink()
    put(root / "data/train/cat", {"changed.png": encoded(crop(14, 60, 40), "PNG")})
    return root, run(job, engine="local")


@pytest.fixture(scope="module")
def by_name(mixed: tuple[Path, RunResult]) -> dict[tuple[str, str], dict[str, Any]]:
    """(file name, "real" or "copy") -> row."""
    rows = rows_of(open_dataset(mixed[1].output).to_table())
    names = {r["sample_id"]: r["source"]["locator"] for r in rows if r["origin"] == "real"}
    found = {}
    for row in rows:
        real = row["origin"] == "real"
        place = row["source"]["locator"] if real else names[row["parents"][0]["sample_id"]]
        found[place.removeprefix("train/"), "real" if real else "copy"] = row
    assert len(found) == len(rows)
    return found


@pytest.fixture(scope="module")
def quarantine(mixed: tuple[Path, RunResult]) -> list[dict[str, Any]]:
    result = mixed[1]
    path = Path(result.output) / "_provenance" / result.job_id / "quarantine.parquet"
    return pq.read_table(path).to_pylist()


@pytest.mark.parametrize("name", BAD)
def test_a_bad_image_is_quarantined_with_reason_and_place(
    name: str, quarantine: list[dict[str, Any]], by_name: dict[tuple[str, str], Any]
) -> None:
    rows = {r["origin"]: r for r in quarantine if r["locator"] == f"train/cat/{name}"}
    real, copy = rows["real"], rows["augmented"]
    assert real["reason"] == BAD[name].reason
    assert BAD[name].detail in real["detail"]
    assert (real["source"], real["split"], real["label_name"]) == ("digits", "train", "cat")
    assert copy["reason"] == "parent"
    assert copy["detail"].startswith(f"train/cat/{name}: {BAD[name].reason}: ")
    assert not {(f"cat/{name}", "real"), (f"cat/{name}", "copy")} & by_name.keys()


@pytest.mark.parametrize("name", ODD)
def test_an_odd_image_passes_through_byte_for_byte(
    name: str, mixed: tuple[Path, RunResult], by_name: dict[tuple[str, str], Any]
) -> None:
    row = by_name[f"dog/{name}", "real"]
    assert row["image"]["bytes"] == (mixed[0] / "data/train/dog" / name).read_bytes()
    displayed = ImageOps.exif_transpose(Image.open(io.BytesIO(row["image"]["bytes"])))
    assert (row["width"], row["height"]) == displayed.size
    assert displayed.size == ((48, 64) if name == "turned.jpg" else (64, 48))


@pytest.mark.parametrize("name", sorted(ODD.keys() - {"deep.png"}))
def test_copies_of_an_odd_image_are_upright_rgb_of_its_first_frame(
    name: str, by_name: dict[tuple[str, str], Any]
) -> None:
    parent = Image.open(io.BytesIO(by_name[f"dog/{name}", "real"]["image"]["bytes"]))
    expected = ImageOps.mirror(ImageOps.exif_transpose(parent.convert("RGB")))
    row = by_name[f"dog/{name}", "copy"]
    copy = Image.open(io.BytesIO(row["image"]["bytes"]))
    assert copy.mode == "RGB"
    assert dict(copy.getexif()) == {}
    assert (row["width"], row["height"]) == copy.size == expected.size
    difference = np.abs(np.asarray(copy).astype(int) - np.asarray(expected))
    assert difference.mean() < (6 if name.endswith(".jpg") else 1e-9)
    assert copy.format == ("JPEG" if name.endswith(".jpg") else "PNG")


def test_copies_of_a_16_bit_image_are_refused_with_a_reason(
    quarantine: list[dict[str, Any]], by_name: dict[tuple[str, str], Any]
) -> None:
    (row,) = [r for r in quarantine if r["locator"] == "train/dog/deep.png"]
    assert (row["origin"], row["reason"]) == ("augmented", "unsupported_depth")
    assert "only 8 bits a value can be changed" in row["detail"]
    assert ("dog/deep.png", "real") in by_name
    assert ("dog/deep.png", "copy") not in by_name


def test_planned_is_written_and_quarantined_in_every_cell(
    mixed: tuple[Path, RunResult], quarantine: list[dict[str, Any]]
) -> None:
    result = mixed[1]
    cells = {(c.label_name, c.origin): c for c in result.cells}
    assert {k: (c.planned, c.written, c.quarantined) for k, c in cells.items()} == {
        ("cat", "real"): (10, 3, 7),
        ("cat", "augmented"): (10, 3, 7),
        ("dog", "real"): (8, 8, 0),
        ("dog", "augmented"): (8, 7, 1),
    }
    lost = Counter((r["label_name"], r["origin"]) for r in quarantine)
    assert lost == {k: c.quarantined for k, c in cells.items() if c.quarantined}
    assert audit(result.output, verify=True).ok


def test_a_job_that_synthesizes_nothing_makes_no_pool(mixed: tuple[Path, RunResult]) -> None:
    assert sorted(p.name for p in mixed[0].iterdir()) == ["data", "out"]


def test_a_lost_sample_can_be_traced_to_its_reason(
    mixed: tuple[Path, RunResult],
    quarantine: list[dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    lost = next(r for r in quarantine if r["reason"] == "vanished")
    assert main(["trace", mixed[1].output, lost["sample_id"]]) == 2
    assert "planned and is quarantined (vanished: train/cat/gone.png" in capsys.readouterr().err


# ---- the budget ---------------------------------------------------------------------


def files(folder: Path) -> dict[str, str]:
    """path -> sha256 and time, of everything below a folder."""
    return {
        str(
            p.relative_to(folder)
        ): f"{p.stat().st_mtime_ns} {hashlib.sha256(p.read_bytes()).hexdigest()}"
        for p in folder.rglob("*")
        if p.is_file()
    }


def test_a_spent_budget_stops_and_a_larger_one_resumes(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    train = tmp_path / "data/train/cat"
    put(train, {f"{n:02d}.png": encoded(crop(n), "PNG") for n in range(30)})
    put(train, {f"bad{n}.png": b"no image" for n in range(6)})
    shard = {"uri": str(tmp_path / "out"), "shard": {"target_bytes": 65536}}
    document = photo_job(tmp_path, output=shard, errors={"min_count": 2, "max_share": 0.0})
    path = str(write_job(tmp_path / "job.yaml", document))
    assert main(["run", path, "--engine", "local"]) == 3
    said = capfd.readouterr().err
    assert "3 bad inputs of 36; errors allows 2 (min_count 2, max_share 0.0); most in " in said
    assert "; most in split train, class 'cat': 3 of 36. First: digits: train/cat/bad" in said
    assert "bad" in said
    assert ".png: not_image (a text, or bytes of no known format; expected one of" in said
    assert (
        "raise `errors`, then run the same command again: it tries them again, and finished "
        "units are kept" in said
    )
    with pytest.raises(RequestError, match="a job has begun here but nothing is committed yet"):
        audit(str(tmp_path / "out"))

    (work,) = (tmp_path / "out/_work").glob("small-*")
    before = files(work / "units")
    assert sum(name.endswith(".json") for name in before) > 0
    write_job(tmp_path / "job.yaml", document | {"errors": {"min_count": 6}})
    assert main(["run", path, "--engine", "local", "--json"]) == 0
    result = json.loads(capfd.readouterr().out)
    assert sum(c["quarantined"] for c in result["cells"]) == 12
    assert before.items() <= files(work / "units").items()
    assert not list(work.glob("units/*.try-2"))
    assert len(list((tmp_path / "out/_work").glob("small-*"))) == 1


def test_an_input_counts_once_however_many_copies_are_lost(tmp_path: Path) -> None:
    put(tmp_path / "data/train/cat", {"a.png": deep(), "b.png": encoded(crop(1), "PNG")})
    flips = [FLIP[0] | {"copies": 3}]
    errors = {"min_count": 1, "max_share": 0.0}
    result = run(load_spec(photo_job(tmp_path, augmentations=flips, errors=errors)), engine="local")
    assert {(c.origin, c.written, c.quarantined) for c in result.cells} == {
        ("real", 2, 0),
        ("augmented", 3, 3),
    }


def test_the_budget_names_the_error_class(tmp_path: Path) -> None:
    put(tmp_path / "data/train/cat", {"a.png": b"", "b.png": encoded(crop(1), "PNG")})
    job = load_spec(photo_job(tmp_path, errors={"min_count": 0, "max_share": 0.4}))
    with pytest.raises(ErrorBudgetExceeded, match=r"1 bad inputs of 2; errors allows 0\.8 ") as e:
        run(job, engine="local")
    assert "First: digits: train/cat/a.png: empty (the file has no bytes)" in str(e.value)
    assert e.value.exit_code == 3


# ---- made images follow the real ones -----------------------------------------------


def test_generated_images_look_like_files_of_their_class(tmp_path: Path) -> None:
    """Format, size and JPEG quality alone must not tell a made image from a real one."""
    jpegs = {
        f"{n}.jpg": encoded(crop(n, 64, 48) if n % 2 else crop(n, 40, 56), "JPEG", quality=70 + n)
        for n in range(4)
    }
    pngs = {f"{n}.png": encoded(crop(n, 32, 24 + 4 * n), "PNG") for n in range(3)}
    put(tmp_path / "data/train/cat", jpegs | {"one.png": encoded(crop(9, 20, 20), "PNG")})
    put(tmp_path / "data/train/dog", pngs)
    document = photo_job(
        tmp_path,
        augmentations=[],
        generators={"fake": {"family": "palette", "classes": ["cat", "dog"], "size": 16}},
        synthesize=[{"generators": ["fake"], "fill": {"to": 24}}],
    )
    result = run(load_spec(document), engine="local")
    rows = open_dataset(result.output).to_table().to_pylist()

    def looks(label: str, generated: bool) -> set[tuple[Any, ...]]:
        found = set()
        for row in rows:
            if (row["label_name"], row["generated"]) == (label, generated):
                style = codec.style_of(row["image"]["bytes"], MAX_PIXELS)
                assert (style.width, style.height) == (row["width"], row["height"])
                found.add((style.format, style.quality, style.width, style.height))
        return found

    assert looks("cat", False) >= {
        ("jpeg", 70, 40, 56),
        ("jpeg", 71, 64, 48),
        ("png", None, 20, 20),
    }
    for label in ("cat", "dog"):
        made = looks(label, True)
        assert made <= looks(label, False)
        assert len(made) > 1


# ---- outputs that cannot be read or written -----------------------------------------


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    write_digits(tmp_path / "data", {"0": 4, "1": 3, "2": 3}, test=1)
    return tmp_path


def said_by(path: Path, capfd: pytest.CaptureFixture[str], code: int) -> str:
    """What `run` says on standard error, after checking its exit code and that it says
    nothing else."""
    assert main(["run", str(path), "--engine", "local"]) == code
    out, err = capfd.readouterr()
    assert out == ""
    assert "Traceback" not in err
    return err


@pytest.mark.parametrize("place", ["out", "out/deeper/still"])
def test_a_file_where_the_output_should_be(
    digits: Path, capfd: pytest.CaptureFixture[str], place: str
) -> None:
    (digits / "out").write_text("I was here first")
    document = job_document(digits, output={"uri": str(digits / place)})
    path = write_job(digits / "job.yaml", document)
    said = said_by(path, capfd, 3)
    assert f"{digits / place}" in said
    assert "could not be written: a part of the path is a file, not a folder" in said
    assert (digits / "out").read_text() == "I was here first"
    with pytest.raises(StorageError, match=r"could not be|cannot be"):
        run(load_spec(document), engine="local")
    (digits / "out").unlink()
    assert main(["run", str(path), "--engine", "local", "--json"]) == 0


def test_a_damaged_log_of_the_output(digits: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = write_job(digits / "job.yaml", job_document(digits))
    log = digits / "out/_delta_log/00000000000000000000.json"
    log.parent.mkdir(parents=True)
    log.write_text("no JSON at all\n")
    said = said_by(path, capfd, 3)
    assert f"{digits / 'out'}: the table's log could not be read: " in said
    assert "put the cause right and run the same command again" in said
    assert main(["audit", str(digits / "out")]) == 3
    assert "Delta log cannot be read" in capfd.readouterr().err
    log.unlink()
    assert main(["run", str(path), "--engine", "local", "--json"]) == 0


def test_a_pool_that_is_a_file(digits: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (digits / "pool").write_text("")
    path = write_job(digits / "job.yaml", job_document(digits))
    said = said_by(path, capfd, 3)
    assert str(digits / "pool") in said
    assert "a part of the path is a file, not a folder" in said
    (digits / "pool").unlink()
    assert main(["run", str(path), "--engine", "local", "--json"]) == 0


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
from augment.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_full_disk_is_told_and_the_same_command_resumes(tmp_path: Path) -> None:
    """No file may grow over 40 kB: plans and records fit, shards do not."""
    train = tmp_path / "data/train/cat"
    put(train, {f"{n:02d}.png": encoded(crop(n), "PNG") for n in range(12)})
    path = str(write_job(tmp_path / "job.yaml", photo_job(tmp_path)))
    command = ["run", path, "--engine", "local"]
    env = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}  # no half-written byte code
    failed = subprocess.run(
        [sys.executable, "-c", LIMITED, *command],
        env=env, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert failed.returncode == 3, failed.stderr
    assert "could not be written: the file is larger than allowed here" in failed.stderr
    assert "then run the same command again" in failed.stderr
    assert "Traceback" not in failed.stderr
    out = tmp_path / "out"
    assert not list(out.rglob("*.parquet.tmp")) + list(out.rglob(".tmp-*"))
    assert not list(out.glob("data/**/*.parquet"))
    result = run(load_spec(path), engine="local")
    assert result.ok
    assert sum(c.written for c in result.cells) == 24


# ---- checkpoints --------------------------------------------------------------------


def config_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "generator.json").read_text())


def reweigh(folder: Path, change: Callable[[dict[str, np.ndarray]], Any]) -> None:
    """Change the weights; generator.json names the new hash, as an honest tool would."""
    weights = folder / "weights.safetensors"
    arrays = load_file(weights)
    change(arrays)
    save_file(arrays, weights)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    config = config_of(folder) | {"weights_sha256": digest}
    (folder / "generator.json").write_text(json.dumps(config))


def one_nan(arrays: dict[str, np.ndarray]) -> None:
    first = sorted(arrays)[0]
    arrays[first] = arrays[first].copy()
    arrays[first].flat[0] = np.nan


def wrong_hash(folder: Path) -> None:
    with (folder / "weights.safetensors").open("r+b") as file:
        file.seek(-4, os.SEEK_END)
        file.write(b"\0\0\0\0")


BROKEN: Mapping[str, tuple[Callable[[Path], Any], str]] = {
    "another hash": (wrong_hash, "weights.safetensors: sha256 is .*, generator.json says "),
    "missing keys": (
        lambda f: reweigh(f, lambda arrays: arrays.pop(sorted(arrays)[0])),
        r"its tensors are not those of generator.json's init \(missing: ",
    ),
    "NaN": (lambda f: reweigh(f, one_nan), "holds 1 NaN or infinite of [0-9]+ values"),
    "no weights": (
        lambda f: (f / "weights.safetensors").unlink(),
        "weights.safetensors: no such file in ",
    ),
    "no folder": (shutil.rmtree, "expected the folder of a checkpoint"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_checkpoint_is_refused_before_anything_starts(
    digits: Path, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    checkpoint = digits / "checkpoint"
    shutil.copytree(CHECKPOINT, checkpoint)
    breaks, text = BROKEN[name]
    breaks(checkpoint)
    document = job_document(
        digits,
        generators={"vae": {"family": "vae", "checkpoint": str(checkpoint)}},
        synthesize=[{"generators": ["vae"], "fill": {"to": 9}}],
    )
    said = said_by(write_job(digits / "job.yaml", document), capfd, 2)
    assert "generators.vae" in said
    with pytest.raises(RequestError, match=text) as error:
        run(load_spec(document), engine="local")
    assert isinstance(error.value, SpecError if name == "no folder" else CheckpointError)
    assert not (digits / "pool").exists()


def test_a_hash_that_the_job_names_is_checked(digits: Path) -> None:
    vae = {"family": "vae", "checkpoint": str(CHECKPOINT), "sha256": "0" * 64}
    document = job_document(
        digits, generators={"vae": vae}, synthesize=[{"generators": ["vae"], "fill": {"to": 9}}]
    )
    with pytest.raises(CheckpointError, match=f"the job says {'0' * 64}; fetch it again or update"):
        run(load_spec(document), engine="local")


def test_a_class_that_the_generator_does_not_know(
    digits: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fake = {"family": "palette", "classes": ["0", "1"], "size": 8}
    path = write_job(digits / "job.yaml", job_document(digits, generators={"fake": fake}))
    said = said_by(path, capfd, 2)
    assert "synthesize[0]" in said
    assert "'2'" in said
    with pytest.raises(PlanError):
        run(load_spec(path), engine="local")


# ---- Parquet ------------------------------------------------------------------------


def write_parquet(path: Path, images: list[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = [{"bytes": data, "path": None} for data in images]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    columns = {"image": pa.array(cells, kind), "label": ["cat"] * len(images)}
    pq.write_table(pa.table(columns), path, row_group_size=4, compression="zstd")


def parquet_job(root: Path, **changes: Any) -> dict[str, Any]:
    source = {"format": "parquet", "uri": str(root / "data"), "splits": {"train": 1.0}}
    return photo_job(root, **changes) | {"sources": {"photos": source}}


def test_a_parquet_file_that_is_none_is_refused_at_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_parquet(tmp_path / "data/a.parquet", [encoded(crop(1), "PNG")])
    (tmp_path / "data/b.parquet").write_bytes(b"PAR1 no Parquet at all PAR1")
    said = said_by(write_job(tmp_path / "job.yaml", parquet_job(tmp_path)), capfd, 2)
    assert "b.parquet" in said
    assert "a.parquet" not in said


def test_a_damaged_row_group_costs_its_rows(tmp_path: Path) -> None:
    """The footer is whole, the pages of the second of three row groups are not."""
    path = tmp_path / "data/a.parquet"
    write_parquet(path, [encoded(crop(n), "PNG") for n in range(12)])
    column = pq.ParquetFile(path).metadata.row_group(1).column(0)
    raw = bytearray(path.read_bytes())
    start = column.dictionary_page_offset or column.data_page_offset
    raw[start : start + column.total_compressed_size] = bytes(column.total_compressed_size)
    path.write_bytes(raw)
    result = run(load_spec(parquet_job(tmp_path, errors={"min_count": 4})), engine="local")
    assert {(c.origin, c.written, c.quarantined) for c in result.cells} == {
        ("real", 8, 4),
        ("augmented", 8, 4),
    }
    place = Path(result.output) / "_provenance" / result.job_id / "quarantine.parquet"
    lost = [r for r in pq.read_table(place).to_pylist() if r["origin"] == "real"]
    assert {r["reason"] for r in lost} == {"unreadable"}
    assert sorted(r["locator"] for r in lost) == [f"a.parquet#{n}" for n in range(4, 8)]
    assert "a.parquet, row group 1: " in lost[0]["detail"]
