"""Three kinds of weights: the same estimates, each with the standard errors that it means."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import estkit as ek
from estkit.likelihood.model import Model

SAME = 1e-10  # the same sums in another order
PEER = 1e-6  # statsmodels stops at its own distance from the maximum

RNG = np.random.default_rng(12)
N = 240
X = RNG.normal(size=(N, 2)) * [1.0, 3.0] + [0.0, 20.0]
DESIGN = np.column_stack([np.ones(N), X])
ETA = 0.7 * X[:, 0] - 0.2 * (X[:, 1] - 20)
TRIALS = RNG.integers(0, 9, size=N)
WON = RNG.binomial(TRIALS, 1 / (1 + np.exp(-ETA)))
COUNTS = np.column_stack([WON, TRIALS - WON])
HIT = RNG.random(N) < 1 / (1 + np.exp(-ETA))
Y = ETA + RNG.normal(size=N) * (1 + np.abs(ETA))
WEIGHTS = RNG.uniform(0.1, 6.0, size=N)
SHARE = np.where(TRIALS > 0, WON / np.maximum(TRIALS, 1), 0.0)


def softmax_counts() -> Any:
    score = np.exp(np.outer(ETA, [0.0, 0.6, -0.4]))
    return RNG.multinomial(TRIALS, score / score.sum(axis=1, keepdims=True))


THREE = softmax_counts()
SHARES = np.where(TRIALS[:, None] > 0, THREE / np.maximum(TRIALS, 1)[:, None], [1.0, 0.0, 0.0])
SUCCESS_SHARES = np.column_stack([SHARE, 1 - SHARE])


def expanded(counts: Any) -> tuple[Any, Any]:
    """Return a row for every single trial."""
    rows = np.repeat(np.arange(N), counts.sum(axis=1))
    codes = np.concatenate([np.repeat(np.arange(counts.shape[1]), row) for row in counts])
    return X[rows], codes


FORMS = {
    "binomial": (ek.Binomial(), COUNTS[:, ::-1], COUNTS, [SHARE, SUCCESS_SHARES]),
    "softmax": (ek.Softmax(), THREE, THREE, [SHARES]),
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("argument", ["weights", "analytic_weights"])
def test_counts_rows_and_shares_are_the_same_data(name: str, argument: str) -> None:
    family, by_code, counts, all_shares = FORMS[name]
    from_counts = ek.fit(family, X, counts)
    single = ek.fit(family, *expanded(by_code))
    fits = [ek.fit(family, X, shares, **{argument: TRIALS}) for shares in all_shares]
    for fit in [*fits, single]:
        np.testing.assert_allclose(fit.params, from_counts.params, rtol=SAME)
        np.testing.assert_allclose(fit.std_errors, from_counts.std_errors, rtol=SAME)
        bare = fit.aic + 2 * fit.constant
        assert bare == pytest.approx(from_counts.aic + 2 * from_counts.constant, rel=SAME)
    assert single.constant == 0 and from_counts.constant > 1
    for fit in fits:
        assert fit.loglik == pytest.approx(from_counts.loglik, rel=SAME)
        assert fit.n_obs == from_counts.n_obs == np.count_nonzero(TRIALS)


def test_the_constant_is_stated_in_the_table() -> None:
    fit = ek.fit(ek.Binomial(), X, COUNTS)
    assert f"(binomial coefficients {fit.constant:+.5g})" in str(fit)
    assert "(multinomial coefficients +" in str(ek.fit(ek.Softmax(), X, THREE))
    assert "coefficients" not in str(ek.fit(ek.Binomial(), X, HIT))


def test_shares_in_single_precision_are_rounded_as_such() -> None:
    exact = ek.fit(ek.Binomial(), X, SHARE, analytic_weights=TRIALS)
    rough = ek.fit(ek.Binomial(), X, SHARE.astype(np.float32), analytic_weights=TRIALS)
    assert (rough.params == exact.params).all()


def test_analytic_weights_of_a_gaussian_are_those_of_weighted_least_squares() -> None:
    fit = ek.fit(ek.Gaussian(), X, Y, analytic_weights=WEIGHTS)
    peer = sm.WLS(Y, DESIGN, weights=WEIGHTS).fit()
    np.testing.assert_allclose(fit.params, peer.params, rtol=SAME)
    np.testing.assert_allclose(fit.std_errors, peer.bse * np.sqrt((N - 3) / N), rtol=SAME)
    assert fit.loglik == pytest.approx(peer.llf, rel=SAME)
    assert fit.sigma.value == pytest.approx(np.sqrt(WEIGHTS @ peer.resid**2 / N), rel=SAME)
    for kind in ("HC0", "HC1"):
        robust = np.asarray(peer.get_robustcov_results(kind).cov_params())
        np.testing.assert_allclose(fit.covariance(kind), robust, rtol=PEER)


@pytest.mark.parametrize("scale", [1.0, 1e-9, 1e9])
def test_inference_with_analytic_weights(scale: float) -> None:
    fit = ek.fit(ek.Gaussian(), X, Y, analytic_weights=WEIGHTS * scale)
    smaller = ek.fit(ek.Gaussian(), X[:, 0], Y, analytic_weights=WEIGHTS * scale)
    peers = [sm.WLS(Y, DESIGN[:, :k], weights=WEIGHTS).fit() for k in (2, 3)]
    ratio = 2 * (peers[1].llf - peers[0].llf)
    assert fit.likelihood_ratio(smaller).statistic == pytest.approx(ratio, rel=1e-8)
    assert fit.likelihood_ratio(["x1"]).statistic == pytest.approx(ratio, rel=1e-8)
    np.testing.assert_allclose(fit.covariance("expected"), fit.covariance(), rtol=SAME)
    lower, upper = fit.interval(method="profile")[2]
    half = fit.std_errors[2] * np.sqrt(N * np.expm1(3.841458820694124 / N))  # in closed form
    np.testing.assert_allclose([lower, upper], fit.params[2] + half * np.array([-1, 1]), rtol=1e-8)


def test_shares_can_be_studied() -> None:
    fit = ek.fit(ek.Binomial(), X, SHARE, analytic_weights=TRIALS)
    assert (fit.simulate(rng=1).sum(axis=1) == TRIALS).all()
    study = fit.bootstrap(100, rng=1)
    spread = study.summary("empirical_se").value.to_numpy()
    np.testing.assert_allclose(spread, fit.std_errors, rtol=0.3)  # 7% for 100 replicates


def test_shares_may_come_in_a_nullable_column() -> None:
    exact = ek.fit(ek.Binomial(), X, COUNTS)
    for given in (pd.Series(SHARE, dtype="Float64"), pd.DataFrame({"share": SHARE})):
        for argument in ("weights", "analytic_weights"):
            fit = ek.fit(ek.Binomial(), X, given, **{argument: TRIALS})
            np.testing.assert_allclose(fit.params, exact.params, rtol=SAME)


@pytest.mark.parametrize("scale", [1e-300, 1e-8, 1e8, 1e300])
def test_the_unit_of_analytic_weights_is_that_of_sigma(scale: float) -> None:
    fit = ek.fit(ek.Gaussian(), X, Y, analytic_weights=WEIGHTS)
    other = ek.fit(ek.Gaussian(), X, Y, analytic_weights=WEIGHTS * scale)
    np.testing.assert_allclose(other.params, fit.params, rtol=SAME)
    np.testing.assert_allclose(other.std_errors, fit.std_errors, rtol=SAME)
    assert other.loglik == pytest.approx(fit.loglik, rel=SAME)
    assert other.sigma.value == pytest.approx(fit.sigma.value * np.sqrt(scale), rel=SAME)


def test_a_row_of_analytic_weight_0_is_ignored() -> None:
    weights, y = WEIGHTS.copy(), Y.copy()
    weights[:40], y[:40] = 0.0, 1e12
    fit = ek.fit(ek.Gaussian(), X, y, analytic_weights=weights)
    rest = ek.fit(ek.Gaussian(), X[40:], y[40:], analytic_weights=weights[40:])
    np.testing.assert_allclose(fit.params, rest.params, rtol=SAME)
    np.testing.assert_allclose(fit.std_errors, rest.std_errors, rtol=SAME)
    assert fit.loglik == pytest.approx(rest.loglik, rel=SAME)
    assert fit.n_obs == rest.n_obs == N - 40
    with pytest.raises(ek.DataError, match="Row 0 has the analytic weight 0"):
        fit.simulate(rng=1)


def test_frequencies_and_analytic_weights_differ_in_their_errors() -> None:
    twice = np.full(N, 2)
    single = ek.fit(ek.Gaussian(), X, Y)
    frequency = ek.fit(ek.Gaussian(), X, Y, weights=twice)
    analytic = ek.fit(ek.Gaussian(), X, Y, analytic_weights=twice)
    sampling = ek.fit(ek.Gaussian(), X, Y, sampling_weights=twice)
    np.testing.assert_allclose(frequency.std_errors, single.std_errors / np.sqrt(2), rtol=SAME)
    np.testing.assert_allclose(analytic.std_errors, single.std_errors, rtol=SAME)
    linearized = np.sqrt(np.diag(single.covariance("HC0")) * N / (N - 1))
    np.testing.assert_allclose(sampling.std_errors, linearized, rtol=SAME)
    assert (frequency.n_obs, analytic.n_obs, sampling.n_obs) == (2 * N, N, N)


def test_simulated_responses_have_the_variance_of_their_weight() -> None:
    weights = np.repeat([0.25, 4.0], N // 2)
    fit = ek.fit(ek.Gaussian(), X, Y, analytic_weights=weights)
    drawn = fit.simulate(rng=3, replicates=500)
    variance = (drawn - fit.predict()).var(axis=0) * weights
    # a variance of 500 draws has a relative error of √(2/500) = 6%; the mean of 120 has 0.6%
    for half in (slice(0, N // 2), slice(N // 2, N)):
        assert variance[half].mean() == pytest.approx(fit.sigma.value**2, rel=0.03)


def changed(values: Any, row: int, value: float) -> Any:
    values = np.array(values, float)
    values[row] = value
    return values


REFUSED: dict[str, tuple[Any, Any, str]] = {
    "two kinds": (
        HIT,
        {"weights": TRIALS, "sampling_weights": WEIGHTS},
        "weights and sampling_weights were",
    ),
    "two other kinds": (
        HIT,
        {"analytic_weights": TRIALS, "sampling_weights": WEIGHTS},
        "takes one kind",
    ),
    "sampling 0": (
        HIT,
        {"sampling_weights": changed(WEIGHTS, 7, 0)},
        r"sampling_weights: row 7 .* is 0",
    ),
    "sampling negative": (HIT, {"sampling_weights": changed(WEIGHTS, 3, -2)}, r"row 3 .* is -2"),
    "length": (HIT, {"sampling_weights": WEIGHTS[:5]}, "sampling_weights has 5 rows but X has 240"),
    "missing": (HIT, {"sampling_weights": changed(WEIGHTS, 9, np.nan)}, "row 9 .* is missing"),
    "negative": (
        SHARE,
        {"analytic_weights": changed(TRIALS, 4, -1)},
        "analytic_weights: row 4 .* is -1",
    ),
    "all zero": (SHARE, {"analytic_weights": np.zeros(N)}, "all zero"),
    "trials not whole": (
        SHARE,
        {"analytic_weights": changed(TRIALS, 2, 2.5)},
        r"row 2 .*: 2.5 is not whole",
    ),
    "share above 1": (
        changed(SHARE, 6, 1.5),
        {"analytic_weights": TRIALS},
        r"row 6 .*: 1.5 is no share",
    ),
    "share not whole": (
        changed(SHARE, 5, 0.123),
        {"analytic_weights": changed(TRIALS, 5, 7)},
        "0.861 times the",
    ),
    "counts": (COUNTS + 1, {"analytic_weights": TRIALS}, "is no share"),
    "half shares": (
        SUCCESS_SHARES / 2,
        {"analytic_weights": TRIALS},
        "0.5 is not 1; for counts leave",
    ),
    "no trials": (SHARE, {"analytic_weights": None}, "for proportions pass"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_weights_without_a_meaning_are_refused(case: str) -> None:
    y, options, message = REFUSED[case]
    with pytest.raises(ek.DataError, match=message):
        ek.fit(ek.Binomial(), X, y, **options)


def test_labels_have_no_trials() -> None:
    labels = np.where(HIT, "yes", "no")
    with pytest.raises(ek.DataError, match="for rows that were observed several times"):
        ek.fit(ek.Binomial(success="yes"), X, labels, analytic_weights=TRIALS)
    with pytest.raises(ek.DataError, match="a column of shares for each outcome"):
        ek.fit(ek.Softmax(), X, labels, analytic_weights=TRIALS)


class Unweighted:
    """A likelihood of its own kind that knows frequencies only."""

    def __init__(self) -> None:
        self.seen: dict[str, Any] = {}

    def model(self, X: Any, y: Any, **given: Any) -> Model:
        self.seen = given
        raise ek.DataError("reached")


@pytest.mark.parametrize("name", ["sampling_weights", "analytic_weights"])
def test_weights_never_reach_a_family_that_would_ignore_them(name: str) -> None:
    family: Any = Unweighted()
    with pytest.raises(ek.DataError, match=f"Unweighted has no meaning for {name}"):
        ek.fit(family, X, Y, **{name: WEIGHTS})
    with pytest.raises(ek.DataError, match="reached"):
        ek.fit(family, X, Y, weights=TRIALS)
    assert name not in family.seen and family.seen["weights"] is TRIALS
    family.weightings = ("frequency", "sampling", "analytic")
    with pytest.raises(ek.DataError, match="reached"):
        ek.fit(family, X, Y, **{name: WEIGHTS})
    assert family.seen[name] is WEIGHTS and family.seen["weights"] is None
