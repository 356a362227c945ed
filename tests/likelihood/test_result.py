"""What every fit can do afterwards: predict, simulate, be stored, and be shown."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import estkit as ek

# Prediction does the same operations; a product over other rows is rounded anew.
SAME = 1e-12
# Monte-Carlo errors; the seeds are fixed, and a true law fails one in 1e6 of such comparisons.
DEVIATIONS = 5.0
REPLICATES = 2000
COLUMNS = ["outcome", "term", "estimate", "std_error", "statistic", "p_value", "lower", "upper"]


def unweighted(example: Any) -> Any:
    """Return the fit without weights, so that each row has one response."""
    return example.changed(weights=None).fit()


def separated() -> Any:
    return ek.fit(ek.Binomial(), [1, 2, 3, 4], [0, 0, 1, 1], errors="return")


# --- predict ---


def test_predict_finds_the_columns_by_name(example: Any) -> None:
    fit = example.fit()
    offset = example.options.get("offset")
    wanted = fit.predict(example.X, offset=offset)
    mixed = example.X[example.X.columns[::-1]].assign(other=0.0)
    for X in (mixed, pl.DataFrame(mixed.to_dict("list")), mixed.to_dict("list")):
        np.testing.assert_array_equal(fit.predict(X, offset=offset), wanted)
    np.testing.assert_array_equal(fit.predict(example.X.to_numpy(float), offset=offset), wanted)


def test_predict_looks_only_at_the_columns_of_the_fit(simple: Any) -> None:
    """New rows often come with an identifier, a date, or a column that has gaps."""
    fit = simple.fit()
    wider = simple.X.assign(person="anna", gaps=np.nan)
    np.testing.assert_array_equal(fit.predict(wider), fit.predict(simple.X))


def test_predict_without_rows_is_for_the_training_data(example: Any) -> None:
    fit = example.fit()
    wanted = fit.predict(example.X, offset=example.options.get("offset"))
    np.testing.assert_allclose(fit.predict(), wanted, rtol=SAME)


def test_predict_takes_any_number_of_rows(simple: Any) -> None:
    fit = simple.fit()
    whole = fit.predict(simple.X)
    assert len(whole) == simple.rows
    for row in (0, simple.rows - 1):
        np.testing.assert_allclose(fit.predict(simple.X.iloc[[row]]), whole[[row]], rtol=SAME)
    many = pd.concat([simple.X] * (1 + 20_000 // simple.rows))
    np.testing.assert_allclose(fit.predict(many)[-simple.rows :], whole, rtol=SAME)


def test_predict_far_outside_the_data_is_a_number(simple: Any) -> None:
    fit = simple.fit()
    for factor in (1e6, -1e6, 1e100):
        assert np.isfinite(fit.predict(simple.X * factor)).all()


def test_predict_names_the_column_that_is_missing(simple: Any) -> None:
    fit = simple.fit()
    first = simple.X.columns[0]
    with pytest.raises(ek.DataError) as caught:
        fit.predict(simple.X.drop(columns=first).assign(other=1.0))
    assert first in str(caught.value).split("missing:")[1]


def test_predict_refuses_a_bad_value(simple: Any) -> None:
    X = simple.X.astype(float)
    X.iloc[2, 0] = np.nan
    with pytest.raises(ek.DataError, match=rf"'{X.columns[0]}'.*row 2.*missing"):
        simple.fit().predict(X)


def test_predict_of_an_intercept_alone(simple: Any) -> None:
    fit = ek.fit(simple.family, None, simple.y)
    np.testing.assert_allclose(fit.predict()[0], fit.predict(np.empty((3, 0)))[2], rtol=SAME)


# --- simulate ---


def codes(fit: Any, drawn: Any) -> Any:
    """Return draws as numbers: labels as columns of 0/1, like the mean that they estimate."""
    mean = fit.predict()
    if drawn.ndim == 3:  # counts
        share = drawn / np.maximum(drawn.sum(axis=-1, keepdims=True), 1)
        return share if mean.ndim == 2 else share[..., 0]
    if mean.ndim == 2:
        return drawn[..., None] == np.array(fit.outcomes)
    return drawn == fit.outcomes[1] if fit.outcomes else drawn


def test_simulated_responses_have_the_fitted_mean(example: Any) -> None:
    fit = unweighted(example)
    drawn = codes(fit, fit.simulate(rng=1, replicates=REPLICATES))
    rare = 2 / REPLICATES  # a rate near 0 deviates like a Poisson count, not like a normal one
    error = drawn.std(axis=0) / np.sqrt(REPLICATES) + rare
    difference = np.abs(drawn.mean(axis=0) - fit.predict())
    assert (difference <= DEVIATIONS * error).all()


def test_simulated_rows_are_independent(example: Any) -> None:
    fit = unweighted(example)
    drawn = codes(fit, fit.simulate(rng=2, replicates=REPLICATES)).reshape(
        REPLICATES, example.rows, -1
    )[:, :, 0]
    most_common = [np.unique(row, return_counts=True)[1].max() for row in drawn.T]
    varying = drawn[:, np.array(most_common) < 0.96 * REPLICATES].astype(float)
    correlation = np.corrcoef(varying.T)[np.triu_indices(varying.shape[1], 1)]
    assert np.abs(correlation).max() < 6.5 / np.sqrt(REPLICATES)


def test_simulated_responses_have_the_form_of_y(example: Any) -> None:
    fit = unweighted(example)
    drawn = fit.simulate(rng=3)
    assert drawn.shape == np.shape(example.y)
    if drawn.ndim == 2:
        np.testing.assert_array_equal(drawn.sum(axis=1), np.asarray(example.y).sum(axis=1))
    elif fit.outcomes:
        assert set(drawn.tolist()) <= set(fit.outcomes)
    assert fit.simulate(rng=3, replicates=2).shape == (2, *drawn.shape)


def test_simulation_depends_on_rng_alone(simple: Any) -> None:
    fit = simple.fit()
    first = fit.simulate(rng=4, replicates=3)
    np.testing.assert_array_equal(first, fit.simulate(rng=4, replicates=3))
    np.testing.assert_array_equal(first, simple.fit().simulate(rng=4, replicates=3))
    generator = np.random.default_rng(4)
    np.testing.assert_array_equal(first, fit.simulate(rng=generator, replicates=3))
    assert (first != fit.simulate(rng=generator, replicates=3)).any()


def test_the_bootstrap_fits_what_it_draws(example: Any) -> None:
    """A small data set may be separated by chance; nothing else may go wrong."""
    numbers = not example.fit().outcomes  # which cannot be drawn for weighted rows
    fit = unweighted(example) if numbers else example.fit()
    failures = fit.bootstrap(8, rng=5).failures()
    assert [why for why in failures["reason"] if "separation" not in why] == []
    assert len(failures) < 8


# --- storage ---


def test_a_fit_is_small_and_holds_no_data(simple: Any) -> None:
    times = 50
    longer = simple.take(np.repeat(np.arange(simple.rows), times)).fit()
    size = len(pickle.dumps(simple.fit()))
    assert size < 4000 + 24 * len(longer.params) ** 2
    assert len(pickle.dumps(longer)) < size + 100
    assert len(json.dumps(longer.to_dict())) < 3 * size + 2000


def stored(fit: Any) -> list[Any]:
    plain = json.loads(json.dumps(fit.to_dict(), allow_nan=False))
    return [pickle.loads(pickle.dumps(fit)), copy.deepcopy(fit), ek.LikelihoodFit.from_dict(plain)]


def test_a_stored_fit_is_the_same_fit(example: Any) -> None:
    fit = example.fit()
    offset = example.options.get("offset")
    for again in stored(fit):
        wanted = fit.predict(example.X, offset=offset)
        np.testing.assert_array_equal(again.predict(example.X, offset=offset), wanted)
        np.testing.assert_array_equal(again.params, fit.params)
        np.testing.assert_array_equal(again.std_errors, fit.std_errors)
        np.testing.assert_array_equal(again.covariance(), fit.covariance())
        pd.testing.assert_frame_equal(again.to_frame(), fit.to_frame())
        assert str(again) == str(fit)
        assert (again.loglik, again.aic, again.bic) == (fit.loglik, fit.aic, fit.bic)
        assert (again.names, again.outcomes, again.family) == (fit.names, fit.outcomes, fit.family)
        assert again.certificate == fit.certificate
        assert repr(again.sigma) == repr(fit.sigma)


@pytest.mark.parametrize("method", ["simulate", "bootstrap", "predict"])
def test_a_stored_fit_says_that_it_has_no_data(simple: Any, method: str) -> None:
    again = pickle.loads(pickle.dumps(simple.fit()))
    with pytest.raises(ek.EstkitError, match=f"{method} needs the training data"):
        getattr(again, method)()


def test_a_failed_fit_can_be_stored() -> None:
    for again in stored(separated()):
        assert not again.converged
        assert again.reason == separated().reason
        assert np.isnan(again.params).all()
        assert np.isnan(again.loglik)


def test_labels_from_numpy_can_be_stored() -> None:
    """A label is often taken from an array, as in success=np.unique(y)[1]."""
    y = np.array([3, 5, 3, 5])
    for again in stored(ek.fit(ek.Binomial(success=y[1]), [1, 2, 3, 4], y)):
        assert again.outcomes == (3, 5)


@pytest.mark.parametrize("wrong", [{}, {"format": "estkit.Estimate", "version": 1},
                                   {"format": "estkit.LikelihoodFit", "version": 99}])  # fmt: skip
def test_another_format_is_refused(wrong: Any) -> None:
    with pytest.raises(ek.DataError, match=r"Expected.*version"):
        ek.LikelihoodFit.from_dict(wrong)


# --- shown ---


def test_the_frame_has_fixed_columns(example: Any) -> None:
    fit = example.fit()
    frame = fit.to_frame()
    assert list(frame.columns) in (COLUMNS, COLUMNS[1:])
    names = frame["term"] if "outcome" not in frame else frame["outcome"] + ":" + frame["term"]
    assert tuple(names) == fit.names
    np.testing.assert_array_equal(frame["estimate"], fit.params)
    np.testing.assert_array_equal(frame["std_error"], fit.std_errors)
    np.testing.assert_array_equal(frame[["lower", "upper"]], fit.interval())
    np.testing.assert_array_equal(fit.to_frame(level=0.5)[["lower", "upper"]], fit.interval(0.5))


def test_every_form_of_the_table_names_every_term(example: Any) -> None:
    fit = example.fit()
    terms = set(fit.to_frame()["term"])
    for text in (str(fit), fit._repr_html_(), fit.to_markdown(), fit.to_latex().replace("\\", "")):
        assert [term for term in terms if term not in text] == []
        assert str(fit.n_obs) in text
    assert "\n" not in repr(fit)
    assert "converged" in repr(fit)


def test_a_failed_fit_shows_its_reason_and_no_numbers() -> None:
    fit = separated()
    assert fit.to_frame().drop(columns="term").isna().all(axis=None)
    for text in (str(fit), repr(fit), fit.to_markdown(), fit._repr_html_()):
        assert "separation" in text
    assert fit.to_estimate().status == "failed"
    assert np.isnan(fit.interval()).all()
    assert np.isnan([fit.aic, fit.bic, fit.loglik]).all()


@pytest.mark.parametrize("method", ["simulate", "bootstrap"])
def test_a_failed_fit_cannot_be_drawn_from(method: str) -> None:
    with pytest.raises(ek.EstkitError, match="separation"):
        getattr(separated(), method)()


def test_a_fit_is_an_estimate(example: Any) -> None:
    fit = example.fit()
    estimate = fit.to_estimate()
    assert estimate.names == fit.names
    np.testing.assert_array_equal(estimate.value, fit.params)
    np.testing.assert_array_equal(estimate.std_error, fit.std_errors)
    assert estimate.status == "ok"


def test_a_fit_cannot_be_changed(simple: Any) -> None:
    fit = simple.fit()
    with pytest.raises(FrozenInstanceError):
        fit.loglik = 0.0
    for array in (fit.params, fit.std_errors, fit.covariance()):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0.0


def test_the_covariance_is_in_the_order_of_the_names(example: Any) -> None:
    fit = example.fit()
    covariance = fit.covariance()
    np.testing.assert_allclose(covariance, covariance.T, rtol=1e-9)
    np.testing.assert_allclose(np.sqrt(np.diag(covariance)), fit.std_errors, rtol=SAME)
    assert covariance.shape == (len(fit.names),) * 2
    reordered = example.changed(X=example.X[example.X.columns[::-1]]).fit()
    order = [reordered.names.index(name) for name in fit.names]
    scale = np.outer(fit.std_errors, fit.std_errors)
    other = reordered.covariance()[np.ix_(order, order)]
    np.testing.assert_allclose(other / scale, covariance / scale, atol=1e-6)


ASKED: dict[str, Callable[[Any], Any]] = {
    "covariance": lambda fit: fit.covariance("robust"),
    "method": lambda fit: fit.interval(method="likelihood"),
    "level in percent": lambda fit: fit.interval(95),
    "level of 0": lambda fit: fit.to_frame(level=0),
}


@pytest.mark.parametrize("asked", ASKED)
def test_an_unknown_kind_is_refused(simple: Any, asked: str) -> None:
    with pytest.raises(ek.DataError, match="must"):
        ASKED[asked](simple.fit())
