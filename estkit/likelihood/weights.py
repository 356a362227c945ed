"""Three kinds of weights: how often a row was seen, how many it stands for, how precise it is.

The estimates of the three are the same, their standard errors are not: a frequency of w is w
independent observations, a sampling weight leaves a row one observation of a population, and an
analytic weight says how small the variance of a row is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit import data
from estkit.errors import DataError
from estkit.frames import as_frame

Floats = NDArray[np.float64]

KINDS = {
    "frequency": "weights",
    "sampling": "sampling_weights",
    "analytic": "analytic_weights",
}
_WHOLE = 1e-8  # relative: how near a share times its trials must come to a whole number
_LARGEST_GAP = 0.1  # however many trials there are


@dataclass(frozen=True, eq=False)
class Weights:
    """Checked weights of one kind.

    Parameters
    ----------
    values : array of shape (n,)
        One for each row; sampling weights are scaled so that their mean is 1.
    kind : {"frequency", "sampling", "analytic"}
        What they mean.
    """

    values: Floats
    kind: str = "frequency"

    def n_obs(self, seen: NDArray[np.bool_] | None = None) -> int:
        """Return the number of observations in the rows that were seen, or in all."""
        values = self.values if seen is None else self.values[seen]
        return int(values.sum() if self.kind == "frequency" else np.count_nonzero(values))


def given_weights(family: Any, weights: Any, sampling: Any, analytic: Any) -> dict[str, Any]:
    """Return the one argument that was given, by its name in `fit`, or none.

    Raises
    ------
    DataError
        If more than one kind is given, or the family has no meaning for the kind; its attribute
        ``weightings`` lists those that it takes.
    """
    everything = dict(zip(KINDS, (weights, sampling, analytic), strict=True))
    given = {kind: value for kind, value in everything.items() if value is not None}
    if len(given) > 1:
        raise DataError(
            f"{' and '.join(KINDS[kind] for kind in given)} were both given; a fit takes one kind "
            f"of weights. For repeated rows of a sample, repeat the rows."
        )
    taken = getattr(family, "weightings", ("frequency",))
    for kind in given:
        if kind not in taken:
            raise DataError(
                f"{type(family).__name__} has no meaning for {KINDS[kind]}; it takes "
                f"{', '.join(KINDS[k] for k in taken) or 'no weights'}."
            )
    return {KINDS[kind]: value for kind, value in given.items()}


def read_weights(given: Any, *, rows: int, kind: str = "frequency") -> Weights | None:
    """Return checked weights, or None; what was checked before is returned as it is.

    Raises
    ------
    DataError
        If a frequency is not whole, a sampling weight is not positive, or an analytic weight is
        negative.
    """
    if given is None or isinstance(given, Weights):
        return given
    if kind == "frequency":
        frequencies = data.read_frequencies(given, rows=rows)
        return None if frequencies is None else Weights(frequencies)
    values = read_some(given, rows=rows, kind=kind)
    if not values.any():
        raise DataError(f"{KINDS[kind]} are all zero; at least one row must count.")
    if kind == "sampling":
        values = values / values.max()  # so that no sum overflows
        values = values / values.mean()
    return Weights(values, kind)


def read_some(given: Any, *, rows: int, kind: str) -> Floats:
    """Return the weights of some of the rows, at their own scale; all of them may be zero.

    Raises
    ------
    DataError
        See `read_weights`.
    """
    name = KINDS[kind]
    values = data.read_vector(given, what=name, rows=rows)
    if kind == "frequency":
        if values.any():
            data.read_frequencies(values, rows=rows)
        return values
    wrong = values <= 0 if kind == "sampling" else values < 0
    if wrong.any():
        row = int(np.argmax(wrong))
        meaning = (
            "a sampling weight is the number of units of the population that a row stands for, 1 "
            "over its probability of being sampled; leave out rows that stand for none"
            if kind == "sampling"
            else "an analytic weight is the number of observations that a row averages, 0 or more"
        )
        raise DataError(f"{name}: row {row} (counted from 0) is {values[row]:g}; {meaning}.")
    return values


def hold_shares(y: Any, weights: Weights | None) -> bool:
    """Tell whether y is to be read as shares of the trials that the weights give.

    With analytic weights it always is; frequencies are trials when a number of y is not whole.
    """
    if weights is None or weights.kind == "sampling":
        return False
    if weights.kind == "analytic":
        return True
    frame = as_frame(y)
    try:
        if frame is None:
            values = np.asarray(y)
        elif all(column.dtype.is_numeric() for column in frame.iter_columns()):
            values = np.asarray(frame.to_numpy(), dtype=float)
        else:
            return False
    except (TypeError, ValueError):  # ragged or incomplete, which is refused in its place
        return False
    return bool(values.dtype.kind == "f" and (values != np.floor(values)).any())


def read_totals(y: Any, weights: Weights | None) -> tuple[Floats, tuple[str, ...], Weights]:
    """Return counts (n, K), the names of the columns, and the weights of the rows of counts.

    Shares are multiplied with their trials; a single column of shares is one of successes, and the
    failures come second.

    Raises
    ------
    DataError
        If a share lies outside 0 to 1, shares do not sum to 1, or a share times its trials is not
        a whole number; the message names the row.
    """
    if not hold_shares(y, weights):
        counts, names = data.read_counts(y, what="y")
        return counts, names, Weights(np.ones(len(counts))) if weights is None else weights
    assert weights is not None
    columns = data.read_columns(y, what="y")
    data.check_rows("y", columns.rows, len(weights.values))
    shares, names = columns.values.astype(float), columns.names
    rounding = np.finfo(columns.values.dtype).eps if columns.values.dtype.kind == "f" else 0.0
    near = max(_WHOLE, 4.0 * float(rounding))
    if shares.shape[1] == 1:
        _refuse(names, shares, (shares < 0) | (shares > 1), "is no share; it must be 0 to 1")
        shares, names = np.hstack([shares, 1.0 - shares]), ("success", "failure")
    _refuse(names, shares, (shares < 0) | (shares > 1), "is no share; it must be 0 to 1")
    sums = shares.sum(axis=1, keepdims=True)
    _refuse(
        ("the sum of the shares",), sums, np.abs(sums - 1) > near, "is not 1; for counts leave "
        "analytic_weights out"
    )  # fmt: skip
    trials = weights.values[:, None]
    for name, product in (((KINDS[weights.kind],), trials), (names, trials * shares)):
        gap = np.abs(product - np.round(product))
        wrong = gap > np.minimum(near * np.maximum(product, 1.0), _LARGEST_GAP)
        what = "is not whole" if product is trials else "times the trials is not whole"
        _refuse(name, product, wrong, f"{what}; weights are the trials of a share")
    return np.round(trials * shares), names, Weights(np.ones(columns.rows))


def _refuse(names: tuple[str, ...], values: Floats, wrong: NDArray[np.bool_], why: str) -> None:
    if wrong.any():
        row, column = (int(i) for i in np.argwhere(wrong)[0])
        found = f"{values[row, column]:.12g}"
        raise DataError(f"y: {names[column]}, row {row} (counted from 0): {found} {why}.")
