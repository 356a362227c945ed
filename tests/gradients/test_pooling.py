"""Pools against torch in double precision, the transpose; ties, NaN and infinities."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from estkit.errors import DataError
from estkit.gradients import average_pool, max_pool

FILE = Path(__file__).parents[1] / "references/gradients/convolution.json"
REFERENCES = json.loads(FILE.read_text())
RULES = {"max": max_pool, "average": average_pool}

# Averages of a few numbers below 1, added in another order than torch's.
RELATIVE, ABSOLUTE = 1e-13, 1e-15
SINGLE = 1e-6

every_case = pytest.mark.parametrize(
    "case", REFERENCES["pools"], ids=lambda case: f"{case['kind']} {case['x']} {case['settings']}"
)


def numbers(shape: Any, seed: int) -> Any:
    """Return the numbers that make_gradients_convolution.py uses."""
    index = np.arange(int(np.prod(shape)), dtype=np.int64)
    return ((index * index * 31 + (index + seed) * (17 + seed)) % 997 / 997 - 0.5).reshape(shape)


@every_case
@pytest.mark.parametrize(
    ("dtype", "tolerances"),
    [(np.float64, (RELATIVE, ABSOLUTE)), (np.float32, (SINGLE, SINGLE))],
)
def test_value_and_gradient_are_those_of_torch(
    case: dict[str, Any], dtype: Any, tolerances: tuple[float, float]
) -> None:
    x = numbers(case["x"], 5).astype(dtype)
    before = x.copy()
    value, vjp = RULES[case["kind"]](x, case["kernel"], **case["settings"])
    (gradient,) = vjp(numbers(value.shape, 4))
    assert list(value.shape) == case["shape"]
    assert gradient.shape == x.shape
    assert {value.dtype, gradient.dtype} == {np.dtype(dtype)}
    np.testing.assert_allclose(value.ravel(), case["value"], *tolerances)
    np.testing.assert_allclose(gradient.ravel(), case["gradient"], *tolerances)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("case", REFERENCES["odd"], ids=str)
def test_ties_missing_and_infinite_numbers_go_where_torch_sends_them(case: dict[str, Any]) -> None:
    value, vjp = max_pool([case["x"]], case["kernel"], **case["settings"])
    (gradient,) = vjp(numbers(value.shape, 4))
    np.testing.assert_array_equal(value.ravel(), case["value"])
    np.testing.assert_allclose(gradient.ravel(), case["gradient"], RELATIVE, ABSOLUTE)


@every_case
def test_the_way_back_is_the_transpose(case: dict[str, Any]) -> None:
    # Both pools are homogeneous, value(x) = J(x) x: so <value, u> = <x, Jᵀ u>.
    x = numbers(case["x"], 8)
    value, vjp = RULES[case["kind"]](x, case["kernel"], **case["settings"])
    u = numbers(value.shape, 9)
    assert np.vdot(value, u) == pytest.approx(np.vdot(x, vjp(u)[0]), abs=1e-12)


@pytest.mark.parametrize("rule", [max_pool, average_pool])
def test_many_images_give_what_each_gives_alone(rule: Any) -> None:
    x = np.random.default_rng(3).standard_normal((9, 6, 40, 41)).transpose(0, 1, 3, 2)
    value, vjp = rule(x, 3, stride=2, padding=1)
    u = numbers(value.shape, 1)
    (gradient,) = vjp(u)
    for one, its_value, its_u, its_gradient in zip(x, value, u, gradient, strict=True):
        alone, back = rule(one, 3, stride=2, padding=1)
        np.testing.assert_array_equal(its_value, alone)
        np.testing.assert_array_equal(its_gradient, back(its_u)[0])


@pytest.mark.parametrize("rule", [max_pool, average_pool])
def test_whole_numbers_and_empty_batches(rule: Any) -> None:
    assert rule(np.arange(16).reshape(1, 4, 4), 4).value.dtype == np.float64
    for shape, wanted in [((0, 2, 4, 4), (0, 2, 2, 2)), ((3, 0, 4, 4), (3, 0, 2, 2))]:
        value, vjp = rule(np.ones(shape), 2)
        assert value.shape == wanted
        assert vjp(value)[0].shape == shape


@pytest.mark.parametrize("rule", [max_pool, average_pool])
@pytest.mark.parametrize(
    ("shape", "settings", "told"),
    [
        ((1, 2, 3, 3), {"kernel": 4}, "empty: the window spans 4 rows"),
        ((1, 2, 0, 3), {"kernel": 1}, "empty"),
        ((1, 2, 5, 5), {"kernel": 2, "padding": 2}, "more than half of the kernel"),
        ((1, 2, 5, 5), {"kernel": 2, "stride": 0}, "stride is 0"),
        ((5, 5), {"kernel": 2}, r"x has the shape \(5, 5\)"),
    ],
)
def test_what_cannot_be_pooled_is_named(rule: Any, shape: Any, settings: Any, told: str) -> None:
    with pytest.raises(DataError, match=told):
        rule(np.ones(shape), **settings)


@pytest.mark.parametrize("divisor", [0, 2.0, True, -1])
def test_a_divisor_is_a_whole_number(divisor: Any) -> None:
    with pytest.raises(DataError, match="divisor_override"):
        average_pool(np.ones((1, 2, 2)), 2, divisor_override=divisor)


def test_an_upstream_gradient_of_another_shape_is_refused() -> None:
    with pytest.raises(DataError, match="give ∂L/∂value"):
        max_pool(np.ones((1, 4, 4)), 2).vjp(1.0)
