"""Copies are sRGB: an embedded profile is converted, and what is lost is said."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from augment import codec
from augment.codec.colour import conversion
from tests.codec import profiles
from tests.codec.files import app, chunk, in_jpeg, in_png, oriented, picture, saved, tiff

pillow_heif.register_heif_opener()
MAX = 10**6
IMAGE = picture(24, 16)
P3 = profiles.rgb("Display P3", profiles.P3)
ADOBE = profiles.rgb("Adobe RGB (1998)", profiles.ADOBE, 2.2)


def by_littlecms(image: Image.Image, profile: bytes) -> np.ndarray:
    """The same conversion by the library's own short way."""
    made = ImageCms.profileToProfile(
        image,
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        "RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    return np.asarray(made)


LOSSLESS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95},
    "PNG": {},
    "WEBP": {"lossless": True},
    "TIFF": {},
    "AVIF": {"quality": 90},
    "HEIF": {"quality": 90},
}


@pytest.mark.parametrize("kind", LOSSLESS)
@pytest.mark.parametrize(("profile", "name"), [(P3, "Display P3"), (ADOBE, "Adobe RGB (1998)")])
def test_wide_colours_become_srgb_and_the_profile_is_named(kind, profile, name):
    data = saved(IMAGE, kind, icc_profile=profile, **LOSSLESS[kind])
    with Image.open(io.BytesIO(data)) as image:
        expected = by_littlecms(image.convert("RGB"), profile)
        plain = np.asarray(image.convert("RGB"))
    read = codec.read(data, MAX)
    np.testing.assert_array_equal(read.image, expected)
    assert np.abs(read.image.astype(int) - plain).mean() > 3
    assert read.lost == {"icc": f"{name} -> sRGB"}


@pytest.mark.parametrize("kind", LOSSLESS)
def test_what_is_srgb_already_is_not_touched(kind):
    built_in = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain = codec.decode(saved(IMAGE, kind, **LOSSLESS[kind]), MAX)
    for profile, name in (
        (built_in, "sRGB built-in"),
        (profiles.rgb("sRGB IEC61966-2.1"), "sRGB IEC61966-2.1"),
    ):
        read = codec.read(saved(IMAGE, kind, icc_profile=profile, **LOSSLESS[kind]), MAX)
        assert read.lost == {"icc": f"{name}, taken as sRGB"}
        np.testing.assert_array_equal(read.image, plain)


def test_p3_red_is_more_than_srgb_can_show():
    data = saved(Image.new("RGB", (4, 4), (255, 0, 0)), "PNG", icc_profile=P3)
    assert codec.decode(data, MAX)[0, 0].tolist() == [255, 0, 0]
    data = saved(Image.new("RGB", (4, 4), (200, 100, 100)), "PNG", icc_profile=P3)
    red, green, blue = codec.decode(data, MAX)[0, 0]
    assert red > 205
    assert green < 100
    assert abs(int(green) - int(blue)) <= 8


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_grey_stays_grey(kind):
    linear = profiles.grey("Linear grey", 1.0)
    data = saved(IMAGE.convert("L"), kind, icc_profile=linear)
    read = codec.read(data, MAX)
    assert read.lost == {"icc": "Linear grey -> sRGB"}
    assert (read.image == read.image[..., :1]).all()
    plain = codec.decode(saved(IMAGE.convert("L"), kind), MAX)
    assert read.image.mean() > plain.mean() + 20  # what is linear is brighter than it looks
    encoded = codec.encode(read.image, read.style)
    assert codec.read_header(encoded, MAX).mode == "L"
    even = saved(IMAGE.convert("L"), kind, icc_profile=profiles.grey("sRGB grey", None))
    assert codec.read(even, MAX).lost == {"icc": "sRGB grey, taken as sRGB"}


def test_a_grey_picture_may_have_a_profile_for_colour():
    data = saved(IMAGE.convert("L"), "JPEG", icc_profile=ADOBE)
    read = codec.read(data, MAX)
    assert read.lost == {"icc": "Adobe RGB (1998) -> sRGB"}
    assert (read.image == read.image[..., :1]).all()


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_inks_are_converted_by_their_press(kind):
    inks, profile = IMAGE.convert("CMYK"), profiles.cmyk("A press")
    data = saved(inks, kind, icc_profile=profile)
    read = codec.read(data, MAX)
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(read.image, by_littlecms(image, profile))
    assert read.lost == {"icc": "A press -> sRGB"}
    plain = codec.read(saved(inks, kind), MAX)
    assert plain.lost == {"cmyk": "converted without a profile"}
    assert np.abs(plain.image.astype(int) - read.image).mean() > 3


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize(
    ("profile", "said"),
    [
        (b"no profile at all", "unreadable, left alone"),
        (P3[:200], "unreadable, left alone"),
        (profiles.cmyk("A press"), "A press is not for RGB pixels, left alone"),
        (profiles.grey("Dot gain", 2.0), "Dot gain is not for RGB pixels, left alone"),
    ],
)
def test_a_profile_that_does_not_fit_is_left_alone_and_said(kind, profile, said):
    plain = codec.decode(saved(IMAGE, kind, **LOSSLESS[kind]), MAX)
    read = codec.read(saved(IMAGE, kind, icc_profile=profile, **LOSSLESS[kind]), MAX)
    np.testing.assert_array_equal(read.image, plain)
    assert read.lost == {"icc": said}


