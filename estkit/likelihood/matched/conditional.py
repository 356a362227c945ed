"""Conditional logistic regression: matched sets, with their own intercepts conditioned away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from estkit import data
from estkit.categories import read_design
from estkit.errors import DataError
from estkit.labels import Labels, read_labels
from estkit.likelihood.family import Block, Floats, Response
from estkit.likelihood.matched.strata import Strata
from estkit.likelihood.placement import place
from estkit.likelihood.rows import Rows

if TYPE_CHECKING:
    from estkit.likelihood.matched.model import Matched


@dataclass(frozen=True)
class ConditionalLogit:
    """Conditional logistic regression: which rows of each stratum are the cases.

    Every stratum has an intercept of its own, and conditioning on its number of cases d takes it
    out of the likelihood: a stratum contributes ``exp(Σ η over its cases)`` divided by the sum of
    the same over all choices of d of its rows, exactly (Breslow and Day 1980, chapter 7). The sum
    is built up in O(m d) steps for a stratum of m rows.

    Notes
    -----
    Strata are the ``groups`` of `fit`; y is 0/1 or bool, with any number of cases in a stratum.
    Strata without a case, or without another row, say nothing; they are left out, and the fit says
    how many: ``n_obs`` counts the rows that were used, ``n_strata`` their strata. There is no
    intercept: ``intercept=True``, the default of `fit`, adds none. Frequency weights must be the
    same in all rows of a stratum. The independent units of a robust covariance are the strata.

    Memory grows with m · d of the largest stratum with several cases, 16 bytes for each.

    Examples
    --------
    >>> import estkit as ek
    >>> pair = [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    >>> case = [1, 0, 1, 0, 1, 0, 1, 0, 1, 0]
    >>> dose = [3.0, 1.0, 2.0, 4.0, 5.0, 2.0, 3.0, 2.0, 1.0, 2.0]
    >>> fit = ek.fit(ek.ConditionalLogit(), {"dose": dose}, case, groups=pair)
    >>> fit.params.round(3), fit.std_errors.round(3)
    (array([0.333]), array([0.497]))
    >>> fit.predict({"dose": [1.0, 2.0, 5.0]}, groups=[1, 1, 1]).round(3)
    array([0.162, 0.226, 0.613])
    """

    weightings: ClassVar = ("frequency",)

    def model(
        self,
        X: Any,
        y: Any,
        *,
        intercept: bool = True,
        weights: Any = None,
        offset: Any = None,
        groups: Any = None,
    ) -> Matched:
        """Check everything that was passed to `fit`, and return the model that it makes."""
        from estkit.likelihood.matched.model import Matched

        if y is None:
            raise DataError("y is missing; ConditionalLogit needs to know which rows are cases.")
        if groups is None:
            raise DataError(
                "ConditionalLogit compares the rows of a stratum; pass the stratum of each row as "
                "groups=."
            )
        data.check_same_index(X=X, y=y, weights=weights, offset=offset, groups=groups)
        if X is None:
            raise DataError("X is missing; without columns there is nothing to estimate.")
        columns = read_design(X)  # a level of each factor is left to the strata
        if not columns.names:
            raise DataError("X has no columns, so there is nothing to estimate.")
        if data.is_sparse(columns.values):
            raise DataError(
                "ConditionalLogit measures columns from the mean of their stratum, which fills a "
                "sparse matrix; pass X.toarray()."
            )
        labels = read_labels(groups, what="groups")
        data.check_rows("groups", len(labels.codes), columns.rows)
        cases, kind = _read_cases(y, columns.rows)
        repeats = data.read_frequencies(weights, rows=columns.rows)
        if repeats is not None:
            _check_constant(repeats, labels)
        if offset is not None:
            offset = data.read_vector(offset, what="offset", rows=columns.rows)
        strata = Strata.of(labels.codes, cases, repeats)
        if not len(strata):
            raise DataError(
                f"None of the {len(labels.outcomes)} strata in groups has both a case and another "
                f"row, so there is nothing to compare."
            )
        own = strata.centred(np.asarray(columns.values[strata.order], float))
        moved = data.Columns(own, columns.names, columns.coding)
        placement = place(moved, intercept=False, predictors=1)
        n_obs = int(strata.weights @ strata.sizes)
        response = Response(strata.is_case, strata.weights[strata.owner], n_obs, kind=kind)
        rows = Rows(moved, response, placement)
        added = None if offset is None else strata.centred(offset[strata.order])
        size = np.abs(columns.values[strata.order]).max(axis=0).astype(float)
        return Matched(self, rows, strata, added, cases, labels.codes, size)

    def names(self, terms: Sequence[str], response: Response) -> tuple[str, ...]:
        """Return the terms."""
        return tuple(terms)

    def mixing(self, response: Response) -> None:
        """Return None: what is fitted is reported."""
        return

    def contrasts(self, block: Block, predictors: int) -> tuple[NDArray[np.int64], Floats]:
        """Return the pairs as they are: a block holds cases minus others."""
        return np.arange(len(block)), np.ones((len(block), 1))


def _read_cases(y: Any, rows: int) -> tuple[NDArray[np.bool_], str]:
    """Return which rows are cases, and whether y was of bools."""
    if data.is_table(y):
        raise DataError("y must be one column of 0 and 1, 1 for a case; it has several columns.")
    labels = read_labels(y)
    data.check_rows("y", len(labels.codes), rows)
    for code, label in enumerate(labels.outcomes):
        if not (isinstance(label, bool | int | float) and label in (0, 1)):
            row = int(np.argmax(labels.codes == code))
            raise DataError(
                f"y: row {row} (counted from 0) is {label!r}, expected 1 for a case or 0; code it, "
                f"for example y == {label!r}."
            )
    values = np.array([bool(label) for label in labels.outcomes])
    return values[labels.codes], "bools" if isinstance(labels.outcomes[0], bool) else "labels"


def _check_constant(weights: Floats, labels: Labels) -> None:
    """Raise unless weights are the same within each stratum."""
    first = np.zeros(len(labels.outcomes))
    first[labels.codes[::-1]] = weights[::-1]
    other = weights != first[labels.codes]
    if other.any():
        row = int(np.argmax(other))
        stratum = labels.outcomes[labels.codes[row]]
        raise DataError(
            f"weights: row {row} (counted from 0) has {weights[row]:g}, but an earlier row of its "
            f"stratum {stratum!r} has {first[labels.codes[row]]:g}; a stratum is observed as a "
            f"whole, so its rows have one weight."
        )
