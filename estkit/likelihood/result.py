"""``LikelihoodFit``: what was estimated, how sure it is, and what can be done with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from estkit import data
from estkit.errors import DataError, EstkitError
from estkit.estimate import Estimate, check_level
from estkit.likelihood import inference, sandwich
from estkit.likelihood.family import Conclusion, Family, Floats, Response
from estkit.likelihood.newton import Certificate, Optimum
from estkit.likelihood.rows import Placement, Rows
from estkit.montecarlo import streams
from estkit.table import Table, Tabular

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from estkit.likelihood.constrained import Constrained
    from estkit.montecarlo.result import StudyResult


@dataclass(frozen=True, eq=False, repr=False)
class LikelihoodFit(Tabular):
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

    family: Family
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
    _covariance: Floats
    _placement: Placement
    _inside: Floats
    _rows: Rows | None

    @classmethod
    def certified(
        cls, family: Family, rows: Rows, optimum: Optimum, conclusion: Conclusion
    ) -> LikelihoodFit:
        """Return the result of a fit that converged."""
        placement = rows.placement
        spread = 1.0 if conclusion.sigma is None else conclusion.sigma / rows.response.unit
        # rows are brought to size 1 first: the squares of extreme scales would overflow
        response = rows.response
        size = np.abs(placement.transform).max(axis=1)
        back = placement.transform / size[:, None]
        relative = back @ (spread**2 * optimum.inverse) @ back.T
        size = size * response.unit
        with np.errstate(over="ignore"):
            covariance = relative * size * size[:, None]
        sigma = conclusion.sigma
        inside = optimum.point * response.unit
        if placement.intercept:
            inside[:: len(rows.terms)] += response.origin - rows.level * response.unit
        return cls(
            family=family,
            names=family.names(rows.terms, rows.response),
            params=frozen(placement.outside(inside)),
            loglik=conclusion.loglik,
            n_obs=rows.response.n_obs,
            converged=True,
            status="ok",
            reason=optimum.certificate.reason,
            certificate=optimum.certificate,
            terms=rows.terms,
            outcomes=rows.response.outcomes,
            sigma=None if sigma is None else sigma_estimate(sigma, rows.response.n_obs),
            std_errors=frozen(size * inference.standard_errors(relative)),
            _covariance=frozen(covariance),
            _placement=placement,
            _inside=frozen(inside),
            _rows=rows,
        )

    @classmethod
    def without_answer(
        cls, family: Family, rows: Rows, reason: str, status: str = "failed"
    ) -> LikelihoodFit:
        """Return a result that says why there is no estimate; its numbers are NaN."""
        missing = frozen(np.full(rows.size, np.nan))
        return cls(
            family=family,
            names=family.names(rows.terms, rows.response),
            params=missing,
            std_errors=missing,
            loglik=float("nan"),
            n_obs=rows.response.n_obs,
            converged=False,
            status=status,
            reason=reason,
            certificate=Certificate(float("nan"), float("nan"), float("nan"), 0, reason),
            terms=rows.terms,
            outcomes=rows.response.outcomes,
            sigma=None,
            _covariance=frozen(np.full((rows.size, rows.size), np.nan)),
            _placement=rows.placement,
            _inside=missing,
            _rows=rows,
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_rows": None}

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
    def n_params(self) -> int:
        """The number of estimated parameters, a profiled σ among them; AIC and BIC count it."""
        return len(self.params) + (self.sigma is not None)

    @property
    def aic(self) -> float:
        """Akaike's information criterion, 2 · parameters - 2 · log-likelihood."""
        return 2.0 * self.n_params - 2.0 * self.loglik

    @property
    def bic(self) -> float:
        """The Bayesian information criterion, log(n) · parameters - 2 · log-likelihood."""
        return float(np.log(self.n_obs)) * self.n_params - 2.0 * self.loglik

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
        self, other: LikelihoodFit | Sequence[str] | None = None, *, value: Any = 0.0
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
        if isinstance(other, LikelihoodFit):
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
        """The maximum and the inverse information there, as `Rows` holds its parameters."""
        rows = self._training("this")
        placement, unit = rows.placement, rows.response.unit
        inside = np.array(self._inside)
        if placement.intercept:
            inside[:: len(rows.terms)] += rows.level * unit - rows.response.origin
        back = np.linalg.inv(placement.transform)
        return inside / unit, np.asarray(back @ (self._covariance / unit**2) @ back.T, float)

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

    def predict(self, X: Any = None, *, offset: Any = None) -> Floats:
        """Return the expected outcome: a probability, K probabilities, or a mean.

        Parameters
        ----------
        X : array-like or data frame, optional
            Columns as in the fit; a frame may have them in any order. By default the training data.
        offset : array-like, optional
            As in the fit; for new rows it is 0 unless given.

        Returns
        -------
        array of shape (n,) or (n, K)
            For softmax a column for each of ``outcomes``.

        Examples
        --------
        >>> import estkit as ek
        >>> fit = ek.fit(ek.Binomial(), [1, 2, 3, 4], [0, 1, 0, 1])
        >>> fit.predict([[2.5]]).round(3)
        array([0.5])
        """
        if X is None and offset is None and (self._columns or self._rows is not None):
            rows = self._training("predict")
            return self.family.mean(self._predictors(rows), rows.response)
        if X is None and self._columns:
            raise DataError("offset= belongs to new rows; pass X with it.")
        if X is None:
            rows_wanted = 1 if offset is None else len(offset)
            columns = data.Columns(np.empty((rows_wanted, 0)), ())
        else:
            columns = data.read_matching(X, self._columns)
        response = Response(np.zeros(columns.rows), None, columns.rows, 0.0, self.outcomes)
        checked = self.family.encode_offset(offset, response)
        eta = self._placement.linear_predictors(columns.values, self._inside, checked)
        return self.family.mean(eta, response)

    @property
    def _columns(self) -> tuple[str, ...]:
        return self.terms[int(self._placement.intercept) :]

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

    def simulate(self, *, rng: Any = None, replicates: int | None = None) -> NDArray[Any]:
        """Draw new responses at the training rows from the fitted model.

        Parameters
        ----------
        rng : int, SeedSequence, Generator or None
            The source of randomness.
        replicates : int, optional
            How many responses to draw; the result then has them as its first axis.

        Returns
        -------
        array
            In the form of y: labels, counts where rows stand for several trials, or numbers.

        Examples
        --------
        >>> import estkit as ek
        >>> fit = ek.fit(ek.Binomial(), [1, 2, 3, 4], [0, 1, 0, 1])
        >>> fit.simulate(rng=1, replicates=2).shape
        (2, 4)
        """
        self._usable()
        rows = self._training("simulate")
        if replicates is not None and (replicates != int(replicates) or replicates < 0):
            raise DataError(f"replicates must be 0 or more, got {replicates!r}.")
        generator = streams.generator_of(rng)
        drawn = self.family.draw(
            generator,
            self._predictors(rows),
            rows.response,
            None if self.sigma is None else self.sigma.value,
            1 if replicates is None else int(replicates),
        )
        drawn = self.family.decode(drawn, rows.response)
        return drawn[0] if replicates is None else drawn

    def _predictors(self, rows: Rows) -> Floats:
        """Return the linear predictors of the training rows, in the unit of y."""
        offset = rows.offset
        if offset is not None:
            offset = (offset + rows.level) * rows.response.unit
        return self._placement.linear_predictors(rows.columns.values, self._inside, offset)

    def bootstrap(
        self,
        replicates: int = 1000,
        *,
        rng: Any = None,
        n_jobs: int | None = None,
        progress: bool = False,
    ) -> StudyResult:
        """Study the estimator where the truth is this fit: the parametric bootstrap.

        Parameters
        ----------
        replicates : int
            How many times to draw responses and fit again.
        rng : int, SeedSequence, Generator or None
            The seed.
        n_jobs : int, optional
            How many workers.
        progress : bool
            Whether to show a progress bar.

        Returns
        -------
        StudyResult
            Bias, variance, coverage and the rest of the estimator at the training rows, each with
            its Monte-Carlo standard error.

        Examples
        --------
        >>> import estkit as ek
        >>> x = [0.1, 0.4, 0.9, 1.3, 1.8, 2.2, 2.9, 3.1, 3.7, 4.0] * 4
        >>> y = [0, 1, 0, 0, 1, 0, 1, 1, 0, 1] * 4
        >>> study = ek.fit(ek.Binomial(), x, y).bootstrap(200, rng=1)
        >>> study.summary("bias").value.round(2).tolist()
        [-0.04, 0.02]
        """
        from estkit.likelihood.bootstrap import study_of

        self._usable()
        self._training("bootstrap")
        return study_of(self).run(replicates, rng=rng, n_jobs=n_jobs, progress=progress)

    def to_estimate(self) -> Estimate:
        """Return the parameters as an `Estimate`, with the status of the fit."""
        return Estimate(
            self.params,
            names=self.names,
            std_error=self.std_errors,
            status=self.status,
            reason="" if self.converged else self.reason,
        )

    def _table(self, level: float = 0.95, kind: str = "observed") -> Table:
        from estkit.likelihood.display import table_of

        return table_of(self, level, self._errors(kind))

    def to_frame(self, level: float = 0.95, *, kind: str = "observed") -> pd.DataFrame:
        """Return a tidy frame: term, estimate, std_error, statistic, p_value, lower, upper.

        For softmax ``outcome`` comes first. `kind` says which covariance the errors come from.

        Examples
        --------
        >>> import estkit as ek
        >>> list(ek.fit(ek.Gaussian(), None, [1.0, 2.0, 4.0]).to_frame().columns)
        ['term', 'estimate', 'std_error', 'statistic', 'p_value', 'lower', 'upper']
        """
        return self._table(level, kind).to_frame()

    def plot(self, *, level: float = 0.95, ax: Axes | None = None) -> Axes:
        """Draw the coefficients with their intervals; needs the extra ``plot``."""
        from estkit.plot import plot_coefficients

        return plot_coefficients(self, level=level, ax=ax)

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


def sigma_estimate(value: float, n_obs: int) -> Estimate:
    """Return σ with its standard error from the observed information, σ / √(2n)."""
    return Estimate(value, names=["sigma"], std_error=value / np.sqrt(2.0 * n_obs))


def frozen(array: Floats) -> Floats:
    """Return a copy that cannot be written to."""
    array = np.array(array, dtype=float)
    array.flags.writeable = False
    return array
