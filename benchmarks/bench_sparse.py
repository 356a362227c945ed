"""Case (d): a sparse one-hot logistic regression with an L2 penalty.

The task: the penalised estimates of 2,000 columns, 10 non-zero in each of 500,000 rows. The
criterion is the log-likelihood minus half the sum of squared slopes; the intercept is free.
Run alone: `python benchmarks/bench_sparse.py`, with `--all` for the slow peers.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from contest import Case, Contender, Data, Judgement, run
from rscript import call

import estkit as ek

Array = npt.NDArray[Any]

ROWS, FACTORS, LEVELS = 500_000, 10, 200
STRENGTH = 1.0
TOLERANCES = {
    "lbfgs": 1e-6,
    "newton-cholesky": 1e-6,
    "newton-cg": 1e-7,
    "liblinear": 1e-5,
    "saga": 1e-5,
}


def make() -> Data:
    """Draw ten factors with levels of unequal frequency, and their one-hot columns."""
    rng = np.random.default_rng(14)
    frequency = 1.0 / np.arange(1, LEVELS + 1) ** 0.7
    frequency /= frequency.sum()
    codes = np.stack([rng.choice(LEVELS, ROWS, p=frequency) for _ in range(FACTORS)], axis=1)
    columns = (codes + np.arange(FACTORS) * LEVELS).ravel()
    starts = np.arange(0, ROWS * FACTORS + 1, FACTORS)
    shape = (ROWS, FACTORS * LEVELS)
    X = sp.csr_matrix((np.ones(len(columns)), columns, starts), shape=shape)
    eta = X @ rng.normal(0.0, 0.4, shape[1]) - 0.3
    y = rng.random(ROWS) < 1.0 / (1.0 + np.exp(-eta))
    return {"X": X, "y": y.astype(float), "codes": codes}


def few(data: Data) -> Data:
    return {name: values[:5_000] for name, values in data.items()}


def judge(data: Data, answer: Any) -> Judgement:
    X, y = data["X"], data["y"]
    intercept, slopes = float(answer[0]), np.asarray(answer[1:], dtype=float)
    eta = X @ slopes + intercept
    loglik = float((y * eta - np.logaddexp(0.0, eta)).sum())
    residual = y - 1.0 / (1.0 + np.exp(-eta))
    score = np.concatenate([[residual.sum()], X.T @ residual - STRENGTH * slopes])
    value = loglik - 0.5 * STRENGTH * float(slopes @ slopes)
    return Judgement(value, float(np.abs(score).max()) / len(y))


def estkit(data: Data) -> Array:
    return ek.fit(ek.Binomial(penalty=ek.L2(STRENGTH)), data["X"], data["y"]).params


def scikit_learn(solver: str, data: Data) -> Array:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(
        solver=solver, C=1.0 / STRENGTH, tol=TOLERANCES[solver], max_iter=2000
    )
    model.fit(data["X"], data["y"])
    return np.concatenate([model.intercept_, model.coef_[0]])


def glum(categories: bool, data: Data) -> Array:
    from glum import GeneralizedLinearRegressor

    X = data["X"]
    if categories:
        import pandas as pd
        import tabmat

        levels = np.arange(LEVELS)
        X = tabmat.SplitMatrix(
            [
                tabmat.CategoricalMatrix(pd.Categorical.from_codes(column, levels))
                for column in data["codes"].T
            ]
        )
    alpha = STRENGTH / len(data["y"])
    model = GeneralizedLinearRegressor(
        family="binomial", alpha=alpha, l1_ratio=0, solver="irls-ls", gradient_tol=1e-7
    )
    model.fit(X, data["y"])
    return np.concatenate([[model.intercept_], model.coef_])


def r_glmnet(data: Data) -> Any:
    return call("glmnet_one_hot", data["codes"], data["y"], np.array([STRENGTH, LEVELS]))


CONTENDERS = [
    Contender("estkit", estkit, errors=True),
    *(
        Contender(f"scikit-learn {solver}", partial(scikit_learn, solver), "sklearn", slow=slow)
        for solver, slow in [
            ("newton-cg", False),
            ("lbfgs", False),
            ("liblinear", False),
            ("newton-cholesky", True),
            ("saga", True),
        ]
    ),
    Contender("glum irls, categories", partial(glum, True), "glum"),
    Contender("glum irls, csr", partial(glum, False), "glum", slow=True),
    Contender("R glmnet", r_glmnet, "R:glmnet", slow=True),
]

CASES = [
    Case(
        "d",
        "sparse one-hot logit, 500,000 rows, 2,000 columns, L2",
        make,
        few,
        judge,
        CONTENDERS,
        target=0.7,
    )
]

if __name__ == "__main__":
    sys.exit(run(__file__, "Sparse regression with a penalty", CASES, ["scikit-learn", "glum"]))
