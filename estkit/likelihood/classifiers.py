"""Binomial and softmax regression as scikit-learn classifiers, with the fit that they hold."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from estkit.data import Columns
from estkit.errors import DataError
from estkit.likelihood.binomial import Binomial
from estkit.likelihood.fitting import fit
from estkit.likelihood.links.links import LINKS
from estkit.likelihood.penalties.penalty import L1, L2, ElasticNet, Jeffreys, Penalty
from estkit.likelihood.softmax import Softmax

Floats = NDArray[np.float64]

_PENALTIES = (None, "l1", "l2", "elasticnet", "jeffreys")


class _Classifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """What both classifiers have in common."""

    penalty: Any
    strength: float
    ratio: float
    intercept: bool

    def _family(self, penalty: Penalty | None) -> Binomial | Softmax:
        raise NotImplementedError

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the likelihood to rows and their labels.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, p), or data frame of numbers
            The covariates.
        y : array-like of shape (n,)
            The labels.
        sample_weight : array-like of shape (n,), optional
            Whole numbers are frequencies: how often each row was seen. Other numbers are sampling
            weights, with standard errors that allow for them. Rows of weight 0 are left out.

        Returns
        -------
        self
        """
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype="numeric")
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        self._check_classes(y)
        weights: dict[str, Any] = {}
        scale = 1.0
        if sample_weight is not None:
            given = _check_sample_weight(sample_weight, X, dtype=float, ensure_non_negative=True)
            X, y, weights, scale = _weighted(X, y, given)
            counted = y[weights["weights"] > 0] if "weights" in weights else y
            if len(np.unique(counted)) < len(self.classes_):
                raise DataError(
                    "A class has no row of positive weight; each of the classes "
                    f"{self.classes_.tolist()} needs one."
                )
        names = getattr(self, "feature_names_in_", None)
        named = [f"x{j}" for j in range(X.shape[1])] if names is None else names
        family = self._family(self._penalty(scale))
        self.fit_ = fit(
            family, Columns(X, tuple(map(str, named))), y, intercept=self.intercept, **weights
        )
        self.n_iter_ = max(1, self.fit_.n_iter)
        return self

    def _penalty(self, scale: float) -> Penalty | None:
        given = self.penalty
        if given is not None and not isinstance(given, str):
            return given  # type: ignore[no-any-return]
        if given not in _PENALTIES:
            raise DataError(
                f"penalty must be one of {_PENALTIES} or a penalty such as estkit.L2(1.0), got "
                f"{given!r}."
            )
        strength = self.strength * scale
        if given == "l1":
            return L1(strength)
        if given == "l2":
            return L2(strength)
        if given == "elasticnet":
            return ElasticNet(strength, self.ratio)
        return Jeffreys() if given == "jeffreys" else None

    def _check_classes(self, y: NDArray[Any]) -> None:
        if len(self.classes_) < 2:
            raise DataError(
                f"y has one class, {self.classes_[0]!r}, and {type(self).__name__} needs at least "
                f"two classes."
            )

    def _rows(self, X: Any) -> Columns:
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype="numeric", reset=False)
        return Columns(X, self.fit_.terms[int(self.intercept) :])

    def predict_proba(self, X: Any) -> Floats:
        """Return the probability of each class, of shape (n, K), in the order of ``classes_``."""
        raise NotImplementedError

    def predict_log_proba(self, X: Any) -> Floats:
        """Return the logarithms of the probabilities."""
        with np.errstate(divide="ignore"):
            result: Floats = np.log(self.predict_proba(X))
        return result

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable class of each row."""
        chosen = self.predict_proba(X).argmax(axis=1)
        labels: NDArray[Any] = self.classes_[chosen]
        return labels

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class BinomialClassifier(_Classifier):
    r"""Binomial regression of one of two labels, for pipelines, grid search and cross-validation.

    Parameters
    ----------
    link : {"logit", "probit", "cloglog", "cauchit", "log", "identity"}
        The link function, as in `Binomial`.
    penalty : {"l2", "l1", "elasticnet", "jeffreys", None} or penalty
        What is taken from the log-likelihood. A classifier must answer for separated data, too, so
        the default is L2; None is maximum likelihood, which raises where there is no maximum.
    strength : float
        The strength of the penalty: ``1 / C`` of ``LogisticRegression``.
    ratio : float
        The part of L1 in an elastic net.
    intercept : bool
        Whether to add an intercept, which no penalty touches.

    Attributes
    ----------
    fit\_ : LikelihoodFit
        Coefficients with their errors, tests, intervals, and the certificate of convergence.
    classes\_ : array of shape (2,)
        The labels; the second one is the success.
    n_features_in\_, feature_names_in\_
        As in scikit-learn.

    Examples
    --------
    >>> import estkit as ek
    >>> X, y = [[1.0], [2.0], [3.0], [4.0], [5.0], [6.0]], ["no", "no", "yes", "no", "yes", "yes"]
    >>> model = ek.BinomialClassifier(penalty=None).fit(X, y)
    >>> model.predict([[2.5], [5.5]]), model.predict_proba([[3.5]]).round(3)
    (array(['no', 'yes'], dtype='<U3'), array([[0.5, 0.5]]))
    >>> model.fit_.std_errors.round(2)
    array([3.39, 0.91])
    """

    def __init__(
        self,
        *,
        link: str = "logit",
        penalty: Any = "l2",
        strength: float = 1.0,
        ratio: float = 0.5,
        intercept: bool = True,
    ) -> None:
        self.link = link
        self.penalty = penalty
        self.strength = strength
        self.ratio = ratio
        self.intercept = intercept

    def _family(self, penalty: Penalty | None) -> Binomial:
        return Binomial(self.link, success=self.classes_.tolist()[1], penalty=penalty)

    def _check_classes(self, y: NDArray[Any]) -> None:
        kind = type_of_target(y, input_name="y", raise_unknown=True)
        if kind not in ("binary",) or len(self.classes_) > 2:
            raise DataError(
                f"Only binary classification is supported. The type of the target is {kind}."
            )
        super()._check_classes(y)

    def predict_proba(self, X: Any) -> Floats:
        """Return the probability of each class, of shape (n, 2), in the order of ``classes_``."""
        rows = self._rows(X)
        success = self.fit_.predict(rows)
        return np.column_stack([1.0 - success, success])

    def decision_function(self, X: Any) -> Floats:
        """Return the linear predictor of each row, above which the link makes a success."""
        rows = self._rows(X)
        held: Any = self.fit_
        eta: Floats = held._placement.linear_predictors(rows.values, held._inside, None)[:, 0]
        return eta - float(LINKS[self.link].link(np.array([0.5]))[0])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


class SoftmaxClassifier(_Classifier):
    r"""Softmax regression of one of K labels, for pipelines, grid search and cross-validation.

    Parameters
    ----------
    symmetric : bool
        Whether coefficients are measured from their mean over the outcomes, which makes an L2
        penalty treat all outcomes alike, as in scikit-learn; else from the first outcome.
    penalty, strength, ratio, intercept
        As in `BinomialClassifier`.

    Attributes
    ----------
    fit\_, classes\_, n_features_in\_, feature_names_in\_
        As in `BinomialClassifier`.

    Examples
    --------
    >>> import estkit as ek
    >>> from sklearn.datasets import load_iris
    >>> iris = load_iris()
    >>> model = ek.SoftmaxClassifier().fit(iris.data, iris.target)
    >>> round(model.score(iris.data, iris.target), 3)
    0.973
    """

    def __init__(
        self,
        *,
        symmetric: bool = True,
        penalty: Any = "l2",
        strength: float = 1.0,
        ratio: float = 0.5,
        intercept: bool = True,
    ) -> None:
        self.symmetric = symmetric
        self.penalty = penalty
        self.strength = strength
        self.ratio = ratio
        self.intercept = intercept

    def _family(self, penalty: Penalty | None) -> Softmax:
        return Softmax(symmetric=self.symmetric, penalty=penalty)

    def predict_proba(self, X: Any) -> Floats:
        """Return the probability of each class, of shape (n, K), in the order of ``classes_``."""
        rows = self._rows(X)
        return self.fit_.predict(rows)

    def decision_function(self, X: Any) -> Floats:
        """Return log-probabilities from their mean (n, K), or the log-odds of two classes (n,)."""
        rows = self._rows(X)
        held: Any = self.fit_
        against = held._placement.linear_predictors(rows.values, held._inside, None)
        if against.shape[1] == 1:
            odds: Floats = against[:, 0]
            return odds
        every = np.column_stack([np.zeros(len(against)), against])
        scores: Floats = every - every.mean(axis=1, keepdims=True)
        return scores


def _weighted(
    X: Any, y: NDArray[Any], weights: Floats
) -> tuple[Any, NDArray[Any], dict[str, Floats], float]:
    """Return rows, labels, and weights of their kind, and what a penalty is multiplied with."""
    if not (weights > 0).any():
        raise DataError("sample_weight is 0 in every row; at least one row must count.")
    if (weights == np.floor(weights)).all():
        return X, y, {"weights": weights}, 1.0
    kept = weights > 0
    X, y, weights = X[kept], y[kept], weights[kept]
    # sampling weights are scaled to a mean of 1; the penalty goes with them
    return X, y, {"sampling_weights": weights}, 1.0 / float(weights.mean())
