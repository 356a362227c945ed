"""Antithetic draws: two replicates from one stream, the second with the opposite of the first."""

from __future__ import annotations

from typing import Any

import numpy as np

from estkit.errors import StudyError

_LAST = 1.0 - 2.0**-53  # the largest number that Generator.random gives
_WITHOUT_OPPOSITE = (
    "beta binomial bytes chisquare choice dirichlet f gamma geometric hypergeometric logseries "
    "multinomial multivariate_hypergeometric negative_binomial noncentral_chisquare noncentral_f "
    "pareto permutation permuted poisson power rayleigh shuffle standard_gamma triangular vonmises "
    "wald weibull zipf spawn"
).split()


class Antithetic(np.random.Generator):
    """A generator for one of two partners, which draw at u and at 1 - u from the same stream.

    Symmetric laws are reflected at their centre, uniform ones at the middle of their range;
    exponential and Gumbel numbers are drawn by inversion. What has no opposite raises.

    Parameters
    ----------
    generator : Generator
        At the start of the stream.
    opposite : bool
        Whether this is the second partner.

    Examples
    --------
    >>> import numpy as np
    >>> from estkit.montecarlo.antithetic import Antithetic
    >>> one, other = (Antithetic(np.random.default_rng(1), opposite=o) for o in (False, True))
    >>> bool(one.normal(5.0) + other.normal(5.0) == 10.0)
    True
    """

    def __init__(self, generator: np.random.Generator, *, opposite: bool) -> None:
        super().__init__(generator.bit_generator)
        self.opposite = opposite

    def _reflected(self, drawn: Any, twice_center: Any) -> Any:
        return twice_center - drawn if self.opposite else drawn

    def random(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
        """Draw from [0, 1)."""
        drawn = super().random(size, dtype, out)
        last = _LAST if np.dtype(dtype) == np.float64 else np.float32(1.0 - 2.0**-24)
        if out is not None and self.opposite:
            np.subtract(last, out, out=out)
            return out
        return self._reflected(drawn, last)

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        """Draw from [low, high)."""
        return self._reflected(super().uniform(low, high, size), np.add(low, high))

    def integers(
        self, low: Any, high: Any = None, size: Any = None, dtype: Any = np.int64,
        endpoint: bool = False,
    ) -> Any:  # fmt: skip
        """Draw whole numbers."""
        drawn = super().integers(low, high, size, dtype, endpoint)
        if not self.opposite:
            return drawn
        least, above = (0, low) if high is None else (low, high)
        total = np.asarray(least) + np.asarray(above) - (0 if endpoint else 1)
        return (total - drawn).astype(np.asarray(drawn).dtype)[()]

    def standard_normal(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
        """Draw from the standard normal law."""
        drawn = super().standard_normal(size, dtype, out)
        if out is not None and self.opposite:
            np.negative(out, out=out)
            return out
        return self._reflected(drawn, 0.0) if out is None else drawn

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        """Draw from the normal law."""
        return self._reflected(super().normal(loc, scale, size), 2 * np.asarray(loc, float)[()])

    def lognormal(self, mean: Any = 0.0, sigma: Any = 1.0, size: Any = None) -> Any:
        """Draw from the lognormal law."""
        return np.exp(self.normal(mean, sigma, size))

    def laplace(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        """Draw from the Laplace law."""
        return self._reflected(super().laplace(loc, scale, size), 2 * np.asarray(loc, float)[()])

    def logistic(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        """Draw from the logistic law."""
        return self._reflected(super().logistic(loc, scale, size), 2 * np.asarray(loc, float)[()])

    def standard_cauchy(self, size: Any = None) -> Any:
        """Draw from the standard Cauchy law."""
        return self._reflected(super().standard_cauchy(size), 0.0)

    def standard_t(self, df: Any, size: Any = None) -> Any:
        """Draw from Student's t."""
        return self._reflected(super().standard_t(df, size), 0.0)

    def multivariate_normal(
        self, mean: Any, cov: Any, size: Any = None, check_valid: Any = "warn", tol: float = 1e-8,
        *, method: Any = "svd",
    ) -> Any:  # fmt: skip
        """Draw from a multivariate normal law."""
        drawn = super().multivariate_normal(mean, cov, size, check_valid, tol, method=method)
        return self._reflected(drawn, 2 * np.asarray(mean, float))

    def standard_exponential(
        self, size: Any = None, dtype: Any = np.float64, method: str = "inv", out: Any = None
    ) -> Any:
        """Draw from the standard exponential law, by inversion."""
        drawn = -np.log1p(-self.random(size, dtype))
        if out is None:
            return drawn
        out[...] = drawn
        return out

    def exponential(self, scale: Any = 1.0, size: Any = None) -> Any:
        """Draw from the exponential law, by inversion."""
        shape = np.shape(scale) if size is None else size
        return scale * self.standard_exponential(shape if shape != () else None)

    def gumbel(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        """Draw from the Gumbel law, by inversion."""
        shape = np.broadcast_shapes(np.shape(loc), np.shape(scale)) if size is None else size
        return loc - scale * np.log(self.standard_exponential(shape if shape != () else None))


def _refusal(law: str) -> Any:
    def refuse(self: Antithetic, *args: Any, **kwargs: Any) -> Any:
        raise StudyError(
            f"rng.{law} has no antithetic draw; make it of rng.random() by inversion, such as "
            f"scipy.stats.gamma.ppf(rng.random(n), 2.0), or leave out antithetic=True."
        )

    refuse.__name__ = law
    refuse.__doc__ = "Raise, since there is no opposite."
    return refuse


for _law in _WITHOUT_OPPOSITE:
    setattr(Antithetic, _law, _refusal(_law))
