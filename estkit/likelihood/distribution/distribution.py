"""The distributions of scipy.stats as likelihoods: what `fit` takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from estkit.likelihood.distribution.censoring import read_observations, refuse_response
from estkit.likelihood.distribution.corners import distribution_model
from estkit.likelihood.distribution.laws.law import find_law
from estkit.likelihood.distribution.multinomial import multinomial_model
from estkit.likelihood.model import Model


@dataclass(frozen=True)
class Distribution:
    """A distribution of scipy.stats, fitted by maximum likelihood to a column of values.

    Parameters
    ----------
    law : str or distribution of scipy.stats
        Its name there, such as ``"gamma"``, or one of normal, lognormal, exponential, weibull,
        geometric, negative_binomial, binomial.
    fixed : mapping, optional
        Values at which parameters are held, by their names in scipy. None frees a parameter that is
        held by default: ``loc`` is held at 0 for laws whose support ends somewhere and for all
        discrete ones, ``scale`` at 1 too where it ends on both sides (but not for uniform), and
        for vonmises.

    Raises
    ------
    DataError
        If there is no such law or parameter.
    FitError
        When fitted, if the likelihood has no maximum: equal values, under-dispersed counts for
        nbinom, a parameter that runs to infinity. The message says where it goes and how high.

    Notes
    -----
    Parameters are scipy's; standard errors are of these, from the observed information. norm,
    lognorm, expon, gamma, weibull_min, beta, poisson, geom, nbinom (n is any positive number) and
    binom (fix ``n``) are fitted from a few sums over the data, others from numerical derivatives of
    scipy's log-densities, as all are when rows are censored or truncated (see `Censored`); these
    begin at the best points of a grid, or at `start`, and the certificate is that of a peak, which
    need not be the highest of several.
    ``multinomial`` takes a matrix of counts and estimates a probability for each column.

    A free ``loc`` where the support begins makes the likelihood of gamma, weibull_min and lognorm
    unbounded as loc approaches the smallest value (Cheng and Traylor 1995, JRSS B 57, 3-44). What
    is reported is then the local maximum inside, if there is one.

    Where a law ends at the smallest or largest value (uniform, the scale of pareto, a free loc of
    expon), that value is the estimate, the smallest exact one if others are censored to the right;
    it has no standard error. The loc of laplace is a median,
    whose standard error is scale / √n.

    scipy's geom counts trials and begins at 1; ``fixed={"loc": -1}`` counts failures, from 0.

    Examples
    --------
    >>> import estkit as ek
    >>> days = [2.1, 0.7, 3.5, 1.2, 4.4, 0.9, 2.8, 1.6]
    >>> fit = ek.fit(ek.Distribution("gamma"), days)
    >>> print(fit)
    Distribution gamma, 8 observations
    <BLANKLINE>
    term   estimate  std_error  lower  upper
    a           3.0        1.4    0.2    5.7
    scale      0.73       0.38  -0.01   1.46
    <BLANKLINE>
    log-likelihood -12.157, AIC 28.314, BIC 28.473
    Converged in 0 iterations: Newton decrement <1e-12, relative gradient <1e-12, condition 1.
    """

    law: Any
    fixed: Mapping[str, float | None] | None = None

    def __post_init__(self) -> None:
        if self.law == "multinomial" or getattr(self.law, "name", "") == "multinomial":
            object.__setattr__(self, "law", "multinomial")
            return
        from scipy import stats

        law = find_law(self.law)
        law.settle(self.fixed)
        if getattr(stats, law.name, None) is law.dist:
            object.__setattr__(self, "law", law.name)

    def model(
        self,
        X: Any,
        y: Any = None,
        *,
        intercept: bool = True,
        weights: Any = None,
        offset: Any = None,
        groups: Any = None,
    ) -> Model:
        """Check the data and return the likelihood that they make."""
        refuse_response(y, offset)
        if self.law == "multinomial":
            return multinomial_model(self, X, weights, groups)
        return distribution_model(self, read_observations(X, weights, groups))
