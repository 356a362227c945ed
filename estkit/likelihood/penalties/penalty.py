"""Penalties: what is taken from a log-likelihood so that its maximum is tame, or sparse.

A penalty says what is paid for coefficients; `ridge`, `lasso_regression` and `jeffreys` maximise
what is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from estkit.errors import DataError
from estkit.likelihood.family import Floats

Strength = float | Mapping[str, float] | Sequence[float]


@dataclass(frozen=True)
class Shrinkage:
    """What L1, L2 and the elastic net have in common: a strength for each column."""

    strength: Strength
    standardize: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        given = self.strength
        if isinstance(given, Mapping):
            given = {str(name): _number(value, f"{name!r}") for name, value in given.items()}
        elif np.ndim(given) == 1:
            values = enumerate(np.asarray(given).tolist())
            given = tuple(_number(value, f"column {j} (counted from 0)") for j, value in values)
        else:
            given = _number(given, None)
        object.__setattr__(self, "strength", given)

    @property
    def share(self) -> float:
        """The part of the penalty that is |b|; the rest is ½ b²."""
        raise NotImplementedError

    def strengths(self, columns: Sequence[str]) -> Floats:
        """Return the strength of each column.

        Raises
        ------
        DataError
            If strengths by name or position do not fit the columns.
        """
        given = self.strength
        if isinstance(given, Mapping):
            lacking = [name for name in columns if name not in given]
            unknown = [name for name in given if name not in columns]
            if lacking or unknown:
                raise DataError(
                    f"The strengths must name every column; "
                    f"{'lacking: ' + ', '.join(lacking[:8]) if lacking else ''}"
                    f"{'; ' if lacking and unknown else ''}"
                    f"{'no column of X: ' + ', '.join(unknown[:8]) if unknown else ''}. A strength "
                    f"of 0 leaves a column without penalty."
                )
            return np.array([given[name] for name in columns], dtype=float)
        if isinstance(given, tuple):
            if len(given) != len(columns):
                raise DataError(
                    f"There are {len(given)} strengths for {len(columns)} columns; give one for "
                    f"each column of X, none for the intercept."
                )
            return np.array(given, dtype=float)
        return np.full(len(columns), float(given))  # type: ignore[arg-type]

    def _more(self) -> str:
        return ", columns divided by their standard deviations" if self.standardize else ""


@dataclass(frozen=True)
class L2(Shrinkage):
    """Ridge penalty: the log-likelihood minus strength · ½ Σ β².

    Parameters
    ----------
    strength : float, mapping or array
        How much is paid, 0 or more: one number, or one for each column, by name or in order. A
        column of strength 0 is free, as intercepts always are.
    standardize : bool
        Whether to take the columns divided by their standard deviations, so that strengths do not
        depend on units. Coefficients are reported for the columns as they were given.

    Notes
    -----
    The log-likelihood is summed over rows: ``strength`` is 1 / C of scikit-learn's
    ``LogisticRegression``, and n · lambda of glmnet with ``standardize=FALSE``. For `Gaussian` the
    log-likelihood is taken at σ = 1, so that the maximum minimises ½ RSS + penalty. Under L2 every
    penalised coefficient is finite and determined, whatever is separated or collinear.

    The standard errors are those of the penalised estimator, ``(H + S)⁻¹ H (H + S)⁻¹`` with H the
    information and S the strengths (le Cessie and van Houwelingen 1992). They do not cover its
    bias towards 0. AIC and BIC count trace((H + S)⁻¹ H) parameters.

    For `Softmax`, the penalty on coefficients against a reference depends on which outcome that is;
    that on the symmetric form does not.

    Examples
    --------
    >>> import estkit as ek
    >>> x, y = [[1.0], [2.0], [3.0], [4.0]], [0, 0, 1, 1]  # separated
    >>> ek.fit(ek.Binomial(penalty=ek.L2(1.0)), x, y).params.round(4)
    array([-2.3957,  0.9583])
    """

    @property
    def share(self) -> float:
        """The part of the penalty that is |b|: none."""
        return 0.0


@dataclass(frozen=True)
class L1(Shrinkage):
    """Lasso penalty: the log-likelihood minus strength · Σ |β|.

    Parameters
    ----------
    strength : float, mapping or array
        How much is paid, 0 or more: one number, or one for each column, by name or in order. A
        column of strength 0 is free, as intercepts always are.
    standardize : bool
        Whether to take the columns divided by their standard deviations.

    Notes
    -----
    ``strength`` is n · lambda of glmnet with ``standardize=FALSE``, and 1 / C of scikit-learn's
    saga, which leaves the intercept free (liblinear penalises it). A fit holds no standard errors:
    a coefficient is 0 with positive probability, and which ones are not is chosen by the data, so
    no covariance describes them; a fit without penalty on the chosen columns is not valid either.

    Where columns are duplicated, or for the symmetric softmax with an even number of outcomes, the
    maximum may be attained at more than one point; one of them is reported.

    Examples
    --------
    >>> import numpy as np
    >>> import estkit as ek
    >>> rng = np.random.default_rng(1)
    >>> X = rng.normal(size=(100, 4))
    >>> y = rng.random(100) < 1 / (1 + np.exp(-2 * X[:, 0]))
    >>> ek.fit(ek.Binomial(penalty=ek.L1(8.0)), X, y).params.round(3)
    array([0.15 , 0.927, 0.   , 0.   , 0.   ])
    """

    @property
    def share(self) -> float:
        """The part of the penalty that is |b|: all."""
        return 1.0


@dataclass(frozen=True)
class ElasticNet(Shrinkage):
    """Elastic net: the log-likelihood minus strength · Σ (ratio · |β| + (1 - ratio) · ½ β²).

    Parameters
    ----------
    strength : float, mapping or array
        How much is paid, 0 or more: one number, or one for each column, by name or in order.
    ratio : float
        How much of it is L1, from 0 to 1.
    standardize : bool
        Whether to take the columns divided by their standard deviations.

    Notes
    -----
    ``strength`` is n · lambda and ``ratio`` alpha of glmnet with ``standardize=FALSE``; they are 1
    / C and ``l1_ratio`` of scikit-learn (Zou and Hastie 2005). As under `L1`, there are no standard
    errors.

    Examples
    --------
    >>> import estkit as ek
    >>> ek.ElasticNet(2.0, ratio=0.5)
    ElasticNet(strength=2.0, standardize=False, ratio=0.5)
    """

    ratio: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (_is_number(self.ratio) and 0.0 <= self.ratio <= 1.0):
            raise DataError(f"ratio must be a number from 0 (L2) to 1 (L1), got {self.ratio!r}.")

    @property
    def share(self) -> float:
        """The part of the penalty that is |b|."""
        return self.ratio

    def _more(self) -> str:
        return f", ratio {self.ratio:g}" + super()._more()


@dataclass(frozen=True)
class Jeffreys:
    """Jeffreys' prior: the log-likelihood plus half the log-determinant of the information.

    For a canonical link it takes the first-order bias from the estimates (Firth 1993), and for
    binomial and softmax likelihoods its maximum is finite whatever is separated (Kosmidis and Firth
    2021). The information is the expected one, of all coefficients, intercepts included.

    Notes
    -----
    Standard errors come from the inverse expected information at the estimate, as in R's
    ``brglm2``. ``interval(method="profile")`` and ``likelihood_ratio`` use the penalised likelihood
    (Heinze and Schemper 2002), which is what to report when outcomes are separated.

    Examples
    --------
    >>> import estkit as ek
    >>> table = ek.fit(ek.Binomial(penalty=ek.Jeffreys()), [0, 1], [[5, 5], [10, 0]])
    >>> table.params.round(4)  # log odds after 1/2 was added to each cell of the table
    array([0.    , 3.0445])
    """


Penalty = L1 | L2 | ElasticNet | Jeffreys
PENALTIES = {kind.__name__: kind for kind in (L1, L2, ElasticNet, Jeffreys)}


def check_penalty(given: Any) -> None:
    """Raise unless `given` is a penalty or None."""
    if given is not None and not isinstance(given, tuple(PENALTIES.values())):
        raise DataError(
            f"penalty must be L1(strength), L2(strength), ElasticNet(strength, ratio=...), "
            f"Jeffreys() or None, got {given!r:.60}."
        )


def described(penalty: Penalty | None) -> str:
    """Return a penalty in words."""
    if not isinstance(penalty, Shrinkage):
        return "Jeffreys' prior"
    strength = penalty.strength
    shown = f"strength {strength:g}" if isinstance(strength, float) else "a strength by column"
    return f"{type(penalty).__name__} penalty, {shown}{penalty._more()}"


def to_plain(penalty: Penalty) -> dict[str, Any]:
    """Return what JSON can hold."""
    return {"kind": type(penalty).__name__, **vars(penalty)}


def from_plain(stored: Mapping[str, Any] | None) -> Penalty | None:
    """Return the penalty that `to_plain` wrote."""
    if stored is None:
        return None
    options = {name: value for name, value in stored.items() if name != "kind"}
    penalty: Penalty = PENALTIES[stored["kind"]](**options)
    return penalty


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _number(value: Any, what: str | None) -> float:
    if not _is_number(value) or not 0.0 <= value < np.inf:
        where = "strength" if what is None else f"The strength of {what}"
        raise DataError(f"{where} must be a finite number of 0 or more, got {value!r:.60}.")
    return float(value)
