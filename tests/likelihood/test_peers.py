"""Binomial and softmax regression against statsmodels and scikit-learn, computed live.

The data sets are those that ship with the two packages, read when the test runs. Each has full rank
and a finite optimum: `test_the_peers_are_at_a_finite_optimum` shows it without estkit. (The sepals
of iris, both columns together, would not do: they separate setosa.)
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy.special import gammaln, log_softmax
from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

import estkit as ek

# Both peers end within 1e-10 of the optimum, so what is left is estkit's own error. A parameter is
# held to 1e-8 of itself, and near zero to 1e-8 of its standard error (or of 1, if that is smaller).
PARAMS = 1e-8
LOGLIK = 1e-8
# A standard error comes from a curvature, which loses half the digits of a nearly singular design.
STD_ERRORS = 1e-6
# How far a peer may be from the optimum, in standard errors: a tenth of what is asked of estkit.
AT_OPTIMUM = 1e-9

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Data:
    """One data set: columns, outcomes (labels, or rows of successes and failures), weights."""

    X: pd.DataFrame
    y: Any
    weights: Any = None

    @property
    def design(self) -> Floats:
        return np.column_stack([np.ones(len(self.X)), self.X.to_numpy(dtype=float)])

    @property
    def counts(self) -> Floats:
        """One column per outcome, the reference first (for the binomial: the failures)."""
        y = np.asarray(self.y)
        table = y[:, ::-1] if y.ndim == 2 else y[:, None] == np.unique(y)
        return table * (1.0 if self.weights is None else np.asarray(self.weights)[:, None])

    @property
    def coefficient(self) -> float:
        """The logarithm of the binomial coefficients, which only rows of counts have."""
        if np.ndim(self.y) == 1:
            return 0.0
        return float(gammaln(self.counts.sum(axis=1) + 1).sum() - gammaln(self.counts + 1).sum())


@dataclass(frozen=True)
class Answer:
    """What a peer says, its parameters outcome-major with the intercept first."""

    params: Floats
    loglik: float
    std_errors: Floats | None = None


# --- the data sets ---


def stats(name: str) -> pd.DataFrame:
    return getattr(sm.datasets, name).load_pandas().data


def learn(name: str) -> tuple[pd.DataFrame, pd.Series]:
    bunch = getattr(datasets, f"load_{name}")(as_frame=True)
    return bunch.data, bunch.target


def spector() -> Data:
    table = stats("spector")
    return Data(table[["GPA", "TUCE", "PSI"]], table["GRADE"])


def star98() -> Data:
    """Counts, and twenty raw columns with their products: condition 2e7."""
    table = stats("star98")
    return Data(table.drop(columns=["NABOVE", "NBELOW"]), table[["NABOVE", "NBELOW"]].to_numpy())


def fair_affairs() -> Data:
    table = stats("fair")
    return Data(table.drop(columns="affairs"), table["affairs"] > 0)


def anes96_vote() -> Data:
    table = stats("anes96")
    return Data(table[["logpopul", "TVnews", "selfLR", "age", "educ", "income"]], table["vote"])


def ccard_owner() -> Data:
    table = stats("ccard")
    return Data(table[["AGE", "INCOME", "AVGEXP"]], table["OWNRENT"].astype(int))


def randhie_visit() -> Data:
    table = stats("randhie")
    return Data(table.drop(columns="mdvis"), table["mdvis"] > 0)


def china_smoking() -> Data:
    """Lung cancer by smoking in eight cities, as rows with frequency weights."""
    table = stats("china_smoking")
    rows = table.reset_index().melt("Location", value_name="times")
    X = pd.get_dummies(rows["Location"], drop_first=True, dtype=float)
    X.insert(0, "smoking", rows["variable"].str.startswith("smoking_yes").astype(float))
    cancer = rows["variable"].str.endswith("cancer_yes")
    return Data(X, cancer, rows["times"].to_numpy())


def breast_cancer() -> Data:
    X, y = learn("breast_cancer")
    return Data(X[["mean radius", "mean texture", "mean smoothness", "mean symmetry"]], y)


def diabetes_median() -> Data:
    X, y = learn("diabetes")
    return Data(X, y > y.median())


def wine_first() -> Data:
    X, y = learn("wine")
    return Data(X[["malic_acid", "ash", "magnesium"]], y == 0)


def iris_two() -> Data:
    """Versicolor and virginica, which the sepals do not separate."""
    X, y = learn("iris")
    return Data(X.iloc[50:, :2], y[50:] == 2)


def digits_odd() -> Data:
    data = digits()
    return Data(data.X, data.y % 2)


def fair_marriage() -> Data:
    table = stats("fair")
    columns = ["age", "yrs_married", "children", "religious", "educ", "occupation"]
    return Data(table[columns], table["rate_marriage"])


def anes96_party() -> Data:
    table = stats("anes96")
    return Data(table[["logpopul", "selfLR", "age", "educ", "income"]], table["PID"])


def randhie_health() -> Data:
    table = stats("randhie")
    health = np.full(len(table), "excellent")
    for column, label in (("hlthg", "good"), ("hlthf", "fair"), ("hlthp", "poor")):
        health[table[column] == 1] = label
    return Data(table[["lncoins", "idp", "lpi", "fmde", "physlm", "disea"]], health)


def travel_mode() -> Data:
    table = stats("modechoice").query("choice == 1")
    return Data(table[["hinc", "psize"]], table["mode"].astype(int))


def iris() -> Data:
    X, y = learn("iris")
    return Data(X[["sepal width (cm)"]], y)


def wine() -> Data:
    """Near separation: fitted log-odds up to 22."""
    X, y = learn("wine")
    return Data(X[["alcohol", "ash", "hue"]], y)


def digits() -> Data:
    """Ten outcomes, fitted log-odds up to 57."""
    X, y = learn("digits")
    scores = PCA(5, svd_solver="full").fit_transform(X.to_numpy())
    return Data(pd.DataFrame(scores, columns=[f"score{j}" for j in range(5)]), y)


def diabetes_thirds() -> Data:
    X, y = learn("diabetes")
    return Data(X, pd.qcut(y, 3, labels=["low", "middle", "top"]).astype(str))


BINOMIAL: tuple[Callable[[], Data], ...] = (
    spector, star98, fair_affairs, anes96_vote, ccard_owner, randhie_visit, china_smoking,
    breast_cancer, diabetes_median, wine_first, iris_two, digits_odd,
)  # fmt: skip
SOFTMAX: tuple[Callable[[], Data], ...] = (
    fair_marriage, anes96_party, randhie_health, travel_mode, iris, wine, digits, diabetes_thirds,
)  # fmt: skip
ALL = BINOMIAL + SOFTMAX


# --- the peers, and an evaluator that is neither of them nor estkit ---


@cache
def statsmodels(load: Callable[[], Data]) -> Answer:
    """Newton's method to tol 1e-14; rows of counts and frequency weights need GLM."""
    data = load()
    if load in SOFTMAX:
        # The step of a large coefficient never gets below 1e-14, so statsmodels would warn after
        # its last iteration; where it then stands is checked below.
        fit = sm.MNLogit(data.counts.argmax(axis=1), data.design).fit(
            method="newton", tol=1e-14, maxiter=50, disp=False, warn_convergence=False
        )
    elif np.ndim(data.y) == 2 or data.weights is not None:
        y = data.y if np.ndim(data.y) == 2 else np.asarray(data.y, dtype=float)
        model = sm.GLM(y, data.design, family=sm.families.Binomial(), freq_weights=data.weights)
        fit = model.fit(tol=1e-14, maxiter=50, tol_criterion="params")
    else:
        fit = sm.Logit(data.counts[:, 1], data.design).fit(
            method="newton", tol=1e-14, maxiter=50, disp=False, warn_convergence=False
        )
    return Answer(np.ravel(np.asarray(fit.params).T), fit.llf, np.ravel(np.asarray(fit.bse).T))


