"""From one image to its rows: styles, copies, and what one that fails costs."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from augment import codec
from augment.api import load_spec, open_dataset, run
from augment.errors import SampleError
from augment.generators import SampleRequest, load_host
from augment.run import Frozen
from augment.run.mixing.copying import count_copies
from augment.run.mixing.rows import Made, RowMaker
from augment.sample import GeneratorRef, Origin, PoolRow, RealRow
from augment.seeds import class_conditioning
from augment.write import read_xmp
from tests.end_to_end.jobs import job_document, write_digits

PHOTO = load_sample_images().images[0][:48, :64]
Make = Callable[..., Frozen]
FLIP = {"name": "flip", "copies": 2, "ops": [{"HorizontalFlip": {"p": 1.0}}]}
TOO_LARGE = {"name": "crop", "copies": 2, "ops": [{"RandomCrop": {"height": 64, "width": 64}}]}


def jpeg(quality: int = 83) -> bytes:
    out = io.BytesIO()
    Image.fromarray(PHOTO).save(out, "JPEG", quality=quality, subsampling="4:2:2")
    return out.getvalue()


def real(split: str = "train", rank: int = 0) -> RealRow:
    return RealRow("digits", f"{split}/0/x.jpg", split, "0", rank)


def pool_row(frozen: Frozen, index: int) -> PoolRow:
    """What the pool would hold of class 0 at an index."""
    info = frozen.prepared.infos["fake"]
    host = load_host("fake", frozen.prepared.job.spec.generators["fake"], info)
    request = SampleRequest(f"{index:032x}", "0", index)
    image = codec.to_uint8(host.generate([request]).images)[0]
    data = codec.encode(image, codec.Style("png", None, None, "RGB", 8, 8))
    made_by = GeneratorRef(
        frozen.prepared.generator_id("fake"), None, "palette", index, class_conditioning("0")
    )
    digest = hashlib.sha256(data).hexdigest()
    return PoolRow(
        request.sample_id, data, "0", Origin.SYNTHETIC, info.digital_source_type, 8, 8, digest,
        made_by,
    )  # fmt: skip


def copies(made: Made) -> list[Any]:
    return [row for row, augmentation in made.rows if augmentation is not None]


# ---- real rows ----------------------------------------------------------------------


def test_a_real_row_keeps_its_bytes_and_its_copies_follow_its_style(frozen: Make) -> None:
    made = RowMaker(frozen(augmentations=[FLIP])).real(real(), jpeg())
    (first, name), *_ = made.rows
    assert (first.image, name, first.origin, first.marks) == (jpeg(), None, Origin.REAL, ())
    assert len(copies(made)) == 2
    for copy in copies(made):
        style = codec.style_of(copy.image, 10**6)
        assert (style.format, style.quality, style.subsampling) == ("jpeg", 83, "422")
        assert (copy.width, copy.height, copy.extension) == (64, 48, "jpg")
        shown = codec.decode(copy.image, 10**6).astype(int)
        assert np.abs(shown - PHOTO[:, ::-1]).mean() < 6
        assert (copy.origin, copy.generated) == (Origin.AUGMENTED, False)
        assert [(p.sample_id, p.sha256) for p in copy.parents] == [(first.sample_id, first.sha256)]
    assert len({c.sample_id for c in copies(made)}) == 2
    assert len({c.rank for c in copies(made)}) == 2


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({"format": "png"}, ("png", None)),
        ({"format": "jpeg"}, ("jpeg", 95)),
        ({"format": "jpeg", "quality": 60}, ("jpeg", 60)),
        ({"format": "match_real"}, ("jpeg", 83)),
    ],
)
def test_copies_are_encoded_as_the_job_asks(
    frozen: Make, tmp_path: Path, image: dict[str, Any], expected: tuple[str, int | None]
) -> None:
    output = {"uri": str(tmp_path / "out"), "image": image}
    made = RowMaker(frozen(augmentations=[FLIP], output=output)).real(real(), jpeg())
    assert made.rows[0][0].image == jpeg()
    for copy in copies(made):
        style = codec.style_of(copy.image, 10**6)
        assert (style.format, style.quality) == expected


def test_a_protected_row_has_no_copies(frozen: Make) -> None:
    made = RowMaker(frozen(augmentations=[FLIP])).real(real("test"), jpeg())
    assert len(made.rows) == 1
    assert made.bad == []


def test_a_bad_image_costs_itself_and_its_copies(frozen: Make) -> None:
    maker = RowMaker(frozen(augmentations=[FLIP]))
    for data, reason in (
        (jpeg()[:-300], "truncated"),
        (SampleError("vanished", "gone"), "vanished"),
    ):
        made = maker.real(real(), data)
        assert made.rows == []
        (lost, name), *rest = made.bad
        assert (lost.reason, lost.locator, name) == (reason, "train/0/x.jpg", None)
        assert [(r.reason, r.origin, n) for r, n in rest] == [
            ("parent", Origin.AUGMENTED, "flip")
        ] * 2
        whole = maker.real(real(), jpeg())
        assert {r.sample_id for r, _ in made.bad} == {r.sample_id for r, _ in whole.rows}


def test_a_transform_that_fails_costs_its_copies_only(frozen: Make) -> None:
    made = RowMaker(frozen(augmentations=[TOO_LARGE, FLIP])).real(real(), jpeg())
    assert [name for _, name in made.rows] == [None, "flip", "flip"]
    for lost, name in made.bad:
        assert (lost.reason, lost.origin, name) == ("transform_failed", Origin.AUGMENTED, "crop")
        assert lost.detail.startswith("RandomCrop: ")
        assert (lost.source, lost.locator) == ("digits", "train/0/x.jpg")
    assert len(made.bad) == 2


def shown(row: Any) -> str:
    """The name of what a row's file shows."""
    return codec.pixels_sha256(codec.decode(row.image, 10**6))


