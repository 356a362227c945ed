"""What a user's likelihood adds to a fit: how it was differentiated, and its optima."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError, EstkitError
from estkit.estimate import Estimate, plain
from estkit.gradients.checking.report import GradientReport
from estkit.likelihood import inference
from estkit.likelihood.custom.given import gradient_report
from estkit.likelihood.custom.likelihood import Likelihood
from estkit.likelihood.custom.multistart import Optima
from estkit.likelihood.custom.parameters import Layout
from estkit.likelihood.custom.transforms import Transforms
from estkit.likelihood.family import Floats
from estkit.likelihood.result import LikelihoodFit
from estkit.likelihood.uncertainty import frozen

_OWN = ("derivatives", "derivative_error", "fixed", "bounds", "optima")
_WORDS = {
    "complex": "by the complex step, confirmed by differences",
    "differences": "by differences",
    "given": "as given, confirmed by differences",
    "jax": "by JAX",
}


@dataclass(frozen=True, eq=False, repr=False)
class CustomFit(LikelihoodFit):
    """A fit of a user's likelihood; see `LikelihoodFit`.

    Parameters
    ----------
    derivatives : {"complex", "differences", "given", "jax"}
        How the log-likelihood was differentiated.
    derivative_error : float
        How far the error of the gradient may have moved an estimate, in its standard errors.
    optima : Optima
        The distinct maxima that the starts led to.
    fixed : mapping
        The parameters that were not estimated.
    bounds : tuple of pairs
        The interval of each parameter.

    Examples
    --------
    >>> import numpy as np
    >>> import estkit as ek
    >>> waiting = ek.Likelihood(
    ...     lambda params, x: np.log(params.rate) - params.rate * x,
    ...     {"rate": 1.0},
    ...     bounds={"rate": (0, None)},
    ... )
    >>> print(ek.fit(waiting, np.array([0.5, 1.0, 2.5, 4.0])))
    Maximum likelihood, 4 observations
    <BLANKLINE>
    term  estimate  std_error  statistic  p_value  lower  upper
    rate      0.50       0.25                       0.19   1.33
    <BLANKLINE>
    log-likelihood -6.7726, AIC 15.545, BIC 14.931
    Converged in 8 iterations: Newton decrement <1e-12, relative gradient <1e-12, condition 1.
    Derivatives by the complex step, confirmed by differences: exact to <1e-12 standard errors.
    """

    derivatives: str
    derivative_error: float
    optima: Optima
    fixed: Mapping[str, float]
    bounds: tuple[tuple[float, float], ...]
    _layout: Layout | None = None

    def check(self, *, at: Any = None) -> GradientReport:
        """Compare the gradient with numerical derivatives on the data of this fit.

        Parameters
        ----------
        at : mapping or array, optional
            Where; by default at the estimates. A gradient of the total is 0 there, and tells more
            elsewhere.

        Returns
        -------
        GradientReport
            With a verdict and a likely cause for each parameter that is estimated.

        Raises
        ------
        DataError
            If neither the user nor JAX gave a gradient, or `at` does not fit the parameters.
        EstkitError
            If the fit has no data, as one that was stored.

        Examples
        --------
        >>> import numpy as np
        >>> import estkit as ek
        >>> like = ek.Likelihood(
        ...     lambda p, y: -0.5 * (y - p.mu) ** 2, {"mu": 0.5}, lambda p, y: {"mu": y - p.mu}
        ... )
        >>> ek.fit(like, np.array([1.0, 2.0, 4.0])).check()
        GradientReport(all 1 right)
        """
        model = self._training("check")
        point = model.origin  # where the fit ended
        if at is not None:
            point = model.family.inside(at, model.derivatives.function, "at")
        return gradient_report(model.derivatives, point)

    def _formed(self, params: NDArray[Any]) -> Any:
        """Return parameters as the log-likelihood takes them, fixed ones included."""
        if self._layout is None:
            return super()._formed(params)
        return self._layout.formed(self._layout.filled(params))

    @property
    def bic(self) -> float:
        """The Bayesian information criterion; NaN when the number of observations is not known."""
        return super().bic if self.n_obs else float("nan")

    @property
    def _transforms(self) -> Transforms:
        pairs = np.array(self.bounds, dtype=float).reshape(-1, 2)
        return Transforms(pairs[:, 0], pairs[:, 1])

    def _wald_limits(self, errors: Floats, level: float) -> Floats:
        """Return limits made where the parameters are unbounded, so that they keep the bounds."""
        transforms = self._transforms
        point = transforms.inward(self.params)
        width = errors / np.abs(transforms.slope(point))
        inside = inference.wald_interval(point, width, level)
        return np.sort(np.column_stack([transforms.outward(end) for end in inside.T]), axis=1)

    def _wald_statistics(self, errors: Floats) -> tuple[Floats, Floats]:
        """Return the tests of 0, and none for a parameter that cannot be 0."""
        statistic, p_value = super()._wald_statistics(errors)
        impossible = np.isin(self.names, self._baseline)
        return np.where(impossible, np.nan, statistic), np.where(impossible, np.nan, p_value)

    @property
    def _baseline(self) -> tuple[str, ...]:
        """The parameters that cannot be 0."""
        bounds = self._transforms
        possible = (bounds.lower < 0) & (bounds.upper > 0)
        return tuple(n for n, p in zip(self.names, possible.tolist(), strict=True) if not p)

    @property
    def _title(self) -> str:
        count = f"{self.n_obs} observations" if self.n_obs else "number of observations not given"
        return f"Maximum likelihood, {count}"

    def _remarks(self) -> list[str]:
        exact = f"{self.derivative_error:.1g}" if self.derivative_error >= 1e-12 else "<1e-12"
        remarks = [f"Derivatives {_WORDS[self.derivatives]}: exact to {exact} standard errors."]
        if self.fixed:
            held = ", ".join(f"{name} = {value:g}" for name, value in self.fixed.items())
            remarks.append(f"Fixed: {held}.")
        if sum(self.optima.starts) > 1:
            remarks.append(self._of_starts())
        return remarks

    def _of_starts(self) -> str:
        optima, starts = self.optima, sum(self.optima.starts)
        if optima.maxima == 1:
            return f"{optima.starts[0]} of {starts} starts led to this maximum, none to another."
        level = optima.loglik[1]
        same = abs(level - optima.loglik[0]) <= 1e-6 * max(1.0, abs(level))
        kind = "another is as high as this one" if same else f"the next is at {level:.6g}"
        return (
            f"{optima.maxima} distinct maxima from {starts} starts; {kind}; {optima.starts[0]} "
            f"starts led to this one. See optima."
        )

    def to_estimate(self) -> Estimate:
        """Return the parameters as an `Estimate`, with limits that keep the bounds."""
        estimate = super().to_estimate()
        if not self.converged:
            return estimate
        limits = self._wald_limits(self.std_errors, 0.95)
        return replace(estimate, lower=limits[:, 0], upper=limits[:, 1])

    def _own_plain(self) -> dict[str, Any]:
        """Return what is stored beside the fields of every fit."""
        optima = self.optima
        return {
            "derivatives": self.derivatives,
            "derivative_error": plain(self.derivative_error),
            "fixed": dict(self.fixed),
            "bounds": plain(self.bounds),  # ends at infinity as text
            "layout": None if self._layout is None else self._layout.to_plain(),
            "optima": {
                "loglik": plain(optima.loglik),
                "params": plain(optima.params),
                "starts": list(optima.starts),
                "status": list(optima.status),
            },
        }

    def _options(self) -> dict[str, Any]:
        return {}

    @classmethod
    def _family(cls, stored: Mapping[str, Any]) -> Likelihood:
        """Return a likelihood that says where its function is."""
        return Likelihood(NotStored(), dict.fromkeys(stored["names"], 0.0))

    @classmethod
    def _own_fields(cls, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields that `_own_plain` wrote."""
        lacking = [name for name in _OWN if name not in stored]
        if lacking:
            raise DataError(f"Expected a dict that `to_dict` wrote; it lacks {lacking}.")
        optima, names = stored["optima"], tuple(stored["names"])
        bounds = tuple((float(low), float(high)) for low, high in stored["bounds"])
        error, layout = stored["derivative_error"], stored.get("layout")
        return {
            "derivatives": stored["derivatives"],
            "derivative_error": float("nan") if error is None else error,
            "fixed": dict(stored["fixed"]),
            "bounds": bounds,
            "_layout": None if layout is None else Layout.from_plain(layout, stored["names"]),
            "optima": Optima(
                names,
                frozen(optima["loglik"]),
                frozen(optima["params"]).reshape(-1, len(names)),
                tuple(optima["starts"]),
                tuple(optima["status"]),
            ),
        }


class NotStored:
    """Stands where the function was that a stored fit does not hold."""

    def __call__(self, *data: Any) -> Any:
        """Say so."""
        raise EstkitError(
            "A stored fit holds the numbers and not the function; make the Likelihood again and "
            "fit it."
        )
