"""Where there is no maximum, the fit says what is approached: limits, and the supremum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris

import estkit as ek

# Both come from Newton's method, on other rows.
SAME = 1e-8


def dummy(seed: int = 0) -> tuple[Any, Any, Any]:
    """Return a number, a dummy that goes with success alone, and the outcomes."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(300)
    d = (rng.random(300) < 0.2).astype(float)
    return x, d, (rng.random(300) < 1 / (1 + np.exp(-x))) | (d > 0)


def separation(family: Any, X: Any, y: Any, **options: Any) -> Any:
    with pytest.raises(ek.SeparationError) as caught:
        ek.fit(family, X, y, **options)
    fit = ek.fit(family, X, y, errors="return", **options)
    assert fit.separation.supremum == caught.value.separation.supremum
    assert fit.separation.names == fit.names
    assert f"{caught.value.separation.supremum:.6g}" in str(caught.value)
    return fit.separation


# What a Cauchy tail leaves of a comparison at a margin of 1e9 is no rounding.
@pytest.mark.parametrize(
    ("link", "same"), [("logit", SAME), ("probit", SAME), ("cloglog", SAME), ("cauchit", 1e-6)]
)
def test_the_rest_is_the_fit_without_the_separated_rows(link: str, same: float) -> None:
    x, d, y = dummy()
    found = separation(ek.Binomial(link), np.column_stack([x, d]), y)
    rest = ek.fit(ek.Binomial(link), x[d == 0], y[d == 0])
    np.testing.assert_allclose(found.limits, [*rest.params, np.inf], rtol=same)
    assert found.supremum == pytest.approx(rest.loglik, rel=same)


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_scales_and_origins_of_columns_change_nothing(scale: float) -> None:
    x, d, y = dummy()
    found = separation(ek.Binomial(), np.column_stack([x * scale, d / scale + 3.0]), y)
    rest = ek.fit(ek.Binomial(), x[d == 0], y[d == 0])
    assert found.limits[1] * scale == pytest.approx(rest.params[1], rel=SAME)
    assert found.limits[2] == np.inf
    assert found.supremum == pytest.approx(rest.loglik, rel=SAME)


def test_no_point_far_out_exceeds_the_supremum_and_some_come_near() -> None:
    x, d, y = dummy()
    X = np.column_stack([x, d])
    found = separation(ek.Binomial(), X, y)
    values = []
    for far in (1.0, 5.0, 40.0):
        eta = found.limits[0] + found.limits[1] * x + far * d
        values.append(float(-np.logaddexp(0, np.where(y, -eta, eta)).sum()))
    assert values == sorted(values)
    assert found.supremum - 1e-9 < values[-1] <= found.supremum + 1e-9


def test_counts_keep_their_constant() -> None:
    x = [0, 1, 2, 3]
    counts = [[3, 7], [5, 5], [6, 4], [9, 0]]
    last = np.array(x) == 3
    found = separation(ek.Binomial(), {"x": x, "last": last}, counts)
    rest = ek.fit(ek.Binomial(), x[:3], counts[:3])
    assert found.supremum == pytest.approx(rest.loglik, rel=SAME)
    np.testing.assert_allclose(found.limits, [*rest.params, np.inf], rtol=SAME)


def test_complete_separation_leaves_nothing() -> None:
    x, _, _ = dummy()
    found = separation(ek.Binomial(), x, x > 0.3)
    assert found.complete
    assert found.supremum == 0
    assert found.limits.tolist() == [-np.inf, np.inf]


@pytest.mark.parametrize("symmetric", [False, True])
def test_the_irises(symmetric: bool) -> None:
    """Setosa is apart; between the others the likelihood has a maximum."""
    iris = load_iris()
    found = separation(ek.Softmax(symmetric=symmetric), iris.data, iris.target)
    rest = ek.fit(ek.Binomial(), iris.data[50:], iris.target[50:] - 1)
    assert found.supremum == pytest.approx(rest.loglik, rel=SAME)
    assert not np.isfinite(found.limits).any()


def test_a_softmax_outcome_apart_leaves_the_others_their_coefficients() -> None:
    x, d, _ = dummy()
    y = np.where(d > 0, "c", np.where(np.random.default_rng(3).random(300) < 0.4, "a", "b"))
    found = separation(ek.Softmax(), np.column_stack([x, d]), y)
    rest = ek.fit(ek.Binomial(success="b"), x[d == 0], y[d == 0])
    limits = dict(zip(found.names, found.limits, strict=True))
    assert limits["b:intercept"] == pytest.approx(rest.params[0], rel=SAME)
    assert limits["b:x0"] == pytest.approx(rest.params[1], rel=SAME)
    assert limits["c:x1"] == np.inf
    assert found.supremum == pytest.approx(rest.loglik, rel=SAME)


def test_an_ordinal_model_has_limits_too() -> None:
    x, d, _ = dummy()
    y = np.where(d > 0, 2, np.random.default_rng(3).integers(0, 2, 300))
    found = separation(ek.Ordinal(), np.column_stack([x, d]), y)
    rest = ek.fit(ek.Ordinal(), x[d == 0], y[d == 0])
    limits = dict(zip(found.names, found.limits, strict=True))
    assert limits["0|1"] == pytest.approx(rest.params[0], rel=SAME)
    assert limits["x0"] == pytest.approx(rest.params[1], rel=SAME)
    assert limits["1|2"] == limits["x1"] == np.inf
    assert found.supremum == pytest.approx(rest.loglik, rel=SAME)


def test_one_outcome_alone() -> None:
    found = separation(ek.Binomial(), None, [True] * 4)
    assert found.limits.tolist() == [np.inf]
    assert found.supremum == 0


def test_columns_that_only_separated_rows_had_are_said_to_be_free() -> None:
    """A second column that varies among the separated rows alone may be anything."""
    x, d, y = dummy()
    free = np.where(d > 0, np.random.default_rng(1).standard_normal(300), 0.0)
    found = separation(ek.Binomial(), np.column_stack([x, d, free]), y)
    assert np.isfinite(found.limits[:2]).all()
    assert found.limits[2] == np.inf
    assert not np.isfinite(found.limits[3])
