"""Tests of hypotheses about parameters: Wald, score and likelihood-ratio."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit import data
from estkit.errors import ConvergenceError, DataError, EstkitError
from estkit.likelihood import inference, newton
from estkit.likelihood.constrained import maximise_under
from estkit.likelihood.family import Floats
from estkit.likelihood.uncertainty import Uncertainty

if TYPE_CHECKING:
    from estkit.likelihood.constrained import Constrained
    from estkit.likelihood.model import Coordinate


class Hypotheses(Uncertainty):
    """What a fit inherits to be tested."""

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

        Raises
        ------
        EstkitError
            If the fit has no answer, or a parameter lies at an end, where it has no standard error.

        Examples
        --------
        >>> import estkit as ek
        >>> x = [1, 2, 3, 4, 5, 6, 7, 8]
        >>> fit = ek.fit(ek.Binomial(), x, [0, 0, 1, 0, 1, 0, 1, 1])
        >>> print(fit.wald_test(["x0"]))
        Wald test of x0 = 0: chi-squared 1.889 on 1 df, p = 0.169
        """
        self._usable()
        chosen, difference, named = self._hypothesis(terms, value)
        without = [self.names[i] for i in chosen if np.isnan(self.std_errors[i])]
        if without:
            raise EstkitError(
                f"There is no standard error of {', '.join(without)}, at the end of its range or "
                f"of the sample, so no Wald test; test the others, or ask for "
                f"interval(method='profile')."
            )
        root = self._root(kind)[chosen]
        dependent = (kind or self.covariance_kind) not in ("observed", "expected")
        return inference.wald_test(difference, root, named, dependent=dependent)

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
        information = found.information
        if not newton.is_definite(information):
            raise ConvergenceError(
                f"Under {named} the log-likelihood is not concave, so nothing measures the score; "
                f"ask for likelihood_ratio instead."
            )
        statistic = float(found.score @ np.linalg.solve(information, found.score))
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
        statistic = 2.0 * (self._height - found.loglik)
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
        inner = zip(chosen, coordinates, wanted_values, strict=True)
        target = np.array([self._inward(j, coordinate, float(v)) for j, coordinate, v in inner])
        matrix = np.array([coordinate.row for coordinate in coordinates])
        try:
            return named, maximise_under(model, matrix, target, self._point)
        except ConvergenceError:  # the nearest point may be impossible: the likeliest one less so
            covariance = self._inverse
            pull = np.linalg.pinv(matrix @ covariance @ matrix.T) @ (target - matrix @ self._point)
            begin = self._point + covariance @ matrix.T @ pull
            return named, maximise_under(model, matrix, target, begin)

    def _inward(self, index: int, coordinate: Coordinate, value: float) -> float:
        """Return a value of a parameter as it is inside."""
        inside = coordinate.inward(value)
        if not math.isfinite(inside):
            raise DataError(
                f"{self.names[index]} = {value:g} is not strictly within the range of "
                f"{self.names[index]}, so no model has it; pass another value= (or name other "
                f"parameters)."
            )
        return inside

    def _chosen(self, terms: Sequence[str] | None) -> list[int]:
        if isinstance(terms, Mapping):
            raise DataError(
                f"terms must be names, got a mapping; write {list(terms)}, value="
                f"{list(terms.values())}."
            )
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
