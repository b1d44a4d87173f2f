from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from augment.checkpoints.nvidia import NvidiaNetwork, read_nvidia
from augment.errors import UnsafeCheckpoint
from tests.checkpoints.assembly import Call, G, Raw, dumps, embedded, ordered
from tests.checkpoints.nvidia_like import GRID, SOURCE, TENSORS, file, network, persistent


def check(found: NvidiaNetwork) -> None:
    assert (found.key, found.class_name) == ("G_ema", "Generator")
    assert found.init_args == [8]
    assert found.init_kwargs == {"mapping_kwargs": {"num_layers": 2}, "c_dim": 0}
    assert found.classes == {"": "Generator", "b4": "SynthesisLayer"}
    assert found.attributes == {
        "": {"z_dim": 8},
        "b4": {"resolution": 4, "conv_clamp": 256, "act_gain": 2.5},
    }
    assert list(found.tensors) == list(TENSORS)
    for name, value in TENSORS.items():
        assert found.tensors[name].dtype == value.numpy().dtype
        assert np.array_equal(found.tensors[name], value.numpy())
    assert found.buffers == {"b4.noise"}
    assert np.array_equal(found.transient["b4.grid"], GRID.numpy())
    sha256 = hashlib.sha256(SOURCE.encode()).hexdigest()
    assert found.source_sha256 == {"Generator": sha256, "SynthesisLayer": sha256}


@pytest.mark.parametrize("protocol", [3, 4])
@pytest.mark.parametrize("holder", [dict, ordered])
def test_a_network_as_old_and_new_torch_pickle_it(
    holder: Callable[[Any], Any], protocol: int
) -> None:
    found = read_nvidia(file(network(holder), protocol, G=None, augment_pipe=None))
    check(found)
    assert found.notes == ("left aside: 'training_set_kwargs'",)


def test_the_source_text_is_nowhere_in_what_is_found() -> None:
    assert "not the text" not in repr(read_nvidia(file(network())))


def test_sets_of_protocol_2() -> None:
    names = Call(G("__builtin__", "set"), (["grid"],))
    layer = persistent("L", {}, {"grid": GRID}, transient=names)
    found = read_nvidia(
        file(persistent("Generator", modules={"a": layer}, _init_args=(), _init_kwargs={}))
    )
    assert (list(found.tensors), list(found.transient)) == ([], ["a.grid"])


def test_the_plain_g_where_there_is_no_average() -> None:
    assert read_nvidia(file(None, G=network())).key == "G"
    assert read_nvidia(file(network(), G=network()), key="G").key == "G"
    with pytest.raises(UnsafeCheckpoint, match="no network; its keys are 'training_set_kwargs'"):
        read_nvidia(file(None))


def test_others_of_the_file_may_name_anything() -> None:
    found = read_nvidia(file(network(), D=Call(G("timm.models", "create_model"), ("x",))))
    check(found)
    assert "left aside: 'D' (names 'timm.models.create_model')" in found.notes


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    "value",
    [
        np.float32(2.5),
        np.int64(-3),
        np.bool_(True),
        np.arange(6).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array([1, 2], ">i4"),
        np.array([True, False]),
    ],
)
def test_numpy_values_become_plain(value: Any, protocol: int) -> None:
    """What numpy itself pickles stands among the attributes."""
    body = pickle.dumps(value, protocol)[2:-1]  # without PROTO and STOP
    if protocol >= 4:
        assert body[:1] == b"\x95"
        body = body[9:]  # nor FRAME
    found = read_nvidia(file(network(size=Raw(body))))
    assert found.attributes["b4"]["size"] == value.tolist()


@pytest.mark.parametrize("name", ["numpy.core", "numpy._core"])
def test_both_names_of_numpys_core(name: str) -> None:
    dtype = Call(
        G("numpy", "dtype"), ("f4", False, True), state=(3, "<", None, None, None, -1, -1, 0)
    )
    scalar = Call(G(f"{name}.multiarray", "scalar"), (dtype, np.float32(0.25).tobytes()))
    assert read_nvidia(file(network(size=scalar))).attributes["b4"]["size"] == 0.25


def test_an_attribute_that_is_a_tensor_is_left_aside() -> None:
    found = read_nvidia(file(network(filter=embedded(torch.ones(2)))))
    check(found)
    assert "left aside: the attribute 'b4.filter' (a tensor)" in found.notes


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (
            network(size=Call(G("os", "getcwd"))),
            r"the network 'G_ema' names 'os\.getcwd'; expected only tensors and plain values",
        ),
        (
            network(size=b"raw bytes"),
            "the attribute 'b4.size' holds bytes; expected numbers, texts, lists and dicts",
        ),
        (persistent("Generator"), r"_init_args holds|no constructor arguments"),
        (persistent("a b", _init_args=(), _init_kwargs={}), "has the class name 'a b'"),
        (embedded(torch.ones(1)), r"module '' is an object of 'torch\._utils\._rebuild_tensor_v2'"),
        ({}, "module '' is dict; expected an object of torch_utils"),
        (
            persistent("G", modules={"a.b": network()}, _init_args=(), _init_kwargs={}),
            "_modules of module '' has the name 'a.b'",
        ),
    ],
)
def test_what_is_no_network(value: Any, text: str) -> None:
    with pytest.raises(UnsafeCheckpoint, match=text):
        read_nvidia(file(value))


def test_a_numpy_array_of_objects() -> None:
    body = pickle.dumps(np.array([None, 1], object), 3)[2:-1]
    with pytest.raises(UnsafeCheckpoint, match=r"b4\.size' holds an object of 'numpy\._core\.mult"):
        read_nvidia(file(network(size=Raw(body))))


def test_a_tensorflow_pickle() -> None:
    networks = tuple(Call(G("dnnlib.tflib.network", "Network"), op=b"\x81") for _ in range(3))
    with pytest.raises(UnsafeCheckpoint) as caught:
        read_nvidia(dumps(networks), "stylegan2.pkl")
    assert str(caught.value) == (
        "stylegan2.pkl: a TensorFlow pickle (dnnlib.tflib.network.Network); expected one of the "
        "PyTorch programs; convert it with legacy.py of NVlabs/stylegan3"
    )


def test_a_nested_storage_is_named_in_its_error() -> None:
    damaged = file(network()).replace(b"\x80\x02M\xe9\x03.", b"\x80\x02M\xea\x03.")
    with pytest.raises(UnsafeCheckpoint) as caught:
        read_nvidia(damaged, "g.pkl")
    assert "g.pkl: storage at byte " in str(caught.value)
    assert "protocol 1002; expected 1001" in str(caught.value)
