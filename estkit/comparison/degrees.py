"""Effective degrees of freedom: how many parameters a model fits, as far as that is known."""

from __future__ import annotations

from typing import Any

import numpy as np

from estkit.comparison.scores import Floats

_NEIGHBOURS = ("KNeighborsClassifier", "KNeighborsRegressor")  # of which the rows alone matter
_LINEAR = ("LinearRegression",)
_RIDGE = ("Ridge", "RidgeClassifier", "RidgeCV", "RidgeClassifierCV")


def degrees_of_freedom(model: Any, X: Any) -> float | None:
    """Return the effective degrees of freedom of a scikit-learn model on some rows.

    They are n / k for k nearest neighbours, the rank with the intercept for linear regression, the
    trace of the hat matrix for ridge regression, and that of the weighted hat matrix of a fitted
    logistic regression, with or without an L2 penalty. Of a pipeline it is the last step, on what
    the steps before make of X.

    Parameters
    ----------
    model : estimator or pipeline
        Fitted or not.
    X : array or data frame of shape (n, p)
        The rows it was or would be fitted to.

    Returns
    -------
    float or None
        None where they are not known.

    Notes
    -----
    Hastie, Tibshirani and Friedman (2009), sections 3.4.1, 7.6 and 13.4.

    Examples
    --------
    >>> import estkit as ek
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression, Ridge
    >>> from sklearn.neighbors import KNeighborsRegressor
    >>> X, _ = load_diabetes(return_X_y=True)
    >>> models = [KNeighborsRegressor(13), LinearRegression(), Ridge(0.1)]
    >>> [round(ek.degrees_of_freedom(model, X), 2) for model in models]
    [34.0, 11.0, 8.64]
    """
    from sklearn.pipeline import Pipeline

    if isinstance(model, Pipeline):
        as_is = len(model) == 1 or type(model[-1]).__name__ in _NEIGHBOURS
        before = X if as_is else _prepared(model[:-1], X)
        return None if before is None else degrees_of_freedom(model[-1], before)
    kind = type(model).__name__
    if kind in _NEIGHBOURS:
        return float(np.shape(X)[0] / model.n_neighbors) if model.weights == "uniform" else None
    if kind in ("DummyRegressor", "DummyClassifier"):
        return 1.0 if model.strategy in ("mean", "prior", "most_frequent") else None
    if kind in _LINEAR or kind in _RIDGE:
        alpha = 0.0 if kind in _LINEAR else getattr(model, "alpha_", getattr(model, "alpha", None))
        if alpha is None or np.ndim(alpha) or getattr(model, "positive", False):
            return None
        return _trace(_array(X), float(alpha), intercept=bool(model.fit_intercept))
    if kind == "LogisticRegression" and hasattr(model, "coef_"):
        return _logistic(model, _array(X))
    return None


def _prepared(steps: Any, X: Any) -> Any:
    """Return what the steps of a pipeline make of X; None if they need more than X."""
    from sklearn.base import clone
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(steps)
        return steps.transform(X)
    except NotFittedError:
        try:
            return clone(steps).fit_transform(X)
        except (TypeError, ValueError):  # steps that select by y
            return None


def _array(X: Any) -> Floats:
    return np.asarray(X.toarray() if hasattr(X, "toarray") else X, float)


def _trace(X: Floats, alpha: float, *, intercept: bool) -> float:
    far = X - X.mean(axis=0) if intercept else X
    singular = np.linalg.svd(far, compute_uv=False)
    singular = singular[singular > singular.max(initial=0.0) * max(X.shape) * 2.3e-16]
    return float((singular**2 / (singular**2 + alpha)).sum() + intercept)


def _logistic(model: Any, X: Floats) -> float | None:
    """Return the trace of (F + P)⁻¹F, with F the information and P the penalty at the fit."""
    if getattr(model, "l1_ratio", None) not in (None, 0, 0.0) or model.penalty not in (
        "l2", "deprecated", None):  # fmt: skip
        return None
    strength = 0.0 if model.penalty is None or np.isinf(model.C) else 1.0 / model.C
    design = np.column_stack([X, np.ones(len(X))]) if model.fit_intercept else X
    shares = model.predict_proba(X)
    if len(model.classes_) == 2:
        shares = shares[:, 1:]
    count, width = shares.shape[1], design.shape[1]
    information = np.empty((count, width, count, width))
    for a in range(count):
        for b in range(count):
            weight = shares[:, a] * ((a == b) - shares[:, b])
            information[a, :, b, :] = design.T @ (weight[:, None] * design)
    flat = information.reshape(count * width, -1)
    free = np.tile(np.arange(width) < X.shape[1], count)
    return float(np.trace(np.linalg.pinv(flat + strength * np.diag(free), hermitian=True) @ flat))
