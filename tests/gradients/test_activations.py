"""Activations and their derivatives are right to the last digits, by mpmath with 1000 of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from estkit import DataError, gradients

FILE = Path(__file__).parents[1] / "references" / "gradients" / "activations.json"
TABLE = json.loads(FILE.read_text(encoding="utf-8"))
X = np.array(TABLE["x"])
FORMS = TABLE["forms"]

UNITS = 6  # of the last place: numpy and scipy promise no more of exp, tanh and erfcx
SINGLE_UNITS = 8
ROOT = (-1.0, -0.5)  # the derivative of GELU changes sign in here: it is right absolutely


def slope(rule: gradients.Rule, x: np.ndarray) -> Any:
    return rule.vjp(np.ones_like(x))[0]


def units(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return errors in units of the last place."""
    same = (found == wanted) | ~np.isfinite(wanted)
    found, wanted = np.where(same, 1, found), np.where(same, 1, wanted)
    return np.abs(found - wanted) / np.spacing(np.abs(wanted))


def compute(name: str, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rule = getattr(gradients, name.split()[0])(x, **FORMS[name]["options"])
    return rule.value, slope(rule, x)


@pytest.mark.parametrize("name", FORMS)
def test_values_are_right_to_the_last_digits(name: str) -> None:
    wanted = np.array(FORMS[name]["value"], dtype=float)
    found, _ = compute(name, X)
    np.testing.assert_array_equal(np.isinf(found), np.isinf(wanted))
    assert units(found, wanted).max() <= UNITS


@pytest.mark.parametrize("name", FORMS)
def test_derivatives_are_right_to_the_last_digits(name: str) -> None:
    wanted = np.array(FORMS[name]["derivative"], dtype=float)
    _, found = compute(name, X)
    np.testing.assert_array_equal(np.isinf(found), np.isinf(wanted))
    near_root = name.startswith("gelu") & (X > ROOT[0]) & (X < ROOT[1])
    assert units(found, wanted)[~near_root].max() <= UNITS
    off = np.abs(found[near_root] - wanted[near_root])
    assert off.max(initial=0) <= UNITS * np.spacing(0.5)


@pytest.mark.parametrize("name", FORMS)
def test_single_precision_too(name: str) -> None:
    # The numbers that both precisions hold, and where float32 neither overflows nor underflows.
    at = X[(np.abs(X) < 60) & (np.abs(X) > 1e-30)].astype(np.float32)
    for found, exact in zip(compute(name, at), compute(name, at.astype(float)), strict=True):
        assert found.dtype == np.float32
        held = (np.abs(exact) > 1e-30) & ~((at > ROOT[0]) & (at < ROOT[1]))
        assert units(found, exact.astype(np.float32))[held].max() <= SINGLE_UNITS


@pytest.mark.parametrize("name", FORMS)
def test_the_ends_of_the_line_have_their_limits(name: str) -> None:
    ends = np.array([-np.inf, np.inf])
    far, there = compute(name, np.array([-1e300, 1e300])), compute(name, ends)
    np.testing.assert_array_equal(there[1], far[1])
    grown = np.where(np.abs(far[0]) > 1e290, np.copysign(np.inf, far[0]), far[0])
    np.testing.assert_array_equal(there[0], grown)


@pytest.mark.parametrize("name", FORMS)
def test_missing_numbers_stay_missing_and_touch_nothing_else(name: str) -> None:
    x = np.array([-2.0, np.nan, 2.0])
    value, derivative = compute(name, x)
    np.testing.assert_array_equal(np.isnan(value), np.isnan(x))
    if name != "identity":
        np.testing.assert_array_equal(np.isnan(derivative), np.isnan(x))


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (2, 0, 2), (1, 1)])
def test_any_shape_will_do(name: str, shape: tuple[int, ...]) -> None:
    value, derivative = compute(name, np.zeros(shape))
    assert np.shape(value) == np.shape(derivative) == shape


def test_kinks_have_the_slope_from_the_left() -> None:
    x = np.array([0.0, -0.0])
    assert slope(gradients.relu(x), x).tolist() == [0.0, 0.0]
    assert slope(gradients.leaky_relu(x, slope=0.1), x).tolist() == [0.1, 0.1]
    assert slope(gradients.prelu(x, 0.3), x).tolist() == [0.3, 0.3]
    assert slope(gradients.elu(x, alpha=2.0), x).tolist() == [2.0, 2.0]


def test_elu_scales_its_left_side_by_alpha() -> None:
    x = -np.geomspace(1e-12, 30.0, 50)
    one, three = gradients.elu(x), gradients.elu(x, alpha=3.0)
    assert units(three.value, 3 * one.value).max() <= 1
    assert units(slope(three, x), 3 * slope(one, x)).max() <= 1


def test_prelu_does_not_let_infinite_entries_spoil_its_slope() -> None:
    to_x, to_slope = gradients.prelu([-2.0, np.inf], 0.5).vjp([1.0, 1.0])
    assert to_x.tolist() == [0.5, 1.0]
    assert to_slope == -2.0


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: gradients.prelu(np.zeros((2, 3)), np.zeros(2)), r"x of shape \(2, 3\) and slope"),
        (lambda: gradients.prelu(np.zeros(3), np.zeros((2, 3))), r"slope of shape \(2, 3\) does"),
        (lambda: gradients.leaky_relu([1.0], slope=np.nan), "slope must be a finite number, not"),
        (lambda: gradients.elu([1.0], alpha=[1.0, 2.0]), "alpha must be a finite number, not"),  # type: ignore[arg-type]
    ],
)
def test_what_does_not_fit_is_refused(call: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        call()
