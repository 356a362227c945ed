"""How sure the parameters of a fit are: covariances, intervals and tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit import data
from estkit.errors import ConvergenceError, DataError, EstkitError
from estkit.estimate import Estimate, check_level
from estkit.likelihood import inference, sandwich
from estkit.likelihood.constrained import maximise_under
from estkit.likelihood.family import Conclusion, Floats
from estkit.likelihood.profile import profile_limits

if TYPE_CHECKING:
    from estkit.likelihood.constrained import Constrained
    from estkit.likelihood.model import Model


class Uncertainty:
    """What a fit inherits to answer how sure it is."""

    family: Any
    names: tuple[str, ...]
    params: Floats
    std_errors: Floats
    loglik: float
    n_obs: int
    converged: bool
    reason: str
    terms: tuple[str, ...]
    sigma: Estimate | None
    covariance_kind: str
    _covariance: Floats
    _point: Floats
    _model: Model | None

    @property
    def n_params(self) -> int:
        """The number of estimated parameters, a profiled σ among them; AIC and BIC count it."""
        return len(self._point) + (self.sigma is not None)

    def covariance(self, kind: str | None = None) -> Floats:
        """Return the covariance matrix of the parameters, in the order of ``names``.

        Parameters
        ----------
        kind : {"observed", "expected", "HC0", "HC1", "cluster", "linearized"}, optional
            By default ``covariance_kind``: observed, or linearized with sampling weights. The
            inverse of the observed or of the expected information, which are the same for a
            canonical link; or a sandwich that holds when the variance is not as assumed
            (``HC0``, and ``HC1`` with the factor n / (n - k)), or when rows of the same ``groups``
            are dependent. A row of counts is one unit of a sandwich, a row of weight w is w units.
            ``linearized`` is the sandwich of a sample with unequal probabilities. A sandwich needs
            the training data.

        Examples
        --------
        >>> import estkit as ek
        >>> fit = ek.fit(ek.Gaussian(), None, [1.0, 2.0, 4.0, 5.0], groups=["a", "a", "b", "b"])
        >>> fit.covariance(), fit.covariance("cluster")
        (array([[0.625]]), array([[2.25]]))
        """
        if kind is None or kind == self.covariance_kind:
            return self._covariance
        return frozen(self._carried_out(kind)[0])

    def _carried_out(self, kind: str) -> tuple[Floats, Floats]:
        """Return a covariance and its standard errors, for the parameters as they are reported."""
        known = ("observed", "expected", *sandwich.KINDS)
        if kind not in known:
            raise DataError(f"kind must be one of {known}, got {kind!r}.")
        if kind in ("observed", "expected"):
            self._need_likelihood(f"The covariance {kind!r}")
        elif kind == "linearized":
            raise DataError("The linearized covariance belongs to sampling_weights; ask for HC0.")
        self._usable()
        model = self._training(f"the covariance {kind!r}")
        if kind == "expected":
            spread, middle = self._spread, inverse_of(model.expected(self._point))
        else:
            spread, middle = 1.0, sandwich.sandwich(model, self._point, self._inverse, kind)
        return inference.carried_out(model.jacobian(self._point), middle, spread)

    def interval(
        self, level: float = 0.95, method: str = "wald", *, kind: str | None = None
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
            return self._wald_limits(self._errors(kind), level)
        if method != "profile":
            raise DataError(f"method must be 'wald' or 'profile', got {method!r}.")
        self._usable()
        self._need_likelihood("A profile interval")
        model = self._training("a profile interval")
        covariance = self._spread**2 * self._inverse
        return profile_limits(model, self._point, self.loglik, covariance, level)

    def wald_test(
        self, terms: Sequence[str] | None = None, *, value: Any = 0.0, kind: str | None = None
    ) -> inference.TestResult:
        """Test jointly that some parameters have given values.

        Parameters
        ----------
        terms : sequence of str, optional
            Names of parameters, or terms (for softmax in all outcomes), or categorical columns (in
            all levels); by default all but the intercepts.
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

    def _wald_limits(self, errors: Floats, level: float) -> Floats:
        return inference.wald_interval(self.params, errors, level)

    def _wald_statistics(self, errors: Floats) -> tuple[Floats, Floats]:
        return inference.wald_statistics(self.params, errors)

    def _errors(self, kind: str | None) -> Floats:
        if kind is None or kind == self.covariance_kind:
            return self.std_errors
        return self._carried_out(kind)[1]

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
        information there (Rao 1948), or of the expected one where a likelihood that is not concave
        has no positive definite observed one. It needs the training data.

        Examples
        --------
        >>> import estkit as ek
        >>> x = [1, 2, 3, 4, 5, 6, 7, 8]
        >>> fit = ek.fit(ek.Binomial(), x, [0, 0, 1, 0, 1, 0, 1, 1])
        >>> print(fit.score_test(["x0"]))
        Score test of x0 = 0: chi-squared 2.381 on 1 df, p = 0.123
        """
        named, found = self._constrained(terms, value, "a score test")
        if found.edge:
            raise ConvergenceError(
                f"Under {named} the maximum lies on the boundary, where fitted probabilities are 0 "
                f"or 1 and the score has no distribution; ask for likelihood_ratio instead."
            )
        statistic = float(found.score @ np.linalg.solve(found.information, found.score))
        return inference.chi_squared_test("Score", named, statistic, found.constraints)

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
        return inference.chi_squared_test("Likelihood-ratio", named, statistic, found.constraints)

    def _constrained(
        self, terms: Sequence[str] | None, value: Any, wanted: str
    ) -> tuple[str, Constrained]:
        """Return a hypothesis in words, and the fit in which it holds."""
        self._usable()
        self._need_likelihood(wanted.capitalize())
        model = self._training(wanted)
        chosen, difference, named = self._hypothesis(terms, value)
        coordinates = [model.coordinate(j) for j in chosen]
        wanted_values = self.params[chosen] - difference
        target = [c.inward(float(v)) for c, v in zip(coordinates, wanted_values, strict=True)]
        matrix = np.array([coordinate.row for coordinate in coordinates])
        return named, maximise_under(model, matrix, np.array(target), self._point)

    @property
    def _spread(self) -> float:
        """The inside σ that the sums over rows took for 1."""
        model: Model = self._training("this")
        return model.spread(
            Conclusion(self.loglik, None if self.sigma is None else self.sigma.value)
        )

    @property
    def _inverse(self) -> Floats:
        """The inverse of the information at the maximum, inside.

        The information is summed again: taken back from the covariance of parameters for a column
        at 1e8, it would have no digits left.
        """
        information = self._training("this").total(self._point).information
        assert information is not None
        return inverse_of(information)

    def _chosen(self, terms: Sequence[str] | None) -> list[int]:
        of_term = list(self.terms) * (len(self.names) // len(self.terms))
        if terms is None:
            terms = [term for term in self.terms if term not in self._baseline]
        chosen: list[int] = []
        for term in [terms] if isinstance(terms, str) else terms:
            wanted = {term, *self._members(term)}
            pairs = zip(self.names, of_term, strict=True)
            found = [i for i, pair in enumerate(pairs) if not wanted.isdisjoint(pair)]
            if not found:
                raise DataError(f"{term!r} is not a parameter; they are {', '.join(self.names)}.")
            chosen += found
        if not chosen or len(set(chosen)) < len(chosen):
            raise DataError(f"terms must name parameters, each once; got {terms!r}.")
        return chosen

    @property
    def _baseline(self) -> tuple[str, ...]:
        """The terms of a model without any effect, which tests leave alone unless asked."""
        return ("intercept",)

    def _members(self, term: str) -> tuple[str, ...]:
        """Return the terms that one categorical column was made into."""
        return ()

    def _training(self, wanted: str) -> Any:
        if self._model is None:
            raise EstkitError(
                f"{wanted} needs the training data, which a stored fit does not hold; fit again in "
                f"this process, or pass X where the method takes it."
            )
        return self._model

    def _need_likelihood(self, wanted: str) -> None:
        if self.covariance_kind == "linearized":
            raise EstkitError(
                f"{wanted} needs a likelihood, and sampling weights give a pseudo-likelihood, "
                f"whose curvature and differences say nothing of the error; use the standard "
                f"errors of the fit, interval(method='wald') and wald_test."
            )

    def _usable(self) -> None:
        if not self.converged:
            raise EstkitError(f"The fit has no answer to work with: {self.reason}")


def frozen(array: Floats) -> Floats:
    """Return a copy that cannot be written to."""
    array = np.array(array, dtype=float)
    array.flags.writeable = False
    return array


def inverse_of(information: Floats) -> Floats:
    """Return the inverse of a positive definite matrix of any scale."""
    scale = 1.0 / np.sqrt(information.diagonal())
    inverse: Floats = np.linalg.inv(information * scale * scale[:, None]) * scale * scale[:, None]
    return inverse
