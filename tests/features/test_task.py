"""The classifier that is fit on the user's own images."""

from __future__ import annotations

import hashlib
import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load, save
from sklearn.datasets import load_digits

from augment.errors import CheckpointError
from augment.features import Asked, build, read_asked
from augment.features.resizing import resized
from augment.features.task import TaskFit, TaskNetwork, strides, tensor_shapes
from augment.features.task_fit import LEAST_PER_CLASS, NotFit, fit, judged, side_for


def digits(names: str = "017", each: int = 24, first: int = 0) -> tuple[list[Any], list[str]]:
    """Scanned digits (8, 8, 3) uint8, and their names."""
    data = load_digits()
    images, labels = [], []
    for name in names:
        for at in np.flatnonzero(data.target == int(name))[first : first + each]:
            images.append(np.repeat((data.images[at] * 15).astype(np.uint8)[..., None], 3, 2))
            labels.append(name)
    return images, labels


@cache
def fitted() -> bytes:
    images, labels = digits()
    found = fit(resized(images, 32), labels)
    assert isinstance(found, bytes)
    return found


def test_it_tells_classes_apart_that_it_was_fit_on() -> None:
    network = TaskNetwork(Asked("task", fitted=fitted()))
    images, labels = digits(each=40, first=24)  # others than it was fit on
    features = network(images)
    assert features.shape == (len(images), 128)
    said = network.probabilities(features)
    np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-5)
    named = np.array(network.fit.classes)[said.argmax(axis=1)]
    assert (named == labels).mean() > 0.9


def test_it_says_what_it_was_fit_on() -> None:
    about = TaskNetwork(Asked("task", fitted=fitted())).fit
    assert about == TaskFit(1, 0, 32, ("0", "1", "7"), 57, 15, about.accuracy)
    assert about.accuracy > 0.8


def test_the_same_images_give_the_same_weights() -> None:
    images, labels = digits()
    before = torch.get_num_threads()
    torch.manual_seed(3)  # and whatever the global numbers are
    drawn = torch.rand(1)
    torch.manual_seed(3)
    assert fit(resized(images, 32), labels) == fitted()
    assert torch.rand(1) == drawn
    assert torch.get_num_threads() == before
    other = fit(resized(images, 32), labels, seed=1, most_steps=1)
    assert isinstance(other, bytes)
    assert other != fitted()


def test_its_name_is_the_hash_of_its_weights(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(fitted())
    sha256 = hashlib.sha256(fitted()).hexdigest()
    one, other = (
        TaskNetwork(Asked("task", fitted=fitted())),
        build(read_asked(f"task={tmp_path}/w")),
    )
    assert one.info == other.info
    assert one.info.weights_sha256 == sha256
    images, _ = digits(each=3)
    np.testing.assert_array_equal(one(images), other(images))


def test_classes_with_too_few_images_are_left_out_and_named() -> None:
    images, labels = digits("01", each=LEAST_PER_CLASS)
    more, few = digits("7", each=LEAST_PER_CLASS - 1)
    found = fit(resized([*images, *more], 32), [*labels, *few], most_steps=2)
    assert isinstance(found, bytes)
    about = TaskNetwork(Asked("task", fitted=found)).fit
    assert about.classes == ("0", "1")
    assert about.left_out == ("7",)
    assert (about.images, about.held_out) == (12, 4)


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ([], "0 classes have at least 8 real train images, and a classifier needs 2 .*: none"),
        (["a"] * 50, r"1 classes have .* \(the largest: a: 50\)"),
        (["a"] * 50 + ["b"] * 7, r"1 classes have .* \(the largest: a: 50, b: 7\)"),
    ],
)
def test_too_little_is_no_error_and_no_fit(labels: list[str], text: str) -> None:
    images = np.zeros((len(labels), 32, 32, 3), np.uint8)
    found = fit(images, labels)
    assert isinstance(found, NotFit)
    assert isinstance(judged(labels), NotFit)
    with pytest.raises(AssertionError, match=text):
        raise AssertionError(found.reason)


@pytest.mark.parametrize(
    ("shapes", "side"),
    [([], 32), ([(28, 28)], 32), ([(41, 64)], 64), ([(32, 32), (500, 400), (33, 900)], 32),
     ([(32, 32), (500, 400), (60, 61)], 64)],
)  # fmt: skip
def test_small_images_are_seen_small(shapes: list[tuple[int, int]], side: int) -> None:
    assert side_for(shapes) == side


@pytest.mark.parametrize("shape", [(2, 16, 16, 3), (3, 32, 32, 3), (2, 32, 64, 3), (2, 32, 32)])
def test_images_of_another_size_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="and 2 labels; expected"):
        fit(np.zeros(shape, np.uint8), ["a", "b"])


def test_it_is_small() -> None:
    assert sum(math.prod(shape) for shape in tensor_shapes(10).values()) == 242_480
    assert TaskNetwork(Asked("task", fitted=fitted())).info.version == 1


def test_larger_images_cost_one_more_halving() -> None:
    images, labels = digits("01", each=10)
    found = fit(resized(images, 64), labels, most_steps=2)
    assert isinstance(found, bytes)
    network = TaskNetwork(Asked("task", fitted=found))
    assert network.fit.side == 64
    assert strides(torch.zeros(1, 3, 64, 64)) == (2, 2, 2, 2)
    assert strides(torch.zeros(1, 3, 32, 32)) == (1, 2, 2, 2)
    assert network(images).shape == (20, 128)


def damaged(change: str) -> bytes:
    tensors = load(fitted())
    about = json.loads(fitted()[8 : 8 + int.from_bytes(fitted()[:8], "little")])["__metadata__"]
    task = json.loads(about["task"])
    match change:
        case "no tensor":
            tensors.pop("head.bias")
        case "nan":
            tensors["head.bias"][0] = np.nan
        case "classes":
            task["classes"] = ["0", "1"]
        case "version":
            task["version"] = 99
        case "nothing":
            task = {}
        case "list":
            task = [1]
    found: bytes = save(tensors, {"task": json.dumps(task)})
    return found


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("no tensor", "does not hold the tensors of the network"),
        ("classes", "does not hold the tensors of the network"),
        ("nan", "holds NaN or infinity"),
        ("version", "is of version 99 of the fit"),
        ("nothing", "does not say what it was fit on"),
        ("list", "does not say what it was fit on"),
    ],
)
def test_a_file_that_no_fit_made_is_refused(change: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(damaged(change))
    with pytest.raises(CheckpointError, match=rf"extractor task: w: {text}.*; expected weights"):
        build(read_asked(f"task={tmp_path}/w"))


def test_without_weights_there_is_nothing_to_build() -> None:
    with pytest.raises(ValueError, match="task names no place"):
        build(Asked("task"))
