"""What regressions add to a fit: predictions for new rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from estkit import data
from estkit.categories import Coding
from estkit.errors import DataError
from estkit.estimate import plain
from estkit.likelihood.family import Family, Floats, Response
from estkit.likelihood.result import LikelihoodFit
from estkit.likelihood.rows import Placement
from estkit.likelihood.uncertainty import frozen


@dataclass(frozen=True, eq=False, repr=False)
class RegressionFit(LikelihoodFit):
    """A fit whose linear predictors are made from columns; see `LikelihoodFit`."""

    family: Family
    _placement: Placement
    _inside: Floats
    _coding: data.Coding | None = None

    def predict(self, X: Any = None, *, offset: Any = None) -> Floats:
        """Return the expected outcome: a probability, K probabilities, or a mean.

        Parameters
        ----------
        X : array-like or data frame, optional
            Columns as in the fit; a frame may have them in any order, and categories must be of the
            levels that the fit has seen. By default the training data.
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
        if X is None and offset is None and (self._columns or self._model is not None):
            model = self._training("predict")
            return self.family.mean(model.predictors(self._inside), model.rows.response)
        if X is None and self._columns:
            raise DataError("offset= belongs to new rows; pass X with it.")
        if X is None:
            rows_wanted = 1 if offset is None else len(offset)
            columns = data.Columns(np.empty((rows_wanted, 0)), ())
        else:
            coding = self._coding
            columns = coding.read(X) if coding else data.read_matching(X, self._columns)
        response = Response(np.zeros(columns.rows), None, columns.rows, 0.0, self.outcomes)
        checked = self.family.encode_offset(offset, response)
        eta = self._placement.linear_predictors(columns.values, self._inside, checked)
        return self.family.mean(eta, response)

    def _own_plain(self) -> dict[str, Any]:
        return {
            "placement": self._placement.to_plain(),
            "inside": plain(self._inside),
            "coding": None if self._coding is None else self._coding.to_plain(),
        }

    @classmethod
    def _own_fields(cls, stored: Mapping[str, Any]) -> dict[str, Any]:
        if "placement" not in stored or "inside" not in stored:
            raise DataError("Expected a dict that `to_dict` wrote; it lacks the placement.")
        placement = Placement.from_plain(stored["placement"])
        return {
            "_placement": placement,
            "_inside": frozen(stored["inside"]),
            "_coding": coding_from(stored.get("coding")),
        }

    def _members(self, term: str) -> tuple[str, ...]:
        return self._coding.members.get(term, ()) if self._coding else ()

    @property
    def _columns(self) -> tuple[str, ...]:
        return self.terms[int(self._placement.intercept) :]


def coding_from(stored: Any) -> data.Coding | None:
    """Return the coding that its `to_plain` wrote, if there was one."""
    if stored is None:
        return None
    if stored["kind"] == "categories":
        return Coding.from_plain(stored)
    from estkit.formulas import FormulaCoding

    return FormulaCoding.from_plain(stored)
