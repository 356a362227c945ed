"""Binomial regression: every coding of the response, closed forms, and the far tails."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.special import gammaln

import estkit as ek
from estkit.likelihood.family import Block

Floats = NDArray[np.float64]

# The same sums, perhaps added up in another order.
SAME = 1e-12
# Against a closed form, what Newton's method leaves: a hundredth of what references are held to.
CLOSED = 1e-10
STD_ERRORS = 1e-9
# What every answer is held to, also where the counts are large.
PARAMS = 1e-8
# One row, against fifty digits: rounding of its terms, and numbers too small for full digits.
ROUNDING = 1e-14
TINY = 1e-310

DOSE = np.array([1.69, 1.72, 1.76, 1.78, 1.81, 1.84, 1.86, 1.88])
KILLED = np.array([[6, 53], [13, 47], [18, 44], [28, 28], [52, 11], [53, 6], [61, 1], [60, 0]])
X = np.array([0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0])
HIT = np.array([0, 0, 1, 0, 0, 1, 1, 0, 1, 1])


def assert_same(found: Any, wanted: Any, tolerance: float = SAME) -> None:
    np.testing.assert_allclose(found.params, wanted.params, rtol=tolerance)
    np.testing.assert_allclose(found.std_errors, wanted.std_errors, rtol=tolerance)
    assert found.loglik == pytest.approx(wanted.loglik, rel=tolerance)
    assert (found.n_obs, found.aic, found.bic) == pytest.approx(
        (wanted.n_obs, wanted.aic, wanted.bic), rel=tolerance
    )


# --- the coding of the response ---

WORDS = np.where(HIT, "yes", "no")
CODINGS: dict[str, tuple[Any, Any]] = {
    "bool": (None, HIT.astype(bool)),
    "float": (None, HIT.astype(float)),
    "uint8": (None, HIT.astype(np.uint8)),
    "int8": (None, HIT.astype(np.int8)),
    "float16": (None, HIT.astype(np.float16)),
    "words": ("yes", WORDS),
    "word objects": ("yes", WORDS.astype(object)),
    "pandas strings": ("yes", pd.Series(WORDS, dtype="string")),
    "categories": ("yes", pd.Series(pd.Categorical(WORDS, ["yes", "no"]))),
    "bytes": (b"yes", WORDS.astype("S")),
    "1 and 2": (2, HIT + 1),
    "-1 and 1": (1, 2 * HIT - 1),
    "0 and 1, named": (1, HIT),
    "nullable integers": (None, pd.Series(HIT, dtype="Int64")),
    "nullable bools": (None, pd.Series(HIT.astype(bool), dtype="boolean")),
    "counts": (None, np.column_stack([HIT, 1 - HIT])),
    "counts in uint8": (None, np.column_stack([HIT, 1 - HIT]).astype(np.uint8)),
    "frame of counts": (None, pd.DataFrame({"won": HIT, "lost": 1 - HIT})),
    "lists of counts": (None, np.column_stack([HIT, 1 - HIT]).tolist()),
}


@pytest.mark.parametrize("coding", CODINGS)
def test_every_coding_gives_the_same_fit(coding: str) -> None:
    success, y = CODINGS[coding]
    assert_same(ek.fit(ek.Binomial(success=success), X, y), ek.fit(ek.Binomial(), X, HIT))


def test_the_other_success_has_the_opposite_signs() -> None:
    first = ek.fit(ek.Binomial(success="yes"), X, WORDS)
    second = ek.fit(ek.Binomial(success="no"), X, WORDS)
    np.testing.assert_allclose(second.params, -first.params, rtol=CLOSED)
    np.testing.assert_allclose(second.std_errors, first.std_errors, rtol=STD_ERRORS)
    np.testing.assert_allclose(second.predict(), 1 - first.predict(), rtol=CLOSED)
    assert second.loglik == pytest.approx(first.loglik, rel=SAME)
    assert (first.outcomes, second.outcomes) == (("no", "yes"), ("yes", "no"))


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64, float])
def test_counts_of_any_type(dtype: type) -> None:
    wanted = ek.fit(ek.Binomial(), DOSE, KILLED)
    assert_same(ek.fit(ek.Binomial(), DOSE, KILLED.astype(dtype)), wanted)


def test_groups_and_single_rows_differ_by_the_binomial_coefficients() -> None:
    grouped = ek.fit(ek.Binomial(), DOSE, KILLED)
    row = np.repeat(np.arange(8), KILLED.sum(axis=1))
    y = np.concatenate([[1] * won + [0] * lost for won, lost in KILLED])
    single = ek.fit(ek.Binomial(), DOSE[row], y)
    np.testing.assert_allclose(grouped.params, single.params, rtol=CLOSED)
    np.testing.assert_allclose(grouped.std_errors, single.std_errors, rtol=STD_ERRORS)
    coefficients = gammaln(KILLED.sum(axis=1) + 1).sum() - gammaln(KILLED + 1).sum()
    assert grouped.loglik - single.loglik == pytest.approx(coefficients, rel=CLOSED)


def test_rows_of_labels_with_weights_are_single_rows() -> None:
    weighted = ek.fit(ek.Binomial(), np.tile(DOSE, 2), [1] * 8 + [0] * 8, weights=KILLED.T.ravel())
    row = np.repeat(np.tile(np.arange(8), 2), KILLED.T.ravel())
    y = np.repeat([1, 0], KILLED.sum(axis=0))
    assert_same(weighted, ek.fit(ek.Binomial(), DOSE[row], y), CLOSED)


def test_rows_without_trials_are_not_there() -> None:
    longer = ek.fit(ek.Binomial(), [*DOSE, 1.5, 99.0], [*KILLED.tolist(), [0, 0], [0, 0]])
    assert_same(longer, ek.fit(ek.Binomial(), DOSE, KILLED), CLOSED)


REFUSED: dict[str, tuple[Any, Any, str]] = {
    "two words": (None, WORDS, r"'no', 'yes'.*success='yes'"),
    "1 and 2": (None, HIT + 1, r"1, 2.*success=2"),
    "-1 and 1": (None, 2 * HIT - 1, r"-1, 1.*success=1"),
    "three words": (None, ["a", "b", "c", *WORDS[3:]], "Softmax"),
    "three words, one named": ("yes", ["maybe", *WORDS[1:]], r"3 labels.*Softmax"),
    "a word that is not there": ("Yes", WORDS, r"'Yes'.*'no', 'yes'"),
    "fractions": (None, HIT * 0.5, r"row 2.*0\.5.*counts"),
    "numbers": (None, [*HIT[:-1], 7], r"row 9.*7.*0 or 1"),
    "three columns": (None, np.ones((10, 3)), r"\(10, 3\).*successes, failures"),
    "counts and a label": (1, np.ones((10, 2)), "success"),
    "negative counts": (None, [[5, -2], *[[1, 1]] * 9], r"row 0.*negative.*-2"),
    "fractional counts": (None, [*[[1, 1]] * 9, [1.5, 1]], r"row 9.*not whole.*1\.5"),
    "no trials": (None, np.zeros((10, 2)), "no trials"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_other_responses_are_refused(case: str) -> None:
    success, y, message = REFUSED[case]
    with pytest.raises(ek.DataError, match=message):
        ek.fit(ek.Binomial(success=success), X, y)


def test_counts_name_their_column() -> None:
    y = pd.DataFrame({"won": HIT, "lost": -HIT})
    with pytest.raises(ek.DataError, match=r"'lost'.*row 2.*negative"):
        ek.fit(ek.Binomial(), X, y)


def test_an_unknown_link_is_refused() -> None:
    with pytest.raises(ek.DataError, match=r"link.*'loglog'"):
        ek.Binomial(link="loglog")


def test_families_are_values() -> None:
    assert ek.Binomial(success="yes") == ek.Binomial(success="yes") != ek.Binomial()
    assert hash(ek.Binomial()) == hash(ek.Binomial())
    assert "yes" in repr(ek.Binomial(success="yes"))


# --- closed forms ---


@pytest.mark.parametrize(("won", "lost"), [(3, 7), (1, 999), (999_999, 1), (1, 999_999)])
def test_the_intercept_alone_is_the_log_odds(won: int, lost: int) -> None:
    fit = ek.fit(ek.Binomial(), None, [[won, lost]])
    assert fit.params[0] == pytest.approx(np.log(won / lost), rel=PARAMS)
    assert fit.std_errors[0] == pytest.approx(np.sqrt(1 / won + 1 / lost), rel=PARAMS)


def test_a_two_by_two_table_gives_the_log_odds_ratio() -> None:
    table = np.array([[31, 12], [9, 44]])
    fit = ek.fit(ek.Binomial(), [0, 1], table)
    odds = np.log(table[:, 0] / table[:, 1])
    np.testing.assert_allclose(fit.params, [odds[0], odds[1] - odds[0]], rtol=CLOSED)
    variance = (1 / table).sum(axis=1)
    expected = np.sqrt([variance[0], variance.sum()])
    np.testing.assert_allclose(fit.std_errors, expected, rtol=STD_ERRORS)
    assert fit.covariance()[0, 1] == pytest.approx(-variance[0], rel=STD_ERRORS)


@pytest.mark.parametrize("table", [[[10**9, 1], [1, 10**9]], [[1, 10**9], [10**6, 10**3]],
                                   [[10**7, 3], [10**12, 5]]])  # fmt: skip
def test_large_counts_keep_the_answer(table: list[list[int]]) -> None:
    """Two groups of rates near 0 or 1, as in the clicks on an advertisement."""
    fit = ek.fit(ek.Binomial(), [0, 1], table)
    odds = [np.log(won) - np.log(lost) for won, lost in table]
    np.testing.assert_allclose(fit.params, [odds[0], odds[1] - odds[0]], rtol=PARAMS)
    variance = [1 / won + 1 / lost for won, lost in table]
    expected = np.sqrt([variance[0], variance[0] + variance[1]])
    np.testing.assert_allclose(fit.std_errors, expected, rtol=1e-6)


@pytest.mark.parametrize("offset", [-30.0, 30.0, 100.0, -800.0, 1e6])
def test_a_constant_offset_only_moves_the_intercept(offset: float) -> None:
    fit = ek.fit(ek.Binomial(), X, HIT)
    moved = ek.fit(ek.Binomial(), X, HIT, offset=np.full(10, offset))
    rounding = 1e-15 * abs(offset)
    assert moved.params[0] + offset == pytest.approx(fit.params[0], abs=rounding + CLOSED)
    assert moved.params[1] == pytest.approx(fit.params[1], rel=PARAMS)
    assert moved.loglik == pytest.approx(fit.loglik, rel=CLOSED)


# --- the far tails ---


def exact(eta: float, won: int, lost: int) -> tuple[Any, Any, Any]:
    """Return log-likelihood, slope and curvature at a predictor, in fifty digits."""
    with mp.workdps(50):
        loglik = -won * mp.log1p(mp.exp(-mp.mpf(eta))) - lost * mp.log1p(mp.exp(mp.mpf(eta)))
        p, q = 1 / (1 + mp.exp(-mp.mpf(eta))), 1 / (1 + mp.exp(mp.mpf(eta)))
        return loglik, won * q - lost * p, (won + lost) * p * q


@pytest.mark.parametrize("counts", [(1, 0), (0, 1), (3, 2), (10**6, 1)])
@pytest.mark.parametrize("eta", [0.0, 1e-9, 1.0, -3.0, 20.0, -37.0, 50.0, -300.0, 700.0, -745.0])
def test_one_row_is_right_at_any_predictor(eta: float, counts: tuple[int, int]) -> None:
    won, lost = counts
    block = Block(np.ones((1, 1)), np.array([float(won)]), np.array([float(won + lost)]), None)
    family, point = ek.Binomial(), np.array([eta])
    sums = family.evaluate(point, block, curvature=True)
    loglik, slope, curvature = exact(eta, won, lost)
    size = ROUNDING * (won + lost)
    assert sums.loglik == pytest.approx(float(loglik), rel=ROUNDING, abs=size * abs(eta))
    assert sums.gradient[0] == pytest.approx(float(slope), rel=ROUNDING, abs=size)
    assert sums.information[0, 0] == pytest.approx(float(curvature), rel=ROUNDING, abs=TINY)
    assert family.scores(point, block)[0, 0] == sums.gradient[0]


@pytest.mark.parametrize("eta", [-745.0, -40.0, -1.0, 0.0, 2.0, 36.0, 800.0])
def test_predicted_probabilities_keep_their_digits(eta: float) -> None:
    fit = ek.fit(ek.Binomial(), X, HIT)
    reached = ek.fit(ek.Binomial(), None, HIT).predict(offset=[eta])
    intercept = ek.fit(ek.Binomial(), None, HIT).params[0]
    with mp.workdps(50):
        expected = 1 / (1 + mp.exp(-mp.mpf(eta) - mp.mpf(float(intercept))))
    assert reached[0] == pytest.approx(float(expected), rel=SAME, abs=TINY)
    assert 0 <= fit.predict([1e9])[0] <= 1


# --- drawing ---


def test_draws_have_the_labels_of_y() -> None:
    for success, y in (("yes", WORDS), (None, HIT.astype(bool)), (None, HIT), (2, HIT + 1)):
        drawn = ek.fit(ek.Binomial(success=success), X, y).simulate(rng=1, replicates=50)
        assert set(np.unique(drawn).tolist()) == set(np.unique(y).tolist())
        assert drawn.dtype.kind == np.asarray(y).dtype.kind


def test_a_weighted_row_is_drawn_as_counts() -> None:
    weights = np.arange(1, 11)
    fit = ek.fit(ek.Binomial(), X, HIT, weights=weights)
    drawn = fit.simulate(rng=1, replicates=3)
    assert drawn.shape == (3, 10, 2)
    np.testing.assert_array_equal(drawn.sum(axis=2), np.tile(weights, (3, 1)))
