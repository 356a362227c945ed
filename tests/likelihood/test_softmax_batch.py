"""A batch of softmax fits gives what a loop of `fit` gives, and no replicate disturbs another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import estkit as ek
from estkit.likelihood.batches import batch
from estkit.likelihood.batches.design import Own

# Batched and looped the same numbers, a coefficient near 0 to that part of its standard error.
SAME = 1e-11
REPLICATES, ROWS = 25, 120
RNG = np.random.default_rng(0)
X = RNG.normal(size=(REPLICATES, ROWS, 3)) * [1.0, 10.0, 0.1] + [0.0, 5.0, 100.0]
CODES = RNG.integers(0, 3, (REPLICATES, ROWS))
FORMS: dict[str, tuple[Any, Any, Any, dict[str, Any]]] = {
    "codes": (ek.Softmax(), X, CODES, {}),
    "words against a chosen one": (ek.Softmax("mid"), X, np.array(["lo", "mid", "hi"])[CODES], {}),
    "shared columns": (ek.Softmax(), X[0], CODES, {}),
    "counts": (ek.Softmax(reference=2), X, RNG.multinomial(4, [0.2, 0.3, 0.5], CODES.shape), {}),
    "no intercept": (ek.Softmax(), X[:, :, :1], CODES, {"intercept": False}),
    "an offset": (ek.Softmax(), X, CODES, {"offset": RNG.normal(size=(ROWS, 3))}),
    "five outcomes": (ek.Softmax(), X[:, :, :2], RNG.integers(0, 5, CODES.shape), {}),
    "two outcomes": (ek.Softmax(), X, CODES % 2, {}),
    "the symmetric form": (ek.Softmax(symmetric=True), X[:3], CODES[:3], {}),
}


def assert_same_as_loop(family: Any, X: Any, y: Any, **options: Any) -> Any:
    fits = ek.fit_many(family, X, y, **options)
    for r, own in enumerate(y):
        single = ek.fit(family, X if X.ndim == 2 else X[r], own, errors="return", **options)
        assert (fits.status[r], fits.names) == (single.status, single.names)
        if not single.converged:
            assert fits.reason[r] == single.reason
            continue
        off = np.abs(fits.params[r] - single.params)
        assert (off <= SAME * (np.abs(single.params) + single.std_errors)).all()
        np.testing.assert_allclose(fits.std_errors[r], single.std_errors, rtol=SAME)
        assert fits.loglik[r] == pytest.approx(single.loglik, rel=SAME)
    return fits


@pytest.mark.parametrize("form", FORMS)
def test_a_batch_is_a_loop(form: str) -> None:
    family, X, y, options = FORMS[form]
    fits = assert_same_as_loop(family, X, y, **options)
    assert (fits.status == "ok").all()


def test_bad_replicates_leave_the_others_as_they_are() -> None:
    columns, codes = X.copy(), CODES.copy()
    columns[2, :, 1] = columns[2, :, 0]
    columns[4, 7, 0] = np.nan
    codes[6] = np.where(columns[6, :, 0] > 0, 0, codes[6] % 2 + 1)
    with pytest.raises(ek.DataError, match="missing"):
        ek.fit(ek.Softmax(), columns[4], codes[4])
    fits = ek.fit_many(ek.Softmax(), columns, codes)
    good = [r for r in range(REPLICATES) if r not in (2, 4, 6)]
    assert fits.status[[2, 4, 6]].tolist() == ["failed"] * 3
    assert "linearly dependent" in fits.reason[2]
    assert "separation" in fits.reason[6]
    alone = ek.fit_many(ek.Softmax(), columns[good], codes[good])
    np.testing.assert_allclose(fits.params[good], alone.params, rtol=1e-12)


def test_a_replicate_that_lacks_an_outcome_has_other_parameters_and_fails() -> None:
    codes = CODES.copy()
    codes[3] = codes[3] % 2
    fits = ek.fit_many(ek.Softmax(), X, codes)
    assert fits.status[3] == "failed"
    assert "not those of the others" in fits.reason[3]
    assert np.isnan(fits.params[3]).all()


def test_the_bootstrap_of_a_softmax_fit_is_batched_and_right() -> None:
    fit = ek.fit(ek.Softmax(), X[0], CODES[0])
    table = fit.bootstrap(400, rng=1).summary(["empirical_se", "model_se"])
    ratio = table[table["measure"] == "empirical_se"]["value"].to_numpy() / fit.std_errors
    # 400 replicates know a standard deviation to 3.5 %; small samples have larger ones
    assert (np.abs(ratio - 1.05) < 0.16).all()


def test_a_few_passes_over_the_rows_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting where the linear discriminants say, two passes in single precision."""
    rng = np.random.default_rng(1)
    slopes = rng.normal(0.0, 0.7, (REPLICATES, 3, 3)) / [[1.0], [10.0], [0.1]]
    codes = np.argmax(
        (X - [0.0, 5.0, 100.0]) @ slopes + rng.gumbel(size=(REPLICATES, ROWS, 3)), axis=2
    )
    seen: list[int] = []

    def predictors(self: Own, params: Any) -> Any:
        seen.append(len(params) if params.dtype == np.float64 else 0)
        return passed(self, params)

    passed = Own.many_predictors
    monkeypatch.setattr(Own, "many_predictors", predictors)
    monkeypatch.setattr(batch, "fit", None)  # nothing is left for the loop
    fits = ek.fit_many(ek.Softmax(), X, codes)
    assert fits.converged.all()
    assert sum(seen) <= 4 * REPLICATES
