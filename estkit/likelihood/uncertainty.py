"""How sure the parameters of a fit are: covariances, intervals and tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit import data
from estkit.errors import DataError, EstkitError
from estkit.estimate import Estimate, check_level
from estkit.likelihood import inference, sandwich
from estkit.likelihood.family import Family, Floats

if TYPE_CHECKING:
    from estkit.likelihood.constrained import Constrained
    from estkit.likelihood.rows import Placement, Rows


class Uncertainty:
    """What a fit inherits to answer how sure it is."""

    family: Family
    names: tuple[str, ...]
    params: Floats
    std_errors: Floats
    loglik: float
    n_obs: int
    converged: bool
    reason: str
    terms: tuple[str, ...]
    sigma: Estimate | None
    _covariance: Floats
    _placement: Placement
    _inside: Floats
    _rows: Rows | None

    @property
    def n_params(self) -> int:
        """The number of estimated parameters, a profiled σ among them; AIC and BIC count it."""
        return len(self.params) + (self.sigma is not None)

    def covariance(self, kind: str = "observed") -> Floats:
        """Return the covariance matrix of the parameters, in the order of ``names``.

        Parameters
        ----------
        kind : {"observed", "expected", "HC0", "HC1", "cluster"}
            The inverse of the observed or of the expected information, which are the same for the
            links there are; or a sandwich that holds when the variance is not as assumed
            (``HC0``, and ``HC1`` with the factor n / (n - k)), or when rows of the same ``groups``
            are dependent. A row of counts is one unit of a sandwich, a row of weight w is w units.
            A sandwich needs the training data.

        Examples
        --------
        >>> import estkit as ek
        >>> fit = ek.fit(ek.Gaussian(), None, [1.0, 2.0, 4.0, 5.0], groups=["a", "a", "b", "b"])
        >>> fit.covariance(), fit.covariance("cluster")
        (array([[0.625]]), array([[2.25]]))
        """
        if kind in ("observed", "expected"):
            return self._covariance
        if kind not in sandwich.KINDS:
            known = ("observed", "expected", *sandwich.KINDS)
            raise DataError(f"kind must be one of {known}, got {kind!r}.")
        self._usable()
        rows = self._training(f"an {kind} covariance")
        point, covariance = self._optimum
        unit = rows.response.unit
        spread = 1.0 if self.sigma is None else self.sigma.value / unit
        middle = sandwich.sandwich(self.family, rows, point, covariance / spread**2, kind)
        back = rows.placement.transform * unit
        return frozen(back @ middle @ back.T)

    def interval(
        self, level: float = 0.95, method: str = "wald", *, kind: str = "observed"
    ) -> Floats:
        """Return confidence limits of shape (k, 2), lower and upper.

        Parameters
        ----------
        level : float
            The confidence level.
        method : {"wald", "profile"}
            Estimate ± z · standard error; or where the profile likelihood has fallen by half the
            chi-squared quantile, to 1e-10 in the log-likelihood. A side on which it never falls
            that far is infinite. The profile needs the training data.
        kind : str
            Which covariance the Wald interval uses, as in `covariance`.

        Examples
        --------
        >>> import estkit as ek
        >>> fit = ek.fit(ek.Binomial(), [1, 2, 3, 4, 5, 6, 7, 8], [0, 0, 1, 0, 1, 0, 1, 1])
        >>> fit.interval(method="wald").round(3)[1]
        array([-0.253,  1.441])
        >>> fit.interval(method="profile").round(3)[1]
        array([-0.108,  1.762])
        """
        check_level(level)
        if method == "wald":
            return inference.wald_interval(self.params, self._errors(kind), level)
        if method != "profile":
            raise DataError(f"method must be 'wald' or 'profile', got {method!r}.")
        from estkit.likelihood.profile import profile_limits

        self._usable()
        rows = self._training("a profile interval")
        inside, covariance = self._optimum
        limits = profile_limits(self.family, rows, inside, self.loglik, covariance, level)
        return self._outer(limits.T).T

    def wald_test(
        self, terms: Sequence[str] | None = None, *, value: Any = 0.0, kind: str = "observed"
    ) -> inference.TestResult:
        """Test jointly that some parameters have given values.

        Parameters
        ----------
        terms : sequence of str, optional
            Names of parameters, or terms (for softmax in all outcomes); by default all but the
            intercepts.
        value : float or array, optional
            The hypothetical value of each.
        kind : str
            Which covariance to use, as in `covariance`.

        Examples
        --------
        >>> import estkit as ek
        >>> x = [1, 2, 3, 4, 5, 6, 7, 8]
        >>> fit = ek.fit(ek.Binomial(), x, [0, 0, 1, 0, 1, 0, 1, 1])
        >>> print(fit.wald_test(["x0"]))
        Wald test of x0 = 0: chi-squared 1.889 on 1 df, p = 0.169
        """
        chosen, difference, named = self._hypothesis(terms, value)
        covariance = self.covariance(kind)[np.ix_(chosen, chosen)]
        return inference.wald_test(difference, covariance, named)

    def _errors(self, kind: str) -> Floats:
        if kind in ("observed", "expected"):
            return self.std_errors
        return inference.standard_errors(self.covariance(kind))

    def _hypothesis(self, terms: Sequence[str] | None, value: Any) -> tuple[list[int], Floats, str]:
        """Return which parameters, their distance from the hypothesis, and it in words."""
        chosen = self._chosen(terms)
        given = data.read_vector(np.atleast_1d(value), what="value")
        if len(given) not in (1, len(chosen)):
            raise DataError(f"value has {len(given)} entries for {len(chosen)} parameters.")
        each = np.broadcast_to(given, len(chosen))
        pairs = [f"{self.names[i]} = {v:g}" for i, v in zip(chosen, each, strict=True)]
        named = ", ".join(pairs)
        if len(given) == 1:
            named = f"{', '.join(self.names[i] for i in chosen)} = {given[0]:g}"
        return chosen, self.params[chosen] - given, named

    def score_test(
        self, terms: Sequence[str] | None = None, *, value: Any = 0.0
    ) -> inference.TestResult:
        """Test jointly that some parameters have given values, from the fit that has them there.

        The statistic is the score at the constrained maximum in the metric of the inverse observed
        information there (Rao 1948). It needs the training data.

        Examples
        --------
        >>> import estkit as ek
        >>> x = [1, 2, 3, 4, 5, 6, 7, 8]
        >>> fit = ek.fit(ek.Binomial(), x, [0, 0, 1, 0, 1, 0, 1, 1])
        >>> print(fit.score_test(["x0"]))
        Score test of x0 = 0: chi-squared 2.381 on 1 df, p = 0.123
        """
        named, found = self._constrained(terms, value, "a score test")
        information = found.information
        statistic = float(found.score @ np.linalg.solve(information, found.score))
        return inference.chi_squared_test("Score", named, statistic, len(self._chosen(terms)))

    def likelihood_ratio(
        self, other: Uncertainty | Sequence[str] | None = None, *, value: Any = 0.0
    ) -> inference.TestResult:
        """Test a smaller model against this one by twice the difference of log-likelihoods.

        Parameters
        ----------
        other : LikelihoodFit, or sequence of str, optional
            The smaller of two nested fits to the same responses; or names of parameters that the
            smaller model holds at `value`, by default all but the intercepts.
        value : float or array, optional
            The hypothetical value of each named parameter.

        Raises
        ------
        DataError
            If the fits cannot be nested: other families, numbers of observations, or outcomes.

        Examples
        --------
        >>> import estkit as ek
        >>> x, y = [1, 2, 3, 4, 5, 6, 7, 8], [0, 0, 1, 0, 1, 0, 1, 1]
        >>> fit = ek.fit(ek.Binomial(), x, y)
        >>> print(fit.likelihood_ratio(ek.fit(ek.Binomial(), None, y)))
        Likelihood-ratio test of 1 constraint: chi-squared 2.641 on 1 df, p = 0.104
        >>> print(fit.likelihood_ratio(["x0"]))
        Likelihood-ratio test of x0 = 0: chi-squared 2.641 on 1 df, p = 0.104
        """
        if isinstance(other, Uncertainty):
            return inference.compare_nested(self, other)
        named, found = self._constrained(other, value, "a likelihood-ratio test")
        statistic = 2.0 * (self.loglik - found.loglik)
        df = len(self._chosen(other))
        return inference.chi_squared_test("Likelihood-ratio", named, statistic, df)

    def _constrained(
        self, terms: Sequence[str] | None, value: Any, wanted: str
    ) -> tuple[str, Constrained]:
        """Return a hypothesis in words, and the fit in which it holds."""
        from estkit.likelihood.constrained import maximise_under

        self._usable()
        rows = self._training(wanted)
        chosen, difference, named = self._hypothesis(terms, value)
        inside, _ = self._optimum
        matrix = rows.placement.transform[chosen]
        target = matrix @ inside - difference / rows.response.unit
        return named, maximise_under(self.family, rows, matrix, target, inside)

    @property
    def _optimum(self) -> tuple[Floats, Floats]:
        """The maximum and its covariance, as `Rows` holds its parameters.

        The information is summed again: taken back from the covariance of parameters for a column
        at 1e8, it would have no digits left.
        """
        rows = self._training("this")
        placement, unit = rows.placement, rows.response.unit
        inside = np.array(self._inside)
        if placement.intercept:
            inside[:: len(rows.terms)] += rows.level * unit - rows.response.origin
        point = inside / unit
        information = rows.total(self.family, point).information
        assert information is not None
        scale = 1.0 / np.sqrt(information.diagonal())
        inverse = np.linalg.inv(information * scale * scale[:, None]) * scale * scale[:, None]
        spread = 1.0 if self.sigma is None else self.sigma.value / unit
        return point, np.asarray(spread**2 * inverse, float)

    def _outer(self, values: Floats) -> Floats:
        """Return parameters of `Rows` (…, k), as given to its placement, in the unit of y."""
        rows = self._training("this")
        outer = values * rows.response.unit
        if rows.placement.intercept:
            outer[..., :: len(rows.terms)] += rows.response.origin - rows.level * rows.response.unit
        return outer

    def _chosen(self, terms: Sequence[str] | None) -> list[int]:
        of_term = list(self.terms) * self._placement.predictors
        if terms is None:
            terms = [term for term in self.terms if term != "intercept"]
        chosen: list[int] = []
        for term in [terms] if isinstance(terms, str) else terms:
            pairs = zip(self.names, of_term, strict=True)
            found = [i for i, pair in enumerate(pairs) if term in pair]
            if not found:
                raise DataError(f"{term!r} is not a parameter; they are {', '.join(self.names)}.")
            chosen += found
        if not chosen or len(set(chosen)) < len(chosen):
            raise DataError(f"terms must name parameters, each once; got {terms!r}.")
        return chosen

    def _training(self, wanted: str) -> Rows:
        if self._rows is None:
            raise EstkitError(
                f"{wanted} needs the training data, which a stored fit does not hold; fit again in "
                f"this process, or pass X where the method takes it."
            )
        return self._rows

    def _usable(self) -> None:
        if not self.converged:
            raise EstkitError(f"The fit has no answer to work with: {self.reason}")


def frozen(array: Floats) -> Floats:
    """Return a copy that cannot be written to."""
    array = np.array(array, dtype=float)
    array.flags.writeable = False
    return array
