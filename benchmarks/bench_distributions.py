"""Case (g): distributions fitted to 100,000 draws.

The task: the two parameters of a gamma, Weibull, beta or negative binomial law by maximum
likelihood, with their standard errors where the contender gives any. The location is known to be 0
and the range of beta to be from 0 to 1. An answer is judged by scipy's densities.
Run alone: `python benchmarks/bench_distributions.py`, with `--all` for the slow peers.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from contest import Case, Contender, Data, Judgement, run
from rscript import call
from scipy import stats

import estkit as ek

Array = npt.NDArray[Any]

ROWS = 100_000
SMALL_STEP = 1e-5


class Law(NamedTuple):
    """A law by its two free parameters: how it is drawn, its density, and what is known of it."""

    draw: Callable[[np.random.Generator, int], Array]
    density: Callable[[Array, float, float], Array]
    law: Any
    names: tuple[str, str]
    known: dict[str, float]
    start: tuple[float, float]


LAWS = {
    "gamma": Law(
        lambda rng, n: rng.gamma(2.3, 1.7, n),
        lambda x, a, scale: stats.gamma.logpdf(x, a, 0.0, scale),
        stats.gamma,
        ("a", "scale"),
        {"loc": 0.0},
        (1.5, 1.5),
    ),
    "weibull_min": Law(
        lambda rng, n: 3.1 * rng.weibull(1.4, n),
        lambda x, c, scale: stats.weibull_min.logpdf(x, c, 0.0, scale),
        stats.weibull_min,
        ("c", "scale"),
        {"loc": 0.0},
        (1.5, 1.5),
    ),
    "beta": Law(
        lambda rng, n: rng.beta(2.0, 5.0, n),
        lambda x, a, b: stats.beta.logpdf(x, a, b),
        stats.beta,
        ("a", "b"),
        {"loc": 0.0, "scale": 1.0},
        (1.5, 1.5),
    ),
    "nbinom": Law(
        lambda rng, n: rng.negative_binomial(3.5, 3.5 / 9.5, n).astype(float),
        lambda x, n, p: stats.nbinom.logpmf(x, n, p),
        stats.nbinom,
        ("n", "p"),
        {"loc": 0.0},
        (1.5, 0.5),
    ),
}


def make(name: str, seed: int) -> Data:
    return {"x": LAWS[name].draw(np.random.default_rng(seed), ROWS)}


def few(data: Data) -> Data:
    return {"x": data["x"][:2_000]}


def judge(name: str, data: Data, answer: Any) -> Judgement:
    """Judge by the mean log-density, and by its central differences in the logarithms."""
    law, x = LAWS[name], data["x"]
    params = np.asarray(answer, dtype=float)

    def loglik(point: Array) -> float:
        return math.fsum(law.density(x, *point))

    slopes = []
    for j in range(2):
        up, down = params.copy(), params.copy()
        up[j] *= 1.0 + SMALL_STEP
        down[j] *= 1.0 - SMALL_STEP
        slopes.append((loglik(up) - loglik(down)) / (2.0 * SMALL_STEP * len(x)))
    return Judgement(loglik(params), float(np.abs(slopes).max()))


def estkit(name: str, data: Data) -> Array:
    law = LAWS[name]
    fit = ek.fit(ek.Distribution(name, fixed=law.known), data["x"])
    assert len(fit.std_errors) == 2  # they are computed when they are asked for
    found = dict(zip(fit.names, fit.params, strict=True))
    return np.array([found[parameter] for parameter in law.names])


def scipy_method(name: str, data: Data) -> Array:
    known = {{"loc": "floc", "scale": "fscale"}[key]: v for key, v in LAWS[name].known.items()}
    first, *rest = LAWS[name].law.fit(data["x"], **known)
    # gamma and Weibull: shape, loc, scale; beta: a, b, loc, scale
    return np.array([first, rest[0] if name == "beta" else rest[1]])


def scipy_stats_fit(name: str, data: Data) -> Array:
    law = LAWS[name]
    whole = name == "nbinom"
    x = data["x"].astype(int) if whole else data["x"]
    ranges = {"n": (1, 50), "p": (1e-3, 0.999)} if whole else dict.fromkeys(law.names, (0.01, 50.0))
    found = stats.fit(law.law, x, ranges).params
    return np.array([getattr(found, parameter) for parameter in law.names])


def iminuit(name: str, data: Data) -> Array:
    from iminuit import Minuit
    from iminuit.cost import UnbinnedNLL

    law = LAWS[name]

    def density(x: Array, first: float, second: float) -> Array:
        return law.density(x, first, second)

    minuit = Minuit(UnbinnedNLL(data["x"], density, log=True), *law.start)
    minuit.limits = [(1e-3, None), (1e-3, 0.9999 if name == "nbinom" else None)]
    minuit.tol = 1e-3
    minuit.migrad()
    minuit.hesse()
    return np.array(minuit.values)


def statsmodels(name: str, data: Data) -> Array:
    """Fit the logarithms of the parameters, and the logit of a probability."""
    from statsmodels.base.model import GenericLikelihoodModel

    law = LAWS[name]

    def natural(params: Array) -> Array:
        first, second = np.exp(params)
        return np.array([first, second / (1.0 + second) if name == "nbinom" else second])

    class Model(GenericLikelihoodModel):
        def nloglikeobs(self, params: Array) -> Array:
            return -law.density(self.endog, *natural(params))

    model = Model(data["x"], exog=np.ones((len(data["x"]), 1)), extra_params_names=["second"])
    begin = np.log(law.start) if name != "nbinom" else np.array([0.4, 0.0])
    fit = model.fit(start_params=begin, method="bfgs", disp=0, gtol=1e-6)
    return natural(fit.params) + 0.0 * fit.bse


def r_fit(function: str, name: str, data: Data) -> Any:
    return call(f"{function}_{name}", data["x"])


def contenders(name: str) -> list[Contender]:
    found = [Contender("estkit", partial(estkit, name), errors=True)]
    if name != "nbinom":  # for which scipy has no such method
        found.append(Contender(f"scipy {name}.fit", partial(scipy_method, name)))
    return [
        *found,
        Contender("scipy stats.fit", partial(scipy_stats_fit, name)),
        Contender("iminuit and Hesse", partial(iminuit, name), "iminuit", errors=True),
        Contender("statsmodels generic", partial(statsmodels, name), "statsmodels", errors=True),
        Contender(
            "R fitdistrplus",
            partial(r_fit, "fitdist", name),
            "R:fitdistrplus",
            errors=True,
        ),
        Contender("R MASS fitdistr", partial(r_fit, "fitdistr", name), "R:MASS", errors=True),
    ]


def case(letter: str, name: str, seed: int) -> Case:
    rival, target = (f"scipy {name}.fit", 1.0) if name != "nbinom" else (None, 0.02)
    return Case(
        letter,
        f"{name}, 100,000 draws",
        partial(make, name, seed),
        few,
        partial(judge, name),
        contenders(name),
        target=target,
        rival=rival,
    )


CASES = [case(f"g{number}", name, 170 + number) for number, name in enumerate(LAWS, start=1)]

if __name__ == "__main__":
    peers = ["statsmodels", "iminuit"]
    sys.exit(run(__file__, "Distributions", CASES, peers))
