"""Intervals of expected outcomes: statsmodels, closed forms, simulation; stored fits."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

import estkit as ek

SAME = 1e-11  # two ways to the same numbers, up to rounding
PEER = 1e-7  # how far statsmodels converges
DIFFERENCE = 1e-6  # differences of second order with a step of 1e-4 standard errors
FAR = 1e-6  # a column at 1e8 itself keeps 8 digits behind the point

RNG = np.random.default_rng(11)
X = RNG.normal(size=(150, 3))
ETA = 0.9 * X[:, 0] - 0.5 * X[:, 1]
HIT = RNG.random(150) < 1 / (1 + np.exp(-ETA))
WORD = np.array(["low", "mid", "top"])[
    np.argmax(RNG.gumbel(size=(150, 3)) + np.outer(ETA, [0, 0.5, 1]), axis=1)
]
Y = ETA + RNG.normal(size=150)
NEW = RNG.normal(size=(7, 3))
SEVERAL = {
    "softmax": ek.Softmax(),
    "other reference": ek.Softmax(reference="top"),
    "symmetric": ek.Softmax(symmetric=True),
    "ordinal logit": ek.Ordinal(order=["low", "mid", "top"]),
    "ordinal probit": ek.Ordinal(order=["low", "mid", "top"], link="probit"),
    "ordinal cloglog": ek.Ordinal(order=["low", "mid", "top"], link="cloglog"),
}
LINKS = {
    "logit": sm.families.links.Logit,
    "probit": sm.families.links.Probit,
    "cloglog": sm.families.links.CLogLog,
}


def parts(found: Any) -> tuple[Any, ...]:
    return found.mean, found.std_error, found.lower, found.upper


def stored(fit: Any) -> Any:
    return ek.LikelihoodFit.from_dict(json.loads(json.dumps(fit.to_dict())))


@pytest.mark.parametrize("link", LINKS)
def test_probabilities_have_the_intervals_of_statsmodels(link: str) -> None:
    family = sm.families.Binomial(LINKS[link]())
    peer = sm.GLM(HIT.astype(float), sm.add_constant(X), family).fit(tol=1e-14, maxiter=200)
    expected = peer.get_prediction(sm.add_constant(NEW)).summary_frame(alpha=0.1)
    fit = ek.fit(ek.Binomial(link=link), X, HIT)
    found = fit.predict_interval(NEW, level=0.9, kind="expected")
    for column, own in zip(expected.to_numpy().T, parts(found), strict=True):
        np.testing.assert_allclose(own, column, rtol=PEER)


def test_means_have_the_intervals_of_least_squares() -> None:
    """Those of statsmodels divide by n - k and take the t distribution."""
    fit = ek.fit(ek.Gaussian(), X, Y)
    peer = sm.OLS(Y, sm.add_constant(X)).fit().get_prediction(sm.add_constant(NEW))
    error = peer.se_mean * np.sqrt(146 / 150)
    found = fit.predict_interval(NEW)
    np.testing.assert_allclose(found.mean, peer.predicted_mean, rtol=SAME)
    np.testing.assert_allclose(found.std_error, error, rtol=SAME)
    np.testing.assert_allclose(found.upper - found.mean, stats.norm.ppf(0.975) * error, rtol=SAME)
    whole = np.hypot(error, fit.sigma.value)
    fresh = fit.predict_interval(NEW, new=True)
    np.testing.assert_allclose(fresh.std_error, whole, rtol=SAME)
    np.testing.assert_allclose(fresh.mean - fresh.lower, stats.norm.ppf(0.975) * whole, rtol=SAME)


def test_the_interval_of_a_share_is_that_of_its_log_odds() -> None:
    found = ek.fit(ek.Binomial(), None, [[12, 30]]).predict_interval()
    odds, half = np.log(12 / 30), stats.norm.ppf(0.975) * np.sqrt(1 / 12 + 1 / 30)
    expected = 1 / (1 + np.exp(-(odds + np.array([-half, half]))))
    np.testing.assert_allclose([found.lower[0], found.upper[0]], expected, rtol=SAME)


def test_the_shares_of_several_outcomes_have_the_intervals_of_each_against_the_rest() -> None:
    counts = np.array([12, 30, 5])
    expected = [
        ek.fit(ek.Binomial(), None, [[n, 47 - n]]).predict_interval().upper[0] for n in counts
    ]
    for family in (ek.Softmax(), ek.Softmax(symmetric=True), ek.Ordinal()):
        found = ek.fit(family, None, counts[None]).predict_interval()
        np.testing.assert_allclose(found.upper[0], expected, rtol=SAME)


@pytest.mark.parametrize("name", SEVERAL)
def test_errors_of_several_probabilities_follow_the_parameters(name: str) -> None:
    """The delta method again, by differences of predictions of moved parameters."""
    fit = ek.fit(SEVERAL[name], X, WORD)
    found = fit.predict_interval(NEW)
    root = np.linalg.cholesky(fit._middle)
    slopes = []
    for column in root.T * 1e-4:
        ahead, behind = (
            fit.family.mean(
                fit._placement.linear_predictors(NEW, inside, None), fit._response(len(NEW))
            )
            for inside in (
                _inside(fit, fit._point + column),
                _inside(fit, fit._point - column),
            )
        )
        slopes.append((ahead - behind) / 2e-4)
    expected = np.sqrt(np.sum(np.square(slopes), axis=0))
    np.testing.assert_allclose(found.std_error, expected, rtol=DIFFERENCE)
    np.testing.assert_allclose(found.mean.sum(axis=1), 1.0, rtol=SAME)
    for limit, sign in ((found.lower, -1), (found.upper, 1)):
        odds = np.log(found.mean / (1 - found.mean)) + sign * stats.norm.ppf(0.975) * (
            found.std_error / found.mean / (1 - found.mean)
        )
        np.testing.assert_allclose(limit, 1 / (1 + np.exp(-odds)), rtol=1e-9)
    assert ((found.lower > 0) & (found.upper < 1)).all()


def _inside(fit: Any, point: Any) -> Any:
    inside = fit._model.inside(point)
    return inside if fit._tie is None else fit._tie @ inside


@pytest.mark.parametrize("family", ["binomial", "softmax", "ordinal", "gaussian"])
@pytest.mark.parametrize("kind", [None, "HC0"])
def test_the_training_rows_are_predicted_as_new_rows_are(family: str, kind: str | None) -> None:
    fit, offset = _with_offset(family)
    for own, new in zip(
        parts(fit.predict_interval(kind=kind)),
        parts(fit.predict_interval(X, offset=offset, kind=kind)),
        strict=True,
    ):
        np.testing.assert_allclose(own, new, rtol=SAME)
    np.testing.assert_allclose(fit.predict_interval().mean, fit.predict(), rtol=SAME)


def _with_offset(family: str) -> tuple[Any, Any]:
    offset = RNG.normal(size=150)
    if family == "softmax":
        offset = RNG.normal(size=(150, 3))
        return ek.fit(ek.Softmax(), X, WORD, offset=offset), offset
    if family == "ordinal":
        chosen = ek.Ordinal(order=["low", "mid", "top"])
        return ek.fit(chosen, X, WORD, offset=offset), offset
    if family == "gaussian":
        return ek.fit(ek.Gaussian(), X, 1e6 + 1e3 * Y, offset=offset), offset
    return ek.fit(ek.Binomial(), X, HIT, offset=offset), offset


@pytest.mark.parametrize("name", [*SEVERAL, "binomial", "gaussian"])
@pytest.mark.parametrize("shift", [0.0, 1e8])
def test_a_stored_fit_predicts_the_same_with_columns_anywhere(name: str, shift: float) -> None:
    family = {**SEVERAL, "binomial": ek.Binomial(), "gaussian": ek.Gaussian()}[name]
    y = {"binomial": HIT, "gaussian": Y}.get(name, WORD)
    near = ek.fit(family, X, y).predict_interval(NEW)
    fit = ek.fit(family, X + shift, y)
    again = stored(fit)
    for one, other, expected in zip(
        parts(fit.predict_interval(NEW + shift)),
        parts(again.predict_interval(NEW + shift)),
        parts(near),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_allclose(one, expected, rtol=FAR if shift else SAME)


def test_responses_of_extreme_size_keep_their_errors() -> None:
    near = ek.fit(ek.Gaussian(), X, Y).predict_interval(NEW, new=True)
    far = ek.fit(ek.Gaussian(), X, 1e200 * Y).predict_interval(NEW, new=True)
    for one, other in zip(parts(near), parts(far), strict=True):
        np.testing.assert_allclose(other / 1e200, one, rtol=SAME)


@pytest.mark.parametrize("family", ["binomial", "softmax"])
def test_intervals_cover_probabilities_as_often_as_they_say(family: str) -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(300, 1))
    scores = np.column_stack([np.zeros(300), 0.4 + x[:, 0], -0.3 - 0.5 * x[:, 0]])
    points = np.array([[-1.5], [0.0], [2.0]])
    if family == "binomial":
        scores = scores[:, :2]
    truth = np.exp(np.column_stack([0 * points, 0.4 + points, -0.3 - 0.5 * points]))
    truth = truth[:, : scores.shape[1]]
    truth /= truth.sum(axis=1, keepdims=True)
    covered, replicates = 0.0, 300
    for _ in range(replicates):
        y = np.argmax(scores + rng.gumbel(size=scores.shape), axis=1)
        chosen: Any = ek.Binomial() if family == "binomial" else ek.Softmax()
        found = ek.fit(chosen, x, y).predict_interval(points)
        wanted = truth[:, 1] if family == "binomial" else truth
        covered = covered + ((found.lower <= wanted) & (wanted <= found.upper))
    # four Monte-Carlo standard errors of a share of 0.95
    assert (np.abs(covered / replicates - 0.95) < 4 * np.sqrt(0.0475 / replicates)).all()


def test_limits_stay_in_the_region_of_a_bounded_link() -> None:
    x = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    for link in ("log", "identity"):
        fit = ek.fit(ek.Binomial(link=link), x, [0, 1, 0, 0, 1, 1, 1, 0])
        found = fit.predict_interval([0, 1])
        assert (found.lower >= 0).all()
        assert (found.upper <= 1).all()
        np.testing.assert_allclose(found.mean, [0.25, 0.75], rtol=1e-9)


def test_the_frame_is_tidy_and_the_table_short() -> None:
    fit = ek.fit(ek.Softmax(), pd.DataFrame(X, columns=list("abc")), WORD)
    found = fit.predict_interval()
    frame = found.to_frame()
    assert list(frame.columns) == ["row", "outcome", "mean", "std_error", "lower", "upper"]
    assert len(frame) == 450
    assert frame["outcome"][:3].tolist() == ["low", "mid", "top"]
    np.testing.assert_array_equal(frame["upper"].to_numpy().reshape(150, 3), found.upper)
    assert "130 more rows" in str(found)
    assert "<table" in found._repr_html_()
    assert repr(found) == "Prediction(150 rows, 3 outcomes, 95% intervals)"
    with pytest.raises(ValueError, match="read-only"):
        found.mean[0] = 0.0


def test_what_cannot_be_predicted_is_refused() -> None:
    fit = ek.fit(ek.Binomial(), X, HIT)
    with pytest.raises(ek.EstkitError, match="Gaussian"):
        fit.predict_interval(NEW, new=True)
    with pytest.raises(ek.DataError, match="level"):
        fit.predict_interval(NEW, level=95)
    with pytest.raises(ek.EstkitError, match="training data"):
        stored(fit).predict_interval()
    older = {name: value for name, value in fit.to_dict().items() if name != "middle"}
    again: Any = ek.LikelihoodFit.from_dict(older)
    np.testing.assert_array_equal(again.predict(NEW), fit.predict(NEW))
    with pytest.raises(ek.EstkitError, match="fit again"):
        again.predict_interval(NEW)
