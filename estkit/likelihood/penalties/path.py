"""``path``: the same regression under one strength after the other, each found from the last."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from estkit import data
from estkit.errors import DataError, EstkitWarning
from estkit.likelihood.family import Floats
from estkit.likelihood.fitting import check_family, gather
from estkit.likelihood.penalties.lasso_regression import LassoRegression
from estkit.likelihood.penalties.penalised import check_link, made, paid_by
from estkit.likelihood.penalties.penalty import ElasticNet, Strength
from estkit.likelihood.uncertainty import frozen
from estkit.likelihood.weights import given_weights
from estkit.table import Column, Table, Tabular

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_LEAST_SHARE = 1e-3  # of L1, in the largest strength of a penalty that is nearly or wholly L2


@dataclass(frozen=True, eq=False, repr=False)
class RegularizationPath(Tabular):
    """A regression under many strengths of a penalty.

    Parameters
    ----------
    family : Family
        The likelihood.
    ratio : float
        How much of the penalty is L1.
    names : tuple of str
        The names of the k parameters.
    strengths : array of shape (L,)
        The strengths, the largest first.
    params : array of shape (L, k)
        The estimates.
    loglik : array of shape (L,)
        The log-likelihoods without penalty, constants included.
    n_nonzero : array of shape (L,)
        How many coefficients are not 0, intercepts not counted.
    kkt : array of shape (L,)
        The largest violation of the conditions of Karush, Kuhn and Tucker, relative to the largest
        gradient that a column could have.
    converged : array of bool of shape (L,)
        Whether that is within the tolerance. Parameters where it is not are not to be trusted.
    intercepts : tuple of str
        Which of the names are intercepts.
    n_obs : int
        The number of observations.

    Examples
    --------
    >>> import numpy as np
    >>> import estkit as ek
    >>> rng = np.random.default_rng(1)
    >>> X = rng.normal(size=(200, 30))
    >>> y = rng.random(200) < 1 / (1 + np.exp(-2 * X[:, 0] + X[:, 1]))
    >>> found = ek.path(ek.Binomial(), X, y)
    >>> found
    RegularizationPath(Binomial, 50 strengths, 31 parameters, up to 25 not 0, all converged)
    >>> {name: round(value, 2) for name, value in found.best("bic").items() if value}
    {'intercept': 0.08, 'x0': 1.42, 'x1': -0.53}
    """

    family: Any
    ratio: float
    names: tuple[str, ...]
    strengths: Floats
    params: Floats
    loglik: Floats
    n_nonzero: NDArray[np.int64]
    kkt: Floats
    converged: NDArray[np.bool_]
    intercepts: tuple[str, ...]
    n_obs: int

    def __repr__(self) -> str:
        left = int((~self.converged).sum())
        state = "all converged" if not left else f"{left} not converged"
        return (
            f"RegularizationPath({type(self.family).__name__}, {len(self.strengths)} strengths, "
            f"{len(self.names)} parameters, up to {self.n_nonzero.max()} not 0, {state})"
        )

    @property
    def aic(self) -> Floats:
        """Akaike's criterion of each strength, every coefficient that is not 0 counted as one.

        That number is unbiased for the degrees of freedom of the lasso (Zou, Hastie and Tibshirani
        2007), and too large where a part of the penalty is L2.
        """
        return 2.0 * self._df - 2.0 * self.loglik

    @property
    def bic(self) -> Floats:
        """The Bayesian criterion of each strength, counted as for the `aic`."""
        return float(np.log(self.n_obs)) * self._df - 2.0 * self.loglik

    @property
    def _df(self) -> Floats:
        return np.asarray(self.n_nonzero + len(self.intercepts), dtype=float)

    def at(self, strength: float) -> dict[str, float]:
        """Return the parameters at one of the strengths, by their names.

        Raises
        ------
        DataError
            If the path does not hold it, or it did not converge there; nothing is interpolated.
        """
        near = int(np.argmin(np.abs(np.log(self.strengths / strength)))) if strength > 0 else 0
        if not np.isclose(self.strengths[near], strength, rtol=1e-9, atol=0.0):
            raise DataError(
                f"The path holds no strength {strength:g}; the nearest is "
                f"{float(self.strengths[near])!r}. Pass strengths=[{strength:g}] to path, or fit "
                f"with a penalty of that strength."
            )
        if not self.converged[near]:
            raise DataError(
                f"The fit at strength {strength:g} did not converge: the KKT conditions are "
                f"violated by {self.kkt[near]:.2g}."
            )
        return dict(zip(self.names, self.params[near].tolist(), strict=True))

    def best(self, criterion: str = "bic") -> dict[str, float]:
        """Return the parameters at the strength with the smallest "aic" or "bic"."""
        if criterion not in ("aic", "bic"):
            raise DataError(f"criterion must be 'aic' or 'bic', got {criterion!r}.")
        values = np.where(self.converged, getattr(self, criterion), np.inf)
        return self.at(float(self.strengths[int(values.argmin())]))

    def _table(self) -> Table:
        columns = [
            Column("strength", self.strengths),
            Column("n_nonzero", self.n_nonzero),
            Column("loglik", self.loglik),
            Column("aic", self.aic),
            Column("bic", self.bic),
            Column("kkt", self.kkt),
            Column("converged", self.converged),
        ]
        title = f"{type(self.family).__name__} path, {self.n_obs} observations"
        return Table(columns, title, [])

    def to_frame(self, *, params: bool = False) -> pd.DataFrame:
        """Return a tidy frame, a row for each strength; or for each strength and parameter.

        Parameters
        ----------
        params : bool
            Whether to return strength, term and estimate instead of the summary.
        """
        if not params:
            return self._table().to_frame()
        import pandas as pd

        return pd.DataFrame(
            {
                "strength": np.repeat(self.strengths, len(self.names)),
                "term": np.tile(np.array(self.names, dtype=object), len(self.strengths)),
                "estimate": self.params.ravel(),
            }
        )

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw the coefficients against the strength; needs the extra ``plot``."""
        from estkit.plot import plot_path

        return plot_path(self, ax=ax)


