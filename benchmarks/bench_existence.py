"""Does the maximum exist? 100,000 rows and 50 columns, separated or not.

The task: the verdict. estkit gives it in the course of a fit, so its time where there is a maximum
is that of the fit with standard errors. An answer is judged by the verdict alone.
Run alone: `python benchmarks/bench_existence.py`.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import numpy as np
from contest import Case, Contender, Data, Judgement, first_rows, run

import estkit as ek

ROWS, COLUMNS = 100_000, 50


def make(kind: str) -> Data:
    """Draw data that overlap, are separated by all columns, or by a dummy for some of the rows."""
    rng = np.random.default_rng(31)
    X = rng.standard_normal((ROWS, COLUMNS))
    eta = X @ rng.normal(0.0, 0.3, COLUMNS)
    y = rng.random(ROWS) < 1.0 / (1.0 + np.exp(-eta))
    if kind == "complete":
        y = eta > 0.0
    if kind == "quasi":
        X[:, 7] = rng.random(ROWS) < 0.01
        y |= X[:, 7] > 0
    return {"X": X, "y": y.astype(float), "separated": np.array(kind != "overlap")}


def few(data: Data) -> Data:
    return {**first_rows(data, rows=2_000, columns=9), "separated": data["separated"]}


def judge(data: Data, answer: Any) -> Judgement:
    right = bool(answer) == bool(data["separated"])
    return Judgement(note="right" if right else "wrong", right=right)


def estkit(data: Data) -> bool:
    try:
        ek.fit(ek.Binomial(), data["X"], data["y"])
    except ek.SeparationError:
        return True
    return False


def firthmodels(data: Data) -> bool:
    from firthmodels import detect_separation

    return bool(detect_separation(data["X"], data["y"]).separation)


def statsmodels(data: Data) -> bool:
    """Say what Logit says, which looks for perfect prediction and for a lack of convergence."""
    import warnings

    import statsmodels.api as sm

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            fit = sm.Logit(data["y"], sm.add_constant(data["X"])).fit(disp=0)
        except Exception:
            return True
    return not fit.mle_retvals["converged"]


CONTENDERS = [
    Contender("estkit fit", estkit),
    Contender("firthmodels detect_separation", firthmodels, "firthmodels"),
    Contender("statsmodels Logit: any complaint", statsmodels, "statsmodels"),
]


def case(name: str, kind: str, title: str) -> Case:
    make_data = partial(make, kind)
    return Case(name, title, make_data, few, judge, CONTENDERS, seconds=1.0, remark="verdict")


CASES = [
    case("o", "overlap", "outcomes that overlap"),
    case("x", "complete", "complete separation"),
    case("q", "quasi", "quasi-complete separation by one of the columns"),
]

if __name__ == "__main__":
    sys.exit(run(__file__, "Existence of the maximum", CASES, ["statsmodels", "firthmodels"]))
