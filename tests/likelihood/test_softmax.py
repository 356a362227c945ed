"""Softmax regression: labels and counts of any kind, the reference, closed forms, the far tails."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy.special import gammaln

import estkit as ek
from estkit.likelihood.family import Block

Floats = NDArray[np.float64]

# The same sums, perhaps added up in another order.
SAME = 1e-12
# Against a closed form or another parametrisation, what Newton's method leaves.
CLOSED = 1e-10
STD_ERRORS = 1e-9
# What every answer is held to, also where outcomes are rare.
PARAMS = 1e-8
# One row, against fifty digits, relative to the size of its terms.
ROUNDING = 1e-14

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 2))
CODES = (X[:, 0] + RNG.logistic(size=90) > 0).astype(int) + (RNG.random(90) < 0.4)
WORDS = np.array(["low", "mid", "top"])[CODES]
COUNTS = RNG.poisson([4.0, 2.0, 3.0], size=(90, 3))


def assert_same(found: Any, wanted: Any, tolerance: float = SAME) -> None:
    np.testing.assert_allclose(found.params, wanted.params, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(found.std_errors, wanted.std_errors, rtol=tolerance)
    assert found.loglik == pytest.approx(wanted.loglik, rel=tolerance)
    assert found.n_obs == wanted.n_obs


def coefficients(fit: Any) -> dict[Any, Floats]:
    """Return the coefficients of each outcome, 0 for the reference."""
    found = {name.rsplit(":", 1)[0] for name in fit.names}
    rows = fit.params.reshape(len(found), -1)
    names = list(dict.fromkeys(name.rsplit(":", 1)[0] for name in fit.names))
    known = dict(zip(names, rows, strict=True))
    return {str(o): known.get(str(o), np.zeros(rows.shape[1])) for o in fit.outcomes}


# --- the coding of the response ---

LABELS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "whole numbers": (CODES, (0, 1, 2)),
    "negative numbers": (CODES - 5, (-5, -4, -3)),
    "uint8": (CODES.astype(np.uint8) * 100, (0, 100, 200)),
    "floats": (CODES.astype(float), (0.0, 1.0, 2.0)),
    "words": (WORDS, ("low", "mid", "top")),
    "list of words": (WORDS.tolist(), ("low", "mid", "top")),
    "word objects": (WORDS.astype(object), ("low", "mid", "top")),
    "pandas strings": (pd.Series(WORDS, dtype="string"), ("low", "mid", "top")),
    "polars strings": (pl.Series(WORDS), ("low", "mid", "top")),
    "ordered categories": (
        pd.Series(pd.Categorical(WORDS, ["low", "mid", "top"])),
        ("low", "mid", "top"),
    ),
    "nullable integers": (pd.Series(CODES, dtype="Int64"), (0, 1, 2)),
    "large numbers": (CODES + 10**15, (10**15, 10**15 + 1, 10**15 + 2)),
}


@pytest.mark.parametrize("coding", LABELS)
def test_every_coding_of_labels_gives_the_same_fit(coding: str) -> None:
    y, outcomes = LABELS[coding]
    fit = ek.fit(ek.Softmax(), X, y)
    assert_same(fit, ek.fit(ek.Softmax(), X, CODES))
    assert fit.outcomes == outcomes
    expected = [f"{o}:{term}" for o in outcomes[1:] for term in ("intercept", "x0", "x1")]
    assert list(fit.names) == expected


@pytest.mark.parametrize("form", ["series", "categorical", "frame", "polars enum"])
def test_categories_keep_their_order(form: str) -> None:
    order = ["top", "low", "absent", "mid"]
    categories = pd.Categorical(WORDS, order)
    y = {
        "series": pd.Series(categories),
        "categorical": categories,
        "frame": pd.DataFrame({"y": categories}),
        "polars enum": pl.Series(WORDS, dtype=pl.Enum(order)),
    }[form]
    fit = ek.fit(ek.Softmax(), X, y)
    assert fit.outcomes == ("top", "low", "mid")  # "absent" never occurs
    assert fit.names[0] == "low:intercept"
    assert_same(fit, ek.fit(ek.Softmax(reference="top"), X, WORDS), CLOSED)


def test_two_outcomes_are_a_binomial_regression() -> None:
    y = CODES > 0
    softmax, binomial = ek.fit(ek.Softmax(), X, y), ek.fit(ek.Binomial(), X, y)
    assert_same(softmax, binomial, CLOSED)
    np.testing.assert_allclose(softmax.predict()[:, 1], binomial.predict(), rtol=CLOSED)
    assert softmax.names == ("True:intercept", "True:x0", "True:x1")


@pytest.mark.parametrize("far", [1e2, 1e4, 1e6, 1e8])
@pytest.mark.parametrize("reference", [0, 1])
def test_outcomes_that_are_all_but_certain_keep_the_errors(reference: int, far: float) -> None:
    """Of p(1 - p) nothing may be lost where p is nearly 1: the binomial fit loses nothing."""
    x, y = [0, 1, 2, 3, 4, 5, -far, far], [0, 1, 0, 1, 0, 1, 0, 1]
    softmax, binomial = ek.fit(ek.Softmax(reference), x, y), ek.fit(ek.Binomial(), x, y)
    np.testing.assert_allclose(np.abs(softmax.params), np.abs(binomial.params), rtol=PARAMS)
    np.testing.assert_allclose(softmax.std_errors, binomial.std_errors, rtol=1e-6)


def test_counts_and_labels_differ_by_the_multinomial_coefficients() -> None:
    counts = ek.fit(ek.Softmax(), X, COUNTS)
    row, outcome = np.repeat(np.arange(90), 3), np.tile([0, 1, 2], 90)
    labels = ek.fit(ek.Softmax(), X[row], outcome, weights=COUNTS.ravel())
    np.testing.assert_allclose(counts.params, labels.params, rtol=CLOSED)
    np.testing.assert_allclose(counts.std_errors, labels.std_errors, rtol=STD_ERRORS)
    added = gammaln(COUNTS.sum(axis=1) + 1).sum() - gammaln(COUNTS + 1).sum()
    assert counts.loglik - labels.loglik == pytest.approx(added, rel=CLOSED)
    assert labels.n_obs == COUNTS.sum()
    assert counts.n_obs == (COUNTS.sum(axis=1) > 0).sum()


def test_the_columns_of_counts_are_the_outcomes() -> None:
    array = ek.fit(ek.Softmax(), X, COUNTS)
    assert array.outcomes == (0, 1, 2)
    names = ["red", "green", "blue"]
    for form in (pd.DataFrame, lambda c, columns: pl.DataFrame(c, schema=columns)):
        frame = ek.fit(ek.Softmax(), X, form(COUNTS, columns=names))
        assert frame.outcomes == tuple(names)  # as they stand, not sorted
        assert frame.names[:2] == ("green:intercept", "green:x0")
        assert_same(frame, array)


def test_rows_without_counts_are_not_there() -> None:
    longer = ek.fit(ek.Softmax(), np.vstack([X, X[:2]]), np.vstack([COUNTS, np.zeros((2, 3))]))
    assert_same(longer, ek.fit(ek.Softmax(), X, COUNTS), CLOSED)


REFUSED: dict[str, tuple[Any, Any, str]] = {
    "one outcome": (None, ["low"] * 90, r"single outcome, 'low'"),
    "an unknown reference": ("Low", WORDS, r"'Low'.*'low', 'mid', 'top'"),
    "measurements": (None, CODES + 0.5, r"row 0.*no label.*counts"),
    "mixed kinds": (None, [1, *WORDS[1:]], r"int, str"),
    "an outcome without counts": (None, COUNTS * [1, 0, 1], r"outcome 1 is never observed"),
    "negative counts": (None, COUNTS - np.eye(90, 3) * 99, r"row 0.*negative"),
    "fractional counts": (None, COUNTS + 0.25, r"row 0.*not whole.*\.25"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_other_responses_are_refused(case: str) -> None:
    reference, y, message = REFUSED[case]
    with pytest.raises(ek.DataError, match=message):
        ek.fit(ek.Softmax(reference=reference), X, y)


def test_an_outcome_of_weight_zero_is_never_observed() -> None:
    with pytest.raises(ek.DataError, match=r"'mid' is never observed.*leave it out"):
        ek.fit(ek.Softmax(), X, WORDS, weights=(WORDS != "mid").astype(int))


# --- the reference ---


@pytest.mark.parametrize("reference", ["low", "mid", "top"])
def test_the_reference_is_a_choice_of_coordinates(reference: str) -> None:
    first, other = ek.fit(ek.Softmax(), X, WORDS), ek.fit(ek.Softmax(reference), X, WORDS)
    assert other.loglik == pytest.approx(first.loglik, rel=SAME)
    np.testing.assert_allclose(other.predict(), first.predict(), rtol=CLOSED)
    free = [outcome for outcome in ("low", "mid", "top") if outcome != reference]
    assert list(dict.fromkeys(name.split(":")[0] for name in other.names)) == free
    base = coefficients(first)[reference]
    for outcome, found in coefficients(other).items():
        expected = coefficients(first)[outcome] - base
        np.testing.assert_allclose(found, expected, rtol=PARAMS, atol=CLOSED)


def test_the_covariance_follows_the_reference() -> None:
    """β_top|mid = β_top|low - β_mid|low, so its variance is known from the other fit."""
    first, other = ek.fit(ek.Softmax(), X, WORDS), ek.fit(ek.Softmax("mid"), X, WORDS)
    contrast = np.hstack([-np.eye(3), np.eye(3)])
    expected = contrast @ first.covariance() @ contrast.T
    np.testing.assert_allclose(other.covariance()[3:, 3:], expected, rtol=STD_ERRORS)


# --- closed forms ---


@pytest.mark.parametrize(
    "counts", [[3, 7, 5], [1, 10**6], [1, 10**6, 10], [10**6, 1, 2], [10**9, 10**9, 1]]
)
def test_the_intercepts_alone_are_log_odds(counts: list[int]) -> None:
    n = np.array(counts, dtype=float)
    fit = ek.fit(ek.Softmax(), None, [counts])
    np.testing.assert_allclose(fit.params, np.log(n[1:] / n[0]), rtol=PARAMS, atol=PARAMS)
    expected = np.diag(1 / n[1:]) + 1 / n[0]
    np.testing.assert_allclose(fit.covariance(), expected, rtol=1e-6)


def test_groups_have_their_own_shares() -> None:
    table = np.array([[12, 5, 9], [4, 17, 6], [8, 8, 21]])
    dummies = np.eye(3)[:, 1:]
    fit = ek.fit(ek.Softmax(), dummies, table)
    np.testing.assert_allclose(fit.predict(), table / table.sum(axis=1, keepdims=True), rtol=CLOSED)
    odds = np.log(table[:, 1:] / table[:, :1])
    expected = np.column_stack([odds[0], (odds[1:] - odds[0]).T]).ravel()
    np.testing.assert_allclose(fit.params, expected, rtol=CLOSED, atol=CLOSED)


def test_many_outcomes() -> None:
    rng = np.random.default_rng(1)
    counts = rng.integers(1, 9, size=(40, 25))
    x = rng.normal(size=40)
    fit = ek.fit(ek.Softmax(), x, counts)
    residual = counts - counts.sum(axis=1, keepdims=True) * fit.predict()
    assert np.abs(residual.sum(axis=0)).max() < 1e-8
    assert np.abs(x @ residual).max() < 1e-8


# --- offsets ---


def test_an_offset_common_to_all_outcomes_does_nothing() -> None:
    common = np.repeat(np.linspace(-5, 5, 90)[:, None], 3, axis=1)
    assert_same(ek.fit(ek.Softmax(), X, WORDS, offset=common), ek.fit(ek.Softmax(), X, WORDS))


@pytest.mark.parametrize("size", [30.0, 100.0, 800.0])
def test_a_constant_offset_only_moves_an_intercept(size: float) -> None:
    fit = ek.fit(ek.Softmax(), X, WORDS)
    offset = np.zeros((90, 3))
    offset[:, 1] = size
    moved = ek.fit(ek.Softmax(), X, WORDS, offset=offset)
    expected = fit.params - size * np.array([1.0, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(moved.params, expected, rtol=PARAMS, atol=PARAMS)


@pytest.mark.parametrize("shape", [(90,), (90, 2), (90, 4)])
def test_an_offset_needs_a_column_for_each_outcome(shape: tuple[int, ...]) -> None:
    with pytest.raises(ek.DataError, match=r"offset.*'low', 'mid', 'top'.*\(90, 3\)"):
        ek.fit(ek.Softmax(), X, WORDS, offset=np.zeros(shape))


# --- the far tails ---

PREDICTORS = [
    [0.0, 0.0],
    [1.0, -2.0],
    [30.0, -30.0],
    [30.0, 29.0],
    [-40.0, -50.0],
    [300.0, 2.0],
    [700.0, 700.0],
    [-745.0, 0.5],
]


def exact(eta: list[float], seen: int) -> tuple[Any, Any]:
    """Return the log-likelihood and the information of one row, in fifty digits."""
    with mp.workdps(50):
        weight = [mp.exp(mp.mpf(e)) for e in [0.0, *eta]]
        p = [w / mp.fsum(weight) for w in weight]
        loglik = float(mp.log(p[seen]))
        part = [[p[i] * ((i == j) - p[j]) for j in range(1, len(p))] for i in range(1, len(p))]
        return loglik, np.array([[float(entry) for entry in row] for row in part])


@pytest.mark.parametrize("seen", [0, 1, 2])
@pytest.mark.parametrize("eta", PREDICTORS)
def test_one_row_is_right_at_any_predictor(eta: list[float], seen: int) -> None:
    block = Block(np.ones((1, 1)), np.array([seen]), None, None)
    sums = ek.Softmax().evaluate(np.array(eta), block, curvature=True)
    loglik, information = exact(eta, seen)
    size = ROUNDING * max(1.0, *np.abs(eta))
    assert sums.loglik == pytest.approx(loglik, rel=ROUNDING, abs=size)
    np.testing.assert_allclose(sums.information, information, rtol=1e-12, atol=ROUNDING)
    with mp.workdps(50):
        p = [np.exp(exact(eta, k)[0]) for k in (1, 2)]
    expected = [(seen == k + 1) - p[k] for k in range(2)]
    np.testing.assert_allclose(sums.gradient, expected, rtol=1e-12, atol=ROUNDING)


def test_predicted_shares_add_up_and_keep_their_digits() -> None:
    fit = ek.fit(ek.Softmax(), X, WORDS)
    rows = np.array([[40.0, -3.0], [-500.0, 20.0], [0.1, 0.2]])
    far = fit.predict(rows)
    np.testing.assert_allclose(far.sum(axis=1), 1.0, rtol=1e-15)
    slopes = np.array(list(coefficients(fit).values()))
    for predictors, found in zip(designed(rows) @ slopes.T, far, strict=True):
        with mp.workdps(50):
            weight = [mp.exp(mp.mpf(float(eta))) for eta in predictors]
            expected = [float(w / mp.fsum(weight)) for w in weight]
        np.testing.assert_allclose(found, expected, rtol=CLOSED)


def designed(rows: Floats) -> Floats:
    return np.column_stack([np.ones(len(rows)), rows])


def test_a_mapping_of_counts_names_its_outcomes_as_a_frame_does() -> None:
    counts = {"low": [3, 4, 5, 1], "high": [1, 2, 4, 6]}
    fit = ek.fit(ek.Softmax(reference="low"), [1.0, 2.0, 3.0, 5.0], counts)
    assert fit.outcomes == ("low", "high") and fit.names == ("high:intercept", "high:x0")
