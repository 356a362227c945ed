"""Seeded bugs in the gradients of log-likelihoods: each must be found, and its cause be named."""

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
N = 40
X = np.column_stack([np.ones(N), RNG.normal(size=(N, 2))])
BETA = np.array([0.3, -0.7, 1.1])
HIT = (RNG.random(N) < special.expit(X @ BETA)).astype(float)
COUNT = RNG.poisson(np.exp(X @ BETA)).astype(float)
NORMAL = RNG.normal(1.0, 2.0, size=N)
GAMMA = RNG.gamma(2.5, 1.5, size=N)
CLASS = np.eye(3)[RNG.integers(3, size=N)]


# --- the functions, each with values for each row and its right gradient ---


def logistic(b: Floats) -> Floats:
    return HIT * (X @ b) - np.log1p(np.exp(X @ b))


def logistic_slope(b: Floats) -> Floats:
    return X.T @ (HIT - special.expit(X @ b))


def poisson(b: Floats) -> Floats:
    return COUNT * (X @ b) - np.exp(X @ b)


def poisson_slope(b: Floats) -> Floats:
    return X.T @ (COUNT - np.exp(X @ b))


def normal(p: Any) -> Floats:
    return -p["log_sigma"] - 0.5 * ((NORMAL - p["mu"]) * np.exp(-p["log_sigma"])) ** 2


def normal_slope(p: Any, sigma: float | None = None) -> dict[str, float]:
    s = np.exp(p["log_sigma"]) if sigma is None else sigma
    z = (NORMAL - p["mu"]) / s
    return {"mu": z.sum() / s, "log_sigma": (z**2 - 1).sum()}


def gamma(p: Any) -> Floats:
    a, r = p["shape"], p["rate"]
    return a * np.log(r) - special.gammaln(a) + (a - 1) * np.log(GAMMA) - r * GAMMA


def gamma_slope(p: Any) -> dict[str, float]:
    a, r = p["shape"], p["rate"]
    return {
        "shape": np.sum(np.log(r) - special.digamma(a) + np.log(GAMMA)),
        "rate": np.sum(a / r - GAMMA),
    }


def softmax(w: Floats) -> Floats:
    eta = X @ w
    return (CLASS * eta).sum(axis=1) - np.log(np.exp(eta).sum(axis=1))


def softmax_slope(w: Floats) -> Floats:
    share = np.exp(X @ w)
    return X.T @ (CLASS - share / share.sum(axis=1, keepdims=True))


W = RNG.normal(size=(3, 3)) * 0.4
NORMAL_AT = {"mu": 0.4, "log_sigma": 0.5}
GAMMA_AT = {"shape": 1.9, "rate": 1.3}

RIGHT: dict[str, tuple[Any, Any, Any]] = {
    "logistic": (logistic, logistic_slope, BETA + 0.2),
    "logistic total": (lambda b: logistic(b).sum(), logistic_slope, BETA + 0.2),
    "logistic at 0": (logistic, logistic_slope, np.zeros(3)),
    "poisson": (poisson, poisson_slope, BETA - 0.1),
    "normal": (normal, normal_slope, NORMAL_AT),
    "gamma": (gamma, gamma_slope, GAMMA_AT),
    "softmax": (softmax, softmax_slope, W),
}


