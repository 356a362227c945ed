"""Profile intervals, score and likelihood-ratio tests against closed forms and other optimisers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import optimize, stats

import estkit as ek
from estkit.likelihood.regression import Regression

LIMITS = 1e-8  # of a standard error: a limit is solved to 1e-10 in the log-likelihood
CLOSED = 1e-9
OTHER = 1e-6  # what a general optimiser and a root finder reach in the log-likelihood

RNG = np.random.default_rng(20)
X = RNG.normal(size=(120, 3)) * [1.0, 5.0, 0.2] + [0.0, 100.0, 3.0]
ETA = 0.8 * X[:, 0] - 0.1 * (X[:, 1] - 100.0)
HIT = RNG.random(120) < 1 / (1 + np.exp(-ETA))
WORDS = np.array(["a", "b", "c"])[
    np.argmax(RNG.gumbel(size=(120, 3)) + np.outer(ETA, [0, 1, -1]), 1)
]
Y = ETA + RNG.normal(size=120)
FITS = {
    "binomial": ek.fit(ek.Binomial(), X, HIT),
    "binomial, offset": ek.fit(ek.Binomial(), X[:, :2], HIT, offset=X[:, 2] - 2.0),
    "binomial, no intercept": ek.fit(ek.Binomial(), X[:, [0, 2]], HIT, intercept=False),
    "binomial, weights": ek.fit(ek.Binomial(), X, HIT, weights=np.arange(120) % 4),
    "softmax": ek.fit(ek.Softmax(reference="b"), X[:, :2], WORDS),
    "gaussian": ek.fit(ek.Gaussian(), X, 1e5 + 1e3 * Y),
}


def total(level: float) -> float:
    return float(stats.chi2.ppf(level, 1) / 2)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.999])
@pytest.mark.parametrize("trials", [[3, 7], [1, 40], [500, 20]])
def test_an_intercept_alone_has_the_likelihood_ratio_limits_of_its_probability(
    trials: list[int], level: float
) -> None:
    won, lost = trials
    found = ek.fit(ek.Binomial(), None, [trials]).interval(level, method="profile")[0]
    share = won / (won + lost)

    def fall(p: float) -> float:
        return won * np.log(share / p) + lost * np.log((1 - share) / (1 - p)) - total(level)

    limits = [optimize.brentq(fall, 1e-300, share, xtol=1e-300, rtol=1e-14),
              optimize.brentq(fall, share, 1 - 1e-15, xtol=1e-300, rtol=1e-14)]  # fmt: skip
    np.testing.assert_allclose(found, np.log(limits) - np.log1p(-np.array(limits)), rtol=CLOSED)


@pytest.mark.parametrize("origin", [0.0, 1e6])
@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e5])
def test_gaussian_limits_have_a_closed_form(unit: float, origin: float) -> None:
    """The profile of a coefficient is -n/2 log(RSS + t² / (XᵀX)⁻¹)."""
    fit = ek.fit(ek.Gaussian(), X, origin + unit * Y)
    spread = np.sqrt(120 * np.expm1(2 * total(0.9) / 120)) * fit.std_errors
    expected = np.column_stack([fit.params - spread, fit.params + spread])
    off = np.abs(fit.interval(0.9, method="profile") - expected) / fit.std_errors[:, None]
    assert off.max() < (1e-6 if origin else LIMITS)


@pytest.mark.parametrize("name", FITS)
def test_the_likelihood_has_fallen_by_the_quantile_at_every_limit(name: str) -> None:
    fit = FITS[name]
    limits = fit.interval(0.95, method="profile")
    for parameter, pair in zip(fit.names, limits, strict=True):
        for limit in pair:
            test = fit.likelihood_ratio([parameter], value=limit)
            assert test.statistic / 2 == pytest.approx(total(0.95), abs=1e-8)
            assert test.p_value == pytest.approx(0.05, abs=1e-8)
    assert (limits[:, 0] < fit.params).all()
    assert (fit.params < limits[:, 1]).all()


@pytest.mark.parametrize("parameter", range(4))
def test_another_optimiser_finds_the_same_profile(parameter: int) -> None:
    fit = FITS["binomial"]
    design = np.column_stack([np.ones(120), X])
    rest = [j for j in range(4) if j != parameter]
    limit = fit.interval(0.95, method="profile")[parameter, 1]
    offset = design[:, parameter] * limit
    model = sm.GLM(HIT.astype(float), design[:, rest], sm.families.Binomial(), offset=offset)
    found = model.fit(tol=1e-14).llf
    assert fit.loglik - found == pytest.approx(total(0.95), abs=OTHER)


def test_origin_and_unit_of_a_column_move_and_scale_its_limits() -> None:
    near = ek.fit(ek.Binomial(), X[:, 0], HIT).interval(method="profile")
    far = ek.fit(ek.Binomial(), 1e6 * X[:, 0] + 1e9, HIT).interval(method="profile")
    np.testing.assert_allclose(far[1] * 1e6, near[1], rtol=1e-6)


@pytest.mark.parametrize("table", [[[12, 5], [3, 17]], [[1, 30], [4, 28]], [[200, 100], [90, 210]]])
def test_the_score_test_of_a_two_by_two_table_is_pearsons(table: Any) -> None:
    test = ek.fit(ek.Binomial(), [0, 1], table).score_test()
    pearson = stats.chi2_contingency(np.array(table), correction=False)
    assert test.statistic == pytest.approx(pearson.statistic, rel=CLOSED)
    assert (test.df, test.p_value) == (1, pytest.approx(pearson.pvalue, rel=1e-7))


def test_the_score_test_of_a_larger_table_is_pearsons() -> None:
    table = np.array([[12, 5, 9], [4, 17, 6], [8, 8, 21], [3, 1, 2]])
    test = ek.fit(ek.Softmax(), np.eye(4)[:, 1:], table).score_test()
    pearson = stats.chi2_contingency(table, correction=False)
    assert test.statistic == pytest.approx(pearson.statistic, rel=CLOSED)
    assert test.df == pearson.dof == 6


def test_the_likelihood_ratio_of_a_table_is_g_squared() -> None:
    table = np.array([[12, 5, 9], [4, 17, 6], [8, 8, 21]])
    whole = ek.fit(ek.Softmax(), np.eye(3)[:, 1:], table)
    g_squared = stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
    for test in (
        whole.likelihood_ratio(),
        whole.likelihood_ratio(ek.fit(ek.Softmax(), None, table)),
    ):
        assert test.statistic == pytest.approx(g_squared.statistic, rel=1e-8)
        assert test.df == 4


def test_three_tests_agree_in_large_samples_and_have_their_size() -> None:
    rng = np.random.default_rng(3)
    rejected = np.zeros(3)
    for _ in range(400):
        x = rng.normal(size=(200, 2))
        fit = ek.fit(ek.Binomial(), x, rng.random(200) < 0.4)
        tests = fit.wald_test(["x1"]), fit.score_test(["x1"]), fit.likelihood_ratio(["x1"])
        rejected += [test.p_value < 0.1 for test in tests]
    # 400 repeats: the share has a standard error of 0.015
    assert (np.abs(rejected / 400 - 0.1) < 4 * 0.015).all()


def test_gaussian_tests_have_closed_forms() -> None:
    fit = FITS["gaussian"]
    null = ek.fit(ek.Gaussian(), X[:, :2], 1e5 + 1e3 * Y)
    ratio = (null.sigma.value / fit.sigma.value) ** 2
    assert fit.likelihood_ratio(["x2"]).statistic == pytest.approx(120 * np.log(ratio), rel=1e-7)
    assert fit.likelihood_ratio(null).statistic == pytest.approx(120 * np.log(ratio), rel=1e-7)
    assert fit.score_test(["x2"]).statistic == pytest.approx(120 * (1 - 1 / ratio), rel=1e-7)
    assert fit.wald_test(["x2"]).statistic == pytest.approx(120 * (ratio - 1), rel=1e-7)


def test_fits_that_are_not_nested_are_refused() -> None:
    fit = FITS["binomial"]
    for other in (
        FITS["gaussian"],
        ek.fit(ek.Binomial(), X[:100], HIT[:100]),
        ek.fit(ek.Binomial(), {"else": X[:, 0]}, HIT),
        fit,
    ):
        with pytest.raises(ek.DataError, match=r"differ in|nested"):
            fit.likelihood_ratio(other)


def test_a_stored_fit_says_that_it_lacks_the_data() -> None:
    again = ek.LikelihoodFit.from_dict(FITS["binomial"].to_dict())
    for question in (again.score_test, lambda: again.interval(method="profile")):
        with pytest.raises(ek.EstkitError, match="training data"):
            question()


def test_the_origin_of_a_column_changes_neither_its_limits_nor_its_test() -> None:
    far = X[:, 0] + 2.0**30
    first, second = (ek.fit(ek.Binomial(), x, HIT) for x in (far, far - 2.0**30))
    limits = [fit.interval(method="profile")[1] for fit in (first, second)]
    np.testing.assert_allclose(*limits, rtol=1e-8)
    assert first.score_test().statistic == pytest.approx(second.score_test().statistic, rel=1e-9)


def test_limits_follow_a_response_of_extreme_size() -> None:
    near = ek.fit(ek.Gaussian(), X, Y).interval(method="profile")
    far = ek.fit(ek.Gaussian(), X, 1e200 * Y).interval(method="profile")
    np.testing.assert_allclose(far / 1e200, near, rtol=1e-8)


def test_a_limit_takes_few_passes_over_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    X = rng.normal(size=(150, 5))
    fit = ek.fit(ek.Binomial(), X, rng.random(150) < 1 / (1 + np.exp(-X[:, 0])))
    calls: list[bool] = []

    def counted(self: Regression, point: Any, *, curvature: bool = True) -> Any:
        calls.append(curvature)
        return passed(self, point, curvature=curvature)

    passed = Regression.total
    monkeypatch.setattr(Regression, "total", counted)
    limits = fit.interval(method="profile")
    assert len(calls) <= 11 * limits.size
