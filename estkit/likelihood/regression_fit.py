"""What regressions add to a fit: predictions for new rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit import data
from estkit.categories import Coding
from estkit.errors import DataError, EstkitError
from estkit.estimate import plain
from estkit.likelihood.delta import root_of
from estkit.likelihood.family import Family, Floats, Response
from estkit.likelihood.penalties import penalty
from estkit.likelihood.placement import Placement
from estkit.likelihood.result import LikelihoodFit
from estkit.likelihood.uncertainty import frozen

if TYPE_CHECKING:
    from estkit.likelihood.predictions.margins import Margins
    from estkit.likelihood.predictions.prediction import Prediction


@dataclass(frozen=True, eq=False, repr=False)
class RegressionFit(LikelihoodFit):
    """A fit whose linear predictors are made from columns; see `LikelihoodFit`.

    Examples
    --------
    >>> import estkit as ek
    >>> fit = ek.fit(ek.Binomial(), [1, 2, 3, 4, 5, 6], [0, 0, 1, 0, 1, 1])
    >>> fit.predict([3.5]).round(3)
    array([0.5])
    """

    family: Family
    _placement: Placement
    _inside: Floats
    _coding: data.Coding | None = None
    _unit: float = 1.0
    _zero_one: tuple[str, ...] | None = None

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
        columns = self._read(X, offset)
        response = self._response(columns.rows)
        checked = self.family.encode_offset(offset, response)
        eta = self._placement.linear_predictors(columns.values, self._inside, checked)
        return self.family.mean(eta, response)

    def predict_interval(
        self,
        X: Any = None,
        *,
        level: float = 0.95,
        offset: Any = None,
        kind: str | None = None,
        new: bool = False,
    ) -> Prediction:
        """Return the expected outcome with its confidence interval.

        With one linear predictor the interval is made on its scale and taken through the link; with
        several, for the log-odds of each outcome by the delta method. So it lies between 0 and 1
        where outcomes are probabilities. A fit read back from JSON gives it for new rows.

        Parameters
        ----------
        X : array-like or data frame, optional
            As in `predict`.
        level : float
            The confidence level.
        offset : array-like, optional
            As in `predict`.
        kind : str, optional
            Which covariance, as in `covariance`.
        new : bool
            Gaussian fits: the interval of a new observation, whose σ is added, instead of its mean.

        Returns
        -------
        Prediction
            ``mean``, ``std_error``, ``lower`` and ``upper`` of shape (n,), or (n, K) for K
            outcomes.

        Examples
        --------
        >>> import estkit as ek
        >>> x, y = [1, 2, 3, 4, 5, 6, 7, 8], [0, 0, 1, 0, 1, 0, 1, 1]
        >>> found = ek.fit(ek.Binomial(), x, y).predict_interval([2.0, 9.0])
        >>> found.mean.round(3), found.lower.round(3), found.upper.round(3)
        (array([0.185, 0.935]), array([0.015, 0.185]), array([0.769, 0.999]))
        """
        from estkit.likelihood.predictions.prediction import predict_interval

        return predict_interval(self, X, level=level, offset=offset, kind=kind, new=new)

    def margins(
        self,
        columns: str | Sequence[str] | None = None,
        *,
        at: Any = "average",
        change: Mapping[str, Any] | None = None,
        level: float = 0.95,
        offset: Any = None,
        kind: str | None = None,
    ) -> Margins:
        """Return how the expected outcome changes with each column: marginal effects.

        The effect of a number is its slope, the derivative of the expected outcome; that of a
        column of 0 and 1 is the change from 0 to 1; that of a category is the change from the
        reference level. For several outcomes there is an effect on the probability of each; they
        sum to 0.

        Parameters
        ----------
        columns : str or sequence of str, optional
            Which columns; all by default.
        at : "average", "mean", mapping or frame
            Where: averaged over the training rows, each counted as often as it was observed (with
            sampling weights, for the population); at the means of the columns; with some columns
            held at given values in all training rows, ``{"age": 40}``, averaged over them; or
            averaged over the rows of a frame.
        change : mapping of str to number or pair, optional
            Instead of what is said above: a step, ``{"age": 10}``; from where to where,
            ``{"age": (20, 40)}`` or two levels; or ``"slope"``.
        level : float
            The confidence level.
        offset : array-like, optional
            For the rows of a frame, as in `predict`.
        kind : str, optional
            Which covariance, as in `covariance`.

        Returns
        -------
        Margins
            Effects with standard errors by the delta method; the columns count as fixed.

        Examples
        --------
        >>> import estkit as ek
        >>> X = {"dose": [1, 2, 3, 4, 5, 6, 7, 8], "old": [0, 1, 1, 0, 0, 1, 0, 1]}
        >>> fit = ek.fit(ek.Binomial(), X, [0, 0, 1, 0, 1, 0, 1, 1])
        >>> print(fit.margins())
        Marginal effects on the expected outcome, averaged over 8 observations
        <BLANKLINE>
        column  change  effect  std_error  statistic  p_value  lower  upper
        dose    slope    0.104      0.033       3.16    0.002  0.039  0.168
        old     0 to 1   -0.04       0.30      -0.12    0.901  -0.62   0.54
        """
        from estkit.likelihood.predictions.margins import margins_of

        return margins_of(
            self, columns, at=at, change=change or {}, level=level, offset=offset, kind=kind
        )

    def _read(self, X: Any, offset: Any) -> data.Columns:
        """Return the columns of new rows."""
        if X is None and self._columns:
            raise DataError("offset= belongs to new rows; pass X with it.")
        if X is None:
            return data.Columns(np.empty((1 if offset is None else len(offset), 0)), ())
        coding = self._coding
        return coding.read(X) if coding else data.read_matching(X, self._columns)

    def _response(self, rows: int) -> Response:
        """Return a response that stands for one that is not known."""
        return Response(np.zeros(rows), None, rows, 0.0, self.outcomes)

    @property
    def _tie(self) -> Floats | None:
        """What makes the coefficients of all predictors, where they are not the parameters."""
        return None

    @cached_property
    def _binary(self) -> tuple[str, ...]:
        """The columns that hold 0 and 1 only."""
        if self._zero_one is None and self._model is not None:
            found: tuple[str, ...] = self._training("this").rows.zero_one()
            return found
        return self._zero_one or ()

    @property
    def _matrix(self) -> Floats:
        """What takes inside parameters, in the unit of y, to the ones that are reported."""
        return self._placement.reported(self.family.mixing(self._response(1)))

    def _inside_root(self, kind: str | None) -> Floats:
        """Return a root of the covariance of the inside parameters, in the unit of y.

        Taken back from parameters for a column at 1e8, the covariance would have no digits left.
        """
        self._usable()
        if kind is None or kind == self.covariance_kind:
            if self._middle is None:
                raise EstkitError(
                    "The fit was stored without the covariance that this needs; fit again."
                )
            return self._unit * root_of(self._middle)
        middle, spread = self._within(kind)
        return self._unit * spread * root_of(middle)

    def _root(self, kind: str | None) -> Floats:
        result: Floats = self._matrix @ self._inside_root(kind)
        return result

    def _options(self) -> dict[str, Any]:
        options = super()._options()
        given = getattr(self.family, "penalty", None)
        return options if given is None else {**options, "penalty": penalty.to_plain(given)}

    @classmethod
    def _family(cls, stored: Mapping[str, Any]) -> Any:
        options = dict(stored["options"])
        if options.get("penalty") is not None:
            options["penalty"] = penalty.from_plain(options["penalty"])
        return super()._family({**stored, "options": options})

    def _own_plain(self) -> dict[str, Any]:
        return {
            "placement": self._placement.to_plain(),
            "inside": plain(self._inside),
            "middle": None if self._middle is None else plain(self._middle),
            "unit": self._unit,
            "zero_one": list(self._binary),
            "coding": None if self._coding is None else self._coding.to_plain(),
        }

    @classmethod
    def _own_fields(cls, stored: Mapping[str, Any]) -> dict[str, Any]:
        if "placement" not in stored or "inside" not in stored:
            raise DataError("Expected a dict that `to_dict` wrote; it lacks the placement.")
        placement, middle = Placement.from_plain(stored["placement"]), stored.get("middle")
        return {
            "_placement": placement,
            "_inside": frozen(stored["inside"]),
            "_middle": None if middle is None else frozen(middle),
            "_unit": stored.get("unit", 1.0),
            "_zero_one": tuple(stored.get("zero_one", ())),
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
    from estkit.formula_coding import FormulaCoding

    return FormulaCoding.from_plain(stored)
