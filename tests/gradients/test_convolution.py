"""The convolution against torch in double precision, its transpose, differences and plain sums."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from estkit.errors import DataError
from estkit.gradients import convolution

FILE = Path(__file__).parents[1] / "references/gradients/convolution.json"
CASES = json.loads(FILE.read_text())["convolutions"]

# Sums of up to some hundred products of numbers below 1, in another order than torch's.
RELATIVE, ABSOLUTE = 1e-12, 1e-13
SINGLE = 2e-5  # of sums of the same in float32

every_case = pytest.mark.parametrize(
    "case", CASES, ids=[f"{i} {case['settings']}" for i, case in enumerate(CASES)]
)


def numbers(shape: Any, seed: int) -> Any:
    """Return the numbers that make_gradients_convolution.py uses."""
    index = np.arange(int(np.prod(shape)), dtype=np.int64)
    return ((index * index * 31 + (index + seed) * (17 + seed)) % 997 / 997 - 0.5).reshape(shape)


def inputs(case: dict[str, Any]) -> list[Any]:
    bias = [numbers(case["filters"][:1], 3)] if case["bias"] else []
    return [numbers(case["x"], 1), numbers(case["filters"], 2), *bias]


def draw(*shape: int) -> Any:
    return np.random.default_rng(7).standard_normal(shape)


@pytest.fixture(params=[None, 200], ids=["whole", "in tiles"])
def tile(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut the work into single rows, as large images are cut, and into threads."""
    if request.param is not None:
        module = import_module("estkit.gradients.convolution")
        monkeypatch.setattr(module, "_TILE", request.param)
        monkeypatch.setattr(module, "_WORTH_THREADS", 0)


@every_case
@pytest.mark.usefixtures("tile")
def test_value_and_gradients_are_those_of_torch(case: dict[str, Any]) -> None:
    given = inputs(case)
    value, vjp = convolution(*given, **case["settings"])
    assert list(value.shape) == case["shape"]
    np.testing.assert_allclose(value.ravel(), case["value"], RELATIVE, ABSOLUTE)
    gradients = vjp(numbers(value.shape, 4))
    assert [g.shape for g in gradients] == [a.shape for a in given]
    for found, wanted in zip(gradients, case["gradients"], strict=True):
        np.testing.assert_allclose(found.ravel(), wanted, RELATIVE, ABSOLUTE)


@every_case
def test_single_precision_stays_single(case: dict[str, Any]) -> None:
    given = [array.astype(np.float32) for array in inputs(case)]
    value, vjp = convolution(*given, **case["settings"])
    gradients = vjp(numbers(value.shape, 4))
    assert {array.dtype for array in (value, *gradients)} == {np.dtype(np.float32)}
    for found, wanted in zip([value, *gradients], [case["value"], *case["gradients"]], strict=True):
        np.testing.assert_allclose(found.ravel(), wanted, SINGLE, SINGLE)


@every_case
def test_the_way_back_is_the_transpose(case: dict[str, Any]) -> None:
    # <conv(x), u> = <x, convᵀ(u)>, exactly linear in x and in the filters.
    x, filters = inputs(case)[:2]
    value, vjp = convolution(x, filters, **case["settings"])
    u = draw(*value.shape)
    to_x, to_filters = vjp(u)
    there = np.vdot(value, u)
    size = np.linalg.norm(value) * np.linalg.norm(u)
    assert abs(there - np.vdot(x, to_x)) <= RELATIVE * size
    assert abs(there - np.vdot(filters, to_filters)) <= RELATIVE * size


def test_unequal_padding_is_that_of_an_input_with_zeros_around_it() -> None:
    x, filters = draw(2, 3, 5, 6), draw(4, 3, 3, 2)
    wide = np.pad(x, ((0, 0), (0, 0), (2, 0), (1, 3)))
    value, vjp = convolution(x, filters, padding=((2, 0), (1, 3)), stride=2)
    wanted, back = convolution(wide, filters, stride=2)
    np.testing.assert_allclose(value, wanted, RELATIVE, ABSOLUTE)
    u = draw(*value.shape)
    np.testing.assert_allclose(vjp(u)[0], back(u)[0][:, :, 2:, 1:-3], RELATIVE, ABSOLUTE)
    np.testing.assert_allclose(vjp(u)[1], back(u)[1], RELATIVE, ABSOLUTE)


