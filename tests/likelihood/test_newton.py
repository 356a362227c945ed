"""Newton's method: functions whose maximum is known, and an honest reason at every end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from estkit.likelihood import newton

Floats = NDArray[np.float64]

# The target of the iteration is 1e-11 standard errors; the last step leaves less.
AT_MAXIMUM = 1e-10


class Quadratic:
    """A quadratic of given curvature and maximum."""

    def __init__(self, top: Any, curvature: Any) -> None:
        self.top, self.curvature = np.array(top, dtype=float), np.array(curvature, dtype=float)

    def __call__(self, t: Floats) -> tuple[float, Floats, Floats]:
        gradient = self.curvature @ (self.top - t)
        return -0.5 * float((self.top - t) @ gradient), gradient, self.curvature


class Logistic:
    """The log-likelihood of a logistic regression, which is concave and not quadratic."""

    def __init__(self, seed: int, size: int, unit: Any = 1.0) -> None:
        rng = np.random.default_rng(seed)
        self.X = rng.normal(size=(30 * size, size)) * unit
        self.y = rng.random(30 * size) < 0.5
        self.values: list[float] = []

    def __call__(self, t: Floats) -> tuple[float, Floats, Floats]:
        eta = self.X @ t
        p = 1 / (1 + np.exp(-np.clip(eta, -700, 700)))
        value = float(-np.logaddexp(0, np.where(self.y, -eta, eta)).sum())
        self.values.append(value)
        return value, self.X.T @ (self.y - p), (self.X.T * (p * (1 - p))) @ self.X


@given(seed=st.integers(0, 10**6), size=st.integers(1, 6))
def test_a_quadratic_takes_one_step(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    half = rng.normal(size=(size, size))
    top = rng.normal(size=size) * 10
    found = newton.maximise(Quadratic(top, half @ half.T + np.eye(size)), np.zeros(size))
    assert found.converged
    assert found.certificate.iterations <= 2  # one, and one more to polish the rounding
    np.testing.assert_allclose(found.point, top, rtol=1e-8)


@given(
    seed=st.integers(0, 10**6), size=st.integers(1, 5), distance=st.sampled_from([0.0, 1.0, 3.0])
)
def test_the_gradient_vanishes_at_the_maximum(seed: int, size: int, distance: float) -> None:
    objective = Logistic(seed, size)
    start = distance * np.random.default_rng(seed + 1).normal(size=size)
    found = newton.maximise(objective, start)
    assert found.converged
    _, gradient, information = objective(found.point)
    assert np.sqrt(gradient @ np.linalg.solve(information, gradient)) < AT_MAXIMUM


def test_the_accepted_values_never_fall() -> None:
    objective = Logistic(3, 4)
    found = newton.maximise(objective, np.full(4, 4.0))
    assert found.converged
    assert found.value >= max(objective.values) - 1e-12 * abs(found.value)


@pytest.mark.parametrize("unit", [1e-150, 1e-50, 1e-8, 1e8, 1e50, 1e150])
def test_the_unit_of_a_coordinate_does_not_matter(unit: float) -> None:
    units = np.array([unit, 1.0, 1 / unit])
    wanted, found = (
        newton.maximise(Logistic(5, 3, scale), np.zeros(3)) for scale in (np.ones(3), units)
    )
    assert found.converged
    np.testing.assert_allclose(found.point * units, wanted.point, rtol=1e-9)
    assert found.certificate.iterations == wanted.certificate.iterations
    assert found.certificate.condition == pytest.approx(wanted.certificate.condition, rel=1e-9)


def test_the_certificate_says_what_is_measured_at_the_point() -> None:
    objective = Logistic(7, 3)
    found = newton.maximise(objective, np.full(3, 0.5), max_iter=1)
    _, gradient, information = objective(found.point)
    unit = 1 / np.sqrt(np.diag(information))
    spectrum = np.linalg.eigvalsh(information * np.outer(unit, unit))
    certificate = found.certificate
    decrement = np.sqrt(gradient @ np.linalg.solve(information, gradient))
    assert certificate.newton_decrement == pytest.approx(decrement, rel=1e-9)
    assert certificate.relative_gradient == pytest.approx(np.abs(gradient * unit).max(), rel=1e-9)
    assert certificate.condition == pytest.approx(spectrum[-1] / spectrum[0], rel=1e-9)
    assert certificate.iterations == 1
    np.testing.assert_allclose(found.information, information, rtol=1e-12)
    np.testing.assert_allclose(found.inverse @ information, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(found.step, found.inverse @ gradient, rtol=1e-12)


def test_the_precision_is_in_standard_errors() -> None:
    start = np.full(2, 1.0)
    for precision in (0.5, 1e-3, 1e-8):
        found = newton.maximise(Logistic(11, 2), start, precision=precision)
        assert found.converged
        assert found.certificate.newton_decrement <= precision
    assert newton.maximise(Logistic(11, 2), start, precision=100.0).certificate.iterations == 0


# --- ends without an answer ---


def test_the_limit_is_named() -> None:
    found = newton.maximise(Logistic(9, 3), np.full(3, 2.0), max_iter=2)
    assert not found.converged
    assert found.certificate.iterations == 2
    assert "limit of 2 iterations" in found.certificate.reason


@pytest.mark.parametrize(
    "curvature", [(1, 0, 0), (1, 2, 1), (-1, 0, -1), (1, 1, 1), (np.nan, 0, 1), (np.inf, 0, 1)]
)
def test_an_indefinite_curvature_is_named(curvature: tuple[float, float, float]) -> None:
    first, mixed, second = curvature
    information = np.array([[first, mixed], [mixed, second]], dtype=float)
    found = newton.maximise(lambda t: (0.0, np.ones(2), information), np.zeros(2))
    assert not found.converged
    assert "not positive definite" in found.certificate.reason
    assert found.certificate.newton_decrement == np.inf
    assert np.isnan(found.inverse).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_is_named(value: float) -> None:
    found = newton.maximise(lambda t: (value, np.ones(1), np.eye(1)), np.zeros(1))
    assert not found.converged
    assert str(value) in found.certificate.reason


def test_a_gradient_of_the_wrong_sign_is_named() -> None:
    found = newton.maximise(lambda t: (-float(t @ t), 2 * t, 2 * np.eye(1)), np.ones(1))
    assert not found.converged
    assert "no step" in found.certificate.reason


def test_a_function_that_rises_for_ever_does_not_converge() -> None:
    def softplus(t: Floats) -> tuple[float, Floats, Floats]:
        p = 1 / (1 + np.exp(t[0]))
        return -float(np.log1p(np.exp(-t[0]))), np.array([p]), np.array([[p * (1 - p)]])

    found = newton.maximise(softplus, np.zeros(1), max_iter=25)
    assert not found.converged


def test_steps_into_the_impossible_are_halved() -> None:
    """log t - t from near 0: the first step would leave the half-line where it is defined."""

    def gamma(t: Floats) -> tuple[float, Floats, Floats]:
        if t[0] <= 0:
            return -np.inf, np.array([np.nan]), np.array([[np.nan]])
        return float(np.log(t[0]) - t[0]), 1 / t - 1, np.diag(1 / t**2)

    found = newton.maximise(gamma, np.array([2.5]))
    assert found.converged
    assert found.point[0] == pytest.approx(1.0, rel=AT_MAXIMUM)


def test_the_start_is_not_modified() -> None:
    start = np.array([1.0, 2.0])
    newton.maximise(Quadratic([3.0, 4.0], np.eye(2)), start)
    np.testing.assert_array_equal(start, [1.0, 2.0])


# --- functions that are not concave, or not defined everywhere ---


def well(t: Floats) -> tuple[float, Floats, Floats]:
    """Return log(1 + t²) - t² / 4 with its derivatives: a minimum at 0, maxima at ±√3."""
    x = float(t[0])
    value = np.log1p(x * x) - x * x / 4
    slope = 2 * x / (1 + x * x) - x / 2
    bend = 2 * (1 - x * x) / (1 + x * x) ** 2 - 0.5
    return value, np.array([slope]), np.array([[-bend]])


@pytest.mark.parametrize("start", [0.1, 0.5, 0.9, 40.0])
def test_a_stand_in_leads_to_a_maximum_where_the_curvature_is_wrong(start: float) -> None:
    found = newton.maximise(well, np.array([start]), stand_in=lambda t: np.eye(1))
    assert found.converged
    assert found.point[0] == pytest.approx(np.sqrt(3.0), abs=AT_MAXIMUM)
    np.testing.assert_allclose(found.information, well(found.point)[2], rtol=1e-9)  # its own


def test_without_a_stand_in_the_wrong_curvature_is_reported() -> None:
    found = newton.maximise(well, np.array([0.5]))
    assert not found.converged
    assert "not positive definite" in found.certificate.reason


def test_a_minimum_is_no_maximum_even_at_slope_0() -> None:
    found = newton.maximise(well, np.zeros(1), stand_in=lambda t: np.eye(1), max_iter=20)
    assert not found.converged


def test_the_line_search_steps_back_from_where_the_function_is_not_defined() -> None:
    """The maximum lies 1e-5 before the edge, beyond which full steps lead."""
    visited = []

    def objective(t: Floats) -> tuple[float, Floats, Floats]:
        x = float(t[0])
        visited.append(x)
        if x >= 1:
            return -np.inf, np.zeros(1), np.zeros((1, 1))
        room = 1 - x
        return x + 1e-5 * np.log(room), np.array([1 - 1e-5 / room]), np.array([[1e-5 / room**2]])

    found = newton.maximise(objective, np.zeros(1))
    assert found.converged
    assert found.point[0] == pytest.approx(1 - 1e-5, abs=1e-12)
    assert max(visited) >= 1


def test_patience_ends_where_no_step_halves_the_decrement_any_more() -> None:
    """-exp(-t) rises for ever: each Newton step has length 1, and its decrement falls by exp(½)."""

    def rising(t: Floats) -> tuple[float, Floats, Floats]:
        left = np.exp(-t)
        return -float(left[0]), left, np.diag(left)

    found = newton.maximise(rising, np.zeros(1), patience=3)
    assert not found.converged
    assert found.certificate.iterations == 4
    assert "hardly" in found.certificate.reason
    assert newton.maximise(rising, np.zeros(1), max_iter=9).certificate.iterations == 9
