"""What both families of image translators do alike: hosting, directions, options, pairs."""

from __future__ import annotations

import dataclasses
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from augment.errors import CheckpointError
from augment.generators import GeneratorInfo, SampleRequest, describe
from augment.generators.families.translation.host import TranslatorInit, all_shapes, masks
from augment.generators.foreign import Conversion, Foreign
from augment.generators.protocol import Placement
from augment.seeds import stream
from augment.spec.generator_base import Translator
from tests.contracts.generator_contract import ANY_CLASSES, one_by_one, requests
from tests.generators.translators import (
    arrays,
    family_of,
    foreign,
    host_of,
    resnet,
    spec_of,
    unet,
    written,
)

BOTH_KINDS = pytest.mark.parametrize("kind", [resnet, unet], ids=["resnet", "unet"])


def batch_for(info: GeneratorInfo, each: int = 2) -> list[SampleRequest]:
    return requests(info, ANY_CLASSES, each)


def refused(spec: Translator, text: str) -> None:
    """By `describe`, so before anything is loaded; the whole text is held."""
    with pytest.raises(CheckpointError) as caught:
        describe("mine", spec)
    assert str(caught.value) == f"generators.mine{text}"


# ---- hosting -------------------------------------------------------------------------


@BOTH_KINDS
def test_a_batch_is_n_of_one_with_own_statistics_and_masks(tmp_path: Path, kind: Any) -> None:
    """Where most could leak between rows: 9 of them, statistics per sample, dropout."""
    init = kind(norm="batch", dropout=True)
    sampling = {"norm_mode": "per_sample", "dropout": "seeded"}
    host = host_of(spec_of(tmp_path, init, sampling=sampling))
    assert host.info.varies
    batch = batch_for(host.info, each=3)
    together = host.generate(batch).images
    assert np.abs(together - one_by_one(host, batch)).max() <= 1e-4
    same = dataclasses.replace(batch[1], source=batch[0].source)
    one, other = host.generate([batch[0], same]).images
    assert np.abs(one - other).max() > 0.01


@BOTH_KINDS
def test_without_dropout_and_crop_a_sample_is_a_function_of_its_source(
    tmp_path: Path, kind: Any
) -> None:
    host = host_of(spec_of(tmp_path, kind(norm="batch", dropout=True)))
    assert not host.info.varies
    first = batch_for(host.info)[0]
    again = dataclasses.replace(first, sample_id="f" * 32, label_name="another", index=9)
    one, other = host.generate([first, again]).images
    assert np.abs(one - other).max() <= 1e-6


@BOTH_KINDS
@pytest.mark.parametrize("output", ["model_size", "input_size"])
def test_sources_of_two_sizes_have_two_keys_where_images_follow_them(
    tmp_path: Path, kind: Any, output: str
) -> None:
    preprocess = {"resize": "none", "output": output}
    host = host_of(spec_of(tmp_path, kind(), preprocess=preprocess))
    small, large = (requests(host.info, ["a"], 1, size=size)[0] for size in [(68, 72), (132, 140)])
    assert host.batch_key(small) != host.batch_key(large)
    found = [host.generate([r]).images.shape[2:] for r in (small, large)]
    rounded = {resnet: [(68, 72), (132, 140)], unet: [(64, 64), (128, 128)]}
    assert found == (rounded[kind] if output == "model_size" else [(68, 72), (132, 140)])


@BOTH_KINDS
def test_an_image_in_the_size_of_its_source(tmp_path: Path, kind: Any) -> None:
    side = {"load_size": 64, "crop_size": 64}
    spec = spec_of(tmp_path, kind(), preprocess={**side, "output": "input_size"})
    plain = host_of(spec_of(tmp_path, kind(), preprocess=side))
    host = host_of(spec)
    batch = batch_for(host.info)
    assert (host.info.height, host.info.width) == (256, 256)
    assert plain.generate(batch).images.shape[2:] == (64, 64)
    made = host.generate(batch)
    assert made.images.shape == (len(batch), 3, 40, 56)
    assert np.abs(made.images).max() <= 1.0  # a resize can overshoot
    assert np.abs(made.images - one_by_one(host, batch)).max() <= 1e-4


