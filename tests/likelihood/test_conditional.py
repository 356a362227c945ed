"""Conditional logistic regression: its numbers, and what must not change them."""

from __future__ import annotations

import json
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from statsmodels.discrete.conditional_models import ConditionalLogit as Peer
from statsmodels.tools.sm_exceptions import ModelWarning

import estkit as ek

# Two routes to the same optimum, or the same sums in another order.
SAME = 1e-9
# The BFGS of statsmodels stops early; R's clogit is held to 1e-8 in its own file.
PEER = 1e-3
# Central differences of a log-likelihood of size 100.
SLOPE = 1e-6


def sample(strata: int = 40) -> tuple[pd.DataFrame, Any, Any]:
    """Return strata of 2 to 9 rows with 0 to all of them cases, in mixed order."""
    rng = np.random.default_rng(7)
    groups = np.repeat(np.arange(strata), rng.integers(2, 10, size=strata))
    X = rng.normal(size=(len(groups), 2)) + 0.1 * groups[:, None]
    chance = 1 / (1 + np.exp(0.5 - X @ [0.9, -0.6] - np.sin(groups)))
    y = (rng.random(len(groups)) < chance).astype(int)
    mixed = rng.permutation(len(groups))
    return pd.DataFrame(X[mixed], columns=["dose", "age"]), y[mixed], groups[mixed]


X, Y, GROUPS = sample()
FIT = ek.fit(ek.ConditionalLogit(), X, Y, groups=GROUPS)


def loglik(beta: Any, offset: Any = 0.0) -> float:
    """Return the log-likelihood by its definition, choice by choice."""
    eta, total = X.to_numpy() @ beta + offset, 0.0
    for stratum in np.unique(GROUPS):
        rows = np.flatnonzero(GROUPS == stratum)
        cases = int(Y[rows].sum())
        sums = [eta[list(choice)].sum() for choice in combinations(rows, cases)]
        total += eta[rows[Y[rows] == 1]].sum() - np.logaddexp.reduce(sums)
    return total


def same(found: Any, wanted: Any, tolerance: float = SAME) -> None:
    np.testing.assert_allclose(found.params, wanted.params, rtol=tolerance)
    np.testing.assert_allclose(found.std_errors, wanted.std_errors, rtol=tolerance)
    assert found.loglik == pytest.approx(wanted.loglik, rel=tolerance)
    assert found.n_obs == wanted.n_obs
    assert found.n_strata == wanted.n_strata


# --- the maximum ---


def test_the_loglik_is_that_of_the_definition_and_no_neighbour_is_better() -> None:
    assert FIT.loglik == pytest.approx(loglik(FIT.params), rel=1e-12)
    for step in ([0.1, 0.0], [0.0, 0.1], [-0.1, 0.1], [-0.1, -0.1]):
        assert loglik(FIT.params + step) < FIT.loglik


def test_gradient_and_information_are_slopes() -> None:
    model, point, step = FIT._model, np.array([0.3, -1.2]), 1e-5
    sums = model.total(point)
    for j, unit in enumerate(step * np.eye(2)):
        ahead, behind = model.total(point + unit), model.total(point - unit)
        assert (ahead.loglik - behind.loglik) / (2 * step) == pytest.approx(
            sums.gradient[j], rel=SLOPE
        )
        slope = (ahead.gradient - behind.gradient) / (2 * step)
        np.testing.assert_allclose(-slope, sums.information[j], rtol=SLOPE, atol=SLOPE)
    assert model.total(point, curvature=False).loglik == pytest.approx(sums.loglik, rel=1e-14)
    (scores,) = model.scores(point)
    np.testing.assert_allclose(scores.sum(axis=0), sums.gradient, rtol=1e-10)


def test_statsmodels_finds_the_same() -> None:
    with pytest.warns(ModelWarning, match="Dropped 4 groups and 20 observations"):
        model = Peer(Y, X.to_numpy(), groups=GROUPS)
    peer = model.fit(method="bfgs", gtol=1e-8, disp=False)
    assert (FIT.n_obs, FIT.n_strata) == (len(Y) - 20, 36)
    np.testing.assert_allclose(FIT.params, peer.params, rtol=PEER)
    np.testing.assert_allclose(FIT.std_errors, peer.bse, rtol=PEER)
    assert FIT.loglik == pytest.approx(peer.llf, rel=1e-8)