def test_real_rows_and_their_copies_say_what_they_show(frozen: Make) -> None:
    """A copy is known by its pixels before they are encoded: its JPEG shows others."""
    made = RowMaker(frozen(augmentations=[FLIP])).real(real(), jpeg())
    photo = codec.decode(jpeg(), 10**6)
    assert made.rows[0][0].pixels_sha256 == codec.pixels_sha256(photo) == shown(made.rows[0][0])
    flipped = codec.pixels_sha256(photo[:, ::-1])
    assert [c.pixels_sha256 for c in copies(made)] == [flipped] * 2
    assert shown(copies(made)[0]) != flipped
    assert [row.pixels_sha256 for row, _ in RowMaker(frozen()).real(real("test"), jpeg()).rows] == [
        codec.pixels_sha256(photo)
    ]


def test_a_picture_of_more_than_8_bits_has_no_name(frozen: Make) -> None:
    out = io.BytesIO()
    Image.fromarray(PHOTO[..., 0].astype(np.uint16) * 257).save(out, "PNG")
    made = RowMaker(frozen()).real(real("test"), out.getvalue())
    assert [row.pixels_sha256 for row, _ in made.rows] == [None]


def test_equal_generated_pictures_have_one_name_however_they_are_fitted(
    frozen: Make, tmp_path: Path
) -> None:
    """Their files differ: each carries its own id, and each is fitted to a real image's style."""
    folder = tmp_path / "data/train/0"
    for n in range(4):
        (folder / f"photo{n}.jpg").write_bytes(jpeg(70 + n))
    plan = frozen()
    one = pool_row(plan, 3)
    maker = RowMaker(plan)
    made = [
        maker.generated("fake", "train", replace(one, sample_id=f"{i:032x}"), i).rows[0][0]
        for i in range(12)
    ]
    assert len({row.sha256 for row in made}) == 12
    assert len({shown(row) for row in made}) > 2
    assert {row.pixels_sha256 for row in made} == {
        codec.pixels_sha256(codec.decode(one.image, 10**6))
    }


COIN = {"name": "coin", "copies": 6, "ops": [{"HorizontalFlip": {"p": 0.3}}]}


def rules(made: Made) -> list[dict[str, Any]]:
    """What the copies say of the augmentation that made them."""
    return [json.loads(copy.transforms[0].params) for copy in copies(made)]


def test_a_copy_is_drawn_again_until_it_differs_from_its_parent(frozen: Make) -> None:
    """And says how often, so that it can be made again from its row."""
    made = RowMaker(frozen(augmentations=[COIN])).real(real(), jpeg())
    image = codec.decode(jpeg(), 10**6)
    assert [len(copy.transforms) for copy in copies(made)] == [2] * 6
    for copy in copies(made):
        shown = codec.decode(copy.image, 10**6).astype(int)
        assert np.abs(shown - image[:, ::-1]).mean() < np.abs(shown - image).mean()
    redraws = [rule.get("redraw", 0) for rule in rules(made)]
    assert 0 in redraws
    assert max(redraws) > 0
    assert not any("unchanged" in rule for rule in rules(made))


def test_a_job_may_keep_copies_that_are_their_parent(frozen: Make) -> None:
    drawn = RowMaker(frozen(augmentations=[COIN])).real(real(), jpeg())
    kept = RowMaker(frozen(augmentations=[COIN | {"unchanged": "keep"}])).real(real(), jpeg())
    assert [c.sample_id for c in copies(kept)] == [c.sample_id for c in copies(drawn)]
    unchanged = [rule.get("unchanged", False) for rule in rules(kept)]
    assert unchanged == ["redraw" in rule for rule in rules(drawn)]
    assert [len(c.transforms) for c in copies(kept)] == [1 if same else 2 for same in unchanged]


