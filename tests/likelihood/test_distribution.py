"""What the fit of a distribution can be asked, and its inference."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import estkit as ek

# A closed form; derivatives by differences of sixth order.
DELTA = 1e-9
# The drop of the log-likelihood at a profile limit.
LIMIT = 1e-8
X = np.random.default_rng(4).gamma(2.0, 3.0, 60)


@pytest.fixture(scope="module")
def gamma() -> Any:
    return ek.fit(ek.Distribution("gamma"), X)


def test_other_names_for_a_law() -> None:
    for name in ("weibull", "Weibull_min", stats.weibull_min):
        fit = ek.fit(ek.Distribution(name), X)
        assert fit.family.law == "weibull_min"
        assert fit.names == ("c", "scale")


def test_fixed_none_frees_a_parameter() -> None:
    assert ek.fit(ek.Distribution("expon", fixed={"loc": 1.0}), X + 1.0).names == ("scale",)
    x = np.random.default_rng(3).gamma(3.0, 2.0, 200)
    assert ek.fit(ek.Distribution("gamma", fixed={"loc": None}), x).names == ("a", "loc", "scale")


def test_parameters_are_named_when_a_search_is_told_where_to_begin() -> None:
    near = ek.fit(ek.Distribution("t"), X, start={"scale": 3.0, "df": 4.0, "loc": 6.0})
    np.testing.assert_allclose(near.params, ek.fit(ek.Distribution("t"), X).params, rtol=1e-6)
    with pytest.raises(ek.DataError, match="expected a value for each of df, loc, scale"):
        ek.fit(ek.Distribution("t"), X, start={"df": 3.0})


def test_forms_of_a_column_are_the_same(gamma: Any) -> None:
    for column in (X.tolist(), X[:, None], pd.Series(X), pd.DataFrame({"days": X}), {"days": X}):
        same = ek.fit(ek.Distribution("gamma"), column)
        np.testing.assert_array_equal(same.params, gamma.params)


def test_functions_of_the_law_are_those_of_scipy(gamma: Any) -> None:
    law = stats.gamma(gamma.params[0], 0.0, gamma.params[1])
    at = [0.5, 3.0, 20.0]
    np.testing.assert_array_equal(gamma.pdf(at).value, np.exp(law.logpdf(at)))
    np.testing.assert_array_equal(gamma.logpdf(at).value, law.logpdf(at))
    np.testing.assert_array_equal(gamma.cdf(at).value, law.cdf(at))
    np.testing.assert_array_equal(gamma.quantile([0.1, 0.9]).value, law.ppf([0.1, 0.9]))
    assert gamma.mean().value == law.mean()
    assert gamma.frozen().args == law.args


def test_their_errors_have_closed_forms() -> None:
    fit = ek.fit(ek.Distribution("norm"), X)
    loc, scale = fit.params
    n, z = len(X), float(stats.norm.ppf(0.9))
    assert fit.mean().std_error == pytest.approx(scale / math.sqrt(n), rel=DELTA)
    high = scale * math.sqrt((1 + z * z / 2) / n)
    assert fit.quantile(0.9).std_error == pytest.approx(high, rel=DELTA)
    at = loc + z * scale
    assert fit.cdf(at).std_error == pytest.approx(stats.norm.pdf(z) * high / scale, rel=DELTA)
    fit = ek.fit(ek.Distribution("expon"), X)
    error = abs(2.0 / fit.params[0] - 1.0) / math.sqrt(n)  # of log(1 / s) - x / s
    assert fit.logpdf(2.0).std_error == pytest.approx(error, rel=DELTA)


def test_intervals_stay_within_what_is_possible(gamma: Any) -> None:
    low, high = gamma.cdf([1e-3, 40.0]).lower, gamma.cdf([1e-3, 40.0]).upper
    assert (low > 0).all()
    assert (high < 1).all()
    assert (gamma.pdf([1e-3, 60.0]).lower > 0).all()
    assert gamma.cdf(-1.0).value == gamma.cdf(-1.0).upper == 0.0


def test_quantiles_of_counts_have_no_error() -> None:
    fit = ek.fit(ek.Distribution("poisson"), [1, 0, 3, 2, 2])
    assert fit.quantile([0.1, 0.5]).value.tolist() == [0.0, 1.0]
    assert fit.quantile(0.5).std_error is None


def test_shares_outside_0_and_1_are_refused(gamma: Any) -> None:
    with pytest.raises(ek.DataError, match=r"q must be shares between 0 and 1, got \[0.5, 90\]"):
        gamma.quantile([0.5, 90])


@pytest.mark.parametrize("law", ["gamma", "weibull", "norm", "lognorm", "beta", "t"])
def test_profile_limits_are_where_the_likelihood_has_fallen(law: str) -> None:
    tails = np.random.default_rng(3).standard_t(2.0, 60)
    x = {"beta": X / 50.0, "t": tails}.get(law, X)
    fit = ek.fit(ek.Distribution(law), x)
    wanted = float(stats.chi2.ppf(0.9, 1)) / 2
    for name, limits in zip(fit.names, fit.interval(0.9, "profile"), strict=True):
        for limit in limits[np.isfinite(limits)]:
            held = ek.fit(ek.Distribution(law, fixed={name: float(limit)}), x)
            assert fit.loglik - held.loglik == pytest.approx(wanted, abs=LIMIT)


def test_likelihood_ratio_takes_a_fit_with_more_fixed(gamma: Any) -> None:
    small = ek.fit(ek.Distribution("gamma", fixed={"a": 1.0}), X)
    test = gamma.likelihood_ratio(small)
    assert test.statistic == pytest.approx(2 * (gamma.loglik - small.loglik), rel=1e-12)
    assert test.df == 1
    assert gamma.likelihood_ratio(["a"], value=1.0).statistic == pytest.approx(test.statistic)
    with pytest.raises(ek.DataError):
        gamma.likelihood_ratio(ek.fit(ek.Distribution("weibull"), X))


def test_score_and_wald_tests_agree_near_the_estimate(gamma: Any) -> None:
    value = float(gamma.params[0]) * 1.001
    tests = [test(["a"], value=value) for test in (gamma.score_test, gamma.wald_test)]
    assert tests[0].statistic == pytest.approx(tests[1].statistic, rel=5e-3)


@pytest.mark.parametrize("law", ["norm", "gamma", "weibull", "beta", "poisson", "nbinom"])
def test_sandwich_is_made_of_scipys_scores(law: str) -> None:
    rng = np.random.default_rng(6)
    draws = {"poisson": rng.poisson(4.0, 50), "nbinom": rng.negative_binomial(2, 0.3, 50)}
    x = draws.get(law, rng.beta(2.0, 3.0, 50))
    times = rng.integers(1, 4, 50)
    fit = ek.fit(ek.Distribution(law), x, weights=times)
    columns = []
    for j in range(len(fit.params)):
        step = np.eye(len(fit.params))[j] * 1e-4 * fit.params[j]
        high, low = (fit._at(fit.params + sign * step) for sign in (1, -1))
        log = "logpmf" if law in draws else "logpdf"
        columns.append((getattr(high, log)(x) - getattr(low, log)(x)) / (2 * step[j]))
    scores = np.column_stack(columns)
    middle = (scores * times[:, None]).T @ scores
    expected = fit.covariance() @ middle @ fit.covariance()
    np.testing.assert_allclose(fit.covariance("HC0"), expected, rtol=1e-5)


def test_clusters_of_one_row_are_rows(gamma: Any) -> None:
    fit = ek.fit(ek.Distribution("gamma"), X, groups=np.arange(len(X)))
    n = len(X)
    factor = n / (n - 1) * (n - 1) / (n - 2)
    np.testing.assert_allclose(
        fit.covariance("cluster"), fit.covariance("HC0") * factor, rtol=1e-10
    )


@pytest.mark.parametrize("law", ["norm", "gamma", "expon", "poisson", "weibull"])
def test_expected_information_is_that_of_many_draws(law: str) -> None:
    """The mean of the observed information at the parameters it was drawn from."""
    fit = ek.fit(ek.Distribution(law), np.ceil(X) if law == "poisson" else X)
    drawn = fit._model.renew(fit.simulate(rng=8, replicates=400).ravel())
    held = [axis.inward(v) for axis, v in zip((drawn.axes[i] for i in drawn.free), fit.params,
                                              strict=True)]  # fmt: skip
    moved = np.linalg.solve(drawn.out, held)
    mean = drawn.total(moved).information / 400
    jacobian = drawn.jacobian(moved)
    found, expected = jacobian @ np.linalg.inv(mean) @ jacobian.T, fit.covariance("expected")
    error = np.sqrt(np.diag(expected))
    np.testing.assert_allclose(found / error / error[:, None], expected / error / error[:, None],
                               atol=0.05)  # fmt: skip


def test_expected_information_is_refused_where_it_has_no_closed_form() -> None:
    fit = ek.fit(ek.Distribution("nbinom"), np.ceil(X))
    with pytest.raises(ek.EstkitError, match="observed"):
        fit.covariance("expected")


def test_simulate_and_bootstrap() -> None:
    fit = ek.fit(ek.Distribution("expon"), X, weights=np.full(len(X), 2))
    assert fit.simulate(rng=1).shape == (120,)
    np.testing.assert_array_equal(fit.simulate(rng=1, replicates=2)[0], fit.simulate(rng=1))
    study = fit.bootstrap(400, rng=1)
    spread = study.summary("empirical_se")
    value, mcse = float(spread.value.iloc[0]), float(spread.mcse.iloc[0])
    assert abs(value - fit.std_errors[0]) < 4 * mcse


def test_a_stored_fit_answers_without_its_data() -> None:
    fit = ek.fit(ek.Distribution("gamma", fixed={"loc": -1.0}), X)
    stored = json.loads(json.dumps(fit.to_dict()))
    again = ek.LikelihoodFit.from_dict(stored)
    assert isinstance(again, ek.DistributionFit)
    assert again.to_dict() == fit.to_dict()
    assert repr(again.quantile(0.9)) == repr(fit.quantile(0.9))
    np.testing.assert_array_equal(again.interval(), fit.interval())
    assert again.aic == fit.aic
    with pytest.raises(ek.EstkitError, match="training data"):
        again.interval(method="profile")


def test_what_is_shown(gamma: Any) -> None:
    assert "Distribution gamma, 60 observations" in str(gamma)
    assert list(gamma.to_frame().columns) == ["term", "estimate", "std_error", "lower", "upper"]
    assert repr(gamma).startswith("DistributionFit(gamma, 60 observations, a=")
    fixed = ek.fit(ek.Distribution("gamma", fixed={"a": 2.0}), X)
    assert "a = 2" in str(fixed).splitlines()[0]


def test_a_law_of_ones_own() -> None:
    class Triangle(stats.rv_continuous):
        """Density 2 x / s² on (0, s), raised to a power."""

        def _pdf(self, x: Any, power: Any) -> Any:
            return (power + 1.0) * x**power

    own = Triangle(a=0.0, b=1.0, name="triangle", shapes="power")
    x = np.random.default_rng(9).random(100) ** 0.4
    fit = ek.fit(ek.Distribution(own), x)
    expected = -1.0 - 1.0 / np.log(x).mean()
    assert fit.params[0] == pytest.approx(expected, rel=1e-9)
    assert fit.std_errors[0] == pytest.approx((expected + 1.0) / 10.0, rel=1e-7)
    with pytest.raises(ek.EstkitError, match="name"):
        fit.to_dict()
