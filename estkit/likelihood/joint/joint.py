"""Generative likelihoods of class and columns: log p(x, y) = log p(y) + log p(x | y)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from estkit import data
from estkit.categories import read_design
from estkit.errors import DataError
from estkit.labels import read_labels

if TYPE_CHECKING:
    from estkit.likelihood.joint.model import JointModel

LAWS = ("gaussian", "bernoulli", "multinomial")
COVARIANCES = ("shared", "separate", "diagonal")


@dataclass(frozen=True)
class Joint:
    """A generative classifier: the share of each class, and the law of the columns within it.

    The joint likelihood ``log p(y) + log p(x | y)`` has its maximum in closed form. Gaussian
    columns with a shared covariance are linear discriminant analysis, with separate ones quadratic
    discriminant analysis, with diagonal ones Gaussian naive Bayes; the other laws are the naive
    Bayes of 0/1 columns and of counts (Hastie, Tibshirani and Friedman 2009, sections 4.3, 6.6).

    Parameters
    ----------
    law : {"gaussian", "bernoulli", "multinomial"}
        The law of the columns in a class: numbers, independent 0/1, or counts of words.
    covariance : {"shared", "separate", "diagonal"}
        For Gaussian columns: one matrix for all classes, one for each, or variances for each.
    smoothing : float
        What is added to each count of a Bernoulli or multinomial law. With more than 0 the answer
        is no longer that of maximum likelihood, and the fit says so.

    Notes
    -----
    y holds labels of any kind. Parameters are the shares ``"setosa:share"``, then
    ``"setosa:mean:width"``, ``"cov:width,length"`` (with the class before it unless shared),
    ``"spam:p:word"``. Standard errors are those of the inverse information; variances have the
    divisor n of maximum likelihood. `predict` gives the probability of each class. With a shared
    covariance Σ that is a softmax regression, with coefficients ``Σ⁻¹ (μ_k - μ_1)``; `Softmax`
    estimates the same without a word about the law of the columns.

    `simulate` draws classes and columns. A probability that is estimated as 0 or 1 has no standard
    error, and rows that contradict it are impossible in its class; smoothing avoids that.

    Examples
    --------
    >>> import estkit as ek
    >>> width = [3.5, 3.0, 3.2, 2.3, 2.8, 2.9, 2.5]
    >>> kind = ["setosa", "setosa", "setosa", "other", "other", "other", "other"]
    >>> fit = ek.fit(ek.Joint("gaussian"), {"width": width}, kind)
    >>> fit.names
    ('other:share', 'setosa:share', 'other:mean:width', 'setosa:mean:width', 'cov:width,width')
    >>> fit.params.round(3)
    array([0.571, 0.429, 2.625, 3.233, 0.051])
    >>> fit.predict({"width": [3.0]}).round(3)
    array([[0.363, 0.637]])
    """

    weightings: ClassVar = ("frequency",)
    coefficients: ClassVar = "multinomial coefficients"

    law: str = "gaussian"
    covariance: str = "shared"
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        if self.law not in LAWS:
            raise DataError(f"law must be one of {LAWS}, got {self.law!r}.")
        if self.covariance not in COVARIANCES:
            raise DataError(f"covariance must be one of {COVARIANCES}, got {self.covariance!r}.")
        if self.covariance != "shared" and self.law != "gaussian":
            raise DataError(
                f"covariance={self.covariance!r} belongs to Gaussian columns; the columns of "
                f"{self.law} are independent within a class."
            )
        if not (np.isfinite(self.smoothing) and self.smoothing >= 0):
            raise DataError(f"smoothing must be 0 or more, got {self.smoothing!r}.")
        if self.smoothing and self.law == "gaussian":
            raise DataError("smoothing is added to counts, which a Gaussian law has none of.")

    def model(
        self,
        X: Any,
        y: Any,
        *,
        intercept: bool = True,
        weights: Any = None,
        offset: Any = None,
        groups: Any = None,
    ) -> JointModel:
        """Check everything that was passed to `fit`, and return the model that it makes."""
        from estkit.likelihood.joint.model import JointModel

        if y is None:
            raise DataError("y is missing; Joint needs the class of each row.")
        if X is None:
            raise DataError("X is missing; Joint describes the columns within each class.")
        if offset is not None:
            raise DataError("Joint has no linear predictor that an offset could be added to.")
        data.check_same_index(X=X, y=y, weights=weights, groups=groups)
        columns = read_design(X)
        if not columns.names:
            raise DataError("X has no columns to describe.")
        if data.is_table(y):
            raise DataError("y must be one column of labels; Joint takes no counts of classes.")
        labels = read_labels(y)
        data.check_rows("y", len(labels.codes), columns.rows)
        if len(labels.outcomes) < 2:
            raise DataError(f"y has a single class, {labels.outcomes[0]!r}; Joint needs two.")
        repeats = data.read_frequencies(weights, rows=columns.rows)
        seen = np.bincount(labels.codes, repeats, len(labels.outcomes))
        for count, outcome in zip(seen, labels.outcomes, strict=True):
            if count == 0:
                raise DataError(f"class {outcome!r} has only rows of weight 0; leave it out.")
        if self.law == "gaussian":
            if data.is_sparse(columns.values):
                raise DataError("A Gaussian law has no use for a sparse matrix; pass X.toarray().")
        else:
            _check_counts(columns, self.law)
        clusters = None
        if groups is not None:
            clusters = read_labels(groups, what="groups").codes
            data.check_rows("groups", len(clusters), columns.rows)
        return JointModel(self, columns, labels.codes, labels.outcomes, repeats, clusters)

    def names(self, outcomes: tuple[Any, ...], columns: tuple[str, ...]) -> tuple[str, ...]:
        """Return the names of the reported parameters."""
        shares = [f"{k}:share" for k in outcomes]
        if self.law != "gaussian":
            return (*shares, *(f"{k}:p:{name}" for k in outcomes for name in columns))
        pairs = [f"cov:{a},{b}" for i, a in enumerate(columns) for b in columns[i:]]
        means = {k: [f"{k}:mean:{name}" for name in columns] for k in outcomes}
        if self.covariance == "shared":
            return (*shares, *(name for k in outcomes for name in means[k]), *pairs)
        if self.covariance == "separate":
            own = [name for k in outcomes for name in (*means[k], *(f"{k}:{c}" for c in pairs))]
            return (*shares, *own)
        each = [n for k in outcomes for c in columns for n in (f"{k}:mean:{c}", f"{k}:var:{c}")]
        return (*shares, *each)


def _check_counts(columns: data.Columns, law: str) -> None:
    """Raise unless all values are 0 or 1, or counts."""
    values = columns.values
    stored = values.data if data.is_sparse(values) else values
    wrong = (stored != 0) & (stored != 1)
    wanted = "0 or 1"
    if law == "multinomial":
        wrong, wanted = (
            (stored < 0) | (stored != np.floor(stored)),
            "a count, whole and not negative",
        )
    if not wrong.any():
        return
    if data.is_sparse(values):
        at = values.tocoo()
        first = int(np.argmax(wrong))
        row, column, value = int(at.row[first]), int(at.col[first]), at.data[first]
    else:
        row, column = (int(i) for i in np.argwhere(wrong)[0])
        value = values[row, column]
    raise DataError(
        f"X: column {columns.names[column]!r}, row {row} (counted from 0) is {value:g}, expected "
        f"{wanted} for the {law} law."
    )
