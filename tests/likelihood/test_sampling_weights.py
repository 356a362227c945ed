"""Sampling weights: linearized standard errors, and no likelihood to compare or to simulate."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm

import estkit as ek

SAME = 1e-10  # the same sums in another order
PEER = 1e-6  # statsmodels stops at its own distance from the maximum

RNG = np.random.default_rng(13)
N = 240
X = RNG.normal(size=(N, 2)) * [1.0, 3.0] + [0.0, 20.0]
DESIGN = np.column_stack([np.ones(N), X])
ETA = 0.7 * X[:, 0] - 0.2 * (X[:, 1] - 20)
TRIALS = RNG.integers(0, 9, size=N)
WON = RNG.binomial(TRIALS, 1 / (1 + np.exp(-ETA)))
COUNTS = np.column_stack([WON, TRIALS - WON])
HIT = RNG.random(N) < 1 / (1 + np.exp(-ETA))
Y = ETA + RNG.normal(size=N) * (1 + np.abs(ETA))
CODES = RNG.integers(0, 3, size=N)
WEIGHTS = RNG.uniform(0.1, 6.0, size=N)
GROUPS = RNG.integers(0, 30, size=N)

PEERS = {
    "gaussian": (ek.Gaussian(), Y, Y, sm.families.Gaussian()),
    "binomial": (ek.Binomial(), HIT, HIT.astype(float), sm.families.Binomial()),
}


@pytest.mark.parametrize("name", PEERS)
def test_sampling_weights_have_linearized_errors(name: str) -> None:
    family, own, theirs, peer_family = PEERS[name]
    fit = ek.fit(family, X, own, sampling_weights=WEIGHTS)
    peer = sm.GLM(theirs, DESIGN, peer_family, var_weights=WEIGHTS).fit(tol=1e-14, cov_type="HC0")
    np.testing.assert_allclose(fit.params, peer.params, rtol=PEER)
    np.testing.assert_allclose(fit.std_errors, peer.bse * np.sqrt(N / (N - 1)), rtol=PEER)
    np.testing.assert_allclose(np.sqrt(np.diag(fit.covariance())), fit.std_errors, rtol=SAME)
    assert fit.n_obs == N


@pytest.mark.parametrize("name", PEERS)
def test_sampled_groups_are_the_units_of_linearized_errors(name: str) -> None:
    family, own, _, _ = PEERS[name]
    fit = ek.fit(family, X, own, sampling_weights=WEIGHTS, groups=GROUPS)
    mean = fit.predict()
    scores = (WEIGHTS * (own - mean))[:, None] * DESIGN
    of_groups = np.array([scores[GROUPS == group].sum(axis=0) for group in range(30)])
    variance = mean * (1 - mean) if name == "binomial" else 1.0
    bread = np.linalg.inv((DESIGN.T * WEIGHTS * variance) @ DESIGN)
    expected = 30 / 29 * bread @ of_groups.T @ of_groups @ bread
    np.testing.assert_allclose(fit.covariance(), expected, rtol=1e-9)
    assert not np.allclose(fit.std_errors, np.sqrt(np.diag(fit.covariance("HC0"))), rtol=0.01)


def test_sampling_weights_of_counts_leave_a_row_one_unit() -> None:
    seen = TRIALS > 0
    fit = ek.fit(ek.Binomial(), X, COUNTS, sampling_weights=WEIGHTS)
    mean = fit.predict()
    scores = (WEIGHTS * (WON - TRIALS * mean))[:, None] * DESIGN
    bread = np.linalg.inv((DESIGN.T * (WEIGHTS * TRIALS * mean * (1 - mean))) @ DESIGN)
    np.testing.assert_allclose(scores.sum(axis=0), 0, atol=1e-7)
    n = int(seen.sum())
    expected = n / (n - 1) * bread @ scores.T @ scores @ bread
    np.testing.assert_allclose(fit.covariance(), expected, rtol=1e-9)


def test_softmax_without_columns_gives_weighted_shares_and_their_error() -> None:
    fit = ek.fit(ek.Softmax(), None, CODES, sampling_weights=WEIGHTS)
    hit = CODES[:, None] == np.arange(3)
    share = WEIGHTS @ hit / WEIGHTS.sum()
    np.testing.assert_allclose(fit.params, np.log(share[1:] / share[0]), rtol=SAME)
    influence = WEIGHTS[:, None] * (hit - share) / WEIGHTS.sum() / share  # of log shares
    contrast = influence[:, 1:] - influence[:, :1]
    np.testing.assert_allclose(fit.covariance(), N / (N - 1) * contrast.T @ contrast, rtol=1e-9)


@pytest.mark.parametrize("family", [ek.Gaussian(), ek.Binomial(), ek.Softmax()])
def test_sampling_weights_have_no_scale(family: Any) -> None:
    y = Y if isinstance(family, ek.Gaussian) else HIT
    fit = ek.fit(family, X, y, sampling_weights=WEIGHTS)
    for scale in (1e-300, 1e5, 1e300):
        other = ek.fit(family, X, y, sampling_weights=WEIGHTS * scale)
        np.testing.assert_allclose(other.params, fit.params, rtol=SAME)
        np.testing.assert_allclose(other.std_errors, fit.std_errors, rtol=SAME)
        assert other.loglik == pytest.approx(fit.loglik, rel=SAME)


PSEUDO = ek.fit(ek.Binomial(), X, HIT, sampling_weights=WEIGHTS)


ASKED = {
    "aic": lambda: PSEUDO.aic,
    "bic": lambda: PSEUDO.bic,
    "observed": lambda: PSEUDO.covariance("observed"),
    "expected": lambda: PSEUDO.covariance("expected"),
    "profile": lambda: PSEUDO.interval(method="profile"),
    "interval": lambda: PSEUDO.interval(kind="observed"),
    "score": lambda: PSEUDO.score_test(["x0"]),
    "ratio": lambda: PSEUDO.likelihood_ratio(["x0"]),
    "ratio of fits": lambda: PSEUDO.likelihood_ratio(ek.fit(ek.Binomial(), None, HIT)),
    "ratio to it": lambda: ek.fit(ek.Binomial(), X, HIT).likelihood_ratio(PSEUDO),
    "simulate": lambda: PSEUDO.simulate(rng=1),
    "bootstrap": lambda: PSEUDO.bootstrap(5, rng=1),
}


@pytest.mark.parametrize("asked", ASKED)
def test_a_pseudo_likelihood_is_not_taken_for_a_likelihood(asked: str) -> None:
    with pytest.raises(ek.EstkitError, match="sampling weights give a pseudo-likelihood"):
        ASKED[asked]()


def test_a_weighted_fit_says_what_its_errors_are() -> None:
    assert PSEUDO.covariance_kind == "linearized"
    text = str(PSEUDO)
    assert "pseudo-log-likelihood" in text and "linearized for sampling weights" in text
    assert "AIC" not in text
    again = ek.LikelihoodFit.from_dict(json.loads(json.dumps(PSEUDO.to_dict())))
    assert str(again) == text
    test = PSEUDO.wald_test(["x0", "x1"])
    slopes, middle = PSEUDO.params[1:], PSEUDO.covariance()[1:, 1:]
    assert test.statistic == pytest.approx(slopes @ np.linalg.solve(middle, slopes), rel=1e-9)
    limits = PSEUDO.interval()
    np.testing.assert_allclose(limits.mean(axis=1), PSEUDO.params, rtol=SAME)
    gaussian = ek.fit(ek.Gaussian(), X, Y, sampling_weights=WEIGHTS)
    assert gaussian.sigma.std_error is None and "sigma" in str(gaussian)
    assert str(ek.LikelihoodFit.from_dict(gaussian.to_dict())) == str(gaussian)
    with pytest.raises(ek.DataError, match="belongs to sampling_weights"):
        ek.fit(ek.Binomial(), X, HIT).covariance("linearized")