def test_pairs_are_a_logit_of_differences() -> None:
    rng = np.random.default_rng(8)
    difference = rng.normal(size=(60, 2)) + np.array([0.3, 0.0])
    base = rng.normal(size=(60, 2)) * 10
    x = np.concatenate([base + difference, base])
    case = np.repeat([1, 0], 60)
    fit = ek.fit(ek.ConditionalLogit(), x, case, groups=np.tile(np.arange(60), 2))
    sign = np.where(np.arange(60) % 2, 1, -1)
    logit = ek.fit(ek.Binomial(), difference * sign[:, None], sign > 0, intercept=False)
    np.testing.assert_allclose(fit.params, logit.params, rtol=SAME)
    assert fit.loglik == pytest.approx(logit.loglik, rel=SAME)


def test_one_case_or_one_other_row_give_the_same_with_the_sign_turned() -> None:
    one = np.zeros(len(Y), dtype=int)
    one[pd.Series(np.arange(len(Y))).groupby(GROUPS).first()] = 1
    fit = ek.fit(ek.ConditionalLogit(), X, one, groups=GROUPS)
    other = ek.fit(ek.ConditionalLogit(), X, 1 - one, groups=GROUPS)
    np.testing.assert_allclose(other.params, -fit.params, rtol=SAME)
    np.testing.assert_allclose(other.std_errors, fit.std_errors, rtol=SAME)


def test_a_stratum_of_thousands_is_no_trouble() -> None:
    """600 cases of 2,000 rows: choices one by one would never end."""
    rng = np.random.default_rng(9)
    x = rng.normal(size=(2000, 3))
    y = np.zeros(2000, dtype=int)
    y[np.argsort(-(x @ [1.0, -0.5, 0.0]) - rng.gumbel(size=2000))[:600]] = 1
    fit = ek.fit(ek.ConditionalLogit(), x, y, groups=np.zeros(2000))
    plain = ek.fit(ek.Binomial(), x, y)  # which differs by terms of order 1 / n
    np.testing.assert_allclose(fit.params, plain.params[1:], rtol=0.01, atol=0.01)
    np.testing.assert_allclose(fit.std_errors, plain.std_errors[1:], rtol=0.01)


# --- invariances ---


def test_order_of_rows_names_of_strata_and_dtypes_do_not_matter() -> None:
    mixed = np.random.default_rng(10).permutation(len(Y))
    again = ek.fit(ek.ConditionalLogit(), X.iloc[mixed].to_numpy(), Y[mixed], groups=GROUPS[mixed])
    same(again, FIT)
    named = np.array([f"s{g}" for g in GROUPS])
    same(ek.fit(ek.ConditionalLogit(), X, Y == 1, groups=named), FIT)
    same(ek.fit(ek.ConditionalLogit(), X, Y, groups=GROUPS, intercept=False), FIT, 1e-15)
    whole = np.round(3 * X)
    wanted = ek.fit(ek.ConditionalLogit(), whole, Y, groups=GROUPS)
    for dtype in (np.int8, np.float32):
        same(ek.fit(ek.ConditionalLogit(), whole.astype(dtype), Y, groups=GROUPS), wanted)


@pytest.mark.parametrize("scale", [1e8, 1e-8, -1.0])
def test_the_scale_of_a_column_scales_its_coefficient(scale: float) -> None:
    fit = ek.fit(ek.ConditionalLogit(), X * [scale, 1.0], Y, groups=GROUPS)
    np.testing.assert_allclose(fit.params * [scale, 1.0], FIT.params, rtol=SAME)
    assert fit.loglik == pytest.approx(FIT.loglik, rel=SAME)


def test_what_is_constant_within_strata_moves_nothing() -> None:
    shift = 1e8 + 1e6 * GROUPS[:, None]
    far = X.to_numpy() + shift
    moved = ek.fit(ek.ConditionalLogit(), far, Y, groups=GROUPS)
    near = ek.fit(ek.ConditionalLogit(), far - shift, Y, groups=GROUPS)
    same(moved, near)
    np.testing.assert_allclose(moved.predict(far, groups=GROUPS), near.predict(far, groups=GROUPS))
    offset = ek.fit(ek.ConditionalLogit(), X, Y, groups=GROUPS, offset=shift[:, 0])
    same(offset, FIT)


