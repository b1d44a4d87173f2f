"""The network that nobody trained: the same one everywhere and for ever."""

from __future__ import annotations

import numpy as np

from augment.features.random_network import WIDTHS, RandomNetwork, drawn, weights

PINNED = [1.1394463302012807, 0.42613420726025564, -0.12626282992190732]
SHA256 = "2a4e7a925fdbcf9ac0d27ec5d7e01272793f8f3b3d683d338d0edf0f2e79fb30"


def test_its_random_numbers_are_pinned() -> None:
    """A new version of the network gets a new `version`; features of this one are kept by it."""
    first = drawn()[0]
    assert first.shape == (32, 27)
    np.testing.assert_allclose(first[0, :3], PINNED, rtol=0, atol=1e-12)
    assert RandomNetwork().info.weights_sha256 == SHA256


def test_filters_are_orthogonal_where_there_is_room() -> None:
    for layer, weight in enumerate(weights()):
        outputs, inputs = WIDTHS[layer + 1], WIDTHS[layer] * 9
        rows = weight.reshape(outputs, -1).astype(np.float64)
        product = rows @ rows.T if outputs <= inputs else rows.T @ rows
        scale = product[0, 0]
        np.testing.assert_allclose(product, np.eye(len(product)) * scale, atol=1e-5)
        gain = 2 / (1 + 0.2**2)
        np.testing.assert_allclose(np.square(rows).sum() / outputs, gain, rtol=1e-5)
