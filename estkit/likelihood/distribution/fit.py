"""What the fit of a distribution can be asked: densities, quantiles, the mean, their errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.errors import DataError, EstkitError
from estkit.estimate import Estimate, check_level, normal_quantile, with_error
from estkit.likelihood import inference
from estkit.likelihood.distribution.laws.law import Axis, Law, find_law
from estkit.likelihood.distribution.laws.rows import FIRST_DIFFERENCE, OFFSETS
from estkit.likelihood.family import Floats
from estkit.likelihood.newton import Optimum
from estkit.likelihood.result import LikelihoodFit
from estkit.likelihood.uncertainty import frozen
from estkit.table import Table

if TYPE_CHECKING:
    from estkit.likelihood.distribution.distribution import Distribution
    from estkit.likelihood.distribution.model import DistributionModel
    from estkit.likelihood.uncertainty import Uncertainty

_STEP = 5e-3  # on the line of a parameter


@dataclass(frozen=True, eq=False, repr=False)
class DistributionFit(LikelihoodFit):
    """The fit of a `Distribution`; see `LikelihoodFit` for parameters, intervals and tests.

    Standard errors of what is made of the parameters come by the delta method. A parameter whose
    estimate lies at the end of its range has no standard error (NaN); its profile interval is
    right.

    Examples
    --------
    >>> import estkit as ek
    >>> fit = ek.fit(ek.Distribution("gamma"), [2.1, 0.7, 3.5, 1.2, 4.4, 0.9, 2.8, 1.6])
    >>> fit
    DistributionFit(gamma, 8 observations, a=3.0 ± 1.4, scale=0.73 ± 0.38, log-likelihood -12.157)
    >>> fit.mean()
    Estimate(2.15 ± 0.44, 95% interval 1.28 to 3.02)
    >>> fit.quantile([0.5, 0.9]).value.round(3)
    array([1.913, 3.826])
    """

    family: Distribution

    @classmethod
    def of(cls, model: DistributionModel, optimum: Optimum) -> DistributionFit:
        """Return the fit that converged; its errors are computed when they are first asked for."""
        conclusion, point = model.conclude(optimum.value), frozen(optimum.point)
        fit = object.__new__(cls)
        fit.__dict__.update(
            family=model.family, names=model.names, params=frozen(model.outside(point)),
            loglik=conclusion.loglik, n_obs=model.n_obs, converged=True, status="ok",
            reason=optimum.certificate.reason, certificate=optimum.certificate, terms=model.terms,
            outcomes=(), sigma=None, constant=conclusion.constant, _point=point,
            _middle=frozen(optimum.inverse), _model=model,
        )  # fmt: skip
        return fit

    if not TYPE_CHECKING:  # where the fields are declared

        def __getattr__(self, name: str) -> Any:
            if name not in ("std_errors", "_covariance") or self.__dict__.get("_model") is None:
                raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")
            jacobian = self._model.jacobian(self._point)
            covariance, errors = inference.carried_out(jacobian, self._middle, 1.0)
            self.__dict__.update(std_errors=frozen(errors), _covariance=frozen(covariance))
            return self.__dict__[name]

    def __getstate__(self) -> dict[str, Any]:
        assert self.std_errors is not None  # computed before the model is left behind
        return super().__getstate__()

    def __repr__(self) -> str:
        if not self.converged:
            return f"DistributionFit({self._name}, not converged: {self.reason})"
        shown = []
        for name, number, spread in zip(self.names, self.params, self.std_errors, strict=True):
            value, error = with_error(float(number), None if np.isnan(spread) else float(spread))
            shown.append(f"{name}={value}" + ("" if np.isnan(spread) else f" ± {error}"))
        return (
            f"DistributionFit({self._name}, {self.n_obs} observations, {', '.join(shown)}, "
            f"log-likelihood {self.loglik:.5g})"
        )

    @property
    def _name(self) -> str:
        return str(getattr(self.family.law, "name", self.family.law))

    @property
    def _law(self) -> Law:
        if self._name == "multinomial":
            raise EstkitError("A multinomial fit has probabilities in params, and no density.")
        return find_law(self.family.law)

    @property
    def n_params(self) -> int:
        """The number of estimated parameters; AIC and BIC count it."""
        return len(self.names) - (self._name == "multinomial")

    def frozen(self) -> Any:
        """Return scipy's distribution with the estimated parameters.

        Examples
        --------
        >>> import estkit as ek
        >>> round(float(ek.fit(ek.Distribution("expon"), [1.0, 2.0, 6.0]).frozen().var()), 6)
        9.0
        """
        return self._at(self.params)

    def _at(self, params: Floats) -> Any:
        law = self._law
        return law.dist(*law.complete(law.settle(self.family.fixed), params))

    def pdf(self, x: Any, *, level: float = 0.95) -> Estimate:
        """Return the density at x, or the probability of a count; its interval is made in logs.

        Examples
        --------
        >>> import estkit as ek
        >>> ek.fit(ek.Distribution("poisson"), [1, 0, 3, 2, 2]).pdf(0)
        Estimate(0.20 ± 0.11, 95% interval 0.07 to 0.61)
        """
        logs, error = self._log_density(x, level)
        half = normal_quantile(level) * error
        with np.errstate(over="ignore"):
            value, limits = np.exp(logs), (np.exp(logs - half), np.exp(logs + half))
        return _estimate(value, value * error, level, _named("pdf", x), limits)

    def logpdf(self, x: Any, *, level: float = 0.95) -> Estimate:
        """Return the logarithm of the density at x, or of the probability of a count.

        Examples
        --------
        >>> import estkit as ek
        >>> ek.fit(ek.Distribution("poisson"), [1, 0, 3, 2, 2]).logpdf(0)
        Estimate(-1.60 ± 0.57, 95% interval -2.71 to -0.49)
        """
        return _estimate(*self._log_density(x, level), level, _named("logpdf", x))

    def _log_density(self, x: Any, level: float) -> tuple[Floats, Floats]:
        density = "logpmf" if self._law.discrete else "logpdf"
        return self._delta(lambda law, at: getattr(law, density)(at), x, level)

    def cdf(self, x: Any, *, level: float = 0.95) -> Estimate:
        """Return the probability of at most x; its interval is made in log-odds.

        Examples
        --------
        >>> import estkit as ek
        >>> ek.fit(ek.Distribution("norm"), [1.0, 2.0, 4.0, 5.0]).cdf(3.0)
        Estimate(0.50 ± 0.20, 95% interval 0.17 to 0.83)
        """
        p, error = self._delta(lambda law, at: law.cdf(at), x, level)
        with np.errstate(divide="ignore", invalid="ignore"):
            odds, half = np.log(p) - np.log1p(-p), normal_quantile(level) * error / (p * (1 - p))
            lower, upper = (1.0 / (1.0 + np.exp(-odds - side * half)) for side in (-1.0, 1.0))
        certain = (p == 0) | (p == 1)
        limits = np.where(certain, p, lower), np.where(certain, p, upper)
        return _estimate(p, error, level, _named("cdf", x), limits)

    def quantile(self, q: Any, *, level: float = 0.95) -> Estimate:
        """Return the value that lies above a share q of the distribution.

        Examples
        --------
        >>> import estkit as ek
        >>> fit = ek.fit(ek.Distribution("expon"), [1.0, 2.0, 6.0])
        >>> fit.quantile([0.5, 0.9])
        Estimate(quantile(0.5)=2.1 ± 1.2, quantile(0.9)=6.9 ± 4.0)
        """
        wrong = ~((np.asarray(q) >= 0) & (np.asarray(q) <= 1))
        if wrong.any():
            raise DataError(f"q must be shares between 0 and 1, got {q!r:.60}.")
        if self._law.discrete:  # it jumps: no derivative tells how far
            with np.errstate(all="ignore"):
                value = np.asarray(self.frozen().ppf(q), float)
            error = np.full(value.shape, np.nan)
        else:
            value, error = self._delta(lambda law, at: law.ppf(at), q, level)
        return _estimate(value, error, level, _named("quantile", q))

    def mean(self, *, level: float = 0.95) -> Estimate:
        """Return the mean of the distribution.

        Examples
        --------
        >>> import estkit as ek
        >>> ek.fit(ek.Distribution("lognorm"), [1.0, 2.0, 6.0]).mean()
        Estimate(3.0 ± 1.4, 95% interval 0.2 to 5.8)
        """
        return _estimate(*self._delta(lambda law, at: law.mean(), 0.0, level), level, None)

    def _delta(
        self, function: Callable[[Any, Any], Any], x: Any, level: float
    ) -> tuple[Floats, Floats]:
        """Return a function of the law at x and its error by the delta method, NaN if not known."""
        self._usable()
        check_level(level)
        at = np.asarray(x, float)
        if at.ndim > 1 or np.isnan(at).any():
            raise DataError(f"Expected a number or a vector of them, got {x!r:.60}.")
        axes = self._lines()
        lines = np.array([axis.inward(v) for axis, v in zip(axes, self.params, strict=True)])
        with np.errstate(all="ignore"):
            value = np.asarray(function(self._at(self.params), at), float)
            slopes = np.empty((len(axes), value.size))
            for j, axis in enumerate(axes):
                total = np.zeros(value.size)
                for offset, factor in zip(OFFSETS, FIRST_DIFFERENCE, strict=True):
                    params = self.params.copy()
                    params[j] = axis.outward(lines[j] + offset * _STEP)
                    there = np.ravel(np.asarray(function(self._at(params), at), float))
                    total += factor * (there - value.ravel()) if offset else 0.0
                slopes[j] = total / _STEP / axis.slope(lines[j])
            scale = self.std_errors
            correlation = self._covariance / scale / scale[:, None]
            scaled = slopes * scale[:, None]
            error = np.sqrt(np.einsum("ia,ij,ja->a", scaled, correlation, scaled))
        return value, error.reshape(value.shape)

    def _lines(self) -> list[Axis]:
        law, estimates = self._law, dict(zip(self.names, self.params.tolist(), strict=True))
        known = {p.name: p for p in law.parameters}
        held = dict(zip(law.names, law.settle(self.family.fixed), strict=True))
        unit = estimates.get("scale", held.get("scale") or 1.0)
        axes = []
        for name, value in estimates.items():
            lower, upper = known[name].lower, known[name].upper
            axes.append(
                Axis(-math.inf, math.inf, value, unit) if name == "loc" else Axis(lower, upper)
            )
        return axes

    def likelihood_ratio(
        self, other: Uncertainty | Sequence[str] | None = None, *, value: Any = 0.0
    ) -> inference.TestResult:
        """Test a smaller model, which may be a fit of the same law with more parameters fixed.

        Examples
        --------
        >>> import estkit as ek
        >>> x = [2.1, 0.7, 3.5, 1.2, 4.4, 0.9, 2.8, 1.6]
        >>> small = ek.fit(ek.Distribution("gamma", fixed={"a": 1.0}), x)
        >>> print(ek.fit(ek.Distribution("gamma"), x).likelihood_ratio(small))
        Likelihood-ratio test of 1 constraint: chi-squared 3.934 on 1 df, p = 0.0473
        """
        if isinstance(other, DistributionFit) and other._name == self._name != "multinomial":
            small, large = sorted((self, other), key=lambda fit: fit.n_params)
            if large._held().items() <= small._held().items():
                family = large.family
                return inference.compare_nested(large, small._of(family))
        return super().likelihood_ratio(other, value=value)

    @property
    def _baseline(self) -> tuple[str, ...]:
        """The parameters that cannot be 0, or not all at once."""
        if self._name == "multinomial":
            return self.names
        ranges = {p.name: (p.lower, p.upper) for p in self._law.parameters}
        possible = [n == "loc" or ranges[n][0] < 0.0 < ranges[n][1] for n in self.names]
        return tuple(n for n, p in zip(self.names, possible, strict=True) if not p)

    def _held(self) -> Mapping[str, float]:
        law = self._law
        pairs = zip(law.names, law.settle(self.family.fixed), strict=True)
        return {name: value for name, value in pairs if value is not None}

    def _of(self, family: Distribution) -> DistributionFit:
        from dataclasses import replace

        return replace(self, family=family)

    def _own_plain(self) -> dict[str, Any]:
        if not isinstance(self.family.law, str):
            raise EstkitError(
                "A law of your own cannot be stored by its name; keep the parameters, to_frame()."
            )
        return {}

    def _table(self, level: float = 0.95, kind: str | None = None) -> Table:
        from estkit.likelihood.display import parameter_table

        return parameter_table(self, level, self._errors(kind))


def _named(what: str, x: Any) -> list[str] | None:
    names = [f"{what}({v:g})" for v in np.ravel(np.asarray(x, float)).tolist()]
    return names if len(set(names)) == len(names) and np.ndim(x) else None


def _estimate(
    value: Any,
    error: Any,
    level: float,
    names: Sequence[str] | None,
    limits: tuple[Any, Any] | None = None,
) -> Estimate:
    """Return an estimate whose error is left out where it is not known."""
    if np.isnan(error).all():
        return Estimate(value, names=names, level=level)
    lower, upper = (None, None) if limits is None else limits
    return Estimate(value, names=names, std_error=error, lower=lower, upper=upper, level=level)
