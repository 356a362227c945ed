"""A batch of fits gives what a loop of `fit` gives, and no replicate disturbs another."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import estkit as ek
from estkit.likelihood.batches import batch
from estkit.likelihood.batches.design import Own

Floats = NDArray[np.float64]

# What the design promises: batched and looped the same numbers, a coefficient near 0 to that part
# of its standard error.
SAME = 1e-12
# A loop takes its standard errors at a point up to 1e-11 of one from the maximum, a batch another.
SAME_ERRORS = 1e-11

REPLICATES, ROWS = 40, 80
RNG = np.random.default_rng(0)
X = RNG.normal(size=(REPLICATES, ROWS, 3))
HIT = RNG.random((REPLICATES, ROWS)) < 1 / (1 + np.exp(-X[:, :, 0] - 0.3))
COUNTS = np.stack([RNG.binomial(6, 0.4, HIT.shape), RNG.binomial(6, 0.5, HIT.shape)], axis=2)
WORDS = np.where(HIT, "yes", "no")
OFFSET = RNG.normal(size=ROWS)


def looped(family: Any, X: Any, y: Any, **options: Any) -> list[Any]:
    own = [X] * len(y) if np.ndim(X) == 2 else X
    return [
        ek.fit(family, np.asarray(own[r]), y[r], errors="return", **options) for r in range(len(y))
    ]


def assert_same_as_loop(family: Any, X: Any, y: Any, **options: Any) -> Any:
    fits = ek.fit_many(family, X, y, **options)
    for r, single in enumerate(looped(family, X, y, **options)):
        assert (fits.status[r] == "ok") == single.converged
        if not single.converged:
            assert fits.reason[r] == single.reason
            assert np.isnan([*fits.params[r], *fits.std_errors[r], fits.loglik[r]]).all()
            continue
        assert fits.reason[r] == ""
        assert fits.names == single.names
        scale = np.abs(single.params) + single.std_errors
        np.testing.assert_array_less(np.abs(fits.params[r] - single.params), SAME * scale)
        np.testing.assert_allclose(fits.std_errors[r], single.std_errors, rtol=SAME_ERRORS)
        assert fits.loglik[r] == pytest.approx(single.loglik, rel=SAME)
    return fits


FORMS: dict[str, tuple[Any, Any, Any, dict[str, Any]]] = {
    "own columns": (None, X, HIT, {}),
    "shared columns": (None, X[0], HIT, {}),
    "0/1": (None, X, HIT.astype(int), {}),
    "uint8": (None, X, HIT.astype(np.uint8), {}),
    "float32 columns": (None, X.astype(np.float32), HIT, {}),
    "whole columns": (None, (4 * X).astype(np.int8), HIT, {}),
    "bool columns": (None, X > 0, HIT, {}),
    "lists": (None, X[:3].tolist(), HIT[:3].tolist(), {}),
    "words": ("yes", X, WORDS, {}),
    "words, the other": ("no", X[0], WORDS, {}),
    "word objects": ("yes", X, WORDS.astype(object), {}),
    "1 and 2": (2, X, HIT + 1, {}),
    "counts": (None, X, COUNTS, {}),
    "shared columns, counts": (None, X[0], COUNTS, {}),
    "counts with empty rows": (None, X, COUNTS * (RNG.random((REPLICATES, ROWS, 1)) < 0.9), {}),
    "offset": (None, X, HIT, {"offset": OFFSET}),
    "shared columns, offset": (None, X[0], HIT, {"offset": OFFSET}),
    "large offset": (None, X, HIT, {"offset": 10 * OFFSET}),
    "counts, offset": (None, X, COUNTS, {"offset": OFFSET}),
    "no intercept": (None, X, HIT, {"intercept": False}),
    "shared columns, no intercept": (None, X[0], HIT, {"intercept": False}),
    "intercept alone": (None, np.empty((ROWS, 0)), HIT, {}),
    "other units": (None, X * [1e8, 1e-8, 1.0], HIT, {}),
    "other origins": (None, X + np.array([1e8, 0.0, -1e6]), HIT, {}),
    "extreme units": (None, X * [1e100, 1e-100, 1.0], HIT, {}),
    "few rows, some of them separated": (None, X[:, :12], HIT[:, :12], {}),
    "shared columns, few rows": (None, X[0, :14], HIT[:, :14], {}),
    "strided": (None, np.repeat(X, 2, axis=1)[:, ::2], np.repeat(HIT, 2, axis=1)[:, ::2], {}),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_batch_is_a_loop(form: str) -> None:
    success, columns, y, options = FORMS[form]
    fits = assert_same_as_loop(ek.Binomial(success=success), columns, y, **options)
    assert (fits.status == "ok").any()


def test_strong_effects_and_rare_outcomes_are_a_loop() -> None:
    rng = np.random.default_rng(1)
    strong = rng.random(HIT.shape) < 1 / (1 + np.exp(-6 * X[:, :, 0]))
    rare = rng.random(HIT.shape) < 0.03
    for y in (strong, rare):
        fits = assert_same_as_loop(ek.Binomial(), X, y)
        assert {"ok", "failed"} == set(fits.status.tolist())


@pytest.mark.parametrize("family", [ek.Softmax(), ek.Softmax(reference=1), ek.Gaussian()])
def test_other_families_are_looped(family: Any) -> None:
    y = np.random.default_rng(2).integers(0, 3, size=(5, ROWS))
    for columns in (X[:5], X[0]):
        fits = assert_same_as_loop(family, columns, y)
        assert (fits.status == "ok").all()


def test_an_offset_for_each_outcome_is_looped() -> None:
    rng = np.random.default_rng(3)
    y, offset = rng.integers(0, 3, size=(4, ROWS)), rng.normal(size=(ROWS, 3))
    assert_same_as_loop(ek.Softmax(), X[0], y, offset=offset)


# --- one bad replicate ---

BAD = 7


def spoilt(kind: str) -> tuple[Floats, Any]:
    columns, y = X.copy(), HIT.astype(float)
    changes: dict[str, Any] = {
        "nan in X": (columns, (BAD, 3, 1), np.nan),
        "infinity in X": (columns, (BAD, 3, 1), np.inf),
        "nan in y": (y, (BAD, 3), np.nan),
        "a third label": (y, (BAD, 3), 2.0),
        "a fraction": (y, (BAD, 3), 0.5),
        "a duplicate column": (columns, (BAD, slice(None), 1), columns[BAD, :, 0]),
        "a constant column": (columns, (BAD, slice(None), 1), 3.0),
        "a column of zeros": (columns, (BAD, slice(None), 1), 0.0),
        "separation": (y, BAD, columns[BAD, :, 0] > 0),
        "a single outcome": (y, BAD, 1.0),
    }
    array, place, value = changes[kind]
    array[place] = value
    return columns, y


WHY = {
    "nan in X": "'x1', row 3",
    "infinity in X": "'x1', row 3",
    "nan in y": "row 3",
    "a third label": "row 3",
    "a fraction": "row 3",
    "a duplicate column": "linearly dependent: 'x1'",
    "a constant column": "'x1' does not vary",
    "a column of zeros": "'x1' does not vary",
    "separation": "separation",
    "a single outcome": "only one outcome",
}


@pytest.mark.parametrize("kind", WHY)
def test_a_bad_replicate_leaves_the_others_as_they_are(kind: str) -> None:
    clean = ek.fit_many(ek.Binomial(), X, HIT.astype(float))
    fits = ek.fit_many(ek.Binomial(), *spoilt(kind))
    assert_only_one_failed(fits, clean, WHY[kind])


def assert_only_one_failed(fits: Any, clean: Any, why: str) -> None:
    assert fits.status[BAD] == "failed"
    assert why in fits.reason[BAD]
    assert np.isnan([*fits.params[BAD], *fits.std_errors[BAD], fits.loglik[BAD]]).all()
    others = np.arange(len(fits.status)) != BAD
    assert (fits.status[others] == "ok").all()
    for array in ("params", "std_errors", "loglik"):
        same = getattr(fits, array)[others].tobytes() == getattr(clean, array)[others].tobytes()
        assert same, array


def test_a_bad_word_leaves_the_others_as_they_are() -> None:
    family = ek.Binomial(success="yes")
    words = WORDS.astype(object)
    clean = ek.fit_many(family, X, words)
    words[BAD, 3] = "maybe"
    assert_only_one_failed(ek.fit_many(family, X, words), clean, "'maybe'")


@pytest.mark.parametrize("count", [-1.0, 0.5, np.nan])
def test_a_bad_count_leaves_the_others_as_they_are(count: float) -> None:
    counts = COUNTS.astype(float)
    clean = ek.fit_many(ek.Binomial(), X, counts)
    counts[BAD, 3, 0] = count
    assert_only_one_failed(ek.fit_many(ek.Binomial(), X, counts), clean, "row 3")


def test_shared_columns_that_depend_fail_everywhere() -> None:
    columns = X[0].copy()
    columns[:, 2] = columns[:, 0] - columns[:, 1]
    fits = ek.fit_many(ek.Binomial(), columns, HIT)
    assert (fits.status == "failed").all()
    assert all("linearly dependent" in why for why in fits.reason)


# --- the kernel ---


def test_a_few_passes_over_the_rows_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting where the linear discriminant says, and stopping where the next step is sure."""
    seen: list[int] = []

    def information(self: Own, weight: Floats) -> Floats:
        seen.append(len(weight))
        return measured(self, weight)

    measured = Own.information
    monkeypatch.setattr(Own, "information", information)
    monkeypatch.setattr(batch, "fit", None)  # nothing is left for the loop
    fits = ek.fit_many(ek.Binomial(), X, HIT)
    assert fits.converged.all()
    assert seen[0] == REPLICATES
    assert sum(seen) <= 5 * REPLICATES