def entry(name: str, change: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return a change of one entry of a gradient, which sees the parameters, too."""
    return lambda g, p: {**g, name: change(g[name], p)}


def one(index: int, change: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    def changed(g: Floats, p: Any) -> Floats:
        g = g.copy()
        g[index] = change(g[index])
        return g

    return changed


SWAP = [0, 2, 1]
BUGS: dict[str, tuple[str, Callable[[Any, Any], Any], str, str]] = {
    # the log-likelihood, what is done to its gradient, what is wrong, the cause
    "sign of all": ("logistic", lambda g, p: -g, "theta0", "sign"),
    "sign of one": ("poisson", one(1, lambda v: -v), "theta1", "sign"),
    "factor 2": ("poisson", lambda g, p: 2 * g, "theta2", "factor 2"),
    "half": ("gamma", entry("rate", lambda v, p: v / 2), "rate", "factor 1/2"),
    "mean for sum": ("softmax", lambda g, p: g / N, "theta[0,0]", "1/n"),
    "mean for sum of one": ("normal", entry("mu", lambda v, p: v / N), "mu", "1/n"),
    "transposed": ("softmax", lambda g, p: g.T, "theta[0,1]", "transposed"),
    "missing sigma": ("normal", entry("mu", lambda v, p: v * np.exp(p["log_sigma"])), "mu",
                      "chain factor exp(log_sigma)"),
    "log scale": ("gamma", entry("rate", lambda v, p: v * p["rate"]), "rate", "chain factor rate"),
    "swapped": ("logistic", lambda g, p: g[SWAP], "theta2", "swapped with theta1"),
    "rolled": ("poisson", lambda g, p: np.roll(g, 1), "theta1", "shifted"),
    "row left out": ("logistic", lambda g, p: g - X[7] * (HIT[7] - special.expit(X[7] @ p)),
                     "theta1", "wrong row: row 7"),
    "wrong row of weights": ("softmax", lambda g, p: np.roll(g, 1, axis=0), "theta[1,1]",
                             "wrong row"),
    "broadcast": ("logistic", lambda g, p: np.full(3, g.sum()), "theta1", "wrong broadcasting"),
    "not summed": ("normal", entry("mu", lambda v, p: (NORMAL - p["mu"]) * np.exp(
                       -2 * p["log_sigma"])), "mu", "not summed over the rows"),
    "stale": ("normal", lambda g, p: normal_slope(p, 1.2), "mu", "stale"),
    "stale but right here": ("normal", lambda g, p: normal_slope(p, np.exp(0.5)), "mu", "stale"),
    "zero": ("gamma", entry("shape", lambda v, p: 0.0), "shape", "it is 0"),
    "nan": ("gamma", entry("shape", lambda v, p: np.nan), "shape", "it is nan"),
    "ridge forgotten": ("logistic", lambda g, p: g - 0.5 * p, "theta1", "penalty"),
    "constant forgotten": ("normal", entry("log_sigma", lambda v, p: v + N), "log_sigma",
                           "normalising term"),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_gradient_is_right(name: str) -> None:
    report = ek.check_gradient(*RIGHT[name])
    assert report.ok, str(report)
    assert report.wrong == ()
    report.raise_if_wrong()


@pytest.mark.parametrize("bug", BUGS)
def test_a_seeded_bug_is_found_and_its_cause_named(bug: str) -> None:
    name, change, parameter, cause = BUGS[bug]
    loglik, slope, at = RIGHT[name]
    report = ek.check_gradient(loglik, lambda p: change(slope(p), p), at)
    assert not report.ok
    assert parameter in report.wrong
    assert cause in report.cause(parameter), str(report)
    with pytest.raises(ek.GradientError, match=parameter.split("[")[0]):
        report.raise_if_wrong()


@pytest.mark.parametrize("index", [0, 1, 2])
def test_only_the_wrong_parameter_is_called_wrong(index: int) -> None:
    change = one(index, lambda v: 1.01 * v)
    report = ek.check_gradient(logistic, lambda b: change(logistic_slope(b), b), BETA)
    assert report.wrong == (f"theta{index}",)
    assert report.cause(f"theta{index}") == "factor 1.01"


@pytest.mark.filterwarnings("error")
def test_guessing_at_extreme_values_warns_of_nothing() -> None:
    """Factors such as exp(theta) are tried, which overflow."""
    report = ek.check_gradient(lambda t: (t**2).sum(), lambda t: -2 * t, np.array([354.5, -1e5]))
    assert all(cause.startswith("sign") for cause in report.causes)
    report = ek.check_gradient(lambda t: (t**2).sum(), lambda t: 2.5 * t, np.array([354.5, -1e5]))
    assert report.causes == ("factor 1.25",) * 2
