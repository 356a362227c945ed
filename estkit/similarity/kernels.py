"""Loops that numba compiles; imported only where that pays (see `compiled`)."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

_STRETCH = 128  # sums of which is asked at once whether any may be among the best
_LEAST, _ALL_BUT_SIGN = np.int32(-(2**31)), np.int32(2**31 - 1)
_LOOP = numba.njit(nogil=True, cache=True, error_model="numpy")
# Sums of squares may be added up several at a time; the same row twice still gives the same.
_SUMS = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract"})


@_LOOP
def nearest_rows(
    first: int,
    stop: int,
    queries: Any,
    by_column: Any,
    known: Any,
    squares: Any,
    known_squares: Any,
    hidden: Any,
    own: bool,
    width: int,
    best: Any,
    rows: Any,
    ties: Any,
) -> None:
    """Write the k best known rows of the queries from `first` to `stop`, a row of sums at a time.

    Parameters
    ----------
    first, stop : int
        Which queries.
    queries, known : tuple of ndarray
        Pointers, columns and values of compressed rows.
    by_column : tuple of ndarray
        The known rows in compressed columns, their numbers as short and without sign as can be, and
        their values in float32: the sums find candidates.
    squares, known_squares : ndarray of float64
        The squared lengths.
    hidden : ndarray of int
        The known rows that do not count.
    own : bool
        Whether query i is known row i.
    width : int
        The number of columns.
    best, rows, ties : ndarray
        Where scores, row numbers and the numbers of ties beyond go; filled with -inf, -1 and 0.
    """
    pointers, columns, values = queries
    sums = np.zeros(len(known_squares), np.float32)
    peaks = np.empty(-(-len(sums) // _STRETCH), np.float32)
    asked = np.zeros(width)  # the query, with all its zeros
    largest = np.empty(best.shape[1], np.float32)
    for query in range(first, stop):
        begin, end = pointers[query], pointers[query + 1]
        for place in range(begin, end):
            asked[columns[place]] = values[place]
            _add_column(sums, np.float32(values[place]), columns[place], by_column)
        if own:
            sums[query] = -np.inf
        for row in hidden:
            sums[row] = -np.inf
        _find_peaks(sums, peaks)
        # What rounding may have put below the k-th largest sum is a candidate, too.
        slack = np.float32(2.0**-22 * (end - begin + 8))
        lowest = max(np.finfo(np.float32).min, _kth_largest(sums, peaks, largest) - slack)
        scale = squares[query]
        ties[query] = _keep_best(
            sums, peaks, lowest, asked, scale, known, known_squares, best[query], rows[query]
        )
        sums[:] = 0
        for place in range(begin, end):
            asked[columns[place]] = 0.0


@_LOOP
def _add_column(sums: Any, value: Any, column: int, by_column: Any) -> None:
    pointers, rows, values = by_column
    part = slice(pointers[column], pointers[column + 1])
    rows, values = rows[part], values[part]  # counted from 0, no place needs a check of its sign
    for place in range(len(rows)):
        sums[rows[place]] += value * values[place]


@_LOOP
def _find_peaks(sums: Any, peaks: Any) -> None:
    """Write the largest sum of each stretch.

    Compilers look for the largest of several integers at a time, but not of several floats. The
    bits of floats are in order as integers once all but the sign are flipped in negative ones.
    """
    bits, found = sums.view(np.int32), peaks.view(np.int32)
    for number in range(len(peaks)):
        found[number] = _peak(bits[number * _STRETCH : (number + 1) * _STRETCH])


@_LOOP
def _peak(bits: Any) -> Any:
    largest = _LEAST
    for place in range(len(bits)):
        value = _in_order(bits[place])
        largest = value if value > largest else largest  # max() is slower
    return _in_order(largest)


@_LOOP
def _in_order(bits: Any) -> Any:
    return np.int32(bits ^ ((bits >> np.int32(31)) & _ALL_BUT_SIGN))


@_LOOP
def _kth_largest(sums: Any, peaks: Any, largest: Any) -> Any:
    """Return the k-th largest sum, -inf if there are fewer."""
    last = len(largest) - 1
    largest[:] = -np.inf
    for peak in peaks:
        _insert(largest, peak)
    bound = largest[last]  # k sums are at least so large
    largest[:] = -np.inf
    for number in range(len(peaks)):
        if peaks[number] >= bound and peaks[number] > largest[last]:
            for value in sums[number * _STRETCH : (number + 1) * _STRETCH]:
                _insert(largest, value)
    return largest[last]


@_LOOP
def _insert(largest: Any, value: Any) -> None:
    """Put a number in its place among the largest, if it is one of them."""
    place = len(largest) - 1
    if not value > largest[place]:
        return
    while place > 0 and largest[place - 1] < value:
        largest[place] = largest[place - 1]
        place -= 1
    largest[place] = value


@_LOOP
def _keep_best(
    sums: Any,
    peaks: Any,
    lowest: Any,
    asked: Any,
    square: float,
    known: Any,
    known_squares: Any,
    best: Any,
    rows: Any,
) -> int:
    """Score the candidates in float64, keep the best, and return how many tie with the last."""
    pointers, columns, values = known
    ties, end = 0, len(best) - 1
    score = np.empty(1, best.dtype)  # rounds to the type of the result
    for number in range(len(peaks)):
        if not peaks[number] >= lowest:
            continue
        start = number * _STRETCH
        for row in range(start, min(start + _STRETCH, len(sums))):
            if not sums[row] >= lowest:
                continue
            exact = 0.0
            for place in range(pointers[row], pointers[row + 1]):
                exact += asked[columns[place]] * np.float64(values[place])
            exact /= np.sqrt(square * known_squares[row])
            score[0] = min(1.0, max(-1.0, exact))
            last = best[end]
            if not score[0] > last:
                ties += score[0] == last
                continue
            place = end
            while place > 0 and best[place - 1] < score[0]:
                best[place], rows[place] = best[place - 1], rows[place - 1]
                place -= 1
            best[place], rows[place] = score[0], row
            if best[end] > -np.inf:
                ties = ties + 1 if last == best[end] else 0
    return ties


@_SUMS
def row_sums(x: Any, y: Any) -> Any:
    """Return the product of two rows, and the squared lengths of both."""
    xy = x.dtype.type(0)
    xx = x.dtype.type(0)
    yy = x.dtype.type(0)
    for column in range(len(x)):
        a, b = x[column], y[column]
        xy += a * b
        xx += a * a
        yy += b * b
    return xy, xx, yy


@_LOOP
def row_cosines(x: Any, y: Any, low: float, high: float, cosines: Any) -> bool:
    """Write the cosine of each row of `x` with that of `y`, and tell whether all are safe.

    NaN marks a pair of which a squared length, or in float64 the product of both, is beyond what
    is safe.
    """
    safe = True
    for row in range(len(x)):
        xy, xx, yy = row_sums(x[row], y[row])
        both = np.float64(xx) * np.float64(yy)
        good = low < xx < high and low < yy < high
        if x.itemsize == 8:
            good = good and low < both < high
        cosines[row] = np.float64(xy) / np.sqrt(both) if good else np.nan
        safe = safe and good
    return safe