@pytest.mark.parametrize("scale", [0.1, 3.0])
def test_standard_errors_are_those_at_the_maximum(scale: float) -> None:
    columns = np.concatenate([np.ones((REPLICATES, ROWS, 1)), X**3 * scale], axis=2)
    fits = ek.fit_many(ek.Binomial(), columns[:, :, 1:], HIT)
    wide = columns.astype(np.longdouble)
    eta = (wide @ fits.params[:, :, None])[:, :, 0]
    p = 1 / (1 + np.exp(-eta))
    score = (wide * (HIT - p)[:, :, None]).sum(axis=1)
    inverse = np.linalg.inv(
        columns.transpose(0, 2, 1) @ (columns * np.float64(p * (1 - p))[:, :, None])
    )
    errors = np.sqrt(np.diagonal(inverse, axis1=1, axis2=2))
    assert fits.converged.all()
    assert np.abs(score * errors).max() < SAME
    np.testing.assert_allclose(fits.std_errors, errors, rtol=SAME)


# --- blocks ---


def test_a_replicate_does_not_depend_on_its_company() -> None:
    whole = ek.fit_many(ek.Binomial(), X, HIT)
    for part in (slice(5, 6), slice(3, 30), slice(None, None, -1)):
        some = ek.fit_many(ek.Binomial(), X[part], HIT[part])
        np.testing.assert_array_equal(some.params, whole.params[part])
        np.testing.assert_array_equal(some.std_errors, whole.std_errors[part])
        np.testing.assert_array_equal(some.loglik, whole.loglik[part])


