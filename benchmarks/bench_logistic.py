"""S2: the sampling distribution of logistic regression, with its model standard errors.

The task, the same for all: draw data sets of 200 rows with an intercept and three standard normal
predictors, fit each by maximum likelihood, give the estimates and their standard errors.
Run alone: `python benchmarks/bench_logistic.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
from environment import print_header
from scipy.special import expit
from timing import Answer, Competitor, answer_of_summary, compare, moments, report

import estkit as ek

Array = npt.NDArray[np.float64]
Fit = Callable[[Array, Array], tuple[Array, Array]]

ROWS = 200
INTERCEPT = -0.5
SLOPES = np.array([1.0, -0.5, 0.25])
NAMES = ("intercept", "x0", "x1", "x2")
TRUTH = dict(zip(NAMES, [INTERCEPT, *SLOPES.tolist()], strict=True))
REPLICATES = 1_000
BLOCK = 100  # data sets whose predictors fit in the second-level cache together
SEED = 1
# Peers stop at their own tolerances; the tuned one takes its curvature one tiny step early.
PARAMS_TOLERANCE, ERRORS_TOLERANCE = 1e-6, 1e-4


def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Draw predictors (..., rows, 3) and outcomes (..., rows)."""
    X = rng.standard_normal((*shape, ROWS, len(SLOPES)))
    y = rng.random((*shape, ROWS)) < expit(INTERCEPT + X @ SLOPES)
    return X, y.astype(float)


# estkit -----------------------------------------------------------------------------------------


@ek.vectorized
def draw_many(rng: np.random.Generator, replicates: int) -> tuple[Array, Array]:
    return draw(rng, (replicates,))


def draw_one(rng: np.random.Generator) -> tuple[Array, Array]:
    return draw(rng, ())


VECTORIZED = ek.Study(draw_many, {"logistic": partial(ek.fit, ek.Binomial())}, truth=TRUTH)
# A function of the user's own: estkit cannot see the fit inside, so it fits one by one.
LOOPED = ek.Study(draw_one, {"logistic": lambda X, y: ek.fit(ek.Binomial(), X, y)}, truth=TRUTH)


def run_study(study: Any, replicates: int) -> Any:
    return study.run(replicates, rng=SEED)


def run_study_and_summary(replicates: int) -> Any:
    result = VECTORIZED.run(replicates, rng=SEED)
    result.summary()
    return result


def answer_of_study(result: Any) -> Answer:
    measures = ["bias", "empirical_se", "model_se", "power"]
    return answer_of_summary(result.summary(), ["parameter"], measures)


# peers: a fit of one data set, or of a block, gives estimates and standard errors -----------------


def with_intercept(X: Array) -> Array:
    return np.concatenate([np.ones((*X.shape[:-1], 1)), X], axis=-1)


def statsmodels_logit(X: Array, y: Array) -> tuple[Array, Array]:
    import statsmodels.api as sm

    fit = sm.Logit(y, with_intercept(X)).fit(disp=0)
    return fit.params, fit.bse


def statsmodels_glm(X: Array, y: Array) -> tuple[Array, Array]:
    import statsmodels.api as sm

    fit = sm.GLM(y, with_intercept(X), sm.families.Binomial()).fit()
    return fit.params, fit.bse


def scikit_learn(X: Array, y: Array) -> tuple[Array, Array]:
    """Fit without a penalty; the standard errors, which it does not give, are made by hand."""
    from sklearn.linear_model import LogisticRegression

    design = with_intercept(X)
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-8, fit_intercept=False)
    params = model.fit(design, y).coef_[0]
    p = expit(design @ params)
    return params, np.sqrt(np.diag(np.linalg.inv((design.T * (p * (1 - p))) @ design)))


def numpy_newton(X: Array, y: Array) -> tuple[Array, Array]:
    design = with_intercept(X)
    params = np.zeros(design.shape[1])
    for _ in range(25):
        p = expit(design @ params)
        information = (design.T * (p * (1 - p))) @ design
        step = np.linalg.solve(information, design.T @ (y - p))
        params += step
        if np.abs(step).max() < 1e-8:
            break
    return params, np.sqrt(np.diag(np.linalg.inv(information)))


def numpy_newton_block(X: Array, y: Array) -> tuple[Array, Array]:
    """Fit a whole block by one batched Newton iteration: the tightest numpy we could write.

    It stops when the last step was below 1e-4, for Newton's next one would be below 1e-8.
    """
    design = np.ascontiguousarray(with_intercept(X).swapaxes(-1, -2))
    transposed = design.swapaxes(-1, -2)
    # At zero every weight is 1/4, so the first step needs no exponentials.
    score = design @ (y - 0.5)[..., None]
    params = 4 * np.linalg.solve(design @ transposed, score)[..., 0]
    for _ in range(25):
        p = (params[:, None, :] @ design)[:, 0]
        # exp(-x) in place is half the price of expit, and these predictors do not overflow it.
        np.exp(np.negative(p, out=p), out=p)
        p += 1
        np.reciprocal(p, out=p)
        score = design @ (y - p)[..., None]
        p -= p * p
        information = (design * p[:, None, :]) @ transposed
        step = np.linalg.solve(information, score)[..., 0]
        params += step
        if np.abs(step).max() < 1e-4:
            break
    variances = np.diagonal(np.linalg.inv(information), axis1=1, axis2=2)
    return params, np.sqrt(variances)


