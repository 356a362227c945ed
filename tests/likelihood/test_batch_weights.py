"""Frequency weights in a batch: what a loop of `fit` gives, and what rows that repeat give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import estkit as ek
from estkit.likelihood.batches import batch

SAME = 1e-12  # of a parameter and its standard error: other steps to the same maximum
SAME_ERRORS = 1e-11
REPLICATES, ROWS = 30, 80
RNG = np.random.default_rng(3)
X = RNG.normal(size=(REPLICATES, ROWS, 2)) * [1.0, 50.0] + [0.0, 300.0]
P = 1 / (1 + np.exp(-X[:, :, 0] - 0.3))
HIT = RNG.random((REPLICATES, ROWS)) < P
COUNTS = np.stack([RNG.binomial(6, P), RNG.binomial(6, 0.5, HIT.shape)], axis=2)
OFTEN = RNG.poisson(1.0, HIT.shape)  # about those of a bootstrap: a third are 0
OFFSET = RNG.normal(size=ROWS)

FORMS: dict[str, tuple[Any, Any, Any, Any, dict[str, Any]]] = {
    "0/1": (ek.Binomial(), X, HIT, OFTEN, {}),
    "shared columns": (ek.Binomial(), X[0], HIT, OFTEN, {}),
    "shared weights": (ek.Binomial(), X, HIT, OFTEN[0], {}),
    "words": (ek.Binomial(success="yes"), X, np.where(HIT, "yes", "no"), OFTEN, {}),
    "counts": (ek.Binomial(), X, COUNTS, OFTEN, {}),
    "counts, shared": (ek.Binomial(), X[0], COUNTS, OFTEN[0].astype(float), {}),
    "offset": (ek.Binomial(), X, HIT, OFTEN, {"offset": OFFSET}),
    "no intercept": (ek.Binomial(), X, HIT, OFTEN, {"intercept": False}),
    "large": (ek.Binomial(), X, HIT, 4_000 * OFTEN, {}),
    "softmax": (ek.Softmax(), X[:4], RNG.integers(0, 3, (4, ROWS)), OFTEN[:4], {}),
    "probit": (ek.Binomial(link="probit"), X[:3], HIT[:3], OFTEN[:3], {}),
    "gaussian": (ek.Gaussian(), X[:3], P[:3], OFTEN[0], {}),
}


def assert_same(fits: Any, r: int, single: Any) -> None:
    assert (fits.status[r], fits.reason[r], fits.names) == ("ok", "", single.names)
    off = np.abs(fits.params[r] - single.params)
    assert (off <= SAME * (np.abs(single.params) + single.std_errors)).all()
    np.testing.assert_allclose(fits.std_errors[r], single.std_errors, rtol=SAME_ERRORS)
    assert fits.loglik[r] == pytest.approx(single.loglik, rel=SAME)


@pytest.mark.parametrize("form", FORMS)
def test_a_weighted_batch_is_a_weighted_loop(form: str) -> None:
    family, columns, y, weights, options = FORMS[form]
    fits = ek.fit_many(family, columns, y, weights=weights, **options)
    for r in range(len(y)):
        own = columns if columns.ndim == 2 else columns[r]
        each = weights if weights.ndim == 1 else weights[r]
        assert_same(fits, r, ek.fit(family, own, y[r], weights=each, **options))


def test_a_weight_is_as_many_rows() -> None:
    fits = ek.fit_many(ek.Binomial(), X, HIT, weights=OFTEN)
    for r in range(REPLICATES):
        rows = np.repeat(np.arange(ROWS), OFTEN[r])
        assert_same(fits, r, ek.fit(ek.Binomial(), X[r][rows], HIT[r][rows]))


def test_weighted_binomials_are_not_looped(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a replicate was fitted alone")

    monkeypatch.setattr(batch, "fit", refuse)
    for y in (HIT, COUNTS):
        assert ek.fit_many(ek.Binomial(), X, y, weights=OFTEN).converged.all()


def test_what_is_wrong_in_a_replicate_leaves_the_others_as_they_are() -> None:
    good = ek.fit_many(ek.Binomial(), X, HIT, weights=OFTEN)
    columns, y, weights = X.copy(), HIT.astype(float), OFTEN.astype(float)
    weights[1, 3], weights[2, 4], weights[3, 5] = -1.0, 0.5, np.nan
    weights[4] = 0.0
    y[5] = np.where(weights[5] > 0, X[5, :, 0] > 0, y[5])  # separated where it was observed
    columns[6, :, 1] = np.where(weights[6] > 0, 2 * X[6, :, 0], X[6, :, 1])  # and dependent
    y[7] = np.where(weights[7] > 0, 1.0, y[7])
    fits = ek.fit_many(ek.Binomial(), columns, y, weights=weights)
    bad = np.isin(np.arange(REPLICATES), range(1, 8))
    np.testing.assert_array_equal(fits.converged, ~bad)
    np.testing.assert_array_equal(fits.params[~bad], good.params[~bad])
    said = {1: "row 3", 2: "row 4", 3: "row 5", 4: "zero", 5: "separation", 6: "dependent",
            7: "separation"}  # fmt: skip
    assert {r: text in fits.reason[r].lower() for r, text in said.items()} == dict.fromkeys(
        said, True
    )


REFUSED: dict[str, tuple[Any, str]] = {
    "too short": (OFTEN[:, 1:], r"shape \(30, 79\); expected \(R, n\) = \(30, 80\)"),
    "fewer replicates": (OFTEN[1:], r"shape \(29, 80\)"),
    "words": (OFTEN.astype(str), "real numbers"),
    "one number": (2.0, r"shape \(\)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_weights_of_another_shape_are_refused(case: str) -> None:
    weights, message = REFUSED[case]
    with pytest.raises(ek.DataError, match=message):
        ek.fit_many(ek.Binomial(), X, HIT, weights=weights)
