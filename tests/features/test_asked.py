"""The grammar by which extractors are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from augment.errors import RequestError
from augment.features.asked import FILELESS, KINDS, Asked, read_all, read_asked
from augment.places import Place

SHA = "ab" * 32


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("random", Asked("random")),
        ("efficientnet_lite0", Asked("efficientnet_lite0")),
        ("task", Asked("task")),
        (f"task=/w/t.safetensors,sha256={SHA}",
         Asked("task", place=Place("file", "/w/t.safetensors"), sha256=SHA)),
        ("inception=/w/i.pth", Asked("inception", place=Place("file", "/w/i.pth"))),
        ("dinov2=s3://models/dino", Asked("dinov2", place=Place("s3", "s3://models/dino"))),
        ("torchvision:resnet18=/w/r.pth,size=96",
         Asked("torchvision", "resnet18", Place("file", "/w/r.pth"), size=96)),
        ("timm:vit_tiny_patch16_224.augreg=/w/v=1,2.safetensors,mean=0.5/0.5/0.5,std=0.5/0.5/1",
         Asked("timm", "vit_tiny_patch16_224.augreg", Place("file", "/w/v=1,2.safetensors"),
               mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 1.0))),
        ("onnx=/w/m.onnx,input=pixels,output=pooled out,size=224",
         Asked("onnx", place=Place("file", "/w/m.onnx"), input="pixels", output="pooled out",
               size=224)),
    ],
)  # fmt: skip
def test_what_a_text_means(text: str, expected: Asked) -> None:
    assert read_asked(text) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_form(kind: str) -> None:
    text = kind if kind in FILELESS else f"{kind}=/w/file"
    if kind in ("torchvision", "timm"):
        text = f"{kind}:resnet18=/w/file"
    found = read_asked(text)
    assert found.kind == kind
    assert found.name == text.partition("=")[0]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "features: got ''; expected one of efficientnet_lite0, random, task, inception=URI"),
        ("inceptoin=/w", "got 'inceptoin'; expected one of .* Did you mean inception"),
        ("dinov2", "got 'dinov2', without a place; expected dinov2=URI"),
        ("dinov2=", "features: dinov2: got ''; expected a path or URI"),
        ("random=/w", "got random='/w'; expected random alone, whose weights come with it"),
        ("random,size=3", "got 'random,size'; expected one of"),
        ("torchvision=/w", "got 'torchvision'; expected torchvision:MODEL=URI"),
        ("timm:hf-hub:x/y=/w", "got 'timm:hf-hub:x/y'; expected timm:MODEL=URI"),
        ("timm:=/w", "got 'timm:'; expected timm:MODEL=URI"),
        ("onnx:x=/w", "got 'onnx:x'; expected onnx=URI"),
        ("inception=https://x/y", "features: inception: got 'https://x/y': the scheme https"),
        ("inception=s3://u:p@b/w", "credentials or a port"),
        ("inception=/w,size=3", "features: inception: got the key 'size'; expected one of sha256"),
        ("dinov2=/w,sha256=3", "features: dinov2: got the key 'sha256'; expected no key"),
        ("onnx=/w,inputs=x", "Did you mean input"),
        ("onnx=/w,size=8,size=9", "features: onnx: got size twice; expected each key once"),
        ("onnx=/w,size=7", "onnx: size: got '7'; expected whole pixels, 8 to 2048"),
        ("onnx=/w,size=1e3", "expected whole pixels"),
        ("onnx=/w,mean=0/0/0", "got no std; expected mean and std, or neither"),
        ("onnx=/w,std=1/1/1", "got no mean; expected mean and std"),
        ("onnx=/w,mean=0/0,std=1/1/1", "mean: got '0/0'; expected three numbers"),
        ("onnx=/w,mean=nan/0/0,std=1/1/1", "expected three numbers"),
        ("onnx=/w,mean=0/0/0,std=1/0/1", "std: got '1/0/1'; expected three numbers"),
        ("onnx=/w,input=", "input: got ''; expected a name in the graph"),
        ("inception=/w,sha256=AB", "sha256: got 'AB'; expected 64 hex digits, lower case"),
    ],
)  # fmt: skip
def test_what_means_nothing_is_an_error(text: str, error: str) -> None:
    with pytest.raises(RequestError, match=error):
        read_asked(text)


def test_each_is_named_once() -> None:
    assert [one.name for one in read_all(["random", "timm:a=/w", "timm:b=/w"])] == [
        "random", "timm:a", "timm:b",
    ]  # fmt: skip
    with pytest.raises(RequestError, match="audit: got random twice; expected each extractor once"):
        read_all(["random", "task", "random"], "audit")


def test_a_policy_closes_other_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(f"allowed_uris: [{tmp_path}/models]\n")
    monkeypatch.setenv("AUGMENT_POLICY", str(policy))
    assert read_asked(f"inception={tmp_path}/models/i.pth").place is not None
    with pytest.raises(RequestError, match="where this machine lets nobody go; expected a place"):
        read_asked("inception=s3://elsewhere/i.pth")
