"""Hessians of many parameters: few calls, no false alarm, and a bug leads to its pair."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special

import estkit as ek

Floats = NDArray[np.float64]

RNG = np.random.default_rng(11)
N, K = 300, 120
X = RNG.normal(size=(N, K)) / np.sqrt(K) * 10.0 ** RNG.uniform(-4, 4, K)  # badly scaled
SIZE = np.sqrt((X**2).mean(axis=0))
BETA = RNG.normal(size=K) / SIZE / np.sqrt(K)
Y = (RNG.random(N) < special.expit(X @ BETA)).astype(float)


def loglik(b: Any) -> Any:
    return Y * (X @ b) - np.log1p(np.exp(X @ b))


def slope(b: Any) -> Any:
    return X.T @ (Y - 1 / (1 + np.exp(-(X @ b))))


def curve(b: Floats) -> Floats:
    share = special.expit(X @ b)
    return -(X.T * (share * (1 - share))) @ X


def only_real(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def called(b: Any) -> Any:
        if np.iscomplexobj(b):
            raise TypeError("real numbers only")
        return function(b)

    return called


SOURCES: dict[str, Any] = {
    "gradient": {"f": loglik, "gradient": slope},
    "real gradient": {"f": only_real(loglik), "gradient": only_real(slope)},
    "complex step": {"f": loglik},
    "second differences": {"f": only_real(loglik)},
}


@pytest.mark.parametrize("source", SOURCES)
def test_a_right_hessian_is_right_at_the_cost_of_few_calls(source: str) -> None:
    report = ek.check_hessian(**{**SOURCES[source], "hessian": curve, "at": BETA, "rng": 1})
    assert report.ok, str(report)
    assert report.names == tuple(f"direction {i}" for i in range(1, 7))
    assert report.definiteness == "negative definite"
    assert report.asymmetry < 1e-12
    assert "120 parameters were checked along 6 random directions" in str(report)
    assert report.calls.get("gradient", 0) < 150  # 25 a direction
    assert report.calls["hessian"] < 10


def at_pair(i: int, j: int, factor: float) -> Callable[[Floats], Floats]:
    def changed(h: Floats) -> Floats:
        h = h.copy()
        h[i, j] *= factor
        h[j, i] = h[i, j]
        return h

    return changed


def alone(h: Floats) -> Floats:
    h = h.copy()
    h[70, 3] *= 3
    return h


def missing(h: Floats) -> Floats:
    h = h.copy()
    h[9, 9] = np.nan
    return h


BUGS: dict[str, tuple[Callable[[Floats], Floats], tuple[str, str] | None, str]] = {
    "a diagonal entry": (at_pair(40, 40, 1.1), ("theta40", "theta40"), ""),
    "its sign": (at_pair(5, 5, -1), ("theta5", "theta5"), "sign"),
    "a pair": (at_pair(17, 99, -2), ("theta99", "theta17"), ""),
    "one of a pair": (alone, ("theta70", "theta3"), "is wrong and"),
    "nan": (missing, ("theta9", "theta9"), "not finite"),
    "sign": (lambda h: -h, None, "sign"),
    "factor 2": (lambda h: 2 * h, None, "factor 2"),
    "mean": (lambda h: h / N, None, "1/n"),
}


@pytest.mark.parametrize(
    ("bug", "source"), [*((bug, "gradient") for bug in BUGS), ("a pair", "complex step")]
)
def test_a_bug_leads_to_its_pair_and_its_cause(bug: str, source: str) -> None:
    change, pair, cause = BUGS[bug]
    given = {**SOURCES[source], "hessian": lambda b: change(curve(b)), "at": BETA}
    report = ek.check_hessian(**given)
    assert report.wrong, str(report)
    assert pair is None or pair in report.wrong or pair[::-1] in report.wrong
    assert cause in report.cause, str(report)


def test_without_a_gradient_the_directions_tell() -> None:
    given = SOURCES["second differences"]
    wrong = BUGS["a diagonal entry"][0]
    report = ek.check_hessian(given["f"], lambda b: wrong(curve(b)), BETA)
    assert report.wrong, str(report)
    assert report.names[0] == "direction 1"


def test_directions_may_be_asked_for_and_refused() -> None:
    def f(p: Any) -> Any:
        return p["a"] ** 2 * p["b"]

    def hessian(p: Any) -> Any:
        return {("a", "a"): 2 * p["b"], ("a", "b"): 2 * p["a"], ("b", "b"): 0.0}

    at = {"a": 1.5, "b": -0.5}
    report = ek.check_hessian(f, hessian, at, directions=3)
    assert report.ok, str(report)
    assert len(report.names) == 3
    assert report.definiteness == "indefinite"
    assert ek.check_hessian(f, hessian, at).names == ("a", "b")
    with pytest.raises(ek.DataError, match="directions must be a whole number"):
        ek.check_hessian(f, hessian, at, directions=-1)
