"""Folders that hold an image twice: what is drawn keeps it together, what is given is judged."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from augment.api import load_spec, open_dataset, run
from augment.run import RunResult
from tests.end_to_end.jobs import job_document, rows_of, write_digits

COUNTS = {"0": 8, "1": 8, "2": 8}


def made(root: Path, splits: Mapping[str, Any], uri: str = "data", **changes: Any) -> RunResult:
    source = {"format": "imagefolder", "uri": str(root / uri), "splits": splits}
    document = job_document(root, sources={"digits": source}, **changes)
    return run(load_spec(document), engine="local")


def found(result: RunResult, check: str) -> list[str]:
    return [f.text.partition(", for")[0] for f in result.audit.findings if f.check == check]


def test_shares_draw_an_image_and_its_twin_into_one_split(tmp_path: Path) -> None:
    """And the job's seed moves neither."""
    write_digits(tmp_path / "data", COUNTS, test=0)
    for path in sorted((tmp_path / "data" / "train").rglob("*.png")):
        path.with_name(f"{path.stem} (1).png").write_bytes(path.read_bytes())
    drawn = []
    for seed in (7, 8):
        output = {"uri": str(tmp_path / f"out-{seed}")}
        shares = {"train": 0.75, "test": 0.25}
        result = made(tmp_path, shares, "data/train", seed=seed, output=output)
        assert result.ok
        rows = rows_of(open_dataset(result.output).to_table())
        real = [r for r in rows if r["origin"] == "real"]
        splits: dict[str, set[str]] = {}
        for row in real:
            splits.setdefault(row["sha256"], set()).add(row["split"])
        assert set(map(len, splits.values())) == {1}
        drawn.append({r["source"]["locator"]: r["split"] for r in real})
        assert Counter(drawn[-1].values()) == {"train": 36, "test": 12}
    assert drawn[0] == drawn[1]


def test_a_test_image_in_the_training_folder_is_not_ok(tmp_path: Path) -> None:
    """In the same class, in another one, and saved again with other bytes."""
    write_digits(tmp_path / "data", COUNTS)
    test, train = tmp_path / "data" / "test", tmp_path / "data" / "train"
    (train / "0" / "leak.png").write_bytes((test / "0" / "000.png").read_bytes())
    out = io.BytesIO()
    Image.open(test / "1" / "001.png").convert("RGB").save(out, "PNG", compress_level=1)
    (train / "1" / "saved.png").write_bytes(out.getvalue())
    (train / "2" / "copy_of_0.png").write_bytes((train / "0" / "001.png").read_bytes())
    result = made(tmp_path, {"train": "train", "test": "test"})
    assert not result.ok
    assert found(result, "splits") == [
        "1 image of the protected split test stands in split train too",
        "1 more picture stands in split test and split train, in files that differ",
    ]
    (leak, _) = [f.text for f in result.audit.findings if f.check == "splits"]
    assert leak.endswith("; 1 row is made from it")
    assert "'train/0/leak.png'" in leak
    assert found(result, "one_class") == ["1 image stands under the classes '0' and '2'"]


def test_sources_that_share_images_are_drawn_as_one(tmp_path: Path) -> None:
    """A folder, the same images again in another one, and a test set of some of them."""
    write_digits(tmp_path / "data", COUNTS, test=0)
    train = tmp_path / "data" / "train"
    for path in sorted(train.rglob("*.png")):
        for folder in ("again", *(["held"] if path.name.endswith("0.png") else [])):
            twin = tmp_path / folder / path.relative_to(train)
            twin.parent.mkdir(parents=True, exist_ok=True)
            twin.write_bytes(path.read_bytes())
    shares = {"train": 0.5, "val": 0.25, "test": 0.25}
    split = {"digits": shares, "again": {"train": 0.5, "test": 0.5}, "held": {"test": "."}}
    uris = {"digits": train, "again": tmp_path / "again", "held": tmp_path / "held"}
    sources = {
        name: {"format": "imagefolder", "uri": str(uris[name]), "splits": splits}
        for name, splits in split.items()
    }
    result = run(load_spec(job_document(tmp_path, sources=sources)), engine="local")
    assert found(result, "splits") == []
    rows = [r for r in rows_of(open_dataset(result.output).to_table()) if r["origin"] == "real"]
    held = {r["sha256"] for r in rows if r["source"]["name"] == "held"}
    assert held
    splits: dict[str, set[str]] = {}
    for row in rows:
        splits.setdefault(row["sha256"], set()).add(row["split"])
    assert {splits[image].pop() for image in held} == {"test"}
    assert {len(some) for image, some in splits.items() if image not in held} == {1}
