"""Ordinal regression: labels and their order, refusals, separation, and what a fit can do."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import estkit as ek
from estkit.likelihood.ordinal.cumulative import LINKS
from estkit.likelihood.ordinal.model import OrdinalFit

# The same sums in another order.
SAME = 1e-9
# A share of 1,000 replicates, five standard errors of it.
SHARE = 5 * 0.5 / np.sqrt(1000)
# Limits solve the profile equation to 1e-10 in the log-likelihood.
PROFILE = 1e-7

NAMES = ["low", "medium", "high"]
X = pd.DataFrame({"dose": np.tile(np.arange(12.0), 5), "sex": np.arange(60) % 2})
CODES = np.digitize(X["dose"] + 4 * np.sin(np.arange(60.0)), [3.0, 8.0])
LABELS = np.array(NAMES)[CODES]
FIT = ek.fit(ek.Ordinal(order=NAMES), X, LABELS)


# --- order ---


@pytest.mark.parametrize(
    "y",
    [
        pd.Series(pd.Categorical(LABELS, NAMES, ordered=True)),
        pd.Categorical(LABELS, [*NAMES, "never seen"]),
        pl.Series(LABELS).cast(pl.Enum(NAMES)),
    ],
    ids=["ordered", "categories", "enum"],
)
def test_categories_come_in_their_order(y: Any) -> None:
    fit = ek.fit(ek.Ordinal(), X, y)
    assert fit.names == ("low|medium", "medium|high", "dose", "sex")
    assert fit.outcomes == tuple(NAMES)
    np.testing.assert_array_equal(fit.params, FIT.params)


def test_numbers_and_bools_are_sorted() -> None:
    numbers = np.array([10, -3, 200])[CODES]
    fit = ek.fit(ek.Ordinal(), X, numbers)
    assert fit.outcomes == (-3, 10, 200)
    assert fit.names[:2] == ("-3|10", "10|200")
    assert ek.fit(ek.Ordinal(), X, CODES > 1).outcomes == (False, True)
    turned = ek.fit(ek.Ordinal(order=[200, -3, 10]), X, numbers)
    assert turned.outcomes == (200, -3, 10)


def test_reversing_the_order_turns_the_signs() -> None:
    other = ek.fit(ek.Ordinal(order=NAMES[::-1]), X, LABELS)
    np.testing.assert_allclose(other.params, -FIT.params[[1, 0, 2, 3]], rtol=SAME)
    assert other.names[0] == "high|medium"


def test_counts_in_a_frame_are_ordered_by_their_columns() -> None:
    counts = pd.DataFrame(np.eye(3, dtype=int)[CODES], columns=NAMES)
    np.testing.assert_allclose(ek.fit(ek.Ordinal(), X, counts).params, FIT.params, rtol=SAME)
    mixed = counts[["high", "low", "medium"]]
    fit = ek.fit(ek.Ordinal(order=NAMES), X, mixed)
    assert fit.outcomes == tuple(NAMES)
    np.testing.assert_allclose(fit.params, FIT.params, rtol=SAME)
    assert fit.simulate(rng=1).shape == (60, 3)


# --- refusals ---


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "strings": ({}, {"y": LABELS}, "no order of their own"),
    "polars categories": ({}, {"y": pl.Series(LABELS).cast(pl.Categorical)}, "no order of"),
    "not in order": ({"order": ["low", "medium"]}, {}, r"row \d+ .*'high', which order= does not"),
    "never seen": ({"order": [*NAMES, "top"]}, {}, "outcome 'top' is never observed"),
    "weight 0": ({}, {"y": CODES, "weights": CODES}, "outcome 0 is never observed"),
    "single": ({}, {"y": np.ones(60)}, "single outcome, 1.0"),
    "count column": ({}, {"y": np.eye(4, dtype=int)[CODES]}, "outcome 3 is never observed"),
    "count names": (
        {"order": ["a", "b", "c"]},
        {"y": pd.DataFrame(np.eye(3, dtype=int)[CODES], columns=NAMES)},
        "must name the columns of the counts 'low', 'medium', 'high'",
    ),
    "intercept": ({}, {"intercept": False, "y": CODES}, "thresholds .* are its intercepts"),
    "missing": ({}, {"y": np.where(np.arange(60) == 7, np.nan, CODES)}, "row 7 .* missing"),
    "missing X": ({}, {"X": X.where(X["dose"] < 11), "y": CODES}, "column 'dose', row 11"),
    "fraction": ({}, {"y": CODES + 0.5}, "no label"),
    "rows": ({}, {"y": CODES[:-1]}, "59 rows but X has 60"),
    "no y": ({}, {"y": None}, "y is missing"),
    "offset": ({}, {"y": CODES, "offset": np.ones((60, 2))}, "offset"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_fitted_is_refused_by_name(case: str) -> None:
    options, given, message = REFUSED[case]
    given = {"X": X, "y": LABELS, **given}
    with pytest.raises(ek.DataError, match=message):
        ek.fit(ek.Ordinal(**options), given.pop("X"), given.pop("y"), **given)


def test_the_family_checks_its_options() -> None:
    with pytest.raises(ek.DataError, match="link must be one of"):
        ek.Ordinal("cauchit")
    for order in ("abc", ["a"], ["a", "a"]):
        with pytest.raises(ek.DataError, match="at least two outcomes from lowest to highest"):
            ek.Ordinal(order=order)
    assert ek.Ordinal(order=NAMES) == ek.Ordinal(order=tuple(NAMES))


def test_dependent_and_constant_columns_are_named() -> None:
    with pytest.raises(ek.RankError, match="'twice' = 2·'dose'"):
        ek.fit(ek.Ordinal(), X.assign(twice=2 * X["dose"]), CODES)
    with pytest.raises(ek.RankError, match="'one' does not vary") as caught:
        ek.fit(ek.Ordinal(), X.assign(one=1.0), CODES)
    assert "intercept=False" not in str(caught.value)


# --- separation ---


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("scale", [1.0, 1e8, 1e-8])
def test_complete_separation_names_the_column_and_the_thresholds(link: str, scale: float) -> None:
    x = np.array([1.0, 2, 3, 4, 5, 6, 7])
    with pytest.raises(ek.SeparationError) as caught:
        ek.fit(ek.Ordinal(link), {"x": x * scale}, [0, 0, 1, 1, 1, 2, 2])
    message = str(caught.value)
    assert message.startswith("Complete separation")
    assert "x +1)" in message
    assert "merge 'x'" in message
    assert not caught.value.result.converged


@pytest.mark.parametrize("link", LINKS)
def test_quasi_separation_by_a_dummy_names_only_that(link: str) -> None:
    """All of sex 1 are in the highest outcome: its slope is infinite, the rest is finite."""
    codes = np.where(X["sex"] == 1, 2, CODES)
    with pytest.raises(ek.SeparationError, match=r"Quasi-complete.*\(sex \+1\).*merge 'sex',"):
        ek.fit(ek.Ordinal(link), X, codes)


@pytest.mark.parametrize("link", LINKS)
def test_separation_of_neighbours_alone_is_found(link: str) -> None:
    """x orders low against the rest without exception, but not medium against high."""
    x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    fit = ek.fit(ek.Ordinal(link), {"x": x}, [0, 0, 0, 1, 2, 1, 2, 1])
    assert fit.converged  # one slope for all thresholds: medium and high overlap
    with pytest.raises(ek.SeparationError):
        ek.fit(ek.Ordinal(link), {"x": x}, [0, 0, 0, 1, 1, 1, 2, 2])


def test_almost_separated_outcomes_have_a_finite_fit() -> None:
    x = np.concatenate([np.linspace(0, 1, 200), np.linspace(1, 2, 200), np.linspace(2, 3, 200)])
    y = np.repeat([0, 1, 2], 200)
    y[[195, 204, 395, 404]] = [1, 0, 2, 1]
    fit = ek.fit(ek.Ordinal(), {"x": x}, y)
    assert fit.converged
    assert fit.certificate.newton_decrement < 1e-6
    assert fit.params[-1] > 50


def test_weights_of_zero_separate_nothing() -> None:
    weights = np.where(np.arange(8) < 7, 1, 0)
    with pytest.raises(ek.SeparationError):
        ek.fit(ek.Ordinal(), np.arange(8.0), [0, 0, 1, 1, 1, 2, 2, 0], weights=weights)


# --- what a fit can do ---


def test_sampling_weights_give_linearized_errors() -> None:
    weights = 1.0 + np.arange(60) % 3
    fit = ek.fit(ek.Ordinal(), X, CODES, sampling_weights=weights)
    repeated = ek.fit(ek.Ordinal(), X, CODES, weights=weights)
    np.testing.assert_allclose(fit.params, repeated.params, rtol=SAME)
    assert fit.n_obs == 60
    bread = repeated.covariance()
    jacobian = repeated._model.jacobian(repeated._point)
    outward = bread @ np.linalg.inv(jacobian).T
    scores = np.concatenate(list(repeated._model.scores(repeated._point)))
    wanted = 60 / 59 * outward @ scores.T @ scores @ outward.T
    np.testing.assert_allclose(fit.covariance(), wanted, rtol=1e-8)
    with pytest.raises(ek.DataError, match="no meaning for analytic_weights"):
        ek.fit(ek.Ordinal(), X, CODES, analytic_weights=weights)


def test_default_tests_leave_the_thresholds_alone() -> None:
    test = FIT.wald_test()
    assert test.df == 2
    assert "dose, sex" in test.hypothesis
    smaller = ek.fit(ek.Ordinal(order=NAMES), X[["dose"]], LABELS)
    ratio = FIT.likelihood_ratio(["sex"])
    assert ratio.statistic == pytest.approx(FIT.likelihood_ratio(smaller).statistic, abs=1e-8)
    assert FIT.score_test(["sex"]).statistic == pytest.approx(ratio.statistic, rel=0.1)
    assert FIT.score_test(["low|medium"], value=FIT.params[0]).statistic == pytest.approx(
        0, abs=1e-9
    )


def test_profile_limits_are_where_the_likelihood_has_fallen_enough() -> None:
    limits = FIT.interval(method="profile")
    for limit in limits[2]:
        held = ek.fit(ek.Ordinal(order=NAMES), X[["sex"]], LABELS, offset=limit * X["dose"])
        assert 2 * (FIT.loglik - held.loglik) == pytest.approx(3.841458820694124, abs=PROFILE)
    assert (limits[:, 0] < FIT.params).all()
    assert (limits[:, 1] > FIT.params).all()


def test_cluster_covariance_adds_scores_within_groups() -> None:
    groups = np.arange(60) // 4
    fit = ek.fit(ek.Ordinal(), X, CODES, groups=groups)
    scores = np.concatenate(list(fit._model.scores(fit._point)))
    sums = np.array([scores[groups == g].sum(axis=0) for g in range(15)])
    jacobian = fit._model.jacobian(fit._point)
    bread = fit.covariance() @ np.linalg.inv(jacobian).T
    wanted = 15 / 14 * 59 / 56 * bread @ sums.T @ sums @ bread.T
    np.testing.assert_allclose(fit.covariance("cluster"), wanted, rtol=1e-8)


@pytest.mark.parametrize("link", LINKS)
def test_storage_and_pickling_keep_what_predicts(link: str) -> None:
    fit = ek.fit(ek.Ordinal(link, order=NAMES), X, LABELS, offset=X["dose"] / 7)
    plain = json.loads(json.dumps(fit.to_dict(), allow_nan=False))
    for again in (ek.LikelihoodFit.from_dict(plain), pickle.loads(pickle.dumps(fit))):
        assert isinstance(again, OrdinalFit)
        assert again.family == fit.family
        np.testing.assert_array_equal(again.predict(X), fit.predict(X))
        np.testing.assert_array_equal(again.predict(X[["sex", "dose"]]), fit.predict(X))
        assert again.wald_test() == fit.wald_test()
        assert str(again) == str(fit)


def test_simulated_outcomes_have_the_predicted_shares() -> None:
    drawn = FIT.simulate(rng=2, replicates=1000)
    assert drawn.shape == (1000, 60)
    for k, name in enumerate(NAMES):
        np.testing.assert_allclose(
            (drawn == name).mean(axis=0), FIT.predict()[:, k], rtol=0, atol=SHARE
        )
    weighted = ek.fit(ek.Ordinal(order=NAMES), X, LABELS, weights=np.full(60, 3))
    counts = weighted.simulate(rng=3)
    assert counts.shape == (60, 3)
    assert (counts.sum(axis=1) == 3).all()


def test_the_bootstrap_centres_on_the_fit() -> None:
    summary = FIT.bootstrap(200, rng=4).summary("bias")
    assert summary["parameter"].tolist() == list(FIT.names)
    assert (np.abs(summary["value"]) < 5 * summary["mcse"] + 0.3 * FIT.std_errors).all()


def test_the_table_names_thresholds_and_slopes() -> None:
    text = str(FIT)
    assert text.startswith("Ordinal regression, 60 observations")
    assert "low|medium" in text
    assert FIT.to_frame()["term"].tolist() == list(FIT.names)


def test_categories_and_formulas_are_kept_for_new_rows() -> None:
    ward = np.array(["east", "north", "west"])[np.arange(60) % 3]
    mixed = X.assign(ward=ward, pain=CODES)
    fit = ek.fit(ek.Ordinal(), mixed[["dose", "ward"]], CODES)
    assert fit.names[2:] == ("dose", "ward[north]", "ward[west]")
    assert fit.wald_test(["ward"]).df == 2
    again = ek.LikelihoodFit.from_dict(fit.to_dict())
    np.testing.assert_array_equal(again.predict(mixed), fit.predict())
    formula = ek.fit_formula("pain ~ dose + ward", mixed, ek.Ordinal())
    np.testing.assert_allclose(formula.params, fit.params, rtol=SAME)
    np.testing.assert_allclose(formula.predict(mixed), fit.predict(), rtol=SAME)