@cache
def scikit_learn(load: Callable[[], Data]) -> Answer:
    """Newton-cholesky without penalty, each outcome of a row one weighted row.

    The other solvers cannot be held to 1e-8: at the same tol lbfgs, the default, stops with
    parameters off by up to 1e-3 (star98: 1), and newton-cg by up to 1e-8. scikit-learn gives no
    log-likelihood and no standard errors; the first is computed here at its parameters.
    """
    data = load()
    counts = data.counts
    outcome, row = np.nonzero(counts.T)
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-14, max_iter=1000)
    with warnings.catch_warnings():
        # At tol 1e-14 the line search may end in rounding; where it then stands is checked below.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(data.X.to_numpy(dtype=float)[row], outcome, sample_weight=counts[row, outcome])
    params = np.column_stack([model.intercept_, model.coef_])
    if load in SOFTMAX:  # one set of parameters per outcome: subtract the reference
        params = params[1:] - params[0]
    params = params.ravel()
    return Answer(params, evaluate(data, params)[0] + data.coefficient)


def evaluate(data: Data, params: Floats) -> tuple[float, Floats, Floats]:
    """Log-likelihood without the coefficient, score and information, written with scipy alone."""
    X, counts = data.design, data.counts
    total = counts.sum(axis=1)
    eta = np.column_stack([np.zeros(len(X)), X @ params.reshape(-1, X.shape[1]).T])
    log_p = log_softmax(eta, axis=1)
    p = np.exp(log_p)[:, 1:]
    score = ((counts[:, 1:] - total[:, None] * p).T @ X).ravel()
    k = p.shape[1]
    blocks = [
        [X.T @ ((total * p[:, i] * ((i == j) - p[:, j]))[:, None] * X) for j in range(k)]
        for i in range(k)
    ]
    return float((counts * log_p).sum()), score, np.block(blocks)