def path(
    family: Any,
    X: Any,
    y: Any,
    *,
    strengths: Any = None,
    n_strengths: int = 50,
    smallest: float = 0.01,
    ratio: float = 1.0,
    factors: Strength = 1.0,
    standardize: bool = False,
    intercept: bool = True,
    weights: Any = None,
    sampling_weights: Any = None,
    analytic_weights: Any = None,
    offset: Any = None,
    tolerance: float = 1e-6,
) -> RegularizationPath:
    """Fit a regression under an L1 or elastic-net penalty of decreasing strength.

    Parameters
    ----------
    family : Binomial, Softmax or Gaussian
        The likelihood, without a penalty of its own.
    X, y, intercept, weights, sampling_weights, analytic_weights, offset
        As in `fit`; X may be sparse and may have more columns than rows.
    strengths : array-like, optional
        Which strengths; by default `n_strengths` of equal ratio, from the smallest at which all
        penalised coefficients are 0 down to `smallest` times that.
    ratio : float
        How much of the penalty is L1, as in `ElasticNet`; 1 is the lasso.
    factors : float, mapping or array
        What the strength is multiplied with for each column; 0 leaves a column free.
    standardize : bool
        Whether to take the columns divided by their standard deviations.
    tolerance : float
        The violation of the KKT conditions up to which a fit counts as converged, relative to the
        largest gradient that a column could have.

    Returns
    -------
    RegularizationPath

    Warns
    -----
    EstkitWarning
        If some strength did not converge; ``converged`` says which.

    Notes
    -----
    Proximal Newton steps on a working set (Lee, Sun and Saunders 2014) that is proposed by a bolder
    form of the strong rule (Tibshirani et al. 2012), and confirmed by the KKT conditions of every
    column. A strength is n · lambda of glmnet.

    Examples
    --------
    >>> import estkit as ek
    >>> X = [[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 1.0], [4.0, 0.0]]
    >>> lasso = ek.path(ek.Gaussian(), X, [0.1, 1.2, 1.8, 3.1, 3.9], n_strengths=3)
    >>> lasso.strengths.round(3), lasso.n_nonzero
    (array([9.5  , 0.95 , 0.095]), array([0, 1, 2]))
    """
    check_family(family)
    if getattr(family, "penalty", None) is not None or not hasattr(family, "rowwise"):
        raise DataError(
            f"path takes Binomial(), Softmax() or Gaussian() without a penalty, whose form ratio=, "
            f"factors= and standardize= give; got {family!r:.60}."
        )
    check_link(family)
    model = gather(
        family,
        X,
        y,
        intercept=intercept,
        offset=offset,
        **given_weights(family, weights, sampling_weights, analytic_weights),
    )
    penalty = ElasticNet(factors, ratio, standardize=standardize)
    lasso = made(LassoRegression, model, strengths=paid_by(penalty, model))
    with lasso.alone():
        return _solved(lasso.examine(), penalty, strengths, n_strengths, smallest, tolerance)


