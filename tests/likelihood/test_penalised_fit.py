"""What a penalised fit answers, what it refuses and why, and that it survives storage."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pytest

import estkit as ek

RNG = np.random.default_rng(0)
N = 90
X = RNG.normal(size=(N, 3))
HIT = (RNG.random(N) < 1 / (1 + np.exp(-X[:, 0]))).astype(int)
LEVELS = np.array(list("abc"))[np.argmax(X + RNG.gumbel(size=(N, 3)), axis=1)]
NUMBERS = X[:, 0] + RNG.normal(size=N)

SPARSE = {"l1": ek.L1(3.0), "net": ek.ElasticNet(3.0, 0.5)}
EVERY: dict[str, Any] = {**SPARSE, "l2": ek.L2(3.0), "jeffreys": ek.Jeffreys()}


def fitted(penalty: Any, kind: str = "binomial") -> Any:
    if kind == "binomial":
        return ek.fit(ek.Binomial(penalty=penalty), X, HIT)
    if kind == "softmax":
        return ek.fit(ek.Softmax(penalty=penalty), X, LEVELS)
    return ek.fit(ek.Gaussian(penalty=penalty), X, NUMBERS)


QUESTIONS: dict[str, Any] = {
    "covariance": lambda fit: fit.covariance(),
    "robust covariance": lambda fit: fit.covariance("HC0"),
    "interval": lambda fit: fit.interval(),
    "profile": lambda fit: fit.interval(method="profile"),
    "frame with robust errors": lambda fit: fit.to_frame(kind="HC0"),
    "Wald test": lambda fit: fit.wald_test(),
    "score test": lambda fit: fit.score_test(),
    "likelihood-ratio test": lambda fit: fit.likelihood_ratio(["x0"]),
    "function of parameters": lambda fit: fit.delta(lambda params: params.x0),
    "prediction interval": lambda fit: fit.predict_interval(),
    "margins": lambda fit: fit.margins(),
}


@pytest.mark.parametrize("penalty", SPARSE)
@pytest.mark.parametrize("question", QUESTIONS)
def test_l1_has_no_errors_and_says_what_to_do(penalty: str, question: str) -> None:
    with pytest.raises(ek.EstkitError, match="chosen by these data") as caught:
        QUESTIONS[question](fitted(SPARSE[penalty]))
    assert "bootstrap" in str(caught.value)


@pytest.mark.parametrize("penalty", SPARSE)
@pytest.mark.parametrize("kind", ["binomial", "softmax", "gaussian"])
def test_l1_shows_estimates_without_errors(penalty: str, kind: str) -> None:
    fit = fitted(SPARSE[penalty], kind)
    frame = fit.to_frame()
    assert frame["std_error"].isna().all()
    assert frame["p_value"].isna().all()
    np.testing.assert_array_equal(frame["estimate"], fit.params)
    assert "There are no standard errors" in str(fit)
    assert "KKT conditions hold to" in str(fit)
    assert fit.to_estimate().status == "ok"


@pytest.mark.parametrize("question", ["profile", "score test", "likelihood-ratio test"])
def test_l2_refuses_what_needs_the_maximum_of_the_likelihood(question: str) -> None:
    with pytest.raises(ek.EstkitError, match="wald"):
        QUESTIONS[question](fitted(EVERY["l2"]))


@pytest.mark.parametrize("kind", ["observed", "expected"])
def test_l2_refuses_covariances_of_another_estimator(kind: str) -> None:
    with pytest.raises(ek.EstkitError, match="'penalized'"):
        fitted(EVERY["l2"]).covariance(kind)


def test_l2_says_what_its_errors_leave_out() -> None:
    text = str(fitted(EVERY["l2"]))
    assert "leave out the bias" in text
    assert "effective parameters" in text


@pytest.mark.parametrize("penalty", ["l2", "jeffreys"])
def test_functions_predictions_and_margins_use_the_errors_of_the_fit(penalty: str) -> None:
    fit = fitted(EVERY[penalty])
    assert fit.delta(lambda params: params.x1).std_error == pytest.approx(fit.std_errors[2])
    columns = np.column_stack([np.ones(N), X])
    errors = np.sqrt(np.einsum("ij,jk,ik->i", columns, fit.covariance(), columns))
    share = fit.predict()
    wanted = share * (1 - share) * errors
    stored = ek.LikelihoodFit.from_dict(json.loads(json.dumps(fit.to_dict())))
    for again in (fit, stored):
        np.testing.assert_allclose(again.predict_interval(X).std_error, wanted, rtol=1e-8)
    effect = float(fit.margins("x0").to_frame()["effect"].iloc[0])
    assert effect == pytest.approx(np.mean(share * (1 - share)) * fit.params[1], rel=1e-8)


def test_jeffreys_refuses_a_score_test() -> None:
    with pytest.raises(ek.EstkitError, match="no score test"):
        fitted(EVERY["jeffreys"]).score_test()


def test_jeffreys_has_all_covariances() -> None:
    fit = fitted(EVERY["jeffreys"])
    np.testing.assert_allclose(fit.covariance("observed"), fit.covariance(), rtol=1e-9)
    columns = np.column_stack([np.ones(N), X])
    residual = HIT - fit.predict()
    middle = (columns.T * residual**2) @ columns
    wanted = fit.covariance() @ middle @ fit.covariance()
    np.testing.assert_allclose(fit.covariance("HC0"), wanted, rtol=1e-9)


@pytest.mark.parametrize("penalty", EVERY)
@pytest.mark.parametrize("kind", ["binomial", "softmax", "gaussian"])
def test_loglik_and_predictions_are_those_of_the_params(penalty: str, kind: str) -> None:
    if (penalty, kind) == ("jeffreys", "gaussian"):
        penalty = "l2"
    fit = fitted(EVERY[penalty], kind)
    eta = np.column_stack([np.ones(N), X]) @ fit.params.reshape(-1, 4).T
    if kind == "gaussian":
        np.testing.assert_allclose(fit.predict(), eta[:, 0], rtol=1e-10)
        variance = np.mean((NUMBERS - eta[:, 0]) ** 2)
        loglik = -0.5 * N * (np.log(2 * np.pi * variance) + 1)
    else:
        full = np.column_stack([np.zeros(N), eta])
        share = np.exp(full) / np.exp(full).sum(axis=1, keepdims=True)
        predicted = fit.predict()
        np.testing.assert_allclose(predicted, share[:, 1] if predicted.ndim == 1 else share)
        codes = HIT if kind == "binomial" else np.searchsorted(list("abc"), LEVELS)
        loglik = np.log(share[np.arange(N), codes]).sum()
    assert fit.loglik == pytest.approx(loglik, rel=1e-10)


@pytest.mark.parametrize("penalty", EVERY)
@pytest.mark.parametrize("symmetric", [False, True])
def test_new_rows_and_storage(penalty: str, symmetric: bool) -> None:
    fit = ek.fit(ek.Softmax(symmetric=symmetric, penalty=EVERY[penalty]), X, LEVELS)
    new = RNG.normal(size=(4, 3))
    stored = ek.LikelihoodFit.from_dict(json.loads(json.dumps(fit.to_dict())))
    pickled = pickle.loads(pickle.dumps(fit))
    for again in (stored, pickled):
        np.testing.assert_array_equal(again.predict(new), fit.predict(new))
        np.testing.assert_array_equal(again.params, fit.params)
        np.testing.assert_array_equal(again.std_errors, fit.std_errors)
        assert type(again) is type(fit)
        assert str(again) == str(fit)
        assert (again.aic, again.bic, again.objective) == (fit.aic, fit.bic, fit.objective)
    np.testing.assert_array_equal(fit.predict(X), fit.predict())


def test_a_failed_fit_under_a_penalty_can_be_stored() -> None:
    fit = ek.fit(ek.Binomial(penalty=ek.L1(1.0)), X, np.ones(N, int), errors="return")
    assert not fit.converged
    assert "only one outcome" in fit.reason
    again = ek.LikelihoodFit.from_dict(json.loads(json.dumps(fit.to_dict())))
    assert again.family == fit.family


def test_effective_parameters_of_l1_are_those_that_are_not_0() -> None:
    fit = fitted(ek.L1(6.0))
    assert fit.effective == 1 + np.count_nonzero(fit.params[1:])
    assert fit.aic == pytest.approx(2 * fit.effective - 2 * fit.loglik)


def test_effective_parameters_of_the_net_lie_between() -> None:
    fit = fitted(ek.ElasticNet(4.0, 0.5))
    used = np.flatnonzero(fit.params)
    columns = np.column_stack([np.ones(N), X])[:, used]
    share = fit.predict()
    information = (columns.T * (share * (1 - share))) @ columns
    price = np.diag(2.0 * (used > 0))
    trace = np.trace(np.linalg.solve(information + price, information))
    assert fit.effective == pytest.approx(trace, rel=1e-8)


def test_sampling_weights_leave_no_criteria() -> None:
    fit = ek.fit(ek.Binomial(penalty=ek.L1(1.0)), X, HIT, sampling_weights=RNG.random(N) + 1)
    with pytest.raises(ek.EstkitError):
        _ = fit.aic
    assert "pseudo-log-likelihood" in str(fit)


def test_simulation_and_bootstrap_start_from_the_penalised_fit() -> None:
    fit = fitted(ek.L1(6.0))
    drawn = fit.simulate(rng=1, replicates=2000)
    # a share of 2000 draws is known to about 0.011
    np.testing.assert_allclose(drawn.mean(axis=0), fit.predict(), atol=0.06)
    study = fit.bootstrap(60, rng=1)
    assert study.summary("bias").value[1] < 0


def test_results_cannot_be_changed() -> None:
    fit = fitted(ek.L1(6.0))
    for array in (fit.params, fit.std_errors):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


def test_a_start_changes_nothing() -> None:
    for penalty in EVERY.values():
        fit = fitted(penalty)
        again = ek.fit(ek.Binomial(penalty=penalty), X, HIT, start=fit.params + 1)
        np.testing.assert_allclose(again.params, fit.params, rtol=1e-8, atol=1e-9)
