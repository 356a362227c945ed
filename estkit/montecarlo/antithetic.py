"""Antithetic draws: two replicates from one stream, the second with the opposite of the first."""

from __future__ import annotations

from typing import Any

import numpy as np

from estkit.errors import StudyError

_LAST = 1.0 - 2.0**-53  # the largest number that Generator.random gives
_WITHOUT_OPPOSITE = (
    "beta binomial bytes chisquare choice dirichlet f gamma geometric hypergeometric logseries "
    "multinomial multivariate_hypergeometric negative_binomial noncentral_chisquare noncentral_f "
    "permutation permuted poisson shuffle standard_gamma triangular vonmises wald zipf spawn"
).split()


class Antithetic(np.random.Generator):
    """A generator for one of two partners, which draw at u and at 1 - u from the same stream.

    Symmetric laws are reflected at their centre, uniform ones at the middle of their range;
    exponential numbers, and those of laws that are functions of one, are drawn by inversion. What
    has no opposite raises.

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
        drawn = super().uniform(low, high, size)
        if not self.opposite:
            return drawn
        return np.clip(np.add(low, high) - drawn, low, np.nextafter(high, low))

    def integers(
        self, low: Any, high: Any = None, size: Any = None, dtype: Any = np.int64,
        endpoint: bool = False,
    ) -> Any:  # fmt: skip
        """Draw whole numbers."""
        drawn = super().integers(low, high, size, dtype, endpoint)
        if not self.opposite:
            return drawn
        least, above = (0, low) if high is None else (low, high)
        ends = np.asarray(least, object) + np.asarray(above, object) - (0 if endpoint else 1)
        total = np.asarray(ends % 2**64).astype(np.uint64)  # sums of 64 bits, less multiples of 2⁶⁴
        with np.errstate(over="ignore"):
            opposite = total - np.asarray(drawn).astype(np.uint64)
        return np.asarray(opposite).astype(np.asarray(drawn).dtype)[()]

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
        plain = np.random.Generator(self.bit_generator)  # ours would reflect what it is made of
        drawn = plain.multivariate_normal(mean, cov, size, check_valid, tol, method=method)
        return self._reflected(drawn, 2 * np.asarray(mean, float))

    def standard_exponential(
        self, size: Any = None, dtype: Any = np.float64, method: str = "inv", out: Any = None
    ) -> Any:
        """Draw from the standard exponential law, by inversion."""
        drawn = -np.log1p(-self.random(np.shape(out) if size is None and out is not None else size,
                                       dtype))  # fmt: skip
        if out is None:
            return drawn
        out[...] = drawn
        return out

    def _exponentials(self, size: Any, *others: Any, **parameters: Any) -> Any:
        """Draw standard exponential numbers for the parameters of another law, and check these."""
        for name, values in parameters.items():
            least = 0.0 if name == "scale" else np.nextafter(0.0, 1.0)
            if not np.all(np.asarray(values) >= least):
                raise ValueError(f"{name} {'<' if name == 'scale' else '<='} 0")
        shapes = [np.shape(each) for each in (*others, *parameters.values())]
        shape = np.broadcast_shapes(*shapes) if size is None else size
        return self.standard_exponential(None if shape == () and size is None else shape)

    def exponential(self, scale: Any = 1.0, size: Any = None) -> Any:
        """Draw from the exponential law, by inversion."""
        return scale * self._exponentials(size, scale=scale)

    def gumbel(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        """Draw from the Gumbel law, by inversion."""
        return loc - scale * np.log(self._exponentials(size, loc, scale=scale))

    def pareto(self, a: Any, size: Any = None) -> Any:
        """Draw from the Pareto law of the second kind, by inversion."""
        return np.expm1(self._exponentials(size, a=a) / a)

    def power(self, a: Any, size: Any = None) -> Any:
        """Draw from the law with density a xᵃ⁻¹ on [0, 1], by inversion."""
        return (-np.expm1(-self._exponentials(size, a=a))) ** np.divide(1.0, a)

    def rayleigh(self, scale: Any = 1.0, size: Any = None) -> Any:
        """Draw from the Rayleigh law, by inversion."""
        return scale * np.sqrt(2 * self._exponentials(size, scale=scale))

    def weibull(self, a: Any, size: Any = None) -> Any:
        """Draw from the Weibull law, by inversion."""
        return self._exponentials(size, a=a) ** np.divide(1.0, a)


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
