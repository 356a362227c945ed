"""Is there a maximum? Separation is found, named rightly, and never claimed where it is not.

The independent verdict is Stiemke's alternative: with A the matrix of all comparisons of outcomes,
either some direction v has Av ≥ 0 and Av ≠ 0 (separation), or some weights a ≥ 1 have Aᵀa = 0.
estkit looks for v, the tests look for a, with all rows at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.special import log_softmax

import estkit as ek
from estkit.likelihood import existence, fitting

Floats = NDArray[np.float64]

# A margin is a sum of products; rounding leaves this much of the largest of them.
ROUNDING = 1e-9
# How far a certified answer may be from the maximum, in standard errors.
AT_MAXIMUM = 1e-6


# --- an independent verdict ---


def comparisons(design: Floats, seen: NDArray[Any]) -> Floats:
    """Return a row for each outcome that was seen against each other one; `seen` is (n, K)."""
    found = []
    for x, counts in zip(design, np.asarray(seen) > 0, strict=True):
        for first in np.flatnonzero(counts):
            for other in range(len(counts)):
                if other != first:
                    row = np.zeros((len(counts), len(x)))
                    row[first], row[other] = x, -x
                    found.append(row[1:].ravel())  # the coefficients of outcome 0 are 0
    return np.array(found)


def overlaps(A: Floats) -> bool:
    """Tell whether weights of 1 or more balance all comparisons, so that the maximum is finite."""
    A = A / np.maximum(np.abs(A).max(axis=0), 1e-300)
    answer = linprog(np.zeros(len(A)), A_eq=A.T, b_eq=np.zeros(A.shape[1]), bounds=(1, None))
    return bool(answer.status == 0)


def separable(A: Floats) -> int:
    """Return how many comparisons some separating direction orders strictly, one by one."""
    count = 0
    for row in A:
        answer = linprog(-row, A_ub=-A, b_ub=np.zeros(len(A)), bounds=(-1, 1))
        count += -answer.fun > 1e-7
    return count


def one_hot(y: Any) -> NDArray[Any]:
    return np.asarray(y)[:, None] == np.unique(y)


def find(family: Any, X: Any, y: Any, **options: Any) -> Any:
    given = {"intercept": True, "weights": None, "offset": None, **options}
    rows = fitting.gather(family, X, y, **given).rows
    return existence.find_separation(rows, family)


def random_data(seed: int, outcomes: int) -> tuple[Floats, NDArray[Any], bool]:
    """Return columns of one of four kinds, counts of the outcomes, and whether with intercept."""
    rng = np.random.default_rng(seed)
    n, p = int(rng.integers(4, 22)), int(rng.integers(1, 4))
    kinds = (
        rng.integers(-1, 2, size=(n, p)).astype(float),
        rng.normal(size=(n, p)),
        rng.integers(0, 2, size=(n, p)).astype(float),
        rng.normal(size=(n, p)).round(1) * 10.0 ** rng.integers(-6, 7, size=p),
    )
    X = kinds[seed % 4]
    score = X[:, :1] / max(np.abs(X[:, 0]).max(), 1e-300) * np.linspace(-1, 1, outcomes)
    noise = rng.gumbel(size=(n, outcomes)) * rng.choice([0.05, 0.3, 2.0])
    seen = one_hot_of(np.argmax(score + noise, axis=1), outcomes).astype(int)
    if seed % 5 == 0:  # counts: rows with more than one outcome, and some with none
        seen = seen + one_hot_of(rng.integers(0, outcomes, n), outcomes) * rng.integers(
            0, 2, (n, 1)
        )
        seen[rng.integers(0, n)] = 0
    return X, seen, bool(seed % 7)


def one_hot_of(codes: NDArray[Any], outcomes: int) -> NDArray[Any]:
    return codes[:, None] == np.arange(outcomes)


@pytest.mark.parametrize(("family", "outcomes"), [(ek.Binomial(), 2), (ek.Softmax(), 3)])
def test_the_verdict_is_that_of_a_full_linear_program(family: Any, outcomes: int) -> None:
    wrong, verdicts = [], set()
    for seed in range(150):
        X, seen, intercept = random_data(seed, outcomes)
        design = np.column_stack([np.ones(len(X)), X]) if intercept else X
        active = design[seen.any(axis=1)]
        scale = np.maximum(np.abs(active).max(axis=0), 1e-300)
        if np.linalg.matrix_rank(active / scale) < design.shape[1] or not seen.any(axis=0).all():
            continue
        y = seen[:, ::-1] if outcomes == 2 else seen  # a binomial response has the success first
        expected = overlaps(comparisons(design, seen))
        try:
            found = ek.fit(family, X, y, intercept=intercept).converged
        except ek.SeparationError:
            found = False
        verdicts.add(expected)
        if found != expected:
            wrong.append(seed)
    assert wrong == []
    assert verdicts == {True, False}


@pytest.mark.parametrize(("family", "outcomes"), [(ek.Binomial(), 2), (ek.Softmax(), 3)])
def test_the_named_direction_separates_what_it_says(family: Any, outcomes: int) -> None:
    checked = 0
    for seed in range(60):
        X, seen, intercept = random_data(seed, outcomes)
        design = np.column_stack([np.ones(len(X)), X]) if intercept else X
        if not seen.any(axis=0).all():
            continue
        y = seen[:, ::-1] if outcomes == 2 else seen
        separation = find(family, X, y, intercept=intercept)
        A = comparisons(design, seen)
        if separation is None or overlaps(A):
            continue
        margins = A @ separation.direction
        size = (np.abs(A) @ np.abs(separation.direction)).max()
        assert (margins >= -ROUNDING * size).all(), seed
        assert (margins > ROUNDING * size).any(), seed
        assert separation.complete == (separation.separated == separation.pairs)
        assert str(separation.separated) in separation.message
        if (seen > 0).sum(axis=1).max() == 1:  # else there is more than one way to count
            assert (margins > ROUNDING * size).sum() == separation.separated, seed
            assert separation.separated == separable(A / np.abs(A).max(axis=0)), seed
        checked += 1
    assert checked > 10


# --- what the message says ---

Z = np.linspace(-2, 2, 40)
RNG = np.random.default_rng(0)
NOISE = RNG.normal(size=(40, 2))
COIN = RNG.random(40) < 0.5


def refusal(family: Any, X: Any, y: Any, **options: Any) -> str:
    with pytest.raises(ek.SeparationError) as caught:
        ek.fit(family, X, y, **options)
    assert not caught.value.result.converged
    assert np.isnan(caught.value.result.params).all()
    assert caught.value.result.reason == str(caught.value)
    returned = ek.fit(family, X, y, errors="return", **options)
    assert returned.reason == str(caught.value)
    return str(caught.value)


def test_complete_separation_names_its_column() -> None:
    message = refusal(ek.Binomial(), {"noise": NOISE[:, 0], "dose": Z}, Z > 0.01)
    assert message.startswith("Complete separation")
    assert "dose +1" in message
    assert "40 of 40" in message
    assert "penalty" in message


@pytest.mark.parametrize("sign", [1, -1])
def test_quasi_complete_separation_names_the_dummy_and_nothing_else(sign: int) -> None:
    dummy = (np.arange(40) % 9 == 0).astype(float)
    y = (COIN | (dummy > 0)) if sign > 0 else (COIN & (dummy == 0))
    message = refusal(ek.Binomial(), {"a": NOISE[:, 0], "treated": dummy, "b": NOISE[:, 1]}, y)
    assert message.startswith("Quasi-complete separation")
    assert f"(treated {sign:+d})" in message
    assert "drop or merge 'treated'," in message


def test_softmax_names_the_outcome_and_the_column() -> None:
    dummy = (np.arange(40) % 9 == 0).astype(float)
    y = np.where(dummy > 0, "top", np.array(["low", "mid", "top"])[RNG.integers(0, 3, 40)])
    message = refusal(ek.Softmax(), {"noise": Z, "treated": dummy}, y)
    assert message.startswith("Quasi-complete separation")
    assert "top:treated +1" in message
    moving, _ = message.split("The log-likelihood approaches")
    assert "noise" not in moving


@pytest.mark.parametrize("y", [np.ones(40), np.zeros(40), np.ones(40, bool), [[3, 0]] * 40])
def test_a_single_outcome_is_named(y: Any) -> None:
    message = refusal(ek.Binomial(), Z, y)
    assert "only one outcome was seen" in message


@pytest.mark.parametrize("factor", [1e-30, 1e-8, 1e8, 1e30])
@pytest.mark.parametrize("shift", [0.0, 1e8])
def test_origin_and_unit_do_not_hide_separation(factor: float, shift: float) -> None:
    message = refusal(ek.Binomial(), {"dose": (Z + shift) * factor}, Z > 0.01)
    assert message.startswith("Complete separation")
    assert "dose +1" in message


def test_incomes_of_millions_are_named() -> None:
    """The direction is (intercept -2e7, income +1): small beside the intercept, and all of it."""
    message = refusal(ek.Binomial(), {"income": 2e7 + 1e6 * Z}, Z > 0.01)
    assert "income +1" in message
    assert "drop or merge 'income'" in message


# --- rows that count, and rows that do not ---


def test_rows_of_weight_zero_do_not_overlap() -> None:
    y = Z > 0.01
    y[0], y[-1] = True, False  # the only two that overlap with the others
    assert ek.fit(ek.Binomial(), Z, y).converged
    weights = np.ones(40)
    weights[[0, -1]] = 0
    for family in (ek.Binomial(), ek.Softmax()):
        assert refusal(family, Z, y, weights=weights).startswith("Complete separation")


def test_rows_of_weight_zero_do_not_separate() -> None:
    dummy = np.zeros(40)
    dummy[:5] = 1.0
    y = COIN.copy()
    y[:5] = [True, False, True, True, True]
    assert ek.fit(ek.Binomial(), np.column_stack([Z, dummy]), y).converged
    weights = np.ones(40, dtype=int)
    weights[1] = 0
    assert "x1 +1" in refusal(ek.Binomial(), np.column_stack([Z, dummy]), y, weights=weights)


def test_counts_of_zero_do_not_overlap() -> None:
    counts = np.column_stack([Z > 0.01, Z < 0.01]).astype(int) * 3
    assert refusal(ek.Binomial(), Z, counts).startswith("Complete separation")
    counts[0] = 1, 2
    assert "separation" in refusal(ek.Binomial(), Z, counts * (Z > -2)[:, None])
    counts[-1] = 2, 1
    assert ek.fit(ek.Binomial(), Z, counts).converged


@pytest.mark.parametrize("size", [1.0, 20.0, -20.0])
def test_an_offset_changes_nothing_about_existence(size: float) -> None:
    offset = size * Z
    assert refusal(ek.Binomial(), Z, Z > 0.01, offset=offset).startswith("Complete")
    assert ek.fit(ek.Binomial(), NOISE, COIN, offset=offset).converged


@pytest.mark.parametrize("family", [ek.Binomial(), ek.Softmax()])
def test_large_data_are_judged_too(family: Any) -> None:
    rng, rows = np.random.default_rng(1), 40_000
    X = rng.normal(size=(rows, 2))
    assert refusal(family, X, X @ [1.0, 2.0] > 0.1).startswith("Complete separation")
    dummy = rng.random(rows) < 0.001
    y = (rng.random(rows) < 0.5) | dummy
    message = refusal(family, {"a": X[:, 0], "rare": dummy}, y)
    assert message.startswith("Quasi-complete separation")
    assert f"{dummy.sum()} of {rows}" in message


@pytest.mark.parametrize("columns", [26, 29, 30, 31, 34])
def test_half_as_many_columns_as_rows(columns: int) -> None:
    """Where coin flips turn from overlapping to separated (Cover 1965)."""
    for seed in range(4):
        rng = np.random.default_rng([columns, seed])
        X, y = rng.normal(size=(60, columns)), rng.random(60) < 0.5
        expected = overlaps(comparisons(np.column_stack([np.ones(60), X]), one_hot(y)))
        assert ek.fit(ek.Binomial(), X, y, errors="return").converged == expected


# --- hard cases with a finite maximum ---


def assert_at_maximum(fit: Any, design: Floats, y: Any) -> None:
    """Check the score at the answer with scipy alone, in standard errors."""
    eta = np.column_stack([np.zeros(len(design)), design @ fit.params])
    p = np.exp(log_softmax(eta, axis=1))
    score = design.T @ np.where(y, p[:, 0], -p[:, 1])
    assert fit.converged
    assert (np.abs(score) * fit.std_errors < AT_MAXIMUM).all()


@pytest.mark.parametrize("overlap", [1e-1, 1e-2, 1e-4, 1e-6, 1e-8])
def test_almost_separated_outcomes_have_their_finite_answer(overlap: float) -> None:
    x = np.concatenate([np.linspace(-1, 0, 20), np.linspace(0, 1, 20)])
    x[[19, 20]] = overlap, -overlap
    y = np.arange(40) >= 20
    assert_at_maximum(ek.fit(ek.Binomial(), x, y), np.column_stack([np.ones(40), x]), y)


@pytest.mark.parametrize("far", [1e3, 1e6, 1e9, 1e12])
def test_a_value_far_away_does_not_feign_separation(far: float) -> None:
    """A code such as 999999999 for a missing value; the other four rows overlap."""
    x, y = np.array([0.0, 1.0, 2.0, 3.0, far]), np.array([False, True, False, True, True])
    try:
        fit = ek.fit(ek.Binomial(), x, y)
    except ek.ConvergenceError:
        assert far > 1e12  # too far to be reached, and said so
        return
    near = ek.fit(ek.Binomial(), x[:4], y[:4])  # the limit: the far row is certain
    np.testing.assert_allclose(fit.predict(x[:4]), near.predict(), atol=1e-3)


@pytest.mark.parametrize("far", [1e13, 1e14, 1e16, 1e18, 1e30])
def test_a_value_beyond_all_digits_is_answered_rightly_or_not_at_all(far: float) -> None:
    """The search may end early, where only the far row is fitted; it must not call that the end."""
    x, y = np.array([0.0, 1.0, 2.0, 3.0, far]), np.array([False, True, False, True, True])
    fit = ek.fit(ek.Binomial(), x, y, errors="return")
    assert "separation" not in fit.reason
    if fit.converged:
        near = ek.fit(ek.Binomial(), x[:4], y[:4])
        np.testing.assert_allclose(fit.predict(x[:4]), near.predict(), atol=1e-3)


@pytest.mark.parametrize("far", [1e3, 1e6, 1e9, 1e12])
def test_a_value_far_away_does_not_hide_separation(far: float) -> None:
    x, y = np.array([0.0, 1.0, 2.0, 3.0, far]), np.array([False, False, True, True, True])
    message = refusal(ek.Binomial(), x, y)
    assert message.startswith("Complete separation")
    assert "5 of 5" in message


def test_one_success_among_many_rows() -> None:
    rows = 200_000
    x = np.random.default_rng(3).normal(size=rows)
    y = np.zeros(rows, dtype=bool)
    y[np.argsort(x)[rows // 2]] = True
    fit = ek.fit(ek.Binomial(), x, y)
    assert_at_maximum(fit, np.column_stack([np.ones(rows), x]), y)


def test_one_row_that_overlaps_is_enough() -> None:
    y = Z > 0.01
    y[3] = True
    assert_at_maximum(ek.fit(ek.Binomial(), Z, y), np.column_stack([np.ones(40), Z]), y)


def test_columns_of_any_scale_are_named_by_what_they_move() -> None:
    """A coefficient of 1e-8 for a column of size 1e8 is no small one."""
    x = np.arange(12.0)
    noise = np.tile([1.0, 4.0, 2.0, 3.0], 3)
    for scale in (1e8, 1e-8):
        columns = {"dose": x * scale, "noise": noise}
        with pytest.raises(ek.SeparationError, match=r"dose \+1[,)].*merge 'dose'"):
            ek.fit(ek.Binomial(), columns, x > 5)
