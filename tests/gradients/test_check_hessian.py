"""The checker of Hessians: no false alarm, seeded bugs with their causes, the identities."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special

import estkit as ek

Floats = NDArray[np.float64]

RNG = np.random.default_rng(4)
N = 40
X = np.column_stack([np.ones(N), RNG.normal(size=(N, 2))])
BETA = np.array([0.3, -0.7, 1.1])
Y = (RNG.random(N) < special.expit(X @ BETA)).astype(float)
UNITS = np.array([1.0, 1e8, 1e-8])
NORMAL = RNG.normal(1.0, 2.0, size=N)
AT = {"mu": 0.4, "s": 0.6}


def logistic(b: Any) -> Any:
    return Y * (X @ b) - np.log1p(np.exp(X @ b))


def slope(b: Any) -> Any:
    return X.T @ (Y - 1 / (1 + np.exp(-(X @ b))))


def curve(b: Floats) -> Floats:
    share = special.expit(X @ b)
    return -(X.T * (share * (1 - share))) @ X


def normal(p: Any, y: Floats = NORMAL) -> Any:
    return -p["s"] - 0.5 * ((y - p["mu"]) * np.exp(-p["s"])) ** 2


def normal_slope(p: Any, y: Floats = NORMAL) -> dict[str, Any]:
    z = (y - p["mu"]) * np.exp(-p["s"])
    return {"mu": z.sum() * np.exp(-p["s"]), "s": (z**2 - 1).sum()}


def normal_curve(p: Any, y: Floats = NORMAL) -> Floats:
    z = (y - p["mu"]) * np.exp(-p["s"])
    cross = -2 * z.sum() * np.exp(-p["s"])
    return np.array([[-len(y) * np.exp(-2 * p["s"]), cross], [cross, -2 * (z**2).sum()]])


def only_real(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def called(b: Any) -> Any:
        if np.iscomplexobj(b):
            raise TypeError("real numbers only")
        return function(b)

    return called


SOURCES: dict[str, dict[str, Any]] = {
    "gradient": {"f": logistic, "gradient": slope},
    "real gradient": {"f": only_real(logistic), "gradient": only_real(slope)},
    "complex step": {"f": logistic},
    "second differences": {"f": only_real(logistic)},
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("at", [BETA, 0 * BETA], ids=["somewhere", "at 0"])
def test_a_right_hessian_is_right_and_a_wrong_entry_is_found(source: str, at: Floats) -> None:
    given = SOURCES[source]
    report = ek.check_hessian(given["f"], curve, at, gradient=given.get("gradient"))
    assert report.ok, str(report)
    assert report.definiteness == "negative definite"
    assert report.asymmetry < 1e-12

    def wrong(b: Floats) -> Floats:
        answer = curve(b)
        answer[1, 2] *= 1.001
        return answer

    report = ek.check_hessian(given["f"], wrong, at, gradient=given.get("gradient"))
    assert report.wrong == (("theta2", "theta1"),)
    assert "theta1, theta2 is wrong and theta2, theta1 is right" in report.cause
    assert report.asymmetry > 1e-6


@pytest.mark.parametrize("source", SOURCES)
def test_bad_scales_are_no_error_and_hide_none(source: str) -> None:
    given = SOURCES[source]["f"]
    first = SOURCES[source].get("gradient")

    def scaled(function: Any, power: int) -> Any:
        if power == 0:
            return lambda b: function(b * UNITS)
        if power == 1:
            return lambda b: function(b * UNITS) * UNITS
        return lambda b: function(b * UNITS) * np.outer(UNITS, UNITS)

    gradient = None if first is None else scaled(first, 1)
    right = scaled(curve, 2)
    at = BETA / UNITS
    report = ek.check_hessian(scaled(given, 0), right, at, gradient=gradient)
    assert report.ok, str(report)

    def wrong(b: Floats) -> Floats:  # the smallest entry, of size 1e-16 beside 1e16
        answer: Floats = right(b)
        answer[2, 2] *= -1
        return answer

    report = ek.check_hessian(scaled(given, 0), wrong, at, gradient=gradient)
    assert report.wrong == (("theta2", "theta2"),)


def test_few_calls_and_taylor() -> None:
    report = ek.check_hessian(logistic, curve, BETA, gradient=slope)
    assert report.calls["gradient"] < 10 * 3
    assert report.taylor == pytest.approx(3, abs=0.15)
    assert report.error.max() < 1e-12


def entry(i: int, j: int, factor: float) -> Callable[[Floats, Any], Floats]:
    def changed(h: Floats, p: Any) -> Floats:
        h = h.copy()
        h[i, j] *= factor
        return h

    return changed


BUGS: dict[str, tuple[str, Callable[[Floats, Any], Floats], str]] = {
    "sign": ("logistic", lambda h, p: -h, "sign"),
    "factor 2": ("normal", lambda h, p: 2 * h, "factor 2"),
    "mean": ("logistic", lambda h, p: h / N, "1/n"),
    "covariance": ("logistic", lambda h, p: np.linalg.inv(-h), "covariance"),
    "triangle": ("logistic", lambda h, p: np.tril(h), "only the lower triangle"),
    "diagonal": ("normal", lambda h, p: np.diag(np.diag(h)), "off the diagonal are missing"),
    "half a diagonal": ("logistic", lambda h, p: h - np.diag(np.diag(h)) / 2,
                        "factor 1/2 on the diagonal"),
    "no curvature": ("normal", lambda h, p: h - np.diag([0, N - h[1, 1]]),
                     "only the diagonal is wrong"),
    "double cross": ("normal", lambda h, p: 2 * h - np.diag(np.diag(h)),
                     "factor 2 off the diagonal"),
    "swapped": ("logistic", lambda h, p: h[np.ix_([0, 2, 1], [0, 2, 1])], "are swapped"),
    "chain": ("normal", lambda h, p: h / np.outer([1, np.exp(p["s"])], [1, np.exp(p["s"])]),
              "missing chain factor exp(s) of s"),
    "stale": ("normal", lambda h, p: normal_curve({**p, "s": 0.6}), "stale"),
    "nan": ("normal", entry(0, 0, np.nan), "not finite"),
}  # fmt: skip


@pytest.mark.parametrize("bug", BUGS)
def test_a_seeded_bug_is_found_and_its_cause_named(bug: str) -> None:
    name, change, cause = BUGS[bug]
    f, gradient, hessian, at = {
        "logistic": (logistic, slope, curve, BETA),
        "normal": (normal, normal_slope, normal_curve, AT),
    }[name]
    report = ek.check_hessian(f, lambda p: change(hessian(p), p), at, gradient=gradient)
    assert report.wrong
    assert cause in report.cause, str(report)
    with pytest.raises(ek.GradientError, match="wrong"):
        report.raise_if_wrong()


def test_a_wrong_gradient_is_said_so() -> None:
    report = ek.check_hessian(logistic, curve, BETA, gradient=lambda b: 2 * slope(b))
    assert not report.ok
    assert "The gradient is not that of f" in str(report)


def test_mappings_of_pairs_and_definiteness() -> None:
    report = ek.check_hessian(
        lambda p: p["a"] ** 2 - p["b"] ** 2 + 3 * p["a"] * p["b"],
        lambda p: {("a", "a"): 2.0, ("a", "b"): 3.0, ("b", "b"): -2.0},
        {"a": 1.0, "b": 2.0},
    )
    assert report.ok, str(report)
    assert report.definiteness == "indefinite"
    with pytest.raises(ek.DataError, match="expected \\(2, 2\\)"):
        ek.check_hessian(lambda t: t @ t, lambda t: np.ones(2), np.ones(2))


def draw(p: Any, rng: np.random.Generator) -> Floats:
    return rng.normal(p["mu"], np.exp(p["s"]), size=20)


def test_the_information_identity_holds_for_a_model_and_no_other() -> None:
    report = ek.check_hessian(
        normal, normal_curve, AT, gradient=normal_slope, simulate=draw, draws=1500
    )
    assert report.ok, str(report)
    assert "Information identity: at most" in str(report)

    def overdispersed(p: Any, rng: np.random.Generator) -> Floats:
        return rng.normal(p["mu"], 1.5 * np.exp(p["s"]), size=20)

    report = ek.check_hessian(
        normal, normal_curve, AT, gradient=normal_slope, simulate=overdispersed, draws=1500
    )
    assert report.wrong == ()
    assert not report.ok
    assert report.score is not None
    assert np.abs(report.score.gap_z).max() > 5
    with pytest.raises(ek.DataError, match="needs gradient"):
        ek.check_hessian(normal, normal_curve, AT, simulate=draw)


def test_the_report_in_every_form() -> None:
    report = ek.check_hessian(logistic, lambda b: -curve(b), BETA, gradient=slope)
    assert repr(report).startswith("HessianReport(6 of 6 wrong: ")
    assert report.to_frame().shape[0] == 9
    assert json.loads(json.dumps(report.to_dict()))["definiteness"] == "positive definite"
    assert "Likely cause: sign" in str(report)
    assert "<table" in report._repr_html_()


def test_an_infinite_entry_is_told_without_a_warning() -> None:
    report = ek.check_hessian(lambda w: w**3, lambda w: np.inf, 2.0)
    assert report.verdicts.tolist() == [["not finite"]]
