"""Case (e): the path of an L1 penalty, from no column to many.

The task: 50 penalised logistic regressions with 20,000 rows and 2,000 dense columns, each penalty a
constant factor below the one before, down to a hundredth of the first. An answer is judged by the
sum of its penalised log-likelihoods and by the conditions of Karush, Kuhn and Tucker.
Run alone: `python benchmarks/bench_path.py`, with `--all` for the slow peers.
"""

from __future__ import annotations

import math
import sys
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from contest import Case, Contender, Data, Judgement, run
from rscript import call

import estkit as ek

Array = npt.NDArray[Any]

ROWS, COLUMNS, PENALTIES = 20_000, 2_000, 50
CHECKED = 5  # every so many penalties


def make() -> Data:
    """Draw correlated standardised columns, of which 50 matter."""
    rng = np.random.default_rng(15)
    common = rng.standard_normal((ROWS, 20))
    X = rng.standard_normal((ROWS, COLUMNS)) + 0.5 * common[:, np.arange(COLUMNS) % 20]
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    slopes = np.zeros(COLUMNS)
    slopes[rng.choice(COLUMNS, 50, replace=False)] = rng.normal(0.0, 0.5, 50)
    y = (rng.random(ROWS) < 1.0 / (1.0 + np.exp(-(X @ slopes)))).astype(float)
    return complete(X, y)


def complete(X: Array, y: Array) -> Data:
    """Add the penalties: the largest is where the first column enters."""
    largest = float(np.abs(X.T @ (y - y.mean())).max())
    strengths = largest * np.logspace(0.0, -2.0, PENALTIES)
    return {"X": np.asfortranarray(X), "y": y, "strengths": strengths}


def few(data: Data) -> Data:
    return complete(data["X"][:500, :100], data["y"][:500])


def judge(data: Data, answer: Any) -> Judgement:
    """Judge (penalties, 1 + p): the sum of objectives, and the largest violation by the rows."""
    X, y, strengths = data["X"], data["y"], data["strengths"]
    params = np.asarray(answer, dtype=float)
    objectives, worst = [], 0.0
    for number, (own, strength) in enumerate(zip(params, strengths, strict=True)):
        intercept, slopes = own[0], own[1:]
        used = np.flatnonzero(slopes)
        eta = X[:, used] @ slopes[used] + intercept
        loglik = float((y * eta - np.logaddexp(0.0, eta)).sum())
        objectives.append(loglik - strength * float(np.abs(slopes).sum()))
        if number % CHECKED == CHECKED - 1:
            residual = y - 1.0 / (1.0 + np.exp(-eta))
            score = X.T @ residual
            at_zero = np.maximum(np.abs(score) - strength, 0.0)
            violation = np.where(slopes == 0, at_zero, np.abs(score - strength * np.sign(slopes)))
            worst = max(worst, float(violation.max()), abs(float(residual.sum())))
    return Judgement(math.fsum(objectives), worst / len(y))


def estkit(data: Data) -> Array:
    path = ek.path(ek.Binomial(), data["X"], data["y"], strengths=data["strengths"])
    return path.params


def r_glmnet(threshold: float, data: Data) -> Any:
    result = call("glmnet_path", data["X"], data["y"], data["strengths"], np.array(threshold))
    return result._replace(answer=result.answer.reshape(len(data["strengths"]), -1))


def celer(data: Data) -> Array:
    """Run without an intercept, which celer's logistic regression does not have."""
    from celer import celer_path

    signs = 2.0 * data["y"] - 1.0
    tolerance = 1e-6 * len(signs) * math.log(2.0)
    _, slopes, _ = celer_path(
        data["X"],
        signs,
        pb="logreg",
        alphas=data["strengths"],
        tol=tolerance,
        max_iter=100,
        prune=True,
        use_PN=True,
    )
    return np.column_stack([np.zeros(slopes.shape[1]), slopes.T])


def skglm(data: Data) -> Array:
    from skglm.datafits import Logistic
    from skglm.penalties import L1
    from skglm.solvers import ProxNewton
    from skglm.utils.jit_compilation import compiled_clone

    X, signs = data["X"], 2.0 * data["y"] - 1.0
    solver = ProxNewton(tol=1e-6, fit_intercept=True, warm_start=True)
    datafit = compiled_clone(Logistic())
    datafit.initialize(X, signs)
    params, fitted, path = np.zeros(X.shape[1] + 1), np.zeros(len(signs)), []
    for strength in data["strengths"]:
        penalty = compiled_clone(L1(strength / len(signs)))
        params, _, _ = solver.solve(X, signs, datafit, penalty, params, fitted)
        fitted = X @ params[:-1] + params[-1]
        path.append(np.roll(params, 1))
    return np.array(path)


def glum(data: Data) -> Array:
    from glum import GeneralizedLinearRegressor

    alphas = list(data["strengths"] / len(data["y"]))
    model = GeneralizedLinearRegressor(
        family="binomial",
        l1_ratio=1,
        alpha_search=True,
        alpha=alphas,
        gradient_tol=1e-5,
        solver="irls-cd",
    )
    model.fit(data["X"], data["y"])
    return np.column_stack([model.intercept_path_, model.coef_path_])


CONTENDERS = [
    Contender("estkit", estkit),
    Contender("R glmnet, thresh 1e-7", partial(r_glmnet, 1e-7), "R:glmnet"),
    Contender("R glmnet, thresh 1e-9", partial(r_glmnet, 1e-9), "R:glmnet"),
    Contender("celer prox-Newton, no intercept", celer, "celer", slow=True),
    Contender("skglm prox-Newton", skglm, "skglm", slow=True),
    Contender("glum irls-cd", glum, "glum", slow=True),
]

CASES = [
    Case(
        "e",
        "L1 logit path, 20,000 rows, 2,000 columns, 50 penalties",
        make,
        few,
        judge,
        CONTENDERS,
        target=1.0,
        slope="KKT error / n",
    )
]

if __name__ == "__main__":
    sys.exit(run(__file__, "Regularisation path", CASES, ["celer", "skglm", "glum"]))
