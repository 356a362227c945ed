"""Functions of the user's own that raise or return nonsense: it is said which, and on what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LinearRegression

import estkit as ek

X = np.random.default_rng(1).normal(size=(40, 2))
Y = X[:, 0] + np.random.default_rng(2).normal(size=40)


def fails(*_: Any) -> Any:
    raise ZeroDivisionError("no such thing")


def own(function: Callable[[Any], Any], loss: Callable[[Any], Any] | None = None) -> ek.Score:
    return ek.Score("own", function, greater_is_better=False, task="regression", loss=loss)


class Stubborn(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Refuses training rows that are repeated."""

    def fit(self, X: Any, y: Any) -> Stubborn:
        """Fit nothing."""
        if len(np.unique(y)) < len(y):
            fails()
        return self

    def predict(self, X: Any) -> Any:
        """Predict 0."""
        return np.zeros(len(X))


def compared(score: ek.Score, method: str = "corrected_t") -> Any:
    found = ek.compare({"line": LinearRegression()}, X, Y, cv=4, rng=1, scoring=score)
    return found.test("line", "baseline", method=method)


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda: compared(own(fails)), "score 'own' raised Z.* for model 'line' on fold 0"),
        (lambda: compared(own(np.mean, fails), "clt"), "loss of 'own' raised Z.* model 'line'"),
        (lambda: ek.knn_curve(X, Y, k=[1, 2], scoring=own(fails), rng=1), "score 'own' raised Z"),
        (
            lambda: ek.ridge_curve(X, Y, alphas=[1.0], scoring=own(fails)),
            "the score 'own' raised Z",
        ),
        (lambda: ek.bias_variance("linear", X, Y, truth=fails), "truth raised Z.* the test rows"),
        (lambda: ek.bias_variance(Stubborn(), X, Y, rng=1), "model raised Z.* in round 0"),
        (
            lambda: ek.bias_variance("linear", generate=fails, test=(X, Y)),
            "generate raised Z.* in round 0",
        ),
        (lambda: ek.bias_variance("linear", generate=fails), "generate raised Z.* the test rows"),
    ],
)
def test_what_raises_is_named(call: Callable[[], Any], what: str) -> None:
    with pytest.raises(ek.DataError, match=f"{what}.*no such thing") as told:
        call()
    assert isinstance(told.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize("found", ["good", None, [1.0, 2.0], 1j])
def test_a_score_that_is_no_number_is_refused(found: Any) -> None:
    with pytest.raises(ek.DataError, match=r"'own' must return a number; .* 'line' on fold 0"):
        compared(own(lambda p: found))


def test_losses_that_are_not_one_for_each_row_are_refused() -> None:
    with pytest.raises(ek.DataError, match="'own' must return a number for each row"):
        compared(own(lambda p: 1.0, lambda p: p.truth[:3]), "clt")


class Mute(Exception):
    """An error that fails when it is asked what it says."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


class Moody(LinearRegression):  # type: ignore[misc]
    """Cannot be fitted, and cannot say why."""

    def fit(self, X: Any, y: Any) -> Any:
        """Raise."""
        raise Mute


def test_a_model_that_cannot_say_why_it_failed_is_an_outcome_as_others_are() -> None:
    found = ek.compare({"moody": Moody(), "line": "linear"}, X, Y, cv=4, rng=1).failures()
    assert set(found["model"]) == {"moody"}
    assert set(found["reason"]) == {"Mute, which cannot say why"}
