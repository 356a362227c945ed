"""Log-likelihoods of large counts at any point: under penalties, on thresholds, in pieces."""

from __future__ import annotations

import itertools
from typing import Any

import mpmath
import numpy as np
import pytest

import estkit as ek

# The parameters are known to about 1e-14, which moves 1e12 trials by a millionth of their
# log-likelihood where they are not the maximum, and by nothing visible where they are.
OFF_TOP, LOGLIK = 1e-4, 1e-11
SAME = 1e-12  # rounding of sums in another order
TRIALS = [3e4, 1e9, 1e12]

X = np.array([0.1, 1.7, 2.3, 3.9, 4.1, 5.77, 6.2, 7.5])


def cumulative(counts_of: float) -> Any:
    rng = np.random.default_rng(4)
    below = 1 / (1 + np.exp(-(np.array([0.5, 0.6, 2.0]) - 0.3 * X[:, None])))
    shares = np.diff(np.column_stack([np.zeros(8), below, np.ones(8)]))
    spread = np.sqrt(counts_of * shares) * rng.normal(size=shares.shape)
    return np.round(counts_of * shares + spread).clip(1.0)


def pairs(trials: float) -> Any:
    won = np.random.default_rng(6).binomial(int(trials), 1 / (1 + np.exp(0.5 - 0.3 * X)))
    return np.column_stack([trials - won, won])


def exact(counts: Any, shares: Any) -> float:
    """Return the log-likelihood of counts under shares of rows, 60 digits each."""
    with mpmath.workdps(60):
        total = mpmath.mpf(0)
        for row, share in zip(counts.tolist(), shares, strict=True):
            total += mpmath.loggamma(sum(map(int, row)) + 1)
            for count, each in zip(row, share, strict=True):
                total += int(count) * mpmath.log(each) - mpmath.loggamma(int(count) + 1)
        return float(total)


def softmax_shares(params: Any) -> list[list[Any]]:
    """Return the shares under intercepts and slopes of all outcomes but the first, or of all."""
    with mpmath.workdps(60):
        b, rows = [mpmath.mpf(v) for v in np.ravel(params).tolist()], []
        for x in X.tolist():
            weight = [mpmath.exp(b[i] + b[i + 1] * mpmath.mpf(x)) for i in range(0, len(b), 2)]
            rows.append([w / sum(weight) for w in weight])
        return rows


def threshold_shares(params: Any) -> list[list[Any]]:
    with mpmath.workdps(60):
        *cuts, slope = [mpmath.mpf(v) for v in params.tolist()]
        rows = []
        for x in X.tolist():
            below = [1 / (1 + mpmath.exp(slope * mpmath.mpf(x) - cut)) for cut in cuts]
            ends = [mpmath.mpf(0), *below, mpmath.mpf(1)]
            rows.append([b - a for a, b in itertools.pairwise(ends)])
        return rows


@pytest.mark.parametrize("trials", TRIALS)
def test_thresholds(trials: float) -> None:
    counts = cumulative(trials)
    fit = ek.fit(ek.Ordinal(), X, counts)
    assert fit.loglik == pytest.approx(exact(counts, threshold_shares(fit.params)), rel=LOGLIK)


def test_thresholds_of_other_links_and_offsets() -> None:
    counts, offset = cumulative(1e12), np.linspace(-1.0, 1.0, 8)
    moved = ek.fit(ek.Ordinal(), X, counts, offset=0.25 * X)
    plain = ek.fit(ek.Ordinal(), X, counts)
    assert moved.loglik == pytest.approx(plain.loglik, rel=1e-9)
    for link in ("probit", "cloglog"):  # a sum of 1e13 is known to 1e-3
        fit = ek.fit(ek.Ordinal(link=link), X, counts, offset=offset)
        summed = fit._model.conclude(fit._model.total(fit._point).loglik).loglik
        assert fit.loglik == pytest.approx(summed, abs=0.1)


@pytest.mark.parametrize("penalty", [ek.L2(1e3), ek.L1(1e3), ek.Jeffreys()], ids=str)
@pytest.mark.parametrize("symmetric", [False, True])
def test_penalised_softmax(penalty: Any, symmetric: bool) -> None:
    counts = cumulative(1e9)
    fit = ek.fit(ek.Softmax(penalty=penalty, symmetric=symmetric), X, counts)
    params = fit.params if len(fit.params) == 8 else np.append(np.zeros(2), fit.params)
    wanted = exact(counts, softmax_shares(params))
    assert fit.loglik == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("penalty", [ek.L2(1e4), ek.L1(1e4), ek.Jeffreys()], ids=str)
def test_penalised_binomial(penalty: Any) -> None:
    counts = pairs(1e12)
    fit = ek.fit(ek.Binomial(penalty=penalty), X, counts[:, ::-1])
    wanted = exact(counts, softmax_shares(np.append(np.zeros(2), fit.params)))
    assert fit.loglik == pytest.approx(wanted, rel=OFF_TOP)
    free = ek.fit(ek.Binomial(), X, counts[:, ::-1])
    assert free.loglik - 1e-3 < fit.loglik < free.loglik + OFF_TOP


def test_a_path() -> None:
    counts = pairs(1e12)
    path = ek.path(ek.Binomial(), X, counts[:, ::-1], strengths=[1e8, 1e6])
    for loglik, params in zip(path.loglik, path.params, strict=True):
        wanted = exact(counts, softmax_shares(np.append(np.zeros(2), params)))
        assert loglik == pytest.approx(wanted, rel=OFF_TOP)


def test_under_jeffreys_prior_many_trials_are_as_without() -> None:
    counts = pairs(1e12)
    fit, free = (ek.fit(ek.Binomial(penalty=p), X, counts) for p in (ek.Jeffreys(), None))
    ratio = fit.likelihood_ratio(["x0"], value=free.params[1] - 2 * free.std_errors[1])
    assert ratio.statistic == pytest.approx(4.0, rel=1e-3)
    apart = np.abs(fit.interval(method="profile") - free.interval())
    np.testing.assert_array_less(apart, 1e-4 * free.std_errors[:, None] * np.ones(2))


@pytest.mark.parametrize("family", [ek.Binomial(), ek.Softmax(), ek.Ordinal()], ids=str)
def test_pieces_with_and_without_large_counts(family: Any) -> None:
    counts = cumulative(1e12)
    counts[5:] = np.round(counts[5:] / 1e11).clip(1.0)
    counts = counts[:, :2] if isinstance(family, ek.Binomial) else counts
    weights = np.array([1.0, 2.0, 1.0, 3.0, 1.0, 1.0, 2.0, 1.0])
    for w in (None, weights):
        whole = ek.fit(family, X, counts, weights=w)
        parts = [slice(0, 2), slice(2, 5), slice(5, 8)]
        pieces = [(X[p, None], counts[p], None if w is None else w[p]) for p in parts]
        found = ek.fit(family, ek.Chunks(pieces))
        assert found.loglik == pytest.approx(whole.loglik, rel=LOGLIK)
        assert found.constant == pytest.approx(whole.constant, rel=SAME)
