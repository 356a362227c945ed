"""What goes wrong with a user's likelihood ends in the right numbers or in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import special

import estkit as ek

Floats = NDArray[np.float64]

RNG = np.random.default_rng(3)
Y = RNG.normal(3.0, 2.0, size=80)
POSITIVE = {"sigma": (0, None)}
START = {"mu": 0.0, "sigma": 1.0}


def normal(params: Any, y: Floats) -> Floats:
    return -np.log(params.sigma) - 0.5 * ((y - params.mu) / params.sigma) ** 2


def zero_inflated(params: Any, y: Floats) -> Floats:
    zero = np.log(params.p + (1 - params.p) * np.exp(-params.rate))
    return np.where(y == 0, zero, np.log1p(-params.p) - params.rate + y * np.log(params.rate))


def student(params: Any, y: Floats) -> Floats:
    nu, z = params.nu, (y - params.mu) / params.sigma
    constant = special.gammaln((nu + 1) / 2) - special.gammaln(nu / 2) - np.log(nu) / 2
    return constant - np.log(params.sigma) - (nu + 1) / 2 * np.log1p(z**2 / nu)


def refusal(kind: type[ek.EstkitError], like: ek.Likelihood, *data: Any, **options: Any) -> str:
    with pytest.raises(kind) as caught:
        ek.fit(like, *data, **options)
    return str(caught.value)


# --- there is no maximum ---


def test_a_maximum_at_a_lower_bound_is_named_with_its_loglik() -> None:
    y = np.array([1, 2, 3, 3, 4, 5, 2, 1, 1])  # without a 0 there is no excess of zeros
    like = ek.Likelihood(
        zero_inflated, {"p": 0.5, "rate": 1.0}, bounds={"p": (0, 1), "rate": (0, None)}
    )
    told = refusal(ek.ConvergenceError, like, y)
    level = (-y.mean() + y * np.log(y.mean())).sum()
    assert "p → 0 (its lower bound)" in told
    assert f"{level:.8g}" in told
    assert "fixed={'p': 0}" in told
    assert f"rate = {y.mean():.6g}" in told


def test_the_remedy_for_a_bound_works() -> None:
    y = np.array([1, 2, 3, 3, 4, 5, 2, 1, 1])
    like = ek.Likelihood(zero_inflated, {"rate": 1.0}, bounds={"rate": (0, None)}, fixed={"p": 0})
    fit = ek.fit(like, y)
    assert fit.names == ("rate",)
    assert fit.params[0] == pytest.approx(y.mean(), rel=1e-9)
    assert "Fixed: p = 0." in str(fit)


def test_a_maximum_at_an_upper_bound_is_named() -> None:
    like = ek.Likelihood(
        lambda params, y: np.where(y, np.log(params.p), np.log1p(-params.p)),
        {"p": 0.5},
        bounds={"p": (0, 1)},
    )
    told = refusal(ek.ConvergenceError, like, np.ones(10, dtype=bool))
    assert "p → 1 (its upper bound)" in told


def test_degrees_of_freedom_that_go_to_infinity_are_named() -> None:
    y = np.linspace(-1.0, 1.0, 41)  # lighter tails than the normal has
    like = ek.Likelihood(
        student,
        {"mu": 0.1, "sigma": 1.0, "nu": 5.0},
        bounds={"sigma": (0, None), "nu": (0, None)},
    )
    told = refusal(ek.ConvergenceError, like, y)
    assert "nu → infinity" in told
    assert f"sigma = {y.std():.4f}"[:12] in told


@pytest.mark.parametrize("seed", range(12))
def test_an_excess_of_zeros_decides_whether_there_is_a_maximum_inside(seed: int) -> None:
    y = np.random.default_rng(seed).poisson(2.0, size=60)
    like = ek.Likelihood(
        zero_inflated, {"p": 0.5, "rate": 1.0}, bounds={"p": (0, 1), "rate": (0, None)}
    )
    fit = ek.fit(like, y, errors="return")
    # the derivative to p at p = 0 has the sign of the excess over exp(-mean)
    assert fit.converged == ((y == 0).mean() > np.exp(-y.mean()))
    assert fit.converged or "p → 0 (its lower bound)" in fit.reason


@pytest.mark.parametrize("seed", range(12))
def test_the_kurtosis_decides_whether_degrees_of_freedom_are_finite(seed: int) -> None:
    y = np.random.default_rng(seed).normal(size=60)
    start = {"mu": 0.0, "sigma": 1.0, "nu": 5.0}
    like = ek.Likelihood(student, start, bounds={"sigma": (0, None), "nu": (0, None)})
    fit = ek.fit(like, y, errors="return")
    z = (y - y.mean()) / y.std()
    assert fit.converged == ((z**4).mean() > 3.0)
    assert fit.converged or "nu → infinity" in fit.reason


def test_a_likelihood_without_limit_is_called_that() -> None:
    like = ek.Likelihood(normal, START, bounds=POSITIVE)
    told = refusal(ek.ConvergenceError, like, np.full(5, 2.0))
    assert "no maximum" in told
    assert "sigma → 0" in told


def test_a_separated_logit_goes_to_infinity() -> None:
    def logit(params: Floats, x: Floats, y: Any) -> Floats:
        eta = params[0] + params[1] * x
        return np.where(y, -np.logaddexp(0, -eta), -np.logaddexp(0, eta))

    x = np.array([1.0, 2.0, 3.0, 4.0])
    told = refusal(ek.ConvergenceError, ek.Likelihood(logit, [0.0, 0.0]), x, x > 2.5)
    assert "theta0 → -infinity, theta1 → infinity" in told


def test_errors_return_gives_the_reason_and_no_numbers() -> None:
    like = ek.Likelihood(normal, START, bounds=POSITIVE)
    fit = ek.fit(like, np.full(5, 2.0), errors="return")
    assert not fit.converged
    assert "sigma" in fit.reason
    assert np.isnan(fit.params).all()
    assert "Not converged" in str(fit)


# --- the wrong sign ---


@pytest.mark.parametrize("factor", [-1.0, -2.0])
def test_a_negative_loglik_is_suspected(factor: float) -> None:
    like = ek.Likelihood(lambda p, y: factor * normal(p, y), START, bounds=POSITIVE)
    told = refusal(ek.ConvergenceError, like, Y)
    assert "seems to return the negative of the log-likelihood" in told


def test_a_negative_loglik_with_an_exponential_is_suspected() -> None:
    like = ek.Likelihood(lambda p, y: np.exp(p["eta"]) - y * p["eta"], {"eta": 0.0})
    told = refusal(ek.ConvergenceError, like, np.array([1, 0, 3, 2, 2]))
    assert "negative of the log-likelihood" in told
    assert "eta = 0.47" in told


# --- not identified ---


@pytest.mark.parametrize("method", ["complex", "differences"])
def test_parameters_of_which_only_the_sum_matters_are_named(method: str) -> None:
    like = ek.Likelihood(
        lambda p, y: -0.5 * (y - p.a - p.b) ** 2 - 0.5 * (y**2 - p.c) ** 2,
        {"a": 0.0, "b": 0.0, "c": 1.0},
        derivatives=method,
    )
    told = refusal(ek.RankError, like, Y)
    assert told.startswith("'a', 'b' are not identified")


@pytest.mark.parametrize("method", ["complex", "differences"])
def test_a_product_of_bounded_parameters_is_named(method: str) -> None:
    like = ek.Likelihood(
        lambda p, y: -np.log(p.a * p.b) - np.abs(y) / (p.a * p.b),
        {"a": 1.0, "b": 3.0},
        bounds={"a": (0, None), "b": (0, None)},
        derivatives=method,
    )
    assert refusal(ek.RankError, like, Y).startswith("'a', 'b' are not identified")


@pytest.mark.parametrize("method", ["complex", "differences"])
def test_a_parameter_that_is_not_used_is_named(method: str) -> None:
    like = ek.Likelihood(
        lambda p, y: -0.5 * (y - p.mu) ** 2, {"mu": 0.0, "lost": 2.0}, derivatives=method
    )
    assert "does not depend on 'lost'" in refusal(ek.RankError, like, Y)


def test_nearly_dependent_columns_are_fitted_all_the_same() -> None:
    x = np.linspace(0.0, 1.0, 60)
    X = np.column_stack([np.ones(60), x, x + 1e-4 * np.sin(20 * x)])
    y = X @ [1.0, 2.0, 3.0] + RNG.normal(size=60)
    like = ek.Likelihood(lambda p, X, y: -0.5 * (y - X @ p) ** 2, np.zeros(3))
    fit = ek.fit(like, X, y)
    np.testing.assert_allclose(fit.params, np.linalg.lstsq(X, y, rcond=None)[0], rtol=1e-6)


# --- values that are no numbers ---


def test_a_start_without_a_value_is_refused_with_its_parameters() -> None:
    told = refusal(ek.DataError, ek.Likelihood(normal, {"mu": 0.0, "sigma": -1.0}), Y)
    assert "nan at the start" in told
    assert "sigma = -1" in told


def test_the_row_without_a_value_is_named() -> None:
    y = Y.copy()
    y[7] = np.nan
    assert "row 7" in refusal(ek.DataError, ek.Likelihood(normal, START), y)


def test_steps_to_where_there_is_no_value_are_taken_back() -> None:
    # Without bounds, sigma may be tried where its logarithm is NaN.
    fit = ek.fit(ek.Likelihood(normal, {"mu": 40.0, "sigma": 0.5}), Y)
    np.testing.assert_allclose(fit.params, [Y.mean(), Y.std()], rtol=1e-8)


def test_exceptions_of_the_function_say_where_they_came_from() -> None:
    def picky(params: Any, y: Floats) -> Floats:
        if params.mu > 1.0:
            raise ZeroDivisionError("boom")
        return -0.5 * (y - params.mu) ** 2

    with pytest.raises(ZeroDivisionError) as caught:
        ek.fit(ek.Likelihood(picky, {"mu": 0.0}), Y)
    assert "Raised by the log-likelihood at mu = " in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda y: np.add.outer(y, y), "shape (80, 80)"),
        (lambda y: None, "returned NoneType"),
        (lambda y: y + 1j, "complex numbers"),
        (lambda y: "text", "returned str"),
    ],
)
def test_answers_of_another_form_are_refused(answer: Any, told: str) -> None:
    like = ek.Likelihood(lambda p, y: answer(y), {"mu": 0.0})
    assert told in refusal(ek.DataError, like, Y)


# --- functions that misbehave ---


def test_a_random_function_is_refused() -> None:
    rng = np.random.default_rng(1)
    like = ek.Likelihood(lambda p, y: -((y - p.mu) ** 2) + rng.normal(), {"mu": 0.0})
    assert "for the same parameters" in refusal(ek.DataError, like, Y)


def test_an_array_cannot_be_changed_by_the_function() -> None:
    def greedy(params: Any, y: Floats) -> Floats:
        y -= 1.0
        return -0.5 * (y - params.mu) ** 2

    before = Y.copy()
    with pytest.raises(ValueError, match="read-only"):
        ek.fit(ek.Likelihood(greedy, {"mu": 0.0}), Y)
    np.testing.assert_array_equal(before, Y)


def test_a_change_of_a_frame_is_noticed() -> None:
    def greedy(params: Any, frame: Any) -> Any:
        frame["seen"] = 1
        return -0.5 * (frame["y"] - params.mu) ** 2

    told = refusal(ek.DataError, ek.Likelihood(greedy, {"mu": 0.0}), pd.DataFrame({"y": Y}))
    assert "changed the data" in told


@pytest.mark.parametrize("start", [{"mu": 0.0}, [0.0]])
def test_parameters_cannot_be_changed_by_the_function(start: Any) -> None:
    def greedy(params: Any, y: Floats) -> Floats:
        params["mu" if isinstance(start, dict) else 0] = 1.0
        return -0.5 * y**2

    with pytest.raises((TypeError, ValueError), match=r"item assignment|read-only"):
        ek.fit(ek.Likelihood(greedy, start), Y)


def test_noise_too_small_to_see_at_first_limits_the_certificate() -> None:
    def rough(params: Any, y: Floats) -> Floats:
        return -0.5 * (y - params.mu) ** 2 + 1e-6 * np.sin(1e9 * params.mu * y)

    fit = ek.fit(ek.Likelihood(rough, {"mu": 0.0}), Y)
    assert fit.derivative_error > 1e-7
    assert abs(fit.params[0] - Y.mean()) < 10 * fit.derivative_error * fit.std_errors[0]
    assert "error of the derivatives" in fit.reason


def test_kinks_are_no_maximum_that_can_be_certified() -> None:
    like = ek.Likelihood(lambda p, y: -np.abs(y - p.mu), {"mu": 0.0})
    assert "kinks" in refusal(ek.ConvergenceError, like, Y[:30])


def test_a_law_that_ends_at_the_largest_value_is_said_to_have_an_edge() -> None:
    y = RNG.random(50)
    like = ek.Likelihood(
        lambda p, y: np.where(y <= p.b, -np.log(p.b), -np.inf), {"b": 2.0}, bounds={"b": (0, None)}
    )
    assert "edge beyond which it has no finite value" in refusal(ek.ConvergenceError, like, y)


def test_a_bound_is_named_where_the_function_loses_its_digits() -> None:
    # Without overdispersion the size goes to infinity, and differences of gammaln become noise.
    y = np.random.default_rng(5).binomial(20, 0.3, size=200)

    def negative_binomial(params: Any, y: Any) -> Floats:
        size = 1 / params.alpha
        rows = special.gammaln(y + size) - special.gammaln(size)
        rows += size * np.log(size / (size + params.mu))
        return rows + y * np.log(params.mu / (size + params.mu))

    positive = {"mu": (0, None), "alpha": (0, None)}
    like = ek.Likelihood(negative_binomial, {"mu": 1.0, "alpha": 1.0}, bounds=positive)
    assert "alpha → 0 (its lower bound)" in refusal(ek.ConvergenceError, like, y)


# --- data of any kind ---


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "float32", "bool"])
def test_any_kind_of_number_is_data(dtype: str) -> None:
    y = np.array([0, 1, 1, 0, 1, 1, 1, 0]).astype(dtype)
    like = ek.Likelihood(
        lambda p, y: y * np.log(p.p) + (1 - y) * np.log1p(-p.p) if y.dtype != bool
        else np.where(y, np.log(p.p), np.log1p(-p.p)),
        {"p": 0.5},
        bounds={"p": (0, 1)},
    )  # fmt: skip
    fit = ek.fit(like, y)
    assert fit.params[0] == pytest.approx(0.625, rel=1e-7)


def test_an_integer_start_is_a_number() -> None:
    fit = ek.fit(ek.Likelihood(lambda p, y: -p.r + y * np.log(p.r), {"r": 1}), np.arange(5))
    assert fit.params[0] == pytest.approx(2.0, rel=1e-9)
