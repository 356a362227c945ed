"""Case (f): 10,000 small regressions in one call, with standard errors.

The task: estimates and standard errors of 10,000 logistic regressions of 200 rows, an intercept and
4 columns, each with data of its own; then the same for 2,000 softmax regressions of 3 outcomes.
Peers that fit one at a time run on a part of the data sets, their time is that of all.
Run alone: `python benchmarks/bench_many.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from contest import Case, Contender, Data, Judgement, run
from rscript import call

import estkit as ek

Array = npt.NDArray[Any]

ROWS, COLUMNS, OUTCOMES = 200, 4, 3


def make_binary(replicates: int, seed: int) -> Data:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((replicates, ROWS, COLUMNS))
    slopes = rng.normal(0.0, 0.5, (replicates, COLUMNS))
    eta = np.einsum("rnp,rp->rn", X, slopes) + 0.2
    return {"X": X, "y": (rng.random(eta.shape) < 1.0 / (1.0 + np.exp(-eta))).astype(float)}


def make_softmax(replicates: int, seed: int) -> Data:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((replicates, ROWS, COLUMNS))
    slopes = rng.normal(0.0, 0.5, (replicates, COLUMNS, OUTCOMES))
    eta = X @ slopes
    return {"X": X, "y": np.argmax(eta + rng.gumbel(size=eta.shape), axis=2)}


def few(data: Data) -> Data:
    return {name: values[:20] for name, values in data.items()}


# the judge: by how much each fit falls short, from its own gradient and curvature -----------------


def judge_softmaxes(data: Data, answer: Array) -> Judgement:
    """Judge parameters (R, K - 1, 1 + p) by ½ gᵀ H⁻¹ g, which is how far each lies from the top."""
    params = np.asarray(answer, dtype=float)
    short, slope = 0.0, 0.0
    for own, X, y in zip(params, data["X"], data["y"], strict=False):
        design = np.column_stack([np.ones(len(X)), X])
        eta = np.column_stack([np.zeros(len(X)), design @ own.T])
        shares = np.exp(eta - eta.max(axis=1, keepdims=True))
        shares = (shares / shares.sum(axis=1, keepdims=True))[:, 1:]
        seen = (y[:, None] == np.arange(1, len(own) + 1)).astype(float)
        gradient = ((seen - shares).T @ design).ravel()
        weight = shares[:, :, None] * (np.eye(len(own)) - shares[:, None, :])
        hessian = np.einsum("njk,na,nb->jakb", weight, design, design)
        hessian = hessian.reshape(gradient.size, -1)
        short += 0.5 * float(gradient @ np.linalg.solve(hessian, gradient))
        slope = max(slope, float(np.abs(gradient).max()) / len(X))
    return Judgement(-short, slope)


def judge_binaries(data: Data, answer: Array) -> Judgement:
    """Judge parameters (R, 1 + p), as softmax with two outcomes."""
    return judge_softmaxes(data, np.asarray(answer)[:, None, :])


# contenders --------------------------------------------------------------------------------------


def estkit_many(family: Any, data: Data) -> Array:
    fits = ek.fit_many(family, data["X"], data["y"])
    if isinstance(family, ek.Softmax):
        return fits.params.reshape(len(fits.params), OUTCOMES - 1, -1)
    return fits.params


def loop(fit: Callable[[Array, Array], Array], share: float, data: Data) -> Array:
    """Fit one after another, a part of them."""
    part = max(1, round(share * len(data["y"])))
    return np.array([fit(X, y) for X, y in zip(data["X"][:part], data["y"][:part], strict=True)])


def estkit_one(family: Any, X: Array, y: Array) -> Array:
    params = ek.fit(family, X, y).params
    return params.reshape(OUTCOMES - 1, -1) if isinstance(family, ek.Softmax) else params


def statsmodels_logit(X: Array, y: Array) -> Array:
    import statsmodels.api as sm

    fit = sm.Logit(y, sm.add_constant(X)).fit(disp=0)
    return fit.params + 0.0 * fit.bse


def statsmodels_glm(X: Array, y: Array) -> Array:
    import statsmodels.api as sm

    fit = sm.GLM(y, sm.add_constant(X), sm.families.Binomial()).fit()
    return fit.params + 0.0 * fit.bse


def statsmodels_mnlogit(X: Array, y: Array) -> Array:
    import statsmodels.api as sm

    fit = sm.MNLogit(y, sm.add_constant(X)).fit(disp=0)
    return np.asarray(fit.params).T + 0.0 * np.asarray(fit.bse).T


def scikit_learn(solver: str, X: Array, y: Array) -> Array:
    from sklearn.linear_model import LogisticRegression

    strength = 1e10 if solver == "liblinear" else np.inf
    model = LogisticRegression(solver=solver, C=strength, tol=1e-7, max_iter=200).fit(X, y)
    params = np.column_stack([model.intercept_, model.coef_])
    return params[0] if len(params) == 1 else params[1:] - params[0]


def glum(X: Array, y: Array) -> Array:
    from glum import GeneralizedLinearRegressor

    model = GeneralizedLinearRegressor(family="binomial", alpha=0, gradient_tol=1e-8).fit(X, y)
    return np.concatenate([[model.intercept_], model.coef_])


def r_glm(share: float, data: Data) -> Any:
    part = max(1, round(share * len(data["y"])))
    result = call("glm_loop", data["X"][:part], data["y"][:part])
    return result._replace(answer=result.answer.reshape(COLUMNS + 1, -1).T)


def looped(
    name: str, fit: Callable[[Array, Array], Array], share: float, needs: str | None, **said: bool
) -> Contender:
    return Contender(name, partial(loop, fit, share), needs, share=share, **said)


BINARY = [
    Contender("estkit fit_many", partial(estkit_many, ek.Binomial()), errors=True),
    looped("estkit fit, loop", partial(estkit_one, ek.Binomial()), 0.05, None, errors=True),
    looped("statsmodels Logit, loop", statsmodels_logit, 0.05, "statsmodels", errors=True),
    looped("statsmodels GLM, loop", statsmodels_glm, 0.05, "statsmodels", errors=True),
    *(
        looped(f"scikit-learn {solver}, loop", partial(scikit_learn, solver), 0.05, "sklearn")
        for solver in ("liblinear", "lbfgs", "newton-cholesky")
    ),
    looped("glum irls, loop", glum, 0.05, "glum"),
    Contender("R glm.fit, loop", partial(r_glm, 0.2), "R", share=0.2),
]

SOFTMAX = [
    Contender("estkit fit_many", partial(estkit_many, ek.Softmax()), errors=True),
    looped("statsmodels MNLogit, loop", statsmodels_mnlogit, 0.1, "statsmodels", errors=True),
    *(
        looped(f"scikit-learn {solver}, loop", partial(scikit_learn, solver), 0.1, "sklearn")
        for solver in ("lbfgs", "newton-cholesky")
    ),
]

CASES = [
    Case(
        "f",
        "10,000 logits, 200 rows, 4 columns",
        partial(make_binary, 10_000, 16),
        few,
        judge_binaries,
        BINARY,
        target=0.04,
        rival="statsmodels Logit, loop",
        algebra=1,
    ),
    Case(
        "s",
        "2,000 softmax fits, 3 outcomes, 200 rows, 4 columns",
        partial(make_softmax, 2_000, 17),
        few,
        judge_softmaxes,
        SOFTMAX,
        target=0.04,
        rival="statsmodels MNLogit, loop",
        algebra=1,
    ),
]

if __name__ == "__main__":
    peers = ["statsmodels", "scikit-learn", "glum"]
    sys.exit(run(__file__, "Many small regressions in one call", CASES, peers))
