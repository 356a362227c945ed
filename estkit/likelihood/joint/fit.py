"""The fit of a generative likelihood: probabilities of classes for rows, and their errors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit import data
from estkit.errors import DataError, EstkitError
from estkit.likelihood import inference
from estkit.likelihood.family import Floats
from estkit.likelihood.joint.joint import Joint
from estkit.likelihood.joint.normals import Normals
from estkit.likelihood.joint.pieces import Shares, blocks
from estkit.likelihood.regression_fit import coding_from
from estkit.likelihood.result import LikelihoodFit
from estkit.likelihood.uncertainty import frozen
from estkit.table import Table

_LARGEST = 5000  # parameters whose covariances are held at once
_ROWS = 4096
_LAWS: dict[str, type[Shares] | type[Normals]] = {"Shares": Shares, "Normals": Normals}


@dataclass(frozen=True, eq=False, repr=False)
class JointFit(LikelihoodFit):
    """The fit of a `Joint` likelihood; see `LikelihoodFit`.

    Examples
    --------
    >>> import estkit as ek
    >>> x, kind = [1.0, 2.0, 3.0, 2.5, 4.0, 5.0], ["a", "a", "a", "b", "b", "b"]
    >>> fit = ek.fit(ek.Joint("gaussian"), x, kind)
    >>> fit.outcomes, fit.predict([3.0]).round(3)
    (('a', 'b'), array([[0.456, 0.544]]))
    """

    family: Joint
    _shares: Shares
    _law: Shares | Normals | None
    _columns: tuple[str, ...]
    _coding: data.Coding | None = None

    def predict(self, X: Any = None, *, offset: Any = None) -> Floats:
        """Return the probability of each class for rows, by the theorem of Bayes.

        Parameters
        ----------
        X : array-like or data frame, optional
            Columns as in the fit; a frame may have them in any order. By default the training data.
        offset : None
            There is none.

        Returns
        -------
        array of shape (n, K)
            A column for each of ``outcomes``.
        """
        if offset is not None:
            raise DataError("Joint has no linear predictor that an offset could be added to.")
        self._usable()
        if X is None:
            values = self._training("predict").columns.values
        else:
            coding = self._coding
            columns = coding.read(X) if coding else data.read_matching(X, self._columns)
            values = columns.values
        parts = [
            self._posterior(data.rows_of(values, slice(first, first + _ROWS)), first)
            for first in range(0, values.shape[0], _ROWS)
        ]
        return np.concatenate(parts)

    def _posterior(self, values: Any, first: int) -> Floats:
        logs = np.log(self._shares.shares[0]) + self.family_density(values)
        top = logs.max(axis=1, keepdims=True)
        if not np.isfinite(top).all():
            row = first + int(np.argmin(np.isfinite(top)))
            raise DataError(
                f"X: row {row} (counted from 0) has probability 0 in every class, so it can be "
                f"given to none; fit with smoothing=."
            )
        weight = np.exp(logs - top)
        result: Floats = weight / weight.sum(axis=1, keepdims=True)
        return result

    def family_density(self, values: Any) -> Floats:
        """Return log p(x | y) of each class, up to what all classes have in common."""
        law = self._law
        if isinstance(law, Normals):
            return self._normal_density(law, np.asarray(values, float))
        assert law is not None
        classes = len(self.outcomes)
        if self.family.law == "multinomial":
            return _weighted_logs(values, law.shares)
        one, zero = (law.shares[:, c].reshape(classes, -1) for c in (0, 1))
        return _weighted_logs(values, one) + _weighted_logs(values, zero, absent=True)

    def _normal_density(self, law: Normals, values: Floats) -> Floats:
        p = values.shape[1]
        x = (values - law.origin.reshape(-1, p)[0]) / law.unit.reshape(-1, p)[0]
        means = law.means.reshape(-1, p)
        if self.family.covariance == "diagonal":
            variance = law.scatter.reshape(-1, p)
            logs = [-0.5 * ((x - m) ** 2 / v + np.log(v)).sum(axis=1)
                    for m, v in zip(means, variance, strict=True)]  # fmt: skip
            return np.column_stack(logs)
        from scipy.linalg import solve_triangular

        roots = np.linalg.cholesky(law.scatter)
        logs = []
        for k, mean in enumerate(means):
            root = roots[k if len(roots) > 1 else 0]
            away = solve_triangular(root, (x - mean).T, lower=True)
            logs.append(-0.5 * (away**2).sum(axis=0) - np.log(root.diagonal()).sum())
        return np.column_stack(logs)

    def covariance(self, kind: str | None = None) -> Floats:
        """Return the covariance of the parameters; see `LikelihoodFit.covariance`."""
        self._usable()
        if len(self.names) > _LARGEST:
            raise EstkitError(
                f"The covariance of {len(self.names)} parameters would hold "
                f"{len(self.names) ** 2:.2g} numbers; std_errors holds their standard errors."
            )
        if kind in (None, "observed", "expected"):
            jacobian = blocks(*(piece.jacobian() for piece in self._pieces))
            covariance = jacobian @ self._inverse @ jacobian.T
            return frozen(inference.blanked(covariance, np.isnan(self.std_errors)))
        return super().covariance(kind)

    @property
    def _pieces(self) -> tuple[Shares, Shares | Normals]:
        assert self._law is not None
        return self._shares, self._law

    @property
    def _inverse(self) -> Floats:
        return blocks(*(piece.covariance() for piece in self._pieces))

    @property
    def _baseline(self) -> tuple[str, ...]:
        return self.names  # nobody would test them all for 0

    def _training(self, wanted: str) -> Any:
        if self.family.smoothing and wanted not in ("predict", "simulate", "bootstrap"):
            raise EstkitError(
                f"{wanted} belongs to a maximum of the likelihood, which a smoothed fit is not; "
                f"fit with smoothing=0."
            )
        return super()._training(wanted)

    def simulate(  # type: ignore[override]  # a generative model draws the columns, too
        self, *, rng: Any = None, replicates: int | None = None
    ) -> tuple[Floats, NDArray[Any]]:
        """Draw new columns X and classes y, as many rows as there were observations.

        Parameters
        ----------
        rng : int, SeedSequence, Generator or None
            The source of randomness.
        replicates : int, optional
            How many data sets to draw; both results then have them as their first axis.
        """
        drawn = super().simulate(rng=rng, replicates=replicates)
        labels: NDArray[Any] = np.asarray(self.outcomes)[drawn[..., 0].astype(np.int64)]
        return drawn[..., 1:], labels

    @property
    def _title(self) -> str:
        law = self.family.law
        how = f", {self.family.covariance} covariance" if law == "gaussian" else ""
        return f"Joint likelihood of classes and {law} columns{how}, {self.n_obs} observations"

    def _table(self, level: float = 0.95, kind: str | None = None) -> Table:
        from estkit.likelihood.display import parameter_table

        return parameter_table(self, level, self._errors(kind), title=self._title)

    def _own_plain(self) -> dict[str, Any]:
        law = self._law
        held = None
        if law is not None:
            arrays = {k: v.tolist() if isinstance(v, np.ndarray) else v
                      for k, v in vars(law).items() if k in law.__dataclass_fields__}  # fmt: skip
            held = {"piece": type(law).__name__, **arrays}
        return {
            "columns": list(self._columns),
            "coding": None if self._coding is None else self._coding.to_plain(),
            "classes": self._shares.counts.tolist(),
            "law": held,
        }

    @classmethod
    def _own_fields(cls, stored: Mapping[str, Any]) -> dict[str, Any]:
        law, counts = stored["law"], np.array(stored["classes"], float)
        if law is not None:
            held: dict[str, Any] = {
                k: np.array(v, float) if isinstance(v, list) else v for k, v in law.items()
            }
            law = _LAWS[held.pop("piece")](**held)
        return {
            "_columns": tuple(stored["columns"]),
            "_coding": coding_from(stored["coding"]),
            "_shares": Shares(counts, counts.shape[1]),
            "_law": law,
        }


def _weighted_logs(values: Any, shares: Floats, *, absent: bool = False) -> Floats:
    """Return Σ x · log share for each class, -inf where a share of 0 is called for.

    x is what values hold or, for what is absent, 1 minus that; a sparse matrix is never filled.
    """
    logs = np.log(np.where(shares > 0, shares, 1.0))
    impossible = (shares == 0).astype(float)
    result, against = (np.asarray(values @ table.T, float) for table in (logs, impossible))
    if absent:
        result, against = logs.sum(axis=1) - result, impossible.sum(axis=1) - against
    result[against > 0] = -math.inf
    return result
