"""Image bytes <-> arrays, against Pillow's own ways where they are right."""

import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from skimage import data as photos
from sklearn.datasets import load_digits, load_sample_image

from augment import codec
from augment.codec import Header, Style
from augment.errors import SampleError

MAX = 10**8
CAT = photos.chelsea()  # (300, 451, 3) uint8
FLOWER = load_sample_image("flower.jpg")
DIGIT = np.repeat((load_digits().images[3] * 15).astype(np.uint8)[..., None], 3, axis=2)


def saved(image, fmt: str, **options) -> bytes:
    out = io.BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(out, fmt, **options)
    return out.getvalue()


def pillow_rgb(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.array(ImageOps.exif_transpose(image).convert("RGB"))


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_16bit_rgb() -> bytes:
    rows = b"".join(b"\0" + bytes(4 * 6) for _ in range(4))
    head = struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


CAT_IMAGE = Image.fromarray(CAT)
KINDS = {
    "jpeg": saved(CAT, "JPEG", quality=90),
    "progressive": saved(CAT, "JPEG", quality=80, progressive=True),
    "grey jpeg": saved(CAT[..., 0], "JPEG", quality=90),
    "cmyk jpeg": saved(CAT_IMAGE.convert("CMYK"), "JPEG", quality=95),
    "rgb jpeg": saved(CAT, "JPEG", quality=95, keep_rgb=True),
    "restart jpeg": saved(CAT, "JPEG", restart_marker_rows=2),
    "png": saved(CAT, "PNG"),
    "grey png": saved(CAT[..., 0], "PNG"),
    "palette png": saved(CAT_IMAGE.quantize(64), "PNG"),
    "one bit png": saved(CAT_IMAGE.convert("1"), "PNG"),
    "webp": saved(CAT, "WEBP", quality=80),
    "lossless webp": saved(CAT, "WEBP", lossless=True),
    "gif": saved(CAT_IMAGE.quantize(64), "GIF"),
    "bmp": saved(CAT, "BMP"),
    "tiff": saved(CAT, "TIFF"),
    "deflate tiff": saved(CAT, "TIFF", compression="tiff_adobe_deflate"),
    "cmyk tiff": saved(CAT_IMAGE.convert("CMYK"), "TIFF"),
    "ppm": saved(CAT, "PPM"),
    "avif": saved(CAT, "AVIF", quality=80),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_decodes_as_pillow_does(kind):
    data = KINDS[kind]
    image = codec.decode(data, MAX)
    assert image.dtype == np.uint8
    assert image.shape == (300, 451, 3)
    assert image.flags.c_contiguous
    np.testing.assert_array_equal(image, pillow_rgb(data))
    header = codec.read_header(data, MAX)
    assert (header.width, header.height, header.orientation) == (451, 300, 1)
    assert header == codec.verify(data, MAX)
    with Image.open(io.BytesIO(data)) as image:
        assert header.mode == image.mode
        assert header.format == image.format.lower()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
def test_a_cut_file_is_truncated(kind, share):
    data = KINDS[kind]
    cut = data[: int(len(data) * share)]
    for read in (codec.verify, codec.decode):
        with pytest.raises(SampleError) as error:
            read(cut, MAX)
        assert error.value.reason == "truncated"


REASONS = (
    "", "not_image", "too_large", "too_complex", "truncated", "undecodable", "unsupported_depth",
)  # fmt: skip


def outcome(read, data: bytes) -> str:
    try:
        read(data, 10**6)
    except SampleError as error:
        return error.reason
    return ""


@pytest.mark.parametrize("kind", KINDS)
def test_any_damage_is_a_sample_error_or_an_image(kind):
    rng = np.random.default_rng(5)
    for _ in range(25):
        data = bytearray(KINDS[kind])
        for at in rng.integers(0, len(data) if rng.random() < 0.5 else 200, 4):
            data[at] = rng.integers(256)
        for read in (codec.read_header, codec.verify, codec.decode, codec.style_of):
            assert outcome(read, bytes(data)) in REASONS


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.sampled_from(sorted(KINDS)), st.integers(0, 400))
def test_a_file_cut_in_its_header_is_a_sample_error(kind, n):
    with pytest.raises(SampleError) as error:
        codec.decode(KINDS[kind][:n], MAX)
    assert error.value.reason in ("empty", "not_image", "truncated", "undecodable")


def test_damaged_coded_data_of_a_jpeg():
    data = bytearray(KINDS["jpeg"])
    data[len(data) // 2 : len(data) // 2 + 64] = bytes([0xFF, 0xD9] * 32)
    with pytest.raises(SampleError) as error:
        codec.decode(bytes(data), MAX)
    assert error.value.reason in ("truncated", "undecodable")


def test_harmless_oddities_are_read():
    data = KINDS["jpeg"]
    odd = data[:2] + b"\xff\xfe\x00\x04hi\0\0\0" + data[2:]  # stray bytes after a comment
    assert codec.read_header(odd, MAX).width == 451
    np.testing.assert_array_equal(codec.decode(odd, MAX), pillow_rgb(data))
    np.testing.assert_array_equal(codec.decode(data + b"tail" * 9, MAX), pillow_rgb(data))


# ---- what is refused, in words --------------------------------------------------------


def refused(read, data: bytes, max_pixels: int = MAX) -> str:
    with pytest.raises(SampleError) as error:
        read(data, max_pixels)
    return str(error.value)


@pytest.mark.parametrize("read", [codec.read_header, codec.verify, codec.decode, codec.style_of])
def test_texts_of_what_is_no_image(read):
    assert refused(read, b"") == "empty: the file has no bytes"
    assert refused(read, b"<html></html>") == (
        "not_image: HTML, SVG or another text in XML; expected one of jpeg, png, webp, gif, bmp, "
        "tiff, ppm, avif, heic"
    )
    for data, said in (
        (b'\xef\xbb\xbf {"key": "SECRET"}', "a text in JSON"),
        (b"SECRET" * 20, "a text, or bytes of no known format"),
        (b"\0" * 100, "nothing but zeros where it begins"),
        (b"\x1dSECRET\0\1", "bytes of no format that is known"),
    ):
        assert refused(read, data).startswith(f"not_image: {said}; expected one of jpeg, ")
        assert "SECRET" not in refused(read, data)
    assert refused(read, b"%!PS-Adobe-3.0 EPSF-3.0\n").startswith("not_image")


@pytest.mark.parametrize("kind", KINDS)
def test_too_many_pixels_is_known_from_the_header(kind):
    for read in (codec.read_header, codec.verify, codec.decode, codec.style_of):
        text = refused(read, KINDS[kind], 135_299)
        assert text == "too_large: 451 x 300 pixels; errors.max_pixels allows 135299"
    assert codec.read_header(KINDS[kind], 135_300).width == 451


def test_a_bomb_is_refused_without_a_warning_and_without_decoding():
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"")
    assert refused(codec.decode, bomb).startswith("too_large: 60000 x 60000")
    # above Pillow's own limits, where the job allows it: no warning, no refusal
    assert codec.read_header(bomb, 10**10).width == 60_000
    webp = b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<I", 10) + b"\0" * 4
    webp += (16_000).to_bytes(3, "little") * 2
    assert refused(codec.read_header, webp).startswith("too_large: 16001 x 16001")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (png_16bit_rgb(), "png of 16 bits"),
        (saved(Image.fromarray(CAT[..., 0].astype(np.uint16) * 257), "PNG"), "mode I;16"),
        (saved(Image.fromarray(CAT[..., 0].astype(np.uint16)), "TIFF"), "tiff of Pillow mode I;16"),
        (saved(Image.fromarray(CAT[..., 0].astype(np.float32)), "TIFF"), "tiff of Pillow mode F"),
        (saved(Image.fromarray(CAT[..., 0].astype(np.int32)), "TIFF"), "tiff of Pillow mode I"),
        (b"P6 2 2 65535\n" + bytes(24), "ppm with values up to 65535"),
    ],
)
def test_more_than_8_bits_passes_but_is_never_changed(data, what):
    codec.verify(data, MAX)
    text = refused(codec.decode, data)
    assert text.startswith("unsupported_depth: ")
    assert what in text
    assert codec.style_of(data, MAX).format == "png"


