"""Remote folders judged by their listing, before a byte of them is fetched."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from augment.checkpoints.limits import MAX_FILE_BYTES, MAX_FOLDER_BYTES, MAX_FOLDER_FILES
from augment.checkpoints.listing import of_file, of_import, of_pipeline
from augment.errors import UnsafeCheckpoint

NAME = "diffusion_pytorch_model"
PIPELINE = (
    "model_index.json", "unet/config.json", f"unet/{NAME}.safetensors",
    "scheduler/scheduler_config.json", "tokenizer/vocab.json", "tokenizer/merges.txt",
    "tokenizer/tokenizer_config.json", "text_encoder/config.json",
    "text_encoder/model-00001-of-00002.safetensors", "text_encoder/model.safetensors.index.json",
)  # fmt: skip


def test_of_a_public_pipeline_a_fraction_is_needed() -> None:
    others = (
        "README.md", ".gitattributes", "v1-5.ckpt", "v1-5.safetensors", "unet/model.onnx",
        f"unet/{NAME}.bin", f"unet/{NAME}.fp16.safetensors", "unet/flax_model.msgpack",
        "text_encoder/pytorch_model.bin", "text_encoder/model.fp16.safetensors", "x/y/z/w.json",
        "text_encoder/model.safetensors.index.fp16.json", ".cache/huggingface/x.json",
    )  # fmt: skip
    found = of_pipeline("s3://b/m", [(name, 5) for name in (*PIPELINE, *others)])
    assert {name for name, _ in found} == set(PIPELINE)


def test_a_variant_alone_is_fetched_so_that_the_scan_can_name_it() -> None:
    name = f"unet/{NAME}.fp16.safetensors"
    assert of_pipeline("s3://b/m", [(name, 1)]) == [(name, 1)]


def test_an_adapter_in_the_place_of_a_component_is_fetched_to_be_refused() -> None:
    files = [("unet/adapter_config.json", 1), ("unet/adapter_model.safetensors", 1)]
    assert of_pipeline("s3://b/m", files) == files[:1]


def test_what_an_import_reads() -> None:
    names = ["net_G.pth", "config.json", "a.safetensors", "b/model.bin", "pic.png", "x.msgpack"]
    assert of_import("s3://b/m", [(n, 1) for n in names]) == [(n, 1) for n in names[:4]]


def endless() -> Iterator[tuple[str, int]]:
    number = 0
    while True:
        yield f"{number}.json", 1
        number += 1


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ([("../x.json", 1)], "s3://b/m/../x.json: a name that leaves the folder"),
        ([("a/../../x.json", 1)], "a name that leaves the folder"),
        ([("a\nb.json", 1)], r"s3://b/m/a\\nb\.json: an odd name"),
        ([("a//b.json", 1)], "an odd name"),
        ([("a\u202eb.json", 1)], "an odd name"),
        ([("a/b/c/d/e/f/g/h/i/j.json", 1)], "more than 8 folders deep"),
        ([("unet/x.py", 1)], "s3://b/m/unet/x.py: a program"),
        ([("a.json", 1), ("A.json", 1)], "differs from 'a.json' by its case alone"),
        ([("UNET/a.json", 1), ("unet/b.json", 1)], "differs from 'UNET' by its case alone"),
        ([("config.json", -1)], "a file whose size the store does not tell"),
        ([("model.safetensors", MAX_FILE_BYTES + 1)], "bytes, more than 8589934592"),
        (
            [(f"{n}/model.safetensors", MAX_FILE_BYTES) for n in range(40)],
            f"^s3://b/m: {40 * MAX_FILE_BYTES} bytes in all, more than {MAX_FOLDER_BYTES}",
        ),
    ],
)
@pytest.mark.parametrize("judge", [of_pipeline, of_import])
def test_what_is_refused(judge: object, files: list[tuple[str, int]], text: str) -> None:
    assert callable(judge)
    with pytest.raises(UnsafeCheckpoint, match=text) as told:
        judge("s3://b/m", files)
    assert "nothing was fetched" in str(told.value)


def test_a_listing_without_end_is_left_at_the_limit() -> None:
    with pytest.raises(UnsafeCheckpoint, match=f"more than {MAX_FOLDER_FILES} files"):
        of_pipeline("s3://b/m", endless())


def test_a_single_file() -> None:
    of_file("s3://b", "x.safetensors", 10)
    with pytest.raises(UnsafeCheckpoint, match="11 bytes, more than 10"):
        of_file("s3://b", "x.json", 11, 10)
