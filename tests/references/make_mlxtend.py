"""Decompositions and paired tests by mlxtend, with the draws and splits: comparison/mlxtend.json.

Read by tests/comparison/test_mlxtend.py, which says where mlxtend's numbers are right, and what
they should be where they are not. Needs mlxtend 0.25; run from the repository.
"""

import json
from pathlib import Path

import mlxtend
from mlxtend.evaluate import (
    bias_variance_decomp,
    combined_ftest_5x2cv,
    paired_ttest_5x2cv,
    paired_ttest_kfold_cv,
    paired_ttest_resampled,
)
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.linear_model import LinearRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

SEED = 7
models = {
    "knn 1": KNeighborsRegressor(1), "knn 5": KNeighborsRegressor(5), "ols": LinearRegression(),
    "class 3": KNeighborsClassifier(3), "class 5": KNeighborsClassifier(5),
}  # fmt: skip
cases = {"version": mlxtend.__version__, "seed": SEED, "decompositions": [], "tests": []}


def decompose(data, X, y, loss, name, rounds):
    """Add mlxtend's parts: every third row is predicted, the others are drawn from."""
    known = [i for i in range(len(y)) if i % 3]
    asked = [i for i in range(len(y)) if not i % 3]
    parts = bias_variance_decomp(
        models[name], X[known], y[known], X[asked], y[asked], loss, rounds, random_seed=SEED
    )
    cases["decompositions"].append({
        "data": data, "loss": loss, "model": name, "rounds": rounds,
        **dict(zip(("loss_value", "bias", "variance"), map(float, parts), strict=True)),
    })  # fmt: skip


X, y = load_diabetes(return_X_y=True)
for name in ("knn 1", "knn 5", "ols"):
    decompose("diabetes", X, y, "mse", name, 30)
X, y = load_breast_cancer(return_X_y=True)
decompose("two classes", X[:, :2], y, "0-1_loss", "class 3", 31)
X, y = load_wine(return_X_y=True)
X = X[:, :4]  # hardly two rows at the same distance, for which there is no rule in scikit-learn
decompose("three classes", X, y, "0-1_loss", "class 5", 31)

first, second = KNeighborsClassifier(3), GaussianNB()
for test, options in (
    (paired_ttest_5x2cv, {}),
    (combined_ftest_5x2cv, {}),
    (paired_ttest_kfold_cv, {"cv": 10, "shuffle": True}),
    (paired_ttest_resampled, {"num_rounds": 30, "test_size": 0.3}),
):
    found = test(first, second, X, y, random_seed=SEED, **options)
    cases["tests"].append({"test": test.__name__, "statistic": found[0], "p_value": found[1]})

path = Path("tests/references/comparison/mlxtend.json")
path.write_text(json.dumps(cases, indent=1) + "\n", encoding="utf-8")
