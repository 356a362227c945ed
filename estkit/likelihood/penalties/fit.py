"""What a penalty changes in a fit: which errors, intervals and tests it has, or refuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.errors import DataError, EstkitError
from estkit.estimate import plain
from estkit.likelihood import inference
from estkit.likelihood.family import Floats
from estkit.likelihood.newton import Optimum
from estkit.likelihood.penalties.penalty import L1, ElasticNet, Jeffreys
from estkit.likelihood.penalties.rowwise import Penalisable
from estkit.likelihood.regression_fit import RegressionFit
from estkit.likelihood.result import measured
from estkit.likelihood.uncertainty import Uncertainty, frozen, inverse_of

if TYPE_CHECKING:
    from estkit.likelihood.regression import Regression

_NO_ERRORS = (
    "A fit under {penalty} has no {wanted}: coefficients are 0 with positive probability, which "
    "ones was chosen by these data, so no covariance describes them, nor that of a fit without "
    "penalty on the chosen columns. Use fit.bootstrap() to see how the estimates vary, fit all "
    "columns without the penalty or under L2, or test on data that did not choose."
)


@dataclass(frozen=True, eq=False, repr=False)
class PenalisedFit(RegressionFit):
    """A regression fitted under a penalty; see `LikelihoodFit`.

    Parameters
    ----------
    objective : float
        The maximum of the log-likelihood with the penalty; `loglik` is without.
    effective : float
        How many parameters AIC and BIC count: the trace of (H + S)⁻¹ H under L2 and the elastic
        net, the coefficients that are not 0 under L1, all under Jeffreys' prior.
    kkt : float or None
        Under L1 and the elastic net, the largest violation of the conditions of Karush, Kuhn and
        Tucker, relative to the largest gradient that a column could have.

    Examples
    --------
    >>> import estkit as ek
    >>> x, y = [[1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1]
    >>> fit = ek.fit(ek.Binomial(penalty=ek.L2(1.0)), x, y)
    >>> round(fit.loglik, 4), round(fit.objective, 4), round(fit.effective, 4)
    (-2.5546, -2.755, 1.6354)
    """

    family: Penalisable
    objective: float = field(kw_only=True)
    effective: float = field(kw_only=True)
    kkt: float | None = field(default=None, kw_only=True)
    _later: Callable[[], tuple[Floats, Floats]] | None = field(default=None, kw_only=True)

    @property
    def _prior(self) -> bool:
        return isinstance(self.family.penalty, Jeffreys)

    @property
    def _sparse(self) -> bool:
        penalty = self.family.penalty
        return isinstance(penalty, L1 | ElasticNet) and self.covariance_kind == "none"

    @property
    def _df(self) -> float:
        if np.isnan(self.effective):
            raise self._refusal("AIC or BIC")
        return self.effective + (self.sigma is not None)

    def covariance(self, kind: str | None = None) -> Floats:
        """Return the covariance matrix of the parameters, in the order of ``names``.

        Parameters
        ----------
        kind : {"penalized", "expected", "observed", "HC0", "HC1", "cluster"}, optional
            By default ``covariance_kind``. Under L2 that is ``penalized``, ``(H + S)⁻¹ H (H +
            S)⁻¹``, and the robust ones put the scores in its middle; under Jeffreys' prior
            ``expected``, and all others of a fit without penalty, taken at the estimate.

        Raises
        ------
        EstkitError
            Under L1 and the elastic net, which have no covariance.
        """
        self._need_errors("covariance")
        self._settle()
        return super().covariance(kind)

    def _settle(self) -> None:
        """Compute the covariance that a wide fit left for later, where it needs its diagonal only.

        All of it costs as much as a Newton step.
        """
        if self._later is not None:
            covariance, middle = self._later()
            self.__dict__.update(_covariance=frozen(covariance), _middle=frozen(middle))
            self.__dict__["_later"] = None

    def __getstate__(self) -> dict[str, Any]:
        self._settle()  # before the model is left behind
        return super().__getstate__()

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold and `from_dict` reads; see `LikelihoodFit.to_dict`."""
        self._settle()
        return super().to_dict()

    def _errors(self, kind: str | None) -> Floats:
        if kind is not None:
            self._need_errors("covariance")
        return super()._errors(kind)

    def _within(self, kind: str) -> tuple[Floats, float]:
        if kind not in ("observed", "expected"):
            return super()._within(kind)
        if not self._prior:
            raise EstkitError(
                f"The covariance {kind!r} is that of a fit without penalty; ask for "
                f"{self.covariance_kind!r} or a robust one."
            )
        self._usable()
        model = self._training(f"the covariance {kind!r}")
        if kind == "expected":
            return inverse_of(model.expected(self._point)), 1.0
        return self._inverse, 1.0

    def _root(self, kind: str | None) -> Floats:
        self._need_errors("standard error")
        return super()._root(kind)

    def _inside_root(self, kind: str | None) -> Floats:
        self._need_errors("standard error")
        self._settle()
        return super()._inside_root(kind)

    @property
    def _inverse(self) -> Floats:
        """What stands around the middle of a sandwich: under a prior, what data alone say."""
        if not self._prior:
            return super()._inverse
        information = self._training("this").likelihood(self._point).information
        return inverse_of(information)

    @property
    def _height(self) -> float:
        """The maximum from which a profile falls."""
        model = self._training("this")
        value = model.total(self._point, curvature=False).loglik
        loglik: float = model.conclude_at(self._point, value).loglik
        return loglik

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

        Under L2 they are for the mean of the penalised estimator: they do not cover its bias
        towards 0. Under Jeffreys' prior ``method="profile"`` uses the penalised likelihood.

        Raises
        ------
        EstkitError
            Under L1 and the elastic net; and for a profile or a bootstrap under L2.
        """
        self._need_errors("interval")
        if method == "bootstrap" and not self._prior:
            raise EstkitError(
                "Under L2 a bootstrap repeats the bias towards 0, and its quantiles hold it twice; "
                "ask for method='wald', which leaves out the bias, or fit without."
            )
        if method == "profile":
            self._need_profile()
        return super().interval(
            level, method, kind=kind, replicates=replicates, rng=rng, n_jobs=n_jobs
        )

    def _need_profile(self) -> None:
        self._need_errors("profile")
        if not self._prior:
            raise EstkitError(
                "Under L2 the likelihood is not at its maximum, so its profile gives no confidence "
                "interval; ask for method='wald', which leaves out the bias, or fit without."
            )

    def wald_test(
        self, terms: Sequence[str] | None = None, *, value: Any = 0.0, kind: str | None = None
    ) -> inference.TestResult:
        """Test jointly that some parameters have given values; see `LikelihoodFit.wald_test`.

        Under L2 it compares with the standard errors of the penalised estimator, whose bias it
        does not know of.

        Raises
        ------
        EstkitError
            Under L1 and the elastic net.
        """
        self._need_errors("test")
        return super().wald_test(terms, value=value, kind=kind)

    def score_test(
        self, terms: Sequence[str] | None = None, *, value: Any = 0.0
    ) -> inference.TestResult:
        """Refuse: a score test asks a likelihood without a penalty."""
        raise self._refusal("score test")

    def likelihood_ratio(
        self, other: Uncertainty | Sequence[str] | None = None, *, value: Any = 0.0
    ) -> inference.TestResult:
        """Test that parameters have given values by twice the fall of the penalised likelihood.

        Under Jeffreys' prior only (Heinze and Schemper 2002): the smaller model keeps the prior of
        the larger, so it is named by its constraints and not by another fit.
        """
        if not self._prior:
            raise self._refusal("likelihood-ratio test")
        if isinstance(other, Uncertainty):
            raise DataError(
                "Under Jeffreys' prior two fits have two priors; name the parameters that the "
                "smaller model holds fixed, as in fit.likelihood_ratio(['x0'])."
            )
        return super().likelihood_ratio(other, value=value)

    def _need_errors(self, wanted: str) -> None:
        if self._sparse:
            raise self._refusal(wanted)

    def _refusal(self, wanted: str) -> EstkitError:
        if self._sparse:
            penalty = type(self.family.penalty).__name__
            return EstkitError(_NO_ERRORS.format(penalty=penalty, wanted=wanted))
        return EstkitError(
            f"A fit under a penalty has no {wanted}, which needs the maximum of the likelihood "
            f"alone; use wald_test and interval, or fit without the penalty."
        )

    def _own_plain(self) -> dict[str, Any]:
        own = {name: plain(getattr(self, name)) for name in ("objective", "effective", "kkt")}
        return super()._own_plain() | own

    @classmethod
    def _own_fields(cls, stored: Mapping[str, Any]) -> dict[str, Any]:
        lacking = [name for name in ("objective", "effective", "kkt") if name not in stored]
        if lacking:
            raise DataError(f"Expected a dict that `to_dict` wrote; it lacks {lacking}.")
        own = {name: stored[name] for name in ("objective", "effective", "kkt")}
        for name in ("objective", "effective"):
            own[name] = np.nan if own[name] is None else own[name]
        return super()._own_fields(stored) | own


def concluded(
    model: Regression,
    optimum: Optimum,
    paid: float,
    fields_of: Callable[[Regression, Optimum], dict[str, Any]] = measured,
) -> dict[str, Any]:
    """Return the fields of a fit that converged, its log-likelihood without what was paid."""
    fields = fields_of(model, replace(optimum, value=optimum.value + paid))
    precise = model.precise(optimum.point)
    if precise is not None:
        fields["loglik"] = precise
    objective = fields["loglik"] - paid
    if fields["sigma"] is not None:  # the penalty was weighed against the sum of squares
        response = model.rows.response
        objective = optimum.value * response.unit**2 * response.precision
    return fields | {"objective": float(objective)}