def test_pixels_of_more_than_8_bits_that_are_cut_are_truncated():
    data = saved(Image.fromarray(CAT[..., 0].astype(np.uint16) * 257), "PNG")
    assert refused(codec.verify, data[: len(data) // 2]).startswith("truncated")


# ---- as displayed ----------------------------------------------------------------------


def test_first_frame_of_an_animation():
    frames = [Image.fromarray(np.full((20, 30, 3), v, np.uint8)) for v in (10, 200)]
    for fmt, options in (("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {})):
        data = saved(frames[0], fmt, save_all=True, append_images=frames[1:], **options)
        image = codec.decode(data, MAX)
        assert image.shape == (20, 30, 3)
        assert (image == 10).all(), fmt


def test_alpha_is_dropped_not_blended():
    rgba = np.dstack([CAT, np.full(CAT.shape[:2], 7, np.uint8)])
    for fmt, options in (("PNG", {}), ("WEBP", {"lossless": True, "exact": True}), ("TIFF", {})):
        np.testing.assert_array_equal(codec.decode(saved(rgba, fmt, **options), MAX), CAT)
    palette = CAT_IMAGE.quantize(16)
    plain = np.array(palette.convert("RGB"))
    for transparency in (3, bytes([0, 128, 255])):
        data = saved(palette, "PNG", transparency=transparency)
        np.testing.assert_array_equal(codec.decode(data, MAX), plain)
    grey = saved(Image.fromarray(CAT[..., 0]), "PNG", transparency=5)
    np.testing.assert_array_equal(codec.decode(grey, MAX)[..., 1], CAT[..., 0])


# ---- style ------------------------------------------------------------------------------


@pytest.mark.parametrize("sampling", ["444", "422", "420"])
def test_quality_and_subsampling_are_found_exactly(sampling):
    image = np.ascontiguousarray(FLOWER[:64, :96])
    for quality in range(1, 101):
        fast = simplejpeg.encode_jpeg(image, quality, "RGB", sampling)
        assert codec.style_of(fast, MAX) == Style("jpeg", quality, sampling, "RGB", 96, 64)
        slow = saved(image, "JPEG", quality=quality, progressive=True)
        assert codec.style_of(slow, MAX).quality == quality
        grey = saved(image[..., 1], "JPEG", quality=quality)
        assert codec.style_of(grey, MAX) == Style("jpeg", quality, "gray", "L", 96, 64)


def test_quality_of_foreign_tables_is_the_nearest():
    tables = [[min(255, v + v % 3) for v in row] for row in _tables(85)]
    data = saved(CAT, "JPEG", qtables=tables)
    assert abs(codec.style_of(data, MAX).quality - 85) <= 3


def _tables(quality: int) -> list[list[int]]:
    with Image.open(io.BytesIO(saved(CAT, "JPEG", quality=quality))) as image:
        return [list(t) for t in image.quantization.values()]


def test_styles_of_other_formats():
    def style(kind: str) -> tuple:
        found = codec.style_of(KINDS[kind], MAX)
        return found.format, found.quality, found.subsampling, found.mode

    assert style("webp") == ("jpeg", 90, "420", "RGB")
    assert style("lossless webp") == ("png", None, None, "RGB")
    assert style("grey png") == ("png", None, None, "L")
    assert style("one bit png") == ("png", None, None, "L")
    for kind in ("png", "palette png", "gif", "bmp", "tiff", "ppm"):
        assert style(kind) == ("png", None, None, "RGB")
    assert style("cmyk jpeg") == ("jpeg", 95, "444", "RGB")


def test_style_survives_json():
    style = codec.style_of(KINDS["jpeg"], MAX)
    assert Style.from_json(style.to_json()) == style


# ---- writing ----------------------------------------------------------------------------


def test_png_is_exact_and_has_no_metadata():
    style = Style("png", None, None, "RGB", 1, 1)
    data = codec.encode(CAT, style)
    assert data == codec.encode(CAT.copy(), style)
    np.testing.assert_array_equal(codec.decode(data, MAX), CAT)
    with Image.open(io.BytesIO(data)) as image:
        assert image.info == {}
    assert codec.read_header(data, MAX) == Header("png", 451, 300, "RGB", 1, "png")


@pytest.mark.parametrize("fmt", ["png", "jpeg"])
def test_grey_is_written_only_for_grey_pixels(fmt):
    style = Style(fmt, 95 if fmt == "jpeg" else None, None, "L", 16, 16)
    assert codec.read_header(codec.encode(DIGIT, style), MAX).mode == "L"
    tinted = DIGIT.copy()
    tinted[0, 0, 2] ^= 1
    assert codec.read_header(codec.encode(tinted, style), MAX).mode == "RGB"


@pytest.mark.parametrize("sampling", ["444", "422", "420"])
def test_jpeg_has_the_style_asked_for(sampling):
    style = Style("jpeg", 83, sampling, "RGB", 451, 300)
    data = codec.encode(CAT, style)
    assert codec.style_of(data, MAX) == style
    assert np.abs(codec.decode(data, MAX).astype(int) - CAT).mean() < 8


def test_views_are_encoded_and_other_arrays_refused():
    style = Style("jpeg", 90, "444", "RGB", 1, 1)
    assert codec.encode(CAT[:, ::-1], style) == codec.encode(CAT[:, ::-1].copy(), style)
    with pytest.raises(ValueError, match=r"image is float64 .*; expected uint8 \(H, W, 3\)"):
        codec.encode(CAT / 255, style)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.tuples(*[st.integers(1, 60)] * 4))
def test_fit_gives_the_size_without_distortion(sizes):
    h, w, height, width = sizes
    # levels grow by a known step along x: their slope shows the scale
    ramp = np.tile(np.linspace(0, 255, w), (h, 1)).astype(np.uint8)
    image = np.repeat(ramp[..., None], 3, axis=2)
    out = codec.fit(image, width, height)
    assert out.shape == (height, width, 3)
    assert out.dtype == np.uint8
    if (w, h) == (width, height):
        assert out is image


def test_fit_crops_the_centre():
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = 255
    assert codec.fit(wide, 10, 10)[:, 2:-2].min() == 255
    out = codec.fit(CAT, 150, 100)
    want = CAT_IMAGE.resize((150, 100), Image.Resampling.BICUBIC, box=(0.5, 0, 450.5, 300))
    np.testing.assert_array_equal(out, np.array(want))


def test_to_uint8_rounds_to_the_nearest_level():
    levels = np.arange(256)
    x = ((levels - 127.5) / 127.5).reshape(1, 1, 16, 16)
    out = codec.to_uint8(x)
    assert out.shape == (1, 16, 16, 1)
    np.testing.assert_array_equal(out.ravel(), levels)
    x = np.random.default_rng(0).normal(0, 1, (3, 3, 5, 4)).astype(np.float32)
    want = np.clip(np.floor(x.astype(np.float64) * 127.5 + 128), 0, 255)
    np.testing.assert_array_equal(codec.to_uint8(x), want.transpose(0, 2, 3, 1))
    with pytest.raises(ValueError, match="NaN or infinity"):
        codec.to_uint8(np.full((1, 1, 2, 2), np.nan))
    with pytest.raises(ValueError, match=r"the shape \(1, 2, 2, 2\); expected \(N, 1 or 3, H, W\)"):
        codec.to_uint8(np.zeros((1, 2, 2, 2)))


def test_threads_give_the_same_pixels():
    kinds = list(KINDS.values())
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda d: codec.decode(d, MAX), kinds * 3))
    for image, data in zip(together, kinds * 3, strict=True):
        np.testing.assert_array_equal(image, codec.decode(data, MAX))


def test_the_codec_names_its_builds():
    found = codec.codec_id()
    assert set(found) >= {"simplejpeg", "simplejpeg_flags", "pillow", "numpy"}
    assert found["simplejpeg"] == simplejpeg.__version__
    assert all(isinstance(v, str) for v in found.values())