@BOTH_KINDS
def test_what_a_row_was_cut_to_is_in_its_notes(tmp_path: Path, kind: Any) -> None:
    host = host_of(spec_of(tmp_path, kind(), preprocess={"load_size": 90, "crop_size": 64}))
    made = host.generate(batch_for(host.info))
    assert host.info.varies
    assert len({tuple(note["crop"]) for note in made.notes}) > 1


@BOTH_KINDS
@pytest.mark.parametrize(("input_nc", "output_nc"), [(1, 1), (1, 3), (3, 1)])
def test_grey_in_and_out(tmp_path: Path, kind: Any, input_nc: int, output_nc: int) -> None:
    host = host_of(spec_of(tmp_path, kind(input_nc=input_nc, output_nc=output_nc)))
    made = host.generate(batch_for(host.info))
    assert host.info.channels == made.images.shape[1] == output_nc


@BOTH_KINDS
@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_precision_is_part_of_the_sampling(tmp_path: Path, kind: Any, norm: str) -> None:
    sampling = {"norm_mode": "per_sample" if norm == "batch" else "running"}
    exact = host_of(spec_of(tmp_path, kind(norm=norm), sampling=sampling))
    half = host_of(spec_of(tmp_path, kind(norm=norm), sampling={**sampling, "precision": "bf16"}))
    batch = batch_for(exact.info)
    assert exact.info.sampling_digest != half.info.sampling_digest
    apart = np.abs(exact.generate(batch).images - half.generate(batch).images).mean()
    assert 0.0 < apart < 0.05


@BOTH_KINDS
def test_layout_and_torch_random_numbers_decide_nothing(tmp_path: Path, kind: Any) -> None:
    init = kind(norm="batch", dropout=True)
    spec = spec_of(tmp_path, init, sampling={"dropout": "seeded"})
    rows = host_of(spec, Placement(channels_last=False))
    before = torch.random.get_rng_state()
    batch = batch_for(rows.info)
    apart = rows.generate(batch).images - host_of(spec).generate(batch).images
    assert np.abs(apart).max() <= 1e-4
    assert torch.equal(before, torch.random.get_rng_state())


def test_masks_are_bits_of_the_sample_s_own_streams() -> None:
    ids = ["0" * 32, "1" * 32]
    found = masks(ids, {"here": (3, 5, 7), "there": (8, 32, 32)})
    raw = np.frombuffer(stream(ids[1], "dropout/here").bytes(14), np.uint8)
    assert np.array_equal(found["here"][1].reshape(-1), np.unpackbits(raw)[:105])
    assert found["there"].shape == (2, 8, 32, 32)
    assert abs(found["there"].mean() - 0.5) < 0.02
    assert not np.array_equal(found["there"][0], found["there"][1])


# ---- facts ---------------------------------------------------------------------------


@BOTH_KINDS
def test_identity_and_sampling_hold_what_changes_pixels(tmp_path: Path, kind: Any) -> None:
    init = kind(norm="batch", dropout=True)
    base = describe("mine", spec_of(tmp_path / "a", init))
    other = describe("mine", spec_of(tmp_path / "b", init, seed=1))
    assert base.identity != other.identity
    side = {"load_size": 256, "crop_size": 256}
    changes: list[dict[str, Any]] = [
        {"sampling": {"norm_mode": "per_sample"}},
        {"sampling": {"dropout": "seeded"}},
        {"preprocess": side},
        {"preprocess": {**side, "output": "input_size"}},
    ]
    found = [describe("mine", spec_of(tmp_path / "c", init, **change)) for change in changes]
    assert {info.identity for info in found} == {base.identity}
    assert len({info.sampling_digest for info in [base, *found]}) == 5
    assert base.digital_source_type.endswith("/compositeWithTrainedAlgorithmicMedia")


@BOTH_KINDS
def test_facts_need_no_torch(tmp_path: Path, kind: Any) -> None:
    spec = spec_of(tmp_path, kind())
    program = (
        "import pickle, sys; from augment.generators import describe; "
        "print(describe('mine', pickle.load(sys.stdin.buffer)).identity, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=pickle.dumps(spec), capture_output=True, check=True
    )
    assert done.stdout.decode().split() == [describe("mine", spec).identity, "False"]


