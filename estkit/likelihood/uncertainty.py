"""How sure the parameters of a fit are: covariances, intervals, functions of parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError, EstkitError
from estkit.estimate import Estimate, check_level
from estkit.likelihood import delta, inference, sandwich
from estkit.likelihood.curve import LEVELS, Profile, profile_of
from estkit.likelihood.custom.parameters import Parameters
from estkit.likelihood.family import Conclusion, Floats
from estkit.likelihood.profile import profile_limits

if TYPE_CHECKING:
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
        at_end = np.isnan(self.std_errors)
        if at_end.all():
            self._check_kind(kind)
            return np.full((len(at_end), len(at_end)), np.nan), self.std_errors
        inside = self._within(kind)
        jacobian = self._training("this").jacobian(self._point)
        covariance, errors = inference.carried_out(jacobian, *inside)
        return inference.blanked(covariance, at_end), np.where(at_end, np.nan, errors)

    def _within(self, kind: str) -> tuple[Floats, float]:
        """Return the inside covariance of some kind, over the square of the number beside it."""
        self._check_kind(kind)
        if kind in ("observed", "expected"):
            self._need_likelihood(f"The covariance {kind!r}")
        elif kind == "linearized":
            raise DataError("The linearized covariance belongs to sampling_weights; ask for HC0.")
        self._usable()
        model = self._training(f"the covariance {kind!r}")
        if kind == "expected":
            return inverse_of(model.expected(self._point)), self._spread
        return sandwich.sandwich(model, self._point, self._inverse, kind), 1.0

    def _check_kind(self, kind: str) -> None:
        if kind not in (known := ("observed", "expected", *sandwich.KINDS)):
            raise DataError(f"kind must be one of {known}, got {kind!r}.")

    def _root(self, kind: str | None) -> Floats:
        """Return a root of the covariance: its columns are independent errors of the parameters."""
        return delta.root_of(self.covariance(kind))

    def _formed(self, params: NDArray[Any]) -> Any:
        """Return parameters in the form in which functions of them are given them."""
        return Parameters(dict(zip(self.names, params, strict=True)))

    def delta(
        self,
        function: Callable[[Any], Any],
        *,
        names: Sequence[str] | None = None,
        level: float = 0.95,
        kind: str | None = None,
    ) -> Estimate:
        """Return a function of the parameters with its standard error, by the delta method.

        Parameters
        ----------
        function : callable
            Takes the parameters by name, ``params["x0"]`` or ``params.x0``, or in the order of
            `names`, ``params[1]`` (those of a `Likelihood` in the form that its function takes);
            returns a number, a vector or a mapping.
        names : sequence of str, optional
            Names of the values; by default the keys of a mapping.
        level : float
            The confidence level.
        kind : str, optional
            Which covariance, as in `covariance`.

        Raises
        ------
        EstkitError
            If the function has no value at the estimates, or is not smooth there.

        Notes
        -----
        The error of g(θ̂) is that of its tangent (Oehlert 1992). Derivatives come by the complex
        step where differences confirm it, else by differences of sixth order.

        Examples
        --------
        >>> import estkit as ek
        >>> x, y = [1, 2, 3, 4, 5, 6, 7, 8], [0, 0, 1, 0, 1, 0, 1, 1]
        >>> fit = ek.fit(ek.Binomial(), {"dose": x}, y)
        >>> fit.delta(lambda params: -params.intercept / params.dose, names=["median dose"])
        Estimate(4.5 ± 1.4, 95% interval 1.7 to 7.3)
        """
        self._usable()
        root = self._root(kind)
        return delta.estimate(function, self._formed, self.params, root, names, level)

    def interval(
        self,
        level: float = 0.95,
        method: str = "wald",
        *,
        kind: str | None = None,
        replicates: int = 1000,
        rng: Any = None,
        n_jobs: int | None = None,
    ) -> Floats:
        """Return confidence limits of shape (k, 2), lower and upper.

        Parameters
        ----------
        level : float
            The confidence level.
        method : {"wald", "profile", "bootstrap"}
            Estimate ± z · standard error; or where the profile likelihood has fallen by half the
            chi-squared quantile, to 1e-10 in the log-likelihood. A side on which it never falls
            that far is infinite, or the end of the range. Or the quantiles of estimates from data
            drawn from the fit, the percentile bootstrap (Efron 1979): it follows parameters through
            any monotone transform and does not correct bias. Profile and bootstrap need the
            training data.
        kind : str
            Which covariance the Wald interval uses, as in `covariance`.
        replicates, rng, n_jobs
            Of the bootstrap, as in `bootstrap`. A 95% limit has a Monte-Carlo standard error of
            about 2.7 / √replicates standard errors of the parameter. Replicates without an
            estimate are left out, and counted in a warning.

        Examples
        --------
        >>> import estkit as ek
        >>> fit = ek.fit(ek.Binomial(), [1, 2, 3, 4, 5, 6, 7, 8], [0, 0, 1, 0, 1, 0, 1, 1])
        >>> fit.interval(method="wald").round(3)[1]
        array([-0.253,  1.441])
        >>> fit.interval(method="profile").round(3)[1]
        array([-0.108,  1.762])
        >>> x = [0.1, 0.4, 0.9, 1.3, 1.8, 2.2, 2.9, 3.1, 3.7, 4.0] * 4
        >>> fit = ek.fit(ek.Binomial(), x, [0, 1, 0, 0, 1, 0, 1, 1, 0, 1] * 4)
        >>> fit.interval(method="bootstrap", replicates=400, rng=1).round(2)[1]
        array([0.01, 1.2 ])
        """
        check_level(level)
        if method == "wald":
            return self._wald_limits(self._errors(kind), level)
        if method not in ("profile", "bootstrap"):
            raise DataError(f"method must be 'wald', 'profile' or 'bootstrap', got {method!r}.")
        self._usable()
        self._need_likelihood(f"A {method} interval")
        model = self._training(f"a {method} interval")
        if method == "bootstrap":
            return self._bootstrap_limits(level, replicates, rng, n_jobs)
        known: Floats | None = model.limits(self._point, level)
        if known is not None:
            return known
        covariance = self._spread**2 * self._inverse
        return profile_limits(model, self._point, self._height, covariance, level)

    def _bootstrap_limits(
        self, level: float, replicates: int, rng: Any, n_jobs: int | None
    ) -> Floats:
        raise NotImplementedError

    def profile(
        self, name: str, *, points: int = 40, reach: float = 3.0, levels: Sequence[float] = LEVELS
    ) -> Profile:
        """Return the profile likelihood of a parameter: maximised over all others.

        Parameters
        ----------
        name : str
            The parameter.
        points : int
            About how many points of the curve to find.
        reach : float
            How far to follow it on each side: to the signed root of twice the fall of the
            log-likelihood, in which a Wald curve would have this many standard errors.
        levels : sequence of float
            The confidence levels whose limits are found.

        Returns
        -------
        Profile
            The curve with its limits; ``plot()`` draws it. It needs the training data.

        Examples
        --------
        >>> import estkit as ek
        >>> x = [1, 2, 3, 4, 5, 6, 7, 8]
        >>> fit = ek.fit(ek.Binomial(), {"dose": x}, [0, 0, 1, 0, 1, 0, 1, 1])
        >>> print(fit.profile("dose"))
        Profile likelihood of dose: estimate 0.59408
        <BLANKLINE>
        level  lower  upper
        90%    -0.01   1.52
        95%    -0.11   1.76
        99%    -0.31   2.31
        """
        for level in levels:
            check_level(level)
        self._usable()
        self._need_profile()
        model = self._training("a profile")
        if name not in self.names:
            raise DataError(f"{name!r} is not a parameter; they are {', '.join(self.names)}.")
        if np.isnan(self.std_errors).any():
            raise EstkitError(
                "A parameter lies at the end of its range, so there is no curve around the "
                "estimates; interval(method='profile') has the limits."
            )
        covariance = self._spread**2 * self._inverse
        return profile_of(
            model,
            self._point,
            self._height,
            covariance,
            self.names.index(name),
            points=points,
            reach=reach,
            levels=tuple(levels),
        )

    def _need_profile(self) -> None:
        self._need_likelihood("A profile")

    def _wald_limits(self, errors: Floats, level: float) -> Floats:
        return inference.wald_interval(self.params, errors, level)

    def _wald_statistics(self, errors: Floats) -> tuple[Floats, Floats]:
        return inference.wald_statistics(self.params, errors)

    def _errors(self, kind: str | None) -> Floats:
        if kind is None or kind == self.covariance_kind:
            return self.std_errors
        return self._carried_out(kind)[1]

    @property
    def _height(self) -> float:
        """The maximum that profiles and constrained fits are compared with."""
        return self.loglik

    @property
    def _df(self) -> float:
        """How many parameters the AIC and BIC count."""
        return self.n_params

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
