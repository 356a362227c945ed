"""Cases (a), (b), (c): one large dense regression, binary and softmax.

The task: estimates and standard errors of every coefficient. Peers that give no standard errors
compete with their estimates alone.
Run alone: `python benchmarks/bench_fit.py`, with `--all` for the slow peers.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from contest import Case, Contender, Data, first_rows, run
from judges import judge_binary, judge_softmax
from rscript import call

import estkit as ek

Array = npt.NDArray[Any]

# Where each solver of scikit-learn has to stop for a relative gradient near 1e-7.
TOLERANCES = {
    "lbfgs": 1e-6,
    "newton-cholesky": 1e-6,
    "newton-cg": 1e-7,
    "sag": 1e-6,
    "saga": 1e-6,
    "liblinear": 1e-7,
}


def covariates(rng: np.random.Generator, rows: int, columns: int) -> Array:
    """Draw normal columns, two of them correlated and one of them 0 or 1."""
    X = rng.standard_normal((rows, columns))
    X[:, 1] += 0.6 * X[:, 0]
    X[:, 2] = X[:, 2] > 0.5
    return X


def make_binary(rows: int, columns: int, seed: int) -> Data:
    rng = np.random.default_rng(seed)
    X = covariates(rng, rows, columns)
    eta = X @ rng.normal(0.0, 0.4, columns) - 0.7
    y = rng.random(rows) < 1.0 / (1.0 + np.exp(-eta))
    return {"X": X, "y": y.astype(float)}


def make_softmax(rows: int, columns: int, outcomes: int, seed: int) -> Data:
    rng = np.random.default_rng(seed)
    X = covariates(rng, rows, columns)
    slopes = rng.normal(0.0, 0.35, (columns, outcomes))
    eta = X @ slopes + rng.normal(0.0, 0.5, outcomes)
    return {"X": X, "y": np.argmax(eta + rng.gumbel(size=eta.shape), axis=1)}


def with_reference(params: Any, outcomes: int) -> Array:
    """Put a row of zeros before the coefficients of the outcomes after the first."""
    rest = np.asarray(params, dtype=float).reshape(outcomes - 1, -1)
    return np.vstack([np.zeros(rest.shape[1]), rest])


# binary ------------------------------------------------------------------------------------------


def estkit_binary(data: Data) -> Array:
    return ek.fit(ek.Binomial(), data["X"], data["y"]).params


def sklearn_binary(solver: str, data: Data) -> Array:
    from sklearn.linear_model import LogisticRegression

    # liblinear cannot do without a penalty.
    strength = 1e10 if solver == "liblinear" else np.inf
    model = LogisticRegression(solver=solver, C=strength, tol=TOLERANCES[solver], max_iter=1000)
    model.fit(data["X"], data["y"])
    return np.concatenate([model.intercept_, model.coef_[0]])


def glum_binary(errors: bool, data: Data) -> Array:
    from glum import GeneralizedLinearRegressor

    model = GeneralizedLinearRegressor(
        family="binomial", alpha=0, solver="irls-ls", gradient_tol=1e-7, copy_X=False
    )
    model.fit(data["X"], data["y"])
    if errors:
        model.std_errors(data["X"], data["y"], robust=False)
    return np.concatenate([[model.intercept_], model.coef_])


def statsmodels_logit(data: Data) -> Array:
    import statsmodels.api as sm

    fit = sm.Logit(data["y"], sm.add_constant(data["X"])).fit(disp=0)
    return fit.params + 0.0 * fit.bse


def statsmodels_glm(data: Data) -> Array:
    import statsmodels.api as sm

    fit = sm.GLM(data["y"], sm.add_constant(data["X"]), sm.families.Binomial()).fit()
    return fit.params + 0.0 * fit.bse


def r_binary(function: str, data: Data) -> Any:
    return call(function, data["X"], data["y"])


# softmax -----------------------------------------------------------------------------------------


def estkit_softmax(data: Data) -> Array:
    fit = ek.fit(ek.Softmax(), data["X"], data["y"])
    return with_reference(fit.params, len(fit.outcomes))


def sklearn_softmax(solver: str, data: Data) -> Array:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(solver=solver, C=np.inf, tol=TOLERANCES[solver], max_iter=2000)
    model.fit(data["X"], data["y"])
    return np.column_stack([model.intercept_, model.coef_])


def statsmodels_softmax(method: str, data: Data) -> Array:
    import statsmodels.api as sm

    options = {"maxiter": 500, "pgtol": 1e-6} if method == "lbfgs" else {}
    model = sm.MNLogit(data["y"], sm.add_constant(data["X"]))
    fit = model.fit(disp=0, method=method, **options)
    params = np.asarray(fit.params) + 0.0 * np.asarray(fit.bse)
    return with_reference(params.T, params.shape[1] + 1)


def r_softmax(function: str, data: Data) -> Any:
    result = call(function, data["X"], data["y"])
    return result._replace(answer=with_reference(result.answer, int(data["y"].max()) + 1))


BINARY = [
    Contender("estkit", estkit_binary, errors=True),
    *(
        Contender(f"scikit-learn {solver}", partial(sklearn_binary, solver), "sklearn", slow=slow)
        for solver, slow in [
            ("newton-cholesky", False),
            ("lbfgs", False),
            ("newton-cg", False),
            ("liblinear", True),
            ("saga", True),
        ]
    ),
    Contender("glum irls", partial(glum_binary, False), "glum"),
    Contender("glum irls, standard errors", partial(glum_binary, True), "glum", errors=True),
    Contender("statsmodels Logit", statsmodels_logit, "statsmodels", errors=True),
    Contender("statsmodels GLM", statsmodels_glm, "statsmodels", errors=True, slow=True),
    Contender("R glm.fit", partial(r_binary, "glm_fit"), "R"),
    Contender(
        "R glm and summary", partial(r_binary, "glm_and_errors"), "R", errors=True, slow=True
    ),
    Contender("R glmnet, lambda 0", partial(r_binary, "glmnet_binomial"), "R:glmnet"),
]


def softmax_contenders(cholesky_is_slow: bool) -> list[Contender]:
    return [
        Contender("estkit", estkit_softmax, errors=True),
        *(
            Contender(f"scikit-learn {name}", partial(sklearn_softmax, name), "sklearn", slow=slow)
            for name, slow in [
                ("newton-cg", False),
                ("lbfgs", False),
                ("newton-cholesky", cholesky_is_slow),
                ("saga", True),
            ]
        ),
        *(
            Contender(
                f"statsmodels MNLogit {method}",
                partial(statsmodels_softmax, method),
                "statsmodels",
                errors=True,
                slow=True,
            )
            for method in ("newton", "lbfgs")
        ),
        Contender("R nnet multinom", partial(r_softmax, "nnet_multinom"), "R:nnet", slow=True),
        Contender(
            "R glmnet, lambda 0", partial(r_softmax, "glmnet_multinomial"), "R:glmnet", slow=True
        ),
    ]


CASES = [
    Case(
        "a",
        "logit, 1,000,000 rows, 20 columns",
        partial(make_binary, 1_000_000, 20, 11),
        partial(first_rows, rows=5_000, columns=3),
        judge_binary,
        BINARY,
        target=0.4,
        megabytes=64,
    ),
    Case(
        "b",
        "softmax, 10 outcomes, 200,000 rows, 50 columns",
        partial(make_softmax, 200_000, 50, 10, 12),
        partial(first_rows, rows=5_000, columns=3),
        judge_softmax,
        softmax_contenders(cholesky_is_slow=True),
        target=0.6,
    ),
    Case(
        "c",
        "softmax, 3 outcomes, 2,000,000 rows, 10 columns",
        partial(make_softmax, 2_000_000, 10, 3, 13),
        partial(first_rows, rows=5_000, columns=3),
        judge_softmax,
        softmax_contenders(cholesky_is_slow=False),
        target=0.25,
        megabytes=64,
    ),
]

if __name__ == "__main__":
    peers = ["statsmodels", "scikit-learn", "glum"]
    sys.exit(run(__file__, "Dense regressions: one large fit", CASES, peers))