def test_columns_far_from_0_leave_the_others_as_they_are() -> None:
    moved = X.copy()
    moved[::3] = moved[::3] * 100.0 + 1000.0
    near, fits = np.arange(REPLICATES) % 3 > 0, assert_same_as_loop(ek.Binomial(), moved, HIT)
    clean = ek.fit_many(ek.Binomial(), X, HIT)
    np.testing.assert_array_equal(fits.params[near], clean.params[near])
    np.testing.assert_array_equal(fits.std_errors[near], clean.std_errors[near])


def test_what_converged_is_what_is_ok() -> None:
    hit = HIT.copy()
    hit[3] = True
    fits = ek.fit_many(ek.Binomial(), X, hit)
    assert np.flatnonzero(~fits.converged).tolist() == [3]


def test_many_replicates() -> None:
    times = 250
    fits = ek.fit_many(ek.Binomial(), np.tile(X, (times, 1, 1)), np.tile(HIT, (times, 1)))
    once = ek.fit_many(ek.Binomial(), X, HIT)
    assert fits.params.shape == (times * REPLICATES, 4)
    np.testing.assert_array_equal(fits.params, np.tile(once.params, (times, 1)))
    shared = ek.fit_many(ek.Binomial(), X[0], np.tile(HIT, (times, 1)))
    once = ek.fit_many(ek.Binomial(), X[0], HIT)
    np.testing.assert_allclose(shared.params, np.tile(once.params, (times, 1)), rtol=1e-11)
    assert (shared.status == "ok").all()