def test_any_layout_in_memory_gives_the_same_and_is_left_alone() -> None:
    x, filters = draw(3, 4, 6, 5), draw(2, 4, 3, 3)
    there, back = convolution(x, filters, padding=1)
    turned = np.asfortranarray(x)
    value, vjp = convolution(turned, filters[:, :, ::-1, ::-1][:, :, ::-1, ::-1], padding=1)
    u = draw(*value.shape)
    np.testing.assert_allclose(value, there, RELATIVE, ABSOLUTE)
    for found, wanted in zip(vjp(np.asfortranarray(u)), back(u), strict=True):
        np.testing.assert_allclose(found, wanted, RELATIVE, ABSOLUTE)
    np.testing.assert_array_equal(turned, x)


def test_whole_numbers_and_half_precision_become_float64() -> None:
    x = np.arange(16, dtype=np.uint8).reshape(1, 4, 4)
    value, vjp = convolution(x, np.full((1, 1, 2, 2), 200, dtype=np.int16))
    assert value.dtype == np.float64
    assert value[0, 2, 2] == 200 * (10 + 11 + 14 + 15)
    assert vjp(np.ones((1, 3, 3), dtype=int))[1].tolist() == [[[[45.0, 54.0], [81.0, 90.0]]]]
    half = convolution(x.astype(np.float16), np.ones((1, 1, 2, 2), np.float16)).value
    assert half.dtype == np.float64


def test_no_images_no_channels_and_no_filters_give_what_an_empty_sum_gives() -> None:
    value, vjp = convolution(np.ones((0, 2, 5, 5)), np.ones((3, 2, 3, 3)), np.ones(3))
    assert value.shape == (0, 3, 3, 3)
    to_x, to_filters, to_bias = vjp(value)
    assert to_x.shape == (0, 2, 5, 5)
    assert not to_filters.any()
    assert not to_bias.any()
    value, vjp = convolution(np.ones((2, 0, 5, 5)), np.ones((3, 0, 3, 3)), [1.0, 2.0, 3.0])
    assert value[1, :, 2, 2].tolist() == [1.0, 2.0, 3.0]
    assert [g.shape for g in vjp(value)] == [(2, 0, 5, 5), (3, 0, 3, 3), (3,)]
    value, vjp = convolution(np.ones((2, 1, 5, 5)), np.ones((0, 1, 3, 3)))
    assert value.shape == (2, 0, 3, 3)
    assert not vjp(value)[0].any()


@pytest.mark.parametrize(
    ("given", "settings", "told"),
    [
        ((draw(2, 3, 4, 4), draw(2, 3, 5, 3)), {}, "empty: the filter spans 5 rows"),
        ((draw(2, 3, 4, 4), draw(2, 3, 3, 3)), {"groups": 2}, "2 groups do not divide the 3 chann"),
        ((draw(2, 4, 4, 4), draw(3, 2, 3, 3)), {"groups": 2}, "2 groups do not divide the 3 filt"),
        ((draw(2, 4, 4, 4), draw(4, 4, 3, 3)), {"groups": 2}, "a filter sees 2; but"),
        ((draw(2, 3, 4, 4), draw(2, 1, 3, 3)), {}, "x has 3 channels"),
        ((draw(2, 3, 4, 4), draw(2, 3, 3, 3)), {"groups": 0}, "groups is 0"),
        ((draw(2, 3, 4, 4), draw(2, 3, 3, 3)), {"groups": 1.0}, "groups is 1.0"),
        ((draw(2, 3, 4, 4), draw(2, 3, 3, 3)), {"stride": 0}, "stride is 0"),
        ((draw(4, 4), draw(2, 3, 3, 3)), {}, r"x has the shape \(4, 4\); give images as"),
        ((draw(2, 3, 4, 4), draw(3, 3, 3)), {}, r"filters have the shape \(3, 3, 3\)"),
        ((draw(2, 3, 4, 4), draw(2, 3, 0, 3)), {}, r"filters have the shape \(2, 3, 0, 3\)"),
        ((draw(2, 3, 4, 4), draw(2, 3, 3, 3), draw(3)), {}, "bias has the shape"),
        (
            (draw(2, 3, 4, 4) + 1j, draw(2, 3, 3, 3)),
            {},
            "x must hold real numbers; it has dtype complex128",
        ),
        (([[["a"]]], draw(2, 3, 3, 3)), {}, "must hold real numbers"),
    ],
)
def test_what_cannot_be_convolved_is_named(given: Any, settings: Any, told: str) -> None:
    with pytest.raises(DataError, match=told):
        convolution(*given, **settings)


def test_an_upstream_gradient_of_another_shape_is_refused() -> None:
    rule = convolution(draw(2, 1, 4, 4), draw(3, 1, 3, 3))
    with pytest.raises(
        DataError, match=r"shape \(2, 3, 4, 4\), but the value has shape \(2, 3, 2, 2\)"
    ):
        rule.vjp(np.ones((2, 3, 4, 4)))
