"""Profile curves against closed forms and tests; their asymptotes; bootstrap intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

import estkit as ek

CLOSED = 1e-9
LIMITS = 1e-7
EVEN = 0.25  # of the steps between the roots of neighbouring points, of one curve

RNG = np.random.default_rng(14)
X = RNG.normal(size=(100, 2))
HIT = RNG.random(100) < 1 / (1 + np.exp(-X[:, 0]))
TIMES = np.array([1.0, 2.0, 3.0, 4.0, 6.0, 8.0])
LEVELS_SEEN = np.array([0.9, 0.95, 1.1, 0.93, 1.06, 0.98])
BINOMIAL = ek.fit(ek.Binomial(), {"a": X[:, 0], "b": X[:, 1]}, HIT)


def saturation() -> Any:
    """Fit a rate of approach so fast that the data cannot tell it from any faster one."""

    def loglik(params: Any, t: Any, y: Any) -> Any:
        return -0.5 * ((y - 1 + np.exp(-params.rate * t)) / 0.1) ** 2

    model = ek.Likelihood(loglik, {"rate": 2.0}, bounds={"rate": (0, None)})
    return ek.fit(model, TIMES, LEVELS_SEEN)


def test_the_profile_of_a_share_is_its_log_likelihood() -> None:
    fit = ek.fit(ek.Binomial(), None, [[3, 7]])
    curve = fit.profile("intercept")
    p = 1 / (1 + np.exp(-curve.values))
    np.testing.assert_allclose(curve.loglik, stats.binom.logpmf(3, 10, p), rtol=CLOSED)
    expected = np.sign(curve.values - fit.params[0]) * np.sqrt(2 * (fit.loglik - curve.loglik))
    np.testing.assert_allclose(curve.root, expected, atol=1e-7)


@pytest.mark.parametrize("name", ["intercept", "a", "b"])
def test_every_point_has_the_likelihood_of_the_constrained_fit(name: str) -> None:
    curve = BINOMIAL.profile(name, points=10, reach=2.0)
    assert (np.diff(curve.values) > 0).all()
    for value, root in zip(curve.values, curve.root, strict=True):
        test = BINOMIAL.likelihood_ratio([name], value=value)
        assert test.statistic == pytest.approx(root**2, abs=1e-8)
    assert np.abs(curve.root).max() == pytest.approx(2.0, abs=0.05)
    steps = np.diff(curve.root)[1:-1]  # the last one ends at the reach
    assert (np.abs(steps / steps.mean() - 1) < EVEN).all()
    place = BINOMIAL.names.index(name)
    assert curve.estimate == BINOMIAL.params[place]
    for level, pair in zip(curve.levels, curve.limits, strict=True):
        expected = BINOMIAL.interval(level, method="profile")[place]
        np.testing.assert_allclose(pair, expected, rtol=LIMITS)


def test_a_side_that_never_falls_shows_its_asymptote() -> None:
    fit = saturation()
    curve = fit.profile("rate")
    tends_to = -0.5 * np.sum(((LEVELS_SEEN - 1) / 0.1) ** 2)
    assert curve.asymptotes[1] == pytest.approx(tends_to, abs=1e-3)
    assert np.isnan(curve.asymptotes[0])
    assert (curve.limits[:, 1] == np.inf).all()
    assert curve.loglik[-1] == pytest.approx(tends_to, abs=0.02)
    assert "no further" in str(curve)


def test_the_domain_of_a_bounded_link_ends_the_curve() -> None:
    fit = ek.fit(ek.Binomial(link="identity"), None, [[3, 7]])
    curve = fit.profile("intercept", reach=20.0)
    assert ((curve.values > 0) & (curve.values < 1)).all()
    np.testing.assert_allclose(curve.loglik, stats.binom.logpmf(3, 10, curve.values), rtol=CLOSED)


def test_a_gaussian_profile_has_a_closed_form() -> None:
    y = X @ [1.0, -1.0] + RNG.normal(size=100)
    fit = ek.fit(ek.Gaussian(), {"a": X[:, 0], "b": X[:, 1]}, 1e5 + 1e3 * y)
    curve = fit.profile("b")
    t = (curve.values - fit.params[2]) / fit.std_errors[2]
    np.testing.assert_allclose(fit.loglik - curve.loglik, 50 * np.log1p(t**2 / 100), atol=1e-7)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("c", {}, "is not a parameter"),
        ("a", {"points": 3}, "points"),
        ("a", {"reach": 0.0}, "reach"),
        ("a", {"levels": [95]}, "level"),
    ],
    ids=["name", "points", "reach", "level"],
)
def test_what_has_no_profile_is_refused(name: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ek.EstkitError, match=said):
        BINOMIAL.profile(name, **options)


def test_a_parameter_at_the_end_of_its_range_and_a_stored_fit_have_no_curve() -> None:
    edge = ek.fit(ek.Distribution("binom", fixed={"n": 10}), [10, 10])
    with pytest.raises(ek.EstkitError, match=r"end of its range|boundary|no profile"):
        edge.profile("p")
    again = ek.LikelihoodFit.from_dict(BINOMIAL.to_dict())
    with pytest.raises(ek.EstkitError, match="training data"):
        again.profile("a")


# --- bootstrap ---


def test_bootstrap_limits_are_quantiles_of_the_bootstrap() -> None:
    found = BINOMIAL.interval(0.9, method="bootstrap", replicates=300, rng=3)
    frame = BINOMIAL.bootstrap(300, rng=3).outcomes()
    estimates = frame["estimate"].to_numpy().reshape(300, 3)
    expected = np.quantile(estimates, [0.05, 0.95], axis=0).T
    np.testing.assert_allclose(found, expected, rtol=CLOSED)
    again = BINOMIAL.interval(0.9, method="bootstrap", replicates=300, rng=3)
    np.testing.assert_array_equal(found, again)


def test_bootstrap_limits_of_a_normal_mean_are_those_of_the_normal_law() -> None:
    fit = ek.fit(ek.Gaussian(), None, RNG.normal(size=50))
    found = fit.interval(method="bootstrap", replicates=4000, rng=1)
    off = (found[0] - fit.params[0]) / fit.std_errors[0] - np.array([-1.0, 1.0]) * 1.959964
    # four Monte-Carlo standard errors, which are 2.7 / √replicates
    assert (np.abs(off) < 4 * 2.7 / np.sqrt(4000)).all()


def test_replicates_without_an_estimate_are_counted() -> None:
    x = np.arange(10.0)
    fit = ek.fit(ek.Binomial(), x, [0, 0, 0, 1, 0, 0, 1, 1, 1, 1])
    with pytest.warns(ek.EstkitWarning, match=r"\d+ of 400 bootstrap replicates have no estimate"):
        limits = fit.interval(method="bootstrap", replicates=400, rng=1)
    assert np.isfinite(limits).all()


def test_too_few_replicates_are_refused() -> None:
    with pytest.raises(ek.DataError, match="200 or more"):
        BINOMIAL.interval(method="bootstrap", replicates=100)


def test_a_prior_is_part_of_the_profile_and_other_penalties_have_none() -> None:
    fit = ek.fit(ek.Binomial(penalty=ek.Jeffreys()), X, HIT)
    curve = fit.profile("x0", levels=[0.95])
    np.testing.assert_allclose(curve.limits[0], fit.interval(method="profile")[1], rtol=LIMITS)
    assert curve.loglik.max() <= curve.maximum + 1e-9
    for penalty in (ek.L2(1.0), ek.L1(1.0)):
        with pytest.raises(ek.EstkitError, match="no"):
            ek.fit(ek.Binomial(penalty=penalty), X, HIT).profile("x0")
        with pytest.raises(ek.EstkitError, match=r"bias|no interval"):
            ek.fit(ek.Binomial(penalty=penalty), X, HIT).interval(method="bootstrap", rng=1)