def test_an_image_that_no_operation_changes_has_its_copies(frozen: Make) -> None:
    """One that looks the same from both sides: no draw can help, and its rows are planned."""
    out = io.BytesIO()
    Image.fromarray(np.hstack([PHOTO, PHOTO[:, ::-1]])).save(out, "PNG")
    made = RowMaker(frozen(augmentations=[FLIP])).real(real(), out.getvalue())
    assert [(r["copy"], r["unchanged"], "redraw" in r) for r in rules(made)] == [
        (0, True, False),
        (1, True, False),
    ]
    assert count_copies(made.rows) == {"flip": {"made": 2, "redrawn": 0, "unchanged": 2}}


def test_augmentations_with_equal_pipelines_make_different_rows(
    frozen: Make, tmp_path: Path
) -> None:
    """The numbers of the second go on after those of the first, lost ones too."""
    again = FLIP | {"name": "again", "from": {"classes": ["0"]}, "copies": 3}
    maker = RowMaker(frozen(augmentations=[FLIP, again]))
    made = maker.real(real(), jpeg())
    assert [(r["name"], r["copy"]) for r in rules(made)] == [
        ("flip", 0), ("flip", 1), ("again", 2), ("again", 3), ("again", 4),
    ]  # fmt: skip
    assert len({c.sample_id for c in copies(made)}) == 5
    lost = maker.real(real(), SampleError("vanished", "gone"))
    assert [r.sample_id for r, _ in lost.bad] == [r.sample_id for r, _ in made.rows]


# ---- generated rows -----------------------------------------------------------------


def test_generated_rows_take_the_styles_of_their_class(frozen: Make, tmp_path: Path) -> None:
    """Two JPEGs among the digits' PNGs of the class: both kinds occur, nothing else."""
    folder = tmp_path / "data/train/0"
    for n in range(4):
        (folder / f"photo{n}.jpg").write_bytes(jpeg(70 + n))
    plan = frozen()
    maker = RowMaker(plan)
    found = set()
    for index in range(40):
        ((row, _),) = maker.generated("fake", "train", pool_row(plan, index), index).rows
        style = codec.style_of(row.image, 10**6)
        found.add((style.format, style.quality, row.width, row.height))
        mark = read_xmp(row.image)
        assert mark is not None
        assert (mark.sample_id, row.marks) == (row.sample_id, ("xmp",))
        assert row.sha256 == hashlib.sha256(row.image).hexdigest()
    allowed = {(s.format, s.quality, s.width, s.height) for s in plan.styles["0"]}
    assert found == allowed
    assert {style[0] for style in found} == {"jpeg", "png"}


def test_the_same_row_is_the_same_bytes_wherever_it_is_made(frozen: Make) -> None:
    plan = frozen()
    one, two = (
        RowMaker(plan).generated("fake", "train", pool_row(plan, 3), 3).rows for _ in range(2)
    )
    assert one == two


def test_copies_of_generated_rows_stay_generated_and_marked(frozen: Make) -> None:
    both = FLIP | {"from": {"origin": ["real", "synthetic"]}}
    rules = {"augmentations": [both], "synthesize": [{"generators": ["fake"], "fill": {"to": 9}}]}
    plan = frozen(**rules)
    made = RowMaker(plan).generated("fake", "train", pool_row(plan, 0), 0)
    assert len(copies(made)) == 2
    for copy in copies(made):
        assert (copy.origin, copy.generated) == (Origin.SYNTHETIC, True)
        assert copy.generator == made.rows[0][0].generator
        mark = read_xmp(copy.image)
        assert mark is not None
        assert mark.sample_id == copy.sample_id


def test_every_lost_copy_is_counted_in_its_cell(tmp_path: Path) -> None:
    """Copies of real and of generated rows fail: planned = written + quarantined, also then."""
    write_digits(tmp_path / "data", {"0": 6, "1": 4, "2": 3}, test=1)
    both = TOO_LARGE | {"from": {"origin": ["real", "synthetic"]}}
    errors = {"min_count": 1000, "allow_empty_classes": ["0", "1", "2"]}
    document = job_document(tmp_path, augmentations=[both], errors=errors)
    result = run(load_spec(document), engine="local")
    lost = {
        (c.label_name, c.origin): (c.planned, c.written, c.quarantined)
        for c in result.cells
        if c.augmentation
    }
    assert {origin for _, origin in lost} == {"augmented", "synthetic"}
    assert all((n, w, q) == (q, 0, n) for n, w, q in lost.values())
    assert {c.short for c in result.cells} == {0}
    written = open_dataset(result.output).to_table(["transforms"])["transforms"].to_pylist()
    assert not any(written)
    assert result.audit.ok
