"""The classifiers keep scikit-learn's rules, and hold the fit of the same rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import estkit as ek

# Both maximise the same function; lbfgs stops where its gradient is below 1e-10.
SAME = 1e-6


@pytest.mark.filterwarnings("ignore:.*array_api.*:sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([ek.BinomialClassifier(), ek.SoftmaxClassifier()])
def test_the_rules_of_scikit_learn(estimator: Any, check: Any) -> None:
    if check.func.__name__ == "check_array_api_input":
        return  # needs an environment variable and another array library
    check(estimator)


def iris() -> tuple[Any, Any]:
    data = load_iris()
    return data.data, data.target_names[data.target]


def cancer() -> tuple[Any, Any]:
    data = load_breast_cancer()
    return StandardScaler().fit_transform(data.data)[:, :8], data.target


@pytest.mark.parametrize("strength", [0.1, 1.0, 20.0])
def test_probabilities_are_those_of_scikit_learn(strength: float) -> None:
    options = {"C": 1 / strength, "tol": 1e-10, "max_iter": 10_000}
    X, y = cancer()
    wanted = LogisticRegression(**options).fit(X, y)
    found = ek.BinomialClassifier(strength=strength).fit(X, y)
    np.testing.assert_allclose(found.predict_proba(X), wanted.predict_proba(X), atol=SAME)
    np.testing.assert_allclose(found.decision_function(X), wanted.decision_function(X), atol=1e-4)
    X, y = iris()
    wanted = LogisticRegression(**options).fit(X, y)
    model = ek.SoftmaxClassifier(strength=strength).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), wanted.predict_proba(X), atol=1e-5)
    np.testing.assert_allclose(model.decision_function(X), wanted.decision_function(X), atol=1e-3)
    assert (model.predict(X) == wanted.predict(X)).all()


def test_without_a_penalty_it_holds_the_maximum_likelihood_fit() -> None:
    X, y = cancer()
    model = ek.BinomialClassifier(penalty=None).fit(X, y)
    fit = ek.fit(ek.Binomial(), X, y)
    np.testing.assert_allclose(model.fit_.params, fit.params, rtol=1e-10)
    np.testing.assert_allclose(model.fit_.std_errors, fit.std_errors, rtol=1e-10)
    with pytest.raises(ek.SeparationError):
        ek.SoftmaxClassifier(penalty=None).fit(*iris())


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_decisions_are_where_probabilities_cross_a_half(link: str) -> None:
    X, y = cancer()
    model = ek.BinomialClassifier(link=link).fit(X, y)
    above = model.decision_function(X) > 0
    assert (above == (model.predict_proba(X)[:, 1] > 0.5)).all()
    assert (above == (model.predict(X) == 1)).all()


def test_names_of_columns_and_labels_reach_the_fit() -> None:
    X, y = iris()
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    model = ek.SoftmaxClassifier().fit(frame, y)
    assert model.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    assert "versicolor:a" in model.fit_.names
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame.rename(columns={"a": "z"}))
    two = ek.BinomialClassifier().fit(frame, np.where(y == "setosa", "setosa", "other"))
    assert two.fit_.names == ("intercept", "a", "b", "c", "d")
    assert two.classes_.tolist() == ["other", "setosa"]


def test_pipelines_searches_and_cross_validation() -> None:
    X, y = iris()
    pipeline = make_pipeline(StandardScaler(), ek.SoftmaxClassifier())
    assert cross_val_score(pipeline, X, y, cv=5).mean() > 0.94
    grid = {"softmaxclassifier__strength": [0.1, 1.0], "softmaxclassifier__penalty": ["l2", "l1"]}
    search = GridSearchCV(pipeline, grid, cv=3).fit(X, y)
    assert search.best_score_ > 0.9
    assert clone(search.best_estimator_).get_params() is not None


@pytest.mark.parametrize("penalty", ["l1", "l2", "elasticnet", "jeffreys"])
def test_every_penalty_is_that_of_fit(penalty: str) -> None:
    X, y = cancer()
    made = {
        "l1": ek.L1(2.0),
        "l2": ek.L2(2.0),
        "elasticnet": ek.ElasticNet(2.0, 0.3),
        "jeffreys": ek.Jeffreys(),
    }[penalty]
    wanted = ek.fit(ek.Binomial(penalty=made), X, y)
    for given in (penalty, made):
        found = ek.BinomialClassifier(penalty=given, strength=2.0, ratio=0.3).fit(X, y)
        np.testing.assert_allclose(found.fit_.params, wanted.params, rtol=1e-10, atol=1e-12)


def test_weights_are_repeated_rows_and_any_scale_of_others_is_the_same_to_scikit_learn() -> None:
    X, y = cancer()
    weights = np.random.default_rng(0).integers(0, 3, len(y)).astype(float)
    found = ek.BinomialClassifier().fit(X, y, weights)
    wanted = ek.BinomialClassifier().fit(np.repeat(X, weights.astype(int), axis=0),
                                         np.repeat(y, weights.astype(int)))  # fmt: skip
    np.testing.assert_allclose(found.predict_proba(X), wanted.predict_proba(X), atol=1e-9)
    other = weights * 0.37
    peer = LogisticRegression(tol=1e-10, max_iter=10_000).fit(X, y, other)
    own = ek.BinomialClassifier().fit(X, y, other)
    np.testing.assert_allclose(own.predict_proba(X), peer.predict_proba(X), atol=SAME)


def test_sparse_rows_are_dense_ones() -> None:
    X, y = cancer()
    X = np.where(np.abs(X) > 0.7, X, 0.0)
    dense = ek.BinomialClassifier().fit(X, y)
    found = ek.BinomialClassifier().fit(sparse.csc_matrix(X), y)
    np.testing.assert_allclose(
        found.predict_proba(sparse.csr_matrix(X)), dense.predict_proba(X), atol=1e-9
    )


def test_what_cannot_be_classified_is_refused() -> None:
    X, y = iris()
    with pytest.raises(ValueError, match="Only binary"):
        ek.BinomialClassifier().fit(X, y)
    with pytest.raises(ek.DataError, match="one class"):
        ek.SoftmaxClassifier().fit(X[:50], y[:50])
    with pytest.raises(ek.DataError, match="'l3'"):
        ek.SoftmaxClassifier(penalty="l3").fit(X, y)
