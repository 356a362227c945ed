"""The main job on real data: fit by maximum likelihood, then ask how good the estimator is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

import estkit as ek

if TYPE_CHECKING:
    import pandas as pd

SIZES = (50, 100, 200, 400)


def tumours() -> tuple[pd.DataFrame, Any]:
    """Return three standardised measurements of 569 breast tumours, and which are malignant.

    Street, Wolberg and Mangasarian (1993), as scikit-learn ships it.
    """
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer(as_frame=True)
    X = data.data[["mean texture", "mean smoothness", "mean symmetry"]]
    return (X - X.mean()) / X.std(), np.where(data.target == 0, "malignant", "benign")


def wines() -> tuple[pd.DataFrame, Any]:
    """Return three measurements of 178 wines and the cultivar each is made from.

    Forina et al. (1991), as scikit-learn ships it.
    """
    from sklearn.datasets import load_wine

    data = load_wine(as_frame=True)
    names = np.array(["barolo", "grignolino", "barbera"])
    return data.data[["alcohol", "malic_acid", "ash"]], names[data.target]


def study_of(fit: ek.LikelihoodFit, X: pd.DataFrame) -> ek.Study:
    """Return the study of a binomial fit: rows are drawn from the data, outcomes from the fit."""
    rows, probability = X.to_numpy(), fit.predict(X)

    def generate(rng: np.random.Generator, replicates: int, n: int) -> Any:
        drawn = rng.integers(0, len(rows), size=(replicates, n))
        return rows[drawn], rng.random((replicates, n)) < probability[drawn]

    def estimate(X: Any, y: Any) -> ek.BatchFit:
        return replace(ek.fit_many(ek.Binomial(), X, y), names=fit.names)

    return ek.Study(
        ek.vectorized(generate),
        {"maximum likelihood": ek.vectorized(estimate)},
        truth=dict(zip(fit.names, fit.params.tolist(), strict=True)),
        conditions=ek.grid(n=list(SIZES)),
    )


def run(
    *, replicates: int, seed: int, n_jobs: int | None, progress: bool
) -> tuple[ek.LikelihoodFit, ek.LikelihoodFit, ek.StudyResult]:
    """Return the binomial fit, the softmax fit, and the study of the first."""
    X, outcome = tumours()
    binomial = ek.fit(ek.Binomial(success="malignant"), X, outcome)
    softmax = ek.fit(ek.Softmax(reference="barolo"), *wines())
    study = study_of(binomial, X)
    result = study.run(replicates, rng=seed, n_jobs=n_jobs, progress=progress)
    return binomial, softmax, result
