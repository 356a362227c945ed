"""A normal law of which truncation leaves a tail, against mpmath; and where a search may begin."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
from scipy import stats

import estkit as ek
from estkit.likelihood.distribution.laws.tails import beyond

# Far out in a tail the parameters are correlated, to 1 - 1e-6 and more.
ERRORS = 1e-9
SAME = 1e-9  # the same data in another form
NUMBER = 200


def tail(cut: float, seed: int = 0, loc: float = 10.0, scale: float = 2.0) -> Any:
    rng = np.random.default_rng(seed)
    return stats.truncnorm.rvs(cut, np.inf, loc, scale, size=NUMBER, random_state=rng)


def fitted(x: Any, at: float, side: str = "below", **options: Any) -> Any:
    truncated = {f"truncated_{side}": at}
    weights = options.pop("weights", None)
    censored = ek.Censored(x, x, **truncated)
    return ek.fit(ek.Distribution("norm", **options), censored, weights=weights)


def exact(x: Any, at: float, loc: float, scale: float) -> tuple[float, Any, Any]:
    """Return log-likelihood, decrement and standard errors in 50 digits."""
    n, away = len(x), [mpmath.mpf(v) - mpmath.mpf(at) for v in x.tolist()]
    first, second = mpmath.fsum(away) / n, mpmath.fsum(v * v for v in away) / n

    def loglik(apart: Any, width: Any) -> Any:
        s = mpmath.exp(width)
        square = (second - 2 * apart * first + apart * apart) / (2 * s * s)
        return n * (
            -width - mpmath.log(2 * mpmath.pi) / 2 - square - mpmath.log(mpmath.ncdf(apart / s))
        )

    point = (mpmath.mpf(loc) - mpmath.mpf(at), mpmath.log(mpmath.mpf(scale)))
    curve = mpmath.matrix(2, 2)
    for i, j in ((0, 0), (0, 1), (1, 1)):
        order = (2 - i - j, i + j)
        curve[i, j] = curve[j, i] = -mpmath.diff(loglik, point, order)
    slope = mpmath.matrix([mpmath.diff(loglik, point, (1, 0)), mpmath.diff(loglik, point, (0, 1))])
    inverse = curve**-1
    errors = [mpmath.sqrt(inverse[0, 0]), mpmath.sqrt(inverse[1, 1]) * scale]
    decrement = mpmath.sqrt(abs((slope.T * inverse * slope)[0]))
    return float(loglik(*point)), float(decrement), [float(v) for v in errors]


@pytest.mark.parametrize("seed", [0, 2])
@pytest.mark.parametrize("cut", [-4.0, -1.0, 0.0, 2.0, 5.0, 12.0, 30.0])
def test_a_tail_has_the_digits_of_mpmath(cut: float, seed: int) -> None:
    at = 10.0 + 2.0 * cut
    x = tail(cut, seed)
    fit = fitted(x, at)
    with mpmath.workdps(50):
        loglik, decrement, errors = exact(x, at, *fit.params.tolist())
    assert decrement < 1e-10
    assert fit.loglik == pytest.approx(loglik, rel=1e-12)
    np.testing.assert_allclose(fit.std_errors, errors, rtol=ERRORS)
    np.testing.assert_allclose(fit.covariance("expected"), fit.covariance(), rtol=1e-9)


def test_a_mirrored_tail_is_the_same() -> None:
    x = tail(4.0)
    above = fitted(-x, -18.0, "above")
    below = fitted(x, 18.0)
    np.testing.assert_allclose(above.params * [-1, 1], below.params, rtol=SAME)
    np.testing.assert_allclose(above.std_errors, below.std_errors, rtol=SAME)
    assert above.loglik == pytest.approx(below.loglik, rel=SAME)


def test_weights_are_repeats_and_a_unit_changes_nothing_else() -> None:
    x, times = tail(3.0), np.arange(NUMBER) % 3
    weighted, repeated = fitted(x, 16.0, weights=times), fitted(np.repeat(x, times), 16.0)
    np.testing.assert_allclose(weighted.params, repeated.params, rtol=SAME)
    np.testing.assert_allclose(weighted.std_errors, repeated.std_errors, rtol=SAME)
    moved = fitted(1e6 * x + 1e7, 1e6 * 16.0 + 1e7)
    plain = fitted(x, 16.0)
    np.testing.assert_allclose(moved.params, plain.params * 1e6 + [1e7, 0], rtol=1e-6)
    assert moved.loglik == pytest.approx(plain.loglik - NUMBER * np.log(1e6), rel=SAME)


@pytest.mark.parametrize("far", [10.0, 1e3, 1e9, 1e300])
def test_a_truncation_far_from_all_values_changes_nothing(far: float) -> None:
    x = np.random.default_rng(3).normal(5.0, 0.1, NUMBER)
    plain, cut = ek.fit(ek.Distribution("norm"), x), fitted(x, 5.0 - far)
    np.testing.assert_allclose(cut.params, plain.params, rtol=SAME)
    np.testing.assert_allclose(cut.std_errors, plain.std_errors, rtol=SAME)
    assert cut.loglik == pytest.approx(plain.loglik, rel=SAME)
    for test in ("likelihood_ratio", "score_test"):
        one, other = (getattr(f, test)(["loc"], value=5.01) for f in (plain, cut))
        assert one.statistic == pytest.approx(other.statistic, rel=1e-8)


@pytest.mark.parametrize("x", [[2.0], [2.0, 2.0, 2.0], [1.0, 1.0]])
def test_values_without_spread_have_no_maximum(x: Any) -> None:
    with pytest.raises(ek.FitError, match=r"All values are .* scale goes to 0"):
        fitted(np.array(x), 1.0)


@pytest.mark.parametrize("value", [-30.0, 0.0, 15.0])
def test_the_information_of_a_tail_is_the_negative_hessian(value: float) -> None:
    fit = fitted(tail(2.0), 14.0)
    model = fit._model
    point = np.array([model.axes[0].inward(value), 0.3])
    exact, numeric = model.total(point), model.rows.total(point)
    np.testing.assert_allclose(exact.gradient, numeric.gradient, rtol=1e-7)
    np.testing.assert_allclose(exact.information, numeric.information, rtol=1e-5)
    assert np.linalg.eigvalsh(model.sample.uphill(point))[0] > 0


def test_a_score_needs_a_metric() -> None:
    fit = fitted(tail(1.0), 12.0)
    with pytest.raises(ek.ConvergenceError, match="not concave"):
        fit.score_test(["loc", "scale"], value=[10.0, 0.2])


@pytest.mark.parametrize("fixed", [{"loc": 10.0}, {"scale": 2.0}, {"loc": 100.0}])
def test_one_parameter_of_a_tail_may_be_fixed(fixed: Any) -> None:
    x = tail(4.0)
    fit = fitted(x, 18.0, fixed=fixed)
    model = fit._model
    numeric = model.rows.total(model.out @ fit._point)
    assert abs(numeric.gradient[0]) < 1e-6 * numeric.information[0, 0] ** 0.5
    total = model.total(fit._point)
    assert total.loglik == pytest.approx(numeric.loglik, rel=1e-11)
    np.testing.assert_allclose(total.information, numeric.information, rtol=1e-5)


def test_profile_limits_of_a_tail_may_be_infinite() -> None:
    fit = fitted(tail(5.0, 1), 20.0)
    lower, upper = fit.interval(method="profile")[0]
    assert lower == -np.inf
    assert fit.params[0] < upper < 20.0


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_tail_as_heavy_as_an_exponential_law_has_no_maximum(side: float) -> None:
    x = side * (3.0 + np.random.default_rng(0).exponential(2.0, size=30))
    ending = "below" if side > 0 else "above"
    goal = ek.fit(ek.Distribution("expon", fixed={"loc": 3.0}), np.abs(x)).loglik
    with pytest.raises(ek.FitError, match=f"truncated {ending} at .*no faster than") as caught:
        fitted(x, 3.0 * side, ending)
    assert f"{goal:.10g}, as loc goes to {'minus ' * (side > 0)}infinity" in str(caught.value)
    # nor does the likelihood fall where it was said to rise
    heights = [
        fitted(x, 3.0 * side, ending, fixed={"loc": -side * far}).loglik for far in (1e3, 1e5)
    ]
    assert heights[0] < heights[1] < goal
    assert heights[1] == pytest.approx(goal, abs=1e-3)


@pytest.mark.parametrize("t", [-1e5, -20.0, -1.0, 2.999, 3.0, 10.0, 100.0])
def test_what_lies_beyond(t: float) -> None:
    found = beyond(t)
    with mpmath.workdps(150):
        hazard = mpmath.npdf(t) / mpmath.ncdf(-t)
        wanted = [mpmath.log(mpmath.ncdf(-t)), hazard - t, 1 - hazard * (hazard - t)]
    log_above, mean, variance = (float(v) for v in wanted)
    assert found.log_above == pytest.approx(log_above, rel=1e-12, abs=1e-300)
    assert found.mean == pytest.approx(mean, rel=1e-11)
    assert found.variance == pytest.approx(variance, rel=1e-7 if t > 50 else 1e-11)


FAR: dict[str, tuple[str, dict[str, float]]] = {
    "norm": ("norm", {"loc": 1e6, "scale": 1.0}),
    "t": ("t", {"df": 3.0, "loc": 5000.0, "scale": 1.0}),
    "logistic": ("logistic", {"loc": -900.0, "scale": 1.0}),
    "poisson": ("poisson", {"mu": 1e-300}),
}


@pytest.mark.parametrize("case", FAR)
def test_a_start_far_away_is_no_maximum(case: str) -> None:
    law, start = FAR[case]
    x = np.append(np.random.default_rng(1).poisson(4.0, size=50), [20.0, 25.0])
    fit = ek.fit(ek.Distribution(law), x, start=start)
    np.testing.assert_allclose(fit.params, ek.fit(ek.Distribution(law), x).params, rtol=1e-6)


@pytest.mark.parametrize(("law", "start"), [("poisson", {"mu": 0.0}), ("geom", {"p": 1.0})])
def test_a_start_at_the_end_of_a_range_is_refused(law: str, start: Any) -> None:
    with pytest.raises(ek.DataError, match=r"must lie between 0 and .*, not at an end"):
        ek.fit(ek.Distribution(law), [1.0, 2.0, 3.0], start=start)


def test_a_maximum_at_the_boundary_needs_no_start() -> None:
    fit = ek.fit(ek.Distribution("poisson"), [0.0, 0.0], start={"mu": 2.0})
    assert (fit.params.tolist(), fit.loglik) == ([0.0], 0.0)
