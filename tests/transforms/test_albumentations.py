"""The albumentations backend: the same id, the same pixels; strict building; provenance."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data

from augment.errors import PlanError, SampleError
from augment.spec.models import Augmentation
from augment.transforms import Transformer, build_transformer, limit_threads
from augment.transforms.albumentations_ops import (
    COMPOSITIONS,
    REFUSED,
    load_library,
    single_image_ops,
)

PHOTO = np.ascontiguousarray(skimage.data.astronaut()[100:228, 150:310])
OTHER = np.ascontiguousarray(skimage.data.coffee()[100:200, 150:290])
FORMER = sorted((Path(__file__).parents[1] / "data" / "albumentations").glob("1.*"))
NEEDED: dict[str, dict[str, Any]] = {
    "Affine": {"rotate": [-10, 10]},
    "CenterCrop": {"height": 64, "width": 64},
    "Crop": {"x_max": 60, "y_max": 60},
    "CropAndPad": {"percent": 0.1},
    "GridElasticDeform": {"num_grid_xy": [4, 4], "magnitude": 5},
    "LongestMaxSize": {"max_size": 64},
    "Pad": {"padding": 3},
    "RandomCrop": {"height": 64, "width": 64},
    "RandomResizedCrop": {"size": [64, 64]},
    "RandomSizedCrop": {"min_max_height": [40, 90], "size": [64, 64]},
    "Resize": {"height": 64, "width": 64},
    "SmallestMaxSize": {"max_size": 64},
    "XYMasking": {"num_masks_x": 1, "mask_x_length": 9},
}
"""What an operation needs beside its defaults to be built, or to do anything."""
VARYING = sorted(set(single_image_ops()) - {"NoOp"})
COMMON = [
    {"RandomResizedCrop": {"size": [64, 64]}},
    "HorizontalFlip",
    {"OneOf": {"p": 0.7, "transforms": [{"GaussNoise": {}}, "Blur", "ElasticTransform"]}},
    {"Affine": {"rotate": [-10, 10], "shear": [-5, 5], "p": 0.9}},
    {"SomeOf": {"n": 2, "transforms": ["ColorJitter", "CoarseDropout", "ISONoise"]}},
]


def build(ops: Any = None, **keys: Any) -> Transformer:
    return build_transformer(Augmentation(name="light", copies=1, ops=ops, **keys), ".")


def pixels(image: np.ndarray) -> str:
    return hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()


@pytest.fixture(scope="module")
def common() -> Transformer:
    limit_threads(1)
    return build(COMMON)


def test_every_operation_repeats_whatever_came_before() -> None:
    """All operations at their defaults: result, input, record, and no global generator."""
    wrong: list[str] = []
    for name in VARYING:
        transformer = build([{name: {"p": 1, **NEEDED.get(name, {})}}])
        before = PHOTO.copy()
        first, ops = transformer.apply(PHOTO, "a")
        first = first.copy()
        transformer.apply(OTHER, "b")
        np.random.seed(3)
        random.seed(5)
        again, ops_again = transformer.apply(PHOTO, "a")
        if pixels(first) != pixels(again) or ops != ops_again:
            wrong.append(f"{name}: another result")
        if not (before == PHOTO).all():
            wrong.append(f"{name}: wrote into its input")
        if first.dtype != np.uint8 or first.ndim != 3 or first.shape[2] != 3:
            wrong.append(f"{name}: gave {first.shape} {first.dtype}")
        if [op.op for op in ops] != [name] or '"type"' in ops[0].params or len(ops[0].params) > 800:
            wrong.append(f"{name}: recorded {ops}")
    assert wrong == []


def test_every_operation_is_either_usable_or_refused_with_a_reason() -> None:
    library = load_library()
    usable = set(single_image_ops()) | set(COMPOSITIONS)
    bases = {"BasicTransform", "DualTransform", "ImageOnlyTransform", "Transform3D", "BaseCompose"}
    public = {
        name
        for name, kind in vars(library).items()
        if isinstance(kind, type) and issubclass(kind, library.BasicTransform | library.BaseCompose)
    }
    tensors = {"ToTensor3D", "ToTensorV2"}  # there once somebody has imported their module
    assert public - bases - tensors == (usable | set(REFUSED)) - tensors
    assert tensors <= set(REFUSED)
    assert not usable & set(REFUSED)


def test_order_does_not_matter(common: Transformer) -> None:
    ids = [f"{i:032x}" for i in range(30)]
    forward = {i: pixels(common.apply(PHOTO, i)[0]) for i in ids}
    backward = {i: pixels(common.apply(PHOTO, i)[0]) for i in reversed(ids)}
    alone = {i: pixels(build(COMMON).apply(PHOTO, i)[0]) for i in ids[:2]}
    assert forward == backward
    assert alone.items() <= forward.items()
    assert len(set(forward.values())) == 30


def test_another_process_and_a_pickle_give_the_same(common: Transformer, tmp_path: Path) -> None:
    ids = [f"{i:032x}" for i in range(12)]
    (tmp_path / "t.pickle").write_bytes(pickle.dumps((common, PHOTO)))
    program = (
        "import pickle, sys, hashlib\n"
        "t, photo = pickle.load(open(sys.argv[1], 'rb'))\n"
        "for i in sys.argv[2:]:\n"
        "    x, ops = t.apply(photo, i)\n"
        "    print(hashlib.sha256(repr(x.shape).encode() + x.tobytes()).hexdigest(), repr(ops))\n"
        "print(t.digest)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "t.pickle"), *reversed(ids)]
    path = os.pathsep.join(p for p in sys.path if p)
    env = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "77"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    expected = []
    for i in reversed(ids):
        image, ops = common.apply(PHOTO, i)
        expected.append(f"{pixels(image)} {ops!r}")
    assert done.stdout.splitlines() == [*expected, common.digest]


def test_operations_draw_independently() -> None:
    """`Compose.set_random_seed` would run both flips or neither, always."""
    both = build([{"HorizontalFlip": {"p": 0.5}}, {"VerticalFlip": {"p": 0.5}}])
    seen = [tuple(op.op for op in both.apply(PHOTO, str(i))[1]) for i in range(200)]
    counts = {kind: seen.count(kind) for kind in set(seen)}
    assert len(counts) == 4
    assert min(counts.values()) > 25  # 50 expected, 4 standard deviations are 25


def test_what_was_sampled_is_recorded() -> None:
    ops: list[Any] = [{"Affine": {"rotate": [5, 6], "p": 1}}, {"ElasticTransform": {"p": 1}}]
    _, applied = build(ops).apply(PHOTO, "a")
    affine, elastic = (json.loads(op.params) for op in applied)
    assert [op.op for op in applied] == ["Affine", "ElasticTransform"]
    assert 5 <= affine["rotate"] <= 6
    assert len(affine["matrix"]) == 3
    assert set(elastic["map_x"]) == {"sha256", "shape", "dtype"}
    assert elastic["map_x"]["shape"] == [128, 160]


@pytest.mark.parametrize("composition", sorted(COMPOSITIONS))
def test_every_composition_records_what_ran(composition: str) -> None:
    inner: list[Any] = [{"InvertImg": {"p": 1}}, {"Posterize": {"p": 1}}]
    extra = {"n": 2} if composition in ("SomeOf", "RandomOrder") else {}
    transformer = build([{composition: {"p": 1, "transforms": inner, **extra}}])
    counts = {len(transformer.apply(PHOTO, str(i))[1]) for i in range(5)}
    assert counts == ({1} if composition in ("OneOf", "OneOrOther") else {2})


def test_an_operation_drawn_twice_is_recorded_twice() -> None:
    ops = [{"SomeOf": {"n": 3, "replace": True, "transforms": [{"ColorJitter": {"p": 1}}]}}]
    _, applied = build(ops).apply(PHOTO, "a")
    assert len(applied) == 3
    assert len({op.params for op in applied}) == 3


def test_each_draw_has_streams_of_its_own() -> None:
    transformer = build([{"Affine": {"rotate": [-90, 90], "p": 1}}])
    drawn = [transformer.apply(PHOTO, "a", draw) for draw in (0, 1, 2, 1)]
    assert len({pixels(image) for image, _ in drawn}) == len({ops for _, ops in drawn}) == 3
    assert drawn[1][1] == drawn[3][1]
    assert transformer.apply(PHOTO, "a")[1] == drawn[0][1]


FLIPS: list[Any] = [{"HorizontalFlip": {"p": 0.3}}, {"VerticalFlip": {"p": 0.6}}]
CHANCES: list[tuple[list[Any], float]] = [
    (["HorizontalFlip"], 0.5),
    ([{"ColorJitter": {"p": 0.7}}], 0.3),  # it keeps functions under the name of compositions
    (FLIPS, 0.7 * 0.4),
    ([{"OneOf": {"p": 0.8, "transforms": FLIPS}}], 0.2),
    ([{"OneOf": {"p": 0.8, "transforms": [*FLIPS, {"NoOp": {"p": 0.1}}]}}], 0.2 + 0.8 * 0.1),
    ([{"OneOf": {"p": 1, "transforms": [{"Sequential": {"p": 0.1, "transforms": FLIPS}}]}}], 0.28),
    ([{"OneOrOther": {"p": 0.3, "transforms": ["NoOp", "HorizontalFlip"]}}], 0.3),
    ([{"Sequential": {"p": 0.5, "transforms": FLIPS}}], 0.5 + 0.5 * 0.28),
    ([{"SomeOf": {"n": 1, "transforms": FLIPS}}], (0.7 + 0.4) / 2),
    ([{"SomeOf": {"n": 2, "p": 0.9, "transforms": FLIPS}}], 0.1 + 0.9 * 0.28),
    ([{"SomeOf": {"n": 2, "replace": True, "transforms": FLIPS}}], 0.55**2),
    ([{"RandomOrder": {"n": 2, "transforms": [*FLIPS, "NoOp"]}}], (0.28 + 0.7 + 0.4) / 3),
    ([{"OneOf": {"p": 1, "transforms": [{"SomeOf": {"n": 1, "p": 0.5, "transforms": FLIPS}}]}}],
     0.5 + 0.5 * 0.55),
    ([{"SelectiveChannelTransform": {"channels": [0], "p": 0.6, "transforms": ["Blur"]}}],
     0.4 + 0.6 * 0.5),
]  # fmt: skip


@pytest.mark.parametrize(("ops", "chance"), CHANCES, ids=lambda value: str(value)[:50])
def test_how_likely_nothing_runs(ops: list[Any], chance: float) -> None:
    """As the library draws it, in 600 draws: four standard deviations are at most 49."""
    transformer = build(ops)
    assert transformer.idle_chance == pytest.approx(chance)
    idle = sum(not transformer.apply(PHOTO, str(i))[1] for i in range(600))
    assert abs(idle - 600 * chance) < 49


@pytest.mark.parametrize(
    "ops",
    [
        ["NoOp"],
        [{"OneOf": {"transforms": ["NoOp", {"Sequential": {"transforms": ["NoOp"]}}]}}],
        ["Affine"],
        [{"Rotate": {"limit": 0}}],
        [{"RandomBrightnessContrast": {"brightness_limit": 0, "contrast_limit": 0}}],
        [{"Pad": {"padding": 0}}, "XYMasking"],
    ],
    ids=str,
)
def test_a_pipeline_that_changes_nothing_is_refused(ops: list[Any]) -> None:
    with pytest.raises(PlanError) as caught:
        build(ops)
    assert str(caught.value).endswith(
        ": nothing that changes an image; expected operations of which one changes something. "
        "Its copies would be their parents once more"
    )


@pytest.mark.parametrize(
    "ops",
    [
        [{"CenterCrop": {"height": 64, "width": 64}}],
        [{"Resize": {"height": 61, "width": 97}}],
        [{"PadIfNeeded": {"min_height": 16, "min_width": 16}}],
        [{"Crop": {"x_max": 2000, "y_max": 2000}}],
        ["NoOp", {"HorizontalFlip": {"p": 0.01}}],
        ["ToGray"],
    ],
    ids=str,
)
def test_a_pipeline_that_may_change_some_image_is_not_refused(ops: list[Any]) -> None:
    build(ops)


def test_nothing_applied_is_the_same_image() -> None:
    image, applied = build([{"HorizontalFlip": {"p": 1e-12}}]).apply(PHOTO, "a")
    assert applied == ()
    assert (image == PHOTO).all()


# ---- saved pipelines -----------------------------------------------------------------


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_a_saved_pipeline_gives_the_pixels_of_its_ops(form: Any, tmp_path: Path) -> None:
    library = load_library()
    ops = [{"Affine": {"rotate": [-20, 20], "p": 1}}, {"OneOf": {"transforms": ["Blur", "D4"]}}]
    inner = library.OneOf([library.Blur(), library.D4()])
    saved = library.Compose([library.Affine(rotate=(-20, 20), p=1), inner])
    library.save(saved, tmp_path / f"p.{form}", data_format=form)
    spec = Augmentation(name="light", copies=1, pipeline=f"p.{form}")
    from_file, from_ops = build_transformer(spec, str(tmp_path)), build(ops)
    for i in range(10):
        a, b = from_file.apply(PHOTO, str(i)), from_ops.apply(PHOTO, str(i))
        assert pixels(a[0]) == pixels(b[0])
        assert a[1] == b[1]


@pytest.mark.parametrize("path", FORMER, ids=lambda p: p.name)
def test_a_pipeline_that_an_earlier_version_saved_is_built(path: Path) -> None:
    """Every operation that is accepted is one that the library takes."""
    transformer = build(pipeline=str(path))
    assert transformer.apply(PHOTO, "a")[0].shape == (32, 32, 3)


def test_every_operation_can_be_saved_and_read_back(tmp_path: Path) -> None:
    """Also where a dump lists parameters that only a base class takes (SafeRotate)."""
    library, wrong = load_library(), []
    kinds = single_image_ops()
    for name in VARYING:
        kind = kinds[name]
        params = {"p": 1, **NEEDED.get(name, {})}
        direct = build([{name: params}])
        if name not in ("PiecewiseAffine", "ShiftScaleRotate"):  # these warn when made directly
            library.save(library.Compose([kind(**params)]), tmp_path / "p.json")
            spec = Augmentation(name="light", copies=1, pipeline="p.json")
            read = build_transformer(spec, str(tmp_path))
            if pixels(read.apply(PHOTO, "a")[0]) != pixels(direct.apply(PHOTO, "a")[0]):
                wrong.append(name)
    assert wrong == []


# ---- errors --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ops", "text"),
    [
        (["HorizontalFlop"], "ops[0]: got HorizontalFlop; expected an operation of albumentations "
         "for one image. Did you mean HorizontalFlip?"),
        (["OneOff"], "Did you mean OneOf?"),
        ([{"Affine": {"rotat": 3}}], "ops[0].Affine.rotat: got this parameter; expected one of "
         "balanced_scale, border_mode"),
        ([{"Affine": {"rotat": 3}}], "Did you mean rotate?"),
        ([{"RandomResizedCrop": {}}], "ops[0].RandomResizedCrop: got size: Field required; "
         "expected parameters that albumentations takes without an error or warning"),
        ([{"Blur": {"blur_limit": [4, 4]}}], "Non-zero kernel sizes must be odd. Range (4, 4)"),
        ([{"SomeOf": {"n": 3, "transforms": ["D4"]}}], "`n` is greater than number of transforms"),
        ([{"OneOf": {"q": 1, "transforms": ["D4"]}}], "OneOf.q: got this parameter; expected one"),
        ([{"OneOf": {"p": 1}}], "ops[0].OneOf: got no transforms; expected a list of at least one"),
        ([{"D4": {"transforms": ["D4"]}}], "ops[0].D4: got transforms; expected parameters: it is"),
        ([{"D4": {"p": 0}}], "ops[0].D4.p: got 0; expected more than 0. It would never be applied"),
        ([{"D4": {"p": 2}}], "ops[0].D4: got p: Input should be less than or equal to 1"),
        (["Lambda"], "got Lambda; expected an operation of albumentations for one image. Refused: "
         "it runs code"),
        (["Normalize"], "Refused: its result is not an 8 bit RGB image"),
        (["FDA"], "Refused: it needs other inputs than one image"),
        ([{"ToGray": {"num_output_channels": 1}}], "ops[0].ToGray: got a result of (64, 64) uint8; "
         "expected (H, W, 3) uint8: an 8 bit RGB image"),
    ],
)  # fmt: skip
def test_what_cannot_be_built(ops: list[Any], text: str) -> None:
    with pytest.raises(PlanError) as caught:
        build(ops)
    assert "augmentations.light.ops[0]" in str(caught.value)
    assert text in str(caught.value)


def test_all_problems_at_once() -> None:
    ops = ["Nope", {"OneOf": {"transforms": [{"Affine": {"rotat": 3, "sheer": 1}}, "Lambda"]}}]
    with pytest.raises(PlanError) as caught:
        build(ops)
    assert [problem.place for problem in caught.value.problems] == [
        "augmentations.light.ops[0]",
        "augmentations.light.ops[1].OneOf.transforms[0].Affine.rotat",
        "augmentations.light.ops[1].OneOf.transforms[0].Affine.sheer",
        "augmentations.light.ops[1].OneOf.transforms[1]",
    ]


def test_advice_is_no_error() -> None:
    build([{"ShiftScaleRotate": {"rotate_limit": 10}}, "PiecewiseAffine"])


def test_a_crop_larger_than_the_image_costs_the_sample() -> None:
    crop = build([{"OneOf": {"p": 1, "transforms": [{"RandomCrop": {"height": 512, "width": 9}}]}}])
    with pytest.raises(SampleError) as caught:
        crop.apply(PHOTO, "a")
    assert caught.value.reason == "transform_failed"
    assert caught.value.detail == (
        "RandomCrop: Crop size (height, width) exceeds image dimensions (height, width): "
        "(512, 9) vs (128, 160)"
    )
    large = np.zeros((600, 600, 3), np.uint8)
    assert crop.apply(large, "a")[0].shape == (512, 9, 3)


def test_an_image_that_fills_the_memory_costs_the_sample() -> None:
    """It has no bytes of its own; a copy of it fits into the memory of no machine."""
    endless = np.broadcast_to(np.uint8(7), (2**31 - 1, 2**30, 3))
    with pytest.raises(SampleError, match="transform_failed: Transpose: Unable to allocate"):
        build([{"Transpose": {"p": 1}}]).apply(endless, "a")


def test_a_result_that_is_no_image_costs_the_sample() -> None:
    grey = build([{"HorizontalFlip": {"p": 1}}])
    with pytest.raises(SampleError, match=r"transform_failed: the pipeline gave \(8, 8\) uint8"):
        grey.apply(np.zeros((8, 8), np.uint8), "a")


# ---- digest --------------------------------------------------------------------------


def test_the_digest_tells_pipelines_apart_and_writes_out_defaults() -> None:
    plain = build(["HorizontalFlip"])
    assert len(plain.digest) == 64
    assert plain.digest == build([{"HorizontalFlip": {"p": 0.5}}]).digest
    others = [["VerticalFlip"], [{"HorizontalFlip": {"p": 0.4}}], ["HorizontalFlip"] * 2]
    others += [[{"OneOf": {"transforms": ["HorizontalFlip"]}}]]
    assert len({plain.digest, *(build(ops).digest for ops in others)}) == 5


def test_the_digest_does_not_depend_on_the_name() -> None:
    named = Augmentation(name="other", copies=3, ops=["HorizontalFlip"])
    assert build_transformer(named, "/elsewhere").digest == build(["HorizontalFlip"]).digest


def test_importing_the_package_imports_no_library() -> None:
    program = (
        "import sys, augment.transforms, augment.transforms.albumentations_ops\n"
        "bad = {'albumentations', 'cv2', 'torch', 'ray', 'pandas'} & set(sys.modules)\n"
        "assert not bad, bad\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    subprocess.run([sys.executable, "-c", program], env=env, check=True)


def test_building_a_pipeline_imports_no_torch() -> None:
    """It would take two thirds of the time; who wants tensors can still have them."""
    program = (
        "import sys\n"
        "from augment.spec.models import Augmentation\n"
        "from augment.transforms import build_transformer\n"
        "build_transformer(Augmentation(name='a', copies=1, ops=['HorizontalFlip']), '/')\n"
        "assert not {'torch', 'albumentations.pytorch'} & set(sys.modules), 'imported'\n"
        "from albumentations.pytorch import ToTensorV2\n"
        "assert 'torch' in sys.modules and ToTensorV2().p == 1\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    subprocess.run([sys.executable, "-c", program], env=env, check=True)
