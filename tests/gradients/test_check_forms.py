"""What check_gradient takes: forms of parameters and of gradients; what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special

import estkit as ek

Floats = NDArray[np.float64]

RNG = np.random.default_rng(5)
X = np.column_stack([np.ones(50), RNG.normal(size=(50, 4))])
BETA = np.array([0.2, -0.5, 1.0, 0.3, -0.1])
Y = (RNG.random(50) < special.expit(X @ BETA)).astype(float)


def loglik(b: Any) -> Any:
    return Y * (X @ b) - np.log1p(np.exp(X @ b))


def slope(b: Floats) -> Floats:
    return X.T @ (Y - special.expit(X @ b))


def test_a_jacobian_is_checked_row_by_row() -> None:
    def rows(b: Floats) -> Floats:
        return X * (Y - special.expit(X @ b))[:, None]

    report = ek.check_gradient(loglik, rows, BETA, names=list("abcde"))
    assert report.ok
    assert report.rows is not None

    def wrong(b: Floats) -> Floats:
        answer = rows(b)
        answer[17, 2] *= -1
        return answer

    report = ek.check_gradient(loglik, wrong, BETA, names=list("abcde"))
    assert report.wrong == ("c",)
    assert report.rows is not None
    assert report.rows[2] == 17
    assert "row 17" in report.cause("c")
    square = RNG.normal(size=(3, 3))
    report = ek.check_gradient(
        lambda t: square @ t**2, lambda t: (square * 2 * t).T, np.arange(1.0, 4)
    )
    assert "transposed" in report.causes[0]


def test_a_function_may_return_both() -> None:
    assert ek.check_gradient(lambda b: (loglik(b), slope(b)), None, BETA).ok
    with pytest.raises(ek.DataError, match="must return \\(value, gradient\\)"):
        ek.check_gradient(loglik, None, BETA)


def test_parameters_of_a_mapping_keep_their_shapes() -> None:
    at = {"W": RNG.normal(size=(2, 3)), "b": 0.3}
    x = RNG.normal(size=3)

    def function(p: Any) -> Any:
        assert p["W"].shape == (2, 3)
        return np.sum((p["W"] @ x + p["b"]) ** 2)

    def gradient(p: Any) -> Any:
        out = 2 * (p["W"] @ x + p["b"])
        return {"W": np.outer(out, x), "b": out.sum()}

    report = ek.check_gradient(function, gradient, at)
    assert report.ok
    assert report.names == ("W[0,0]", "W[0,1]", "W[0,2]", "W[1,0]", "W[1,1]", "W[1,2]", "b")
    flipped = ek.check_gradient(function, lambda p: {**gradient(p), "W": gradient(p)["W"].T}, at)
    assert "transposed" in flipped.cause("W[0,1]")


def test_a_function_that_changes_its_parameters_changes_nothing() -> None:
    def spoiling(b: Any) -> Any:
        answer = loglik(b)
        b[:] = 0
        return answer

    at = BETA.copy()
    assert ek.check_gradient(spoiling, slope, at).ok
    np.testing.assert_array_equal(at, BETA)


@pytest.mark.parametrize(
    ("function", "gradient", "at", "told"),
    [
        (lambda t: "x", lambda t: t, 1.0, "f returned str"),
        (lambda t: t, lambda t: "x", 1.0, "must return real numbers"),
        (lambda t: t, lambda t: t, np.nan, "must be finite"),
        (lambda t: t, lambda t: t, [], "holds no parameter"),
        (lambda t: 0.0, lambda t: {"a": 1.0}, {"a": 1.0, "b": 2.0}, "['b']"),
        (3, lambda t: t, 1.0, "f must be a function"),
    ],
)
def test_what_is_no_function_is_refused(function: Any, gradient: Any, at: Any, told: str) -> None:
    with pytest.raises(ek.DataError) as caught:
        ek.check_gradient(function, gradient, at)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"rtol": float("nan")}, "rtol must be a relative error"),
        ({"rtol": -1e-3}, "rtol must be a relative error"),
        ({"directions": -2}, "directions must be a whole number"),
        ({"directions": 2.5}, "directions must be a whole number"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: Any, told: str) -> None:
    with pytest.raises(ek.DataError, match=told):
        ek.check_gradient(lambda t: t**2, lambda t: 2 * t, 1.0, **options)


def test_complex_values_of_real_parameters_are_refused() -> None:
    with pytest.raises(ek.DataError, match="complex numbers for real parameters"):
        ek.check_gradient(lambda t: t * (1 + 1j), lambda t: 1.0, 1.0)


def test_the_cause_of_an_unknown_name_is_refused() -> None:
    with pytest.raises(ek.DataError, match="the names are theta"):
        ek.check_gradient(lambda t: t**2, lambda t: 2 * t, 1.0).cause("sigma")


def test_a_function_that_is_not_finite_is_no_pass() -> None:
    report = ek.check_gradient(lambda t: np.log(t), lambda t: 1 / t, np.array([1.0, -1.0]))
    assert report.verdicts == ("not finite",) * 2
    assert not report.ok
