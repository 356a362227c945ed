"""Intervals and tests: the Wald table against closed forms, far tails against many digits."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy import stats

import estkit as ek
from estkit.likelihood import inference

Floats = NDArray[np.float64]

# One multiplication and a quantile or tail probability that is right to rounding.
EXACT = 1e-13
# The covariances of two fits that end within 1e-9 standard errors of the same point.
PEER = 1e-7

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 3))
HIT = RNG.random(200) < 1 / (1 + np.exp(-X[:, 0] - 0.4 * X[:, 1]))
CODES = (X[:, 0] + RNG.logistic(size=200) > 0).astype(int) + (RNG.random(200) < 0.4)
FITS = {
    "binomial": ek.fit(ek.Binomial(), X, HIT),
    "softmax": ek.fit(ek.Softmax(), X, CODES),
    "gaussian": ek.fit(ek.Gaussian(), X, X[:, 0] + RNG.normal(size=200)),
}


def quantile(level: float) -> float:
    with mp.workdps(40):
        return float(mp.sqrt(2) * mp.erfinv(mp.mpf(level)))


# --- the table ---


@pytest.mark.parametrize("name", FITS)
def test_the_table_follows_from_estimate_and_error(name: str) -> None:
    fit = FITS[name]
    frame = fit.to_frame()
    z = fit.params / fit.std_errors
    np.testing.assert_allclose(frame["statistic"], z, rtol=EXACT)
    with mp.workdps(40):
        p_values = [float(mp.erfc(abs(mp.mpf(float(t))) / mp.sqrt(2))) for t in z]
    np.testing.assert_allclose(frame["p_value"], p_values, rtol=1e-11)
    np.testing.assert_allclose(frame["lower"], fit.params - quantile(0.95) * fit.std_errors)
    np.testing.assert_allclose(frame["upper"], fit.params + quantile(0.95) * fit.std_errors)


@pytest.mark.parametrize("level", [0.001, 0.5, 0.9, 0.95, 0.99, 0.999999, 1 - 1e-12])
def test_intervals_have_the_quantile_of_their_level(level: float) -> None:
    fit = FITS["binomial"]
    half_width = (fit.interval(level)[:, 1] - fit.interval(level)[:, 0]) / 2
    np.testing.assert_allclose(half_width / fit.std_errors, quantile(level), rtol=1e-9)
    np.testing.assert_allclose(fit.interval(level).mean(axis=1), fit.params, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("z", [0.0, 1e-12, 0.5, 1.96, 5.0, 8.3, 12.0, 20.0, 30.0, 37.0])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_p_values_are_right_far_into_the_tail(z: float, sign: float) -> None:
    """2 * (1 - Φ(z)) would be 0 from z = 8.3 on."""
    statistic, p_value = inference.wald_statistics(np.array([sign * z * 3.0]), np.array([3.0]))
    with mp.workdps(40):
        expected = float(mp.erfc(mp.mpf(float(abs(statistic[0]))) / mp.sqrt(2)))
    assert statistic[0] == pytest.approx(sign * z, rel=EXACT)
    assert p_value[0] == pytest.approx(expected, rel=1e-12)


def test_a_strong_effect_has_a_p_value_that_is_not_0() -> None:
    x = np.repeat([0.0, 1.0], 2)
    fit = ek.fit(ek.Binomial(), x, [[530, 59], [530, 59], [59, 530], [59, 530]])
    frame = fit.to_frame()
    assert 0 < frame["p_value"][1] < 1e-200
    assert "<0.001" in str(fit)


# --- joint tests ---


@pytest.mark.parametrize("chosen", [["x0"], ["x0", "x1"], ["x2", "x0"], ["intercept", "x1", "x2"]])
def test_the_joint_test_is_that_of_statsmodels(chosen: list[str]) -> None:
    peer = sm.Logit(HIT, sm.add_constant(X)).fit(disp=False, method="newton", tol=1e-14)
    names = ["intercept", "x0", "x1", "x2"]
    rows = np.eye(4)[[names.index(name) for name in chosen]]
    expected = peer.wald_test(rows, scalar=True, use_f=False)
    found = FITS["binomial"].wald_test(chosen)
    assert found.statistic == pytest.approx(float(expected.statistic), rel=PEER)
    assert found.p_value == pytest.approx(float(expected.pvalue), rel=PEER)
    assert (found.df, found.method) == (len(chosen), "Wald")


def test_by_default_all_slopes_are_tested() -> None:
    peer = sm.Logit(HIT, sm.add_constant(X)).fit(disp=False, method="newton", tol=1e-14)
    expected = peer.wald_test(np.eye(4)[1:], scalar=True, use_f=False)
    assert FITS["binomial"].wald_test().statistic == pytest.approx(
        float(expected.statistic), rel=PEER
    )


def test_a_term_of_softmax_is_tested_in_all_outcomes() -> None:
    fit = FITS["softmax"]
    peer = sm.MNLogit(CODES, sm.add_constant(X)).fit(disp=False, method="newton", tol=1e-14)
    both = fit.wald_test(["x1"])
    rows = np.zeros((2, 8))
    rows[0, 2] = rows[1, 6] = 1.0
    covariance = rows @ peer.cov_params() @ rows.T
    estimate = rows @ np.ravel(peer.params.T)
    expected = estimate @ np.linalg.solve(covariance, estimate)
    assert (both.statistic, both.df) == (pytest.approx(float(expected), rel=PEER), 2)
    assert "1:x1" in both.hypothesis
    assert "2:x1" in both.hypothesis
    one = fit.wald_test(["1:x1"])
    z = fit.params[2] / fit.std_errors[2]
    assert (one.statistic, one.df) == (pytest.approx(z**2, rel=1e-9), 1)
    assert fit.wald_test().df == 6


def test_a_hypothesis_may_be_any_value() -> None:
    fit = FITS["binomial"]
    at_estimate = fit.wald_test(["x0", "x1"], value=fit.params[1:3])
    assert (at_estimate.statistic, at_estimate.p_value) == (0.0, 1.0)
    shifted = fit.wald_test("x0", value=fit.params[1] - 3 * fit.std_errors[1])
    assert shifted.statistic == pytest.approx(9.0, rel=1e-12)
    assert shifted.p_value == pytest.approx(2 * stats.norm.sf(3.0), rel=1e-10)
    assert fit.wald_test("x0", value=1.0).statistic == fit.wald_test("x0", value=[1.0]).statistic


@pytest.mark.parametrize("unit", [1e-8, 1e8])
def test_a_joint_test_does_not_depend_on_units(unit: float) -> None:
    other = ek.fit(ek.Binomial(), X * [unit, 1.0, 1 / unit], HIT)
    found, wanted = other.wald_test(), FITS["binomial"].wald_test()
    assert found.statistic == pytest.approx(wanted.statistic, rel=1e-9)


@pytest.mark.parametrize(("statistic", "df"), [(1e-6, 1), (3.84, 1), (50.0, 3), (700.0, 2),
                                               (1400.0, 5)])  # fmt: skip
def test_joint_p_values_are_right_far_into_the_tail(statistic: float, df: int) -> None:
    difference = np.zeros(df)
    difference[0] = np.sqrt(statistic)
    found = inference.wald_test(difference, np.eye(df), "something")
    with mp.workdps(40):
        tail = mp.gammainc(mp.mpf(df) / 2, a=mp.mpf(found.statistic) / 2, regularized=True)
    assert found.p_value == pytest.approx(float(tail), rel=1e-11)


def test_the_outcome_of_a_test_is_one_line() -> None:
    found = FITS["binomial"].wald_test(["x0"])
    text = str(found)
    assert repr(found) == f"TestResult({text})"
    assert "\n" not in text
    assert [part for part in ("Wald", "x0 = 0", "1 df", "p = ") if part not in text] == []


REFUSED: dict[str, tuple[Any, Any, str]] = {
    "an unknown name": (["x0", "age"], 0.0, r"'age'.*intercept, x0"),
    "a name twice": (["x0", "x0"], 0.0, "x0"),
    "no name": ([], 0.0, "parameter"),
    "too many values": (["x0", "x1"], [1.0, 2.0, 3.0], "value"),
    "a value that is no number": (["x0"], np.nan, "value"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_other_questions_are_refused(case: str) -> None:
    terms, value, message = REFUSED[case]
    with pytest.raises(ek.DataError, match=message):
        FITS["binomial"].wald_test(terms, value=value)


def test_without_slopes_there_is_nothing_to_test() -> None:
    with pytest.raises(ek.DataError, match="parameter"):
        ek.fit(ek.Binomial(), None, HIT).wald_test()


def test_a_failed_fit_gives_no_p_value() -> None:
    failed = ek.fit(ek.Binomial(), [1, 2, 3, 4], [0, 0, 1, 1], errors="return")
    with pytest.raises(ek.EstkitError, match="no answer to work with: Complete separation"):
        failed.wald_test()
    assert failed.to_frame()[["statistic", "p_value"]].isna().all(axis=None)


def test_the_claimed_coverage_is_reached() -> None:
    """Of 1,000 Gaussian fits 95 % of the intervals hold the truth, up to the known factor."""
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(1000):
        fit = ek.fit(ek.Gaussian(), X[:50], X[:50, 0] + rng.normal(size=50))
        hits += fit.interval()[1, 0] <= 1.0 <= fit.interval()[1, 1]
    # the variance has divisor n, so z stands for t on 46 degrees of freedom times √(46/50)
    exact = 1 - 2 * stats.t.sf(quantile(0.95) * np.sqrt(46 / 50), 46)
    assert hits / 1000 == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 1000))


@pytest.mark.parametrize("test", ["wald_test", "score_test", "likelihood_ratio"])
def test_a_mapping_of_hypotheses_is_not_read_as_names_alone(test: str) -> None:
    with pytest.raises(ek.DataError, match=r"write \['x0'\], value=\[0.5\]"):
        getattr(FITS["binomial"], test)({"x0": 0.5})


@pytest.mark.parametrize("shift", [1e6, 1e8])
@pytest.mark.parametrize("kind", ["observed", "HC0"])
def test_a_wald_test_of_the_intercept_too_survives_columns_far_from_0(
    shift: float, kind: str
) -> None:
    # without any effect there is none at any origin: the hypothesis is the same
    terms = ["intercept", "x0", "x1", "x2"]
    moved = X + shift
    near = ek.fit(ek.Binomial(), moved - shift, HIT).wald_test(terms, kind=kind)
    far = ek.fit(ek.Binomial(), moved, HIT).wald_test(terms, kind=kind)
    assert (far.df, near.df) == (4, 4)
    assert far.statistic == pytest.approx(near.statistic, rel=1e-6)


@pytest.mark.parametrize("test", ["wald_test", "likelihood_ratio"])
def test_hypotheses_that_contradict_each_other_are_refused(test: str) -> None:
    fit = ek.fit(ek.Softmax(symmetric=True), X, CODES)
    assert getattr(fit, test)(["x0"]).df == len(fit.outcomes) - 1
    with pytest.raises(ek.DataError, match="contradict"):  # the three add up to 0, and not to 3
        getattr(fit, test)(["x0"], value=1.0)


def test_a_wald_test_with_few_clusters_has_fewer_degrees_of_freedom() -> None:
    fit = ek.fit(ek.Binomial(), X, HIT, groups=np.arange(200) % 3)
    assert fit.wald_test(kind="cluster").df < 3