def test_an_offset_is_a_column_with_coefficient_1() -> None:
    fit = ek.fit(ek.ConditionalLogit(), X, Y, groups=GROUPS, offset=X.to_numpy() @ [0.5, 2.0])
    np.testing.assert_allclose(fit.params + np.array([0.5, 2.0]), FIT.params, rtol=SAME)
    assert fit.loglik == pytest.approx(FIT.loglik, rel=SAME)


def test_weights_are_repeats_of_strata() -> None:
    times = np.random.default_rng(11).integers(0, 4, size=40)
    weighted = ek.fit(ek.ConditionalLogit(), X, Y, groups=GROUPS, weights=times[GROUPS])
    copies = [
        (X[GROUPS == g], Y[GROUPS == g], np.full((GROUPS == g).sum(), 100 * g + k))
        for g in range(40)
        for k in range(times[g])
    ]
    columns, cases, strata = zip(*copies, strict=True)
    repeated = ek.fit(
        ek.ConditionalLogit(), pd.concat(columns), np.concatenate(cases),
        groups=np.concatenate(strata),
    )  # fmt: skip
    same(weighted, repeated)
    np.testing.assert_allclose(weighted.covariance("HC0"), repeated.covariance("HC0"), rtol=1e-8)


@pytest.mark.parametrize("kind", [None, "HC0"])
@pytest.mark.parametrize("unit", [1.0, 1e8])
def test_intervals_of_probabilities_are_those_of_the_closed_form(
    kind: str | None, unit: float
) -> None:
    """Of one case the slope of a probability is p (x - mean of x under p)."""
    rng = np.random.default_rng(4)
    x, strata, case = rng.normal(size=(200, 2)), np.arange(200) // 5, np.zeros(200, int)
    case[np.arange(0, 200, 5) + rng.integers(0, 5, size=40)] = 1
    fit = ek.fit(ek.ConditionalLogit(), unit * x + unit, case, groups=strata)
    p = fit.predict(unit * x + unit, groups=strata).reshape(-1, 5, 1)
    table = (unit * x).reshape(-1, 5, 2)
    slopes = (p * (table - (p * table).sum(axis=1, keepdims=True))).reshape(-1, 2)
    error = np.sqrt(np.einsum("ij,jk,ik->i", slopes, fit.covariance(kind), slopes))
    p = p.ravel()
    half = 1.959963984540054 * error / p / (1 - p)
    stored = ek.LikelihoodFit.from_dict(json.loads(json.dumps(fit.to_dict())))
    found = [fit.predict_interval(kind=kind)]
    found += [fit.predict_interval(unit * x + unit, groups=strata, kind=kind)]
    found += [stored.predict_interval(unit * x + unit, groups=strata)] if kind is None else []
    for made in found:
        np.testing.assert_allclose(made.mean, p, rtol=1e-9)
        np.testing.assert_allclose(made.std_error, error, rtol=1e-7)
        np.testing.assert_allclose(made.lower, 1 / (1 + (1 / p - 1) * np.exp(half)), rtol=1e-7)
        np.testing.assert_allclose(made.upper, 1 / (1 + (1 / p - 1) * np.exp(-half)), rtol=1e-7)


def test_rows_that_are_cases_for_certain_have_no_error() -> None:
    fit = ek.fit(
        ek.ConditionalLogit(), [1, 2, 1, 3, 2, 0], [0, 1, 1, 0, 0, 1], groups=[0, 0, 1, 1, 2, 2]
    )
    made = fit.predict_interval([5.0, 1.0], groups=["a", "a"], cases=2)
    assert made.mean.tolist() == made.lower.tolist() == made.upper.tolist() == [1.0, 1.0]


def test_marginal_effects_of_strata_without_intercepts_are_refused() -> None:
    fit = ek.fit(
        ek.ConditionalLogit(), [1, 2, 1, 3, 2, 0], [0, 1, 1, 0, 0, 1], groups=[0, 0, 1, 1, 2, 2]
    )
    with pytest.raises(ek.EstkitError, match="depends on the intercepts of the strata"):
        fit.margins()
