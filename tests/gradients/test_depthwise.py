"""Depthwise convolution against the convolution of every channel for itself."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest

from estkit.gradients import convolution

ROUNDING = 1e-13  # of sums of some hundred products of numbers near 1
SETTINGS: list[dict[str, Any]] = [
    {},
    {"padding": 1},
    {"padding": (3, 4)},
    {"padding": ((0, 2), (1, 0)), "dilation": (2, 1)},
    {"padding": "same", "dilation": 2},
    {"padding": 2, "stride": (1, 2)},
]


def channel_by_channel(x: Any, filters: Any, up: Any, settings: Any) -> list[Any]:
    """Return the value and both gradients, from as many convolutions of one channel."""
    found = []
    each = len(filters) // x.shape[1]
    for c in range(x.shape[1]):
        part = slice(c * each, (c + 1) * each)
        value, vjp = convolution(x[:, c : c + 1], filters[part], **settings)
        found.append((value, *vjp(up[:, part])))
    values, to_x, to_filters = zip(*found, strict=True)
    return [np.concatenate(values, 1), np.concatenate(to_x, 1), np.concatenate(to_filters)]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("filters", [1, 3], ids=["a filter each", "three each"])
@pytest.mark.parametrize("tile", [1 << 21, 1 << 13], ids=["whole", "in tiles"])
def test_each_channel_is_convolved_for_itself(
    settings: Any, filters: int, tile: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("estkit.gradients.depthwise"), "_TILE", tile)
    rng = np.random.default_rng(filters)
    x, kernels = rng.standard_normal((2, 4, 6, 7)), rng.standard_normal((4 * filters, 1, 3, 2))
    value, vjp = convolution(x, kernels, groups=4, **settings)
    up = rng.standard_normal(value.shape)
    wanted = channel_by_channel(x, kernels, up, settings)
    for found, right in zip((value, *vjp(up)), wanted, strict=True):
        np.testing.assert_allclose(found, right, ROUNDING, ROUNDING)


@pytest.mark.parametrize("where", ["image", "filter", "upstream"])
def test_what_is_not_finite_stays_where_it_belongs(where: str) -> None:
    rng = np.random.default_rng(0)
    x, filters, up = (rng.random(shape) for shape in ((1, 2, 5, 5), (2, 1, 3, 2), (1, 2, 3, 4)))
    {"image": x, "filter": filters, "upstream": up}[where][0, 0, 0, -1] = np.inf
    value, vjp = convolution(x, filters, groups=2)
    wanted = channel_by_channel(x, filters, up, {})
    for found, right in zip((value, *vjp(up)), wanted, strict=True):
        np.testing.assert_allclose(found, right, ROUNDING, ROUNDING)