def loop(fit: Fit, replicates: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(SEED)
    pairs = [fit(*draw_one(rng)) for _ in range(replicates)]
    return np.array([params for params, _ in pairs]), np.array([errors for _, errors in pairs])


def blocks(replicates: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(SEED)
    sizes = [min(BLOCK, replicates - start) for start in range(0, replicates, BLOCK)]
    pairs = [numpy_newton_block(*draw(rng, (size,))) for size in sizes]
    return np.concatenate([p for p, _ in pairs]), np.concatenate([e for _, e in pairs])


@cache
def pin_mcpower() -> None:
    """Give that engine one thread; it allows this once in a process, before its first run."""
    from mcpower import _engine

    _engine.set_n_threads(1)


def mcpower_engine(replicates: int) -> Any:
    """Run a power study: that engine draws and fits the same model but gives rejections only."""
    from mcpower import MCPower

    pin_mcpower()
    model = MCPower("y = x0 + x1 + x2", family="logit")
    model.set_effects({name: TRUTH[name] for name in NAMES[1:]})
    model.set_baseline_probability(float(expit(INTERCEPT)))
    model.set_seed(SEED).set_simulations(replicates)
    quiet = {"progress_callback": False, "verbose": False}
    return model.find_power(sample_size=ROWS, target_test="x0, x1, x2", **quiet)


def draw_only(replicates: int) -> None:
    rng = np.random.default_rng(SEED)
    for start in range(0, replicates, BLOCK):
        draw(rng, (min(BLOCK, replicates - start),))


def answer_of_fits(result: tuple[Array, Array]) -> Answer:
    params, errors = result
    answer: dict[tuple[str, str], tuple[float, float]] = {}
    columns = zip(*moments(params, list(TRUTH.values())), strict=True)
    variances, variances_error, *_ = moments(errors**2, 0.0)
    for j, (bias, bias_error, spread, spread_error) in enumerate(columns):
        answer[NAMES[j], "bias"] = (bias, bias_error)
        answer[NAMES[j], "empirical_se"] = (spread, spread_error)
        model_se = np.sqrt(variances[j])
        answer[NAMES[j], "model_se"] = (model_se, variances_error[j] / (2 * model_se))
    return answer


def answer_of_mcpower(result: Any) -> Answer:
    replicates = result["n_sims"]
    answer = {}
    for name, power in zip(NAMES[1:], result["power_uncorrected"][0], strict=True):
        # Two added successes and failures keep the standard error above 0 at a power of 1.
        smooth = (power * replicates + 2) / (replicates + 4)
        answer[name, "power"] = (power, np.sqrt(smooth * (1 - smooth) / replicates))
    return answer


def disagreement(fit: Fit) -> str:
    """Fit the same data sets as ek.fit_many; say by how much a peer misses it, or nothing."""
    X, y = draw(np.random.default_rng(SEED), (25,))
    reference = ek.fit_many(ek.Binomial(), X, y)
    if fit is numpy_newton_block:
        params, errors = fit(X, y)
    else:
        params, errors = (np.array(part) for part in zip(*map(fit, X, y), strict=True))
    miss = np.abs(params - reference.params).max()
    miss_errors = np.abs(errors / reference.std_errors - 1).max()
    if miss <= PARAMS_TOLERANCE and miss_errors <= ERRORS_TOLERANCE:
        return ""
    return f"misses ek.fit_many by {miss:.1e} (estimates), {miss_errors:.1e} (standard errors)"


def competitors() -> list[Competitor]:
    estkit = partial(Competitor, replicates=REPLICATES, answer=answer_of_study)

    def peer(name: str, fit: Fit, needs: str | None = None) -> Competitor:
        run = blocks if fit is numpy_newton_block else partial(loop, fit)
        complaint = partial(disagreement, fit)
        return Competitor(name, run, REPLICATES, answer_of_fits, needs, complaint)

    return [
        estkit("estkit Study, vectorised, fit_many", partial(run_study, VECTORIZED)),
        estkit("estkit Study, vectorised, with summary()", run_study_and_summary),
        estkit("estkit Study, looped fit", partial(run_study, LOOPED)),
        peer("numpy, batched Newton, blocks of 100 (hand-tuned)", numpy_newton_block),
        peer("numpy Newton, loop", numpy_newton),
        peer("statsmodels Logit, loop", statsmodels_logit, "statsmodels"),
        peer("statsmodels GLM, loop", statsmodels_glm, "statsmodels"),
        peer("scikit-learn newton-cholesky, loop, own standard errors", scikit_learn, "sklearn"),
        Competitor(
            "mcpower (power only)", mcpower_engine, REPLICATES, answer_of_mcpower, "mcpower"
        ),
        Competitor("bound: generate only", draw_only, REPLICATES),
    ]


def main() -> int:
    """Print the table; give 1 when a competitor failed or disagreed."""
    print_header(
        f"S2: logistic regression, {ROWS} rows, intercept and {len(SLOPES)} predictors",
        ["scipy", "statsmodels", "scikit-learn", "mcpower"],
    )
    return 0 if report(compare(competitors())) else 1


if __name__ == "__main__":
    sys.exit(main())
