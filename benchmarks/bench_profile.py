"""Profile-likelihood intervals of every coefficient of a logistic regression.

The task: the 95 % limits of all coefficients, the fit included. An answer is judged by a Newton
iteration of its own: at each limit, with that coefficient held there, twice the fall of the
log-likelihood has to be the quantile of chi-squared.
Run alone: `python benchmarks/bench_profile.py`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from contest import Case, Contender, Data, Judgement, run
from rscript import call
from scipy.stats import chi2

import estkit as ek

Array = npt.NDArray[Any]

BIRTHWT = Path(__file__).parents[1] / "tests/references/binomial_birthwt.json"


def make_eight() -> Data:
    rng = np.random.default_rng(21)
    X = rng.standard_normal((200, 8))
    X[:, 1] += 0.6 * X[:, 0]
    X[:, 2:5] = X[:, 2:5] > 0.5
    eta = X @ rng.normal(0.0, 0.5, 8) - 0.3
    return {"X": X, "y": (rng.random(200) < 1.0 / (1.0 + np.exp(-eta))).astype(float)}


def make_birthwt() -> Data:
    data = json.loads(BIRTHWT.read_text())["data"]
    return {
        "X": np.column_stack(list(data["columns"].values())).astype(float),
        "y": np.asarray(data["y"], dtype=float),
    }


def all_of(data: Data) -> Data:
    return data


def loglik_at(design: Array, y: Array, held: int | None = None, value: float = 0.0) -> float:
    """Maximise the log-likelihood by Newton's method, one coefficient held at a value."""
    free = np.delete(np.arange(design.shape[1]), [] if held is None else [held])
    known = np.zeros(len(y)) if held is None else design[:, held] * value
    part, params, best = design[:, free], np.zeros(len(free)), -np.inf
    step = np.zeros(len(free))
    for _ in range(200):
        eta = part @ (params + step) + known
        loglik = float((y * eta - np.logaddexp(0.0, eta)).sum())
        if loglik < best:
            step = step / 2
            if np.abs(step).max() < 1e-12:
                break
            continue
        gained, best, params = loglik - best, loglik, params + step
        share = 1.0 / (1.0 + np.exp(-eta))
        step = np.linalg.solve((part.T * (share * (1 - share))) @ part, part.T @ (y - share))
        if gained < 1e-12 and np.abs(step).max() < 1e-9:
            break
    return best


def judge(data: Data, answer: Any) -> Judgement:
    limits = np.asarray(answer, dtype=float).reshape(-1, 2)
    design = np.column_stack([np.ones(len(data["y"])), data["X"]])
    top = loglik_at(design, data["y"])
    falls = [
        2.0 * (top - loglik_at(design, data["y"], j, limit))
        for j, pair in enumerate(limits)
        for limit in pair
    ]
    return Judgement(slope=float(np.abs(np.array(falls) - chi2.ppf(0.95, 1)).max()))


def estkit(data: Data) -> Array:
    return ek.fit(ek.Binomial(), data["X"], data["y"]).interval(method="profile")


def iminuit(data: Data) -> Array:
    from iminuit import Minuit

    design, y = np.column_stack([np.ones(len(data["y"])), data["X"]]), data["y"]

    def cost(params: Array) -> float:
        eta = design @ params
        return float(np.logaddexp(0.0, eta).sum() - y @ eta)

    def slope(params: Array) -> Array:
        return design.T @ (1.0 / (1.0 + np.exp(-(design @ params))) - y)

    minuit = Minuit(cost, np.zeros(design.shape[1]), grad=slope)
    minuit.errordef = Minuit.LIKELIHOOD
    minuit.tol = 1e-4
    minuit.migrad()
    minuit.minos(cl=0.95)
    return np.array([param.value + np.array(param.merror) for param in minuit.params])


def r_confint(data: Data) -> Any:
    return call("profile_limits", data["X"], data["y"])


CONTENDERS = [
    Contender("estkit", estkit, errors=True),
    Contender("iminuit Minos, gradient given", iminuit, "iminuit", errors=True),
    Contender("R MASS confint", r_confint, "R:MASS", errors=True),
]


def case(name: str, title: str, make: Callable[[], Data], milli: float) -> Case:
    slope = "worst error in 2 × fall"
    return Case(name, title, make, all_of, judge, CONTENDERS, seconds=milli / 1e3, slope=slope)


CASES = [
    case("p", "8 terms, 200 rows", make_eight, 50),
    case("w", "birthwt, 10 coefficients", make_birthwt, 20),
]

if __name__ == "__main__":
    sys.exit(run(__file__, "Profile-likelihood intervals", CASES, ["iminuit"]))
