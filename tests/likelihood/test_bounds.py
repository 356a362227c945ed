"""Log and identity links: starts inside, maxima on the edge, and inference that meets the edge."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import chi2

import estkit as ek
from estkit.likelihood.fitting import gather
from estkit.likelihood.links.bounds import Bounds, Domain, Plane

Floats = NDArray[np.float64]

SAME = 1e-9
# A general optimiser under constraints: how near the edge it comes, and in the log-likelihood.
NEAR_EDGE = 1e-4
PEER = 1e-6
# The barrier is 1e-10 at the end, for each row at the edge.
BARRIER = 1e-8
# What is nearer to the edge than 1e-9 counts as outside.
INSIDE = 2e-9

LINKS = ("log", "identity")
# x = 2 has successes alone: under the log link its group pulls the risk to 1
RISING = {"x": np.repeat([0.0, 1.0, 2.0], 10)}
ALL_AT_2 = np.array([1] * 2 + [0] * 8 + [1] * 5 + [0] * 5 + [1] * 10)


def refusal(link: str, X: Any, y: Any, **options: Any) -> str:
    with pytest.raises(ek.FitError) as caught:
        ek.fit(ek.Binomial(link), X, y, **options)
    assert not isinstance(caught.value, ek.SeparationError | ek.ConvergenceError)
    return str(caught.value)


# --- maxima on the edge ---


def test_the_rows_on_the_edge_are_named() -> None:
    message = refusal("log", RISING, ALL_AT_2)
    assert message.startswith("The maximum lies on the boundary")
    assert "is 1 in rows 20, 21, 22, 23, 24 and 5 more (counted from 0)" in message
    assert "logit" in message


def test_the_edge_is_where_the_constrained_maximum_is() -> None:
    """With π = 1 at x = 2 the log link leaves exp(b(x - 2)), of one parameter."""
    found = re.search(r"intercept (\S+), x (\S+)\)", refusal("log", RISING, ALL_AT_2))
    assert found is not None
    intercept, slope = (float(value) for value in found.groups())
    assert intercept == pytest.approx(-2 * slope, rel=2e-3)  # four digits are shown
    grid = np.linspace(0.3, 1.5, 100_001)
    risk = np.exp(-np.outer([2.0, 1.0], grid))
    loglik = np.array([2, 5]) @ np.log(risk) + np.array([8, 5]) @ np.log1p(-risk)
    assert slope == pytest.approx(grid[loglik.argmax()], rel=1e-3)


def test_a_fit_on_the_edge_has_no_numbers_when_it_is_returned() -> None:
    fit = ek.fit(ek.Binomial("log"), RISING, ALL_AT_2, errors="return")
    assert not fit.converged
    assert "boundary" in fit.reason
    assert np.isnan(fit.params).all()
    assert np.isnan(fit.std_errors).all()
    batch = ek.fit_many(ek.Binomial("log"), RISING, np.stack([ALL_AT_2, np.tile([0, 1], 15)]))
    assert batch.status.tolist() == ["failed", "ok"]
    assert "boundary" in batch.reason[0]


@pytest.mark.parametrize(("scale", "shift"), [(1e8, 0.0), (1e-8, 0.0), (1.0, 1e8)])
def test_the_edge_is_found_at_any_origin_and_scale(scale: float, shift: float) -> None:
    moved = {"x": RISING["x"] * scale + shift}
    message = refusal("log", moved, ALL_AT_2)
    assert "rows 20, 21, 22, 23, 24 and 5 more" in message


def test_a_maximum_just_inside_is_no_edge() -> None:
    tries = 10**6
    counts = [[200_000, 800_000], [tries - 1, 1]]
    for link, wanted in (("log", np.log([0.2, 1 - 1e-6])), ("identity", [0.2, 1 - 1e-6])):
        fit = ek.fit(ek.Binomial(link), [0.0, 1.0], counts)
        np.testing.assert_allclose(fit.predict(), [0.2, 1 - 1e-6], rtol=SAME)
        np.testing.assert_allclose(fit.params.cumsum()[1], wanted[1], rtol=1e-6)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("link", LINKS)
def test_another_optimiser_finds_the_same_edge_or_the_same_maximum(link: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(12, 60))
    X = np.column_stack([rng.integers(0, 3, rows), rng.normal(size=rows)]).astype(float)
    y = (rng.random(rows) < 0.3 + 0.2 * X[:, 0]).astype(float)
    design = np.column_stack([np.ones(rows), X])
    upper = 0.0 if link == "log" else 1.0

    def cost(params: Floats) -> float:
        eta = np.clip(design @ params, -np.inf if link == "log" else 1e-12, upper - 1e-12)
        won, lost = (
            (eta, np.log(-np.expm1(eta))) if link == "log" else (np.log(eta), np.log1p(-eta))
        )
        return -float(y @ won + (1 - y) @ lost)

    sides = [{"type": "ineq", "fun": lambda b: upper - 1e-9 - design @ b, "jac": lambda b: -design}]
    if link == "identity":
        sides.append({"type": "ineq", "fun": lambda b: design @ b - 1e-9, "jac": lambda b: design})
    level = np.log(y.mean()) if link == "log" else y.mean()
    peer = minimize(cost, np.array([level, 0.0, 0.0]), method="SLSQP", constraints=sides,
                    options={"ftol": 1e-14, "maxiter": 1000})  # fmt: skip
    distance = min(float(side["fun"](peer.x).min()) for side in sides)  # type: ignore[operator]
    try:
        fit = ek.fit(ek.Binomial(link), X, y)
    except ek.FitError as error:
        assert "boundary" in str(error)
        assert distance < NEAR_EDGE
    else:
        assert fit.loglik >= -peer.fun - PEER
        eta = design @ fit.params
        assert (eta < upper).all()
        assert link == "log" or (eta > 0).all()


# --- starts ---


def test_a_start_is_found_without_an_intercept() -> None:
    X = {"a": np.repeat([1.0, 0.0], 20), "b": np.repeat([0.0, 1.0], 20)}
    y = np.concatenate([np.arange(20) < 5, np.arange(20) < 12])
    fit = ek.fit(ek.Binomial("identity"), X, y, intercept=False)
    np.testing.assert_allclose(fit.params, [0.25, 0.6], rtol=SAME)
    fit = ek.fit(ek.Binomial("log"), X, y, intercept=False)
    np.testing.assert_allclose(fit.params, np.log([0.25, 0.6]), rtol=SAME)


def test_a_start_is_found_among_many_rows() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(0.1, 1.0, size=(30_000, 2))
    y = rng.random(30_000) < np.exp(-x @ [0.5, 0.2])
    fit = ek.fit(ek.Binomial("log"), x, y, intercept=False)
    z = (fit.params - [-0.5, -0.2]) / fit.std_errors
    assert np.abs(z).max() < 4
    thin = ek.fit(ek.Binomial("log"), x, y, intercept=False, start=[-5.0, -5.0])
    np.testing.assert_allclose(thin.params, fit.params, rtol=SAME)


def test_columns_that_allow_no_probability_are_refused() -> None:
    x = np.array([-1.0, 1.0, -2.0, 0.5, 3.0])
    for link in LINKS:
        message = refusal(link, x, [0, 1, 0, 1, 1], intercept=False)
        assert message.startswith("No coefficients give every row a probability")
    wide = np.array([0.0, 0.2, 1.4, 0.3, 0.1])
    assert "offset" in refusal("identity", None, [0, 1, 1, 1, 0], offset=wide)


def test_rows_of_weight_0_may_lie_outside() -> None:
    X, y, weights = [0.0, 1.0, 0.0, 1.0, 9.0], [1, 1, 0, 0, 1], [3, 8, 7, 2, 0]
    for link in LINKS:
        full = ek.fit(ek.Binomial(link), X, y, weights=weights)
        dropped = ek.fit(ek.Binomial(link), X[:4], y[:4], weights=weights[:4])
        np.testing.assert_allclose(full.params, dropped.params, rtol=SAME)
        np.testing.assert_allclose(full.covariance("expected"), dropped.covariance("expected"),
                                   rtol=SAME)  # fmt: skip


def test_the_largest_distance_from_the_edge_is_found() -> None:
    x = np.array([[0.0], [1.0], [2.0]])
    rows = gather(ek.Binomial("identity"), x, [0, 1, 0]).rows
    bounds = Bounds(rows, ek.Binomial("identity"), Domain(0.0, 1.0, 0.5))
    held = Plane(np.array([0.0, 0.3]), np.array([[1.0], [0.0]]))  # slope 0.3, the middle is free
    coordinates = bounds.inside(held)
    assert coordinates is not None
    assert bounds.distances(held.at(coordinates)).min() == pytest.approx(0.2, abs=1e-9)
    steep = Plane(np.array([0.0, 0.6]), np.array([[1.0], [0.0]]))
    assert bounds.inside(steep) is None


# --- inference that meets the edge ---


def test_predictions_outside_the_domain_are_refused() -> None:
    for link, wrong in (("log", "2"), ("identity", "1")):
        fit = ek.fit(ek.Binomial(link), [0.0, 1.0], [[20, 80], [40, 60]])
        with pytest.raises(ek.DataError, match=rf"Row {wrong} .*{link} link"):
            fit.predict([1.0, -9.0 if link == "identity" else 2.0, 9.0])


def test_a_hypothesis_beyond_the_edge_is_impossible() -> None:
    fit = ek.fit(ek.Binomial("identity"), {"x": [0.0, 1.0]}, [[20, 80], [40, 60]])
    impossible = fit.likelihood_ratio(["x"], value=1.5)
    assert impossible.statistic == np.inf
    assert impossible.p_value == 0.0
    with pytest.raises(ek.ConvergenceError, match=r"boundary.*likelihood_ratio"):
        fit.score_test(["x"], value=1.5)


def test_a_likelihood_ratio_may_compare_with_a_fit_on_the_edge() -> None:
    """At slope log 3, successes alone at x = 1 leave an intercept of log(1/3) at most."""
    counts = [[4, 16], [18, 2]]
    fit = ek.fit(ek.Binomial("log"), {"x": [0.0, 1.0]}, counts)
    held = np.log(3.0)
    test = fit.likelihood_ratio(["x"], value=held)
    a = np.linspace(-3, -held - 1e-9, 400_001)
    eta = np.stack([a, a + held])
    loglik = np.array([4, 18]) @ eta + np.array([16, 2]) @ np.log(-np.expm1(eta))
    at_best = np.log([0.2, 0.9]) @ [4, 18] + np.log([0.8, 0.1]) @ [16, 2]
    assert test.statistic == pytest.approx(2 * (at_best - loglik.max()), abs=1e-6)


def test_a_profile_that_runs_along_the_edge_is_the_constrained_one() -> None:
    """Successes alone at x = 2 hold the log risk there to 0 when the slope is large."""
    y = ALL_AT_2.copy()
    y[-1] = 0
    X = RISING
    fit = ek.fit(ek.Binomial("log"), X, y)
    lower, upper = fit.interval(0.999, method="profile")[1]
    won, tried = np.array([2, 5, 9]), np.full(3, 10)

    def fallen(slope: float) -> float:
        top = -1e-12 - max(0.0, 2 * slope)
        a = top - np.concatenate([np.geomspace(1e-12, 1, 20_001), np.linspace(1, 8, 20_001)])
        eta = a + np.outer([0.0, 1.0, 2.0], np.full_like(a, slope))
        return float(fit.loglik - (won @ eta + (tried - won) @ np.log(-np.expm1(eta))).max())

    for limit in (lower, upper):
        assert fallen(limit) == pytest.approx(chi2.ppf(0.999, 1) / 2, rel=1e-5)


def test_profile_limits_stay_inside_the_domain() -> None:
    fit = ek.fit(ek.Binomial("log"), None, [[3, 1]])
    limits = fit.interval(1 - 1e-12, method="profile")[0]
    share = ek.proportion(3, 4, level=1 - 1e-12, method="likelihood_ratio")
    np.testing.assert_allclose(np.exp(limits), [share.lower, share.upper], rtol=BARRIER)


def test_a_profile_that_has_not_fallen_enough_ends_with_the_domain() -> None:
    """Pure rows at both ends let the slope go as far as from 0 to 1, and no farther."""
    counts = [[0, 3], [6, 4], [4, 6], [3, 0]]
    fit = ek.fit(ek.Binomial("identity"), {"x": [0.0, 0.2, 0.8, 1.0]}, counts)
    assert fit.interval(1 - 1e-13, method="profile")[1, 1] == pytest.approx(1.0, abs=INSIDE)
    assert fit.interval(0.95, method="profile")[1, 1] < 0.9