def test_the_input_is_not_modified() -> None:
    columns, y, offset = X.copy(), COUNTS.copy(), OFFSET.copy()
    ek.fit_many(ek.Binomial(), columns, y, offset=offset)
    np.testing.assert_array_equal(columns, X)
    np.testing.assert_array_equal(y, COUNTS)
    np.testing.assert_array_equal(offset, OFFSET)


def test_no_replicates_are_an_empty_answer() -> None:
    fits = ek.fit_many(ek.Binomial(), X[:0], HIT[:0])
    assert fits.params.shape == (0, 4)
    assert len(fits.to_frame()) == 0


# --- shown, and refused ---


def test_the_frame_is_tidy() -> None:
    fits = ek.fit_many(ek.Binomial(), *spoilt("separation"))
    frame = fits.to_frame()
    assert list(frame) == ["replicate", "term", "estimate", "std_error", "status", "reason"]
    np.testing.assert_array_equal(frame["estimate"], fits.params.ravel())
    assert frame.query("status == 'failed'")["replicate"].unique().tolist() == [BAD]
    assert repr(fits) == f"BatchFit({REPLICATES} replicates, 4 parameters, {REPLICATES - 1} ok)"


def test_a_long_table_is_cut() -> None:
    fits = ek.fit_many(ek.Binomial(), np.tile(X, (50, 1, 1)), np.tile(HIT, (50, 1)))
    assert str(fits).count("\n") < 200


REFUSED: dict[str, tuple[Any, Any, dict[str, Any], str]] = {
    "one response": (X[0], HIT[0], {}, r"replicates first.*\(80,\)"),
    "fewer rows": (X, HIT[:, :-1], {}, r"\(40, 80, 3\).*\(40, 79\)"),
    "fewer replicates": (X, HIT[:-1], {}, r"\(40, 80, 3\).*\(39, 80\)"),
    "words in X": (X.astype(str), HIT, {}, "real numbers"),
    "no rows": (X[:, :0], HIT[:, :0], {}, "no rows"),
    "no columns": (X[:, :, :0], HIT, {"intercept": False}, "nothing to estimate"),
    "a short offset": (X, HIT, {"offset": [0.0]}, "offset"),
    "a bad offset": (X, HIT, {"offset": np.full(ROWS, np.nan)}, "offset.*row 0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_fits_no_replicate_is_refused(case: str) -> None:
    columns, y, options, message = REFUSED[case]
    with pytest.raises(ek.DataError, match=message):
        ek.fit_many(ek.Binomial(), columns, y, **options)


def test_a_family_must_be_made_first() -> None:
    with pytest.raises(ek.DataError, match=r"Binomial\(\)"):
        ek.fit_many(ek.Binomial, X, HIT)


def test_a_study_takes_the_batch() -> None:
    """The estimator `partial(fit, family)` is the same study batched and looped."""

    def generate(rng: np.random.Generator) -> tuple[Floats, Any]:
        columns = rng.normal(size=(50, 2))
        return columns, rng.random(50) < 0.4

    fit = partial(ek.fit, ek.Binomial())
    study = ek.Study(
        generate,
        {"batched": fit, "looped": lambda X, y: fit(X, y)},
        truth={"intercept": np.log(0.4 / 0.6), "x0": 0.0, "x1": 0.0},
    )
    outcomes = study.run(60, rng=1).outcomes()
    batched, single = (
        outcomes[outcomes["estimator"] == name]["estimate"] for name in ("batched", "looped")
    )
    np.testing.assert_allclose(batched, single, rtol=1e-9, atol=SAME)
