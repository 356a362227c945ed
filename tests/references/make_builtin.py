"""Three models on scikit-learn's built-in data, and baycomp's answers: comparison/builtin.json.

Fitted and split by scikit-learn alone. make_builtin.R reads the file and writes R's answers beside
it; tests/comparison/test_builtin_data.py reads both. Needs scikit-learn and baycomp 1.0; run from
the repository.
"""

import json
from pathlib import Path

import baycomp
import numpy as np
from sklearn import datasets
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import RepeatedKFold, StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

SPLITS = StratifiedKFold(10, shuffle=True, random_state=0)
MODELS = {
    "knn": make_pipeline(StandardScaler(), KNeighborsClassifier(5)),
    "linear": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    "tree": DecisionTreeClassifier(random_state=0),
}

X, y = datasets.load_breast_cancer(return_X_y=True)
chances = {
    name: cross_val_predict(model, X, y, cv=SPLITS, method="predict_proba")[:, 1]
    for name, model in MODELS.items()
}
cancer = {
    "truth": y.tolist(),
    "chance": {name: chance.round(6).tolist() for name, chance in chances.items()},
    "hit": {name: ((chance > 0.5) == y).astype(int).tolist() for name, chance in chances.items()},
}

X, y = datasets.load_diabetes(return_X_y=True)
numbers = {"knn": KNeighborsRegressor(5), "linear": LinearRegression()}
rmse = {
    name: [
        float(root_mean_squared_error(y[test], model.fit(X[train], y[train]).predict(X[test])))
        for train, test in RepeatedKFold(n_splits=10, n_repeats=3, random_state=0).split(X)
    ]
    for name, model in numbers.items()
}
posterior = {}
for rope in (0.0, 1.0, 4.0):
    # baycomp calls the second one better where its score is greater; of an error, that is worse.
    found = np.asarray(baycomp.CorrelatedTTest.probs(*map(np.array, rmse.values()), rope, 3))
    knn, equivalent, linear = found if rope else (found[0], 0.0, found[1])
    posterior[str(rope)] = {"better": linear, "equivalent": equivalent, "worse": knn}

sets = {name: getattr(datasets, f"load_{name}")(return_X_y=True)
        for name in ("iris", "wine", "breast_cancer", "digits")}  # fmt: skip
sets["diabetes above its median"] = (X, (y > np.median(y)).astype(int))
accuracy = {
    data: [float(np.mean(cross_val_predict(model, *given, cv=SPLITS) == given[1]))
           for model in MODELS.values()]
    for data, given in sets.items()
}  # fmt: skip

path = Path("tests/references/comparison/builtin.json")
path.write_text(json.dumps({
    "cancer": cancer, "rmse": rmse, "posterior": posterior, "accuracy": accuracy,
}) + "\n", encoding="utf-8")  # fmt: skip
