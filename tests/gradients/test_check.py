"""The checker of gradients: no false alarm on right ones, and the traps of other checkers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, special

import estkit as ek

Floats = NDArray[np.float64]

RNG = np.random.default_rng(5)
N = 50
X = np.column_stack([np.ones(N), RNG.normal(size=(N, 4))])
BETA = np.array([0.2, -0.5, 1.0, 0.3, -0.1])
Y = (RNG.random(N) < special.expit(X @ BETA)).astype(float)
# Units of the parameters, 16 decades apart.
UNITS = np.array([1.0, 1e8, 1e-8, 1e4, 1e-5])
EXACT = 1e-12  # the complex step is off by rounding alone


def loglik(b: Any, x: Any = X) -> Any:
    return Y * (x @ b) - np.log1p(np.exp(x @ b))


def slope(b: Floats, x: Any = X) -> Floats:
    return x.T @ (Y - special.expit(x @ b))


def real(values: Any) -> Any:
    """Return the values of a function that cannot be called with complex numbers."""
    if np.iscomplexobj(values):
        raise TypeError("real numbers only")
    return values


def only_real(b: Any) -> Any:
    return loglik(real(b))


# --- right gradients are right ---


def test_the_complex_step_takes_few_calls() -> None:
    report = ek.check_gradient(loglik, slope, BETA)
    assert report.ok
    assert set(report.methods) == {"complex step"}
    assert report.calls["f"] < 10 * len(BETA)
    assert report.relative_error.max() < EXACT
    assert report.taylor == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("at", [BETA, 0 * BETA], ids=["somewhere", "at 0"])
@pytest.mark.parametrize("function", [loglik, only_real])
def test_badly_scaled_parameters_are_right_and_their_bugs_seen(function: Any, at: Floats) -> None:
    """scipy's check_grad cannot tell the two apart: one absolute norm over all parameters."""

    def scaled(b: Any) -> Any:
        return function(b * UNITS)

    def right(b: Floats) -> Floats:
        return slope(b * UNITS) * UNITS

    def flipped(b: Floats) -> Floats:
        return right(b) * np.array([1, 1, -1, 1, 1])

    point = at / UNITS
    assert ek.check_gradient(scaled, right, point).ok
    report = ek.check_gradient(scaled, flipped, point)
    assert report.wrong == ("theta2",)
    assert report.cause("theta2").startswith("sign")
    if function is only_real and at is BETA:
        norms = [optimize.check_grad(lambda b: scaled(b).sum(), g, point) for g in (right, flipped)]
        assert norms[0] == pytest.approx(norms[1], rel=1e-3)


def test_badly_scaled_parameters_take_few_calls_too() -> None:
    report = ek.check_gradient(
        lambda b: loglik(b * UNITS), lambda b: slope(b * UNITS) * UNITS, BETA / UNITS
    )
    assert report.calls["f"] < 10 * len(BETA)


@pytest.mark.parametrize("offset", [1e6, 1e10, -1e12])
@pytest.mark.parametrize("per_row", [True, False])
def test_a_large_offset_is_no_error(offset: float, per_row: bool) -> None:
    def function(b: Floats) -> Any:
        values = only_real(b)
        return values + offset if per_row else float(values.sum()) + offset

    report = ek.check_gradient(function, slope, BETA)
    assert report.wrong == (), str(report)
    assert (np.abs(report.numeric - report.analytic) <= 5 * report.error).all()


@pytest.mark.parametrize("edge", [1e-12, 1e-6, 1e-2])
def test_steps_stay_in_the_domain(edge: float) -> None:
    def root(t: Any) -> Any:
        return np.sqrt(real(t[0])) + np.log(1 - real(t[1]))

    def derivative(t: Floats) -> Floats:
        return np.array([0.5 / np.sqrt(t[0]), -1 / (1 - t[1])])

    report = ek.check_gradient(root, derivative, np.array([edge, 1 - edge]))
    assert report.ok, str(report)


def test_an_error_outside_the_domain_is_an_edge() -> None:
    import math

    report = ek.check_gradient(lambda t: math.log(t), lambda t: 1 / t, 1e-9)
    assert report.ok, str(report)


