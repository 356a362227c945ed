"""The fit of a conditional logistic regression: probabilities within strata."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from estkit import data
from estkit.errors import DataError, EstkitError
from estkit.estimate import normal_quantile
from estkit.labels import read_labels
from estkit.likelihood import delta
from estkit.likelihood.family import Floats
from estkit.likelihood.matched.strata import Strata
from estkit.likelihood.regression_fit import coding_from
from estkit.likelihood.result import LikelihoodFit
from estkit.likelihood.uncertainty import frozen

if TYPE_CHECKING:
    from estkit.likelihood.matched.model import Matched
    from estkit.likelihood.predictions.prediction import Prediction


@dataclass(frozen=True, eq=False, repr=False)
class MatchedFit(LikelihoodFit):
    """A conditional logistic fit; see `LikelihoodFit`.

    Parameters
    ----------
    n_strata : int
        The number of strata that have cases and other rows; only these were used.

    Examples
    --------
    >>> import estkit as ek
    >>> dose, case = [1.0, 0.5, 2.0, 2.2, 3.0, 2.5, 1.5, 1.0], [1, 0, 0, 1, 1, 0, 0, 1]
    >>> pairs = ["a", "a", "b", "b", "c", "c", "d", "d"]
    >>> fit = ek.fit(ek.ConditionalLogit(), dose, case, groups=pairs)
    >>> fit.n_strata, fit.predict([1.0, 2.0], groups=["e", "e"]).round(2)
    (4, array([0.13, 0.87]))
    """

    n_strata: int = 0
    _coding: data.Coding | None = None

    def predict(
        self, X: Any = None, *, offset: Any = None, groups: Any = None, cases: int = 1
    ) -> Floats:
        """Return the probability of each row to be a case, given how many its stratum has.

        Parameters
        ----------
        X : array-like or data frame, optional
            Columns as in the fit. By default the training data, with their numbers of cases.
        offset : array-like, optional
            As in the fit; for new rows it is 0 unless given.
        groups : array-like
            The stratum of each new row.
        cases : int
            How many cases each of the new strata has.

        Returns
        -------
        array of shape (n,)
            The sum over a stratum is its number of cases.
        """
        if X is None:
            if not (offset is None and groups is None):
                raise DataError("offset= and groups= belong to new rows; pass X with them.")
            model: Matched = self._training("predict")
            return model.probabilities(self._point)
        return self._probabilities(X, offset, groups, cases)(self.params)

    def predict_interval(
        self,
        X: Any = None,
        *,
        level: float = 0.95,
        offset: Any = None,
        groups: Any = None,
        cases: int = 1,
        kind: str | None = None,
    ) -> Prediction:
        """Return the probability of each row to be a case with its confidence interval.

        The interval is made for the log-odds of a row, by the delta method.

        Parameters
        ----------
        X, offset, groups, cases
            As in `predict`.
        level : float
            The confidence level.
        kind : str, optional
            Which covariance, as in `covariance`.

        Returns
        -------
        Prediction
            ``mean``, ``std_error``, ``lower`` and ``upper`` of shape (n,).

        Examples
        --------
        >>> import estkit as ek
        >>> dose, case = [1.0, 0.5, 2.0, 2.2, 3.0, 2.5, 1.5, 1.0], [1, 0, 0, 1, 1, 0, 0, 1]
        >>> pairs = ["a", "a", "b", "b", "c", "c", "d", "d"]
        >>> fit = ek.fit(ek.ConditionalLogit(), dose, case, groups=pairs)
        >>> found = fit.predict_interval([1.0, 2.0], groups=["e", "e"])
        >>> found.mean.round(2), found.lower.round(2), found.upper.round(2)
        (array([0.13, 0.87]), array([0.  , 0.05]), array([0.95, 1.  ]))
        """
        from estkit.likelihood.predictions.prediction import Prediction

        self._usable()
        quantile = normal_quantile(level)
        mean = self.predict(X, offset=offset, groups=groups, cases=cases)
        if X is None:
            model: Matched = self._training("predict_interval")
            own = kind is None or kind == self.covariance_kind
            root = delta.root_of(self._inverse if own else self._within(str(kind))[0])
            found = delta.estimate(model.probabilities, np.asarray, self._point, root, None, level)
        else:
            function = self._probabilities(X, offset, groups, cases)
            root = self._root(kind)
            found = delta.estimate(function, np.asarray, self.params, root, None, level)
        error = np.asarray(found.std_error, float)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            odds, half = np.log(mean / (1.0 - mean)), quantile * (error / mean / (1.0 - mean))
            ends = [1.0 / (1.0 + np.exp(-(odds + side * half))) for side in (-1.0, 1.0)]
        lower, upper = (np.where((mean <= 0) | (mean >= 1), mean, end) for end in ends)
        return Prediction(frozen(mean), frozen(error), frozen(lower), frozen(upper), level)

    def margins(
        self,
        columns: str | Sequence[str] | None = None,
        *,
        at: Any = "average",
        change: Mapping[str, Any] | None = None,
        level: float = 0.95,
        offset: Any = None,
        kind: str | None = None,
    ) -> NoReturn:
        """Raise: the intercepts of strata are not estimated, and marginal effects depend on them.

        Raises
        ------
        EstkitError
            Always.
        """
        raise EstkitError(
            "A conditional logit has no marginal effects: how much a column changes a probability "
            "depends on the intercepts of the strata, which it does not estimate. Its parameters "
            "are log odds ratios, delta(lambda p: ...) gives functions of them; predict_interval "
            "gives probabilities of the rows of a stratum."
        )

    def _probabilities(
        self, X: Any, offset: Any, groups: Any, cases: int
    ) -> Callable[[Floats], Floats]:
        """Return what gives the probabilities of new rows at any parameters."""
        if groups is None:
            raise DataError("Pass the stratum of each new row as groups=.")
        coding = self._coding
        columns = coding.read(X) if coding else data.read_matching(X, self.names)
        labels = read_labels(groups, what="groups")
        data.check_rows("groups", len(labels.codes), columns.rows)
        sizes = np.bincount(labels.codes)
        if not 1 <= cases <= sizes.min():
            name = labels.outcomes[int(np.argmin(sizes))]
            raise DataError(
                f"cases must be 1 up to the rows of the smallest stratum, {name!r} with "
                f"{sizes.min()}; got {cases!r}."
            )
        first = np.zeros(len(labels.codes), dtype=bool)
        order = np.argsort(labels.codes, kind="stable")
        place_in = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        first[order] = place_in < cases  # any choice of so many rows gives the same law
        strata = Strata.of(labels.codes, first, None)
        x = strata.centred(np.asarray(columns.values[strata.order], float))
        known: Any = 0.0
        if offset is not None:
            added = data.read_vector(offset, what="offset", rows=columns.rows)
            known = strata.centred(added[strata.order])

        def probabilities(params: Floats) -> Floats:
            result = first.astype(float)
            if len(strata):
                result[strata.order] = strata.inclusion(x @ params + known)
            return result

        return probabilities

    def _own_plain(self) -> dict[str, Any]:
        coding = None if self._coding is None else self._coding.to_plain()
        return {"n_strata": self.n_strata, "coding": coding}

    @classmethod
    def _own_fields(cls, stored: Mapping[str, Any]) -> dict[str, Any]:
        return {"n_strata": stored["n_strata"], "_coding": coding_from(stored["coding"])}

    def _members(self, term: str) -> tuple[str, ...]:
        return self._coding.members.get(term, ()) if self._coding else ()
