"""L1 on columns of wild scales that nearly depend on each other: an answer or an error, soon.

There is no timing: what is bounded is the number of steps, which rounding used to lead in circles.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import estkit as ek

MOST = 60  # steps; far fewer are usual, and 200 are the limit
KKT = 1e-8  # what `fit` promises


def drawn(seed: int, n: int = 1000, p: int = 300) -> tuple[Any, Any, Any]:
    """Draw columns from three factors, with a ten-thousandth of their own, over 16 decades."""
    rng = np.random.default_rng(seed)
    factors = rng.standard_normal((n, 3))
    X = factors @ rng.standard_normal((3, p)) + 1e-4 * rng.standard_normal((n, p))
    X = X * 10.0 ** rng.uniform(-8, 8, p)
    return X, rng.random(n) < 1 / (1 + np.exp(-factors[:, 0])), factors


@pytest.mark.parametrize("penalty", [ek.L1(1e-3), ek.L1(1.0), ek.ElasticNet(1.0)], ids=str)
def test_steps_end_where_rounding_is_all_that_is_left(penalty: Any) -> None:
    X, y, _ = drawn(0)
    fit = ek.fit(ek.Binomial(penalty=penalty), X, y)
    assert fit.kkt is not None and fit.kkt <= KKT
    assert fit.n_iter <= MOST


@pytest.mark.parametrize("seed", [0, 2])
def test_steps_over_all_decades_overflow_without_a_warning(seed: int) -> None:
    X, y, factors = drawn(seed)
    fit = ek.fit(ek.Softmax(penalty=ek.L1(1.0)), X, y.astype(int) + (factors[:, 1] > 0))
    assert fit.kkt is not None and fit.kkt <= KKT
    assert fit.n_iter <= MOST


def test_a_fit_converges_or_ends_in_an_error_that_names_the_scale() -> None:
    X, y, _ = drawn(1)
    fit = ek.fit(ek.Binomial(penalty=ek.L1(1.0)), X, y, errors="return")
    if fit.converged:  # where rounding is kind
        assert fit.kkt <= KKT
    else:
        assert "extreme scale" in fit.reason
        assert np.isnan(fit.params).all()