def newton_step(data: Data, params: Floats) -> tuple[Floats, Floats]:
    """Return the Newton step from `params` and their standard errors, in units of one diagonal."""
    _, score, information = evaluate(data, params)
    unit = 1 / np.sqrt(np.diag(information))
    covariance = np.linalg.inv(information * np.outer(unit, unit))
    return unit * (covariance @ (unit * score)), unit * np.sqrt(np.diag(covariance))


PEERS = (statsmodels, scikit_learn)


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("load", ALL)
def test_the_peers_are_at_a_finite_optimum(
    load: Callable[[], Data], peer: Callable[..., Answer]
) -> None:
    data = load()
    assert np.linalg.matrix_rank(data.design) == data.design.shape[1]
    params = peer(load).params
    step, std_errors = newton_step(data, params)
    assert np.abs(step / std_errors).max() < AT_OPTIMUM
    # Under separation the parameters run away and the information vanishes with them.
    largest = np.abs(data.X.to_numpy(dtype=float)).max(axis=0)
    assert (std_errors.reshape(-1, data.design.shape[1])[:, 1:] * largest).max() < 1e3


# --- estkit against both ---


@cache
def ours(load: Callable[[], Data]) -> Any:
    data = load()
    family = ek.Softmax() if load in SOFTMAX else ek.Binomial()
    return ek.fit(family, data.X, data.y, weights=data.weights)


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("load", ALL)
def test_params(load: Callable[[], Data], peer: Callable[..., Answer]) -> None:
    params = peer(load).params
    _, std_errors = newton_step(load(), params)
    allowed = PARAMS * (np.abs(params) + np.minimum(1.0, std_errors))
    np.testing.assert_array_less(np.abs(ours(load).params - params), allowed)


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("load", ALL)
def test_loglik(load: Callable[[], Data], peer: Callable[..., Answer]) -> None:
    assert ours(load).loglik == pytest.approx(peer(load).loglik, rel=LOGLIK, abs=0)


@pytest.mark.parametrize("load", ALL)
def test_std_errors(load: Callable[[], Data]) -> None:
    expected = statsmodels(load).std_errors
    np.testing.assert_allclose(ours(load).std_errors, expected, rtol=STD_ERRORS)


@pytest.mark.parametrize("load", ALL)
def test_converged(load: Callable[[], Data]) -> None:
    assert ours(load).converged, ours(load).reason
