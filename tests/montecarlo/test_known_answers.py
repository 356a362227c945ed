"""Studies whose answer is known: by a formula, by enumeration, or from another program."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

import estkit as ek

SEED = 7
# A right number lies further than this many Monte-Carlo errors away once in 16,000 looks.
FAR = 4.0
BATCH = 2e-11  # a loop takes standard errors up to 1e-11 of one from the maximum

SIGMA = 2.0
NORMAL = ek.vectorized(lambda rng, replicates, n: rng.normal(1.0, SIGMA, size=(replicates, n)))


def told(result: ek.StudyResult, *keys: str) -> pd.DataFrame:
    return result.summary().set_index([*keys, "measure"]).sort_index()


def assert_near(row: pd.Series, expected: float) -> None:
    assert row["mcse"] > 0
    assert abs(row["value"] - expected) < FAR * row["mcse"]


# --- the variance with divisor n ---


def test_the_interval_of_a_bias_holds_the_known_bias_as_often_as_it_says() -> None:
    n = 10
    study = ek.Study(NORMAL, {"variance": np.var}, truth=SIGMA**2, conditions=ek.grid(n=[n]))
    rows = [study.run(400, rng=seed).summary("bias").iloc[0] for seed in range(1000)]
    inside = [row["lower"] <= -(SIGMA**2) / n <= row["upper"] for row in rows]
    assert 0.93 <= np.mean(inside) <= 0.97


@pytest.mark.parametrize("ddof", [0, 1])
def test_all_measures_of_a_normal_variance_are_known(ddof: int) -> None:
    sizes, function = [3, 10, 40], functools.partial(np.var, ddof=ddof)
    study = ek.Study(NORMAL, {"variance": function}, truth=SIGMA**2, conditions=ek.grid(n=sizes))
    rows = told(study.run(20_000, rng=SEED), "n")
    for n in sizes:
        shrink = (n - 1) / (n - ddof)
        bias, variance = SIGMA**2 * (shrink - 1), 2 * SIGMA**4 * shrink**2 / (n - 1)
        assert_near(rows.loc[(n, "bias")], bias)
        assert_near(rows.loc[(n, "relative_bias")], shrink - 1)
        assert_near(rows.loc[(n, "empirical_variance")], variance)
        assert_near(rows.loc[(n, "empirical_se")], math.sqrt(variance))
        assert_near(rows.loc[(n, "mse")], variance + bias**2)
        assert_near(rows.loc[(n, "rmse")], math.sqrt(variance + bias**2))


# --- the mean and its t interval ---


def t_interval(x: Any) -> ek.Estimate:
    n = x.shape[1]
    mean, error = x.mean(axis=1), x.std(axis=1, ddof=1) / math.sqrt(n)
    half = stats.t.ppf(0.975, n - 1) * error
    return ek.Estimate(mean, std_error=error, lower=mean - half, upper=mean + half)


def test_all_measures_of_a_mean_and_its_t_interval_are_known() -> None:
    sizes = [4, 12]
    study = ek.Study(NORMAL, {"mean": ek.vectorized(t_interval)}, truth=1.0,
                     conditions=ek.grid(n=sizes))  # fmt: skip
    rows = told(study.run(20_000, rng=SEED), "n")
    for n in sizes:
        error, t = SIGMA / math.sqrt(n), stats.t.ppf(0.975, n - 1)
        mean_of_s = SIGMA * stats.chi.mean(n - 1) / math.sqrt(n - 1)
        beyond = stats.nct(n - 1, 1.0 / error)
        for name, expected in {
            "bias": 0.0, "empirical_se": error, "model_se": error, "model_se_error": 0.0,
            "mse": error**2, "coverage": 0.95, "bias_eliminated_coverage": 0.95,
            "interval_width": 2 * t * mean_of_s / math.sqrt(n),
            "power": beyond.sf(t) + beyond.cdf(-t),
        }.items():  # fmt: skip
            assert_near(rows.loc[(n, name)], expected)
        assert rows.loc[(n, "failure_rate"), ["value", "lower"]].tolist() == [0.0, 0.0]


# --- a binomial proportion, by enumeration ---


def test_the_coverage_of_the_wald_interval_is_that_of_the_enumeration() -> None:
    # it ends at whole numbers of successes, so every number here is exact
    def wald(k: Any, n: int) -> ek.Estimate:
        share = k / n
        return ek.Estimate(share, std_error=np.sqrt(share * (1 - share) / n))

    draw = ek.vectorized(lambda rng, replicates, n, p: rng.binomial(n, p, size=replicates))
    cases = [{"n": 10, "p": 0.1}, {"n": 20, "p": 0.3}, {"n": 12, "p": 0.5}]
    study = ek.Study(draw, {"wald": ek.vectorized(wald)}, truth=lambda p: p, conditions=cases)
    rows = told(study.run(20_000, rng=SEED), "n")
    for case in cases:
        n, p = case["n"], case["p"]
        k = np.arange(n + 1)
        chance, half = stats.binom.pmf(k, n, p), 1.959963984540054 * np.sqrt(k * (n - k) / n**3)
        holds = chance[np.abs(k / n - p) <= half].sum()
        assert_near(rows.loc[(n, "coverage")], holds)
        assert_near(rows.loc[(n, "interval_width")], chance @ (2 * half))
        assert_near(rows.loc[(n, "power")], chance[k / n > half].sum())
        assert_near(rows.loc[(n, "empirical_se")], math.sqrt(p * (1 - p) / n))


def logit_by_enumeration(n: int, p: float) -> dict[str, float]:
    """Return what is true of the maximum-likelihood logit, which exists unless all are equal."""
    k = np.arange(1, n)
    chance = stats.binom.pmf(k, n, p)
    failing, chance = 1 - chance.sum(), chance / chance.sum()
    error = np.log(k / (n - k)) - math.log(p / (1 - p))
    width = 1.959963984540054 * np.sqrt(1 / k + 1 / (n - k))
    return {
        "bias": chance @ error,
        "mse": chance @ error**2,
        "coverage": chance[np.abs(error) <= width].sum(),
        "interval_width": chance @ (2 * width),
        "failure_rate": failing,
    }


def test_a_fit_that_sometimes_does_not_exist_is_what_the_enumeration_says() -> None:
    n, p = 8, 0.3
    study = ek.Study(
        lambda rng: np.array([[k := rng.binomial(n, p), n - k]]),
        {"logit": lambda y: ek.fit(ek.Binomial(), None, y)},
        truth=math.log(p / (1 - p)),
    )
    result = study.run(2000, rng=SEED)
    rows = told(result)
    for name, expected in logit_by_enumeration(n, p).items():
        assert_near(rows.loc[name], expected)
    assert result.failures()["reason"].str.startswith("SeparationError").all()


# --- the bootstrap of a fit ---


def test_the_bootstrap_of_a_proportion_is_what_the_enumeration_says() -> None:
    fit = ek.fit(ek.Binomial(), None, [[30, 20]])
    rows = told(fit.bootstrap(20_000, rng=SEED))
    expected = logit_by_enumeration(50, 0.6)
    for name in ("bias", "mse", "coverage", "interval_width"):
        assert_near(rows.loc[name], expected[name])
    assert rows.loc["failure_rate", "value"] == 0.0


def test_the_bootstrap_of_a_normal_regression_has_the_covariance_of_the_fit() -> None:
    rng = np.random.default_rng(SEED)
    X = rng.normal(size=(25, 2))
    y = 1 + X @ [0.5, -2.0] + rng.normal(size=25)
    fit = ek.fit(ek.Gaussian(), X, y)
    result = fit.bootstrap(4000, rng=SEED)
    rows = told(result, "parameter")
    # the estimates of a linear model are exactly normal, with σ̂² (X'X)⁻¹ at divisor n
    design = sm.add_constant(X)
    residual = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    exact = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * np.mean(residual**2))
    for name, param, error in zip(fit.names, fit.params, exact, strict=True):
        assert_near(rows.loc[(name, "bias")], 0.0)
        assert_near(rows.loc[(name, "empirical_se")], error)
        own = result.outcomes().query("parameter == @name")
        assert own["truth"].unique().tolist() == [param]


# --- a study of fits ---


def logistic(rng: Any, n: int) -> tuple[Any, Any]:
    X = rng.normal(size=(n, 2))
    return X, rng.random(n) < 1 / (1 + np.exp(-0.5 - X[:, 0]))


def test_a_study_of_fits_in_blocks_is_the_study_of_fits_one_by_one() -> None:
    functions = {
        "block": functools.partial(ek.fit, ek.Binomial()),
        "loop": lambda X, y: ek.fit(ek.Binomial(), X, y),
    }
    truth = {"intercept": 0.5, "x0": 1.0, "x1": 0.0}
    study = ek.Study(logistic, functions, truth=truth, conditions=ek.grid(n=[12, 60]))
    frame = study.run(300, rng=SEED).outcomes()
    block, loop = (frame[frame["estimator"] == name] for name in functions)
    assert block["parameter"].tolist() == loop["parameter"].tolist()
    assert block["status"].tolist() == loop["status"].tolist()
    assert set(loop["status"]) == {"ok", "failed"}  # some of the small samples are separated
    for column in ("estimate", "std_error", "lower", "upper", "truth"):
        np.testing.assert_allclose(block[column], loop[column], rtol=BATCH, atol=BATCH)


def test_a_study_of_fits_holds_what_statsmodels_finds_in_the_same_data() -> None:
    study = ek.Study(
        logistic, {"fit": functools.partial(ek.fit, ek.Binomial())}, conditions=ek.grid(n=[60])
    )
    result = study.run(100, rng=SEED)
    frame = result.outcomes()
    for replicate in (0, 1, 50, 99):
        X, y = result.replay(replicate).data
        peer = sm.Logit(y, sm.add_constant(X)).fit(disp=False, tol=1e-12, maxiter=100)
        own = frame[frame["replicate"] == replicate]
        np.testing.assert_allclose(own["estimate"], peer.params, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(own["std_error"], peer.bse, rtol=1e-6)
