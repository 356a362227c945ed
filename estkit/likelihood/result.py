"""``LikelihoodFit``: what was estimated, how sure it is, and what can be done with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.errors import EstkitError
from estkit.estimate import Estimate, plain
from estkit.likelihood import inference
from estkit.likelihood.family import Floats
from estkit.likelihood.hypotheses import Hypotheses
from estkit.likelihood.model import Model
from estkit.likelihood.newton import Certificate, Optimum
from estkit.likelihood.presentation import Presentation
from estkit.likelihood.sandwich import sandwich
from estkit.likelihood.simulation import Simulation
from estkit.likelihood.uncertainty import frozen
from estkit.table import Table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class LikelihoodFit(Hypotheses, Simulation, Presentation):
    """A maximum-likelihood fit: parameters, their errors, and the certificate of convergence.

    `fit` makes it. The training data are used by `simulate` and `bootstrap` as long as the object
    lives in the process; they are neither pickled nor written by `to_dict`.

    Parameters
    ----------
    family : Family
        The likelihood that was fitted.
    names : tuple of str
        The names of the parameters; for softmax ``outcome:term``.
    params : array of shape (k,)
        The estimates, in the order of `names`.
    std_errors : array of shape (k,)
        Their standard errors, from the observed information.
    loglik : float
        The log-likelihood with its constants.
    n_obs : int
        The number of observations: rows, or the sum of the frequency weights.
    converged : bool
        Whether the certificate holds. If not, numbers that cannot be trusted are NaN.
    status : {"ok", "not_converged", "failed"}
        The same for studies: whether there is no maximum, or it was not reached.
    reason : str
        Why the iteration stopped, or what is wrong.
    certificate : Certificate
        Relative gradient, Newton decrement, condition and iterations at the answer.
    terms : tuple of str
        The coefficients of one linear predictor.
    outcomes : tuple
        The labels of the outcomes; the columns of `predict` for softmax.
    sigma : Estimate or None
        The standard deviation of a Gaussian fit.
    constant : float
        The part of `loglik` that holds no parameter, such as binomial coefficients; the
        log-likelihood of the same data as single trials is ``loglik - constant``.
    covariance_kind : {"observed", "linearized"}
        What the standard errors are: from the inverse observed information, or with sampling
        weights from the sandwich; `loglik` is then a pseudo-log-likelihood, and has no AIC.
    dropped : tuple of int
        The numbers, from 0, of the rows that ``missing="drop"`` left out.
    notes : tuple of str
        What else the reader must know; shown below the table.

    Examples
    --------
    >>> import estkit as ek
    >>> fit = ek.fit(ek.Gaussian(), [0.0, 1.0, 2.0, 3.0], [1.0, 2.9, 5.2, 6.9])
    >>> fit
    LikelihoodFit(Gaussian, 4 observations, 2 parameters, log-likelihood 2.7237, converged)
    >>> print(fit)
    Gaussian regression, 4 observations
    <BLANKLINE>
    term       estimate  std_error  statistic  p_value  lower  upper
    intercept      1.00       0.10       9.76   <0.001   0.80   1.20
    x0            2.000      0.055      36.51   <0.001  1.893  2.107
    <BLANKLINE>
    log-likelihood 2.7237, AIC 0.55269, BIC -1.2884; sigma 0.122 ± 0.043
    Converged in 1 iteration: Newton decrement <1e-12, relative gradient <1e-12, condition 2.38.
    """

    family: Any
    names: tuple[str, ...]
    params: Floats
    std_errors: Floats
    loglik: float
    n_obs: int
    converged: bool
    status: str
    reason: str
    certificate: Certificate
    terms: tuple[str, ...]
    outcomes: tuple[Any, ...]
    sigma: Estimate | None
    constant: float
    _covariance: Floats
    _point: Floats
    _model: Any
    covariance_kind: str = field(default="observed", kw_only=True)
    dropped: tuple[int, ...] = field(default=(), kw_only=True)
    notes: tuple[str, ...] = field(default=(), kw_only=True)
    separation: Any = field(default=None, kw_only=True)
    _middle: Floats | None = field(default=None, kw_only=True)  # the covariance of `_point`

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_model": None}

    def __repr__(self) -> str:
        state = "converged" if self.converged else f"not converged: {self.reason}"
        return (
            f"LikelihoodFit({type(self.family).__name__}, {self.n_obs} observations, "
            f"{len(self.params)} parameters, log-likelihood {self.loglik:.5g}, {state})"
        )

    @property
    def n_iter(self) -> int:
        """The number of Newton steps."""
        return self.certificate.iterations

    @property
    def aic(self) -> float:
        """Akaike's information criterion, 2 · parameters - 2 · log-likelihood."""
        self._need_likelihood("The AIC")
        return 2.0 * self._df - 2.0 * self.loglik

    @property
    def bic(self) -> float:
        """The Bayesian information criterion, log(n) · parameters - 2 · log-likelihood."""
        self._need_likelihood("The BIC")
        return float(np.log(self.n_obs)) * self._df - 2.0 * self.loglik

    def predict(self, X: Any = None, *, offset: Any = None) -> Floats:
        """Return the expected outcome of rows; regressions have it.

        Raises
        ------
        EstkitError
            If the family predicts nothing.
        """
        raise EstkitError(f"A {type(self.family).__name__} fit has no outcome to predict.")

    def to_estimate(self) -> Estimate:
        """Return the parameters as an `Estimate`, with the status of the fit."""
        return Estimate(
            self.params,
            names=self.names,
            std_error=self.std_errors,
            status=self.status,
            reason="" if self.converged else self.reason,
        )

    @property
    def _title(self) -> str:
        link = getattr(self.family, "link", None)
        named = f" ({link} link)" if link not in (None, "logit") else ""
        return f"{type(self.family).__name__} regression{named}, {self.n_obs} observations"

    def _remarks(self) -> list[str]:
        """Return notes for the foot of the table that only this kind of fit has."""
        return []

    def _table(self, level: float = 0.95, kind: str | None = None) -> Table:
        from estkit.likelihood.display import table_of

        return table_of(self, level, self._errors(kind))

    def to_frame(self, level: float = 0.95, *, kind: str | None = None) -> pd.DataFrame:
        """Return a tidy frame: term, estimate, std_error, statistic, p_value, lower, upper.

        For softmax ``outcome`` comes first. `kind` says which covariance the errors come from.

        Examples
        --------
        >>> import estkit as ek
        >>> list(ek.fit(ek.Gaussian(), None, [1.0, 2.0, 4.0]).to_frame().columns)
        ['term', 'estimate', 'std_error', 'statistic', 'p_value', 'lower', 'upper']
        """
        return self._table(level, kind).to_frame()

    def _options(self) -> dict[str, Any]:
        """Return what makes the family anew, as plain values."""
        options: dict[str, Any] = plain(asdict(self.family))
        return options

    @classmethod
    def _family(cls, stored: Mapping[str, Any]) -> Any:
        """Return the family that was stored."""
        from estkit import likelihood

        return getattr(likelihood, stored["family"])(**stored["options"])

    def _own_plain(self) -> dict[str, Any]:
        """Return the fields that only fits of this kind have, as plain values."""
        return {}

    @classmethod
    def _own_fields(cls, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Return these fields from what `_own_plain` wrote."""
        return {}

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold and `from_dict` reads: enough to predict, and no data.

        Examples
        --------
        >>> import json
        >>> import estkit as ek
        >>> fit = ek.fit(ek.Binomial(), [1, 2, 3, 4], [0, 1, 0, 1])
        >>> again = ek.LikelihoodFit.from_dict(json.loads(json.dumps(fit.to_dict())))
        >>> bool((again.predict([2.5]) == fit.predict([2.5])).all())
        True
        """
        from estkit.likelihood import storage

        return storage.to_plain(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> LikelihoodFit:
        """Return the fit that `to_dict` wrote; it predicts, and cannot simulate.

        Raises
        ------
        DataError
            If the dict is of another format or version.
        """
        from estkit.likelihood import storage

        return storage.from_plain(plain)


def sigma_estimate(value: float, n_obs: int | None) -> Estimate:
    """Return σ with its standard error from the observed information, σ / √(2n), or none."""
    error = None if n_obs is None else value / np.sqrt(2.0 * n_obs)
    return Estimate(value, names=["sigma"], std_error=error)


def measured(model: Model, optimum: Optimum) -> dict[str, Any]:
    """Return the fields of a fit that converged."""
    conclusion = model.conclude_at(optimum.point, optimum.value)
    middle, spread = optimum.inverse, model.spread(conclusion)
    if kind_of(model) == "linearized":
        middle, spread = sandwich(model, optimum.point, middle, "linearized"), 1.0
    covariance, errors = inference.carried_out(model.jacobian(optimum.point), middle, spread)
    return reached(model, optimum) | {
        "std_errors": frozen(errors),
        "_covariance": frozen(covariance),
        "_middle": frozen(spread**2 * middle),
    }


def reached(model: Model, optimum: Optimum) -> dict[str, Any]:
    """Return the fields of a fit that converged but for its covariance and standard errors."""
    conclusion = model.conclude_at(optimum.point, optimum.value)
    sigma, kind = None, kind_of(model)
    if conclusion.sigma is not None:
        sigma = sigma_estimate(conclusion.sigma, None if kind == "linearized" else model.n_obs)
    return {
        "family": model.family,
        "names": model.names,
        "params": frozen(model.outside(optimum.point)),
        "loglik": conclusion.loglik,
        "n_obs": model.n_obs,
        "converged": True,
        "status": "ok",
        "reason": optimum.certificate.reason,
        "certificate": optimum.certificate,
        "terms": model.terms,
        "outcomes": model.outcomes,
        "sigma": sigma,
        "constant": conclusion.constant,
        "_point": frozen(optimum.point),
        "_model": model,
        "covariance_kind": kind,
        "notes": model.notes,
    }


def kind_of(model: Model) -> str:
    """Return which covariance the standard errors of a model come from."""
    return "linearized" if model.weighting == "sampling" else "observed"


def unmeasured(model: Model, reason: str, status: str) -> dict[str, Any]:
    """Return the fields of a fit without an answer: what is wrong, and NaN for numbers."""
    missing = np.full(len(model.names), np.nan)
    return {
        "family": model.family,
        "names": model.names,
        "params": frozen(missing),
        "std_errors": frozen(missing),
        "loglik": float("nan"),
        "n_obs": model.n_obs,
        "converged": False,
        "status": status,
        "reason": reason,
        "certificate": Certificate(float("nan"), float("nan"), float("nan"), 0, reason),
        "terms": model.terms,
        "outcomes": model.outcomes,
        "sigma": None,
        "constant": float("nan"),
        "_covariance": frozen(np.full((len(missing), len(missing)), np.nan)),
        "_point": frozen(np.full(model.size, np.nan)),
        "_model": model,
        "covariance_kind": kind_of(model),
        "notes": model.notes,
    }