def test_a_profile_in_pieces_is_joined_and_a_missing_piece_is_said():
    long = P3 + bytes(150_000)
    whole = saved(IMAGE, "JPEG", quality=95, icc_profile=long)
    assert whole.count(b"ICC_PROFILE\0") == 3
    assert codec.read(whole, MAX).lost == {"icc": "Display P3 -> sRGB"}
    at = whole.index(b"ICC_PROFILE\0") - 4
    length = int.from_bytes(whole[at + 2 : at + 4], "big")
    lacking = codec.read(whole[:at] + whole[at + 2 + length :], MAX)
    assert lacking.lost == {"icc": "unreadable, left alone"}
    assert any("pieces" in doubt for doubt in lacking.header.doubts)


def test_the_name_of_a_profile_is_plain_text():
    odd = profiles.rgb("\x1b[31m evil\nname" + "x" * 200, profiles.P3)
    said = conversion(odd, "RGB").note
    assert said.isprintable()
    assert said.isascii()
    assert len(said) <= 70


def test_pixels_are_turned_and_converted():
    data = in_jpeg(
        saved(IMAGE, "JPEG", quality=95, icc_profile=P3), app(0xE1, b"Exif\0\0" + oriented(6))
    )
    flat = codec.read(saved(IMAGE, "JPEG", quality=95, icc_profile=P3), MAX).image
    np.testing.assert_array_equal(codec.decode(data, MAX), np.rot90(flat, -1))


def test_threads_may_share_a_profile():
    files = [saved(picture(32, 32, n), "PNG", icc_profile=(P3, ADOBE)[n % 2]) for n in range(12)]
    alone = [codec.decode(data, MAX) for data in files]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda data: codec.decode(data, MAX), files * 3))
    for image, expected in zip(together, alone * 3, strict=True):
        np.testing.assert_array_equal(image, expected)


# ---- what else is lost -------------------------------------------------------------------


def test_transparency_that_hides_something_is_said():
    clear = IMAGE.convert("RGBA")
    assert codec.read(saved(clear, "PNG"), MAX).lost == {}
    clear.putpixel((3, 3), (9, 9, 9, 128))
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {})):
        read = codec.read(saved(clear, kind, **options), MAX)
        assert read.lost == {"alpha": "dropped"}
        with Image.open(io.BytesIO(saved(clear, kind, **options))) as image:
            np.testing.assert_array_equal(read.image, np.asarray(image.convert("RGB")))
    palette = saved(IMAGE.quantize(16), "GIF", transparency=2)
    assert codec.read(palette, MAX).lost == {"alpha": "dropped"}
    grey = saved(IMAGE.convert("L"), "PNG", transparency=7)
    assert codec.read(grey, MAX).lost == {"alpha": "dropped"}
    two = saved(IMAGE.convert("LA"), "PNG")
    assert codec.read(two, MAX).lost == {}


def test_what_a_png_says_of_its_colours_and_nobody_applies_is_said():
    plain = saved(IMAGE, "PNG")
    gamma = chunk(b"gAMA", (55_000).to_bytes(4, "big"))
    assert codec.read(in_png(plain, gamma), MAX).lost == {"gamma": "0.55, not applied"}
    same = chunk(b"gAMA", (45_455).to_bytes(4, "big"))
    assert codec.read(in_png(plain, same), MAX).lost == {}
    assert codec.read(in_png(plain, gamma, chunk(b"sRGB", b"\0")), MAX).lost == {}
    wide = (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
    chromaticities = chunk(b"cHRM", b"".join(v.to_bytes(4, "big") for v in wide))
    assert codec.read(in_png(plain, chromaticities), MAX).lost == {
        "chromaticities": "not those of sRGB, not applied"
    }
    assert codec.read(in_png(plain, chunk(b"cICP", bytes((9, 16, 0, 1)))), MAX).lost == {
        "cicp": "9-16-0-1, not applied"
    }
    assert codec.read(in_png(plain, chunk(b"cICP", bytes((1, 13, 0, 1)))), MAX).lost == {}


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_colours_that_a_file_names_by_number_are_not_applied_and_it_is_said(kind):
    data = bytearray(saved(IMAGE, kind))
    at = data.index(b"nclx")
    assert codec.read(bytes(data), MAX).lost == {}
    data[at + 4 : at + 8] = bytes((0, 9, 0, 16))  # BT.2020, perceptual quantizer
    (said,) = codec.read(bytes(data), MAX).lost.items()
    assert said[0] == "cicp"
    assert said[1].startswith("9-16-")


def test_ten_bits_become_eight_and_it_is_said():
    levels = (np.asarray(picture(64, 64)).astype(np.uint16) * 257).tobytes()
    out = io.BytesIO()
    pillow_heif.from_bytes(mode="RGB;16", size=(64, 64), data=levels).save(out, quality=90)
    read = codec.read(out.getvalue(), MAX)
    assert read.image.dtype == np.uint8
    assert read.lost == {"depth": "10 bits to 8"}


def test_a_plain_picture_loses_nothing():
    for kind, options in LOSSLESS.items():
        assert codec.read(saved(IMAGE, kind, **options), MAX).lost == {}
    assert codec.read(tiff(IMAGE), MAX).lost == {}
