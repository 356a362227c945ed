"""Unit rows: each vector divided by its norm, at any scale, with what has no direction named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit.data import rows_of
from estkit.parallel import map_threads
from estkit.similarity.form import Form
from estkit.similarity.twofold import moved, scaled
from estkit.similarity.vectors import Real, Vectors

Mask = NDArray[np.bool_]
Part = slice | NDArray[np.intp]

# Sums of squares between these are right: what underflowed in them does not matter.
SAFE = {np.dtype(np.float32): (1e-24, 1e36), np.dtype(np.float64): (1e-280, 1e300)}
_CHUNK = 256  # squares added up in float32 before float64 takes over
_NUMBERS = 1 << 16  # coordinates that are mapped at a time
_WORTH_THREADS = 1 << 24  # bytes, for fewer of which threads take longer to start than to work
_EPS = float(np.finfo(float).eps)


class Units(NamedTuple):
    """Unit rows, zeros where a row is zero or not finite, and which rows those are."""

    rows: Any
    zero: Mask
    missing: Mask


@dataclass(frozen=True, eq=False)
class Directions:
    """All rows of a table as unit rows, made block by block or held where there is room.

    Parameters
    ----------
    vectors : Vectors
        What was given.
    form : Form
        The map that makes coordinates to be compared of it.
    dtype : dtype
        float32 or float64, of the unit rows.
    zero, missing : ndarray of bool, shape (n,)
        Which rows have no direction: all zero (or constant, when centred), or not finite.
    held : ndarray, csr_array or None
        All unit rows, if they are held.
    kept : ndarray of int, optional
        Which rows are compared, in their order; by default all.
    """

    vectors: Vectors
    form: Form
    dtype: Any
    zero: Mask
    missing: Mask
    held: Any = None
    kept: NDArray[np.intp] | None = None

    @property
    def rows(self) -> int:
        """The number of rows that are compared."""
        return self.vectors.rows if self.kept is None else len(self.kept)

    def places(self, part: Part) -> Part:
        """Return where rows that are compared stand among all that were given."""
        return part if self.kept is None else self.kept[part]

    def units(self, part: Part) -> Any:
        """Return the unit rows of a part, dense or sparse."""
        places = self.places(part)
        if self.held is None:
            return unit_rows(self.vectors, self.form, places, self.dtype).rows
        return rows_of(self.held, places) if isinstance(places, slice) else self.held[places]

    def raw(self, part: Part) -> Real:
        """Return rows before they are mapped, divided by powers of two: nothing is rounded."""
        return scaled(self.given(part))[0]

    def given(self, part: Part) -> Real:
        """Return rows as they were given, the origin taken away."""
        return moved(self.vectors.dense(self.places(part)), self.form).high

    @property
    def sparse(self) -> bool:
        """Whether the unit rows are sparse."""
        return self.vectors.sparse and self.form.diagonal

    @property
    def width(self) -> int:
        """The number of coordinates of a unit row."""
        factor = self.form.factor
        return self.vectors.width if factor is None else int(factor.shape[1])


def find_directions(
    vectors: Vectors, form: Form, dtype: Any, *, hold: bool, step: int, threads: int
) -> Directions:
    """Look at every row, `step` rows at a time, and hold the unit rows if asked."""
    parts = [slice(i, min(i + step, vectors.rows)) for i in range(0, vectors.rows, step)]
    zero, missing = np.zeros(vectors.rows, bool), np.zeros(vectors.rows, bool)
    directions = Directions(vectors, form, np.dtype(dtype), zero, missing)
    held: Any = None
    if hold and not directions.sparse:
        held = np.empty((vectors.rows, directions.width), dtype=dtype)
    pieces = []

    def look(part: slice) -> None:
        place = None if held is None else held[part]
        made = unit_rows(vectors, form, part, dtype, place)
        zero[part], missing[part] = made.zero, made.missing
        if place is None and hold:
            pieces.append((part.start, made.rows))

    if vectors.rows * vectors.width * directions.dtype.itemsize < _WORTH_THREADS:
        threads = 1
    for _ in map_threads(look, parts, threads=threads):
        pass
    if hold and directions.sparse:
        held = _stacked([rows for _, rows in sorted(pieces, key=lambda p: p[0])], vectors, dtype)
    return Directions(vectors, form, np.dtype(dtype), zero, missing, held)


def _stacked(blocks: list[Any], vectors: Vectors, dtype: Any) -> Any:
    from scipy import sparse

    if not blocks:
        return sparse.csr_array(vectors.values.shape, dtype=dtype)
    return sparse.csr_array(sparse.vstack(blocks, format="csr"))


def unit_rows(
    vectors: Vectors, form: Form, part: Part, dtype: Any, place: Real | None = None
) -> Units:
    """Return some rows divided by their norms; written to `place`, if they are dense."""
    if vectors.sparse and form.diagonal:
        return _sparse_units(vectors.block(part), form, dtype)
    if not form.plain:
        return _mapped(vectors, form, part, dtype, place)
    short = vectors.short and np.dtype(dtype) == np.float32
    block = vectors.dense(part, np.float32 if short else np.float64)
    squares = row_dots(block, block)
    low, high = SAFE[block.dtype]
    odd = ~((squares > low) & (squares < high))  # NaN too
    ready = place is not None and place.dtype == block.dtype
    with np.errstate(all="ignore"):
        norms = np.sqrt(squares).astype(block.dtype)[:, None]
        rows = np.divide(block, norms, out=place if ready else None)
    zero = np.zeros(len(block), bool)
    missing = zero.copy()
    if odd.any():
        made = mapped_units(np.asarray(block[odd], dtype=float), form, block.dtype)
        rows[odd], zero[odd], missing[odd] = made
    return _placed(Units(rows.astype(dtype, copy=False), zero, missing), place)


def _mapped(vectors: Vectors, form: Form, part: Part, dtype: Any, place: Real | None) -> Units:
    """Return rows mapped, some at a time, for that takes several copies of each."""
    count = len(range(vectors.rows)[part]) if isinstance(part, slice) else len(part)
    width = vectors.width if form.factor is None else form.factor.shape[1]
    made = np.empty((count, width), dtype) if place is None else place
    zero, missing = np.empty(count, bool), np.empty(count, bool)
    step = max(1, _NUMBERS // max(vectors.width, width, 1))
    for start in range(0, count, step):
        some = slice(start, min(start + step, count))
        if isinstance(part, slice):
            first = part.start or 0
            block = vectors.dense(slice(first + some.start, first + some.stop))
        else:
            block = vectors.dense(part[some])
        made[some], zero[some], missing[some] = mapped_units(block, form, dtype)
    return Units(made, zero, missing)


def _placed(made: Units, place: Real | None) -> Units:
    if place is None or made.rows is place:
        return made
    place[:] = made.rows
    return made._replace(rows=place)


def row_dots(x: Real, y: Real) -> Real:
    """Return the product of each row of `x` with that of `y`; float32 in pieces added in float64.

    The same row twice gives exactly its sum of squares, wherever it is asked for.
    """
    width = x.shape[1]
    with np.errstate(all="ignore"):
        if x.dtype == np.float64 or width <= _CHUNK:
            return np.asarray(np.einsum("ij,ij->i", x, y))
        whole = width - width % _CHUNK
        pieces = (table[:, :whole].reshape(len(table), -1, _CHUNK) for table in (x, y))
        total = np.einsum("ijk,ijk->ij", *pieces).sum(axis=1, dtype=np.float64)
        return np.asarray(total + np.einsum("ij,ij->i", x[:, whole:], y[:, whole:]))


def mapped_units(rows: Real, form: Form, dtype: Any) -> Units:
    """Return rows at any scale mapped, and divided by their norms."""
    rows, largest = scaled(moved(rows, form).high)
    missing = ~np.isfinite(largest)
    rows = np.where(missing[:, None], 0.0, rows)
    zero = ~missing & directionless(rows, form)
    mapped = form.linear(rows)
    if form.factor is not None:  # what S maps to nothing leaves some rounding behind
        noise = 4 * rows.shape[1] * _EPS * np.sqrt(form.largest)
        zero |= ~missing & (_norms(mapped) <= noise * _norms(rows))
    mapped, _ = scaled(mapped)
    norms = _norms(mapped)
    zero |= ~missing & (norms == 0)
    none = zero | missing
    units = mapped / np.where(none, 1.0, norms)[:, None]
    units[none] = 0.0
    return Units(units.astype(dtype, copy=False), zero, missing)


def _norms(rows: Real) -> Real:
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", rows, rows)))


def directionless(rows: Real, form: Form) -> Mask:
    """Tell which rows are zero, or constant where their means are taken away."""
    counted = rows[:, form.counted]
    if counted.shape[1] == 0:
        return np.ones(len(rows), bool)
    if form.center:
        return np.asarray(counted.max(axis=1) == counted.min(axis=1))
    return np.asarray(~counted.any(axis=1))


def _sparse_units(block: Any, form: Form, dtype: Any) -> Units:
    from scipy import sparse

    lengths = np.diff(block.indptr)
    owner = np.repeat(np.arange(block.shape[0]), lengths)
    data = block.data if form.roots is None else block.data * (form.roots[block.indices] > 0)
    largest = np.zeros(block.shape[0])
    with np.errstate(invalid="ignore"):
        np.maximum.at(largest, owner, abs(data))  # NaN goes through
    missing, zero = ~np.isfinite(largest), largest == 0
    none = missing | zero
    exponents = np.frexp(np.where(none, 1.0, largest))[1][owner]
    half = exponents // 2
    data = np.where(none[owner], 0.0, np.ldexp(np.ldexp(data, -half), half - exponents))
    if form.roots is not None:
        data = data * form.roots[block.indices]
        peak = np.zeros(block.shape[0])
        np.maximum.at(peak, owner, abs(data))
        data = data / np.where(peak > 0, peak, 1.0)[owner]
    norms = np.sqrt(np.bincount(owner, weights=data * data, minlength=block.shape[0]))
    data = data / np.where(norms > 0, norms, 1.0)[owner]
    made = (data.astype(dtype, copy=False), block.indices, block.indptr)
    return Units(sparse.csr_array(made, shape=block.shape, copy=False), zero, missing)
