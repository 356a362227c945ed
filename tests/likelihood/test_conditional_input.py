"""Conditional logistic regression: refusals, separation, and what a fit can do."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import estkit as ek
from estkit.likelihood.matched.fit import MatchedFit

# Two routes to the same numbers.
SAME = 1e-9
# Limits solve the profile equation to 1e-10 in the log-likelihood.
PROFILE = 1e-7
# A share of 2,000 replicates, five standard errors of it.
SHARE = 5 * 0.5 / np.sqrt(2000)

RNG = np.random.default_rng(12)
GROUPS = np.repeat(np.arange(30), 5)
X = pd.DataFrame(RNG.normal(size=(150, 2)), columns=["dose", "age"])
Y = (np.argsort(RNG.gumbel(size=(30, 5)) - X["dose"].to_numpy().reshape(30, 5)) < 2).astype(int)
Y = Y.ravel()
FIT = ek.fit(ek.ConditionalLogit(), X, Y, groups=GROUPS)


# --- refusals ---


def changed(values: Any, row: int, value: Any) -> Any:
    values = np.array(values, dtype=object if isinstance(value, str) else float)
    values[row] = value
    return values


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no strata": ({"groups": None}, "pass the stratum of each row as groups="),
    "no y": ({"y": None}, "y is missing"),
    "no X": ({"X": None}, "X is missing"),
    "labels": ({"y": np.where(Y, "ill", "well")}, "is 'ill', expected 1 for a case or 0"),
    "other number": ({"y": changed(Y, 4, 2.0)}, r"row 4 .* is 2.0, expected 1"),
    "counts": ({"y": np.stack([Y, 1 - Y], axis=1)}, "one column of 0 and 1"),
    "missing y": ({"y": changed(Y, 4, np.nan)}, "row 4 .* missing"),
    "missing X": ({"X": X.drop(3).reindex(X.index)}, "column 'dose', row 3"),
    "missing stratum": ({"groups": changed(GROUPS, 5, np.nan)}, "groups: .*row 5 .* missing"),
    "short strata": ({"groups": GROUPS[:-1]}, "groups has 149 rows"),
    "short y": ({"y": Y[:-1]}, "149 rows"),
    "uneven weights": (
        {"weights": changed(np.ones(150), 7, 2.0)},
        r"row 7 .* has 2, but an earlier row of its stratum 1 has 1",
    ),
    "sampling weights": ({"sampling_weights": np.ones(150)}, "no meaning for sampling_weights"),
    "no telling stratum": ({"y": GROUPS % 2}, "None of the 30 strata"),
    "sparse": ({"X": sparse.csr_array(X.to_numpy())}, "fills a sparse matrix"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_fitted_is_refused_by_name(case: str) -> None:
    given, message = REFUSED[case]
    given = {"X": X, "y": Y, "groups": GROUPS, **given}
    with pytest.raises(ek.DataError, match=message):
        ek.fit(ek.ConditionalLogit(), given.pop("X"), given.pop("y"), **given)


def test_columns_that_strata_explain_are_named() -> None:
    ward = X.assign(ward=1e8 + 3.7 * GROUPS)
    with pytest.raises(ek.RankError, match="'ward' does not vary within any stratum"):
        ek.fit(ek.ConditionalLogit(), ward, Y, groups=GROUPS)
    only_silent = X.assign(rare=0.0)
    only_silent.loc[:4, "rare"] = [1.0, 2.0, 3.0, 4.0, 5.0]
    with pytest.raises(ek.RankError, match="'rare' does not vary within any stratum that has"):
        ek.fit(ek.ConditionalLogit(), only_silent, np.where(GROUPS == 0, 1, Y), groups=GROUPS)
    for shift in (0.0, 1e8):  # dependent within strata, whatever the strata add
        both = X.assign(both=X["dose"] - 2 * X["age"] + shift * (1 + GROUPS))
        with pytest.raises(ek.RankError, match=r"'both' = 1.*'dose' -2.*'age'"):
            ek.fit(ek.ConditionalLogit(), both, Y, groups=GROUPS)


# --- separation ---


@pytest.mark.parametrize("cases", [1, 2, 4])
@pytest.mark.parametrize("scale", [1.0, 1e8])
def test_complete_separation_names_the_column(cases: int, scale: float) -> None:
    """In each stratum the cases have the highest doses, though levels differ between strata."""
    rank = np.argsort(np.argsort(X["dose"].to_numpy().reshape(30, 5)))
    y = (rank >= 5 - cases).astype(int).ravel()
    far = X.assign(dose=(X["dose"] + GROUPS) * scale)
    with pytest.raises(ek.SeparationError, match=r"Complete.*\(dose \+1[,)]") as caught:
        ek.fit(ek.ConditionalLogit(), far, y, groups=GROUPS)
    assert f"orders {30 * cases * (5 - cases)} of {30 * cases * (5 - cases)}" in str(caught.value)
    assert "penalty" not in str(caught.value)


def test_quasi_separation_by_a_dummy_names_only_that() -> None:
    exposed = np.where(Y == 1, np.arange(150) % 3 == 0, 0)
    with pytest.raises(ek.SeparationError, match=r"Quasi-complete.*\(exposed \+1\)"):
        ek.fit(ek.ConditionalLogit(), X.assign(exposed=exposed), Y, groups=GROUPS)
    result = ek.fit(
        ek.ConditionalLogit(), X.assign(exposed=exposed), Y, groups=GROUPS, errors="return"
    )
    assert not result.converged
    assert np.isnan(result.params).all()


def test_one_exception_makes_the_maximum_finite() -> None:
    rank = np.argsort(np.argsort(X["dose"].to_numpy().reshape(30, 5)))
    y = (rank == 4).astype(int)
    y[0] = rank[0] == 0
    fit = ek.fit(ek.ConditionalLogit(), X[["dose"]], y.ravel(), groups=GROUPS)
    assert fit.converged
    assert fit.params[0] > 1


# --- what a fit can do ---


def test_predicted_probabilities_add_up_to_the_cases_of_each_stratum() -> None:
    np.testing.assert_allclose(np.bincount(GROUPS, FIT.predict()), 2.0, rtol=1e-12)
    again = FIT.predict(X[["age", "dose"]], groups=GROUPS, cases=2)
    np.testing.assert_allclose(again, FIT.predict(), rtol=SAME)
    one = FIT.predict(X.to_numpy(), groups=GROUPS)
    eta = np.exp(X.to_numpy() @ FIT.params)
    np.testing.assert_allclose(one, eta / np.bincount(GROUPS, eta)[GROUPS], rtol=SAME)
    offset = np.log(1.0 + np.arange(150) % 2)
    eta = eta * np.exp(offset)
    two = FIT.predict(X, groups=GROUPS, offset=offset)
    np.testing.assert_allclose(two, eta / np.bincount(GROUPS, eta)[GROUPS], rtol=SAME)
    assert FIT.predict(X[:3], groups=[1, 2, 3]).tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(ek.DataError, match="smallest stratum, 'b' with 1; got 2"):
        FIT.predict(X[:3], groups=["a", "b", "a"], cases=2)
    with pytest.raises(ek.DataError, match="as groups="):
        FIT.predict(X)
    with pytest.raises(ek.DataError, match="pass X with them"):
        FIT.predict(groups=GROUPS)


def test_silent_strata_are_predicted_as_they_are() -> None:
    y = np.where(GROUPS == 0, 1, np.where(GROUPS == 1, 0, Y))
    fit = ek.fit(ek.ConditionalLogit(), X, y, groups=GROUPS)
    assert fit.predict()[:10].tolist() == [1.0] * 5 + [0.0] * 5
    assert (fit.n_obs, fit.n_strata) == (140, 28)
    assert "28 of 30 strata" in str(fit)
    assert "10 rows of the others say nothing" in str(fit)


def test_simulated_cases_keep_their_number_and_have_the_predicted_shares() -> None:
    drawn = FIT.simulate(rng=1, replicates=2000)
    assert drawn.dtype == np.int64
    assert (drawn.reshape(2000, 30, 5).sum(axis=2) == 2).all()
    np.testing.assert_allclose(drawn.mean(axis=0), FIT.predict(), atol=SHARE)
    assert ek.fit(ek.ConditionalLogit(), X, Y == 1, groups=GROUPS).simulate(rng=1).dtype == bool
    heavy = ek.fit(ek.ConditionalLogit(), X, Y, groups=GROUPS, weights=np.full(150, 2))
    with pytest.raises(ek.DataError, match="frequency weights cannot be simulated"):
        heavy.simulate(rng=1)


def test_the_bootstrap_centres_on_the_fit() -> None:
    summary = FIT.bootstrap(200, rng=2).summary("bias")
    assert (np.abs(summary["value"]) < 5 * summary["mcse"] + 0.3 * FIT.std_errors).all()


def test_profile_limits_are_where_the_likelihood_has_fallen_enough() -> None:
    for limit in FIT.interval(method="profile")[0]:
        held = ek.fit(ek.ConditionalLogit(), X[["age"]], Y, groups=GROUPS, offset=limit * X["dose"])
        assert 2 * (FIT.loglik - held.loglik) == pytest.approx(3.841458820694124, abs=PROFILE)


def test_the_units_of_a_robust_covariance_are_the_strata() -> None:
    residual = (Y - FIT.predict())[:, None] * X.to_numpy()
    sums = np.array([residual[GROUPS == g].sum(axis=0) for g in range(30)])
    wanted = FIT.covariance() @ sums.T @ sums @ FIT.covariance()
    np.testing.assert_allclose(FIT.covariance("HC0"), wanted, rtol=1e-8)
    factor = 30 / 29 * 149 / 148
    np.testing.assert_allclose(FIT.covariance("cluster"), factor * wanted, rtol=1e-8)
    np.testing.assert_allclose(FIT.covariance("expected"), FIT.covariance(), rtol=SAME)


def test_tests_and_criteria() -> None:
    smaller = ek.fit(ek.ConditionalLogit(), X[["dose"]], Y, groups=GROUPS)
    ratio = FIT.likelihood_ratio(["age"])
    assert ratio.statistic == pytest.approx(FIT.likelihood_ratio(smaller).statistic, abs=1e-8)
    assert FIT.wald_test().df == 2
    assert FIT.aic == pytest.approx(4 - 2 * FIT.loglik)
    start = ek.fit(ek.ConditionalLogit(), X, Y, groups=GROUPS, start=[4.0, -4.0])
    np.testing.assert_allclose(start.params, FIT.params, rtol=SAME)


def test_storage_and_pickling_keep_what_predicts() -> None:
    plain = json.loads(json.dumps(FIT.to_dict(), allow_nan=False))
    for again in (ek.LikelihoodFit.from_dict(plain), pickle.loads(pickle.dumps(FIT))):
        assert isinstance(again, MatchedFit)
        assert again.n_strata == 30
        new = again.predict(X, groups=GROUPS)
        np.testing.assert_array_equal(new, FIT.predict(X, groups=GROUPS))
        assert str(again) == str(FIT)


def test_categories_are_coded_and_kept_for_new_rows() -> None:
    ward = np.array(["east", "north", "west"])[np.arange(150) % 3]
    mixed = X.assign(ward=ward)
    fit = ek.fit(ek.ConditionalLogit(), mixed, Y, groups=GROUPS)
    assert fit.names == ("dose", "age", "ward[north]", "ward[west]")
    dummies = X.assign(north=ward == "north", west=ward == "west")
    plain = ek.fit(ek.ConditionalLogit(), dummies, Y, groups=GROUPS)
    np.testing.assert_allclose(fit.params, plain.params, rtol=SAME)
    assert fit.wald_test(["ward"]).df == 2
    again = ek.LikelihoodFit.from_dict(json.loads(json.dumps(fit.to_dict())))
    new = again.predict(mixed[["ward", "age", "dose"]], groups=GROUPS, cases=2)
    np.testing.assert_allclose(new, fit.predict(), rtol=SAME)
    formula = ek.fit_formula(
        "case ~ dose + age + ward", mixed.assign(case=Y), ek.ConditionalLogit(), groups=GROUPS
    )
    np.testing.assert_allclose(formula.params, fit.params, rtol=SAME)
    same_rows = formula.predict(mixed, groups=GROUPS, cases=2)
    np.testing.assert_allclose(same_rows, fit.predict(), rtol=SAME)