def test_at_the_very_edge_one_side_is_enough() -> None:
    def function(t: float) -> float:
        return float(np.where(t >= 0, np.exp(real(t)), np.nan))

    report = ek.check_gradient(function, lambda t: np.exp(t), 0.0)
    assert report.ok, str(report)
    assert report.methods == ("one-sided",)
    assert ek.check_gradient(function, lambda t: 2 * np.exp(t), 0.0).wrong == ("theta",)


@pytest.mark.parametrize("where", ["point", "function", "hidden", "gradient"])
def test_single_precision_is_noticed_and_no_error(where: str) -> None:
    narrow = X.astype(np.float32), Y.astype(np.float32)

    def function(b: Any) -> Any:
        b = real(b)
        if where in ("function", "hidden"):
            eta = narrow[0] @ b.astype(np.float32)
            total = np.sum(narrow[1] * eta - np.log1p(np.exp(eta)))
            return total if where == "function" else float(total)
        return loglik(b).sum()

    def gradient(b: Floats) -> Any:
        return slope(b).astype(np.float32) if where == "gradient" else slope(b)

    at = BETA.astype(np.float32) if where == "point" else BETA
    report = ek.check_gradient(function, gradient, at)
    assert report.ok, str(report)
    assert not ek.check_gradient(function, lambda b: 2 * gradient(b), at).ok


@pytest.mark.parametrize("size", [1e-9, 1e-6, 1e-3])
def test_noise_is_in_the_errors(size: float) -> None:
    rng = np.random.default_rng(1)
    noisy = ek.check_gradient(lambda b: loglik(real(b)).sum() + size * rng.normal(), slope, BETA)
    rough = ek.check_gradient(
        lambda b: loglik(real(b)).sum() + size * np.sin(1e9 * b.sum()), slope, BETA
    )
    for report in (noisy, rough):
        assert report.wrong == (), str(report)
        assert report.error.max() > size
    assert "not the same when called twice" in str(noisy)


def test_too_much_noise_is_cannot_tell_and_no_pass() -> None:
    rng = np.random.default_rng(1)
    report = ek.check_gradient(lambda b: loglik(real(b)).sum() + 1e3 * rng.normal(), slope, BETA)
    assert "cannot tell" in report.verdicts
    assert not report.ok
    assert report.wrong == ()
    with pytest.raises(ek.GradientError, match="cannot tell"):
        report.raise_if_wrong()
    report.raise_if_wrong(allow_unknown=True)


def test_at_a_maximum_nothing_is_hidden() -> None:
    """Where the gradient is 0, a wrong sign is 0, too; so a second point is looked at."""
    top = ek.fit(ek.Binomial(), X, Y, intercept=False).params
    assert ek.check_gradient(loglik, slope, top).ok
    assert not ek.check_gradient(loglik, lambda b: -slope(b), top).ok


# --- kinks ---


def test_the_complex_step_is_not_believed_through_abs() -> None:
    """|x| + x² at 1: the complex step gives 2, and 3 is right."""

    def function(x: Any) -> Any:
        return np.abs(x) + x**2

    assert np.imag(function(1 + 1e-30j)) / 1e-30 == 2
    assert ek.check_gradient(function, lambda x: np.sign(x) + 2 * x, 1.0).ok
    assert not ek.check_gradient(function, lambda x: 2 * x, 1.0).ok


@pytest.mark.parametrize("at", [0.0, 1e-13, -1e-12])
@pytest.mark.parametrize("given", [-1.0, 0.0, 0.5, 1.0])
def test_any_slope_between_the_two_at_a_kink_is_right(at: float, given: float) -> None:
    report = ek.check_gradient(lambda x: np.abs(x) + 1, lambda x: given, at)
    assert report.verdicts == ("kink",)
    assert report.ok
    assert (report.below[0], report.above[0]) == pytest.approx((-1, 1))
    assert "-1 to 1" in str(report)


def test_a_slope_outside_the_two_at_a_kink_is_wrong() -> None:
    report = ek.check_gradient(lambda x: np.maximum(0, x), lambda x: 1.5, 0.0)
    assert report.verdicts == ("wrong",)
    assert "kink" in report.causes[0]


