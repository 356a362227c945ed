"""Infinitely many bootstrap rounds of nearest neighbours: all samples, and very many rounds."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor

import estkit as ek


@pytest.mark.parametrize("k", [1, 2, 5])  # 5: all rows of a sample
def test_it_is_the_average_over_every_possible_sample(k: int) -> None:
    rng, n = np.random.default_rng(2), 5
    X, y, asked, wanted = rng.normal(size=(n, 2)), rng.normal(size=n), rng.normal(size=(4, 2)), 1.0
    model, test = KNeighborsRegressor(k), (asked, np.full(4, wanted))
    samples = np.array(list(itertools.product(range(n), repeat=n)))
    far = ((asked[:, None] - X) ** 2).sum(axis=2)[:, samples]  # (4, samples, n)
    near = np.argsort(far, axis=2, kind="stable")[:, :, :k]
    told = np.take_along_axis(y[samples][None], near, axis=2).mean(axis=2).T
    result = ek.bias_variance(model, X, y, test=test, rounds=math.inf)
    assert result.value("variance") == pytest.approx(told.var(axis=0).mean(), rel=1e-10)
    assert result.value("bias") == pytest.approx(((told.mean(axis=0) - wanted) ** 2).mean())
    assert result.value("loss") == pytest.approx(((told - wanted) ** 2).mean(), rel=1e-10)


@pytest.mark.parametrize("k", [1, 7])
def test_five_thousand_rounds_come_within_their_error(k: int) -> None:
    X, y = load_diabetes(return_X_y=True)
    exact = ek.bias_variance(KNeighborsRegressor(k), X, y, rounds=math.inf, rng=1)
    rounds = ek.bias_variance(KNeighborsRegressor(k), X, y, rounds=5000, rng=1)
    for part in ("bias", "variance", "loss"):
        apart = exact.value(part) - rounds.value(part)
        assert abs(apart) < 4 * rounds.std_error(part)
        assert exact.std_error(part) == 0
        assert exact.interval(part) == (exact.value(part), exact.value(part))
    assert "all rounds of bootstrap" in str(exact)
    assert "corrected for the number of rounds" not in str(exact)


def test_other_models_and_schemes_have_no_such_form() -> None:
    X, y = load_diabetes(return_X_y=True)
    for model, scheme in ((LinearRegression(), "bootstrap"), (KNeighborsRegressor(), "subsample")):
        with pytest.raises(ek.DataError, match="infinitely many rounds"):
            ek.bias_variance(model, X, y, scheme=scheme, rounds=math.inf)