@BOTH_KINDS
def test_the_job_may_name_the_license(tmp_path: Path, kind: Any) -> None:
    family, spec_class, _ = family_of(kind())
    conversion = Conversion(family.name, kind().model_dump(), arrays(kind()))
    checkpoint = written(tmp_path, conversion, license="CC0-1.0")
    spec = spec_class.model_validate({"family": family.name, "checkpoint": checkpoint})
    assert describe("mine", spec).license == "CC0-1.0"
    assert describe("mine", spec.model_copy(update={"license": "MIT"})).license == "MIT"


# ---- options that the checkpoint does not bear ----------------------------------------


@BOTH_KINDS
@pytest.mark.parametrize("norm", ["instance", "none"])
def test_per_sample_without_batch_norm(tmp_path: Path, kind: Any, norm: str) -> None:
    refused(
        spec_of(tmp_path, kind(norm=norm), sampling={"norm_mode": "per_sample"}),
        ".sampling.norm_mode: got per_sample, which has no effect: the checkpoint has no batch "
        f"norm (its norm is {norm}); expected no such key",
    )


@pytest.mark.parametrize("init", [resnet(), unet(), unet(dropout=True, num_downs=5)])
def test_seeded_without_dropout(tmp_path: Path, init: TranslatorInit) -> None:
    refused(
        spec_of(tmp_path, init, sampling={"dropout": "seeded"}),
        ".sampling.dropout: got seeded, which has no effect: the checkpoint's network has no "
        "dropout; expected no such key",
    )


@BOTH_KINDS
def test_images_of_two_channels(tmp_path: Path, kind: Any) -> None:
    refused(
        spec_of(tmp_path, kind(output_nc=2)),
        ": the checkpoint's images have 2 channels; expected 1 or 3",
    )


def test_a_side_that_cannot_be_halved(tmp_path: Path) -> None:
    refused(
        spec_of(tmp_path, unet(), preprocess={"load_size": 96, "crop_size": 96}),
        ".preprocess.crop_size: got 96; expected a multiple of 64, which is all that the network "
        "takes",
    )


# ---- two directions ------------------------------------------------------------------


def pair(kind: Any, **second: Any) -> Conversion:
    there = kind(input_nc=3, output_nc=1)
    back = kind(**{"input_nc": 1, "output_nc": 3, **second})
    found = family_of(there)[2].convert_pair(foreign(there), foreign(back, seed=1))
    assert isinstance(found, Conversion)
    return found


def spec_of_pair(folder: Path, conversion: Conversion, direction: str | None) -> Translator:
    _, spec_class, _ = family_of(resnet() if conversion.family == "resnet_i2i" else unet())
    return spec_class.model_validate(
        {
            "family": conversion.family,
            "checkpoint": written(folder, conversion),
            "direction": direction,
            "preprocess": {"load_size": 64, "crop_size": 64},
        }
    )


@BOTH_KINDS
def test_a_pair_is_two_networks(tmp_path: Path, kind: Any) -> None:
    conversion = pair(kind)
    side = {"preprocess": {"load_size": 64, "crop_size": 64}}
    for direction, init, seed in [
        ("AtoB", kind(input_nc=3, output_nc=1), 0),
        ("BtoA", kind(input_nc=1, output_nc=3), 1),
    ]:
        host = host_of(spec_of_pair(tmp_path / direction, conversion, direction))
        alone = host_of(spec_of(tmp_path / f"{direction} alone", init, seed, **side))
        batch = batch_for(host.info)
        assert host.info.channels == init.output_nc
        assert np.array_equal(host.generate(batch).images, alone.generate(batch).images)


@BOTH_KINDS
def test_the_direction_is_part_of_the_identity(tmp_path: Path, kind: Any) -> None:
    specs = [spec_of_pair(tmp_path, pair(kind), direction) for direction in ("AtoB", "BtoA")]
    one, other = (describe("mine", spec) for spec in specs)
    assert one.identity != other.identity


@BOTH_KINDS
def test_of_a_pair_the_direction_must_be_said(tmp_path: Path, kind: Any) -> None:
    refused(
        spec_of_pair(tmp_path, pair(kind), None),
        ".direction: missing, but the checkpoint holds two networks; expected AtoB or BtoA",
    )