@pytest.mark.parametrize("near", [1e-7, 1e-5, 1e-3, 1e-1])
def test_beside_a_kink_the_slope_is_that_of_its_side(near: float) -> None:
    for side in (-1.0, 1.0):
        report = ek.check_gradient(lambda x: np.abs(x) + 1.0, np.sign, side * near)
        assert report.ok, str(report)


def test_many_kinks_close_to_each_other() -> None:
    y = RNG.normal(size=200)
    report = ek.check_gradient(
        lambda m: -np.abs(y - m).sum(), lambda m: np.sign(y - m).sum(), 0.1234
    )
    assert report.ok, str(report)


# --- many parameters ---


def test_many_parameters_are_checked_along_directions() -> None:
    matrix = RNG.normal(size=(30, 2000)) / 50
    at = RNG.normal(size=2000)

    def function(t: Any) -> Any:
        return np.log(np.cosh(matrix @ t)).sum()

    def gradient(t: Floats) -> Floats:
        return matrix.T @ np.tanh(matrix @ t)

    report = ek.check_gradient(function, gradient, at)
    assert report.ok, str(report)
    assert sum(report.calls.values()) < 60
    assert "2000 parameters were checked along 6 random directions" in str(report)

    def wrong(t: Floats) -> Floats:
        answer = gradient(t)
        answer[1234] *= 2
        return answer

    report = ek.check_gradient(function, wrong, at)
    assert report.wrong == ("theta1234",)
    assert "factor 2" in report.causes[0]
    flipped = ek.check_gradient(function, lambda t: -gradient(t), at)
    assert all(cause.startswith("sign") for cause in flipped.causes)
    assert len(flipped.wrong) == 5


# --- log-likelihoods ---


def normal(p: Any, y: Floats) -> Floats:
    return -np.log(p["sigma"]) - 0.5 * ((y - p["mu"]) / p["sigma"]) ** 2


def normal_slope(p: Any, y: Floats) -> dict[str, float]:
    z = (y - p["mu"]) / p["sigma"]
    return {"mu": z.sum() / p["sigma"], "sigma": (z**2 - 1).sum() / p["sigma"]}


def draw(p: Any, rng: np.random.Generator) -> Floats:
    return rng.normal(p["mu"], p["sigma"], size=20)


def test_the_mean_score_is_zero_under_the_model() -> None:
    at = {"mu": 1.0, "sigma": 2.0}
    report = ek.check_gradient(normal, normal_slope, at, simulate=draw)
    assert report.ok, str(report)
    assert report.score is not None
    assert "Mean score over 400 data sets" in str(report)

    def unnormalised(p: Any, y: Floats) -> Floats:  # right gradient, but no log-likelihood
        return normal(p, y) + np.log(p["sigma"])

    def its_slope(p: Any, y: Floats) -> dict[str, float]:
        right = normal_slope(p, y)
        return {**right, "sigma": right["sigma"] + len(y) / p["sigma"]}

    report = ek.check_gradient(unnormalised, its_slope, at, simulate=draw)
    assert report.wrong == ()
    assert not report.ok
    with pytest.raises(ek.GradientError, match="mean score of sigma"):
        report.raise_if_wrong()


# --- the report ---


def test_the_report_in_every_form() -> None:
    report = ek.check_gradient(loglik, lambda b: slope(b) * [1, 1, 2, 1, 1], BETA)
    assert repr(report) == "GradientReport(1 of 5 wrong: theta2)"
    frame = report.to_frame()
    assert list(frame["verdict"]) == ["ok", "ok", "wrong", "ok", "ok"]
    assert frame["cause"][2] == "factor 2 too large"
    stored = json.loads(json.dumps(report.to_dict()))
    assert stored["ok"] is False
    assert stored["analytic"] == report.analytic.tolist()
    assert "<table" in report._repr_html_()
    assert "factor 2 too large" in report.to_markdown()
    with pytest.raises(AssertionError) as caught:
        report.raise_if_wrong()
    assert caught.value.report is report  # type: ignore[attr-defined]
    assert str(report) in str(caught.value)
