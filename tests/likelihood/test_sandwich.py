"""Robust covariances against statsmodels and closed forms, and their coverage by simulation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm

import estkit as ek

SAME = 1e-7  # statsmodels solves its own optimum; what is left is its distance from the maximum

RNG = np.random.default_rng(30)
X = RNG.normal(size=(300, 2)) * [1.0, 4.0] + [0.0, 50.0]
DESIGN = np.column_stack([np.ones(300), X])
GROUPS = RNG.integers(0, 25, size=300)
SHOCK = RNG.normal(size=25)[GROUPS]
ETA = 0.5 * X[:, 0] + SHOCK
HIT = RNG.random(300) < 1 / (1 + np.exp(-ETA))
Y = ETA + RNG.normal(size=300) * (0.5 + np.abs(X[:, 0]))
CODES = np.argmax(RNG.gumbel(size=(300, 3)) + np.outer(ETA, [0.0, 1.0, -1.0]), axis=1)
COUNTS = np.column_stack([RNG.binomial(7, 1 / (1 + np.exp(-ETA))), np.full(300, 7)])
COUNTS[:, 1] -= COUNTS[:, 0]
KINDS: dict[str, dict[str, Any]] = {
    "HC0": {"cov_type": "HC0"},
    "HC1": {"cov_type": "HC1"},
    "cluster": {"cov_type": "cluster", "cov_kwds": {"groups": GROUPS}},
}


def peer(name: str, options: dict[str, Any]) -> Any:
    binomial = sm.families.Binomial()
    if name == "binomial":
        return sm.GLM(HIT.astype(float), DESIGN, binomial).fit(tol=1e-14, **options)
    if name == "counts":
        return sm.GLM(COUNTS, DESIGN, binomial).fit(tol=1e-14, **options)
    return sm.OLS(Y, DESIGN).fit(**options)


FITS = {
    "binomial": ek.fit(ek.Binomial(), X, HIT, groups=GROUPS),
    "counts": ek.fit(ek.Binomial(), X, COUNTS, groups=GROUPS),
    "gaussian": ek.fit(ek.Gaussian(), X, Y, groups=GROUPS),
    "softmax": ek.fit(ek.Softmax(), X, CODES, groups=GROUPS),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["binomial", "counts", "gaussian"])
def test_statsmodels_has_the_same_sandwich(name: str, kind: str) -> None:
    expected = np.asarray(peer(name, KINDS[kind]).cov_params())
    if name != "gaussian" and kind == "HC1":  # statsmodels leaves the factor of HC1 out of its GLM
        expected = np.asarray(peer(name, KINDS["HC0"]).cov_params()) * 300 / 297
    found = FITS[name].covariance(kind)
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    assert (np.abs(found - expected) / scale).max() < SAME


@pytest.mark.parametrize("kind", KINDS)
def test_softmax_of_two_outcomes_is_binomial(kind: str) -> None:
    softmax = ek.fit(ek.Softmax(), X, HIT, groups=GROUPS)
    np.testing.assert_allclose(
        softmax.covariance(kind), FITS["binomial"].covariance(kind), rtol=1e-8
    )


def test_scores_of_single_rows_make_the_sandwich_of_a_softmax() -> None:
    """From the definition: the score of a row is (observed - expected) ⊗ x."""
    fit = FITS["softmax"]
    residual = np.eye(3)[CODES] - fit.predict()
    scores = np.einsum("ik,ij->ikj", residual[:, 1:], DESIGN).reshape(300, -1)
    expected = fit.covariance() @ scores.T @ scores @ fit.covariance()
    np.testing.assert_allclose(fit.covariance("HC0"), expected, rtol=1e-7)
    sums = np.zeros((25, 6))
    np.add.at(sums, GROUPS, scores)
    expected = fit.covariance() @ sums.T @ sums @ fit.covariance() * 25 / 24 * 299 / 294
    np.testing.assert_allclose(fit.covariance("cluster"), expected, rtol=1e-7)


@pytest.mark.parametrize("family", [ek.Binomial(), ek.Softmax(), ek.Gaussian()])
@pytest.mark.parametrize("kind", ["HC0", "HC1", "cluster"])
def test_weights_are_repeats(family: Any, kind: str) -> None:
    weights = RNG.integers(0, 4, size=300)
    y = HIT.astype(int)
    short = ek.fit(family, X, y, weights=weights, groups=GROUPS)
    long = ek.fit(family, np.repeat(X, weights, axis=0), np.repeat(y, weights),
                  groups=np.repeat(GROUPS, weights))  # fmt: skip
    np.testing.assert_allclose(short.covariance(kind), long.covariance(kind), rtol=1e-8)


COUNTED: dict[str, tuple[Any, Any]] = {
    "binomial": (ek.Binomial(), COUNTS),
    "probit": (ek.Binomial(link="probit"), COUNTS),
    "softmax": (ek.Softmax(), np.column_stack([COUNTS, CODES])),
    "ordinal": (ek.Ordinal(order=[0, 1, 2]), np.column_stack([COUNTS, CODES])),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", COUNTED)
def test_a_row_of_counts_seen_several_times_is_as_many_rows(name: str, kind: str) -> None:
    family, counts = COUNTED[name]
    weights = RNG.integers(0, 4, size=300)
    often = np.repeat(np.arange(300), weights)
    short = ek.fit(family, X, counts, weights=weights, groups=GROUPS)
    long = ek.fit(family, X[often], counts[often], groups=GROUPS[often])
    np.testing.assert_allclose(short.covariance(kind), long.covariance(kind), rtol=1e-8)
    pieces = [(X[i::3], counts[i::3], weights[i::3], None, GROUPS[i::3]) for i in range(3)]
    chunked = ek.fit(family, ek.Chunks(lambda: iter(pieces)))
    np.testing.assert_allclose(chunked.covariance(kind), long.covariance(kind), rtol=1e-8)


def test_each_row_its_own_group_is_hc1() -> None:
    fit = ek.fit(ek.Binomial(), X, HIT, groups=np.arange(300))
    np.testing.assert_allclose(fit.covariance("cluster"), fit.covariance("HC1"), rtol=1e-10)


@pytest.mark.parametrize("form", ["text", "floats"])
def test_groups_may_be_labels_of_any_kind(form: str) -> None:
    groups = [f"g{g}" for g in GROUPS] if form == "text" else GROUPS * 10.0
    found = ek.fit(ek.Binomial(), X, HIT, groups=groups).covariance("cluster")
    np.testing.assert_allclose(found, FITS["binomial"].covariance("cluster"), rtol=1e-12)


def test_the_errors_reach_the_table_the_interval_and_the_test() -> None:
    fit = FITS["binomial"]
    errors = np.sqrt(np.diag(fit.covariance("HC0")))
    np.testing.assert_allclose(fit.to_frame(kind="HC0")["std_error"], errors)
    np.testing.assert_allclose(np.diff(fit.interval(kind="HC0"))[:, 0] / 3.919927969, errors)
    test = fit.wald_test(["x0"], kind="HC0")
    assert test.statistic == pytest.approx((fit.params[1] / errors[1]) ** 2)


def test_robust_intervals_cover_where_the_model_based_ones_do_not() -> None:
    """The noise grows with |x|, so that least squares misjudges the error of the slope."""
    rng = np.random.default_rng(4)
    covered = np.zeros(2)
    for _ in range(600):
        x = rng.normal(size=200)
        fit = ek.fit(ek.Gaussian(), x, 2.0 * x + rng.normal(size=200) * np.abs(x))
        for place, kind in enumerate(("observed", "HC1")):
            lower, upper = fit.interval(kind=kind)[1]
            covered[place] += lower <= 2.0 <= upper
    plain, robust = covered / 600  # 600 repeats: a standard error of 0.011 at 0.92
    assert plain < 0.80
    assert 0.90 < robust < 0.97


def test_what_cannot_be_computed_is_refused() -> None:
    fit = ek.fit(ek.Binomial(), X, HIT)
    for kind, message in (("cluster", "groups="), ("HC9", "must be one of")):
        with pytest.raises(ek.DataError, match=message):
            fit.covariance(kind)
    with pytest.raises(ek.DataError, match="two groups"):
        ek.fit(ek.Binomial(), X, HIT, groups=np.zeros(300)).covariance("cluster")
    with pytest.raises(ek.DataError, match="groups has 299 rows but X has 300"):
        ek.fit(ek.Binomial(), X, HIT, groups=GROUPS[1:])
    with pytest.raises(ek.DataError, match="groups: row 0"):
        ek.fit(ek.Binomial(), X, HIT, groups=np.where(GROUPS == GROUPS[0], np.nan, GROUPS))
    with pytest.raises(ek.EstkitError, match="training data"):
        ek.LikelihoodFit.from_dict(fit.to_dict()).covariance("HC0")


@pytest.mark.parametrize("kind", ["HC0", "HC1", "cluster"])
@pytest.mark.parametrize("family", [ek.Binomial(), ek.Softmax(), ek.Gaussian()])
def test_the_origin_of_a_column_does_not_change_the_error_of_its_slope(
    family: Any, kind: str
) -> None:
    y = Y if isinstance(family, ek.Gaussian) else HIT
    far = X[:, 0] + 2.0**30
    near = far - 2.0**30  # what rounding left of the column
    found, expected = (
        ek.fit(family, x, y, groups=GROUPS).covariance(kind)[1, 1] for x in (far, near)
    )
    assert found == pytest.approx(expected, rel=1e-9)