@BOTH_KINDS
def test_of_one_network_the_direction_is_what_it_says(tmp_path: Path, kind: Any) -> None:
    known = spec_of(tmp_path / "known", kind(direction="AtoB"), direction="AtoB")
    assert describe("mine", known).takes_image
    refused(
        known.model_copy(update={"direction": "BtoA"}),
        ".direction: got BtoA, but the checkpoint's network goes AtoB; expected AtoB or no such "
        "key",
    )
    refused(
        spec_of(tmp_path / "unknown", kind(), direction="BtoA"),
        ".direction: got BtoA, but the checkpoint's network does not say which way it goes; "
        "expected no such key",
    )


@BOTH_KINDS
def test_networks_that_are_no_pair(kind: Any) -> None:
    with pytest.raises(CheckpointError) as caught:
        pair(kind, ngf=3, output_nc=1)
    assert str(caught.value) == (
        "latest_net_G.pth: no pair: output_nc is 1, the first one's way back has 3; ngf is 3, the "
        "first one's way back has 2; expected latest_net_G_A and latest_net_G_B of one training"
    )
    family, _, module = family_of(kind())
    with pytest.raises(CheckpointError) as caught:
        module.convert_pair(foreign(kind()), Foreign("other.pth", "state_dict", {}))
    assert str(caught.value) == (
        f"other.pth: no pair: the second is no generator of {family.name}; expected "
        "latest_net_G_A and latest_net_G_B of one training"
    )


@BOTH_KINDS
def test_both_ways_need_sources_both_ways(tmp_path: Path, kind: Any) -> None:
    family, spec_class, _ = family_of(kind())
    init = {**kind(output_nc=2).model_dump(), "direction": "both"}
    checkpoint = written(tmp_path, Conversion(family.name, init, {}))
    spec = spec_class.model_validate({"family": family.name, "checkpoint": checkpoint})
    with pytest.raises(CheckpointError, match="with both directions output_nc is 1 or 3: sources"):
        describe("mine", spec)


# ---- what state dicts have beside their tensors ----------------------------------------


@BOTH_KINDS
def test_wrappers_counters_and_old_statistics_are_left_out(kind: Any) -> None:
    convert = family_of(kind())[2].convert
    init = kind(norm="batch")
    tensors = {f"module.{key}": value for key, value in arrays(init).items()}
    counters = [key for key in tensors if key.endswith("running_mean")]
    for key in counters:
        tensors[key.replace("running_mean", "num_batches_tracked")] = np.array(7)
    conversion = convert(Foreign("net.pth", "state_dict", tensors))
    assert conversion.tensors.keys() == init.shapes().keys()
    assert conversion.quirks[1:3] == (
        "prefix module. (of DataParallel) taken off",
        f"left out: {len(counters)} counters num_batches_tracked",
    )


@BOTH_KINDS
def test_statistics_of_instance_norms_are_left_out(kind: Any) -> None:
    tensors = arrays(kind())
    with_norms = [key for key in kind(norm="batch").shapes() if "running" in key]
    tensors |= {key: np.zeros(4, np.float32) for key in with_norms}
    conversion = family_of(kind())[2].convert(Foreign("net.pth", "state_dict", tensors))
    assert conversion.init["norm"] == "instance"
    assert conversion.tensors.keys() == kind().shapes().keys()
    assert conversion.quirks[1] == (
        f"left out: {len(with_norms)} running statistics of instance norms, which torch before "
        "0.4 wrote and nothing uses"
    )


@BOTH_KINDS
def test_narrow_tensors_are_widened(kind: Any) -> None:
    tensors = {key: value.astype(np.float16) for key, value in arrays(kind()).items()}
    conversion = family_of(kind())[2].convert(Foreign("net.pth", "state_dict", tensors))
    assert {value.dtype for value in conversion.tensors.values()} == {np.dtype(np.float32)}


def test_tensors_of_a_pair_stand_under_their_direction() -> None:
    both = all_shapes(resnet(direction="both", input_nc=3, output_nc=1))
    assert both["AtoB.model.1.weight"] == (2, 3, 7, 7)
    assert both["BtoA.model.1.weight"] == (2, 1, 7, 7)
    assert len(both) == 2 * len(resnet().shapes())
