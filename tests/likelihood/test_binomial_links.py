"""Binomial regression with every link: peers, closed forms, invariance, inference, separation."""

from __future__ import annotations

import warnings
from itertools import product
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.stats import chi2
from statsmodels.tools.sm_exceptions import DomainWarning

import estkit as ek
from estkit.likelihood.links.links import LINKS

Floats = NDArray[np.float64]

# A peer driven to its own rounding; curvatures of the peer have half of the digits.
PARAMS = 1e-8
STD_ERRORS = 1e-6
# The same data in another form, or columns of another origin and scale.
SAME = 1e-9
# Profile limits are found to 1e-10 in the log-likelihood.
LIMITS = 1e-8

PEERS = {
    "logit": sm.families.links.Logit(),
    "probit": sm.families.links.Probit(),
    "cloglog": sm.families.links.CLogLog(),
    "cauchit": sm.families.links.Cauchy(),
    "log": sm.families.links.Log(),
    "identity": sm.families.links.Identity(),
}
UNBOUNDED = ("logit", "probit", "cloglog", "cauchit")
BOUNDED = ("log", "identity")


def drawn(link: str, seed: int = 3, rows: int = 600) -> tuple[Floats, NDArray[np.int64]]:
    """Return columns and outcomes for which every link has its maximum well inside."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(rows, 2))
    eta = LINKS[link].link(np.array([0.35]))[0] + X @ np.array([0.15, -0.1])
    return X, (rng.random(rows) < LINKS[link].mean(eta)).astype(np.int64)


@pytest.fixture(params=list(LINKS))
def link(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def errors_of(fit: Any, kind: str) -> Floats:
    return np.sqrt(np.diag(fit.covariance(kind)))


# --- peers and closed forms ---


def test_statsmodels_agrees(link: str) -> None:
    X, y = drawn(link)
    start = np.array([LINKS[link].link(np.array([y.mean()]))[0], 0.0, 0.0])
    family = sm.families.Binomial(PEERS[link])
    with warnings.catch_warnings(action="ignore", category=DomainWarning):
        peer = sm.GLM(y, sm.add_constant(X), family=family)
    peer = peer.fit(start_params=start, tol=1e-14, maxiter=300)
    fit = ek.fit(ek.Binomial(link), X, y)
    np.testing.assert_allclose(fit.params, peer.params, rtol=PARAMS, atol=PARAMS)
    assert fit.loglik == pytest.approx(peer.llf, rel=PARAMS)
    np.testing.assert_allclose(errors_of(fit, "expected"), peer.bse, rtol=STD_ERRORS)
    hessian = peer.model.hessian(fit.params, observed=True)
    np.testing.assert_allclose(fit.covariance(), np.linalg.inv(-hessian), rtol=STD_ERRORS)
    np.testing.assert_allclose(fit.predict(), peer.predict(), rtol=PARAMS)


def test_an_intercept_alone_is_the_link_of_the_share(link: str) -> None:
    fit = ek.fit(ek.Binomial(link), None, [[13, 87]])
    share, chosen = np.array([0.13]), LINKS[link]
    np.testing.assert_allclose(fit.params, chosen.link(share), rtol=SAME)
    # at a saturated maximum both kinds of information are m π'² / (π(1 - π))
    slope = chosen.success(fit.params).first * share
    error = np.sqrt(share * (1 - share) / 100) / slope
    np.testing.assert_allclose(fit.std_errors, error, rtol=SAME)
    np.testing.assert_allclose(errors_of(fit, "expected"), error, rtol=SAME)


def test_profile_limits_of_a_share_do_not_depend_on_the_link(link: str) -> None:
    fit = ek.fit(ek.Binomial(link), None, [[13, 87]])
    limits = LINKS[link].mean(fit.interval(method="profile")[0])
    share = ek.proportion(13, 100, method="likelihood_ratio")
    np.testing.assert_allclose(limits, [share.lower, share.upper], rtol=LIMITS)


def test_two_groups_give_differences_of_the_link(link: str) -> None:
    fit = ek.fit(ek.Binomial(link), {"treated": [0, 1]}, [[12, 28], [22, 18]])
    ends = LINKS[link].link(np.array([0.3, 0.55]))
    np.testing.assert_allclose(fit.params, [ends[0], ends[1] - ends[0]], rtol=SAME)
    test = fit.likelihood_ratio(["treated"])
    both, tries = np.array([12, 28, 22, 18]), np.array([40, 40, 40, 40])
    pooled = np.array([34, 46, 34, 46]) / 80
    statistic = 2 * (both * np.log(both / tries / pooled)).sum()
    assert test.statistic == pytest.approx(statistic, rel=SAME)
    assert test.p_value == pytest.approx(chi2.sf(statistic, 1), rel=SAME)


@pytest.mark.parametrize("name", ["probit", "cloglog", "cauchit", "log", "identity"])
def test_observed_and_expected_information_differ_but_for_the_logit(name: str) -> None:
    logit, other = (ek.fit(ek.Binomial(n), *drawn(name)) for n in ("logit", name))
    np.testing.assert_allclose(logit.covariance("expected"), logit.covariance(), rtol=SAME)
    assert np.abs(errors_of(other, "expected") / other.std_errors - 1.0).max() > 1e-4


# --- the same data in another form ---


@pytest.mark.parametrize(("scale", "shift"), [(1e8, 0.0), (1e-8, 0.0), (1.0, 1e8), (1e-150, 0.0)])
def test_origin_and_scale_of_columns_change_nothing(link: str, scale: float, shift: float) -> None:
    X, y = drawn(link)
    X = np.round(X * 1024) / 1024 if shift else X  # so that adding 1e8 is exact
    plain, moved = (ek.fit(ek.Binomial(link), columns, y) for columns in (X, X * scale + shift))
    np.testing.assert_allclose(moved.predict(), plain.predict(), rtol=SAME)
    assert moved.loglik == pytest.approx(plain.loglik, rel=SAME)
    np.testing.assert_allclose(moved.std_errors[1:] * scale, plain.std_errors[1:], rtol=1e-7)


def test_counts_rows_and_weights_agree(link: str) -> None:
    X = np.repeat([[0.0], [1.0], [2.0]], 2, axis=0)
    y, weights = np.tile([0, 1], 3), np.array([30, 10, 27, 13, 21, 19])
    counts = ek.fit(ek.Binomial(link), X[::2], np.column_stack([weights[1::2], weights[::2]]))
    weighted = ek.fit(ek.Binomial(link), X, y, weights=weights)
    rows = ek.fit(ek.Binomial(link), np.repeat(X, weights, axis=0), np.repeat(y, weights))
    for other in (weighted, rows):
        np.testing.assert_allclose(other.params, counts.params, rtol=SAME)
        np.testing.assert_allclose(other.covariance(), counts.covariance(), rtol=SAME)
        expected = [fit.covariance("expected") for fit in (other, counts)]
        np.testing.assert_allclose(*expected, rtol=SAME)
    assert weighted.loglik == pytest.approx(rows.loglik, rel=SAME)


def test_an_offset_is_a_known_part_of_the_predictor(link: str) -> None:
    X, y = drawn(link)
    free = ek.fit(ek.Binomial(link), X, y)
    fixed = ek.fit(ek.Binomial(link), X[:, :1], y, offset=free.params[2] * X[:, 1])
    np.testing.assert_allclose(fixed.params, free.params[:2], rtol=SAME)
    assert fixed.loglik == pytest.approx(free.loglik, rel=SAME)


def test_failures_mirror_successes_under_symmetric_links() -> None:
    for name in ("logit", "probit", "cauchit", "identity"):
        X, y = drawn(name)
        plain, mirrored = ek.fit(ek.Binomial(name), X, y), ek.fit(ek.Binomial(name), X, 1 - y)
        np.testing.assert_allclose(mirrored.params[1:], -plain.params[1:], rtol=SAME)
        np.testing.assert_allclose(mirrored.predict(), 1 - plain.predict(), rtol=SAME)


def test_the_start_changes_the_path_and_not_the_answer(link: str) -> None:
    X, y = drawn(link)
    plain = ek.fit(ek.Binomial(link), X, y)
    for start in (plain.params * 0.9, [5.0, 5.0, -5.0], [-1e3, 0.0, 0.0]):  # the last two outside
        again = ek.fit(ek.Binomial(link), X, y, start=start)
        np.testing.assert_allclose(again.params, plain.params, rtol=SAME)


# --- what is done with a fit ---


def test_scores_sum_to_zero_and_their_squares_to_the_sandwich(link: str) -> None:
    X, y = drawn(link)
    fit = ek.fit(ek.Binomial(link), X, y)
    design = np.column_stack([np.ones(len(X)), X])
    mean = fit.predict()
    slope = LINKS[link].success(design @ fit.params).first * mean
    scores = ((y - mean) * slope / (mean * (1 - mean)))[:, None] * design
    assert np.abs(scores.sum(axis=0) * fit.std_errors).max() < SAME
    wanted = fit.covariance() @ (scores.T @ scores) @ fit.covariance()
    np.testing.assert_allclose(fit.covariance("HC0"), wanted, rtol=SAME)


def test_tests_and_profiles_agree_with_fits_under_the_hypothesis(link: str) -> None:
    X, y = drawn(link)
    fit = ek.fit(ek.Binomial(link), X, y)
    smaller = ek.fit(ek.Binomial(link), X[:, :1], y)
    wanted = 2 * (fit.loglik - smaller.loglik)
    assert fit.likelihood_ratio(["x1"]).statistic == pytest.approx(wanted, rel=1e-7)
    assert fit.score_test(["x1"]).statistic == pytest.approx(wanted, rel=0.1)
    assert fit.wald_test(["x1"], kind="expected").statistic == pytest.approx(wanted, rel=0.1)
    for limit in fit.interval(method="profile")[2]:
        held = ek.fit(ek.Binomial(link), X[:, :1], y, offset=limit * X[:, 1])
        assert fit.loglik - held.loglik == pytest.approx(chi2.ppf(0.95, 1) / 2, rel=LIMITS)


def test_a_stored_fit_predicts_by_the_same_link(link: str) -> None:
    X, y = drawn(link)
    fit = ek.fit(ek.Binomial(link), X, y)
    again = ek.LikelihoodFit.from_dict(fit.to_dict())
    assert again.family == ek.Binomial(link)
    np.testing.assert_array_equal(again.predict(X[:5]), fit.predict(X[:5]))


def test_a_batch_is_a_loop(link: str) -> None:
    X, _ = drawn(link)
    many = np.stack([drawn(link, seed)[1] for seed in range(4)])
    batch = ek.fit_many(ek.Binomial(link), X, many)
    for y, params, errors in zip(many, batch.params, batch.std_errors, strict=True):
        fit = ek.fit(ek.Binomial(link), X, y)
        np.testing.assert_allclose(params, fit.params, rtol=SAME)
        np.testing.assert_allclose(errors, fit.std_errors, rtol=SAME)


def test_the_bootstrap_covers_the_truth(link: str) -> None:
    X, y = drawn(link)
    study = ek.fit(ek.Binomial(link), X, y).bootstrap(25, rng=1)
    coverage = study.summary("coverage")
    assert (coverage.value > 0.95 - 4 * np.sqrt(0.95 * 0.05 / 25)).all()


def test_simulated_successes_have_the_fitted_mean(link: str) -> None:
    X, y = drawn(link)
    fit = ek.fit(ek.Binomial(link), X, y)
    mean = fit.simulate(rng=2, replicates=4000).mean(axis=0)
    z = (mean - fit.predict()) / np.sqrt(fit.predict() * (1 - fit.predict()) / 4000)
    assert np.abs(z).max() < 4.5
    assert (z**2).mean() == pytest.approx(1.0, abs=4 * np.sqrt(2 / len(z)))


# --- existence ---


def test_separated_outcomes_have_no_maximum_under_unbounded_links() -> None:
    x = np.linspace(-1, 1, 30)
    for name in UNBOUNDED:
        with pytest.raises(ek.SeparationError, match="Complete separation"):
            ek.fit(ek.Binomial(name), {"dose": x}, x > 0.1)
        y = (np.arange(30) % 3 == 0) | (x > 0.5)
        with pytest.raises(ek.SeparationError, match=r"Quasi-complete.*\(late \+1\)"):
            ek.fit(ek.Binomial(name), {"x": x, "late": (x > 0.5) * 1.0}, y)


def test_a_group_without_successes_has_no_log_risk() -> None:
    X = {"age": np.arange(24.0) % 4, "spared": np.arange(24) >= 18}
    y = (np.arange(24) % 3 == 0) & (np.arange(24) < 18)
    with pytest.raises(ek.SeparationError, match=r"\(spared -1\)"):
        ek.fit(ek.Binomial("log"), X, y)
    # nor is it 0 inside the domain of the identity link, whose region is bounded
    with pytest.raises(ek.FitError, match="boundary"):
        ek.fit(ek.Binomial("identity"), X, y)


def test_a_single_outcome_is_refused(link: str) -> None:
    x = np.linspace(0, 1, 20)
    for y in (np.zeros(20, int), np.ones(20, int)):
        with pytest.raises(ek.FitError, match=r"only one outcome|boundary"):
            ek.fit(ek.Binomial(link), x, y, )  # fmt: skip


def test_the_highest_of_several_cauchit_maxima_is_found() -> None:
    # two rows far out on the wrong side make a second maximum, at which iteration from 0 ends
    x = np.concatenate([np.tile(np.linspace(-2, 2, 21), 2), [-30.0, 30.0]])
    y = (x > 0).astype(int)
    y[[8, 12]] = 1 - y[[8, 12]]
    y[-2:] = [1, 0]
    fit = ek.fit(ek.Binomial("cauchit"), x, y)
    grid = np.array(list(product(np.linspace(-2, 2, 81), np.linspace(-12, 12, 481))))
    p = np.clip(0.5 + np.arctan(grid[:, :1] + grid[:, 1:] * x) / np.pi, 1e-12, 1 - 1e-12)
    logliks = (np.log(p) * y + np.log1p(-p) * (1 - y)).sum(axis=1)
    assert fit.loglik >= logliks.max()
    np.testing.assert_allclose(fit.params, grid[logliks.argmax()], atol=0.1)
    shallow = ek.fit(ek.Binomial("cauchit"), x, y, start=[-0.07, -0.0126])
    np.testing.assert_allclose(shallow.params, fit.params, rtol=SAME)


def test_a_score_test_where_the_likelihood_is_not_concave() -> None:
    """Far from the data the observed information is indefinite; the expected one stands in."""
    x = np.linspace(-2, 2, 30)
    y = (np.arange(30) % 4 == 0).astype(int)
    fit = ek.fit(ek.Binomial("cauchit"), x, y)
    held = 30.0
    test = fit.score_test(["x0"], value=held)
    # the constrained maximum and both pieces, from the definitions
    grid = np.linspace(-80, 80, 160_001)
    eta = grid[:, None] + held * x
    loglik = np.log(np.where(y, np.arctan2(1, -eta), np.arctan2(1, eta)) / np.pi).sum(axis=1)
    best = grid[loglik.argmax()] + held * x
    p = 0.5 + np.arctan(best) / np.pi
    slope = 1 / (np.pi * (1 + best**2))
    design = np.column_stack([np.ones(30), x])
    score = design.T @ ((y - p) * slope / (p * (1 - p)))
    information = (design.T * (slope**2 / (p * (1 - p)))) @ design
    assert (
        np.linalg.eigvalsh(fit._model.total(fit._model.read_start([0.0, held])).information)[0] < 0
    )
    wanted = score @ np.linalg.solve(information, score)
    assert test.statistic == pytest.approx(wanted, rel=0.02)  # of a grid


def test_chunks_give_the_numbers_of_the_rows_in_memory(link: str) -> None:
    X, y = drawn(link, rows=3000)
    whole = ek.fit(ek.Binomial(link), X, y)
    parts = ek.Chunks([(X[i : i + 700], y[i : i + 700]) for i in range(0, 3000, 700)])
    pieces = ek.fit(ek.Binomial(link), parts)
    np.testing.assert_allclose(pieces.params, whole.params, rtol=SAME)
    np.testing.assert_allclose(
        pieces.covariance("expected"), whole.covariance("expected"), rtol=SAME
    )
    for name, message in (("log", "boundary"), ("probit", "Complete separation")):
        x = np.repeat([0.0, 1.0, 2.0], 10)
        y = (x > 1) | ((np.arange(30) % 4 == 0) & (name == "log"))
        parts = ek.Chunks([(x[i::3, None], y[i::3]) for i in range(3)])
        if link == name:
            with pytest.raises(ek.FitError, match=message):
                ek.fit(ek.Binomial(link), parts)


def test_sparse_columns_give_the_numbers_of_dense_ones(link: str) -> None:
    X, y = drawn(link)
    X = np.where(np.abs(X) > 0.6, X, 0.0)
    dense = ek.fit(ek.Binomial(link), X, y)
    sparse = ek.fit(ek.Binomial(link), csr_array(X), y)
    np.testing.assert_allclose(sparse.params[1:], dense.params[1:], rtol=SAME)
    np.testing.assert_allclose(sparse.std_errors, dense.std_errors, rtol=SAME)


def test_many_rows_start_from_some_of_them(link: str) -> None:
    X, y = drawn(link, rows=30_000)
    fit = ek.fit(ek.Binomial(link), X, y)
    z = (fit.params[1:] - [0.15, -0.1]) / fit.std_errors[1:]
    assert np.abs(z).max() < 4
    again = ek.fit(ek.Binomial(link), X, y, start=fit.params)
    np.testing.assert_allclose(again.params, fit.params, rtol=SAME)
