"""Settings that image generators leave in their files are told from other texts."""

from __future__ import annotations

import io
import json

import pillow_heif
import pytest
from PIL import Image, PngImagePlugin

from augment import codec
from tests.codec.files import picture

pillow_heif.register_heif_opener()
MAX = 10**6
IMAGE = picture(24, 16)
SETTINGS = (
    "a red fox in snow, 35mm\nNegative prompt: blurry\n"
    "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1415104642, Size: 512x512, Model: v1-5"
)
GRAPH = json.dumps({"3": {"class_type": "KSampler", "inputs": {"seed": 1, "steps": 30}}})
FLOW = json.dumps({"last_node_id": 12, "nodes": [{"id": 6, "type": "EmptyLatentImage"}]})
JOB = "a red fox --ar 16:9 Job ID: 0b1d2f3a-1111-4222-8333-0123456789ab"


def png(texts: dict[str, str], way: str = "tEXt") -> bytes:
    """The picture with texts, written as the programs write them: by Pillow."""
    info = PngImagePlugin.PngInfo()
    for key, text in texts.items():
        if way == "iTXt":
            info.add_itxt(key, text)
        else:
            info.add_text(key, text, zip=way == "zTXt")
    out = io.BytesIO()
    IMAGE.save(out, "PNG", pnginfo=info)
    return out.getvalue()


def with_exif(kind: str, tags: dict[int, str | bytes], comment: bytes | None = None) -> bytes:
    block = Image.Exif()
    for tag, value in tags.items():
        block[tag] = value
    if comment is not None:
        block.get_ifd(0x8769)[0x9286] = comment
    out = io.BytesIO()
    IMAGE.save(out, kind, exif=block.tobytes())
    return out.getvalue()


@pytest.mark.parametrize("way", ["tEXt", "zTXt", "iTXt"])
@pytest.mark.parametrize(
    ("texts", "program"),
    [
        ({"parameters": SETTINGS}, "stable_diffusion"),
        ({"Comment": SETTINGS.replace("Sampler", "sampler")}, "stable_diffusion"),
        ({"prompt": GRAPH, "workflow": FLOW}, "comfyui"),
        ({"workflow": FLOW}, "comfyui"),
        ({"invokeai_metadata": "{}"}, "invokeai"),
        ({"sd-metadata": "{}"}, "invokeai"),
        ({"Dream": '"a fox" -s 50 -S 1'}, "invokeai"),
        ({"Software": "NovelAI", "Comment": "{}"}, "novelai"),
        ({"parameters": '{"sui_image_params": {"prompt": "a fox"}}'}, "swarmui"),
        ({"fooocus_scheme": "fooocus", "parameters": "{}"}, "fooocus"),
        ({"Description": JOB}, "midjourney"),
        ({"use_stable_diffusion_model": "v1-5"}, "stable_diffusion"),
    ],
)
def test_texts_of_a_png(texts, program, way):
    data = png(texts, way)
    assert codec.read_header(data, MAX).marks == (f"text:{program}",)
    assert codec.claimed((f"text:{program}",)).value.endswith("/trainedAlgorithmicMedia")
    assert f"text:{program}" in codec.CLAIMS


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG", "AVIF", "HEIF"])
@pytest.mark.parametrize("encoding", ["utf-16-be", "utf-16-le", "ascii"])
def test_the_comment_of_an_exif_block(kind, encoding):
    prefix = b"ASCII\0\0\0" if encoding == "ascii" else b"UNICODE\0"
    data = with_exif(kind, {}, prefix + SETTINGS.encode(encoding))
    assert codec.read_header(data, MAX).marks == ("text:stable_diffusion",)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_a_graph_in_an_exif_block(kind):
    data = with_exif(kind, {0x010F: f"Prompt:{GRAPH}", 0x010E: f"Workflow:{FLOW}"})
    assert codec.read_header(data, MAX).marks == ("text:comfyui",)


@pytest.mark.parametrize(
    "texts",
    [
        {"Software": "Adobe Photoshop 25.0", "Comment": "Created with GIMP"},
        {"parameters": "exposure 1/60, Steps: a few"},
        {"Description": "recipe. Steps: 3, mix well. Job ID: 12"},
        {"prompt": "which of these is a fox?", "workflow": "scan, crop, save"},
        {"Title": "Dream", "Author": "NovelAI"},
        {},
    ],
)
def test_other_texts_say_nothing(texts):
    assert codec.read_header(png(texts), MAX).marks == ()


def test_a_camera_says_nothing():
    tags = {0x010F: "Canon", 0x0110: "Canon EOS R5", 0x0131: "Adobe Lightroom 13.0"}
    data = with_exif("JPEG", tags, b"ASCII\0\0\0my favourite picture")
    assert codec.read_header(data, MAX).marks == ()


def test_a_text_without_end_costs_its_length():
    texts = {f"k{i}": "Steps: 1, " * 5_000 for i in range(20)}
    assert codec.read_header(png(texts), MAX).marks == ()
