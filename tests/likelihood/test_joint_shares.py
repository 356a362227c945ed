"""Shares of a joint likelihood at 0 and 1, and near them: intervals and tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import xlogy

import estkit as ek

EXACT = 1e-9
RNG = np.random.default_rng(0)
N = 120
Y = RNG.choice(["a", "b", "c"], N, p=[0.05, 0.5, 0.45])
ONES = (RNG.random((N, 2)) < [0.97, 0.5]).astype(int)
WORDS = RNG.poisson([0.0, 3.0, 2.0, 0.1], (N, 4))
CASES: dict[str, tuple[str, Any]] = {
    "bernoulli": ("bernoulli", ONES),
    "first word unseen": ("multinomial", WORDS),
    "last word unseen": ("multinomial", WORDS[:, ::-1]),
    "rare last word": ("multinomial", WORDS[:, 1:]),
}


def counts(fit: Any, values: Any) -> list[tuple[float, float]]:
    """Return how often each reported share was seen, and out of how many."""
    found = [(float((outcome == Y).sum()), float(N)) for outcome in fit.outcomes]
    for outcome in fit.outcomes:
        own = values[outcome == Y]
        number = len(own) if fit.family.law == "bernoulli" else own.sum()
        found += [(float(seen), float(number)) for seen in own.sum(axis=0)]
    return found


def fall(seen: float, number: float, p: float) -> float:
    """Return twice what a binomial log-likelihood falls by."""
    failed = number - seen
    top = xlogy(seen, seen / number) + xlogy(failed, failed / number)
    return float(2 * (top - xlogy(seen, p) - xlogy(failed, 1 - p)))


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Any:
    law, values = CASES[request.param]
    fit = ek.fit(ek.Joint(law), values, Y)
    return fit, counts(fit, values)


def test_profile_limits_are_those_of_a_binomial_share(case: Any) -> None:
    fit, seen = case
    wanted = ek.proportion(*np.array(seen).T, method="likelihood_ratio")
    found = fit.interval(method="profile")
    np.testing.assert_allclose(found, np.column_stack([wanted.lower, wanted.upper]), rtol=EXACT)


def test_shares_inside_are_tested_whatever_others_are(case: Any) -> None:
    fit, seen = case
    for name, p, (x, n) in zip(fit.names, fit.params, seen, strict=True):
        if not 0.0 < p < 1.0:
            continue
        for value in (0.5 * p, 0.5 * (1.0 + p)):
            ratio = fit.likelihood_ratio([name], value=value).statistic
            assert ratio == pytest.approx(fall(x, n, value), rel=EXACT)
            score = fit.score_test([name], value=value)
            assert 0.0 < score.statistic < np.inf


def test_hypotheses_about_the_ends_are_refused(case: Any) -> None:
    fit, _ = case
    for name, p in zip(fit.names, fit.params, strict=True):
        for test in (fit.likelihood_ratio, fit.score_test):
            with pytest.raises(ek.DataError, match=r"end of its range|strictly between 0 and 1"):
                test([name])
        if p in (0.0, 1.0):
            with pytest.raises(ek.EstkitError, match=r"no standard error of .*no Wald test"):
                fit.wald_test([name])
