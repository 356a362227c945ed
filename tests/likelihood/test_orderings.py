"""What linear programs are asked, and how few: separation of many rows is a matter of a second."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.optimize

import estkit as ek

N, P = 40_000, 20


def drawn(kind: str) -> tuple[Any, Any]:
    rng = np.random.default_rng(31)
    X = rng.standard_normal((N, P))
    eta = X @ rng.normal(0.0, 0.3, P)
    y = eta > 0
    if kind == "quasi":
        X[:, 7] = rng.random(N) < 0.01
        y = (rng.random(N) < 1.0 / (1.0 + np.exp(-eta))) | (X[:, 7] > 0)
    return X, y


@pytest.mark.parametrize(("kind", "most"), [("complete", 6), ("quasi", 6)])
def test_few_linear_programs_find_a_separation_of_many_rows(
    monkeypatch: pytest.MonkeyPatch, kind: str, most: int
) -> None:
    solve, asked = scipy.optimize.linprog, []

    def counted(*given: Any, **options: Any) -> Any:
        asked.append(given)
        return solve(*given, **options)

    monkeypatch.setattr(scipy.optimize, "linprog", counted)
    X, y = drawn(kind)
    with pytest.raises(ek.SeparationError) as caught:
        ek.fit(ek.Binomial(), X, y)
    assert caught.value.separation.complete == (kind == "complete")
    assert 1 <= len(asked) <= most


def test_one_row_out_of_order_among_many_is_no_complete_separation() -> None:
    """What is nearly separated is asked whether it is; one row says no."""
    X, y = drawn("complete")
    far = int(np.argmax(np.abs(X[:, 0])))
    y[far] = ~y[far]
    assert ek.fit(ek.Binomial(), X, y).converged


def test_a_direction_that_orders_many_rows_orders_them_all() -> None:
    X, y = drawn("complete")
    with pytest.raises(ek.SeparationError) as caught:
        ek.fit(ek.Binomial(), X, y)
    direction = caught.value.separation.direction
    assert ((direction[0] + X @ direction[1:] > 0) == y).all()