def _solved(
    model: LassoRegression,
    penalty: ElasticNet,
    strengths: Any,
    number: int,
    smallest: float,
    tolerance: float,
) -> RegularizationPath:
    solver = model.solver(tolerance=tolerance)
    if strengths is None:
        asked = _grid(solver.largest_strength(_LEAST_SHARE), number, smallest)
    else:
        asked = _read_strengths(strengths)
    solutions = solver.path(asked)
    values = np.array([solver.likelihood.value(solution.eta) for solution in solutions])
    heights = [
        model.height(s, float(value)).loglik for s, value in zip(solutions, values, strict=True)
    ]
    names = model.names
    result = RegularizationPath(
        family=model.family,
        ratio=penalty.ratio,
        names=names,
        strengths=frozen(asked),
        params=frozen(np.array([model.reported(s).ravel() for s in solutions])),
        loglik=frozen(np.array(heights)),
        n_nonzero=_fixed(np.array([np.count_nonzero(s.slopes) for s in solutions])),
        kkt=frozen(np.array([s.kkt for s in solutions])),
        converged=_fixed(np.array([s.converged for s in solutions])),
        intercepts=tuple(n for n in names if n == "intercept" or n.endswith(":intercept")),
        n_obs=model.n_obs,
    )
    if not result.converged.all():
        warnings.warn(
            f"The KKT conditions did not reach the tolerance {tolerance:g} at "
            f"{int((~result.converged).sum())} of {len(asked)} strengths; see `converged`. Columns "
            f"of extreme scale may be the reason: pass standardize=True.",
            EstkitWarning,
            stacklevel=3,
        )
    return result


def _grid(largest: float, number: int, smallest: float) -> Floats:
    if number != int(number) or number < 1 or not 0.0 < smallest < 1.0:
        raise DataError(
            f"n_strengths must be 1 or more and smallest between 0 and 1, got {number!r} and "
            f"{smallest!r}."
        )
    if not largest > 0:
        raise DataError(
            "No column is related to the response at all, or none is penalised, so there is no "
            "largest strength; pass strengths."
        )
    grid: Floats = largest * np.logspace(0.0, np.log10(smallest), int(number))
    return grid


def _read_strengths(given: Any) -> Floats:
    values = np.unique(data.read_vector(given, what="strengths"))[::-1]
    if values[-1] <= 0:
        raise DataError(f"strengths must be positive, got {values[-1]:g}; for no penalty use fit.")
    return values


def _fixed(values: NDArray[Any]) -> NDArray[Any]:
    values.flags.writeable = False
    return values
